//! The embedded database: one file, one process, one thread that writes.
//!
//! A verb that changes something becomes a command in the writer's queue and is answered after the COMMIT that holds it, together
//! with whatever was queued at the same time. Reads use connections of their own and see what was answered.
//!
//! After an input/output error nobody knows what the disk holds: nobody is told "done", the writer ends, and by default so does the
//! process. The next start reads every page before it believes anything.

mod append;
mod aside;
mod cells;
mod check;
mod dispatch;
mod erase;
mod events;
mod govern;
mod guards;
mod open;
mod packed;
mod read;
mod sql;
mod writer;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::Entry,
    values::{Span, Timestamp},
};

use self::{
    aside::{
        Adopt, Again, ClaimWork, DropAnswers, EndCooldown, ForgetAnswers, PushBack, ReleaseWork, Sweep, Take,
        TakeOutbox, Tell, TriedOnce, Unfreeze,
    },
    dispatch::{AskSettings, Claim, Join, Leave, Post, Pulse, PutBundle, Reap},
    erase::Erase,
    read::Readers,
    writer::{Job, Operation, Writer},
};
use crate::{
    Append, Appended, ApprovalQuery, ApprovalRow, Beat, BudgetRow, Change, Claimed, Cooldown, CounterNow, CounterQuery,
    DirtyHeads, Erased, Finding, GovernanceEntry, Governed, KeptAnswer, LateResult, Message, NewRun, OpenActionRow,
    OutMessage, OutQuery, OutRow, OutcomeQuery, OutcomeSaid, Posted, Published, Reservation, RunOutcome, RunQuery,
    RunRow, Seal, Sealed, Started, Store, StoreError, Taken, Tried, VersionRow, Vote, Voted, WorkClaimed, WorkQuery,
    WorkRow,
    fault::{Mutants, Points},
};

pub use open::newest_schema;

/// Exit code of a process whose database failed: `EX_IOERR` of `sysexits.h`.
pub const FATAL_EXIT: i32 = 74;

/// How a store is opened.
pub struct SqliteOptions {
    /// Connections that read, at least one.
    pub readers: usize,
    /// Called once on the writer's thread when the database cannot be trusted any more, after every waiting caller was told
    /// [`StoreError::Stopped`]. By default it prints one line and ends the process with [`FATAL_EXIT`].
    pub on_fatal: Box<dyn Fn(String) + Send>,
    /// Known bugs to switch on, for harnesses.
    pub mutants: Mutants,
    /// A point to fail at, for harnesses.
    pub points: Points,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        SqliteOptions {
            readers: 4,
            on_fatal: Box::new(|detail| {
                #[expect(
                    clippy::print_stderr,
                    reason = "the process ends here, and its log may be on the disk that failed"
                )]
                {
                    eprintln!(
                        "the store has failed and the process ends, so that nothing is answered wrongly: {detail}"
                    );
                }
                std::process::exit(FATAL_EXIT)
            }),
            mutants: Default::default(),
            points: Default::default(),
        }
    }
}

/// What the writing connection really runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Version of SQLite.
    pub sqlite: String,
    /// `wal`.
    pub journal_mode: String,
    /// 2: FULL.
    pub synchronous: i64,
}

/// A data directory, opened by this process alone.
pub struct SqliteStore {
    // Dropped in this order: readers, queue, and the lock after the writer's thread has ended.
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    readers: Option<Arc<Readers>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    commits: Arc<AtomicU64>,
    dir: PathBuf,
    lock: Option<File>,
}

impl SqliteStore {
    /// Opens the data directory `dir`, makes it if only its last part is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// - [`StoreError::Locked`]: another process uses it.
    /// - [`StoreError::Newer`]: a newer program has written it; use that one.
    /// - [`StoreError::Unusable`]: it cannot be made, read or written.
    /// - [`StoreError::Damaged`]: its file is no database, or did not pass the examination after a failure.
    pub fn open(dir: &Path, options: SqliteOptions) -> Result<SqliteStore, StoreError> {
        let opened = open::open(dir, options.readers.max(1), &options.mutants)?;
        let (jobs, queue) = mpsc::channel();
        let commits = Arc::new(AtomicU64::new(0));
        let suspect = dir.join(open::SUSPECT);
        let writer = Writer {
            conn: opened.writer,
            jobs: queue,
            mutants: options.mutants,
            points: options.points,
            on_fatal: Box::new(move |detail| {
                // Best effort: the disk may take nothing any more.
                if let Err(error) = std::fs::write(&suspect, &detail) {
                    tracing::error!(%error, "cannot leave a note for the next start");
                }
                (options.on_fatal)(detail);
            }),
            commits: commits.clone(),
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run());
        let thread = thread.map_err(|error| StoreError::Unusable {
            path: dir.display().to_string(),
            detail: format!("cannot start the writer's thread: {error}"),
        })?;
        Ok(SqliteStore {
            jobs: Some(jobs),
            readers: Some(Arc::new(Readers::new(opened.readers, dir))),
            thread: Mutex::new(Some(thread)),
            commits,
            dir: dir.to_owned(),
            lock: Some(opened.lock),
        })
    }

    /// Where it keeps its files.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Commits since it was opened.
    pub fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    /// What the writing connection really runs with.
    pub async fn settings(&self) -> Result<Settings, StoreError> {
        self.write(AskSettings).await
    }

    /// Pretends that the disk ends after so many pages of 4 KiB, for harnesses.
    #[cfg(feature = "faults")]
    pub async fn limit_pages(&self, pages: u32) -> Result<(), StoreError> {
        self.write(dispatch::LimitPages(pages)).await
    }

    async fn write<O: Operation>(&self, operation: O) -> Result<O::Reply, StoreError> {
        let stopped = || StoreError::Stopped { detail: format!("its writer has ended, {} was not answered", O::VERB) };
        let (job, answer) = writer::job(operation);
        let jobs = self.jobs.as_ref().ok_or_else(stopped)?;
        jobs.send(job).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    fn readers(&self) -> &Arc<Readers> {
        self.readers.as_ref().expect("readers live as long as the store: taken only in drop")
    }

    /// A read that may take long, on a thread of its own.
    async fn read_long<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Readers) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let readers = self.readers().clone();
        let failed = |detail: String| StoreError::Stopped { detail };
        std::thread::Builder::new()
            .name("store-reader".to_owned())
            .spawn(move || {
                let outcome = read(&readers);
                // First the connections, then the answer: who closes the store next finds none of them open, so that the log is
                // folded into the file.
                drop(readers);
                let _ = reply.send(outcome);
            })
            .map_err(|error| failed(format!("cannot start a reader's thread: {error}")))?;
        answer.await.map_err(|_| failed("a reader ended without an answer".to_owned()))?
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The writer's connection closes last: only then does SQLite fold the log into the file.
        self.readers = None;
        self.jobs = None;
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
            && thread.join().is_err()
        {
            tracing::error!("the writer's thread panicked");
        }
        self.lock = None;
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn start(&self, run: NewRun) -> Result<Started, StoreError> {
        self.write(run).await
    }

    async fn claim(&self, worker: WorkerId, limit: u32, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        self.write(Claim { worker, limit, now }).await
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        self.write(append).await
    }

    async fn post(&self, run: RunId, message: Message, pardon: bool) -> Result<Posted, StoreError> {
        self.write(Post { run, message, pardon }).await
    }

    async fn inbox(&self, run: RunId, after: u64) -> Result<Vec<Message>, StoreError> {
        self.readers().inbox(run, after)
    }

    async fn journal(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.readers().journal(run, after, limit)
    }

    async fn blob(&self, run: RunId, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.readers().blob(run, digest)
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        self.readers().run(run)
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<RunRow>, StoreError> {
        self.read_long(move |readers| readers.runs(&query)).await
    }

    async fn versions(
        &self,
        workflow: Arc<str>,
        after: Option<RunId>,
        upto: Option<RunId>,
    ) -> Result<Vec<VersionRow>, StoreError> {
        self.read_long(move |readers| readers.versions(&workflow, after, upto)).await
    }

    async fn say_outcome(&self, outcome: RunOutcome) -> Result<OutcomeSaid, StoreError> {
        self.write(outcome).await
    }

    async fn outcomes(&self, query: OutcomeQuery) -> Result<Vec<RunOutcome>, StoreError> {
        self.readers().outcomes(&query)
    }

    async fn put_bundle(&self, digest: Digest, bytes: Arc<[u8]>, now: Timestamp) -> Result<(), StoreError> {
        self.write(PutBundle { digest, bytes, now }).await
    }

    async fn bundle(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.readers().bundle(digest)
    }

    async fn join(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<(), StoreError> {
        self.write(Join { worker, lease, now }).await
    }

    async fn beat(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<Beat, StoreError> {
        self.write(Pulse { worker, lease, now }).await
    }

    async fn leave(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        self.write(Leave { worker, now }).await
    }

    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(Reap { now }).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.readers().next_due()
    }

    async fn salvage(&self, late: LateResult) -> Result<(), StoreError> {
        self.write(late).await
    }

    async fn late_results(&self, run: RunId) -> Result<Vec<LateResult>, StoreError> {
        self.readers().late_results(run)
    }

    async fn govern(&self, change: Change) -> Result<Governed, StoreError> {
        self.write(change).await
    }

    async fn governance(&self, after: u64) -> Result<Vec<GovernanceEntry>, StoreError> {
        self.readers().governance(after)
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Result<Vec<CounterNow>, StoreError> {
        queries.iter().map(|query| self.readers().counter(query)).collect()
    }

    async fn vote(&self, vote: Vote) -> Result<Voted, StoreError> {
        self.write(vote).await
    }

    async fn approvals(&self, query: ApprovalQuery) -> Result<Vec<ApprovalRow>, StoreError> {
        self.readers().approvals(&query)
    }

    async fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        self.readers().budgets()
    }

    async fn open_actions(&self, unknown_only: bool) -> Result<Vec<OpenActionRow>, StoreError> {
        self.readers().open_actions(unknown_only)
    }

    async fn work(&self, query: WorkQuery) -> Result<Vec<WorkRow>, StoreError> {
        self.readers().work(&query)
    }

    async fn claim_work(&self, work: Arc<str>, by: Arc<str>, now: Timestamp) -> Result<WorkClaimed, StoreError> {
        self.write(ClaimWork { work, by, now }).await
    }

    async fn release_work(&self, work: Arc<str>, by: Arc<str>) -> Result<bool, StoreError> {
        self.write(ReleaseWork { work, by }).await
    }

    async fn publish(&self, event: Published) -> Result<bool, StoreError> {
        self.write(event).await
    }

    async fn tell(&self, run: RunId, message: OutMessage) -> Result<bool, StoreError> {
        self.write(Tell { run, message }).await
    }

    async fn take_outbox(
        &self,
        channels: &[Arc<str>],
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<OutRow>, StoreError> {
        self.write(TakeOutbox { channels: crate::rules::list(channels), limit, now, until }).await
    }

    async fn outbox_tried(&self, id: Arc<str>, tried: Tried) -> Result<bool, StoreError> {
        self.write(TriedOnce { id, tried }).await
    }

    async fn outbox_again(&self, id: Arc<str>, now: Timestamp) -> Result<bool, StoreError> {
        self.write(Again { id, now }).await
    }

    async fn outbox(&self, query: OutQuery) -> Result<Vec<OutRow>, StoreError> {
        self.readers().outbox(&query)
    }

    async fn next_outbox(&self, channels: &[Arc<str>]) -> Result<Option<Timestamp>, StoreError> {
        self.readers().next_outbox(&crate::rules::list(channels))
    }

    async fn take(
        &self,
        bucket: Arc<str>,
        now: Timestamp,
        interval_us: i64,
        burst: u32,
        n: u32,
    ) -> Result<Taken, StoreError> {
        self.write(Take { bucket, now, interval_us, burst, n }).await
    }

    async fn push_back(&self, bucket: Arc<str>, until: Timestamp) -> Result<(), StoreError> {
        self.write(PushBack { bucket, until }).await
    }

    async fn cooldowns(&self) -> Result<Vec<Cooldown>, StoreError> {
        self.readers().cooldowns()
    }

    async fn answer(&self, key: Digest) -> Result<Option<KeptAnswer>, StoreError> {
        self.readers().answer(key)
    }

    async fn answers(&self, after: Option<Digest>, limit: u32) -> Result<Vec<KeptAnswer>, StoreError> {
        self.readers().answers(after, limit)
    }

    async fn forget_answers(&self, keys: Vec<Digest>) -> Result<u64, StoreError> {
        self.write(ForgetAnswers(keys)).await
    }

    async fn drop_answers(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.write(DropAnswers(now)).await
    }

    async fn end_cooldown(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        self.write(EndCooldown { scope, change }).await
    }

    async fn unfreeze(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        self.write(Unfreeze { scope, change }).await
    }

    async fn orphans(&self) -> Result<Vec<Reservation>, StoreError> {
        self.readers().orphans()
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.write(Sweep).await
    }

    async fn erase(&self, run: RunId, _now: Timestamp) -> Result<Erased, StoreError> {
        self.write(Erase(run)).await
    }

    async fn dirty_heads(&self, limit: u32) -> Result<DirtyHeads, StoreError> {
        self.read_long(move |readers| readers.dirty_heads(limit)).await
    }

    async fn add_seal(&self, seal: Seal) -> Result<Sealed, StoreError> {
        self.write(seal).await
    }

    async fn last_seal(&self) -> Result<Option<Seal>, StoreError> {
        self.readers().last_seal()
    }

    async fn seals(&self, after: u64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        self.readers().seals(after, limit)
    }

    async fn instance_id(&self) -> Result<Arc<str>, StoreError> {
        self.readers().instance_id()
    }

    async fn adopt(&self, instance: Arc<str>) -> Result<(), StoreError> {
        self.write(Adopt(instance)).await
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        self.read_long(Readers::check).await
    }
}
