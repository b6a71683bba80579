//! A run in memory: the kernel alone, a clock that stands still, and answers that somebody gives.
//!
//! Nothing here speaks to anybody. What a worker does with a store, a gateway and a clock is done here with maps: decide until nothing
//! more can be decided inside, then let every call that may leave be answered, then rest. The rules that judge are the project's own.

pub(crate) mod children;
pub(crate) mod people;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Duration,
};

use kernel::{
    cache::KeptAnswer,
    context::ModelRequest,
    evidence::{Audit, Ledger},
    governance::{Permit, budget::Exceeded, charter::Charter},
    ids::{Digest, RunId, StepPath},
    journal::{Blob, Entry, Event, Head, Held},
    next::{self, Counted, Facts, Next, Query, Record, Starter, Suspend},
    pace::Place,
    recovery::Response,
    routes::Cooling,
    run::{Doing, RunState},
    settle::{Answer, Settled, settle},
    values::{Timestamp, Value},
    workflow::{Program, Stage},
};

use self::{children::Programs, people::People};
use crate::embed::Native;

/// Registered pure functions by `name@version`.
pub(crate) type Natives = BTreeMap<Arc<str>, Native>;

/// The random part of every run here: the same case is the same run.
const RUN: [u8; 10] = [0x5f; 10];
/// A run that has not ended after so many rounds never does.
const ROUNDS: u32 = 50_000;
/// The stage in which what a case gives was done; no workflow can have one of that name.
const GIVEN: &str = "(given)";

/// When the process dies, seen from one entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Crash {
    /// It does not.
    #[default]
    No,
    /// The entry is not written any more.
    Before,
    /// The entry is the last one that was written.
    After,
}

/// What came back, and whether the process lives to write it down.
#[derive(Debug)]
pub(crate) struct Given {
    pub answer: Answer,
    pub crash: Crash,
}

impl From<Answer> for Given {
    fn from(answer: Answer) -> Given {
        Given { answer, crash: Crash::No }
    }
}

/// What a step would make of an answer, without writing it down.
pub(crate) type Judge<'j> = dyn FnMut(&Answer) -> Option<Event> + 'j;

/// Everything outside. An error is one sentence: there is no answer, and nobody is asked in its place.
pub(crate) trait Outside {
    /// A model's answer.
    fn ask(&mut self, request: &ModelRequest) -> Result<Given, String>;
    /// A tool's answer.
    fn call(&mut self, permit: &Permit, judge: &mut Judge<'_>) -> Result<Given, String>;
    /// What a pure function gives, in the place of the function; `None`: it runs.
    fn native(&mut self, _step: &StepPath) -> Option<Given> {
        None
    }
    /// What the last asking took on the way out and on the way back, where somebody measures it.
    fn took(&mut self) -> Option<[Spent; 2]> {
        None
    }
    /// Why the store has no room for what this entry sets aside.
    fn exceeded(&mut self, _event: &Event) -> Option<Exceeded> {
        None
    }
}

/// Which part of a workflow is run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    #[default]
    Whole,
    /// One stage, as if it had been chosen.
    Stage(Arc<str>),
    /// One step, outside of bodies.
    Step(Arc<str>),
}

/// What one run begins with.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    pub part: Part,
    pub input: Value,
    pub by: Option<Arc<str>>,
    pub at: Timestamp,
    /// Values of steps before the part.
    pub given: BTreeMap<Arc<str>, Value>,
    /// How counters of operations stand, by their name there.
    pub history: BTreeMap<Arc<str>, Counted>,
}

/// Why nothing more happens.
#[derive(Debug)]
pub(crate) enum Rest {
    /// The last entry is written.
    Over,
    /// The part is done.
    Done,
    /// The part was left for another stage.
    Left,
    /// Somebody must do something, or it is paused.
    Waits(Suspend),
    /// It is not over, and nobody is waited for.
    Silent(String),
    /// There is no answer for what it asks.
    Unanswered(String),
    /// The process died.
    Died,
}

/// Deliberate bugs, to show that what watches a trial sees them. All off, except in tests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mutants {
    /// A receiver that is to know a key again does not.
    pub forgets_keys: bool,
    /// What is put before people is not written down as asked: the run rests, and nobody knows.
    pub asks_nobody: bool,
    /// A failed run says that it completed.
    pub calls_failure_success: bool,
}

/// Time, by two clocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spent {
    /// Of the processor, for this thread.
    pub cpu: Duration,
    pub wall: Duration,
}

/// One thing that a trial did itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Did {
    /// Looked for what may happen next: so many model calls and acts came of it.
    Decided { asks: usize, acts: usize },
    /// Made bytes of a request, and of the bytes that came back an answer.
    Wired { back: bool },
    /// Judged what came back, of a model or of somebody else.
    Judged { model: bool },
    /// Sealed the event of this index and applied it.
    Wrote { event: usize },
}

/// What a trial does itself, in order, by a clock that whoever watches brings.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    pub clock: fn() -> Spent,
    pub laps: Vec<(Did, Spent)>,
}

/// The id of every run that begins then.
pub(crate) fn run_id(at: Timestamp) -> RunId {
    RunId::new(at, RUN)
}

/// One run.
pub(crate) struct Trial<'a> {
    program: &'a Program,
    charter: &'a Charter,
    natives: &'a Natives,
    project: Arc<str>,
    /// The workflows that work can be handed to.
    pub programs: Option<&'a Programs>,
    part: Part,
    pub state: RunState,
    pub entries: Vec<Entry>,
    pub events: Vec<Event>,
    pub now: Timestamp,
    epoch: u64,
    blobs: BTreeMap<Digest, Value>,
    kept: BTreeMap<Digest, Arc<[u8]>>,
    counters: BTreeMap<Arc<str>, Counted>,
    history: BTreeMap<Arc<str>, Counted>,
    full: BTreeMap<StepPath, Exceeded>,
    places: BTreeMap<StepPath, Place>,
    cooling: BTreeMap<Arc<str>, Option<Cooling>>,
    answers: BTreeMap<Digest, Option<KeptAnswer>>,
    cools: BTreeMap<Arc<str>, Cooling>,
    /// Runs that were handed work.
    pub children: Vec<Trial<'a>>,
    /// So many entries only say what was given.
    pub given: usize,
    /// The process dies at the entry of this number.
    pub dies: Option<(usize, Crash)>,
    dead: bool,
    pub mutants: Mutants,
    /// Somebody measures it.
    pub watch: Option<Watch>,
}

impl<'a> Trial<'a> {
    /// The run after its first entry, or after what was given.
    ///
    /// # Errors
    /// The input does not fit, or what is given cannot stand before the part: sentences for who wrote it.
    pub(crate) fn begin(
        program: &'a Program,
        (charter, natives): (&'a Charter, &'a Natives),
        project: &Arc<str>,
        beginning: &Beginning,
    ) -> Result<Trial<'a>, Vec<String>> {
        let run = run_id(beginning.at);
        let mut trial = Trial {
            program,
            charter,
            natives,
            project: project.clone(),
            programs: None,
            part: beginning.part.clone(),
            state: RunState::new(run),
            entries: Vec::new(),
            events: Vec::new(),
            now: beginning.at,
            epoch: 1,
            blobs: BTreeMap::new(),
            kept: BTreeMap::new(),
            counters: BTreeMap::new(),
            history: beginning.history.clone(),
            full: BTreeMap::new(),
            places: BTreeMap::new(),
            cooling: BTreeMap::new(),
            answers: BTreeMap::new(),
            cools: BTreeMap::new(),
            children: Vec::new(),
            given: 0,
            dies: None,
            dead: false,
            mutants: Mutants::default(),
            watch: None,
        };
        let starter = Starter { project: project.clone(), by: beginning.by.clone() };
        match beginning.part.clone() {
            Part::Whole => {
                let input = (&beginning.input, &starter);
                let starting = next::start(program, run, 1, input, beginning.at, [0; 16])?;
                trial.keep(&starting.blobs);
                let event = starting.first.event().map_err(|why| vec![why.to_string()])?;
                trial.state = starting.state;
                trial.entries.push(starting.first);
                trial.events.push(event);
            }
            Part::Stage(stage) => trial.before(&stage, None, beginning, &starter)?,
            Part::Step(step) => {
                let stage = outermost(program, &step).map(|(stage, _)| stage.name.clone());
                let stage = stage.ok_or_else(|| vec![format!("no stage has the step `{step}`")])?;
                trial.before(&stage, Some(&step), beginning, &starter)?;
            }
        }
        Ok(trial)
    }

    /// Writes down what was given: values of steps elsewhere in a stage of their own, those of the same stage in their places.
    fn before(
        &mut self,
        stage: &Arc<str>,
        step: Option<&Arc<str>>,
        beginning: &Beginning,
        starter: &Starter,
    ) -> Result<(), Vec<String>> {
        let Some(stage) = self.program.stage(stage) else { return Err(vec![format!("there is no stage `{stage}`")]) };
        let mut blobs = Vec::new();
        let first = Event::RunStarted {
            bundle: self.program.bundle,
            workflow: self.program.name.clone(),
            stages: vec![GIVEN.into(), stage.name.clone()],
            input: Held::hold(beginning.input.clone(), &mut blobs),
            about: Value::Null,
            project: starter.project.clone(),
            by: starter.by.clone(),
            acts_for: None,
            parent: None,
            fork: None,
        };
        self.record(Record { event: first, blobs });
        let ahead: Vec<&Arc<str>> = match step {
            Some(step) => stage.steps.iter().map(|one| &one.name).take_while(|name| *name != step).collect(),
            None => Vec::new(),
        };
        for (name, value) in beginning.given.iter().filter(|(name, _)| !ahead.contains(name)) {
            self.give(name, value);
        }
        self.record(Record::of(Event::StageDone { stage: GIVEN.into() }));
        for name in ahead {
            match beginning.given.get(name) {
                Some(value) => self.give(name, value),
                None => self.record(Record::of(Event::StepSkipped { step: StepPath::new(name.clone()) })),
            }
        }
        self.given = self.entries.len();
        Ok(())
    }

    fn give(&mut self, name: &Arc<str>, value: &Value) {
        let mut blobs = Vec::new();
        let output = Held::hold(value.clone(), &mut blobs);
        self.record(Record { event: Event::StepDone { step: StepPath::new(name.clone()), output }, blobs });
    }

    /// A new process goes on with nothing but the journal.
    pub(crate) fn resume(&mut self) {
        let mut state = RunState::new(self.state.run);
        state.fold(&self.entries).expect("what was applied folds: held by the fold");
        self.state = state;
        self.epoch += 1;
        (self.dead, self.dies) = (false, None);
        self.blobs.clear();
        self.full.clear();
        self.places.clear();
        self.cooling.clear();
    }

    /// Goes on until nothing more can happen.
    pub(crate) fn drive(&mut self, outside: &mut dyn Outside, people: &mut People) -> Rest {
        for _ in 0..ROUNDS {
            match self.round(outside, people) {
                None if self.dead => return Rest::Died,
                None => {}
                Some(_) if self.dead => return Rest::Died,
                Some(rest) => return rest,
            }
        }
        Rest::Silent(format!("it is not over after {ROUNDS} rounds"))
    }

    /// Whether the part of the workflow that is run is behind it.
    fn is_past(&self) -> Option<Rest> {
        let stage = match &self.part {
            Part::Whole => return None,
            Part::Stage(stage) if self.state.stages.is_empty() => {
                return self.state.began.contains(stage).then_some(Rest::Done);
            }
            Part::Stage(stage) => stage.clone(),
            Part::Step(step) if self.state.values.contains_key(step) => return Some(Rest::Done),
            Part::Step(step) => {
                let last = self.events.last();
                if matches!(last, Some(Event::Decided { step: decided, .. }) if decided.name() == &**step) {
                    return Some(Rest::Done);
                }
                outermost(self.program, step).map(|(stage, _)| stage.name.clone())?
            }
        };
        match self.events.last() {
            Some(Event::FailureAnswered { response: Response::Stage { stage: other }, .. }) if *other != stage => {
                Some(Rest::Left)
            }
            _ => None,
        }
    }

    /// One look at what may happen, and all of it. `None`: look again.
    fn round(&mut self, outside: &mut dyn Outside, people: &mut People) -> Option<Rest> {
        if self.state.end.is_some() {
            return Some(Rest::Over);
        }
        if let Some(rest) = self.is_past() {
            return Some(rest);
        }
        let program = self.program;
        let in_flight = BTreeSet::new();
        let begun = self.begun();
        let nexts = next::next(program, &self.state, &self.facts(&in_flight));
        self.lap(begun, || decided(&nexts));
        if nexts.is_empty() {
            return Some(Rest::Silent("it is not over, and nothing is to be done".to_owned()));
        }
        let (mut moved, mut asks, mut calls, mut suspend, mut finish) = (false, Vec::new(), Vec::new(), None, None);
        let mut looks = Vec::new();
        for one in nexts {
            match one {
                Next::Record(record) => {
                    moved = true;
                    if let Some((step, why)) =
                        sent(&record.event).and_then(|step| Some((step, outside.exceeded(&record.event)?)))
                    {
                        self.full.insert(step.clone(), why);
                        continue;
                    }
                    let leaves = matches!(
                        record.event,
                        Event::FailureAnswered { response: Response::Stage { .. } | Response::ReturnTo { .. }, .. }
                    );
                    self.record(record);
                    if leaves || self.dead {
                        break;
                    }
                }
                Next::Look(queries) => looks.extend(queries),
                Next::Native(call) => {
                    moved = true;
                    let given = outside.native(&call.step).unwrap_or_else(|| {
                        Given::from(Answer::Native { answer: self.function(&call.function, call.input) })
                    });
                    self.answer(&call.step, given);
                }
                Next::Hand(handing) => {
                    moved = true;
                    if let Err(why) = self.hand(*handing) {
                        return Some(Rest::Unanswered(why));
                    }
                }
                Next::Ask(request) => asks.push(*request),
                Next::Call(permit) => calls.push(permit),
                Next::Suspend(waiting) => suspend = Some(waiting),
                Next::Finish(record) => finish = Some(record),
            }
            if self.dead {
                return None;
            }
        }
        if moved {
            return None;
        }
        if !looks.is_empty() {
            self.look(looks);
            return None;
        }
        if let Some(record) = finish {
            self.record(record);
            return None;
        }
        self.places.clear();
        match self.leave(outside, (asks, calls)) {
            Ok(true) => return None,
            Ok(false) => {}
            Err(why) => return Some(Rest::Unanswered(why)),
        }
        match suspend {
            Some(waiting) if waiting.paused => self.rest(waiting, people),
            Some(waiting) => match self.hear_children(outside, people) {
                Some(rest) => rest,
                None => self.rest(waiting, people),
            },
            None => Some(Rest::Silent("it is not over, and nothing is to be done".to_owned())),
        }
    }

    /// Lets every call leave and be answered, in the order of the program. `false`: there was none.
    fn leave(
        &mut self,
        outside: &mut dyn Outside,
        (asks, calls): (Vec<ModelRequest>, Vec<Permit>),
    ) -> Result<bool, String> {
        let any = !asks.is_empty() || !calls.is_empty();
        for permit in calls {
            let step = permit.step().clone();
            let given = outside.call(&permit, &mut |answer| self.judged(&step, answer).map(|record| record.event))?;
            self.answer(&step, given);
            if self.dead {
                return Ok(true);
            }
        }
        for request in asks {
            let given = outside.ask(&request)?;
            if let (Some(watch), Some([out, back])) = (&mut self.watch, outside.took()) {
                watch.laps.extend([(Did::Wired { back: false }, out), (Did::Wired { back: true }, back)]);
            }
            self.answer(&request.step, given);
            if self.dead {
                return Ok(true);
            }
        }
        Ok(any)
    }

    fn answer(&mut self, step: &StepPath, Given { answer, crash }: Given) {
        // Nobody waits for it any more: a join was decided without it.
        let Some(record) = self.judged(step, &answer) else { return };
        if crash != Crash::No {
            self.dies = Some((self.entries.len() + 1, crash));
        }
        self.record(record);
    }

    fn judged(&mut self, step: &StepPath, answer: &Answer) -> Option<Record> {
        let in_flight = BTreeSet::new();
        loop {
            let begun = self.begun();
            let settled = settle(self.program, &self.state, &self.facts(&in_flight), step, answer);
            self.lap(begun, || Did::Judged { model: matches!(answer, Answer::Model { .. }) });
            match settled {
                Settled::Record(record) => return Some(record),
                Settled::Stale => return None,
                Settled::Look(queries) => self.look(queries),
            }
        }
    }

    fn function(&self, name: &Arc<str>, input: Value) -> Result<Value, String> {
        let function = self.natives.get(name).ok_or_else(|| "it is not registered in this process".to_owned())?;
        catch_unwind(AssertUnwindSafe(|| function(input))).unwrap_or_else(|_| Err("it panicked".to_owned()))
    }

    fn facts<'f>(&'f self, in_flight: &'f BTreeSet<StepPath>) -> Facts<'f> {
        Facts {
            now: self.now,
            epoch: self.epoch,
            blobs: &self.blobs,
            in_flight,
            charter: self.charter,
            counters: &self.counters,
            refused: &self.full,
            places: &self.places,
            cooling: &self.cooling,
            answers: &self.answers,
            tenant: "main",
            key: &[7; 32],
        }
    }

    fn look(&mut self, queries: Vec<Query>) {
        for query in queries {
            match query {
                Query::Blob(blob) => {
                    let bytes = self.kept.get(&blob.digest).expect("a blob comes with the entry that names it");
                    let value = Value::from_json(bytes).expect("a blob is JSON: held by Held::hold");
                    self.blobs.insert(blob.digest, value);
                }
                Query::Counter(query) => {
                    // `main/tool.operation/name/by`: a case says how one of that name stands, for whomever.
                    let name = query.counter.split('/').nth(2).unwrap_or_default();
                    let before = self.history.get(name).copied().unwrap_or_default();
                    self.counters.entry(query.counter).or_insert(before);
                }
                // A run alone is never too fast.
                Query::Place(query) => {
                    self.places.insert(query.step, Place::Given);
                }
                // A case has a world of its own: nobody has asked before.
                Query::Answer(key) => {
                    self.answers.insert(key, None);
                }
                Query::Cooling(scope) => {
                    let found = self.cools.get(&scope).copied();
                    self.cooling.insert(scope, found);
                }
            }
        }
    }

    fn keep(&mut self, blobs: &[Blob]) {
        for blob in blobs {
            self.kept.insert(blob.digest, blob.bytes.clone());
        }
    }

    /// A value as it was, wherever it is kept.
    pub(crate) fn value(&self, held: &Held) -> Value {
        match held {
            Held::Value(value) => value.clone(),
            Held::Blob(blob) => {
                let bytes = self.kept.get(&blob.digest);
                bytes.and_then(|bytes| Value::from_json(bytes).ok()).unwrap_or_default()
            }
        }
    }

    /// Writes an entry, unless the process is dead by then.
    fn record(&mut self, record: Record) {
        let number = self.entries.len() + 1;
        if self.dead || self.dies == Some((number, Crash::Before)) {
            self.dead = true;
            return;
        }
        let record = self.instead(record);
        self.keep(&record.blobs);
        if let Some(step) = sent(&record.event) {
            self.places.remove(step);
        }
        // Whether there is room is asked anew for what comes next.
        if let Some(step) = record.event.step() {
            self.full.remove(step);
        }
        if let Event::ActionStarted { grounds: Some(grounds), .. } = &record.event {
            for counting in &grounds.counted {
                let stands = self.counters.entry(counting.counter.clone()).or_default();
                stands.version += 1;
                stands.count += 1;
                stands.sum = stands.sum.saturating_add(counting.amount);
            }
        }
        self.cool(&record.event);
        let begun = self.begun();
        let head = self.entries.last().map_or(Head::START, Entry::head);
        let salt = [u8::try_from(head.seq % 251).expect("below 251"); 16];
        let entry = Entry::seal(self.state.run, head, self.epoch, self.now, salt, &record.event);
        let applied = self.state.apply(&entry, record.event.clone());
        applied.expect("what the kernel decides fits its own state: held by its tests");
        self.entries.push(entry);
        self.lap(begun, || Did::Wrote { event: number - 1 });
        self.events.push(record.event);
        self.dead = self.dies == Some((number, Crash::After));
    }

    fn begun(&self) -> Option<Spent> {
        self.watch.as_ref().map(|watch| (watch.clock)())
    }

    fn lap(&mut self, begun: Option<Spent>, did: impl FnOnce() -> Did) {
        if let (Some(watch), Some(begun)) = (&mut self.watch, begun) {
            let now = (watch.clock)();
            let spent = Spent { cpu: now.cpu.saturating_sub(begun.cpu), wall: now.wall.saturating_sub(begun.wall) };
            watch.laps.push((did(), spent));
        }
    }

    /// The same record, or what a deliberate bug makes of it.
    fn instead(&self, mut record: Record) -> Record {
        use kernel::journal::End;
        if self.mutants.calls_failure_success
            && let Event::RunFinished { end, result, failure } = &mut record.event
            && *end == End::Failed
            && self.state.stages.is_empty()
        {
            (*end, *result, *failure) = (End::Completed, Some(Held::Value(Value::Null)), None);
        }
        record
    }

    /// What people and signals are waited for, by step.
    pub(crate) fn asked(&self) -> Vec<(StepPath, Asked)> {
        let mut asked: BTreeMap<StepPath, Asked> = BTreeMap::new();
        for event in self.events.iter().filter(|_| !self.mutants.asks_nobody) {
            let Some(step) = event.step() else { continue };
            if self.state.approving(step).is_some() {
                asked.insert(step.clone(), Asked::Approval);
            } else if self.state.acting(step).is_some_and(kernel::run::Acting::is_unresolved) {
                asked.insert(step.clone(), Asked::Outcome);
            } else if self.state.working(step).is_some_and(|working| working.answer.is_none()) {
                asked.insert(step.clone(), Asked::Work);
            } else if let Some(Doing::Waiting { signals, .. }) = self.state.open_at(step).map(|open| &open.doing)
                && !signals.is_empty()
            {
                asked.insert(step.clone(), Asked::Signal);
            }
        }
        asked.into_iter().collect()
    }

    /// The run rests: a person says something, time passes, or that was all.
    fn rest(&mut self, waiting: Suspend, people: &mut People) -> Option<Rest> {
        self.full.clear();
        match self.hear(people, waiting.until) {
            Ok(true) => return None,
            Ok(false) => {}
            Err(why) => return Some(Rest::Unanswered(why)),
        }
        let asked = self.asked();
        let matters = waiting.paused || asked.iter().any(|(step, _)| !people.ignored.contains(step));
        if people.is_silent() && !people.patient && matters {
            return Some(Rest::Waits(waiting));
        }
        match waiting.until {
            Some(until) => {
                self.now = self.now.max(until);
                None
            }
            None if waiting.paused || !asked.is_empty() => Some(Rest::Waits(waiting)),
            None => Some(Rest::Silent(format!("it waits for {}, and nobody is asked", waiting.waits_for))),
        }
    }

    /// What the journal proves.
    ///
    /// # Errors
    /// What is wrong with it as evidence.
    pub(crate) fn audit(&self) -> Result<Ledger, String> {
        let mut audit = Audit::new(self.state.run);
        for (entry, event) in self.entries.iter().zip(&self.events) {
            audit.add(entry.seq, entry.at, event).map_err(|found| found.to_string())?;
        }
        Ok(audit.ledger().clone())
    }

    /// Actions that were performed for sure, in order: `tool.operation`.
    pub(crate) fn acts(&self) -> Vec<String> {
        let mut named: BTreeMap<&StepPath, String> = BTreeMap::new();
        let mut acts = Vec::new();
        for event in &self.events {
            if let Event::ActionStarted { step, proposal, .. } = event
                && proposal.effect != kernel::governance::Effect::Read
            {
                named.insert(step, format!("{}.{}", proposal.tool, proposal.operation));
            }
            let performed = match event {
                Event::ActionFinished { step, result: kernel::journal::StepResult::Done(_), .. }
                | Event::ProbeFinished { step, result: kernel::journal::ProbeResult::Found(_), .. } => Some(step),
                _ => None,
            };
            acts.extend(performed.and_then(|step| named.remove(step)));
        }
        // What was handed over and done there follows.
        acts.extend(self.children.iter().flat_map(Trial::acts));
        acts
    }
}

/// What a step waits for that only somebody else can give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Votes.
    Approval,
    /// Somebody who finds out what became of it.
    Outcome,
    /// Work, or what becomes of a failure.
    Work,
    /// A signal.
    Signal,
}

/// How many model calls and acts are in it.
fn decided(nexts: &[Next]) -> Did {
    let (mut asks, mut acts) = (0, 0);
    for one in nexts {
        match one {
            Next::Ask(_) => asks += 1,
            Next::Call(_) => acts += 1,
            Next::Record(record) => match &record.event {
                Event::ModelAsked { .. } => asks += 1,
                Event::ActionJudged { .. } | Event::ActionStarted { .. } | Event::ActionResent { .. } => acts += 1,
                Event::ApprovalRequested { proposal: Some(_), .. } => acts += 1,
                _ => {}
            },
            _ => {}
        }
    }
    Did::Decided { asks, acts }
}

/// Whether something leaves after the event, and from where.
fn sent(event: &Event) -> Option<&StepPath> {
    match event {
        Event::ModelAsked { step, .. }
        | Event::ActionStarted { step, .. }
        | Event::ActionResent { step, .. }
        | Event::ProbeStarted { step, .. } => Some(step),
        _ => None,
    }
}

/// The stage in which a step stands, outside of bodies, and its place there.
pub(crate) fn outermost<'p>(program: &'p Program, step: &str) -> Option<(&'p Stage, usize)> {
    program.stages.iter().find_map(|stage| {
        let place = stage.steps.iter().position(|one| *one.name == *step)?;
        Some((stage, place))
    })
}
