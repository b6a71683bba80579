//! `GET /runs/{run}`: what has it done, what does it do, and what does it wait for?

use std::convert::Infallible;

use askama::Template;
use axum::{
    extract::{Path, Query},
    response::{
        IntoResponse as _,
        sse::{Event as Sent, KeepAlive, Sse},
    },
};
use futures_util::stream;
use kernel::{
    ids::RunId,
    journal::Entry,
    report::{Call, Report, calls},
    values::{Timestamp, Value},
};
use runtime::record::Record;
use serde::Deserialize;
use store::{RunRow, Status};

use super::{Failed, Layout, Sent as SentForm, Shown, Viewer, go, show};
use crate::{
    problem::Problem,
    view::{
        story::{self, Line},
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
    doing: Vec<Doing>,
    next: Vec<String>,
    lines: Vec<Line>,
    input: Vec<Row>,
    result: Vec<Row>,
    failed: Option<String>,
    parent: Option<(String, String)>,
    handed: Vec<Handed>,
    /// Orders that can be given now.
    orders: Vec<(&'static str, &'static str)>,
    /// What one entry holds, if one is looked at.
    entry: Option<Raw>,
    live: bool,
}

struct Doing {
    step: String,
    what: String,
    again: String,
    /// Where to do something about it.
    href: Option<(String, &'static str)>,
}

struct Handed {
    step: String,
    href: String,
    workflow: String,
    said: &'static str,
}

struct Raw {
    seq: u64,
    at: String,
    body: Vec<Row>,
}

/// What of the run is looked at.
#[derive(Deserialize)]
pub(super) struct Look {
    entry: Option<u64>,
}

/// The run that a path names.
pub(super) fn named(text: &str) -> Result<RunId, Failed> {
    text.parse().map_err(|_| Problem::not_found(format!("`{}` is no id of a run", words::plain(text))).into())
}

pub(super) async fn page(viewer: Viewer, Path(run): Path<String>, Query(look): Query<Look>) -> Shown {
    let run = named(&run)?;
    let (runtime, now) = (viewer.app.site.runtime(), viewer.app.site.now());
    let Record { row, entries, state, program } = runtime.record(run).await?;
    let report = Report::of(&state, &entries, program.as_deref());
    let todo = calls(&state);
    let doing = report.doing.iter().map(|one| {
        let href = todo.iter().find(|(step, _)| *step == one.step).and_then(|(_, call)| match call {
            Call::Decide(id) => Some((viewer.path(format_args!("/approvals/{id}")), "decide it")),
            _ => None,
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
    let entry = look.entry.and_then(|seq| entries.iter().find(|entry| entry.seq == seq)).map(raw);
    let live = !row.status.is_final();
    let page = RunPage {
        layout: viewer.layout("Run", "What has it done, what does it do now, and what does it wait for?", "runs"),
        run: run.to_string(),
        called: words::plain(&words::called(&row)),
        badge: words::badge(row.status),
        reason: words::plain(&words::reason(&row)),
        facts: facts(&row, &report, now),
        doing: doing.collect(),
        next: report.next.iter().map(|name| words::plain(name)).collect(),
        lines: story::lines(&entries),
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
        orders: orders(row.status),
        entry,
        live,
    };
    show(&page)
}

fn facts(row: &RunRow, report: &Report, now: Timestamp) -> Vec<(&'static str, String)> {
    let tally = &report.tally;
    let until = row.finished_at.unwrap_or(now);
    let tokens = tally.usage.tokens() - tally.usage.output - tally.usage.reasoning;
    let mut facts = vec![
        ("workflow", row.workflow.to_string()),
        ("started", format!("{}, {}", row.created_at, words::ago(row.created_at, now))),
        ("took", words::span(until.micros() - row.created_at.micros())),
        ("steps", tally.steps.to_string()),
        ("model calls", tally.asked.to_string()),
        ("actions", tally.actions.to_string()),
        ("tokens", format!("{tokens} in, {} out", tally.usage.output + tally.usage.reasoning)),
        ("entries", row.head.seq.to_string()),
        ("version", row.bundle.short()),
    ];
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

fn raw(entry: &Entry) -> Raw {
    let body = entry.event().ok().and_then(|event| serde_json::to_vec(&event).ok());
    let body = body.and_then(|bytes| Value::from_json(&bytes).ok());
    Raw { seq: entry.seq, at: entry.at.to_string(), body: body.as_ref().map(value::rows).unwrap_or_default() }
}

/// What a run is told.
#[derive(Deserialize)]
pub(super) struct Order {
    order: String,
}

/// `POST /runs/{run}/order`: pause, resume or cancel.
pub(super) async fn order(Path(run): Path<String>, sent: SentForm<Order>) -> Shown {
    let SentForm { viewer, form } = sent;
    let run = named(&run)?;
    let runtime = viewer.app.site.runtime();
    let by = viewer.session.person.clone().unwrap_or_else(|| "local".into());
    match &*form.order {
        "pause" => runtime.pause(run, by).await?,
        "resume" => runtime.resume(run, by).await?,
        "cancel" => runtime.cancel(run, by).await?,
        other => {
            return Err(
                Problem::malformed(format!("`{}` is no order: pause, resume or cancel", words::plain(other))).into()
            );
        }
    };
    go(&viewer.path(format_args!("/runs/{run}")))
}

/// `GET /runs/{run}/live`: says `grown` whenever the journal has grown, until the run is over.
pub(super) async fn live(viewer: Viewer, Path(run): Path<String>) -> Shown {
    let run = named(&run)?;
    let runtime = viewer.app.site.runtime();
    let head = runtime.record(run).await?.row.head.seq;
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
                    let said = Sent::default().event("grown").data(entry.seq.to_string());
                    return Some((Ok::<_, Infallible>(said), (entries, closing)));
                }
                Ok(None) | Err(_) => return None,
            }
        }
    });
    Ok(Sse::new(grown).keep_alive(KeepAlive::default()).into_response())
}
