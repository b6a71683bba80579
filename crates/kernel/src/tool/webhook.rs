//! `webhook`: a tool that posts signed events to one address of the operator's (Standard Webhooks 1.0).

use std::sync::Arc;

use super::{Reach, keys};
use crate::{
    expr::Template,
    governance::Effect,
    types::Type,
    workflow::reading::Reading,
    yaml::{Fields, Key, Kind, Node},
};

/// `webhook: { url, secret }`.
#[derive(Debug)]
pub struct Webhook {
    /// A text, or `=env.NAME`.
    pub url: Template,
    /// `secret://name`, one or more while one is replaced; each gives a signature of its own.
    pub secrets: Arc<[Arc<str>]>,
}

/// One event.
#[derive(Debug)]
pub struct WebhookCall {
    /// What happened: `invoice.paid`.
    pub event: Arc<str>,
    /// What is said of it, made from `with`; `None`: all of `with`.
    pub data: Option<Template>,
}

/// Reads `webhook: { url, secret }`.
pub(super) fn reach(node: &Node, reading: &mut Reading<'_>) -> Option<Reach> {
    let fields = Fields::new(node, "`webhook`", &["url", "secret"], &[], &mut reading.complaints)?;
    let url = fields.required("url", &mut reading.complaints);
    reading.enter([("env".into(), Type::Any)]);
    let url = url.and_then(|node| reading.template(node));
    reading.leave();
    let secret = fields.required("secret", &mut reading.complaints)?;
    let listed = match &secret.kind {
        Kind::List(items) => items.as_slice(),
        _ => std::slice::from_ref(secret),
    };
    if listed.is_empty() {
        reading.complaints.push(secret.complaint("W003", "a webhook is signed: name a secret, as in `secret://hook`"));
    }
    let secrets: Vec<_> = listed.iter().filter_map(|node| keys::secret(node, &mut reading.complaints)).collect();
    let all = !listed.is_empty() && secrets.len() == listed.len();
    Some(Reach::Webhook(Webhook { url: url?.0, secrets: all.then_some(secrets)?.into() }))
}

/// Reads what an operation posts.
pub(super) fn call(key: &Key, fields: &Fields<'_>, effect: Effect, reading: &mut Reading<'_>) -> Option<WebhookCall> {
    if effect == Effect::Read {
        let message = format!("`{}` tells somebody something: its effect is not `read`", key.text);
        let hint = "write `effect: idempotent` if the receiver de-duplicates on `webhook-id`, which carries our key";
        reading.complaints.push(fields.node.complaint("W030", message).hint(hint));
    }
    if let Some(key) = fields.get("key") {
        let message = "a webhook carries our key in `webhook-id`: `key` is not written";
        reading.complaints.push(key.complaint("W001", message));
    }
    let node = fields.required("type", &mut reading.complaints)?;
    let event = node.text(&mut reading.complaints)?;
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if !event.split('.').all(plain) || event.len() > 128 {
        let message = format!("`{event}` cannot name an event");
        let hint = "write words with dots between, as in `invoice.paid`";
        reading.complaints.push(node.complaint("W005", message).hint(hint));
        return None;
    }
    let data = match fields.get("data") {
        Some(node) => Some(reading.template(node)?.0),
        None => None,
    };
    Some(WebhookCall { event, data })
}
