//! `mcp`: a tool whose operations are those of a server of the Model Context Protocol, as a person of the project has accepted them.
//!
//! What a server says of its tools is a claim of somebody else. It is frozen in `pins/<tool>.json` ([`pin`]) when a person agrees, and
//! what an operation takes and gives is read there. Its class, its control arguments and its labels are the operator's word.

pub mod pin;

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value as Json, json};

use self::pin::{Definition, Pins};
use super::{Reach, keys, sql::stays_inside};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    expr::Template,
    governance::Effect,
    ids::Digest,
    schema::Schema,
    types::Type,
    workflow::reading::Reading,
    yaml::{Fields, Key, Kind, Node},
};

/// A parameter of this name carries our key, whoever else would like to fill it.
pub const KEY_PARAM: &str = "idempotency_key";

/// `mcp: { command }` or `mcp: { url }`.
#[derive(Debug)]
pub struct Mcp {
    /// How its server is reached.
    pub server: Server,
    /// The server's name of each operation, also of those that are not pinned.
    pub named: BTreeMap<Arc<str>, Arc<str>>,
}

/// Where a server is.
#[derive(Debug)]
pub enum Server {
    /// A program on this machine that speaks on its standard input and output.
    Command(Program),
    /// Streamable HTTP.
    Url {
        /// A text, or `=env.NAME`.
        url: Template,
        /// `secret://name`: sent as `Authorization: Bearer …`.
        auth: Option<Arc<str>>,
    },
}

/// `command: { program, args, env, read, write, network }`.
#[derive(Debug)]
pub struct Program {
    /// An absolute path, or a path within the project's folder. Not part of the bundle.
    pub program: Arc<str>,
    /// Its arguments, as they are.
    pub args: Vec<Arc<str>>,
    /// All that its environment holds: a text, or `secret://name`.
    pub env: BTreeMap<Arc<str>, Arc<str>>,
    /// Files and folders that it may read, besides what programs are made of.
    pub read: Vec<Arc<str>>,
    /// Files and folders that it may read and write.
    pub write: Vec<Arc<str>>,
    /// Whether it may use the machine's network.
    pub network: bool,
}

/// One operation of a server.
#[derive(Debug)]
pub struct McpCall {
    /// What the server calls it.
    pub name: Arc<str>,
    /// Parameters that carry our key; no argument has their names.
    pub key_params: Vec<Arc<str>>,
    /// The name under `_meta` that carries our key, besides our own.
    pub key_meta: Option<Arc<str>>,
    /// What the server says of it, as it was accepted.
    pub description: Option<Arc<str>>,
    /// The digest of all that was accepted.
    pub pin: Digest,
    /// Whether its answers have a schema of the server's.
    pub structured: bool,
}

impl Mcp {
    /// The texts that may name a secret.
    pub(super) fn secrets(&self) -> Vec<&Arc<str>> {
        match &self.server {
            Server::Command(program) => program.env.values().collect(),
            Server::Url { auth, .. } => auth.iter().collect(),
        }
    }
}

/// Reads `mcp: { command }` or `mcp: { url, auth }`.
pub(super) fn reach(node: &Node, operations: &[(Key, Node)], reading: &mut Reading<'_>) -> Option<Reach> {
    let fields = Fields::new(node, "`mcp`", &["command", "url", "auth"], &[], &mut reading.complaints)?;
    let server = match (fields.get("command"), fields.get("url")) {
        (Some(command), None) => {
            if let Some(key) = fields.key("auth") {
                let message = "`auth` is sent to a `url`: what a program is to know stands under `env`";
                reading.complaints.push(Complaint::new("W001", &node.file, key.span, message));
            }
            Server::Command(program(command, reading)?)
        }
        (None, Some(url)) => {
            reading.enter([("env".into(), Type::Any)]);
            let url = reading.template(url);
            reading.leave();
            let auth = match fields.get("auth") {
                Some(node) => Some(keys::secret(node, &mut reading.complaints)?),
                None => None,
            };
            Server::Url { url: url?.0, auth }
        }
        _ => {
            let message = "an MCP server is reached in one way: `command: { program, args }` or `url: …`";
            reading.complaints.push(node.complaint("W003", message));
            return None;
        }
    };
    let name = |(key, node): &(Key, Node)| (key.text.clone(), server_name(key, node));
    Some(Reach::Mcp(Mcp { server, named: operations.iter().map(name).collect() }))
}

/// What the server calls an operation: its `name`, or its own.
fn server_name(key: &Key, node: &Node) -> Arc<str> {
    let Kind::Map(entries) = &node.kind else { return key.text.clone() };
    let found = entries.iter().find(|(key, _)| &*key.text == "name").and_then(|(_, node)| node.scalar());
    found.unwrap_or(&key.text).clone()
}

fn program(node: &Node, reading: &mut Reading<'_>) -> Option<Program> {
    let known = ["program", "args", "env", "read", "write", "network"];
    let fields = Fields::new(node, "`command`", &known, &[], &mut reading.complaints)?;
    let at = fields.required("program", &mut reading.complaints)?;
    let program = path(at, "a program", reading)?;
    let mut texts = |key: &str| match fields.get(key) {
        Some(node) => node.texts(&mut reading.complaints),
        None => Some(Vec::new()),
    };
    let args = texts("args")?;
    let mut paths = |key: &str| -> Option<Vec<Arc<str>>> {
        let nodes = fields.list(key, &mut reading.complaints);
        nodes.iter().map(|node| path(node, "a file or a folder", reading)).collect()
    };
    let (read, write) = (paths("read"), paths("write"));
    let mut env = BTreeMap::new();
    for (key, node) in fields.map("env", &mut reading.complaints) {
        let plain = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        if !plain(&key.text) {
            let message = format!("`{}` is no name of a variable", key.text);
            reading.complaints.push(Complaint::new("W005", &node.file, key.span, message));
        }
        env.insert(key.text.clone(), node.text(&mut reading.complaints)?);
    }
    let network = fields.bool("network", false, &mut reading.complaints);
    Some(Program { program, args, env, read: read?, write: write?, network })
}

/// An absolute path, or one below the project's folder.
fn path(node: &Node, what: &str, reading: &mut Reading<'_>) -> Option<Arc<str>> {
    let text = node.text(&mut reading.complaints)?;
    if stays_inside(text.strip_prefix('/').unwrap_or(&text)) {
        return Some(text);
    }
    let message = format!("`{text}` is no path of {what}");
    let hint = "write an absolute path, as in `/usr/bin/node`, or one below the project's folder, as in `data/inbox`";
    reading.complaints.push(node.complaint("W005", message).hint(hint));
    None
}

/// What a project has accepted of one server; `None` inside: nothing, or the file has mistakes that were complained about.
pub(super) struct Accepted {
    tool: Arc<str>,
    file: Arc<str>,
    there: bool,
    pins: Option<Pins>,
}

/// Reads the pins of `tool`.
pub(super) fn accepted(tool: &Arc<str>, reading: &mut Reading<'_>) -> Accepted {
    let file: Arc<str> = pin::file(tool).into();
    let text = reading.sources.get(&file).cloned();
    let there = text.is_some();
    let pins = text.and_then(|text| match Pins::read(tool, &text) {
        Ok(pins) => Some(pins),
        Err(why) => {
            let hint = format!(
                "it is written by `surefoot tools pin {tool}`, not by hand: write it anew, and look at what it shows"
            );
            reading.complaints.push(Complaint::new("W228", &file, None, why).hint(hint));
            None
        }
    });
    if let Some(pins) = &pins {
        for (name, why) in pins.refused() {
            let message = format!("the pinned tool `{name}` {why}");
            reading.complaints.push(Complaint::new("W230", &file, None, message));
        }
    }
    Accepted { tool: tool.clone(), file, there, pins }
}

/// What an operation takes and gives by its pin.
#[derive(Default)]
pub(super) struct Pinned {
    pub(super) params: Option<Arc<Schema>>,
    pub(super) returns: Option<Arc<Schema>>,
    /// What the server takes from us, as it was accepted.
    takes: Json,
    call: Option<McpCall>,
}

impl Accepted {
    /// What is pinned of one operation; `None`: it cannot be used, and a complaint says why.
    pub(super) fn operation(
        &self,
        key: &Key,
        fields: &Fields<'_>,
        effect: Effect,
        reading: &mut Reading<'_>,
    ) -> Option<Pinned> {
        let name = server_name(key, fields.node);
        let carried = self.key(key, fields, effect, reading)?;
        // A file with mistakes was complained about: its operations are not to blame.
        let pins = match (&self.pins, self.there) {
            (Some(pins), _) => pins,
            (None, true) => return None,
            (None, false) => {
                reading.complaints.push(self.not_pinned(key, &name, fields, None));
                return None;
            }
        };
        let Some(definition) = pins.get(&name) else {
            let hint = did_you_mean(&name, pins.names());
            reading.complaints.push(self.not_pinned(key, &name, fields, hint));
            return None;
        };
        self.doubts(key, definition, effect, pins, fields, reading);
        let mut key_params: Vec<Arc<str>> = carried.param.into_iter().collect();
        if definition.takes(KEY_PARAM) && !key_params.iter().any(|param| &**param == KEY_PARAM) {
            key_params.push(KEY_PARAM.into());
        }
        if let Some(param) = key_params.iter().find(|param| !definition.takes(param)) {
            let message = format!("the server's tool `{name}` takes no `{param}` that could carry our key");
            reading.complaints.push(fields.node.complaint("W030", message));
            return None;
        }
        let mut usable = |what: &str, schema: &Json| match Schema::from_json(schema) {
            Ok(schema) => Some(Some(schema)),
            Err(why) => {
                let message = format!("the pinned {what} schema of `{name}` cannot be used: {why}");
                let word = if what == "input" { "params" } else { "returns" };
                let hint = format!("write `{word}:` yourself: a schema of the file goes before the server's");
                reading.complaints.push(fields.node.complaint("W232", message).hint(hint));
                None
            }
        };
        let takes = without(&definition.input_schema, &key_params);
        let params = match fields.has("params") {
            true => None,
            false => usable("input", &takes)?,
        };
        let written = fields.get("returns").is_some_and(|node| match &node.kind {
            Kind::Map(entries) => entries.iter().any(|(key, _)| &*key.text == "schema"),
            _ => true,
        });
        let returns = match (&definition.output_schema, written) {
            (Some(schema), false) => usable("output", schema)?,
            _ => None,
        };
        let call = McpCall {
            pin: pins.digest(&name).expect("a definition that was found has a digest: held by Pins"),
            name,
            key_params,
            key_meta: carried.meta,
            description: definition.description.as_deref().map(Arc::from),
            structured: definition.output_schema.is_some(),
        };
        Some(Pinned { params, returns, takes, call: Some(call) })
    }

    fn not_pinned(&self, key: &Key, name: &str, fields: &Fields<'_>, hint: Option<String>) -> Complaint {
        let message = format!("nobody has accepted the server's tool `{name}`: {} does not hold it", self.file);
        let command =
            format!("`surefoot tools pin {}` shows what the server says of it, and `--yes` accepts that", self.tool);
        let hint = match hint {
            Some(hint) => format!("{hint} If not: {command}"),
            None => command,
        };
        Complaint::new("W227", &fields.node.file, key.span, message).hint(hint)
    }

    /// `key: { param }` or `key: { meta }`.
    fn key(&self, key: &Key, fields: &Fields<'_>, effect: Effect, reading: &mut Reading<'_>) -> Option<Carried> {
        let Some(node) = fields.get("key") else {
            if effect == Effect::Idempotent {
                let message = format!("the idempotent operation `{}` does not say how it carries our key", key.text);
                let hint = "write `key: { param: request_id }` or `key: { meta: example.com/key }`: without it the server cannot de-duplicate";
                reading.complaints.push(fields.node.complaint("W030", message).hint(hint));
                return None;
            }
            return Some(Carried::default());
        };
        let fields = Fields::new(node, "`key`", &["param", "meta", "window"], &[], &mut reading.complaints)?;
        let (param, meta) =
            (fields.opt_text("param", &mut reading.complaints), fields.opt_text("meta", &mut reading.complaints));
        if param.is_some() == meta.is_some() {
            reading.complaints.push(node.complaint("W003", "a key is carried in one way: `param: …` or `meta: …`"));
            return None;
        }
        Some(Carried { param, meta })
    }

    /// What an operator should look at: the server's hints say something else than the class, or its words work on a model.
    fn doubts(
        &self,
        key: &Key,
        definition: &Definition,
        effect: Effect,
        pins: &Pins,
        fields: &Fields<'_>,
        reading: &mut Reading<'_>,
    ) {
        if let Some(hint) = definition.contradicts(effect) {
            let message = format!("`{}` is `effect: {}` here, and its server says `{hint}`", key.text, effect.as_str());
            let advice =
                "the class is yours to say, and decides what is done after a doubt: look again whether it is right";
            reading.complaints.push(fields.node.complaint("W229", message).warning().hint(advice));
        }
        let others = pins.names().filter(|name| **name != *definition.name);
        if let Some(what) = definition.steers(others) {
            let message = format!("what the server says of `{}` {what}", definition.name);
            let hint = "a model reads these words: write `says:` if it should read yours";
            reading.complaints.push(Complaint::new("W231", &fields.node.file, key.span, message).warning().hint(hint));
        }
    }
}

#[derive(Default)]
struct Carried {
    param: Option<Arc<str>>,
    meta: Option<Arc<str>>,
}

impl Pinned {
    /// How it is called.
    pub(super) fn call(&mut self) -> Option<McpCall> {
        self.call.take()
    }

    /// Complains about a `params` of the file by which the server would be sent what it does not take. One that allows less is fine.
    pub(super) fn compare(&self, node: &Node, params: &Schema, complaints: &mut Complaints) {
        let (Some(why), Some(call)) = (self.unlike(params.ty()), &self.call) else { return };
        let message = format!("`params` is not what the server's tool `{}` takes: {why}", call.name);
        let hint = "without `params` the accepted schema counts; one that is written here may only allow less";
        complaints.push(node.complaint("W240", message).hint(hint));
    }

    fn unlike(&self, params: &Type) -> Option<String> {
        let takes = Type::of_schema(&self.takes, &self.takes);
        if let Some(why) = takes.refusal(params) {
            return Some(why);
        }
        let (Type::Object { fields: wanted, .. }, Type::Object { fields: given, .. }) = (&takes, params) else {
            return None;
        };
        // Open or closed, what a definition does not name nobody has accepted; one that names nothing takes anything.
        let named = |name: &str| match self.takes.get("properties").and_then(Json::as_object) {
            Some(all) => all.get(name).is_some_and(|schema| *schema != json!(false)),
            None => true,
        };
        if let Some(stray) = given.keys().find(|name| !named(name)) {
            let near = did_you_mean(stray, wanted.keys().map(|name| &**name));
            return Some(format!("there is no `{stray}`{}", near.map_or(String::new(), |near| format!(": {near}"))));
        }
        wanted.iter().find_map(|(name, (ty, required))| match (given.get(name), ty) {
            (Some((Type::Text { options: None }, _)), Type::Text { options: Some(_) }) => {
                Some(format!("`{name}`: any text where {ty} is wanted"))
            }
            (Some((_, false)) | None, _) if *required => {
                Some(format!("`{name}` must be there, and `params` does not require it"))
            }
            _ => None,
        })
    }
}

/// A schema of an object without some of its properties.
fn without(schema: &Json, hidden: &[Arc<str>]) -> Json {
    let mut schema = schema.clone();
    if hidden.is_empty() {
        return schema;
    }
    let is = |name: &str| hidden.iter().any(|hidden| &**hidden == name);
    if let Some(properties) = schema.get_mut("properties").and_then(Json::as_object_mut) {
        properties.retain(|name, _| !is(name));
        // Open or closed, what we fill is no argument.
        for name in hidden {
            properties.insert(name.to_string(), json!(false));
        }
    }
    if let Some(required) = schema.get_mut("required").and_then(Json::as_array_mut) {
        required.retain(|name| !name.as_str().is_some_and(is));
    }
    schema
}

/// Complains about pins of tools that the project does not have.
pub(super) fn strangers(reading: &mut Reading<'_>) {
    let known: Vec<String> = reading
        .tools
        .values()
        .filter(|tool| matches!(tool.reach, Reach::Mcp(_)))
        .map(|tool| pin::file(&tool.name))
        .collect();
    let files: Vec<Arc<str>> = reading.sources.below("pins/", ".json").map(|(path, _)| path.clone()).collect();
    for file in files.into_iter().filter(|file| !known.iter().any(|known| **known == **file)) {
        let tool = file.trim_start_matches("pins/").trim_end_matches(".json");
        // A tool file with mistakes was complained about.
        if reading.broken.contains(tool) {
            continue;
        }
        let message = format!("these are pins of `{tool}`, and the project has no MCP tool of that name");
        let hint = did_you_mean(&file, known.iter().map(String::as_str));
        reading.complaints.push(Complaint::new("W233", &file, None, message).warning().or_hint(hint));
    }
}
