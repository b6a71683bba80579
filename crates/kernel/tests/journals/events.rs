//! Events: what `emit` leaves in the journal, and what ends a `wait` for any of several things.

use expect_test::expect;

use crate::drive::check;

#[test]
fn an_event_is_published_by_the_entry_that_says_so() {
    check(
        r#"
        --- workflows/w.yaml
        workflow: w
        result: { value: =told.event }
        stages:
          - stage: only
            steps:
              - { step: told, emit: { event: order.paid, key: =input.order, data: { cents: =input.cents } } }
              - { step: bare, emit: { event: all.done } }
        "#,
        r#"{"order": 7, "cents": 5}"#,
        "",
        expect![[r#"
            1   run started: w
            2   told: published order.paid 7 (evt_853f259a555c8d8b8d09870b96fc1e0d) {"cents":5}
            3   bare: published all.done (evt_b7852197440da1cb26e278c53ccaa3ee) null
            4   stage only done
            5   run completed "evt_853f259a555c8d8b8d09870b96fc1e0d"
        "#]],
    );
}

#[test]
fn the_oldest_of_what_is_waited_for_ends_the_wait_and_the_rest_is_kept() {
    check(
        r#"
        --- workflows/w.yaml
        workflow: w
        result: { value: { one: =one.body, other: =other.body } }
        stages:
          - stage: only
            steps:
              - { step: one, wait: { any: [ { signal: go }, { event: paid, key: "7" }, { for: 2d }, { for: 3d } ] } }
              - { step: other, wait: { signal: go } }
        "#,
        "{}",
        "> event paid {\"key\": \"8\", \"data\": 1}\n> event paid {\"key\": \"7\", \"data\": 2}\n> signal go 3",
        expect![[r#"
            1   run started: w
            2   one: waits for signal go or event paid 7 until 2026-11-22T00:00:00.000Z
            3   event paid 8 from ann, message 1 1
            4   event paid 7 from ann, message 2 2
            5   one: woken by message 2 {"body":2,"by":"event","name":"paid","sender":"ann"}
            6   other: waits for signal go
            7   signal go from ann, message 3 3
            8   other: woken by message 3 {"body":3,"by":"signal","name":"go","sender":"ann"}
            9   stage only done
            10  run completed {"one":2,"other":3}
        "#]],
    );
}

#[test]
fn an_event_without_a_usable_key_fails_its_step() {
    check(
        r#"
        --- workflows/w.yaml
        workflow: w
        stages:
          - stage: only
            steps:
              - { step: one, wait: { event: paid, key: =input.key } }
        "#,
        r#"{"key": [1]}"#,
        "",
        expect![[r#"
            1   run started: w
            2   one: failed, internal: the key of event `paid` is [1]: write a text or a number
            3   one: no recovery left
            4   run failed, internal: the key of event `paid` is [1]: write a text or a number
        "#]],
    );
}
