//! The OpenAI chat format against a loopback server: recorded answers of many servers, and every way a call can end.

mod failures;
mod requests;

use std::{collections::BTreeMap, sync::Arc};

use gateway::{
    Provider, Reply,
    model::remote::{Cap, Dialect, Remote, RemoteModel, Structured},
    secret::Secret,
    tool::http::HttpClient,
};
use kernel::{
    context::ModelRequest,
    recovery::{FailureKind, Phase},
    schema::Schema,
    values::{Span, Value},
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

const KEY: &str = "sk-hunter2-hunter2";

fn spec(base_url: impl Into<Arc<str>>) -> Remote {
    Remote {
        dialect: Dialect::OpenAiChat,
        base_url: base_url.into(),
        model: "gpt-x".into(),
        like: None,
        key: Some("secret://openai".into()),
        max_tokens: 800,
        cap: None,
        temperature: None,
        effort: None,
        structured: None,
        sampling: None,
        force_tool: None,
        rejects: Vec::new(),
        timeout: Span::from_millis(60_000),
        first_byte: Span::from_millis(60_000),
        silence: Span::from_millis(60_000),
    }
}

fn provider(spec: Remote) -> RemoteModel {
    let secrets = BTreeMap::from([("openai".to_owned(), Secret::new(KEY))]);
    RemoteModel::new(spec, Arc::new(secrets), HttpClient::new().unwrap()).unwrap()
}

fn request(schema: Option<serde_json::Value>) -> ModelRequest {
    ModelRequest {
        step: "facts".into(),
        workflow: "w".into(),
        attempt: 1,
        model: "small".into(),
        system: "Be brief.".to_owned(),
        user: "What is it?".to_owned(),
        data: Value::Null,
        output_schema: schema.map(|schema| Schema::from_json(&schema).unwrap()),
        ..ModelRequest::default()
    }
}

/// What a server that answers like this makes of a request.
async fn answered(response: ResponseTemplate, schema: Option<serde_json::Value>) -> Reply {
    let server = MockServer::start().await;
    Mock::given(matchers::path("/v1/chat/completions")).respond_with(response).expect(1).mount(&server).await;
    provider(spec(format!("{}/v1", server.uri()))).ask(&request(schema)).await
}

fn json(status: u16, body: serde_json::Value) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(body)
}

fn stream(events: &[&str]) -> ResponseTemplate {
    let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    ResponseTemplate::new(200).set_body_raw(body, "text/event-stream")
}

/// A whole answer of this text.
fn says(text: &str) -> ResponseTemplate {
    json(200, serde_json::json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] }))
}

fn told(reply: &Reply) -> (FailureKind, Phase) {
    let failure = reply.answer.as_ref().unwrap_err();
    (failure.kind, failure.phase)
}

fn detail(reply: &Reply) -> String {
    // The port differs from run to run.
    let detail = &reply.answer.as_ref().unwrap_err().detail;
    match detail.split_once("127.0.0.1:") {
        Some((before, after)) => format!("{before}HERE{}", after.trim_start_matches(|c: char| c.is_ascii_digit())),
        None => detail.clone(),
    }
}
