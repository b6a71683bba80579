//! What is shown: a project as it is served now.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use async_trait::async_trait;
use kernel::{
    complaint::{Complaint, Severity},
    ids::{RunId, StepPath},
    journal::{Event, Head, StepResult},
    next::Starter,
    values::{Timestamp, Value},
    workflow::project::{Project, Sources},
};
use runtime::{Clock, RunError, Runtime, Start, StartedRun, SystemClock};
use store::{RunRow, Store};
use tokio::sync::watch;

use crate::{lately::Lately, own::Own};

/// A project with what drives its runs, as it is served now.
pub struct Served {
    /// What starts runs and sends them messages.
    pub runtime: Runtime,
    /// The project: the last version that could be used.
    pub project: Project,
    /// Its files, of that version.
    pub sources: Sources,
    /// The start key of a run where none is given: the same key with the same input is one run.
    pub start_key: Arc<StartKey>,
    /// What makes files of runs; without it none are offered.
    pub copies: Option<Arc<dyn Copies>>,
}

/// Makes files of runs: how they are written is known elsewhere.
#[async_trait]
pub trait Copies: Send + Sync {
    /// A case of a run, for `surefoot test`: it was played, and holds.
    ///
    /// # Errors
    /// Why there is none.
    async fn case(&self, run: RunId) -> Result<CaseCopy, NotCopied>;

    /// A run as one file, for `surefoot evidence verify`.
    ///
    /// # Errors
    /// Why there is none.
    async fn export(&self, run: RunId) -> Result<ExportCopy, NotCopied>;

    /// Checks everything of a run that an export of it would be checked for.
    ///
    /// # Errors
    /// What does not hold.
    async fn verify(&self, run: RunId) -> Result<Verified, NotCopied>;
}

/// Why there is no copy, in sentences; the first says what is wrong.
#[derive(Clone, Debug)]
pub struct NotCopied {
    /// At least one.
    pub why: Vec<String>,
}

impl NotCopied {
    /// One sentence.
    pub fn new(why: String) -> NotCopied {
        NotCopied { why: vec![why] }
    }
}

/// A run as one file.
#[derive(Clone, Debug)]
pub struct ExportCopy {
    /// The file.
    pub bytes: Vec<u8>,
    /// What it ends with: noted elsewhere, it finds a tail that was cut.
    pub head: Head,
}

/// What was checked of a run, and holds.
#[derive(Clone, Debug)]
pub struct Verified {
    /// Entries: each follows from the one before.
    pub entries: u64,
    /// Acts: allowed before they began, and every outcome came of something.
    pub acts: u64,
    /// Blobs: exactly those that are named, each of its digest.
    pub blobs: u64,
    /// The last entry.
    pub head: Head,
    /// Seals that hold it.
    pub seals: u64,
    /// Up to which entry.
    pub sealed: u64,
    /// How many of its seals the anchor file does not have; `None`: there is no such file.
    pub unanchored: Option<u64>,
    /// What it held was erased: all was checked which needs no bodies.
    pub erased: bool,
}

/// A case of a run.
#[derive(Clone, Debug)]
pub struct CaseCopy {
    /// The file.
    pub text: String,
    /// What of the run it cannot show: sentences.
    pub notes: Vec<String>,
}

/// Of a workflow and an input.
pub type StartKey = dyn Fn(&str, &Value) -> Option<String> + Send + Sync;

/// What the files say now: they may have been saved with errors since.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Errors and warnings.
    pub complaints: Vec<Complaint>,
    /// The texts that they are about.
    pub sources: Sources,
}

/// One project, its runs, and where its pages stand. Cheap to clone.
#[derive(Clone)]
pub struct Site {
    inner: Arc<Inner>,
}

struct Inner {
    base: Arc<str>,
    served: RwLock<Arc<Served>>,
    files: watch::Sender<Arc<Files>>,
    clock: Arc<dyn Clock>,
    own: OnceLock<Own>,
    lately: Lately,
}

impl Site {
    /// A site whose pages begin at `base`: nothing for the root, else `/name`.
    pub fn new(base: impl Into<Arc<str>>, served: Served) -> Site {
        let inner = Inner {
            base: base.into(),
            served: RwLock::new(Arc::new(served)),
            files: watch::Sender::new(Arc::default()),
            clock: Arc::new(SystemClock::new()),
            own: OnceLock::new(),
            lately: Lately::default(),
        };
        Site { inner: Arc::new(inner) }
    }

    /// From the next request on it is this version.
    pub fn replace(&self, served: Served) {
        // One assignment: a panic leaves nothing half done.
        *self.inner.served.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(served);
    }

    /// What the files say now.
    pub fn look(&self, files: Files) {
        self.inner.files.send_replace(Arc::new(files));
    }

    /// From now on it has pages of its application as well. They come once and before it is served: later ones are let go.
    pub fn bring(&self, own: Own) {
        let _ = self.inner.own.set(own);
    }

    pub(crate) fn own(&self) -> Option<&Own> {
        self.inner.own.get()
    }

    /// Where its pages begin.
    pub fn base(&self) -> &str {
        &self.inner.base
    }

    /// The project's name.
    pub fn name(&self) -> Arc<str> {
        self.served().project.file.name.clone()
    }

    pub(crate) fn served(&self) -> Arc<Served> {
        self.inner.served.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn runtime(&self) -> Runtime {
        self.served().runtime.clone()
    }

    pub(crate) fn store(&self) -> Arc<dyn Store> {
        self.served().runtime.store().clone()
    }

    pub(crate) fn files(&self) -> watch::Receiver<Arc<Files>> {
        self.inner.files.subscribe()
    }

    /// How many errors the files have as they are now.
    pub(crate) fn errors(&self) -> usize {
        let files = self.inner.files.borrow();
        files.complaints.iter().filter(|complaint| complaint.severity == Severity::Error).count()
    }

    /// What was read of the last runs.
    pub(crate) fn lately(&self) -> &Lately {
        &self.inner.lately
    }

    /// What time it is.
    pub fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// What is known of a run without its journal; `None` if there is none.
    ///
    /// # Errors
    /// The store fails.
    pub async fn run(&self, run: RunId) -> Result<Option<RunRow>, RunError> {
        let row = self.store().run(run).await;
        row.map_err(|source| RunError::Store { doing: "read the run", source })
    }

    /// What the steps of that name gave in a run so far, wherever they stand, in the order in which they gave it: from its journal and what is kept
    /// beside it. What was erased is left out.
    ///
    /// # Errors
    /// There is no such run, or the store fails.
    pub async fn gave(&self, run: RunId, step: &str) -> Result<Vec<(StepPath, Value)>, RunError> {
        let runtime = self.runtime();
        let record = runtime.record(run).await?;
        let mut all: Vec<(StepPath, Value)> = Vec::new();
        for entry in &record.entries {
            let Ok(event) = entry.event() else { continue };
            let Some(path) = event.step().filter(|path| path.as_str().rsplit('/').next() == Some(step)) else {
                continue;
            };
            let gave = match &event {
                Event::ModelAnswered { result: StepResult::Done(held), .. }
                | Event::ActionFinished { result: StepResult::Done(held), .. } => Some(held),
                event => event.completes().and_then(|(_, gave)| gave),
            };
            let Some(gave) = gave else { continue };
            if let Some(value) = runtime.held(run, gave).await? {
                // A step that was done again gave what it gave last.
                all.retain(|(known, _)| known != path);
                all.push((path.clone(), value));
            }
        }
        Ok(all)
    }

    /// Starts a run of the version that is served now, for a person if one is known. Without a key it has that of its workflow and input, where
    /// there is one: the same key with the same input is one run.
    ///
    /// # Errors
    /// See [`Runtime::start`].
    pub async fn start(
        &self,
        workflow: &str,
        input: Value,
        key: Option<String>,
        by: Option<Arc<str>>,
    ) -> Result<StartedRun, RunError> {
        let served = self.served();
        let key = key.or_else(|| (served.start_key)(workflow, &input));
        let start = Start {
            bundle: served.project.bundle.digest,
            workflow: workflow.into(),
            input,
            key: key.map(Into::into),
            tenant: None,
            starter: Starter { project: served.project.file.name.clone(), by },
        };
        served.runtime.start(start).await
    }
}
