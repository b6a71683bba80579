//! Why models end, in each dialect: every word of the tables, and one that nobody knows.

use super::*;

/// An answer with this word for its end.
fn ended(dialect: Dialect, word: &str) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(match dialect {
        Dialect::OpenAiChat => json!({ "choices": [{ "message": { "content": "so far" }, "finish_reason": word }] }),
        Dialect::OpenAiResponses => {
            let output = json!([{ "type": "message", "content": [{ "type": "output_text", "text": "so far" }] }]);
            match word.strip_prefix("incomplete: ") {
                Some(reason) => {
                    json!({ "status": "incomplete", "incomplete_details": { "reason": reason }, "output": output })
                }
                None => json!({ "status": word, "incomplete_details": null, "output": output }),
            }
        }
        Dialect::Anthropic => json!({ "content": [{ "type": "text", "text": "so far" }], "stop_reason": word }),
        Dialect::Gemini => {
            json!({ "candidates": [{ "content": { "parts": [{ "text": "so far" }] }, "finishReason": word }] })
        }
    })
}

#[tokio::test]
async fn every_reason_has_its_meaning_and_an_unknown_one_is_no_success() {
    use FailureKind::{
        ContextOverflow, ContractViolated, InvalidOutput, ProviderError, ProviderOverloaded, Refused, Truncated,
    };
    type Words = &'static [(&'static str, Option<FailureKind>)];
    let table: [(Dialect, Words); 4] = [
        (
            Dialect::OpenAiChat,
            &[
                ("stop", None),
                ("end_turn", None),
                ("tool_calls", None),
                ("length", Some(Truncated)),
                ("content_filter", Some(Refused)),
                ("insufficient_system_resource", Some(ProviderOverloaded)),
                ("error", Some(ProviderError)),
                ("weather", Some(ContractViolated)),
            ],
        ),
        (
            Dialect::OpenAiResponses,
            &[
                ("completed", None),
                ("incomplete: max_output_tokens", Some(Truncated)),
                ("incomplete: content_filter", Some(Refused)),
                ("incomplete: weather", Some(ContractViolated)),
                ("incomplete", Some(ContractViolated)),
                ("queued", Some(ContractViolated)),
                ("cancelled", Some(ProviderError)),
            ],
        ),
        (
            Dialect::Anthropic,
            &[
                ("end_turn", None),
                ("stop_sequence", None),
                ("tool_use", None),
                ("max_tokens", Some(Truncated)),
                ("refusal", Some(Refused)),
                ("model_context_window_exceeded", Some(ContextOverflow)),
                ("pause_turn", Some(ContractViolated)),
                ("weather", Some(ContractViolated)),
            ],
        ),
        (
            Dialect::Gemini,
            &[
                ("STOP", None),
                ("MAX_TOKENS", Some(Truncated)),
                ("SAFETY", Some(Refused)),
                ("RECITATION", Some(Refused)),
                ("PROHIBITED_CONTENT", Some(Refused)),
                ("MALFORMED_FUNCTION_CALL", Some(InvalidOutput)),
                ("OTHER", Some(ProviderError)),
                ("WEATHER", Some(ContractViolated)),
            ],
        ),
    ];
    let server = Server::start().await;
    for (dialect, words) in table {
        for (word, kind) in words {
            let reply = server.ask(spec(dialect, "m"), &request(), ended(dialect, word)).await;
            let found = reply.answer.as_ref().err().map(|failure| failure.kind);
            assert_eq!(found, *kind, "{} {word}: {reply:?}", dialect.as_str());
            let said = word.strip_prefix("incomplete: ").unwrap_or(word);
            assert_eq!(reply.said.stop.as_deref(), Some(said), "{}", dialect.as_str());
        }
        // Nothing says that it ended.
        let silent = match dialect {
            Dialect::OpenAiResponses => json!({ "output": [{ "type": "message", "content": [] }] }),
            Dialect::OpenAiChat => json!({ "choices": [{ "message": { "content": "so far" } }] }),
            Dialect::Anthropic => json!({ "content": [{ "type": "text", "text": "so far" }] }),
            Dialect::Gemini => json!({ "candidates": [{ "content": { "parts": [{ "text": "so far" }] } }] }),
        };
        let reply = server.ask(spec(dialect, "m"), &request(), ResponseTemplate::new(200).set_body_json(silent)).await;
        assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent), "{}", dialect.as_str());
    }
}

#[tokio::test]
async fn a_question_that_is_refused_as_a_whole_is_refused() {
    let server = Server::start().await;
    let blocked = json!({ "promptFeedback": { "blockReason": "PROHIBITED_CONTENT" }, "usageMetadata": { "promptTokenCount": 9, "totalTokenCount": 9 } });
    for body in [blocked.to_string(), format!("data: {blocked}\n\n")] {
        let reply =
            server.ask(spec(Dialect::Gemini, "m"), &request(), ResponseTemplate::new(200).set_body_string(body)).await;
        assert_eq!(told(&reply), (FailureKind::Refused, Phase::Answered));
        assert_eq!((reply.usage.input, reply.said.stop.as_deref()), (9, Some("PROHIBITED_CONTENT")));
    }
    let refusal = json!({ "status": "completed", "output": [
        { "type": "message", "content": [{ "type": "refusal", "refusal": "I will not" }] },
    ] });
    let reply = server
        .ask(spec(Dialect::OpenAiResponses, "m"), &request(), ResponseTemplate::new(200).set_body_json(refusal))
        .await;
    assert_eq!(told(&reply), (FailureKind::Refused, Phase::Answered));
}

#[tokio::test]
async fn an_error_says_how_long_to_wait_wherever_it_says_it() {
    let server = Server::start().await;
    let limited = |body: Json| ResponseTemplate::new(429).set_body_json(body);
    let google = json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED", "message": "…", "details": [
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.4s" },
    ] } });
    let anthropic =
        json!({ "type": "error", "error": { "type": "rate_limit_error", "message": "…" }, "request_id": "req_1" });
    let dated = |response: ResponseTemplate| response.insert_header("date", "Wed, 21 Oct 2026 07:28:00 GMT");
    for (dialect, response, wait) in [
        (Dialect::Gemini, limited(google.clone()), Some("34400ms")),
        (Dialect::Gemini, limited(json!([google])), Some("34400ms")),
        (Dialect::Anthropic, limited(anthropic.clone()).insert_header("retry-after", "12"), Some("12s")),
        (
            Dialect::Anthropic,
            dated(limited(anthropic.clone()).insert_header("anthropic-ratelimit-tokens-reset", "2026-10-21T07:29:10Z")),
            Some("70s"),
        ),
        (Dialect::Anthropic, limited(anthropic), None),
        (
            Dialect::OpenAiResponses,
            limited(json!({ "error": { "code": "rate_limit_exceeded" } }))
                .insert_header("x-ratelimit-reset-requests", "6m1s"),
            Some("361s"),
        ),
    ] {
        let reply = server.ask(spec(dialect, "m"), &request(), response).await;
        assert_eq!(told(&reply), (FailureKind::ProviderRateLimited, Phase::Answered), "{}", dialect.as_str());
        let found = reply.answer.unwrap_err().retry_after.map(|span| span.to_string());
        assert_eq!(found.as_deref(), wait, "{}", dialect.as_str());
    }
    let overloaded = ResponseTemplate::new(529)
        .set_body_json(json!({ "type": "error", "error": { "type": "overloaded_error", "message": "Overloaded" } }))
        .insert_header("request-id", "req_2");
    let reply = server.ask(spec(Dialect::Anthropic, "m"), &request(), overloaded).await;
    assert_eq!(told(&reply), (FailureKind::ProviderOverloaded, Phase::Answered));
    assert_eq!(reply.said.request_id.as_deref(), Some("req_2"));
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_typed() {
    let server = Server::start().await;
    let begun = json!({ "type": "message_start", "message": { "content": [], "usage": { "input_tokens": 7 } } });
    for (dialect, events, kind) in [
        (
            Dialect::Anthropic,
            vec![begun, json!({ "type": "error", "error": { "type": "overloaded_error", "message": "…" } })],
            FailureKind::ProviderOverloaded,
        ),
        (
            Dialect::OpenAiResponses,
            vec![json!({ "type": "error", "code": "rate_limit_exceeded", "message": "try again in 2s" })],
            FailureKind::ProviderRateLimited,
        ),
        (
            Dialect::OpenAiResponses,
            vec![
                json!({ "type": "response.failed", "response": { "status": "failed", "error": { "code": "server_error" } } }),
            ],
            FailureKind::ProviderError,
        ),
        (
            Dialect::Gemini,
            vec![
                json!({ "candidates": [{ "content": { "parts": [{ "text": "so far" }] } }] }),
                json!({ "error": { "code": 503, "status": "UNAVAILABLE", "message": "…" } }),
            ],
            FailureKind::ProviderOverloaded,
        ),
    ] {
        let body: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
        let reply = server.ask(spec(dialect, "m"), &request(), ResponseTemplate::new(200).set_body_string(body)).await;
        assert_eq!(told(&reply).0, kind, "{} {reply:?}", dialect.as_str());
        assert_eq!(reply.usage.input, if dialect == Dialect::Anthropic { 7 } else { 0 });
    }
}

#[tokio::test]
async fn the_key_is_nowhere_in_what_comes_back() {
    let server = Server::start().await;
    for dialect in Dialect::ALL {
        for response in [
            whole(dialect, &format!("your key is {KEY}")),
            ResponseTemplate::new(401).set_body_json(json!({ "error": { "message": KEY, "code": KEY, "type": KEY } })),
            ResponseTemplate::new(200).set_body_string(format!("<html>{KEY}")).insert_header("x-request-id", KEY),
        ] {
            let reply = server.ask(spec(dialect, "m"), &request(), response).await;
            let raw = String::from_utf8(reply.raw.as_deref().unwrap().to_vec()).unwrap();
            assert!(!raw.contains(KEY) && !format!("{reply:?}").contains(KEY), "{} {reply:?}", dialect.as_str());
        }
    }
}
