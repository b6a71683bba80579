//! Over HTTP, of both kinds: sessions as of 2025-06-18, and requests that stand alone as of 2026-07-28.

use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate, matchers::any};

use super::*;

/// A server behind HTTP; a call is answered by `call`.
struct Behind<F> {
    modern: bool,
    call: F,
    seen: Seen,
}

impl<F: Fn(Json) -> ResponseTemplate + Send + Sync> Respond for Behind<F> {
    fn respond(&self, request: &Request) -> ResponseTemplate {
        if request.method.as_str() != "POST" {
            return ResponseTemplate::new(405);
        }
        let message: Json = serde_json::from_slice(&request.body).unwrap();
        let header = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        self.seen.lock().unwrap().push((header("authorization"), message.clone()));
        let result = |result: Json| {
            ResponseTemplate::new(200).set_body_json(json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }))
        };
        let session = header("mcp-session-id");
        match message["method"].as_str().unwrap_or_default() {
            "server/discover" if self.modern => result(json!({
                "resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} },
                "ttlMs": 0, "cacheScope": "private",
                "_meta": { "io.modelcontextprotocol/serverInfo": { "name": "files-server", "version": "1" } },
            })),
            "server/discover" => ResponseTemplate::new(400),
            "initialize" => result(json!({
                "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
                "serverInfo": { "name": "files-server", "version": "1" },
            }))
            .insert_header("Mcp-Session-Id", "s1"),
            _ if !self.modern && session.as_deref() != Some("s1") => ResponseTemplate::new(400),
            "notifications/initialized" => ResponseTemplate::new(202),
            "tools/list" => result(json!({ "resultType": "complete", "tools": [read_file("Reads a file.")],
                "ttlMs": 0, "cacheScope": "private" })),
            "tools/call" => (self.call)(message),
            _ => ResponseTemplate::new(202),
        }
    }
}

type Seen = Arc<Mutex<Vec<(Option<String>, Json)>>>;

async fn serve(modern: bool, call: impl Fn(Json) -> ResponseTemplate + Send + Sync + 'static) -> (MockServer, Seen) {
    let server = MockServer::start().await;
    let seen = Seen::default();
    Mock::given(any()).respond_with(Behind { modern, call, seen: seen.clone() }).mount(&server).await;
    (server, seen)
}

fn at(server: &MockServer) -> McpTool {
    let auth = Some("secret://key".to_owned());
    let way = McpServer::Http { url: format!("{}/mcp", server.uri()), auth };
    tool_of(way, operation(Some(accepted("Reads a file."))))
}

fn answer(message: &Json, words: &str) -> Json {
    json!({ "jsonrpc": "2.0", "id": message["id"], "result": { "resultType": "complete",
        "content": [{ "type": "text", "text": words }] } })
}

fn calls(seen: &Seen) -> usize {
    seen.lock().unwrap().iter().filter(|(_, message)| message["method"] == "tools/call").count()
}

#[tokio::test]
async fn both_versions_are_spoken_with_the_secret_in_its_header() {
    for modern in [false, true] {
        let (server, seen) =
            serve(modern, |message| ResponseTemplate::new(200).set_body_json(answer(&message, "a-long-password")))
                .await;
        let tool = at(&server);
        let outcome = call(&tool).await;
        assert_eq!(json_of(&outcome), r#"{"text":"[secret]"}"#, "modern: {modern}");
        let seen = seen.lock().unwrap();
        assert!(seen.iter().all(|(auth, _)| auth.as_deref() == Some("Bearer a-long-password")), "{seen:?}");
        let began = seen.iter().any(|(_, message)| message["method"] == "initialize");
        assert_eq!(began, !modern);
    }
}

#[tokio::test]
async fn an_answer_may_come_as_events() {
    let (server, _) = serve(false, |message| {
        let event = format!("event: message\ndata: {}\n\n", answer(&message, "hello"));
        ResponseTemplate::new(200).set_body_raw(event, "text/event-stream")
    })
    .await;
    assert_eq!(json_of(&call(&at(&server)).await), r#"{"text":"hello"}"#);
}

#[tokio::test]
async fn a_status_means_what_it_means_to_an_http_tool() {
    let said = [
        (401, FailureKind::ToolRejected, Phase::Answered),
        (403, FailureKind::ToolRejected, Phase::Answered),
        (429, FailureKind::ToolError, Phase::Answered),
        (500, FailureKind::ToolError, Phase::MaybeSent),
        (302, FailureKind::ContractViolated, Phase::Answered),
        (404, FailureKind::ToolError, Phase::Answered),
    ];
    for (status, kind, phase) in said {
        let (server, seen) = serve(false, move |_| {
            let elsewhere = ResponseTemplate::new(status).insert_header("Location", "/elsewhere");
            elsewhere.insert_header("WWW-Authenticate", "Bearer").insert_header("Retry-After", "7")
        })
        .await;
        let outcome = call(&at(&server)).await;
        assert_eq!((failed(&outcome).0, failed(&outcome).1), (kind, phase), "{status}: {outcome:?}");
        assert_eq!(calls(&seen), 1, "{status}: sent once");
        let waits = outcome.answer.unwrap_err().retry_after;
        assert!(status == 404 || waits == Some(Span::from_millis(7000)), "{status}: {waits:?}");
    }
}

#[tokio::test]
async fn too_much_and_nonsense_are_no_answers() {
    let (server, _) =
        serve(false, |message| ResponseTemplate::new(200).set_body_json(answer(&message, &"x".repeat(LONGEST)))).await;
    assert_eq!(failed(&call(&at(&server)).await).2, "`files.read` got an answer of more than 8 MiB");
    let (server, _) = serve(false, |_| ResponseTemplate::new(200).set_body_raw("<html>", "text/html")).await;
    assert_eq!(failed(&call(&at(&server)).await).0, FailureKind::ContractViolated);
}

#[tokio::test]
async fn what_is_not_reached_was_not_sent() {
    let way = McpServer::Http { url: "http://127.0.0.1:9/mcp".to_owned(), auth: None };
    let outcome = call(&tool_of(way, operation(Some(accepted("Reads a file."))))).await;
    assert_eq!((failed(&outcome).0, failed(&outcome).1), (FailureKind::ToolError, Phase::NotSent), "{outcome:?}");
    let auth = Some("secret://other".to_owned());
    let way = McpServer::Http { url: "http://127.0.0.1:9/mcp".to_owned(), auth };
    let outcome = call(&tool_of(way, operation(None))).await;
    assert_eq!(failed(&outcome).0, FailureKind::Internal);
    assert!(failed(&outcome).2.contains("SUREFOOT_SECRET_OTHER"), "{outcome:?}");
}
