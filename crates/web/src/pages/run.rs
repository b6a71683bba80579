//! `GET /runs/{run}`: what has it done, what does it do, and what does it wait for?

use std::convert::Infallible;

use askama::Template;
use axum::{
    extract::{Path, Query},
    response::{
        IntoResponse as _,
        sse::{Event as Told, KeepAlive, Sse},
    },
};
use futures_util::stream;
use kernel::{
    evidence::{Ledger, Said},
    fork::{self, NotForked, Point},
    governance::{
        budget::{self, Unit},
        charter::Change,
    },
    ids::RunId,
    journal::{Effects, Entry, Event},
    recovery::Failure,
    report::{Call as Todo, Report, calls},
    run::RunState,
    values::{Timestamp, Value},
};
use runtime::{fork::Seen, record::Record};
use serde::Deserialize;
use store::{OutcomeQuery, RunRow, Status};

use super::{Failed, Layout, Sent, Shown, Viewer, effects, go, policies, show, why};
use crate::{
    lately::Cost,
    problem::Problem,
    view::{
        chapters::{Chapter, chapters},
        context::{self, Call},
        decision::Decision,
        outcome::Said as Outcome,
        story::{self, Line, Lines},
        value::{self, Row},
        words::{self, Badge},
    },
};

#[derive(Template)]
#[template(path = "run.html")]
struct RunPage {
    layout: Layout,
    run: String,
    called: String,
    badge: Badge,
    reason: String,
    facts: Vec<(&'static str, String)>,
    buckets: Vec<(&'static str, u64)>,
    doing: Vec<Doing>,
    next: Vec<String>,
    /// A line a step.
    chapters: Vec<Chapter>,
    /// What it inherited, and a line an entry of its own.
    inherited: Vec<Line>,
    lines: Vec<Line>,
    /// The run that it goes on from, and how.
    source: Option<Link>,
    /// Runs that go on from it.
    forks: Vec<Link>,
    /// Where a new run would go on from here; why it cannot.
    fork: Option<Result<Point, String>>,
    /// Where a new run would try it again; why it cannot.
    retry: Option<Result<u64, String>>,
    /// Who erased it, and why.
    erased: Option<String>,
    input: Vec<Row>,
    result: Vec<Row>,
    failed: Option<String>,
    parent: Option<(String, String)>,
    handed: Vec<Handed>,
    /// What steps gave, and where it comes from.
    values: Vec<Gave>,
    acts: Vec<Act>,
    calls: Vec<Call>,
    claims: Vec<Claim>,
    /// Whose limit has to be raised before it goes on, if that is what it waits for.
    short: Option<Short>,
    /// Orders that can be given now.
    orders: Vec<(&'static str, &'static str)>,
    /// What one entry holds, if one is looked at.
    entry: Option<Raw>,
    /// The moment that is looked at.
    moment: Moment,
    /// What people say came of it.
    outcomes: Vec<Outcome>,
    /// Whether one can say what came of it now.
    over: bool,
    /// Cases can be made here.
    cases: bool,
    live: bool,
    /// The last entry that is shown.
    head: u64,
}

/// A limit with no room.
struct Short {
    scope: String,
    unit: &'static str,
    said: String,
}

struct Doing {
    step: String,
    what: String,
    again: String,
    /// Where to do something about it.
    href: Option<(String, &'static str)>,
}

/// Another run, and what it is to this one.
struct Link {
    href: String,
    run: String,
    what: String,
}

struct Handed {
    step: String,
    href: String,
    workflow: String,
    said: &'static str,
}

struct Gave {
    step: String,
    why: String,
    gave: String,
}

/// Something that was to be done outside.
struct Act {
    step: String,
    action: String,
    stands: String,
    class: &'static str,
    decision: Option<Decision>,
    /// The entry in which it was judged: where the request may be tried with other values.
    judged: Option<u64>,
    /// What the journal does not prove about it.
    doubts: Vec<String>,
}

/// What a model said it did.
struct Claim {
    class: &'static str,
    stands: &'static str,
    about: String,
    step: String,
}

struct Raw {
    seq: u64,
    at: String,
    step: String,
    /// Where the values of its step come from.
    why: Option<String>,
    /// What a model was shown, if that is what it says.
    call: Option<Call>,
    /// How an action was judged, if that is what it says.
    decision: Option<Decision>,
    body: Vec<Row>,
}

/// An entry of the journal, and those beside it.
struct Moment {
    /// Whether it is another one than now.
    past: bool,
    at: u64,
    last: u64,
    before: Option<u64>,
    after: Option<u64>,
    when: String,
}

/// What of the run is looked at.
#[derive(Deserialize)]
pub(super) struct Look {
    /// What one entry holds.
    entry: Option<u64>,
    /// The run as it stood right after this entry.
    at: Option<u64>,
}

/// The run that a path names.
pub(super) fn named(text: &str) -> Result<RunId, Failed> {
    text.parse().map_err(|_| Problem::not_found(format!("`{}` is no id of a run", words::plain(text))).into())
}

pub(super) async fn page(viewer: Viewer, Path(run): Path<String>, Query(look): Query<Look>) -> Shown {
    let run = named(&run)?;
    let (runtime, now) = (viewer.app.site.runtime(), viewer.app.site.now());
    let record = runtime.record(run).await?;
    let last = record.entries.last().map_or(0, |entry| entry.seq);
    let at = look.at.map_or(last, |at| at.clamp(1, last.max(1)));
    let past = at < last;
    let record = if past { record.as_of(at) } else { record };
    let Record { row, entries, state, program } = &record;
    let report = Report::of(state, entries, program.as_deref());
    let todo = calls(state);
    let doing = report.doing.iter().map(|one| {
        // What was to be done then is not to be done now.
        let todo = todo.iter().find(|(step, _)| *step == one.step && !past);
        let href = todo.and_then(|(step, call)| match call {
            Todo::Decide(id) => Some((viewer.path(format_args!("/approvals/{id}")), "decide it")),
            Todo::Answer(id) => Some((viewer.path(format_args!("/work/{id}")), "do it")),
            Todo::Resolve => Some((effects::href(&viewer, run, step.as_str()), "say what became of it")),
            Todo::Signal(_) => None,
        });
        Doing {
            step: words::plain(one.step.as_str()),
            what: words::plain(&one.what),
            again: words::plain(one.again.as_deref().unwrap_or_default()),
            href,
        }
    });
    let input = match &state.start {
        Some(start) => runtime.held(run, &start.input).await?.as_ref().map(value::rows).unwrap_or_default(),
        None => Vec::new(),
    };
    let result = match state.end.as_ref().and_then(|end| end.result.as_ref()) {
        Some(held) => runtime.held(run, held).await?.as_ref().map(value::rows).unwrap_or_default(),
        None => Vec::new(),
    };
    let calls = context::calls(entries);
    let entry = look.entry.and_then(|seq| entries.iter().find(|entry| entry.seq == seq));
    let until = if past { state.at } else { row.finished_at.unwrap_or(now) };
    let mut values: Vec<Gave> = Vec::new();
    for done in report.done.iter().rev() {
        let step = words::plain(done.step.as_str());
        if values.len() < MOST && values.iter().all(|one| one.step != step) {
            values.push(Gave {
                step,
                why: why::href(&viewer, run, done.step.as_str()),
                gave: words::plain(&done.gave),
            });
        }
    }
    values.reverse();
    let href = |seq: u64| {
        let at = if past { format!("at={at}&") } else { String::new() };
        viewer.path(format_args!("/runs/{run}?{at}entry={seq}#entry"))
    };
    let outcomes = runtime.outcomes(OutcomeQuery::Run(run)).await?;
    let link =
        |run: RunId, what: String| Link { href: viewer.path(format_args!("/runs/{run}")), run: run.to_string(), what };
    let source = state.fork().and_then(|fork| {
        let (of, word) = (fork.of()?, if fork.retry { "tries again" } else { "goes on from" });
        let effects = format!("{word} it, after its entry {}; effects {}", of.entry, fork.effects.as_str());
        Some(link(of.run, effects))
    });
    let seen = if past { Vec::new() } else { runtime.forks(run).await? };
    let forks = seen.iter().map(|seen| {
        let word = if seen.is_retry() { "tries it again" } else { "goes on from it" };
        let entry = seen.row.fork.map_or(0, |fork| fork.entry);
        link(seen.row.run, format!("{word} after entry {entry}: {}", seen.row.status.as_str()))
    });
    let fork = match fork::point(run, entries, at) {
        Err(NotForked::Erased { .. } | NotForked::NoEntry { .. }) => None,
        point => Some(point.map_err(|why| words::plain(&why.to_string()))),
    };
    let retry = (row.status == Status::Failed && !past && !seen.iter().any(Seen::is_retry)).then(|| {
        fork::retry_point(run, entries).map(|point| point.entry).map_err(|why| words::plain(&why.to_string()))
    });
    let erased = match entries.first() {
        Some(first) if first.body.is_none() => Some(erased(&viewer, run).await?),
        _ => None,
    };
    let Lines { inherited, own } = if erased.is_some() { Lines::default() } else { story::lines(entries) };
    let told = chapters(entries, state.fork(), (program.as_deref(), until), &href);
    let page = RunPage {
        layout: viewer.layout("Run", "What has it done, what does it do now, and what does it wait for?", "runs"),
        run: run.to_string(),
        called: words::plain(&words::called(row)),
        badge: if past { words::PAST } else { words::badge(row.status) },
        reason: if past { String::new() } else { words::plain(&words::reason(row)) },
        facts: facts(row, &report, (state, Cost::all(entries)), until, now),
        buckets: context::buckets(&report.tally.usage),
        doing: doing.collect(),
        next: report.next.iter().map(|name| words::plain(name)).collect(),
        chapters: told,
        inherited,
        lines: own,
        source,
        forks: forks.collect(),
        fork,
        retry: retry.filter(|_| erased.is_none()),
        input,
        result,
        failed: report.failed.as_ref().map(|failure| words::plain(&kernel::story::failure(failure))),
        parent: row.parent.map(|parent| (viewer.path(format_args!("/runs/{parent}")), parent.to_string())),
        handed: report
            .handed
            .iter()
            .map(|one| Handed {
                step: words::plain(one.step.as_str()),
                href: viewer.path(format_args!("/runs/{}", one.run)),
                workflow: one.workflow.to_string(),
                said: one.said.unwrap_or("not over"),
            })
            .collect(),
        values,
        acts: acts(run, entries, viewer.app.site.served().project.policies.is_some()),
        claims: report.claims.iter().map(claim).collect(),
        short: state.paused_over.as_ref().filter(|_| !past).and_then(|(_, why)| short(run, why)),
        orders: if past { Vec::new() } else { orders(row.status) },
        entry: entry.map(|entry| raw(&viewer, run, entry, &calls)),
        calls,
        moment: Moment {
            past,
            at,
            last,
            before: (at > 1).then(|| at - 1),
            after: past.then(|| at + 1),
            // What was inherited happened before the run began.
            when: words::span((state.at.micros() - report.started.unwrap_or(state.at).micros()).max(0)),
        },
        outcomes: outcomes.iter().map(|one| Outcome::of(one, now)).collect(),
        over: row.status.is_final() && !past && erased.is_none(),
        erased,
        cases: viewer.app.site.served().copies.is_some(),
        live: !row.status.is_final() && !past,
        head: row.head.seq,
    };
    show(&page)
}

/// Who erased a run, when and why, as the log of changes has it.
async fn erased(viewer: &Viewer, run: RunId) -> Result<String, Failed> {
    let log = viewer.app.site.store().governance(0).await?;
    let erases = log.iter().rev().find_map(|entry| match Change::read(entry.no, &entry.body) {
        Ok(Change::Erase { run: of, reason }) if of == run => Some((entry, reason)),
        _ => None,
    });
    Ok(match erases {
        Some((entry, reason)) => format!("by {} at {}: {}", words::plain(&entry.by), entry.at, words::plain(&reason)),
        None => "by nobody whom the log of changes names".to_owned(),
    })
}

/// What was short, if a limit is what paused it.
fn short(run: RunId, why: &Failure) -> Option<Short> {
    let (scope, unit) = budget::short_of(why)?;
    let scope = if scope == budget::RUN { format!("run:{run}") } else { scope.to_owned() };
    Some(Short { scope: words::plain(&scope), unit: unit.word(), said: words::plain(&why.detail) })
}

/// Values of steps that a page shows at most: the latest.
const MOST: usize = 100;

/// What the run did outside, or was not allowed to.
fn acts(run: RunId, entries: &[Entry], ruled: bool) -> Vec<Act> {
    let events: Vec<_> = entries.iter().filter_map(|entry| Some((entry, entry.event().ok()?))).collect();
    let ledger = Ledger::of(run, events.iter().map(|(entry, event)| (entry.seq, entry.at, event)));
    let act = |act: &kernel::evidence::Act| Act {
        step: words::plain(act.step.as_str()),
        action: words::plain(&act.name()),
        stands: act.status.as_str().replace('_', " "),
        class: words::act(act.status),
        decision: act.verdict.as_ref().map(|verdict| Decision::of(verdict, Some(&act.grounds))),
        judged: act
            .entries
            .iter()
            .copied()
            .filter(|_| ruled)
            .find(|seq| events.iter().any(|(entry, event)| entry.seq == *seq && policies::judged(event).is_some())),
        doubts: inherited(act).into_iter().chain(kernel::evidence::uncertain(act)).collect(),
    };
    ledger.acts.iter().map(act).collect()
}

fn inherited(act: &kernel::evidence::Act) -> Option<String> {
    act.inherited.then(|| "inherited: the run that this one goes on from did it".to_owned())
}

pub(super) fn claim_words(said: &Said) -> (&'static str, &'static str, String) {
    let (stands, about) = said.claimed.in_words();
    (if said.claimed.fails() { "bad" } else { "good" }, stands, words::plain(&about))
}

fn claim(said: &Said) -> Claim {
    let (class, stands, about) = claim_words(said);
    Claim { class, stands, about, step: words::plain(said.step.as_str()) }
}

fn facts(
    row: &RunRow,
    report: &Report,
    (state, cost): (&RunState, Cost),
    until: Timestamp,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let tally = &report.tally;
    let tokens = tally.usage.tokens() - tally.usage.output - tally.usage.reasoning;
    let mut facts = vec![
        ("workflow", row.workflow.to_string()),
        ("started", format!("{}, {}", row.created_at, words::ago(row.created_at, now))),
        ("took", words::span(until.micros() - row.created_at.micros())),
        ("steps", tally.steps.to_string()),
        ("model calls", tally.asked.to_string()),
        ("actions", tally.actions.to_string()),
        ("tokens", format!("{tokens} in, {} out", tally.usage.output + tally.usage.reasoning)),
        ("entries", tally.entries.to_string()),
        ("version", row.bundle.short()),
    ];
    let open = state.spent.total().get(Unit::Money) - state.spent.settled.get(Unit::Money);
    if cost.money_uusd > 0 || open > 0 || cost.unpriced > 0 {
        let open = if open > 0 { format!(", {} set aside", Unit::Money.show(open)) } else { String::new() };
        let unpriced = match cost.unpriced {
            0 => String::new(),
            many => format!(", {many} without a price"),
        };
        facts.push(("charged", format!("{}{open}{unpriced}", Unit::Money.show(cost.money_uusd))));
    }
    if row.inbox_gen > row.inbox_read {
        facts.push(("unread messages", (row.inbox_gen - row.inbox_read).to_string()));
    }
    facts
}

/// What a run in this state can be told.
fn orders(status: Status) -> Vec<(&'static str, &'static str)> {
    match status {
        Status::Completed | Status::Failed | Status::Cancelled => Vec::new(),
        Status::Paused | Status::Quarantined => vec![("resume", "Resume"), ("cancel", "Cancel")],
        Status::Queued | Status::Running | Status::Waiting | Status::Blocked => {
            vec![("pause", "Pause"), ("cancel", "Cancel")]
        }
    }
}

fn raw(viewer: &Viewer, run: RunId, entry: &Entry, calls: &[Call]) -> Raw {
    let event = entry.event().ok();
    let body = event.as_ref().and_then(|event| serde_json::to_vec(event).ok());
    let body = body.and_then(|bytes| Value::from_json(&bytes).ok());
    let step = event.as_ref().and_then(Event::step);
    Raw {
        seq: entry.seq,
        at: entry.at.to_string(),
        step: step.map(|step| words::plain(step.as_str())).unwrap_or_default(),
        why: step.map(|step| why::href(viewer, run, step.as_str())),
        call: calls.iter().find(|call| call.seq == entry.seq).cloned(),
        decision: match &event {
            Some(Event::ActionStarted { verdict, grounds, .. } | Event::ActionJudged { verdict, grounds, .. }) => {
                Some(Decision::of(verdict, grounds.as_deref()))
            }
            Some(Event::ApprovalRequested { verdict: Some(verdict), grounds, .. }) => {
                Some(Decision::of(verdict, grounds.as_deref()))
            }
            _ => None,
        },
        body: body.as_ref().map(value::rows).unwrap_or_default(),
    }
}

/// What a run is told.
#[derive(Deserialize)]
pub(super) struct Order {
    order: String,
}

/// `POST /runs/{run}/order`: pause, resume or cancel.
pub(super) async fn order(Path(run): Path<String>, sent: Sent<Order>) -> Shown {
    let Sent { viewer, form } = sent;
    let run = named(&run)?;
    let runtime = viewer.app.site.runtime();
    let order = runtime::orders::Order::parse(&form.order).ok_or_else(|| {
        Problem::malformed(format!("`{}` is no order: pause, resume, cancel or retry", words::plain(&form.order)))
    })?;
    let by = match order {
        // It starts a run, and who starts one is written down.
        runtime::orders::Order::Retry => viewer.asker()?.by,
        _ => viewer.session.person.clone().unwrap_or_else(|| "local".into()),
    };
    runtime.order(run, order, by).await?;
    go(&viewer.path(format_args!("/runs/{run}")))
}

/// What came of a run.
#[derive(Deserialize)]
pub(super) struct Came {
    outcome: String,
    because: String,
}

/// `POST /runs/{run}/outcome`: a person says whether the run did what it should have done.
pub(super) async fn say_outcome(Path(run): Path<String>, sent: Sent<Came>) -> Shown {
    let Sent { viewer, form } = sent;
    let run = named(&run)?;
    let asker = viewer.asker()?;
    let right = match &*form.outcome {
        "right" => true,
        "wrong" => false,
        other => {
            let what = format!("`{}` is neither right nor wrong", words::plain(other));
            return Err(Problem::malformed(what).into());
        }
    };
    viewer.app.site.runtime().say_outcome(run, right, &form.because, &asker).await?;
    go(&viewer.path(format_args!("/runs/{run}#outcome")))
}

/// `GET /runs/{run}/case`: a case of the run, as a file.
pub(super) async fn case(viewer: Viewer, Path(run): Path<String>) -> Shown {
    let run = named(&run)?;
    let made = crate::api::case_of(&viewer.app.site, run).await?;
    Ok(crate::api::file(&format!("{run}.yaml"), "application/yaml", made.text))
}

/// Where a run is forked, and how.
#[derive(Deserialize)]
pub(super) struct Fork {
    at: String,
    effects: String,
}

/// `POST /runs/{run}/fork`: a new run goes on from here.
pub(super) async fn fork(Path(run): Path<String>, sent: Sent<Fork>) -> Shown {
    let Sent { viewer, form } = sent;
    let (run, asker) = (named(&run)?, viewer.asker()?);
    let effects = Effects::parse(&form.effects).ok_or_else(|| {
        Problem::malformed(format!("`{}` is none of ask, block and live", words::plain(&form.effects)))
    })?;
    let at = form
        .at
        .parse()
        .map_err(|_| Problem::malformed(format!("`{}` is no number of an entry", words::plain(&form.at))))?;
    let forked = viewer.app.site.runtime().fork(run, Some(at), effects, Some(asker.by)).await?;
    go(&viewer.path(format_args!("/runs/{}", forked.run)))
}

/// Nothing but who asks.
#[derive(Deserialize)]
pub(super) struct Again {}

/// `POST /runs/{run}/retry`: a new run tries a failed one again.
pub(super) async fn retry(Path(run): Path<String>, sent: Sent<Again>) -> Shown {
    let Sent { viewer, .. } = sent;
    let (run, asker) = (named(&run)?, viewer.asker()?);
    let forked = viewer.app.site.runtime().retry(run, Some(asker.by)).await?;
    go(&viewer.path(format_args!("/runs/{}", forked.run)))
}

/// What a page shows already.
#[derive(Deserialize)]
pub(super) struct Since {
    after: u64,
}

/// `GET /runs/{run}/live?after=SEQ`: says `grown` for each entry after the last one that the page shows, until the run is over.
pub(super) async fn live(viewer: Viewer, Path(run): Path<String>, Query(since): Query<Since>) -> Shown {
    let run = named(&run)?;
    let (runtime, head) = (viewer.app.site.runtime(), since.after);
    if viewer.app.site.store().run(run).await?.is_none() {
        return Err(Problem::not_found(format!("there is no run {run}")).into());
    }
    let entries = runtime.entries(run);
    let grown = stream::unfold((entries, viewer.app.closing.clone()), move |(mut entries, mut closing)| async move {
        loop {
            let next = tokio::select! {
                next = entries.next() => next,
                _ = closing.wait_for(|closing| *closing) => return None,
            };
            match next {
                Ok(Some((entry, _))) if entry.seq <= head => {}
                Ok(Some((entry, _))) => {
                    let said = Told::default().event("grown").data(entry.seq.to_string());
                    return Some((Ok::<_, Infallible>(said), (entries, closing)));
                }
                Ok(None) | Err(_) => return None,
            }
        }
    });
    Ok(Sse::new(grown).keep_alive(KeepAlive::default()).into_response())
}
