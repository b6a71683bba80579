use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use kernel::ids::Digest;
use serde_json::json;

use super::{
    Scene,
    out::{GOOD, count, paint},
};
use crate::{
    error::CliError,
    exit::Exit,
    export::{self, VerifyError},
    story,
};

/// Prove what happened
#[derive(Debug, Args)]
pub(super) struct Evidence {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(Verify),
}

/// Check an exported run, offline: nothing was changed, removed, added or reordered
///
/// Exit code 6, with the first line that is wrong. Give the head that was noted when the export was made: without it, a tail that was
/// cut together with the header, or a journal made anew from its first entry, cannot be told from a true one.
#[derive(Debug, Args)]
struct Verify {
    /// What `surefoot runs export` wrote; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The hash of the last entry, as it was noted
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
}

impl Evidence {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        match self.command {
            Command::Verify(command) => command.run(scene),
        }
    }
}

impl Verify {
    fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let noted = match &self.head {
            None => None,
            Some(text) => Some(text.parse::<Digest>().map_err(|_| {
                CliError::usage(format!("`{text}` is no hash of an entry"))
                    .hint("64 hexadecimal digits, as the export prints them")
            })?),
        };
        let reader: Box<dyn BufRead> = if self.file == Path::new("-") {
            Box::new(io::stdin().lock())
        } else {
            let file = File::open(&self.file);
            Box::new(BufReader::new(
                file.map_err(|error| CliError::io(format!("{} cannot be read", self.file.display()), error))?,
            ))
        };
        let name = self.file.display().to_string();
        let verified = export::verify(reader, noted).map_err(|error| match error {
            VerifyError::Broken(broken) => CliError::new(Exit::Unverified, format!("{name} does not hold: {broken}")),
            VerifyError::Newer { .. } => CliError::new(Exit::Newer, format!("{name}: {error}")),
            VerifyError::Read(source) => {
                CliError { kind: Exit::Disk, ..CliError::io(format!("{name} cannot be read"), source) }
            }
        })?;
        let end = verified.end.map_or("not over when it was exported", story::ending);
        if scene.out.json {
            scene.out.object(&json!({ "ok": true, "run": verified.run, "workflow": verified.workflow, "bundle": verified.bundle,
                "entries": verified.entries, "blobs": verified.blobs, "head": verified.head, "end": end, "noted": noted.is_some() }));
            return Ok(Exit::Ok);
        }
        let entries = count(verified.entries, "entry").replace("entrys", "entries");
        let blobs = count(verified.blobs, "blob");
        let (good, workflow) = (paint(GOOD, "ok"), &verified.workflow);
        scene.out.line(format!("{good} {} ({workflow}): {entries}, {blobs}, {end}", verified.run));
        scene.out.line(format!("head {}", verified.head.hash));
        if noted.is_none() {
            scene.out.aside(
                "compare this head with the one that was noted, or give it with --head: a cut tail is found only so",
            );
        }
        Ok(Exit::Ok)
    }
}
