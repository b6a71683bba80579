//! Work that people do for a run, and messages that leave.

use std::sync::Arc;

use kernel::{
    ids::{Digest, RunId},
    values::Timestamp,
};

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
    /// Not before then.
    pub due_at: Timestamp,
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
    /// Only what comes after this one: the last of the page before.
    pub after: Option<Arc<str>>,
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

/// A message that leaves, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutRow {
    /// On what the receiver de-duplicates.
    pub id: Arc<str>,
    /// By which run.
    pub run: RunId,
    /// Which way it leaves.
    pub channel: Arc<str>,
    /// What is said, as canonical JSON; `None` once erased.
    pub body: Option<Arc<[u8]>>,
    /// Since when.
    pub at: Timestamp,
    /// How often it was given to a sender since it was last let go.
    pub attempts: u32,
    /// How it stands.
    pub state: OutState,
    /// When it is tried next; there exactly while it waits.
    pub next_at: Option<Timestamp>,
    /// What went wrong last, or why it was dropped.
    pub why: Option<Arc<str>>,
}

/// How a message that leaves stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutState {
    /// It is to leave.
    Waiting,
    /// Its receiver has it.
    Left,
    /// Nothing tries it again until a person says so.
    Dead,
    /// Nobody needs it any more.
    Dropped,
}

impl OutState {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            OutState::Waiting => "waiting",
            OutState::Left => "left",
            OutState::Dead => "dead",
            OutState::Dropped => "dropped",
        }
    }

    /// Reads what [`OutState::as_str`] wrote.
    pub fn parse(text: &str) -> Option<OutState> {
        let all = [OutState::Waiting, OutState::Left, OutState::Dead, OutState::Dropped];
        all.into_iter().find(|state| state.as_str() == text)
    }
}

/// What became of trying to send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tried {
    /// Its receiver has it.
    Left,
    /// It could not leave, and is tried again.
    Again {
        /// When.
        at: Timestamp,
        /// What went wrong.
        why: Arc<str>,
    },
    /// It could not leave, and nothing tries it again.
    Dead {
        /// What went wrong.
        why: Arc<str>,
    },
    /// Nobody needs it any more.
    Dropped {
        /// Why not.
        why: Arc<str>,
    },
}

impl Tried {
    pub(crate) fn parts(&self) -> (OutState, Option<Timestamp>, Option<&Arc<str>>) {
        match self {
            Tried::Left => (OutState::Left, None, None),
            Tried::Again { at, why } => (OutState::Waiting, Some(*at), Some(why)),
            Tried::Dead { why } => (OutState::Dead, None, Some(why)),
            Tried::Dropped { why } => (OutState::Dropped, None, Some(why)),
        }
    }
}

/// Which messages that leave to list, oldest first.
#[derive(Clone, Debug, Default)]
pub struct OutQuery {
    /// Only this one, however it stands.
    pub id: Option<Arc<str>>,
    /// Only this run's.
    pub run: Option<RunId>,
    /// Also what has left or was dropped.
    pub all_states: bool,
    /// At most so many; 0 means 50.
    pub limit: u32,
}

/// What became of asking a rate limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// It may be done now.
    Yes,
    /// Not before then; nothing was written.
    NotBefore(Timestamp),
}

/// Answers that count no more which are removed at once at most.
pub const SWEPT_AT_ONCE: u32 = 100;

/// A model's answer, or what a step, a stage or a run gave, kept for whoever has the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Over everything that decides it.
    pub key: Digest,
    /// Who got it; within an append, the run that appends.
    pub run: RunId,
    /// Which entry of its journal holds it.
    pub entry: u64,
    /// When that was.
    pub at: Timestamp,
    /// From then on it counts no more.
    pub until: Timestamp,
    /// The answer, or what was given and what it cost, as canonical JSON.
    pub value: Arc<[u8]>,
}

/// A model that nobody asks for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cooldown {
    /// The project and its name of the model.
    pub scope: Arc<str>,
    /// Not before; once it has passed, the row says nothing.
    pub until: Timestamp,
    /// What its provider failed with.
    pub why: Arc<str>,
    /// The run in which it did.
    pub run: RunId,
    /// When.
    pub since: Timestamp,
}
