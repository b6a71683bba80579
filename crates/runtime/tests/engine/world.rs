//! A small world to run workflows in: a store that survives, a clock that stands still, models and tools that count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use gateway::{
    Gateway, Provider, Reply,
    channel::{Channel, Message},
    tool::native::{Call, Native},
};
use kernel::{
    context::ModelRequest,
    ids::RunId,
    journal::{Entry, Event, Usage},
    recovery::{Failure, FailureKind, Phase},
    story,
    values::{Span, Timestamp, Value},
    workflow::project::{self, Project, Sources},
};
use runtime::{
    Config, Runtime, Start, StartedRun,
    seals::Anchors,
    testing::{TestClock, TestRandom},
};
use store::{RunRow, Status, Store, memory::MemoryStore};
use tokio::{sync::Notify, task::JoinHandle};

use crate::cutting::{Cut, Cutting};

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a tool or a model is asked, in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Asked {
    /// The life of the process in which it was asked.
    pub life: usize,
    /// The step's path for a model; tool and operation for a tool.
    pub what: String,
    /// The tool's key; empty for a model.
    pub key: String,
    /// The exact arguments, or the rendered request.
    pub input: String,
}

/// Says what a call gives: the number of this call for the same key or step, and the input.
pub type Says = dyn Fn(&Asked, usize, &Value) -> Result<Value, Failure> + Send + Sync;

/// Everything outside: it survives every crash of the process.
pub struct Outside {
    pub log: Mutex<Vec<Asked>>,
    life: Mutex<usize>,
    says: Box<Says>,
    /// Calls of these (tool and operation, or step) wait until they are let go.
    held: Mutex<BTreeSet<String>>,
    released: Notify,
}

impl Outside {
    pub fn new(says: impl Fn(&Asked, usize, &Value) -> Result<Value, Failure> + Send + Sync + 'static) -> Arc<Outside> {
        Arc::new(Outside {
            log: Mutex::default(),
            life: Mutex::new(0),
            says: Box::new(says),
            held: Mutex::default(),
            released: Notify::new(),
        })
    }

    /// Gives back what it was given.
    pub fn echo() -> Arc<Outside> {
        Outside::new(|_, _, input| Ok(input.clone()))
    }

    pub fn hold(&self, what: &str) {
        lock(&self.held).insert(what.to_owned());
    }

    pub fn release(&self, what: &str) {
        lock(&self.held).remove(what);
        self.released.notify_waiters();
    }

    pub fn asked(&self, what: &str) -> Vec<Asked> {
        lock(&self.log).iter().filter(|asked| asked.what == what).cloned().collect()
    }

    pub fn next_life(&self) {
        *lock(&self.life) += 1;
    }

    async fn answer(&self, what: String, key: String, text: String, input: &Value) -> Result<Value, Failure> {
        let asked = Asked { life: *lock(&self.life), what, key, input: text };
        let nth = {
            let mut log = lock(&self.log);
            log.push(asked.clone());
            log.iter().filter(|one| (&one.what, &one.key) == (&asked.what, &asked.key)).count()
        };
        loop {
            let released = self.released.notified();
            tokio::pin!(released);
            released.as_mut().enable();
            if !lock(&self.held).contains(&asked.what) {
                break;
            }
            released.await;
        }
        (self.says)(&asked, nth, input)
    }
}

struct Model(Arc<Outside>);

#[async_trait::async_trait]
impl Provider for Model {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        let text = format!("{}\n{}", request.system, request.user);
        let answer = self.0.answer(request.step.to_string(), String::new(), text, &request.data).await;
        Reply::of(answer, Usage { input: 10, output: 2, ..Usage::default() }, None)
    }
}

struct Told(Arc<Outside>, String);

#[async_trait::async_trait]
impl Channel for Told {
    async fn send(&self, message: &Message) -> Result<(), Failure> {
        let text = message.body.to_json();
        self.0.answer(self.1.clone(), message.id.to_string(), text, &message.body).await.map(drop)
    }
}

pub fn failure(kind: FailureKind, phase: Phase) -> Failure {
    Failure { kind, phase, detail: "as told".to_owned(), retry_after: None }
}

/// Project, store, clock and outside.
pub struct World {
    pub project: Project,
    pub store: Arc<dyn Store>,
    pub clock: Arc<TestClock>,
    pub random: Arc<TestRandom>,
    pub outside: Arc<Outside>,
    pub config: Config,
    pub mutant: Option<&'static str>,
    pub anchors: Option<Anchors>,
    /// Who answers for `small` instead of the outside.
    pub model: Option<Arc<dyn Provider>>,
}

/// `--- path` lines and the text of each file; indented as it stands in the test.
pub fn project(text: &str) -> Project {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut path = String::new();
    let mut indent = 0;
    for line in text.lines() {
        if let Some(named) = line.trim_start().strip_prefix("--- ") {
            named.trim().clone_into(&mut path);
            indent = line.len() - line.trim_start().len();
        } else if !path.is_empty() {
            let line = line.get(indent..).unwrap_or("");
            let _ = writeln!(files.entry(path.clone()).or_default(), "{line}");
        }
    }
    files
        .entry("surefoot.yaml".to_owned())
        .or_insert_with(|| "project: test\nmodels: { small: { provider: registered } }\n".to_owned());
    let sources: Sources = files.into_iter().collect();
    let checked = project::check(&sources);
    let complaints: Vec<_> = checked.complaints.iter().map(|one| format!("{one:?}")).collect();
    checked.project.unwrap_or_else(|| panic!("the project has errors:\n{}", complaints.join("\n")))
}

impl World {
    pub fn new(text: &str, outside: Arc<Outside>) -> World {
        World {
            project: project(text),
            store: Arc::new(MemoryStore::new()),
            clock: Arc::new(TestClock::default()),
            random: Arc::new(TestRandom::default()),
            outside,
            config: Config::default(),
            mutant: None,
            anchors: None,
            model: None,
        }
    }

    pub fn runtime_on(&self, store: Arc<dyn Store>) -> Runtime {
        let mut gateway = Gateway::new().with_model("small", Model(self.outside.clone()));
        if let Some(model) = &self.model {
            gateway = gateway.with_shared_model("small", model.clone());
        }
        gateway = gateway.with_model("strong", Model(self.outside.clone()));
        for tool in self.project.tools.keys() {
            let (outside, name) = (self.outside.clone(), tool.clone());
            let native = Native::new(move |call: Call| {
                let (outside, name) = (outside.clone(), name.clone());
                async move {
                    let what = format!("{name}.{}", call.operation);
                    outside.answer(what, call.key.to_string(), call.input.to_json(), &call.input).await
                }
            });
            gateway = gateway.with_tool(tool.clone(), native);
        }
        for name in self.project.file.channels.keys() {
            let name = format!("{}/{name}", self.project.file.name);
            gateway = gateway.with_channel(name.clone(), Arc::new(Told(self.outside.clone(), name)));
        }
        let mut builder = Runtime::builder(store)
            .gateway(gateway)
            .native("double@1", |value| Ok(Value::list([value.clone(), value])))
            .native("panics@1", |_| panic!("as told"))
            .native("large@1", |value| {
                let text = value.as_str().unwrap_or("x").repeat(20_000);
                Ok(Value::map([("text", Value::from(text))]))
            })
            .clock(self.clock.clone())
            .random(self.random.clone())
            .config(self.config.clone());
        if let Some(anchors) = &self.anchors {
            builder = builder.anchors(anchors.clone());
        }
        #[cfg(feature = "faults")]
        if let Some(mutant) = self.mutant {
            builder = builder.mutant(mutant);
        }
        builder.build()
    }

    /// A process: a runtime with a worker.
    pub async fn boot(&self) -> Life {
        self.boot_on(self.store.clone()).await
    }

    pub async fn boot_on(&self, store: Arc<dyn Store>) -> Life {
        self.outside.next_life();
        let runtime = self.runtime_on(store);
        runtime.deploy(&self.project.bundle).await.unwrap();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let worker = runtime.worker();
        let worker = tokio::spawn(async move { worker.run(stopped).await });
        // The worker joins before anything else is asked for.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        Life { runtime, worker, stop }
    }

    /// A process whose store stops answering at `cut`.
    pub async fn boot_cut(&self, cut: Cut) -> (Life, Arc<Cutting>) {
        let cutting = Arc::new(Cutting::new(self.store.clone(), cut));
        (self.boot_on(cutting.clone()).await, cutting)
    }

    pub fn start(&self, input: &str) -> Start {
        let workflow = self.project.workflows.keys().next().expect("a project has a workflow").clone();
        Start {
            bundle: self.project.bundle.digest,
            workflow,
            input: json(input),
            key: Some("one".into()),
            tenant: None,
            starter: kernel::next::Starter::default(),
        }
    }

    pub async fn row(&self, run: RunId) -> RunRow {
        self.store.run(run).await.unwrap().expect("the run is in the store")
    }

    pub async fn journal(&self, run: RunId) -> Vec<(Entry, Event)> {
        let entries = self.store.journal(run, 0, u32::MAX).await.unwrap();
        entries
            .into_iter()
            .map(|entry| {
                let event = entry.event().unwrap();
                (entry, event)
            })
            .collect()
    }

    /// The journal as text.
    pub async fn outline(&self, run: RunId) -> String {
        let mut text = String::new();
        for (entry, event) in self.journal(run).await {
            let line = story::line(&event);
            // The bundle's digest changes with every word of the project.
            let line = line.split(" of bundle ").next().unwrap_or_default();
            let _ = writeln!(text, "{:<3} {line}", entry.seq);
        }
        text
    }

    /// Waits until nothing more happens to the run by itself at this time.
    pub async fn settled(&self, run: RunId) -> RunRow {
        for _ in 0..200_000 {
            let row = self.row(run).await;
            let busy = match row.status {
                Status::Queued | Status::Running => true,
                Status::Waiting | Status::Paused => {
                    row.wake_at.is_some_and(|at| at <= self.now()) || row.inbox_gen > row.inbox_read
                }
                // It may have been told a late answer, which does not wake it.
                Status::Blocked => row.wake_at.is_some_and(|at| at <= self.now()),
                _ => false,
            };
            if !busy {
                return row;
            }
            tokio::task::yield_now().await;
        }
        panic!("the run never comes to rest:\n{}\n{:?}", self.outline(run).await, self.row(run).await);
    }

    /// Lets time pass as far as the run asks for, until it is over or waits for something else.
    pub async fn driven(&self, run: RunId) -> RunRow {
        loop {
            let row = self.settled(run).await;
            match (row.status, row.wake_at) {
                (Status::Waiting, Some(at)) => self.pass_to(at),
                _ => return row,
            }
        }
    }

    pub fn now(&self) -> Timestamp {
        runtime::Clock::now(&*self.clock)
    }

    /// The wall jumps to `at`, and the claim loop looks.
    pub fn pass_to(&self, at: Timestamp) {
        self.clock.set(at);
        self.clock.advance(Span::from_millis(1_000));
    }

    /// Waits for a fact.
    pub async fn until(&self, what: &str, fact: impl Fn(&Outside) -> bool) {
        for _ in 0..200_000 {
            if fact(&self.outside) {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("this never came: {what}; {:?}", lock(&self.outside.log));
    }

    /// What the store itself finds wrong.
    pub async fn check_store(&self) -> Result<(), String> {
        let findings = self.store.check().await.unwrap();
        if findings.is_empty() { Ok(()) } else { Err(format!("the store is damaged: {findings:?}")) }
    }
}

/// One life of a process.
pub struct Life {
    pub runtime: Runtime,
    worker: JoinHandle<Result<(), runtime::RunError>>,
    stop: tokio::sync::oneshot::Sender<()>,
}

impl Life {
    pub async fn start(&self, start: Start) -> StartedRun {
        self.runtime.start(start).await.unwrap()
    }

    /// Dies at once: nothing is left in order.
    pub async fn crash(self) {
        self.worker.abort();
        let _ = self.worker.await;
    }

    /// Ends in good order.
    pub async fn leave(self) {
        drop(self.stop);
        self.worker.await.unwrap().unwrap();
    }
}

pub fn json(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap()
}
