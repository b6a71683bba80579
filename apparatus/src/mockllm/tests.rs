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
    values::Span,
};
use tempfile::TempDir;

use super::*;

mod dialects;
mod obedience;

struct World {
    http: HttpClient,
    client: reqwest::Client,
    url: String,
    directory: TempDir,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

impl World {
    async fn new(persona: Persona) -> World {
        World::again(tempfile::tempdir().unwrap(), persona).await
    }

    async fn scripted(script: Value) -> World {
        World::new(Persona::scripted(script.to_string().as_bytes()).unwrap()).await
    }

    async fn again(directory: TempDir, persona: Persona) -> World {
        let server = MockLlm::open(&directory.path().join("calls"), 0, persona).await.unwrap();
        let url = server.url();
        let (client, http) = (crate::http::client().unwrap(), HttpClient::new().unwrap());
        World { http, client, url, directory, serving: tokio::spawn(server.serve()) }
    }

    /// Asks as our gateway does.
    async fn ask(&self, user: &str, schema: Option<&Value>, structured: Structured) -> Reply {
        let spec = Remote {
            dialect: Dialect::OpenAiChat,
            base_url: self.url.as_str().into(),
            model: "mock".into(),
            like: None,
            key: None,
            max_tokens: 800,
            cap: Some(Cap::MaxTokens),
            temperature: None,
            effort: None,
            structured: Some(structured),
            sampling: None,
            force_tool: None,
            rejects: Vec::new(),
            timeout: Span::from_millis(60_000),
            first_byte: Span::from_millis(60_000),
            silence: Span::from_millis(60_000),
        };
        let secrets = BTreeMap::<String, Secret>::new();
        let provider = RemoteModel::new(spec, Arc::new(secrets), self.http.clone()).unwrap();
        let request = ModelRequest {
            step: "s".into(),
            workflow: "w".into(),
            attempt: 1,
            model: "m".into(),
            system: "Answer from what you are shown.".to_owned(),
            user: user.to_owned(),
            data: kernel::values::Value::Null,
            output_schema: schema.map(|schema| Schema::from_json(schema).unwrap()),
            ..ModelRequest::default()
        };
        provider.ask(&request).await
    }

    /// Posts a body; gives the status and the answer.
    async fn post(&self, body: impl Into<reqwest::Body>) -> (u16, Value) {
        let sent = self.client.post(format!("{}/chat/completions", self.url)).body(body).send().await.unwrap();
        (sent.status().as_u16(), sent.json().await.unwrap())
    }

    fn calls(&self) -> Vec<Call> {
        Call::read(&self.directory.path().join("calls")).unwrap()
    }
}

fn triage() -> Value {
    json!({
        "type": "object",
        "properties": { "kind": { "enum": ["billing", "other"] }, "reason": { "type": "string", "maxLength": 40 } },
        "required": ["kind"],
    })
}

#[tokio::test]
async fn the_first_answer_whose_words_stand_in_the_ask_is_given() {
    let world = World::scripted(json!([
        { "when": "invoice", "answer": { "kind": "billing", "reason": null } },
        { "when": "poem", "answer": "Roses are red." },
        { "answer": { "kind": "other" } },
    ]))
    .await;
    let schema = triage();
    let said = world.ask("About the invoice.", Some(&schema), Structured::JsonSchema).await;
    // An optional property that is null was left out.
    assert_eq!(said.answer.unwrap().to_serde(), json!({"kind": "billing"}));
    assert_eq!((said.usage.input, said.usage.output), (13, 8));
    let said = world.ask("Hello", Some(&schema), Structured::JsonObject).await;
    assert_eq!(said.answer.unwrap().to_serde(), json!({"kind": "other"}));
    let said = world.ask("A poem, please", None, Structured::Text).await;
    assert_eq!(said.answer.unwrap().to_serde(), json!("Roses are red."));
    // Without a stream as well.
    let body = json!({"model": "m", "messages": [{"role": "user", "content": [{"type": "text", "text": "A poem"}]}]});
    let (status, whole) = world.post(body.to_string()).await;
    assert_eq!((status, whole["object"].as_str()), (200, Some("chat.completion")));
    let choice = &whole["choices"][0];
    assert_eq!(
        (choice["message"]["content"].as_str(), choice["finish_reason"].as_str()),
        (Some("Roses are red."), Some("stop"))
    );
    assert_eq!(whole["usage"], json!({"prompt_tokens": 2, "completion_tokens": 4, "total_tokens": 6}));
    let calls = world.calls();
    assert_eq!(calls.iter().map(|call| call.n).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!((calls[3].said.as_str(), &calls[3].body), ("Roses are red.", &body));
    let served = world.client.get(world.url.replace("/v1", "/calls")).send().await.unwrap().text().await.unwrap();
    assert_eq!(Call::parse(&served).unwrap(), calls);
}

#[tokio::test]
async fn an_ask_that_no_entry_is_for_is_refused() {
    let world = World::scripted(json!([{ "when": "invoice", "answer": "yes" }])).await;
    let failure = world.ask("About the weather.", None, Structured::Text).await.answer.unwrap_err();
    assert_eq!((failure.kind, failure.phase), (FailureKind::InvalidArguments, Phase::Answered));
    let said = &world.calls()[0].said;
    assert_eq!(
        said,
        "no answer of the script is for what begins with `Answer from what you are shown.\nAbout the weather.`"
    );
}

#[tokio::test]
async fn every_fault_is_what_our_gateway_takes_it_for() {
    use FailureKind as Kind;
    let table = [
        ("rate_limited", Kind::ProviderRateLimited, Phase::Answered, Some("1s")),
        ("rate_limited_mute", Kind::ProviderRateLimited, Phase::Answered, None),
        ("spend_limit", Kind::ProviderSpendLimit, Phase::Answered, None),
        ("server_error", Kind::ProviderError, Phase::MaybeSent, None),
        ("overloaded", Kind::ProviderOverloaded, Phase::Answered, None),
        ("cut", Kind::ProviderError, Phase::MaybeSent, None),
        ("invalid_json", Kind::InvalidOutput, Phase::Answered, None),
        ("refusal", Kind::Refused, Phase::Answered, None),
        ("length", Kind::Truncated, Phase::Answered, None),
    ];
    for (fault, kind, phase, wait) in table {
        let world =
            World::scripted(json!([{ "fault": fault, "answer": { "kind": "billing", "reason": "paid" } }])).await;
        let failure = world.ask("Hello", Some(&triage()), Structured::JsonSchema).await.answer.unwrap_err();
        let waits = failure.retry_after.map(|wait| wait.to_string());
        assert_eq!((failure.kind, failure.phase, waits.as_deref()), (kind, phase, wait), "{fault}: {failure:?}");
        assert_eq!(json!(world.calls()[0].fault), json!(fault));
    }
}

#[tokio::test]
async fn a_wrong_word_is_json_that_the_schema_refuses() {
    for schema in [triage(), json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]})] {
        let world = World::scripted(json!([{ "fault": "wrong_enum" }])).await;
        let said = world.ask("Hello", Some(&schema), Structured::JsonSchema).await.answer.unwrap();
        assert!(!Schema::from_json(&schema).unwrap().is_valid(&said), "{said}");
    }
}

#[tokio::test]
async fn a_hanging_call_is_received_and_not_answered() {
    let world = World::scripted(json!([{ "when": "never", "fault": "hang" }, { "answer": "yes" }])).await;
    let body = json!({"model": "m", "messages": [{"role": "user", "content": "never"}]}).to_string();
    let waiting = tokio::spawn(world.client.post(format!("{}/chat/completions", world.url)).body(body).send());
    while world.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.ask("Hello", None, Structured::Text).await.answer.unwrap().to_serde(), json!("yes"));
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn chaos_is_repeatable_and_knows_every_fault() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut world = World::new(Persona::chaotic(5, None).unwrap()).await;
        for n in 0..150 {
            if n == 75 {
                // A restart of the server changes nothing.
                world.serving.abort();
                world = World::again(world.directory, Persona::chaotic(5, None).unwrap()).await;
            }
            let reply = world.ask(&format!("Ask {}", n % 50), Some(&triage()), Structured::JsonSchema).await;
            let call = world.calls().pop().unwrap();
            assert_eq!(reply.answer.is_ok(), matches!(call.fault, None | Some(Fault::WrongEnum)), "{call:?}");
        }
        seen.push(world.calls().into_iter().map(|call| call.fault).collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    for fault in [Fault::RateLimited, Fault::RateLimitedMute, Fault::SpendLimit, Fault::ServerError, Fault::Overloaded]
    {
        assert!(seen[0].contains(&Some(fault)), "{fault:?}");
    }
    for fault in [Fault::Cut, Fault::InvalidJson, Fault::WrongEnum, Fault::Refusal, Fault::Length] {
        assert!(seen[0].contains(&Some(fault)), "{fault:?}");
    }
    let well = seen[0].iter().filter(|fault| fault.is_none()).count();
    assert!((50..100).contains(&well), "{well} of 150");
}

#[tokio::test]
async fn a_good_answer_of_chaos_fits_its_schema() {
    let schema = triage();
    let world = World::new(Persona::chaotic(1, Some(b"{}")).unwrap()).await;
    let said = world.ask("My billing is wrong. Help!", Some(&schema), Structured::JsonSchema).await.answer.unwrap();
    assert_eq!(said.to_serde(), json!({"kind": "billing", "reason": "My billing is wrong."}));
    assert!(Schema::from_json(&schema).unwrap().is_valid(&said));
}

#[tokio::test]
async fn a_bad_request_is_told_which_parameter_is_wrong_and_is_recorded() {
    let world = World::new(Persona::Obedient(Obedient::new())).await;
    let user = json!([{"role": "user", "content": "hi"}]);
    let schema = json!({"type": "json_schema", "json_schema": {"name": "a"}});
    let table = [
        ("{".to_owned(), "null", "the body is no JSON: EOF while parsing an object at line 1 column 1"),
        ("[]".to_owned(), "null", "the body is no JSON object"),
        (json!({"messages": user}).to_string(), "\"model\"", "`model` must be the name of a model"),
        (json!({"model": "m"}).to_string(), "\"messages\"", "`messages` must be a list of at least one message"),
        (
            json!({"model": "m", "messages": []}).to_string(),
            "\"messages\"",
            "`messages` must be a list of at least one message",
        ),
        (
            json!({"model": "m", "messages": [{"role": "boss", "content": "hi"}]}).to_string(),
            "\"messages\"",
            "`messages[0].role` is `boss`, not one of system, developer, user, assistant, tool, function",
        ),
        (
            json!({"model": "m", "messages": [{"role": "user", "content": 7}]}).to_string(),
            "\"messages\"",
            "`messages[0].content` must be a text or a list of parts with a `type`",
        ),
        (
            json!({"model": "m", "messages": user, "response_format": {"type": "xml"}}).to_string(),
            "\"response_format\"",
            "`response_format.type` is xml, not one of text, json_object, json_schema",
        ),
        (
            json!({"model": "m", "messages": user, "response_format": schema}).to_string(),
            "\"response_format\"",
            "`response_format.json_schema.schema` must be a schema",
        ),
    ];
    let count = table.len();
    for (body, param, message) in table {
        let (status, said) = world.post(body).await;
        let error = &said["error"];
        assert_eq!(
            (status, error["param"].to_string().as_str(), error["message"].as_str()),
            (400, param, Some(message))
        );
        assert_eq!(error["code"], "invalid_request_error");
    }
    let (status, _) = world.post(vec![0xff, 0xfe]).await;
    assert_eq!((status, world.calls().len()), (400, count + 1));
    let lost = world.client.get(world.url.replace("/v1", "/v2")).send().await.unwrap();
    assert_eq!(lost.status(), 404);
    assert!(lost.text().await.unwrap().contains("nothing is at `/v2`: POST /v1/chat/completions, /v1/responses"));
}

#[tokio::test]
async fn what_a_persona_cannot_use_is_refused_before_anything_listens() {
    let why = |made: Result<Persona, String>| made.err().unwrap();
    assert_eq!(why(Persona::scripted(br#"[{"when": "a"}]"#)), "entry 1 has neither `answer`, `propose` nor `fault`");
    assert!(why(Persona::scripted(br#"[{"if": "a"}]"#)).starts_with("unknown field `if`, expected one of `when`"));
    assert!(
        why(Persona::chaotic(1, Some(br#"{"explode": 1}"#))).starts_with("unknown variant `explode`, expected one of")
    );
    let much = why(Persona::chaotic(1, Some(br#"{"cut": 0.75, "hang": 0.75}"#)));
    assert_eq!(much, "chances must be from 0 to 1 and are 1.5 in all");
    for known in [&b"{}"[..], b"7", br#"["a", ""]"#] {
        let why = why(Obedient::knowing(known).map(Persona::Obedient));
        assert_eq!(why, "it must be a list of texts, or such lists by name");
    }
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("calls");
    std::fs::write(&file, "dear diary\n").unwrap();
    let why = MockLlm::open(&file, 0, Persona::Obedient(Obedient::new())).await.err().unwrap().to_string();
    assert!(why.starts_with("line 1 is no call: "), "{why}");
}
