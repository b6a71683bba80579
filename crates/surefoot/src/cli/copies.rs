//! Files of recorded runs: an export, and a case. For commands, and for pages.

use std::{
    collections::HashMap,
    fs::File,
    io::BufReader,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use kernel::{
    ids::{Digest, RunId},
    journal::{Entry, Event, Head, Held},
    run::RunState,
    values::Value,
};
use runtime::seals;
use store::Store;
use tokio::sync::{Semaphore, SemaphorePermit};
use web::{CaseCopy, ExportCopy, NotCopied, Verified};

use super::session;
use crate::{
    case::{self, Below, Real, Recorded, Setting},
    error::CliError,
    exit::Exit,
    export::{self, Contents, Kept, VerifyError},
};

/// What a store holds of a run.
pub(super) struct Whole {
    pub(super) run: RunId,
    pub(super) entries: Vec<Entry>,
    pub(super) blobs: HashMap<Digest, Arc<[u8]>>,
    /// The runs that it handed work to, if they were asked for.
    below: Below,
}

impl Whole {
    /// Reads a run.
    pub(super) async fn of(store: &dyn Store, run: RunId) -> Result<Whole, CliError> {
        let entries = session::journal(store, run).await?;
        let mut whole = Whole { run, entries: Vec::new(), blobs: HashMap::new(), below: Below::new() };
        whole.fetch(store, run, &entries).await?;
        Ok(Whole { entries, ..whole })
    }

    /// Reads the runs that it handed work to as well.
    pub(super) async fn with_below(mut self, store: &dyn Store) -> Result<Whole, CliError> {
        for (run, entries) in session::family(store, self.run).await?.into_iter().skip(1) {
            self.fetch(store, run, &entries).await?;
            let events = entries.iter().map(|entry| Ok((entry.at, entry.event()?)));
            let events: Result<Vec<_>, kernel::journal::Broken> = events.collect();
            self.below.insert(run, events.map_err(|why| CliError::new(Exit::Unverified, format!("{run}: {why}")))?);
        }
        Ok(self)
    }

    async fn fetch(&mut self, store: &dyn Store, run: RunId, entries: &[Entry]) -> Result<(), CliError> {
        for digest in export::named(entries) {
            if let Some(bytes) = store.blob(run, digest).await? {
                self.blobs.insert(digest, bytes);
            }
        }
        Ok(())
    }

    /// Makes a case of it, and plays it: one that does not hold is none.
    pub(super) fn record(
        &self,
        (stem, file): (&str, &Arc<str>),
        (setting, folder): (&Setting, &Path),
    ) -> Result<Recorded, CliError> {
        let run = self.run;
        let events = self.entries.iter().map(Entry::event).collect::<Result<Vec<Event>, _>>();
        let events = events.map_err(|why| CliError::new(Exit::Unverified, why.to_string()))?;
        let mut state = RunState::new(run);
        let folds = state.fold(&self.entries);
        folds.map_err(|why| CliError::new(Exit::Unverified, format!("the journal of {run} does not hold: {why}")))?;
        let rests = match (&state.end, state.paused) {
            (Some(_), _) => None,
            (None, true) => Some("paused"),
            (None, false) => Some("waiting"),
        };
        let value = |held: &Held| match held {
            Held::Value(value) => Some(value.clone()),
            Held::Blob(blob) => Value::from_json(self.blobs.get(&blob.digest)?).ok(),
        };
        let real = Real { run, entries: &self.entries, events: &events, below: &self.below, value: &value, rests };
        case::record(&real, (stem, file), (setting, folder)).map_err(|why| {
            let error = CliError::new(Exit::Project, format!("no case can be made of {run}"));
            why.into_iter().fold(error, CliError::hint)
        })
    }
}

/// Makes files for the pages of a project.
pub(super) struct Copies {
    pub(super) store: Arc<dyn Store>,
    /// What cases are played with; `Err`: why none is.
    pub(super) setting: Result<Arc<Setting>, String>,
    pub(super) folder: PathBuf,
    /// The file outside the data that seals are compared with.
    pub(super) anchors: PathBuf,
}

/// A copy is held in memory whole, so few are made at once. Whoever asks for one more waits.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// One of them, until it is made: also when whoever asked has gone away.
type Turn = Option<SemaphorePermit<'static>>;

async fn turn() -> Turn {
    AT_ONCE.acquire().await.ok()
}

/// Does what takes the processor's time while pages go on being answered.
async fn aside<T: Send + 'static>(
    what: &str,
    turn: Turn,
    work: impl FnOnce() -> Result<T, NotCopied> + Send + 'static,
) -> Result<(T, Turn), NotCopied> {
    let work = move || work().map(|done| (done, turn));
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| NotCopied::new(format!("{what} it panicked")))?
}

impl Copies {
    async fn exported(&self, run: RunId, turn: Turn) -> Result<((Vec<u8>, Head), Turn), NotCopied> {
        let whole = Whole::of(&*self.store, run).await.map_err(why)?;
        let seals = session::seals_of(&*self.store, run).await.map_err(|error| why(error.into()))?;
        let log = self.store.governance(0).await.map_err(|error| why(error.into()))?;
        aside("exporting", turn, move || {
            let contents = Contents { run, entries: &whole.entries, seals: &seals, erased: export::erasure(run, &log) };
            let mut text = Vec::new();
            let blob = |digest: Digest| Ok::<_, CliError>(whole.blobs.get(&digest).cloned());
            let head = export::write(&mut text, &contents, blob).map_err(why)?;
            Ok((text, head))
        })
        .await
    }
}

#[async_trait]
impl web::Copies for Copies {
    async fn case(&self, run: RunId) -> Result<CaseCopy, NotCopied> {
        let setting = self.setting.clone().map_err(NotCopied::new)?;
        let turn = turn().await;
        let whole = Whole::of(&*self.store, run).await.map_err(why)?.with_below(&*self.store).await.map_err(why)?;
        let folder = self.folder.clone();
        let file: Arc<str> = format!("cases/{run}.yaml").into();
        let (made, _) = aside("playing", turn, move || {
            let stem = "what came of a run";
            // What is wrong with a case stands in the hints; whoever asked knows of which run.
            let said = |error: CliError| match error.hints.is_empty() {
                true => why(error),
                false => NotCopied { why: error.hints },
            };
            whole.record((stem, &file), (&setting, &folder)).map_err(said)
        })
        .await?;
        Ok(CaseCopy { text: made.text, notes: made.notes })
    }

    async fn export(&self, run: RunId) -> Result<ExportCopy, NotCopied> {
        let ((text, head), _) = self.exported(run, turn().await).await?;
        Ok(ExportCopy { bytes: text, head })
    }

    async fn verify(&self, run: RunId) -> Result<Verified, NotCopied> {
        let ((text, exported), turn) = self.exported(run, turn().await).await?;
        let row = self.store.run(run).await.map_err(|error| why(error.into()))?;
        // A run that went on meanwhile has another head by now.
        let noted = row.filter(|row| row.head.seq == exported.seq).map(|row| row.head.hash);
        let anchors = self.anchors.clone();
        aside("verifying", turn, move || verified(&text, noted, &anchors)).await.map(|(verified, _)| verified)
    }
}

fn verified(text: &[u8], noted: Option<Digest>, anchors: &Path) -> Result<Verified, NotCopied> {
    let anchors = match File::open(anchors) {
        Ok(file) => {
            let unread = |error| NotCopied::new(format!("the anchor file cannot be read: {error}"));
            let read = seals::read(BufReader::new(file)).map_err(unread)?;
            Some(read.map_err(|broken| NotCopied::new(format!("the anchor file does not hold: {broken}")))?)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(NotCopied::new(format!("the anchor file cannot be read: {error}"))),
    };
    let kept = Kept { noted, anchors: anchors.as_deref() };
    let verified = export::verify(text, &kept).map_err(|error| match error {
        // Of the file that nobody keeps, the line says nothing.
        VerifyError::Broken(broken) => {
            let entry = broken.entry.map(|seq| format!("entry {seq}: ")).unwrap_or_default();
            NotCopied::new(format!("{entry}{}", broken.what))
        }
        error => NotCopied::new(error.to_string()),
    })?;
    Ok(Verified {
        entries: verified.entries,
        acts: verified.acts,
        blobs: verified.blobs,
        head: verified.head,
        seals: verified.seals,
        sealed: verified.sealed,
        unanchored: anchors.is_some().then_some(verified.unanchored),
        erased: verified.erased.is_some(),
    })
}

fn why(error: CliError) -> NotCopied {
    let said: Vec<String> = std::iter::once(error.message).chain(error.hints).collect();
    NotCopied { why: said }
}

#[cfg(test)]
mod tests {
    use kernel::{
        next::Starter,
        workflow::project::{self, Sources},
    };
    use runtime::{Runtime, Start};
    use store::memory::MemoryStore;
    use web::Copies as _;

    use super::*;

    const FILES: [(&str, &str); 3] = [
        ("surefoot.yaml", "project: shop\n"),
        ("schemas/order.yaml", "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\n"),
        (
            "workflows/note.yaml",
            "workflow: note\ninput: schemas/order.yaml\nresult: { value: =noted.id }\nstages:\n  - stage: all\n    steps:\n      \
             - { step: noted, set: { id: =input.id } }\n",
        ),
    ];

    #[tokio::test]
    async fn a_run_is_verified_exported_and_made_a_case_of() {
        let sources: Sources = FILES.into_iter().collect();
        let project = project::check(&sources).project.expect("the files have no errors");
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let runtime = Runtime::builder(store.clone()).build();
        runtime.deploy(&project.bundle).await.expect("memory takes it");
        let worker = runtime.worker();
        let worker = tokio::spawn(async move { worker.run(std::future::pending::<()>()).await });
        let start = Start {
            bundle: project.bundle.digest,
            workflow: "note".into(),
            input: Value::map([("id", Value::text("N-1"))]),
            key: None,
            tenant: None,
            starter: Starter { project: "shop".into(), by: None },
        };
        let run = runtime.start(start).await.expect("it starts").run;
        runtime.finished(run).await.expect("it ends");
        worker.abort();

        let folder = tempfile::tempdir().expect("a folder");
        let setting = Setting::new(sources, project, crate::trial::Natives::new()).map(Arc::new);
        let anchors = folder.path().join("anchors");
        let mut copies = Copies { store, setting, folder: folder.path().to_owned(), anchors: anchors.clone() };
        let verified = copies.verify(run).await.expect("it holds");
        let export = copies.export(run).await.expect("it is exported");
        assert_eq!((verified.head, verified.entries, verified.acts), (export.head, export.head.seq, 0));
        assert_eq!((verified.seals, verified.unanchored), (0, None), "there is no anchor file");
        let again = export::verify(export.bytes.as_slice(), &Kept::default()).expect("the file holds by itself");
        assert_eq!(again.head, export.head);
        let case = copies.case(run).await.expect("it can be played");
        assert!(case.text.contains("workflow: note") && case.text.contains("N-1"), "{}", case.text);
        assert_eq!(case.notes, Vec::<String>::new());

        std::fs::write(&anchors, "no anchor\n").expect("it can be written");
        let broken = copies.verify(run).await.expect_err("the anchors are none");
        assert!(broken.why[0].contains("the anchor file does not hold"), "{broken:?}");
        copies.setting = Err("a model's answers cannot be read".to_owned());
        let refused = copies.case(run).await.expect_err("no case is played");
        assert_eq!(refused.why, ["a model's answers cannot be read"]);
    }
}
