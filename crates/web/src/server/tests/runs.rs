//! Many runs: found, counted, chosen and told.

use gateway::tool::native::{Call, Native};
use kernel::values::Value;

use super::*;

/// The address that the answer goes on to.
fn goes_to(heard: &Heard) -> &str {
    heard.headers.get(header::LOCATION).and_then(|place| place.to_str().ok()).unwrap_or_default()
}

#[tokio::test]
async fn a_run_is_found_from_every_page() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    let (first, second) = (scene.started("ship", "A-1").await, scene.started("ship", "A-17").await);
    for page in ["/", "/runs", "/approvals", "/work", "/effects", "/money", "/holds", &format!("/runs/{first}")] {
        let text = scene.page(&cookie, page).await.text;
        assert!(text.contains("role=\"search\"") && text.contains("name=\"q\""), "{page}: {text}");
    }
    for (text, run) in [("a-17", &second), ("A-1", &first), (&*second, &second), ("+A-17+", &second)] {
        let heard = scene.page(&cookie, &format!("/search?q={text}")).await;
        assert_eq!((heard.status, goes_to(&heard)), (StatusCode::SEE_OTHER, &*format!("/runs/{run}")), "{text}");
    }
    let several = scene.page(&cookie, "/search?q=a-").await;
    assert_eq!(several.status, StatusCode::OK);
    for told in [&*format!("/runs/{first}"), &*format!("/runs/{second}"), "found by order A-17", "value=\"a-\""] {
        assert!(several.text.contains(told), "{told}: {}", several.text);
    }
    let nothing = scene.page(&cookie, "/search?q=%3Cb%3Enobody").await;
    assert!(nothing.text.contains("Nothing is found by") && nothing.text.contains("business key"), "{}", nothing.text);
    assert!(!nothing.text.contains("<b>nobody"), "{}", nothing.text);

    let found = scene.api("GET", "/runs?q=a-17", &Json::Null).await.json();
    assert_eq!(found["runs"][0]["id"], second.as_str());
    assert_eq!(
        found["runs"][0]["found_by"],
        json!({ "kind": "about", "name": "order", "value": "A-17", "whole": true })
    );
    let page = scene.api("GET", "/runs?q=a-&limit=1", &Json::Null).await.json();
    assert_eq!((&page["runs"][0]["id"], &page["next"]), (&json!(second), &json!(second)));
    let next = scene.api("GET", &format!("/runs?q=a-&limit=1&before={second}"), &Json::Null).await.json();
    assert_eq!((&next["runs"][0]["id"], &next["next"]), (&json!(first), &Json::Null));
    let both = said(&scene.api("GET", "/runs?q=a-&status=waiting", &Json::Null).await);
    assert_eq!(both, (400, "`q` looks among all runs: `status` does not go with it".to_owned()));
}

const BOXES: [(&str, &str); 4] = [
    ("surefoot.yaml", "project: shop\n"),
    ("schemas/order.yaml", "type: object\nproperties: { id: { type: string } }\nrequired: [ id ]\n"),
    (
        "workflows/put.yaml",
        "workflow: put\ninput: schemas/order.yaml\nresult: { value: =put.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: seen, act: box.look, with: { text: =input.id } }\n      - { step: put, act: box.put, with: { text: =input.id } }\n",
    ),
    (
        "tools/box.yaml",
        "tool: box\nnative: true\noperations: { look: { effect: read }, put: { effect: idempotent } }\n",
    ),
];

#[tokio::test]
async fn a_run_is_found_by_what_it_did_and_not_by_what_it_read() {
    let tool = Native::new(|call: Call| async move {
        let id = if &*call.operation == "put" { "BOX-9" } else { "SHELF-1" };
        Ok(Value::map([("id", id.into())]))
    });
    let scene = scene_with(&BOXES, Gateway::new().with_tool("box", tool)).await;
    let run = scene.started("put", "A-1").await;
    scene.ended(&run).await;
    let found = scene.api("GET", "/runs?q=box-9", &Json::Null).await.json();
    assert_eq!(found["runs"][0]["id"], run.as_str());
    let by = json!({ "kind": "outside", "name": "box", "value": "BOX-9", "whole": true });
    assert_eq!((&found["runs"][0]["found_by"], &found["runs"][0]["cost_uusd"]), (&by, &json!(0)));
    assert_eq!(scene.api("GET", "/runs?q=shelf-1", &Json::Null).await.json()["runs"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_read_of_a_filter_is_told_and_widens_nothing() {
    let scene = scene().await;
    let cookie = scene.enter_as("cleo").await;
    let run = scene.started("ship", "A-1").await;
    for (query, says) in [
        ("about=A-1", "`A-1` has no name"),
        ("status=nope", "no run stands so: `nope`"),
        ("covered=perhaps", "true or false"),
        ("before=yesterday", "`yesterday` is no run"),
    ] {
        let page = scene.page(&cookie, &format!("/runs?{query}")).await;
        assert!(page.text.contains(says) && !page.text.contains(&run), "{query}: {}", page.text);
        let csrf = page.field("csrf");
        let all = [("csrf", &*csrf), ("order", "pause"), ("all", "yes"), ("query", query)];
        assert_eq!(scene.form(&cookie, "/runs/orders", &all).await.status, StatusCode::BAD_REQUEST, "{query}");
    }
    // An empty field of a form is no filter.
    let page = scene.page(&cookie, "/runs?about=&status=").await;
    assert!(page.text.contains(&run), "{}", page.text);
}

#[tokio::test]
async fn runs_are_counted_and_narrowed() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    for id in ["A-1", "A-2"] {
        scene.started("ship", id).await;
    }
    let noted = scene.started("note", "N-1").await;
    scene.ended(&noted).await;
    let counts = scene.api("GET", "/runs/counts", &Json::Null).await.json();
    let count = |workflow: &str, status: &str, runs: u64| json!({ "workflow": workflow, "status": status, "failure": null, "covered": false, "runs": runs });
    assert_eq!(counts["counts"], json!([count("note", "completed", 1), count("ship", "waiting", 2)]));
    assert_eq!(counts["waiting"], json!({ "approvals": 2, "work": 0, "effects_open": 0, "effects_unknown": 0 }));

    let page = scene.page(&cookie, "/runs?workflow=ship").await.text;
    for told in [
        "waiting <span class=\"count\">2</span>",
        "completed <span class=\"count\">0</span>",
        "every workflow <span class=\"count\">3</span>",
        "all that match, 2 runs",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let about = scene.page(&cookie, "/runs?about=order%3DA-2").await.text;
    assert!(about.contains("order A-2") && !about.contains("order A-1"), "{about}");
    assert!(about.contains("value=\"order=A-2\"") && about.contains("all that match</label>"), "{about}");
    let failed = scene.api("GET", "/runs?failure=internal", &Json::Null).await.json();
    assert_eq!(failed["runs"], json!([]));
}

#[tokio::test]
async fn several_runs_are_told_after_a_question() {
    let scene = scene().await;
    let runs = [scene.started("ship", "A-1").await, scene.started("ship", "A-2").await];
    let noted = scene.started("note", "N-1").await;
    scene.ended(&noted).await;

    let nobody = scene.enter().await;
    let csrf = scene.page(&nobody, "/runs").await.field("csrf");
    let heard = scene.form(&nobody, "/runs/orders", &[("csrf", &csrf), ("order", "pause"), ("all", "yes")]).await;
    assert_eq!(heard.status, StatusCode::CONFLICT, "who decides is written down");

    let cookie = scene.enter_as("cleo").await;
    let csrf = scene.page(&cookie, "/runs").await.field("csrf");
    let boxes: Vec<String> = runs.iter().chain([&noted]).map(|run| format!("run.{run}")).collect();
    let mut fields = vec![("csrf", csrf.as_str()), ("order", "cancel"), ("query", "workflow=ship")];
    fields.extend(boxes.iter().map(|name| (name.as_str(), "yes")));
    let asked = scene.form(&cookie, "/runs/orders", &fields).await;
    assert!(asked.status == StatusCode::OK && asked.text.contains("Cancel 3 runs?"), "{}", asked.text);
    assert!(scene.runtime.store().inbox(runs[0].parse().expect("an id"), 0).await.expect("it is there").is_empty());

    fields.push(("sure", "yes"));
    let done = scene.form(&cookie, "/runs/orders", &fields).await;
    assert!(done.text.contains("2 runs told to cancel, 1 was over already"), "{}", done.text);
    for run in &runs {
        let inbox = scene.runtime.store().inbox(run.parse().expect("an id"), 0).await.expect("it can be read");
        assert_eq!((&*inbox[0].kind, &*inbox[0].sender), ("cancel", "cleo"));
    }
    let forged = scene.form(&cookie, "/runs/orders", &[("csrf", "guessed"), ("order", "cancel"), ("all", "yes")]).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn all_that_match_are_those_for_which_it_changes_anything() {
    let scene = scene().await;
    for id in ["A-1", "A-2", "A-3"] {
        scene.started("ship", id).await;
    }
    let noted = scene.started("note", "N-1").await;
    scene.ended(&noted).await;
    let cookie = scene.enter_as("cleo").await;
    let csrf = scene.page(&cookie, "/runs").await.field("csrf");
    let all = [("csrf", csrf.as_str()), ("order", "pause"), ("query", ""), ("all", "yes")];
    let asked = scene.form(&cookie, "/runs/orders", &all).await;
    assert!(asked.text.contains("Pause 3 runs?"), "{}", asked.text);
    let none = [("csrf", csrf.as_str()), ("order", "resume"), ("query", "status=completed"), ("all", "yes")];
    assert!(scene.form(&cookie, "/runs/orders", &none).await.text.contains("There is no run to resume"));

    let order = async |body: Json| scene.api("POST", "/runs/order", &body).await;
    let unnamed = said(&order(json!({ "order": "pause", "matching": {} })).await);
    assert_eq!(unnamed.0, 409);
    let done = order(json!({ "order": "pause", "matching": { "about": "order=A-2" }, "as": "cleo" })).await.json();
    assert_eq!((&done["told"], &done["matched"]), (&json!(1), &Json::Null));
    let done = order(json!({ "order": "cancel", "runs": [noted], "as": "cleo" })).await.json();
    assert_eq!((&done["told"], &done["over"], &done["runs"][0]["outcome"]), (&json!(0), &json!(1), &json!("over")));
    for wrong in [
        json!({ "order": "pause", "as": "cleo" }),
        json!({ "order": "pause", "runs": ["x"], "matching": {}, "as": "cleo" }),
    ] {
        assert_eq!(order(wrong).await.status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn every_answer_says_how_long_it_took() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    for path in ["/runs", "/api/v1/runs", "/nothing"] {
        let heard = scene.page(&cookie, path).await;
        let took = heard.headers["server-timing"].to_str().expect("it is ASCII");
        assert!(took.strip_prefix("total;dur=").is_some_and(|ms| ms.parse::<f64>().is_ok()), "{took}");
    }
}

#[tokio::test]
async fn lists_go_on_where_the_page_before_ended() {
    let scene = scene().await;
    let cookie = scene.enter().await;
    for number in 0..52 {
        scene.started("ship", &format!("A-{number}")).await;
    }
    let first = scene.page(&cookie, "/approvals").await;
    assert!(first.text.contains("52 in all") && first.text.matches("Ship A-").count() == 50, "{}", first.text);
    let next = scene.page(&cookie, &first.link("/approvals?after=")).await;
    assert!(next.text.matches("Ship A-").count() == 2 && !next.text.contains("Later ones"), "{}", next.text);
    let attention = scene.page(&cookie, "/").await;
    assert!(attention.text.contains("All 52"), "{}", attention.text);
}
