//! One run as a file that can be verified without a database: NDJSON, a line a fact.
//!
//! ```text
//! {"surefoot":"export","format":1,"run":"run_…","workflow":"report","bundle":"…","head":{"seq":31,"hash":"…"}}
//! {"seq":1,"epoch":0,"at_us":1790000000000000,"salt":"…","digest":"…","hash":"…","body":"{\"about\":…}"}
//! …
//! {"blob":"…","bytes":20311,"text":"…"}
//! ```
//!
//! A body is the stored bytes, as a JSON text: nothing is formatted again in order to check a hash. Blobs follow the entries in the
//! order in which the journal first names them; one that is no text stands under `hex`. Every line is in the one form that
//! [`verify`] itself would write, so two files that say the same are the same bytes.

use std::{
    collections::HashSet,
    io::{self, BufRead, Read as _, Write},
    sync::Arc,
};

use kernel::{
    evidence::Audit,
    ids::{Digest, RunId},
    journal::{BlobRef, End, Entry, Event, Head},
    run::RunState,
    values::Timestamp,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Version of the export format; a reader refuses a larger one.
pub const FORMAT: u32 = 1;

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

/// Writes the entries of a run and then the blobs that they name, which `blob` brings. Gives the head that the file ends with.
///
/// # Errors
/// [`ExportError`]; what was written until then is no export.
pub fn write<E: From<ExportError>>(
    out: &mut impl Write,
    run: RunId,
    entries: &[Entry],
    mut blob: impl FnMut(Digest) -> Result<Option<Arc<[u8]>>, E>,
) -> Result<Head, E> {
    let first = entries.first().and_then(|entry| entry.event().ok());
    let (Some(Event::RunStarted { bundle, workflow, .. }), Some(last)) = (first, entries.last()) else {
        return Err(ExportError::NoStart { run }.into());
    };
    let head = last.head();
    let header = Header { surefoot: KIND.to_owned(), format: FORMAT, run, workflow, bundle, head };
    put(out, &header)?;
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
    out.flush().map_err(ExportError::from)?;
    Ok(head)
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
    /// How the run ended; `None`: it had not when the file was made.
    pub end: Option<End>,
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
/// [`Audit`] checks of actions and approvals, and that exactly the blobs are there which the entries name.
///
/// `noted` is the head that someone wrote down when the file was made, or read in the database: with it, a tail that was cut or made
/// anew is found as well.
///
/// # Errors
/// [`VerifyError::Broken`] with the first line that is wrong.
pub fn verify(file: impl BufRead, noted: Option<Digest>) -> Result<Verified, VerifyError> {
    let mut lines = Lines { file, number: 0 };
    let first = lines.next()?.ok_or(Broken { line: 1, entry: None, what: "the file is empty".to_owned() })?;
    newer(&first)?;
    let header: Header = lines.read(&first, None)?;
    if header.surefoot != KIND || header.format == 0 {
        return Err(lines.broken(None, "this is no export of a run").into());
    }
    let mut state = RunState::new(header.run);
    let mut names = Names::default();
    let mut audit = Audit::new(header.run);
    while state.head.seq < header.head.seq {
        let seq = state.head.seq + 1;
        let missing = || format!("the header promises {} entries, and entry {seq} is missing", header.head.seq);
        let Some(line) = lines.next()? else { return Err(lines.ended(Some(seq), missing()).into()) };
        let entry = lines.entry(&line, seq)?;
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
    if state.start.is_none() {
        return Err(lines.broken(None, "the header promises no entries").into());
    }
    if state.head != header.head {
        let what = format!("the entries end with hash {}, the header says {}", state.head.hash, header.head.hash);
        return Err(lines.broken(Some(state.head.seq), what).into());
    }
    let blobs = names.list.len() as u64;
    for reference in names.list {
        let Some(line) = lines.next()? else {
            return Err(lines.ended(None, format!("blob {} is missing", reference.digest)).into());
        };
        lines.blob(&line, reference)?;
    }
    if lines.next()?.is_some() {
        return Err(lines.broken(None, "the export is over, and this line is too many").into());
    }
    if let Some(noted) = noted
        && noted != state.head.hash
    {
        let what = format!("the last entry has hash {}, and {noted} was noted", state.head.hash);
        return Err(Broken { line: state.head.seq + 1, entry: Some(state.head.seq), what }.into());
    }
    Ok(Verified {
        run: header.run,
        workflow: header.workflow,
        bundle: header.bundle,
        entries: state.head.seq,
        acts: audit.ledger().acts.len() as u64,
        blobs,
        head: state.head,
        end: state.end.map(|ended| ended.end),
    })
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
