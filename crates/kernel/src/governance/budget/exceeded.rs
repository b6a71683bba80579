//! Why a call may not start: each reason is one sentence.

use std::{fmt, sync::Arc};

use super::{Period, Unit};
use crate::recovery::{Failure, FailureKind};

/// Why a call may not start. All of them are `budget_exceeded`: a person changes the file or raises the limit, and resumes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Exceeded {
    /// What it costs at most cannot be said: its answer has no end.
    #[error("the model `{model}` has no output cap, and `{scope}` has a limit of {}: write `max_tokens` at the model", unit.word())]
    Uncapped {
        /// The project's name of the model.
        model: Arc<str>,
        /// A scope whose limit applies.
        scope: Arc<str>,
        /// Money or tokens.
        unit: Unit,
    },
    /// What it costs cannot be said: its price is not known.
    #[error("the model `{model}` has no price, and `{scope}` has a limit of money: write `price` at the model")]
    Unpriced {
        /// The project's name of the model.
        model: Arc<str>,
        /// A scope whose limit of money applies.
        scope: Arc<str>,
    },
    /// Nobody says what it costs today, whether money is limited or not: a model behind a server is not asked without that.
    #[error(
        "what a call of the model `{model}` costs today is not known: write `price` at the model, or `price: free`"
    )]
    Unlisted {
        /// The project's name of the model.
        model: Arc<str>,
        /// The run.
        scope: Arc<str>,
    },
    /// It costs more than is left.
    #[error("`{scope}` has no room for {} more: {}", unit.show(*wanted), Room { unit: *unit, left: *left, limit: *limit, per: *per })]
    Full {
        /// Whose limit.
        scope: Arc<str>,
        /// Of what.
        unit: Unit,
        /// What the call may cost at most.
        wanted: i64,
        /// What is neither settled nor reserved; below 0 after an overrun. `None` where only the store knows.
        left: Option<i64>,
        /// The limit.
        limit: i64,
        /// For how long it holds.
        per: Period,
    },
    /// A bill was higher than what had been reserved for it: nothing more starts until a person has looked.
    #[error("`{scope}` is frozen: a call cost {} more than was reserved for it", unit.show(*overrun))]
    Frozen {
        /// Whose limit.
        scope: Arc<str>,
        /// Of what.
        unit: Unit,
        /// All that was billed above reservations.
        overrun: i64,
    },
}

impl Exceeded {
    /// Whose limit it is: "day", "tenant:main", "workflow:name" or [`RUN`](super::RUN).
    pub fn scope(&self) -> &Arc<str> {
        match self {
            Exceeded::Uncapped { scope, .. }
            | Exceeded::Unpriced { scope, .. }
            | Exceeded::Unlisted { scope, .. }
            | Exceeded::Full { scope, .. }
            | Exceeded::Frozen { scope, .. } => scope,
        }
    }
}

impl From<Exceeded> for Failure {
    fn from(why: Exceeded) -> Failure {
        Failure::inside(FailureKind::BudgetExceeded, why.to_string())
    }
}

/// Of which scope and unit there was no room, if that is what the failure says.
pub fn short_of(failure: &Failure) -> Option<(&str, Unit)> {
    if failure.kind != FailureKind::BudgetExceeded {
        return None;
    }
    let (scope, rest) = failure.detail.strip_prefix('`')?.split_once("` has no room for ")?;
    let (wanted, _) = rest.split_once(" more: ")?;
    // As `Unit::show` writes amounts.
    let unit = match () {
        () if wanted.contains('$') => Unit::Money,
        () if wanted.contains("token") => Unit::Tokens,
        () if wanted.contains("call") => Unit::Calls,
        () => Unit::Time,
    };
    Some((scope, unit))
}

/// The second half of the sentence about a limit.
struct Room {
    unit: Unit,
    left: Option<i64>,
    limit: i64,
    per: Period,
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limit = self.unit.show(self.limit);
        match self.left {
            Some(left) => write!(f, "{} of {limit}{} is left", self.unit.show(left), self.per.suffix()),
            None => write!(f, "its limit is {limit}{}", self.per.suffix()),
        }
    }
}
