//! Seals: from time to time the heads of all journals that moved are sealed together, in the store and once more outside it. Before
//! anything is driven the two are compared: data that were put back to an earlier state, or copied, would do again what they do not know
//! to be done.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use kernel::{
    governance::charter::Change,
    ids::{Digest, RunId},
    values::{Span, Value},
};
use store::{OutQuery, RunQuery, SYSTEM, Seal, Sealed, Status, Tried};
use tokio::sync::{Mutex, Notify};

use crate::{Inner, RunError, Runtime, clock, govern::Asker, worker::Local};

mod anchors;

use anchors::Last;
pub use anchors::{Anchor, AnchoredHead, Anchors, BrokenAnchors, What, read};

/// Appends that one seal looks at, at most: its work is bounded, however far it is behind.
const MOST: u32 = 5_000;

/// Between two seals, however much is written.
const PACE: Span = Span::from_millis(1_000);

/// Seals read at a time.
const PAGE: u32 = 200;

/// What the worker and the engines share about sealing.
#[derive(Debug, Default)]
pub(crate) struct Sealing {
    /// `None`: nothing is sealed.
    pub(crate) anchors: Option<Arc<Anchors>>,
    /// Entries since the last seal.
    entries: AtomicU64,
    /// There are enough of them.
    enough: Notify,
    /// One at a time reads the last line and writes the next.
    turn: Mutex<()>,
}

impl Sealing {
    /// So many entries became durable.
    pub(crate) fn count(&self, entries: u64, enough: u64) {
        if self.anchors.is_some() {
            let before = self.entries.fetch_add(entries, Ordering::Relaxed);
            if before < enough && before + entries >= enough {
                self.enough.notify_one();
            }
        }
    }
}

/// How data stand to the file outside.
enum Standing {
    /// All is well.
    Fits,
    /// Nothing was written there yet, and nothing here needs it.
    New,
    /// They are not what was written down.
    Differs(Differs),
}

/// Why data must not be driven.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Differs {
    /// An earlier state.
    Older { seal: u64, hash: Digest, anchor: u64 },
    /// Another story from some seal on.
    Other { seal: u64, hash: Digest, anchor: u64 },
    /// They were sealed, and nothing says so outside.
    Alone,
    /// The file is a copy.
    Copied,
    /// The file is of another deployment.
    Foreign { instance: Arc<str> },
}

/// What going on with data that were put back, or copied, came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reviewed {
    /// The runs that are not over: each pauses before anything else, and what it has sent is for a person.
    pub runs: Vec<RunId>,
    /// How many actions of theirs have no outcome.
    pub open: usize,
    /// The deployment that it is now.
    pub instance: Arc<str>,
}

impl Runtime {
    /// Compares the data with what was written down outside. Every worker does so before it takes a run; without an anchor file there is
    /// nothing to compare with.
    ///
    /// # Errors
    /// [`RunError::PutBack`]: nothing may be driven before a person has decided; the store or the file cannot be read.
    pub async fn admit(&self) -> Result<(), RunError> {
        admit(&self.inner).await
    }

    /// Seals what has moved since the last seal, now. `None`: nothing had.
    ///
    /// # Errors
    /// As [`Runtime::admit`]; there is no anchor file.
    pub async fn seal(&self) -> Result<Option<Seal>, RunError> {
        if self.inner.sealing.anchors.is_none() {
            return Err(RunError::NotTaken { why: "no anchor file is known: nothing is sealed".to_owned() });
        }
        admit(&self.inner).await?;
        let mut newest = None;
        while let Some(seal) = seal(&self.inner, false).await? {
            newest = Some(seal);
        }
        Ok(newest)
    }

    /// A person goes on with data that were put back to an earlier state. Every run that is not over pauses before anything else, and
    /// what it has sent without an outcome is for a person: nothing is sent again by itself. A crash before the return leaves a part;
    /// the same call again does the rest.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] if they are not, or are a copy; the store or the file fails.
    pub async fn accept_rollback(&self, reason: &str, asker: &Asker) -> Result<Reviewed, RunError> {
        let (inner, not_taken) = (&self.inner, |why: &str| RunError::NotTaken { why: why.to_owned() });
        let (no, hash, before) = match standing(inner).await? {
            Standing::Differs(Differs::Older { seal, hash, anchor } | Differs::Other { seal, hash, anchor }) => {
                (seal, hash, anchor)
            }
            Standing::Differs(_) => {
                return Err(not_taken("the data are a copy, or were moved: `db adopt` is for that"));
            }
            Standing::Fits | Standing::New => {
                return Err(not_taken("the data are what the anchors say: there is nothing to accept"));
            }
        };
        let instance = self.instance().await?;
        let reviewed = self.review(&format!("{instance}:{before}:{hash}"), instance.clone(), asker).await?;
        let change = Change::Restore { seal: no, anchor: before, reason: reason.into() };
        self.govern(&change, None, None, asker).await?;
        let (by, reason) = (asker.by.clone(), reason.into());
        self.note(What::Restored { before, by, reason }, &instance, (no, hash)).await?;
        seal(inner, true).await?;
        Ok(reviewed)
    }

    /// A person makes a copy, or data that were moved without their anchor file, a deployment of its own. Runs that are not over pause, as
    /// with [`Runtime::accept_rollback`]. Their keys stay: the same run asks a receiver for the same effect once, whoever drives it.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] if it is none; the store or the file fails.
    pub async fn adopt(&self, reason: &str, asker: &Asker) -> Result<Reviewed, RunError> {
        let (inner, not_taken) = (&self.inner, |why: &str| RunError::NotTaken { why: why.to_owned() });
        match standing(inner).await? {
            Standing::Differs(Differs::Alone | Differs::Copied | Differs::Foreign { .. }) => {}
            Standing::Differs(_) => {
                return Err(not_taken("the data were put back to an earlier state: `db accept-rollback` is for that"));
            }
            Standing::Fits | Standing::New => {
                return Err(not_taken("the data are where they belong: there is nothing to adopt"));
            }
        }
        let from = self.instance().await?;
        let to: Arc<str> = format!("{:032x}", u128::from_be_bytes(clock::bytes(&*inner.random))).into();
        let reviewed = self.review(&to, to.clone(), asker).await?;
        let change = Change::Adopt { from, to: to.clone(), reason: reason.into() };
        self.govern(&change, None, None, asker).await?;
        inner.store.adopt(to.clone()).await.map_err(|why| RunError::store("become another deployment", why))?;
        let last = inner.store.last_seal().await.map_err(|why| RunError::store("read the seals", why))?;
        let last = last.map_or((0, Digest::ZERO), |seal| (seal.no, seal.hash));
        self.note(What::Begun, &to, last).await?;
        seal(inner, true).await?;
        Ok(reviewed)
    }

    /// Tells every run that is not over that its data were put back or copied.
    async fn review(&self, occasion: &str, instance: Arc<str>, asker: &Asker) -> Result<Reviewed, RunError> {
        let store = &self.inner.store;
        let status = Status::ALL.into_iter().filter(|status| !status.is_final()).collect();
        let mut query = RunQuery { status, limit: PAGE, ..RunQuery::default() };
        let mut runs = Vec::new();
        loop {
            let page = store.runs(query.clone()).await.map_err(|why| RunError::store("list the runs", why))?;
            runs.extend(page.iter().map(|row| row.run));
            match page.last() {
                Some(last) if page.len() == PAGE as usize => query.before = Some(last.run),
                _ => break,
            }
        }
        for run in &runs {
            let id = format!("review:{occasion}").into();
            self.post(*run, "review", "".into(), &Value::Null, Some(id), asker.by.clone(), false).await?;
        }
        self.keep_back().await?;
        let open = self.effects(false).await?.len();
        Ok(Reviewed { runs, open, instance })
    }

    /// Messages to people that were to leave may have left since: none does before a person says so.
    async fn keep_back(&self) -> Result<(), RunError> {
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        let failed = |why| RunError::store("keep messages back", why);
        let query = OutQuery { limit: u32::MAX, ..OutQuery::default() };
        for row in store.outbox(query).await.map_err(failed)? {
            if row.next_at.is_some_and(|at| at <= now) {
                let why = "the data were put back or copied: it may have left".into();
                store.outbox_tried(row.id, Tried::Dead { why }).await.map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Which deployment this is.
    async fn instance(&self) -> Result<Arc<str>, RunError> {
        self.inner.store.instance_id().await.map_err(|why| RunError::store("read which deployment this is", why))
    }

    async fn note(&self, what: What, instance: &Arc<str>, last: (u64, Digest)) -> Result<(), RunError> {
        note(&self.inner, what, instance, last).await
    }
}

/// Adds a line that is no seal.
async fn note(inner: &Inner, what: What, instance: &Arc<str>, (no, hash): (u64, Digest)) -> Result<(), RunError> {
    let Some(anchors) = &inner.sealing.anchors else { return Ok(()) };
    let (instance, at_us) = (instance.clone(), inner.clock.now());
    let line = move |file: &Arc<str>| vec![Anchor { what, instance, file: file.clone(), at_us, no, hash }];
    outside(anchors, move |anchors| anchors.append(line)).await
}

/// Does something with the file, off the threads that drive runs.
async fn outside<T: Send + 'static>(
    anchors: &Arc<Anchors>,
    work: impl FnOnce(&Anchors) -> io::Result<T> + Send + 'static,
) -> Result<T, RunError> {
    let (anchors, path) = (anchors.clone(), anchors.path().display().to_string());
    let done = tokio::task::spawn_blocking(move || work(&anchors)).await;
    done.map_err(io::Error::other).flatten().map_err(|source| RunError::Anchors { path, source })
}

async fn standing(inner: &Inner) -> Result<Standing, RunError> {
    let Some(anchors) = &inner.sealing.anchors else { return Ok(Standing::Fits) };
    let failed = |why| RunError::store("read the seals", why);
    let store = &inner.store;
    let (instance, seal) = (store.instance_id().await.map_err(failed)?, store.last_seal().await.map_err(failed)?);
    let line = match outside(anchors, Anchors::last).await? {
        Last::Line(line) if line.instance == instance => line,
        other => {
            return Ok(match other {
                Last::Nothing if seal.is_none() => Standing::New,
                // New data in the place of others have done nothing yet that could be done again.
                _ if seal.is_none() && untouched(inner).await? => Standing::New,
                Last::Nothing => Standing::Differs(Differs::Alone),
                Last::Copied(_) => Standing::Differs(Differs::Copied),
                Last::Line(line) => Standing::Differs(Differs::Foreign { instance: line.instance }),
            });
        }
    };
    let (no, hash) = seal.as_ref().map_or((0, Digest::ZERO), |seal| (seal.no, seal.hash));
    if no < line.no {
        return Ok(Standing::Differs(Differs::Older { seal: no, hash, anchor: line.no }));
    }
    if line.no > 0 {
        let there = store.seals(line.no - 1, 1).await.map_err(failed)?;
        if there.first().map(|seal| seal.hash) != Some(line.hash) {
            return Ok(Standing::Differs(Differs::Other { seal: no, hash, anchor: line.no }));
        }
    }
    Ok(Standing::Fits)
}

/// Whether no run was ever driven here.
async fn untouched(inner: &Inner) -> Result<bool, RunError> {
    let mut query = RunQuery { limit: PAGE, ..RunQuery::default() };
    loop {
        let page = inner.store.runs(query.clone()).await.map_err(|why| RunError::store("list the runs", why))?;
        if page.iter().any(|row| row.epoch > 0) {
            return Ok(false);
        }
        match page.last() {
            Some(last) if page.len() == PAGE as usize => query.before = Some(last.run),
            _ => return Ok(true),
        }
    }
}

/// Refuses data that must not be driven, and writes down outside what a death kept from being written.
pub(crate) async fn admit(inner: &Inner) -> Result<(), RunError> {
    let Some(anchors) = &inner.sealing.anchors else { return Ok(()) };
    let _turn = inner.sealing.turn.lock().await;
    let file = anchors.path().display().to_string();
    let failed = |why| RunError::store("read the seals", why);
    let (why, way) = match standing(inner).await? {
        Standing::Fits => return catch_up(inner).await,
        Standing::New => {
            let instance = inner.store.instance_id().await.map_err(failed)?;
            return note(inner, What::Begun, &instance, (0, Digest::ZERO)).await;
        }
        Standing::Differs(Differs::Older { seal, anchor, .. }) => (
            format!(
                "the data end with seal {seal}, and {file} knows seal {anchor}: they were put back to an earlier state, \
                 and what was done since would be done again"
            ),
            ROLLBACK,
        ),
        Standing::Differs(Differs::Other { anchor, .. }) => {
            (format!("seal {anchor} of the data is another than in {file}: they tell another story"), ROLLBACK)
        }
        Standing::Differs(Differs::Alone) => {
            (format!("the data were sealed, and there is no {file}: they are a copy, or were moved without it"), ADOPT)
        }
        Standing::Differs(Differs::Copied) => {
            (format!("{file} is a copy: the data are a copy as well, or were restored together with it"), ADOPT)
        }
        Standing::Differs(Differs::Foreign { instance }) => {
            let own = inner.store.instance_id().await.map_err(failed)?;
            let short = |id: &str| id.chars().take(8).collect::<String>();
            (format!("the data are those of deployment {}, {file} is of {}", short(&own), short(&instance)), ADOPT)
        }
    };
    Err(RunError::PutBack { why, way })
}

/// What a person may do about data that were put back.
const ROLLBACK: &str = "put the newest data in their place; or look at what was done since, and go on from here with `surefoot db \
                        accept-rollback --as NAME --reason TEXT`: runs pause, and nothing is sent again by itself";

/// What a person may do about a copy.
const ADOPT: &str = "if no other process drives these runs any more, or this copy reaches other systems, make it a deployment of its own \
                     with `surefoot db adopt --as NAME --reason TEXT`: runs pause, and nothing is sent again by itself";

/// Writes down outside the seals that are newer than its last line.
async fn catch_up(inner: &Inner) -> Result<(), RunError> {
    let Some(anchors) = &inner.sealing.anchors else { return Ok(()) };
    let failed = |why| RunError::store("read the seals", why);
    let instance = inner.store.instance_id().await.map_err(failed)?;
    loop {
        let Last::Line(line) = outside(anchors, Anchors::last).await? else {
            let source = io::Error::other("it was taken away or replaced while these data were in use");
            return Err(RunError::Anchors { path: anchors.path().display().to_string(), source });
        };
        let seals = inner.store.seals(line.no, PAGE).await.map_err(failed)?;
        if seals.is_empty() {
            return Ok(());
        }
        write(anchors, seals, instance.clone()).await?;
    }
}

async fn write(anchors: &Arc<Anchors>, seals: Vec<Seal>, instance: Arc<str>) -> Result<(), RunError> {
    outside(anchors, move |anchors| anchors.keep(&seals, &instance)).await
}

/// Seals what has moved, or with `always` that nothing has. `None`: nothing to seal.
pub(crate) async fn seal(inner: &Inner, always: bool) -> Result<Option<Seal>, RunError> {
    if inner.sealing.anchors.is_none() {
        return Ok(None);
    }
    let _turn = inner.sealing.turn.lock().await;
    let failed = |why| RunError::store("seal the journals", why);
    let store = &inner.store;
    let last = store.last_seal().await.map_err(failed)?;
    inner.sealing.entries.store(0, Ordering::Relaxed);
    let dirty = store.dirty_heads(MOST).await.map_err(failed)?;
    let log = RunId::from_bytes(SYSTEM);
    let moved = match &last {
        None => dirty.upto > 0 || !dirty.heads.is_empty(),
        Some(last) => dirty.upto != last.upto || dirty.heads.get(&log) != last.heads.get(&log),
    };
    if !moved && !always {
        return Ok(None);
    }
    let seal = Seal::after(last.as_ref(), dirty, inner.clock.now());
    match store.add_seal(seal.clone()).await.map_err(failed)? {
        // Also what an earlier failure of the file has kept out.
        Sealed::Done => catch_up(inner).await.map(|()| Some(seal)),
        Sealed::Moved { .. } => Ok(None),
    }
}

/// Seals from time to time, until it is dropped. What cannot be sealed now is sealed later.
pub(crate) async fn tend(inner: Arc<Inner>, local: Arc<Local>) -> Result<(), store::StoreError> {
    if inner.sealing.anchors.is_none() {
        return Ok(());
    }
    while !local.fenced() {
        tokio::select! {
            () = inner.clock.sleep(inner.config.seal_every) => {}
            () = inner.sealing.enough.notified() => inner.clock.sleep(PACE).await,
        }
        if let Err(why) = seal(&inner, false).await {
            tracing::warn!(%why, "the journals cannot be sealed; it is tried again");
        }
    }
    Ok(())
}

/// Seals everything that is left, at the end of a process. It holds nothing up that matters more.
pub(crate) async fn close(inner: &Inner) {
    loop {
        match seal(inner, false).await {
            Ok(Some(_)) => {}
            Ok(None) => return,
            Err(why) => return tracing::warn!(%why, "the journals cannot be sealed; the next process does it"),
        }
    }
}
