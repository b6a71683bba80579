//! Tool files: what can be done outside, declared by the operator.

pub mod sql;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    complaint::Complaints,
    expr::{Template, Text},
    governance::{
        Effect, budget,
        labels::{Allowed, Words},
    },
    pace::Pace,
    schema::Schema,
    types::Type,
    values::{Money, Span, Value},
    workflow::reading::Reading,
    yaml::{self, Fields, Key, Node},
};

pub mod command;
mod control;
pub mod host;
pub mod judged;
mod keys;
pub(crate) use keys::{is_secret, secret};
pub mod mail;
pub mod mcp;
mod openapi;
pub mod page;
pub mod probe;
pub mod webhook;

/// One tool file.
#[derive(Debug)]
pub struct Tool {
    /// Its name.
    pub name: Arc<str>,
    /// Its file within the project.
    pub file: Arc<str>,
    /// How it is reached.
    pub reach: Reach,
    /// What it can do.
    pub operations: BTreeMap<Arc<str>, Operation>,
    /// How often all its operations together may be called.
    pub pace: Option<Pace>,
}

/// How a tool is reached.
#[derive(Debug)]
pub enum Reach {
    /// A registered Rust function with effects.
    Native,
    /// Plain HTTP.
    Http {
        /// A text, or `=env.NAME`.
        base_url: Template,
        /// Headers of every request: a text, or `secret://name`, by header name.
        headers: BTreeMap<Arc<str>, Arc<str>>,
    },
    /// Statements of the project on a database.
    Sql {
        /// A path within the project, or `=env.NAME`.
        database: Template,
        /// The files of the project that make its tables, in order.
        migrations: Arc<[Arc<str>]>,
    },
    /// Pages of the web.
    Page(page::Page),
    /// A mail server.
    Mail(mail::Mail),
    /// Signed events, posted to one address.
    Webhook(webhook::Webhook),
    /// A program on this machine.
    Command(command::Command),
    /// A server of the Model Context Protocol.
    Mcp(mcp::Mcp),
}

impl Tool {
    /// How often an operation may be called, and what shares that: the tool, `crm`, or the operation alone, `crm.save`.
    pub fn pace(&self, operation: &str) -> Option<(String, Pace)> {
        let own = self.operations.get(operation).and_then(|operation| operation.pace);
        let own = own.map(|pace| (format!("{}.{operation}", self.name), pace));
        own.or_else(|| self.pace.map(|pace| (self.name.to_string(), pace)))
    }

    /// The secrets that reaching it takes, by name, each with its version as the file writes it; empty where none is written.
    /// What a secret is, nobody here knows.
    pub fn secrets(&self) -> BTreeMap<Arc<str>, Arc<str>> {
        let texts: Vec<&Arc<str>> = match &self.reach {
            Reach::Http { headers, .. } => headers.values().collect(),
            Reach::Mail(mail) => mail.user.iter().chain(&mail.password).collect(),
            Reach::Webhook(hook) => hook.secrets.iter().collect(),
            Reach::Mcp(mcp) => mcp.secrets(),
            Reach::Native | Reach::Sql { .. } | Reach::Page(_) | Reach::Command(_) => Vec::new(),
        };
        let mut all: BTreeMap<Arc<str>, BTreeSet<&str>> = BTreeMap::new();
        for (name, version) in texts.into_iter().flat_map(|text| keys::secrets(text)) {
            all.entry(name.into()).or_default().insert(version);
        }
        // While one is replaced, two versions of it are named.
        let listed = |versions: BTreeSet<&str>| versions.into_iter().collect::<Vec<_>>().join(",").into();
        all.into_iter().map(|(name, versions)| (name, listed(versions))).collect()
    }
}

/// One operation of a tool.
#[derive(Debug)]
pub struct Operation {
    /// What is known of its effect.
    pub effect: Effect,
    /// What its arguments must fit.
    pub params: Option<Arc<Schema>>,
    /// What its answer must fit.
    pub returns: Option<Arc<Schema>>,
    /// One sentence for a person.
    pub says: Option<Text>,
    /// No answer within this is `tool_timeout`.
    pub timeout: Span,
    /// How to find out whether it was performed.
    pub probe: Option<probe::Probe>,
    /// The receiver de-duplicates for so long from the first sending; `None`: for good.
    pub window: Option<Span>,
    /// How often it may be called, for itself; `None`: the tool's counts.
    pub pace: Option<Pace>,
    /// What each call costs; `None`: nothing.
    pub cost: Option<Money>,
    /// For a tool that is reached by HTTP.
    pub http: Option<HttpCall>,
    /// For a tool that is reached by SQL.
    pub sql: Option<sql::SqlCall>,
    /// What its answer carries; it is untrusted unless that says otherwise.
    pub labels: Words,
    /// The arguments that say what is done to whom.
    pub control: BTreeSet<Arc<str>>,
    /// What control arguments may be whatever they come from.
    pub allow_list: BTreeMap<Arc<str>, Vec<Allowed>>,
    /// Whether it tells something to somebody outside.
    pub outward: bool,
    /// The business object that it acts on; `None`: the tool itself.
    pub resource: Option<judged::Resource>,
    /// The groups that policies may name it by.
    pub groups: BTreeSet<Arc<str>>,
    /// What is counted for policies, by name.
    pub counts: BTreeMap<Arc<str>, judged::Counter>,
    /// For a tool that sends mail.
    pub mail: Option<mail::MailCall>,
    /// For a tool that posts events.
    pub webhook: Option<webhook::WebhookCall>,
    /// For a tool that is a program.
    pub command: Option<command::CommandCall>,
    /// For a tool of an MCP server.
    pub mcp: Option<mcp::McpCall>,
}

/// How an operation travels.
#[derive(Debug)]
pub struct HttpCall {
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: Arc<str>,
    /// Below the base URL, with holes over `with`.
    pub path: Text,
    /// Query parameters, with holes over `with`.
    pub query: BTreeMap<Arc<str>, Text>,
    /// Headers, with holes over `with`.
    pub headers: BTreeMap<Arc<str>, Text>,
    /// What is sent; `None`: all of `with` as JSON where the method has a body.
    pub body: Option<Template>,
    /// Without `body`: of `with`, only these are sent; none of them: nothing is.
    pub only: Option<Arc<[Arc<str>]>>,
    /// The header that carries our key.
    pub key_header: Option<Arc<str>>,
}

/// An operation without a `timeout` waits so long.
pub const TIMEOUT: Span = Span::from_millis(30_000);

/// Reads every tool file of the project into `reading.tools`.
pub(crate) fn read_all(reading: &mut Reading<'_>) {
    let files: Vec<_> =
        reading.sources.below("tools/", ".yaml").map(|(path, text)| (path.clone(), text.clone())).collect();
    for (path, text) in files.into_iter().filter(|(path, _)| !openapi::is_document(path)) {
        let Some(node) = reading.complaints.take(yaml::parse(&path, &text)) else { continue };
        let Some(tool) = read(&path, &node, reading) else {
            let name = node_text(&node, "tool").or_else(|| path.strip_prefix("tools/")?.strip_suffix(".yaml"));
            reading.broken.extend(name.map(str::to_owned));
            continue;
        };
        if let Some(other) = reading.tools.get(&tool.name) {
            let message = format!("the tool `{}` stands in {} as well", tool.name, other.file);
            reading.complaints.push(node.complaint("W011", message));
        }
        reading.tools.insert(tool.name.clone(), Arc::new(tool));
    }
    mcp::strangers(reading);
}

fn read(file: &Arc<str>, node: &Node, reading: &mut Reading<'_>) -> Option<Tool> {
    let known = ["tool", "native", "http", "page", "sql", "mail", "webhook", "command", "mcp", "operations", "rate"];
    let fields = Fields::new(node, "a tool", &known, &[], &mut reading.complaints)?;
    let name = fields.required("tool", &mut reading.complaints).and_then(|node| reading.name(node, "a tool"));
    let way = keys::way(&fields);
    let reach = match way.and_then(|way| Some((way, fields.get(way)?))) {
        Some(("native", native)) => match native.bool(&mut reading.complaints) {
            Some(true) => Some(Reach::Native),
            Some(false) => {
                reading.complaints.push(native.complaint("W005", "`native` is `true`, or is not written"));
                None
            }
            None => None,
        },
        Some(("http", http)) => reach_http(http, reading),
        Some(("page", page)) => page::read(page, reading),
        Some(("sql", sql)) => sql::reach(sql, reading),
        Some(("mail", mail)) => mail::reach(mail, reading),
        Some(("webhook", webhook)) => webhook::reach(webhook, reading),
        Some(("command", command)) => command::reach(command, reading),
        Some(("mcp", mcp)) => mcp::reach(mcp, fields.map("operations", &mut reading.complaints), reading),
        _ => {
            let message = "a tool is reached in one way: `native: true`, `http: { base_url }`, `page: { hosts }`, \
                           `sql: { database }`, `mail: { smtp, from }`, `webhook: { url, secret }`, `command: { program }` or `mcp: { url }`";
            reading.complaints.push(node.complaint("W003", message));
            None
        }
    };
    let mut operations = BTreeMap::new();
    fields.required("operations", &mut reading.complaints);
    let described = Described {
        api: fields.get("http").and_then(|http| openapi::api(http, reading)),
        accepted: name.as_ref().filter(|_| way == Some("mcp")).map(|name| mcp::accepted(name, reading)),
    };
    for (key, node) in fields.map("operations", &mut reading.complaints) {
        let read = operation(key, node, (way, &described), reading);
        let read = match reach {
            Some(Reach::Page(_)) => read.and_then(|read| page::complete(read, key, node, reading)),
            _ => read,
        };
        match read.and_then(|read| control::complete(read, reach.as_ref(), node, reading)) {
            Some(operation) => {
                operations.insert(key.text.clone(), operation);
            }
            None => {
                let tool = name.as_deref().unwrap_or_default();
                reading.broken.insert(format!("{tool}.{}", key.text));
            }
        }
    }
    for operation in probe::read_all(fields.map("operations", &mut reading.complaints), &mut operations, reading) {
        let tool = name.as_deref().unwrap_or_default();
        reading.broken.insert(format!("{tool}.{operation}"));
    }
    let pace = whole(fields.get("rate").map(|node| Pace::read(node, &mut reading.complaints)));
    Some(Tool { name: name?, file: file.clone(), reach: reach?, operations, pace: pace? })
}

fn node_text<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    let yaml::Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(name, _)| &*name.text == key).and_then(|(_, node)| node.scalar()).map(|text| &**text)
}

fn reach_http(node: &Node, reading: &mut Reading<'_>) -> Option<Reach> {
    let known = ["openapi", "base_url", "headers"];
    let fields = Fields::new(node, "`http`", &known, &["auth", "allow"], &mut reading.complaints)?;
    let base = fields.required("base_url", &mut reading.complaints)?;
    reading.enter([("env".into(), Type::Any)]);
    let base_url = reading.template(base);
    reading.leave();
    let headers = fields
        .map("headers", &mut reading.complaints)
        .iter()
        .filter_map(|(key, node)| Some((key.text.clone(), node.text(&mut reading.complaints)?)))
        .collect();
    Some(Reach::Http { base_url: base_url?.0, headers })
}

const OPERATION: &[&str] = &[
    "cost",
    "effect",
    "probe",
    "params",
    "returns",
    "says",
    "timeout",
    "method",
    "path",
    "query",
    "headers",
    "body",
    "operation_id",
    "key",
    "rate",
    "statement",
    "rows",
    "control",
    "allow_list",
    "resource",
    "groups",
    "counts",
    "to",
    "subject",
    "text",
    "reply_to",
    "type",
    "data",
    "args",
    "name",
];
const OPERATION_LATER: &[&str] = &[];

impl Operation {
    /// What it does with these arguments, as its tool file says it in words; `None`: that says nothing, or cannot say it of these.
    pub fn sentence(&self, with: &Value) -> Option<String> {
        let says = self.says.as_ref()?;
        let values: Vec<Value> = says.roots().iter().map(|_| with.clone()).collect();
        says.render(&values).ok()
    }
}

/// What somebody else says of the operations of a tool.
struct Described {
    api: Option<openapi::Api>,
    accepted: Option<mcp::Accepted>,
}

fn operation(
    key: &Key,
    node: &Node,
    (way, said): (Option<&str>, &Described),
    reading: &mut Reading<'_>,
) -> Option<Operation> {
    let fields = Fields::new(node, "an operation", OPERATION, OPERATION_LATER, &mut reading.complaints)?;
    let effect = fields.required("effect", &mut reading.complaints)?;
    let word = effect.one_of(&Effect::ALL.map(Effect::as_str), &mut reading.complaints)?;
    let effect = Effect::ALL.into_iter().find(|one| one.as_str() == word)?;
    let described = whole(said.api.as_ref().map(|api| api.operation(key, &fields, reading)))?;
    let mut pinned = whole(said.accepted.as_ref().map(|all| all.operation(key, &fields, effect, reading)))?;
    let schemas = described.as_ref().map(|one| (one.params.clone(), one.returns.clone()));
    let schemas = schemas.or(pinned.as_ref().map(|one| (one.params.clone(), one.returns.clone()))).unwrap_or_default();
    let params = fields.get("params").map(|node| reading.schema(node)).or(schemas.0.map(Some));
    if let (Some(node), Some(Some(params)), Some(pinned)) = (fields.get("params"), &params, &pinned) {
        pinned.compare(node, params, &mut reading.complaints);
    }
    let (returns, labels) = control::returns(&fields, reading);
    let returns = returns.or(schemas.1.map(Some));
    let timeout = fields.time("timeout", &mut reading.complaints).unwrap_or(TIMEOUT);
    let cost = fields.get("cost").map(|node| budget::money(node, &mut reading.complaints));
    let with = match &params {
        Some(Some(schema)) => schema.ty().clone(),
        _ => Type::Any,
    };
    reading.enter([("with".into(), with)]);
    let says = fields.get("says").map(|node| reading.text(node));
    keys::foreign(&fields, way, reading);
    let http = (way == Some("http")).then(|| http_call(key, &fields, (effect, described), reading));
    let schemas = (params.as_ref().and_then(|one| one.as_deref()), returns.as_ref().and_then(|one| one.as_deref()));
    let sql = (way == Some("sql")).then(|| sql::call(key, &fields, effect, schemas, reading));
    let mail = (way == Some("mail")).then(|| mail::call(key, &fields, effect, reading));
    let webhook = (way == Some("webhook")).then(|| webhook::call(key, &fields, effect, reading));
    let command = (way == Some("command")).then(|| command::call(key, &fields, effect, reading));
    let judged = judged::read(&fields, reading);
    reading.leave();
    let pace = whole(fields.get("rate").map(|node| Pace::read(node, &mut reading.complaints)));
    let judged::Judged { resource, groups, counts } = judged?;
    let returns = if way == Some("mail") { Some(mail::returns()) } else { whole(returns)? };
    Some(Operation {
        effect,
        params: whole(params)?,
        returns,
        says: whole(says)?,
        timeout,
        probe: None,
        window: fields.get("key").and_then(|key| window(key, &mut reading.complaints)),
        pace: pace?,
        cost: whole(cost)?,
        http: whole(http)?,
        sql: whole(sql)?,
        labels: labels?,
        control: BTreeSet::new(),
        allow_list: BTreeMap::new(),
        outward: false,
        resource,
        groups,
        counts,
        mail: whole(mail)?,
        webhook: whole(webhook)?,
        command: whole(command)?,
        mcp: pinned.as_mut().and_then(mcp::Pinned::call),
    })
}

/// Absent is fine, wrong is not.
fn whole<T>(value: Option<Option<T>>) -> Option<Option<T>> {
    match value {
        Some(Some(value)) => Some(Some(value)),
        Some(None) => None,
        None => Some(None),
    }
}

/// `window` of a `key`; what else stands there is read by who knows how the tool is reached.
fn window(key: &Node, complaints: &mut Complaints) -> Option<Span> {
    let yaml::Kind::Map(entries) = &key.kind else { return None };
    let (_, node) = entries.iter().find(|(key, _)| &*key.text == "window")?;
    node.time(complaints)
}

fn http_call(
    key: &Key,
    fields: &Fields<'_>,
    (effect, described): (Effect, Option<openapi::Described>),
    reading: &mut Reading<'_>,
) -> Option<HttpCall> {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    if let (Some(node), None) = (fields.get("operation_id"), &described) {
        let message = "`operation_id` names an operation of a document, and `http` names no document: `openapi: …`";
        reading.complaints.push(node.complaint("W001", message));
    }
    if described.is_none() {
        fields.required("method", &mut reading.complaints)?;
        fields.required("path", &mut reading.complaints)?;
    }
    let described = described.unwrap_or_default();
    let method = match fields.has("method") {
        true => fields.one_of("method", &methods, &mut reading.complaints)?,
        false => described.method,
    };
    let path = match fields.get("path") {
        Some(path) => reading.text(path)?,
        None => described.path?,
    };
    let mut texts = |name: &str, described: Vec<(Arc<str>, Text)>| -> BTreeMap<Arc<str>, Text> {
        let entries = fields.map(name, &mut reading.complaints);
        let written = entries.iter().filter_map(|(key, node)| Some((key.text.clone(), reading.text(node)?)));
        described.into_iter().chain(written).collect()
    };
    let (query, headers) = (texts("query", described.query), texts("headers", described.headers));
    let body = whole(fields.get("body").map(|node| reading.template(node).map(|(template, _)| template)))?;
    let body = body.or(described.body);
    let key_header = match fields.get("key") {
        None => None,
        Some(node) => {
            let fields = Fields::new(node, "`key`", &["header", "window"], &["table"], &mut reading.complaints)?;
            Some(fields.text("header", &mut reading.complaints)?)
        }
    };
    if effect == Effect::Idempotent && key_header.is_none() {
        let message = format!("the idempotent operation `{}` does not say how it carries our key", key.text);
        let hint = "write `key: { header: Idempotency-Key }`: without it the receiver cannot de-duplicate";
        reading.complaints.push(fields.node.complaint("W030", message).hint(hint));
        return None;
    }
    Some(HttpCall { method: method.into(), path, query, headers, body, only: described.only, key_header })
}
