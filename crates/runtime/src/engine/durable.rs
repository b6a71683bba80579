//! How an engine speaks to the store: patiently where that may help, and never guessing whether something was written.

use std::sync::Arc;

use kernel::{
    cache::KeptAnswer,
    governance::{
        budget::{Exceeded, Line, Unit},
        charter::Charter,
    },
    ids::{Digest, StepPath},
    journal::BlobRef,
    next::{Counted, Query},
    pace::{PaceQuery, Place, bucket_of},
    recovery::FailureKind,
    routes::Cooling,
    run::RunState,
    settle::Answer,
    values::{Span, Timestamp, Value},
    workflow::Program,
};
use store::{Appended, CounterQuery, Guard, Status, StoreError, Taken};

use super::{Engine, Halt, Left};
use crate::{
    batch::Batch,
    programs::{Loaded, NoProgram},
};

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// Waits between two tries of a store that failed: doubled from the first to the last.
const RETRY: (Span, Span) = (Span::from_millis(50), Span::from_millis(5_000));

impl Engine {
    /// Releases the run with a reason that a person can read. What is not durable is dropped: nobody has seen it.
    pub(super) async fn block(&mut self, reason: String) -> Left {
        let guard = Guard::Suspend { status: Status::Blocked, waits_for: reason.as_str().into(), wake_at: None };
        loop {
            let append = Batch::default().append(
                self.writer,
                self.durable,
                None,
                std::slice::from_ref(&guard),
                self.inner.clock.now(),
            );
            match self.inner.store.append(append).await {
                Ok(Appended::Done { .. }) => return Left::Blocked(reason),
                Ok(Appended::Fenced | Appended::Refused { .. }) => {}
                Err(StoreError::Stopped { detail }) => return Left::Gone(StoreError::Stopped { detail }),
                Err(why) => {
                    tracing::error!(run = %self.writer.run, %why, "cannot be released");
                    if self.local.fenced() {
                        return Left::Fenced;
                    }
                    self.inner.clock.sleep(RETRY.1).await;
                }
            }
            // An append may have come through without our noticing.
            match self.inner.store.run(self.writer.run).await {
                Ok(Some(row)) if (row.owner, row.epoch) == (Some(self.writer.owner), self.writer.epoch) => {
                    self.durable = row.head.seq;
                }
                Ok(_) => return Left::Fenced,
                Err(_) if self.local.fenced() => return Left::Fenced,
                Err(_) => {}
            }
        }
    }

    /// Appends all that is decided. On success it is durable; a refused append keeps it.
    pub(super) async fn append(&mut self, lease: &[Guard]) -> Result<Appended, Halt> {
        let noted = (self.inbox_read > self.inbox_noted).then_some(self.inbox_read);
        let (mut pause, mut failed) = (RETRY.0, false);
        loop {
            let mut append = self.batch.append(self.writer, self.durable, noted, lease, self.now());
            if self.inner.mutants.make(crate::fault::APPROVAL_NOT_CONSUMED) {
                append.guards.retain(|guard| !matches!(guard, Guard::Consume { .. }));
            }
            let appended = match self.inner.store.append(append).await {
                // A try that seemed to fail may have moved the head itself.
                Ok(Appended::Fenced) if failed => self.came_through(lease).await?.unwrap_or(Appended::Fenced),
                Ok(appended) => appended,
                Err(why) => {
                    let why = self.halt(why)?;
                    failed = true;
                    tracing::warn!(run = %self.writer.run, %why, "an append failed");
                    let Some(appended) = self.came_through(lease).await? else {
                        self.rest(&mut pause).await?;
                        continue;
                    };
                    appended
                }
            };
            match appended {
                Appended::Fenced => return Err(Halt::Fenced),
                Appended::Refused { .. } => {}
                Appended::Done { inbox_gen } => {
                    #[cfg(feature = "faults")]
                    if self.batch.closes() {
                        // There is no call here that could give an error.
                        store::fault::reach(crate::fault::AFTER_OUTCOME);
                    }
                    let entries = self.state.head.seq.saturating_sub(self.durable);
                    self.inner.sealing.count(entries, self.inner.config.seal_records);
                    self.durable = self.state.head.seq;
                    for guard in self.batch.guards().iter().chain(lease) {
                        self.news(guard);
                    }
                    if self.batch.tells() {
                        self.inner.post.look();
                    }
                    self.inbox_gen = self.inbox_gen.max(inbox_gen);
                    self.inbox_noted = self.inbox_read;
                    self.batch.clear();
                    self.refused.clear();
                    self.inner.watches.grown(self.writer.run);
                }
            }
            return Ok(appended);
        }
    }

    /// Whether a failed append was written all the same: the row's head says so, by number and hash.
    pub(super) async fn came_through(&self, lease: &[Guard]) -> Result<Option<Appended>, Halt> {
        let (inner, run) = (self.inner.clone(), self.writer.run);
        let Some(row) = self.patiently(|| inner.store.run(run)).await? else { return Ok(Some(Appended::Fenced)) };
        if row.epoch != self.writer.epoch {
            return Ok(Some(Appended::Fenced));
        }
        let released = lease.iter().any(|guard| matches!(guard, Guard::Suspend { .. } | Guard::Finish { .. }));
        let ours = row.owner == Some(self.writer.owner);
        let written = row.head == self.state.head && ours != released && (released || !self.batch.is_empty());
        Ok(written.then_some(Appended::Done { inbox_gen: row.inbox_gen }))
    }

    /// Which failures of the store are worth another try; the others stop the run, or everything.
    pub(super) fn halt(&self, why: StoreError) -> Result<StoreError, Halt> {
        match why {
            StoreError::Stopped { .. } | StoreError::Locked { .. } => Err(Halt::Gone(why)),
            StoreError::Full | StoreError::Database { .. } => Ok(why),
            _ => Err(Halt::Blocked(format!("the store refuses it: {why}"))),
        }
    }

    pub(super) async fn rest(&self, pause: &mut Span) -> Result<(), Halt> {
        self.inner.clock.sleep(*pause).await;
        *pause = Span::from_micros(pause.micros() * 2).min(RETRY.1);
        if self.local.fenced() { Err(Halt::Fenced) } else { Ok(()) }
    }

    /// Reads from the store, again and again while that may help.
    pub(super) async fn patiently<T, F>(&self, read: impl Fn() -> F) -> Result<T, Halt>
    where
        F: Future<Output = Result<T, StoreError>>,
    {
        let mut pause = RETRY.0;
        loop {
            match read().await {
                Ok(value) => return Ok(value),
                Err(why) => {
                    let why = self.halt(why)?;
                    tracing::warn!(run = %self.writer.run, %why, "a read failed; it is tried again");
                    self.rest(&mut pause).await?;
                }
            }
        }
    }

    /// Reads and folds the journal, verifying its chain.
    pub(super) async fn load(&mut self) -> Result<(), Halt> {
        let (inner, run, head) = (self.inner.clone(), self.writer.run, self.durable);
        loop {
            let after = self.state.head.seq;
            let entries = self.patiently(|| inner.store.journal(run, after, PAGE)).await?;
            self.state.fold(&entries)?;
            #[cfg(feature = "faults")]
            if self.inner.mutants.make(crate::fault::RESEND_RECORDED) {
                crate::fault::forget_last_action(&mut self.state, &entries, self.writer.epoch);
            }
            if entries.len() < PAGE as usize {
                break;
            }
        }
        if self.state.head.seq != head {
            return Err(Halt::Blocked(format!(
                "its journal ends at entry {}, its row says {head}",
                self.state.head.seq
            )));
        }
        self.inbox_read = self.state.inbox_read;
        self.inbox_noted = self.state.inbox_read;
        Ok(())
    }

    /// What a durable append means for other runs: one is due, or has a message.
    fn news(&self, guard: &Guard) {
        let due = match guard {
            // Who hears of an event is not known here: the claim loop looks.
            Guard::StartChild(_) | Guard::Publish(_) | Guard::Want { .. } => true,
            Guard::TellRun { run, .. } => !self.local.poke(*run),
            _ => false,
        };
        if due {
            self.local.due_by(self.now());
        }
    }

    pub(super) async fn program(&self) -> Result<Arc<Program>, Halt> {
        let Some(start) = &self.state.start else {
            return Err(Halt::Blocked("its journal has no first entry".to_owned()));
        };
        let loaded = self.loaded(&start.workflow.clone()).await?;
        match &loaded.missing {
            None => Ok(loaded.program.clone()),
            Some(name) => Err(Halt::Blocked(format!("a worker with the native function `{name}`"))),
        }
    }

    /// A workflow of the run's bundle.
    pub(super) async fn loaded(&self, workflow: &Arc<str>) -> Result<Arc<Loaded>, Halt> {
        let Some(start) = &self.state.start else {
            return Err(Halt::Blocked("its journal has no first entry".to_owned()));
        };
        let mut pause = RETRY.0;
        loop {
            let inner = &self.inner;
            let why = match inner.programs.get(&*inner.store, &inner.natives, start.bundle, workflow).await {
                Ok(loaded) => return Ok(loaded),
                Err(NoProgram::Bundle) => format!("a worker with bundle {}", start.bundle.short()),
                Err(NoProgram::Unreadable(why)) => {
                    format!("a worker that can read bundle {}: {why}", start.bundle.short())
                }
                Err(NoProgram::Store(why)) => {
                    self.halt(why)?;
                    self.rest(&mut pause).await?;
                    continue;
                }
            };
            return Err(Halt::Blocked(why));
        }
    }

    /// The rules of today: as of the last look, or looked up anew.
    pub(super) async fn charter(&self, anew: bool) -> Result<Arc<Charter>, Halt> {
        let mut pause = RETRY.0;
        loop {
            let (charters, store) = (&self.inner.charters, &*self.inner.store);
            let charter = if anew { charters.refresh(store).await } else { charters.now(store).await };
            match charter {
                Ok(charter) => return Ok(charter),
                Err(why) => {
                    let why = self.halt(Halt::of_charter(why)?)?;
                    tracing::warn!(run = %self.writer.run, %why, "the rules of today cannot be read; it is tried again");
                    self.rest(&mut pause).await?;
                }
            }
        }
    }

    /// What the batch's condition number `guard` rested on has moved: everything decided from there on is forgotten, and looked at
    /// with fresh eyes. What was known before stays: it came from outside, or rests on nothing.
    pub(super) async fn decide_again(&mut self, guard: usize, current: u64) -> Result<(), Halt> {
        match self.batch.condition(guard) {
            Some(Guard::GovernanceIs(_)) => self.charter = self.charter(true).await?,
            Some(Guard::Reserve { step, .. }) => {
                let step = StepPath::new(step.clone());
                self.no_room(guard, step, usize::try_from(current).unwrap_or(usize::MAX)).await?;
            }
            Some(Guard::CounterIs { .. }) => {}
            // A decision that is not read yet may be why: it is looked for.
            Some(Guard::Consume { .. }) => self.inbox_gen = self.inbox_gen.max(self.inbox_read + 1),
            other => return Err(Halt::Blocked(format!("the store refuses {other:?}: a bug"))),
        }
        self.counters.clear();
        let kept = self.batch.forget_conditional();
        self.state = RunState::new(self.writer.run);
        self.load().await?;
        for entry in kept {
            let event = entry.event().map_err(kernel::run::Illegal::from)?;
            self.state.apply(&entry, event)?;
        }
        self.inbox_read = self.inbox_read.max(self.state.inbox_read);
        Ok(())
    }

    /// Remembers why the store has set nothing aside for a call of `step`, by the batch's condition number `guard`: its line number
    /// `place` does not fit. What comes later in the batch and needs as much of the same sum is not asked for again one by one.
    async fn no_room(&mut self, guard: usize, step: StepPath, place: usize) -> Result<(), Halt> {
        let reserved = self.batch.reserved(&step);
        let Some(line) = reserved.and_then(|reserved| reserved.lines.get(place).cloned()) else {
            return Err(Halt::Blocked(format!("the store refuses what nobody set aside for `{step}`: a bug")));
        };
        let inner = self.inner.clone();
        let rows = self.patiently(|| inner.store.budgets()).await?;
        let of_scope = || rows.iter().filter(|row| row.scope == line.scope);
        let frozen = of_scope().find(|row| row.frozen).map(|row| {
            let unit = Unit::ALL.into_iter().find(|unit| unit.as_str() == &*row.unit).unwrap_or(line.unit);
            Exceeded::Frozen { scope: line.scope.clone(), unit, overrun: row.overrun }
        });
        let row = of_scope().find(|row| *row.unit == *line.unit.as_str() && row.period == line.period);
        let left = line.limit.saturating_sub(row.map_or(0, |row| row.settled.saturating_add(row.reserved)));
        // What others have given back since it was refused, or what this batch itself takes, is nothing to tell.
        let why = |line: &Line| frozen.clone().unwrap_or_else(|| line.full((left < line.max).then_some(left)));
        self.refused.insert(step, why(&line));
        for later in self.batch.conditions_after(guard) {
            let Guard::Reserve { step, lines } = later else { continue };
            let same = lines
                .iter()
                .find(|one| one.scope == line.scope && *one.unit == *line.unit.as_str() && one.period == line.period);
            if let Some(same) = same.filter(|same| same.max >= line.max) {
                self.refused.insert(StepPath::new(step.clone()), why(&Line { max: same.max, ..line.clone() }));
            }
        }
        Ok(())
    }

    /// Who is told "not before then" speaks for all that share a rate limit: nobody gets a place in it before.
    pub(super) async fn push_back(
        &self,
        program: &Program,
        step: &StepPath,
        answer: &Answer,
        now: Timestamp,
    ) -> Result<(), Halt> {
        let failure = match answer {
            Answer::Model { answer: Err(failure), .. } | Answer::Tool { answer: Err(failure), .. } => failure,
            _ => return Ok(()),
        };
        let Some(after) = failure.retry_after else { return Ok(()) };
        let Some(bucket) = bucket_of(program, &self.state, &self.charter, step) else { return Ok(()) };
        let inner = self.inner.clone();
        self.patiently(|| inner.store.push_back(bucket.clone(), now + after)).await
    }

    /// Fetches what a decision lacks: blobs, from what is not durable yet or from the store, and counters.
    pub(super) async fn look(&mut self, wanted: &[Query]) -> Result<(), Halt> {
        let (inner, run) = (self.inner.clone(), self.writer.run);
        let counters: Vec<CounterQuery> = wanted
            .iter()
            .filter_map(|query| match query {
                Query::Counter(query) => Some(CounterQuery { counter: query.counter.clone(), since: query.since }),
                Query::Blob(_) | Query::Place(_) | Query::Cooling(_) | Query::Answer(_) => None,
            })
            .collect();
        if !counters.is_empty() {
            let stand = self.patiently(|| inner.store.counters(&counters)).await?;
            let stand = stand.into_iter().map(|now| Counted { version: now.version, count: now.count, sum: now.sum });
            self.counters.extend(counters.into_iter().map(|query| query.counter).zip(stand));
        }
        for query in wanted {
            let Query::Place(PaceQuery { step, bucket, pace }) = query else { continue };
            let (now, every) = (self.now(), pace.interval_us());
            let taken = self.patiently(|| inner.store.take(bucket.clone(), now, every, pace.burst, 1)).await?;
            let place = match taken {
                Taken::Yes => Place::Given,
                Taken::NotBefore(at) => Place::NotBefore(at),
            };
            self.places.insert(step.clone(), place);
        }
        if wanted.iter().any(|query| matches!(query, Query::Cooling(_))) {
            let rows = self.patiently(|| inner.store.cooldowns()).await?;
            for query in wanted {
                let Query::Cooling(scope) = query else { continue };
                let row = rows.iter().find(|row| row.scope == *scope);
                let why = row.and_then(|row| FailureKind::ALL.iter().find(|kind| kind.as_str() == &*row.why));
                let cooling = row.map(|row| Cooling {
                    until: row.until,
                    // A kind of a later version says so much: its provider failed.
                    why: why.copied().unwrap_or(FailureKind::ProviderError),
                });
                self.cooling.insert(scope.clone(), cooling);
            }
        }
        for query in wanted {
            let Query::Answer(key) = query else { continue };
            // What this run itself keeps with what is not durable yet counts as well.
            let kept = match self.batch.kept_answer(*key) {
                Some(kept) => Some(kept),
                None => self.patiently(|| inner.store.answer(*key)).await?,
            };
            // What cannot be read is asked for again.
            let kept = kept.and_then(|kept| {
                let value = Value::from_json(&kept.value).ok()?;
                Some(KeptAnswer { run: kept.run, entry: kept.entry, at: kept.at, until: kept.until, value })
            });
            self.answers.insert(*key, kept);
        }
        for query in wanted {
            let Query::Blob(BlobRef { digest, .. }) = query else { continue };
            if self.blobs.contains_key(digest) {
                continue;
            }
            let bytes = match self.batch.blob(*digest) {
                Some(bytes) => Some(bytes),
                None => self.patiently(|| inner.store.blob(run, *digest)).await?,
            };
            let bytes = bytes.ok_or_else(|| Halt::Blocked(format!("its blob {digest} is gone")))?;
            if Digest::of(&[&bytes]) != *digest {
                return Err(Halt::Blocked(format!("its blob {digest} is damaged")));
            }
            let value = Value::from_json(&bytes)
                .map_err(|why| Halt::Blocked(format!("its blob {digest} cannot be read: {why}")))?;
            self.blob_bytes += bytes.len();
            self.blobs.insert(*digest, value);
        }
        Ok(())
    }
}
