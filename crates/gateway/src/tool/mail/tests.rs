use std::sync::Mutex;

use kernel::{ids::RunId, values::Timestamp};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

use super::*;
use crate::secret::Secret;

/// What a server says instead of yes: to a line that begins so. `.` is the end of the letter, nothing closes the connection.
type Says = (&'static str, Option<&'static str>);

/// A server of one connection, and what it was told.
struct TestServer {
    url: String,
    told: Arc<Mutex<String>>,
    done: oneshot::Receiver<()>,
}

impl TestServer {
    async fn start(says: &'static [Says]) -> TestServer {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("smtp://{}", listener.local_addr().unwrap());
        let (told, (over, done)) = (Arc::new(Mutex::new(String::new())), oneshot::channel());
        let heard = told.clone();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            talk(stream, says, &heard).await;
            let _ = over.send(());
        });
        TestServer { url, told, done }
    }

    /// All that it was told, once the connection is over.
    async fn told(self) -> String {
        self.done.await.unwrap();
        let told = self.told.lock().unwrap();
        told.clone()
    }
}

async fn talk(stream: TcpStream, says: &[Says], heard: &Mutex<String>) {
    let mut stream = BufReader::new(stream);
    let usual = |line: &str| match line.get(..4).unwrap_or(line) {
        "" => "220 mail.example\r\n",
        "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN\r\n",
        "AUTH" => "235 hello\r\n",
        "DATA" => "354 go\r\n",
        "QUIT" => "221 bye\r\n",
        _ => "250 2.0.0 queued as 7\r\n",
    };
    let (mut line, mut body) = (String::new(), false);
    loop {
        let said =
            says.iter().find(|(begin, _)| if begin.is_empty() { line.is_empty() } else { line.starts_with(begin) });
        let reply = match said {
            Some((_, reply)) => *reply,
            None => Some(usual(&line)),
        };
        let Some(reply) = reply else { return };
        if !body || line == ".\r\n" {
            stream.write_all(reply.as_bytes()).await.unwrap();
            body = line.starts_with("DATA") && reply.starts_with("354");
        }
        line.clear();
        if stream.read_line(&mut line).await.unwrap_or(0) == 0 {
            return;
        }
        heard.lock().unwrap().push_str(&line);
    }
}

fn key() -> IdempotencyKey {
    IdempotencyKey::derive(RunId::new(Timestamp::from_micros(0), [1; 10]), &"send".into(), 0)
}

fn template(text: &str) -> Template {
    Template::compile(&kernel::yaml::parse(&"tools/m.yaml".into(), text).unwrap()).unwrap()
}

fn letter_operation() -> MailOperation {
    MailOperation {
        to: template("=with.to"),
        subject: Text::compile("Hello {{ with.name }}").unwrap(),
        text: Text::compile("{{ with.body }}").unwrap(),
        reply_to: None,
        timeout: Span::from_millis(5000),
    }
}

fn spec(url: &str, operation: MailOperation) -> MailSpec {
    MailSpec {
        smtp: url.to_owned(),
        from: "Support <support@shop.example>".to_owned(),
        login: None,
        plain: false,
        operations: BTreeMap::from([("send".into(), operation)]),
        now: Arc::new(|| Timestamp::parse("2026-03-01T12:00:00Z").unwrap()),
    }
}

fn tool(spec: MailSpec) -> Result<MailTool, BadMailTool> {
    let secrets = BTreeMap::from([("smtp".to_owned(), Secret::new("hunter2-hunter2"))]);
    MailTool::new(spec, Arc::new(secrets))
}

const ONE: &str = r#"{"to":"ann@b.example","name":"Zoë","body":"One.\n.\nTwo."}"#;

async fn call(tool: &MailTool, input: &str) -> Outcome {
    let input = Value::from_json(input.as_bytes()).unwrap().to_jcs();
    tool.perform("mail", "send", &input, &key()).await
}

/// What comes of one letter to two people, and what the server was told.
async fn sent(says: &'static [Says]) -> (Outcome, String) {
    let server = TestServer::start(says).await;
    let tool = tool(spec(&server.url, letter_operation())).unwrap();
    let input = r#"{"to":["ann@b.example","Bo <bo@c.example>"],"name":"you","body":"Hi"}"#;
    let outcome = call(&tool, input).await;
    (outcome, server.told().await)
}

fn how(outcome: &Outcome) -> (FailureKind, Phase) {
    let failure = outcome.answer.as_ref().unwrap_err();
    (failure.kind, failure.phase)
}

#[tokio::test]
async fn a_letter_is_handed_over_once_and_its_id_is_our_key() {
    let server = TestServer::start(&[]).await;
    let operation = MailOperation {
        reply_to: Some(Text::compile("case+{{ with.name | length }}@shop.example").unwrap()),
        ..letter_operation()
    };
    let login = Some(("me".to_owned(), "secret://smtp".to_owned()));
    let tool = tool(MailSpec { login, ..spec(&server.url, operation) }).unwrap();
    let outcome = call(&tool, ONE).await;
    let id = format!("<{}@shop.example>", key());
    assert_eq!(outcome.answer.unwrap().to_json(), format!(r#"{{"accepted":["ann@b.example"],"message_id":"{id}"}}"#));
    assert_eq!(outcome.raw.as_deref(), Some(b"2.0.0 queued as 7".as_slice()));
    let told = server.told().await;
    expect_test::expect![[r#"
        EHLO [127.0.0.1]
        AUTH PLAIN AG1lAGh1bnRlcjItaHVudGVyMg==
        MAIL FROM:<support@shop.example>
        RCPT TO:<ann@b.example>
        DATA
        From: Support <support@shop.example>
        Date: Sun, 01 Mar 2026 12:00:00 +0000
        Message-ID: <KEY@shop.example>
        Subject: Hello =?utf-8?b?Wm/Dqw==?=
        Content-Type: text/plain; charset=utf-8
        To: ann@b.example
        Reply-To: case+3@shop.example
        Content-Transfer-Encoding: 7bit

        One.
        ..
        Two.
        .
        QUIT
    "#]]
    .assert_eq(&told.replace("\r\n", "\n").replace(key().as_str(), "KEY"));
}

#[tokio::test]
async fn before_the_letter_nothing_was_sent() {
    use FailureKind::{ToolError, ToolRejected};
    use Phase::{Answered, NotSent};
    const CASES: &[(&[Says], FailureKind, Phase)] = &[
        (&[("", None)], ToolError, NotSent),
        (&[("", Some("554 not now\r\n"))], ToolError, NotSent),
        (&[("", Some("HTTP/1.1 400 Bad Request\r\n\r\n"))], ToolError, NotSent),
        (&[("EHLO", None)], ToolError, NotSent),
        (&[("MAIL", Some("451 later\r\n"))], ToolError, NotSent),
        (&[("MAIL", Some("550 not you\r\n"))], ToolRejected, Answered),
        (&[("RCPT TO:<bo@c.example>", Some("450 greylisted\r\n"))], ToolError, NotSent),
        (&[("RCPT TO:<bo@c.example>", Some("550 no such user\r\n"))], ToolRejected, Answered),
        (&[("RCPT", Some("354 what\r\n"))], ToolError, NotSent),
        (&[("RCPT", None)], ToolError, NotSent),
        (&[("DATA", None)], ToolError, NotSent),
        (&[("DATA", Some("451 disk full\r\n"))], ToolError, NotSent),
        (&[("DATA", Some("554 no\r\n"))], ToolRejected, Answered),
        (&[("DATA", Some("250 what\r\n"))], ToolError, NotSent),
    ];
    for (says, kind, phase) in CASES {
        let (outcome, told) = sent(says).await;
        assert_eq!(how(&outcome), (*kind, *phase), "{says:?}");
        assert!(!told.contains("Subject"), "{says:?}: {told}");
        assert_eq!(told.matches("EHLO").count(), usize::from(!says[0].0.is_empty()), "{says:?}: {told}");
    }
    let (outcome, _) = sent(&[("RCPT TO:<bo@c.example>", Some("550 5.1.1 <b>no such user</b>\r\n"))]).await;
    let detail = outcome.answer.unwrap_err().detail;
    assert!(detail.ends_with("answered 550 to the recipient `bo@c.example`"), "{detail}");
    assert_eq!(outcome.raw.as_deref(), Some(b"5.1.1 <b>no such user</b>".as_slice()));
}

#[tokio::test]
async fn after_its_first_byte_only_the_servers_word_counts() {
    use FailureKind::{ToolError, ToolRejected};
    use Phase::{Answered, MaybeSent};
    const CASES: &[(&[Says], FailureKind, Phase)] = &[
        (&[(".\r\n", None)], ToolError, MaybeSent),
        (&[("Subject", None)], ToolError, MaybeSent),
        (&[(".\r\n", Some("25"))], ToolError, MaybeSent),
        (&[(".\r\n", Some("354 more\r\n"))], ToolError, MaybeSent),
        (&[(".\r\n", Some("451 later\r\n"))], ToolError, Answered),
        (&[(".\r\n", Some("554 spam\r\n"))], ToolRejected, Answered),
    ];
    for (says, kind, phase) in CASES {
        // A half answer is one after which the connection is closed.
        let (outcome, told) = if says[0].1 == Some("25") { half().await } else { sent(says).await };
        assert_eq!(how(&outcome), (*kind, *phase), "{says:?}");
        assert_eq!(told.matches("MAIL").count(), 1, "{says:?}: {told}");
    }
    let (outcome, _) = sent(&[("QUIT", None)]).await;
    assert!(outcome.answer.is_ok(), "a server that does not say goodbye has the letter");
}

/// A server that dies in the middle of its last word.
async fn half() -> (Outcome, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut told = String::new();
        for (reply, until) in [("220", "\r\n"), ("250", "\r\n"), ("250", "\r\n"), ("250", "\r\n"), ("354", "\r\n.\r\n")]
        {
            stream.write_all(format!("{reply} x\r\n").as_bytes()).await.unwrap();
            let (mut buffer, mut heard) = ([0; 4096], String::new());
            while !heard.ends_with(until) {
                let count = stream.read(&mut buffer).await.unwrap();
                heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            told.push_str(&heard);
        }
        stream.write_all(b"25").await.unwrap();
        told
    });
    let outcome = call(&tool(spec(&url, letter_operation())).unwrap(), ONE).await;
    (outcome, served.await.unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let outcome = call(&tool(spec(&url, letter_operation())).unwrap(), ONE).await;
    assert_eq!(how(&outcome), (FailureKind::ToolTimeout, Phase::NotSent));
    assert!(outcome.answer.unwrap_err().detail.ends_with("within 5s"));
}

#[tokio::test]
async fn where_nothing_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["smtp", "smtps"] {
        let outcome = call(&tool(spec(&format!("{scheme}://{address}"), letter_operation())).unwrap(), ONE).await;
        assert_eq!(how(&outcome), (FailureKind::ToolError, Phase::NotSent));
        assert!(outcome.answer.unwrap_err().detail.contains(&address.to_string()));
    }
}

#[tokio::test]
async fn where_encryption_cannot_be_had_nothing_is_told() {
    let server = TestServer::start(&[]).await;
    let login = Some(("me".to_owned(), "secret://smtp".to_owned()));
    let mut tool = tool(MailSpec { login, ..spec(&server.url, letter_operation()) }).unwrap();
    // As if the server were elsewhere.
    tool.server.way = Way::StartTls;
    let outcome = call(&tool, ONE).await;
    assert_eq!(how(&outcome), (FailureKind::ToolError, Phase::NotSent));
    drop(outcome);
    assert_eq!(server.told().await, "EHLO [127.0.0.1]\r\n");

    let server = TestServer::start(&[]).await;
    let tool = self::tool(spec(&server.url.replace("smtp:", "smtps:"), letter_operation())).unwrap();
    assert_eq!(how(&call(&tool, ONE).await), (FailureKind::ToolError, Phase::NotSent));
}

#[tokio::test]
async fn a_password_does_not_come_back() {
    let server =
        TestServer::start(&[("AUTH", Some("535 no AUTH PLAIN AG1lAGh1bnRlcjItaHVudGVyMg== hunter2-hunter2\r\n"))])
            .await;
    let login = Some(("me".to_owned(), "secret://smtp".to_owned()));
    let tool = tool(MailSpec { login, ..spec(&server.url, letter_operation()) }).unwrap();
    let outcome = call(&tool, ONE).await;
    assert_eq!(how(&outcome), (FailureKind::ToolRejected, Phase::Answered));
    assert_eq!(outcome.raw.as_deref(), Some(b"no AUTH PLAIN [secret] [secret]".as_slice()));
}

#[tokio::test]
async fn what_is_no_letter_is_not_sent() {
    let tool = tool(spec("smtp://127.0.0.1:9", letter_operation())).unwrap();
    for (input, why) in [
        (r#"{"to":[],"name":"x","body":""}"#, "`to` is an empty list"),
        (r#"{"to":7,"name":"x","body":""}"#, "`to` holds a number, no address"),
        (r#"{"to":["a@b.example",null],"name":"x","body":""}"#, "`to` holds none, no address"),
        (r#"{"to":"a@b.example, c@d.example","name":"x","body":""}"#, "is not one address"),
        (r#"{"to":"a@b.example\r\nBcc: c@d.example","name":"x","body":""}"#, "holds a line end"),
        (r#"{"to":"a@b.example","name":"x\r\nBcc: c@d.example","body":""}"#, "`subject` would hold a line end"),
        (r#"{"to":"a@b.example","name":"x\nBcc: c@d.example","body":""}"#, "`subject` would hold a line end"),
        (r#"{"to":"a@b.example","name":"x"}"#, "body"),
    ] {
        let failure = call(&tool, input).await.answer.unwrap_err();
        assert_eq!((failure.kind, failure.phase), (FailureKind::InvalidArguments, Phase::Inside), "{input}");
        assert!(failure.detail.contains(why), "{input}: {}", failure.detail);
    }
    let many: Vec<String> = (0..101).map(|n| format!("\"a{n}@b.example\"")).collect();
    let many = format!(r#"{{"to":[{}],"name":"x","body":""}}"#, many.join(","));
    assert!(call(&tool, &many).await.answer.unwrap_err().detail.contains("at most 100"));
}

#[tokio::test]
async fn no_text_ends_the_letter_early() {
    for body in ["a\n.\nMAIL FROM:<x@y.example>", "a\r\n.\r\nMAIL", "a\n.\r\nMAIL", "a\r.\rMAIL", "a\r\n.\rMAIL", ".\n"]
    {
        let server = TestServer::start(&[]).await;
        let tool = tool(spec(&server.url, letter_operation())).unwrap();
        let with = Value::map([("to", "a@b.example".into()), ("name", "x".into()), ("body", Value::text(body))]);
        assert!(call(&tool, &with.to_json()).await.answer.is_ok());
        let told = server.told().await;
        assert_eq!(told.matches("\r\n.\r\n").count(), 1, "{body:?}: {told:?}");
        assert!(told.ends_with("\r\n.\r\nQUIT\r\n"), "{body:?}: {told:?}");
        let letter = told.split("\r\n\r\n").nth(1).unwrap();
        assert!(!letter.replace("\r\n", "").contains(['\r', '\n']), "{body:?}: {letter:?}");
    }
}

#[test]
fn what_the_operator_wrote_is_checked() {
    let set_up = |smtp: &str, plain, login: bool| {
        let login = login.then(|| ("me".to_owned(), "secret://smtp".to_owned()));
        tool(MailSpec { plain, login, ..spec(smtp, letter_operation()) }).map(|tool| tool.server)
    };
    let way = |smtp: &str, plain| set_up(smtp, plain, false).map(|server| (server.way, server.to_string())).unwrap();
    assert_eq!(way("smtps://mail.example", false), (Way::Tls, "mail.example:465".to_owned()));
    assert_eq!(way("smtp://mail.example", false), (Way::StartTls, "mail.example:587".to_owned()));
    assert_eq!(way("smtp://mail.example:25", true), (Way::Plain, "mail.example:25".to_owned()));
    for here in ["127.0.0.1", "localhost", "[::1]"] {
        assert_eq!(way(&format!("smtp://{here}:1025"), false), (Way::Plain, format!("{here}:1025")));
    }
    assert_eq!(way("smtp://127.0.0.1.evil.example", false).0, Way::StartTls);
    let refused = |smtp: &str, plain, login| set_up(smtp, plain, login).unwrap_err().to_string();
    assert!(refused("smtp://mail.example", true, true).contains("a password does not go there unencrypted"));
    assert!(!refused("smtp://me:hunter2@mail.example", false, false).contains("hunter2"));
    for wrong in
        ["mail.example", "mail.example:25", "https://mail.example", "smtp://", "smtp://a/b", "smtp://a?tls=no", ""]
    {
        assert!(refused(wrong, false, false).starts_with("the mail server `"), "{wrong}");
    }
    let from = MailSpec { from: "Support".to_owned(), ..spec("smtp://localhost", letter_operation()) };
    assert!(tool(from).err().unwrap().to_string().starts_with("the sender `Support` is not one address"));
    let other = MailOperation { subject: Text::compile("{{ input.x }}").unwrap(), ..letter_operation() };
    let refused = tool(spec("smtp://localhost", other)).err().unwrap().to_string();
    assert_eq!(refused, "`send` reads `input`, and a letter is made from `with` alone");
}
