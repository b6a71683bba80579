//! The same answers in the forms of four servers, whole and as streams.

use super::*;

/// Where each dialect is asked, with a body that asks for the schema and offers `kb_search`.
fn asks(stream: bool) -> [(&'static str, Value); 4] {
    let schema = triage();
    let params = json!({ "type": "object", "properties": { "words": { "type": "string" } } });
    let gemini = if stream { ":streamGenerateContent?alt=sse" } else { ":generateContent" };
    let chat = json!({
        "model": "m", "stream": stream, "stream_options": { "include_usage": true },
        "messages": [{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "My invoice" }],
        "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": schema } },
        "tools": [{ "type": "function", "function": { "name": "kb_search", "parameters": params } }],
    });
    let responses = json!({
        "model": "m", "stream": stream, "instructions": "Be brief.",
        "input": [{ "role": "user", "content": [{ "type": "input_text", "text": "My invoice" }] }],
        "text": { "format": { "type": "json_schema", "name": "a", "schema": schema } },
        "tools": [{ "type": "function", "name": "kb_search", "parameters": params }],
    });
    let messages = json!({
        "model": "m", "stream": stream, "max_tokens": 100, "system": [{ "type": "text", "text": "Be brief." }],
        "messages": [{ "role": "user", "content": "My invoice" }],
        "output_config": { "format": { "type": "json_schema", "schema": schema } },
        "tools": [{ "name": "kb_search", "input_schema": params }],
    });
    let generate = json!({
        "systemInstruction": { "parts": [{ "text": "Be brief." }] },
        "contents": [{ "role": "user", "parts": [{ "text": "My invoice" }] }],
        "generationConfig": { "responseMimeType": "application/json", "responseJsonSchema": schema },
        "tools": [{ "functionDeclarations": [{ "name": "kb_search", "parametersJsonSchema": params }] }],
    });
    let path =
        if stream { "/v1beta/models/m:streamGenerateContent?alt=sse" } else { "/v1beta/models/m:generateContent" };
    assert!(path.ends_with(gemini));
    [("/v1/chat/completions", chat), ("/v1/responses", responses), ("/v1/messages", messages), (path, generate)]
}

impl World {
    async fn dialect(&self, path: &str, body: &Value) -> (u16, String) {
        let url = self.url.replace("/v1", path);
        let sent = self.client.post(url).body(body.to_string()).send().await.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    }
}

/// The events of a stream, by their data.
fn data(stream: &str) -> Vec<Value> {
    let lines = stream.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.filter(|line| *line != "[DONE]").map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where each dialect keeps the words of a whole answer.
const WORDS: [&str; 4] =
    ["/choices/0/message/content", "/output/0/content/0/text", "/content/0/text", "/candidates/0/content/parts/0/text"];

#[tokio::test]
async fn one_answer_is_said_in_every_dialect() {
    let world = World::scripted(json!([{ "when": "invoice", "answer": { "kind": "billing" } }])).await;
    for ((path, body), words) in asks(false).into_iter().zip(WORDS) {
        let (status, said) = world.dialect(path, &body).await;
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((status, said.pointer(words)), (200, Some(&json!("{\"kind\":\"billing\"}"))), "{path}: {said}");
    }
    let deltas = ["/choices/0/delta/content", "/delta", "/delta/text", "/candidates/0/content/parts/0/text"];
    for ((path, body), delta) in asks(true).into_iter().zip(deltas) {
        let (status, said) = world.dialect(path, &body).await;
        let texts =
            data(&said).iter().filter_map(|data| data.pointer(delta)?.as_str().map(str::to_owned)).collect::<String>();
        assert_eq!((status, texts.as_str()), (200, "{\"kind\":\"billing\"}"), "{path}: {said}");
    }
    let ends: Vec<String> = world.calls().into_iter().map(|call| call.said).collect();
    assert_eq!(ends, vec!["{\"kind\":\"billing\"}"; 8]);
}

#[tokio::test]
async fn what_is_offered_is_proposed_in_every_dialect() {
    let proposal = json!({ "name": "kb_search", "arguments": { "words": "invoice" } });
    let world = World::scripted(json!([{ "propose": [proposal, proposal] }])).await;
    let names = [
        ("/choices/0/message/tool_calls/1/function/name", "/choices/0/message/tool_calls/1/function/arguments"),
        ("/output/1/name", "/output/1/arguments"),
        ("/content/1/name", "/content/1/input"),
        ("/candidates/0/content/parts/1/functionCall/name", "/candidates/0/content/parts/1/functionCall/args"),
    ];
    for ((path, body), (name, arguments)) in asks(false).into_iter().zip(names) {
        let said: Value = serde_json::from_str(&world.dialect(path, &body).await.1).unwrap();
        let arguments = match said.pointer(arguments).unwrap() {
            Value::String(text) => serde_json::from_str(text).unwrap(),
            other => other.clone(),
        };
        assert_eq!(
            (said.pointer(name), arguments),
            (Some(&json!("kb_search")), json!({ "words": "invoice" })),
            "{path}"
        );
    }
    for (path, body) in asks(true) {
        let (_, said) = world.dialect(path, &body).await;
        assert!(said.matches("\"kb_search\"").count() >= 2, "{path}: {said}");
    }
}

#[tokio::test]
async fn what_goes_wrong_is_said_in_every_dialect() {
    let kinds = ["/error/type", "/error/type", "/error/type", "/error/status"];
    let table = [
        (
            "rate_limited",
            [429; 4],
            ["rate_limit_exceeded", "rate_limit_exceeded", "rate_limit_error", "RESOURCE_EXHAUSTED"],
        ),
        (
            "spend_limit",
            [429, 429, 402, 403],
            ["insufficient_quota", "insufficient_quota", "billing_error", "PERMISSION_DENIED"],
        ),
        (
            "overloaded",
            [529, 529, 529, 503],
            ["overloaded_error", "overloaded_error", "overloaded_error", "UNAVAILABLE"],
        ),
        ("server_error", [500; 4], ["server_error", "server_error", "api_error", "INTERNAL"]),
    ];
    for (fault, statuses, words) in table {
        let world = World::scripted(json!([{ "fault": fault }])).await;
        for (at, (path, body)) in asks(true).into_iter().enumerate() {
            let (status, said) = world.dialect(path, &body).await;
            let said: Value = serde_json::from_str(&said).unwrap();
            let kind = said.pointer(kinds[at]).and_then(Value::as_str);
            assert_eq!((status, kind), (statuses[at], Some(words[at])), "{fault} at {path}: {said}");
        }
    }
    let stops = [
        ("/choices/0/finish_reason", "length"),
        ("/incomplete_details/reason", "max_output_tokens"),
        ("/stop_reason", "max_tokens"),
        ("/candidates/0/finishReason", "MAX_TOKENS"),
    ];
    let world = World::scripted(json!([{ "fault": "length" }])).await;
    for ((path, body), (stop, word)) in asks(false).into_iter().zip(stops) {
        let said: Value = serde_json::from_str(&world.dialect(path, &body).await.1).unwrap();
        assert_eq!(said.pointer(stop), Some(&json!(word)), "{path}: {said}");
    }
}

#[tokio::test]
async fn what_no_dialect_asks_is_refused_in_its_own_words() {
    let world = World::new(Persona::Obedient(Obedient::new())).await;
    let (status, said) = world.dialect("/v1/messages", &json!({ "model": "m", "messages": [] })).await;
    assert_eq!(status, 400);
    assert!(said.contains("\"type\":\"error\"") && said.contains("max_tokens: Field required"), "{said}");
    let (status, said) = world.dialect("/v1beta/models/m:generateContent", &json!({ "contents": [] })).await;
    assert_eq!(status, 400);
    assert!(said.contains("INVALID_ARGUMENT") && said.contains("at least one"), "{said}");
    let (status, said) =
        world.dialect("/v1/responses", &json!({ "model": "m", "input": [{ "type": "riddle" }] })).await;
    assert_eq!(status, 400);
    assert!(said.contains("`input[0]` is no item that is known"), "{said}");
    assert_eq!(world.dialect("/v1beta/models/m:countTokens", &json!({})).await.0, 404);
}

#[tokio::test]
async fn a_harness_primes_each_turn_of_a_conversation() {
    let primed = Arc::new(Primed::default());
    let say = |answer: Value| Scripted { when: None, answer: Some(answer), propose: Vec::new(), fault: None };
    primed.prime("My invoice", 0, say(json!("first")));
    primed.prime("My invoice", 1, say(json!("second")));
    let persona = Persona::Primed { answers: primed, seed: 1, chances: BTreeMap::new() };
    let world = World::new(persona).await;
    let (_, chat) = &asks(false)[0];
    let mut turns = chat.clone();
    assert!(world.dialect("/v1/chat/completions", &turns).await.1.contains("first"));
    let more = [json!({ "role": "assistant", "content": "first" }), json!({ "role": "user", "content": "And?" })];
    turns["messages"].as_array_mut().unwrap().extend(more.clone());
    assert!(world.dialect("/v1/chat/completions", &turns).await.1.contains("second"));
    turns["messages"].as_array_mut().unwrap().extend(more);
    let (status, said) = world.dialect("/v1/chat/completions", &turns).await;
    assert_eq!(status, 400);
    assert!(said.contains("nobody primed turn 2 of what begins with `My invoice`"), "{said}");
}

#[tokio::test]
async fn what_another_run_had_is_answered_whatever_was_complained_about_between() {
    let (first, other) = (format!("run_{}", "a".repeat(32)), format!("run_{}", "b".repeat(32)));
    let primed = Arc::new(Primed::default());
    let propose = |name: &str, arguments: Value| Scripted {
        when: None,
        answer: None,
        propose: vec![Proposal { name: name.to_owned(), arguments }],
        fault: None,
    };
    let said = [propose("kb_search", json!({ "words": first })), propose("answer", json!({ "of": first }))];
    primed.record("m", &format!("My invoice of {first}"), said.to_vec());
    let persona = Persona::Primed { answers: primed, seed: 1, chances: BTreeMap::new() };
    let world = World::new(persona).await;
    let call = |arguments: &str| {
        let function = json!({ "name": "kb_search", "arguments": arguments });
        json!({ "role": "assistant", "tool_calls": [{ "id": "1", "type": "function", "function": function }] })
    };
    let user = |text: &str| json!({ "role": "user", "content": text });
    let ask = user(&format!("My invoice of {other}\n\nThe last answer was wrong."));
    let done = call(&json!({ "words": other }).to_string());
    let result = json!({ "role": "tool", "tool_call_id": "1", "content": "found" });
    let wanted = json!({ "name": "kb_search", "arguments": json!({ "words": other }).to_string() });
    let answer = json!({ "name": "answer", "arguments": json!({ "of": other }).to_string() });
    let turns = [
        (vec![ask.clone()], &wanted),
        (vec![ask.clone(), call("{}"), result.clone()], &wanted),
        (vec![ask.clone(), call("{}"), result.clone(), done, result], &answer),
    ];
    for (messages, wanted) in turns {
        let (_, said) = world.dialect("/v1/chat/completions", &json!({ "model": "m", "messages": messages })).await;
        let said: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(said.pointer("/choices/0/message/tool_calls/0/function"), Some(wanted), "{said}");
    }
    let (status, said) =
        world.dialect("/v1/chat/completions", &json!({ "model": "m", "messages": [user("Something else")] })).await;
    assert!(status == 400 && said.contains("nobody primed turn 0"), "{said}");
}
