//! Pause, resume, cancel, and the recovery `pause`.

use expect_test::expect;

use crate::drive::{Drive, Outside, check, program};

const TWO: &str = r#"
        --- workflows/two.yaml
        workflow: two
        result: { value: =b.x }
        stages:
          - stage: only
            steps:
              - step: a
                wait: { signal: go }
              - step: b
                set: { x: 1 }
"#;

#[test]
fn a_paused_run_keeps_its_signals_and_goes_on_when_resumed() {
    check(
        TWO,
        "{}",
        "> pause\n> signal go\n> resume",
        expect![[r#"
            1   run started: two
            2   a: waits for signal go
            3   pause asked by ann
            4   signal go from ann, message 2 null
            5   resume asked by ann
            6   a: woken by message 2 {"body":null,"by":"signal","name":"go","sender":"ann"}
            7   b: done {"x":1}
            8   stage only done
            9   run completed 1
        "#]],
    );
}

#[test]
fn a_cancelled_run_ends() {
    check(
        TWO,
        "{}",
        "> cancel",
        expect![[r#"
            1   run started: two
            2   a: waits for signal go
            3   cancel asked by ann
            4   run cancelled
        "#]],
    );
}

#[test]
fn a_paused_run_can_be_cancelled() {
    check(
        TWO,
        "{}",
        "> pause\n> cancel",
        expect![[r#"
            1   run started: two
            2   a: waits for signal go
            3   pause asked by ann
            4   cancel asked by ann
            5   run cancelled
        "#]],
    );
}

#[test]
fn a_failure_may_pause_the_run_until_a_person_resumes() {
    let project = super::acts::SAVE.replace("[ { stage: sorry } ]", "[ pause ], tool_error: [ { stage: sorry } ]");
    check(
        &project,
        r#"{"text": "hello"}"#,
        "save#1: !tool_rejected\nsave: {\"id\": 3}\n> resume",
        expect![[r#"
            1   run started: save
            2   save: started box.put {"text":"hello"}
            3   save: action failed, tool_rejected: as told
            4   save: paused until a person resumes
            5   resume asked by ann
            6   save: sent again, attempt 2
            7   save: finished {"id":3}
            8   stage only done
            9   run completed 3
        "#]],
    );
}

#[test]
fn an_open_action_is_answered_before_a_run_is_cancelled() {
    let outside = Outside::new("save: {\"id\": 3}");
    let mut drive = Drive::new(program(super::acts::SAVE), r#"{"text": "hello"}"#, outside);
    drive.die_after = Some(2);
    drive.run();
    let mut resumed = drive.resumed(&drive.entries);
    resumed.outside = Outside::new("save: {\"id\": 3}");
    let record = kernel::next::receive(1, "cancel", "", kernel::values::Value::Null, "ann").expect("known");
    resumed.push(record);
    resumed.run();
    expect![[r#"
        1   run started: save
        2   save: started box.put {"text":"hello"}
        3   cancel asked by ann
        4   save: sent again, attempt 2
        5   save: finished {"id":3}
        6   run cancelled
    "#]]
    .assert_eq(&resumed.outline());
}
