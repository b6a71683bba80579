//! Signals, and events as CloudEvents: the cases of the conformance suite, and what is refused.

use axum::http::HeaderMap;

use super::*;
use crate::api::CloudEvent;

const SHOP: [(&str, &str); 4] = [
    ("surefoot.yaml", "project: shop\n"),
    ("schemas/order.yaml", "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\n"),
    (
        "workflows/paid.yaml",
        "workflow: paid\ninput: schemas/order.yaml\nresult: { value: =paid.body }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: paid, wait: { event: order.paid, key: =input.id } }\n",
    ),
    (
        "workflows/go.yaml",
        "workflow: go\ninput: schemas/order.yaml\nresult: { value: =go.body }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: go, wait: { signal: go } }\n",
    ),
];

/// Scenarios of the HTTP binding: a request, its attributes, its data.
const FEATURE: &str = include_str!("../../../testdata/cloudevents/http-protocol-binding.feature");

struct Case {
    headers: HeaderMap,
    body: String,
    attributes: Vec<(String, String)>,
    data: Json,
}

/// The scenarios of the feature, once for each of their examples.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for scenario in FEATURE.split("Scenario Outline:").skip(1) {
        let (text, examples) = scenario.split_once("Examples:").expect("a scenario has examples");
        let rows = examples.lines().filter_map(|line| Some(line.trim().strip_prefix('|')?.strip_suffix('|')?.trim()));
        for example in rows.skip(1) {
            let text = text.replace("<contentType>", example);
            let mut parts = text.split("\"\"\"");
            let (_, request, table, data) = (parts.next(), parts.next(), parts.next(), parts.next());
            let lines: Vec<&str> = request.expect("a request").lines().map(str::trim).collect();
            let empty = lines.iter().skip(2).position(|line| line.is_empty()).expect("headers end") + 2;
            let headers = lines[2..empty].iter().filter_map(|line| line.split_once(": "));
            let headers = headers
                .map(|(name, value)| (name.to_lowercase().parse().expect("a name"), value.parse().expect("a value")));
            let attributes = table.expect("a table").lines().filter_map(|line| {
                let (key, value) = line.trim().strip_prefix('|')?.strip_suffix('|')?.split_once('|')?;
                (key.trim() != "key").then(|| (key.trim().to_owned(), value.trim().to_owned()))
            });
            cases.push(Case {
                headers: headers.collect(),
                body: lines[empty..].join("\n"),
                attributes: attributes.collect(),
                data: serde_json::from_str(data.expect("data")).expect("data are JSON"),
            });
        }
    }
    cases
}

#[test]
fn the_http_binding_is_read_as_its_conformance_suite_says() {
    let cases = cases();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let event = CloudEvent::read(&case.headers, case.body.trim().as_bytes()).expect("it is an event");
        assert!(case.attributes.len() >= 6, "{:?}", case.attributes);
        for (name, value) in &case.attributes {
            assert_eq!(event.attribute(name), value, "{name}");
        }
        assert_eq!(event.data.to_serde(), case.data);
    }
}

fn structured(change: impl FnOnce(&mut Json)) -> String {
    let mut event = json!({
        "specversion": "1.0", "type": "order.paid", "id": "e-1", "source": "/shop", "subject": "A-1", "time": "2018-04-05T17:31:00Z",
        "datacontenttype": "application/json", "data": { "cents": 5 }, "comexampleextension": 7
    });
    change(&mut event);
    event.to_string()
}

impl Scene {
    async fn publish(&self, headers: &[(&str, &str)], body: impl Into<String>) -> Heard {
        let bearer = format!("Bearer {TOKEN}");
        let mut all = vec![("authorization", bearer.as_str())];
        all.extend(headers);
        self.send(request("POST", "/api/v1/events", &all, body.into())).await
    }
}

/// What is otherwise in an event.
type Change = fn(&mut Json);

const STRUCTURED: [(&str, &str); 1] = [("content-type", "application/cloudevents+json; charset=UTF-8")];

#[tokio::test]
async fn an_event_wakes_who_waits_for_its_subject_and_counts_once() {
    let scene = scene_with(&SHOP, Gateway::new()).await;
    let (waits, other) = (scene.started("paid", "A-1").await, scene.started("paid", "A-2").await);
    let first = scene.publish(&STRUCTURED, structured(|_| ())).await;
    assert_eq!(
        (first.status, first.json()),
        (StatusCode::ACCEPTED, json!({ "id": "e-1", "source": "/shop", "new": true }))
    );
    assert_eq!(scene.ended(&waits).await, json!({ "cents": 5 }));
    let found = scene.api("GET", "/runs?q=E-1", &Json::Null).await.json();
    assert_eq!((&found["runs"][0]["id"], &found["runs"][0]["found_by"]["kind"]), (&json!(waits), &json!("event")));
    // The same id of the same source is the same event, whatever else it says; of another source it is another.
    let again = scene.publish(&STRUCTURED, structured(|event| event["subject"] = json!("A-2"))).await;
    assert_eq!(again.json()["new"], false);
    let row = scene.runtime.store().run(other.parse().expect("it is an id")).await.expect("it can be read");
    assert_eq!(row.expect("it is there").status, store::Status::Waiting);
    let binary = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-type", "order.paid"),
        ("ce-id", "e-1"),
        ("ce-source", "/other"),
        ("ce-subject", "A%2D2"),
    ];
    assert_eq!(scene.publish(&binary, r#"{"cents": 6}"#).await.json()["new"], true);
    assert_eq!(scene.ended(&other).await, json!({ "cents": 6 }));
}

#[tokio::test]
async fn what_is_no_event_is_told() {
    let scene = scene_with(&SHOP, Gateway::new()).await;
    for name in ["specversion", "id", "source", "type"] {
        for change in [Json::Null, json!(""), json!(7)] {
            let heard = scene.publish(&STRUCTURED, structured(|event| event[name] = change)).await;
            assert_eq!(heard.status, StatusCode::BAD_REQUEST, "{name}");
            assert!(heard.text.contains(name), "{}", heard.text);
        }
    }
    let refused: [(u16, Change); 7] = [
        (400, |event| event["specversion"] = json!("0.3")),
        (400, |event| event["time"] = json!("yesterday")),
        (400, |event| event["Extension"] = json!("x")),
        (400, |event| event["extension"] = json!({ "x": 1 })),
        (400, |event| event["subject"] = json!("a\nb")),
        (415, |event| event["datacontenttype"] = json!("text/xml")),
        (422, |event| event["type"] = json!("Order.Paid")),
    ];
    for (status, change) in refused {
        let heard = scene.publish(&STRUCTURED, structured(change)).await;
        assert_eq!(heard.status.as_u16(), status, "{}", heard.text);
    }
    let bytes = structured(|event| event["data_base64"] = json!("AA=="));
    assert_eq!(scene.publish(&STRUCTURED, bytes).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let batch = [("content-type", "application/cloudevents-batch+json")];
    assert_eq!(scene.publish(&batch, "[]").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let plain = [("content-type", "application/json")];
    let heard = scene.publish(&plain, structured(|_| ())).await;
    assert_eq!(said(&heard), (400, "this is no CloudEvent: there are no `ce-` headers".into()));
    assert_eq!(scene.publish(&STRUCTURED, "[]").await.status, StatusCode::BAD_REQUEST);
    assert_eq!(scene.publish(&STRUCTURED, "{").await.status, StatusCode::BAD_REQUEST);
    let binary = [
        ("ce-id", "1"),
        ("ce-source", "/s"),
        ("ce-specversion", "1.0"),
        ("ce-type", "x"),
        ("content-type", "text/plain"),
    ];
    assert_eq!(scene.publish(&binary, "x").await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let broken = [("ce-id", "%zz"), ("ce-source", "/s"), ("ce-specversion", "1.0"), ("ce-type", "x")];
    assert_eq!(scene.publish(&broken, "").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_signal_counts_once_under_its_key() {
    let scene = scene_with(&SHOP, Gateway::new()).await;
    let run = scene.started("go", "G-1").await;
    let key = [("idempotency-key", "k-1")];
    let send = async |body: Json| scene.keyed("POST", &format!("/runs/{run}/signals/go"), &body, &key).await;
    // Named before the engine could name its own.
    let first = send(json!({ "fast": true })).await;
    assert_eq!((first.status, first.json()), (StatusCode::ACCEPTED, json!({ "new": true })));
    assert_eq!(scene.ended(&run).await, json!({ "fast": true }));
    let late = scene.api("POST", &format!("/runs/{run}/signals/go"), &json!({ "fast": false })).await;
    assert_eq!(late.status, StatusCode::CONFLICT);
    let none = scene.api("POST", "/runs/x/signals/go", &json!({})).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
}
