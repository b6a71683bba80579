//! The state of a run: a pure fold of its journal.
//!
//! [`RunState::apply`] is incremental and knows no program: an event says enough by itself. An event that does not fit the
//! state is an error, never a shrug.

mod acting;
mod answering;
mod approving;
mod bodies;
mod forking;
mod handing;
mod open;
mod place;
mod proving;
mod returning;
mod reusing;
mod spending;
mod talking;
mod undoing;
mod working;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use self::place::Place;
pub use self::{
    acting::{Acting, Sending, Word},
    approving::Approving,
    handing::{Handed, Reported},
    open::{Bodies, Body, Doing, Doubt, Help, Open, Turns},
    proving::Performed,
    returning::Passed,
    spending::Unlimited,
    talking::{ASK, CALL, Exchange, Talk},
    undoing::Undoing,
    working::{Answered, Working},
};
pub(crate) use self::{answering::unknown, proving::in_doubt};
use crate::{
    cache::Seeking,
    governance::budget::{Misfit, Spent},
    ids::{Digest, FrameKey, RunId, Segment, StepPath},
    journal::{Broken, Control, End, Entry, Event, Fork, Head, Held, Parent, StepResult, TableRow, Usage},
    recovery::Failure,
    values::{Timestamp, Value},
};

/// What a name stands for once its step is over.
#[derive(Clone, Debug, PartialEq)]
pub enum Slot {
    /// The step gave this.
    Gave(Held),
    /// The step failed, and the model that had proposed it was told.
    GaveBack(Failure),
    /// The step was skipped: its value is `none`.
    Skipped,
}

/// Values of finished steps, by step name.
pub type Values = BTreeMap<Arc<str>, Slot>;

/// Everything that the journal says about a run, as far as the rest of it still matters.
#[derive(Clone, Debug, PartialEq)]
pub struct RunState {
    /// Which run.
    pub run: RunId,
    /// The last entry applied.
    pub head: Head,
    /// The epoch of the last entry applied.
    pub epoch: u64,
    /// The time of the last entry applied: what is decided later is never earlier.
    pub at: Timestamp,
    /// From the first entry.
    pub start: Option<Start>,
    /// Values of finished steps outside of bodies.
    pub values: Values,
    /// The stages in progress, innermost last: a `decide` runs the chosen stages inside itself.
    pub stages: Vec<StageFrame>,
    /// Stages that began, in any way.
    pub began: BTreeSet<Arc<str>>,
    /// Signals that no `wait` has taken yet, oldest first.
    pub mailbox: Vec<Signal>,
    /// The last inbox message that the journal holds.
    pub inbox_read: u64,
    /// A person or a declared recovery paused the run.
    pub paused: bool,
    /// What failed, and where, if that paused the run and nobody has said anything since.
    pub paused_over: Option<(StepPath, Failure)>,
    /// What was sent in this epoch or before is for a person: the data were put back or copied since.
    pub reviewed: Option<u64>,
    /// A person asked the run to end.
    pub cancelling: bool,
    /// A step failed for good outside of bodies: the run will fail.
    pub failed: Option<Failure>,
    /// Set by the last entry.
    pub end: Option<Ended>,
    /// What all model calls together were billed.
    pub usage: Usage,
    /// Steps done, skipped or failed for good, bodies included.
    pub steps: u64,
    /// Actions that were performed, or may have been, in the order in which that was recorded.
    pub performed: Vec<Performed>,
    /// `verify` steps whose condition held.
    pub verified: BTreeSet<Arc<str>>,
    /// What is being taken back.
    pub undoing: Vec<Undoing>,
    /// A person asked that what was done be taken back before the run ends.
    pub undo_all: bool,
    /// It was said what that is.
    pub unwound: bool,
    /// The steps outside of bodies that are over, in order: where a recovery can return to.
    pub passed: Vec<Passed>,
    /// The visit in which a step outside of bodies begins, if it is not the first.
    pub visits: BTreeMap<Arc<str>, u32>,
    /// Values of acts whose effect stands although the run returned to a checkpoint before them.
    pub kept: Values,
    /// The member of each route that was asked last: the run stays with it.
    pub asked_last: BTreeMap<Arc<str>, Arc<str>>,
    /// How often the run returned to each checkpoint.
    pub returned: BTreeMap<Arc<str>, u32>,
    /// What calls have cost and what is set aside for open ones, as far as something limits the run.
    pub spent: Spent,
    /// Calls that nothing limited.
    pub unlimited: Unlimited,
    /// Parts that are being done, and whose results are to be kept.
    pub seeking: Vec<Seeking>,
    /// The result of another run counts here: nothing is done.
    pub reused: Option<Held>,
}

/// What the first entry said.
#[derive(Clone, Debug, PartialEq)]
pub struct Start {
    /// The frozen project.
    pub bundle: Digest,
    /// The workflow's name.
    pub workflow: Arc<str>,
    /// What the run works on.
    pub input: Held,
    /// Business keys.
    pub about: Value,
    /// When it began.
    pub at: Timestamp,
    /// Whose policies and people judge it.
    pub project: Arc<str>,
    /// Who started it.
    pub by: Option<Arc<str>>,
    /// For whom it acts.
    pub acts_for: Option<Arc<str>>,
    /// The run that handed it its work.
    pub parent: Option<Box<Parent>>,
    /// The run that it goes on from.
    pub fork: Option<Box<Fork>>,
}

/// What the last entry said.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// How.
    pub end: End,
    /// The workflow's result.
    pub result: Option<Held>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When.
    pub at: Timestamp,
}

/// A signal that waits to be taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// Its number in the inbox.
    pub message: u64,
    /// Its name.
    pub name: Arc<str>,
    /// About what, if it is an event.
    pub key: Option<Arc<str>>,
    /// What it carries.
    pub body: Held,
    /// Who sent it.
    pub sender: Arc<str>,
}

/// A stage in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct StageFrame {
    /// Its name.
    pub stage: Arc<str>,
    /// How far it is.
    pub steps: Sequence,
    /// The stages after it on the same level.
    pub queue: Vec<Arc<str>>,
}

/// How far a list of steps is. Steps run in the order written, so one number and one open step tell all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sequence {
    /// So many are over.
    pub over: u32,
    /// The one in progress.
    pub open: Option<Box<Open>>,
    /// The name of the last one that is over.
    pub last: Option<Arc<str>>,
    /// In which visit it ended.
    pub visit: u32,
    /// The one in progress failed, and no recovery was left.
    pub failed: Option<Failure>,
}

/// An event that does not fit the state.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Illegal {
    /// It cannot happen now.
    #[error("{event} cannot follow in a run where {state}")]
    Event {
        /// The event in words.
        event: String,
        /// The state in words.
        state: String,
    },
    /// What it sets aside is set aside already.
    #[error(transparent)]
    Spent(#[from] Misfit),
    /// The entry itself is damaged.
    #[error(transparent)]
    Broken(#[from] Broken),
}

impl RunState {
    /// Before the first entry.
    pub fn new(run: RunId) -> RunState {
        RunState {
            run,
            head: Head::START,
            epoch: 0,
            at: Timestamp::default(),
            start: None,
            values: Values::new(),
            stages: Vec::new(),
            began: BTreeSet::new(),
            mailbox: Vec::new(),
            inbox_read: 0,
            paused: false,
            paused_over: None,
            reviewed: None,
            cancelling: false,
            failed: None,
            end: None,
            usage: Usage::default(),
            steps: 0,
            performed: Vec::new(),
            verified: BTreeSet::new(),
            undoing: Vec::new(),
            undo_all: false,
            unwound: false,
            passed: Vec::new(),
            visits: BTreeMap::new(),
            kept: Values::new(),
            asked_last: BTreeMap::new(),
            returned: BTreeMap::new(),
            spent: Spent::default(),
            unlimited: Unlimited::default(),
            seeking: Vec::new(),
            reused: None,
        }
    }

    /// Folds a whole journal, or the part of one after this state; verifies the chain on the way.
    pub fn fold<'a>(&mut self, entries: impl IntoIterator<Item = &'a Entry>) -> Result<(), Illegal> {
        for entry in entries {
            entry.verify(self.run, self.head)?;
            if entry.epoch < self.epoch {
                return Err(Broken::Epoch { seq: entry.seq, epoch: entry.epoch, before: self.epoch }.into());
            }
            let event = entry.event()?;
            self.apply(entry, event)?;
        }
        Ok(())
    }

    /// Applies the next entry, whose `event` the caller has at hand. The caller vouches for the chain.
    pub fn apply(&mut self, entry: &Entry, event: Event) -> Result<(), Illegal> {
        (self.epoch, self.at) = (entry.epoch, entry.at);
        let (books, over) = (self.books(&event), self.values.len());
        self.seek(&event);
        self.event(event)?;
        if self.values.len() > over {
            self.pass();
        }
        self.book(books)?;
        self.head = entry.head();
        self.inherited();
        Ok(())
    }

    #[expect(clippy::too_many_lines, reason = "one arm an event, in the order of the journal's file")]
    fn event(&mut self, event: Event) -> Result<(), Illegal> {
        if self.end.is_some() || (self.start.is_none() != matches!(event, Event::RunStarted { .. })) {
            return Err(self.illegal(&event));
        }
        let (at, epoch) = (self.at, self.epoch);
        match event {
            Event::RunStarted { ref fork, ref parent, .. } if !fork.as_ref().is_none_or(|one| one.is_sound(parent)) => {
                Err(self.illegal(&event))
            }
            Event::RunStarted { bundle, workflow, stages, input, about, project, by, acts_for, parent, fork } => {
                self.start = Some(Start { bundle, workflow, input, about, at, project, by, acts_for, parent, fork });
                self.enter(stages);
                Ok(())
            }
            Event::StepDone { ref step, ref output } => {
                let output = output.clone();
                let mut place = self.locate(step, &event)?;
                let fits = match &place.steps.open {
                    None => true,
                    Some(open) => {
                        open.failure.is_none()
                            && matches!(
                                open.doing,
                                Doing::Idle | Doing::Bodies(_) | Doing::Turns(_) | Doing::Talking(_)
                            )
                    }
                };
                if !fits {
                    return Err(place.illegal(&event));
                }
                place.close(Slot::Gave(output), &event)?;
                self.steps += 1;
                Ok(())
            }
            Event::StepSkipped { ref step } => {
                let mut place = self.locate(step, &event)?;
                if place.steps.open.is_some() {
                    return Err(place.illegal(&event));
                }
                place.close(Slot::Skipped, &event)?;
                self.steps += 1;
                Ok(())
            }
            Event::Decided { ref step, rule, ref then, ref by, .. } => {
                let output = decided(rule, then, by.as_deref());
                let mut place = self.locate(step, &event)?;
                if place.steps.open.as_ref().is_some_and(|open| open.failure.is_some() || open.doing != Doing::Idle) {
                    return Err(place.illegal(&event));
                }
                if then.is_empty() {
                    place.close(Slot::Gave(Held::Value(output)), &event)?;
                    self.steps += 1;
                    return Ok(());
                }
                if !place.outermost {
                    return Err(place.illegal(&event));
                }
                place.open().doing = Doing::Deciding { output };
                let then = then.clone();
                self.enter(then);
                Ok(())
            }
            Event::StageDone { ref stage } => {
                let fits = self.stages.last().is_some_and(|top| top.stage == *stage && top.steps.open.is_none());
                if !fits {
                    return Err(self.illegal(&event));
                }
                self.leave(&event)
            }
            Event::EachOpened { ref step, ref items, count, .. } => {
                let bodies = Bodies {
                    items: Some(items.clone()),
                    count,
                    results: vec![None; count as usize],
                    ..Bodies::default()
                };
                self.locate(step, &event)?.begin(Doing::Bodies(Box::new(bodies)), &event)
            }
            Event::ParallelOpened { ref step, ref branches } => {
                let bodies = Bodies {
                    count: u32::try_from(branches.len()).unwrap_or(u32::MAX),
                    branches: branches.clone(),
                    results: vec![None; branches.len()],
                    ..Bodies::default()
                };
                self.locate(step, &event)?.begin(Doing::Bodies(Box::new(bodies)), &event)
            }
            Event::BodyDone { ref body, ref result } => {
                let last = body.segments().last().expect("a path has a segment: split never gives none");
                let mut place = self.locate(body, &event)?;
                let Some(key) = last.frame else { return Err(place.illegal(&event)) };
                let result = result.clone();
                let failed = place.bodies(&event)?.finish(key, result);
                if failed.is_none() { Err(place.illegal(&event)) } else { Ok(()) }
            }
            Event::RepeatOpened { ref step } => self.locate(step, &event)?.begin(Doing::Turns(Box::default()), &event),
            Event::AgentOpened { ref step } => self.locate(step, &event)?.begin(Doing::Talking(Box::default()), &event),
            Event::PlanOpened { ref step } => self.locate(step, &event)?.begin(Doing::Talking(Box::default()), &event),
            Event::PlanFrozen { ref step, ref output, .. } => {
                let (output, in_turn) =
                    (output.clone(), self.talk_of(step).is_some_and(|(_, _, talk)| talk.said().is_some()));
                let mut place = self.locate(step, &event)?;
                if !in_turn || place.steps.open.is_some() {
                    return Err(place.illegal(&event));
                }
                place.close(Slot::Gave(output), &event)
            }
            Event::TurnDone { ref body, ref output, again } => {
                let last = body.segments().last().expect("a path has a segment: split never gives none");
                let output = output.clone();
                let place = self.locate(body, &event)?;
                match place.steps.open.as_deref_mut() {
                    Some(Open { doing: Doing::Turns(turns), name, visit, failure: None, .. })
                        if *name == place.name
                            && *visit == place.visit
                            && !turns.over
                            && last.frame == Some(FrameKey::Index(turns.turn)) =>
                    {
                        **turns =
                            Turns { turn: turns.turn + 1, body: Body::default(), last: Some(output), over: !again };
                        Ok(())
                    }
                    Some(Open { doing: Doing::Talking(talk), name, visit, failure: None, .. })
                        if *name == place.name
                            && *visit == place.visit
                            && again
                            && last.frame == Some(FrameKey::Index(talk.turn)) =>
                    {
                        if talk.turn_done(output).is_some() {
                            Ok(())
                        } else {
                            Err(place.illegal(&event))
                        }
                    }
                    _ => Err(place.illegal(&event)),
                }
            }
            Event::ModelAsked { ref step, attempt, ref model, ref route, ref manifest, .. } => {
                let request = manifest.request;
                let (model, route) = (model.clone(), route.clone());
                let mut place = self.locate(step, &event)?;
                let expected = place.steps.open.as_ref().map_or(1, |open| open.attempt + 1);
                let fits = place.steps.open.as_ref().is_none_or(|open| match open.doing {
                    Doing::Idle | Doing::Asked => open.failure.is_none(),
                    Doing::Asking { epoch: before, .. } => before < epoch,
                    _ => false,
                });
                if !fits || attempt != expected {
                    return Err(place.illegal(&event));
                }
                let open = place.open();
                (open.attempt, open.not_before) = (attempt, None);
                (open.model, open.route) = (Some(model.clone()), route.clone());
                open.doing = Doing::Asking { epoch, request, at };
                self.asked_last.extend(route.map(|route| (route, model)));
                Ok(())
            }
            Event::ModelAnswered { ref step, attempt, ref result, usage, ref unsure, .. } => {
                let (result, unsure) = (result.clone(), unsure.clone().filter(|unsure| !unsure.accepts()));
                let mut place = self.locate(step, &event)?;
                let fits = place
                    .steps
                    .open
                    .as_ref()
                    .is_some_and(|open| open.attempt == attempt && matches!(open.doing, Doing::Asking { .. }));
                if !fits {
                    return Err(place.illegal(&event));
                }
                let done = match (result, unsure) {
                    (StepResult::Done(answer), Some(unsure)) => {
                        place.open().doing = Doing::Asked;
                        place.open().go_onward(answer, unsure.then);
                        0
                    }
                    (StepResult::Done(output), None) => {
                        place.close(Slot::Gave(output), &event)?;
                        1
                    }
                    (StepResult::Failed(failure), _) => {
                        let open = place.open();
                        (open.doing, open.failure) = (Doing::Asked, Some(failure));
                        0
                    }
                };
                self.steps += done;
                self.usage.add(&usage);
                Ok(())
            }
            Event::AnswerReused { ref step, ref output, .. } => {
                let output = output.clone();
                let mut place = self.locate(step, &event)?;
                if !place.idle() || place.steps.open.as_ref().is_some_and(|open| open.attempt > 0) {
                    return Err(place.illegal(&event));
                }
                place.close(Slot::Gave(output), &event)?;
                self.steps += 1;
                Ok(())
            }
            Event::CacheMissed { .. } => self.missed(&event),
            Event::PartReused { .. } => self.part_reused(&event),
            Event::ActionJudged { .. }
            | Event::ActionStarted { .. }
            | Event::ActionResent { .. }
            | Event::ActionFinished { .. }
            | Event::OutcomeUnknown { .. }
            | Event::ProbeStarted { .. }
            | Event::ProbeFinished { .. }
            | Event::LateAnswerReceived { .. }
            | Event::EffectResolved { .. } => self.acted(event),
            Event::ClaimVerified { ref step, ref proof } => {
                let (proof, value) = (proof.clone(), proof.value(|entry| self.evidence_id(entry)));
                let mut place = self.locate(step, &event)?;
                if !proof.verified || !place.idle() {
                    return Err(place.illegal(&event));
                }
                place.close(Slot::Gave(Held::Value(value)), &event)?;
                self.proven(step);
                self.steps += 1;
                Ok(())
            }
            Event::ApprovalRequested { .. }
            | Event::VoteReceived { .. }
            | Event::ApprovalEscalated { .. }
            | Event::ApprovalEnded { .. } => self.approved(event),
            Event::WorkOpened { .. } | Event::WorkAnswered { .. } | Event::WorkEnded { .. } => self.worked(event),
            Event::ChildStarted { .. } | Event::ChildReported { .. } | Event::ChildEnded { .. } => {
                self.handed_over(event)
            }
            Event::WaitStarted { ref step, until, ref signals, ref events } => {
                let doing = Doing::Waiting { until, signals: signals.clone(), events: events.clone() };
                self.locate(step, &event)?.begin(doing, &event)
            }
            Event::WaitEnded { ref step, message, ref output } => {
                let output = output.clone();
                let taken = message.map(|message| self.mailbox.iter().position(|signal| signal.message == message));
                let mut place = self.locate(step, &event)?;
                let waits = place.steps.open.as_ref().is_some_and(|open| matches!(open.doing, Doing::Waiting { .. }));
                if !waits || taken == Some(None) {
                    return Err(place.illegal(&event));
                }
                place.close(Slot::Gave(output), &event)?;
                if let Some(Some(index)) = taken {
                    self.mailbox.remove(index);
                }
                self.steps += 1;
                Ok(())
            }
            Event::SignalReceived { message, ref name, ref body, ref sender } => {
                self.read_message(message, &event)?;
                let (name, body, sender) = (name.clone(), body.clone(), sender.clone());
                self.mailbox.push(Signal { message, name, key: None, body, sender });
                Ok(())
            }
            Event::EventReceived { message, ref topic, ref body, ref sender } => {
                self.read_message(message, &event)?;
                let (name, key) = (topic.event.clone(), Some(topic.key.clone()));
                self.mailbox.push(Signal { message, name, key, body: body.clone(), sender: sender.clone() });
                Ok(())
            }
            Event::EventPublished { ref step, ref id, .. } => {
                let output = Value::map([("event", Value::Text(id.clone()))]);
                let mut place = self.locate(step, &event)?;
                if !place.idle() {
                    return Err(place.illegal(&event));
                }
                place.close(Slot::Gave(Held::Value(output)), &event)?;
                self.steps += 1;
                Ok(())
            }
            Event::ControlReceived { message, control, .. } => {
                self.read_message(message, &event)?;
                self.paused_over = None;
                match control {
                    Control::Pause => self.paused = true,
                    Control::Resume => self.paused = false,
                    Control::Review => (self.paused, self.reviewed) = (true, Some(epoch)),
                    // The last word counts: who gives up what is stuck cancels without it.
                    Control::Cancel => (self.cancelling, self.undo_all) = (true, false),
                    Control::CancelUndo => {
                        (self.cancelling, self.undo_all, self.paused) = (true, true, false);
                    }
                }
                Ok(())
            }
            Event::UndoOpened { ref acts, .. } => {
                if !self.cancelling || !self.undo_all || self.unwound {
                    return Err(self.illegal(&event));
                }
                self.park();
                self.unwound = true;
                self.take_back(None, acts.clone(), None, &event)
            }
            Event::BudgetRaised { message, unit, limit, .. } => {
                self.read_message(message, &event)?;
                self.spent.raise(unit, limit);
                self.spent.release();
                Ok(())
            }
            Event::DeadlineSet { ref step, until } => {
                let mut place = self.locate(step, &event)?;
                if !place.idle() || place.steps.open.as_ref().is_some_and(|open| open.deadline.is_some()) {
                    return Err(place.illegal(&event));
                }
                place.open().deadline = Some(until);
                Ok(())
            }
            Event::StepFailed { ref step, ref failure } => {
                let failure = failure.clone();
                let mut place = self.locate(step, &event)?;
                // What an earlier epoch asked will never be answered; the step may fail before it is asked again.
                if let Some(open) = place.steps.open.as_deref_mut()
                    && matches!(open.doing, Doing::Asking { epoch: before, .. } if before < epoch)
                {
                    open.doing = Doing::Asked;
                }
                place.fail(failure, &event)
            }
            Event::FailureAnswered { ref step, ref response } => {
                let response = response.clone();
                self.answered(step, response, &event)
            }
            Event::RunFinished { end, ref result, ref failure } => {
                let fits = match end {
                    End::Completed => self.stages.is_empty() && result.is_some() && failure.is_none(),
                    End::Failed => failure.is_some(),
                    End::Cancelled => self.cancelling,
                };
                if !fits {
                    return Err(self.illegal(&event));
                }
                self.end = Some(Ended { end, result: result.clone(), failure: failure.clone(), at });
                // What no longer matters is not carried around.
                (self.values, self.stages, self.mailbox) = (Values::new(), Vec::new(), Vec::new());
                (self.performed, self.verified, self.undoing) = (Vec::new(), BTreeSet::new(), Vec::new());
                (self.passed, self.kept) = (Vec::new(), Values::new());
                (self.seeking, self.reused) = (Vec::new(), None);
                Ok(())
            }
        }
    }

    /// Messages are read in order, each once.
    fn read_message(&mut self, message: u64, event: &Event) -> Result<(), Illegal> {
        if message <= self.inbox_read {
            return Err(self.illegal(event));
        }
        self.inbox_read = message;
        Ok(())
    }

    /// Puts the first of `stages` on the stack, the others behind it.
    fn enter(&mut self, stages: Vec<Arc<str>>) {
        let mut stages = stages.into_iter();
        if let Some(stage) = stages.next() {
            self.began.insert(stage.clone());
            self.stages.push(StageFrame { stage, steps: Sequence::default(), queue: stages.collect() });
        }
    }

    /// Takes the innermost stage off the stack; closes the `decide` that had chosen it, if it was the last.
    fn leave(&mut self, event: &Event) -> Result<(), Illegal> {
        let Some(top) = self.stages.pop() else { return Err(self.illegal(event)) };
        if !top.queue.is_empty() {
            self.enter(top.queue);
            return Ok(());
        }
        let Some(parent) = self.stages.last_mut() else { return Ok(()) };
        let Some(Open { doing: Doing::Deciding { output }, name, visit, .. }) = parent.steps.open.as_deref() else {
            return Err(self.illegal(event));
        };
        let slot = Slot::Gave(Held::Value(output.clone()));
        let (name, visit) = (name.clone(), *visit);
        let mut place = Place { steps: &mut parent.steps, values: &mut self.values, name, visit, outermost: true };
        place.close(slot, event)?;
        self.steps += 1;
        Ok(())
    }

    /// Finds the sequence that `path` is about, and enters bodies on the way; a body begins with its first event.
    fn locate<'a>(&'a mut self, path: &'a StepPath, event: &Event) -> Result<Place<'a>, Illegal> {
        if path.undoes().is_some() {
            return self.locate_undo(path, event);
        }
        let illegal =
            || Illegal::Event { event: crate::story::line(event), state: format!("`{path}` is not in progress") };
        let mut segments = path.segments().peekable();
        let (top, outer) = self.stages.split_last_mut().ok_or_else(illegal)?;
        let first = path.segments().next().map(|segment| segment.name);
        // A `decide` that chose stages is in progress outside of them: it cannot happen inside.
        if outer.iter().any(|outer| outer.steps.open.as_ref().map(|open| &*open.name) == first) {
            return Err(illegal());
        }
        let (mut steps, mut values, mut outermost) = (&mut top.steps, &mut self.values, true);
        loop {
            let Segment { name, frame, visit } = segments.next().ok_or_else(illegal)?;
            if segments.peek().is_none() {
                let first = if outermost { self.visits.get(name).copied().unwrap_or(1) } else { 1 };
                if steps.open.is_none() && visit != first {
                    return Err(illegal());
                }
                return Ok(Place { steps, values, name: name.into(), visit, outermost });
            }
            let open = steps.open.as_deref_mut().filter(|open| &*open.name == name && open.visit == visit);
            let body = open.zip(frame).and_then(|(open, key)| open.doing.enter(key)).ok_or_else(illegal)?;
            (steps, values, outermost) = (&mut body.steps, &mut body.values, false);
        }
    }

    fn illegal(&self, event: &Event) -> Illegal {
        let state = match (&self.end, &self.start, self.stages.last()) {
            (Some(_), ..) => "the end is reached".to_owned(),
            (_, None, _) => "nothing has started".to_owned(),
            (_, _, None) => "all stages are done".to_owned(),
            (_, _, Some(top)) => format!("stage `{}` has {} steps behind it", top.stage, top.steps.over),
        };
        Illegal::Event { event: crate::story::line(event), state }
    }
}

/// What a `decide` gives.
fn decided(rule: Option<u32>, then: &[Arc<str>], by: Option<&TableRow>) -> Value {
    let then = Value::list(then.iter().map(|stage| Value::Text(stage.clone())));
    let mut fields = vec![("rule", rule.map_or(Value::Null, Value::from)), ("then", then)];
    if let Some(by) = by {
        fields.push(("row", by.row.clone().map_or(Value::Null, Value::Text)));
        fields.push(("gives", by.gives.clone()));
    }
    Value::map(fields)
}
