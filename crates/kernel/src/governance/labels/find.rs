//! What `check` says about labels.

use std::{collections::BTreeMap, sync::Arc};

use super::{ActLabels, Flow, flow::Untied};
use crate::{
    complaint::Complaint,
    step::{
        Kind, Step,
        act::{Act, undo_name},
        proposals::{Granted, labels_name},
    },
    workflow::Program,
};

pub(super) fn complaints(program: &Program, flow: &Flow, untied: &Untied) -> Vec<Complaint> {
    let mut steps = BTreeMap::new();
    program.stages.iter().for_each(|stage| acts(&stage.steps, &mut steps));
    let found = flow.acts.values().filter_map(|labels| Some((labels, *steps.get(&labels.step)?)));
    let control = found.flat_map(|(labels, (step, act))| {
        let untrusted = move |argument: &Arc<str>| untrusted(program, labels, step, act, argument);
        labels.control.iter().filter_map(untrusted).collect::<Vec<_>>()
    });
    let ties = untied.values().map(|(trust, read)| {
        let from = listed(&read.untrusted_from().into_iter().collect::<Vec<_>>());
        let message =
            format!("`{}` would be trusted when it is {}, but that reads {from}, which is untrusted", trust.field, trust.says());
        let hint = "tie it to data that is declared `trusted`: by `returns.labels` of an operation, or by `x-labels` in a schema";
        Complaint::new("W082", &program.file, trust.at, message).hint(hint)
    });
    ties.chain(control).collect()
}

fn acts<'p>(steps: &'p [Step], found: &mut BTreeMap<Arc<str>, (&'p Step, &'p Act)>) {
    for step in steps {
        if let Kind::Agent(agent) = &step.kind {
            let granted = agent.granted.iter().map(Granted::act);
            found.extend(granted.map(|act| (labels_name(&step.name, act), (step, act))));
        }
        if let Kind::Plan(plan) = &step.kind {
            let granted = plan.granted.iter().map(Granted::act);
            found.extend(granted.map(|act| (labels_name(&step.name, act), (step, act))));
        }
        if let Some(act) = step.call() {
            found.insert(step.name.clone(), (step, act));
            found.extend(act.undo.iter().map(|undo| (undo_name(&step.name), (step, &**undo))));
        }
        step.bodies().into_iter().for_each(|(_, steps)| acts(steps, found));
    }
}

fn untrusted(program: &Program, labels: &ActLabels, step: &Step, act: &Act, argument: &Arc<str>) -> Option<Complaint> {
    let origin = labels.control_origin(argument)?;
    if !origin.is_untrusted() || labels.allow_list.contains_key(argument) {
        return None;
    }
    let sources: Vec<Arc<str>> = origin.untrusted_from().into_iter().collect();
    let message = format!(
        "`{argument}` says what `{}` does, and it comes from {}, which is untrusted",
        labels.action,
        listed(&sources)
    );
    let file = &act.tool.file;
    let hint = format!(
        "tie it to trusted data with `trust:` on the step that gives it, write what it may be under `allow_list` in {file}, or let a \
         policy put it before a person; if who sends it may decide it, declare it with `x-labels: [trusted]`"
    );
    let at = act.with.as_ref().and_then(|with| with.field_node(argument)).map_or(step.at, |node| node.span);
    Some(Complaint::new("W084", &program.file, at, message).hint(hint).warning())
}

/// `a`, `b` and 3 more.
pub(super) fn listed(sources: &[Arc<str>]) -> String {
    const SHOWN: usize = 4;
    let mut text = sources.iter().take(SHOWN).map(|source| format!("`{source}`")).collect::<Vec<_>>().join(", ");
    if sources.len() > SHOWN {
        text.push_str(&format!(" and {} more", sources.len() - SHOWN));
    }
    text
}
