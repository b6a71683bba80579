//! What all runs of one application with one dialect came to, and which rules that breaks.

use std::collections::BTreeMap;

use kernel::workflow::model::Dialect;
use serde::Serialize;

use super::{
    Done,
    place::BUDGET_UUSD,
    played::{Left, Played},
};
use crate::mockllm::Fault;

/// Of the runs that complete when nothing goes wrong, so many must complete in chaos.
const COMPLETE: f64 = 0.8;
/// So many model calls at most, for each that is made when nothing goes wrong.
const AMPLIFIED: f64 = 1.5;
/// Differences that are told.
const TOLD: usize = 3;

/// One application with one dialect, without chaos or with it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Row {
    /// The project.
    pub application: String,
    /// As in `surefoot.yaml`.
    pub dialect: &'static str,
    /// How many of the server's answers are meant to go wrong.
    pub chaos: f64,
    /// Inputs that were played.
    pub runs: u64,
    /// Runs whose outcome is that of the control.
    pub identical: u64,
    /// Runs that completed.
    pub completed: u64,
    /// … of the control.
    pub control_completed: u64,
    /// Runs that wait for a person.
    pub waiting: u64,
    /// … of the control.
    pub control_waiting: u64,
    /// Paused runs by the kind of their last failure.
    pub paused: BTreeMap<String, u64>,
    /// Failed runs by the kind of their failure.
    pub failed: BTreeMap<String, u64>,
    /// Runs that are nothing of this, by what they are.
    pub never: BTreeMap<String, u64>,
    /// Sendings to models, rules included.
    pub calls: u64,
    /// … of the control.
    pub control_calls: u64,
    /// The one divided by the other.
    pub amplification: f64,
    /// Requests that the server received.
    pub sent: u64,
    /// What the control asked of the models that the server stands for.
    pub control_sent: u64,
    /// Answers that the control had not had.
    pub improvised: u64,
    /// What went wrong, how often.
    pub faults: BTreeMap<Fault, u64>,
    /// Millionths of a US dollar, of all runs.
    pub spent_uusd: i64,
    /// … of the run that spent most.
    pub most_spent_uusd: i64,
    /// … that a run may spend.
    pub limit_uusd: i64,
    /// Runs that spent more.
    pub overspent: u64,
    /// The first differences between a run and its control.
    pub differs: Vec<String>,
    /// Rules that are broken.
    pub broken: Vec<String>,
}

impl Row {
    pub(super) fn new(application: &str, dialect: Dialect, chaos: f64) -> Row {
        let application = application.to_owned();
        Row { application, dialect: dialect.as_str(), chaos, limit_uusd: BUDGET_UUSD, ..Row::default() }
    }

    /// Adds a run, and the control of the same input.
    pub(super) fn add(&mut self, done: &Done, control: &Played) {
        let Played { outcome, asked, spent_uusd, overspent, .. } = &done.played;
        self.runs += 1;
        match outcome.differs(&control.outcome) {
            None => self.identical += 1,
            Some(how) if self.differs.len() < TOLD => self.differs.push(format!("input {}: {how}", done.nth)),
            Some(_) => {}
        }
        match &outcome.left {
            Left::Completed => self.completed += 1,
            Left::Person => self.waiting += 1,
            Left::Paused(kind) => *self.paused.entry(kind.clone()).or_default() += 1,
            Left::Failed(kind) => *self.failed.entry(kind.clone()).or_default() += 1,
            Left::Never(status) => *self.never.entry(status.clone()).or_default() += 1,
        }
        self.control_completed += u64::from(control.outcome.left == Left::Completed);
        self.control_waiting += u64::from(control.outcome.left == Left::Person);
        self.calls += asked;
        self.control_calls += control.asked;
        self.sent += done.sent;
        self.control_sent += done.control_sent;
        self.improvised += done.improvised;
        for (fault, times) in &done.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
        self.spent_uusd += spent_uusd;
        self.most_spent_uusd = self.most_spent_uusd.max(*spent_uusd);
        self.limit_uusd = self.limit_uusd.min(done.limit_uusd);
        self.overspent += u64::from(*overspent);
    }

    /// Finds what is broken, once all runs are added.
    pub(super) fn judge(&mut self) {
        self.amplification = self.calls as f64 / self.control_calls.max(1) as f64;
        let mut broken = Vec::new();
        let mut rule = |holds: bool, why: String| {
            if !holds {
                broken.push(why);
            }
        };
        let Row { runs, identical, completed, control_completed, .. } = self;
        rule(self.failed.is_empty(), format!("failed: {:?}", self.failed));
        rule(self.never.is_empty(), format!("no end: {:?}", self.never));
        rule(self.overspent == 0, format!("{} runs spent more than their budget", self.overspent));
        rule(self.sent > 0, "the server was never asked".to_owned());
        if self.chaos == 0.0 {
            let first = self.differs.first().map(|first| format!(": {first}")).unwrap_or_default();
            rule(identical == runs, format!("{identical} of {runs} outcomes are those of the control{first}"));
            let (sent, wanted) = (self.sent, self.control_sent);
            rule(sent == wanted, format!("the server was asked {sent} times, where the control asked {wanted} times"));
        } else {
            let least = *control_completed as f64 * COMPLETE;
            let why = format!("{completed} runs completed, where {control_completed} do without chaos");
            rule(*completed as f64 >= least, why);
            let why = format!("{:.2} model calls for each call of the control", self.amplification);
            rule(self.amplification <= AMPLIFIED, why);
            rule(!self.faults.is_empty(), "nothing went wrong".to_owned());
        }
        self.broken = broken;
    }

    /// Each broken rule with where it is broken.
    pub fn broken(&self) -> Vec<String> {
        let Row { application, dialect, chaos, broken, .. } = self;
        broken.iter().map(|why| format!("{application}, {dialect}, chaos {chaos}: {why}")).collect()
    }

    /// One line of the table, and one for each broken rule.
    pub(super) fn told(&self) -> String {
        let list =
            |all: &BTreeMap<String, u64>| all.iter().map(|(kind, times)| format!("{kind} {times}")).collect::<Vec<_>>();
        let mut left = list(&self.paused);
        left.extend(list(&self.failed).into_iter().map(|one| format!("failed: {one}")));
        left.extend(list(&self.never).into_iter().map(|one| format!("no end: {one}")));
        let faults = self.faults.iter().map(|(fault, times)| format!("{fault:?} {times}"));
        let faults: Vec<_> = faults.collect();
        let none = |all: Vec<String>| if all.is_empty() { "-".to_owned() } else { all.join(", ") };
        let mut line = format!(
            "{:<13} {:<17} {:>5.2} {:>5} {:>10} {:>10} {:>8}  {:>12} {:>6.2} {:>6}  {:>8.4} {:>8.4} of {:<6.2} {}  {}",
            self.application,
            self.dialect,
            self.chaos,
            self.runs,
            self.identical,
            format!("{} ({})", self.completed, self.control_completed),
            format!("{} ({})", self.waiting, self.control_waiting),
            format!("{} ({})", self.calls, self.control_calls),
            self.amplification,
            self.sent,
            self.spent_uusd as f64 / 1e6,
            self.most_spent_uusd as f64 / 1e6,
            self.limit_uusd as f64 / 1e6,
            none(left),
            none(faults),
        );
        for why in &self.broken {
            line.push_str(&format!("\n  broken: {why}"));
        }
        line
    }
}

/// The head of the table. In parentheses stands the control.
pub(super) fn head() -> String {
    format!(
        "{:<13} {:<17} {:>5} {:>5} {:>10} {:>10} {:>8}  {:>12} {:>6} {:>6}  {:>8} {:>18} {}  {}",
        "application",
        "dialect",
        "chaos",
        "runs",
        "identical",
        "completed",
        "waiting",
        "model calls",
        "ampl.",
        "sent",
        "spent $",
        "most $ of budget",
        "paused",
        "faults",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good(chaos: f64) -> Row {
        Row {
            chaos,
            runs: 10,
            identical: 10,
            completed: 8,
            control_completed: 10,
            waiting: 2,
            calls: 30,
            control_calls: 20,
            sent: 20,
            control_sent: 20,
            faults: BTreeMap::from([(Fault::Cut, 3)]),
            ..Row::default()
        }
    }

    fn judged(mut row: Row) -> String {
        row.judge();
        row.broken.join("; ")
    }

    #[test]
    fn each_rule_is_broken_by_one_thing() {
        let one = |kind: &str| BTreeMap::from([(kind.to_owned(), 1)]);
        assert_eq!(judged(good(0.0)), "");
        assert_eq!(judged(good(0.3)), "");
        let table = [
            (Row { failed: one("internal"), ..good(0.3) }, "failed: {\"internal\": 1}"),
            (Row { never: one("running"), ..good(0.3) }, "no end: {\"running\": 1}"),
            (Row { overspent: 1, ..good(0.3) }, "1 runs spent more than their budget"),
            (Row { sent: 0, ..good(0.3) }, "the server was never asked"),
            (Row { completed: 7, ..good(0.3) }, "7 runs completed, where 10 do without chaos"),
            (Row { calls: 31, ..good(0.3) }, "1.55 model calls for each call of the control"),
            (Row { faults: BTreeMap::new(), ..good(0.3) }, "nothing went wrong"),
            (Row { identical: 9, ..good(0.0) }, "9 of 10 outcomes are those of the control"),
            (Row { sent: 19, ..good(0.0) }, "the server was asked 19 times, where the control asked 20 times"),
        ];
        for (row, wanted) in table {
            assert_eq!(judged(row), wanted);
        }
    }
}
