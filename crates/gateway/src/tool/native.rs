//! Tools that are registered Rust functions. They are trusted code; their effects are declared like any other tool's.

use std::{future::Future, sync::Arc};

use async_trait::async_trait;
use kernel::{
    governance::Permit,
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Value},
};

use crate::{Outcome, Tool, caught};

/// A tool written in Rust.
///
/// `input` has passed the operation's schema. `key` is the same for every re-send of one intent: an `idempotent` operation must
/// do nothing the second time it meets one. A failure's phase must be honest: [`Phase::NotSent`] or [`Phase::Answered`] only if
/// it is certain that nothing happened.
#[async_trait]
pub trait NativeTool: Send + Sync {
    /// Does `operation` once.
    async fn call(&self, operation: &str, input: Value, key: &IdempotencyKey) -> Result<Value, Failure>;
}

/// One call, owned: what a closure is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// Which of the tool's operations.
    pub operation: Arc<str>,
    /// Its input; it has passed the operation's schema.
    pub input: Value,
    /// The same for every re-send of one intent.
    pub key: IdempotencyKey,
}

/// Any `|call: Call| async move { … }` is a tool.
#[async_trait]
impl<F, Fut> NativeTool for F
where
    F: Fn(Call) -> Fut + Send + Sync,
    Fut: Future<Output = Result<Value, Failure>> + Send,
{
    async fn call(&self, operation: &str, input: Value, key: &IdempotencyKey) -> Result<Value, Failure> {
        self(Call { operation: operation.into(), input, key: key.clone() }).await
    }
}

/// A registered function as a [`Tool`].
pub struct Native {
    tool: Arc<dyn NativeTool>,
    timeout: Option<Span>,
}

impl Native {
    /// Registers `tool` without a time limit.
    pub fn new(tool: impl NativeTool + 'static) -> Native {
        Native::shared(Arc::new(tool))
    }

    /// Like [`Native::new`] for a tool that is shared: each operation may have a time limit of its own.
    pub fn shared(tool: Arc<dyn NativeTool>) -> Native {
        Native { tool, timeout: None }
    }

    /// After `timeout` the call is given up: `tool_timeout`, and it may have acted.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Span) -> Native {
        self.timeout = Some(timeout);
        self
    }

    async fn perform(&self, tool: &str, operation: &str, input: &[u8], key: &IdempotencyKey) -> Outcome {
        let input = match Value::from_json(input) {
            Ok(input) => input,
            Err(error) => {
                let detail = format!("the input of `{tool}.{operation}` is no canonical JSON: {error}");
                return Outcome::failed(Failure::inside(FailureKind::Internal, detail));
            }
        };
        let call = async { Outcome { answer: self.tool.call(operation, input, key).await, raw: None } };
        let call = caught::acting(tool, operation, call);
        let Some(timeout) = self.timeout else { return call.await };
        match tokio::time::timeout(crate::duration(timeout), call).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::failed(Failure {
                kind: FailureKind::ToolTimeout,
                phase: Phase::MaybeSent,
                detail: format!("`{tool}.{operation}` did not answer within {timeout}"),
                retry_after: None,
            }),
        }
    }
}

#[async_trait]
impl Tool for Native {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.perform(permit.tool(), permit.operation(), permit.input(), permit.key()).await
    }
}

#[cfg(test)]
mod tests {
    use kernel::{ids::RunId, values::Timestamp};

    use super::*;

    fn key() -> IdempotencyKey {
        IdempotencyKey::derive(RunId::new(Timestamp::from_micros(0), [1; 10]), &"pay".into(), 0)
    }

    async fn perform(native: &Native, input: &str) -> Result<Value, Failure> {
        native.perform("book", "add", input.as_bytes(), &key()).await.answer
    }

    #[tokio::test]
    async fn a_closure_is_a_tool() {
        let native = Native::new(|call: Call| async move {
            assert_eq!(&*call.operation, "add");
            Ok(Value::map([("key", call.key.as_str().into()), ("input", call.input)]))
        });
        let answer = perform(&native, r#"{"amount":5}"#).await.unwrap();
        assert_eq!(answer.get("input").and_then(|input| input.get("amount")), Some(&Value::Int(5)));
        assert_eq!(answer.get("key").and_then(Value::as_str), Some(key().as_str()));
    }

    #[tokio::test]
    async fn a_failure_is_passed_on_as_it_is() {
        let failure = Failure {
            kind: FailureKind::ToolRejected,
            phase: Phase::Answered,
            detail: "the book is closed".to_owned(),
            retry_after: None,
        };
        let native = Native::new({
            let failure = failure.clone();
            move |_| {
                let failure = failure.clone();
                async move { Err(failure) }
            }
        });
        assert_eq!(perform(&native, "{}").await, Err(failure));
    }

    #[tokio::test]
    async fn a_panic_is_an_error_of_a_tool_that_may_have_acted() {
        let native = Native::new(|_| async { panic!("password hunter2") });
        let failure = perform(&native, "{}").await.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (FailureKind::ToolError, Phase::MaybeSent));
        assert!(!failure.detail.contains("hunter2"));
    }

    #[tokio::test]
    async fn a_panic_before_the_first_await_is_caught_too() {
        struct Early;
        #[async_trait]
        impl NativeTool for Early {
            async fn call(&self, _: &str, input: Value, _: &IdempotencyKey) -> Result<Value, Failure> {
                assert!(input.is_null(), "not none");
                Ok(input)
            }
        }
        assert_eq!(perform(&Native::new(Early), "{}").await.unwrap_err().kind, FailureKind::ToolError);
        assert_eq!(perform(&Native::new(Early), "null").await, Ok(Value::Null));
    }

    #[tokio::test(start_paused = true)]
    async fn a_function_that_never_answers_is_given_up() {
        let native = Native::new(|_| std::future::pending()).with_timeout(Span::from_millis(500));
        let failure = perform(&native, "{}").await.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (FailureKind::ToolTimeout, Phase::MaybeSent));
        assert_eq!(failure.detail, "`book.add` did not answer within 500ms");
    }
}
