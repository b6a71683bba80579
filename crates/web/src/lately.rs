//! How the last runs fared, as their journals say. A journal is read once: what came of it is kept in memory for as long as the run stands
//! where it stood, so that a page that counts many runs reads few journals.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use kernel::{
    governance::{Verdict, budget::PriceFrom},
    ids::{Digest, RunId, StepPath},
    journal::{Entry, Event, StepResult},
    recovery::Failure,
    step::Step,
    values::Timestamp,
    workflow::Program,
};
use runtime::outcome::Together;
use store::{OutcomeQuery, RunOutcome, RunQuery, RunRow, Status, Store, VersionRow};

use crate::{problem::Problem, site::Site};

/// Runs of a workflow that are looked at, unless somebody says otherwise.
pub(crate) const RUNS: u32 = 50;
/// Runs of a workflow that are looked at, at most.
pub(crate) const MOST: u32 = 200;
/// Runs that are kept in memory, at most: the latest.
const KEPT: usize = 4_000;
/// Entries read at a time.
const PAGE: u32 = 1_000;
/// Words of people that are read at a time, at most.
const SAID: u32 = 2_000;

/// What was read of runs.
#[derive(Default)]
pub(crate) struct Lately {
    runs: Mutex<Runs>,
    /// By workflow: how many runs follow which version, up to a run.
    versions: Mutex<BTreeMap<Arc<str>, UpTo>>,
}

/// Versions, counted up to a run.
type UpTo = (RunId, Vec<VersionRow>);

#[derive(Default)]
struct Runs {
    /// Steps are those of this version.
    version: Option<Digest>,
    /// Where each stood when it was read, and what its journal said.
    read: BTreeMap<RunId, (u64, Arc<OneRun>)>,
}

/// What one journal says.
#[derive(Debug, Default)]
struct OneRun {
    /// By name.
    steps: BTreeMap<Arc<str>, Fared>,
    /// How often each rule decided.
    rules: BTreeMap<Arc<str>, u64>,
    cost: Cost,
}

/// What calls cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cost {
    /// Millionths of a US dollar: what was charged, where the journal says so, else what was taken of what had been set aside.
    pub(crate) money_uusd: i64,
    pub(crate) calls: i64,
    /// Within calls.
    pub(crate) time_us: i64,
    /// Calls that the journal says the cost of.
    pub(crate) told: u64,
    /// Answers of models that nobody said the price of.
    pub(crate) unpriced: u64,
}

impl Cost {
    /// What the calls of a journal cost.
    pub(crate) fn all(entries: &[Entry]) -> Cost {
        let mut sum = Cost::default();
        entries.iter().filter_map(|entry| Cost::of(&entry.event().ok()?)).for_each(|cost| sum.add(cost));
        sum
    }

    fn add(&mut self, other: Cost) {
        self.money_uusd = self.money_uusd.saturating_add(other.money_uusd);
        self.calls = self.calls.saturating_add(other.calls);
        self.time_us = self.time_us.saturating_add(other.time_us);
        self.told += other.told;
        self.unpriced += other.unpriced;
    }

    /// What one entry says; `None`: nothing.
    fn of(event: &Event) -> Option<Cost> {
        let spent = |spent: &kernel::governance::budget::Amounts| Cost {
            money_uusd: spent.money_uusd,
            calls: spent.calls,
            time_us: spent.time_us,
            told: 1,
            unpriced: 0,
        };
        match event {
            Event::ModelAnswered { usage, spent: of_set_aside, charged, .. } => {
                let taken = of_set_aside.as_ref().map(spent);
                match charged {
                    Some(charged) if charged.by != PriceFrom::Unknown || usage.tokens() == 0 => {
                        let taken = taken.unwrap_or(Cost { calls: 1, told: 1, ..Cost::default() });
                        Some(Cost { money_uusd: charged.money_uusd, ..taken })
                    }
                    _ => Some(taken.unwrap_or(Cost { unpriced: 1, ..Cost::default() })),
                }
            }
            Event::ActionFinished { spent: of_set_aside, .. } => of_set_aside.as_ref().map(spent),
            _ => None,
        }
    }
}

/// How one step fared.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fared {
    pub(crate) skipped: u64,
    /// Failures, also those that were repaired.
    pub(crate) failures: u64,
    /// In microseconds, one for each time that it was done.
    took: Vec<i64>,
    pub(crate) cost: Cost,
    /// What providers billed.
    pub(crate) tokens: u64,
    /// How often it failed with what.
    pub(crate) kinds: BTreeMap<&'static str, u64>,
}

/// How long it took to do something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Latency {
    pub(crate) median_us: i64,
    pub(crate) p95_us: i64,
    pub(crate) most_us: i64,
}

impl Fared {
    /// How often it was done, skipping apart.
    pub(crate) fn done(&self) -> u64 {
        self.took.len() as u64
    }

    /// `done` of `done` and `failures`; `None`: neither happened.
    pub(crate) fn success_rate(&self) -> Option<f64> {
        let tried = self.done() + self.failures;
        (tried > 0).then(|| self.done() as f64 / tried as f64)
    }

    /// `None`: it was never done.
    pub(crate) fn latency(&self) -> Option<Latency> {
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = |share: usize| took.get((took.len().saturating_sub(1) * share).div_ceil(100)).copied();
        Some(Latency { median_us: at(50)?, p95_us: at(95)?, most_us: at(100)? })
    }

    fn failed(&mut self, failure: &Failure) {
        self.failures += 1;
        *self.kinds.entry(failure.kind.as_str()).or_default() += 1;
    }

    fn add(&mut self, other: &Fared) {
        self.skipped += other.skipped;
        self.failures += other.failures;
        self.took.extend(&other.took);
        self.cost.add(other.cost);
        self.tokens += other.tokens;
        for (kind, many) in &other.kinds {
            *self.kinds.entry(kind).or_default() += many;
        }
    }
}

/// How the last runs of a workflow fared.
pub(crate) struct OfWorkflow<'p> {
    pub(crate) counted: Counted,
    /// In the order written.
    pub(crate) steps: Vec<OfStep<'p>>,
    pub(crate) cost: Cost,
    /// What of it was spent by runs that failed.
    pub(crate) failed_uusd: i64,
    /// What of it was spent by other runs that people say were wrong.
    pub(crate) wrong_uusd: i64,
}

impl OfWorkflow<'_> {
    /// What was spent for nothing.
    pub(crate) fn wasted_uusd(&self) -> i64 {
        self.failed_uusd.saturating_add(self.wrong_uusd)
    }
}

/// How runs stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// How many were looked at.
    pub(crate) seen: u32,
    pub(crate) completed: u32,
    pub(crate) failed: u32,
    pub(crate) cancelled: u32,
    /// Not over.
    pub(crate) open: u32,
    /// What people say of them together.
    pub(crate) right: u32,
    pub(crate) wrong: u32,
    pub(crate) disputed: u32,
}

/// A step, and how it fared.
pub(crate) struct OfStep<'p> {
    pub(crate) step: &'p Step,
    pub(crate) stage: &'p Arc<str>,
    /// The step whose body it stands in.
    pub(crate) within: Option<&'p Arc<str>>,
    pub(crate) fared: Fared,
}

/// A run with what its journal says, and what people say of it.
struct Seen {
    row: RunRow,
    read: Arc<OneRun>,
    said: Option<Together>,
}

/// The last runs of a workflow, newest first.
async fn runs(site: &Site, workflow: &Arc<str>, limit: u32) -> Result<Vec<Seen>, Problem> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let store = site.store();
    let query = RunQuery { workflow: Some(workflow.clone()), limit, ..RunQuery::default() };
    let rows = store.runs(query).await?;
    let Some(oldest) = rows.last().map(|row| row.run) else { return Ok(Vec::new()) };
    let query = OutcomeQuery::Workflow { workflow: workflow.clone(), right: None, since: Some(oldest), limit: SAID };
    let mut said: BTreeMap<RunId, Vec<RunOutcome>> = BTreeMap::new();
    for one in store.outcomes(query).await? {
        said.entry(one.run).or_default().push(one);
    }
    let served = site.served();
    let program = served.project.workflows.get(workflow).map(|program| &**program);
    let version = served.project.bundle.digest;
    let mut seen = Vec::with_capacity(rows.len());
    for row in rows {
        let read = site.lately().read(&*store, (version, program), &row).await?;
        let said = said.get(&row.run).and_then(Together::of);
        seen.push(Seen { row, read, said });
    }
    Ok(seen)
}

/// How the last runs of a workflow of the project that is served fared.
pub(crate) async fn of_workflow<'p>(site: &Site, program: &'p Program, limit: u32) -> Result<OfWorkflow<'p>, Problem> {
    let seen = runs(site, &program.name, limit).await?;
    Ok(sum(program, &seen))
}

/// These runs together.
fn sum<'p>(program: &'p Program, seen: &[Seen]) -> OfWorkflow<'p> {
    let mut counted = Counted::default();
    let (mut all, mut cost) = (BTreeMap::<Arc<str>, Fared>::new(), Cost::default());
    let (mut failed_uusd, mut wrong_uusd) = (0_i64, 0_i64);
    for one in seen {
        counted.seen += 1;
        match one.row.status {
            Status::Completed => counted.completed += 1,
            Status::Failed => counted.failed += 1,
            Status::Cancelled => counted.cancelled += 1,
            _ => counted.open += 1,
        }
        match one.said {
            Some(Together::Right) => counted.right += 1,
            Some(Together::Wrong) => counted.wrong += 1,
            Some(Together::Disputed) => counted.disputed += 1,
            None => {}
        }
        for (name, fared) in &one.read.steps {
            all.entry(name.clone()).or_default().add(fared);
        }
        cost.add(one.read.cost);
        let money = one.read.cost.money_uusd;
        if one.row.status == Status::Failed {
            failed_uusd = failed_uusd.saturating_add(money);
        } else if one.said == Some(Together::Wrong) {
            wrong_uusd = wrong_uusd.saturating_add(money);
        }
    }
    let mut steps = Vec::new();
    for stage in &program.stages {
        each_step(&stage.steps, &stage.name, None, &mut all, &mut steps);
    }
    OfWorkflow { counted, steps, cost, failed_uusd, wrong_uusd }
}

fn each_step<'p>(
    steps: &'p [Step],
    stage: &'p Arc<str>,
    within: Option<&'p Arc<str>>,
    all: &mut BTreeMap<Arc<str>, Fared>,
    out: &mut Vec<OfStep<'p>>,
) {
    for step in steps {
        let fared = all.remove(&step.name).unwrap_or_default();
        out.push(OfStep { step, stage, within, fared });
        for (_, steps) in step.bodies() {
            each_step(steps, stage, Some(&step.name), all, out);
        }
    }
}

/// How often each rule decided in the last runs of all workflows, and how many runs that were.
pub(crate) async fn rules(site: &Site, limit: u32) -> Result<(u32, BTreeMap<Arc<str>, u64>), Problem> {
    let (mut seen, mut all) = (0, BTreeMap::<Arc<str>, u64>::new());
    let served = site.served();
    for name in served.project.workflows.keys() {
        for one in runs(site, name, limit).await? {
            seen += 1;
            for (rule, many) in &one.read.rules {
                *all.entry(rule.clone()).or_default() += many;
            }
        }
    }
    Ok((seen, all))
}

/// The versions that runs of a workflow follow, the latest first.
pub(crate) async fn versions(site: &Site, workflow: &Arc<str>) -> Result<Vec<VersionRow>, Problem> {
    let store = site.store();
    let query = RunQuery { workflow: Some(workflow.clone()), limit: MOST, ..RunQuery::default() };
    let rows = store.runs(query).await?;
    // Ids are in the order of starts, but for those that began in the same moment: far enough back, nothing comes between any more.
    let settled = rows.last().map(|row| row.run).filter(|_| rows.len() == MOST as usize);
    let mut all = if let Some(settled) = settled {
        let known = site.lately().versions.lock().unwrap_or_else(PoisonError::into_inner).get(workflow).cloned();
        let (upto, mut counted) = known.map_or((None, Vec::new()), |(upto, counted)| (Some(upto), counted));
        if upto.is_none_or(|upto| upto < settled) {
            together(&mut counted, store.versions(workflow.clone(), upto, Some(settled)).await?);
            let mut versions = site.lately().versions.lock().unwrap_or_else(PoisonError::into_inner);
            versions.insert(workflow.clone(), (settled, counted.clone()));
        }
        together(&mut counted, store.versions(workflow.clone(), upto.max(Some(settled)), None).await?);
        counted
    } else {
        store.versions(workflow.clone(), None, None).await?
    };
    all.sort_by_key(|row| std::cmp::Reverse(row.last));
    Ok(all)
}

fn together(counted: &mut Vec<VersionRow>, more: Vec<VersionRow>) {
    for row in more {
        match counted.iter_mut().find(|known| known.bundle == row.bundle) {
            Some(known) => (known.runs, known.last) = (known.runs + row.runs, row.last),
            None => counted.push(row),
        }
    }
}

impl Lately {
    /// What the journal of a run says: as it was kept, or read anew.
    async fn read(
        &self,
        store: &dyn Store,
        (version, program): (Digest, Option<&Program>),
        row: &RunRow,
    ) -> Result<Arc<OneRun>, Problem> {
        if let Some(kept) = self.kept(version, row) {
            return Ok(kept);
        }
        let (mut one, mut began, mut after) = (OneRun::default(), BTreeMap::new(), 0);
        loop {
            let page = store.journal(row.run, after, PAGE).await?;
            for entry in &page {
                after = entry.seq;
                // What was erased says nothing any more.
                if let Ok(event) = entry.event() {
                    one.look(&event, entry.at, program, &mut began);
                }
            }
            if page.len() < PAGE as usize {
                break;
            }
        }
        // Many journals may be read for one page: others are answered in between.
        tokio::task::yield_now().await;
        let one = Arc::new(one);
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.version == Some(version) {
            runs.read.insert(row.run, (after, one.clone()));
            while runs.read.len() > KEPT {
                runs.read.pop_first();
            }
        }
        Ok(one)
    }

    fn kept(&self, version: Digest, row: &RunRow) -> Option<Arc<OneRun>> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if runs.version != Some(version) {
            *runs = Runs { version: Some(version), read: BTreeMap::new() };
        }
        runs.read.get(&row.run).filter(|(head, _)| *head == row.head.seq).map(|(_, one)| one.clone())
    }
}

impl OneRun {
    fn look(
        &mut self,
        event: &Event,
        at: Timestamp,
        program: Option<&Program>,
        began: &mut BTreeMap<StepPath, Timestamp>,
    ) {
        self.ruled(event);
        let cost = Cost::of(event);
        if let Some(cost) = cost {
            self.cost.add(cost);
        }
        let Some(path) = event.step() else { return };
        // What happens in a turn of a model belongs to the step that has the turn.
        let names: Vec<&str> = path.segments().map(|segment| segment.name).collect();
        let found = names.iter().rev().find_map(|name| program.and_then(|program| program.step(name)));
        let Some(step) = found else { return };
        let own = path.name() == &*step.name;
        let fared = self.steps.entry(step.name.clone()).or_default();
        if own {
            began.entry(path.clone()).or_insert(at);
        }
        if let Some(cost) = cost {
            fared.cost.add(cost);
        }
        match event {
            Event::ModelAnswered { result, usage, .. } => {
                fared.tokens += usage.input + usage.cache_read + usage.cache_write + usage.output + usage.reasoning;
                if let StepResult::Failed(failure) = result {
                    fared.failed(failure);
                }
            }
            Event::ActionFinished { result: StepResult::Failed(failure), .. } => fared.failed(failure),
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

    /// The rules that decided, each once: what people agreed to is judged again when it begins.
    fn ruled(&mut self, event: &Event) {
        let verdict = match event {
            Event::ActionStarted { verdict: verdict @ Verdict::Allow { .. }, .. }
            | Event::ActionJudged { verdict, .. }
            | Event::ApprovalRequested { verdict: Some(verdict), .. } => verdict,
            _ => return,
        };
        if verdict.rulings().is_empty() {
            *self.rules.entry(verdict.rule().clone()).or_default() += 1;
        }
        for ruling in verdict.rulings() {
            *self.rules.entry(ruling.id.clone()).or_default() += 1;
        }
    }
}
