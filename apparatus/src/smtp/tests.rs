use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

use super::*;

struct World {
    address: SocketAddr,
    directory: TempDir,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

impl World {
    async fn new(mode: Treatment) -> World {
        World::again(tempfile::tempdir().unwrap(), Faults { mode, ..Faults::default() }).await
    }

    async fn again(directory: TempDir, faults: Faults) -> World {
        let sink = SmtpSink::open(&directory.path().join("mails"), 0, faults).await.unwrap();
        World { address: sink.address(), directory, serving: tokio::spawn(sink.serve()) }
    }

    fn mails(&self) -> Vec<Mail> {
        Mail::read(&self.directory.path().join("mails")).unwrap()
    }

    /// A connection whose greeting was read.
    async fn connect(&self) -> Client {
        let mut client = Client(BufReader::new(TcpStream::connect(self.address).await.unwrap()));
        assert_eq!(client.reply().await, "220 sink.example ESMTP; nothing is delivered");
        client
    }

    /// Sends one mail of `ann` on a connection of its own; gives the last reply, empty if the connection was closed.
    async fn send(&self) -> String {
        let mut client = self.connect().await;
        client.begin().await;
        client.say("Subject: hi\r\n\r\nHello\r\n.").await
    }
}

struct Client(BufReader<TcpStream>);

impl Client {
    async fn write(&mut self, bytes: &[u8]) {
        self.0.get_mut().write_all(bytes).await.unwrap();
    }

    /// The last line of a reply; empty at the end of the connection.
    async fn reply(&mut self) -> String {
        loop {
            let mut line = String::new();
            // A connection that is reset has ended as well.
            if self.0.read_line(&mut line).await.unwrap_or(0) == 0 {
                return String::new();
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return line.trim_end().to_owned();
            }
        }
    }

    async fn say(&mut self, line: &str) -> String {
        self.write(format!("{line}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// Up to the mail's own bytes.
    async fn begin(&mut self) {
        for (line, code) in [
            ("EHLO me", "250"),
            ("MAIL FROM:<ann@a.example>", "250"),
            ("RCPT TO:<bob@b.example>", "250"),
            ("DATA", "354"),
        ] {
            let said = self.say(line).await;
            assert!(said.starts_with(code), "{line}: {said}");
        }
    }
}

#[tokio::test]
async fn an_acknowledged_mail_stands_in_the_file() {
    let world = World::new(Treatment::Ok).await;
    let mut client = world.connect().await;
    let talk = [
        ("EHLO me", "250 SIZE 33554432"),
        ("mail from:<ann@a.example> SIZE=200 BODY=8BITMIME", "250 go on"),
        ("RCPT TO:<bob@b.example>", "250 go on"),
        ("RCPT TO: <cy@c.example>", "250 go on"),
        ("DATA", "354 end with a dot on a line of its own"),
    ];
    for (line, wanted) in talk {
        assert_eq!(client.say(line).await, wanted);
    }
    let head = "From: Ann\r\nSubject: a long\r\n subject\r\nMESSAGE-ID: <1@a.example>\r\n\r\n";
    let body = "Hello\r\n.hidden dot\r\nBody-Subject: none\r\n\r\nÜ\n.\nno end\r\n";
    let sent = format!("{head}{}", body.replace("\r\n.", "\r\n.."));
    assert_eq!(client.say(&format!("{sent}.")).await, "250 kept");
    let mails = world.mails();
    let mail = &mails[0];
    assert_eq!((mail.n, mail.connection, mail.mode), (1, 1, Treatment::Ok));
    assert_eq!((mail.from.as_str(), mail.to.join(" ").as_str()), ("ann@a.example", "bob@b.example cy@c.example"));
    assert_eq!(mail.message_id.as_deref(), Some("<1@a.example>"));
    assert_eq!((mail.subject.as_deref(), mail.body.as_str()), (Some("a long subject"), body));
    assert_eq!(mail.bytes_sha256, Digest::of(&[format!("{head}{body}").as_bytes()]).to_string());
    assert_eq!(client.say("QUIT").await, "221 goodbye");
    assert_eq!(client.reply().await, "");
}

#[tokio::test]
async fn several_mails_go_over_one_connection_and_all_at_once() {
    let world = World::new(Treatment::Ok).await;
    let mut client = world.connect().await;
    let mail = "MAIL FROM:<>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n\r\nBounced\r\n.\r\n";
    client.write(format!("HELO me\r\n{mail}{mail}NOOP\r\nQUIT\r\n").as_bytes()).await;
    let mut said = String::new();
    client.0.read_to_string(&mut said).await.unwrap();
    let codes: Vec<_> = said.lines().map(|line| &line[..3]).collect();
    assert_eq!(codes, ["250", "250", "250", "354", "250", "250", "250", "354", "250", "250", "221"]);
    let mails = world.mails();
    assert_eq!(mails.iter().map(|mail| mail.n).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(
        (mails[1].from.as_str(), mails[1].subject.as_deref(), mails[1].body.as_str()),
        ("", None, "Bounced\r\n")
    );
    // The next process goes on.
    world.serving.abort();
    let world = World::again(world.directory, Faults::default()).await;
    assert_eq!(world.send().await, "250 kept");
    assert_eq!(world.mails()[2].n, 3);
}

#[tokio::test]
async fn every_mode_does_what_it_says() {
    let table = [
        (Treatment::Ok, "250 kept", 1),
        (Treatment::Busy, "451 come back later, as told", 0),
        (Treatment::DropBefore, "", 0),
        (Treatment::DropAfter, "", 1),
    ];
    for (mode, reply, kept) in table {
        let world = World::new(mode).await;
        assert_eq!((world.send().await.as_str(), world.mails().len()), (reply, kept), "{mode:?}");
        assert!(world.mails().iter().all(|mail| mail.mode == mode));
    }
    let world = World::new(Treatment::RejectRcpt).await;
    let mut client = world.connect().await;
    client.say("EHLO me").await;
    client.say("MAIL FROM:<ann@a.example>").await;
    assert_eq!(client.say("RCPT TO:<bob@b.example>").await, "550 nobody is called <bob@b.example>, as told");
    assert_eq!(client.say("DATA").await, "554 a mail has at least one recipient: RCPT comes first");
    assert!(world.mails().is_empty());
}

#[tokio::test]
async fn a_hanging_mail_is_not_answered_and_others_are() {
    for (mode, kept) in [(Treatment::Hang, 0), (Treatment::HangAfter, 1)] {
        let world = World::new(Treatment::Ok).await;
        let mut client = world.connect().await;
        let name = serde_json::to_value(mode).unwrap();
        assert_eq!(client.say(&format!("XNEXT {}", name.as_str().unwrap())).await, "250 the next mail is treated so");
        client.begin().await;
        let waiting = tokio::spawn(async move { client.say("Hello\r\n.").await });
        while world.mails().len() < kept {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.send().await, "250 kept");
        assert_eq!(world.mails().len(), kept + 1);
        assert!(!waiting.is_finished());
        waiting.abort();
    }
}

#[tokio::test]
async fn chance_is_repeatable() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let faults = Faults { mode: Treatment::Busy, probability: 0.5, seed: 3 };
        let world = World::again(tempfile::tempdir().unwrap(), faults).await;
        let mut kept = Vec::new();
        for _ in 0..20 {
            kept.push(world.send().await == "250 kept");
        }
        assert_eq!(world.mails().len(), kept.iter().filter(|kept| **kept).count());
        seen.push(kept);
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].contains(&true) && seen[0].contains(&false));
}

#[tokio::test]
async fn what_is_no_command_is_told_how_one_looks() {
    let world = World::new(Treatment::Ok).await;
    let mut client = world.connect().await;
    let talk = [
        ("MAIL FROM:<ann@a.example>", "503 EHLO comes first"),
        ("EHLO", "501 say who you are: EHLO name"),
        ("EHLO me", "250 SIZE 33554432"),
        ("RCPT TO:<bob@b.example>", "503 MAIL comes first"),
        ("DATA", "503 MAIL comes first"),
        ("MAIL TO:<ann@a.example>", "501 a mail begins so: MAIL FROM:<address>"),
        ("MAIL FROM:ann@a.example", "501 a mail begins so: MAIL FROM:<address>"),
        ("MAIL FROM:<ann>", "501 <ann> is no address"),
        ("MAIL FROM:<ann@a.example> SIZE=99999999999", "552 a mail has at most 33554432 bytes"),
        ("MAIL FROM:<ann@a.example> SIZE=big", "501 `big` is no size"),
        ("MAIL FROM:<ann@a.example> AUTH=<>", "555 `AUTH` is not known: SIZE, BODY, SMTPUTF8"),
        ("MAIL FROM:<ann@a.example>", "250 go on"),
        ("MAIL FROM:<ann@a.example>", "503 a mail has begun already: RSET forgets it"),
        ("RCPT TO:<>", "501 <> is no address"),
        ("RCPT TO:<bob@b.example\r", "501 a recipient is named so: RCPT TO:<address>"),
        ("RCPT TO:<a\nb@b.example>", "501 <a\nb@b.example> is no address"),
        ("DATA", "554 a mail has at least one recipient: RCPT comes first"),
        ("RCPT TO:<bob@b.example>", "250 go on"),
        ("DATA now", "501 DATA stands alone"),
        ("RSET", "250 forgotten"),
        ("DATA", "503 MAIL comes first"),
        ("XNEXT explode", "501 `explode` is no mode: ok, reject_rcpt, busy, drop_before, drop_after, hang, hang_after"),
        ("", "500 no such command: EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP, QUIT"),
    ];
    for (line, wanted) in talk {
        client.write(format!("{line}\r\n").as_bytes()).await;
        let mut said = client.reply().await;
        // A line feed within an address comes back within the reply.
        if said == "501 <a" {
            said = format!("{said}\n{}", client.reply().await);
        }
        assert_eq!(said, wanted, "{line}");
    }
    client.write(b"\xff\xfe\r\n").await;
    assert_eq!(client.reply().await, "500 a command is UTF-8");
    client.write(&[b'x'; 5000]).await;
    assert_eq!(client.reply().await, "500 a command has at most 4096 bytes, and ends with CRLF");
    assert_eq!(client.reply().await, "");
    // Whoever goes away in the middle of a mail has sent none.
    let mut client = world.connect().await;
    client.begin().await;
    client.write(b"half a mail\r\n").await;
    client.0.get_mut().shutdown().await.unwrap();
    assert_eq!(client.reply().await, "");
    assert!(world.mails().is_empty());
}

#[tokio::test]
async fn a_mail_that_is_too_large_is_refused() {
    let world = World::new(Treatment::Ok).await;
    let mut client = world.connect().await;
    client.begin().await;
    let block = [b"x".repeat(1022), b"\r\n".to_vec()].concat().repeat(1024);
    for _ in 0..32 {
        client.write(&block).await;
    }
    // All that fits, and a few bytes more; the limit comes within the second mail's last CRLF.
    for more in ["x\r\n.\r\n", "xx\r\n.\r\n"] {
        client.write(more.as_bytes()).await;
        assert_eq!(client.reply().await, "552 a mail has at most 33554432 bytes");
        if more.starts_with("x\r") {
            client.begin().await;
            for _ in 0..32 {
                client.write(&block).await;
            }
        }
    }
    assert!(world.mails().is_empty());
    // The session goes on.
    client.begin().await;
    assert_eq!(client.say("Hello\r\n.").await, "250 kept");
    assert_eq!(world.mails()[0].bytes_sha256, Digest::of(&[b"Hello\r\n"]).to_string());
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_before_anything_listens() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mails");
    let open = |faults| SmtpSink::open(&file, 0, faults);
    let why = open(Faults { probability: 2.0, ..Faults::default() }).await.err().unwrap().to_string();
    assert_eq!(why, "`probability` must be from 0 to 1 and is 2");
    std::fs::write(&file, "dear diary\n").unwrap();
    let why = open(Faults::default()).await.err().unwrap().to_string();
    assert!(why.starts_with("line 1 is no mail: "), "{why}");
}
