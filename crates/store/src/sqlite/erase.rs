//! Erasure: what a run held is gone from its rows and from the log; its chain still verifies.
//!
//! Everything is overwritten where it stands, without moving rows; the writer fills with zeros what a page no longer holds. What an
//! earlier version, which did not, left in unused parts of pages is not reached: only a rebuild of the whole file (`VACUUM`) does that.

use kernel::ids::RunId;
use rusqlite::named_params;

use super::{
    dispatch::InboxState,
    packed, sql,
    writer::{Db, Failure, Operation},
};
use crate::{Erased, StoreError};

pub(super) struct Erase(pub RunId);

impl Operation for Erase {
    type Reply = Erased;
    const VERB: &'static str = "erase";

    fn apply(&self, db: &mut Db<'_>) -> Result<Erased, Failure> {
        let Some(inbox) = InboxState::read(db, self.0)? else { return Err(Db::missing(self.0)) };
        let status = inbox.status().ok_or_else(|| StoreError::Damaged {
            table: "run",
            row: self.0.to_string(),
            detail: "its status is none".to_owned(),
        })?;
        if !status.is_final() {
            return Ok(Erased::NotOver { status });
        }
        // What is overwritten and freed is filled with zeros, and the log, which holds it as it was, is cut after the commit.
        db.erase_for_good()?;
        self.journal(db)?;
        let run = self.0.bytes();
        for statement in [
            sql::ZERO_BLOBS,
            sql::ZERO_INBOX,
            sql::ZERO_LATE_RESULTS,
            sql::ZERO_APPROVALS,
            sql::ZERO_WORK,
            sql::ZERO_OUTBOX,
            sql::ZERO_OUTCOMES,
            sql::ERASE_BLOBS,
            sql::ERASE_INBOX,
            sql::ERASE_LATE_RESULTS,
            sql::ERASE_APPROVALS,
            sql::ERASE_VOTES,
            sql::ERASE_START_KEYS,
            sql::ERASE_RUN_KEYS,
            sql::ERASE_WORK,
            sql::ERASE_OUTBOX,
            sql::ERASE_OUTCOMES,
            sql::ERASE_EVENTS,
            sql::ERASE_ANSWERS,
            sql::ERASE_RUN_KEY,
        ] {
            db.execute(statement, named_params! { ":run": run })?;
        }
        Ok(Erased::Done)
    }
}

impl Erase {
    /// Rewrites the run's rows of the journal, from the last to the first.
    fn journal(&self, db: &Db<'_>) -> Result<(), Failure> {
        let head = db.first(sql::READ_HEAD, named_params! { ":run": self.0.bytes() }, |row| row.get("head_no"))?;
        let mut no: i64 = head.unwrap_or(0);
        while no > 0 {
            let broken = |detail: String| StoreError::Damaged { table: "journal", row: no.to_string(), detail };
            let row = db.first(sql::READ_ENTRIES, named_params! { ":no": no }, |row| {
                let of: [u8; 16] = row.get("run")?;
                let (seq, count): (u64, u64) = (row.get("seq")?, row.get("count")?);
                Ok((RunId::from_bytes(of), seq, count, row.get::<_, i64>("prev")?, row.get::<_, Vec<u8>>("entries")?))
            })?;
            let Some((of, seq, count, prev, mut bytes)) = row else {
                return Err(broken(format!("entries of run {} are not there", self.0)).into());
            };
            if of != self.0 {
                return Err(broken(format!("belongs to run {of}, the chain of run {} comes here", self.0)).into());
            }
            packed::unpack(&bytes, seq, count).map_err(broken)?;
            packed::erase(&mut bytes);
            db.execute(sql::ERASE_ENTRIES, named_params! { ":no": no, ":entries": bytes })?;
            no = prev;
        }
        Ok(())
    }
}
