//! Waiting for a run, in this process or another one: woken by our own engines, and by a slow look at the store for theirs.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use kernel::{
    ids::RunId,
    journal::{self, End, Entry, Event, Head, Held},
    recovery::Failure,
    run,
    values::{Span, Timestamp, Value},
};
use tokio::sync::Notify;

use crate::{Inner, RunError};

/// How often a watcher looks at a run that another process may drive.
const POLL: Span = Span::from_millis(1_000);

/// Entries read at a time.
const PAGE: u32 = 500;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    /// Which run.
    pub run: RunId,
    /// How.
    pub end: End,
    /// The workflow's result, if it completed.
    pub result: Option<Value>,
    /// Why, if it failed.
    pub failure: Option<Failure>,
    /// When.
    pub at: Timestamp,
}

/// Who waits for which run.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    /// So that a run without watchers costs no lock.
    count: AtomicUsize,
    by_run: Mutex<HashMap<RunId, Arc<Watch>>>,
}

#[derive(Debug, Default)]
struct Watch {
    /// Every append.
    grown: Notify,
    /// Only the end.
    ended: Notify,
    end: Mutex<Option<run::Ended>>,
}

impl Watches {
    /// New entries are durable, or the run was parked.
    pub(crate) fn grown(&self, run: RunId) {
        if let Some(watch) = self.find(run) {
            watch.grown.notify_waiters();
        }
    }

    /// The last entry is durable.
    pub(crate) fn ended(&self, run: RunId, end: Option<run::Ended>) {
        if let Some(watch) = self.find(run) {
            *lock(&watch.end) = end;
            watch.grown.notify_waiters();
            watch.ended.notify_waiters();
        }
    }

    fn find(&self, run: RunId) -> Option<Arc<Watch>> {
        if self.count.load(Ordering::SeqCst) == 0 {
            return None;
        }
        lock(&self.by_run).get(&run).cloned()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing here is left half done by a panic: each change is one assignment.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One watcher; the last one of a run takes the watch away.
struct Watching {
    inner: Arc<Inner>,
    run: RunId,
    watch: Arc<Watch>,
}

impl Watching {
    fn begin(inner: Arc<Inner>, run: RunId) -> Watching {
        inner.watches.count.fetch_add(1, Ordering::SeqCst);
        let watch = lock(&inner.watches.by_run).entry(run).or_default().clone();
        Watching { inner, run, watch }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut all = lock(&self.inner.watches.by_run);
        // The map's and ours: nobody else.
        if Arc::strong_count(&self.watch) <= 2 {
            all.remove(&self.run);
        }
        drop(all);
        self.inner.watches.count.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Waits until the run is over.
pub(crate) async fn finished(inner: &Arc<Inner>, run: RunId) -> Result<Ended, RunError> {
    let watching = Watching::begin(inner.clone(), run);
    loop {
        let ended = watching.watch.ended.notified();
        tokio::pin!(ended);
        // Listen before looking: an end in between is not missed.
        ended.as_mut().enable();
        let end = lock(&watching.watch.end).clone();
        if let Some(end) = end {
            return resolve(inner, run, end).await;
        }
        if !inner.drives(run)
            && let Some(end) = recorded(inner, run).await?
        {
            return resolve(inner, run, end).await;
        }
        tokio::select! {
            () = &mut ended => {}
            () = inner.clock.sleep(POLL) => {}
        }
    }
}

/// What the last entry says, if the run is over.
async fn recorded(inner: &Inner, run: RunId) -> Result<Option<run::Ended>, RunError> {
    let row = inner.store.run(run).await.map_err(|why| RunError::store("read the run", why))?;
    let row = row.ok_or(RunError::NoRun { run })?;
    if !row.status.is_final() {
        return Ok(None);
    }
    let last = inner.store.journal(run, row.head.seq.saturating_sub(1), 1).await;
    let last = last.map_err(|why| RunError::store("read the journal", why))?;
    let Some(entry) = last.first() else {
        return Err(RunError::Journal { run, detail: format!("entry {} is missing", row.head.seq) });
    };
    match entry.event() {
        Ok(Event::RunFinished { end, result, failure }) => Ok(Some(run::Ended { end, result, failure, at: entry.at })),
        Ok(other) => {
            let line = kernel::story::line(&other);
            Err(RunError::Journal {
                run,
                detail: format!("its last entry is `{line}`, its status {}", row.status.as_str()),
            })
        }
        Err(why) => Err(RunError::Journal { run, detail: why.to_string() }),
    }
}

async fn resolve(inner: &Inner, run: RunId, end: run::Ended) -> Result<Ended, RunError> {
    let run::Ended { end, result, failure, at } = end;
    let result = match result {
        None => None,
        Some(Held::Value(value)) => Some(value),
        Some(Held::Blob(blob)) => {
            let bytes = inner.store.blob(run, blob.digest).await.map_err(|why| RunError::store("read a blob", why))?;
            let bytes = bytes.ok_or_else(|| RunError::Journal { run, detail: "its result was erased".to_owned() })?;
            let value = Value::from_json(&bytes)
                .map_err(|why| RunError::Journal { run, detail: format!("its result cannot be read: {why}") })?;
            Some(value)
        }
    };
    Ok(Ended { run, end, result, failure, at })
}

/// A run's durable entries, from the first on; new ones as they come.
pub struct Entries {
    watching: Watching,
    head: Head,
    page: VecDeque<Entry>,
    over: bool,
}

impl Entries {
    pub(crate) fn begin(inner: Arc<Inner>, run: RunId) -> Entries {
        Entries { watching: Watching::begin(inner, run), head: Head::START, page: VecDeque::new(), over: false }
    }

    /// The next entry with its event, once it is durable; `None` after the last one.
    ///
    /// Cancelling loses nothing: the next call gives what this one would have given.
    ///
    /// # Errors
    /// There is no such run, an entry cannot be read or is not what was chained, or the store fails.
    pub async fn next(&mut self) -> Result<Option<(Entry, Event)>, RunError> {
        let (inner, run) = (self.watching.inner.clone(), self.watching.run);
        loop {
            if let Some(entry) = self.page.pop_front() {
                let event = entry.event().map_err(|why| RunError::Journal { run, detail: why.to_string() })?;
                self.over = matches!(event, Event::RunFinished { .. });
                return Ok(Some((entry, event)));
            }
            if self.over {
                return Ok(None);
            }
            let grown = self.watching.watch.grown.notified();
            tokio::pin!(grown);
            // Listen before looking: an entry in between is not missed.
            grown.as_mut().enable();
            let page = inner.store.journal(run, self.head.seq, PAGE).await;
            let page = page.map_err(|why| RunError::store("read the journal", why))?;
            if !page.is_empty() {
                let verified = journal::verify(run, self.head, &page);
                self.head = verified.map_err(|why| RunError::Journal { run, detail: why.to_string() })?;
                self.page = page.into();
                continue;
            }
            if self.head.seq == 0 {
                return Err(RunError::NoRun { run });
            }
            tokio::select! {
                () = &mut grown => {}
                () = inner.clock.sleep(POLL) => {}
            }
        }
    }
}
