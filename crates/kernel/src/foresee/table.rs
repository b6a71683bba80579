//! The effective table: for each step what can occur there, what is tried in which order, where that is written, and the end of it.

use std::{fmt, sync::Arc};

use super::{Around, kinds, steps};
use crate::{
    complaint::Place,
    governance::Effect,
    recovery::{self, Failure, FailureKind, Phase, Recovery},
    step::{Kind, Step},
    workflow::Program,
};

/// What is done about one kind at one step.
#[derive(Clone, Debug)]
pub struct Row {
    /// The stage.
    pub stage: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// What the step does: the key of its kind.
    pub does: &'static str,
    /// What can occur.
    pub kind: FailureKind,
    /// What is tried, in this order.
    pub tried: Vec<String>,
    /// Where that is written.
    pub from: From,
    /// What happens if all of that is used up.
    pub end: &'static str,
    /// What goes before: an action that may have been performed is settled by its effect class.
    pub before: Option<&'static str>,
}

/// Where a list is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// On the step.
    Step(Place),
    /// On the stage.
    Stage(Place),
    /// On the workflow.
    Workflow(Place),
    /// Nowhere.
    Default,
}

impl From {
    /// In a word, and with the line of `file` if it is written.
    pub fn says(&self, file: &str) -> String {
        match self {
            From::Step(at) => format!("step, {file}:{}", at.line),
            From::Stage(at) => format!("stage, {file}:{}", at.line),
            From::Workflow(at) => format!("workflow, {file}:{}", at.line),
            From::Default => "default".to_owned(),
        }
    }
}

/// The table of a workflow, in the order of its steps.
pub fn rows(program: &Program, around: &Around<'_>) -> Vec<Row> {
    let mut rows = Vec::new();
    for (stage, depth, step) in steps(program) {
        for kind in kinds::can_occur(step, stage, program, around) {
            let (from, list) = of_depth(step, stage, kind, program, depth);
            rows.push(Row {
                stage: program.stages[stage].name.clone(),
                step: step.name.clone(),
                does: step.kind(),
                kind,
                tried: list.iter().map(ToString::to_string).collect(),
                from,
                end: end(list, kind, step, depth),
                before: before(kind, step),
            });
        }
    }
    rows
}

/// The list that counts for a kind at a step outside of bodies, as the engine finds it; see [`of_depth`] for those inside.
pub(super) fn list<'p>(
    step: &'p Step,
    stage: usize,
    kind: FailureKind,
    program: &'p Program,
) -> (From, &'p [Recovery]) {
    of_depth(step, stage, kind, program, 0)
}

/// The same, at a depth in bodies: what takes back more than a body did is left to the outermost block.
fn of_depth<'p>(
    step: &'p Step,
    stage: usize,
    kind: FailureKind,
    program: &'p Program,
    depth: u32,
) -> (From, &'p [Recovery]) {
    if let Some(own) = step.on_failure.get(&kind) {
        return (From::Step(own.at), own);
    }
    let of_stage = program.stages[stage].on_failure.get(&kind).map(|list| (From::Stage(list.at), list));
    let outer = of_stage.or_else(|| program.on_failure.get(&kind).map(|list| (From::Workflow(list.at), list)));
    match (outer, step.is_block()) {
        (Some((from, list)), false) if depth > 0 => (from, &list[..recovery::outer_part(list)]),
        (Some((from, list)), false) => (from, list),
        (Some((from, list)), true) if depth == 0 => (from, &list[recovery::outer_part(list)..]),
        (_, true) => (From::Default, &[]),
        (None, false) => {
            let failure = Failure { kind, phase: Phase::Answered, detail: String::new(), retry_after: None };
            (From::Default, recovery::by_default(&failure))
        }
    }
}

/// What is done if a list is used up.
fn end(list: &[Recovery], kind: FailureKind, step: &Step, depth: u32) -> &'static str {
    let last = list.iter().find(|item| item.ends());
    match last {
        Some(Recovery::Stage(_)) => "that stage runs in place of this one",
        Some(Recovery::ContinueWith(_)) => "the run goes on with that value",
        Some(Recovery::Pause) => "waits for a person to resume",
        _ if kind == FailureKind::UnknownOutcome && step.call().is_some() => "waits for a person to resolve it",
        _ if depth > 0 => "the body fails, and its block decides",
        _ => "the run fails",
    }
}

fn before(kind: FailureKind, step: &Step) -> Option<&'static str> {
    let uncertain = matches!(kind, FailureKind::ToolTimeout | FailureKind::ToolError | FailureKind::UnknownOutcome);
    let Kind::Act(act) = &step.kind else { return None };
    match act.declared().effect {
        _ if !uncertain => None,
        Effect::Read => None,
        Effect::Idempotent => Some("what may have been performed is sent again under the same key only"),
        Effect::Probed => Some("what may have been performed is probed first"),
        Effect::AtMostOnce => Some("what may have been performed is never sent again: a person resolves it"),
    }
}

impl fmt::Display for Recovery {
    /// As it would be written, without what goes without saying.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Recovery::Retry { times, backoff } => {
                let growth = if backoff.exponential { "exponential" } else { "constant" };
                write!(f, "retry: {times} ({growth} from {})", backoff.base)
            }
            Recovery::Repair { times } => write!(f, "repair: {times}"),
            Recovery::Replan { times } => write!(f, "replan: {times}"),
            Recovery::Model(model) => write!(f, "model: {model}"),
            Recovery::Stage(stage) => write!(f, "stage: {stage}"),
            Recovery::ContinueWith(_) => f.write_str("continue_with"),
            Recovery::Undo => f.write_str("undo"),
            Recovery::ReturnTo { step, times, .. } => write!(f, "return_to: {step} (at most {times})"),
            Recovery::Probe { .. } => f.write_str("probe"),
            Recovery::Person { group, timeout: Some(span) } => write!(f, "person: {group} (within {span})"),
            Recovery::Person { group, timeout: None } => write!(f, "person: {group}"),
            Recovery::Pause => f.write_str("pause"),
            Recovery::Fail => f.write_str("fail"),
        }
    }
}
