//! What is sent.

use serde_json::{Value as Json, json};

use super::*;

/// The body that a server gets, and its authorization.
async fn sent(change: impl FnOnce(Remote) -> Remote, request: ModelRequest) -> (Json, Option<String>) {
    let server = MockServer::start().await;
    Mock::given(matchers::any()).respond_with(says("{}")).mount(&server).await;
    let reply = provider(change(spec(format!("{}/v1/", server.uri())))).ask(&request).await;
    assert!(reply.answer.is_ok(), "{reply:?}");
    let seen = server.received_requests().await.unwrap();
    assert_eq!((seen.len(), seen[0].url.path(), seen[0].method.as_str()), (1, "/v1/chat/completions", "POST"));
    assert_eq!(seen[0].headers["content-type"], "application/json");
    let key = seen[0].headers.get("authorization").map(|value| value.to_str().unwrap().to_owned());
    (serde_json::from_slice(&seen[0].body).unwrap(), key)
}

fn object() -> Json {
    json!({ "type": "object", "properties": { "a": { "type": "string", "minLength": 2 } } })
}

#[tokio::test]
async fn a_request_is_a_capped_stream_with_a_strict_schema() {
    let (body, key) = sent(|spec| spec, request(Some(object()))).await;
    assert_eq!(key.as_deref(), Some("Bearer sk-hunter2-hunter2"));
    let expected = json!({
        "model": "gpt-x",
        "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "What is it?" }],
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_completion_tokens": 800,
        "response_format": { "type": "json_schema", "json_schema": { "name": "answer", "strict": true, "schema": {
            "type": "object",
            "properties": { "a": { "type": ["string", "null"], "description": "Must also hold: minLength 2." } },
            "required": ["a"],
            "additionalProperties": false,
        } } },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn what_is_not_written_is_not_sent() {
    let plain = ModelRequest { system: String::new(), ..request(None) };
    let spec = |spec| Remote { cap: Some(Cap::MaxTokens), temperature: Some(0.5), key: None, ..spec };
    let (body, key) = sent(spec, plain).await;
    assert_eq!(key, None);
    let expected = json!({
        "model": "gpt-x",
        "messages": [{ "role": "user", "content": "What is it?" }],
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_tokens": 800,
        "temperature": 0.5,
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn each_dialect_tells_the_schema_its_own_way() {
    let shown =
        format!("Be brief.\n\nAnswer with JSON that fits this JSON Schema, and with nothing else:\n{}", object());
    for (structured, format, system) in [
        (Structured::JsonObject, json!({ "type": "json_object" }), shown.as_str()),
        (Structured::JsonObjectSchema, json!({ "type": "json_object", "schema": object() }), &shown),
        (Structured::Text, Json::Null, &shown),
    ] {
        let (body, _) = sent(|spec| Remote { structured: Some(structured), ..spec }, request(Some(object()))).await;
        assert_eq!((&body["response_format"], &body["messages"][0]["content"]), (&format, &system.into()));
    }
    // What strict output cannot take at all is told in the text.
    let mut deep = json!({ "type": "string" });
    for _ in 0..12 {
        deep = json!({ "type": "object", "properties": { "a": deep } });
    }
    let (body, _) = sent(|spec| spec, request(Some(deep.clone()))).await;
    let told = format!("Be brief.\n\nAnswer with JSON that fits this JSON Schema, and with nothing else:\n{deep}");
    assert_eq!((body.get("response_format"), &body["messages"][0]["content"]), (None, &told.into()));
}

#[tokio::test]
async fn a_base_url_is_where_a_server_is_and_nothing_more() {
    let secrets: BTreeMap<String, Secret> = BTreeMap::new();
    for (url, wrong) in [
        ("api.example", "the base URL `api.example` is no URL: write one like `https://billing.example/v1`"),
        ("ftp://api.example", "the base URL `ftp://api.example` must begin with http:// or https://"),
        (
            "https://a:b@api.example",
            "the base URL `…` must not hold a user or a password: a secret is named, as in `secret://name`",
        ),
        ("https://api.example?x=1", "the base URL `https://api.example?x=1` must not have a query or a fragment"),
    ] {
        let made = RemoteModel::new(spec(url), Arc::new(secrets.clone()), HttpClient::new().unwrap());
        assert_eq!(made.err().unwrap().to_string(), wrong);
    }
    // Without its key nothing is sent: there is no server at this port.
    let provider = RemoteModel::new(spec("http://127.0.0.1:1"), Arc::new(secrets), HttpClient::new().unwrap()).unwrap();
    let reply = provider.ask(&request(None)).await;
    assert_eq!(told(&reply), (FailureKind::Internal, Phase::Inside));
    assert_eq!(
        detail(&reply),
        "`gpt-x` at HERE cannot be asked: the secret `openai` is not set: set the environment variable SUREFOOT_SECRET_OPENAI"
    );
}
