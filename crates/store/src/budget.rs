//! Sums that never exceed their limits, and counters that limits are judged by.

use std::sync::Arc;

use kernel::{ids::RunId, values::Timestamp};

/// Most that one reservation, one cost or one counted amount may be, in whatever unit: sums of them stay far from the end of `i64`.
pub const AMOUNT_LIMIT: i64 = 1_000_000_000_000_000;

/// Something that a counter counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The step path that it is counted for.
    pub step: Arc<str>,
    /// 1 for a count; at most [`AMOUNT_LIMIT`].
    pub amount: i64,
    /// When.
    pub at: Timestamp,
}

/// What is asked about a counter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterQuery {
    /// Its name.
    pub counter: Arc<str>,
    /// Where its window begins.
    pub since: Timestamp,
}

/// How a counter stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CounterNow {
    /// How often it has changed, ever.
    pub version: u64,
    /// How much was counted at or after the beginning of the window.
    pub count: u64,
    /// The sum of the amounts of these.
    pub sum: i64,
}

/// A sum that something is reserved in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetLine {
    /// Whose sum: "tenant:main", "workflow:x", "day:2026-11-25".
    pub scope: Arc<str>,
    /// Of what: "money_uusd", "tokens", "calls", "time_us".
    pub unit: Arc<str>,
    /// When its period began, in microseconds since 1970; 0: it has none.
    pub period: i64,
    /// What settled and reserved together must not exceed.
    pub limit: i64,
    /// The most that it may cost; at most [`AMOUNT_LIMIT`].
    pub max: i64,
}

/// A sum, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BudgetRow {
    /// Whose.
    pub scope: Arc<str>,
    /// Of what.
    pub unit: Arc<str>,
    /// When its period began, in microseconds since 1970; 0: it has none.
    pub period: i64,
    /// The limit that the last reservation was made under.
    pub limit: i64,
    /// What was spent.
    pub settled: i64,
    /// What is set aside.
    pub reserved: i64,
    /// How much more was billed than had been set aside; `settled + reserved <= limit + overrun` always holds.
    pub overrun: i64,
    /// An overrun here freezes its scope: nothing more is reserved in any sum of it.
    pub frozen: bool,
}

/// What is set aside and neither settled nor forfeited yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// Whose run.
    pub run: RunId,
    /// For which step path.
    pub step: Arc<str>,
    /// In which sum: scope, unit, period.
    pub line: (Arc<str>, Arc<str>, i64),
    /// How much.
    pub amount: i64,
}
