//! The readable reference: a lock over plain maps. Correct before fast; every other backend must agree with it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::{Blob, Entry},
    values::{Span, Timestamp},
};

use crate::{
    Append, Appended, Beat, Claimed, Finding, Guard, LateResult, Message, NewRun, OpenAction, Posted, RunQuery, RunRow,
    STRIKES, Started, Status, Store, StoreError,
    check::RunCheck,
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
    entries: Vec<Entry>,
    blobs: BTreeMap<Digest, Arc<[u8]>>,
    inbox: Vec<Message>,
    open: BTreeMap<Arc<str>, OpenAction>,
    late: BTreeMap<(Arc<str>, u64, u32), LateResult>,
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

impl Kept {
    /// The only way a row changes: what breaks a rule is not written.
    fn set(&mut self, row: RunRow) -> Result<(), StoreError> {
        sound(&row)?;
        self.row = row;
        Ok(())
    }

    /// What the guards make of the open actions, or why they do not fit.
    fn actions_after(&self, guards: &[Guard]) -> Result<BTreeMap<Arc<str>, OpenAction>, StoreError> {
        let run = self.row.run;
        let mut open = self.open.clone();
        for guard in guards {
            match guard {
                Guard::ActionOpen(action) => {
                    rules::action_fits(run, &action.step, guard, open.contains_key(&action.step))?;
                    open.insert(action.step.clone(), action.clone());
                }
                Guard::ActionResent { step, attempt } => {
                    rules::action_fits(run, step, guard, open.contains_key(step))?;
                    if let Some(action) = open.get_mut(step) {
                        action.attempt = *attempt;
                    }
                }
                Guard::ActionClosed { step } => {
                    rules::action_fits(run, step, guard, open.contains_key(step))?;
                    open.remove(step);
                }
                Guard::InboxIs(_) | Guard::Suspend { .. } | Guard::Finish { .. } => {}
            }
        }
        Ok(open)
    }
}

fn sound(row: &RunRow) -> Result<(), StoreError> {
    rules::row_is_sound(row).map_err(|detail| StoreError::Damaged { table: "run", row: row.run.to_string(), detail })
}

#[async_trait]
impl Store for MemoryStore {
    async fn start(&self, new: NewRun) -> Result<Started, StoreError> {
        rules::start_is_sound(&new)?;
        let mut inner = self.lock();
        let key = new.start_key.as_ref().map(|key| (new.tenant.clone(), new.workflow.clone(), key.clone()));
        let earlier = key.as_ref().and_then(|key| inner.start_keys.get(key)).copied();
        if let Some(earlier) = earlier.or_else(|| inner.runs.contains_key(&new.run).then_some(new.run)) {
            return Ok(match inner.runs.get(&earlier) {
                Some(kept) if kept.input == new.input => Started::Known { run: earlier },
                _ => Started::Conflict { run: earlier },
            });
        }
        if !inner.bundles.contains_key(&new.bundle) {
            return Err(StoreError::NoBundle { bundle: new.bundle });
        }
        if let Some(owner) = new.owner
            && !inner.alive(owner)
        {
            return Err(StoreError::Misuse { verb: "start", detail: format!("{owner} has no lease") });
        }
        let row = RunRow {
            run: new.run,
            tenant: new.tenant,
            workflow: new.workflow,
            bundle: new.bundle,
            status: if new.owner.is_some() { Status::Running } else { Status::Queued },
            waits_for: None,
            wake_at: if new.owner.is_some() { None } else { Some(new.now) },
            doing: None,
            about: new.about,
            failure: None,
            epoch: u64::from(new.owner.is_some()),
            owner: new.owner,
            head: new.first.head(),
            inbox_gen: 0,
            inbox_read: 0,
            strikes: 0,
            created_at: new.now,
            updated_at: new.now,
            finished_at: None,
        };
        sound(&row)?;
        let kept = Kept {
            row,
            input: new.input,
            entries: vec![new.first],
            blobs: new.blobs.into_iter().map(|blob| (blob.digest, blob.bytes)).collect(),
            inbox: Vec::new(),
            open: BTreeMap::new(),
            late: BTreeMap::new(),
        };
        inner.runs.insert(new.run, kept);
        if let Some(key) = key {
            inner.start_keys.insert(key, new.run);
        }
        Ok(Started::Created)
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
            });
        }
        Ok(claimed)
    }

    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let lease = rules::append_is_sound(&append)?;
        let mut inner = self.lock();
        let kept = inner.kept(append.run)?;
        let expect = append.expect;
        if (kept.row.epoch, kept.row.owner, kept.row.head.seq) != (expect.epoch, Some(expect.owner), expect.head) {
            return Ok(Appended::Fenced);
        }
        let current = kept.row.inbox_gen;
        for (guard, inbox) in append.guards.iter().enumerate() {
            if let Guard::InboxIs(generation) = inbox
                && *generation != current
            {
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
        let open = kept.actions_after(&append.guards)?;
        match lease {
            Lease::Suspended(Guard::Suspend { status, waits_for, wake_at }) => {
                row.owner = None;
                row.status = *status;
                row.waits_for = Some(waits_for.clone());
                row.wake_at = *wake_at;
            }
            Lease::Finished(Guard::Finish { status, failure }) => {
                rules::nothing_open(append.run, open.keys().next().map(|step| &**step))?;
                row.owner = None;
                row.status = *status;
                row.failure = failure.clone();
                row.finished_at = Some(append.now);
            }
            _ => {}
        }
        kept.set(row)?;
        kept.open = open;
        kept.entries.extend(append.entries);
        for Blob { digest, bytes } in append.blobs {
            kept.blobs.entry(digest).or_insert(bytes);
        }
        Ok(Appended::Done { inbox_gen: current })
    }

    async fn post(&self, run: RunId, mut message: Message, pardon: bool) -> Result<Posted, StoreError> {
        let mut inner = self.lock();
        let kept = inner.kept(run)?;
        if let Some(known) = kept.inbox.iter().find(|known| known.id == message.id) {
            return Ok(Posted::Known { seq: known.seq });
        }
        if kept.row.status.is_final() {
            return Ok(Posted::Final { status: kept.row.status });
        }
        let unread = kept.row.inbox_gen - kept.row.inbox_read;
        if unread >= rules::unread_limit(&message) {
            return Ok(Posted::Crowded { unread });
        }
        let mut row = kept.row.clone();
        row.inbox_gen += 1;
        row.updated_at = message.at;
        if pardon {
            row.strikes = 0;
        }
        if row.status == Status::Quarantined && pardon {
            row.status = Status::Queued;
            row.waits_for = None;
        }
        if row.owner.is_none() && row.status != Status::Quarantined {
            row.wake_at = Some(row.wake_at.map_or(message.at, |at| at.min(message.at)));
        }
        message.seq = row.inbox_gen;
        let posted = Posted::New { seq: message.seq, owner: row.owner };
        kept.set(row)?;
        kept.inbox.push(message);
        Ok(posted)
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
        Ok(self.lock().runs.get(&run).and_then(|kept| kept.blobs.get(&digest)).cloned())
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        Ok(self.lock().runs.get(&run).map(|kept| kept.row.clone()))
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<RunRow>, StoreError> {
        let inner = self.lock();
        let wanted = |row: &&RunRow| {
            (query.status.is_empty() || query.status.contains(&row.status))
                && query.workflow.as_ref().is_none_or(|workflow| *workflow == row.workflow)
                && query.about.as_ref().is_none_or(|(key, value)| row.about.get(key) == Some(value))
                && query.before.is_none_or(|before| row.run < before)
        };
        let rows = inner.runs.values().rev().map(|kept| &kept.row);
        Ok(rows.filter(wanted).take(rules::page(query.limit)).cloned().collect())
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
        kept.late.entry((late.step.clone(), late.epoch, late.attempt)).or_insert(late);
        Ok(())
    }

    async fn late_results(&self, run: RunId) -> Result<Vec<LateResult>, StoreError> {
        Ok(self.lock().runs.get(&run).map_or_else(Vec::new, |kept| kept.late.values().cloned().collect()))
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let inner = self.lock();
        let mut findings = Vec::new();
        for kept in inner.runs.values() {
            let mut check = RunCheck::new(&kept.row);
            kept.entries.iter().for_each(|entry| check.entry(entry));
            kept.blobs.iter().for_each(|(digest, bytes)| check.blob(*digest, Some(bytes)));
            kept.inbox.iter().for_each(|message| check.message(message));
            kept.open.values().for_each(|action| check.open_action(action));
            findings.extend(check.finish());
        }
        Ok(findings)
    }
}
