//! Results that are used again: a step, a stage or a whole workflow that has no effect and says `cache: { key, ttl }`.
//!
//! Before such a part begins, its key is looked up. `PartReused` closes it with what it gave in another run; `CacheMissed` says that
//! nothing was kept, and what the part gives goes under that key with the entry that closes it, unless something failed in between.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{KeptAnswer, Under};
use crate::{
    expr::{Expr, Reads},
    governance::{Effect, budget::Amounts},
    ids::{Digest, StepPath},
    journal::{BodyResult, End, Event, Held, INLINE_LIMIT, StepResult},
    next::{Frame, Record, Stop, Walk},
    recovery::Response,
    run::{RunState, Sequence, Slot},
    values::{Span, Timestamp, Value},
    workflow::Stage,
};

/// `cache: { key, ttl }`.
#[derive(Debug)]
pub struct Memo {
    /// What tells one result from another, beside all that is always in the key.
    pub key: Expr,
    /// For how long a result counts, from the entry that holds it.
    pub ttl: Span,
    /// All that the part, and its key, read of what stands outside of it.
    pub reads: Vec<Reads>,
    /// It calls tools: what is allowed, and to whom, counts as well.
    pub calls: bool,
}

/// What is done once and used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Part {
    /// One step.
    Step(StepPath),
    /// All steps of a stage.
    Stage(Arc<str>),
    /// The whole run.
    Workflow,
}

impl Part {
    /// What it is called wherever it stands: a step's name without its place in a body.
    pub fn called(&self) -> Arc<str> {
        match self {
            Part::Step(step) => step.name().into(),
            Part::Stage(stage) => stage_called(stage),
            Part::Workflow => WORKFLOW.into(),
        }
    }
}

/// What the whole workflow is called among its parts: no step can have that name.
pub(crate) const WORKFLOW: &str = "/";

/// What a stage is called among the parts of its workflow.
pub(crate) fn stage_called(stage: &str) -> Arc<str> {
    format!("/{stage}").into()
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Step(step) => write!(f, "{step}"),
            Part::Stage(stage) => write!(f, "stage {stage}"),
            Part::Workflow => f.write_str("run"),
        }
    }
}

/// What it cost where it was done: nobody pays that again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Saved {
    /// Calls of models and tools.
    #[serde(skip_serializing_if = "is_zero")]
    pub calls: u64,
    /// Tokens, as providers counted them.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: u64,
    /// Millionths of a US dollar, as far as prices are known.
    #[serde(skip_serializing_if = "is_zero")]
    pub money_uusd: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Saved {
    /// Nothing was called.
    pub fn is_nothing(&self) -> bool {
        *self == Saved::default()
    }

    fn add(&mut self, event: &Event) {
        let (tokens, spent): (u64, &Option<Amounts>) = match event {
            Event::ModelAnswered { usage, spent, .. } => (usage.tokens(), spent),
            Event::ActionFinished { spent, .. } => (0, spent),
            _ => return,
        };
        self.calls += 1;
        self.tokens += tokens;
        self.money_uusd += spent.as_ref().map_or(0, |spent| u64::try_from(spent.money_uusd).unwrap_or(0));
    }

    fn of_value(value: &Value) -> Option<Saved> {
        serde_json::from_slice(&value.to_jcs()).ok()
    }
}

/// A part that is being done, and whose result is to be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Seeking {
    /// What.
    pub part: Part,
    /// Under which key.
    pub key: Digest,
    /// For how long.
    pub ttl: Span,
    /// Its calls so far.
    pub cost: Saved,
    /// The last entry before it began.
    pub after: u64,
}

/// Something to keep, with the entry that holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// Over everything that decides it.
    pub key: Digest,
    /// From then on it counts no more.
    pub until: Timestamp,
    /// The value: the answer of a model, or what a part gave with what it cost.
    pub value: Value,
}

impl Seeking {
    /// What is kept of the part, if that is small enough for a journal.
    fn kept(&self, gave: &Value, cost: Saved, at: Timestamp) -> Option<Kept> {
        if gave.to_jcs().len() > INLINE_LIMIT {
            return None;
        }
        let cost = serde_json::to_vec(&cost).ok().and_then(|json| Value::from_json(&json).ok())?;
        let value = Value::map([("gave", gave.clone()), ("cost", cost)]);
        Some(Kept { key: self.key, until: at + self.ttl, value })
    }

    /// Whether an event of a step, or of a body of it, happens in the part. `stage` is the innermost one.
    fn holds(&self, step: &StepPath, stage: Option<&str>) -> bool {
        match &self.part {
            Part::Step(own) => step == own || step.is_inside(own),
            Part::Stage(own) => stage == Some(own),
            Part::Workflow => true,
        }
    }
}

/// Whether what happens in a part is something after which its result is that of this run alone: a failure that is not simply tried
/// again, a person, or something outside that was touched.
fn is_of_this_run_alone(event: &Event) -> bool {
    match event {
        Event::FailureAnswered { response, .. } => !matches!(
            response,
            Response::Retry { .. } | Response::Repair | Response::Model { .. } | Response::NoProgress
        ),
        Event::BodyDone { result, .. } => matches!(result, BodyResult::Failed(_)),
        Event::ActionStarted { proposal, .. } => proposal.effect != Effect::Read,
        Event::ModelAnswered { unsure, .. } => unsure.is_some(),
        Event::ApprovalRequested { .. }
        | Event::WorkOpened { .. }
        | Event::ChildStarted { .. }
        | Event::WaitStarted { .. }
        | Event::EventPublished { .. }
        | Event::ClaimVerified { .. }
        | Event::LateAnswerReceived { .. }
        | Event::EffectResolved { .. } => true,
        _ => false,
    }
}

impl RunState {
    /// What the response cache keeps with this event. The state is as it was before it.
    pub fn keeps(&self, event: &Event, at: Timestamp) -> Vec<Kept> {
        let mut all = Vec::new();
        if let Event::ModelAnswered { keeps: Some(keep), result: StepResult::Done(Held::Value(value)), .. } = event {
            all.push(Kept { key: keep.key, until: keep.until, value: value.clone() });
        }
        if self.seeking.is_empty() || matches!(event, Event::PartReused { .. }) || is_of_this_run_alone(event) {
            return all;
        }
        let ends = |seeking: &&Seeking| match (&seeking.part, event) {
            (Part::Stage(own), Event::StageDone { stage }) => own == stage,
            (Part::Workflow, Event::RunFinished { end, .. }) => *end == End::Completed,
            (Part::Step(own), event) => event.completes().is_some_and(|(step, _)| step == own),
            _ => false,
        };
        for seeking in self.seeking.iter().filter(ends) {
            let gave = match (&seeking.part, event) {
                (Part::Stage(_), _) => self.gave_since(seeking.after),
                (Part::Workflow, Event::RunFinished { result: Some(Held::Value(value)), .. }) => Some(value.clone()),
                (Part::Step(_), event) => match event.completes() {
                    Some((_, Some(Held::Value(value)))) => Some(value.clone()),
                    _ => None,
                },
                _ => None,
            };
            let mut cost = seeking.cost;
            cost.add(event);
            all.extend(gave.and_then(|gave| seeking.kept(&gave, cost, at)));
        }
        all
    }

    /// What the steps outside of bodies gave after an entry: `{gave, skipped}`. `None`: something is too large.
    fn gave_since(&self, entry: u64) -> Option<Value> {
        let (mut gave, mut skipped) = (Vec::new(), Vec::new());
        for one in self.passed.iter().filter(|one| one.entry > entry) {
            match self.values.get(&one.name)? {
                Slot::Gave(Held::Value(value)) => gave.push((one.name.clone(), value.clone())),
                Slot::Skipped => skipped.push(Value::Text(one.name.clone())),
                Slot::Gave(Held::Blob(_)) | Slot::GaveBack(_) => return None,
            }
        }
        Some(Value::map([("gave", Value::map(gave)), ("skipped", Value::list(skipped))]))
    }

    /// Before an event: what it means for parts whose results are to be kept.
    pub(crate) fn seek(&mut self, event: &Event) {
        if self.seeking.is_empty() {
            return;
        }
        let stage = self.stages.last().map(|top| top.stage.clone());
        let alone = is_of_this_run_alone(event);
        let over = event.completes().map(|(step, _)| step.clone());
        self.seeking.retain_mut(|seeking| {
            if let Event::StageDone { stage } = event {
                return seeking.part != Part::Stage(stage.clone());
            }
            let Some(step) = event.step() else { return true };
            if !seeking.holds(step, stage.as_deref()) {
                return true;
            }
            seeking.cost.add(event);
            !alone && over.as_ref().is_none_or(|over| seeking.part != Part::Step(over.clone()))
        });
    }
}

/// Whether nothing of a list of steps has happened.
fn begins(steps: &Sequence) -> bool {
    steps.over == 0 && steps.open.is_none()
}

impl Walk<'_> {
    /// Looks up what a part that has not begun gave elsewhere. `true`: an event says so, or says that nothing is kept.
    pub(crate) fn seek(
        &mut self,
        part: &Part,
        memo: &Memo,
        frame: &Frame<'_>,
        fits: impl FnOnce(&mut Self, &Value) -> Result<bool, Stop>,
    ) -> Result<bool, Stop> {
        if self.state.seeking.iter().any(|seeking| seeking.part == *part) {
            return Ok(false);
        }
        let key = self.part_key(part, memo, frame)?;
        let kept = self.kept_answer(key)?.map(|kept| (kept.source(self.facts.now), kept.value.clone()));
        if let Some((from, value)) = kept
            && let (Some(gave), Some(saved)) = (value.get("gave"), value.get("cost").and_then(Saved::of_value))
            && fits(self, gave)?
        {
            let mut blobs = Vec::new();
            let output = Held::hold(gave.clone(), &mut blobs);
            let event = Event::PartReused { part: part.clone(), key, output, from, saved };
            self.push(Record { event, blobs });
            return Ok(true);
        }
        self.record(Event::CacheMissed { part: part.clone(), key, ttl: memo.ttl });
        Ok(true)
    }

    /// Whether the result of the whole run is looked for, or found, before anything of it happens.
    pub(crate) fn whole_run(&mut self) -> bool {
        let (Some(memo), [top]) = (&self.program.cache, &self.state.stages[..]) else { return false };
        let state = self.state;
        let untouched = begins(&top.steps) && state.began.len() == 1 && state.steps == 0;
        if !untouched || !state.visits.is_empty() || !state.seeking.is_empty() {
            return false;
        }
        let Some(stage) = self.program.stage(&top.stage) else { return false };
        let frame = Frame::outermost(&state.values, stage);
        self.whole(&Part::Workflow, memo, &frame)
    }

    /// Whether the result of a stage is looked for, or found, before anything of it happens. Who is begun again wants another result.
    pub(crate) fn whole_stage(&mut self, stage: &Stage, steps: &Sequence, frame: &Frame<'_>) -> bool {
        let again = || stage.steps.iter().any(|step| self.state.visits.contains_key(&step.name));
        match &stage.cache {
            Some(memo) if begins(steps) && !again() => self.whole(&Part::Stage(stage.name.clone()), memo, frame),
            _ => false,
        }
    }

    fn whole(&mut self, part: &Part, memo: &Memo, frame: &Frame<'_>) -> bool {
        match self.seek(part, memo, frame, |_, _| Ok(true)) {
            Ok(found) => return found,
            Err(Stop::Look(queries)) => self.look(queries),
            Err(Stop::Failed(failure)) => self.finish(End::Failed, None, Some(failure)),
        }
        true
    }

    fn part_key(&self, part: &Part, memo: &Memo, frame: &Frame<'_>) -> Result<Digest, Stop> {
        let key = self.compute(&memo.key, frame)?;
        let called = part.called();
        let none = BTreeSet::new();
        let statutes = self.statutes();
        let digest = |digest: Digest| Value::from(digest.to_string());
        // Another model under the same name gives other answers.
        let asks = statutes.models.iter().filter_map(|(name, rate)| Some((name.clone(), digest(rate.asks?))));
        let under = self.under(&called, self.program.labels.cached.get(&called).unwrap_or(&none));
        let mut own = vec![("key", key), ("models", Value::map(asks))];
        if memo.calls {
            // Who may read what is for the rules of today: what was read under others, or for others, is not used.
            let rules = [statutes.policies_digest, statutes.people_digest];
            own.push(("rules", Value::list(rules.map(|one| one.map_or(Value::Null, digest)))));
            own.push(("for", Value::list(self.requesters().into_iter().map(Value::Text))));
        }
        Ok(under.digest(b"surefoot/part/v1\0", own))
    }

    /// What is always in a key.
    pub(crate) fn under<'u>(&'u self, part: &'u str, labels: &'u BTreeSet<Arc<str>>) -> Under<'u> {
        Under {
            tenant: self.facts.tenant,
            project: self.state.start.as_ref().map(|start| &*start.project).unwrap_or_default(),
            bundle: self.program.bundle,
            workflow: &self.program.name,
            part,
            labels,
        }
    }
}

impl KeptAnswer {
    /// How a kept value reads: what the part gave, and what it cost; `None`: it is the answer of a model.
    pub fn of_part(value: &Value) -> Option<(Value, Saved)> {
        let cost = Saved::of_value(value.get("cost")?)?;
        Some((value.get("gave")?.clone(), cost))
    }
}
