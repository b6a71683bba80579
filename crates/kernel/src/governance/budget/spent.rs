//! What one run has spent: a fold over its reservations.

use std::collections::{BTreeMap, BTreeSet};

use super::{Amounts, Exceeded, Limit, RUN, Unit};
use crate::ids::StepPath;

/// What a run has spent and holds reserved. Facts go in in the order of the journal; [`Spent::fits`] is asked before.
///
/// While every call costs at most what was reserved for it, settled and reserved together never exceed a limit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// What calls have cost, forfeited reservations included.
    pub settled: Amounts,
    /// What open calls may cost at most.
    pub reserved: BTreeMap<StepPath, Amounts>,
    /// By how much calls have cost more than was reserved for them.
    pub overrun: Amounts,
    frozen: BTreeSet<Unit>,
    raised: BTreeMap<Unit, i64>,
}

/// A fact that does not fit: the journal is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// One call of a step at a time.
    #[error("step `{0}` has an open reservation already")]
    Open(StepPath),
    /// Nothing was reserved, or it is closed.
    #[error("step `{0}` has no open reservation")]
    NotOpen(StepPath),
}

impl Spent {
    /// Settled and reserved together.
    pub fn total(&self) -> Amounts {
        self.reserved.values().fold(self.settled, |sum, max| sum.plus(*max))
    }

    /// Whether a call that costs at most `max` may start within the run's `limit`, raises included.
    ///
    /// # Errors
    /// [`Exceeded::Frozen`] after an overrun of a limited unit; else [`Exceeded::Full`] for the first unit that does not fit.
    pub fn fits(&self, limit: &Limit, max: &Amounts) -> Result<(), Exceeded> {
        let total = self.total();
        if let Some((unit, _)) = limit.limited().find(|(unit, _)| self.frozen.contains(unit)) {
            return Err(Exceeded::Frozen { scope: RUN.into(), unit, overrun: self.overrun.get(unit) });
        }
        for (unit, written) in limit.limited() {
            let (most, wanted) = (self.in_force(unit, written), max.get(unit));
            let left = most.saturating_sub(total.get(unit));
            if wanted > left {
                let (scope, left) = (RUN.into(), Some(left));
                return Err(Exceeded::Full { scope, unit, wanted, left, limit: most, per: limit.per });
            }
        }
        Ok(())
    }

    /// A call of `step` was announced that costs at most `max`.
    ///
    /// # Errors
    /// [`Misfit::Open`]: nothing was changed.
    pub fn reserve(&mut self, step: StepPath, max: Amounts) -> Result<(), Misfit> {
        if self.reserved.contains_key(&step) {
            return Err(Misfit::Open(step));
        }
        self.reserved.insert(step, max);
        Ok(())
    }

    /// What of `limit` is neither settled nor reserved, raises included, in each unit that it limits.
    pub fn left(&self, limit: &Limit) -> Limit {
        let total = self.total();
        let left = |unit| limit.get(unit).map(|written| (self.in_force(unit, written) - total.get(unit)).max(0));
        Limit {
            per: limit.per,
            money_uusd: left(Unit::Money),
            tokens: left(Unit::Tokens),
            calls: left(Unit::Calls),
            time_us: left(Unit::Time),
        }
    }

    /// The open call of `step` has cost `actual`. What it cost beyond its reservation is returned, counted, and freezes the run
    /// in that unit.
    ///
    /// # Errors
    /// [`Misfit::NotOpen`]: nothing was changed.
    pub fn settle(&mut self, step: &StepPath, actual: Amounts) -> Result<Amounts, Misfit> {
        let max = self.reserved.remove(step).ok_or_else(|| Misfit::NotOpen(step.clone()))?;
        let beyond = actual.beyond(max);
        self.settled = self.settled.plus(actual);
        self.overrun = self.overrun.plus(beyond);
        self.frozen.extend(Unit::ALL.into_iter().filter(|unit| beyond.get(*unit) > 0));
        Ok(beyond)
    }

    /// What the open call of `step` has cost will never be known: all of its reservation counts.
    ///
    /// # Errors
    /// [`Misfit::NotOpen`]: nothing was changed.
    pub fn forfeit(&mut self, step: &StepPath) -> Result<(), Misfit> {
        let max = self.reserved.remove(step).ok_or_else(|| Misfit::NotOpen(step.clone()))?;
        self.settled = self.settled.plus(max);
        Ok(())
    }

    /// The owner gave this run a limit of its own for one unit. It never lowers what the workflow says; the later counts.
    pub fn raise(&mut self, unit: Unit, limit: i64) {
        self.raised.insert(unit, limit);
    }

    /// A person has looked at the overruns so far: calls may start again, as far as they fit.
    pub fn release(&mut self) {
        self.frozen.clear();
    }

    /// The units of which at least 80 % of the limit are settled or reserved: worth a warning, and no reason to stop.
    pub fn near(&self, limit: &Limit) -> Vec<Unit> {
        let total = self.total();
        let near = |(unit, written): &(Unit, i64)| near(total.get(*unit), self.in_force(*unit, *written));
        limit.limited().filter(near).map(|(unit, _)| unit).collect()
    }

    fn in_force(&self, unit: Unit, written: i64) -> i64 {
        self.raised.get(&unit).map_or(written, |limit| written.max(*limit))
    }
}

/// Whether `used` is at least 80 % of `limit`, in whatever unit.
pub fn near(used: i64, limit: i64) -> bool {
    i128::from(used) * 5 >= i128::from(limit) * 4
}
