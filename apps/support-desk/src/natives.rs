//! The pure functions that the workflow's `native:` steps name.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use surefoot::{Builder, Value};

use crate::{
    assess::{Asked, Payment, assess},
    mail::intake,
    words::{packet, reply},
};

/// Registers them all.
pub fn register(builder: Builder) -> Builder {
    builder
        .native("intake@1", pure(|email| Ok(intake(email))))
        .native("assess@1", pure(|with: Assess| Ok(assess(&with.asked, &with.payments, with.verified))))
        .native("packet@1", pure(|case| Ok(packet(&case))))
        .native("reply@1", pure(reply))
        .native("outcome@1", pure(|with: Outcome| with.outcome()))
}

/// A message is answered once.
pub fn start_key(email: &Value) -> Option<String> {
    Some(email.get("message_id")?.as_str()?.to_owned())
}

/// From JSON to JSON. What does not have the wanted shape is an error that says where.
fn pure<I: DeserializeOwned, O: Serialize>(
    function: impl Fn(I) -> Result<O, String> + Send + Sync + 'static,
) -> impl Fn(Value) -> Result<Value, String> + Send + Sync + 'static {
    move |value| {
        let input = serde_json::from_slice(&value.to_jcs()).map_err(|error| error.to_string())?;
        let output = serde_json::to_vec(&function(input)?).map_err(|error| error.to_string())?;
        Value::from_json(&output).map_err(|error| error.to_string())
    }
}

#[derive(Deserialize)]
struct Assess {
    asked: Asked,
    payments: Vec<Payment>,
    verified: bool,
}

/// What the stages left behind: of those that did not run, nothing.
#[derive(Deserialize)]
struct Outcome {
    thread: String,
    anger: f64,
    classification: Option<serde_json::Value>,
    refund: Option<serde_json::Value>,
    escalated: Vec<Option<serde_json::Value>>,
    words: Vec<Option<serde_json::Value>>,
    replies: Vec<Option<serde_json::Value>>,
}

impl Outcome {
    fn outcome(self) -> Result<serde_json::Value, String> {
        let escalated = self.escalated.into_iter().flatten().next();
        let reply = self.replies.into_iter().flatten().next().ok_or("no stage has answered")?;
        let words = self.words.into_iter().flatten().next().ok_or("no stage has found words")?;
        let classification = self.classification.unwrap_or_default();
        let status = match (&escalated, &self.refund) {
            (Some(_), _) => "escalated",
            (None, Some(_)) => "refunded",
            (None, None) => "answered",
        };
        let queue = escalated.map_or_else(|| classification["category"].clone(), |one| one["queue"].clone());
        let refund = self.refund.map(|one| {
            json!({ "payment_id": one["payment_id"], "amount_cents": one["amount_cents"], "currency": one["currency"] })
        });
        Ok(json!({
            "thread": self.thread,
            "status": status,
            "queue": queue,
            "category": classification["category"],
            "confidence": classification["confidence"],
            "anger": self.anger,
            "refund": refund,
            "reply": { "id": reply["id"], "template": words["template"], "state": reply["state"],
                       "recipient_count": reply["recipient_count"], "body": words["body"] },
        }))
    }
}
