//! The ledger's file: appended and synced by one thread, many lines a sync.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::Path,
    sync::mpsc,
    thread,
};

use tokio::sync::oneshot;

use crate::ledger::{Ledger, Line};

type Job = (Vec<u8>, oneshot::Sender<()>);

/// Takes lines in order; each is acknowledged when it is durable. If the file fails, acknowledgements stop for good.
pub(super) struct Appender(mpsc::Sender<Job>);

impl Appender {
    /// Opens or makes the file; gives what stands in it. Half a line at its end is cut off: nobody had its answer.
    pub(super) fn open(path: &Path) -> io::Result<(Appender, Ledger)> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let ledger = Ledger::parse(&text).map_err(io::Error::other)?;
        file.set_len(text.rfind('\n').map_or(0, |end| end as u64 + 1))?;
        file.seek(SeekFrom::End(0))?;
        file.sync_all()?;
        let (sender, jobs) = mpsc::channel();
        thread::Builder::new().name("ledger".to_owned()).spawn(move || write(file, &jobs))?;
        Ok((Appender(sender), ledger))
    }

    /// Hands over a line. The receiver gets a word when it is durable, and an error if it never will be.
    pub(super) fn append(&self, line: &Line) -> oneshot::Receiver<()> {
        let mut bytes = serde_json::to_vec(line).expect("a line has texts as keys: held by its type");
        bytes.push(b'\n');
        let (done, wait) = oneshot::channel();
        // Without a writer the sender comes back and is dropped, which is the error.
        let _ = self.0.send((bytes, done));
        wait
    }
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
