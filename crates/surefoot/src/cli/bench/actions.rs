//! Governed actions: judged by policies, intended, performed by a tool in this process, recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use kernel::{
    governance::policy::{Decision, Policies, Request, RunFacts},
    values::{Money, Timestamp, Value},
};
use tokio::time::Instant;

use super::{Ground, Working, quantile, rate, ratio, rounded, rounds, verified};
use crate::{cli::Scene, error::CliError};

/// How long a decision alone is measured.
const ALONE: Duration = Duration::from_millis(500);

/// A careful project in small: one rule allows, one never does, two ask.
const GOVERNED: [(&str, &str); 6] = [
    (
        "tools/noop.yaml",
        "tool: noop\nnative: true\noperations:\n  touch:\n    effect: idempotent\n    params: schemas/n.yaml\n    groups: [ Money ]\n",
    ),
    ("schemas/n.yaml", "type: object\nrequired: [ count ]\nproperties: { count: { type: integer } }\n"),
    ("people.yaml", "groups: { desk: {}, boss: {} }\npeople: { ann: { name: Ann, groups: [ desk, boss ] } }\n"),
    ("policies/allow/a.cedar", "@id(\"touch\") permit (principal, action in Action::\"Money\", resource);\n"),
    (
        "policies/never/a.cedar",
        "@id(\"cap\") forbid (principal, action in Action::\"Money\", resource) when { context.input.count > 1000000 };\n",
    ),
    (
        "policies/ask/a.cedar",
        "@id(\"large\") @approve_by(\"desk\") forbid (principal, action == Action::\"noop.touch\", resource) when { context.input.count > 10000 };\n\
         @id(\"strange\") @approve_by(\"boss\") forbid (principal, action == Action::\"noop.touch\", resource) when { context.labels.contains(\"secret\") };\n",
    ),
];

pub(super) async fn run(scene: &Scene, ground: &Ground) -> Result<(), CliError> {
    let steps = ground.steps.unwrap_or(10).max(1);
    let runs = ground.runs.unwrap_or(2_000);
    let mut workflow = String::from("workflow: w\nresult: { value: =s0 }\nstages:\n  - stage: all\n    steps:\n");
    for step in 0..steps {
        let _ = writeln!(workflow, "      - {{ step: s{step}, act: noop.touch, with: {{ count: =input.n }} }}");
    }
    for (name, files) in [("actions", &GOVERNED[..]), ("actions_without_policies", &[])] {
        let store = ground.open(name)?;
        let surefoot = ground.project_with(store.clone(), &workflow, 1024, files)?;
        let working = Working::begin(&surefoot);
        let input = Value::map([("n", Value::Int(1))]);
        // Code and caches warm up on runs that do not count.
        rounds(&surefoot, ground.at_once.min(200), ground.at_once, &input).await?;
        let (commits, busy, begun) = (store.commits(), processor(), Instant::now());
        let mut times = rounds(&surefoot, runs, ground.at_once, &input).await?;
        let (took, commits, busy) = (begun.elapsed(), store.commits() - commits, processor() - busy);
        let done = (runs * steps) as u64;
        let mut line = ground.line(name);
        line.insert("runs".into(), runs.into());
        line.insert("actions".into(), done.into());
        line.insert("actions_per_s".into(), rate(done, took).into());
        line.insert("p50_ms".into(), quantile(&mut times, 0.5).into());
        line.insert("p99_ms".into(), quantile(&mut times, 0.99).into());
        line.insert("commits".into(), commits.into());
        line.insert("actions_per_commit".into(), ratio(done, commits).into());
        if let Some(policies) = &surefoot.project().policies {
            let each = alone(policies)?;
            #[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
            let share = each.as_secs_f64() * done as f64 / busy.as_secs_f64().max(1e-9);
            line.insert("rules".into(), policies.rules().len().into());
            line.insert("policy_us".into(), rounded(each.as_secs_f64() * 1e6).into());
            line.insert("policy_share_of_processor".into(), rounded(share).into());
        }
        working.end().await?;
        verified(&store, &mut line).await?;
        scene.out.object(&line.into());
    }
    Ok(())
}

/// What one decision takes on one thread.
fn alone(policies: &Policies) -> Result<Duration, CliError> {
    let (input, history, none) = (Value::map([("count", Value::Int(1))]), BTreeMap::new(), BTreeSet::new());
    let labels = BTreeSet::from(["untrusted".into()]);
    let run = RunFacts { id: "run", attempt: 1, steps: 3, cost: Money::default(), env: None };
    let request = Request {
        tenant: "main",
        workflow: "w",
        version: "v",
        step: "s0",
        model: None,
        on_behalf_of: None,
        tool: "noop",
        operation: "touch",
        resource: None,
        input: &input,
        run,
        history: &history,
        labels: &labels,
        control_untrusted: &none,
        now: Timestamp::from_micros(1_795_600_000_000_000),
    };
    let (begun, mut decisions) = (Instant::now(), 0_u32);
    while begun.elapsed() < ALONE {
        if !matches!(policies.decide(&request), Decision::Allow { .. }) {
            return Err(CliError::internal("the measured decision is not the one that runs get"));
        }
        decisions += 1;
    }
    Ok(begun.elapsed() / decisions.max(1))
}

/// Processor time of this process so far, all threads; zero where the system does not say.
fn processor() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // After the name in parentheses: utime and stime are the 12th and 13th, in hundredths of a second.
    let after = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
    let ticks = after.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum::<u64>();
    Duration::from_millis(ticks * 10)
}
