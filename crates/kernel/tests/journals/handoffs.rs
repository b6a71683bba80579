//! `handoff` to people: done, late, twice, against its contract, out of time, and over a crash.

use expect_test::{Expect, expect};
use kernel::{
    journal::{Event, Held},
    values::Value,
};

use crate::drive::{Drive, Outside};

const HAND: &str = r#"
        --- workflows/call.yaml
        workflow: call
        input: schemas/input.yaml
        result: { value: =back }
        stages:
          - stage: only
            steps:
              - step: notes
                reason: prompts/notes.md
                model: small
                see: { text: input.text }
                output: schemas/notes.yaml
              - step: back
                handoff:
                  to: { person: desk }
                  task: "Call {{ input.phone }} back"
                  with: { phone: =input.phone, text: =input.text, notes: =notes.said, number: 7 }
                  contract: schemas/called.yaml
                  timeout: 2d
              - step: after
                wait: { signal: more, for: 3d }
            on_failure:
              no_answer: [ { continue_with: { reached: false } } ]
        --- prompts/notes.md
        Sum up {{ text }}
        --- schemas/notes.yaml
        type: object
        required: [ said ]
        properties: { said: { type: string } }
        --- schemas/input.yaml
        type: object
        required: [ phone, text ]
        properties:
          phone: { type: string, x-labels: [ trusted ] }
          text: { type: string }
        --- schemas/called.yaml
        type: object
        required: [ reached ]
        properties: { reached: { type: boolean } }
        --- people.yaml
        groups: { desk: {} }
        people:
          sue: { name: Sue, groups: [ desk ], hours: { zone: UTC, mon-fri: "09:00-17:00" } }
"#;

fn hand(outside: &str) -> Drive {
    let input = r#"{"phone": "555", "text": "call me\u202e now"}"#;
    let outside = format!("notes: {{\"said\": \"wants a call\"}}\n{outside}");
    Drive::governed(HAND, "tom", input, Outside::new(&outside))
}

fn printed(drive: &Drive) -> String {
    let mut out = String::new();
    for line in drive.outline().lines() {
        let end = line.find(" (wrk_").unwrap_or(line.len());
        out.push_str(&line[..end]);
        out.push('\n');
    }
    out
}

#[track_caller]
fn check(outside: &str, expected: Expect) -> Drive {
    let mut drive = hand(outside);
    expected.assert_eq(&printed(drive.run()));
    drive
}

#[test]
fn what_a_person_answers_is_the_value() {
    let drive = check(
        r#"> work sue {"reached": true}"#,
        expect![[r#"
        1   run started: call
        2   notes: asked model small, about 72 tokens
        3   notes: answered {"said":"wants a call"}
        4   back: handed to desk until 2026-11-27T17:00:00.000Z
        5   back: sue answered {"reached":true}
        6   back: done by sue {"reached":true}
        7   after: waits for signal more until 2026-11-23T00:00:00.000Z
        8   after: time is up
        9   stage only done
        10  run completed {"reached":true}
    "#]],
    );
    let card = drive.events.iter().find_map(|event| match event {
        Event::WorkOpened { card: Held::Value(card), .. } => Some(card.clone()),
        _ => None,
    });
    let card = card.expect("an envelope");
    // What the input's schema vouches for, and what the workflow says itself, are facts; what came from outside and what a model
    // made of it are claims.
    expect![[r#"{"notes":{"from":["input.text","notes.said"],"labels":["generated","untrusted"],"standing":"claim"},"number":{"from":[],"labels":[],"standing":"fact"},"phone":{"from":[],"labels":[],"standing":"fact"},"text":{"from":["input.text"],"labels":["untrusted"],"standing":"claim"}}"#]].assert_eq(&card.get("evidence").unwrap().to_json());
    expect![[r#"{"notes":"wants a call","number":7,"phone":"555","text":"call me⟨U+202E⟩ now"}"#]]
        .assert_eq(&card.get("artifact").unwrap().to_json());
    assert_eq!(card.get("task").and_then(Value::as_str), Some("Call 555 back"));
}

#[test]
fn a_second_answer_is_on_record_and_changes_nothing() {
    check(
        "> work sue {\"reached\": true}\n> work sue {\"reached\": false}",
        expect![[r#"
            1   run started: call
            2   notes: asked model small, about 72 tokens
            3   notes: answered {"said":"wants a call"}
            4   back: handed to desk until 2026-11-27T17:00:00.000Z
            5   back: sue answered {"reached":true}
            6   back: done by sue {"reached":true}
            7   after: waits for signal more until 2026-11-23T00:00:00.000Z
            8   back: sue answered {"reached":false}
            9   after: time is up
            10  stage only done
            11  run completed {"reached":true}
        "#]],
    );
}

#[test]
fn time_that_runs_out_is_a_failure_and_a_late_answer_changes_nothing() {
    check(
        "> > work sue {\"reached\": true}",
        expect![[r#"
        1   run started: call
        2   notes: asked model small, about 72 tokens
        3   notes: answered {"said":"wants a call"}
        4   back: handed to desk until 2026-11-27T17:00:00.000Z
        5   back: no_answer: nobody of desk answered in time
        6   back: continued with {"reached":false}
        7   after: waits for signal more until 2026-11-30T17:00:00.000Z
        8   after: time is up
        9   stage only done
        10  run completed {"reached":false}
    "#]],
    );
    let mut drive = hand("");
    drive.die_after = Some(4);
    drive.run();
    let mut after = drive.resumed(&drive.entries);
    // The time is over, nobody has noticed it yet, and the answer comes first.
    after.now = after.now + kernel::values::Span::from_millis(30 * 24 * 3_600_000);
    let opened = after.events.iter().find_map(|event| match event {
        Event::WorkOpened { work, .. } => Some(work.to_string()),
        _ => None,
    });
    let body = HAND_IN.replace("WORK", &opened.unwrap()).replace("AT", &after.now.to_string());
    let body = Value::from_json(body.as_bytes()).unwrap();
    after.push(kernel::next::receive(1, "answer", "", body, "sue").unwrap());
    expect![[r#"
        1   run started: call
        2   notes: asked model small, about 72 tokens
        3   notes: answered {"said":"wants a call"}
        4   back: handed to desk until 2026-11-27T17:00:00.000Z
        5   back: sue answered {"reached":true}
        6   back: no_answer: nobody of desk answered in time
        7   back: continued with {"reached":false}
        8   after: waits for signal more until 2026-12-23T00:00:00.000Z
        9   after: time is up
        10  stage only done
        11  run completed {"reached":false}
    "#]]
    .assert_eq(&printed(after.run()));
}

const HAND_IN: &str = r#"{"step": "back", "work": "WORK", "output": {"reached": true}, "auth": "local", "groups": ["desk"],
    "directory": "0000000000000000000000000000000000000000000000000000000000000000", "at": "AT"}"#;

#[test]
fn an_answer_against_the_contract_never_becomes_the_value() {
    check(
        r#"> work sue {"reached": "perhaps"}"#,
        expect![[r#"
        1   run started: call
        2   notes: asked model small, about 72 tokens
        3   notes: answered {"said":"wants a call"}
        4   back: handed to desk until 2026-11-27T17:00:00.000Z
        5   back: sue answered {"reached":"perhaps"}
        6   back: contract_violated: the answer of sue does not fit the contract: `/reached`: "perhaps" is not true or false
        7   back: no recovery left
        8   run failed, contract_violated: the answer of sue does not fit the contract: `/reached`: "perhaps" is not true or false
    "#]],
    );
}

#[test]
fn an_answer_of_somebody_else_changes_nothing() {
    check(
        "> work tom {\"reached\": false}\n> work sue {\"reached\": true}",
        expect![[r#"
        1   run started: call
        2   notes: asked model small, about 72 tokens
        3   notes: answered {"said":"wants a call"}
        4   back: handed to desk until 2026-11-27T17:00:00.000Z
        5   back: tom answered {"reached":false}
        6   back: sue answered {"reached":true}
        7   back: done by sue {"reached":true}
        8   after: waits for signal more until 2026-11-23T00:00:00.000Z
        9   after: time is up
        10  stage only done
        11  run completed {"reached":true}
    "#]],
    );
}

#[test]
fn a_message_that_is_no_answer_is_none() {
    for body in
        ["{}", "null", r#"{"step": "back"}"#, &HAND_IN.replace("AT", "yesterday"), &HAND_IN.replace("\"0000", "\"00")]
    {
        let body = Value::from_json(body.as_bytes()).unwrap();
        assert!(kernel::next::receive(1, "answer", "", body, "sue").is_none());
    }
}

#[test]
fn a_paused_run_leaves_the_answer_for_later_and_a_cancelled_one_ends() {
    check(
        "> pause\n> work sue {\"reached\": true}\n> resume",
        expect![[r#"
        1   run started: call
        2   notes: asked model small, about 72 tokens
        3   notes: answered {"said":"wants a call"}
        4   back: handed to desk until 2026-11-27T17:00:00.000Z
        5   pause asked by ann
        6   back: sue answered {"reached":true}
        7   resume asked by ann
        8   back: done by sue {"reached":true}
        9   after: waits for signal more until 2026-11-23T00:00:00.000Z
        10  after: time is up
        11  stage only done
        12  run completed {"reached":true}
    "#]],
    );
    check(
        "> cancel",
        expect![[r#"
        1   run started: call
        2   notes: asked model small, about 72 tokens
        3   notes: answered {"said":"wants a call"}
        4   back: handed to desk until 2026-11-27T17:00:00.000Z
        5   cancel asked by ann
        6   run cancelled
    "#]],
    );
}

#[test]
fn a_crash_after_any_entry_changes_nothing() {
    let answer = r#"> work sue {"reached": true}"#;
    let mut whole = hand(answer);
    whole.run();
    for cut in 1..whole.entries.len() {
        let mut cut_off = hand(answer);
        cut_off.die_after = Some(cut);
        cut_off.run();
        let mut resumed = cut_off.resumed(&cut_off.entries);
        if cut >= 5 {
            // The answer is in the journal.
            resumed.outside = Outside::new("");
        }
        resumed.run();
        let essence = |drive: &Drive| -> Vec<String> {
            let asked = |event: &&Event| !matches!(event, Event::ModelAsked { .. });
            drive.events.iter().filter(asked).map(kernel::story::line).collect()
        };
        assert_eq!(essence(&resumed), essence(&whole), "crashed after entry {cut}\n{}", resumed.outline());
    }
}
