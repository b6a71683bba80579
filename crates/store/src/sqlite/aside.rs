//! The verbs beside runs: what came of them, work for people, messages that leave, rate limits, frozen sums, seals.

use std::sync::Arc;

use kernel::{
    ids::{Digest, RunId},
    values::Timestamp,
};
use rusqlite::named_params;

use super::{
    cells::int,
    dispatch::InboxState,
    guards, sql,
    writer::{Db, Failure, Operation},
};
use crate::{
    Change, OutMessage, OutRow, OutState, OutcomeSaid, RunOutcome, SWEPT_AT_ONCE, Seal, Sealed, Taken, Tried,
    WorkClaimed, rules,
};

pub(super) struct ClaimWork {
    pub work: Arc<str>,
    pub by: Arc<str>,
    pub now: Timestamp,
}

impl Operation for ClaimWork {
    type Reply = WorkClaimed;
    const VERB: &'static str = "claim_work";

    fn apply(&self, db: &mut Db<'_>) -> Result<WorkClaimed, Failure> {
        let found = db.first(sql::FIND_WORK, named_params! { ":id": &*self.work }, |row| {
            Ok((row.get::<_, Option<String>>(0)?, row.get::<_, bool>(1)?))
        })?;
        match found {
            None => return Ok(WorkClaimed::Missing),
            Some((_, true)) => return Ok(WorkClaimed::Closed),
            Some((Some(by), _)) if *by == *self.by => return Ok(WorkClaimed::Yes),
            Some((Some(by), _)) => return Ok(WorkClaimed::Taken { by: by.into() }),
            Some((None, false)) => {}
        }
        let params = named_params! { ":by": &*self.by, ":now_us": self.now.micros(), ":id": &*self.work };
        db.execute(sql::CLAIM_WORK, params)?;
        Ok(WorkClaimed::Yes)
    }
}

pub(super) struct ReleaseWork {
    pub work: Arc<str>,
    pub by: Arc<str>,
}

impl Operation for ReleaseWork {
    type Reply = bool;
    const VERB: &'static str = "release_work";

    fn apply(&self, db: &mut Db<'_>) -> Result<bool, Failure> {
        Ok(db.execute(sql::RELEASE_WORK, named_params! { ":id": &*self.work, ":by": &*self.by })? > 0)
    }
}

impl Operation for RunOutcome {
    type Reply = OutcomeSaid;
    const VERB: &'static str = "say_outcome";

    fn apply(&self, db: &mut Db<'_>) -> Result<OutcomeSaid, Failure> {
        rules::outcome_is_short(self)?;
        let Some(inbox) = InboxState::read(db, self.run)? else { return Err(Db::missing(self.run)) };
        match inbox.status() {
            Some(status) if !status.is_final() => return Ok(OutcomeSaid::NotOver { status }),
            _ if inbox.erased() => return Ok(OutcomeSaid::Erased),
            _ => {}
        }
        let params = named_params! {
            ":run": self.run.bytes(),
            ":by": &*self.by,
            ":auth": &*self.auth,
            ":correct": self.right,
            ":because": &*self.because,
            ":at_us": self.at.micros(),
        };
        db.execute(sql::SAY_OUTCOME, params)?;
        Ok(OutcomeSaid::Done)
    }
}

/// Keeps a message that is to leave; `false`: its id is taken.
pub(super) fn send(db: &Db<'_>, run: RunId, message: &OutMessage) -> Result<bool, Failure> {
    let params = named_params! {
        ":id": &*message.id,
        ":run": run.bytes(),
        ":channel": &*message.channel,
        ":at_us": message.at.micros(),
        ":due_at_us": message.due_at.micros(),
        ":body": &*message.body,
    };
    Ok(db.execute(sql::ADD_OUT_MESSAGE, params)? > 0)
}

/// A message that no append causes.
pub(super) struct Tell {
    pub run: RunId,
    pub message: OutMessage,
}

impl Operation for Tell {
    type Reply = bool;
    const VERB: &'static str = "tell";

    fn apply(&self, db: &mut Db<'_>) -> Result<bool, Failure> {
        let Some(inbox) = InboxState::read(db, self.run)? else { return Err(Db::missing(self.run)) };
        if inbox.ended().is_some() {
            return Ok(false);
        }
        send(db, self.run, &self.message)
    }
}

/// Messages that one sender tries now.
pub(super) struct TakeOutbox {
    /// A JSON list.
    pub channels: String,
    pub limit: u32,
    pub now: Timestamp,
    pub until: Timestamp,
}

impl Operation for TakeOutbox {
    type Reply = Vec<OutRow>;
    const VERB: &'static str = "take_outbox";

    fn apply(&self, db: &mut Db<'_>) -> Result<Vec<OutRow>, Failure> {
        let params = named_params! {
            ":now_us": self.now.micros(),
            ":channels": self.channels,
            ":limit": self.limit,
        };
        let due = db.all(sql::DUE_OUT_MESSAGES, params, |row| {
            Ok(OutRow {
                id: row.get::<_, String>("id")?.into(),
                run: RunId::from_bytes(row.get("run")?),
                channel: row.get::<_, String>("channel")?.into(),
                body: row.get::<_, Option<Vec<u8>>>("body")?.map(Into::into),
                at: Timestamp::from_micros(row.get("at_us")?),
                attempts: row.get::<_, u32>("attempts")? + 1,
                state: OutState::Waiting,
                next_at: Some(self.until),
                why: row.get::<_, Option<String>>("why")?.map(Into::into),
            })
        })?;
        for row in &due {
            let params = named_params! { ":until_us": self.until.micros(), ":id": &*row.id };
            db.execute(sql::LEASE_OUT_MESSAGE, params)?;
        }
        Ok(due)
    }
}

/// What became of trying to send a message.
pub(super) struct TriedOnce {
    pub id: Arc<str>,
    pub tried: Tried,
}

impl Operation for TriedOnce {
    type Reply = bool;
    const VERB: &'static str = "outbox_tried";

    fn apply(&self, db: &mut Db<'_>) -> Result<bool, Failure> {
        let (state, at, why) = self.tried.parts();
        let params = named_params! {
            ":id": &*self.id,
            ":next_at_us": at.map(|at| at.micros()),
            ":state": state.as_str(),
            ":why": why.map(|why| &**why),
        };
        Ok(db.execute(sql::CLOSE_OUT_MESSAGE, params)? > 0)
    }
}

/// A dead message is tried again.
pub(super) struct Again {
    pub id: Arc<str>,
    pub now: Timestamp,
}

impl Operation for Again {
    type Reply = bool;
    const VERB: &'static str = "outbox_again";

    fn apply(&self, db: &mut Db<'_>) -> Result<bool, Failure> {
        let params = named_params! { ":now_us": self.now.micros(), ":id": &*self.id };
        Ok(db.execute(sql::REVIVE_OUT_MESSAGE, params)? > 0)
    }
}

pub(super) struct Take {
    pub bucket: Arc<str>,
    pub now: Timestamp,
    pub interval_us: i64,
    pub burst: u32,
    pub n: u32,
}

impl Operation for Take {
    type Reply = Taken;
    const VERB: &'static str = "take";

    fn apply(&self, db: &mut Db<'_>) -> Result<Taken, Failure> {
        let stands = db.first(sql::READ_RATE, named_params! { ":bucket": &*self.bucket }, |row| {
            Ok((Timestamp::from_micros(row.get(0)?), Timestamp::from_micros(row.get(1)?)))
        })?;
        match rules::take(stands, self.now, self.interval_us, (self.burst, self.n))? {
            Ok(tat) => {
                db.execute(sql::SET_RATE, named_params! { ":bucket": &*self.bucket, ":tat_us": tat.micros() })?;
                Ok(Taken::Yes)
            }
            Err(at) => Ok(Taken::NotBefore(at)),
        }
    }
}

pub(super) struct PushBack {
    pub bucket: Arc<str>,
    pub until: Timestamp,
}

impl Operation for PushBack {
    type Reply = ();
    const VERB: &'static str = "push_back";

    fn apply(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        db.execute(sql::PUSH_BACK_RATE, named_params! { ":bucket": &*self.bucket, ":until_us": self.until.micros() })?;
        Ok(())
    }
}

pub(super) struct EndCooldown {
    pub scope: Arc<str>,
    pub change: Change,
}

impl Operation for EndCooldown {
    type Reply = bool;
    const VERB: &'static str = "end_cooldown";

    fn apply(&self, db: &mut Db<'_>) -> Result<bool, Failure> {
        let params = named_params! { ":scope": &*self.scope, ":now_us": self.change.at.micros() };
        if db.execute(sql::END_COOLDOWN, params)? == 0 {
            return Ok(false);
        }
        self.change.apply(db)?;
        Ok(true)
    }
}

/// Answers that count no more go, a few at a time; gives how many.
pub(super) fn drop_answers(db: &mut Db<'_>, now: Timestamp) -> Result<usize, Failure> {
    let params = named_params! { ":now_us": now.micros(), ":limit": int(u64::from(SWEPT_AT_ONCE)) };
    Ok(db.execute(sql::DROP_OLD_ANSWERS, params)?)
}

pub(super) struct DropAnswers(pub Timestamp);

impl Operation for DropAnswers {
    type Reply = u64;
    const VERB: &'static str = "drop_answers";

    fn apply(&self, db: &mut Db<'_>) -> Result<u64, Failure> {
        Ok(drop_answers(db, self.0)? as u64)
    }
}

pub(super) struct ForgetAnswers(pub Vec<Digest>);

impl Operation for ForgetAnswers {
    type Reply = u64;
    const VERB: &'static str = "forget_answers";

    fn apply(&self, db: &mut Db<'_>) -> Result<u64, Failure> {
        let mut gone = 0;
        for key in &self.0 {
            gone += db.execute(sql::FORGET_ANSWER, named_params! { ":key": key.bytes() })? as u64;
        }
        Ok(gone)
    }
}

pub(super) struct Unfreeze {
    pub scope: Arc<str>,
    pub change: Change,
}

impl Operation for Unfreeze {
    type Reply = bool;
    const VERB: &'static str = "unfreeze";

    fn apply(&self, db: &mut Db<'_>) -> Result<bool, Failure> {
        if db.execute(sql::UNFREEZE_BUDGETS, named_params! { ":scope": &*self.scope })? == 0 {
            return Ok(false);
        }
        self.change.apply(db)?;
        Ok(true)
    }
}

pub(super) struct Sweep;

impl Operation for Sweep {
    type Reply = u64;
    const VERB: &'static str = "sweep";

    fn apply(&self, db: &mut Db<'_>) -> Result<u64, Failure> {
        let over = db.all(sql::RESERVED_BY_FINAL_RUNS, [], |row| row.get::<_, [u8; 16]>(0))?;
        for run in &over {
            guards::forfeit_all(db, *run)?;
        }
        Ok(over.len() as u64)
    }
}

pub(super) struct Adopt(pub Arc<str>);

impl Operation for Adopt {
    type Reply = ();
    const VERB: &'static str = "adopt";

    fn apply(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        db.execute(sql::SET_INSTANCE_ID, named_params! { ":instance": &*self.0 })?;
        Ok(())
    }
}

impl Operation for Seal {
    type Reply = Sealed;
    const VERB: &'static str = "add_seal";

    fn apply(&self, db: &mut Db<'_>) -> Result<Sealed, Failure> {
        let last = db.first(sql::LAST_SEAL, [], |row| Ok((row.get("no")?, Digest::from_bytes(row.get("hash")?))))?;
        let (current, prev): (u64, Digest) = last.unwrap_or((0, Digest::ZERO));
        if self.no != current + 1 {
            return Ok(Sealed::Moved { current });
        }
        rules::seal_is_sound(self, prev)?;
        db.execute(
            sql::ADD_SEAL,
            named_params! {
                ":no": int(self.no),
                ":at_us": self.at.micros(),
                ":upto": int(self.upto),
                ":prev": self.prev.bytes(),
                ":hash": self.hash.bytes(),
                ":heads": self.packed(),
                ":key_id": self.key_id.as_deref(),
                ":signature": self.signature.as_deref(),
            },
        )?;
        Ok(Sealed::Done)
    }
}
