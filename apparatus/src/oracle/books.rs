//! What is set aside and spent, as the journals say it, against the sums that the store keeps.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    governance::budget::{Amounts, Line, Unit},
    journal::{Event, ProbeResult},
    recovery::Response,
};
use serde::Serialize;

use super::{Snapshot, Violation};

/// Whose sum, of what, and when its period began.
type Sum = (Arc<str>, Unit, i64);

/// What one batch has spent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Books {
    /// Sendings that something was set aside for.
    pub reserved: usize,
    /// … and that are still open.
    pub open: usize,
    /// Of these, what became of them was not known: all of it counts as spent.
    pub forfeited: usize,
    /// How many calls were forfeited: the sum, in the unit `calls`, of the widest scope.
    pub forfeited_calls: i64,
    /// Calls that are settled or forfeited in the widest scope.
    pub spent_calls: i64,
}

#[derive(Default)]
struct Tally {
    open: BTreeMap<Sum, i64>,
    spent: BTreeMap<Sum, i64>,
    forfeited: BTreeMap<Sum, i64>,
    books: Books,
}

impl Tally {
    fn close(&mut self, lines: &[Line], actual: Option<&Amounts>) {
        for line in lines {
            let sum = (line.scope.clone(), line.unit, line.period);
            *self.spent.entry(sum.clone()).or_default() += actual.map_or(line.max, |actual| actual.get(line.unit));
            if actual.is_none() {
                *self.forfeited.entry(sum).or_default() += line.max;
            }
        }
        self.books.forfeited += usize::from(actual.is_none());
    }

    /// One run's journal: what is still set aside at its end is open.
    fn run<'e>(&mut self, events: impl Iterator<Item = &'e Event>) {
        let mut open: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        for event in events {
            match event {
                Event::ModelAnswered { step, spent, .. } | Event::ActionFinished { step, spent, .. } => {
                    if let Some(lines) = open.remove(step.as_str()) {
                        self.close(&lines, spent.as_ref());
                    }
                }
                Event::ModelAsked { step, .. }
                | Event::ActionResent { step, reserved: Some(_), .. }
                | Event::ProbeFinished { step, result: ProbeResult::Found(_), .. } => {
                    if let Some(lines) = open.remove(step.as_str()) {
                        self.close(&lines, None);
                    }
                }
                Event::StepDone { step, .. }
                | Event::StepFailed { step, .. }
                | Event::TurnDone { body: step, .. }
                | Event::BodyDone { body: step, .. } => self.leave(&mut open, Some(step.as_str())),
                Event::FailureAnswered { response: Response::Stage { .. } | Response::ReturnTo { .. }, .. }
                | Event::RunFinished { .. } => {
                    self.leave(&mut open, None);
                }
                _ => {}
            }
            if let Some((step, reserved)) = event.reserves() {
                self.books.reserved += 1;
                open.insert(step.to_string(), reserved.lines.clone());
            }
        }
        self.books.open += open.len();
        for line in open.into_values().flatten() {
            *self.open.entry((line.scope, line.unit, line.period)).or_default() += line.max;
        }
    }

    /// What a step or a body leaves behind, or a whole run, is not waited for.
    fn leave(&mut self, open: &mut BTreeMap<String, Vec<Line>>, within: Option<&str>) {
        let inside = |path: &str| {
            let rest = within.map_or(Some(""), |within| path.strip_prefix(within));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[', '.']))
        };
        let left: Vec<String> = open.keys().filter(|path| inside(path)).cloned().collect();
        for path in left {
            if let Some(lines) = open.remove(&path) {
                self.close(&lines, None);
            }
        }
    }
}

/// Compares; what is wrong goes to `found`.
pub(super) fn balance(snapshot: &Snapshot, found: &mut Vec<Violation>) -> Books {
    let mut tally = Tally::default();
    for seen in &snapshot.runs {
        tally.run(seen.entries.iter().map(|(_, event)| event));
    }
    let mut find = |detail: String| found.push(Violation { rule: "budget_unbalanced", detail });
    let mut kept: BTreeMap<Sum, _> = BTreeMap::new();
    for row in &snapshot.budgets {
        let name = format!("{} {} {}", row.scope, row.unit, row.period);
        if row.settled + row.reserved > row.limit + row.overrun {
            find(format!("{name}: {} settled and {} reserved, limit {}", row.settled, row.reserved, row.limit));
        }
        match Unit::ALL.into_iter().find(|unit| unit.as_str() == &*row.unit) {
            Some(unit) => drop(kept.insert((row.scope.clone(), unit, row.period), row)),
            None => find(format!("{name} is of no unit")),
        }
    }
    let mut sums: Vec<&Sum> = kept.keys().chain(tally.open.keys()).chain(tally.spent.keys()).collect();
    sums.sort();
    sums.dedup();
    for sum in sums {
        let (open, spent) = (tally.open.get(sum).copied(), tally.spent.get(sum).copied());
        let (reserved, settled) = kept.get(sum).map_or((0, 0), |row| (row.reserved, row.settled));
        let (open, spent) = (open.unwrap_or_default(), spent.unwrap_or_default());
        if (reserved, settled) != (open, spent) {
            let (scope, unit, period) = sum;
            find(format!(
                "{scope} {} {period}: {reserved} reserved and {settled} settled, and the journals say {open} and {spent}",
                unit.as_str()
            ));
        }
    }
    let widest = |sums: &BTreeMap<Sum, i64>| {
        let calls = sums.iter().filter(|((_, unit, _), _)| *unit == Unit::Calls);
        calls.map(|(_, amount)| *amount).max().unwrap_or_default()
    };
    Books { forfeited_calls: widest(&tally.forfeited), spent_calls: widest(&tally.spent), ..tally.books }
}
