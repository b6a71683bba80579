//! The readable reference: a lock over plain maps. Correct before fast; every other backend must agree with it.

mod check;
mod events;
mod find;
mod governed;
mod inbox;
mod outcome;
mod start;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::{Blob, Entry, Head},
    values::{Span, Timestamp},
};

use self::governed::{Draft, Governed as State, Open};
use crate::{
    ActionQuery, Append, Appended, ApprovalQuery, ApprovalRow, ApprovalState, Beat, BudgetRow, Change, Claimed,
    Cooldown, CounterNow, CounterQuery, DirtyHeads, Erased, FindQuery, Finding, Found, GovernanceEntry, Governed,
    Guard, KeptAnswer, KeyKind, LateResult, Message, NewRun, OpenActionRow, OutMessage, OutQuery, OutRow, OutState,
    OutcomeQuery, OutcomeSaid, Posted, Published, Reservation, RunCount, RunOutcome, RunQuery, RunRow, STRIKES, SYSTEM,
    Seal, Sealed, SealedHead, Started, Status, Store, StoreError, Taken, Tried, VersionRow, Vote, VoteRow, Voted,
    Waiting, WorkClaimed, WorkQuery, WorkRow,
    rules::{self, LAST_STRIKE, Lease, QUARANTINE},
};

/// Keeps everything in memory, and nothing after a drop. For tests, and as the reference for the databases.
///
/// Like an embedded database it admits one worker at a time: a worker that joins buries all others.
#[derive(Default)]
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    bundles: BTreeMap<Digest, Arc<[u8]>>,
    workers: BTreeMap<WorkerId, Worker>,
    runs: BTreeMap<RunId, Kept>,
    start_keys: BTreeMap<StartKey, RunId>,
    governed: State,
    events: events::Events,
    /// Whose each append was, in order.
    appends: Vec<RunId>,
    /// When each rate limit would be unused again, and the time before which nobody gets anything.
    rates: BTreeMap<Arc<str>, (Timestamp, Timestamp)>,
    seals: Vec<Seal>,
    /// Which deployment it was adopted as.
    instance: Option<Arc<str>>,
}

/// Tenant, workflow, key.
type StartKey = (Arc<str>, Arc<str>, Arc<str>);

struct Worker {
    lease_until: Timestamp,
    dead: bool,
}

/// A run with all that hangs on it.
struct Kept {
    row: RunRow,
    input: Digest,
    key: Option<[u8; 32]>,
    entries: Vec<Entry>,
    /// `None` once erased.
    blobs: BTreeMap<Digest, Option<Arc<[u8]>>>,
    inbox: Vec<Message>,
    open: Open,
    late: BTreeMap<(Arc<str>, u64, u32), LateResult>,
    /// By person.
    outcomes: BTreeMap<Arc<str>, RunOutcome>,
    /// What it is found by: by the text in lower case, kind and name.
    keys: BTreeMap<(String, KeyKind, Arc<str>), Arc<str>>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Self {
        MemoryStore::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every verb checks before it writes, so a panic in one leaves nothing half done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn alive(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|worker| !worker.dead)
    }

    /// Puts a message into a run's inbox, unless that is over, gone or has it already.
    fn tell(&mut self, run: RunId, message: Message, pardon: bool) -> Result<(), StoreError> {
        let Some(kept) = self.runs.get_mut(&run) else { return Ok(()) };
        if kept.row.status.is_final() || kept.knows(&message.id).is_some() {
            return Ok(());
        }
        let wake = kept.row.status != Status::Blocked;
        kept.receive(message, pardon, wake).map(drop)
    }

    fn govern(&mut self, change: &Change) -> Result<Governed, StoreError> {
        let current = self.governed.generation();
        if change.expect.is_some_and(|expect| expect != current) {
            return Ok(Governed::Moved { current });
        }
        let before = self.governed.log.last().map_or(Digest::ZERO, |last| last.hash);
        self.governed.log.push(GovernanceEntry::seal(current, before, change));
        for kept in self.runs.values_mut().filter(|kept| kept.row.status == Status::Waiting) {
            let wakes = |wake: &Arc<str>| kept.row.waits_for.as_ref().is_some_and(|name| name.contains(&**wake));
            if change.wake.as_ref().is_some_and(wakes) {
                let mut row = kept.row.clone();
                row.wake_at = Some(row.wake_at.map_or(change.at, |at| at.min(change.at)));
                row.updated_at = change.at;
                kept.set(row)?;
            }
        }
        Ok(Governed::Done { generation: current + 1 })
    }

    fn kept(&mut self, run: RunId) -> Result<&mut Kept, StoreError> {
        self.runs.get_mut(&run).ok_or(StoreError::NoRun { run })
    }

    /// Declares workers dead and takes their runs away; gives how many.
    fn bury(&mut self, dead: &[WorkerId], strike: bool, now: Timestamp) -> Result<u64, StoreError> {
        let mut released = 0;
        for worker in dead {
            if let Some(worker) = self.workers.get_mut(worker) {
                worker.dead = true;
            }
        }
        for kept in self.runs.values_mut().filter(|kept| kept.row.owner.is_some_and(|owner| dead.contains(&owner))) {
            let mut row = kept.row.clone();
            row.epoch += 1;
            row.owner = None;
            row.updated_at = now;
            row.strikes += u32::from(strike);
            if strike && row.strikes >= STRIKES {
                row.status = Status::Quarantined;
                row.waits_for = Some(QUARANTINE.into());
            } else {
                row.status = Status::Queued;
                row.wake_at = Some(now);
            }
            kept.set(row)?;
            released += 1;
        }
        Ok(released)
    }
}

fn sound(row: &RunRow) -> Result<(), StoreError> {
    rules::row_is_sound(row).map_err(|detail| StoreError::Damaged { table: "run", row: row.run.to_string(), detail })
}

#[async_trait]
impl Store for MemoryStore {
    async fn start(&self, new: NewRun) -> Result<Started, StoreError> {
        rules::start_is_sound(&new)?;
        self.lock().start(new)
    }

    async fn claim(&self, worker: WorkerId, limit: u32, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        let mut inner = self.lock();
        if !inner.alive(worker) {
            return Ok(Vec::new());
        }
        let suspect = |row: &RunRow| row.strikes >= LAST_STRIKE;
        let mut due: Vec<_> = inner
            .runs
            .values()
            .filter(|kept| kept.row.owner.is_none())
            .filter_map(|kept| Some((kept.row.wake_at.filter(|at| *at <= now)?, kept.row.run)))
            .collect();
        due.sort_unstable();
        let mut room_for_suspect =
            !inner.runs.values().any(|kept| kept.row.owner == Some(worker) && suspect(&kept.row));
        let mut claimed = Vec::new();
        for (_, run) in due {
            if claimed.len() as u64 >= u64::from(limit) {
                break;
            }
            let kept = inner.kept(run)?;
            if suspect(&kept.row) && !std::mem::take(&mut room_for_suspect) {
                continue;
            }
            let mut row = kept.row.clone();
            row.status = Status::Running;
            row.epoch += 1;
            row.owner = Some(worker);
            row.wake_at = None;
            row.waits_for = None;
            row.updated_at = now;
            kept.set(row)?;
            let row = &kept.row;
            claimed.push(Claimed {
                run,
                epoch: row.epoch,
                head: row.head,
                bundle: row.bundle,
                tenant: row.tenant.clone(),
                inbox_gen: row.inbox_gen,
                key: kept.key,
            });
        }
        Ok(claimed)
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let lease = rules::append_is_sound(&append)?;
        let mut inner = self.lock();
        let governed = inner.governed.clone();
        let mut children: Vec<NewRun> = Vec::new();
        for guard in &append.guards {
            if let Guard::StartChild(child) = guard {
                children.push((**child).clone());
            }
        }
        let wrong = inner.cannot_start(append.run, &children);
        let kept = inner.kept(append.run)?;
        let expect = append.expect;
        if (kept.row.epoch, kept.row.owner, kept.row.head.seq) != (expect.epoch, Some(expect.owner), expect.head) {
            return Ok(Appended::Fenced);
        }
        let current = kept.row.inbox_gen;
        for (guard, compared) in append.guards.iter().enumerate() {
            let (wanted, current) = match compared {
                Guard::InboxIs(wanted) => (*wanted, current),
                Guard::GovernanceIs(wanted) => (*wanted, governed.generation()),
                _ => continue,
            };
            if wanted != current {
                return Ok(Appended::Refused { guard, current });
            }
        }
        let mut row = kept.row.clone();
        row.head = append.entries.last().map_or(row.head, Entry::head);
        row.updated_at = append.now;
        if append.progress {
            row.strikes = 0;
        }
        if let Some(doing) = &append.doing {
            row.doing = Some(doing.clone());
        }
        if let Some(read) = append.inbox_read {
            rules::read_fits(append.run, read, current)?;
            row.inbox_read = row.inbox_read.max(read);
        }
        row.cost = row.cost.zip(append.charged).map(|(cost, charged)| cost + charged);
        let mut draft =
            Draft { run: append.run, now: append.now, read: row.inbox_read, open: kept.open.clone(), governed };
        for (guard, applied) in append.guards.iter().enumerate() {
            if let Some(current) = draft.apply(applied)? {
                return Ok(Appended::Refused { guard, current });
            }
        }
        wrong?;
        match lease {
            Lease::Suspended(Guard::Suspend { status, waits_for, wake_at }) => {
                row.owner = None;
                row.status = *status;
                row.waits_for = Some(waits_for.clone());
                row.wake_at = *wake_at;
            }
            Lease::Finished(Guard::Finish { status, failure }) => {
                draft.finish()?;
                row.owner = None;
                row.status = *status;
                row.failure = failure.clone();
                row.finished_at = Some(append.now);
            }
            _ => {}
        }
        kept.set(row)?;
        kept.open = draft.open;
        for guard in &append.guards {
            if let Guard::FoundBy(key) = guard {
                kept.found_by(key.clone());
            }
        }
        let wrote = (!append.entries.is_empty()).then_some(append.run);
        kept.entries.extend(append.entries);
        for Blob { digest, bytes } in append.blobs {
            kept.blobs.entry(digest).or_insert(Some(bytes));
        }
        inner.governed = draft.governed;
        inner.appends.extend(wrote);
        for child in children {
            inner.start(child)?;
        }
        for guard in append.guards {
            if let Guard::TellRun { run, message, pardon } = guard {
                inner.tell(run, message, pardon)?;
            } else {
                inner.events(append.run, &guard)?;
            }
        }
        if let Some(over) =
            inner.runs.get(&append.run).filter(|kept| kept.row.status.is_final()).map(|kept| kept.row.run)
        {
            inner.events.unwant(over);
        }
        Ok(Appended::Done { inbox_gen: inner.kept(append.run)?.row.inbox_gen })
    }

    async fn post(&self, run: RunId, message: Message, pardon: bool) -> Result<Posted, StoreError> {
        let mut inner = self.lock();
        let kept = inner.kept(run)?;
        if let Some(seq) = kept.knows(&message.id) {
            return Ok(Posted::Known { seq });
        }
        if kept.row.status.is_final() {
            return Ok(Posted::Final { status: kept.row.status });
        }
        let unread = kept.row.inbox_gen - kept.row.inbox_read;
        if unread >= rules::unread_limit(&message) {
            return Ok(Posted::Crowded { unread });
        }
        let owner = kept.row.owner;
        Ok(Posted::New { seq: kept.receive(message, pardon, true)?, owner })
    }

    async fn publish(&self, event: Published) -> Result<bool, StoreError> {
        self.lock().publish(&event)
    }

    async fn inbox(&self, run: RunId, after: u64) -> Result<Vec<Message>, StoreError> {
        let inner = self.lock();
        let all = inner.runs.get(&run).map_or(&[][..], |kept| &kept.inbox);
        Ok(all.iter().filter(|message| message.seq > after).cloned().collect())
    }

    async fn journal(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        let inner = self.lock();
        let all = inner.runs.get(&run).map_or(&[][..], |kept| &kept.entries);
        Ok(all.iter().filter(|entry| entry.seq > after).take(limit as usize).cloned().collect())
    }

    async fn blob(&self, run: RunId, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.lock().runs.get(&run).and_then(|kept| kept.blobs.get(&digest)).cloned().flatten())
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        Ok(self.lock().runs.get(&run).map(|kept| kept.row.clone()))
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<RunRow>, StoreError> {
        let inner = self.lock();
        let earlier = |row: &&RunRow| query.before.is_none_or(|before| row.run < before);
        let rows = inner.runs.values().rev().map(|kept| &kept.row).filter(earlier);
        Ok(rows.filter(|row| query.wants(row)).take(rules::page(query.limit)).cloned().collect())
    }

    async fn find(&self, query: FindQuery) -> Result<Vec<Found>, StoreError> {
        Ok(self.lock().find(&query))
    }

    async fn run_counts(&self) -> Result<Vec<RunCount>, StoreError> {
        Ok(self.lock().counts())
    }

    async fn waiting(&self) -> Result<Waiting, StoreError> {
        Ok(self.lock().waiting())
    }

    async fn versions(
        &self,
        workflow: Arc<str>,
        after: Option<RunId>,
        upto: Option<RunId>,
    ) -> Result<Vec<VersionRow>, StoreError> {
        Ok(self.lock().versions(&workflow, after, upto))
    }

    async fn say_outcome(&self, outcome: RunOutcome) -> Result<OutcomeSaid, StoreError> {
        self.lock().say_outcome(outcome)
    }

    async fn outcomes(&self, query: OutcomeQuery) -> Result<Vec<RunOutcome>, StoreError> {
        Ok(self.lock().outcomes(query))
    }

    async fn put_bundle(&self, digest: Digest, bytes: Arc<[u8]>, _now: Timestamp) -> Result<(), StoreError> {
        self.lock().bundles.entry(digest).or_insert(bytes);
        Ok(())
    }

    async fn bundle(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        Ok(self.lock().bundles.get(&digest).cloned())
    }

    async fn join(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let living = |(id, other): (&WorkerId, &Worker)| (!other.dead && *id != worker).then_some(*id);
        let others: Vec<_> = inner.workers.iter().filter_map(living).collect();
        inner.bury(&others, true, now)?;
        for kept in inner.runs.values_mut().filter(|kept| kept.row.status == Status::Blocked) {
            let mut row = kept.row.clone();
            row.status = Status::Queued;
            row.waits_for = None;
            row.wake_at = Some(now);
            row.updated_at = now;
            kept.set(row)?;
        }
        let own = inner.workers.entry(worker).or_insert(Worker { lease_until: now + lease, dead: false });
        if !own.dead {
            own.lease_until = now + lease;
        }
        Ok(())
    }

    async fn beat(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<Beat, StoreError> {
        let mut inner = self.lock();
        match inner.workers.get_mut(&worker) {
            Some(own) if !own.dead => own.lease_until = now + lease,
            _ => return Ok(Beat::Dead),
        }
        let rows = inner.runs.values().map(|kept| &kept.row);
        let unread = rows.filter(|row| row.owner == Some(worker) && row.inbox_gen > row.inbox_read).map(|row| row.run);
        Ok(Beat::Alive { unread: unread.collect() })
    }

    async fn leave(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        self.lock().bury(&[worker], false, now).map(drop)
    }

    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut inner = self.lock();
        let ended = |(id, worker): (&WorkerId, &Worker)| (!worker.dead && worker.lease_until < now).then_some(*id);
        let dead: Vec<_> = inner.workers.iter().filter_map(ended).collect();
        inner.bury(&dead, true, now)
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        let inner = self.lock();
        let rows = inner.runs.values().map(|kept| &kept.row);
        Ok(rows.filter(|row| row.owner.is_none()).filter_map(|row| row.wake_at).min())
    }

    async fn salvage(&self, late: LateResult) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let kept = inner.kept(late.run)?;
        if kept.key.is_none() {
            return Ok(());
        }
        let message = rules::late_message(&late);
        let unread = kept.row.inbox_gen - kept.row.inbox_read;
        let tell =
            !kept.row.status.is_final() && kept.knows(&message.id).is_none() && unread < rules::unread_limit(&message);
        kept.late.entry((late.step.clone(), late.epoch, late.attempt)).or_insert(late);
        if tell {
            let wake = kept.row.status != Status::Blocked;
            kept.receive(message, false, wake)?;
        }
        Ok(())
    }

    async fn late_results(&self, run: RunId) -> Result<Vec<LateResult>, StoreError> {
        Ok(self.lock().runs.get(&run).map_or_else(Vec::new, |kept| kept.late.values().cloned().collect()))
    }

    async fn govern(&self, change: Change) -> Result<Governed, StoreError> {
        self.lock().govern(&change)
    }

    async fn governance(&self, after: u64) -> Result<Vec<GovernanceEntry>, StoreError> {
        Ok(self.lock().governed.log.iter().filter(|entry| entry.no > after).cloned().collect())
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Result<Vec<CounterNow>, StoreError> {
        let inner = self.lock();
        let stands = |query: &CounterQuery| {
            let Some(row) = inner.governed.counters.get(&query.counter) else { return CounterNow::default() };
            let amounts =
                row.counted.iter().filter(|(_, counted)| counted.at >= query.since).map(|(_, counted)| counted.amount);
            CounterNow { version: row.version, count: amounts.clone().count() as u64, sum: amounts.sum() }
        };
        Ok(queries.iter().map(stands).collect())
    }

    async fn vote(&self, vote: Vote) -> Result<Voted, StoreError> {
        rules::vote_is_sound(&vote)?;
        let mut inner = self.lock();
        let Inner { runs, governed, .. } = &mut *inner;
        let Some(row) = governed.approvals.get_mut(&vote.approval) else { return Ok(Voted::Missing) };
        if let Some(earlier) = row.votes.iter().find(|earlier| earlier.by == vote.by) {
            let same = earlier.decision == vote.decision;
            let conflict = Voted::Conflict { decision: earlier.decision.clone() };
            return Ok(if same { Voted::Known { seq: earlier.seq } } else { conflict });
        }
        if row.state != ApprovalState::Pending {
            return Ok(Voted::Closed { state: row.state });
        }
        if let Some(at) = rules::is_expired(row.expires_at, vote.now) {
            return Ok(Voted::Expired { at });
        }
        if row.shown != vote.shown {
            return Ok(Voted::Stale { shown: row.shown });
        }
        let kept = runs.get_mut(&row.run).ok_or(StoreError::NoRun { run: row.run })?;
        rules::unsent(&vote, kept.knows(&vote.message.id))?;
        let owner = kept.row.owner;
        let seq = kept.receive(vote.message, false, true)?;
        row.votes.push(VoteRow { by: vote.by, decision: vote.decision, shown: vote.shown, seq, at: vote.now });
        Ok(Voted::New { seq, owner })
    }

    async fn approvals(&self, query: ApprovalQuery) -> Result<Vec<ApprovalRow>, StoreError> {
        let inner = self.lock();
        let place = |row: &ApprovalRow| (row.requested_at, row.id.clone());
        let last = query.after.as_ref().map(|after| inner.governed.approvals.get(after).map(place));
        let wanted = |row: &&ApprovalRow| {
            query.id.as_ref().is_none_or(|id| *id == row.id)
                && query.run.is_none_or(|run| run == row.run)
                && query.group.as_ref().is_none_or(|group| row.groups.contains(group))
                && (query.all_states || query.id.is_some() || row.state == ApprovalState::Pending)
                && last.as_ref().is_none_or(|last| last.as_ref().is_some_and(|last| place(row) > *last))
        };
        let mut rows: Vec<_> = inner.governed.approvals.values().filter(wanted).cloned().collect();
        rows.sort_by_key(|row| row.requested_at);
        rows.truncate(rules::page(query.limit));
        Ok(rows)
    }

    async fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        Ok(self.lock().governed.budgets.values().cloned().collect())
    }

    async fn open_actions(&self, query: ActionQuery) -> Result<Vec<OpenActionRow>, StoreError> {
        Ok(self.lock().open_actions(&query))
    }

    async fn work(&self, query: WorkQuery) -> Result<Vec<WorkRow>, StoreError> {
        let inner = self.lock();
        let place = |row: &WorkRow| (row.opened_at, row.id.clone());
        let last = query.after.as_ref().map(|after| inner.governed.work.get(after).map(place));
        let wanted = |row: &&WorkRow| {
            query.id.as_ref().is_none_or(|id| *id == row.id)
                && query.run.is_none_or(|run| run == row.run)
                && query.queue.as_ref().is_none_or(|queue| *queue == row.queue)
                && (query.all_states || query.id.is_some() || row.closed_at.is_none())
                && last.as_ref().is_none_or(|last| last.as_ref().is_some_and(|last| place(row) > *last))
        };
        let mut rows: Vec<_> = inner.governed.work.values().filter(wanted).cloned().collect();
        rows.sort_by_key(|row| row.opened_at);
        rows.truncate(rules::page(query.limit));
        Ok(rows)
    }

    async fn claim_work(&self, work: Arc<str>, by: Arc<str>, now: Timestamp) -> Result<WorkClaimed, StoreError> {
        let mut inner = self.lock();
        let Some(row) = inner.governed.work.get_mut(&work) else { return Ok(WorkClaimed::Missing) };
        if row.closed_at.is_some() {
            return Ok(WorkClaimed::Closed);
        }
        match &row.claimed_by {
            Some(other) if *other != by => return Ok(WorkClaimed::Taken { by: other.clone() }),
            Some(_) => {}
            None => (row.claimed_by, row.claimed_at) = (Some(by), Some(now)),
        }
        Ok(WorkClaimed::Yes)
    }

    async fn release_work(&self, work: Arc<str>, by: Arc<str>) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let row = inner.governed.work.get_mut(&work);
        let own = row.filter(|row| row.claimed_by.as_ref() == Some(&by) && row.closed_at.is_none());
        Ok(own.map(|row| (row.claimed_by, row.claimed_at) = (None, None)).is_some())
    }

    async fn tell(&self, run: RunId, message: OutMessage) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let over = inner.kept(run)?.row.status.is_final();
        Ok(!over && inner.governed.send(run, &message))
    }

    async fn take_outbox(
        &self,
        channels: &[Arc<str>],
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<OutRow>, StoreError> {
        let mut inner = self.lock();
        let due = inner.governed.leaving(channels).into_iter().filter(|(at, _)| *at <= now).take(limit as usize);
        let due: Vec<_> = due.collect();
        let rows = due.into_iter().filter_map(|(_, id)| {
            let row = inner.governed.outbox.get_mut(&id)?;
            (row.attempts, row.next_at) = (row.attempts + 1, Some(until));
            Some(row.clone())
        });
        Ok(rows.collect())
    }

    async fn outbox_tried(&self, id: Arc<str>, tried: Tried) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let Some(row) = inner.governed.outbox.get_mut(&id).filter(|row| row.next_at.is_some()) else {
            return Ok(false);
        };
        let (state, at, why) = tried.parts();
        (row.state, row.next_at, row.why) = (state, at, why.cloned());
        Ok(true)
    }

    async fn outbox_again(&self, id: Arc<str>, now: Timestamp) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let row = inner.governed.outbox.get_mut(&id);
        let dead = row.filter(|row| row.state == OutState::Dead && row.body.is_some());
        let again = |row: &mut OutRow| (row.state, row.next_at, row.attempts) = (OutState::Waiting, Some(now), 0);
        Ok(dead.map(again).is_some())
    }

    async fn outbox(&self, query: OutQuery) -> Result<Vec<OutRow>, StoreError> {
        let inner = self.lock();
        let open = |state| matches!(state, OutState::Waiting | OutState::Dead);
        let wanted = |row: &&OutRow| {
            query.id.as_ref().is_none_or(|id| row.id == *id)
                && query.run.is_none_or(|run| row.run == run)
                && (query.all_states || query.id.is_some() || open(row.state))
        };
        let mut rows: Vec<OutRow> = inner.governed.outbox.values().filter(wanted).cloned().collect();
        rows.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
        rows.truncate(rules::page(query.limit));
        Ok(rows)
    }

    async fn next_outbox(&self, channels: &[Arc<str>]) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.lock().governed.leaving(channels).first().map(|(at, _)| *at))
    }

    async fn take(
        &self,
        bucket: Arc<str>,
        now: Timestamp,
        interval_us: i64,
        burst: u32,
        n: u32,
    ) -> Result<Taken, StoreError> {
        let mut inner = self.lock();
        let stands = inner.rates.get(&bucket).copied();
        match rules::take(stands, now, interval_us, (burst, n))? {
            Ok(unused) => {
                inner.rates.entry(bucket).or_insert((unused, Timestamp::from_micros(0))).0 = unused;
                Ok(Taken::Yes)
            }
            Err(at) => Ok(Taken::NotBefore(at)),
        }
    }

    async fn push_back(&self, bucket: Arc<str>, until: Timestamp) -> Result<(), StoreError> {
        let mut inner = self.lock();
        let never = Timestamp::from_micros(0);
        let stands = inner.rates.entry(bucket).or_insert((never, until));
        stands.1 = stands.1.max(until);
        Ok(())
    }

    async fn cooldowns(&self) -> Result<Vec<Cooldown>, StoreError> {
        Ok(self.lock().governed.cooldowns.values().cloned().collect())
    }

    async fn answer(&self, key: Digest) -> Result<Option<KeptAnswer>, StoreError> {
        Ok(self.lock().governed.answers.get(&key).cloned())
    }

    async fn answers(&self, after: Option<Digest>, limit: u32) -> Result<Vec<KeptAnswer>, StoreError> {
        let later = |row: &&KeptAnswer| after.is_none_or(|after| row.key > after);
        Ok(self.lock().governed.answers.values().filter(later).take(limit as usize).cloned().collect())
    }

    async fn forget_answers(&self, keys: Vec<Digest>) -> Result<u64, StoreError> {
        let mut inner = self.lock();
        Ok(keys.iter().filter(|key| inner.governed.answers.remove(*key).is_some()).count() as u64)
    }
    async fn drop_answers(&self, now: Timestamp) -> Result<u64, StoreError> {
        Ok(self.lock().governed.drop_answers(now))
    }

    async fn end_cooldown(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let cools = inner.governed.cooldowns.get(&scope).is_some_and(|row| row.until > change.at);
        if cools {
            inner.governed.cooldowns.remove(&scope);
            inner.govern(&change)?;
        }
        Ok(cools)
    }

    async fn unfreeze(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        let mut inner = self.lock();
        let frozen = inner.governed.budgets.values_mut().filter(|row| row.scope == scope && row.frozen);
        let thawed = frozen.map(|row| row.frozen = false).count() > 0;
        if thawed {
            inner.govern(&change)?;
        }
        Ok(thawed)
    }

    async fn orphans(&self) -> Result<Vec<Reservation>, StoreError> {
        let inner = self.lock();
        let over = |row: &Reservation| inner.runs.get(&row.run).is_none_or(|kept| kept.row.status.is_final());
        Ok(inner.governed.reserved().into_iter().filter(over).collect())
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        let mut inner = self.lock();
        let Inner { runs, governed, .. } = &mut *inner;
        let reserving: BTreeSet<_> = governed.reservations.keys().map(|(run, _, _)| *run).collect();
        let over = |run: &&RunId| runs.get(run).is_some_and(|kept| kept.row.status.is_final());
        let over: Vec<_> = reserving.iter().filter(over).collect();
        over.iter().for_each(|run| governed.settle(**run, None, |_, amount| amount));
        Ok(over.len() as u64)
    }

    async fn erase(&self, run: RunId, _now: Timestamp) -> Result<Erased, StoreError> {
        let mut inner = self.lock();
        let kept = inner.kept(run)?;
        if !kept.row.status.is_final() {
            return Ok(Erased::NotOver { status: kept.row.status });
        }
        (kept.key, kept.input) = (None, Digest::ZERO);
        kept.row.about.clear();
        kept.keys.clear();
        kept.entries.iter_mut().for_each(|entry| (entry.body, entry.salt) = (None, [0; 16]));
        kept.blobs.clear();
        kept.inbox.iter_mut().for_each(|message| message.body = [].into());
        kept.outcomes.clear();
        kept.late.values_mut().for_each(|late| late.outcome = [].into());
        let governed = &mut inner.governed;
        for row in governed.approvals.values_mut().filter(|row| row.run == run) {
            (row.card, row.shown) = (None, Digest::ZERO);
            row.votes.iter_mut().for_each(|vote| vote.shown = Digest::ZERO);
        }
        governed.answers.retain(|_, kept| kept.run != run);
        governed.work.values_mut().filter(|row| row.run == run).for_each(|row| row.card = None);
        for out in governed.outbox.values_mut().filter(|out| out.run == run) {
            (out.body, out.next_at, out.why) = (None, None, None);
            if out.state != OutState::Left {
                out.state = OutState::Dropped;
            }
        }
        inner.events.forget(run);
        inner.start_keys.retain(|_, of| *of != run);
        Ok(Erased::Done)
    }

    async fn dirty_heads(&self, limit: u32) -> Result<DirtyHeads, StoreError> {
        let inner = self.lock();
        let from = inner.seals.last().map_or(0, |last| last.upto);
        let mut dirty = DirtyHeads { upto: from, heads: BTreeMap::new() };
        for run in inner.appends.iter().skip(usize::try_from(from).unwrap_or(usize::MAX)).take(limit as usize) {
            dirty.upto += 1;
            let sealed = |kept: &Kept| (*run, SealedHead { head: kept.row.head, closed: kept.row.status.is_final() });
            dirty.heads.extend(inner.runs.get(run).map(sealed));
        }
        let log = inner.governed.log.last().map(|entry| Head { seq: entry.no, hash: entry.hash });
        dirty.heads.extend(log.map(|head| (RunId::from_bytes(SYSTEM), SealedHead { head, closed: false })));
        Ok(dirty)
    }

    async fn add_seal(&self, seal: Seal) -> Result<Sealed, StoreError> {
        let mut inner = self.lock();
        let (current, prev) = inner.seals.last().map_or((0, Digest::ZERO), |last| (last.no, last.hash));
        if seal.no != current + 1 {
            return Ok(Sealed::Moved { current });
        }
        rules::seal_is_sound(&seal, prev)?;
        inner.seals.push(seal);
        Ok(Sealed::Done)
    }

    async fn last_seal(&self) -> Result<Option<Seal>, StoreError> {
        Ok(self.lock().seals.last().cloned())
    }

    async fn seals(&self, after: u64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        let later = |seal: &&Seal| seal.no > after;
        Ok(self.lock().seals.iter().filter(later).take(limit as usize).cloned().collect())
    }

    async fn instance_id(&self) -> Result<Arc<str>, StoreError> {
        // Nothing outlives it, and so there is nothing to tell apart.
        Ok(self.lock().instance.clone().unwrap_or_else(|| "0".repeat(32).into()))
    }

    async fn adopt(&self, instance: Arc<str>) -> Result<(), StoreError> {
        self.lock().instance = Some(instance);
        Ok(())
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        Ok(self.lock().check())
    }
}
