//! How a run begins.

use std::collections::{BTreeMap, BTreeSet};

use kernel::ids::RunId;

use super::{Inner, Kept, sound};
use crate::{NewRun, RunRow, Started, Status, StoreError, rules};

impl Inner {
    pub fn start(&mut self, new: NewRun) -> Result<Started, StoreError> {
        let key = new.start_key.as_ref().map(|key| (new.tenant.clone(), new.workflow.clone(), key.clone()));
        let earlier = key.as_ref().and_then(|key| self.start_keys.get(key)).copied();
        if let Some(earlier) = earlier.or_else(|| self.runs.contains_key(&new.run).then_some(new.run)) {
            return Ok(match self.runs.get(&earlier) {
                Some(kept) if kept.input == new.input => Started::Known { run: earlier },
                _ => Started::Conflict { run: earlier },
            });
        }
        let source = match &new.inherited {
            Some(inherited) => {
                let source = self.kept(inherited.of)?;
                if source.key.is_none() {
                    return Ok(Started::Erased { run: inherited.of });
                }
                if let Some(run) = source.row.again.filter(|_| inherited.again) {
                    return Ok(Started::Known { run });
                }
                inherited.again.then_some(inherited.of)
            }
            None => None,
        };
        if !self.bundles.contains_key(&new.bundle) {
            return Err(StoreError::NoBundle { bundle: new.bundle });
        }
        if let Some(owner) = new.owner
            && !self.alive(owner)
        {
            return Err(StoreError::Misuse { verb: "start", detail: format!("{owner} has no lease") });
        }
        let keys = rules::keys_of(&new);
        let (head, epoch, fork) = {
            let last = rules::last_of(&new);
            (last.head(), last.epoch, rules::fork_of(&new))
        };
        let row = RunRow {
            run: new.run,
            tenant: new.tenant,
            workflow: new.workflow,
            bundle: new.bundle,
            status: if new.owner.is_some() { Status::Running } else { Status::Queued },
            waits_for: None,
            wake_at: if new.owner.is_some() { None } else { Some(new.now) },
            doing: None,
            about: new.about,
            failure: None,
            epoch,
            owner: new.owner,
            head,
            inbox_gen: fork.map_or(0, |fork| fork.inbox),
            inbox_read: fork.map_or(0, |fork| fork.inbox),
            strikes: 0,
            created_at: new.now,
            updated_at: new.now,
            finished_at: None,
            parent: new.parent,
            cost: Some(0),
            fork,
            again: None,
        };
        sound(&row)?;
        let mut kept = Kept {
            row,
            input: new.input,
            key: Some(new.key),
            entries: std::iter::once(new.first)
                .chain(new.inherited.into_iter().flat_map(|inherited| inherited.entries))
                .collect(),
            blobs: new.blobs.into_iter().map(|blob| (blob.digest, Some(blob.bytes))).collect(),
            inbox: Vec::new(),
            open: BTreeMap::new(),
            late: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            keys: BTreeMap::new(),
        };
        keys.into_iter().for_each(|key| kept.found_by(key));
        if let Some(source) = source.and_then(|source| self.runs.get_mut(&source)) {
            source.set(RunRow { again: Some(new.run), ..source.row.clone() })?;
        }
        self.runs.insert(new.run, kept);
        self.appends.push(new.run);
        if let Some(key) = key {
            self.start_keys.insert(key, new.run);
        }
        Ok(Started::Created)
    }

    /// Why one of these cannot be started by `parent`, looked at before anything is written.
    pub fn cannot_start(&self, parent: RunId, children: &[NewRun]) -> Result<(), StoreError> {
        let mut seen = BTreeSet::new();
        for child in children {
            let new = !self.runs.contains_key(&child.run) && seen.insert(child.run);
            rules::row_fits(parent, &format!("child {}", child.run), new, "is known already")?;
            if !self.bundles.contains_key(&child.bundle) {
                return Err(StoreError::NoBundle { bundle: child.bundle });
            }
        }
        Ok(())
    }
}
