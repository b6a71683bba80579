//! The program on the committed sites: what a newcomer types, and what a model that lies can do.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpListener,
    path::Path,
};

use assert_cmd::Command;
use crm_leads::harness;
use serde_json::{Value, json};

/// The project with its seed, in a folder of its own.
fn place() -> tempfile::TempDir {
    let keep = tempfile::tempdir().unwrap();
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    harness::copy_project(project, keep.path()).unwrap();
    harness::copy(&project.join("seed"), &keep.path().join("seed")).unwrap();
    keep
}

fn program(place: &Path, args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("crm-leads").unwrap();
    command.args(args).arg(place).env_remove("SUREFOOT_PROFILE");
    command
}

/// Runs one lead with `--json`; gives the lines.
fn run(place: &Path, lead: &str, more: &[&str]) -> Vec<Value> {
    let input = place.join(format!("seed/leads/{lead}.json"));
    let mut command = program(place, &["run", "--json", "--input", input.to_str().unwrap()]);
    let output = command.args(more).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> &'a Value {
    lines.iter().find(|line| line["kind"] == kind).unwrap_or_else(|| panic!("nothing says {kind}"))
}

fn fields(result: &Value) -> Vec<String> {
    result["fields"].as_array().unwrap().iter().map(|field| field["field"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_project_is_in_order() {
    let place = place();
    program(place.path(), &["check"]).assert().success();
    program(place.path(), &["fmt", "--check"]).assert().success();
}

#[test]
fn the_example_of_network_models_fits_the_project() {
    let place = place();
    let example = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("models.example.yaml")).unwrap();
    let file = place.path().join("surefoot.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once("\nmodels:").unwrap();
    let (_, after) = rest.split_once("\ntry:").unwrap();
    let (_, models) = example.split_once("\nmodels:").unwrap();
    fs::write(&file, format!("{before}\nmodels:{models}\ntry:{after}")).unwrap();
    program(place.path(), &["check"]).assert().success();
}

#[test]
fn a_killed_lead_goes_on_and_the_same_lead_again_is_the_first_run() {
    let place = place();
    let lines = run(place.path(), "graylog", &["--crash-at", "reading"]);
    let count = of_kind(&lines, "count");
    assert_eq!((&count["holds"], &count["done_again"]), (&json!(true), &json!([])), "{count}");
    let summary = of_kind(&lines, "summary");
    let result = &summary["result"];
    assert!(fields(result).len() >= 4, "{result}");
    for field in result["fields"].as_array().unwrap() {
        let (quote, url) = (field["quote"].as_str().unwrap(), field["url"].as_str().unwrap());
        let host = crm_leads::page::host(url).unwrap();
        assert!(harness::stands_on_site(&place.path().join("seed/sites").join(host), quote), "{field}");
        assert_eq!(field["sha256"].as_str().unwrap().len(), 64);
    }
    let again = run(place.path(), "graylog", &[]);
    assert_eq!(of_kind(&again, "summary")["run"], summary["run"]);
}

#[test]
fn what_a_page_orders_changes_nothing() {
    let place = place();
    let lines = run(place.path(), "konkurenta", &[]);
    let result = &of_kind(&lines, "summary")["result"];
    assert!(!result["instructions"].as_array().unwrap().is_empty(), "{result}");
    let told = [&result["fields"], &result["scores"], &result["brief"]].map(Value::to_string).concat().to_lowercase();
    for line in result["instructions"].as_array().unwrap() {
        let line = line["line"].as_str().unwrap().to_lowercase();
        assert!(!told.contains(&line), "{line}");
    }
}

#[test]
fn a_parked_domain_and_a_forbidden_page_give_nothing() {
    let place = place();
    let lines = run(place.path(), "omniti", &[]);
    let result = &of_kind(&lines, "summary")["result"];
    assert_eq!((&result["status"], fields(result).len()), (&json!("unknown_site"), 0));
    run(place.path(), "octopus-deploy", &[]);
    let truth: Value = serde_json::from_slice(&fs::read(place.path().join("seed/truth.json")).unwrap()).unwrap();
    let requests = harness::requests(place.path()).unwrap();
    assert!(requests.iter().any(|(_, path)| path == "/robots.txt"), "{requests:?}");
    for site in truth["sites"].as_array().unwrap() {
        for page in site["disallowed"].as_array().unwrap() {
            let asked = (site["host"].as_str().unwrap().to_owned(), page.as_str().unwrap().to_owned());
            assert!(!requests.contains(&asked), "{asked:?}");
        }
    }
}

#[test]
fn drawn_companies_are_measured() {
    let output = Command::cargo_bin("crm-leads")
        .unwrap()
        .args(["measure", "--draw", "5", "--seed", "3", "--json"])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    assert!(summary["requests"].as_u64().unwrap() > 10 && summary["precision"].as_f64().unwrap() >= 0.9, "{summary}");
    for none in
        ["disallowed_requests", "claims_without_standing_quote", "claims_from_injected_text", "claims_on_parked_sites"]
    {
        assert_eq!(summary[none], 0, "{summary}");
    }
}

/// A server that speaks the OpenAI chat format and lies: one true quote, one false, a wrong type, a number that is none.
fn liar() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut length = 0;
                loop {
                    let mut line = String::new();
                    if reader.read_line(&mut line).unwrap_or(0) == 0 {
                        return;
                    }
                    if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    if line == "\r\n" {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                let asked = body["messages"].as_array().unwrap().last().unwrap()["content"].as_str().unwrap();
                let answer = lie(asked).to_string();
                let reply = json!({ "id": "x", "object": "chat.completion", "model": "liar", "choices": [{ "index": 0,
                    "finish_reason": "stop", "message": { "role": "assistant", "content": answer } }],
                    "usage": { "prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120 } })
                .to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    reply.len()
                );
                let _ = stream.write_all(format!("{head}{reply}").as_bytes());
            });
        }
    });
    port
}

fn lie(asked: &str) -> Value {
    let Some((_, page)) = asked.split_once("Page:\n") else {
        let id = asked.split_once("\"id\":\"").map_or("c1", |(_, rest)| rest.split('"').next().unwrap());
        return json!({ "sentences": [
            { "text": "They say what they do.", "claim_ids": [id] },
            { "text": "They have 987654 people.", "claim_ids": [id] },
            { "text": "They are the best.", "claim_ids": ["c99"] },
            { "text": "Everybody loves them.", "claim_ids": [] },
        ] });
    };
    let line = page.lines().find(|line| (30..300).contains(&line.trim().len())).unwrap_or("nothing").trim();
    let fact = |field: &str, value: Value, quote: &str, confidence: f64| json!({ "field": field, "value": value, "quote": quote, "confidence": confidence });
    json!({ "facts": [
        fact("description", json!(line), line, 0.9),
        fact("founded_year", json!(1999), "We were founded in 1999 by two brothers from Ohio", 0.99),
        fact("headcount_range", json!("very many"), line, 0.9),
        fact("hq_city", json!(line.split(' ').next().unwrap()), line, 6394.0),
        fact("shoe_size", json!(44), line, 0.9),
    ], "not_found": [], "page_kind": "about", "instructions_in_page": false })
}

#[test]
fn of_a_model_that_lies_only_what_stands_is_accepted() {
    let place = place();
    let port = liar();
    let file = place.path().join("surefoot.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let mut changed = String::new();
    for line in text.lines() {
        let name = line.trim().split(':').next().unwrap();
        if ["quick", "strong", "writer"].contains(&name) {
            changed.push_str(&format!(
                "  {name}: {{ provider: openai_chat, base_url: \"http://127.0.0.1:{port}/v1\", model: liar, max_tokens: 900, structured: json_object, price: free }}\n"
            ));
        } else {
            changed.push_str(line);
            changed.push('\n');
        }
    }
    fs::write(&file, changed).unwrap();
    let lines = run(place.path(), "graylog", &[]);
    let result = &of_kind(&lines, "summary")["result"];
    assert!(fields(result).contains(&"description".to_owned()), "{result}");
    for field in result["fields"].as_array().unwrap() {
        assert!(!field["quote"].as_str().unwrap().contains("two brothers"), "{field}");
    }
    let reasons: Vec<&str> =
        result["dropped"].as_array().unwrap().iter().map(|dropped| dropped["reason"].as_str().unwrap()).collect();
    for wanted in [
        "its quote does not stand on the page",
        "\"very many\" is no range of people",
        "the reader's confidence 6394 is no probability",
        "nobody asked for `shoe_size`",
    ] {
        assert!(reasons.contains(&wanted), "{wanted}: {reasons:?}");
    }
    let refused = result["brief"]["refused"].as_array().unwrap();
    assert_eq!(refused.len(), 3, "{refused:?}");
}
