//! The pure functions that the workflow's `native:` steps name, the tool that looks into the mail server's folder, the writer and the planner.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use surefoot::{Builder, Call, Value};

use crate::{
    assess::{Asked, Payment, assess},
    errands::{Planner, asked},
    mail::{intake, recipients},
    mailroom::Kept,
    reply::{letter, spoken, wordings},
    words::packet,
    writer::Writer,
};

/// Registers them all. `kept`: what the mail server has accepted, if that can be looked at.
pub fn register(builder: Builder, kept: Option<Kept>) -> Builder {
    builder
        .provider("writer", Writer)
        .provider("composer", Writer)
        .provider("planner", Planner)
        .provider("planner_words", Planner)
        .tool("outbox", move |call: Call| {
            let to = kept.as_ref().map(|kept| {
                let id = call.input.get("message_id").and_then(Value::as_str);
                id.and_then(|id| kept.to(id)).unwrap_or_default()
            });
            let readable = to.is_some();
            let to = Value::list(to.unwrap_or_default().into_iter().map(Value::text));
            async move { Ok(Value::map([("readable", readable.into()), ("to", to)])) }
        })
        .native("intake@1", pure(|email| Ok(intake(email))))
        .native("assess@1", pure(|with: Assess| Ok(assess(&with.asked, &with.payments, with.verified))))
        .native("errands@1", pure(|message| Ok(asked(&message))))
        .native("packet@1", pure(|case| Ok(packet(&case))))
        .native("wordings@1", pure(|about| wordings(&about)))
        .native("spoken@1", pure(|drafted| Ok(spoken(&drafted))))
        .native("letter@1", pure(|body| Ok(letter(body))))
        .native("recipients@1", pure(|writer| Ok(recipients(writer))))
        .native("posted@1", pure(|with: Posted| Ok(with.post())))
        .native("outcome@1", pure(|with: Outcome| Ok(with.outcome())))
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

/// What became of the one letter: nothing if nobody was to get it.
#[derive(Deserialize)]
struct Posted {
    posted: Option<Vec<Settled>>,
}

#[derive(Deserialize)]
struct Settled {
    value: Option<Accepted>,
    failure: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Accepted {
    message_id: String,
    accepted: Vec<String>,
}

#[derive(Deserialize, Serialize)]
struct Post {
    sent: bool,
    message_id: String,
    accepted: Vec<String>,
    /// Empty if it was sent.
    why: String,
}

impl Posted {
    fn post(self) -> Post {
        let nobody = "the records have no address of who wrote".to_owned();
        let not = |why| Post { sent: false, message_id: String::new(), accepted: Vec::new(), why };
        match self.posted.into_iter().flatten().next() {
            Some(Settled { value: Some(Accepted { message_id, accepted }), .. }) => {
                Post { sent: true, message_id, accepted, why: String::new() }
            }
            Some(Settled { failure, .. }) => not(failure.map_or_else(String::new, |failure| match failure {
                serde_json::Value::String(text) => text,
                other => {
                    let part = |name: &str| other[name].as_str().unwrap_or_default().to_owned();
                    format!("{}: {}", part("kind"), part("detail"))
                }
            })),
            None => not(nobody),
        }
    }
}

/// What the stages left behind: of those that did not run, nothing.
#[derive(Deserialize)]
struct Outcome {
    thread: String,
    anger: f64,
    classification: Option<serde_json::Value>,
    refund: Option<serde_json::Value>,
    /// What the records have of a message that asked for several things.
    errands: Option<serde_json::Value>,
    article: Option<serde_json::Value>,
    /// In the order of the stages.
    escalated: Vec<Option<serde_json::Value>>,
    words: serde_json::Value,
    spoken: serde_json::Value,
    /// A person did not permit the writer's own words.
    refused_words: bool,
    draft: serde_json::Value,
    post: Post,
    lead: Option<Accepted>,
}

impl Outcome {
    fn outcome(self) -> serde_json::Value {
        let refund = self.refund.or_else(|| self.errands.as_ref()?["refunds"].get(0).cloned());
        let escalated = self.escalated.into_iter().flatten().next_back();
        let (classification, words, spoken) = (self.classification.unwrap_or_default(), self.words, self.spoken);
        let status = match (&escalated, &refund) {
            (Some(_), _) => "escalated",
            (None, Some(_)) => "refunded",
            (None, None) => "answered",
        };
        let queue = escalated.map_or_else(|| classification["category"].clone(), |one| one["queue"].clone());
        let refund = refund.map(|one| {
            json!({ "payment_id": one["payment_id"], "amount_cents": one["amount_cents"], "currency": one["currency"] })
        });
        let post = self.post;
        json!({
            "thread": self.thread,
            "status": status,
            "queue": queue,
            "category": classification["category"],
            "confidence": classification["confidence"],
            "anger": self.anger,
            "refund": refund,
            "article": self.article.map(|one| json!({ "id": one["id"], "version": one["version"] })),
            "reply": {
                "id": self.draft["id"], "template": words["template"], "body": words["body"],
                "state": if post.sent { json!("sent") } else { self.draft["state"].clone() },
                "recipient_count": self.draft["recipient_count"],
                "by": if self.refused_words { json!("desk") } else { spoken["by"].clone() },
                "unused": if self.refused_words { json!("nobody permitted words of its own") } else { spoken["unused"].clone() },
                "message_id": post.sent.then_some(&post.message_id), "why": (!post.sent).then_some(&post.why),
            },
            "lead": self.lead.map(|lead| json!({ "to": lead.accepted, "message_id": lead.message_id })),
        })
    }
}
