//! `trust:`: which fields of an answer may be acted upon, and what has to hold for that.

use std::sync::Arc;

use super::schema;
use crate::{
    complaint::{Place, did_you_mean},
    expr::Expr,
    schema::Schema,
    types::{Property, Type},
    workflow::reading::Reading,
    yaml::{Fields, Key, Kind, Node},
};

/// One field under `trust:`.
#[derive(Debug)]
pub struct Trust {
    /// The field, outermost name first.
    pub field: Vec<Arc<str>>,
    /// What must hold when an action is judged; `None` for `enum`, which the schema of the answer holds.
    pub tie: Option<Arc<TrustRef>>,
}

/// What ties a field to trusted data. Asked when an action is judged, never assumed.
#[derive(Debug)]
pub struct TrustRef {
    /// The step whose answer has the field.
    pub step: Arc<str>,
    /// The field, with dots: `order.id`.
    pub field: Arc<str>,
    /// The field's value, in the frame of the step and those inside it.
    pub value: Expr,
    /// A list: the value (of a list, each item) is one of it.
    pub within: Option<Expr>,
    /// A number: the value is a number and not more.
    pub at_most: Option<Expr>,
    /// Where it is written.
    pub at: Place,
}

impl TrustRef {
    /// `step.field`.
    pub fn key(&self) -> Arc<str> {
        format!("{}.{}", self.step, self.field).into()
    }

    /// As a person says it: "in `payments.ids` and at most `payments.largest`".
    pub fn says(&self) -> String {
        let within = self.within.as_ref().map(|list| format!("in `{}`", list.source()));
        let at_most = self.at_most.as_ref().map(|bound| format!("at most `{}`", bound.source()));
        within.into_iter().chain(at_most).collect::<Vec<_>>().join(" and ")
    }

    /// The expressions that must themselves come from trusted data.
    pub fn ties(&self) -> impl Iterator<Item = &Expr> {
        self.within.iter().chain(&self.at_most)
    }

    /// Whether one of its expressions reads one of these names.
    pub fn reads(&self, names: &[Arc<str>]) -> bool {
        let all = self.ties().chain([&self.value]);
        all.flat_map(Expr::roots).any(|root| names.contains(&root.name))
    }
}

/// The key `trust` of a step whose answer fits `output`.
pub(crate) fn read(fields: &Fields<'_>, output: Option<&Schema>, reading: &mut Reading<'_>) -> Option<Vec<Trust>> {
    let Some(node) = fields.get("trust") else { return Some(Vec::new()) };
    let step = fields.get("step").and_then(|node| node.scalar()).cloned()?;
    let Some(output) = output else {
        // A schema with mistakes has had its complaint.
        if !fields.has("output") {
            let message = "`trust` needs `output`: only what a schema describes can be trusted";
            reading.complaints.push(node.complaint("W081", message));
        }
        return None;
    };
    let entries = node.map(&mut reading.complaints)?;
    // All of them are read, so that a person sees all complaints at once.
    let trust: Vec<Option<Trust>> = entries.iter().map(|(key, node)| one(key, node, &step, output, reading)).collect();
    trust.into_iter().collect()
}

fn one(key: &Key, node: &Node, step: &Arc<str>, output: &Schema, reading: &mut Reading<'_>) -> Option<Trust> {
    let field: Vec<Arc<str>> = key.text.split('.').map(Arc::from).collect();
    let Some(closed) = schema::closed(output.json(), &field) else {
        let known: Vec<Arc<str>> = match output.ty().property("") {
            Property::Missing(names) => names,
            _ => Vec::new(),
        };
        let hint = did_you_mean(&key.text, known.iter().map(|name| &**name));
        let message = format!("the answer's schema has no field `{}`", key.text);
        reading.complaints.push(node.complaint("W081", message).or_hint(hint));
        return None;
    };
    if !matches!(node.kind, Kind::Map(_)) {
        node.one_of(&["enum"], &mut reading.complaints)?;
        if !closed {
            let message = format!("`{}` is no closed type, so `enum` does not make it trusted", key.text);
            let hint = "give it `enum`, `const`, `type: boolean`, or a whole number with `minimum` and `maximum`; \
                        or tie it to trusted data with `{ in: … }` or `{ at_most: … }`";
            reading.complaints.push(node.complaint("W081", message).hint(hint));
            return None;
        }
        return Some(Trust { field, tie: None });
    }
    let fields = Fields::new(node, "`trust` of a field", &["in", "at_most"], &[], &mut reading.complaints)?;
    if !fields.has("in") && !fields.has("at_most") {
        let message = "`trust` of a field is `enum`, `{ in: a list }` or `{ at_most: a number }`";
        reading.complaints.push(node.complaint("W003", message));
        return None;
    }
    let list = typed(&fields, "in", &Type::list(Type::Any), reading);
    let bound = typed(&fields, "at_most", &Type::Number, reading);
    let ty = field.iter().try_fold(output.ty().clone(), |ty, name| match ty.present().property(name) {
        Property::Found { ty, .. } => Some(ty.present()),
        _ => None,
    });
    if fields.has("at_most")
        && let Some(why) = ty.and_then(|ty| Type::Number.refusal(&ty))
    {
        reading.complaints.push(node.complaint("W081", format!("`{}` has no bound: {why}", key.text)));
        return None;
    }
    let value = value(step, &field).or_else(|| {
        reading.complaints.push(node.complaint("W081", format!("`{}` cannot be read by an expression", key.text)));
        None
    })?;
    let tie = TrustRef {
        step: step.clone(),
        field: key.text.clone(),
        value,
        within: list.ok()?,
        at_most: bound.ok()?,
        at: node.span,
    };
    Some(Trust { field, tie: Some(Arc::new(tie)) })
}

/// The expression under a key; an error has had its complaint.
fn typed(fields: &Fields<'_>, key: &str, wanted: &Type, reading: &mut Reading<'_>) -> Result<Option<Expr>, ()> {
    let Some(node) = fields.get(key) else { return Ok(None) };
    let (expr, ty) = reading.expr(node).ok_or(())?;
    match wanted.refusal(&ty) {
        None => Ok(Some(expr)),
        Some(why) => {
            reading.complaints.push(node.complaint("E003", format!("`{key}` of `trust`: {why}")));
            Err(())
        }
    }
}

fn value(step: &str, field: &[Arc<str>]) -> Option<Expr> {
    let below: String = field.iter().map(|name| format!("['{name}']")).collect();
    let plain = |name: &Arc<str>| name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' '));
    field.iter().all(plain).then(|| Expr::compile(&format!("{step}{below}")).ok()).flatten()
}
