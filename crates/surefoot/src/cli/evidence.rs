use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use kernel::{
    evidence::{self, Audit, Status},
    ids::Digest,
};
use serde_json::json;

use super::{
    Scene,
    out::{BAD, GOOD, WAIT, count, paint, plain},
    runs::{OneRun, export::Export},
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
    Show(Show),
    Export(Export),
    Verify(Verify),
}

/// Say what a run did outside: who allowed it, who approved, what proves it, what is uncertain
///
/// One block an act, read from the journal, which is verified on the way: exit code 6 if it does not hold.
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    one: OneRun,
}

/// Check an exported run, offline: nothing was changed, removed, added or reordered
///
/// Also that every action was allowed before it started, that approvals were given in time by people who may, and that no outcome
/// came of nothing. Exit code 6, with the first line that is wrong; 7 if the file is of a newer version. Give the head that was noted when the export was made: without it, a tail that was
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
            Command::Show(command) => scene.block_on(command.run(scene)),
            Command::Export(command) => scene.block_on(command.run(scene)),
            Command::Verify(command) => command.run(scene),
        }
    }
}

impl Show {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let found = self.one.read().await?;
        let mut audit = Audit::new(found.row.run);
        let unverified = |what: String| {
            CliError::new(Exit::Unverified, format!("the journal of {} does not hold: {what}", found.row.run))
        };
        for entry in &found.entries {
            let event = entry.event().map_err(|broken| unverified(broken.to_string()))?;
            audit.add(entry.seq, entry.at, &event).map_err(|finding| unverified(finding.to_string()))?;
        }
        let ledger = audit.ledger();
        let hash = |seq: u64| found.entries.get(usize::try_from(seq).ok()?.checked_sub(1)?).map(|entry| entry.hash);
        for act in &ledger.acts {
            if scene.out.json {
                let hashes: Vec<_> = act.entries.iter().map(|seq| json!({ "seq": seq, "hash": hash(*seq) })).collect();
                let mut object =
                    json!({ "kind": "act", "act": act, "actor": ledger.actor, "uncertain": evidence::uncertain(act) });
                object["act"]["entries"] = hashes.into();
                scene.out.object(&object);
                continue;
            }
            let mut lines = evidence::lines(act, &ledger.actor, &hash).into_iter();
            let style = match act.status {
                Status::Succeeded | Status::ResolvedPerformed | Status::Answered => GOOD,
                Status::Waiting | Status::Intended | Status::Superseded | Status::ResolvedNotPerformed => WAIT,
                Status::Failed | Status::Unknown | Status::GivenUp => BAD,
                Status::Denied | Status::Rejected | Status::Expired => BAD,
            };
            scene.out.line(paint(style, plain(&lines.next().unwrap_or_default())));
            lines.for_each(|line| scene.out.line(plain(&line)));
        }
        if ledger.acts.is_empty() && !scene.out.json {
            scene.out.line(format!("{} did nothing outside", found.row.run));
        }
        Ok(Exit::Ok)
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
                "entries": verified.entries, "acts": verified.acts, "blobs": verified.blobs, "head": verified.head, "end": end, "noted": noted.is_some() }));
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
