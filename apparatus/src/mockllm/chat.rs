//! OpenAI's chat completions, as a server.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::asked::{Asked, Dialect, Finish, Message, Offer, Said, Use, Who, events, list, model, object, pieces, text};

const ROLES: [&str; 6] = ["system", "developer", "user", "assistant", "tool", "function"];

/// Reads a body.
///
/// # Errors
/// The 400 that says which parameter is wrong, and how.
pub(super) fn parse(body: &[u8]) -> Result<Asked, Said> {
    let bad = |param, message: String| Err(Said::bad(Some(param), message));
    let json = object(body)?;
    let model = model(&json)?;
    let mut messages = Vec::new();
    for (at, message) in list(&json, "messages")?.iter().enumerate() {
        let role = message["role"].as_str().unwrap_or_default();
        if !ROLES.contains(&role) {
            let known = ROLES.join(", ");
            return bad("messages", format!("`messages[{at}].role` is `{role}`, not one of {known}"));
        }
        let Some(text) = text(&message["content"]) else {
            let why = format!("`messages[{at}].content` must be a text or a list of parts with a `type`");
            return bad("messages", why);
        };
        let who = match role {
            "system" | "developer" => Who::System,
            "assistant" => Who::Model,
            _ => Who::User,
        };
        let calls = message["tool_calls"].as_array().into_iter().flatten().map(|call| &call["function"]);
        let uses = calls.filter_map(|call| Use::read(&call["name"], &call["arguments"])).collect();
        messages.push(Message { who, text, uses });
    }
    let format = &json["response_format"];
    let (schema, is_json) = match format["type"].as_str() {
        None if format.is_null() => (None, false),
        Some("text") => (None, false),
        Some("json_object") => (Some(&format["schema"]), true),
        Some("json_schema") => match &format["json_schema"]["schema"] {
            schema @ Value::Object(_) => (Some(schema), true),
            _ => return bad("response_format", "`response_format.json_schema.schema` must be a schema".to_owned()),
        },
        other => {
            let why = format!(
                "`response_format.type` is {}, not one of text, json_object, json_schema",
                other.unwrap_or("missing")
            );
            return bad("response_format", why);
        }
    };
    let schema = schema.filter(|schema| schema.is_object()).cloned().or_else(|| Asked::shown_schema(&messages));
    let mut offers = Vec::new();
    for (at, tool) in json["tools"].as_array().into_iter().flatten().enumerate() {
        let function = &tool["function"];
        let (Some("function"), Some(name)) = (tool["type"].as_str(), function["name"].as_str()) else {
            return bad("tools", format!("`tools[{at}]` must be a function with a name"));
        };
        offers.push(Offer { name: name.to_owned(), schema: function["parameters"].clone() });
    }
    Ok(Asked {
        dialect: Dialect::Chat,
        model,
        json: is_json || schema.is_some(),
        schema,
        offers,
        stream: json["stream"].as_bool().unwrap_or(false),
        usage: json["stream_options"]["include_usage"].as_bool().unwrap_or(false),
        messages,
    })
}

/// What OpenAI's two dialects say instead of an answer.
pub(super) fn error(status: u16, code: &str, message: &str, param: Option<&str>, wait: Option<u32>) -> Response {
    let error = json!({ "message": message, "type": code, "code": code, "param": param });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(json!({ "error": error }))).into_response();
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}

/// Writes an answer.
pub(super) fn response(said: &Said, asked: &Asked, n: u64, created: i64) -> Response {
    let none: &[Use] = &[];
    let (name, words, uses, finish) = match said {
        Said::Error { status, code, message, param, wait } => return error(*status, code, message, *param, *wait),
        Said::Answer { text, uses, finish: Finish::Length } => ("content", text, uses.as_slice(), "length"),
        Said::Answer { text, uses, .. } if !uses.is_empty() => ("content", text, uses.as_slice(), "tool_calls"),
        Said::Answer { text, uses, .. } => ("content", text, uses.as_slice(), "stop"),
        Said::Refusal(text) => ("refusal", text, none, "stop"),
    };
    let calls: Vec<Value> = uses
        .iter()
        .enumerate()
        .map(|(at, one)| {
            let function = json!({ "name": one.name, "arguments": one.arguments.to_string() });
            json!({ "id": format!("call_{n}_{at}"), "type": "function", "function": function })
        })
        .collect();
    let (prompt, completion) = asked.tokens(said);
    let total = prompt + completion;
    let usage = json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total });
    let id = format!("chatcmpl-{n}");
    if !asked.stream {
        let mut message = json!({ "role": "assistant", "content": null, "refusal": null });
        if uses.is_empty() || !words.is_empty() {
            message[name] = words.as_str().into();
        }
        if !calls.is_empty() {
            message["tool_calls"] = calls.into();
        }
        return Json(json!({
            "id": id, "object": "chat.completion", "created": created, "model": asked.model,
            "choices": [{ "index": 0, "message": message, "finish_reason": finish }], "usage": usage,
        }))
        .into_response();
    }
    let chunk = |choices: Value, usage: &Value| {
        let mut chunk = json!({
            "id": id, "object": "chat.completion.chunk", "created": created, "model": asked.model,
            "choices": choices,
        });
        if asked.usage {
            chunk["usage"] = usage.clone();
        }
        (None, chunk)
    };
    let choice = |delta: Value, finish: Option<&str>| {
        chunk(json!([{ "index": 0, "delta": delta, "finish_reason": finish }]), &Value::Null)
    };
    let mut all = vec![choice(json!({ "role": "assistant" }), None)];
    all.extend(pieces(words).into_iter().map(|piece| choice(json!({ name: piece }), None)));
    for (at, call) in calls.into_iter().enumerate() {
        let arguments = call["function"]["arguments"].as_str().unwrap_or_default().to_owned();
        let mut begun = call;
        begun["index"] = at.into();
        begun["function"]["arguments"] = "".into();
        all.push(choice(json!({ "tool_calls": [begun] }), None));
        for piece in pieces(&arguments) {
            all.push(choice(json!({ "tool_calls": [{ "index": at, "function": { "arguments": piece } }] }), None));
        }
    }
    all.push(choice(json!({}), Some(finish)));
    if asked.usage {
        all.push(chunk(json!([]), &usage));
    }
    events(&all, true)
}
