//! The patterns that `init` offers do what their README says.

mod common;

use std::{
    ffi::OsString,
    sync::{Arc, Mutex},
};

use common::Place;
use serde_json::Value;
use surefoot::cli::Application;

/// A pattern in a folder of its own.
fn pattern(name: &str) -> Place {
    let place = Place::new();
    place.ok(&["init", name, "--template", name]);
    place
}

/// The notes of the pattern's notebook, in order.
fn notes(place: &Place, name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(place.path().join(name).join("notebook.jsonl")).unwrap_or_default();
    let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["note"]["text"].as_str().unwrap().to_owned()).collect()
}

/// The summary of a run that is over.
fn result(place: &Place, args: &[&str]) -> Value {
    let mut all = args.to_vec();
    all.push("--json");
    let said = place.ok(&all);
    let last = said.lines().next_back().unwrap();
    serde_json::from_str::<Value>(last).unwrap()["result"].clone()
}

#[test]
fn a_person_changes_the_words_before_they_go_out() {
    let place = pattern("human-gate");
    let said = place.call(&["run", "human-gate"]);
    assert_eq!(said.code, 8, "{}", said.out);
    assert!(notes(&place, "human-gate").is_empty());
    let listed: Value = serde_json::from_str(place.ok(&["approvals", "ls", "human-gate", "--json"]).trim()).unwrap();
    let approval = listed["approval"].as_str().unwrap();
    let with = "{\"text\": \"We open at ten.\"}";
    place.ok(&["approvals", "decide", approval, "answer", "human-gate", "--as", "ada", "--with", with]);
    assert_eq!(notes(&place, "human-gate"), ["We open at ten."]);
}

#[test]
fn a_no_at_the_gate_keeps_the_draft() {
    let place = pattern("human-gate");
    place.call(&["run", "human-gate"]);
    let listed: Value = serde_json::from_str(place.ok(&["approvals", "ls", "human-gate", "--json"]).trim()).unwrap();
    let approval = listed["approval"].as_str().unwrap();
    place.ok(&["approvals", "decide", approval, "reject", "human-gate", "--as", "bo", "--reason", "not today"]);
    let kept = "Not published: From Monday on the library opens at ten and closes at six.";
    assert_eq!(notes(&place, "human-gate"), [kept]);
}

#[test]
fn a_text_is_judged_until_it_is_good_enough() {
    let place = pattern("evaluator");
    let told = result(&place, &["run", "evaluator"]);
    assert_eq!((&told["text"], &told["by"]), (&"A reading lamp of steel for 49 euros.".into(), &"models".into()));
    place.edit("evaluator/cases/answers.yaml", "score: 0.95", "score: 0.55");
    let said = place.call(&["run", "evaluator"]);
    assert_eq!(said.code, 8, "{}", said.out);
    let listed: Value = serde_json::from_str(place.ok(&["work", "ls", "evaluator", "--json"]).trim()).unwrap();
    let work = listed["work"].as_str().unwrap();
    let with = "{\"text\": \"A lamp.\"}";
    let said = place.ok(&["work", "answer", work, "evaluator", "--as", "ada", "--with", with]);
    assert!(said.contains("{\"by\":\"people\",\"text\":\"A lamp.\"}"), "{said}");
}

#[test]
fn documents_are_read_one_by_one_and_summed_up() {
    let place = pattern("map-reduce");
    let told = result(&place, &["run", "map-reduce"]);
    assert_eq!((&told["from"], &told["unread"]), (&serde_json::json!(["north", "west"]), &0.into()));
    // A document that no answer fits is named, and holds nothing up.
    place.edit("map-reduce/cases/documents.yaml", "The new school", "The new hospital");
    assert_eq!(result(&place, &["run", "map-reduce"])["unread"], 1);
}

#[test]
fn what_was_booked_is_taken_back_if_the_last_check_fails() {
    let place = pattern("saga");
    assert_eq!(result(&place, &["run", "saga"])["booked"], false);
    let taken = ["train to Basel", "hotel in Basel", "hotel 2 cancelled", "train 1 cancelled"];
    let mut all: Vec<&str> = taken.to_vec();
    all.push("Nour: no trip to Basel, nothing is booked");
    assert_eq!(notes(&place, "saga"), all);
    let cheap = place.path().join("saga/cases/cheap.yaml");
    assert_eq!(result(&place, &["run", "saga", "--input", cheap.to_str().unwrap()])["booked"], true);
    assert_eq!(notes(&place, "saga").len(), 7);
}

#[test]
fn a_coordinator_hands_to_specialists_that_may_do_less_than_it_sees() {
    let place = pattern("coordinator");
    assert_eq!(result(&place, &["run", "coordinator"])["topic"], "billing");
    assert_eq!(notes(&place, "coordinator"), ["a credit is checked"]);
    let runs = place.ok(&["runs", "ls", "coordinator", "--json"]);
    assert_eq!(runs.lines().count(), 2, "{runs}");
    // A case of it holds what the specialist did, too.
    let rows = runs.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let desk = rows.into_iter().find(|row| row["workflow"] == "desk").unwrap();
    let run = desk["run"].as_str().unwrap();
    place.ok(&["runs", "export", run, "coordinator", "--case", "coordinator/cases/recorded.yaml"]);
    let tested = place.ok(&["test", "coordinator"]);
    assert!(tested.contains("1 case, all hold"), "{tested}");
    let case = std::fs::read_to_string(place.path().join("coordinator/cases/recorded.yaml")).unwrap();
    assert!(case.contains("  reply:\n") && case.contains("  notebook.save:\n"), "{case}");
    // Killed while the specialist works: it goes on, and nothing is noted twice.
    place.ok(&["run", "coordinator", "--crash-at", "billing"]);
    assert_eq!(notes(&place, "coordinator").len(), 2);
    // The technical specialist may only look things up, whatever its file says.
    let act = "act: notebook.save\n        with: { customer: =input.customer, text: sneaky }";
    place.edit("coordinator/workflows/technical.yaml", "act: notebook.list", act);
    let input = place.path().join("coordinator/cases/broken.yaml");
    let said = place.call(&["run", "coordinator", "--input", input.to_str().unwrap()]);
    assert_ne!(said.code, 0, "{}", said.out);
    assert!(said.out.contains("handoff_failed") && said.out.contains("permission_denied"), "{}", said.out);
    assert_eq!(notes(&place, "coordinator").len(), 2);
}

#[test]
fn an_application_is_told_what_specialists_were_shown_as_well() {
    let place = pattern("coordinator");
    let seen = Arc::new(Mutex::new(Vec::new()));
    let told = seen.clone();
    let application = Application::new("surefoot").tell(move |run| {
        told.lock().unwrap().push(run.seen);
        vec!["told".to_owned()]
    });
    let folder = place.path().join("coordinator");
    let args = ["surefoot", "run", folder.to_str().unwrap()].map(OsString::from);
    assert_eq!(application.main(args, Arc::new(|_: &str| None)), 0);
    // One sorts, and the specialist answers.
    let calls: Vec<u64> = seen.lock().unwrap().iter().map(|seen| seen.calls).collect();
    assert_eq!(calls, [2]);
}

#[test]
fn a_small_model_passes_on_what_it_is_unsure_of_and_both_are_paid() {
    let place = pattern("cascade");
    let input = |name: &str| place.path().join(format!("cascade/cases/{name}.yaml")).display().to_string();
    assert_eq!(result(&place, &["run", "cascade", "--input", &input("plain")])["office"], "roads");
    let said = place.ok(&["runs", "why", "last", "office", "cascade"]);
    assert!(said.matches("billed").count() == 1 && said.contains("charged $0.000014"), "{said}");
    assert_eq!(result(&place, &["run", "cascade"])["office"], "parks");
    let said = place.ok(&["runs", "why", "last", "office", "cascade"]);
    let small = said.find("charged $0.000016").unwrap_or_else(|| panic!("{said}"));
    let large = said.find("charged $0.000498").unwrap_or_else(|| panic!("{said}"));
    assert!(small < large && said.contains("passed to model large"), "{said}");
    // Both are unsure: nothing is filed before a clerk has said where it belongs.
    let said = place.call(&["run", "cascade", "--input", &input("odd")]);
    assert!(said.code == 8 && notes(&place, "cascade").len() == 2, "{}", said.out);
    let listed: Value = serde_json::from_str(place.ok(&["work", "ls", "cascade", "--json"]).trim()).unwrap();
    let work = listed["work"].as_str().unwrap();
    let with = "{\"office\": \"parks\", \"confidence\": 1}";
    place.ok(&["work", "answer", work, "cascade", "--as", "ada", "--with", with]);
    assert_eq!(notes(&place, "cascade"), ["goes to roads", "goes to parks", "goes to parks"]);
}

/// The one approval that waits: its id, and what is asked.
fn asked(place: &Place, name: &str) -> (String, String) {
    let listed: Value = serde_json::from_str(place.ok(&["approvals", "ls", name, "--json"]).trim()).unwrap();
    (listed["approval"].as_str().unwrap().to_owned(), place.ok(&["approvals", "ls", name]))
}

#[test]
fn a_plan_with_another_recipient_is_another_version_and_waits_again() {
    let place = pattern("reviewed-plan");
    let said = place.call(&["run", "reviewed-plan"]);
    assert_eq!(said.code, 8, "{}", said.out);
    let (first, says) = asked(&place, "reviewed-plan");
    assert!(says.contains("Carry out version 1 of the plan") && says.contains("$0.04"), "{says}");
    assert!(!says.contains("house@club.example"), "{says}");
    let why = ["--as", "ada", "--reason", "the house has to know as well"];
    place.call(&[&["approvals", "decide", &first, "reject", "reviewed-plan"][..], &why].concat());
    // The new recipient is in nobody's notes: the second version waits, whatever was said of the first.
    let (second, says) = asked(&place, "reviewed-plan");
    assert!(first != second && says.contains("Carry out version 2 of the plan"), "{says}");
    assert!(says.contains("house@club.example") && notes(&place, "reviewed-plan").is_empty(), "{says}");
    place.ok(&["approvals", "decide", &second, "approve", "reviewed-plan", "--as", "bo"]);
    assert_eq!(notes(&place, "reviewed-plan").len(), 3);
}

#[test]
fn what_no_rule_permits_is_in_no_plan_whoever_agrees() {
    let place = pattern("reviewed-plan");
    place.edit("reviewed-plan/cases/answers.yaml", "to: bo@club.example", "to: bo@elsewhere.example");
    let said = place.call(&["run", "reviewed-plan", "--json"]);
    assert!(said.out.contains("notes.outside") && !said.out.contains("approval_requested"), "{}", said.out);
    assert!(notes(&place, "reviewed-plan").is_empty());
}

#[test]
fn the_cases_of_a_pattern_hold() {
    for (name, least) in [("cascade", 5), ("reviewed-plan", 7)] {
        let place = pattern(name);
        let said = place.ok(&["test", name, "--json"]);
        let sum: Value = serde_json::from_str(said.lines().next_back().unwrap()).unwrap();
        assert!(sum["cases"].as_u64() >= Some(least) && sum["wrong"] == 0, "{sum}");
    }
}
