//! A run's row, which stays sound, and its inbox.

use super::{Kept, sound};
use crate::{Message, RunRow, Status, StoreError};

impl Kept {
    /// The only way a row changes: what breaks a rule is not written.
    pub fn set(&mut self, row: RunRow) -> Result<(), StoreError> {
        sound(&row)?;
        self.row = row;
        Ok(())
    }

    /// Adds a message to the inbox, and wakes the run if nobody owns it, unless it shall sleep on.
    pub fn receive(&mut self, mut message: Message, pardon: bool, wake: bool) -> Result<u64, StoreError> {
        let mut row = self.row.clone();
        row.inbox_gen += 1;
        row.updated_at = message.at;
        if pardon {
            row.strikes = 0;
        }
        if row.status == Status::Quarantined && pardon {
            row.status = Status::Queued;
            row.waits_for = None;
        }
        if wake && row.owner.is_none() && row.status != Status::Quarantined {
            row.wake_at = Some(row.wake_at.map_or(message.at, |at| at.min(message.at)));
        }
        message.seq = row.inbox_gen;
        self.set(row)?;
        self.inbox.push(message);
        Ok(self.row.inbox_gen)
    }

    pub fn knows(&self, message: &str) -> Option<u64> {
        self.inbox.iter().find(|known| *known.id == *message).map(|known| known.seq)
    }
}
