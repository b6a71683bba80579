//! What is sent.

use kernel::{
    context::ModelRequest,
    workflow::model::{Cap, Structured},
};
use serde_json::{Map as Object, Value as Json, json};

use super::OpenAiChatSpec;
use crate::model::lower::{Dialect, Lowered, lower};

/// How the schema is called on the wire: servers want a name and do nothing with it.
const NAME: &str = "answer";

/// The body of one request: the same request gives the same bytes.
pub(super) fn body(spec: &OpenAiChatSpec, request: &ModelRequest) -> Json {
    let lowered = lowered(spec, request);
    let format = lowered.as_ref().and_then(|lowered| format(spec.structured, lowered));
    let shown = lowered.as_ref().filter(|lowered| !is_enforced(spec.structured, lowered)).map(Lowered::told);
    let system: Vec<&str> = [Some(request.system.as_str()), shown.as_deref()]
        .into_iter()
        .flatten()
        .filter(|text| !text.is_empty())
        .collect();
    let mut messages = Vec::new();
    if !system.is_empty() {
        messages.push(json!({ "role": "system", "content": system.join("\n\n") }));
    }
    messages.push(json!({ "role": "user", "content": request.user }));
    let cap = match spec.cap {
        Cap::MaxCompletionTokens => "max_completion_tokens",
        Cap::MaxTokens => "max_tokens",
    };
    let mut body = Object::new();
    body.insert("model".to_owned(), spec.model.as_str().into());
    body.insert("messages".to_owned(), messages.into());
    body.insert("stream".to_owned(), true.into());
    body.insert("stream_options".to_owned(), json!({ "include_usage": true }));
    body.insert(cap.to_owned(), spec.max_tokens.into());
    if let Some(temperature) = spec.temperature {
        body.insert("temperature".to_owned(), temperature.into());
    }
    if let Some(format) = format {
        body.insert("response_format".to_owned(), format);
    }
    body.into()
}

/// The output schema in the dialect of the server.
pub(super) fn lowered(spec: &OpenAiChatSpec, request: &ModelRequest) -> Option<Lowered> {
    let dialect = match spec.structured {
        Structured::JsonSchema => Dialect::OpenAi,
        Structured::JsonObject | Structured::JsonObjectSchema | Structured::Text => Dialect::Plain,
    };
    request.output_schema.as_ref().map(|schema| lower(schema, dialect))
}

/// Whether the server enforces it all, so that the model need not be told.
fn is_enforced(structured: Structured, lowered: &Lowered) -> bool {
    structured == Structured::JsonSchema && lowered.enforced()
}

fn format(structured: Structured, lowered: &Lowered) -> Option<Json> {
    match structured {
        Structured::JsonSchema if !lowered.enforced() => None,
        Structured::JsonSchema => {
            let json_schema = json!({ "name": NAME, "schema": lowered.schema, "strict": true });
            Some(json!({ "type": "json_schema", "json_schema": json_schema }))
        }
        Structured::JsonObject => Some(json!({ "type": "json_object" })),
        Structured::JsonObjectSchema => Some(json!({ "type": "json_object", "schema": lowered.schema })),
        Structured::Text => None,
    }
}
