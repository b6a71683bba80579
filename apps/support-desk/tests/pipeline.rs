//! The program on the committed inputs: what a newcomer types, what may not happen, and what the measurement says.

use std::{fs, path::Path};

use assert_cmd::Command;
use rusqlite::Connection;
use serde_json::{Value, json};

/// Folders and files that make up the project; this crate is left out.
const PROJECT: [&str; 11] = [
    "surefoot.yaml",
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
fn place() -> tempfile::TempDir {
    let keep = tempfile::tempdir().unwrap();
    for name in PROJECT {
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join(name), &keep.path().join(name));
    }
    keep
}

fn program() -> Command {
    let mut command = Command::cargo_bin("support-desk").unwrap();
    command.env_remove("SUREFOOT_PROFILE");
    command
}

/// Runs one input with `--json`; gives the summary.
fn run_file(place: &Path, file: &Path, more: &[&str]) -> Value {
    let mut command = program();
    let output = command.args(["run", "--json", "--input"]).arg(file).args(more).arg(place).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let mut lines = said.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["kind"] == "summary").unwrap()
}

fn run(place: &Path, seed: &str) -> Value {
    run_file(place, &place.join(format!("seed/{seed}.json")), &[])["result"].clone()
}

/// Runs an input of the seed with some parts replaced.
fn run_changed(place: &Path, seed: &str, changes: &Value) -> Value {
    let text = fs::read(place.join(format!("seed/{seed}.json"))).unwrap();
    let mut input: Value = serde_json::from_slice(&text).unwrap();
    input["message_id"] = json!("changed@mail.example");
    for (key, value) in changes.as_object().unwrap() {
        input[key] = value.clone();
    }
    let file = place.join("changed.json");
    fs::write(&file, input.to_string()).unwrap();
    run_file(place, &file, &[])["result"].clone()
}

/// Runs one input of the seed until it waits for people; gives the approval's id.
fn run_until_asked(place: &Path, seed: &str) -> String {
    let file = place.join(format!("seed/{seed}.json"));
    program().args(["run", "--json", "--input"]).arg(file).arg(place).assert().code(8);
    let listed = program().args(["approvals", "ls", "--json"]).arg(place).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let first: Value = serde_json::from_str(listed.lines().next().expect("something waits")).unwrap();
    first["approval"].as_str().unwrap().to_owned()
}

/// Decides; gives the exit code and what was said.
fn decide(place: &Path, approval: &str, what: &str, by: &str) -> (i32, String) {
    let output =
        program().args(["approvals", "decide", approval, what]).arg(place).args(["--as", by]).output().unwrap();
    let said = [output.stdout, output.stderr].map(|said| String::from_utf8(said).unwrap()).concat();
    (output.status.code().unwrap(), said)
}

/// Changes every text of one column of the data directory.
fn change(place: &Path, table: &str, column: &str, from: &[u8], to: &[u8]) -> usize {
    let data = Connection::open(place.join(".surefoot/surefoot.db")).unwrap();
    let rows: Vec<(i64, Vec<u8>)> = data
        .prepare(&format!("SELECT rowid, CAST({column} AS BLOB) FROM {table}"))
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let mut changed = 0;
    for (row, bytes) in rows {
        let Some(at) = bytes.windows(from.len()).position(|window| window == from) else { continue };
        let mut bytes = bytes;
        bytes[at..at + from.len()].copy_from_slice(to);
        data.execute(&format!("UPDATE {table} SET {column} = ?1 WHERE rowid = ?2"), (bytes, row)).unwrap();
        changed += 1;
    }
    changed
}

#[test]
fn a_large_refund_waits_for_a_manager_who_did_not_ask_for_it() {
    let place = place();
    let approval = run_until_asked(place.path(), "refund-620");
    assert_eq!(number(place.path(), "SELECT count(*) FROM refund"), 0);
    let (code, said) = decide(place.path(), &approval, "approve", "sam");
    assert_eq!(code, 9, "{said}");
    assert!(said.contains("`sam` asked for this action, and who asks does not decide"), "{said}");
    let (code, said) = decide(place.path(), &approval, "approve", "lee");
    assert!(code == 9 && said.contains("`lee` is in none of the groups that decide this: `managers`"), "{said}");
    let (code, said) = decide(place.path(), &approval, "approve", "ines");
    assert_eq!(code, 0, "{said}");
    assert_eq!(number(place.path(), "SELECT sum(refunded_cents) FROM payment"), 62_000);
    // Decided again, it changes nothing.
    let (_, again) = decide(place.path(), &approval, "approve", "ines");
    assert_eq!(number(place.path(), "SELECT count(*) FROM refund"), 1, "{again}");
    let why = program().args(["runs", "why", "last", "refund"]).arg(place.path()).output().unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    let rule = "rule refund.manager (policies/ask/refunds.cedar:7): input.amount_cents = 62000";
    assert!(why.contains(rule) && why.contains("approved by ines"), "{why}");
}

#[test]
fn one_cent_changed_in_the_database_is_refused() {
    let (was, is) = (&br#""amount_cents":62000,"at""#[..], &br#""amount_cents":62001,"at""#[..]);
    // In what the run is about to do, before anybody decided.
    let first = place();
    let approval = run_until_asked(first.path(), "refund-620");
    assert_eq!(change(first.path(), "journal", "entries", was, is), 1);
    let (code, said) = decide(first.path(), &approval, "approve", "ines");
    assert!(code == 6 && said.contains("does not fit its digest"), "{code} {said}");
    // In what a person is shown.
    let second = place();
    let approval = run_until_asked(second.path(), "refund-620");
    assert_eq!(change(second.path(), "approval", "card", was, is), 1);
    let (code, said) = decide(second.path(), &approval, "approve", "ines");
    assert!(code == 9 && said.contains("is not what its run asked"), "{code} {said}");
    // After the yes, before the act.
    let third = place();
    let approval = run_until_asked(third.path(), "refund-620");
    program()
        .args(["approvals", "decide", &approval, "approve"])
        .arg(third.path())
        .args(["--as", "ines", "--no-run"])
        .assert()
        .success();
    assert_eq!(change(third.path(), "journal", "entries", was, is), 1);
    program().args(["run", "--resume"]).arg(third.path()).assert().code(8);
    for place in [first, second, third] {
        assert_eq!(number(place.path(), "SELECT count(*) FROM refund"), 0);
    }
}

#[test]
fn a_mail_to_many_is_read_by_two_people_first() {
    let place = place();
    let approval = run_until_asked(place.path(), "bulk");
    assert_eq!(decide(place.path(), &approval, "approve", "sam").0, 8);
    assert_eq!(number(place.path(), "SELECT count(*) FROM outbound"), 0);
    let (code, said) = decide(place.path(), &approval, "approve", "ines");
    assert_eq!(code, 0, "{said}");
    assert_eq!(number(place.path(), "SELECT count(*) FROM outbound WHERE state = 'held'"), 1);
}

fn desk(place: &Path) -> Connection {
    Connection::open(place.join("desk.db")).unwrap()
}

fn number(place: &Path, sql: &str) -> i64 {
    desk(place).query_row(sql, [], |row| row.get(0)).unwrap()
}

fn text(place: &Path, sql: &str) -> String {
    desk(place).query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn the_project_is_in_order() {
    let place = place();
    program().arg("check").arg(place.path()).assert().success();
    program().args(["fmt", "--check"]).arg(place.path()).assert().success();
}

#[test]
fn a_payment_that_was_taken_twice_is_given_back_once_however_often_the_process_dies() {
    let place = place();
    let file = place.path().join("seed/refund-30.json");
    let first = run_file(place.path(), &file, &["--crash-at", "refund"]);
    let result = &first["result"];
    assert_eq!(result["status"], "refunded", "{result}");
    assert_eq!(result["refund"], json!({ "payment_id": "PAY-20005", "amount_cents": 3000, "currency": "USD" }));
    assert_eq!((&result["reply"]["template"], &result["reply"]["state"]), (&json!("refunded"), &json!("draft")));
    assert!(result["reply"]["body"].as_str().unwrap().contains("30.00 USD for payment PAY-20005"), "{result}");
    // The same message again is the first run.
    assert_eq!(run_file(place.path(), &file, &[])["run"], first["run"]);
    assert_eq!(number(place.path(), "SELECT count(*) FROM refund"), 1);
    assert_eq!(number(place.path(), "SELECT sum(refunded_cents) FROM payment"), 3000);
    assert_eq!(text(place.path(), "SELECT status FROM thread"), "waiting_customer");
}

#[test]
fn each_input_comes_to_its_desk() {
    let place = place();
    let technical = run(place.path(), "technical");
    assert_eq!((&technical["status"], &technical["queue"]), (&json!("answered"), &json!("technical")), "{technical}");
    assert!(technical["confidence"].as_f64().unwrap() >= 0.7, "{technical}");

    // Of these no classifier was asked.
    let angry = run(place.path(), "angry");
    assert_eq!((&angry["status"], &angry["queue"]), (&json!("escalated"), &json!("front-desk")), "{angry}");
    assert!(angry["anger"].as_f64().unwrap() >= 0.7 && angry["category"].is_null(), "{angry}");
    let complaint = run(place.path(), "complaint");
    assert_eq!((&complaint["queue"], &complaint["category"]), (&json!("complaints"), &Value::Null), "{complaint}");

    assert_eq!(number(place.path(), "SELECT count(*) FROM outbound WHERE state = 'sent'"), 0);
    let note = text(place.path(), "SELECT text FROM case_note WHERE kind = 'complaint'");
    assert!(note.contains("Record: PAY-20013 transfer abroad, 4.50 USD"), "{note}");
    let priority = text(place.path(), "SELECT priority FROM thread WHERE queue = 'front-desk'");
    assert_eq!(priority, "high");
}

#[test]
fn money_moves_only_for_a_verified_customer_and_a_payment_that_is_theirs() {
    let place = place();
    for (changes, why) in [
        (json!({ "message_id": "a", "auth": "fail" }), "not_verified"),
        (json!({ "message_id": "b", "from": "somebody@else.example" }), "not_verified"),
        (json!({ "message_id": "c", "customer_id": "C-9999" }), "not_verified"),
        (json!({ "message_id": "d", "body": "Please refund payment PAY-20001, I was charged twice." }), "not_found"),
        (
            json!({ "message_id": "g", "body": "There is a payment on my statement that I did not make. I want my $29.00 back." }),
            "disputed",
        ),
        (json!({ "message_id": "h", "body": "I was charged twice. Please refund the second payment." }), "not_named"),
        (
            json!({ "message_id": "e", "body": "I was charged twice, please refund the second payment of $29.00." }),
            "not_twice",
        ),
        (
            json!({ "message_id": "f", "body": "Please refund $500.00 of payment PAY-20004, you charged too much." }),
            "more_than_paid",
        ),
    ] {
        let result = run_changed(place.path(), "refund-30", &changes);
        assert_eq!(
            (&result["status"], &result["queue"]),
            (&json!("escalated"), &json!("billing")),
            "{changes}: {result}"
        );
        let thread = changes["message_id"].as_str().unwrap();
        assert_eq!(text(place.path(), &format!("SELECT kind FROM case_note WHERE thread = '{thread}'")), why);
    }
    assert_eq!(number(place.path(), "SELECT count(*) FROM refund"), 0);
}

#[test]
fn the_records_refuse_what_the_payments_did_not_show() {
    let place = place();
    assert_eq!(run(place.path(), "refund-30")["status"], "refunded");
    // Asked again under another message: the pair is half given back, and the second one is the one that is meant.
    let again = run_changed(place.path(), "refund-30", &json!({}));
    assert_eq!((&again["status"], &again["refund"]), (&json!("escalated"), &Value::Null), "{again}");
    assert_eq!(text(place.path(), "SELECT kind FROM case_note"), "refunded_before");
    // A payment that shrinks between the look and the act: the database itself says no, and the run goes on.
    desk(place.path())
        .execute_batch(
            "CREATE TRIGGER half AFTER INSERT ON refund BEGIN
                 UPDATE payment SET refunded_cents = 60000 WHERE id = new.payment_id;
             END",
        )
        .unwrap();
    let approval = run_until_asked(place.path(), "refund-620");
    let (code, said) = decide(place.path(), &approval, "approve", "ines");
    assert!(code == 0 && said.contains("escalated, queue billing"), "{said}");
    assert_eq!(text(place.path(), "SELECT kind FROM case_note ORDER BY id DESC"), "refused");
    assert_eq!(number(place.path(), "SELECT count(*) FROM refund WHERE payment_id = 'PAY-20001'"), 0);
    assert_eq!(number(place.path(), "SELECT refunded_cents FROM payment WHERE id = 'PAY-20001'"), 0);
}

#[test]
fn what_is_not_clear_and_what_does_not_get_on_is_left_to_a_person() {
    let place = place();
    let odd = json!({ "message_id": "odd", "subject": "Hello", "body": "Zzyzx qwop fnord." });
    let result = run_changed(place.path(), "technical", &odd);
    assert_eq!((&result["status"], &result["queue"]), (&json!("escalated"), &json!("front-desk")), "{result}");
    assert!(result["confidence"].as_f64().unwrap() < 0.7, "{result}");
    for round in 0..3 {
        let next = json!({ "message_id": format!("round-{round}"), "thread_id": "one-thread" });
        let result = run_changed(place.path(), "technical", &next);
        assert_eq!(result["status"], if round < 2 { "answered" } else { "escalated" }, "{round}: {result}");
    }
    assert_eq!(text(place.path(), "SELECT kind FROM case_note WHERE thread = 'one-thread'"), "no_progress");
}

#[test]
fn a_card_number_reaches_neither_a_model_nor_the_records() {
    let place = place();
    let body = "My card 4111 1111 1111 1111 is not working, contactless beeps.";
    run_changed(place.path(), "technical", &json!({ "body": body }));
    assert_eq!(
        text(place.path(), "SELECT body FROM message"),
        "My card [card …1111] is not working, contactless beeps."
    );
}

#[test]
fn an_input_that_is_none_is_refused_before_anything_is_done() {
    let place = place();
    let file = place.path().join("bad.json");
    fs::write(&file, r#"{ "message_id": "x" }"#).unwrap();
    let output = program().args(["run", "--input"]).arg(&file).arg(place.path()).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("customer_id"), "{said}");
    assert_eq!(number(place.path(), "SELECT count(*) FROM thread"), 0);
}

#[test]
fn a_slice_of_the_test_messages_is_measured() {
    let output = program().args(["measure", "--every", "10", "--json"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let all = lines.iter().find(|line| line["category"] == "all").unwrap();
    assert_eq!((&all["messages"], lines.len()), (&json!(308), 6), "{said}");
    assert!(all["accuracy"].as_f64().unwrap() >= 0.90 && all["coverage"].as_f64().unwrap() >= 0.90, "{all}");
    assert!(all["accuracy_of_sure"].as_f64().unwrap() > all["accuracy"].as_f64().unwrap(), "{all}");
    assert!(lines[5]["alarms"].as_u64().unwrap() <= 3, "{said}");
    for (wrong, why) in [("--evry", "`--evry` is not known"), ("--every", "`--every` needs a value")] {
        let output = program().args(["measure", wrong]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&output.stderr).contains(why));
    }
}

#[test]
fn the_workflow_calls_unsure_what_the_measurement_calls_unsure() {
    let workflow =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("workflows/support-email.yaml")).unwrap();
    assert!(workflow.contains(&format!("when: classify.confidence < {}, then: unsure", support_desk::measure::SURE)));
}
