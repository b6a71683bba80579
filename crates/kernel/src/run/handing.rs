//! The fold of work that another workflow does: from the start of its run to what came of it.

use std::sync::Arc;

use super::{Body, Doing, Illegal, RunState, Slot};
use crate::{
    governance::budget::Amounts,
    ids::{RunId, StepPath},
    journal::{ChildEnd, Event, Parent, Report, Topic},
    values::{Timestamp, Value},
};

/// A step that waits for the run of another workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Handed {
    /// The other run.
    pub child: RunId,
    /// Its workflow.
    pub workflow: Arc<str>,
    /// From this moment on no result counts.
    pub due_at: Option<Timestamp>,
    /// What it said when it was over.
    pub reported: Option<Reported>,
}

/// What a run said of itself when it was over.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    /// How it ended.
    pub report: Report,
    /// What it can prove.
    pub facts: Value,
    /// What it has spent.
    pub spent: Option<Amounts>,
}

impl RunState {
    pub(super) fn handed_over(&mut self, event: Event) -> Result<(), Illegal> {
        match event {
            Event::ChildStarted { ref step, child, ref workflow, due_at, .. } => {
                let handed = Handed { child, workflow: workflow.clone(), due_at, reported: None };
                let mut place = self.locate(step, &event)?;
                place.begin(Doing::Handed(Box::new(handed)), &event)?;
                place.open().asked += 1;
                Ok(())
            }
            Event::ChildReported { message, ref step, child, ref report, ref facts, spent } => {
                self.read_message(message, &event)?;
                // What comes too late, or twice, is on record and changes nothing.
                if let Some(handed) = self.handed_mut(step, child)
                    && handed.reported.is_none()
                {
                    handed.reported = Some(Reported { report: report.clone(), facts: facts.clone(), spent });
                }
                Ok(())
            }
            Event::ChildEnded { ref step, child, ref end, .. } => {
                if self.handed_mut(step, child).is_none() {
                    return Err(self.illegal(&event));
                }
                let end = end.clone();
                let mut place = self.locate(step, &event)?;
                match end {
                    ChildEnd::Gave { output, .. } => {
                        place.close(Slot::Gave(output), &event)?;
                        self.steps += 1;
                    }
                    ChildEnd::Failed { failure } => {
                        let open = place.open();
                        (open.doing, open.failure) = (Doing::Idle, Some(failure));
                    }
                }
                Ok(())
            }
            other => Err(self.illegal(&other)),
        }
    }

    /// The run that handed this one its work.
    pub fn parent(&self) -> Option<&Parent> {
        self.start.as_ref()?.parent.as_deref()
    }

    /// The run that a step waits for.
    pub fn handed(&self, step: &StepPath) -> Option<&Handed> {
        match &self.open_at(step)?.doing {
            Doing::Handed(handed) => Some(handed),
            _ => None,
        }
    }

    fn handed_mut(&mut self, step: &StepPath, child: RunId) -> Option<&mut Handed> {
        match &mut self.open_at_mut(step)?.doing {
            Doing::Handed(handed) if handed.child == child => Some(handed),
            _ => None,
        }
    }

    /// How many steps in progress wait for an event.
    pub fn waiting_for(&self, topic: &Topic) -> usize {
        let open = self.stages.iter().filter_map(|stage| stage.steps.open.as_deref());
        open.map(|open| open.doing.waiting_for(topic)).sum()
    }

    /// The runs that steps in progress wait for and that are not known to be over.
    pub fn children(&self) -> Vec<RunId> {
        let mut all = Vec::new();
        let open = self.stages.iter().filter_map(|stage| stage.steps.open.as_deref());
        open.for_each(|open| open.doing.children(&mut all));
        all
    }
}

impl Doing {
    fn waiting_for(&self, topic: &Topic) -> usize {
        let inside = |body: &Body| body.steps.open.as_ref().map_or(0, |open| open.doing.waiting_for(topic));
        match self {
            Doing::Waiting { events, .. } => usize::from(events.contains(topic)),
            Doing::Bodies(bodies) => bodies.open.values().map(inside).sum(),
            Doing::Turns(turns) => inside(&turns.body),
            _ => 0,
        }
    }

    /// The runs that are waited for here and that are not known to be over.
    pub fn children(&self, all: &mut Vec<RunId>) {
        match self {
            Doing::Handed(handed) if handed.reported.is_none() => all.push(handed.child),
            Doing::Bodies(bodies) => bodies.open.values().for_each(|body| body.children(all)),
            Doing::Turns(turns) => turns.body.children(all),
            _ => {}
        }
    }
}

impl Body {
    /// The runs that are waited for in it and that are not known to be over.
    pub fn children(&self, all: &mut Vec<RunId>) {
        self.steps.open.iter().for_each(|open| open.doing.children(all));
    }
}
