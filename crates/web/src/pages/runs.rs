//! `GET /runs`: which runs are there, and how do they stand? And orders for several of them.

use std::collections::BTreeSet;

use askama::Template;
use axum::extract::RawQuery;
use kernel::{ids::RunId, values::Timestamp};
use runtime::{
    RunError,
    orders::{ORDER_LIMIT, Order},
};
use store::{RunCount, RunQuery, RunRow, Status};

use super::{Failed, Layout, Sent, Shown, Viewer, show};
use crate::{
    problem::Problem,
    view::{
        form,
        words::{self, Badge},
    },
};

/// Rows of a page.
const PAGE: u32 = 50;

/// Runs that a question about several of them names.
const NAMED: usize = 20;

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsPage {
    layout: Layout,
    /// How runs stand, of which workflow, and with which failure: each with how many there are.
    facets: Vec<Facet>,
    /// What a form of filters carries besides.
    filters: Vec<(&'static str, String)>,
    about: String,
    /// The filters, as a query: an order for all that match says so.
    query: String,
    /// Runs that match; `None`: they were not counted.
    many: Option<String>,
    rows: Vec<Line>,
    /// What the runs can be told.
    orders: Vec<(&'static str, &'static str)>,
    /// The next page.
    more: Option<String>,
    /// Whether something is left out.
    filtered: bool,
    /// What cannot be read of what was asked for.
    wrong: Vec<String>,
    choose: bool,
}

/// Filters of one sort.
struct Facet {
    label: &'static str,
    choices: Vec<Choice>,
}

/// Something to choose, as a link.
struct Choice {
    word: String,
    href: String,
    count: String,
    chosen: bool,
}

/// A run in a list.
pub(super) struct Line {
    pub(super) run: RunId,
    pub(super) href: String,
    pub(super) called: String,
    pub(super) workflow: String,
    pub(super) badge: Badge,
    pub(super) reason: String,
    pub(super) cost: String,
    pub(super) age: String,
    pub(super) at: String,
    pub(super) took: String,
}

impl Line {
    pub(super) fn of(row: &RunRow, viewer: &Viewer, now: Timestamp) -> Line {
        let until = row.finished_at.unwrap_or(now);
        Line {
            run: row.run,
            href: viewer.path(format_args!("/runs/{}", row.run)),
            called: words::plain(&words::called(row)),
            workflow: row.workflow.to_string(),
            badge: words::badge(row.status),
            reason: words::plain(&words::reason(row)),
            cost: words::cost(row.cost),
            age: words::ago(row.created_at, now),
            at: row.created_at.to_string(),
            took: words::span(until.micros() - row.created_at.micros()),
        }
    }
}

/// What the address asks for. Unknown keys are left out: an old link still shows something. What cannot be read is told, and shows nothing:
/// without it, there would be more than was asked for.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) status: Vec<Status>,
    pub(super) workflow: Option<String>,
    pub(super) failure: Option<String>,
    pub(super) about: Option<(String, String)>,
    pub(super) covered: Option<bool>,
    pub(super) before: Option<RunId>,
    /// What cannot be read, in sentences.
    pub(super) wrong: Vec<String>,
}

impl Asked {
    fn read(query: &str) -> Asked {
        let mut asked = Asked::default();
        for (key, value) in serde_urlencoded::from_str::<Vec<(String, String)>>(query).unwrap_or_default() {
            match &*key {
                "status" if !value.is_empty() => match Status::parse(&value) {
                    Some(status) => asked.status.push(status),
                    None => asked.wrong.push(format!("no run stands so: `{}`", words::plain(&value))),
                },
                "workflow" if !value.is_empty() => asked.workflow = Some(value),
                "failure" if !value.is_empty() => asked.failure = Some(value),
                "about" if !value.trim().is_empty() => match value.split_once('=') {
                    Some((key, value)) => asked.about = Some((key.trim().to_owned(), value.trim().to_owned())),
                    None => asked.wrong.push(format!(
                        "`{}` has no name: write `order=A-17`, or look for it with *Find a run*",
                        words::plain(&value)
                    )),
                },
                "covered" if !value.is_empty() => match value.parse() {
                    Ok(covered) => asked.covered = Some(covered),
                    Err(_) => asked.wrong.push("`covered` is true or false".to_owned()),
                },
                "before" if !value.is_empty() => match value.parse() {
                    Ok(run) => asked.before = Some(run),
                    Err(_) => asked.wrong.push(format!("`{}` is no run", words::plain(&value))),
                },
                _ => {}
            }
        }
        asked
    }

    fn filters(&self) -> Vec<(&'static str, String)> {
        let mut pairs: Vec<(&'static str, String)> = Vec::new();
        pairs.extend(self.status.iter().map(|status| ("status", status.as_str().to_owned())));
        pairs.extend(self.workflow.iter().map(|name| ("workflow", name.clone())));
        pairs.extend(self.failure.iter().map(|kind| ("failure", kind.clone())));
        pairs.extend(self.covered.iter().map(|covered| ("covered", covered.to_string())));
        pairs
    }

    pub(super) fn written(&self) -> String {
        let mut pairs = self.filters();
        pairs.extend(self.about.iter().map(|(key, value)| ("about", format!("{key}={value}"))));
        pairs.extend(self.before.iter().map(|run| ("before", run.to_string())));
        serde_urlencoded::to_string(&pairs).unwrap_or_default()
    }

    pub(super) fn href(&self, viewer: &Viewer) -> String {
        let query = self.written();
        viewer.path(if query.is_empty() { "/runs".to_owned() } else { format!("/runs?{query}") })
    }

    fn query(&self, limit: u32) -> RunQuery {
        RunQuery {
            status: self.status.clone(),
            workflow: self.workflow.as_deref().map(Into::into),
            failure: self.failure.as_deref().map(Into::into),
            about: self.about.clone().map(|(key, value)| (key.into(), value)),
            parent: None,
            fork_of: None,
            covered: self.covered,
            before: self.before,
            limit,
        }
    }

    /// Whether runs that are counted together are asked for.
    fn wants(&self, count: &RunCount) -> bool {
        (self.status.is_empty() || self.status.contains(&count.status))
            && self.workflow.as_deref().is_none_or(|workflow| *workflow == *count.workflow)
            && self.failure.as_deref().is_none_or(|failure| count.failure.as_deref() == Some(failure))
            && self.covered.is_none_or(|covered| count.covered == covered)
    }
}

pub(super) async fn page(viewer: Viewer, RawQuery(query): RawQuery) -> Shown {
    let asked = Asked::read(query.as_deref().unwrap_or_default());
    let site = &viewer.app.site;
    let (store, now) = (site.store(), site.now());
    // One more tells whether there is another page.
    let mut rows = if asked.wrong.is_empty() { store.runs(asked.query(PAGE + 1)).await? } else { Vec::new() };
    let more = rows.len() > PAGE as usize;
    rows.truncate(PAGE as usize);
    let counts = store.run_counts().await?;
    let first = Asked { before: None, ..asked.clone() };
    let many: u64 = counts.iter().filter(|count| first.wants(count)).map(|count| count.runs).sum();
    let orders = Order::ALL.into_iter().filter(|order| rows.iter().any(|row| order.is_for(row.status)));
    let page = RunsPage {
        layout: viewer.layout("Runs", "Which runs are there, and how do they stand?", "runs"),
        facets: facets(&viewer, &first, &counts),
        filters: first.filters(),
        about: asked.about.as_ref().map(|(key, value)| format!("{key}={value}")).unwrap_or_default(),
        query: first.written(),
        many: asked.about.is_none().then(|| words::runs(many)),
        more: rows.last().filter(|_| more).map(|last| Asked { before: Some(last.run), ..asked.clone() }.href(&viewer)),
        filtered: !first.filters().is_empty() || asked.about.is_some() || !asked.wrong.is_empty(),
        wrong: asked.wrong.clone(),
        orders: orders.map(|order| (order.as_str(), word(order))).collect(),
        rows: rows.iter().map(|row| Line::of(row, &viewer, now)).collect(),
        choose: true,
    };
    show(&page)
}

/// What can be chosen, each with how many runs the list would have.
fn facets(viewer: &Viewer, asked: &Asked, counts: &[RunCount]) -> Vec<Facet> {
    let choice = |word: &str, asked: Asked, chosen: bool| {
        let many: u64 = counts.iter().filter(|count| asked.wants(count)).map(|count| count.runs).sum();
        Choice { word: words::plain(word), href: asked.href(viewer), count: words::grouped(many), chosen }
    };
    let mut stands = vec![choice(
        "all",
        Asked { status: Vec::new(), failure: None, covered: None, ..asked.clone() },
        asked.status.is_empty(),
    )];
    stands.extend(Status::ALL.into_iter().map(|status| {
        let is_failed = status == Status::Failed;
        let failure = asked.failure.clone().filter(|_| is_failed);
        let covered = asked.covered.filter(|_| is_failed);
        let asks = Asked { status: vec![status], failure, covered, ..asked.clone() };
        choice(status.as_str(), asks, asked.status == [status])
    }));
    let mut facets = vec![Facet { label: "How runs stand", choices: stands }];
    let served = viewer.app.site.served();
    let mut names: BTreeSet<&str> = served.project.workflows.keys().map(|name| &**name).collect();
    names.extend(counts.iter().map(|count| &*count.workflow));
    if names.len() > 1 {
        let mut workflows =
            vec![choice("every workflow", Asked { workflow: None, ..asked.clone() }, asked.workflow.is_none())];
        workflows.extend(names.into_iter().map(|name| {
            let chosen = asked.workflow.as_deref() == Some(name);
            choice(name, Asked { workflow: Some(name.to_owned()), ..asked.clone() }, chosen)
        }));
        facets.push(Facet { label: "Workflows", choices: workflows });
    }
    let kinds: BTreeSet<&str> = counts.iter().filter_map(|count| count.failure.as_deref()).collect();
    if (asked.failure.is_some() || asked.status.contains(&Status::Failed)) && !kinds.is_empty() {
        let mut failures =
            vec![choice("every cause", Asked { failure: None, ..asked.clone() }, asked.failure.is_none())];
        failures.extend(kinds.into_iter().map(|kind| {
            let chosen = asked.failure.as_deref() == Some(kind);
            let failed = Asked { failure: Some(kind.to_owned()), status: vec![Status::Failed], ..asked.clone() };
            choice(kind, failed, chosen)
        }));
        facets.push(Facet { label: "Causes of failure", choices: failures });
    }
    if asked.covered.is_some() || asked.status == [Status::Failed] {
        let covered = |covered| Asked { covered, ..asked.clone() };
        let answered = vec![
            choice("answered for or not", covered(None), asked.covered.is_none()),
            choice("no run answers for it", covered(Some(false)), asked.covered == Some(false)),
            choice("tried again, or works for another run", covered(Some(true)), asked.covered == Some(true)),
        ];
        facets.push(Facet { label: "Whether another run answers for them", choices: answered });
    }
    facets
}

fn word(order: Order) -> &'static str {
    match order {
        Order::Pause => "Pause",
        Order::Resume => "Resume",
        Order::Cancel => "Cancel",
        Order::Retry => "Retry",
    }
}

/// Asks once more before several runs are told anything, and says what came of it.
#[derive(Template)]
#[template(path = "orders.html")]
struct OrdersPage {
    layout: Layout,
    /// `Pause 12 runs?`, or what was done.
    says: String,
    /// What else there is to know.
    note: String,
    /// What the question is about; nothing once it was done.
    ask: Option<Ask>,
    /// Runs that could not be told, with the reason.
    refused: Vec<(Line, String)>,
    back: String,
}

struct Ask {
    order: &'static str,
    word: &'static str,
    runs: Vec<RunId>,
    rows: Vec<Line>,
    /// Runs that are not named one by one.
    others: usize,
    query: String,
}

/// The names of check boxes begin so; a run's id follows.
const CHOSEN: &str = "run.";

/// `POST /runs/orders`: pause, resume or cancel several. Without `sure`, it asks; with it, the runs that were named are told.
pub(super) async fn order(sent: Sent<form::Sent>) -> Shown {
    let Sent { viewer, form } = sent;
    let by = viewer.asker()?.by;
    let said = form.get("order").map(String::as_str).unwrap_or_default();
    let order = Order::parse(said).ok_or_else(|| {
        Problem::malformed(format!("`{}` is no order: pause, resume, cancel or retry", words::plain(said)))
    })?;
    let asked = Asked::read(form.get("query").map(String::as_str).unwrap_or_default());
    if let Some(wrong) = asked.wrong.first() {
        return Err(Problem::malformed(wrong.clone()).into());
    }
    let chosen = form.keys().filter_map(|name| name.strip_prefix(CHOSEN)?.parse::<RunId>().ok());
    let mut chosen: Vec<RunId> = chosen.take(ORDER_LIMIT as usize).collect();
    chosen.sort_unstable_by(|a, b| b.cmp(a));
    if form.contains_key("sure") {
        return show(&done(&viewer, order, chosen, by, &asked).await?);
    }
    let site = &viewer.app.site;
    let (rows, many) = if form.contains_key("all") {
        site.runtime().orderable(asked.query(ORDER_LIMIT), order).await?
    } else {
        let mut rows = Vec::new();
        for run in chosen {
            rows.extend(site.store().run(run).await?);
        }
        (rows, None)
    };
    let count = rows.len() as u64;
    let note = match many {
        Some(many) if many > count => {
            format!("{} match. At once, at most {} are told: the newest.", words::runs(many), words::grouped(count))
        }
        None if count == u64::from(ORDER_LIMIT) => {
            format!("There may be more that match. At once, at most {} are told: the newest.", words::grouped(count))
        }
        _ => String::new(),
    };
    let now = site.now();
    let ask = Ask {
        order: order.as_str(),
        word: word(order),
        runs: rows.iter().map(|row| row.run).collect(),
        rows: rows.iter().take(NAMED).map(|row| Line::of(row, &viewer, now)).collect(),
        others: rows.len().saturating_sub(NAMED),
        query: asked.written(),
    };
    let says = match count {
        0 => format!("There is no run to {}", order.as_str()),
        count => format!("{} {}?", word(order), words::runs(count)),
    };
    show(&OrdersPage {
        layout: viewer.layout("Several runs", "Is it these that are to be told?", "runs"),
        says,
        note,
        ask: Some(ask).filter(|ask| !ask.runs.is_empty()),
        refused: Vec::new(),
        back: asked.href(&viewer),
    })
}

async fn done(
    viewer: &Viewer,
    order: Order,
    runs: Vec<RunId>,
    by: std::sync::Arc<str>,
    asked: &Asked,
) -> Result<OrdersPage, Failed> {
    let site = &viewer.app.site;
    let now = site.now();
    let (mut told, mut over, mut known) = (0, 0, 0);
    let mut refused = Vec::new();
    for (run, outcome) in site.runtime().order_all(runs, order, by).await {
        match outcome {
            Ok(true) => told += 1,
            Ok(false) => known += 1,
            Err(RunError::Over { .. }) => over += 1,
            Err(why) => {
                if let Some(row) = site.store().run(run).await? {
                    refused.push((Line::of(&row, viewer, now), words::plain(&why.to_string())));
                }
            }
        }
    }
    let mut lines = vec![format!("{} told to {}", words::runs(told), order.as_str())];
    lines.extend(
        (over > 0)
            .then(|| format!("{} over already", if over == 1 { "1 was".to_owned() } else { format!("{over} were") })),
    );
    lines.extend((known > 0).then(|| format!("{} tried again already", words::runs(known))));
    lines.extend((!refused.is_empty()).then(|| format!("{} could not be told", words::runs(refused.len() as u64))));
    Ok(OrdersPage {
        layout: viewer.layout("Several runs", "What came of it?", "runs"),
        says: lines.join(", "),
        note: match order {
            Order::Retry => "A run of its own tries each again, from before the step that failed.".to_owned(),
            _ => "Each does so as soon as what is open has answered.".to_owned(),
        },
        ask: None,
        refused,
        back: asked.href(viewer),
    })
}
