//! Every way a call can end that is no answer, with its kind and how far it had come.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::oneshot,
};

use super::*;

const PIECE: &str = r#"{"choices":[{"index":0,"delta":{"content":"One"},"finish_reason":null}]}"#;
const END: &str = r#"{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}"#;
const BILL: &str = r#"{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2,"total_tokens":5}}"#;
const DONE: &str = "[DONE]";

#[tokio::test]
async fn a_whole_stream_is_an_answer_and_a_cut_one_is_not() {
    let reply = answered(stream(&[PIECE, END, BILL, DONE]), None).await;
    assert_eq!((reply.answer, reply.usage.tokens()), (Ok("One".into()), 5));
    for cut in [&[PIECE][..], &[PIECE, END], &[PIECE, END, BILL], &[PIECE, BILL, DONE]] {
        let reply = answered(stream(cut), None).await;
        assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent), "{cut:?}");
        assert_eq!(detail(&reply), "the answer of `gpt-x` at HERE was cut off");
        assert_eq!(reply.usage.tokens(), if cut.contains(&BILL) { 5 } else { 0 });
        assert!(reply.raw.is_some());
    }
}

#[tokio::test]
async fn an_error_in_the_middle_of_a_stream_is_typed() {
    for (error, kind, phase) in [
        (json!({ "code": "server_error", "message": "…" }), FailureKind::ProviderError, Phase::MaybeSent),
        (
            json!({ "code": "rate_limit_exceeded", "message": "try again in 2s" }),
            FailureKind::ProviderRateLimited,
            Phase::Answered,
        ),
        (json!({ "code": "insufficient_quota", "message": "…" }), FailureKind::ProviderSpendLimit, Phase::Answered),
        (json!({ "code": 503, "message": "…" }), FailureKind::ProviderOverloaded, Phase::Answered),
    ] {
        let event = json!({ "error": error }).to_string();
        // What follows an error is not an answer, whatever it is.
        let reply = answered(stream(&[PIECE, &event, END, DONE]), None).await;
        assert_eq!(told(&reply), (kind, phase), "{error}");
        let wait = reply.answer.unwrap_err().retry_after;
        assert_eq!(wait.is_some(), kind == FailureKind::ProviderRateLimited, "{error}");
    }
}

#[tokio::test]
async fn a_wait_comes_from_the_headers_or_the_body_or_not_at_all() {
    let limited = |body| json(429, json!({ "error": { "type": "requests", "message": body } }));
    let date = |now| {
        let reply = limited("…").insert_header("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT");
        if now { reply.insert_header("date", "Wed, 21 Oct 2026 07:28:00 GMT") } else { reply }
    };
    for (response, wait) in [
        (limited("…").insert_header("retry-after", "20"), Some("20s")),
        (limited("…").insert_header("retry-after", "1").insert_header("retry-after-ms", "250"), Some("250ms")),
        (limited("…").insert_header("retry-after", "20").set_body_string("<html>"), Some("20s")),
        (date(true), Some("30s")),
        (limited("Please try again in 1m2s."), Some("62s")),
        (limited("slow down"), None),
    ] {
        let reply = answered(response, None).await;
        assert_eq!(told(&reply), (FailureKind::ProviderRateLimited, Phase::Answered));
        assert_eq!(reply.answer.unwrap_err().retry_after.map(|span| span.to_string()).as_deref(), wait);
    }
    let spent = json!({ "error": { "code": "insufficient_quota", "message": "…" } });
    let reply = answered(json(429, spent).insert_header("retry-after", "20"), None).await;
    assert_eq!(told(&reply), (FailureKind::ProviderSpendLimit, Phase::Answered));
    assert_eq!(reply.answer.unwrap_err().retry_after, None);
}

#[tokio::test]
async fn what_is_neither_json_nor_a_stream_is_no_answer() {
    let page = || ResponseTemplate::new(200).set_body_raw("<html>hello</html>", "text/html");
    let reply = answered(page(), None).await;
    assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent));
    assert_eq!(detail(&reply), "`gpt-x` at HERE answered with `text/html` that is neither JSON nor a stream of events");
    assert_eq!(reply.raw.as_deref(), Some(b"<html>hello</html>".as_slice()));
    let reply = answered(ResponseTemplate::new(200), None).await;
    assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent));
    let reply = answered(json(200, json!({ "id": 1 })), None).await;
    assert_eq!(detail(&reply), "`gpt-x` at HERE answered without any choice");
    // What it is called does not matter, only what it is.
    let body: String = [PIECE, END, DONE].iter().map(|event| format!("data: {event}\n\n")).collect();
    let reply = answered(ResponseTemplate::new(200).set_body_raw(body, "application/json"), None).await;
    assert_eq!(reply.answer, Ok("One".into()));
    let reply = answered(ResponseTemplate::new(302).insert_header("location", "/other"), None).await;
    assert_eq!(told(&reply), (FailureKind::ContractViolated, Phase::Answered));
}

#[tokio::test]
async fn what_ended_early_or_was_refused_is_no_answer() {
    let ended = |message: serde_json::Value, finish: &str| {
        json(200, json!({ "choices": [{ "message": message, "finish_reason": finish }] }))
    };
    let text = || json!({ "content": "{\"a\":" });
    for (response, kind) in [
        (ended(text(), "length"), FailureKind::Truncated),
        (ended(text(), "content_filter"), FailureKind::Refused),
        (ended(json!({ "content": null, "refusal": "I will not" }), "stop"), FailureKind::Refused),
        (ended(text(), "insufficient_system_resource"), FailureKind::ProviderOverloaded),
        (ended(text(), "stop"), FailureKind::InvalidOutput),
        (
            ended(json!({ "content": null, "tool_calls": [{ "function": {} }] }), "tool_calls"),
            FailureKind::InvalidOutput,
        ),
    ] {
        let reply = answered(response, Some(json!({ "type": "object" }))).await;
        assert_eq!(told(&reply), (kind, Phase::Answered), "{reply:?}");
    }
    let reply = answered(ended(text(), "length"), None).await;
    assert_eq!(detail(&reply), "the answer of `gpt-x` at HERE hit its length limit: `max_tokens` is 800");
    let reply = answered(ended(text(), "error"), None).await;
    assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent));
}

#[tokio::test]
async fn json_is_read_tolerantly_and_what_was_done_is_told() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" }, "b": { "type": "string" } } });
    for (text, answer, coerced) in [
        (r#"{"a":1}"#, Some(r#"{"a":1}"#), vec![]),
        (" \n{\"a\":1}\n", Some(r#"{"a":1}"#), vec![]),
        ("```json\n{\"a\":1}\n```", Some(r#"{"a":1}"#), vec!["the whole: a code fence around it"]),
        ("```\n{\"a\":1}```\n", Some(r#"{"a":1}"#), vec!["the whole: a code fence around it"]),
        // Strict output gives null for what is left out.
        (r#"{"a":1,"b":null}"#, Some(r#"{"a":1}"#), vec![]),
        ("Here it is: {\"a\":1}", Some(r#"{"a":1}"#), vec!["the whole: text around it"]),
        (
            r#"{"a":"1",}"#,
            Some(r#"{"a":1}"#),
            vec!["the whole: a comma after the last item", "/a: a number written as a text"],
        ),
        (r#"{"a":1,"a":2}"#, None, vec![]),
        (r#"{"a":1} {"a":2}"#, None, vec![]),
        (r#"{"a":1"#, None, vec![]),
        ("", None, vec![]),
    ] {
        let reply = answered(says(text), Some(schema.clone())).await;
        let told_so: Vec<&str> = reply.said.coerced.iter().map(|one| &**one).collect();
        assert_eq!(told_so, coerced, "{text}");
        match answer {
            Some(answer) => assert_eq!(reply.answer.unwrap().to_json(), answer, "{text}"),
            None => assert_eq!(told(&reply), (FailureKind::InvalidOutput, Phase::Answered), "{text}"),
        }
    }
    let reply = answered(says(""), Some(schema)).await;
    assert_eq!(detail(&reply), "the answer is no JSON: it is empty");
}

#[tokio::test]
async fn the_key_is_nowhere_in_what_comes_back() {
    let echoes = [
        json(401, json!({ "error": { "message": format!("bad key {KEY}"), "code": KEY, "param": KEY } })),
        json(400, json!({ "error": { "message": KEY, "code": KEY, "param": KEY } })),
        ResponseTemplate::new(200).set_body_raw("<html>", &format!("text/{KEY}")),
        says(&format!("your key is {KEY}")),
        stream(&[&json!({ "error": { "message": KEY, "code": KEY } }).to_string()]),
        stream(&[&PIECE.replace("One", KEY), END, DONE]),
        stream(&[&PIECE.replace("One", &KEY[..7]), &PIECE.replace("One", &KEY[7..]), END, DONE]),
    ];
    for (nth, response) in echoes.into_iter().enumerate() {
        let reply = answered(response, None).await;
        let raw = String::from_utf8(reply.raw.as_deref().unwrap().to_vec()).unwrap();
        assert!(!raw.contains(KEY) && !format!("{:?}", reply.answer).contains(KEY), "echo {nth}: {reply:?}");
    }
}

#[tokio::test]
async fn what_is_kept_is_bounded_and_never_ends_in_half_a_key() {
    // The key lies across the bound.
    let most = gateway::model::remote::KEPT;
    let before = r#"{"choices":[{"finish_reason":"stop","message":{"content":""#;
    let text = "x".repeat(most - before.len() - 9);
    let body = format!(r#"{before}{text}{KEY}{}"}}}}]}}"#, "y".repeat(100));
    let reply = answered(ResponseTemplate::new(200).set_body_raw(body, "application/json"), None).await;
    let answer = reply.answer.unwrap();
    assert_eq!(answer.as_str().unwrap().len(), text.len() + "[secret]".len() + 100);
    let raw = reply.raw.unwrap();
    assert!(raw.len() <= most && raw.len() > most - 100 && raw.ends_with(b"xxx"), "{}", raw.len());
}

/// A server that reads one request, writes these bytes and holds the connection; says when it has.
async fn silent_after(bytes: &'static str) -> (String, oneshot::Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, (wrote, waits)) = (format!("http://{}", listener.local_addr().unwrap()), oneshot::channel());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"}") {
            let mut buffer = [0; 4096];
            let count = stream.read(&mut buffer).await.unwrap();
            request.extend_from_slice(&buffer[..count]);
        }
        stream.write_all(bytes.as_bytes()).await.unwrap();
        wrote.send(stream).unwrap();
    });
    (url, waits)
}

/// Asks a server that falls silent after `bytes`; time stands still until it has, and then runs by itself.
async fn slow(bytes: &'static str, change: impl FnOnce(Remote) -> Remote) -> (Reply, std::time::Duration) {
    let (url, waits) = silent_after(bytes).await;
    let provider = provider(change(spec(url)));
    let asked = tokio::spawn(async move { provider.ask(&request(None)).await });
    let held = waits.await.unwrap();
    // What was written is read before time moves: everything here happens on one thread.
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let reply = asked.await.unwrap();
    drop(held);
    (reply, began.elapsed())
}

const HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n";
const BEGUN: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {\"choices\":[]}\n\n";

fn seconds(count: i64) -> Span {
    Span::from_millis(count * 1000)
}

fn about(elapsed: std::time::Duration, wanted: u64) {
    assert!((wanted - 2..=wanted + 1).contains(&elapsed.as_secs()), "{elapsed:?}, not about {wanted} seconds");
}

#[tokio::test]
async fn a_server_that_never_begins_is_a_timeout() {
    for head in ["", HEAD] {
        let (reply, elapsed) = slow(head, |spec| Remote { first_byte: seconds(20), ..spec }).await;
        assert_eq!(told(&reply), (FailureKind::ProviderTimeout, Phase::MaybeSent));
        assert_eq!(detail(&reply), "`gpt-x` at HERE gave no answer within 20s");
        about(elapsed, 20);
        tokio::time::resume();
    }
}

#[tokio::test]
async fn a_server_that_falls_silent_is_a_timeout() {
    let (reply, elapsed) = slow(BEGUN, |spec| Remote { silence: seconds(10), ..spec }).await;
    assert_eq!(told(&reply), (FailureKind::ProviderTimeout, Phase::MaybeSent));
    assert_eq!(detail(&reply), "`gpt-x` at HERE fell silent for 10s in the middle of its answer");
    assert_eq!(reply.raw.as_deref(), Some(b"data: {\"choices\":[]}\n\n".as_slice()));
    about(elapsed, 10);
}

#[tokio::test]
async fn a_server_that_never_ends_is_a_timeout() {
    let (reply, elapsed) = slow(BEGUN, |spec| spec).await;
    assert_eq!(told(&reply), (FailureKind::ProviderTimeout, Phase::MaybeSent));
    assert_eq!(detail(&reply), "`gpt-x` at HERE did not end within 1m");
    about(elapsed, 60);
}

#[tokio::test]
async fn an_error_whose_body_never_comes_still_says_its_status() {
    let (reply, _) = slow("HTTP/1.1 503 Busy\r\ncontent-length: 9\r\nretry-after: 4\r\n\r\n", |spec| spec).await;
    assert_eq!(told(&reply), (FailureKind::ProviderOverloaded, Phase::Answered));
    assert_eq!(reply.answer.unwrap_err().retry_after, Some(seconds(4)));
}

#[tokio::test]
async fn a_connection_that_is_lost_may_have_carried_the_request() {
    let asked = request(None);
    let (url, waits) = silent_after("").await;
    let provider = provider(spec(url));
    let (reply, _) = tokio::join!(provider.ask(&asked), async { drop(waits.await.unwrap()) });
    assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent));
    let half = "HTTP/1.1 200 OK\r\ncontent-length: 90\r\n\r\n{\"choices\":";
    let (url, waits) = silent_after(half).await;
    let provider = super::provider(spec(url));
    let (reply, _) = tokio::join!(provider.ask(&asked), async { drop(waits.await.unwrap()) });
    assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent));
    assert_eq!(detail(&reply), "the answer of `gpt-x` at HERE was cut off");
    assert_eq!(reply.raw.as_deref(), Some(b"{\"choices\":".as_slice()));
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_was_sent_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let reply = provider(spec(url)).ask(&request(None)).await;
    assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::NotSent), "{reply:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_server_that_does_not_take_the_connection_was_sent_nothing() {
    // A queue of one, and one in it: the next connection is not answered.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _first = TcpStream::connect(address).await.unwrap();
    tokio::time::pause();
    let reply = provider(spec(format!("http://{address}"))).ask(&request(None)).await;
    assert_eq!(told(&reply), (FailureKind::ProviderTimeout, Phase::NotSent), "{reply:?}");
}
