//! What people say came of runs, and which versions runs follow.

use std::{collections::BTreeMap, sync::Arc};

use kernel::ids::{Digest, RunId};

use super::Inner;
use crate::{OutcomeQuery, OutcomeSaid, RunOutcome, StoreError, VersionRow, rules};

impl Inner {
    pub fn versions(&self, workflow: &Arc<str>, after: Option<RunId>, upto: Option<RunId>) -> Vec<VersionRow> {
        let mut versions: BTreeMap<Digest, VersionRow> = BTreeMap::new();
        let within = |run: &RunId| after.is_none_or(|after| *run > after) && upto.is_none_or(|upto| *run <= upto);
        for (run, kept) in self.runs.iter().filter(|(run, kept)| within(run) && kept.row.workflow == *workflow) {
            let bundle = kept.row.bundle;
            let new = VersionRow { bundle, runs: 0, first: *run, last: *run };
            let row = versions.entry(bundle).or_insert(new);
            (row.runs, row.last) = (row.runs + 1, *run);
        }
        versions.into_values().collect()
    }

    pub fn say_outcome(&mut self, outcome: RunOutcome) -> Result<OutcomeSaid, StoreError> {
        rules::outcome_is_short(&outcome)?;
        let kept = self.kept(outcome.run)?;
        if !kept.row.status.is_final() {
            return Ok(OutcomeSaid::NotOver { status: kept.row.status });
        }
        if kept.key.is_none() {
            return Ok(OutcomeSaid::Erased);
        }
        kept.outcomes.insert(outcome.by.clone(), outcome);
        Ok(OutcomeSaid::Done)
    }

    pub fn outcomes(&self, query: OutcomeQuery) -> Vec<RunOutcome> {
        match query {
            OutcomeQuery::Run(run) => {
                self.runs.get(&run).map_or_else(Vec::new, |kept| kept.outcomes.values().cloned().collect())
            }
            OutcomeQuery::Workflow { workflow, right, since, limit } => {
                let newest = self.runs.values().rev().filter(|kept| kept.row.workflow == workflow);
                let wanted = |one: &&RunOutcome| {
                    right.is_none_or(|right| one.right == right) && since.is_none_or(|since| one.run >= since)
                };
                let all = newest.flat_map(|kept| kept.outcomes.values()).filter(wanted);
                all.take(rules::page(limit)).cloned().collect()
            }
        }
    }
}
