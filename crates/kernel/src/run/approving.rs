//! The fold of approvals: from the question to its end. Who may vote was judged when the vote was posted; how the votes stand is
//! judged when it matters.

use std::sync::Arc;

use super::{Doing, Illegal, Open, RunState, Slot};
use crate::{
    governance::{
        Proposal, Verdict,
        approval::{Terms, Vote},
    },
    ids::StepPath,
    journal::{ApprovalEnd, Event, Held},
};

/// A step that waits for people.
#[derive(Clone, Debug, PartialEq)]
pub struct Approving {
    /// The entry that asked: the first of its act.
    pub entry: u64,
    /// The approval's id.
    pub id: Arc<str>,
    /// What is to be done; `None`: the step asks and does nothing else.
    pub action: Option<Box<(Proposal, Verdict)>>,
    /// What is asked.
    pub terms: Terms,
    /// What people are shown.
    pub card: Held,
    /// What was decided so far, in the order it came.
    pub votes: Vec<Vote>,
}

impl RunState {
    pub(super) fn approved(&mut self, event: Event) -> Result<(), Illegal> {
        let entry = self.head.seq + 1;
        match event {
            Event::ApprovalRequested {
                ref step, ref approval, ref proposal, ref verdict, ref terms, ref card, ..
            } => {
                let action = match (proposal, verdict) {
                    (Some(proposal), Some(verdict)) => Some(Box::new((proposal.clone(), verdict.clone()))),
                    (None, None) => None,
                    _ => return Err(self.illegal(&event)),
                };
                let (id, terms, card) = (approval.clone(), terms.clone(), card.clone());
                let approving = Approving { entry, id, action, terms, card, votes: Vec::new() };
                let mut place = self.locate(step, &event)?;
                place.begin(Doing::Approving(Box::new(approving)), &event)?;
                place.open().asked += 1;
                Ok(())
            }
            Event::VoteReceived { message, ref step, ref approval, ref vote } => {
                self.read_message(message, &event)?;
                // A vote that comes after the end is on record, and changes nothing.
                if let Some(approving) = self.approving_mut(step, approval) {
                    approving.votes.push(vote.clone());
                }
                Ok(())
            }
            Event::ApprovalEscalated { ref step, ref approval, ref to, ref terms, .. } => {
                let (id, terms) = (to.clone(), terms.clone());
                match self.approving_mut(step, approval) {
                    Some(approving) if !approving.terms.escalated => {
                        (approving.id, approving.terms) = (id, terms);
                        Ok(())
                    }
                    _ => Err(self.illegal(&event)),
                }
            }
            Event::ApprovalEnded { ref step, ref approval, ref end } => {
                let used_in_vain = *end == ApprovalEnd::Superseded && self.used_in_vain(step, approval);
                if self.approving_mut(step, approval).is_none() && !used_in_vain {
                    return Err(self.illegal(&event));
                }
                let end = end.clone();
                let mut place = self.locate(step, &event)?;
                let open = place.open();
                match end {
                    ApprovalEnd::Superseded => open.doing = Doing::Idle,
                    ApprovalEnd::Edited { with, by } => {
                        open.doing = Doing::Idle;
                        open.edited = Some((with, by));
                    }
                    ApprovalEnd::Failed { failure, .. } => {
                        (open.doing, open.failure) = (Doing::Idle, Some(failure));
                    }
                    ApprovalEnd::Gave { output, .. } => {
                        place.close(Slot::Gave(output), &event)?;
                        self.steps += 1;
                    }
                }
                Ok(())
            }
            other => Err(self.illegal(&other)),
        }
    }

    /// The approval that a step waits for.
    pub fn approving(&self, step: &StepPath) -> Option<&Approving> {
        match &self.open_at(step)?.doing {
            Doing::Approving(approving) => Some(approving),
            _ => None,
        }
    }

    /// Whether this approval was used up by the action at `step`, which failed and was certainly not performed.
    fn used_in_vain(&self, step: &StepPath, approval: &str) -> bool {
        let Some(Open { doing: Doing::Acting(acting), failure: None, .. }) = self.open_at(step) else { return false };
        let used = acting.grounds.approval.as_ref().is_some_and(|used| *used.id == *approval);
        used && !acting.is_open() && acting.doubts == 0
    }

    fn approving_mut(&mut self, step: &StepPath, approval: &str) -> Option<&mut Approving> {
        match self.open_at_mut(step)? {
            Open { doing: Doing::Approving(approving), .. } if *approving.id == *approval => Some(approving),
            _ => None,
        }
    }
}
