//! What people say came of runs that are over, and which versions runs follow.

use std::sync::Arc;

use kernel::{
    ids::{Digest, RunId},
    values::Timestamp,
};

use crate::Status;

/// Bytes that [`RunOutcome::because`] may have.
pub const OUTCOME_BYTES: usize = 2_000;

/// What a person says came of a run. The last word of each person counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunOutcome {
    /// Of which run.
    pub run: RunId,
    /// Who says so.
    pub by: Arc<str>,
    /// How they are known.
    pub auth: Arc<str>,
    /// Whether it did what it should have done.
    pub right: bool,
    /// Why, in words; at most [`OUTCOME_BYTES`] bytes.
    pub because: Arc<str>,
    /// When.
    pub at: Timestamp,
}

/// What became of saying so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutcomeSaid {
    /// It is durable, in the place of what this person said before.
    Done,
    /// The run is not over; nothing was written.
    NotOver {
        /// How it stands.
        status: Status,
    },
    /// What the run held was erased: nothing more is kept of it.
    Erased,
}

/// Which outcomes to list: those of one run, by person, or those of a workflow's runs, newest run first.
#[derive(Clone, Debug)]
pub enum OutcomeQuery {
    /// Of this run.
    Run(RunId),
    /// Of runs of a workflow.
    Workflow {
        /// Which.
        workflow: Arc<str>,
        /// Only those that say so.
        right: Option<bool>,
        /// Only of this run and those after it.
        since: Option<RunId>,
        /// At most so many; 0 means 50.
        limit: u32,
    },
}

/// A version that runs of a workflow follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRow {
    /// The bundle.
    pub bundle: Digest,
    /// How many runs follow it.
    pub runs: u64,
    /// The first of them.
    pub first: RunId,
    /// The last of them.
    pub last: RunId,
}
