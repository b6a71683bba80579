//! Decision tables in files of their own.

use expect_test::{Expect, expect};
use kernel::journal::Event;

use crate::drive::{self, check};

fn by_table(rows: &str, input: &str, expected: Expect) {
    check(
        &format!(
            "--- workflows/route.yaml
workflow: route
result: {{ value: {{ row: =route.row, gives: =route.gives }} }}
stages:
  - stage: look
    steps:
      - {{ step: route, decide: decisions/route.yaml, with: {{ kind: =input.kind, cents: =input.cents }} }}
--- decisions/route.yaml
inputs: {{ kind: {{ enum: [ a, b, c ] }}, cents: integer }}
{rows}"
        ),
        input,
        "",
        expected,
    );
}

const FIRST: &str = "rows:
  - { id: large, when: { cents: { at_least: 1000 } }, gives: { queue: leads, days: 1 } }
  - { id: plain, when: { kind: [ a, b ] }, gives: { queue: desk, days: 2 } }
  - { when: { kind: { not: a }, cents: { above: 10, below: 20 } }, gives: { queue: odd, days: 3 } }
otherwise: { gives: { queue: rest, days: 4 } }
";

#[test]
fn the_first_row_that_matches_gives_its_value_and_is_on_record() {
    by_table(
        FIRST,
        r#"{"kind": "a", "cents": 1000}"#,
        expect![[r#"
            1   run started: route
            2   route: decided {"days":1,"queue":"leads"} by row large of decisions/route.yaml:3
            3   stage look done
            4   run completed {"gives":{"days":1,"queue":"leads"},"row":"large"}
        "#]],
    );
    by_table(
        FIRST,
        r#"{"kind": "c", "cents": 11}"#,
        expect![[r#"
        1   run started: route
        2   route: decided {"days":3,"queue":"odd"} by row 3 of decisions/route.yaml:5
        3   stage look done
        4   run completed {"gives":{"days":3,"queue":"odd"},"row":"3"}
    "#]],
    );
    by_table(
        FIRST,
        r#"{"kind": "c", "cents": 20}"#,
        expect![[r#"
        1   run started: route
        2   route: decided {"days":4,"queue":"rest"} by otherwise of decisions/route.yaml
        3   stage look done
        4   run completed {"gives":{"days":4,"queue":"rest"},"row":null}
    "#]],
    );
}

#[test]
fn an_input_that_is_none_of_the_tables_fails_the_step() {
    by_table(
        FIRST,
        r#"{"kind": "d", "cents": 1}"#,
        expect![[r#"
        1   run started: route
        2   route: failed, contract_violated: `kind` of decisions/route.yaml is one of a, b, c, and "d" is not
        3   route: no recovery left
        4   run failed, contract_violated: `kind` of decisions/route.yaml is one of a, b, c, and "d" is not
    "#]],
    );
    by_table(
        FIRST,
        r#"{"kind": "a", "cents": "many"}"#,
        expect![[r#"
        1   run started: route
        2   route: failed, contract_violated: `cents` of decisions/route.yaml is a whole number, and "many" is not
        3   route: no recovery left
        4   run failed, contract_violated: `cents` of decisions/route.yaml is a whole number, and "many" is not
    "#]],
    );
}

#[test]
fn two_rows_that_match_where_one_may_fail_the_step() {
    // Too many regions to be looked at before: it is seen when it happens.
    let names: Vec<String> = (0..120).map(|number| format!("k{number}")).collect();
    let rows: String = (0..200).map(|at| format!("  - {{ when: {{ kind: k0, cents: {at} }}, gives: 1 }}\n")).collect();
    let text = format!(
        "--- workflows/route.yaml
workflow: route
stages:
  - stage: look
    steps:
      - {{ step: route, decide: decisions/route.yaml, with: {{ kind: =input.kind, cents: =input.cents }} }}
--- decisions/route.yaml
inputs: {{ kind: {{ enum: [ {} ] }}, cents: integer }}
hit: unique
rows:
{rows}  - {{ id: all, when: {{ cents: {{ at_most: 7 }} }}, gives: 2 }}
otherwise: {{ gives: 0 }}
",
        names.join(", ")
    );
    check(
        &text,
        r#"{"kind": "k0", "cents": 7}"#,
        "",
        expect![[r#"
        1   run started: route
        2   route: failed, contract_violated: rows `8` and `all` of decisions/route.yaml both match, and one may
        3   route: no recovery left
        4   run failed, contract_violated: rows `8` and `all` of decisions/route.yaml both match, and one may
    "#]],
    );
}

const STAGES: &str = "
--- workflows/route.yaml
workflow: route
result: { value: { how: =route, small: =ran(little), large: =ran(much) } }
stages:
  - stage: look
    steps:
      - { step: route, decide: decisions/size.yaml, with: { cents: =input.cents } }
  - stage: large
    steps: [ { step: much, set: 1 } ]
  - stage: small
    steps: [ { step: little, set: 2 } ]
--- decisions/size.yaml
inputs: { cents: number }
hit: unique
rows:
  - { id: large, when: { cents: { above: 99.5 } }, then: [ large, small ] }
  - { id: small, when: { cents: { at_most: 99.5, at_least: 0 } }, then: small }
  - { id: none, when: { cents: { below: 0 } }, then: next }
";

#[test]
fn a_table_may_choose_stages_and_needs_no_otherwise_when_it_covers_all() {
    check(
        STAGES,
        r#"{"cents": 100}"#,
        "",
        expect![[r#"
        1   run started: route
        2   route: decided large, small by row large of decisions/size.yaml:4
        3   much: done 1
        4   stage large done
        5   little: done 2
        6   stage small done
        7   stage look done
        8   run completed {"how":{"gives":null,"row":"large","rule":0,"then":["large","small"]},"l…
    "#]],
    );
    check(
        STAGES,
        r#"{"cents": 99.5}"#,
        "",
        expect![[r#"
        1   run started: route
        2   route: decided small by row small of decisions/size.yaml:5
        3   little: done 2
        4   stage small done
        5   stage look done
        6   run completed {"how":{"gives":null,"row":"small","rule":1,"then":["small"]},"large":fa…
    "#]],
    );
    check(
        STAGES,
        r#"{"cents": -1}"#,
        "",
        expect![[r#"
        1   run started: route
        2   route: decided next by row none of decisions/size.yaml:6
        3   stage look done
        4   run completed {"how":{"gives":null,"row":"none","rule":2,"then":[]},"large":false,"sma…
    "#]],
    );
}

#[test]
fn a_record_names_file_line_row_and_what_it_saw() {
    let program = drive::program(STAGES);
    let mut drive = drive::Drive::new(program, r#"{"cents": 100}"#, drive::Outside::default());
    drive.run();
    let decided = drive.events.iter().find(|event| matches!(event, Event::Decided { .. }));
    let text = serde_json::to_string(decided.expect("it decided")).expect("JSON");
    expect![[r#"{"event":"decided","step":"route","rule":0,"saw":{"cents":100},"then":["large","small"],"by":{"table":"decisions/size.yaml","row":"large","line":4}}"#]].assert_eq(&text);
}
