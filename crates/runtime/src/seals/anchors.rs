//! The anchor file: seals once more, outside the store, a line each. Whoever holds an old line can tell later that the store was put
//! back, copied or changed.
//!
//! ```text
//! {"anchor":"begun","instance":"…","file":"…","at_us":…,"no":0,"hash":"…"}
//! {"anchor":"sealed","instance":"…","file":"…","at_us":…,"no":1,"hash":"…","upto":7,"leaves":2,"root":"…","prev":"…","heads":[…]}
//! {"anchor":"restored","instance":"…","file":"…","at_us":…,"no":1,"hash":"…","before":4,"by":"ann","reason":"…"}
//! ```
//!
//! Every line says which seal is the last one after it, so only the last line counts when a process begins.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use kernel::{
    ids::{Digest, RunId},
    journal::Head,
    values::Timestamp,
};
use serde::{Deserialize, Serialize};
use store::{
    Seal, SealedHead,
    seal::{root, seal_hash},
};

/// What is put behind the name of the data directory.
const SUFFIX: &str = ".anchors.ndjson";

/// How much of the end of the file is read at first.
const TAIL: u64 = 64 << 10;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// What the line is.
    #[serde(flatten)]
    pub what: What,
    /// Which deployment wrote it.
    pub instance: Arc<str>,
    /// The file that it was written to, as the system knows it: a copy of the file is another one.
    pub file: Arc<str>,
    /// When.
    pub at_us: Timestamp,
    /// The last seal after this line; 0: there is none.
    pub no: u64,
    /// Its hash.
    pub hash: Digest,
}

/// What a line is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "anchor", rename_all = "snake_case")]
pub enum What {
    /// A deployment begins to write here.
    Begun,
    /// A seal.
    Sealed {
        /// How far appends were looked at.
        upto: u64,
        /// How many heads it has.
        leaves: u64,
        /// The root over them.
        root: Digest,
        /// The hash of the seal before.
        prev: Digest,
        /// Where journals stood, by run.
        heads: Vec<AnchoredHead>,
    },
    /// A person goes on with data that were put back: what was sealed after this seal counts no more.
    Restored {
        /// The last seal that was written down before.
        before: u64,
        /// Who.
        by: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
}

/// Where a journal stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchoredHead {
    /// Whose; all zeros: the log of changes to what runs are judged by.
    pub chain: RunId,
    /// The number of its last entry.
    pub seq: u64,
    /// The hash of it.
    pub hash: Digest,
    /// Whether nothing can follow.
    pub closed: bool,
}

impl AnchoredHead {
    /// As a seal has it.
    pub fn sealed(&self) -> SealedHead {
        SealedHead { head: Head { seq: self.seq, hash: self.hash }, closed: self.closed }
    }
}

/// Where the anchors are.
#[derive(Clone, Debug)]
pub struct Anchors {
    path: PathBuf,
}

/// What stands in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Last {
    /// Nothing, or there is no file.
    Nothing,
    /// Its last line.
    Line(Box<Anchor>),
    /// Its last line, which was written to another file: this one is a copy.
    Copied(Box<Anchor>),
}

impl Anchors {
    /// The file beside the data directory `dir` that is called like it: `data` has `data.anchors.ndjson`.
    pub fn beside(dir: &Path) -> Anchors {
        let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let mut name = dir.file_name().map_or_else(|| "data".into(), std::ffi::OsStr::to_os_string);
        name.push(SUFFIX);
        Anchors { path: dir.with_file_name(name) }
    }

    /// This file.
    pub fn at(path: impl Into<PathBuf>) -> Anchors {
        Anchors { path: path.into() }
    }

    /// Where the file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The last whole line.
    pub(crate) fn last(&self) -> io::Result<Last> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Last::Nothing),
            Err(error) => return Err(error),
        };
        let size = file.metadata()?.len();
        let mut want = TAIL;
        let line = loop {
            let from = size.saturating_sub(want);
            file.seek(SeekFrom::Start(from))?;
            let mut tail = Vec::new();
            (&mut file).take(size - from).read_to_end(&mut tail)?;
            // What has no end was cut off while it was written: it was never acknowledged.
            let Some(end) = tail.iter().rposition(|byte| *byte == b'\n') else {
                if from == 0 {
                    return Ok(Last::Nothing);
                }
                want *= 8;
                continue;
            };
            match tail[..end].iter().rposition(|byte| *byte == b'\n') {
                Some(before) => break tail[before + 1..end].to_vec(),
                None if from == 0 => break tail[..end].to_vec(),
                None => want *= 8,
            }
        };
        let anchor: Anchor = serde_json::from_slice(&line).map_err(io::Error::other)?;
        let here = identity(&file)?;
        let same = same_file(&anchor.file, &here);
        Ok(if same { Last::Line(Box::new(anchor)) } else { Last::Copied(Box::new(anchor)) })
    }

    /// Adds the lines of these seals: for whoever keeps them in another file as well.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&self, seals: &[Seal], instance: &str) -> io::Result<()> {
        let instance = instance.into();
        self.append(|file| seals.iter().map(|seal| Anchor::of(seal, &instance, file)).collect())
    }

    /// Adds lines and makes them durable. `made` is told what the file is.
    pub(crate) fn append(&self, made: impl FnOnce(&Arc<str>) -> Vec<Anchor>) -> io::Result<()> {
        let new = !self.path.exists();
        let mut file = OpenOptions::new().create(true).append(true).read(true).open(&self.path)?;
        let here: Arc<str> = identity(&file)?.into();
        whole(&mut file)?;
        let mut bytes = Vec::new();
        for anchor in made(&here) {
            serde_json::to_writer(&mut bytes, &anchor)?;
            bytes.push(b'\n');
        }
        file.write_all(&bytes)?;
        file.sync_all()?;
        if new { named(&self.path) } else { Ok(()) }
    }
}

/// Makes the name of a new file durable.
#[cfg(unix)]
fn named(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => File::open(parent)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

#[cfg(not(unix))]
fn named(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Takes away the beginning of a line that was cut off while it was written.
fn whole(file: &mut File) -> io::Result<()> {
    let size = file.metadata()?.len();
    let (mut end, mut byte) = (size, [0]);
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte == *b"\n" {
            break;
        }
        end -= 1;
    }
    if end < size { file.set_len(end) } else { Ok(()) }
}

impl Anchor {
    /// The line of a seal.
    pub(crate) fn of(seal: &Seal, instance: &Arc<str>, file: &Arc<str>) -> Anchor {
        let head = |(chain, sealed): (&RunId, &SealedHead)| AnchoredHead {
            chain: *chain,
            seq: sealed.head.seq,
            hash: sealed.head.hash,
            closed: sealed.closed,
        };
        Anchor {
            what: What::Sealed {
                upto: seal.upto,
                leaves: seal.heads.len() as u64,
                root: seal.root(),
                prev: seal.prev,
                heads: seal.heads.iter().map(head).collect(),
            },
            instance: instance.clone(),
            file: file.clone(),
            at_us: seal.at,
            no: seal.no,
            hash: seal.hash,
        }
    }
}

/// The file as the system knows it: its number, and when it was made where that is known. Renaming and writing keep both, and a copy
/// has others.
fn identity(file: &File) -> io::Result<String> {
    let known = file.metadata()?;
    let born = known.created().ok().and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
    let born = born.map(|born| format!("-{}", born.as_nanos())).unwrap_or_default();
    Ok(format!("{}{born}", number(&known)))
}

#[cfg(unix)]
fn number(known: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(known)
}

#[cfg(not(unix))]
fn number(_known: &fs::Metadata) -> u64 {
    0
}

/// Whether both are one file. When it was made counts only where both know it.
fn same_file(one: &str, other: &str) -> bool {
    match (one.split_once('-'), other.split_once('-')) {
        (Some(_), Some(_)) | (None, None) => one == other,
        (Some((number, _)), None) => number == other,
        (None, Some((number, _))) => number == one,
    }
}

/// What is wrong with an anchor file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the anchors: {what}")]
pub struct BrokenAnchors {
    /// From 1.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

/// Reads anchors and checks them: every seal is over its heads and follows the one before. Gives each seal that counts, with the number
/// of its line: what a person let go when data were put back does not.
///
/// # Errors
/// [`BrokenAnchors`] with the first line that is wrong; the inner one: the file cannot be read.
pub fn read(file: impl BufRead) -> io::Result<Result<Vec<(u64, Anchor)>, BrokenAnchors>> {
    let mut counted: Vec<(u64, Anchor)> = Vec::new();
    let mut last: Option<(u64, Digest)> = None;
    let mut begun = 0;
    for (line, text) in (1..).zip(file.lines()) {
        let broken = |what: String| Ok(Err(BrokenAnchors { line, what }));
        let anchor: Anchor = match serde_json::from_str(&text?) {
            Ok(anchor) => anchor,
            Err(error) => return broken(format!("this is no anchor: {error}")),
        };
        match &anchor.what {
            What::Begun => begun = counted.len(),
            What::Restored { .. } => {
                let from = begun + counted[begun..].partition_point(|(_, seal)| seal.no <= anchor.no);
                counted.truncate(from);
            }
            What::Sealed { upto, leaves, root: wanted, prev, heads } => {
                let hashes: Vec<Digest> = heads.iter().map(|head| head.sealed().leaf(head.chain)).collect();
                if hashes.len() as u64 != *leaves || root(&hashes) != *wanted {
                    return broken(format!("the heads of seal {} do not give its root", anchor.no));
                }
                if seal_hash(*prev, anchor.no, anchor.at_us, *upto, (*leaves, *wanted)) != anchor.hash {
                    return broken(format!("seal {} does not give its hash", anchor.no));
                }
                // The first line of a part that somebody kept follows what is not there.
                if let Some((no, hash)) = last
                    && (anchor.no != no + 1 || *prev != hash)
                {
                    return broken(format!("seal {} does not follow seal {no}", anchor.no));
                }
                counted.push((line, anchor.clone()));
            }
        }
        last = Some((anchor.no, anchor.hash));
    }
    Ok(Ok(counted))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use store::DirtyHeads;

    use super::*;

    fn seals(count: u8) -> Vec<Seal> {
        let mut seals: Vec<Seal> = Vec::new();
        for number in 1..=count {
            let head = Head { seq: u64::from(number), hash: Digest::of(&[&[number]]) };
            let heads = BTreeMap::from([(RunId::from_bytes([7; 16]), SealedHead { head, closed: false })]);
            let dirty = DirtyHeads { upto: u64::from(number), heads };
            seals.push(Seal::after(seals.last(), dirty, Timestamp::from_micros(i64::from(number))));
        }
        seals
    }

    fn write(anchors: &Anchors, seals: &[Seal]) {
        anchors.keep(seals, "i").unwrap();
    }

    fn number(last: Last) -> Option<u64> {
        match last {
            Last::Line(anchor) => Some(anchor.no),
            Last::Nothing | Last::Copied(_) => None,
        }
    }

    #[test]
    fn the_last_whole_line_counts_whatever_a_death_left_behind() {
        let dir = tempfile::tempdir().unwrap();
        let anchors = Anchors::beside(&dir.path().join("data"));
        assert_eq!(anchors.path().file_name().unwrap(), "data.anchors.ndjson");
        assert_eq!(anchors.last().unwrap(), Last::Nothing);
        let seals = seals(3);
        write(&anchors, &seals[..2]);
        assert_eq!(number(anchors.last().unwrap()), Some(2));
        let mut file = OpenOptions::new().append(true).open(anchors.path()).unwrap();
        file.write_all(br#"{"anchor":"sealed","inst"#).unwrap();
        assert_eq!(number(anchors.last().unwrap()), Some(2));
        write(&anchors, &seals[2..]);
        assert_eq!(number(anchors.last().unwrap()), Some(3));
        let read = read(io::BufReader::new(File::open(anchors.path()).unwrap())).unwrap().unwrap();
        assert_eq!(read.iter().map(|(line, anchor)| (*line, anchor.no)).collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 3)]);
    }

    #[test]
    fn a_long_last_line_is_read_whole() {
        let dir = tempfile::tempdir().unwrap();
        let anchors = Anchors::at(dir.path().join("a"));
        let heads = (0..2_000_u16).map(|number| {
            let head = Head { seq: 1, hash: Digest::ZERO };
            let mut id = [9; 16];
            id[..2].copy_from_slice(&number.to_be_bytes());
            (RunId::from_bytes(id), SealedHead { head, closed: true })
        });
        let first = Seal::after(None, DirtyHeads { upto: 1, heads: heads.collect() }, Timestamp::from_micros(1));
        write(&anchors, std::slice::from_ref(&first));
        assert_eq!(number(anchors.last().unwrap()), Some(1));
        let second = Seal::after(Some(&first), DirtyHeads { heads: first.heads.clone(), upto: 2 }, first.at);
        write(&anchors, &[second]);
        assert_eq!(number(anchors.last().unwrap()), Some(2));
    }

    #[test]
    fn a_copy_of_the_file_is_known_and_a_renamed_one_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (here, there) = (Anchors::at(dir.path().join("a")), Anchors::at(dir.path().join("b")));
        write(&here, &seals(1));
        fs::copy(here.path(), there.path()).unwrap();
        assert!(matches!(there.last().unwrap(), Last::Copied(_)));
        fs::rename(here.path(), there.path()).unwrap();
        assert_eq!(number(there.last().unwrap()), Some(1));
        assert!(same_file("7", "7-123") && same_file("7-123", "7") && !same_file("7-1", "7-2") && !same_file("7", "8"));
    }

    #[test]
    fn every_changed_line_is_found() {
        let lines: Vec<String> = seals(3)
            .iter()
            .map(|seal| serde_json::to_string(&Anchor::of(seal, &"i".into(), &"7".into())).unwrap())
            .collect();
        let fault =
            |lines: &[String]| read(lines.join("\n").as_bytes()).unwrap().err().map(|broken| broken.to_string());
        assert_eq!(fault(&lines), None);
        let hash = Digest::of(&[&[2]]).to_string();
        let changed = [
            (1, lines[1].replace(&hash, &"0".repeat(64)), "the heads of seal 2 do not give its root"),
            (1, lines[1].replace("\"upto\":2", "\"upto\":3"), "seal 2 does not give its hash"),
            (1, lines[2].clone(), "seal 3 does not follow seal 1"),
            (2, "{}".to_owned(), "this is no anchor"),
        ];
        for (place, line, what) in changed {
            let mut lines = lines.clone();
            lines[place] = line;
            let found = fault(&lines).unwrap();
            assert!(found.starts_with(&format!("line {} of the anchors: {what}", place + 1)), "{found}");
        }
        let restored = Anchor {
            what: What::Restored { before: 3, by: "ann".into(), reason: "r".into() },
            instance: "i".into(),
            file: "7".into(),
            at_us: Timestamp::from_micros(9),
            no: 1,
            hash: seals(1)[0].hash,
        };
        let mut lines = lines;
        lines.extend([serde_json::to_string(&restored).unwrap(), lines[1].clone()]);
        let counted = read(lines.join("\n").as_bytes()).unwrap().unwrap();
        assert_eq!(counted.iter().map(|(line, anchor)| (*line, anchor.no)).collect::<Vec<_>>(), [(1, 1), (5, 2)]);
    }
}
