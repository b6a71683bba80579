//! Two hundred items at once, and a join: pure, and with an action each.

use kernel::values::Value;
use tokio::time::Instant;

use super::{Ground, Working, memory, quantile, rate, ratio, rounds, verified};
use crate::{cli::Scene, error::CliError};

pub(super) async fn run(scene: &Scene, ground: &Ground) -> Result<(), CliError> {
    let wide = ground.steps.unwrap_or(200).max(1);
    for (name, step) in
        [("fanout_pure", "set: { n: =each_one }"), ("fanout_act", "act: noop.touch, with: { n: =each_one }")]
    {
        let workflow = format!(
            "workflow: w\nresult: {{ value: \"=all | length\" }}\nstages:\n  - stage: all_of_it\n    steps:\n      - step: all\n        \
             each: input.items\n        as: each_one\n        max_parallel: {}\n        steps: [{{ step: one, {step} }}]\n",
            wide.min(1000)
        );
        let store = ground.open(name)?;
        let surefoot = ground.project(store.clone(), &workflow, 1024)?;
        let working = Working::begin(&surefoot);
        let items = (0..wide).map(|item| Value::Int(i64::try_from(item).unwrap_or(0)));
        let input = Value::map([("items", Value::list(items))]);
        let (runs, at_once) = (ground.runs.unwrap_or(100), ground.at_once.min(8));
        rounds(&surefoot, 2, 1, &input).await?;
        let (commits, begun) = (store.commits(), Instant::now());
        let mut times = rounds(&surefoot, runs, at_once, &input).await?;
        let (took, commits) = (begun.elapsed(), store.commits() - commits);
        let done = (runs * (wide + 1)) as u64;
        let mut line = ground.line(name);
        line.insert("at_once".into(), at_once.into());
        line.insert("runs".into(), runs.into());
        line.insert("wide".into(), wide.into());
        line.insert("steps_per_s".into(), rate(done, took).into());
        line.insert("p50_ms".into(), quantile(&mut times, 0.5).into());
        line.insert("p99_ms".into(), quantile(&mut times, 0.99).into());
        let mut lone = rounds(&surefoot, 20.min(runs), 1, &input).await?;
        line.insert("lone_p50_ms".into(), quantile(&mut lone, 0.5).into());
        line.insert("commits".into(), commits.into());
        line.insert("steps_per_commit".into(), ratio(done, commits).into());
        let (now, peak) = memory();
        line.insert("rss_mb".into(), now);
        line.insert("peak_rss_mb".into(), peak);
        working.end().await?;
        verified(&store, &mut line).await?;
        scene.out.object(&line.into());
    }
    Ok(())
}
