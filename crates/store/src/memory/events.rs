//! Events: kept for a while, and told to whoever waits for them, now or later.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{ids::RunId, values::Timestamp};

use super::Inner;
use crate::{Guard, Published, Status, StoreError, TOLD_AT_ONCE, Topic, UNREAD_LIMIT};

/// What is kept, and who waits.
#[derive(Default)]
pub struct Events {
    kept: BTreeMap<std::sync::Arc<str>, Published>,
    wanted: BTreeSet<(Topic, RunId)>,
}

impl Events {
    pub fn forget(&mut self, run: RunId) {
        self.kept.retain(|_, event| event.run != Some(run));
    }

    pub fn unwant(&mut self, run: RunId) {
        self.wanted.retain(|(_, of)| *of != run);
    }
}

impl Inner {
    /// What an append says of events, once all else of it is written.
    pub fn events(&mut self, run: RunId, guard: &Guard) -> Result<(), StoreError> {
        match guard {
            Guard::Publish(event) => drop(self.publish(event)?),
            Guard::Want { topic, since, at } => {
                self.events.wanted.insert((topic.clone(), run));
                let of = |event: &&Published| event.topic == *topic && event.at >= *since;
                let mut kept: Vec<Published> = self.events.kept.values().filter(of).cloned().collect();
                kept.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
                kept.retain(|event| !self.was_told(run, &event.message().id));
                for event in kept.into_iter().take(TOLD_AT_ONCE as usize) {
                    self.hear(run, &event, *at)?;
                }
            }
            Guard::Unwant { topic } => {
                self.events.wanted.remove(&(topic.clone(), run));
            }
            _ => {}
        }
        Ok(())
    }

    /// False: its id is known.
    pub fn publish(&mut self, event: &Published) -> Result<bool, StoreError> {
        self.events.kept.retain(|_, kept| kept.at >= event.since);
        if self.events.kept.contains_key(&event.id) {
            return Ok(false);
        }
        self.events.kept.insert(event.id.clone(), event.clone());
        let wanting: Vec<RunId> =
            self.events.wanted.iter().filter(|(topic, _)| *topic == event.topic).map(|(_, run)| *run).collect();
        for run in wanting {
            self.hear(run, event, event.at)?;
        }
        Ok(true)
    }

    /// What those were told whose entries a run inherited, it was told.
    fn was_told(&self, run: RunId, message: &str) -> bool {
        let (mut next, mut upto) = (Some(run), u64::MAX);
        while let Some(kept) = next.and_then(|run| self.runs.get(&run)) {
            if kept.knows(message).is_some_and(|seq| seq <= upto) {
                return true;
            }
            next = kept.row.fork.map(|fork| fork.run);
            upto = upto.min(kept.row.fork.map_or(0, |fork| fork.inbox));
        }
        false
    }

    /// A run with a full inbox hears of it when it waits again.
    fn hear(&mut self, run: RunId, event: &Published, at: Timestamp) -> Result<(), StoreError> {
        let message = event.message();
        let told = self.was_told(run, &message.id);
        let Some(kept) = self.runs.get_mut(&run) else { return Ok(()) };
        let unread = kept.row.inbox_gen - kept.row.inbox_read;
        if kept.row.status.is_final() || unread >= UNREAD_LIMIT || told {
            return Ok(());
        }
        let wake = kept.row.status != Status::Blocked;
        kept.receive(crate::Message { at, ..message }, false, wake)?;
        kept.found_by(event.key());
        Ok(())
    }
}
