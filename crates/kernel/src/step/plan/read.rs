//! `plan` as it stands in a workflow file, and the schema of what its model writes.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use super::{Plan, REVIEW, Review};
use crate::{
    expr::Text,
    run::ASK,
    schema::Schema,
    step::{
        Kind, approve,
        approve::Approve,
        proposals::{self, Granted},
        reason::Reason,
    },
    types::Type,
    workflow::reading::Reading,
    yaml::{Fields, Node},
};

/// The keys of this kind.
pub(crate) const KEYS: [&str; 7] = ["plan", "model", "see", "tools", "limits", "review", "budget"];
/// Documented keys of later versions.
pub(crate) const LATER: [&str; 3] = ["undo", "check", "unsure"];

/// Actions of a plan that does not say, and the most that it may say.
const ACTIONS: (u32, i64) = (8, 100);

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, name: Option<&Arc<str>>, reading: &mut Reading<'_>) -> Option<(Plan, Type)> {
    let by = name.cloned().unwrap_or_default();
    let (see, types) = reading.see(fields);
    let prompt = reading.prompt(fields.get("plan")?, &types);
    let tokens = reading.call_budget(fields);
    let model = fields.required("model", &mut reading.complaints).and_then(|node| reading.model(node));
    let granted = fields.required("tools", &mut reading.complaints);
    let granted = granted.and_then(|node| proposals::read(node, &by, reading));
    let actions = limits(fields, reading);
    let review = fields.get("review").map(|node| review(node, &by, reading));
    if let (Some(model), Some(node)) = (&model, fields.get("model"))
        && reading.is_of_rules(model)
    {
        let complaint = proposals::cannot_propose(node, model);
        reading.complaints.push(complaint);
        return None;
    }
    let (prompt, model, granted) = (prompt?, model?, granted?);
    let review = match review {
        Some(review) => Some(review?),
        None => None,
    };
    let output = match Schema::from_json(&schema(&granted)) {
        Ok(output) => output,
        Err(why) => {
            let message = format!("the schemas of what is granted make no schema of a plan together: {why}");
            reading.complaints.push(
                fields
                    .node
                    .complaint("W167", message)
                    .hint("refer inside each `params` by paths, as in `#/$defs/name`"),
            );
            return None;
        }
    };
    let ask = Reason {
        prompt,
        model,
        see,
        output,
        check: Vec::new(),
        unsure: None,
        trust: Vec::new(),
        tokens,
        turn: None,
        cache: None,
        plans: Some(by.clone()),
    };
    let ask = proposals::inner(ASK, fields.node.span, Kind::Reason(ask), Type::Any);
    let ty = ty();
    Some((Plan { ask, granted, actions, review }, ty))
}

fn limits(fields: &Fields<'_>, reading: &mut Reading<'_>) -> u32 {
    let node = fields.get("limits");
    let read = node.and_then(|node| Fields::new(node, "`limits`", &["actions"], &[], &mut reading.complaints));
    let said = read.as_ref().and_then(|fields| fields.int("actions", 1, ACTIONS.1, &mut reading.complaints));
    said.and_then(|said| u32::try_from(said).ok()).unwrap_or(ACTIONS.0)
}

/// `review: { by, when, quorum, expires, on_expiry, no_self }`.
fn review(node: &Node, by: &Arc<str>, reading: &mut Reading<'_>) -> Option<Review> {
    let known = ["by", "when", "quorum", "expires", "on_expiry", "no_self"];
    let fields = Fields::new(node, "`review`", &known, &[], &mut reading.complaints)?;
    let asked = approve::asked("by", &fields, false, reading);
    let when = fields.get("when").map(|node| {
        reading.enter([("plan".into(), frozen_ty())]);
        let when = reading.condition(node);
        reading.leave();
        when
    });
    let when = match when {
        Some(when) => Some(when?),
        None => None,
    };
    let approve::Asked { of, quorum, expires, on_expiry, no_self } = asked?;
    let ask = Text::compile("").ok()?;
    let approve =
        Approve { ask, of, quorum, expires, on_expiry, no_self, evidence: None, form: None, plan: Some(by.clone()) };
    let step = proposals::inner(REVIEW, node.span, Kind::Approve(approve), Type::Any);
    Some(Review { step, when })
}

/// What the condition of a review may read.
fn frozen_ty() -> Type {
    let counts = ["version", "actions", "writes", "asks", "cost_cents"];
    Type::object(counts.into_iter().map(|name| (name, Type::Int)))
}

/// What the step gives.
fn ty() -> Type {
    let action = Type::object([
        ("id", Type::TEXT),
        ("act", Type::TEXT),
        ("with", Type::Any),
        ("why", Type::TEXT),
        ("needs", Type::list(Type::TEXT)),
    ]);
    let plan = Type::object([
        ("goal", Type::TEXT),
        ("actions", Type::list(action)),
        ("version", Type::Int),
        ("digest", Type::TEXT),
    ]);
    let result =
        Type::object([("id", Type::TEXT), ("act", Type::TEXT), ("value", Type::Any), ("evidence", Type::TEXT)]);
    Type::object([("plan", plan), ("results", Type::list(result))])
}

/// What a model is told that a plan looks like: an action for each operation, with the arguments of that one.
fn schema(granted: &[Granted]) -> Json {
    let text = || json!({ "type": "string" });
    let mut defs = serde_json::Map::new();
    let mut kinds: Vec<Json> = Vec::new();
    for one in granted {
        let mut with = one.params().json().clone();
        // What names a whole file has no place inside another.
        if let Some(with) = with.as_object_mut() {
            ["$id", "$schema"].iter().for_each(|key| drop(with.remove(*key)));
        }
        if refer(&mut with, &format!("#/$defs/{}", one.name)) {
            defs.insert(one.name.to_string(), with);
            with = json!({ "$ref": format!("#/$defs/{}", one.name) });
        }
        let says = one.act().declared().says.as_ref().map(|says| says.source().to_owned());
        let says = says.unwrap_or_else(|| format!("Calls {}", one.action()));
        kinds.push(json!({
            "type": "object",
            "description": says,
            "required": ["id", "act", "with", "why", "needs"],
            "additionalProperties": false,
            "properties": {
                "id": text(),
                "act": { "type": "string", "enum": [one.action()] },
                "with": with,
                "why": text(),
                "needs": { "type": "array", "items": text() },
            },
        }));
    }
    let items = match kinds.len() {
        1 => kinds.remove(0),
        _ => json!({ "anyOf": kinds }),
    };
    let mut plan = json!({
        "type": "object",
        "description": "The actions that are to be done, in order. `id` is a short name of each, `needs` the ids of those that come before it.",
        "required": ["goal", "actions"],
        "additionalProperties": false,
        "properties": { "goal": text(), "actions": { "type": "array", "items": items } },
    });
    if !defs.is_empty() {
        plan["$defs"] = Json::Object(defs);
    }
    plan
}

/// Lets the references inside a schema begin at its new place; whether there is one.
fn refer(schema: &mut Json, at: &str) -> bool {
    match schema {
        Json::Object(map) => {
            let mut found = false;
            for (key, value) in map.iter_mut() {
                match value.as_str().and_then(|text| text.strip_prefix('#')).map(str::to_owned) {
                    Some(rest) if key == "$ref" => {
                        *value = Json::String(format!("{at}{rest}"));
                        found = true;
                    }
                    _ => found |= refer(value, at),
                }
            }
            found
        }
        Json::Array(items) => {
            let mut found = false;
            items.iter_mut().for_each(|item| found |= refer(item, at));
            found
        }
        _ => false,
    }
}
