//! Results that are used again: steps, stages and whole runs with `cache: { key, ttl }`.

use std::collections::BTreeMap;

use expect_test::{Expect, expect};
use kernel::{
    cache::{KeptAnswer, Part},
    ids::{Digest, StepPath},
    journal::{Event, Held},
    next::Record,
    values::{Span, Value},
};

use crate::drive::{Drive, Outside};

type Kept = BTreeMap<Digest, KeptAnswer>;

const TOOLS: &str = r#"
    --- tools/shop.yaml
    tool: shop
    native: true
    operations:
      read: { effect: read, params: schemas/params.yaml, returns: schemas/row.yaml }
    --- policies/allow/all.cedar
    @id("all")
    permit (principal, action, resource);
    --- schemas/params.yaml
    type: object
    required: [ id ]
    additionalProperties: false
    properties: { id: { type: string } }
    --- schemas/row.yaml
    type: object
    required: [ ok ]
    properties: { ok: { type: boolean } }
    --- schemas/in.yaml
    type: object
    required: [ id ]
    additionalProperties: false
    properties: { id: { type: string }, note: { type: string } }
    --- schemas/score.yaml
    type: object
    required: [ score ]
    additionalProperties: false
    properties: { score: { type: integer } }
    --- prompts/rate.md
    Rate {{ id }}.
"#;

/// A workflow `w`, whose steps stand below `steps`.
fn flow(head: &str, stage: &str, steps: &str) -> String {
    format!(
        "    --- workflows/w.yaml\n    workflow: w\n    input: schemas/in.yaml\n{head}    stages:\n      - stage: only\n{stage}        \
         steps:\n{steps}      - stage: last\n        steps: [ {{ step: end, set: {{ done: true }} }} ]{TOOLS}"
    )
}

const READ: &str = "          - { step: look, act: shop.read, with: { id: =input.id } }\n";
const RATE: &str = "          - { step: rate, when: look.ok, reason: prompts/rate.md, model: small, see: { id: input.id }, output: schemas/score.yaml }\n";
const NEVER: &str = "          - { step: never, when: \"input.id == 'z'\", set: { x: 1 } }\n";
const RESULT: &str = "    result: { value: { rated: =rate, skipped: =never } }\n";
const CACHE: &str = "cache: { key: input.id, ttl: 1h }";

fn of_step() -> String {
    let look = READ.replace(" }\n", &format!(", {CACHE} }}\n"));
    flow("    result: { value: =look }\n", "", &look)
}

fn of_stage() -> String {
    flow(RESULT, &format!("        {CACHE}\n"), &format!("{READ}{RATE}{NEVER}"))
}

fn of_run() -> String {
    flow(&format!("{RESULT}    {CACHE}\n"), "", &format!("{READ}{RATE}{NEVER}"))
}

const ANSWERS: &str = "rate: {\"score\": 7}";
const A: &str = r#"{"id": "a"}"#;

/// A run for a person, so much later than the first, with what the store keeps by then.
fn run_of(text: &str, (by, input): (&str, &str), after: Span, kept: &Kept) -> Drive {
    let mut drive = Drive::governed(text, by, input, Outside::new(ANSWERS));
    drive.now = drive.now + after;
    drive.store_answers = kept.clone();
    drive.run();
    drive
}

/// Whether another run does everything itself.
fn does(text: &str, who: (&str, &str), after: Span, kept: &Kept) -> bool {
    let drive = run_of(text, who, after, kept);
    !drive.calls.is_empty() || !drive.asked.is_empty()
}

/// The first run and the second one, as they are told; the second calls nobody, and crashed after each entry it is the same.
fn twice(text: &str, first: &Expect, second: &Expect) {
    let one = run_of(text, ("", A), Span::default(), &Kept::new());
    assert!(!one.calls.is_empty() && one.store_answers.len() == 1, "{}", one.outline());
    first.assert_eq(&one.outline());
    let two = run_of(text, ("", A), Span::from_millis(90_000), &one.store_answers);
    second.assert_eq(&two.outline());
    assert_eq!((two.calls.len(), two.asked.len(), two.state.usage.tokens()), (0, 0, 0));
    for drive in [&one, &two] {
        for cut in 1..=drive.entries.len() {
            let mut again = drive.resumed(&drive.entries[..cut]);
            again.store_answers = if drive.calls.is_empty() { one.store_answers.clone() } else { Kept::new() };
            again.run();
            // What was under way is sent again.
            let end = |drive: &Drive| drive.outline().lines().last().map(|line| line[2..].trim().to_owned());
            assert_eq!(end(&again), end(drive), "crashed after entry {cut}");
            if drive.calls.is_empty() {
                assert_eq!((again.outline(), again.calls.len()), (drive.outline(), 0), "crashed after entry {cut}");
            } else {
                let kept: Vec<_> = again.store_answers.values().map(|kept| &kept.value).collect();
                let whole: Vec<_> = one.store_answers.values().map(|kept| &kept.value).collect();
                // What was over before the crash was kept then, with its entry.
                assert!(
                    kept.is_empty() || kept.iter().zip(whole).all(|(a, b)| a.get("gave") == b.get("gave")),
                    "{cut}"
                );
            }
        }
    }
}

#[test]
fn a_step_that_was_done_for_its_key_is_not_done_again() {
    twice(
        &of_step(),
        &expect![[r#"
        1   run started: w
        2   look: nothing kept; its result will be, for 1h
        3   look: started shop.read {"id":"a"}
        4   look: finished {"ok":true}
        5   stage only done
        6   end: done {"done":true}
        7   stage last done
        8   run completed {"ok":true}
    "#]],
        &expect![[r#"
        1   run started: w
        2   look: not done again, given by entry 4 of run_01a1f640bc0077078707070707070707, 90s old, saved 1 call: {"ok":true}
        3   stage only done
        4   end: done {"done":true}
        5   stage last done
        6   run completed {"ok":true}
    "#]],
    );
}

#[test]
fn a_stage_that_was_done_for_its_key_is_not_done_again() {
    twice(
        &of_stage(),
        &expect![[r#"
        1   run started: w
        2   stage only: nothing kept; its result will be, for 1h
        3   look: started shop.read {"id":"a"}
        4   look: finished {"ok":true}
        5   rate: asked model small, about 65 tokens
        6   rate: answered {"score":7}
        7   never: skipped
        8   stage only done
        9   end: done {"done":true}
        10  stage last done
        11  run completed {"rated":{"score":7},"skipped":null}
    "#]],
        &expect![[r#"
        1   run started: w
        2   stage only: not done again, given by entry 8 of run_01a1f640bc0077078707070707070707, 90s old, saved 2 calls, 15 tokens: {"gave":{"look":{"ok":true},"rate":{"score":7}},"skipped":["never"]}
        3   end: done {"done":true}
        4   stage last done
        5   run completed {"rated":{"score":7},"skipped":null}
    "#]],
    );
}

#[test]
fn a_run_whose_result_is_known_is_over_at_once() {
    twice(
        &of_run(),
        &expect![[r#"
        1   run started: w
        2   run: nothing kept; its result will be, for 1h
        3   look: started shop.read {"id":"a"}
        4   look: finished {"ok":true}
        5   rate: asked model small, about 65 tokens
        6   rate: answered {"score":7}
        7   never: skipped
        8   stage only done
        9   end: done {"done":true}
        10  stage last done
        11  run completed {"rated":{"score":7},"skipped":null}
    "#]],
        &expect![[r#"
        1   run started: w
        2   run: not done again, given by entry 11 of run_01a1f640bc0077078707070707070707, 90s old, saved 2 calls, 15 tokens: {"rated":{"score":7},"skipped":null}
        3   run completed {"rated":{"score":7},"skipped":null}
    "#]],
    );
}

#[test]
fn what_decides_a_result_is_in_its_key() {
    let (now, hour) = (Span::from_millis(1), Span::from_millis(3_600_000));
    for text in [of_step(), of_stage(), of_run()] {
        let kept = run_of(&text, ("", A), Span::default(), &Kept::new()).store_answers;
        assert!(!does(&text, ("", A), now, &kept), "the same");
        assert!(!does(&text, ("", r#"{"id": "a", "note": "x"}"#), now, &kept), "what the part does not read");
        assert!(does(&text, ("", r#"{"id": "b"}"#), now, &kept), "another key");
        assert!(does(&text, ("ann", A), now, &kept), "for somebody else: who may read what is for the rules");
        assert!(does(&text, ("", A), hour, &kept), "its time is over");
        assert!(!does(&text, ("", A), Span::from_micros(hour.micros() - 1), &kept), "or not yet");
        let edited = text.replace("Rate {{ id }}.", "Please rate {{ id }}.");
        assert!(does(&edited, ("", A), now, &kept), "an edited project never gets an old result");
        let edited = text.replace(
            "properties: { ok: { type: boolean } }",
            "properties: { ok: { type: boolean }, n: { type: integer } }",
        );
        assert!(does(&edited, ("", A), now, &kept), "nor one whose tool was edited");
        let rules = text
            .replace("permit (principal, action, resource);", "permit (principal, action, resource) when { true };");
        assert!(does(&rules, ("", A), now, &kept), "what was read under other rules is read again");
        let mut other = Drive::governed(&text, "", A, Outside::new(ANSWERS));
        (other.tenant, other.store_answers) = ("other", kept.clone());
        other.run();
        assert!(!other.calls.is_empty(), "another tenant");
    }
}

#[test]
fn what_rules_forbid_now_is_not_given_by_a_cache() {
    let text = of_step();
    let kept = run_of(&text, ("", A), Span::default(), &Kept::new()).store_answers;
    let mut held = Drive::governed(&text, "", A, Outside::new(ANSWERS));
    let hold = kernel::governance::charter::Change::Hold { scope: "tool:shop".into(), reason: "broken".into() };
    let no = held.charter.generation + 1;
    held.charter.apply(no, &hold, (&"ann".into(), held.now), None).expect("a hold");
    held.store_answers = kept;
    held.run();
    assert!(held.events.iter().all(|event| !matches!(event, Event::PartReused { .. })), "{}", held.outline());
}

#[test]
fn a_part_in_which_something_failed_is_not_kept() {
    let kept = |text: &str, outside: &str| {
        let mut drive = Drive::governed(text, "", A, Outside::new(outside));
        drive.run();
        (drive.store_answers.len(), drive.state.end.map(|end| end.failure.is_none()))
    };
    let goes_on = "          - { step: look, act: shop.read, with: { id: =input.id }, cache: { key: input.id, ttl: 1h }, on_failure: { \
                   tool_rejected: [ { continue_with: { ok: false } } ] } }\n";
    let goes_on = flow("    result: { value: =look }\n", "", goes_on);
    assert_eq!(kept(&goes_on, ""), (1, Some(true)));
    assert_eq!(kept(&goes_on, "look: !tool_rejected"), (0, Some(true)), "a value in its place is no result");
    assert_eq!(kept(&of_step(), "look: !tool_rejected"), (0, Some(false)));
    assert_eq!(kept(&of_stage(), &format!("{ANSWERS}\nlook: !tool_rejected")), (0, Some(false)));
    assert_eq!(kept(&of_run(), &format!("{ANSWERS}\nlook: !tool_rejected")), (0, Some(false)));
    let again = format!("{ANSWERS}\nlook#1: !tool_error not_sent\nlook#2: {{\"ok\": true}}");
    assert_eq!(kept(&of_run(), &again), (1, Some(true)), "what was simply tried again is");
    let large = format!("look: {{\"ok\": true, \"text\": \"{}\"}}", "x".repeat(17_000));
    assert_eq!(kept(&of_step(), &large), (0, Some(true)), "nor is what is too large");
}

#[test]
fn what_is_used_again_is_used_before_anything_of_it_is_done() {
    let refused = |text: &str, die_after: usize, part: Part| {
        let mut drive = Drive::governed(text, "", A, Outside::new(ANSWERS));
        drive.die_after = Some(die_after);
        drive.run();
        let one = run_of(text, ("", A), Span::default(), &Kept::new());
        let kept = one.store_answers.values().next().expect("one is kept");
        let (gave, saved) = KeptAnswer::of_part(&kept.value).expect("a part");
        let from = kernel::cache::Source { run: kept.run, entry: kept.entry, age: Span::default() };
        let event = Event::PartReused { part, key: Digest::ZERO, output: Held::Value(gave), from, saved };
        let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drive.push(Record::of(event))));
        let said = wrong.expect_err("something of it was done");
        let said = said.downcast_ref::<String>().expect("a text");
        assert!(said.contains("cannot follow in a run where"), "{said}");
    };
    refused(&of_step(), 3, Part::Step(StepPath::new("look")));
    refused(&of_stage(), 3, Part::Stage("only".into()));
    refused(&of_stage(), 1, Part::Stage("last".into()));
    refused(&of_run(), 3, Part::Workflow);
}

#[test]
fn items_with_one_key_are_done_once() {
    let steps = "          - step: all\n            each: \"[ input.id, 'b', input.id ]\"\n            max_parallel: 1\n            steps: [ { step: \
                 look, act: shop.read, with: { id: =item }, cache: { key: item, ttl: 1h } } ]\n";
    let drive = run_of(&flow("    result: { value: =all }\n", "", steps), ("", A), Span::default(), &Kept::new());
    assert_eq!(drive.calls.len(), 2, "{}", drive.outline());
    let reused = drive.events.iter().filter(|event| matches!(event, Event::PartReused { .. })).count();
    assert_eq!(reused, 1);
    assert_eq!(drive.state.end.and_then(|end| end.result), Some(Held::Value(Value::list(vec![ok(), ok(), ok()]))));
}

fn ok() -> Value {
    Value::map([("ok", true.into())])
}
