//! Runs whose process is killed in the middle of an action: how fast the next process goes on.

use std::{
    process::Stdio,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use gateway::tool::native::Call;
use kernel::values::Value;
use runtime::Config;
use store::{Status, Store};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
    sync::Notify,
    time::Instant,
};

use super::{Ground, Working, build, memory, rate, rounded, settled, verified};
use crate::{cli::Scene, embed::Surefoot, error::CliError};

const WORKFLOW: &str = "workflow: w\nresult: { value: =after }\nstages:\n  - stage: all\n    steps:\n      \
    - { step: one, set: { n: =input.n } }\n      - { step: two, act: noop.touch, with: { n: =one.n } }\n      \
    - { step: after, set: { n: \"=one.n + 1\" } }\n";

const RUNS: usize = 10_000;

/// The process that is killed: brings every run to an action that never answers, and says so.
pub(super) async fn child(ground: &Ground) -> Result<(), CliError> {
    let runs = ground.runs.unwrap_or(RUNS);
    let store: Arc<dyn Store> = ground.open("recover")?;
    let (called, all) = (Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let tool = {
        let (called, all) = (called.clone(), all.clone());
        move |_: Call| {
            if called.fetch_add(1, Ordering::SeqCst) + 1 == runs {
                all.notify_one();
            }
            std::future::pending()
        }
    };
    let config = Config { most_runs: runs, ..Config::default() };
    let surefoot = build(store, WORKFLOW, config, tool, &[])?;
    let _working = Working::begin(&surefoot);
    surefoot.deploy().await?;
    let one = |_| start(&surefoot);
    stream::iter(0..runs).map(one).buffer_unordered(512).try_collect::<Vec<()>>().await?;
    all.notified().await;
    use std::io::Write as _;
    let failed = |error| CliError::io("standard output cannot be written", error);
    let mut out = std::io::stdout();
    writeln!(out, "ready").and_then(|()| out.flush()).map_err(failed)?;
    std::future::pending().await
}

async fn start(surefoot: &Surefoot) -> Result<(), CliError> {
    surefoot.start("w", Value::map([("n", Value::Int(1))])).await?;
    Ok(())
}

pub(super) async fn run(scene: &Scene, ground: &Ground) -> Result<(), CliError> {
    let runs = ground.runs.unwrap_or(RUNS);
    let failed = |error| CliError::io("the second process cannot be started", error);
    let mut child = Command::new(std::env::current_exe().map_err(failed)?)
        .args(["bench", "recover-child", "--runs", &runs.to_string(), "--dir"])
        .arg(&ground.dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let said = match child.stdout.take() {
        Some(stdout) => BufReader::new(stdout).lines().next_line().await.map_err(failed)?,
        None => None,
    };
    if said.as_deref() != Some("ready") {
        let mut text = String::new();
        if let Some(mut stderr) = child.stderr.take() {
            stderr.read_to_string(&mut text).await.map_err(failed)?;
        }
        return Err(CliError::internal(format!("the second process ended early: {}", text.trim())));
    }
    // SIGKILL: nothing is flushed and no lock is given back politely.
    child.kill().await.map_err(failed)?;

    let begun = Instant::now();
    let store = ground.open("recover")?;
    let opened = begun.elapsed();
    let first = Arc::new(OnceLock::new());
    let tool = {
        let first = first.clone();
        move |_: Call| {
            first.get_or_init(|| begun.elapsed());
            async { Ok(Value::Bool(true)) }
        }
    };
    let surefoot = build(store.clone(), WORKFLOW, Config { most_runs: 1024, ..Config::default() }, tool, &[])?;
    let commits = store.commits();
    let working = Working::begin(&surefoot);
    settled(&store, &[Status::Waiting]).await?;
    let took = begun.elapsed();
    let commits = store.commits() - commits;

    let mut line = ground.line("recover");
    line.insert("runs".into(), runs.into());
    line.insert("open_ms".into(), rounded(opened.as_secs_f64() * 1000.0).into());
    // Claimed, read, decided, written, and sent: later than the first claim.
    let first = first.get().copied().unwrap_or(took);
    line.insert("first_action_ms".into(), rounded(first.as_secs_f64() * 1000.0).into());
    line.insert("all_done_s".into(), rounded(took.as_secs_f64()).into());
    line.insert("runs_per_s".into(), rate(runs as u64, took).into());
    line.insert("commits".into(), commits.into());
    let (now, peak) = memory();
    line.insert("rss_mb".into(), now);
    line.insert("peak_rss_mb".into(), peak);
    working.end().await?;
    verified(&store, &mut line).await?;
    scene.out.object(&line.into());
    Ok(())
}
