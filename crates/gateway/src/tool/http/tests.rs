use std::{net::SocketAddr, sync::Mutex};

use kernel::{ids::RunId, values::Timestamp};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::*;
use crate::secret::Secret;

fn key() -> IdempotencyKey {
    IdempotencyKey::derive(RunId::new(Timestamp::from_micros(0), [1; 10]), &"pay".into(), 0)
}

fn tool(
    base_url: impl Into<String>,
    operation: HttpOperation,
    header: Option<(&str, &str)>,
) -> Result<HttpTool, BadHttpTool> {
    let secrets = BTreeMap::from([("billing-key".to_owned(), Secret::new("hunter2-hunter2"))]);
    let operations = BTreeMap::from([("transfer".into(), operation)]);
    let headers = header.map(|(name, text)| (name.to_owned(), text.to_owned())).into_iter().collect();
    HttpTool::new(HttpSpec { base_url: base_url.into(), headers, operations }, Arc::new(secrets), HttpClient::new()?)
}

fn transfer() -> HttpOperation {
    HttpOperation::new(Method::POST, Text::compile("/payments/{{ with.id }}/transfers").unwrap())
}

async fn call(tool: &HttpTool, input: &str) -> Outcome {
    tool.perform("billing", "transfer", Value::from_json(input.as_bytes()).unwrap().to_jcs().as_slice(), &key()).await
}

/// What a server that answers like this makes of a call.
async fn answered(response: ResponseTemplate, not_done: &[u16]) -> Outcome {
    let server = MockServer::start().await;
    Mock::given(matchers::any()).respond_with(response).expect(1).mount(&server).await;
    let operation = HttpOperation { not_done: not_done.to_vec(), ..transfer() };
    call(&tool(server.uri(), operation, None).unwrap(), r#"{"id":"p1"}"#).await
}

/// A server that reads one request, writes these bytes and closes; gives what it read, too.
async fn raw(reply: &'static str) -> (SocketAddr, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, seen) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(String::new())));
    let saw = seen.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !String::from_utf8_lossy(&request).contains("\r\n\r\n{") {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            request.extend_from_slice(&buffer[..count]);
        }
        *saw.lock().unwrap() = String::from_utf8(request).unwrap();
        stream.write_all(reply.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    });
    (address, seen)
}

fn told(outcome: &Outcome) -> (FailureKind, Phase, Option<String>) {
    let failure = outcome.answer.as_ref().unwrap_err();
    (failure.kind, failure.phase, failure.retry_after.map(|span| span.to_string()))
}

#[tokio::test]
async fn a_request_carries_its_arguments_its_key_and_who_we_are() {
    let server = MockServer::start().await;
    Mock::given(matchers::method("POST"))
        .and(matchers::path("/v1/payments/p%2F1/transfers"))
        .and(matchers::query_param("tags", "a,b"))
        .and(matchers::query_param("note", "50 % & more"))
        .and(matchers::query_param_is_missing("gone"))
        .and(matchers::header("idempotency-key", key().as_str()))
        .and(matchers::header("authorization", "Bearer hunter2-hunter2"))
        .and(matchers::header("x-reason", "late 5"))
        .and(matchers::header("content-type", "application/json"))
        .and(matchers::body_string(r#"{"amount":5,"id":"p/1","note":"50 % & more","tags":["a","b"]}"#))
        .respond_with(ResponseTemplate::new(201).set_body_json(serde_json::json!({"id": "r1"})))
        .expect(1)
        .mount(&server)
        .await;
    let text = |text| Text::compile(text).unwrap();
    let operation = HttpOperation {
        query: vec![
            ("tags".to_owned(), text("{{ with.tags | join(',') }}")),
            ("note".to_owned(), text("{{ with.note }}")),
            ("gone".to_owned(), text("{{ with.gone | default('') }}")),
        ],
        headers: vec![("X-Reason".to_owned(), text("late {{ with.amount }}"))],
        ..transfer()
    };
    let header = Some(("Authorization", "Bearer secret://billing-key"));
    let tool = tool(format!("{}/v1/", server.uri()), operation, header).unwrap();
    let outcome = call(&tool, r#"{"id":"p/1","amount":5,"tags":["a","b"],"note":"50 % & more"}"#).await;
    assert_eq!(outcome.answer, Ok(Value::map([("id", "r1".into())])));
    assert_eq!(outcome.raw.as_deref(), Some(br#"{"id":"r1"}"#.as_slice()));
}

#[tokio::test]
async fn a_body_of_its_own_shape_and_answers_that_are_no_json() {
    let server = MockServer::start().await;
    Mock::given(matchers::header("x-api-key", "hunter2-hunter2"))
        .and(matchers::body_string(r#"{"amount":5,"currency":"EUR"}"#))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    Mock::given(matchers::any()).respond_with(ResponseTemplate::new(200).set_body_string("fine")).mount(&server).await;
    let node = kernel::yaml::parse(&"tools/b.yaml".into(), "amount: =with.amount\ncurrency: EUR").unwrap();
    let operation = HttpOperation { body: HttpBody::Template(Template::compile(&node).unwrap()), ..transfer() };
    let shaped = tool(server.uri(), operation, Some(("X-Api-Key", "secret://billing-key"))).unwrap();
    let outcome = call(&shaped, r#"{"id":"p1","amount":5}"#).await;
    assert_eq!(outcome.answer.unwrap().to_json(), r#"{"status":204,"text":""}"#);
    let plain = tool(server.uri(), transfer(), None).unwrap();
    assert_eq!(call(&plain, r#"{"id":"p1"}"#).await.answer.unwrap().to_json(), r#"{"status":200,"text":"fine"}"#);
}

#[tokio::test]
async fn of_the_arguments_some_are_the_body_and_an_empty_header_is_left_out() {
    let server = MockServer::start().await;
    Mock::given(matchers::path("/payments/p1/transfers"))
        .and(matchers::body_string(r#"{"amount":5}"#))
        .respond_with(ResponseTemplate::new(204))
        .expect(1)
        .mount(&server)
        .await;
    let headers = vec![("X-Trace".to_owned(), Text::compile("{{ with.trace | default('') }}").unwrap())];
    let body = HttpBody::Named(Arc::from(["amount".into(), "note".into()]));
    let tool = tool(server.uri(), HttpOperation { headers, body, ..transfer() }, None).unwrap();
    assert!(call(&tool, r#"{"id":"p1","amount":5}"#).await.answer.is_ok());
    assert!(!server.received_requests().await.unwrap()[0].headers.contains_key("x-trace"));
}

#[tokio::test]
async fn every_status_means_what_the_table_says() {
    use FailureKind::{ContractViolated, ToolError, ToolRejected};
    use Phase::{Answered, MaybeSent};
    let with_status = ResponseTemplate::new;
    for status in [400, 401, 403, 404, 410, 413, 422] {
        assert_eq!(told(&answered(with_status(status), &[]).await), (ToolRejected, Answered, None), "{status}");
    }
    for status in [408, 409, 500, 502, 503, 504] {
        assert_eq!(told(&answered(with_status(status), &[]).await), (ToolError, MaybeSent, None), "{status}");
    }
    for status in [408, 500, 503] {
        assert_eq!(told(&answered(with_status(status), &[status]).await), (ToolError, Answered, None), "{status}");
    }
    assert_eq!(told(&answered(with_status(409), &[409]).await), (ToolRejected, Answered, None));
    assert_eq!(told(&answered(with_status(429), &[]).await), (ToolError, Answered, None));
    for status in [429, 503] {
        let waits = with_status(status).insert_header("retry-after", "7");
        assert_eq!(told(&answered(waits, &[]).await), (ToolError, Answered, Some("7s".to_owned())), "{status}");
    }
    let elsewhere = with_status(302).insert_header("location", "http://169.254.169.254/latest");
    assert_eq!(told(&answered(elsewhere, &[]).await), (ContractViolated, Answered, None));
}

#[tokio::test]
async fn a_failure_does_not_repeat_the_other_sides_page_but_the_record_has_it() {
    let outcome = answered(ResponseTemplate::new(422).set_body_string("<h1>no such payment</h1>"), &[]).await;
    assert_eq!(outcome.answer.unwrap_err().detail, "`billing.transfer` answered 422 Unprocessable Entity");
    assert_eq!(outcome.raw.as_deref(), Some(b"<h1>no such payment</h1>".as_slice()));
}

#[tokio::test]
async fn where_nothing_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let outcome = call(&tool(format!("http://{address}"), transfer(), None).unwrap(), r#"{"id":"p1"}"#).await;
    assert_eq!(told(&outcome), (FailureKind::ToolError, Phase::NotSent, None));
    let detail = outcome.answer.unwrap_err().detail;
    assert!(detail.starts_with(&format!("`billing.transfer` could not connect to {address}: ")), "{detail}");
}

#[tokio::test]
async fn where_tls_fails_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let outcome = call(&tool(format!("https://{address}"), transfer(), None).unwrap(), r#"{"id":"p1"}"#).await;
    assert_eq!(told(&outcome), (FailureKind::ToolError, Phase::NotSent, None));
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_in_time_it_may_have_been_done() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let operation = HttpOperation { timeout: Span::from_millis(2000), ..transfer() };
    let outcome = call(&tool(&base, operation, None).unwrap(), r#"{"id":"p1"}"#).await;
    assert_eq!(told(&outcome), (FailureKind::ToolTimeout, Phase::MaybeSent, None));
    assert!(outcome.answer.unwrap_err().detail.ends_with("within 2s"));
}

#[tokio::test]
async fn a_lost_connection_or_half_an_answer_leaves_it_open() {
    for reply in ["", "HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"id\":"] {
        let (address, seen) = raw(reply).await;
        let outcome = call(&tool(format!("http://{address}"), transfer(), None).unwrap(), r#"{"id":"p1"}"#).await;
        assert_eq!(told(&outcome), (FailureKind::ToolError, Phase::MaybeSent, None), "{reply}");
        assert!(seen.lock().unwrap().starts_with("POST /payments/p1/transfers HTTP/1.1"));
    }
}

#[tokio::test]
async fn half_of_a_no_is_a_no() {
    let (address, _) = raw("HTTP/1.1 404 Not Found\r\ncontent-length: 20\r\n\r\n{\"id\":").await;
    let outcome = call(&tool(format!("http://{address}"), transfer(), None).unwrap(), r#"{"id":"p1"}"#).await;
    assert_eq!(told(&outcome), (FailureKind::ToolRejected, Phase::Answered, None));
}

#[tokio::test]
async fn an_answer_that_does_not_end_is_not_swallowed() {
    let long = vec![b'x'; answer::LONGEST + 1];
    let outcome = answered(ResponseTemplate::new(200).set_body_bytes(long), &[]).await;
    assert_eq!(told(&outcome), (FailureKind::ContractViolated, Phase::Answered, None));
    assert_eq!(outcome.answer.unwrap_err().detail, "`billing.transfer` answered 200 OK with more than 8 MiB");
}

#[tokio::test]
async fn a_secret_that_is_echoed_does_not_come_back() {
    let server = MockServer::start().await;
    Mock::given(matchers::any())
        .respond_with(ResponseTemplate::new(200).set_body_string(r#"{"you":"Bearer hunter2-hunter2"}"#))
        .mount(&server)
        .await;
    let tool = tool(server.uri(), transfer(), Some(("Authorization", "Bearer secret://billing-key"))).unwrap();
    let outcome = call(&tool, r#"{"id":"p1"}"#).await;
    assert_eq!(outcome.answer.unwrap().to_json(), r#"{"you":"Bearer [secret]"}"#);
    assert!(!String::from_utf8_lossy(&outcome.raw.unwrap()).contains("hunter2"));
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let failed = async |operation, input| {
        let tool = tool("http://127.0.0.1:9", operation, None).unwrap();
        call(&tool, input).await.answer.unwrap_err()
    };
    let failure = failed(transfer(), r#"{"id":".."}"#).await;
    assert_eq!((failure.kind, failure.phase), (FailureKind::InvalidArguments, Phase::Inside));
    assert_eq!(failure.detail, "`billing.transfer` cannot be sent: a segment of its path would be `.` or `..`");
    let failure = failed(transfer(), "{}").await;
    assert_eq!((failure.kind, failure.phase), (FailureKind::InvalidArguments, Phase::Inside));
    let headers = vec![("X-Note".to_owned(), Text::compile("{{ with.note }}").unwrap())];
    let failure = failed(HttpOperation { headers, ..transfer() }, r#"{"id":"p1","note":"a\r\nHost: evil"}"#).await;
    assert_eq!(failure.kind, FailureKind::InvalidArguments);

    let header = Some(("Authorization", "Bearer secret://other"));
    let failure =
        call(&tool("http://127.0.0.1:9", transfer(), header).unwrap(), r#"{"id":"p1"}"#).await.answer.unwrap_err();
    assert_eq!((failure.kind, failure.phase), (FailureKind::Internal, Phase::Inside));
    assert!(failure.detail.ends_with("set the environment variable SUREFOOT_SECRET_OTHER"), "{}", failure.detail);
}

#[tokio::test]
async fn no_argument_reaches_another_host() {
    let tool = tool("http://billing.example:8080/v1", transfer(), None).unwrap();
    for id in ["@evil.example", "//evil.example/", "..%2f..", "a/../../..", "?x#y", "\\\\evil"] {
        let with = Value::map([("id", id.into())]);
        let url = fill::url(&tool.base, &transfer(), &with).unwrap();
        assert_eq!(url.host_str(), Some("billing.example"), "{id}");
        assert!(url.path().starts_with("/v1/payments/") && url.path().ends_with("/transfers"), "{url}");
        assert_eq!((url.query(), url.path_segments().map(Iterator::count)), (None, Some(4)), "{url}");
    }
}

#[test]
fn a_tool_file_that_says_too_much_is_refused() {
    let refused = |base: &str, operation| tool(base, operation, None).err().map(|error| error.to_string()).unwrap();
    let at = |path| HttpOperation::new(Method::GET, Text::compile(path).unwrap());
    assert_eq!(
        refused("billing.example", transfer()),
        "the base URL `billing.example` is no URL: write one like `https://billing.example/v1`"
    );
    assert_eq!(
        refused("ftp://b.example", transfer()),
        "the base URL `ftp://b.example` must begin with http:// or https://"
    );
    assert!(!refused("https://me:hunter2@b.example", transfer()).contains("hunter2"));
    let base = "https://b.example";
    assert_eq!(refused(base, at("{{ with.url }}")), "the path of `transfer` must begin with `/`");
    assert_eq!(refused(base, at("/a/../b")), "the path of `transfer` must not go through `.` or `..`");
    assert!(refused(base, at("/a?b={{ with.c }}")).contains("a query goes under `query`"));
    assert_eq!(
        refused(base, at("/{{ input.id }}")),
        "`transfer` reads `input`, and what a tool sends is made from `with` alone"
    );
    let headers = vec![("Host".to_owned(), Text::compile("evil.example").unwrap())];
    assert_eq!(
        refused(base, HttpOperation { headers, ..transfer() }),
        "the header `Host` of `transfer` is set by the gateway itself"
    );
}
