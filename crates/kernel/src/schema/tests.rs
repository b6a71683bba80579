use expect_test::{Expect, expect};

use super::*;
use crate::yaml;

fn load(text: &str) -> Result<Arc<Schema>, Vec<Complaint>> {
    let file: Arc<str> = "schemas/x.yaml".into();
    let node = yaml::parse(&file, text).map_err(|complaint| vec![complaint])?;
    Schema::load(&file, &node)
}

fn complaints(text: &str, expected: Expect) {
    let out: String = match load(text) {
        Ok(schema) => format!("fine: {}\n", schema.ty()),
        Err(complaints) => complaints.iter().map(|complaint| complaint.render(Some(text))).collect(),
    };
    expected.assert_eq(&out);
}

fn answers(schema: &str, values: &[&str], expected: Expect) {
    let schema = load(schema).unwrap_or_else(|complaints| panic!("{complaints:?}"));
    let mut out = String::new();
    for text in values {
        let value = Value::from_json(text.as_bytes()).unwrap();
        match schema.validate(&value) {
            Ok(()) => out.push_str(&format!("{text}  fits\n")),
            Err(messages) => out.push_str(&format!("{text}\n    {}\n", messages.join("\n    "))),
        }
    }
    expected.assert_eq(&out);
}

#[test]
fn a_value_is_told_what_is_wrong_with_it() {
    answers(
        "
type: object
required: [email, cents]
additionalProperties: false
properties:
  email: { type: string, format: email }
  cents: { type: integer, minimum: 1, maximum: 50000 }
  kind: { enum: [full, part] }
  tags: { type: array, items: { type: string, pattern: '^[a-z]+$' }, maxItems: 2, uniqueItems: true }
  when: { type: [string, 'null'], format: date-time }
",
        &[
            r#"{"email":"a@b.example","cents":5}"#,
            r#"{"email":"x","cents":0}"#,
            r#"{"cents":1.5,"kind":"half","zip":1}"#,
            r#"{"email":"a@b.example","cents":5,"tags":["a","a","B"]}"#,
            r#"{"email":"a@b.example","cents":5,"when":"tomorrow"}"#,
            r#"{"email":"a@b.example","cents":5,"when":null}"#,
            r#"[]"#,
            r#""text""#,
        ],
        expect![[r#"
            {"email":"a@b.example","cents":5}  fits
            {"email":"x","cents":0}
                `/cents`: 0 is less than 1
                `/email`: "x" is not an e-mail address
            {"cents":1.5,"kind":"half","zip":1}
                the value: "email" is missing
                `/cents`: 1.5 is not a whole number
                `/kind`: "half" is not one of "full", "part"
                the value: "zip" may not stand there
            {"email":"a@b.example","cents":5,"tags":["a","a","B"]}
                `/tags` has more than 2 items
                `/tags`: an item stands twice
                `/tags/2`: "B" does not match `^[a-z]+$`
            {"email":"a@b.example","cents":5,"when":"tomorrow"}
                `/when`: "tomorrow" is not a time (`2026-11-20T09:00:00Z`)
            {"email":"a@b.example","cents":5,"when":null}  fits
            []
                the value: [] is not an object
            "text"
                the value: "text" is not an object
        "#]],
    );
}

#[test]
fn of_several_forms_the_nearest_is_told() {
    answers(
        "
anyOf:
  - { type: string }
  - type: object
    required: [id]
    properties: { id: { type: integer } }
",
        &[r#""x""#, r#"{"id":"1"}"#, r#"{}"#, r#"1"#],
        expect![[r#"
            "x"  fits
            {"id":"1"}
                `/id`: "1" is not a whole number
            {}
                the value: "id" is missing
            1
                the value: 1 fits none of the 2 forms it may have
        "#]],
    );
}

#[test]
fn messages_are_few_and_short() {
    let schema = load("type: array\nitems: { type: integer }").unwrap();
    let long = Value::list((0..100).map(|_| Value::text("x".repeat(5000))));
    let messages = schema.validate(&long).unwrap_err();
    assert_eq!(messages.len(), MAX_MESSAGES);
    assert!(messages.iter().all(|message| message.chars().count() < 300), "{messages:?}");
}

#[test]
fn what_is_wrong_in_a_schema_has_a_place() {
    complaints(
        "type: object\nproprties: { a: { type: strng } }\nproperties:\n  a: { type: string, formt: email }\n  b: { type: string, nullable: true }\n  c: { $dynamicRef: '#a' }\n  d: { type: string, format: e-mail }\n",
        expect![[r#"
            schemas/x.yaml:2:1: error[S002]: unknown keyword `proprties` in a schema
                2 | proprties: { a: { type: strng } }
                  | ^^^^^^^^^
               help: did you mean `properties`?
            schemas/x.yaml:4:22: error[S002]: unknown keyword `formt` in a schema
                4 |   a: { type: string, formt: email }
                  |                      ^^^^^
               help: did you mean `format`?
            schemas/x.yaml:5:22: error[S002]: unknown keyword `nullable` in a schema
                5 |   b: { type: string, nullable: true }
                  |                      ^^^^^^^^
               help: write `type: [string, "null"]`
            schemas/x.yaml:6:8: error[S007]: `$dynamicRef` is not supported yet here
                6 |   c: { $dynamicRef: '#a' }
                  |        ^^^^^^^^^^^
            schemas/x.yaml:7:30: error[S008]: the format `e-mail` is not one that is checked
                7 |   d: { type: string, format: e-mail }
                  |                              ^^^^^^
               help: did you mean `email`?
        "#]],
    );
    complaints(
        "type: strng\n",
        expect![[r#"
            schemas/x.yaml:1:7: error[S001]: there is no type `strng`
                1 | type: strng
                  |       ^^^^^
               help: did you mean `string`?
        "#]],
    );
    complaints(
        "type: object\nproperties:\n  a: { type: string, minLength: -1 }\n  b: { enum: a }\n",
        expect![[r#"
            schemas/x.yaml:3:33: error[S001]: this is no schema: `/properties/a/minLength`: -1 is less than 0
                3 |   a: { type: string, minLength: -1 }
                  |                                 ^^
            schemas/x.yaml:4:14: error[S001]: this is no schema: `/properties/b/enum`: "a" is not a list
                4 |   b: { enum: a }
                  |              ^
        "#]],
    );
    complaints(
        "properties: { a: { type: [string, null] } }\n",
        expect![[r#"
            schemas/x.yaml:1:35: error[S001]: `null` without quotes is no word here
                1 | properties: { a: { type: [string, null] } }
                  |                                   ^^^^
               help: write "null"
        "#]],
    );
    complaints(
        "- a\n",
        expect![[r#"
        schemas/x.yaml:1:1: error[W004]: expected a schema (a map), but here stands a list
            1 | - a
              | ^
    "#]],
    );
    complaints(
        "enum: [yes, no]\n",
        expect![[r#"
        schemas/x.yaml:1:8: error[Y012]: `yes` means different things to different readers of YAML
            1 | enum: [yes, no]
              |        ^^^
           help: quote it ("yes") to have a text, or write true
    "#]],
    );
    complaints(
        "$schema: http://json-schema.org/draft-07/schema#\n",
        expect![[r#"
        schemas/x.yaml:1:10: error[S001]: only JSON Schema 2020-12 is read
            1 | $schema: http://json-schema.org/draft-07/schema#
              |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
           help: write `$schema: https://json-schema.org/draft/2020-12/schema`, or leave it out
    "#]],
    );
}

#[test]
fn references_stay_in_the_file_and_have_an_end() {
    complaints(
        "$ref: https://example.com/x.json\n",
        expect![[r#"
        schemas/x.yaml:1:7: error[S003]: `https://example.com/x.json` does not point into this file
            1 | $ref: https://example.com/x.json
              |       ^^^^^^^^^^^^^^^^^^^^^^^^^^
           help: copy the schema under `$defs` and write `#/$defs/name`
    "#]],
    );
    complaints(
        "$ref: other.yaml\n",
        expect![[r#"
        schemas/x.yaml:1:7: error[S003]: `other.yaml` does not point into this file
            1 | $ref: other.yaml
              |       ^^^^^^^^^^
           help: copy the schema under `$defs` and write `#/$defs/name`
    "#]],
    );
    complaints(
        "$ref: '#/$defs/pont'\n$defs: { point: { type: integer } }\n",
        expect![[r#"
        schemas/x.yaml:1:7: error[S004]: there is no `#/$defs/pont` in this file
            1 | $ref: '#/$defs/pont'
              |       ^^^^^^^^^^^^^^
           help: did you mean `#/$defs/point`?
    "#]],
    );
    complaints(
        "$ref: '#'\n",
        expect![[r#"
        schemas/x.yaml:1:7: error[S005]: this `$ref` goes back to itself without a property or an item in between
            1 | $ref: '#'
              |       ^^^
    "#]],
    );
    complaints(
        "$ref: '#/$defs/a'\n$defs:\n  a: { allOf: [ { $ref: '#/$defs/b' } ] }\n  b: { not: { $ref: '#/$defs/a' } }\n",
        expect![[r#"
            schemas/x.yaml:1:7: error[S005]: this `$ref` goes back to itself without a property or an item in between
                1 | $ref: '#/$defs/a'
                  |       ^^^^^^^^^^^
        "#]],
    );
    complaints(
        "$ref: '#/$defs/a'\n$defs: { a: { properties: { next: { $ref: '#/$defs/a' } } } }\n",
        expect![[r#"
        fine: an object
    "#]],
    );
}

#[test]
fn ladders_of_references_are_refused() {
    let mut text = "$ref: '#/$defs/a0'\n$defs:\n".to_owned();
    for at in 0..40 {
        let next = at + 1;
        text.push_str(&format!(
            "  a{at}: {{ allOf: [ {{ $ref: '#/$defs/a{next}' }}, {{ $ref: '#/$defs/a{next}' }} ] }}\n"
        ));
    }
    text.push_str("  a40: { type: string }\n");
    assert_eq!(load(&text).unwrap_err()[0].id, "S005");
    let json = yaml::parse(&"x".into(), &text).unwrap().to_value().unwrap().to_serde();
    assert!(Schema::from_json(&json).is_err());
}

#[test]
fn recursion_through_properties_is_checked_to_the_bottom() {
    let schema =
        load("type: object\nadditionalProperties: false\nproperties: { next: { $ref: '#' }, v: { type: integer } }")
            .unwrap();
    let mut value = Value::map([("v", Value::text("no"))]);
    for _ in 0..60 {
        value = Value::map([("next", value)]);
    }
    let messages = schema.validate(&value).unwrap_err();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("is not a whole number"), "{messages:?}");
}

#[test]
fn patterns_are_linear_and_small() {
    complaints(
        "pattern: '(?=a)b'\n",
        expect![[r#"
        schemas/x.yaml:1:10: error[S006]: `(?=a)b` is no pattern that can be used here
            1 | pattern: '(?=a)b'
              |          ^^^^^^^^
           help: look-around is not part of the linear kind: use two schemas under `allOf`, or `not`
    "#]],
    );
    complaints(
        "pattern: '(a)\\1'\n",
        expect![[r#"
        schemas/x.yaml:1:10: error[S006]: `(a)\1` is no pattern that can be used here
            1 | pattern: '(a)\1'
              |          ^^^^^^^
    "#]],
    );
    complaints(
        "pattern: '(x{1000}){1000}'\n",
        expect![[r#"
        schemas/x.yaml:1:10: error[S006]: `(x{1000}){1000}` is no pattern that can be used here
            1 | pattern: '(x{1000}){1000}'
              |          ^^^^^^^^^^^^^^^^^
    "#]],
    );
    complaints(
        "pattern: '('\n",
        expect![[r#"
        schemas/x.yaml:1:10: error[S006]: `(` is no pattern that can be used here
            1 | pattern: '('
              |          ^^^
    "#]],
    );
    complaints(
        "patternProperties: { '[': { type: string } }\n",
        expect![[r#"
        schemas/x.yaml:1:22: error[S006]: `[` is no pattern that can be used here
            1 | patternProperties: { '[': { type: string } }
              |                      ^^^
    "#]],
    );
    let schema = load("type: string\npattern: '^(a+)+$'").unwrap();
    assert!(!schema.is_valid(&Value::text(format!("{}b", "a".repeat(50_000)))));
}

#[test]
fn schemas_from_elsewhere_may_say_more_but_not_reach_out() {
    let json =
        serde_json::json!({"type": "object", "x-vendor": 1, "properties": {"a": {"type": "string", "example": "b"}}});
    assert!(Schema::from_json(&json).is_ok());
    for json in [
        serde_json::json!({"$ref": "http://169.254.169.254/"}),
        serde_json::json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}),
        serde_json::json!({"$ref": "#"}),
        serde_json::json!({"type": "strng"}),
        serde_json::json!({"type": "string", "pattern": "(?<!x)y"}),
    ] {
        assert!(Schema::from_json(&json).is_err(), "{json}");
    }
}

#[test]
fn the_digest_names_the_content() {
    let a = load("type: object\nproperties: { a: { type: string } }").unwrap();
    let b = load("properties: { a: { type: string } }\ntype: object").unwrap();
    assert_eq!(a.digest(), b.digest());
    assert_ne!(a.digest(), load("type: object").unwrap().digest());
}
