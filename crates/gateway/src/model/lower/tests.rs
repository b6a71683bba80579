use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;

mod generated;

fn schema(json: &Json) -> Arc<Schema> {
    // Only what the kernel takes as a schema ever comes here.
    Schema::from_json(json).unwrap_or_else(|why| panic!("{why}: {json}"))
}

fn value(text: &str) -> Value {
    Value::from_json(text.as_bytes()).unwrap()
}

/// What is sent as JSON Schema, as a server that enforces it understands it.
pub(super) fn enforced(lowered: &Lowered) -> Arc<Schema> {
    fn plain(json: &Json) -> Json {
        match json {
            Json::Object(keys) => {
                let mut out: serde_json::Map<_, _> = keys
                    .iter()
                    .filter(|(key, one)| *key != "nullable" || !one.is_boolean())
                    .map(|(key, one)| (key.clone(), plain(one)))
                    .collect();
                if keys.get("type") == Some(&"object".into()) && keys.contains_key("propertyOrdering") {
                    out.shift_remove("propertyOrdering");
                    out.insert("additionalProperties".to_owned(), false.into());
                }
                match keys.get("nullable") {
                    Some(Json::Bool(true)) => json!({ "anyOf": [out, { "type": "null" }] }),
                    _ => out.into(),
                }
            }
            Json::Array(several) => several.iter().map(plain).collect(),
            other => other.clone(),
        }
    }
    schema(&plain(&lowered.schema))
}

fn check(canonical: Json, dialect: Dialect, expected: Expect) {
    let lowered = lower(&schema(&canonical), dialect);
    enforced(&lowered);
    let lost: String = lowered.adaptations().iter().map(|one| format!("{one}\n")).collect();
    expected.assert_eq(&format!("{}\n{lost}", lowered.schema));
}

fn item() -> Json {
    json!({
        "type": "object",
        "description": "One item.",
        "properties": {
            "quote": { "type": "string", "minLength": 3, "maxLength": 90, "description": "As it stands there." },
            "size": { "type": "integer", "minimum": 0, "exclusiveMaximum": 9, "default": 1, "x-exact": true },
            "kind": { "enum": ["a", "b"] },
            "link": { "type": "string", "format": "uri" },
            "part": { "$ref": "#/$defs/part", "description": "Its part." },
            "none": { "type": ["string", "null"] },
            "many": { "type": "object", "additionalProperties": { "type": "integer" }, "minProperties": 1 },
            "level": { "enum": [1, 2, null] },
        },
        "required": ["size", "quote", "many"],
        "additionalProperties": false,
        "$defs": { "part": { "properties": { "id": { "const": 7 } }, "required": ["id"] } },
    })
}

#[test]
fn an_item_for_openai() {
    check(
        item(),
        Dialect::OpenAi,
        expect![[r##"
            {"type":"object","required":["size","quote","many","kind","link","part","none","level"],"properties":{"quote":{"type":"string","description":"As it stands there. Must also hold: minLength 3; maxLength 90."},"size":{"type":"integer","minimum":0,"exclusiveMaximum":9,"description":"Note: default 1."},"kind":{"anyOf":[{"type":"string","enum":["a","b"]},{"type":"null"}]},"link":{"type":["string","null"],"description":"Must also hold: format uri."},"part":{"anyOf":[{"$ref":"#/$defs/part"},{"type":"null"}],"description":"Its part."},"none":{"type":["string","null"]},"many":{"type":"array","items":{"type":"object","required":["key","value"],"properties":{"key":{"type":"string"},"value":{"type":"integer"}},"additionalProperties":false},"description":"A map, as a list: each key once. Must also hold: minProperties 1."},"level":{"type":["integer","null"],"enum":[1,2,null]}},"additionalProperties":false,"description":"One item.","$defs":{"part":{"type":"object","required":["id"],"properties":{"id":{"type":"integer","const":7}},"additionalProperties":false}}}
            the server does not enforce /properties/quote: minLength 3
            the server does not enforce /properties/quote: maxLength 90
            the server does not enforce /properties/link: format uri
            the server does not enforce /properties/many: minProperties 1
        "##]],
    );
}

#[test]
fn an_item_for_anthropic() {
    check(
        item(),
        Dialect::Anthropic,
        expect![[r#"
            {"type":"object","required":["size","quote","many"],"properties":{"quote":{"type":"string","description":"As it stands there. Must also hold: minLength 3; maxLength 90."},"size":{"type":"integer","description":"Must also hold: minimum 0; exclusiveMaximum 9. Note: default 1."},"kind":{"type":"string","enum":["a","b"]},"link":{"type":"string","format":"uri"},"part":{"type":"object","required":["id"],"properties":{"id":{"type":"integer","const":7}},"additionalProperties":false,"description":"Its part."},"none":{"type":["string","null"]},"many":{"type":"array","items":{"type":"object","required":["key","value"],"properties":{"key":{"type":"string"},"value":{"type":"integer"}},"additionalProperties":false},"description":"A map, as a list: each key once. Must also hold: minProperties 1."},"level":{"type":["integer","null"],"enum":[1,2,null]}},"additionalProperties":false,"description":"One item."}
            the server does not enforce /properties/quote: minLength 3
            the server does not enforce /properties/quote: maxLength 90
            the server does not enforce /properties/size: minimum 0
            the server does not enforce /properties/size: exclusiveMaximum 9
            the server does not enforce /properties/many: minProperties 1
        "#]],
    );
}

#[test]
fn an_item_for_gemini_is_asked_for_in_the_order_of_the_file() {
    check(
        item(),
        Dialect::Gemini,
        expect![[r#"
            {"type":"object","required":["quote","size","many"],"properties":{"quote":{"type":"string","minLength":3,"maxLength":90,"description":"As it stands there."},"size":{"type":"integer","minimum":0,"description":"Must also hold: exclusiveMaximum 9. Note: default 1."},"kind":{"type":"string","enum":["a","b"]},"link":{"type":"string","description":"Must also hold: format uri."},"part":{"type":"object","required":["id"],"properties":{"id":{"type":"string","enum":["7"]}},"propertyOrdering":["id"],"description":"Its part."},"none":{"type":"string","nullable":true},"many":{"type":"array","items":{"type":"object","required":["key","value"],"properties":{"key":{"type":"string"},"value":{"type":"integer"}},"propertyOrdering":["key","value"]},"description":"A map, as a list: each key once. Must also hold: minProperties 1."},"level":{"type":"string","enum":["1","2"],"nullable":true}},"propertyOrdering":["quote","size","kind","link","part","none","many","level"],"description":"One item."}
            the server does not enforce /properties/size: exclusiveMaximum 9
            the server does not enforce /properties/link: format uri
            the server does not enforce /properties/many: minProperties 1
        "#]],
    );
}

#[test]
fn a_plain_schema_is_sent_without_our_keywords_and_properties_keep_their_names() {
    check(
        json!({ "type": "object", "x-labels": ["trusted"], "properties": { "x-a": { "type": "string", "x-exact": true } } }),
        Dialect::Plain,
        expect![[r#"
            {"type":"object","properties":{"x-a":{"type":"string"}}}
        "#]],
    );
}

#[test]
fn forms_that_exclude_each_other_become_alternatives() {
    let canonical = json!({
        "type": "object",
        "properties": { "one": { "oneOf": [{ "type": "string" }, { "type": "integer" }], "description": "It." } },
        "required": ["one"],
        "additionalProperties": false,
    });
    check(
        canonical.clone(),
        Dialect::OpenAi,
        expect![[r#"
            {"type":"object","required":["one"],"properties":{"one":{"anyOf":[{"type":"string"},{"type":"integer"}],"description":"It. Must also hold: exactly one of the forms."}},"additionalProperties":false}
            the server does not enforce /properties/one: exactly one of the forms
        "#]],
    );
    check(
        canonical,
        Dialect::Gemini,
        expect![[r#"
            {"type":"object","required":["one"],"properties":{"one":{"anyOf":[{"type":"string","description":"It. Must also hold: exactly one of the forms."},{"type":"integer","description":"It. Must also hold: exactly one of the forms."}]}},"propertyOrdering":["one"]}
            the server does not enforce /properties/one: exactly one of the forms
        "#]],
    );
}

#[test]
fn what_all_apply_becomes_one() {
    check(
        json!({
            "allOf": [
                { "$ref": "#/$defs/named" },
                { "properties": { "name": { "maxLength": 5 }, "n": { "type": "number", "minimum": 2 } }, "required": ["n"] },
            ],
            "properties": { "n": { "type": "integer", "minimum": 1 } },
            "$defs": { "named": { "type": "object", "properties": { "name": { "type": "string" } }, "required": ["name"] } },
        }),
        Dialect::OpenAi,
        expect![[r#"
            {"type":"object","required":["name","n"],"properties":{"n":{"type":"integer","minimum":2},"name":{"type":"string","description":"Must also hold: maxLength 5."}},"additionalProperties":false}
            the server does not enforce /$defs/named/properties/name: maxLength 5
        "#]],
    );
}

#[test]
fn a_schema_that_contains_itself_is_sent_or_written_out() {
    let tree = json!({
        "$ref": "#/$defs/tree",
        "$defs": { "tree": {
            "type": "object",
            "properties": { "name": { "type": "string" }, "sub": { "type": "array", "items": { "$ref": "#/$defs/tree" } } },
            "required": ["name"],
        } },
    });
    check(
        tree.clone(),
        Dialect::OpenAi,
        expect![[r##"
        {"type":"object","required":["name","sub"],"properties":{"name":{"type":"string"},"sub":{"type":["array","null"],"items":{"$ref":"#/$defs/tree"}}},"additionalProperties":false,"$defs":{"tree":{"type":"object","required":["name","sub"],"properties":{"name":{"type":"string"},"sub":{"type":["array","null"],"items":{"$ref":"#/$defs/tree"}}},"additionalProperties":false}}}
    "##]],
    );
    check(
        tree.clone(),
        Dialect::Anthropic,
        expect![[r#"
            {"type":"object","required":["name"],"properties":{"name":{"type":"string"},"sub":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"sub":{"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string"},"sub":{"type":"array","items":{"type":"string","description":"JSON, written as a text, of the same form as `tree` above."}}},"additionalProperties":false}}},"additionalProperties":false}}},"additionalProperties":false}
            the server does not enforce /$defs/tree/properties/sub/items: the form of what contains itself again
        "#]],
    );
    let canonical = schema(&tree);
    let whole =
        value(r#"{"name":"a","sub":[{"name":"b","sub":[{"name":"c","sub":[{"name":"d","sub":[{"name":"e"}]}]}]}]}"#);
    for dialect in Dialect::ALL {
        let lowered = lower(&canonical, dialect);
        let written = lowered.write(&whole);
        assert!(enforced(&lowered).is_valid(&written), "{dialect:?}: {written}");
        assert_eq!(lowered.lift(written), Ok(whole.clone()), "{dialect:?}");
    }
}

#[test]
fn a_root_that_is_no_object_stands_in_one() {
    check(
        json!({ "type": "array", "items": { "type": "string" } }),
        Dialect::Anthropic,
        expect![[r#"
        {"type":"object","required":["answer"],"properties":{"answer":{"type":"array","items":{"type":"string"}}},"additionalProperties":false}
    "#]],
    );
    check(
        json!({ "type": "object" }),
        Dialect::OpenAi,
        expect![[r#"
        {"type":"object","required":["answer"],"properties":{"answer":{"type":"array","items":{"type":"object","required":["key","value"],"properties":{"key":{"type":"string"},"value":{"type":"string","description":"Any JSON value, written as JSON in a text."}},"additionalProperties":false},"description":"A map, as a list: each key once."}},"additionalProperties":false}
    "#]],
    );
    let list = lower(&schema(&json!({ "type": "array", "items": { "type": "string" } })), Dialect::OpenAi);
    assert_eq!(list.lift(value(r#"{"answer":["a"]}"#)), Ok(value(r#"["a"]"#)));
    // A server that did not enforce it may be understood as well.
    assert_eq!(list.lift(value(r#"["a"]"#)), Ok(value(r#"["a"]"#)));
}

#[test]
fn a_map_comes_back_from_pairs_and_a_key_that_stands_twice_has_two_readings() {
    let canonical = schema(&json!({
        "type": "object",
        "properties": { "a": { "type": "integer" } },
        "required": ["a"],
        "additionalProperties": { "type": "string" },
    }));
    for dialect in [Dialect::OpenAi, Dialect::Anthropic, Dialect::Gemini] {
        let lowered = lower(&canonical, dialect);
        let lift = |text: &str| lowered.lift(value(text)).map(|value| value.to_json());
        assert_eq!(lift(r#"{"a":1,"further":[{"key":"b","value":"c"}]}"#), Ok(r#"{"a":1,"b":"c"}"#.to_owned()));
        assert_eq!(lift(r#"{"a":1,"further":null}"#), Ok(r#"{"a":1}"#.to_owned()));
        for text in [
            r#"{"a":1,"further":[{"key":"b","value":"c"},{"key":"b","value":"d"}]}"#,
            r#"{"a":1,"further":[{"key":"a","value":"c"}]}"#,
        ] {
            assert!(lift(text).is_err(), "{text}");
        }
        assert_eq!(
            lowered.write(&value(r#"{"a":1,"b":"c"}"#)),
            value(r#"{"a":1,"further":[{"key":"b","value":"c"}]}"#)
        );
    }
}

#[test]
fn words_that_are_no_texts_come_back_as_what_they_are() {
    let canonical = schema(&json!({ "type": "object", "properties": {
        "a": { "enum": [1, "1", true, null, { "x": 1 }] },
        "b": { "const": 7 },
    }, "required": ["a", "b"] }));
    for dialect in Dialect::ALL {
        let lowered = lower(&canonical, dialect);
        for text in [
            r#"{"a":1,"b":7}"#,
            r#"{"a":"1","b":7}"#,
            r#"{"a":true,"b":7}"#,
            r#"{"a":null,"b":7}"#,
            r#"{"a":{"x":1},"b":7}"#,
        ] {
            let written = lowered.write(&value(text));
            assert!(enforced(&lowered).is_valid(&written), "{dialect:?} {written} {}", lowered.schema);
            assert_eq!(lowered.lift(written), Ok(value(text)), "{dialect:?}");
        }
    }
}

#[test]
fn what_is_lost_is_found_after_the_way_back() {
    let object = |property: Json| json!({ "type": "object", "properties": { "a": property }, "required": ["a"] });
    // A schema, its keyword that a dialect loses, and an answer that only this keyword forbids.
    for (dialects, property, keyword, wrong) in [
        ("oa", json!({ "type": "string", "minLength": 3 }), "minLength", json!("x")),
        ("a", json!({ "type": "integer", "minimum": 3 }), "minimum", json!(1)),
        ("ag", json!({ "type": "number", "exclusiveMaximum": 3 }), "exclusiveMaximum", json!(3)),
        ("ag", json!({ "type": "number", "multipleOf": 2 }), "multipleOf", json!(3)),
        ("a", json!({ "type": "string", "pattern": "^a$" }), "pattern", json!("b")),
        ("a", json!({ "type": "array", "items": { "type": "integer" }, "maxItems": 1 }), "maxItems", json!([1, 2])),
        ("a", json!({ "type": "array", "items": { "type": "integer" }, "minItems": 2 }), "minItems", json!([1])),
        (
            "oag",
            json!({ "type": "array", "items": { "type": "integer" }, "uniqueItems": true }),
            "uniqueItems",
            json!([1, 1]),
        ),
        (
            "oag",
            json!({ "type": "array", "items": { "type": "integer" }, "contains": { "const": 1 } }),
            "contains",
            json!([2]),
        ),
        ("g", json!({ "type": "string", "format": "date" }), "format", json!("soon")),
        ("oag", json!({ "type": "string", "not": { "const": "x" } }), "not", json!("x")),
        (
            "oag",
            json!({ "type": "object", "additionalProperties": { "type": "integer" }, "minProperties": 1 }),
            "minProperties",
            json!({}),
        ),
        (
            "oag",
            json!({ "type": "object", "additionalProperties": { "type": "integer" }, "propertyNames": { "maxLength": 1 } }),
            "propertyNames",
            json!({ "ab": 1 }),
        ),
        (
            "oag",
            json!({ "type": "object", "patternProperties": { "^a": { "type": "integer" } }, "additionalProperties": false }),
            "patternProperties",
            json!({ "b": 1 }),
        ),
        (
            "oag",
            json!({ "type": "array", "prefixItems": [{ "type": "integer" }, { "type": "string" }], "items": false }),
            "prefixItems",
            json!(["a", 1]),
        ),
        ("oag", json!({ "oneOf": [{ "type": "integer" }, { "type": "number" }] }), "oneOf", json!(1)),
        (
            "oag",
            json!({ "type": "object", "properties": { "b": { "type": "integer" } }, "anyOf": [{ "required": ["b"] }, { "required": ["c"] }] }),
            "anyOf",
            json!({}),
        ),
        (
            "oag",
            json!({ "type": "object", "additionalProperties": { "type": "integer" }, "required": ["k"] }),
            "required",
            json!({ "j": 1 }),
        ),
    ] {
        let canonical = schema(&object(property.clone()));
        for (letter, dialect) in [('o', Dialect::OpenAi), ('a', Dialect::Anthropic), ('g', Dialect::Gemini)] {
            let lowered = lower(&canonical, dialect);
            assert!(lowered.enforced());
            let lost: Vec<(&str, &str)> =
                lowered.lost.iter().map(|lost| (lost.at.as_str(), lost.keyword.as_str())).collect();
            let expected = if dialects.contains(letter) { vec![("/properties/a", keyword)] } else { Vec::new() };
            assert_eq!(lost, expected, "{dialect:?} {property}");
            if lost.is_empty() {
                continue;
            }
            let described = lowered.schema.to_string();
            assert!(described.contains("Must also hold") || keyword == "prefixItems", "{described}");
            let wrong = Value::try_from(&json!({ "a": wrong })).unwrap();
            let written = lowered.write(&wrong);
            assert!(enforced(&lowered).is_valid(&written), "{dialect:?}: {written} against {}", lowered.schema);
            let back = lowered.lift(written).unwrap();
            assert_eq!(back, wrong);
            assert!(canonical.validate(&back).is_err(), "{dialect:?}: {keyword} is found");
        }
    }
}

#[test]
fn what_exceeds_a_dialect_is_told_in_the_text() {
    let many = |count: usize, property: &Json| -> Json {
        let properties: serde_json::Map<_, _> = (0..count).map(|nth| (format!("p{nth}"), property.clone())).collect();
        json!({ "type": "object", "properties": properties })
    };
    let text = json!({ "type": "string" });
    let mut deep = text.clone();
    for _ in 0..12 {
        deep = json!({ "type": "object", "properties": { "a": deep }, "required": ["a"] });
    }
    let words: Vec<String> = (0..1001).map(|nth| format!("w{nth}")).collect();
    let long: Vec<String> = (0..100).map(|nth| format!("{nth}{}", "w".repeat(1300))).collect();
    for (canonical, dialect, why) in [
        (deep, Dialect::OpenAi, Some(Unfit::Depth { has: 12, most: 10 })),
        (many(5001, &text), Dialect::OpenAi, Some(Unfit::Properties { has: 5001, most: 5000 })),
        (many(1, &json!({ "enum": words })), Dialect::Gemini, Some(Unfit::Words { has: 1001, most: 1000 })),
        (many(1, &json!({ "enum": long })), Dialect::OpenAi, Some(Unfit::Characters { has: 130_192, most: 120_000 })),
        // What is too much to be left out may be null, until that is too much as well.
        (many(24, &text), Dialect::Anthropic, None),
        (many(40, &text), Dialect::Anthropic, None),
        (many(41, &text), Dialect::Anthropic, Some(Unfit::Unions { has: 17, most: 16 })),
        (many(1, &json!({ "enum": [] })), Dialect::OpenAi, Some(Unfit::Impossible { at: "/properties/p0".to_owned() })),
    ] {
        let lowered = lower(&schema(&canonical), dialect);
        assert_eq!(lowered.unfit, why);
        if let Some(why) = why {
            assert_eq!((lowered.enforced(), &lowered.schema), (false, &canonical));
            assert_eq!(
                lowered.adaptations(),
                [Arc::from(format!("the schema is told in the text and not enforced: {why}"))]
            );
            assert!(lowered.told().ends_with(&canonical.to_string()) && !why.advice().is_empty());
        }
    }
}

#[test]
fn offers_of_one_request_share_its_limits() {
    let params = |count: usize| {
        let properties: serde_json::Map<_, _> =
            (0..count).map(|nth| (format!("p{nth}"), json!({ "type": "string" }))).collect();
        schema(&json!({ "type": "object", "properties": properties }))
    };
    let offer = |count| Offer { name: "x".into(), says: "X.".into(), params: params(count) };
    let offers = [offer(20), offer(10), offer(20), offer(0)];
    let enforced: Vec<bool> = lower_offers(&offers, Dialect::Anthropic).iter().map(Lowered::enforced).collect();
    assert_eq!(enforced, [true, true, false, true]);
    assert!(lower_offers(&offers, Dialect::OpenAi).iter().all(Lowered::enforced));
}

#[test]
fn nulls_that_stand_for_nothing_are_taken_out_and_others_stay() {
    let canonical = schema(&json!({
        "type": "object",
        "properties": {
            "gone": { "type": "string" },
            "maybe": { "type": ["string", "null"] },
            "any": {},
            "must": { "type": "string" },
            "list": { "type": "array", "items": { "type": "object", "properties": { "x": { "type": "integer" } } } },
            "form": { "oneOf": [
                { "type": "object", "properties": { "kind": { "const": "a" }, "n": { "type": ["integer", "null"] } },
                  "required": ["kind"] },
                { "type": "object", "properties": { "kind": { "const": "b" }, "n": { "type": "integer" } },
                  "required": ["kind"] },
            ] },
        },
        "required": ["must"],
    }));
    let lowered = lower(&canonical, Dialect::OpenAi);
    let lift = |text: &str| lowered.lift(value(text)).unwrap().to_json();
    assert_eq!(
        lift(r#"{"gone":null,"maybe":null,"any":null,"must":null,"other":null,"list":[{"x":null},{"x":1}]}"#),
        r#"{"list":[{},{"x":1}],"maybe":null,"must":null,"other":null}"#
    );
    assert_eq!(lift(r#"{"must":"m","any":"null"}"#), r#"{"any":null,"must":"m"}"#);
    assert_eq!(lift(r#"{"must":"m","any":"{\"a\":[1]}"}"#), r#"{"any":{"a":[1]},"must":"m"}"#);
    assert_eq!(lift(r#"{"must":"m","any":"not JSON"}"#), r#"{"any":"not JSON","must":"m"}"#);
    assert_eq!(lift(r#"{"must":"m","form":{"kind":"a","n":null}}"#), r#"{"form":{"kind":"a","n":null},"must":"m"}"#);
    assert_eq!(lift(r#"{"must":"m","form":{"kind":"b","n":null}}"#), r#"{"form":{"kind":"b"},"must":"m"}"#);
    assert_eq!(lift(r#"{"must":"m","form":null}"#), r#"{"must":"m"}"#);
    assert_eq!(lift("[1,null]"), "[1,null]");
}
