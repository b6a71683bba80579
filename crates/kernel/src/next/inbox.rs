//! What a message of a run's inbox becomes.

use std::sync::Arc;

use super::Record;
use crate::{
    governance::budget::Unit,
    ids::StepPath,
    journal::{Control, Event, Held, Resolution, StepResult, Topic},
    values::{Timestamp, Value},
};

/// What a message of the inbox becomes when the owner folds it. `None`: this version knows no such message.
pub fn receive(number: u64, kind: &str, name: &str, body: Value, sender: &str) -> Option<Record> {
    let control = match kind {
        "signal" => {
            let mut blobs = Vec::new();
            let event = Event::SignalReceived {
                message: number,
                name: name.into(),
                body: Held::hold(body, &mut blobs),
                sender: sender.into(),
            };
            return Some(Record { event, blobs });
        }
        "pause" => Control::Pause,
        "resume" => Control::Resume,
        "cancel" if body.get("undo") == Some(&Value::Bool(true)) => Control::CancelUndo,
        "cancel" => Control::Cancel,
        "review" => Control::Review,
        "late" => return late(number, &body),
        "resolve" => return resolve(number, &body, sender),
        "vote" => return vote(number, &body),
        "event" => return published(number, name, &body, sender),
        "child" => return super::handing::reported(number, &body),
        "answer" => return answer(number, &body, sender),
        "raise" => return raise(number, &body, sender),
        _ => return None,
    };
    Some(Record::of(Event::ControlReceived { message: number, control, sender: sender.into() }))
}

/// An event that the run waits for: `{key, data}`.
fn published(message: u64, name: &str, body: &Value, sender: &str) -> Option<Record> {
    let mut blobs = Vec::new();
    let event = Event::EventReceived {
        message,
        topic: Topic { event: name.into(), key: body.get("key")?.as_str()?.into() },
        body: Held::hold(body.get("data")?.clone(), &mut blobs),
        sender: sender.into(),
    };
    Some(Record { event, blobs })
}

/// The answer to a sending of an earlier owner: `{step, epoch, attempt, outcome: {done} | {failed}}`.
fn late(message: u64, body: &Value) -> Option<Record> {
    let mut blobs = Vec::new();
    let number = |key: &str| match body.get(key)? {
        Value::Int(number) => u64::try_from(*number).ok(),
        _ => None,
    };
    let outcome = body.get("outcome")?;
    let result = match outcome.get("done") {
        Some(value) => StepResult::Done(Held::hold(value.clone(), &mut blobs)),
        None => StepResult::Failed(serde_json::from_slice(&outcome.get("failed")?.to_jcs()).ok()?),
    };
    let event = Event::LateAnswerReceived {
        message,
        step: StepPath::new(body.get("step")?.as_str()?),
        sent_in: number("epoch")?,
        attempt: u32::try_from(number("attempt")?).ok()?,
        result,
    };
    Some(Record { event, blobs })
}

/// A person's word about an unknown outcome: `{step, attempt, resolution: performed | not_performed | given_up, output, external_id, reason,
/// auth}`.
fn resolve(message: u64, body: &Value, sender: &str) -> Option<Record> {
    let mut blobs = Vec::new();
    let text = |key: &str| body.get(key)?.as_str().map(Arc::<str>::from);
    let resolution = match body.get("resolution")?.as_str()? {
        "performed" => {
            let output = Held::hold(body.get("output").cloned().unwrap_or_default(), &mut blobs);
            Resolution::Performed { output, external_id: text("external_id") }
        }
        "not_performed" => Resolution::NotPerformed,
        "given_up" => Resolution::GivenUp,
        _ => return None,
    };
    let event = Event::EffectResolved {
        message,
        step: StepPath::new(body.get("step")?.as_str()?),
        attempt: match body.get("attempt") {
            Some(Value::Int(attempt)) => Some(u32::try_from(*attempt).ok()?),
            Some(_) => return None,
            None => None,
        },
        resolution,
        by: sender.into(),
        auth: text("auth")?,
        reason: text("reason").unwrap_or_default(),
    };
    Some(Record { event, blobs })
}

/// The run's own budget is raised: `{unit, limit, auth}`.
fn raise(message: u64, body: &Value, sender: &str) -> Option<Record> {
    let unit = body.get("unit")?.as_str()?;
    let unit = Unit::ALL.into_iter().find(|one| one.as_str() == unit)?;
    let limit = match body.get("limit")? {
        Value::Int(limit) if *limit >= 0 => *limit,
        _ => return None,
    };
    let auth = body.get("auth")?.as_str()?.into();
    Some(Record::of(Event::BudgetRaised { message, unit, limit, by: sender.into(), auth }))
}

/// A person's vote: `{step, approval, vote}`.
fn vote(message: u64, body: &Value) -> Option<Record> {
    let event = Event::VoteReceived {
        message,
        step: StepPath::new(body.get("step")?.as_str()?),
        approval: body.get("approval")?.as_str()?.into(),
        vote: serde_json::from_slice(&body.get("vote")?.to_jcs()).ok()?,
    };
    Some(Record::of(event))
}

/// What a person did: `{step, work, output, auth, groups, directory, at}`.
fn answer(message: u64, body: &Value, sender: &str) -> Option<Record> {
    let mut blobs = Vec::new();
    let text = |key: &str| body.get(key)?.as_str();
    let event = Event::WorkAnswered {
        message,
        step: StepPath::new(text("step")?),
        work: text("work")?.into(),
        output: Held::hold(body.get("output")?.clone(), &mut blobs),
        by: sender.into(),
        auth: text("auth")?.into(),
        groups: serde_json::from_slice(&body.get("groups")?.to_jcs()).ok()?,
        directory: text("directory")?.parse().ok()?,
        at: Timestamp::parse(text("at")?)?,
    };
    Some(Record { event, blobs })
}
