//! Recorded exchanges, played back: what comes out is what the recording says, computed here a second time and more
//! simply.

use std::{collections::BTreeMap, fs, path::PathBuf};

use expect_test::expect;
use serde_json::Value as Json;

use super::*;

struct Recorded {
    name: String,
    status: u16,
    content_type: String,
    body: String,
}

/// Every recording in the folder of this test.
fn recordings() -> Vec<Recorded> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/openai_chat");
    let exchanges = fs::read_to_string(folder.join("ruby_llm/exchanges.jsonl")).unwrap();
    let mut all: Vec<Recorded> = exchanges
        .lines()
        .map(|line| {
            let exchange: Json = serde_json::from_str(line).unwrap();
            let text = |key: &str| exchange[key].as_str().unwrap().to_owned();
            Recorded {
                name: format!("{} {}", text("file"), exchange["n"]),
                status: u16::try_from(exchange["status"].as_u64().unwrap()).unwrap(),
                content_type: text("content_type"),
                body: text("response"),
            }
        })
        .collect();
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder.join("vercel-ai")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let sse = "text/event-stream".to_owned();
        let (status, content_type, body) = if name.ends_with("-error.json") {
            (400, "application/json".to_owned(), text)
        } else if name.ends_with(".json") {
            (200, "application/json".to_owned(), text)
        } else if name.ends_with(".sse") {
            (200, sse, text)
        } else if name.ends_with(".chunks.txt") {
            let events = text.lines().filter(|line| !line.is_empty()).chain(["[DONE]"]);
            (200, sse, events.map(|event| format!("data: {event}\n\n")).collect())
        } else {
            assert_eq!(name, "LICENSE");
            continue;
        };
        all.push(Recorded { name, status, content_type, body });
    }
    all
}

/// What a recording says: its text, whether it calls tools, why it ended, what it bills.
#[derive(Default)]
struct Expected {
    text: String,
    tools: bool,
    finish: String,
    usage: Json,
}

impl Expected {
    fn of(recorded: &Recorded) -> Expected {
        let pieces: Vec<Json> = if recorded.content_type.contains("event-stream") {
            let data = recorded.body.lines().filter_map(|line| line.strip_prefix("data: "));
            data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
        } else {
            vec![serde_json::from_str(&recorded.body).unwrap()]
        };
        let mut expected = Expected::default();
        for piece in pieces {
            if piece["usage"].is_object() {
                expected.usage = piece["usage"].clone();
            }
            let choice = &piece["choices"][0];
            let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
            expected.text += message["content"].as_str().unwrap_or_default();
            for part in message["content"].as_array().into_iter().flatten() {
                expected.text += part["text"].as_str().unwrap_or_default();
            }
            expected.tools |= message["tool_calls"].is_array();
            if let Some(finish) = choice["finish_reason"].as_str() {
                expected.finish = finish.to_owned();
            }
        }
        expected
    }

    /// The failure that it is, if it is one.
    fn kind(&self) -> Option<FailureKind> {
        if self.finish == "length" {
            Some(FailureKind::Truncated)
        } else if self.tools && self.text.is_empty() {
            // No tool was offered: a model that calls one all the same has given no output.
            Some(FailureKind::InvalidOutput)
        } else {
            None
        }
    }
}

/// What each recorded error means.
fn kind_of_error(name: &str) -> FailureKind {
    for (part, kind) in [
        ("auth_error", FailureKind::ProviderAuth),
        ("context_length_exceeded", FailureKind::ContextOverflow),
        ("legacy-parameter-error", FailureKind::InvalidArguments),
    ] {
        if name.contains(part) {
            return kind;
        }
    }
    panic!("{name}: a recorded error of which this test does not know the kind");
}

#[tokio::test]
async fn every_recording_is_read_for_what_it_says() {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let recordings = recordings();
    for recorded in &recordings {
        let name = &recorded.name;
        let response = ResponseTemplate::new(recorded.status);
        let reply = answered(response.set_body_raw(recorded.body.clone(), &recorded.content_type), None).await;
        let counted = match &reply.answer {
            Ok(_) => format!("answer, {}", recorded.content_type),
            Err(failure) => failure.kind.to_string(),
        };
        *counts.entry(counted).or_default() += 1;
        if let Err(failure) = &reply.answer {
            let vague = [FailureKind::Internal, FailureKind::ProviderError, FailureKind::ContractViolated];
            assert!(!vague.contains(&failure.kind), "{name}: {failure:?}");
            assert_eq!(failure.phase, Phase::Answered, "{name}");
        }
        // What follows the terminal event is not waited for.
        let raw = String::from_utf8(reply.raw.as_deref().unwrap().to_vec()).unwrap();
        assert_eq!(raw.trim_end(), recorded.body.trim_end(), "{name}");
        if recorded.status != 200 {
            assert_eq!(told(&reply).0, kind_of_error(name), "{name}: {reply:?}");
            assert_eq!(reply.usage.tokens(), 0, "{name}");
            continue;
        }
        let expected = Expected::of(recorded);
        match expected.kind() {
            Some(kind) => assert_eq!(told(&reply).0, kind, "{name}"),
            None => assert_eq!(reply.answer, Ok(expected.text.as_str().into()), "{name}"),
        }
        let total = |key: &str| expected.usage[key].as_u64().unwrap_or(0);
        assert_eq!(reply.usage.tokens(), total("total_tokens"), "{name}: {:?}", reply.usage);
        let input = reply.usage.input + reply.usage.cache_read + reply.usage.cache_write;
        assert_eq!(input, total("prompt_tokens"), "{name}: {:?}", reply.usage);
        let reasoning = expected.usage["completion_tokens_details"]["reasoning_tokens"].as_u64().unwrap_or(0);
        assert_eq!(reply.usage.reasoning, reasoning, "{name}: {:?}", reply.usage);
    }
    let counts: String = counts.iter().map(|(what, count)| format!("{what}: {count}\n")).collect();
    #[expect(clippy::print_stdout, reason = "counts by kind, for who asks with --nocapture")]
    {
        print!("{counts}");
    }
    expect![[r#"
        answer, application/json: 37
        answer, text/event-stream: 6
        context_overflow: 1
        invalid_arguments: 1
        invalid_output: 31
        provider_auth: 1
        truncated: 1
    "#]]
    .assert_eq(&counts);
}

#[tokio::test]
async fn a_recorded_answer_in_json_is_read_as_such() {
    let recordings = recordings();
    let recorded = recordings.iter().find(|recorded| recorded.name == "deepseek-json.json").unwrap();
    let body: Json = serde_json::from_str(&recorded.body).unwrap();
    let expected = Value::from_json(body["choices"][0]["message"]["content"].as_str().unwrap().as_bytes()).unwrap();
    let reply = answered(json(200, body), Some(serde_json::json!({ "type": "object" }))).await;
    assert_eq!(reply.answer, Ok(expected));
}
