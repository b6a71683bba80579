//! The fold of an `agent`: its turns, and what was said in those that are over.

use super::{Body, Doing, Open, RunState, Slot};
use crate::{ids::StepPath, journal::Held};

/// The turns of an `agent`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Talk {
    /// The turn in progress, from 0.
    pub turn: u32,
    /// How far it is: the model is asked, then its proposals are done one after another.
    pub body: Body,
    /// The turns that are over.
    pub past: Vec<Exchange>,
}

/// One turn that is over.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// What the model said and proposed.
    pub said: Held,
    /// What it was told then.
    pub returned: Held,
}

/// The first step of a turn: the model is asked.
pub const ASK: &str = "ask";
/// What the names of the others begin with, before the number of the proposal from 1.
pub const CALL: &str = "call";

impl Talk {
    /// What the model said in the turn in progress, once it did.
    pub fn said(&self) -> Option<&Held> {
        match self.body.values.get(ASK)? {
            Slot::Gave(held) => Some(held),
            Slot::GaveBack(_) | Slot::Skipped => None,
        }
    }

    /// The next turn begins; `None` if the model has not spoken in this one, or something of it is still in progress.
    pub(super) fn turn_done(&mut self, returned: Held) -> Option<()> {
        if self.body.steps.open.is_some() || self.body.steps.failed.is_some() {
            return None;
        }
        let said = self.said()?.clone();
        self.past.push(Exchange { said, returned });
        (self.turn, self.body) = (self.turn + 1, Body::default());
        Some(())
    }
}

impl RunState {
    /// The agent in progress in whose turn the step at `path` is, with its own path.
    pub fn talk_of(&self, path: &StepPath) -> Option<(StepPath, &Open, &Talk)> {
        let (turn, _) = path.as_str().rsplit_once('/')?;
        let (agent, _) = turn.rsplit_once('[')?;
        let agent = StepPath::new(agent);
        let open = self.open_at(&agent)?;
        match &open.doing {
            Doing::Talking(talk) => Some((agent, open, talk)),
            _ => None,
        }
    }
}
