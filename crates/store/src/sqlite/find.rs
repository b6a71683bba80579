//! Lists of runs, and what finds one among many: each by the index of few rows.
//!
//! Which runs stand so is known from the counts: for each of them an index has its runs in order, and a list is put together from those. So
//! three paused runs among a million completed ones are three rows, and a filter costs as much as it finds.

use std::collections::{BTreeMap, BTreeSet};

use kernel::ids::RunId;
use rusqlite::{Connection, named_params};

use super::{
    cells::Cells,
    read::{all, each, failed, first},
    sql,
};
use crate::{
    FindQuery, Found, KEY_CHARS, KeyKind, RunCount, RunKey, RunQuery, RunRow, StoreError,
    rules::{self, Sought},
};

/// Comes after every id.
pub(super) const LAST: [u8; 17] = [0xff; 17];

/// So many rows are read and sorted at once; beyond that, one after the other until there are enough.
const FEW: u64 = 5_000;

/// Runs behind counts that are looked at one by one for a business key; beyond that, those of the key are.
const SOME: u64 = 20_000;

fn before(run: Option<RunId>) -> Vec<u8> {
    run.map_or_else(|| LAST.to_vec(), |run| run.bytes().to_vec())
}

/// Rows of runs, newest first.
pub(super) fn runs(conn: &Connection, query: &RunQuery) -> Result<Vec<RunRow>, StoreError> {
    // The counts and the rows are of one moment.
    let view = conn.unchecked_transaction().map_err(|error| failed("run", &error))?;
    let (before, limit) = (before(query.before), rules::page(query.limit));
    let mut rows = Vec::new();
    let mut visit = |cells: &Cells<'_, '_>| {
        rows.extend(Some(cells.run_row()?).filter(|row| query.wants(row)));
        Ok(rows.len() < limit)
    };
    if let Some(parent) = query.parent {
        let params = named_params! { ":parent": parent.bytes(), ":before": before };
        each(&view, ("run", sql::LIST_CHILDREN), params, &mut visit)?;
        return Ok(rows);
    }
    if let Some(of) = query.fork_of {
        let params = named_params! { ":fork_of": of.bytes(), ":before": before };
        each(&view, ("run", sql::LIST_FORKS), params, &mut visit)?;
        return Ok(rows);
    }
    let nothing = query.about.as_ref().is_some_and(|(_, value)| value.is_empty());
    if nothing {
        // An empty text finds nothing, and so no index has it.
        let mut rows = Vec::new();
        let params = named_params! { ":before": before, ":limit": -1 };
        each(&view, ("run", sql::LIST_RUNS), params, |cells| {
            rows.extend(Some(cells.run_row()?).filter(|row| query.wants(row)));
            Ok(rows.len() < limit)
        })?;
        return Ok(rows);
    }
    let by_count =
        !query.status.is_empty() || query.workflow.is_some() || query.failure.is_some() || query.covered.is_some();
    if !by_count && query.about.is_none() {
        let params = named_params! { ":before": before, ":limit": limit as i64 };
        return all(&view, ("run", sql::LIST_RUNS), params, |cells| cells.run_row());
    }
    let mut candidates = Vec::new();
    let wanted = if by_count { wanted(&view, query)? } else { Vec::new() };
    let behind: u64 = wanted.iter().map(|count| count.runs).sum();
    match &query.about {
        // Nothing of a key is kept beyond its first characters: where there is more, each row says whether it fits.
        Some((name, value)) if !by_count || behind > SOME || value.chars().count() > KEY_CHARS => {
            let mut rows = Vec::new();
            let value = rules::key_text(value).unwrap_or_default();
            let names: Vec<_> = query.status.iter().map(|status| status.as_str().into()).collect();
            let params = named_params! {
                ":value": &*value,
                ":before": before,
                ":name": &**name,
                ":status": (!names.is_empty()).then(|| rules::list(&names)),
                ":workflow": query.workflow.as_deref(),
                ":failure": query.failure.as_deref(),
                ":covered": query.covered,
            };
            each(&view, ("run_key", sql::RUNS_OF_KEY), params, |cells| {
                rows.extend(row(&view, cells.run("run")?)?.filter(|row| query.wants(row)));
                Ok(rows.len() < limit)
            })?;
            return Ok(rows);
        }
        about => {
            // Of each as many as the page has.
            for count in wanted {
                let failure = count.failure.as_deref().unwrap_or_default();
                let (workflow, status) = (&*count.workflow, count.status.as_str());
                let found = match about {
                    Some((name, value)) => {
                        let params = named_params! {
                            ":workflow": workflow,
                            ":status": status,
                            ":failure": failure,
                            ":covered": count.covered,
                            ":before": before,
                            ":value": value,
                            ":name": &**name,
                            ":limit": limit as i64,
                        };
                        all(&view, ("run", sql::RUNS_OF_COUNT_AND_KEY), params, |cells| cells.run("id"))?
                    }
                    None => {
                        let params = named_params! {
                            ":workflow": workflow,
                            ":status": status,
                            ":failure": failure,
                            ":covered": count.covered,
                            ":before": before,
                            ":limit": limit as i64,
                        };
                        all(&view, ("run", sql::RUNS_OF_COUNT), params, |cells| cells.run("id"))?
                    }
                };
                candidates.extend(found);
            }
        }
    }
    candidates.sort_unstable_by(|a, b| b.cmp(a));
    let mut rows = Vec::new();
    for run in candidates {
        if rows.len() >= limit {
            break;
        }
        rows.extend(row(&view, run)?.filter(|row| query.wants(row)));
    }
    Ok(rows)
}

fn row(conn: &Connection, run: RunId) -> Result<Option<RunRow>, StoreError> {
    first(conn, ("run", sql::READ_RUN), named_params! { ":run": run.bytes() }, |cells| cells.run_row())
}

/// The counts whose runs a query may want.
fn wanted(conn: &Connection, query: &RunQuery) -> Result<Vec<RunCount>, StoreError> {
    let mut counts = counts(conn, sql::LIST_RUN_COUNTS)?;
    counts.retain(|count| {
        (query.status.is_empty() || query.status.contains(&count.status))
            && query.workflow.as_ref().is_none_or(|workflow| *workflow == count.workflow)
            && (query.failure.is_none() || query.failure == count.failure)
            && query.covered.is_none_or(|covered| covered == count.covered)
    });
    Ok(counts)
}

/// How many runs there are, in order: as they are kept, or counted anew.
pub(super) fn counts(conn: &Connection, statement: &str) -> Result<Vec<RunCount>, StoreError> {
    let mut counts = all(conn, ("run_count", statement), [], |cells| {
        let failure = cells.text("failure")?;
        Ok(RunCount {
            workflow: cells.text("workflow")?,
            status: cells.status()?,
            failure: Some(failure).filter(|failure| !failure.is_empty()),
            covered: cells.get("covered")?,
            runs: cells.count("runs")?,
        })
    })?;
    counts.sort();
    Ok(counts)
}

/// Runs that a text finds, newest first.
pub(super) fn find(conn: &Connection, query: &FindQuery) -> Result<Vec<Found>, StoreError> {
    let Some(sought) = Sought::of(&query.text) else { return Ok(Vec::new()) };
    let view = conn.unchecked_transaction().map_err(|error| failed("run_key", &error))?;
    let (before, limit) = (before(query.before), rules::page(query.limit));
    let mut best: BTreeMap<RunId, (bool, RunKey)> = BTreeMap::new();
    if let Some((low, high)) = sought.ids.filter(|(low, high)| low == high || !query.whole) {
        let params = named_params! {
            ":first": low.bytes(),
            ":last": high.bytes(),
            ":before": before,
            ":limit": limit as i64,
        };
        for run in all(&view, ("run", sql::FIND_IDS), params, |cells| cells.run("id"))? {
            best.extend(sought.fits_id(run).map(|(key, whole)| (run, (!whole, key))));
        }
    }
    let mut seen = BTreeSet::new();
    let mut visit = |cells: &Cells<'_, '_>| {
        let run = cells.run("run")?;
        if seen.len() >= limit && !seen.contains(&run) {
            return Ok(false);
        }
        seen.insert(run);
        let key = cells.run_key()?;
        if let Some(whole) = sought.fits(&key.value) {
            let found = (!whole, key);
            let kept = best.entry(run).or_insert_with(|| found.clone());
            if found < *kept {
                *kept = found;
            }
        }
        Ok(true)
    };
    let text = &*sought.text;
    if query.whole {
        let params = named_params! { ":text": text, ":before": before };
        each(&view, ("run_key", sql::FIND_WHOLE), params, &mut visit)?;
    } else {
        // No text that begins so comes after it followed by the last character there is.
        let end = format!("{text}\u{10ffff}");
        let params = named_params! { ":text": text, ":end": end, ":most": (FEW + 1) as i64 };
        let fitting = first(&view, ("run_key", sql::COUNT_FOUND), params, |cells| cells.count("keys"))?;
        let statement = if fitting.unwrap_or_default() <= FEW { sql::FIND_FEW } else { sql::FIND_MANY };
        let params = named_params! { ":text": text, ":end": end, ":before": before };
        each(&view, ("run_key", statement), params, &mut visit)?;
    }
    let mut found = Vec::new();
    for (run, (part, by)) in best.into_iter().rev().take(limit) {
        found.extend(row(&view, run)?.map(|row| Found { row, by, whole: !part }));
    }
    Ok(found)
}

impl Cells<'_, '_> {
    /// Reads a row of `run_key`.
    fn run_key(&self) -> Result<RunKey, StoreError> {
        let kind = self.text("kind")?;
        let kind = KeyKind::parse(&kind).ok_or_else(|| self.damaged("kind", &format!("`{kind}` is none")))?;
        Ok(RunKey { kind, name: self.text("name")?, value: self.text("value")? })
    }
}
