//! Acts and what took them back: two effects, of which the second one is there exactly if the run failed when all was done.

use std::collections::{BTreeMap, BTreeSet};

use super::Violation;
use crate::{
    ledger::{Ledger, Line},
    mixed::{CLASSES, Case, Late, kind, undo_kind},
};

/// Which run of the batch, and which action of it.
type Deed = (u64, u64);

/// The keys under which each action of `deeds` was performed, and under which it was taken back.
#[derive(Debug, Default)]
pub(super) struct Undos {
    done: BTreeMap<Deed, BTreeSet<String>>,
    undone: BTreeMap<Deed, BTreeMap<String, u64>>,
}

impl Undos {
    /// One effect that happened. The same key twice is a finding of its own.
    pub(super) fn line(&mut self, line: &Line, key: &str) {
        let (Some(of), Some(number), Some(item)) =
            (line.effect(), line.body["number"].as_u64(), line.body["item"].as_u64())
        else {
            return;
        };
        if CLASSES.iter().any(|class| undo_kind(*class) == Some(of)) {
            let act = line.body["of"].as_u64().unwrap_or(0);
            self.undone.entry((number, item)).or_default().insert(key.to_owned(), act);
        } else if CLASSES.iter().any(|class| kind(*class) == of) {
            self.done.entry((number, item)).or_default().insert(key.to_owned());
        }
    }

    /// How many acts were taken back.
    pub(super) fn count(&self) -> usize {
        self.undone.values().map(BTreeMap::len).sum()
    }

    /// At any time: nothing is taken back more often than it was done.
    pub(super) fn twice(&self, batch: u64, found: &mut Vec<Violation>) {
        for (deed, undone) in &self.undone {
            let done = self.done.get(deed).map_or(0, BTreeSet::len);
            if undone.len() > done {
                let (number, item) = deed;
                let detail = format!(
                    "deed {item} of case {number} in batch {batch} was done {done} times and taken back {} times",
                    undone.len()
                );
                found.push(Violation { rule: "taken_back_twice", detail });
            }
        }
    }

    /// At the end: all that a late failure left is taken back, and nothing else is.
    pub(super) fn ends(&self, cases: &BTreeMap<u64, Case>, ledger: &Ledger, found: &mut Vec<Violation>) {
        let mut find = |rule, detail| found.push(Violation { rule, detail });
        for (number, case) in cases {
            let late = case.late() != Late::Never;
            let own = (*number, 0)..=(*number, u64::MAX);
            for ((_, item), done) in self.done.range(own.clone()) {
                let undone = self.undone.get(&(*number, *item)).map_or(0, BTreeMap::len);
                if late && undone < done.len() {
                    find("not_taken_back", format!("deed {item} of case {number} in batch {} stands", case.batch));
                }
            }
            for ((_, item), undone) in self.undone.range(own) {
                for of in undone.values() {
                    let there = ledger.effect(*of).is_some_and(|line| line.applied && line.body["item"] == *item);
                    if !late || !there {
                        let detail = format!(
                            "deed {item} of case {number} in batch {}: nothing was to be taken back as effect {of}",
                            case.batch
                        );
                        find("taken_back_twice", detail);
                    }
                }
            }
        }
    }
}
