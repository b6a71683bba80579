//! What finds runs, and how many there are: looked at one by one.

use std::collections::BTreeMap;

use super::{Inner, Kept};
use crate::{
    ActionQuery, ActionState, ApprovalState, FindQuery, Found, OpenActionRow, RunCount, RunKey, Waiting,
    rules::{self, Sought},
};

impl Inner {
    pub fn find(&self, query: &FindQuery) -> Vec<Found> {
        let Some(sought) = Sought::of(&query.text) else { return Vec::new() };
        let earlier = self.runs.values().rev().filter(|kept| query.before.is_none_or(|before| kept.row.run < before));
        let found = earlier.filter_map(|kept| kept.fits(&sought)).filter(|found| found.whole || !query.whole);
        found.take(rules::page(query.limit)).collect()
    }

    pub fn counts(&self) -> Vec<RunCount> {
        let mut counts: BTreeMap<_, u64> = BTreeMap::new();
        for Kept { row, .. } in self.runs.values() {
            *counts.entry((row.workflow.clone(), row.status, row.failure.clone(), row.is_covered())).or_default() += 1;
        }
        let count =
            |((workflow, status, failure, covered), runs)| RunCount { workflow, status, failure, covered, runs };
        counts.into_iter().map(count).collect()
    }

    pub fn waiting(&self) -> Waiting {
        let pending = self.governed.approvals.values().filter(|row| row.state == ApprovalState::Pending);
        let states = || self.runs.values().flat_map(|kept| kept.open.values().map(|(_, state)| *state));
        let in_state = |wanted| states().filter(|state| *state == wanted).count() as u64;
        Waiting {
            approvals: pending.count() as u64,
            work: self.governed.work.values().filter(|row| row.closed_at.is_none()).count() as u64,
            open: in_state(ActionState::Open),
            unknown: in_state(ActionState::Unknown),
        }
    }

    pub fn open_actions(&self, query: &ActionQuery) -> Vec<OpenActionRow> {
        let all = self.runs.iter().flat_map(|(run, kept)| {
            kept.open.values().map(|(action, state)| OpenActionRow { run: *run, action: action.clone(), state: *state })
        });
        let wanted = |row: &OpenActionRow| {
            query.run.is_none_or(|run| run == row.run)
                && query.state.is_none_or(|state| state == row.state)
                && query.after.as_ref().is_none_or(|(run, step)| (row.run, &row.action.step) > (*run, step))
        };
        all.filter(wanted).take(rules::page(query.limit)).collect()
    }
}

impl Kept {
    /// From now on it is found by this.
    pub fn found_by(&mut self, key: RunKey) {
        if let Some(value) = rules::key_text(&key.value) {
            self.keys.entry((value.to_ascii_lowercase(), key.kind, key.name)).or_insert(value);
        }
    }

    /// How a text finds it, if it does.
    fn fits(&self, sought: &Sought) -> Option<Found> {
        let keys = self.keys.iter().filter_map(|((_, kind, name), value)| {
            let whole = sought.fits(value)?;
            Some((RunKey { kind: *kind, name: name.clone(), value: value.clone() }, whole))
        });
        let best = keys.chain(sought.fits_id(self.row.run)).min_by(|a, b| (!a.1, &a.0).cmp(&(!b.1, &b.0)));
        best.map(|(by, whole)| Found { row: self.row.clone(), by, whole })
    }
}
