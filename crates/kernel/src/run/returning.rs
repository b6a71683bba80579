//! The fold of going back: what a checkpoint was, and what of all that came after it stays.

use std::{collections::BTreeSet, sync::Arc};

use super::{RunState, StageFrame};

/// A step outside of bodies that is over, and how the run stood then.
#[derive(Clone, Debug, PartialEq)]
pub struct Passed {
    /// Its name.
    pub name: Arc<str>,
    /// In which visit it ended.
    pub visit: u32,
    /// The entry that ended it.
    pub entry: u64,
    stages: Vec<StageFrame>,
    began: BTreeSet<Arc<str>>,
    verified: BTreeSet<Arc<str>>,
}

impl Passed {
    /// A step of the innermost stage that was not done: what it gave elsewhere counts.
    pub(super) fn of(state: &RunState, name: Arc<str>) -> Passed {
        Passed {
            name,
            visit: 1,
            entry: state.head.seq + 1,
            stages: state.stages.clone(),
            began: state.began.clone(),
            verified: state.verified.clone(),
        }
    }
}

impl RunState {
    /// A step outside of bodies is over.
    pub(super) fn pass(&mut self) {
        let Some(steps) = self.stages.last().map(|frame| &frame.steps) else { return };
        let Some(name) = steps.last.clone() else { return };
        self.kept.remove(&name);
        self.passed.push(Passed {
            name,
            visit: steps.visit,
            entry: self.head.seq + 1,
            stages: self.stages.clone(),
            began: self.began.clone(),
            verified: self.verified.clone(),
        });
    }

    /// The checkpoint of this name, if the run has passed it.
    pub fn checkpoint(&self, step: &str) -> Option<&Passed> {
        self.passed.iter().rev().find(|one| *one.name == *step)
    }

    /// Everything after the checkpoint is forgotten, but for the values of what is kept. What was spent stays spent, and what was
    /// written outside and stands stays on record.
    pub(super) fn go_back(&mut self, to: &Arc<str>, kept: &[Arc<str>]) {
        let Some(place) = self.passed.iter().rposition(|one| one.name == *to) else { return };
        for later in self.passed.split_off(place + 1) {
            let value = self.values.remove(&later.name);
            if let Some(value) = value.filter(|_| kept.contains(&later.name)) {
                self.kept.insert(later.name.clone(), value);
            }
            self.visits.insert(later.name, later.visit + 1);
        }
        let point = self.passed[place].clone();
        // A step that was in progress then still is: a `decide` that had chosen the stage of the checkpoint.
        let then: Vec<&Arc<str>> =
            point.stages.iter().filter_map(|frame| frame.steps.open.as_ref()).map(|open| &open.name).collect();
        for open in self.stages.iter().filter_map(|frame| frame.steps.open.as_ref()) {
            if !then.contains(&&open.name) {
                self.visits.insert(open.name.clone(), open.visit + 1);
            }
        }
        (self.stages, self.began, self.verified) = (point.stages, point.began, point.verified);
        self.performed.retain(|one| one.writes || one.result <= point.entry);
        *self.returned.entry(to.clone()).or_default() += 1;
    }
}
