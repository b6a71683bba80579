//! Whatever stands in a text: no panic, and each quote stands in the text.

use proptest::prelude::*;

use super::*;

/// Pieces that mean something to the rules, and characters that mean trouble.
fn texts() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("1,200 – 1,500 people".to_owned()),
        Just("12 employees".to_owned()),
        Just("founded in 1998".to_owned()),
        Just("We use Rust".to_owned()),
        Just("fully remote".to_owned()),
        Just("United\u{a0}Kingdom".to_owned()),
        Just("not".to_owned()),
        Just(". ".to_owned()),
        Just("\r\n\n".to_owned()),
        Just("İ\u{301}\u{202e}👩‍🚀".to_owned()),
        Just("９９９９９ people".to_owned()),
        Just("x".repeat(500)),
        "\\PC{0,12}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_quote_stands_in_its_text(text in texts()) {
        let rules = READ.with(Clone::clone);
        let fields = ["staff", "founded", "country", "uses", "remote"].map(Value::text);
        let shown = Value::map([("text", Value::text(text.as_str())), ("fields", Value::list(fields.clone()))]);
        let scored = rules.scored(&shown).unwrap();
        for one in &scored {
            prop_assert!(text.contains(&*one.quote), "{:?}", one);
            prop_assert!((0.0..=1.0).contains(&one.score));
        }
        let answer = rules.answer(&shown).unwrap();
        let count = |key: &str| match answer.get(key) { Some(Value::List(items)) => items.len(), _ => 0 };
        prop_assert_eq!(count("facts") + count("not_found"), fields.len());
        prop_assert_eq!(rules.answer(&shown).unwrap(), answer);
    }
}

thread_local! {
    static READ: Rules = reader();
}

#[test]
fn a_pattern_that_finds_everywhere_is_followed_only_so_far() {
    // Each search of the first branch goes to the end of the text before the second one finds one character.
    let rules = parse(
        r#"
answers: schemas/any.yaml
reads: { text: text }
extract:
  all: { from: text, fields: { letter: { take: all, find: [ { match: "a.*z|a" } ] } } }
answer: { letters: "=all.found | length" }
"#,
        &[],
    );
    let answer = rules.answer(&Value::map([("text", Value::text("a".repeat(200_000)))])).unwrap();
    assert_eq!(answer.to_json(), r#"{"letters":1}"#);
}
