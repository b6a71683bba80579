use std::sync::atomic::{AtomicI64, Ordering};

use kernel::values::Timestamp;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpListener,
};
use wiremock::{Mock, MockServer, ResponseTemplate, matchers};

use super::*;
use crate::secret::Secret;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn secrets() -> Arc<dyn Secrets> {
    Arc::new(BTreeMap::from([("hook".to_owned(), Secret::new(KEY))]))
}

fn now() -> Now {
    let clock = AtomicI64::new(1_614_265_330);
    Arc::new(move || Timestamp::from_micros(clock.fetch_add(1, Ordering::SeqCst) * 1_000_000))
}

fn message() -> Message {
    let body = Value::map([("news", "approval_asked".into()), ("subject", "Please".into()), ("text", "Decide".into())]);
    Message { id: "msg_00ff".into(), news: "approval_asked".into(), body }
}

#[tokio::test]
async fn a_message_is_signed_and_every_sending_has_the_same_id() {
    let server = MockServer::start().await;
    let refused = Mock::given(matchers::path("/in")).respond_with(ResponseTemplate::new(500)).up_to_n_times(1);
    refused.mount(&server).await;
    Mock::given(matchers::path("/in")).respond_with(ResponseTemplate::new(204)).mount(&server).await;
    let around = (secrets(), now(), HttpClient::new().unwrap());
    let channel = WebhookChannel::new(format!("{}/in", server.uri()), vec!["secret://hook".into()], around).unwrap();
    let failure = channel.send(&message()).await.unwrap_err();
    assert!(failure.detail.contains("500"), "{}", failure.detail);
    channel.send(&message()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let header = |nth: usize, name: &str| requests[nth].headers.get(name).unwrap().to_str().unwrap().to_owned();
    assert_eq!((header(0, "webhook-id"), header(1, "webhook-id")), ("msg_00ff".into(), "msg_00ff".into()));
    assert_ne!(header(0, "webhook-signature"), header(1, "webhook-signature"), "the time is signed, too");
    let wanted = br#"{"data":{"news":"approval_asked","subject":"Please","text":"Decide"},"type":"approval_asked"}"#;
    assert_eq!((&*requests[0].body, &*requests[1].body), (&wanted[..], &wanted[..]));
}

#[test]
fn an_address_or_a_sender_that_cannot_be_is_refused_before_anything_is_sent() {
    let around = (secrets(), now(), HttpClient::new().unwrap());
    assert!(WebhookChannel::new("ftp://hook".into(), vec!["secret://hook".into()], around).is_err());
    let to = [Arc::from("desk@shop.example")];
    let made = |smtp: &str, from: &str| MailChannel::new(smtp.into(), (from.into(), &to), None, (secrets(), now()));
    assert!(made("smtp://localhost:1025", "Shop <a@shop.example>").is_ok());
    assert!(made("localhost:1025", "a@shop.example").is_err() && made("smtp://localhost:1025", "nobody").is_err());
}

/// A mail server that takes everything; gives the letters that it was handed.
async fn mail_server(letters: usize) -> (String, tokio::task::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("smtp://{}", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let mut all = Vec::new();
        for _ in 0..letters {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            stream.get_mut().write_all(b"220 here\r\n").await.unwrap();
            let (mut letter, mut body, mut line) = (String::new(), false, String::new());
            while stream.read_line(&mut line).await.unwrap_or(0) > 0 {
                let reply = match (body, line.trim_end()) {
                    (true, ".") => {
                        body = false;
                        "250 taken\r\n"
                    }
                    (true, _) => {
                        letter.push_str(&line);
                        ""
                    }
                    (false, "DATA") => {
                        body = true;
                        "354 go\r\n"
                    }
                    (false, "QUIT") => "221 bye\r\n",
                    (false, said) if said.starts_with("EHLO") => "250 here\r\n",
                    (false, _) => "250 fine\r\n",
                };
                stream.get_mut().write_all(reply.as_bytes()).await.unwrap();
                line.clear();
            }
            all.push(letter);
        }
        all
    });
    (url, server)
}

#[tokio::test]
async fn a_letter_has_the_words_and_the_same_message_id_at_each_sending() {
    let (url, server) = mail_server(2).await;
    let to = [Arc::from("desk@shop.example"), Arc::from("ops@shop.example")];
    let channel = MailChannel::new(url, ("Shop <a@shop.example>".into(), &to), None, (secrets(), now())).unwrap();
    for _ in 0..2 {
        channel.send(&message()).await.unwrap();
    }
    let letters = server.await.unwrap();
    let id = |letter: &str| letter.lines().find(|line| line.starts_with("Message-ID")).unwrap().to_owned();
    assert!(id(&letters[0]).contains("msg_00ff"), "{}", letters[0]);
    assert_eq!(id(&letters[0]), id(&letters[1]));
    assert!(letters[0].contains("Subject: Please\r\n") && letters[0].contains("Decide"), "{}", letters[0]);
    assert!(letters[0].contains("desk@shop.example") && letters[0].contains("ops@shop.example"), "{}", letters[0]);
}
