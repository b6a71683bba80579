//! From the outbox to runs. An event is written in the transaction of what it tells; the relay starts the workflow for it, and then notes the run.
//!
//! Whatever is killed in between, an event is delivered again with the same body and the same start key (the lead's id at its version), which
//! is the same run.

use std::{future::Future, time::Duration};

use rusqlite::named_params;
use surefoot::{
    RunError, Value,
    pages::{Site, Status, Stop},
};

use super::{Act, Crm, CrmError, happened};

/// How often the relay looks by itself; who writes an event tells it at once.
const GLANCE: Duration = Duration::from_millis(500);

/// So many leads are looked at in one turn.
const AT_ONCE: usize = 50;

/// An event that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub event: String,
    /// The lead.
    pub lead: String,
    /// The lead's version.
    pub version: i64,
    /// The input of the run.
    pub body: String,
    /// Who caused it.
    pub by: Option<String>,
}

/// Why no run was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStarted {
    /// It is tried again.
    Later(String),
    /// It never will be.
    Never(String),
}

/// Delivers events as long as the pages are served, and keeps what the pages show of runs up to date.
pub async fn relay(crm: Crm, site: Site, mut stop: Stop) {
    let mut ticks = tokio::time::interval(GLANCE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut after = String::new();
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = crm.told() => {}
            _ = ticks.tick() => {}
        }
        if let Err(error) = turn(&crm, &site, &mut after).await {
            tracing::error!(%error, "the relay of the CRM tries again");
        }
    }
}

async fn turn(crm: &Crm, site: &Site, after: &mut String) -> Result<(), CrmError> {
    deliver(crm, site.now().micros(), |event| start(site, event)).await?;
    settle(crm, site, after).await?;
    crm.count_unread().await
}

/// Starts the run of an event.
async fn start(site: &Site, event: Event) -> Result<String, NotStarted> {
    let input = Value::from_json(event.body.as_bytes()).map_err(|why| NotStarted::Never(why.to_string()))?;
    match site.start("enrich", input, None, event.by.as_deref().map(Into::into)).await {
        Ok(started) => Ok(started.run.to_string()),
        Err(error) => Err(match &error {
            RunError::InputInvalid { .. } | RunError::TooLarge { .. } | RunError::KeyTaken { .. } => {
                NotStarted::Never(error.to_string())
            }
            _ => NotStarted::Later(error.to_string()),
        }),
    }
}

/// Hands every event that waits to `start`, in order, and notes what it says.
///
/// # Errors
/// The database. What was started and not noted is started again, as the same run.
pub async fn deliver<F: Future<Output = Result<String, NotStarted>>>(
    crm: &Crm,
    now_us: i64,
    start: impl Fn(Event) -> F,
) -> Result<usize, CrmError> {
    let events = crm.with(|db| {
        let mut statement = db.prepare_cached(include_str!("sql/events.sql"))?;
        let rows = statement.query_map([], |row| {
            Ok(Event {
                id: row.get(0)?,
                event: row.get(1)?,
                lead: row.get(2)?,
                version: row.get(3)?,
                body: row.get(4)?,
                by: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    });
    let mut delivered = 0;
    for event in events.await? {
        let Event { id, lead, .. } = event.clone();
        match start(event).await {
            Ok(run) => {
                crm.with(move |db| taken(db, id, &lead, &run)).await?;
                delivered += 1;
            }
            Err(NotStarted::Never(why)) => {
                crm.with(move |db| refused(db, id, &lead, &why, now_us)).await?;
            }
            Err(NotStarted::Later(why)) => {
                tracing::warn!(why, lead, "an event of the CRM waits");
                break;
            }
        }
    }
    Ok(delivered)
}

fn taken(db: &mut rusqlite::Connection, id: i64, lead: &str, run: &str) -> Result<(), CrmError> {
    let begun = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let new = begun.execute(include_str!("sql/event_taken.sql"), named_params! { ":id": id, ":run": run })?;
    if new > 0 {
        begun.execute(include_str!("sql/lead_runs.sql"), named_params! { ":lead": lead, ":run": run })?;
    }
    Ok(begun.commit()?)
}

fn refused(db: &mut rusqlite::Connection, id: i64, lead: &str, why: &str, now_us: i64) -> Result<(), CrmError> {
    let begun = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    begun.execute(include_str!("sql/event_failed.sql"), named_params! { ":id": id, ":why": why })?;
    failed(&begun, lead, &format!("no enrichment was started: {why}"), now_us)?;
    Ok(begun.commit()?)
}

fn failed(db: &rusqlite::Connection, lead: &str, why: &str, now_us: i64) -> Result<(), CrmError> {
    if db.execute(include_str!("sql/lead_failed.sql"), named_params! { ":lead": lead })? > 0 {
        happened(db, lead, &Act { by: "run", now_us }, why)?;
    }
    Ok(())
}

/// A run that ended without a result says nothing itself. Each turn looks at some leads: those that come after the last ones.
async fn settle(crm: &Crm, site: &Site, after: &mut String) -> Result<(), CrmError> {
    let from = std::mem::take(after);
    let running = crm.with(move |db| running(db, &from)).await?;
    if let Some((last, _)) = running.last().filter(|_| running.len() >= AT_ONCE) {
        after.clone_from(last);
    }
    for (lead, run) in running {
        let Ok(run) = run.parse() else { continue };
        // A store that does not answer is asked again at the next turn.
        let Ok(row) = site.run(run).await else { break };
        let why = match row {
            Some(row) if row.status == Status::Failed => {
                let kind = row.failure.as_deref().unwrap_or("unknown").replace('_', " ");
                format!("its enrichment failed: {kind}")
            }
            Some(row) if row.status == Status::Cancelled => "its enrichment was cancelled".to_owned(),
            Some(_) => continue,
            None => "the run of its enrichment is not kept any more".to_owned(),
        };
        let now_us = site.now().micros();
        crm.with(move |db| failed(db, &lead, &why, now_us)).await?;
    }
    Ok(())
}

/// Leads whose run has not said yet what came of it, after one of them, with their runs.
pub(super) fn running(db: &mut rusqlite::Connection, after: &str) -> Result<Vec<(String, String)>, CrmError> {
    let mut statement = db.prepare_cached(include_str!("sql/running.sql"))?;
    let params = named_params! { ":after": after, ":limit": i64::try_from(AT_ONCE).unwrap_or(i64::MAX) };
    let rows = statement.query_map(params, |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<Vec<_>, _>>()?)
}
