//! A yes is to one definition of a server's tool: what was accepted since is another action.

use std::{collections::BTreeMap, sync::Arc};

use expect_test::expect;
use kernel::{
    governance::charter::Change,
    ids::Digest,
    tool::mcp::pin::{Definition, Pins},
    values::Timestamp,
};
use serde_json::json;

use crate::drive::{Drive, Outside, program, project};

fn definition(description: &str) -> Definition {
    serde_json::from_value(json!({
        "server": { "name": "files", "version": "1" },
        "name": "write_file",
        "description": description,
        "input_schema": { "type": "object", "properties": { "path": { "type": "string" } }, "required": [ "path" ] },
    }))
    .unwrap()
}

/// A project whose one act is put before people, with that definition accepted.
fn text(description: &str) -> String {
    let pins = Pins::of("files", None, [definition(description)]).unwrap().to_text();
    format!(
        r#"
--- workflows/copy.yaml
workflow: copy
stages:
  - stage: only
    steps:
      - {{ step: put, act: files.write, with: {{ path: a.txt }} }}
--- tools/files.yaml
tool: files
mcp: {{ url: "http://127.0.0.1:9/mcp" }}
operations:
  write: {{ name: write_file, effect: at_most_once }}
--- pins/files.json
{pins}
--- people.yaml
groups: {{ desk: {{}} }}
people: {{ sue: {{ name: Sue, groups: [ desk ] }} }}
--- policies/allow/all.cedar
@id("all")
permit (principal, action, resource);
--- policies/ask/files.cedar
@id("look") @approve_by("desk")
forbid (principal, action == Action::"files.write", resource);
"#
    )
}

const FIRST: &str = "Writes a file.";
const SECOND: &str = "Writes a file, and tells others.";

fn begun(outside: &str) -> Drive {
    let text = text(FIRST);
    let mut drive = Drive::governed(&text, "", "null", Outside::new(outside));
    accept(&mut drive, FIRST);
    drive
}

/// The project of today has accepted this, whatever the run's bundle holds.
fn accept(drive: &mut Drive, description: &str) {
    let pins = project(&text(description)).pins();
    assert_eq!(pins, BTreeMap::from([("files.write".into(), definition(description).digest().unwrap())]));
    let change = Change::Pins { project: "test".into(), pins };
    assert_eq!(Change::read(1, &change.to_bytes()).unwrap(), change);
    let (generation, by) = (drive.charter.generation, Arc::from("program"));
    drive.charter.apply(generation + 1, &change, (&by, Timestamp::default()), None).unwrap();
}

fn printed(drive: &Drive) -> String {
    let outline = drive.outline();
    let lines = outline.lines().map(|line| format!("{}\n", line.split(" (apr_").next().unwrap()));
    lines.collect()
}

#[test]
fn a_yes_counts_while_the_accepted_definition_is_the_same() {
    let mut drive = begun("> vote sue approve");
    accept(&mut drive, SECOND);
    accept(&mut drive, FIRST);
    expect![[r#"
        1   run started: copy
        2   put: asks desk by look to approve files.write {"path":"a.txt"}
        3   put: sue approved
        4   put: started files.write {"path":"a.txt"}
        5   put: finished {"ok":true}
        6   stage only done
        7   run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
}

#[test]
fn a_yes_given_before_another_definition_was_accepted_counts_no_more() {
    let mut drive = begun("");
    drive.run();
    drive.approve("sue", &"put".into());
    accept(&mut drive, SECOND);
    expect![[r#"
        1   run started: copy
        2   put: asks desk by look to approve files.write {"path":"a.txt"}
        3   put: sue approved
        4   put: what was decided no longer fits; it is judged anew
        5   put: asks desk by look to approve files.write {"path":"a.txt"}
    "#]]
    .assert_eq(&printed(drive.run()));
    drive.approve("sue", &"put".into());
    assert!(printed(drive.run()).ends_with("run completed null\n"), "{}", printed(&drive));
    assert_eq!(drive.calls.len(), 1);
}

#[test]
fn a_yes_that_was_used_up_in_vain_is_asked_for_anew_under_another_definition() {
    let outside = "put#1: !tool_changed not_sent";
    let mut drive = begun(outside);
    drive.run();
    drive.approve("sue", &"put".into());
    drive.run();
    accept(&mut drive, SECOND);
    drive.outside = Outside::new("> resume\n> vote sue approve");
    let whole = printed(drive.run());
    expect![[r#"
        1   run started: copy
        2   put: asks desk by look to approve files.write {"path":"a.txt"}
        3   put: sue approved
        4   put: started files.write {"path":"a.txt"}
        5   put: action failed, tool_changed: as told
        6   put: paused until a person resumes
        7   resume asked by ann
        8   put: what was decided no longer fits; it is judged anew
        9   put: asks desk by look to approve files.write {"path":"a.txt"}
        10  put: sue approved
        11  put: started files.write {"path":"a.txt"}
        12  put: finished {"ok":true}
        13  stage only done
        14  run completed null
    "#]]
    .assert_eq(&whole);
    for cut in 1..drive.entries.len() {
        let mut again = drive.resumed(&drive.entries[..cut]);
        again.outside = Outside::default();
        again.run();
        let two = again.calls.iter().filter(|call| call.starts_with("call ")).count() > 1;
        assert!(!two, "cut after entry {cut}");
    }
}

#[test]
fn a_yes_that_was_used_up_in_vain_still_counts_under_the_same_definition() {
    let mut drive = begun("> vote sue approve\n> resume\nput#1: !tool_changed not_sent");
    expect![[r#"
        1   run started: copy
        2   put: asks desk by look to approve files.write {"path":"a.txt"}
        3   put: sue approved
        4   put: started files.write {"path":"a.txt"}
        5   put: action failed, tool_changed: as told
        6   put: paused until a person resumes
        7   resume asked by ann
        8   put: sent again, attempt 2
        9   put: finished {"ok":true}
        10  stage only done
        11  run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
}

#[test]
fn what_a_project_has_accepted_is_a_part_of_its_charter_alone() {
    let drive = begun("");
    let pins = &drive.charter.project("test").pins;
    assert_eq!(pins.values().copied().collect::<Vec<Digest>>(), [definition(FIRST).digest().unwrap()]);
    assert!(drive.charter.project("other").pins.is_empty());
    assert_ne!(program(&text(FIRST)).bundle, program(&text(SECOND)).bundle);
}
