//! Words of what lists and finds runs: filters, keys, counts, and how much waits.

use std::sync::Arc;

use kernel::ids::RunId;

use crate::{ActionState, RunRow, Status};

/// Which runs to list, newest first.
#[derive(Clone, Debug, Default)]
pub struct RunQuery {
    /// Only these; empty: all.
    pub status: Vec<Status>,
    /// Only this workflow's.
    pub workflow: Option<Arc<str>>,
    /// Only runs that failed so.
    pub failure: Option<Arc<str>>,
    /// Only runs whose `about` holds this key with this value.
    pub about: Option<(Arc<str>, String)>,
    /// Only runs that this one handed their work.
    pub parent: Option<RunId>,
    /// Only runs that were forked from this one.
    pub fork_of: Option<RunId>,
    /// Only runs that another run answers for, or only those that none does: see [`RunRow::is_covered`].
    pub covered: Option<bool>,
    /// Only runs before this one: the last of the page before.
    pub before: Option<RunId>,
    /// At most so many; 0 means 50.
    pub limit: u32,
}

impl RunQuery {
    /// Whether a run is one of them, wherever the page begins.
    pub fn wants(&self, row: &RunRow) -> bool {
        (self.status.is_empty() || self.status.contains(&row.status))
            && self.workflow.as_ref().is_none_or(|workflow| *workflow == row.workflow)
            && (self.failure.is_none() || self.failure == row.failure)
            && self.about.as_ref().is_none_or(|(key, value)| row.about.get(key) == Some(value))
            && self.parent.is_none_or(|parent| row.parent == Some(parent))
            && self.fork_of.is_none_or(|of| row.fork.is_some_and(|fork| fork.run == of))
            && self.covered.is_none_or(|covered| row.is_covered() == covered)
    }
}

/// Which open actions to list, by run and step.
#[derive(Clone, Debug, Default)]
pub struct ActionQuery {
    /// Only this run's.
    pub run: Option<RunId>,
    /// Only those that stand so.
    pub state: Option<ActionState>,
    /// Only what comes after this step of this run: the last of the page before.
    pub after: Option<(RunId, Arc<str>)>,
    /// At most so many; 0 means 50.
    pub limit: u32,
}

/// Longer keys are kept, and looked for, by their first so many characters.
pub const KEY_CHARS: usize = 200;

/// What sort of key found a run. In the order in which they are told when several fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Its id; kept nowhere, since each run has one.
    Run,
    /// A business key; its name is the key's.
    About,
    /// The key that it was started with; without a name.
    Start,
    /// The id of an event that it was told; its name is the event's.
    Event,
    /// What something that it did is known by outside; its name is the tool's.
    Outside,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: [KeyKind; 5] = [KeyKind::Run, KeyKind::About, KeyKind::Start, KeyKind::Event, KeyKind::Outside];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyKind::Run => "run",
            KeyKind::About => "about",
            KeyKind::Start => "start",
            KeyKind::Event => "event",
            KeyKind::Outside => "outside",
        }
    }

    /// Reads what [`KeyKind::as_str`] wrote.
    pub fn parse(text: &str) -> Option<KeyKind> {
        KeyKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that a run is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunKey {
    /// What sort.
    pub kind: KeyKind,
    /// Its name, if keys of its sort have one.
    pub name: Arc<str>,
    /// The text that is looked for.
    pub value: Arc<str>,
}

/// What to look for.
#[derive(Clone, Debug, Default)]
pub struct FindQuery {
    /// A key, an id, or the beginning of one; space around it does not count. Nothing finds nothing.
    pub text: String,
    /// Only what all of the text is, and nothing that only begins so.
    pub whole: bool,
    /// Only runs before this one: the last of the page before.
    pub before: Option<RunId>,
    /// At most so many; 0 means 50.
    pub limit: u32,
}

/// A run that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// How it stands.
    pub row: RunRow,
    /// By what.
    pub by: RunKey,
    /// All of it was looked for, not only its beginning.
    pub whole: bool,
}

/// How many runs of a workflow stand so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunCount {
    /// Of which workflow.
    pub workflow: Arc<str>,
    /// How they stand.
    pub status: Status,
    /// With which failure kind, if they failed.
    pub failure: Option<Arc<str>>,
    /// Whether another run answers for them.
    pub covered: bool,
    /// How many; at least one.
    pub runs: u64,
}

/// How much waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Approvals that nobody has decided.
    pub approvals: u64,
    /// Work that nobody has done.
    pub work: u64,
    /// Actions that may still be answered.
    pub open: u64,
    /// Actions of which nobody knows whether they happened.
    pub unknown: u64,
}
