//! Which facts a rule's condition reads, so that a decision can show their values.

use std::sync::Arc;

use cedar_policy::Policy;
use serde_json::Value as Json;

use super::request::Request;
use crate::values::Value;

/// A fact of a request, as a rule names it without `context.`: `input.amount`, `principal.version`, `resource`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub name: Arc<str>,
    steps: Vec<Arc<str>>,
}

/// The facts that the conditions of `policy` read, in the order written.
pub(super) fn of(policy: &Policy) -> Vec<Read> {
    let mut found = Vec::new();
    let json = policy.to_json().unwrap_or_default();
    for condition in json.get("conditions").and_then(Json::as_array).into_iter().flatten() {
        walk(&condition["body"], &mut found);
    }
    found
}

fn walk(expr: &Json, found: &mut Vec<Read>) {
    if let Some(steps) = path(expr) {
        let name: Arc<str> = match steps.split_first() {
            Some((root, rest)) if &**root == "context" && !rest.is_empty() => rest.join(".").into(),
            _ => steps.join(".").into(),
        };
        if !found.iter().any(|read| read.name == name) {
            found.push(Read { name, steps });
        }
        return;
    }
    match expr {
        Json::Array(items) => items.iter().for_each(|item| walk(item, found)),
        Json::Object(fields) => {
            for (operator, operands) in fields {
                match (operator.as_str(), operands) {
                    // A literal reads nothing, whatever its keys are called.
                    ("Value" | "Var" | "Slot", _) => {}
                    ("Record", Json::Object(fields)) => fields.values().for_each(|value| walk(value, found)),
                    (_, Json::Object(operands)) => operands.values().for_each(|operand| walk(operand, found)),
                    (_, operands) => walk(operands, found),
                }
            }
        }
        _ => {}
    }
}

/// `a.b.c`, and `a.b has c`: the name of the variable and of each attribute.
fn path(expr: &Json) -> Option<Vec<Arc<str>>> {
    let (operator, operand) = expr.as_object()?.iter().next()?;
    match operator.as_str() {
        "Var" => Some(vec![operand.as_str()?.into()]),
        "." | "has" => {
            let mut steps = path(operand.get("left")?)?;
            match operand.get("attr")? {
                Json::String(one) => steps.push(one.as_str().into()),
                // `a has b.c`. A part that is no text leaves the whole variable to be read.
                Json::Array(several) => {
                    let several: Option<Vec<Arc<str>>> =
                        several.iter().map(|one| one.as_str().map(Arc::from)).collect();
                    steps.extend(several?);
                }
                _ => return None,
            }
            Some(steps)
        }
        _ => None,
    }
}

impl Read {
    /// The way to it in the context, if it stands there.
    pub fn in_context(&self) -> Option<&[Arc<str>]> {
        let (root, rest) = self.steps.split_first()?;
        (&**root == "context").then_some(rest)
    }

    /// Its value in `request`; `none` where it is not there.
    pub fn value(&self, request: &Request<'_>) -> Value {
        let mut steps = self.steps.iter().map(|step| &**step);
        let (root, first) = (steps.next().unwrap_or_default(), steps.next());
        let texts = |texts: &std::collections::BTreeSet<Arc<str>>| Value::list(texts.iter().cloned().map(Value::Text));
        let value = match (root, first) {
            ("principal", Some("version")) => Value::text(request.version),
            ("principal", Some("model")) => request.model.map_or(Value::Null, Value::text),
            ("principal", Some("on_behalf_of")) => request.on_behalf_of.map_or(Value::Null, Value::text),
            ("principal", None) => Value::text(request.step_id()),
            ("resource", None) => request.resource.map_or_else(|| Value::text(request.tool), |(_, id)| Value::text(id)),
            ("action", None) => Value::text(request.action()),
            ("context", Some("input")) => request.input.clone(),
            ("context", Some("run")) => request.run_value(),
            ("context", Some("history")) => {
                Value::map(request.history.iter().map(|(name, count)| (name.clone(), Value::Int(*count))))
            }
            ("context", Some("sizes")) => request.sizes(),
            ("context", Some("labels")) => texts(request.labels),
            ("context", Some("control_untrusted")) => texts(request.control_untrusted),
            ("context", Some("now")) => Value::text(request.now.to_string()),
            _ => Value::Null,
        };
        steps.fold(value, |value, step| value.get(step).cloned().unwrap_or_default())
    }
}
