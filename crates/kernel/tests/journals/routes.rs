//! Routes: which member is asked, what passes a step to the next one, and models that cool down.

use expect_test::expect;
use kernel::{
    governance::charter::Change,
    recovery::FailureKind,
    routes::Cooling,
    values::{Span, Timestamp},
};

use crate::drive::{Drive, Outside, check, project};

const TWO: &str = r#"
    --- surefoot.yaml
    project: test
    models:
      a: { provider: registered, window: 8000 }
      b: { provider: registered, window: 4000 }
      c: { provider: registered, window: 100000 }
    --- routes.yaml
    routes: { small: [ a, b ], wide: [ b, a, c ] }
    --- workflows/w.yaml
    workflow: w
    result: { value: =two.ok }
    stages:
      - stage: only
        steps:
          - { step: one, reason: prompts/ask.md, model: small, output: schemas/any.yaml }
          - { step: two, reason: prompts/ask.md, model: small, output: schemas/any.yaml }
    --- prompts/ask.md
    Ask.
    --- schemas/any.yaml
    type: object
    required: [ ok ]
    properties: { ok: { type: boolean } }
"#;

#[test]
fn what_a_provider_fails_with_passes_to_the_next_member_and_the_run_stays_with_it() {
    check(
        TWO,
        "null",
        "one#1: !provider_error",
        expect![[r#"
        1   run started: w
        2   one: asked model a of route small, about 2 tokens
        3   one: answer failed, provider_error: as told
        4   one: passed to model b, the next of route small
        5   one: asked model b of route small, attempt 2, about 2 tokens
        6   one: answered {"ok":true}
        7   two: asked model b of route small, about 2 tokens
        8   two: answered {"ok":true}
        9   stage only done
        10  run completed true
    "#]],
    );
}

#[test]
fn all_members_have_their_turn_before_a_recovery_and_again_after_it() {
    let outside = "one#1: !provider_timeout\none#2: !provider_error\none#3: !provider_error\none#4: !provider_auth";
    let project = TWO.replace("model: small, output: schemas/any.yaml }\n          - { step: two", "model: small, output: schemas/any.yaml, on_failure: { provider_error: [ { retry: 1 } ] } }\n          - { step: two");
    check(
        &project,
        "null",
        outside,
        expect![[r#"
        1   run started: w
        2   one: asked model a of route small, about 2 tokens
        3   one: answer failed, provider_timeout: as told
        4   one: passed to model b, the next of route small
        5   one: asked model b of route small, attempt 2, about 2 tokens
        6   one: answer failed, provider_error: as told
        7   one: tried again at 2026-11-20T00:00:00.112Z
        8   one: asked model b of route small, attempt 3, about 2 tokens
        9   one: answer failed, provider_error: as told
        10  one: passed to model a, the next of route small
        11  one: asked model a of route small, attempt 4, about 2 tokens
        12  one: answer failed, provider_auth: as told
        13  one: no recovery left
        14  run failed, provider_auth: as told
    "#]],
    );
}

#[test]
fn a_refusal_or_a_wrong_answer_stays_with_the_model() {
    check(
        TWO,
        "null",
        r#"one#1: {"no": 1}
        one#2: !refused"#,
        expect![[r#"
            1   run started: w
            2   one: asked model a of route small, about 2 tokens
            3   one: answer failed, invalid_output: the value: "ok" is missing
            4   one: asked again with the errors
            5   one: asked model a of route small, attempt 2, about 33 tokens
            6   one: answer failed, refused: as told
            7   one: no recovery left
            8   run failed, refused: as told
        "#]],
    );
}

#[test]
fn a_prompt_that_is_too_long_goes_to_a_member_that_says_it_takes_more() {
    let project = TWO
        .replace("step: one, reason: prompts/ask.md, model: small", "step: one, reason: prompts/ask.md, model: wide");
    let outside = "one#1: !context_overflow\none#2: !context_overflow\none#3: !context_overflow";
    expect![[r#"
        1   run started: w
        2   one: asked model b of route wide, about 2 tokens
        3   one: answer failed, context_overflow: as told
        4   one: passed to model a, the next of route wide
        5   one: asked model a of route wide, attempt 2, about 2 tokens
        6   one: answer failed, context_overflow: as told
        7   one: passed to model c, the next of route wide
        8   one: asked model c of route wide, attempt 3, about 2 tokens
        9   one: answer failed, context_overflow: as told
        10  one: no recovery left
        11  run failed, context_overflow: as told
    "#]]
    .assert_eq(&drive_of(&project, outside).run().outline());
    // What nobody declared is not guessed.
    let project = project.replace(", window: 8000", "").replace(", window: 100000", "");
    expect![[r#"
        1   run started: w
        2   one: asked model b of route wide, about 2 tokens
        3   one: answer failed, context_overflow: as told
        4   one: no recovery left
        5   run failed, context_overflow: as told
    "#]]
    .assert_eq(&drive_of(&project, "one#1: !context_overflow").run().outline());
}

fn drive(outside: &str) -> Drive {
    drive_of(TWO, outside)
}

/// With what the charter knows of the models.
fn drive_of(text: &str, outside: &str) -> Drive {
    let mut drive = Drive::governed(text, "", "null", Outside::new(outside));
    let change = project(text).file.limits();
    let no = drive.charter.generation + 1;
    drive.charter.apply(no, &change, (&"ann".into(), Timestamp::default()), None).expect("limits");
    assert!(matches!(change, Change::Limits { .. }));
    drive
}

#[test]
fn a_model_without_room_cools_down_as_long_as_it_asked_for() {
    let mut run = drive("one#1: !provider_rate_limited answered after 90s\none#2: !provider_overloaded");
    let begun = run.now;
    run.run();
    expect![[r#"
        1   run started: w
        2   one: asked model a of route small, about 2 tokens
        3   one: answer failed, provider_rate_limited: as told
        4   one: passed to model b, the next of route small
        5   one: asked model b of route small, attempt 2, about 2 tokens
        6   one: answer failed, provider_overloaded: as told
        7   one: tried again at 2026-11-20T00:00:00.112Z
        8   one: asked model b of route small, attempt 3, about 2 tokens
        9   one: answered {"ok":true}
        10  two: asked model b of route small, about 2 tokens
        11  two: answered {"ok":true}
        12  stage only done
        13  run completed true
    "#]]
    .assert_eq(&run.outline());
    let until = |model: &str| run.store_cooling[&kernel::routes::scope("test", model)].until;
    assert_eq!(until("a"), begun + Span::from_millis(90_000));
    assert!(until("b") <= begun + Span::from_millis(200), "backoff, where nothing was asked for");
    assert!(until("b") >= begun + Span::from_millis(100));
    assert_eq!(run.slept, ["`one` is tried again"], "nobody waits for a");
}

#[test]
fn other_runs_do_not_ask_it_and_wait_for_the_first_that_is_free() {
    let mut run = drive("");
    let begun = run.now;
    let mut cool = |model: &str, seconds: i64, why| {
        let until = begun + Span::from_millis(seconds * 1_000);
        run.store_cooling.insert(kernel::routes::scope("test", model), Cooling { until, why });
    };
    cool("a", 300, FailureKind::ProviderRateLimited);
    cool("b", 20, FailureKind::ProviderOverloaded);
    run.run();
    assert_eq!(run.slept, ["a model that cools down: the first of route small is b (provider_overloaded) at `one`"]);
    assert_eq!(run.entries[1].at, begun + Span::from_millis(20_000));
    expect![[r#"
        1   run started: w
        2   one: asked model b of route small, about 2 tokens
        3   one: answered {"ok":true}
        4   two: asked model b of route small, about 2 tokens
        5   two: answered {"ok":true}
        6   stage only done
        7   run completed true
    "#]]
    .assert_eq(&run.outline());
}

#[test]
fn a_spend_limit_is_waited_for_by_nobody_who_can_ask_another() {
    let mut run = drive("one#1: !provider_spend_limit");
    let begun = run.now;
    run.run();
    expect![[r#"
        1   run started: w
        2   one: asked model a of route small, about 2 tokens
        3   one: answer failed, provider_spend_limit: as told
        4   one: passed to model b, the next of route small
        5   one: asked model b of route small, attempt 2, about 2 tokens
        6   one: answered {"ok":true}
        7   two: asked model b of route small, about 2 tokens
        8   two: answered {"ok":true}
        9   stage only done
        10  run completed true
    "#]]
    .assert_eq(&run.outline());
    let row = run.store_cooling[&kernel::routes::scope("test", "a")];
    assert_eq!(row, Cooling { until: begun + Span::from_millis(86_400_000), why: FailureKind::ProviderSpendLimit });
}

#[test]
fn over_a_crash_after_every_entry_it_goes_on() {
    let outside = "one#1: !provider_error\none#2: !provider_rate_limited answered after 5s";
    let mut whole = drive(outside);
    whole.run();
    assert!(whole.outline().contains("run completed"), "{}", whole.outline());
    for cut in 1..whole.entries.len() {
        let mut resumed = whole.resumed(&whole.entries[..cut]);
        resumed.run();
        assert!(resumed.outline().contains("run completed"), "crashed after entry {cut}\n{}", resumed.outline());
    }
}
