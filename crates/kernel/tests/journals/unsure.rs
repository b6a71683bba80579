//! Answers that are valid and unsure: to a stronger model, to people, accepted or failed; with recoveries, checks and crashes between.

use expect_test::expect;
use kernel::governance::charter::Change;
use kernel::values::Timestamp;

use crate::drive::{Drive, Outside, project};

const CASCADE: &str = r#"
    --- surefoot.yaml
    project: test
    models:
      small: { provider: registered }
      big: { provider: registered }
      other: { provider: registered }
    --- routes.yaml
    routes: { strong: [ big, other ] }
    --- people.yaml
    groups: { desk: {}, chiefs: {} }
    people:
      sue: { name: Sue, groups: [ desk ] }
      max: { name: Max, groups: [ chiefs ] }
    --- workflows/w.yaml
    workflow: w
    result: { value: =rate.score }
    stages:
      - stage: only
        steps:
          - step: rate
            reason: prompts/ask.md
            model: small
            output: schemas/out.yaml
            check: [ output.score <= 10 ]
            unsure: { when: output.sure < 0.7, then: [ { model: strong }, { person: desk, timeout: 2d } ] }
    --- prompts/ask.md
    Rate it.
    --- schemas/out.yaml
    type: object
    required: [ score, sure ]
    additionalProperties: false
    properties: { score: { type: integer }, sure: { type: number } }
"#;

fn drive(text: &str, outside: &str) -> Drive {
    let mut drive = Drive::governed(text, "", "null", Outside::new(outside));
    let change = project(text).file.limits();
    assert!(matches!(change, Change::Limits { .. }));
    let no = drive.charter.generation + 1;
    drive.charter.apply(no, &change, (&"ann".into(), Timestamp::default()), None).expect("limits");
    drive.run();
    drive
}

fn outline(text: &str, outside: &str) -> String {
    drive(text, outside).outline()
}

const UNSURE: &str = r#"rate#1: {"score": 1, "sure": 0.5}"#;

#[test]
fn an_answer_that_is_sure_is_the_value() {
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.7}
        4   stage only done
        5   run completed 1
    "#]]
    .assert_eq(&outline(CASCADE, r#"rate: {"score": 1, "sure": 0.7}"#));
}

#[test]
fn an_unsure_answer_goes_to_the_stronger_model_and_then_to_people() {
    let outside =
        format!("{UNSURE}\nrate#2: {{\"score\": 2, \"sure\": 0.6}}\n> work sue {{\"score\": 3, \"sure\": 1}}");
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answered {"score":2,"sure":0.6}, unsure as output.sure < 0.7: put before desk
        6   rate: handed to desk until 2026-11-22T00:00:00.000Z (wrk_71b0dce01c8ee29a)
        7   rate: sue answered {"score":3,"sure":1} (wrk_71b0dce01c8ee29a)
        8   rate: done by sue {"score":3,"sure":1}
        9   stage only done
        10  run completed 3
    "#]]
    .assert_eq(&outline(CASCADE, &outside));
}

#[test]
fn a_stronger_model_that_is_down_falls_back_and_a_last_failure_goes_to_people() {
    let outside =
        format!("{UNSURE}\nrate#2: !provider_error\nrate#3: !provider_auth\n> work sue {{\"score\": 3, \"sure\": 1}}");
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answer failed, provider_error: as told
        6   rate: passed to model other, the next of route strong
        7   rate: asked model other of route strong, attempt 3, about 3 tokens
        8   rate: answer failed, provider_auth: as told
        9   rate: no recovery left; put before desk
        10  rate: handed to desk until 2026-11-22T00:00:00.000Z (wrk_71b0dce01c8ee29a)
        11  rate: sue answered {"score":3,"sure":1} (wrk_71b0dce01c8ee29a)
        12  rate: done by sue {"score":3,"sure":1}
        13  stage only done
        14  run completed 3
    "#]]
    .assert_eq(&outline(CASCADE, &outside));
}

#[test]
fn the_steps_own_recoveries_come_before_the_next_item() {
    let text = CASCADE.replace("            output: schemas/out.yaml", "            output: schemas/out.yaml\n            on_failure: { provider_auth: [ { retry: 1 } ], no_answer: [ fail ] }");
    let outside = format!(
        "{UNSURE}\nrate#2: !provider_auth\nrate#3: !provider_auth\nrate#4: !provider_auth\nrate#5: !provider_auth"
    );
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answer failed, provider_auth: as told
        6   rate: passed to model other, the next of route strong
        7   rate: asked model other of route strong, attempt 3, about 3 tokens
        8   rate: answer failed, provider_auth: as told
        9   rate: tried again at 2026-11-20T00:00:00.164Z
        10  rate: asked model other of route strong, attempt 4, about 3 tokens
        11  rate: answer failed, provider_auth: as told
        12  rate: passed to model big, the next of route strong
        13  rate: asked model big of route strong, attempt 5, about 3 tokens
        14  rate: answer failed, provider_auth: as told
        15  rate: no recovery left; put before desk
        16  rate: handed to desk until 2026-11-22T00:00:00.164Z (wrk_71b0dce01c8ee29a)
        17  rate: no_answer: nobody of desk answered in time
        18  rate: no recovery left
        19  run failed, no_answer: nobody of desk answered in time
    "#]]
    .assert_eq(&outline(&text, &outside));
}

#[test]
fn a_wrong_answer_is_repaired_and_is_never_unsure() {
    let outside = format!(
        "rate#1: {{\"score\": 11, \"sure\": 0}}\n{}\nrate#3: {{\"score\": 12, \"sure\": 0}}\nrate#4: {{\"score\": 2, \"sure\": 0.9}}",
        UNSURE.replace("#1", "#2")
    );
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answer failed, bad_reasoning: `output.score <= 10` is false
        4   rate: asked again with the errors
        5   rate: asked model small, attempt 2, about 35 tokens
        6   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        7   rate: asked model big of route strong, attempt 3, about 3 tokens
        8   rate: answer failed, bad_reasoning: `output.score <= 10` is false
        9   rate: no progress: the same failure twice
        10  rate: no recovery left; put before desk
        11  rate: handed to desk until 2026-11-22T00:00:00.000Z (wrk_71b0dce01c8ee29a)
        12  rate: no_answer: nobody of desk answered in time
        13  rate: no recovery left
        14  run failed, no_answer: nobody of desk answered in time
    "#]]
    .assert_eq(&outline(CASCADE, &outside));
}

#[test]
fn the_best_answer_is_accepted_also_where_a_later_one_never_came() {
    let text = CASCADE.replace("{ person: desk, timeout: 2d }", "accept");
    let outside = format!("{UNSURE}\nrate#2: {{\"score\": 2, \"sure\": 0.6}}");
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answered {"score":2,"sure":0.6}, unsure as output.sure < 0.7: accepted
        6   stage only done
        7   run completed 2
    "#]]
    .assert_eq(&outline(&text, &outside));
    let outside = format!("{UNSURE}\nrate#2: !provider_auth\nrate#3: !refused");
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answer failed, provider_auth: as told
        6   rate: passed to model other, the next of route strong
        7   rate: asked model other of route strong, attempt 3, about 3 tokens
        8   rate: answer failed, refused: as told
        9   rate: continued with {"score":1,"sure":0.5}
        10  stage only done
        11  run completed 1
    "#]]
    .assert_eq(&outline(&text, &outside));
}

#[test]
fn behind_the_last_item_the_step_fails_and_its_recoveries_count() {
    let text = CASCADE.replace(", { person: desk, timeout: 2d } ]", " ]");
    let outside = format!("{UNSURE}\nrate#2: {{\"score\": 2, \"sure\": 0.6}}");
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answered {"score":2,"sure":0.6}, unsure as output.sure < 0.7: nothing more follows
        6   rate: no recovery left
        7   run failed, unsure: `output.sure < 0.7` holds for the answer, and nothing more follows
    "#]]
    .assert_eq(&outline(&text, &outside));
    let text = text.replace("            output: schemas/out.yaml", "            output: schemas/out.yaml\n            on_failure: { unsure: [ { retry: 1 }, { continue_with: { score: 0, sure: 0 } } ] }");
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answered {"score":2,"sure":0.6}, unsure as output.sure < 0.7: nothing more follows
        6   rate: tried again at 2026-11-20T00:00:00.164Z
        7   rate: asked model big of route strong, attempt 3, about 3 tokens
        8   rate: answered {"score":2,"sure":0.6}, unsure as output.sure < 0.7: nothing more follows
        9   rate: continued with {"score":0,"sure":0}
        10  stage only done
        11  run completed 0
    "#]]
    .assert_eq(&outline(&text, &outside.replace("#2", "")));
}

#[test]
fn people_who_do_not_answer_in_time_are_followed_by_others() {
    let text = CASCADE.replace("{ person: desk, timeout: 2d }", "{ person: desk, timeout: 2d }, { person: chiefs }");
    let outside =
        format!("{UNSURE}\nrate#2: {{\"score\": 2, \"sure\": 0.6}}\n> > work max {{\"score\": 3, \"sure\": 1}}");
    expect![[r#"
        1   run started: w
        2   rate: asked model small, about 3 tokens
        3   rate: answered {"score":1,"sure":0.5}, unsure as output.sure < 0.7: passed to model strong
        4   rate: asked model big of route strong, attempt 2, about 3 tokens
        5   rate: answered {"score":2,"sure":0.6}, unsure as output.sure < 0.7: put before desk
        6   rate: handed to desk until 2026-11-22T00:00:00.000Z (wrk_71b0dce01c8ee29a)
        7   rate: no_answer: nobody of desk answered in time
        8   rate: no recovery left; put before chiefs
        9   rate: handed to chiefs (wrk_769853669080f112)
        10  rate: max answered {"score":3,"sure":1} (wrk_769853669080f112)
        11  rate: done by max {"score":3,"sure":1}
        12  stage only done
        13  run completed 3
    "#]]
    .assert_eq(&outline(&text, &outside));
}

#[test]
fn over_a_crash_after_every_entry_the_same_people_decide() {
    let outside = format!("{UNSURE}\nrate: {{\"score\": 2, \"sure\": 0.6}}\n> work sue {{\"score\": 3, \"sure\": 1}}");
    let whole = drive(CASCADE, &outside);
    assert!(whole.outline().contains("run completed 3"), "{}", whole.outline());
    for cut in 1..whole.entries.len() {
        let mut resumed = whole.resumed(&whole.entries[..cut]);
        resumed.run();
        assert!(resumed.outline().contains("run completed"), "crashed after entry {cut}\n{}", resumed.outline());
        let handed = resumed.outline().matches("handed to desk").count();
        assert_eq!(handed, 1, "crashed after entry {cut}\n{}", resumed.outline());
    }
}
