//! A program that is a server: started in the sandbox of commands, widened by what its tool file declares, and ended with all that it
//! started when nobody needs it.

use std::{
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::{ChildStdin, ChildStdout, Command},
    sync::{Notify, oneshot, watch},
};

use super::{
    ProgramSpec,
    fault::{Fault, short},
};
use crate::{
    secret::{Scrubber, SecretText, Secrets},
    tool::command::{
        sandbox,
        wider::{ENV, Wider},
    },
};

/// What is kept of standard error: its end.
const WORDS: usize = 2048;

/// A running program. Dropped, it is killed.
pub(super) struct Process {
    stop: Arc<Notify>,
    words: Arc<Mutex<Vec<u8>>>,
    ended: watch::Receiver<bool>,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts it. A thread of its own waits for it: the system kills the sandbox when the thread that started it ends.
    pub(super) fn start(
        spec: &ProgramSpec,
        secrets: &dyn Secrets,
        needles: &mut Scrubber,
    ) -> Result<(Process, ChildStdout, ChildStdin), Fault> {
        let wider = Wider { read: spec.read.clone(), write: spec.write.clone(), network: spec.network };
        let mut command = Command::new(&spec.sandbox);
        command.arg(sandbox::OUTER).arg(wider.to_arg()).arg(&spec.program).args(&spec.args);
        command.env_clear().current_dir("/").kill_on_drop(true).process_group(0);
        for (name, text) in &spec.env {
            let value =
                SecretText::parse(text).resolve(secrets, needles).map_err(|error| Fault::Ours(error.to_string()))?;
            command.env(format!("{}{name}", ENV), value);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(nobody) = sandbox::nobody() {
            command.uid(nobody).gid(nobody);
        }
        let (stop, words) = (Arc::new(Notify::new()), Arc::new(Mutex::new(Vec::new())));
        let (told, ended) = watch::channel(false);
        let (begun, begin) = std::sync::mpsc::sync_channel(1);
        let (heard, kept) = (stop.clone(), words.clone());
        let runtime = tokio::runtime::Handle::current();
        let thread = move || {
            runtime.block_on(async move {
                let mut child = match command.spawn() {
                    Ok(child) => child,
                    Err(error) => {
                        let _ = begun.send(Err(error));
                        return;
                    }
                };
                let stderr = child.stderr.take();
                let _ = begun.send(Ok((child.stdout.take(), child.stdin.take())));
                let (quiet, silent) = oneshot::channel::<()>();
                let listening = async {
                    keep(stderr, &kept).await;
                    drop(quiet);
                };
                let waiting = async {
                    let waited = tokio::select! {
                        ended = child.wait() => ended.is_ok(),
                        () = heard.notified() => false,
                    };
                    if !waited && let Some(group) = child.id() {
                        sandbox::kill(group);
                        let _ = child.wait().await;
                    }
                    let _ = silent.await;
                };
                tokio::join!(listening, waiting);
                let _ = told.send(true);
            });
        };
        let named = std::thread::Builder::new().name("mcp server".to_owned()).spawn(thread);
        named.map_err(|error| Fault::Ours(format!("no thread can be started: {error}")))?;
        match begin.recv() {
            Ok(Ok((Some(out), Some(into)))) => Ok((Process { stop, words, ended }, out, into)),
            Ok(Err(error)) => Err(Fault::Ours(format!("its program cannot be started: {error}"))),
            Ok(Ok(_)) | Err(_) => Err(Fault::Ours("its program cannot be started".to_owned())),
        }
    }

    /// Ends it with all that it started.
    pub(super) fn kill(&self) {
        self.stop.notify_one();
    }

    /// Waits until it has ended.
    pub(super) async fn ended(&self) {
        // A sender that is gone has ended as well.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }

    /// Ends it; gives what it said last.
    pub(super) async fn finished(&self) -> String {
        self.kill();
        self.ended().await;
        self.last_words()
    }

    /// The end of what it wrote to standard error.
    pub(super) fn last_words(&self) -> String {
        let words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&words).trim().to_owned()
    }
}

async fn keep(from: Option<impl AsyncRead + Unpin>, words: &Mutex<Vec<u8>>) {
    let Some(mut from) = from else { return };
    let mut part = [0; 1024];
    while let Ok(read) = from.read(&mut part).await {
        if read == 0 {
            return;
        }
        let mut words = words.lock().unwrap_or_else(PoisonError::into_inner);
        words.extend_from_slice(&part[..read]);
        let over = words.len().saturating_sub(WORDS);
        words.drain(..over);
    }
}

/// Why a program did not begin: the sandbox says so in its own words, a program on its last line.
pub(super) fn start_failed(fault: Fault, said: &str) -> Fault {
    if let Some(why) = said.strip_prefix(sandbox::SAYS.trim_end()) {
        return Fault::Ours(format!("its program was not started: {}", short(why)));
    }
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    match (fault, last) {
        (Fault::Unreached(why), Some(last)) => Fault::Unreached(format!("{why}; it said: {}", short(last))),
        (fault, _) => fault,
    }
}
