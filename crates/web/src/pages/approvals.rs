//! `GET /approvals`: what is a person asked? And one card, with what follows on yes and on no.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query};
use kernel::{
    governance::approval::Decision,
    ids::Digest,
    values::{Timestamp, Value},
};
use runtime::govern::{Asked, Decide};
use serde::Deserialize;
use store::{ApprovalQuery, ApprovalRow, ApprovalState};

use super::{Layout, Sent, Shown, Viewer, go, show, why};
use crate::{
    problem::Problem,
    view::{
        value::{self, Row},
        words,
    },
};

#[derive(Template)]
#[template(path = "approvals.html")]
struct ApprovalsPage {
    layout: Layout,
    open: Vec<Line>,
    /// How many there are.
    many: String,
    /// The next page.
    more: Option<String>,
}

/// Rows of a page.
const PAGE: u32 = 50;

/// Where a page of a list begins.
#[derive(Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

/// An approval in a list.
pub(super) struct Line {
    pub(super) href: String,
    pub(super) says: String,
    pub(super) groups: String,
    pub(super) agreed: String,
    pub(super) waits: String,
    pub(super) left: String,
}

#[derive(Template)]
#[template(path = "approval.html")]
struct ApprovalPage {
    layout: Layout,
    action: String,
    run_href: String,
    /// Where its values come from.
    why_href: String,
    step: String,
    says: String,
    why: Vec<Rule>,
    with: Vec<Row>,
    evidence: Vec<Row>,
    form: Vec<Row>,
    model_words: String,
    effect: String,
    on_yes: String,
    on_no: String,
    asks: String,
    by: String,
    left: String,
    /// Pending, and in time.
    open: bool,
    state: &'static str,
    votes: Vec<String>,
    shown: String,
    answerable: bool,
    editable: String,
}

/// A rule that stopped the action.
struct Rule {
    rule: String,
    at: String,
    reason: String,
    values: String,
}

/// The list, oldest first, after one of them; and after which the next page begins, if there is one.
pub(super) async fn lines(
    viewer: &Viewer,
    after: Option<Arc<str>>,
    limit: u32,
) -> Result<(Vec<Line>, Option<Arc<str>>), super::Failed> {
    let (runtime, now) = (viewer.app.site.runtime(), viewer.app.site.now());
    // One more tells whether there is another page.
    let mut rows = runtime.approvals(ApprovalQuery { after, limit: limit + 1, ..ApprovalQuery::default() }).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id.clone());
    Ok((rows.iter().map(|row| line(row, viewer, now)).collect(), next))
}

fn line(row: &ApprovalRow, viewer: &Viewer, now: Timestamp) -> Line {
    let yes = row.votes.iter().filter(|vote| &*vote.decision == "approve").count();
    Line {
        href: viewer.path(format_args!("/approvals/{}", row.id)),
        says: says(row),
        groups: row.groups.join(" or "),
        agreed: if row.quorum > 1 { format!("{yes} of {} agreed", row.quorum) } else { String::new() },
        waits: words::ago(row.requested_at, now),
        left: row.expires_at.map(|at| words::left(at, now)).unwrap_or_default(),
    }
}

/// What the tool says of the action: from the copy beside the approval; deciding compares it with the journal.
fn says(row: &ApprovalRow) -> String {
    let card = row.card.as_deref().and_then(|bytes| Value::from_json(bytes).ok());
    let says = card.as_ref().and_then(|kept| kept.get("card")).and_then(|held| held.get("value").or(Some(held)));
    let says = says.and_then(|card| card.get("says")).and_then(Value::as_str).map(words::plain);
    says.filter(|says| !says.is_empty()).unwrap_or_else(|| format!("step {} asks", row.step))
}

pub(super) async fn list(viewer: Viewer, Query(after): Query<After>) -> Shown {
    let (open, next) = lines(&viewer, after.after.map(Into::into), PAGE).await?;
    let many = words::grouped(viewer.app.site.store().waiting().await?.approvals);
    let more = next.map(|id| viewer.path(format_args!("/approvals?after={id}")));
    let layout = viewer.layout("Approvals", "What is a person asked, and until when?", "approvals");
    show(&ApprovalsPage { layout, open, many, more })
}

async fn find(viewer: &Viewer, id: &str) -> Result<ApprovalRow, super::Failed> {
    let query = ApprovalQuery { id: Some(id.into()), ..ApprovalQuery::default() };
    let row = viewer.app.site.runtime().approvals(query).await?.into_iter().next();
    row.ok_or_else(|| Problem::not_found(format!("there is no approval `{}`", words::plain(id))).into())
}

pub(super) async fn page(viewer: Viewer, Path(id): Path<String>) -> Shown {
    let row = find(&viewer, &id).await?;
    let asked = viewer.app.site.runtime().asked(&row).await?;
    show(&card(&viewer, &row, &asked))
}

fn card(viewer: &Viewer, row: &ApprovalRow, asked: &Asked) -> ApprovalPage {
    let now = viewer.app.site.now();
    let text = |key: &str| asked.card.get(key).and_then(Value::as_str).map(words::plain).unwrap_or_default();
    let rows = |key: &str| asked.card.get(key).filter(|value| !value.is_null()).map(value::rows).unwrap_or_default();
    let why = match asked.card.get("why") {
        Some(Value::List(rules)) => rules.iter().map(rule).collect(),
        _ => Vec::new(),
    };
    let in_time = row.expires_at.is_none_or(|at| at > now);
    ApprovalPage {
        layout: viewer.layout("Approval", "Should this be done?", "approvals"),
        action: viewer.path(format_args!("/approvals/{}/decision", row.id)),
        run_href: viewer.path(format_args!("/runs/{}", row.run)),
        why_href: why::href(viewer, row.run, &row.step),
        step: words::plain(&row.step),
        says: text("says"),
        why,
        with: rows("with"),
        evidence: rows("evidence"),
        form: rows("form"),
        model_words: text("model_words"),
        effect: text("effect"),
        on_yes: text("on_yes"),
        on_no: text("on_no"),
        asks: words::plain(&kernel::story::whom(&asked.terms)),
        by: if row.requested_by.is_empty() { "nobody by name".to_owned() } else { words::plain(&row.requested_by) },
        left: row.expires_at.map(|at| words::left(at, now)).unwrap_or_default(),
        open: row.state == ApprovalState::Pending && in_time,
        state: if row.state == ApprovalState::Pending && !in_time { "out of time" } else { row.state.as_str() },
        votes: row.votes.iter().map(|vote| format!("{} {} at {}", vote.by, vote.decision, vote.at)).collect(),
        shown: row.shown.to_string(),
        answerable: asked.terms.answerable,
        editable: asked.terms.editable.join(", "),
    }
}

fn rule(rule: &Value) -> Rule {
    let part = |key: &str| rule.get(key).and_then(Value::as_str).map(words::plain).unwrap_or_default();
    let values = match rule.get("values") {
        Some(Value::Map(map)) => {
            let pairs = map.iter().map(|(name, value)| format!("{} = {}", words::plain(name), value::text(value)));
            pairs.collect::<Vec<_>>().join(", ")
        }
        _ => String::new(),
    };
    Rule { rule: part("rule"), at: part("at"), reason: part("reason"), values }
}

/// What a person decides.
#[derive(Deserialize)]
pub(super) struct Decided {
    decision: String,
    /// The card that was looked at.
    shown: String,
    reason: Option<String>,
    /// JSON, for an edit or an answer.
    with: Option<String>,
}

/// `POST /approvals/{id}/decision`. Whether the person may is judged by the runtime.
pub(super) async fn decide(Path(id): Path<String>, sent: Sent<Decided>) -> Shown {
    let Sent { viewer, form } = sent;
    let asker = viewer.asker()?;
    let row = find(&viewer, &id).await?;
    let shown: Digest =
        form.shown.parse().map_err(|_| Problem::malformed("the form does not say which card was looked at"))?;
    let reason = form.reason.filter(|reason| !reason.trim().is_empty());
    let with = || {
        let text = form.with.as_deref().unwrap_or_default();
        Value::from_json(text.as_bytes()).map_err(|_| Problem::malformed("what is given instead is no JSON"))
    };
    let decision = match &*form.decision {
        "approve" => Decision::Approve,
        "reject" => Decision::Reject { reason: reason.clone().unwrap_or_default() },
        "edit" => Decision::Edit { with: with()? },
        "answer" => Decision::Answer { value: with()? },
        other => return Err(Problem::malformed(format!("`{}` is no decision", words::plain(other))).into()),
    };
    let decide = Decide { approval: row.id.clone(), decision, shown: Some(shown), reason };
    viewer.app.site.runtime().decide(decide, &asker).await?;
    go(&viewer.path(format_args!("/runs/{}", row.run)))
}
