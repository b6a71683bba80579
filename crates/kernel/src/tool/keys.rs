//! Which keys of an operation belong to which way of reaching its tool, and how a file names a secret.

use std::sync::Arc;

use crate::{
    complaint::{Complaint, Complaints},
    workflow::reading::Reading,
    yaml::{Fields, Node},
};

/// Every way to reach a tool, as its key is written in a tool file.
pub(super) const WAYS: [&str; 8] = ["native", "http", "page", "sql", "mail", "webhook", "command", "mcp"];

/// The keys of an operation that only one way has, and what that way is called in a sentence.
const OWN: [(&str, &str, &[&str]); 6] = [
    ("http", "HTTP", &["method", "path", "query", "headers", "body", "operation_id"]),
    ("sql", "SQL", &["statement", "rows"]),
    ("mail", "mail", &["to", "subject", "text", "reply_to"]),
    ("webhook", "a webhook", &["type", "data"]),
    ("command", "a command", &["args"]),
    ("mcp", "MCP", &["name"]),
];

/// The one way that a tool file names; `None` if it names none or several.
pub(super) fn way(fields: &Fields<'_>) -> Option<&'static str> {
    let mut named = WAYS.into_iter().filter(|way| fields.has(way));
    named.next().filter(|_| named.next().is_none())
}

/// Complains about keys of an operation that mean nothing for the way its tool is reached.
pub(super) fn foreign(fields: &Fields<'_>, way: Option<&str>, reading: &mut Reading<'_>) {
    let is = OWN.iter().find(|(own, ..)| Some(*own) == way);
    let is = is.map_or("in another way".to_owned(), |(_, called, _)| format!("by {called}"));
    // A page says of its own what it has not.
    let others = OWN.iter().filter(|(own, ..)| Some(*own) != way && !(way == Some("page") && *own == "http"));
    for (_, called, keys) in others {
        for key in keys.iter().filter_map(|key| fields.key(key)) {
            let message =
                format!("`{}` belongs to a tool that is reached by {called}, and this one is reached {is}", key.text);
            reading.complaints.push(Complaint::new("W001", &fields.node.file, key.span, message));
        }
    }
}

/// Whether a text is `secret://name`, or `secret://name@version`, and nothing else.
pub(crate) fn is_secret(text: &str) -> bool {
    let mut found = secrets(text);
    let whole = |(name, version): (&str, &str)| {
        let version = if version.is_empty() { String::new() } else { format!("@{version}") };
        text == format!("{SECRET}{name}{version}")
    };
    found.next().is_some_and(whole) && found.next().is_none()
}

const SECRET: &str = "secret://";

/// The secrets that a text names, each with its version; the version is empty where none is written.
pub(crate) fn secrets(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let word =
        |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_')).unwrap_or(text.len());
    let found = text.split(SECRET).skip(1).map(move |after| {
        let (name, rest) = after.split_at(word(after));
        let version = rest.strip_prefix('@').map_or("", |rest| &rest[..word(rest)]);
        (name, version)
    });
    found.filter(|(name, _)| !name.is_empty())
}

/// `secret://name`, whole. The text may be the secret itself: it is not repeated.
pub(crate) fn secret(node: &Node, complaints: &mut Complaints) -> Option<Arc<str>> {
    let text = node.text(complaints)?;
    if is_secret(&text) {
        return Some(text);
    }
    let hint = "name it, as in `secret://mail`, and set SUREFOOT_SECRET_MAIL";
    complaints.push(node.complaint("W005", "a secret does not stand in a file").hint(hint));
    None
}
