//! What a model said in Anthropic's Messages.

use std::collections::BTreeMap;

use kernel::journal::Usage;
use serde_json::{Value as Json, json};

use crate::model::remote::{
    fault::Fault,
    heard::{Arguments, Call, Ended, Heard, Listen, count, list, text},
};

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    heard: Heard,
    /// By their numbers.
    blocks: BTreeMap<u64, Json>,
    /// The arguments that come in pieces, by the number of their block.
    inputs: BTreeMap<u64, String>,
    usage: Counts,
    done: bool,
}

/// What the events of a stream say of usage: each counts from the beginning, and says only a part.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    input: u64,
    cache_read: u64,
    cache_write: u64,
    output: u64,
    thought: u64,
}

fn meaning(word: &str) -> Option<Ended> {
    Some(match word {
        "end_turn" | "stop_sequence" => Ended::Complete,
        "tool_use" => Ended::Tools,
        "max_tokens" => Ended::Truncated,
        "refusal" => Ended::Refused,
        "model_context_window_exceeded" => Ended::Overflow,
        // For tools that the provider itself runs, and of those none is offered.
        "pause_turn" => Ended::Paused,
        _ => return None,
    })
}

impl Listen for Said {
    fn event(&mut self, event: &Json) -> Result<(), Fault> {
        if let Some(fault) = Fault::within(event) {
            return Err(fault);
        }
        let index = event.get("index").and_then(Json::as_u64).unwrap_or(0);
        match text(event, "type") {
            "message_start" => {
                // One that begins anew takes back what came before it.
                *self = Said::default();
                self.heard.chosen = true;
                self.message(&event["message"]);
            }
            "content_block_start" => {
                let block = event.get("content_block").cloned().unwrap_or_default();
                self.block(index, block);
            }
            "content_block_delta" => self.delta(index, &event["delta"]),
            "message_delta" => {
                self.heard.stopped(event["delta"].get("stop_reason").and_then(Json::as_str), meaning);
                self.usage.add(&event["usage"]);
            }
            "message_stop" => self.done = true,
            _ => {}
        }
        Ok(())
    }

    fn whole(&mut self, body: &Json) -> Result<(), Fault> {
        if let Some(fault) = Fault::within(body) {
            return Err(fault);
        }
        self.heard.chosen = body.get("content").is_some_and(Json::is_array);
        self.message(body);
        Ok(())
    }

    fn ended(&self) -> bool {
        self.done
    }

    fn heard(mut self: Box<Self>) -> Heard {
        for (index, input) in &self.inputs {
            if let Some(block) = self.blocks.get_mut(index) {
                // Text that is no JSON stays a text, and is told as such.
                block["input"] = match input.trim() {
                    "" => block.get("input").cloned().unwrap_or_else(|| json!({})),
                    text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
                };
            }
        }
        let blocks: Vec<Json> = self.blocks.into_values().collect();
        let said = blocks.iter().filter(|block| text(block, "type") == "text").map(|block| text(block, "text"));
        self.heard.text = said.collect();
        self.heard.calls = calls(&blocks);
        let thought = |block: &Json| matches!(text(block, "type"), "thinking" | "redacted_thinking");
        if blocks.iter().any(thought) {
            // A blank text is not taken back.
            let spoken = |block: &Json| text(block, "type") == "text" && !text(block, "text").trim().is_empty();
            let ours = |block: &Json| thought(block) || spoken(block) || text(block, "type") == "tool_use";
            self.heard.echo = Some(blocks.into_iter().filter(ours).collect());
        }
        self.heard.usage = self.usage.buckets();
        self.heard
    }
}

impl Said {
    fn message(&mut self, message: &Json) {
        self.heard.names(message, ("id", "model"));
        self.heard.stopped(message.get("stop_reason").and_then(Json::as_str), meaning);
        self.usage.add(&message["usage"]);
        for (index, block) in (0..).zip(list(message, "content")) {
            self.block(index, block.clone());
        }
    }

    fn block(&mut self, index: u64, block: Json) {
        // Another model went on in the place of the one that was asked.
        if text(&block, "type") == "fallback" {
            self.heard.names(&block["to"], ("", "model"));
        }
        self.blocks.insert(index, block);
    }

    fn delta(&mut self, index: u64, delta: &Json) {
        let Some(block) = self.blocks.get_mut(&index).filter(|block| block.is_object()) else { return };
        let mut append = |key: &str| {
            let longer = format!("{}{}", text(block, key), text(delta, key));
            block[key] = longer.into();
        };
        match text(delta, "type") {
            "text_delta" => append("text"),
            "thinking_delta" => append("thinking"),
            "signature_delta" => append("signature"),
            "input_json_delta" => self.inputs.entry(index).or_default().push_str(text(delta, "partial_json")),
            _ => {}
        }
    }
}

/// The uses of tools among blocks, in their order.
pub(super) fn calls(blocks: &[Json]) -> Vec<Call> {
    let uses = blocks.iter().filter(|block| text(block, "type") == "tool_use");
    uses.map(|block| Call {
        id: Some(text(block, "id").to_owned()),
        name: text(block, "name").to_owned(),
        arguments: match block.get("input") {
            Some(Json::String(text)) => Arguments::Text(text.clone()),
            Some(json) => Arguments::Json(json.clone()),
            None => Arguments::Text(String::new()),
        },
    })
    .collect()
}

impl Counts {
    fn add(&mut self, usage: &Json) {
        let take = |into: &mut u64, pointer: &str| *into = count(usage, pointer).unwrap_or(*into);
        take(&mut self.input, "/input_tokens");
        take(&mut self.cache_read, "/cache_read_input_tokens");
        take(&mut self.cache_write, "/cache_creation_input_tokens");
        take(&mut self.output, "/output_tokens");
        take(&mut self.thought, "/output_tokens_details/thinking_tokens");
    }

    /// Input stands beside what was read from a cache and written to one; what was thought stands within the output.
    fn buckets(self) -> Usage {
        let reasoning = self.thought.min(self.output);
        Usage {
            input: self.input,
            cache_read: self.cache_read,
            cache_write: self.cache_write,
            output: self.output - reasoning,
            reasoning,
        }
    }
}
