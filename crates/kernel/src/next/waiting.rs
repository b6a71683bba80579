//! What a run waits for when nothing of it can go on.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{Doubted, Next, Suspend, Walk};
use crate::{action::RELEASE, routes::COOLING, spend::ROOM, values::Timestamp};

impl Walk<'_> {
    /// What the run waits for. Whatever a change of the charter ends is named, so that the change finds the run.
    pub(crate) fn waiting(&mut self) -> Option<Suspend> {
        let paused = self.waits.is_empty();
        let mut waits = std::mem::take(&mut self.waits);
        waits.append(&mut self.blocked);
        let mut named = BTreeSet::new();
        let mut told: Vec<&str> = waits.iter().map(String::as_str).collect();
        told.retain(|wait| what_ends(wait).is_some_and(|what| named.insert(what)));
        if told.is_empty() {
            told.push(waits.first()?);
        }
        let (mut waits_for, more) = (told.join(" and "), waits.len() - told.len());
        if more > 0 {
            let _ = write!(waits_for, " and {more} more");
        }
        let generation = (!named.is_empty()).then_some(self.facts.charter.generation);
        Some(Suspend { until: self.until, waits_for: waits_for.into(), paused, generation })
    }

    /// What keeps the run from its end, if something does.
    pub(crate) fn take_doubt(&mut self) -> Option<Doubted> {
        self.doubt.take()
    }

    /// Waits because an action's outcome is not known; other waits end nothing now.
    pub(crate) fn wait_in_doubt(&mut self, doubt: Doubted) {
        let waiting = self.waiting().map(|waiting| Suspend { until: doubt.until, ..waiting });
        self.out.extend(waiting.map(Next::Suspend));
    }

    /// A step can do nothing until `until`, or until something comes from outside.
    pub(crate) fn wait(&mut self, until: Option<Timestamp>, what: impl FnOnce() -> String) {
        self.until = match (self.until, until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.waits.push(what());
    }

    /// Like [`Walk::wait`], for what nothing ends.
    pub(crate) fn block(&mut self, what: String) {
        self.blocked.push(what);
    }

    /// Like [`Walk::wait`], for an action whose outcome is not known: no pause and no cancel goes before it.
    pub(crate) fn doubt(&mut self, until: Option<Timestamp>, what: String) {
        let until = match (self.doubt.as_ref().and_then(|doubt| doubt.until), until) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        self.doubt = Some(Doubted { until });
        self.wait(until, || what);
    }
}

/// The name of what is waited for, if a change of the charter ends it: the words before what it adds to them. The change wakes the runs
/// whose words have its own.
fn what_ends(wait: &str) -> Option<&str> {
    let begins = [RELEASE, ROOM, COOLING].into_iter().find(|begins| wait.starts_with(begins))?;
    let adds = [", ", ": "].iter().filter_map(|sign| wait[begins.len()..].find(sign)).min();
    Some(&wait[..adds.map_or(wait.len(), |at| begins.len() + at)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_change_ends_is_known_by_its_name() {
        for (wait, wanted) in [
            ("the release of tool:mail.send, held by ann: a, b", Some("the release of tool:mail.send")),
            ("room in the budget of workflow:pay: 3 of 2 calls", Some("room in the budget of workflow:pay")),
            ("a model that cools down: reader, for ever", Some("a model that cools down: reader")),
            ("the release of all", Some("the release of all")),
            ("an answer of ann", None),
        ] {
            assert_eq!(what_ends(wait), wanted, "{wait}");
        }
    }
}
