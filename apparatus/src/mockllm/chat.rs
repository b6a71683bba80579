//! The OpenAI chat dialect, as a server: what is asked is read, what is said is written, whole or as a stream of events.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// One request, as far as personas are concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    /// What the answer must fit.
    pub(super) schema: Option<Value>,
    /// The answer must be JSON, whatever its shape.
    pub(super) json: bool,
    stream: bool,
    usage: bool,
    bytes: usize,
}

/// One message; of several parts, their texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) system: bool,
    pub(super) text: String,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// An answer, and why it ended.
    Answer { text: String, finish: &'static str },
    /// Words of refusal instead of an answer.
    Refusal(String),
    /// No answer. `wait` is in seconds.
    Error { status: u16, code: &'static str, message: String, param: Option<&'static str>, wait: Option<u32> },
}

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// How many characters a piece of a stream has.
const PIECE: usize = 24;

impl Asked {
    /// Reads a body.
    ///
    /// # Errors
    /// The 400 that says which parameter is wrong, and how.
    pub(super) fn parse(body: &[u8]) -> Result<Asked, Said> {
        let bad = |param, message: String| Err(Said::bad(param, message));
        let json: Value = match serde_json::from_slice(body) {
            Ok(json @ Value::Object(_)) => json,
            Ok(_) => return bad(None, "the body is no JSON object".to_owned()),
            Err(why) => return bad(None, format!("the body is no JSON: {why}")),
        };
        let Some(model) = json["model"].as_str().filter(|model| !model.is_empty()) else {
            return bad(Some("model"), "`model` must be the name of a model".to_owned());
        };
        let Some(list) = json["messages"].as_array().filter(|list| !list.is_empty()) else {
            return bad(Some("messages"), "`messages` must be a list of at least one message".to_owned());
        };
        let mut messages = Vec::new();
        for (at, message) in list.iter().enumerate() {
            let role = message["role"].as_str().unwrap_or_default();
            if !ROLES.contains(&role) {
                let known = ROLES.join(", ");
                return bad(Some("messages"), format!("`messages[{at}].role` is `{role}`, not one of {known}"));
            }
            let Some(text) = text(&message["content"]) else {
                let why = format!("`messages[{at}].content` must be a text or a list of parts with a `type`");
                return bad(Some("messages"), why);
            };
            messages.push(Message { system: role == "system" || role == "developer", text });
        }
        let format = &json["response_format"];
        let (schema, is_json) = match format["type"].as_str() {
            None if format.is_null() => (None, false),
            Some("text") => (None, false),
            Some("json_object") => (Some(&format["schema"]), true),
            Some("json_schema") => match &format["json_schema"]["schema"] {
                schema @ Value::Object(_) => (Some(schema), true),
                _ => {
                    let why = "`response_format.json_schema.schema` must be a schema".to_owned();
                    return bad(Some("response_format"), why);
                }
            },
            other => {
                let why = format!(
                    "`response_format.type` is {}, not one of text, json_object, json_schema",
                    other.unwrap_or("missing")
                );
                return bad(Some("response_format"), why);
            }
        };
        let written = || messages.iter().filter(|message| message.system).find_map(|message| shown(&message.text));
        let schema = schema.filter(|schema| schema.is_object()).cloned().or_else(written);
        Ok(Asked {
            model: model.to_owned(),
            json: is_json || schema.is_some(),
            schema,
            stream: json["stream"].as_bool().unwrap_or(false),
            usage: json["stream_options"]["include_usage"].as_bool().unwrap_or(false),
            bytes: messages.iter().map(|message| message.text.len()).sum(),
            messages,
        })
    }

    /// All messages, one below the other.
    pub(super) fn text(&self) -> String {
        self.messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl Said {
    /// A request that is none.
    pub(super) fn bad(param: Option<&'static str>, message: String) -> Said {
        Said::Error { status: 400, code: "invalid_request_error", message, param, wait: None }
    }

    /// The visible words.
    pub(super) fn words(&self) -> &str {
        match self {
            Said::Answer { text, .. } | Said::Refusal(text) => text,
            Said::Error { message, .. } => message,
        }
    }

    /// As a response to the request with this number, made at this second since 1970 UTC.
    pub(super) fn response(&self, asked: &Asked, n: u64, created: i64) -> Response {
        let (name, words, finish) = match self {
            Said::Error { status, code, message, param, wait } => {
                let error = json!({ "message": message, "type": code, "code": code, "param": param });
                let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = (status, Json(json!({ "error": error }))).into_response();
                if let Some(wait) = wait {
                    response.headers_mut().insert(header::RETRY_AFTER, (*wait).into());
                }
                return response;
            }
            Said::Answer { text, finish } => ("content", text, *finish),
            Said::Refusal(text) => ("refusal", text, "stop"),
        };
        // Four bytes are about one token: what is billed is repeatable, not exact.
        let (prompt, completion) = (asked.bytes.div_ceil(4), words.len().div_ceil(4));
        let total = prompt + completion;
        let usage = json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total });
        let id = format!("chatcmpl-{n}");
        if !asked.stream {
            let mut message = json!({ "role": "assistant", "content": null, "refusal": null });
            message[name] = words.as_str().into();
            return Json(json!({
                "id": id, "object": "chat.completion", "created": created, "model": asked.model,
                "choices": [{ "index": 0, "message": message, "finish_reason": finish }], "usage": usage,
            }))
            .into_response();
        }
        let mut events = String::new();
        let mut event = |choices: Value, usage: &Value| {
            let mut chunk = json!({
                "id": id, "object": "chat.completion.chunk", "created": created, "model": asked.model,
                "choices": choices,
            });
            if asked.usage {
                chunk["usage"] = usage.clone();
            }
            events.push_str(&format!("data: {chunk}\n\n"));
        };
        let choice =
            |delta: Value, finish: Option<&str>| json!([{ "index": 0, "delta": delta, "finish_reason": finish }]);
        event(choice(json!({ "role": "assistant" }), None), &Value::Null);
        let letters: Vec<char> = words.chars().collect();
        for piece in letters.chunks(PIECE) {
            event(choice(json!({ name: piece.iter().collect::<String>() }), None), &Value::Null);
        }
        event(choice(json!({}), Some(finish)), &Value::Null);
        if asked.usage {
            event(json!([]), &usage);
        }
        events.push_str("data: [DONE]\n\n");
        ([(header::CONTENT_TYPE, "text/event-stream")], events).into_response()
    }
}

/// The text of a message; parts that are no text are nothing. `None`: it is neither a text nor parts.
fn text(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| {
                part["type"].as_str()?;
                Some(part["text"].as_str().unwrap_or_default())
            });
            Some(texts.collect::<Option<Vec<_>>>()?.join("\n"))
        }
        _ => None,
    }
}

/// The schema that a system message shows where the server does not enforce one: the object after the words "JSON Schema".
fn shown(text: &str) -> Option<Value> {
    let after = &text[text.find("JSON Schema")?..];
    let object = &after[after.find('{')?..];
    serde_json::Deserializer::from_str(object).into_iter::<Value>().next()?.ok()
}
