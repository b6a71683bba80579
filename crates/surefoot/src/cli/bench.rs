mod actions;
mod chain;
mod context;
mod fanout;
mod long;
mod overhead;
mod pages;
mod parked;
mod probe;
mod recover;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use clap::{Args, Subcommand};
use gateway::tool::native::Call;
use kernel::values::Value;
use runtime::Config;
use serde_json::{Map, json};
use store::{
    RunQuery, Status, Store,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::{task::JoinSet, time::Instant};

use super::Scene;
use crate::{embed::Surefoot, error::CliError, exit::Exit};

/// Measure this machine: one JSON object a line
///
/// A run is started with the public verb; its start and its end count when the database has committed them. The chain is on, and the
/// database is checked as a whole at the end. Commits are counted by the store; who wants to count fsyncs runs this under `strace -fc`.
#[derive(Debug, Args)]
pub(super) struct Bench {
    #[command(subcommand)]
    what: What,
    /// Where the data are made, in a folder of their own that is removed afterwards
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Runs at once
    #[arg(long, global = true, value_name = "N", default_value_t = 64)]
    at_once: usize,
    /// How many runs [default: by kind]
    #[arg(long, global = true, value_name = "N")]
    runs: Option<usize>,
    /// Steps of a run [default: by kind]
    #[arg(long, global = true, value_name = "N")]
    steps: Option<usize>,
    /// Commit after each step, instead of only before something leaves the process
    #[arg(long, global = true)]
    commit_every_step: bool,
    /// Leave the data where they are
    #[arg(long, global = true)]
    keep: bool,
    /// Skip the rates of the bare device and the bare database
    #[arg(long, global = true)]
    no_probe: bool,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Runs of ten pure steps: many at once, then one after the other
    Chain,
    /// Runs of ten governed actions on a tool in this process
    Actions,
    /// One run of more than ten thousand steps: whether a late step costs more than an early one
    Long,
    /// Runs with two hundred items at once, joined
    Fanout,
    /// A hundred thousand runs that wait for a signal: memory, and how fast they go on
    Parked,
    /// Ten thousand runs whose process is killed: how fast the next one goes on
    Recover,
    /// What the model calls of recorded runs were shown, against everything that their runs knew by then: tokens, three bytes each
    Context(context::Context),
    /// What Surefoot adds to a model call: context, policy and evidence by the processor's time, the wait for the disk apart
    ///
    /// Plays the cases of a project, or without one a project of its own, on one thread and in memory. One measured call is: its context and the
    /// bytes of its request, the judgement of its reply from the bytes on, the decision about one act of those that follow, and the entries of both.
    Overhead(overhead::Overhead),
    /// Lists, searches and runs over two hundred thousand runs, as pages and as API: the server's time for each, and its memory
    ///
    /// The runs are made with the public verbs and driven by a worker, which takes a while; `--keep` leaves them for `--filled`.
    Pages(pages::Pages),
    #[command(hide = true)]
    RecoverChild,
}

/// What every measurement is given.
struct Ground {
    dir: PathBuf,
    at_once: usize,
    runs: Option<usize>,
    steps: Option<usize>,
    commit_every_step: bool,
}

impl Bench {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        if let What::Context(context) = &self.what {
            return scene.block_on(context::run(scene, context)).map(|()| Exit::Ok);
        }
        let child = matches!(self.what, What::RecoverChild);
        let dir = if child { self.dir.clone() } else { own_folder(&self.dir)? };
        let ground = Ground {
            dir: dir.clone(),
            at_once: self.at_once.max(1),
            runs: self.runs,
            steps: self.steps,
            commit_every_step: self.commit_every_step,
        };
        let done = scene.block_on(async {
            if !child && !self.no_probe {
                scene.out.object(&probe::all(&dir)?);
            }
            match &self.what {
                What::Chain => chain::pure(scene, &ground).await,
                What::Actions => actions::run(scene, &ground).await,
                What::Long => long::run(scene, &ground).await,
                What::Fanout => fanout::run(scene, &ground).await,
                What::Parked => parked::run(scene, &ground).await,
                What::Recover => recover::run(scene, &ground).await,
                What::RecoverChild => recover::child(&ground).await,
                // It measures nothing of this machine, and went its own way above.
                What::Context(_) => Ok(()),
                What::Pages(pages) => pages::run(scene, &ground, pages).await,
                What::Overhead(overhead) => overhead::run(scene, &ground, overhead).await,
            }
        });
        if !child && !self.keep {
            // What cannot be removed stays; the measurement is no worse for it.
            let _ = std::fs::remove_dir_all(&dir);
        }
        done.map(|()| Exit::Ok)
    }
}

/// A new folder below `dir`, so that nothing that exists is ever measured or removed.
fn own_folder(dir: &Path) -> Result<PathBuf, CliError> {
    for number in 1..10_000 {
        let folder = dir.join(format!("surefoot-bench-{number}"));
        match std::fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                let error = CliError::io(format!("{} cannot be made", folder.display()), error);
                return Err(error.hint("name a folder that can be written with `--dir DIR`"));
            }
        }
    }
    Err(CliError::usage(format!("{} holds thousands of old measurements", dir.display()))
        .hint("remove surefoot-bench-*"))
}

impl Ground {
    fn open(&self, name: &str) -> Result<Arc<SqliteStore>, CliError> {
        Ok(Arc::new(SqliteStore::open(&self.dir.join(name), SqliteOptions::default())?))
    }

    /// A project of one workflow `w` with the tool `noop`, which does nothing at once.
    fn project(&self, store: Arc<dyn Store>, workflow: &str, most_runs: usize) -> Result<Surefoot, CliError> {
        self.project_with(store, workflow, most_runs, &[])
    }

    /// The same with more files, or others.
    fn project_with(
        &self,
        store: Arc<dyn Store>,
        workflow: &str,
        most_runs: usize,
        files: &[(&str, &str)],
    ) -> Result<Surefoot, CliError> {
        let config = Config { commit_every_step: self.commit_every_step, most_runs, ..Config::default() };
        let noop =
            |call: Call| async move { Ok(Value::map([("ok", Value::Bool(true)), ("key", call.key.as_str().into())])) };
        build(store, workflow, config, noop, files)
    }

    /// The fields that every line has.
    fn line(&self, what: &str) -> Map<String, serde_json::Value> {
        let mut line = Map::new();
        line.insert("bench".into(), what.into());
        line.insert("at_once".into(), self.at_once.into());
        line.insert("commit_every_step".into(), self.commit_every_step.into());
        line.insert("build".into(), if cfg!(debug_assertions) { "debug" } else { "release" }.into());
        line
    }
}

fn build(
    store: Arc<dyn Store>,
    workflow: &str,
    config: Config,
    tool: impl gateway::tool::native::NativeTool + 'static,
    more: &[(&str, &str)],
) -> Result<Surefoot, CliError> {
    let files = [
        ("surefoot.yaml", "project: bench\n"),
        ("tools/noop.yaml", "tool: noop\nnative: true\noperations: { touch: { effect: idempotent } }\n"),
        ("workflows/w.yaml", workflow),
    ];
    let files = files.into_iter().chain(more.iter().copied()).collect();
    let builder = Surefoot::builder().sources(files).store(store).config(config);
    Ok(builder.tool("noop", tool).build()?)
}

/// A worker for as long as it lives.
struct Working {
    stop: tokio::sync::oneshot::Sender<()>,
    worker: tokio::task::JoinHandle<Result<(), runtime::RunError>>,
}

impl Working {
    fn begin(surefoot: &Surefoot) -> Working {
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let surefoot = surefoot.clone();
        let worker = tokio::spawn(async move {
            surefoot
                .serve(async {
                    // Sent or dropped: the same.
                    let _ = stopped.await;
                })
                .await
        });
        Working { stop, worker }
    }

    async fn end(self) -> Result<(), CliError> {
        // It may have ended by itself; the join below says why.
        let _ = self.stop.send(());
        self.worker.await.map_err(|error| CliError::internal("the worker panicked").caused_by(error))??;
        Ok(())
    }
}

/// Starts `runs` runs from `at_once` callers, each of which waits for the end of one before it starts the next. Gives each one's time from before its start until its end
/// was known to be durable.
async fn rounds(surefoot: &Surefoot, runs: usize, at_once: usize, input: &Value) -> Result<Vec<Duration>, CliError> {
    surefoot.deploy().await?;
    let left = Arc::new(AtomicUsize::new(runs));
    let mut callers = JoinSet::new();
    for _ in 0..at_once.min(runs) {
        let (surefoot, input, left) = (surefoot.clone(), input.clone(), left.clone());
        callers.spawn(async move {
            let mut times = Vec::new();
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
                let begun = Instant::now();
                let run = surefoot.start("w", input.clone()).await?.run;
                surefoot.runtime().finished(run).await?;
                times.push(begun.elapsed());
            }
            Ok::<_, runtime::RunError>(times)
        });
    }
    let mut times = Vec::with_capacity(runs);
    while let Some(caller) = callers.join_next().await {
        times.extend(caller.map_err(|error| CliError::internal("a caller panicked").caused_by(error))??);
    }
    Ok(times)
}

/// The time below which `part` of all lie, in milliseconds.
fn quantile(times: &mut [Duration], part: f64) -> f64 {
    times.sort_unstable();
    let last = times.len().saturating_sub(1);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index below the length"
    )]
    let index = (part * last as f64).round() as usize;
    times.get(index).map_or(0.0, |time| rounded(time.as_secs_f64() * 1000.0))
}

/// Three digits after the point are more than any of this is worth.
fn rounded(number: f64) -> f64 {
    (number * 1000.0).round() / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn rate(count: u64, time: Duration) -> f64 {
    (count as f64 / time.as_secs_f64().max(1e-9)).round()
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn ratio(count: u64, of: u64) -> f64 {
    rounded(count as f64 / of.max(1) as f64)
}

/// Resident memory now and at its peak, in MiB; `null` where the system does not say.
fn memory() -> (serde_json::Value, serde_json::Value) {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.trim_start_matches(':').trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(ratio(kib, 1024))
    };
    (json!(field("VmRSS")), json!(field("VmHWM")))
}

/// Reads the whole database and compares: a measurement of wrong data is none.
async fn verified(store: &SqliteStore, line: &mut Map<String, serde_json::Value>) -> Result<(), CliError> {
    let begun = Instant::now();
    let findings = store.check().await?;
    if let Some(first) = findings.first() {
        let message = format!("the database does not hold after the measurement: {}: {}", first.rule, first.detail);
        return Err(CliError::new(Exit::Unverified, message));
    }
    line.insert("verified".into(), true.into());
    line.insert("verify_s".into(), rounded(begun.elapsed().as_secs_f64()).into());
    Ok(())
}

/// Waits until no run is queued or running.
async fn settled(store: &SqliteStore, also: &[Status]) -> Result<(), CliError> {
    let mut status = vec![Status::Queued, Status::Running];
    status.extend(also);
    loop {
        let query = RunQuery { status: status.clone(), limit: 1, ..RunQuery::default() };
        if store.runs(query).await?.is_empty() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
