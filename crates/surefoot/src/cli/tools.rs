//! What servers say of their tools, and accepting it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use gateway::tool::mcp::{Listed, McpTool};
use kernel::{
    complaint::did_you_mean,
    tool::{
        Reach, Tool,
        mcp::pin::{self, Definition, Pins, Standing},
    },
    workflow::project::{self as check, Sources},
};
use serde_json::json;

use super::{
    Folder, Scene,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint, plain},
};
use crate::{
    error::CliError,
    exit::Exit,
    project,
    reach::{Surroundings, mcp},
};

/// Tools of the project, and what MCP servers say of theirs
#[derive(Debug, Args)]
pub(super) struct Tools {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Pin(Pin),
}

/// List tools, their operations and classes; for MCP tools, whether the server says today what was accepted
///
/// Servers are started or reached to be asked. One that cannot be asked is told, and is no error.
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    folder: Folder,
}

/// Show what MCP servers say of the tools that operations name, and accept it with --yes
///
/// What is accepted is written to `pins/TOOL.json`, part of the project: a call is made only while the server says the same. Without
/// --yes nothing is written, and something that nobody has accepted gives exit code 3.
#[derive(Debug, Args)]
struct Pin {
    /// Only this tool [default: all MCP tools of the project]
    #[arg(value_name = "TOOL")]
    tool: Option<String>,
    #[command(flatten)]
    folder: Folder,
    /// Who accepts it. Recorded in the file
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: Option<String>,
    /// Accept what is shown
    #[arg(long)]
    yes: bool,
}

impl Tools {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        match self.command {
            Command::Ls(command) => command.run(scene),
            Command::Pin(command) => command.run(scene),
        }
    }
}

/// A project with its tools as their files declare them, mistakes or not.
struct Declared {
    sources: Sources,
    tools: BTreeMap<Arc<str>, Arc<Tool>>,
    around: Surroundings,
}

impl Declared {
    fn read(scene: &Scene, folder: &Path) -> Result<Declared, CliError> {
        let sources = project::read(folder, true)?;
        let tools = check::declared(&sources);
        let mut around = Surroundings::new(scene.environment.clone()).in_folder(folder);
        around.sandbox = Some(PathBuf::from("/proc/self/exe"));
        Ok(Declared { sources, tools, around })
    }

    fn servers(&self, only: &[Arc<str>]) -> Result<BTreeMap<Arc<str>, McpTool>, CliError> {
        let tools = self.tools.iter().filter(|(name, _)| only.contains(name));
        let tools = tools.map(|(name, tool)| (name.clone(), tool.clone())).collect();
        mcp::servers(&self.sources, &tools, &self.around)
            .map_err(|error| CliError::new(Exit::Project, error.to_string()))
    }

    fn pins(&self, tool: &str) -> Option<Result<Pins, String>> {
        self.sources.get(&pin::file(tool)).map(|text| Pins::read(tool, text))
    }

    /// The names of MCP tools.
    fn of_servers(&self) -> Vec<Arc<str>> {
        let found = self.tools.iter().filter(|(_, tool)| matches!(tool.reach, Reach::Mcp(_)));
        found.map(|(name, _)| name.clone()).collect()
    }
}

/// The server's names that the operations of a tool name.
fn named(tool: &Tool) -> BTreeSet<Arc<str>> {
    match &tool.reach {
        Reach::Mcp(mcp) => mcp.named.values().cloned().collect(),
        _ => BTreeSet::new(),
    }
}

impl Ls {
    fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let declared = Declared::read(scene, &self.folder.folder)?;
        scene.block_on(async {
            for (name, tool) in &declared.tools {
                let server = match &tool.reach {
                    Reach::Mcp(_) => Some(asked(&declared, name).await),
                    _ => None,
                };
                ls(scene, &declared, tool, server.as_ref());
            }
            if declared.tools.is_empty() && !scene.out.json {
                scene.out.line("the project has no tools");
            }
            Ok(Exit::Ok)
        })
    }
}

/// What a server says, or why it cannot be asked.
async fn asked(declared: &Declared, name: &Arc<str>) -> Result<Listed, String> {
    let servers = declared.servers(std::slice::from_ref(name)).map_err(|error| error.message)?;
    let Some(server) = servers.get(name) else { return Err("it has no server".to_owned()) };
    let listed = server.listed().await.map_err(|failure| failure.detail);
    server.stop().await;
    listed
}

fn ls(scene: &Scene, declared: &Declared, tool: &Tool, server: Option<&Result<Listed, String>>) {
    let pins = declared.pins(&tool.name).and_then(Result::ok);
    let listed = server.and_then(|server| server.as_ref().ok());
    let stands = listed.map(|listed| pin::standing(&named(tool), pins.as_ref(), &listed.definitions));
    let names = match &tool.reach {
        Reach::Mcp(mcp) => mcp.named.clone(),
        _ => tool.operations.keys().map(|name| (name.clone(), name.clone())).collect(),
    };
    let why = server.and_then(|server| server.as_ref().err());
    if scene.out.json {
        let one = |(operation, name): (&Arc<str>, &Arc<str>)| {
            let known = tool.operations.get(operation);
            json!({
                "operation": operation,
                "effect": known.map(|known| known.effect.as_str()),
                "server_name": server.map(|_| name),
                "pin": pins.as_ref().and_then(|pins| pins.digest(name)),
                "stands": stands.as_ref().and_then(|all| all.get(name)).map(|one| one.as_str()),
            })
        };
        let operations: Vec<_> = names.iter().map(one).collect();
        scene.out.object(&json!({ "kind": "tool", "tool": tool.name, "file": tool.file, "mcp": server.is_some(),
            "unreached": why, "operations": operations }));
        return;
    }
    scene.out.line(format!("{}  {}", paint(STRONG, &tool.name), paint(FAINT, &tool.file)));
    if let Some(why) = why {
        scene.out.line(format!("  {} {}", paint(BAD, "not asked:"), plain(why)));
    }
    for (operation, name) in &names {
        let class = tool.operations.get(operation).map_or("not usable", |known| known.effect.as_str());
        let mut line = format!("  {operation}  {class}");
        if let Some(digest) = pins.as_ref().and_then(|pins| pins.digest(name)) {
            line.push_str(&format!("  pinned {}", &digest.to_string()[..12]));
        }
        if let Some(stands) = stands.as_ref().and_then(|all| all.get(name)) {
            let style = if *stands == Standing::Same { GOOD } else { WAIT };
            line.push_str(&format!("  {}", paint(style, stands.as_str())));
        }
        scene.out.line(line);
    }
}

impl Pin {
    fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let folder = &self.folder.folder;
        let declared = Declared::read(scene, folder)?;
        let all = declared.of_servers();
        let wanted = match &self.tool {
            None => all,
            Some(tool) if all.iter().any(|name| **name == **tool) => vec![tool.as_str().into()],
            Some(tool) => {
                let error = CliError::not_found(format!("the project has no MCP tool `{tool}`"));
                let meant = did_you_mean(tool, all.iter().map(|name| &**name));
                return Err(meant.into_iter().fold(error, CliError::hint));
            }
        };
        let servers = declared.servers(&wanted)?;
        if servers.is_empty() && !scene.out.json {
            scene.out.line("the project has no MCP tools");
        }
        scene.block_on(async {
            let mut exit = Exit::Ok;
            for (name, server) in &servers {
                let listed = server.listed().await;
                server.stop().await;
                let listed = listed.map_err(|failure| CliError::not_found(plain(&failure.detail)))?;
                let tool = declared.tools.get(name).expect("servers are made of these tools");
                let left = self.pin(scene, &declared, tool, &listed)?;
                if left {
                    exit = Exit::Project;
                }
            }
            Ok(exit)
        })
    }

    /// Shows one tool, and accepts it if that is asked for; gives whether something is left that nobody has accepted.
    fn pin(&self, scene: &Scene, declared: &Declared, tool: &Tool, listed: &Listed) -> Result<bool, CliError> {
        let named = named(tool);
        let before = declared.pins(&tool.name);
        let pins = before.as_ref().and_then(|pins| pins.as_ref().ok());
        let broken = before.as_ref().and_then(|pins| pins.as_ref().err());
        let stands = pin::standing(&named, pins, &listed.definitions);
        let refused: BTreeMap<&Arc<str>, String> = named
            .iter()
            .filter_map(|name| {
                let twice = listed.twice.contains(name).then(|| "is listed more than once".to_owned());
                let why = twice.or_else(|| listed.definitions.get(name)?.acceptable().err())?;
                Some((name, why))
            })
            .collect();
        let open = stands.values().any(|one| *one != Standing::Same) || broken.is_some();
        let accepted = self.yes && open && refused.is_empty();
        show(scene, tool, &Shown { pins, broken, stands: &stands, refused: &refused, listed, named: &named, accepted });
        if !refused.is_empty() {
            return Ok(true);
        }
        if !accepted {
            return Ok(open);
        }
        let definitions = named.iter().filter_map(|name| listed.definitions.get(name).cloned());
        let by = self.by.as_deref().map(Arc::from);
        let pins = Pins::of(&tool.name, by, definitions).map_err(CliError::usage)?;
        write(&self.folder.folder, &tool.name, &pins)?;
        if !scene.out.json {
            let number = count(pins.names().count() as u64, "tool");
            scene.out.line(format!("{} {number} of its server: {}", paint(GOOD, "accepted"), pin::file(&tool.name)));
        }
        // What an operation names and no server has is still missing.
        Ok(named.iter().any(|name| !listed.definitions.contains_key(name)))
    }
}

struct Shown<'a> {
    pins: Option<&'a Pins>,
    broken: Option<&'a String>,
    stands: &'a BTreeMap<Arc<str>, Standing>,
    refused: &'a BTreeMap<&'a Arc<str>, String>,
    listed: &'a Listed,
    named: &'a BTreeSet<Arc<str>>,
    accepted: bool,
}

fn show(scene: &Scene, tool: &Tool, shown: &Shown<'_>) {
    let accepted = |name: &str| shown.pins.and_then(|pins| pins.get(name));
    let today = |name: &Arc<str>| shown.listed.definitions.get(name);
    let others: Vec<&Arc<str>> = shown.listed.definitions.keys().filter(|name| !shown.named.contains(*name)).collect();
    if scene.out.json {
        let one = |(name, stands): (&Arc<str>, &Standing)| {
            json!({
                "name": name,
                "stands": stands.as_str(),
                "refused": shown.refused.get(name),
                "flagged": today(name).and_then(|one| flagged(one, shown.listed)),
                "difference": pin::difference(accepted(name), today(name)),
            })
        };
        let tools: Vec<_> = shown.stands.iter().map(one).collect();
        scene.out.object(&json!({ "kind": "pins", "tool": tool.name, "file": pin::file(&tool.name), "tools": tools,
            "broken": shown.broken, "others": others, "accepted": shown.accepted }));
        return;
    }
    scene.out.line(format!("{}  {}", paint(STRONG, &tool.name), paint(FAINT, pin::file(&tool.name))));
    if let Some(why) = shown.broken {
        scene.out.line(format!("  {} {}", paint(BAD, "the file does not hold:"), plain(why)));
    }
    for (name, stands) in shown.stands {
        let style = if *stands == Standing::Same { GOOD } else { WAIT };
        scene.out.line(format!("  {}  {}", paint(style, stands.as_str()), plain(name)));
        if let Some(why) = shown.refused.get(name) {
            scene.out.line(format!("    {} it {}", paint(BAD, "cannot be accepted:"), plain(why)));
        }
        if let Some(what) = today(name).and_then(|one| flagged(one, shown.listed)) {
            scene.out.line(format!("    {} it {}", paint(WAIT, "look twice:"), plain(&what)));
        }
        for line in pin::difference(accepted(name), today(name)) {
            scene.out.line(format!("    {}", plain(&line)));
        }
    }
    if !others.is_empty() {
        let others: Vec<_> = others.into_iter().map(|name| plain(name)).collect();
        scene.out.line(paint(FAINT, format!("  no operation names: {}", others.join(", "))));
    }
    let open = shown.stands.values().any(|one| *one != Standing::Same);
    if open && !shown.accepted && shown.refused.is_empty() {
        scene.out.aside(format!("accept this: surefoot tools pin {} --yes", tool.name));
    }
}

fn flagged(definition: &Definition, listed: &Listed) -> Option<String> {
    definition.steers(listed.definitions.keys().map(|name| &**name).filter(|name| **name != *definition.name))
}

/// Writes the file whole: a crash leaves the old one or the new one.
fn write(folder: &Path, tool: &str, pins: &Pins) -> Result<(), CliError> {
    let path = folder.join(pin::file(tool));
    let failed = |error| CliError::io(format!("{} cannot be written", path.display()), error);
    fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
    let new = path.with_extension("json.new");
    fs::write(&new, pins.to_text()).and_then(|()| fs::rename(&new, &path)).map_err(failed)
}
