//! The API under requests that its own description allows, and many that it does not: schemathesis makes them.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use apparatus::browser::Served;
use regex::Regex;
use serde_json::{Value as Json, json};

/// So many requests have to be made, or the test says nothing.
const LEAST: u64 = 3_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_answered_with_an_error_of_the_server() {
    let Some(folder) = std::env::var_os("SUREFOOT_TEST_WEB").map(PathBuf::from) else {
        // Past the harness, which keeps what a passing test prints to itself.
        writeln!(std::io::stderr(), "skipped: SUREFOOT_TEST_WEB names no folder (apparatus/web/install.sh fills one)")
            .unwrap();
        return;
    };
    let app = Path::new(env!("CARGO_MANIFEST_DIR")).join("../apps/support-desk");
    let program = Path::new(env!("CARGO_BIN_EXE_apparatus")).with_file_name("support-desk");
    let served = Served::open(&program, &app).await.unwrap();
    for mail in ["refund-30", "refund-620", "angry", "technical"] {
        let mail = std::fs::read_to_string(app.join(format!("seed/{mail}.json"))).unwrap();
        let mail: Json = serde_json::from_str(&mail).unwrap();
        served.post("/runs", &json!({ "workflow": "support-email", "input": mail })).await.unwrap();
    }
    let api = format!("{}/api/v1", served.base);
    let there = tempfile::tempdir().unwrap();
    let asked = tokio::process::Command::new(folder.join("py/bin/schemathesis"))
        .current_dir(there.path())
        .args(["run", &format!("{api}/openapi.json"), "--url", &api])
        .args(["-H", &format!("Authorization: Bearer {}", served.token)])
        // Not whether what fits is taken: a workflow has a schema of its own for its input.
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        // The server lets fifty through in a second; what is let off says nothing.
        .args(["--max-examples", "60", "--rate-limit", "45/s", "--no-color", "--seed", "1"])
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(asked.status.success(), "{said}");
    let made = Regex::new(r"(\d+) generated").unwrap().captures(&said).expect("how many requests were made");
    let made: u64 = made[1].parse().unwrap();
    assert!(made >= LEAST, "{made} requests: {said}");
}
