//! Texts with holes over `with`: `/payments/{{ with.payment_id }}/transfers`.
//!
//! A hole is a dotted path and nothing more: whatever is computed is computed in the workflow, where it is journaled.

use std::sync::Arc;

use kernel::values::{Map, Value};

/// A text with holes, read once.
#[derive(Clone, Debug, PartialEq)]
pub struct Holes {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    /// The keys under `with`.
    Hole(Vec<Arc<str>>),
}

/// A text with holes that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHoles {
    /// `{{` without `}}`.
    #[error("`{text}` opens a hole with {{{{ and does not close it")]
    Open {
        /// The whole text.
        text: String,
    },
    /// Something other than a dotted path.
    #[error("`{{{{{hole}}}}}` is no hole of a tool: write `{{{{ with.name }}}}`, a path and nothing more")]
    NotAPath {
        /// What stands between the braces.
        hole: String,
    },
}

/// A hole that cannot be filled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// `with` has nothing there.
    #[error("`with.{0}` is missing")]
    Missing(String),
    /// A list or a map, where a text is wanted.
    #[error("`with.{0}` is {1}, and only a text, a number, true or false fits here")]
    NotPlain(String, &'static str),
    /// An empty text, where something is wanted.
    #[error("`with.{0}` is empty")]
    Empty(String),
}

impl Holes {
    /// Reads a text with holes.
    ///
    /// # Errors
    /// [`BadHoles`]: the tool file must be corrected.
    pub fn parse(text: &str) -> Result<Holes, BadHoles> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once("{{") {
            let (hole, after) = after.split_once("}}").ok_or_else(|| BadHoles::Open { text: text.to_owned() })?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Hole(path(hole).ok_or_else(|| BadHoles::NotAPath { hole: hole.to_owned() })?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Holes { parts })
    }

    /// The text outside the holes, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Hole(_) => None,
        })
    }

    pub(super) fn begins_with_slash(&self) -> bool {
        matches!(self.parts.first(), Some(Part::Text(text)) if text.starts_with('/'))
    }

    /// The paths under `with` that the holes name, dotted.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(path) => Some(path.join(".")),
            Part::Text(_) => None,
        })
    }

    /// The value itself, if the text is one hole and nothing else. `None` inside: nothing is there.
    pub(super) fn alone<'v>(&self, with: &'v Value) -> Option<Option<&'v Value>> {
        match self.parts.as_slice() {
            [Part::Hole(path)] => Some(find(with, path)),
            _ => None,
        }
    }

    /// Fills the holes; what goes in has passed `encode`.
    pub(super) fn fill(&self, with: &Value, encode: fn(&str) -> String) -> Result<String, Unfilled> {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Hole(path) => {
                    let value = find(with, path).ok_or_else(|| Unfilled::Missing(path.join(".")))?;
                    let text = plain(value).ok_or_else(|| Unfilled::NotPlain(path.join("."), value.kind()))?;
                    out.push_str(&encode(&text));
                }
            }
        }
        Ok(out)
    }

    /// Like [`Holes::fill`] for a path of a URL: no hole may be empty, and each fills at most one segment.
    pub(super) fn fill_path(&self, with: &Value) -> Result<String, Unfilled> {
        for part in &self.parts {
            if let Part::Hole(path) = part
                && find(with, path).and_then(Value::as_str).is_some_and(str::is_empty)
            {
                return Err(Unfilled::Empty(path.join(".")));
            }
        }
        self.fill(with, percent_encode)
    }
}

/// A body with holes in its texts. A text that is one hole and nothing else takes the value as it is, whatever its kind; a
/// missing one there leaves its key out.
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// As it is.
    Plain(Value),
    /// A text with holes.
    Text(Holes),
    /// Items in order.
    List(Vec<Shape>),
    /// By key.
    Map(Vec<(Arc<str>, Shape)>),
}

impl Shape {
    /// Reads the holes in every text of `value`.
    ///
    /// # Errors
    /// [`BadHoles`]: the tool file must be corrected.
    pub fn parse(value: &Value) -> Result<Shape, BadHoles> {
        Ok(match value {
            Value::Text(text) => Shape::Text(Holes::parse(text)?),
            Value::List(items) => Shape::List(items.iter().map(Shape::parse).collect::<Result<_, _>>()?),
            Value::Map(map) => {
                let pairs = map.iter().map(|(key, value)| Ok((key.clone(), Shape::parse(value)?)));
                Shape::Map(pairs.collect::<Result<_, BadHoles>>()?)
            }
            plain => Shape::Plain(plain.clone()),
        })
    }

    pub(super) fn fill(&self, with: &Value) -> Result<Value, Unfilled> {
        Ok(match self {
            Shape::Plain(value) => value.clone(),
            Shape::Text(holes) => match holes.alone(with) {
                Some(value) => value.cloned().ok_or_else(|| Unfilled::Missing(holes.names().collect()))?,
                None => Value::from(holes.fill(with, str::to_owned)?),
            },
            Shape::List(items) => Value::list(items.iter().map(|item| item.fill(with)).collect::<Result<Vec<_>, _>>()?),
            Shape::Map(pairs) => {
                let mut map = Map::new();
                for (key, shape) in pairs {
                    if let Shape::Text(holes) = shape
                        && holes.alone(with) == Some(None)
                    {
                        continue;
                    }
                    map.insert(key.clone(), shape.fill(with)?);
                }
                Value::Map(Arc::new(map))
            }
        })
    }
}

fn path(hole: &str) -> Option<Vec<Arc<str>>> {
    let rest = hole.trim().strip_prefix("with.")?;
    let word = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
    rest.split('.').all(word).then(|| rest.split('.').map(Arc::from).collect())
}

fn find<'v>(with: &'v Value, path: &[Arc<str>]) -> Option<&'v Value> {
    path.iter().try_fold(with, |value, key| value.get(key)).filter(|value| !value.is_null())
}

/// How a value stands in a URL or a header; `None` for what has no one way to be written.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => Some(text.to_string()),
        Value::Bool(_) | Value::Int(_) | Value::Float(_) => Some(value.to_json()),
        Value::Null | Value::List(_) | Value::Map(_) => None,
    }
}

/// Everything but RFC 3986's unreserved characters: no slash, no dot-dot by a slash, no `?`, no `#`, no `@`, no `:`.
fn percent_encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(char::from(byte)),
            byte => {
                out.push('%');
                out.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with() -> Value {
        Value::from_json(br#"{"id":"a/../b?c#d","n":7,"who":{"name":"Zo\u00eb"},"tags":["x"],"none":null,"empty":""}"#)
            .unwrap()
    }

    fn path(text: &str) -> Result<String, Unfilled> {
        Holes::parse(text).unwrap().fill_path(&with())
    }

    #[test]
    fn what_fills_a_path_stays_in_its_segment() {
        assert_eq!(path("/p/{{ with.id }}/r").unwrap(), "/p/a%2F..%2Fb%3Fc%23d/r");
        assert_eq!(path("/p/{{with.n}}-{{ with.who.name }}").unwrap(), "/p/7-Zo%C3%AB");
    }

    #[test]
    fn a_hole_that_cannot_be_filled_says_which_and_why() {
        assert_eq!(path("/{{ with.gone }}").unwrap_err().to_string(), "`with.gone` is missing");
        assert_eq!(path("/{{ with.none }}").unwrap_err().to_string(), "`with.none` is missing");
        assert_eq!(path("/{{ with.empty }}").unwrap_err().to_string(), "`with.empty` is empty");
        assert_eq!(
            path("/{{ with.tags }}").unwrap_err().to_string(),
            "`with.tags` is a list, and only a text, a number, true or false fits here"
        );
    }

    #[test]
    fn a_hole_is_a_path_and_nothing_more() {
        assert_eq!(
            Holes::parse("/{{ with.id | upper }}").unwrap_err().to_string(),
            "`{{ with.id | upper }}` is no hole of a tool: write `{{ with.name }}`, a path and nothing more"
        );
        assert_eq!(
            Holes::parse("/{{ with.id").unwrap_err().to_string(),
            "`/{{ with.id` opens a hole with {{ and does not close it"
        );
        assert!(Holes::parse("/{{ input.id }}").is_err());
    }

    #[test]
    fn a_body_takes_values_as_they_are() {
        let shape = Value::from_json(
            br#"{"to":"{{ with.who.name }} ({{ with.n }})","n":"{{ with.n }}","tags":"{{ with.tags }}","gone":"{{ with.gone }}",
                "fixed":[true,"{{ with.n }}"]}"#,
        )
        .unwrap();
        let body = Shape::parse(&shape).unwrap().fill(&with()).unwrap();
        assert_eq!(body.to_json(), r#"{"fixed":[true,7],"n":7,"tags":["x"],"to":"Zoë (7)"}"#);
    }
}
