//! Taking back what was done: which acts, in which order, and what is done about an undo that fails.
//!
//! An undo is an action like any other: judged by the policies of today, put before people, paid for, sent with a key of its own. Only
//! what follows a failure differs: after the retries of its kind the run pauses, and nothing is ever left out.

use std::sync::Arc;

use crate::{
    ids::StepPath,
    journal::Event,
    next::{Frame, Stop, Walk},
    recovery::{self, Failure, FailureKind, Recovery, Response},
    run::{Doing, Open, Performed, Undoing},
    step::act::Act,
};

/// How far an `on_failure` list reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// The list of a step: what was done inside of it.
    Step,
    /// The list of a stage: what was done in it, and in the stages that it chose.
    Stage,
    /// The list of the workflow: all that was done.
    Run,
}

impl<'a> Walk<'a> {
    /// What `undo` in a list of this reach takes back when the step at `path` fails.
    pub(crate) fn to_take_back(&self, reach: Reach, path: &StepPath) -> Response {
        let stage = self.state.stages.last().map(|frame| &frame.stage);
        let seen = |one: &Performed| match reach {
            Reach::Step => one.step.is_inside(path),
            Reach::Stage => stage.is_some_and(|stage| one.stages.contains(stage)),
            Reach::Run => true,
        };
        let (acts, standing) = self.state.to_take_back(seen);
        Response::Undo { acts, standing }
    }

    /// How the run goes back to a checkpoint. `None`: it has not passed it, was there too often, or what was done since can be neither
    /// taken back nor kept.
    pub(crate) fn way_back(&self, to: &Arc<str>, times: u32) -> Option<Response> {
        let point = self.state.checkpoint(to)?;
        if self.state.returned.get(to).is_some_and(|returned| *returned >= times) {
            return None;
        }
        let keeps = |one: &Performed| {
            let step = self.program.step_at(&one.step).and_then(|step| step.call());
            one.certain && step.is_some_and(|act| act.keep)
        };
        let later = |one: &&Performed| one.result > point.entry && one.writes && !one.taken_back;
        let kept = self.state.performed.iter().filter(later).filter(|one| one.step.undoes().is_none() && keeps(one));
        let kept = kept.map(|one| Arc::from(one.step.name())).collect();
        let (acts, standing) = self.state.to_take_back(|one| later(&one) && !keeps(one));
        standing.is_empty().then(|| Response::ReturnTo { step: to.clone(), acts, kept })
    }

    /// The run is being cancelled, and nothing is open any more: says what is taken back.
    pub(crate) fn open_undo(&mut self) {
        let (acts, standing) = self.state.to_take_back(|_| true);
        self.record(Event::UndoOpened { acts, standing });
    }

    /// Asks the undo in progress what follows.
    pub(crate) fn undo(&mut self, undoing: &'a Undoing, drain: bool) {
        let open = undoing.steps.open.as_deref();
        let standing = undoing.current().and_then(|act| Some((act, self.state.standing(act)?)));
        let (Some((act, _)), Some(stage)) = (standing, self.program.stages.first()) else { return };
        if drain && open.is_none() {
            return;
        }
        let path = act.undo();
        let mut frame = Frame::outermost(&self.state.values, stage);
        frame.drain = drain;
        let declared = self.program.step_at(act).and_then(|step| step.call()).and_then(|act| act.undo.as_deref());
        let done = match declared {
            Some(declared) => self.undo_step(declared, open, &path, &frame),
            None => Err(Stop::Failed(Failure::inside(FailureKind::Internal, format!("`{act}` says no `undo`")))),
        };
        match done {
            Ok(()) => {}
            Err(Stop::Look(queries)) => self.look(queries),
            Err(Stop::Failed(failure)) => self.record(Event::StepFailed { step: path, failure }),
        }
    }

    fn undo_step(
        &mut self,
        act: &'a Act,
        open: Option<&'a Open>,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Some(open) = open else { return act.begin(self, path, frame, None) };
        if let Some(failure) = &open.failure {
            if frame.draining() {
                // Whoever cancels does not leave what may have been performed.
                if self.state.cancelling
                    && let Some(event) = act.stays(open, path, failure)
                {
                    self.record(event);
                }
                return Ok(());
            }
            let list = recovery::by_default(failure);
            let response = match recovery::choose(list, &[failure.kind], &open.answered, &|_| true) {
                Some((Recovery::Retry { backoff, .. }, nth)) => self.retry(*backoff, nth, failure, path),
                // It is never left out: a person looks at it, and lets it be tried again.
                _ => Response::Pause,
            };
            self.record(Event::FailureAnswered { step: path.clone(), response });
            return Ok(());
        }
        if open.failure.is_none()
            && self.gives_up(path)
            && let Some(event) = act.stays_untried(open, path)
        {
            self.record(event);
            return Ok(());
        }
        if let Some(at) = open.not_before
            && at > self.facts.now
        {
            self.wait(Some(at), || format!("`{path}` is tried again"));
            return Ok(());
        }
        match &open.doing {
            Doing::Idle if frame.draining() => Ok(()),
            Doing::Idle | Doing::Asked => act.begin(self, path, frame, Some(open)),
            _ => act.go_on(self, open, path, frame),
        }
    }

    /// Which undo a person has to look at before the run goes on, and why.
    pub(crate) fn stuck(&self) -> Option<String> {
        self.state.undoing.iter().find_map(|undoing| {
            let open = undoing.steps.open.as_deref().filter(|open| open.failure.is_none())?;
            match open.answered.last() {
                Some((failure, Response::Pause)) => {
                    let act = undoing.current()?;
                    Some(format!(
                        "a person to resume it: the undo of `{act}` is stuck ({})",
                        crate::story::failure(failure)
                    ))
                }
                _ => None,
            }
        })
    }

    /// Whether what is open at `path` is given up as soon as it is certain that it was not performed: the run is being cancelled.
    pub(crate) fn gives_up(&self, path: &StepPath) -> bool {
        self.state.cancelling && !(self.state.undo_all && path.undoes().is_some())
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        ids::Digest,
        workflow::project::{Sources, check},
    };

    /// How the undo of the step `pay` is bound to the approval of the act, and shown.
    fn listed(undo: &str) -> (Digest, String) {
        let workflow = format!(
            "workflow: w\nstages:\n  - stage: only\n    steps:\n      - step: pay\n        act: bank.pay\n        undo: {undo}\n"
        );
        let tool = "tool: bank\nnative: true\noperations:\n  pay: { effect: idempotent }\n  back: { effect: idempotent }\n  \
                    void: { effect: at_most_once }\n";
        let sources: Sources =
            [("surefoot.yaml", "project: p\n"), ("workflows/w.yaml", &*workflow), ("tools/bank.yaml", tool)]
                .into_iter()
                .collect();
        let project = check(&sources).project.expect("a project without errors");
        let program = project.workflows.values().next().expect("a workflow").clone();
        let undo = program.step("pay").and_then(|step| step.call()).and_then(|act| act.undo.as_deref());
        let undo = undo.expect("an undo");
        (undo.listed(Digest::ZERO), undo.as_undo())
    }

    #[test]
    fn who_approves_an_act_approves_its_undo_and_no_other_one() {
        let (hash, says) = listed("{ act: bank.back, with: { id: =pay.id } }");
        assert_eq!(says, r#"Call bank.back with {"id":"=pay.id"}"#);
        assert_eq!(hash, listed("{ act: bank.back, with: { 'id': =pay.id } }").0, "written in other words");
        let others = [
            "{ act: bank.void, with: { id: =pay.id } }",
            "{ act: bank.back, with: { id: =pay.number } }",
            "{ act: bank.back, with: { id: ==pay.id } }",
            "{ act: bank.back, with: { id: =pay.id, all: true } }",
            "{ act: bank.back }",
        ];
        for other in others {
            assert_ne!(hash, listed(other).0, "{other}");
        }
    }
}
