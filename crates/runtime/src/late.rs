//! Answers that come after the run was lost: kept, never believed by themselves.

use kernel::{
    ids::StepPath,
    journal::{Event, Held, StepResult},
    recovery::Failure,
    run::{RunState, Sending},
    settle::Answer,
    values::Value,
};
use store::LateResult;
use tokio::task::JoinSet;

use crate::{
    Inner,
    batch::{Batch, Writer},
};

/// Keeps the answers that a lost run still got: those that were judged but not durable, and those of tools still at work.
/// What a probe was answered is not: it speaks of a moment that is over.
pub(crate) async fn keep(
    inner: &Inner,
    (writer, state): (Writer, &RunState),
    batch: &Batch,
    calls: &mut JoinSet<(StepPath, Answer)>,
) {
    for entry in &batch.entries {
        if let Ok(Event::ActionFinished { step, attempt, result, .. }) = entry.event() {
            let answer = match result {
                StepResult::Done(Held::Value(value)) => Ok(value),
                StepResult::Done(Held::Blob(blob)) => {
                    let bytes = batch.blob(blob.digest);
                    Ok(bytes.and_then(|bytes| Value::from_json(&bytes).ok()).unwrap_or_default())
                }
                StepResult::Failed(failure) => Err(failure),
            };
            salvage(inner, writer, &step, attempt, answer).await;
        }
    }
    while let Some(answered) = calls.join_next().await {
        if let Ok((step, Answer::Tool { attempt, answer, .. })) = answered
            && state.acting(&step).is_none_or(|acting| acting.standing != Sending::Probing)
        {
            salvage(inner, writer, &step, attempt, answer).await;
        }
    }
}

async fn salvage(inner: &Inner, writer: Writer, step: &StepPath, attempt: u32, answer: Result<Value, Failure>) {
    let outcome = match answer {
        Ok(value) => Value::map([("done", value)]),
        Err(failure) => {
            let failure = serde_json::to_vec(&failure).ok().and_then(|bytes| Value::from_json(&bytes).ok());
            Value::map([("failed", failure.unwrap_or_default())])
        }
    };
    let outcome = Value::map([
        ("step", Value::from(step.as_str())),
        ("epoch", Value::Int(i64::try_from(writer.epoch).unwrap_or(i64::MAX))),
        ("attempt", Value::from(attempt)),
        ("outcome", outcome),
    ]);
    let late = LateResult {
        run: writer.run,
        step: step.as_str().into(),
        epoch: writer.epoch,
        attempt,
        outcome: outcome.to_jcs().into(),
        at: inner.clock.now(),
    };
    match inner.store.salvage(late).await {
        Ok(()) => {
            // Its run was woken: whoever is here may take it up again.
            if let Some(local) = &*inner.local() {
                local.due_by(inner.clock.now());
            }
        }
        Err(why) => tracing::warn!(run = %writer.run, %step, %why, "a late answer is lost"),
    }
}
