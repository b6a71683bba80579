//! Any schema, and a value that fits it: down, enforced, and back.

use super::*;

/// A schema and values that fit it.
#[derive(Clone, Debug)]
struct Pair(Json, Vec<Json>);

fn leaf() -> impl Strategy<Value = Pair> {
    prop_oneof![
        Just(Pair(json!({ "type": "string", "minLength": 1 }), vec![json!("a"), json!("null"), json!("[1]")])),
        Just(Pair(json!({ "type": "integer", "minimum": 0 }), vec![json!(0), json!(7)])),
        Just(Pair(json!({ "type": "number" }), vec![json!(1.5), json!(2)])),
        Just(Pair(json!({ "type": "boolean" }), vec![json!(true)])),
        Just(Pair(json!({ "type": ["string", "integer"] }), vec![json!("a"), json!(4)])),
        Just(Pair(json!({ "enum": ["a", "b c"] }), vec![json!("b c")])),
        Just(Pair(json!({ "enum": [1, "1", false] }), vec![json!(1), json!("1"), json!(false)])),
        Just(Pair(json!({ "const": 3 }), vec![json!(3)])),
        Just(Pair(json!({ "type": "string", "format": "date" }), vec![json!("2026-11-28")])),
        Just(Pair(json!({}), vec![json!("x"), json!([1, { "a": "b" }]), json!(2), json!("3")])),
        Just(Pair(json!({ "type": "object" }), vec![json!({}), json!({ "k": [1], "l": "m" })])),
    ]
}

fn pair() -> impl Strategy<Value = Pair> {
    leaf().prop_recursive(4, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|Pair(schema, values)| {
                Pair(json!({ "type": "array", "items": schema }), vec![json!([]), values.into()])
            }),
            inner.clone().prop_map(|Pair(schema, values)| {
                let map: serde_json::Map<_, _> =
                    values.into_iter().enumerate().map(|(nth, one)| (format!("k{nth}"), one)).collect();
                Pair(json!({ "type": "object", "additionalProperties": schema }), vec![json!({}), map.into()])
            }),
            (inner.clone(), inner.clone()).prop_map(|(Pair(one, ones), Pair(two, twos))| {
                Pair(
                    json!({ "type": "array", "prefixItems": [one, two], "items": false }),
                    vec![json!([ones[0], twos[0]]), json!([ones[0]])],
                )
            }),
            (inner.clone(), inner.clone(), inner.clone(), 0_u8..4).prop_map(
                |(Pair(a, xs), Pair(b, ys), Pair(c, zs), how)| {
                    let mut schema = json!({
                        "type": "object",
                        "properties": { "a": a, "b": b, "c": c },
                        "required": ["c"],
                        "additionalProperties": false,
                    });
                    let mut values =
                        vec![json!({ "c": zs[0] }), json!({ "a": xs[0], "b": ys[0], "c": zs[zs.len() - 1] })];
                    if how == 1 {
                        schema["additionalProperties"] = json!({ "type": "string" });
                        values.push(json!({ "c": zs[0], "other": "x", "further": "y" }));
                    }
                    if how == 2 {
                        schema = json!({ "allOf": [schema, { "required": ["a"] }] });
                        values.remove(0);
                    }
                    Pair(schema, values)
                }
            ),
            inner.clone().prop_map(|Pair(schema, mut values)| {
                values.push(Json::Null);
                Pair(json!({ "anyOf": [schema, { "type": "null" }] }), values)
            }),
            (inner.clone(), inner).prop_map(|(Pair(a, xs), Pair(b, ys))| {
                let form = |kind: &str, schema| {
                    json!({
                        "type": "object",
                        "properties": { "kind": { "const": kind }, "of": schema },
                        "required": ["kind", "of"],
                        "additionalProperties": false,
                    })
                };
                Pair(
                    json!({ "oneOf": [form("a", a), form("b", b)] }),
                    vec![json!({ "kind": "a", "of": xs[0] }), json!({ "kind": "b", "of": ys[0] })],
                )
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn every_value_that_fits_goes_down_and_comes_back(Pair(json, values) in pair()) {
        let canonical = schema(&json);
        for dialect in Dialect::ALL {
            let lowered = lower(&canonical, dialect);
            prop_assert_eq!(lowered.clone().digest, lower(&canonical, dialect).digest);
            let server = enforced(&lowered);
            for value in &values {
                let value = Value::try_from(value).unwrap();
                prop_assert!(canonical.is_valid(&value), "{} {}", json, value);
                let written = lowered.write(&value);
                prop_assert!(
                    server.is_valid(&written),
                    "{:?}: {} is written {} for {}", dialect, value, written, lowered.schema
                );
                let back = lowered.lift(written.clone()).unwrap();
                // A property that may be null and may be left out is told as null.
                prop_assert!(canonical.is_valid(&back));
                prop_assert_eq!(without_nulls(&back), without_nulls(&value), "{:?}: {} in {}", dialect, written, lowered.schema);
                // As a text it is read without any coercion.
                let read = lowered.read(&written.to_json()).unwrap();
                prop_assert_eq!((&read.value, read.coerced.len()), (&back, 0));
            }
        }
    }

    #[test]
    fn nothing_is_invented_on_the_way_back(Pair(json, _) in pair(), other in pair()) {
        let canonical = schema(&json);
        for dialect in Dialect::ALL {
            let lowered = lower(&canonical, dialect);
            for answer in &other.1 {
                // What fits another schema, as if it were an answer to this one.
                for answer in [Value::try_from(answer).unwrap(), lowered.write(&Value::try_from(answer).unwrap())] {
                    let Ok(back) = lowered.lift(answer.clone()) else { continue };
                    let mut scalars = Vec::new();
                    leaves(&back, &mut scalars);
                    let said = answer.to_json();
                    for one in scalars {
                        prop_assert!(said.contains(&*one), "{:?}: {} of {} is not in {}", dialect, one, back, said);
                    }
                    if canonical.is_valid(&back) {
                        let again = lowered.lift(lowered.write(&back)).unwrap();
                        prop_assert_eq!(without_nulls(&again), without_nulls(&back), "{:?}", dialect);
                    }
                }
            }
        }
    }
}

/// The names and scalars of a value; all texts of these tests stand in JSON as they are.
fn leaves(value: &Value, all: &mut Vec<String>) {
    match value {
        Value::Map(map) => map.iter().for_each(|(name, one)| {
            all.push(name.to_string());
            leaves(one, all);
        }),
        Value::List(items) => items.iter().for_each(|one| leaves(one, all)),
        Value::Text(text) => all.push(text.to_string()),
        other => all.push(other.to_json()),
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            let kept = map.iter().filter(|(_, one)| !one.is_null());
            Value::map(kept.map(|(name, one)| (name.clone(), without_nulls(one))))
        }
        Value::List(items) => Value::list(items.iter().map(without_nulls)),
        other => other.clone(),
    }
}
