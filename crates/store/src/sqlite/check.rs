//! `db check`: pages first, then every run against its journal, in one view of the database.

use kernel::ids::{Digest, RunId};
use rusqlite::{Connection, named_params};

use super::{
    find,
    read::{all, approvals, budgets, each, failed, first, governance, inbox, journal, seals},
    sql,
};
use crate::{
    ApprovalQuery, Finding, SYSTEM, StoreError,
    check::{self, Cooling, RunCheck},
};

/// Entries read at once.
const PAGE: u32 = 1024;

pub(super) fn check(conn: &Connection) -> Result<Vec<Finding>, StoreError> {
    // One read transaction: what is appended meanwhile is not seen, and cannot look like damage.
    let view = conn.unchecked_transaction().map_err(|error| failed("file", &error))?;
    let mut findings = Vec::new();
    let mut find = |rule, detail: String| findings.push(Finding { rule, run: None, detail });
    for line in all(&view, ("file", sql::INTEGRITY_CHECK), [], |cells| cells.text("integrity_check"))? {
        if &*line != "ok" {
            find("pages", line.to_string());
        }
    }
    let orphans = |cells: &super::cells::Cells<'_, '_>| {
        Ok(format!(
            "{} rows of {} name a {} that is not there",
            cells.count("count(*)")?,
            cells.text("table")?,
            cells.text("parent")?
        ))
    };
    for line in all(&view, ("file", sql::FOREIGN_KEY_CHECK), [], orphans)? {
        find("pages", line);
    }
    each(&view, ("bundle", sql::READ_BUNDLES), [], |cells| {
        let (digest, bytes) = (cells.digest("digest")?, cells.bytes("bytes")?);
        if Digest::of(&[&bytes]) != digest {
            find("blob", format!("bundle {digest} holds bytes with another digest"));
        }
        Ok(true)
    })?;
    let counts = first(&view, ("journal", sql::COUNT_ORPHANS), [], |cells| {
        Ok((cells.count("entries")?, cells.count("heads")?))
    })?;
    if let Some((entries, heads)) = counts
        && entries != heads
    {
        find("head", format!("the journal has {entries} entries, the runs have {heads}"));
    }
    let (mut after, mut cooling) = (RunId::from_bytes([0; 16]), Cooling::default());
    loop {
        let params = named_params! { ":run": after.bytes() };
        let Some(next) = first(&view, ("run", sql::NEXT_RUN_AFTER), params, |cells| cells.run("id"))? else { break };
        after = next;
        match check_run(&view, next, &mut cooling) {
            Ok(found) => findings.extend(found),
            // What cannot be read is damage of this run; the others are read all the same.
            Err(error) => {
                cooling.unread(next);
                findings.push(Finding { rule: "chain", run: Some(next), detail: error.to_string() });
            }
        }
    }
    let cooldowns = all(&view, ("cooldown", sql::LIST_COOLDOWNS), [], |cells| cells.cooldown())?;
    findings.extend(cooling.compare(&cooldowns, &governance(&view, 0)?));
    let (kept, found) = (find::counts(&view, sql::LIST_RUN_COUNTS)?, find::counts(&view, sql::COUNT_RUNS)?);
    findings.extend(check::counts(&kept, &found));
    each(&view, ("run", sql::WRONG_RETRIES), [], |cells| {
        findings.push(check::wrong_retry(cells.run("run")?, cells.run("again")?));
        Ok(true)
    })?;
    findings.extend(check_governed(&view)?);
    Ok(findings)
}

/// What is governed across runs.
fn check_governed(conn: &Connection) -> Result<Vec<Finding>, StoreError> {
    let mut findings = Vec::from_iter(check::governance(&governance(conn, 0)?));
    let reserved = all(conn, ("reservation", sql::LIST_RESERVATIONS), [], |cells| {
        Ok((cells.reservation()?, cells.get::<bool>("is_over")?))
    })?;
    let (reservations, over): (Vec<_>, Vec<_>) = reserved.into_iter().unzip();
    findings.extend(check::budgets(&budgets(conn)?, &reservations));
    let every = ApprovalQuery { all_states: true, ..ApprovalQuery::default() };
    approvals(conn, &every, -1)?.iter().for_each(|row| findings.extend(check::approval(row)));
    let orphans = reservations.iter().zip(over).filter(|(_, over)| *over);
    findings.extend(orphans.map(|(row, _)| check::orphan(row.run, "reservation", &row.step)));
    each(conn, ("run", sql::OPEN_OF_FINAL_RUNS), [], |cells| {
        findings.push(check::orphan(cells.run("run")?, &cells.text("what")?, &cells.text("id")?));
        Ok(true)
    })?;
    let seals = seals(conn, 0, -1)?;
    findings.extend(check::seals(&seals));
    for (chain, no, sealed) in check::sealed_heads(&seals) {
        let before = sealed.head.seq.saturating_sub(1);
        let found = if chain.bytes() == SYSTEM {
            governance(conn, before)?.first().map(|entry| entry.hash)
        } else {
            // What cannot be read was reported with its run.
            journal(conn, chain, before, 1).unwrap_or_default().first().map(|entry| entry.hash)
        };
        findings.extend(check::sealed(chain, no, sealed, found));
    }
    Ok(findings)
}

fn check_run(conn: &Connection, run: RunId, cooling: &mut Cooling) -> Result<Vec<Finding>, StoreError> {
    let by_run = named_params! { ":run": run.bytes() };
    let Some(row) = first(conn, ("run", sql::READ_RUN), by_run, |cells| cells.run_row())? else {
        return Ok(Vec::new());
    };
    let mut check = RunCheck::new(&row);
    let mut after = 0;
    loop {
        let page = journal(conn, run, after, PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        page.iter().for_each(|entry| check.entry(entry));
    }
    each(conn, ("blob", sql::READ_BLOBS), by_run, |cells| {
        check.blob(cells.digest("digest")?, cells.maybe_bytes("bytes")?.as_deref());
        Ok(true)
    })?;
    inbox(conn, run, 0)?.iter().for_each(|message| check.message(message));
    let open = all(conn, ("open_action", sql::READ_OPEN_ACTIONS), by_run, |cells| cells.open_action())?;
    open.iter().for_each(|action| check.open_action(action));
    each(conn, ("run_key", sql::KEYS_OF_RUN), by_run, |cells| {
        check.found_by(&cells.text("name")?, &cells.text("value")?);
        Ok(true)
    })?;
    check.cooled(cooling);
    let kept = all(conn, ("answer", sql::ANSWERS_OF_RUN), by_run, |cells| cells.answer())?;
    kept.iter().for_each(|row| check.answer(row));
    Ok(check.finish())
}
