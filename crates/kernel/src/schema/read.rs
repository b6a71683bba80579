//! Reading a schema: every keyword is known, every reference stays in the file, every pattern is linear.

use std::{cell::RefCell, collections::BTreeMap};

use jsonschema::draft202012;
use serde_json::Value as Json;

use super::options;
use crate::{
    complaint::{Complaint, Complaints, Place, did_you_mean},
    governance::labels::{Words, WordsOf},
    yaml::{Key, Kind, Node, cut},
};

/// Keywords whose value is one schema.
const ONE: &[&str] = &[
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords whose value is a list of schemas.
const SEVERAL: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords whose value is a map of schemas by name.
const NAMED: &[&str] = &["$defs", "dependentSchemas", "patternProperties", "properties"];
/// All others.
const PLAIN: &[&str] = &[
    "$anchor",
    "$comment",
    "$id",
    "$ref",
    "$schema",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
    "x-exact",
    "x-labels",
];
/// Documented or standard, and not built.
const LATER: &[&str] = &["$dynamicAnchor", "$dynamicRef", "$vocabulary"];
/// Formats that are checked.
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];
const DRAFT: &str = "https://json-schema.org/draft/2020-12/schema";
/// The most schemas that one place may pull in through `$ref`, `allOf` and the like.
const MAX_EXPANSION: u32 = 10_000;

/// A schema that a person wrote, as JSON.
pub(super) fn schema(node: &Node) -> Result<Json, Vec<Complaint>> {
    let mut complaints = Complaints::new();
    let Some(value) = complaints.take(node.to_value()) else { return Err(complaints.into_sorted()) };
    let json = value.to_serde();
    let mut reader = Reader { root: &json, complaints };
    reader.schema(node, true);
    let meta = draft202012::meta::validator();
    for error in meta.iter_errors(&json).take(8) {
        let path = error.instance_path().as_str();
        let at = find(node, path);
        // What has been said in better words is not said again.
        let said = reader.complaints.as_slice();
        if said.iter().any(|said| said.at == Some(at) || (said.id == "S001" && path.ends_with("/type"))) {
            continue;
        }
        let mut messages = Vec::new();
        super::say(&error, &mut messages, 0);
        for message in messages {
            let message = format!("this is no schema: {message}");
            reader.complaints.push(Complaint::new("S001", &node.file, at, message));
        }
    }
    if reader.complaints.is_empty() {
        let loops = Loops::new(&json);
        if let Err((pointer, endless)) = loops.check("", &json) {
            let (id, message) = match endless {
                true => ("S005", "this `$ref` goes back to itself without a property or an item in between"),
                false => ("S005", "this pulls in more than ten thousand schemas"),
            };
            let at = find(node, &pointer);
            reader.complaints.push(Complaint::new(id, &node.file, at, message));
        }
    }
    if reader.complaints.is_empty() { Ok(json) } else { Err(reader.complaints.into_sorted()) }
}

/// A schema that comes from elsewhere: references must stay inside, and it must have an end.
pub(super) fn foreign(json: &Json) -> Result<(), String> {
    if json.to_string().len() > crate::yaml::MAX_BYTES {
        return Err(format!("the schema has more than {} bytes", crate::yaml::MAX_BYTES));
    }
    references(json, json, 0)?;
    match Loops::new(json).check("", json) {
        Ok(()) => Ok(()),
        Err((pointer, _)) => Err(format!("`$ref` at `{pointer}` has no end")),
    }
}

fn references(json: &Json, root: &Json, depth: usize) -> Result<(), String> {
    if depth > crate::yaml::MAX_DEPTH {
        return Err("the schema is nested too deep".to_owned());
    }
    match json {
        Json::Object(keys) => {
            if let Some(target) = keys.get("$ref").and_then(Json::as_str)
                && target.strip_prefix('#').and_then(|pointer| root.pointer(pointer)).is_none()
            {
                return Err(format!("`$ref: {}` does not point to a place in the schema", cut(target, 80)));
            }
            keys.values().try_for_each(|value| references(value, root, depth + 1))
        }
        Json::Array(items) => items.iter().try_for_each(|value| references(value, root, depth + 1)),
        _ => Ok(()),
    }
}

struct Reader<'a> {
    root: &'a Json,
    complaints: Complaints,
}

impl Reader<'_> {
    fn complain(&mut self, id: &'static str, node: &Node, at: Place, message: String, hint: Option<String>) {
        self.complaints.push(Complaint::new(id, &node.file, at, message).or_hint(hint));
    }

    fn schema(&mut self, node: &Node, top: bool) {
        let Kind::Map(entries) = &node.kind else {
            // `true` and `false` are schemas; anything else the metaschema refuses, unless it is no schema at all.
            if top || !matches!(node.scalar().map(|text| &**text), Some("true" | "false")) {
                self.complaints.push(node.expected("a schema (a map)"));
            }
            return;
        };
        for (key, value) in entries {
            let word = &*key.text;
            match word {
                "$ref" => self.reference(value),
                "$schema" => self.draft(value),
                "$id" if !top => self.later(node, key),
                "pattern" => self.pattern(value.scalar().map(|text| &**text), value, value.span),
                "format" => self.format(value),
                "type" => self.types(value),
                // Whether a value may be read otherwise than it was written, such as a number in quotes.
                "x-exact" => {
                    if !matches!(value.scalar().map(|text| &**text), Some("true" | "false")) {
                        let hint =
                            "`x-exact: true` says that a value and all below it are read only as they are written";
                        self.complain(
                            "S001",
                            node,
                            value.span,
                            "`x-exact` is true or false".to_owned(),
                            Some(hint.to_owned()),
                        );
                    }
                }
                "x-labels" => {
                    Words::read(value, WordsOf::Schema, &mut self.complaints);
                }
                _ if ONE.contains(&word) => self.schema(value, false),
                _ if SEVERAL.contains(&word) => match &value.kind {
                    Kind::List(items) => items.iter().for_each(|item| self.schema(item, false)),
                    _ => self.complaints.push(value.expected("a list of schemas")),
                },
                _ if NAMED.contains(&word) => self.named(word, value),
                _ if PLAIN.contains(&word) => {}
                _ if LATER.contains(&word) => self.later(node, key),
                _ => self.unknown(node, key),
            }
        }
    }

    fn later(&mut self, node: &Node, key: &Key) {
        self.complain("S007", node, key.span, format!("`{}` is not supported yet here", key.text), None);
    }

    fn unknown(&mut self, node: &Node, key: &Key) {
        let word = &*key.text;
        let hint = match word {
            "definitions" => Some("it is called `$defs` since 2019".to_owned()),
            "nullable" => Some("write `type: [string, \"null\"]`".to_owned()),
            "dependencies" => Some("write `dependentRequired` or `dependentSchemas`".to_owned()),
            "additionalItems" => Some("write `prefixItems` and `items`".to_owned()),
            "example" => Some("did you mean `examples`? (a list)".to_owned()),
            "optional" => Some("a property is optional unless it is listed under `required`".to_owned()),
            _ => did_you_mean(word, [ONE, SEVERAL, NAMED, PLAIN].concat()),
        };
        self.complain("S002", node, key.span, format!("unknown keyword `{}` in a schema", cut(word, 60)), hint);
    }

    fn named(&mut self, word: &str, node: &Node) {
        let Kind::Map(entries) = &node.kind else {
            self.complaints.push(node.expected("a map of schemas by name"));
            return;
        };
        for (key, value) in entries {
            if word == "patternProperties" {
                self.pattern(Some(&key.text), node, key.span);
            }
            self.schema(value, false);
        }
    }

    fn reference(&mut self, node: &Node) {
        let Some(target) = node.scalar() else {
            return self.complaints.push(node.expected("a reference such as `#/$defs/x`"));
        };
        let Some(pointer) = target.strip_prefix('#') else {
            let message = format!("`{}` does not point into this file", cut(target, 80));
            let hint = "copy the schema under `$defs` and write `#/$defs/name`".to_owned();
            return self.complain("S003", node, node.span, message, Some(hint));
        };
        if self.root.pointer(pointer).is_none() {
            let defs = self.root.get("$defs").and_then(Json::as_object);
            let names: Vec<String> =
                defs.map(|defs| defs.keys().map(|name| format!("#/$defs/{name}")).collect()).unwrap_or_default();
            let hint = did_you_mean(target, names.iter().map(String::as_str));
            self.complain("S004", node, node.span, format!("there is no `{}` in this file", cut(target, 80)), hint);
        }
    }

    fn draft(&mut self, node: &Node) {
        if node.scalar().is_none_or(|text| text.trim_end_matches('#') != DRAFT) {
            self.complain(
                "S001",
                node,
                node.span,
                "only JSON Schema 2020-12 is read".to_owned(),
                Some(format!("write `$schema: {DRAFT}`, or leave it out")),
            );
        }
    }

    fn pattern(&mut self, pattern: Option<&str>, node: &Node, at: Place) {
        let Some(pattern) = pattern else { return self.complaints.push(node.expected("a pattern (a text)")) };
        let small = serde_json::json!({ "pattern": pattern });
        if let Err(error) = options().build(&small) {
            let why = error.to_string();
            let hint = if pattern.contains("(?=") || pattern.contains("(?!") || pattern.contains("(?<") {
                Some("look-around is not part of the linear kind: use two schemas under `allOf`, or `not`".to_owned())
            } else if why.contains("size") {
                Some("use a smaller repetition".to_owned())
            } else {
                None
            };
            self.complain(
                "S006",
                node,
                at,
                format!("`{}` is no pattern that can be used here", cut(pattern, 80)),
                hint,
            );
        }
    }

    fn types(&mut self, node: &Node) {
        const WORDS: [&str; 7] = ["array", "boolean", "integer", "null", "number", "object", "string"];
        match &node.kind {
            Kind::Scalar { text, plain } => {
                if *plain && &**text == "null" {
                    let message = "`null` without quotes is no word here".to_owned();
                    self.complain("S001", node, node.span, message, Some("write \"null\"".to_owned()));
                } else if !WORDS.contains(&&**text) {
                    let hint = match &**text {
                        "text" | "str" => Some("did you mean `string`?".to_owned()),
                        "int" => Some("did you mean `integer`?".to_owned()),
                        "list" => Some("did you mean `array`?".to_owned()),
                        "map" | "dict" => Some("did you mean `object`?".to_owned()),
                        other => did_you_mean(other, WORDS),
                    };
                    self.complain("S001", node, node.span, format!("there is no type `{}`", cut(text, 60)), hint);
                }
            }
            Kind::List(items) => items.iter().for_each(|item| match item.kind {
                Kind::List(_) => self.complaints.push(item.expected("the name of a type")),
                _ => self.types(item),
            }),
            Kind::Map(_) => self.complaints.push(node.expected("the name of a type")),
        }
    }

    fn format(&mut self, node: &Node) {
        let Some(format) = node.scalar() else { return self.complaints.push(node.expected("the name of a format")) };
        if !FORMATS.contains(&&**format) {
            let hint = did_you_mean(format, FORMATS.iter().copied());
            self.complain(
                "S008",
                node,
                node.span,
                format!("the format `{}` is not one that is checked", cut(format, 60)),
                hint,
            );
        }
    }
}

/// The place that a JSON pointer names, or the nearest above it that exists.
fn find(node: &Node, pointer: &str) -> Place {
    let mut here = node;
    let mut span = node.span;
    for part in pointer.split('/').skip(1) {
        let part = part.replace("~1", "/").replace("~0", "~");
        let next = match &here.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(key, _)| *key.text == *part).map(|(key, node)| (key.span, node))
            }
            Kind::List(items) => part.parse::<usize>().ok().and_then(|at| items.get(at)).map(|node| (node.span, node)),
            Kind::Scalar { .. } => None,
        };
        let Some((at, next)) = next else { break };
        span = at;
        here = next;
    }
    match here.kind {
        Kind::Scalar { .. } => here.span,
        _ => span,
    }
}

/// Follows what applies to the same value: `$ref`, `allOf` and the like. A circle there never ends, and a ladder of doubles
/// takes forever.
struct Loops<'a> {
    root: &'a Json,
    sizes: RefCell<BTreeMap<String, Option<u32>>>,
}

/// Where, and whether it is a circle.
type Endless = (String, bool);

impl<'a> Loops<'a> {
    fn new(root: &'a Json) -> Self {
        Loops { root, sizes: RefCell::default() }
    }

    /// Checks a schema and all that are written inside it.
    fn check(&self, pointer: &str, schema: &Json) -> Result<(), Endless> {
        self.size(pointer, schema, 0)?;
        let Json::Object(keys) = schema else { return Ok(()) };
        for (word, value) in keys {
            let below = format!("{pointer}/{}", escape(word));
            match value {
                _ if ONE.contains(&word.as_str()) => self.check(&below, value)?,
                Json::Array(items) if SEVERAL.contains(&word.as_str()) => {
                    for (at, item) in items.iter().enumerate() {
                        self.check(&format!("{below}/{at}"), item)?;
                    }
                }
                Json::Object(entries) if NAMED.contains(&word.as_str()) => {
                    for (name, item) in entries {
                        self.check(&format!("{below}/{}", escape(name)), item)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn known(&self, pointer: &str) -> Option<Option<u32>> {
        self.sizes.borrow().get(pointer).copied()
    }

    fn remember(&self, pointer: &str, size: Option<u32>) {
        self.sizes.borrow_mut().insert(pointer.to_owned(), size);
    }

    /// How many schemas apply to one value here.
    fn size(&self, pointer: &str, schema: &Json, depth: usize) -> Result<u32, Endless> {
        match self.known(pointer) {
            Some(Some(size)) => return Ok(size),
            // It is being measured: we came back to it.
            Some(None) => return Err((pointer.to_owned(), true)),
            None => {}
        }
        if depth > 200 {
            return Err((pointer.to_owned(), false));
        }
        let Json::Object(keys) = schema else { return Ok(1) };
        self.remember(pointer, None);
        let mut size = 1_u32;
        let mut add = |more: Result<u32, Endless>| -> Result<(), Endless> {
            size = size.saturating_add(more?);
            if size > MAX_EXPANSION { Err((pointer.to_owned(), false)) } else { Ok(()) }
        };
        if let Some(target) = keys.get("$ref").and_then(Json::as_str).and_then(|target| target.strip_prefix('#'))
            && let Some(found) = self.root.pointer(target)
        {
            add(self
                .size(target, found, depth + 1)
                .map_err(|(at, circle)| if circle { (format!("{pointer}/$ref"), true) } else { (at, circle) }))?;
        }
        for word in ["allOf", "anyOf", "oneOf"] {
            for (at, item) in keys.get(word).and_then(Json::as_array).into_iter().flatten().enumerate() {
                add(self.size(&format!("{pointer}/{word}/{at}"), item, depth + 1))?;
            }
        }
        for word in ["not", "if", "then", "else"] {
            if let Some(item) = keys.get(word) {
                add(self.size(&format!("{pointer}/{word}"), item, depth + 1))?;
            }
        }
        for (name, item) in keys.get("dependentSchemas").and_then(Json::as_object).into_iter().flatten() {
            add(self.size(&format!("{pointer}/dependentSchemas/{}", escape(name)), item, depth + 1))?;
        }
        self.remember(pointer, Some(size));
        Ok(size)
    }
}

fn escape(word: &str) -> String {
    word.replace('~', "~0").replace('/', "~1")
}
