//! Offers, what a model proposes, and the turns that follow: in each dialect.

use kernel::context::{Proposed, Returned, Turn};

use super::*;

fn weather() -> Json {
    json!({ "type": "object", "properties": { "city": { "type": "string" }, "unit": { "type": "string" } }, "required": ["city"], "additionalProperties": false })
}

fn offering(turns: Vec<Turn>) -> ModelRequest {
    let offers = [
        offer("weather", weather()),
        offer("finish", json!({ "type": "object", "properties": {}, "additionalProperties": false })),
    ];
    ModelRequest { offers: offers.into(), turns, ..request() }
}

/// One answer in words that proposes two uses, the second with arguments that are none.
fn proposing(dialect: Dialect) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(match dialect {
        Dialect::OpenAiChat => json!({ "model": "big-1", "choices": [{ "finish_reason": "tool_calls", "message": {
            "content": "I look.",
            "tool_calls": [
                { "id": "c1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Rome\",\"unit\":null}" } },
                { "type": "function", "function": { "name": "other", "arguments": "{\"city" } },
            ],
        } }] }),
        Dialect::OpenAiResponses => json!({ "model": "big-1", "status": "completed", "output": [
            { "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed" },
            { "type": "message", "id": "m_1", "role": "assistant", "content": [{ "type": "output_text", "text": "I look." }] },
            { "type": "function_call", "id": "f_1", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Rome\",\"unit\":null}" },
            { "type": "function_call", "id": "f_2", "call_id": "", "name": "other", "arguments": "{\"city" },
        ] }),
        Dialect::Anthropic => json!({ "model": "big-1", "stop_reason": "tool_use", "content": [
            { "type": "thinking", "thinking": "Rome.", "signature": "sealed" },
            { "type": "text", "text": "I look." },
            { "type": "tool_use", "id": "c1", "name": "weather", "input": { "city": "Rome" } },
            { "type": "tool_use", "id": "", "name": "other", "input": "{\"city" },
        ] }),
        Dialect::Gemini => json!({ "modelVersion": "big-1", "candidates": [{ "finishReason": "STOP", "content": { "role": "model", "parts": [
            { "text": "Rome.", "thought": true },
            { "text": "I look." },
            { "functionCall": { "id": "c1", "name": "weather", "args": { "city": "Rome" } }, "thoughtSignature": "sealed" },
            { "functionCall": { "name": "other", "args": "{\"city" } },
        ] } }] }),
    })
}

#[tokio::test]
async fn what_a_model_proposes_comes_back_in_its_order_and_is_not_judged() {
    for dialect in Dialect::ALL {
        let server = Server::start().await;
        let reply = server.ask(spec(dialect, "m"), &offering(vec![]), proposing(dialect)).await;
        assert_eq!(reply.answer, Ok("I look.".into()), "{}", dialect.as_str());
        let proposed = |id: &str, name: &str, arguments| Proposed { id: id.into(), name: name.into(), arguments };
        // A null that stands for what was left out is taken out again; what is no JSON stays a text.
        let expected = [
            proposed("c1", "weather", Value::map([("city", Value::text("Rome"))])),
            proposed("call_2", "other", Value::text("{\"city")),
        ];
        assert_eq!(reply.proposed, expected, "{}", dialect.as_str());
        assert_eq!(reply.said.model.as_deref(), Some("big-1"));
        let echo = reply.said.echo.map(|echo| echo.to_json());
        assert_eq!(
            echo.is_some_and(|echo| echo.contains("sealed")),
            dialect != Dialect::OpenAiChat,
            "{}",
            dialect.as_str()
        );
    }
}

#[tokio::test]
async fn without_offers_a_call_is_no_answer() {
    for dialect in Dialect::ALL {
        let server = Server::start().await;
        let calls = match dialect {
            Dialect::OpenAiChat => json!({ "choices": [{ "finish_reason": "tool_calls", "message": {
                "tool_calls": [{ "id": "c", "function": { "name": "x", "arguments": "{}" } }] } }] }),
            Dialect::OpenAiResponses => json!({ "status": "completed", "output": [
                { "type": "function_call", "call_id": "c", "name": "x", "arguments": "{}" }] }),
            Dialect::Anthropic => json!({ "stop_reason": "tool_use", "content": [
                { "type": "tool_use", "id": "c", "name": "x", "input": {} }] }),
            Dialect::Gemini => json!({ "candidates": [{ "finishReason": "STOP", "content": { "parts": [
                { "functionCall": { "name": "x" } }] } }] }),
        };
        let reply = server.ask(spec(dialect, "m"), &request(), ResponseTemplate::new(200).set_body_json(calls)).await;
        assert_eq!(told(&reply), (FailureKind::InvalidOutput, Phase::Answered), "{}", dialect.as_str());
        assert!(reply.proposed.is_empty());
    }
}

/// The body that is sent, and what is told of it.
async fn sent(spec: Remote, request: &ModelRequest) -> (Json, Vec<String>) {
    let server = Server::start().await;
    let dialect = spec.dialect;
    let reply = server.ask(spec, request, whole(dialect, "fine")).await;
    assert_eq!(reply.answer, Ok("fine".into()));
    let body = serde_json::from_slice(&server.seen().await.body).unwrap();
    (body, reply.said.adaptations.iter().map(ToString::to_string).collect())
}

#[tokio::test]
async fn offers_become_tools_and_are_forced_where_that_is_known_to_work() {
    for (dialect, model, tools, choice, forced) in [
        (Dialect::OpenAiChat, "gpt-4.1", "/tools/0/function", "/tool_choice", json!("required")),
        (Dialect::OpenAiResponses, "gpt-4.1", "/tools/0", "/tool_choice", json!("required")),
        (Dialect::Anthropic, "claude-haiku-4-5", "/tools/0", "/tool_choice/type", json!("any")),
        (
            Dialect::Gemini,
            "gemini-3-pro",
            "/tools/0/functionDeclarations/0",
            "/toolConfig/functionCallingConfig/mode",
            json!("ANY"),
        ),
    ] {
        let (body, told) = sent(spec(dialect, model), &offering(vec![])).await;
        let tool = body.pointer(tools).unwrap();
        assert_eq!((&tool["name"], &tool["description"]), (&json!("weather"), &json!("Does weather.")), "{model}");
        let params =
            ["parameters", "input_schema", "parametersJsonSchema"].iter().find_map(|key| tool.get(*key)).unwrap();
        assert_eq!(params["properties"]["city"]["type"], "string", "{model}");
        assert_eq!(body.pointer(choice), Some(&forced), "{model}");
        assert!(!told.iter().any(|line| line.contains("free")), "{told:?}");
        let (body, told) = sent(spec(dialect, "nobody-knows-it"), &offering(vec![])).await;
        let auto = body.pointer(choice).unwrap().as_str().unwrap().to_lowercase();
        assert_eq!(auto, "auto", "{model}");
        assert!(
            told.contains(
                &"it is free to use a tool or none: `nobody-knows-it` cannot be forced, as far as is known".to_owned()
            ),
            "{told:?}"
        );
        let known = Remote { force_tool: Some(true), ..spec(dialect, "nobody-knows-it") };
        let (body, _) = sent(known, &offering(vec![])).await;
        assert_eq!(body.pointer(choice), Some(&forced), "{model}");
    }
    let thinking =
        Remote { effort: Some(gateway::model::remote::Effort::Low), ..spec(Dialect::Anthropic, "claude-opus-4-8") };
    let (body, told) = sent(thinking, &offering(vec![])).await;
    assert_eq!(body["tool_choice"], json!({ "type": "auto" }));
    assert_eq!(
        told,
        ["it is free to use a tool or none: `claude-opus-4-8` cannot be forced while it thinks, as far as is known"]
    );
}

/// What followed the ask: two proposals and what came of them, and a word of ours.
async fn turns(dialect: Dialect) -> Vec<Turn> {
    let server = Server::start().await;
    let reply = server.ask(spec(dialect, "m"), &offering(vec![]), proposing(dialect)).await;
    let returned = |id: &str, name: &str, text: &str, failed| Returned {
        id: id.into(),
        name: name.into(),
        text: text.into(),
        failed,
    };
    vec![
        Turn::Said { model: "small".into(), text: "I look.".into(), proposed: reply.proposed, echo: reply.said.echo },
        Turn::Returned(vec![
            returned("c1", "weather", "18 °C", false),
            returned("call_2", "other", "there is no `other`", true),
        ]),
        Turn::Told("Go on.".into()),
    ]
}

#[tokio::test]
async fn turns_are_told_in_each_dialects_words_and_what_was_thought_goes_back_as_it_came() {
    let (body, _) = sent(spec(Dialect::OpenAiChat, "m"), &offering(turns(Dialect::OpenAiChat).await)).await;
    assert_eq!(
        body["messages"].as_array().unwrap()[2..],
        [
            json!({ "role": "assistant", "content": "I look.", "tool_calls": [
            { "id": "c1", "type": "function", "function": { "name": "weather", "arguments": "{\"city\":\"Rome\",\"unit\":null}" } },
            { "id": "call_2", "type": "function", "function": { "name": "other", "arguments": "{\"city" } },
        ] }),
            json!({ "role": "tool", "tool_call_id": "c1", "content": "18 °C" }),
            json!({ "role": "tool", "tool_call_id": "call_2", "content": "there is no `other`" }),
            json!({ "role": "user", "content": "Go on." }),
        ]
    );

    let (body, told) = sent(spec(Dialect::Anthropic, "m"), &offering(turns(Dialect::Anthropic).await)).await;
    assert_eq!(
        body["messages"].as_array().unwrap()[1..],
        [
            json!({ "role": "assistant", "content": [
            { "type": "thinking", "thinking": "Rome.", "signature": "sealed" },
            { "type": "text", "text": "I look." },
            { "type": "tool_use", "id": "c1", "name": "weather", "input": { "city": "Rome" } },
            { "type": "tool_use", "id": "call_2", "name": "other", "input": { "unreadable": "{\"city" } },
        ] }),
            json!({ "role": "user", "content": [
            { "type": "tool_result", "tool_use_id": "c1", "content": "18 °C" },
            { "type": "tool_result", "tool_use_id": "call_2", "content": "there is no `other`", "is_error": true },
            { "type": "text", "text": "Go on." },
        ] }),
        ]
    );
    assert!(!told.iter().any(|line| line.contains("see again")), "{told:?}");

    let (body, _) = sent(spec(Dialect::OpenAiResponses, "m"), &offering(turns(Dialect::OpenAiResponses).await)).await;
    assert_eq!(
        body["input"].as_array().unwrap()[1..],
        [
            json!({ "type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed" }),
            json!({ "type": "message", "id": "m_1", "role": "assistant", "content": [{ "type": "output_text", "text": "I look." }] }),
            json!({ "type": "function_call", "id": "f_1", "call_id": "c1", "name": "weather", "arguments": "{\"city\":\"Rome\",\"unit\":null}" }),
            json!({ "type": "function_call", "id": "f_2", "call_id": "call_2", "name": "other", "arguments": "{\"city" }),
            json!({ "type": "function_call_output", "call_id": "c1", "output": "18 °C" }),
            json!({ "type": "function_call_output", "call_id": "call_2", "output": "there is no `other`" }),
            json!({ "role": "user", "content": "Go on." }),
        ]
    );

    let (body, _) = sent(spec(Dialect::Gemini, "m"), &offering(turns(Dialect::Gemini).await)).await;
    assert_eq!(
        body["contents"].as_array().unwrap()[1..],
        [
            json!({ "role": "model", "parts": [
            { "text": "Rome.", "thought": true },
            { "text": "I look." },
            { "functionCall": { "name": "weather", "args": { "city": "Rome" }, "id": "c1" }, "thoughtSignature": "sealed" },
            { "functionCall": { "name": "other", "args": { "unreadable": "{\"city" } } },
        ] }),
            json!({ "role": "user", "parts": [
            { "functionResponse": { "id": "c1", "name": "weather", "response": { "output": "18 °C" } } },
            { "functionResponse": { "name": "other", "response": { "error": "there is no `other`" } } },
            { "text": "Go on." },
        ] }),
        ]
    );
}

#[tokio::test]
async fn what_was_thought_goes_to_the_same_model_only_and_only_with_the_same_proposals() {
    for dialect in [Dialect::Anthropic, Dialect::OpenAiResponses, Dialect::Gemini] {
        let whole = turns(dialect).await;
        let change = |with: &dyn Fn(&mut Arc<str>, &mut Vec<Proposed>)| {
            let mut turns = whole.clone();
            let Turn::Said { model, proposed, .. } = &mut turns[0] else { panic!("{turns:?}") };
            with(model, proposed);
            turns
        };
        let other = change(&|model, _| *model = "strong".into());
        let (body, told) = sent(spec(dialect, "m"), &offering(other)).await;
        assert!(!body.to_string().contains("sealed") && body.to_string().contains("I look."), "{body}");
        assert!(!told.iter().any(|line| line.contains("see again")), "{told:?}");
        let (body, _) = sent(spec(dialect, "m-2"), &offering(whole.clone())).await;
        assert!(!body.to_string().contains("sealed"), "another model has this name today: {body}");
        let fewer = change(&|_, proposed| proposed.truncate(1));
        let (body, told) = sent(spec(dialect, "m"), &offering(fewer)).await;
        assert!(!body.to_string().contains("sealed"), "{body}");
        assert!(
            told.contains(&"what the provider asked to see again was left out: the uses of tools differ".to_owned()),
            "{told:?}"
        );
    }
}

#[tokio::test]
async fn a_call_of_another_model_has_a_word_in_the_place_of_its_signature() {
    let mut turns = turns(Dialect::Gemini).await;
    let Turn::Said { model, .. } = &mut turns[0] else { panic!("{turns:?}") };
    *model = "strong".into();
    for (model, word) in
        [("gemini-3-pro-preview", json!("skip_thought_signature_validator")), ("gemini-2.5-pro", Json::Null)]
    {
        let (body, _) = sent(spec(Dialect::Gemini, model), &offering(turns.clone())).await;
        let parts = &body["contents"][1]["parts"];
        assert_eq!((&parts[0], &parts[1]["thoughtSignature"]), (&json!({ "text": "I look." }), &word), "{body}");
        assert_eq!(parts[2]["thoughtSignature"], Json::Null);
    }
}

#[tokio::test]
async fn a_name_that_we_give_is_given_once_in_a_conversation() {
    let server = Server::start().await;
    let earlier = Turn::Said {
        model: "small".into(),
        text: "".into(),
        proposed: vec![Proposed { id: "call_1".into(), name: "weather".into(), arguments: Value::Null }],
        echo: None,
    };
    let parts = json!({ "candidates": [{ "finishReason": "STOP", "content": { "parts": [{ "functionCall": { "name": "weather" } }] } }] });
    let response = ResponseTemplate::new(200).set_body_json(parts);
    let reply = server.ask(spec(Dialect::Gemini, "m"), &offering(vec![earlier]), response).await;
    assert_eq!(&*reply.proposed[0].id, "call_2");
}
