//! One run as a file that can be verified without a database: NDJSON, a line a fact.
//!
//! ```text
//! {"surefoot":"export","format":1,"run":"run_…","workflow":"report","bundle":"…","head":{"seq":31,"hash":"…"}}
//! {"seq":1,"epoch":0,"at_us":1790000000000000,"salt":"…","digest":"…","hash":"…","body":"{\"about\":…}"}
//! …
//! {"blob":"…","bytes":20311,"text":"…"}
//! {"seal":3,"at_us":…,"upto":90,"leaves":5,"root":"…","prev":"…","hash":"…","place":2,"seq":31,"closed":true,"path":["…",…]}
//! {"erased":2,"at_us":…,"by":"ann","auth":"local","body":"{\"change\":\"erase\",…}","prev":"…","hash":"…"}
//! ```
//!
//! A body is the stored bytes, as a JSON text: nothing is formatted again in order to check a hash. Blobs follow the entries in the
//! order in which the journal first names them; one that is no text stands under `hex`. Then come the seals that hold this journal, each
//! with the way from its head to the root, and the word of who erased the run, if somebody has: its entries have no bodies then. Every
//! line is in the one form that [`verify`] itself would write, so two files that say the same are the same bytes.

use std::{
    collections::HashSet,
    io::{self, BufRead, Read as _, Write},
    sync::Arc,
};

use kernel::{
    evidence::Audit,
    governance::charter::Change,
    ids::{Digest, RunId},
    journal::{BlobRef, End, Entry, Event, Head},
    run::RunState,
    values::Timestamp,
};
use runtime::seals::{Anchor, What};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use store::{
    GovernanceEntry, Seal, SealedHead,
    seal::{path, root_by, seal_hash},
};

/// Version of the export format; a reader refuses a larger one. The first had neither seals nor erased runs.
pub const FORMAT: u32 = 2;

/// The longest line that is read.
const MOST_LINE: u64 = 256 << 20;

/// What kind of file this is.
const KIND: &str = "export";

/// The first line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    surefoot: String,
    format: u32,
    run: RunId,
    workflow: Arc<str>,
    bundle: Digest,
    head: Head,
    /// How many seals follow; none in the first format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seals: Option<u64>,
}

/// One line an entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    seq: u64,
    epoch: u64,
    at_us: Timestamp,
    salt: String,
    digest: Digest,
    hash: Digest,
    body: Option<String>,
}

/// One line a blob.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BlobLine {
    blob: Digest,
    bytes: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

/// One line a seal that holds this journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealLine {
    seal: u64,
    at_us: Timestamp,
    upto: u64,
    leaves: u64,
    root: Digest,
    prev: Digest,
    hash: Digest,
    place: u64,
    seq: u64,
    closed: bool,
    path: Vec<Digest>,
}

/// Who erased the run, as the log of changes has it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ErasedLine {
    erased: u64,
    at_us: Timestamp,
    by: Arc<str>,
    auth: Arc<str>,
    body: String,
    prev: Digest,
    hash: Digest,
}

/// What an export is made of, beside blobs.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'c> {
    /// Whose it is.
    pub run: RunId,
    /// Its journal, whole.
    pub entries: &'c [Entry],
    /// The seals that hold it, in order.
    pub seals: &'c [Seal],
    /// The change that erased it, and the hash of the change before.
    pub erased: Option<(&'c GovernanceEntry, Digest)>,
}

/// The last change of a log that erased this run, and the hash of the change before.
pub fn erasure(run: RunId, log: &[GovernanceEntry]) -> Option<(&GovernanceEntry, Digest)> {
    let erases = |entry: &GovernanceEntry| matches!(Change::read(entry.no, &entry.body), Ok(Change::Erase { run: of, .. }) if of == run);
    let place = log.iter().rposition(erases)?;
    let prev = place.checked_sub(1).and_then(|before| log.get(before)).map_or(Digest::ZERO, |before| before.hash);
    Some((log.get(place)?, prev))
}

/// Why a run cannot be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// A journal without its first entry.
    #[error("the journal of run {run} has no first entry that can be read")]
    NoStart {
        /// Which run.
        run: RunId,
    },
    /// A body that is no text.
    #[error("the body of entry {seq} is no text: the data are damaged")]
    Body {
        /// Which entry.
        seq: u64,
    },
    /// A blob that is not there.
    #[error("the journal names blob {digest}, which is not there")]
    Blob {
        /// Which.
        digest: Digest,
    },
    /// The file cannot be written.
    #[error("the export cannot be written")]
    Write(#[from] io::Error),
}

/// Writes the entries of a run, the blobs that they name, which `blob` brings, and its seals. Gives the head that the file ends with.
///
/// # Errors
/// [`ExportError`]; what was written until then is no export.
pub fn write<E: From<ExportError>>(
    out: &mut impl Write,
    contents: &Contents<'_>,
    mut blob: impl FnMut(Digest) -> Result<Option<Arc<[u8]>>, E>,
) -> Result<Head, E> {
    let Contents { run, entries, seals, erased } = *contents;
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else {
        return Err(ExportError::NoStart { run }.into());
    };
    let head = last.head();
    let (workflow, bundle) = match (first.event(), first.body.is_none()) {
        (Ok(Event::RunStarted { workflow, bundle, .. }), _) => (workflow, bundle),
        // What nothing in the file can prove is not said.
        (_, true) => ("".into(), Digest::ZERO),
        _ => return Err(ExportError::NoStart { run }.into()),
    };
    let holding: Vec<SealLine> = seals.iter().filter_map(|seal| seal_line(seal, run)).collect();
    let seals = Some(holding.len() as u64);
    put(out, &Header { surefoot: KIND.to_owned(), format: FORMAT, run, workflow, bundle, head, seals })?;
    let mut names = Names::default();
    for entry in entries {
        let body = match &entry.body {
            None => None,
            Some(body) => {
                let text = std::str::from_utf8(body).map_err(|_| ExportError::Body { seq: entry.seq })?;
                Some(text.to_owned())
            }
        };
        if let Ok(event) = entry.event() {
            names.of(&event);
        }
        let Entry { seq, epoch, at, salt, digest, hash, .. } = *entry;
        put(out, &EntryLine { seq, epoch, at_us: at, salt: hex::encode(salt), digest, hash, body })?;
    }
    for reference in names.list {
        let bytes = blob(reference.digest)?.ok_or(ExportError::Blob { digest: reference.digest })?;
        let line = match std::str::from_utf8(&bytes) {
            Ok(text) => (Some(text.to_owned()), None),
            Err(_) => (None, Some(hex::encode(&bytes))),
        };
        put(out, &BlobLine { blob: reference.digest, bytes: bytes.len() as u64, text: line.0, hex: line.1 })?;
    }
    for line in &holding {
        put(out, line)?;
    }
    if let Some((entry, prev)) = erased.filter(|_| entries.iter().any(|entry| entry.body.is_none())) {
        let body = std::str::from_utf8(&entry.body).map_err(|_| ExportError::Body { seq: entry.no })?.to_owned();
        let GovernanceEntry { no, at, hash, .. } = *entry;
        let (by, auth) = (entry.by.clone(), entry.auth.clone());
        put(out, &ErasedLine { erased: no, at_us: at, by, auth, body, prev, hash })?;
    }
    out.flush().map_err(ExportError::from)?;
    Ok(head)
}

/// A seal as far as it concerns one journal; `None`: it does not hold it.
fn seal_line(seal: &Seal, run: RunId) -> Option<SealLine> {
    let sealed = seal.heads.get(&run)?;
    let place = seal.heads.keys().position(|chain| *chain == run)?;
    let leaves = seal.leaves();
    Some(SealLine {
        seal: seal.no,
        at_us: seal.at,
        upto: seal.upto,
        leaves: leaves.len() as u64,
        root: seal.root(),
        prev: seal.prev,
        hash: seal.hash,
        place: place as u64,
        seq: sealed.head.seq,
        closed: sealed.closed,
        path: path(&leaves, place),
    })
}

fn put(out: &mut impl Write, line: &impl Serialize) -> Result<(), ExportError> {
    let mut bytes = encode(line);
    bytes.push(b'\n');
    Ok(out.write_all(&bytes)?)
}

fn encode(line: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(line).expect("texts and numbers under texts are JSON: held by the types of the lines")
}

/// The blobs that the entries name, in the order in which they first do.
pub fn named(entries: &[Entry]) -> Vec<Digest> {
    let mut names = Names::default();
    entries.iter().filter_map(|entry| entry.event().ok()).for_each(|event| names.of(&event));
    names.list.into_iter().map(|reference| reference.digest).collect()
}

/// What a file that holds says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// Whose journal it is.
    pub run: RunId,
    /// Its workflow.
    pub workflow: Arc<str>,
    /// What it is pinned to.
    pub bundle: Digest,
    /// How many entries.
    pub entries: u64,
    /// How many acts they tell of.
    pub acts: u64,
    /// How many blobs.
    pub blobs: u64,
    /// The last entry.
    pub head: Head,
    /// How the run ended; `None`: it had not when the file was made, or its last entry was erased.
    pub end: Option<End>,
    /// How many seals hold it.
    pub seals: u64,
    /// Up to which entry.
    pub sealed: u64,
    /// How many of its seals are newer, or older, than the anchors that were given.
    pub unanchored: u64,
    /// Who erased what it held.
    pub erased: Option<Erasure>,
}

/// Who erased what a run held, by the log of changes.
#[derive(Clone, Debug, PartialEq)]
pub struct Erasure {
    /// How many entries have no body.
    pub entries: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
}

/// What somebody has kept beside the file.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept<'k> {
    /// The head that was noted when the file was made, or read in the database: with it, a tail that was cut or made anew is found as
    /// well.
    pub noted: Option<Digest>,
    /// The seals of an anchor file, as [`runtime::seals::read`] gives them: every head of this run that was sealed must be there.
    pub anchors: Option<&'k [(u64, Anchor)]>,
}

/// What is wrong with a file: the first thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}{}: {what}", entry.map(|seq| format!(", entry {seq}")).unwrap_or_default())]
pub struct Broken {
    /// From 1.
    pub line: u64,
    /// The number of the entry, if the line is one.
    pub entry: Option<u64>,
    /// What is wrong.
    pub what: String,
}

/// Why a file was not found to hold.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// It does not hold.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// It is of a newer format.
    #[error("the file has format {found}, this program reads up to {FORMAT}")]
    Newer {
        /// The format it has.
        found: u64,
    },
    /// It cannot be read.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
}

/// Reads an export and checks everything that can be checked without a database: the form of each line, the order of the entries,
/// digests, salts and hashes, the header against the first and the last entry, that each event may follow the ones before it, what
/// [`Audit`] checks of actions and approvals, that exactly the blobs are there which the entries name, and that its seals hold it. Of a
/// run that was erased, all that is checked which needs no bodies.
///
/// # Errors
/// [`VerifyError::Broken`] with the first line that is wrong.
pub fn verify(file: impl BufRead, kept: &Kept<'_>) -> Result<Verified, VerifyError> {
    let mut lines = Lines { file, number: 0 };
    let first = lines.next()?.ok_or(Broken { line: 1, entry: None, what: "the file is empty".to_owned() })?;
    newer(&first)?;
    let header: Header = lines.read(&first, None)?;
    if header.surefoot != KIND || header.format == 0 {
        return Err(lines.broken(None, "this is no export of a run").into());
    }
    if (header.format > 1) != header.seals.is_some() {
        return Err(lines
            .broken(None, "the header says how many seals follow from format 2 on, and only there")
            .into());
    }
    let (mut told, mut hashes, mut erased) = (true, Vec::new(), 0);
    let (mut head, mut epoch) = (Head::START, 0);
    let mut state = RunState::new(header.run);
    let mut names = Names::default();
    let mut audit = Audit::new(header.run);
    while head.seq < header.head.seq {
        let seq = head.seq + 1;
        let missing = || format!("the header promises {} entries, and entry {seq} is missing", header.head.seq);
        let Some(line) = lines.next()? else { return Err(lines.ended(Some(seq), missing()).into()) };
        let entry = lines.entry(&line, seq)?;
        hashes.push(entry.hash);
        if entry.body.is_none() {
            if header.format == 1 || entry.salt != [0; 16] {
                return Err(lines.broken(Some(seq), "the body was taken away, and not by an erasure").into());
            }
            (erased, told) = (erased + 1, false);
        }
        // What an erased entry told is not known, and so nothing that follows can be folded.
        if !told {
            let broken = |broken: kernel::journal::Broken| lines.broken(Some(seq), broken.to_string());
            entry.verify(header.run, head).map_err(broken)?;
            if entry.epoch < epoch {
                return Err(broken(kernel::journal::Broken::Epoch { seq, epoch: entry.epoch, before: epoch }).into());
            }
            (head, epoch) = (entry.head(), entry.epoch);
            continue;
        }
        (head, epoch) = (entry.head(), entry.epoch);
        state.fold([&entry]).map_err(|illegal| lines.broken(Some(seq), illegal.to_string()))?;
        let event = entry.event().map_err(|broken| lines.broken(Some(seq), broken.to_string()))?;
        if let Event::RunStarted { bundle, workflow, .. } = &event
            && (*bundle, workflow) != (header.bundle, &header.workflow)
        {
            let what = format!(
                "the header speaks of workflow {} of bundle {}, the first entry of {workflow} of {bundle}",
                header.workflow, header.bundle
            );
            return Err(lines.broken(Some(seq), what).into());
        }
        audit.add(seq, entry.at, &event).map_err(|found| lines.broken(Some(seq), found.what))?;
        names.of(&event);
    }
    if head.seq == 0 {
        return Err(lines.broken(None, "the header promises no entries").into());
    }
    if head != header.head {
        let what = format!("the entries end with hash {}, the header says {}", head.hash, header.head.hash);
        return Err(lines.broken(Some(head.seq), what).into());
    }
    if erased > 0 && (erased != head.seq || !header.workflow.is_empty() || header.bundle != Digest::ZERO) {
        let what = format!(
            "{erased} of {} entries have no body: a run is erased as a whole, and its header says no more",
            head.seq
        );
        return Err(lines.broken(None, what).into());
    }
    let blobs = names.list.len() as u64;
    for reference in names.list {
        let Some(line) = lines.next()? else {
            return Err(lines.ended(None, format!("blob {} is missing", reference.digest)).into());
        };
        lines.blob(&line, reference)?;
    }
    let mut seals =
        Seals { run: header.run, hashes: &hashes, over: told.then_some(state.end.is_some()), lines: Vec::new() };
    for _ in 0..header.seals.unwrap_or(0) {
        let Some(line) = lines.next()? else { return Err(lines.ended(None, "a seal is missing".to_owned()).into()) };
        let read: SealLine = lines.read(&line, None)?;
        seals.add(lines.number, read).map_err(|what| lines.broken(None, what))?;
    }
    let erased = match erased {
        0 => None,
        entries => {
            let missing = "the bodies are erased, and nobody says who did it";
            let Some(line) = lines.next()? else { return Err(lines.ended(None, missing.to_owned()).into()) };
            let line = lines.read(&line, None)?;
            Some(erased_by(header.run, entries, &line).map_err(|what| lines.broken(None, what))?)
        }
    };
    if lines.next()?.is_some() {
        return Err(lines.broken(None, "the export is over, and this line is too many").into());
    }
    if let Some(noted) = kept.noted
        && noted != head.hash
    {
        let what = format!("the last entry has hash {}, and {noted} was noted", head.hash);
        return Err(Broken { line: head.seq + 1, entry: Some(head.seq), what }.into());
    }
    let unanchored = kept.anchors.map_or(Ok(0), |anchors| seals.compare(anchors, lines.number))?;
    Ok(Verified {
        run: header.run,
        workflow: header.workflow,
        bundle: header.bundle,
        entries: head.seq,
        acts: audit.ledger().acts.len() as u64,
        blobs,
        head,
        end: state.end.map(|ended| ended.end),
        seals: seals.lines.len() as u64,
        sealed: seals.lines.last().map_or(0, |(_, line)| line.seq),
        unanchored,
        erased,
    })
}

/// The seals of a file.
struct Seals<'s> {
    run: RunId,
    /// Of all entries, in order.
    hashes: &'s [Digest],
    /// Whether the run is over; `None`: its last entry was erased.
    over: Option<bool>,
    /// With the number of their lines.
    lines: Vec<(u64, SealLine)>,
}

impl Seals<'_> {
    /// The next line: it is over this journal and itself, and comes after the ones before.
    fn add(&mut self, number: u64, line: SealLine) -> Result<(), String> {
        let SealLine { seal, at_us, upto, leaves, root, prev, hash, place, seq, closed, ref path } = line;
        if let Some((_, before)) = self.lines.last() {
            if seal <= before.seal || seq < before.seq {
                return Err(format!("seal {seal} stands after seal {}", before.seal));
            }
            if before.closed {
                return Err(format!("seal {} says that the run is over, and seal {seal} follows", before.seal));
            }
            if seal == before.seal + 1 && prev != before.hash {
                return Err(format!("seal {seal} does not follow seal {}", before.seal));
            }
        }
        self.holds(&format!("seal {seal}"), seq, None, closed)?;
        let entry = self.hash(seq).unwrap_or(Digest::ZERO);
        let leaf = SealedHead { head: Head { seq, hash: entry }, closed }.leaf(self.run);
        if root_by(leaf, place, leaves, path) != Some(root) {
            return Err(format!("entry {seq} does not give the root of seal {seal}"));
        }
        if seal_hash(prev, seal, at_us, upto, (leaves, root)) != hash {
            return Err(format!("seal {seal} does not give its hash"));
        }
        self.lines.push((number, line));
        Ok(())
    }

    fn hash(&self, seq: u64) -> Option<Digest> {
        self.hashes.get(usize::try_from(seq.checked_sub(1)?).ok()?).copied()
    }

    /// Whether a head that was sealed is one of this journal.
    fn holds(&self, by: &str, seq: u64, hash: Option<Digest>, closed: bool) -> Result<(), String> {
        let count = self.hashes.len() as u64;
        let Some(found) = self.hash(seq) else {
            return Err(format!("{by} holds entry {seq}, and the file ends with entry {count}: its tail was cut"));
        };
        if hash.is_some_and(|hash| hash != found) {
            return Err(format!("{by} holds another entry {seq} than the file: it was changed"));
        }
        if closed && (seq != count || self.over == Some(false)) {
            return Err(format!("{by} says that the run was over with entry {seq}"));
        }
        Ok(())
    }

    /// Compares with what was written down outside: every head of this run that was sealed is here, and every seal here is one of those.
    /// Gives how many are newer or older.
    fn compare(&self, anchors: &[(u64, Anchor)], end: u64) -> Result<u64, Broken> {
        let broken = |line: u64, what: String| Broken { line, entry: None, what };
        let (mut newer, numbers) = (0, anchors.iter().map(|(_, anchor)| anchor.no));
        let (oldest, newest) = (numbers.clone().min().unwrap_or(u64::MAX), numbers.max().unwrap_or(0));
        for (number, line) in &self.lines {
            let of_number = || anchors.iter().filter(|(_, anchor)| anchor.no == line.seal);
            if of_number().any(|(_, anchor)| anchor.hash == line.hash) {
                continue;
            }
            match of_number().next_back() {
                Some((at, _)) => {
                    return Err(broken(
                        *number,
                        format!("seal {} is another than in line {at} of the anchors", line.seal),
                    ));
                }
                // Somebody kept a part of the anchors, or an adopted copy began its own.
                None if line.seal > newest || line.seal < oldest => newer += 1,
                None => return Err(broken(*number, format!("seal {} is not among the anchors", line.seal))),
            }
        }
        for (at, anchor) in anchors {
            let What::Sealed { heads, .. } = &anchor.what else { continue };
            for head in heads.iter().filter(|head| head.chain == self.run) {
                let by = format!("seal {} in line {at} of the anchors", anchor.no);
                self.holds(&by, head.seq, Some(head.hash), head.closed).map_err(|what| broken(end, what))?;
                if !self.lines.iter().any(|(_, line)| line.hash == anchor.hash) {
                    return Err(broken(end, format!("{by} holds this run, and the file does not have it")));
                }
            }
        }
        Ok(newer)
    }
}

/// Whether a line says who erased the run, and is what the log of changes holds.
fn erased_by(run: RunId, entries: u64, line: &ErasedLine) -> Result<Erasure, String> {
    let what = |detail: String| format!("this is not what the log says of an erasure: {detail}");
    let change = Change::read(line.erased, line.body.as_bytes()).map_err(|why| what(why.to_string()))?;
    let reason = match change {
        Change::Erase { run: of, reason } if of == run => reason,
        _ => return Err(what("it is about something else".to_owned())),
    };
    let said = store::Change {
        at: line.at_us,
        by: line.by.clone(),
        auth: line.auth.clone(),
        body: line.body.as_bytes().into(),
        expect: None,
        wake: None,
    };
    let before = line.erased.checked_sub(1).ok_or_else(|| what("its number is 0".to_owned()))?;
    if GovernanceEntry::seal(before, line.prev, &said).hash != line.hash {
        return Err(what("it does not give its hash".to_owned()));
    }
    Ok(Erasure { entries, at: line.at_us, by: line.by.clone(), reason })
}

/// A newer format may have other fields: it is not called broken.
fn newer(line: &[u8]) -> Result<(), VerifyError> {
    let header = serde_json::from_slice::<serde_json::Value>(line).unwrap_or_default();
    match header.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found > u64::from(FORMAT) && header["surefoot"] == KIND => Err(VerifyError::Newer { found }),
        _ => Ok(()),
    }
}

struct Lines<F> {
    file: F,
    number: u64,
}

impl<F: BufRead> Lines<F> {
    /// The next line without its end; `None` after the last.
    fn next(&mut self) -> Result<Option<Vec<u8>>, VerifyError> {
        let mut line = Vec::new();
        let read = (&mut self.file).take(MOST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        self.number += 1;
        if line.pop() != Some(b'\n') {
            return Err(self.broken(None, "the line is cut off").into());
        }
        Ok(Some(line))
    }

    /// Reads a line in the one form that it may have.
    fn read<T: DeserializeOwned + Serialize>(&self, line: &[u8], entry: Option<u64>) -> Result<T, Broken> {
        let read: T = serde_json::from_slice(line)
            .map_err(|error| self.broken(entry, format!("this is not what stands here in an export: {error}")))?;
        // What reads the same and is written otherwise was written by somebody else.
        if encode(&read) != line {
            return Err(self.broken(entry, "this line is not as an export writes it"));
        }
        Ok(read)
    }

    fn entry(&self, line: &[u8], wanted: u64) -> Result<Entry, Broken> {
        let read: EntryLine = self.read(line, Some(wanted))?;
        let mut salt = [0; 16];
        let fits = hex::decode_to_slice(&read.salt, &mut salt).is_ok() && hex::encode(salt) == read.salt;
        if !fits {
            return Err(self.broken(Some(read.seq), "the salt is not 16 bytes in hexadecimal"));
        }
        if read.seq != wanted {
            return Err(self.broken(Some(wanted), format!("entry {} stands where entry {wanted} belongs", read.seq)));
        }
        let EntryLine { seq, epoch, at_us: at, digest, hash, body, .. } = read;
        Ok(Entry { seq, epoch, at, salt, body: body.map(|body| body.into_bytes().into()), digest, hash })
    }

    fn blob(&self, line: &[u8], wanted: BlobRef) -> Result<(), Broken> {
        let read: BlobLine = self.read(line, None)?;
        if read.blob != wanted.digest {
            return Err(self.broken(None, format!("blob {} stands where {} belongs", read.blob, wanted.digest)));
        }
        let bytes = match (read.text, read.hex) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => match hex::decode(&text) {
                // A text stands under `text`, and digits are small.
                Ok(bytes) if std::str::from_utf8(&bytes).is_err() && hex::encode(&bytes) == text => bytes,
                _ => return Err(self.broken(None, "the bytes of the blob are not as an export writes them")),
            },
            _ => return Err(self.broken(None, "a blob has one of `text` and `hex`")),
        };
        let (found, count) = (Digest::of(&[&bytes]), bytes.len() as u64);
        if found != read.blob {
            return Err(self.broken(None, format!("blob {} holds bytes with digest {found}", read.blob)));
        }
        if count != read.bytes || count != wanted.bytes {
            let what = format!("blob {} has {count} bytes, and {} are promised", read.blob, wanted.bytes);
            return Err(self.broken(None, what));
        }
        Ok(())
    }

    fn broken(&self, entry: Option<u64>, what: impl Into<String>) -> Broken {
        Broken { line: self.number, entry, what: what.into() }
    }

    /// Something is missing after the last line.
    fn ended(&self, entry: Option<u64>, what: String) -> Broken {
        Broken { line: self.number + 1, entry, what }
    }
}

/// The blobs that events name, in the order in which they first do.
#[derive(Debug, Default)]
struct Names {
    list: Vec<BlobRef>,
    seen: HashSet<Digest>,
}

impl Names {
    fn of(&mut self, event: &Event) {
        for blob in event.blobs() {
            if self.seen.insert(blob.digest) {
                self.list.push(blob);
            }
        }
    }
}

#[cfg(test)]
mod tests;
