//! What may start now: the second pure function.
//!
//! [`next`] walks from the innermost stage to every open body and asks each step in progress what follows. It reads nothing:
//! what it lacks it asks for with [`Next::Look`] and is called again. The order of its answers is the order of the program.

mod answering;
mod handing;
mod inbox;
mod waiting;

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

pub use self::{
    handing::{Handed, Handing, hand, held_value, report},
    inbox::receive,
};
use crate::{
    cache::{KeptAnswer, Part},
    context::ModelRequest,
    expr::{Condition, Expr, Root, RootKind, Template, Text},
    governance::{
        Permit,
        budget::{Exceeded, Spent},
        charter::Charter,
    },
    ids::{Digest, RunId, StepPath},
    journal::{Blob, BlobRef, End, Entry, Event, Head, Held, Parent, Topic},
    pace::{PaceQuery, Place},
    recovery::{Failure, FailureKind},
    routes::Cooling,
    run::{Body, Doing, Open, RunState, Sequence, Slot, Values},
    step::{Kind, Step},
    values::{Timestamp, Value},
    workflow::{Program, Stage},
};

/// What comes in from outside: the kernel asks nobody.
#[derive(Debug)]
pub struct Facts<'a> {
    /// Now.
    pub now: Timestamp,
    /// The epoch of the caller's claim.
    pub epoch: u64,
    /// Blobs of this run that were looked up, as values.
    pub blobs: &'a BTreeMap<Digest, Value>,
    /// Steps whose call or model request is on its way in this process.
    pub in_flight: &'a BTreeSet<StepPath>,
    /// What all runs are judged by.
    pub charter: &'a Charter,
    /// Counters that were looked up.
    pub counters: &'a BTreeMap<Arc<str>, Counted>,
    /// Steps whose call the store has found no room for, since the last durable entry.
    pub refused: &'a BTreeMap<StepPath, Exceeded>,
    /// Places in rate limits that were asked for, by the step that asked, since its last intent.
    pub places: &'a BTreeMap<StepPath, Place>,
    /// Whether models cool down, by their names there, as it was looked up for this pass; `None`: not.
    pub cooling: &'a BTreeMap<Arc<str>, Option<Cooling>>,
    /// Answers that are kept, by their keys, as they were looked up for this pass; `None`: there is none.
    pub answers: &'a BTreeMap<Digest, Option<KeptAnswer>>,
    /// Whose run it is.
    pub tenant: &'a str,
    /// The run's own key.
    pub key: &'a [u8; 32],
}

/// Something that the kernel must know and cannot read itself.
#[derive(Clone, Debug, PartialEq)]
pub enum Query {
    /// A blob of this run.
    Blob(BlobRef),
    /// How a counter stands.
    Counter(CounterQuery),
    /// A place in a rate limit.
    Place(PaceQuery),
    /// Whether a model cools down, by its name there.
    Cooling(Arc<str>),
    /// What is kept under a key of the response cache.
    Answer(Digest),
}

/// Asks for a counter of all runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterQuery {
    /// Its name.
    pub counter: Arc<str>,
    /// Where its window begins.
    pub since: Timestamp,
}

/// How a counter stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// How often it has changed, ever.
    pub version: u64,
    /// How many actions it counts in its window, those in flight included.
    pub count: u64,
    /// The sum of their amounts.
    pub sum: i64,
}

/// An event to append, and the blobs that it names.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// What happened.
    pub event: Event,
    /// What it names.
    pub blobs: Vec<Blob>,
}

impl Record {
    /// An event that names no blob.
    pub fn of(event: Event) -> Record {
        Record { event, blobs: Vec::new() }
    }
}

/// A call of a registered pure Rust function.
#[derive(Clone, Debug, PartialEq)]
pub struct NativeCall {
    /// The step.
    pub step: StepPath,
    /// `name@version`.
    pub function: Arc<str>,
    /// Its arguments.
    pub input: Value,
}

/// Why a run may sleep.
#[derive(Clone, Debug, PartialEq)]
pub struct Suspend {
    /// Until when, if time alone ends it.
    pub until: Option<Timestamp>,
    /// For what, in words.
    pub waits_for: Arc<str>,
    /// It was paused: only a person ends that.
    pub paused: bool,
    /// A change of the charter ends it: the charter's generation in which it waits. In a later one it may have nothing to wait for.
    pub generation: Option<u64>,
}

/// Something that may happen now.
#[derive(Debug)]
pub enum Next {
    /// Decided; nothing to do outside.
    Record(Record),
    /// Blobs that an expression reads, counters that a verdict rests on; call again with them.
    Look(Vec<Query>),
    /// A model to ask; its `ModelAsked` must be durable before.
    Ask(Box<ModelRequest>),
    /// A tool to call; its intent must be durable before.
    Call(Permit),
    /// A pure function to run.
    Native(NativeCall),
    /// Work for another workflow, whose program the caller brings to [`hand`].
    Hand(Box<Handing>),
    /// Nothing to do until then, once nothing is in flight.
    Suspend(Suspend),
    /// The last entry.
    Finish(Record),
}

/// Why an expression gave nothing.
#[derive(Debug)]
pub(crate) enum Stop {
    /// It reads what is not at hand.
    Look(Vec<Query>),
    /// It failed.
    Failed(Failure),
}

impl Stop {
    fn internal(detail: String) -> Stop {
        Stop::Failed(Failure::inside(FailureKind::Internal, detail))
    }
}

/// A run that is to be started, checked.
#[derive(Debug)]
pub struct Starting {
    /// The first entry.
    pub first: Entry,
    /// The run after it.
    pub state: RunState,
    /// Blobs that it names.
    pub blobs: Vec<Blob>,
    /// Business keys as texts, for lists.
    pub about: BTreeMap<Arc<str>, String>,
    /// SHA-256 over the input.
    pub input: Digest,
}

/// Who starts a run, and by whose rules it is judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Starter {
    /// The project whose policies and people count; empty: the built-in rule alone.
    pub project: Arc<str>,
    /// The person, if it is one.
    pub by: Option<Arc<str>>,
}

/// Checks `input` and makes the first entry.
///
/// # Errors
/// The input does not fit the workflow's schema (one sentence for each place), or a business key cannot be computed.
pub fn start(
    program: &Program,
    run: RunId,
    epoch: u64,
    (input, starter): (&Value, &Starter),
    now: Timestamp,
    salt: [u8; 16],
) -> Result<Starting, Vec<String>> {
    begin(program, run, epoch, (input, starter, None), now, salt)
}

/// Who hands a run its work, and for whom that one acts.
type ByParent = (Parent, Option<Arc<str>>);

/// Like [`start`], also for a run that is handed its work: by whom, and for whom that one acts.
fn begin(
    program: &Program,
    run: RunId,
    epoch: u64,
    (input, starter, handed): (&Value, &Starter, Option<ByParent>),
    now: Timestamp,
    salt: [u8; 16],
) -> Result<Starting, Vec<String>> {
    if let Some(schema) = &program.input {
        schema.validate(input)?;
    }
    let mut keys = BTreeMap::new();
    for (key, template) in &program.about {
        let values: Vec<Value> = template.roots().iter().map(|_| input.clone()).collect();
        let value = template.eval(&values).map_err(|why| vec![format!("about.{key}: {why}")])?;
        keys.insert(key.clone(), value);
    }
    let acts_for = match &program.acts_for {
        None => None,
        Some(template) => {
            let values: Vec<Value> = template.roots().iter().map(|_| input.clone()).collect();
            match template.eval(&values).map_err(|why| vec![format!("acts_for: {why}")])? {
                Value::Null => None,
                Value::Text(person) => Some(person),
                other => return Err(vec![format!("acts_for: {other} names no person")]),
            }
        }
    };
    let (parent, acts_for) = match handed {
        Some((parent, above)) => (Some(Box::new(parent)), above.or(acts_for)),
        None => (None, acts_for),
    };
    let about = if keys.is_empty() { Value::Null } else { Value::map(keys.clone()) };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_json(), str::to_owned);
    let mut blobs = Vec::new();
    let event = Event::RunStarted {
        bundle: program.bundle,
        workflow: program.name.clone(),
        stages: program.order.clone(),
        input: Held::hold(input.clone(), &mut blobs),
        about,
        project: starter.project.clone(),
        by: starter.by.clone(),
        acts_for,
        parent,
        fork: None,
    };
    let first = Entry::seal(run, Head::START, epoch, now, salt, &event);
    let mut state = RunState::new(run);
    state.apply(&first, event).expect("a new run takes its first entry: held by the fold");
    Ok(Starting {
        first,
        state,
        blobs,
        about: keys.iter().map(|(key, value)| (key.clone(), text(value))).collect(),
        input: input.digest(),
    })
}

/// Everything that may start now, in program order. Empty only while something is in flight.
pub fn next(program: &Program, state: &RunState, facts: &Facts<'_>) -> Vec<Next> {
    let mut walk = Walk::new(program, state, facts);
    if state.end.is_some() {
        return Vec::new();
    }
    if let Some(failure) = &state.failed
        && !state.unwinds()
        // Nor does it end over an undo that may have been performed.
        && state.undoing.is_empty()
    {
        match state.cancelling {
            true => walk.finish(End::Cancelled, None, None),
            false => walk.finish(End::Failed, None, Some(failure.clone())),
        }
        return walk.out;
    }
    let late = walk.is_late();
    let drain = state.paused || state.cancelling || late;
    if !drain && walk.whole_run() {
        return walk.out;
    }
    match state.stages.last() {
        Some(top) => walk.stage(&top.stage, &top.steps, drain),
        None if state.unwinds() => {}
        None => walk.result(),
    }
    if let Some(undoing) = state.undoing_by(None) {
        walk.undo(undoing, state.paused || !state.undo_all);
    }
    if late && walk.out.is_empty() && facts.in_flight.is_empty() {
        walk.end_late();
        return walk.out;
    }
    if drain && walk.out.is_empty() && facts.in_flight.is_empty() {
        // No run ends over an action whose outcome is not known.
        match walk.doubt.take() {
            Some(doubt) if state.cancelling => walk.wait_in_doubt(doubt),
            None if state.unwinds() && !state.unwound => walk.open_undo(),
            None if state.cancelling && !state.unwinds() => walk.finish(End::Cancelled, None, None),
            None if state.cancelling && !state.paused => {
                let waiting = walk.waiting();
                walk.out.extend(waiting.map(Next::Suspend));
            }
            doubt => {
                let over = state.paused_over.as_ref();
                let over = over.map(|(step, why)| format!("a person to resume it: `{step}` failed ({})", why.kind));
                let waits_for = walk.stuck().or(over).unwrap_or_else(|| "a person to resume it".to_owned());
                walk.out.push(Next::Suspend(Suspend {
                    until: doubt.and_then(|doubt| doubt.until),
                    waits_for: waits_for.into(),
                    paused: true,
                    generation: None,
                }));
            }
        }
        return walk.out;
    }
    let waits = !walk.waits.is_empty() || !walk.blocked.is_empty();
    if let Some(until) = walk.run_ends_by().filter(|_| !drain && waits) {
        walk.until = Some(walk.until.map_or(until, |other| other.min(until)));
    }
    if !drain && let Some(waiting) = walk.waiting() {
        walk.out.push(Next::Suspend(waiting));
    }
    walk.out
}

/// An action whose outcome is not known keeps the run from its end.
pub(crate) struct Doubted {
    /// Until when, if time alone ends it.
    until: Option<Timestamp>,
}

/// One pass over what is in progress.
pub(crate) struct Walk<'a> {
    pub program: &'a Program,
    pub state: &'a RunState,
    pub facts: &'a Facts<'a>,
    out: Vec<Next>,
    pub(crate) until: Option<Timestamp>,
    waits: Vec<String>,
    doubt: Option<Doubted>,
    taken: BTreeSet<u64>,
    /// What nothing lets go on: the run was forked without effects.
    blocked: Vec<String>,
    /// What the run has spent and set aside, with what this pass sets aside.
    pub spent: Cow<'a, Spent>,
}

/// Where names are looked up: a frame and those around it.
pub(crate) struct Frame<'f> {
    around: Option<&'f Frame<'f>>,
    values: &'f Values,
    inner: Option<&'f Inner<'f>>,
    /// What the step itself was given, by its name there: `output`, `answer`.
    own: Option<(&'f str, &'f Value)>,
    /// What stands before a step's name in its path.
    prefix: String,
    /// The stage that this is part of.
    pub stage: &'f Stage,
    /// Start nothing new; bring open actions to their end.
    pub drain: bool,
}

/// How a list of steps stands.
pub(crate) enum Walked {
    /// All steps are over.
    Over,
    /// One failed for good.
    Failed(Failure),
    /// One is in progress.
    Busy,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(program: &'a Program, state: &'a RunState, facts: &'a Facts<'a>) -> Self {
        Walk {
            program,
            state,
            facts,
            out: Vec::new(),
            until: None,
            waits: Vec::new(),
            doubt: None,
            taken: BTreeSet::new(),
            blocked: Vec::new(),
            spent: Cow::Borrowed(&state.spent),
        }
    }

    fn stage(&mut self, name: &str, steps: &'a Sequence, drain: bool) {
        let Some(stage) = self.program.stage(name) else {
            let detail = format!("the bundle has no stage `{name}`");
            self.finish(End::Failed, None, Some(Failure::inside(FailureKind::Internal, detail)));
            return;
        };
        let mut frame = Frame::outermost(&self.state.values, stage);
        frame.drain = drain;
        if !drain && self.whole_stage(stage, steps, &frame) {
            return;
        }
        let here = stage.steps.get(steps.over as usize).map(|step| (step, &*step.name));
        match self.steps(here, steps, &frame) {
            Walked::Over if !drain => self.record(Event::StageDone { stage: stage.name.clone() }),
            // What failed for good outside of bodies fails the run: `next` saw that before.
            Walked::Over | Walked::Failed(_) | Walked::Busy => {}
        }
    }

    /// Asks the step in progress what follows.
    pub(crate) fn steps(&mut self, here: Option<(&'a Step, &str)>, at: &'a Sequence, frame: &Frame<'_>) -> Walked {
        if let Some(failure) = &at.failed {
            return Walked::Failed(failure.clone());
        }
        let Some((step, name)) = here else { return Walked::Over };
        let open = at.open.as_deref();
        if frame.drain && open.is_none() {
            return Walked::Busy;
        }
        if let Some(Slot::Gave(kept)) =
            self.state.kept.get(&step.name).filter(|_| open.is_none() && frame.is_outermost())
        {
            let visit = self.visit(step, open, frame);
            let step = StepPath::new(format!("{}~{visit}", step.name));
            self.record(Event::StepDone { step, output: kept.clone() });
            return Walked::Busy;
        }
        let visit = self.visit(step, open, frame);
        let mut path = format!("{}{name}", frame.prefix);
        if visit > 1 {
            let _ = write!(path, "~{visit}");
        }
        let path = StepPath::new(path);
        match self.step(step, open, &path, frame) {
            Ok(()) => {}
            Err(Stop::Look(blobs)) => self.look(blobs),
            Err(Stop::Failed(failure)) => self.record(Event::StepFailed { step: path, failure }),
        }
        Walked::Busy
    }

    /// In which visit a step is, or would begin.
    pub(crate) fn visit(&self, step: &Step, open: Option<&Open>, frame: &Frame<'_>) -> u32 {
        match open {
            Some(open) => open.visit,
            None if frame.is_outermost() => self.state.visits.get(&step.name).copied().unwrap_or(1),
            None => 1,
        }
    }

    fn step(&mut self, step: &'a Step, open: Option<&'a Open>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let Some(open) = open else {
            if let Some(when) = &step.when
                && !self.holds(when, frame)?
            {
                self.record(Event::StepSkipped { step: path.clone() });
                return Ok(());
            }
            if let Some(memo) = &step.cache
                && path.segments().all(|segment| segment.visit == 1)
                && self
                    .seek(&Part::Step(path.clone()), memo, frame, |walk, gave| step.takes(walk, path, frame, gave))?
            {
                return Ok(());
            }
            if self.set_deadline(step, None, path) {
                return Ok(());
            }
            return step.begin(self, path, frame, None);
        };
        if let Some(failure) = &open.failure {
            if let Some(undoing) = self.state.undoing_by(Some(path)) {
                // Also where a join needs the body no more: nothing is left half taken back.
                self.undo(undoing, self.state.paused || self.state.cancelling);
                return Ok(());
            }
            if frame.drain && !self.state.cancelling {
                self.leave_nothing_in_doubt(step, open, path);
                return Ok(());
            }
            let answer = self.answer(step, open, failure, path, frame)?;
            self.push(answer);
            return Ok(());
        }
        if let Some(help) = &open.help {
            return self.help(step, open, &help.failure, path, frame);
        }
        if let (Kind::Reason(reason), Some(group)) =
            (&step.kind, open.doubt.as_ref().and_then(|doubt| doubt.asks.as_ref()))
        {
            return self.decide_for(reason, (open, group), path, frame);
        }
        if frame.drain && self.leave_nothing_in_doubt(step, open, path) {
            return Ok(());
        }
        if self.out_of_time(step, open, path, frame)? {
            return Ok(());
        }
        if let Some(at) = open.not_before
            && at > self.facts.now
        {
            self.wait(Some(at), || format!("`{path}` is tried again"));
            return Ok(());
        }
        match &open.doing {
            Doing::Idle if frame.drain => Ok(()),
            Doing::Idle if self.set_deadline(step, Some(open), path) => Ok(()),
            Doing::Idle | Doing::Asked => step.begin(self, path, frame, Some(open)),
            // The chosen stages are on the stack: `next` walks the innermost one.
            Doing::Deciding { .. } => Ok(()),
            _ => step.go_on(self, open, path, frame),
        }
    }

    /// Nothing tries this step again, because the run is cancelled or a join needs its body no more: what may have been performed is for
    /// a person. `false`: nothing may, or the run is only paused.
    fn leave_nothing_in_doubt(&mut self, step: &Step, open: &Open, path: &StepPath) -> bool {
        let left = self.state.cancelling || !self.state.paused;
        let event = step.call().filter(|_| left).and_then(|act| act.stays_untried(open, path));
        let is_left = event.is_some();
        event.into_iter().for_each(|event| self.record(event));
        is_left
    }

    fn result(&mut self) {
        match self.completed() {
            Ok(value) => self.finish(End::Completed, Some(value), None),
            Err(Stop::Look(blobs)) => self.out.push(Next::Look(blobs)),
            Err(Stop::Failed(failure)) => self.finish(End::Failed, None, Some(failure)),
        }
    }

    /// The result, if the run may complete: it fits its schema, and the facts that the workflow demands are in the journal.
    fn completed(&self) -> Result<Value, Stop> {
        if let Some(reused) = &self.state.reused {
            return self.unhold(reused);
        }
        let Some(last) = self.program.stages.last() else { return Ok(Value::Null) };
        let frame = Frame::outermost(&self.state.values, last);
        let mut value = Value::Null;
        if let Some(result) = &self.program.result {
            value = self.evaluate(&result.value, &frame)?;
            if let Some(Err(complaints)) = result.schema.as_ref().map(|schema| schema.validate(&value)) {
                let detail = format!("the result does not fit its schema: {}", complaints.join("; "));
                return Err(Stop::Failed(Failure::inside(FailureKind::ContractViolated, detail)));
            }
        }
        for demand in &self.program.done_when {
            demand.met(self, &frame)?;
        }
        Ok(value)
    }

    pub(crate) fn finish(&mut self, end: End, result: Option<Value>, failure: Option<Failure>) {
        let mut blobs = Vec::new();
        let result = result.map(|value| Held::hold(value, &mut blobs));
        self.out.push(Next::Finish(Record { event: Event::RunFinished { end, result, failure }, blobs }));
    }

    pub(crate) fn record(&mut self, event: Event) {
        self.push(Record::of(event));
    }

    pub(crate) fn push(&mut self, record: Record) {
        self.out.push(Next::Record(record));
    }

    pub(crate) fn look(&mut self, queries: Vec<Query>) {
        self.out.push(Next::Look(queries));
    }

    pub(crate) fn then(&mut self, next: Next) {
        self.out.push(next);
    }

    /// Whether something of this step is on its way in this process.
    pub(crate) fn in_flight(&self, path: &StepPath) -> bool {
        self.facts.in_flight.contains(path)
    }

    /// The oldest of these signals and events that no other wait of this pass takes.
    pub(crate) fn take(&mut self, names: &[Arc<str>], events: &[Topic]) -> Option<&'a crate::run::Signal> {
        let wanted = |one: &crate::run::Signal| match &one.key {
            None => names.contains(&one.name),
            Some(key) => events.iter().any(|topic| topic.event == one.name && topic.key == *key),
        };
        let signal = self.state.mailbox.iter().find(|one| wanted(one) && !self.taken.contains(&one.message))?;
        self.taken.insert(signal.message);
        Some(signal)
    }

    /// Asks the steps of one body what follows.
    pub(crate) fn body(&mut self, body: Option<&'a Body>, frame: &Frame<'_>, inner: &Inner<'a>) -> Walked {
        static NOTHING: Body =
            Body { steps: Sequence { over: 0, open: None, last: None, visit: 0, failed: None }, values: Values::new() };
        let body = body.unwrap_or(&NOTHING);
        let values = if inner.steps.is_seen() { &body.values } else { &NOTHING.values };
        self.steps(inner.steps.get(body.steps.over), &body.steps, &frame.inside(values, inner))
    }

    /// What a finished body gives: `gives`, or the value of its last step.
    pub(crate) fn gives(
        &self,
        gives: Option<&Template>,
        body: Option<&Body>,
        frame: &Frame<'_>,
        inner: &Inner<'_>,
    ) -> Result<Value, Stop> {
        let none = Values::new();
        let values = body.map_or(&none, |body| &body.values);
        let Some(gives) = gives else {
            let last = body.and_then(|body| body.steps.last.as_ref()).and_then(|name| values.get(name));
            return match last {
                Some(Slot::Gave(held)) => self.unhold(held),
                Some(Slot::Skipped | Slot::GaveBack(_)) | None => Ok(Value::Null),
            };
        };
        self.evaluate(gives, &frame.inside(values, inner))
    }

    /// The value itself, or a request to look the blob up.
    pub(crate) fn unhold(&self, held: &Held) -> Result<Value, Stop> {
        match held {
            Held::Value(value) => Ok(value.clone()),
            Held::Blob(blob) => match self.facts.blobs.get(&blob.digest) {
                Some(value) => Ok(value.clone()),
                None => Err(Stop::Look(vec![Query::Blob(*blob)])),
            },
        }
    }

    pub(crate) fn holds(&self, condition: &Condition, frame: &Frame<'_>) -> Result<bool, Stop> {
        let values = self.gather(condition.roots(), frame)?;
        condition.eval(&values).map_err(|why| Stop::internal(format!("`{}`: {why}", condition.source())))
    }

    pub(crate) fn compute(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Value, Stop> {
        let values = self.gather(expr.roots(), frame)?;
        expr.eval(&values).map_err(|why| Stop::internal(format!("`{}`: {why}", expr.source())))
    }

    /// What an expression gives, or why it gives nothing.
    pub(crate) fn given(&self, expr: &Expr, frame: &Frame<'_>) -> Result<Result<Value, String>, Stop> {
        let values = self.gather(expr.roots(), frame)?;
        Ok(expr.eval(&values))
    }

    pub(crate) fn evaluate(&self, template: &Template, frame: &Frame<'_>) -> Result<Value, Stop> {
        let values = self.gather(template.roots(), frame)?;
        template.eval(&values).map_err(Stop::internal)
    }

    /// A text with its holes filled.
    pub(crate) fn render(&self, text: &Text, frame: &Frame<'_>) -> Result<String, Stop> {
        let values = self.gather(text.roots(), frame)?;
        text.render(&values).map_err(Stop::internal)
    }

    pub(crate) fn gather(&self, roots: &[Root], frame: &Frame<'_>) -> Result<Vec<Value>, Stop> {
        let mut values = Vec::with_capacity(roots.len());
        let mut missing = Vec::new();
        for root in roots {
            match self.name(root, frame) {
                Ok(value) => values.push(value),
                Err(Stop::Look(blobs)) => missing.extend(blobs),
                Err(failed) => return Err(failed),
            }
        }
        if missing.is_empty() { Ok(values) } else { Err(Stop::Look(missing)) }
    }

    fn name(&self, root: &Root, frame: &Frame<'_>) -> Result<Value, Stop> {
        let slot = frame.slot(&root.name);
        match root.what {
            RootKind::Ran if frame.own.is_some_and(|(own, _)| *own == *root.name) => return Ok(Value::Bool(true)),
            RootKind::Ran => return Ok(Value::Bool(matches!(slot, Some(Slot::Gave(_))))),
            RootKind::Meta => return Ok(Value::map([("ran", Value::Bool(slot.is_some()))])),
            RootKind::Value => {}
        }
        if let Some(value) = frame.local(&root.name) {
            return Ok(value);
        }
        match (&*root.name, slot) {
            (_, Some(Slot::Gave(held))) => self.unhold(held),
            ("input", None) => match &self.state.start {
                Some(start) => self.unhold(&start.input),
                None => Ok(Value::Null),
            },
            ("run", None) => self.run_value(),
            // A step that was skipped, or that stands in a stage which was not chosen.
            (_, Some(Slot::Skipped | Slot::GaveBack(_)) | None) => Ok(Value::Null),
        }
    }

    fn run_value(&self) -> Result<Value, Stop> {
        let start = self.state.start.as_ref();
        let handoff = self.state.parent().map(|parent| self.unhold(&parent.envelope)).transpose()?;
        Ok(Value::map([
            ("id", Value::from(self.state.run.to_string())),
            ("workflow", Value::Text(self.program.name.clone())),
            ("started_at", start.map_or(Value::Null, |start| start.at.to_string().into())),
            ("about", start.map_or(Value::Null, |start| start.about.clone())),
            ("handoff", handoff.unwrap_or_default()),
        ]))
    }
}

/// One body of a block: its steps, and what its frame has of its own.
#[derive(Debug)]
pub(crate) struct Inner<'p> {
    /// The body's path: `read[17]`.
    pub path: String,
    /// What is done in it.
    pub steps: Steps<'p>,
    /// A name of its own: the item of an `each`, what the turn before gave in a `repeat`.
    pub named: Option<(Arc<str>, Value)>,
    /// The item of an `each`, which `item` names always.
    pub item: Option<Value>,
    /// The item's or turn's number.
    pub index: Option<u32>,
    /// Start nothing new in it.
    pub drain: bool,
}

/// The steps of a body.
#[derive(Debug)]
pub(crate) enum Steps<'p> {
    /// As they stand in the workflow.
    Written(&'p [Step]),
    /// One turn of a model: what asks it, and what does each of its proposals, under the name that it has in its path. `None`: nothing
    /// is done about that one.
    Proposed(Vec<(Arc<str>, Option<&'p Step>)>),
}

impl<'p> Steps<'p> {
    /// The step after so many, and its name.
    pub fn get(&self, over: u32) -> Option<(&'p Step, &str)> {
        match self {
            Steps::Written(steps) => steps.get(over as usize).map(|step| (step, &*step.name)),
            Steps::Proposed(steps) => {
                let (name, step) = steps.get(over as usize)?;
                step.map(|step| (step, &**name))
            }
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Steps::Written(steps) => steps.len(),
            Steps::Proposed(steps) => steps.len(),
        }
    }

    /// The step of a name, wherever it stands.
    pub fn named(&self, name: &str) -> Option<&'p Step> {
        match self {
            Steps::Written(steps) => steps.iter().find(|step| *step.name == *name),
            Steps::Proposed(steps) => steps.iter().find(|(own, _)| **own == *name).and_then(|(_, step)| *step),
        }
    }

    /// Whether expressions inside can name them: names that no file has written hide none.
    pub fn is_seen(&self) -> bool {
        matches!(self, Steps::Written(_))
    }
}

impl<'f> Frame<'f> {
    /// Outside of all bodies.
    pub(crate) fn outermost(values: &'f Values, stage: &'f Stage) -> Frame<'f> {
        Frame { around: None, values, inner: None, own: None, prefix: String::new(), stage, drain: false }
    }

    /// The frame of a body.
    pub(crate) fn inside<'g>(&'g self, values: &'g Values, inner: &'g Inner<'g>) -> Frame<'g> {
        Frame {
            around: Some(self),
            values,
            inner: Some(inner),
            own: None,
            prefix: format!("{}/", inner.path),
            stage: self.stage,
            drain: self.drain || inner.drain,
        }
    }

    /// Whether a step gave something that can be seen from here.
    pub(crate) fn gave(&self, step: &str) -> bool {
        matches!(self.slot(step), Some(Slot::Gave(_)))
    }

    /// The same frame with what came back bound to a name: `output` for `check`, `answer` for `holds`.
    pub(crate) fn with_own<'g>(&'g self, name: &'g str, value: &'g Value) -> Frame<'g> {
        Frame {
            around: self.around,
            values: self.values,
            inner: self.inner,
            own: Some((name, value)),
            prefix: self.prefix.clone(),
            stage: self.stage,
            drain: self.drain,
        }
    }

    /// The same frame, in which nothing new is started.
    pub(crate) fn drained<'g>(&'g self) -> Frame<'g> {
        Frame {
            around: self.around,
            values: self.values,
            inner: self.inner,
            own: self.own,
            prefix: self.prefix.clone(),
            stage: self.stage,
            drain: true,
        }
    }

    pub(crate) fn is_outermost(&self) -> bool {
        self.around.is_none()
    }

    pub(crate) fn draining(&self) -> bool {
        self.drain
    }

    fn slot(&self, name: &str) -> Option<&Slot> {
        let mut frame = Some(self);
        while let Some(here) = frame {
            if let Some(slot) = here.values.get(name) {
                return Some(slot);
            }
            frame = here.around;
        }
        None
    }

    fn local(&self, name: &str) -> Option<Value> {
        if let Some((_, value)) = self.own.filter(|(own, _)| *own == name) {
            return Some(value.clone());
        }
        let mut frame = Some(self);
        while let Some(here) = frame {
            if let Some(inner) = here.inner {
                match (&inner.named, &inner.item, inner.index) {
                    (Some((own, value)), ..) if **own == *name => return Some(value.clone()),
                    (_, Some(item), _) if name == "item" => return Some(item.clone()),
                    (.., Some(index)) if name == "index" => return Some(index.into()),
                    _ => {}
                }
            }
            frame = here.around;
        }
        None
    }
}
