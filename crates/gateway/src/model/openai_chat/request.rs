//! What is sent.

use kernel::{
    context::ModelRequest,
    workflow::model::{Cap, Structured},
};
use serde_json::{Map as Object, Value as Json, json};

use super::{Lowered, OpenAiChatSpec, lower};

/// How the schema is called on the wire: servers want a name and do nothing with it.
const NAME: &str = "answer";

/// The body of one request: the same request gives the same bytes.
pub(super) fn body(spec: &OpenAiChatSpec, request: &ModelRequest) -> Json {
    let schema = request.output_schema.as_ref().map(|schema| schema.json());
    let (format, shown) = match schema {
        Some(schema) => (format(spec.structured, schema), shown(spec.structured, schema)),
        None => (None, None),
    };
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

fn format(structured: Structured, schema: &Json) -> Option<Json> {
    match structured {
        Structured::JsonSchema => {
            let Lowered { schema, strict, lost } = lower(schema);
            if !lost.is_empty() {
                tracing::debug!(strict, ?lost, "the output schema is not enforced by the server as a whole");
            }
            let json_schema = json!({ "name": NAME, "schema": schema, "strict": strict });
            Some(json!({ "type": "json_schema", "json_schema": json_schema }))
        }
        Structured::JsonObject => Some(json!({ "type": "json_object" })),
        Structured::JsonObjectSchema => Some(json!({ "type": "json_object", "schema": schema })),
        Structured::Text => None,
    }
}

/// What the model itself is told of the schema, where the server does not enforce it all.
fn shown(structured: Structured, schema: &Json) -> Option<String> {
    let told = structured != Structured::JsonSchema;
    told.then(|| format!("Answer with JSON that fits this JSON Schema, and with nothing else:\n{schema}"))
}
