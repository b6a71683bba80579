//! Anthropic's messages, as a server.

use axum::{
    Json,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::asked::{Asked, Dialect, Finish, Message, Offer, Said, Use, Who, events, list, model, object, pieces, text};

/// Reads a body.
///
/// # Errors
/// The 400 that says which parameter is wrong, and how.
pub(super) fn parse(body: &[u8]) -> Result<Asked, Said> {
    let bad = |param, message: String| Err(Said::bad(Some(param), message));
    let json = object(body)?;
    let model = model(&json)?;
    if json["max_tokens"].as_u64().is_none_or(|most| most == 0) {
        return bad("max_tokens", "max_tokens: Field required".to_owned());
    }
    let mut messages = Vec::new();
    match text(&json["system"]) {
        Some(text) if text.is_empty() => {}
        Some(text) => messages.push(Message::new(Who::System, text)),
        None => return bad("system", "system: must be a text or a list of blocks".to_owned()),
    }
    for (at, message) in list(&json, "messages")?.iter().enumerate() {
        let who = match message["role"].as_str() {
            Some("user") => Who::User,
            Some("assistant") => Who::Model,
            _ => return bad("messages", format!("messages.{at}.role: must be user or assistant")),
        };
        let Some(text) = text(&message["content"]) else {
            return bad("messages", format!("messages.{at}.content: must be a text or a list of blocks"));
        };
        let blocks = message["content"].as_array().into_iter().flatten();
        let uses = blocks.filter(|block| block["type"] == "tool_use");
        let uses = uses.filter_map(|block| Use::read(&block["name"], &block["input"])).collect();
        messages.push(Message { who, text, uses });
    }
    let format = &json["output_config"]["format"];
    let schema = match format["type"].as_str() {
        None if format.is_null() => None,
        Some("json_schema") if format["schema"].is_object() => Some(format["schema"].clone()),
        _ => return bad("output_config", "output_config.format: must be a json_schema with a schema".to_owned()),
    };
    let schema = schema.or_else(|| Asked::shown_schema(&messages));
    let mut offers = Vec::new();
    for (at, tool) in json["tools"].as_array().into_iter().flatten().enumerate() {
        let (Some(name), schema @ Value::Object(_)) = (tool["name"].as_str(), &tool["input_schema"]) else {
            return bad("tools", format!("tools.{at}: must have a name and an input_schema"));
        };
        offers.push(Offer { name: name.to_owned(), schema: schema.clone() });
    }
    Ok(Asked {
        dialect: Dialect::Messages,
        model,
        json: schema.is_some(),
        schema,
        offers,
        stream: json["stream"].as_bool().unwrap_or(false),
        usage: true,
        messages,
    })
}

/// Writes an answer.
pub(super) fn response(said: &Said, asked: &Asked, n: u64) -> Response {
    let (text, uses, stop) = match said {
        Said::Error { status, code, message, wait, .. } => return error(*status, code, message, *wait, n),
        Said::Answer { text, uses, finish: Finish::Length } => (text, uses.as_slice(), "max_tokens"),
        Said::Answer { text, uses, .. } if !uses.is_empty() => (text, uses.as_slice(), "tool_use"),
        Said::Answer { text, uses, .. } => (text, uses.as_slice(), "end_turn"),
        Said::Refusal(text) => (text, &[][..], "refusal"),
    };
    let mut content = Vec::new();
    if uses.is_empty() || !text.is_empty() {
        content.push(json!({ "type": "text", "text": text }));
    }
    for (at, one) in uses.iter().enumerate() {
        let id = format!("toolu_{n}_{at}");
        content.push(json!({ "type": "tool_use", "id": id, "name": one.name, "input": one.arguments }));
    }
    let (input, output) = asked.tokens(said);
    let usage = |output: usize| {
        json!({
            "input_tokens": input, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": output,
        })
    };
    let message = |content: Value, stop: Option<&str>, usage: Value| {
        json!({
            "id": format!("msg_{n}"), "type": "message", "role": "assistant", "model": asked.model,
            "content": content, "stop_reason": stop, "stop_sequence": null, "usage": usage,
        })
    };
    let id = [("request-id", format!("req_{n}"))];
    if !asked.stream {
        return (id, Json(message(content.into(), Some(stop), usage(output)))).into_response();
    }
    let mut all = vec![("message_start", json!({ "message": message(json!([]), None, usage(1)) }))];
    for (at, block) in content.iter().enumerate() {
        let mut begun = block.clone();
        let (key, deltas) = match block["type"].as_str() {
            Some("tool_use") => {
                begun["input"] = json!({});
                let deltas = pieces(&block["input"].to_string());
                ("input_json_delta", deltas)
            }
            _ => {
                begun["text"] = "".into();
                ("text_delta", pieces(block["text"].as_str().unwrap_or_default()))
            }
        };
        all.push(("content_block_start", json!({ "index": at, "content_block": begun })));
        for piece in deltas {
            let name = if key == "text_delta" { "text" } else { "partial_json" };
            let delta = json!({ "type": key, name: piece });
            all.push(("content_block_delta", json!({ "index": at, "delta": delta })));
        }
        all.push(("content_block_stop", json!({ "index": at })));
    }
    let delta = json!({ "stop_reason": stop, "stop_sequence": null });
    all.push(("message_delta", json!({ "delta": delta, "usage": { "output_tokens": output } })));
    all.push(("message_stop", json!({})));
    let typed: Vec<(Option<&str>, Value)> = all
        .into_iter()
        .map(|(name, mut data)| {
            data["type"] = name.into();
            (Some(name), data)
        })
        .collect();
    (id, events(&typed, false)).into_response()
}

/// What is said instead of an answer.
fn error(status: u16, code: &str, message: &str, wait: Option<u32>, n: u64) -> Response {
    let (status, kind) = match (status, code) {
        (_, "insufficient_quota") => (402, "billing_error"),
        (429, _) => (429, "rate_limit_error"),
        (529, _) => (529, "overloaded_error"),
        (404, _) => (404, "not_found_error"),
        (400, _) => (400, "invalid_request_error"),
        (status, _) => (status, "api_error"),
    };
    let body = json!({
        "type": "error", "error": { "type": kind, "message": message }, "request_id": format!("req_{n}"),
    });
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(body)).into_response();
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}
