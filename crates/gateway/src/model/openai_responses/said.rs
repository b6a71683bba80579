//! What a model said in OpenAI's Responses.

use std::collections::BTreeMap;

use kernel::journal::Usage;
use serde_json::Value as Json;

use crate::model::remote::{
    fault::Fault,
    heard::{Arguments, Call, Ended, Heard, Listen, count, list, text},
};

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    heard: Heard,
    /// Items that are done, by their numbers: servers do not all repeat them at the end.
    items: BTreeMap<u64, Json>,
    done: bool,
}

/// A status, or the reason why an answer is incomplete.
fn meaning(word: &str) -> Option<Ended> {
    Some(match word {
        "completed" => Ended::Complete,
        "max_output_tokens" => Ended::Truncated,
        "content_filter" => Ended::Refused,
        "cancelled" | "failed" => Ended::Broken,
        _ => return None,
    })
}

impl Listen for Said {
    fn event(&mut self, event: &Json) -> Result<(), Fault> {
        if let Some(fault) = Fault::within(event) {
            return Err(fault);
        }
        match text(event, "type") {
            // Here the error is the event itself.
            "error" => return Err(Fault::of_body(event)),
            "response.completed" | "response.incomplete" | "response.failed" => {
                self.whole(&event["response"])?;
                self.done = true;
            }
            "response.output_item.done" => {
                let index = event.get("output_index").and_then(Json::as_u64).unwrap_or(self.items.len() as u64);
                self.items.insert(index, event["item"].clone());
            }
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, response: &Json) -> Result<(), Fault> {
        if let Some(fault) = Fault::within(response) {
            return Err(fault);
        }
        self.heard.names(response, ("id", "model"));
        self.heard.usage = usage_of(&response["usage"]);
        let reason = response.pointer("/incomplete_details/reason").and_then(Json::as_str);
        self.heard.stopped(reason.or_else(|| response.get("status").and_then(Json::as_str)), meaning);
        let whole = list(response, "output");
        if !whole.is_empty() {
            self.items = (0..).zip(whole.iter().cloned()).collect();
        }
        self.heard.chosen = !self.items.is_empty();
        Ok(())
    }

    fn ended(&self) -> bool {
        self.done
    }

    fn heard(mut self: Box<Self>) -> Heard {
        let items: Vec<Json> = self.items.into_values().collect();
        let messages = || items.iter().filter(|item| text(item, "type") == "message");
        // Some models speak before they answer: where an answer is marked as one, the rest is not it.
        let last = messages().any(|message| text(message, "phase") == "final_answer");
        for message in messages().filter(|message| !last || text(message, "phase") == "final_answer") {
            for part in list(message, "content") {
                match text(part, "type") {
                    "output_text" => self.heard.text.push_str(text(part, "text")),
                    "refusal" => self.heard.refusal.push_str(text(part, "refusal")),
                    _ => {}
                }
            }
        }
        self.heard.calls = calls(&items);
        if items.iter().any(|item| text(item, "type") == "reasoning" && item["encrypted_content"].is_string()) {
            let ours = |item: &Json| matches!(text(item, "type"), "reasoning" | "message" | "function_call");
            self.heard.echo = Some(items.into_iter().filter(ours).collect());
        }
        self.heard
    }
}

/// The uses of tools among items, in their order.
pub(super) fn calls(items: &[Json]) -> Vec<Call> {
    let uses = items.iter().filter(|item| text(item, "type") == "function_call");
    uses.map(|item| Call {
        id: Some(text(item, "call_id").to_owned()),
        name: text(item, "name").to_owned(),
        arguments: Arguments::Text(text(item, "arguments").to_owned()),
    })
    .collect()
}

/// Cached input stands within the input, and what was thought within the output.
fn usage_of(usage: &Json) -> Usage {
    let all = |pointer: &str| count(usage, pointer).unwrap_or(0);
    let (input, output) = (all("/input_tokens"), all("/output_tokens"));
    let cache_read = all("/input_tokens_details/cached_tokens").min(input);
    let cache_write = all("/input_tokens_details/cache_write_tokens").min(input - cache_read);
    let reasoning = all("/output_tokens_details/reasoning_tokens").min(output);
    Usage { input: input - cache_read - cache_write, cache_read, cache_write, output: output - reasoning, reasoning }
}
