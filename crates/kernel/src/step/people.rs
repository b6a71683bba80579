//! What steps that put something before people share: names, ends, and what is a fact and what a claim.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    complaint::did_you_mean,
    expr::Template,
    governance::{
        approval::Terms,
        labels::{GENERATED, Origin, UNTRUSTED},
    },
    ids::{Digest, StepPath},
    journal::{ApprovalEnd, Event},
    next::Walk,
    recovery::{Failure, FailureKind},
    run::Approving,
    schema::Schema,
    values::{Span, Value},
    workflow::reading::Reading,
    yaml::{Fields, Node},
};

/// Names an approval: the same question of the same visit has the same id, however often it is computed.
pub(crate) fn approval_id(walk: &Walk<'_>, path: &StepPath, nth: u32) -> Arc<str> {
    id(walk, path, nth, b"surefoot/approval/v1\0", "apr")
}

/// Names work for people, in the same way.
pub(crate) fn work_id(walk: &Walk<'_>, path: &StepPath, nth: u32) -> Arc<str> {
    id(walk, path, nth, b"surefoot/item/v1\0", "wrk")
}

fn id(walk: &Walk<'_>, path: &StepPath, nth: u32, domain: &[u8], prefix: &str) -> Arc<str> {
    let digest = Digest::of(&[domain, &walk.state.run.bytes(), path.as_str().as_bytes(), &nth.to_be_bytes()]);
    let hex = digest.to_string();
    format!("{prefix}_{}", &hex[hex.len() - 16..]).into()
}

/// An approval came to its end without an action.
pub(crate) fn ended(step: &StepPath, approving: &Approving, end: ApprovalEnd) -> Event {
    Event::ApprovalEnded { step: step.clone(), approval: approving.id.clone(), end }
}

/// Somebody said no.
pub(crate) fn rejected(by: Arc<str>, reason: &str) -> ApprovalEnd {
    let detail = if reason.is_empty() { format!("{by} said no") } else { format!("{by} said no: {reason}") };
    let failure = Failure::inside(FailureKind::ApprovalRejected, detail);
    ApprovalEnd::Failed { failure, by: Some(by) }
}

/// Nobody decided in time: more people are asked, or the step fails.
pub(crate) fn expired(walk: &Walk<'_>, approving: &Approving, path: &StepPath) -> Event {
    let terms: &Terms = &approving.terms;
    let span = terms.expires_at.map(|at| Span::from_micros(at.micros() - terms.asked_at.micros()));
    let until = walk.facts.now + span.unwrap_or_default();
    if let Some(terms) = terms.escalate(walk.facts.now, until) {
        let (approval, card) = (approving.id.clone(), approving.card.clone());
        let to = format!("{approval}e").into();
        return Event::ApprovalEscalated { step: path.clone(), approval, to, terms, card };
    }
    let detail = format!("nobody of {} decided in time", crate::story::whom(terms));
    let failure = Failure::inside(FailureKind::ApprovalExpired, detail);
    ended(path, approving, ApprovalEnd::Failed { failure, by: None })
}

/// How far each of these named values may be relied on: `{name: {standing: fact | claim, labels, from}}`. A claim is what somebody
/// outside or a model wrote, and whatever the program does not know the origin of; `from` names where that came in.
pub(crate) fn standings(walk: &Walk<'_>, path: &StepPath, values: &Value) -> Value {
    let Value::Map(values) = values else { return Value::map::<&str>([]) };
    let origins = walk.program.labels.told.get(path.name());
    Value::map(values.keys().map(|name| (name.clone(), standing(origins.and_then(|origins| origins.get(name))))))
}

/// These values, all of them as claims.
pub(crate) fn claims(values: &Value) -> Value {
    let Value::Map(values) = values else { return Value::map::<&str>([]) };
    Value::map(values.keys().map(|name| (name.clone(), standing(None))))
}

fn standing(origin: Option<&Origin>) -> Value {
    let Some(origin) = origin else {
        let none = || Value::list([]);
        return Value::map([("standing", Value::from("claim")), ("labels", none()), ("from", none())]);
    };
    let labels = origin.words();
    let claim = labels.contains(UNTRUSTED) || labels.contains(GENERATED);
    let generated = origin.labels.get(GENERATED).into_iter().flatten().cloned();
    let mut from = origin.untrusted_from();
    from.extend(generated);
    let texts = |words: BTreeSet<Arc<str>>| Value::list(words.into_iter().map(Value::Text));
    Value::map([
        ("standing", Value::from(if claim { "claim" } else { "fact" })),
        ("labels", texts(labels)),
        ("from", texts(from)),
    ])
}

/// A schema as data, for a card.
pub(crate) fn schema_value(schema: &Schema) -> Value {
    Value::from_json(schema.json().to_string().as_bytes()).expect("a schema is JSON: held by its reader")
}

/// A group that stands in `people.yaml`. A bundle does not hold that file: there, any name goes.
pub(crate) fn group(node: &Node, reading: &mut Reading<'_>) -> Option<Arc<str>> {
    let name = node.text(&mut reading.complaints)?;
    if let Some(people) = reading.people()
        && people.group(&name).is_none()
    {
        let hint = did_you_mean(&name, people.group_names().map(|name| &**name));
        let hint = hint.unwrap_or_else(|| format!("write it in people.yaml below `groups:`, as `{name}: {{}}`"));
        reading.complaints.push(node.complaint("W071", format!("there is no group `{name}`")).hint(hint));
    }
    Some(name)
}

/// A map of names to values, each with expressions in it.
pub(crate) fn named_values(key: &str, fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<Option<Template>> {
    let Some(node) = fields.get(key) else { return Some(None) };
    node.map(&mut reading.complaints)?;
    reading.template(node).map(|(template, _)| Some(template))
}
