//! Real MCP servers as tools of a project: accepted, called under policies, and no longer called when what they say has changed.
//!
//! The servers are those that `mcp/install.sh FOLDER` installs. A changed server is stood for by a changed pin: to the comparison it is
//! the same.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use kernel::tool::mcp::pin::{self, Pins};
use serde::Serialize;
use serde_json::Value as Json;

use crate::victim::{self, Trouble};

/// `apparatus mcp`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The folder that `mcp/install.sh` filled
    #[arg(long)]
    servers: PathBuf,
}

/// One thing that was tried.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// What.
    pub what: &'static str,
    /// Whether it came out as it must.
    pub well: bool,
    /// What came out, where it did not.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub words: String,
}

const PROJECT: [(&str, &str); 6] = [
    ("surefoot.yaml", "project: servers\n"),
    ("people.yaml", "groups: { desk: {} }\npeople:\n  ann: { name: Ann, groups: [ desk ] }\n"),
    ("policies/allow/all.cedar", "@id(\"all\")\npermit (principal, action, resource);\n"),
    (
        "policies/never/env.cedar",
        "@id(\"no.env\") @reason(\"The environment is nobody's business\")\nforbid (principal, action == Action::\"every.env\", resource);\n",
    ),
    (
        "policies/ask/write.cedar",
        "@id(\"ask.write\") @reason(\"A file is written\")\n@approve_by(\"desk\") @expires(\"4h\") @on_expiry(\"deny\")\n\
         forbid (principal, action == Action::\"files.write\", resource);\n",
    ),
    (
        "tools/every.yaml",
        "tool: every\nmcp:\n  command:\n    program: /usr/bin/node\n    args: [ dist/index.js, stdio ]\n\
         \x20   read: [ SERVERS/node_modules/@modelcontextprotocol/server-everything, SERVERS/node_modules ]\n\
         operations:\n  sum: { name: get-sum, effect: read }\n  env: { name: get-env, effect: read }\n",
    ),
];

const FILES: &str = "tool: files\nmcp:\n  command:\n    program: /usr/bin/node\n    args: [ dist/index.js, PROJECT/data ]\n\
     \x20   read: [ SERVERS/node_modules/@modelcontextprotocol/server-filesystem, SERVERS/node_modules ]\n    write: [ data ]\n\
     operations:\n  read: { name: read_text_file, effect: read }\n  write: { name: write_file, effect: at_most_once }\n";

const TIME: &str = "tool: time\nmcp:\n  command:\n    program: /usr/bin/python3\n    args: [ -m, mcp_server_time, --local-timezone, UTC ]\n\
     \x20   env: { PYTHONPATH: SERVERS/py, PYTHONDONTWRITEBYTECODE: \"1\" }\n    read: [ SERVERS/py ]\n\
     operations:\n  convert: { name: convert_time, effect: read }\n";

/// Workflow, operation, arguments.
const STEPS: [(&str, &str, &str); 5] = [
    ("sum", "every.sum", "{ a: 2, b: 3 }"),
    ("env", "every.env", "{}"),
    ("read", "files.read", "{ path: PROJECT/data/a.txt }"),
    ("write", "files.write", "{ path: PROJECT/data/b.txt, content: agreed }"),
    ("convert", "time.convert", "{ source_timezone: UTC, time: \"12:00\", target_timezone: Asia/Tokyo }"),
];

struct Bench {
    program: PathBuf,
    project: PathBuf,
}

impl Bench {
    fn new(folder: &Path, servers: &Path) -> Result<Bench, Trouble> {
        let project = folder.join("project");
        let filled = |text: &str| {
            text.replace("SERVERS", &servers.display().to_string()).replace("PROJECT", &project.display().to_string())
        };
        let write = |path: &str, text: &str| -> Result<(), Trouble> {
            let path = project.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&project))?;
            Ok(fs::write(path, filled(text))?)
        };
        for (path, text) in PROJECT {
            write(path, text)?;
        }
        write("tools/files.yaml", FILES)?;
        write("tools/time.yaml", TIME)?;
        write("data/a.txt", "hello\n")?;
        for (name, act, with) in STEPS {
            let text = format!(
                "workflow: {name}\nresult: {{ value: =a }}\nstages:\n  - stage: only\n    steps:\n      - step: a\n        act: {act}\n        with: {with}\n"
            );
            write(&format!("workflows/{name}.yaml"), &text)?;
        }
        // A superuser's servers run as nobody in particular.
        for (path, mode) in [(folder.to_owned(), 0o755), (project.join("data"), 0o777)] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        }
        Ok(Bench { program: std::env::current_exe()?, project })
    }

    fn call(&self, words: &[&str]) -> Result<(i32, String), Trouble> {
        let mut command = Command::new(&self.program);
        command.arg("cli").arg("--").args(words).current_dir(&self.project).env_clear();
        command.env("SUREFOOT_ALLOW_COMMANDS", "1").stdin(Stdio::null());
        let Output { status, stdout, stderr } = command.output()?;
        let said = [stdout, stderr].concat();
        Ok((status.code().unwrap_or(-1), String::from_utf8_lossy(&said).into_owned()))
    }

    /// The field of the first object that a list prints.
    fn first(&self, words: &[&str], field: &str) -> Result<String, Trouble> {
        let (_, said) = self.call(words)?;
        let row: Json = serde_json::from_str(said.lines().next().unwrap_or_default())?;
        Ok(row[field].as_str().unwrap_or_default().to_owned())
    }

    /// Changes the description of an accepted tool: its server seems to say something else now.
    fn change(&self, tool: &str, name: &str) -> Result<(), Trouble> {
        let path = self.project.join(pin::file(tool));
        let pins = Pins::read(tool, &fs::read_to_string(&path)?)?;
        let definitions = pins.names().filter_map(|name| pins.get(name)).cloned().map(|mut definition| {
            if *definition.name == *name {
                definition.description = Some("What it was before.".to_owned());
            }
            definition
        });
        Ok(fs::write(&path, Pins::of(tool, None, definitions)?.to_text())?)
    }
}

/// Tries them all.
///
/// # Errors
/// The apparatus fails, or something did not come out as it must.
#[expect(clippy::unused_async, reason = "instruments are called alike")]
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let folder = tempfile::tempdir()?;
    let bench = Bench::new(folder.path(), &arguments.servers.canonicalize()?)?;
    let mut bad = 0;
    let mut tell = |what: &'static str, well: bool, words: String| -> Result<(), Trouble> {
        bad += u32::from(!well);
        Ok(victim::say(&Tried { what, well, words: if well { String::new() } else { words } })?)
    };
    let (code, said) = bench.call(&["check"])?;
    tell("nothing is accepted before somebody has", code == 3 && said.contains("W227"), said)?;
    let (code, said) = bench.call(&["tools", "pin", "--yes", "--as", "ann"])?;
    tell("what three servers say is accepted", code == 0, said)?;
    let (code, said) = bench.call(&["check"])?;
    tell("the project is in order", code == 0, said)?;
    for (workflow, holds) in [("sum", "The sum of 2 and 3 is 5"), ("read", "hello"), ("convert", "21:00")] {
        let (code, said) = bench.call(&["run", "--workflow", workflow])?;
        tell("what is allowed is called", code == 0 && said.contains(holds), said)?;
    }
    let (code, said) = bench.call(&["run", "--workflow", "env"])?;
    tell("what is denied is not called", code == 1 && said.contains("permission_denied"), said)?;

    let written = bench.project.join("data/b.txt");
    let (code, said) = bench.call(&["run", "--workflow", "write"])?;
    tell("what is asked waits, and nothing is written", code == 8 && !written.exists(), said)?;
    let approval = bench.first(&["approvals", "ls", "--json"], "approval")?;
    let (code, said) = bench.call(&["approvals", "decide", &approval, "approve", "--as", "ann"])?;
    let agreed = fs::read_to_string(&written).unwrap_or_default();
    tell("after a yes it is written, once", code == 0 && agreed == "agreed", said)?;

    bench.change("files", "read_text_file")?;
    let (code, said) = bench.call(&["run", "--workflow", "read"])?;
    tell("what a server has changed is not called", code == 8 && said.contains("tool_changed"), said)?;
    let run = bench.first(&["runs", "ls", "--json"], "run")?;
    let (code, said) = bench.call(&["run", "--workflow", "sum"])?;
    // The run that is paused is told as well, and so the command ends as one that has left something.
    tell("other servers go on", code == 8 && said.contains("The sum of 2 and 3 is 5"), said)?;
    let (code, said) = bench.call(&["tools", "pin", "files"])?;
    tell("the difference is shown", code == 3 && said.contains("- description: \"What it was before.\""), said)?;
    bench.call(&["tools", "pin", "files", "--yes"])?;
    bench.call(&["runs", "resume", &run])?;
    let (code, said) = bench.call(&["run", "--resume"])?;
    tell("after it is accepted the run goes on", code == 0 && said.contains("run completed"), said)?;
    if bad > 0 {
        return Err(format!("{bad} did not come out as they must").into());
    }
    Ok(())
}
