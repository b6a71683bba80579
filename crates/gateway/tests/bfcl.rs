//! The Berkeley Function Calling Leaderboard: every function's parameters go down into each dialect, every expected call goes down
//! and comes back, and what is wrong with a call is found by the schema as it was written.
//!
//! `cargo test -p gateway --test bfcl -- --nocapture` prints the figures.

#![expect(clippy::print_stdout, reason = "the figures are for people who ask for them with `--nocapture`")]

use std::{collections::BTreeMap, fmt::Write as _, fs, path::PathBuf, sync::Arc};

use expect_test::expect;
use gateway::model::lower::{Dialect, lower};
use kernel::{schema::Schema, values::Value};
use serde_json::{Map as Object, Value as Json, json};

const SETS: [&str; 3] = ["simple_python", "multiple", "parallel"];

fn lines(name: &str) -> Vec<Json> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/bfcl").join(name);
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The leaderboard's types are Python's.
fn mapped(json: &Json, closed: bool) -> Json {
    let Json::Object(keys) = json else { return json.clone() };
    let mut out = Object::new();
    for (key, value) in keys {
        let value = match key.as_str() {
            "type" => match value.as_str().unwrap() {
                "dict" => "object".into(),
                "float" => "number".into(),
                "tuple" => "array".into(),
                "any" => continue,
                other => other.into(),
            },
            "properties" => {
                let named = value.as_object().unwrap().iter();
                Json::Object(named.map(|(name, one)| (name.clone(), mapped(one, true))).collect())
            }
            "items" | "additionalProperties" => mapped(value, true),
            // Not keywords of JSON Schema, or said of no value.
            "optional" | "format" => continue,
            _ => value.clone(),
        };
        out.insert(key.clone(), value);
    }
    if closed && out.contains_key("properties") {
        out.insert("additionalProperties".to_owned(), false.into());
    }
    out.into()
}

/// The first of the values that an argument may have. `""` says that it may be left out.
fn first(schema: &Json, allowed: &Json) -> Option<Json> {
    let values = allowed.as_array().unwrap();
    let value = values.iter().find(|one| **one != "")?;
    Some(filled(schema, value))
}

/// In an object each property has a list of values again.
fn filled(schema: &Json, value: &Json) -> Json {
    match value {
        Json::Object(map) if schema["type"] == "object" && schema.get("properties").is_some() => {
            let named = map.iter().filter_map(|(name, allowed)| {
                let schema = &schema["properties"][name];
                let value = if allowed.is_array() { first(schema, allowed)? } else { allowed.clone() };
                Some((name.clone(), value))
            });
            Json::Object(named.collect())
        }
        Json::Object(map) => {
            let unlisted =
                |one: &Json| one.as_array().map_or(one.clone(), |all| all.first().cloned().unwrap_or_default());
            Json::Object(map.iter().map(|(name, one)| (name.clone(), unlisted(one))).collect())
        }
        Json::Array(items) => items.iter().map(|item| filled(&schema["items"], item)).collect(),
        other => other.clone(),
    }
}

/// A call that is wrong in one way, for each way that this schema can show.
fn mutated(schema: &Json, call: &Object<String, Json>) -> Vec<(&'static str, Json)> {
    let mut wrong = Vec::new();
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        let mut call = call.clone();
        if call.remove(name).is_some() {
            wrong.push(("a required argument is missing", call.into()));
        }
    }
    let mut more = call.clone();
    more.insert("no_such_argument".to_owned(), 1.into());
    wrong.push(("an unknown argument", more.into()));
    for name in call.keys() {
        let property = &schema["properties"][name];
        let other = match property["type"].as_str() {
            Some("string") => json!({ "not": "a text" }),
            Some("integer" | "number" | "boolean") => json!("neither"),
            Some("array") => json!({ "not": ["a list"] }),
            Some("object") => json!("no object"),
            _ => continue,
        };
        let mut call = call.clone();
        call.insert(name.clone(), other);
        wrong.push(("a wrong type", call.clone().into()));
        if property.get("enum").is_some() {
            call.insert(name.clone(), "no word of it".into());
            wrong.push(("a wrong word", call.into()));
        }
    }
    wrong
}

#[test]
fn calls_of_the_leaderboard_survive_every_dialect_and_wrong_ones_are_found() {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |what: String| *counts.entry(what).or_default() += 1;
    let mut odd = String::new();
    for set in SETS {
        let answers: BTreeMap<String, Json> = lines(&format!("possible_answer/BFCL_v4_{set}.json"))
            .into_iter()
            .map(|line| (line["id"].as_str().unwrap().to_owned(), line["ground_truth"].clone()))
            .collect();
        for line in lines(&format!("BFCL_v4_{set}.json")) {
            let id = line["id"].as_str().unwrap();
            let mut functions: BTreeMap<&str, (Json, Arc<Schema>)> = BTreeMap::new();
            for function in line["function"].as_array().unwrap() {
                let schema = mapped(&function["parameters"], true);
                let canonical = Schema::from_json(&schema).unwrap_or_else(|why| panic!("{id}: {why}"));
                for dialect in Dialect::ALL {
                    let lowered = lower(&canonical, dialect);
                    assert!(lowered.enforced(), "{id} {dialect:?}: {:?}", lowered.unfit);
                    if dialect != Dialect::Gemini {
                        Schema::from_json(&lowered.schema).unwrap_or_else(|why| panic!("{id} {dialect:?}: {why}"));
                    }
                    count(format!("functions for {}", dialect.name()));
                }
                functions.insert(function["name"].as_str().unwrap(), (schema, canonical));
            }
            for truth in answers[id].as_array().unwrap() {
                let (name, arguments) = truth.as_object().unwrap().iter().next().unwrap();
                let (schema, canonical) = &functions[name.as_str()];
                let given = arguments.as_object().unwrap().iter();
                let call: Object<String, Json> = given
                    .filter_map(|(name, allowed)| Some((name.clone(), first(&schema["properties"][name], allowed)?)))
                    .collect();
                let value = Value::try_from(&Json::Object(call.clone())).unwrap();
                if let Err(why) = canonical.validate(&value) {
                    // The leaderboard's own answer does not fit its own schema.
                    count("expected calls that do not fit their own schema".to_owned());
                    let _ = writeln!(odd, "{id}: {}", why.join("; "));
                    continue;
                }
                for dialect in Dialect::ALL {
                    let lowered = lower(canonical, dialect);
                    let read = lowered.take(lowered.write(&value)).unwrap();
                    assert_eq!((&read.value, read.coerced.len()), (&value, 0), "{id} {dialect:?}");
                    let text = lowered.read(&lowered.write(&value).to_json()).unwrap();
                    assert_eq!((&text.value, text.coerced.len()), (&value, 0), "{id} {dialect:?}");
                    count("expected calls down, back and valid".to_owned());
                    for (how, wrong) in mutated(schema, &call) {
                        let wrong = Value::try_from(&wrong).unwrap();
                        let read = lowered.take(lowered.write(&wrong)).unwrap();
                        assert!(!canonical.is_valid(&read.value), "{id} {dialect:?}: {how}: {}", read.value);
                        count(format!("calls that are wrong, and found so: {how}"));
                    }
                }
            }
        }
    }
    let figures: String = counts.iter().map(|(what, count)| format!("{count:5} {what}\n")).collect();
    println!("{figures}\n{odd}");
    expect![[r#"
          9704 calls that are wrong, and found so: a required argument is missing
         12692 calls that are wrong, and found so: a wrong type
           480 calls that are wrong, and found so: a wrong word
          4548 calls that are wrong, and found so: an unknown argument
          4548 expected calls down, back and valid
             3 expected calls that do not fit their own schema
          1157 functions for Anthropic's structured output
          1157 functions for Gemini's response schema
          1157 functions for JSON Schema
          1157 functions for OpenAI's strict output
    "#]]
    .assert_eq(&figures);
}
