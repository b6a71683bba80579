//! The only caller of the gateway: sends one request or one permit, and brings back an answer that the kernel can judge.

use std::{future::Future, panic::AssertUnwindSafe};

use futures_util::FutureExt;
use gateway::{Gateway, Outcome, Reply, channel::Message};
use kernel::{
    context::ModelRequest,
    governance::Permit,
    journal::Blob,
    recovery::{Failure, FailureKind, Phase},
    settle::Answer,
};

use crate::fault::{AFTER_RESPONSE, AFTER_TELL, BEFORE_DISPATCH, BEFORE_TELL};

/// Asks a model once.
pub(crate) async fn ask(gateway: &Gateway, request: &ModelRequest) -> Answer {
    let reply = caught(gateway.ask(request)).await.unwrap_or_else(|| {
        Reply::failed(panicked(FailureKind::ProviderError, &format!("the call of the model `{}`", request.model)))
    });
    Answer::Model {
        attempt: request.attempt,
        answer: reply.answer,
        usage: reply.usage,
        raw: reply.raw.map(Blob::new),
        proposed: reply.proposed,
        said: reply.said,
    }
}

/// Lets a tool act once. The permit is spent.
pub(crate) async fn call(gateway: &Gateway, permit: Permit) -> Answer {
    let attempt = permit.attempt();
    let action = format!("`{}.{}`", permit.tool(), permit.operation());
    if store::fault::reach(BEFORE_DISPATCH) {
        return Answer::Tool { attempt, answer: Err(armed(Phase::NotSent, &action)), raw: None };
    }
    let outcome = caught(gateway.call(permit))
        .await
        .unwrap_or_else(|| Outcome { answer: Err(panicked(FailureKind::ToolError, &action)), raw: None });
    if store::fault::reach(AFTER_RESPONSE) {
        return Answer::Tool { attempt, answer: Err(armed(Phase::MaybeSent, &action)), raw: None };
    }
    Answer::Tool { attempt, answer: outcome.answer, raw: outcome.raw.map(Blob::new) }
}

/// Tells people something once.
pub(crate) async fn tell(gateway: &Gateway, channel: &str, message: &Message) -> Result<(), Failure> {
    let way = format!("the channel `{channel}`");
    if store::fault::reach(BEFORE_TELL) {
        return Err(armed(Phase::NotSent, &way));
    }
    let told = caught(gateway.tell(channel, message)).await;
    if store::fault::reach(AFTER_TELL) {
        return Err(armed(Phase::MaybeSent, &way));
    }
    told.unwrap_or_else(|| Err(panicked(FailureKind::Internal, &way)))
}

/// What `future` gives, or `None` if it panicked. The gateway catches the panics of what others wrote; this catches its own.
async fn caught<T>(future: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

/// What an armed point makes of a call: the error is the harness's own.
fn armed(phase: Phase, what: &str) -> Failure {
    let detail = format!("an armed point made an error at the call of {what}");
    Failure { kind: FailureKind::ToolError, phase, detail, retry_after: None }
}

fn panicked(kind: FailureKind, what: &str) -> Failure {
    Failure {
        kind,
        phase: Phase::MaybeSent,
        detail: format!("{what} panicked: the process log says where"),
        retry_after: None,
    }
}
