//! What was done is taken back: in which order, what stays, and what an undo that fails does.

use std::collections::BTreeMap;

use expect_test::expect;

use crate::drive::{Drive, Outside, check};

/// Three acts; the third is asked for after the others and can be made to fail.
fn trip(on_failure: &str, extra: &str) -> String {
    format!(
        r#"
        --- workflows/trip.yaml
        workflow: trip
        stages:
          - stage: book
            steps:
              - step: hotel
                act: travel.book
                with: {{ what: hotel }}
                undo: {{ act: travel.cancel, with: {{ id: =hotel.id, why: "=input.why" }} }}
              - step: flight
                act: travel.book
                with: {{ what: flight }}
                undo: {{ act: travel.cancel, with: {{ id: =flight.id, why: "no {{{{ hotel.id }}}}" }} }}
              - step: pay
                act: travel.pay
                with: {{ ids: [ =hotel.id, =flight.id ] }}
            on_failure: {on_failure}
        {extra}
        --- tools/travel.yaml
        tool: travel
        native: true
        operations:
          book: {{ effect: idempotent }}
          cancel: {{ effect: idempotent }}
          pay: {{ effect: at_most_once }}
          note: {{ effect: idempotent }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        "#
    )
}

const WHY: &str = r#"{"why": "changed"}"#;

#[test]
fn after_a_failure_what_was_done_in_the_stage_is_taken_back_the_last_first() {
    check(
        &trip("{ tool_rejected: [ undo ] }", ""),
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_rejected
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: action failed, tool_rejected: as told
            8   pay: takes back flight, hotel
            9   flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            10  flight/undo: finished {"ok":true}
            11  hotel/undo: started travel.cancel {"id":1,"why":"changed"}
            12  hotel/undo: finished {"ok":true}
            13  pay: no recovery left
            14  run failed, tool_rejected: as told
        "#]],
    );
}

#[test]
fn what_no_undo_speaks_of_stays_and_is_told() {
    let text = trip("{ tool_rejected: [ { retry: 1 }, undo, { stage: sorry } ] }", "");
    let text = text.replace(
        "        --- tools",
        "          - stage: sorry\n            steps: [ { step: sorry, act: travel.note } ]\n        --- tools",
    );
    let text = text.replace("undo: { act: travel.cancel, with: { id: =hotel.id, why: \"=input.why\" } }", "");
    check(
        &text,
        WHY,
        r#"
        flight: {"id": 2}
        hotel: {"id": 1}
        pay: !tool_rejected
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: action failed, tool_rejected: as told
            8   pay: tried again at 2026-11-20T00:00:00.148Z
            9   pay: sent again, attempt 2
            10  pay: action failed, tool_rejected: as told
            11  pay: takes back flight; what stays: hotel
            12  flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            13  flight/undo: finished {"ok":true}
            14  pay: left for stage sorry
            15  sorry: started travel.note {}
            16  sorry: finished {"ok":true}
            17  stage sorry done
            18  run completed null
        "#]],
    );
}

/// Two acts at once, in a body each; what came back first is taken back last.
const BOTH: &str = r#"
        --- workflows/trip.yaml
        workflow: trip
        stages:
          - stage: book
            steps:
              - step: both
                parallel:
                  branches:
                    hotel:
                      steps:
                        - { step: hotel, act: travel.book, undo: { act: travel.cancel, with: { id: =hotel.id } } }
                        - { step: garden, act: travel.pay }
                    flight:
                      steps:
                        - { step: early, wait: { for: 1s } }
                        - { step: flight, act: travel.book, undo: { act: travel.cancel, with: { id: =flight.id } } }
                on_failure: { tool_rejected: [ undo, { continue_with: { hotel: 0, flight: 0 } } ] }
              - step: rest
                each: [ 1, 2 ]
                as: day
                max_parallel: 1
                steps:
                  - step: meal
                    act: travel.book
                    with: { day: =day }
                    undo: { act: travel.cancel, with: { id: "={{meal.id}}", day: =day, index: =index } }
                  - { step: sure, act: travel.note, with: { day: =day } }
            on_failure: { tool_rejected: [ { retry: 1 }, undo ] }
        --- tools/travel.yaml
        tool: travel
        native: true
        operations: { book: { effect: idempotent }, cancel: { effect: idempotent }, pay: { effect: at_most_once }, note: { effect: idempotent } }
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
"#;

fn both() -> String {
    BOTH.replace("\"={{meal.id}}\"", "=meal.id").replace("each: [ 1, 2 ]", "each: input.days")
}

const DAYS: &str = r#"{"days": [1, 2]}"#;

#[test]
fn the_list_of_a_block_takes_back_what_its_bodies_did_and_no_more() {
    check(
        &both(),
        DAYS,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        garden: !tool_rejected
        meal: {"id": 3}
        "#,
        expect![[r#"
            1   run started: trip
            2   both: branches hotel, flight
            3   both.hotel/hotel: started travel.book {}
            4   both.flight/early: waits until 2026-11-20T00:00:01.000Z
            5   both.hotel/hotel: finished {"id":1}
            6   both.hotel/garden: started travel.pay {}
            7   both.hotel/garden: action failed, tool_rejected: as told
            8   both.hotel/garden: tried again at 2026-11-20T00:00:00.110Z
            9   both.hotel/garden: sent again, attempt 2
            10  both.hotel/garden: action failed, tool_rejected: as told
            11  both.hotel/garden: no recovery left
            12  both.hotel: failed, tool_rejected: as told
            13  both: failed, tool_rejected: as told
            14  both: takes back both.hotel/hotel
            15  both.hotel/hotel/undo: started travel.cancel {"id":1}
            16  both.hotel/hotel/undo: finished {"ok":true}
            17  both: continued with {"flight":0,"hotel":0}
            18  rest: over 2 items
            19  rest[0]/meal: started travel.book {"day":1}
            20  rest[0]/meal: finished {"id":3}
            21  rest[0]/sure: started travel.note {"day":1}
            22  rest[0]/sure: finished {"ok":true}
            23  rest[0]: gave {"ok":true}
            24  rest[1]/meal: started travel.book {"day":2}
            25  rest[1]/meal: finished {"id":3}
            26  rest[1]/sure: started travel.note {"day":2}
            27  rest[1]/sure: finished {"ok":true}
            28  rest[1]: gave {"ok":true}
            29  rest: done [{"ok":true},{"ok":true}]
            30  stage book done
            31  run completed null
        "#]],
    );
}

#[test]
fn a_step_in_a_body_leaves_the_undo_of_its_stage_to_the_block() {
    check(
        &both(),
        DAYS,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        meal: {"id": 3}
        rest[1]/sure: !tool_rejected
        "#,
        expect![[r#"
            1   run started: trip
            2   both: branches hotel, flight
            3   both.hotel/hotel: started travel.book {}
            4   both.flight/early: waits until 2026-11-20T00:00:01.000Z
            5   both.hotel/hotel: finished {"id":1}
            6   both.hotel/garden: started travel.pay {}
            7   both.hotel/garden: finished {"ok":true}
            8   both.hotel: gave {"ok":true}
            9   both.flight/early: time is up
            10  both.flight/flight: started travel.book {}
            11  both.flight/flight: finished {"id":2}
            12  both.flight: gave {"id":2}
            13  both: done {"flight":{"id":2},"hotel":{"ok":true}}
            14  rest: over 2 items
            15  rest[0]/meal: started travel.book {"day":1}
            16  rest[0]/meal: finished {"id":3}
            17  rest[0]/sure: started travel.note {"day":1}
            18  rest[0]/sure: finished {"ok":true}
            19  rest[0]: gave {"ok":true}
            20  rest[1]/meal: started travel.book {"day":2}
            21  rest[1]/meal: finished {"id":3}
            22  rest[1]/sure: started travel.note {"day":2}
            23  rest[1]/sure: action failed, tool_rejected: as told
            24  rest[1]/sure: tried again at 2026-11-20T00:00:01.188Z
            25  rest[1]/sure: sent again, attempt 2
            26  rest[1]/sure: action failed, tool_rejected: as told
            27  rest[1]/sure: no recovery left
            28  rest[1]: failed, tool_rejected: as told
            29  rest: failed, tool_rejected: as told
            30  rest: takes back rest[1]/meal, rest[0]/meal, both.flight/flight, both.hotel/hotel; what stays: rest[0]/sure, both.hotel/garden
            31  rest[1]/meal/undo: started travel.cancel {"day":2,"id":3,"index":1}
            32  rest[1]/meal/undo: finished {"ok":true}
            33  rest[0]/meal/undo: started travel.cancel {"day":1,"id":3,"index":0}
            34  rest[0]/meal/undo: finished {"ok":true}
            35  both.flight/flight/undo: started travel.cancel {"id":2}
            36  both.flight/flight/undo: finished {"ok":true}
            37  both.hotel/hotel/undo: started travel.cancel {"id":1}
            38  both.hotel/hotel/undo: finished {"ok":true}
            39  rest: no recovery left
            40  run failed, tool_rejected: as told
        "#]],
    );
}

#[test]
fn an_undo_whose_outcome_is_unknown_waits_like_any_other_action() {
    let text = trip("{ tool_rejected: [ undo ] }", "")
        .replace("cancel: { effect: idempotent }", "cancel: { effect: at_most_once }");
    check(
        &text,
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_rejected
        flight/undo: !tool_timeout maybe_sent
        > > resolve - {"step": "flight/undo", "resolution": "performed", "output": {"ok": 1}, "reason": "seen", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: action failed, tool_rejected: as told
            8   pay: takes back flight, hotel
            9   flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            10  flight/undo: outcome unknown, tool_timeout: as told; a person must resolve it
            11  flight/undo: ann says that it was performed: seen
            12  flight/undo: finished {"ok":1}
            13  hotel/undo: started travel.cancel {"id":1,"why":"changed"}
            14  hotel/undo: finished {"ok":true}
            15  pay: no recovery left
            16  run failed, tool_rejected: as told
        "#]],
    );
}

#[test]
fn an_undo_that_a_person_gave_up_is_asked_about_again_and_not_sent_again() {
    let text = trip("{ tool_rejected: [ undo ] }", "")
        .replace("cancel: { effect: idempotent }", "cancel: { effect: at_most_once }");
    check(
        &text,
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_rejected
        flight/undo: !tool_timeout maybe_sent
        > > resolve - {"step": "flight/undo", "resolution": "given_up", "reason": "lost", "auth": "local"}
        > > resume
        > > resolve - {"step": "flight/undo", "resolution": "not_performed", "reason": "found", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: action failed, tool_rejected: as told
            8   pay: takes back flight, hotel
            9   flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            10  flight/undo: outcome unknown, tool_timeout: as told; a person must resolve it
            11  flight/undo: ann says that it stays unknown: lost
            12  flight/undo: action failed, unknown_outcome: what became of `travel.cancel` stays unknown: lost
            13  flight/undo: paused until a person resumes
            14  resume asked by ann
            15  flight/undo: outcome unknown, unknown_outcome: what became of `travel.cancel` is not known, and it is not sent again on a guess; a person must resolve it
            16  flight/undo: ann says that it was not performed: found
            17  flight/undo: sent again, attempt 2
            18  flight/undo: outcome unknown, tool_timeout: as told; a person must resolve it
        "#]],
    );
}

#[test]
fn the_act_in_doubt_is_resolved_before_anything_is_taken_back() {
    check(
        &trip("{ unknown_outcome: [ undo ], tool_timeout: [ undo ] }", ""),
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_timeout maybe_sent
        > > resolve - {"step": "pay", "resolution": "given_up", "reason": "lost", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: outcome unknown, tool_timeout: as told; a person must resolve it
            8   pay: ann says that it stays unknown: lost
            9   pay: action failed, unknown_outcome: what became of `travel.pay` stays unknown: lost
            10  pay: takes back flight, hotel; what stays: pay
            11  flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            12  flight/undo: finished {"ok":true}
            13  hotel/undo: started travel.cancel {"id":1,"why":"changed"}
            14  hotel/undo: finished {"ok":true}
            15  pay: no recovery left
            16  run failed, unknown_outcome: what became of `travel.pay` stays unknown: lost
        "#]],
    );
}

#[test]
fn an_undo_that_is_rejected_pauses_the_run_and_is_tried_again_when_it_is_resumed() {
    let text = trip("{ tool_rejected: [ undo ] }", "");
    check(
        &text,
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_rejected
        flight/undo#1: !tool_rejected
        > > resume
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: action failed, tool_rejected: as told
            8   pay: takes back flight, hotel
            9   flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            10  flight/undo: action failed, tool_rejected: as told
            11  flight/undo: paused until a person resumes
            12  resume asked by ann
            13  flight/undo: sent again, attempt 2
            14  flight/undo: finished {"ok":true}
            15  hotel/undo: started travel.cancel {"id":1,"why":"changed"}
            16  hotel/undo: finished {"ok":true}
            17  pay: no recovery left
            18  run failed, tool_rejected: as told
        "#]],
    );
}

#[test]
fn a_denied_undo_pauses_the_run() {
    let text = trip("{ tool_rejected: [ undo ] }", "").replace(
        "@id(\"all\") permit (principal, action, resource);",
        "@id(\"all\") permit (principal, action, resource) unless { action == Action::\"travel.cancel\" };",
    );
    check(
        &text,
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_rejected
        > > resume
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: action failed, tool_rejected: as told
            8   pay: takes back flight, hotel
            9   flight/undo: travel.cancel denied by not_allowed: no rule in policies/allow/ permits `travel.cancel` for the step `trip/flight`
            10  flight/undo: paused until a person resumes
            11  resume asked by ann
            12  flight/undo: travel.cancel denied by not_allowed: no rule in policies/allow/ permits `travel.cancel` for the step `trip/flight`
            13  flight/undo: paused until a person resumes
        "#]],
    );
}

#[test]
fn a_cancelled_run_takes_back_what_it_did_before_it_ends() {
    let text = trip("{}", "").replace(
        "              - step: pay",
        "              - step: sleep\n                wait: { signal: go }\n              - step: pay",
    );
    check(
        &text,
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        flight/undo#1: !tool_error not_sent
        > cancel - {"undo": true}
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   sleep: waits for signal go
            7   cancel and undo asked by ann
            8   takes back flight, hotel
            9   flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            10  flight/undo: action failed, tool_error: as told
            11  flight/undo: tried again at 2026-11-20T00:00:00.121Z
            12  flight/undo: sent again, attempt 2
            13  flight/undo: finished {"ok":true}
            14  hotel/undo: started travel.cancel {"id":1,"why":"changed"}
            15  hotel/undo: finished {"ok":true}
            16  run cancelled
        "#]],
    );
}

#[test]
fn a_plain_cancel_takes_nothing_back_and_ends_a_run_whose_undo_is_stuck() {
    let text = trip("{ tool_rejected: [ undo ] }", "");
    check(
        &text,
        WHY,
        r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_rejected
        hotel/undo: !tool_rejected
        > > cancel - {"undo": true}
        > > cancel
        "#,
        expect![[r#"
            1   run started: trip
            2   hotel: started travel.book {"what":"hotel"}
            3   hotel: finished {"id":1}
            4   flight: started travel.book {"what":"flight"}
            5   flight: finished {"id":2}
            6   pay: started travel.pay {"ids":[1,2]}
            7   pay: action failed, tool_rejected: as told
            8   pay: takes back flight, hotel
            9   flight/undo: started travel.cancel {"id":2,"why":"no 1"}
            10  flight/undo: finished {"ok":true}
            11  hotel/undo: started travel.cancel {"id":1,"why":"changed"}
            12  hotel/undo: action failed, tool_rejected: as told
            13  hotel/undo: paused until a person resumes
            14  cancel and undo asked by ann
            15  takes back hotel
            16  pay: no recovery left
            17  hotel/undo: sent again, attempt 2
            18  hotel/undo: action failed, tool_rejected: as told
            19  hotel/undo: paused until a person resumes
            20  cancel asked by ann
            21  run cancelled
        "#]],
    );
}

#[test]
fn an_undo_is_asked_about_like_any_action_and_who_approves_an_act_sees_how_it_would_be_undone() {
    let text = trip("{ tool_rejected: [ undo ] }", "").replace(
        "        --- policies/allow/all.cedar",
        "        --- policies/ask/all.cedar\n        \
         @id(\"look\") @approve_by(\"desk\") @quorum(\"1\") @expires(\"4h\") @on_expiry(\"deny\")\n        \
         forbid (principal, action in [Action::\"travel.pay\", Action::\"travel.cancel\"], resource);\n        \
         --- people.yaml\n        people: { cora: { name: Cora, groups: [ desk ] } }\n        groups: { desk: {} }\n        \
         --- policies/allow/all.cedar",
    );
    let text = text.replace("ids: [ =hotel.id, =flight.id ] }", "ids: [ =hotel.id, =flight.id ] }\n                undo: { act: travel.cancel, with: { id: =pay.id, why: \"no {{ hotel.id }}\" } }");
    let outside = r#"
        hotel: {"id": 1}
        flight: {"id": 2}
        pay: !tool_rejected
        > vote cora approve
        > vote cora approve
        > vote cora approve
    "#;
    let mut drive = Drive::governed(&text, "ann", WHY, Outside::new(outside));
    drive.run();
    expect![[r#"
        1   run started: trip
        2   hotel: started travel.book {"what":"hotel"}
        3   hotel: finished {"id":1}
        4   flight: started travel.book {"what":"flight"}
        5   flight: finished {"id":2}
        6   pay: asks desk by look to approve travel.pay {"ids":[1,2]} (apr_1b2817164ca3965e)
        7   pay: cora approved (apr_1b2817164ca3965e)
        8   pay: started travel.pay {"ids":[1,2]}
        9   pay: action failed, tool_rejected: as told
        10  pay: takes back flight, hotel
        11  flight/undo: asks desk by look to approve travel.cancel {"id":2,"why":"no 1"} (apr_97de84346514cc89)
        12  flight/undo: cora approved (apr_97de84346514cc89)
        13  flight/undo: started travel.cancel {"id":2,"why":"no 1"}
        14  flight/undo: finished {"ok":true}
        15  hotel/undo: asks desk by look to approve travel.cancel {"id":1,"why":"changed"} (apr_cdfbe9f1595370fa)
        16  hotel/undo: cora approved (apr_cdfbe9f1595370fa)
        17  hotel/undo: started travel.cancel {"id":1,"why":"changed"}
        18  hotel/undo: finished {"ok":true}
        19  pay: no recovery left
        20  run failed, tool_rejected: as told
    "#]]
    .assert_eq(&drive.outline());
    let cards: Vec<String> = drive
        .events
        .iter()
        .filter_map(|event| match event {
            kernel::journal::Event::ApprovalRequested { step, card: kernel::journal::Held::Value(card), .. } => {
                Some(format!("{step}: {}", card.get("undo")?.to_json()))
            }
            _ => None,
        })
        .collect();
    expect![[r#"
        pay: "Call travel.cancel with {\"id\":\"=pay.id\",\"why\":\"no {{ hotel.id }}\"}"
        flight/undo: null
        hotel/undo: null"#]]
    .assert_eq(&cards.join("\n"));
}

/// What a receiver that de-duplicates on keys has in the end: `what` booked and not cancelled, and how often each key was sent.
fn ledger(drives: &[&Drive]) -> (Vec<String>, BTreeMap<String, usize>) {
    let mut keys = BTreeMap::new();
    for call in drives.iter().flat_map(|drive| &drive.calls) {
        *keys.entry(call.clone()).or_default() += 1;
    }
    let mut standing: Vec<String> = Vec::new();
    for call in keys.keys() {
        let step = call.split(' ').nth(1).expect("call STEP KEY INPUT");
        if !step.ends_with("/undo") {
            standing.push(step.to_owned());
        }
    }
    for call in keys.keys() {
        let step = call.split(' ').nth(1).expect("call STEP KEY INPUT");
        if let Some(act) = step.strip_suffix("/undo") {
            standing.retain(|one| one != act);
        }
    }
    (standing, keys)
}

#[test]
fn a_crash_after_any_entry_takes_each_act_back_once() {
    let text = both()
        .replace("pay: { effect: at_most_once }", "pay: { effect: idempotent }")
        .replace("note: { effect: idempotent }", "note: { effect: read }");
    let outside = || {
        Outside::new(
            r#"
            hotel: {"id": 1}
            flight: {"id": 2}
            meal: {"id": 3}
            rest[1]/sure: !tool_rejected
            meal/undo#1: !tool_error not_sent
            "#,
        )
    };
    let mut whole = Drive::governed(&text, "", DAYS, outside());
    whole.run();
    let taken = |drive: &Drive| {
        drive
            .events
            .iter()
            .filter(|event| event.step().is_some_and(|step| step.undoes().is_some()))
            .filter(|event| event.completes().is_some())
            .count()
    };
    assert_eq!(taken(&whole), 4, "{}", whole.outline());
    for cut in 1..whole.entries.len() {
        let mut first = Drive::governed(&text, "", DAYS, outside());
        first.die_after = Some(cut);
        first.run();
        let mut second = first.resumed(&first.entries);
        second.run();
        assert!(second.state.end.is_some(), "crashed after entry {cut}\n{}", second.outline());
        assert_eq!(taken(&second), 4, "crashed after entry {cut}\n{}", second.outline());
        let (standing, keys) = ledger(&[&first, &second]);
        let left: Vec<&str> = standing.iter().map(String::as_str).filter(|step| !step.contains("sure")).collect();
        assert_eq!(left, ["both.hotel/garden"], "crashed after entry {cut}\n{}", second.outline());
        // One key, one input: a second sending is the same bytes.
        let mut steps: Vec<&str> = keys.keys().filter_map(|call| call.split(' ').nth(1)).collect();
        let all = steps.len();
        steps.dedup();
        assert_eq!(steps.len(), all, "crashed after entry {cut}: {keys:?}");
    }
}

#[test]
fn a_saga_that_fails_at_any_of_its_steps_leaves_nothing_outside() {
    let text = trip("{ tool_rejected: [ undo ] }", "").replace(
        "              - step: pay\n                act: travel.pay\n                with: { ids: [ =hotel.id, =flight.id ] }",
        "              - step: pay\n                act: travel.book\n                with: { ids: [ =hotel.id, =flight.id ] }\n                \
         undo: { act: travel.cancel, with: { id: =pay.id } }\n              - step: last\n                act: travel.note",
    );
    for fails in ["hotel", "flight", "pay", "last"] {
        let said = format!("{fails}: !tool_rejected\nhotel: {{\"id\": 1}}\nflight: {{\"id\": 2}}\npay: {{\"id\": 3}}");
        let said =
            said.lines().enumerate().filter(|(at, line)| *at == 0 || !line.starts_with(fails)).map(|(_, line)| line);
        let mut drive = Drive::governed(&text, "", WHY, Outside::new(&said.collect::<Vec<_>>().join("\n")));
        drive.run();
        let (standing, keys) = ledger(&[&drive]);
        assert_eq!(standing, [fails], "only what was rejected: {}", drive.outline());
        assert!(keys.values().all(|times| *times == 1), "{keys:?}");
        let end = drive.state.end.as_ref().expect("an end");
        assert_eq!(end.failure.as_ref().map(|why| why.kind.as_str()), Some("tool_rejected"));
    }
}
