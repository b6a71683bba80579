//! Tools of MCP servers: programs on this machine that speak on standard input and output, and servers of streamable HTTP.
//!
//! What a server says of a tool today is compared with what a person accepted, before each call: it is listed when a connection
//! begins, after the server says that its list changed, and at the latest every minute. One that differs is not called. Nothing is
//! asked of us: sampling, elicitation and roots are refused. A server that dies is started again for the next call.
//!
//! | what happened | failure | phase |
//! | --- | --- | --- |
//! | the definition of today is not the accepted one, or is gone | `tool_changed` | not sent |
//! | the server cannot be started, reached or listed | `tool_error`, `tool_timeout` | not sent |
//! | the sandbox cannot be made, a secret is missing | `internal` | inside |
//! | the request could not be written | `tool_error` | not sent |
//! | the connection ended, the program died | `tool_error` | maybe sent |
//! | no answer in time | `tool_timeout` | maybe sent |
//! | an answer that says it is an error | `tool_rejected` | answered |
//! | the request was refused: no such method, no such tool, arguments | `tool_rejected` | answered |
//! | it asks for something before it goes on, or puts the work off | `tool_rejected` | answered |
//! | another error of the protocol | `tool_error` | maybe sent |
//! | HTTP says no | as for an `http` tool | |
//! | more than 8 MiB, or no answer of the protocol | `contract_violated` | answered |

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use kernel::{
    governance::Permit,
    ids::{Digest, IdempotencyKey},
    recovery::{Failure, FailureKind, Phase},
    tool::mcp::pin::Definition,
    values::Span,
};
use rmcp::{
    ServiceError,
    model::{CallToolRequestParams, CallToolResponse, JsonObject, RequestMetaObject},
};
use serde_json::{Value as Json, json};
use url::Url;

use self::{
    fault::Fault,
    server::{Connection, Server},
};
use super::http::{BadHttpTool, HttpClient, base_url};
use crate::{Outcome, Tool, secret::Secrets};

mod answer;
mod fault;
mod http;
mod process;
mod server;
#[cfg(test)]
mod tests;
mod wire;

pub use self::server::Listed;

/// The longest message that is read.
const LONGEST: usize = 8 * 1024 * 1024;
/// Starting or reaching a server, and agreeing on a version with it, takes no longer.
const START: Duration = Duration::from_secs(30);
/// Listing takes no longer.
const LIST: Duration = Duration::from_secs(15);
/// What was listed longer ago is listed again before a call.
const FRESH: Duration = Duration::from_secs(60);
/// Under this name our key stands in `_meta`, always.
const META_KEY: &str = "surefoot/idempotency-key";

/// One operation.
#[derive(Clone, Debug)]
pub struct McpOperation {
    /// What the server calls it.
    pub name: Arc<str>,
    /// The definition that was accepted; `None`: none was.
    pub accepted: Option<Digest>,
    /// Parameters that carry our key.
    pub key_params: Vec<Arc<str>>,
    /// A name under `_meta` that carries our key, besides our own.
    pub key_meta: Option<Arc<str>>,
    /// Whether its answers are JSON even where they come as text.
    pub structured: bool,
    /// From the request to its answer.
    pub timeout: Span,
}

/// How a server is reached.
#[derive(Clone, Debug)]
pub enum McpServer {
    /// A program on this machine.
    Program(ProgramSpec),
    /// Streamable HTTP.
    Http {
        /// Where it is: the operator's word.
        url: String,
        /// `secret://name`: sent as `Authorization: Bearer …`.
        auth: Option<String>,
    },
}

/// A program that is a server, as data.
#[derive(Clone, Debug)]
pub struct ProgramSpec {
    /// A program whose `main` hands over to the sandbox, as for commands.
    pub sandbox: PathBuf,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment; `secret://name` in a value stands for that secret.
    pub env: Vec<(String, String)>,
    /// What it may read, besides what programs are made of.
    pub read: Vec<PathBuf>,
    /// What it may read and write.
    pub write: Vec<PathBuf>,
    /// Whether it may use the machine's network.
    pub network: bool,
}

/// A tool file's MCP part, as data.
#[derive(Clone, Debug)]
pub struct McpSpec {
    /// The tool's name, for sentences.
    pub tool: Arc<str>,
    /// Its server.
    pub server: McpServer,
    /// By name.
    pub operations: BTreeMap<Arc<str>, McpOperation>,
}

/// A tool file's MCP part, ready to act. Nothing is started or connected before the first call.
pub struct McpTool {
    tool: Arc<str>,
    server: Server,
    operations: BTreeMap<Arc<str>, McpOperation>,
}

impl McpTool {
    /// Checks the address.
    ///
    /// # Errors
    /// [`BadHttpTool`]: the tool file must be corrected.
    pub fn new(spec: McpSpec, secrets: Arc<dyn Secrets>, client: HttpClient) -> Result<McpTool, BadHttpTool> {
        if let McpServer::Http { url, .. } = &spec.server {
            let _: Url = base_url(url)?;
        }
        let server = Server::new(spec.server, secrets, client);
        Ok(McpTool { tool: spec.tool, server, operations: spec.operations })
    }

    /// What the server says of its tools now.
    ///
    /// # Errors
    /// Why it cannot be asked.
    pub async fn listed(&self) -> Result<Listed, Failure> {
        let connection = self.server.today().await.map_err(|fault| fault.failure(&format!("`{}`", self.tool), true))?;
        Ok(connection.listed.clone())
    }

    /// Ends its server, if one was started.
    pub async fn stop(&self) {
        self.server.stop().await;
    }

    async fn perform(&self, operation: &str, input: &[u8], key: &IdempotencyKey) -> Outcome {
        let called = format!("`{}.{operation}`", self.tool);
        let Some(call) = self.operations.get(operation) else {
            let detail = format!("{called} is no operation of this process");
            return Outcome::failed(Failure::inside(FailureKind::Internal, detail));
        };
        let Some(params) = params(call, input, key) else {
            let detail = format!("{called} cannot be sent: its arguments are no map");
            return Outcome::failed(Failure::inside(FailureKind::InvalidArguments, detail));
        };
        let connection = match self.server.today().await {
            Ok(connection) => connection,
            Err(fault) => return Outcome::failed(fault.failure(&called, true)),
        };
        if let Err(why) = unchanged(call, &connection) {
            let command = format!("`surefoot tools pin {}` shows it", self.tool);
            let detail = format!("{called} was not called: {why}; {command}, and `--yes` accepts it");
            return Outcome::failed(failure(FailureKind::ToolChanged, Phase::NotSent, detail));
        }
        let written = connection.written();
        let timeout = crate::duration(call.timeout);
        let answered = tokio::time::timeout(timeout, connection.peer().call_tool_once(params)).await;
        let mut raw = None;
        let fault = match answered {
            Ok(Ok(CallToolResponse::Complete(result))) => {
                return answer::outcome(&called, call.structured, &result, &connection.scrubber());
            }
            Ok(Ok(CallToolResponse::InputRequired(_))) => Fault::Asks,
            Ok(Ok(_)) => Fault::Postponed,
            Ok(Err(error)) => {
                if let ServiceError::McpError(said) = &error {
                    raw = serde_json::to_vec(said).ok().map(|bytes| connection.scrubber().scrub(bytes).into());
                }
                Fault::of(&error, &connection)
            }
            Err(_) if connection.too_long() => Fault::TooLong,
            Err(_) => Fault::Late(call.timeout),
        };
        if fault.ends() {
            self.server.forget(&connection).await;
        }
        let left = connection.written() != written;
        let mut failure = fault.failure(&called, !left);
        failure.detail = connection.scrubber().scrub_text(failure.detail);
        Outcome { raw, ..Outcome::failed(failure) }
    }
}

#[async_trait]
impl Tool for McpTool {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.perform(permit.operation(), permit.input(), permit.key()).await
    }
}

/// Whether the server says today what was accepted, and if not, what is different.
fn unchanged(call: &McpOperation, connection: &Connection) -> Result<(), String> {
    let name = &call.name;
    if connection.listed.twice.contains(name) {
        return Err(format!("its server lists `{name}` more than once"));
    }
    let Some(definition) = connection.listed.definitions.get(name) else {
        return Err(format!("its server has no tool `{name}` any more"));
    };
    let today = definition.digest().map_err(|why| format!("what its server says of `{name}` is {why}"))?;
    match call.accepted {
        Some(accepted) if accepted == today => Ok(()),
        Some(_) => Err(format!("its server says something else of `{name}` than what was accepted")),
        None => Err(format!("nobody has accepted what its server says of `{name}`")),
    }
}

/// What is sent; `None` if the input is no map.
fn params(call: &McpOperation, input: &[u8], key: &IdempotencyKey) -> Option<CallToolRequestParams> {
    let Ok(Json::Object(mut arguments)) = serde_json::from_slice::<Json>(input) else { return None };
    for param in &call.key_params {
        arguments.insert(param.to_string(), json!(key.as_str()));
    }
    let mut meta = JsonObject::new();
    for name in [Some(META_KEY), call.key_meta.as_deref()].into_iter().flatten() {
        meta.insert(name.to_owned(), json!(key.as_str()));
    }
    let meta: RequestMetaObject = serde_json::from_value(Json::Object(meta)).ok()?;
    let mut params = CallToolRequestParams::new(call.name.to_string()).with_arguments(arguments);
    params.meta = Some(meta);
    Some(params)
}

fn failure(kind: FailureKind, phase: Phase, detail: String) -> Failure {
    Failure { kind, phase, detail, retry_after: None }
}

/// A tool as its server says it, in our words.
fn definition(server: &kernel::tool::mcp::pin::Identity, tool: &rmcp::model::Tool) -> Definition {
    Definition {
        server: server.clone(),
        name: tool.name.as_ref().into(),
        title: tool.title.clone(),
        description: tool.description.as_ref().map(|text| text.to_string()),
        input_schema: Json::Object((*tool.input_schema).clone()),
        output_schema: tool.output_schema.as_ref().map(|schema| Json::Object((**schema).clone())),
        annotations: tool.annotations.as_ref().and_then(|hints| serde_json::to_value(hints).ok()),
    }
}
