//! `http: { openapi }`: operations whose method, path, parameters and schemas stand in an OpenAPI document of the project.
//!
//! The document describes; what is done about it is the operator's word. An operation names what it uses by `operation_id`, states
//! the effect, and may write anything else itself: what is written goes before what is described.

mod convert;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde_json::{Map, Value as Json, json};

use self::convert::{Converter, Direction};
use crate::{
    complaint::{Complaint, did_you_mean},
    expr::{Template, Text},
    schema::Schema,
    workflow::{project::file_exists, reading::Reading},
    yaml::{self, Fields, Key, Kind, Node},
};

/// Files of these endings are documents, no tool files.
const ENDINGS: [&str; 2] = [".openapi.yaml", ".openapi.json"];

/// Whether a file below `tools/` is a document.
pub(super) fn is_document(path: &str) -> bool {
    ENDINGS.iter().any(|ending| path.ends_with(ending))
}

/// A document, and where each of its operations stands.
#[derive(Debug)]
struct Document {
    file: Arc<str>,
    json: Json,
    /// Path and method, by operation id.
    operations: BTreeMap<String, (String, &'static str)>,
}

/// The document of a tool, and the headers that the tool sets itself, in lower case: they are no arguments.
pub(super) struct Api {
    /// `None`: it has mistakes, which are complained about.
    document: Option<Document>,
    ours: BTreeSet<String>,
}

/// What a document says of one operation, without what its tool file writes itself.
#[derive(Debug, Default)]
pub(super) struct Described {
    pub method: &'static str,
    pub path: Option<Text>,
    pub query: Vec<(Arc<str>, Text)>,
    pub headers: Vec<(Arc<str>, Text)>,
    /// The argument `body`, where it is sent whole.
    pub body: Option<Template>,
    /// Else the arguments that are sent; `None`: the file says what.
    pub only: Option<Arc<[Arc<str>]>>,
    pub params: Option<Arc<Schema>>,
    pub returns: Option<Arc<Schema>>,
}

const METHODS: [(&str, &str); 5] =
    [("get", "GET"), ("post", "POST"), ("put", "PUT"), ("patch", "PATCH"), ("delete", "DELETE")];

/// The document that `http: { openapi, headers }` names, if it names one.
pub(super) fn api(http: &Node, reading: &mut Reading<'_>) -> Option<Api> {
    let Kind::Map(entries) = &http.kind else { return None };
    let get = |name: &str| entries.iter().find(|(key, _)| &*key.text == name).map(|(_, node)| node);
    let document = document(get("openapi")?, reading);
    let ours = match get("headers").map(|node| &node.kind) {
        Some(Kind::Map(headers)) => headers.iter().map(|(key, _)| key.text.to_ascii_lowercase()).collect(),
        _ => BTreeSet::new(),
    };
    Some(Api { document, ours })
}

/// Reads the document that `openapi: …` names.
fn document(node: &Node, reading: &mut Reading<'_>) -> Option<Document> {
    let file = node.text(&mut reading.complaints)?;
    if !(file.starts_with("tools/") && is_document(&file)) {
        let message = format!("`{file}` is no OpenAPI document of the project");
        let hint = "it stands below `tools/` and ends in `.openapi.yaml` or `.openapi.json`";
        reading.complaints.push(node.complaint("W060", message).hint(hint));
        return None;
    }
    if !file_exists(reading.sources, node, &file, &mut reading.complaints) {
        return None;
    }
    let text = reading.sources.get(&file)?.clone();
    let json = if file.ends_with(".json") {
        let read = serde_json::from_str(&text);
        let failed =
            |error: serde_json::Error| Complaint::new("W060", &file, None, format!("this is no JSON: {error}"));
        reading.complaints.take(read.map_err(failed))?
    } else {
        to_json(&reading.complaints.take(yaml::parse(&file, &text))?)
    };
    let version = json.get("openapi").and_then(Json::as_str).unwrap_or_default();
    if !(version.starts_with("3.0.") || version.starts_with("3.1.")) {
        let message = match version {
            "" => "this is no OpenAPI document: it begins with `openapi: 3.0.…` or `openapi: 3.1.…`".to_owned(),
            version => format!("`openapi: {version}` is not 3.0 or 3.1"),
        };
        reading.complaints.push(Complaint::new("W060", &file, None, message));
        return None;
    }
    let mut operations = BTreeMap::new();
    for (path, item) in json.get("paths").and_then(Json::as_object).into_iter().flatten() {
        for (key, method) in METHODS {
            if let Some(id) = item.get(key).and_then(|one| one.get("operationId")).and_then(Json::as_str) {
                operations.insert(id.to_owned(), (path.clone(), method));
            }
        }
    }
    Some(Document { file, json, operations })
}

/// Documents of others are read as YAML 1.2 has it: what two readers would understand differently is a text.
fn to_json(node: &Node) -> Json {
    match &node.kind {
        Kind::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.text.to_string(), to_json(value))).collect())
        }
        Kind::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Kind::Scalar { text, .. } => node.to_value().map_or_else(|_| text.to_string().into(), |value| value.to_serde()),
    }
}

impl Api {
    /// What the document says of the operation that `fields` names by `operation_id`, or that is called like it. `None`: nothing
    /// that can be used, and it is complained about.
    pub(super) fn operation(&self, key: &Key, fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<Described> {
        let document = self.document.as_ref()?;
        let mut ours = self.ours.clone();
        if let Some(Kind::Map(entries)) = fields.get("key").map(|node| &node.kind) {
            ours.extend(entries.iter().filter_map(|(_, node)| Some(node.scalar()?.to_ascii_lowercase())));
        }
        document.operation(key, fields, &ours, reading)
    }
}

impl Document {
    fn operation(
        &self,
        key: &Key,
        fields: &Fields<'_>,
        ours: &BTreeSet<String>,
        reading: &mut Reading<'_>,
    ) -> Option<Described> {
        let named = fields.get("operation_id");
        let id = match named {
            Some(node) => node.text(&mut reading.complaints)?,
            None => key.text.clone(),
        };
        let Some((path, method)) = self.operations.get(&*id) else {
            let message = format!("{} has no operation `{id}`", self.file);
            let hint = did_you_mean(&id, self.operations.keys().map(String::as_str));
            let hint = hint.or_else(|| Some("name it: `operation_id: …`".to_owned()));
            let at = named.map_or(key.span, |node| node.span);
            reading.complaints.push(Complaint::new("W060", &fields.node.file, at, message).or_hint(hint));
            return None;
        };
        match self.describe(path, method, fields, ours) {
            Ok(described) => Some(described),
            Err(why) => {
                let message = format!("`{id}` of {} cannot be used: {why}", self.file);
                reading.complaints.push(Complaint::new("W060", &fields.node.file, key.span, message));
                None
            }
        }
    }

    fn describe(
        &self,
        path: &str,
        method: &'static str,
        fields: &Fields<'_>,
        ours: &BTreeSet<String>,
    ) -> Result<Described, String> {
        let item = &self.json["paths"][path];
        let operation = &item[method.to_ascii_lowercase()];
        let mut described = Described { method, ..Described::default() };
        let mut filled = path.to_owned();
        let mut arguments = Arguments::default();
        let mut sent = Converter::new(&self.json, Direction::Sent);
        for ((place, name), parameter) in self.parameters(item, operation)? {
            if place == "header" && ours.contains(&name.to_ascii_lowercase()) {
                continue;
            }
            let written = |key: &str| fields.get(key).is_some_and(|node| has(node, &name));
            let by_hand = match place.as_str() {
                "query" => written("query"),
                "header" => written("headers"),
                _ => fields.has("path"),
            };
            let schema = sent.schema(parameter.get("schema").unwrap_or(&json!({})))?;
            if !by_hand {
                self.travels(&place, &name, parameter)?;
            }
            let needed = place == "path" || parameter["required"] == json!(true);
            arguments.add(&name, schema, needed)?;
            if by_hand {
                continue;
            }
            let hole = argument(&name, needed || place == "path")?;
            match place.as_str() {
                "path" => filled = filled.replace(&format!("{{{name}}}"), &hole),
                "query" => described.query.push((name.into(), compile(&hole)?)),
                _ => described.headers.push((name.into(), compile(&hole)?)),
            }
        }
        if !fields.has("path") {
            if filled.replace("{{", "").contains('{') {
                return Err(format!("a part of its path `{path}` is no parameter"));
            }
            described.path = Some(compile(&filled)?);
        }
        if !fields.has("body") {
            (described.body, described.only) = self.body(operation, &mut arguments, &mut sent)?;
        }
        if !fields.has("params") {
            described.params = Some(Schema::from_json(&sent.whole(arguments.schema())?)?);
        }
        if !fields.has("returns") {
            described.returns = self.returns(operation)?;
        }
        Ok(described)
    }

    /// What a `$ref` of a parameter, a body or an answer stands for.
    fn follow<'a>(&'a self, json: &'a Json) -> Result<&'a Json, String> {
        let Some(target) = json.get("$ref").and_then(Json::as_str) else { return Ok(json) };
        let found = target.strip_prefix('#').and_then(|pointer| self.json.pointer(pointer));
        let found = found.ok_or_else(|| format!("`$ref: {target}` is no place of the same document"))?;
        if found.get("$ref").is_some() {
            Err(format!("`$ref: {target}` stands for another reference"))
        } else {
            Ok(found)
        }
    }

    /// By place and name; an operation's own go before those of its path.
    fn parameters<'a>(
        &'a self,
        item: &'a Json,
        operation: &'a Json,
    ) -> Result<BTreeMap<(String, String), &'a Json>, String> {
        let mut all = BTreeMap::new();
        for parameter in [item, operation].into_iter().filter_map(|one| one.get("parameters")?.as_array()).flatten() {
            let parameter = self.follow(parameter)?;
            let text = |key: &str| parameter.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
            all.insert((text("in"), text("name")), parameter);
        }
        // By the letter, these say nothing: they are the client's.
        let said =
            |name: &str| !["accept", "content-type", "authorization"].contains(&name.to_ascii_lowercase().as_str());
        all.retain(|(place, name), _| place != "header" || said(name));
        Ok(all)
    }

    /// Whether a parameter can be written as one text.
    fn travels(&self, place: &str, name: &str, parameter: &Json) -> Result<(), String> {
        if !["path", "query", "header"].contains(&place) {
            return Err(format!(
                "its parameter `{name}` travels in `{place}`; path, query, header and a JSON body are known"
            ));
        }
        let style = parameter.get("style").and_then(Json::as_str);
        let usual = if place == "query" { "form" } else { "simple" };
        let schema = self.follow(parameter.get("schema").unwrap_or(&Json::Null))?;
        let kind = &schema["type"];
        let plain = ![json!("array"), json!("object")].contains(kind);
        if plain && style.is_none_or(|style| style == usual) && parameter.get("content").is_none() {
            return Ok(());
        }
        let hint = if place == "path" {
            "path"
        } else if place == "query" {
            "query"
        } else {
            "headers"
        };
        Err(format!("its parameter `{name}` is not one plain text: write it yourself under `{hint}`"))
    }

    /// The argument that is sent whole, or the names of those that are sent.
    fn body(&self, operation: &Json, arguments: &mut Arguments, sent: &mut Converter<'_>) -> Result<Sent, String> {
        let Some(body) = operation.get("requestBody") else { return Ok((None, Some(Arc::from([])))) };
        let body = self.follow(body)?;
        let Some(schema) = json_content(body) else {
            return Err("its body is not `application/json`: write `body` yourself if JSON will do".to_owned());
        };
        let flat = sent.schema(self.follow(schema)?)?;
        let closed = flat.get("additionalProperties").is_none_or(|more| *more == json!(false));
        let names: Option<&Map<String, Json>> = flat.get("properties").and_then(Json::as_object);
        let apart = |names: &Map<String, Json>| names.keys().all(|name| !arguments.properties.contains_key(name));
        match names.filter(|names| closed && flat["type"] == json!("object") && apart(names)) {
            Some(properties) => {
                let required: Vec<&str> =
                    flat["required"].as_array().into_iter().flatten().filter_map(Json::as_str).collect();
                for (name, schema) in properties {
                    arguments.add(name, schema.clone(), required.contains(&name.as_str()))?;
                }
                Ok((None, Some(properties.keys().map(|name| name.as_str().into()).collect())))
            }
            None => {
                let schema = sent.schema(schema)?;
                arguments.add("body", schema, true)?;
                let whole = Template::of_expr("with.body").map_err(|fault| fault.message)?;
                Ok((Some(whole), None))
            }
        }
    }

    /// What every success gives; `None` if one gives something else than JSON.
    fn returns(&self, operation: &Json) -> Result<Option<Arc<Schema>>, String> {
        let mut given = Converter::new(&self.json, Direction::Given);
        let mut schemas: Vec<Json> = Vec::new();
        let responses = operation.get("responses").and_then(Json::as_object);
        for (_, response) in responses.into_iter().flatten().filter(|(status, _)| status.starts_with('2')) {
            let Some(schema) = json_content(self.follow(response)?) else { return Ok(None) };
            let schema = given.schema(schema)?;
            if !schemas.contains(&schema) {
                schemas.push(schema);
            }
        }
        let schema = match schemas.len() {
            0 => return Ok(None),
            1 => schemas.remove(0),
            _ => json!({ "anyOf": schemas }),
        };
        Schema::from_json(&given.whole(schema)?).map(Some)
    }
}

type Sent = (Option<Template>, Option<Arc<[Arc<str>]>>);

/// The arguments of an operation, as one object.
#[derive(Default)]
struct Arguments {
    properties: Map<String, Json>,
    required: Vec<String>,
}

impl Arguments {
    fn add(&mut self, name: &str, schema: Json, needed: bool) -> Result<(), String> {
        if self.properties.insert(name.to_owned(), schema).is_some() {
            return Err(format!("two of its parameters are called `{name}`"));
        }
        if needed {
            self.required.push(name.to_owned());
        }
        Ok(())
    }

    fn schema(self) -> Json {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": self.required,
            "properties": self.properties,
        })
    }
}

/// Whether a map that is written in the tool file has this key.
fn has(node: &Node, name: &str) -> bool {
    let Kind::Map(entries) = &node.kind else { return false };
    entries.iter().any(|(key, _)| key.text.eq_ignore_ascii_case(name))
}

/// A hole for an argument; one that may be missing leaves nothing.
fn argument(name: &str, needed: bool) -> Result<String, String> {
    if name.is_empty() || name.contains(['\'', '\\', '{', '}']) || name.chars().any(char::is_control) {
        return Err(format!("a parameter cannot be called `{}`", name.escape_debug()));
    }
    Ok(if needed { format!("{{{{ with['{name}'] }}}}") } else { format!("{{{{ with['{name}'] | default('') }}}}") })
}

fn compile(hole: &str) -> Result<Text, String> {
    Text::compile(hole).map_err(|fault| fault.message)
}

/// The schema of a body or an answer that is JSON.
fn json_content(body: &Json) -> Option<&Json> {
    let content = body.get("content")?.as_object()?;
    let plain = |kind: &str| kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let found = content.iter().find(|(kind, _)| {
        let kind = plain(kind);
        kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
    })?;
    found.1.get("schema")
}
