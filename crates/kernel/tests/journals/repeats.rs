//! `repeat`: turns, what the turn before gave, the end.

use expect_test::expect;

use crate::drive::{Drive, Outside, check, program};

const LOOP: &str = r#"
        --- workflows/loop.yaml
        workflow: loop
        result: { value: =count }
        stages:
          - stage: only
            steps:
              - step: count
                repeat:
                  until: now.n >= input.goal
                  max: 5
                  steps:
                    - step: now
                      set: { n: "=(count.n if count is not none else 0) + 1", turn: =index }
                    - step: keep
                      act: box.put
                      with: { n: =now.n }
                  gives: =now
        --- tools/box.yaml
        tool: box
        native: true
        operations: { put: { effect: idempotent } }
"#;

#[test]
fn turns_follow_until_the_condition_holds() {
    check(
        LOOP,
        r#"{"goal": 3}"#,
        "",
        expect![[r#"
        1   run started: loop
        2   count: repeats
        3   count[0]/now: done {"n":1,"turn":0}
        4   count[0]/keep: started box.put {"n":1}
        5   count[0]/keep: finished {"ok":true}
        6   count[0]: gave {"n":1,"turn":0}
        7   count[1]/now: done {"n":2,"turn":1}
        8   count[1]/keep: started box.put {"n":2}
        9   count[1]/keep: finished {"ok":true}
        10  count[1]: gave {"n":2,"turn":1}
        11  count[2]/now: done {"n":3,"turn":2}
        12  count[2]/keep: started box.put {"n":3}
        13  count[2]/keep: finished {"ok":true}
        14  count[2]: gave {"n":3,"turn":2}, the last turn
        15  count: done {"n":3,"turn":2}
        16  stage only done
        17  run completed {"n":3,"turn":2}
    "#]],
    );
}

#[test]
fn a_loop_that_never_ends_is_no_progress() {
    check(
        LOOP,
        r#"{"goal": 99}"#,
        "",
        expect![[r#"
        1   run started: loop
        2   count: repeats
        3   count[0]/now: done {"n":1,"turn":0}
        4   count[0]/keep: started box.put {"n":1}
        5   count[0]/keep: finished {"ok":true}
        6   count[0]: gave {"n":1,"turn":0}
        7   count[1]/now: done {"n":2,"turn":1}
        8   count[1]/keep: started box.put {"n":2}
        9   count[1]/keep: finished {"ok":true}
        10  count[1]: gave {"n":2,"turn":1}
        11  count[2]/now: done {"n":3,"turn":2}
        12  count[2]/keep: started box.put {"n":3}
        13  count[2]/keep: finished {"ok":true}
        14  count[2]: gave {"n":3,"turn":2}
        15  count[3]/now: done {"n":4,"turn":3}
        16  count[3]/keep: started box.put {"n":4}
        17  count[3]/keep: finished {"ok":true}
        18  count[3]: gave {"n":4,"turn":3}
        19  count[4]/now: done {"n":5,"turn":4}
        20  count[4]/keep: started box.put {"n":5}
        21  count[4]/keep: finished {"ok":true}
        22  count[4]: gave {"n":5,"turn":4}
        23  count: failed, no_progress: 5 turns did not make its `until` true
        24  count: no recovery left
        25  run failed, no_progress: 5 turns did not make its `until` true
    "#]],
    );
}

#[test]
fn without_a_condition_all_turns_run() {
    check(
        r#"
        --- workflows/loop.yaml
        workflow: loop
        result: { value: =all }
        stages:
          - stage: only
            steps: [ { step: all, repeat: { max: 3, steps: [ { step: one, set: =index } ] } } ]
        "#,
        "{}",
        "",
        expect![[r#"
            1   run started: loop
            2   all: repeats
            3   all[0]/one: done 0
            4   all[0]: gave 0
            5   all[1]/one: done 1
            6   all[1]: gave 1
            7   all[2]/one: done 2
            8   all[2]: gave 2, the last turn
            9   all: done 2
            10  stage only done
            11  run completed 2
        "#]],
    );
}

#[test]
fn a_crash_inside_a_turn_goes_on_in_that_turn() {
    let program = program(LOOP);
    let mut whole = Drive::new(program.clone(), r#"{"goal": 3}"#, Outside::default());
    whole.run();
    for cut in 1..whole.entries.len() {
        let mut cut_off = Drive::new(program.clone(), r#"{"goal": 3}"#, Outside::default());
        cut_off.die_after = Some(cut);
        cut_off.run();
        let mut resumed = cut_off.resumed(&cut_off.entries);
        resumed.run();
        let ends = |drive: &Drive| drive.state.end.as_ref().map(|end| (end.end, end.result.clone()));
        assert_eq!(ends(&whole), ends(&resumed), "crashed after entry {cut}\n{}", resumed.outline());
    }
}
