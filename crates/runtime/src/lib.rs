//! Drives: claims a run, asks the kernel, performs, appends.
//!
//! A [`Runtime`] knows where runs are kept, what can be reached outside, and what time it is. Its commands start runs and send
//! them messages; its [`Worker`] drives them. Any number of processes may have one each on the same store.
//!
//! ```no_run
//! # async fn example(store: std::sync::Arc<dyn store::Store>) -> Result<(), runtime::RunError> {
//! let runtime = runtime::Runtime::builder(store)
//!     .native("double@1", |value| Ok(kernel::values::Value::list([value.clone(), value])))
//!     .build();
//! runtime.worker().run(std::future::pending::<()>()).await
//! # }
//! ```

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gateway::Gateway;
use kernel::{
    ids::RunId,
    values::{Span, Value},
};
use store::Store;

pub mod asked;
mod batch;
pub mod budget;
mod charter;
mod clock;
mod commands;
mod engine;
mod fault;
pub mod fork;
pub mod govern;
pub mod kept;
mod late;
mod models;
pub mod orders;
pub mod outbox;
pub mod outcome;
mod perform;
mod programs;
pub mod record;
pub mod seals;
pub mod testing;
mod watch;
pub mod work;
mod worker;

#[cfg(feature = "faults")]
pub use fault::POINTS;
pub use {
    clock::{Clock, Random, SystemClock, SystemRandom},
    commands::{INPUT_BYTES, RunError, SIGNAL_BYTES, Start, StartedRun},
    fault::MUTANTS,
    store::Posted,
    watch::{Ended, Entries},
    worker::Worker,
};

/// What a worker may do at once, and when it is taken for dead.
#[derive(Clone, Debug)]
pub struct Config {
    /// A worker that did not prolong its lease for so long is dead. It does so six times as often.
    pub lease: Span,
    /// Runs claimed at a time.
    pub claim: u32,
    /// Runs driven at once; parked ones do not count.
    pub most_runs: usize,
    /// Write after every completed step, instead of only before something leaves the process.
    pub commit_every_step: bool,
    /// At a shutdown, calls that are open have so long to answer.
    pub grace: Span,
    /// What moved is sealed so often, where there is an anchor file.
    pub seal_every: Span,
    /// And earlier, after so many entries.
    pub seal_records: u64,
    /// An event is kept for so long, for runs that begin to wait for it later.
    pub events_kept: Span,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            lease: Span::from_millis(30_000),
            claim: 256,
            most_runs: 1_024,
            commit_every_step: false,
            grace: Span::from_millis(10_000),
            seal_every: Span::from_millis(60_000),
            seal_records: 1_000,
            events_kept: Span::from_millis(30 * 24 * 3_600_000),
        }
    }
}

/// Starts runs, sends them messages, and makes workers that drive them. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    inner: Arc<Inner>,
}

/// What everything here shares.
pub(crate) struct Inner {
    store: Arc<dyn Store>,
    gateway: Gateway,
    natives: programs::Natives,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    config: Config,
    programs: programs::Programs,
    charters: charter::Charters,
    watches: watch::Watches,
    tenant: Arc<str>,
    mutants: fault::Mutants,
    local: Mutex<Option<Arc<worker::Local>>>,
    sealing: seals::Sealing,
    post: outbox::Post,
}

impl Inner {
    /// The worker of this runtime that takes runs now, if any.
    fn local(&self) -> MutexGuard<'_, Option<Arc<worker::Local>>> {
        // One assignment at a time: a panic leaves nothing half done.
        self.local.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an engine of this runtime drives the run now.
    fn drives(&self, run: RunId) -> bool {
        let local = self.local().clone();
        local.is_some_and(|local| local.drives(run))
    }
}

/// Puts a [`Runtime`] together.
pub struct Builder {
    inner: Inner,
}

impl Runtime {
    /// A runtime over `store` that reaches nothing outside yet.
    pub fn builder(store: Arc<dyn Store>) -> Builder {
        Builder {
            inner: Inner {
                store,
                gateway: Gateway::new(),
                natives: programs::Natives::default(),
                clock: Arc::new(SystemClock::new()),
                random: Arc::new(SystemRandom),
                config: Config::default(),
                programs: programs::Programs::default(),
                charters: charter::Charters::default(),
                watches: watch::Watches::default(),
                tenant: "main".into(),
                mutants: fault::Mutants::default(),
                local: Mutex::new(None),
                sealing: seals::Sealing::default(),
                post: outbox::Post::default(),
            },
        }
    }

    /// How many of its engines lost their run to another owner: for harnesses.
    #[cfg(feature = "faults")]
    pub fn fenced(&self) -> u64 {
        self.inner.mutants.fenced.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Where its runs are kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.inner.store
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.inner;
        f.debug_struct("Runtime")
            .field("gateway", &inner.gateway)
            .field("config", &inner.config)
            .finish_non_exhaustive()
    }
}

impl Builder {
    /// The models and tools that it reaches.
    #[must_use]
    pub fn gateway(mut self, gateway: Gateway) -> Builder {
        self.inner.gateway = gateway;
        self
    }

    /// Registers a pure function as `name@version`, for `native:` steps.
    ///
    /// It must give the same for the same, touch nothing outside, and come back soon: it may run more than once, and other runs
    /// wait for it. What changes its answers changes its version.
    #[must_use]
    pub fn native(
        mut self,
        name: impl Into<Arc<str>>,
        function: impl Fn(Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Builder {
        self.inner.natives.register(name.into(), Arc::new(function));
        self
    }

    /// Another clock than the system's.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Builder {
        self.inner.clock = clock;
        self
    }

    /// Another source of randomness than the system's.
    #[must_use]
    pub fn random(mut self, random: Arc<dyn Random>) -> Builder {
        self.inner.random = random;
        self
    }

    /// Other limits than the default ones.
    #[must_use]
    pub fn config(mut self, config: Config) -> Builder {
        self.inner.config = config;
        self
    }

    /// Seals journals, and writes each seal down there as well. Data that are not what stands there are not driven.
    #[must_use]
    pub fn anchors(mut self, anchors: seals::Anchors) -> Builder {
        self.inner.sealing.anchors = Some(Arc::new(anchors));
        self
    }

    /// Switches on a known mistake, one of [`MUTANTS`], so that a harness can prove that it notices.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn mutant(mut self, mutant: &str) -> Builder {
        self.inner.mutants.on.insert(mutant.into());
        self
    }

    /// Done.
    pub fn build(self) -> Runtime {
        Runtime { inner: Arc::new(self.inner) }
    }
}
