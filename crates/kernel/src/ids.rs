//! Identifiers. Each is a type of its own, so that two of them cannot be swapped.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::values::Timestamp;

/// A text that is not an identifier of the wanted kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {wanted}")]
pub struct BadId {
    /// What was given.
    pub text: String,
    /// What was expected, with its article: "a run id (`run_…`)".
    pub wanted: &'static str,
}

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $wanted:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// The caller brings time and randomness, so that a test can repeat both.
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.micros() / 1000).unwrap_or(0);
                $name(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// The sixteen bytes that a store keeps.
            pub fn bytes(&self) -> [u8; 16] {
                *self.0.as_bytes()
            }

            /// From the sixteen bytes of [`Self::bytes`].
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                $name(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "_{}"), self.0.simple())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = BadId;

            fn from_str(text: &str) -> Result<Self, BadId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|rest| rest.len() == 32)
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map($name)
                    .ok_or_else(|| BadId { text: text.to_owned(), wanted: $wanted })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

uuid_id!(
    /// One run. Written `run_0196…`; sorts by start time.
    RunId, "run", "a run id (`run_` and 32 hexadecimal digits)"
);
uuid_id!(
    /// One boot of one worker process. Never reused, never resurrected.
    WorkerId, "worker", "a worker id (`worker_` and 32 hexadecimal digits)"
);
/// A SHA-256. Written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest that stands before the first entry of a journal.
    pub const ZERO: Digest = Digest([0; 32]);

    /// SHA-256 over the parts, one after the other. Callers separate parts of varying length themselves.
    pub fn of(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part);
        }
        Digest(hash.finalize().into())
    }

    /// The 32 raw bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From 32 raw bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Digest(bytes)
    }

    /// The first twelve hexadecimal digits: enough for a person.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.short())
    }
}

impl FromStr for Digest {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes)
            .map(|()| Digest(bytes))
            .map_err(|_| BadId { text: text.to_owned(), wanted: "a SHA-256 (64 hexadecimal digits)" })
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The key on which a receiver de-duplicates our calls: the same for every re-send of one intent, another for every other.
///
/// Derived from (run, step path with item and visit, call), never from a model and never per attempt.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(Arc<str>);

impl IdempotencyKey {
    /// `call` counts the calls of one step; 0 for an `act` step.
    pub fn derive(run: RunId, step: &StepPath, call: u32) -> Self {
        let digest =
            Digest::of(&[b"surefoot/key/v1\0", &run.bytes(), step.as_str().as_bytes(), b"\0", &call.to_be_bytes()]);
        IdempotencyKey(format!("sf_{}", hex::encode(&digest.bytes()[..20])).into())
    }

    /// The key of a message to people: its id, with everything left out that may not travel in a header.
    pub fn of_message(id: &str) -> Self {
        IdempotencyKey(
            id.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-')).collect::<String>().into(),
        )
    }

    /// The text that travels in a header.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where in a run a step stands, with every index: `route`, `read[17]/facts`, `loop[3]/ask`, `assess~2`.
///
/// A segment is a step's name, then `~visit` from the second visit on, then `[item]` for an item of an `each` or a turn of a
/// `repeat` (counted from 0), or `.branch` for a branch of a `parallel`.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepPath(Arc<str>);

impl StepPath {
    /// A path as it is written. The kernel makes paths; stores and pages only carry them.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        StepPath(text.into())
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments from the outermost step to this one.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.0.split('/').map(Segment::read)
    }

    /// The act that this takes back: `pay~2` for `pay~2/undo`. `None`: this is no undo. Only an undo stands below a step without a frame.
    pub fn undoes(&self) -> Option<StepPath> {
        let (acted, last) = self.0.rsplit_once('/')?;
        let below = acted.rsplit('/').next().map(Segment::read)?;
        (last == UNDO && below.frame.is_none()).then(|| StepPath::new(acted))
    }

    /// What takes this act back: `pay/undo`.
    pub fn undo(&self) -> StepPath {
        StepPath::new(format!("{self}/{UNDO}"))
    }

    /// Whether this is a step inside of the block at `block`, in whichever visit of it.
    pub fn is_inside(&self, block: &StepPath) -> bool {
        let (mut here, mut there) = (self.segments(), block.segments().peekable());
        while let Some(outer) = there.next() {
            let Some(inner) = here.next() else { return false };
            let last = there.peek().is_none();
            let same = if last { inner.name == outer.name && inner.frame.is_some() } else { inner == outer };
            if !same {
                return false;
            }
        }
        true
    }

    /// The name of the step itself, without indices: `facts` for `read[17]/facts~2`.
    pub fn name(&self) -> &str {
        self.0.rsplit('/').next().map(|last| Segment::read(last).name).unwrap_or_default()
    }
}

impl fmt::Display for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for StepPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&str> for StepPath {
    fn from(text: &str) -> Self {
        StepPath::new(text)
    }
}

/// The last segment of the path of an undo.
const UNDO: &str = "undo";

/// One part of a [`StepPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The step's name.
    pub name: &'a str,
    /// Which frame inside the step: an item, a turn or a branch. `None` for the step itself.
    pub frame: Option<FrameKey<'a>>,
    /// 1 for the first visit.
    pub visit: u32,
}

/// Which of a step's frames a segment enters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameKey<'a> {
    /// `[17]`: an item of an `each`, a turn of a `repeat`; counted from 0.
    Index(u32),
    /// `.branch` of a `parallel`.
    Branch(&'a str),
}

impl<'a> Segment<'a> {
    fn read(text: &'a str) -> Self {
        let (head, frame) = match text.find(['[', '.']) {
            None => (text, None),
            Some(at) if text[at..].starts_with('[') => {
                let index = text[at + 1..].trim_end_matches(']').parse().unwrap_or(0);
                (&text[..at], Some(FrameKey::Index(index)))
            }
            Some(at) => (&text[..at], Some(FrameKey::Branch(&text[at + 1..]))),
        };
        let (name, visit) = match head.split_once('~') {
            Some((name, visit)) => (name, visit.parse().unwrap_or(1)),
            None => (head, 1),
        };
        Segment { name, frame, visit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_as_written() {
        let id = RunId::new(Timestamp::from_micros(1_700_000_000_000_000), [7; 10]);
        assert_eq!(id.to_string().parse::<RunId>(), Ok(id));
        assert!("run_12".parse::<RunId>().is_err());
        assert!("worker_018bcfe568007707870707070707070707".parse::<RunId>().is_err());
    }

    #[test]
    fn keys_differ_by_run_path_and_call_and_by_nothing_else() {
        let run = RunId::new(Timestamp::from_micros(0), [1; 10]);
        let other = RunId::new(Timestamp::from_micros(0), [2; 10]);
        let key = |run, path: &str, call| IdempotencyKey::derive(run, &path.into(), call);
        assert_eq!(key(run, "pay", 0), key(run, "pay", 0));
        assert_ne!(key(run, "pay", 0), key(other, "pay", 0));
        assert_ne!(key(run, "pay", 0), key(run, "pay~2", 0));
        assert_ne!(key(run, "pay", 0), key(run, "pay", 1));
    }

    #[test]
    fn paths_fall_into_segments() {
        let path = StepPath::new("read[17]/split~2.left/facts");
        let segments: Vec<_> = path.segments().collect();
        assert_eq!(segments[0], Segment { name: "read", frame: Some(FrameKey::Index(17)), visit: 1 });
        assert_eq!(segments[1], Segment { name: "split", frame: Some(FrameKey::Branch("left")), visit: 2 });
        assert_eq!(segments[2], Segment { name: "facts", frame: None, visit: 1 });
        assert_eq!(path.name(), "facts");
    }

    #[test]
    fn an_undo_stands_below_its_act_and_nothing_else_does() {
        let undoes = |text: &str| StepPath::new(text).undoes().map(|path| path.to_string());
        assert_eq!(undoes("pay/undo").as_deref(), Some("pay"));
        assert_eq!(undoes("read[17]/pay~2/undo").as_deref(), Some("read[17]/pay~2"));
        assert_eq!(undoes("read[17]/undo"), None, "a step of this name in a body");
        assert_eq!(undoes("undo"), None);
        assert_eq!(StepPath::new("pay~2").undo().as_str(), "pay~2/undo");
    }

    #[test]
    fn a_step_is_inside_its_blocks_in_every_visit() {
        let inside = |path: &str, block: &str| StepPath::new(path).is_inside(&StepPath::new(block));
        assert!(inside("read[17]/pay", "read"));
        assert!(inside("read[17]/pay", "read~2"));
        assert!(inside("read[1]/split.left/pay", "read[1]/split"));
        assert!(!inside("read[2]/split.left/pay", "read[1]/split"));
        assert!(!inside("read", "read"));
        assert!(!inside("reader[1]/pay", "read"));
    }
}
