//! Files of JSON lines: appended and synced by one thread, many lines a sync.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::mpsc,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::Serialize;
use tokio::sync::oneshot;

type Job = (Vec<u8>, oneshot::Sender<()>);

/// Takes lines in order; each is acknowledged when it is durable. If the file fails, acknowledgements stop for good.
pub(crate) struct Appender(mpsc::Sender<Job>);

impl Appender {
    /// Opens or makes the file; gives what `read` makes of its whole lines. Half a line at its end is cut off: nobody had its
    /// answer.
    ///
    /// # Errors
    /// The file cannot be used, or `read` refuses it, which leaves it as it was.
    pub(crate) fn open<T>(path: &Path, read: impl FnOnce(&str) -> io::Result<T>) -> io::Result<(Appender, T)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let known = read(&text[..whole])?;
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        let (sender, jobs) = mpsc::channel();
        thread::Builder::new().name("lines".to_owned()).spawn(move || write(file, &jobs))?;
        Ok((Appender(sender), known))
    }

    /// Hands over a line. The receiver gets a word when it is durable, and an error if it never will be.
    pub(crate) fn append(&self, line: &impl Serialize) -> oneshot::Receiver<()> {
        let mut bytes = serde_json::to_vec(line).expect("a line has texts as keys: held by its type");
        bytes.push(b'\n');
        let (done, wait) = oneshot::channel();
        // Without a writer the sender comes back and is dropped, which is the error.
        let _ = self.0.send((bytes, done));
        wait
    }
}

/// The whole lines of a text, each as `T`. A last line without its end was still being written: nobody has its answer yet.
///
/// # Errors
/// The number of the line from 1, and why it is none.
pub(crate) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<Vec<T>, (usize, String)> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let lines = whole.lines().enumerate();
    lines.map(|(at, line)| serde_json::from_str(line).map_err(|why| (at + 1, why.to_string()))).collect()
}

/// Microseconds since 1970 UTC, by the machine's clock.
pub(crate) fn now_us() -> i64 {
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn write(mut file: File, jobs: &mpsc::Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).collect();
        let bytes: Vec<u8> = batch.iter().flat_map(|(bytes, _)| bytes).copied().collect();
        if file.write_all(&bytes).and_then(|()| file.sync_data()).is_err() {
            // After a failed sync nobody knows what is on the disk: no further line may be acknowledged.
            return;
        }
        for (_, done) in batch {
            // Who no longer waits has gone away; the line stays.
            let _ = done.send(());
        }
    }
}
