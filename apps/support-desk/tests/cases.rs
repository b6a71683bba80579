//! The cases of the project hold, and a run that really happened becomes one that holds.

mod common;

use std::path::Path;

use common::{decide, place, program, run_until_asked};
use serde_json::Value;

fn test(folder: &Path, more: &[&str]) -> (i32, Vec<Value>) {
    let output = program().args(["test", "--json"]).arg(folder).args(more).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines)
}

#[test]
fn every_case_of_the_project_holds() {
    let (code, said) = test(Path::new(env!("CARGO_MANIFEST_DIR")), &[]);
    assert_eq!(code, 0, "{said:#?}");
    let summary = said.last().unwrap();
    assert!(summary["cases"].as_u64().unwrap() >= 13 && summary["wrong"] == 0, "{summary}");
    let stood: Vec<&str> = said.iter().filter_map(|one| one["status"].as_str()).collect();
    assert!(stood.contains(&"waiting") && stood.contains(&"done") && stood.contains(&"completed"), "{stood:?}");
}

#[test]
fn a_run_becomes_a_case_that_holds_and_shows_what_people_decided() {
    let place = place();
    let file = place.path().join("cases/large.yaml");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let record = || {
        let output = program()
            .args(["runs", "export", &common::last(place.path(), "billing"), "--case"])
            .arg(&file)
            .arg(place.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success() && !said.contains("the run did"), "{said}");
    };
    // First as it waits, then as it went on: the same file, made anew.
    let approval = run_until_asked(place.path(), "refund-620");
    record();
    let (code, said) = test(place.path(), &[]);
    assert!(code == 0 && said[0]["status"] == "waiting" && said[0]["waits_for"].is_string(), "{said:#?}");
    assert_eq!(decide(place.path(), &approval, "approve", "ines").0, 0);
    record();
    let (code, said) = test(place.path(), &[]);
    assert!(code == 0 && said[0]["status"] == "completed", "{said:#?}");
    let acts: Vec<&str> = said[0]["acts"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    assert!(acts == ["billing.refund"], "{acts:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("approve: refund") && text.contains("by: ines"), "{text}");
    // Nothing of it reached anything: the records are as the run left them.
    let run = common::last(place.path(), "billing");
    assert!(!text.contains(&run), "the case names the run {run}");
    assert_eq!(common::number(place.path(), "SELECT count(*) FROM refund"), 1);
}

#[test]
fn a_case_that_expects_something_else_says_where_and_what() {
    let place = place();
    let folder = place.path().join("cases");
    std::fs::create_dir(&folder).unwrap();
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases/refund-small.yaml");
    let text = std::fs::read_to_string(own).unwrap();
    let other = text.replace("amount_cents: 3000, currency: USD, id: 1", "amount_cents: 2900, currency: USD, id: 1");
    assert_ne!(text, other);
    std::fs::write(folder.join("refund-small.yaml"), &other).unwrap();
    let output = program().arg("test").arg(place.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("refund-small.yaml:") && said.contains("result is otherwise"), "{said}");
    assert!(said.contains("story is otherwise") && said.contains("lines as expected"), "{said}");
}

#[test]
fn no_failure_of_a_model_ends_a_run_and_no_effect_is_doubled() {
    let output = program()
        .args(["rehearse", "--json", "support-email", "--project"])
        .arg(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_models = |line: &&Value| {
        let step = line["step"].as_str().unwrap_or_default();
        ["alarm", "classify", "draft[0]/ask"].contains(&step)
    };
    let mut seen = std::collections::BTreeSet::new();
    for line in lines.iter().filter(of_models) {
        assert_ne!(line["ending"], "fails", "{line}");
        let kind = line["failure"].as_str().unwrap().split(',').next().unwrap();
        seen.insert((line["step"].as_str().unwrap(), kind));
    }
    for step in ["alarm", "classify", "draft[0]/ask"] {
        for kind in
            ["provider_auth", "provider_spend_limit", "provider_timeout", "refused", "truncated", "invalid_output"]
        {
            assert!(seen.contains(&(step, kind)), "{step}, {kind}: {seen:?}");
        }
    }
    assert_eq!((&lines.last().unwrap()["bad"], &lines.last().unwrap()["ok"]), (&0.into(), &true.into()));
}

#[test]
fn a_run_whose_words_a_model_wrote_in_turns_becomes_a_case() {
    let place = place();
    let ran =
        program().args(["run", "--input", "seed/refund-30.json"]).arg(place.path()).current_dir(place.path()).output();
    let ran = ran.unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let file = place.path().join("cases/small.yaml");
    std::fs::create_dir(file.parent().unwrap()).unwrap();
    let run = common::last(place.path(), "support-email");
    let output = program().args(["runs", "export", &run, "--case"]).arg(&file).arg(place.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("the run did"), "{said}");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("draft[0]/ask") && text.contains("proposes:"), "{text}");
    let (code, said) = test(place.path(), &[]);
    assert!(code == 0 && said[0]["status"] == "completed", "{said:#?}");
}
