//! Opening a data directory: who may, in which state it must be, and with which settings.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
};

use kernel::journal::FORMAT;
use rusqlite::{Batch, Connection, ErrorCode, OpenFlags, config::DbConfig, fallible_iterator::FallibleIterator as _};

use super::sql;
use crate::{StoreError, fault::Mutants};

/// The database's file in the data directory.
pub(super) const DATABASE: &str = "surefoot.db";

/// Held open and locked while a process uses the data directory.
const LOCK: &str = "lock";

/// Stands in the data directory after the database failed: the next start reads every page first.
pub(super) const SUSPECT: &str = "suspect";

/// Older versions can damage a database whose log is reset while another connection writes.
const LEAST_SQLITE: i32 = 3_051_003;

mod schema {
    refinery::embed_migrations!("migrations/sqlite");
}

/// The newest schema that this program knows.
pub fn newest_schema() -> u32 {
    let newest = schema::migrations::runner().get_migrations().iter().map(|migration| migration.version()).max();
    newest.and_then(|version| u32::try_from(version).ok()).unwrap_or_default()
}

/// A data directory that is ours until the lock is dropped.
pub(super) struct Opened {
    pub lock: File,
    pub writer: Connection,
    pub readers: Vec<Connection>,
}

/// Opens the data directory, makes it if only its last part is missing, and brings the schema up to date.
pub(super) fn open(dir: &Path, readers: usize, mutants: &Mutants) -> Result<Opened, StoreError> {
    let found = rusqlite::version_number();
    if found < LEAST_SQLITE {
        let detail = format!("SQLite {} is too old: {LEAST_SQLITE} is needed", rusqlite::version());
        return Err(unusable(dir, &detail));
    }
    let lock = take(dir)?;
    let file = dir.join(DATABASE);
    let mut writer = Connection::open(&file).map_err(|error| refused(dir, &error))?;
    configure(&writer, mutants).map_err(|error| refused(dir, &error))?;
    if dir.join(SUSPECT).exists() {
        examine(&writer, dir)?;
    }
    migrate(&mut writer, dir)?;
    // Asked for once a transaction has read the file: only then does the connection know what the switch came to.
    let mode: String =
        writer.query_row(sql::READ_JOURNAL_MODE, [], |row| row.get(0)).map_err(|error| refused(dir, &error))?;
    if mode != "wal" {
        return Err(unusable(dir, &format!("cannot begin a write-ahead log: journal_mode stays `{mode}`")));
    }
    let readers = (0..readers).map(|_| reader(dir).map_err(|error| refused(dir, &error))).collect::<Result<_, _>>()?;
    Ok(Opened { lock, writer, readers })
}

/// A connection that can only read.
pub(super) fn reader(dir: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(dir.join(DATABASE), flags)?;
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    plan_once(&conn)?;
    conn.execute_batch(sql::SET_READER)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

fn unusable(dir: &Path, detail: &impl ToString) -> StoreError {
    StoreError::Unusable { path: dir.display().to_string(), detail: detail.to_string() }
}

/// What an error of the database says about the directory.
fn refused(dir: &Path, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => damaged(error.to_string()),
        Some(ErrorCode::DiskFull) => StoreError::Full,
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            StoreError::Locked { path: dir.display().to_string() }
        }
        _ => unusable(dir, error),
    }
}

fn damaged(detail: String) -> StoreError {
    StoreError::Damaged { table: "file", row: DATABASE.to_owned(), detail }
}

/// The directory itself, exclusively, for as long as the file lives.
fn take(dir: &Path) -> Result<File, StoreError> {
    match std::fs::create_dir(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Err(unusable(dir, &"not a directory")),
        Err(error) => return Err(unusable(dir, &error)),
    }
    let path = dir.join(LOCK);
    let options = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let lock = options.map_err(|error| unusable(dir, &format!("cannot open {LOCK}: {error}")))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: dir.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(unusable(dir, &format!("cannot lock {LOCK}: {error}"))),
    }
}

fn configure(conn: &Connection, mutants: &Mutants) -> rusqlite::Result<()> {
    conn.busy_timeout(std::time::Duration::from_secs(5))?;
    plan_once(conn)?;
    // Each to its end: the switch to the log commits after its row, and an error there comes with the next step.
    let mut settings = Batch::new(conn, sql::SET_WRITER);
    while let Some(mut setting) = settings.next()? {
        let mut rows = setting.raw_query();
        while rows.next()?.is_some() {}
    }
    if mutants.on("sync_normal") {
        conn.execute_batch("PRAGMA synchronous = NORMAL")?;
    }
    conn.set_prepared_statement_cache_capacity(128);
    Ok(())
}

/// A plan never depends on the values that are bound. Otherwise a value that a partial index might be chosen by (`owner IS :owner`)
/// has its statement planned anew each time that it is bound, and that takes longer than running it.
fn plan_once(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(|_| ())
}

/// After the database failed, nothing is believed before every page was read.
fn examine(conn: &Connection, dir: &Path) -> Result<(), StoreError> {
    let first: String = conn.query_row(sql::QUICK_CHECK, [], |row| row.get(0)).map_err(|error| refused(dir, &error))?;
    if first != "ok" {
        return Err(damaged(first));
    }
    std::fs::remove_file(dir.join(SUSPECT)).map_err(|error| unusable(dir, &error))
}

fn migrate(conn: &mut Connection, dir: &Path) -> Result<(), StoreError> {
    let known = newest_schema();
    let path = || dir.display().to_string();
    if let Some(found) = schema_of(conn).map_err(|error| refused(dir, &error))?
        && found > known
    {
        return Err(StoreError::Newer { path: path(), found, known });
    }
    // Grouped: a migration and the note that it was made are one transaction. Between two of them a death would leave a schema
    // that the next start wants to make again, and cannot.
    let runner = schema::migrations::runner().set_grouped(true).set_abort_divergent(true).set_abort_missing(true);
    if let Err(error) = runner.run(conn) {
        return Err(unusable(dir, &format!("cannot bring its schema to version {known}: {error}")));
    }
    let format: String =
        conn.query_row(sql::READ_FORMAT, [], |row| row.get(0)).map_err(|error| refused(dir, &error))?;
    match format.parse() {
        Ok(found) if found <= FORMAT => Ok(()),
        Ok(found) => Err(StoreError::Newer { path: path(), found, known: FORMAT }),
        Err(_) => Err(damaged(format!("its format is `{format}`"))),
    }
}

/// The schema that stands there; `None` in a new database.
fn schema_of(conn: &Connection) -> rusqlite::Result<Option<u32>> {
    if !conn.table_exists(None, "refinery_schema_history")? {
        return Ok(None);
    }
    conn.query_row(sql::READ_SCHEMA, [], |row| row.get(0))
}
