//! Heads of journals, sealed together from time to time: who keeps one seal can tell later whether an old journal was changed.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    ids::{Digest, RunId},
    journal::Head,
    values::Timestamp,
};

/// Heads that moved since the last seal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DirtyHeads {
    /// How far the store's appends were looked at, counted over all runs; 0: there are none.
    pub upto: u64,
    /// Where the journals of their runs stand.
    pub heads: BTreeMap<RunId, Head>,
}

/// Some heads, sealed together and after the seal before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seal {
    /// Its number, from 1.
    pub no: u64,
    /// When.
    pub at: Timestamp,
    /// How far appends were looked at.
    pub upto: u64,
    /// Where journals stood.
    pub heads: BTreeMap<RunId, Head>,
    /// The hash of the seal before; [`Digest::ZERO`] in the first.
    pub prev: Digest,
    /// Over all of the above: what a signature signs.
    pub hash: Digest,
    /// Which key signed it.
    pub key_id: Option<Arc<str>>,
    /// With what.
    pub signature: Option<Arc<[u8]>>,
}

impl Seal {
    /// The seal over `dirty` after the seal `last`, not signed.
    pub fn after(last: Option<&Seal>, dirty: DirtyHeads, at: Timestamp) -> Seal {
        let (no, prev) = last.map_or((1, Digest::ZERO), |last| (last.no + 1, last.hash));
        let DirtyHeads { upto, heads } = dirty;
        let mut seal = Seal { no, at, upto, heads, prev, hash: Digest::ZERO, key_id: None, signature: None };
        seal.hash = seal.chained();
        seal
    }

    /// What its hash must be.
    pub fn chained(&self) -> Digest {
        Digest::of(&[
            b"surefoot/seal/v1\0",
            self.prev.bytes(),
            &self.no.to_be_bytes(),
            &self.at.micros().to_be_bytes(),
            &self.upto.to_be_bytes(),
            &self.packed(),
        ])
    }

    /// Its heads one after the other: run, number and hash, 56 bytes each.
    pub(crate) fn packed(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.heads.len() * SEALED_BYTES);
        for (run, head) in &self.heads {
            bytes.extend_from_slice(&run.bytes());
            bytes.extend_from_slice(&head.seq.to_be_bytes());
            bytes.extend_from_slice(head.hash.bytes());
        }
        bytes
    }

    /// Reads what [`Seal::packed`] wrote; `None`: something is left over.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<BTreeMap<RunId, Head>> {
        let (heads, []) = bytes.as_chunks::<SEALED_BYTES>() else { return None };
        let read = |bytes: &[u8; SEALED_BYTES]| {
            let (run, rest) = bytes.split_first_chunk::<16>()?;
            let (seq, rest) = rest.split_first_chunk::<8>()?;
            let hash = Digest::from_bytes(rest.try_into().ok()?);
            Some((RunId::from_bytes(*run), Head { seq: u64::from_be_bytes(*seq), hash }))
        };
        heads.iter().map(read).collect()
    }
}

/// Bytes of one head in a seal.
const SEALED_BYTES: usize = 16 + 8 + 32;

/// What became of a seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sealed {
    /// Durable.
    Done,
    /// Another one stands in its place; nothing was written.
    Moved {
        /// The number of the newest.
        current: u64,
    },
}
