//! Many short runs at once, then one after the other.

use std::fmt::Write as _;

use kernel::values::Value;
use tokio::time::Instant;

use super::{Ground, Working, memory, quantile, rate, ratio, rounds, verified};
use crate::{cli::Scene, error::CliError};

/// Runs one after the other, for the time of a lone one.
const LONE: usize = 300;

pub(super) async fn pure(scene: &Scene, ground: &Ground) -> Result<(), CliError> {
    let steps = ground.steps.unwrap_or(10).max(1);
    let mut workflow = String::from("workflow: w\nresult: { value: =s0 }\nstages:\n  - stage: all\n    steps:\n");
    for step in 0..steps {
        let before = if step == 0 { "input.n".to_owned() } else { format!("s{}.n", step - 1) };
        let _ = writeln!(workflow, "      - {{ step: s{step}, set: {{ n: \"={before} + 1\", text: a short text }} }}");
    }
    run(scene, ground, "chain", &workflow, steps, ground.runs.unwrap_or(20_000)).await
}

async fn run(
    scene: &Scene,
    ground: &Ground,
    name: &str,
    workflow: &str,
    steps: usize,
    runs: usize,
) -> Result<(), CliError> {
    let store = ground.open(name)?;
    let surefoot = ground.project(store.clone(), workflow, 1024)?;
    let working = Working::begin(&surefoot);
    let input = Value::map([("n", Value::Int(1))]);
    // Code and caches warm up on runs that do not count.
    rounds(&surefoot, ground.at_once.min(200), ground.at_once, &input).await?;

    let (commits, begun) = (store.commits(), Instant::now());
    let mut times = rounds(&surefoot, runs, ground.at_once, &input).await?;
    let (took, commits) = (begun.elapsed(), store.commits() - commits);
    let done = (runs * steps) as u64;
    let mut line = ground.line(name);
    line.insert("runs".into(), runs.into());
    line.insert("steps".into(), steps.into());
    line.insert("steps_per_s".into(), rate(done, took).into());
    line.insert("runs_per_s".into(), rate(runs as u64, took).into());
    line.insert("p50_ms".into(), quantile(&mut times, 0.5).into());
    line.insert("p99_ms".into(), quantile(&mut times, 0.99).into());
    line.insert("commits".into(), commits.into());
    line.insert("steps_per_commit".into(), ratio(done, commits).into());

    let commits = store.commits();
    let mut lone = rounds(&surefoot, LONE.min(runs), 1, &input).await?;
    let commits = store.commits() - commits;
    line.insert("lone_p50_ms".into(), quantile(&mut lone, 0.5).into());
    line.insert("lone_p99_ms".into(), quantile(&mut lone, 0.99).into());
    line.insert("lone_commits_per_run".into(), ratio(commits, lone.len() as u64).into());
    let (now, peak) = memory();
    line.insert("rss_mb".into(), now);
    line.insert("peak_rss_mb".into(), peak);
    working.end().await?;
    verified(&store, &mut line).await?;
    scene.out.object(&line.into());
    Ok(())
}
