//! A run is forked and tried again: from its page, and by a program.

use super::*;

const FILES: [(&str, &str); 5] = [
    ("surefoot.yaml", "project: shop\n"),
    ("people.yaml", "groups: { chiefs: {} }\npeople:\n  cleo: { name: Cleo, groups: [ chiefs ] }\n"),
    (
        "schemas/order.yaml",
        "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\nadditionalProperties: false\n",
    ),
    (
        "workflows/ship.yaml",
        "workflow: ship\ninput: schemas/order.yaml\nresult: { value: =input.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: noted, set: { id: =input.id } }\n      \
         - { step: release, approve: { ask: \"Ship {{ input.id }}?\", of: chiefs } }\n",
    ),
    (
        "workflows/proof.yaml",
        "workflow: proof\ninput: schemas/order.yaml\nstages:\n  - stage: all\n    steps:\n      \
         - { step: noted, set: { id: =input.id } }\n      - { step: proven, verify: { holds: noted.id == 'x' } }\n",
    ),
];

impl Scene {
    /// A run that failed.
    async fn failed(&self, id: &str) -> String {
        let heard = self.api("POST", "/runs", &json!({ "workflow": "proof", "input": { "id": id } })).await;
        let run = heard.json()["id"].as_str().expect("a run has an id").to_owned();
        let ended = self.runtime.finished(run.parse().expect("it is an id")).await.expect("it ends");
        assert_eq!(ended.end, kernel::journal::End::Failed);
        run
    }
}

/// The run that an answer shows next.
fn shown_next(heard: &Heard) -> String {
    assert_eq!(heard.status, StatusCode::SEE_OTHER, "{}", heard.text);
    heard.headers[header::LOCATION].to_str().expect("visible ASCII").trim_start_matches("/runs/").to_owned()
}

#[tokio::test]
async fn a_run_is_forked_from_the_moment_that_its_page_shows() {
    let scene = scene_of(&FILES).await;
    let run = scene.started("ship", "A-1").await;
    let cookie = scene.enter().await;
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    assert!(page.text.contains("Go on from here in a new run"), "{}", page.text);
    assert!(page.text.contains("up to entry 2: at entry 3 people are asked about `release`"), "{}", page.text);
    let (csrf, at, path) = (page.field("csrf"), page.field("at"), format!("/runs/{run}/fork"));
    assert_eq!(at, "2");
    let fields = [("csrf", &*csrf), ("at", "2"), ("effects", "ask")];
    let nobody = scene.form(&cookie, &path, &fields).await;
    assert_eq!(nobody.status, StatusCode::CONFLICT, "who asks for it is written down");
    let cookie = scene.enter_as("cleo").await;
    let csrf = scene.page(&cookie, "/").await.field("csrf");
    let odd = scene.form(&cookie, &path, &[("csrf", &csrf), ("at", "2"), ("effects", "all")]).await;
    assert_eq!(odd.status, StatusCode::BAD_REQUEST, "{}", odd.text);
    let forked = shown_next(&scene.form(&cookie, &path, &[("csrf", &csrf), ("at", "2"), ("effects", "ask")]).await);
    assert_ne!(forked, run);
    let page = scene.page(&cookie, &format!("/runs/{forked}")).await;
    assert!(
        page.text
            .contains(&format!("This run goes on from it, after its entry 2; effects ask: <a href=\"/runs/{run}\">")),
        "{}",
        page.text
    );
    assert!(page.text.contains("<summary>1 entry inherited from"), "{}", page.text);
    let source = scene.page(&cookie, &format!("/runs/{run}")).await;
    assert!(source.text.contains(&format!("<a href=\"/runs/{forked}\">")), "{}", source.text);
}

#[tokio::test]
async fn a_failed_run_is_tried_again_once_from_its_page() {
    let scene = scene_of(&FILES).await;
    let run = scene.failed("A-1").await;
    let cookie = scene.enter_as("cleo").await;
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    assert!(page.text.contains("<button>Try again</button>"), "{}", page.text);
    assert!(page.text.contains("goes on after entry 2"), "{}", page.text);
    let csrf = page.field("csrf");
    let again = shown_next(&scene.form(&cookie, &format!("/runs/{run}/retry"), &[("csrf", &csrf)]).await);
    let twice = shown_next(&scene.form(&cookie, &format!("/runs/{run}/retry"), &[("csrf", &csrf)]).await);
    assert_eq!(again, twice);
    let page = scene.page(&cookie, &format!("/runs/{run}")).await;
    assert!(!page.text.contains("<button>Try again</button>"), "{}", page.text);
    assert!(page.text.contains("tries it again after entry 2"), "{}", page.text);
}

#[tokio::test]
async fn what_is_tried_again_needs_attention_no_more() {
    let scene = scene_of(&FILES).await;
    let runs = [scene.failed("A-1").await, scene.failed("A-2").await];
    let cookie = scene.enter_as("cleo").await;
    let page = scene.page(&cookie, "/").await;
    assert!(page.text.contains("<button name=\"order\" value=\"retry\">Retry 2</button>"), "{}", page.text);
    let (csrf, query) = (page.field("csrf"), page.field("query").replace("&amp;", "&"));
    let asked = [("csrf", &*csrf), ("order", "retry"), ("all", "yes"), ("query", &query)];
    let sure = scene.form(&cookie, "/runs/orders", &asked).await;
    assert!(sure.text.contains("Retry 2 runs?"), "{}", sure.text);
    let named = runs.clone().map(|run| format!("run.{run}"));
    let mut told = vec![("csrf", &*csrf), ("order", "retry"), ("sure", "yes"), ("query", &*query)];
    told.extend(named.iter().map(|name| (&**name, "yes")));
    let done = scene.form(&cookie, "/runs/orders", &told).await;
    assert!(done.text.contains("2 runs told to retry"), "{}", done.text);
    let done = scene.form(&cookie, "/runs/orders", &told).await;
    assert!(done.text.contains("0 runs told to retry, 2 runs tried again already"), "{}", done.text);
    // What they left may fail as well: the new runs are counted, those two are not.
    for run in &runs {
        let whole = scene.api("GET", &format!("/runs/{run}"), &Json::Null).await.json();
        assert_eq!(whole["again"], whole["forks"][0]["run"]);
        scene.runtime.finished(whole["again"].as_str().unwrap().parse().unwrap()).await.unwrap();
    }
    let page = scene.page(&cookie, "/").await;
    assert!(page.text.contains("Retry 2</button>"), "{}", page.text);
    let list = scene.page(&cookie, "/runs?status=failed&covered=false").await;
    for run in &runs {
        assert!(!page.text.contains(run) && !list.text.contains(run), "{}", list.text);
    }
    assert!(list.text.contains("no run answers for it <span class=\"count\">2</span>"), "{}", list.text);
    assert!(list.text.contains("answered for or not <span class=\"count\">4</span>"), "{}", list.text);
    let all = json!({ "order": "retry", "matching": { "status": ["failed"] }, "as": "cleo" });
    let ordered = scene.api("POST", "/runs/order", &all).await.json();
    assert_eq!((&ordered["told"], &ordered["matched"]), (&json!(2), &json!(2)), "{ordered}");
    let known = json!({ "order": "retry", "runs": runs, "as": "cleo" });
    let ordered = scene.api("POST", "/runs/order", &known).await.json();
    assert_eq!((&ordered["told"], &ordered["runs"][0]["outcome"]), (&json!(0), &json!("known")), "{ordered}");
}

#[tokio::test]
async fn a_program_forks_and_tries_again_for_a_person() {
    let scene = scene_of(&FILES).await;
    let (waits, failed) = (scene.started("ship", "A-1").await, scene.failed("A-2").await);
    let fork = format!("/runs/{waits}/fork");
    let (status, why) = said(&scene.api("POST", &fork, &json!({})).await);
    assert_eq!((status, &*why), (409, "who decides is written down, and nobody is named"));
    let (status, why) = said(&scene.api("POST", &fork, &json!({ "at": 9, "as": "cleo" })).await);
    assert_eq!((status, why.contains("and not 9")), (404, true), "{why}");
    let heard = scene.api("POST", &fork, &json!({ "effects": "block", "as": "cleo" })).await;
    assert_eq!(heard.status, StatusCode::CREATED, "{}", heard.text);
    let json = heard.json();
    assert_eq!((&json["fork"]["run"], &json["fork"]["entry"]), (&json!(waits), &json!(2)));
    assert_eq!(json["moved"], "people are asked about `release`");
    let listed = scene.api("GET", &format!("/runs?fork_of={waits}"), &Json::Null).await.json();
    assert_eq!(listed["runs"][0]["id"], json["id"]);

    let retry = format!("/runs/{failed}/retry");
    let first = scene.api("POST", &retry, &json!({ "as": "cleo" })).await;
    assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
    let second = scene.api("POST", &retry, &json!({ "as": "cleo" })).await;
    assert_eq!((second.status, &second.json()["id"]), (StatusCode::OK, &first.json()["id"]));
    let whole = scene.api("GET", &format!("/runs/{failed}"), &Json::Null).await.json();
    assert_eq!((&whole["forks"][0]["run"], &whole["forks"][0]["retry"]), (&first.json()["id"], &json!(true)));
    let (status, why) = said(&scene.api("POST", &format!("/runs/{waits}/retry"), &json!({ "as": "cleo" })).await);
    assert_eq!((status, why.ends_with("did not fail")), (409, true), "{why}");
}
