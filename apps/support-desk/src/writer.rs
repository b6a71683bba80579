//! The writer of the demonstration: no language model. It composes a reply from the wordings that it is shown, reads the customer's last
//! messages for what they answer already, and looks for an article that fits all of them.
//!
//! It proposes as a language model would, and what it proposes is judged in the same way.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value as Json, json};
use surefoot::{
    Failure, FailureKind, ModelRequest, Proposed, Provider, Reply, Turn, Usage, Value, rules::words::words_of,
};

use crate::reply::{Ask, Deed, Message, is_open};

/// What the step `draft` shows.
#[derive(Deserialize)]
struct Shown {
    kind: String,
    at: String,
    says: Vec<String>,
    may: Vec<String>,
    asks: Vec<Ask>,
    done: Vec<Deed>,
    messages: Vec<Message>,
}

/// The provider. The same request always gets the same answer.
#[derive(Clone, Copy, Debug)]
pub struct Writer;

#[async_trait]
impl Provider for Writer {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        match compose(request) {
            Ok(proposed) => Reply { proposed: vec![proposed], ..Reply::of(Ok("".into()), Usage::default(), None) },
            Err(why) => Reply::failed(Failure::inside(FailureKind::Internal, format!("the writer: {why}"))),
        }
    }
}

fn compose(request: &ModelRequest) -> Result<Proposed, String> {
    let shown: Shown = serde_json::from_slice(&request.data.to_jcs()).map_err(|error| error.to_string())?;
    let looked = request.turns.iter().rev().find_map(|turn| match turn {
        Turn::Returned(all) => all.first(),
        Turn::Said { .. } | Turn::Told(_) => None,
    });
    // The desk has looked for an article with the words of the last message; those before it may be the ones that tell.
    let may_look = shown.messages.len() > 1 && ["technical", "account", "general"].contains(&&*shown.kind);
    if may_look && looked.is_none() {
        let written: Vec<String> = shown.messages.iter().map(|one| format!("{} {}", one.subject, one.body)).collect();
        let words = format!(" {} ", words_of(&written.join(" ")).join(" "));
        return proposal("kb__find", &json!({ "words": words, "category": shown.kind, "at": shown.at }));
    }
    let cites: Option<String> = looked.filter(|returned| !returned.failed).and_then(|returned| {
        // Behind the result stands its evidence.
        let first = serde_json::Deserializer::from_str(&returned.text).into_iter::<Json>().next();
        first?.ok()?["id"].as_str().map(str::to_owned)
    });
    let mut paragraphs = shown.says;
    if shown.messages.len() > 1 {
        paragraphs.extend(shown.may);
    }
    let asks: Vec<String> =
        shown.asks.into_iter().map(|ask| ask.id).filter(|id| is_open(id, &shown.messages)).collect();
    let claims: Vec<Json> = shown
        .done
        .iter()
        .map(|deed| {
            json!({
                "says": format!("{} was done on {}", deed.action, deed.resource),
                "action": deed.action, "resource": deed.resource, "status": "succeeded", "evidence": deed.evidence,
            })
        })
        .collect();
    proposal(
        "answer",
        &json!({ "paragraphs": paragraphs, "asks": asks, "cites": cites.unwrap_or_default(), "claims": claims }),
    )
}

fn proposal(name: &str, arguments: &Json) -> Result<Proposed, String> {
    let arguments = Value::from_json(arguments.to_string().as_bytes()).map_err(|error| error.to_string())?;
    Ok(Proposed { id: "proposal-1".into(), name: name.into(), arguments })
}
