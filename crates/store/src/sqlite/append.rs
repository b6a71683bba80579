//! `start` and `append`: the two verbs that write journals.

use kernel::{
    ids::RunId,
    journal::{Blob, Entry},
};
use rusqlite::{OptionalExtension as _, named_params, params};

use super::{
    cells::{int, runs_digest},
    dispatch::InboxState,
    events, guards, packed, sql,
    writer::{Db, Failure, Operation},
};
use crate::{
    Append, Appended, Guard, NewRun, RunKey, Started, Status, StoreError,
    rules::{self, Lease},
};

/// Each time that a run's journal grows past a multiple of so many entries, a mark says where.
pub(super) const MARK: u64 = 64;

impl Operation for NewRun {
    type Reply = Started;
    const VERB: &'static str = "start";

    fn apply(&self, db: &mut Db<'_>) -> Result<Started, Failure> {
        rules::start_is_sound(self)?;
        if let Some(started) = earlier(self, db)? {
            return Ok(started);
        }
        if let Some(inherited) = &self.inherited {
            let source = named_params! { ":run": inherited.of.bytes() };
            let found = db.first(sql::FIND_SOURCE, source, |row| Ok((row.get("erased")?, row.get("again")?)))?;
            let Some((erased, again)) = found else { return Err(Db::missing(inherited.of)) };
            if erased {
                return Ok(Started::Erased { run: inherited.of });
            }
            if let Some(run) = Option::filter(again, |_| inherited.again) {
                return Ok(Started::Known { run: RunId::from_bytes(run) });
            }
        }
        if !db.exists(sql::FIND_BUNDLE, named_params! { ":digest": self.bundle.bytes() })? {
            return Err(StoreError::NoBundle { bundle: self.bundle }.into());
        }
        if let Some(owner) = self.owner
            && !db.exists(sql::FIND_LIVING_WORKER, named_params! { ":worker": owner.bytes() })?
        {
            return Err(StoreError::Misuse { verb: "start", detail: format!("{owner} has no lease") }.into());
        }
        let status = if self.owner.is_some() { Status::Running } else { Status::Queued };
        let about = serde_json::to_string(&self.about).expect("texts by text are JSON: held by the type");
        let (last, fork) = (rules::last_of(self), rules::fork_of(self));
        db.execute(
            sql::ADD_RUN,
            named_params! {
                ":run": self.run.bytes(),
                ":epoch": int(last.epoch),
                ":owner": self.owner.map(|owner| owner.bytes()),
                ":head": int(last.seq),
                ":head_no": db.number(self.run),
                ":now_us": self.now.micros(),
                ":head_hash": last.hash.bytes(),
                ":status": status.as_str(),
                ":wake_at_us": self.owner.is_none().then_some(self.now.micros()),
                ":bundle": self.bundle.bytes(),
                ":tenant": &*self.tenant,
                ":workflow": &*self.workflow,
                ":input": self.input.bytes(),
                ":about": about,
                ":key": self.key,
                ":parent": self.parent.map(|parent| parent.bytes()),
                ":fork_of": fork.map(|fork| fork.run.bytes()),
                ":fork_entry": fork.map(|fork| int(fork.entry)),
                ":fork_inbox": fork.map(|fork| int(fork.inbox)),
                ":inbox": int(fork.map_or(0, |fork| fork.inbox)),
            },
        )?;
        match &self.inherited {
            None => add_entries(db, self.run, 0, std::slice::from_ref(&self.first))?,
            Some(inherited) => {
                let all: Vec<Entry> = std::iter::once(&self.first).chain(&inherited.entries).cloned().collect();
                add_entries(db, self.run, 0, &all)?;
                if inherited.again {
                    let params = named_params! { ":run": inherited.of.bytes(), ":again": self.run.bytes() };
                    db.execute(sql::TRIED_AGAIN, params)?;
                }
            }
        }
        add_blobs(db, self.run, &self.blobs)?;
        rules::keys_of(self).iter().try_for_each(|key| found_by(db, self.run, key))?;
        if let Some(key) = &self.start_key {
            db.execute(
                sql::ADD_START_KEY,
                named_params! { ":tenant": &*self.tenant, ":workflow": &*self.workflow, ":key": &**key, ":run": self.run.bytes() },
            )?;
        }
        Ok(Started::Created)
    }
}

/// What an earlier start with the same key, or the same run id, makes of this one.
fn earlier(new: &NewRun, db: &Db<'_>) -> Result<Option<Started>, Failure> {
    let by_key = match &new.start_key {
        Some(key) => db.first(
            sql::FIND_START_KEY,
            named_params! { ":tenant": &*new.tenant, ":workflow": &*new.workflow, ":key": &**key },
            |row| Ok((RunId::from_bytes(row.get(0)?), row.get(1)?)),
        )?,
        None => None,
    };
    let found = match by_key {
        Some(found) => Some(found),
        None => {
            db.first(sql::FIND_RUN_INPUT, named_params! { ":run": new.run.bytes() }, |row| Ok((new.run, row.get(0)?)))?
        }
    };
    let Some((run, input)) = found else { return Ok(None) };
    Ok(Some(if runs_digest(input) == new.input { Started::Known { run } } else { Started::Conflict { run } }))
}

/// A run's lease as it stands, or as it stood after our last append to it.
#[derive(Clone, Copy)]
pub(super) struct Standing {
    epoch: u64,
    owner: Option<[u8; 16]>,
    head: u64,
    head_no: i64,
    inbox_gen: u64,
    strikes: u32,
}

impl Operation for Append {
    type Reply = Appended;
    const VERB: &'static str = "append";

    fn apply(&self, db: &mut Db<'_>) -> Result<Appended, Failure> {
        let lease = rules::append_is_sound(self)?;
        let may_refuse = self.guards.iter().any(guards::may_refuse);
        if may_refuse {
            db.hot().savepoint.execute([])?;
        }
        let taken = self.take(db, lease);
        if may_refuse {
            // After an error of the database the whole batch is taken back, or nothing is believed any more.
            if matches!(taken, Ok(Err(_)) | Err(Failure::Refused(_))) {
                db.hot().roll_back_to.execute([])?;
            }
            if !matches!(taken, Err(Failure::Sql(_))) {
                db.hot().release.execute([])?;
            }
        }
        match taken? {
            Ok(standing) => self.follow(db, lease, &standing),
            Err(appended) => Ok(appended),
        }
    }
}

impl Append {
    /// Advances the run and applies the guards; gives how the run stood, or why not. What is written then is taken back by the caller.
    fn take(&self, db: &mut Db<'_>, lease: Lease<'_>) -> Result<Result<Standing, Appended>, Failure> {
        let standing = match self.claim_row(db, lease)? {
            Ok(standing) => standing,
            Err(appended) => return Ok(Err(appended)),
        };
        for (guard, applied) in self.guards.iter().enumerate() {
            if let Some(current) = self.guard(db, applied)? {
                return Ok(Err(Appended::Refused { guard, current }));
            }
        }
        Ok(Ok(standing))
    }

    /// Compares and advances the run's row; gives how it stood before, or why not.
    fn claim_row(&self, db: &mut Db<'_>, lease: Lease<'_>) -> Result<Result<Standing, Appended>, Failure> {
        // What we remember may be out of date. It saves a read when the compare-and-set, which names all of it, finds it true.
        if let Some(remembered) = db.remembered(self.run)
            && self.compare(db, lease, &remembered).is_none()
            && self.inbox_read.is_none_or(|read| read <= remembered.inbox_gen)
            && self.advance(db, &remembered)?
        {
            return Ok(Ok(remembered));
        }
        let read = |row: &rusqlite::Row<'_>| {
            Ok(Standing {
                epoch: row.get(0)?,
                owner: row.get(1)?,
                head: row.get(2)?,
                head_no: row.get(3)?,
                inbox_gen: row.get(4)?,
                strikes: row.get(5)?,
            })
        };
        let found = db.hot().read_lease.query_row([&self.run.bytes()[..]], read).optional()?;
        let Some(standing) = found else { return Err(Db::missing(self.run)) };
        if let Some(refused) = self.compare(db, lease, &standing) {
            return Ok(Err(refused));
        }
        if let Some(read) = self.inbox_read {
            rules::read_fits(self.run, read, standing.inbox_gen)?;
        }
        if !self.advance(db, &standing)? {
            let detail = "its lease changed while it was compared".to_owned();
            return Err(StoreError::Damaged { table: "run", row: self.run.to_string(), detail }.into());
        }
        Ok(Ok(standing))
    }

    /// Why it may not be applied to a run that stands so.
    fn compare(&self, db: &Db<'_>, lease: Lease<'_>, standing: &Standing) -> Option<Appended> {
        let leased = (standing.epoch, standing.owner) == (self.expect.epoch, Some(self.expect.owner.bytes()));
        if !(leased || db.mutants.on("no_epoch_cas")) || standing.head != self.expect.head {
            return Some(Appended::Fenced);
        }
        if matches!(lease, Lease::Suspended(_)) && db.mutants.on("suspend_without_inbox_gen") {
            return None;
        }
        self.guards.iter().enumerate().find_map(|(guard, compared)| {
            let (wanted, current) = match compared {
                Guard::InboxIs(wanted) => (*wanted, standing.inbox_gen),
                Guard::GovernanceIs(wanted) if !db.mutants.on("governance_unchecked") => (*wanted, db.generation),
                _ => return None,
            };
            (wanted != current).then_some(Appended::Refused { guard, current })
        })
    }

    /// The compare-and-set on the run's row, with everything that changes in it at every append. False: it stands otherwise,
    /// and nothing was written.
    fn advance(&self, db: &mut Db<'_>, standing: &Standing) -> Result<bool, Failure> {
        let after = self.after(db, standing);
        let changed = db.hot().advance_run.execute(params![
            int(after.head),
            after.head_no,
            self.entries.last().map(|entry| *entry.hash.bytes()),
            self.now.micros(),
            self.doing.as_deref(),
            self.inbox_read.map(int),
            self.charged,
            self.run.bytes(),
            int(standing.epoch),
            standing.owner,
            int(standing.head),
            standing.head_no,
            int(standing.inbox_gen),
            standing.strikes,
        ])?;
        Ok(changed == 1)
    }

    /// How the run stands once all is written.
    fn after(&self, db: &Db<'_>, standing: &Standing) -> Standing {
        let count = self.entries.len() as u64;
        let head_no = if count == 0 { standing.head_no } else { db.number(self.run) };
        let strikes = if self.progress { 0 } else { standing.strikes };
        Standing { head: standing.head + count, head_no, strikes, ..*standing }
    }

    /// Writes all else; the run's row has been advanced.
    fn follow(&self, db: &mut Db<'_>, lease: Lease<'_>, standing: &Standing) -> Result<Appended, Failure> {
        let after = self.after(db, standing);
        add_entries(db, self.run, standing.head_no, &self.entries)?;
        if self.progress && standing.strikes > 0 {
            db.execute(sql::CLEAR_STRIKES, named_params! { ":run": self.run.bytes() })?;
        }
        add_blobs(db, self.run, &self.blobs)?;
        for guard in &self.guards {
            // After the entries of its parent: each row of the journal has the next number.
            let Guard::StartChild(child) = guard else { continue };
            let started = child.apply(db)?;
            rules::row_fits(
                self.run,
                &format!("child {}", child.run),
                started == Started::Created,
                "is known already",
            )?;
        }
        self.give_back(db, lease)?;
        let mut heard = false;
        for guard in &self.guards {
            heard |= events::apply(db, self.run, guard)?;
        }
        if heard {
            let inbox = InboxState::read(db, self.run)?;
            let inbox_gen = inbox.map_or(standing.inbox_gen, |inbox| inbox.inbox_gen);
            return Ok(Appended::Done { inbox_gen });
        }
        if matches!(lease, Lease::Kept) {
            db.remember(self.run, after);
        }
        Ok(Appended::Done { inbox_gen: standing.inbox_gen })
    }

    /// Ends the lease where a guard says so, after all else.
    fn give_back(&self, db: &mut Db<'_>, lease: Lease<'_>) -> Result<(), Failure> {
        let run = self.run.bytes();
        match lease {
            Lease::Suspended(Guard::Suspend { status, waits_for, wake_at }) => {
                db.execute(
                    sql::SUSPEND_RUN,
                    named_params! {
                        ":status": status.as_str(),
                        ":waits_for": &**waits_for,
                        ":wake_at_us": wake_at.map(|at| at.micros()),
                        ":run": run,
                    },
                )?;
            }
            Lease::Finished(Guard::Finish { status, failure }) => {
                self.close_all(db)?;
                db.execute(
                    sql::FINISH_RUN,
                    named_params! {
                        ":status": status.as_str(),
                        ":failure": failure.as_deref(),
                        ":now_us": self.now.micros(),
                        ":run": run,
                    },
                )?;
            }
            _ => {}
        }
        Ok(())
    }
}

/// Writes entries as the row after the one that `prev` numbers.
fn add_entries(db: &mut Db<'_>, run: RunId, prev: i64, entries: &[Entry]) -> Result<(), Failure> {
    let (Some(first), Some(last)) = (entries.first(), entries.last()) else { return Ok(()) };
    let (no, seq) = (db.number(run), int(last.seq));
    let hot = db.hot();
    let count = int(entries.len() as u64);
    hot.add_entries.execute(params![no, run.bytes(), seq, count, prev, packed::pack(entries)])?;
    if (first.seq - 1) / MARK != last.seq / MARK {
        hot.add_mark.execute(params![run.bytes(), seq, no])?;
    }
    db.numbered(run, no);
    Ok(())
}

/// From now on the run is found by this.
pub(super) fn found_by(db: &Db<'_>, run: RunId, key: &RunKey) -> Result<(), Failure> {
    let Some(value) = rules::key_text(&key.value) else { return Ok(()) };
    let (kind, name) = (key.kind.as_str(), &*key.name);
    let params = named_params! { ":value": &*value, ":run": run.bytes(), ":kind": kind, ":name": name };
    db.execute(sql::ADD_RUN_KEY, params)?;
    Ok(())
}

fn add_blobs(db: &Db<'_>, run: RunId, blobs: &[Blob]) -> Result<(), Failure> {
    for blob in blobs {
        let params = named_params! { ":run": run.bytes(), ":digest": blob.digest.bytes(), ":bytes": &*blob.bytes };
        db.execute(sql::ADD_BLOB, params)?;
    }
    Ok(())
}
