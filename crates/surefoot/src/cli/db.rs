use clap::{Args, Subcommand};
use serde_json::json;
use store::Store as _;

use super::{
    Folder, Scene,
    out::{GOOD, count, paint},
    session::Data,
};
use crate::{error::CliError, exit::Exit};

/// Look after the data
#[derive(Debug, Args)]
pub(super) struct Db {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(Check),
}

/// Read everything in the data directory and compare: chains, heads, blobs, open actions, inboxes
///
/// Exit code 6 if something is found. Nothing is changed.
#[derive(Debug, Args)]
struct Check {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    data: Data,
}

impl Db {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        match self.command {
            Command::Check(command) => scene.block_on(command.run(scene)),
        }
    }
}

impl Check {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let dir = self.data.dir(&self.folder.folder);
        let store = self.data.open_existing(&self.folder.folder)?;
        let findings = store.check().await?;
        let out = &scene.out;
        if out.json {
            let list: Vec<_> = findings
                .iter()
                .map(|finding| json!({ "rule": finding.rule, "run": finding.run, "detail": finding.detail }))
                .collect();
            out.object(&json!({ "ok": findings.is_empty(), "data": dir.display().to_string(), "findings": list }));
        } else if findings.is_empty() {
            out.line(format!(
                "{} {}: chains, heads, blobs, open actions and inboxes hold",
                paint(GOOD, "ok"),
                dir.display()
            ));
        }
        if findings.is_empty() {
            return Ok(Exit::Ok);
        }
        if !out.json {
            for finding in &findings {
                let run = finding.run.map(|run| format!(" {run}")).unwrap_or_default();
                out.line(format!("{}{run}: {}", finding.rule, finding.detail));
            }
        }
        let found = count(findings.len() as u64, "finding");
        Err(CliError::new(Exit::Unverified, format!("{found} in {}", dir.display())).hint(
            "keep a copy of the directory before anything else; runs that are not named can be exported and verified",
        ))
    }
}
