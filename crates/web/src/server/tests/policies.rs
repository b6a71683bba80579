//! The rules: shown with how often they decided, and asked about one request.

use gateway::tool::native::{Call, Native};
use kernel::values::Value;

use super::*;

const BANK: [(&str, &str); 8] = [
    ("surefoot.yaml", "project: shop\n"),
    ("people.yaml", "groups: { chiefs: {} }\npeople:\n  cleo: { name: Cleo, groups: [ chiefs ] }\n"),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\nadditionalProperties: false\n",
    ),
    (
        "schemas/payment.yaml",
        "type: object\nproperties: { cents: { type: integer, minimum: 1 }, to: { type: string } }\nrequired: [ cents ]\nadditionalProperties: false\n",
    ),
    (
        "tools/bank.yaml",
        "tool: bank\nnative: true\noperations:\n  pay: { effect: idempotent, params: schemas/payment.yaml }\n  close: { effect: idempotent }\n",
    ),
    (
        "workflows/pay.yaml",
        "workflow: pay\ninput: schemas/order.yaml\nresult: { value: =input.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: paid, act: bank.pay, with: { cents: 700 } }\n",
    ),
    (
        "policies/allow/pay.cedar",
        "@id(\"pay.small\")\n@reason(\"small sums are paid\")\npermit (principal, action == Action::\"bank.pay\", resource)\nwhen { context.input.cents <= 1000 };\n",
    ),
    (
        "policies/ask/pay.cedar",
        "@id(\"pay.look\")\n@approve_by(\"chiefs\")\nforbid (principal, action == Action::\"bank.pay\", resource)\nwhen { context.input.cents > 800 };\n",
    ),
];

#[tokio::test]
async fn rules_say_how_often_they_decided() {
    let tool = Native::new(|_: Call| async { Ok(Value::map([("ok", true.into())])) });
    let scene = scene_with(&BANK, Gateway::new().with_tool("bank", tool)).await;
    let cookie = scene.enter().await;
    let page = scene.page(&cookie, "/policies").await;
    for told in [
        "pay.small",
        "policies/allow/pay.cedar:1",
        "small sums are paid",
        "decided 0 times",
        "No run was looked at yet",
        "There is no rule in <code>policies/never/</code>",
        "</span> bank.close",
        "There is no case yet",
    ] {
        assert!(page.text.contains(told), "{told}: {}", page.text);
    }
    for number in 0..2 {
        let run = scene.started("pay", &format!("P-{number}")).await;
        scene.ended(&run).await;
    }
    let page = scene.page(&cookie, "/policies").await;
    assert!(page.text.contains("decided 2 times") && page.text.contains("in the last 2 runs"), "{}", page.text);
    let all = scene.api("GET", "/policies", &Json::Null).await.json();
    let decided: Vec<_> = all["rules"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rule| (rule["id"].clone(), rule["decided"].clone()))
        .collect();
    assert_eq!(decided, [(json!("pay.small"), json!(2)), (json!("pay.look"), json!(0))]);
    assert_eq!((&all["seen"], &all["never_allowed"]), (&json!(2), &json!(["bank.close"])));
}

#[tokio::test]
async fn a_request_is_tried_and_does_nothing() {
    let scene = idle(&BANK).await;
    let cookie = scene.enter().await;
    let choose = scene.page(&cookie, "/policies/try").await;
    assert!(
        choose.text.contains("<option value=\"bank.pay\">") && !choose.text.contains("Judge it"),
        "{}",
        choose.text
    );
    let page = scene.page(&cookie, "/policies/try?action=bank.pay").await;
    assert_eq!(page.field("step"), "pay/paid", "the step that calls it is proposed");
    let csrf = page.field("csrf");
    let judge = async |more: &[(&str, &str)]| {
        let own = [("csrf", csrf.as_str()), ("action", "bank.pay"), ("step", "pay/paid"), ("labels", "private")];
        scene.form(&cookie, "/policies/try", &own.into_iter().chain(more.iter().copied()).collect::<Vec<_>>()).await
    };
    let small = judge(&[("answer.cents", "700"), ("answer.to", "<b>Ada</b>")]).await;
    assert_eq!(small.status, StatusCode::OK);
    for told in [
        "allow</span> by pay.small",
        "input.cents",
        "Without this rule: deny by not_allowed",
        "value=\"700\"",
        "&#60;b&#62;Ada",
    ] {
        assert!(small.text.contains(told), "{told}: {}", small.text);
    }
    let more = judge(&[("answer.cents", "900")]).await;
    assert!(more.text.contains("ask</span> by pay.look") && more.text.contains("somebody of chiefs"), "{}", more.text);
    // What the rules allow is denied all the same; what they put before people is theirs to see.
    let untrusted = judge(&[("answer.cents", "700"), ("control.to", "yes")]).await;
    for told in ["deny</span> by untrusted-control", "By those of this one it would be allowed", "pay.small"] {
        assert!(untrusted.text.contains(told), "{told}: {}", untrusted.text);
    }
    let seen = judge(&[("answer.cents", "900"), ("control.to", "yes")]).await;
    assert!(seen.text.contains("ask</span> by pay.look"), "{}", seen.text);
    let much = judge(&[("answer.cents", "2000")]).await;
    assert!(
        much.text.contains("deny</span> by not_allowed") && much.text.contains("if one of these matched"),
        "{}",
        much.text
    );
    for (wrong, why) in [
        (&[("answer.cents", "few")][..], "no whole number"),
        (&[("answer.cents", "0")], "does not fit"),
        (&[], "cents is missing"),
    ] {
        let refused = judge(wrong).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{why}");
        assert!(refused.text.contains(why), "{why}: {}", refused.text);
    }
    assert_eq!(scene.page(&cookie, "/policies/try?action=bank.rob").await.status, StatusCode::NOT_FOUND);
    let unsigned = [("action", "bank.pay"), ("step", "pay/paid"), ("answer.cents", "700")];
    assert_eq!(scene.form(&cookie, "/policies/try", &unsigned).await.status, StatusCode::FORBIDDEN);

    let asked = json!({ "request": { "action": "bank.pay", "step": "pay/paid", "input": { "cents": 2000 } } });
    let judged = scene.api("POST", "/policies/judgement", &asked).await.json();
    assert_eq!((&judged["verdict"], &judged["could_allow"]), (&json!("deny"), &json!(["pay.small"])));
    let wrong = scene.api("POST", "/policies/judgement", &json!({ "request": { "action": "bank.rob" } })).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.text);
}

#[tokio::test]
async fn a_real_decision_is_tried_with_other_values() {
    let tool = Native::new(|_: Call| async { Ok(Value::map([("ok", true.into())])) });
    let scene = scene_with(&BANK, Gateway::new().with_tool("bank", tool)).await;
    let cookie = scene.enter().await;
    let run = scene.started("pay", "P-1").await;
    scene.ended(&run).await;
    let href = scene
        .page(&cookie, &format!("/runs/{run}"))
        .await
        .link("/policies/try?run=")
        .replace("&#38;", "&")
        .replace("&amp;", "&");
    let page = scene.page(&cookie, &href).await;
    assert_eq!(page.field("step"), "pay/paid");
    assert!(page.text.contains("value=\"700\"") && page.text.contains("As it was asked for"), "{}", page.text);
    let first = format!("/policies/try?run={run}&entry=1");
    assert_eq!(scene.page(&cookie, &first).await.status, StatusCode::NOT_FOUND, "the start was judged by nothing");
}

#[tokio::test]
async fn who_is_asked_changes_what_may_be_changed_and_sees_what_the_rules_say_of_it() {
    let mut files = BANK.to_vec();
    files[7].1 = "@id(\"pay.look\")\n@approve_by(\"chiefs\")\n@editable(\"cents\")\nforbid (principal, action == Action::\"bank.pay\", resource)\nwhen { context.input.cents > 600 };\n";
    let tool = Native::new(|call: Call| async move { Ok(Value::map([("paid", call.input.clone())])) });
    let scene = scene_with(&files, Gateway::new().with_tool("bank", tool)).await;
    let run = scene.started("pay", "A-1").await;
    let cookie = scene.enter_as("cleo").await;
    let id = scene.api("GET", "/approvals", &Json::Null).await.json()["approvals"][0]["id"].clone();
    let path = format!("/approvals/{}", id.as_str().expect("it has an id"));
    let page = scene.page(&cookie, &path).await;
    let written = |page: &Heard, cents: &str| {
        page.text.contains(&format!("name=\"answer.cents\" inputmode=\"decimal\" value=\"{cents}\""))
    };
    assert!(written(&page, "700"), "what is asked about is there to be changed: {}", page.text);
    assert!(!page.text.contains("answer.to"), "what may not be changed is not: {}", page.text);
    let (csrf, shown) = (page.field("csrf"), page.field("shown"));
    let send = async |what: &str, decision: &str, cents: &str| {
        let fields = [
            ("csrf", &*csrf),
            ("shown", &shown),
            ("decision", decision),
            ("answer.cents", cents),
            ("reason", "too much"),
        ];
        scene.form(&cookie, &format!("{path}/{what}"), &fields).await
    };
    for (cents, says) in [
        ("500", "<span class=\"badge good\">allow</span> by pay.small"),
        ("650", "<span class=\"badge wait\">ask</span> by pay.look, chiefs"),
        ("1200", "<span class=\"badge bad\">deny</span> by not_allowed"),
        ("0", "does not fit"),
        ("many", "no whole number"),
        ("700", "nothing was changed"),
    ] {
        let heard = send("check", "", cents).await;
        assert_eq!(heard.status, StatusCode::OK);
        assert!(heard.text.contains(says), "{cents}: {}", heard.text);
        assert!(written(&heard, cents), "{cents}: {}", heard.text);
    }
    // Nothing was decided by that. What cannot be taken comes back as it was written.
    let wrong = send("decision", "edit", "many").await;
    assert_eq!(wrong.status, StatusCode::CONFLICT);
    assert!(wrong.text.contains("Not taken: cents: `many` is no whole number"), "{}", wrong.text);
    assert!(wrong.text.contains(">\ntoo much</textarea>"), "{}", wrong.text);
    assert_eq!(
        send("decision", "answer", "1").await.status,
        StatusCode::CONFLICT,
        "nothing but a yes or a no is asked for"
    );
    assert_eq!(send("decision", "perhaps", "1").await.status, StatusCode::BAD_REQUEST);
    let unsigned = [("shown", &*shown), ("answer.cents", "500")];
    assert_eq!(scene.form(&cookie, &format!("{path}/check"), &unsigned).await.status, StatusCode::FORBIDDEN);
    // A yes is to what was asked about, and to nothing that stands on the page besides.
    let other = send("decision", "approve", "500").await;
    assert_eq!(other.status, StatusCode::CONFLICT, "{}", other.text);
    assert!(other.text.contains("Not taken: you have changed values"), "{}", other.text);
    let emptied = send("decision", "edit", "").await;
    assert!(emptied.text.contains("cents: what is there cannot be taken out"), "{}", emptied.text);
    let taken = send("decision", "edit", "500").await;
    assert_eq!(taken.status, StatusCode::SEE_OTHER, "{}", taken.text);
    scene.ended(&run).await;
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    assert!(page.text.contains("500"), "{}", page.text);
    let page = scene.page(&cookie, &path).await;
    assert!(page.text.contains("cleo changed it at") && page.text.contains(": too much"), "{}", page.text);
}
