//! Work that people do for a run, and messages that leave.

use std::sync::Arc;

use kernel::values::Timestamp;

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
