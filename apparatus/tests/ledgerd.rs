//! The ledger as a process of its own: what it has answered survives its death.

use std::{path::Path, process::Stdio};

use apparatus::ledger::Ledger;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

async fn start(file: &Path) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_apparatus"))
        .args(["ledgerd", "--port", "0", "--file"])
        .arg(file)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let ready: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(ready["url"], format!("http://127.0.0.1:{}", ready["port"]));
    (child, ready["url"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_killed_ledger_goes_on_where_it_was() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ledger");
    let client = apparatus::http::client().unwrap();
    for round in 0..2 {
        let (mut child, url) = start(&file).await;
        for key in ["a", "b"] {
            let sent =
                client.post(format!("{url}/effect/transfer")).header("Idempotency-Key", key).body("{}").send().await;
            assert_eq!(sent.unwrap().headers().contains_key("idempotency-replayed"), round == 1);
        }
        child.kill().await.unwrap();
    }
    let ledger = Ledger::read(&file).unwrap();
    assert_eq!(ledger.lines.iter().map(|line| line.n).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(ledger.applied().into_values().collect::<Vec<_>>(), [1, 1]);
    assert_eq!(ledger.sent().into_values().collect::<Vec<_>>(), [2, 2]);
}

#[tokio::test]
async fn a_plan_that_is_none_is_refused_before_anything_listens() {
    let directory = tempfile::tempdir().unwrap();
    let plan = directory.path().join("plan.json");
    std::fs::write(&plan, r#"{"idempotent": {"explode": 1}}"#).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_apparatus"));
    command.args(["ledgerd", "--file"]).arg(directory.path().join("ledger")).arg("--plan").arg(&plan);
    let ended = command.output().await.unwrap();
    assert!(!ended.status.success() && ended.stdout.is_empty());
    let said = String::from_utf8(ended.stderr).unwrap();
    assert!(said.contains("plan.json is no plan: unknown variant `explode`, expected one of `ok`"), "{said}");
}
