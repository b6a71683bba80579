//! What models were shown of leads: made again from the journals, and measured.

use std::path::Path;

use assert_cmd::Command;
use crm_leads::harness;
use serde_json::Value;

/// What a command prints, one object a line.
fn lines(args: &[&str], place: &Path) -> Vec<Value> {
    let mut command = Command::cargo_bin("crm-leads").unwrap();
    let output = command.args(args).arg(place).arg("--json").env_remove("SUREFOOT_PROFILE").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn every_request_of_every_run_is_made_again_and_all_calls_share_their_prefix() {
    let keep = tempfile::tempdir().unwrap();
    let (place, project) = (keep.path(), Path::new(env!("CARGO_MANIFEST_DIR")));
    harness::copy_project(project, place).unwrap();
    harness::copy(&project.join("seed"), &place.join("seed")).unwrap();
    for lead in ["graylog", "airbyte"] {
        let input = place.join(format!("seed/leads/{lead}.json"));
        lines(&["run", "--input", input.to_str().unwrap()], place);
    }
    let (mut calls, mut steps) = (0, std::collections::BTreeSet::new());
    for run in lines(&["runs", "ls"], place) {
        for shown in lines(&["context", "show", run["run"].as_str().unwrap(), "*"], place) {
            assert_eq!(shown["made_again"], true, "{shown}");
            steps.insert(shown["step"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
            calls += 1;
        }
    }
    assert_eq!(steps.into_iter().collect::<Vec<_>>(), ["brief", "reading"]);
    let hand = project.join("data/hand-written.yaml");
    let measured = lines(&["bench", "context", "--hand", hand.to_str().unwrap()], place);
    let [line] = measured.as_slice() else { panic!("{measured:?}") };
    assert_eq!(
        (&line["model_calls"], &line["hand_calls"], &line["accepted"]),
        (&calls.into(), &calls.into(), &2.into())
    );
    assert!(line["prefix_shared"].as_f64().unwrap() >= 0.95, "{line}");
    assert!(line["everything_per_accepted"].as_u64() > line["shown_per_accepted"].as_u64(), "{line}");
    assert!(line["shown_to_by_hand"].as_f64().unwrap() < 1.5, "{line}");
}
