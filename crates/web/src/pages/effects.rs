//! `GET /effects`: what was sent outside and has no recorded outcome? And one action: what was sent, and what a person found out.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::StatusCode,
};
use kernel::{
    governance::Proposal,
    ids::{RunId, StepPath},
    journal::Event,
    values::{Timestamp, Value},
};
use runtime::{RunError, govern::Outcome};
use serde::Deserialize;
use store::{ActionQuery, ActionState, OpenActionRow};

use super::{Failed, Layout, Sent, Shown, Viewer, go, run::named, show};
use crate::{
    problem::Problem,
    view::{
        decision::Decision,
        form::{self, Form},
        value::{self, Row},
        words,
    },
};

#[derive(Template)]
#[template(path = "effects.html")]
struct EffectsPage {
    layout: Layout,
    parts: Vec<Part>,
}

/// Actions that stand alike.
struct Part {
    title: &'static str,
    /// How many there are.
    many: String,
    effects: Vec<Line>,
    /// The next page.
    more: Option<String>,
}

/// Rows of a page.
const PAGE: u32 = 50;

/// What the address asks for: those that stand so, after a step of a run.
#[derive(Deserialize)]
pub(super) struct Asked {
    state: Option<String>,
    run: Option<String>,
    step: Option<String>,
}

/// An action in a list.
pub(super) struct Line {
    pub(super) href: String,
    pub(super) action: Arc<str>,
    pub(super) step: String,
    pub(super) since: String,
}

#[derive(Template)]
#[template(path = "effect.html")]
struct EffectPage {
    layout: Layout,
    path: String,
    action: String,
    run_href: String,
    step: String,
    /// How it stands, and a colour by meaning.
    stands: (&'static str, &'static str),
    facts: Vec<(&'static str, String)>,
    with: Vec<Row>,
    decision: Option<Decision>,
    /// The sending that is looked at, and the form of what it would have answered; only while nobody knows.
    ask: Option<(u32, Form)>,
    said: Said,
    refused: Option<String>,
}

/// What was written before.
#[derive(Default)]
struct Said {
    outcome: String,
    reason: String,
    external_id: String,
}

/// Which step; a run may have several.
#[derive(Deserialize)]
pub(super) struct Which {
    step: Option<String>,
}

/// Where one action stands.
pub(super) fn href(viewer: &Viewer, run: RunId, step: &str) -> String {
    let query = serde_urlencoded::to_string([("step", step)]).unwrap_or_default();
    viewer.path(format_args!("/effects/{run}?{query}"))
}

/// Actions without a recorded outcome, those of the oldest run first; and after which the next page begins, if there is one.
pub(super) async fn lines(
    viewer: &Viewer,
    query: ActionQuery,
) -> Result<(Vec<Line>, Option<(RunId, Arc<str>)>), Failed> {
    let (now, limit) = (viewer.app.site.now(), query.limit);
    // One more tells whether there is another page.
    let query = ActionQuery { limit: limit + 1, ..query };
    let mut rows = viewer.app.site.runtime().open_actions(query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| (row.run, row.action.step.clone()));
    Ok((rows.iter().map(|row| line(row, viewer, now)).collect(), next))
}

fn line(row: &OpenActionRow, viewer: &Viewer, now: Timestamp) -> Line {
    Line {
        href: href(viewer, row.run, &row.action.step),
        action: row.action.action.clone(),
        step: words::plain(&row.action.step),
        since: words::ago(row.action.since, now),
    }
}

pub(super) async fn list(viewer: Viewer, Query(asked): Query<Asked>) -> Shown {
    let waiting = viewer.app.site.store().waiting().await?;
    let only = asked.state.as_deref().and_then(ActionState::parse);
    let run = asked.run.as_deref().and_then(|run| run.parse().ok());
    let after = run.map(|run| (run, asked.step.as_deref().unwrap_or_default().into()));
    let mut parts = Vec::new();
    for (state, title, many) in [
        (ActionState::Unknown, "Nobody knows whether it happened", waiting.unknown),
        (ActionState::Open, "Sent, and may still answer", waiting.open),
    ] {
        if only.is_some_and(|only| only != state) {
            continue;
        }
        // Where one goes on is a place in one of the two.
        let after = after.clone().filter(|_| only.is_some());
        let query = ActionQuery { state: Some(state), after, limit: PAGE, ..ActionQuery::default() };
        let (effects, next) = lines(&viewer, query).await?;
        let more = next.map(|(run, step)| {
            let pairs = [("state", state.as_str()), ("run", &run.to_string()), ("step", &step)];
            viewer.path(format_args!("/effects?{}", serde_urlencoded::to_string(pairs).unwrap_or_default()))
        });
        parts.push(Part { title, many: words::grouped(many), effects, more });
    }
    parts.retain(|part| !part.effects.is_empty());
    let layout = viewer.layout("Effects", "What was sent outside and has no recorded outcome?", "effects");
    show(&EffectsPage { layout, parts })
}

pub(super) async fn page(viewer: Viewer, Path(run): Path<String>, Query(which): Query<Which>) -> Shown {
    show(&one(&viewer, named(&run)?, which.step).await?)
}

/// What was announced before its first byte left.
struct Begun {
    proposal: Proposal,
    decision: Decision,
}

async fn one(viewer: &Viewer, run: RunId, step: Option<String>) -> Result<EffectPage, Failed> {
    let site = &viewer.app.site;
    let (runtime, now) = (site.runtime(), site.now());
    let query = ActionQuery { run: Some(run), limit: u32::MAX, ..ActionQuery::default() };
    let open = runtime.open_actions(query).await?;
    let here = |row: &&OpenActionRow| step.as_deref().is_none_or(|step| *row.action.step == *step);
    let row = open.iter().filter(here).min_by_key(|row| row.state != ActionState::Unknown);
    let step = row.map(|row| row.action.step.to_string()).or(step);
    let step = StepPath::new(step.ok_or_else(|| Problem::not_found(format!("run {run} waits for no outcome")))?);
    let record = runtime.record(run).await?;
    let begun = record.entries.iter().rev().filter_map(|entry| entry.event().ok()).find_map(|event| match event {
        Event::ActionStarted { step: of, proposal, verdict, grounds, .. } if of == step => {
            Some(Begun { decision: Decision::of(&verdict, grounds.as_deref()), proposal })
        }
        _ => None,
    });
    let begun = begun.ok_or_else(|| {
        Problem::not_found(format!("run {run} did nothing outside at `{}`", words::plain(step.as_str())))
    })?;
    let proposal = &begun.proposal;
    let with = runtime.held(run, &proposal.with).await?;
    let mut facts = vec![("class", class(&proposal.effect.as_str().into()))];
    let mut ask = None;
    let stands = match row {
        Some(row) => {
            facts.push(("sent", words::times(row.action.attempt)));
            facts.push(("since", format!("{}, {}", row.action.since, words::ago(row.action.since, now))));
            facts.push(("under the key", row.action.key.to_string()));
            if row.state == ActionState::Unknown {
                ask = Some((row.action.attempt, answer_of(viewer, proposal)));
                ("nobody knows whether it happened", "bad")
            } else {
                ("it may still answer", "busy")
            }
        }
        None => ("its outcome is recorded", "good"),
    };
    Ok(EffectPage {
        layout: viewer.layout("Effect", "Did it happen?", "effects"),
        path: href(viewer, run, step.as_str()),
        action: format!("{}.{}", proposal.tool, proposal.operation),
        run_href: viewer.path(format_args!("/runs/{run}")),
        step: words::plain(step.as_str()),
        stands,
        facts,
        with: with.as_ref().map(value::rows).unwrap_or_default(),
        decision: Some(begun.decision),
        ask,
        said: Said::default(),
        refused: None,
    })
}

/// What the tool would have answered, as its file says today.
fn answer_of(viewer: &Viewer, proposal: &Proposal) -> Form {
    let served = viewer.app.site.served();
    let tool = served.project.tools.get(&proposal.tool);
    let returns = tool.and_then(|tool| tool.operations.get(&proposal.operation)?.returns.clone());
    let schema = returns.and_then(|schema| Value::from_json(schema.json().to_string().as_bytes()).ok());
    match schema {
        Some(schema) => Form::of(&schema).beside_others(),
        None => Form::of(&Value::Bool(true)).beside_others().optional(),
    }
}

fn class(effect: &Arc<str>) -> String {
    let says = match &**effect {
        "read" => "only reads",
        "idempotent" => "may be sent again, and the receiver does it once",
        "probed" => "a probe can ask whether it was performed",
        "at_most_once" => "never sent twice, and only a person can find out",
        _ => "",
    };
    format!("{effect}: {says}")
}

/// `POST /effects/{run}?step=…`: what a person found out. What is not taken comes back with what was written.
pub(super) async fn resolve(Path(run): Path<String>, Query(which): Query<Which>, sent: Sent<form::Sent>) -> Shown {
    let Sent { viewer, form: sent } = sent;
    let asker = viewer.asker()?;
    let run = named(&run)?;
    let mut page = one(&viewer, run, which.step.clone()).await?;
    let text = |name: &str| sent.get(name).map(|text| text.trim().to_owned()).unwrap_or_default();
    page.said = Said { outcome: text("outcome"), reason: text("reason"), external_id: text("external_id") };
    let outcome = match (&page.ask, &*page.said.outcome) {
        (None, _) => Err(format!("{}: nothing is to be said", page.stands.0)),
        (Some((_, form)), "performed") => form.read(&sent).map(|output| {
            let id = Some(&*page.said.external_id).filter(|id| !id.is_empty());
            Outcome::Performed { output, external_id: id.map(Into::into) }
        }),
        (Some(_), "not_performed") => Ok(Outcome::NotPerformed),
        (Some(_), "given_up") => Ok(Outcome::GivenUp),
        _ => Err("say what became of it".to_owned()),
    };
    let reason = page.said.reason.clone();
    let why = match (outcome, text("attempt").parse().ok()) {
        (Err(why), _) => why,
        (Ok(_), _) if reason.is_empty() => "say how it is known".to_owned(),
        (Ok(_), None) => "the form does not say which sending was looked at".to_owned(),
        (Ok(outcome), attempt) => {
            let step = StepPath::new(which.step.unwrap_or_default());
            match viewer.app.site.runtime().resolve(run, (&step, attempt), outcome, &reason, &asker).await {
                Ok(_) => return go(&viewer.path(format_args!("/runs/{run}"))),
                Err(RunError::NotTaken { why }) => why,
                Err(error) => return Err(error.into()),
            }
        }
    };
    page.refused = Some(words::plain(&why));
    page.ask = page.ask.map(|(attempt, form)| (attempt, form.filled(&sent)));
    let mut response = show(&page)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}
