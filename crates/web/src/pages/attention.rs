//! `GET /`: what needs a person now?

use std::sync::Arc;

use askama::Template;
use runtime::budget::Standing;
use store::{RunQuery, Status};

use super::{Layout, Shown, Viewer, approvals, effects, runs, show, work};
use crate::view::words;

/// Lines of each part; the page behind it has all of them.
const MOST: u32 = 20;

#[derive(Template)]
#[template(path = "attention.html")]
struct AttentionPage {
    layout: Layout,
    approvals: Vec<approvals::Line>,
    work: Vec<work::Line>,
    unknown: Vec<effects::Line>,
    stuck: Vec<runs::Line>,
    failed: Vec<Cause>,
    money: Vec<Sum>,
    complaints: Vec<String>,
    quiet: bool,
    runs_href: String,
}

/// Runs that failed of one cause.
struct Cause {
    cause: String,
    workflow: Arc<str>,
    count: usize,
    last: runs::Line,
}

/// A limit that is near or reached.
struct Sum {
    scope: String,
    said: String,
    frozen: bool,
}

pub(super) async fn page(viewer: Viewer) -> Shown {
    let site = &viewer.app.site;
    let (runtime, store, now) = (site.runtime(), site.store(), site.now());
    let approvals = approvals::lines(&viewer, MOST).await?;
    let work = work::lines(&viewer, None, MOST).await?;
    let (unknown, _) = effects::lines(&viewer, MOST as usize).await?;
    let status = vec![Status::Paused, Status::Blocked, Status::Quarantined];
    let stuck = store.runs(RunQuery { status, limit: MOST, ..RunQuery::default() }).await?;
    let failed = store.runs(RunQuery { status: vec![Status::Failed], limit: 200, ..RunQuery::default() }).await?;
    let mut causes: Vec<Cause> = Vec::new();
    for row in &failed {
        let cause = row.failure.as_deref().unwrap_or("unknown");
        match causes.iter_mut().find(|known| known.cause == cause && known.workflow == row.workflow) {
            Some(known) => known.count += 1,
            None => causes.push(Cause {
                cause: cause.to_owned(),
                workflow: row.workflow.clone(),
                count: 1,
                last: runs::Line::of(row, &viewer, now),
            }),
        }
    }
    let money = runtime.budgets().await?;
    let money = money.iter().filter(|sum| sum.frozen || sum.is_near()).map(sum);
    let complaints =
        site.files().borrow().complaints.iter().take(MOST as usize).map(|one| words::plain(&one.to_string())).collect();
    let mut page = AttentionPage {
        layout: viewer.layout("Needs attention", "What needs a person now?", "attention"),
        approvals,
        work,
        unknown,
        stuck: stuck.iter().map(|row| runs::Line::of(row, &viewer, now)).collect(),
        failed: causes,
        money: money.collect(),
        complaints,
        quiet: false,
        runs_href: viewer.path("/runs"),
    };
    page.quiet = page.approvals.is_empty()
        && page.work.is_empty()
        && page.unknown.is_empty()
        && page.stuck.is_empty()
        && page.failed.is_empty()
        && page.money.is_empty()
        && page.complaints.is_empty();
    show(&page)
}

fn sum(sum: &Standing) -> Sum {
    let used = sum.settled.saturating_add(sum.reserved);
    Sum {
        scope: words::plain(&sum.scope),
        said: format!("{} of {}", sum.unit.show(used), sum.unit.show(sum.limit)),
        frozen: sum.frozen,
    }
}
