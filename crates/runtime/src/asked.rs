//! What the models of a run were asked, made again from its journal, byte for byte.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    context::{Manifest, ModelRequest, NotRebuilt, rebuild},
    ids::{Digest, RunId, StepPath},
    journal::{Entry, Event, Usage},
    run::{Illegal, RunState},
    values::Value,
    workflow::Program,
};
use store::{Store, StoreError};

/// One sending to a model.
#[derive(Debug)]
pub struct Asked {
    /// The entry that announced it.
    pub seq: u64,
    /// The step that asked.
    pub step: StepPath,
    /// From 1; every further sending of the same visit counts.
    pub attempt: u32,
    /// The project's name of the model.
    pub model: Arc<str>,
    /// What the entry says that was shown.
    pub manifest: Manifest,
    /// What was billed, if an answer came.
    pub usage: Option<Usage>,
    /// The very request, or why it cannot be made again.
    pub request: Result<ModelRequest, NotRebuilt>,
}

/// A run on its way through its journal, with what is kept beside it.
pub struct Past<'s> {
    store: &'s dyn Store,
    state: RunState,
    blobs: BTreeMap<Digest, Value>,
}

impl<'s> Past<'s> {
    /// Before the first entry.
    pub fn new(store: &'s dyn Store, run: RunId) -> Past<'s> {
        Past { store, state: RunState::new(run), blobs: BTreeMap::new() }
    }

    /// Goes one entry on.
    ///
    /// # Errors
    /// The entry does not fit.
    pub fn apply(&mut self, entry: &Entry, event: Event) -> Result<(), Illegal> {
        self.state.apply(entry, event)
    }

    /// What `make` gives in this state; the values that it asks for are read.
    ///
    /// # Errors
    /// The store cannot be read. That nothing can be made is within.
    pub async fn make<T>(
        &mut self,
        make: impl Fn(&RunState, &BTreeMap<Digest, Value>) -> Result<T, NotRebuilt>,
    ) -> Result<Result<T, NotRebuilt>, StoreError> {
        loop {
            let made = make(&self.state, &self.blobs);
            let Err(NotRebuilt::Look(wanted)) = &made else { return Ok(made) };
            for blob in wanted {
                let bytes = self.store.blob(self.state.run, blob.digest).await?;
                let Some(value) = bytes.and_then(|bytes| Value::from_json(&bytes).ok()) else { return Ok(made) };
                if self.blobs.insert(blob.digest, value).is_some() {
                    return Ok(made);
                }
            }
        }
    }
}

/// Every sending of a run, in the order of its journal.
///
/// # Errors
/// The store cannot be read. An entry that cannot be applied ends the list.
pub async fn all(
    store: &dyn Store,
    run: RunId,
    entries: &[Entry],
    program: &Program,
) -> Result<Vec<Asked>, StoreError> {
    some(store, run, entries, program, None).await
}

/// The sending that this entry announced; `None`: it announced none.
///
/// # Errors
/// The store cannot be read.
pub async fn one(
    store: &dyn Store,
    run: RunId,
    entries: &[Entry],
    program: &Program,
    seq: u64,
) -> Result<Option<Asked>, StoreError> {
    Ok(some(store, run, entries, program, Some(seq)).await?.pop())
}

async fn some(
    store: &dyn Store,
    run: RunId,
    entries: &[Entry],
    program: &Program,
    only: Option<u64>,
) -> Result<Vec<Asked>, StoreError> {
    let mut past = Past::new(store, run);
    let mut asked: Vec<Asked> = Vec::new();
    let mut before = inherited(store, entries, program, only).await?;
    for entry in entries {
        let Ok(event) = entry.event() else { break };
        if let Event::ModelAnswered { step, attempt, usage, .. } = &event {
            let of = |one: &&mut Asked| one.step == *step && one.attempt == *attempt;
            if let Some(one) = asked.iter_mut().rev().find(of) {
                one.usage = Some(*usage);
            }
        }
        if past.apply(entry, event.clone()).is_err() {
            break;
        }
        let Event::ModelAsked { step, attempt, model, manifest, .. } = event else { continue };
        if only.is_some_and(|only| only != entry.seq) {
            continue;
        }
        let request = match before.remove(&entry.seq) {
            Some(request) => request,
            None => past.make(|state, blobs| rebuild(program, state, &step, &manifest, blobs)).await?,
        };
        asked.push(Asked { seq: entry.seq, step, attempt, model, manifest, usage: None, request });
    }
    Ok(asked)
}

/// What was asked in entries that a fork inherited: its source asked it, under its own name and at its own time.
async fn inherited(
    store: &dyn Store,
    entries: &[Entry],
    program: &Program,
    only: Option<u64>,
) -> Result<BTreeMap<u64, Result<ModelRequest, NotRebuilt>>, StoreError> {
    let Some(Ok(Event::RunStarted { fork: Some(fork), .. })) = entries.first().map(Entry::event) else {
        return Ok(BTreeMap::new());
    };
    let Some(of) = fork.of().filter(|of| only.is_none_or(|only| only <= of.entry)) else { return Ok(BTreeMap::new()) };
    let limit = u32::try_from(of.entry).unwrap_or(u32::MAX);
    // Of one that was erased nothing is left; what was inherited is then made again as far as it can be.
    let source = store.journal(of.run, 0, limit).await?;
    let asked = Box::pin(some(store, of.run, &source, program, only)).await?;
    Ok(asked.into_iter().map(|one| (one.seq, one.request)).collect())
}
