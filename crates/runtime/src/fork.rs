//! Runs that go on from where others were: forked at an entry, or tried again after a failure. Each is a run of its own; the run that it
//! goes on from is only read.

use std::sync::Arc;

use kernel::{
    action::NOBODY,
    fork::{self, Forker, NotForked, Point},
    governance::Effect,
    ids::RunId,
    journal::{Blob, Effects, Entry, Event, Fork},
    workflow::Program,
};
use store::{Inherited, NewRun, RunQuery, RunRow, Started, Status};

use crate::{RunError, Runtime, clock, record::Record};

/// A run that goes on from where another was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forked {
    /// The new run, or the one that did this before.
    pub run: RunId,
    /// The run that it goes on from.
    pub of: RunId,
    /// Where.
    pub point: Point,
    /// `false`: an earlier call had made it.
    pub created: bool,
}

/// A run that was forked from another, as that one sees it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// How it stands.
    pub row: RunRow,
    /// What it says of it; `None`: it was erased.
    pub fork: Option<Fork>,
}

impl Seen {
    /// Whether it tries again what failed. One that was erased does not say so any more: it is taken for one, so that nothing is done twice.
    pub fn is_retry(&self) -> bool {
        self.fork.as_ref().is_none_or(|fork| fork.retry)
    }
}

/// How often rows are read for one answer: forks of one run are few.
const PAGE: u32 = 200;

impl Runtime {
    /// Starts a run that goes on from entry `at` of this one, or from the nearest entry before it at which nothing is in progress;
    /// without `at`, from the last such entry. The run itself is only read: it may be going on, or be over.
    ///
    /// # Errors
    /// There is no such run or entry, it works for another run, it was erased, people would be asked and there are none, or the store fails.
    pub async fn fork(
        &self,
        run: RunId,
        at: Option<u64>,
        effects: Effects,
        by: Option<Arc<str>>,
    ) -> Result<Forked, RunError> {
        let record = self.record(run).await?;
        let at = at.unwrap_or_else(|| record.entries.last().map_or(0, |entry| entry.seq));
        let point = fork::point(run, &record.entries, at)?;
        if effects == Effects::Ask {
            self.someone_is_asked(&record).await?;
        }
        self.go_on_from(&record, point, (effects, false), by).await
    }

    /// Starts a run that tries again what a failed one did not bring to its end: from before the step that failed, with effects as in any
    /// run. Only if nothing that came after that was done outside, or may have been. However often it is asked for, one run does it.
    ///
    /// # Errors
    /// The run did not fail, or something happened after the point; otherwise as [`Runtime::fork`].
    pub async fn retry(&self, run: RunId, by: Option<Arc<str>>) -> Result<Forked, RunError> {
        if let Some(known) = self.retried(run).await? {
            return Ok(known);
        }
        let record = self.record(run).await?;
        if record.row.status != Status::Failed {
            return Err(NotForked::NotFailed { run }.into());
        }
        let goes_on = |seen: &&Seen| !seen.is_retry() && !matches!(seen.row.status, Status::Failed | Status::Cancelled);
        if let Some(seen) = self.forks(run).await?.iter().find(goes_on) {
            let why = format!("run {} goes on from it already, and may have done what it did not", seen.row.run);
            return Err(RunError::NotTaken { why });
        }
        let point = fork::retry_point(run, &record.entries)?;
        // What was forked to ask before its effects asks before them again.
        let effects = record.state.fork().map_or(Effects::Live, |fork| fork.effects);
        self.go_on_from(&record, point, (effects, true), by).await
    }

    /// Runs that were forked from this one, newest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn forks(&self, run: RunId) -> Result<Vec<Seen>, RunError> {
        let store = &self.inner.store;
        let mut query = RunQuery { fork_of: Some(run), limit: PAGE, ..RunQuery::default() };
        let mut all = Vec::new();
        loop {
            let page =
                store.runs(query.clone()).await.map_err(|why| RunError::store("read the forks of the run", why))?;
            let more = page.len() == PAGE as usize;
            query.before = page.last().map(|row| row.run);
            for row in page {
                let first = store.journal(row.run, 0, 1).await;
                let first = first.map_err(|why| RunError::store("read the forks of the run", why))?;
                let fork = match first.first().map(Entry::event) {
                    Some(Ok(Event::RunStarted { fork, .. })) => fork.map(|fork| *fork),
                    _ => None,
                };
                all.push(Seen { row, fork });
            }
            if !more {
                return Ok(all);
            }
        }
    }

    /// Runs that hold copies of what this one did: those that went on from it, and from them. Erased ones hold none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn copies(&self, run: RunId) -> Result<Vec<RunId>, RunError> {
        let (mut open, mut all) = (vec![run], Vec::new());
        while let Some(source) = open.pop() {
            for seen in self.forks(source).await? {
                open.push(seen.row.run);
                all.extend(seen.fork.map(|_| seen.row.run));
            }
        }
        Ok(all)
    }

    /// The run that tries this one again, if there is one.
    async fn retried(&self, run: RunId) -> Result<Option<Forked>, RunError> {
        let row = self.inner.store.run(run).await.map_err(|why| RunError::store("read the run", why))?;
        let again = row.and_then(|row| row.again);
        let is_it = |seen: &Seen| again.map_or_else(|| seen.is_retry(), |again| seen.row.run == again);
        let known = self.forks(run).await?.into_iter().find(is_it);
        Ok(known.and_then(|seen| {
            let entry = seen.row.fork?.entry;
            let point = Point { entry, asked: entry, moved: None };
            Some(Forked { run: seen.row.run, of: run, point, created: false })
        }))
    }

    /// Where people are to be asked there must be some, if anything of the project has an effect.
    async fn someone_is_asked(&self, record: &Record) -> Result<(), RunError> {
        let acts = |program: &Arc<Program>| {
            let operations = program.tools.values().flat_map(|tool| tool.operations.values());
            operations.into_iter().any(|operation| operation.effect != Effect::Read)
        };
        let project = record.state.start.as_ref().map(|start| start.project.clone()).unwrap_or_default();
        if record.program.as_ref().is_none_or(acts)
            && self.charter().await?.project(&project).asked_of_forks().is_empty()
        {
            return Err(RunError::NotTaken { why: format!("{NOBODY}, or fork it with effects `block` or `live`") });
        }
        Ok(())
    }

    async fn go_on_from(
        &self,
        record: &Record,
        point: Point,
        (effects, retry): (Effects, bool),
        by: Option<Arc<str>>,
    ) -> Result<Forked, RunError> {
        let (inner, row) = (&self.inner, &record.row);
        let now = inner.clock.now();
        let run = RunId::new(now, clock::bytes(&*inner.random));
        let forker = Forker { run, effects, retry, by };
        let made = fork::fork(row.run, &record.entries, point.entry, forker, now, || clock::bytes(&*inner.random))?;
        let mut blobs = Vec::with_capacity(made.blobs.len());
        for blob in &made.blobs {
            let bytes = inner.store.blob(row.run, blob.digest).await;
            let bytes = bytes.map_err(|why| RunError::store("read a blob of the run", why))?;
            let bytes = bytes.ok_or(NotForked::Erased { run: row.run })?;
            blobs.push(Blob { digest: blob.digest, bytes });
        }
        let key: Option<Arc<str>> = retry.then(|| format!("retry:{}", row.run).into());
        let new = NewRun {
            run,
            tenant: row.tenant.clone(),
            workflow: row.workflow.clone(),
            bundle: row.bundle,
            start_key: key.clone(),
            input: made.input,
            about: row.about.clone(),
            first: made.first,
            blobs,
            owner: None,
            parent: None,
            inherited: Some(Box::new(Inherited {
                of: row.run,
                entries: made.inherited,
                inbox: made.inbox,
                again: retry,
            })),
            key: clock::bytes(&*inner.random),
            now,
        };
        let started = inner.store.start(new).await.map_err(|why| RunError::store("start the run", why))?;
        match started {
            Started::Created => {
                if let Some(local) = &*inner.local() {
                    local.due_by(now);
                }
                Ok(Forked { run, of: row.run, point, created: true })
            }
            Started::Erased { run } => Err(NotForked::Erased { run }.into()),
            // Somebody else asked for the same meanwhile; a run that took the key for itself is none of ours.
            Started::Known { run: known } | Started::Conflict { run: known } => {
                let taken = RunError::KeyTaken { key: key.unwrap_or_default(), run: known };
                self.retried(row.run).await?.filter(|one| one.run == known).ok_or(taken)
            }
        }
    }
}
