//! `GET /holds`: what may not begin now, and why?

use std::collections::BTreeSet;

use askama::Template;
use serde::Deserialize;

use super::{Layout, Sent, Shown, Viewer, go, show};
use crate::{problem::Problem, view::words};

#[derive(Template)]
#[template(path = "holds.html")]
struct HoldsPage {
    layout: Layout,
    held: Vec<Held>,
    /// What the project has that can be held.
    scopes: Vec<String>,
}

struct Held {
    scope: String,
    by: String,
    reason: String,
    since: String,
    /// The project has nothing of this name.
    strange: bool,
}

pub(super) async fn page(viewer: Viewer) -> Shown {
    let site = &viewer.app.site;
    let (served, now) = (site.served(), site.now());
    let project = &served.project;
    let mut scopes = BTreeSet::new();
    for (name, tool) in &project.tools {
        scopes.insert(format!("tool:{name}"));
        scopes.extend(tool.operations.keys().map(|operation| format!("tool:{name}.{operation}")));
    }
    scopes.extend(project.file.models.keys().map(|name| format!("model:{name}")));
    scopes.extend(project.workflows.keys().map(|name| format!("workflow:{name}")));
    let charter = site.runtime().charter().await?;
    let held = charter.held().iter().map(|(scope, hold)| Held {
        scope: words::plain(scope),
        by: words::plain(&hold.by),
        reason: words::plain(&hold.reason),
        since: words::ago(hold.at, now),
        strange: !scopes.contains(&**scope) && !scope.starts_with("tenant:"),
    });
    let held = held.collect();
    let layout = viewer.layout("Holds", "What may not begin now, and why?", "holds");
    show(&HoldsPage { layout, held, scopes: scopes.into_iter().collect() })
}

/// What is stopped, or goes on.
#[derive(Deserialize)]
pub(super) struct Change {
    /// `hold` or `release`.
    change: String,
    scope: String,
    reason: Option<String>,
}

/// `POST /holds`: a tool, model, workflow or tenant is stopped at once, or goes on.
pub(super) async fn change(sent: Sent<Change>) -> Shown {
    let Sent { viewer, form } = sent;
    let asker = viewer.asker()?;
    let runtime = viewer.app.site.runtime();
    let (scope, reason) = (form.scope.trim(), form.reason.as_deref().unwrap_or_default().trim());
    match &*form.change {
        "hold" => runtime.hold(scope, reason, &asker).await?,
        "release" => runtime.release(scope, reason, &asker).await?,
        other => {
            let what = format!("`{}` is neither hold nor release", words::plain(other));
            return Err(Problem::malformed(what).into());
        }
    };
    go(&viewer.path("/holds"))
}
