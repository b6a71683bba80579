//! From a value to the one that its schema wants.

use kernel::{
    schema::Schema,
    values::{Map, Value},
};
use serde_json::{Map as Object, Value as Json};

use super::{Coerced, Fitting};
use crate::model::lower::{escape, fits, is_of, resolve, same, types};

/// How far references and levels are followed.
const MAX_DEPTH: usize = 64;

/// Brings a value into the types of its schema by the table of [`Fitting`], if it fits then. A value that fits already stays, and one
/// that would not fit either way stays as the model wrote it, for the kernel to say what is wrong with it. With
/// `plain_numbers` false no number becomes a text: how it was written is not known.
pub fn fit(value: Value, schema: &Schema, plain_numbers: bool) -> (Value, Vec<Coerced>) {
    if schema.is_valid(&value) {
        return (value, Vec::new());
    }
    let mut fit = Fit { root: schema.json(), plain_numbers, coerced: Vec::new() };
    let fitted = fit.value(schema.json(), &value, &mut String::new(), 0);
    if fit.coerced.is_empty() || !schema.is_valid(&fitted) { (value, Vec::new()) } else { (fitted, fit.coerced) }
}

struct Fit<'a> {
    root: &'a Json,
    plain_numbers: bool,
    coerced: Vec<Coerced>,
}

impl Fit<'_> {
    fn value(&mut self, schema: &Json, value: &Value, at: &mut String, depth: usize) -> Value {
        let Json::Object(keys) = schema else { return value.clone() };
        if depth > MAX_DEPTH || is_exact(self.root, schema, depth) || fits(self.root, schema, value) {
            return value.clone();
        }
        let mut value = value.clone();
        if let Some(target) = keys.get("$ref").and_then(Json::as_str).and_then(|target| resolve(self.root, target)) {
            value = self.value(target, &value, at, depth + 1);
        }
        for part in keys.get("allOf").and_then(Json::as_array).into_iter().flatten() {
            value = self.value(part, &value, at, depth + 1);
        }
        for forms in ["anyOf", "oneOf"] {
            if let Some(forms) = keys.get(forms).and_then(Json::as_array) {
                value = self.one_of(forms, &value, at, depth);
            }
        }
        self.own(keys, value, at, depth)
    }

    /// The one form that a value can be brought into; if it fits one as it is, or can be brought into several, it stays.
    fn one_of(&mut self, forms: &[Json], value: &Value, at: &mut String, depth: usize) -> Value {
        if forms.iter().any(|form| fits(self.root, form, value)) {
            return value.clone();
        }
        let mut found: Option<(Value, Vec<Coerced>)> = None;
        for form in forms {
            let before = self.coerced.len();
            let fitted = self.value(form, value, at, depth + 1);
            let steps = self.coerced.split_off(before);
            if steps.is_empty() || !fits(self.root, form, &fitted) {
                continue;
            }
            match &found {
                Some((other, _)) if *other == fitted => {}
                // Two readings are none.
                Some(_) => return value.clone(),
                None => found = Some((fitted, steps)),
            }
        }
        match found {
            Some((fitted, steps)) => {
                self.coerced.extend(steps);
                fitted
            }
            None => value.clone(),
        }
    }

    /// By the keywords of the schema itself.
    fn own(&mut self, keys: &Object<String, Json>, value: Value, at: &mut String, depth: usize) -> Value {
        let types = types(keys);
        let words: Option<Vec<&Json>> = match (keys.get("const"), keys.get("enum").and_then(Json::as_array)) {
            (Some(one), _) => Some(vec![one]),
            (None, Some(words)) => Some(words.iter().collect()),
            (None, None) => None,
        };
        if let Some(words) = words {
            return self.word(&words, &types, value, at);
        }
        if !types.is_empty() && !types.iter().any(|wanted| is_of(&value, wanted)) {
            return match &value {
                Value::Map(_) | Value::Text(_) | Value::Int(_) | Value::Float(_) | Value::Bool(_)
                    if types == ["array"] =>
                {
                    self.list_of_one(keys, value, at, depth)
                }
                _ => self.scalar(&types, value, at),
            };
        }
        match &value {
            Value::Map(map) => {
                let named = keys.get("properties").and_then(Json::as_object);
                let further = keys.get("additionalProperties").filter(|_| !keys.contains_key("patternProperties"));
                let map: Map = map
                    .iter()
                    .map(|(name, inner)| {
                        let schema = named.and_then(|named| named.get(&**name)).or(further);
                        let inner = match schema {
                            Some(schema) => self.below(schema, inner, at, &escape(name), depth),
                            None => inner.clone(),
                        };
                        (name.clone(), inner)
                    })
                    .collect();
                Value::Map(map.into())
            }
            Value::List(items) => {
                let first = keys.get("prefixItems").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                let rest = keys.get("items");
                let items = items.iter().enumerate().map(|(nth, item)| match first.get(nth).or(rest) {
                    Some(schema) => self.below(schema, item, at, &nth.to_string(), depth),
                    None => item.clone(),
                });
                Value::list(items.collect::<Vec<_>>())
            }
            _ => value,
        }
    }

    fn below(&mut self, schema: &Json, value: &Value, at: &mut String, name: &str, depth: usize) -> Value {
        let long = at.len();
        at.push('/');
        at.push_str(name);
        let value = self.value(schema, value, at, depth + 1);
        at.truncate(long);
        value
    }

    fn scalar(&mut self, types: &[&str], value: Value, at: &str) -> Value {
        let numeric = types.iter().any(|one| ["integer", "number"].contains(one));
        let textual = types.contains(&"string");
        match &value {
            Value::Text(text) if numeric => match number(text) {
                Some(number) if types.iter().any(|wanted| is_of(&number, wanted)) => {
                    self.coerced.push(Coerced::fitting(at, Fitting::NumberFromText));
                    number
                }
                _ => value,
            },
            Value::Int(number) if textual && self.plain_numbers => {
                self.coerced.push(Coerced::fitting(at, Fitting::TextFromNumber));
                Value::text(number.to_string())
            }
            _ => value,
        }
    }

    /// One of a few words.
    fn word(&mut self, words: &[&Json], types: &[&str], value: Value, at: &str) -> Value {
        if words.iter().any(|word| same(word, &value)) {
            return value;
        }
        let text = match &value {
            Value::Text(text) => text.to_string(),
            Value::Int(number) if self.plain_numbers => number.to_string(),
            _ => return value,
        };
        let mut meant = Vec::new();
        for word in words {
            let Ok(word) = Value::try_from(*word) else { continue };
            if !types.is_empty() && !types.iter().any(|wanted| is_of(&word, wanted)) {
                continue;
            }
            let how = match (&word, &value) {
                (Value::Text(word), Value::Text(_)) if spelling(word) == spelling(&text) => Fitting::WordSpelling,
                (Value::Text(word), Value::Int(_)) if **word == *text => Fitting::TextFromNumber,
                (Value::Int(_) | Value::Float(_), Value::Text(_)) if number(&text).as_ref() == Some(&word) => {
                    Fitting::NumberFromText
                }
                _ => continue,
            };
            meant.push((word, how));
        }
        match &meant[..] {
            [(word, how)] => {
                self.coerced.push(Coerced::fitting(at, *how));
                word.clone()
            }
            _ => value,
        }
    }

    fn list_of_one(&mut self, keys: &Object<String, Json>, value: Value, at: &mut String, depth: usize) -> Value {
        self.coerced.push(Coerced::fitting(at, Fitting::ListOfOne));
        let first = keys.get("prefixItems").and_then(Json::as_array).and_then(|first| first.first());
        let item = match first.or_else(|| keys.get("items")) {
            Some(schema) => self.below(schema, &value, at, "0", depth),
            None => value,
        };
        Value::list([item])
    }
}

/// Whether values here are what they are.
fn is_exact(root: &Json, schema: &Json, depth: usize) -> bool {
    let Json::Object(keys) = schema else { return false };
    let target = keys.get("$ref").and_then(Json::as_str).and_then(|target| resolve(root, target));
    depth <= MAX_DEPTH
        && (keys.get("x-exact") == Some(&Json::Bool(true))
            || target.is_some_and(|target| is_exact(root, target, depth + 1))
            || keys
                .get("allOf")
                .and_then(Json::as_array)
                .into_iter()
                .flatten()
                .any(|one| is_exact(root, one, depth + 1)))
}

/// A text that is a JSON number and nothing else.
fn number(text: &str) -> Option<Value> {
    let text = text.trim();
    let number = text.starts_with(|c: char| c == '-' || c.is_ascii_digit());
    number
        .then(|| Value::from_json(text.as_bytes()).ok())?
        .filter(|value| matches!(value, Value::Int(_) | Value::Float(_)))
}

/// A word without what differs between spellings: capitals, and what stands between its parts.
fn spelling(word: &str) -> String {
    let parts = word.split(|c: char| c.is_whitespace() || c == '_' || c == '-').filter(|part| !part.is_empty());
    parts.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}
