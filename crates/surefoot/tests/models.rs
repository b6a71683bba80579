//! A model behind a server, from the project's file to the journal: the binary asks a loopback server.

mod common;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::Path,
    thread,
};

use common::{Place, said};

const KEY: &str = "sk-hunter2-hunter2";

const PROJECT: &str = r#"project: facts
models:
  small:
    provider: openai_chat
    base_url: =env.MODEL_URL
    model: gpt-x
    key: secret://openai
    max_tokens: 800
    timeout: 20s
    price: free
"#;

const WORKFLOW: &str = r#"workflow: facts
stages:
  - stage: only
    steps:
      - step: name
        model: small
        reason: prompts/name.md
        output: schemas/name.yaml
"#;

const SCHEMA: &str = "type: object\nproperties: { name: { type: string }, nick: { type: string } }\nrequired: [name]\n";

/// Gives each connection the next reply; what was asked comes back at the end.
fn server(replies: Vec<String>) -> (String, thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let mut asked = Vec::new();
        for reply in replies {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            // Our bodies are one JSON object each and nothing follows them.
            while !String::from_utf8_lossy(&request).contains("\r\n\r\n{") || !request.ends_with(b"}") {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            asked.push(String::from_utf8(request).unwrap());
            stream.write_all(reply.as_bytes()).unwrap();
        }
        asked
    });
    (url, served)
}

fn reply(status: &str, kind: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn holds(folder: &Path, needle: &[u8]) -> bool {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return holds(&path, needle);
        }
        fs::read(&path).unwrap().windows(needle.len()).any(|window| window == needle)
    })
}

#[test]
fn a_model_is_asked_again_when_it_says_so_and_its_answer_is_judged_by_the_schema_as_written() {
    let limited = format!(r#"{{"error":{{"code":"rate_limit_exceeded","message":"not so fast, {KEY}"}}}}"#);
    let answer = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"{\\\"name\\\":\\\"Ada\\\",\"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\\\"nick\\\":null}\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":12,\"total_tokens\":42}}\n\n",
        "data: [DONE]\n\n",
    );
    let (url, served) = server(vec![
        reply("429 Too Many Requests", "application/json", &limited)
            .replace("connection:", "retry-after: 0\r\nconnection:"),
        reply("200 OK", "text/event-stream", answer),
    ]);
    let place = Place::new();
    place.write("surefoot.yaml", PROJECT);
    place.write("workflows/facts.yaml", WORKFLOW);
    place.write("schemas/name.yaml", SCHEMA);
    place.write("prompts/name.md", "Who is it?\n");
    let without = place.call(&["run", "."]);
    assert!(without.err.contains("the model `small` needs the environment variable MODEL_URL"), "{}", without.err);
    let mut command = place.command(&["run", ".", "--json"]);
    let ran = said(command.env("MODEL_URL", url).env("SUREFOOT_SECRET_OPENAI", KEY).output().unwrap());
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains(r#"{"name":"Ada"}"#), "{}", ran.out);
    let asked = served.join().unwrap();
    assert_eq!(asked.len(), 2);
    for request in &asked {
        assert!(request.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("authorization: Bearer {KEY}")), "{request}");
        assert!(
            request.contains(r#""strict":true"#) && request.contains(r#""max_completion_tokens":800"#),
            "{request}"
        );
    }
    let journal = place.ok(&["runs", "show", "last", "."]);
    assert!(!journal.contains(KEY) && !ran.out.contains(KEY) && !ran.err.contains(KEY));
    assert!(!holds(&place.path().join(".surefoot"), KEY.as_bytes()), "the key stands in the data directory");
    assert!(holds(&place.path().join(".surefoot"), b"not so fast, [secret]"), "what came is kept");
}

#[test]
fn a_spend_limit_passes_to_the_next_of_the_route_and_the_model_is_asked_again_when_a_person_says_so() {
    let spent = reply("429 Too Many Requests", "application/json", r#"{"error":{"code":"insufficient_quota"}}"#);
    let answer = concat!(
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"{\\\"name\\\":\\\"Ada\\\"}\"},\"finish_reason\":\"stop\"}]}\n\n",
        "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":12,\"total_tokens\":42}}\n\n",
        "data: [DONE]\n\n",
    );
    let good = || reply("200 OK", "text/event-stream", answer);
    let (url, served) = server(vec![spent, good(), good(), good()]);
    let place = Place::new();
    let small = &PROJECT[PROJECT.find("  small:").unwrap()..];
    let backup = small.replace("small:", "backup:").replace("gpt-x", "gpt-y");
    place.write("surefoot.yaml", &format!("{PROJECT}{backup}"));
    place.write("routes.yaml", "routes: { cheap: [ small, backup ] }\n");
    place.write("workflows/facts.yaml", &WORKFLOW.replace("model: small", "model: cheap"));
    place.write("schemas/name.yaml", SCHEMA);
    place.write("prompts/name.md", "Who is it?\n");
    let run = || {
        let mut command = place.command(&["run", ".", "--json"]);
        let ran = said(command.env("MODEL_URL", &url).env("SUREFOOT_SECRET_OPENAI", KEY).output().unwrap());
        assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    };
    run();
    let journal = place.ok(&["runs", "show", "last", "."]);
    assert!(journal.contains("passed to model backup, the next of route cheap"), "{journal}");
    let cooling = place.ok(&["models", "ls", "."]);
    assert!(cooling.contains("facts/model:small until ") && cooling.contains("provider_spend_limit"), "{cooling}");
    run();
    let release = ["models", "release", "facts/model:small", ".", "--as", "ann", "--reason", "paid"];
    let freed = place.ok(&release);
    assert!(freed.contains("asked again: facts/model:small, by ann (change "), "{freed}");
    assert_eq!(place.ok(&["models", "ls", "."]).trim(), "no model cools down");
    let again = place.call(&release);
    assert!(again.err.contains("does not cool down; models that do: none does"), "{}", again.err);
    run();
    let asked: Vec<bool> = served.join().unwrap().iter().map(|request| request.contains("gpt-x")).collect();
    assert_eq!(asked, [true, false, false, true], "small is asked by nobody meanwhile");
    place.ok(&["db", "check", "."]);
}

#[test]
fn each_dialect_answers_a_step_from_the_projects_file_to_the_journal() {
    let text = r#"{\"name\":\"Ada\"}"#;
    let sse = |events: &[String]| events.iter().map(|event| format!("data: {event}\n\n")).collect::<String>();
    for (provider, path, key, body) in [
        (
            "anthropic",
            "/v1/messages",
            format!("x-api-key: {KEY}"),
            sse(&[
                r#"{"type":"message_start","message":{"model":"big-1","content":[],"usage":{"input_tokens":30}}}"#
                    .to_owned(),
                r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#.to_owned(),
                format!(
                    r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"{text}"}}}}"#
                ),
                r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":12}}"#
                    .to_owned(),
                r#"{"type":"message_stop"}"#.to_owned(),
            ]),
        ),
        (
            "openai_responses",
            "/v1/responses",
            format!("authorization: Bearer {KEY}"),
            sse(&[format!(
                r#"{{"type":"response.completed","response":{{"status":"completed","output":[{{"type":"message","content":[{{"type":"output_text","text":"{text}"}}]}}],"usage":{{"input_tokens":30,"output_tokens":12}}}}}}"#
            )]),
        ),
        (
            "gemini",
            "/v1/models/gpt-x:streamGenerateContent?alt=sse",
            format!("x-goog-api-key: {KEY}"),
            sse(&[format!(
                r#"{{"candidates":[{{"content":{{"parts":[{{"text":"{text}"}}]}},"finishReason":"STOP"}}],"usageMetadata":{{"promptTokenCount":30,"candidatesTokenCount":12,"totalTokenCount":42}}}}"#
            )]),
        ),
    ] {
        let (url, served) = server(vec![reply("200 OK", "text/event-stream", &body)]);
        let place = Place::new();
        place.write("surefoot.yaml", &PROJECT.replace("openai_chat", provider));
        place.write("workflows/facts.yaml", WORKFLOW);
        place.write("schemas/name.yaml", SCHEMA);
        place.write("prompts/name.md", "Who is it?\n");
        let mut command = place.command(&["run", ".", "--json"]);
        let ran = said(command.env("MODEL_URL", url).env("SUREFOOT_SECRET_OPENAI", KEY).output().unwrap());
        assert_eq!(ran.code, 0, "{provider}: {}{}", ran.out, ran.err);
        assert!(ran.out.contains(r#"{"name":"Ada"}"#), "{provider}: {}", ran.out);
        let asked = served.join().unwrap();
        assert!(asked[0].starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{}", asked[0]);
        assert!(asked[0].contains(&key), "{provider}: the key is not where it belongs");
        assert!(
            !holds(&place.path().join(".surefoot"), KEY.as_bytes()),
            "{provider}: the key stands in the data directory"
        );
    }
}

#[test]
fn what_each_model_would_be_charged_today_is_printed_with_where_it_stands() {
    let place = Place::new();
    place.write(
        "surefoot.yaml",
        r#"project: costs
models:
  listed: { provider: openai_responses, model: gpt-5-mini-2025-08-07, key: secret://openai, max_tokens: 9 }
  local: { provider: openai_chat, base_url: "http://127.0.0.1:11434/v1", model: qwen3, max_tokens: 9, price: free }
  none: { provider: registered, max_tokens: 9 }
  own:
    provider: anthropic
    model: claude-sonnet-4-5
    key: secret://anthropic
    max_tokens: 9
    price: { input: 2.00, cache_read: 0.20, output: 9.5, as_of: 2026-11-01, until: 2226-01-01 }
  tiered: { provider: anthropic, model: claude-sonnet-4-5-20250929, key: secret://anthropic, max_tokens: 9 }
"#,
    );
    place.write("workflows/w.yaml", "workflow: w\nstages: [ { stage: only, steps: [ { step: a, set: 1 } ] } ]\n");
    let printed = said(place.command(&["models", "prices", "."]).output().unwrap());
    assert_eq!(printed.code, 0, "{}{}", printed.out, printed.err);
    insta::assert_snapshot!("models-prices", printed.out);
    let printed = said(place.command(&["models", "prices", ".", "--json"]).output().unwrap());
    let objects: Vec<serde_json::Value> = printed.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let by: Vec<String> = objects.iter().map(|one| format!("{} {}", one["model"], one["by"])).collect();
    assert_eq!(
        by,
        [
            r#""listed" {"list":"genai-prices 0.2.3, openai/gpt-5-mini"}"#,
            r#""local" "free""#,
            r#""none" "unknown""#,
            r#""own" "own""#,
            r#""tiered" {"list":"genai-prices 0.2.3, anthropic/claude-sonnet-4-5"}"#
        ]
    );
    assert_eq!(objects[0]["tiers"][0]["price"]["cache_read"], 25_000, "{}", objects[0]);
    assert_eq!(objects[4]["tiers"][1]["above"], 200_000, "{}", objects[4]);
}
