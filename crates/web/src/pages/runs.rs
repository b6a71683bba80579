//! `GET /runs`: which runs are there, and how do they stand?

use askama::Template;
use axum::extract::RawQuery;
use kernel::{ids::RunId, values::Timestamp};
use store::{RunQuery, RunRow, Status};

use super::{Layout, Shown, Viewer, show};
use crate::view::words::{self, Badge};

/// Rows of a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    layout: Layout,
    filters: Vec<Choice>,
    workflows: Vec<Choice>,
    rows: Vec<Line>,
    /// The next page.
    more: Option<String>,
    /// Whether something is left out.
    filtered: bool,
}

/// Something to choose, as a link.
struct Choice {
    word: String,
    href: String,
    chosen: bool,
}

/// A run in a list.
pub(super) struct Line {
    pub(super) href: String,
    pub(super) called: String,
    pub(super) workflow: String,
    pub(super) badge: Badge,
    pub(super) reason: String,
    pub(super) age: String,
    pub(super) at: String,
    pub(super) took: String,
}

impl Line {
    pub(super) fn of(row: &RunRow, viewer: &Viewer, now: Timestamp) -> Line {
        let until = row.finished_at.unwrap_or(now);
        Line {
            href: viewer.path(format_args!("/runs/{}", row.run)),
            called: words::plain(&words::called(row)),
            workflow: row.workflow.to_string(),
            badge: words::badge(row.status),
            reason: words::plain(&words::reason(row)),
            age: words::ago(row.created_at, now),
            at: row.created_at.to_string(),
            took: words::span(until.micros() - row.created_at.micros()),
        }
    }
}

/// What the address asks for. Unknown keys and values are left out: an old link still shows something.
#[derive(Clone, Debug, Default)]
struct Asked {
    status: Vec<Status>,
    workflow: Option<String>,
    about: Option<(String, String)>,
    before: Option<RunId>,
}

impl Asked {
    fn read(query: &str) -> Asked {
        let mut asked = Asked::default();
        for (key, value) in form_urlencoded(query) {
            match &*key {
                "status" => asked.status.extend(Status::parse(&value)),
                "workflow" if !value.is_empty() => asked.workflow = Some(value),
                "about" => asked.about = value.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())),
                "before" => asked.before = value.parse().ok(),
                _ => {}
            }
        }
        asked
    }

    fn href(&self, viewer: &Viewer) -> String {
        let mut pairs: Vec<(&str, String)> = Vec::new();
        pairs.extend(self.status.iter().map(|status| ("status", status.as_str().to_owned())));
        pairs.extend(self.workflow.iter().map(|name| ("workflow", name.clone())));
        pairs.extend(self.about.iter().map(|(key, value)| ("about", format!("{key}={value}"))));
        pairs.extend(self.before.iter().map(|run| ("before", run.to_string())));
        let query = serde_urlencoded::to_string(&pairs).unwrap_or_default();
        viewer.path(if query.is_empty() { "/runs".to_owned() } else { format!("/runs?{query}") })
    }
}

fn form_urlencoded(query: &str) -> Vec<(String, String)> {
    serde_urlencoded::from_str(query).unwrap_or_default()
}

pub(super) async fn page(viewer: Viewer, RawQuery(query): RawQuery) -> Shown {
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let site = &viewer.app.site;
    let (store, now) = (site.store(), site.now());
    let query = RunQuery {
        status: asked.status.clone(),
        workflow: asked.workflow.as_deref().map(Into::into),
        about: asked.about.clone().map(|(key, value)| (key.into(), value)),
        parent: None,
        fork_of: None,
        before: asked.before,
        // One more tells whether there is another page.
        limit: PAGE + 1,
    };
    let mut rows = store.runs(query).await?;
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let first = Asked { before: None, ..asked.clone() };
    let mut filters = vec![Choice {
        word: "all".to_owned(),
        href: Asked { status: Vec::new(), ..first.clone() }.href(&viewer),
        chosen: asked.status.is_empty(),
    }];
    filters.extend(Status::ALL.into_iter().map(|status| Choice {
        word: status.as_str().to_owned(),
        href: Asked { status: vec![status], ..first.clone() }.href(&viewer),
        chosen: asked.status == [status],
    }));
    let served = site.served();
    let mut workflows = vec![Choice {
        word: "every workflow".to_owned(),
        href: Asked { workflow: None, ..first.clone() }.href(&viewer),
        chosen: asked.workflow.is_none(),
    }];
    workflows.extend(served.project.workflows.keys().map(|name| Choice {
        word: name.to_string(),
        href: Asked { workflow: Some(name.to_string()), ..first.clone() }.href(&viewer),
        chosen: asked.workflow.as_deref() == Some(&**name),
    }));
    let page = RunsPage {
        layout: viewer.layout("Runs", "Which runs are there, and how do they stand?", "runs"),
        filters,
        workflows,
        more: rows.last().filter(|_| more).map(|last| Asked { before: Some(last.run), ..asked.clone() }.href(&viewer)),
        filtered: !asked.status.is_empty() || asked.workflow.is_some() || asked.about.is_some(),
        rows: rows.iter().map(|row| Line::of(row, &viewer, now)).collect(),
    };
    show(&page)
}
