//! The process that is killed: an embedded store, a runtime with a worker, tools and a model that a ledger counts.
//!
//! It starts the runs of one batch, sends their signals, does the operator's part (resumes what is paused or quarantined), and ends
//! when all are over. A later process with the same arguments takes up where it was cut off. Each line on its standard output is one
//! [`Said`], and is written only after the call that it tells of has returned.

use std::{
    io::{self, Write},
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId},
    values::{Span, Timestamp, Value},
};
use runtime::{Clock, Config, RunError, Runtime, Start, SystemClock};
use serde::{Deserialize, Serialize};
use store::{
    Posted, Status, StoreError,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    kill::Dice,
    mixed::{self, Case, Mix, When},
};

mod people;

/// Anything that ends an instrument with one line.
pub type Trouble = Box<dyn std::error::Error + Send + Sync>;

/// `apparatus victim`
#[derive(Clone, Debug, clap::Args)]
#[command(args_override_self = true)]
pub struct Arguments {
    /// The data directory.
    #[arg(long)]
    pub data: PathBuf,
    /// The ledger's URL, with `/from/NAME` behind it if its lines are to say who sent them.
    #[arg(long)]
    pub ledger: String,
    /// How many runs the batch has.
    #[arg(long, default_value_t = 40)]
    pub runs: u64,
    /// What inputs and signals are derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Which batch.
    #[arg(long, default_value_t = 0)]
    pub batch: u64,
    /// Runs that are open at once.
    #[arg(long, default_value_t = 8)]
    pub at_once: usize,
    /// How far the clock of this process is off, in milliseconds.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub off_ms: i64,
    /// By how much it is set again, in milliseconds.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    pub step_ms: i64,
    /// When that happens, in milliseconds after the process began.
    #[arg(long, default_value_t = 0)]
    pub step_after_ms: u64,
    /// Which actions the runs of the workflow `deeds` have; without it there are none of them.
    #[arg(long)]
    pub mix: Option<Mix>,
    /// Change the rules of today and hold tools now and then, while the runs go on.
    #[arg(long)]
    pub govern: bool,
    /// What a person found out about unknown outcomes: one JSON object a line. It is told before any run goes on.
    #[arg(long)]
    pub words: Option<PathBuf>,
    /// Ask a person before every action of `deeds`, who agrees to each.
    #[arg(long)]
    pub asked: bool,
    /// Tell people by a channel, which the ledger receives.
    #[arg(long)]
    pub told: bool,
    /// How long a lease is, in milliseconds; 0: as long as usual.
    #[arg(long, default_value_t = 0)]
    pub lease_ms: i64,
    /// One run more, which ends every process that drives it; it is over when it is quarantined.
    #[arg(long)]
    pub poison: bool,
}

/// One line of a victim. Times are microseconds since 1970 UTC by the machine's clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// The store is open, and a worker is about to join.
    Ready {
        /// `PRAGMA journal_mode`.
        journal_mode: String,
        /// `PRAGMA synchronous`.
        synchronous: i64,
    },
    /// A start returned: the run is durable.
    Started {
        /// Which case.
        number: u64,
        /// Its run.
        run: RunId,
        /// Whether this very call made it.
        created: bool,
        /// When the call was made.
        #[serde(default)]
        from_us: i64,
        /// When it returned.
        at_us: i64,
    },
    /// A signal was taken: it is durable.
    Signalled {
        /// Which case.
        number: u64,
        /// Its run.
        run: RunId,
        /// The sender's id.
        id: String,
        /// Whether the id was there already.
        known: bool,
        /// When the call was made.
        #[serde(default)]
        from_us: i64,
        /// When it returned.
        at_us: i64,
    },
    /// A call failed in a way that may pass; it is made again.
    Refused {
        /// Which case.
        number: u64,
        /// Why.
        why: String,
    },
    /// The operator let a run go on.
    Resumed {
        /// Its run.
        run: RunId,
        /// `paused` or `quarantined`.
        status: String,
        /// What it waited for.
        waits_for: String,
    },
    /// A person said what became of an action.
    Resolved {
        /// Its run.
        run: RunId,
        /// Its step.
        step: String,
        /// Whether it had been performed.
        performed: bool,
    },
    /// The rules of today were changed, a tool was held or released.
    Governed {
        /// What.
        what: String,
        /// Which change it is.
        generation: u64,
    },
    /// A run goes on when a person has said what became of an action, and not before.
    Waits {
        /// Which case.
        number: u64,
        /// Its run.
        run: RunId,
        /// For what.
        waits_for: String,
    },
    /// A run is over.
    Finished {
        /// Which case.
        number: u64,
        /// Its run.
        run: RunId,
        /// How.
        end: String,
    },
    /// All runs are over or wait for a person, and the worker has left.
    Idle {
        /// How many wait.
        waiting: u64,
    },
    /// All runs are over, and the worker has left.
    Done {
        /// Commits of this process.
        commits: u64,
    },
}

/// Writes one line at once.
pub fn say(line: &impl Serialize) -> io::Result<()> {
    let mut bytes = serde_json::to_vec(line)?;
    bytes.push(b'\n');
    let mut out = io::stdout().lock();
    out.write_all(&bytes)?;
    out.flush()
}

/// Microseconds since 1970 UTC by the machine's clock.
pub fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// The machine's clock, set wrong, and set again while the process works.
struct Off {
    clock: SystemClock,
    off_us: i64,
    step_us: i64,
    step_after: Duration,
}

impl Off {
    fn by_us(&self) -> i64 {
        let stepped = self.clock.monotonic() >= self.step_after;
        self.off_us + if stepped { self.step_us } else { 0 }
    }
}

#[async_trait]
impl Clock for Off {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.clock.now().micros() + self.by_us())
    }

    fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.clock.sleep_until(Timestamp::from_micros(at.micros() - self.by_us())).await;
    }

    async fn sleep(&self, span: Span) {
        self.clock.sleep(span).await;
    }
}

/// A runtime over `store` with everything that the project needs, and the project deployed.
///
/// # Errors
/// The project cannot be set up here, or the store fails.
pub async fn embed(store: Arc<SqliteStore>, arguments: &Arguments) -> Result<(Runtime, Digest), Trouble> {
    let clock = Off {
        clock: SystemClock::new(),
        off_us: arguments.off_ms * 1_000,
        step_us: arguments.step_ms * 1_000,
        step_after: Duration::from_millis(arguments.step_after_ms),
    };
    let sources = if arguments.told { mixed::told() } else { mixed::sources() };
    let project = mixed::of(&sources)?;
    let mut config = Config::default();
    if arguments.lease_ms > 0 {
        config.lease = Span::from_millis(arguments.lease_ms);
    }
    let runtime = Runtime::builder(store)
        .config(config)
        .gateway(mixed::reach(&sources, &project, &arguments.ledger)?)
        .native("large@1", mixed::large)
        .native("double@1", mixed::double)
        .native("refuse@1", mixed::refuse)
        .native("poison@1", |_| std::process::abort())
        .clock(Arc::new(clock))
        .build();
    patiently(0, || runtime.deploy(&project.bundle)).await?;
    match arguments.asked {
        true => people::ask(&runtime).await?,
        false => people::enact(&runtime, false).await?,
    }
    people::limit(&runtime, &project).await?;
    people::channels(&runtime, &project).await?;
    Ok((runtime, project.bundle.digest))
}

/// Runs until everything is over.
///
/// # Errors
/// The directory cannot be used, or the store has failed.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let store = Arc::new(SqliteStore::open(&arguments.data, SqliteOptions::default())?);
    let settings = store.settings().await?;
    say(&Said::Ready { journal_mode: settings.journal_mode, synchronous: settings.synchronous })?;
    let (runtime, bundle) = embed(store.clone(), &arguments).await?;
    if let Some(words) = &arguments.words {
        people::tell(&runtime, words).await?;
    }
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let mut worker = tokio::spawn(runtime.worker().run(stopped));
    let all = all(runtime, bundle, arguments);
    let waiting = tokio::select! {
        waiting = all => waiting?,
        ended = &mut worker => {
            ended??;
            return Err("the worker has left without being asked to".into());
        }
    };
    drop(stop);
    worker.await??;
    match waiting {
        0 => say(&Said::Done { commits: store.commits() })?,
        waiting => say(&Said::Idle { waiting })?,
    }
    Ok(())
}

/// Every run of the batch, `at_once` at a time, and the operator. Gives how many wait for a person.
async fn all(runtime: Runtime, bundle: Digest, arguments: Arguments) -> Result<u64, Trouble> {
    let Arguments { runs, seed, batch, at_once, poison, mix, govern, off_ms, asked, .. } = arguments;
    let dice = Dice::new(seed ^ batch ^ off_ms.unsigned_abs());
    let mut governor = tokio::spawn(people::govern(runtime.clone(), govern, dice));
    let operator = tokio::spawn(people::operate(runtime.clone()));
    let approver = tokio::spawn(people::agree(runtime.clone(), asked));
    let poisoned = match poison {
        true => {
            let input = Value::map([("number", Value::Int(0))]);
            let start = Start {
                bundle,
                workflow: "poison".into(),
                input,
                key: Some("poison".into()),
                tenant: None,
                starter: kernel::next::Starter::default(),
            };
            Some(patiently(u64::MAX, || runtime.start(start.clone())).await?.run)
        }
        false => None,
    };
    let places = Arc::new(Semaphore::new(at_once.max(1)));
    let mut tasks = JoinSet::new();
    for case in mixed::cases(seed, batch, runs, mix).into_values() {
        let place = places.clone().acquire_owned().await?;
        let runtime = runtime.clone();
        tasks.spawn(async move {
            let done = one(&runtime, bundle, &case).await;
            drop(place);
            done
        });
    }
    let mut waiting = 0;
    loop {
        tokio::select! {
            done = tasks.join_next() => match done {
                Some(over) => waiting += u64::from(!over??),
                None => break,
            },
            failed = &mut governor => failed??,
        }
    }
    if let Some(run) = poisoned {
        until(|| async {
            let row = runtime.store().run(run).await?;
            Ok(row.is_some_and(|row| row.status == Status::Quarantined))
        })
        .await?;
    }
    operator.abort();
    governor.abort();
    approver.abort();
    // What they were saying is said before the last line.
    let _ = (operator.await, governor.await);
    Ok(waiting)
}

/// One run from its start to its end. `false`: it waits for a person before that.
async fn one(runtime: &Runtime, bundle: Digest, case: &Case) -> Result<bool, Trouble> {
    let number = case.number;
    let start = Start {
        bundle,
        workflow: case.workflow().into(),
        input: Value::from_json(&serde_json::to_vec(&case.input())?)?,
        key: Some(case.key().into()),
        tenant: None,
        starter: kernel::next::Starter { project: mixed::NAME.into(), by: None },
    };
    let from_us = now_us();
    let started = patiently(number, || runtime.start(start.clone())).await?;
    let run = started.run;
    say(&Said::Started { number, run, created: started.created, from_us, at_us: now_us() })?;
    let mut signals = JoinSet::new();
    for signal in case.signals() {
        let (runtime, value) = (runtime.clone(), case.value());
        signals.spawn(async move {
            match signal.when {
                When::Early => {}
                When::After(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
                When::Late => {
                    until(|| async {
                        let row = runtime.store().run(run).await?;
                        Ok(row.is_some_and(|row| {
                            row.status.is_final() || row.waits_for.is_some_and(|what| what.contains("signal"))
                        }))
                    })
                    .await?;
                }
            }
            for _ in 0..signal.copies {
                let body = || Value::map([("value", Value::Int(i64::try_from(value).unwrap_or_default()))]);
                let id: Arc<str> = signal.id.as_str().into();
                let post = || runtime.signal(run, signal.name, body(), Some(id.clone()), "harness");
                let from_us = now_us();
                match patiently(number, post).await {
                    Ok(posted) => {
                        let (id, known) = (signal.id.clone(), matches!(posted, Posted::Known { .. }));
                        say(&Said::Signalled { number, run, id, known, from_us, at_us: now_us() })?;
                    }
                    // Nobody waits for it any more: only a signal that no step wants may come so late.
                    Err(RunError::Over { .. }) => {}
                    Err(why) => return Err(Trouble::from(why)),
                }
            }
            Ok(())
        });
    }
    let ended = tokio::select! {
        ended = patiently(number, || runtime.finished(run)) => ended?,
        waits_for = people::asked(runtime, run) => {
            say(&Said::Waits { number, run, waits_for: waits_for?.to_string() })?;
            return Ok(false);
        }
    };
    while let Some(sent) = signals.join_next().await {
        sent??;
    }
    say(&Said::Finished { number, run, end: format!("{:?}", ended.end).to_lowercase() })?;
    Ok(true)
}

/// Calls again while the disk is full; every other failure is final.
async fn patiently<T, F: Future<Output = Result<T, RunError>>>(
    number: u64,
    call: impl Fn() -> F,
) -> Result<T, RunError> {
    loop {
        match call().await {
            Err(why @ RunError::Store { source: StoreError::Full, .. }) => {
                // Who reads the lines may have gone: then nobody needs to know.
                let _ = say(&Said::Refused { number, why: whole(&why) });
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            other => return other,
        }
    }
}

/// An error with its causes.
pub fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

async fn until<F: Future<Output = Result<bool, StoreError>>>(fact: impl Fn() -> F) -> Result<(), StoreError> {
    while !fact().await? {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}
