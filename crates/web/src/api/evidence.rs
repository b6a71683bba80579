//! Evidence: what a run did outside, who allowed it, what proves it, what is uncertain.

use std::sync::Arc;

use axum::{Json, extract::Path, http::StatusCode, response::Response};
use kernel::{
    evidence::{self, Audit},
    ids::Digest,
    journal::Head,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{Caller, run_id};
use crate::problem::Problem;

/// What the journal of a run proves.
#[derive(Serialize, ToSchema)]
pub(super) struct Evidence {
    run: String,
    workflow: Arc<str>,
    started_by: Option<Arc<str>>,
    acts_for: Option<Arc<str>>,
    /// In the order in which they began.
    acts: Vec<Act>,
    /// What was handed to other workflows: their acts stand in the evidence of these runs.
    handed: Vec<HandedOver>,
    /// What models said they did, compared with the acts.
    claims: Vec<Claim>,
    /// The hash of the last entry: note it, and a cut tail is found.
    head: String,
}

/// One act: a proposal with all that came of it.
#[derive(Serialize, ToSchema)]
struct Act {
    /// Its evidence id.
    id: String,
    step: String,
    /// What is known of it: `succeeded`, `failed`, `unknown`, `denied` and so on.
    status: &'static str,
    /// The act in words, a line each.
    says: Vec<String>,
    /// What is uncertain of it.
    uncertain: Vec<String>,
    /// The entries that it is made of.
    entries: Vec<Proof>,
    /// The act as data.
    #[schema(value_type = Object)]
    data: serde_json::Value,
}

/// An entry that proves something.
#[derive(Serialize, ToSchema)]
struct Proof {
    seq: u64,
    hash: String,
}

/// Work that another workflow does.
#[derive(Serialize, ToSchema)]
struct HandedOver {
    step: String,
    workflow: Arc<str>,
    run: String,
    entry: u64,
}

/// What a model said it did.
#[derive(Serialize, ToSchema)]
struct Claim {
    step: String,
    entry: u64,
    /// How it stands.
    standing: String,
    says: String,
    /// Nothing proves it.
    fails: bool,
}

/// What a run did outside
///
/// Read from the journal, which is verified on the way.
#[utoipa::path(get, path = "/runs/{run}/evidence", operation_id = "get_evidence", tag = "Evidence", params(("run" = String, Path, description = "Its id")), responses((status = OK, body = Evidence)))]
pub(super) async fn of(caller: Caller, Path(run): Path<String>) -> Result<Json<Evidence>, Problem> {
    let run = run_id(&run)?;
    let record = caller.app.site.runtime().record(run).await?;
    if record.entries.first().is_some_and(|entry| entry.body.is_none()) {
        let detail = format!("what {run} did was erased: its chain is kept, and nothing of what it says");
        return Err(Problem::new(StatusCode::GONE, "not_found", detail));
    }
    let broken = |what: String| {
        let detail = format!("the journal of {run} does not hold: {what}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", detail)
    };
    let head = kernel::journal::verify(run, Head::START, &record.entries).map_err(|why| broken(why.to_string()))?;
    let mut audit = Audit::new(run);
    for entry in &record.entries {
        let event = entry.event().map_err(|why| broken(why.to_string()))?;
        audit.add(entry.seq, entry.at, &event).map_err(|finding| broken(finding.to_string()))?;
    }
    let ledger = audit.ledger();
    let hash = |seq: u64| -> Option<Digest> {
        record.entries.get(usize::try_from(seq).ok()?.checked_sub(1)?).map(|entry| entry.hash)
    };
    let proof = |seq: &u64| Some(Proof { seq: *seq, hash: hash(*seq)?.to_string() });
    let acts = ledger.acts.iter().map(|act| Act {
        id: act.id.clone(),
        step: act.step.to_string(),
        status: act.status.as_str(),
        says: evidence::lines(act, &ledger.actor, &hash),
        uncertain: evidence::uncertain(act),
        entries: act.entries.iter().filter_map(proof).collect(),
        data: serde_json::to_value(act).unwrap_or_default(),
    });
    let handed = ledger.handed.iter().map(|handed| HandedOver {
        step: handed.step.to_string(),
        workflow: handed.workflow.clone(),
        run: handed.run.to_string(),
        entry: handed.entry,
    });
    let claims = ledger.claims.iter().map(|said| {
        let (standing, says) = said.claimed.in_words();
        Claim {
            step: said.step.to_string(),
            entry: said.entry,
            standing: standing.to_string(),
            says: says.to_string(),
            fails: said.claimed.fails(),
        }
    });
    Ok(Json(Evidence {
        run: run.to_string(),
        workflow: ledger.actor.workflow.clone(),
        started_by: ledger.actor.started_by.clone(),
        acts_for: ledger.actor.acts_for.clone(),
        acts: acts.collect(),
        handed: handed.collect(),
        claims: claims.collect(),
        head: head.hash.to_string(),
    }))
}

/// What was checked of a run, and whether it holds.
#[derive(Serialize, ToSchema)]
pub(super) struct Verification {
    /// All of it holds.
    holds: bool,
    /// What does not: one thing, the first that was found.
    broken: Option<String>,
    /// Null where it does not hold.
    checked: Option<Checked>,
}

/// What was checked.
#[derive(Serialize, ToSchema)]
struct Checked {
    /// Entries: each follows from the one before.
    entries: u64,
    /// Acts: each was allowed before it began, and no outcome came of nothing.
    acts: u64,
    /// Blobs: exactly those that entries name, each of its digest.
    blobs: u64,
    /// The hash of the last entry.
    head: String,
    /// Seals that hold it.
    seals: u64,
    /// Up to which entry.
    sealed: u64,
    /// How many of these seals the anchor file does not have; null: there is no anchor file.
    unanchored: Option<u64>,
    /// What the run held was erased: all was checked that needs no bodies.
    erased: bool,
}

/// Checks a run: its chain, acts, blobs, seals and anchors
#[utoipa::path(
    get, path = "/runs/{run}/verification", operation_id = "verify_run", tag = "Evidence",
    params(("run" = String, Path, description = "Its id")), responses((status = OK, body = Verification)),
)]
pub(super) async fn verification(caller: Caller, Path(run): Path<String>) -> Result<Json<Verification>, Problem> {
    let run = run_id(&run)?;
    let checked = match super::verified(&caller.app.site, run).await? {
        Ok(verified) => verified,
        Err(broken) => return Ok(Json(Verification { holds: false, broken: Some(broken), checked: None })),
    };
    let checked = Checked {
        entries: checked.entries,
        acts: checked.acts,
        blobs: checked.blobs,
        head: checked.head.hash.to_string(),
        seals: checked.seals,
        sealed: checked.sealed,
        unanchored: checked.unanchored,
        erased: checked.erased,
    };
    Ok(Json(Verification { holds: true, broken: None, checked: Some(checked) }))
}

/// A run as one file, for `surefoot evidence verify`
///
/// Lines of JSON. Note the head that `Surefoot-Head` tells: with it, verifying finds also a tail that was cut off. Personal data of the run are in it.
#[utoipa::path(
    get, path = "/runs/{run}/export", operation_id = "export_run", tag = "Evidence",
    params(("run" = String, Path, description = "Its id")),
    responses((status = OK, content_type = "application/x-ndjson", body = String)),
)]
pub(super) async fn export(caller: Caller, Path(run): Path<String>) -> Result<Response, Problem> {
    let run = run_id(&run)?;
    super::export_file(&caller.app.site, run).await
}
