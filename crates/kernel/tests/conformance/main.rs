//! The JSON Schema Test Suite (draft 2020-12) over the validator of outputs. What the reader refuses never reaches it, and is
//! counted apart, with the reason; `known.txt` holds every case that is answered otherwise than the suite wants, with why.
//!
//! `cargo test -p kernel --test conformance -- --nocapture` prints the figures.

#![expect(clippy::disallowed_methods, reason = "the suite is files: the kernel itself reads none")]
#![expect(clippy::print_stdout, reason = "the figures are for people who ask for them with `--nocapture`")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use kernel::{schema::Schema, values::Value, yaml};
use serde_json::Value as Json;

const KNOWN: &str = include_str!("known.txt");

/// A schema, or in a few words why it is refused.
type Reader = fn(&Json) -> Result<Arc<Schema>, String>;

#[derive(Default)]
struct Count {
    passed: usize,
    refused: BTreeMap<String, usize>,
    failed: BTreeSet<String>,
}

fn files(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the suite") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "json") {
            all.push(path);
        }
    }
    all.sort();
}

/// The reader of project files, by the ids of its complaints; and the one for schemas that tools bring.
fn readers() -> [(&'static str, Reader); 2] {
    [
        ("of a project", |schema| {
            let file: Arc<str> = "schemas/case.yaml".into();
            let node =
                yaml::parse(&file, &schema.to_string()).map_err(|why| format!("{}: {}", why.id, title(why.id)))?;
            Schema::load(&file, &node).map_err(|all| format!("{}: {}", all[0].id, title(all[0].id)))
        }),
        ("of elsewhere", |schema| {
            Schema::from_json(schema).map_err(|why| {
                let why = ["does not point to a place", "has no end", "is not a", "regex", "pattern"]
                    .into_iter()
                    .find(|part| why.contains(part))
                    .map_or(why.clone(), |part| format!("it {part} …"));
                why.chars().take(80).collect()
            })
        }),
    ]
}

fn title(id: &str) -> &'static str {
    kernel::complaint::ALL.iter().find(|known| known.0 == id).map_or("", |known| known.1)
}

fn run(read: Reader, wanted: &dyn Fn(&str) -> bool) -> Count {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/json-schema-test-suite/tests/draft2020-12");
    let (mut all, mut count) = (Vec::new(), Count::default());
    files(&root, &mut all);
    for path in &all {
        let name = path.strip_prefix(&root).expect("below").to_string_lossy().replace('\\', "/");
        if !wanted(&name) {
            continue;
        }
        let groups: Vec<Json> = serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON");
        for group in &groups {
            let tests = group["tests"].as_array().expect("tests");
            let schema = match read(&group["schema"]) {
                Ok(schema) => schema,
                Err(why) => {
                    *count.refused.entry(why).or_default() += tests.len();
                    continue;
                }
            };
            for test in tests {
                let Ok(data) = Value::try_from(&test["data"]) else {
                    *count
                        .refused
                        .entry("the data is no value of ours: a number beyond 2^53".to_owned())
                        .or_default() += 1;
                    continue;
                };
                if schema.is_valid(&data) == test["valid"].as_bool().expect("valid") {
                    count.passed += 1;
                } else {
                    let text = |json: &Json| json["description"].as_str().expect("a description").to_owned();
                    count.failed.insert(format!("{name} | {} | {}", text(group), text(test)));
                }
            }
        }
    }
    count
}

#[test]
fn the_suite_is_answered_as_it_wants_but_for_the_known_cases() {
    let (mut found, mut figures) = (BTreeSet::new(), String::new());
    for (of, read) in readers() {
        for (part, wanted) in [("required", false), ("optional", true)] {
            let count = run(read, &|name| name.starts_with("optional/") == wanted);
            let refused: usize = count.refused.values().sum();
            let judged = count.passed + count.failed.len();
            let _ = writeln!(
                figures,
                "schemas {of}, {part} cases: {} of {judged} judged as the suite wants ({:.1} %), {refused} refused",
                count.passed,
                100.0 * count.passed as f64 / judged as f64
            );
            for (why, count) in &count.refused {
                let _ = writeln!(figures, "    {count:4} refused: {why}");
            }
            found.extend(count.failed.iter().map(|case| format!("{of} | {case}")));
        }
    }
    println!("{figures}");
    let known: BTreeSet<String> = KNOWN
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(" # ").expect("a known case has a reason after ` # `").0.to_owned())
        .collect();
    let new: Vec<&String> = found.difference(&known).collect();
    let gone: Vec<&String> = known.difference(&found).collect();
    assert!(new.is_empty() && gone.is_empty(), "not known: {new:#?}\nknown, and passes now: {gone:#?}");
    insta::assert_snapshot!(figures);
}
