//! Budgets and prices as they are written in files. Decimal numbers are read digit by digit, never through a float.

use std::{collections::BTreeMap, sync::Arc};

use super::{Limit, Limits, Period, Price, Tariff, Unit, limits::DAY};
use crate::{
    complaint::{Complaint, Complaints, Place, did_you_mean},
    recovery::Recovery,
    step::{Kind as Does, Step},
    values::{MAX_INT, Money, Timestamp},
    workflow::{Program, Recoveries, project::ModelDecl},
    yaml::{Fields, Kind, Node},
};

/// An amount of money, such as `0.50 USD`.
pub(crate) fn money(node: &Node, complaints: &mut Complaints) -> Option<Money> {
    let wanted = "an amount of money, such as `0.50 USD`";
    let Some(text) = node.scalar().filter(|_| !node.is_null()) else {
        complaints.push(node.expected(wanted));
        return None;
    };
    match text.parse::<Money>() {
        Ok(money) => Some(money),
        Err(why) => {
            complaints.push(node.complaint("W090", why.to_string()));
            None
        }
    }
}

/// Dollars for a million tokens: a plain number.
fn rate(node: &Node, complaints: &mut Complaints) -> Option<Money> {
    let rate = match &node.kind {
        Kind::Scalar { text, plain: true } => Money::of_dollars(text),
        _ => None,
    };
    if rate.is_none() {
        let message = format!("expected US dollars for a million tokens, but here stands {}", node.describe());
        let hint = "write a plain number with at most six decimal places, as in `3.00`";
        complaints.push(node.complaint("W091", message).hint(hint));
    }
    rate
}

const PRICE: [&str; 8] = ["input", "cache_read", "cache_write", "output", "reasoning", "as_of", "from", "until"];

/// `price: free` of a model that costs nothing, or `price: { input, output, as_of }`. What is not written costs what it is a part of:
/// caches as input, reasoning as output.
pub(crate) fn price(node: &Node, complaints: &mut Complaints) -> Option<Price> {
    if let Some(word) = node.scalar().filter(|_| !node.is_null()) {
        if &**word == FREE {
            return Some(Price::NOTHING);
        }
        complaints.push(node.expected("a price (a map), or `free`"));
        return None;
    }
    let fields = Fields::new(node, "a price", &PRICE, &[], complaints)?;
    let before = complaints.len();
    let mut required = |key: &str| fields.required(key, complaints).and_then(|node| rate(node, complaints));
    let (input, output) = (required("input"), required("output"));
    let as_of = fields.required("as_of", complaints);
    let as_of = as_of.and_then(|node| day(node, "the day of the price list, such as `2026-11-01`", complaints));
    let mut bound = |key: &str| {
        let wanted = format!("the day {key} which it holds, at midnight UTC, such as `2026-11-01`");
        fields.get(key).and_then(|node| day(node, &wanted, complaints))
    };
    let (from, until) = (bound("from"), bound("until"));
    if let (Some(begins), Some(ends)) = (from, until)
        && begins >= ends
    {
        let message = "a price that holds `from` a day ends after it, `until` a later one";
        complaints.push(
            fields.node.complaint("W091", message).hint("write the first day on which it does not hold any more"),
        );
    }
    let mut or = |key: &str, other: Option<Money>| fields.get(key).map_or(other, |node| rate(node, complaints));
    let (cache_read, cache_write) = (or("cache_read", input), or("cache_write", input));
    let reasoning = or("reasoning", output);
    if complaints.len() > before {
        return None;
    }
    Some(Price {
        input: input?,
        cache_read: cache_read?,
        cache_write: cache_write?,
        output: output?,
        reasoning: reasoning?,
        as_of: as_of?,
        from,
        until,
    })
}

/// The price of a model that bills nothing, as it is written.
const FREE: &str = "free";

/// A date, and no time of a day.
fn day(node: &Node, wanted: &str, complaints: &mut Complaints) -> Option<Timestamp> {
    let text = node.scalar().map(|text| &**text).unwrap_or_default();
    let day = Timestamp::parse(text).filter(|_| text.len() == "2026-11-01".len());
    if day.is_none() {
        complaints.push(node.expected(wanted));
    }
    day
}

impl Limit {
    /// `budget:` of a workflow: what one run of it may spend.
    pub(crate) fn of_run(node: &Node, complaints: &mut Complaints) -> Option<Limit> {
        let fields = Fields::new(node, "`budget`", &Unit::ALL.map(Unit::word), &[], complaints)?;
        Self::of(&fields, Period::Ever, complaints)
    }

    /// With `per`, which must be there.
    fn standing(node: &Node, what: &'static str, complaints: &mut Complaints) -> Option<Limit> {
        let [money, tokens, calls, time] = Unit::ALL.map(Unit::word);
        let fields = Fields::new(node, what, &["per", money, tokens, calls, time], &[], complaints)?;
        let word = fields.required("per", complaints);
        let word = word.and_then(|node| node.one_of(&Period::ALL.map(Period::as_str), complaints));
        let limit = Self::of(&fields, Period::Ever, complaints);
        let per = Period::ALL.into_iter().find(|period| Some(period.as_str()) == word)?;
        Some(Limit { per, ..limit? })
    }

    fn of(fields: &Fields<'_>, per: Period, complaints: &mut Complaints) -> Option<Limit> {
        let before = complaints.len();
        let limit = Limit {
            per,
            money_uusd: fields.get("money").and_then(|node| money(node, complaints)).map(Money::micros),
            tokens: fields.int("tokens", 0, MAX_INT, complaints),
            calls: fields.int("calls", 0, MAX_INT, complaints),
            time_us: fields.get("time").and_then(|node| time(node, complaints)),
        };
        if complaints.len() > before {
            return None;
        }
        if limit.limited().next().is_none() {
            let message = format!("{} limits nothing", fields.what);
            let hint = "write at least one of `money`, `tokens`, `calls` and `time`";
            complaints.push(fields.node.complaint("W092", message).hint(hint));
            return None;
        }
        Some(limit)
    }
}

/// In microseconds, and one that JSON carries.
fn time(node: &Node, complaints: &mut Complaints) -> Option<i64> {
    let span = node.time(complaints)?;
    if span.micros() > MAX_INT {
        complaints.push(node.complaint("W005", format!("{span} is longer than what is counted")));
        return None;
    }
    Some(span.micros())
}

impl Limits {
    /// `budgets:` of the project file.
    pub(crate) fn read(node: &Node, complaints: &mut Complaints) -> Option<Limits> {
        let fields = Fields::new(node, "`budgets`", &["workflow", "tenant", DAY], &[], complaints)?;
        let mut workflow = BTreeMap::new();
        for (key, node) in fields.map("workflow", complaints) {
            if let Some(limit) = Limit::standing(node, "a workflow's budget", complaints) {
                workflow.insert(key.text.clone(), limit);
            }
        }
        let tenant = fields.get("tenant").and_then(|node| Limit::standing(node, "a tenant's budget", complaints));
        let day = fields.get(DAY).and_then(|node| {
            let fields = Fields::new(node, "the day's budget", &Unit::ALL.map(Unit::word), &[], complaints)?;
            Limit::of(&fields, Period::Day, complaints)
        });
        Some(Limits { workflow, tenant, day, raised: Vec::new() })
    }

    fn of_money(&self, program: &Program) -> bool {
        let own = program.budget.as_ref();
        let all = own.into_iter().chain(self.workflow.get(&program.name)).chain(&self.tenant).chain(&self.day);
        all.into_iter().any(|limit| limit.money_uusd.is_some())
    }
}

/// Budgets of workflows that are not there. `node` is the whole project file.
pub(crate) fn unknown_workflows(
    node: &Node,
    workflows: &BTreeMap<Arc<str>, Arc<Program>>,
    complaints: &mut Complaints,
) {
    let entries = below(node, "budgets").and_then(|node| below(node, "workflow"));
    let Some(Node { kind: Kind::Map(entries), .. }) = entries else { return };
    for (key, _) in entries.iter().filter(|(key, _)| !workflows.contains_key(&key.text)) {
        let hint = did_you_mean(&key.text, workflows.keys().map(|name| &**name));
        let message = format!("there is no workflow `{}`", key.text);
        complaints.push(Complaint::new("W013", &node.file, key.span, message).or_hint(hint));
    }
}

fn below<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Kind::Map(entries) = &node.kind else { return None };
    entries.iter().find(|(key, _)| &*key.text == name).map(|(_, node)| node)
}

/// Models without a price in a workflow to which a limit of money applies: every call of them would be refused.
pub(crate) fn unpriced_models(
    limits: &Limits,
    models: &BTreeMap<Arc<str>, ModelDecl>,
    program: &Program,
    complaints: &mut Complaints,
) {
    if !limits.of_money(program) {
        return;
    }
    let mut named = Vec::new();
    answering(&program.on_failure, None, &mut named);
    for stage in &program.stages {
        answering(&stage.on_failure, Some(stage.at), &mut named);
        asking(&stage.steps, &mut named);
    }
    for (model, at) in named.iter().flat_map(|(name, at)| program.routes.behind(name).iter().map(|one| (one, *at))) {
        let tariff = models.get(model).map(|decl| &decl.tariff);
        if matches!(tariff, Some(Tariff::Billed { price: None, list: None, .. })) {
            let message = format!("the model `{model}` has no price, and a limit of money applies to this workflow");
            let hint = "write `price: { input: …, output: …, as_of: … }` at the model in surefoot.yaml";
            complaints.push(Complaint::new("W094", &program.file, at, message).hint(hint));
        }
    }
}

type Named<'a> = Vec<(&'a Arc<str>, Option<Place>)>;

fn asking<'a>(steps: &'a [Step], named: &mut Named<'a>) {
    for step in steps {
        if let Does::Reason(reason) = &step.kind {
            let unsure = reason.unsure.iter().flat_map(|boundary| boundary.models());
            named.extend(std::iter::once(&reason.model).chain(unsure).map(|model| (model, Some(step.at))));
        }
        if let Does::Agent(agent) = &step.kind {
            named.push((&agent.asks().model, Some(step.at)));
        }
        answering(&step.on_failure, Some(step.at), named);
        for (_, body) in step.bodies() {
            asking(body, named);
        }
    }
}

fn answering<'a>(lists: &'a Recoveries, at: Option<Place>, named: &mut Named<'a>) {
    for recovery in lists.values().flatten() {
        if let Recovery::Model(model) = recovery {
            named.push((model, at));
        }
    }
}
