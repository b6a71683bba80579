//! Schemas of an OpenAPI document as schemas of ours: 3.0 said in the words of 3.1, references turned to `$defs`.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

/// Which way a value travels: what is only read is not sent, what is only written does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    /// To the server.
    Sent,
    /// From it.
    Given,
}

const SCHEMAS: &str = "#/components/schemas/";

/// Converts schemas of one document, and remembers which of its named schemas they need.
pub(super) struct Converter<'a> {
    document: &'a Json,
    direction: Direction,
    needed: BTreeSet<String>,
}

impl<'a> Converter<'a> {
    pub(super) fn new(document: &'a Json, direction: Direction) -> Converter<'a> {
        Converter { document, direction, needed: BTreeSet::new() }
    }

    /// The schema in our words; on failure which reference cannot be followed.
    pub(super) fn schema(&mut self, schema: &Json) -> Result<Json, String> {
        let Json::Object(keys) = schema else { return Ok(schema.clone()) };
        if let Some(target) = keys.get("$ref").and_then(Json::as_str) {
            return self.reference(target);
        }
        let hidden = self.hidden(keys);
        let mut out = Map::new();
        for (key, value) in keys {
            let value = match (key.as_str(), value) {
                // Said elsewhere, or of no meaning to a check.
                ("nullable" | "discriminator" | "xml" | "externalDocs" | "example", _) => continue,
                ("properties" | "patternProperties" | "dependentSchemas" | "$defs", Json::Object(named)) => {
                    let named = named.iter().filter(|(name, _)| !hidden.contains(name.as_str()));
                    let named = named.map(|(name, schema)| Ok((name.clone(), self.schema(schema)?)));
                    Json::Object(named.collect::<Result<_, String>>()?)
                }
                ("allOf" | "anyOf" | "oneOf" | "prefixItems", Json::Array(several)) => {
                    Json::Array(several.iter().map(|one| self.schema(one)).collect::<Result<_, _>>()?)
                }
                (
                    "items" | "additionalProperties" | "not" | "if" | "then" | "else" | "contains" | "propertyNames",
                    one,
                ) => self.schema(one)?,
                ("required", Json::Array(names)) => {
                    let there = |name: &&Json| name.as_str().is_none_or(|name| !hidden.contains(name));
                    Json::Array(names.iter().filter(there).cloned().collect())
                }
                // 3.0: a truth beside the limit.
                ("exclusiveMinimum" | "exclusiveMaximum", Json::Bool(_)) => continue,
                ("minimum", limit) if keys.get("exclusiveMinimum") == Some(&Json::Bool(true)) => {
                    out.insert("exclusiveMinimum".to_owned(), limit.clone());
                    continue;
                }
                ("maximum", limit) if keys.get("exclusiveMaximum") == Some(&Json::Bool(true)) => {
                    out.insert("exclusiveMaximum".to_owned(), limit.clone());
                    continue;
                }
                (_, value) => value.clone(),
            };
            out.insert(key.clone(), value);
        }
        Ok(if keys.get("nullable") == Some(&Json::Bool(true)) { nullable(out) } else { Json::Object(out) })
    }

    fn reference(&mut self, target: &str) -> Result<Json, String> {
        let name = target.strip_prefix(SCHEMAS).filter(|name| !name.contains(['/', '~', '%']));
        let Some(name) = name else {
            return Err(format!("`$ref: {target}` is not one of `{SCHEMAS}…` of the same document"));
        };
        if self.document.pointer(&target[1..]).is_none() {
            return Err(format!("`$ref: {target}` is no place of it"));
        }
        self.needed.insert(name.to_owned());
        Ok(json!({ "$ref": format!("#/$defs/{name}") }))
    }

    /// Properties that do not travel this way.
    fn hidden<'s>(&self, keys: &'s Map<String, Json>) -> BTreeSet<&'s str> {
        let word = if self.direction == Direction::Sent { "readOnly" } else { "writeOnly" };
        let Some(Json::Object(named)) = keys.get("properties") else { return BTreeSet::new() };
        let hidden = named.iter().filter(|(_, schema)| schema.get(word) == Some(&Json::Bool(true)));
        hidden.map(|(name, _)| name.as_str()).collect()
    }

    /// `schema` with all that its references need under `$defs`.
    pub(super) fn whole(mut self, mut schema: Json) -> Result<Json, String> {
        let mut defs = Map::new();
        while let Some(name) = self.needed.iter().find(|name| !defs.contains_key(*name)).cloned() {
            let named = self.document.pointer(&format!("/components/schemas/{name}")).unwrap_or(&Json::Null).clone();
            let converted = self.schema(&named)?;
            defs.insert(name, converted);
        }
        if let (Json::Object(keys), false) = (&mut schema, defs.is_empty()) {
            keys.insert("$defs".to_owned(), Json::Object(defs));
        }
        Ok(schema)
    }
}

/// 3.0 says beside the type that a value may be none.
fn nullable(mut keys: Map<String, Json>) -> Json {
    if let Some(Json::Array(options)) = keys.get_mut("enum")
        && !options.contains(&Json::Null)
    {
        options.push(Json::Null);
    }
    match keys.get("type").cloned() {
        Some(Json::String(one)) => {
            keys.insert("type".to_owned(), json!([one, "null"]));
            Json::Object(keys)
        }
        Some(_) => Json::Object(keys),
        None => json!({ "anyOf": [Json::Object(keys), { "type": "null" }] }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converted(schema: &Json, direction: Direction) -> Result<Json, String> {
        let document = json!({ "components": { "schemas": {
            "Pet": { "type": "object", "properties": { "owner": { "$ref": "#/components/schemas/Owner" } } },
            "Owner": { "type": "object", "properties": { "pets": {
                "type": "array", "items": { "$ref": "#/components/schemas/Pet" } } } },
        } } });
        let mut converter = Converter::new(&document, direction);
        let schema = converter.schema(schema)?;
        converter.whole(schema)
    }

    #[test]
    fn three_zero_is_said_in_the_words_of_three_one() {
        let schema = json!({
            "type": "object",
            "required": ["id", "size"],
            "properties": {
                "id": { "type": "string", "readOnly": true },
                "name": { "type": "string", "nullable": true, "example": "Ann" },
                "kind": { "type": "string", "nullable": true, "enum": ["a", "b"] },
                "size": { "type": "integer", "minimum": 0, "exclusiveMinimum": true, "maximum": 9, "exclusiveMaximum": false },
                "any": { "nullable": true, "allOf": [{ "type": "string" }] },
                "pin": { "type": "string", "writeOnly": true },
            },
        });
        let sent = converted(&schema, Direction::Sent).unwrap();
        assert_eq!(
            sent,
            json!({
                "type": "object",
                "required": ["size"],
                "properties": {
                    "name": { "type": ["string", "null"] },
                    "kind": { "type": ["string", "null"], "enum": ["a", "b", null] },
                    "size": { "type": "integer", "exclusiveMinimum": 0, "maximum": 9 },
                    "any": { "anyOf": [{ "allOf": [{ "type": "string" }] }, { "type": "null" }] },
                    "pin": { "type": "string", "writeOnly": true },
                },
            })
        );
        let given = converted(&schema, Direction::Given).unwrap();
        assert_eq!(given["required"], json!(["id", "size"]));
        assert!(given["properties"].get("pin").is_none());
    }

    #[test]
    fn named_schemas_come_along_also_when_they_name_each_other() {
        let schema = converted(&json!({ "$ref": "#/components/schemas/Pet" }), Direction::Given).unwrap();
        assert_eq!(schema["$ref"], "#/$defs/Pet");
        assert_eq!(schema["$defs"]["Owner"]["properties"]["pets"]["items"]["$ref"], "#/$defs/Pet");
        assert_eq!(schema["$defs"].as_object().unwrap().len(), 2);
    }

    #[test]
    fn a_reference_that_leaves_the_document_is_refused() {
        for target in ["other.yaml#/Pet", "https://a.example/x", "#/paths/x", "#/components/schemas/Dog"] {
            let refused = converted(&json!({ "items": { "$ref": target } }), Direction::Sent).unwrap_err();
            assert!(refused.contains(target), "{refused}");
        }
    }
}
