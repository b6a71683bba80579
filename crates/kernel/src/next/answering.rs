//! What is done about a failure: which list counts, and what its next item comes to.

use super::{Frame, Record, Stop, Walk};
use crate::{
    ids::{Digest, StepPath},
    journal::{Event, Held},
    recovery::{self, Backoff, Failure, FailureKind, Recovery, Response},
    run::Open,
    step::{Kind, Step},
    undo::Reach,
    values::Span,
};

impl Walk<'_> {
    /// What is done about a failure.
    pub(super) fn answer(
        &self,
        step: &Step,
        open: &Open,
        failure: &Failure,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<Record, Stop> {
        // The members of a route have their turn before any recovery.
        if let Some(response) = self.next_of_route(open, failure)? {
            return Ok(Record::of(Event::FailureAnswered { step: path.clone(), response }));
        }
        let mut blobs = Vec::new();
        let kind = failure.kind;
        let (list, reach) = self.list(step, failure, frame);
        let possible = |item: &Recovery| match item {
            Recovery::ReturnTo { step, times, .. } => self.way_back(step, *times).is_some(),
            // These had their turn while the outcome was not known.
            Recovery::Probe { .. } => false,
            Recovery::Person { .. } if kind == FailureKind::UnknownOutcome => false,
            // The same failure is still to be answered after these.
            Recovery::Undo => !open.has_done(|done| matches!(done, Response::Undo { .. })),
            Recovery::Person { group, .. } => {
                !open.has_done(|done| matches!(done, Response::Person { group: asked } if asked == group))
            }
            _ => true,
        };
        let chosen = recovery::choose(list, kind, open.answered_since(), &possible);
        // What may have been performed is never left on a guess, nor begun anew under another key.
        if let Kind::Act(act) = &step.kind
            && !matches!(chosen, Some((Recovery::Retry { .. } | Recovery::Pause, _)))
            && let Some(event) = act.stays(open, path, failure)
        {
            return Ok(Record::of(event));
        }
        if let (Kind::Reason(reason), None) = (&step.kind, &chosen)
            && let Some(response) = self.onward(reason, open)
        {
            return Ok(Record::of(Event::FailureAnswered { step: path.clone(), response }));
        }
        let response = match chosen {
            None | Some((Recovery::Fail | Recovery::Probe { .. }, _)) => Response::Fail,
            Some((Recovery::Retry { backoff, .. }, nth)) => self.retry(*backoff, nth, failure, path),
            Some((Recovery::Undo, _)) => self.to_take_back(reach, path),
            Some((Recovery::ReturnTo { step, times, .. }, _)) => self.way_back(step, *times).unwrap_or(Response::Fail),
            Some((Recovery::Repair { .. }, _)) => Response::Repair,
            Some((Recovery::Replan { .. }, _)) => Response::Replan,
            Some((Recovery::Model(model), _)) => Response::Model { model: model.clone(), route: None },
            Some((Recovery::Stage(stage), _)) if !self.state.began.contains(stage) => {
                Response::Stage { stage: stage.clone() }
            }
            // A stage runs once: going back to one that began would give its steps two values.
            Some((Recovery::Stage(_), _)) => Response::Fail,
            Some((Recovery::Person { group, .. }, _)) => Response::Person { group: group.clone() },
            Some((Recovery::Pause, _)) => Response::Pause,
            Some((Recovery::ContinueWith(template), _)) => {
                let output = self.evaluate(template, frame)?;
                Response::ContinueWith { output: Held::hold(output, &mut blobs) }
            }
        };
        Ok(Record { event: Event::FailureAnswered { step: path.clone(), response }, blobs })
    }

    /// Waits before the same is tried again.
    pub(crate) fn retry(&self, backoff: Backoff, nth: u32, failure: &Failure, path: &StepPath) -> Response {
        Response::Retry { at: self.facts.now + self.pause(backoff, nth, failure, path) }
    }

    /// How long, and at least as long as the other side asked for.
    pub(crate) fn pause(&self, backoff: Backoff, nth: u32, failure: &Failure, path: &StepPath) -> Span {
        let seed = Digest::of(&[&self.state.run.bytes(), path.as_str().as_bytes(), &nth.to_be_bytes()]);
        backoff.wait(nth, seed).max(failure.retry_after.unwrap_or_default())
    }

    /// The recoveries that count for a failure of `step`, and how far their list reaches.
    ///
    /// For a block only its own list counts: the steps inside had the others. What takes back more than a body did is done outside
    /// of all bodies: there a step ends where that begins in an outer list, and its outermost block goes on from there.
    pub(crate) fn list<'l>(
        &'l self,
        step: &'l Step,
        failure: &Failure,
        frame: &'l Frame<'_>,
    ) -> (&'l [Recovery], Reach) {
        let kind = failure.kind;
        if self.state.cancelling {
            return (&[], Reach::Step);
        }
        if let Some(own) = step.on_failure.get(&kind) {
            return (own, Reach::Step);
        }
        let stage = frame.stage.on_failure.get(&kind).map(|list| (list, Reach::Stage));
        let outer = stage.or_else(|| self.program.on_failure.get(&kind).map(|list| (list, Reach::Run)));
        let inside = !frame.is_outermost();
        match (outer, step.is_block()) {
            (Some((list, reach)), false) if inside => (&list[..recovery::outer_part(list)], reach),
            (Some((list, reach)), false) => (list, reach),
            (Some((list, reach)), true) if !inside => (&list[recovery::outer_part(list)..], reach),
            (_, true) => (&[], Reach::Step),
            (None, false) => (recovery::by_default(failure), Reach::Step),
        }
    }
}
