//! What is done about a failure: which list counts, and what its next item comes to.

use super::{Frame, Record, Stop, Walk};
use crate::{
    ids::{Digest, StepPath},
    journal::{Event, Held},
    recovery::{self, Backoff, Failure, FailureKind, Recovery, Response},
    run::Open,
    step::{Kind, Step, proposals, reason::Reason},
    undo::Reach,
    values::Span,
};

/// The part of a list that is about this step: in the turns of an agent what tries the same again, and for the agent the rest. A claim
/// that is not proven is told back once before any list.
fn part_of<'l>(step: &Step, list: &'l [Recovery], failure: &Failure, open: &Open) -> &'l [Recovery] {
    const TOLD_ONCE: &[Recovery] = &[Recovery::Repair { times: 1 }];
    let again = |item: &Recovery| match &step.kind {
        Kind::Act(_) => matches!(item, Recovery::Retry { .. } | Recovery::Pause),
        _ => matches!(
            item,
            Recovery::Retry { .. }
                | Recovery::Repair { .. }
                | Recovery::Model(_)
                | Recovery::Pause
                | Recovery::Probe { .. }
        ),
    };
    let inner = list.iter().position(|item| !again(item)).unwrap_or(list.len());
    let own = [FailureKind::NoProgress, FailureKind::UnknownTool, FailureKind::UnsupportedClaim];
    match &step.kind {
        _ if step.within().is_some() && failure.kind == FailureKind::UnsupportedClaim => {
            if open.has_done(|done| matches!(done, Response::Repair)) { &[] } else { TOLD_ONCE }
        }
        // A plan with an action that is not permitted is sent back once, too.
        Kind::Reason(Reason { plans: Some(_), .. }) if failure.kind == FailureKind::PermissionDenied => TOLD_ONCE,
        _ if step.within().is_some() => &list[..inner],
        // That all of it costs too much is found before anything of it is done.
        Kind::Plan(_) if failure.kind != FailureKind::BudgetExceeded => &list[inner..],
        Kind::Agent(_) if !own.contains(&failure.kind) => &list[inner..],
        _ => list,
    }
}

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
        let (list, reach) = self.list_for(step, open, failure, frame);
        let origin = open.stuck_on(failure).map(|origin| origin.kind);
        let possible = |item: &Recovery| match item {
            // What was changed did not help.
            Recovery::Repair { .. } | Recovery::Replan { .. } if origin.is_some() => false,
            Recovery::ReturnTo { step, times, .. } => self.way_back(step, *times).is_some(),
            // These had their turn while the outcome was not known.
            Recovery::Probe { .. } => false,
            // An agent that has failed is begun anew: there is no answer of it to mend.
            Recovery::Repair { .. } if matches!(step.kind, Kind::Agent(_) | Kind::Plan(_)) => false,
            Recovery::Person { .. } if kind == FailureKind::UnknownOutcome => false,
            // The same failure is still to be answered after these.
            Recovery::Undo => !open.has_done(|done| matches!(done, Response::Undo { .. })),
            Recovery::Person { group, .. } => {
                !open.has_done(|done| matches!(done, Response::Person { group: asked } if asked == group))
            }
            _ => true,
        };
        let list = part_of(step, list, failure, open);
        let chosen = recovery::choose(list, &[kind, origin.unwrap_or(kind)], open.answered_since(), &possible);
        // What may have been performed is never left on a guess, nor begun anew under another key.
        if let Kind::Act(act) = &step.kind
            && !matches!(chosen, Some((Recovery::Retry { .. } | Recovery::Pause, _)))
            && let Some(event) = act.stays(open, path, failure)
        {
            return Ok(Record::of(event));
        }
        let met = open.answered.get(open.before as usize..).unwrap_or_default();
        if let (Kind::Reason(reason), None) = (&step.kind, &chosen)
            && let Some(response) = self.onward(reason, open)
        {
            return Ok(Record::of(Event::FailureAnswered { step: path.clone(), response }));
        }
        let response = match chosen {
            None if proposals::is_given_back(self, step, failure) => Response::GiveBack,
            None if kind == FailureKind::PermissionDenied && matches!(step.kind, Kind::Reason(_)) => Response::Fail,
            // Whoever waits need not have changed anything.
            chosen
                if !matches!(chosen, Some((Recovery::Retry { .. } | Recovery::Pause, _)))
                    && recovery::stuck(failure, met) =>
            {
                Response::NoProgress
            }
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

    /// The recoveries that count for a failure that `step` has met: those of its kind. Where none are written for `no_progress`, what is
    /// left of the list of the failure that was met twice counts.
    pub(crate) fn list_for<'l>(
        &'l self,
        step: &'l Step,
        open: &Open,
        failure: &Failure,
        frame: &'l Frame<'_>,
    ) -> (&'l [Recovery], Reach) {
        let lists = [&step.on_failure, &frame.stage.on_failure, &self.program.on_failure];
        match open.stuck_on(failure) {
            Some(origin) if lists.iter().all(|list| !list.contains_key(&FailureKind::NoProgress)) => {
                self.list(step, origin, frame)
            }
            _ => self.list(step, failure, frame),
        }
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
        // What happens in the turns of an agent is answered by the lists of the agent.
        let step = step.within().and_then(|agent| self.program.step(agent)).unwrap_or(step);
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
