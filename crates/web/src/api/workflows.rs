//! Workflows: their steps, and how the last runs of each fared.

use std::{collections::BTreeMap, sync::Arc};

use axum::Json;
use kernel::{
    ids::StepPath,
    journal::{Event, StepResult},
    recovery::Failure,
    step::Step,
    values::Timestamp,
    workflow::Program,
};
use serde::{Deserialize, Serialize};
use store::{RunQuery, Status, Store};
use utoipa::{IntoParams, ToSchema};

use super::{Caller, Filter};
use crate::problem::Problem;

/// Runs that are looked at, unless `runs` says otherwise.
const RUNS: u32 = 50;
/// Runs that are looked at, at most.
const MOST: u32 = 200;
/// Entries read at a time.
const PAGE: u32 = 1_000;

/// The workflows that are served now.
#[derive(Serialize, ToSchema)]
pub(super) struct Workflows {
    workflows: Vec<Workflow>,
}

/// A workflow.
#[derive(Serialize, ToSchema)]
struct Workflow {
    name: Arc<str>,
    title: Arc<str>,
    /// The version that new runs follow: its bundle, by digest.
    version: String,
    /// The last runs that were looked at, of whatever version.
    runs: Counted,
    /// In the order written.
    steps: Vec<StepStands>,
}

/// How runs stand.
#[derive(Default, Serialize, ToSchema)]
struct Counted {
    /// How many were looked at.
    seen: u32,
    completed: u32,
    failed: u32,
    cancelled: u32,
    /// Not over.
    open: u32,
}

/// A step, and how it fared in these runs.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkflowStep)]
struct StepStands {
    name: Arc<str>,
    stage: Arc<str>,
    /// `reason`, `act`, `decide` and so on.
    kind: &'static str,
    /// The step whose body it stands in.
    within: Option<Arc<str>>,
    /// How often it was done, skipping apart.
    done: u64,
    skipped: u64,
    /// Failures, also those that were repaired.
    failures: u64,
    /// `done` of `done` and `failures`; null: neither happened.
    success_rate: Option<f64>,
    /// From its first entry to the one that completes it, waits included; null: it was never done.
    latency_ms: Option<Latency>,
    /// What its calls cost, as the journals say; null: they say nothing.
    cost: Option<Cost>,
    /// Tokens that providers billed.
    tokens: u64,
    /// How often it failed with what.
    failure_kinds: BTreeMap<String, u64>,
}

/// Of what was done.
#[derive(Serialize, ToSchema)]
struct Latency {
    median: u64,
    p95: u64,
    most: u64,
}

/// What calls cost.
#[derive(Serialize, ToSchema)]
struct Cost {
    /// Millionths of a US dollar.
    money_uusd: i64,
    calls: i64,
    /// Within calls.
    time_us: i64,
}

/// How far back.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only this workflow
    workflow: Option<String>,
    /// How many of the last runs of each are looked at, 0 to 200; 50 if absent
    runs: Option<u32>,
}

/// Workflows: their steps, and how these fared in the last runs
///
/// Journals of the last runs of each workflow are read: `runs.seen` says how many.
#[utoipa::path(get, path = "/workflows", operation_id = "list_workflows", tag = "Workflows", params(Which), responses((status = OK, body = Workflows)))]
pub(super) async fn list(caller: Caller, Filter(which): Filter<Which>) -> Result<Json<Workflows>, Problem> {
    let runs = which.runs.unwrap_or(RUNS);
    if runs > MOST {
        return Err(Problem::malformed(format!("`runs={runs}`: a number from 0 to {MOST}")));
    }
    let site = &caller.app.site;
    let (served, store) = (site.served(), site.store());
    let all = &served.project.workflows;
    if let Some(name) = which.workflow.as_deref().filter(|name| !all.contains_key(*name)) {
        let problem = Problem::not_found(format!("there is no workflow `{name}`"));
        let near = kernel::complaint::did_you_mean(name, all.keys().map(|name| &**name));
        return Err(near.into_iter().fold(problem, Problem::hint));
    }
    let mut workflows = Vec::new();
    for (name, program) in all.iter().filter(|(name, _)| which.workflow.as_deref().is_none_or(|only| only == &***name))
    {
        let (counted, mut fared) = fared(&*store, program, runs).await?;
        let mut steps = Vec::new();
        for stage in &program.stages {
            add(&stage.steps, &stage.name, None, &mut fared, &mut steps);
        }
        workflows.push(Workflow {
            name: name.clone(),
            title: program.title.clone(),
            version: served.project.bundle.digest.to_string(),
            runs: counted,
            steps,
        });
    }
    Ok(Json(Workflows { workflows }))
}

fn add(
    steps: &[Step],
    stage: &Arc<str>,
    within: Option<&Arc<str>>,
    fared: &mut BTreeMap<Arc<str>, Fared>,
    out: &mut Vec<StepStands>,
) {
    for step in steps {
        let fared_so = fared.remove(&step.name).unwrap_or_default();
        out.push(fared_so.stands(step, stage, within));
        for (_, steps) in step.bodies() {
            add(steps, stage, Some(&step.name), fared, out);
        }
    }
}

/// How one step fared.
#[derive(Default)]
struct Fared {
    skipped: u64,
    failures: u64,
    /// In microseconds, one for each time that it was done.
    took: Vec<i64>,
    cost: Option<Cost>,
    tokens: u64,
    kinds: BTreeMap<String, u64>,
}

impl Fared {
    fn failed(&mut self, failure: &Failure) {
        self.failures += 1;
        *self.kinds.entry(failure.kind.as_str().to_owned()).or_default() += 1;
    }

    fn cost(&mut self, spent: Option<&kernel::governance::budget::Amounts>) {
        let Some(spent) = spent else { return };
        let sum = self.cost.get_or_insert(Cost { money_uusd: 0, calls: 0, time_us: 0 });
        sum.money_uusd = sum.money_uusd.saturating_add(spent.money_uusd);
        sum.calls = sum.calls.saturating_add(spent.calls);
        sum.time_us = sum.time_us.saturating_add(spent.time_us);
    }

    fn stands(mut self, step: &Step, stage: &Arc<str>, within: Option<&Arc<str>>) -> StepStands {
        self.took.sort_unstable();
        let done = self.took.len() as u64;
        let tried = done + self.failures;
        let at = |share: usize| {
            let place = (self.took.len().saturating_sub(1) * share).div_ceil(100);
            self.took.get(place).map_or(0, |took| u64::try_from(took / 1_000).unwrap_or_default())
        };
        StepStands {
            name: step.name.clone(),
            stage: stage.clone(),
            kind: step.kind(),
            within: within.cloned(),
            done,
            skipped: self.skipped,
            failures: self.failures,
            success_rate: (tried > 0).then(|| done as f64 / tried as f64),
            latency_ms: (done > 0).then(|| Latency { median: at(50), p95: at(95), most: at(100) }),
            cost: self.cost,
            tokens: self.tokens,
            failure_kinds: self.kinds,
        }
    }
}

/// Reads the journals of the last runs of a workflow.
async fn fared(
    store: &dyn Store,
    program: &Program,
    runs: u32,
) -> Result<(Counted, BTreeMap<Arc<str>, Fared>), Problem> {
    let (mut counted, mut all) = (Counted::default(), BTreeMap::new());
    if runs == 0 {
        return Ok((counted, all));
    }
    let query = RunQuery { workflow: Some(program.name.clone()), limit: runs, ..RunQuery::default() };
    for row in store.runs(query).await? {
        counted.seen += 1;
        match row.status {
            Status::Completed => counted.completed += 1,
            Status::Failed => counted.failed += 1,
            Status::Cancelled => counted.cancelled += 1,
            _ => counted.open += 1,
        }
        let (mut after, mut began) = (0, BTreeMap::new());
        loop {
            let page = store.journal(row.run, after, PAGE).await?;
            for entry in &page {
                after = entry.seq;
                // What was erased says nothing any more, and what was inherited is counted in the run that did it.
                let inherited = row.fork.is_some_and(|fork| entry.seq <= fork.entry);
                if !inherited && let Ok(event) = entry.event() {
                    look(&event, entry.at, program, &mut began, &mut all);
                }
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
    }
    Ok((counted, all))
}

fn look(
    event: &Event,
    at: Timestamp,
    program: &Program,
    began: &mut BTreeMap<StepPath, Timestamp>,
    all: &mut BTreeMap<Arc<str>, Fared>,
) {
    let Some(path) = event.step() else { return };
    // What happens in a turn of a model belongs to the step that has the turn.
    let names: Vec<&str> = path.segments().map(|segment| segment.name).collect();
    let Some(step) = names.iter().rev().find_map(|name| program.step(name)) else { return };
    let own = path.name() == &*step.name;
    let fared = all.entry(step.name.clone()).or_default();
    if own {
        began.entry(path.clone()).or_insert(at);
    }
    match event {
        Event::ModelAnswered { result, usage, spent, .. } => {
            fared.tokens += usage.input + usage.cache_read + usage.cache_write + usage.output + usage.reasoning;
            fared.cost(spent.as_ref());
            if let StepResult::Failed(failure) = result {
                fared.failed(failure);
            }
        }
        Event::ActionFinished { result, spent, .. } => {
            fared.cost(spent.as_ref());
            if let StepResult::Failed(failure) = result {
                fared.failed(failure);
            }
        }
        Event::StepFailed { failure, .. } => fared.failed(failure),
        Event::StepSkipped { .. } if own => {
            fared.skipped += 1;
            began.remove(path);
            return;
        }
        _ => {}
    }
    if own && event.completes().is_some() {
        let since = began.remove(path).unwrap_or(at);
        fared.took.push(at.micros().saturating_sub(since.micros()));
    }
}
