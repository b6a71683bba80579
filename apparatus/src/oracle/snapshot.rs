//! What stands in a data directory when its process is dead.

use std::{fs, io, path::Path};

use kernel::{
    ids::{Digest, RunId},
    journal::{Entry, Event, Held},
};
use store::{
    ActionQuery, ActionState, BudgetRow, Finding, Message, OpenActionRow, OutQuery, OutRow, RunQuery, RunRow, Store,
    StoreError,
    sqlite::{SqliteOptions, SqliteStore},
};

/// One run, whole.
#[derive(Clone, Debug)]
pub struct RunSeen {
    /// Its row.
    pub row: RunRow,
    /// Its journal.
    pub entries: Vec<(Entry, Event)>,
    /// Its inbox.
    pub inbox: Vec<Message>,
    /// Its result, if it has one.
    pub result: Option<serde_json::Value>,
}

/// All runs, and what the store's own check says.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// In the order of their starts.
    pub runs: Vec<RunSeen>,
    /// Actions whose outcome is unknown, as the store lists them.
    pub open: Vec<OpenActionRow>,
    /// All sums of budgets.
    pub budgets: Vec<BudgetRow>,
    /// All messages to people, also those that have left.
    pub outbox: Vec<OutRow>,
    /// Empty: all is well.
    pub findings: Vec<Finding>,
}

impl Snapshot {
    /// Reads a copy of the directory `data`, made in the empty or missing directory `copy`: the next process must find everything
    /// as the dead one left it, its log unrecovered.
    ///
    /// A directory that cannot be opened or read is a finding.
    ///
    /// # Errors
    /// The copy cannot be made.
    pub async fn of_directory(data: &Path, copy: &Path) -> Result<Snapshot, StoreError> {
        let unusable =
            |error: io::Error| StoreError::Unusable { path: copy.display().to_string(), detail: error.to_string() };
        if copy.exists() {
            fs::remove_dir_all(copy).map_err(unusable)?;
        }
        if !data.join("surefoot.db").exists() {
            return Ok(Snapshot::default());
        }
        fs::create_dir_all(copy).map_err(unusable)?;
        for name in ["surefoot.db", "surefoot.db-wal"] {
            match fs::copy(data.join(name), copy.join(name)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => {
                    other.map_err(unusable)?;
                }
            }
        }
        let options = SqliteOptions { readers: 1, on_fatal: Box::new(|_| {}), ..SqliteOptions::default() };
        let read = match SqliteStore::open(copy, options) {
            Ok(store) => Snapshot::of(&store).await,
            Err(why) => Err(why),
        };
        // What cannot be opened or read any more is the finding.
        Ok(read.unwrap_or_else(|why| {
            let detail = crate::victim::whole(&why);
            Snapshot { findings: vec![Finding { rule: "pages", run: None, detail }], ..Snapshot::default() }
        }))
    }

    /// Reads everything.
    ///
    /// # Errors
    /// The store fails. What it holds wrongly is a finding.
    pub async fn of(store: &dyn Store) -> Result<Snapshot, StoreError> {
        let mut findings = store.check().await?;
        let mut rows = store.runs(RunQuery { limit: u32::MAX, ..RunQuery::default() }).await?;
        rows.sort_by_key(|row| row.run);
        let mut runs = Vec::with_capacity(rows.len());
        for row in rows {
            let mut entries = Vec::new();
            for entry in store.journal(row.run, 0, u32::MAX).await? {
                match entry.event() {
                    Ok(event) => entries.push((entry, event)),
                    Err(why) => {
                        findings.push(Finding { rule: "chain", run: Some(row.run), detail: why.to_string() });
                    }
                }
            }
            let inbox = store.inbox(row.run, 0).await?;
            let result = match entries.last() {
                Some((_, Event::RunFinished { result: Some(held), .. })) => value(store, row.run, held).await?,
                _ => None,
            };
            runs.push(RunSeen { row, entries, inbox, result });
        }
        let unknown = ActionQuery { state: Some(ActionState::Unknown), limit: u32::MAX, ..ActionQuery::default() };
        let open = store.open_actions(unknown).await?;
        let budgets = store.budgets().await?;
        let outbox = store.outbox(OutQuery { all_states: true, limit: u32::MAX, ..OutQuery::default() }).await?;
        Ok(Snapshot { runs, open, budgets, outbox, findings })
    }
}

async fn value(store: &dyn Store, run: RunId, held: &Held) -> Result<Option<serde_json::Value>, StoreError> {
    match held {
        Held::Value(value) => Ok(Some(value.to_serde())),
        Held::Blob(blob) => {
            let bytes = store.blob(run, blob.digest).await?.filter(|bytes| Digest::of(&[bytes]) == blob.digest);
            Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
        }
    }
}
