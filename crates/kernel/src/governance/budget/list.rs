//! The price list that comes with us: what models are charged by where the project file says nothing.
//!
//! It is data, `crates/kernel/prices/list.json`, made by the script beside it from `genai-prices` (MIT, its notice stands there too). A
//! model is found by the server that it is asked at and by its name there; what it costs, by the day and by how large the input is.

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::Price;
use crate::values::{Money, Timestamp};

/// The list of this version.
static LIST: LazyLock<PriceList> =
    LazyLock::new(|| PriceList::read(include_str!("../../../prices/list.json")).expect("a test reads all of it"));

/// A price list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceList {
    /// `genai-prices 0.2.3`.
    pub name: Arc<str>,
    /// The day on which it was fetched.
    pub fetched: Timestamp,
    providers: Vec<Provider>,
}

/// As the file has it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    list: String,
    version: String,
    fetched: String,
    licence: String,
    providers: Vec<WrittenProvider>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenProvider {
    name: String,
    at: Vec<String>,
    models: Vec<WrittenModel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    name: String,
    like: Vec<String>,
    #[serde(default)]
    but: Vec<String>,
    periods: Vec<WrittenPeriod>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenPeriod {
    from: Option<String>,
    tiers: Vec<Tier>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Provider {
    name: String,
    /// A base URL of it begins so.
    at: Vec<String>,
    /// The first that fits counts.
    models: Vec<Model>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Model {
    name: String,
    /// Names at the server: `*` stands for any text, `#` for a digit.
    like: Vec<String>,
    /// … and not these.
    but: Vec<String>,
    /// None: it is known, and what it costs cannot be said in tokens.
    periods: Vec<Period>,
}

/// What one model costs, by the day and by how large the input is. A copy of what the list says, so that it can be kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// The list and the model's name in it: `genai-prices 0.2.3, openai/gpt-5-mini`.
    pub by: Arc<str>,
    /// The day on which the list was fetched.
    pub as_of: Timestamp,
    /// At least one; each holds until the next one begins.
    pub periods: Vec<Period>,
}

/// What holds from one day on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// The day, at midnight UTC; `None`: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// At least one, from 0 on: the last one that the input exceeds counts, for all tokens of the call.
    pub tiers: Vec<Tier>,
}

/// Micro-dollars for a million tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tier {
    /// The input of a call, caches included, has more tokens than this; 0 in the first one.
    pub above: u64,
    /// Input that no cache held.
    pub input: Money,
    /// Input read from a cache; `None`: as other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_read: Option<Money>,
    /// Input written to a cache; `None`: as other input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_write: Option<Money>,
    /// Visible output.
    pub output: Money,
    /// Output spent on reasoning; `None`: as other output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning: Option<Money>,
}

impl PriceList {
    /// The list that comes with this version.
    pub fn today() -> &'static PriceList {
        &LIST
    }

    fn read(text: &str) -> Result<PriceList, String> {
        let written: Written = serde_json::from_str(text).map_err(|why| why.to_string())?;
        if written.licence.is_empty() {
            return Err("it says no licence".to_owned());
        }
        let day = |text: &str| Timestamp::parse(text).ok_or_else(|| format!("`{text}` is no day"));
        let mut providers = Vec::new();
        for provider in written.providers {
            let mut models = Vec::new();
            for WrittenModel { name, like, but, periods } in provider.models {
                let periods = periods.into_iter().map(|WrittenPeriod { from, tiers }| {
                    Ok(Period { from: from.map(|text| day(&text)).transpose()?, tiers })
                });
                let periods = periods.collect::<Result<Vec<Period>, String>>()?;
                in_order(&periods).map_err(|why| format!("{}/{name}: {why}", provider.name))?;
                models.push(Model { name, like, but, periods });
            }
            providers.push(Provider { name: provider.name, at: provider.at, models });
        }
        let name = format!("{} {}", written.list, written.version).into();
        Ok(PriceList { name, fetched: day(&written.fetched)?, providers })
    }

    /// What the server at `base_url` charges for its model `name`; `None`: the list does not say.
    pub fn find(&self, base_url: &str, name: &str) -> Option<Listed> {
        let provider = self.provider(base_url)?;
        let name = name.to_ascii_lowercase();
        let name = name.strip_prefix("models/").unwrap_or(&name);
        let fits = |patterns: &[String]| patterns.iter().any(|pattern| is_like(name.as_bytes(), pattern.as_bytes()));
        let model = provider.models.iter().find(|model| fits(&model.like) && !fits(&model.but))?;
        (!model.periods.is_empty()).then(|| Listed {
            by: format!("{}, {}/{}", self.name, provider.name, model.name).into(),
            as_of: self.fetched,
            periods: model.periods.clone(),
        })
    }

    /// The models of the server at `base_url` that have a price.
    pub(crate) fn names(&self, base_url: &str) -> impl Iterator<Item = &str> + Clone {
        let models = self.provider(base_url).into_iter().flat_map(|provider| &provider.models);
        models.filter(|model| !model.periods.is_empty()).map(|model| &*model.name)
    }

    fn provider(&self, base_url: &str) -> Option<&Provider> {
        let url = format!("{}/", base_url.to_ascii_lowercase());
        self.providers.iter().find(|provider| provider.at.iter().any(|at| url.starts_with(&**at)))
    }
}

/// Periods from the beginning and tiers from 0, each later than the one before, and no price below nothing.
fn in_order(periods: &[Period]) -> Result<(), &'static str> {
    let begins = |period: &Period| period.from.map_or(i64::MIN, Timestamp::micros);
    if periods.first().is_some_and(|first| first.from.is_some())
        || !periods.is_sorted_by(|one, next| begins(one) < begins(next))
    {
        return Err("its periods are not in order from the beginning");
    }
    for Period { tiers, .. } in periods {
        if tiers.first().is_none_or(|tier| tier.above > 0) || !tiers.is_sorted_by(|one, next| one.above < next.above) {
            return Err("its tiers are not in order from 0");
        }
        if tiers.iter().flat_map(Tier::buckets).any(|price| price.micros() < 0) {
            return Err("a price is below nothing");
        }
    }
    Ok(())
}

/// `*` in a pattern stands for any text, `#` for a digit.
fn is_like(name: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), name.split_first()) {
        (None, _) => name.is_empty(),
        (Some((b'*', rest)), _) => (0..=name.len()).any(|skipped| is_like(&name[skipped..], rest)),
        (Some((wanted, rest)), Some((byte, left))) => {
            (wanted == byte || (*wanted == b'#' && byte.is_ascii_digit())) && is_like(left, rest)
        }
        (Some(_), None) => false,
    }
}

impl Listed {
    /// The prices of `day` that an input of up to `tokens` may be charged by: at least one, the last one if it is as large as that.
    pub fn within(&self, day: Timestamp, tokens: u64) -> impl Iterator<Item = Price> + '_ {
        let from = self.period(day).and_then(|period| period.from);
        let until = self.periods.iter().filter_map(|period| period.from).find(|from| *from > day);
        let reached = self.tiers(day).filter(move |tier| tier.above == 0 || tokens > tier.above);
        reached.map(move |tier| tier.price(self.as_of, from, until))
    }

    /// The tiers of `day`, from 0 on.
    pub fn tiers(&self, day: Timestamp) -> impl Iterator<Item = &Tier> {
        self.period(day).into_iter().flat_map(|period| &period.tiers)
    }

    fn period(&self, day: Timestamp) -> Option<&Period> {
        self.periods.iter().rev().find(|period| period.from.is_none_or(|from| from <= day))
    }

    /// All that an input of up to `tokens` may be charged by from the day of the list on.
    pub fn from_now_on(&self, tokens: u64) -> impl Iterator<Item = Price> + '_ {
        let later = self.periods.iter().filter_map(|period| period.from).filter(|from| *from > self.as_of);
        std::iter::once(self.as_of).chain(later).flat_map(move |day| self.within(day, tokens))
    }
}

impl Tier {
    fn buckets(&self) -> [Money; 5] {
        let price = self.price(Timestamp::default(), None, None);
        [price.input, price.cache_read, price.cache_write, price.output, price.reasoning]
    }

    fn price(&self, as_of: Timestamp, from: Option<Timestamp>, until: Option<Timestamp>) -> Price {
        Price {
            input: self.input,
            cache_read: self.cache_read.unwrap_or(self.input),
            cache_write: self.cache_write.unwrap_or(self.input),
            output: self.output,
            reasoning: self.reasoning.unwrap_or(self.output),
            as_of,
            from,
            until,
        }
    }
}

#[cfg(test)]
mod tests;
