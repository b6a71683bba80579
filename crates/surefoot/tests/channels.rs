//! Channels of a project, on the command line: a real receiver on this machine.

mod common;

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::mpsc,
    thread,
};

use common::Place;

const WORKFLOW: &str = "workflow: ask
stages:
  - stage: only
    steps:
      - step: ask
        approve: { ask: \"May {{ input.text }} leave?\", of: desk }
";

fn place(url: &str) -> Place {
    let place = Place::new();
    place.write(
        "demo/surefoot.yaml",
        &format!(
            "project: demo\nchannels:\n  desk: {{ kind: webhook, url: \"{url}\", secret: secret://hook, link: https://desk.example, text: \"{{{{ step }}}} {{{{ link }}}}\" }}\n"
        ),
    );
    place.write("demo/workflows/ask.yaml", WORKFLOW);
    place.write("demo/people.yaml", "groups: { desk: {} }\npeople: { sue: { name: Sue, groups: [ desk ] } }\n");
    place.write("input.json", r#"{"text": "what a model wrote"}"#);
    place
}

/// Answers each request with `says`; gives each as text.
fn receiver(says: &'static str) -> (String, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/in", listener.local_addr().unwrap());
    let (heard, told) = mpsc::channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let (mut text, mut part) = (String::new(), [0; 4096]);
            while let Ok(read @ 1..) = stream.read(&mut part) {
                text.push_str(&String::from_utf8_lossy(&part[..read]));
                let whole = text.split_once("\r\n\r\n").is_some_and(|(head, body)| {
                    let length = head
                        .lines()
                        .find_map(|line| line.to_lowercase().strip_prefix("content-length: ").map(str::to_owned));
                    length.is_some_and(|length| body.len() >= length.parse().unwrap())
                });
                if whole {
                    break;
                }
            }
            let _ = stream.write_all(says.as_bytes());
            if heard.send(text).is_err() {
                return;
            }
        }
    });
    (url, told)
}

fn run(place: &Place) -> String {
    let mut command = place.command(&["run", "demo", "--input", "input.json"]);
    command.env("SUREFOOT_SECRET_HOOK", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let said = common::said(command.output().unwrap());
    format!("{}{}", said.out, said.err)
}

fn outbox(place: &Place, args: &[&str]) -> Vec<serde_json::Value> {
    let said = place.ok(args);
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_run_that_asks_people_tells_them_and_says_nothing_of_its_data() {
    let (url, told) = receiver("HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n");
    let place = place(&url);
    let said = run(&place);
    let request = told.recv().unwrap();
    let (head, body) = request.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("webhook-id: msg_") && head.contains("webhook-signature: v1,"), "{head}");
    let body: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["type"], &body["data"]["groups"]), (&"approval_asked".into(), &"desk".into()), "{said}");
    let approval = body["data"]["approval"].as_str().unwrap();
    assert_eq!(body["data"]["text"], format!("ask https://desk.example/approvals/{approval}"));
    assert!(!body.to_string().contains("model wrote"), "{body}");
    let rows = outbox(&place, &["outbox", "ls", "demo", "--all", "--json"]);
    assert_eq!((rows.len(), &rows[0]["state"]), (1, &"left".into()), "{rows:?}");
    assert!(place.ok(&["outbox", "ls", "demo"]).contains("no message waits"));
    let id = rows[0]["id"].as_str().unwrap();
    let again = place.call(&["outbox", "retry", id, "demo"]);
    assert!(again.code != 0 && again.err.contains("is not dead: it is left"), "{}", again.err);
}

#[test]
fn what_is_not_taken_waits_and_says_why() {
    let (url, told) = receiver("HTTP/1.1 500 No\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
    let place = place(&url);
    run(&place);
    told.recv().unwrap();
    let rows = outbox(&place, &["outbox", "ls", "demo", "--json"]);
    assert_eq!((rows.len(), &rows[0]["state"]), (1, &"waiting".into()), "{rows:?}");
    assert!(rows[0]["why"].as_str().unwrap().contains("500") && rows[0]["next_at"].is_string(), "{rows:?}");
    let shown = place.ok(&["outbox", "ls", "demo"]);
    assert!(shown.contains("approval_asked by demo/desk") && shown.contains("500"), "{shown}");
}

#[test]
fn a_channel_that_cannot_be_set_up_is_named_before_anything_begins() {
    let place = place("=env.NO_SUCH_HOOK");
    let said = run(&place);
    let why = "the channel `desk` (surefoot.yaml) needs the environment variable NO_SUCH_HOOK, which is not set";
    assert!(said.contains(why), "{said}");
}
