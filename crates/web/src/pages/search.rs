//! `GET /search?q=…`: which run is meant? One that is meant alone is shown at once.

use askama::Template;
use axum::extract::Query;
use kernel::{ids::RunId, values::Timestamp};
use serde::Deserialize;
use store::{FindQuery, Found};

use super::{Layout, Shown, Viewer, go, runs, show};
use crate::view::words;

/// Rows of a page.
const PAGE: u32 = 50;

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    layout: Layout,
    lines: Vec<Line>,
    /// The next page.
    more: Option<String>,
}

/// A run that was found, and by what.
struct Line {
    run: runs::Line,
    by: String,
}

/// What is looked for.
#[derive(Deserialize)]
pub(super) struct Asked {
    q: Option<String>,
    before: Option<String>,
}

pub(super) async fn page(viewer: Viewer, Query(asked): Query<Asked>) -> Shown {
    let text = asked.q.unwrap_or_default().trim().to_owned();
    let before: Option<RunId> = asked.before.and_then(|run| run.parse().ok());
    let (store, now) = (viewer.app.site.store(), viewer.app.site.now());
    let mut found = Vec::new();
    if before.is_none() {
        let whole = FindQuery { text: text.clone(), whole: true, before, limit: PAGE };
        found = store.find(whole).await?;
        if let [one] = &found[..] {
            return go(&viewer.path(format_args!("/runs/{}", one.row.run)));
        }
    }
    // One more tells whether there is another page.
    let query = FindQuery { text: text.clone(), whole: false, before, limit: PAGE + 1 };
    let mut rest = store.find(query).await?;
    if let ([], [one]) = (&found[..], &rest[..])
        && before.is_none()
    {
        return go(&viewer.path(format_args!("/runs/{}", one.row.run)));
    }
    let more = rest.len() > PAGE as usize;
    rest.truncate(PAGE as usize);
    let next = rest.last().filter(|_| more).map(|last| last.row.run);
    // What was told as a whole stands above already.
    rest.retain(|one| !found.iter().any(|before| before.row.run == one.row.run));
    found.extend(rest);
    let more = next.map(|run| {
        let query = serde_urlencoded::to_string([("q", &text), ("before", &run.to_string())]).unwrap_or_default();
        viewer.path(format_args!("/search?{query}"))
    });
    let mut layout = viewer.layout("Search", "Which run is meant?", "search");
    layout.sought = words::plain(&text);
    show(&SearchPage { layout, lines: found.iter().map(|one| line(one, &viewer, now)).collect(), more })
}

fn line(found: &Found, viewer: &Viewer, now: Timestamp) -> Line {
    Line { run: runs::Line::of(&found.row, viewer, now), by: words::found_by(&found.by) }
}
