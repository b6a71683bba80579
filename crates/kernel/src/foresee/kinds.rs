//! With which kinds a step can fail: by its kind, what it calls, its checks, its budget and the policies.

use std::collections::BTreeSet;

use super::{Around, table};
use crate::{
    governance::Effect,
    recovery::{FailureKind, Recovery},
    step::{Kind, Step, act::Act, each::Join, reason::Reason},
    unsure::Then,
    workflow::Program,
};

/// The kinds with which the step can fail, in the order of [`FailureKind::ALL`].
pub fn can_occur(step: &Step, stage: usize, program: &Program, around: &Around<'_>) -> Vec<FailureKind> {
    let mut found = BTreeSet::from([FailureKind::Internal]);
    let limited = around.limits(program);
    match &step.kind {
        Kind::Reason(reason) => of_ask(reason, limited, &mut found),
        Kind::Agent(agent) => {
            of_ask(agent.asks(), limited, &mut found);
            // What its acts fail with goes back to the model, unless nobody knows what became of one.
            found.extend([FailureKind::UnknownTool, FailureKind::NoProgress]);
            if agent.writes() {
                found.extend([FailureKind::UnsupportedClaim, FailureKind::UnknownOutcome]);
            }
        }
        Kind::Plan(plan) => {
            of_ask(plan.asks(), limited, &mut found);
            found.insert(FailureKind::PermissionDenied);
            plan.granted.iter().for_each(|granted| of_act(granted.act(), limited, around, &mut found));
            if plan.review.is_some() {
                found.extend([FailureKind::ApprovalRejected, FailureKind::ApprovalExpired]);
            }
        }
        Kind::Act(act) => of_act(act, limited, around, &mut found),
        Kind::Verify(verify) => {
            found.insert(FailureKind::UnsupportedClaim);
            if let Some(read) = &verify.read {
                of_act(read, limited, around, &mut found);
            }
        }
        Kind::Approve(_) => {
            found.extend([FailureKind::ApprovalRejected, FailureKind::ApprovalExpired, FailureKind::ContractViolated]);
        }
        Kind::Handoff(handoff) => {
            found.insert(FailureKind::ContractViolated);
            found.extend(handoff.timeout.map(|_| FailureKind::NoAnswer));
        }
        Kind::Specialist(handoff) => {
            found.extend([FailureKind::HandoffFailed, FailureKind::InputInvalid, FailureKind::ContractViolated]);
            found.extend(handoff.timeout.map(|_| FailureKind::NoAnswer));
            found.extend(limited.then_some(FailureKind::BudgetExceeded));
        }
        Kind::Decide(_) => {
            found.insert(FailureKind::ContractViolated);
        }
        Kind::Each(each) => {
            found.insert(FailureKind::ContractViolated);
            if !matches!(each.join, Join::Settle) {
                inside(step, stage, program, around, &mut found);
            }
        }
        Kind::Parallel(_) => {
            found.insert(FailureKind::ContractViolated);
            inside(step, stage, program, around, &mut found);
        }
        Kind::Repeat(_) => {
            found.insert(FailureKind::NoProgress);
            inside(step, stage, program, around, &mut found);
        }
        Kind::Native(_) => {
            found.insert(FailureKind::ContractViolated);
        }
        Kind::Set(_) | Kind::Wait(_) | Kind::Emit(_) => {}
    }
    found.extend(step.deadline.map(|_| FailureKind::DeadlineExceeded));
    let changes = |kind: &FailureKind| {
        let list = table::list(step, stage, *kind, program).1;
        list.iter().any(|item| matches!(item, Recovery::Repair { .. } | Recovery::Replan { .. }))
    };
    if found.iter().any(changes) {
        found.insert(FailureKind::NoProgress);
    }
    FailureKind::ALL.iter().copied().filter(|kind| found.contains(kind)).collect()
}

fn of_ask(reason: &Reason, limited: bool, found: &mut BTreeSet<FailureKind>) {
    found.extend([
        FailureKind::ProviderRateLimited,
        FailureKind::ProviderSpendLimit,
        FailureKind::ProviderOverloaded,
        FailureKind::ProviderError,
        FailureKind::ProviderTimeout,
        FailureKind::ProviderAuth,
        FailureKind::Refused,
        FailureKind::Truncated,
        FailureKind::InvalidOutput,
        FailureKind::InvalidArguments,
        FailureKind::ContextOverflow,
        FailureKind::ContractViolated,
    ]);
    found.extend((!reason.check.is_empty()).then_some(FailureKind::BadReasoning));
    if let Some(unsure) = &reason.unsure {
        found.insert(FailureKind::Unsure);
        // Time that runs out is a failure of its own.
        let in_time = |then: &Then| matches!(then, Then::Person { timeout: Some(_), .. });
        found.extend(unsure.then.iter().any(in_time).then_some(FailureKind::NoAnswer));
    }
    found.extend(limited.then_some(FailureKind::BudgetExceeded));
}

fn of_act(act: &Act, limited: bool, around: &Around<'_>, found: &mut BTreeSet<FailureKind>) {
    found.extend([
        FailureKind::InvalidArguments,
        FailureKind::ToolRejected,
        FailureKind::ToolTimeout,
        FailureKind::ToolError,
        FailureKind::PermissionDenied,
        FailureKind::ContractViolated,
    ]);
    found.extend((act.declared().effect != Effect::Read).then_some(FailureKind::UnknownOutcome));
    if around.asks(act) {
        found.extend([FailureKind::ApprovalRejected, FailureKind::ApprovalExpired]);
    }
    found.extend(limited.then_some(FailureKind::BudgetExceeded));
}

/// A block fails as its bodies do.
fn inside(step: &Step, stage: usize, program: &Program, around: &Around<'_>, found: &mut BTreeSet<FailureKind>) {
    for (_, steps) in step.bodies() {
        for inner in steps {
            found.extend(can_occur(inner, stage, program, around));
        }
    }
}
