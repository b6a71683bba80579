//! From our schema to the part of JSON Schema that strict structured output takes, and back.
//!
//! Strict output wants every property required and no others: what was optional becomes nullable, and [`lift`] takes
//! those nulls out of the answer again. Keywords that are not enforced go into the description, where the model can
//! read them; the kernel checks the answer against the schema as it was written in any case. What has no strict form at
//! all is sent as it is, not strict.

use kernel::values::{Map, Value};
use serde_json::{Map as Object, Value as Json, json};

/// A schema as it is sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Lowered {
    /// The schema that is sent.
    pub schema: Json,
    /// Whether the server is to enforce all of it.
    pub strict: bool,
    /// What the server will not enforce, each with its place: "/properties/name: minLength 3". If `strict` is false,
    /// why.
    pub lost: Vec<String>,
}

/// Levels of nesting, properties and words of enums that strict output takes.
const MAX_DEPTH: usize = 10;
const MAX_PROPERTIES: usize = 5000;
const MAX_WORDS: usize = 1000;

/// Keywords that are sent as they are.
const KEPT: [&str; 9] = [
    "title",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "pattern",
    "minItems",
    "maxItems",
];
/// Keywords that say nothing about a value.
const SILENT: [&str; 8] = ["$schema", "$id", "$comment", "$anchor", "deprecated", "readOnly", "writeOnly", "$defs"];
/// Formats that are enforced.
const FORMATS: [&str; 9] = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"];

/// Lowers a schema.
pub fn lower(canonical: &Json) -> Lowered {
    let mut lowering = Lowering { root: canonical, lost: Vec::new(), properties: 0, words: 0 };
    match lowering.root() {
        Ok(schema) => Lowered { schema, strict: true, lost: lowering.lost },
        Err(why) => Lowered { schema: canonical.clone(), strict: false, lost: vec![why] },
    }
}

struct Lowering<'a> {
    root: &'a Json,
    lost: Vec<String>,
    properties: usize,
    words: usize,
}

impl Lowering<'_> {
    fn root(&mut self) -> Result<Json, String> {
        let mut top = self.root;
        // A root that only points elsewhere is what it points to.
        for _ in 0..MAX_DEPTH {
            match top.get("$ref").and_then(Json::as_str) {
                Some(target) => top = resolve(self.root, target).ok_or_else(|| format!("$ref {target}"))?,
                None => break,
            }
        }
        let mut lowered = self.schema(top, "", 0)?;
        if lowered.get("type").and_then(Json::as_str) != Some("object") {
            return Err("the whole answer is no object".to_owned());
        }
        if let Some(definitions) = self.root.get("$defs").and_then(Json::as_object) {
            let mut out = Object::new();
            for (name, definition) in definitions {
                out.insert(name.clone(), self.schema(definition, &format!("/$defs/{name}"), 1)?);
            }
            lowered["$defs"] = out.into();
        }
        if self.properties > MAX_PROPERTIES || self.words > MAX_WORDS {
            let (properties, words) = (self.properties, self.words);
            return Err(format!(
                "{properties} properties and {words} words of enums: at most {MAX_PROPERTIES} and {MAX_WORDS}"
            ));
        }
        Ok(lowered)
    }

    fn schema(&mut self, json: &Json, at: &str, depth: usize) -> Result<Json, String> {
        let Json::Object(keys) = json else { return Err(format!("{at}: any value at all, or none")) };
        if depth > MAX_DEPTH {
            return Err(format!("{at}: nested more than {MAX_DEPTH} deep"));
        }
        let mut out = Object::new();
        let mut told = Vec::new();
        for (key, value) in keys {
            match key.as_str() {
                "type" | "properties" | "required" | "additionalProperties" | "items" | "description" => {}
                "enum" if value.as_array().is_some_and(Vec::is_empty) => return Err(format!("{at}: no value fits")),
                "enum" | "const" => {
                    self.words += value.as_array().map_or(0, Vec::len);
                    out.insert(key.clone(), value.clone());
                }
                "format" if value.as_str().is_some_and(|word| FORMATS.contains(&word)) => {
                    out.insert(key.clone(), value.clone());
                }
                "$ref" => {
                    let target = value.as_str().unwrap_or_default();
                    if target != "#" && target.strip_prefix("#/$defs/").is_none_or(|name| name.contains('/')) {
                        return Err(format!("{at}: $ref {target} points to no $defs"));
                    }
                    out.insert(key.clone(), value.clone());
                }
                "anyOf" | "oneOf" => {
                    let branches = value.as_array().map(Vec::as_slice).unwrap_or_default();
                    let branches = branches.iter().enumerate();
                    let branches = branches.map(|(nth, one)| self.schema(one, &format!("{at}/{key}/{nth}"), depth + 1));
                    if out.contains_key("anyOf") {
                        return Err(format!("{at}: anyOf and oneOf at once"));
                    }
                    out.insert("anyOf".to_owned(), branches.collect::<Result<_, _>>()?);
                    if key == "oneOf" {
                        told.push("exactly one of the forms".to_owned());
                    }
                }
                "allOf" | "patternProperties" | "prefixItems" | "$dynamicRef" => {
                    return Err(format!("{at}: {key} has no strict form"));
                }
                known if KEPT.contains(&known) => {
                    out.insert(key.clone(), value.clone());
                }
                known if SILENT.contains(&known) => {}
                _ => told.push(match value {
                    Json::String(text) => format!("{key} {text}"),
                    other => format!("{key} {other}"),
                }),
            }
        }
        self.types(keys, &mut out, at)?;
        if has_type(&out, "object") {
            self.object(keys, &mut out, at, depth)?;
        }
        if has_type(&out, "array") {
            let items = keys.get("items").ok_or_else(|| format!("{at}: a list of anything"))?;
            out.insert("items".to_owned(), self.schema(items, &format!("{at}/items"), depth + 1)?);
        }
        self.lost.extend(told.iter().map(|what| format!("{at}: {what}")));
        let said = keys.get("description").and_then(Json::as_str).unwrap_or_default();
        let rest = (!told.is_empty()).then(|| format!("Must also hold: {}.", told.join("; ")));
        let description = [said, rest.as_deref().unwrap_or_default()].join(" ");
        if out.contains_key("$ref") && (out.len() > 1 || !description.trim().is_empty()) {
            // `$ref` stands alone in strict output.
            let target = out.remove("$ref").unwrap_or_default();
            if out.contains_key("anyOf") || out.contains_key("properties") {
                return Err(format!("{at}: $ref beside another form"));
            }
            out.insert("anyOf".to_owned(), json!([{ "$ref": target }]));
        }
        if !description.trim().is_empty() {
            out.insert("description".to_owned(), description.trim().into());
        }
        Ok(out.into())
    }

    /// Every value has a type: the one written, or the one that the other keywords leave.
    fn types(&self, keys: &Object<String, Json>, out: &mut Object<String, Json>, at: &str) -> Result<(), String> {
        if let Some(written) = keys.get("type") {
            out.insert("type".to_owned(), written.clone());
            return Ok(());
        }
        if ["anyOf", "$ref"].iter().any(|key| out.contains_key(*key)) {
            return Ok(());
        }
        let words = match (out.get("enum").and_then(Json::as_array), out.get("const")) {
            (Some(words), _) => words.iter().map(type_of).collect(),
            (None, Some(word)) => vec![type_of(word)],
            (None, None) if keys.contains_key("properties") => vec!["object"],
            (None, None) if keys.contains_key("items") => vec!["array"],
            (None, None) => return Err(format!("{at}: a value of any type")),
        };
        let mut types: Vec<&str> = words;
        types.sort_unstable();
        types.dedup();
        out.insert("type".to_owned(), if let [one] = types[..] { one.into() } else { types.into() });
        Ok(())
    }

    fn object(
        &mut self,
        keys: &Object<String, Json>,
        out: &mut Object<String, Json>,
        at: &str,
        depth: usize,
    ) -> Result<(), String> {
        let Some(properties) = keys.get("properties").and_then(Json::as_object) else {
            return Err(format!("{at}: an object with any properties"));
        };
        if !matches!(keys.get("additionalProperties"), None | Some(Json::Bool(false))) {
            return Err(format!("{at}: further properties are allowed"));
        }
        let required: Vec<&str> = required(keys).collect();
        if let Some(unknown) = required.iter().find(|name| !properties.contains_key(**name)) {
            return Err(format!("{at}: `{unknown}` is required and not described"));
        }
        let mut lowered = Object::new();
        for (name, property) in properties {
            self.properties += 1;
            let mut one = self.schema(property, &format!("{at}/properties/{name}"), depth + 1)?;
            if !required.contains(&name.as_str()) && !admits_null(self.root, property, 0) {
                one = nullable(one);
            }
            lowered.insert(name.clone(), one);
        }
        // In the order that the file asks for; what was optional after it.
        let optional = properties.keys().map(String::as_str).filter(|name| !required.contains(name));
        let names: Vec<&str> = required.iter().copied().chain(optional).collect();
        out.insert("required".to_owned(), names.into());
        out.insert("properties".to_owned(), lowered.into());
        out.insert("additionalProperties".to_owned(), false.into());
        Ok(())
    }
}

/// The same, or null.
fn nullable(mut schema: Json) -> Json {
    let nothing = json!({ "type": "null" });
    let plain = schema.get("enum").is_none() && schema.get("const").is_none();
    match schema.get("type").cloned() {
        Some(Json::String(one)) if plain => schema["type"] = json!([one, "null"]),
        Some(Json::Array(mut several)) if plain => {
            several.push("null".into());
            schema["type"] = several.into();
        }
        _ => match schema.get_mut("anyOf").and_then(Json::as_array_mut) {
            Some(branches) => branches.push(nothing),
            None => return json!({ "anyOf": [schema, nothing] }),
        },
    }
    schema
}

fn has_type(keys: &Object<String, Json>, wanted: &str) -> bool {
    match keys.get("type") {
        Some(Json::String(one)) => one == wanted,
        Some(Json::Array(several)) => several.iter().any(|one| one == wanted),
        _ => false,
    }
}

fn required(keys: &Object<String, Json>) -> impl Iterator<Item = &str> {
    keys.get("required").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str)
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(number) if number.is_f64() => "number",
        Json::Number(_) => "integer",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn resolve<'a>(root: &'a Json, target: &str) -> Option<&'a Json> {
    root.pointer(target.strip_prefix('#')?)
}

/// How far references are followed: a schema may be recursive.
const MAX_REFS: usize = 64;

/// Whether null fits, as far as can be seen. A doubt counts as yes: then the null stays and the kernel judges it. What
/// describes an object or a list without saying so is lowered to one, and takes no null there.
fn admits_null(root: &Json, schema: &Json, depth: usize) -> bool {
    let Json::Object(keys) = schema else { return schema != &Json::Bool(false) };
    if depth > MAX_REFS {
        return true;
    }
    let any =
        |branches: &Json| branches.as_array().is_none_or(|all| all.iter().any(|one| admits_null(root, one, depth + 1)));
    let typed = ["type", "properties", "items"].iter().any(|key| keys.contains_key(*key));
    (!typed || has_type(keys, "null"))
        && keys.get("enum").and_then(Json::as_array).is_none_or(|words| words.contains(&Json::Null))
        && keys.get("const").is_none_or(Json::is_null)
        && keys.get("anyOf").is_none_or(any)
        && keys.get("oneOf").is_none_or(any)
        && keys
            .get("$ref")
            .and_then(Json::as_str)
            .and_then(|target| resolve(root, target))
            .is_none_or(|target| admits_null(root, target, depth + 1))
}

/// Takes the nulls out of an answer that stand for optional properties which were left out.
pub fn lift(canonical: &Json, value: Value) -> Value {
    lifted(canonical, canonical, value, 0)
}

fn lifted(root: &Json, schema: &Json, value: Value, refs: usize) -> Value {
    let Json::Object(keys) = schema else { return value };
    if refs > MAX_REFS {
        return value;
    }
    if let Some(target) = keys.get("$ref").and_then(Json::as_str).and_then(|target| resolve(root, target)) {
        return lifted(root, target, value, refs + 1);
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(branches) = keys.get(several).and_then(Json::as_array) {
            return match branches.iter().find(|branch| looks_like(root, branch, &value, refs)) {
                Some(branch) => lifted(root, branch, value, refs + 1),
                None => value,
            };
        }
    }
    match value {
        Value::Map(map) => {
            let none = Object::new();
            let properties = keys.get("properties").and_then(Json::as_object).unwrap_or(&none);
            let left_out = |name: &str, value: &Value| {
                let property = properties.get(name);
                value.is_null()
                    && !required(keys).any(|one| one == name)
                    && property.is_some_and(|property| !admits_null(root, property, 0))
            };
            let kept = map.iter().filter(|(name, value)| !left_out(name, value));
            let kept: Map = kept
                .map(|(name, value)| match properties.get(&**name) {
                    Some(property) => (name.clone(), lifted(root, property, value.clone(), 0)),
                    None => (name.clone(), value.clone()),
                })
                .collect();
            Value::Map(kept.into())
        }
        Value::List(items) => match keys.get("items") {
            Some(schema) => Value::list(items.iter().map(|item| lifted(root, schema, item.clone(), 0))),
            None => Value::List(items),
        },
        other => other,
    }
}

/// Whether a value was meant for this form: its type, its words, the words of its properties, what must be there.
fn looks_like(root: &Json, schema: &Json, value: &Value, refs: usize) -> bool {
    let Json::Object(keys) = schema else { return schema == &Json::Bool(true) };
    if refs > MAX_REFS {
        return false;
    }
    if let Some(target) = keys.get("$ref").and_then(Json::as_str).and_then(|target| resolve(root, target)) {
        return looks_like(root, target, value, refs + 1);
    }
    for several in ["anyOf", "oneOf"] {
        if let Some(branches) = keys.get(several).and_then(Json::as_array) {
            return branches.iter().any(|branch| looks_like(root, branch, value, refs + 1));
        }
    }
    let word = value.to_serde();
    let typed = match keys.get("type") {
        None => true,
        Some(_) => {
            let own = type_of(&word);
            has_type(keys, own) || (own == "integer" && has_type(keys, "number"))
        }
    };
    let worded = keys.get("const").is_none_or(|one| *one == word)
        && keys.get("enum").and_then(Json::as_array).is_none_or(|words| words.contains(&word));
    typed
        && worded
        && match value {
            Value::Map(map) => {
                let properties = keys.get("properties").and_then(Json::as_object);
                required(keys).all(|name| map.contains_key(name))
                    && map.iter().all(|(name, value)| match properties.and_then(|all| all.get(&**name)) {
                        Some(property) if property.get("const").is_some() || property.get("enum").is_some() => {
                            value.is_null() || looks_like(root, property, value, MAX_REFS)
                        }
                        Some(_) => true,
                        None => properties.is_none(),
                    })
            }
            _ => true,
        }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use kernel::schema::Schema;

    use super::*;

    fn check(canonical: Json, expected: Expect) -> Lowered {
        // Only what the kernel takes as a schema ever comes here.
        Schema::from_json(&canonical).unwrap();
        let lowered = lower(&canonical);
        Schema::from_json(&lowered.schema).unwrap();
        let shown = format!("strict: {}\nlost: {:?}\n{}\n", lowered.strict, lowered.lost, lowered.schema);
        expected.assert_eq(&shown);
        lowered
    }

    #[test]
    fn optional_becomes_nullable_and_what_is_not_enforced_is_told() {
        check(
            json!({
                "type": "object",
                "description": "One item.",
                "properties": {
                    "name": { "type": "string", "minLength": 3, "description": "Its name." },
                    "size": { "type": "integer", "minimum": 0, "default": 1 },
                    "kind": { "enum": ["a", "b"] },
                    "link": { "type": "string", "format": "uri" },
                    "part": { "$ref": "#/$defs/part" },
                    "none": { "type": ["string", "null"] },
                },
                "required": ["name"],
                "$defs": { "part": { "properties": { "id": { "const": 7 } }, "required": ["id"] } },
            }),
            expect![[r##"
                strict: true
                lost: ["/properties/name: minLength 3", "/properties/size: default 1", "/properties/link: format uri"]
                {"type":"object","required":["name","size","kind","link","part","none"],"properties":{"name":{"type":"string","description":"Its name. Must also hold: minLength 3."},"size":{"minimum":0,"type":["integer","null"],"description":"Must also hold: default 1."},"kind":{"anyOf":[{"enum":["a","b"],"type":"string"},{"type":"null"}]},"link":{"type":["string","null"],"description":"Must also hold: format uri."},"part":{"anyOf":[{"$ref":"#/$defs/part"},{"type":"null"}]},"none":{"type":["string","null"]}},"additionalProperties":false,"description":"One item.","$defs":{"part":{"type":"object","required":["id"],"properties":{"id":{"const":7,"type":"integer"}},"additionalProperties":false}}}
            "##]],
        );
    }

    #[test]
    fn forms_that_exclude_each_other_become_alternatives() {
        check(
            json!({
                "type": "object",
                "properties": { "one": { "oneOf": [{ "type": "string" }, { "type": "integer" }] } },
                "required": ["one"],
                "additionalProperties": false,
            }),
            expect![[r#"
                strict: true
                lost: ["/properties/one: exactly one of the forms"]
                {"type":"object","required":["one"],"properties":{"one":{"anyOf":[{"type":"string"},{"type":"integer"}],"description":"Must also hold: exactly one of the forms."}},"additionalProperties":false}
            "#]],
        );
    }

    #[test]
    fn what_has_no_strict_form_is_sent_as_it_is_and_says_why() {
        let object = |property: Json| json!({ "type": "object", "properties": { "a": property } });
        for (canonical, why) in [
            (json!({ "type": "array", "items": { "type": "string" } }), "the whole answer is no object"),
            (json!({ "type": "object" }), ": an object with any properties"),
            (object(json!({})), "/properties/a: a value of any type"),
            (object(json!(true)), "/properties/a: any value at all, or none"),
            (object(json!({ "type": "array" })), "/properties/a: a list of anything"),
            (object(json!({ "enum": [] })), "/properties/a: no value fits"),
            (
                object(json!({ "type": "object", "additionalProperties": { "type": "string" } })),
                "/properties/a: an object with any properties",
            ),
            (
                json!({ "type": "object", "properties": {}, "additionalProperties": true }),
                ": further properties are allowed",
            ),
            (object(json!({ "allOf": [{ "type": "string" }] })), "/properties/a: allOf has no strict form"),
            (json!({ "type": "object", "properties": {}, "required": ["b"] }), ": `b` is required and not described"),
            (object(json!({ "$ref": "#/properties/b" })), "/properties/a: $ref #/properties/b points to no $defs"),
        ] {
            let lowered = lower(&canonical);
            assert_eq!((lowered.strict, lowered.schema, lowered.lost), (false, canonical, vec![why.to_owned()]));
        }
        let mut deep = json!({ "type": "string" });
        for _ in 0..12 {
            deep = json!({ "type": "object", "properties": { "a": deep }, "required": ["a"] });
        }
        assert!(!lower(&deep).strict);
    }

    #[test]
    fn a_root_that_points_elsewhere_is_what_it_points_to() {
        let recursive = json!({
            "$ref": "#/$defs/tree",
            "$defs": { "tree": {
                "type": "object",
                "properties": { "name": { "type": "string" }, "sub": { "type": "array", "items": { "$ref": "#/$defs/tree" } } },
                "required": ["name"],
            } },
        });
        let lowered = lower(&recursive);
        assert!(lowered.strict, "{:?}", lowered.lost);
        assert_eq!(lowered.schema["type"], "object");
        let answer = r#"{"name":"a","sub":[{"name":"b","sub":null}]}"#;
        let value = Value::from_json(answer.as_bytes()).unwrap();
        assert!(Schema::from_json(&lowered.schema).unwrap().is_valid(&value));
        let back = lift(&recursive, value);
        assert_eq!(back.to_json(), r#"{"name":"a","sub":[{"name":"b"}]}"#);
        assert!(Schema::from_json(&recursive).unwrap().is_valid(&back));
    }

    #[test]
    fn nulls_that_stand_for_nothing_are_taken_out_and_others_stay() {
        let canonical = json!({
            "type": "object",
            "properties": {
                "gone": { "type": "string" },
                "maybe": { "type": ["string", "null"] },
                "any": {},
                "must": { "type": "string" },
                "list": { "type": "array", "items": {
                    "type": "object", "properties": { "x": { "type": "integer" } },
                } },
                "form": { "oneOf": [
                    { "type": "object", "properties": { "kind": { "const": "a" }, "n": { "type": ["integer", "null"] } },
                      "required": ["kind"] },
                    { "type": "object", "properties": { "kind": { "const": "b" }, "n": { "type": "integer" } },
                      "required": ["kind"] },
                ] },
            },
            "required": ["must"],
        });
        let lift = |text: &str| lift(&canonical, Value::from_json(text.as_bytes()).unwrap()).to_json();
        assert_eq!(
            lift(r#"{"gone":null,"maybe":null,"any":null,"must":null,"other":null,"list":[{"x":null},{"x":1}]}"#),
            r#"{"any":null,"list":[{},{"x":1}],"maybe":null,"must":null,"other":null}"#
        );
        assert_eq!(
            lift(r#"{"must":"m","form":{"kind":"a","n":null}}"#),
            r#"{"form":{"kind":"a","n":null},"must":"m"}"#
        );
        assert_eq!(lift(r#"{"must":"m","form":{"kind":"b","n":null}}"#), r#"{"form":{"kind":"b"},"must":"m"}"#);
        assert_eq!(lift(r#"{"must":"m","form":null}"#), r#"{"must":"m"}"#);
        assert_eq!(lift("[1,null]"), "[1,null]");
    }
}
