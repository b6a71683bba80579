//! Back to a checkpoint: what is done again, what is taken back or kept, and what is forgotten.

use expect_test::expect;

use crate::drive::{Drive, Outside, check};

fn draft(steps: &str, extra: &str) -> String {
    format!(
        r#"
        --- workflows/letter.yaml
        workflow: letter
        result: {{ value: {{ sent: "=send.id if ran(send) else none" }} }}
        stages:
          - stage: write
            steps:
              - {{ step: read, act: post.look, checkpoint: true }}
{steps}
              - {{ step: send, act: post.send, with: {{ text: =input.text }} }}
            on_failure: {{ tool_rejected: [ {{ return_to: read, times: 2 }}, {{ continue_with: {{ id: none }} }} ] }}
        {extra}
        --- tools/post.yaml
        tool: post
        native: true
        operations:
          look: {{ effect: read }}
          stamp: {{ effect: idempotent }}
          peel: {{ effect: idempotent }}
          send: {{ effect: idempotent }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        "#
    )
}

const STAMP: &str = "              - { step: stamp, act: post.stamp, with: { for: =read.id }, undo: { act: post.peel, with: { id: =stamp.id } } }
              - { step: again, act: post.look }";
const TEXT: &str = r#"{"text": "hello"}"#;

#[test]
fn what_was_done_after_the_checkpoint_is_taken_back_and_done_again() {
    check(
        &draft(STAMP, ""),
        TEXT,
        r#"
        read: {"id": 7}
        stamp: {"id": 1}
        stamp~2: {"id": 2}
        send: !tool_rejected
        send~2: {"id": 5}
        "#,
        expect![[r#"
            1   run started: letter
            2   read: started post.look {}
            3   read: finished {"id":7}
            4   stamp: started post.stamp {"for":7}
            5   stamp: finished {"id":1}
            6   again: started post.look {}
            7   again: finished {"ok":true}
            8   send: started post.send {"text":"hello"}
            9   send: action failed, tool_rejected: as told
            10  send: returns to read, after it takes back stamp
            11  stamp/undo: started post.peel {"id":1}
            12  stamp/undo: finished {"ok":true}
            13  stamp~2: started post.stamp {"for":7}
            14  stamp~2: finished {"id":2}
            15  again~2: started post.look {}
            16  again~2: finished {"ok":true}
            17  send~2: started post.send {"text":"hello"}
            18  send~2: finished {"id":5}
            19  stage write done
            20  run completed {"sent":5}
        "#]],
    );
}

#[test]
fn what_is_kept_stands_with_its_value_and_is_not_done_again() {
    let steps = STAMP.replace("undo: { act: post.peel, with: { id: =stamp.id } }", "keep: true");
    check(
        &draft(&steps, ""),
        TEXT,
        r#"
        read: {"id": 7}
        stamp: {"id": 1}
        send: !tool_rejected
        send~3: {"id": 5}
        "#,
        expect![[r#"
            1   run started: letter
            2   read: started post.look {}
            3   read: finished {"id":7}
            4   stamp: started post.stamp {"for":7}
            5   stamp: finished {"id":1}
            6   again: started post.look {}
            7   again: finished {"ok":true}
            8   send: started post.send {"text":"hello"}
            9   send: action failed, tool_rejected: as told
            10  send: returns to read; keeps stamp
            11  stamp~2: done {"id":1}
            12  again~2: started post.look {}
            13  again~2: finished {"ok":true}
            14  send~2: started post.send {"text":"hello"}
            15  send~2: action failed, tool_rejected: as told
            16  send~2: returns to read; keeps stamp
            17  stamp~3: done {"id":1}
            18  again~3: started post.look {}
            19  again~3: finished {"ok":true}
            20  send~3: started post.send {"text":"hello"}
            21  send~3: finished {"id":5}
            22  stage write done
            23  run completed {"sent":5}
        "#]],
    );
}

#[test]
fn the_way_back_is_open_so_often_and_no_more() {
    check(
        &draft(STAMP, ""),
        TEXT,
        r#"
        read: {"id": 7}
        stamp: {"id": 1}
        send: !tool_rejected
        "#,
        expect![[r#"
            1   run started: letter
            2   read: started post.look {}
            3   read: finished {"id":7}
            4   stamp: started post.stamp {"for":7}
            5   stamp: finished {"id":1}
            6   again: started post.look {}
            7   again: finished {"ok":true}
            8   send: started post.send {"text":"hello"}
            9   send: action failed, tool_rejected: as told
            10  send: returns to read, after it takes back stamp
            11  stamp/undo: started post.peel {"id":1}
            12  stamp/undo: finished {"ok":true}
            13  stamp~2: started post.stamp {"for":7}
            14  stamp~2: finished {"id":1}
            15  again~2: started post.look {}
            16  again~2: finished {"ok":true}
            17  send~2: started post.send {"text":"hello"}
            18  send~2: action failed, tool_rejected: as told
            19  send~2: returns to read, after it takes back stamp~2
            20  stamp~2/undo: started post.peel {"id":1}
            21  stamp~2/undo: finished {"ok":true}
            22  stamp~3: started post.stamp {"for":7}
            23  stamp~3: finished {"id":1}
            24  again~3: started post.look {}
            25  again~3: finished {"ok":true}
            26  send~3: started post.send {"text":"hello"}
            27  send~3: action failed, tool_rejected: as told
            28  send~3: continued with {"id":"none"}
            29  stage write done
            30  run completed {"sent":"none"}
        "#]],
    );
}

#[test]
fn a_stage_that_was_chosen_on_the_way_is_left_and_chosen_anew() {
    let steps = "              - step: route
                decide: [ { when: again.fast, then: fast } ]
                otherwise: next
              - { step: after, set: done }";
    let text = draft(steps, "").replace(
        "act: post.look, checkpoint: true }",
        "act: post.look, checkpoint: true }\n              - { step: again, act: post.look }",
    );
    let text = text.replace(
        "        --- tools",
        "          - stage: fast
            steps:
              - { step: mark, act: post.stamp, keep: true }
              - step: words
                each: [ a, b ]
                steps: [ { step: word, act: post.stamp, undo: { act: post.peel, with: { id: =word.id } } } ]
              - { step: hurry, act: post.send, with: { text: =mark.id }, keep: true }
            on_failure: { tool_rejected: [ { return_to: read } ] }
        --- tools",
    );
    let text = text.replace("each: [ a, b ]", "each: input.words");
    check(
        &text,
        r#"{"text": "hello", "words": ["a", "b"]}"#,
        r#"
        again: {"fast": true}
        again~2: {"fast": false}
        mark: {"id": 1}
        word: {"id": 3}
        hurry: !tool_rejected
        send: {"id": 5}
        "#,
        expect![[r#"
            1   run started: letter
            2   read: started post.look {}
            3   read: finished {"ok":true}
            4   again: started post.look {}
            5   again: finished {"fast":true}
            6   route: decided fast by rule 1
            7   mark: started post.stamp {}
            8   mark: finished {"id":1}
            9   words: over 2 items
            10  words[0]/word: started post.stamp {}
            11  words[1]/word: started post.stamp {}
            12  words[0]/word: finished {"id":3}
            13  words[1]/word: finished {"id":3}
            14  words[0]: gave {"id":3}
            15  words[1]: gave {"id":3}
            16  words: done [{"id":3},{"id":3}]
            17  hurry: started post.send {"text":1}
            18  hurry: action failed, tool_rejected: as told
            19  hurry: returns to read, after it takes back words[1]/word, words[0]/word; keeps mark
            20  words[1]/word/undo: started post.peel {"id":3}
            21  words[1]/word/undo: finished {"ok":true}
            22  words[0]/word/undo: started post.peel {"id":3}
            23  words[0]/word/undo: finished {"ok":true}
            24  again~2: started post.look {}
            25  again~2: finished {"fast":false}
            26  route~2: decided next by otherwise
            27  after: done "done"
            28  send: started post.send {"text":"hello"}
            29  send: finished {"id":5}
            30  stage write done
            31  run completed {"sent":5}
        "#]],
    );
}

/// What a run must prove at its end.
fn demands(facts: &str, steps: &str) -> String {
    draft(steps, "").replace("        stages:\n", &format!("        done_when: {facts}\n        stages:\n"))
}

#[test]
fn what_was_taken_back_is_not_performed() {
    // In the second visit the stamp is skipped: nothing that was performed stands.
    let steps = "              - { step: look, act: post.look }
              - { step: stamp, when: look.first, act: post.stamp, undo: { act: post.peel } }";
    let outside = r#"
        look: {"first": true}
        look~2: {"first": false}
        send: !tool_rejected
        send~2: {"id": 5}
    "#;
    let end = |facts: &str| {
        let mut drive = Drive::governed(&demands(facts, steps), "", TEXT, Outside::new(outside));
        drive.run();
        drive.outline().lines().last().map(|line| line.split_once(' ').map_or("", |(_, line)| line).trim().to_owned())
    };
    expect!["run failed, unsupported_claim: done_when 1 wants `post.stamp` performed: the journal proves 0"]
        .assert_eq(&end("[ { performed: post.stamp } ]").unwrap());
    expect!["run failed, unsupported_claim: done_when 1 wants `post.stamp` not performed: the journal holds 1"]
        .assert_eq(&end("[ { not_performed: post.stamp } ]").unwrap());
    expect![[r#"run completed {"sent":5}"#]]
        .assert_eq(&end("[ { performed: post.peel }, { performed: post.send } ]").unwrap());
}

#[test]
fn a_read_counts_only_if_it_is_not_after_the_checkpoint_returned_to() {
    let steps = "              - { step: once, when: \"not ran(read) or read.first\", act: post.look }
              - { step: stamp, act: post.stamp, keep: true }";
    // `read` is the checkpoint itself: what it read counts; `once` after it is read again in each visit.
    let outside = r#"
        read: {"first": true}
        send: !tool_rejected
        send~2: {"id": 5}
    "#;
    let end = |facts: &str| {
        let mut drive = Drive::governed(&demands(facts, steps), "", TEXT, Outside::new(outside));
        drive.run();
        drive.outline().lines().last().map(|line| line.split_once(' ').map_or("", |(_, line)| line).trim().to_owned())
    };
    expect![[r#"run completed {"sent":5}"#]].assert_eq(&end("[ { performed: post.look, at_least: 2 } ]").unwrap());
    expect![
        "run failed, unsupported_claim: done_when 1 wants `post.look` performed at least 3 times: the journal proves 2"
    ]
    .assert_eq(&end("[ { performed: post.look, at_least: 3 } ]").unwrap());
}

#[test]
fn what_was_verified_after_the_checkpoint_is_not_verified_any_more() {
    let steps = "              - { step: look, act: post.look }
              - { step: sure, when: look.first, verify: { holds: look.first } }";
    let outside = r#"
        look: {"first": true}
        look~2: {"first": false}
        send: !tool_rejected
        send~2: {"id": 5}
    "#;
    let mut drive = Drive::governed(&demands("[ { verified: sure } ]", steps), "", TEXT, Outside::new(outside));
    drive.run();
    expect![[r#"
        1   run started: letter
        2   read: started post.look {}
        3   read: finished {"ok":true}
        4   look: started post.look {}
        5   look: finished {"first":true}
        6   sure: verified look.first
        7   send: started post.send {"text":"hello"}
        8   send: action failed, tool_rejected: as told
        9   send: returns to read
        10  look~2: started post.look {}
        11  look~2: finished {"first":false}
        12  sure~2: skipped
        13  send~2: started post.send {"text":"hello"}
        14  send~2: finished {"id":5}
        15  stage write done
        16  run failed, unsupported_claim: done_when 1 wants `sure` verified: it is not
    "#]]
    .assert_eq(&drive.outline());
}

#[test]
fn a_crash_after_any_entry_returns_once_and_takes_each_act_back_once() {
    let outside = || Outside::new("read: {\"id\": 7}\nstamp: {\"id\": 1}\nlook: !tool_rejected\nlook~2: {\"id\": 5}");
    let text = draft(
        &STAMP.replace(
            "              - { step: again, act: post.look }",
            "              - { step: look, act: post.look }",
        ),
        "",
    );
    let mut whole = Drive::governed(&text, "", TEXT, outside());
    whole.run();
    let essence = |drive: &Drive| {
        let mut lines: Vec<String> =
            drive.events.iter().filter(|event| event.completes().is_some()).map(kernel::story::line).collect();
        lines.sort();
        lines
    };
    assert!(whole.outline().contains("stamp~2: finished"), "{}", whole.outline());
    for cut in 1..whole.entries.len() {
        let mut first = Drive::governed(&text, "", TEXT, outside());
        first.die_after = Some(cut);
        first.run();
        let mut second = first.resumed(&first.entries);
        second.run();
        assert_eq!(essence(&whole), essence(&second), "crashed after entry {cut}\n{}", second.outline());
        let mut calls: Vec<&str> =
            first.calls.iter().chain(&second.calls).filter_map(|call| call.split(' ').nth(1)).collect();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(
            calls,
            ["look", "look~2", "read", "send", "stamp", "stamp/undo", "stamp~2"],
            "crashed after entry {cut}"
        );
    }
}
