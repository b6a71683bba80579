//! Values as a journal keeps them: in place, or as blobs beside it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::INLINE_LIMIT;
use crate::{ids::Digest, values::Value};

/// A value as the journal keeps it: in place, or as a reference to a blob of the same run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// In place.
    Value(Value),
    /// Over [`INLINE_LIMIT`].
    Blob(BlobRef),
}

/// Names a blob of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BlobRef {
    /// SHA-256 over the bytes.
    pub digest: Digest,
    /// How many.
    pub bytes: u64,
}

/// Bytes kept beside a journal, written in the same transaction as the entry that names them.
#[derive(Clone, Debug, PartialEq)]
pub struct Blob {
    /// Its name within the run.
    pub digest: Digest,
    /// Its content.
    pub bytes: Arc<[u8]>,
}

impl Blob {
    /// Names the bytes.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Blob { digest: Digest::of(&[&bytes]), bytes }
    }

    /// The name to write in the journal.
    pub fn reference(&self) -> BlobRef {
        BlobRef { digest: self.digest, bytes: self.bytes.len() as u64 }
    }
}

impl Held {
    /// Keeps `value` in place if it is small, else moves it into a blob that must be appended with the event.
    pub fn hold(value: Value, blobs: &mut Vec<Blob>) -> Held {
        if !may_exceed(&value, INLINE_LIMIT) {
            return Held::Value(value);
        }
        let bytes = value.to_jcs();
        if bytes.len() <= INLINE_LIMIT {
            return Held::Value(value);
        }
        let blob = Blob::new(bytes);
        let reference = blob.reference();
        blobs.push(blob);
        Held::Blob(reference)
    }
}

/// Whether canonical JSON of `value` could be longer than `limit`; never wrong when it says no.
fn may_exceed(value: &Value, limit: usize) -> bool {
    fn walk(value: &Value, left: &mut usize) -> bool {
        let own = match value {
            Value::Null | Value::Bool(_) => 5,
            Value::Int(_) | Value::Float(_) => 26,
            // A control character takes six bytes.
            Value::Text(text) => 2 + 6 * text.len(),
            Value::List(items) => 2 + items.len(),
            Value::Map(map) => 2 + map.keys().map(|key| 4 + 6 * key.len()).sum::<usize>(),
        };
        match left.checked_sub(own) {
            None => return true,
            Some(rest) => *left = rest,
        }
        match value {
            Value::List(items) => items.iter().any(|item| walk(item, left)),
            Value::Map(map) => map.values().any(|item| walk(item, left)),
            _ => false,
        }
    }
    walk(value, &mut limit.clone())
}
