//! Approvals: what people are asked, and their decision.

use std::sync::Arc;

use axum::{Json, extract::Path};
use kernel::{governance::approval::Decision, ids::Digest, values::Value};
use runtime::govern::{Decide, Decided as Came};
use serde::{Deserialize, Serialize};
use store::{ApprovalQuery, ApprovalRow};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Caller, Filter, page_of, run_id, value};
use crate::problem::Problem;

/// An approval.
#[derive(Serialize, ToSchema)]
pub(super) struct Approval {
    id: Arc<str>,
    run: String,
    step: Arc<str>,
    /// `pending`, `approved`, `consumed`, `rejected`, `expired`, `superseded` or `cancelled`.
    state: &'static str,
    /// Any one of these groups may decide.
    groups: Vec<Arc<str>>,
    /// How many must agree.
    quorum: u32,
    /// For whom it is asked; empty: nobody by name.
    requested_by: Arc<str>,
    requested_at: String,
    /// Nothing is approved from then on.
    expires_at: Option<String>,
    /// Over the card: a decision echoes it.
    shown: String,
    votes: Vec<Vote>,
}

/// What a person has decided.
#[derive(Serialize, ToSchema)]
struct Vote {
    by: Arc<str>,
    /// `approve`, `reject`, `edit` or `answer`.
    decision: Arc<str>,
    at: String,
}

impl Approval {
    fn of(row: &ApprovalRow) -> Approval {
        let votes = row.votes.iter();
        Approval {
            id: row.id.clone(),
            run: row.run.to_string(),
            step: row.step.clone(),
            state: row.state.as_str(),
            groups: row.groups.clone(),
            quorum: row.quorum,
            requested_by: row.requested_by.clone(),
            requested_at: row.requested_at.to_string(),
            expires_at: row.expires_at.map(|at| at.to_string()),
            shown: row.shown.to_string(),
            votes: votes
                .map(|vote| Vote { by: vote.by.clone(), decision: vote.decision.clone(), at: vote.at.to_string() })
                .collect(),
        }
    }
}

/// A page of approvals.
#[derive(Serialize, ToSchema)]
pub(super) struct Approvals {
    approvals: Vec<Approval>,
    /// Ask for it as `after`: the next page.
    next: Option<Arc<str>>,
}

/// An approval with its card.
#[derive(Serialize, ToSchema)]
#[schema(as = ApprovalWhole)]
pub(super) struct Whole {
    #[serde(flatten)]
    approval: Approval,
    /// What people are shown: the tool's own sentence, the rule that stopped it, the arguments, the evidence, what follows on yes and no.
    #[schema(value_type = Object)]
    card: serde_json::Value,
    terms: Terms,
}

/// Who may decide, and what.
#[derive(Serialize, ToSchema)]
struct Terms {
    /// In words.
    says: String,
    /// Of each list one group must be satisfied.
    groups: Vec<Vec<Arc<str>>>,
    quorum: u32,
    /// The arguments that a person may change.
    editable: Vec<Arc<str>>,
    /// Whether a person may answer in the action's place.
    answerable: bool,
    /// Whether those who asked for it may not decide.
    no_self: bool,
    /// Who asked for it.
    requesters: Vec<Arc<str>>,
    escalated: bool,
}

/// Which approvals.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only what this group may decide
    group: Option<String>,
    /// Only this run's
    run: Option<String>,
    /// Also what is decided
    all: Option<bool>,
    /// The `next` of the page before
    after: Option<String>,
    /// Rows of a page, up to 500; 50 if absent
    limit: Option<u32>,
}

/// Approvals, oldest first
#[utoipa::path(get, path = "/approvals", operation_id = "list_approvals", tag = "Approvals", params(Which), responses((status = OK, body = Approvals)))]
pub(super) async fn list(caller: Caller, Filter(which): Filter<Which>) -> Result<Json<Approvals>, Problem> {
    let limit = page_of(which.limit)?;
    let query = ApprovalQuery {
        id: None,
        run: which.run.as_deref().map(run_id).transpose()?,
        group: which.group.map(Into::into),
        all_states: which.all.unwrap_or_default(),
        after: which.after.map(Into::into),
        // One more tells whether there is another page.
        limit: limit + 1,
    };
    let mut rows = caller.app.site.runtime().approvals(query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id.clone());
    Ok(Json(Approvals { approvals: rows.iter().map(Approval::of).collect(), next }))
}

async fn find(caller: &Caller, id: &str) -> Result<ApprovalRow, Problem> {
    let query = ApprovalQuery { id: Some(id.into()), ..ApprovalQuery::default() };
    let row = caller.app.site.runtime().approvals(query).await?.into_iter().next();
    row.ok_or_else(|| Problem::not_found(format!("there is no approval `{id}`")))
}

/// One approval: its card, who may decide, and who has
///
/// The card comes from the journal of the run, whose chain is verified on the way.
#[utoipa::path(get, path = "/approvals/{id}", operation_id = "get_approval", tag = "Approvals", params(("id" = String, Path, description = "Its id")), responses((status = OK, body = Whole)))]
pub(super) async fn one(caller: Caller, Path(id): Path<String>) -> Result<Json<Whole>, Problem> {
    let row = find(&caller, &id).await?;
    let asked = caller.app.site.runtime().asked(&row).await?;
    let terms = &asked.terms;
    let terms = Terms {
        says: kernel::story::whom(terms),
        groups: terms.groups.clone(),
        quorum: terms.quorum.max(1),
        editable: terms.editable.clone(),
        answerable: terms.answerable,
        no_self: terms.no_self,
        requesters: terms.requesters.clone(),
        escalated: terms.escalated,
    };
    Ok(Json(Whole { approval: Approval::of(&row), card: asked.card.to_serde(), terms }))
}

/// What a person decides.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Decision)]
pub(super) struct Choice {
    decision: Word,
    /// The `shown` of the card that the person has looked at.
    shown: String,
    /// What the person remarks; a no is passed on to the run.
    reason: Option<String>,
    /// For `edit` the fields that change, for `answer` the whole answer.
    with: Option<serde_json::Value>,
    /// Which person of people.yaml it is; a program must say so.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// A decision.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DecisionWord)]
enum Word {
    /// Yes, as shown
    Approve,
    /// No
    Reject,
    /// Not so, but with other values: a new action
    Edit,
    /// What the question asks for
    Answer,
}

/// A decision that is recorded.
#[derive(Serialize, ToSchema)]
pub(super) struct Decided {
    approval: Arc<str>,
    run: String,
    by: Arc<str>,
    /// False: the same person had decided so before.
    new: bool,
}

/// Decides an approval
///
/// Whether this person may is judged by the people of today; a yes is used up by the action that it was given for, and judged again then.
/// The person is recorded as known by a token, or locally if a page of this server asks.
#[utoipa::path(
    post, path = "/approvals/{id}/decision", operation_id = "decide_approval", tag = "Approvals",
    params(("id" = String, Path, description = "Its id")), request_body = Choice,
    responses((status = OK, body = Decided, description = "It is durable, and the run is told")),
)]
pub(super) async fn decide(
    caller: Caller,
    Path(id): Path<String>,
    Body(said): Body<Choice>,
) -> Result<Json<Decided>, Problem> {
    let asker = caller.asker(said.by.as_deref())?;
    let shown: Digest = said.shown.parse().map_err(|_| {
        Problem::malformed("`shown` is no hash of a card").hint("64 hexadecimal digits: the `shown` of the approval")
    })?;
    let reason = said.reason.filter(|reason| !reason.trim().is_empty());
    let with = said.with.as_ref().map(|with| value(with, "`with`")).transpose()?;
    let missing = || Problem::malformed("this decision says something in `with`");
    let decision = match (said.decision, with) {
        (Word::Approve | Word::Reject, Some(with)) if with != Value::Null => {
            let problem =
                Problem::malformed("`with` belongs to `edit` and `answer`: a yes or a no covers what was shown");
            return Err(problem.hint("to change it first, decide `edit`"));
        }
        (Word::Approve, _) => Decision::Approve,
        (Word::Reject, _) => Decision::Reject { reason: reason.clone().unwrap_or_default() },
        (Word::Edit, with) => Decision::Edit { with: with.ok_or_else(missing)? },
        (Word::Answer, with) => Decision::Answer { value: with.ok_or_else(missing)? },
    };
    let row = find(&caller, &id).await?;
    let decide = Decide { approval: row.id.clone(), decision, shown: Some(shown), reason };
    let (run, new) = match caller.app.site.runtime().decide(decide, &asker).await? {
        Came::New { run } => (run, true),
        Came::Again { run } => (run, false),
    };
    Ok(Json(Decided { approval: row.id, run: run.to_string(), by: asker.by, new }))
}
