//! `GET /`: what needs a person now?

use std::sync::Arc;

use askama::Template;
use runtime::budget::Standing;
use store::{ActionQuery, ActionState, RunCount, RunQuery, Status};

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
    /// How many there are of each, where not all stand here.
    many: Many,
    /// Where all that do not go on by themselves are listed.
    stuck_href: String,
    money: Vec<Sum>,
    complaints: Vec<String>,
    quiet: bool,
    runs_href: String,
    choose: bool,
}

/// How many there are; nothing where all of them are shown.
struct Many {
    approvals: String,
    work: String,
    unknown: String,
    stuck: String,
    failed: String,
}

/// Runs that failed of one cause.
struct Cause {
    cause: String,
    workflow: Arc<str>,
    count: String,
    href: String,
    /// What finds them among runs.
    query: String,
    last: Option<runs::Line>,
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
    let (approvals, _) = approvals::lines(&viewer, None, MOST).await?;
    let (work, _) = work::lines(&viewer, (None, None), MOST).await?;
    let (unknown, _) = effects::lines(
        &viewer,
        ActionQuery { state: Some(ActionState::Unknown), limit: MOST, ..ActionQuery::default() },
    )
    .await?;
    let parked =
        runs::Asked { status: vec![Status::Paused, Status::Blocked, Status::Quarantined], ..Default::default() };
    let stuck = store.runs(RunQuery { status: parked.status.clone(), limit: MOST, ..RunQuery::default() }).await?;
    let (counts, waiting) = (store.run_counts().await?, store.waiting().await?);
    let mut causes: Vec<&RunCount> =
        counts.iter().filter(|count| count.status == Status::Failed && !count.covered).collect();
    causes.sort_by_key(|count| std::cmp::Reverse(count.runs));
    let rest = causes.len().saturating_sub(MOST as usize) as u64;
    let mut failed = Vec::new();
    for count in causes.into_iter().take(MOST as usize) {
        let last = RunQuery {
            status: vec![Status::Failed],
            workflow: Some(count.workflow.clone()),
            failure: count.failure.clone(),
            covered: Some(false),
            limit: 1,
            ..RunQuery::default()
        };
        let last = store.runs(last).await?;
        let asked = runs::Asked {
            status: vec![Status::Failed],
            workflow: Some(count.workflow.to_string()),
            failure: count.failure.as_deref().map(str::to_owned),
            covered: Some(false),
            ..Default::default()
        };
        failed.push(Cause {
            cause: words::plain(count.failure.as_deref().unwrap_or("unknown")),
            workflow: count.workflow.clone(),
            count: words::grouped(count.runs),
            href: asked.href(&viewer),
            query: asked.written(),
            last: last.first().map(|row| runs::Line::of(row, &viewer, now)),
        });
    }
    let parked_runs = counts.iter().filter(|count| parked.status.contains(&count.status)).map(|count| count.runs).sum();
    let more = |many: u64, shown: usize| if many > shown as u64 { words::grouped(many) } else { String::new() };
    let many = Many {
        approvals: more(waiting.approvals, approvals.len()),
        work: more(waiting.work, work.len()),
        unknown: more(waiting.unknown, unknown.len()),
        stuck: more(parked_runs, stuck.len()),
        failed: if rest > 0 { words::grouped(rest) } else { String::new() },
    };
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
        failed,
        many,
        stuck_href: parked.href(&viewer),
        money: money.collect(),
        complaints,
        quiet: false,
        runs_href: viewer.path("/runs"),
        choose: false,
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
