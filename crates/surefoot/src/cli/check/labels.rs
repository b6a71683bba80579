//! `check --labels`.

use std::collections::BTreeMap;

use kernel::{
    governance::labels::{self, ActLabels, Origin},
    workflow::project::Project,
};
use serde_json::{Value, json};

/// For each workflow with actions, what they carry.
pub(super) fn text(project: &Project) -> String {
    let drawn = project.workflows.values().map(|program| (&program.name, labels::draw(program)));
    drawn
        .filter(|(_, drawn)| !drawn.is_empty())
        .map(|(name, drawn)| format!("{name}\n{}\n", indented(&drawn)))
        .collect()
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

/// The same, by the name of the workflow.
pub(super) fn json(project: &Project) -> Value {
    let one = |act: &&ActLabels| {
        let arguments =
            act.arguments.iter().map(|(pointer, origin)| (pointer.to_string(), argument(act, pointer, origin)));
        json!({
            "step": act.step,
            "action": act.action,
            "outward": act.outward,
            "arguments": arguments.collect::<BTreeMap<_, _>>(),
        })
    };
    let workflows = project.workflows.values();
    let acts =
        workflows.map(|program| (program.name.to_string(), labels::acts(program).iter().map(one).collect::<Vec<_>>()));
    json!(acts.collect::<BTreeMap<_, _>>())
}

fn argument(act: &ActLabels, pointer: &str, origin: &Origin) -> Value {
    let name = pointer.strip_prefix('/').unwrap_or_default();
    let ties = origin
        .tied
        .iter()
        .map(|(field, tied)| json!({ "field": field, "is": tied.trust.says(), "sources": tied.sources }));
    let allowed = act.allow_list.get(name).into_iter().flatten().map(ToString::to_string);
    json!({
        "control": act.control.contains(name),
        "labels": origin.labels,
        "trusted_if": ties.collect::<Vec<_>>(),
        "allowed": allowed.collect::<Vec<_>>(),
    })
}
