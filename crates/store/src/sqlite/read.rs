//! Reading: a few connections that can change nothing, each behind a lock, for short reads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use kernel::{
    ids::{Digest, RunId},
    journal::{Entry, Head},
    values::Timestamp,
};
use rusqlite::{Connection, ErrorCode, Params, Row, named_params};

use super::{
    append::MARK,
    cells::{Cells, int},
    sql,
};
use crate::{
    ApprovalQuery, ApprovalRow, BudgetRow, Cooldown, CounterNow, CounterQuery, DirtyHeads, Finding, GovernanceEntry,
    KeptAnswer, LateResult, Message, OpenActionRow, OutQuery, OutRow, OutcomeQuery, Reservation, RunOutcome, RunQuery,
    RunRow, SYSTEM, Seal, SealedHead, StoreError, VersionRow, WorkQuery, WorkRow, rules,
};

/// The reading connections of one store.
pub(super) struct Readers {
    pool: Vec<Mutex<Connection>>,
    next: AtomicUsize,
    dir: PathBuf,
}

impl Readers {
    pub fn new(connections: Vec<Connection>, dir: &Path) -> Self {
        let pool = connections.into_iter().map(Mutex::new).collect();
        Readers { pool, next: AtomicUsize::new(0), dir: dir.to_owned() }
    }

    /// One that is free, or the next one in turn.
    fn take(&self) -> Reader<'_> {
        let free = self.pool.iter().find_map(|connection| connection.try_lock().ok());
        Reader(free.unwrap_or_else(|| {
            let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.pool.len();
            // A panic while reading leaves nothing half done.
            self.pool[turn].lock().unwrap_or_else(PoisonError::into_inner)
        }))
    }

    pub fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        let params = named_params! { ":run": run.bytes() };
        first(&self.take().0, ("run", sql::READ_RUN), params, |cells| cells.run_row())
    }

    pub fn runs(&self, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
        let status = (!query.status.is_empty()).then(|| {
            let names: Vec<_> = query.status.iter().map(|status| status.as_str()).collect();
            serde_json::to_string(&names).expect("texts are JSON")
        });
        let params = named_params! {
            ":before": query.before.map(|run| run.bytes()),
            ":status": status,
            ":workflow": query.workflow.as_deref(),
            ":key": query.about.as_ref().map(|(key, _)| &**key),
            ":value": query.about.as_ref().map(|(_, value)| value),
            ":parent": query.parent.map(|run| run.bytes()),
            ":limit": rules::page(query.limit) as i64,
        };
        // One statement binds all of them, so the two differ in how they look for a workflow alone.
        let statement = if query.workflow.is_some() { sql::LIST_RUNS_OF } else { sql::LIST_RUNS };
        all(&self.take().0, ("run", statement), params, |cells| cells.run_row())
    }

    pub fn versions(
        &self,
        workflow: &str,
        after: Option<RunId>,
        upto: Option<RunId>,
    ) -> Result<Vec<VersionRow>, StoreError> {
        let params = named_params! {
            ":workflow": workflow,
            ":after": after.map(|run| run.bytes()),
            ":upto": upto.map(|run| run.bytes()),
        };
        all(&self.take().0, ("run", sql::COUNT_VERSIONS), params, |cells| {
            Ok(VersionRow {
                bundle: cells.digest("bundle")?,
                runs: cells.count("runs")?,
                first: cells.run("first")?,
                last: cells.run("last")?,
            })
        })
    }

    pub fn outcomes(&self, query: &OutcomeQuery) -> Result<Vec<RunOutcome>, StoreError> {
        let read = |cells: &Cells<'_, '_>| {
            Ok(RunOutcome {
                run: cells.run("run")?,
                by: cells.text("by")?,
                auth: cells.text("auth")?,
                right: cells.get("correct")?,
                because: cells.text("because")?,
                at: cells.time("at_us")?,
            })
        };
        match query {
            OutcomeQuery::Run(run) => {
                let params = named_params! { ":run": run.bytes() };
                all(&self.take().0, ("outcome", sql::OUTCOMES_OF_RUN), params, read)
            }
            OutcomeQuery::Workflow { workflow, right, since, limit } => {
                let params = named_params! {
                    ":workflow": &**workflow,
                    ":least": right.unwrap_or(false),
                    ":most": right.unwrap_or(true),
                    ":since": since.map(|run| run.bytes()),
                    ":limit": rules::page(*limit) as i64,
                };
                all(&self.take().0, ("outcome", sql::OUTCOMES_OF_WORKFLOW), params, read)
            }
        }
    }

    pub fn journal(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        journal(&self.take().0, run, after, limit)
    }

    pub fn inbox(&self, run: RunId, after: u64) -> Result<Vec<Message>, StoreError> {
        inbox(&self.take().0, run, after)
    }

    pub fn blob(&self, run: RunId, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        let params = named_params! { ":run": run.bytes(), ":digest": digest.bytes() };
        let read = |cells: &Cells<'_, '_>| cells.maybe_bytes("bytes");
        Ok(first(&self.take().0, ("blob", sql::READ_BLOB), params, read)?.flatten())
    }

    pub fn bundle(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        let params = named_params! { ":digest": digest.bytes() };
        first(&self.take().0, ("bundle", sql::READ_BUNDLE), params, |cells| cells.bytes("bytes"))
    }

    pub fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        first(&self.take().0, ("run", sql::NEXT_DUE), [], |cells| cells.time("wake_at_us"))
    }

    pub fn late_results(&self, run: RunId) -> Result<Vec<LateResult>, StoreError> {
        all(&self.take().0, ("late_result", sql::READ_LATE_RESULTS), named_params! { ":run": run.bytes() }, |cells| {
            Ok(LateResult {
                run,
                step: cells.text("step")?,
                epoch: cells.count("epoch")?,
                attempt: cells.get("attempt")?,
                outcome: cells.bytes("outcome")?,
                at: cells.time("at_us")?,
            })
        })
    }

    pub fn governance(&self, after: u64) -> Result<Vec<GovernanceEntry>, StoreError> {
        governance(&self.take().0, after)
    }

    pub fn counter(&self, query: &CounterQuery) -> Result<CounterNow, StoreError> {
        let params = named_params! { ":counter": &*query.counter, ":since_us": query.since.micros() };
        let found = first(&self.take().0, ("counter", sql::READ_COUNTER_SINCE), params, |cells| {
            Ok(CounterNow { version: cells.count("version")?, count: cells.count("count")?, sum: cells.get("sum")? })
        })?;
        Ok(found.unwrap_or_default())
    }

    pub fn approvals(&self, query: &ApprovalQuery) -> Result<Vec<ApprovalRow>, StoreError> {
        approvals(&self.take().0, query, rules::page(query.limit) as i64)
    }

    pub fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        budgets(&self.take().0)
    }

    pub fn cooldowns(&self) -> Result<Vec<Cooldown>, StoreError> {
        all(&self.take().0, ("cooldown", sql::LIST_COOLDOWNS), [], |cells| cells.cooldown())
    }

    pub fn answer(&self, key: Digest) -> Result<Option<KeptAnswer>, StoreError> {
        let params = named_params! { ":key": key.bytes() };
        first(&self.take().0, ("answer", sql::READ_ANSWER), params, |cells| cells.answer())
    }

    pub fn answers(&self, after: Option<Digest>, limit: u32) -> Result<Vec<KeptAnswer>, StoreError> {
        let after = after.map(|key| key.bytes().to_vec()).unwrap_or_default();
        let params = named_params! { ":after": after, ":limit": i64::from(limit) };
        all(&self.take().0, ("answer", sql::LIST_ANSWERS), params, |cells| cells.answer())
    }

    pub fn orphans(&self) -> Result<Vec<Reservation>, StoreError> {
        all(&self.take().0, ("reservation", sql::ORPHANS), [], |cells| cells.reservation())
    }

    pub fn open_actions(&self, unknown_only: bool) -> Result<Vec<OpenActionRow>, StoreError> {
        let params = named_params! { ":unknown_only": unknown_only };
        all(&self.take().0, ("open_action", sql::LIST_OPEN_ACTIONS), params, |cells| cells.open_action_row())
    }

    pub fn work(&self, query: &WorkQuery) -> Result<Vec<WorkRow>, StoreError> {
        let params = named_params! {
            ":id": query.id.as_deref(),
            ":run": query.run.map(|run| run.bytes()),
            ":queue": query.queue.as_deref(),
            ":closed": query.all_states || query.id.is_some(),
            ":after": query.after.as_deref(),
            ":limit": rules::page(query.limit) as i64,
        };
        all(&self.take().0, ("work", sql::LIST_WORK), params, |cells| cells.work())
    }

    pub fn outbox(&self, query: &OutQuery) -> Result<Vec<OutRow>, StoreError> {
        let params = named_params! {
            ":id": query.id.as_deref(),
            ":run": query.run.map(|run| run.bytes()),
            ":closed": query.all_states || query.id.is_some(),
            ":limit": rules::page(query.limit) as i64,
        };
        all(&self.take().0, ("outbox", sql::LIST_OUTBOX), params, |cells| cells.out_message())
    }

    pub fn next_outbox(&self, channels: &str) -> Result<Option<Timestamp>, StoreError> {
        let params = named_params! { ":channels": channels };
        let next =
            first(&self.take().0, ("outbox", sql::NEXT_OUT_MESSAGE), params, |cells| cells.maybe_time("next_at_us"))?;
        Ok(next.flatten())
    }

    pub fn dirty_heads(&self, limit: u32) -> Result<DirtyHeads, StoreError> {
        let reader = self.take();
        let last = first(&reader.0, ("seal", sql::LAST_SEAL), [], |cells| cells.count("upto"))?;
        let mut dirty = DirtyHeads { upto: last.unwrap_or(0), heads: BTreeMap::new() };
        let params = named_params! { ":after": int(dirty.upto), ":limit": limit };
        each(&reader.0, ("journal", sql::APPENDS_AFTER), params, |cells| {
            dirty.upto = cells.count("no")?;
            let head = Head { seq: cells.count("head")?, hash: cells.digest("head_hash")? };
            dirty.heads.insert(cells.run("run")?, SealedHead { head, closed: cells.get("is_over")? });
            Ok(true)
        })?;
        let log = first(&reader.0, ("governance", sql::LAST_GOVERNANCE), [], |cells| {
            Ok(Head { seq: cells.count("no")?, hash: cells.digest("hash")? })
        })?;
        dirty.heads.extend(log.map(|head| (RunId::from_bytes(SYSTEM), SealedHead { head, closed: false })));
        Ok(dirty)
    }

    pub fn last_seal(&self) -> Result<Option<Seal>, StoreError> {
        first(&self.take().0, ("seal", sql::LAST_SEAL), [], |cells| cells.seal())
    }

    pub fn seals(&self, after: u64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        seals(&self.take().0, after, i64::from(limit))
    }

    pub fn instance_id(&self) -> Result<Arc<str>, StoreError> {
        let found = first(&self.take().0, ("meta", sql::READ_INSTANCE_ID), [], |cells| cells.text("value"))?;
        let missing =
            || StoreError::Damaged { table: "meta", row: "instance_id".to_owned(), detail: "is not there".to_owned() };
        found.ok_or_else(missing)
    }

    /// A connection of its own, because it reads for long.
    pub fn check(&self) -> Result<Vec<Finding>, StoreError> {
        let conn = super::open::reader(&self.dir).map_err(|error| failed("file", &error))?;
        super::check::check(&conn)
    }
}

/// Seals after a number; a limit below 0 is none.
pub(super) fn seals(conn: &Connection, after: u64, limit: i64) -> Result<Vec<Seal>, StoreError> {
    let params = named_params! { ":after": int(after), ":limit": limit };
    all(conn, ("seal", sql::READ_SEALS), params, |cells| cells.seal())
}

struct Reader<'a>(MutexGuard<'a, Connection>);

/// What an error of the database means to a reader.
pub(super) fn failed(table: &'static str, error: &rusqlite::Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            StoreError::Damaged { table, row: "a page".to_owned(), detail: error.to_string() }
        }
        _ => StoreError::Database { verb: "a read", source: error.to_string().into() },
    }
}

/// The first row of a statement on a table, if there is one.
pub(super) fn first<T>(
    conn: &Connection,
    statement: (&'static str, &str),
    params: impl Params,
    read: impl Fn(&Cells<'_, '_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut found = None;
    each(conn, statement, params, |cells| {
        found = Some(read(cells)?);
        Ok(false)
    })?;
    Ok(found)
}

/// All rows of a statement on a table.
pub(super) fn all<T>(
    conn: &Connection,
    statement: (&'static str, &str),
    params: impl Params,
    read: impl Fn(&Cells<'_, '_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut found = Vec::new();
    each(conn, statement, params, |cells| {
        found.push(read(cells)?);
        Ok(true)
    })?;
    Ok(found)
}

/// Visits rows until `visit` says false.
pub(super) fn each(
    conn: &Connection,
    (table, sql): (&'static str, &str),
    params: impl Params,
    mut visit: impl FnMut(&Cells<'_, '_>) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| failed(table, &error);
    let mut statement = conn.prepare_cached(sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        if !visit(&Cells::new(table, row))? {
            break;
        }
    }
    Ok(())
}

pub(super) fn inbox(conn: &Connection, run: RunId, after: u64) -> Result<Vec<Message>, StoreError> {
    let params = named_params! { ":run": run.bytes(), ":after": int(after) };
    all(conn, ("inbox", sql::READ_INBOX), params, |cells| cells.message())
}

pub(super) fn governance(conn: &Connection, after: u64) -> Result<Vec<GovernanceEntry>, StoreError> {
    let params = named_params! { ":after": int(after) };
    all(conn, ("governance", sql::READ_GOVERNANCE), params, |cells| cells.governance())
}

pub(super) fn budgets(conn: &Connection) -> Result<Vec<BudgetRow>, StoreError> {
    all(conn, ("budget", sql::LIST_BUDGETS), [], |cells| cells.budget())
}

/// Approvals with their votes, at most `limit`; -1: all.
pub(super) fn approvals(conn: &Connection, query: &ApprovalQuery, limit: i64) -> Result<Vec<ApprovalRow>, StoreError> {
    let params = named_params! {
        ":id": query.id.as_deref(),
        ":run": query.run.map(|run| run.bytes()),
        ":group": query.group.as_deref(),
        ":closed": query.all_states || query.id.is_some(),
        ":after": query.after.as_deref(),
        ":limit": limit,
    };
    let mut rows = all(conn, ("approval", sql::LIST_APPROVALS), params, |cells| cells.approval())?;
    for row in &mut rows {
        let params = named_params! { ":approval": &*row.id };
        row.votes = all(conn, ("vote", sql::READ_VOTES), params, |cells| cells.vote())?;
    }
    Ok(rows)
}

/// Walks a run's chain back from the first mark at or after the last entry wanted, or from its head.
pub(super) fn journal(conn: &Connection, run: RunId, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
    let params = named_params! { ":run": run.bytes() };
    let head = first(conn, ("run", sql::READ_HEAD), params, |cells| Ok((cells.count("head")?, cells.get("head_no")?)))?;
    let Some((head, head_no)) = head else { return Ok(Vec::new()) };
    let last = after.saturating_add(limit.into()).min(head);
    if last <= after {
        return Ok(Vec::new());
    }
    let mark = if last + MARK <= head {
        let params = named_params! { ":run": run.bytes(), ":seq": int(last) };
        first(conn, ("journal_mark", sql::READ_MARK), params, |cells| cells.get("no"))?
    } else {
        None
    };
    let mut no: i64 = mark.unwrap_or(head_no);
    let mut found = Vec::with_capacity(usize::try_from(last - after).unwrap_or_default().min(1 << 16));
    let failed = |error: rusqlite::Error| failed("journal", &error);
    let mut statement = conn.prepare_cached(sql::READ_ENTRIES).map_err(failed)?;
    let mut above: Option<u64> = None;
    loop {
        let broken = |detail: String| StoreError::Damaged { table: "journal", row: no.to_string(), detail };
        let mut rows = statement.query([no]).map_err(failed)?;
        let row: Option<&Row<'_>> = rows.next().map_err(failed)?;
        let Some(row) = row else { return Err(broken(format!("entries of run {run} are not there"))) };
        let (owner, entries, prev) = Cells::new("journal", row).entries()?;
        if owner != run {
            return Err(broken(format!("belongs to run {owner}, the chain of run {run} comes here")));
        }
        let (Some(lowest), Some(highest)) = (entries.first().map(|e| e.seq), entries.last().map(|e| e.seq)) else {
            return Err(broken("holds no entries".to_owned()));
        };
        if above.is_some_and(|above| highest + 1 != above) || (above.is_none() && highest < last) {
            return Err(broken(format!("entry {highest} of run {run} stands out of order")));
        }
        found.extend(entries.into_iter().rev().filter(|entry| (after + 1..=last).contains(&entry.seq)));
        if lowest <= after + 1 {
            break;
        }
        above = Some(lowest);
        no = prev;
    }
    found.reverse();
    Ok(found)
}
