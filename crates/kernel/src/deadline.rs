//! Deadlines: from a moment on nothing of a step, or of a run, is begun any more.
//!
//! What is under way then is brought to its end: an answer that is on its way counts, and an action that may have been performed is
//! settled by its effect class. What is only waited for ends.

use crate::{
    ids::StepPath,
    journal::{ApprovalEnd, End, Event, StepResult, WorkEnd},
    next::{Frame, Next, Stop, Walk},
    recovery::{Failure, FailureKind, Phase},
    run::{Acting, Doing, Open, Sending, Word},
    step::{Step, people::ended},
    values::{Span, Timestamp},
};

impl<'a> Walk<'a> {
    /// The step begins: how long it has is said first. `false`: it has as long as it takes.
    pub(crate) fn set_deadline(&mut self, step: &Step, open: Option<&Open>, path: &StepPath) -> bool {
        let set = open.is_some_and(|open| open.deadline.is_some());
        let Some(span) = step.deadline.filter(|_| !set) else { return false };
        self.record(Event::DeadlineSet { step: path.clone(), until: self.facts.now + span });
        true
    }

    /// The time of a step in progress is over. `false`: it is not, or what is under way goes on to its end.
    pub(crate) fn out_of_time(
        &mut self,
        step: &'a Step,
        open: &'a Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<bool, Stop> {
        let Some(until) = open.deadline.filter(|_| !frame.draining()) else { return Ok(false) };
        if until > self.facts.now {
            self.until = Some(self.until.map_or(until, |other| other.min(until)));
            return Ok(false);
        }
        let why = passed(step.deadline, until, &format!("`{path}`"));
        match &open.doing {
            _ if self.in_flight(path) => return Ok(false),
            Doing::Asking { epoch, .. } if *epoch == self.facts.epoch => return Ok(false),
            Doing::Approving(approving) => {
                let end = ApprovalEnd::Failed { failure: why, by: None };
                self.record(ended(path, approving, end));
            }
            Doing::Working(working) => {
                let end = WorkEnd::Failed { failure: why };
                self.record(Event::WorkEnded { step: path.clone(), work: working.id.clone(), end });
            }
            Doing::Acting(acting) => return Ok(self.act_out_of_time(step, (open, acting), path, why)),
            Doing::Bodies(_) | Doing::Turns(_) => {
                let busy = open.doing.is_acting()
                    || self.state.takes_back_inside(path)
                    || self.facts.in_flight.iter().any(|other| other.is_inside(path));
                match busy {
                    true => step.go_on(self, open, path, &frame.drained())?,
                    false => self.record(Event::StepFailed { step: path.clone(), failure: why }),
                }
            }
            _ => self.record(Event::StepFailed { step: path.clone(), failure: why }),
        }
        Ok(true)
    }

    /// The same for an action: what may have been performed learns its outcome first.
    fn act_out_of_time(
        &mut self,
        step: &Step,
        (open, acting): (&Open, &Acting),
        path: &StepPath,
        why: Failure,
    ) -> bool {
        let unsent = acting.word == Some(Word::NotPerformed) || acting.standing == Sending::Absent;
        if unsent && acting.asked.is_none() {
            let failure = Failure { phase: Phase::Answered, ..why };
            self.record(Event::ActionFinished {
                step: path.clone(),
                attempt: open.attempt,
                result: StepResult::Failed(failure),
                raw: None,
                spent: None,
                proof: None,
                undo: None,
            });
            return true;
        }
        if acting.is_open() {
            return false;
        }
        let doubt = step.call().and_then(|act| act.stays_untried(open, path));
        self.record(doubt.unwrap_or(Event::StepFailed { step: path.clone(), failure: why }));
        true
    }

    /// When the run's own deadline passes; `None`: it has none, or nothing is left to be done.
    pub(crate) fn run_ends_by(&self) -> Option<Timestamp> {
        let start = self.state.start.as_ref().filter(|_| !self.state.stages.is_empty())?;
        Some(start.at + self.program.deadline?)
    }

    /// Whether the run is out of time: nothing is begun, and it fails once nothing is under way. A pause and a cancel go before it.
    pub(crate) fn is_late(&self) -> bool {
        let over = self.run_ends_by().is_some_and(|until| until <= self.facts.now);
        over && !self.state.paused && !self.state.cancelling && self.state.failed.is_none()
    }

    /// Nothing is under way in a run that is out of time.
    pub(crate) fn end_late(&mut self) {
        if let Some(doubt) = self.take_doubt() {
            self.wait_in_doubt(doubt);
        } else if self.state.undoing.is_empty() {
            let until = self.run_ends_by().unwrap_or(self.facts.now);
            self.finish(End::Failed, None, Some(passed(self.program.deadline, until, "the run")));
        } else {
            let waiting = self.waiting();
            waiting.into_iter().for_each(|waiting| self.then(Next::Suspend(waiting)));
        }
    }
}

fn passed(span: Option<Span>, until: Timestamp, whose: &str) -> Failure {
    let span = span.map(|span| format!(" of {span}")).unwrap_or_default();
    Failure::inside(FailureKind::DeadlineExceeded, format!("the deadline{span} of {whose} passed at {until}"))
}
