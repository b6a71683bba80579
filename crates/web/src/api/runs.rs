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
    RunError,
    fork::{Forked, Seen},
    orders::{ORDER_LIMIT, Order as Orders},
    outcome::Together,
    record::Record,
};
use serde::{Deserialize, Serialize};
use store::{FindQuery, Found, OutcomeQuery, RunCount, RunOutcome, RunQuery, RunRow, Status};
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
    /// The run that tries it again.
    #[schema(value_type = Option<String>)]
    again: Option<RunId>,
    /// What models were charged for it, in millionths of a dollar, without runs that it handed work to; null: not known.
    cost_uusd: Option<i64>,
    /// What found it, if it was searched for.
    #[serde(skip_serializing_if = "Option::is_none")]
    found_by: Option<FoundBy>,
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

/// What a run was found by.
#[derive(Serialize, ToSchema)]
struct FoundBy {
    /// `run`: its id; `about`: a business key; `start`: the key it was started with; `event`: the id of an event that it was told; `outside`:
    /// what something that it did is known by there.
    kind: &'static str,
    /// Of the business key, the event or the tool.
    name: Arc<str>,
    value: Arc<str>,
    /// False: it only begins with what was looked for.
    whole: bool,
}

impl Run {
    fn found(found: Found) -> Run {
        let Found { row, by, whole } = found;
        let found_by = FoundBy { kind: by.kind.as_str(), name: by.name, value: by.value, whole };
        Run { found_by: Some(found_by), ..Run::of(&row) }
    }

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
            again: row.again,
            cost_uusd: row.cost,
            found_by: None,
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
    /// What people say came of it together: `right`, `wrong`, or `disputed`; null: nobody has said anything.
    outcome: Option<&'static str>,
    /// The last word of each person, by person.
    outcomes: Vec<Came>,
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

/// What a person says came of a run.
#[derive(Serialize, ToSchema)]
#[schema(as = RunOutcome)]
pub(super) struct Came {
    by: Arc<str>,
    /// `local`: chosen at this machine; `token`: named by a program.
    auth: Arc<str>,
    /// `right`: it did what it should have done, or `wrong`.
    outcome: &'static str,
    because: Arc<str>,
    at: String,
}

impl Came {
    fn of(one: RunOutcome) -> Came {
        let outcome = if one.right { "right" } else { "wrong" };
        Came { by: one.by, auth: one.auth, outcome, because: one.because, at: one.at.to_string() }
    }
}

/// What the query asks for, and the text that is looked for, if one is.
fn query(text: Option<String>) -> Result<(RunQuery, Option<String>), Problem> {
    let text = text.unwrap_or_default();
    let pairs: Vec<(String, String)> =
        serde_urlencoded::from_str(&text).map_err(|_| Problem::malformed("the query cannot be read"))?;
    let mut query = RunQuery { limit: PAGE, ..RunQuery::default() };
    let mut sought = None;
    if let Some((other, _)) = pairs
        .iter()
        .find(|(key, _)| !matches!(&**key, "q" | "before" | "limit"))
        .filter(|_| pairs.iter().any(|(key, _)| key == "q"))
    {
        return Err(Problem::malformed(format!("`q` looks among all runs: `{other}` does not go with it")));
    }
    for (key, value) in pairs {
        let wrong = |wanted: &str| Problem::malformed(format!("`{key}={value}`: {wanted}"));
        match &*key {
            "status" => query.status.push(Status::parse(&value).ok_or_else(|| {
                let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
                wrong(&format!("one of {}", all.join(", ")))
            })?),
            "workflow" => query.workflow = Some(value.into()),
            "failure" => query.failure = Some(value.into()),
            "q" => sought = Some(value),
            "about" => {
                let (name, value) = value.split_once('=').ok_or_else(|| wrong("write it as `about=key=value`"))?;
                query.about = Some((name.into(), value.to_owned()));
            }
            "parent" => query.parent = Some(value.parse().map_err(|_| wrong("an id of a run"))?),
            "fork_of" => query.fork_of = Some(value.parse().map_err(|_| wrong("an id of a run"))?),
            "covered" => query.covered = Some(value.parse().map_err(|_| wrong("true or false"))?),
            "before" => query.before = Some(value.parse().map_err(|_| wrong("an id of a run"))?),
            "limit" => {
                let limit = value.parse::<u32>().ok().filter(|limit| (1..=MOST).contains(limit));
                query.limit = limit.ok_or_else(|| wrong(&format!("a number from 1 to {MOST}")))?;
            }
            _ => {
                return Err(Problem::malformed(format!("there is no filter `{key}`"))
                    .hint("status, workflow, failure, about, parent, fork_of, covered, q, before, limit"));
            }
        }
    }
    Ok((query, sought))
}

/// Runs, newest first
#[utoipa::path(
    get, path = "/runs", operation_id = "list_runs", tag = "Runs",
    params(
        ("status" = Option<Vec<String>>, Query, description = "Only runs that stand so; several times for several"),
        ("workflow" = Option<String>, Query, description = "Only runs of this workflow"),
        ("failure" = Option<String>, Query, description = "Only runs that failed so: a failure kind"),
        ("q" = Option<String>, Query, description = "Only runs that this finds: a business key, a start key, the id of an event, what something is known by outside, a run id, or how it begins. Goes with `before` and `limit` alone"),
        ("about" = Option<String>, Query, description = "Only runs with this business key: `about=order=A-17`"),
        ("parent" = Option<String>, Query, description = "Only runs that this one handed work to"),
        ("fork_of" = Option<String>, Query, description = "Only runs that go on from where this one was"),
        ("covered" = Option<bool>, Query, description = "`true`: only runs that another run answers for, because it tries them again or they work for it; `false`: only those that none does"),
        ("before" = Option<String>, Query, description = "The `next` of the page before"),
        ("limit" = Option<u32>, Query, description = "Rows of a page, up to 500; 50 if absent"),
    ),
    responses((status = OK, body = Runs)),
)]
pub(super) async fn list(caller: Caller, RawQuery(text): RawQuery) -> Result<Json<Runs>, Problem> {
    let (mut query, sought) = query(text)?;
    let limit = query.limit;
    // One more tells whether there is another page.
    query.limit = limit + 1;
    let store = caller.app.site.store();
    let mut runs: Vec<Run> = match sought {
        Some(text) => {
            let query = FindQuery { text, whole: false, before: query.before, limit: query.limit };
            store.find(query).await?.into_iter().map(Run::found).collect()
        }
        None => store.runs(query).await?.iter().map(Run::of).collect(),
    };
    let more = runs.len() > limit as usize;
    runs.truncate(limit as usize);
    let next = runs.last().filter(|_| more).map(|run| run.id);
    Ok(Json(Runs { runs, next }))
}

/// How many runs there are, and how much waits.
#[derive(Serialize, ToSchema)]
#[schema(as = RunCounts)]
pub(super) struct Counts {
    counts: Vec<Count>,
    waiting: Waiting,
}

/// How many runs of a workflow stand so.
#[derive(Serialize, ToSchema)]
#[schema(as = RunCount)]
struct Count {
    workflow: Arc<str>,
    status: &'static str,
    /// Which failure, if they failed.
    failure: Option<Arc<str>>,
    /// Another run answers for them: it tries them again, or they work for it.
    covered: bool,
    runs: u64,
}

/// How much waits for people and for answers.
#[derive(Serialize, ToSchema)]
struct Waiting {
    /// Approvals that nobody has decided.
    approvals: u64,
    /// Work that nobody has done.
    work: u64,
    /// Actions that may still be answered.
    effects_open: u64,
    /// Actions of which nobody knows whether they happened.
    effects_unknown: u64,
}

/// How many runs there are, by workflow, status and failure, and how much waits
#[utoipa::path(get, path = "/runs/counts", operation_id = "count_runs", tag = "Runs", responses((status = OK, body = Counts)))]
pub(super) async fn counts(caller: Caller) -> Result<Json<Counts>, Problem> {
    let store = caller.app.site.store();
    let count = |count: RunCount| Count {
        workflow: count.workflow,
        status: count.status.as_str(),
        failure: count.failure,
        covered: count.covered,
        runs: count.runs,
    };
    let counts = store.run_counts().await?.into_iter().map(count).collect();
    let store::Waiting { approvals, work, open, unknown } = store.waiting().await?;
    let waiting = Waiting { approvals, work, effects_open: open, effects_unknown: unknown };
    Ok(Json(Counts { counts, waiting }))
}

/// What several runs are told: those that are named, or those that match.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderSeveral)]
pub(super) struct Several {
    order: Word,
    /// Up to 1000 ids.
    #[serde(default)]
    runs: Vec<String>,
    /// Instead of ids: all that match and that the order changes anything for, the newest 1000 at once; of failed ones those that no other run answers for.
    matching: Option<Matching>,
    /// Which person of people.yaml says so; a program must name one.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// Which runs.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = OrderMatching)]
struct Matching {
    /// How they stand; empty: however.
    #[serde(default)]
    status: Vec<String>,
    workflow: Option<String>,
    failure: Option<String>,
    /// A business key, as `order=A-17`.
    about: Option<String>,
}

/// What came of an order for several runs.
#[derive(Serialize, ToSchema)]
pub(super) struct Ordered {
    /// Runs that are told; each does so as soon as what is open has answered.
    told: u64,
    /// Runs that were over already.
    over: u64,
    runs: Vec<OneOrdered>,
    /// How many matched, told or not, if they were counted.
    matched: Option<u64>,
}

/// What came of it for one run.
#[derive(Serialize, ToSchema)]
struct OneOrdered {
    run: String,
    /// `told`, `over`, `refused`, or `known`: it is tried again already.
    outcome: &'static str,
    /// Why not.
    detail: Option<String>,
}

/// Pauses, resumes or cancels several runs
///
/// Each is told as it would be alone, and what came of it is said for each.
#[utoipa::path(
    post, path = "/runs/order", operation_id = "order_runs", tag = "Runs", request_body = Several,
    responses((status = OK, body = Ordered, description = "Every run was told, or it is said why not")),
)]
pub(super) async fn order_several(caller: Caller, Body(said): Body<Several>) -> Result<Json<Ordered>, Problem> {
    let asker = caller.asker(said.by.as_deref())?;
    let (order, runtime) = (said.order.order(), caller.app.site.runtime());
    let (runs, matched) = match said.matching {
        Some(_) if !said.runs.is_empty() => {
            return Err(Problem::malformed("either `runs` or `matching` says which"));
        }
        Some(matching) => {
            let mut pairs: Vec<(&str, String)> = matching.status.into_iter().map(|status| ("status", status)).collect();
            pairs.extend(matching.workflow.map(|name| ("workflow", name)));
            pairs.extend(matching.failure.map(|kind| ("failure", kind)));
            pairs.extend(matching.about.map(|pair| ("about", pair)));
            let (query, _) = query(serde_urlencoded::to_string(&pairs).ok())?;
            let (rows, matched) = runtime.orderable(query, order).await?;
            (rows.into_iter().map(|row| row.run).collect(), matched)
        }
        None if (1..=ORDER_LIMIT as usize).contains(&said.runs.len()) => {
            (said.runs.iter().map(|run| run_id(run)).collect::<Result<Vec<_>, _>>()?, None)
        }
        None => return Err(Problem::malformed(format!("`runs` names 1 to {ORDER_LIMIT} runs"))),
    };
    let mut ordered = Ordered { told: 0, over: 0, runs: Vec::new(), matched };
    for (run, outcome) in runtime.order_all(runs, order, asker.by).await {
        let (outcome, detail) = match outcome {
            Ok(true) => {
                ordered.told += 1;
                ("told", None)
            }
            Ok(false) => ("known", None),
            Err(why @ RunError::Over { .. }) => {
                ordered.over += 1;
                ("over", Some(why.to_string()))
            }
            Err(why) => ("refused", Some(why.to_string())),
        };
        ordered.runs.push(OneOrdered { run: run.to_string(), outcome, detail });
    }
    Ok(Json(ordered))
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
    let outcomes = runtime.outcomes(OutcomeQuery::Run(run)).await?;
    let json = |value: Option<Value>| value.map_or(serde_json::Value::Null, |value| value.to_serde());
    Ok(Json(Whole {
        run: Run::of(&row),
        input: json(input),
        result: json(result),
        outcome: Together::of(&outcomes).map(Together::as_str),
        outcomes: outcomes.into_iter().map(Came::of).collect(),
        forks: runtime.forks(run).await?.iter().map(onward).collect(),
        report: Report::of(&state, &entries, program.as_deref()),
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
    /// What happened, as one word: `run_started`, `approval_requested`.
    kind: String,
    /// What happened, in words.
    says: String,
    /// All that is kept of it, for programs that check or archive: the journal's form, which grows, and is nobody's to build on.
    kept: serde_json::Value,
}

impl Told {
    fn of(entry: &Entry, event: &Event) -> Told {
        let kept = serde_json::to_value(event).unwrap_or_default();
        Told {
            seq: entry.seq,
            at: entry.at.to_string(),
            step: event.step().map(|step| step.as_str().to_owned()),
            kind: kept["event"].as_str().unwrap_or_default().to_owned(),
            says: kernel::story::line(event),
            kept,
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
    let pairs: Vec<(String, String)> = serde_urlencoded::from_str(&text.unwrap_or_default())
        .map_err(|_| Problem::malformed("the query cannot be read"))?;
    let number =
        |text: &str| text.parse::<u64>().map_err(|_| Problem::malformed(format!("`{text}` is no number of an entry")));
    let after = pairs.iter().find(|(key, _)| key == "after").map(|(_, value)| number(value)).transpose()?;
    // Where a reader left counts before where it began.
    let last = sent("last-event-id").map(number).transpose()?;
    let after = last.or(after).unwrap_or(0);
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
    /// A new run tries a failed one again
    Retry,
}

impl Word {
    fn order(&self) -> Orders {
        match self {
            Word::Pause => Orders::Pause,
            Word::Resume => Orders::Resume,
            Word::Cancel => Orders::Cancel,
            Word::Retry => Orders::Retry,
        }
    }
}

/// Pauses, resumes or cancels a run
///
/// It does so as soon as what is open has answered. `retry` is refused here: it has a path of its own.
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
    let order = order.order.order();
    if order == Orders::Retry {
        let problem = Problem::malformed("who has a run tried again is written down, and an order names nobody");
        return Err(problem.hint("POST to `/runs/{run}/retry`, with `as`"));
    }
    caller.app.site.runtime().order(run, order, caller.name()).await?;
    Ok(StatusCode::ACCEPTED)
}

/// What came of a run.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SayRunOutcome)]
pub(super) struct SayOutcome {
    outcome: RightOrWrong,
    /// Why, in a few words; erased with the run.
    because: String,
    /// Which person of people.yaml says so; a program must name one.
    #[serde(rename = "as")]
    by: Option<String>,
}

#[derive(Deserialize, PartialEq, ToSchema)]
#[serde(rename_all = "snake_case")]
enum RightOrWrong {
    /// It did what it should have done
    Right,
    /// It did not
    Wrong,
}

/// Says whether a run that is over was right
///
/// It changes nothing of the run. The last word of each person counts.
#[utoipa::path(
    post, path = "/runs/{run}/outcome", operation_id = "say_run_outcome", tag = "Runs",
    params(("run" = String, Path, description = "Its id")), request_body = SayOutcome,
    responses((status = OK, body = Came, description = "It is durable, in the place of what this person said before")),
)]
pub(super) async fn say_outcome(
    caller: Caller,
    Path(run): Path<String>,
    Body(said): Body<SayOutcome>,
) -> Result<Json<Came>, Problem> {
    let run = run_id(&run)?;
    let asker = caller.asker(said.by.as_deref())?;
    let right = said.outcome == RightOrWrong::Right;
    let kept = caller.app.site.runtime().say_outcome(run, right, &said.because, &asker).await?;
    Ok(Json(Came::of(kept)))
}

/// A case of a run that is over, as a file
///
/// For `surefoot test`: its input, what models and tools answered, what people said, and what came. It was played, and holds. Personal data of
/// the run are in it.
#[utoipa::path(
    get, path = "/runs/{run}/case", operation_id = "get_run_case", tag = "Runs",
    params(("run" = String, Path, description = "Its id")),
    responses((status = OK, content_type = "application/yaml", body = serde_json::Value)),
)]
pub(super) async fn case(caller: Caller, Path(run): Path<String>) -> Result<Response, Problem> {
    let run = run_id(&run)?;
    let made = super::case_of(&caller.app.site, run).await?;
    Ok(super::file(&format!("{run}.yaml"), "application/yaml", made.text))
}

/// A run that is to be erased.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Erasure {
    /// The legal ground; recorded, and never erased.
    reason: String,
    /// Which person of people.yaml erases it; a program must name one.
    #[serde(rename = "as")]
    by: Option<String>,
}

/// A run that was erased.
#[derive(Serialize, ToSchema)]
#[schema(as = RunErased)]
pub(super) struct Erased {
    run: String,
    by: Arc<str>,
    /// The number of the change that says so.
    change: u64,
    /// Runs that went on from it and hold copies of what they inherited.
    copies: Vec<String>,
}

/// Erases what a run held, for good
///
/// Bodies and salts of its journal, blobs, messages, cards, what people said came of it, its keys. Its chain still verifies, and says who erased it
/// and why. A run that is not over is refused. Not reached is what was exported, sent or printed before.
#[utoipa::path(
    post, path = "/runs/{run}/erasure", operation_id = "erase_run", tag = "Runs",
    params(("run" = String, Path, description = "Its id")), request_body = Erasure, responses((status = OK, body = Erased)),
)]
pub(super) async fn erase(
    caller: Caller,
    Path(run): Path<String>,
    Body(said): Body<Erasure>,
) -> Result<Json<Erased>, Problem> {
    let run = run_id(&run)?;
    let asker = caller.asker(said.by.as_deref())?;
    let reason = said.reason.trim();
    if reason.is_empty() {
        return Err(Problem::malformed("`reason` says why it is erased, and says nothing"));
    }
    let change = caller.app.site.runtime().erase(run, reason, &asker).await?;
    let copies = caller.app.site.runtime().copies(run).await?.iter().map(ToString::to_string).collect();
    Ok(Json(Erased { run: run.to_string(), by: asker.by, change, copies }))
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
