//! What a call costs: at most, before it; really, after it. Fractions of a micro-dollar are rounded up once, at the end, so
//! that many small calls are never counted as nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Amounts, Exceeded, Limiting, Listed, PriceFrom, Unit};
use crate::{
    context::ModelRequest,
    ids::Digest,
    journal::Usage,
    pace::Pace,
    recovery::{Failure, FailureKind, Phase},
    values::{MAX_INT, Money, Span, Timestamp},
};

/// What a model bills: money for a million tokens of each bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Input that no cache held.
    pub input: Money,
    /// Input read from a cache.
    pub cache_read: Money,
    /// Input written to a cache.
    pub cache_write: Money,
    /// Visible output.
    pub output: Money,
    /// Output spent on reasoning.
    pub reasoning: Money,
    /// The day of the price list.
    pub as_of: Timestamp,
    /// The first moment at which it holds; `None`: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// The first moment at which it does not hold any more; `None`: for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

impl Price {
    /// The price of what bills nothing.
    pub const NOTHING: Price = Price {
        input: Money::from_micros(0),
        cache_read: Money::from_micros(0),
        cache_write: Money::from_micros(0),
        output: Money::from_micros(0),
        reasoning: Money::from_micros(0),
        as_of: Timestamp::from_micros(0),
        from: None,
        until: None,
    };

    /// Whether it holds at that moment.
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= at) && self.until.is_none_or(|until| at < until)
    }
}

/// Where no tokenizer of the model is at hand, two bytes of a request are taken for one token.
const BYTES_PER_TOKEN: u64 = 2;

/// What a server wraps around system text, user text and schema, in bytes: names of roles and fields, marks of a chat template.
const WRAPPING: u64 = 512;

/// The same around one offer or one turn of a conversation.
const WRAPPING_PIECE: u64 = 128;

/// What one sending of a model request costs at most, without time (see [`Amounts::taking`]).
///
/// `request_bytes` is all that the model may read, see [`request_bytes`]; `output_cap` the longest answer in tokens, reasoning
/// included. Input counts as half its bytes, rounded up, at the dearest of input and writing to a cache; output at the dearest
/// of output and reasoning.
pub fn worst_case(request_bytes: u64, output_cap: u32, price: &Price) -> Amounts {
    let input = tokens_at_most(request_bytes);
    // Reading from a cache is cheaper wherever it is priced apart; where a file says otherwise, it is believed.
    let dearest = price.input.max(price.cache_write).max(price.cache_read);
    let output = u64::from(output_cap);
    let money = bill(&[(input, dearest), (output, price.output.max(price.reasoning))]);
    Amounts { money_uusd: money, tokens: counted(input.saturating_add(output)), calls: 1, time_us: 0 }
}

/// The same at the dearest of these prices; with none of them, no money.
fn dearest(request_bytes: u64, output_cap: u32, prices: impl Iterator<Item = Price>) -> Amounts {
    let worst = prices.map(|price| worst_case(request_bytes, output_cap, &price)).max_by_key(|worst| worst.money_uusd);
    worst.unwrap_or_else(|| worst_case(request_bytes, output_cap, &Price::NOTHING))
}

/// How many tokens the input has at most.
fn tokens_at_most(request_bytes: u64) -> u64 {
    request_bytes.div_ceil(BYTES_PER_TOKEN)
}

/// What one sending has cost, without time (see [`Amounts::taking`]): each of the five buckets at its own price.
pub fn actual(usage: &Usage, price: &Price) -> Amounts {
    let money = bill(&[
        (usage.input, price.input),
        (usage.cache_read, price.cache_read),
        (usage.cache_write, price.cache_write),
        (usage.output, price.output),
        (usage.reasoning, price.reasoning),
    ]);
    Amounts { money_uusd: money, tokens: counted(all(usage)), calls: 1, time_us: 0 }
}

/// What one sending of a tool call costs, before and after: its declared `cost`, and `time` within it.
pub fn act(cost: Option<Money>, time: Span) -> Amounts {
    Amounts { money_uusd: cost.unwrap_or_default().micros(), tokens: 0, calls: 1, time_us: time.micros() }
}

/// All that the model may read, in bytes: both texts, the schema twice (it may stand in the request and in the system text),
/// what is offered likewise, the turns so far, and what a server wraps around them.
pub fn request_bytes(request: &ModelRequest) -> u64 {
    let schema = request.output_schema.as_ref().map_or(0, |schema| schema.json().to_string().len());
    let offers = request.offers.iter().map(|offer| {
        let params = offer.params.json().to_string().len();
        2 * (offer.name.len() + offer.says.len() + params) as u64 + WRAPPING_PIECE
    });
    let turns = request.turns.iter().map(|turn| turn.to_value().to_json().len() as u64 + WRAPPING_PIECE);
    let talk: u64 = offers.chain(turns).sum();
    (request.system.len() + request.user.len() + 2 * schema) as u64 + talk + WRAPPING
}

/// Micro-dollars, rounded up once.
fn bill(parts: &[(u64, Money)]) -> i64 {
    // Five times 2^64 tokens at MAX_INT, the highest price that the reader takes, stay below 2^127.
    let sum = parts.iter().fold(0_i128, |sum, (tokens, price)| {
        sum.saturating_add(i128::from(*tokens).saturating_mul(i128::from(price.micros().max(0))))
    });
    i64::try_from(sum.saturating_add(999_999) / 1_000_000).unwrap_or(MAX_INT).min(MAX_INT)
}

fn all(usage: &Usage) -> u64 {
    let buckets = [usage.input, usage.cache_read, usage.cache_write, usage.output, usage.reasoning];
    buckets.into_iter().fold(0, u64::saturating_add)
}

fn counted(tokens: u64) -> i64 {
    i64::try_from(tokens).unwrap_or(MAX_INT).min(MAX_INT)
}

/// What is known of the cost of a model's calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Tariff {
    /// Nothing is billed: rules, and scripted or registered models with neither price nor cap. Their tokens do not count either.
    Free,
    /// Tokens count, and money where the price is known.
    Billed {
        /// What a token costs, as the project file says; that always goes before the list.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        price: Option<Price>,
        /// The longest answer in tokens.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cap: Option<u32>,
        /// What a token costs by the list that comes with us.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        list: Option<Arc<Listed>>,
    },
}

/// What is known of a model's calls before one is made. Not in a bundle: today's prices count.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Their cost.
    pub tariff: Tariff,
    /// The longest that one may take, in microseconds.
    pub timeout: Span,
    /// How often it may be asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<Pace>,
    /// How many tokens it takes in and gives out together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<u64>,
    /// SHA-256 over how a model behind a server is declared: an answer that was given under another declaration is none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asks: Option<Digest>,
}

impl Rate {
    /// Of a model that nobody has said anything about: where its money or tokens are limited, it is not asked.
    pub const UNKNOWN: Rate = Rate {
        tariff: Tariff::Billed { price: None, cap: None, list: None },
        timeout: Span::from_millis(60_000),
        pace: None,
        window: None,
        asks: None,
    };
}

/// What becomes of a reservation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closing {
    /// It has cost this.
    Settle(Amounts),
    /// What it has cost is not known: the whole reservation counts as spent.
    Forfeit,
}

impl Tariff {
    /// What a token costs in a call that was made at that moment and whose input, caches included, has so many tokens; and where that
    /// stands.
    pub fn price(&self, at: Timestamp, input: u64) -> (Option<Price>, PriceFrom) {
        let Tariff::Billed { price, list, .. } = self else { return (None, PriceFrom::Free) };
        if let Some(price) = price.filter(|price| price.holds(at)) {
            return if price == Price::NOTHING { (None, PriceFrom::Free) } else { (Some(price), PriceFrom::Own) };
        }
        let listed = list.as_ref().and_then(|list| Some((list.within(at, input).last()?, list.by.clone())));
        listed.map_or((None, PriceFrom::Unknown), |(price, by)| (Some(price), PriceFrom::List(by)))
    }

    /// Whether somebody says what a call at that moment costs.
    pub fn is_priced(&self, at: Timestamp) -> bool {
        self.price(at, 0).1 != PriceFrom::Unknown
    }

    /// What one sending costs at most on any day from that of the list on, without time: for those who know no moment. Where no
    /// price is known, it costs no money.
    pub fn at_most(&self, request_bytes: u64) -> Amounts {
        let Tariff::Billed { price, cap, list } = self else { return Amounts { calls: 1, ..Amounts::NOTHING } };
        let always = price.is_some_and(|price| price.from.is_none() && price.until.is_none());
        let listed = list.iter().filter(|_| !always).flat_map(|list| list.from_now_on(tokens_at_most(request_bytes)));
        dearest(request_bytes, cap.unwrap_or(0), price.iter().copied().chain(listed))
    }

    /// What is reserved before `model` is sent `request_bytes`, with the call's `timeout` as its time.
    ///
    /// `limiting` says which units are limited for this run, see [`super::limiting`]; `now` which prices hold.
    ///
    /// # Errors
    /// [`Exceeded::Uncapped`] and [`Exceeded::Unpriced`]: nothing is sent; the project file must say more.
    pub fn reserve(
        &self,
        model: &str,
        request_bytes: u64,
        timeout: Span,
        limiting: &Limiting,
        now: Timestamp,
    ) -> Result<Amounts, Exceeded> {
        let Tariff::Billed { price, cap, list } = self else { return Ok(act(None, timeout)) };
        if let (false, Some(scope)) = (self.is_priced(now), limiting.get(&Unit::Money)) {
            return Err(Exceeded::Unpriced { model: model.into(), scope: scope.clone() });
        }
        for unit in [Unit::Money, Unit::Tokens] {
            if let (None, Some(scope)) = (cap, limiting.get(&unit)) {
                return Err(Exceeded::Uncapped { model: model.into(), scope: scope.clone(), unit });
            }
        }
        let own = price.filter(|price| price.holds(now));
        let listed = list.iter().filter(|_| own.is_none());
        let listed = listed.flat_map(|list| list.within(now, tokens_at_most(request_bytes)));
        Ok(dearest(request_bytes, cap.unwrap_or(0), own.into_iter().chain(listed)).taking(timeout))
    }

    /// What becomes of the reservation when a sending came back with `usage`, failed as `failure` says, and took `time` of at
    /// most its timeout. `price`: what a token of it costs, see [`Tariff::price`].
    ///
    /// Nothing was sent: it cost nothing. It may have been sent, or it was answered and the server did not say how many tokens:
    /// what it cost is not known. A refusal before any answer (a rate limit, a key, a parameter) bills no tokens.
    pub fn close(&self, usage: &Usage, failure: Option<&Failure>, time: Span, price: Option<&Price>) -> Closing {
        match (self, failure.map(|failure| failure.phase)) {
            (_, Some(Phase::NotSent | Phase::Inside)) => Closing::Settle(Amounts::NOTHING),
            (Tariff::Free, _) => Closing::Settle(act(None, time)),
            (_, Some(Phase::MaybeSent)) => Closing::Forfeit,
            (Tariff::Billed { .. }, _) if all(usage) == 0 && failure.is_none_or(answered) => Closing::Forfeit,
            (Tariff::Billed { .. }, _) => Closing::Settle(actual(usage, price.unwrap_or(&Price::NOTHING)).taking(time)),
        }
    }
}

/// Whether the model had begun to answer: that is billed, whatever became of the answer.
fn answered(failure: &Failure) -> bool {
    !matches!(
        failure.kind,
        FailureKind::ProviderRateLimited
            | FailureKind::ProviderSpendLimit
            | FailureKind::ProviderOverloaded
            | FailureKind::ProviderError
            | FailureKind::ProviderAuth
            | FailureKind::InvalidArguments
            | FailureKind::ContextOverflow
    )
}
