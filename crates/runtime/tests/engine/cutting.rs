//! A store that falls silent: the process on it is as good as dead from then on, with its last append written or not.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId, WorkerId},
    journal::Entry,
    values::{Span, Timestamp},
};
use store::{
    ActionQuery, Append, Appended, ApprovalQuery, ApprovalRow, Beat, BudgetRow, Change, Claimed, Cooldown, CounterNow,
    CounterQuery, DirtyHeads, Erased, FindQuery, Finding, Found, GovernanceEntry, Governed, Guard, KeptAnswer,
    LateResult, Message, NewRun, OpenActionRow, OutMessage, OutQuery, OutRow, OutcomeQuery, OutcomeSaid, Posted,
    Published, Reservation, RunCount, RunOutcome, RunQuery, RunRow, Seal, Sealed, Started, Store, StoreError, Taken,
    Tried, VersionRow, Vote, Voted, Waiting, WorkClaimed, WorkQuery, WorkRow,
};
use tokio::sync::Notify;

/// Where the store falls silent; appends are counted from 1, starts among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// This append is never written.
    Before(u64),
    /// This append is written, and nobody learns of it.
    After(u64),
    /// Never.
    Never,
}

/// How an append fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fails {
    /// The disk is full.
    Full,
    /// It is written, and the answer is an error.
    Unnoticed,
}

pub struct Cutting {
    inner: Arc<dyn Store>,
    cut: Cut,
    appends: AtomicU64,
    silent: AtomicBool,
    fell_silent: Notify,
    /// Heartbeats, joins and claims are not answered any more.
    pub deaf: AtomicBool,
    /// The next append panics.
    pub panics: AtomicBool,
    /// What the next appends come to, the last of these first.
    pub failing: Mutex<Vec<Fails>>,
    /// Comes right before the next suspend is written.
    pub at_suspend: Mutex<Option<Message>>,
    /// What changes in the log of rules just before a run is given back.
    pub governs_at_suspend: Mutex<Option<store::Change>>,
    /// Whoever comes by this store comes as this worker, so that several live at once on a store that admits one process.
    pub known_as: Option<WorkerId>,
}

impl Cutting {
    pub fn new(inner: Arc<dyn Store>, cut: Cut) -> Cutting {
        Cutting {
            inner,
            cut,
            appends: AtomicU64::new(0),
            silent: AtomicBool::new(false),
            fell_silent: Notify::new(),
            deaf: AtomicBool::new(false),
            panics: AtomicBool::new(false),
            failing: Mutex::default(),
            at_suspend: Mutex::default(),
            governs_at_suspend: Mutex::default(),
            known_as: None,
        }
    }

    /// One of several workers that are `worker` to the store; who made that join says so.
    pub fn as_one(inner: Arc<dyn Store>, worker: WorkerId) -> Cutting {
        Cutting { known_as: Some(worker), ..Cutting::new(inner, Cut::Never) }
    }

    fn known(&self, worker: WorkerId) -> WorkerId {
        self.known_as.unwrap_or(worker)
    }

    /// Waits until the cut is reached.
    pub async fn silence(&self) {
        loop {
            let fell_silent = self.fell_silent.notified();
            tokio::pin!(fell_silent);
            fell_silent.as_mut().enable();
            if self.is_silent() {
                return;
            }
            fell_silent.await;
        }
    }

    async fn hear(&self) {
        self.gate().await;
        if self.deaf.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    pub fn is_silent(&self) -> bool {
        self.silent.load(Ordering::SeqCst)
    }

    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::SeqCst)
    }

    async fn never<T>(&self) -> T {
        self.silent.store(true, Ordering::SeqCst);
        self.fell_silent.notify_waiters();
        std::future::pending().await
    }

    async fn gate(&self) {
        if self.is_silent() {
            std::future::pending::<()>().await;
        }
    }

    /// Counts one append; whether it is to be written, and whether that is to be told.
    fn count(&self) -> (bool, bool) {
        let nth = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
        match self.cut {
            Cut::Before(at) if nth >= at => (false, false),
            Cut::After(at) if nth == at => (true, false),
            Cut::After(at) if nth > at => (false, false),
            _ => (true, true),
        }
    }
}

#[async_trait]
impl Store for Cutting {
    async fn start(&self, run: NewRun) -> Result<Started, StoreError> {
        self.gate().await;
        let (write, tell) = self.count();
        if !write {
            return self.never().await;
        }
        let owner = run.owner.map(|owner| self.known(owner));
        let started = self.inner.start(NewRun { owner, ..run }).await;
        if tell { started } else { self.never().await }
    }

    async fn claim(&self, worker: WorkerId, limit: u32, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        self.hear().await;
        self.inner.claim(self.known(worker), limit, now).await
    }

    async fn append(&self, mut append: Append) -> Result<Appended, StoreError> {
        self.gate().await;
        append.expect.owner = self.known(append.expect.owner);
        assert!(!self.panics.swap(false, Ordering::SeqCst), "as told");
        if append.guards.iter().any(|guard| matches!(guard, Guard::Suspend { .. })) {
            let message = self.at_suspend.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(message) = message {
                self.inner.post(append.run, message, false).await?;
            }
            let change = self.governs_at_suspend.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(change) = change {
                self.inner.govern(change).await?;
            }
        }
        let (write, tell) = self.count();
        if !write {
            return self.never().await;
        }
        let fails = self.failing.lock().unwrap_or_else(PoisonError::into_inner).pop();
        if fails == Some(Fails::Full) {
            return Err(StoreError::Full);
        }
        let appended = self.inner.append(append).await;
        if fails == Some(Fails::Unnoticed) {
            return Err(StoreError::Database { verb: "append", source: "the connection was lost".into() });
        }
        if tell { appended } else { self.never().await }
    }

    async fn post(&self, run: RunId, message: Message, pardon: bool) -> Result<Posted, StoreError> {
        self.gate().await;
        self.inner.post(run, message, pardon).await
    }

    async fn publish(&self, event: Published) -> Result<bool, StoreError> {
        self.gate().await;
        self.inner.publish(event).await
    }

    async fn inbox(&self, run: RunId, after: u64) -> Result<Vec<Message>, StoreError> {
        self.gate().await;
        self.inner.inbox(run, after).await
    }

    async fn journal(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.gate().await;
        self.inner.journal(run, after, limit).await
    }

    async fn blob(&self, run: RunId, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.gate().await;
        self.inner.blob(run, digest).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        self.gate().await;
        self.inner.run(run).await
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<RunRow>, StoreError> {
        self.inner.runs(query).await
    }

    async fn versions(
        &self,
        workflow: Arc<str>,
        after: Option<RunId>,
        upto: Option<RunId>,
    ) -> Result<Vec<VersionRow>, StoreError> {
        self.gate().await;
        self.inner.versions(workflow, after, upto).await
    }

    async fn say_outcome(&self, outcome: RunOutcome) -> Result<OutcomeSaid, StoreError> {
        self.gate().await;
        self.inner.say_outcome(outcome).await
    }

    async fn outcomes(&self, query: OutcomeQuery) -> Result<Vec<RunOutcome>, StoreError> {
        self.gate().await;
        self.inner.outcomes(query).await
    }

    async fn find(&self, query: FindQuery) -> Result<Vec<Found>, StoreError> {
        self.inner.find(query).await
    }

    async fn run_counts(&self) -> Result<Vec<RunCount>, StoreError> {
        self.inner.run_counts().await
    }

    async fn waiting(&self) -> Result<Waiting, StoreError> {
        self.inner.waiting().await
    }

    async fn put_bundle(&self, digest: Digest, bytes: Arc<[u8]>, now: Timestamp) -> Result<(), StoreError> {
        self.inner.put_bundle(digest, bytes, now).await
    }

    async fn bundle(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.inner.bundle(digest).await
    }

    async fn join(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<(), StoreError> {
        self.hear().await;
        if self.known_as.is_some() {
            return Ok(());
        }
        self.inner.join(worker, lease, now).await
    }

    async fn beat(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<Beat, StoreError> {
        self.hear().await;
        self.inner.beat(self.known(worker), lease, now).await
    }

    async fn leave(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        self.gate().await;
        if self.known_as.is_some() {
            return Ok(());
        }
        self.inner.leave(worker, now).await
    }

    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.gate().await;
        self.inner.reap(now).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.gate().await;
        self.inner.next_due().await
    }

    async fn salvage(&self, late: LateResult) -> Result<(), StoreError> {
        self.gate().await;
        self.inner.salvage(late).await
    }

    async fn late_results(&self, run: RunId) -> Result<Vec<LateResult>, StoreError> {
        self.inner.late_results(run).await
    }

    async fn govern(&self, change: Change) -> Result<Governed, StoreError> {
        self.gate().await;
        self.inner.govern(change).await
    }

    async fn governance(&self, after: u64) -> Result<Vec<GovernanceEntry>, StoreError> {
        self.gate().await;
        self.inner.governance(after).await
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Result<Vec<CounterNow>, StoreError> {
        self.gate().await;
        self.inner.counters(queries).await
    }

    async fn vote(&self, vote: Vote) -> Result<Voted, StoreError> {
        self.gate().await;
        self.inner.vote(vote).await
    }

    async fn approvals(&self, query: ApprovalQuery) -> Result<Vec<ApprovalRow>, StoreError> {
        self.gate().await;
        self.inner.approvals(query).await
    }

    async fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        self.gate().await;
        self.inner.budgets().await
    }

    async fn open_actions(&self, query: ActionQuery) -> Result<Vec<OpenActionRow>, StoreError> {
        self.gate().await;
        self.inner.open_actions(query).await
    }

    async fn work(&self, query: WorkQuery) -> Result<Vec<WorkRow>, StoreError> {
        self.gate().await;
        self.inner.work(query).await
    }

    async fn claim_work(&self, work: Arc<str>, by: Arc<str>, now: Timestamp) -> Result<WorkClaimed, StoreError> {
        self.gate().await;
        self.inner.claim_work(work, by, now).await
    }

    async fn release_work(&self, work: Arc<str>, by: Arc<str>) -> Result<bool, StoreError> {
        self.gate().await;
        self.inner.release_work(work, by).await
    }

    async fn tell(&self, run: RunId, message: OutMessage) -> Result<bool, StoreError> {
        self.gate().await;
        self.inner.tell(run, message).await
    }

    async fn take_outbox(
        &self,
        channels: &[Arc<str>],
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<OutRow>, StoreError> {
        self.gate().await;
        self.inner.take_outbox(channels, limit, now, until).await
    }

    async fn outbox_tried(&self, id: Arc<str>, tried: Tried) -> Result<bool, StoreError> {
        self.gate().await;
        self.inner.outbox_tried(id, tried).await
    }

    async fn outbox_again(&self, id: Arc<str>, now: Timestamp) -> Result<bool, StoreError> {
        self.gate().await;
        self.inner.outbox_again(id, now).await
    }

    async fn outbox(&self, query: OutQuery) -> Result<Vec<OutRow>, StoreError> {
        self.gate().await;
        self.inner.outbox(query).await
    }

    async fn next_outbox(&self, channels: &[Arc<str>]) -> Result<Option<Timestamp>, StoreError> {
        self.gate().await;
        self.inner.next_outbox(channels).await
    }

    async fn take(
        &self,
        bucket: Arc<str>,
        now: Timestamp,
        interval_us: i64,
        burst: u32,
        n: u32,
    ) -> Result<Taken, StoreError> {
        self.gate().await;
        self.inner.take(bucket, now, interval_us, burst, n).await
    }

    async fn push_back(&self, bucket: Arc<str>, until: Timestamp) -> Result<(), StoreError> {
        self.gate().await;
        self.inner.push_back(bucket, until).await
    }

    async fn cooldowns(&self) -> Result<Vec<Cooldown>, StoreError> {
        self.gate().await;
        self.inner.cooldowns().await
    }

    async fn answer(&self, key: Digest) -> Result<Option<KeptAnswer>, StoreError> {
        self.gate().await;
        self.inner.answer(key).await
    }

    async fn answers(&self, after: Option<Digest>, limit: u32) -> Result<Vec<KeptAnswer>, StoreError> {
        self.gate().await;
        self.inner.answers(after, limit).await
    }

    async fn forget_answers(&self, keys: Vec<Digest>) -> Result<u64, StoreError> {
        self.gate().await;
        self.inner.forget_answers(keys).await
    }

    async fn drop_answers(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.gate().await;
        self.inner.drop_answers(now).await
    }

    async fn end_cooldown(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        self.gate().await;
        self.inner.end_cooldown(scope, change).await
    }

    async fn unfreeze(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        self.gate().await;
        self.inner.unfreeze(scope, change).await
    }

    async fn orphans(&self) -> Result<Vec<Reservation>, StoreError> {
        self.gate().await;
        self.inner.orphans().await
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.gate().await;
        self.inner.sweep().await
    }

    async fn erase(&self, run: RunId, now: Timestamp) -> Result<Erased, StoreError> {
        self.gate().await;
        self.inner.erase(run, now).await
    }

    async fn dirty_heads(&self, limit: u32) -> Result<DirtyHeads, StoreError> {
        self.gate().await;
        self.inner.dirty_heads(limit).await
    }

    async fn add_seal(&self, seal: Seal) -> Result<Sealed, StoreError> {
        self.gate().await;
        self.inner.add_seal(seal).await
    }

    async fn last_seal(&self) -> Result<Option<Seal>, StoreError> {
        self.gate().await;
        self.inner.last_seal().await
    }

    async fn seals(&self, after: u64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        self.gate().await;
        self.inner.seals(after, limit).await
    }

    async fn adopt(&self, instance: Arc<str>) -> Result<(), StoreError> {
        self.gate().await;
        self.inner.adopt(instance).await
    }

    async fn instance_id(&self) -> Result<Arc<str>, StoreError> {
        self.gate().await;
        self.inner.instance_id().await
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        self.inner.check().await
    }
}
