//! `probe`: how a tool file says whether an action was performed.
//!
//! ```yaml
//! effect: probed
//! probe: { operation: find, with: { reference: =key }, found: answer.count > 0, value: "=answer.items[0]", settle: 2m }
//! ```

use std::{collections::BTreeMap, sync::Arc};

use super::Operation;
use crate::{
    complaint::did_you_mean,
    expr::{Condition, Root, Template},
    governance::Effect,
    ids::IdempotencyKey,
    types::Type,
    values::{Span, Value},
    workflow::reading::Reading,
    yaml::{Fields, Key, Node},
};

/// A query that tells whether an action was performed.
#[derive(Debug)]
pub struct Probe {
    /// A reading operation of the same tool.
    pub operation: Arc<str>,
    /// Its arguments; knows `with` and `key`.
    pub with: Template,
    /// Whether it was performed; knows `with`, `key` and `answer`.
    pub found: Condition,
    /// What the action would have answered; `None`: the probe's answer.
    pub value: Option<Template>,
    /// Not before so long after the last sending: until then, "not found" says nothing.
    pub settle: Span,
}

/// A probe whose file names no `settle` waits so long: longer than a call may take, and the lease of who made it.
pub const SETTLE: Span = Span::from_millis(120_000);

/// The shortest `settle` that is believed: below it a call that is still on its way would count as not performed.
pub const LEAST_SETTLE: Span = Span::from_millis(1_000);

impl Probe {
    /// What the probe asks with.
    pub(crate) fn arguments(&self, with: &Value, key: &IdempotencyKey) -> Result<Value, String> {
        self.with.eval(&values(self.with.roots(), with, key, &Value::Null))
    }

    /// What its answer says: `Some` with what the action gave, `None` if it was not performed.
    pub(crate) fn read(&self, with: &Value, key: &IdempotencyKey, answer: &Value) -> Result<Option<Value>, String> {
        if !self.found.eval(&values(self.found.roots(), with, key, answer))? {
            return Ok(None);
        }
        match &self.value {
            None => Ok(Some(answer.clone())),
            Some(value) => value.eval(&values(value.roots(), with, key, answer)).map(Some),
        }
    }
}

fn values(roots: &[Root], with: &Value, key: &IdempotencyKey, answer: &Value) -> Vec<Value> {
    let named = |root: &Root| match &*root.name {
        "with" => with.clone(),
        "key" => Value::from(key.as_str()),
        _ => answer.clone(),
    };
    roots.iter().map(named).collect()
}

/// Reads the probes of a tool's operations, all of which are known by now.
pub(super) fn read_all(
    nodes: &[(Key, Node)],
    operations: &mut BTreeMap<Arc<str>, Operation>,
    reading: &mut Reading<'_>,
) -> Vec<Arc<str>> {
    let mut broken = Vec::new();
    for (key, node) in nodes {
        let Some(effect) = operations.get(&key.text).map(|operation| operation.effect) else { continue };
        let crate::yaml::Kind::Map(entries) = &node.kind else { continue };
        let probe = entries.iter().find(|(key, _)| &*key.text == "probe").map(|(_, node)| node);
        let read = match (effect, probe) {
            (Effect::Probed, Some(probe)) => read(probe, &key.text, operations, reading),
            (Effect::Probed, None) => {
                let message = format!("the operation `{}` does not say how it is probed", key.text);
                let hint = "write `probe: { operation: …, with: …, found: … }`, or `effect: at_most_once`";
                reading.complaints.push(node.complaint("W032", message).hint(hint));
                None
            }
            (_, None) => continue,
            (_, Some(probe)) => {
                let message = format!("`probe` belongs to the effect `probed`, not to `{}`", effect.as_str());
                reading.complaints.push(probe.complaint("W032", message));
                None
            }
        };
        match (read, operations.get_mut(&key.text)) {
            (Some(probe), Some(operation)) => operation.probe = Some(probe),
            _ => {
                operations.remove(&key.text);
                broken.push(key.text.clone());
            }
        }
    }
    broken
}

fn read(
    node: &Node,
    own: &str,
    operations: &BTreeMap<Arc<str>, Operation>,
    reading: &mut Reading<'_>,
) -> Option<Probe> {
    let known = ["operation", "with", "found", "value", "settle"];
    let fields = Fields::new(node, "`probe`", &known, &[], &mut reading.complaints)?;
    let at = fields.required("operation", &mut reading.complaints)?;
    let name = at.text(&mut reading.complaints)?;
    let Some(asked) = operations.get(&name) else {
        let others = operations.iter().filter(|(_, operation)| operation.effect == Effect::Read);
        let hint = did_you_mean(&name, others.map(|(name, _)| &**name));
        reading.complaints.push(at.complaint("W032", format!("the tool has no operation `{name}`")).or_hint(hint));
        return None;
    };
    if asked.effect != Effect::Read {
        let message = format!("a probe reads, and `{name}` is `{}`", asked.effect.as_str());
        reading.complaints.push(at.complaint("W032", message));
        return None;
    }
    let params = operations.get(own).and_then(|operation| operation.params.as_ref());
    let with = params.map_or(Type::Any, |schema| schema.ty().clone());
    let answer = asked.returns.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
    let (asked_params, names) = (asked.params.clone(), [("with".into(), with), ("key".into(), Type::TEXT)]);
    reading.enter(names.clone());
    let arguments = fields.required("with", &mut reading.complaints);
    let arguments = arguments.and_then(|node| Some((node, reading.template(node)?)));
    reading.leave();
    reading.enter(names.into_iter().chain([("answer".into(), answer)]));
    let found = fields.required("found", &mut reading.complaints).and_then(|node| reading.condition(node));
    let value = fields.get("value").map(|node| reading.template(node).map(|(template, _)| template));
    reading.leave();
    let (node, (with, ty)) = arguments?;
    if let Some(why) = asked_params.and_then(|params| params.ty().refusal(&ty)) {
        let message = format!("`with` does not fit the arguments of `{name}`: {why}");
        reading.complaints.push(node.complaint("W027", message));
        return None;
    }
    let settle = fields.time("settle", &mut reading.complaints).unwrap_or(SETTLE);
    if settle < LEAST_SETTLE {
        let at = fields.get("settle").unwrap_or(node);
        let message = "`settle` is at least one second: a call that is on its way must have arrived by then";
        reading.complaints.push(at.complaint("W032", message));
        return None;
    }
    Some(Probe { operation: name, with, found: found?, value: super::whole(value)?, settle })
}
