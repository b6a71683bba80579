//! Scenarios within this process: two parties that a data directory would never let in at once, and races that need many tries.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use async_trait::async_trait;
use gateway::{
    Gateway,
    tool::native::{Call, Native},
};
use kernel::{
    ids::{RunId, WorkerId},
    journal::{Entry, Event, Head},
    values::{Span, Timestamp, Value},
    workflow::project::Project,
};
use runtime::{Builder, Clock, Runtime, Start, SystemClock};
use store::{
    Append, Appended, Expect, RunQuery, Seal, Store,
    fault::{Mutants, Points},
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::sync::Notify;

use crate::{
    kill::Dice,
    ledger::Ledger,
    mixed,
    oracle::{Oracle, Snapshot},
    victim::Trouble,
};

const LEASE: Span = Span::from_millis(30_000);

/// How often the signal races.
const RACES: u64 = 400;

pub(crate) fn open(folder: &tempfile::TempDir, mutant: Option<&str>) -> Result<Arc<SqliteStore>, Trouble> {
    let options = SqliteOptions {
        mutants: Mutants::only(&mutant.into_iter().collect::<Vec<_>>()),
        points: Points::none(),
        ..SqliteOptions::default()
    };
    Ok(Arc::new(SqliteStore::open(&folder.path().join("data"), options)?))
}

pub(crate) fn embed(store: &Arc<SqliteStore>, mutant: Option<&str>) -> Builder {
    let builder = Runtime::builder(store.clone());
    match mutant {
        Some(mutant) => builder.mutant(mutant),
        None => builder,
    }
}

fn start(project: &Project, workflow: &str, number: u64) -> Start {
    let number = Value::Int(i64::try_from(number).unwrap_or_default());
    Start {
        bundle: project.bundle.digest,
        workflow: workflow.into(),
        input: Value::map([("number", number)]),
        key: None,
        tenant: None,
        starter: kernel::next::Starter::default(),
    }
}

/// Starts runs that wait for a signal, and sends it while they are about to sleep.
pub(super) async fn race(seed: u64, mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let folder = tempfile::tempdir()?;
    let (store, project) = (open(&folder, mutant)?, mixed::project()?);
    let runtime = embed(&store, mutant).build();
    runtime.deploy(&project.bundle).await?;
    let worker = tokio::spawn(runtime.worker().run(std::future::pending::<()>()));
    let mut dice = Dice::new(seed);
    for number in 0..RACES {
        let run = runtime.start(start(&project, "nod", number)).await?.run;
        let until = Instant::now() + Duration::from_micros(dice.below(3_000));
        while Instant::now() < until {
            tokio::task::yield_now().await;
        }
        runtime.signal(run, "go", Value::Null, Some("go".into()), "harness").await?;
    }
    let begun = Instant::now();
    let mut open = usize::MAX;
    while open > 0 && begun.elapsed() < Duration::from_secs(5) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let runs = store.runs(RunQuery { limit: u32::MAX, ..RunQuery::default() }).await?;
        open = runs.iter().filter(|row| !row.status.is_final()).count();
    }
    let snapshot = Snapshot::of(&*store).await?;
    worker.abort();
    let mut oracle = Oracle::new(0, BTreeMap::new());
    let judged = oracle.judge(1, &[], &snapshot, (&Ledger::default(), &[]), false);
    let first = judged.violations.first().map(|found| format!("{}: {}", found.rule, found.detail));
    Ok(first.or((open > 0).then(|| format!("stuck: {open} of {RACES} runs are open"))))
}

/// Runs grow in turns while a sealer reads on from where it was: in the end the head of every run stands in a seal.
pub(super) async fn sealed(mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let folder = tempfile::tempdir()?;
    let (store, project) = (open(&folder, mutant)?, mixed::project()?);
    let runtime = embed(&store, mutant).build();
    runtime.deploy(&project.bundle).await?;
    let worker = tokio::spawn(runtime.worker().run(std::future::pending::<()>()));
    let (mut runs, mut sealed) = (Vec::new(), BTreeMap::new());
    for number in 0..12 {
        runs.push(runtime.start(start(&project, "nod", number)).await?.run);
        seal(&*store, &mut sealed).await?;
    }
    for run in &runs {
        runtime.signal(*run, "go", Value::Null, None, "harness").await?;
        seal(&*store, &mut sealed).await?;
    }
    for run in &runs {
        runtime.finished(*run).await?;
    }
    worker.abort();
    seal(&*store, &mut sealed).await?;
    let rows = store.runs(RunQuery { limit: u32::MAX, ..RunQuery::default() }).await?;
    let missed: Vec<_> = rows.iter().filter(|row| sealed.get(&row.run) != Some(&row.head)).collect();
    Ok(missed.first().map(|row| {
        let (all, some, seq) = (rows.len(), missed.len(), row.head.seq);
        format!("the heads of {some} of {all} runs are in no seal: {} stands at entry {seq}", row.run)
    }))
}

/// Seals whatever moved since the last seal, until nothing has.
async fn seal(store: &dyn Store, sealed: &mut BTreeMap<RunId, Head>) -> Result<(), Trouble> {
    loop {
        let dirty = store.dirty_heads(16).await?;
        let last = store.last_seal().await?;
        if dirty.heads.is_empty() || last.as_ref().is_some_and(|last| last.upto == dirty.upto) {
            return Ok(());
        }
        sealed.extend(dirty.heads.iter().map(|(chain, sealed)| (*chain, sealed.head)));
        store.add_seal(Seal::after(last.as_ref(), dirty, SystemClock::new().now())).await?;
    }
}

/// A worker is declared dead, another one takes its run, and the first one comes back with an answer.
pub(super) async fn zombie(mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let folder = tempfile::tempdir()?;
    let (store, project) = (open(&folder, mutant)?, mixed::project()?);
    let runtime = embed(&store, mutant).build();
    runtime.deploy(&project.bundle).await?;
    let run = runtime.start(start(&project, "nod", 1)).await?.run;
    let now = SystemClock::new().now();
    let (first, second) = (WorkerId::new(now, [1; 10]), WorkerId::new(now, [2; 10]));
    store.join(first, LEASE, now).await?;
    let before = store.claim(first, 1, now).await?;
    let before = before.first().ok_or("the run is not due")?;
    store.join(second, LEASE, now).await?;
    let after = store.claim(second, 1, now).await?;
    let after = after.first().ok_or("the dead worker's run is not due")?;
    if after.epoch < before.epoch + 2 {
        return Ok(Some(format!("epoch_kept: the run was of epoch {}, and is of {}", before.epoch, after.epoch)));
    }
    let event = Event::StageDone { stage: "only".into() };
    let entry = Entry::seal(run, before.head, before.epoch, now, [0; 16], &event);
    let append = Append {
        run,
        expect: Expect { epoch: before.epoch, owner: first, head: before.head.seq },
        entries: vec![entry],
        blobs: Vec::new(),
        guards: Vec::new(),
        progress: true,
        doing: None,
        inbox_read: None,
        charged: Some(0),
        now,
    };
    match store.append(append).await? {
        Appended::Fenced => Ok(None),
        other => {
            let (dead, living) = (before.epoch, after.epoch);
            Ok(Some(format!("an append of epoch {dead} was answered {other:?} while epoch {living} owns the run")))
        }
    }
}

/// A clock whose sleepers never wake, as if their thread got no time, and whose count can be moved.
struct Starved {
    clock: SystemClock,
    more_us: AtomicU64,
}

#[async_trait]
impl Clock for Starved {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic() + Duration::from_micros(self.more_us.load(Ordering::SeqCst))
    }

    async fn sleep_until(&self, _at: Timestamp) {
        std::future::pending::<()>().await;
    }

    async fn sleep(&self, _span: Span) {
        std::future::pending::<()>().await;
    }
}

/// A worker's first call is answered after the end of its lease, which nobody has prolonged: the second call is not its own to make.
pub(super) async fn starved(mutant: Option<&str>) -> Result<Option<String>, Trouble> {
    let folder = tempfile::tempdir()?;
    let (store, project) = (open(&folder, None)?, mixed::project()?);
    let clock = Arc::new(Starved { clock: SystemClock::new(), more_us: AtomicU64::new(0) });
    let (held, called) = (Arc::new((AtomicBool::new(true), Notify::new())), Arc::new(Notify::new()));
    let tool = {
        let (held, called) = (held.clone(), called.clone());
        Native::new(move |call: Call| {
            let (held, called) = (held.clone(), called.clone());
            async move {
                called.notify_one();
                while held.0.load(Ordering::SeqCst) {
                    held.1.notified().await;
                }
                let kind = call.operation.to_string();
                Ok(Value::map([("id", Value::Int(1)), ("kind", Value::text(kind)), ("applied", Value::Bool(true))]))
            }
        })
    };
    let runtime = embed(&store, mutant).gateway(Gateway::new().with_tool("ledger", tool)).clock(clock.clone()).build();
    runtime.deploy(&project.bundle).await?;
    let worker = tokio::spawn(runtime.worker().run(std::future::pending::<()>()));
    let run: RunId = runtime.start(start(&project, "pair", 1)).await?.run;
    called.notified().await;
    clock.more_us.store(60_000_000, Ordering::SeqCst);
    held.0.store(false, Ordering::SeqCst);
    held.1.notify_one();
    let begun = Instant::now();
    while store.run(run).await?.is_none_or(|row| !row.status.is_final()) {
        if begun.elapsed() > Duration::from_secs(20) {
            return Err("a worker that lost its lease does not begin anew".into());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let entries = store.journal(run, 0, u32::MAX).await?;
    worker.abort();
    let (mut meant, mut done) = (None, None);
    for entry in &entries {
        match entry.event()? {
            Event::ActionStarted { step, .. } if step.as_str() == "second" => meant = Some(entry.epoch),
            Event::ActionFinished { step, .. } if step.as_str() == "second" => done = Some(entry.epoch),
            _ => {}
        }
    }
    let (Some(meant), Some(done)) = (meant, done) else { return Err("the second act has no entries".into()) };
    let same = meant == done;
    Ok(same.then(|| format!("the worker of epoch {meant} called on after the end of its lease")))
}
