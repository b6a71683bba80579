//! `set`, `decide`, `native`, skipped steps, results.

use expect_test::expect;

use crate::drive::check;

#[test]
fn values_travel_by_name() {
    check(
        r#"
        --- workflows/sum.yaml
        workflow: sum
        result: { value: { total: =sum.total, text: "{{ sum.total }} in all" } }
        stages:
          - stage: only
            steps:
              - step: sum
                set: { total: =input.a + input.b }
        "#,
        r#"{"a": 2, "b": 3}"#,
        "",
        expect![[r#"
            1   run started: sum
            2   sum: done {"total":5}
            3   stage only done
            4   run completed {"text":"5 in all","total":5}
        "#]],
    );
}

#[test]
fn a_skipped_step_is_none_and_ran_says_so() {
    check(
        r#"
        --- workflows/skip.yaml
        workflow: skip
        result: { value: { value: "=extra if ran(extra) else 'nothing'", ran: =ran(extra) } }
        stages:
          - stage: only
            steps:
              - step: extra
                when: input.wanted
                set: { x: 1 }
        --- schemas/in.yaml
        type: object
        "#,
        r#"{"wanted": false}"#,
        "",
        expect![[r#"
            1   run started: skip
            2   extra: skipped
            3   stage only done
            4   run completed {"ran":false,"value":"nothing"}
        "#]],
    );
}

#[test]
fn a_decision_runs_the_stages_it_chose_inside_itself() {
    check(
        r#"
        --- workflows/route.yaml
        workflow: route
        result: { value: { small: =ran(little), large: =ran(much), after: =after.sum } }
        stages:
          - stage: look
            steps:
              - step: route
                decide:
                  - { when: input.amount > 1000, then: [ large, report ] }
                  - { when: input.amount > 100, then: large }
                otherwise: small
              - step: after
                set: { sum: "=input.amount + 1" }
          - stage: large
            steps: [ { step: much, set: { x: 1 } } ]
          - stage: small
            steps: [ { step: little, set: { x: 2 } } ]
          - stage: report
            steps: [ { step: said, set: { x: 3 } } ]
          - stage: end
            steps: [ { step: last, set: { x: 4 } } ]
        "#,
        r#"{"amount": 5000}"#,
        "",
        expect![[r#"
            1   run started: route
            2   route: decided large, report by rule 1
            3   much: done {"x":1}
            4   stage large done
            5   said: done {"x":3}
            6   stage report done
            7   after: done {"sum":5001}
            8   stage look done
            9   last: done {"x":4}
            10  stage end done
            11  run completed {"after":5001,"large":true,"small":false}
        "#]],
    );
}

#[test]
fn a_native_function_gives_a_value() {
    check(
        r#"
        --- workflows/native.yaml
        workflow: native
        result: { value: =score.native.x }
        stages:
          - stage: only
            steps: [ { step: score, native: score@1, with: { x: =input.x } } ]
        "#,
        r#"{"x": 7}"#,
        "",
        expect![[r#"
            1   run started: native
            2   score: done {"native":{"x":7}}
            3   stage only done
            4   run completed 7
        "#]],
    );
}

#[test]
fn an_expression_that_fails_fails_the_run_with_its_text() {
    check(
        r#"
        --- workflows/bad.yaml
        workflow: bad
        stages:
          - stage: only
            steps: [ { step: sum, set: { total: =input.a + input.b } } ]
        "#,
        r#"{"a": 1, "b": "two"}"#,
        "",
        expect![[r#"
            1   run started: bad
            2   sum: failed, internal: `input.a + input.b`: `+` cannot join a number and a text
            3   sum: no recovery left
            4   run failed, internal: `input.a + input.b`: `+` cannot join a number and a text
        "#]],
    );
}

#[test]
fn a_result_that_does_not_fit_its_schema_fails_the_run() {
    check(
        r#"
        --- workflows/bad.yaml
        workflow: bad
        result: { schema: schemas/out.yaml, value: =input.x }
        stages:
          - stage: only
            steps: [ { step: a, set: 1 } ]
        --- schemas/out.yaml
        type: integer
        "#,
        r#"{"x": "seven"}"#,
        "",
        expect![[r#"
            1   run started: bad
            2   a: done 1
            3   stage only done
            4   run failed, contract_violated: the result does not fit its schema: the value: "seven" is not a whole number
        "#]],
    );
}

#[test]
fn a_failed_step_goes_on_with_a_declared_value() {
    check(
        r#"
        --- workflows/go_on.yaml
        workflow: go_on
        result: { value: =sum.total }
        stages:
          - stage: only
            steps:
              - step: sum
                set: { total: =input.a + input.b }
                on_failure: { internal: [ { continue_with: { total: 0 } } ] }
        "#,
        r#"{"a": 1, "b": "two"}"#,
        "",
        expect![[r#"
            1   run started: go_on
            2   sum: failed, internal: `input.a + input.b`: `+` cannot join a number and a text
            3   sum: continued with {"total":0}
            4   stage only done
            5   run completed 0
        "#]],
    );
}

#[test]
fn an_endless_expression_fails_its_step_and_harms_nobody() {
    check(
        r#"
        --- workflows/endless.yaml
        workflow: endless
        stages:
          - stage: only
            steps: [ { step: a, set: "=range(1000000000) | list" } ]
        "#,
        "{}",
        "",
        expect![[r#"
            1   run started: endless
            2   a: failed, internal: `range` gives 1000000000 numbers, and at most 10000 are allowed
            3   a: no recovery left
            4   run failed, internal: `range` gives 1000000000 numbers, and at most 10000 are allowed
        "#]],
    );
}
