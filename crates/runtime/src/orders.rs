//! One order for several runs: each is told as it would be alone, and for each it is known what came of it.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use kernel::ids::RunId;
use store::{RunQuery, RunRow, Status};

use crate::{RunError, Runtime};

/// Runs that are told at the same time: their messages share commits.
const AT_ONCE: usize = 32;

/// Most runs that one order is for.
pub const ORDER_LIMIT: u32 = 1000;

/// What a person may tell a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// [`Runtime::pause`].
    Pause,
    /// [`Runtime::resume`].
    Resume,
    /// [`Runtime::cancel`].
    Cancel,
    /// [`Runtime::retry`].
    Retry,
}

impl Order {
    /// Every order.
    pub const ALL: [Order; 4] = [Order::Pause, Order::Resume, Order::Cancel, Order::Retry];

    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Order::Pause => "pause",
            Order::Resume => "resume",
            Order::Cancel => "cancel",
            Order::Retry => "retry",
        }
    }

    /// Reads what [`Order::as_str`] wrote.
    pub fn parse(text: &str) -> Option<Order> {
        Order::ALL.into_iter().find(|order| order.as_str() == text)
    }

    /// Whether it changes anything for a run that stands so.
    pub fn is_for(self, status: Status) -> bool {
        match self {
            Order::Pause => matches!(status, Status::Queued | Status::Running | Status::Waiting | Status::Blocked),
            Order::Resume => matches!(status, Status::Paused | Status::Quarantined),
            Order::Cancel => !status.is_final(),
            Order::Retry => status == Status::Failed,
        }
    }
}

impl Runtime {
    /// Tells a run one thing.
    ///
    /// # Returns
    /// `false`: it is tried again already.
    ///
    /// # Errors
    /// As [`Runtime::signal`]; a retry as [`Runtime::retry`].
    pub async fn order(&self, run: RunId, order: Order, sender: Arc<str>) -> Result<bool, RunError> {
        match order {
            Order::Pause => self.pause(run, sender).await.map(|_| true),
            Order::Resume => self.resume(run, sender).await.map(|_| true),
            Order::Cancel => self.cancel(run, sender).await.map(|_| true),
            Order::Retry => self.retry(run, Some(sender)).await.map(|forked| forked.created),
        }
    }

    /// Runs that an order is for, newest first, at most [`ORDER_LIMIT`]: of those that a query wants, the ones for which it changes
    /// anything; of failed ones those that no other run answers for. And how many there are of them, unless business keys are compared: that is not counted.
    ///
    /// # Errors
    /// The store fails.
    pub async fn orderable(&self, query: RunQuery, order: Order) -> Result<(Vec<RunRow>, Option<u64>), RunError> {
        let store = &self.inner.store;
        let fits =
            |status: &Status| order.is_for(*status) && (query.status.is_empty() || query.status.contains(status));
        let status: Vec<Status> = Status::ALL.into_iter().filter(fits).collect();
        if status.is_empty() {
            return Ok((Vec::new(), Some(0)));
        }
        if order == Order::Retry && query.covered == Some(true) {
            return Ok((Vec::new(), Some(0)));
        }
        let covered = if order == Order::Retry { Some(false) } else { query.covered };
        let query = RunQuery { status, covered, before: None, limit: ORDER_LIMIT, ..query };
        let failed = |why| RunError::store("list the runs", why);
        let counted = query.about.is_none() && query.parent.is_none();
        let counts = if counted { store.run_counts().await.map_err(failed)? } else { Vec::new() };
        let wanted = counts.iter().filter(|count| {
            query.status.contains(&count.status)
                && query.workflow.as_ref().is_none_or(|workflow| *workflow == count.workflow)
                && (query.failure.is_none() || query.failure == count.failure)
                && query.covered.is_none_or(|covered| covered == count.covered)
        });
        let many = counted.then(|| wanted.map(|count| count.runs).sum());
        let rows = store.runs(query).await.map_err(failed)?;
        Ok((rows, many))
    }

    /// Tells several runs one thing, and says of each, in their order, what came of it.
    pub async fn order_all(
        &self,
        runs: Vec<RunId>,
        order: Order,
        sender: Arc<str>,
    ) -> Vec<(RunId, Result<bool, RunError>)> {
        let told = runs.into_iter().map(|run| {
            let sender = sender.clone();
            async move { (run, self.order(run, order, sender).await) }
        });
        stream::iter(told).buffered(AT_ONCE).collect().await
    }
}
