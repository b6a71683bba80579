//! What becomes of an action whose outcome is uncertain, by its effect class.

use expect_test::expect;
use kernel::{next, values::Value};

use crate::drive::{Drive, Outside, check};

fn project(effect: &str) -> String {
    format!(
        r#"
        --- workflows/send.yaml
        workflow: send
        stages:
          - stage: only
            steps:
              - step: send
                act: box.put
                with: {{ text: =input.text }}
        --- tools/box.yaml
        tool: box
        native: true
        operations:
          put: {{ {effect} }}
          find: {{ effect: read }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        "#
    )
}

const PROBED: &str = r#"effect: probed, probe: { operation: find, with: { reference: "=key" }, found: answer.count > 0, value: { id: "=answer.id" }, settle: 2m }"#;
const ONCE: &str = "effect: at_most_once";
const HELLO: &str = r#"{"text": "hello"}"#;

#[test]
fn an_uncertain_answer_to_a_probed_action_waits_the_settle_delay_and_then_its_probe_asks() {
    check(
        &project(PROBED),
        HELLO,
        r#"
        send: !tool_timeout maybe_sent
        send@probe: {"count": 1, "id": 7}
        "#,
        expect![[r#"
            1   run started: send
            2   send: started box.put {"text":"hello"}
            3   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:02:00.000Z
            4   send: probe 1 asks whether it was performed
            5   send: the probe found it performed {"id":7}
            6   stage only done
            7   run completed null
        "#]],
    );
}

#[test]
fn what_the_probe_does_not_find_is_sent_once_more_under_the_same_key() {
    let mut drive = Drive::governed(
        &project(PROBED),
        "",
        HELLO,
        Outside::new(
            r#"
            send#1: !tool_timeout maybe_sent
            send#2: {"id": 8}
            send@probe: {"count": 0}
            "#,
        ),
    );
    drive.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:02:00.000Z
        4   send: probe 1 asks whether it was performed
        5   send: the probe found that it was not performed
        6   send: sent again, attempt 2
        7   send: finished {"id":8}
        8   stage only done
        9   run completed null
    "#]]
    .assert_eq(&drive.outline());
    let keys: Vec<&str> = drive.calls.iter().filter_map(|call| call.split(' ').nth(2)).collect();
    assert_eq!(keys.len(), 3, "{:?}", drive.calls);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
}

#[test]
fn after_two_sendings_that_were_not_performed_a_person_is_asked() {
    check(
        &project(PROBED),
        HELLO,
        r#"
        send: !tool_timeout maybe_sent
        send@probe: {"count": 0}
        > > resolve - {"step": "send", "resolution": "given_up", "reason": "the receiver is gone", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: send
            2   send: started box.put {"text":"hello"}
            3   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:02:00.000Z
            4   send: probe 1 asks whether it was performed
            5   send: the probe found that it was not performed
            6   send: sent again, attempt 2
            7   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:04:00.000Z
            8   send: probe 2 asks whether it was performed
            9   send: the probe found that it was not performed
            10  send: outcome unknown, unknown_outcome: `box.put` was sent 2 times and not performed; a person must resolve it
            11  send: ann says that it stays unknown: the receiver is gone
            12  send: action failed, unknown_outcome: what became of `box.put` stays unknown: the receiver is gone
            13  send: no recovery left
            14  run failed, unknown_outcome: what became of `box.put` stays unknown: the receiver is gone
        "#]],
    );
}

#[test]
fn a_probe_that_cannot_tell_asks_again_and_then_a_person() {
    check(
        &project(PROBED),
        HELLO,
        r#"
        send: !tool_timeout maybe_sent
        send@probe: !tool_error not_sent
        > > resolve - {"step": "send", "resolution": "performed", "output": {"id": 9}, "reason": "seen in the list", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: send
            2   send: started box.put {"text":"hello"}
            3   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:02:00.000Z
            4   send: probe 1 asks whether it was performed
            5   send: the probe cannot tell, tool_error: as told
            6   send: probe 2 asks whether it was performed
            7   send: the probe cannot tell, tool_error: as told
            8   send: probe 3 asks whether it was performed
            9   send: the probe cannot tell, tool_error: as told
            10  send: probe 4 asks whether it was performed
            11  send: the probe cannot tell, tool_error: as told
            12  send: ann says that it was performed: seen in the list
            13  send: finished {"id":9}
            14  stage only done
            15  run completed null
        "#]],
    );
}

#[test]
fn an_at_most_once_action_is_never_sent_again_on_a_guess() {
    let mut drive = Drive::governed(&project(ONCE), "", HELLO, Outside::new("send: !tool_timeout maybe_sent"));
    drive.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, tool_timeout: as told; a person must resolve it
    "#]]
    .assert_eq(&drive.outline());
    assert_eq!(drive.calls.len(), 1, "{:?}", drive.calls);
}

#[test]
fn after_a_crash_an_at_most_once_action_waits_for_a_person_who_may_let_it_be_sent() {
    let mut drive = Drive::governed(&project(ONCE), "", HELLO, Outside::default());
    drive.die_after = Some(2);
    drive.run();
    let mut next = drive.resumed(&drive.entries);
    next.outside = Outside::new(
        r#"
        send: {"id": 1}
        > resolve - {"step": "send", "resolution": "not_performed", "reason": "nothing in the sent folder", "auth": "local"}
        "#,
    );
    next.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, unknown_outcome: the process that sent `box.put` ended before the answer; a person must resolve it
        4   send: ann says that it was not performed: nothing in the sent folder
        5   send: sent again, attempt 2
        6   send: finished {"id":1}
        7   stage only done
        8   run completed null
    "#]].assert_eq(&next.outline());
}

#[test]
fn after_data_were_put_back_nothing_that_may_have_been_performed_is_sent_or_probed_by_itself() {
    let mut told = std::collections::BTreeSet::new();
    for effect in [PROBED, ONCE, "effect: idempotent"] {
        let mut drive = Drive::governed(&project(effect), "", HELLO, Outside::default());
        drive.die_after = Some(2);
        drive.run();
        let mut next = drive.resumed(&drive.entries);
        next.outside = Outside::new(
            r#"
            send: {"id": 1}
            > resume
            > resolve - {"step": "send", "resolution": "performed", "output": {"id": 1}, "reason": "seen", "auth": "local"}
            "#,
        );
        let review = next::receive(1, "review", "", Value::Null, "ann").unwrap();
        next.push(review);
        next.run();
        assert!(next.calls.is_empty(), "{effect}: {:?}", next.calls);
        told.insert(next.outline());
    }
    assert_eq!(told.len(), 1, "by whatever class");
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   review of what was sent asked by ann
        4   send: outcome unknown, unknown_outcome: `box.put` was sent before the data were put back or copied: what became of it stands outside; a person must resolve it
        5   resume asked by ann
        6   send: ann says that it was performed: seen
        7   send: finished {"id":1}
        8   stage only done
        9   run completed null
    "#]].assert_eq(&told.pop_first().unwrap_or_default());
    // A read does no harm: it is asked again, once somebody lets the run go on.
    let mut drive = Drive::governed(&project("effect: read"), "", HELLO, Outside::default());
    drive.die_after = Some(2);
    drive.run();
    let mut next = drive.resumed(&drive.entries);
    next.outside = Outside::new("send: {\"id\": 1}\n> resume");
    next.push(next::receive(1, "review", "", Value::Null, "ann").unwrap());
    next.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   review of what was sent asked by ann
        4   resume asked by ann
        5   send: sent again, attempt 2
        6   send: finished {"id":1}
        7   stage only done
        8   run completed null
    "#]]
    .assert_eq(&next.outline());
}

#[test]
fn a_late_success_settles_what_was_unknown_and_a_late_failure_does_not() {
    let mut drive = Drive::governed(&project(ONCE), "", HELLO, Outside::default());
    drive.die_after = Some(2);
    drive.run();
    let mut next = drive.resumed(&drive.entries);
    next.outside = Outside::new(
        r#"
        > late - {"step": "send", "epoch": 1, "attempt": 1, "outcome": {"failed": {"kind": "tool_error", "phase": "maybe_sent", "detail": "cut"}}}
        > late - {"step": "send", "epoch": 1, "attempt": 1, "outcome": {"done": {"id": 3}}}
        "#,
    );
    next.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, unknown_outcome: the process that sent `box.put` ended before the answer; a person must resolve it
        4   send: sending 1 was answered late, tool_error: cut
        5   send: sending 1 was answered late {"id":3}
        6   send: finished {"id":3}
        7   stage only done
        8   run completed null
    "#]].assert_eq(&next.outline());
}

#[test]
fn a_definite_rejection_and_a_call_that_never_left_are_certain_for_every_class() {
    for effect in [PROBED, ONCE, "effect: idempotent"] {
        let mut drive = Drive::governed(
            &project(effect),
            "",
            HELLO,
            Outside::new("send#1: !tool_error not_sent\nsend#2: !tool_rejected answered"),
        );
        drive.run();
        let outline = drive.outline();
        assert!(outline.contains("sent again, attempt 2"), "{outline}");
        assert!(outline.contains("run failed, tool_rejected"), "{outline}");
    }
}

#[test]
fn an_idempotent_action_that_stays_uncertain_is_unknown_and_not_failed() {
    check(
        &project("effect: idempotent"),
        HELLO,
        "send: !tool_timeout maybe_sent",
        expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: action failed, tool_timeout: as told
        4   send: tried again at 2026-11-20T00:00:00.185Z
        5   send: sent again, attempt 2
        6   send: action failed, tool_timeout: as told
        7   send: tried again at 2026-11-20T00:00:00.408Z
        8   send: sent again, attempt 3
        9   send: action failed, tool_timeout: as told
        10  send: tried again at 2026-11-20T00:00:01.007Z
        11  send: sent again, attempt 4
        12  send: action failed, tool_timeout: as told
        13  send: tried again at 2026-11-20T00:00:01.917Z
        14  send: sent again, attempt 5
        15  send: action failed, tool_timeout: as told
        16  send: outcome unknown, tool_timeout: as told; a person must resolve it
    "#]],
    );
}

#[test]
fn after_the_window_of_its_key_an_idempotent_action_is_not_sent_again() {
    let text = project("effect: idempotent, key: { window: 1h }");
    let mut drive = Drive::governed(&text, "", HELLO, Outside::default());
    drive.die_after = Some(2);
    drive.run();
    let mut soon = drive.resumed(&drive.entries);
    soon.run();
    assert!(soon.outline().contains("sent again"), "{}", soon.outline());
    let mut late = drive.resumed(&drive.entries);
    late.now = late.now + kernel::values::Span::from_millis(3_600_000);
    late.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, unknown_outcome: the process that sent `box.put` ended before the answer; a person must resolve it
    "#]].assert_eq(&late.outline());
}

#[test]
fn a_cancelled_run_does_not_end_over_an_unknown_outcome() {
    let mut drive = Drive::governed(&project(ONCE), "", HELLO, Outside::default());
    drive.die_after = Some(2);
    drive.run();
    let mut next = drive.resumed(&drive.entries);
    next.outside = Outside::new("> cancel -");
    next.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, unknown_outcome: the process that sent `box.put` ended before the answer; a person must resolve it
        4   cancel asked by ann
    "#]].assert_eq(&next.outline());
    let mut more = next.resumed(&next.entries);
    more.outside = Outside::new(
        r#"> resolve - {"step": "send", "resolution": "not_performed", "reason": "no trace", "auth": "local"}"#,
    );
    more.run();
    expect![[r#"
        5   send: ann says that it was not performed: no trace
        6   send: action failed, tool_rejected: a person found that `box.put` was not performed
        7   send: no recovery left
        8   run cancelled
    "#]]
    .assert_eq(&more.outline()[next.outline().len()..]);
}

#[test]
fn a_word_about_an_earlier_sending_lets_nothing_be_sent_again() {
    let mut drive = Drive::governed(&project(ONCE), "", HELLO, Outside::default());
    drive.die_after = Some(2);
    drive.run();
    let mut next = drive.resumed(&drive.entries);
    next.outside = Outside::new(
        r#"
        send: !tool_timeout maybe_sent
        > resolve - {"step": "send", "attempt": 1, "resolution": "not_performed", "reason": "no trace", "auth": "local"}
        > resolve - {"step": "send", "attempt": 1, "resolution": "not_performed", "reason": "no trace, told late", "auth": "local"}
        > resolve - {"step": "send", "attempt": 3, "resolution": "not_performed", "reason": "of none yet", "auth": "local"}
        "#,
    );
    next.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, unknown_outcome: the process that sent `box.put` ended before the answer; a person must resolve it
        4   send: ann says that sending 1 was not performed: no trace
        5   send: sent again, attempt 2
        6   send: outcome unknown, tool_timeout: as told; a person must resolve it
        7   send: ann says that sending 1 was not performed: no trace, told late
        8   send: ann says that sending 3 was not performed: of none yet
    "#]]
    .assert_eq(&next.outline());
    assert_eq!(next.calls.len(), 1, "once by the word about sending 1: {:?}", next.calls);
    next.audited();
    let mut last = next.resumed(&next.entries);
    last.outside = Outside::new(
        r#"> resolve - {"step": "send", "attempt": 2, "resolution": "given_up", "reason": "nobody knows", "auth": "local"}"#,
    );
    last.run();
    assert!(last.outline().contains("run failed, unknown_outcome"), "{}", last.outline());
}
