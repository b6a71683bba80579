//! The shop as a project: its tools with what is known of their effects, who may do what, and a workflow for each recorded sequence.

use std::{collections::BTreeMap, fmt::Write as _};

use kernel::workflow::project::{Project, Sources, check};
use serde::Deserialize;
use serde_json::{Value, json};

use super::shop::{CHANGES, REFUNDS};

const TOOLS: &str = include_str!("../../testdata/tau-retail/tools.json");
const REPLAY: &str = include_str!("../../testdata/tau-retail/replay.jsonl");

const PEOPLE: &str = "people:
  rita: { name: Rita, groups: [ managers ] }
  mona: { name: Mona, groups: [ managers ] }
groups: { managers: {} }
";

/// Every tool of the shop may be used; nothing else may.
const ALLOW: &str = r#"@id("shop.look")
permit (principal is Step, action in Action::"Look", resource);

@id("shop.change")
permit (principal is Step, action in Action::"Change", resource);
"#;

/// More than 500 dollars go back only if a manager agrees, and not the one who asked.
const ASK: &str = r#"@id("refund.review") @reason("More than 500 dollars would go back")
@approve_by("managers") @no_self("true")
forbid (principal, action in Action::"Money", resource)
when { context.input.refund_cents > 50000 };
"#;

/// From how many cents on nobody needs to be asked.
pub const FREE_CENTS: i64 = 50_000;

/// One tool as its authors describe it.
#[derive(Debug, Deserialize)]
struct Described {
    name: String,
    parameters: Value,
}

/// A call with what the original tool answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// Its arguments.
    pub arguments: Value,
    /// What the tool said; `None`: the original collection has no such tool.
    pub output: Option<String>,
}

/// One recorded sequence.
#[derive(Clone, Debug, Deserialize)]
pub struct Task {
    /// Its number.
    pub task_id: String,
    /// In order.
    pub calls: Vec<Call>,
    /// Of the whole shop afterwards.
    pub final_state_sha256: String,
}

/// All recorded sequences.
///
/// # Errors
/// A line of the recording cannot be read.
pub fn tasks() -> Result<Vec<Task>, serde_json::Error> {
    REPLAY.lines().map(serde_json::from_str).collect()
}

/// The project of one sequence, its workflow being `task`; with `ask`, large refunds are put before a manager.
///
/// # Errors
/// Its complaints, one a line; or a description of a tool cannot be read.
pub fn project(task: &Task, ask: bool) -> Result<(Sources, Project), String> {
    let mut files = tools().map_err(|why| why.to_string())?;
    files.insert("surefoot.yaml".to_owned(), "project: retail\n".to_owned());
    files.insert("people.yaml".to_owned(), PEOPLE.to_owned());
    files.insert("policies/allow/shop.cedar".to_owned(), ALLOW.to_owned());
    if ask {
        files.insert("policies/ask/refunds.cedar".to_owned(), ASK.to_owned());
    }
    files.insert("workflows/task.yaml".to_owned(), workflow(task));
    let sources: Sources = files.into_iter().collect();
    let checked = check(&sources);
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    Ok((sources, checked.project.ok_or_else(|| complaints.join("\n"))?))
}

/// The tool file, and a schema for the arguments of each tool.
fn tools() -> Result<BTreeMap<String, String>, serde_json::Error> {
    let mut described: Vec<Described> = serde_json::from_str(TOOLS)?;
    let id = |name: &str| json!({"type": "object", "properties": {name: {"type": "string"}}, "required": [name]});
    described.push(Described { name: "get_item_details".to_owned(), parameters: id("item_id") });
    let ids = json!({"type": "array", "items": {"type": "string"}});
    let mut refund = id("order_id");
    refund["properties"]["item_ids"] = ids;
    described.push(Described { name: "refund_of".to_owned(), parameters: refund });

    let mut files = BTreeMap::new();
    let mut tool = "tool: retail\nnative: true\noperations:\n".to_owned();
    for Described { name, mut parameters } in described {
        let change = CHANGES.contains(&name.as_str());
        let (mut control, mut groups) = (Vec::new(), vec![if change { "Change" } else { "Look" }]);
        if change {
            control.push(if name.contains("user") { "user_id" } else { "order_id" });
        }
        if REFUNDS.contains(&name.as_str()) {
            groups.extend(["Money", "Irreversible"]);
            control.push("refund_cents");
            parameters["properties"]["refund_cents"] = json!({"type": "integer", "minimum": 0});
            if let Some(required) = parameters["required"].as_array_mut() {
                required.push(json!("refund_cents"));
            }
        }
        parameters["additionalProperties"] = json!(false);
        files.insert(format!("schemas/{name}.yaml"), format!("{parameters}\n"));
        let effect = if change { "idempotent" } else { "read" };
        let returns = match name.as_str() {
            "refund_of" => "{ schema: schemas/cents.yaml, labels: [ trusted ] }",
            _ => "schemas/said.yaml",
        };
        let resource = match control.first() {
            Some(&"user_id") => "\n    resource: { type: Customer, id: =with.user_id }",
            Some(_) => "\n    resource: { type: Order, id: =with.order_id }",
            None => "",
        };
        let control = if control.is_empty() { String::new() } else { format!("\n    control: {}", json!(control)) };
        let _ = writeln!(
            tool,
            "  {name}:\n    effect: {effect}\n    params: schemas/{name}.yaml\n    returns: {returns}\n    groups: {}{control}{resource}",
            json!(groups)
        );
    }
    files.insert("tools/retail.yaml".to_owned(), tool);
    files.insert("schemas/said.yaml".to_owned(), "type: string\n".to_owned());
    let cents = "type: object\nrequired: [ cents ]\nproperties: { cents: { type: integer, minimum: 0 } }\n";
    files.insert("schemas/cents.yaml".to_owned(), cents.to_owned());
    Ok(files)
}

/// A step for each call; before one that gives money back, a step that asks how much that is.
fn workflow(task: &Task) -> String {
    let mut text = "workflow: task\nstages:\n  - stage: all\n    steps:\n      - { step: begin, set: 0 }\n".to_owned();
    let mut said = Vec::new();
    for (number, call) in task.calls.iter().enumerate() {
        let mut with: Value = plain(&call.arguments);
        if REFUNDS.contains(&call.name.as_str()) {
            let mut what = json!({"order_id": with["order_id"]});
            if let Some(items) = with.get("item_ids") {
                what["item_ids"] = items.clone();
            }
            let _ = writeln!(text, "      - {{ step: sum{number}, act: retail.refund_of, with: {what} }}");
            with["refund_cents"] = json!(format!("=sum{number}.cents"));
        }
        let _ = writeln!(text, "      - {{ step: call{number}, act: retail.{}, with: {with} }}", call.name);
        said.push(format!("=call{number}"));
    }
    let _ = writeln!(text, "result: {{ value: {} }}", json!(said));
    text
}

/// Texts that begin with `=` are no expressions here.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) if text.starts_with('=') => json!(format!("={text}")),
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), plain(field))).collect(),
        other => other.clone(),
    }
}
