//! A run read from its first entry to its last, with the program that it is pinned to.

use std::sync::Arc;

use kernel::{
    ids::RunId,
    journal::{Entry, Held},
    run::RunState,
    values::Value,
    workflow::Program,
};
use store::RunRow;

use crate::{RunError, Runtime, programs::NoProgram};

/// Entries read at a time.
const PAGE: u32 = 1_000;

/// A run as it is kept.
#[derive(Debug)]
pub struct Record {
    /// What is known of it without its journal.
    pub row: RunRow,
    /// Its journal.
    pub entries: Vec<Entry>,
    /// The fold of its journal; up to the first entry that does not fit, if there is one.
    pub state: RunState,
    /// What it is pinned to; `None` if this version cannot read it.
    pub program: Option<Arc<Program>>,
}

impl Record {
    /// The run as it stood right after entry `seq`: later entries are left out. Its row stays that of today.
    #[must_use]
    pub fn as_of(mut self, seq: u64) -> Record {
        self.entries.retain(|entry| entry.seq <= seq);
        self.state = RunState::new(self.row.run);
        // As in [`Runtime::record`].
        let _ = self.state.fold(&self.entries);
        self
    }
}

impl Runtime {
    /// Reads a run as it stands.
    ///
    /// # Errors
    /// There is no such run, or the store fails.
    pub async fn record(&self, run: RunId) -> Result<Record, RunError> {
        let inner = &self.inner;
        let row = inner.store.run(run).await.map_err(|why| RunError::store("read the run", why))?;
        let row = row.ok_or(RunError::NoRun { run })?;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let after = entries.last().map_or(0, |entry| entry.seq);
            let page = inner.store.journal(run, after, PAGE).await;
            let page = page.map_err(|why| RunError::store("read the journal", why))?;
            let last = page.len() < PAGE as usize;
            entries.extend(page);
            if last {
                break;
            }
        }
        let mut state = RunState::new(run);
        // What does not fit was never appended by an engine; who verifies asks for more than this.
        let _ = state.fold(&entries);
        let program = match inner.programs.get(&*inner.store, &inner.natives, row.bundle, &row.workflow).await {
            Ok(loaded) => Some(loaded.program.clone()),
            Err(NoProgram::Bundle | NoProgram::Unreadable(_)) => None,
            Err(NoProgram::Store(why)) => return Err(RunError::store("read the bundle", why)),
        };
        Ok(Record { row, entries, state, program })
    }

    /// A value that a journal holds, also when it is kept apart; `None` if it was erased.
    ///
    /// # Errors
    /// The store fails.
    pub async fn held(&self, run: RunId, held: &Held) -> Result<Option<Value>, RunError> {
        match held {
            Held::Value(value) => Ok(Some(value.clone())),
            Held::Blob(blob) => {
                let bytes = self.inner.store.blob(run, blob.digest).await;
                let bytes = bytes.map_err(|why| RunError::store("read a blob", why))?;
                Ok(bytes.and_then(|bytes| Value::from_json(&bytes).ok()))
            }
        }
    }
}
