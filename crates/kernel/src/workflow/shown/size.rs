//! How long a value can be at most, by its schema.

use serde_json::Value as Json;

use crate::{
    expr::{Derivation, Expr, RootKind},
    schema::Schema,
    step::Kind,
    workflow::Program,
};

/// The deepest a schema is followed.
const MAX_DEPTH: usize = 12;
/// A character takes at most so many bytes in a text, and in a text inside of JSON.
const IN_TEXT: u64 = 4;
const IN_JSON: u64 = 6;

/// The most bytes in which a model can be shown what the expression gives. `None`: nothing bounds it, or it is computed.
pub(super) fn largest(program: &Program, expr: &Expr) -> Option<u64> {
    let derivation = expr.derivation();
    let Derivation::Path { root, fields } = derivation else { return None };
    if root.what != RootKind::Value {
        return None;
    }
    let schema = of(program, &root.name)?.json();
    let mut here = schema;
    for field in fields {
        here = follow(schema, here)?.get("properties")?.get(&**field)?;
    }
    longest(schema, here, IN_TEXT, 0)
}

fn of<'p>(program: &'p Program, name: &str) -> Option<&'p Schema> {
    if name == "input" {
        return program.input.as_deref();
    }
    match &program.step(name)?.kind {
        Kind::Reason(reason) => Some(&reason.output),
        Kind::Native(native) => native.output.as_deref(),
        Kind::Act(act) => act.declared().returns.as_deref(),
        Kind::Handoff(handoff) => Some(&handoff.contract),
        _ => None,
    }
}

/// What stands at the end of `$ref`s.
fn follow<'s>(root: &'s Json, mut here: &'s Json) -> Option<&'s Json> {
    for _ in 0..MAX_DEPTH {
        match here.get("$ref").and_then(Json::as_str) {
            Some(target) => here = root.pointer(target.strip_prefix('#')?)?,
            None => return Some(here),
        }
    }
    None
}

fn longest(root: &Json, here: &Json, per_char: u64, depth: usize) -> Option<u64> {
    if depth > MAX_DEPTH {
        return None;
    }
    let keys = follow(root, here)?.as_object()?;
    let of = |here: &Json| longest(root, here, IN_JSON, depth + 1);
    let printed = |value: &Json| value.to_string().len() as u64;
    if let Some(value) = keys.get("const") {
        return Some(printed(value));
    }
    if let Some(values) = keys.get("enum").and_then(Json::as_array) {
        return values.iter().map(printed).max();
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(branches) = keys.get(word).and_then(Json::as_array) {
            let sizes: Option<Vec<u64>> =
                branches.iter().map(|branch| longest(root, branch, per_char, depth + 1)).collect();
            return sizes?.into_iter().max();
        }
    }
    let number = |key: &str| keys.get(key).and_then(Json::as_u64);
    let one = |word: &str| match word {
        "null" => Some(4),
        "boolean" => Some(5),
        "integer" => Some(17),
        "number" => Some(25),
        "string" => Some(number("maxLength")?.saturating_mul(per_char).saturating_add(2)),
        "array" => {
            let item = of(keys.get("items")?)?;
            Some(number("maxItems")?.saturating_mul(item.saturating_add(1)).saturating_add(2))
        }
        "object" => {
            if keys.get("additionalProperties") != Some(&Json::Bool(false)) || keys.contains_key("patternProperties") {
                return None;
            }
            let fields = keys.get("properties").and_then(Json::as_object)?;
            let sizes = fields.iter().map(|(name, field)| Some(name.len() as u64 * 2 + 4 + of(field)?));
            sizes.sum::<Option<u64>>().map(|sum| sum.saturating_add(2))
        }
        _ => None,
    };
    match keys.get("type")? {
        Json::String(word) => one(word),
        Json::Array(words) => {
            let sizes: Option<Vec<u64>> = words.iter().map(|word| one(word.as_str()?)).collect();
            sizes?.into_iter().max()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(schema: &Json) -> Option<u64> {
        longest(schema, schema, IN_TEXT, 0)
    }

    #[test]
    fn a_schema_says_how_long_a_value_can_be() {
        assert_eq!(of(&json!({ "type": "string", "maxLength": 10 })), Some(42));
        assert_eq!(of(&json!({ "type": "string" })), None);
        assert_eq!(of(&json!({ "enum": ["a", "abc"] })), Some(5));
        assert_eq!(of(&json!({ "type": "array", "maxItems": 3, "items": { "type": "boolean" } })), Some(20));
        assert_eq!(of(&json!({ "type": "array", "items": { "type": "boolean" } })), None);
        assert_eq!(of(&json!({ "type": ["string", "null"], "maxLength": 1 })), Some(6));
        let closed =
            json!({ "type": "object", "additionalProperties": false, "properties": { "a": { "type": "null" } } });
        assert_eq!(of(&closed), Some(12));
        assert_eq!(of(&json!({ "type": "object", "properties": { "a": { "type": "null" } } })), None);
        let again = json!({ "$defs": { "n": { "type": "array", "maxItems": 2, "items": { "$ref": "#/$defs/n" } } }, "$ref": "#/$defs/n" });
        assert_eq!(of(&again), None);
    }

    #[test]
    fn no_value_that_fits_is_longer() {
        let json = json!({ "type": "object", "additionalProperties": false, "required": ["a", "b"], "properties": {
            "a": { "type": "string", "maxLength": 4 }, "b": { "type": "array", "maxItems": 2, "items": { "type": "integer" } } } });
        let schema = Schema::from_json(&json).expect("a schema");
        let largest = of(&json).expect("it is bounded");
        for value in [
            json!({ "a": "\u{1}\u{2}\u{3}\u{4}", "b": [-9_007_199_254_740_991_i64, -9_007_199_254_740_991_i64] }),
            json!({ "a": "😀😀😀😀", "b": [] }),
        ] {
            let value = crate::values::Value::try_from(&value).expect("a value");
            assert!(schema.is_valid(&value));
            assert!(value.to_json().len() as u64 <= largest, "{value}");
        }
    }
}
