//! What models were shown at the desk: made again from the journals, and measured.

mod common;

use std::path::Path;

use common::{place, program, run_file, run_until_asked};
use serde_json::Value;

/// What a command prints, one object a line.
fn lines(args: &[&str], place: &Path) -> Vec<Value> {
    let output = program().args(args).arg(place).arg("--json").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_request_of_every_run_is_made_again_and_all_calls_share_their_prefix() {
    let place = place();
    for seed in ["technical", "refund-30"] {
        run_file(place.path(), &place.path().join(format!("seed/{seed}.json")), &[]);
    }
    run_until_asked(place.path(), "angry");
    let (mut calls, mut steps) = (0, std::collections::BTreeSet::new());
    for run in lines(&["runs", "ls"], place.path()) {
        // The other specialists ask no model.
        if run["workflow"] != "support-email" && run["workflow"] != "billing" {
            continue;
        }
        for shown in lines(&["context", "show", run["run"].as_str().unwrap(), "*"], place.path()) {
            assert_eq!(shown["made_again"], true, "{shown}");
            let segments = shown["segments"].as_array().unwrap();
            let body = segments.iter().find(|one| one["id"] == "body" || one["id"] == "messages").unwrap();
            assert!(body["labels"].as_array().unwrap().contains(&"untrusted".into()), "{body}");
            steps.insert(shown["step"].as_str().unwrap().to_owned());
            calls += 1;
        }
    }
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), ["alarm", "classify", "draft[0]/ask", "request"]);
    let hand = concat!(env!("CARGO_MANIFEST_DIR"), "/data/hand-written.yaml");
    let measured = lines(&["bench", "context", "--hand", hand], place.path());
    let asking: Vec<&Value> = measured.iter().filter(|line| line["model_calls"] != 0).collect();
    let [billing, line] = asking.as_slice() else { panic!("{measured:?}") };
    assert_eq!((&billing["workflow"], &line["workflow"]), (&"billing".into(), &"support-email".into()));
    assert_eq!((&billing["model_calls"], &billing["hand_calls"]), (&1.into(), &1.into()), "{billing}");
    calls -= 1;
    assert_eq!(
        (&line["model_calls"], &line["hand_calls"], &line["accepted"]),
        (&calls.into(), &calls.into(), &2.into())
    );
    for line in [billing, line] {
        assert!(line["prefix_shared"].as_f64().unwrap() >= 0.95, "{line}");
        assert!(line["everything_per_accepted"].as_u64() > line["shown_per_accepted"].as_u64(), "{line}");
        assert!(line["shown_to_by_hand"].as_f64().unwrap() < 1.5, "{line}");
    }
}
