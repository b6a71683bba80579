//! A step in progress, and the bodies of one that has some.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{Acting, Approving, Handed, Sequence, Talk, Values, Working};
use crate::{
    governance::Effect,
    ids::{Digest, FrameKey, Segment},
    journal::{BodyResult, Held, Topic},
    recovery::{Failure, FailureKind, Phase, Response},
    unsure::Onward,
    values::{Timestamp, Value},
};

/// A step in progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Open {
    /// Its name.
    pub name: Arc<str>,
    /// From 1; raised by a replan.
    pub visit: u32,
    /// Sendings in this visit.
    pub attempt: u32,
    /// What it is about.
    pub doing: Doing,
    /// A failure that nothing has been done about yet.
    pub failure: Option<Failure>,
    /// Failures met and what was done about each, oldest first.
    pub answered: Vec<(Failure, Response)>,
    /// Not to be tried again before this.
    pub not_before: Option<Timestamp>,
    /// A recovery chose another model.
    pub model: Option<Arc<str>>,
    /// The route that this model was asked as a member of.
    pub route: Option<Arc<str>>,
    /// Members of the route that failed since the step was last begun, or tried again.
    pub fallen: BTreeSet<Arc<str>>,
    /// Its latest answer was valid and unsure.
    pub doubt: Option<Box<Doubt>>,
    /// So many approvals were asked for in this visit.
    pub asked: u32,
    /// A person changed the arguments: these, by whom.
    pub edited: Option<(Held, Arc<str>)>,
    /// People are asked what becomes of the step.
    pub help: Option<Box<Help>>,
    /// So many of `answered` are about failures before a person said that the step is begun afresh.
    pub before: u32,
    /// From this moment on nothing of it is begun any more.
    pub deadline: Option<Timestamp>,
}

impl Open {
    /// Whether this was done about the failure at hand already. What leaves a failure as it is comes before another answer to it.
    pub(crate) fn has_done(&self, wanted: impl Fn(&Response) -> bool) -> bool {
        let latest = self.answered.iter().skip(self.before as usize).rev().map(|(_, response)| response);
        let mut same = latest.take_while(|one| matches!(one, Response::Undo { .. } | Response::Person { .. }));
        same.any(wanted)
    }

    /// Whether its action may have been performed although its last failure is recorded, and no person gave it up.
    pub(crate) fn is_in_doubt(&self) -> bool {
        let Doing::Acting(acting) = &self.doing else { return false };
        let why = self.failure.as_ref().or(self.answered.last().map(|(failure, _)| failure));
        let given_up = why.is_some_and(|why| why.kind == FailureKind::UnknownOutcome && why.phase == Phase::Answered);
        !acting.is_open() && acting.doubts > 0 && acting.proposal.effect != Effect::Read && !given_up
    }

    /// The failure that was met twice, if that is why it now says `no_progress`.
    pub(crate) fn stuck_on(&self, failure: &Failure) -> Option<&Failure> {
        let twice = self.answered.iter().rev().find(|(_, response)| *response == Response::NoProgress);
        twice.map(|(origin, _)| origin).filter(|origin| origin.no_progress() == *failure)
    }

    /// What follows an answer that was valid and unsure.
    pub(in crate::run) fn go_onward(&mut self, answer: Held, then: Onward) {
        let had = self.doubt.as_ref().map_or(0, |doubt| doubt.had) + 1;
        let since = u32::try_from(self.answered.len()).unwrap_or(u32::MAX);
        let mut doubt = Doubt { answer, had, asks: None, since };
        match then {
            Onward::Model { model } => {
                (self.model, self.route) = (Some(model), None);
                self.fallen.clear();
            }
            Onward::Person { group } => {
                doubt.asks = Some(group);
                self.doing = Doing::Idle;
            }
            Onward::Fail { failure } => {
                // No turn begins: what was tried in this one counts on.
                doubt.since = self.doubt.as_ref().map_or(0, |doubt| doubt.since);
                self.failure = Some(failure);
            }
            Onward::Accept => {}
        }
        self.doubt = Some(Box::new(doubt));
    }

    /// Failures since the model was last passed over for being unsure, and what was done about each.
    pub(crate) fn answered_since(&self) -> &[(Failure, Response)] {
        self.answered.get(self.doubt.as_ref().map_or(0, |doubt| doubt.since as usize)..).unwrap_or_default()
    }

    pub(super) fn is(&self, segment: &Segment<'_>) -> bool {
        *self.name == *segment.name && self.visit == segment.visit
    }
}

/// A step whose latest valid answer was unsure.
#[derive(Clone, Debug, PartialEq)]
pub struct Doubt {
    /// The answer.
    pub answer: Held,
    /// So many items of what follows had their turn.
    pub had: u32,
    /// Whose people are asked now.
    pub asks: Option<Arc<str>>,
    /// So many of `answered` are about failures before that turn.
    pub since: u32,
}

/// A failure that is put before people.
#[derive(Clone, Debug, PartialEq)]
pub struct Help {
    /// Which.
    pub failure: Failure,
    /// What the step was about until then.
    pub doing: Doing,
}

/// What a step in progress is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Doing {
    /// Nothing: it failed before anything began, or is to begin anew.
    Idle,
    /// A block failed; begun again, it is a new visit: its bodies' steps were done once under their paths.
    Spent,
    /// The stages that a `decide` chose are running; then it gives this.
    Deciding {
        /// `{rule, then}`.
        output: Value,
    },
    /// A model was asked.
    Asking {
        /// In which epoch: an answer asked for in an earlier one will never come.
        epoch: u64,
        /// Digest of the rendered request.
        request: Digest,
        /// When.
        at: Timestamp,
    },
    /// A model call failed; it may be asked again.
    Asked,
    /// People are asked.
    Approving(Box<Approving>),
    /// People work for it.
    Working(Box<Working>),
    /// Another workflow does it.
    Handed(Box<Handed>),
    /// An action has an intent.
    Acting(Box<Acting>),
    /// A wait.
    Waiting {
        /// When it ends by itself.
        until: Option<Timestamp>,
        /// What ends it.
        signals: Vec<Arc<str>>,
        /// And which events.
        events: Vec<Topic>,
    },
    /// Bodies over items or branches.
    Bodies(Box<Bodies>),
    /// One turn after another.
    Turns(Box<Turns>),
    /// A model proposes actions, turn by turn.
    Talking(Box<Talk>),
}

/// The bodies of a block.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bodies {
    /// What an `each` froze.
    pub items: Option<Held>,
    /// How many bodies there are.
    pub count: u32,
    /// The names of a `parallel`'s branches, in the order written.
    pub branches: Vec<Arc<str>>,
    /// The bodies in progress.
    pub open: BTreeMap<u32, Body>,
    /// What each body came to.
    pub results: Vec<Option<BodyResult>>,
    /// All bodies before this one are over.
    pub first: u32,
    /// How many are over.
    pub over: u32,
    /// How many gave something.
    pub gave: u32,
    /// The first that failed.
    pub failed: Option<Failure>,
}

/// The turns of a `repeat`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Turns {
    /// The turn in progress, from 0.
    pub turn: u32,
    /// How far it is.
    pub body: Body,
    /// What the turn before gave.
    pub last: Option<Held>,
    /// The last turn is over.
    pub over: bool,
}

/// One body in progress.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Body {
    /// How far it is.
    pub steps: Sequence,
    /// Values of its finished steps.
    pub values: Values,
}

impl Doing {
    /// The body of `key`, begun if it was not; `None` if it is over or there is none.
    pub(super) fn enter(&mut self, key: FrameKey<'_>) -> Option<&mut Body> {
        match self {
            Doing::Bodies(bodies) => bodies.enter(key),
            Doing::Turns(turns) if !turns.over && key == FrameKey::Index(turns.turn) => Some(&mut turns.body),
            Doing::Talking(talk) if key == FrameKey::Index(talk.turn) => Some(&mut talk.body),
            _ => None,
        }
    }

    /// The number of the body of `key`, and the body if it began; `None` if it is over or there is none.
    pub fn body(&self, key: FrameKey<'_>) -> Option<(u32, Option<&Body>)> {
        match self {
            Doing::Bodies(bodies) => {
                let index = bodies.index(key).filter(|index| bodies.results[*index as usize].is_none())?;
                Some((index, bodies.open.get(&index)))
            }
            Doing::Turns(turns) if !turns.over && key == FrameKey::Index(turns.turn) => {
                Some((turns.turn, Some(&turns.body)))
            }
            Doing::Talking(talk) if key == FrameKey::Index(talk.turn) => Some((talk.turn, Some(&talk.body))),
            _ => None,
        }
    }

    /// The body of `key`, if it began and is not over.
    pub(super) fn open_body(&mut self, key: FrameKey<'_>) -> Option<&mut Body> {
        match self {
            Doing::Bodies(bodies) => {
                let index = bodies.index(key)?;
                bodies.open.get_mut(&index)
            }
            Doing::Turns(turns) if !turns.over && key == FrameKey::Index(turns.turn) => Some(&mut turns.body),
            Doing::Talking(talk) if key == FrameKey::Index(talk.turn) => Some(&mut talk.body),
            _ => None,
        }
    }

    /// Whether an action is sent and not answered, here or in a body.
    pub fn is_acting(&self) -> bool {
        match self {
            Doing::Acting(acting) => acting.is_open(),
            Doing::Bodies(bodies) => bodies.open.values().any(Body::is_acting),
            Doing::Turns(turns) => turns.body.is_acting(),
            Doing::Talking(talk) => talk.body.is_acting(),
            _ => false,
        }
    }
}

impl Body {
    /// Whether an action in it is sent and not answered.
    pub fn is_acting(&self) -> bool {
        let open = self.steps.open.as_deref();
        open.is_some_and(|open| open.doing.is_acting() || (self.steps.failed.is_none() && open.is_in_doubt()))
    }
}
