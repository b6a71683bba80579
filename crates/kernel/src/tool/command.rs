//! `command`: a tool that is a program on this machine, run without network and without the machine's files.

use std::sync::Arc;

use super::{Reach, sql::stays_inside};
use crate::{
    expr::Text,
    governance::Effect,
    types::Type,
    workflow::reading::Reading,
    yaml::{Fields, Key, Node},
};

/// `command: { program, args }`.
#[derive(Debug)]
pub struct Command {
    /// An absolute path, or a path within the project's folder. Not part of the bundle.
    pub program: Arc<str>,
    /// The arguments of every call, with holes over `with`.
    pub args: Vec<Text>,
}

/// One way to call it.
#[derive(Debug)]
pub struct CommandCall {
    /// The arguments after those of every call, with holes over `with`.
    pub args: Vec<Text>,
}

/// Reads `command: { program, args }`.
pub(super) fn reach(node: &Node, reading: &mut Reading<'_>) -> Option<Reach> {
    let fields = Fields::new(node, "`command`", &["program", "args"], &[], &mut reading.complaints)?;
    let at = fields.required("program", &mut reading.complaints)?;
    let program = at.text(&mut reading.complaints)?;
    let absolute = program.strip_prefix('/');
    if !stays_inside(absolute.unwrap_or(&program)) {
        let message = format!("the program `{program}` is no path of a program");
        let hint =
            "write an absolute path, as in `/usr/bin/jq`, or one below the project's folder, as in `bin/convert`";
        reading.complaints.push(at.complaint("W005", message).hint(hint));
        return None;
    }
    reading.enter([("with".into(), Type::Any)]);
    let args = args(&fields, reading);
    reading.leave();
    Some(Reach::Command(Command { program, args: args? }))
}

/// Reads how an operation calls it.
pub(super) fn call(key: &Key, fields: &Fields<'_>, effect: Effect, reading: &mut Reading<'_>) -> Option<CommandCall> {
    if effect != Effect::Read {
        let message = format!("`{}` can change nothing outside: its effect is `read`", key.text);
        let hint = "a command has no network and no files but its own: what it finds is its answer";
        reading.complaints.push(fields.node.complaint("W030", message).hint(hint));
    }
    if let Some(node) = fields.get("key") {
        reading.complaints.push(node.complaint("W001", "a command has nobody to give our key to"));
    }
    Some(CommandCall { args: args(fields, reading)? })
}

fn args(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<Vec<Text>> {
    let nodes = fields.list("args", &mut reading.complaints);
    let texts: Vec<_> = nodes.iter().filter_map(|node| reading.text(node)).collect();
    (texts.len() == nodes.len()).then_some(texts)
}
