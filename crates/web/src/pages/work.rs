//! `GET /work`: what is there to do, and until when? And one piece of work: what is known, what is claimed, and the form of the answer.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query},
    http::StatusCode,
};
use kernel::values::{Timestamp, Value};
use runtime::{RunError, work::Handed};
use serde::Deserialize;
use store::{WorkQuery, WorkRow};

use super::{Failed, Layout, Sent, Shown, Viewer, go, show};
use crate::{
    problem::Problem,
    view::{
        form::{self, Form},
        value::{self, Row},
        words,
    },
};

#[derive(Template)]
#[template(path = "work.html")]
struct WorkPage {
    layout: Layout,
    groups: Vec<(Arc<str>, bool)>,
    all: bool,
    lines: Vec<Line>,
    /// How many there are, of all groups.
    many: String,
    /// The next page.
    more: Option<String>,
}

/// Rows of a page.
const PAGE: u32 = 50;

/// Work in a list.
pub(super) struct Line {
    pub(super) href: String,
    pub(super) says: String,
    pub(super) queue: Arc<str>,
    /// Who does it, if somebody does.
    pub(super) claimed: String,
    pub(super) waits: String,
    pub(super) left: String,
}

#[derive(Template)]
#[template(path = "work_item.html")]
struct WorkItemPage {
    layout: Layout,
    /// Where its forms go.
    path: String,
    says: String,
    queue: Arc<str>,
    run_href: String,
    step: String,
    opened: String,
    left: String,
    known: Vec<Standing>,
    claimed: Vec<Standing>,
    /// Who does it.
    by: Option<Arc<str>>,
    /// Whether that is whoever looks.
    mine: bool,
    open: bool,
    form: Option<Form>,
    /// Where an effect is resolved, if that is the work.
    resolve: Option<String>,
    /// Who could do it as well.
    others: Vec<Arc<str>>,
    answered: Option<Answered>,
    /// Why the answer was not taken.
    refused: Option<String>,
}

/// What was answered first.
struct Answered {
    by: String,
    rows: Vec<Row>,
}

/// A value that came with the work, and where it is from.
struct Standing {
    name: String,
    rows: Vec<Row>,
    from: String,
}

/// What the address asks for.
#[derive(Deserialize)]
pub(super) struct Look {
    group: Option<String>,
    after: Option<String>,
}

/// The list of a queue, or of all, oldest first, after one of them; and after which the next page begins, if there is one.
pub(super) async fn lines(
    viewer: &Viewer,
    (queue, after): (Option<Arc<str>>, Option<Arc<str>>),
    limit: u32,
) -> Result<(Vec<Line>, Option<Arc<str>>), Failed> {
    let now = viewer.app.site.now();
    // One more tells whether there is another page.
    let query = WorkQuery { queue, after, limit: limit + 1, ..WorkQuery::default() };
    let mut rows = viewer.app.site.runtime().work(query).await?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| more).map(|row| row.id.clone());
    Ok((rows.iter().map(|row| line(row, viewer, now)).collect(), next))
}

fn line(row: &WorkRow, viewer: &Viewer, now: Timestamp) -> Line {
    Line {
        href: viewer.path(format_args!("/work/{}", row.id)),
        says: task(row),
        queue: row.queue.clone(),
        claimed: row.claimed_by.as_deref().map(|by| format!("{} does it", words::plain(by))).unwrap_or_default(),
        waits: words::ago(row.opened_at, now),
        left: row.due_at.map(|at| words::left(at, now)).unwrap_or_default(),
    }
}

/// What is to be done: from the copy beside the work; its page shows the journal's.
fn task(row: &WorkRow) -> String {
    let card = row.card.as_deref().and_then(|bytes| Value::from_json(bytes).ok());
    let task = card.as_ref().and_then(|held| held.get("value").or(Some(held))?.get("task")?.as_str().map(words::plain));
    task.filter(|task| !task.is_empty()).unwrap_or_else(|| format!("step {}", words::plain(&row.step)))
}

pub(super) async fn list(viewer: Viewer, Query(look): Query<Look>) -> Shown {
    let group = look.group.filter(|group| !group.is_empty());
    let (lines, next) = lines(&viewer, (group.as_deref().map(Into::into), look.after.map(Into::into)), PAGE).await?;
    let many = words::grouped(viewer.app.site.store().waiting().await?.work);
    let more = next.map(|id| {
        let pairs = [("group", group.as_deref().unwrap_or_default()), ("after", &id)];
        viewer.path(format_args!("/work?{}", serde_urlencoded::to_string(pairs).unwrap_or_default()))
    });
    let served = viewer.app.site.served();
    let groups = served.project.people.group_names();
    let page = WorkPage {
        layout: viewer.layout("Work", "What is there for people to do, and until when?", "work"),
        groups: groups.map(|name| (name.clone(), group.as_deref() == Some(&**name))).collect(),
        all: group.is_none(),
        lines,
        many,
        more,
    };
    show(&page)
}

async fn find(viewer: &Viewer, id: &str) -> Result<WorkRow, Failed> {
    let query = WorkQuery { id: Some(id.into()), all_states: true, ..WorkQuery::default() };
    let row = viewer.app.site.runtime().work(query).await?.into_iter().next();
    row.ok_or_else(|| Problem::not_found(format!("there is no work `{}`", words::plain(id))).into())
}

pub(super) async fn page(viewer: Viewer, Path(id): Path<String>) -> Shown {
    let row = find(&viewer, &id).await?;
    let handed = viewer.app.site.runtime().handed(&row).await?;
    show(&item(&viewer, &row, &handed).await?)
}

async fn item(viewer: &Viewer, row: &WorkRow, handed: &Handed) -> Result<WorkItemPage, Failed> {
    let site = &viewer.app.site;
    let (now, served) = (site.now(), site.served());
    let (card, me) = (&handed.card, viewer.session.person.as_ref());
    let answered = match &handed.answer {
        Some((held, by)) => {
            let value = site.runtime().held(row.run, held).await?;
            Some(Answered { by: words::plain(by), rows: value.as_ref().map(value::rows).unwrap_or_default() })
        }
        None => None,
    };
    let open = row.closed_at.is_none() && answered.is_none();
    let resolves = card.get("resolves").is_some();
    let others = served.project.people.present(&row.queue, now);
    Ok(WorkItemPage {
        layout: viewer.layout("Work", "What is to be done, and what is known about it?", "work"),
        path: viewer.path(format_args!("/work/{}", row.id)),
        says: card.get("task").and_then(Value::as_str).map(words::plain).unwrap_or_default(),
        queue: row.queue.clone(),
        run_href: viewer.path(format_args!("/runs/{}", row.run)),
        step: words::plain(&row.step),
        opened: words::ago(row.opened_at, now),
        left: row.due_at.map(|at| words::left(at, now)).unwrap_or_default(),
        known: standings(card, "fact"),
        claimed: standings(card, "claim"),
        by: row.claimed_by.clone(),
        mine: row.claimed_by.is_some() && row.claimed_by.as_ref() == me,
        open,
        form: (open && !resolves).then(|| Form::of(card.get("contract").unwrap_or(&Value::Bool(true)))),
        resolve: (open && resolves).then(|| super::effects::href(viewer, row.run, &row.step)),
        others: others.into_iter().filter(|one| Some(one) != row.claimed_by.as_ref()).collect(),
        answered,
        refused: None,
    })
}

/// The values that came with the work and stand so: as facts, or as claims.
fn standings(card: &Value, wanted: &str) -> Vec<Standing> {
    let (Some(Value::Map(values)), evidence) = (card.get("artifact"), card.get("evidence")) else { return Vec::new() };
    let standing = |name: &Arc<str>, value: &Value| {
        let known = evidence.and_then(|evidence| evidence.get(name))?;
        let from = match known.get("from") {
            Some(Value::List(from)) => from.iter().filter_map(Value::as_str).map(words::plain).collect::<Vec<_>>(),
            _ => Vec::new(),
        };
        let is = known.get("standing").and_then(Value::as_str) == Some(wanted);
        is.then(|| Standing { name: words::plain(name), rows: value::rows(value), from: from.join(", ") })
    };
    values.iter().filter_map(|(name, value)| standing(name, value)).collect()
}

/// Nothing but what every form carries.
#[derive(Deserialize)]
pub(super) struct Nothing {}

/// `POST /work/{id}/claim`: whoever looks does it.
pub(super) async fn claim(Path(id): Path<String>, sent: Sent<Nothing>) -> Shown {
    let viewer = sent.viewer;
    let asker = viewer.asker()?;
    let row = viewer.app.site.runtime().claim_work(&id.into(), &asker).await?;
    go(&viewer.path(format_args!("/work/{}", row.id)))
}

/// To whom work is passed on; nobody: back to its group.
#[derive(Deserialize)]
pub(super) struct Passed {
    to: Option<String>,
}

/// `POST /work/{id}/holder`: it is passed on to somebody else, or given back.
pub(super) async fn pass(Path(id): Path<String>, sent: Sent<Passed>) -> Shown {
    let Sent { viewer, form } = sent;
    let asker = viewer.asker()?;
    let to: Option<Arc<str>> = form.to.filter(|to| !to.is_empty()).map(Into::into);
    let row = viewer.app.site.runtime().reassign_work(&id.into(), to.as_ref(), &asker).await?;
    go(&viewer.path(format_args!("/work/{}", row.id)))
}

/// `POST /work/{id}/answer`: what came of it. What is not taken comes back with what was written.
pub(super) async fn answer(Path(id): Path<String>, sent: Sent<form::Sent>) -> Shown {
    let Sent { viewer, form: sent } = sent;
    let asker = viewer.asker()?;
    let row = find(&viewer, &id).await?;
    let runtime = viewer.app.site.runtime();
    let handed = runtime.handed(&row).await?;
    let mut page = item(&viewer, &row, &handed).await?;
    let output = match &page.form {
        Some(form) => form.read(&sent),
        None => Err("this work is done, or no answer settles it".to_owned()),
    };
    let why = match output {
        Err(why) => why,
        Ok(output) => match runtime.answer_work(&row.id, output, &asker).await {
            Ok(_) => return go(&viewer.path(format_args!("/runs/{}", row.run))),
            Err(RunError::NotTaken { why }) => why,
            Err(error) => return Err(error.into()),
        },
    };
    page.refused = Some(words::plain(&why));
    page.form = page.form.map(|form| form.filled(&sent));
    let mut response = show(&page)?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}
