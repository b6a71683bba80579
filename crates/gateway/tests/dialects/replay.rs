//! Every recorded exchange, played back: what comes out is what the recording says.

use std::collections::BTreeMap;

use expect_test::expect;

use super::{recorded::Recorded, *};

/// The failure that each recorded answer is which is no success, by a part of its name.
const FAILURES: [(&str, FailureKind); 14] = [
    // Bodies of errors.
    ("google-429-retry-info.json", FailureKind::ProviderRateLimited),
    ("openai-error.1.json", FailureKind::ProviderSpendLimit),
    ("reasoning-model-legacy-parameter-error.json", FailureKind::InvalidArguments),
    ("reasoning-model-temperature-error.json", FailureKind::InvalidArguments),
    ("anthropic_claude-haiku-4-5_handles_context_length_exceeded", FailureKind::ContextOverflow),
    // Google counts what was too much as what was too often.
    ("gemini_gemini-2_5-flash_handles_context_length_exceeded", FailureKind::ProviderRateLimited),
    ("ollama_cloud_gpt-oss_120b_handles_context_length_exceeded", FailureKind::ContextOverflow),
    ("openai_gpt-5-nano_handles_context_length_exceeded", FailureKind::ContextOverflow),
    ("auth_error", FailureKind::ProviderAuth),
    // An error in the middle of a stream.
    ("openai-error.1.chunks.txt", FailureKind::ProviderSpendLimit),
    // Answers that are whole, and none.
    ("anthropic-refusal-no-details.json", FailureKind::Refused),
    ("anthropic-refusal.chunks.txt", FailureKind::Refused),
    ("anthropic-refusal.json", FailureKind::Refused),
    ("deepseek-text.json", FailureKind::Truncated),
];

/// Its first and its last event are no JSON, each for want of a bracket: a stream that cannot be read is no answer.
const BROKEN: &str = "parallel-tool-call-wrapper.1.chunks.txt";

fn failure(recorded: &Recorded) -> Option<FailureKind> {
    FAILURES.iter().find(|(part, _)| recorded.name.contains(part)).map(|(_, kind)| *kind)
}

fn offering() -> ModelRequest {
    ModelRequest { offers: [offer("nothing_recorded_has_this_name", json!({ "type": "object" }))].into(), ..request() }
}

#[tokio::test]
async fn every_recording_is_read_for_what_it_says() {
    let server = Server::start().await;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for recorded in &recorded::all() {
        let (name, dialect) = (&recorded.name, recorded.dialect);
        let reply = server.ask(spec(dialect, "m"), &offering(), recorded.response()).await;
        let form = if recorded.is_stream() { "stream" } else { "body" };
        let counted = match &reply.answer {
            Ok(_) => format!("{} {form}", dialect.as_str()),
            Err(failure) => format!("{} {}", dialect.as_str(), failure.kind),
        };
        *counts.entry(counted).or_default() += 1;
        // What follows the terminal event is not waited for.
        let raw = String::from_utf8(reply.raw.as_deref().unwrap().to_vec()).unwrap();
        assert!(recorded.body.starts_with(raw.trim_end()), "{name}");
        if name == BROKEN {
            assert_eq!(told(&reply), (FailureKind::ProviderError, Phase::MaybeSent), "{name}");
            continue;
        }
        let expected = (recorded.status == 200).then(|| recorded.expected());
        match (failure(recorded), &reply.answer) {
            (Some(kind), Err(failure)) => {
                assert_eq!((failure.kind, failure.phase), (kind, Phase::Answered), "{name}: {failure:?}");
            }
            (None, Ok(answer)) => {
                let expected = expected.as_ref().unwrap();
                assert_eq!(*answer, expected.text.as_str().into(), "{name}");
            }
            (expected, answer) => panic!("{name}: expected {expected:?}, got {answer:?}"),
        }
        let Some(expected) = expected else {
            assert_eq!(reply.usage.tokens(), 0, "{name}");
            continue;
        };
        let usage = reply.usage;
        assert_eq!(usage.tokens(), expected.total, "{name}: {usage:?}");
        assert_eq!(usage.input + usage.cache_read + usage.cache_write, expected.input, "{name}: {usage:?}");
        assert_eq!(usage.reasoning, expected.reasoning, "{name}: {usage:?}");
        // Where an error stands in a stream, nobody waits for what follows it.
        let stop = Some(expected.stop.as_str()).filter(|stop| !["", "failed"].contains(stop));
        assert_eq!(reply.said.stop.as_deref(), stop, "{name}");
        if stop.is_some() {
            assert_eq!(reply.said.model.as_deref(), expected.model.as_deref(), "{name}");
        }
        if reply.answer.is_ok() {
            let found: Vec<_> = reply.proposed.iter().map(|one| (&*one.name, one.arguments.to_serde())).collect();
            let wanted: Vec<_> = expected.calls.iter().map(|(_, name, args)| (name.as_str(), normal(args))).collect();
            assert_eq!(found, wanted, "{name}");
            for (nth, (found, (id, ..))) in reply.proposed.iter().zip(&expected.calls).enumerate() {
                assert_eq!(*found.id, *id.clone().unwrap_or(format!("call_{}", nth + 1)), "{name}");
            }
        }
    }
    for (part, _) in FAILURES {
        assert!(
            recorded::all().iter().any(|recorded| recorded.name.contains(part)),
            "{part}: nothing recorded has this name"
        );
    }
    let counts: String = counts.iter().map(|(what, count)| format!("{what}: {count}\n")).collect();
    expect![[r#"
        anthropic body: 67
        anthropic context_overflow: 1
        anthropic provider_auth: 1
        anthropic refused: 3
        anthropic stream: 57
        gemini body: 46
        gemini provider_auth: 1
        gemini provider_rate_limited: 2
        gemini stream: 19
        openai_chat body: 63
        openai_chat context_overflow: 1
        openai_chat invalid_arguments: 1
        openai_chat provider_auth: 1
        openai_chat stream: 11
        openai_chat truncated: 1
        openai_responses body: 52
        openai_responses context_overflow: 1
        openai_responses invalid_arguments: 1
        openai_responses provider_auth: 1
        openai_responses provider_error: 1
        openai_responses provider_spend_limit: 2
        openai_responses stream: 30
    "#]]
    .assert_eq(&counts);
}

/// As our values hold it.
fn normal(json: &Json) -> Json {
    Value::from_json(json.to_string().as_bytes()).unwrap().to_serde()
}

#[tokio::test]
async fn no_stream_that_was_cut_passes_as_whole() {
    let server = Server::start().await;
    let (mut streams, mut cuts) = (0, 0);
    for recorded in recorded::all().iter().filter(|recorded| recorded.is_stream()) {
        streams += 1;
        let events = recorded.events();
        // At every boundary of a short stream, at a hundred of a long one; and once in the middle of the last event.
        let boundaries = events.len();
        let step = boundaries.div_ceil(100).max(1);
        let mut places: Vec<usize> =
            (0..boundaries).step_by(step).map(|count| events[..count].iter().map(|event| event.len()).sum()).collect();
        let whole: usize = events.iter().map(|event| event.len()).sum();
        let last = events[boundaries - 1].len();
        places.extend([whole - last, whole - last / 2 - 1]);
        for place in places {
            cuts += 1;
            let body = recorded.body[..place].to_owned();
            let response = ResponseTemplate::new(200).set_body_raw(body, "text/event-stream");
            let reply = server.ask(spec(recorded.dialect, "m"), &offering(), response).await;
            let failure = reply.answer.expect_err(&format!("{} cut after {place} bytes", recorded.name));
            let known = [FailureKind::ProviderError, FailureKind::ProviderSpendLimit];
            assert!(known.contains(&failure.kind), "{} cut after {place} bytes: {failure:?}", recorded.name);
            if failure.kind == FailureKind::ProviderError {
                assert_eq!(failure.phase, Phase::MaybeSent, "{} cut after {place} bytes", recorded.name);
            }
        }
    }
    assert!(streams > 100 && cuts > 2000, "{streams} streams, {cuts} cuts");
}

#[test]
fn every_file_is_fed_or_named() {
    // `all` panics at a package of no known kind.
    let fed = recorded::all().len();
    let known: Vec<_> = recorded::OTHERS.iter().map(|(path, _)| *path).collect();
    let packages = recorded::folder().join("vercel-ai");
    let files = recorded::files(&recorded::folder());
    let outside: Vec<_> = files.iter().filter(|file| !file.starts_with(&packages)).collect();
    for file in &outside {
        let path = format!("../{}", file.strip_prefix(recorded::folder()).unwrap().to_str().unwrap());
        assert!(known.contains(&path.as_str()), "{path} is neither fed nor named");
    }
    for (path, why) in recorded::OTHERS {
        let path = path.strip_prefix("../").map_or_else(|| packages.join(path), |path| recorded::folder().join(path));
        assert!(!why.is_empty() && path.is_file(), "{}", path.display());
    }
    assert!(fed > 300, "{fed}");
}
