//! The loop: fold → next → perform → append, for one claimed run.
//!
//! # When the disk must answer
//! Before anything leaves this process (a model call, a tool call) and before a suspend or a finish. What is pure travels with the
//! next such append; an answer from outside is appended at once, together with the intents that follow from it.
//!
//! # When the run is lost
//! A fenced engine forgets the run and touches nothing. Tools that it had called may still answer: those answers are kept as
//! late results, for whoever owns the run now. What this version cannot fold, or what panics, stops that run only: it is released
//! as blocked, with the reason.

mod durable;
mod handing;

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;
use kernel::{
    cache::KeptAnswer,
    context::ModelRequest,
    governance::{Permit, budget::Exceeded, charter::Charter},
    ids::{Digest, StepPath},
    journal::{End, Event},
    next::{self, Counted, Facts, NativeCall, Next, Query, Record, Suspend},
    pace::Place,
    recovery::Response,
    routes::Cooling,
    run::{Illegal, RunState},
    settle::{Answer, Settled, settle},
    values::{Timestamp, Value},
    workflow::Program,
};
use store::{Appended, Claimed, Guard, Message, Status, StoreError};
use tokio::task::JoinSet;

use crate::{
    Inner,
    batch::{Batch, Writer, rules},
    clock, fault, late, perform,
    worker::{Local, Seat},
};

/// Looked-up blobs are forgotten after a step once they take more than this.
const CACHE_BYTES: usize = 8 << 20;

/// How an engine left its run.
#[derive(Debug)]
pub(crate) enum Left {
    /// The last entry is durable.
    Finished,
    /// It sleeps in the store.
    Parked,
    /// The worker is shutting down: it is released with the worker's other runs.
    Leaving,
    /// Another owner has it, or may have it.
    Fenced,
    /// It is blocked, for this reason.
    Blocked(String),
    /// The store has ended.
    Gone(StoreError),
}

/// Why the loop stops without an ending of its own.
#[derive(Debug)]
pub(crate) enum Halt {
    Fenced,
    Blocked(String),
    Gone(StoreError),
}

impl From<Illegal> for Halt {
    fn from(illegal: Illegal) -> Halt {
        Halt::Blocked(format!("its journal cannot be followed: {illegal}"))
    }
}

/// What is left once everything that can be decided inside is decided.
#[derive(Default)]
struct Quiet {
    asks: Vec<ModelRequest>,
    calls: Vec<Permit>,
    suspend: Option<Suspend>,
    finish: Option<Record>,
}

/// Drives one run for one claim.
pub(crate) struct Engine {
    inner: Arc<Inner>,
    local: Arc<Local>,
    seat: Option<Seat>,
    writer: Writer,
    state: RunState,
    /// Number of the last durable entry.
    durable: u64,
    batch: Batch,
    /// How many messages the inbox has had, as far as we know.
    inbox_gen: u64,
    /// The last message that was read: the journal's, or a later one that this version does not know.
    inbox_read: u64,
    /// The last read number that the store's row has.
    inbox_noted: u64,
    /// What all runs are judged by, as of the last look.
    charter: Arc<Charter>,
    /// Counters that were looked up for a verdict.
    counters: BTreeMap<Arc<str>, Counted>,
    /// Steps whose call the store has found no room for, since the last durable entry.
    refused: BTreeMap<StepPath, Exceeded>,
    /// Places in rate limits, by the step that asked for one.
    places: BTreeMap<StepPath, Place>,
    /// Whether models cool down, as it was looked up for this pass.
    cooling: BTreeMap<Arc<str>, Option<Cooling>>,
    answers: BTreeMap<Digest, Option<KeptAnswer>>,
    key: [u8; 32],
    tenant: Arc<str>,
    blobs: BTreeMap<Digest, Value>,
    blob_bytes: usize,
    in_flight: BTreeSet<StepPath>,
    asks: JoinSet<(StepPath, Answer)>,
    calls: JoinSet<(StepPath, Answer)>,
}

impl Engine {
    /// An engine for a run whose journal is still to be read.
    pub(crate) fn claimed(inner: Arc<Inner>, seat: Seat, claimed: &Claimed) -> Engine {
        // Whose key was erased is over: nothing is hashed with what stands in its place.
        let key = claimed.key.unwrap_or_default();
        let state = RunState::new(claimed.run);
        let mut engine = Engine::new(inner, seat, claimed.epoch, state, key, claimed.tenant.clone());
        engine.durable = claimed.head.seq;
        engine.inbox_gen = claimed.inbox_gen;
        engine
    }

    /// An engine for a run that this worker has just started: `state` holds its first entry, which is durable.
    pub(crate) fn started(inner: Arc<Inner>, seat: Seat, state: RunState, key: [u8; 32], tenant: Arc<str>) -> Engine {
        let (epoch, head) = (state.epoch, state.head.seq);
        let mut engine = Engine::new(inner, seat, epoch, state, key, tenant);
        engine.durable = head;
        engine
    }

    fn new(inner: Arc<Inner>, seat: Seat, epoch: u64, state: RunState, key: [u8; 32], tenant: Arc<str>) -> Engine {
        let local = seat.local().clone();
        Engine {
            writer: Writer { run: state.run, epoch, owner: local.id },
            charter: Arc::default(),
            counters: BTreeMap::new(),
            refused: BTreeMap::new(),
            places: BTreeMap::new(),
            cooling: BTreeMap::new(),
            answers: BTreeMap::new(),
            key,
            batch: Batch::of(tenant.clone(), inner.config.events_kept),
            tenant,
            inner,
            local,
            seat: Some(seat),
            state,
            durable: 0,
            inbox_gen: 0,
            inbox_read: 0,
            inbox_noted: 0,
            blobs: BTreeMap::new(),
            blob_bytes: 0,
            in_flight: BTreeSet::new(),
            asks: JoinSet::new(),
            calls: JoinSet::new(),
        }
    }

    /// Drives the run until it is over, parked or lost, and leaves everything in order.
    pub(crate) async fn live(mut self) -> Left {
        let left = match AssertUnwindSafe(self.drive()).catch_unwind().await {
            Ok(Ok(left)) => left,
            Ok(Err(Halt::Fenced)) => Left::Fenced,
            Ok(Err(Halt::Blocked(reason))) => self.block(reason).await,
            Ok(Err(Halt::Gone(why))) => Left::Gone(why),
            Err(_) => self.block("its engine panicked: the process log says where".to_owned()).await,
        };
        #[cfg(feature = "faults")]
        if let Left::Fenced = left {
            self.inner.mutants.fenced.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        }
        match &left {
            Left::Fenced => tracing::warn!(run = %self.writer.run, epoch = self.writer.epoch, "lost to another owner"),
            Left::Blocked(reason) => tracing::warn!(run = %self.writer.run, reason, "blocked"),
            Left::Gone(why) => tracing::error!(run = %self.writer.run, %why, "the store has ended"),
            Left::Finished | Left::Parked | Left::Leaving => {}
        }
        // First off the list of live runs, then the news: who looks in between finds the row in the store.
        self.seat = None;
        if let Left::Finished = left {
            self.inner.watches.ended(self.writer.run, self.state.end.take());
        } else {
            self.inner.watches.grown(self.writer.run);
        }
        self.asks.abort_all();
        if matches!(left, Left::Fenced | Left::Blocked(_)) {
            late::keep(&self.inner, (self.writer, &self.state), &self.batch, &mut self.calls).await;
        }
        left
    }

    async fn drive(&mut self) -> Result<Left, Halt> {
        if self.state.head.seq < self.durable {
            self.load().await?;
        }
        let program = self.program().await?;
        loop {
            // What this process has seen of the rules meanwhile counts at once.
            self.charter = self.charter(false).await?;
            self.fold_inbox().await?;
            let quiet = self.decide(&program).await?;
            if let Some(record) = quiet.finish {
                match self.finish(record).await? {
                    Some(left) => return Ok(left),
                    None => continue,
                }
            }
            if self.in_flight.is_empty() && quiet.asks.is_empty() && quiet.calls.is_empty() {
                let Some(suspend) = quiet.suspend else {
                    return Err(Halt::Blocked("it is not over, and nothing is to be done: a bug".to_owned()));
                };
                if self.suspend(suspend).await? {
                    return Ok(Left::Parked);
                }
                continue;
            }
            if self.inner.mutants.make(fault::INTENT_AFTER_ACT) {
                self.dispatch(quiet.asks, quiet.calls)?;
                self.flush().await?;
            } else {
                if !self.flush().await? || self.unread() {
                    continue;
                }
                if self.local.leaving() && self.in_flight.is_empty() {
                    return Ok(Left::Leaving);
                }
                self.dispatch(quiet.asks, quiet.calls)?;
            }
            self.wait(&program, quiet.suspend.and_then(|suspend| suspend.until)).await?;
        }
    }

    /// Records, pure functions and lookups, until nothing is left that can be decided inside.
    async fn decide(&mut self, program: &Program) -> Result<Quiet, Halt> {
        loop {
            let now = self.now();
            let (mut quiet, mut moved, mut looks) = (Quiet::default(), false, Vec::<Query>::new());
            for next in next::next(program, &self.state, &self.facts(now)) {
                match next {
                    Next::Record(record) => {
                        moved = true;
                        // Who leaves a stage leaves everything else that was decided for it.
                        let leaves = matches!(
                            record.event,
                            Event::FailureAnswered { response: Response::Stage { .. } | Response::ReturnTo { .. }, .. }
                        );
                        self.record(record, now)?;
                        if leaves {
                            break;
                        }
                    }
                    Next::Native(call) => moved |= self.native(program, call, now).await?,
                    Next::Hand(handing) => {
                        moved = true;
                        self.hand(*handing, now).await?;
                    }
                    Next::Look(queries) => looks.extend(queries),
                    Next::Ask(request) => quiet.asks.push(*request),
                    Next::Call(permit) => quiet.calls.push(permit),
                    Next::Suspend(suspend) => quiet.suspend = Some(suspend),
                    Next::Finish(record) => quiet.finish = Some(record),
                }
            }
            if moved {
                self.bound().await?;
            } else if !looks.is_empty() {
                self.look(&looks).await?;
            } else {
                // A place that was not used now is lost: used later, it would be one too many then.
                self.places.retain(|_, place| matches!(place, Place::NotBefore(_)));
                // Others may have been told since: the next pass asks again.
                self.cooling.clear();
                self.answers.clear();
                return Ok(quiet);
            }
        }
    }

    /// Keeps what is held in memory small, and the promise of one commit a step where it was asked for.
    async fn bound(&mut self) -> Result<(), Halt> {
        if self.blob_bytes > CACHE_BYTES {
            self.blobs.clear();
            self.blob_bytes = 0;
        }
        if self.batch.is_full() || (self.inner.config.commit_every_step && self.batch.progress) {
            // What is refused is decided again: the state is as it was before.
            self.flush().await?;
        }
        Ok(())
    }

    fn record(&mut self, record: Record, now: Timestamp) -> Result<(), Halt> {
        #[cfg(feature = "faults")]
        let record = {
            let mut record = record;
            fault::instead(&self.inner.mutants, &self.state, &mut record);
            record
        };
        // A place is for one sending.
        if let Event::ModelAsked { step, .. }
        | Event::ActionStarted { step, .. }
        | Event::ActionResent { step, .. }
        | Event::ProbeStarted { step, .. } = &record.event
        {
            self.places.remove(step);
        }
        let salt = clock::bytes(&*self.inner.random);
        let rules = (now, &*self.charter);
        let rows = self.batch.conditions();
        self.batch.add(&mut self.state, self.writer.epoch, record, rules, salt)?;
        if self.batch.guards()[rows..].iter().any(|guard| matches!(guard, Guard::KeepAnswer(_))) {
            // What was not found before may be there now.
            self.answers.clear();
        }
        #[cfg(feature = "faults")]
        if self.inner.mutants.make(fault::KEY_PER_ATTEMPT) {
            fault::key_per_attempt(&mut self.state);
        }
        Ok(())
    }

    /// Runs a pure function here and now, and records what it gave. `false` if nobody waits for it any more.
    async fn native(&mut self, program: &Program, call: NativeCall, now: Timestamp) -> Result<bool, Halt> {
        let NativeCall { step, function, input } = call;
        let answer = Answer::Native { answer: self.inner.natives.call(&function, input) };
        self.settle(program, &step, &answer, now).await
    }

    /// Judges an answer and records it. `false` if nobody waits for it any more.
    async fn settle(
        &mut self,
        program: &Program,
        step: &StepPath,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<bool, Halt> {
        loop {
            match settle(program, &self.state, &self.facts(now), step, answer) {
                #[cfg(feature = "faults")]
                Settled::Record(mut record) if self.inner.mutants.make(fault::FAILED_RECORDED_THOUGH_RESENT) => {
                    fault::believe_rejection(&mut record);
                    self.record(record, now)?;
                    return Ok(true);
                }
                Settled::Record(record) => {
                    self.record(record, now)?;
                    return Ok(true);
                }
                Settled::Look(queries) => self.look(&queries).await?,
                Settled::Stale => return Ok(false),
            }
        }
    }

    fn facts(&self, now: Timestamp) -> Facts<'_> {
        Facts {
            now,
            epoch: self.writer.epoch,
            blobs: &self.blobs,
            in_flight: &self.in_flight,
            charter: &self.charter,
            counters: &self.counters,
            refused: &self.refused,
            places: &self.places,
            cooling: &self.cooling,
            answers: &self.answers,
            tenant: &self.tenant,
            key: &self.key,
        }
    }

    /// Now, but never before the last entry.
    fn now(&self) -> Timestamp {
        let now = self.inner.clock.now();
        if self.inner.mutants.make(fault::TIMER_BACKWARD) { now } else { now.max(self.state.at) }
    }

    fn unread(&self) -> bool {
        self.inbox_gen > self.inbox_read
    }

    /// Sends what may be sent: its intent is durable, and the lease holds.
    fn dispatch(&mut self, asks: Vec<ModelRequest>, calls: Vec<Permit>) -> Result<(), Halt> {
        if asks.is_empty() && calls.is_empty() {
            return Ok(());
        }
        if self.local.leaving() {
            return Ok(());
        }
        let holds = self.local.holds(self.inner.clock.monotonic()) || self.inner.mutants.make(fault::NO_SELF_FENCE);
        if !holds {
            self.local.fence();
            return Err(Halt::Fenced);
        }
        for request in asks {
            let (step, inner) = (request.step.clone(), self.inner.clone());
            self.in_flight.insert(step.clone());
            self.asks.spawn(async move { (step, perform::ask(&inner.gateway, &request).await) });
        }
        for permit in calls {
            let (step, inner) = (permit.step().clone(), self.inner.clone());
            self.in_flight.insert(step.clone());
            self.calls.spawn(async move { (step, perform::call(&inner.gateway, permit).await) });
        }
        Ok(())
    }

    /// Waits for an answer, a message, the time `until`, or the end of the lease; takes all answers that are there.
    async fn wait(&mut self, program: &Program, until: Option<Timestamp>) -> Result<(), Halt> {
        let clock = self.inner.clock.clone();
        let timer = async {
            match until {
                Some(until) => clock.sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let poke = self.seat.as_ref().map(|seat| seat.poke().clone());
        let poked = async {
            match &poke {
                Some(poke) => poke.notified().await,
                None => std::future::pending().await,
            }
        };
        let first = tokio::select! {
            Some(answered) = self.calls.join_next() => Some(answered),
            Some(answered) = self.asks.join_next() => Some(answered),
            () = poked => {
                // A message, the end of the lease, or a shutdown; the message is looked for either way.
                self.inbox_gen = self.inbox_gen.max(self.inbox_read + 1);
                None
            }
            () = timer => None,
        };
        if self.local.fenced() {
            return Err(Halt::Fenced);
        }
        let mut more = first;
        while let Some(answered) = more {
            match answered {
                Ok((step, answer)) => {
                    self.in_flight.remove(&step);
                    let now = self.now();
                    self.push_back(program, &step, &answer, now).await?;
                    if !self.settle(program, &step, &answer, now).await? {
                        tracing::debug!(run = %self.writer.run, %step, "an answer that nobody waits for any more");
                    }
                }
                Err(lost) => return Err(Halt::Blocked(format!("a call ended without an answer: {lost}"))),
            }
            more = self.calls.try_join_next().or_else(|| self.asks.try_join_next());
        }
        Ok(())
    }

    async fn fold_inbox(&mut self) -> Result<(), Halt> {
        if !self.unread() {
            return Ok(());
        }
        let (inner, run, after) = (self.inner.clone(), self.writer.run, self.inbox_read);
        let messages = self.patiently(|| inner.store.inbox(run, after)).await?;
        let now = self.now();
        for Message { seq, kind, name, sender, body, .. } in messages {
            let body = Value::from_json(&body)
                .map_err(|why| Halt::Blocked(format!("message {seq} of its inbox cannot be read: {why}")))?;
            match next::receive(seq, &kind, &name, body, &sender) {
                Some(record) => self.record(record, now)?,
                None => tracing::warn!(%run, seq, %kind, "a message of a kind that this version does not know"),
            }
            self.inbox_read = seq;
        }
        // A poke may have been about something else: then there was nothing.
        self.inbox_gen = self.inbox_read;
        Ok(())
    }

    /// Makes everything decided durable; nothing to do if there is nothing. `false`: what it rested on has moved, and it is as if it
    /// had not been decided.
    async fn flush(&mut self) -> Result<bool, Halt> {
        if self.batch.is_empty() && self.inbox_read == self.inbox_noted {
            return Ok(true);
        }
        match self.append(&[]).await? {
            Appended::Done { .. } => Ok(true),
            Appended::Refused { guard, current } => {
                self.decide_again(guard, current).await?;
                Ok(false)
            }
            Appended::Fenced => Err(Halt::Fenced),
        }
    }

    /// Writes the last entry. `None`: what was decided before it rested on something that has moved.
    async fn finish(&mut self, record: Record) -> Result<Option<Left>, Halt> {
        // Answers that no result depends on are not waited for.
        self.asks.abort_all();
        let (status, failure) = match &record.event {
            Event::RunFinished { end: End::Completed, .. } => (Status::Completed, None),
            Event::RunFinished { end: End::Cancelled, .. } => (Status::Cancelled, None),
            Event::RunFinished { failure, .. } => {
                (Status::Failed, failure.as_ref().map(|why| why.kind.as_str().into()))
            }
            other => {
                let line = kernel::story::line(other);
                return Err(Halt::Blocked(format!("its last entry would be `{line}`: a bug")));
            }
        };
        let now = self.now();
        // Who handed it its work learns of its end together with it.
        let told =
            next::report(&self.state, &record).map(|(parent, body)| rules::report(&self.state, parent, &body, now));
        self.record(record, now)?;
        let lease: Vec<Guard> = told.into_iter().chain([Guard::Finish { status, failure }]).collect();
        match self.append(&lease).await? {
            Appended::Done { .. } => Ok(Some(Left::Finished)),
            Appended::Refused { guard, current } => {
                self.decide_again(guard, current).await?;
                Ok(None)
            }
            Appended::Fenced => Err(Halt::Fenced),
        }
    }

    /// Gives the run back until its time or a message comes. `false`: a message came first.
    async fn suspend(&mut self, suspend: Suspend) -> Result<bool, Halt> {
        let Suspend { until, waits_for, paused, generation } = suspend;
        let status = if paused { Status::Paused } else { Status::Waiting };
        let lease = Guard::Suspend { status, waits_for, wake_at: until };
        if self.inner.mutants.make(fault::FORGET_PENDING_ON_SUSPEND) {
            self.batch.clear();
        }
        let mut guards = vec![Guard::InboxIs(self.inbox_read)];
        if self.inner.mutants.make(fault::LOSE_SIGNAL) {
            guards.clear();
        }
        // What it waits for may have come while it was looked at: whoever changed it found nobody who waits.
        let governed = guards.len();
        guards.extend(generation.map(Guard::GovernanceIs));
        guards.push(lease);
        match self.append(&guards).await? {
            Appended::Done { .. } => {
                if let Some(until) = until {
                    self.local.due_by(until);
                }
                Ok(true)
            }
            Appended::Refused { guard, current } if guard < self.batch.conditions() => {
                self.decide_again(guard, current).await?;
                Ok(false)
            }
            Appended::Refused { guard, .. } if generation.is_some() && guard - self.batch.conditions() == governed => {
                self.charter = self.charter(true).await?;
                Ok(false)
            }
            Appended::Refused { current, .. } => {
                self.inbox_gen = current;
                Ok(false)
            }
            Appended::Fenced => Err(Halt::Fenced),
        }
    }
}
