//! What all runs are judged by changes while they go on: a log of the changes, append-only and hash-chained.

use std::sync::Arc;

use kernel::{ids::Digest, values::Timestamp};

/// A change to policies, holds or limits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// Who made it.
    pub by: Arc<str>,
    /// How we know that it was them.
    pub auth: Arc<str>,
    /// What changed, as canonical JSON.
    pub body: Arc<[u8]>,
    /// Only if this is still the generation; `None`: whatever it is.
    pub expect: Option<u64>,
    /// Waiting runs whose `waits_for` has these words become due. Paused ones stay paused.
    pub wake: Option<Arc<str>>,
}

/// What a change came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Governed {
    /// Durable: from now on appends that were judged by an earlier generation are refused.
    Done {
        /// Its number.
        generation: u64,
    },
    /// Somebody else changed something before; nothing was written.
    Moved {
        /// The generation that stands.
        current: u64,
    },
}

/// One change, as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GovernanceEntry {
    /// Its number, from 1: the generation that it began.
    pub no: u64,
    /// When.
    pub at: Timestamp,
    /// Who made it.
    pub by: Arc<str>,
    /// How we know that it was them.
    pub auth: Arc<str>,
    /// What changed, as canonical JSON.
    pub body: Arc<[u8]>,
    /// Over all of this and the hash of the entry before.
    pub hash: Digest,
}

impl GovernanceEntry {
    /// The entry that `change` becomes, after the one numbered `before` with its `hash` (0 and [`Digest::ZERO`]: it is the first).
    pub fn seal(before: u64, hash: Digest, change: &Change) -> GovernanceEntry {
        let mut entry = GovernanceEntry {
            no: before + 1,
            at: change.at,
            by: change.by.clone(),
            auth: change.auth.clone(),
            body: change.body.clone(),
            hash: Digest::ZERO,
        };
        entry.hash = entry.chained(hash);
        entry
    }

    /// What its hash must be after the entry with this hash.
    fn chained(&self, before: Digest) -> Digest {
        let length = |bytes: &[u8]| (bytes.len() as u64).to_be_bytes();
        Digest::of(&[
            b"surefoot/governance/v1\0",
            before.bytes(),
            &self.no.to_be_bytes(),
            &self.at.micros().to_be_bytes(),
            &length(self.by.as_bytes()),
            self.by.as_bytes(),
            &length(self.auth.as_bytes()),
            self.auth.as_bytes(),
            &self.body,
        ])
    }

    /// Verifies a whole log, in order; an error names the first entry that does not fit.
    pub fn verify(log: &[GovernanceEntry]) -> Result<(), String> {
        let mut before = Digest::ZERO;
        for (wanted, entry) in (1..).zip(log) {
            if entry.no != wanted {
                return Err(format!("change {} stands where {wanted} belongs", entry.no));
            }
            let hash = entry.chained(before);
            if hash != entry.hash {
                return Err(format!("change {wanted} has hash {}, its contents give {hash}", entry.hash));
            }
            before = hash;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Vec<GovernanceEntry> {
        let mut log: Vec<GovernanceEntry> = Vec::new();
        for number in 0..3 {
            let change = Change {
                at: Timestamp::from_micros(number),
                by: "ada".into(),
                auth: "token".into(),
                body: number.to_string().into_bytes().into(),
                expect: None,
                wake: None,
            };
            let (no, hash) = log.last().map_or((0, Digest::ZERO), |last| (last.no, last.hash));
            log.push(GovernanceEntry::seal(no, hash, &change));
        }
        log
    }

    #[test]
    fn every_changed_field_of_a_change_is_found() {
        assert_eq!(GovernanceEntry::verify(&log()), Ok(()));
        let changes: [fn(&mut GovernanceEntry); 6] = [
            |entry| entry.no += 1,
            |entry| entry.at = Timestamp::from_micros(9),
            |entry| (entry.by, entry.auth) = ("adat".into(), "oken".into()),
            |entry| entry.auth = "page".into(),
            |entry| entry.body = (*b"9").into(),
            |entry| entry.hash = Digest::ZERO,
        ];
        for (place, change) in changes.into_iter().enumerate() {
            for index in 0..3 {
                let mut log = log();
                change(&mut log[index]);
                assert!(GovernanceEntry::verify(&log).is_err(), "change {place} of entry {index}");
            }
        }
        let cut = &log()[1..];
        assert_eq!(GovernanceEntry::verify(cut).unwrap_err(), "change 2 stands where 1 belongs");
    }
}
