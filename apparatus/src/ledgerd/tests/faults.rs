//! Classes, probes, limits, and the ways to choose a fault.

use super::*;

const HOUR_MS: u64 = 3_600_000;

impl World {
    fn as_class(&self, class: &str, reference: Option<&str>) -> reqwest::RequestBuilder {
        let request = self.client.post(format!("{}/as/{class}/effect/mail", self.url)).body("{}");
        match reference {
            Some(reference) => request.header("Reference", reference),
            None => request,
        }
    }

    /// What a probe says: found, and how many.
    async fn probed(&self, reference: &str) -> (bool, u64) {
        let (said, line) = self.did(self.get(&format!("probe?ref={reference}"))).await;
        let said: serde_json::Value = serde_json::from_str(said.strip_prefix("200 ").unwrap()).unwrap();
        assert_eq!((said["found"].as_bool(), line.reference.as_deref()), (line.found, Some(reference)));
        (line.found.unwrap(), said["count"].as_u64().unwrap())
    }

    /// Every byte of the answer, and its head.
    async fn head(&self, request: reqwest::RequestBuilder) -> (u16, Option<String>) {
        let response = request.send().await.unwrap();
        let wait = response.headers().get("retry-after").map(|wait| wait.to_str().unwrap().to_owned());
        (response.status().as_u16(), wait)
    }
}

#[tokio::test]
async fn only_idempotent_effects_are_applied_once_per_key() {
    for (class, applied) in [("idempotent", 1), ("probed", 2), ("at_most_once", 2), ("read", 0)] {
        let world = World::new().await;
        for _ in 0..2 {
            let sent = world.as_class(class, Some("r1")).header("Idempotency-Key", "k1");
            assert!(world.did(sent).await.0.starts_with("200 "), "{class}");
        }
        let file = world.file();
        assert_eq!(file.applied_of("mail"), applied, "{class}");
        assert_eq!(file.sent_by_reference(), BTreeMap::from([("r1", 2)]), "{class}");
        assert_eq!(file.applied_by_reference().get("r1").copied().unwrap_or(0), applied, "{class}");
        assert_eq!(json!(file.lines[0].class), json!(class));
        assert_eq!(file.effects_of(file.lines[0].class.unwrap()).count(), 2);
    }
}

#[tokio::test]
async fn an_effect_is_found_by_its_reference_wherever_that_stood() {
    let world = World::new().await;
    let url = format!("{}/from/b1-l2/as/probed/effect/mail", world.url);
    world.did(world.client.post(&url).header("Reference", "r1")).await;
    world.did(world.client.post(format!("{url}?ref=r2"))).await;
    let (_, line) = world.did(world.client.post(&url).body(r#"{"reference":"r3"}"#)).await;
    assert_eq!((line.path.as_str(), line.sender.as_deref()), ("/effect/mail", Some("b1-l2")));
    for reference in ["r1", "r2", "r3"] {
        assert_eq!(world.probed(reference).await, (true, 1), "{reference}");
    }
    assert_eq!(world.probed("r4").await, (false, 0));
    let (said, _) = world.did(world.get("probe/r2")).await;
    assert_eq!(said, r#"200 {"count":1,"found":true,"id":2,"kind":"mail","ref":"r2"}"#);
    assert_eq!(world.file().probes().count(), 5);
    // After a restart of the receiver as well.
    assert_eq!(world.restart().await.probed("r3").await, (true, 1));
}

#[tokio::test]
async fn what_was_not_applied_or_cannot_be_asked_for_is_not_found() {
    let world = World::new().await;
    for (mode, found) in [("fail_before", (false, 0)), ("drop_after", (true, 1)), ("fail_after", (true, 2))] {
        world.set(json!({"kind": "mail", "mode": mode})).await;
        world.did(world.as_class("probed", Some("r1"))).await;
        assert_eq!(world.probed("r1").await, found, "{mode}");
    }
    world.set(json!({"kind": "mail", "mode": "ok"})).await;
    world.did(world.as_class("at_most_once", Some("r2"))).await;
    assert_eq!(world.probed("r2").await, (false, 0));
}

#[tokio::test]
async fn a_probe_finds_an_effect_only_after_the_lag() {
    let world = World::new().await;
    world.set(json!({"kind": "mail", "lag_ms": HOUR_MS})).await;
    world.did(world.as_class("probed", Some("r1"))).await;
    assert_eq!(world.probed("r1").await, (false, 0));
    world.set(json!({"kind": "mail", "lag_ms": 0})).await;
    assert_eq!(world.probed("r1").await, (true, 1));
}

#[tokio::test]
async fn a_spend_limit_names_no_wait() {
    let world = World::new().await;
    world.set(json!({"kind": "*", "mode": "spend_limit"})).await;
    assert_eq!(world.head(world.as_class("probed", None)).await, (429, None));
    world.set(json!({"kind": "*", "mode": "retry_after"})).await;
    assert_eq!(world.head(world.as_class("probed", None)).await, (429, Some("1".to_owned())));
}

#[tokio::test]
async fn more_than_the_limit_in_a_window_is_turned_away() {
    let limit = Limit { requests: 3, window_ms: HOUR_MS };
    let world = World::with(tempfile::tempdir().unwrap(), |ledgerd| ledgerd.limited(limit)).await;
    for n in 0..5 {
        let (status, wait) = world.head(world.effect("refund", None, "{}")).await;
        assert_eq!((status, wait.is_some()), if n < 3 { (200, false) } else { (429, true) });
    }
    let file = world.file();
    assert_eq!(file.applied_of("refund"), 3);
    assert_eq!((file.lines[4].mode, file.lines[4].status), (Mode::Limited, 429));
}

#[tokio::test]
async fn the_window_slides() {
    let mut book = Book::of(&[]);
    book.limit = Some(Limit { requests: 2, window_ms: 1_000 });
    let request = Request::look("GET", "/read/1".to_owned(), "read", Connection::none());
    let mut modes =
        |times: &[i64]| -> Vec<Mode> { times.iter().map(|ms| book.take(&request, ms * 1_000).0.mode).collect() };
    assert_eq!(modes(&[0, 600, 700, 999]), [Mode::Ok, Mode::Ok, Mode::Limited, Mode::Limited]);
    assert_eq!(modes(&[1_000, 1_100, 1_600, 1_700]), [Mode::Ok, Mode::Limited, Mode::Ok, Mode::Limited]);
}

#[tokio::test]
async fn the_next_requests_of_a_kind_are_treated_as_told_and_no_others() {
    let world = World::new().await;
    world.set(json!({"kind": "refund", "mode": "fail_before"})).await;
    assert_eq!(world.put("next", json!({"kind": "refund", "mode": "fail_after", "times": 2})).await.0, 204);
    assert_eq!(world.put("next", json!({"kind": "*", "mode": "retry_after", "seconds": 9})).await.0, 204);
    for kind in ["refund", "mail", "refund", "refund", "mail"] {
        world.did(world.effect(kind, None, "{}")).await;
    }
    let modes: Vec<_> = world.file().lines.iter().map(|line| line.mode).collect();
    assert_eq!(modes, [Mode::FailAfter, Mode::RetryAfter, Mode::FailAfter, Mode::FailBefore, Mode::Ok]);
}

#[tokio::test]
async fn a_plan_draws_by_class_and_draws_the_same_again() {
    let plan = json!({
        "seed": 3,
        "idempotent": {"drop_after": 0.4, "fail_before": 0.3},
        "probed": {"fail_after": 1.0},
        "read": {"retry_after": 1.0},
        "probe": {"reject_4xx": 1.0},
        "ask": {"spend_limit": 1.0},
        "seconds": 4,
    });
    let mut seen = Vec::new();
    for _ in 0..2 {
        let world = World::new().await;
        world.set(json!({"kind": "*", "mode": "hang"})).await;
        assert_eq!(world.put("plan", plan.clone()).await.0, 204);
        for key in 0..40 {
            world.did(world.effect("refund", Some(&key.to_string()), "{}")).await;
        }
        let drawn: Vec<_> = world.file().lines.iter().map(|line| line.mode).collect();
        assert_eq!(world.did(world.as_class("probed", Some("r1"))).await.1.mode, Mode::FailAfter);
        assert_eq!(world.head(world.get("read/1")).await, (429, Some("4".to_owned())));
        assert_eq!(world.did(world.get("probe?ref=r1")).await.1.mode, Mode::Reject4xx);
        assert_eq!(world.did(world.client.post(format!("{}/ask", world.url))).await.1.mode, Mode::SpendLimit);
        assert_eq!(world.did(world.as_class("at_most_once", None)).await.1.mode, Mode::Ok);
        seen.push(drawn);
    }
    assert_eq!(seen[0], seen[1]);
    let count = |mode| seen[0].iter().filter(|one| **one == mode).count();
    let counts = (count(Mode::DropAfter), count(Mode::FailBefore), count(Mode::Ok));
    assert!(counts.0 > 6 && counts.1 > 4 && counts.2 > 4, "{counts:?}");
}

#[tokio::test]
async fn what_is_no_request_is_refused_and_not_recorded() {
    let world = World::new().await;
    let text = |request: reqwest::RequestBuilder| async {
        let response = request.send().await.unwrap();
        format!("{} {}", response.status().as_u16(), response.text().await.unwrap())
    };
    let class = r#"400 {"error":"`unsafe` is no class: read, idempotent, probed or at_most_once"}"#;
    assert_eq!(text(world.as_class("unsafe", None)).await, class);
    let probe = r#"400 {"error":"a probe needs a reference: GET /probe?ref=… or GET /probe/…"}"#;
    assert_eq!(text(world.get("probe")).await, probe);
    assert_eq!(text(world.get("probe?ref=")).await, probe);
    assert!(text(world.get("efect/mail")).await.starts_with(r#"404 {"error":"nothing is at `/efect/mail`: /effect/"#));
    assert!(text(world.get("effect/mail")).await.starts_with("405"));
    assert!(world.file().lines.is_empty());
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_refused_and_left_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger");
    std::fs::write(&file, "dear diary\nhalf").unwrap();
    let why = Ledgerd::open(&file, 0).await.err().unwrap().to_string();
    assert!(why.starts_with("line 1 of the ledger is none: "), "{why}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "dear diary\nhalf");
}
