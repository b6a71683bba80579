//! A run that goes on from where another was, and one that tries again what failed.

use expect_test::expect;
use kernel::{
    fork::{NotForked, point, retry_point},
    journal::{Effects, Event},
    run::RunState,
};

use crate::drive::{Drive, Outside, program};

const DESK: &str = r#"
        --- workflows/desk.yaml
        workflow: desk
        input: schemas/input.yaml
        stages:
          - stage: only
            steps:
              - step: first
                act: box.put
                with: { text: =input.text }
                undo: { act: box.drop, with: { id: =first.id } }
              - step: look
                act: box.get
              - step: second
                act: box.send
                with: { text: =input.text }
        --- schemas/input.yaml
        type: object
        required: [ text ]
        properties: { text: { type: string, x-labels: [ trusted ] } }
        --- tools/box.yaml
        tool: box
        native: true
        operations:
          put: { effect: idempotent }
          get: { effect: read }
          send: { effect: at_most_once, params: schemas/input.yaml }
          drop: { effect: idempotent }
        --- people.yaml
        groups: { desk: {}, managers: {} }
        people:
          tom: { name: Tom, groups: [ desk ] }
          ann: { name: Ann, groups: [ managers ] }
        --- policies/allow/box.cedar
        @id("box.all")
        permit (principal, action, resource);
        --- policies/ask/box.cedar
        @id("box.large") @approve_by("desk")
        forbid (principal, action == Action::"box.send", resource) when { context.input.text == "large" };
"#;
const OUTSIDE: &str = "first: {\"id\": 7}\nlook: {\"n\": 1}\nsecond: {\"sent\": true}";

fn desk(text: &str, input: &str, outside: &str) -> Drive {
    Drive::governed(text, "sam", &format!(r#"{{"text": "{input}"}}"#), Outside::new(outside))
}

fn done() -> Drive {
    let mut drive = desk(DESK, "small", OUTSIDE);
    drive.run();
    drive
}

/// The journal without the ids that hashes give.
fn printed(drive: &Drive) -> String {
    let mut out = String::new();
    for line in drive.outline().lines() {
        let end = line.find(" (apr_").unwrap_or(line.len());
        out.push_str(&line[..end]);
        out.push('\n');
    }
    out
}

#[test]
fn a_fork_inherits_what_was_done_and_asks_before_what_it_does_itself() {
    let source = done();
    let mut fork = source.forked(5, Effects::Ask);
    fork.outside = Outside::new(&format!("{OUTSIDE}\n> vote tom approve"));
    fork.run();
    expect![[r#"
        1   run started: desk
        2   first: started box.put {"text":"small"}
        3   first: finished {"id":7}
        4   look: started box.get {}
        5   look: finished {"n":1}
        6   second: asks desk by forked to approve box.send {"text":"small"}
        7   second: tom approved
        8   second: started box.send {"text":"small"}
        9   second: finished {"sent":true}
        10  stage only done
        11  run completed null
    "#]]
    .assert_eq(&printed(&fork));
    let Some(Event::RunStarted { by, fork: Some(said), .. }) = fork.events.first() else { panic!("a fork says so") };
    assert_eq!((by.as_deref(), &*said.starters), (Some("zoe"), &["sam".into()][..]));
    assert_eq!((said.entry(), said.of().map(|of| of.hash)), (5, Some(source.entries[4].hash)));
    // Only what it did itself left, under a key of its own.
    assert_eq!(fork.calls.len(), 1, "{:?}", fork.calls);
    let key = |drive: &Drive| drive.audited().acts.last().and_then(|act| act.key.clone());
    assert_ne!(key(&fork), key(&source));
}

#[test]
fn what_was_inherited_stays_the_act_of_the_run_that_did_it() {
    let source = done();
    let mut fork = source.forked(5, Effects::Live);
    fork.run();
    let (before, acts) = (source.audited().acts, fork.audited().acts);
    let ids: Vec<_> = acts.iter().map(|act| (&*act.id, act.inherited)).collect();
    let own = format!("{}/6", fork.state.run);
    assert_eq!(ids, [(&*before[0].id, true), (&*before[1].id, true), (&*own, false)]);
    assert_eq!(acts[0].key, before[0].key);
    // A fork of the fork, at an earlier entry: still the act of the first.
    let again = fork.forked(3, Effects::Live);
    assert_eq!(again.audited().acts[0].id, before[0].id);
}

#[test]
fn nothing_that_a_fork_inherited_is_taken_back_by_it() {
    let source = done();
    let mut fork = source.forked(3, Effects::Live);
    fork.outside = Outside::new(&format!("{OUTSIDE}\nsecond#1: !tool_rejected answered"));
    fork.push(
        kernel::next::receive(1, "cancel", "", kernel::values::Value::map([("undo", true.into())]), "ann").unwrap(),
    );
    fork.run();
    expect![[r#"
        1   run started: desk
        2   first: started box.put {"text":"small"}
        3   first: finished {"id":7}
        4   cancel and undo asked by ann
        5   nothing to take back; what stays: first
        6   run cancelled
    "#]]
    .assert_eq(&printed(&fork));
}

#[test]
fn a_fork_without_effects_pauses_before_the_first() {
    let mut fork = done().forked(1, Effects::Block);
    fork.run();
    expect![[r#"
        1   run started: desk
    "#]]
    .assert_eq(&printed(&fork));
    expect!["nothing: it was forked without effects, and `first` would do `box.put`"].assert_eq(&fork.slept.join("\n"));
    assert!(fork.calls.is_empty());
}

#[test]
fn a_live_fork_is_judged_as_any_run() {
    let mut source = desk(DESK, "large", &format!("{OUTSIDE}\n> vote tom approve"));
    source.run();
    let at = point(source.state.run, &source.entries, 6).unwrap();
    let mut fork = source.forked(at.entry, Effects::Live);
    fork.outside = Outside::new(OUTSIDE);
    fork.run();
    // What was approved and done before the point stays so: the audit takes the votes of the source.
    let last = point(source.state.run, &source.entries, source.entries.len() as u64).unwrap();
    let mut after = source.forked(last.entry, Effects::Ask);
    after.run();
    assert!(after.state.end.is_some() && after.calls.is_empty(), "{}", after.outline());
    // What people had approved in the source is asked anew.
    expect![[r#"
        1   run started: desk
        2   first: started box.put {"text":"large"}
        3   first: finished {"id":7}
        4   look: started box.get {}
        5   look: finished {"n":1}
        6   second: asks desk by box.large to approve box.send {"text":"large"}
    "#]]
    .assert_eq(&printed(&fork));
}

#[test]
fn a_fork_may_never_do_more_than_its_policies_allow() {
    let (start, end) =
        (DESK.find("        --- people.yaml").unwrap(), DESK.find("        --- policies/allow").unwrap());
    let rules = &DESK[..DESK.find("        --- policies/ask").unwrap()];
    let never = r#"
        --- policies/never/box.cedar
        @id("box.no")
        forbid (principal, action == Action::"box.send", resource);
"#;
    let mut fork = done().forked(5, Effects::Ask);
    crate::drive::enact(&mut fork.charter, &format!("{}{never}", rules.trim_end()));
    fork.run();
    expect![[r#"
        1   run started: desk
        2   first: started box.put {"text":"small"}
        3   first: finished {"id":7}
        4   look: started box.get {}
        5   look: finished {"n":1}
        6   second: box.send denied by box.no: `box.no` denies `box.send`
        7   second: no recovery left
        8   run failed, permission_denied: `box.no` denies `box.send`
    "#]]
    .assert_eq(&printed(&fork));
    // Nobody could be asked: that is no leave to act.
    let mut fork = done().forked(5, Effects::Ask);
    crate::drive::enact(&mut fork.charter, &format!("{}{}", &DESK[..start], &rules[end..]));
    fork.run();
    expect![[r#"
        1   run started: desk
        2   first: started box.put {"text":"small"}
        3   first: finished {"id":7}
        4   look: started box.get {}
        5   look: finished {"n":1}
        6   second: box.send denied by forked: the effects of a fork are put before people, and the project has no group of them: name one in people.yaml
        7   second: no recovery left
        8   run failed, permission_denied: the effects of a fork are put before people, and the project has no group of them: name one in people.yaml
    "#]].assert_eq(&printed(&fork));
}

#[test]
fn a_fork_begins_where_nothing_is_in_progress() {
    let source = done();
    let told: Vec<String> = (1..=source.entries.len() as u64)
        .map(|at| point(source.state.run, &source.entries, at).unwrap().to_string())
        .collect();
    expect![[r#"
        entry 1
        entry 1, because at entry 2 `first` acts
        entry 3
        entry 3, because at entry 4 `look` acts
        entry 5
        entry 5, because at entry 6 `second` acts
        entry 7
        entry 8
        entry 8, because at entry 9 the run has ended or is about to"#]]
    .assert_eq(&told.join("\n"));
    let none = point(source.state.run, &source.entries, 40).unwrap_err();
    assert!(matches!(none, NotForked::NoEntry { asked: 40, .. }), "{none}");
}

#[test]
fn a_run_forked_anywhere_and_crashed_anywhere_ends_the_same() {
    let source = done();
    let mut ends = Vec::new();
    for at in 1..=source.entries.len() as u64 {
        let at = point(source.state.run, &source.entries, at).unwrap().entry;
        let mut whole = source.forked(at, Effects::Live);
        whole.run();
        ends.push(printed(&whole).lines().skip(1).collect::<Vec<_>>().join("\n"));
        for cut in at as usize..whole.entries.len() {
            let mut died = source.forked(at, Effects::Live);
            died.die_after = Some(cut);
            died.run();
            let mut resumed = died.resumed(&died.entries);
            resumed.run();
            let lost = resumed.events.iter().any(|event| matches!(event, Event::OutcomeUnknown { .. }));
            assert!(resumed.state.end.is_some() || lost, "forked at {at}, died after {cut}\n{}", resumed.outline());
            let mut folded = RunState::new(resumed.state.run);
            folded.fold(&resumed.entries).expect("the journal folds");
            assert_eq!(folded, resumed.state);
        }
    }
    ends.dedup();
    assert_eq!(ends.len(), 1, "{ends:#?}");
}

#[test]
fn a_fork_of_nothing_and_a_fork_that_works_for_another_run_are_refused() {
    let source = done();
    let fork = source.forked(3, Effects::Ask);
    let Some(Event::RunStarted { fork: Some(said), .. }) = fork.events.first() else { panic!("a fork says so") };
    let refused = |change: &dyn Fn(&mut Event)| {
        let mut event = fork.events[0].clone();
        change(&mut event);
        let head = kernel::journal::Head::START;
        let entry = kernel::journal::Entry::seal(fork.state.run, head, 0, fork.now, [0; 16], &event);
        RunState::new(fork.state.run).fold([&entry]).is_err()
    };
    assert!(!refused(&|_| {}));
    assert!(refused(&|event| {
        let Event::RunStarted { fork: Some(fork), .. } = event else { return };
        fork.from.clear();
    }));
    assert!(refused(&|event| {
        let Event::RunStarted { parent, .. } = event else { return };
        *parent = Some(Box::new(kernel::journal::Parent {
            run: source.state.run,
            step: "hand".into(),
            above: Vec::new(),
            scope: kernel::journal::Scope::default(),
            envelope: kernel::journal::Held::Value(kernel::values::Value::Null),
            effects: None,
            starters: Vec::new(),
        }));
    }));
    assert_eq!(said.effects, Effects::Ask);
}

#[test]
fn a_fork_without_effects_goes_on_with_what_has_none() {
    use kernel::governance::charter::Change;

    let text = r#"
        --- workflows/both.yaml
        workflow: both
        stages:
          - stage: only
            steps:
              - step: all
                parallel:
                  branches:
                    write: { steps: [ { step: put, act: box.put } ] }
                    read: { steps: [ { step: get, act: box.get } ] }
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: idempotent }, get: { effect: read } }
"#;
    let mut source = Drive::new(program(text), "null", Outside::new(""));
    source.run();
    let mut fork = source.forked(1, Effects::Block);
    let hold = Change::Hold { scope: "tool:box.get".into(), reason: "it is slow".into() };
    fork.charter.apply(fork.charter.generation + 1, &hold, (&"ann".into(), fork.now), None).unwrap();
    fork.run();
    // Whoever lifts the hold finds it by these words.
    expect!["the release of tool:box.get, held by ann: it is slow and 1 more"].assert_eq(&fork.slept.join("\n"));
    assert!(fork.calls.is_empty());
    let release = Change::Release { scope: "tool:box.get".into(), reason: "".into() };
    fork.charter.apply(fork.charter.generation + 1, &release, (&"ann".into(), fork.now), None).unwrap();
    fork.run();
    expect!["nothing: it was forked without effects, and `all.write/put` would do `box.put`"]
        .assert_eq(fork.slept.last().unwrap());
    assert_eq!(fork.calls.len(), 1, "{:?}", fork.calls);
}

#[test]
fn a_fork_without_effects_ends_at_its_deadline() {
    let text = DESK.replace(
        "        workflow: desk\n        input",
        "        workflow: desk\n        deadline: 2d\n        input",
    );
    let mut source = desk(&text, "small", OUTSIDE);
    source.run();
    let mut fork = source.forked(1, Effects::Block);
    fork.run();
    assert!(fork.slept.len() == 1 && fork.slept[0].starts_with("nothing: it was forked"), "{:?}", fork.slept);
    expect![[r#"
        1   run started: desk
        2   run failed, deadline_exceeded: the deadline of 2d of the run passed at 2026-11-22T00:00:00.000Z
    "#]]
    .assert_eq(&printed(&fork));
}

#[test]
fn a_fork_looks_for_what_is_kept_itself_and_is_forked_like_any_run() {
    let text = r#"
        --- workflows/kept.yaml
        workflow: kept
        stages:
          - stage: only
            steps:
              - { step: look, act: box.get, cache: { key: input.id, ttl: 1h } }
              - { step: after, act: box.get }
        --- tools/box.yaml
        tool: box
        native: true
        operations: { get: { effect: read } }
"#;
    let mut source = Drive::new(program(text), r#"{"id": "a"}"#, Outside::new(""));
    source.run();
    assert!(matches!(source.events[1], Event::CacheMissed { .. }), "{}", source.outline());
    let mut fork = source.forked(2, Effects::Ask);
    fork.run();
    assert!(matches!(fork.events[2], Event::CacheMissed { .. }), "{}", fork.outline());
    let last = fork.entries.len() as u64;
    for at in 1..=last {
        let at = point(fork.state.run, &fork.entries, at).unwrap().entry;
        let mut again = fork.forked(at, Effects::Ask);
        again.run();
        assert_eq!(again.state.end, fork.state.end, "forked at {at}\n{}", again.outline());
        // And one of the first at an early entry, of which another is forked late.
        let mut early = fork.forked(2, Effects::Ask);
        early.run();
        let late = early.forked(at, Effects::Ask);
        let whose = |entry| if entry <= 2 { source.state.run } else { early.state.run };
        for entry in 2..=at {
            assert_eq!(late.state.owner(entry), whose(entry), "entry {entry} of {at}");
        }
    }
}

const FAILS: &str = r#"
        --- workflows/fails.yaml
        workflow: fails
        stages:
          - stage: only
            steps:
              - step: list
                set: [ 1, 2, 3 ]
              - step: all
                each: list
                as: one
                max_parallel: 1
                steps:
                  - step: ask
                    act: box.get
                    with: { n: =one }
              - step: last
                act: box.put
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: idempotent }, get: { effect: read } }
"#;

fn failed(outside: &str) -> Drive {
    let mut drive = Drive::new(program(FAILS), "null", Outside::new(outside));
    drive.run();
    drive
}

#[test]
fn a_failed_run_is_tried_again_from_before_the_step_that_failed() {
    let source = failed("all[1]/ask: !tool_rejected answered");
    let at = retry_point(source.state.run, &source.entries).unwrap();
    expect![[r#"
        1   run started: fails
        2   list: done [1,2,3]
        3   all: over 3 items
        4   all[0]/ask: started box.get {"n":1}
        5   all[0]/ask: finished {"ok":true}
        6   all[0]: gave {"ok":true}
        7   all[1]/ask: started box.get {"n":2}
        8   all[1]/ask: action failed, tool_rejected: as told
        9   all[1]/ask: no recovery left
        10  all[1]: failed, tool_rejected: as told
        11  all: failed, tool_rejected: as told
        12  all: no recovery left
        13  run failed, tool_rejected: as told

        entry 6
    "#]]
    .assert_eq(&format!("{}\n{at}\n", printed(&source)));
    let mut again = source.forked(at.entry, Effects::Live);
    again.outside = Outside::new("");
    again.run();
    assert_eq!(again.calls.len(), 3, "what had succeeded is not done again: {:?}", again.calls);
    assert_eq!(again.state.end.as_ref().map(|end| end.end), Some(kernel::journal::End::Completed));
    let none = retry_point(again.state.run, &again.entries).unwrap_err();
    assert!(matches!(none, NotForked::NotFailed { .. }), "{none}");
}

#[test]
fn what_was_in_time_for_its_source_has_its_time_again() {
    let timed = FAILS.replace("                as: one\n", "                as: one\n                deadline: 1h\n");
    let mut source = Drive::new(program(&timed), "null", Outside::new("all[1]/ask: !tool_rejected answered"));
    source.run();
    let at = retry_point(source.state.run, &source.entries).unwrap();
    let asked = point(source.state.run, &source.entries, 6).unwrap();
    expect!["entry 2, because at entry 6 the time of `all` is running"].assert_eq(&asked.to_string());
    assert_eq!(at.entry, 2, "{}", source.outline());
    let mut again = source.forked(at.entry, Effects::Live);
    again.outside = Outside::new("");
    again.now = kernel::values::Timestamp::parse("2026-12-20").unwrap();
    again.run();
    assert_eq!(again.state.end.as_ref().map(|end| end.end), Some(kernel::journal::End::Completed));
}

#[test]
fn a_run_is_not_tried_again_over_what_was_done_outside() {
    let run = |text: &str, outside: &str| {
        let mut drive = Drive::new(program(text), "null", Outside::new(outside));
        drive.run();
        retry_point(drive.state.run, &drive.entries).map_err(|why| why.to_string())
    };
    let puts = FAILS.replace("act: box.get", "act: box.put");
    // The first two were put before the one that failed.
    let point = run(&puts, "all[2]/ask: !tool_rejected answered").unwrap();
    assert_eq!((point.entry, point.moved), (9, None));
    // All three at once: a new run would begin before all of them.
    let at_once = puts.replace("max_parallel: 1", "max_parallel: 3");
    let why = run(&at_once, "all[2]/ask: !tool_rejected answered").unwrap_err();
    expect![" tried again from entry 3: `box.put` of `all[0]/ask` was performed after it, in entry 4"]
        .assert_eq(why.split_once(" is not").unwrap().1);
}
