//! `GET /money`: what was spent, what may still be spent, and who raises it?

use std::sync::Arc;

use askama::Template;
use kernel::{
    governance::budget::{Period, Unit},
    ids::RunId,
    values::Timestamp,
};
use runtime::budget::Standing;
use serde::Deserialize;

use super::{Failed, Layout, Sent, Shown, Viewer, go, show};
use crate::{
    lately::{self, MOST},
    problem::Problem,
    view::{bar::Bar, words},
};

#[derive(Template)]
#[template(path = "money.html")]
struct MoneyPage {
    layout: Layout,
    lines: Vec<Line>,
    /// Runs that were over and still had something set aside.
    alarms: Vec<String>,
    units: [&'static str; 4],
    /// What the last runs of each workflow were charged.
    spent: Vec<Spent>,
    /// Runs of each that are looked at, at most.
    most: u32,
}

/// What the last runs of a workflow were charged, and for what.
struct Spent {
    workflow: Arc<str>,
    runs: u32,
    charged: String,
    each: String,
    failed: String,
    wrong: String,
    unpriced: u64,
    /// Of all, by what came of it.
    bar: Bar,
}

/// A limit, and how it stands.
struct Line {
    scope: String,
    unit: &'static str,
    /// `4.10 USD of 5 USD a day`.
    said: String,
    aside: String,
    over: String,
    bar: Bar,
    badge: (&'static str, &'static str),
    frozen: bool,
    /// Whether it can be raised: it is a limit of today.
    current: bool,
}

pub(super) async fn page(viewer: Viewer) -> Shown {
    let runtime = viewer.app.site.runtime();
    let matters = |one: &&Standing| one.per.is_some() || one.reserved > 0 || one.frozen;
    let all = runtime.budgets().await?;
    let charter = runtime.charter().await?;
    let alarms = charter.forfeits().iter().map(|(at, runs)| {
        let runs = if *runs == 1 { "1 run".to_owned() } else { format!("{runs} runs") };
        format!("{runs} had something set aside after the end: forfeited at {at}")
    });
    let page = MoneyPage {
        layout: viewer.layout("Money", "What was spent, and what may still be spent?", "money"),
        lines: all.iter().filter(matters).map(line).collect(),
        alarms: alarms.collect(),
        units: Unit::ALL.map(Unit::word),
        spent: spent(&viewer).await?,
        most: MOST,
    };
    show(&page)
}

/// Workflows whose last runs were charged something, the dearest first.
async fn spent(viewer: &Viewer) -> Result<Vec<Spent>, Failed> {
    let site = &viewer.app.site;
    let served = site.served();
    let money = |amount: i64| Unit::Money.show(amount);
    let mut all = Vec::new();
    for (name, program) in &served.project.workflows {
        let fared = lately::of_workflow(site, program, MOST).await?;
        let (sum, runs) = (fared.cost.money_uusd, fared.counted.seen);
        if sum == 0 && fared.cost.unpriced == 0 {
            continue;
        }
        let share = |amount: i64| u64::try_from(amount).unwrap_or(0);
        let good = sum - fared.wasted_uusd();
        let shares = [
            (share(good), "used", format!("otherwise: {}", money(good))),
            (share(fared.wrong_uusd), "aside", format!("runs that were wrong: {}", money(fared.wrong_uusd))),
            (share(fared.failed_uusd), "over", format!("runs that failed: {}", money(fared.failed_uusd))),
        ];
        let label = format!("{}, {} of it for runs that failed or were wrong", money(sum), money(fared.wasted_uusd()));
        let spent = Spent {
            workflow: name.clone(),
            runs,
            charged: money(sum),
            each: money(sum / i64::from(runs.max(1))),
            failed: money(fared.failed_uusd),
            wrong: money(fared.wrong_uusd),
            unpriced: fared.cost.unpriced,
            bar: Bar::of(share(sum), shares, label),
        };
        all.push((sum, spent));
    }
    all.sort_by_key(|(sum, _)| std::cmp::Reverse(*sum));
    Ok(all.into_iter().map(|(_, spent)| spent).collect())
}

fn line(one: &Standing) -> Line {
    let amount = |amount| one.unit.show(amount);
    let per = match one.per {
        Some(Period::Ever) => String::new(),
        Some(per) => format!(" a {}", per.as_str()),
        None => format!(" in the period from {}", Timestamp::from_micros(one.period)),
    };
    let used = one.settled.saturating_add(one.reserved);
    let badge = match () {
        () if one.frozen => ("bad", "frozen"),
        () if used >= one.limit => ("bad", "full"),
        () if one.is_near() => ("wait", "80 %"),
        () => ("good", "room"),
    };
    let whole = |amount: i64| u64::try_from(amount).unwrap_or(0);
    let shares = [
        (
            whole(one.settled),
            if one.settled > one.limit { "over" } else { "used" },
            format!("spent: {}", amount(one.settled)),
        ),
        (whole(one.reserved), "aside", format!("set aside: {}", amount(one.reserved))),
    ];
    let said = format!("{} of {}{per}", amount(one.settled), amount(one.limit));
    let some = |many: i64| if many > 0 { amount(many) } else { String::new() };
    Line {
        scope: words::plain(&one.scope),
        unit: one.unit.word(),
        bar: Bar::of(whole(one.limit), shares, said.clone()),
        said,
        aside: some(one.reserved),
        over: some(one.overrun),
        badge,
        frozen: one.frozen,
        current: one.per.is_some(),
    }
}

/// A limit as it should be.
#[derive(Deserialize)]
pub(super) struct Raise {
    scope: String,
    unit: String,
    amount: String,
    resume: Option<String>,
    /// The run whose page it was raised on.
    run: Option<RunId>,
}

/// `POST /money/limit`: a limit is raised for its period, or that of one run.
pub(super) async fn raise(sent: Sent<Raise>) -> Shown {
    let Sent { viewer, form } = sent;
    let asker = viewer.asker()?;
    let unit = Unit::ALL.into_iter().find(|unit| unit.word() == form.unit);
    let unit = unit.ok_or_else(|| Problem::malformed(format!("`{}` is no unit", words::plain(&form.unit))))?;
    let limit = unit.read(form.amount.trim()).map_err(|why| Problem::malformed(words::plain(&why)))?;
    viewer.app.site.runtime().raise(form.scope.trim(), unit, limit, &asker).await?;
    resume(&viewer, form.scope.trim(), form.resume.as_deref(), &asker.by).await?;
    match form.run {
        Some(run) => go(&viewer.path(format_args!("/runs/{run}"))),
        None => go(&viewer.path("/money")),
    }
}

/// A frozen scope goes on.
#[derive(Deserialize)]
pub(super) struct Unfreeze {
    scope: String,
    reason: String,
    resume: Option<String>,
}

/// `POST /money/unfreezing`: a person has looked at bills that were above what had been set aside for them.
pub(super) async fn unfreeze(sent: Sent<Unfreeze>) -> Shown {
    let Sent { viewer, form } = sent;
    let asker = viewer.asker()?;
    let reason = form.reason.trim();
    if reason.is_empty() {
        return Err(Problem::malformed("say what was found").into());
    }
    viewer.app.site.runtime().unfreeze(&form.scope, reason, &asker).await?;
    resume(&viewer, &form.scope, form.resume.as_deref(), &asker.by).await?;
    go(&viewer.path("/money"))
}

/// The runs that were paused for lack of room there go on, if that was asked for.
async fn resume(viewer: &Viewer, scope: &str, wanted: Option<&str>, by: &Arc<str>) -> Result<(), Failed> {
    if wanted != Some("yes") {
        return Ok(());
    }
    let runtime = viewer.app.site.runtime();
    for run in runtime.short_of(scope).await? {
        runtime.resume(run, by.clone()).await?;
    }
    Ok(())
}
