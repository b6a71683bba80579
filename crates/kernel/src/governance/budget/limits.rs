//! Limits: a run's own, and the standing ones of workflows, tenants and days, which today's project file decides.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{Amounts, Exceeded, Unit};
use crate::{
    ids::Digest,
    values::{MAX_INT, Timestamp, Value},
};

/// The scope of a run's own budget, in sentences and raises.
pub const RUN: &str = "run";

/// The scope of all tenants and workflows of one store.
pub(super) const DAY: &str = "day";

/// For how long a limit holds before it counts from nothing again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From the full hour, UTC.
    Hour,
    /// From midnight UTC.
    Day,
    /// From midnight UTC of the first day of the month.
    Month,
    /// For good.
    #[default]
    Ever,
}

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

impl Period {
    /// Every period.
    pub const ALL: [Period; 4] = [Period::Hour, Period::Day, Period::Month, Period::Ever];

    /// As it is written after `per:`.
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Hour => "hour",
            Period::Day => "day",
            Period::Month => "month",
            Period::Ever => "ever",
        }
    }

    /// When the period that `now` is in began, in microseconds since 1970 UTC; 0 for [`Period::Ever`].
    pub fn start(self, now: Timestamp) -> i64 {
        let floor = |length: i64| now.micros().saturating_sub(now.micros().rem_euclid(length));
        match self {
            Period::Hour => floor(HOUR_US),
            Period::Day => floor(DAY_US),
            Period::Month => {
                let days = i64::from(day_of_month(now)) - 1;
                floor(DAY_US).saturating_sub(days * DAY_US)
            }
            Period::Ever => 0,
        }
    }

    /// " a day", or nothing for a limit that holds for good.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Period::Hour => " an hour",
            Period::Day => " a day",
            Period::Month => " a month",
            Period::Ever => "",
        }
    }
}

/// From 1. Beyond the years that calendars have (-9999 to 9999) each day is a first.
fn day_of_month(now: Timestamp) -> i8 {
    jiff::Timestamp::from_microsecond(now.micros()).map_or(1, |at| at.to_zoned(jiff::tz::TimeZone::UTC).day())
}

/// How much of each unit one scope may spend in a period. A unit without a number is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// For how long it holds.
    pub per: Period,
    /// Millionths of a US dollar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub money_uusd: Option<i64>,
    /// Tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<i64>,
    /// Sendings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls: Option<i64>,
    /// Microseconds within calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_us: Option<i64>,
}

impl Limit {
    /// The most of one unit; `None`: not limited.
    pub fn get(&self, unit: Unit) -> Option<i64> {
        match unit {
            Unit::Money => self.money_uusd,
            Unit::Tokens => self.tokens,
            Unit::Calls => self.calls,
            Unit::Time => self.time_us,
        }
    }

    /// The smaller of both in each unit: what is within one and within the other.
    #[must_use]
    pub fn narrowed(&self, other: &Limit) -> Limit {
        let least = |unit| match (self.get(unit), other.get(unit)) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        Limit {
            per: self.per,
            money_uusd: least(Unit::Money),
            tokens: least(Unit::Tokens),
            calls: least(Unit::Calls),
            time_us: least(Unit::Time),
        }
    }

    /// The units that are limited, with the most of each.
    pub fn limited(&self) -> impl Iterator<Item = (Unit, i64)> {
        Unit::ALL.into_iter().filter_map(|unit| Some((unit, self.get(unit)?)))
    }
}

/// Whose limits apply to a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunScope {
    /// The tenant that the run is of.
    pub tenant: Arc<str>,
    /// The workflow that it is a run of.
    pub workflow: Arc<str>,
    /// The workflows whose runs stand above it: what it does, it does for them.
    pub above: Vec<Arc<str>>,
}

/// A limit that the owner has changed for one period. It never lowers what the project file says; of two for the same scope,
/// unit and period the later counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Raise {
    /// "day", "tenant:main", "workflow:name", or [`RUN`].
    pub scope: Arc<str>,
    /// Of what.
    pub unit: Unit,
    /// The start of the period in microseconds, see [`Period::start`]: tomorrow the file's limit holds again.
    pub period: i64,
    /// The new limit, in the unit.
    pub limit: i64,
}

/// The standing limits: `budgets:` in the project file, and what was raised since. Not in a bundle: today's limits decide.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// For all runs of a workflow together, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub workflow: BTreeMap<Arc<str>, Limit>,
    /// For all runs of a tenant together: the same for each tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Limit>,
    /// For everything in one store, each day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Limit>,
    /// By scope, unit and period; see [`Limits::raise`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub raised: Vec<Raise>,
}

/// A value is no limits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the value is no limits: {0}")]
pub struct BadLimits(String);

impl Limits {
    /// As a value; its canonical JSON is what is stored and what the digest is taken of.
    pub fn to_value(&self) -> Value {
        let json = serde_json::to_value(self).expect("numbers, texts and lists are JSON: held by Limits");
        Value::try_from(&json).expect("no number is beyond 2^53: held by the reader, `raise` and `from_value`")
    }

    /// What [`Limits::to_value`] gave.
    ///
    /// # Errors
    /// A key that is not known, a value of another kind, a limit below 0, a `day` that is not per day, another form than
    /// [`Limits::to_value`] writes.
    pub fn from_value(value: &Value) -> Result<Limits, BadLimits> {
        let mut limits: Limits =
            serde_json::from_value(value.to_serde()).map_err(|error| BadLimits(error.to_string()))?;
        if limits.day.is_some_and(|day| day.per != Period::Day) {
            return Err(BadLimits("`day` is per day".to_owned()));
        }
        let written = limits.workflow.values().chain(&limits.tenant).chain(&limits.day);
        let written = written.flat_map(Limit::limited).map(|(_, limit)| limit);
        let below = written.chain(limits.raised.iter().map(|raise| raise.limit)).find(|limit| *limit < 0);
        if let Some(limit) = below {
            return Err(BadLimits(format!("the limit {limit} is below 0")));
        }
        std::mem::take(&mut limits.raised).into_iter().for_each(|raise| limits.raise(raise));
        // One form: what reads the same and is written otherwise would have another digest.
        if limits.to_value() != *value {
            return Err(BadLimits("it is written in another form than ours".to_owned()));
        }
        Ok(limits)
    }

    /// SHA-256 over the canonical JSON.
    pub fn digest(&self) -> Digest {
        self.to_value().digest()
    }

    /// Takes a raise; it replaces an earlier one for the same scope, unit and period. A limit is taken as from 0 to 2^53 - 1.
    pub fn raise(&mut self, raise: Raise) {
        let of = |raise: &Raise| (raise.scope.clone(), raise.unit, raise.period);
        let raise = Raise { limit: raise.limit.clamp(0, MAX_INT), ..raise };
        match self.raised.binary_search_by_key(&of(&raise), of) {
            Ok(place) => self.raised[place] = raise,
            Err(place) => self.raised.insert(place, raise),
        }
    }

    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        self.workflow.is_empty() && self.tenant.is_none() && self.day.is_none()
    }

    /// The scopes that these limits name, with those of `tenants`: "day", "tenant:main", "workflow:name".
    pub fn scopes<'a>(&self, tenants: impl IntoIterator<Item = &'a str>) -> Vec<Arc<str>> {
        let tenants = tenants.into_iter().filter(|_| self.tenant.is_some()).map(|name| format!("tenant:{name}").into());
        let workflows = self.workflow.keys().map(|name| format!("workflow:{name}").into());
        self.day.iter().map(|_| DAY.into()).chain(tenants).chain(workflows).collect()
    }

    /// The sums of one scope in the period of `now`, with the limits that hold in it, raises included; `max` is 0. None: the scope
    /// is not limited.
    pub fn of_scope(&self, scope: &str, now: Timestamp) -> Vec<Line> {
        let limit = match scope.split_once(':') {
            None if scope == DAY => self.day.as_ref(),
            Some(("tenant", _)) => self.tenant.as_ref(),
            Some(("workflow", name)) => self.workflow.get(name),
            _ => None,
        };
        limit.map(|limit| self.lines_of(&scope.into(), limit, now, &Amounts::NOTHING)).unwrap_or_default()
    }

    fn lines_of(&self, scope: &Arc<str>, limit: &Limit, now: Timestamp, max: &Amounts) -> Vec<Line> {
        let period = limit.per.start(now);
        let line = |(unit, written)| Line {
            scope: scope.clone(),
            unit,
            per: limit.per,
            period,
            limit: self.in_force(scope, unit, period, written),
            max: max.get(unit),
        };
        limit.limited().map(line).collect()
    }

    /// The limits that apply to a run, with the names of their scopes, sorted by these.
    fn applying(&self, run: &RunScope) -> Vec<(Arc<str>, &Limit)> {
        let tenant = self.tenant.as_ref().map(|limit| (format!("tenant:{}", run.tenant).into(), limit));
        let names: BTreeSet<&Arc<str>> = run.above.iter().chain([&run.workflow]).collect();
        let named = |name: &Arc<str>| Some((format!("workflow:{name}").into(), self.workflow.get(name)?));
        let workflow = names.into_iter().filter_map(named);
        self.day.as_ref().map(|limit| (DAY.into(), limit)).into_iter().chain(tenant).chain(workflow).collect()
    }

    fn in_force(&self, scope: &str, unit: Unit, period: i64, written: i64) -> i64 {
        let raise = self.raised.iter().find(|one| &*one.scope == scope && one.unit == unit && one.period == period);
        raise.map_or(written, |raise| raise.limit.max(written))
    }
}

/// Which units are limited for a run, each with the first scope that limits it.
pub type Limiting = BTreeMap<Unit, Arc<str>>;

/// Which units are limited for a run: by its own `budget`, then by day, tenant and workflow.
pub fn limiting(budget: Option<&Limit>, limits: &Limits, run: &RunScope) -> Limiting {
    let mut units = Limiting::new();
    let own = budget.map(|limit| (RUN.into(), limit));
    for (scope, limit) in own.into_iter().chain(limits.applying(run)) {
        for (unit, _) in limit.limited() {
            units.entry(unit).or_insert_with(|| scope.clone());
        }
    }
    units
}

/// One sum that must not exceed its limit: settled + reserved + `max` <= `limit`, compared by the store with the append.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Whose sum: "day", "tenant:main", "workflow:name".
    pub scope: Arc<str>,
    /// Of what.
    pub unit: Unit,
    /// For how long the limit holds.
    pub per: Period,
    /// The start of the period in microseconds; 0: for good.
    pub period: i64,
    /// The limit, raises included.
    pub limit: i64,
    /// What the call may cost at most. 0 is a line all the same, so that what it really costs is compared with it.
    pub max: i64,
}

/// The sums of the standing limits that a call of a run adds to, sorted by scope and unit, so that all stores lock them in one
/// order. Only units that are limited; what is reserved at `now` is settled in the period of `now`.
pub fn lines(limits: &Limits, run: &RunScope, now: Timestamp, max: &Amounts) -> Vec<Line> {
    let applying = limits.applying(run);
    applying.iter().flat_map(|(scope, limit)| limits.lines_of(scope, limit, now, max)).collect()
}

impl Line {
    /// Why a call does not start if the store says that this line does not fit; `left`: what is neither settled nor reserved, if
    /// it is known.
    pub fn full(&self, left: Option<i64>) -> Exceeded {
        Exceeded::Full {
            scope: self.scope.clone(),
            unit: self.unit,
            wanted: self.max,
            left,
            limit: self.limit,
            per: self.per,
        }
    }
}
