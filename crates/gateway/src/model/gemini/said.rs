//! What a model said in Google's Gemini.

use kernel::journal::Usage;
use serde_json::{Value as Json, json};

use super::pieces;
use crate::model::remote::{
    fault::Fault,
    heard::{Arguments, Call, Ended, Heard, Listen, count, list, text},
};

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    heard: Heard,
    parts: Vec<Json>,
    /// The last part is a call whose arguments still come.
    open: bool,
    usage: Json,
}

fn meaning(word: &str) -> Option<Ended> {
    Some(match word {
        "STOP" => Ended::Complete,
        "MAX_TOKENS" => Ended::Truncated,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION"
        | "MODEL_ARMOR" => Ended::Refused,
        "MALFORMED_FUNCTION_CALL" | "MALFORMED_RESPONSE" | "UNEXPECTED_TOOL_CALL" | "TOO_MANY_TOOL_CALLS" => {
            Ended::Malformed
        }
        "OTHER" | "IMAGE_OTHER" => Ended::Broken,
        _ => return None,
    })
}

impl Listen for Said {
    fn event(&mut self, event: &Json) -> Result<(), Fault> {
        if let Some(fault) = Fault::within(event) {
            return Err(fault);
        }
        self.heard.names(event, ("responseId", "modelVersion"));
        if let Some(usage) = event.get("usageMetadata").filter(|usage| usage.is_object()) {
            // Each piece counts from the beginning, and some say only how they are billed.
            if usage.get("promptTokenCount").is_some() || usage.get("totalTokenCount").is_some() {
                self.usage = usage.clone();
            }
        }
        // What was asked is refused as a whole.
        if let Some(reason) = event.pointer("/promptFeedback/blockReason").and_then(Json::as_str) {
            self.heard.stop = Some((reason.to_owned(), Some(Ended::Refused)));
        }
        for candidate in list(event, "candidates") {
            if candidate.get("index").and_then(Json::as_u64).unwrap_or(0) != 0 {
                continue;
            }
            self.heard.chosen = true;
            for part in candidate.pointer("/content/parts").and_then(Json::as_array).into_iter().flatten() {
                self.part(part);
            }
            self.heard.stopped(candidate.get("finishReason").and_then(Json::as_str), meaning);
        }
        Ok(())
    }

    fn whole(&mut self, body: &Json) -> Result<(), Fault> {
        // A server that does not know of streams of events sends a list of the same pieces.
        match body.as_array() {
            Some(pieces) => pieces.iter().try_for_each(|piece| self.event(piece)),
            None => self.event(body),
        }
    }

    fn ended(&self) -> bool {
        // The reason is the end, but what is billed may come after it, up to the end of the connection.
        false
    }

    fn over(&self) -> bool {
        self.heard.stop.is_some()
    }

    fn heard(mut self: Box<Self>) -> Heard {
        let spoken = self.parts.iter().filter(|part| part.get("thought") != Some(&Json::Bool(true)));
        self.heard.text = spoken.map(|part| text(part, "text")).collect();
        self.heard.calls = calls(&self.parts);
        if self.parts.iter().any(|part| part.get("thoughtSignature").is_some()) {
            self.heard.echo = Some(self.parts.into());
        }
        self.heard.usage = usage_of(&self.usage);
        self.heard
    }
}

impl Said {
    fn part(&mut self, part: &Json) {
        if let Some(call) = part.get("functionCall") {
            return self.call(part, call);
        }
        let plain =
            |part: &Json| part.as_object().is_some_and(|keys| keys.keys().all(|key| key == "text" || key == "thought"));
        // Pieces of one text are one part; a signature belongs to the part it came with.
        if let Some(last) = self.parts.last_mut()
            && plain(last)
            && plain(part)
            && last.get("thought") == part.get("thought")
        {
            let longer = format!("{}{}", text(last, "text"), text(part, "text"));
            last["text"] = longer.into();
        } else if !plain(part) || !text(part, "text").is_empty() {
            self.parts.push(part.clone());
        }
    }

    /// A call, or a piece of one: it begins with a name, and goes on as long as it says so.
    fn call(&mut self, part: &Json, call: &Json) {
        let more = call.get("willContinue") == Some(&Json::Bool(true));
        if call.get("name").is_some() {
            let mut whole =
                json!({ "name": call["name"], "args": call.get("args").cloned().unwrap_or_else(|| json!({})) });
            if let Some(id) = call.get("id") {
                whole["id"] = id.clone();
            }
            let mut kept = part.clone();
            kept["functionCall"] = whole;
            self.parts.push(kept);
            self.open = true;
        }
        if let Some(last) = self.parts.last_mut().filter(|_| self.open) {
            for piece in list(call, "partialArgs") {
                // What has no place in the arguments is no part of them.
                pieces::put(&mut last["functionCall"]["args"], piece);
            }
        }
        self.open = more;
    }
}

/// The uses of tools among parts, in their order.
pub(super) fn calls(parts: &[Json]) -> Vec<Call> {
    let uses = parts.iter().filter_map(|part| part.get("functionCall"));
    uses.map(|call| Call {
        id: call.get("id").and_then(Json::as_str).map(str::to_owned),
        name: text(call, "name").to_owned(),
        arguments: match call.get("args") {
            Some(args) if !args.is_null() => Arguments::Json(args.clone()),
            _ => Arguments::Json(json!({})),
        },
    })
    .collect()
}

/// Cached input stands within the input; what was thought stands beside the output, and what tools of the provider read beside the
/// input. What the total holds beyond that is output that we cannot see.
fn usage_of(usage: &Json) -> Usage {
    let all = |pointer: &str| count(usage, pointer).unwrap_or(0);
    let (prompt, output) = (all("/promptTokenCount"), all("/candidatesTokenCount"));
    let cache_read = all("/cachedContentTokenCount").min(prompt);
    let input = prompt - cache_read + all("/toolUsePromptTokenCount");
    let thought = all("/thoughtsTokenCount");
    let known = input + cache_read + output + thought;
    let reasoning = thought + all("/totalTokenCount").saturating_sub(known);
    Usage { input, cache_read, cache_write: 0, output, reasoning }
}
