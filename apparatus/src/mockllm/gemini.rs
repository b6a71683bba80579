//! Gemini's `generateContent`, as a server.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::asked::{Asked, Dialect, Finish, Message, Offer, Said, Use, Who, events, list, object, pieces};

/// Reads a body; model and streaming stand in the path.
///
/// # Errors
/// The 400 that says which parameter is wrong, and how.
pub(super) fn parse(body: &[u8], model: &str, stream: bool) -> Result<Asked, Said> {
    let bad = |param, message: String| Err(Said::bad(Some(param), message));
    let json = object(body)?;
    let mut messages = Vec::new();
    if let Some(text) = text(&json["systemInstruction"]["parts"]) {
        messages.push(Message::new(Who::System, text));
    }
    for (at, content) in list(&json, "contents")?.iter().enumerate() {
        let who = match content["role"].as_str() {
            None | Some("user" | "function") => Who::User,
            Some("model") => Who::Model,
            Some(other) => return bad("contents", format!("`contents[{at}].role` is `{other}`, not user or model")),
        };
        let Some(text) = text(&content["parts"]) else {
            return bad("contents", format!("`contents[{at}].parts` must be a list of at least one part"));
        };
        let parts = content["parts"].as_array().into_iter().flatten().map(|part| &part["functionCall"]);
        let uses = parts.filter_map(|call| Use::read(&call["name"], &call["args"])).collect();
        messages.push(Message { who, text, uses });
    }
    let config = &json["generationConfig"];
    let schema =
        ["responseJsonSchema", "responseSchema"].into_iter().map(|key| &config[key]).find(|one| one.is_object());
    if schema.is_some() && config["responseMimeType"] != "application/json" {
        return bad("generationConfig", "a response schema needs `responseMimeType: application/json`".to_owned());
    }
    let schema = schema.cloned().or_else(|| Asked::shown_schema(&messages));
    let mut offers = Vec::new();
    let declared = json["tools"].as_array().into_iter().flatten();
    for one in declared.filter_map(|tool| tool["functionDeclarations"].as_array()).flatten() {
        let Some(name) = one["name"].as_str() else {
            return bad("tools", "a function declaration must have a name".to_owned());
        };
        let schema =
            ["parametersJsonSchema", "parameters"].into_iter().map(|key| &one[key]).find(|one| one.is_object());
        let schema = schema.cloned().unwrap_or_else(|| json!({ "type": "object" }));
        offers.push(Offer { name: name.to_owned(), schema });
    }
    Ok(Asked {
        dialect: Dialect::Gemini,
        model: model.to_owned(),
        json: schema.is_some() || config["responseMimeType"] == "application/json",
        schema,
        offers,
        stream,
        usage: true,
        messages,
    })
}

/// The texts of parts, and the results of functions among them; `None` if there is no part.
fn text(parts: &Value) -> Option<String> {
    let parts = parts.as_array().filter(|parts| !parts.is_empty())?;
    let texts = parts.iter().map(|part| match (part["text"].as_str(), &part["functionResponse"]["response"]) {
        (Some(text), _) => text.to_owned(),
        (None, Value::Null) => String::new(),
        (None, result) => result.to_string(),
    });
    Some(texts.collect::<Vec<_>>().join("\n"))
}

/// Writes an answer.
pub(super) fn response(said: &Said, asked: &Asked, n: u64) -> Response {
    let (text, uses, finish) = match said {
        Said::Error { status, code, message, wait, .. } => return error(*status, code, message, *wait),
        Said::Answer { text, uses, finish: Finish::Length } => (text.as_str(), uses.as_slice(), "MAX_TOKENS"),
        Said::Answer { text, uses, .. } => (text.as_str(), uses.as_slice(), "STOP"),
        Said::Refusal(_) => ("", &[][..], "SAFETY"),
    };
    let (prompt, output) = asked.tokens(said);
    let usage = json!({
        "promptTokenCount": prompt, "candidatesTokenCount": output, "totalTokenCount": prompt + output,
    });
    let chunk = |parts: Vec<Value>, finish: Option<&str>| {
        let mut candidate = json!({ "index": 0 });
        if !parts.is_empty() {
            candidate["content"] = json!({ "role": "model", "parts": parts });
        }
        if let Some(finish) = finish {
            candidate["finishReason"] = finish.into();
        }
        json!({
            "candidates": [candidate], "usageMetadata": usage, "modelVersion": asked.model,
            "responseId": format!("resp-{n}"),
        })
    };
    let calls = uses.iter().map(|one| json!({ "functionCall": { "name": one.name, "args": one.arguments } }));
    if !asked.stream {
        let words = (!text.is_empty()).then(|| json!({ "text": text }));
        return Json(chunk(words.into_iter().chain(calls).collect(), Some(finish))).into_response();
    }
    let mut parts: Vec<Value> = pieces(text).into_iter().map(|piece| json!({ "text": piece })).chain(calls).collect();
    let last = parts.pop();
    let mut all: Vec<(Option<&str>, Value)> = parts.into_iter().map(|part| (None, chunk(vec![part], None))).collect();
    all.push((None, chunk(last.into_iter().collect(), Some(finish))));
    events(&all, false)
}

/// What is said instead of an answer.
fn error(status: u16, code: &str, message: &str, wait: Option<u32>) -> Response {
    let reason = |reason: &str| json!([{ "@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason }]);
    let (code, status, details) = match (status, code) {
        (_, "insufficient_quota") => (403, "PERMISSION_DENIED", reason("BILLING_DISABLED")),
        (429, _) => {
            let retry = wait.map(|wait| {
                let delay = format!("{wait}s");
                json!({ "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay })
            });
            (429, "RESOURCE_EXHAUSTED", retry.into_iter().collect())
        }
        (503 | 529, _) => (503, "UNAVAILABLE", json!([])),
        (404, _) => (404, "NOT_FOUND", json!([])),
        (400, _) => (400, "INVALID_ARGUMENT", json!([])),
        (status, _) => (status, "INTERNAL", json!([])),
    };
    let body = json!({ "error": { "code": code, "message": message, "status": status, "details": details } });
    (StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Json(body)).into_response()
}
