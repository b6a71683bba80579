//! Values as our YAML: plain words where nobody can misread them, quotes everywhere else.

use std::fmt::Write as _;

use kernel::{values::Value, yaml};

/// What fits on a line is written on one, in this many characters.
const WIDE: usize = 100;

/// `key: value`, with everything below it, each line indented by `indent`.
pub(super) fn entry(out: &mut String, indent: usize, key: &str, value: &Value) {
    let _ = write!(out, "{:indent$}{}:", "", word(key));
    after(out, indent, value);
}

/// `- value`, with everything below it.
pub(super) fn item(out: &mut String, indent: usize, value: &Value) {
    if short(value, indent + 2).is_none() {
        // What is inside begins on the line of the dash.
        let mut inside = String::new();
        below(&mut inside, indent + 2, value);
        let _ = write!(out, "{:indent$}- {}", "", inside.trim_start());
        return;
    }
    let _ = write!(out, "{:indent$}-", "");
    after(out, indent, value);
}

fn after(out: &mut String, indent: usize, value: &Value) {
    if let Some(text) = short(value, indent) {
        let _ = writeln!(out, " {text}");
        return;
    }
    out.push('\n');
    below(out, indent + 2, value);
}

/// The parts of what is long, each on lines of its own.
fn below(out: &mut String, indent: usize, value: &Value) {
    match value {
        Value::Map(map) => map.iter().for_each(|(key, value)| entry(out, indent, key, value)),
        Value::List(items) => items.iter().for_each(|value| item(out, indent, value)),
        // A scalar is always short.
        _ => {}
    }
}

/// On one line, if that is one that can be read: scalars always.
fn short(value: &Value, indent: usize) -> Option<String> {
    let text = flow(value);
    match value {
        Value::Map(map) if !map.is_empty() => (text.chars().count() + indent <= WIDE).then_some(text),
        Value::List(items) if !items.is_empty() => (text.chars().count() + indent <= WIDE).then_some(text),
        _ => Some(text),
    }
}

/// `{ a: 1, b: [ x ] }`.
pub(super) fn flow(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Int(number) => number.to_string(),
        // Plain decimals: an exponent is read in two ways.
        Value::Float(number) => number.to_string(),
        Value::Text(text) => word(text),
        Value::List(items) if items.is_empty() => "[]".to_owned(),
        Value::List(items) => format!("[ {} ]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(map) if map.is_empty() => "{}".to_owned(),
        Value::Map(map) => {
            let parts: Vec<String> = map.iter().map(|(key, value)| format!("{}: {}", word(key), flow(value))).collect();
            format!("{{ {} }}", parts.join(", "))
        }
    }
}

/// A text as it may stand anywhere.
pub(super) fn word(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/' | ' ' | '@');
    let simple = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
        && !text.ends_with(' ')
        && text.chars().all(plain);
    // The reader itself says whether it would take the plain word for what is meant.
    let read = || yaml::parse(&"".into(), text).ok()?.to_value().ok();
    if simple && read() == Some(Value::text(text)) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let odd = [
            "",
            "a",
            "no",
            "null",
            "1",
            "1.5",
            "a: b",
            "a #b",
            " a",
            "a ",
            "- a",
            "a\nb",
            "\u{7f}\u{85}\u{feff}",
            "=x",
            "*x",
            "é",
            "\"q\\",
            "{a}",
            "12:30",
            "a, b",
            "🦊 [x]",
            "~",
            "run_1",
            "yes please",
        ];
        let mut all: Vec<Value> = odd.iter().map(|text| Value::text(*text)).collect();
        all.extend([Value::Null, true.into(), Value::Int(-3), Value::number(0.000_000_1).unwrap()]);
        all.push(Value::map(odd.iter().filter(|text| !text.is_empty()).map(|text| (*text, Value::text(*text)))));
        let long = Value::text("word ".repeat(50));
        all.push(Value::list([Value::list([]), Value::map::<&str>([]), long.clone()]));
        all.push(Value::map([("a", Value::list([Value::map([("b", long.clone()), ("c", long)])]))]));
        let whole = Value::list(all.clone());
        all.push(whole);
        for value in all {
            let mut text = String::new();
            entry(&mut text, 0, "key", &value);
            let read = yaml::parse(&"t".into(), &text).and_then(|node| node.to_value());
            let read = read.unwrap_or_else(|why| panic!("{why}\n{text}"));
            assert_eq!(read.get("key"), Some(&value), "{text}");
            assert_eq!(kernel::fmt::format(&"t".into(), &text).unwrap(), text, "as it is formatted");
        }
    }
}
