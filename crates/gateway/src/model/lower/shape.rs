//! What a value looks like: which form of several it was meant for.

use kernel::values::Value;
use serde_json::{Map as Object, Value as Json};

/// How far references and levels are followed: a schema may be recursive.
pub(super) const MAX_DEPTH: usize = 64;

/// The types that a schema names for its values.
pub(crate) fn types(keys: &Object<String, Json>) -> Vec<&str> {
    match keys.get("type") {
        Some(Json::String(one)) => vec![one],
        Some(Json::Array(several)) => several.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn required(keys: &Object<String, Json>) -> impl Iterator<Item = &str> {
    keys.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

pub(super) fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.as_f64().is_some_and(|number| number.fract() != 0.0) => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

/// Whether a value is of this type.
pub(crate) fn is_of(value: &Value, wanted: &str) -> bool {
    match value {
        Value::Null => wanted == "null",
        Value::Bool(_) => wanted == "boolean",
        Value::Int(_) => matches!(wanted, "integer" | "number"),
        Value::Float(number) => wanted == "number" || (wanted == "integer" && number.fract() == 0.0),
        Value::Text(_) => wanted == "string",
        Value::List(_) => wanted == "array",
        Value::Map(_) => wanted == "object",
    }
}

pub(crate) fn resolve<'a>(root: &'a Json, target: &str) -> Option<&'a Json> {
    root.pointer(target.strip_prefix('#')?)
}

/// Whether a value was meant for this schema: its types, its words, its properties and what must be there, all the way down.
/// Limits of numbers and lengths say nothing about that.
pub(crate) fn fits(root: &Json, schema: &Json, value: &Value) -> bool {
    looks(root, schema, value, 0)
}

fn looks(root: &Json, schema: &Json, value: &Value, depth: usize) -> bool {
    let Json::Object(keys) = schema else { return schema == &Json::Bool(true) };
    if depth > MAX_DEPTH {
        return true;
    }
    let looks = |schema: &Json, value: &Value| looks(root, schema, value, depth + 1);
    let any = |keyword: &str| {
        let branches = keys.get(keyword).and_then(Json::as_array);
        branches.is_none_or(|all| all.iter().any(|one| looks(one, value)))
    };
    let all = |keyword: &str| {
        let branches = keys.get(keyword).and_then(Json::as_array);
        branches.is_none_or(|all| all.iter().all(|one| part(root, one, value, depth + 1)))
    };
    let target = keys.get("$ref").and_then(Json::as_str).and_then(|target| resolve(root, target));
    let types = types(keys);
    (types.is_empty() || types.iter().any(|wanted| is_of(value, wanted)))
        && keys.get("const").is_none_or(|one| same(one, value))
        && keys.get("enum").and_then(Json::as_array).is_none_or(|words| words.iter().any(|one| same(one, value)))
        && target.is_none_or(|target| looks(target, value))
        && any("anyOf")
        && any("oneOf")
        && all("allOf")
        && match value {
            Value::Map(map) => {
                let properties = keys.get("properties").and_then(Json::as_object);
                let elsewhere = ["allOf", "$ref", "anyOf", "oneOf"].iter().any(|word| keys.contains_key(*word));
                required(keys).all(|name| map.contains_key(name))
                    && map.iter().all(|(name, value)| {
                        match (properties.and_then(|all| all.get(&**name)), keys.get("additionalProperties")) {
                            (Some(property), _) => looks(property, value),
                            (None, Some(schema)) => looks(schema, value) || keys.contains_key("patternProperties"),
                            (None, None) => properties.is_none() || elsewhere || keys.contains_key("patternProperties"),
                        }
                    })
            }
            Value::List(items) => {
                let before = keys.get("prefixItems").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
                items.iter().enumerate().all(|(nth, item)| match (before.get(nth), keys.get("items")) {
                    (Some(schema), _) | (None, Some(schema)) => looks(schema, item),
                    (None, None) => true,
                })
            }
            _ => true,
        }
}

/// One of several that all apply: it describes some of the properties only.
fn part(root: &Json, schema: &Json, value: &Value, depth: usize) -> bool {
    let Json::Object(keys) = schema else { return schema == &Json::Bool(true) };
    if keys.get("additionalProperties").is_some() || !keys.contains_key("properties") {
        return looks(root, schema, value, depth);
    }
    let mut open = keys.clone();
    open.insert("additionalProperties".to_owned(), true.into());
    looks(root, &Json::Object(open), value, depth)
}

/// Whether a value is this one: 1 and 1.0 are.
pub(crate) fn same(json: &Json, value: &Value) -> bool {
    Value::try_from(json).is_ok_and(|json| json == *value)
}

/// Whether null fits, as far as can be seen. A doubt counts as yes: then the null stays and the kernel judges it. What
/// describes an object or a list without saying so is lowered to one, and takes no null there.
pub(super) fn admits_null(root: &Json, schema: &Json, depth: usize) -> bool {
    let Json::Object(keys) = schema else { return schema != &Json::Bool(false) };
    if depth > MAX_DEPTH {
        return true;
    }
    let admits = |schema: &Json| admits_null(root, schema, depth + 1);
    let any =
        |keyword: &str| keys.get(keyword).and_then(Json::as_array).is_none_or(|branches| branches.iter().any(admits));
    let all = keys.get("allOf").and_then(Json::as_array).is_none_or(|branches| branches.iter().all(admits));
    let typed = ["type", "properties", "items", "prefixItems"].iter().any(|key| keys.contains_key(*key));
    (!typed || types(keys).contains(&"null"))
        && keys.get("enum").and_then(Json::as_array).is_none_or(|words| words.contains(&Json::Null))
        && keys.get("const").is_none_or(Json::is_null)
        && any("anyOf")
        && any("oneOf")
        && all
        && keys.get("$ref").and_then(Json::as_str).and_then(|target| resolve(root, target)).is_none_or(admits)
}
