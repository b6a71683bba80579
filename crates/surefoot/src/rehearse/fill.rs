//! The smallest value that fits a schema: for what no case says how it is answered.

use kernel::{schema::Schema, values::Value};
use serde_json::{Map, Value as Json, json};

/// Forms within forms; deeper is null.
const DEEPEST: usize = 16;

/// A value that fits, if one is easily made.
pub(super) fn filled(schema: &Schema) -> Option<Value> {
    let made = Value::try_from(&field(schema.json(), schema.json(), 0)).ok()?;
    schema.is_valid(&made).then_some(made)
}

fn field(root: &Json, schema: &Json, depth: usize) -> Json {
    if depth > DEEPEST {
        return Json::Null;
    }
    if let Some(target) = schema.get("$ref").and_then(Json::as_str).and_then(|target| target.strip_prefix('#')) {
        return root.pointer(target).map_or(Json::Null, |target| field(root, target, depth + 1));
    }
    if let Some(only) = schema.get("const") {
        return only.clone();
    }
    if let Some(first) = schema.get("enum").and_then(Json::as_array).and_then(|all| all.first()) {
        return first.clone();
    }
    if let Some(forms) = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| schema.get(*key)?.as_array()) {
        return forms.first().map_or(Json::Null, |form| field(root, form, depth + 1));
    }
    let kind = match schema.get("type") {
        Some(Json::Array(kinds)) => kinds.first().and_then(Json::as_str).unwrap_or("null"),
        Some(Json::String(kind)) => kind,
        _ if schema.get("properties").is_some() => "object",
        _ => "null",
    };
    let bound = |key: &str| schema.get(key).and_then(Json::as_u64).and_then(|bound| usize::try_from(bound).ok());
    match kind {
        "object" => {
            let required = schema.get("required").and_then(Json::as_array).into_iter().flatten();
            let mut made = Map::new();
            for name in required.filter_map(Json::as_str) {
                let one = schema.get("properties").and_then(|all| all.get(name)).unwrap_or(&Json::Null);
                made.insert(name.to_owned(), field(root, one, depth + 1));
            }
            Json::Object(made)
        }
        "array" => {
            let item = schema.get("items").map_or(Json::Null, |item| field(root, item, depth + 1));
            Json::Array(vec![item; bound("minItems").unwrap_or(0).min(100)])
        }
        "boolean" => json!(false),
        "integer" | "number" => {
            let least = schema.get("minimum").or_else(|| schema.get("exclusiveMinimum")).and_then(Json::as_f64);
            let least = least.unwrap_or(0.0).max(0.0);
            let above = if schema.get("exclusiveMinimum").is_some() { 1.0 } else { 0.0 };
            match kind {
                // Whole and small: a schema with a bound beyond what a whole number holds makes no value.
                #[expect(clippy::cast_possible_truncation, reason = "what does not fit its schema is not used")]
                "integer" => json!((least + above).ceil() as i64),
                _ => json!(least + above),
            }
        }
        "string" => {
            let text = match schema.get("format").and_then(Json::as_str) {
                Some("date-time") => "2026-01-05T09:00:00Z".to_owned(),
                Some("date") => "2026-01-05".to_owned(),
                Some("email") => "nobody@example.com".to_owned(),
                Some("uri") => "https://example.com/".to_owned(),
                _ => "x".repeat(bound("minLength").unwrap_or(1).max(1)),
            };
            json!(text)
        }
        _ => Json::Null,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_fits() {
        let schemas = [
            json!({ "type": "object", "required": ["a", "b"], "properties": {
                "a": { "type": "integer", "minimum": 3 }, "b": { "type": "array", "minItems": 2, "items": { "enum": ["x", "y"] } } } }),
            json!({ "type": ["string", "null"], "format": "date-time" }),
            json!({ "anyOf": [{ "const": 7 }, { "type": "null" }] }),
            json!({ "$ref": "#/$defs/a", "$defs": { "a": { "type": "number", "exclusiveMinimum": 0 } } }),
        ];
        for schema in schemas {
            let schema = Schema::from_json(&schema).unwrap();
            assert!(filled(&schema).is_some(), "{}", schema.json());
        }
    }
}
