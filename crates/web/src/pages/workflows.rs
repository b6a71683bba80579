//! `GET /workflows` and `GET /workflows/{workflow}`: what do the workflows do, and how did they fare lately?

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, Query};
use kernel::{governance::budget::Unit, workflow::changes::How};
use serde::Deserialize;
use store::{OutcomeQuery, RunOutcome};

use super::{Layout, Shown, Viewer, show};
use crate::{
    lately::{self, Counted, MOST, OfStep, OfWorkflow},
    view::{
        graph::{self, Picture},
        lines::Line,
        outcome::Said,
        versions::{self, Compared},
        words,
    },
};

#[derive(Template)]
#[template(path = "workflows.html")]
struct WorkflowsPage {
    layout: Layout,
    workflows: Vec<Workflow>,
    /// Runs of each that are looked at, at most.
    most: u32,
}

/// A workflow in the list.
struct Workflow {
    name: Arc<str>,
    title: String,
    facts: Vec<(&'static str, String)>,
}

pub(super) async fn list(viewer: Viewer) -> Shown {
    let site = &viewer.app.site;
    let served = site.served();
    let mut workflows = Vec::new();
    for (name, program) in &served.project.workflows {
        let fared = lately::of_workflow(site, program, MOST).await?;
        workflows.push(Workflow { name: name.clone(), title: words::plain(&program.title), facts: facts(&fared) });
    }
    let layout = viewer.layout("Workflows", "What do the workflows do, and how did they fare lately?", "workflows");
    show(&WorkflowsPage { layout, workflows, most: MOST })
}

/// How the last runs of a workflow fared, in words.
fn facts(fared: &OfWorkflow<'_>) -> Vec<(&'static str, String)> {
    let Counted { seen, completed, failed, cancelled, open, right, wrong, disputed } = fared.counted;
    if seen == 0 {
        return Vec::new();
    }
    let told = |all: &[(u32, &str)]| {
        let there = all.iter().filter(|(many, _)| *many > 0).map(|(many, word)| format!("{many} {word}"));
        there.collect::<Vec<_>>().join(", ")
    };
    let runs = told(&[(completed, "completed"), (failed, "failed"), (cancelled, "cancelled"), (open, "not over")]);
    let mut facts = vec![("last runs", format!("{seen}: {runs}"))];
    let said = told(&[(right, "right"), (wrong, "wrong"), (disputed, "disputed")]);
    if !said.is_empty() {
        facts.push(("people say", said));
    }
    let money = |amount: i64| Unit::Money.show(amount);
    if fared.cost.money_uusd > 0 {
        let each = fared.cost.money_uusd / i64::from(seen);
        let wasted = match fared.wasted_uusd() {
            0 => String::new(),
            wasted => format!("; {} of it for runs that failed or were wrong", money(wasted)),
        };
        facts.push(("charged", format!("{}, {} a run{wasted}", money(fared.cost.money_uusd), money(each))));
    }
    if fared.cost.unpriced > 0 {
        facts.push(("without a price", format!("{} answers of models", fared.cost.unpriced)));
    }
    facts
}

#[derive(Template)]
#[template(path = "workflow.html")]
struct WorkflowPage {
    layout: Layout,
    name: Arc<str>,
    title: String,
    file: Arc<str>,
    facts: Vec<(&'static str, String)>,
    picture: Picture,
    steps: Vec<Step>,
    versions: Vec<Version>,
    wrong: Vec<Wrong>,
    /// Cases can be made here.
    cases: bool,
    most: u32,
}

/// A step, and how it fared.
struct Step {
    name: Arc<str>,
    kind: &'static str,
    stands: String,
    success: String,
    median: String,
    p95: String,
    cost: String,
    tokens: String,
    failures: String,
    class: &'static str,
}

struct Version {
    digest: String,
    short: String,
    current: bool,
    runs: u64,
    since: String,
    /// Where it is compared with the version before it.
    href: Option<String>,
}

/// A run that people say was wrong.
struct Wrong {
    run: String,
    short: String,
    said: Said,
}

/// Runs judged wrong that a page shows, at most.
const WRONG: u32 = 20;

pub(super) async fn page(viewer: Viewer, Path(name): Path<String>) -> Shown {
    let site = &viewer.app.site;
    let (served, now) = (site.served(), site.now());
    let all = &served.project.workflows;
    let program = all.get(&*name).ok_or_else(|| versions::unknown(all, &name))?;
    let fared = lately::of_workflow(site, program, MOST).await?;
    let known = versions::all(site, &program.name).await?;
    let compare = |from: &versions::Version, to: &versions::Version| {
        viewer.path(format_args!("/workflows/{}/changes?from={}&to={}", program.name, from.bundle, to.bundle))
    };
    let versions = known.iter().enumerate().map(|(place, one)| Version {
        digest: one.bundle.to_string(),
        short: one.bundle.short(),
        current: one.current,
        runs: one.runs,
        since: one.since.map_or_else(|| "no run yet".to_owned(), |at| format!("since {at}")),
        href: known.get(place + 1).map(|before| compare(before, one)),
    });
    let query =
        OutcomeQuery::Workflow { workflow: program.name.clone(), right: Some(false), since: None, limit: WRONG };
    let wrong = site.runtime().outcomes(query).await?;
    let wrong = wrong.iter().map(|one: &RunOutcome| {
        let run = one.run.to_string();
        let short = run.get(run.len().saturating_sub(6)..).unwrap_or(&run).to_owned();
        Wrong { run, short, said: Said::of(one, now) }
    });
    let page = WorkflowPage {
        layout: viewer.layout(
            program.name.to_string(),
            "What does this workflow do, and how did its steps fare lately?",
            "workflows",
        ),
        name: program.name.clone(),
        title: words::plain(&program.title),
        file: program.file.clone(),
        facts: facts(&fared),
        picture: graph::draw(program),
        steps: fared.steps.iter().map(step).collect(),
        versions: versions.collect(),
        wrong: wrong.collect(),
        cases: served.copies.is_some(),
        most: MOST,
    };
    show(&page)
}

fn step(one: &OfStep<'_>) -> Step {
    let fared = &one.fared;
    let none = || "–".to_owned();
    let latency = fared.latency();
    let stands = match one.within {
        Some(within) => format!("{}, in {within}", one.stage),
        None => one.stage.to_string(),
    };
    let kinds = fared.kinds.iter().map(|(kind, many)| format!("{kind} {many}")).collect::<Vec<_>>();
    let success = match fared.success_rate() {
        None if fared.skipped > 0 => {
            format!("skipped {}", words::times(u32::try_from(fared.skipped).unwrap_or(u32::MAX)))
        }
        None => none(),
        Some(rate) => {
            let tried = fared.done() + fared.failures;
            format!("{:.0} % of {tried}", rate * 100.0)
        }
    };
    let cost = fared.cost;
    let money = match (cost.told, cost.unpriced) {
        (0, 0) => none(),
        (0, _) => "no price".to_owned(),
        (_, 0) => Unit::Money.show(cost.money_uusd),
        (_, unpriced) => format!("{}, {unpriced} without a price", Unit::Money.show(cost.money_uusd)),
    };
    Step {
        name: one.step.name.clone(),
        kind: one.step.kind(),
        stands,
        success,
        median: latency.map_or_else(none, |took| words::span(took.median_us)),
        p95: latency.map_or_else(none, |took| words::span(took.p95_us)),
        cost: money,
        tokens: if fared.tokens > 0 { fared.tokens.to_string() } else { none() },
        failures: kinds.join(", "),
        class: if fared.failures > 0 { "wait" } else { "calm" },
    }
}

#[derive(Template)]
#[template(path = "changes.html")]
struct ChangesPage {
    layout: Layout,
    name: Arc<str>,
    from: String,
    to: String,
    steps: Vec<(&'static str, String, String, String)>,
    contracts: Vec<Contract>,
    files: Vec<File>,
}

struct Contract {
    value: String,
    before: String,
    after: String,
    /// Who reads it, with file and line.
    readers: Vec<(String, String)>,
}

struct File {
    file: Arc<str>,
    how: &'static str,
    class: &'static str,
    lines: Vec<Line>,
}

/// Which two versions.
#[derive(Deserialize)]
pub(super) struct Between {
    from: String,
    to: Option<String>,
}

/// `GET /workflows/{workflow}/changes`: what differs between two versions, and who reads what has another contract?
pub(super) async fn changes(viewer: Viewer, Path(name): Path<String>, Query(between): Query<Between>) -> Shown {
    let site = &viewer.app.site;
    let served = site.served();
    let all = &served.project.workflows;
    let program = all.get(&*name).ok_or_else(|| versions::unknown(all, &name))?;
    let Compared { files, changes } =
        versions::compare(site, &program.name, &between.from, between.to.as_deref()).await?;
    let class = |how: How| match how {
        How::Added => "good",
        How::Removed => "bad",
        How::Changed => "wait",
    };
    let steps = changes.steps.iter().map(|one| {
        let at = format!("{}:{}", one.file, one.line);
        let what = one.what.iter().map(|what| words::plain(what)).collect::<Vec<_>>().join(", ");
        (class(one.how), format!("{} {}", one.how.as_str(), one.step), at, what)
    });
    let contracts = changes.contracts.iter().map(|one| {
        let dot = if one.path.is_empty() || one.path.starts_with('[') { "" } else { "." };
        let readers = one.readers.iter().map(|reader| {
            let who = reader.step.as_ref().map_or("the workflow itself".to_owned(), |step| format!("step {step}"));
            (who, format!("{}:{}", reader.file, reader.line))
        });
        Contract {
            value: words::plain(&format!("{}{dot}{}", one.of, one.path)),
            before: words::plain(&one.before),
            after: words::plain(&one.after),
            readers: readers.collect(),
        }
    });
    let file = |one: versions::FileChange| {
        let plain = |line: Line| Line { text: words::plain(&line.text).into(), ..line };
        let lines = one.lines.into_iter().map(plain).collect();
        File { file: one.file, how: one.how.as_str(), class: class(one.how), lines }
    };
    let short = |digest: &str| digest.get(..12).unwrap_or(digest).to_owned();
    let to = between.to.unwrap_or_else(|| served.project.bundle.digest.to_string());
    let page = ChangesPage {
        layout: viewer.layout(
            "Changes",
            "What differs between two versions, and who reads what has another contract?",
            "workflows",
        ),
        name: program.name.clone(),
        from: words::plain(&short(&between.from)),
        to: words::plain(&short(&to)),
        steps: steps.collect(),
        contracts: contracts.collect(),
        files: files.into_iter().map(file).collect(),
    };
    show(&page)
}
