//! `mail`: a tool that hands letters to a mail server.

use std::sync::Arc;

use serde_json::json;

use super::{Reach, keys, whole};
use crate::{
    complaint::Complaint,
    expr::{Template, Text},
    governance::Effect,
    schema::Schema,
    types::Type,
    workflow::reading::Reading,
    yaml::{Fields, Key, Node},
};

/// `mail: { smtp, from, … }`.
#[derive(Debug)]
pub struct Mail {
    /// `smtps://host:port` or `smtp://host:port`: a text or `=env.NAME`.
    pub smtp: Template,
    /// Who writes: `Name <name@host>` or an address.
    pub from: Arc<str>,
    /// Whom the server knows us as; `None`: it does not ask.
    pub user: Option<Arc<str>>,
    /// `secret://name`; there exactly if `user` is.
    pub password: Option<Arc<str>>,
    /// Whether letters may go unencrypted to a server that is not this machine.
    pub plain: bool,
}

/// One letter, made from `with`.
#[derive(Debug)]
pub struct MailCall {
    /// An address, or a list of addresses.
    pub to: Template,
    /// One line.
    pub subject: Text,
    /// The letter, as plain text.
    pub text: Text,
    /// Where answers go, if not to `from`.
    pub reply_to: Option<Text>,
}

/// Reads `mail: { smtp, from, user, password, plain }`.
pub(super) fn reach(node: &Node, reading: &mut Reading<'_>) -> Option<Reach> {
    let known = ["smtp", "from", "user", "password", "plain"];
    let fields = Fields::new(node, "`mail`", &known, &[], &mut reading.complaints)?;
    let smtp = fields.required("smtp", &mut reading.complaints);
    reading.enter([("env".into(), Type::Any)]);
    let smtp = smtp.and_then(|node| reading.template(node));
    reading.leave();
    let from = fields.text("from", &mut reading.complaints);
    let user = fields.opt_text("user", &mut reading.complaints);
    let password = whole(fields.get("password").map(|node| keys::secret(node, &mut reading.complaints)))?;
    if user.is_some() != password.is_some() {
        let message = "a mail server that knows us asks for `user` and `password`, both";
        reading.complaints.push(node.complaint("W003", message));
        return None;
    }
    let plain = fields.bool("plain", false, &mut reading.complaints);
    Some(Reach::Mail(Mail { smtp: smtp?.0, from: from?, user, password, plain }))
}

/// Reads what an operation sends.
pub(super) fn call(key: &Key, fields: &Fields<'_>, effect: Effect, reading: &mut Reading<'_>) -> Option<MailCall> {
    if !matches!(effect, Effect::AtMostOnce | Effect::Probed) {
        let message = format!("`{}` sends a letter: its effect is not `{}`", key.text, effect.as_str());
        let hint =
            "no mail server de-duplicates: write `effect: at_most_once`, or `effect: probed` if a query can find it";
        reading.complaints.push(fields.node.complaint("W030", message).hint(hint));
    }
    for name in ["returns", "key"] {
        if let Some(key) = fields.key(name) {
            let message = format!("`{name}` of a mail operation is built in");
            let hint = "it gives `{ message_id, accepted }`, and the message id carries our key";
            reading.complaints.push(Complaint::new("W001", &fields.node.file, key.span, message).hint(hint));
        }
    }
    let to = fields.required("to", &mut reading.complaints);
    let to = to.and_then(|node| Some((node, reading.template(node)?)));
    if let Some((node, (_, ty))) = &to
        && !addresses(ty)
    {
        let message = format!("a letter goes to an address or a list of addresses, and this is {ty}");
        reading.complaints.push(node.complaint("W004", message));
    }
    let subject = fields.required("subject", &mut reading.complaints).and_then(|node| reading.text(node));
    let text = fields.required("text", &mut reading.complaints).and_then(|node| reading.text(node));
    let reply_to = whole(fields.get("reply_to").map(|node| reading.text(node)))?;
    Some(MailCall { to: to?.1.0, subject: subject?, text: text?, reply_to })
}

fn addresses(ty: &Type) -> bool {
    match ty.present() {
        Type::Text { .. } | Type::Any | Type::Union(_) => true,
        Type::List(item) => matches!(item.present(), Type::Text { .. } | Type::Any | Type::Union(_)),
        _ => false,
    }
}

/// What a mail operation gives.
pub(super) fn returns() -> Arc<Schema> {
    let schema = json!({
        "type": "object",
        "additionalProperties": false,
        "required": ["message_id", "accepted"],
        "properties": {
            "message_id": { "type": "string" },
            "accepted": { "type": "array", "items": { "type": "string" } },
        },
    });
    Schema::from_json(&schema).expect("a schema of ours is one: held by a test")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values::Value;

    #[test]
    fn the_built_in_schema_is_one() {
        let answer = Value::map([("message_id", "<a@b>".into()), ("accepted", Value::list(["c@d".into()]))]);
        assert!(returns().is_valid(&answer) && !returns().is_valid(&Value::Null));
    }
}
