//! A run that goes on from where another one was: which, how far, and what becomes of its effects.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Parent;
use crate::ids::{Digest, RunId};

/// What the first entry of a forked run says. The entries after it, up to that number, are those of the run it was forked from: the
/// same facts with the same numbers and times, sealed anew in its own chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fork {
    /// The run it was forked from last; before it those which that one was forked from itself, the first one first.
    pub from: Vec<Origin>,
    /// What becomes of an act with an effect outside that comes after what was inherited.
    pub effects: Effects,
    /// It tries again what a failed run did not bring to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retry: bool,
    /// The last inbox message that the inherited entries tell of; its own messages are counted on from there.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub inbox: u64,
    /// Who started those runs: they asked for what this one does as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starters: Vec<Arc<str>>,
}

/// A run whose entries were inherited.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// Which run.
    pub run: RunId,
    /// The last of its entries that was.
    pub entry: u64,
    /// The hash of that entry in its chain.
    pub hash: Digest,
}

/// What becomes of the effects of a run that was forked. Never more than its policies allow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effects {
    /// People are asked before each: it would be a second one.
    #[default]
    Ask,
    /// The run pauses before the first.
    Block,
    /// They are judged as in any run.
    Live,
}

impl Effects {
    /// Each, as it is written.
    pub const ALL: [(&str, Effects); 3] = [("ask", Effects::Ask), ("block", Effects::Block), ("live", Effects::Live)];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Effects::Ask => "ask",
            Effects::Block => "block",
            Effects::Live => "live",
        }
    }

    /// Reads what [`Effects::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Effects> {
        Effects::ALL.into_iter().find(|(name, _)| *name == text).map(|(_, effects)| effects)
    }
}

impl Fork {
    /// The run it was forked from, and how far. The fold refuses a fork of nothing.
    pub fn of(&self) -> Option<&Origin> {
        self.from.last()
    }

    /// It is of a run, and for no other: what works for a run is bound by it, and a fork works for nobody.
    pub fn is_sound(&self, parent: &Option<Box<Parent>>) -> bool {
        parent.is_none() && self.from.last().is_some_and(|origin| origin.entry > 0)
    }

    /// The last entry that was inherited.
    pub fn entry(&self) -> u64 {
        self.of().map_or(0, |origin| origin.entry)
    }

    /// Whose entry this was first; `None`: it is the run's own.
    pub fn owner(&self, entry: u64) -> Option<RunId> {
        // The first entry of a fork is its own, for it says that it is one.
        if entry <= 1 {
            return None;
        }
        // What a later one of them went back behind is not of this one any more.
        let kept = |at: usize| self.from[at..].iter().all(|origin| entry <= origin.entry);
        (0..self.from.len()).find(|at| kept(*at)).map(|at| self.from[at].run)
    }

    /// Whether another run wrote on after this entry: each time, the one that did begins as a fork does.
    pub fn is_seam(&self, entry: u64) -> bool {
        entry == self.entry() || (entry > 1 && self.owner(entry) != self.owner(entry + 1))
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_inherited_entry_belongs_to_the_run_that_wrote_it() {
        let run = |n: u8| RunId::from_bytes([n; 16]);
        let origin = |n, entry| Origin { run: run(n), entry, hash: Digest::ZERO };
        let fork = |from| Fork { from, effects: Effects::Ask, retry: false, inbox: 0, starters: Vec::new() };
        let once = fork(vec![origin(1, 5)]);
        assert_eq!([1, 2, 5, 6].map(|entry| once.owner(entry)), [None, Some(run(1)), Some(run(1)), None]);
        let twice = fork(vec![origin(1, 5), origin(2, 8)]);
        assert_eq!([5, 6, 8, 9].map(|entry| twice.owner(entry)), [Some(run(1)), Some(run(2)), Some(run(2)), None]);
        let earlier = fork(vec![origin(1, 5), origin(2, 3)]);
        assert_eq!([3, 4].map(|entry| earlier.owner(entry)), [Some(run(1)), None]);
        assert_eq!((earlier.entry(), earlier.of().map(|origin| origin.run)), (3, Some(run(2))));
        let and_late = fork(vec![origin(1, 8), origin(2, 3), origin(3, 9)]);
        assert_eq!(
            [3, 4, 8, 9, 10].map(|entry| and_late.owner(entry)),
            [Some(run(1)), Some(run(3)), Some(run(3)), Some(run(3)), None]
        );
        let seams = |fork: &Fork| (1..=10).filter(|entry| fork.is_seam(*entry)).collect::<Vec<_>>();
        assert_eq!([&once, &twice, &earlier, &and_late].map(seams), [vec![5], vec![5, 8], vec![3], vec![3, 9]]);
        assert_eq!(seams(&fork(vec![origin(1, 1), origin(2, 4)])), [4], "nothing but a start was inherited first");
    }
}
