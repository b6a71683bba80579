//! What a call may spend: asked before each model call and each action, and set aside in the event that announces it.
//!
//! The run's own budget is compared here. The standing limits concern other runs too: the event names their sums, and the store
//! compares them in its transaction. What it refused comes back as [`Facts::refused`](crate::next::Facts::refused).

use std::sync::Arc;

use crate::{
    governance::budget::{self, Amounts, Charged, Exceeded, Limit, Limiting, RUN, Rate, Reserved, RunScope, act},
    ids::StepPath,
    journal::Usage,
    next::Walk,
    recovery::{Failure, Phase},
    run::Acting,
    tool::Operation,
    values::{MAX_INT, Money, Span, Timestamp},
};

/// What a run waits for begins so while a call that somebody has said yes to, or that is to be sent again, has no room. The scope
/// and a colon follow.
pub const ROOM: &str = "room in the budget of ";

impl Walk<'_> {
    /// Sets aside what a model call may cost at most. `None`: nothing limits the run. A model behind a server that nobody says the
    /// price of is not asked, whatever is limited.
    pub(crate) fn reserve_ask(
        &mut self,
        path: &StepPath,
        model: &str,
        bytes: impl FnOnce() -> u64,
    ) -> Result<Option<Box<Reserved>>, Exceeded> {
        let rate = self.rate(model);
        if rate.asks.is_some() && !rate.tariff.is_priced(self.facts.now) {
            return Err(Exceeded::Unlisted { model: model.into(), scope: RUN.into() });
        }
        self.reserve(path, |walk, limiting| rate.tariff.reserve(model, bytes(), rate.timeout, limiting, walk.facts.now))
    }

    /// Sets aside what a tool call may cost at most. `None`: nothing limits the run.
    pub(crate) fn reserve_act(
        &mut self,
        path: &StepPath,
        operation: &Operation,
    ) -> Result<Option<Box<Reserved>>, Exceeded> {
        self.reserve(path, |_, _| Ok(act(operation.cost, operation.timeout)))
    }

    fn reserve(
        &mut self,
        path: &StepPath,
        worst: impl FnOnce(&Self, &Limiting) -> Result<Amounts, Exceeded>,
    ) -> Result<Option<Box<Reserved>>, Exceeded> {
        let statutes = self.statutes();
        let own = self.own_limit();
        let own = own.as_ref();
        if own.is_none() && statutes.limits.is_empty() {
            return Ok(None);
        }
        if let Some(why) = self.facts.refused.get(path) {
            return Err(why.clone());
        }
        let above = self.state.parent().map(|parent| parent.above.clone()).unwrap_or_default();
        let run = RunScope { tenant: self.facts.tenant.into(), workflow: self.program.name.clone(), above };
        let limiting = budget::limiting(own, &statutes.limits, &run);
        if limiting.is_empty() {
            return Ok(None);
        }
        let max = worst(self, &limiting)?;
        // What this pass announces counts for the rest of it.
        let spent = self.spent.to_mut();
        if spent.reserved.contains_key(path) {
            spent.forfeit(path).expect("it is open: looked at above");
        }
        if let Some(limit) = own {
            spent.fits(limit, &max)?;
        }
        spent.reserve(path.clone(), max).expect("nothing is open: closed above");
        let lines = budget::lines(&statutes.limits, &run, self.facts.now, &max);
        Ok(Some(Box::new(Reserved { generation: self.facts.charter.generation, max, lines })))
    }

    /// What the run itself may spend: as its workflow says, and never more than what was handed to it with its work.
    pub(crate) fn own_limit(&self) -> Option<Limit> {
        let handed = self.state.parent().and_then(|parent| parent.scope.budget);
        match (self.program.budget, handed) {
            (Some(own), Some(handed)) => Some(own.narrowed(&handed)),
            (own, handed) => own.or(handed),
        }
    }

    /// Waits until a limit is raised, or is empty again in its next period.
    pub(crate) fn wait_for_room(&mut self, until: Option<Timestamp>, why: &Exceeded) {
        self.wait(until, || format!("{ROOM}{}: {why}", why.scope()));
    }

    /// What a model call that was asked `at` has cost of what was set aside (`None`: nothing was, or it is not known), and what it
    /// is charged.
    pub(crate) fn asked_for(
        &self,
        path: &StepPath,
        model: &str,
        at: Timestamp,
        answer: (&Usage, Option<&Failure>),
    ) -> (Option<Amounts>, Charged) {
        let max = self.state.spent.reserved.get(path);
        let time = max.map_or(Span::from_micros(0), |max| self.took(at, max));
        self.rate(model).charge(max, answer, (at, time))
    }

    /// What the run has cost so far: what was settled, and what nothing limited as it was charged. Only what an older journal does
    /// not say is taken at the prices of today.
    pub(crate) fn cost(&self) -> Money {
        let unlimited = &self.state.unlimited;
        let mut micros = self.state.spent.settled.money_uusd.saturating_add(unlimited.charged_uusd);
        for (model, usage) in &unlimited.usage {
            if let (Some(price), _) = self.rate(model).tariff.price(self.facts.now, 0) {
                micros = micros.saturating_add(budget::actual(usage, &price).money_uusd);
            }
        }
        for (called, count) in &unlimited.calls {
            let operation =
                called.split_once('.').and_then(|(tool, name)| self.program.tools.get(tool)?.operations.get(name));
            let cost = operation.and_then(|operation| operation.cost).unwrap_or_default().micros();
            micros = micros.saturating_add(cost.saturating_mul(i64::try_from(*count).unwrap_or(i64::MAX)));
        }
        Money::from_micros(micros.min(MAX_INT))
    }

    /// What an answered tool call has cost of what was set aside. `None`: nothing was.
    pub(crate) fn acted_for(
        &self,
        path: &StepPath,
        operation: &Operation,
        acting: &Acting,
        failure: Option<&Failure>,
    ) -> Option<Amounts> {
        let max = self.state.spent.reserved.get(path)?;
        let unsent = failure.is_some_and(|why| matches!(why.phase, Phase::NotSent | Phase::Inside));
        Some(match unsent && acting.doubts == 0 {
            true => Amounts::NOTHING,
            false => act(operation.cost, self.took(acting.sent_at, max)),
        })
    }

    /// From the event until now, at most what was set aside: what lies beyond is ours and no bill.
    fn took(&self, at: Timestamp, max: &Amounts) -> Span {
        let took = self.facts.now.micros().saturating_sub(at.micros());
        Span::from_micros(took.clamp(0, max.time_us.max(0)))
    }

    fn rate(&self, model: &str) -> Rate {
        let statutes: Arc<_> = self.statutes();
        statutes.models.get(model).cloned().unwrap_or(Rate::UNKNOWN)
    }
}
