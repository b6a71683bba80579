//! One database file: how it is opened and made, who works on it and when.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use kernel::{
    governance::Effect,
    ids::Digest,
    recovery::{Failure, FailureKind},
};
use rusqlite::{
    Batch, Connection, Error, ErrorCode, OpenFlags, TransactionBehavior,
    fallible_iterator::FallibleIterator as _,
    hooks::{AuthAction, AuthContext, Authorization},
    named_params,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Call, Migration, Now,
    fault::{self, Stage},
};

const CREATE_KEY: &str = include_str!("../../../sql/sqlite/create_key.sql");
const CREATE_MIGRATION: &str = include_str!("../../../sql/sqlite/create_migration.sql");
const LIST_MIGRATIONS: &str = include_str!("../../../sql/sqlite/list_migrations.sql");
const ADD_MIGRATION: &str = include_str!("../../../sql/sqlite/add_migration.sql");

/// So many calls read at once.
const READERS: usize = 4;
/// Steps of the database's machine between two looks at whether the call was given up.
const GLANCE: i32 = 1000;

/// A database file.
pub(super) struct Database {
    file: PathBuf,
    links: bool,
    migrations: Vec<Migration>,
    keys: bool,
    now: Now,
    ready: AtomicBool,
    /// SQLite has one writer: who waits here waits in order, without polling.
    writing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    writer: Mutex<Vec<Open>>,
    readers: Mutex<Vec<Open>>,
}

/// A connection that lasts longer than one call.
pub(super) struct Open {
    pub connection: Connection,
    /// While it is set, statements are the project's: none may begin or end a transaction, or name another file.
    pub guarded: Arc<AtomicBool>,
}

impl Database {
    pub(super) fn new(file: PathBuf, links: bool, migrations: Vec<Migration>, keys: bool, now: Now) -> Database {
        Database {
            file,
            links,
            migrations,
            keys,
            now,
            ready: AtomicBool::new(false),
            writing: Arc::new(Semaphore::new(1)),
            reading: Arc::new(Semaphore::new(READERS)),
            writer: Mutex::default(),
            readers: Mutex::default(),
        }
    }

    pub(super) fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    pub(super) fn file(&self) -> PathBuf {
        self.file.clone()
    }

    pub(super) fn now_us(&self) -> i64 {
        (self.now)().micros()
    }

    /// Waits until one more may work.
    pub(super) async fn turn(&self, effect: Effect) -> OwnedSemaphorePermit {
        let turns = match effect {
            Effect::Read => &self.reading,
            _ => &self.writing,
        };
        turns.clone().acquire_owned().await.expect("the semaphore is never closed")
    }

    fn pool(&self, effect: Effect) -> MutexGuard<'_, Vec<Open>> {
        let pool = match effect {
            Effect::Read => &self.readers,
            _ => &self.writer,
        };
        // A list of connections is whole whenever the lock is free.
        pool.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection for `call`: one that is open already, or a new one.
    pub(super) fn connection(&self, name: &str, effect: Effect, call: &Arc<Call>) -> Result<Open, Failure> {
        let known = self.pool(effect).pop();
        let call = call.clone();
        let patience = call.patience;
        let opened = known.map_or_else(|| self.open(effect, patience), Ok).and_then(|mut open| {
            open.connection.busy_timeout(patience)?;
            open.connection.progress_handler(GLANCE, Some(move || call.is_stopped()))?;
            Ok(open)
        });
        opened.map_err(|error| {
            let failure = fault::failure(name, Stage::Before, &error);
            let file = self.file.file_name().unwrap_or_default().to_string_lossy();
            Failure { detail: format!("{} (the file {file})", failure.detail), ..failure }
        })
    }

    /// For the next call. A connection that may be in an unknown state is dropped instead.
    pub(super) fn give_back(&self, effect: Effect, mut open: Open) {
        let whole =
            open.connection.is_autocommit() && open.connection.progress_handler(0, None::<fn() -> bool>).is_ok();
        if whole {
            self.pool(effect).push(open);
        }
    }

    fn open(&self, effect: Effect, patience: Duration) -> Result<Open, Error> {
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
        if !self.links {
            flags |= OpenFlags::SQLITE_OPEN_NOFOLLOW;
        }
        flags |= match effect {
            Effect::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
            _ => OpenFlags::SQLITE_OPEN_READ_WRITE,
        };
        // Without migrations an empty database would only hide a wrong path.
        if effect != Effect::Read && !self.migrations.is_empty() {
            flags |= OpenFlags::SQLITE_OPEN_CREATE;
        }
        let mut connection = Connection::open_with_flags(&self.file, flags)?;
        connection.busy_timeout(patience)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        match effect {
            Effect::Read => connection.pragma_update(None, "query_only", true)?,
            _ => {
                to_wal(&connection)?;
                // What was answered is on the disk.
                connection.pragma_update(None, "synchronous", "full")?;
            }
        }
        let guarded = Arc::new(AtomicBool::new(false));
        let on = guarded.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            let leaves = matches!(
                context.action,
                AuthAction::Transaction { .. }
                    | AuthAction::Savepoint { .. }
                    | AuthAction::Attach { .. }
                    | AuthAction::Detach { .. }
            );
            if leaves && on.load(Ordering::Relaxed) { Authorization::Deny } else { Authorization::Allow }
        }))?;
        Ok(Open { connection, guarded })
    }

    /// Makes what the tool needs: the migrations that are missing, and the table of keys. Called by one thread at a time.
    pub(super) fn prepare(&self, name: &str, call: &Arc<Call>) -> Result<(), Failure> {
        if self.is_ready() {
            return Ok(());
        }
        if self.keys || !self.migrations.is_empty() {
            let failed = |error: Error| fault::failure(name, Stage::Before, &error);
            let mut open = self.connection(name, Effect::Idempotent, call)?;
            if !self.migrations.is_empty() {
                self.migrate(name, &mut open)?;
            }
            if self.keys {
                open.connection.execute(CREATE_KEY, []).map_err(failed)?;
            }
            self.give_back(Effect::Idempotent, open);
        }
        self.ready.store(true, Ordering::Release);
        Ok(())
    }

    fn migrate(&self, name: &str, open: &mut Open) -> Result<(), Failure> {
        let failed = |error: Error| fault::failure(name, Stage::Before, &error);
        open.connection.execute(CREATE_MIGRATION, []).map_err(failed)?;
        for (place, migration) in self.migrations.iter().enumerate() {
            let named = |error: Error| {
                let failure = fault::failure(name, Stage::Before, &error);
                Failure { detail: format!("the migration {}: {}", migration.name, failure.detail), ..failure }
            };
            let guarded = open.guarded.clone();
            // Another process may be at the same: what it has done is seen inside the transaction.
            let begun = open.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(named)?;
            let applied = applied(&begun).map_err(named)?;
            self.in_order(name, &applied)?;
            if applied.len() > place {
                continue;
            }
            guard(&guarded, || run(&begun, &migration.text)).map_err(named)?;
            let noted = named_params! {
                ":name": &*migration.name,
                ":place": i64::try_from(place).unwrap_or(i64::MAX),
                ":digest": digest(migration),
                ":now_us": self.now_us(),
            };
            begun.execute(ADD_MIGRATION, noted).map_err(named)?;
            begun.commit().map_err(|error| fault::failure(name, Stage::Commit, &error))?;
        }
        Ok(())
    }

    /// What was applied must be the beginning of what there is.
    fn in_order(&self, name: &str, applied: &[(String, String)]) -> Result<(), Failure> {
        let wrong =
            |why: String| Err(Failure::inside(FailureKind::Internal, format!("`{name}`: {why}; nothing was done")));
        for (place, (was, digest_was)) in applied.iter().enumerate() {
            match self.migrations.get(place) {
                None => return wrong(format!("the database has the migration {was}, which the project has not")),
                Some(is) if *is.name != **was => {
                    return wrong(format!("the database has the migration {was} where the project has {}", is.name));
                }
                Some(is) if digest(is) != *digest_was => {
                    return wrong(format!("the migration {was} was changed after it was applied: write another one"));
                }
                Some(_) => {}
            }
        }
        Ok(())
    }
}

/// With a write-ahead log, readers and the writer do not wait for each other. It is a property of the file. Where it cannot be
/// had, on a file system without shared memory or while somebody else is at the file, all is as safe, and slower.
fn to_wal(connection: &Connection) -> Result<(), Error> {
    match connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(())) {
        // This switch does not wait for locks as all else does: two processes that open a new file at once meet here.
        Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy)) => Ok(()),
        done => done,
    }
}

/// Runs `work`, whose statements are the project's.
pub(super) fn guard<T>(guarded: &AtomicBool, work: impl FnOnce() -> T) -> T {
    guarded.store(true, Ordering::Relaxed);
    let done = work();
    guarded.store(false, Ordering::Relaxed);
    done
}

fn digest(migration: &Migration) -> String {
    hex::encode(Digest::of(&[migration.text.as_bytes()]).bytes())
}

fn applied(connection: &Connection) -> Result<Vec<(String, String)>, Error> {
    let mut statement = connection.prepare(LIST_MIGRATIONS)?;
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect()
}

fn run(connection: &Connection, text: &str) -> Result<(), Error> {
    let mut batch = Batch::new(connection, text);
    while let Some(mut statement) = batch.next()? {
        let mut rows = statement.raw_query();
        while rows.next()?.is_some() {}
    }
    Ok(())
}

#[cfg(test)]
impl Database {
    /// The file stays as large as it is.
    pub(super) fn no_larger(&self) {
        for open in self.pool(Effect::Idempotent).iter() {
            open.connection.pragma_update_and_check(None, "max_page_count", 1, |_| Ok(())).unwrap();
        }
    }
}
