use std::{
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use kernel::tool::{
    host::HostPattern,
    page::{Hosts, returns},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::egress::tests::{Table, demo};

/// A server that answers for any host: what is written for `host/path`, else 404. It keeps what was asked.
struct Web {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

fn ok(kind: &str, body: &str) -> Vec<u8> {
    answer("200 OK", &format!("content-type: {kind}\r\n"), body.as_bytes())
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n{headers}\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn moved(to: &str) -> Vec<u8> {
    answer("302 Found", &format!("location: {to}\r\n"), b"")
}

impl Web {
    async fn serve(pages: &[(&str, Vec<u8>)]) -> Web {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::new(Mutex::new(Vec::new())));
        let pages: HashMap<String, Vec<u8>> = pages.iter().map(|(at, page)| ((*at).to_owned(), page.clone())).collect();
        let log = asked.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    if stream.read(&mut byte).await.unwrap_or(0) == 0 {
                        break;
                    }
                    request.push(byte[0]);
                }
                let request = String::from_utf8(request).unwrap();
                let path = request.split(' ').nth(1).unwrap_or_default();
                let host = request.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
                let at = format!("{host}{path}");
                log.lock().unwrap().push(at.clone());
                let page = pages.get(&at).cloned().unwrap_or_else(|| answer("404 Not Found", "", b"gone"));
                // Who asked may have gone.
                let _ = stream.write_all(&page).await;
                let _ = stream.shutdown().await;
            }
        });
        Web { address, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    fn tool(&self, page: Page) -> PageTool {
        self.tool_with(page, Table::new(&[("loop.evil", &[&["127.0.0.1"]]), ("mixed.evil", &[&["1.1.1.1", "::1"]])]))
    }

    fn tool_with(&self, page: Page, resolver: Arc<Table>) -> PageTool {
        let operations = BTreeMap::from([("read".into(), Span::from_millis(5000))]);
        PageTool::new(&page, operations, resolver, Some(demo(self.address))).unwrap()
    }
}

fn open() -> Page {
    Page {
        hosts: Hosts::Any,
        user_agent: Some("Surefoot-Test/1.0 (+https://acme.example/bot)".into()),
        http: true,
        ports: Vec::new(),
        most_bytes: 100_000,
        most_redirects: 3,
        delay: None,
    }
}

async fn outcome(tool: &PageTool, url: &str) -> Outcome {
    tool.perform("web", "read", &Value::map([("url", url.into())]).to_jcs()).await
}

/// The value, checked against the schema that `check` types it with.
async fn read(tool: &PageTool, url: &str) -> Value {
    let value = outcome(tool, url).await.answer.unwrap_or_else(|failure| panic!("{url}: {failure:?}"));
    let schema = kernel::schema::Schema::from_json(&returns()).unwrap();
    assert_eq!(schema.validate(&value), Ok(()), "{url}");
    value
}

async fn failed(tool: &PageTool, url: &str) -> (FailureKind, Phase, String) {
    let failure = outcome(tool, url).await.answer.unwrap_err();
    (failure.kind, failure.phase, failure.detail)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap()
}

fn json(value: &Value, key: &str) -> String {
    value.get(key).unwrap().to_json()
}

#[tokio::test]
async fn a_page_is_a_value() {
    let page = "<html lang=en><meta name=description content=D><title>Acme</title><p>Hello <b>you</b><a href=/b>B</a>";
    let web = Web::serve(&[("acme.test/a?b=c", ok("text/html; charset=utf-8", page))]).await;
    let outcome = outcome(&web.tool(open()), "http://ACME.test/a?b=c#d").await;
    assert_eq!(outcome.raw.as_deref(), Some(page.as_bytes()));
    let value = outcome.answer.unwrap();
    assert_eq!(value.to_json(), concat!(
        r#"{"bytes":101,"charset":"utf-8","content_type":"text/html; charset=utf-8","description":"D","#,
        r#""final_url":"http://acme.test/a?b=c","generator":"","json_ld":[],"lang":"en","#,
        r#""links":[{"rel":"","text":"B","url":"http://acme.test/b"}],"open_graph":{},"redirects":[],"refresh":"","#,
        r#""robots":{"allowed":true,"rule":""},"sha256":"SHA","status":200,"text":"Hello youB","title":"Acme","#,
        r#""truncated":false,"url":"http://ACME.test/a?b=c#d"}"#,
    ).replace("SHA", text(&value, "sha256")));
    assert_eq!(text(&value, "sha256").len(), 64);
    assert_eq!(web.asked(), ["acme.test/robots.txt", "acme.test/a?b=c"]);
}

#[tokio::test]
async fn what_robots_txt_forbids_is_never_asked_for() {
    let robots = "user-agent: surefoot-test\ndisallow: /private\nuser-agent: *\ndisallow: /\n";
    let web = Web::serve(&[
        ("acme.test/robots.txt", ok("text/plain", robots)),
        ("acme.test/", ok("text/html", "fine")),
        ("acme.test/on", moved("/private/x")),
        ("closed.test/robots.txt", answer("503 Service Unavailable", "", b"")),
        ("moved.test/robots.txt", moved("http://acme.test/robots.txt")),
        ("away.test/robots.txt", moved("http://169.254.169.254/robots.txt")),
        ("turning.test/robots.txt", moved("http://turning.test/robots.txt")),
    ])
    .await;
    let tool = web.tool(open());
    assert_eq!(text(&read(&tool, "http://acme.test/").await, "text"), "fine");
    for url in [
        "http://acme.test/private/a",
        "http://acme.test/on",
        "http://closed.test/",
        "http://moved.test/private",
        "http://away.test/",
    ] {
        let value = read(&tool, url).await;
        assert_eq!((text(&value, "text"), json(&value, "status").as_str()), ("", "0"), "{url}");
        assert!(json(&value, "robots").starts_with(r#"{"allowed":false,"rule":""#), "{url}");
    }
    let value = read(&tool, "http://acme.test/private/a").await;
    assert_eq!(json(&value, "robots"), r#"{"allowed":false,"rule":"disallow: /private"}"#);
    assert_eq!(
        json(&read(&tool, "http://closed.test/").await, "robots"),
        r#"{"allowed":false,"rule":"robots.txt answered 503"}"#
    );
    let value = read(&tool, "http://acme.test/on").await;
    assert_eq!(text(&value, "final_url"), "http://acme.test/private/x");
    assert_eq!(json(&value, "redirects"), r#"[{"status":302,"to":"http://acme.test/private/x"}]"#);
    assert_eq!(json(&read(&tool, "http://turning.test/").await, "status"), "404", "as if it had none");
    let asked = web.asked();
    assert!(!asked.iter().any(|at| at.contains("private")), "{asked:?}");
    for once in ["acme.test/robots.txt", "closed.test/robots.txt"] {
        // `moved.test` asks acme.test for its own.
        let count = asked.iter().filter(|at| *at == once).count();
        assert!(count <= 2, "{once} was asked for {count} times");
    }
}

#[tokio::test]
async fn redirects_are_followed_a_few_times_and_each_is_checked() {
    let web = Web::serve(&[
        ("acme.test/1", moved("2")),
        ("acme.test/2", answer("301 Moved", "location: http://other.test/3\r\n", b"")),
        ("other.test/3", moved("//acme.test/4")),
        ("acme.test/4", ok("text/html", "there")),
        ("acme.test/0", moved("1")),
        ("acme.test/nowhere", answer("302 Found", "", b"")),
    ])
    .await;
    let tool = web.tool(open());
    let value = read(&tool, "http://acme.test/1").await;
    assert_eq!((text(&value, "text"), text(&value, "final_url")), ("there", "http://acme.test/4"));
    assert_eq!(
        json(&value, "redirects"),
        r#"[{"status":302,"to":"http://acme.test/2"},{"status":301,"to":"http://other.test/3"},{"status":302,"to":"http://acme.test/4"}]"#
    );
    let value = read(&tool, "http://acme.test/0").await;
    assert_eq!((json(&value, "status").as_str(), text(&value, "text")), ("302", ""), "one too many");
    assert_eq!(json(&read(&tool, "http://acme.test/nowhere").await, "status"), "302");
    let none = web.tool(Page { most_redirects: 0, ..open() });
    assert_eq!(json(&read(&none, "http://acme.test/1").await, "status"), "302");
    let listed = Hosts::Listed(vec![HostPattern::parse("acme.test").unwrap()]);
    let (kind, phase, detail) = failed(&web.tool(Page { hosts: listed, ..open() }), "http://acme.test/1").await;
    assert_eq!((kind, phase), (FailureKind::ToolRejected, Phase::Answered));
    assert_eq!(
        detail,
        "`web.read` may not go where http://acme.test/2 redirects to: the host `other.test` is not one that this tool may ask"
    );
}

#[tokio::test]
#[expect(clippy::print_stdout, reason = "the figures of this test")]
async fn s5_no_chain_of_redirects_reaches_what_may_not_be_asked() {
    let count = Arc::new(AtomicUsize::new(0));
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let counter = count.clone();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let targets = [
        "http://127.0.0.1:PORT/",
        "http://127.1:PORT/",
        "http://2130706433:PORT/",
        "http://0x7f.1:PORT/",
        "http://0:PORT/",
        "http://[::1]:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/",
        "http://[64:ff9b::7f00:1]:PORT/",
        "http://loop.evil:PORT/",
        "http://mixed.evil:PORT/",
        "//127.0.0.1:PORT/",
        "\\\\127.0.0.1:PORT\\",
        "http:\\/127.0.0.1:PORT/",
        "http://a@127.0.0.1:PORT/",
        "http://169.254.169.254/latest/",
        "http://other.test:PORT/",
        "https://other.test/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:PORT/",
        "http://\u{ff11}27.0.0.1:PORT/",
    ];
    let targets: Vec<String> = targets.iter().map(|target| target.replace("PORT", &port.to_string())).collect();
    let mut pages = Vec::new();
    for (at, target) in targets.iter().enumerate() {
        pages.push((format!("acme.test/{at}"), moved(&format!("http://other.test/{at}"))));
        pages.push((format!("other.test/{at}"), moved(target)));
    }
    let pages: Vec<(&str, Vec<u8>)> = pages.iter().map(|(at, page)| (at.as_str(), page.clone())).collect();
    let web = Web::serve(&pages).await;
    let tool = web.tool(Page { ports: vec![80, 443, port], ..open() });
    let mut refused = 0;
    for (at, target) in targets.iter().enumerate() {
        for url in [format!("http://acme.test/{at}"), format!("http://other.test/{at}")] {
            let (kind, phase, detail) = failed(&tool, &url).await;
            assert_eq!((kind, phase), (FailureKind::ToolRejected, Phase::Answered), "{target}: {detail}");
            refused += 1;
        }
    }
    let reached = count.load(Ordering::SeqCst);
    println!("S5: {refused} chains of redirects refused; connections to the listener: {reached}");
    assert_eq!(reached, 0);
}

#[tokio::test]
async fn a_page_that_is_not_there_or_no_page_is_a_value_without_a_text() {
    let web = Web::serve(&[
        ("acme.test/500", answer("500 Oops", "content-type: text/html\r\n", b"<p>trace")),
        ("acme.test/pdf", ok("application/pdf", "%PDF")),
        ("acme.test/empty", answer("204 No Content", "", b"")),
        ("acme.test/plain", ok("text/plain", "a  b\r\n\r\n c\n")),
    ])
    .await;
    let tool = web.tool(open());
    for (path, status) in [("none", "404"), ("500", "500"), ("pdf", "200"), ("empty", "204")] {
        let value = read(&tool, &format!("http://acme.test/{path}")).await;
        assert_eq!((json(&value, "status").as_str(), text(&value, "text")), (status, ""), "{path}");
        assert_eq!(json(&value, "robots"), r#"{"allowed":true,"rule":""}"#);
    }
    assert_eq!(text(&read(&tool, "http://acme.test/pdf").await, "content_type"), "application/pdf");
    assert_eq!(text(&read(&tool, "http://acme.test/plain").await, "text"), "a b\nc");
}

#[tokio::test]
async fn a_body_is_read_up_to_its_limit_after_decompression() {
    // 1 MB of the letter `a`, compressed to about a thousand bytes.
    const BOMB: &[u8] = include_bytes!("../../../testdata/million.gz");
    let web = Web::serve(&[
        ("acme.test/bomb", answer("200 OK", "content-type: text/html\r\ncontent-encoding: gzip\r\n", BOMB)),
        ("acme.test/broken", answer("200 OK", "content-type: text/html\r\ncontent-encoding: gzip\r\n", b"no gzip")),
        ("acme.test/exact", ok("text/plain", &"x".repeat(100_000))),
        ("acme.test/cut", b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 50\r\n\r\nhalf".to_vec()),
        ("acme.test/nothing", Vec::new()),
    ])
    .await;
    let tool = web.tool(open());
    let value = read(&tool, "http://acme.test/bomb").await;
    assert_eq!((json(&value, "bytes").as_str(), json(&value, "truncated").as_str()), ("100000", "true"));
    assert_eq!(text(&value, "text").len(), 100_000);
    assert_eq!(json(&read(&tool, "http://acme.test/exact").await, "truncated"), "false");
    for (path, end) in [
        ("broken", "the answer 200 OK to `web.read` cannot be read to its end: Invalid gzip header"),
        ("cut", "the answer 200 OK to `web.read` cannot be read to its end: end of file before message length reached"),
        ("nothing", "connection closed before message completed"),
    ] {
        let (kind, phase, detail) = failed(&tool, &format!("http://acme.test/{path}")).await;
        assert_eq!((kind, phase), (FailureKind::ToolError, Phase::MaybeSent), "{path}");
        assert!(detail.ends_with(end), "{detail}");
    }
}

#[tokio::test]
async fn the_guards_no_is_a_rejection_and_no_network_is_an_error() {
    let web = Web::serve(&[]).await;
    let tool =
        web.tool_with(open(), Table::new(&[("loop.evil", &[&["127.0.0.1"]]), ("mixed.evil", &[&["1.1.1.1", "::1"]])]));
    for (url, why) in [
        ("http://127.0.0.1/", "`127.0.0.1` is at 127.0.0.1, which is a loopback address"),
        ("http://loop.evil/", "`loop.evil` is at 127.0.0.1, which is a loopback address"),
        ("http://mixed.evil/", "`mixed.evil` is at ::1, which is a loopback address"),
        ("ftp://acme.test/", "`acme.test` is a host of the demonstration: it is asked by `http:` and without a port"),
        ("acme", "`acme` is no absolute URL of a host: relative URL without a base"),
    ] {
        let (kind, phase, detail) = failed(&tool, url).await;
        assert_eq!((kind, phase), (FailureKind::ToolRejected, Phase::Inside), "{url}");
        assert_eq!(detail, format!("`web.read` may not go there: {why}"));
    }
    let (kind, phase, detail) = failed(&tool, "http://nobody.evil/").await;
    assert_eq!((kind, phase), (FailureKind::ToolError, Phase::NotSent));
    assert_eq!(detail, "`web.read` could not connect to http://nobody.evil: no such name: nobody.evil");
    let failure = tool.perform("web", "list", b"{}").await.answer.unwrap_err();
    assert_eq!((failure.kind, failure.phase), (FailureKind::Internal, Phase::Inside));
    let failure = tool.perform("web", "read", b"{}").await.answer.unwrap_err();
    assert_eq!((failure.kind, failure.phase), (FailureKind::InvalidArguments, Phase::Inside));
    assert!(web.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn requests_to_one_host_wait_for_their_turn_and_the_wait_is_no_timeout() {
    let web = Web::serve(&[]).await;
    let tool = web.tool(Page { delay: Some(Span::from_millis(4000)), ..open() });
    let begun = Instant::now();
    for _ in 0..2 {
        tool.turn("acme.test").await;
        tool.turn("other.test").await;
    }
    assert_eq!(begun.elapsed().as_secs(), 4);
    tool.turn("acme.test").await;
    assert_eq!(begun.elapsed().as_secs(), 8);
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_for_the_same_robots_txt_wait_together() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let operations = BTreeMap::from([("read".into(), Span::from_millis(300))]);
    let tool = PageTool::new(&open(), operations, Table::new(&[]), Some(demo(address))).unwrap();
    let begun = Instant::now();
    let calls = (0..20).map(|_| failed(&tool, "http://acme.test/"));
    let all = futures_util::future::join_all(calls).await;
    assert!(all.iter().all(|(kind, _, _)| *kind == FailureKind::ToolTimeout));
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}: one after the other would take six", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_site_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let operations = BTreeMap::from([("read".into(), Span::from_millis(200))]);
    let tool = PageTool::new(&open(), operations, Table::new(&[]), Some(demo(address))).unwrap();
    let (kind, phase, detail) = failed(&tool, "http://acme.test/").await;
    assert_eq!((kind, phase), (FailureKind::ToolTimeout, Phase::MaybeSent));
    assert_eq!(detail, "`web.read` got no answer from http://acme.test within 200ms");
}
