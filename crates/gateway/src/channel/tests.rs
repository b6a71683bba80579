use std::sync::atomic::{AtomicI64, Ordering};

use kernel::values::Timestamp;
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
