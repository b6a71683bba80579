//! The bodies of a block: which there are, and what each came to.

use super::{Bodies, Body};
use crate::{ids::FrameKey, journal::BodyResult};

impl Bodies {
    /// The number of a body: an item's or turn's index, a branch's place.
    pub fn index(&self, key: FrameKey<'_>) -> Option<u32> {
        let index = match key {
            FrameKey::Index(index) => Some(index),
            FrameKey::Branch(name) => {
                let place = self.branches.iter().position(|branch| **branch == *name)?;
                u32::try_from(place).ok()
            }
        };
        index.filter(|index| *index < self.count)
    }

    /// The body of `key`, begun if it was not; `None` if it is over or there is none.
    pub(super) fn enter(&mut self, key: FrameKey<'_>) -> Option<&mut Body> {
        let index = self.index(key)?;
        if self.results[index as usize].is_some() {
            return None;
        }
        Some(self.open.entry(index).or_default())
    }

    /// Closes a body; `None` if that cannot be.
    pub(super) fn finish(&mut self, key: FrameKey<'_>, result: BodyResult) -> Option<()> {
        let index = self.index(key)?;
        if self.results[index as usize].is_some() {
            return None;
        }
        match &result {
            BodyResult::Gave(_) => self.gave += 1,
            BodyResult::Failed(failure) if self.failed.is_none() => self.failed = Some(failure.clone()),
            BodyResult::Failed(_) | BodyResult::Dropped => {}
        }
        self.open.remove(&index);
        self.results[index as usize] = Some(result);
        self.over += 1;
        while self.results.get(self.first as usize).is_some_and(Option::is_some) {
            self.first += 1;
        }
        Some(())
    }
}
