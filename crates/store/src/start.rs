//! How a run begins: by itself, in the hands of its first owner, as work that is handed over, or going on from where another one was.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::{Blob, Entry},
    values::Timestamp,
};

/// A run to be started.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun {
    /// Its id, chosen by the caller.
    pub run: RunId,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// The workflow's name.
    pub workflow: Arc<str>,
    /// The bundle, already in the store.
    pub bundle: Digest,
    /// The same key starts the same run; with another `input`, it is a conflict.
    pub start_key: Option<Arc<str>>,
    /// SHA-256 over the input: what a second start with the same key must equal.
    pub input: Digest,
    /// Business keys, for `runs ls`; the run is found by each, and by its start key.
    pub about: BTreeMap<Arc<str>, String>,
    /// The first entry, sealed in epoch 0 (or 1 when `owner` is set: the start is then the first claim as well).
    pub first: Entry,
    /// Blobs that the first entry names.
    pub blobs: Vec<Blob>,
    /// A worker that claims the run with this very call; `None` queues it, due at once.
    pub owner: Option<WorkerId>,
    /// The run that hands it its work.
    pub parent: Option<RunId>,
    /// What it takes over of another run; only one that nobody owns yet and nobody handed its work does.
    pub inherited: Option<Box<Inherited>>,
    /// 32 random bytes, the run's own key for hashes over what erasure must make unguessable.
    pub key: [u8; 32],
    /// Now.
    pub now: Timestamp,
}

/// What a forked run takes over of its source.
#[derive(Clone, Debug, PartialEq)]
pub struct Inherited {
    /// The source.
    pub of: RunId,
    /// Entries after the first, in order, sealed in the chain of the new run and in epochs of the source. The run begins in the last.
    pub entries: Vec<Entry>,
    /// Its inbox is counted on from this number.
    pub inbox: u64,
    /// It tries the source again, which one run does.
    pub again: bool,
}

/// Where a run was forked from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForkOf {
    /// The source.
    pub run: RunId,
    /// The last entry that it inherited.
    pub entry: u64,
    /// The number after which its inbox begins.
    pub inbox: u64,
}

/// What a start came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Started {
    /// The run is new and durable.
    Created,
    /// The same start was made before, by this run; or it is the one that tries the source again.
    Known {
        /// The run of the first start.
        run: RunId,
    },
    /// The key is taken by a run with another input.
    Conflict {
        /// The run that has the key.
        run: RunId,
    },
    /// The run that it would go on from was erased meanwhile: nothing was written.
    Erased {
        /// The source.
        run: RunId,
    },
}
