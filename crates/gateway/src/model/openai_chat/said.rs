//! What a model said in the OpenAI chat format.

use std::collections::BTreeMap;

use kernel::{journal::Usage, values::MAX_INT};
use serde_json::Value as Json;

use crate::model::remote::{
    fault::Fault,
    heard::{Arguments, Call, Ended, Heard, Listen, list, text},
};

/// What has been said so far.
#[derive(Debug, Default)]
pub(super) struct Said {
    heard: Heard,
    /// By the server's number of the call.
    calls: BTreeMap<u64, Call>,
    done: bool,
}

/// What a reason means; servers that speak this format have words of their own.
fn meaning(word: &str) -> Option<Ended> {
    Some(match word {
        "stop" | "stop_sequence" | "end_turn" | "eos" | "eos_token" => Ended::Complete,
        "tool_calls" | "function_call" | "tool_use" => Ended::Tools,
        "length" | "max_tokens" | "model_length" => Ended::Truncated,
        "content_filter" | "safety" | "refusal" | "sensitive" => Ended::Refused,
        "insufficient_system_resource" => Ended::Overloaded,
        "error" | "abort" | "network_error" => Ended::Broken,
        _ => return None,
    })
}

impl Listen for Said {
    fn event(&mut self, event: &Json) -> Result<(), Fault> {
        self.add(event)
    }

    fn whole(&mut self, body: &Json) -> Result<(), Fault> {
        self.add(body)
    }

    fn done(&mut self) {
        self.done = true;
    }

    fn ended(&self) -> bool {
        self.done
    }

    fn heard(self: Box<Self>) -> Heard {
        Heard { calls: self.calls.into_values().collect(), ..self.heard }
    }
}

impl Said {
    /// Adds an answer, or one piece of it.
    fn add(&mut self, json: &Json) -> Result<(), Fault> {
        if let Some(fault) = Fault::within(json) {
            return Err(fault);
        }
        self.heard.names(json, ("id", "model"));
        if let Some(usage) = json.get("usage").filter(|usage| usage.is_object()) {
            // Some servers count up in every piece: the last one counts.
            let usage = usage_of(usage);
            self.heard.usage = if usage.tokens() > 0 { usage } else { self.heard.usage };
        }
        for choice in list(json, "choices") {
            // One answer was asked for: a server that sends more is heard once.
            if choice.get("index").and_then(Json::as_u64).unwrap_or(0) != 0 {
                continue;
            }
            self.heard.chosen = true;
            if let Some(message) =
                ["delta", "message"].iter().find_map(|key| choice.get(*key).filter(|it| it.is_object()))
            {
                self.message(message);
            }
            self.heard.stopped(choice.get("finish_reason").and_then(Json::as_str), meaning);
        }
        Ok(())
    }

    fn message(&mut self, message: &Json) {
        match message.get("content") {
            Some(Json::String(text)) => self.heard.text.push_str(text),
            // Parts: what is said, and what was only thought.
            Some(Json::Array(parts)) => parts.iter().for_each(|part| match text(part, "type") {
                "text" | "output_text" => self.heard.text.push_str(text(part, "text")),
                "refusal" => self.heard.refusal.push_str(text(part, "refusal")),
                _ => {}
            }),
            _ => {}
        }
        self.heard.refusal.push_str(text(message, "refusal"));
        for (nth, call) in list(message, "tool_calls").iter().enumerate() {
            self.call(
                call.get("index").and_then(Json::as_u64).unwrap_or(nth as u64),
                text(call, "id"),
                &call["function"],
            );
        }
        if let Some(function) = message.get("function_call").filter(|function| function.is_object()) {
            self.call(0, "", function);
        }
    }

    /// One call, or a piece of one: its name comes once, its arguments in pieces.
    fn call(&mut self, mut nth: u64, id: &str, function: &Json) {
        // Some servers number every call 0: another id is another call.
        while self
            .calls
            .get(&nth)
            .is_some_and(|call| !id.is_empty() && call.id.as_deref().is_some_and(|known| known != id))
        {
            nth += 1;
        }
        let empty = || Call { id: None, name: String::new(), arguments: Arguments::Text(String::new()) };
        let call = self.calls.entry(nth).or_insert_with(empty);
        if !id.is_empty() {
            call.id = Some(id.to_owned());
        }
        if call.name.is_empty() {
            call.name.push_str(text(function, "name"));
        }
        match (function.get("arguments"), &mut call.arguments) {
            (Some(Json::String(more)), Arguments::Text(arguments)) => arguments.push_str(more),
            // Some send an object where a text belongs.
            (Some(json @ Json::Object(_)), arguments) => *arguments = Arguments::Json(json.clone()),
            _ => {}
        }
    }
}

/// Five buckets that do not overlap and together are the total.
///
/// OpenAI counts cached input within the input and reasoning within the output. Others count reasoning beside the
/// output, or only in the total: what the total holds beyond input and output is reasoning.
fn usage_of(usage: &Json) -> Usage {
    let most = MAX_INT.unsigned_abs();
    let count = |pointer: &str| usage.pointer(pointer).and_then(Json::as_u64).map(|count| count.min(most));
    let prompt = count("/prompt_tokens").unwrap_or(0);
    let completion = count("/completion_tokens").unwrap_or(0);
    let cached = count("/prompt_tokens_details/cached_tokens").or_else(|| count("/prompt_cache_hit_tokens"));
    let cache_read = cached.unwrap_or(0).min(prompt);
    let cache_write = count("/prompt_tokens_details/cache_write_tokens").unwrap_or(0).min(prompt - cache_read);
    let thought = count("/completion_tokens_details/reasoning_tokens").unwrap_or(0);
    let all_output = match count("/total_tokens") {
        Some(total) => total.saturating_sub(prompt).max(completion),
        None if thought > completion => (completion + thought).min(most),
        None => completion,
    };
    let reasoning = thought.max(all_output - completion).min(all_output);
    Usage {
        input: prompt - cache_read - cache_write,
        cache_read,
        cache_write,
        output: all_output - reasoning,
        reasoning,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::remote::reading::{NoAnswer, Reading};

    fn buckets(usage: Json) -> [u64; 5] {
        let Usage { input, cache_read, cache_write, output, reasoning } = usage_of(&usage);
        [input, cache_read, cache_write, output, reasoning]
    }

    #[test]
    fn usage_falls_into_disjoint_buckets() {
        let plain = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15 });
        assert_eq!(buckets(plain), [10, 0, 0, 5, 0]);
        let inside = json!({
            "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150,
            "prompt_tokens_details": { "cached_tokens": 60, "cache_write_tokens": 30 },
            "completion_tokens_details": { "reasoning_tokens": 40 },
        });
        assert_eq!(buckets(inside), [10, 60, 30, 10, 40]);
        let beside = json!({
            "prompt_tokens": 12, "completion_tokens": 2, "total_tokens": 334,
            "completion_tokens_details": { "reasoning_tokens": 320 },
        });
        assert_eq!(buckets(beside), [12, 0, 0, 2, 320]);
        let unsaid = json!({ "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 75 });
        assert_eq!(buckets(unsaid), [10, 0, 0, 5, 60]);
        let hits = json!({ "prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4 });
        assert_eq!(buckets(hits), [6, 4, 0, 5, 0]);
    }

    #[test]
    fn nonsense_in_usage_does_no_harm() {
        let wild = json!({
            "prompt_tokens": 1, "completion_tokens": u64::MAX, "total_tokens": -3,
            "prompt_tokens_details": { "cached_tokens": 9, "cache_write_tokens": 9 },
            "completion_tokens_details": { "reasoning_tokens": u64::MAX },
        });
        let most = MAX_INT.unsigned_abs();
        assert_eq!(buckets(wild), [0, 1, 0, 0, most]);
        assert_eq!(buckets(json!({ "prompt_tokens": "many" })), [0; 5]);
    }

    const STREAM: &str = concat!(
        ": processing\n\n",
        "data: {\"choices\":[],\"prompt_filter_results\":[]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"One \"},\"finish_reason\":\"\"}]}\n\n",
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"other\"}},{\"delta\":{\"content\":\"two\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":{\"content\":[{\"type\":\"thinking\",\"thinking\":[]},{\"type\":\"text\",\"text\":\"!\"}]}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,\"total_tokens\":5}}\n\n",
        "data: [DONE]\n\n",
    );

    #[test]
    fn a_stream_is_whole_only_after_its_terminal_event() {
        let whole = STREAM.len() - 2;
        for cut in 0..=STREAM.len() {
            let mut reading = Reading::new(Box::<Said>::default());
            let (one, two) = STREAM.as_bytes().split_at(cut);
            reading.feed(one);
            let (said, ended) = reading.end(true);
            if cut < whole {
                let expected = if cut == 0 { NoAnswer::Unreadable } else { NoAnswer::CutOff };
                assert_eq!(ended, Err(expected), "cut after {cut}");
            } else {
                assert_eq!((ended, said.text.as_str()), (Ok(()), "One two!"), "cut after {cut}");
            }
            let mut reading = Reading::new(Box::<Said>::default());
            reading.feed(one);
            reading.feed(two);
            let (said, ended) = reading.end(true);
            assert_eq!((ended, said.text.as_str()), (Ok(()), "One two!"), "in two pieces at {cut}");
            assert_eq!(
                (&said.stop, said.usage.tokens(), said.calls.len()),
                (&Some(("stop".to_owned(), Some(Ended::Complete))), 5, 0)
            );
        }
    }

    fn read(body: &str) -> (Heard, Result<(), NoAnswer>) {
        let mut reading = Reading::new(Box::<Said>::default());
        reading.feed(body.as_bytes());
        reading.end(true)
    }

    #[test]
    fn a_stream_that_gives_no_reason_is_cut_off() {
        let (said, ended) = read("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n");
        assert_eq!((said.text.as_str(), ended), ("a", Err(NoAnswer::CutOff)));
    }

    #[test]
    fn what_is_no_answer_says_why() {
        assert_eq!(read("<html>").1, Err(NoAnswer::Unreadable));
        assert_eq!(read("data: <html>\n\n").1, Err(NoAnswer::Unreadable));
        assert_eq!(read(" \n").1, Err(NoAnswer::Unreadable));
        for body in [r#"{"error":{"message":"no"}}"#, "data: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]\n\n"] {
            assert!(matches!(read(body).1, Err(NoAnswer::Fault(_))), "{body}");
        }
        let (said, ended) =
            read(r#"{"choices":[{"message":{"content":null,"refusal":"I will not"},"finish_reason":"stop"}]}"#);
        assert_eq!((said.refusal.as_str(), ended), ("I will not", Ok(())));
        // Whatever stands where, it parses.
        for body in ["[]", "7", r#"{"choices":7}"#, r#"{"choices":[7,{"message":[]},{"delta":{"content":{}}}]}"#] {
            assert_eq!(read(body).1, Ok(()), "{body}");
        }
    }

    #[test]
    fn calls_are_put_together_from_pieces_in_their_order() {
        let piece = |calls: Json| json!({ "choices": [{ "delta": { "tool_calls": calls } }] });
        let mut said = Said::default();
        for event in [
            piece(json!([{ "index": 0, "id": "a", "function": { "name": "one", "arguments": "{\"x\"" } }])),
            piece(json!([{ "index": 1, "id": "b", "function": { "name": "two", "arguments": "" } }])),
            piece(json!([{ "index": 0, "function": { "arguments": ":1}" } }])),
            piece(json!([{ "index": 0, "id": "c", "function": { "name": "three", "arguments": { "y": 2 } } }])),
        ] {
            said.add(&event).unwrap();
        }
        let calls = Box::new(said).heard().calls;
        let told: Vec<_> =
            calls.iter().map(|call| (call.id.as_deref().unwrap(), call.name.as_str(), &call.arguments)).collect();
        assert_eq!(
            told,
            [
                ("a", "one", &Arguments::Text("{\"x\":1}".to_owned())),
                ("b", "two", &Arguments::Text(String::new())),
                ("c", "three", &Arguments::Json(json!({ "y": 2 }))),
            ]
        );
    }
}
