//! From a tool file with `command:` to the tool.

use std::path::PathBuf;

use gateway::tool::command::{CommandOperation, CommandSpec, CommandTool};
use kernel::tool::{Operation, Tool, command::Command};

use super::{ReachError, Surroundings};

/// Sets up `tool`, which runs a program. Nothing is started yet.
pub(super) fn tool(tool: &Tool, command: &Command, around: &Surroundings) -> Result<CommandTool, ReachError> {
    let (name, file) = (&tool.name, &tool.file);
    if !around.commands {
        return Err(ReachError::CommandsOff { tool: name.clone(), file: file.clone() });
    }
    let bad = |detail: String| ReachError::Command { tool: name.clone(), file: file.clone(), detail };
    let Some(sandbox) = around.sandbox.clone() else {
        return Err(bad("cannot be run: the process that runs the project has no sandbox".to_owned()));
    };
    let program = PathBuf::from(&*command.program);
    let program = match (&around.folder, program.is_absolute()) {
        (_, true) => program,
        (Some(folder), false) => {
            let within = folder.join(&program);
            let (folder, found) = folder
                .canonicalize()
                .and_then(|folder| Ok((folder, within.canonicalize()?)))
                .map_err(|error| bad(format!("`{}` cannot be found: {error}", command.program)))?;
            // A link may go anywhere: what the file names stays in the project.
            if !found.starts_with(folder) {
                return Err(bad(format!("`{}` goes out of the project", command.program)));
            }
            found
        }
        (None, false) => return Err(bad(format!("is the path {} of a project without a folder", command.program))),
    };
    let one = |operation: &Operation| {
        let call = operation.command.as_ref()?;
        let args = command.args.iter().chain(&call.args).cloned().collect();
        Some(CommandOperation { args, timeout: operation.timeout })
    };
    let operations = tool.operations.iter().filter_map(|(name, operation)| Some((name.clone(), one(operation)?)));
    let spec = CommandSpec { sandbox, program, operations: operations.collect() };
    CommandTool::new(spec).map_err(|error| bad(error.to_string()))
}
