//! `approve`: a question to people, decided, refused, run out of time, asked again after a crash.

use expect_test::{Expect, expect};
use kernel::{
    governance::approval::{By, Decision, Vote},
    journal::{Event, Held},
    next::Record,
    run::Doing,
    values::Value,
};

use crate::drive::{Drive, Outside};

const ASK: &str = r#"
        --- workflows/release.yaml
        workflow: release
        input: schemas/input.yaml
        acts_for: =input.agent
        result: { value: =release }
        stages:
          - stage: only
            steps:
              - step: release
                approve:
                  ask: "Release {{ input.version }}?"
                  of: desk
                  expires: 4h
                  on_expiry: { escalate: managers }
                  no_self: true
                  evidence: { version: =input.version, notes: =input.notes }
            on_failure:
              approval_rejected: [ { continue_with: { no: rejected } } ]
        --- schemas/input.yaml
        type: object
        required: [ version, agent, notes ]
        properties:
          version: { type: string, x-labels: [ trusted ] }
          notes: { type: string }
          agent: { type: string }
        --- schemas/form.yaml
        type: object
        required: [ window ]
        properties: { window: { type: string, enum: [ night, day ] } }
        --- people.yaml
        groups: { desk: {}, managers: {} }
        people:
          tom: { name: Tom, groups: [ desk ] }
          sue: { name: Sue, groups: [ desk ] }
          ann: { name: Ann, groups: [ managers ] }
          eva: { name: Eva, groups: [ desk ], absences: [ { from: 2026-11-20, until: 2026-11-21 } ] }
"#;

fn ask(text: &str, outside: &str) -> Drive {
    let input = r#"{"version": "2.1", "notes": "small\u200b", "agent": "tom"}"#;
    Drive::governed(text, "tom", input, Outside::new(outside))
}

fn printed(drive: &Drive) -> String {
    let mut out = String::new();
    for line in drive.outline().lines() {
        let end = line.find(" (apr_").unwrap_or(line.len());
        out.push_str(&line[..end]);
        out.push('\n');
    }
    for why in &drive.refused {
        out.push_str(&format!("refused: {why}\n"));
    }
    out
}

#[track_caller]
fn check(text: &str, outside: &str, expected: Expect) -> Drive {
    let mut drive = ask(text, outside);
    expected.assert_eq(&printed(drive.run()));
    drive
}

fn card(drive: &Drive) -> Value {
    let card = drive.events.iter().find_map(|event| match event {
        Event::ApprovalRequested { card: Held::Value(card), .. } => Some(card.clone()),
        _ => None,
    });
    card.expect("a question")
}

#[test]
fn a_yes_of_somebody_who_may_lets_the_run_go_on() {
    let drive = check(
        ASK,
        "> vote tom approve\n> vote eva approve\n> vote ann approve\n> vote sue answer {}\n> vote sue edit {\"x\": 1}\n> vote sue approve",
        expect![[r#"
            1   run started: release
            2   release: asks desk to approve
            3   release: sue approved
            4   release: decided {"approved":true,"by":["sue"]}
            5   stage only done
            6   run completed {"approved":true,"by":["sue"]}
            refused: `tom` asked for this action, and who asks does not decide
            refused: `eva` is away until 2026-11-21, and nobody stands in
            refused: `ann` is in none of the groups that decide this: `desk`
            refused: this action is approved, edited or rejected; it is not a question to be answered
            refused: `x` cannot be changed here; nothing can be
        "#]],
    );
    let card = card(&drive);
    expect![[r#"{"standing":{"notes":{"from":["input.notes"],"labels":["untrusted"],"standing":"claim"},"version":{"from":[],"labels":[],"standing":"fact"}},"values":{"notes":"small⟨U+200B⟩","version":"2.1"}}"#]].assert_eq(&card.get("evidence").unwrap().to_json());
    assert_eq!(card.get("says").and_then(Value::as_str), Some("Release 2.1?"));
    assert_eq!(card.get("form"), None);
}

#[test]
fn a_no_is_a_failure_that_the_workflow_may_answer() {
    check(
        ASK,
        "> vote sue reject not before monday",
        expect![[r#"
        1   run started: release
        2   release: asks desk to approve
        3   release: sue rejected
        4   release: approval_rejected: sue said no: not before monday
        5   release: continued with {"no":"rejected"}
        6   stage only done
        7   run completed {"no":"rejected"}
    "#]],
    );
}

#[test]
fn when_nobody_decides_more_people_are_asked_and_then_it_fails() {
    // Time that runs out is never a yes, and who was asked in vain is asked once more.
    check(
        ASK,
        "",
        expect![[r#"
        1   run started: release
        2   release: asks desk to approve
        3   release: nobody decided in time; asks desk or managers
        4   release: approval_expired: nobody of desk or managers decided in time
        5   release: no recovery left
        6   run failed, approval_expired: nobody of desk or managers decided in time
    "#]],
    );
}

#[test]
fn a_manager_decides_after_the_escalation() {
    let mut drive = ask(ASK, "");
    drive.die_after = Some(3);
    drive.run();
    let mut after = drive.resumed(&drive.entries);
    after.outside = Outside::new("> vote ann approve");
    expect![[r#"
        1   run started: release
        2   release: asks desk to approve
        3   release: nobody decided in time; asks desk or managers
        4   release: ann approved
        5   release: decided {"approved":true,"by":["ann"]}
        6   stage only done
        7   run completed {"approved":true,"by":["ann"]}
    "#]]
    .assert_eq(&printed(after.run()));
}

#[test]
fn a_quorum_wants_different_people() {
    let two = ASK.replace("of: desk", "of: [ desk, managers ]\n                  quorum: 2");
    check(
        &two,
        "> vote sue approve\n> vote sue approve\n> vote ann approve",
        expect![[r#"
        1   run started: release
        2   release: asks desk or managers, 2 people to approve
        3   release: sue approved
        4   release: sue approved
        5   release: ann approved
        6   release: decided {"approved":true,"by":["ann","sue"]}
        7   stage only done
        8   run completed {"approved":true,"by":["ann","sue"]}
    "#]],
    );
}

#[test]
fn a_form_is_answered_and_the_answer_is_judged() {
    let form = ASK.replace("of: desk", "of: desk\n                  form: schemas/form.yaml");
    let drive = check(
        &form,
        r#"> vote sue answer {"window": "night"}"#,
        expect![[r#"
        1   run started: release
        2   release: asks desk to approve
        3   release: sue answered
        4   release: decided {"answer":{"window":"night"},"approved":true,"by":["sue"]}
        5   stage only done
        6   run completed {"answer":{"window":"night"},"approved":true,"by":["sue"]}
    "#]],
    );
    assert!(card(&drive).get("form").is_some());
    // Who posts past the command is judged here again.
    check(
        &form,
        r#"> vote sue answer {"window": "noon"}"#,
        expect![[r#"
        1   run started: release
        2   release: asks desk to approve
        3   release: sue answered
        4   release: contract_violated: the answer of sue does not fit the form: `/window`: "noon" is not one of "night", "day"
        5   release: no recovery left
        6   run failed, contract_violated: the answer of sue does not fit the form: `/window`: "noon" is not one of "night", "day"
    "#]],
    );
    check(
        &form,
        "> vote sue approve",
        expect![[r#"
            1   run started: release
            2   release: asks desk to approve
            3   release: sue approved
            4   release: contract_violated: the answer of sue does not fit the form: the value: null is not an object
            5   release: no recovery left
            6   run failed, contract_violated: the answer of sue does not fit the form: the value: null is not an object
        "#]],
    );
}

#[test]
fn a_crash_after_any_entry_changes_nothing() {
    let outside = "> vote sue approve";
    let mut whole = ask(ASK, outside);
    whole.run();
    assert!(whole.state.end.is_some(), "{}", whole.outline());
    for cut in 1..whole.entries.len() {
        let mut cut_off = ask(ASK, outside);
        cut_off.die_after = Some(cut);
        cut_off.run();
        let mut resumed = cut_off.resumed(&cut_off.entries);
        if cut >= 3 {
            // The vote is in the journal.
            resumed.outside = Outside::new("");
        }
        resumed.run();
        assert_eq!(resumed.outline(), whole.outline(), "crashed after entry {cut}");
    }
}

#[test]
fn a_yes_covers_the_question_that_was_asked_and_no_other() {
    let mut drive = ask(ASK, "");
    drive.die_after = Some(2);
    drive.run();
    let mut after = drive.resumed(&drive.entries);
    after.outside = Outside::new("> vote sue approve");
    // Somebody changes what was asked, in the state that the votes are counted in.
    let open = after.state.stages.last_mut().unwrap().steps.open.as_mut().unwrap();
    let Doing::Approving(approving) = &mut open.doing else { panic!("{open:?}") };
    approving.terms.hash = kernel::ids::Digest::of(&[b"another question"]);
    after.die_after = Some(5);
    expect![[r#"
        1   run started: release
        2   release: asks desk to approve
        3   release: sue approved
        4   release: what was decided no longer fits; it is judged anew
        5   release: asks desk to approve
    "#]]
    .assert_eq(&printed(after.run()));
}

#[test]
fn a_vote_past_every_check_counts_for_nothing() {
    let mut drive = ask(ASK, "");
    drive.die_after = Some(2);
    drive.run();
    let mut after = drive.resumed(&drive.entries);
    let step = kernel::ids::StepPath::new("release");
    let approving = after.state.approving(&step).unwrap().clone();
    let people = after.charter.project("test").people.clone();
    // Tom asked for it, and Ann is not of the desk.
    for by in ["tom", "ann"] {
        let by = By::Person(by.into());
        let vote = Vote::cast(by, Decision::Approve, approving.terms.shown, "local", &people, after.now);
        let (message, step, approval) = (after.state.inbox_read + 1, step.clone(), approving.id.clone());
        after.push(Record::of(Event::VoteReceived { message, step, approval, vote }));
    }
    let printed = printed(after.run());
    assert!(printed.contains("nobody decided in time"), "{printed}");
    assert!(!printed.contains("decided {"), "{printed}");
}
