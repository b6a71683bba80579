//! Budgets: what a call may cost at most, what it did cost, and whether that fits. Reserved before, settled after; integers only.
//!
//! | unit | counts | in a file | in JSON and stores |
//! | --- | --- | --- | --- |
//! | money | millionths of a US dollar | `money: 0.50 USD` | `money_uusd` |
//! | tokens | all that a model reads and writes | `tokens: 100000` | `tokens` |
//! | calls | of models and tools, each sending | `calls: 40` | `calls` |
//! | time | microseconds within calls, not between them | `time: 2h` | `time_us` |

mod charged;
mod exceeded;
mod limits;
mod list;
mod price;
mod read;
mod reserved;
mod spent;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub(crate) use self::read::{money, price, unknown_workflows, unpriced_models};
pub use self::{
    charged::{Charged, PriceFrom},
    exceeded::{Exceeded, short_of},
    limits::{BadLimits, Limit, Limiting, Limits, Line, Period, RUN, Raise, RunScope, limiting, lines},
    list::{Listed, Period as PricePeriod, PriceList, Tier},
    price::{Closing, Price, Rate, Tariff, act, actual, request_bytes, worst_case},
    reserved::Reserved,
    spent::{Misfit, Spent, near},
};
use crate::values::{MAX_INT, Money, Span};

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// Millionths of a US dollar.
    #[serde(rename = "money_uusd")]
    Money,
    /// Tokens that models read and write.
    #[serde(rename = "tokens")]
    Tokens,
    /// Sendings to models and tools.
    #[serde(rename = "calls")]
    Calls,
    /// Microseconds within calls.
    #[serde(rename = "time_us")]
    Time,
}

impl Unit {
    /// All units, in the order of their variants.
    pub const ALL: [Unit; 4] = [Unit::Money, Unit::Tokens, Unit::Calls, Unit::Time];

    /// As JSON and stores have it; it says how the number counts.
    pub fn as_str(self) -> &'static str {
        match self {
            Unit::Money => "money_uusd",
            Unit::Tokens => "tokens",
            Unit::Calls => "calls",
            Unit::Time => "time_us",
        }
    }

    /// The key in a file, and the word in a sentence.
    pub fn word(self) -> &'static str {
        match self {
            Unit::Money => "money",
            Unit::Tokens => "tokens",
            Unit::Calls => "calls",
            Unit::Time => "time",
        }
    }

    /// An amount as people write it: `0.50 USD` or `0.50`, `2h`, or a whole number of tokens or calls.
    ///
    /// # Errors
    /// One sentence that says what was expected.
    pub fn read(self, text: &str) -> Result<i64, String> {
        let count = || text.parse::<i64>().ok().filter(|count| (0..=MAX_INT).contains(count));
        match self {
            Unit::Money => Money::of_dollars(text.strip_suffix(" USD").unwrap_or(text))
                .map(Money::micros)
                .ok_or_else(|| format!("`{text}` is no amount of money: write US dollars, as in `0.50` or `0.50 USD`")),
            Unit::Time => text.parse::<Span>().map(Span::micros).map_err(|why| why.to_string()),
            Unit::Tokens | Unit::Calls => {
                count().ok_or_else(|| format!("`{text}` is no number of {}: write a whole number", self.word()))
            }
        }
    }

    /// An amount as people read it: "$0.40", "1200 tokens", "1 call", "30s".
    pub fn show(self, amount: i64) -> String {
        match self {
            Unit::Money => Money::from_micros(amount).to_string(),
            Unit::Tokens if amount == 1 => "1 token".to_owned(),
            Unit::Tokens => format!("{amount} tokens"),
            Unit::Calls if amount == 1 => "1 call".to_owned(),
            Unit::Calls => format!("{amount} calls"),
            Unit::Time => Span::from_micros(amount).to_string(),
        }
    }
}

/// So much of each unit, each at least 0. Sums stop at the largest number instead of going round: then nothing fits any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Amounts {
    /// Millionths of a US dollar.
    #[serde(skip_serializing_if = "is_zero")]
    pub money_uusd: i64,
    /// Tokens, of all five buckets together.
    #[serde(skip_serializing_if = "is_zero")]
    pub tokens: i64,
    /// Sendings.
    #[serde(skip_serializing_if = "is_zero")]
    pub calls: i64,
    /// Microseconds within calls.
    #[serde(skip_serializing_if = "is_zero")]
    pub time_us: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(amount: &i64) -> bool {
    *amount == 0
}

impl Amounts {
    /// Nothing of anything.
    pub const NOTHING: Amounts = Amounts { money_uusd: 0, tokens: 0, calls: 0, time_us: 0 };

    /// So much of one unit.
    pub fn get(&self, unit: Unit) -> i64 {
        match unit {
            Unit::Money => self.money_uusd,
            Unit::Tokens => self.tokens,
            Unit::Calls => self.calls,
            Unit::Time => self.time_us,
        }
    }

    /// The same with so much time within the call: before it its timeout; after it what it took, at most its timeout, since what
    /// lies beyond is ours (a slow disk, a stopped machine) and no bill.
    #[must_use]
    pub fn taking(self, time: Span) -> Amounts {
        Amounts { time_us: time.micros(), ..self }
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Amounts) -> Amounts {
        self.with(other, i64::saturating_add)
    }

    /// By how much it is more than `max`, in each unit; 0 where it is not.
    #[must_use]
    pub fn beyond(self, max: Amounts) -> Amounts {
        self.with(max, |actual, max| actual.saturating_sub(max).max(0))
    }

    fn with(self, other: Amounts, of: impl Fn(i64, i64) -> i64) -> Amounts {
        Amounts {
            money_uusd: of(self.money_uusd, other.money_uusd),
            tokens: of(self.tokens, other.tokens),
            calls: of(self.calls, other.calls),
            time_us: of(self.time_us, other.time_us),
        }
    }
}
