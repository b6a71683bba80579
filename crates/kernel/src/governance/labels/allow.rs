//! `allow_list`: what a control argument may be whatever it comes from.

use std::{fmt, sync::Arc};

use crate::{complaint::Complaints, values::Value, yaml::Node};

/// One entry of an allow-list.
#[derive(Clone, Debug, PartialEq)]
pub enum Allowed {
    /// This value.
    Exactly(Value),
    /// The texts of a pattern: each `*` stands for at least one letter, digit or one of `. _ - +`, so that none stands for a second
    /// address, another host or the end of a line.
    Like(Arc<str>),
}

impl Allowed {
    /// Reads an entry: a value, or a text with `*`.
    pub(crate) fn read(node: &Node, complaints: &mut Complaints) -> Option<Allowed> {
        let value = complaints.take(node.to_value())?;
        match &value {
            Value::Text(text) if text.contains('*') => {
                if text.chars().all(|c| matches!(c, '*' | '.' | '@' | ':' | '/')) {
                    let message = format!("`{text}` allows everything");
                    let hint = "write what is allowed, as in `*@example.com`";
                    complaints.push(node.complaint("W005", message).hint(hint));
                    return None;
                }
                Some(Allowed::Like(text.clone()))
            }
            Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_) => Some(Allowed::Exactly(value)),
            Value::Null | Value::List(_) | Value::Map(_) => {
                complaints.push(node.expected("a text, a number or a pattern such as `*@example.com`"));
                None
            }
        }
    }

    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Allowed::Exactly(one), value) => one == value,
            (Allowed::Like(pattern), Value::Text(text)) => like(pattern, text),
            (Allowed::Like(_), _) => false,
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::Exactly(Value::Text(text)) | Allowed::Like(text) => f.write_str(text),
            Allowed::Exactly(value) => value.fmt(f),
        }
    }
}

/// Whether a value is on the list; of a list every item must be.
pub(super) fn allows(list: &[Allowed], value: &Value) -> bool {
    match value {
        Value::List(items) => items.iter().all(|item| !matches!(item, Value::List(_)) && allows(list, item)),
        value => list.iter().any(|allowed| allowed.holds(value)),
    }
}

fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let parts: Vec<&str> = parts.collect();
    for (number, part) in parts.iter().enumerate() {
        let last = number + 1 == parts.len();
        let end = if last { rest.strip_suffix(part).map(str::len) } else { next(rest, part) };
        let Some(end) = end else { return false };
        if end == 0 || !rest[..end].chars().all(plain) {
            return false;
        }
        rest = &rest[end + part.len()..];
    }
    rest.is_empty()
}

/// Where `part` begins, with at least one character before it.
fn next(text: &str, part: &str) -> Option<usize> {
    let first = text.chars().next()?.len_utf8();
    text[first..].find(part).map(|at| first + at)
}

fn plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_name_and_never_for_another_address() {
        for (pattern, text, wanted) in [
            ("*@shop.example", "ann.b+1@shop.example", true),
            ("*@shop.example", "@shop.example", false),
            ("*@shop.example", "ann@evil.example", false),
            ("*@shop.example", "eve@evil.example,ann@shop.example", false),
            ("*@shop.example", "eve@evil.example\nann@shop.example", false),
            ("*@shop.example", "eve@evil.example@shop.example", false),
            ("*@shop.example", "ann@shop.example.evil.example", false),
            ("*@shop.example", "\"eve@evil.example\"@shop.example", false),
            ("https://*.shop.example/a", "https://www.shop.example/a", true),
            ("https://*.shop.example/a", "https://evil.example/.shop.example/a", false),
            ("a*b*c", "a1b2c", true),
            ("a*b*c", "abbbc", true),
            ("a*b*c", "abc", false),
            ("order-*", "order-17", true),
            ("order-*", "order-", false),
            ("order-*", "order-1/2", false),
        ] {
            assert_eq!(allows(&[Allowed::Like(pattern.into())], &text.into()), wanted, "{pattern} {text:?}");
        }
    }

    #[test]
    fn of_a_list_every_item_must_be_allowed() {
        let list = [
            Allowed::Exactly("a@b.example".into()),
            Allowed::Exactly(Value::Int(7)),
            Allowed::Like("*@c.example".into()),
        ];
        let texts = |texts: &[&str]| Value::list(texts.iter().map(|text| Value::from(*text)));
        assert!(allows(&list, &texts(&["a@b.example", "x@c.example"])));
        assert!(!allows(&list, &texts(&["a@b.example", "x@d.example"])));
        assert!(allows(&list, &Value::Int(7)) && !allows(&list, &Value::Int(8)) && !allows(&list, &Value::Null));
        assert!(!allows(&list, &Value::list([texts(&["a@b.example"])])));
        assert!(!allows(&list, &Value::map([("a", Value::from("a@b.example"))])));
    }
}
