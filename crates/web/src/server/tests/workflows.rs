//! Workflows: how steps fared, as the journals of the last runs say.

use std::sync::atomic::{AtomicU32, Ordering};

use gateway::tool::native::{Call, Native};
use kernel::{
    recovery::{Failure, FailureKind, Phase},
    values::Value,
};

use super::*;

const SHOP: [(&str, &str); 4] = [
    ("surefoot.yaml", "project: shop\n"),
    ("schemas/order.yaml", "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\n"),
    (
        "workflows/put.yaml",
        "workflow: put\ninput: schemas/order.yaml\nresult: { value: =noted.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: noted, set: { id: =input.id } }\n      - { step: never, when: \"input.id == 'x'\", set: { id: 1 } }\n      \
         - step: all\n        each: \"['a', 'b', 'c']\"\n        steps: [ { step: put, act: box.put, with: { text: =item }, on_failure: { tool_rejected: [ { continue_with: { ok: false } } ] } } ]\n",
    ),
    ("tools/box.yaml", "tool: box\nnative: true\noperations: { put: { effect: idempotent } }\n"),
];

#[tokio::test]
async fn a_workflow_says_how_its_steps_fared() {
    let calls = AtomicU32::new(0);
    // The first call of all is refused, and its step goes on with something else.
    let tool = Native::new(move |_: Call| {
        let first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        async move {
            let detail = "not this one".to_owned();
            let failure =
                Failure { kind: FailureKind::ToolRejected, phase: Phase::Answered, detail, retry_after: None };
            if first { Err(failure) } else { Ok(Value::map([("ok", true.into())])) }
        }
    });
    let scene = scene_with(&SHOP, Gateway::new().with_tool("box", tool)).await;
    for number in 0..3 {
        let run = scene.started("put", &format!("N-{number}")).await;
        scene.ended(&run).await;
    }
    let all = scene.api("GET", "/workflows", &Json::Null).await.json();
    let put = &all["workflows"][0];
    assert_eq!((&put["name"], &put["runs"]["seen"], &put["runs"]["completed"]), (&json!("put"), &json!(3), &json!(3)));
    let step = |name: &str| {
        put["steps"].as_array().expect("it has steps").iter().find(|step| step["name"] == name).expect("it is there")
    };
    assert_eq!(
        (&step("noted")["kind"], &step("noted")["done"], &step("noted")["success_rate"]),
        (&json!("set"), &json!(3), &json!(1.0))
    );
    assert_eq!(
        (&step("never")["done"], &step("never")["skipped"], &step("never")["success_rate"]),
        (&json!(0), &json!(3), &Json::Null)
    );
    let acts = step("put");
    assert_eq!((&acts["within"], &acts["done"], &acts["failures"]), (&json!("all"), &json!(8), &json!(1)), "{acts}");
    assert_eq!((&acts["success_rate"], &acts["failure_kinds"]), (&json!(8.0 / 9.0), &json!({ "tool_rejected": 1 })));
    let latency = &acts["latency_ms"];
    assert!(
        latency["median"].as_u64() <= latency["p95"].as_u64() && latency["p95"].as_u64() <= latency["most"].as_u64(),
        "{latency}"
    );
    let one = scene.api("GET", "/workflows?workflow=put&runs=1", &Json::Null).await.json();
    assert_eq!(one["workflows"][0]["runs"]["seen"], 1);
    let none = scene.api("GET", "/workflows?runs=0", &Json::Null).await.json();
    assert_eq!(
        (&none["workflows"][0]["runs"]["seen"], &none["workflows"][0]["steps"][0]["success_rate"]),
        (&json!(0), &Json::Null)
    );
    assert_eq!(scene.api("GET", "/workflows?workflow=pot", &Json::Null).await.status, StatusCode::NOT_FOUND);
    assert_eq!(scene.api("GET", "/workflows?runs=201", &Json::Null).await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn the_page_of_a_workflow_draws_it_and_counts_what_people_say() {
    let scene = scene().await;
    let cookie = scene.enter_as("cleo").await;
    let page = scene.page(&cookie, "/workflows").await;
    assert!(page.text.contains("It has not run yet.") && page.text.contains("/workflows/note"), "{}", page.text);
    for (number, outcome) in [(1, "wrong"), (2, "right"), (3, "wrong")] {
        let run = scene.started("note", &format!("N-{number}")).await;
        scene.ended(&run).await;
        let body = json!({ "outcome": outcome, "because": format!("looked at N-{number}"), "as": "cleo" });
        assert_eq!(scene.api("POST", &format!("/runs/{run}/outcome"), &body).await.status, StatusCode::OK);
    }
    let page = scene.page(&cookie, "/workflows/note").await;
    for told in [
        "3: 3 completed",
        "1 right, 2 wrong",
        "<svg class=\"graph\"",
        "<title id=\"picture-title\">Workflow note</title>",
        "stage all",
        "100 % of 3",
        "looked at N-3",
        "/case\">download a case of it",
        "served now",
        "3 runs, since",
    ] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    assert!(!page.text.contains("looked at N-2"), "only what was wrong is listed");
    assert!(scene.page(&cookie, "/workflows").await.text.contains("1 right, 2 wrong"));
    let all = scene.api("GET", "/workflows?workflow=note", &Json::Null).await.json();
    let runs = &all["workflows"][0]["runs"];
    assert_eq!((&runs["right"], &runs["wrong"], &runs["disputed"]), (&json!(1), &json!(2), &json!(0)));
    let missing = scene.page(&cookie, "/workflows/nota").await;
    assert!(missing.status == StatusCode::NOT_FOUND && missing.text.contains("note"), "{}", missing.text);
}

#[tokio::test]
async fn a_run_that_goes_on_is_read_again_and_one_that_rests_is_not() {
    let scene = scene().await;
    let run = scene.started("ship", "A-1").await;
    let done = async || {
        let all = scene.api("GET", "/workflows?workflow=ship", &Json::Null).await.json();
        all["workflows"][0]["steps"][0]["done"].clone()
    };
    assert_eq!((done().await, done().await), (json!(0), json!(0)));
    let asked = scene.api("GET", "/approvals", &Json::Null).await.json();
    let id = asked["approvals"][0]["id"].as_str().expect("somebody is asked").to_owned();
    let card = scene.api("GET", &format!("/approvals/{id}"), &Json::Null).await.json();
    let body = json!({ "decision": "approve", "shown": card["shown"], "as": "cleo" });
    let decided = scene.api("POST", &format!("/approvals/{id}/decision"), &body).await;
    assert!(decided.status.is_success(), "{}", decided.text);
    scene.ended(&run).await;
    assert_eq!(done().await, json!(1));
}

#[tokio::test]
async fn two_versions_are_compared_with_those_who_read_what_changed() {
    let scene = scene_of(&SHOP).await;
    let before = scene.api("GET", "/workflows/put/versions", &Json::Null).await.json();
    let old = before["versions"][0]["version"].as_str().expect("it has a digest").to_owned();
    assert_eq!((&before["versions"][0]["runs"], &before["versions"][0]["since"]), (&json!(0), &Json::Null));
    // Another version, known to the store and not served.
    let next = SHOP.map(|(file, text)| (file, text.replace("id: =input.id", "id: 7").replace("'b', ", "")));
    let sources: Sources = next.iter().map(|(file, text)| (*file, text.as_str())).collect();
    let project = project::check(&sources).project.expect("it has no errors");
    scene.runtime.deploy(&project.bundle).await.expect("memory takes it");
    let new = project.bundle.digest.to_string();
    let changes = scene.api("GET", &format!("/workflows/put/changes?from={old}&to={new}"), &Json::Null).await.json();
    assert_eq!(changes["files"][0]["file"], "workflows/put.yaml");
    let lines = changes["files"][0]["lines"].to_string();
    assert!(lines.contains("['a', 'c']") && lines.contains("['a', 'b', 'c']"), "{lines}");
    let steps: Vec<&str> =
        changes["steps"].as_array().expect("a list").iter().filter_map(|one| one["step"].as_str()).collect();
    assert_eq!(steps, ["noted", "all"]);
    let contract = &changes["contracts"][0];
    assert_eq!(
        (&contract["of"], &contract["path"], &contract["after"]),
        (&json!("noted"), &json!("id"), &json!("a whole number"))
    );
    assert_eq!(contract["readers"][0]["step"], Json::Null, "the result reads it: {contract}");

    let cookie = scene.enter().await;
    let page = scene.page(&cookie, &format!("/workflows/put/changes?from={old}&to={new}")).await;
    for told in ["noted.id", "read by the workflow itself", "changed noted", "<span class=\"good\">+"] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    let same = scene.page(&cookie, &format!("/workflows/put/changes?from={old}")).await;
    assert!(same.text.contains("Nothing differs"), "{}", same.text);
    for nothing in ["x", &"0".repeat(64)] {
        let path = format!("/workflows/put/changes?from={nothing}");
        assert_eq!(scene.page(&cookie, &path).await.status, StatusCode::NOT_FOUND, "{nothing}");
    }
}
