//! The fold of what is done about a failure.

use super::{Doing, Help, Illegal, RunState, Sending, Sequence, Slot};
use crate::{
    ids::StepPath,
    journal::Event,
    recovery::{Failure, FailureKind, Phase, Response},
};

/// The failure of an action while its outcome is not known.
pub(crate) fn unknown() -> Failure {
    let detail = "whether it was performed is not known".to_owned();
    Failure { kind: FailureKind::UnknownOutcome, phase: Phase::MaybeSent, detail, retry_after: None }
}

impl RunState {
    pub(super) fn answered(&mut self, step: &StepPath, response: Response, event: &Event) -> Result<(), Illegal> {
        let proposed = self.talk_of(step).is_some();
        let mut place = self.locate(step, event)?;
        if let (Response::Probe { at }, Some(open)) = (&response, place.steps.open.as_deref_mut())
            && let Doing::Acting(acting) = &mut open.doing
            && acting.is_unresolved()
        {
            acting.standing = Sending::Unknown { probe_at: Some(*at) };
            open.answered.push((unknown(), response));
            return Ok(());
        }
        let Some(failure) = place.steps.open.as_mut().and_then(|open| open.failure.take()) else {
            return Err(place.illegal(event));
        };
        let open = place.open();
        open.answered.push((failure.clone(), response.clone()));
        if open.doing == Doing::Spent
            && matches!(response, Response::Retry { .. } | Response::Pause | Response::Model { .. })
        {
            open.visit += 1;
            (open.attempt, open.doing) = (0, Doing::Idle);
        }
        // A person gives it time anew.
        if failure.kind == FailureKind::DeadlineExceeded && response == Response::Pause {
            let begun = open.attempt > 0;
            (open.deadline, open.attempt, open.visit) = (None, 0, open.visit + u32::from(begun));
        }
        match response {
            Response::NoProgress => open.failure = Some(failure.no_progress()),
            Response::Retry { at } => {
                open.not_before = Some(at);
                open.fallen.clear();
            }
            Response::Repair => {}
            Response::Probe { .. } => return Err(place.illegal(event)),
            Response::Undo { acts, .. } => {
                // What failed is still to be answered.
                open.failure = Some(failure);
                self.take_back(Some(step.clone()), acts, None, event)?;
            }
            Response::Replan => {
                open.visit += 1;
                (open.attempt, open.doing) = (0, Doing::Idle);
                open.fallen.clear();
            }
            Response::Model { model, route } => {
                if route.is_some() {
                    open.fallen.extend(open.model.take());
                }
                (open.model, open.route) = (Some(model), route);
            }
            Response::ReturnTo { step: to, acts, kept } => {
                open.failure = Some(failure);
                if !place.outermost || self.checkpoint(&to).is_none() {
                    return Err(self.illegal(event));
                }
                self.take_back(Some(step.clone()), acts, Some((to, kept)), event)?;
            }
            // It failed for certain: whatever was tried is over, and what becomes of it is for people to say.
            Response::Person { .. } => {
                let doing = std::mem::replace(&mut open.doing, Doing::Idle);
                (open.help, open.not_before) = (Some(Box::new(Help { failure, doing })), None);
            }
            Response::Onward { then } => {
                let Some(answer) = open.doubt.as_ref().map(|doubt| doubt.answer.clone()) else {
                    return Err(place.illegal(event));
                };
                open.not_before = None;
                open.go_onward(answer, then);
            }
            Response::Pause => {
                open.fallen.clear();
                self.paused = true;
                self.paused_over = Some((step.clone(), failure));
            }
            Response::ContinueWith { output } => {
                place.close(Slot::Gave(output), event)?;
                self.steps += 1;
            }
            Response::GiveBack => {
                if !proposed {
                    return Err(place.illegal(event));
                }
                place.close(Slot::GaveBack(failure), event)?;
                self.steps += 1;
            }
            Response::Fail => {
                let outermost = place.outermost;
                place.steps.failed = Some(failure.clone());
                self.steps += 1;
                if outermost {
                    self.failed = Some(failure);
                }
            }
            Response::Stage { stage } => {
                let Some(top) = self.stages.last_mut() else { return Err(self.illegal(event)) };
                // A return may bring the run here again: what is left now was done under this visit's paths and keys.
                if let Some(left) = &top.steps.open {
                    self.visits.insert(left.name.clone(), left.visit + 1);
                }
                top.steps = Sequence::default();
                top.stage = stage.clone();
                self.began.insert(stage);
            }
        }
        Ok(())
    }
}
