//! From a tool file with `mcp:` to the tool.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use gateway::{
    secret::{Secrets, SystemSecrets},
    tool::{
        http::HttpClient,
        mcp::{McpOperation, McpServer, McpSpec, McpTool, ProgramSpec},
    },
};
use kernel::{
    tool::{
        Operation, Reach, Tool,
        mcp::{
            Mcp, Program, Server,
            pin::{self, Pins},
        },
    },
    workflow::project::Sources,
};

use super::{ReachError, Surroundings, command, evaluated};

/// Sets up `tool`, whose operations are those of a server. Nothing is started or connected yet. What was accepted is what stands in
/// `sources`, today's files, whatever bundle a run has.
pub(super) fn tool(
    sources: &Sources,
    tool: &Tool,
    mcp: &Mcp,
    around: &Surroundings,
    (secrets, client): (Arc<dyn Secrets>, HttpClient),
) -> Result<McpTool, ReachError> {
    let (name, file) = (tool.name.clone(), tool.file.clone());
    let server = match &mcp.server {
        Server::Command(program) => McpServer::Program(spec(tool, program, around)?),
        Server::Url { url, auth } => {
            let bad = |detail: String| ReachError::Address { tool: name.clone(), file: file.clone(), detail };
            let url = evaluated(url, sources, tool, around, &bad)?;
            McpServer::Http { url, auth: auth.as_ref().map(ToString::to_string) }
        }
    };
    // One with mistakes was complained about by the check: nothing of it is accepted.
    let pins = sources.get(&pin::file(&name)).and_then(|text| Pins::read(&name, text).ok());
    let one = |operation: &Operation| {
        let call = operation.mcp.as_ref()?;
        Some(McpOperation {
            name: call.name.clone(),
            accepted: pins.as_ref().and_then(|pins| pins.digest(&call.name)),
            key_params: call.key_params.clone(),
            key_meta: call.key_meta.clone(),
            structured: call.structured,
            timeout: operation.timeout,
        })
    };
    let operations = tool.operations.iter().filter_map(|(name, operation)| Some((name.clone(), one(operation)?)));
    let spec = McpSpec { tool: name.clone(), server, operations: operations.collect() };
    McpTool::new(spec, secrets, client).map_err(|source| ReachError::Http { tool: name, file, source })
}

/// The servers of all MCP tools, whether their operations are pinned or not: for a look at what they say.
///
/// # Errors
/// [`ReachError`] for the first that cannot be set up.
pub fn servers(
    sources: &Sources,
    tools: &BTreeMap<Arc<str>, Arc<Tool>>,
    around: &Surroundings,
) -> Result<BTreeMap<Arc<str>, McpTool>, ReachError> {
    let secrets: Arc<dyn Secrets> = Arc::new(SystemSecrets::new(around.environment.clone(), around.secrets.clone()));
    let mut all = BTreeMap::new();
    for (name, declared) in tools {
        let Reach::Mcp(mcp) = &declared.reach else { continue };
        let failed = |source| ReachError::Http { tool: name.clone(), file: declared.file.clone(), source };
        let client = HttpClient::new().map_err(failed)?;
        all.insert(name.clone(), tool(sources, declared, mcp, around, (secrets.clone(), client))?);
    }
    Ok(all)
}

fn spec(tool: &Tool, program: &Program, around: &Surroundings) -> Result<ProgramSpec, ReachError> {
    let bad = |detail: String| ReachError::Command { tool: tool.name.clone(), file: tool.file.clone(), detail };
    let sandbox = command::sandbox(tool, around)?;
    let texts = |texts: &[Arc<str>]| texts.iter().map(ToString::to_string).collect();
    let paths = |paths: &[Arc<str>]| -> Result<Vec<PathBuf>, ReachError> {
        paths.iter().map(|path| command::within(path, around, &bad)).collect()
    };
    Ok(ProgramSpec {
        sandbox,
        program: command::within(&program.program, around, &bad)?,
        args: texts(&program.args),
        env: program.env.iter().map(|(name, text)| (name.to_string(), text.to_string())).collect(),
        read: paths(&program.read)?,
        write: paths(&program.write)?,
        network: program.network,
    })
}
