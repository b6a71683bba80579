//! Models that speak OpenAI's Responses: `POST {base_url}/responses`.
//!
//! Nothing is kept at the provider (`store: false`): what the model thought comes encrypted and goes back as it came. A stream ends
//! with `response.completed`, `response.incomplete` or `response.failed`, and that event holds the whole answer.

use kernel::{
    context::{Offer, Returned, Turn},
    workflow::model::{Dialect, Structured},
};
use serde_json::{Map as Object, Value as Json, json};

use super::{
    capabilities::{Thinks, forced},
    remote::{
        Speaks,
        ask::{Ask, NAME, string},
        heard::Listen,
    },
};

mod said;

/// OpenAI's Responses.
pub(crate) struct OpenAiResponses;

impl Speaks for OpenAiResponses {
    fn dialect(&self) -> Dialect {
        Dialect::OpenAiResponses
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("authorization", "Bearer ")
    }

    fn body(&self, ask: &mut Ask<'_>) -> Json {
        let mut body = Object::new();
        body.insert("model".to_owned(), (*ask.spec.model).into());
        let system = ask.system();
        if !system.is_empty() {
            body.insert("instructions".to_owned(), system.into());
        }
        body.insert("input".to_owned(), input(ask).into());
        body.insert("stream".to_owned(), true.into());
        body.insert("store".to_owned(), false.into());
        if ask.row.thinks != Thinks::Never {
            body.insert("include".to_owned(), json!(["reasoning.encrypted_content"]));
        }
        body.insert("max_output_tokens".to_owned(), ask.spec.max_tokens.into());
        let effort = ask.effort();
        if let Some(temperature) = ask.temperature(effort) {
            body.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(effort) = effort {
            body.insert("reasoning".to_owned(), json!({ "effort": effort.as_str() }));
        }
        if let Some(format) = format(ask) {
            body.insert("text".to_owned(), json!({ "format": format }));
        }
        if !ask.request.offers.is_empty() {
            body.insert("tools".to_owned(), tools(ask).into());
            let choice = if ask.forces(ask.thinks(effort)) { forced(Dialect::OpenAiResponses) } else { "auto" };
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
    match lowered {
        Some(schema) => Some(json!({ "type": "json_schema", "name": NAME, "schema": schema, "strict": true })),
        None => {
            let asked = ask.request.output_schema.is_some() && ask.request.offers.is_empty();
            (asked && ask.structured() == Structured::JsonObject).then(|| json!({ "type": "json_object" }))
        }
    }
}

fn tools(ask: &mut Ask<'_>) -> Vec<Json> {
    let offers = ask.request.offers.clone();
    let tool = |(nth, offer): (usize, &Offer)| {
        let (schema, strict) = ask.offer_schema(nth);
        json!({
            "type": "function", "name": &*offer.name, "description": &*offer.says, "parameters": schema, "strict": strict,
        })
    };
    offers.iter().enumerate().map(tool).collect()
}

/// The ask and what followed it, as items.
fn input(ask: &mut Ask<'_>) -> Vec<Json> {
    let request = ask.request;
    let mut items = vec![json!({ "role": "user", "content": request.user })];
    for turn in &request.turns {
        match turn {
            Turn::Said { model, text, proposed, echo } => {
                let names = |echo: &Json| {
                    let items = echo.as_array().map(Vec::as_slice).unwrap_or_default();
                    said::calls(items).into_iter().map(|call| call.name).collect()
                };
                if let Some(Json::Array(mut echo)) = ask.echo((model, echo.as_ref()), proposed, names) {
                    // As it came, under the names that we know its uses of tools by.
                    let uses = echo.iter_mut().filter(|item| item["type"] == "function_call");
                    uses.zip(proposed).for_each(|(item, one)| item["call_id"] = (*one.id).into());
                    items.extend(echo);
                    continue;
                }
                if !text.is_empty() {
                    items.push(json!({ "role": "assistant", "content": &**text }));
                }
                items.extend(proposed.iter().map(|one| {
                    let arguments = string(&ask.arguments(one));
                    json!({ "type": "function_call", "call_id": &*one.id, "name": &*one.name, "arguments": arguments })
                }));
            }
            Turn::Returned(results) => items.extend(results.iter().map(|Returned { id, text, .. }| {
                json!({ "type": "function_call_output", "call_id": &**id, "output": &**text })
            })),
            Turn::Told(text) => items.push(json!({ "role": "user", "content": &**text })),
        }
    }
    items
}
