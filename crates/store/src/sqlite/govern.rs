//! The verbs that change what runs are judged by, and the one by which people decide.

use kernel::ids::{Digest, RunId, WorkerId};
use rusqlite::named_params;

use super::{
    cells::int,
    dispatch::{self, InboxState},
    sql,
    writer::{Db, Failure, Operation},
};
use crate::{ApprovalState, Change, GovernanceEntry, Governed, StoreError, Vote, Voted, rules};

impl Operation for Change {
    type Reply = Governed;
    const VERB: &'static str = "govern";

    fn apply(&self, db: &mut Db<'_>) -> Result<Governed, Failure> {
        let current = db.generation;
        if self.expect.is_some_and(|expect| expect != current) {
            return Ok(Governed::Moved { current });
        }
        let before = db.first(sql::LAST_GOVERNANCE, [], |row| row.get(1).map(Digest::from_bytes))?;
        let entry = GovernanceEntry::seal(current, before.unwrap_or(Digest::ZERO), self);
        db.execute(
            sql::ADD_GOVERNANCE,
            named_params! {
                ":no": int(entry.no),
                ":at_us": entry.at.micros(),
                ":who": &*entry.by,
                ":auth": &*entry.auth,
                ":body": &*entry.body,
                ":hash": entry.hash.bytes(),
            },
        )?;
        db.generation = entry.no;
        if let Some(wake) = &self.wake {
            db.execute(sql::WAKE_WAITING_RUNS, named_params! { ":now_us": self.at.micros(), ":wake": &**wake })?;
        }
        Ok(Governed::Done { generation: entry.no })
    }
}

impl Operation for Vote {
    type Reply = Voted;
    const VERB: &'static str = "vote";

    fn apply(&self, db: &mut Db<'_>) -> Result<Voted, Failure> {
        rules::vote_is_sound(self)?;
        let found = db.first(sql::FIND_APPROVAL, named_params! { ":id": &*self.approval }, |row| {
            let run = RunId::from_bytes(row.get(0)?);
            Ok((run, Digest::from_bytes(row.get(1)?), row.get::<_, String>(2)?, row.get::<_, Option<i64>>(3)?))
        })?;
        let Some((run, shown, state, expires_at)) = found else { return Ok(Voted::Missing) };
        let by = named_params! { ":approval": &*self.approval, ":voter": &*self.by };
        let earlier = db.first(sql::FIND_VOTE, by, |row| Ok((row.get::<_, String>(0)?, row.get(1)?)))?;
        if let Some((decision, seq)) = earlier {
            let same = *decision == *self.decision;
            return Ok(if same { Voted::Known { seq } } else { Voted::Conflict { decision: decision.into() } });
        }
        let state = ApprovalState::parse(&state).ok_or_else(|| StoreError::Damaged {
            table: "approval",
            row: self.approval.to_string(),
            detail: format!("`{state}` is no state"),
        })?;
        if state != ApprovalState::Pending {
            return Ok(Voted::Closed { state });
        }
        let expires_at = expires_at.map(kernel::values::Timestamp::from_micros);
        if let Some(at) = rules::is_expired(expires_at, self.now) {
            return Ok(Voted::Expired { at });
        }
        if shown != self.shown && !db.mutants.on("vote_on_stale_card") {
            return Ok(Voted::Stale { shown });
        }
        let Some(inbox) = InboxState::read(db, run)? else { return Err(Db::missing(run)) };
        rules::unsent(self, dispatch::find_message(db, run, &self.message.id)?)?;
        let seq = inbox.receive(db, run, &self.message, (false, true))?;
        db.execute(
            sql::ADD_VOTE,
            named_params! {
                ":approval": &*self.approval,
                ":voter": &*self.by,
                ":decision": &*self.decision,
                ":shown": self.shown.bytes(),
                ":seq": int(seq),
                ":at_us": self.now.micros(),
            },
        )?;
        Ok(Voted::New { seq, owner: inbox.owner.map(WorkerId::from_bytes) })
    }
}
