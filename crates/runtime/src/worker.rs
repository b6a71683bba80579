//! A worker: one boot, one lease, one heartbeat. It claims runs that are due, seats an engine for each, and leaves in good order.
//!
//! A run that is parked has no engine, no timer and no memory here: one sleep until the earliest due time serves them all.

use std::{
    collections::{BTreeSet, HashMap},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU8, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::FutureExt as _;
use kernel::{
    governance::charter::Change,
    ids::{RunId, WorkerId},
    next::Starting,
    run::RunState,
    values::{Span, Timestamp},
};
use store::{Beat, Claimed, NewRun, Reservation, Started, StoreError};
use tokio::{
    sync::{Notify, mpsc, oneshot},
    task::JoinSet,
};

use crate::{
    Inner, RunError, Runtime,
    clock::{self, duration},
    engine::{Engine, Left},
    govern::Asker,
    outbox, seals,
};

/// A worker looks at least this often for runs that other processes made due.
const POLL: Span = Span::from_millis(1_000);

/// What is due and could not be claimed is asked for again after this: a suspect waits for another one.
const HELD_BACK: Span = Span::from_millis(100);

/// Drives runs until it is told to stop.
pub struct Worker {
    inner: Arc<Inner>,
}

/// What is to be seated.
pub(crate) enum Job {
    /// A run that is to be started with the worker as its first owner, and as it stands then.
    Start { new: Box<NewRun>, state: Box<RunState>, seat: Seat, reply: oneshot::Sender<Result<Started, StoreError>> },
    /// A run that was claimed.
    Claimed { claimed: Claimed, seat: Seat },
}

/// One incarnation of a worker in this process: what its engines and the commands share.
pub(crate) struct Local {
    pub(crate) id: WorkerId,
    live: Mutex<HashMap<RunId, Arc<Notify>>>,
    taken: AtomicUsize,
    most: usize,
    jobs: mpsc::UnboundedSender<Job>,
    /// The earliest time at which something is known to be due, in microseconds.
    due_us: AtomicI64,
    /// The claim loop is to look again.
    wake: Notify,
    /// The claim loop waits for room.
    hungry: AtomicBool,
    /// The end of the lease less a margin, in monotonic microseconds.
    lease_us: AtomicU64,
    phase: AtomicU8,
    /// The phase changed, or a run left.
    changed: Notify,
}

const WORKING: u8 = 0;
const LEAVING: u8 = 1;
const FENCED: u8 = 2;

const NEVER: i64 = i64::MAX;

impl Local {
    fn new(id: WorkerId, most: usize, jobs: mpsc::UnboundedSender<Job>) -> Local {
        Local {
            id,
            live: Mutex::new(HashMap::new()),
            taken: AtomicUsize::new(0),
            most,
            jobs,
            due_us: AtomicI64::new(i64::MIN),
            wake: Notify::new(),
            hungry: AtomicBool::new(false),
            lease_us: AtomicU64::new(0),
            phase: AtomicU8::new(WORKING),
            changed: Notify::new(),
        }
    }

    fn live(&self) -> MutexGuard<'_, HashMap<RunId, Arc<Notify>>> {
        // Each change is one insert or remove: a panic leaves nothing half done.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message or another piece of news waits for this run; `false` if it is not driven here.
    pub(crate) fn poke(&self, run: RunId) -> bool {
        let live = self.live();
        let poke = live.get(&run);
        if let Some(poke) = poke {
            poke.notify_one();
        }
        poke.is_some()
    }

    pub(crate) fn drives(&self, run: RunId) -> bool {
        self.live().contains_key(&run)
    }

    /// Something is due at `at`: the claim loop will look then.
    pub(crate) fn due_by(&self, at: Timestamp) {
        if self.due_us.fetch_min(at.micros(), Ordering::SeqCst) > at.micros() {
            self.wake.notify_one();
        }
    }

    /// Up to `most` places for runs.
    fn reserve(self: &Arc<Self>, most: usize) -> usize {
        let room = |taken: usize| {
            let places = self.most.saturating_sub(taken).min(most);
            (places > 0).then_some(taken + places)
        };
        match self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, room) {
            Ok(before) => self.most.saturating_sub(before).min(most),
            Err(_) => 0,
        }
    }

    fn free(&self, places: usize) {
        if places > 0 {
            self.taken.fetch_sub(places, Ordering::SeqCst);
            if self.hungry.load(Ordering::SeqCst) {
                self.wake.notify_one();
            }
        }
    }

    /// A place for one run of which the claim is still to come.
    pub(crate) fn seat(self: &Arc<Self>, run: RunId) -> Option<Seat> {
        if self.phase.load(Ordering::SeqCst) != WORKING || self.reserve(1) == 0 {
            return None;
        }
        Some(self.sit(run))
    }

    /// Takes a reserved place.
    fn sit(self: &Arc<Self>, run: RunId) -> Seat {
        let poke = Arc::new(Notify::new());
        self.live().insert(run, poke.clone());
        Seat { local: self.clone(), run, poke }
    }

    /// Hands a job to the worker; gives it back if the worker has ended.
    pub(crate) fn hand(&self, job: Job) -> bool {
        self.jobs.send(job).is_ok()
    }

    /// Whether the lease still holds at `monotonic`, with a margin.
    pub(crate) fn holds(&self, monotonic: Duration) -> bool {
        !self.fenced() && micros(monotonic) < self.lease_us.load(Ordering::SeqCst)
    }

    fn prolong(&self, sent: Duration, lease: Span) {
        let lease = duration(lease);
        self.lease_us.store(micros(sent + lease - lease / 6), Ordering::SeqCst);
    }

    /// The worker is dead, or must assume so: nothing more leaves this process in its name.
    pub(crate) fn fence(&self) {
        self.enter(FENCED);
    }

    pub(crate) fn fenced(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == FENCED
    }

    /// The worker is shutting down: what is open is finished, nothing new is sent.
    pub(crate) fn leaving(&self) -> bool {
        self.phase.load(Ordering::SeqCst) == LEAVING
    }

    fn enter(&self, phase: u8) {
        if self.phase.fetch_max(phase, Ordering::SeqCst) < phase {
            // Each is told once; the order decides nothing.
            self.live().values().for_each(|poke| poke.notify_one());
            self.wake.notify_one();
            self.changed.notify_waiters();
        }
    }

    /// Waits until no new work is begun here.
    pub(crate) async fn left(&self) {
        self.until(|local| local.phase.load(Ordering::SeqCst) != WORKING).await;
    }

    /// Waits until `done`, looking whenever the phase changes or a run leaves.
    async fn until(&self, done: impl Fn(&Local) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if done(self) {
                return;
            }
            changed.await;
        }
    }
}

fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// A place of a live run: while it exists, the run is on the list and can be poked.
pub(crate) struct Seat {
    local: Arc<Local>,
    run: RunId,
    poke: Arc<Notify>,
}

impl Seat {
    pub(crate) fn local(&self) -> &Arc<Local> {
        &self.local
    }

    pub(crate) fn poke(&self) -> &Arc<Notify> {
        &self.poke
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        {
            let mut live = self.local.live();
            // The same run may have a new seat already: claimed again right after its suspend.
            if live.get(&self.run).is_some_and(|poke| Arc::ptr_eq(poke, &self.poke)) {
                live.remove(&self.run);
            }
        }
        // News that came between the commit of the suspend and this moment was heard by nobody: the claim loop looks.
        if self.poke.notified().now_or_never().is_some() {
            self.local.due_by(Timestamp::from_micros(i64::MIN));
        }
        self.local.free(1);
        if self.local.phase.load(Ordering::SeqCst) != WORKING {
            self.local.changed.notify_waiters();
        }
    }
}

/// Lets the commands of this runtime find the worker; on drop, in whatever way, its engines stop.
struct Open<'a> {
    inner: &'a Inner,
    local: Arc<Local>,
}

impl<'a> Open<'a> {
    fn new(inner: &'a Inner, local: &Arc<Local>) -> Open<'a> {
        *inner.local() = Some(local.clone());
        Open { inner, local: local.clone() }
    }

    /// No more starts are seated here.
    fn close(&self) {
        let mut current = self.inner.local();
        if current.as_ref().is_some_and(|local| Arc::ptr_eq(local, &self.local)) {
            *current = None;
        }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.close();
        self.local.fence();
    }
}

/// How one incarnation ended.
enum Boot {
    Shutdown,
    Dead,
}

impl Worker {
    pub(crate) fn new(inner: Arc<Inner>) -> Worker {
        Worker { inner }
    }

    /// Joins the store, drives runs, and on `shutdown` lets what is open finish (for a while) and leaves.
    ///
    /// What an earlier process left unfinished is resumed by itself: it is simply due. A worker that is declared dead, or that
    /// cannot prolong its lease, stops everything it does and joins again under a new id.
    ///
    /// Dropping the future is a crash, as far as the store can tell: nothing is left in order, and nothing is lost.
    ///
    /// # Errors
    /// The data were put back or are a copy ([`RunError::PutBack`]); the store cannot be joined or has ended.
    pub async fn run<S: Future>(self, shutdown: S) -> Result<(), RunError> {
        seals::admit(&self.inner).await?;
        // Whatever is done from here on, an older copy of these data is known as one.
        seals::seal(&self.inner, true).await?;
        let shutdown = async {
            shutdown.await;
        };
        tokio::pin!(shutdown);
        // Engines that lost their run stay here until the tools that they called have answered.
        let mut engines = JoinSet::new();
        loop {
            match self.boot(&mut engines, shutdown.as_mut()).await? {
                Boot::Shutdown => return Ok(()),
                Boot::Dead => tracing::warn!("this worker has lost its lease; it begins anew under another id"),
            }
        }
    }

    async fn boot(
        &self,
        engines: &mut JoinSet<Left>,
        mut shutdown: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Boot, RunError> {
        let inner = &self.inner;
        let config = &inner.config;
        let id = WorkerId::new(inner.clock.now(), clock::bytes(&*inner.random));
        let (sender, mut jobs) = mpsc::unbounded_channel();
        let local = Arc::new(Local::new(id, config.most_runs, sender));
        let sent = inner.clock.monotonic();
        let joined = inner.store.join(id, config.lease, inner.clock.now()).await;
        joined.map_err(|why| RunError::store("join the store", why))?;
        local.prolong(sent, config.lease);
        tracing::debug!(worker = %id, "joined");

        let open = Open::new(inner, &local);
        // Dropped with this function: its tasks never outlive it.
        let mut tending = JoinSet::new();
        tending.spawn(beat(inner.clone(), local.clone()));
        tending.spawn(claim(inner.clone(), local.clone()));
        tending.spawn(seals::tend(inner.clone(), local.clone()));
        // Apart: what is on its way to people is not cut off when the worker leaves.
        let mut post = JoinSet::new();
        post.spawn(outbox::send(inner.clone(), local.clone()));

        let mut pile = Vec::new();
        let mut grace = None;
        let boot = loop {
            if local.fenced() {
                break if grace.is_some() { Boot::Shutdown } else { Boot::Dead };
            }
            if local.leaving() && local.live().is_empty() {
                break Boot::Shutdown;
            }
            let leave_by = grace.as_mut();
            tokio::select! {
                taken = jobs.recv_many(&mut pile, 256), if !local.leaving() => {
                    if taken == 0 {
                        break Boot::Dead;
                    }
                    for job in pile.drain(..) {
                        engines.spawn(job.work(inner.clone()));
                    }
                }
                Some(left) = engines.join_next(), if !engines.is_empty() => {
                    let mut next = Some(left);
                    while let Some(left) = next {
                        match left {
                            Ok(Left::Gone(why)) => return Err(RunError::store("go on", why)),
                            Ok(_) => {}
                            // Its run is ours and has no engine: what this worker holds is given back.
                            Err(why) => {
                                tracing::error!(%why, "an engine ended badly; this worker begins anew");
                                local.fence();
                            }
                        }
                        next = engines.try_join_next();
                    }
                }
                Some(ended) = async {
                    tokio::select! {
                        Some(ended) = tending.join_next() => Some(ended),
                        Some(ended) = post.join_next() => Some(ended),
                        else => None,
                    }
                } => {
                    if let Ok(Err(why)) = ended {
                        return Err(RunError::store("go on", why));
                    }
                }
                () = local.until(|local| local.fenced() || (local.leaving() && local.live().is_empty())) => {}
                () = shutdown.as_mut(), if leave_by.is_none() => {
                    open.close();
                    local.enter(LEAVING);
                    // What was handed over and has no engine yet is given back: a start is answered elsewhere, a claim released.
                    jobs.close();
                    while jobs.try_recv().is_ok() {}
                    let clock = inner.clock.clone();
                    grace = Some(Box::pin(async move { clock.sleep(inner.config.grace).await }));
                }
                () = async { match leave_by { Some(grace) => grace.await, None => std::future::pending().await } } => {
                    tracing::warn!(runs = local.live().len(), "some calls did not answer before the shutdown");
                    break Boot::Shutdown;
                }
            }
        };
        open.close();
        if let Boot::Shutdown = boot {
            local.fence();
            engines.shutdown().await;
        } else {
            local.fence();
            jobs.close();
            while jobs.try_recv().is_ok() {}
            local.until(|local| local.live().is_empty()).await;
        }
        tending.shutdown().await;
        if let Boot::Shutdown = boot {
            outbox::last(inner, &mut post).await;
            seals::close(inner).await;
        }
        // A worker that was declared dead has nothing to release; one that feared it has.
        let left = inner.store.leave(id, inner.clock.now()).await;
        if let (Boot::Shutdown, Err(why)) = (&boot, left) {
            return Err(RunError::store("leave the store", why));
        }
        Ok(boot)
    }
}

impl Job {
    async fn work(self, inner: Arc<Inner>) -> Left {
        match self {
            Job::Claimed { claimed, seat } => Engine::claimed(inner, seat, &claimed).live().await,
            Job::Start { new, state, seat, reply } => {
                let (key, tenant) = (new.key, new.tenant.clone());
                let started = inner.store.start(*new).await;
                if !matches!(started, Ok(Started::Created)) {
                    drop(seat);
                    // A caller that has gone away asks again with its key.
                    let _ = reply.send(started);
                    return Left::Parked;
                }
                let _ = reply.send(started);
                Engine::started(inner, seat, *state, key, tenant).live().await
            }
        }
    }
}

/// A new run as the store wants it, and as it stands once the store has it.
pub(crate) fn new_run(
    run: RunId,
    start: &crate::Start,
    tenant: &Arc<str>,
    starting: Starting,
    owner: Option<WorkerId>,
    key: [u8; 32],
    now: Timestamp,
) -> (NewRun, RunState) {
    let new = NewRun {
        run,
        tenant: tenant.clone(),
        workflow: start.workflow.clone(),
        bundle: start.bundle,
        start_key: start.key.clone(),
        input: starting.input,
        about: starting.about,
        first: starting.first,
        blobs: starting.blobs,
        owner,
        parent: None,
        inherited: None,
        key,
        now,
    };
    (new, starting.state)
}

/// Prolongs the lease, pokes runs that have unread messages, looks at the rules, and buries workers that are late. Ends when the worker is dead.
async fn beat(inner: Arc<Inner>, local: Arc<Local>) -> Result<(), StoreError> {
    let lease = inner.config.lease;
    let pause = Span::from_micros((lease.micros() / 6).max(1));
    sweep(&inner).await;
    loop {
        inner.clock.sleep(pause).await;
        let sent = inner.clock.monotonic();
        match inner.store.beat(local.id, lease, inner.clock.now()).await {
            Ok(Beat::Alive { unread }) => {
                local.prolong(sent, lease);
                for run in unread {
                    local.poke(run);
                }
            }
            Ok(Beat::Dead) => {
                local.fence();
                return Ok(());
            }
            Err(why @ (StoreError::Stopped { .. } | StoreError::Locked { .. })) => return Err(why),
            Err(why) => {
                tracing::warn!(%why, "a heartbeat failed");
                if !local.holds(inner.clock.monotonic()) {
                    local.fence();
                    return Ok(());
                }
                continue;
            }
        }
        // What another process changed of the rules counts here, too, where no append compares it: rates of models, channels.
        if let Err(why) = inner.charters.refresh(&*inner.store).await {
            tracing::warn!(?why, "the rules of today cannot be read");
        }
        match inner.store.reap(inner.clock.now()).await {
            Ok(0) => {}
            Ok(released) => {
                tracing::warn!(released, "runs of dead workers are due again");
                local.due_by(inner.clock.now());
                inner.post.look_for_quarantined();
            }
            Err(why) => tracing::warn!(%why, "cannot look for dead workers"),
        }
        sweep(&inner).await;
        if let Err(why) = inner.store.drop_answers(inner.clock.now()).await {
            tracing::warn!(%why, "results that count no more cannot be removed");
        }
    }
}

/// Forfeits what runs have set aside that are over or gone. There are none unless something is damaged: each is an alarm, and is written
/// down.
async fn sweep(inner: &Arc<Inner>) {
    let orphans = match inner.store.orphans().await {
        Ok(orphans) if orphans.is_empty() => return,
        Ok(orphans) => orphans,
        Err(why) => return tracing::warn!(%why, "cannot look for sums that nobody will settle"),
    };
    let runs = orphans.iter().map(|row| row.run).collect::<BTreeSet<RunId>>().len() as u64;
    for Reservation { run, step, line: (scope, unit, _), amount } in &orphans {
        tracing::warn!(%run, %step, %scope, %unit, amount, "set aside by a run that is over: it counts as spent");
    }
    // Written down first: it is never done in silence.
    let asker = Asker { by: "worker".into(), auth: "program".into() };
    let said = (Runtime { inner: inner.clone() }).govern(&Change::Forfeit { runs }, None, None, &asker).await;
    if let Err(why) = said {
        return tracing::warn!(%why, "what is to be forfeited cannot be written down");
    }
    if let Err(why) = inner.store.sweep().await {
        tracing::warn!(%why, "sums that nobody will settle cannot be forfeited");
    }
}

/// Claims what is due while there is room. Idle otherwise: one sleep until the earliest due time.
async fn claim(inner: Arc<Inner>, local: Arc<Local>) -> Result<(), StoreError> {
    let most = inner.config.claim.max(1);
    loop {
        if local.phase.load(Ordering::SeqCst) != WORKING {
            return Ok(());
        }
        let now = inner.clock.now();
        let due = Timestamp::from_micros(local.due_us.load(Ordering::SeqCst));
        if due > now {
            tokio::select! {
                () = local.wake.notified() => {}
                () = inner.clock.sleep(clock::left(now, due).min(POLL)) => look_ahead(&inner, &local, now).await,
            }
            continue;
        }
        // Hungry before looking: a place that becomes free in between wakes us.
        local.hungry.store(true, Ordering::SeqCst);
        let places = local.reserve(most as usize);
        if places == 0 {
            local.wake.notified().await;
            continue;
        }
        local.hungry.store(false, Ordering::SeqCst);
        // Forgotten before asking: what becomes due in between is remembered.
        local.due_us.store(NEVER, Ordering::SeqCst);
        let asked = u32::try_from(places).unwrap_or(u32::MAX);
        let claimed = match inner.store.claim(local.id, asked, now).await {
            Ok(claimed) => claimed,
            Err(why) => {
                local.free(places);
                if matches!(why, StoreError::Stopped { .. } | StoreError::Locked { .. }) {
                    return Err(why);
                }
                tracing::warn!(%why, "cannot claim");
                local.due_us.fetch_min((now + POLL).micros(), Ordering::SeqCst);
                continue;
            }
        };
        let count = claimed.len();
        for claimed in claimed {
            let seat = local.sit(claimed.run);
            local.hand(Job::Claimed { claimed, seat });
        }
        local.free(places - count.min(places));
        if count == places {
            local.due_us.fetch_min(now.micros(), Ordering::SeqCst);
            continue;
        }
        // What is due and was not given is held back.
        look_ahead(&inner, &local, now + HELD_BACK).await;
    }
}

/// Asks when something is due, of which another process may not have told us; it is claimed at `earliest` then.
async fn look_ahead(inner: &Inner, local: &Local, earliest: Timestamp) {
    match inner.store.next_due().await {
        Ok(Some(next)) => {
            local.due_us.fetch_min(next.max(earliest).micros(), Ordering::SeqCst);
        }
        Ok(None) => {}
        Err(why) => tracing::warn!(%why, "cannot see what is due next"),
    }
}
