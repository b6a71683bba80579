//! Heads of journals, sealed together from time to time: who keeps one seal can tell later whether an old journal was changed.
//!
//! The heads are the leaves of a tree of hashes, made as RFC 9162 makes it, and the seal is over its root: that one journal was among
//! them is shown by its head and some ten hashes beside it.

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
    /// Where the journals of their runs stand, and the log of changes to what runs are judged by, under [`SYSTEM`].
    pub heads: BTreeMap<RunId, SealedHead>,
}

/// The chain of the log of changes to what runs are judged by: no run has this id.
pub const SYSTEM: [u8; 16] = [0; 16];

/// How a chain stands in a seal: a leaf of its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SealedHead {
    /// Its last entry.
    pub head: Head,
    /// Whether nothing can follow.
    pub closed: bool,
}

impl SealedHead {
    /// The leaf's hash.
    pub fn leaf(&self, chain: RunId) -> Digest {
        let Head { seq, hash } = self.head;
        Digest::of(&[&[0], &chain.bytes(), &seq.to_be_bytes(), hash.bytes(), &[u8::from(self.closed)]])
    }
}

/// The root over leaves in this order.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(&[]),
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(left_of(leaves.len()));
            node(root(left), root(right))
        }
    }
}

/// The hashes beside the way from the leaf at `place` up to the root, lowest first.
pub fn path(leaves: &[Digest], place: usize) -> Vec<Digest> {
    if leaves.len() < 2 {
        return Vec::new();
    }
    let middle = left_of(leaves.len());
    let (left, right) = leaves.split_at(middle);
    let (mut way, beside) =
        if place < middle { (path(left, place), root(right)) } else { (path(right, place - middle), root(left)) };
    way.push(beside);
    way
}

/// The root of a tree with so many leaves in which `leaf` stands at `place`; `None`: there is no such way up.
pub fn root_by(leaf: Digest, place: u64, leaves: u64, path: &[Digest]) -> Option<Digest> {
    match (leaves, path.split_last()) {
        (0, _) => None,
        (1, None) if place == 0 => Some(leaf),
        (1, _) | (_, None) => None,
        (_, Some((beside, way))) if place < leaves => {
            let middle = leaves.next_power_of_two() / 2;
            Some(if place < middle {
                node(root_by(leaf, place, middle, way)?, *beside)
            } else {
                node(*beside, root_by(leaf, place - middle, leaves - middle, way)?)
            })
        }
        _ => None,
    }
}

fn node(left: Digest, right: Digest) -> Digest {
    Digest::of(&[&[1], left.bytes(), right.bytes()])
}

/// How many of two or more leaves are left of the top: the largest power of two below their number.
fn left_of(leaves: usize) -> usize {
    leaves.next_power_of_two() / 2
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
    pub heads: BTreeMap<RunId, SealedHead>,
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
        seal_hash(self.prev, self.no, self.at, self.upto, (self.heads.len() as u64, self.root()))
    }

    /// The hashes of its leaves, in the order of their chains.
    pub fn leaves(&self) -> Vec<Digest> {
        self.heads.iter().map(|(chain, sealed)| sealed.leaf(*chain)).collect()
    }

    /// The root over its heads.
    pub fn root(&self) -> Digest {
        root(&self.leaves())
    }

    /// Its heads one after the other: run, number and hash, 56 bytes each. The highest bit of the number says that the run is over.
    pub(crate) fn packed(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.heads.len() * SEALED_BYTES);
        for (run, SealedHead { head, closed }) in &self.heads {
            bytes.extend_from_slice(&run.bytes());
            bytes.extend_from_slice(&(head.seq | if *closed { CLOSED } else { 0 }).to_be_bytes());
            bytes.extend_from_slice(head.hash.bytes());
        }
        bytes
    }

    /// Reads what [`Seal::packed`] wrote; `None`: something is left over.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<BTreeMap<RunId, SealedHead>> {
        let (heads, []) = bytes.as_chunks::<SEALED_BYTES>() else { return None };
        let read = |bytes: &[u8; SEALED_BYTES]| {
            let (run, rest) = bytes.split_first_chunk::<16>()?;
            let (seq, rest) = rest.split_first_chunk::<8>()?;
            let (seq, hash) = (u64::from_be_bytes(*seq), Digest::from_bytes(rest.try_into().ok()?));
            let head = Head { seq: seq & !CLOSED, hash };
            Some((RunId::from_bytes(*run), SealedHead { head, closed: seq & CLOSED != 0 }))
        };
        heads.iter().map(read).collect()
    }
}

/// The hash of a seal: over the one before, its number, its time in microseconds, how far appends were looked at, how many leaves it
/// has and their root.
pub fn seal_hash(prev: Digest, no: u64, at: Timestamp, upto: u64, (leaves, root): (u64, Digest)) -> Digest {
    Digest::of(&[
        b"surefoot/seal/v1\0",
        prev.bytes(),
        &no.to_be_bytes(),
        &at.micros().to_be_bytes(),
        &upto.to_be_bytes(),
        &leaves.to_be_bytes(),
        root.bytes(),
    ])
}

/// In the packed number of a head: nothing can follow. No journal has so many entries.
const CLOSED: u64 = 1 << 63;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_leaf_gives_the_root_by_its_way_and_no_other_does() {
        for count in 0..40_u8 {
            let leaves: Vec<Digest> = (0..count).map(|number| Digest::of(&[&[number]])).collect();
            let top = root(&leaves);
            let many = u64::from(count);
            for (place, leaf) in (0_u64..).zip(&leaves) {
                let way = path(&leaves, usize::from(u8::try_from(place).unwrap()));
                assert_eq!(root_by(*leaf, place, many, &way), Some(top), "leaf {place} of {count}");
                assert_ne!(root_by(Digest::ZERO, place, many, &way), Some(top), "another leaf at {place} of {count}");
                if many > 1 {
                    assert_ne!(root_by(*leaf, (place + 1) % many, many, &way), Some(top), "leaf {place} moved");
                    assert_eq!(root_by(*leaf, place, many, &way[1..]), None, "a way of {count} cut short");
                }
                assert_eq!(root_by(*leaf, many, many, &way), None, "beyond {count}");
            }
        }
    }

    #[test]
    fn the_tree_is_that_of_rfc_9162() {
        let leaf = |text: &[u8]| Digest::of(&[&[0], text]);
        let leaves = [leaf(b"a"), leaf(b"b"), leaf(b"c")];
        let pair = Digest::of(&[&[1], leaves[0].bytes(), leaves[1].bytes()]);
        assert_eq!(root(&leaves), Digest::of(&[&[1], pair.bytes(), leaves[2].bytes()]));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(root(&[]).to_string(), empty);
    }

    #[test]
    fn packed_heads_read_back() {
        let head = |seq| Head { seq, hash: Digest::of(&[b"x"]) };
        let heads = BTreeMap::from([
            (RunId::from_bytes(SYSTEM), SealedHead { head: head(3), closed: false }),
            (RunId::from_bytes([7; 16]), SealedHead { head: head(9), closed: true }),
        ]);
        let seal = Seal::after(None, DirtyHeads { upto: 5, heads: heads.clone() }, Timestamp::from_micros(1));
        assert_eq!(Seal::unpack(&seal.packed()), Some(heads));
        assert_eq!(Seal::unpack(&seal.packed()[1..]), None);
    }
}
