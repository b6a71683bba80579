//! The cases of the project hold, and a run that really happened becomes one that holds.

use std::{fs, path::Path};

use assert_cmd::Command;
use serde_json::Value;

fn program() -> Command {
    let mut command = Command::cargo_bin("crm-leads").unwrap();
    command.env_remove("SUREFOOT_PROFILE");
    command
}

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

fn test(folder: &Path) -> (i32, Vec<Value>) {
    let output = program().args(["test", "--json"]).arg(folder).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines)
}

#[test]
fn every_case_of_the_project_holds() {
    let (code, said) = test(Path::new(env!("CARGO_MANIFEST_DIR")));
    assert_eq!(code, 0, "{said:#?}");
    let summary = said.last().unwrap();
    assert!(summary["cases"].as_u64().unwrap() >= 11 && summary["wrong"] == 0, "{summary}");
}

#[test]
fn a_run_over_many_pages_becomes_a_case_that_holds() {
    let keep = tempfile::tempdir().unwrap();
    let place = keep.path();
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in
        ["surefoot.yaml", "routes.yaml", "workflows", "prompts", "schemas", "tools", "sql", "rules", "lexicons", "seed"]
    {
        copy(&own.join(name), &place.join(name));
    }
    fs::create_dir(place.join("cases")).unwrap();
    let input = place.join("seed/leads/molteo.json");
    program().args(["run", "--json", "--input"]).arg(input).arg(place).assert().success();
    let file = place.join("cases/molteo.yaml");
    let output = program().args(["runs", "export", "last", "--case"]).arg(&file).arg(place).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains("the run did"), "{said}");
    let (code, said) = test(place);
    assert!(code == 0 && said[0]["status"] == "completed", "{said:#?}");
    assert!(said[0]["acts"].as_array().unwrap().iter().any(|act| act == "crm.write_field"), "{said:#?}");
}
