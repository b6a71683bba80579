//! A project whose tool is a database: read, checked, migrated, run, and asked twice.

mod common;

use std::{fs, path::Path};

use common::Place;
use kernel::values::Value;
use surefoot::Surefoot;

const PAGE: &str = include_str!("../../../docs/tools.md");

/// The files of the example in docs/tools.md: each block of code that opens with a comment that names a file.
fn write_example(folder: &Path) -> Vec<String> {
    let mut written = Vec::new();
    for block in PAGE.split("```").skip(1).step_by(2) {
        let Some((_, text)) = block.split_once('\n') else { continue };
        let first = text.lines().next().unwrap_or_default();
        let Some(name) = first.strip_prefix("# ").or_else(|| first.strip_prefix("-- ")) else { continue };
        let name = name.split(':').next().unwrap_or_default();
        // A server's tools are accepted by a person first: no page can do that for its reader.
        if !name.contains('/') || text.contains("\nmcp:") {
            continue;
        }
        let path = folder.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).unwrap();
        fs::write(path, text).unwrap();
        written.push(name.to_owned());
    }
    written
}

fn run(folder: &Path, workflow: &str, input: &str) -> Value {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let surefoot = Surefoot::builder().project(folder).build().unwrap();
    let input = Value::from_json(input.as_bytes()).unwrap();
    let ended = runtime.block_on(surefoot.run_to_end(workflow, input)).unwrap();
    assert!(ended.failure.is_none(), "{:?}", ended.failure);
    ended.result.unwrap_or_default()
}

#[test]
fn the_example_of_the_page_runs_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let written = write_example(folder.path());
    assert!(written.len() >= 7, "{written:?}");
    fs::write(folder.path().join("surefoot.yaml"), "project: example\n").unwrap();
    fs::create_dir_all(folder.path().join("workflows")).unwrap();
    fs::write(
        folder.path().join("workflows/learn.yaml"),
        "workflow: learn\nresult: { value: { before: =before, set: =set, after: =after } }\nstages:\n  - stage: all\n    steps:\n\
         \x20     - { step: before, act: crm.find_company, with: { domain: =input.domain } }\n\
         \x20     - { step: set, act: crm.set_field, with: { domain: =input.domain, field: size, value: =input.size } }\n\
         \x20     - { step: after, act: crm.find_company, with: { domain: =input.domain } }\n",
    )
    .unwrap();
    let input = r#"{"domain":"example.com","size":{"from":10,"to":50}}"#;
    let result = run(folder.path(), "learn", input);
    assert_eq!(result.get("before"), Some(&Value::Null));
    let after = result.get("after").unwrap();
    assert_eq!(after.get("domain"), Some(&Value::text("example.com")));
    assert_eq!(
        after.get("fields").and_then(|fields| fields.get("size")).map(Value::to_json).as_deref(),
        Some("{\"from\":10,\"to\":50}")
    );
    // The next process finds what this one left, and applies no migration again.
    let again = run(folder.path(), "learn", input);
    assert_eq!(again.get("before").map(Value::to_json), Some(after.to_json()));
}

/// Each `add` is one more row, so that a change made twice is seen.
const COUNTING: [(&str, &str); 5] = [
    ("surefoot.yaml", "project: x\ntry: { workflow: count }\n"),
    (
        "workflows/count.yaml",
        "workflow: count\nresult: { value: =rows.n }\nstages:\n  - stage: all\n    steps:\n\
         \x20     - { step: add, act: book.add, with: { name: lamp } }\n      - { step: rows, act: book.count }\n",
    ),
    (
        "tools/book.yaml",
        "tool: book\nsql: { database: =env.BOOK, migrations: sql/migrations }\noperations:\n\
         \x20 add: { effect: idempotent, statement: sql/add.sql, key: { table: surefoot_key } }\n\
         \x20 count: { effect: read, statement: sql/count.sql, rows: one }\n",
    ),
    ("sql/add.sql", "INSERT INTO entry (name) VALUES (:name);\n"),
    ("sql/count.sql", "SELECT count(*) AS n FROM entry;\n"),
];

#[test]
fn a_process_killed_between_change_and_answer_has_changed_once() {
    for step in ["add", "rows"] {
        let place = Place::new();
        for (file, text) in COUNTING {
            place.write(&format!("demo/{file}"), text);
        }
        place.write("demo/sql/migrations/001_begin.sql", "CREATE TABLE entry (name TEXT NOT NULL) STRICT;\n");
        let mut command = place.command(&["run", "demo", "--crash-at", step, "--json"]);
        let said = common::said(command.env("BOOK", "book.db").output().unwrap());
        assert_eq!(said.code, 0, "{step}: {}{}", said.out, said.err);
        let lines: Vec<serde_json::Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let line = |kind: &str| lines.iter().find(|line| line["kind"] == kind).unwrap();
        assert_eq!(
            line("killed")["what"],
            format!(
                "book.{} had acted, and its answer was not recorded",
                match step {
                    "add" => "add",
                    _ => "count",
                }
            )
        );
        assert_eq!(line("count")["sent_again"], 1, "{step}");
        assert_eq!(line("summary")["result"], 1, "{step}");
        assert!(place.path().join("demo/book.db").is_file(), "a relative path begins at the project");
    }
}
