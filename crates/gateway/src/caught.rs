//! Panics of providers and tools end where they began: a call fails, the run goes on.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use kernel::recovery::{Failure, FailureKind, Phase};

use crate::Outcome;

/// What `future` gives, or `None` if it panicked. The panic's own message goes to the panic hook, not into a journal: it may
/// hold anything.
pub(crate) async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    // What a panic leaves half done is dropped with the future; a tool's own shared state is behind its own locks.
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

/// Lets a tool act; one that panics may have acted.
pub(crate) async fn acting(tool: &str, operation: &str, call: impl Future<Output = Outcome>) -> Outcome {
    match caught(call).await {
        Some(outcome) => outcome,
        None => Outcome::failed(Failure {
            kind: FailureKind::ToolError,
            phase: Phase::MaybeSent,
            detail: format!("`{tool}.{operation}` panicked: the process log says where"),
            retry_after: None,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_tool_that_panics_may_have_acted() {
        let failure = acting("mail", "send", async { panic!("secret") }).await.answer.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (FailureKind::ToolError, Phase::MaybeSent));
        assert_eq!(failure.detail, "`mail.send` panicked: the process log says where");
    }
}
