use std::collections::BTreeMap;

use kernel::ids::Digest;
use reqwest::Client;
use tempfile::TempDir;

use super::*;
use crate::ledger::Line;

mod faults;

/// An object with its keys in order; any other text as it is.
fn sorted(text: &str) -> String {
    let object = serde_json::from_str::<BTreeMap<String, serde_json::Value>>(text);
    object.map_or_else(|_| text.to_owned(), |object| json!(object).to_string())
}

struct World {
    client: Client,
    url: String,
    directory: TempDir,
    serving: tokio::task::JoinHandle<io::Result<()>>,
}

impl World {
    async fn new() -> World {
        World::again(tempfile::tempdir().unwrap()).await
    }

    async fn again(directory: TempDir) -> World {
        World::with(directory, |ledgerd| ledgerd).await
    }

    async fn with(directory: TempDir, set: impl FnOnce(Ledgerd) -> Ledgerd) -> World {
        let ledgerd = set(Ledgerd::open(&directory.path().join("ledger"), 0).await.unwrap());
        let url = ledgerd.url();
        let serving = tokio::spawn(ledgerd.serve());
        World { client: crate::http::client().unwrap(), url, directory, serving }
    }

    /// Stops, and starts on the same file.
    async fn restart(self) -> World {
        self.serving.abort();
        World::again(self.directory).await
    }

    async fn set(&self, setting: serde_json::Value) -> u16 {
        self.put("mode", setting).await.0
    }

    async fn put(&self, what: &str, setting: serde_json::Value) -> (u16, String) {
        let sent = self.client.put(format!("{}/{what}", self.url)).json(&setting).send().await.unwrap();
        (sent.status().as_u16(), sent.text().await.unwrap())
    }

    fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client.get(format!("{}/{path}", self.url))
    }

    fn effect(&self, kind: &str, key: Option<&str>, body: &'static str) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/effect/{kind}", self.url)).body(body);
        match key {
            Some(key) => request.header("Idempotency-Key", key),
            None => request,
        }
    }

    /// Status and body, or the word for what went wrong; and the line that stood in the file at that moment.
    async fn did(&self, request: reqwest::RequestBuilder) -> (String, Line) {
        let said = match request.send().await {
            Ok(response) => {
                let status = response.status().as_u16();
                match response.text().await {
                    Ok(text) => format!("{status} {}", sorted(&text)),
                    Err(_) => format!("{status} cut off"),
                }
            }
            Err(_) => "lost".to_owned(),
        };
        (said, self.file().lines.pop().unwrap())
    }

    fn file(&self) -> Ledger {
        Ledger::read(&self.directory.path().join("ledger")).unwrap()
    }
}

#[tokio::test]
async fn an_answered_effect_stands_in_the_file() {
    let world = World::new().await;
    let (said, line) = world.did(world.effect("refund", Some("k1"), r#"{"amount":5}"#)).await;
    assert_eq!(said, r#"200 {"applied":true,"id":1,"kind":"refund"}"#);
    assert_eq!((line.n, line.method.as_str(), line.path.as_str()), (1, "POST", "/effect/refund"));
    assert_eq!((line.key.as_deref(), line.connection, line.mode), (Some("k1"), 1, Mode::Ok));
    assert_eq!((line.applied, line.status, line.body), (true, 200, json!({"amount": 5})));
    assert_eq!(line.body_sha256, Digest::of(&[br#"{"amount":5}"#]).to_string());
    let served = world.client.get(format!("{}/ledger", world.url)).send().await.unwrap().text().await.unwrap();
    assert_eq!(Ledger::parse(&served).unwrap(), world.file());
}

#[tokio::test]
async fn every_mode_does_what_it_says() {
    let world = World::new().await;
    let good = |n| format!(r#"200 {{"applied":true,"id":{n},"kind":"refund"}}"#);
    let told = |status| format!(r#"{status} {{"error":"as told"}}"#);
    let spent = r#"429 {"error":{"message":"the spend limit is reached","code":"insufficient_quota"}}"#;
    let table = [
        ("ok", good(1), true),
        ("reject_4xx", told(422), false),
        ("fail_before", told(500), false),
        ("fail_after", told(500), true),
        ("drop_before", "lost".to_owned(), false),
        ("drop_after", "lost".to_owned(), true),
        ("slow", good(7), true),
        ("retry_after", told(429), false),
        ("truncated", "200 cut off".to_owned(), true),
        ("spend_limit", spent.to_owned(), false),
        ("limited", told(429), false),
    ];
    for (mode, wanted, applied) in table {
        assert_eq!(world.set(json!({"kind": "*", "mode": mode, "ms": 1})).await, 204);
        let (said, line) = world.did(world.effect("refund", None, "{}")).await;
        assert_eq!((said, line.applied), (wanted, applied), "{mode}");
        assert_eq!(json!(line.mode), json!(mode));
    }
    assert_eq!(world.file().applied_of("refund"), 5);
}

#[tokio::test]
async fn a_hanging_request_is_received_and_not_answered() {
    for (mode, applied) in [("hang", false), ("hang_after", true)] {
        let world = World::new().await;
        world.set(json!({"kind": "refund", "mode": mode})).await;
        let waiting = tokio::spawn(world.effect("refund", Some("k1"), "{}").send());
        while world.file().lines.is_empty() {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.file().lines[0].applied, applied);
        assert!(!waiting.is_finished());
        // Others are still served.
        let (said, _) = world.did(world.effect("mail", Some("k2"), "{}")).await;
        assert_eq!(said, r#"200 {"applied":true,"id":2,"kind":"mail"}"#);
        assert!(!waiting.is_finished());
        waiting.abort();
    }
}

#[tokio::test]
async fn a_wait_is_told_in_seconds() {
    let world = World::new().await;
    world.set(json!({"kind": "*", "mode": "retry_after", "seconds": 7})).await;
    let response = world.effect("refund", None, "{}").send().await.unwrap();
    assert_eq!(response.headers()["retry-after"], "7");
}

#[tokio::test]
async fn the_same_key_is_applied_once() {
    let world = World::new().await;
    let first = world.did(world.effect("refund", Some("k1"), "{}")).await;
    let again = world.did(world.effect("refund", Some("k1"), "{}")).await;
    assert_eq!((first.0.clone(), first.1.applied, again.1.applied), (again.0, true, false));
    for (kind, body) in [("refund", r#"{"other":1}"#), ("mail", "{}")] {
        let (said, line) = world.did(world.effect(kind, Some("k1"), body)).await;
        assert_eq!(said, r#"409 {"error":"this key stands for request 1, which was another"}"#);
        assert_eq!((line.applied, line.status), (false, 409));
    }
    // Also when the first answer was lost, and after a restart of the receiver.
    world.set(json!({"kind": "*", "mode": "drop_after"})).await;
    assert_eq!(world.did(world.effect("refund", Some("k2"), "{}")).await.0, "lost");
    let world = world.restart().await;
    let (said, line) = world.did(world.effect("refund", Some("k2"), "{}")).await;
    assert_eq!((said.as_str(), line.applied), (r#"200 {"applied":true,"id":5,"kind":"refund"}"#, false));
    assert_eq!(world.file().applied(), BTreeMap::from([("k1", 1), ("k2", 1)]));
}

#[tokio::test]
async fn without_deduplication_every_request_counts() {
    let world = World::new().await;
    world.set(json!({"kind": "refund", "dedupe": "off"})).await;
    for _ in 0..2 {
        assert!(world.did(world.effect("refund", Some("k1"), "{}")).await.1.applied);
        world.did(world.effect("mail", Some("k2"), "{}")).await;
    }
    assert_eq!(world.file().applied(), BTreeMap::from([("k1", 2), ("k2", 1)]));
}

#[tokio::test]
async fn reads_and_asks_are_counted_and_change_nothing() {
    let world = World::new().await;
    world.did(world.effect("refund", Some("k1"), "{}")).await;
    let read = |id: &str| world.client.get(format!("{}/read/{id}", world.url));
    assert_eq!(world.did(read("1")).await.0, r#"200 {"found":true,"id":"1","kind":"refund"}"#);
    assert_eq!(world.did(read("k1")).await.0, r#"200 {"found":true,"id":"k1","kind":"refund"}"#);
    assert_eq!(world.did(read("9")).await.0, r#"200 {"found":false,"id":"9","kind":null}"#);
    for n in 1..=2 {
        let (said, line) = world.did(world.client.post(format!("{}/ask", world.url)).body(r#"{"step":"lead"}"#)).await;
        assert_eq!(said, format!(r#"200 {{"asked":{n},"body":{{"step":"lead"}}}}"#));
        assert!(!line.applied);
    }
    assert_eq!((world.file().asks().count(), world.file().effects().count()), (2, 1));
}

#[tokio::test]
async fn chance_is_repeatable() {
    let mut seen = Vec::new();
    for _ in 0..2 {
        let world = World::new().await;
        world.set(json!({"kind": "*", "mode": "fail_before", "probability": 0.5, "seed": 7})).await;
        for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            for _ in 0..2 {
                world.did(world.effect("refund", Some(key), "{}")).await;
            }
        }
        seen.push(world.file().lines.iter().map(|line| line.mode).collect::<Vec<_>>());
    }
    assert_eq!(seen[0], seen[1]);
    assert!(seen[0].contains(&Mode::Ok) && seen[0].contains(&Mode::FailBefore));
}

#[tokio::test]
async fn lines_stand_in_the_order_of_their_numbers() {
    let world = World::new().await;
    let all = (0..64).map(|n| tokio::spawn(world.effect("refund", Some(&format!("k{n}")), "{}").send()));
    for one in all.collect::<Vec<_>>() {
        assert_eq!(one.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(world.file().lines.len(), 64);
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_refused() {
    let world = World::new().await;
    assert_eq!(world.set(json!({"kind": "*", "mode": "explode"})).await, 422);
    assert_eq!(world.set(json!({"mode": "ok"})).await, 422);
    assert_eq!(world.set(json!({"kind": "*", "mode": "ok", "probability": 2.0})).await, 422);
    assert_eq!(world.set(json!({"kind": "*", "mode": "ok", "often": 2.0})).await, 422);
    let (status, why) = world.put("next", json!({"kind": "*", "mode": "ok", "times": 0})).await;
    assert_eq!((status, why.as_str()), (422, r#"{"error":"`times` must be 1 or more"}"#));
    let (status, why) = world.put("plan", json!({"probed": {"hang": 0.7, "drop_after": 0.7}})).await;
    let told = r#"{"error":"chances of `probed` must be from 0 to 1 and are 1.4 in all"}"#;
    assert_eq!((status, why.as_str()), (422, told));
    let (status, why) = world.put("plan", json!({"unsafe": {"hang": 0.7}})).await;
    assert!(status == 422 && why.contains("unknown field `unsafe`, expected one of"), "{why}");
    assert_eq!(world.put("plan", json!("drop everything")).await.0, 422);
}
