//! What people may ask of models that cool down: which they are, and to let one be asked again.

use kernel::{governance::charter::Change, routes::COOLING};
use store::Cooldown;

use crate::{RunError, Runtime, govern::Asker};

impl Runtime {
    /// The models that nobody asks now, by scope: `project/model:name`.
    ///
    /// # Errors
    /// The store fails.
    pub async fn cooldowns(&self) -> Result<Vec<Cooldown>, RunError> {
        let now = self.inner.clock.now();
        let mut rows = self.inner.store.cooldowns().await.map_err(|why| RunError::store("read the cooldowns", why))?;
        rows.retain(|row| row.until > now);
        Ok(rows)
    }

    /// Lets a model be asked again that cools down; the log of changes says so. Runs that wait for a model are woken.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] with one sentence if it does not cool down; the store fails.
    pub async fn end_cooldown(&self, scope: &str, reason: &str, asker: &Asker) -> Result<u64, RunError> {
        let change = store::Change {
            at: self.inner.clock.now(),
            by: asker.by.clone(),
            auth: asker.auth.clone(),
            body: Change::Ask { scope: scope.into(), reason: reason.into() }.to_bytes(),
            expect: None,
            wake: Some(COOLING.into()),
        };
        let ended = self.inner.store.end_cooldown(scope.into(), change).await;
        if !ended.map_err(|why| RunError::store("let the model be asked again", why))? {
            let rows = self.cooldowns().await?;
            let others: Vec<&str> = rows.iter().map(|row| &*row.scope).collect();
            let others = if others.is_empty() { "none does".to_owned() } else { others.join(", ") };
            return Err(RunError::NotTaken { why: format!("`{scope}` does not cool down; models that do: {others}") });
        }
        self.look_at_due();
        Ok(self.charter().await?.generation)
    }
}
