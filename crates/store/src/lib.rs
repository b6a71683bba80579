//! Keeps: journals, leases, bundles, blobs, and the rows that answer questions across runs.
//!
//! A store compares and applies; it never knows what an event means. The summary of a run comes with each append.
//! Every backend passes `tests/conformance.rs` and agrees with [`memory`], the readable reference, in `tests/differential.rs`.
//!
//! # Who owns a run
//! A worker is one boot of one process and holds one lease. A run has an *epoch*, raised by one at every claim and every reap;
//! every write of a run compares epoch, owner and head on the run's one row. A write that finds them changed is *fenced*: its
//! caller forgets the run and touches nothing. Safety never depends on a clock; only liveness does.

mod approval;
mod budget;
pub mod check;
mod event;
pub mod fault;
mod find;
mod governance;
pub mod memory;
mod message;
mod outcome;
pub mod rules;
pub mod seal;
pub mod sqlite;
mod start;
mod work;

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::{Blob, Entry, Head},
    values::{Span, Timestamp},
};

pub use approval::{ApprovalQuery, ApprovalRow, ApprovalState, DECISIONS, OpenApproval, Vote, VoteRow, Voted};
pub use budget::{AMOUNT_LIMIT, BudgetLine, BudgetRow, Counted, CounterNow, CounterQuery, Reservation};
pub use event::{Published, TOLD_AT_ONCE, Topic};
pub use find::{ActionQuery, FindQuery, Found, KEY_CHARS, KeyKind, RunCount, RunKey, RunQuery, Waiting};
pub use governance::{Change, GovernanceEntry, Governed};
pub use message::{CONTROL_RESERVE, Message, Posted, UNREAD_LIMIT};
pub use outcome::{OUTCOME_BYTES, OutcomeQuery, OutcomeSaid, RunOutcome, VersionRow};
pub use seal::{DirtyHeads, SYSTEM, Seal, Sealed, SealedHead};
pub use start::{ForkOf, Inherited, NewRun, Started};
pub use work::{
    Cooldown, KeptAnswer, OpenWork, OutMessage, OutQuery, OutRow, OutState, SWEPT_AT_ONCE, Taken, Tried, WorkClaimed,
    WorkQuery, WorkRow,
};

/// Deaths of its worker after which a run is quarantined, unless a step completed in between.
pub const STRIKES: u32 = 3;

/// What can go wrong in a store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the data directory.
    #[error("the data directory {path} is in use by another process")]
    Locked {
        /// Which directory.
        path: String,
    },
    /// The data are of a newer version of Surefoot.
    #[error("the data directory {path} has schema {found}, this program knows up to {known}")]
    Newer {
        /// Which directory.
        path: String,
        /// What stands there.
        found: u32,
        /// The newest that we know.
        known: u32,
    },
    /// The data directory cannot be made, read or written.
    #[error("cannot use the data directory {path}: {detail}")]
    Unusable {
        /// Which directory.
        path: String,
        /// What the system said.
        detail: String,
    },
    /// There is no such run.
    #[error("there is no run {run}")]
    NoRun {
        /// Which.
        run: RunId,
    },
    /// A run names a bundle that was never put.
    #[error("bundle {bundle} is not in the store")]
    NoBundle {
        /// Which.
        bundle: Digest,
    },
    /// The call breaks a rule that its caller holds: a bug of ours, nothing was written.
    #[error("cannot {verb}: {detail}")]
    Misuse {
        /// What was called.
        verb: &'static str,
        /// What is wrong with the call, with both values.
        detail: String,
    },
    /// The disk is full: nothing of this call was written; finished work may be tried again.
    #[error("the disk is full")]
    Full,
    /// The store is closing or its writer has ended: whether the call happened is not known.
    #[error("the store has stopped: {detail}")]
    Stopped {
        /// Why.
        detail: String,
    },
    /// A row breaks a rule that readers rely on.
    #[error("the store is damaged: {table} {row}: {detail}")]
    Damaged {
        /// Which table.
        table: &'static str,
        /// Which row, as a person would name it.
        row: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The database said no for another reason.
    #[error("the database refused {verb}")]
    Database {
        /// What we were doing.
        verb: &'static str,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// What is known of a run without reading its journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Waits for a worker.
    Queued,
    /// A worker has it.
    Running,
    /// Waits for something with a name.
    Waiting,
    /// A person or a declared recovery paused it.
    Paused,
    /// No worker here can run it.
    Blocked,
    /// Its worker died [`STRIKES`] times without a completed step.
    Quarantined,
    /// Final: its result is there.
    Completed,
    /// Final: a failure had no recovery left.
    Failed,
    /// Final: a person stopped it.
    Cancelled,
}

impl Status {
    /// Every status.
    pub const ALL: [Status; 9] = [
        Status::Queued,
        Status::Running,
        Status::Waiting,
        Status::Paused,
        Status::Blocked,
        Status::Quarantined,
        Status::Completed,
        Status::Failed,
        Status::Cancelled,
    ];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Queued => "queued",
            Status::Running => "running",
            Status::Waiting => "waiting",
            Status::Paused => "paused",
            Status::Blocked => "blocked",
            Status::Quarantined => "quarantined",
            Status::Completed => "completed",
            Status::Failed => "failed",
            Status::Cancelled => "cancelled",
        }
    }

    /// Reads what [`Status::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether nothing can follow.
    pub fn is_final(self) -> bool {
        matches!(self, Status::Completed | Status::Failed | Status::Cancelled)
    }
}

/// A run that a worker may now drive.
#[derive(Clone, Debug, PartialEq)]
pub struct Claimed {
    /// Which.
    pub run: RunId,
    /// The new epoch.
    pub epoch: u64,
    /// Where its journal stands.
    pub head: Head,
    /// What it is pinned to.
    pub bundle: Digest,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// How many messages its inbox has had.
    pub inbox_gen: u64,
    /// The run's own key; `None` once erased.
    pub key: Option<[u8; 32]>,
}

/// What the appender believes; all of it must still be true.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expect {
    /// The epoch of its claim.
    pub epoch: u64,
    /// Itself.
    pub owner: WorkerId,
    /// Number of the last entry that it knows.
    pub head: u64,
}

/// What the store compares and applies with an append, in the same transaction.
#[derive(Clone, Debug, PartialEq)]
pub enum Guard {
    /// The inbox has had no more messages than these.
    InboxIs(u64),
    /// An action begins: a row says so while it is open.
    ActionOpen(OpenAction),
    /// An open action is sent once more, also one whose outcome was not known.
    ActionResent {
        /// Its step path.
        step: Arc<str>,
        /// The new attempt.
        attempt: u32,
    },
    /// An open action has its answer: the row goes.
    ActionClosed {
        /// Its step path.
        step: Arc<str>,
    },
    /// Nobody can tell whether an open action happened: its row stays, and says so until [`Guard::ActionClosed`].
    ActionUnknown {
        /// Its step path.
        step: Arc<str>,
    },
    /// Policies, holds and limits are still those that were judged by.
    GovernanceIs(u64),
    /// The counter has changed so often; two of the same append count each other.
    CounterIs {
        /// Its name.
        counter: Arc<str>,
        /// How often it has changed; 0: never.
        version: u64,
        /// What is counted with this append.
        add: Option<Counted>,
    },
    /// What this run's step had counted is taken back: it is certain that it did not happen. Nothing counted: nothing changes.
    CounterUndone {
        /// Its name.
        counter: Arc<str>,
        /// The step path that it was counted for.
        step: Arc<str>,
    },
    /// An approval is asked for.
    ApprovalOpen(OpenApproval),
    /// The approval is this run's, pending, in time at [`Append::now`], and of this hash, and the run has read every decision on it
    /// that outweighs a yes; it is used up.
    Consume {
        /// Its id.
        approval: Arc<str>,
        /// Over all that is to be done.
        hash: Digest,
    },
    /// A pending approval comes to its end in another way.
    ApprovalClosed {
        /// Its id.
        approval: Arc<str>,
        /// Neither pending nor consumed.
        state: ApprovalState,
    },
    /// All lines fit: settled + reserved + max <= limit in each sum, and no scope is frozen. They are set aside.
    Reserve {
        /// The step path; it has nothing set aside in the same sums yet.
        step: Arc<str>,
        /// Each sum once.
        lines: Vec<BudgetLine>,
    },
    /// What all that the step had set aside really cost. More than was set aside is an overrun: it is counted, and its scope is
    /// frozen. Nothing set aside: nothing changes.
    Settle {
        /// The step path.
        step: Arc<str>,
        /// By unit, for each line of it; a line whose unit is missing is forfeited.
        actual: BTreeMap<Arc<str>, i64>,
    },
    /// What it cost is not known: all that the step had set aside counts as spent.
    Forfeit {
        /// The step path.
        step: Arc<str>,
    },
    /// There is work for people.
    WorkOpen(OpenWork),
    /// Open work is done, or not needed any more.
    WorkClosed {
        /// Its id.
        work: Arc<str>,
    },
    /// Nobody asks a model before a time; an earlier one than was said before changes nothing.
    CoolDown {
        /// The project and its name of the model.
        scope: Arc<str>,
        /// Not before.
        until: Timestamp,
        /// What its provider failed with.
        why: Arc<str>,
    },
    /// An answer, or the result of a part, is kept for whoever has the same key; one under that key which counts longer stays. At most [`SWEPT_AT_ONCE`]
    /// answers that count no more at [`Append::now`] go before.
    KeepAnswer(Box<KeptAnswer>),
    /// The run can be found by this from now on; what is known already, or is an empty text, changes nothing.
    FoundBy(RunKey),
    /// A message is to leave.
    Outbox(OutMessage),
    /// Another run begins, whose parent this one is: queued, without an owner or a start key, known to nobody before.
    StartChild(Box<NewRun>),
    /// Another run has this message in its inbox, and is woken unless it is blocked; a full inbox does not refuse it. One that is over,
    /// or has a message of that id, is told nothing.
    TellRun {
        /// Which run.
        run: RunId,
        /// The message.
        message: Message,
        /// Its strikes are forgotten; only so is a quarantined run woken.
        pardon: bool,
    },
    /// An event is published: kept, and told to every run that waits for it, unless its id is known. Applied last, as are the next two.
    Publish(Box<Published>),
    /// The run waits for an event from now on: those that are kept, not older than `since` and not told to it yet are told to it at once,
    /// the next ones when they come. A run whose inbox is full hears of them when it waits again.
    Want {
        /// Which.
        topic: Topic,
        /// Not older than this.
        since: Timestamp,
        /// Now.
        at: Timestamp,
    },
    /// The run waits for that event no more. One that is over waits for none.
    Unwant {
        /// Which.
        topic: Topic,
    },
    /// The lease is given back until `wake_at`, or until a message comes.
    Suspend {
        /// [`Status::Waiting`], [`Status::Paused`] or [`Status::Blocked`].
        status: Status,
        /// For what, in words: "signal approve", "time".
        waits_for: Arc<str>,
        /// When it is due by itself.
        wake_at: Option<Timestamp>,
    },
    /// The run is over and its lease given back. What it still had set aside is forfeited, its pending approvals are cancelled and
    /// its open work is closed; an open action, known or not, is a misuse.
    Finish {
        /// One of the final ones.
        status: Status,
        /// The failure kind, if it failed.
        failure: Option<Arc<str>>,
    },
}

/// An action whose outcome is not recorded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenAction {
    /// Its step path.
    pub step: Arc<str>,
    /// Tool and operation, `crm.save`.
    pub action: Arc<str>,
    /// The class of its effect, as the kernel names it.
    pub effect: Arc<str>,
    /// On what the receiver de-duplicates.
    pub key: Arc<str>,
    /// Sent how often.
    pub attempt: u32,
    /// Since when.
    pub since: Timestamp,
}

/// Whether the outcome of an open action may still come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ActionState {
    /// Its answer is waited for.
    Open,
    /// Nobody can tell whether it happened.
    Unknown,
}

impl ActionState {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            ActionState::Open => "open",
            ActionState::Unknown => "unknown",
        }
    }

    /// Reads what [`ActionState::as_str`] wrote.
    pub fn parse(text: &str) -> Option<ActionState> {
        [ActionState::Open, ActionState::Unknown].into_iter().find(|state| state.as_str() == text)
    }
}

/// An open action of some run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenActionRow {
    /// Whose.
    pub run: RunId,
    /// What is open.
    pub action: OpenAction,
    /// Whether its outcome may still come.
    pub state: ActionState,
}

/// One call of [`Store::append`].
#[derive(Clone, Debug)]
pub struct Append {
    /// The run.
    pub run: RunId,
    /// What must still be true.
    pub expect: Expect,
    /// Sealed, in order, the first one after `expect.head`. May be empty when only the guards matter.
    pub entries: Vec<Entry>,
    /// Blobs that the entries name.
    pub blobs: Vec<Blob>,
    /// Compared and applied in this order, but that all [`Guard::InboxIs`] and [`Guard::GovernanceIs`] come first.
    pub guards: Vec<Guard>,
    /// A step was completed: the run is no suspect any more.
    pub progress: bool,
    /// The step that is being done now, for `runs ls`; `None` leaves it.
    pub doing: Option<Arc<str>>,
    /// The last inbox message that the entries account for; `None` leaves it.
    pub inbox_read: Option<u64>,
    /// What models were charged, in millionths of a dollar. `None`: nobody knows, and so the run's cost is not known either.
    pub charged: Option<i64>,
    /// Now.
    pub now: Timestamp,
}

/// What an append came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    /// Durable. Only now may a byte leave the process.
    Done {
        /// How many messages the inbox has had: more than read means there is something to fold.
        inbox_gen: u64,
    },
    /// Another worker owns this run. Forget it; touch nothing.
    Fenced,
    /// One guard no longer holds. Nothing was written: decide again.
    Refused {
        /// Which, by its place in [`Append::guards`].
        guard: usize,
        /// How it stands: the generation for [`Guard::InboxIs`] and [`Guard::GovernanceIs`], the version for
        /// [`Guard::CounterIs`], 0 for [`Guard::Consume`], the place of the first line that does not fit for [`Guard::Reserve`].
        current: u64,
    },
}

/// A run's row.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRow {
    /// Which.
    pub run: RunId,
    /// Whose it is.
    pub tenant: Arc<str>,
    /// Its workflow.
    pub workflow: Arc<str>,
    /// What it is pinned to.
    pub bundle: Digest,
    /// How it stands.
    pub status: Status,
    /// What it waits for, in words.
    pub waits_for: Option<Arc<str>>,
    /// When it is due by itself.
    pub wake_at: Option<Timestamp>,
    /// The step it was doing last.
    pub doing: Option<Arc<str>>,
    /// Business keys.
    pub about: BTreeMap<Arc<str>, String>,
    /// The failure kind, if it failed.
    pub failure: Option<Arc<str>>,
    /// How often it was claimed or reaped.
    pub epoch: u64,
    /// Who has it.
    pub owner: Option<WorkerId>,
    /// Where its journal stands.
    pub head: Head,
    /// How many messages its inbox has had.
    pub inbox_gen: u64,
    /// How many of them are in the journal.
    pub inbox_read: u64,
    /// Deaths of its workers since a step completed.
    pub strikes: u32,
    /// When it was started.
    pub created_at: Timestamp,
    /// When it was last written.
    pub updated_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// The run that handed it its work.
    pub parent: Option<RunId>,
    /// What models were charged for it, in millionths of a dollar; without runs that it handed work to. `None`: not known.
    pub cost: Option<i64>,
    /// The run that it goes on from.
    pub fork: Option<ForkOf>,
    /// The run that tries it again. `None`: none does.
    pub again: Option<RunId>,
}

impl RunRow {
    /// Another run answers for it: it works for one, or one tries it again.
    pub fn is_covered(&self) -> bool {
        self.parent.is_some() || self.again.is_some()
    }
}

/// What a heartbeat came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Beat {
    /// The lease holds until then.
    Alive {
        /// Runs of this worker that have unread messages.
        unread: Vec<RunId>,
    },
    /// The worker was declared dead: it stops everything it does.
    Dead,
}

/// The answer of a worker that had already lost the run. Kept, never believed by itself.
#[derive(Clone, Debug, PartialEq)]
pub struct LateResult {
    /// The run.
    pub run: RunId,
    /// The action's step path.
    pub step: Arc<str>,
    /// The epoch that had sent it.
    pub epoch: u64,
    /// Which sending.
    pub attempt: u32,
    /// The outcome, as canonical JSON.
    pub outcome: Arc<[u8]>,
    /// When it came.
    pub at: Timestamp,
}

/// What an erasure came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Erased {
    /// What the run held is gone: overwritten, and in an embedded database cut from the log.
    Done,
    /// The run is not over; nothing was written.
    NotOver {
        /// How it stands.
        status: Status,
    },
}

/// Something `db check` found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule is broken: `chain`, `head`, `blob`, `open_action`, `inbox`, `never_lost`, `pages`, `governance`, `budget`,
    /// `approval`, `orphan`, `seal`, `parent`, `answer`, `cooldown`, `counts`, `key`, `fork`.
    pub rule: &'static str,
    /// The run it concerns, if one.
    pub run: Option<RunId>,
    /// What is wrong, with both values.
    pub detail: String,
}

/// About fifty verbs; each is needed by `runtime` today. Replies come after COMMIT.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Starts a run: its row, its first entry, what it inherits and its start key, all of it or nothing.
    ///
    /// A crash before the return leaves either; the same call again with the same start key (or the same run id and input)
    /// then says which.
    ///
    /// # Errors
    /// [`StoreError::NoBundle`]: put the bundle first. [`StoreError::Misuse`]: `owner` has no lease, or `first` is not the
    /// first entry in the right epoch.
    async fn start(&self, run: NewRun) -> Result<Started, StoreError>;

    /// Gives `worker` up to `limit` runs that have been due longest, each in a new epoch. Empty: nothing is due.
    ///
    /// Runs on their last strike come one at a time: none while `worker` still has another of them.
    /// A crash before the return may leave runs claimed by a worker that never learns of it; its death releases them.
    async fn claim(&self, worker: WorkerId, limit: u32, now: Timestamp) -> Result<Vec<Claimed>, StoreError>;

    /// Appends entries to a journal and applies guards: all of it or nothing.
    ///
    /// A crash before the return leaves either everything or nothing; whoever claims the run next reads the journal and knows.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when the entries do not follow `expect`, or a guard makes no sense (a run finishes while one of
    /// its actions is open, an action is opened twice or closed unopened, an id is used again): a bug of the caller.
    async fn append(&self, append: Append) -> Result<Appended, StoreError>;

    /// Puts a message into the inbox of a run and wakes it. With `pardon`, its strikes are forgotten as well; only so does a
    /// message wake a quarantined run.
    ///
    /// An id that is known is answered first, also after the run has ended. Above [`UNREAD_LIMIT`] signals are refused;
    /// all other kinds have [`CONTROL_RESERVE`] places more, so that a crowd of signals cannot shut them out.
    ///
    /// A crash before the return leaves either; the same message id again then changes nothing.
    async fn post(&self, run: RunId, message: Message, pardon: bool) -> Result<Posted, StoreError>;

    /// Publishes an event that no append causes, as [`Guard::Publish`] does. False: its id is known. A crash before the return leaves
    /// either; the same call again then says which.
    async fn publish(&self, event: Published) -> Result<bool, StoreError>;

    /// Messages of a run after number `after`, in order.
    async fn inbox(&self, run: RunId, after: u64) -> Result<Vec<Message>, StoreError>;

    /// Entries of a run after number `after`, in order, at most `limit`.
    async fn journal(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError>;

    /// A blob of a run; `None` if it has none of that name or it was erased.
    async fn blob(&self, run: RunId, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// A run's row.
    async fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError>;

    /// Rows of runs, newest first.
    async fn runs(&self, query: RunQuery) -> Result<Vec<RunRow>, StoreError>;

    /// Which versions runs of a workflow follow, of those after and up to the given ones, by digest.
    async fn versions(
        &self,
        workflow: Arc<str>,
        after: Option<RunId>,
        upto: Option<RunId>,
    ) -> Result<Vec<VersionRow>, StoreError>;

    /// Keeps what a person says came of a run that is over, in the place of what they said before. A crash before the return leaves
    /// either; the same call again is safe.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when the words have more than [`OUTCOME_BYTES`] bytes.
    async fn say_outcome(&self, outcome: RunOutcome) -> Result<OutcomeSaid, StoreError>;

    /// What people say came of runs.
    async fn outcomes(&self, query: OutcomeQuery) -> Result<Vec<RunOutcome>, StoreError>;

    /// Runs that a text finds, newest first: it is a key of theirs, whatever the case of its ASCII letters, or their id (`run_…`), or the
    /// beginning of one. Of what fits in a run, the best is told: all of a text before its beginning.
    async fn find(&self, query: FindQuery) -> Result<Vec<Found>, StoreError>;

    /// How many runs there are, by workflow, status, failure and whether another run answers for them, in that order. It costs the same with any number of runs.
    async fn run_counts(&self) -> Result<Vec<RunCount>, StoreError>;
    /// How much waits for people and for answers, over all runs.
    async fn waiting(&self) -> Result<Waiting, StoreError>;

    /// Keeps a bundle under its digest. Keeping it twice changes nothing.
    async fn put_bundle(&self, digest: Digest, bytes: Arc<[u8]>, now: Timestamp) -> Result<(), StoreError>;

    /// A bundle's bytes.
    async fn bundle(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError>;

    /// A worker begins. Where the store admits one process at a time, every older worker is dead by definition: their runs are
    /// released with a strike, due at once. Blocked runs become due again: this worker may be able to run them.
    async fn join(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<(), StoreError>;

    /// Prolongs a worker's lease to `now + lease`. A worker once declared dead stays dead.
    async fn beat(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<Beat, StoreError>;

    /// A worker ends in good order: its runs are released without a strike, due at once.
    async fn leave(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError>;

    /// Declares workers dead whose lease has ended and releases their runs with a strike; quarantines at [`STRIKES`].
    /// Gives the number of runs released. Repeating it is safe; it is a question of rows, not an event.
    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// When the earliest run without an owner is due; `None`: no such run. A run on its last strike counts, even where
    /// [`Store::claim`] would hold it back: wait a little between two claims that gave nothing.
    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Keeps the answer that a fenced worker still got, once, and tells its run unless that is over: by a message of kind `late`
    /// with the id `late:<step>:<epoch>:<attempt>` and the outcome as its body. It wakes the run as any message does, unless that is
    /// blocked: an engine that failed here would fail again. Where the inbox has no place left, only the answer is kept; where the
    /// run was erased, nothing.
    async fn salvage(&self, late: LateResult) -> Result<(), StoreError>;

    /// Answers of fenced workers, by step, epoch and attempt.
    async fn late_results(&self, run: RunId) -> Result<Vec<LateResult>, StoreError>;

    /// Changes what all runs are judged by. A crash before the return leaves the change or nothing: with `expect`, the same call
    /// again then says which.
    async fn govern(&self, change: Change) -> Result<Governed, StoreError>;

    /// Changes to what runs are judged by after number `after`, in order. The number of the last one is the generation; none: 0.
    async fn governance(&self, after: u64) -> Result<Vec<GovernanceEntry>, StoreError>;

    /// How counters stand, each as of one moment, in the order of `queries`.
    async fn counters(&self, queries: &[CounterQuery]) -> Result<Vec<CounterNow>, StoreError>;

    /// Takes a person's vote and tells it to the run, both or neither. An earlier vote of the same person is answered first, also
    /// after the approval has ended. A full inbox does not refuse it: people are few.
    ///
    /// A crash before the return leaves either; the same vote again then changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when the message is not the one that belongs to the vote: a bug of the caller.
    async fn vote(&self, vote: Vote) -> Result<Voted, StoreError>;

    /// Approvals with their votes, oldest first.
    async fn approvals(&self, query: ApprovalQuery) -> Result<Vec<ApprovalRow>, StoreError>;

    /// All sums, by scope, unit and period.
    async fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError>;

    /// Open actions, by run and step.
    async fn open_actions(&self, query: ActionQuery) -> Result<Vec<OpenActionRow>, StoreError>;

    /// Work for people, oldest first.
    async fn work(&self, query: WorkQuery) -> Result<Vec<WorkRow>, StoreError>;

    /// A person takes open work that nobody else does. A crash before the return leaves either; the same call again says which.
    async fn claim_work(&self, work: Arc<str>, by: Arc<str>, now: Timestamp) -> Result<WorkClaimed, StoreError>;

    /// A person gives open work back. False: it was not theirs.
    async fn release_work(&self, work: Arc<str>, by: Arc<str>) -> Result<bool, StoreError>;

    /// Keeps a message that no append causes, unless its id is known or its run is over. True: it is new. A crash before the return
    /// leaves either; the same call again then says which.
    async fn tell(&self, run: RunId, message: OutMessage) -> Result<bool, StoreError>;

    /// Gives a sender messages of `channels` whose time to leave has come, longest due first, at most `limit`. Nobody else is given
    /// them before `until`; then they are due again, unless [`Store::outbox_tried`] has said what became of them. So each leaves at
    /// least once, and twice if its sender dies between its leaving and that word. A crash before the return may have counted a try.
    async fn take_outbox(
        &self,
        channels: &[Arc<str>],
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<OutRow>, StoreError>;

    /// What became of trying to send a message. False: it was not to leave. A crash before the return leaves either.
    async fn outbox_tried(&self, id: Arc<str>, tried: Tried) -> Result<bool, StoreError>;

    /// A person lets a dead message be tried again, due at once. False: it is not dead, or was erased.
    async fn outbox_again(&self, id: Arc<str>, now: Timestamp) -> Result<bool, StoreError>;

    /// Messages that leave, oldest first.
    async fn outbox(&self, query: OutQuery) -> Result<Vec<OutRow>, StoreError>;

    /// When the earliest message of `channels` is to leave; `None`: none is.
    async fn next_outbox(&self, channels: &[Arc<str>]) -> Result<Option<Timestamp>, StoreError>;

    /// Asks a rate limit for `n` at once: one each `interval_us` microseconds, and up to `burst` after a pause. A crash before the
    /// return may have used them up.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when it could never be given: `n` is more than `burst`, or 0; `interval_us` is below 0 or beyond
    /// [`AMOUNT_LIMIT`].
    async fn take(
        &self,
        bucket: Arc<str>,
        now: Timestamp,
        interval_us: i64,
        burst: u32,
        n: u32,
    ) -> Result<Taken, StoreError>;

    /// Nobody gets anything from a rate limit before `until`; an earlier time than one that was said changes nothing.
    async fn push_back(&self, bucket: Arc<str>, until: Timestamp) -> Result<(), StoreError>;

    /// Models that cool down, or did, by scope.
    async fn cooldowns(&self) -> Result<Vec<Cooldown>, StoreError>;

    /// The answer that is kept under a key, whether it still counts or not.
    async fn answer(&self, key: Digest) -> Result<Option<KeptAnswer>, StoreError>;
    /// What is kept to be used again, in the order of keys, after this one, at most `limit`; whether it still counts or not.
    async fn answers(&self, after: Option<Digest>, limit: u32) -> Result<Vec<KeptAnswer>, StoreError>;
    /// What is kept under these keys goes, all or nothing; gives how many there were.
    async fn forget_answers(&self, keys: Vec<Digest>) -> Result<u64, StoreError>;
    /// What counts no more goes, the oldest first, at most [`SWEPT_AT_ONCE`]; gives how many.
    async fn drop_answers(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// A person lets a model be asked again that cools down at the time of `change`, which says so, both or neither. False: it does not,
    /// and nothing was written.
    async fn end_cooldown(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError>;

    /// A person has looked at the overruns of a scope: it is reserved in again, and `change` says so, both or neither. False: it was not
    /// frozen, and nothing was written.
    async fn unfreeze(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError>;

    /// What runs have set aside that are over, or gone. There is nothing unless something is damaged.
    async fn orphans(&self) -> Result<Vec<Reservation>, StoreError>;

    /// Forfeits what [`Store::orphans`] lists; gives how many runs.
    async fn sweep(&self) -> Result<u64, StoreError>;

    /// Erases what a run held: bodies and salts of its journal, blobs, bodies of messages, late answers, cards, what people said
    /// came of it, its business keys, its start key, what it is found by, its own key. Salted and keyed digests stay, so that its chain still verifies; those over a value alone go as well,
    /// because a short value is found by trying. What has not left yet never leaves. A crash before the return leaves either; the same call again is safe.
    async fn erase(&self, run: RunId, now: Timestamp) -> Result<Erased, StoreError>;

    /// Heads that moved since the last seal, and that of the log of changes, if there is one. At most `limit` appends are looked at:
    /// until `upto` stays, there are more.
    async fn dirty_heads(&self, limit: u32) -> Result<DirtyHeads, StoreError>;

    /// Keeps a seal that follows the last one.
    ///
    /// # Errors
    /// [`StoreError::Misuse`] when its hash is not over its contents and the seal before.
    async fn add_seal(&self, seal: Seal) -> Result<Sealed, StoreError>;

    /// The newest seal.
    async fn last_seal(&self) -> Result<Option<Seal>, StoreError>;

    /// Seals after number `after`, in order, at most `limit`.
    async fn seals(&self, after: u64, limit: u32) -> Result<Vec<Seal>, StoreError>;

    /// Which deployment this is: 32 hexadecimal digits, the same for a copy of the data.
    async fn instance_id(&self) -> Result<Arc<str>, StoreError>;

    /// From now on it is this one. A crash before the return leaves either; the same call again is safe.
    async fn adopt(&self, instance: Arc<str>) -> Result<(), StoreError>;

    /// Reads everything and compares: chains, heads, blobs, open actions, inbox numbers, sums, approvals. Empty: all is well.
    async fn check(&self) -> Result<Vec<Finding>, StoreError>;
}
