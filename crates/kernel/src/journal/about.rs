//! What an event is about: the questions that readers of a journal ask of every event, answered once.

use super::{
    ApprovalEnd, BlobRef, BodyResult, ChildEnd, Event, Held, ProbeResult, Report, Resolution, StepResult, WorkEnd,
};
use crate::{cache::Part, governance::budget::Reserved, ids::StepPath, recovery::Response};

impl Event {
    /// The step that it is about.
    pub fn step(&self) -> Option<&StepPath> {
        match self {
            Event::StepDone { step, .. }
            | Event::StepSkipped { step }
            | Event::Decided { step, .. }
            | Event::EachOpened { step, .. }
            | Event::ParallelOpened { step, .. }
            | Event::RepeatOpened { step }
            | Event::AgentOpened { step }
            | Event::PlanOpened { step }
            | Event::PlanFrozen { step, .. }
            | Event::TurnDone { body: step, .. }
            | Event::BodyDone { body: step, .. }
            | Event::ModelAsked { step, .. }
            | Event::ModelAnswered { step, .. }
            | Event::AnswerReused { step, .. }
            | Event::CacheMissed { part: Part::Step(step), .. }
            | Event::PartReused { part: Part::Step(step), .. }
            | Event::ActionJudged { step, .. }
            | Event::ApprovalRequested { step, .. }
            | Event::VoteReceived { step, .. }
            | Event::ApprovalEscalated { step, .. }
            | Event::ApprovalEnded { step, .. }
            | Event::ActionStarted { step, .. }
            | Event::ActionResent { step, .. }
            | Event::ActionFinished { step, .. }
            | Event::ClaimVerified { step, .. }
            | Event::OutcomeUnknown { step, .. }
            | Event::ProbeStarted { step, .. }
            | Event::ProbeFinished { step, .. }
            | Event::LateAnswerReceived { step, .. }
            | Event::EffectResolved { step, .. }
            | Event::WorkOpened { step, .. }
            | Event::WorkAnswered { step, .. }
            | Event::WorkEnded { step, .. }
            | Event::ChildStarted { step, .. }
            | Event::ChildReported { step, .. }
            | Event::ChildEnded { step, .. }
            | Event::WaitStarted { step, .. }
            | Event::WaitEnded { step, .. }
            | Event::DeadlineSet { step, .. }
            | Event::EventPublished { step, .. }
            | Event::StepFailed { step, .. }
            | Event::FailureAnswered { step, .. } => Some(step),
            Event::RunStarted { .. }
            | Event::StageDone { .. }
            | Event::CacheMissed { .. }
            | Event::PartReused { .. }
            | Event::SignalReceived { .. }
            | Event::EventReceived { .. }
            | Event::ControlReceived { .. }
            | Event::BudgetRaised { .. }
            | Event::UndoOpened { .. }
            | Event::RunFinished { .. } => None,
        }
    }

    /// The step that it completes, with a value that is never made again; a skipped step gave nothing.
    pub fn completes(&self) -> Option<(&StepPath, Option<&Held>)> {
        match self {
            Event::StepDone { step, output }
            | Event::WaitEnded { step, output, .. }
            | Event::AnswerReused { step, output, .. }
            | Event::PartReused { part: Part::Step(step), output, .. } => Some((step, Some(output))),
            Event::StepSkipped { step } | Event::ClaimVerified { step, .. } | Event::EventPublished { step, .. } => {
                Some((step, None))
            }
            Event::Decided { step, then, .. } if then.is_empty() => Some((step, None)),
            Event::ModelAnswered { step, result: StepResult::Done(output), unsure, .. } => {
                unsure.as_ref().is_none_or(|unsure| unsure.accepts()).then_some((step, Some(output)))
            }
            Event::ActionFinished { step, result: StepResult::Done(output), .. }
            | Event::ProbeFinished { step, result: ProbeResult::Found(output), .. }
            | Event::WorkEnded { step, end: WorkEnd::Gave { output, .. }, .. }
            | Event::ChildEnded { step, end: ChildEnd::Gave { output, .. }, .. }
            | Event::ApprovalEnded { step, end: ApprovalEnd::Gave { output, .. }, .. } => Some((step, Some(output))),
            _ => None,
        }
    }

    /// What it sets aside for the call that it announces.
    pub fn reserves(&self) -> Option<(&StepPath, &Reserved)> {
        match self {
            Event::ModelAsked { step, reserved: Some(reserved), .. }
            | Event::ActionResent { step, reserved: Some(reserved), .. } => Some((step, reserved)),
            Event::ChildStarted { step, reserved: Some(reserved), .. } => Some((step, reserved)),
            Event::ActionStarted { step, grounds: Some(grounds), .. } => Some((step, grounds.reserved.as_deref()?)),
            _ => None,
        }
    }

    /// Blobs that it names.
    pub fn blobs(&self) -> Vec<BlobRef> {
        let (held, raw) = match self {
            Event::RunStarted { input, parent, .. } => {
                return named(parent.iter().map(|parent| &parent.envelope).chain([input]), None);
            }
            Event::StepDone { output: held, .. }
            | Event::AnswerReused { output: held, .. }
            | Event::PartReused { output: held, .. }
            | Event::EachOpened { items: held, .. }
            | Event::BodyDone { result: BodyResult::Gave(held), .. }
            | Event::TurnDone { output: held, .. }
            | Event::PlanFrozen { output: held, .. }
            | Event::WaitEnded { output: held, .. }
            | Event::SignalReceived { body: held, .. }
            | Event::EventReceived { body: held, .. }
            | Event::EventPublished { data: held, .. }
            | Event::EffectResolved { resolution: Resolution::Performed { output: held, .. }, .. }
            | Event::LateAnswerReceived { result: StepResult::Done(held), .. }
            | Event::FailureAnswered { response: Response::ContinueWith { output: held }, .. }
            | Event::ApprovalEnded {
                end: ApprovalEnd::Gave { output: held, .. } | ApprovalEnd::Edited { with: held, .. },
                ..
            }
            | Event::RunFinished { result: Some(held), .. } => (Some(held), None),
            Event::ChildStarted { envelope: held, .. }
            | Event::ChildReported { report: Report::Completed(held), .. }
            | Event::ChildEnded { end: ChildEnd::Gave { output: held, .. }, .. }
            | Event::WorkAnswered { output: held, .. }
            | Event::WorkEnded { end: WorkEnd::Gave { output: held, .. }, .. } => (Some(held), None),
            Event::ApprovalEscalated { card, .. } | Event::WorkOpened { card, .. } => (Some(card), None),
            Event::ApprovalRequested { proposal, card, .. } => {
                return named(proposal.iter().map(|proposal| &proposal.with).chain([card]), None);
            }
            Event::ActionJudged { proposal, .. } | Event::ActionStarted { proposal, .. } => {
                (Some(&proposal.with), None)
            }
            Event::ModelAsked { manifest, .. } => {
                return manifest.segments.iter().filter_map(|segment| segment.aside).collect();
            }
            Event::ModelAnswered { result, raw, .. } => {
                let done = if let StepResult::Done(held) = result { Some(held) } else { None };
                (done, *raw)
            }
            Event::ActionFinished { result, raw, undo, .. } => {
                let done = if let StepResult::Done(held) = result { Some(held) } else { None };
                return named(done.into_iter().chain(undo.iter().filter_map(|undo| undo.with.as_ref())), *raw);
            }
            Event::ProbeFinished { result, raw, undo, .. } => {
                let found = if let ProbeResult::Found(held) = result { Some(held) } else { None };
                return named(found.into_iter().chain(undo.iter().filter_map(|undo| undo.with.as_ref())), *raw);
            }
            Event::StepSkipped { .. }
            | Event::Decided { .. }
            | Event::StageDone { .. }
            | Event::CacheMissed { .. }
            | Event::ParallelOpened { .. }
            | Event::RepeatOpened { .. }
            | Event::AgentOpened { .. }
            | Event::PlanOpened { .. }
            | Event::BodyDone { .. }
            | Event::VoteReceived { .. }
            | Event::ApprovalEnded { .. }
            | Event::WorkEnded { .. }
            | Event::ChildReported { .. }
            | Event::ChildEnded { .. }
            | Event::ActionResent { .. }
            | Event::ClaimVerified { .. }
            | Event::OutcomeUnknown { .. }
            | Event::ProbeStarted { .. }
            | Event::LateAnswerReceived { .. }
            | Event::EffectResolved { .. }
            | Event::WaitStarted { .. }
            | Event::ControlReceived { .. }
            | Event::BudgetRaised { .. }
            | Event::UndoOpened { .. }
            | Event::DeadlineSet { .. }
            | Event::StepFailed { .. }
            | Event::FailureAnswered { .. }
            | Event::RunFinished { .. } => (None, None),
        };
        named(held, raw)
    }
}

fn named<'h>(held: impl IntoIterator<Item = &'h Held>, raw: Option<BlobRef>) -> Vec<BlobRef> {
    let held = held.into_iter().filter_map(|held| if let Held::Blob(blob) = held { Some(*blob) } else { None });
    held.chain(raw).collect()
}
