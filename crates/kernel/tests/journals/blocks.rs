//! `each` and `parallel`: bodies, joins, what failures do.

use expect_test::expect;

use crate::drive::check;

fn each(join: &str) -> String {
    format!(
        r#"
        --- workflows/all.yaml
        workflow: all
        result: {{ value: =all }}
        stages:
          - stage: only
            steps:
              - step: all
                each: input.items
                as: word
                max_parallel: 2
                {join}
                steps:
                  - step: put
                    act: box.put
                    with: {{ text: =word }}
                  - step: note
                    set: {{ at: =index, id: =put.id }}
                gives: =note.id
        --- tools/box.yaml
        tool: box
        native: true
        operations: {{ put: {{ effect: idempotent }} }}
"#
    )
}

#[test]
fn items_run_a_few_at_a_time_and_join_in_item_order() {
    check(
        &each(""),
        r#"{"items": ["a", "b", "c"]}"#,
        "all[0]/put: {\"id\": 1}\nall[1]/put: {\"id\": 2}\nall[2]/put: {\"id\": 3}",
        expect![[r#"
            1   run started: all
            2   all: over 3 items
            3   all[0]/put: started box.put {"text":"a"}
            4   all[1]/put: started box.put {"text":"b"}
            5   all[0]/put: finished {"id":1}
            6   all[1]/put: finished {"id":2}
            7   all[0]/note: done {"at":0,"id":1}
            8   all[1]/note: done {"at":1,"id":2}
            9   all[0]: gave 1
            10  all[1]: gave 2
            11  all[2]/put: started box.put {"text":"c"}
            12  all[2]/put: finished {"id":3}
            13  all[2]/note: done {"at":2,"id":3}
            14  all[2]: gave 3
            15  all: done [1,2,3]
            16  stage only done
            17  run completed [1,2,3]
        "#]],
    );
}

#[test]
fn no_items_give_an_empty_list() {
    check(
        &each(""),
        r#"{"items": []}"#,
        "",
        expect![[r#"
            1   run started: all
            2   all: over 0 items
            3   all: done []
            4   stage only done
            5   run completed []
        "#]],
    );
}

#[test]
fn one_failure_fails_all_of_it() {
    check(
        &each(""),
        r#"{"items": ["a", "b", "c"]}"#,
        "all[0]/put: !tool_rejected\nput: {\"id\": 2}",
        expect![[r#"
            1   run started: all
            2   all: over 3 items
            3   all[0]/put: started box.put {"text":"a"}
            4   all[1]/put: started box.put {"text":"b"}
            5   all[0]/put: action failed, tool_rejected: as told
            6   all[1]/put: finished {"id":2}
            7   all[0]/put: no recovery left
            8   all[1]/note: done {"at":1,"id":2}
            9   all[0]: failed, tool_rejected: as told
            10  all[1]: gave 2
            11  all: failed, tool_rejected: as told
            12  all: no recovery left
            13  run failed, tool_rejected: as told
        "#]],
    );
}

#[test]
fn settled_failures_are_values() {
    check(
        &each("join: settle"),
        r#"{"items": ["a", "b"]}"#,
        "all[0]/put: !tool_rejected\nput: {\"id\": 2}",
        expect![[r#"
            1   run started: all
            2   all: over 2 items
            3   all[0]/put: started box.put {"text":"a"}
            4   all[1]/put: started box.put {"text":"b"}
            5   all[0]/put: action failed, tool_rejected: as told
            6   all[1]/put: finished {"id":2}
            7   all[0]/put: no recovery left
            8   all[1]/note: done {"at":1,"id":2}
            9   all[0]: failed, tool_rejected: as told
            10  all[1]: gave 2
            11  all: done [{"failure":{"detail":"as told","kind":"tool_rejected"},"ok":false,"valu…
            12  stage only done
            13  run completed [{"failure":{"detail":"as told","kind":"tool_rejected"},"ok":false,"valu…
        "#]],
    );
}

#[test]
fn any_is_over_with_the_first() {
    check(
        &each("join: any"),
        r#"{"items": ["a", "b", "c"]}"#,
        "all[0]/put: !tool_rejected\nput: {\"id\": 2}",
        expect![[r#"
            1   run started: all
            2   all: over 3 items
            3   all[0]/put: started box.put {"text":"a"}
            4   all[1]/put: started box.put {"text":"b"}
            5   all[0]/put: action failed, tool_rejected: as told
            6   all[1]/put: finished {"id":2}
            7   all[0]/put: no recovery left
            8   all[1]/note: done {"at":1,"id":2}
            9   all[0]: failed, tool_rejected: as told
            10  all[1]: gave 2
            11  all: done [null,2,null]
            12  stage only done
            13  run completed [null,2,null]
        "#]],
    );
}

#[test]
fn a_quorum_that_cannot_be_reached_fails() {
    check(
        &each("join: { quorum: 3 }"),
        r#"{"items": ["a", "b", "c"]}"#,
        "all[0]/put: !tool_rejected\nput: {\"id\": 2}",
        expect![[r#"
            1   run started: all
            2   all: over 3 items
            3   all[0]/put: started box.put {"text":"a"}
            4   all[1]/put: started box.put {"text":"b"}
            5   all[0]/put: action failed, tool_rejected: as told
            6   all[1]/put: finished {"id":2}
            7   all[0]/put: no recovery left
            8   all[1]/note: done {"at":1,"id":2}
            9   all[0]: failed, tool_rejected: as told
            10  all[1]: gave 2
            11  all: failed, tool_rejected: as told
            12  all: no recovery left
            13  run failed, tool_rejected: as told
        "#]],
    );
}

#[test]
fn branches_run_together_and_one_that_did_not_run_is_none() {
    check(
        r#"
        --- workflows/both.yaml
        workflow: both
        result: { value: =both }
        stages:
          - stage: only
            steps:
              - step: both
                parallel:
                  branches:
                    left: { steps: [ { step: l, set: { x: 1 } }, { step: l2, set: { x: "=l.x + 1" } } ], gives: =l2.x }
                    middle: { when: input.wide, steps: [ { step: m, set: { x: 9 } } ] }
                    right: { steps: [ { step: r, set: { x: 2 } } ] }
        "#,
        r#"{"wide": false}"#,
        "",
        expect![[r#"
            1   run started: both
            2   both: branches left, right
            3   both.left/l: done {"x":1}
            4   both.right/r: done {"x":2}
            5   both.left/l2: done {"x":2}
            6   both.right: gave {"x":2}
            7   both.left: gave 2
            8   both: done {"left":2,"middle":null,"right":{"x":2}}
            9   stage only done
            10  run completed {"left":2,"middle":null,"right":{"x":2}}
        "#]],
    );
}

#[test]
fn a_long_list_is_kept_as_a_blob_and_looked_up() {
    let words: Vec<String> = (0..600).map(|n| format!("\"{n:0>40}\"")).collect();
    check(
        r#"
        --- workflows/long.yaml
        workflow: long
        result: { value: { count: "=all | length", last: "=all | last" } }
        stages:
          - stage: only
            steps:
              - step: pair
                set: [ =input.items, =input.items ]
              - step: all
                each: pair
                as: some
                steps: [ { step: count, set: "=some | length" } ]
        "#,
        &format!("{{\"items\": [{}]}}", words.join(",")),
        "",
        expect![[r#"
            1   run started: long
            2   pair: done <51605 bytes, fb35ca3c377d>
            3   all: over 2 items
            4   all[0]/count: done 600
            5   all[1]/count: done 600
            6   all[0]: gave 600
            7   all[1]: gave 600
            8   all: done [600,600]
            9   stage only done
            10  run completed {"count":2,"last":600}
        "#]],
    );
}

#[test]
fn a_block_that_is_tried_again_is_a_new_visit() {
    let project = each("on_failure: { tool_rejected: [ { retry: 1 } ] }");
    check(
        &project,
        r#"{"items": ["a", "b"]}"#,
        "all[0]/put: !tool_rejected\nput: {\"id\": 2}",
        expect![[r#"
            1   run started: all
            2   all: over 2 items
            3   all[0]/put: started box.put {"text":"a"}
            4   all[1]/put: started box.put {"text":"b"}
            5   all[0]/put: action failed, tool_rejected: as told
            6   all[1]/put: finished {"id":2}
            7   all[0]/put: no recovery left
            8   all[1]/note: done {"at":1,"id":2}
            9   all[0]: failed, tool_rejected: as told
            10  all[1]: gave 2
            11  all: failed, tool_rejected: as told
            12  all: tried again at 2026-11-20T00:00:00.122Z
            13  all~2: over 2 items
            14  all~2[0]/put: started box.put {"text":"a"}
            15  all~2[1]/put: started box.put {"text":"b"}
            16  all~2[0]/put: finished {"id":2}
            17  all~2[1]/put: finished {"id":2}
            18  all~2[0]/note: done {"at":0,"id":2}
            19  all~2[1]/note: done {"at":1,"id":2}
            20  all~2[0]: gave 2
            21  all~2[1]: gave 2
            22  all~2: done [2,2]
            23  stage only done
            24  run completed [2,2]
        "#]],
    );
}
