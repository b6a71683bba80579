//! Where undo, going back, people, doubt, rate limits, budgets and data that were put back meet.

use expect_test::expect;
use kernel::{
    governance::charter::Change,
    journal::Event,
    next,
    values::{Span, Timestamp, Value},
};

use crate::drive::{Drive, Outside};

/// Two branches at once: one takes back what it did, the other does as a test says.
fn branches(on_cancel: &str, other: &str, extra: &str) -> String {
    format!(
        r#"
        --- workflows/trip.yaml
        workflow: trip
        stages:
          - stage: book
            steps:
              - step: both
                parallel:
                  branches:
                    left:
                      steps:
                        - {{ step: hotel, act: travel.book, undo: {{ act: travel.cancel, with: {{ id: =hotel.id }} }} }}
                        - {{ step: garden, act: travel.note, on_failure: {{ tool_rejected: [ fail ] }} }}
                      gives: =hotel.id
                    right:
                      steps:
{other}
            on_failure: {{ tool_rejected: [ undo ] }}
        --- tools/travel.yaml
        tool: travel
        native: true
        operations:
          book: {{ effect: idempotent }}
          cancel: {{ {on_cancel} }}
          note: {{ effect: idempotent }}
          pay: {{ effect: at_most_once }}
        --- people.yaml
        people: {{ cora: {{ name: Cora, groups: [ desk ] }} }}
        groups: {{ desk: {{}} }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        {extra}
        "#
    )
}

/// The same with an inner block whose own list takes back.
fn nested(on_cancel: &str, extra: &str) -> String {
    let right = "                        - { step: early, wait: { for: 1s } }
                        - { step: last, act: travel.pay, on_failure: { tool_rejected: [ fail ] } }";
    let text = branches(on_cancel, right, extra);
    let inner = "                        - step: days
                          each: input.days
                          steps:
                            - { step: hotel, act: travel.book, undo: { act: travel.cancel, with: { id: =hotel.id } } }
                            - { step: garden, act: travel.note, on_failure: { tool_rejected: [ fail ] } }
                          on_failure: { tool_rejected: [ undo, fail ] }
                      gives: 1
                    right:";
    let from = text.find("                        - { step: hotel").expect("the branch");
    let to = text.find("                    right:").expect("the other branch") + "                    right:".len();
    format!("{}{inner}{}", &text[..from], &text[to..])
}

const DAYS: &str = r#"{"days": [1]}"#;

const ASKED: &str = "--- policies/ask/all.cedar
        @id(\"look\") @approve_by(\"desk\") @quorum(\"1\") @expires(\"4h\") @on_expiry(\"deny\")
        forbid (principal, action == Action::\"travel.cancel\", resource);";

fn driven(text: &str, input: &str, outside: &str) -> Drive {
    let mut drive = Drive::governed(text, "tom", input, Outside::new(outside));
    drive.run();
    drive
}

/// What the journal holds after so many entries.
fn until(entries: usize, text: &str, input: &str, outside: &str) -> Drive {
    let messages = |line: &&str| !line.starts_with("> ");
    let quiet = outside.lines().map(str::trim).filter(messages).collect::<Vec<_>>().join("\n");
    let mut drive = Drive::governed(text, "tom", input, Outside::new(&quiet));
    drive.die_after = Some(entries);
    drive.run();
    (drive.die_after, drive.outside) = (None, Outside::new(outside));
    drive
}

#[test]
fn a_block_that_fails_waits_for_an_undo_inside_of_it() {
    let outside = "hotel: {\"id\": 1}\ngarden: !tool_rejected\nlast: !tool_rejected\nboth.left/days[0]/hotel/undo: !tool_timeout maybe_sent
        > > resolve - {\"step\": \"both.left/days[0]/hotel/undo\", \"resolution\": \"performed\", \"output\": {}, \"reason\": \"seen\", \"auth\": \"local\"}";
    let drive = driven(&nested("effect: at_most_once", ""), DAYS, outside);
    expect![[r#"
        1   run started: trip
        2   both: branches left, right
        3   both.left/days: over 1 items
        4   both.right/early: waits until 2026-11-20T00:00:01.000Z
        5   both.left/days[0]/hotel: started travel.book {}
        6   both.left/days[0]/hotel: finished {"id":1}
        7   both.left/days[0]/garden: started travel.note {}
        8   both.left/days[0]/garden: action failed, tool_rejected: as told
        9   both.left/days[0]/garden: no recovery left
        10  both.left/days[0]: failed, tool_rejected: as told
        11  both.left/days: failed, tool_rejected: as told
        12  both.left/days: takes back both.left/days[0]/hotel
        13  both.left/days[0]/hotel/undo: started travel.cancel {"id":1}
        14  both.left/days[0]/hotel/undo: outcome unknown, tool_timeout: as told; a person must resolve it
        15  both.right/early: time is up
        16  both.right/last: started travel.pay {}
        17  both.right/last: action failed, tool_rejected: as told
        18  both.right/last: no recovery left
        19  both.right: failed, tool_rejected: as told
        20  both.left/days[0]/hotel/undo: ann says that it was performed: seen
        21  both.left/days[0]/hotel/undo: finished {}
        22  both: failed, tool_rejected: as told
        23  both: nothing to take back
        24  both: no recovery left
        25  run failed, tool_rejected: as told
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn a_block_that_fails_waits_for_people_who_are_asked_about_an_undo_inside_of_it() {
    let outside = "hotel: {\"id\": 1}\ngarden: !tool_rejected\nlast: !tool_rejected\n> vote cora approve";
    let mut drive = until(18, &nested("effect: idempotent", ASKED), DAYS, outside);
    drive.run();
    expect![[r#"
        1   run started: trip
        2   both: branches left, right
        3   both.left/days: over 1 items
        4   both.right/early: waits until 2026-11-20T00:00:01.000Z
        5   both.left/days[0]/hotel: started travel.book {}
        6   both.left/days[0]/hotel: finished {"id":1}
        7   both.left/days[0]/garden: started travel.note {}
        8   both.left/days[0]/garden: action failed, tool_rejected: as told
        9   both.left/days[0]/garden: no recovery left
        10  both.left/days[0]: failed, tool_rejected: as told
        11  both.left/days: failed, tool_rejected: as told
        12  both.left/days: takes back both.left/days[0]/hotel
        13  both.left/days[0]/hotel/undo: asks desk by look to approve travel.cancel {"id":1} (apr_66a881c59dfbaf2c)
        14  both.right/early: time is up
        15  both.right/last: started travel.pay {}
        16  both.right/last: action failed, tool_rejected: as told
        17  both.right/last: no recovery left
        18  both.right: failed, tool_rejected: as told
        19  both.left/days[0]/hotel/undo: cora approved (apr_66a881c59dfbaf2c)
        20  both.left/days[0]/hotel/undo: started travel.cancel {"id":1}
        21  both.left/days[0]/hotel/undo: finished {"ok":true}
        22  both: failed, tool_rejected: as told
        23  both: nothing to take back
        24  both: no recovery left
        25  run failed, tool_rejected: as told
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn a_yes_for_an_undo_whose_turn_comes_later_is_not_lost() {
    let right = "                        - { step: early, wait: { for: 1s } }
                        - { step: flight, act: travel.book, undo: { act: travel.cancel, with: { id: =flight.id } } }
                        - { step: long, wait: { signal: go } }";
    let text = branches("effect: idempotent", right, ASKED);
    let left = "- { step: garden, act: travel.note, on_failure: { tool_rejected: [ fail ] } }";
    let text = text.replace(left, "- { step: much, wait: { signal: never } }");
    let text = text.replace(
        "- { step: hotel, act: travel.book, undo: { act: travel.cancel, with: { id: =hotel.id } } }",
        "- step: days
                          each: input.days
                          steps:
                            - { step: hotel, act: travel.book, undo: { act: travel.cancel, with: { id: =hotel.id } } }
                            - { step: garden, act: travel.note, on_failure: { tool_rejected: [ fail ] } }
                          on_failure: { tool_rejected: [ undo, fail ] }",
    );
    let text = text.replace("gives: =hotel.id", "gives: 1");
    let outside = "hotel: {\"id\": 1}\nflight: {\"id\": 2}\ngarden: !tool_rejected\n> cancel - {\"undo\": true}";
    let mut drive = until(17, &text, DAYS, outside);
    drive.die_after = Some(21);
    drive.run();
    drive.die_after = None;
    // Two are asked for now: the one of the branch that had begun to take back, and the one whose turn it is.
    let asked: Vec<_> = drive
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ApprovalRequested { step, .. } => Some(step.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 2, "{}", drive.outline());
    for step in asked {
        assert!(drive.state.approving(&step).is_some(), "{step}\n{}", drive.outline());
        drive.approve("cora", &step);
    }
    drive.run();
    expect![[r#"
        1   run started: trip
        2   both: branches left, right
        3   both.left/days: over 1 items
        4   both.right/early: waits until 2026-11-20T00:00:01.000Z
        5   both.left/days[0]/hotel: started travel.book {}
        6   both.left/days[0]/hotel: finished {"id":1}
        7   both.left/days[0]/garden: started travel.note {}
        8   both.left/days[0]/garden: action failed, tool_rejected: as told
        9   both.left/days[0]/garden: no recovery left
        10  both.left/days[0]: failed, tool_rejected: as told
        11  both.left/days: failed, tool_rejected: as told
        12  both.left/days: takes back both.left/days[0]/hotel
        13  both.left/days[0]/hotel/undo: asks desk by look to approve travel.cancel {"id":1} (apr_66a881c59dfbaf2c)
        14  both.right/early: time is up
        15  both.right/flight: started travel.book {}
        16  both.right/flight: finished {"id":2}
        17  both.right/long: waits for signal go
        18  cancel and undo asked by ann
        19  takes back both.right/flight, both.left/days[0]/hotel
        20  both.left/days: no recovery left
        21  both.right/flight/undo: asks desk by look to approve travel.cancel {"id":2} (apr_483bfb6d52935dd0)
        22  both.left/days[0]/hotel/undo: cora approved (apr_66a881c59dfbaf2c)
        23  both.right/flight/undo: cora approved (apr_483bfb6d52935dd0)
        24  both.left: failed, tool_rejected: as told
        25  both.right/flight/undo: started travel.cancel {"id":2}
        26  both: failed, tool_rejected: as told
        27  both.right/flight/undo: finished {"ok":true}
        28  both: no recovery left
        29  both.left/days[0]/hotel/undo: started travel.cancel {"id":1}
        30  both.left/days[0]/hotel/undo: finished {"ok":true}
        31  run cancelled
    "#]]
    .assert_eq(&drive.outline());
}

/// A stage that another one replaces, and a return to before both.
const REPLACED: &str = r#"
    --- workflows/letter.yaml
    workflow: letter
    stages:
      - stage: write
        steps:
          - { step: read, act: post.look, checkpoint: true }
          - { step: route, decide: [ { when: "true", then: first } ], otherwise: next }
      - stage: first
        steps:
          - { step: send, act: post.send, with: { text: =read.text }, undo: { act: post.burn }, on_failure: { tool_rejected: [ { stage: second } ] } }
      - stage: second
        steps:
          - { step: note, act: post.look, on_failure: { tool_rejected: [ { return_to: read } ] } }
    --- tools/post.yaml
    tool: post
    native: true
    operations: { look: { effect: read }, send: { effect: idempotent }, burn: { effect: idempotent } }
    --- people.yaml
    people: { cora: { name: Cora, groups: [ desk ] } }
    groups: { desk: {} }
    --- policies/allow/all.cedar
    @id("all") permit (principal, action, resource);
    --- policies/ask/all.cedar
    @id("look") @approve_by("desk") @quorum("1") @expires("4h") @on_expiry("deny")
    forbid (principal, action == Action::"post.send", resource);
"#;

#[test]
fn what_a_stage_left_behind_is_done_in_a_new_visit_after_a_return() {
    let outside = "read: {\"text\": \"a\"}\nsend#1: !tool_rejected\nsend~2#1: {}\nnote: !tool_rejected\n> vote cora approve\n> vote cora approve";
    let drive = driven(REPLACED, "{}", outside);
    expect![[r#"
        1   run started: letter
        2   read: started post.look {}
        3   read: finished {"text":"a"}
        4   route: decided first by rule 1
        5   send: asks desk by look to approve post.send {"text":"a"} (apr_cc0242de4136b02c)
        6   send: cora approved (apr_cc0242de4136b02c)
        7   send: started post.send {"text":"a"}
        8   send: action failed, tool_rejected: as told
        9   send: left for stage second
        10  note: started post.look {}
        11  note: action failed, tool_rejected: as told
        12  note: returns to read
        13  route~2: decided first by rule 1
        14  send~2: asks desk by look to approve post.send {"text":"a"} (apr_c6cf8e36da019282)
        15  send~2: cora approved (apr_c6cf8e36da019282)
        16  send~2: started post.send {"text":"a"}
        17  send~2: finished {}
        18  stage first done
        19  stage write done
        20  run completed null
    "#]]
    .assert_eq(&drive.outline());
}

fn single(effect: &str, on_failure: &str) -> String {
    format!(
        r#"
        --- workflows/send.yaml
        workflow: send
        stages:
          - stage: only
            steps:
              - {{ step: send, act: box.put, with: {{ text: =input.text }} }}
            on_failure: {on_failure}
        --- tools/box.yaml
        tool: box
        native: true
        rate: {{ limit: 60, per: 1m, burst: 10 }}
        operations:
          put: {{ {effect} }}
          find: {{ effect: read }}
        --- people.yaml
        people: {{ cora: {{ name: Cora, groups: [ desk ] }} }}
        groups: {{ desk: {{}} }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        "#
    )
}

const PROBED: &str = r#"effect: probed, probe: { operation: find, with: { reference: "=key" }, found: answer.count > 0, value: { id: "=answer.id" }, settle: 2m }"#;
const HELLO: &str = r#"{"text": "hello"}"#;

#[test]
fn a_sending_that_did_not_leave_says_nothing_of_the_one_before_it() {
    // Begun again by a person it would have another key, and the first one may have arrived.
    let list = "{ tool_timeout: [ { retry: 1 } ], tool_error: [ { person: desk }, fail ] }";
    let outside = "send#1: !tool_timeout maybe_sent\nsend: !tool_error not_sent
        > > resolve - {\"step\": \"send\", \"resolution\": \"performed\", \"output\": {\"id\": 1}, \"reason\": \"seen\", \"auth\": \"local\"}";
    let drive = driven(&single("effect: idempotent", list), HELLO, outside);
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: action failed, tool_timeout: as told
        4   send: tried again at 2026-11-20T00:00:00.185Z
        5   send: sent again, attempt 2
        6   send: action failed, tool_error: as told
        7   send: outcome unknown, tool_error: as told; a person must resolve it
        8   send: ann says that it was performed: seen
        9   send: finished {"id":1}
        10  stage only done
        11  run completed null
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn a_run_cancelled_before_a_retry_does_not_end_over_what_may_have_been_performed() {
    let list = "{ tool_timeout: [ { retry: 9, every: 50s, backoff: constant } ] }";
    let outside = "send: !tool_timeout maybe_sent\n> cancel - {\"undo\": true}
        > > resolve - {\"step\": \"send\", \"resolution\": \"not_performed\", \"reason\": \"looked\", \"auth\": \"local\"}";
    let drive = driven(&single("effect: idempotent", list), HELLO, outside);
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: action failed, tool_timeout: as told
        4   send: tried again at 2026-11-20T00:00:46.372Z
        5   cancel and undo asked by ann
        6   send: outcome unknown, tool_timeout: as told; a person must resolve it
        7   send: ann says that it was not performed: looked
        8   send: action failed, tool_rejected: a person found that `box.put` was not performed
        9   send: no recovery left
        10  nothing to take back
        11  run cancelled
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn after_data_were_put_back_no_probe_decides_and_nothing_leaves_while_the_run_is_paused() {
    // The journal is put back to each of its lengths: an unknown outcome, a probe on its way, a probe that found nothing.
    let list = "{ unknown_outcome: [ probe, { person: desk } ] }";
    let outside = "send: !tool_timeout maybe_sent\nsend@probe: {\"count\": 0}";
    let mut whole = Drive::governed(&single(PROBED, list), "", HELLO, Outside::new(outside));
    whole.run();
    let mut told = std::collections::BTreeSet::new();
    for cut in 2..=5 {
        let mut next = whole.resumed(&whole.entries[..cut]);
        next.now = whole.entries[cut - 1].at + Span::from_millis(600_000);
        next.outside = Outside::new(
            "send@probe: {\"count\": 0}\n> resume
            > > resolve - {\"step\": \"send\", \"resolution\": \"performed\", \"output\": {\"id\": 1}, \"reason\": \"seen\", \"auth\": \"local\"}",
        );
        next.push(next::receive(1, "review", "", Value::Null, "ann").unwrap());
        next.run();
        assert!(next.calls.is_empty(), "put back to {cut}: {:?}\n{}", next.calls, next.outline());
        told.insert(next.outline().lines().skip(cut).map(|line| line[4..].to_owned()).collect::<Vec<_>>().join("\n"));
    }
    expect![[r#"
        review of what was sent asked by ann
        send: outcome unknown, unknown_outcome: `box.put` was sent before the data were put back or copied: what became of it stands outside; a person must resolve it
        resume asked by ann
        send: handed to desk (wrk_22e1ed23edabbbe9)
        send: ann says that it was performed: seen
        send: its outcome is known
        send: finished {"id":1}
        stage only done
        run completed null"#]].assert_eq(&told.into_iter().collect::<Vec<_>>().join("\n\n"));
    // What was rejected and was to be sent again may have been sent since.
    let mut whole = Drive::governed(
        &single("effect: at_most_once", "{ tool_rejected: [ { retry: 1 } ] }"),
        "",
        HELLO,
        Outside::new("send: !tool_rejected"),
    );
    whole.run();
    let mut next = whole.resumed(&whole.entries[..4]);
    next.outside = Outside::new("> resume");
    next.push(next::receive(1, "review", "", Value::Null, "ann").unwrap());
    next.run();
    assert!(next.calls.is_empty(), "{}", next.outline());
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: action failed, tool_rejected: as told
        4   send: tried again at 2026-11-20T00:00:00.185Z
        5   review of what was sent asked by ann
        6   resume asked by ann
        7   send: outcome unknown, unknown_outcome: `box.put` was sent before the data were put back or copied: what became of it stands outside; a person must resolve it
    "#]].assert_eq(&next.outline());
}

#[test]
fn a_probe_that_a_dead_process_had_on_its_way_takes_a_place_of_its_own() {
    let outside = "send: !tool_timeout maybe_sent\nsend@probe: {\"count\": 1, \"id\": 4}";
    let mut first = Drive::governed(&single(PROBED, "{}"), "", HELLO, Outside::new(outside));
    first.die_after = Some(4);
    first.run();
    let mut second = first.resumed(&first.entries);
    second.no_place_before = second.now + Span::from_millis(3_000);
    second.run();
    assert_eq!(second.asked_places.len(), 2, "{:?}", second.asked_places);
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"hello"}
        3   send: outcome unknown, tool_timeout: as told; a probe asks at 2026-11-20T00:02:00.000Z
        4   send: probe 1 asks whether it was performed
        5   send: probe 2 asks whether it was performed
        6   send: the probe found it performed {"id":4}
        7   stage only done
        8   run completed null
    "#]]
    .assert_eq(&second.outline());
    assert_eq!(second.entries[4].at, second.no_place_before);
}

/// One act that can be taken back, and one that fails.
fn trip(cancel: &str, extra: &str) -> String {
    format!(
        r#"
        --- workflows/trip.yaml
        workflow: trip
        stages:
          - stage: book
            steps:
              - {{ step: hotel, act: travel.book, undo: {{ act: travel.cancel, with: {{ id: =hotel.id }} }} }}
              - {{ step: pay, act: travel.pay }}
            on_failure: {{ tool_rejected: [ undo ] }}
        --- tools/travel.yaml
        tool: travel
        native: true
        operations:
          book: {{ effect: idempotent }}
          cancel: {{ {cancel} }}
          pay: {{ effect: at_most_once }}
        --- people.yaml
        people: {{ cora: {{ name: Cora, groups: [ desk ] }} }}
        groups: {{ desk: {{}} }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        {extra}
        "#
    )
}

#[test]
fn a_step_that_leaves_for_another_stage_leaves_no_open_action_of_another_branch_behind() {
    let right = "                        - { step: early, wait: { for: 1s } }
                        - { step: last, act: travel.note }";
    let text = branches("effect: idempotent", right, "").replace("[ undo ]", "[ { retry: 1 }, { stage: sorry } ]");
    let text = text.replace(
        "        --- tools",
        "          - stage: sorry\n            steps: [ { step: sorry, act: travel.note } ]\n        --- tools",
    );
    let text = text.replace(
        "step: garden, act: travel.note, on_failure: { tool_rejected: [ fail ] }",
        "step: garden, act: travel.pay",
    );
    let outside = "hotel: {\"id\": 1}\ngarden: !tool_timeout maybe_sent\nlast: !tool_rejected
        > > resolve - {\"step\": \"both.left/garden\", \"resolution\": \"performed\", \"output\": {}, \"reason\": \"seen\", \"auth\": \"local\"}";
    let drive = driven(&text, "{}", outside);
    expect![[r#"
        1   run started: trip
        2   both: branches left, right
        3   both.left/hotel: started travel.book {}
        4   both.right/early: waits until 2026-11-20T00:00:01.000Z
        5   both.left/hotel: finished {"id":1}
        6   both.left/garden: started travel.pay {}
        7   both.left/garden: outcome unknown, tool_timeout: as told; a person must resolve it
        8   both.right/early: time is up
        9   both.right/last: started travel.note {}
        10  both.right/last: action failed, tool_rejected: as told
        11  both.right/last: tried again at 2026-11-20T00:00:01.186Z
        12  both.right/last: sent again, attempt 2
        13  both.right/last: action failed, tool_rejected: as told
        14  both.right/last: no recovery left
        15  both.right: failed, tool_rejected: as told
        16  both.left/garden: ann says that it was performed: seen
        17  both.left/garden: finished {}
        18  both: failed, tool_rejected: as told
        19  both: left for stage sorry
        20  sorry: started travel.note {}
        21  sorry: finished {"ok":true}
        22  stage sorry done
        23  run completed null
    "#]]
    .assert_eq(&drive.outline());
}

const FAILS: &str = "hotel: {\"id\": 1}\npay: !tool_rejected";

#[test]
fn an_undo_waits_for_a_place_also_while_the_run_is_cancelled() {
    let text =
        trip("effect: idempotent, rate: { limit: 1, per: 1h }", "").replace("act: travel.pay", "wait: { signal: go }");
    let mut drive = Drive::governed(&text, "", "{}", Outside::new("hotel: {\"id\": 1}\n> cancel - {\"undo\": true}"));
    drive.no_place_before = drive.now + Span::from_millis(3_000);
    let place = drive.no_place_before;
    drive.run();
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: waits for signal go
        5   cancel and undo asked by ann
        6   takes back hotel
        7   hotel/undo: started travel.cancel {"id":1}
        8   hotel/undo: finished {"ok":true}
        9   run cancelled
    "#]]
    .assert_eq(&drive.outline());
    assert!(drive.slept.iter().any(|slept| slept.contains("tool:travel.cancel")), "{:?}", drive.slept);
    assert_eq!(drive.entries[6].at, place);
}

#[test]
fn a_no_or_no_word_about_an_undo_pauses_the_run_and_each_question_is_a_new_one() {
    let outside = format!("{FAILS}\n> vote cora reject not now\n> resume\n> > resume\n> vote cora approve");
    let drive = driven(&trip("effect: idempotent", ASKED), "{}", &outside);
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: started travel.pay {}
        5   pay: action failed, tool_rejected: as told
        6   pay: takes back hotel
        7   hotel/undo: asks desk by look to approve travel.cancel {"id":1} (apr_cdfbe9f1595370fa)
        8   hotel/undo: cora rejected (apr_cdfbe9f1595370fa)
        9   hotel/undo: approval_rejected: cora said no: not now
        10  hotel/undo: paused until a person resumes
        11  resume asked by ann
        12  hotel/undo: asks desk by look to approve travel.cancel {"id":1} (apr_6d9ab21d5a721b45)
        13  hotel/undo: approval_expired: nobody of desk decided in time
        14  hotel/undo: paused until a person resumes
        15  resume asked by ann
        16  hotel/undo: asks desk by look to approve travel.cancel {"id":1} (apr_5b14254be9c50f27)
        17  hotel/undo: cora approved (apr_5b14254be9c50f27)
        18  hotel/undo: started travel.cancel {"id":1}
        19  hotel/undo: finished {"ok":true}
        20  pay: no recovery left
        21  run failed, tool_rejected: as told
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn a_hold_stops_an_undo_until_it_is_lifted() {
    let mut drive = Drive::governed(&trip("effect: idempotent", ""), "", "{}", Outside::new(FAILS));
    drive.die_after = Some(6);
    drive.run();
    let by = "ann".into();
    let scope: std::sync::Arc<str> = "tool:travel.cancel".into();
    let hold = Change::Hold { scope: scope.clone(), reason: "the hotel is asked".into() };
    drive.charter.apply(drive.charter.generation + 1, &hold, (&by, Timestamp::default()), None).expect("a hold");
    assert!(drive.charter.held().contains_key(&scope));
    drive.die_after = None;
    drive.outside = Outside::new(&format!("{FAILS}\n> > cancel - {{\"undo\": true}}"));
    drive.run();
    assert_eq!(drive.slept.len(), 2, "before and after it is cancelled: {:?}", drive.slept);
    assert!(
        drive.slept.iter().all(|slept| slept.starts_with("the release of tool:travel.cancel")),
        "{:?}",
        drive.slept
    );
    let release = Change::Release { scope, reason: "".into() };
    drive.charter.apply(drive.charter.generation + 1, &release, (&by, Timestamp::default()), None).expect("no hold");
    drive.run();
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: started travel.pay {}
        5   pay: action failed, tool_rejected: as told
        6   pay: takes back hotel
        7   cancel and undo asked by ann
        8   takes back hotel
        9   pay: no recovery left
        10  hotel/undo: started travel.cancel {"id":1}
        11  hotel/undo: finished {"ok":true}
        12  run cancelled
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn an_undo_that_was_sent_before_the_data_were_put_back_is_for_a_person() {
    let mut first = Drive::governed(&trip("effect: idempotent", ""), "", "{}", Outside::new(FAILS));
    first.die_after = Some(7);
    first.run();
    let mut next = first.resumed(&first.entries);
    next.outside = Outside::new(
        "> resume
        > resolve - {\"step\": \"hotel/undo\", \"attempt\": 1, \"resolution\": \"performed\", \"output\": {}, \"reason\": \"seen\", \"auth\": \"local\"}",
    );
    next.push(next::receive(1, "review", "", Value::Null, "ann").unwrap());
    next.run();
    assert!(next.calls.is_empty(), "{:?}", next.calls);
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: started travel.pay {}
        5   pay: action failed, tool_rejected: as told
        6   pay: takes back hotel
        7   hotel/undo: started travel.cancel {"id":1}
        8   review of what was sent asked by ann
        9   hotel/undo: outcome unknown, unknown_outcome: `travel.cancel` was sent before the data were put back or copied: what became of it stands outside; a person must resolve it
        10  resume asked by ann
        11  hotel/undo: ann says that sending 1 was performed: seen
        12  hotel/undo: finished {}
        13  pay: no recovery left
        14  run failed, tool_rejected: as told
    "#]].assert_eq(&next.outline());
}

#[test]
fn an_undo_of_an_earlier_owner_is_settled_by_a_late_answer() {
    let text = trip("effect: at_most_once", "");
    let mut first = Drive::governed(&text, "", "{}", Outside::new(FAILS));
    first.die_after = Some(7);
    first.run();
    let mut next = first.resumed(&first.entries);
    next.outside = Outside::new(
        "> > late - {\"step\": \"hotel/undo\", \"epoch\": 1, \"attempt\": 1, \"outcome\": {\"done\": {\"ok\": true}}}",
    );
    next.run();
    assert!(next.calls.is_empty(), "{:?}", next.calls);
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: started travel.pay {}
        5   pay: action failed, tool_rejected: as told
        6   pay: takes back hotel
        7   hotel/undo: started travel.cancel {"id":1}
        8   hotel/undo: outcome unknown, unknown_outcome: the process that sent `travel.cancel` ended before the answer; a person must resolve it
        9   hotel/undo: sending 1 was answered late {"ok":true}
        10  hotel/undo: finished {"ok":true}
        11  pay: no recovery left
        12  run failed, tool_rejected: as told
    "#]].assert_eq(&next.outline());
}

#[test]
fn an_undo_without_room_in_the_budget_pauses_the_run() {
    let text = trip("effect: idempotent, cost: 1 USD", "")
        .replace("        stages:", "        budget: { money: 0.50 USD }\n        stages:");
    let outside = format!(
        "{FAILS}\n> > raise - {{\"unit\": \"money_uusd\", \"limit\": 2000000, \"auth\": \"local\"}}\n> > resume"
    );
    let drive = driven(&text, "{}", &outside);
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: started travel.pay {}
        5   pay: action failed, tool_rejected: as told
        6   pay: takes back hotel
        7   hotel/undo: failed, budget_exceeded: `run` has no room for $1.00 more: $0.50 of $0.50 is left
        8   hotel/undo: paused until a person resumes
        9   ann raised the run's budget of money to $2.00
        10  resume asked by ann
        11  hotel/undo: started travel.cancel {"id":1}
        12  hotel/undo: finished {"ok":true}
        13  pay: no recovery left
        14  run failed, tool_rejected: as told
    "#]]
    .assert_eq(&drive.outline());
    assert!(drive.state.spent.reserved.is_empty());
}

#[test]
fn an_act_that_waits_for_a_yes_when_the_run_is_cancelled_is_not_done() {
    let ask = ASKED.replace("travel.cancel", "travel.pay");
    let outside = "hotel: {\"id\": 1}\n> cancel - {\"undo\": true}";
    let drive = driven(&trip("effect: idempotent", &ask), "{}", outside);
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: asks desk by look to approve travel.pay {} (apr_1b2817164ca3965e)
        5   cancel and undo asked by ann
        6   takes back hotel
        7   hotel/undo: started travel.cancel {"id":1}
        8   hotel/undo: finished {"ok":true}
        9   run cancelled
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn a_cancelled_run_that_failed_does_not_end_over_an_undo_that_may_have_been_performed() {
    let outside = format!(
        "{FAILS}\nhotel/undo: !tool_timeout maybe_sent\n> > cancel -
        > > resolve - {{\"step\": \"hotel/undo\", \"resolution\": \"performed\", \"output\": {{}}, \"reason\": \"seen\", \"auth\": \"local\"}}"
    );
    let mut drive = until(6, &trip("effect: at_most_once", ""), "{}", &outside);
    let undo = Value::map([("undo", true.into())]);
    drive.push(next::receive(1, "cancel", "", undo, "ann").unwrap());
    drive.run();
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {}
        3   hotel: finished {"id":1}
        4   pay: started travel.pay {}
        5   pay: action failed, tool_rejected: as told
        6   pay: takes back hotel
        7   cancel and undo asked by ann
        8   takes back hotel
        9   pay: no recovery left
        10  hotel/undo: started travel.cancel {"id":1}
        11  hotel/undo: outcome unknown, tool_timeout: as told; a person must resolve it
        12  cancel asked by ann
        13  hotel/undo: ann says that it was performed: seen
        14  hotel/undo: finished {}
        15  run cancelled
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn the_keys_and_the_questions_of_a_second_visit_are_new() {
    let outside = "read: {\"text\": \"a\"}\nsend: {}\nlast: !tool_rejected\n> vote cora approve\n> vote cora approve\n> work cora {\"ok\": true}";
    let text = REPLACED.replace("tool_rejected: [ { stage: second } ]", "tool_rejected: [ fail ]").replace(
        "      - stage: second\n        steps:\n          - { step: note, act: post.look, on_failure: { tool_rejected: [ { return_to: read } ] } }\n",
        "          - { step: last, act: post.look, on_failure: { tool_rejected: [ { return_to: read }, { person: desk, timeout: 1d } ] } }\n",
    );
    let drive = driven(&text, "{}", outside);
    let of = |step: &str| -> Vec<&str> {
        drive.calls.iter().filter_map(|call| call.strip_prefix(&format!("call {step} "))?.split(' ').next()).collect()
    };
    let keys = [of("send"), of("send/undo"), of("send~2")];
    assert!(keys.iter().all(|keys| keys.len() == 1), "{:?}\n{}", drive.calls, drive.outline());
    let different: std::collections::BTreeSet<_> = keys.iter().flatten().collect();
    assert_eq!(different.len(), 3, "{keys:?}");
    let asked: Vec<String> = drive
        .events
        .iter()
        .filter_map(|event| match event {
            Event::ApprovalRequested { approval, .. } => Some(approval.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(asked.len(), 2, "{}", drive.outline());
    assert_ne!(asked[0], asked[1]);
}

#[test]
fn a_join_that_needs_a_body_no_more_leaves_nothing_in_doubt_that_was_to_be_tried_again() {
    let right = "                        - { step: early, wait: { for: 1s } }
                        - { step: last, act: travel.note, on_failure: { tool_rejected: [ fail ] } }";
    let left = "[ { retry: 9, every: 50s, backoff: constant } ]";
    let text = branches("effect: idempotent", right, "").replace(
        "tool_rejected: [ fail ] } }\n                      gives",
        &format!("tool_timeout: {left} }} }}\n                      gives"),
    );
    let outside = "hotel: {\"id\": 1}\ngarden: !tool_timeout maybe_sent\nlast: !tool_rejected
        > > resolve - {\"step\": \"both.left/garden\", \"resolution\": \"performed\", \"output\": {}, \"reason\": \"seen\", \"auth\": \"local\"}";
    let drive = driven(&text, "{}", outside);
    expect![[r#"
        1   run started: trip
        2   both: branches left, right
        3   both.left/hotel: started travel.book {}
        4   both.right/early: waits until 2026-11-20T00:00:01.000Z
        5   both.left/hotel: finished {"id":1}
        6   both.left/garden: started travel.note {}
        7   both.left/garden: action failed, tool_timeout: as told
        8   both.left/garden: tried again at 2026-11-20T00:00:39.509Z
        9   both.right/early: time is up
        10  both.right/last: started travel.note {}
        11  both.right/last: action failed, tool_rejected: as told
        12  both.right/last: no recovery left
        13  both.right: failed, tool_rejected: as told
        14  both.left/garden: outcome unknown, tool_timeout: as told; a person must resolve it
        15  both.left/garden: ann says that it was performed: seen
        16  both.left/garden: finished {}
        17  both: failed, tool_rejected: as told
        18  both: takes back both.left/hotel; what stays: both.left/garden
        19  both.left/hotel/undo: started travel.cancel {"id":1}
        20  both.left/hotel/undo: finished {"ok":true}
        21  both: no recovery left
        22  run failed, tool_rejected: as told
    "#]]
    .assert_eq(&drive.outline());
}
