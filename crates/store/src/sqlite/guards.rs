//! What guards do to rows beside the run's own, one after the other: each is one compare-and-set.

use std::{collections::BTreeMap, sync::Arc};

use kernel::ids::RunId;
use rusqlite::{named_params, params};

use super::{
    append::found_by,
    aside,
    cells::int,
    dispatch::{InboxState, find_message},
    events, sql,
    writer::{Db, Failure},
};
use crate::{
    Append, BudgetLine, Counted, Guard, Message, OpenAction, OpenApproval, OpenWork, Status, StoreError, rules,
};

/// Whether a guard can be refused only once others of its append are applied.
pub(super) fn may_refuse(guard: &Guard) -> bool {
    matches!(guard, Guard::CounterIs { .. } | Guard::Consume { .. } | Guard::Reserve { .. })
}

impl Append {
    /// Applies a guard. `Some`: it does not hold, and that is how it stands.
    pub(super) fn guard(&self, db: &mut Db<'_>, guard: &Guard) -> Result<Option<u64>, Failure> {
        let run = self.run.bytes();
        db.holds(guard);
        match guard {
            Guard::ActionOpen(action) => self.open_action(db, action)?,
            Guard::ActionResent { step, attempt } => {
                let params = named_params! { ":attempt": attempt, ":run": run, ":step": &**step };
                let changed = db.execute(sql::RESEND_ACTION, params)?;
                self.fits("action", step, changed, "is not open")?;
            }
            Guard::ActionUnknown { step } => {
                let changed = db.execute(sql::DOUBT_ACTION, named_params! { ":run": run, ":step": &**step })?;
                self.fits("action", step, changed, "is not open")?;
            }
            Guard::ActionClosed { step } => {
                let changed = db.hot().close_action.execute(params![run, &**step])?;
                self.fits("action", step, changed, "is not open")?;
            }
            Guard::CounterIs { counter, version, add } => return self.count(db, counter, *version, add.as_ref()),
            Guard::CounterUndone { counter, step } => {
                let params = named_params! { ":run": run, ":step": &**step, ":counter": &**counter };
                if db.execute(sql::UNDO_COUNTED, params)? > 0 {
                    db.execute(sql::MOVE_COUNTER, named_params! { ":counter": &**counter })?;
                }
            }
            Guard::ApprovalOpen(open) => self.ask(db, open)?,
            Guard::Consume { approval, hash } => {
                let params = named_params! {
                    ":id": &**approval,
                    ":run": run,
                    ":hash": hash.bytes(),
                    ":now_us": self.now.micros(),
                };
                let consumed = db.execute(sql::CONSUME_APPROVAL, params)? > 0 || db.mutants.on("consume_twice");
                return Ok((!consumed).then_some(0));
            }
            Guard::ApprovalClosed { approval, state } => {
                let params = named_params! {
                    ":state": state.as_str(),
                    ":now_us": self.now.micros(),
                    ":id": &**approval,
                    ":run": run,
                };
                let changed = db.execute(sql::CLOSE_APPROVAL, params)?;
                self.fits("approval", approval, changed, "is not pending")?;
            }
            Guard::Reserve { step, lines } => return self.reserve(db, step, lines),
            Guard::Settle { step, actual } => settle(db, self.run, Some(step), actual)?,
            Guard::Forfeit { step } => settle(db, self.run, Some(step), &BTreeMap::new())?,
            Guard::WorkOpen(work) => self.hand_over(db, work)?,
            Guard::WorkClosed { work } => {
                let params = named_params! { ":now_us": self.now.micros(), ":run": run, ":id": &**work };
                let changed = db.execute(sql::CLOSE_WORK, params)?;
                self.fits("work", work, changed, "is not open")?;
            }
            Guard::CoolDown { scope, until, why } => {
                let params = named_params! {
                    ":scope": &**scope,
                    ":until_us": until.micros(),
                    ":why": &**why,
                    ":run": run,
                    ":now_us": self.now.micros(),
                };
                db.execute(sql::COOL_DOWN, params)?;
            }
            Guard::KeepAnswer(kept) => {
                aside::drop_answers(db, self.now)?;
                let params = named_params! {
                    ":key": kept.key.bytes(),
                    ":run": run,
                    ":entry": int(kept.entry),
                    ":at_us": kept.at.micros(),
                    ":until_us": kept.until.micros(),
                    ":value": &*kept.value,
                };
                db.execute(sql::KEEP_ANSWER, params)?;
            }
            Guard::FoundBy(key) => found_by(db, self.run, key)?,
            Guard::Outbox(message) => {
                let changed = usize::from(aside::send(db, self.run, message)?);
                self.fits("message", &message.id, changed, "is known already")?;
            }
            Guard::TellRun { run, message, pardon } => tell(db, *run, message, *pardon)?,
            Guard::InboxIs(_)
            | Guard::GovernanceIs(_)
            | Guard::StartChild(_)
            | Guard::Publish(_)
            | Guard::Want { .. }
            | Guard::Unwant { .. }
            | Guard::Suspend { .. }
            | Guard::Finish { .. } => {}
        }
        Ok(None)
    }

    /// Nothing of the run stays open when it is over.
    pub(super) fn close_all(&self, db: &mut Db<'_>) -> Result<(), Failure> {
        let run = self.run.bytes();
        let open = db.first(sql::FIRST_OPEN_ACTION, named_params! { ":run": run }, |row| row.get::<_, String>(0))?;
        rules::nothing_open(self.run, open.as_deref())?;
        settle(db, self.run, None, &BTreeMap::new())?;
        db.execute(sql::CANCEL_APPROVALS, named_params! { ":now_us": self.now.micros(), ":run": run })?;
        let params = named_params! { ":now_us": self.now.micros(), ":run": run, ":id": None::<&str> };
        db.execute(sql::CLOSE_WORK, params)?;
        events::drop_all(db, self.run)
    }

    fn fits(&self, what: &str, id: &str, changed: usize, otherwise: &str) -> Result<(), StoreError> {
        if changed > 0 { Ok(()) } else { rules::row_fits(self.run, &format!("{what} `{id}`"), false, otherwise) }
    }

    fn open_action(&self, db: &mut Db<'_>, action: &OpenAction) -> Result<(), Failure> {
        let changed = db.hot().open_action.execute(params![
            self.run.bytes(),
            &*action.step,
            &*action.action,
            &*action.effect,
            &*action.key,
            action.attempt,
            action.since.micros(),
        ])?;
        Ok(self.fits("action", &action.step, changed, "is open already")?)
    }

    fn count(&self, db: &Db<'_>, counter: &str, version: u64, add: Option<&Counted>) -> Result<Option<u64>, Failure> {
        let current =
            db.first(sql::READ_COUNTER, named_params! { ":counter": counter }, |row| row.get(0))?.unwrap_or(0);
        if current != version {
            return Ok(Some(current));
        }
        if let Some(add) = add {
            db.execute(sql::MOVE_COUNTER, named_params! { ":counter": counter })?;
            db.execute(
                sql::ADD_COUNTED,
                named_params! {
                    ":counter": counter,
                    ":at_us": add.at.micros(),
                    ":version": int(version + 1),
                    ":amount": add.amount,
                    ":run": self.run.bytes(),
                    ":step": &*add.step,
                },
            )?;
        }
        Ok(None)
    }

    fn ask(&self, db: &Db<'_>, open: &OpenApproval) -> Result<(), Failure> {
        let groups: Vec<&str> = open.groups.iter().map(|group| &**group).collect();
        let changed = db.execute(
            sql::ADD_APPROVAL,
            named_params! {
                ":id": &*open.id,
                ":run": self.run.bytes(),
                ":step": &*open.step,
                ":hash": open.hash.bytes(),
                ":shown": open.shown.bytes(),
                ":groups": serde_json::to_string(&groups).expect("texts are JSON"),
                ":quorum": open.quorum,
                ":requested_by": &*open.requested_by,
                ":requested_at_us": open.requested_at.micros(),
                ":expires_at_us": open.expires_at.map(|at| at.micros()),
                ":card": &*open.card,
            },
        )?;
        Ok(self.fits("approval", &open.id, changed, "is known already")?)
    }

    fn reserve(&self, db: &Db<'_>, step: &str, lines: &[BudgetLine]) -> Result<Option<u64>, Failure> {
        for (place, line) in (0..).zip(lines) {
            let params = named_params! {
                ":scope": &*line.scope,
                ":unit": &*line.unit,
                ":period_us": line.period,
                ":limit": if db.mutants.on("reserve_above_limit") { i64::MAX } else { line.limit },
                ":amount": line.max,
            };
            if db.execute(sql::RESERVE_BUDGET, params)? == 0 {
                return Ok(Some(place));
            }
            // Compared, and not set aside.
            #[cfg(feature = "faults")]
            if db.mutants.on("budget_without_reservation") {
                hide(db, (&line.scope, &line.unit, line.period), -line.max)?;
            }
            let changed = db.execute(
                sql::ADD_RESERVATION,
                named_params! {
                    ":run": self.run.bytes(),
                    ":step": step,
                    ":scope": &*line.scope,
                    ":unit": &*line.unit,
                    ":period_us": line.period,
                    ":amount": line.max,
                    ":since_us": self.now.micros(),
                },
            )?;
            self.fits("step", step, changed, &rules::reserved_already(&line.scope, &line.unit))?;
        }
        Ok(None)
    }

    fn hand_over(&self, db: &Db<'_>, work: &OpenWork) -> Result<(), Failure> {
        let changed = db.execute(
            sql::ADD_WORK,
            named_params! {
                ":id": &*work.id,
                ":run": self.run.bytes(),
                ":step": &*work.step,
                ":queue": &*work.queue,
                ":opened_at_us": work.opened_at.micros(),
                ":due_at_us": work.due_at.map(|at| at.micros()),
                ":card": &*work.card,
            },
        )?;
        Ok(self.fits("work", &work.id, changed, "is known already")?)
    }
}

/// Puts a message into the inbox of another run, unless that is over, gone or has it already.
fn tell(db: &Db<'_>, run: RunId, message: &Message, pardon: bool) -> Result<(), Failure> {
    let Some(inbox) = InboxState::read(db, run)? else { return Ok(()) };
    if inbox.ended().is_some() || find_message(db, run, &message.id)?.is_some() {
        return Ok(());
    }
    let wake = inbox.status() != Some(Status::Blocked);
    inbox.receive(db, run, message, (pardon, wake))?;
    Ok(())
}

/// Changes what a sum says is set aside, and nothing else.
#[cfg(feature = "faults")]
fn hide(db: &Db<'_>, (scope, unit, period): (&str, &str, i64), amount: i64) -> Result<(), Failure> {
    let line = named_params! { ":amount": amount, ":scope": scope, ":unit": unit, ":period_us": period };
    db.execute(sql::HIDE_RESERVED, line)?;
    Ok(())
}

/// Gives back what the runs of a worker have set aside, as if none of their calls had been sent.
#[cfg(feature = "faults")]
pub(super) fn release_all(db: &Db<'_>, worker: [u8; 16]) -> Result<(), Failure> {
    let nothing = ["money_uusd", "tokens", "calls", "time_us"].map(|unit| (unit.into(), 0)).into();
    for run in db.all(sql::RUNS_OF_WORKER, named_params! { ":worker": worker }, |row| row.get(0))? {
        settle(db, RunId::from_bytes(run), None, &nothing)?;
    }
    Ok(())
}

/// Forfeits all that a run has set aside.
pub(super) fn forfeit_all(db: &Db<'_>, run: [u8; 16]) -> Result<(), Failure> {
    settle(db, RunId::from_bytes(run), None, &BTreeMap::new())
}

/// Settles what a run, or one step of it, has set aside; a unit that `actual` does not name is forfeited.
fn settle(db: &Db<'_>, run: RunId, step: Option<&str>, actual: &BTreeMap<Arc<str>, i64>) -> Result<(), Failure> {
    let of = named_params! { ":run": run.bytes(), ":step": step };
    let lines = db.all(sql::READ_RESERVATIONS, of, |row| {
        Ok((
            row.get::<_, String>("scope")?,
            row.get::<_, String>("unit")?,
            row.get::<_, i64>("period_us")?,
            row.get("amount")?,
        ))
    })?;
    if lines.is_empty() {
        return Ok(());
    }
    for (scope, unit, period, amount) in lines {
        let amount: i64 = amount;
        #[cfg(feature = "faults")]
        if db.mutants.on("budget_without_reservation") {
            hide(db, (&scope, &unit, period), amount)?;
        }
        db.execute(
            sql::SETTLE_BUDGET,
            named_params! {
                ":amount": amount,
                ":actual": actual.get(&*unit).copied().unwrap_or(amount),
                ":scope": scope,
                ":unit": unit,
                ":period_us": period,
            },
        )?;
    }
    db.execute(sql::DROP_RESERVATIONS, of)?;
    Ok(())
}
