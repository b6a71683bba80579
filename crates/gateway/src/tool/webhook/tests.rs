use std::sync::atomic::{AtomicI64, Ordering};

use kernel::{ids::RunId, recovery::Phase, values::Timestamp};
use tokio::net::TcpListener;
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers};

use super::*;
use crate::secret::Secret;

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn key() -> IdempotencyKey {
    IdempotencyKey::derive(RunId::new(Timestamp::from_micros(0), [1; 10]), &"tell".into(), 0)
}

fn tool(url: &str, secrets: &[(&str, &str)], data: Option<&str>) -> Result<WebhookTool, BadHttpTool> {
    let data = data.map(|text| {
        let node = kernel::yaml::parse(&"tools/h.yaml".into(), text).unwrap();
        Template::compile(&node).unwrap()
    });
    let operation = WebhookOperation { event: "invoice.paid".into(), data, timeout: Span::from_millis(2000) };
    // Each sending happens a second later than the one before.
    let clock = AtomicI64::new(1_614_265_330);
    let spec = WebhookSpec {
        url: url.to_owned(),
        secrets: secrets.iter().map(|(name, _)| format!("secret://{name}")).collect(),
        operations: BTreeMap::from([("tell".into(), operation)]),
        now: Arc::new(move || Timestamp::from_micros(clock.fetch_add(1, Ordering::SeqCst) * 1_000_000 + 999_999)),
    };
    let known: BTreeMap<String, Secret> =
        secrets.iter().map(|(name, text)| ((*name).to_owned(), Secret::new(*text))).collect();
    WebhookTool::new(spec, Arc::new(known), HttpClient::new()?)
}

async fn tell(tool: &WebhookTool) -> Outcome {
    tool.perform("hook", "tell", br#"{"cents":5,"id":"i1"}"#, &key()).await
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap()
}

#[test]
fn a_signature_is_the_one_of_the_specification() {
    let signed = sign(KEY, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", br#"{"test": 2432232314}"#);
    assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    for wrong in ["", "whsec_", "whsec_!", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_c2hvcnQ="] {
        assert!(sign(wrong, "a", "1", b"{}").is_err(), "{wrong}");
    }
}

#[tokio::test]
async fn every_sending_has_the_same_body_and_its_own_signatures() {
    let server = MockServer::start().await;
    Mock::given(matchers::method("POST")).respond_with(ResponseTemplate::new(204)).expect(2).mount(&server).await;
    let url = format!("{}/in/hook", server.uri());
    let tool = tool(&url, &[("new", KEY), ("old", OLD)], Some("{ invoice: =with.id, paid: { cents: =with.cents } }"));
    let tool = tool.unwrap();
    for _ in 0..2 {
        assert_eq!(tell(&tool).await.answer.unwrap().to_json(), r#"{"status":204,"text":""}"#);
    }
    let requests = server.received_requests().await.unwrap();
    for (request, seconds) in requests.iter().zip(["1614265330", "1614265331"]) {
        assert_eq!(request.url.path(), "/in/hook");
        assert_eq!(request.body, br#"{"data":{"invoice":"i1","paid":{"cents":5}},"type":"invoice.paid"}"#);
        assert_eq!(header(request, "webhook-id"), key().as_str());
        assert_eq!(header(request, "webhook-timestamp"), seconds);
        assert_eq!(header(request, "content-type"), "application/json");
        let wanted = [KEY, OLD].map(|secret| sign(secret, key().as_str(), seconds, &request.body).unwrap());
        assert_eq!(header(request, "webhook-signature"), wanted.join(" "));
    }
}

#[tokio::test]
async fn without_data_all_arguments_are_told() {
    let server = MockServer::start().await;
    Mock::given(matchers::body_string(r#"{"data":{"cents":5,"id":"i1"},"type":"invoice.paid"}"#))
        .respond_with(ResponseTemplate::new(200).set_body_string(format!("{{\"you\":\"{}\"}}", &KEY[6..])))
        .expect(1)
        .mount(&server)
        .await;
    let outcome = tell(&tool(&server.uri(), &[("hook", KEY)], None).unwrap()).await;
    assert_eq!(outcome.answer.unwrap().to_json(), r#"{"you":"[secret]"}"#);
    assert!(!String::from_utf8_lossy(&outcome.raw.unwrap()).contains(&KEY[6..]));
}

#[tokio::test]
async fn how_far_it_came_is_said_as_for_http() {
    use FailureKind::{ContractViolated, Internal, ToolError, ToolRejected};
    let told = |outcome: Outcome| outcome.answer.map_err(|failure| (failure.kind, failure.phase)).unwrap_err();
    for (status, expected) in [
        (410, (ToolRejected, Phase::Answered)),
        (500, (ToolError, Phase::MaybeSent)),
        (302, (ContractViolated, Phase::Answered)),
    ] {
        let server = MockServer::start().await;
        Mock::given(matchers::any()).respond_with(ResponseTemplate::new(status)).expect(1).mount(&server).await;
        assert_eq!(told(tell(&tool(&server.uri(), &[("hook", KEY)], None).unwrap()).await), expected, "{status}");
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/token-in-the-path", listener.local_addr().unwrap());
    drop(listener);
    let outcome = tell(&tool(&url, &[("hook", KEY)], None).unwrap()).await;
    assert!(!outcome.answer.clone().unwrap_err().detail.contains("token-in-the-path"));
    assert_eq!(told(outcome), (ToolError, Phase::NotSent));
    assert_eq!(told(tell(&tool(&url, &[("hook", "hunter2")], None).unwrap()).await), (Internal, Phase::Inside));
}

#[test]
fn what_the_operator_wrote_is_checked() {
    let refused = |url, data| tool(url, &[("hook", KEY)], data).err().map(|error| error.to_string()).unwrap();
    assert!(refused("https://a.example/?token=x", None).ends_with("must not have a query or a fragment"));
    assert!(refused("https://a.example", Some("=env.X")).contains("reads `env`"));
}
