//! What a run costs at most: each step with all its repetitions, in all the bodies that it may be done in; and whether that, or at least
//! the plainest run, fits the budget.

use std::{collections::BTreeMap, sync::Arc};

use super::{Around, kinds, table};
use crate::{
    complaint::{Complaint, Complaints},
    expr::{Derivation, Expr},
    governance::{
        Effect,
        budget::{Amounts, Tariff, Unit, act},
    },
    recovery::{FailureKind, Recovery},
    step::{Kind, Step, act::Act, proposals::Granted, reason::Reason},
    values::MAX_INT,
    workflow::{Layer, Program, See},
};

/// What one step costs at most.
#[derive(Clone, Debug)]
pub struct Line {
    /// The stage.
    pub stage: Arc<str>,
    /// The step.
    pub step: Arc<str>,
    /// The model or the operation.
    pub calls: Arc<str>,
    /// So many sendings in one visit, repetitions included.
    pub sendings: u64,
    /// In so many bodies at most; of a list without a bound it counts one item.
    pub times: u64,
    /// One sending.
    pub each: Amounts,
    /// All of them.
    pub all: Amounts,
    /// What is not known, so that it may be more.
    pub open: Vec<String>,
}

/// The lines of a workflow, and their sum.
pub fn lines(program: &Program, around: &Around<'_>) -> (Vec<Line>, Amounts) {
    let mut lines = Vec::new();
    for (number, stage) in program.stages.iter().enumerate() {
        let mut walk = Walk { program, around, stage: number, lines: &mut lines };
        walk.steps(&stage.steps, 1, &[]);
    }
    let mut sum = Amounts::NOTHING;
    lines.iter().for_each(|line| sum = plus(sum, line.all));
    (lines, sum)
}

struct Walk<'a> {
    program: &'a Program,
    around: &'a Around<'a>,
    stage: usize,
    lines: &'a mut Vec<Line>,
}

impl Walk<'_> {
    fn steps(&mut self, steps: &[Step], times: u64, open: &[String]) {
        for step in steps {
            let mut open = open.to_vec();
            let mut inside = times;
            match &step.kind {
                Kind::Reason(reason) => self.reason(step, reason, times, &open),
                Kind::Agent(agent) => {
                    let mut open = open.clone();
                    open.push(format!("the conversation of `{}` grows with each turn", step.name));
                    self.reason(step, agent.asks(), times.saturating_mul(u64::from(agent.turns)), &open);
                    let dearest = agent.granted.iter().map(Granted::act).max_by_key(|act| price(act).money_uusd);
                    if let Some(act) = dearest {
                        self.act(step, act, times.saturating_mul(u64::from(agent.actions)), &open);
                    }
                }
                Kind::Plan(plan) => {
                    self.reason(step, plan.asks(), times, &open);
                    let dearest = plan.granted.iter().map(Granted::act).max_by_key(|act| price(act).money_uusd);
                    if let Some(act) = dearest {
                        self.act(step, act, times.saturating_mul(u64::from(plan.actions)), &open);
                    }
                }
                Kind::Specialist(handoff) => {
                    let said = handoff.scope.budget.is_some();
                    let what = if said { "its scope says how much" } else { "it has a workflow of its own" };
                    open.push(format!("what `{}` hands over: {what}", step.name));
                }
                Kind::Act(act) => self.act(step, act, times, &open),
                Kind::Verify(verify) => {
                    verify.read.iter().for_each(|read| self.act(step, read, times, &open));
                }
                Kind::Repeat(repeat) => inside = inside.saturating_mul(u64::from(repeat.max)),
                Kind::Each(each) => match most_items(self.program, &each.list) {
                    Some(most) => inside = inside.saturating_mul(most),
                    None => open.push(format!("for each item of `{}`: it has no `maxItems`", step.name)),
                },
                _ => {}
            }
            let bodies = step.bodies();
            if !bodies.is_empty() {
                inside = inside.saturating_mul(
                    1 + self.repetitions(step, FailureKind::ALL, |item| matches!(item, Recovery::Retry { .. })),
                );
            }
            for (_, inner) in bodies {
                self.steps(inner, inside, &open);
            }
        }
    }

    /// So often the lists of a step let it be tried again, whatever kinds it meets.
    fn repetitions(&self, step: &Step, of: &[FailureKind], counts: impl Fn(&Recovery) -> bool) -> u64 {
        let possible = kinds::can_occur(step, self.stage, self.program, self.around);
        let lists = possible.iter().filter(|kind| of.contains(kind));
        let lists = lists.map(|kind| table::list(step, self.stage, *kind, self.program).1);
        lists.flatten().filter(|item| counts(item)).map(times).fold(0, u64::saturating_add)
    }

    fn reason(&mut self, step: &Step, reason: &Reason, times: u64, open: &[String]) {
        let again = self.repetitions(step, FailureKind::ALL, |_| true);
        let repairs = self.repetitions(step, FailureKind::ALL, |item| {
            matches!(item, Recovery::Repair { .. } | Recovery::Replan { .. })
        });
        let mut open = open.to_vec();
        let layers = [self.program.context.as_ref(), self.program.stages[self.stage].context.as_ref()];
        let mut bytes = reason.prompt.text.source().len() as u64 + shown(&reason.see, &mut open);
        for Layer { prompt, see, .. } in layers.into_iter().flatten() {
            bytes += prompt.text.source().len() as u64 + shown(see, &mut open) + 2;
        }
        // Each repair adds the errors of one answer: eight sentences at most.
        bytes += repairs * 8 * 290 + fixed(reason);
        let lists = FailureKind::ALL.iter().flat_map(|kind| table::list(step, self.stage, *kind, self.program).1);
        let others = lists.filter_map(|item| if let Recovery::Model(model) = item { Some(model) } else { None });
        let mut each = Amounts::NOTHING;
        let named = others.chain([&reason.model]);
        let members = named.flat_map(|name| self.program.routes.behind(name));
        for model in members {
            let one = self.ask(model, bytes, &mut open);
            each = Amounts {
                money_uusd: each.money_uusd.max(one.money_uusd),
                tokens: each.tokens.max(one.tokens),
                calls: 1,
                time_us: 0,
            };
        }
        open.dedup();
        self.push(step, reason.model.clone(), 1 + again, times, (each, open));
    }

    /// One sending to a model, without time.
    fn ask(&self, model: &Arc<str>, bytes: u64, open: &mut Vec<String>) -> Amounts {
        match self.around.models.get(model).map(|decl| &decl.tariff) {
            Some(tariff @ Tariff::Billed { price, cap, list }) => {
                if cap.is_none() {
                    open.push(format!("the model `{model}` has no `max_tokens`"));
                }
                if price.is_none() && list.is_none() {
                    open.push(format!("the model `{model}` has no price"));
                }
                tariff.at_most(bytes)
            }
            Some(Tariff::Free) | None => Amounts { calls: 1, ..Amounts::NOTHING },
        }
    }

    fn act(&mut self, step: &Step, act: &Act, times: u64, open: &[String]) {
        let again = match act.declared().effect {
            Effect::Read | Effect::Idempotent => {
                self.repetitions(step, FailureKind::ALL, |item| matches!(item, Recovery::Retry { .. }))
            }
            Effect::Probed => 1,
            Effect::AtMostOnce => 0,
        };
        let each = price(act);
        self.push(step, act.called().into(), 1 + again, times, (each, open.to_vec()));
    }

    fn push(&mut self, step: &Step, calls: Arc<str>, sendings: u64, times: u64, (each, open): (Amounts, Vec<String>)) {
        let stage = self.program.stages[self.stage].name.clone();
        let all = many(each, sendings.saturating_mul(times));
        self.lines.push(Line { stage, step: step.name.clone(), calls, sendings, times, each, all, open });
    }
}

/// What one sending of an action costs.
fn price(act_: &Act) -> Amounts {
    Amounts { time_us: 0, ..act(act_.declared().cost, act_.declared().timeout) }
}

/// What stands in every request for an answer: the schema, twice, and what a server wraps around all.
fn fixed(reason: &Reason) -> u64 {
    2 * reason.output.json().to_string().len() as u64 + 512
}

/// The bytes of what is shown; what has no bound is counted as nothing and named.
fn shown(see: &[See], open: &mut Vec<String>) -> u64 {
    let mut bytes = 0_u64;
    for item in see {
        match item.tokens {
            // A token stands for three bytes at most where this is cut; in a hole and its name besides.
            Some(tokens) => {
                bytes = bytes.saturating_add(tokens.saturating_mul(3)).saturating_add(2 * item.name.len() as u64 + 9)
            }
            None => open.push(format!("`{}` has no `tokens`", item.name)),
        }
    }
    bytes
}

fn times(item: &Recovery) -> u64 {
    match item {
        Recovery::Retry { times, .. } | Recovery::Repair { times } | Recovery::Replan { times } => u64::from(*times),
        Recovery::Model(_) => 1,
        _ => 0,
    }
}

fn many(amounts: Amounts, times: u64) -> Amounts {
    let times = i64::try_from(times).unwrap_or(MAX_INT);
    let many = |one: i64| one.saturating_mul(times).min(MAX_INT);
    Amounts {
        money_uusd: many(amounts.money_uusd),
        tokens: many(amounts.tokens),
        calls: many(amounts.calls),
        time_us: 0,
    }
}

fn plus(one: Amounts, other: Amounts) -> Amounts {
    let plus = |one: i64, other: i64| one.saturating_add(other).min(MAX_INT);
    Amounts {
        money_uusd: plus(one.money_uusd, other.money_uusd),
        tokens: plus(one.tokens, other.tokens),
        calls: plus(one.calls, other.calls),
        time_us: 0,
    }
}

/// The most items that a list of the input can have, by its schema.
fn most_items(program: &Program, list: &Expr) -> Option<u64> {
    let Derivation::Path { root, fields } = list.derivation() else { return None };
    let mut schema = program.input.as_ref().filter(|_| &*root.name == "input")?.json();
    for field in fields {
        schema = schema.get("properties")?.get(&**field)?;
    }
    schema.get("maxItems")?.as_u64()
}

/// Compares the most, and the least, with the budget of the workflow.
pub(super) fn check(program: &Program, around: &Around<'_>, complaints: &mut Complaints) {
    let Some(budget) = &program.budget else { return };
    let Some(first) = program.stages.first() else { return };
    let (_, most) = lines(program, around);
    let least = plainest(program, around);
    for (unit, limit) in budget
        .limited()
        .filter(|(unit, _)| *unit != Unit::Time)
        // Nothing at all is meant so: a person raises it.
        .filter(|(_, limit)| *limit > 0)
    {
        let shown = |amount: i64| unit.show(amount);
        if let Some((step, amount)) = least.get(&unit).filter(|(_, amount)| *amount > limit) {
            let message = format!(
                "the budget of {} never fits: up to `{step}` even the plainest run needs {}",
                shown(limit),
                shown(*amount)
            );
            let hint = "raise the budget, or lower `max_tokens` of the model";
            complaints.push(Complaint::new("W202", &program.file, first.at, message).hint(hint));
        } else if most.get(unit) > limit {
            let message = format!("a run may need {}, and its budget is {}", shown(most.get(unit)), shown(limit));
            let hint = "`surefoot check --cost` prints what each step adds; what does not fit pauses the run";
            complaints.push(Complaint::new("W201", &program.file, first.at, message).warning().hint(hint));
        }
    }
}

/// What must be free at the dearest moment of a run in which only the steps without a condition run, each once, and every answer costs
/// nothing after all; and at which step that is.
fn plainest(program: &Program, around: &Around<'_>) -> BTreeMap<Unit, (Arc<str>, i64)> {
    let mut worst = BTreeMap::new();
    let mut spent = Amounts::NOTHING;
    let always = program.stages.iter().filter(|stage| program.order.contains(&stage.name));
    for step in always.flat_map(|stage| &stage.steps).filter(|step| step.when.is_none()) {
        let needed = match &step.kind {
            Kind::Act(act) => price(act),
            Kind::Reason(reason) => match around.models.get(&reason.model).map(|decl| &decl.tariff) {
                Some(tariff) => tariff.at_most(fixed(reason)),
                None => Amounts { calls: 1, ..Amounts::NOTHING },
            },
            _ => continue,
        };
        let free = plus(spent, needed);
        for unit in Unit::ALL {
            let most = worst.entry(unit).or_insert_with(|| (step.name.clone(), 0));
            if free.get(unit) > most.1 {
                *most = (step.name.clone(), free.get(unit));
            }
        }
        spent = match &step.kind {
            Kind::Act(_) => free,
            _ => Amounts { calls: free.calls, ..spent },
        };
    }
    worst
}
