//! What the bare device and the bare database do on this machine: the floor under every other figure.

use std::{fs::File, io::Write as _, path::Path, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use super::rate;
use crate::error::CliError;

const LONG: Duration = Duration::from_millis(400);

/// Rates of fdatasync, and of a database like ours with a row, 64 rows and 640 rows a commit.
pub(super) fn all(dir: &Path) -> Result<serde_json::Value, CliError> {
    let io = |error| CliError::io("the device cannot be measured", error);
    let mut file = File::create(dir.join("probe")).map_err(io)?;
    let (begun, mut count) = (Instant::now(), 0);
    while begun.elapsed() < LONG {
        file.write_all(&[7; 4096]).and_then(|()| file.sync_data()).map_err(io)?;
        count += 1;
    }
    let fdatasync = rate(count, begun.elapsed());
    let sqlite = |rows| {
        rows_per_second(dir, rows)
            .map_err(|error| CliError::internal("the database cannot be measured").caused_by(error))
    };
    Ok(json!({
        "bench": "floor",
        "fdatasync_per_s": fdatasync,
        "sqlite_rows_per_s_1_a_commit": sqlite(1)?,
        "sqlite_rows_per_s_64_a_commit": sqlite(64)?,
        "sqlite_rows_per_s_640_a_commit": sqlite(640)?,
    }))
}

/// Rows of 300 bytes, so many a commit, write-ahead log, `synchronous=FULL`.
fn rows_per_second(dir: &Path, rows: u64) -> Result<f64, rusqlite::Error> {
    let path = dir.join(format!("probe-{rows}.db"));
    let mut conn = rusqlite::Connection::open(&path)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    conn.pragma_update(None, "synchronous", "full")?;
    conn.execute_batch(
        "CREATE TABLE entry (run BLOB, seq INTEGER, body BLOB, PRIMARY KEY (run, seq)) WITHOUT ROWID, STRICT",
    )?;
    let body = [7_u8; 300];
    let (begun, mut count) = (Instant::now(), 0_u64);
    while begun.elapsed() < LONG {
        let commit = conn.transaction()?;
        {
            let mut insert = commit.prepare_cached("INSERT INTO entry VALUES (?1, ?2, ?3)")?;
            for _ in 0..rows {
                insert.execute((&count.to_be_bytes()[..], i64::try_from(count).unwrap_or(i64::MAX), &body[..]))?;
                count += 1;
            }
        }
        commit.commit()?;
    }
    Ok(rate(count, begun.elapsed()))
}
