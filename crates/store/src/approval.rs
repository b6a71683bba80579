//! Decisions of people, each for one hash of what is to be done.

use std::sync::Arc;

use kernel::{
    ids::{Digest, RunId, WorkerId},
    values::Timestamp,
};

use crate::Message;

/// An approval that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenApproval {
    /// Its id, chosen by the caller; never used again.
    pub id: Arc<str>,
    /// The step path that waits for it.
    pub step: Arc<str>,
    /// Over all that is to be done: what it can be consumed for.
    pub hash: Digest,
    /// Over what people are shown: what a vote must echo.
    pub shown: Digest,
    /// What people are shown, as canonical JSON.
    pub card: Arc<[u8]>,
    /// Who may vote.
    pub groups: Vec<Arc<str>>,
    /// How many must be for it, at least one.
    pub quorum: u32,
    /// Whom it is asked for.
    pub requested_by: Arc<str>,
    /// When.
    pub requested_at: Timestamp,
    /// From when on it can neither be voted on nor consumed.
    pub expires_at: Option<Timestamp>,
}

/// How an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApprovalState {
    /// People may vote.
    Pending,
    /// A step that asks and does nothing else was decided yes.
    Approved,
    /// What it was given for has begun.
    Consumed,
    /// A person said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// Something else is asked instead.
    Superseded,
    /// Nobody needs to decide any more.
    Cancelled,
}

impl ApprovalState {
    /// Every state.
    pub const ALL: [ApprovalState; 7] = [
        ApprovalState::Pending,
        ApprovalState::Approved,
        ApprovalState::Consumed,
        ApprovalState::Rejected,
        ApprovalState::Expired,
        ApprovalState::Superseded,
        ApprovalState::Cancelled,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            ApprovalState::Pending => "pending",
            ApprovalState::Approved => "approved",
            ApprovalState::Consumed => "consumed",
            ApprovalState::Rejected => "rejected",
            ApprovalState::Expired => "expired",
            ApprovalState::Superseded => "superseded",
            ApprovalState::Cancelled => "cancelled",
        }
    }

    /// Reads what [`ApprovalState::as_str`] wrote.
    pub fn parse(text: &str) -> Option<ApprovalState> {
        ApprovalState::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What a person decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vote {
    /// On which approval.
    pub approval: Arc<str>,
    /// Who.
    pub by: Arc<str>,
    /// One of [`DECISIONS`].
    pub decision: Arc<str>,
    /// What the person was shown.
    pub shown: Digest,
    /// What the run is told: of kind `vote`, with the id `vote:<approval>:<by>`.
    pub message: Message,
    /// Now.
    pub now: Timestamp,
}

/// What a person can decide. All but `reject` are for it.
pub const DECISIONS: [&str; 4] = ["approve", "reject", "edit", "answer"];

/// What a vote came to. But for [`Voted::New`], nothing was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Voted {
    /// Durable; the run is told by the message with this number, and woken.
    New {
        /// The message's number in the run's inbox.
        seq: u64,
        /// Who should look.
        owner: Option<WorkerId>,
    },
    /// The person has decided so before.
    Known {
        /// The number of the message of then.
        seq: u64,
    },
    /// The person has decided otherwise before.
    Conflict {
        /// How.
        decision: Arc<str>,
    },
    /// The person was shown another card.
    Stale {
        /// What is shown now.
        shown: Digest,
    },
    /// It is too late.
    Expired {
        /// Since when.
        at: Timestamp,
    },
    /// It is decided already, or nobody needs to decide any more.
    Closed {
        /// How it stands.
        state: ApprovalState,
    },
    /// There is no such approval.
    Missing,
}

/// A vote, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VoteRow {
    /// Who.
    pub by: Arc<str>,
    /// One of [`DECISIONS`].
    pub decision: Arc<str>,
    /// What the person was shown.
    pub shown: Digest,
    /// The number of the message that tells it to the run.
    pub seq: u64,
    /// When.
    pub at: Timestamp,
}

/// An approval, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApprovalRow {
    /// Its id.
    pub id: Arc<str>,
    /// Of which run.
    pub run: RunId,
    /// The step path that waits for it.
    pub step: Arc<str>,
    /// Over all that is to be done.
    pub hash: Digest,
    /// Over what people are shown.
    pub shown: Digest,
    /// What people are shown, as canonical JSON; `None` once erased.
    pub card: Option<Arc<[u8]>>,
    /// Who may vote.
    pub groups: Vec<Arc<str>>,
    /// How many must be for it.
    pub quorum: u32,
    /// Whom it is asked for.
    pub requested_by: Arc<str>,
    /// When.
    pub requested_at: Timestamp,
    /// From when on it can neither be voted on nor consumed.
    pub expires_at: Option<Timestamp>,
    /// How it stands.
    pub state: ApprovalState,
    /// Since when it is not pending any more.
    pub closed_at: Option<Timestamp>,
    /// Who voted, in the order in which the run is told.
    pub votes: Vec<VoteRow>,
}

/// Which approvals to list, oldest first.
#[derive(Clone, Debug, Default)]
pub struct ApprovalQuery {
    /// Only this one, in any state.
    pub id: Option<Arc<str>>,
    /// Only this run's.
    pub run: Option<RunId>,
    /// Only those that this group may decide.
    pub group: Option<Arc<str>>,
    /// Also those that are not pending any more.
    pub all_states: bool,
    /// Only those after this one: the last of the page before.
    pub after: Option<Arc<str>>,
    /// At most so many; 0 means 50.
    pub limit: u32,
}
