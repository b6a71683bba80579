//! What people may ask of results that are kept to be used again: which they are, and to forget them.

use std::sync::Arc;

use kernel::{
    cache::{KeptAnswer, Part, Saved},
    ids::{Digest, RunId},
    journal::Event,
    values::{Timestamp, Value},
};

use crate::{RunError, Runtime};

/// So many rows are read at once.
const PAGE: u32 = 200;

/// Something that is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptResult {
    /// Over everything that decides it.
    pub key: Digest,
    /// Of which workflow it is.
    pub workflow: Arc<str>,
    /// Of what in it.
    pub part: Part,
    /// It is the answer of a model, found by what would be sent.
    pub exact: bool,
    /// The run that got it.
    pub run: RunId,
    /// The entry of its journal that holds it.
    pub entry: u64,
    /// When that was.
    pub at: Timestamp,
    /// From then on it counts no more.
    pub until: Timestamp,
    /// How large it is.
    pub bytes: u64,
    /// What it had cost, as far as that was written down with it.
    pub saves: Saved,
}

impl Runtime {
    /// Everything that is kept and still counts: of one workflow, and of one step, stage (`/name`) or the whole of it (`/`).
    ///
    /// # Errors
    /// The store fails, or a journal cannot be read.
    pub async fn kept(&self, workflow: Option<&str>, part: Option<&str>) -> Result<Vec<KeptResult>, RunError> {
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        let failed = |why| RunError::store("read what is kept", why);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = store.answers(after, PAGE).await.map_err(failed)?;
            let Some(last) = page.last() else { break };
            after = Some(last.key);
            for row in page.into_iter().filter(|row| row.until > now) {
                let Some(run) = store.run(row.run).await.map_err(failed)? else { continue };
                if workflow.is_some_and(|wanted| wanted != &*run.workflow) {
                    continue;
                }
                let held = store.journal(row.run, row.entry - 1, 1).await.map_err(failed)?;
                let Some(event) = held.first().and_then(|entry| entry.event().ok()) else { continue };
                let own = match &event {
                    Event::StageDone { stage } => Part::Stage(stage.clone()),
                    Event::RunFinished { .. } => Part::Workflow,
                    event => match event.step() {
                        Some(step) => Part::Step(step.clone()),
                        None => continue,
                    },
                };
                if part.is_some_and(|wanted| wanted != &*own.called()) {
                    continue;
                }
                let cost = Value::from_json(&row.value).ok().and_then(|value| KeptAnswer::of_part(&value));
                let exact = matches!(&event, Event::ModelAnswered { keeps: Some(keep), .. } if keep.key == row.key);
                found.push(KeptResult {
                    key: row.key,
                    workflow: run.workflow.clone(),
                    part: own,
                    exact,
                    run: row.run,
                    entry: row.entry,
                    at: row.at,
                    until: row.until,
                    bytes: row.value.len() as u64,
                    saves: cost.filter(|_| !exact).map(|(_, cost)| cost).unwrap_or_default(),
                });
            }
        }
        found.sort_by(|a, b| {
            (&a.workflow, a.part.called(), a.at, a.key).cmp(&(&b.workflow, b.part.called(), b.at, b.key))
        });
        Ok(found)
    }

    /// Forgets what is kept under these keys; gives how many there were. A run that was given one keeps its copy.
    ///
    /// # Errors
    /// The store fails.
    pub async fn forget_kept(&self, keys: Vec<Digest>) -> Result<u64, RunError> {
        let gone = self.inner.store.forget_answers(keys).await;
        gone.map_err(|why| RunError::store("forget what is kept", why))
    }
}
