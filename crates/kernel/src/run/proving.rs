//! What the journal can prove of what was done: the part of it that a completion contract and a `verify` step ask about.

use std::sync::Arc;

use super::{Acting, Open, RunState};
use crate::{
    governance::{Effect, charter::Resource},
    ids::StepPath,
    journal::Undo,
    recovery::{Failure, FailureKind, Phase},
};

/// An action that was performed, or may have been.
#[derive(Clone, Debug, PartialEq)]
pub struct Performed {
    /// The first entry of its act.
    pub entry: u64,
    /// The step that acted.
    pub step: StepPath,
    /// The tool.
    pub tool: Arc<str>,
    /// Its operation.
    pub operation: Arc<str>,
    /// The business object that it acted on, if the tool file names one.
    pub resource: Option<Resource>,
    /// `false`: it may have been performed, and the journal does not say.
    pub certain: bool,
    /// Whether its effect class may change something outside.
    pub writes: bool,
    /// The entry that recorded the result.
    pub result: u64,
    /// The stages that were in progress then, the innermost one last; empty for a read.
    pub stages: Vec<Arc<str>>,
    /// How it is taken back.
    pub undo: Option<Box<Undo>>,
    /// It was taken back.
    pub taken_back: bool,
    /// Its undo as it was when what had asked for it was left.
    pub parked: Option<Box<Open>>,
}

impl Performed {
    pub(super) fn of(step: &StepPath, acting: &Acting, certain: bool) -> Performed {
        Performed {
            entry: acting.entry,
            step: step.clone(),
            tool: acting.proposal.tool.clone(),
            operation: acting.proposal.operation.clone(),
            resource: acting.grounds.resource.clone(),
            certain,
            writes: acting.proposal.effect != Effect::Read,
            result: 0,
            stages: Vec::new(),
            undo: None,
            taken_back: false,
            parked: None,
        }
    }

    /// What a failure leaves in doubt; `None`: nothing was changed outside.
    pub(super) fn after(step: &StepPath, acting: &Acting, why: &Failure) -> Option<Performed> {
        let doubtful = acting.proposal.effect != Effect::Read && in_doubt(why);
        doubtful.then(|| Performed::of(step, acting, false))
    }

    /// Whether this is `tool.operation`, on the object of this id if one is named.
    pub fn is(&self, action: &str, resource: Option<&str>) -> bool {
        let called = action.split_once('.').is_some_and(|(tool, name)| *self.tool == *tool && *self.operation == *name);
        called && resource.is_none_or(|id| self.resource.as_ref().is_some_and(|one| *one.id == *id))
    }
}

/// Whether a recorded failure leaves open that the action was performed.
pub(crate) fn in_doubt(why: &Failure) -> bool {
    why.phase == Phase::MaybeSent || matches!(why.kind, FailureKind::UnknownOutcome | FailureKind::ContractViolated)
}

impl RunState {
    /// One act has one place here: what came later is what is known.
    pub(super) fn performed(&mut self, mut performed: Performed) {
        performed.result = self.head.seq + 1;
        if performed.writes {
            performed.stages = self.stages.iter().map(|frame| frame.stage.clone()).collect();
        }
        match self.performed.iter_mut().rev().find(|one| one.entry == performed.entry) {
            Some(known) => *known = performed,
            None => self.performed.push(performed),
        }
    }

    pub(super) fn proven(&mut self, step: &StepPath) {
        self.verified.insert(step.name().into());
    }

    /// First entries of the acts of `step` that were certainly performed, as a step at `path` sees them: those of its own frame
    /// and of the frames around it.
    pub fn evidence_of(&self, step: &str, path: &StepPath) -> Vec<u64> {
        let seen = |one: &Performed| {
            let around = one.step.as_str().rsplit_once('/').map_or("", |(frame, _)| frame);
            let within =
                around.is_empty() || path.as_str().strip_prefix(around).is_some_and(|rest| rest.starts_with('/'));
            let stands = one.certain && !one.taken_back && one.step.undoes().is_none();
            stands && one.step.name() == step && within
        };
        self.performed.iter().filter(|one| seen(one)).map(|one| one.entry).collect()
    }
}
