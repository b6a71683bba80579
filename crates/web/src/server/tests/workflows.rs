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
