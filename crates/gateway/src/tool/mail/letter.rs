//! From `with` to a letter: addresses are read one by one, and nothing that comes from a run can begin a line of its head.

use std::time::{Duration, UNIX_EPOCH};

use kernel::{
    expr::Text,
    ids::IdempotencyKey,
    values::{Timestamp, Value},
};
use lettre::{
    Address, Message,
    message::{Mailbox, header::ContentType},
};

use super::MailOperation;
use crate::tool::values;

/// The most recipients of one letter.
const MOST: usize = 100;

/// A letter, as it travels.
#[derive(Debug)]
pub(super) struct Letter {
    pub from: Address,
    pub to: Vec<Address>,
    /// With its angle brackets.
    pub message_id: String,
    pub bytes: Vec<u8>,
}

impl Letter {
    /// Writes it; on failure says what is wrong with the arguments.
    pub(super) fn write(
        from: &Mailbox,
        operation: &MailOperation,
        with: &Value,
        key: &IdempotencyKey,
        now: Timestamp,
    ) -> Result<Letter, String> {
        let line = |name: &str, text: &Text| {
            let line = text.render(&values(text.roots(), with))?;
            let broken = line.chars().any(char::is_control);
            if broken { Err(format!("`{name}` would hold a line end or another control character")) } else { Ok(line) }
        };
        let to = recipients(&operation.to.eval(&values(operation.to.roots(), with))?)?;
        let message_id = format!("<{key}@{}>", from.email.domain());
        let date = UNIX_EPOCH + Duration::from_micros(u64::try_from(now.micros()).unwrap_or(0));
        let mut builder = Message::builder()
            .from(from.clone())
            .date(date)
            .message_id(Some(message_id.clone()))
            .subject(line("subject", &operation.subject)?)
            .header(ContentType::TEXT_PLAIN);
        for one in &to {
            builder = builder.to(one.clone());
        }
        if let Some(reply_to) = &operation.reply_to {
            let text = line("reply_to", reply_to)?;
            builder = builder.reply_to(mailbox(&text).map_err(|why| format!("`reply_to`: `{text}` {why}"))?);
        }
        let text = operation.text.render(&values(operation.text.roots(), with))?;
        // A bare CR would pass as it is, and some servers take one for a line end: then `CR . CR` ends the letter.
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        let message = builder.body(text).map_err(|error| format!("the letter cannot be written: {error}"))?;
        let to = to.into_iter().map(|one| one.email).collect();
        Ok(Letter { from: from.email.clone(), to, message_id, bytes: message.formatted() })
    }
}

fn recipients(value: &Value) -> Result<Vec<Mailbox>, String> {
    let one = |value: &Value| {
        let text = value.as_str().ok_or_else(|| format!("`to` holds {}, no address", value.kind()))?;
        mailbox(text).map_err(|why| format!("`to`: `{}` {why}", text.escape_debug()))
    };
    let all = match value {
        Value::List(items) => items.iter().map(one).collect::<Result<Vec<_>, _>>()?,
        other => vec![one(other)?],
    };
    match all.len() {
        0 => Err("`to` is an empty list: a letter has a recipient".to_owned()),
        1..=MOST => Ok(all),
        many => Err(format!("`to` holds {many} addresses, and a letter has at most {MOST}")),
    }
}

/// Reads `Name <name@host>` or `name@host`: one address, all of the text.
pub(super) fn mailbox(text: &str) -> Result<Mailbox, &'static str> {
    if text.chars().any(char::is_control) {
        return Err("holds a line end or another control character");
    }
    let text = text.trim();
    let (name, address) = match text.strip_suffix('>').and_then(|text| text.split_once('<')) {
        Some((name, address)) => (name.trim().trim_matches('"'), address),
        None => ("", text),
    };
    if name.contains(['<', '>', '"', '\\']) {
        return Err("has a name that cannot stand before an address");
    }
    // lettre reads more forms than these; each of them is a way to name somebody whom nobody sees.
    if !address.is_ascii() || address.contains(['"', '\\', '(', '<', '>', ',', ';', ' ']) {
        return Err("is not one address: write `name@host` or `Name <name@host>`, in ASCII");
    }
    let address: Address =
        address.parse().map_err(|_| "is not one address: write `name@host` or `Name <name@host>`, in ASCII")?;
    Ok(Mailbox::new((!name.is_empty()).then(|| name.to_owned()), address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_is_read_whole_or_refused() {
        let read = |text: &str| mailbox(text).map(|one| (one.name.unwrap_or_default(), one.email.to_string()));
        assert_eq!(read("a@b.example").unwrap(), (String::new(), "a@b.example".to_owned()));
        assert_eq!(
            read(" Ann O'Hara <a+x@b.example> ").unwrap(),
            ("Ann O'Hara".to_owned(), "a+x@b.example".to_owned())
        );
        assert_eq!(read("\"Hara, Ann\" <a@b.example>").unwrap().0, "Hara, Ann");
        for text in [
            "",
            "a",
            "a@",
            "@b",
            "a@b@c",
            "a@b.example, c@d.example",
            "a@b.example;c@d.example",
            "a@b.example c@d.example",
            "<a@b.example> c@d.example",
            "x <a@b.example> <c@d.example>",
            "a@b.example\r\nBcc: c@d.example",
            "Ann\nBcc: c@d.example <a@b.example>",
            "\"a b\"@c.example",
            "a(x)@b.example",
            "zoë@b.example",
            "a@bücher.example",
            "a@b.example>",
            "group: a@b.example;",
        ] {
            assert!(mailbox(text).is_err(), "{text}");
        }
    }
}
