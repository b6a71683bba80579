//! Processes that harnesses start: a ledger that lives, and lives of a victim.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    io,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, BufReader},
    process::{Child, Command},
    sync::{Notify, mpsc},
};

use crate::{
    ledger::{Ledger, Line},
    ledgerd::{Once, Plan, Setting},
    oracle::Oracle,
    victim::{Said, Trouble},
};

/// A process that does not say `ready`, or does not end when it should, is given up after this.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked whether a process stands still.
const STILL: Duration = Duration::from_millis(5);

/// Whether the process is stopped.
fn is_still(process: Option<u32>) -> bool {
    let stat = process.and_then(|id| std::fs::read_to_string(format!("/proc/{id}/stat")).ok());
    // The name of the program stands in parentheses and may hold anything.
    stat.is_some_and(|stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T')))
}

async fn signal(name: &str, process: Option<u32>) {
    if let Some(id) = process {
        // It may be gone: then it needs no signal.
        let _ = Command::new("kill").args([name, &id.to_string()]).status().await;
    }
}

/// A ledger in its own process, and all that it has seen.
pub struct Outside {
    _child: Child,
    client: reqwest::Client,
    url: String,
    file: PathBuf,
    read: u64,
    /// Everything so far.
    pub ledger: Ledger,
}

impl Outside {
    /// Starts `program ledgerd`.
    ///
    /// # Errors
    /// It does not start.
    pub async fn start(program: &Path, file: &Path) -> Result<Outside, Trouble> {
        let mut command = Command::new(program);
        command.args(["ledgerd", "--file"]).arg(file).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the ledger has no output")?;
        BufReader::new(stdout).read_line(&mut line).await?;
        let ready: serde_json::Value = serde_json::from_str(&line)?;
        let url = ready["url"].as_str().ok_or("the ledger does not say where it listens")?.to_owned();
        let client = crate::http::client()?;
        Ok(Outside { _child: child, client, url, file: file.to_owned(), read: 0, ledger: Ledger::default() })
    }

    /// The URL under which a life speaks to it.
    pub fn url(&self, batch: u64, life: u32) -> String {
        format!("{}/from/{}", self.url, Oracle::sender(batch, life))
    }

    /// Something that can change its modes while a life goes on.
    pub fn modes(&self) -> Modes {
        Modes { client: self.client.clone(), url: self.url.clone() }
    }

    /// Reads what is new; gives the lines by batch.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn follow(&mut self) -> Result<BTreeMap<u64, Vec<&Line>>, Trouble> {
        let (new, read) = self.ledger.follow(&self.file, self.read)?;
        self.read = read;
        let mut by_batch = BTreeMap::<_, Vec<_>>::new();
        for line in &self.ledger.lines[self.ledger.lines.len() - new..] {
            if let Some((batch, _)) = line.sender.as_deref().and_then(Oracle::named) {
                by_batch.entry(batch).or_default().push(line);
            }
        }
        Ok(by_batch)
    }
}

/// Sets how a ledger treats requests.
#[derive(Clone)]
pub struct Modes {
    client: reqwest::Client,
    url: String,
}

impl Modes {
    /// From now on.
    ///
    /// # Errors
    /// The ledger does not take it.
    pub async fn set(&self, setting: &Setting) -> Result<(), Trouble> {
        self.client.put(format!("{}/mode", self.url)).json(setting).send().await?.error_for_status()?;
        Ok(())
    }

    /// For the next request of a kind.
    ///
    /// # Errors
    /// The ledger does not take it.
    pub async fn next(&self, once: &Once) -> Result<(), Trouble> {
        self.client.put(format!("{}/next", self.url)).json(once).send().await?.error_for_status()?;
        Ok(())
    }

    /// Draws faults by a plan from now on, in place of all modes that were set before.
    ///
    /// # Errors
    /// The ledger does not take it.
    pub async fn plan(&self, plan: &Plan) -> Result<(), Trouble> {
        self.client.put(format!("{}/plan", self.url)).json(plan).send().await?.error_for_status()?;
        Ok(())
    }
}

/// One life of a victim, to be started.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// The apparatus.
    pub program: PathBuf,
    /// What starts it, with arguments; empty: nothing. `strace …`.
    pub under: Vec<OsString>,
    /// Variables of its environment.
    pub environment: Vec<(String, String)>,
    /// Which instrument it is; `victim` if `None`.
    pub instrument: Option<&'static str>,
    /// Its arguments after that.
    pub arguments: Vec<OsString>,
    /// Kill it so long after `ready`; `None`: let it come to its end.
    pub kill_after: Option<Duration>,
    /// Kill it when this is notified.
    pub kill_on: Option<Arc<Notify>>,
    /// Stop it when this is notified.
    pub stop_on: Option<Arc<Notify>>,
    /// Stop it so long after `ready`.
    pub stop_after: Option<Duration>,
    /// A process that stands still is told to go on after this; `None`: nobody does.
    pub stands: Option<Duration>,
    /// Give up after this; a minute if `None`.
    pub patience: Option<Duration>,
}

/// How a life ended.
#[derive(Debug)]
pub struct Ended {
    /// All whole lines, in order.
    pub said: Vec<Said>,
    /// What it wrote to its standard error.
    pub stderr: String,
    /// How it ended.
    pub status: ExitStatus,
    /// We killed it.
    pub killed: bool,
    /// How often it stood still and went on.
    pub stood: u32,
    /// It was given up.
    pub overdue: bool,
    /// From the spawn to `ready`.
    pub ready_after: Option<Duration>,
}

impl Ended {
    /// Whether it says that all runs are over, and left in order.
    pub fn over(&self) -> bool {
        self.status.success() && matches!(self.said.last(), Some(Said::Done { .. }))
    }

    /// Whether it says that all runs are over or wait for a person, and left in order.
    pub fn idle(&self) -> bool {
        self.status.success() && matches!(self.said.last(), Some(Said::Idle { .. }))
    }

    /// The last words on its standard error.
    pub fn last_words(&self) -> &str {
        self.stderr.trim_end().lines().next_back().unwrap_or_default()
    }
}

impl Life {
    /// The arguments that every victim has.
    pub fn of(program: &Path, outside: &Outside, data: &Path, (batch, life): (u64, u32), runs: u64, seed: u64) -> Life {
        let mut arguments: Vec<OsString> = vec!["--data".into(), data.into()];
        let more = [
            ("--ledger", outside.url(batch, life)),
            ("--runs", runs.to_string()),
            ("--seed", seed.to_string()),
            ("--batch", batch.to_string()),
        ];
        arguments.extend(more.into_iter().flat_map(|(name, value)| [name.into(), value.into()]));
        Life { program: program.to_owned(), arguments, ..Life::default() }
    }

    /// Adds `name value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl ToString) -> Life {
        self.arguments.extend([name.into(), value.to_string().into()]);
        self
    }

    /// Adds `name`.
    #[must_use]
    pub fn flag(mut self, name: &str) -> Life {
        self.arguments.push(name.into());
        self
    }

    /// Adds a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Life {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lives it.
    ///
    /// # Errors
    /// It cannot be started or read.
    pub async fn live(self) -> io::Result<Ended> {
        let mut words = self
            .under
            .iter()
            .cloned()
            .chain([self.program.into_os_string(), self.instrument.unwrap_or("victim").into()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(&self.arguments).envs(self.environment).kill_on_drop(true);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // A tracer's child would outlive the tracer: both are of one group, which can be killed as a whole.
        command.process_group(0);
        let begun = Instant::now();
        let mut child = command.spawn()?;
        let group = child.id();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (sender, mut lines) = mpsc::unbounded_channel();
        let read = tokio::spawn(async move {
            let Some(stdout) = stdout else { return };
            let mut stdout = BufReader::new(stdout).lines();
            while let Ok(Some(line)) = stdout.next_line().await {
                if let Ok(said) = serde_json::from_str::<Said>(&line)
                    && sender.send(said).is_err()
                {
                    return;
                }
            }
        });
        let errors = tokio::spawn(async move {
            let mut text = Vec::new();
            if let Some(mut stderr) = stderr {
                let _ = stderr.read_to_end(&mut text).await;
            }
            String::from_utf8_lossy(&text).into_owned()
        });
        let (mut said, mut ready_after) = (Vec::new(), None);
        let mut stood = 0;
        let (kill_on, stop_on) = (self.kill_on.unwrap_or_default(), self.stop_on.unwrap_or_default());
        let mut look = tokio::time::interval(STILL);
        let limit = tokio::time::sleep(self.patience.unwrap_or(PATIENCE));
        tokio::pin!(limit);
        let mut kill_at = None;
        let (mut killed, mut overdue) = (false, false);
        loop {
            let kill = async {
                match kill_at {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                line = lines.recv() => {
                    let Some(line) = line else { break };
                    if let (Said::Ready { .. }, None) = (&line, ready_after) {
                        ready_after = Some(begun.elapsed());
                        if let Some(after) = self.stop_after {
                            let stop_on = stop_on.clone();
                            tokio::spawn(async move {
                                tokio::time::sleep(after).await;
                                stop_on.notify_one();
                            });
                        }
                        kill_at = self.kill_after.map(|after| tokio::time::Instant::now() + after);
                    }
                    said.push(line);
                }
                () = kill => { killed = true; break; }
                () = kill_on.notified() => { killed = true; break; }
                () = stop_on.notified() => signal("-STOP", group).await,
                _ = look.tick(), if self.stands.is_some() => {
                    if let (Some(stands), true) = (self.stands, is_still(group)) {
                        tokio::time::sleep(stands).await;
                        stood += 1;
                        signal("-CONT", group).await;
                    }
                }
                () = &mut limit => { overdue = true; break; }
            }
        }
        if killed || overdue {
            child.start_kill()?;
            if let (false, Some(group)) = (self.under.is_empty(), group) {
                let _ = Command::new("kill").args(["-9", "--", &format!("-{group}")]).status().await;
            }
        }
        let status = child.wait().await?;
        while let Some(line) = lines.recv().await {
            said.push(line);
        }
        let _ = read.await;
        let stderr = errors.await.unwrap_or_default();
        // It may have come to its end just before.
        killed &= !status.success();
        Ok(Ended { said, stderr, status, killed, stood, overdue, ready_after })
    }
}
