use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use kernel::{
    evidence::{self, Audit, Status},
    ids::Digest,
};
use runtime::{
    Runtime,
    govern::Asker,
    seals::{self, Anchor},
};
use serde_json::json;

use super::{
    Scene,
    out::{BAD, GOOD, WAIT, count, paint, plain},
    runs::{OneRun, Place, export::Export},
    session,
};
use crate::{
    error::CliError,
    exit::Exit,
    export::{self, Kept, VerifyError},
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
    Seal(Seal),
    Erase(Erase),
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
/// cut together with the header, or a journal made anew from its first entry, cannot be told from a true one. Give the anchor file, or
/// a copy of it, and every head of the run that was ever sealed must be in the file as well.
#[derive(Debug, Args)]
struct Verify {
    /// What `surefoot runs export` wrote; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// The hash of the last entry, as it was noted
    #[arg(long, value_name = "HASH")]
    head: Option<String>,
    /// The anchor file, or a part of it that somebody kept
    #[arg(long, value_name = "FILE")]
    anchors: Option<PathBuf>,
}

/// Seal what has moved since the last seal, now
///
/// A worker does so every minute, after a thousand entries, and when it ends. Each seal is written to the anchor file as well, outside
/// the data directory: print the last line of it, or copy it to where nobody who can write the data can write.
#[derive(Debug, Args)]
struct Seal {
    #[command(flatten)]
    place: Place,
}

/// Erase what a run held, for good: bodies and salts of its journal, blobs, messages, cards, keys
///
/// The chain of the run still verifies, and says who erased it and why. A run that is not over is refused: cancel it first. What was
/// exported, sent or printed before is not reached, and neither is what tools and models were told.
#[derive(Debug, Args)]
struct Erase {
    /// The run: its id, four or more characters of its beginning or end, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    #[command(flatten)]
    place: Place,
    /// Who erases it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why: the legal ground. Recorded, and never erased
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
}

impl Evidence {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        match self.command {
            Command::Show(command) => scene.block_on(command.run(scene)),
            Command::Export(command) => scene.block_on(command.run(scene)),
            Command::Verify(command) => command.run(scene),
            Command::Seal(command) => scene.block_on(command.run(scene)),
            Command::Erase(command) => scene.block_on(command.run(scene)),
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
        for handed in &ledger.handed {
            if scene.out.json {
                scene.out.object(&json!({ "kind": "handed", "handed": handed }));
                continue;
            }
            let line = format!("{}: handed to workflow {}, run {}", handed.step, handed.workflow, handed.run);
            scene.out.line(paint(WAIT, plain(&line)));
            scene.out.line(format!("  its acts: surefoot evidence show {}", handed.run));
        }
        for said in &ledger.claims {
            if scene.out.json {
                scene.out.object(&json!({ "kind": "claim", "claim": said }));
                continue;
            }
            let style = if said.claimed.fails() { BAD } else { GOOD };
            let (standing, rest) = said.claimed.in_words();
            scene.out.line(format!("{} {}", paint(style, standing), plain(&rest)));
            scene.out.line(format!("    {:<10} {}, entry {}", "claimed at", said.step, said.entry));
        }
        if ledger.acts.is_empty() && ledger.claims.is_empty() && !scene.out.json {
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
        let anchors = self.anchors.as_deref().map(read_anchors).transpose()?;
        let kept = Kept { noted, anchors: anchors.as_deref() };
        let verified = export::verify(reader, &kept).map_err(|error| match error {
            VerifyError::Broken(broken) => CliError::new(Exit::Unverified, format!("{name} does not hold: {broken}")),
            VerifyError::Newer { .. } => CliError::new(Exit::Newer, format!("{name}: {error}")),
            VerifyError::Read(source) => {
                CliError { kind: Exit::Disk, ..CliError::io(format!("{name} cannot be read"), source) }
            }
        })?;
        let end = match (&verified.erased, verified.end) {
            (Some(_), _) => "erased",
            (None, end) => end.map_or("not over when it was exported", story::ending),
        };
        let erased = verified.erased.as_ref();
        if scene.out.json {
            scene.out.object(&json!({ "ok": true, "run": verified.run, "workflow": verified.workflow, "bundle": verified.bundle,
                "entries": verified.entries, "acts": verified.acts, "blobs": verified.blobs, "head": verified.head, "end": end, "noted": noted.is_some(),
                "seals": verified.seals, "sealed": verified.sealed, "anchored": anchors.is_some() && verified.unanchored < verified.seals, "unanchored": verified.unanchored,
                "erased": erased.map(|erased| json!({ "by": erased.by, "at": erased.at.to_string(), "reason": erased.reason })) }));
            return Ok(Exit::Ok);
        }
        let entries = count(verified.entries, "entry").replace("entrys", "entries");
        let blobs = count(verified.blobs, "blob");
        let good = paint(GOOD, "ok");
        let workflow = if erased.is_some() { String::new() } else { format!(" ({})", verified.workflow) };
        scene.out.line(format!("{good} {}{workflow}: {entries}, {blobs}, {end}", verified.run));
        scene.out.line(format!("head {}", verified.head.hash));
        if let Some(erased) = erased {
            let (by, at, reason) = (&erased.by, erased.at, plain(&erased.reason));
            scene.out.line(format!("erased by {by} at {at}: {reason}"));
        }
        let (seals, sealed) = (count(verified.seals, "seal"), verified.sealed);
        match (verified.seals, anchors.is_some(), verified.unanchored) {
            (0, false, _) => {}
            (0, true, _) => scene.out.line("the anchors know nothing of this run"),
            (_, false, _) => scene.out.line(format!("{seals}, up to entry {sealed}")),
            (_, true, 0) => scene.out.line(format!("{seals}, up to entry {sealed}, all of them in the anchors")),
            (all, true, out) if out == all => scene.out.line(format!(
                "{seals}, up to entry {sealed}, none of them in the anchors: those prove nothing of this file"
            )),
            (_, true, out) => {
                scene
                    .out
                    .line(format!("{seals}, up to entry {sealed}; {out} of them are newer or older than the anchors"));
            }
        }
        if noted.is_none() && anchors.is_none() {
            scene.out.aside(
                "compare this head with the one that was noted, or give it with --head, or give --anchors: a cut tail is found only so",
            );
        }
        Ok(Exit::Ok)
    }
}

/// The seals of an anchor file.
fn read_anchors(path: &Path) -> Result<Vec<(u64, Anchor)>, CliError> {
    let name = path.display();
    let file = File::open(path).map_err(|error| CliError::io(format!("{name} cannot be read"), error))?;
    let failed = |error| CliError { kind: Exit::Disk, ..CliError::io(format!("{name} cannot be read"), error) };
    let read = seals::read(BufReader::new(file)).map_err(failed)?;
    read.map_err(|broken| CliError::new(Exit::Unverified, format!("{name} does not hold: {broken}")))
}

impl Seal {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (store, anchors) = (self.place.open()?, session::anchors(scene, &self.place.data_dir()));
        let path = anchors.path().display().to_string();
        let runtime = Runtime::builder(store.clone()).anchors(anchors).build();
        let made = runtime.seal().await?;
        let last = store::Store::last_seal(&*store).await?;
        let Some(seal) = last else {
            scene.out.line("there is nothing to seal: nothing was ever run");
            return Ok(Exit::Ok);
        };
        if scene.out.json {
            scene.out.object(&json!({ "kind": "seal", "no": seal.no, "at": seal.at.to_string(), "hash": seal.hash,
                "root": seal.root(), "heads": seal.heads.len(), "new": made.is_some(), "anchors": path }));
            return Ok(Exit::Ok);
        }
        let what = if made.is_some() { "sealed" } else { "nothing has moved since" };
        let heads = count(seal.heads.len() as u64, "head");
        scene.out.line(format!("{} seal {} of {}: {heads}", paint(GOOD, what), seal.no, seal.at));
        scene.out.line(format!("hash {}", seal.hash));
        scene.out.aside(format!("it stands in {path} as well: copy that to where the data cannot be written from"));
        Ok(Exit::Ok)
    }
}

impl Erase {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let store = self.place.open()?;
        let run = session::find_run(&*store, &self.run).await?.run;
        let runtime = Runtime::builder(store).build();
        let asker = Asker { by: self.by.as_str().into(), auth: "local".into() };
        let change = runtime.erase(run, &self.reason, &asker).await?;
        let copies = runtime.copies(run).await?;
        if scene.out.json {
            scene
                .out
                .object(&json!({ "kind": "erased", "run": run, "by": self.by, "change": change, "copies": copies }));
        } else {
            scene.out.line(format!("{} {run}, by {} (change {change})", paint(GOOD, "erased"), self.by));
            for copy in copies {
                scene.out.line(format!(
                    "{} {copy} went on from it, and holds a copy of what it inherited",
                    paint(WAIT, "left")
                ));
            }
            scene.out.aside("exports, backups and what was sent outside are not reached");
        }
        Ok(Exit::Ok)
    }
}
