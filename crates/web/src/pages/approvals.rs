//! `GET /approvals`: what is a person asked? And one card, with what follows on yes and on no.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::StatusCode,
};
use kernel::{
    governance::approval::{self, Decision},
    ids::Digest,
    values::{Timestamp, Value},
};
use runtime::{
    RunError,
    govern::{Asked, Decide},
};
use serde::Deserialize;
use store::{ApprovalQuery, ApprovalRow, ApprovalState, VoteRow};

use super::{Layout, Sent, Shown, Viewer, go, policies as rules, show, why};
use crate::{
    problem::Problem,
    view::{
        form::{self, Form},
        policies,
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
    /// What is asked for instead of a yes.
    answer: Option<Form>,
    /// The arguments that a person may change.
    change: Option<Form>,
    /// What would become of it as it is written.
    checked: Option<Checked>,
    check: String,
    reason: String,
    /// Why a decision was not taken.
    refused: Option<String>,
}

/// What the rules say of arguments that somebody wrote.
enum Checked {
    Verdict(policies::Verdict),
    /// Why they cannot be judged.
    Refused(Vec<String>),
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
    let with = with(&viewer, &row, &asked).await?;
    show(&card(&viewer, &row, &asked, with.as_ref()))
}

/// What is asked about: the entry that did, the operation, and the arguments whole.
struct With {
    seq: u64,
    action: String,
    with: Value,
}

async fn with(viewer: &Viewer, row: &ApprovalRow, asked: &Asked) -> Result<Option<With>, super::Failed> {
    let Some((seq, proposal)) = &asked.proposal else { return Ok(None) };
    let action = format!("{}.{}", proposal.tool, proposal.operation);
    let with = viewer.app.site.runtime().held(row.run, &proposal.with).await?;
    Ok(with.map(|with| With { seq: *seq, action, with }))
}

fn card(viewer: &Viewer, row: &ApprovalRow, asked: &Asked, with: Option<&With>) -> ApprovalPage {
    let now = viewer.app.site.now();
    let text = |key: &str| asked.card.get(key).and_then(Value::as_str).map(words::plain).unwrap_or_default();
    let rows = |key: &str| asked.card.get(key).filter(|value| !value.is_null()).map(value::rows).unwrap_or_default();
    let why = match asked.card.get("why") {
        Some(Value::List(rules)) => rules.iter().map(rule).collect(),
        _ => Vec::new(),
    };
    let served = viewer.app.site.served();
    let schema = |with: &With| rules::operation(&served.project, &with.action).map_or(Value::Bool(true), rules::params);
    let change = with.filter(|_| !asked.terms.answerable);
    let change = change.map(|with| Form::of_some(&schema(with), &asked.terms.editable).showing(&with.with));
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
        model_words: text("model_words"),
        effect: text("effect"),
        on_yes: text("on_yes"),
        on_no: text("on_no"),
        asks: words::plain(&kernel::story::whom(&asked.terms)),
        by: if row.requested_by.is_empty() { "nobody by name".to_owned() } else { words::plain(&row.requested_by) },
        left: row.expires_at.map(|at| words::left(at, now)).unwrap_or_default(),
        open: row.state == ApprovalState::Pending && in_time,
        state: if row.state == ApprovalState::Pending && !in_time { "out of time" } else { row.state.as_str() },
        votes: row.votes.iter().map(|vote| said(vote, asked.reasons.get(&vote.by))).collect(),
        shown: row.shown.to_string(),
        answer: asked
            .terms
            .answerable
            .then(|| Form::of(asked.card.get("form").unwrap_or(&Value::Bool(true))).beside_others()),
        change: change.filter(|change| !change.fields.is_empty()),
        checked: None,
        check: viewer.path(format_args!("/approvals/{}/check", row.id)),
        reason: String::new(),
        refused: None,
    }
}

/// `ines approved at …: it was agreed`.
fn said(vote: &VoteRow, reason: Option<&String>) -> String {
    let decided = match &*vote.decision {
        "approve" => "approved",
        "reject" => "rejected",
        "edit" => "changed it",
        "answer" => "answered",
        other => other,
    };
    let reason = reason.map(|reason| format!(": {}", words::plain(reason))).unwrap_or_default();
    format!("{} {decided} at {}{reason}", words::plain(&vote.by), vote.at)
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

/// `POST /approvals/{id}/decision`. Whether the person may is judged by the runtime. What is not taken comes back with what was written.
pub(super) async fn decide(Path(id): Path<String>, sent: Sent<form::Sent>) -> Shown {
    let Sent { viewer, form: sent } = sent;
    let asker = viewer.asker()?;
    let row = find(&viewer, &id).await?;
    let runtime = viewer.app.site.runtime();
    let asked = runtime.asked(&row).await?;
    let with = with(&viewer, &row, &asked).await?;
    let page = card(&viewer, &row, &asked, with.as_ref());
    let text = |name: &str| sent.get(name).map(|text| text.trim()).unwrap_or_default();
    let shown: Digest =
        text("shown").parse().map_err(|_| Problem::malformed("the form does not say which card was looked at"))?;
    let reason = Some(text("reason")).filter(|reason| !reason.is_empty()).map(str::to_owned);
    let decision = match text("decision") {
        // Nobody approves one thing and has another before his eyes.
        "approve" => match changed(page.change.as_ref(), with.as_ref(), &sent) {
            Ok(None) => Ok(Decision::Approve),
            Ok(Some(_)) => {
                Err("you have changed values, and a yes is to those that were asked about: change them and ask again, \
                 or write them as they were"
                    .to_owned())
            }
            Err(why) => Err(why),
        },
        "reject" => Ok(Decision::Reject { reason: reason.clone().unwrap_or_default() }),
        "edit" => changed(page.change.as_ref(), with.as_ref(), &sent)
            .and_then(|edit| edit.ok_or_else(|| NO_CHANGE.to_owned()))
            .map(|with| Decision::Edit { with }),
        "answer" => match &page.answer {
            Some(form) => form.read(&sent).map(|value| Decision::Answer { value }),
            None => Err("nothing is asked for here but a yes or a no".to_owned()),
        },
        other => return Err(Problem::malformed(format!("`{}` is no decision", words::plain(other))).into()),
    };
    let why = match decision {
        Err(why) => why,
        Ok(decision) => {
            let decide = Decide { approval: row.id.clone(), decision, shown: Some(shown), reason };
            match runtime.decide(decide, &asker).await {
                Ok(_) => return go(&viewer.path(format_args!("/runs/{}", row.run))),
                Err(RunError::NotTaken { why }) => why,
                Err(other) => return Err(other.into()),
            }
        }
    };
    let mut response = show(&ApprovalPage { refused: Some(words::plain(&why)), ..written(page, &sent) })?;
    *response.status_mut() = StatusCode::CONFLICT;
    Ok(response)
}

/// The page with what was written on it.
fn written(page: ApprovalPage, sent: &form::Sent) -> ApprovalPage {
    let reason = sent.get("reason").cloned().unwrap_or_default();
    let filled = |form: Option<Form>| form.map(|form| form.filled(sent));
    ApprovalPage { answer: filled(page.answer), change: filled(page.change), reason, ..page }
}

const NO_CHANGE: &str = "nothing was changed";

/// The arguments that somebody wrote otherwise than they were.
fn changed(form: Option<&Form>, with: Option<&With>, sent: &form::Sent) -> Result<Option<Value>, String> {
    match (form, with) {
        (Some(form), Some(with)) => form.changed(sent, &with.with),
        _ => Ok(None),
    }
}

/// `POST /approvals/{id}/check`: what the rules say of what is written now. Nothing is decided, and nothing is kept.
pub(super) async fn check(Path(id): Path<String>, sent: Sent<form::Sent>) -> Shown {
    let Sent { viewer, form: sent } = sent;
    let row = find(&viewer, &id).await?;
    let asked = viewer.app.site.runtime().asked(&row).await?;
    let with = with(&viewer, &row, &asked).await?;
    let page = card(&viewer, &row, &asked, with.as_ref());
    let checked = match (changed(page.change.as_ref(), with.as_ref(), &sent), &with) {
        (Err(why), _) => Some(Checked::Refused(vec![why])),
        (Ok(None), _) => Some(Checked::Refused(vec![NO_CHANGE.to_owned()])),
        (Ok(Some(_)), None) => None,
        (Ok(Some(edit)), Some(with)) => {
            let input = approval::edited(&with.with, &edit);
            let judged = rules::judged_with(&viewer, (row.run, with.seq), input).await?;
            judged.map(|judged| match judged {
                Ok(verdict) => Checked::Verdict(verdict),
                Err(refused) => Checked::Refused(refused.iter().map(|why| words::plain(why)).collect()),
            })
        }
    };
    show(&ApprovalPage { checked, ..written(page, &sent) })
}
