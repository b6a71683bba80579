//! Runs that go on from where others were, on the command line.

mod common;

use common::Place;
use serde_json::Value;

const FILES: [(&str, &str); 3] = [
    ("surefoot.yaml", "project: demo\n"),
    (
        "workflows/proof.yaml",
        "workflow: proof\ninput: schemas/input.yaml\nresult: { value: =noted.id }\nstages:\n  - stage: all\n    steps:\n      \
         - { step: noted, set: { id: =input.id } }\n      - { step: proven, verify: { holds: noted.id == 'x' } }\n",
    ),
    ("schemas/input.yaml", "type: object\nrequired: [id]\nproperties: { id: { type: string } }\n"),
];

fn ran(id: &str, code: i32) -> Place {
    let place = Place::new();
    for (file, text) in FILES {
        place.write(&format!("demo/{file}"), text);
    }
    run(&place, id, code);
    place
}

fn run(place: &Place, id: &str, code: i32) {
    place.write("input.json", &format!(r#"{{"id": "{id}"}}"#));
    let said = place.call(&["run", "demo", "--input", "input.json"]);
    assert_eq!(said.code, code, "{}{}", said.out, said.err);
}

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_is_forked_and_shows_where_it_goes_on_from() {
    let place = ran("x", 0);
    let source = place.newest();
    let said = place.ok(&["runs", "fork", "last", "demo", "--at", "2", "--effects", "live", "--as", "zoe"]);
    let forked = place.newest();
    assert_eq!(said, format!("started {forked}: it goes on from {source}, entry 2; effects live\n"));
    place.ok(&["run", "demo", "--resume"]);
    let shown = place.ok(&["runs", "show", &forked, "demo"]);
    assert!(shown.contains(&format!("goes on from {source} after entry 2, effects live")), "{shown}");
    assert!(shown.contains("completed"), "{shown}");
    let shown = place.ok(&["runs", "show", &source, "demo"]);
    assert!(shown.contains(&format!("{forked} goes on from it after entry 2: completed")), "{shown}");
    let rows = objects(&place.ok(&["runs", "ls", "demo", "--fork-of", &source, "--json"]));
    assert_eq!((rows.len(), &rows[0]["run"], &rows[0]["fork_entry"]), (1, &forked.as_str().into(), &2.into()));
    let said = place.call(&["runs", "fork", &source, "demo", "--at", "40"]);
    assert_eq!((said.code, said.err.contains("and not 40")), (4, true), "{}", said.err);
    // What was exported of it verifies, and the data are sound.
    place.ok(&["runs", "export", &forked, "demo", "--out", "fork.jsonl"]);
    place.ok(&["evidence", "verify", "fork.jsonl"]);
    place.ok(&["db", "check", "demo"]);
    // Whoever erases the source hears who holds a copy.
    let erase =
        |run: &str| place.ok(&["evidence", "erase", run, "demo", "--as", "ann", "--reason", "asked for", "--json"]);
    assert_eq!(objects(&erase(&source))[0]["copies"], serde_json::json!([forked]));
    assert_eq!(objects(&erase(&forked))[0]["copies"], serde_json::json!([]));
    let again = place.call(&["evidence", "erase", &source, "demo", "--as", "zoe", "--reason", "not me"]);
    assert_eq!((again.code, again.err.contains("was erased before")), (9, true), "{}", again.err);
    place.ok(&["db", "check", "demo"]);
}

#[test]
fn failed_runs_are_tried_again_once_each() {
    let place = ran("a", 1);
    run(&place, "b", 1);
    let said = place.call(&["runs", "retry", "last", "--folder", "demo", "--json"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let told = objects(&said.out);
    assert_eq!(
        (&told[0]["kind"], &told[0]["created"], &told[0]["entry"]),
        (&"retried".into(), &true.into(), &2.into())
    );
    let all = ["runs", "retry", "--failure", "unsupported_claim", "--workflow", "proof", "--folder", "demo", "--json"];
    let told = objects(&place.ok(&all));
    let summary = told.last().unwrap();
    assert_eq!((&summary["started"], &summary["known"]), (&1.into(), &0.into()), "{told:?}");
    let told = objects(&place.ok(&all));
    assert_eq!(told.last().unwrap()["started"], 0, "nothing is started twice: {told:?}");
    let none = place.ok(&["runs", "retry", "--failure", "tool_timeout", "--folder", "demo"]);
    assert_eq!(none, "no run that failed so is left to be tried again\n");
    let wrong = place.call(&["runs", "retry", "--failure", "no_such", "--folder", "demo"]);
    assert_eq!(wrong.code, 2, "{}", wrong.err);
    place.ok(&["db", "check", "demo"]);
}

#[test]
fn a_run_that_did_not_fail_is_not_tried_again() {
    let place = ran("x", 0);
    let said = place.call(&["runs", "retry", "last", "--folder", "demo"]);
    assert_eq!((said.code, said.err.contains("did not fail")), (9, true), "{}", said.err);
}
