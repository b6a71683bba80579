//! Results that are used again, from the project's file to the journal: the binary asks a loopback server, which counts.

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use common::{Place, said};

const PROJECT: &str = r#"project: facts
models:
  small: { provider: openai_chat, base_url: =env.MODEL_URL, model: gpt-x, key: secret://openai, max_tokens: 800, price: free }
"#;

const WORKFLOW: &str = r#"workflow: facts
input: schemas/in.yaml
result: { value: =name.name }
WORKFLOW
stages:
  - stage: only
    STAGE
    steps:
      - step: name
        reason: prompts/name.md
        model: small
        see: { about: input.about }
        output: schemas/name.yaml
        STEP
  - stage: last
    steps: [ { step: end, set: { done: true } } ]
"#;

/// Answers every request alike, and counts them.
fn server() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            // Our bodies are one JSON object each and nothing follows them.
            while !String::from_utf8_lossy(&request).contains("\r\n\r\n{") || !request.ends_with(b"}") {
                let mut buffer = [0; 4096];
                let count = stream.read(&mut buffer).unwrap();
                request.extend_from_slice(&buffer[..count]);
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let body = concat!(
                "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"{\\\"name\\\":\\\"Ada\\\"}\"},\"finish_reason\":\"stop\"}]}\n\n",
                "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":30,\"completion_tokens\":12,\"total_tokens\":42}}\n\n",
                "data: [DONE]\n\n",
            );
            let length = body.len();
            let reply = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            stream.write_all(reply.as_bytes()).unwrap();
        }
    });
    (url, asked)
}

#[test]
fn asked_three_times_run_once() {
    let cache = "cache: { key: input.about, ttl: 1h }";
    for (mark, part) in [("STEP", "name"), ("STAGE", "/only"), ("WORKFLOW", "/")] {
        let (url, asked) = server();
        let place = Place::new();
        let mut workflow = WORKFLOW.replace(mark, cache);
        for other in ["STEP", "STAGE", "WORKFLOW"] {
            workflow = workflow.replace(&format!("{other}\n"), "\n");
        }
        place.write("surefoot.yaml", PROJECT);
        place.write("workflows/facts.yaml", &workflow);
        place.write("prompts/name.md", "Name {{ about }}.\n");
        place.write("schemas/name.yaml", "type: object\nrequired: [name]\nproperties: { name: { type: string } }\n");
        place.write("schemas/in.yaml", "type: object\nrequired: [about]\nproperties: { about: { type: string } }\n");
        let run = |about: &str| {
            let input = format!(r#"{{"about":"{about}"}}"#);
            let mut command = place.command(&["run", ".", "--input", &input]);
            let ran = said(command.env("MODEL_URL", &url).env("SUREFOOT_SECRET_OPENAI", "sk-x").output().unwrap());
            assert_eq!(ran.code, 0, "{mark}: {}{}", ran.out, ran.err);
            format!("{}{}{}", ran.out, ran.err, place.ok(&["runs", "show", "last", "."]))
        };
        let first = run("her");
        assert!(first.contains("nothing kept; its result will be, for 1h"), "{first}");
        for _ in 0..2 {
            let again = run("her");
            assert!(again.contains("not done again, given by entry"), "{again}");
            assert!(again.contains("saved 1 call, 42 tokens"), "{again}");
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1, "{mark}");
        run("him");
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{mark}: another key");

        let listed = place.ok(&["cache", "ls", ".", "--json", "--step", part]);
        assert_eq!(listed.matches(r#""kind":"kept""#).count(), 2, "{listed}");
        let asks = place.call(&["cache", "clear", ".", "--workflow", "facts"]);
        assert_eq!(asks.code, 2, "{}", asks.out);
        assert!(asks.err.contains("2 results would be forgotten"), "{}", asks.err);
        assert!(place.ok(&["cache", "clear", ".", "--workflow", "other", "--yes"]).contains("0 results"));
        run("her");
        assert_eq!(asked.load(Ordering::SeqCst), 2, "{mark}: it is still there");
        let gone = place.ok(&["cache", "clear", ".", "--workflow", "facts", "--yes"]);
        assert!(gone.contains("2 results"), "{gone}");
        run("her");
        assert_eq!(asked.load(Ordering::SeqCst), 3, "{mark}: it is made anew");
        place.ok(&["db", "check", "."]);
    }
}
