//! What is sent: byte for byte the same for the same request, with the key in its header, and nothing dropped in silence.

use gateway::model::remote::{Effort, Structured};

use super::*;

fn schema() -> Json {
    json!({ "type": "object", "properties": { "a": { "type": "string", "minLength": 2 } }, "required": ["a"], "additionalProperties": false })
}

fn with_schema() -> ModelRequest {
    ModelRequest { output_schema: Some(Schema::from_json(&schema()).unwrap()), ..request() }
}

/// The body that a server gets, and what is told of it.
async fn sent(spec: Remote, request: &ModelRequest) -> (Json, Vec<String>) {
    let server = Server::start().await;
    let dialect = spec.dialect;
    let reply = server.ask(spec, request, whole(dialect, r#"{"a":"xyz"}"#)).await;
    assert!(reply.answer.is_ok(), "{reply:?}");
    let seen = server.seen().await;
    let text = String::from_utf8(seen.body.clone()).unwrap();
    assert!(!text.contains(KEY), "the key stands in the body");
    (serde_json::from_str(&text).unwrap(), reply.said.adaptations.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn a_request_goes_to_its_path_with_the_key_in_its_header_and_the_same_bytes_each_time() {
    for (dialect, path, key, value) in [
        (Dialect::OpenAiChat, "/v1/chat/completions", "authorization", format!("Bearer {KEY}")),
        (Dialect::OpenAiResponses, "/v1/responses", "authorization", format!("Bearer {KEY}")),
        (Dialect::Anthropic, "/v1/messages", "x-api-key", KEY.to_owned()),
        (Dialect::Gemini, "/v1/models/m:streamGenerateContent", "x-goog-api-key", KEY.to_owned()),
    ] {
        let server = Server::start().await;
        server.ask(spec(dialect, "m"), &with_schema(), whole(dialect, "{}")).await;
        server.ask(spec(dialect, "m"), &with_schema(), whole(dialect, "{}")).await;
        let seen = server.server.received_requests().await.unwrap();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].body, seen[1].body, "{path}");
        assert_eq!((seen[0].method.as_str(), seen[0].url.path()), ("POST", path));
        assert_eq!(seen[0].url.query(), (dialect == Dialect::Gemini).then_some("alt=sse"));
        assert_eq!(seen[0].headers[key], value.as_str());
        assert_eq!(seen[0].headers["content-type"], "application/json");
        assert_eq!(seen[0].headers.contains_key("authorization"), key == "authorization");
        assert_eq!(seen[0].headers.contains_key("anthropic-version"), dialect == Dialect::Anthropic);
    }
}

#[tokio::test]
async fn each_dialect_asks_its_own_way() {
    let (body, told) = sent(spec(Dialect::OpenAiResponses, "gpt-5-nano"), &with_schema()).await;
    let lowered = json!({
        "type": "object",
        "properties": { "a": { "type": "string", "description": "Must also hold: minLength 2." } },
        "required": ["a"],
        "additionalProperties": false,
    });
    let expected = json!({
        "model": "gpt-5-nano",
        "instructions": "Be brief.",
        "input": [{ "role": "user", "content": "What is it?" }],
        "stream": true,
        "store": false,
        "include": ["reasoning.encrypted_content"],
        "max_output_tokens": 8000,
        "text": { "format": { "type": "json_schema", "name": "answer", "schema": lowered, "strict": true } },
    });
    assert_eq!(body, expected);
    assert_eq!(told, ["the answer: the server does not enforce /properties/a: minLength 2"]);

    let (body, told) = sent(spec(Dialect::Anthropic, "claude-haiku-4-5"), &with_schema()).await;
    let expected = json!({
        "model": "claude-haiku-4-5",
        "max_tokens": 8000,
        "stream": true,
        "system": "Be brief.",
        "messages": [{ "role": "user", "content": [{ "type": "text", "text": "What is it?" }] }],
        "output_config": { "format": { "type": "json_schema", "schema": lowered } },
    });
    assert_eq!(body, expected);
    assert_eq!(told, ["the answer: the server does not enforce /properties/a: minLength 2"]);

    let (body, told) = sent(spec(Dialect::Gemini, "gemini-2.5-flash"), &with_schema()).await;
    assert_eq!(told, Vec::<String>::new());
    let expected = json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [{ "role": "user", "parts": [{ "text": "What is it?" }] }],
        "generationConfig": {
            "maxOutputTokens": 8000,
            "responseMimeType": "application/json",
            "responseSchema": {
                "type": "object",
                "properties": { "a": { "type": "string", "minLength": 2 } },
                "required": ["a"],
                "propertyOrdering": ["a"],
            },
        },
    });
    assert_eq!(body, expected);
}

#[tokio::test]
async fn a_model_that_cannot_be_told_of_a_shape_is_shown_it() {
    let shown =
        format!("Be brief.\n\nAnswer with JSON that fits this JSON Schema, and with nothing else:\n{}", schema());
    let told_of = "the answer: the server does not enforce the schema; the model is shown it";
    let (body, told) = sent(spec(Dialect::Anthropic, "nobody-knows-it"), &with_schema()).await;
    assert_eq!((&body["system"], &body["output_config"], told), (&json!(shown), &Json::Null, vec![told_of.to_owned()]));
    let text = Remote { structured: Some(Structured::Text), ..spec(Dialect::Gemini, "gemini-3-pro") };
    let (body, told) = sent(text, &with_schema()).await;
    assert_eq!(body["systemInstruction"]["parts"][0]["text"], shown.as_str());
    assert_eq!((&body["generationConfig"], told), (&json!({ "maxOutputTokens": 8000 }), vec![told_of.to_owned()]));
    let object = Remote { structured: Some(Structured::JsonObject), ..spec(Dialect::OpenAiResponses, "gpt-5") };
    let (body, _) = sent(object, &with_schema()).await;
    assert_eq!((&body["text"]["format"], &body["instructions"]), (&json!({ "type": "json_object" }), &json!(shown)));
}

#[tokio::test]
async fn what_a_model_does_not_take_is_left_out_and_told() {
    let eager = |dialect, model| Remote { temperature: Some(0.5), effort: Some(Effort::High), ..spec(dialect, model) };
    for (dialect, model, pointer, value, lines) in [
        (Dialect::OpenAiChat, "gpt-5-nano", "/reasoning_effort", json!("high"), 1),
        (Dialect::OpenAiChat, "qwen3", "/temperature", json!(0.5), 1),
        (Dialect::OpenAiResponses, "gpt-5.6", "/reasoning", json!({ "effort": "high" }), 1),
        (Dialect::OpenAiResponses, "gpt-4.1-nano", "/temperature", json!(0.5), 1),
        (Dialect::OpenAiResponses, "nobody-knows-it", "/reasoning", Json::Null, 2),
        (Dialect::Anthropic, "claude-opus-4-8", "/thinking", json!({ "type": "adaptive" }), 1),
        (Dialect::Anthropic, "claude-opus-4-8", "/output_config", json!({ "effort": "high" }), 1),
        (Dialect::Anthropic, "claude-haiku-4-5", "/thinking", json!({ "type": "enabled", "budget_tokens": 4000 }), 1),
        (Dialect::Anthropic, "nobody-knows-it", "/thinking", Json::Null, 2),
        (
            Dialect::Gemini,
            "gemini-3-pro-preview",
            "/generationConfig/thinkingConfig",
            json!({ "thinkingLevel": "high" }),
            0,
        ),
        (
            Dialect::Gemini,
            "gemini-2.5-flash",
            "/generationConfig/thinkingConfig",
            json!({ "thinkingBudget": 24576 }),
            0,
        ),
        (Dialect::Gemini, "gemini-2.5-flash", "/generationConfig/temperature", json!(0.5), 0),
    ] {
        let (body, told) = sent(eager(dialect, model), &request()).await;
        assert_eq!(body.pointer(pointer).unwrap_or(&Json::Null), &value, "{model} {pointer}");
        assert_eq!(told.len(), lines, "{model}: {told:?}");
        // What was asked for is in the body or in what is told of it.
        let temperature = body.get("temperature").is_some() || body.pointer("/generationConfig/temperature").is_some();
        assert_ne!(
            temperature,
            told.iter().any(|line| line.starts_with("`temperature: 0.5` was left out")),
            "{told:?}"
        );
    }
    let (_, told) = sent(eager(Dialect::Anthropic, "nobody-knows-it"), &request()).await;
    assert_eq!(
        told,
        [
            "`effort: high` was left out: `nobody-knows-it` takes no effort, as far as is known",
            "`temperature: 0.5` was left out: `nobody-knows-it` takes none, as far as is known",
        ]
    );
    // The project's word goes before the table.
    let known = Remote { temperature: Some(0.5), sampling: Some(true), ..spec(Dialect::Anthropic, "nobody-knows-it") };
    let (body, told) = sent(known, &request()).await;
    assert_eq!((&body["temperature"], told.len()), (&json!(0.5), 0));
    let like = Remote { like: Some("claude-opus-4-8".into()), ..eager(Dialect::Anthropic, "my-own-name") };
    let (body, told) = sent(like, &request()).await;
    assert_eq!((&body["model"], &body["output_config"]), (&json!("my-own-name"), &json!({ "effort": "high" })));
    assert_eq!(told, ["`temperature: 0.5` was left out: `my-own-name` takes none, as far as is known"]);
    let none = Remote { temperature: Some(0.5), effort: Some(Effort::None), ..spec(Dialect::OpenAiChat, "gpt-5.1") };
    let (body, told) = sent(none, &request()).await;
    assert_eq!((&body["temperature"], &body["reasoning_effort"], told.len()), (&json!(0.5), &json!("none"), 0));
    let small = Remote { max_tokens: 900, effort: Some(Effort::Low), ..spec(Dialect::Anthropic, "claude-haiku-4-5") };
    let (body, told) = sent(small, &request()).await;
    assert_eq!(body["thinking"], Json::Null);
    assert_eq!(told, ["`effort: low` was left out: of `max_tokens: 900` too little is left to think"]);
}

#[tokio::test]
async fn what_a_server_rejects_is_left_out_and_told() {
    let (body, told) = sent(spec(Dialect::OpenAiChat, "mistral-large-latest"), &request()).await;
    assert_eq!((&body["stream_options"], &body["max_tokens"]), (&Json::Null, &json!(8000)));
    assert_eq!(told, ["`stream_options` was left out: `mistral-large-latest` rejects it, as far as is known"]);
    let own = Remote { rejects: vec!["store".into()], ..spec(Dialect::OpenAiResponses, "own") };
    let (body, told) = sent(own, &request()).await;
    assert_eq!(body["store"], Json::Null);
    assert_eq!(told, ["`store` was left out: `own` rejects it, as far as is known"]);
}

#[tokio::test]
async fn edges_are_points_that_one_dialect_can_keep() {
    let layers = ModelRequest { system: "House rules.\n\nThe stage.".to_owned(), edges: vec![12, 24], ..request() };
    let (body, _) = sent(spec(Dialect::Anthropic, "claude-haiku-4-5"), &layers).await;
    let kept = json!({ "type": "ephemeral" });
    let expected = json!([
        { "type": "text", "text": "House rules.", "cache_control": kept },
        { "type": "text", "text": "\n\nThe stage.", "cache_control": kept },
    ]);
    assert_eq!(body["system"], expected);
    for dialect in [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Gemini] {
        let (body, told) = sent(spec(dialect, "m"), &layers).await;
        assert!(
            body.to_string().contains(r"House rules.\n\nThe stage.") && !body.to_string().contains("ephemeral"),
            "{body}"
        );
        assert!(told.is_empty(), "{told:?}");
    }
}
