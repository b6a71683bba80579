//! A failed step is put before people: a value, again, give up, out of time, and over a crash.

use expect_test::expect;

use crate::drive::{Drive, Outside};

const DESK: &str = r#"
        --- workflows/desk.yaml
        workflow: desk
        result: { value: { score: =rate.score, sent: "=send.id if ran(send) else none" } }
        stages:
          - stage: only
            steps:
              - step: rate
                reason: prompts/rate.md
                model: small
                see: { text: input.text }
                output: schemas/rating.yaml
                on_failure: { refused: [ { person: desk, timeout: 2d }, { continue_with: { score: 0 } } ] }
              - step: send
                act: mail.send
                with: { score: =rate.score }
            on_failure: { tool_rejected: [ { person: desk }, { continue_with: { id: none } } ] }
        --- prompts/rate.md
        Rate {{ text }}
        --- schemas/rating.yaml
        type: object
        required: [ score ]
        additionalProperties: false
        properties: { score: { type: integer } }
        --- tools/mail.yaml
        tool: mail
        native: true
        operations: { send: { effect: idempotent } }
        --- people.yaml
        groups: { desk: {}, other: {} }
        people:
          sue: { name: Sue, groups: [ desk ] }
          bob: { name: Bob, groups: [ other ] }
"#;

fn desk(outside: &str) -> Drive {
    let mut drive = Drive::governed(DESK, "tom", r#"{"text": "hm"}"#, Outside::new(outside));
    drive.run();
    drive
}

#[test]
fn a_person_gives_the_value_that_a_model_refused() {
    let drive = desk("rate: !refused\nsend: {\"id\": 3}\n> work sue {\"value\": {\"score\": 4}}");
    expect![[r#"
        1   run started: desk
        2   rate: asked model small, about 67 tokens
        3   rate: answer failed, refused: as told
        4   rate: put before desk
        5   rate: handed to desk until 2026-11-22T00:00:00.000Z (wrk_71b0dce01c8ee29a)
        6   rate: sue answered {"value":{"score":4}} (wrk_71b0dce01c8ee29a)
        7   rate: done by sue {"score":4}
        8   send: started mail.send {"score":4}
        9   send: finished {"id":3}
        10  stage only done
        11  run completed {"score":4,"sent":3}
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn an_act_is_begun_again_in_a_new_visit_or_given_up() {
    let drive = desk("rate: {\"score\": 1}\nsend: !tool_rejected\n> > work sue \"again\"\n> > work sue \"give_up\"");
    expect![[r#"
        1   run started: desk
        2   rate: asked model small, about 67 tokens
        3   rate: answered {"score":1}
        4   send: started mail.send {"score":1}
        5   send: action failed, tool_rejected: as told
        6   send: put before desk
        7   send: handed to desk (wrk_22e1ed23edabbbe9)
        8   send: sue answered "again" (wrk_22e1ed23edabbbe9)
        9   send: begun afresh, says sue
        10  send~2: started mail.send {"score":1}
        11  send~2: action failed, tool_rejected: as told
        12  send~2: put before desk
        13  send~2: handed to desk (wrk_1bb8e5c58723084b)
        14  send~2: sue answered "give_up" (wrk_1bb8e5c58723084b)
        15  send~2: given up, says sue
        16  send~2: continued with {"id":"none"}
        17  stage only done
        18  run completed {"score":1,"sent":"none"}
    "#]]
    .assert_eq(&drive.outline());
    let keys: Vec<&str> =
        drive.calls.iter().filter(|call| call.starts_with("call")).filter_map(|call| call.split(' ').nth(2)).collect();
    assert_eq!(keys.len(), 2, "{:?}", drive.calls);
    assert_ne!(keys[0], keys[1], "a new visit is another action");
}

#[test]
fn nobody_asserts_the_value_of_an_act() {
    let drive = desk("rate: {\"score\": 1}\nsend: !tool_rejected\n> > work sue {\"value\": {\"id\": 9}}");
    expect![[r#"
        1   run started: desk
        2   rate: asked model small, about 67 tokens
        3   rate: answered {"score":1}
        4   send: started mail.send {"score":1}
        5   send: action failed, tool_rejected: as told
        6   send: put before desk
        7   send: handed to desk (wrk_22e1ed23edabbbe9)
        8   send: sue answered {"value":{"id":9}} (wrk_22e1ed23edabbbe9)
        9   send: given up, says sue
        10  send: continued with {"id":"none"}
        11  stage only done
        12  run completed {"score":1,"sent":"none"}
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn when_nobody_of_the_group_answers_in_time_the_next_recovery_counts() {
    let drive = desk("rate: !refused\nsend: {\"id\": 3}\n> work bob {\"value\": {\"score\": 4}}");
    expect![[r#"
        1   run started: desk
        2   rate: asked model small, about 67 tokens
        3   rate: answer failed, refused: as told
        4   rate: put before desk
        5   rate: handed to desk until 2026-11-22T00:00:00.000Z (wrk_71b0dce01c8ee29a)
        6   rate: bob answered {"value":{"score":4}} (wrk_71b0dce01c8ee29a)
        7   rate: nobody answered in time
        8   rate: continued with {"score":0}
        9   send: started mail.send {"score":0}
        10  send: finished {"id":3}
        11  stage only done
        12  run completed {"score":0,"sent":3}
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn people_are_told_the_failure_as_a_claim_and_what_they_may_answer() {
    let drive = desk("rate: !refused\n> work sue {\"value\": {\"score\": 4}}");
    let card = drive.events.iter().find_map(|event| match event {
        kernel::journal::Event::WorkOpened { card: kernel::journal::Held::Value(card), .. } => Some(card.clone()),
        _ => None,
    });
    let card = card.expect("work was handed over");
    let told = ["task", "artifact", "evidence", "contract", "recovers"]
        .map(|key| format!("{key}: {}", card.get(key).expect(key).to_json()));
    expect![[r#"
        task: "Say what becomes of `rate`, which failed: refused. Begin it again or give it up, or give the value that it should have given"
        artifact: {"detail":"as told","kind":"refused","step":"rate"}
        evidence: {"detail":{"from":[],"labels":[],"standing":"claim"},"kind":{"from":[],"labels":[],"standing":"claim"},"step":{"from":[],"labels":[],"standing":"claim"}}
        contract: {"oneOf":[{"const":"again"},{"const":"give_up"},{"additionalProperties":false,"properties":{"value":{"additionalProperties":false,"properties":{"score":{"type":"integer"}},"required":["score"],"type":"object"}},"required":["value"],"type":"object"}]}
        recovers: true"#]].assert_eq(&told.join("\n"));
    let step = drive.program.step("rate").expect("a step");
    let helps = |json: &str| step.helps(&kernel::values::Value::from_json(json.as_bytes()).expect("JSON"));
    assert_eq!(helps(r#""again""#), Ok(()));
    assert_eq!(helps(r#"{"value": {"score": 4}}"#), Ok(()));
    assert!(helps(r#"{"value": {"score": "x"}}"#).is_err(), "against the schema");
    assert!(helps(r#"{"value": {"score": 4}, "more": 1}"#).is_err());
    let act = drive.program.step("send").expect("a step");
    let refused = act.helps(&kernel::values::Value::from_json(br#"{"value": 1}"#).expect("JSON"));
    expect![[r#"the answer is `"again"` or `"give_up"`"#]].assert_eq(&refused.expect_err("an act takes no value"));
}

#[test]
fn a_crash_after_any_entry_asks_once_and_hears_the_answer() {
    let outside = "rate: !refused\nsend: {\"id\": 3}\n> work sue {\"value\": {\"score\": 4}}";
    let whole = desk(outside);
    for cut in 1..whole.entries.len() {
        let mut first = Drive::governed(DESK, "tom", r#"{"text": "hm"}"#, Outside::new(outside));
        first.die_after = Some(cut);
        first.run();
        let mut second = first.resumed(&first.entries);
        second.run();
        let opened =
            second.events.iter().filter(|event| matches!(event, kernel::journal::Event::WorkOpened { .. })).count();
        assert_eq!(opened, 1, "crashed after entry {cut}\n{}", second.outline());
        assert_eq!(
            second.state.end.as_ref().map(|end| end.end),
            Some(kernel::journal::End::Completed),
            "crashed after entry {cut}\n{}",
            second.outline()
        );
    }
}

/// An action whose outcome is not known, with a list that says who finds out.
fn doubtful(list: &str, effect: &str) -> String {
    format!(
        r#"
        --- workflows/send.yaml
        workflow: send
        stages:
          - stage: only
            steps: [ {{ step: send, act: box.put, with: {{ text: =input.text }} }} ]
            on_failure: {{ unknown_outcome: {list} }}
        --- tools/box.yaml
        tool: box
        native: true
        operations: {{ put: {{ {effect} }}, find: {{ effect: read }} }}
        --- people.yaml
        groups: {{ desk: {{}} }}
        people: {{ sue: {{ name: Sue, groups: [ desk ] }} }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        "#
    )
}

const PROBED: &str = r#"effect: probed, probe: { operation: find, with: { reference: "=key" }, found: answer.count > 0, value: { id: "=answer.id" }, settle: 2m }"#;

fn doubt(list: &str, effect: &str, outside: &str) -> Drive {
    let mut drive = Drive::governed(&doubtful(list, effect), "tom", r#"{"text": "hm"}"#, Outside::new(outside));
    drive.run();
    drive
}

#[test]
fn a_probe_asks_once_more_and_then_people_find_out() {
    let drive = doubt(
        "[ probe, { person: desk } ]",
        PROBED,
        r#"
        send: !tool_timeout maybe_sent
        send@probe: !tool_timeout maybe_sent
        > > resolve - {"step": "send", "resolution": "performed", "output": {"id": 4}, "reason": "seen", "auth": "local"}
        "#,
    );
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hm"}
        3   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:02:00.000Z
        4   send: probe 1 asks whether it was performed
        5   send: the probe cannot tell, tool_timeout: as told
        6   send: probe 2 asks whether it was performed
        7   send: the probe cannot tell, tool_timeout: as told
        8   send: probe 3 asks whether it was performed
        9   send: the probe cannot tell, tool_timeout: as told
        10  send: probe 4 asks whether it was performed
        11  send: the probe cannot tell, tool_timeout: as told
        12  send: the probe asks once more at 2026-11-20T00:10:00.000Z
        13  send: probe 5 asks whether it was performed
        14  send: the probe cannot tell, tool_timeout: as told
        15  send: handed to desk (wrk_22e1ed23edabbbe9)
        16  send: ann says that it was performed: seen
        17  send: its outcome is known
        18  send: finished {"id":4}
        19  stage only done
        20  run completed null
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn a_probe_that_asks_once_more_may_find_it() {
    let drive = doubt(
        "[ probe ]",
        PROBED,
        r#"
        send: !tool_timeout maybe_sent
        send@probe#5: {"count": 1, "id": 7}
        send@probe: !tool_timeout maybe_sent
        "#,
    );
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hm"}
        3   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:02:00.000Z
        4   send: probe 1 asks whether it was performed
        5   send: the probe cannot tell, tool_timeout: as told
        6   send: probe 2 asks whether it was performed
        7   send: the probe cannot tell, tool_timeout: as told
        8   send: probe 3 asks whether it was performed
        9   send: the probe cannot tell, tool_timeout: as told
        10  send: probe 4 asks whether it was performed
        11  send: the probe cannot tell, tool_timeout: as told
        12  send: the probe asks once more at 2026-11-20T00:10:00.000Z
        13  send: probe 5 asks whether it was performed
        14  send: the probe found it performed {"id":7}
        15  stage only done
        16  run completed null
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn people_who_find_nothing_out_in_time_leave_it_unknown() {
    let drive = doubt("[ { person: desk, timeout: 1d } ]", "effect: at_most_once", "send: !tool_timeout maybe_sent");
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hm"}
        3   send: outcome unknown, tool_timeout: as told; a person must resolve it
        4   send: handed to desk until 2026-11-21T00:00:00.000Z (wrk_22e1ed23edabbbe9)
        5   send: nobody answered in time
    "#]]
    .assert_eq(&drive.outline());
}
