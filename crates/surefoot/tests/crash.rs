//! `run --crash-at`: whatever step the process dies at, the run ends as if nothing had happened.

mod common;

use std::collections::BTreeSet;

use common::Place;
use serde_json::Value;

const STEPS: [&str; 11] =
    ["opening", "facts", "entries", "save", "route", "alarm", "pause", "closing", "count", "thanks", "outcome"];

/// The lines of `--json`, of one kind.
fn lines(out: &str, kind: &str) -> Vec<Value> {
    let all = out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    all.filter(|line| line["kind"] == kind).collect()
}

fn crash(place: &Place, step: &str) -> (i32, String) {
    let said = place.call(&["run", "demo", "--crash-at", step, "--json"]);
    assert!(said.err.is_empty(), "{step}: {}", said.err);
    (said.code, said.out)
}

#[test]
fn a_run_killed_at_any_step_goes_on_and_repeats_nothing() {
    let place = Place::with_demo();
    let undisturbed = lines(&place.ok(&["run", "demo", "--json"]), "summary");
    for step in STEPS {
        let (code, out) = crash(&place, step);
        assert_eq!(code, 0, "{step}: {out}");
        let killed = &lines(&out, "killed")[0];
        assert_eq!(killed["signal"], 9, "{step}");
        assert!(killed["entries"].as_u64().unwrap() >= 1, "{step}");
        let at = killed["step"].as_str().unwrap();
        assert!(at == step || at.ends_with(&format!("/{step}")), "{step}: {at}");
        let count = &lines(&out, "count")[0];
        assert_eq!(count["holds"], true, "{step}: {count}");
        assert_eq!(count["done_again"], serde_json::json!([]), "{step}");
        let effects = count["effects"].as_object().unwrap();
        assert_eq!(effects.len(), 4, "{step}");
        assert!(effects.values().all(|lines| *lines == 1), "{step}: {count}");
        let summary = &lines(&out, "summary")[0];
        for field in ["status", "result", "steps", "actions"] {
            assert_eq!(summary[field], undisturbed[0][field], "{step}: {field}");
        }
        let told: Vec<u64> = lines(&out, "entry").iter().map(|line| line["seq"].as_u64().unwrap()).collect();
        let once: BTreeSet<u64> = told.iter().copied().collect();
        assert_eq!(
            (told.len(), once.len()),
            (once.len(), *once.last().unwrap() as usize),
            "{step}: every entry is told once"
        );
    }
}

#[test]
fn the_effect_of_the_step_had_happened_when_the_process_died() {
    let place = Place::with_demo();
    let (_, out) = crash(&place, "alarm");
    assert_eq!(lines(&out, "killed")[0]["what"], "notebook.save had acted, and its answer was not recorded");
    assert_eq!(lines(&out, "count")[0]["sent_again"], 1);
}

#[test]
fn a_step_that_does_not_exist_is_refused_before_anything_runs() {
    let place = Place::with_demo();
    let said = place.call(&["run", "demo", "--crash-at", "facs"]);
    assert_eq!(said.code, 2);
    assert_eq!(said.err, "error: the workflow report has no step `facs`\n  try: did you mean `facts`?\n");
    assert!(!place.path().join("demo/.surefoot").exists());
}

#[test]
fn a_step_that_this_input_never_reaches_is_said_so() {
    let place = Place::with_demo();
    let said = place.call(&["run", "demo", "--input", "demo/cases/evening.yaml", "--crash-at", "alarm"]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("the run ended without reaching `alarm`: nothing was killed"), "{}", said.err);
}
