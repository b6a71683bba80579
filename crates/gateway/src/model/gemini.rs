//! Models that speak Google's Gemini: `POST {base_url}/models/{model}:streamGenerateContent?alt=sse`.
//!
//! A stream has no event that ends it: the candidate's `finishReason` does, and the connection after it. What a model thought comes as
//! a signature beside what it said, and goes back as it came.

use std::collections::BTreeSet;

use kernel::{
    context::{Offer, Returned, Turn},
    workflow::model::{Dialect, Effort, Structured},
};
use serde_json::{Map as Object, Value as Json, json};

use super::{
    capabilities::{Told, forced},
    remote::{
        Speaks,
        ask::{Ask, object},
        heard::Listen,
    },
};

mod pieces;
mod said;

/// Google's Gemini.
pub(crate) struct Gemini;

impl Speaks for Gemini {
    fn dialect(&self) -> Dialect {
        Dialect::Gemini
    }

    fn path(&self, model: &str) -> String {
        format!("/models/{model}:streamGenerateContent")
    }

    fn key(&self) -> (&'static str, &'static str) {
        ("x-goog-api-key", "")
    }

    fn body(&self, ask: &mut Ask<'_>) -> Json {
        let mut body = Object::new();
        let system = ask.system();
        if !system.is_empty() {
            body.insert("systemInstruction".to_owned(), json!({ "parts": [{ "text": system }] }));
        }
        body.insert("contents".to_owned(), contents(ask).into());
        let mut config = Object::new();
        config.insert("maxOutputTokens".to_owned(), ask.spec.max_tokens.into());
        let effort = ask.effort();
        if let Some(temperature) = ask.temperature(effort) {
            config.insert("temperature".to_owned(), temperature.into());
        }
        if let Some(effort) = effort {
            config.insert("thinkingConfig".to_owned(), thinking(ask, effort));
        }
        let lowered = ask.answer_schema();
        let asked = ask.request.output_schema.is_some() && ask.request.offers.is_empty();
        if asked && ask.structured() != Structured::Text {
            config.insert("responseMimeType".to_owned(), "application/json".into());
        }
        if let Some(schema) = lowered {
            config.insert("responseSchema".to_owned(), schema);
        }
        body.insert("generationConfig".to_owned(), config.into());
        if !ask.request.offers.is_empty() {
            body.insert("tools".to_owned(), json!([{ "functionDeclarations": tools(ask) }]));
            let mode = if ask.forces(ask.thinks(effort)) { forced(Dialect::Gemini) } else { "AUTO" };
            body.insert("toolConfig".to_owned(), json!({ "functionCallingConfig": { "mode": mode } }));
        }
        body.into()
    }

    fn listen(&self) -> Box<dyn Listen> {
        Box::<said::Said>::default()
    }
}

fn thinking(ask: &Ask<'_>, effort: Effort) -> Json {
    if ask.row.told == Told::Level {
        return json!({ "thinkingLevel": effort.as_str() });
    }
    let tokens = match effort {
        Effort::None => 0,
        Effort::Minimal | Effort::Low => 1024,
        Effort::Medium => 8192,
        Effort::High | Effort::Xhigh | Effort::Max => 24_576,
    };
    json!({ "thinkingBudget": tokens })
}

fn tools(ask: &mut Ask<'_>) -> Vec<Json> {
    let offers = ask.request.offers.clone();
    let tool = |(nth, offer): (usize, &Offer)| {
        let (schema, strict) = ask.offer_schema(nth);
        let mut tool = json!({ "name": &*offer.name, "description": &*offer.says });
        // An object without properties is refused: without parameters there are no arguments.
        let empty = schema.get("properties").and_then(Json::as_object).is_some_and(Object::is_empty);
        match strict {
            true if empty => {}
            true => tool["parameters"] = schema,
            false => tool["parametersJsonSchema"] = schema,
        }
        tool
    };
    offers.iter().enumerate().map(tool).collect()
}

/// The ask and what followed it. Two contents of the same side are one.
fn contents(ask: &mut Ask<'_>) -> Vec<Json> {
    let request = ask.request;
    let mut sides: Vec<(&str, Vec<Json>)> = vec![("user", vec![json!({ "text": request.user })])];
    // The provider's own names of calls: a result is given under one only if the call that goes back has it.
    let mut named = BTreeSet::new();
    for turn in &request.turns {
        let (side, parts) = match turn {
            Turn::Said { model, text, proposed, echo } => {
                let names = |echo: &Json| {
                    let parts = echo.as_array().map(Vec::as_slice).unwrap_or_default();
                    said::calls(parts).into_iter().map(|call| call.name).collect()
                };
                let parts = match ask.echo((model, echo.as_ref()), proposed, names) {
                    Some(Json::Array(mut parts)) => {
                        let uses = parts.iter_mut().filter_map(|part| part.get_mut("functionCall"));
                        for (call, one) in uses.zip(proposed).filter(|(call, _)| !call["args"].is_object()) {
                            call["args"] = object(&one.arguments);
                        }
                        named.extend(said::calls(&parts).into_iter().filter_map(|call| call.id));
                        parts
                    }
                    _ => {
                        let said = (!text.is_empty()).then(|| json!({ "text": &**text }));
                        // Some models take no call without a signature, and the first of a turn has one.
                        let mut unsigned = ask.row.unsigned.as_deref();
                        let calls = proposed.iter().map(|one| {
                            let args = object(&ask.arguments(one));
                            let mut part = json!({ "functionCall": { "name": &*one.name, "args": args } });
                            if let Some(word) = unsigned.take() {
                                part["thoughtSignature"] = word.into();
                            }
                            part
                        });
                        said.into_iter().chain(calls).collect()
                    }
                };
                ("model", parts)
            }
            Turn::Returned(results) => ("user", results.iter().map(|one| result(one, &named)).collect()),
            Turn::Told(text) => ("user", vec![json!({ "text": &**text })]),
        };
        match sides.last_mut().filter(|(last, _)| *last == side) {
            Some((_, all)) => all.extend(parts),
            None if parts.is_empty() => {}
            None => sides.push((side, parts)),
        }
    }
    sides.into_iter().map(|(side, parts)| json!({ "role": side, "parts": parts })).collect()
}

fn result(Returned { id, name, text, failed }: &Returned, named: &BTreeSet<String>) -> Json {
    let key = if *failed { "error" } else { "output" };
    let mut response = Object::new();
    if named.contains(&**id) {
        response.insert("id".to_owned(), (**id).into());
    }
    response.insert("name".to_owned(), (**name).into());
    response.insert("response".to_owned(), json!({ key: &**text }));
    json!({ "functionResponse": response })
}
