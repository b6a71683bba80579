//! The builder for those who embed Surefoot in a program of their own.

use std::{
    collections::BTreeMap,
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use gateway::{Provider, secret::Lookup, tool::native::NativeTool};
use kernel::{
    complaint::{Complaint, Severity},
    governance::people::PEOPLE_FILE,
    ids::RunId,
    next::Starter,
    values::{Span, Value},
    workflow::project::{self as kernel_project, Project, Sources},
};
use runtime::{Config, Ended, Posted, RunError, Runtime, Start, StartedRun, govern::Asker, seals::Anchors};
use store::{
    Status, Store, StoreError,
    memory::MemoryStore,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::sync::OnceCell;

use crate::{
    project::{self, ProjectError},
    reach::{Reach, ReachError, Surroundings},
    sites::SiteServer,
};

/// Why a [`Builder`] gives no [`Surefoot`].
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Neither a folder nor sources were given.
    #[error("no project was given: call `project` or `sources`")]
    NoProject,
    /// The folder cannot be read.
    #[error(transparent)]
    Read(#[from] ProjectError),
    /// The project has errors.
    #[error("the project has errors: {}", .complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Complaints {
        /// Errors and warnings, by file and place.
        complaints: Vec<Complaint>,
    },
    /// A tool or model cannot be set up.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// A variable of the environment says what it cannot.
    #[error("{name} is `{text}`: {wanted}")]
    Setting {
        /// Which variable.
        name: &'static str,
        /// What it says.
        text: String,
        /// What it could say.
        wanted: &'static str,
    },
    /// The data directory cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A project, where its runs are kept, and what it reaches: everything at hand to run it. Cheap to clone.
#[derive(Clone)]
pub struct Surefoot {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    project: Project,
    sources: Sources,
    complaints: Vec<Complaint>,
    sites: Option<Arc<SiteServer>>,
    deployed: OnceCell<()>,
}

pub(crate) type Native = Arc<dyn Fn(Value) -> Result<Value, String> + Send + Sync>;
type Wrap = Box<dyn FnOnce(Reach) -> Reach>;

/// Puts a [`Surefoot`] together.
#[must_use]
pub struct Builder {
    store: Option<Arc<dyn Store>>,
    data_dir: Option<PathBuf>,
    sources: Option<Result<Sources, ProjectError>>,
    around: Surroundings,
    natives: Vec<(Arc<str>, Native)>,
    config: Config,
    anchors: Option<Anchors>,
    wrap: Wrap,
}

impl Surefoot {
    /// Begins with nothing: a project is needed; without a store or a data directory, runs are kept in memory and end with the
    /// process.
    pub fn builder() -> Builder {
        Builder {
            store: None,
            data_dir: None,
            sources: None,
            around: Surroundings::new(Arc::new(|_: &str| None)),
            natives: Vec::new(),
            config: Config::default(),
            anchors: None,
            wrap: Box::new(|reach| reach),
        }
    }

    /// What `check` has to say about the project: warnings, for errors give no `Surefoot`.
    pub fn check(&self) -> &[Complaint] {
        &self.inner.complaints
    }

    /// The project.
    pub fn project(&self) -> &Project {
        &self.inner.project
    }

    /// Its files.
    pub fn sources(&self) -> &Sources {
        &self.inner.sources
    }

    /// The sites of a demonstration, with every request to them: if the profile has some and a tool reads pages.
    pub fn sites(&self) -> Option<&SiteServer> {
        self.inner.sites.as_deref()
    }

    /// What starts runs, sends them messages and drives them, with everything that this type leaves out.
    pub fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    /// Starts a run. When this returns, the run is durable; something must [`Surefoot::serve`] it.
    ///
    /// # Errors
    /// See [`Runtime::start`].
    pub async fn start(&self, workflow: &str, input: Value) -> Result<StartedRun, RunError> {
        self.start_once(workflow, input, None).await
    }

    /// Like [`Surefoot::start`]: the same key with the same input starts one run, however often it is asked for.
    ///
    /// # Errors
    /// See [`Runtime::start`].
    pub async fn start_once(&self, workflow: &str, input: Value, key: Option<&str>) -> Result<StartedRun, RunError> {
        self.start_as(workflow, input, key, None).await
    }

    /// Like [`Surefoot::start_once`], for a person: `by` may not decide what the run asks where a rule says so.
    ///
    /// # Errors
    /// See [`Runtime::start`].
    pub async fn start_as(
        &self,
        workflow: &str,
        input: Value,
        key: Option<&str>,
        by: Option<&str>,
    ) -> Result<StartedRun, RunError> {
        self.deploy().await?;
        let start = Start {
            bundle: self.inner.project.bundle.digest,
            workflow: workflow.into(),
            input,
            key: key.map(Into::into),
            tenant: None,
            starter: Starter { project: self.inner.project.file.name.clone(), by: by.map(Into::into) },
        };
        self.inner.runtime.start(start).await
    }

    /// Puts the project's bundle into the store and makes its policies, people and budgets those of today, once.
    ///
    /// # Errors
    /// See [`Runtime::admit`], [`Runtime::deploy`], [`Runtime::enact`] and [`Runtime::limit`].
    pub async fn deploy(&self) -> Result<(), RunError> {
        let deploy = || async {
            let Inner { runtime, project, sources, .. } = &*self.inner;
            runtime.admit().await?;
            runtime.deploy(&project.bundle).await?;
            let asker = Asker { by: "program".into(), auth: "local".into() };
            let people = sources.get(PEOPLE_FILE).map(|text| &**text);
            runtime.enact(&project.file.name, project.policies.as_deref(), people, &asker).await?;
            runtime.limit(project, &asker).await?;
            runtime.channels(project, &asker).await?;
            runtime.pin(project, &asker).await?;
            Ok(())
        };
        self.inner.deployed.get_or_try_init(deploy).await.copied()
    }

    /// Sends a signal to a run. When this returns, the signal is durable; it is kept until the run waits for it.
    ///
    /// # Errors
    /// See [`Runtime::signal`].
    pub async fn signal(&self, run: RunId, name: &str, body: Value) -> Result<Posted, RunError> {
        self.inner.runtime.signal(run, name, body, None, "program").await
    }

    /// Whether a run was put aside because its worker died again and again: it goes on when somebody resumes it.
    ///
    /// # Errors
    /// There is no such run, or the store fails.
    pub async fn is_put_aside(&self, run: RunId) -> Result<bool, RunError> {
        let store = self.inner.runtime.store();
        let failed = |source| RunError::Store { doing: "read the run", source };
        let row = store.run(run).await.map_err(failed)?.ok_or(RunError::NoRun { run })?;
        Ok(row.status == Status::Quarantined && row.inbox_gen == row.inbox_read)
    }

    /// Drives runs until `shutdown`: new ones, and what an earlier process left unfinished, by the rules of this project's files.
    ///
    /// # Errors
    /// See [`Surefoot::deploy`] and [`runtime::Worker::run`].
    pub async fn serve(&self, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
        // What this process calls is what its files have accepted: no run goes on under the rules of an earlier process.
        self.deploy().await?;
        self.inner.runtime.worker().run(shutdown).await
    }

    /// Starts a run and waits until it is over, driving it meanwhile: for tests and small programs. A program that has many runs
    /// calls [`Surefoot::serve`] once and [`Surefoot::start`] often.
    ///
    /// # Errors
    /// As [`Surefoot::start`] and [`Surefoot::serve`].
    pub async fn run_to_end(&self, workflow: &str, input: Value) -> Result<Ended, RunError> {
        let run = self.start(workflow, input).await?.run;
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let ended = async {
            let ended = self.inner.runtime.finished(run).await;
            // The worker may have ended by itself, with an error that counts more.
            let _ = stop.send(());
            ended
        };
        let shutdown = async {
            // Dropped or sent: the run is over.
            let _ = stopped.await;
        };
        let (_, ended) = tokio::try_join!(self.serve(shutdown), ended)?;
        Ok(ended)
    }
}

impl Builder {
    /// Keeps runs there.
    pub fn store(mut self, store: Arc<dyn Store>) -> Builder {
        self.store = Some(store);
        self
    }

    /// Keeps runs in the embedded database of that directory, which this process must have for itself.
    pub fn data_dir(mut self, dir: impl Into<PathBuf>) -> Builder {
        self.data_dir = Some(dir.into());
        self
    }

    /// The project in `folder`.
    pub fn project(mut self, folder: impl AsRef<Path>) -> Builder {
        let folder = folder.as_ref();
        self.sources = Some(project::read(folder, true));
        self.around = self.around.in_folder(folder);
        self
    }

    /// A project whose files are at hand already, such as those compiled into the program.
    pub fn sources(mut self, sources: Sources) -> Builder {
        self.sources = Some(Ok(sources));
        self
    }

    /// Registers a pure function `name@version` for `native:` steps: the same for the same, nothing outside, soon done.
    pub fn native(
        mut self,
        name: impl Into<Arc<str>>,
        function: impl Fn(Value) -> Result<Value, String> + Send + Sync + 'static,
    ) -> Builder {
        self.natives.push((name.into(), Arc::new(function)));
        self
    }

    /// Registers a tool for a tool file that says `native: true`: a [`NativeTool`], or a closure
    /// `|call: Call| async move { … }`.
    pub fn tool(mut self, name: impl Into<Arc<str>>, tool: impl NativeTool + 'static) -> Builder {
        self.around.tools.insert(name.into(), Arc::new(tool));
        self
    }

    /// Lets `provider` answer for a model of the project that is `registered`, also in the place of a scripted one. Where the project names
    /// rules or a server, these answer.
    pub fn provider(mut self, model: impl Into<Arc<str>>, provider: impl Provider + 'static) -> Builder {
        self.around.providers.insert(model.into(), Arc::new(provider));
        self
    }

    /// How variables are looked up: for `=env.NAME` in tool files and for secrets. Without it there are none.
    pub fn environment(mut self, environment: Lookup) -> Builder {
        let Surroundings { folder, tools, providers, profile, sandbox, .. } = self.around;
        let new = Surroundings::new(environment);
        let profile = profile.or(new.profile.clone());
        self.around = Surroundings { folder, tools, providers, profile, sandbox, ..new };
        self
    }

    /// The program that becomes the sandbox of commands: one whose `main` asks `gateway::tool::command::sandbox::main` first, as
    /// every program does that hands over to [`crate::cli`]. Without it no command can be run.
    pub fn sandbox(mut self, program: impl Into<PathBuf>) -> Builder {
        self.around.sandbox = Some(program.into());
        self
    }

    /// The profile of the project that counts, whatever its file and the environment say; `none` is none.
    pub fn profile(mut self, name: impl Into<String>) -> Builder {
        self.around.profile = Some(name.into());
        self
    }

    /// Other limits than the default ones.
    pub fn config(mut self, config: Config) -> Builder {
        self.config = config;
        self
    }

    /// Seals journals, and writes each seal down in this file as well: `SUREFOOT_ANCHORS`, else one beside the data directory, if
    /// there is one. Keep it out of the data directory: a directory that was put back or copied is known by it.
    pub fn anchors(mut self, anchors: Anchors) -> Builder {
        self.anchors = Some(anchors);
        self
    }

    /// The pure functions that were registered.
    pub(crate) fn natives(self) -> BTreeMap<Arc<str>, Native> {
        self.natives.into_iter().collect()
    }

    /// Puts something between the engine and what it reaches: for harnesses.
    pub(crate) fn wrap(mut self, wrap: impl FnOnce(Reach) -> Reach + 'static) -> Builder {
        self.wrap = Box::new(wrap);
        self
    }

    /// Done: reads, checks and compiles the project, and opens the store.
    ///
    /// # Errors
    /// [`BuildError`]: nothing was started.
    pub fn build(self) -> Result<Surefoot, BuildError> {
        let sources = self.sources.ok_or(BuildError::NoProject)??;
        let checked = kernel_project::check(&sources);
        let complaints = checked.complaints;
        let Some(project) = checked.project else { return Err(BuildError::Complaints { complaints }) };
        debug_assert!(complaints.iter().all(|complaint| complaint.severity == Severity::Warning));
        let reach = (self.wrap)(Reach::new(&sources, &project, &self.around)?);
        let sites = reach.sites.clone();
        let config = settings(self.config, &self.around.environment)?;
        let mut anchors = self.anchors;
        let store: Arc<dyn Store> = match (self.store, self.data_dir) {
            (Some(store), _) => store,
            (None, Some(dir)) => {
                let store = SqliteStore::open(&dir, SqliteOptions::default())?;
                anchors.get_or_insert_with(|| anchors_of(&dir, &self.around.environment));
                Arc::new(store)
            }
            (None, None) => Arc::new(MemoryStore::new()),
        };
        let mut builder = Runtime::builder(store).gateway(reach.gateway()).config(config);
        if let Some(anchors) = anchors {
            builder = builder.anchors(anchors);
        }
        for (name, function) in self.natives {
            builder = builder.native(name, move |value| function(value));
        }
        let runtime = builder.build();
        let inner = Inner { runtime, project, sources, complaints, sites, deployed: OnceCell::new() };
        Ok(Surefoot { inner: Arc::new(inner) })
    }
}

/// The anchor file of a data directory: the one that the environment names, or the one beside it.
pub(crate) fn anchors_of(dir: &Path, environment: &Lookup) -> Anchors {
    environment("SUREFOOT_ANCHORS").map_or_else(|| Anchors::beside(dir), Anchors::at)
}

/// What the environment says of sealing.
fn settings(mut config: Config, environment: &Lookup) -> Result<Config, BuildError> {
    if let Some(text) = environment("SUREFOOT_SEAL_EVERY") {
        let every = text.parse::<Span>().ok().filter(|every| every.micros() >= 1_000_000);
        let wanted = "write a length of time from 1s on, as in `60s`";
        config.seal_every = every.ok_or(BuildError::Setting { name: "SUREFOOT_SEAL_EVERY", text, wanted })?;
    }
    if let Some(text) = environment("SUREFOOT_SEAL_RECORDS") {
        let records = text.parse::<u64>().ok().filter(|records| *records > 0);
        let wanted = "write a number from 1 on, as in `1000`";
        config.seal_records = records.ok_or(BuildError::Setting { name: "SUREFOOT_SEAL_RECORDS", text, wanted })?;
    }
    Ok(config)
}
