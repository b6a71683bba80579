//! The program in a folder of its own: what is run, decided and found there.
#![allow(dead_code, reason = "each file of tests uses a part of it")]

use std::{fs, path::Path};

use assert_cmd::Command;
use rusqlite::Connection;
use serde_json::{Value, json};

/// Folders and files that make up the project; this crate is left out.
const PROJECT: [&str; 12] = [
    "surefoot.yaml",
    "routes.yaml",
    "people.yaml",
    "policies",
    "workflows",
    "prompts",
    "schemas",
    "tools",
    "sql",
    "rules",
    "lexicons",
    "seed",
];

fn copy(from: &Path, to: &Path) {
    if !from.is_dir() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}

/// The project with its seed, in a folder of its own.
pub fn place() -> tempfile::TempDir {
    let keep = tempfile::tempdir().unwrap();
    for name in PROJECT {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &keep.path().join(name));
    }
    keep
}

pub fn program() -> Command {
    let mut command = Command::cargo_bin("support-desk").unwrap();
    for name in ["SUREFOOT_PROFILE", "SMTP_URL", "MAIL_FOLDER"] {
        command.env_remove(name);
    }
    command
}

/// Runs one input with `--json`; gives the summary.
pub fn run_file(place: &Path, file: &Path, more: &[&str]) -> Value {
    let mut command = program();
    let output = command.args(["run", "--json", "--input"]).arg(file).args(more).arg(place).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["kind"] == "summary").unwrap()
}

pub fn run(place: &Path, seed: &str) -> Value {
    run_file(place, &place.join(format!("seed/{seed}.json")), &[])["result"].clone()
}

/// Writes an input of the seed with some parts replaced; gives its file.
pub fn changed(place: &Path, seed: &str, changes: &Value) -> std::path::PathBuf {
    let text = fs::read(place.join(format!("seed/{seed}.json"))).unwrap();
    let mut input: Value = serde_json::from_slice(&text).unwrap();
    input["message_id"] = json!("changed@mail.example");
    for (key, value) in changes.as_object().unwrap() {
        input[key] = value.clone();
    }
    let file = place.join("changed.json");
    fs::write(&file, input.to_string()).unwrap();
    file
}

/// Runs an input of the seed with some parts replaced.
pub fn run_changed(place: &Path, seed: &str, changes: &Value) -> Value {
    run_file(place, &changed(place, seed, changes), &[])["result"].clone()
}

/// Runs one input of the seed until it waits for people; gives the approval's id.
pub fn run_until_asked(place: &Path, seed: &str) -> String {
    asked_of(place, &place.join(format!("seed/{seed}.json")))
}

/// Runs an input until it waits for people; gives the id of the newest approval.
pub fn asked_of(place: &Path, file: &Path) -> String {
    program().args(["run", "--json", "--input"]).arg(file).arg(place).assert().code(8);
    waiting(place).pop().expect("something waits")
}

/// The ids of what waits for people, oldest first.
pub fn waiting(place: &Path) -> Vec<String> {
    let listed = program().args(["approvals", "ls", "--json"]).arg(place).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let rows = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    rows.map(|row| row["approval"].as_str().unwrap().to_owned()).collect()
}

/// What a command says, and its exit code.
pub fn call(place: &Path, args: &[&str]) -> (i32, String) {
    let output = program().args(args).arg(place).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (output.status.code().unwrap(), said)
}

/// The newest run of a workflow.
pub fn last(place: &Path, workflow: &str) -> String {
    let (code, listed) = call(place, &["runs", "ls", "--json"]);
    assert_eq!(code, 0, "{listed}");
    let mut rows = listed.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let row = rows.find(|row| row["workflow"] == workflow).unwrap_or_else(|| panic!("no run of {workflow}: {listed}"));
    row["run"].as_str().unwrap().to_owned()
}

/// What the evidence of the newest run of the workflow says of the act of this name.
pub fn act(place: &Path, workflow: &str, name: &str) -> String {
    let (code, shown) = call(place, &["evidence", "show", &last(place, workflow)]);
    assert_eq!(code, 0, "{shown}");
    let mut lines = shown.lines().skip_while(|line| line.starts_with(' ') || !line.ends_with(&format!(" {name}")));
    let first = lines.next().unwrap_or_else(|| panic!("no act {name}: {shown}"));
    let rest = lines.take_while(|line| line.starts_with(' '));
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join("\n")
}

/// The letters that the mail server has accepted, each whole.
pub fn letters(place: &Path) -> Vec<String> {
    let Ok(folder) = fs::read_dir(place.join(".surefoot/mail")) else { return Vec::new() };
    let mut letters: Vec<String> = folder.map(|one| fs::read_to_string(one.unwrap().path()).unwrap()).collect();
    letters.sort();
    letters
}

/// Whom a letter is addressed to.
pub fn to(letter: &str) -> Vec<String> {
    // A head folds long lines: what goes on begins with a space.
    let head = letter.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ");
    let line = head.lines().find_map(|line| line.strip_prefix("To: ")).unwrap();
    line.split(',').map(|one| one.trim().to_owned()).collect()
}

/// Decides; gives the exit code and what was said.
pub fn decide(place: &Path, approval: &str, what: &str, by: &str) -> (i32, String) {
    let output =
        program().args(["approvals", "decide", approval, what]).arg(place).args(["--as", by]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (output.status.code().unwrap(), said)
}

/// The desk's database, made if no run has made it yet.
pub fn desk(place: &Path) -> Connection {
    assert_eq!(call(place, &["seed"]).0, 0);
    Connection::open(place.join("desk.db")).unwrap()
}

pub fn number(place: &Path, sql: &str) -> i64 {
    desk(place).query_row(sql, [], |row| row.get(0)).unwrap()
}

pub fn text(place: &Path, sql: &str) -> String {
    desk(place).query_row(sql, [], |row| row.get(0)).unwrap()
}
