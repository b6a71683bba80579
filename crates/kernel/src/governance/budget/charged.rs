//! What a model call was charged: written with its outcome, so that prices which are corrected later change nothing of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Amounts, Closing, Price, Rate, actual};
use crate::{
    journal::Usage,
    recovery::Failure,
    values::{Span, Timestamp},
};

/// The money that one model call counts with, and by which price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Charged {
    /// Millionths of a US dollar, rounded up once.
    pub money_uusd: i64,
    /// Where the price stood.
    pub by: PriceFrom,
    /// The price itself; `None`: nothing is billed, or nobody knows what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
    /// What it really cost is not known, and what was set aside for it counts.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forfeit: bool,
}

/// Where a price stood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PriceFrom {
    /// The model bills nothing.
    Free,
    /// In the project file.
    Own,
    /// In a list that comes with us: its name and version, and the model's name in it.
    List(Arc<str>),
    /// Nowhere: its tokens were counted, and no money.
    Unknown,
}

impl Rate {
    /// What becomes of what was set aside for a sending that came back with `usage`, failed as `failure` says and took `time`; and
    /// what it is charged, by the price that held when it was asked `at`. `max`: what was set aside, if anything was.
    pub fn charge(
        &self,
        max: Option<&Amounts>,
        (usage, failure): (&Usage, Option<&Failure>),
        (at, time): (Timestamp, Span),
    ) -> (Option<Amounts>, Charged) {
        let input = usage.input.saturating_add(usage.cache_read).saturating_add(usage.cache_write);
        let (price, by) = self.tariff.price(at, input);
        let closing = self.tariff.close(usage, failure, time, price.as_ref());
        let (money_uusd, forfeit) = match (closing, max) {
            (Closing::Settle(actual), _) => (actual.money_uusd, false),
            (Closing::Forfeit, Some(max)) => (max.money_uusd, true),
            // Nothing was set aside: what was said of tokens is all that can be counted.
            (Closing::Forfeit, None) => (price.map_or(0, |price| actual(usage, &price).money_uusd), false),
        };
        let spent = match closing {
            Closing::Settle(actual) => max.map(|_| actual),
            Closing::Forfeit => None,
        };
        (spent, Charged { money_uusd, by, price, forfeit })
    }
}
