//! Work that runs hand to people: look at it, take it, pass it on, say what came of it.

use std::sync::Arc;

use axum::{Json, extract::Path};
use serde::{Deserialize, Serialize};
use store::{WorkQuery, WorkRow};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Caller, Filter, page_of, run_id, value};
use crate::problem::Problem;

/// Work for people.
#[derive(Serialize, ToSchema)]
pub(super) struct Work {
    id: Arc<str>,
    run: String,
    step: Arc<str>,
    /// Whose work it is.
    group: Arc<str>,
    /// `open`, `taken` or `done`.
    state: &'static str,
    opened_at: String,
    due_at: Option<String>,
    /// Who does it.
    claimed_by: Option<Arc<str>>,
    claimed_at: Option<String>,
    closed_at: Option<String>,
}

impl Work {
    fn of(row: &WorkRow) -> Work {
        Work {
            id: row.id.clone(),
            run: row.run.to_string(),
            step: row.step.clone(),
            group: row.queue.clone(),
            state: match (&row.closed_at, &row.claimed_by) {
                (Some(_), _) => "done",
                (None, Some(_)) => "taken",
                (None, None) => "open",
            },
            opened_at: row.opened_at.to_string(),
            due_at: row.due_at.map(|at| at.to_string()),
            claimed_by: row.claimed_by.clone(),
            claimed_at: row.claimed_at.map(|at| at.to_string()),
            closed_at: row.closed_at.map(|at| at.to_string()),
        }
    }
}

/// A page of work.
#[derive(Serialize, ToSchema)]
pub(super) struct WorkPage {
    work: Vec<Work>,
    /// Ask for it as `after`: the next page.
    next: Option<Arc<str>>,
}

/// Work with its envelope.
#[derive(Serialize, ToSchema)]
#[schema(as = WorkWhole)]
pub(super) struct Whole {
    #[serde(flatten)]
    work: Work,
    /// From, to, task, artifact, evidence, and the contract that the answer keeps.
    #[schema(value_type = Object)]
    card: serde_json::Value,
    /// Who has answered it.
    answered_by: Option<Arc<str>>,
}

/// Which work.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only this group's
    group: Option<String>,
    /// Only this run's
    run: Option<String>,
    /// Also what is done
    all: Option<bool>,
    /// The `next` of the page before
    after: Option<String>,
    /// Rows of a page, up to 500; 50 if absent
    limit: Option<u32>,
}

/// Work for people, oldest first
#[utoipa::path(get, path = "/work", operation_id = "list_work", tag = "Work", params(Which), responses((status = OK, body = WorkPage)))]
pub(super) async fn list(caller: Caller, Filter(which): Filter<Which>) -> Result<Json<WorkPage>, Problem> {
    let limit = page_of(which.limit)?;
    let query = WorkQuery {
        id: None,
        run: which.run.as_deref().map(run_id).transpose()?,
        queue: which.group.map(Into::into),
        all_states: which.all.unwrap_or_default(),
        after: which.after.map(Into::into),
        // One more tells whether there is another page.
        limit: limit + 1,
    };
    let mut rows = caller.app.site.runtime().work(query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id.clone());
    Ok(Json(WorkPage { work: rows.iter().map(Work::of).collect(), next }))
}

async fn find(caller: &Caller, id: &str) -> Result<WorkRow, Problem> {
    let query = WorkQuery { id: Some(id.into()), ..WorkQuery::default() };
    let row = caller.app.site.runtime().work(query).await?.into_iter().next();
    row.ok_or_else(|| Problem::not_found(format!("there is no work `{id}`")))
}

/// One piece of work: what is to be done, and the form of the answer
///
/// The envelope comes from the journal of the run, whose chain is verified on the way.
#[utoipa::path(get, path = "/work/{id}", operation_id = "get_work", tag = "Work", params(("id" = String, Path, description = "Its id")), responses((status = OK, body = Whole)))]
pub(super) async fn one(caller: Caller, Path(id): Path<String>) -> Result<Json<Whole>, Problem> {
    let row = find(&caller, &id).await?;
    let handed = caller.app.site.runtime().handed(&row).await?;
    let answered_by = handed.answer.as_ref().map(|(_, by)| by.clone());
    Ok(Json(Whole { work: Work::of(&row), card: handed.card.to_serde(), answered_by }))
}

/// Who does something.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Doer {
    /// Which person of people.yaml it is; a program must say so.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// Takes work, so that nobody else does it meanwhile
#[utoipa::path(
    post, path = "/work/{id}/claim", operation_id = "claim_work", tag = "Work",
    params(("id" = String, Path, description = "Its id")), request_body = Doer, responses((status = OK, body = Work)),
)]
pub(super) async fn claim(
    caller: Caller,
    Path(id): Path<String>,
    Body(doer): Body<Doer>,
) -> Result<Json<Work>, Problem> {
    let asker = caller.asker(doer.by.as_deref())?;
    caller.app.site.runtime().claim_work(&id.as_str().into(), &asker).await?;
    Ok(Json(Work::of(&find(&caller, &id).await?)))
}

/// Gives work back to its group
#[utoipa::path(
    post, path = "/work/{id}/release", operation_id = "release_work", tag = "Work",
    params(("id" = String, Path, description = "Its id")), request_body = Doer, responses((status = OK, body = Work)),
)]
pub(super) async fn release(
    caller: Caller,
    Path(id): Path<String>,
    Body(doer): Body<Doer>,
) -> Result<Json<Work>, Problem> {
    let asker = caller.asker(doer.by.as_deref())?;
    caller.app.site.runtime().reassign_work(&id.as_str().into(), None, &asker).await?;
    Ok(Json(Work::of(&find(&caller, &id).await?)))
}

/// To whom work is passed on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignee {
    /// A person of the group.
    to: String,
    /// Which person of people.yaml passes it on; a program must say so.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// Passes work on to somebody else of the group
#[utoipa::path(
    post, path = "/work/{id}/assignee", operation_id = "assign_work", tag = "Work",
    params(("id" = String, Path, description = "Its id")), request_body = Assignee, responses((status = OK, body = Work)),
)]
pub(super) async fn assign(
    caller: Caller,
    Path(id): Path<String>,
    Body(passed): Body<Assignee>,
) -> Result<Json<Work>, Problem> {
    let asker = caller.asker(passed.by.as_deref())?;
    let to: Arc<str> = passed.to.into();
    caller.app.site.runtime().reassign_work(&id.as_str().into(), Some(&to), &asker).await?;
    Ok(Json(Work::of(&find(&caller, &id).await?)))
}

/// What came of work.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WorkAnswer)]
pub(super) struct Answer {
    /// Keeps the contract of the envelope.
    output: serde_json::Value,
    /// Which person of people.yaml it is; a program must say so.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// An answer that is recorded.
#[derive(Serialize, ToSchema)]
pub(super) struct Answered {
    work: String,
    run: String,
    by: Arc<str>,
    /// False: the same person had given the same answer before.
    new: bool,
}

/// Says what came of work
///
/// The first answer that comes in time is the one. Who answers has taken the work by it.
#[utoipa::path(
    post, path = "/work/{id}/answer", operation_id = "answer_work", tag = "Work",
    params(("id" = String, Path, description = "Its id")), request_body = Answer,
    responses((status = OK, body = Answered, description = "It is durable, and the run is told")),
)]
pub(super) async fn answer(
    caller: Caller,
    Path(id): Path<String>,
    Body(said): Body<Answer>,
) -> Result<Json<Answered>, Problem> {
    let asker = caller.asker(said.by.as_deref())?;
    let output = value(&said.output, "the answer")?;
    let done = caller.app.site.runtime().answer_work(&id.as_str().into(), output, &asker).await?;
    Ok(Json(Answered { work: id, run: done.run.to_string(), by: asker.by, new: done.new }))
}
