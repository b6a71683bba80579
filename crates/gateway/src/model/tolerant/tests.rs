use expect_test::{Expect, expect};
use kernel::schema::Schema;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::model::lower::{Dialect, lower};

fn value(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap()
}

#[test]
fn each_way_of_writing_is_read_and_told() {
    for (text, meant, how) in [
        ("{\"a\":1}", "{\"a\":1}", vec![]),
        (" \u{feff}{\"a\":1}\n", "{\"a\":1}", vec![]),
        ("```json\n{\"a\":1}\n```", "{\"a\":1}", vec![": Fence"]),
        ("```\n12\n```", "12", vec![": Fence"]),
        ("Here it is:\n```json\n{\"a\":1}\n```\nDone.", "{\"a\":1}", vec![": Fence", ": TextAround"]),
        ("The answer is {\"a\":1}.", "{\"a\":1}", vec![": TextAround"]),
        ("{\"a\":[1,2,],}", "{\"a\":[1,2]}", vec!["/a: TrailingComma", ": TrailingComma"]),
        ("{'a':'it\\'s \"b\"'}", "{\"a\":\"it's \\\"b\\\"\"}", vec!["/a: SingleQuotes"]),
        (
            "{a: 1, b_c: {d-e: 2}}",
            "{\"a\":1,\"b_c\":{\"d-e\":2}}",
            vec!["/a: UnquotedKey", "/b_c: UnquotedKey", "/b_c/d-e: UnquotedKey"],
        ),
        (
            "[True, False, None]",
            "[true,false,null]",
            vec!["/0: PythonLiteral", "/1: PythonLiteral", "/2: PythonLiteral"],
        ),
        ("True", "true", vec![": PythonLiteral"]),
        ("{'a/b~': 'x'}", "{\"a/b~\":\"x\"}", vec!["/a~1b~0: SingleQuotes"]),
        ("{\"a\":\"}{\"} as asked", "{\"a\":\"}{\"}", vec![": TextAround"]),
    ] {
        let parsed = parse(text).unwrap_or_else(|why| panic!("{why}: {text}"));
        let told: Vec<String> = parsed
            .coerced
            .iter()
            .map(|one| match one.how {
                How::Syntax(how) => format!("{}: {how:?}", one.at),
                How::Fitting(how) => panic!("{how:?} is no way of writing"),
            })
            .collect();
        assert_eq!((parsed.value, told), (value(meant), how.iter().map(|one| (*one).to_owned()).collect()), "{text}");
    }
}

#[test]
fn what_has_no_reading_or_two_is_refused() {
    let cases = [
        "",
        "  ",
        "Sure!",
        "{\"a\":1} {\"a\":2}",
        "[1] {\"a\":1}",
        "```json\n{\"a\":1}\n```\n```json\n{\"a\":2}\n```",
        "{\"a\":1,\"a\":2}",
        "{'a':1, a:2}",
        "{'a':'it's'}",
        "{\"a\":tru}",
        "{\"a\":yes}",
        "{\"a\":01}",
        "{\"a\":1_000}",
        "{\"a\":+1}",
        "{\"a\":.5}",
        "{\"a\":NaN}",
        "{\"a\":12345678901234567890}",
        "{\"a\" 1}",
        "{,}",
        "[1 2]",
        "[1,,2]",
        "(1, 2)",
        "{\"a\":1}}",
        "{\"a\":1},",
        "{ note } {\"a\":1}",
        "{\"a\": // b\n1}",
        "tru",
        "{\"a\":\"b\nc\"}",
    ];
    let said: String = cases.iter().map(|text| format!("{text:?}: {}\n", parse(text).unwrap_err())).collect();
    expect![[r#"
        "": it is empty
        "  ": it is empty
        "Sure!": expected value at line 1 column 1
        "{\"a\":1} {\"a\":2}": it has several readings: more than one value stands there
        "[1] {\"a\":1}": it has several readings: more than one value stands there
        "```json\n{\"a\":1}\n```\n```json\n{\"a\":2}\n```": it has several readings: more than one value stands there
        "{\"a\":1,\"a\":2}": it has several readings: the key `a` stands twice
        "{'a':1, a:2}": it has several readings: the key `a` stands twice
        "{'a':'it's'}": `s'}` at line 1 column 10
        "{\"a\":tru}": `tru}` at line 1 column 6
        "{\"a\":yes}": `yes}` at line 1 column 6
        "{\"a\":01}": `01}` at line 1 column 6
        "{\"a\":1_000}": `1_000}` at line 1 column 6
        "{\"a\":+1}": `+1}` at line 1 column 6
        "{\"a\":.5}": `.5}` at line 1 column 6
        "{\"a\":NaN}": `NaN}` at line 1 column 6
        "{\"a\":12345678901234567890}": `12345678901234567890` at line 1 column 6
        "{\"a\" 1}": `1}` at line 1 column 6
        "{,}": `,}` at line 1 column 2
        "[1 2]": `2]` at line 1 column 4
        "[1,,2]": `,2]` at line 1 column 4
        "(1, 2)": expected value at line 1 column 1
        "{\"a\":1}}": `}` stands around the value
        "{\"a\":1},": `,` stands around the value
        "{ note } {\"a\":1}": `} {"a":1}` at line 1 column 8
        "{\"a\": // b\n1}": `// b
        1}` at line 1 column 7
        "tru": it ends in the middle of a value
        "{\"a\":\"b\nc\"}": `"b
        c"}` at line 1 column 6
    "#]]
    .assert_eq(&said);
}

#[test]
fn a_text_that_was_cut_off_is_never_completed() {
    for whole in [
        r#"{"name":"a b","list":[1,{"x":null,"y":-2.5}],"t":true}"#,
        "{'name':'a b',list:[1,{x:None,'y':-2.5,},],t:True}",
        "```json\n{\"name\":[\"a\",\"b\"]}\n```",
    ] {
        let value = parse(whole).unwrap().value;
        for cut in (0..whole.len()).filter(|cut| whole.is_char_boundary(*cut)) {
            match parse(&whole[..cut]) {
                // Only the fence is missing.
                Ok(read) => assert_eq!(read.value, value, "cut after {cut}: {whole}"),
                Err(Unreadable::Empty | Unreadable::CutOff | Unreadable::NoJson(_)) => {}
                Err(why) => panic!("{why}"),
            }
        }
    }
    assert_eq!(parse("{\"a\":[1,2"), Err(Unreadable::CutOff));
    assert_eq!(parse("Here: {'a': 'b"), Err(Unreadable::CutOff));
}

fn fitted(schema: Json, text: &str, expected: Expect) {
    let schema = Schema::from_json(&schema).unwrap();
    let parsed = parse(text).unwrap();
    let (value, coerced) = fit(parsed.value, &schema, parsed.plain_numbers);
    let told: String = coerced.iter().map(|one| format!("{one}\n")).collect();
    let judged = if schema.is_valid(&value) { "fits" } else { "does not fit" };
    expected.assert_eq(&format!("{value} {judged}\n{told}"));
}

#[test]
fn values_of_another_type_are_fitted_and_told() {
    let schema = json!({
        "type": "object",
        "properties": {
            "n": { "type": "integer" },
            "f": { "type": ["number", "null"] },
            "t": { "type": "string" },
            "kind": { "enum": ["in transit", "Done"] },
            "level": { "enum": [1, 2] },
            "list": { "type": "array", "items": { "type": "integer" } },
            "form": { "anyOf": [{ "type": "integer" }, { "type": "array", "items": { "type": "string" } }] },
            "of": { "$ref": "#/$defs/of" },
        },
        "additionalProperties": { "type": "boolean" },
        "$defs": { "of": { "allOf": [{ "properties": { "n": { "type": "number" } } }] } },
    });
    fitted(
        schema.clone(),
        r#"{"n":" 12 ","f":"-1.5","t":7,"kind":"IN_TRANSIT","level":"2","list":"3","of":{"n":"4"},"b":true}"#,
        expect![[r#"
            {"b":true,"f":-1.5,"kind":"in transit","level":2,"list":[3],"n":12,"of":{"n":4},"t":"7"} fits
            /f: a number written as a text
            /kind: a word of the schema in other capitals or spaces
            /level: a number written as a text
            /list: one value where a list stands
            /list/0: a number written as a text
            /n: a number written as a text
            /of/n: a number written as a text
            /t: a text written as a number
        "#]],
    );
    fitted(
        schema.clone(),
        r#"{"form":"12"}"#,
        expect![[r#"
        {"form":"12"} does not fit
    "#]],
    );
    // Not in the table: nothing changes, and the answer does not fit.
    for text in [
        r#"{"n":"12 pieces"}"#,
        r#"{"n":"1,200"}"#,
        r#"{"n":"1.5"}"#,
        r#"{"n":true}"#,
        r#"{"n":null}"#,
        r#"{"t":1.5}"#,
        r#"{"t":1.0}"#,
        r#"{"b":"true"}"#,
        r#"{"kind":"don"}"#,
        r#"{"list":null}"#,
        r#"{"list":{"0":1}}"#,
        r#"{"n":"12","t":[]}"#,
    ] {
        let schema = Schema::from_json(&schema).unwrap();
        let parsed = parse(text).unwrap();
        let (value, coerced) = fit(parsed.value.clone(), &schema, parsed.plain_numbers);
        assert_eq!((value, coerced), (parsed.value, vec![]), "{text}");
    }
}

#[test]
fn two_readings_are_none() {
    let words = Schema::from_json(&json!({ "enum": ["A b", "a_B"] })).unwrap();
    assert_eq!(fit("a b".into(), &words, true), ("a b".into(), vec![]));
    let forms = json!({ "anyOf": [{ "type": "integer" }, { "type": "array", "items": { "type": "string" } }] });
    let forms = Schema::from_json(&forms).unwrap();
    assert_eq!(fit("12".into(), &forms, true), ("12".into(), vec![]));
    assert_eq!(fit("x".into(), &forms, true).0, value(r#"["x"]"#));
}

#[test]
fn exact_values_are_what_they_are() {
    let money = |exact: Json| {
        let mut schema = json!({
            "type": "object",
            "properties": {
                "amount": { "type": "number" },
                "id": { "$ref": "#/$defs/id" },
                "lines": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } },
            },
            "$defs": { "id": { "type": "string" } },
        });
        let object = schema.pointer_mut(exact.as_str().unwrap()).unwrap();
        object["x-exact"] = true.into();
        Schema::from_json(&schema).unwrap()
    };
    for (at, text, changes) in [
        ("/properties/amount", r#"{"amount":"12.50"}"#, false),
        ("/properties/amount", r#"{"lines":[{"n":"1"}]}"#, true),
        ("/$defs/id", r#"{"id":17}"#, false),
        ("/properties/lines", r#"{"lines":[{"n":"1"}]}"#, false),
        ("/properties/lines", r#"{"lines":{"n":1}}"#, false),
        ("/properties/lines", r#"{"amount":"12.50"}"#, true),
        ("", r#"{"amount":"12.50"}"#, false),
    ] {
        let (fitted, coerced) = fit(value(text), &money(at.into()), true);
        assert_eq!((fitted != value(text), !coerced.is_empty()), (changes, changes), "{at} {text}");
    }
    // How it is written is another matter: the value is the same.
    let lowered = lower(&money("".into()), Dialect::Plain);
    let read = lowered.read("```json\n{'amount': 12.50,}\n```").unwrap();
    assert_eq!(read.value, value(r#"{"amount":12.5}"#));
    assert_eq!(
        in_words(&read.coerced),
        ["the whole: a code fence around it", "/amount: single quotes", "the whole: a comma after the last item"]
            .map(Arc::from)
    );
}

#[test]
fn what_was_sent_otherwise_is_taken_back_before_it_is_fitted() {
    let canonical =
        json!({ "type": "array", "items": { "type": "object", "additionalProperties": { "type": "integer" } } });
    let lowered = lower(&Schema::from_json(&canonical).unwrap(), Dialect::OpenAi);
    let read = lowered.read(r#"{"answer":[[{"key":"a","value":"1"}]]}"#).unwrap();
    assert_eq!(read.value, value(r#"[{"a":1}]"#));
    assert_eq!(in_words(&read.coerced), [Arc::from("/0/a: a number written as a text")]);
    let twice = lowered.read(r#"{"answer":[[{"key":"a","value":1},{"key":"a","value":2}]]}"#);
    assert_eq!(twice, Err(Unreadable::TwoReadings("the key `a` stands twice".to_owned())));
}

fn json_value() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        (-1000_i64..1000).prop_map(Json::from),
        (-100_i32..100).prop_map(|n| json!(f64::from(n) / 8.0)),
        "[ -~äé]{0,8}".prop_map(Json::from),
        "(-?[0-9]{1,3}|in transit|IN_TRANSIT)".prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn some_schema() -> impl Strategy<Value = Json> {
    let leaf = prop_oneof![
        Just(json!({ "type": "integer" })),
        Just(json!({ "type": "number", "x-exact": true })),
        Just(json!({ "type": "string" })),
        Just(json!({ "enum": ["in transit", "x", 7] })),
        Just(json!({ "type": ["boolean", "null"] })),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|items| json!({ "type": "array", "items": items })),
            (inner.clone(), inner.clone())
                .prop_map(|(a, b)| json!({ "type": "object", "properties": { "a": a, "b": b } })),
            (inner.clone(), inner).prop_map(|(a, b)| json!({ "anyOf": [a, b] })),
        ]
    })
}

/// Takes back one step of the table, at its place.
fn undone(fitted: &Value, coerced: &[Coerced]) -> Json {
    let mut json = fitted.to_serde();
    for one in coerced.iter().rev() {
        let place = json.pointer_mut(&one.at).expect("the place of a coercion is in the value");
        let was = match (&one.how, &*place) {
            (How::Fitting(Fitting::NumberFromText), Json::Number(_)) => json!({ "text of": place }),
            (How::Fitting(Fitting::TextFromNumber), Json::String(text)) => text.parse::<i64>().map(Json::from).unwrap(),
            (How::Fitting(Fitting::WordSpelling), Json::String(_)) => json!({ "spelling of": place }),
            (How::Fitting(Fitting::ListOfOne), Json::Array(items)) => items[0].clone(),
            other => panic!("{other:?}"),
        };
        *place = was;
    }
    json
}

/// Whether the original is what was undone, where a text stood whose characters are not known any more.
fn is_like(undone: &Json, original: &Json) -> bool {
    match (undone, original) {
        (Json::Object(one), Json::String(text)) if one.contains_key("text of") => {
            serde_json::from_str::<Json>(text.trim()).is_ok_and(|number| number.as_f64() == one["text of"].as_f64())
        }
        (Json::Object(one), Json::String(text)) if one.contains_key("spelling of") => {
            one["spelling of"].as_str().unwrap().to_lowercase() == text.trim().to_lowercase().replace(['_', '-'], " ")
        }
        (Json::Object(one), Json::Object(two)) => {
            one.len() == two.len() && one.iter().all(|(name, one)| two.get(name).is_some_and(|two| is_like(one, two)))
        }
        (Json::Array(one), Json::Array(two)) => {
            one.len() == two.len() && one.iter().zip(two).all(|(one, two)| is_like(one, two))
        }
        (Json::Number(one), Json::Number(two)) => one.as_f64() == two.as_f64(),
        (one, two) => one == two,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_value_changes_only_as_the_table_says_and_only_if_it_fits_then(schema in some_schema(), json in json_value()) {
        let compiled = Schema::from_json(&schema).unwrap();
        let original = Value::try_from(&json).unwrap();
        let (fitted, coerced) = fit(original.clone(), &compiled, true);
        prop_assert_eq!(fitted == original, coerced.is_empty());
        if !coerced.is_empty() {
            prop_assert!(!compiled.is_valid(&original) && compiled.is_valid(&fitted));
            prop_assert!(is_like(&undone(&fitted, &coerced), &original.to_serde()), "{} became {} by {:?}", original, fitted, coerced);
        }
    }

    #[test]
    fn json_reads_as_itself(json in json_value()) {
        let parsed = parse(&json.to_string()).unwrap();
        prop_assert_eq!((parsed.value.to_serde(), parsed.coerced), (Value::try_from(&json).unwrap().to_serde(), vec![]));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[{}\\[\\],:'\"a-c0-9 \\\\`T\n.-]{0,40}") {
        if let Ok(parsed) = parse(&text) {
            prop_assert!(parsed.value.to_json().len() <= text.len() * 6 + 8);
        }
    }
}
