//! From a tool file with `command:` to the tool.

use std::path::PathBuf;

use gateway::tool::command::{CommandOperation, CommandSpec, CommandTool};
use kernel::tool::{Operation, Tool, command::Command};

use super::{ReachError, Surroundings};

/// Sets up `tool`, which runs a program. Nothing is started yet.
pub(super) fn tool(tool: &Tool, command: &Command, around: &Surroundings) -> Result<CommandTool, ReachError> {
    let bad = |detail: String| ReachError::Command { tool: tool.name.clone(), file: tool.file.clone(), detail };
    let sandbox = sandbox(tool, around)?;
    let program = within(&command.program, around, &bad)?;
    let one = |operation: &Operation| {
        let call = operation.command.as_ref()?;
        let args = command.args.iter().chain(&call.args).cloned().collect();
        Some(CommandOperation { args, timeout: operation.timeout })
    };
    let operations = tool.operations.iter().filter_map(|(name, operation)| Some((name.clone(), one(operation)?)));
    let spec = CommandSpec { sandbox, program, operations: operations.collect() };
    CommandTool::new(spec).map_err(|error| bad(error.to_string()))
}

/// The program that makes sandboxes, if programs may be run at all.
pub(super) fn sandbox(tool: &Tool, around: &Surroundings) -> Result<PathBuf, ReachError> {
    let (tool, file) = (tool.name.clone(), tool.file.clone());
    if !around.commands {
        return Err(ReachError::CommandsOff { tool, file });
    }
    let detail = "cannot be run: the process that runs the project has no sandbox".to_owned();
    around.sandbox.clone().ok_or(ReachError::Command { tool, file, detail })
}

/// A path that a tool file names: absolute, or within the project's folder.
pub(super) fn within(
    path: &str,
    around: &Surroundings,
    bad: &dyn Fn(String) -> ReachError,
) -> Result<PathBuf, ReachError> {
    let named = PathBuf::from(path);
    if named.is_absolute() {
        return Ok(named);
    }
    let Some(folder) = &around.folder else {
        return Err(bad(format!("is the path {path} of a project without a folder")));
    };
    let within = folder.join(&named);
    let (folder, found) = folder
        .canonicalize()
        .and_then(|folder| Ok((folder, within.canonicalize()?)))
        .map_err(|error| bad(format!("`{path}` cannot be found: {error}")))?;
    // A link may go anywhere: what the file names stays in the project.
    if !found.starts_with(folder) {
        return Err(bad(format!("`{path}` goes out of the project")));
    }
    Ok(found)
}
