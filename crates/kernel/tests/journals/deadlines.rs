//! Deadlines: what is waited for ends, what is under way is brought to its end, and the same failure twice is no progress.

use expect_test::expect;

use crate::drive::{Drive, Outside, check};

fn wait(step: &str) -> String {
    format!(
        r#"
        --- workflows/w.yaml
        workflow: w
        result: {{ value: ="late" if ran(late) else "in time" }}
        stages:
          - stage: first
            steps:
              - {step}
                on_failure: {{ deadline_exceeded: [ {{ stage: second }} ] }}
          - stage: second
            steps: [ {{ step: late, set: 1 }} ]
        --- people.yaml
        groups: {{ desk: {{}} }}
        people: {{ sue: {{ name: Sue, groups: [ desk ] }} }}
        --- schemas/any.yaml
        type: object
"#
    )
}

#[test]
fn a_wait_ends_with_the_deadline_of_its_step() {
    check(
        &wait("step: pause\n                wait: { signal: go }\n                deadline: 2h"),
        "{}",
        "",
        expect![[r#"
            1   run started: w
            2   pause: has time until 2026-11-20T02:00:00.000Z
            3   pause: waits for signal go
            4   pause: failed, deadline_exceeded: the deadline of 2h of `pause` passed at 2026-11-20T02:00:00.000Z
            5   pause: left for stage second
            6   late: done 1
            7   stage second done
            8   run completed "late"
        "#]],
    );
}

#[test]
fn handed_over_work_ends_with_the_deadline_and_nobody_waits_for_it() {
    check(
        &wait(
            "step: ask\n                handoff: { to: { person: desk }, task: Look., contract: schemas/any.yaml }\n                deadline: 1h",
        ),
        "{}",
        "",
        expect![[r#"
            1   run started: w
            2   ask: has time until 2026-11-20T01:00:00.000Z
            3   ask: handed to desk (wrk_dd31617d50be142d)
            4   ask: deadline_exceeded: the deadline of 1h of `ask` passed at 2026-11-20T01:00:00.000Z
            5   ask: left for stage second
            6   late: done 1
            7   stage second done
            8   run completed "late"
        "#]],
    );
}

#[test]
fn a_question_to_people_ends_with_the_deadline() {
    check(
        &wait("step: ask\n                approve: { ask: \"Well?\", of: desk }\n                deadline: 1h"),
        "{}",
        "",
        expect![[r#"
            1   run started: w
            2   ask: has time until 2026-11-20T01:00:00.000Z
            3   ask: asks desk to approve (apr_45951b70dea9822c)
            4   ask: deadline_exceeded: the deadline of 1h of `ask` passed at 2026-11-20T01:00:00.000Z
            5   ask: left for stage second
            6   late: done 1
            7   stage second done
            8   run completed "late"
        "#]],
    );
}

const SEND: &str = r#"
        --- workflows/send.yaml
        workflow: send
        stages:
          - stage: only
            steps:
              - step: send
                act: box.put
                deadline: 10s
                on_failure: { tool_error: [ { retry: 9, every: 4s, backoff: constant } ] }
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: EFFECT } }
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
"#;

#[test]
fn retries_end_with_the_deadline() {
    check(
        &SEND.replace("EFFECT", "read"),
        "{}",
        "send: !tool_error not_sent",
        expect![[r#"
        1   run started: send
        2   send: has time until 2026-11-20T00:00:10.000Z
        3   send: started box.put {}
        4   send: action failed, tool_error: as told
        5   send: tried again at 2026-11-20T00:00:03.709Z
        6   send: sent again, attempt 2
        7   send: action failed, tool_error: as told
        8   send: tried again at 2026-11-20T00:00:05.937Z
        9   send: sent again, attempt 3
        10  send: action failed, tool_error: as told
        11  send: tried again at 2026-11-20T00:00:08.933Z
        12  send: sent again, attempt 4
        13  send: action failed, tool_error: as told
        14  send: tried again at 2026-11-20T00:00:11.207Z
        15  send: failed, deadline_exceeded: the deadline of 10s of `send` passed at 2026-11-20T00:00:10.000Z
        16  send: no recovery left
        17  run failed, deadline_exceeded: the deadline of 10s of `send` passed at 2026-11-20T00:00:10.000Z
    "#]],
    );
}

#[test]
fn what_may_have_been_performed_is_resolved_although_the_deadline_has_passed() {
    check(
        &SEND.replace("EFFECT", "idempotent").replace("every: 4s", "every: 40s"),
        "{}",
        r#"
        send: !tool_error maybe_sent
        > > resolve - {"step": "send", "resolution": "not_performed", "reason": "looked", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: send
            2   send: has time until 2026-11-20T00:00:10.000Z
            3   send: started box.put {}
            4   send: action failed, tool_error: as told
            5   send: tried again at 2026-11-20T00:00:37.098Z
            6   send: outcome unknown, tool_error: as told; a person must resolve it
            7   send: ann says that it was not performed: looked
            8   send: action failed, deadline_exceeded: the deadline of 10s of `send` passed at 2026-11-20T00:00:10.000Z
            9   send: no recovery left
            10  run failed, deadline_exceeded: the deadline of 10s of `send` passed at 2026-11-20T00:00:10.000Z
        "#]],
    );
}

#[test]
fn a_block_ends_with_its_deadline_once_nothing_in_it_is_under_way() {
    check(
        r#"
        --- workflows/w.yaml
        workflow: w
        result: { value: =all }
        stages:
          - stage: only
            steps:
              - step: all
                each: input.items
                deadline: 1h
                steps:
                  - step: put
                    act: box.put
                  - step: pause
                    wait: { signal: go }
                on_failure: { deadline_exceeded: [ { continue_with: none } ] }
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: at_most_once } }
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        "#,
        r#"{"items": [1, 2]}"#,
        r#"
        all[1]/put: !tool_timeout maybe_sent
        > > resolve - {"step": "all[1]/put", "resolution": "performed", "output": {}, "reason": "seen", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: w
            2   all: has time until 2026-11-20T01:00:00.000Z
            3   all: over 2 items
            4   all[0]/put: started box.put {}
            5   all[1]/put: started box.put {}
            6   all[0]/put: finished {"ok":true}
            7   all[1]/put: outcome unknown, tool_timeout: as told; a person must resolve it
            8   all[0]/pause: waits for signal go
            9   all[1]/put: ann says that it was performed: seen
            10  all[1]/put: finished {}
            11  all: failed, deadline_exceeded: the deadline of 1h of `all` passed at 2026-11-20T01:00:00.000Z
            12  all: continued with "none"
            13  stage only done
            14  run completed "none"
        "#]],
    );
}

const RUN: &str = r#"
        --- workflows/w.yaml
        workflow: w
        deadline: 1d
        stages:
          - stage: only
            steps:
              - step: put
                act: box.put
              - step: pause
                wait: { signal: go }
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: at_most_once } }
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
"#;

#[test]
fn a_run_fails_when_its_deadline_passes() {
    check(
        RUN,
        "{}",
        "",
        expect![[r#"
        1   run started: w
        2   put: started box.put {}
        3   put: finished {"ok":true}
        4   pause: waits for signal go
        5   run failed, deadline_exceeded: the deadline of 1d of the run passed at 2026-11-21T00:00:00.000Z
    "#]],
    );
}

#[test]
fn no_run_ends_late_over_an_action_whose_outcome_is_not_known() {
    check(
        RUN,
        "{}",
        r#"
        put: !tool_timeout maybe_sent
        > > resolve - {"step": "put", "resolution": "performed", "output": {}, "reason": "seen", "auth": "local"}
        "#,
        expect![[r#"
            1   run started: w
            2   put: started box.put {}
            3   put: outcome unknown, tool_timeout: as told; a person must resolve it
            4   put: ann says that it was performed: seen
            5   put: finished {}
            6   run failed, deadline_exceeded: the deadline of 1d of the run passed at 2026-11-21T00:00:00.000Z
        "#]],
    );
}

#[test]
fn who_lets_a_late_step_begin_again_gives_it_its_time_anew() {
    let project = wait("step: pause\n                wait: { signal: go }\n                deadline: 2h")
        .replace("{ stage: second }", "{ person: desk }, { stage: second }");
    let mut drive = Drive::governed(&project, "tom", "{}", Outside::new("> > work sue \"again\"\n> signal go {}"));
    drive.run();
    expect![[r#"
        1   run started: w
        2   pause: has time until 2026-11-20T02:00:00.000Z
        3   pause: waits for signal go
        4   pause: failed, deadline_exceeded: the deadline of 2h of `pause` passed at 2026-11-20T02:00:00.000Z
        5   pause: put before desk
        6   pause: handed to desk (wrk_5e6f52178722dc27)
        7   pause: sue answered "again" (wrk_5e6f52178722dc27)
        8   pause: begun afresh, says sue
        9   pause~2: has time until 2026-11-20T04:00:00.000Z
        10  pause~2: waits for signal go
        11  signal go from ann, message 2 {}
        12  pause~2: woken by message 2 {"body":{},"by":"signal","name":"go","sender":"ann"}
        13  stage first done
        14  run completed "in time"
    "#]]
    .assert_eq(&drive.outline());
}

const RATE: &str = r#"
        --- workflows/rate.yaml
        workflow: rate
        result: { value: =rate.score }
        stages:
          - stage: only
            steps:
              - step: rate
                reason: prompts/rate.md
                model: small
                output: schemas/rating.yaml
                on_failure: { LIST }
        --- prompts/rate.md
        Rate this.
        --- schemas/rating.yaml
        type: object
        required: [ score ]
        properties: { score: { type: number, maximum: 1 } }
"#;

#[test]
fn the_same_failure_twice_ends_repairs_and_the_rest_of_the_list_counts() {
    check(
        &RATE.replace("LIST", "invalid_output: [ { repair: 3 }, { model: strong }, { continue_with: { score: 0 } } ]"),
        "{}",
        "rate#1: {\"score\": 3}\nrate#2: {\"score\": 17.5}\nrate: {\"score\": 9}",
        expect![[r#"
            1   run started: rate
            2   rate: asked model small, about 4 tokens
            3   rate: answer failed, invalid_output: `/score`: 3 is more than 1
            4   rate: asked again with the errors
            5   rate: asked model small, attempt 2, about 35 tokens
            6   rate: answer failed, invalid_output: `/score`: 17.5 is more than 1
            7   rate: no progress: the same failure twice
            8   rate: passed to model strong
            9   rate: asked model strong, attempt 3, about 35 tokens
            10  rate: answer failed, invalid_output: `/score`: 9 is more than 1
            11  rate: no progress: the same failure twice
            12  rate: continued with {"score":0}
            13  stage only done
            14  run completed 0
        "#]],
    );
}

#[test]
fn a_list_for_no_progress_goes_before_the_rest_of_the_other() {
    check(
        &RATE.replace(
            "LIST",
            "invalid_output: [ { replan: 3 }, { model: strong } ], no_progress: [ { continue_with: { score: 0 } } ]",
        ),
        "{}",
        "rate: {\"score\": 9}",
        expect![[r#"
            1   run started: rate
            2   rate: asked model small, about 4 tokens
            3   rate: answer failed, invalid_output: `/score`: 9 is more than 1
            4   rate: begun afresh
            5   rate~2: asked model small, about 4 tokens
            6   rate~2: answer failed, invalid_output: `/score`: 9 is more than 1
            7   rate~2: no progress: the same failure twice
            8   rate~2: continued with {"score":0}
            9   stage only done
            10  run completed 0
        "#]],
    );
}

#[test]
fn without_a_list_the_run_fails_with_no_progress_and_another_error_is_repaired() {
    check(
        &RATE.replace("LIST", ""),
        "{}",
        "rate#1: {\"score\": 3}\nrate#2: {}\nrate: {\"score\": 5}",
        expect![[r#"
            1   run started: rate
            2   rate: asked model small, about 4 tokens
            3   rate: answer failed, invalid_output: `/score`: 3 is more than 1
            4   rate: asked again with the errors
            5   rate: asked model small, attempt 2, about 35 tokens
            6   rate: answer failed, invalid_output: the value: "score" is missing
            7   rate: asked again with the errors
            8   rate: asked model small, attempt 3, about 46 tokens
            9   rate: answer failed, invalid_output: `/score`: 5 is more than 1
            10  rate: no progress: the same failure twice
            11  rate: no recovery left
            12  run failed, no_progress: the same failure twice, although something was changed: invalid_output: `/score`: 5 is more than 1
        "#]],
    );
}

#[test]
fn a_crash_at_any_entry_changes_nothing() {
    let projects = [
        (wait("step: pause\n                wait: { signal: go }\n                deadline: 2h"), ""),
        (SEND.replace("EFFECT", "read"), "send: !tool_error not_sent"),
        (RUN.replace("at_most_once", "idempotent"), ""),
        (RATE.replace("LIST", ""), "rate: {\"score\": 5}"),
    ];
    for (project, outside) in projects {
        let mut whole = Drive::governed(&project, "", "{}", Outside::new(outside));
        whole.run();
        for cut in 1..whole.entries.len() {
            let mut next = whole.resumed(&whole.entries[..cut]);
            next.outside = Outside::new(outside);
            next.run();
            let end = |drive: &Drive| drive.outline().lines().last().map(|line| line[4..].to_owned());
            let (one, other) = (end(&next).expect("an end"), end(&whole).expect("an end"));
            let plain = |line: &str| line.split(" at 2026").next().map(str::to_owned);
            assert_eq!(plain(&one), plain(&other), "crashed after entry {cut}:\n{}", next.outline());
        }
    }
}
