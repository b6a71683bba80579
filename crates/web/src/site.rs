//! What is shown: a project as it is served now.

use std::sync::{Arc, PoisonError, RwLock};

use kernel::{
    complaint::{Complaint, Severity},
    next::Starter,
    values::{Timestamp, Value},
    workflow::project::{Project, Sources},
};
use runtime::{Clock, RunError, Runtime, Start, StartedRun, SystemClock};
use store::Store;
use tokio::sync::watch;

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
}

impl Site {
    /// A site whose pages begin at `base`: nothing for the root, else `/name`.
    pub fn new(base: impl Into<Arc<str>>, served: Served) -> Site {
        let inner = Inner {
            base: base.into(),
            served: RwLock::new(Arc::new(served)),
            files: watch::Sender::new(Arc::default()),
            clock: Arc::new(SystemClock::new()),
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

    pub(crate) fn now(&self) -> Timestamp {
        self.inner.clock.now()
    }

    /// Starts a run of the version that is served now, for a person if one is known.
    pub(crate) async fn start(
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
