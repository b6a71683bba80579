//! The charter as this process knows it: read from the store's log of changes, and again when the store says that it has moved.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kernel::governance::charter::{BadChange, Change, Charter};
use store::{Store, StoreError};

/// Why nothing can be judged.
#[derive(Debug)]
pub(crate) enum NoCharter {
    /// The log holds what this version cannot follow.
    Bad(BadChange),
    /// The store failed.
    Store(StoreError),
}

/// The charter, as of the last look.
#[derive(Debug, Default)]
pub(crate) struct Charters {
    /// `None` before the first look.
    known: Mutex<Option<Arc<Charter>>>,
}

impl Charters {
    /// As it was at the last look; looked up if there was none.
    pub(crate) async fn now(&self, store: &dyn Store) -> Result<Arc<Charter>, NoCharter> {
        let known = self.lock().clone();
        match known {
            Some(known) => Ok(known),
            None => self.refresh(store).await,
        }
    }

    /// As it is.
    pub(crate) async fn refresh(&self, store: &dyn Store) -> Result<Arc<Charter>, NoCharter> {
        let before = self.lock().clone().unwrap_or_default();
        let changes = store.governance(before.generation).await.map_err(NoCharter::Store)?;
        let mut charter = Charter::clone(&before);
        for entry in changes {
            let change = Change::read(entry.no, &entry.body).map_err(NoCharter::Bad)?;
            let content = match change.names() {
                None => None,
                Some(digest) => store.bundle(digest).await.map_err(NoCharter::Store)?,
            };
            let made = (&entry.by, entry.at);
            charter.apply(entry.no, &change, made, content.as_deref()).map_err(NoCharter::Bad)?;
        }
        let mut known = self.lock();
        // Another engine may have looked further meanwhile.
        let newest = known.as_ref().filter(|known| known.generation > charter.generation).cloned();
        let charter = newest.unwrap_or_else(|| Arc::new(charter));
        *known = Some(charter.clone());
        Ok(charter)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Arc<Charter>>> {
        // One assignment at a time: a panic leaves nothing half done.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
