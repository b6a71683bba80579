//! `act`: intent, outcome, retries, denials.

use expect_test::expect;

use crate::drive::{Drive, Outside, check, program};

pub const SAVE: &str = r#"
        --- workflows/save.yaml
        workflow: save
        result: { value: "=save.id if ran(save) else none" }
        stages:
          - stage: only
            steps:
              - step: save
                act: box.put
                with: { text: =input.text }
            on_failure: { tool_rejected: [ { stage: sorry } ] }
          - stage: sorry
            steps: [ { step: excuse, set: { text: sorry } } ]
        --- tools/box.yaml
        tool: box
        native: true
        operations:
          put: { effect: idempotent, params: schemas/put.yaml }
          get: { effect: read }
        --- schemas/put.yaml
        type: object
        required: [ text ]
        additionalProperties: false
        properties: { text: { type: string, minLength: 2 } }
"#;

#[test]
fn an_action_has_an_intent_before_and_an_outcome_after() {
    check(
        SAVE,
        r#"{"text": "hello"}"#,
        r#"save: {"id": 7}"#,
        expect![[r#"
            1   run started: save
            2   save: started box.put {"text":"hello"}
            3   save: finished {"id":7}
            4   stage only done
            5   run completed 7
        "#]],
    );
}

#[test]
fn arguments_that_do_not_fit_never_leave() {
    let mut drive = Drive::new(program(SAVE), r#"{"text": "x"}"#, Outside::default());
    drive.run();
    expect![[r#"
        1   run started: save
        2   save: failed, invalid_arguments: the arguments of `box.put`: `/text`: "x" is shorter than 2 characters
        3   save: no recovery left
        4   run failed, invalid_arguments: the arguments of `box.put`: `/text`: "x" is shorter than 2 characters
    "#]]
    .assert_eq(&drive.outline());
    assert!(drive.calls.is_empty(), "{:?}", drive.calls);
}

#[test]
fn a_timeout_is_sent_again_with_the_same_key_and_bytes() {
    let outside = Outside::new("save#1: !tool_timeout maybe_sent\nsave#2: !tool_error not_sent\nsave: {\"id\": 7}");
    let mut drive = Drive::new(program(SAVE), r#"{"text": "hello"}"#, outside);
    drive.run();
    expect![[r#"
        1   run started: save
        2   save: started box.put {"text":"hello"}
        3   save: action failed, tool_timeout: as told
        4   save: tried again at 2026-11-20T00:00:00.196Z
        5   save: sent again, attempt 2
        6   save: action failed, tool_error: as told
        7   save: tried again at 2026-11-20T00:00:00.393Z
        8   save: sent again, attempt 3
        9   save: finished {"id":7}
        10  stage only done
        11  run completed 7
    "#]]
    .assert_eq(&drive.outline());
    assert_eq!(drive.calls.len(), 3);
    assert!(drive.calls.iter().all(|call| *call == drive.calls[0]), "{:?}", drive.calls);
}

#[test]
fn a_rejection_leaves_for_the_declared_stage() {
    check(
        SAVE,
        r#"{"text": "hello"}"#,
        "save: !tool_rejected",
        expect![[r#"
            1   run started: save
            2   save: started box.put {"text":"hello"}
            3   save: action failed, tool_rejected: as told
            4   save: left for stage sorry
            5   excuse: done {"text":"sorry"}
            6   stage sorry done
            7   run completed null
        "#]],
    );
}

#[test]
fn retries_end() {
    check(
        SAVE,
        r#"{"text": "hello"}"#,
        "save: !tool_timeout maybe_sent",
        expect![[r#"
            1   run started: save
            2   save: started box.put {"text":"hello"}
            3   save: action failed, tool_timeout: as told
            4   save: tried again at 2026-11-20T00:00:00.196Z
            5   save: sent again, attempt 2
            6   save: action failed, tool_timeout: as told
            7   save: tried again at 2026-11-20T00:00:00.418Z
            8   save: sent again, attempt 3
            9   save: action failed, tool_timeout: as told
            10  save: tried again at 2026-11-20T00:00:01.082Z
            11  save: sent again, attempt 4
            12  save: action failed, tool_timeout: as told
            13  save: tried again at 2026-11-20T00:00:02.004Z
            14  save: sent again, attempt 5
            15  save: action failed, tool_timeout: as told
            16  save: outcome unknown, tool_timeout: as told; a person must resolve it
        "#]],
    );
}

#[test]
fn a_rejection_after_a_sending_that_may_have_arrived_is_unknown_and_waits_for_a_person() {
    check(
        SAVE,
        r#"{"text": "hello"}"#,
        "save#1: !tool_timeout maybe_sent\nsave#2: !tool_rejected\nsave: {\"id\": 7}\n> resume",
        expect![[r#"
            1   run started: save
            2   save: started box.put {"text":"hello"}
            3   save: action failed, tool_timeout: as told
            4   save: tried again at 2026-11-20T00:00:00.196Z
            5   resume asked by ann
            6   save: sent again, attempt 2
            7   save: outcome unknown, unknown_outcome: an earlier sending may have been performed; sending 2 was rejected: as told; a person must resolve it
        "#]],
    );
}

#[test]
fn a_rejection_after_sendings_that_never_left_is_a_rejection() {
    check(
        SAVE,
        r#"{"text": "hello"}"#,
        "save#1: !tool_error not_sent\nsave: !tool_rejected",
        expect![[r#"
        1   run started: save
        2   save: started box.put {"text":"hello"}
        3   save: action failed, tool_error: as told
        4   save: tried again at 2026-11-20T00:00:00.196Z
        5   save: sent again, attempt 2
        6   save: action failed, tool_rejected: as told
        7   save: left for stage sorry
        8   excuse: done {"text":"sorry"}
        9   stage sorry done
        10  run completed null
    "#]],
    );
}

#[test]
fn a_tool_that_changed_pauses_the_run_until_a_person_has_accepted_it() {
    check(
        SAVE,
        r#"{"text": "hello"}"#,
        "save#1: !tool_changed not_sent\n> resume\nsave#2: !tool_changed not_sent\n> resume\nsave: {\"id\": 7}",
        expect![[r#"
            1   run started: save
            2   save: started box.put {"text":"hello"}
            3   save: action failed, tool_changed: as told
            4   save: paused until a person resumes
            5   resume asked by ann
            6   save: sent again, attempt 2
            7   save: action failed, tool_changed: as told
            8   save: paused until a person resumes
            9   resume asked by ann
            10  save: sent again, attempt 3
            11  save: finished {"id":7}
            12  stage only done
            13  run completed 7
        "#]],
    );
}
