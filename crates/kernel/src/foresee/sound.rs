//! Lists of recoveries that guess, change nothing, are never reached or are about nothing; and runs that would fail over what cannot
//! be undone.

use std::collections::BTreeSet;

use super::{
    Around, kinds, steps,
    table::{self, From},
};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    governance::Effect,
    recovery::{FailureKind, Recovery},
    step::{Kind, Step},
    workflow::{Listed, Program, Recoveries},
};

/// The group of operations that nobody can take back.
const IRREVERSIBLE: &str = "Irreversible";

/// Complains about the lists of a workflow.
pub(super) fn lists(program: &Program, complaints: &mut Complaints) {
    let all = steps(program);
    let mut check = |lists: &Recoveries, about: &[&Step], own: bool| {
        for (kind, list) in lists {
            complaints.extend(unreached(program, list));
            complaints.extend(changes_nothing(program, *kind, list, about));
            complaints.extend(guesses(program, *kind, list, about, own));
            complaints.extend(goes_on(program, *kind, list, about));
        }
    };
    let every: Vec<&Step> = all.iter().map(|(.., step)| *step).collect();
    check(&program.on_failure, &every, false);
    for (number, stage) in program.stages.iter().enumerate() {
        let inside: Vec<&Step> = all.iter().filter(|(stage, ..)| *stage == number).map(|(.., step)| *step).collect();
        check(&stage.on_failure, &inside, false);
    }
    for step in &every {
        check(&step.on_failure, &[step], true);
    }
}

/// What stands behind an item that always ends the list.
fn unreached(program: &Program, list: &Listed) -> Option<Complaint> {
    let last = list.iter().position(Recovery::ends)?;
    let (item, place) = (list.get(last + 1)?, list.place(last + 1));
    let message = format!("`{item}` is never reached: `{}` before it ends the list", list[last]);
    Some(Complaint::new("W195", &program.file, place, message).hint("put it last, or leave out what stands behind it"))
}

/// Whether sending the same again after a wait cannot help.
fn is_settled(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::PermissionDenied
            | FailureKind::ApprovalRejected
            | FailureKind::InvalidOutput
            | FailureKind::BadReasoning
            | FailureKind::InvalidArguments
            | FailureKind::DeadlineExceeded
            | FailureKind::NoProgress
    )
}

fn changes_nothing(program: &Program, kind: FailureKind, list: &Listed, about: &[&Step]) -> Option<Complaint> {
    // A block that is tried again does its bodies anew.
    if about.iter().all(|step| step.is_block()) {
        return None;
    }
    let late = kind == FailureKind::DeadlineExceeded;
    let blind = |item: &Recovery| match item {
        Recovery::Retry { .. } => is_settled(kind),
        Recovery::Repair { .. } | Recovery::Replan { .. } | Recovery::Model(_) => late,
        _ => false,
    };
    let place = list.iter().position(blind)?;
    let message = format!("`{}` after `{kind}` changes nothing that could help", list[place]);
    let hint = match kind {
        FailureKind::InvalidOutput | FailureKind::BadReasoning => {
            "`{ repair: 2 }` shows the model the errors, `{ model: … }` asks another one"
        }
        FailureKind::DeadlineExceeded => "the time is over: leave for a stage, ask people or go on with a value",
        _ => "leave for a stage, ask people, or let the step fail",
    };
    Some(Complaint::new("W193", &program.file, list.place(place), message).hint(hint))
}

fn guesses(program: &Program, kind: FailureKind, list: &Listed, about: &[&Step], own: bool) -> Option<Complaint> {
    if !matches!(kind, FailureKind::ToolError | FailureKind::ToolTimeout | FailureKind::UnknownOutcome) {
        return None;
    }
    let place = list.iter().position(|item| matches!(item, Recovery::Retry { .. }))?;
    // A list for other steps as well: the engine sends again only what never left.
    if !own && kind == FailureKind::ToolError {
        return None;
    }
    let covered = |step: &&&Step| own || !step.on_failure.contains_key(&kind);
    let once = about.iter().filter(covered).find(|step| effect(step) == Some(Effect::AtMostOnce))?;
    let called = once.call().map(|act| act.called()).unwrap_or_default();
    let message = format!(
        "`{called}` of `{}` is `at_most_once`: after `{kind}` no `retry` may send it again, for it may have been performed",
        once.name
    );
    let complaint = Complaint::new("W192", &program.file, list.place(place), message);
    if own && kind != FailureKind::ToolError {
        let hint = "leave it out: what never left is sent again anyway; for `unknown_outcome` write `{ person: … }`";
        return Some(complaint.hint(hint));
    }
    let hint =
        "only what never left is sent again, and that needs no list; after anything else people resolve it".to_owned();
    Some(complaint.warning().hint(hint))
}

fn goes_on(program: &Program, kind: FailureKind, list: &Listed, about: &[&Step]) -> Option<Complaint> {
    if !matches!(kind, FailureKind::ToolTimeout | FailureKind::UnknownOutcome) {
        return None;
    }
    let place = list.iter().position(|item| matches!(item, Recovery::ContinueWith(_)))?;
    let acts = |step: &&&Step| {
        effect(step).is_some_and(|effect| effect != Effect::Read)
            && step.on_failure.get(&kind).is_none_or(|own| std::ptr::eq(own, list))
    };
    let act = about.iter().find(acts)?;
    let called = act.call().map(|act| act.called()).unwrap_or_default();
    let message = format!(
        "after `{kind}` nobody knows whether `{called}` of `{}` was performed: no value can stand for it",
        act.name
    );
    let hint = "write `{ person: … }`, who find out, or a `probe` where the operation has one";
    Some(Complaint::new("W194", &program.file, list.place(place), message).hint(hint))
}

fn effect(step: &Step) -> Option<Effect> {
    match &step.kind {
        Kind::Act(act) => Some(act.declared().effect),
        _ => None,
    }
}

/// Kinds that are named where no step can fail so.
pub(super) fn occurring(program: &Program, around: &Around<'_>, complaints: &mut Complaints) {
    let all = steps(program);
    let possible = |wanted: &dyn Fn(usize, &Step) -> bool| {
        let mut found = BTreeSet::new();
        for (stage, _, step) in all.iter().filter(|(stage, _, step)| wanted(*stage, step)) {
            found.extend(kinds::can_occur(step, *stage, program, around));
            // Limits differ from machine to machine.
            if step.call().is_some() || matches!(step.kind, Kind::Reason(_)) || step.is_block() {
                found.insert(FailureKind::BudgetExceeded);
            }
        }
        found
    };
    let mut look = |lists: &Recoveries, whose: &str, found: BTreeSet<FailureKind>| {
        for (kind, list) in lists.iter().filter(|(kind, _)| !found.contains(kind)) {
            let message = format!("{whose} fail with `{kind}`");
            let complaint = Complaint::new("W196", &program.file, list.at, message).warning();
            let hint = match kind {
                FailureKind::InputInvalid => Some(
                    "only what is handed to another workflow can fail so: without a fitting input no run begins"
                        .to_owned(),
                ),
                FailureKind::DeadlineExceeded => Some("write `deadline:` on a step".to_owned()),
                FailureKind::ApprovalRejected | FailureKind::ApprovalExpired => {
                    Some("no rule in policies/ask/ puts its action before people".to_owned())
                }
                _ => did_you_mean(kind.as_str(), found.iter().map(|kind| kind.as_str())),
            };
            complaints.push(complaint.or_hint(hint));
        }
    };
    look(&program.on_failure, "no step of the workflow can", possible(&|_, _| true));
    for (number, stage) in program.stages.iter().enumerate() {
        let whose = format!("no step of the stage `{}` can", stage.name);
        look(&stage.on_failure, &whose, possible(&|of, _| of == number));
    }
    for (_, _, step) in &all {
        let found = possible(&|_, one| one.name == step.name);
        look(&step.on_failure, &format!("the step `{}` cannot", step.name), found);
    }
}

/// Kinds that say of a program or a tool file that it has a mistake, or that follow from another kind.
fn is_a_slip(kind: FailureKind) -> bool {
    matches!(
        kind,
        FailureKind::Internal
            | FailureKind::NoProgress
            | FailureKind::ContractViolated
            | FailureKind::InvalidArguments
            | FailureKind::InputInvalid
    )
}

/// Steps that may fail the run after something was done that cannot be undone, and about whose failures nothing is said.
pub(super) fn irreversible(program: &Program, around: &Around<'_>, complaints: &mut Complaints) {
    let mut done: Option<(&Step, String)> = None;
    for (stage, depth, step) in steps(program) {
        if let (Some((act, called)), 0) = (&done, depth) {
            let left: Vec<String> = kinds::can_occur(step, stage, program, around)
                .into_iter()
                .filter(|kind| !is_a_slip(*kind))
                .filter(|kind| {
                    let (from, list) = table::list(step, stage, *kind, program);
                    from == From::Default && list.is_empty() && *kind != FailureKind::UnknownOutcome
                })
                .map(|kind| format!("`{kind}`"))
                .collect();
            if !left.is_empty() {
                let message = format!(
                    "`{}` may fail the run with {} after `{}` (`{called}`), which cannot be undone",
                    step.name,
                    left.join(", "),
                    act.name
                );
                let hint = "write what is done then in `on_failure`, such as `{ person: … }` or `pause`";
                complaints.push(Complaint::new("W197", &program.file, step.at, message).warning().hint(hint));
            }
        }
        if let Kind::Act(act) = &step.kind
            && act.declared().effect != Effect::Read
            && act.declared().groups.iter().any(|group| &**group == IRREVERSIBLE)
            && act.undo.is_none()
            && done.is_none()
        {
            done = Some((step, act.called()));
        }
    }
}
