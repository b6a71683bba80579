//! Runs that wait: what they cost while they do, and how fast they go on.

use std::sync::Arc;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use kernel::{ids::RunId, values::Value};
use serde_json::Map;
use store::{Status, Store as _};
use tokio::time::Instant;

use super::{Ground, Working, memory, rate, settled, verified};
use crate::{cli::Scene, embed::Surefoot, error::CliError};

/// Callers at once, for starts and for signals.
const CALLERS: usize = 512;

const WORKFLOW: &str = "workflow: w\nresult: { value: =woken.body }\nstages:\n  - stage: all\n    steps:\n      \
    - { step: one, set: { text: =input.text, n: 1 } }\n      - { step: two, set: { n: \"=one.n + 1\" } }\n      \
    - { step: three, set: { n: \"=two.n + 1\", text: =input.text } }\n      - { step: woken, wait: { signal: go } }\n      \
    - { step: last, set: { n: \"=three.n + 1\" } }\n";

pub(super) async fn run(scene: &Scene, ground: &Ground) -> Result<(), CliError> {
    let runs = ground.runs.unwrap_or(100_000);
    let store = ground.open("parked")?;
    let surefoot = ground.project(store.clone(), WORKFLOW, 1024)?;
    let working = Working::begin(&surefoot);
    surefoot.deploy().await?;
    let (idle, _) = memory();
    let input = Value::map([("text", Value::text("x".repeat(600)))]);

    let (commits, begun) = (store.commits(), Instant::now());
    let one = |_| start(&surefoot, &input);
    let all: Vec<RunId> = stream::iter(0..runs).map(one).buffer_unordered(CALLERS).try_collect().await?;
    settled(&store, &[]).await?;
    let parked = begun.elapsed();
    let parking = store.commits() - commits;
    let (rss_parked, peak_parked) = memory();
    let sample = all.get(runs / 2).copied();
    let (mut entries, mut bytes) = (0, 0);
    if let Some(run) = sample {
        let journal = store.journal(run, 0, 100).await?;
        entries = journal.len();
        bytes = journal.iter().filter_map(|entry| entry.body.as_ref()).map(|body| body.len()).sum();
    }

    let (commits, begun) = (store.commits(), Instant::now());
    let one = |run| signal(&surefoot, run);
    stream::iter(all).map(one).buffer_unordered(CALLERS).try_collect::<Vec<()>>().await?;
    settled(&store, &[Status::Waiting]).await?;
    let resumed = begun.elapsed();
    let resuming = store.commits() - commits;
    let (_, peak) = memory();

    let mut line: Map<String, serde_json::Value> = ground.line("parked");
    line.insert("at_once".into(), CALLERS.into());
    line.insert("runs".into(), runs.into());
    line.insert("entries_each".into(), entries.into());
    line.insert("journal_bytes_each".into(), bytes.into());
    line.insert("parked_per_s".into(), rate(runs as u64, parked).into());
    line.insert("resumed_per_s".into(), rate(runs as u64, resumed).into());
    line.insert("commits_parking".into(), parking.into());
    line.insert("commits_resuming".into(), resuming.into());
    line.insert("rss_mb_idle".into(), idle);
    line.insert("rss_mb".into(), rss_parked);
    line.insert("peak_rss_mb_parked".into(), peak_parked);
    line.insert("peak_rss_mb".into(), peak);
    working.end().await?;
    verified(&store, &mut line).await?;
    scene.out.object(&line.into());
    Ok(())
}

async fn start(surefoot: &Surefoot, input: &Value) -> Result<RunId, CliError> {
    Ok(surefoot.start("w", input.clone()).await?.run)
}

async fn signal(surefoot: &Surefoot, run: RunId) -> Result<(), CliError> {
    let name: Arc<str> = "go".into();
    surefoot.runtime().signal(run, name, Value::Int(1), None, "bench").await?;
    Ok(())
}
