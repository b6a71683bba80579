//! Work that is handed to another workflow: its run starts with the entry of this one, in one append.

use kernel::{
    next::{self, Handed, Handing},
    values::Timestamp,
};
use store::NewRun;

use super::{Engine, Halt};
use crate::clock;

impl Engine {
    /// Hands work over, or records why that cannot be.
    pub(super) async fn hand(&mut self, handing: Handing, now: Timestamp) -> Result<(), Halt> {
        let child = handing.child;
        let loaded = self.loaded(&handing.workflow).await?;
        let salt = clock::bytes(&*self.inner.random);
        match next::hand(handing, &self.state, &loaded.program, now, salt) {
            Handed::Failed(record) => self.record(record, now),
            Handed::Started { record, starting, workflow } => {
                let new = NewRun {
                    run: child,
                    tenant: self.tenant.clone(),
                    workflow,
                    bundle: loaded.program.bundle,
                    start_key: None,
                    input: starting.input,
                    about: starting.about,
                    first: starting.first,
                    blobs: starting.blobs,
                    owner: None,
                    parent: Some(self.writer.run),
                    inherited: None,
                    key: clock::bytes(&*self.inner.random),
                    now,
                };
                self.record(record, now)?;
                self.batch.start(new);
                Ok(())
            }
        }
    }
}
