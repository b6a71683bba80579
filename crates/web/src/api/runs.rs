//! Runs: start, list, get, their entries, orders.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use axum::{
    Json,
    extract::{Path, RawQuery},
    http::{HeaderMap, StatusCode, header},
    response::{
        IntoResponse as _, Response,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures_util::stream;
use kernel::{
    ids::RunId,
    journal::{Effects, Entry, Event},
    report::Report,
    values::Value,
};
use runtime::{
    fork::{Forked, Seen},
    record::Record,
};
use serde::{Deserialize, Serialize};
use store::{RunQuery, RunRow, Status};
use utoipa::ToSchema;

use super::{Body, Caller, MOST, PAGE, idempotency_key, run_id, value};
use crate::problem::Problem;

/// A run in a list.
#[derive(Serialize, ToSchema)]
pub(super) struct Run {
    #[schema(value_type = String)]
    id: RunId,
    workflow: Arc<str>,
    /// The bundle that it follows, by its digest.
    version: String,
    /// `running`, `waiting`, `paused`, `blocked`, `quarantined`, `completed`, `failed` or `cancelled`.
    status: &'static str,
    /// What it waits for, does, or failed with.
    reason: Option<Arc<str>>,
    /// Business keys.
    #[schema(value_type = BTreeMap<String, String>)]
    about: BTreeMap<Arc<str>, String>,
    started_at: String,
    updated_at: String,
    finished_at: Option<String>,
    /// When it goes on by itself.
    wakes_at: Option<String>,
    entries: u64,
    /// The run that handed it its work.
    #[schema(value_type = Option<String>)]
    parent: Option<RunId>,
    /// The run that it goes on from.
    fork: Option<Source>,
}

/// Where a run was forked.
#[derive(Serialize, ToSchema)]
#[schema(as = ForkedFrom)]
struct Source {
    #[schema(value_type = String)]
    run: RunId,
    /// The last entry that was inherited.
    entry: u64,
}

/// A run that goes on from where another was.
#[derive(Serialize, ToSchema)]
#[schema(as = ForkSeen)]
struct Onward {
    #[schema(value_type = String)]
    run: RunId,
    /// The last entry that it inherited.
    entry: u64,
    status: &'static str,
    /// It tries again what failed.
    retry: bool,
}

impl Run {
    fn of(row: &RunRow) -> Run {
        let reason = match row.status {
            Status::Waiting | Status::Paused | Status::Blocked => row.waits_for.clone(),
            Status::Failed => row.failure.clone(),
            Status::Running => row.doing.clone(),
            _ => None,
        };
        Run {
            id: row.run,
            workflow: row.workflow.clone(),
            version: row.bundle.to_string(),
            status: row.status.as_str(),
            reason,
            about: row.about.clone(),
            started_at: row.created_at.to_string(),
            updated_at: row.updated_at.to_string(),
            finished_at: row.finished_at.map(|at| at.to_string()),
            wakes_at: row.wake_at.map(|at| at.to_string()),
            entries: row.head.seq,
            parent: row.parent,
            fork: row.fork.map(|fork| Source { run: fork.run, entry: fork.entry }),
        }
    }
}

/// A page of runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Runs {
    runs: Vec<Run>,
    /// Ask for it as `before`: the next page.
    #[schema(value_type = Option<String>)]
    next: Option<RunId>,
}

/// A run with how it stands.
#[derive(Serialize, ToSchema)]
#[schema(as = RunWhole)]
pub(super) struct Whole {
    #[serde(flatten)]
    run: Run,
    /// What it works on; null once it was erased.
    input: serde_json::Value,
    /// What came of it; null while there is none.
    result: serde_json::Value,
    /// Done, doing, next, waiting for whom, what may be tried again and why.
    #[schema(value_type = Object)]
    report: Report,
    /// Runs that go on from where this one was, newest first.
    forks: Vec<Onward>,
}

fn onward(seen: &Seen) -> Onward {
    let entry = seen.row.fork.map_or(0, |fork| fork.entry);
    Onward { run: seen.row.run, entry, status: seen.row.status.as_str(), retry: seen.is_retry() }
}

fn query(text: Option<String>) -> Result<RunQuery, Problem> {
    let text = text.unwrap_or_default();
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(&text).map_err(|_| Problem::malformed("the query cannot be read"))?;
    let mut query = RunQuery { limit: PAGE, ..RunQuery::default() };
    for (key, value) in pairs {
        let wrong = |wanted: &str| Problem::malformed(format!("`{key}={value}`: {wanted}"));
        match &*key {
            "status" => query.status.push(Status::parse(&value).ok_or_else(|| {
                let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
                wrong(&format!("one of {}", all.join(", ")))
            })?),
            "workflow" => query.workflow = Some(value.into()),
            "about" => {
                let (name, value) = value.split_once('=').ok_or_else(|| wrong("write it as `about=key=value`"))?;
                query.about = Some((name.into(), value.to_owned()));
            }
            "parent" => query.parent = Some(value.parse().map_err(|_| wrong("an id of a run"))?),
            "fork_of" => query.fork_of = Some(value.parse().map_err(|_| wrong("an id of a run"))?),
            "before" => query.before = Some(value.parse().map_err(|_| wrong("an id of a run"))?),
            "limit" => {
                let limit = value.parse::<u32>().ok().filter(|limit| (1..=MOST).contains(limit));
                query.limit = limit.ok_or_else(|| wrong(&format!("a number from 1 to {MOST}")))?;
            }
            _ => {
                return Err(Problem::malformed(format!("there is no filter `{key}`"))
                    .hint("status, workflow, about, parent, fork_of, before, limit"));
            }
        }
    }
    Ok(query)
}

/// Runs, newest first
#[utoipa::path(
    get, path = "/runs", operation_id = "list_runs", tag = "Runs",
    params(
        ("status" = Option<Vec<String>>, Query, description = "Only runs that stand so; several times for several"),
        ("workflow" = Option<String>, Query, description = "Only runs of this workflow"),
        ("about" = Option<String>, Query, description = "Only runs with this business key: `about=order=A-17`"),
        ("parent" = Option<String>, Query, description = "Only runs that this one handed work to"),
        ("fork_of" = Option<String>, Query, description = "Only runs that go on from where this one was"),
        ("before" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Rows of a page, up to 500; 50 if absent"),
    ),
    responses((status = OK, body = Runs)),
)]
pub(super) async fn list(caller: Caller, RawQuery(text): RawQuery) -> Result<Json<Runs>, Problem> {
    let mut query = query(text)?;
    let limit = query.limit;
    // One more tells whether there is another page.
    query.limit = limit + 1;
    let mut rows = caller.app.site.store().runs(query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.run);
    Ok(Json(Runs { runs: rows.iter().map(Run::of).collect(), next }))
}

/// A run to be started.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RunStart)]
pub(super) struct Start {
    workflow: String,
    /// What it works on: fits the schema that the workflow names.
    #[serde(default)]
    input: serde_json::Value,
}

/// Starts a run of the version that is served now
///
/// The same `Idempotency-Key` with the same input is one run: 201 the first time, then 200; with another input 409.
#[utoipa::path(
    post, path = "/runs", operation_id = "start_run", tag = "Runs",
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 visible ASCII characters")),
    request_body = Start,
    responses((status = CREATED, body = Run, description = "It is durable; `Location` says where"), (status = OK, body = Run, description = "It was started before")),
)]
pub(super) async fn start(caller: Caller, headers: HeaderMap, Body(start): Body<Start>) -> Result<Response, Problem> {
    let key = idempotency_key(&headers)?;
    let site = &caller.app.site;
    let served = site.served();
    if !served.project.workflows.contains_key(&*start.workflow) {
        let problem = Problem::not_found(format!("there is no workflow `{}`", start.workflow));
        let names = served.project.workflows.keys().map(|name| &**name);
        return Err(kernel::complaint::did_you_mean(&start.workflow, names).into_iter().fold(problem, Problem::hint));
    }
    let input = value(&start.input, "the input")?;
    let started = site.start(&start.workflow, input, key, caller.session.person.clone()).await?;
    let row = site.store().run(started.run).await?.ok_or_else(|| Problem::not_found("the run was erased meanwhile"))?;
    let status = if started.created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("{}/api/v1/runs/{}", site.base(), started.run);
    Ok((status, [(header::LOCATION, location)], Json(Run::of(&row))).into_response())
}

/// One run: its input, its result, and how it stands
#[utoipa::path(get, path = "/runs/{run}", operation_id = "get_run", tag = "Runs", params(("run" = String, Path, description = "Its id")), responses((status = OK, body = Whole)))]
pub(super) async fn one(caller: Caller, Path(run): Path<String>) -> Result<Json<Whole>, Problem> {
    let run = run_id(&run)?;
    let runtime = caller.app.site.runtime();
    let Record { row, entries, state, program } = runtime.record(run).await?;
    let input = match &state.start {
        Some(start) => runtime.held(run, &start.input).await?,
        None => None,
    };
    let result = match state.end.as_ref().and_then(|end| end.result.as_ref()) {
        Some(held) => runtime.held(run, held).await?,
        None => None,
    };
    let json = |value: Option<Value>| value.map_or(serde_json::Value::Null, |value| value.to_serde());
    Ok(Json(Whole {
        run: Run::of(&row),
        input: json(input),
        result: json(result),
        report: Report::of(&state, &entries, program.as_deref()),
        forks: runtime.forks(run).await?.iter().map(onward).collect(),
    }))
}

/// Entries of a run.
#[derive(Serialize, ToSchema)]
#[schema(as = Entries)]
struct ToldEntries {
    entries: Vec<Told>,
    /// Ask for it as `after`: what follows. Null: nothing does yet.
    next: Option<u64>,
}

/// One entry of a journal.
#[derive(Serialize, ToSchema)]
#[schema(as = Entry)]
struct Told {
    seq: u64,
    at: String,
    step: Option<String>,
    /// What happened, in words.
    says: String,
    /// The fact itself, as it is kept.
    event: serde_json::Value,
}

impl Told {
    fn of(entry: &Entry, event: &Event) -> Told {
        Told {
            seq: entry.seq,
            at: entry.at.to_string(),
            step: event.step().map(|step| step.as_str().to_owned()),
            says: kernel::story::line(event),
            event: serde_json::to_value(event).unwrap_or_default(),
        }
    }
}

/// The entries of a run, up to 500
///
/// With `Accept: text/event-stream` also those that come, until the run is over; each is an event `entry`, and its id is its number.
#[utoipa::path(
    get, path = "/runs/{run}/entries", operation_id = "list_entries", tag = "Runs",
    params(
        ("run" = String, Path, description = "Its id"),
        ("after" = Option<u64>, Query, description = "Only entries after this number"),
        ("Last-Event-ID" = Option<u64>, Header, description = "As `after`, for a reader that comes back"),
    ),
    responses((status = OK, content((ToldEntries = "application/json"), (String = "text/event-stream")))),
)]
pub(super) async fn entries(
    caller: Caller,
    Path(run): Path<String>,
    RawQuery(text): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let run = run_id(&run)?;
    let sent = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&text.unwrap_or_default()).unwrap_or_default();
    let after = pairs.iter().find(|(key, _)| key == "after").map(|(_, value)| &**value);
    let after = match sent("last-event-id").or(after) {
        None => 0,
        Some(text) => text.parse().map_err(|_| Problem::malformed(format!("`{text}` is no number of an entry")))?,
    };
    let site = &caller.app.site;
    if sent("accept").is_none_or(|accept| !accept.contains("text/event-stream")) {
        let page = site.store().journal(run, after, MOST).await?;
        if page.is_empty() && site.store().run(run).await?.is_none() {
            return Err(Problem::not_found(format!("there is no run {run}")));
        }
        let next = page.last().filter(|_| page.len() == MOST as usize).map(|entry| entry.seq);
        let told: Vec<Told> = page.iter().filter_map(|entry| Some(Told::of(entry, &entry.event().ok()?))).collect();
        return Ok(Json(ToldEntries { entries: told, next }).into_response());
    }
    if site.store().run(run).await?.is_none() {
        return Err(Problem::not_found(format!("there is no run {run}")));
    }
    let entries = site.runtime().entries(run);
    let told = stream::unfold((entries, caller.app.closing.clone()), move |(mut entries, mut closing)| async move {
        loop {
            let next = tokio::select! {
                next = entries.next() => next,
                _ = closing.wait_for(|closing| *closing) => return None,
            };
            match next {
                Ok(Some((entry, _))) if entry.seq <= after => {}
                Ok(Some((entry, event))) => {
                    let data = serde_json::to_string(&Told::of(&entry, &event)).unwrap_or_default();
                    let said = Sent::default().id(entry.seq.to_string()).event("entry").data(data);
                    return Some((Ok::<_, Infallible>(said), (entries, closing)));
                }
                Ok(None) | Err(_) => return None,
            }
        }
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::default()).into_response())
}

/// What a run is told.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Order {
    order: Word,
}

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = OrderWord)]
enum Word {
    Pause,
    Resume,
    Cancel,
}

/// Pauses, resumes or cancels a run
///
/// It does so as soon as what is open has answered.
#[utoipa::path(
    post, path = "/runs/{run}/order", operation_id = "order_run", tag = "Runs",
    params(("run" = String, Path, description = "Its id")), request_body = Order,
    responses((status = ACCEPTED, description = "The run is told")),
)]
pub(super) async fn order(
    caller: Caller,
    Path(run): Path<String>,
    Body(order): Body<Order>,
) -> Result<StatusCode, Problem> {
    let run = run_id(&run)?;
    let runtime = caller.app.site.runtime();
    match order.order {
        Word::Pause => runtime.pause(run, caller.name()).await?,
        Word::Resume => runtime.resume(run, caller.name()).await?,
        Word::Cancel => runtime.cancel(run, caller.name()).await?,
    };
    Ok(StatusCode::ACCEPTED)
}

/// Where a run is forked, and how.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Fork {
    /// The last entry that is inherited; the last one that can be, if absent.
    at: Option<u64>,
    /// `ask` if absent.
    #[serde(default)]
    effects: Mode,
    /// A person of `people.yaml`, if a program asks.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// `ask`: people are asked before each effect; `block`: the run pauses before the first; `live`: they are judged as in any run.
#[derive(Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ForkEffects)]
enum Mode {
    #[default]
    Ask,
    Block,
    Live,
}

/// A run that goes on from where another was.
#[derive(Serialize, ToSchema)]
#[schema(as = ForkStarted)]
pub(super) struct Started {
    #[serde(flatten)]
    run: Run,
    /// Why it inherits fewer entries than were asked for; null: it does not.
    moved: Option<String>,
}

async fn started(caller: &Caller, forked: Forked) -> Result<Response, Problem> {
    let site = &caller.app.site;
    let row = site.store().run(forked.run).await?.ok_or_else(|| Problem::not_found("the run was erased meanwhile"))?;
    let status = if forked.created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("{}/api/v1/runs/{}", site.base(), forked.run);
    let body = Started { run: Run::of(&row), moved: forked.point.moved };
    Ok((status, [(header::LOCATION, location)], Json(body)).into_response())
}

/// Starts a run that goes on from where this one was
///
/// It inherits the entries up to `at`, or up to the nearest one before it at which nothing is in progress; `moved` says why. What comes
/// after them it does itself, a second time: so people are asked before each effect, unless `effects` says otherwise.
#[utoipa::path(
    post, path = "/runs/{run}/fork", operation_id = "fork_run", tag = "Runs",
    params(("run" = String, Path, description = "Its id")), request_body = Fork,
    responses((status = CREATED, body = Started, description = "It is durable; `Location` says where")),
)]
pub(super) async fn fork(caller: Caller, Path(run): Path<String>, Body(fork): Body<Fork>) -> Result<Response, Problem> {
    let (run, asker) = (run_id(&run)?, caller.asker(fork.by.as_deref())?);
    let effects = match fork.effects {
        Mode::Ask => Effects::Ask,
        Mode::Block => Effects::Block,
        Mode::Live => Effects::Live,
    };
    let forked = caller.app.site.runtime().fork(run, fork.at, effects, Some(asker.by)).await?;
    started(&caller, forked).await
}

/// Who asks that a run be tried again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = RetryAsked)]
pub(super) struct Retry {
    /// A person of `people.yaml`, if a program asks.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// Tries a failed run again, from before the step that failed
///
/// A run of its own does it, and one only: 201 the first time, then 200. It is refused where something was done outside after that
/// point, or may have been; a fork goes on from there and asks before each effect.
#[utoipa::path(
    post, path = "/runs/{run}/retry", operation_id = "retry_run", tag = "Runs",
    params(("run" = String, Path, description = "Its id")), request_body = Retry,
    responses((status = CREATED, body = Started, description = "It is durable; `Location` says where"), (status = OK, body = Started, description = "It was tried again before")),
)]
pub(super) async fn retry(
    caller: Caller,
    Path(run): Path<String>,
    Body(retry): Body<Retry>,
) -> Result<Response, Problem> {
    let (run, asker) = (run_id(&run)?, caller.asker(retry.by.as_deref())?);
    let forked = caller.app.site.runtime().retry(run, Some(asker.by)).await?;
    started(&caller, forked).await
}
