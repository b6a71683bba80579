//! Work that people do for a run, and messages that leave.

use std::sync::Arc;

use kernel::{ids::RunId, values::Timestamp};

/// Work for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWork {
    /// Its id, chosen by the caller; never used again.
    pub id: Arc<str>,
    /// The step path that waits for it.
    pub step: Arc<str>,
    /// Where people find it.
    pub queue: Arc<str>,
    /// What people are shown, as canonical JSON.
    pub card: Arc<[u8]>,
    /// Since when.
    pub opened_at: Timestamp,
    /// When it should be done.
    pub due_at: Option<Timestamp>,
}

/// A message that is to leave, at least once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    /// On what the receiver de-duplicates; never used again.
    pub id: Arc<str>,
    /// Which way it leaves.
    pub channel: Arc<str>,
    /// What is said, as canonical JSON.
    pub body: Arc<[u8]>,
    /// Since when.
    pub at: Timestamp,
}

/// Work for people, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkRow {
    /// Its id.
    pub id: Arc<str>,
    /// Of which run.
    pub run: RunId,
    /// The step path that waits for it.
    pub step: Arc<str>,
    /// Where people find it.
    pub queue: Arc<str>,
    /// What people are shown, as canonical JSON; `None` once erased.
    pub card: Option<Arc<[u8]>>,
    /// Since when.
    pub opened_at: Timestamp,
    /// When it should be done.
    pub due_at: Option<Timestamp>,
    /// Who does it.
    pub claimed_by: Option<Arc<str>>,
    /// Since when.
    pub claimed_at: Option<Timestamp>,
    /// Since when it is done, or not needed any more.
    pub closed_at: Option<Timestamp>,
}

/// Which work to list, oldest first.
#[derive(Clone, Debug, Default)]
pub struct WorkQuery {
    /// Only this one, open or closed.
    pub id: Option<Arc<str>>,
    /// Only this run's.
    pub run: Option<RunId>,
    /// Only this queue's.
    pub queue: Option<Arc<str>>,
    /// Also what is closed.
    pub all_states: bool,
    /// At most so many; 0 means 50.
    pub limit: u32,
}

/// What a claim of work came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WorkClaimed {
    /// It is theirs, also if it was before.
    Yes,
    /// Somebody else does it.
    Taken {
        /// Who.
        by: Arc<str>,
    },
    /// It is done, or not needed any more.
    Closed,
    /// There is no such work.
    Missing,
}

/// A message that is to leave now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRow {
    /// What is said.
    pub message: OutMessage,
    /// By which run.
    pub run: RunId,
    /// How often it was tried before.
    pub attempts: u32,
}

/// What became of asking a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may be done now.
    Yes,
    /// Not before then; nothing was written.
    NotBefore(Timestamp),
}
