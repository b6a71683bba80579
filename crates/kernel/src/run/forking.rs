//! The fold of a forked run: what its inherited entries leave to it, and where a run can be forked.

use std::sync::Arc;

use super::{Body, Doing, Open, RunState, Sequence, Unlimited};
use crate::{
    governance::budget::Spent,
    ids::RunId,
    journal::{Effects, Fork, Usage},
};

impl RunState {
    /// What it was forked from, if it was.
    pub fn fork(&self) -> Option<&Fork> {
        self.start.as_ref()?.fork.as_deref()
    }

    /// What becomes of its effects, if that is anything but what its policies say: it was forked, or works for a run that was.
    pub fn effects(&self) -> Option<Effects> {
        let effects = self.fork().map(|fork| fork.effects).or(self.parent().and_then(|parent| parent.effects));
        effects.filter(|effects| *effects != Effects::Live)
    }

    /// Who started the runs that it, or one above it, was forked from.
    pub fn starters(&self) -> &[Arc<str>] {
        let of_parent = || self.parent().map(|parent| &*parent.starters);
        self.fork().map(|fork| &*fork.starters).or_else(of_parent).unwrap_or_default()
    }

    /// The run whose entry this was first.
    pub fn owner(&self, entry: u64) -> RunId {
        self.fork().and_then(|fork| fork.owner(entry)).unwrap_or(self.run)
    }

    /// The evidence id of the act whose first entry this is: what was inherited stays the act of the run that did it.
    pub fn evidence_id(&self, entry: u64) -> String {
        format!("{}/{entry}", self.owner(entry))
    }

    /// After the last entry that one run left to another: what stands in it was paid by that run, which alone takes back what it did.
    pub(super) fn inherited(&mut self) {
        if self.fork().is_none_or(|fork| !fork.is_seam(self.head.seq)) {
            return;
        }
        (self.spent, self.unlimited, self.usage) = (Spent::default(), Unlimited::default(), Usage::default());
        // What a part cost cannot be told any more, so it is not kept for others.
        self.seeking.clear();
        for one in &mut self.performed {
            (one.undo, one.parked) = (None, None);
        }
    }

    /// What is in progress now that a fork could not take along, in words; `None`: it can be forked here.
    pub fn unsettled(&self) -> Option<String> {
        if self.end.is_some() || self.failed.is_some() {
            return Some("the run has ended or is about to".to_owned());
        }
        if self.cancelling {
            return Some("the run is being cancelled".to_owned());
        }
        if self.paused {
            return Some("the run is paused".to_owned());
        }
        if !self.undoing.is_empty() || self.performed.iter().any(|one| one.parked.is_some()) {
            return Some("something is being taken back".to_owned());
        }
        let open = self.stages.iter().find_map(|frame| unsettled(&frame.steps));
        open.or_else(|| self.spent.reserved.keys().next().map(|step| format!("the call of `{step}` is not paid yet")))
    }
}

fn unsettled(steps: &Sequence) -> Option<String> {
    let open = steps.open.as_deref()?;
    let Open { name, deadline, .. } = open;
    if deadline.is_some() {
        return Some(format!("the time of `{name}` is running"));
    }
    let mut bodies: Box<dyn Iterator<Item = &Body>> = match &open.doing {
        Doing::Idle if open.help.is_none() => return None,
        Doing::Spent | Doing::Deciding { .. } | Doing::Asked => return None,
        Doing::Bodies(bodies) => Box::new(bodies.open.values()),
        Doing::Turns(turns) => Box::new(std::iter::once(&turns.body)),
        Doing::Idle => return Some(format!("people are asked about `{name}`")),
        Doing::Asking { .. } => return Some(format!("`{name}` asks a model")),
        Doing::Approving(_) => return Some(format!("people are asked about `{name}`")),
        Doing::Working(_) => return Some(format!("people work on `{name}`")),
        Doing::Handed(_) => return Some(format!("another workflow works on `{name}`")),
        Doing::Acting(_) => return Some(format!("`{name}` acts")),
        Doing::Waiting { .. } => return Some(format!("`{name}` waits")),
        // The model's own words name acts by their ids, which are others in a fork.
        Doing::Talking(_) => return Some(format!("a model works on `{name}`")),
    };
    bodies.find_map(|body| unsettled(&body.steps))
}
