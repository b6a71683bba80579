//! What a model said: collected from one answer or from the pieces of a stream, cut anywhere.

use kernel::{journal::Usage, values::MAX_INT};
use serde_json::Value as Json;

use super::fault::Fault;
use crate::model::sse::Events;

/// What has been said so far.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    /// The visible text.
    pub(super) text: String,
    /// The words with which it refused.
    pub(super) refusal: String,
    /// Why it ended.
    pub(super) finish: Option<String>,
    /// It asked for tools.
    pub(super) tools: bool,
    /// There was at least one choice.
    pub(super) chosen: bool,
    /// What was billed.
    pub(super) usage: Usage,
}

/// Why what came is no answer.
#[derive(Debug, PartialEq)]
pub(super) enum NoAnswer {
    /// The server said so.
    Fault(Fault),
    /// It ended before its end.
    CutOff,
    /// It is neither JSON nor a stream of events.
    Unreadable,
}

/// Reads the body of a good answer, whatever its form: servers that were asked for a stream do not all send one.
#[derive(Debug, Default)]
pub(super) struct Reading {
    form: Form,
    said: Said,
    failed: Option<NoAnswer>,
    done: bool,
}

#[derive(Debug, Default)]
enum Form {
    /// Nothing but white space so far.
    #[default]
    Unknown,
    Whole(Vec<u8>),
    Stream(Box<Events>),
}

impl Reading {
    /// Takes the next bytes; true if nothing that follows matters.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> bool {
        if let Form::Unknown = self.form {
            let blank = |byte: &u8| byte.is_ascii_whitespace() || [0xEF, 0xBB, 0xBF].contains(byte);
            match bytes.iter().find(|byte| !blank(byte)) {
                None => return false,
                // An event begins with a field or a comment.
                Some(b'd' | b'e' | b'i' | b'r' | b':') => self.form = Form::Stream(Box::default()),
                Some(_) => self.form = Form::Whole(Vec::new()),
            }
        }
        match &mut self.form {
            Form::Unknown => false,
            Form::Whole(body) => {
                body.extend_from_slice(bytes);
                false
            }
            Form::Stream(events) => {
                for data in events.feed(bytes) {
                    self.event(&data);
                }
                self.done || self.failed.is_some()
            }
        }
    }

    fn event(&mut self, data: &str) {
        if self.done || self.failed.is_some() || data.trim().is_empty() {
            return;
        }
        if data.trim() == "[DONE]" {
            self.done = true;
            return;
        }
        match serde_json::from_str::<Json>(data) {
            Err(_) => self.failed = Some(NoAnswer::Unreadable),
            Ok(json) => self.failed = self.said.add(&json).err().map(NoAnswer::Fault),
        }
    }

    /// Nothing more comes; `whole` if the connection says that this was the end.
    pub(super) fn end(mut self, whole: bool) -> (Said, Result<(), NoAnswer>) {
        match std::mem::take(&mut self.form) {
            Form::Stream(events) => {
                if let Some(last) = events.end()
                    && last.trim() == "[DONE]"
                {
                    self.event(&last);
                }
                // Only the terminal event ends a stream, and only a reason says that the model had ended too.
                if self.failed.is_none() && !(self.done && self.said.finish.is_some()) {
                    self.failed = Some(NoAnswer::CutOff);
                }
            }
            Form::Whole(body) => match serde_json::from_slice::<Json>(&body) {
                Ok(json) => self.failed = self.said.add(&json).err().map(NoAnswer::Fault),
                Err(_) => self.failed = Some(if whole { NoAnswer::Unreadable } else { NoAnswer::CutOff }),
            },
            Form::Unknown => self.failed = Some(if whole { NoAnswer::Unreadable } else { NoAnswer::CutOff }),
        }
        (self.said, self.failed.map_or(Ok(()), Err))
    }
}

impl Said {
    /// Adds an answer, or one piece of it.
    fn add(&mut self, json: &Json) -> Result<(), Fault> {
        if let Some(fault) = Fault::within(json) {
            return Err(fault);
        }
        if let Some(usage) = json.get("usage").filter(|usage| usage.is_object()) {
            // Some servers count up in every piece: the last one counts.
            let usage = usage_of(usage);
            self.usage = if usage.tokens() > 0 { usage } else { self.usage };
        }
        let choices = json.get("choices").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        for choice in choices {
            // One answer was asked for: a server that sends more is heard once.
            if choice.get("index").and_then(Json::as_u64).unwrap_or(0) != 0 {
                continue;
            }
            self.chosen = true;
            if let Some(message) =
                ["delta", "message"].iter().find_map(|key| choice.get(*key).filter(|it| it.is_object()))
            {
                self.message(message);
            }
            let finish = choice.get("finish_reason").and_then(Json::as_str).filter(|word| !word.is_empty());
            self.finish = finish.map(str::to_owned).or(self.finish.take());
        }
        Ok(())
    }

    fn message(&mut self, message: &Json) {
        match message.get("content") {
            Some(Json::String(text)) => self.text.push_str(text),
            // Parts: what is said, and what was only thought.
            Some(Json::Array(parts)) => parts.iter().for_each(|part| {
                let text = |key: &str| part.get(key).and_then(Json::as_str).unwrap_or_default();
                match text("type") {
                    "text" | "output_text" => self.text.push_str(text("text")),
                    "refusal" => self.refusal.push_str(text("refusal")),
                    _ => {}
                }
            }),
            _ => {}
        }
        self.refusal.push_str(message.get("refusal").and_then(Json::as_str).unwrap_or_default());
        let calls =
            |key: &str| message.get(key).is_some_and(|calls| !calls.is_null() && *calls != Json::Array(Vec::new()));
        self.tools |= calls("tool_calls") || calls("function_call");
    }
}

/// Five buckets that do not overlap and together are the total.
///
/// OpenAI counts cached input within the input and reasoning within the output. Others count reasoning beside the
/// output, or only in the total: what the total holds beyond input and output is reasoning.
pub(super) fn usage_of(usage: &Json) -> Usage {
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
            let mut reading = Reading::default();
            let (one, two) = STREAM.as_bytes().split_at(cut);
            reading.feed(one);
            let (said, ended) = reading.end(true);
            if cut < whole {
                let expected = if cut == 0 { NoAnswer::Unreadable } else { NoAnswer::CutOff };
                assert_eq!(ended, Err(expected), "cut after {cut}");
            } else {
                assert_eq!((ended, said.text.as_str()), (Ok(()), "One two!"), "cut after {cut}");
            }
            let mut reading = Reading::default();
            reading.feed(one);
            reading.feed(two);
            let (said, ended) = reading.end(true);
            assert_eq!((ended, said.text.as_str()), (Ok(()), "One two!"), "in two pieces at {cut}");
            assert_eq!((said.finish.as_deref(), said.usage.tokens(), said.tools), (Some("stop"), 5, false));
        }
    }

    fn read(body: &str) -> (Said, Result<(), NoAnswer>) {
        let mut reading = Reading::default();
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
}
