//! Arguments of a call that come in pieces: each has a place in the object, and what stands there.

use serde_json::{Map as Object, Value as Json};

/// No list of arguments is longer: a number in a place is not believed beyond it.
const LONGEST: usize = 10_000;

/// Puts one piece where it belongs; a text goes on where it is told to. False if its place cannot be read.
pub(super) fn put(args: &mut Json, piece: &Json) -> bool {
    let Some(mut rest) = piece.get("jsonPath").and_then(Json::as_str).and_then(|path| path.strip_prefix('$')) else {
        return false;
    };
    let mut at = args;
    while !rest.is_empty() {
        let Some(next) = step(at, rest) else { return false };
        (at, rest) = next;
    }
    let value = ["stringValue", "numberValue", "boolValue"].iter().find_map(|key| piece.get(*key));
    match (value, &mut *at) {
        (Some(Json::String(more)), Json::String(text)) => text.push_str(more),
        (Some(value), at) => *at = value.clone(),
        (None, at) => *at = Json::Null,
    }
    true
}

/// One step of a path: `.name`, `[0]` or `['name']`.
fn step<'a, 'p>(at: &'a mut Json, path: &'p str) -> Option<(&'a mut Json, &'p str)> {
    if let Some(rest) = path.strip_prefix('.') {
        let end = rest.find(['.', '[']).unwrap_or(rest.len());
        return Some((member(at, &rest[..end])?, &rest[end..]));
    }
    let rest = path.strip_prefix('[')?;
    if let Some(quote) = rest.chars().next().filter(|quote| matches!(quote, '\'' | '"')) {
        let (name, rest) = rest[1..].split_once(quote)?;
        return Some((member(at, name)?, rest.strip_prefix(']')?));
    }
    let (number, rest) = rest.split_once(']')?;
    let number: usize = number.parse().ok().filter(|number| *number < LONGEST)?;
    if at.is_null() {
        *at = Json::Array(Vec::new());
    }
    let items = at.as_array_mut()?;
    if items.len() <= number {
        items.resize(number + 1, Json::Null);
    }
    Some((&mut items[number], rest))
}

fn member<'a>(at: &'a mut Json, name: &str) -> Option<&'a mut Json> {
    if at.is_null() {
        *at = Json::Object(Object::new());
    }
    Some(at.as_object_mut()?.entry(name).or_insert(Json::Null))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn pieces_find_their_places() {
        let mut args = Json::Null;
        for piece in [
            json!({ "jsonPath": "$.a[1].b", "stringValue": "on" }),
            json!({ "jsonPath": "$.a[1].b", "stringValue": "e" }),
            json!({ "jsonPath": "$['odd.name']", "boolValue": true }),
            json!({ "jsonPath": "$.n", "numberValue": 0.5 }),
            json!({ "jsonPath": "$.z", "nullValue": null }),
        ] {
            assert!(put(&mut args, &piece), "{piece}");
        }
        assert_eq!(args, json!({ "a": [null, { "b": "one" }], "odd.name": true, "n": 0.5, "z": null }));
        for path in ["a", "$[99999999]", "$[x]", "$.n.deeper", "$['a", ""] {
            assert!(!put(&mut args, &json!({ "jsonPath": path, "stringValue": "x" })), "{path}");
        }
    }
}
