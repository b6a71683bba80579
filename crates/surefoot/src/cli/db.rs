use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use runtime::{Runtime, govern::Asker, seals::Reviewed};
use serde_json::json;
use store::Store as _;

use super::{
    Folder, Scene,
    out::{GOOD, count, paint},
    session::{self, Data},
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
    AcceptRollback(AcceptRollback),
    Adopt(Adopt),
}

/// Go on with data that were put back to an earlier state
///
/// What was done since stands outside, and the data do not know of it. Every run that is not over pauses before anything else, and an
/// action that was sent without a recorded outcome is for a person (`surefoot effects ls`): nothing is sent again by itself. Resume the
/// runs one by one when you have looked at what they did.
#[derive(Debug, Args)]
struct AcceptRollback {
    #[command(flatten)]
    decided: Decided,
}

/// Make a copy of the data, or data that were moved without their anchor file, a deployment of its own
///
/// Runs that are not over pause, and open actions are for a person, as with `accept-rollback`. The keys on which receivers de-duplicate
/// stay those of the runs: where a copy reaches the same receivers as the original, an effect of one run still happens once.
#[derive(Debug, Args)]
struct Adopt {
    #[command(flatten)]
    decided: Decided,
}

/// Where, who and why.
#[derive(Debug, Args)]
struct Decided {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    data: Data,
    /// Who decides it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why. Recorded
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
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
            Command::AcceptRollback(AcceptRollback { decided }) => scene.block_on(async {
                let runtime = decided.runtime(scene)?;
                let reviewed = runtime.accept_rollback(&decided.reason, &decided.asker()).await?;
                decided.told(scene, "accepted", &reviewed)
            }),
            Command::Adopt(Adopt { decided }) => scene.block_on(async {
                let runtime = decided.runtime(scene)?;
                let reviewed = runtime.adopt(&decided.reason, &decided.asker()).await?;
                decided.told(scene, "adopted", &reviewed)
            }),
        }
    }
}

impl Decided {
    fn runtime(&self, scene: &Scene) -> Result<Runtime, CliError> {
        let store = self.data.open_existing(&self.folder.folder)?;
        let anchors = session::anchors(scene, &self.data.dir(&self.folder.folder));
        Ok(Runtime::builder(store).anchors(anchors).build())
    }

    fn asker(&self) -> Asker {
        Asker { by: self.by.as_str().into(), auth: "local".into() }
    }

    fn told(&self, scene: &Scene, what: &str, reviewed: &Reviewed) -> Result<Exit, CliError> {
        if scene.out.json {
            scene.out.object(&json!({ "kind": what, "by": self.by, "runs": reviewed.runs, "open": reviewed.open,
                "instance": reviewed.instance }));
            return Ok(Exit::Ok);
        }
        let runs = count(reviewed.runs.len() as u64, "run");
        let open = count(reviewed.open as u64, "action");
        scene.out.line(format!("{} by {}: {runs} not over, {open} without an outcome", paint(GOOD, what), self.by));
        for run in &reviewed.runs {
            scene.out.line(format!("    {run} pauses before anything else"));
        }
        if reviewed.open > 0 {
            scene
                .out
                .aside("see what became of them outside, then say so: surefoot effects ls, surefoot effects resolve");
        }
        Ok(Exit::Ok)
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
