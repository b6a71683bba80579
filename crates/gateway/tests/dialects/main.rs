//! The dialects of models against a loopback server: recorded answers of many servers, what is sent, and how calls end.

mod conversation;
mod recorded;
mod replay;
mod requests;
mod stops;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use gateway::{
    Provider, Reply,
    model::remote::{Dialect, Remote, RemoteModel},
    secret::Secret,
    tool::http::HttpClient,
};
use kernel::{
    context::{ModelRequest, Offer},
    recovery::{FailureKind, Phase},
    schema::Schema,
    values::{Span, Value},
};
use serde_json::{Value as Json, json};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers};

const KEY: &str = "key-hunter2-hunter2";

fn spec(dialect: Dialect, model: &str) -> Remote {
    Remote {
        dialect,
        base_url: "".into(),
        model: model.into(),
        like: None,
        key: Some("secret://key".into()),
        max_tokens: 8000,
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

fn request() -> ModelRequest {
    ModelRequest {
        step: "facts".into(),
        workflow: "w".into(),
        attempt: 1,
        model: "small".into(),
        system: "Be brief.".to_owned(),
        user: "What is it?".to_owned(),
        ..ModelRequest::default()
    }
}

fn offer(name: &str, params: Json) -> Offer {
    Offer { name: name.into(), says: format!("Does {name}.").into(), params: Schema::from_json(&params).unwrap() }
}

/// A server that answers every request with what it was last told to.
struct Server {
    server: MockServer,
    next: Arc<Mutex<ResponseTemplate>>,
    client: HttpClient,
}

struct Next(Arc<Mutex<ResponseTemplate>>);

impl Respond for Next {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        self.0.lock().unwrap().clone()
    }
}

impl Server {
    async fn start() -> Server {
        let (server, next) = (MockServer::start().await, Arc::new(Mutex::new(ResponseTemplate::new(500))));
        Mock::given(matchers::any()).respond_with(Next(next.clone())).mount(&server).await;
        Server { server, next, client: HttpClient::new().unwrap() }
    }

    fn provider(&self, spec: Remote) -> RemoteModel {
        let secrets = BTreeMap::from([("key".to_owned(), Secret::new(KEY))]);
        let spec = Remote { base_url: format!("{}/v1", self.server.uri()).into(), ..spec };
        RemoteModel::new(spec, Arc::new(secrets), self.client.clone()).unwrap()
    }

    fn says(&self, response: ResponseTemplate) {
        *self.next.lock().unwrap() = response;
    }

    async fn ask(&self, spec: Remote, request: &ModelRequest, response: ResponseTemplate) -> Reply {
        self.says(response);
        self.provider(spec).ask(request).await
    }

    /// The last request that came.
    async fn seen(&self) -> Request {
        self.server.received_requests().await.unwrap().pop().unwrap()
    }
}

/// The shortest whole answer in each dialect, with this text.
fn whole(dialect: Dialect, text: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(match dialect {
        Dialect::OpenAiChat => json!({ "choices": [{ "message": { "content": text }, "finish_reason": "stop" }] }),
        Dialect::OpenAiResponses => json!({ "status": "completed", "output": [
            { "type": "message", "content": [{ "type": "output_text", "text": text }] },
        ] }),
        Dialect::Anthropic => json!({ "content": [{ "type": "text", "text": text }], "stop_reason": "end_turn" }),
        Dialect::Gemini => {
            json!({ "candidates": [{ "content": { "parts": [{ "text": text }] }, "finishReason": "STOP" }] })
        }
    })
}

fn told(reply: &Reply) -> (FailureKind, Phase) {
    let failure = reply.answer.as_ref().expect_err("no answer");
    (failure.kind, failure.phase)
}
