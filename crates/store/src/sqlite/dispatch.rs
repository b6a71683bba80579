//! The verbs that move runs between workers, and the ones that wake them.

use std::sync::Arc;

use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::Head,
    values::{Span, Timestamp},
};
use rusqlite::named_params;

use super::{
    cells::int,
    sql,
    writer::{Db, Failure, Operation},
};
use crate::{
    Beat, Claimed, LateResult, Message, Posted, STRIKES, Status,
    rules::{self, LAST_STRIKE, QUARANTINE},
};

pub(super) struct Claim {
    pub worker: WorkerId,
    pub limit: u32,
    pub now: Timestamp,
}

impl Claim {
    /// Due runs whose strikes stand in a range, with the time they are due since.
    fn due(&self, db: &Db<'_>, strikes: (u32, u32), limit: u32) -> Result<Vec<(i64, Claimed)>, Failure> {
        let params = named_params! {
            ":now_us": self.now.micros(),
            ":least": strikes.0,
            ":most": strikes.1,
            ":limit": limit,
        };
        let due = db.all(sql::DUE_RUNS, params, |row| {
            let claimed = Claimed {
                run: RunId::from_bytes(row.get("id")?),
                epoch: row.get::<_, u64>("epoch")? + 1,
                head: Head { seq: row.get("head")?, hash: Digest::from_bytes(row.get("head_hash")?) },
                bundle: Digest::from_bytes(row.get("bundle")?),
                tenant: row.get::<_, String>("tenant")?.into(),
                inbox_gen: row.get("inbox_gen")?,
                key: row.get("key")?,
            };
            Ok((row.get("wake_at_us")?, claimed))
        })?;
        Ok(due)
    }
}

impl Operation for Claim {
    type Reply = Vec<Claimed>;
    const VERB: &'static str = "claim";

    fn apply(&self, db: &mut Db<'_>) -> Result<Vec<Claimed>, Failure> {
        let worker = self.worker.bytes();
        if !db.exists(sql::FIND_LIVING_WORKER, named_params! { ":worker": worker })? {
            return Ok(Vec::new());
        }
        let mut due = self.due(db, (0, LAST_STRIKE - 1), self.limit)?;
        let params = named_params! { ":worker": worker, ":last_strike": LAST_STRIKE };
        if !db.exists(sql::OWNS_SUSPECT, params)? {
            due.extend(self.due(db, (LAST_STRIKE, u32::MAX), 1)?);
            due.sort_unstable_by_key(|(wake_at, claimed)| (*wake_at, claimed.run));
            due.truncate(self.limit as usize);
        }
        for (_, claimed) in &due {
            db.execute(
                sql::CLAIM_RUN,
                named_params! { ":run": claimed.run.bytes(), ":worker": worker, ":now_us": self.now.micros() },
            )?;
        }
        Ok(due.into_iter().map(|(_, claimed)| claimed).collect())
    }
}

pub(super) struct Post {
    pub run: RunId,
    pub message: Message,
    pub pardon: bool,
}

/// What is looked at before a message is written.
pub(super) struct InboxState {
    status: String,
    pub owner: Option<[u8; 16]>,
    pub inbox_gen: u64,
    inbox_read: u64,
    erased: bool,
}

impl InboxState {
    /// `None`: there is no such run.
    pub fn read(db: &Db<'_>, run: RunId) -> Result<Option<InboxState>, Failure> {
        let read = |row: &rusqlite::Row<'_>| {
            let (status, owner) = (row.get(0)?, row.get(1)?);
            Ok(InboxState { status, owner, inbox_gen: row.get(2)?, inbox_read: row.get(3)?, erased: row.get(4)? })
        };
        Ok(db.first(sql::READ_INBOX_STATE, named_params! { ":run": run.bytes() }, read)?)
    }

    /// How the run ended, if it has.
    pub fn ended(&self) -> Option<Status> {
        self.status().filter(|status| status.is_final())
    }

    /// How the run stands, if that can be read.
    pub fn status(&self) -> Option<Status> {
        Status::parse(&self.status)
    }

    /// Whether what the run held was erased.
    pub fn erased(&self) -> bool {
        self.erased
    }

    /// How many messages it has not read.
    pub fn unread(&self) -> u64 {
        self.inbox_gen.saturating_sub(self.inbox_read)
    }

    /// Adds a message and wakes the run if nobody owns it, unless it shall sleep on; gives the message's number.
    pub fn receive(
        &self,
        db: &Db<'_>,
        run: RunId,
        message: &Message,
        (pardon, wake): (bool, bool),
    ) -> Result<u64, Failure> {
        let seq = self.inbox_gen + 1;
        db.execute(
            sql::ADD_MESSAGE,
            named_params! {
                ":run": run.bytes(),
                ":seq": int(seq),
                ":id": &*message.id,
                ":kind": &*message.kind,
                ":name": &*message.name,
                ":sender": &*message.sender,
                ":body": &*message.body,
                ":at_us": message.at.micros(),
            },
        )?;
        let params = named_params! {
            ":now_us": message.at.micros(),
            ":pardon": pardon,
            ":wake": wake,
            ":run": run.bytes(),
        };
        db.execute(sql::WAKE_RUN, params)?;
        Ok(seq)
    }
}

/// The number of a message that the run has had already.
pub(super) fn find_message(db: &Db<'_>, run: RunId, id: &str) -> Result<Option<u64>, Failure> {
    Ok(db.first(sql::FIND_MESSAGE, named_params! { ":run": run.bytes(), ":id": id }, |row| row.get(0))?)
}

impl Operation for Post {
    type Reply = Posted;
    const VERB: &'static str = "post";

    fn apply(&self, db: &mut Db<'_>) -> Result<Posted, Failure> {
        let Some(inbox) = InboxState::read(db, self.run)? else { return Err(Db::missing(self.run)) };
        if let Some(seq) = find_message(db, self.run, &self.message.id)? {
            return Ok(Posted::Known { seq });
        }
        if let Some(status) = inbox.ended() {
            return Ok(Posted::Final { status });
        }
        let unread = inbox.unread();
        if unread >= rules::unread_limit(&self.message) {
            return Ok(Posted::Crowded { unread });
        }
        let seq = inbox.receive(db, self.run, &self.message, (self.pardon, true))?;
        Ok(Posted::New { seq, owner: inbox.owner.map(WorkerId::from_bytes) })
    }
}

pub(super) struct Join {
    pub worker: WorkerId,
    pub lease: Span,
    pub now: Timestamp,
}

impl Operation for Join {
    type Reply = ();
    const VERB: &'static str = "join";

    fn apply(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        // The data directory admits one process, so every older worker is dead by definition.
        let others = named_params! { ":worker": self.worker.bytes() };
        for other in db.all(sql::OTHER_LIVING_WORKERS, others, |row| row.get(0))? {
            bury(db, other, true, self.now)?;
        }
        db.execute(sql::FREE_BLOCKED_RUNS, named_params! { ":now_us": self.now.micros() })?;
        db.execute(
            sql::ADD_WORKER,
            named_params! {
                ":worker": self.worker.bytes(),
                ":now_us": self.now.micros(),
                ":lease_until_us": (self.now + self.lease).micros(),
            },
        )?;
        Ok(())
    }
}

/// Declares a worker dead and takes its runs away; gives how many.
fn bury(db: &Db<'_>, worker: [u8; 16], died: bool, now: Timestamp) -> Result<u64, Failure> {
    db.execute(sql::BURY_WORKER, named_params! { ":worker": worker, ":now_us": now.micros() })?;
    let strike = died && !db.mutants.on("no_strike");
    let step = !db.mutants.on("reap_without_epoch");
    #[cfg(feature = "faults")]
    if died && db.mutants.on("reservation_released_on_crash") {
        super::guards::release_all(db, worker)?;
    }
    let released = db.execute(
        sql::RELEASE_RUNS,
        named_params! {
            ":step": step,
            ":strike": strike,
            ":now_us": now.micros(),
            ":most": STRIKES,
            ":quarantine": QUARANTINE,
            ":worker": worker,
        },
    )?;
    if died && db.mutants.on("terminal_overwritten") {
        db.execute(sql::REVIVE_RUNS, named_params! { ":now_us": now.micros() })?;
    }
    Ok(released as u64)
}

pub(super) struct Pulse {
    pub worker: WorkerId,
    pub lease: Span,
    pub now: Timestamp,
}

impl Operation for Pulse {
    type Reply = Beat;
    const VERB: &'static str = "beat";

    fn apply(&self, db: &mut Db<'_>) -> Result<Beat, Failure> {
        let worker = self.worker.bytes();
        let lease_until = (self.now + self.lease).micros();
        if db.execute(sql::BEAT_WORKER, named_params! { ":lease_until_us": lease_until, ":worker": worker })? == 0 {
            return Ok(Beat::Dead);
        }
        let unread =
            db.all(sql::UNREAD_RUNS, named_params! { ":worker": worker }, |row| Ok(RunId::from_bytes(row.get(0)?)))?;
        Ok(Beat::Alive { unread })
    }
}

pub(super) struct Leave {
    pub worker: WorkerId,
    pub now: Timestamp,
}

impl Operation for Leave {
    type Reply = ();
    const VERB: &'static str = "leave";

    fn apply(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        bury(db, self.worker.bytes(), false, self.now).map(drop)
    }
}

pub(super) struct Reap {
    pub now: Timestamp,
}

impl Operation for Reap {
    type Reply = u64;
    const VERB: &'static str = "reap";

    fn apply(&self, db: &mut Db<'_>) -> Result<u64, Failure> {
        let mut released = 0;
        for worker in db.all(sql::ENDED_WORKERS, named_params! { ":now_us": self.now.micros() }, |row| row.get(0))? {
            released += bury(db, worker, true, self.now)?;
        }
        Ok(released)
    }
}

pub(super) struct PutBundle {
    pub digest: Digest,
    pub bytes: Arc<[u8]>,
    pub now: Timestamp,
}

impl Operation for PutBundle {
    type Reply = ();
    const VERB: &'static str = "put_bundle";

    fn apply(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        let params = named_params! {
            ":digest": self.digest.bytes(),
            ":bytes": &*self.bytes,
            ":now_us": self.now.micros(),
        };
        db.execute(sql::PUT_BUNDLE, params)?;
        Ok(())
    }
}

impl Operation for LateResult {
    type Reply = ();
    const VERB: &'static str = "salvage";

    fn apply(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        let Some(inbox) = InboxState::read(db, self.run)? else { return Err(Db::missing(self.run)) };
        if inbox.erased {
            return Ok(());
        }
        let message = rules::late_message(self);
        if inbox.ended().is_none()
            && inbox.unread() < rules::unread_limit(&message)
            && find_message(db, self.run, &message.id)?.is_none()
        {
            inbox.receive(db, self.run, &message, (false, inbox.status() != Some(Status::Blocked)))?;
        }
        db.execute(
            sql::ADD_LATE_RESULT,
            named_params! {
                ":run": self.run.bytes(),
                ":step": &*self.step,
                ":epoch": int(self.epoch),
                ":attempt": self.attempt,
                ":outcome": &*self.outcome,
                ":at_us": self.at.micros(),
            },
        )?;
        Ok(())
    }
}

/// What the writing connection really runs with.
pub(super) struct AskSettings;

impl Operation for AskSettings {
    type Reply = super::Settings;
    const VERB: &'static str = "settings";

    fn apply(&self, db: &mut Db<'_>) -> Result<super::Settings, Failure> {
        let number = |sql: &str| db.first(sql, [], |row| row.get::<_, i64>(0));
        let journal_mode = db.first(sql::READ_JOURNAL_MODE, [], |row| row.get::<_, String>(0))?;
        Ok(super::Settings {
            sqlite: rusqlite::version().to_owned(),
            journal_mode: journal_mode.unwrap_or_default(),
            synchronous: number(sql::READ_SYNCHRONOUS)?.unwrap_or_default(),
        })
    }
}

/// Pretends that the disk is small.
#[cfg(feature = "faults")]
pub(super) struct LimitPages(pub u32);

#[cfg(feature = "faults")]
impl Operation for LimitPages {
    type Reply = ();
    const VERB: &'static str = "limit_pages";

    fn apply(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        Ok(db.limit_pages(self.0)?)
    }
}
