//! One long run: whether a late step costs more than an early one.

use std::time::Duration;

use kernel::{
    journal::{Entry, Event},
    values::Value,
};
use tokio::time::Instant;

use super::{Ground, Working, memory, quantile, rate, ratio, rounded, rounds, verified};
use crate::{
    cli::{Scene, session},
    error::CliError,
};

/// Steps over which the time of one is taken.
const WINDOW: usize = 400;
/// How often the long run is done: the middle one counts.
const TIMES: usize = 7;

pub(super) async fn run(scene: &Scene, ground: &Ground) -> Result<(), CliError> {
    let steps = ground.steps.unwrap_or(10_500).max(1_000);
    let workflow = format!(
        "workflow: w\nresult: {{ value: =loop }}\nstages:\n  - stage: all\n    steps:\n      - step: loop\n        repeat:\n          \
         max: {steps}\n          steps: [{{ step: one, set: {{ n: =input.n, text: a short text }} }}]\n"
    );
    let store = ground.open("long")?;
    let surefoot = ground.project(store.clone(), &workflow, 1024)?;
    let working = Working::begin(&surefoot);
    let input = Value::map([("n", Value::Int(1))]);
    let (mut early, mut late, mut whole) = (Vec::new(), Vec::new(), Vec::new());
    let commits = store.commits();
    let begun = Instant::now();
    for _ in 0..ground.runs.unwrap_or(TIMES).max(1) {
        surefoot.deploy().await?;
        whole.extend(rounds(&surefoot, 1, 1, &input).await?);
        let newest = session::find_run(&*store, "last").await?;
        let entries = session::journal(&*store, newest.run).await?;
        let ends = ends(&entries);
        early.push(window(&ends, 100));
        late.push(window(&ends, steps - WINDOW - 10));
    }
    let (took, commits) = (begun.elapsed(), store.commits() - commits);
    let done = (steps * whole.len()) as u64;
    let mut line = ground.line("long");
    line.insert("runs".into(), whole.len().into());
    line.insert("steps".into(), steps.into());
    line.insert("steps_per_s".into(), rate(done, took).into());
    line.insert("p50_ms".into(), quantile(&mut whole, 0.5).into());
    line.insert("p99_ms".into(), quantile(&mut whole, 0.99).into());
    let (first, last) = (quantile(&mut early, 0.5), quantile(&mut late, 0.5));
    line.insert("step_100_us".into(), rounded(first * 1000.0).into());
    line.insert("step_late_us".into(), rounded(last * 1000.0).into());
    line.insert("late_to_early".into(), rounded(last / first.max(1e-9)).into());
    line.insert("commits".into(), commits.into());
    line.insert("steps_per_commit".into(), ratio(done, commits).into());
    let (now, peak) = memory();
    line.insert("rss_mb".into(), now);
    line.insert("peak_rss_mb".into(), peak);
    working.end().await?;
    verified(&store, &mut line).await?;
    scene.out.object(&line.into());
    Ok(())
}

/// When each turn's step was done, in microseconds.
fn ends(entries: &[Entry]) -> Vec<i64> {
    let done = |entry: &&Entry| matches!(entry.event(), Ok(Event::StepDone { step, .. }) if step.name() == "one");
    entries.iter().filter(done).map(|entry| entry.at.micros()).collect()
}

/// The time of one step, taken over a window that begins at step `from`.
fn window(ends: &[i64], from: usize) -> Duration {
    let (Some(begin), Some(end)) = (ends.get(from), ends.get(from + WINDOW)) else { return Duration::ZERO };
    Duration::from_nanos(u64::try_from((end - begin).max(0)).unwrap_or(0) * 1000 / WINDOW as u64)
}
