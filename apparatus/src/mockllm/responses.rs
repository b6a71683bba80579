//! OpenAI's responses, as a server.

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    asked::{Asked, Dialect, Finish, Message, Offer, Said, Use, Who, events, model, object, pieces, text},
    chat::error,
};

/// Reads a body.
///
/// # Errors
/// The 400 that says which parameter is wrong, and how.
pub(super) fn parse(body: &[u8]) -> Result<Asked, Said> {
    let bad = |param, message: String| Err(Said::bad(Some(param), message));
    let json = object(body)?;
    let model = model(&json)?;
    let mut messages = Vec::new();
    if let Some(text) = json["instructions"].as_str() {
        messages.push(Message::new(Who::System, text.to_owned()));
    }
    match &json["input"] {
        Value::String(text) => messages.push(Message::new(Who::User, text.clone())),
        Value::Array(items) if !items.is_empty() => {
            for (at, item) in items.iter().enumerate() {
                match item_of(item) {
                    Some(Some(message)) => messages.push(message),
                    Some(None) => {}
                    None => return bad("input", format!("`input[{at}]` is no item that is known")),
                }
            }
        }
        _ => return bad("input", "`input` must be a text or a list of at least one item".to_owned()),
    }
    let format = &json["text"]["format"];
    let (schema, is_json) = match format["type"].as_str() {
        None if format.is_null() => (None, false),
        Some("text") => (None, false),
        Some("json_object") => (None, true),
        Some("json_schema") => match (&format["schema"], format["name"].as_str()) {
            (schema @ Value::Object(_), Some(_)) => (Some(schema.clone()), true),
            _ => return bad("text.format", "`text.format` must have a name and a schema".to_owned()),
        },
        Some(other) => return bad("text.format", format!("`text.format.type` is {other}")),
        None => return bad("text.format", "`text.format.type` is missing".to_owned()),
    };
    let schema = schema.or_else(|| Asked::shown_schema(&messages));
    let mut offers = Vec::new();
    for (at, tool) in json["tools"].as_array().into_iter().flatten().enumerate() {
        let (Some("function"), Some(name)) = (tool["type"].as_str(), tool["name"].as_str()) else {
            return bad("tools", format!("`tools[{at}]` must be a function with a name"));
        };
        offers.push(Offer { name: name.to_owned(), schema: tool["parameters"].clone() });
    }
    Ok(Asked {
        dialect: Dialect::Responses,
        model,
        json: is_json || schema.is_some(),
        schema,
        offers,
        stream: json["stream"].as_bool().unwrap_or(false),
        usage: true,
        messages,
    })
}

/// One item of the input; `Some(None)` is one without words for a persona. `None`: nobody knows such an item.
fn item_of(item: &Value) -> Option<Option<Message>> {
    let of = |who, text: String| Some(Some(Message::new(who, text)));
    match item["type"].as_str().unwrap_or("message") {
        "message" => {
            let who = match item["role"].as_str()? {
                "system" | "developer" => Who::System,
                "user" => Who::User,
                "assistant" => Who::Model,
                _ => return None,
            };
            of(who, text(&item["content"])?)
        }
        "function_call" => {
            let uses = Use::read(&item["name"], &item["arguments"]).into_iter().collect();
            Some(Some(Message { who: Who::Model, text: item["arguments"].as_str()?.to_owned(), uses }))
        }
        "function_call_output" => of(Who::User, text(&item["output"])?),
        "reasoning" => Some(None),
        _ => None,
    }
}

/// Writes an answer.
pub(super) fn response(said: &Said, asked: &Asked, n: u64, created: i64) -> Response {
    let (part, uses, finish) = match said {
        Said::Error { status, code, message, param, wait } => return error(*status, code, message, *param, *wait),
        Said::Answer { text, uses, finish } => {
            (json!({ "type": "output_text", "text": text, "annotations": [] }), uses.as_slice(), *finish)
        }
        Said::Refusal(text) => (json!({ "type": "refusal", "refusal": text }), &[][..], Finish::Stop),
    };
    let mut output = Vec::new();
    if uses.is_empty() || !said.words().is_empty() {
        output.push(json!({
            "id": format!("msg_{n}"), "type": "message", "role": "assistant", "status": "completed", "content": [part],
        }));
    }
    for (at, one) in uses.iter().enumerate() {
        output.push(json!({
            "id": format!("fc_{n}_{at}"), "call_id": format!("call_{n}_{at}"), "type": "function_call",
            "name": one.name, "arguments": one.arguments.to_string(), "status": "completed",
        }));
    }
    let (input, completion) = asked.tokens(said);
    let usage = json!({
        "input_tokens": input, "input_tokens_details": { "cached_tokens": 0 }, "output_tokens": completion,
        "output_tokens_details": { "reasoning_tokens": 0 }, "total_tokens": input + completion,
    });
    let cut = finish == Finish::Length;
    let whole = |status: &str, output: &[Value], usage: &Value| {
        let details = if status == "incomplete" { json!({ "reason": "max_output_tokens" }) } else { Value::Null };
        json!({
            "id": format!("resp_{n}"), "object": "response", "created_at": created, "status": status, "error": null,
            "incomplete_details": details, "model": asked.model, "output": output, "usage": usage,
        })
    };
    let end = if cut { "incomplete" } else { "completed" };
    if !asked.stream {
        return Json(whole(end, &output, &usage)).into_response();
    }
    let mut all: Vec<(&str, Value)> =
        vec![("response.created", json!({ "response": whole("in_progress", &[], &Value::Null) }))];
    for (at, item) in output.iter().enumerate() {
        let id = item["id"].clone();
        let mut begun = item.clone();
        begun["status"] = "in_progress".into();
        let is_call = item["type"] == "function_call";
        if is_call {
            begun["arguments"] = "".into();
        } else {
            begun["content"] = json!([]);
        }
        all.push(("response.output_item.added", json!({ "output_index": at, "item": begun })));
        if is_call {
            let arguments = item["arguments"].as_str().unwrap_or_default();
            for delta in pieces(arguments) {
                let data = json!({ "item_id": id, "output_index": at, "delta": delta });
                all.push(("response.function_call_arguments.delta", data));
            }
            let data = json!({ "item_id": id, "output_index": at, "arguments": arguments });
            all.push(("response.function_call_arguments.done", data));
        } else {
            let part = &item["content"][0];
            let (word, key) = if part["type"] == "refusal" { ("refusal", "refusal") } else { ("output_text", "text") };
            let mut empty = part.clone();
            empty[key] = "".into();
            let place = json!({ "item_id": id, "output_index": at, "content_index": 0 });
            let with = |key: &str, value: Value| {
                let mut data = place.clone();
                data[key] = value;
                data
            };
            all.push(("response.content_part.added", with("part", empty)));
            let (delta, done) = match word {
                "refusal" => ("response.refusal.delta", "response.refusal.done"),
                _ => ("response.output_text.delta", "response.output_text.done"),
            };
            let spoken = part[key].as_str().unwrap_or_default();
            all.extend(pieces(spoken).into_iter().map(|piece| (delta, with("delta", piece.into()))));
            all.push((done, with(key, spoken.into())));
            all.push(("response.content_part.done", with("part", part.clone())));
        }
        all.push(("response.output_item.done", json!({ "output_index": at, "item": item })));
    }
    let last = if cut { "response.incomplete" } else { "response.completed" };
    all.push((last, json!({ "response": whole(end, &output, &usage) })));
    let numbered: Vec<(Option<&str>, Value)> = all
        .into_iter()
        .enumerate()
        .map(|(at, (name, mut data))| {
            data["type"] = name.into();
            data["sequence_number"] = at.into();
            (Some(name), data)
        })
        .collect();
    events(&numbered, false)
}
