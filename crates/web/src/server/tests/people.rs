//! What is asked of people and decided by them, through the API: approvals, work, effects, budgets, holds.

use gateway::tool::native::{Call, Native};
use kernel::recovery::{Failure, FailureKind, Phase};

use super::*;

const DESK: [(&str, &str); 9] = [
    ("surefoot.yaml", "project: desk\nbudgets: { day: { calls: 100 } }\n"),
    (
        "people.yaml",
        "groups: { desk: {}, chiefs: {} }\npeople:\n  sue: { name: Sue, groups: [ desk ] }\n  tom: { name: Tom, groups: [ desk ] }\n  \
         cleo: { name: Cleo, groups: [ chiefs ] }\n",
    ),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { id: { type: string, maxLength: 4000 } }\nrequired: [ id ]\nadditionalProperties: false\n",
    ),
    (
        "schemas/called.yaml",
        "type: object\nproperties: { reached: { type: boolean } }\nrequired: [ reached ]\nadditionalProperties: false\n",
    ),
    (
        "workflows/call.yaml",
        "workflow: call\ninput: schemas/order.yaml\nresult: { value: =call.reached }\nstages:\n  - stage: all\n    steps:\n      \
         - step: call\n        handoff: { to: { person: desk }, task: \"Call {{ input.id }}\", contract: schemas/called.yaml }\n",
    ),
    (
        "workflows/send.yaml",
        "workflow: send\ninput: schemas/order.yaml\nresult: { value: =send.sent }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: send, act: box.put, with: { text: =input.id } }\n",
    ),
    (
        "workflows/ship.yaml",
        "workflow: ship\ninput: schemas/order.yaml\nresult: { value: =input.id }\nstages:\n  - stage: all\n    steps:\n      \
         - step: release\n        approve: { ask: \"Ship {{ input.id }}?\", of: chiefs }\n",
    ),
    ("tools/box.yaml", "tool: box\nnative: true\noperations: { put: { effect: at_most_once } }\n"),
    ("policies/allow/all.cedar", "@id(\"all\") permit (principal, action, resource);\n"),
];

/// A desk whose tool never says whether it has acted.
async fn desk() -> Scene {
    let silent = Native::new(|_: Call| async {
        let detail = "no answer came".to_owned();
        Err(Failure { kind: FailureKind::ToolTimeout, phase: Phase::MaybeSent, detail, retry_after: None })
    });
    scene_with(&DESK, Gateway::new().with_tool("box", silent)).await
}

#[tokio::test]
async fn a_program_decides_for_a_person_it_names() {
    let scene = desk().await;
    let run = scene.started("ship", "S-1").await;
    let list = scene.api("GET", "/approvals?group=chiefs", &Json::Null).await.json();
    let id = list["approvals"][0]["id"].as_str().expect("one waits").to_owned();
    assert_eq!((&list["approvals"][0]["run"], &list["next"]), (&json!(run), &Json::Null));
    let card = scene.api("GET", &format!("/approvals/{id}"), &Json::Null).await.json();
    assert_eq!((&card["card"]["says"], &card["state"]), (&json!("Ship S-1?"), &json!("pending")));
    assert_eq!(card["terms"]["groups"], json!([["chiefs"]]));
    let decide = async |body: Json| scene.api("POST", &format!("/approvals/{id}/decision"), &body).await;
    let shown = &card["shown"];
    let yes = |by: &str| json!({ "decision": "approve", "shown": shown, "as": by });
    // Nobody decides without a name, nor a stranger, nor somebody of another group, nor on another card.
    let nameless = decide(json!({ "decision": "approve", "shown": shown })).await;
    assert_eq!(said(&nameless), (409, "who decides is written down, and nobody is named".into()));
    assert_eq!(said(&decide(yes("cle")).await), (409, "`cle` is not in people.yaml".into()));
    assert_eq!(decide(yes("sue")).await.status, StatusCode::CONFLICT);
    let stale = json!({ "decision": "approve", "shown": "0".repeat(64), "as": "cleo" });
    assert_eq!(decide(stale).await.status, StatusCode::CONFLICT);
    assert_eq!(decide(json!({ "decision": "approve", "as": "cleo" })).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let both = json!({ "decision": "approve", "shown": shown, "as": "cleo", "with": { "x": 1 } });
    assert_eq!(decide(both).await.status, StatusCode::BAD_REQUEST);
    let done = decide(yes("cleo")).await;
    assert_eq!(done.json(), json!({ "approval": id, "run": run, "by": "cleo", "new": true }));
    assert_eq!(scene.ended(&run).await, json!("S-1"));
    // How it is known stands in the journal.
    let entries = scene.api("GET", &format!("/runs/{run}/entries"), &Json::Null).await.json();
    let votes: Vec<&Json> = entries["entries"]
        .as_array()
        .expect("there are some")
        .iter()
        .filter(|entry| entry["kind"] == "vote_received")
        .collect();
    let [vote] = votes[..] else { panic!("one person decided: {entries}") };
    assert_eq!(vote["kept"]["vote"]["auth"], "token", "{vote}");
    let evidence = scene.api("GET", &format!("/runs/{run}/evidence"), &Json::Null).await.json();
    assert!(evidence["acts"][0]["says"].to_string().contains("cleo"), "{evidence}");
    assert_eq!(evidence["head"].as_str().map(str::len), Some(64));
    assert_eq!(scene.api("GET", "/approvals/none", &Json::Null).await.status, StatusCode::NOT_FOUND);
    let closed = scene.api("GET", &format!("/approvals?run={run}&all=true"), &Json::Null).await.json();
    assert_eq!(closed["approvals"][0]["votes"][0]["by"], "cleo");
}

#[tokio::test]
async fn approvals_and_work_come_page_by_page() {
    let scene = desk().await;
    for number in 0..5 {
        scene.started("ship", &format!("S-{number}")).await;
        scene.started("call", &format!("C-{number}")).await;
    }
    for what in ["approvals", "work"] {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let page = scene.api("GET", &format!("/{what}?limit=2{after}"), &Json::Null).await.json();
            seen.extend(page[what].as_array().expect("a page has rows").iter().map(|row| row["id"].to_string()));
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!((seen.len(), once.len()), (5, 5), "{what}: {seen:?}");
        for query in ["?limit=0", "?limit=501", "?run=x", "?colour=red"] {
            let heard = scene.api("GET", &format!("/{what}{query}"), &Json::Null).await;
            assert!(matches!(heard.status.as_u16(), 400 | 404), "{what}{query}: {}", heard.text);
        }
    }
}

#[tokio::test]
async fn work_is_claimed_passed_on_given_back_and_answered() {
    let scene = desk().await;
    let run = scene.started("call", "C-1").await;
    let list = scene.api("GET", "/work?group=desk", &Json::Null).await.json();
    let id = list["work"][0]["id"].as_str().expect("some waits").to_owned();
    let one = scene.api("GET", &format!("/work/{id}"), &Json::Null).await.json();
    assert_eq!((&one["card"]["task"], &one["state"]), (&json!("Call C-1"), &json!("open")));
    let order = async |what: &str, body: Json| scene.api("POST", &format!("/work/{id}/{what}"), &body).await;
    let order_of = async |id: &str| scene.api("POST", &format!("/work/{id}/claim"), &json!({ "as": "sue" })).await;
    assert_eq!(order("claim", json!({})).await.status, StatusCode::CONFLICT);
    let other = order("claim", json!({ "as": "cleo" })).await;
    assert_eq!(said(&other), (409, "`cleo` is not in the group `desk`, whose work this is".into()));
    assert_eq!(order("claim", json!({ "as": "sue" })).await.json()["claimed_by"], "sue");
    assert_eq!(order("claim", json!({ "as": "tom" })).await.status, StatusCode::CONFLICT);
    assert_eq!(order("assignee", json!({ "as": "sue", "to": "tom" })).await.json()["claimed_by"], "tom");
    assert_eq!(order("release", json!({ "as": "tom" })).await.json()["state"], "open");
    let wrong = order("answer", json!({ "as": "tom", "output": { "reached": "no" } })).await;
    assert_eq!(wrong.status, StatusCode::CONFLICT, "{}", wrong.text);
    let answer = json!({ "as": "tom", "output": { "reached": true } });
    assert_eq!(
        order("answer", answer.clone()).await.json(),
        json!({ "work": id, "run": run, "by": "tom", "new": true })
    );
    assert_eq!(scene.ended(&run).await, json!(true));
    assert_eq!(order("answer", answer).await.json()["new"], false);
    assert_eq!(scene.api("GET", &format!("/work/{id}"), &Json::Null).await.json()["answered_by"], "tom");
    assert_eq!(order_of("none").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_unknown_outcome_is_resolved_by_a_person() {
    let scene = desk().await;
    let run = scene.started("send", "M-1").await;
    let list = scene.api("GET", "/effects?unknown=true", &Json::Null).await.json();
    assert_eq!(
        (&list["effects"][0]["run"], &list["effects"][0]["step"], &list["effects"][0]["state"]),
        (&json!(run), &json!("send"), &json!("unknown"))
    );
    let resolve = async |body: Json| scene.api("POST", &format!("/effects/{run}/resolution"), &body).await;
    let nameless = json!({ "step": "send", "outcome": "given_up", "reason": "looked" });
    assert_eq!(resolve(nameless).await.status, StatusCode::CONFLICT);
    let no_reason = json!({ "step": "send", "outcome": "given_up", "reason": " ", "as": "sue" });
    assert_eq!(resolve(no_reason).await.status, StatusCode::BAD_REQUEST);
    let both = json!({ "step": "send", "outcome": "not_performed", "output": {}, "reason": "looked", "as": "sue" });
    assert_eq!(resolve(both).await.status, StatusCode::BAD_REQUEST);
    let later = json!({ "step": "send", "attempt": 2, "outcome": "not_performed", "reason": "looked", "as": "sue" });
    assert_eq!(
        said(&resolve(later).await),
        (409, "`box.put` at `send` stands at sending 1, not 2: look at it again".into())
    );
    let elsewhere = json!({ "step": "sent", "outcome": "given_up", "reason": "looked", "as": "sue" });
    assert_eq!(resolve(elsewhere).await.status, StatusCode::CONFLICT);
    let seen = json!({ "step": "send", "outcome": "performed", "output": { "sent": 1 }, "reason": "it is in the outbox", "as": "sue" });
    assert_eq!(resolve(seen).await.status, StatusCode::ACCEPTED);
    assert_eq!(scene.ended(&run).await, json!(1));
    let evidence = scene.api("GET", &format!("/runs/{run}/evidence"), &Json::Null).await.json();
    assert_eq!(
        (&evidence["acts"][0]["status"], &evidence["acts"][0]["data"]["resolved_by"]["auth"]),
        (&json!("resolved_performed"), &json!("token")),
        "{evidence}"
    );
}

#[tokio::test]
async fn a_limit_is_raised_and_a_scope_is_held_and_released() {
    let scene = desk().await;
    let budgets = scene.api("GET", "/budgets", &Json::Null).await.json();
    assert_eq!(
        (&budgets["budgets"][0]["scope"], &budgets["budgets"][0]["unit"], &budgets["budgets"][0]["limit"]),
        (&json!("day"), &json!("calls"), &json!(100))
    );
    let raise = async |body: Json| scene.api("POST", "/budgets/raise", &body).await;
    let more = |amount: &str, by: &str| json!({ "scope": "day", "unit": "calls", "amount": amount, "as": by });
    assert_eq!(raise(more("200", "mallory")).await.status, StatusCode::CONFLICT);
    assert_eq!(raise(more("many", "cleo")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(raise(more("50", "cleo")).await.status, StatusCode::CONFLICT);
    let raised = raise(more("200", "cleo")).await.json();
    assert_eq!((&raised["limit"], &raised["per"], &raised["by"]), (&json!(200), &json!("day"), &json!("cleo")));
    let budgets = scene.api("GET", "/budgets", &Json::Null).await.json();
    assert_eq!(budgets["budgets"][0]["limit"], 200);

    let hold = async |path: &str, scope: &str| {
        scene.api("POST", path, &json!({ "scope": scope, "reason": "it misbehaves", "as": "cleo" })).await
    };
    assert_eq!(hold("/holds", "box").await.status, StatusCode::CONFLICT);
    assert_eq!(hold("/holds", "tool:box").await.status, StatusCode::CREATED);
    let held = scene.api("GET", "/holds", &Json::Null).await.json();
    assert_eq!((&held["holds"][0]["scope"], &held["holds"][0]["by"]), (&json!("tool:box"), &json!("cleo")));
    assert_eq!(hold("/holds/release", "tool:other").await.status, StatusCode::CONFLICT);
    assert_eq!(hold("/holds/release", "tool:box").await.status, StatusCode::OK);
    assert_eq!(scene.api("GET", "/holds", &Json::Null).await.json(), json!({ "holds": [] }));
}

#[tokio::test]
async fn a_page_decides_through_the_api_as_whom_it_has_chosen() {
    let scene = desk().await;
    let run = scene.started("call", "C-1").await;
    let id =
        scene.api("GET", "/work", &Json::Null).await.json()["work"][0]["id"].as_str().expect("some waits").to_owned();
    let cookie = scene.enter().await;
    let claim = async |body: Json| {
        let headers =
            [("cookie", cookie.as_str()), ("origin", "http://127.0.0.1:4000"), ("content-type", "application/json")];
        scene.send(request("POST", &format!("/api/v1/work/{id}/claim"), &headers, body.to_string())).await
    };
    assert_eq!(claim(json!({ "as": "sue" })).await.status, StatusCode::CONFLICT, "nobody is chosen yet");
    let csrf = scene.page(&cookie, "/").await.field("csrf");
    scene.form(&cookie, "/acting", &[("csrf", &csrf), ("person", "sue")]).await;
    assert_eq!(
        said(&claim(json!({ "as": "tom" })).await),
        (409, "this session acts as `sue`, and as nobody else".into())
    );
    assert_eq!(claim(json!({})).await.json()["claimed_by"], "sue", "{run}");
}
