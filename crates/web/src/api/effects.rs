//! Actions whose outcome is not recorded: look at them, say what became of them.

use std::sync::Arc;

use axum::{Json, extract::Path, http::StatusCode};
use kernel::ids::StepPath;
use runtime::govern::Outcome;
use serde::{Deserialize, Serialize};
use store::{ActionQuery, ActionState};
use utoipa::{IntoParams, ToSchema};

use super::{Body, Caller, Filter, page_of, run_id, value};
use crate::problem::Problem;

/// Actions that were sent.
#[derive(Serialize, ToSchema)]
pub(super) struct Effects {
    effects: Vec<Effect>,
    /// Ask for it as `after`: the next page.
    next: Option<String>,
}

/// An action that was sent and has no recorded outcome.
#[derive(Serialize, ToSchema)]
struct Effect {
    run: String,
    step: Arc<str>,
    /// Tool and operation.
    action: Arc<str>,
    /// The class of its effect.
    effect: Arc<str>,
    /// On what the receiver de-duplicates.
    key: Arc<str>,
    /// Sent how often.
    attempt: u32,
    since: String,
    /// `open`: it may still answer; `unknown`: nobody can tell whether it was performed.
    state: &'static str,
}

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Only those of which nobody knows whether they were performed
    unknown: Option<bool>,
    /// Only this run's
    run: Option<String>,
    /// The `next` of the page before
    after: Option<String>,
    /// Rows of a page, up to 500; 50 if absent
    limit: Option<u32>,
}

/// Actions without a recorded outcome, those of the oldest run first
#[utoipa::path(get, path = "/effects", operation_id = "list_effects", tag = "Effects", params(Which), responses((status = OK, body = Effects)))]
pub(super) async fn list(caller: Caller, Filter(which): Filter<Which>) -> Result<Json<Effects>, Problem> {
    let limit = page_of(which.limit)?;
    let after = which.after.as_deref().map(|after| {
        let (run, step) = after.split_once('/')?;
        Some((run.parse().ok()?, step.into()))
    });
    let query = ActionQuery {
        run: which.run.as_deref().map(run_id).transpose()?,
        state: which.unknown.unwrap_or_default().then_some(ActionState::Unknown),
        after: match after {
            Some(None) => return Err(Problem::malformed("`after` is the `next` of the page before")),
            after => after.flatten(),
        },
        // One more tells whether there is another page.
        limit: limit + 1,
    };
    let mut rows = caller.app.site.runtime().open_actions(query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| format!("{}/{}", row.run, row.action.step));
    let effects = rows.into_iter().map(|row| Effect {
        run: row.run.to_string(),
        step: row.action.step,
        action: row.action.action,
        effect: row.action.effect,
        key: row.action.key,
        attempt: row.action.attempt,
        since: row.action.since.to_string(),
        state: row.state.as_str(),
    });
    Ok(Json(Effects { effects: effects.collect(), next }))
}

/// What became of an action.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Resolution {
    /// The path of the step that acted, as the list gives it.
    step: String,
    outcome: Word,
    /// How it is known; recorded.
    reason: String,
    /// The sending that was looked at; the last one if absent.
    attempt: Option<u32>,
    /// For `performed`: what the tool would have answered.
    output: Option<serde_json::Value>,
    /// For `performed`: where it can be seen outside.
    external_id: Option<String>,
    /// Which person of people.yaml says so; a program must name one.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// An outcome.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = Outcome)]
enum Word {
    /// It was performed; the step gives `output`
    Performed,
    /// It was not performed; it is sent again under the same key
    NotPerformed,
    /// Nobody will find out; the step fails
    GivenUp,
}

/// Says what became of an action whose outcome is unknown
///
/// Look outside first: nothing here can.
#[utoipa::path(
    post, path = "/effects/{run}/resolution", operation_id = "resolve_effect", tag = "Effects",
    params(("run" = String, Path, description = "The run that acted")), request_body = Resolution,
    responses((status = ACCEPTED, description = "It is durable, and the run is told")),
)]
pub(super) async fn resolve(
    caller: Caller,
    Path(run): Path<String>,
    Body(said): Body<Resolution>,
) -> Result<StatusCode, Problem> {
    let run = run_id(&run)?;
    let asker = caller.asker(said.by.as_deref())?;
    if said.reason.trim().is_empty() {
        return Err(Problem::malformed("`reason` says how it is known, and says nothing"));
    }
    let output = said.output.as_ref().map(|output| value(output, "the output")).transpose()?;
    let external_id = said.external_id.map(Into::into);
    let outcome = match said.outcome {
        Word::Performed => Outcome::Performed { output: output.unwrap_or_default(), external_id },
        _ if output.is_some() || external_id.is_some() => {
            return Err(Problem::malformed("`output` and `external_id` belong to `performed`"));
        }
        Word::NotPerformed => Outcome::NotPerformed,
        Word::GivenUp => Outcome::GivenUp,
    };
    let step = StepPath::new(said.step);
    caller.app.site.runtime().resolve(run, (&step, said.attempt), outcome, &said.reason, &asker).await?;
    Ok(StatusCode::ACCEPTED)
}
