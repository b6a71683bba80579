//! Entries: events as they are stored, each chained to the one before it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Event;
use crate::{
    ids::{Digest, RunId},
    values::Timestamp,
};

/// One fact with its number, time and place in the chain, as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// From 1, without gaps.
    pub seq: u64,
    /// Who wrote it: the run's epoch at that time.
    pub epoch: u64,
    /// When it was decided.
    pub at: Timestamp,
    /// Makes the digest of a guessable body unguessable.
    pub salt: [u8; 16],
    /// The event as canonical JSON. `None` once it has been erased.
    pub body: Option<Arc<[u8]>>,
    /// SHA-256 over salt and body.
    pub digest: Digest,
    /// SHA-256 over the hash before, the header and the digest.
    pub hash: Digest,
}

/// The last entry of a journal, as the next one and an appender need it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// Its number; 0 before the first entry.
    pub seq: u64,
    /// Its hash; [`Digest::ZERO`] before the first entry.
    pub hash: Digest,
}

impl Head {
    /// Before the first entry.
    pub const START: Head = Head { seq: 0, hash: Digest::ZERO };
}

/// Where a journal breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// An entry is missing or out of order.
    #[error("entry {found} stands where entry {wanted} belongs")]
    Order {
        /// The number that belongs there.
        wanted: u64,
        /// The number that stands there.
        found: u64,
    },
    /// Salt or body were changed.
    #[error("the body of entry {seq} does not fit its digest")]
    Body {
        /// Which entry.
        seq: u64,
    },
    /// Header, digest or an entry before were changed.
    #[error("entry {seq} does not fit its hash")]
    Hash {
        /// Which entry.
        seq: u64,
    },
    /// The epoch went back.
    #[error("entry {seq} is of epoch {epoch}, after an entry of epoch {before}")]
    Epoch {
        /// Which entry.
        seq: u64,
        /// Its epoch.
        epoch: u64,
        /// The epoch of the entry before.
        before: u64,
    },
    /// The body is no event of this format.
    #[error("entry {seq} holds no event that this version knows: {detail}")]
    Event {
        /// Which entry.
        seq: u64,
        /// What the reader said.
        detail: String,
    },
}

impl Entry {
    /// Seals `event` as the entry after `head`. The caller brings time and salt.
    pub fn seal(run: RunId, head: Head, epoch: u64, at: Timestamp, salt: [u8; 16], event: &Event) -> Entry {
        let body = crate::jcs::to_vec(event)
            .expect("an event is finite JSON with texts as keys: held by the types of its fields");
        let digest = Digest::of(&[&salt, &body]);
        let seq = head.seq + 1;
        let hash = chain(run, head.hash, seq, epoch, at, digest);
        Entry { seq, epoch, at, salt, body: Some(body.into()), digest, hash }
    }

    /// This entry as the head for the next.
    pub fn head(&self) -> Head {
        Head { seq: self.seq, hash: self.hash }
    }

    /// Whether this entry follows `head` unchanged.
    pub fn verify(&self, run: RunId, head: Head) -> Result<(), Broken> {
        if self.seq != head.seq + 1 {
            return Err(Broken::Order { wanted: head.seq + 1, found: self.seq });
        }
        if let Some(body) = &self.body
            && Digest::of(&[&self.salt, body]) != self.digest
        {
            return Err(Broken::Body { seq: self.seq });
        }
        if chain(run, head.hash, self.seq, self.epoch, self.at, self.digest) != self.hash {
            return Err(Broken::Hash { seq: self.seq });
        }
        Ok(())
    }

    /// Reads the event. An erased body is an error too: what is gone cannot be replayed.
    pub fn event(&self) -> Result<Event, Broken> {
        let broken = |detail: String| Broken::Event { seq: self.seq, detail };
        let body = self.body.as_deref().ok_or_else(|| broken("its body was erased".to_owned()))?;
        serde_json::from_slice(body).map_err(|error| broken(error.to_string()))
    }
}

fn chain(run: RunId, before: Digest, seq: u64, epoch: u64, at: Timestamp, digest: Digest) -> Digest {
    Digest::of(&[
        b"surefoot/entry/v1\0",
        before.bytes(),
        &run.bytes(),
        &seq.to_be_bytes(),
        &epoch.to_be_bytes(),
        &at.micros().to_be_bytes(),
        digest.bytes(),
    ])
}

/// Verifies `entries` as a whole journal or as the part of it after `head`; gives the new head.
pub fn verify<'a>(run: RunId, head: Head, entries: impl IntoIterator<Item = &'a Entry>) -> Result<Head, Broken> {
    let (mut head, mut epoch) = (head, 0);
    for entry in entries {
        entry.verify(run, head)?;
        if entry.epoch < epoch {
            return Err(Broken::Epoch { seq: entry.seq, epoch: entry.epoch, before: epoch });
        }
        (head, epoch) = (entry.head(), entry.epoch);
    }
    Ok(head)
}
