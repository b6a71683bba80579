//! What people say came of a run: said on its page and by a program, and refused before it is over.

use super::*;

#[tokio::test]
async fn people_say_whether_a_run_was_right() {
    let scene = scene().await;
    let cookie = scene.enter_as("cleo").await;
    let run = scene.started("note", "N-1").await;
    assert_eq!(scene.ended(&run).await, json!("N-1"));
    let path = format!("/runs/{run}");
    let page = scene.page(&cookie, &path).await;
    assert!(page.text.contains("Nobody has said so yet"), "{}", page.text);
    let csrf = page.field("csrf");
    let say = async |outcome: &str, because: &str| {
        let fields = [("csrf", csrf.as_str()), ("outcome", outcome), ("because", because)];
        scene.form(&cookie, &format!("{path}/outcome"), &fields).await
    };
    assert_eq!(say("maybe", "seen").await.status, StatusCode::BAD_REQUEST);
    let refused = say("wrong", "  ").await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert!(refused.text.contains("say in a few words why"), "{}", refused.text);
    assert_eq!(say("wrong", "the id is <b>another</b>").await.status, StatusCode::SEE_OTHER);
    let page = scene.page(&cookie, &path).await;
    assert!(page.text.contains("the id is &#60;b&#62;another") && page.text.contains("wrong</span>"), "{}", page.text);

    let body = json!({ "outcome": "right", "because": "it is the one that was meant", "as": "cleo" });
    let said_so = scene.api("POST", &format!("{path}/outcome"), &body).await;
    assert_eq!(said_so.status, StatusCode::OK, "{}", said_so.text);
    let whole = scene.api("GET", &path, &Json::Null).await.json();
    let all = whole["outcomes"].as_array().expect("they are a list");
    assert_eq!((&whole["outcome"], all.len()), (&json!("right"), 1), "the last word of a person counts: {all:?}");
    assert_eq!((&all[0]["by"], &all[0]["auth"]), (&json!("cleo"), &json!("token")));
}

#[tokio::test]
async fn nothing_is_said_of_a_run_that_is_not_over_or_by_nobody() {
    let scene = scene().await;
    let run = scene.started("ship", "A-1").await;
    let path = format!("/runs/{run}/outcome");
    let body = json!({ "outcome": "right", "because": "seen", "as": "cleo" });
    let early = said(&scene.api("POST", &path, &body).await);
    assert!(
        early.0 == 409 && early.1.contains("is waiting: whether it was right is known once it is over"),
        "{early:?}"
    );
    let nobody = scene.api("POST", &path, &json!({ "outcome": "right", "because": "seen" })).await;
    assert_eq!(nobody.status, StatusCode::CONFLICT);
    let unknown = path.replace('0', "1");
    assert_eq!(scene.api("POST", &unknown, &body).await.status, StatusCode::NOT_FOUND);
    let cookie = scene.enter().await;
    assert!(!scene.page(&cookie, &format!("/runs/{run}")).await.text.contains("Was it right?"));
}
