//! `wait`: time, signals, whichever comes first; early signals are kept.

use expect_test::expect;

use crate::drive::check;

fn wait(what: &str) -> String {
    format!(
        r#"
        --- workflows/wait.yaml
        workflow: wait
        result: {{ value: {{ by: =pause.by, body: =pause.body }} }}
        stages:
          - stage: only
            steps:
              - step: pause
                wait: {what}
"#
    )
}

#[test]
fn time_alone_ends_a_wait() {
    check(
        &wait("{ for: 2h }"),
        "{}",
        "",
        expect![[r#"
            1   run started: wait
            2   pause: waits until 2026-11-20T02:00:00.000Z
            3   pause: time is up
            4   stage only done
            5   run completed {"body":null,"by":"time"}
        "#]],
    );
}

#[test]
fn a_date_ends_a_wait() {
    check(
        &wait("{ until: input.date }"),
        r#"{"date": "2026-12-24"}"#,
        "",
        expect![[r#"
            1   run started: wait
            2   pause: waits until 2026-12-24T00:00:00.000Z
            3   pause: time is up
            4   stage only done
            5   run completed {"body":null,"by":"time"}
        "#]],
    );
}

#[test]
fn a_signal_ends_a_wait_and_another_one_does_not() {
    check(
        &wait("{ signal: approved, for: 3d }"),
        "{}",
        "> signal rejected {\"why\": \"no\"}\n> signal approved {\"by\": \"ann\"}",
        expect![[r#"
            1   run started: wait
            2   pause: waits for signal approved until 2026-11-23T00:00:00.000Z
            3   signal rejected from ann, message 1 {"why":"no"}
            4   signal approved from ann, message 2 {"by":"ann"}
            5   pause: woken by message 2 {"body":{"by":"ann"},"by":"signal","name":"approved","sender":"ann"}
            6   stage only done
            7   run completed {"body":{"by":"ann"},"by":"signal"}
        "#]],
    );
}

#[test]
fn a_signal_that_comes_early_is_kept() {
    check(
        r#"
        --- workflows/wait.yaml
        workflow: wait
        result: { value: =second.body }
        stages:
          - stage: only
            steps:
              - step: first
                wait: { for: 1h }
              - step: second
                wait: { signal: approved }
        "#,
        "{}",
        "> signal approved {\"n\": 1}",
        expect![[r#"
            1   run started: wait
            2   first: waits until 2026-11-20T01:00:00.000Z
            3   signal approved from ann, message 1 {"n":1}
            4   first: time is up
            5   second: waits for signal approved
            6   second: woken by message 1 {"body":{"n":1},"by":"signal","name":"approved","sender":"ann"}
            7   stage only done
            8   run completed {"n":1}
        "#]],
    );
}
