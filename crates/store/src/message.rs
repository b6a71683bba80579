//! Words of inboxes: what a run is told, and what came of telling it.

use std::sync::Arc;

use kernel::{ids::WorkerId, values::Timestamp};

use crate::Status;

/// A message in a run's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its number in this inbox, from 1; 0 in a message not posted yet.
    pub seq: u64,
    /// The sender's id for it: a second message with the same id changes nothing.
    pub id: Arc<str>,
    /// `signal`, or one of the control messages: `pause`, `resume`, `cancel`, `review`, `vote`, `resolve`, `late`, `answer`,
    /// `child`, `event`.
    pub kind: Arc<str>,
    /// The signal's name; empty for the others.
    pub name: Arc<str>,
    /// Who sent it.
    pub sender: Arc<str>,
    /// Canonical JSON.
    pub body: Arc<[u8]>,
    /// When.
    pub at: Timestamp,
}

/// What a post came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Durable, with this number; the worker that owns the run now, if any.
    New {
        /// The message's number.
        seq: u64,
        /// Who should look.
        owner: Option<WorkerId>,
    },
    /// A message with this id was there already.
    Known {
        /// Its number.
        seq: u64,
    },
    /// The run is over; nothing was written.
    Final {
        /// How it ended.
        status: Status,
    },
    /// Too many messages wait unread; nothing was written.
    Crowded {
        /// How many.
        unread: u64,
    },
}

/// Most messages that an inbox holds unread.
pub const UNREAD_LIMIT: u64 = 1000;

/// Places above [`UNREAD_LIMIT`] that only messages other than signals may take.
pub const CONTROL_RESERVE: u64 = 100;
