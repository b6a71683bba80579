//! The exact response cache: what is kept, what finds it, and what does not.

use std::collections::BTreeMap;

use expect_test::expect;
use kernel::{
    cache::{KeptAnswer, Source},
    ids::{Digest, StepPath},
    journal::{Event, Held},
    next::Record,
    values::{Span, Timestamp, Value},
};

use crate::drive::{Drive, Outside, check, program, project};

const RATES: &str = r#"
    --- workflows/w.yaml
    workflow: w
    input: schemas/in.yaml
    result: { value: =rate.score }
    stages:
      - stage: only
        steps:
          - step: rate
            reason: prompts/rate.md
            model: small
            see: { text: input.text }
            output: schemas/score.yaml
            check: [ output.score <= 10 ]
            unsure: { when: output.score == 5, then: [ accept ] }
            cache: { ttl: 1h }
    --- prompts/rate.md
    Rate {{ text }}.
    --- schemas/in.yaml
    type: object
    required: [ text ]
    additionalProperties: false
    properties: { text: { type: string } }
    --- schemas/score.yaml
    type: object
    required: [ score ]
    additionalProperties: false
    properties: { score: { type: integer } }
"#;

type Kept = BTreeMap<Digest, KeptAnswer>;

const HELLO: &str = r#"{"text": "hello"}"#;

/// A run of a tenant at a time, with what the store keeps; whether its model was asked.
fn run_of(text: &str, input: &str, (tenant, after): (&'static str, Span), kept: &Kept) -> (Drive, bool) {
    let mut drive = Drive::new(program(text), input, Outside::new(r#"rate#1: {"score": 7}"#));
    drive.tenant = tenant;
    drive.now = drive.now + after;
    drive.store_answers = kept.clone();
    drive.run();
    let asked = !drive.asked.is_empty();
    (drive, asked)
}

/// What a first run leaves in the store.
fn first() -> Kept {
    let (drive, asked) = run_of(RATES, HELLO, ("main", Span::default()), &Kept::new());
    assert!(asked && drive.store_answers.len() == 1, "{}", drive.outline());
    drive.store_answers
}

fn asks(text: &str, input: &str, at: (&'static str, Span)) -> bool {
    run_of(text, input, at, &first()).1
}

#[test]
fn who_would_send_the_same_is_given_the_answer_and_pays_nothing() {
    let (drive, asked) = run_of(RATES, HELLO, ("main", Span::from_millis(720_500)), &first());
    assert!(!asked);
    assert_eq!((drive.state.usage.tokens(), drive.calls.len()), (0, 0));
    expect![[r#"
        1   run started: w
        2   rate: answered by entry 3 of run_01a1f640bc0077078707070707070707, 12m old: {"score":7}
        3   stage only done
        4   run completed 7
    "#]]
    .assert_eq(&drive.outline());
    // The journal alone gives the same run, whatever the store keeps by then.
    for cut in 1..=drive.entries.len() {
        let mut again = drive.resumed(&drive.entries[..cut]);
        again.run();
        assert_eq!(again.outline(), drive.outline(), "crashed after entry {cut}");
        assert_eq!(again.asked.len(), 0, "crashed after entry {cut}");
    }
}

#[test]
fn an_answer_that_counts_no_more_is_as_if_it_were_not_there() {
    let hour = 3_600_000_000;
    assert!(!asks(RATES, HELLO, ("main", Span::from_micros(hour - 1))));
    assert!(asks(RATES, HELLO, ("main", Span::from_micros(hour))));
}

#[test]
fn everything_that_decides_an_answer_is_in_its_key() {
    let now = Span::from_millis(1);
    assert!(asks(RATES, HELLO, ("other", now)), "another tenant");
    assert!(asks(RATES, r#"{"text": "hello "}"#, ("main", now)), "another text");
    let prompt = RATES.replace("Rate {{ text }}.", "Please rate {{ text }}.");
    assert!(asks(&prompt, HELLO, ("main", now)), "another prompt");
    let labels = RATES.replace("{ text: input.text }", "{ text: { from: input.text, labels: [ private ] } }");
    assert!(asks(&labels, HELLO, ("main", now)), "another label");
    let step = RATES.replace("output.score <= 10", "output.score <= 9");
    assert!(asks(&step, HELLO, ("main", now)), "another check");
    assert!(!asks(RATES, HELLO, ("main", now)), "and nothing else");
}

#[test]
fn a_model_that_is_declared_otherwise_is_another_model() {
    let run = |temperature: &str, kept: &Kept| {
        let text = format!(
            "{RATES}\n    --- surefoot.yaml\n    project: test\n    models:\n      small: {{ provider: openai_chat, price: free, \
             base_url: \"https://models.example.com/v1\", model: x, max_tokens: 90, temperature: {temperature} }}\n"
        );
        let mut drive = Drive::governed(&text, "", HELLO, Outside::new(r#"rate#1: {"score": 7}"#));
        let (change, no) = (project(&text).file.limits(), drive.charter.generation + 1);
        drive.charter.apply(no, &change, (&"ann".into(), Timestamp::default()), None).expect("limits");
        drive.store_answers = kept.clone();
        drive.run();
        drive
    };
    let kept = run("0.1", &Kept::new()).store_answers;
    assert_eq!(run("0.1", &kept).asked.len(), 0);
    assert_eq!(run("0.2", &kept).asked.len(), 1);
}

#[test]
fn only_an_answer_that_was_accepted_at_once_is_kept() {
    let keeps = |outside: &str| {
        let mut drive = Drive::new(program(RATES), HELLO, Outside::new(outside));
        drive.run();
        drive.store_answers.len()
    };
    assert_eq!(keeps(r#"rate#1: {"score": 7}"#), 1);
    assert_eq!(keeps(r#"rate#1: !refused"#), 0, "a failure");
    assert_eq!(keeps(r#"rate#1: {"score": 5}"#), 0, "one of which the step is unsure");
    assert_eq!(keeps("rate#1: {\"score\": \"x\"}\nrate#2: {\"score\": 7}"), 0, "one that was repaired");
}

#[test]
fn a_kept_answer_that_is_not_valid_here_is_not_used() {
    let mut kept = first();
    let answer = kept.values_mut().next().expect("the first run kept one");
    for not_valid in [r#"{"score": "seven"}"#, r#"{"score": 11}"#, r#"{"score": 5}"#] {
        answer.value = Value::from_json(not_valid.as_bytes()).expect("JSON");
        let kept = Kept::from([(*first().keys().next().expect("one key"), answer.clone())]);
        assert!(run_of(RATES, HELLO, ("main", Span::default()), &kept).1, "{not_valid}");
    }
}

#[test]
fn the_same_item_is_asked_about_once() {
    let (step, rest) =
        (RATES.find("          - step: rate").expect("the step"), RATES.find("    --- prompts").expect("the rest"));
    let each = format!(
        "{}          - step: all\n            each: input.texts\n            max_parallel: 1\n            steps: [ {{ step: rate, reason: prompts/rate.md, \
         model: small, see: {{ text: item }}, output: schemas/score.yaml, cache: {{ ttl: 1h }} }} ]\n{}",
        &RATES[..step].replace("=rate.score", "=all | length"),
        RATES[rest..]
            .replace("[ text ]", "[ texts ]")
            .replace("{ text: {", "{ texts: { type: array, items: {")
            .replace("string } }", "string } } }"),
    );
    check(
        &each,
        r#"{"texts": ["a", "b", "a"]}"#,
        "all[0]/rate#1: {\"score\": 1}\nall[1]/rate#1: {\"score\": 2}",
        expect![[r#"
            1   run started: w
            2   all: over 3 items
            3   all[0]/rate: asked model small, about 67 tokens
            4   all[0]/rate: answered {"score":1}
            5   all[0]: gave {"score":1}
            6   all[1]/rate: asked model small, about 67 tokens
            7   all[1]/rate: answered {"score":2}
            8   all[1]: gave {"score":2}
            9   all[2]/rate: answered by entry 4 of run_01a1f640bc0077078707070707070707, 0s old: {"score":1}
            10  all[2]: gave {"score":1}
            11  all: done [{"score":1},{"score":2},{"score":1}]
            12  stage only done
            13  run completed 3
        "#]],
    );
}

#[test]
fn an_answer_is_used_again_before_a_model_is_asked_and_never_after() {
    let mut drive = Drive::new(program(RATES), HELLO, Outside::new(r#"rate#1: {"score": 7}"#));
    drive.die_after = Some(2);
    drive.run();
    assert_eq!(drive.outline().lines().count(), 2, "{}", drive.outline());
    let event = Event::AnswerReused {
        step: StepPath::new("rate"),
        model: "small".into(),
        request: Digest::ZERO,
        output: Held::Value(Value::from(7)),
        from: Source { run: drive.state.run, entry: 3, age: Span::default() },
    };
    let wrong = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drive.push(Record::of(event))));
    let said = wrong.expect_err("the step has asked its model");
    let said = said.downcast_ref::<String>().expect("a text");
    assert!(said.contains("cannot follow in a run where `rate` is in progress, visit 1, attempt 1"), "{said}");
    assert_eq!(drive.now, Timestamp::parse("2026-11-20").expect("a date"), "and no time has passed");
}
