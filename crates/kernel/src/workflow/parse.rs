//! A workflow file becomes a program. Reading and typing go together: a step sees the steps above it.

use std::sync::Arc;

use crate::{
    cache::{self, Inside},
    complaint::Complaint,
    expr::Template,
    governance::{budget::Limit, labels::Flow},
    ids::Digest,
    step,
    types::Type,
    workflow::{
        Program, ResultOf, Stage, contract,
        reading::{ListOf, Reading},
        returns,
    },
    yaml::{Fields, Node},
};

const KNOWN: &[&str] = &[
    "workflow",
    "title",
    "input",
    "result",
    "about",
    "acts_for",
    "budget",
    "context",
    "stages",
    "on_failure",
    "done_when",
    "deadline",
    "cache",
];
const LATER: [&str; 5] = ["on", "flow", "schedule", "queue", "priority"];

/// Reads a workflow. `None` if there were errors that leave no program.
pub(super) fn workflow(file: &Arc<str>, node: &Node, bundle: Digest, reading: &mut Reading<'_>) -> Option<Program> {
    let fields = Fields::new(node, "a workflow", KNOWN, &LATER, &mut reading.complaints)?;
    let before = reading.complaints.len();
    let name = fields.text("workflow", &mut reading.complaints);
    let title = fields.opt_text("title", &mut reading.complaints);
    let input = fields.get("input").and_then(|node| reading.schema(node));
    reading.begin(input.as_ref().map_or(Type::Any, |schema| schema.ty().clone()));

    let about = fields
        .map("about", &mut reading.complaints)
        .iter()
        .filter_map(|(key, node)| Some((key.text.clone(), of_input(node, "about", reading)?.0)))
        .collect();
    let acts_for = fields.get("acts_for").and_then(|node| {
        let (template, ty) = of_input(node, "acts_for", reading)?;
        if let Some(why) = Type::TEXT.maybe().refusal(&ty) {
            reading.complaints.push(node.complaint("E003", format!("`acts_for` is the id of a person: {why}")));
        }
        Some(template)
    });
    let budget = fields.get("budget").and_then(|node| Limit::of_run(node, &mut reading.complaints));
    let deadline = fields.time("deadline", &mut reading.complaints);
    let draft = fields.get("cache").map(|node| cache::memo(node, Some(&["input"]), reading));
    let before_layer = reading.uses.len();
    let context = fields.get("context").and_then(|node| reading.layer(node));
    reading.layers = reading.uses[before_layer..].to_vec();

    let nodes = fields.required("stages", &mut reading.complaints)?.list(&mut reading.complaints)?;
    if nodes.is_empty() {
        reading.complaints.push(node.complaint("W003", "a workflow needs at least one stage"));
    }
    names_of_stages(nodes, reading);
    reading.anywhere = true;
    let on_failure = reading.on_failure(&fields, ListOf::Workflow);
    reading.anywhere = false;
    let always_doubt = reading.may_leave;
    let mut stages = Vec::new();
    for (place, node) in nodes.iter().enumerate() {
        (reading.stage, reading.may_leave) = (place, always_doubt);
        if let Some(stage) = stage(node, reading) {
            stages.push(stage);
        }
    }
    reading.stage = stages.len();
    let result = fields.get("result").and_then(|node| result(node, reading));
    let sound = |reading: &Reading<'_>| {
        let mut found = reading.complaints.as_slice()[before..].iter();
        found.all(|one| one.severity != crate::complaint::Severity::Error)
    };
    let memo = match draft {
        Some(Some(draft)) => {
            let steps = stages.iter().flat_map(|stage| &stage.steps).collect();
            Some(cache::of_part(draft, &Inside { steps, stage: false, layers: &[] }, reading))
        }
        _ => None,
    };
    if let Some(key) = fields.key("done_when").filter(|_| memo.is_some()) {
        let message = "the result of this workflow is used again, and a run that did nothing proves nothing";
        let hint = "leave `done_when` or `cache` away; or cache the stages that read and compute";
        reading.complaints.push(Complaint::new("W182", file, key.span, message).hint(hint));
    }
    let done_when = contract::read(&fields, sound(reading).then_some(&stages), reading);
    returns::probes(file, &stages, &on_failure, reading);
    returns::check(file, &stages, &on_failure, reading);
    let order: Vec<Arc<str>> =
        stages.iter().map(|stage| stage.name.clone()).filter(|name| !reading.named.contains(name)).collect();
    if !sound(reading) {
        return None;
    }
    for stage in &stages {
        reading.unread(file, &stage.steps);
    }
    let name = name?;
    Some(Program {
        bundle,
        title: title.unwrap_or_else(|| name.clone()),
        name,
        file: file.clone(),
        input,
        result,
        about,
        acts_for,
        budget,
        deadline,
        context,
        stages,
        order,
        on_failure,
        tools: reading.tools.clone(),
        routes: reading.routes.clone(),
        // Followed once all workflows are read: what one hands to another carries labels.
        labels: Flow::default(),
        done_when,
        uses: std::mem::take(&mut reading.uses),
        cache: memo,
    })
}

/// What is computed at the start.
fn of_input(node: &Node, key: &str, reading: &mut Reading<'_>) -> Option<(Template, Type)> {
    let (template, ty) = reading.template(node)?;
    if let Some(root) = template.roots().iter().find(|root| &*root.name != "input") {
        let message = format!("`{key}` is computed at the start, from `input` alone; `{}` is not there yet", root.name);
        reading.complaints.push(node.complaint("W024", message));
        return None;
    }
    Some((template, ty))
}

/// The names first: a `then` may name a stage that stands further down.
fn names_of_stages(nodes: &[Node], reading: &mut Reading<'_>) {
    for node in nodes {
        let crate::yaml::Kind::Map(entries) = &node.kind else { continue };
        let Some((_, name)) = entries.iter().find(|(key, _)| &*key.text == "stage") else { continue };
        let Some(text) = reading.name(name, "a stage") else {
            reading.stages.push(name.scalar().cloned().unwrap_or_default());
            continue;
        };
        if reading.stages.contains(&text) {
            let message = format!("there is a stage `{text}` already");
            reading.complaints.push(name.complaint("W021", message));
        }
        reading.stages.push(text);
    }
}

fn stage(node: &Node, reading: &mut Reading<'_>) -> Option<Stage> {
    let known = ["stage", "context", "steps", "on_failure", "cache"];
    let fields = Fields::new(node, "a stage", &known, &["when", "budget"], &mut reading.complaints)?;
    let name = fields.text("stage", &mut reading.complaints)?;
    let draft = fields.get("cache").map(|node| cache::memo(node, None, reading));
    let shared = reading.layers.len();
    let before_layer = reading.uses.len();
    let context = fields.get("context").and_then(|node| reading.layer(node));
    let own: Vec<_> = reading.uses[before_layer..].to_vec();
    reading.layers.extend(own);
    let known = reading.innermost();
    let nodes = fields.required("steps", &mut reading.complaints)?;
    let steps = step::read_all(nodes, reading);
    let on_failure = reading.on_failure(&fields, ListOf::Stage);
    if reading.named.contains(&name) || reading.may_leave {
        reading.doubt(&known);
    }
    reading.layers.truncate(shared);
    let memo = match draft {
        Some(draft) => {
            let layers = std::mem::take(&mut reading.layers);
            let inside = Inside { steps: steps.iter().collect(), stage: true, layers: &layers };
            let memo = cache::of_part(draft?, &inside, reading);
            reading.layers = layers;
            Some(memo)
        }
        None => None,
    };
    Some(Stage { name, at: node.span, context, steps, on_failure, cache: memo })
}

fn result(node: &Node, reading: &mut Reading<'_>) -> Option<ResultOf> {
    let fields = Fields::new(node, "`result`", &["schema", "value"], &[], &mut reading.complaints)?;
    let schema = fields.get("schema").and_then(|node| reading.schema(node));
    let node = fields.required("value", &mut reading.complaints)?;
    let (value, ty) = reading.template(node)?;
    if let Some(schema) = &schema
        && let Some(why) = schema.ty().refusal(&ty)
    {
        reading.complaints.push(node.complaint("W025", format!("the result does not fit its schema: {why}")));
    }
    Some(ResultOf { schema, value, ty })
}
