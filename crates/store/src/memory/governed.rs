//! What appends change beside their own run, guard by guard, on a draft that takes effect as a whole.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::{
    ids::{Digest, RunId},
    values::Timestamp,
};

use crate::{
    ActionState, ApprovalRow, ApprovalState, BudgetLine, BudgetRow, Cooldown, Counted, GovernanceEntry, Guard,
    KeptAnswer, OpenAction, OpenApproval, OpenWork, OutMessage, OutRow, OutState, Reservation, SWEPT_AT_ONCE,
    StoreError, WorkRow, rules,
};

/// Scope, unit, period.
pub(super) type Line = (Arc<str>, Arc<str>, i64);

/// Everything that is governed across runs.
#[derive(Clone, Default)]
pub(super) struct Governed {
    pub log: Vec<GovernanceEntry>,
    pub counters: BTreeMap<Arc<str>, Counter>,
    pub approvals: BTreeMap<Arc<str>, ApprovalRow>,
    pub budgets: BTreeMap<Line, BudgetRow>,
    /// By run, step and line.
    pub reservations: BTreeMap<(RunId, Arc<str>, Line), i64>,
    pub work: BTreeMap<Arc<str>, WorkRow>,
    pub outbox: BTreeMap<Arc<str>, OutRow>,
    pub cooldowns: BTreeMap<Arc<str>, Cooldown>,
    pub answers: BTreeMap<Digest, KeptAnswer>,
}

#[derive(Clone, Default)]
pub(super) struct Counter {
    pub version: u64,
    pub counted: Vec<(RunId, Counted)>,
}

/// The open actions of a run, by step.
pub(super) type Open = BTreeMap<Arc<str>, (OpenAction, ActionState)>;

/// How all would stand after the guards of one append.
pub(super) struct Draft {
    pub run: RunId,
    pub now: Timestamp,
    /// How many messages the run has read with this append.
    pub read: u64,
    pub open: Open,
    pub governed: Governed,
}

impl Governed {
    /// Removes answers that count no more, the oldest first, a few at a time.
    pub fn drop_answers(&mut self, now: Timestamp) -> u64 {
        let old = self.answers.values().filter(|row| row.until <= now).map(|row| (row.until, row.key));
        let mut old: Vec<_> = old.collect();
        old.sort();
        old.truncate(SWEPT_AT_ONCE as usize);
        old.iter().for_each(|(_, key)| drop(self.answers.remove(key)));
        old.len() as u64
    }

    /// The newest change to what runs are judged by.
    pub fn generation(&self) -> u64 {
        self.log.last().map_or(0, |last| last.no)
    }

    /// Keeps a message that is to leave. False: its id is known.
    pub fn send(&mut self, run: RunId, message: &OutMessage) -> bool {
        if self.outbox.contains_key(&message.id) {
            return false;
        }
        let row = OutRow {
            id: message.id.clone(),
            run,
            channel: message.channel.clone(),
            body: Some(message.body.clone()),
            at: message.at,
            attempts: 0,
            state: OutState::Waiting,
            next_at: Some(message.due_at),
            why: None,
        };
        self.outbox.insert(message.id.clone(), row);
        true
    }

    /// Messages of some channels that are to leave, by time and id.
    pub fn leaving(&self, channels: &[Arc<str>]) -> Vec<(Timestamp, Arc<str>)> {
        let rows = self.outbox.values().filter(|row| channels.contains(&row.channel));
        let mut all: Vec<_> = rows.filter_map(|row| Some((row.next_at?, row.id.clone()))).collect();
        all.sort();
        all
    }

    /// What is set aside by all runs.
    pub fn reserved(&self) -> Vec<Reservation> {
        let row = |((run, step, line), amount): (&(RunId, Arc<str>, Line), &i64)| Reservation {
            run: *run,
            step: step.clone(),
            line: line.clone(),
            amount: *amount,
        };
        self.reservations.iter().map(row).collect()
    }

    /// Settles what a run, or one step of it, has set aside; `cost` says what a line cost by its unit and what was set aside.
    pub fn settle(&mut self, run: RunId, step: Option<&str>, cost: impl Fn(&str, i64) -> i64) {
        let wanted = |(of, by, _): &(RunId, Arc<str>, Line)| *of == run && step.is_none_or(|step| **by == *step);
        let keys: Vec<_> = self.reservations.keys().filter(|key| wanted(key)).cloned().collect();
        for key in keys {
            let (Some(amount), Some(row)) = (self.reservations.remove(&key), self.budgets.get_mut(&key.2)) else {
                continue;
            };
            let actual = cost(&row.unit, amount);
            row.reserved -= amount;
            row.settled += actual;
            row.overrun += (actual - amount).max(0);
            row.frozen |= actual > amount;
        }
    }
}

impl Draft {
    /// Applies a guard. `Some`: it does not hold, and that is how it stands.
    pub fn apply(&mut self, guard: &Guard) -> Result<Option<u64>, StoreError> {
        match guard {
            Guard::ActionOpen(_)
            | Guard::ActionResent { .. }
            | Guard::ActionUnknown { .. }
            | Guard::ActionClosed { .. } => {
                self.action(guard)?;
            }
            Guard::CounterIs { counter, version, add } => {
                let row = self.governed.counters.entry(counter.clone()).or_default();
                if row.version != *version {
                    return Ok(Some(row.version));
                }
                if let Some(add) = add {
                    row.version += 1;
                    row.counted.push((self.run, add.clone()));
                }
            }
            Guard::CounterUndone { counter, step } => {
                if let Some(row) = self.governed.counters.get_mut(counter) {
                    let before = row.counted.len();
                    row.counted.retain(|(run, counted)| (*run, &counted.step) != (self.run, step));
                    row.version += u64::from(row.counted.len() < before);
                }
            }
            Guard::ApprovalOpen(open) => self.ask(open)?,
            Guard::Consume { approval, hash } => match self.pending(approval) {
                Some(row)
                    if row.hash == *hash
                        && rules::is_expired(row.expires_at, self.now).is_none()
                        && !rules::is_outweighed(&row.votes, self.read) =>
                {
                    self.close(approval, ApprovalState::Consumed);
                }
                _ => return Ok(Some(0)),
            },
            Guard::ApprovalClosed { approval, state } => {
                let pending = self.pending(approval).is_some();
                rules::row_fits(self.run, &format!("approval `{approval}`"), pending, "is not pending")?;
                self.close(approval, *state);
            }
            Guard::Reserve { step, lines } => return self.reserve(step, lines),
            Guard::Settle { step, actual } => {
                let cost = |unit: &str, amount| actual.get(unit).copied().unwrap_or(amount);
                self.governed.settle(self.run, Some(step), cost);
            }
            Guard::Forfeit { step } => self.governed.settle(self.run, Some(step), |_, amount| amount),
            Guard::WorkOpen(work) => self.hand_over(work)?,
            Guard::WorkClosed { work } => {
                let open =
                    self.governed.work.get_mut(work).filter(|row| row.run == self.run && row.closed_at.is_none());
                rules::row_fits(self.run, &format!("work `{work}`"), open.is_some(), "is not open")?;
                open.into_iter().for_each(|row| row.closed_at = Some(self.now));
            }
            Guard::CoolDown { scope, until, why } => {
                let row =
                    Cooldown { scope: scope.clone(), until: *until, why: why.clone(), run: self.run, since: self.now };
                let rows = &mut self.governed.cooldowns;
                if rows.get(scope).is_none_or(|before| before.until < *until) {
                    rows.insert(scope.clone(), row);
                }
            }
            Guard::KeepAnswer(kept) => {
                self.governed.drop_answers(self.now);
                let rows = &mut self.governed.answers;
                if rows.get(&kept.key).is_none_or(|before| before.until < kept.until) {
                    rows.insert(kept.key, KeptAnswer { run: self.run, ..(**kept).clone() });
                }
            }
            Guard::Outbox(message) => {
                let new = self.governed.send(self.run, message);
                rules::row_fits(self.run, &format!("message `{}`", message.id), new, "is known already")?;
            }
            Guard::InboxIs(_)
            | Guard::GovernanceIs(_)
            | Guard::FoundBy(_)
            | Guard::StartChild(_)
            | Guard::Publish(_)
            | Guard::Want { .. }
            | Guard::Unwant { .. }
            | Guard::TellRun { .. }
            | Guard::Suspend { .. }
            | Guard::Finish { .. } => {}
        }
        Ok(None)
    }

    /// Nothing of the run stays open when it is over.
    pub fn finish(&mut self) -> Result<(), StoreError> {
        rules::nothing_open(self.run, self.open.keys().next().map(|step| &**step))?;
        self.governed.settle(self.run, None, |_, amount| amount);
        let pending: BTreeSet<_> =
            self.governed.approvals.keys().filter(|id| self.pending(id).is_some()).cloned().collect();
        pending.iter().for_each(|id| self.close(id, ApprovalState::Cancelled));
        let work = self.governed.work.values_mut().filter(|row| row.run == self.run && row.closed_at.is_none());
        work.for_each(|row| row.closed_at = Some(self.now));
        Ok(())
    }

    fn action(&mut self, guard: &Guard) -> Result<(), StoreError> {
        let fits =
            |step: &str, fits, otherwise| rules::row_fits(self.run, &format!("action `{step}`"), fits, otherwise);
        match guard {
            Guard::ActionOpen(action) => {
                fits(&action.step, !self.open.contains_key(&action.step), "is open already")?;
                self.open.insert(action.step.clone(), (action.clone(), ActionState::Open));
            }
            Guard::ActionResent { step, attempt } => {
                fits(step, self.open.contains_key(step), "is not open")?;
                if let Some((action, state)) = self.open.get_mut(step) {
                    (action.attempt, *state) = (*attempt, ActionState::Open);
                }
            }
            Guard::ActionUnknown { step } => {
                let open = self.open.get(step).is_some_and(|(_, state)| *state == ActionState::Open);
                fits(step, open, "is not open")?;
                self.open.get_mut(step).into_iter().for_each(|(_, state)| *state = ActionState::Unknown);
            }
            Guard::ActionClosed { step } => {
                fits(step, self.open.contains_key(step), "is not open")?;
                self.open.remove(step);
            }
            _ => {}
        }
        Ok(())
    }

    fn ask(&mut self, open: &OpenApproval) -> Result<(), StoreError> {
        let known = self.governed.approvals.contains_key(&open.id);
        rules::row_fits(self.run, &format!("approval `{}`", open.id), !known, "is known already")?;
        let row = ApprovalRow {
            id: open.id.clone(),
            run: self.run,
            step: open.step.clone(),
            hash: open.hash,
            shown: open.shown,
            card: Some(open.card.clone()),
            groups: open.groups.clone(),
            quorum: open.quorum,
            requested_by: open.requested_by.clone(),
            requested_at: open.requested_at,
            expires_at: open.expires_at,
            state: ApprovalState::Pending,
            closed_at: None,
            votes: Vec::new(),
        };
        self.governed.approvals.insert(open.id.clone(), row);
        Ok(())
    }

    /// A pending approval of this run.
    fn pending(&self, approval: &str) -> Option<&ApprovalRow> {
        let row = self.governed.approvals.get(approval);
        row.filter(|row| row.run == self.run && row.state == ApprovalState::Pending)
    }

    fn close(&mut self, approval: &str, state: ApprovalState) {
        if let Some(row) = self.governed.approvals.get_mut(approval) {
            (row.state, row.closed_at) = (state, Some(self.now));
        }
    }

    fn reserve(&mut self, step: &Arc<str>, lines: &[BudgetLine]) -> Result<Option<u64>, StoreError> {
        let run = self.run;
        for (place, line) in (0..).zip(lines) {
            let frozen = self.governed.budgets.values().any(|row| row.scope == line.scope && row.frozen);
            let key = (line.scope.clone(), line.unit.clone(), line.period);
            let row = self.governed.budgets.entry(key.clone()).or_insert(BudgetRow {
                scope: line.scope.clone(),
                unit: line.unit.clone(),
                period: line.period,
                limit: line.limit,
                settled: 0,
                reserved: 0,
                overrun: 0,
                frozen: false,
            });
            let sum = i128::from(row.settled) + i128::from(row.reserved) + i128::from(line.max);
            if frozen || sum > i128::from(line.limit) {
                return Ok(Some(place));
            }
            row.reserved += line.max;
            row.limit = line.limit;
            let earlier = self.governed.reservations.insert((run, step.clone(), key), line.max);
            let what = format!("step `{step}`");
            rules::row_fits(run, &what, earlier.is_none(), &rules::reserved_already(&line.scope, &line.unit))?;
        }
        Ok(None)
    }

    fn hand_over(&mut self, work: &OpenWork) -> Result<(), StoreError> {
        let known = self.governed.work.contains_key(&work.id);
        rules::row_fits(self.run, &format!("work `{}`", work.id), !known, "is known already")?;
        let row = WorkRow {
            id: work.id.clone(),
            run: self.run,
            step: work.step.clone(),
            queue: work.queue.clone(),
            card: Some(work.card.clone()),
            opened_at: work.opened_at,
            due_at: work.due_at,
            claimed_by: None,
            claimed_at: None,
            closed_at: None,
        };
        self.governed.work.insert(work.id.clone(), row);
        Ok(())
    }
}
