//! Evidence: what a run did outside, who allowed it, what proves it, what is uncertain.

use std::sync::Arc;

use axum::{Json, extract::Path, http::StatusCode};
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
