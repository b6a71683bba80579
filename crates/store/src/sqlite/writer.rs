//! The one thread that writes. It takes what is queued, never waits for more, commits once, and answers only then.
//!
//! Because nobody else writes, a command can compare before it changes anything: one that is fenced or refused has written nothing,
//! and needs no savepoint inside the batch; only guards that compare what others of the same append write have one. A command that fails after it has written takes the whole batch back, and the batch is
//! done again with one transaction for each command, so that it fails alone.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
};

use kernel::ids::RunId;
use rusqlite::{Connection, ErrorCode, OptionalExtension as _, Params, Row, Statement};
use tokio::sync::oneshot;

use super::{append::Standing, sql};
use crate::{
    StoreError,
    fault::{Mutants, Points},
};

/// Most commands in one transaction.
const BATCH_LIMIT: usize = 1024;

/// Pages in the write-ahead log from which a checkpoint is tried: about 16 MiB.
const CHECKPOINT_PAGES: u32 = 4096;

/// Pages in the write-ahead log from which its file is cut as well: about 64 MiB.
const TRUNCATE_PAGES: u32 = 16 * 1024;

/// Why a command did not happen.
pub(super) enum Failure {
    /// By our own rules.
    Refused(StoreError),
    /// The database said no.
    Sql(rusqlite::Error),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Failure::Refused(error)
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Failure::Sql(error)
    }
}

/// One verb with its arguments.
pub(super) trait Operation: Send + 'static {
    /// What it comes to.
    type Reply: Send + 'static;

    /// For messages: "the database refused …".
    const VERB: &'static str;

    /// Applies it inside a transaction. May be called again after that transaction was taken back.
    fn apply(&self, db: &mut Db<'_>) -> Result<Self::Reply, Failure>;
}

/// What a command came to inside its transaction.
pub(super) enum Applied {
    /// It may be committed with its neighbours.
    Done,
    /// It failed after it had written: the transaction must be taken back.
    Undo,
    /// There is no room on the disk.
    Full,
    /// The database cannot be trusted any more.
    Fatal(String),
}

/// A command in the queue.
pub(super) trait Job: Send {
    /// Applies it and keeps what it came to.
    fn apply(&mut self, db: &mut Db<'_>) -> Applied;
    /// Replaces what it came to.
    fn fail(&mut self, error: StoreError);
    /// Tells the caller. Only after COMMIT.
    fn answer(&mut self);
}

struct Work<O: Operation> {
    operation: O,
    outcome: Option<Result<O::Reply, StoreError>>,
    reply: Option<oneshot::Sender<Result<O::Reply, StoreError>>>,
}

/// Where the answer to a command comes.
pub(super) type Answer<R> = oneshot::Receiver<Result<R, StoreError>>;

/// A command, and where its answer will come.
pub(super) fn job<O: Operation>(operation: O) -> (Box<dyn Job>, Answer<O::Reply>) {
    let (reply, answer) = oneshot::channel();
    (Box::new(Work { operation, outcome: None, reply: Some(reply) }), answer)
}

impl<O: Operation> Job for Work<O> {
    fn apply(&mut self, db: &mut Db<'_>) -> Applied {
        let before = db.conn.total_changes();
        match self.operation.apply(db) {
            Ok(reply) => {
                self.outcome = Some(Ok(reply));
                Applied::Done
            }
            Err(Failure::Refused(error)) => {
                self.outcome = Some(Err(error));
                if db.conn.total_changes() == before { Applied::Done } else { Applied::Undo }
            }
            Err(Failure::Sql(error)) => match trouble(&error) {
                Trouble::Full => Applied::Full,
                Trouble::Fatal => Applied::Fatal(format!("{} failed: {error}", O::VERB)),
                Trouble::Other => {
                    self.outcome = Some(Err(StoreError::Database { verb: O::VERB, source: Box::new(error) }));
                    Applied::Undo
                }
            },
        }
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome = Some(Err(error));
    }

    fn answer(&mut self) {
        if let (Some(reply), Some(outcome)) = (self.reply.take(), self.outcome.take()) {
            // The caller may have gone; what is committed stays committed.
            let _ = reply.send(outcome);
        }
    }
}

enum Trouble {
    Full,
    Fatal,
    Other,
}

/// An input/output error or a damaged page is never tried again: after a failed fsync nobody knows what the disk holds.
fn trouble(error: &rusqlite::Error) -> Trouble {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Trouble::Full,
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::OutOfMemory,
        ) => Trouble::Fatal,
        _ => Trouble::Other,
    }
}

/// The writing connection inside a transaction.
pub(super) struct Db<'c> {
    conn: &'c Connection,
    hot: Hot<'c>,
    /// Number that the next row of any run's journal gets.
    next_no: i64,
    /// The number of the newest change to what runs are judged by. Only this thread makes one.
    pub generation: u64,
    pub mutants: Mutants,
    /// Something was erased: what is freed is filled with zeros until the log, which holds it as it was, is cut.
    erasing: bool,
    /// The log is to be cut before the next answer.
    cut: bool,
    /// How runs stood after our last append to them: a hint, never believed before a compare-and-set agrees.
    remembered: HashMap<RunId, Standing>,
    /// What the appends of this transaction hold, for points that lie there.
    #[cfg(feature = "faults")]
    held: std::collections::BTreeSet<&'static str>,
    /// The next number of each run and the end of its block, where a known mistake gives numbers out in blocks.
    #[cfg(feature = "faults")]
    blocks: HashMap<RunId, std::ops::Range<i64>>,
}

/// So many numbers a run draws at once where a known mistake lets it.
#[cfg(feature = "faults")]
const BLOCK: i64 = 64;

/// Runs that are remembered at once.
const REMEMBERED_LIMIT: usize = 4096;

/// Statements of every append, prepared once. Their parameters are bound in the order in which they first appear.
pub(super) struct Hot<'c> {
    begin: Statement<'c>,
    commit: Statement<'c>,
    pub read_lease: Statement<'c>,
    pub advance_run: Statement<'c>,
    pub add_entries: Statement<'c>,
    pub add_mark: Statement<'c>,
    pub open_action: Statement<'c>,
    pub close_action: Statement<'c>,
    /// Begins what may be taken back without the rest of the batch.
    pub savepoint: Statement<'c>,
    pub roll_back_to: Statement<'c>,
    pub release: Statement<'c>,
}

/// What is known beside the database, and must be taken back with it.
#[derive(Clone, Copy)]
struct Mark {
    next_no: i64,
    generation: u64,
}

impl<'c> Db<'c> {
    fn new(conn: &'c Connection, mutants: Mutants) -> rusqlite::Result<Self> {
        let hot = Hot {
            begin: conn.prepare("BEGIN IMMEDIATE")?,
            commit: conn.prepare("COMMIT")?,
            read_lease: conn.prepare(sql::READ_LEASE)?,
            advance_run: conn.prepare(sql::ADVANCE_RUN)?,
            add_entries: conn.prepare(sql::ADD_ENTRIES)?,
            add_mark: conn.prepare(sql::ADD_MARK)?,
            open_action: conn.prepare(sql::OPEN_ACTION)?,
            close_action: conn.prepare(sql::CLOSE_ACTION)?,
            savepoint: conn.prepare("SAVEPOINT guards")?,
            roll_back_to: conn.prepare("ROLLBACK TO guards")?,
            release: conn.prepare("RELEASE guards")?,
        };
        let last: i64 = conn.query_row(sql::LAST_NO, [], |row| row.get(0))?;
        let newest = conn.query_row(sql::LAST_GOVERNANCE, [], |row| Ok((row.get(0)?, row.get(1)?)));
        let (generation, _): (u64, [u8; 32]) = newest.optional()?.unwrap_or_default();
        Ok(Db {
            conn,
            hot,
            next_no: last + 1,
            generation,
            mutants,
            erasing: false,
            cut: false,
            remembered: HashMap::new(),
            #[cfg(feature = "faults")]
            held: Default::default(),
            #[cfg(feature = "faults")]
            blocks: HashMap::new(),
        })
    }

    /// The number that the next row of this run's journal gets. Rows get theirs in the order in which they are committed: who reads
    /// on from a number misses none.
    pub fn number(&self, run: RunId) -> i64 {
        #[cfg(feature = "faults")]
        if self.mutants.on("identity_ordered_cursor") {
            let left = self.blocks.get(&run).filter(|left| !left.is_empty());
            return left.map_or(self.next_no, |left| left.start);
        }
        let _ = run;
        self.next_no
    }

    /// A row of the run was written with this number.
    pub fn numbered(&mut self, run: RunId, no: i64) {
        #[cfg(feature = "faults")]
        if self.mutants.on("identity_ordered_cursor") {
            if no == self.next_no {
                self.blocks.insert(run, no..no + BLOCK);
                self.next_no = no + BLOCK;
            }
            if let Some(left) = self.blocks.get_mut(&run) {
                left.start = no + 1;
            }
            return;
        }
        let _ = run;
        self.next_no = no + 1;
    }

    /// Remembers what the transaction holds, so that a point can lie exactly there.
    #[cfg(feature = "faults")]
    pub fn holds(&mut self, guard: &crate::Guard) {
        use crate::{Guard, OpenAction};

        let (kind, undo, step) = match guard {
            Guard::ActionOpen(OpenAction { step, .. }) | Guard::ActionResent { step, .. } => {
                ("intent", Some("undo_intent"), Some(step))
            }
            Guard::ActionClosed { step } => ("outcome", Some("undo_outcome"), Some(step)),
            Guard::ActionUnknown { .. } => ("doubt", None, None),
            Guard::Consume { .. } => ("consumption", None, None),
            _ => return,
        };
        self.held.insert(kind);
        let takes_back = step.is_some_and(|step| kernel::ids::StepPath::new(&**step).undoes().is_some());
        self.held.extend(undo.filter(|_| takes_back));
    }

    /// Nothing, without the feature `faults`.
    #[cfg(not(feature = "faults"))]
    #[inline(always)]
    pub fn holds(&mut self, _guard: &crate::Guard) {}

    fn mark(&self) -> Mark {
        Mark { next_no: self.next_no, generation: self.generation }
    }

    /// How a run stood after our last append to it; asked once.
    pub fn remembered(&mut self, run: RunId) -> Option<Standing> {
        self.remembered.remove(&run)
    }

    pub fn remember(&mut self, run: RunId, standing: Standing) {
        if self.remembered.len() >= REMEMBERED_LIMIT {
            self.remembered.clear();
        }
        self.remembered.insert(run, standing);
    }

    pub fn hot(&mut self) -> &mut Hot<'c> {
        &mut self.hot
    }

    /// Executes a statement that is kept prepared; gives the number of rows changed.
    pub fn execute(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.conn.prepare_cached(sql)?.execute(params)
    }

    /// The first row, if there is one.
    pub fn first<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Option<T>> {
        self.conn.prepare_cached(sql)?.query_row(params, read).optional()
    }

    /// Whether there is a row.
    pub fn exists(&self, sql: &str, params: impl Params) -> rusqlite::Result<bool> {
        self.conn.prepare_cached(sql)?.exists(params)
    }

    /// All rows.
    pub fn all<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<Vec<T>> {
        self.conn.prepare_cached(sql)?.query_map(params, read)?.collect()
    }

    /// Pretends that the disk ends after so many pages.
    #[cfg(feature = "faults")]
    pub fn limit_pages(&self, pages: u32) -> rusqlite::Result<()> {
        self.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))
    }

    /// From now on what is freed is filled with zeros, and the log is cut before this is answered.
    pub fn erase_for_good(&mut self) -> rusqlite::Result<()> {
        self.first(sql::SET_SECURE_DELETE, [], |row| row.get::<_, i64>(0))?;
        (self.erasing, self.cut) = (true, true);
        Ok(())
    }

    /// A run that a statement should have found.
    pub fn missing(run: RunId) -> Failure {
        Failure::Refused(StoreError::NoRun { run })
    }
}

/// What the writer thread is given.
pub(super) struct Writer {
    pub conn: Connection,
    pub jobs: mpsc::Receiver<Box<dyn Job>>,
    pub mutants: Mutants,
    pub points: Points,
    /// Called once, after every waiting caller was told, when the database cannot be trusted any more.
    pub on_fatal: Box<dyn Fn(String) + Send>,
    /// Commits so far, for benchmarks.
    pub commits: Arc<std::sync::atomic::AtomicU64>,
}

impl Writer {
    /// Runs until the queue is closed or the database fails.
    pub fn run(mut self) {
        let pages = Arc::new(AtomicU32::new(0));
        let seen = pages.clone();
        let hooked = self.conn.wal_hook(Some(move |_: &mut rusqlite::hooks::Wal, count: i32| {
            seen.store(count.unsigned_abs(), Ordering::Relaxed);
            Ok(())
        }));
        let mut batch = Vec::with_capacity(BATCH_LIMIT);
        let ended = match hooked.and_then(|()| Db::new(&self.conn, self.mutants.clone())) {
            Ok(mut db) => {
                let mut state = Loop { writer: &self, db: &mut db, pages: &pages, checkpoint_at: CHECKPOINT_PAGES };
                // A panic here is a bug of ours; the callers must not wait for ever.
                let run = std::panic::AssertUnwindSafe(|| state.run(&mut batch));
                std::panic::catch_unwind(run).unwrap_or_else(|_| Err("the writer panicked".to_owned()))
            }
            Err(error) => Err(format!("cannot prepare statements: {error}")),
        };
        if let Err(detail) = ended {
            let stopped = || StoreError::Stopped { detail: detail.clone() };
            for mut job in batch.drain(..).chain(std::iter::from_fn(|| self.jobs.try_recv().ok())) {
                job.fail(stopped());
                job.answer();
            }
            tracing::error!(detail, "the store has failed");
            (self.on_fatal)(detail);
        }
    }
}

struct Loop<'w, 'c> {
    writer: &'w Writer,
    db: &'w mut Db<'c>,
    pages: &'w AtomicU32,
    checkpoint_at: u32,
}

/// A transaction that did not come to its end.
enum Broken {
    /// Taken back: each command gets a transaction of its own.
    Undone,
    /// As [`Applied::Fatal`].
    Fatal(String),
}

impl Loop<'_, '_> {
    fn run(&mut self, batch: &mut Vec<Box<dyn Job>>) -> Result<(), String> {
        while let Ok(first) = self.writer.jobs.recv() {
            batch.push(first);
            match self.batch(batch) {
                Ok(()) => {}
                Err(Broken::Undone) => self.one_by_one(batch)?,
                Err(Broken::Fatal(detail)) => return Err(detail),
            }
            if self.reach("after_commit_before_reply") || self.reach_held("after_commit_of_") {
                return Err("an armed point made an input/output error after COMMIT".to_owned());
            }
            if self.db.cut {
                self.checkpoint()?;
            }
            batch.drain(..).for_each(|mut job| job.answer());
            self.checkpoint()?;
        }
        Ok(())
    }

    /// Applies the first command and all that come while it goes on, in one transaction.
    fn batch(&mut self, batch: &mut Vec<Box<dyn Job>>) -> Result<(), Broken> {
        let mark = self.db.mark();
        match self.begin() {
            Ok(()) => {}
            Err(Trouble::Other) => return Err(Broken::Undone),
            Err(_) => return Err(Broken::Fatal("BEGIN failed".to_owned())),
        }
        let mut at = 0;
        while at < batch.len() {
            match batch[at].apply(self.db) {
                Applied::Done => {}
                Applied::Undo | Applied::Full => {
                    self.roll_back(mark).map_err(Broken::Fatal)?;
                    return Err(Broken::Undone);
                }
                Applied::Fatal(detail) => return Err(Broken::Fatal(detail)),
            }
            at += 1;
            if at == batch.len() && at < BATCH_LIMIT {
                batch.extend(self.writer.jobs.try_recv().ok());
            }
        }
        self.commit(batch, mark)
    }

    fn commit(&mut self, batch: &mut [Box<dyn Job>], mark: Mark) -> Result<(), Broken> {
        if self.db.mutants.on("ack_before_commit") {
            batch.iter_mut().for_each(|job| job.answer());
        }
        if self.reach("before_commit") || self.reach_held("before_commit_of_") {
            return Err(Broken::Fatal("an armed point made an input/output error before COMMIT".to_owned()));
        }
        if self.is_full() {
            self.roll_back(mark).map_err(Broken::Fatal)?;
            return Err(Broken::Undone);
        }
        match self.db.hot.commit.execute([]) {
            Ok(_) => {
                self.writer.commits.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            Err(error) if matches!(trouble(&error), Trouble::Full) => {
                self.roll_back(mark).map_err(Broken::Fatal)?;
                Err(Broken::Undone)
            }
            Err(error) => Err(Broken::Fatal(format!("COMMIT failed: {error}"))),
        }
    }

    /// A transaction for each command, so that only the one that fails fails.
    fn one_by_one(&mut self, batch: &mut [Box<dyn Job>]) -> Result<(), String> {
        for job in batch {
            let mark = self.db.mark();
            if let Err(trouble) = self.begin() {
                match trouble {
                    Trouble::Full => job.fail(StoreError::Full),
                    Trouble::Other => job.fail(StoreError::Stopped { detail: "another process writes".to_owned() }),
                    Trouble::Fatal => return Err("BEGIN failed".to_owned()),
                }
                continue;
            }
            match job.apply(self.db) {
                Applied::Done => match self.commit(std::slice::from_mut(job), mark) {
                    Ok(()) => {}
                    Err(Broken::Undone) => job.fail(StoreError::Full),
                    Err(Broken::Fatal(detail)) => return Err(detail),
                },
                Applied::Undo => self.roll_back(mark)?,
                Applied::Full => {
                    self.roll_back(mark)?;
                    job.fail(StoreError::Full);
                }
                Applied::Fatal(detail) => return Err(detail),
            }
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), Trouble> {
        self.db.hot.begin.execute([]).map_err(|error| {
            tracing::warn!(%error, "cannot begin a transaction");
            trouble(&error)
        })?;
        #[cfg(feature = "faults")]
        self.db.held.clear();
        if self.reach("after_begin") { Err(Trouble::Fatal) } else { Ok(()) }
    }

    fn roll_back(&mut self, mark: Mark) -> Result<(), String> {
        (self.db.next_no, self.db.generation) = (mark.next_no, mark.generation);
        #[cfg(feature = "faults")]
        self.db.blocks.retain(|_, left| left.end <= mark.next_no);
        // SQLite may have rolled back by itself.
        if self.db.conn.is_autocommit() {
            return Ok(());
        }
        self.db.conn.execute_batch("ROLLBACK").map_err(|error| format!("ROLLBACK failed: {error}"))
    }

    /// Between batches, on the only writing connection: nothing can append while the log is reset.
    fn checkpoint(&mut self) -> Result<(), String> {
        let pages = self.pages.load(Ordering::Relaxed);
        if pages < self.checkpoint_at && !std::mem::take(&mut self.db.cut) {
            return Ok(());
        }
        if self.reach("before_checkpoint") {
            return Err("an armed point made an input/output error before a checkpoint".to_owned());
        }
        let cut = pages >= TRUNCATE_PAGES || self.db.erasing;
        let (mode, sql) =
            if cut { ("TRUNCATE", sql::CHECKPOINT_TRUNCATE) } else { ("PASSIVE", sql::CHECKPOINT_PASSIVE) };
        let counts =
            self.db.first(sql, [], |row| Ok((row.get::<_, bool>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)));
        match counts {
            // A reader may hold pages back; then it is tried again after as many pages more.
            Ok(Some((busy, log, done))) if log == done => {
                self.checkpoint_at = CHECKPOINT_PAGES;
                if !busy {
                    self.stop_erasing()?;
                }
            }
            Ok(_) => self.checkpoint_at = pages + CHECKPOINT_PAGES,
            Err(error) => match trouble(&error) {
                Trouble::Fatal => return Err(format!("a {mode} checkpoint failed: {error}")),
                // What is in the log is durable; its pages can move later, when there is room again.
                Trouble::Full | Trouble::Other => self.checkpoint_at = pages + CHECKPOINT_PAGES,
            },
        }
        self.pages.store(0, Ordering::Relaxed);
        Ok(())
    }

    /// The log that held what was erased is cut.
    fn stop_erasing(&mut self) -> Result<(), String> {
        if std::mem::take(&mut self.db.erasing) {
            let unset = self.db.first(sql::UNSET_SECURE_DELETE, [], |row| row.get::<_, i64>(0));
            unset.map_err(|error| format!("secure_delete cannot be changed: {error}"))?;
        }
        Ok(())
    }

    fn reach(&self, point: &str) -> bool {
        self.writer.points.reach(point)
    }

    /// Whether one of the points makes an error that lie at what the transaction holds.
    #[cfg(feature = "faults")]
    fn reach_held(&self, point: &str) -> bool {
        self.db.held.iter().fold(false, |error, kind| error | self.reach(&format!("{point}{kind}")))
    }

    /// Whether the disk is to be full for what the transaction holds.
    #[cfg(feature = "faults")]
    fn is_full(&self) -> bool {
        let points = &self.writer.points;
        self.db.held.iter().fold(false, |full, kind| full | points.full(&format!("before_commit_of_{kind}")))
    }

    /// None, without the feature `faults`.
    #[cfg(not(feature = "faults"))]
    #[inline(always)]
    fn reach_held(&self, _point: &str) -> bool {
        false
    }

    /// Not by our doing, without the feature `faults`.
    #[cfg(not(feature = "faults"))]
    #[inline(always)]
    fn is_full(&self) -> bool {
        false
    }
}
