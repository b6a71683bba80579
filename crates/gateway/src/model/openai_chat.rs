//! Models behind any server that speaks the OpenAI chat format: `POST {base_url}/chat/completions`.
//!
//! A stream ends with `[DONE]`, after a reason why the model ended.

use kernel::{
    context::{Returned, Turn},
    workflow::model::{Cap, Dialect, Structured},
};
use serde_json::{Map as Object, Value as Json, json};

use super::{
    capabilities::forced,
    remote::{
        Speaks,
        ask::{Ask, NAME, string},
        heard::Listen,
    },
};

mod said;

/// The OpenAI chat format.
pub(crate) struct OpenAiChat;

impl Speaks for OpenAiChat {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiChat
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }

    fn body(&self, ask: &mut Ask<'_>) -> Json {
        let format = format(ask);
        let mut messages = Vec::new();
        let system = ask.system();
        if !system.is_empty() {
            messages.push(json!({ "role": "system", "content": system }));
        }
        messages.push(json!({ "role": "user", "content": ask.request.user }));
        messages.extend(ask.request.turns.iter().flat_map(|one| turn(ask, one)));
        let cap = match ask.spec.cap.unwrap_or(ask.row.cap) {
            Cap::MaxCompletionTokens => "max_completion_tokens",
            Cap::MaxTokens => "max_tokens",
        };
        let mut body = Object::new();
        body.insert("model".to_owned(), (*ask.spec.model).into());
        body.insert("messages".to_owned(), messages.into());
        body.insert("stream".to_owned(), true.into());
        body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
        body.insert(cap.to_owned(), ask.spec.max_tokens.into());
        let effort = ask.effort();
        if let Some(temperature) = ask.temperature(effort) {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(effort) = effort {
            body.insert("reasoning_effort".to_owned(), effort.as_str().into());
        }
        if let Some(format) = format {
            body.insert("response_format".to_owned(), format);
        }
        if !ask.request.offers.is_empty() {
            body.insert("tools".to_owned(), tools(ask).into());
            let choice = if ask.forces(ask.thinks(effort)) { forced(Dialect::OpenAiChat) } else { "auto" };
            body.insert("tool_choice".to_owned(), choice.into());
        }
        body.into()
    }

    fn listen(&self) -> Box<dyn Listen> {
        Box::<said::Said>::default()
    }
}

fn format(ask: &mut Ask<'_>) -> Option<Json> {
    let lowered = ask.answer_schema();
    let schema = ask.request.output_schema.as_ref().filter(|_| ask.request.offers.is_empty())?;
    match ask.structured() {
        Structured::JsonSchema => {
            let json_schema = json!({ "name": NAME, "schema": lowered?, "strict": true });
            Some(json!({ "type": "json_schema", "json_schema": json_schema }))
        }
        Structured::JsonObject => Some(json!({ "type": "json_object" })),
        Structured::JsonObjectSchema => Some(json!({ "type": "json_object", "schema": schema.json() })),
        Structured::Text => None,
    }
}

fn tools(ask: &mut Ask<'_>) -> Vec<Json> {
    let offers = ask.request.offers.clone();
    offers
        .iter()
        .enumerate()
        .map(|(nth, offer)| {
            let (schema, strict) = ask.offer_schema(nth);
            let mut function = json!({ "name": &*offer.name, "description": &*offer.says, "parameters": schema });
            // Servers that know no strict output need not know this word either.
            if strict {
                function["strict"] = true.into();
            }
            json!({ "type": "function", "function": function })
        })
        .collect()
}

/// One turn of the conversation, as messages.
fn turn(ask: &Ask<'_>, turn: &Turn) -> Vec<Json> {
    match turn {
        Turn::Said { text, proposed, .. } => {
            let calls = proposed.iter().map(|one| {
                let function = json!({ "name": &*one.name, "arguments": string(&ask.arguments(one)) });
                json!({ "id": &*one.id, "type": "function", "function": function })
            });
            let calls: Vec<Json> = calls.collect();
            if calls.is_empty() {
                return vec![json!({ "role": "assistant", "content": &**text })];
            }
            let content = if text.is_empty() { Json::Null } else { (**text).into() };
            vec![json!({ "role": "assistant", "content": content, "tool_calls": calls })]
        }
        Turn::Returned(results) => results
            .iter()
            .map(|Returned { id, text, .. }| json!({ "role": "tool", "tool_call_id": &**id, "content": &**text }))
            .collect(),
        Turn::Told(text) => vec![json!({ "role": "user", "content": &**text })],
    }
}
