//! A value as rows that people read: a key, what stands there, and how deep.

use kernel::values::Value;

use super::words;

/// Rows at most; what is left out is counted.
const MOST: usize = 400;
/// Characters of one text at most.
const LONG: usize = 2_000;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// 0 at the outside.
    pub(crate) depth: usize,
    /// A field's name, or a place in a list.
    pub(crate) key: String,
    /// What stands there; nothing for a map or list with contents.
    pub(crate) text: String,
}

/// The rows of a value.
pub(crate) fn rows(value: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut more = 0;
    match value {
        Value::Map(_) | Value::List(_) => inside(value, 0, &mut rows, &mut more),
        value => rows.push(Row { depth: 0, key: String::new(), text: text(value) }),
    }
    if more > 0 {
        rows.push(Row { depth: 0, key: "…".to_owned(), text: format!("{more} more") });
    }
    rows
}

fn inside(value: &Value, depth: usize, rows: &mut Vec<Row>, more: &mut usize) {
    let mut add = |key: String, value: &Value| {
        if rows.len() >= MOST {
            *more += 1;
            return;
        }
        let has_more = match value {
            Value::Map(map) => !map.is_empty(),
            Value::List(list) => !list.is_empty(),
            _ => false,
        };
        rows.push(Row { depth, key, text: if has_more { String::new() } else { text(value) } });
        if has_more {
            inside(value, depth + 1, rows, more);
        }
    };
    match value {
        Value::Map(map) => map.iter().for_each(|(key, value)| add(words::plain(key), value)),
        Value::List(list) => list.iter().enumerate().for_each(|(place, value)| add(format!("{}", place + 1), value)),
        _ => {}
    }
}

/// A value on one line.
pub(crate) fn text(value: &Value) -> String {
    let text = match value {
        Value::Text(text) => words::plain(text),
        Value::Null => "nothing".to_owned(),
        value => words::plain(&value.to_json()),
    };
    match text.char_indices().nth(LONG) {
        None => text,
        Some((at, _)) => format!("{}… ({} characters)", text.get(..at).unwrap_or_default(), text.chars().count()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(json: &str) -> String {
        let value = Value::from_json(json.as_bytes()).expect("the tests write JSON");
        let line =
            |row: Row| format!("{}{}", "  ".repeat(row.depth), format!("{}: {}", row.key, row.text).trim()) + "\n";
        rows(&value).into_iter().map(line).collect()
    }

    #[test]
    fn a_value_is_told_row_by_row() {
        let value = r#"{"name": "Ada", "tags": ["a", 2], "none": null, "empty": {}, "deep": {"x": {"y": true}}}"#;
        let rows = "deep:\n  x:\n    y: true\nempty: {}\nname: Ada\nnone: nothing\ntags:\n  1: a\n  2: 2\n";
        assert_eq!(told(value), rows);
    }

    #[test]
    fn a_bare_value_is_one_row_and_a_large_one_is_cut() {
        assert_eq!(told("\"x\""), ": x\n");
        let many = format!("[{}]", vec!["1"; MOST + 7].join(","));
        assert!(told(&many).ends_with("…: 7 more\n"));
        let long = format!("\"{}\"", "é".repeat(LONG + 1));
        assert!(told(&long).ends_with("… (2001 characters)\n"));
    }
}
