//! The labels of a workflow, printed.

use std::{collections::BTreeSet, fmt::Write as _, sync::Arc};

use super::{ActLabels, Origin, find::listed};
use crate::{
    step::{Step, act::undo_name, proposals::labels_name},
    workflow::Program,
};

/// For each action of a workflow, in the order written, its arguments: what each carries, where that came in, and what must hold
/// for it.
pub fn draw(program: &Program) -> String {
    let mut out = String::new();
    for act in acts(program) {
        let outward = if act.outward { "  outward" } else { "" };
        let _ = writeln!(out, "{}  {}{outward}", act.step, act.action);
        for (pointer, origin) in &act.arguments {
            argument(&mut out, act, pointer, origin);
        }
    }
    out
}

/// What the actions of a workflow carry, in the order written.
pub fn acts(program: &Program) -> Vec<&ActLabels> {
    fn collect<'p>(steps: &'p [Step], program: &'p Program, found: &mut Vec<&'p ActLabels>) {
        for step in steps {
            let acts = &program.labels.acts;
            found.extend(step.calls().into_iter().filter_map(|act| acts.get(&labels_name(act.by.as_ref()?, act))));
            found.extend([acts.get(&step.name), acts.get(&undo_name(&step.name))].into_iter().flatten());
            step.bodies().into_iter().for_each(|(_, steps)| collect(steps, program, found));
        }
    }
    let mut found = Vec::new();
    program.stages.iter().for_each(|stage| collect(&stage.steps, program, &mut found));
    found
}

fn argument(out: &mut String, act: &ActLabels, pointer: &str, origin: &Origin) {
    let name = pointer.strip_prefix('/').unwrap_or("(all others)");
    let control = if act.control.contains(name) { "  control" } else { "" };
    if origin.is_empty() {
        let _ = writeln!(out, "  {name}{control}  nothing");
    } else {
        let _ = writeln!(out, "  {name}{control}");
    }
    let from = |sources: &BTreeSet<Arc<str>>| listed(&sources.iter().cloned().collect::<Vec<_>>());
    for (label, sources) in &origin.labels {
        let _ = writeln!(out, "    {label}  from {}", from(sources));
    }
    for tied in origin.tied.values() {
        let trust = &tied.trust;
        let _ =
            writeln!(out, "    untrusted  from {} unless `{}` is {}", from(&tied.sources), trust.key(), trust.says());
    }
    for allowed in act.allow_list.get(name).into_iter().flatten() {
        let _ = writeln!(out, "    allowed  {allowed}");
    }
}
