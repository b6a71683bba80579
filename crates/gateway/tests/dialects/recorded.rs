//! What was recorded, and what it says: read here a second time, more simply than the adapters do.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use super::*;

/// One recorded exchange.
pub(super) struct Recorded {
    /// Its file, and its number there.
    pub(super) name: String,
    pub(super) dialect: Dialect,
    pub(super) status: u16,
    pub(super) content_type: String,
    pub(super) body: String,
}

/// Files that are no exchange of a chat, and why.
pub(super) const OTHERS: [(&str, &str); 35] = [
    ("anthropic/skills/anthropic-skill-create.json", "skills"),
    ("anthropic/skills/anthropic-skill-version-create.json", "skills"),
    ("google/interactions/basic.chunks.txt", "interactions"),
    ("google/interactions/basic.json", "interactions"),
    ("google/interactions/google-search.chunks.txt", "interactions"),
    ("google/interactions/google-search.json", "interactions"),
    ("google/interactions/multi-turn-stateful-turn1.chunks.txt", "interactions"),
    ("google/interactions/multi-turn-stateful-turn1.json", "interactions"),
    ("google/interactions/multi-turn-stateful-turn2.chunks.txt", "interactions"),
    ("google/interactions/multi-turn-stateful-turn2.json", "interactions"),
    ("google/interactions/multi-turn-stateless-turn1.chunks.txt", "interactions"),
    ("google/interactions/multi-turn-stateless-turn1.json", "interactions"),
    ("google/interactions/multi-turn-stateless-turn2.chunks.txt", "interactions"),
    ("google/interactions/multi-turn-stateless-turn2.json", "interactions"),
    ("google/interactions/structured-output.json", "interactions"),
    ("google/interactions/tool-call-step1.chunks.txt", "interactions"),
    ("google/interactions/tool-call-step1.json", "interactions"),
    ("google/interactions/tool-call-step2.chunks.txt", "interactions"),
    ("google/interactions/tool-call-step2.json", "interactions"),
    ("google/speech-translation/google-live-speech-translation.chunks.txt", "speech"),
    ("groq/groq-transcription-text.json", "speech"),
    ("mistral/mistral-transcription.json", "speech"),
    ("openai/completion/openai-completion-text.chunks.txt", "completions without a chat"),
    ("openai/completion/openai-completion-text.json", "completions without a chat"),
    ("openai/embedding/openai-embedding.json", "embeddings"),
    ("openai/image/gpt-image-response-format-error.json", "images"),
    ("openai/image/openai-image-edit.json", "images"),
    ("openai/image/openai-image.json", "images"),
    ("openai/skills/openai-skill-create.json", "skills"),
    ("openai/speech-translation/openai-realtime-speech-translation.chunks.txt", "speech"),
    ("openai/transcription/openai-transcription.json", "speech"),
    ("../SOURCES.md", "where all this is from"),
    ("../ruby_llm/LICENSE", "the licence"),
    ("../ruby_llm/exchanges.jsonl", "read line by line"),
    ("LICENSE", "the licence"),
];

/// Bodies of errors, with the status that they came with.
const ERRORS: [(&str, u16); 4] = [
    ("google-429-retry-info.json", 429),
    ("openai-error.1.json", 429),
    ("reasoning-model-legacy-parameter-error.json", 400),
    ("reasoning-model-temperature-error.json", 400),
];

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("testdata/providers")
}

/// The files below a folder, sorted.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

/// Which dialect a file of a package is in; `None`: it is no exchange of a chat.
fn dialect(path: &str) -> Option<Dialect> {
    if OTHERS.iter().any(|(other, _)| *other == path) {
        return None;
    }
    let place = path.rsplit_once('/').map_or(path, |(place, _)| place);
    Some(match place {
        "anthropic" => Dialect::Anthropic,
        "google" => Dialect::Gemini,
        "openai/responses" => Dialect::OpenAiResponses,
        "openai/chat" | "openai-compatible/chat" | "deepseek/chat" | "groq" | "mistral" => Dialect::OpenAiChat,
        other => panic!("{path}: {other} is neither fed to a dialect nor named as something else"),
    })
}

/// Every recorded exchange.
pub(super) fn all() -> Vec<Recorded> {
    let mut all = Vec::new();
    let packages = folder().join("vercel-ai");
    for file in files(&packages) {
        let path = file.strip_prefix(&packages).unwrap().to_str().unwrap().to_owned();
        let Some(dialect) = dialect(&path) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        let name = path.rsplit('/').next().unwrap().to_owned();
        let sse = "text/event-stream".to_owned();
        let (status, content_type, body) = if name.ends_with(".json") {
            let status = ERRORS.iter().find(|(error, _)| *error == name).map_or(200, |(_, status)| *status);
            (status, "application/json".to_owned(), text)
        } else if name.ends_with(".sse") {
            (200, sse, text)
        } else {
            assert!(name.ends_with(".chunks.txt"), "{path}: a file of no known form");
            let done = (dialect == Dialect::OpenAiChat).then_some("[DONE]");
            let events = text.lines().filter(|line| !line.is_empty()).chain(done);
            (200, sse, events.map(|event| format!("data: {event}\n\n")).collect())
        };
        all.extend(answers(Recorded { name, dialect, status, content_type, body }));
    }
    for line in fs::read_to_string(folder().join("ruby_llm/exchanges.jsonl")).unwrap().lines() {
        let exchange: Json = serde_json::from_str(line).unwrap();
        let text = |key: &str| exchange[key].as_str().unwrap().to_owned();
        let url = text("url");
        let dialect = match url.split('?').next().unwrap() {
            url if url.ends_with("/chat/completions") => Dialect::OpenAiChat,
            url if url.ends_with("/responses") => Dialect::OpenAiResponses,
            url if url.ends_with("/messages") => Dialect::Anthropic,
            url if url.to_lowercase().ends_with("generatecontent") => Dialect::Gemini,
            other => panic!("{other}: an exchange of no known dialect"),
        };
        all.push(Recorded {
            name: format!("{} {}", text("file"), exchange["n"]),
            dialect,
            status: u16::try_from(exchange["status"].as_u64().unwrap()).unwrap(),
            content_type: text("content_type"),
            body: text("response"),
        });
    }
    all
}

/// Some files hold the streams of several answers, one after the other.
fn answers(recorded: Recorded) -> Vec<Recorded> {
    const ENDS: [&str; 4] = ["message_stop", "response.completed", "response.incomplete", "response.failed"];
    if !recorded.is_stream() {
        return vec![recorded];
    }
    let mut bodies = vec![String::new()];
    for event in recorded.events() {
        if bodies.last().unwrap().is_empty() && bodies.len() > 1 {
            assert!(event.contains("\"message_start\"") || event.contains("\"response.created\""), "{}", recorded.name);
        }
        bodies.last_mut().unwrap().push_str(event);
        let data: Json =
            event.strip_prefix("data: ").and_then(|data| serde_json::from_str(data).ok()).unwrap_or_default();
        if ENDS.iter().any(|end| data["type"] == **end) {
            bodies.push(String::new());
        }
    }
    bodies.retain(|body| !body.is_empty());
    let several = bodies.len() > 1;
    let one = |(nth, body): (usize, String)| Recorded {
        name: if several { format!("{} {}", recorded.name, nth + 1) } else { recorded.name.clone() },
        dialect: recorded.dialect,
        status: recorded.status,
        content_type: recorded.content_type.clone(),
        body,
    };
    bodies.into_iter().enumerate().map(one).collect()
}

impl Recorded {
    pub(super) fn is_stream(&self) -> bool {
        self.content_type.contains("event-stream")
    }

    pub(super) fn response(&self) -> ResponseTemplate {
        ResponseTemplate::new(self.status).set_body_raw(self.body.clone(), &self.content_type)
    }

    /// The events of a stream, each with its end.
    pub(super) fn events(&self) -> Vec<&str> {
        self.body.split_inclusive("\n\n").filter(|event| !event.trim().is_empty()).collect()
    }

    /// Its pieces: the data of its events, or its one body.
    fn pieces(&self) -> Vec<Json> {
        if !self.is_stream() {
            return vec![serde_json::from_str(&self.body).unwrap()];
        }
        let data = self.body.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter(|data| *data != "[DONE]").map(|data| serde_json::from_str(data).unwrap()).collect()
    }

    pub(super) fn expected(&self) -> Expected {
        let pieces = self.pieces();
        match self.dialect {
            Dialect::OpenAiChat => chat(&pieces),
            Dialect::OpenAiResponses => responses(pieces),
            Dialect::Anthropic => anthropic(pieces),
            Dialect::Gemini => gemini(&pieces, &self.name),
        }
    }
}

/// A use of a tool: its id where there is one, its name, its arguments as JSON.
pub(super) type Used = (Option<String>, String, Json);

/// What a recording says.
#[derive(Debug, Default)]
pub(super) struct Expected {
    pub(super) text: String,
    pub(super) calls: Vec<Used>,
    pub(super) stop: String,
    /// All tokens, and those of the input.
    pub(super) total: u64,
    pub(super) input: u64,
    pub(super) reasoning: u64,
    pub(super) model: Option<String>,
}

fn word(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn number(json: &Json) -> u64 {
    json.as_u64().unwrap_or(0)
}

fn arguments(text: &str) -> Json {
    if text.is_empty() { json!({}) } else { serde_json::from_str(text).unwrap() }
}

fn chat(pieces: &[Json]) -> Expected {
    let mut expected = Expected::default();
    let mut calls: Vec<(u64, Option<String>, String, String)> = Vec::new();
    for piece in pieces {
        if let Some(usage) = piece["usage"].as_object() {
            expected.total = number(&usage["total_tokens"]);
            expected.input = number(&usage["prompt_tokens"]);
            expected.reasoning = number(&piece["usage"]["completion_tokens_details"]["reasoning_tokens"]);
        }
        expected.model =
            piece["model"].as_str().filter(|model| !model.is_empty()).map(str::to_owned).or(expected.model);
        let choice = &piece["choices"][0];
        let message = if choice["delta"].is_object() { &choice["delta"] } else { &choice["message"] };
        expected.text += message["content"].as_str().unwrap_or_default();
        for part in message["content"].as_array().into_iter().flatten() {
            expected.text += part["text"].as_str().unwrap_or_default();
        }
        for (nth, call) in message["tool_calls"].as_array().into_iter().flatten().enumerate() {
            let index = call["index"].as_u64().unwrap_or(nth as u64);
            if !calls.iter().any(|(known, ..)| *known == index) {
                let id = call["id"].as_str().map(str::to_owned);
                calls.push((index, id, word(&call["function"]["name"]), String::new()));
            }
            let call_of = calls.iter_mut().find(|(known, ..)| *known == index).unwrap();
            call_of.3 += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        if choice["finish_reason"].is_string() {
            expected.stop = word(&choice["finish_reason"]);
        }
    }
    expected.calls = calls.into_iter().map(|(_, id, name, text)| (id, name, arguments(&text))).collect();
    expected
}

fn responses(mut pieces: Vec<Json>) -> Expected {
    let last = pieces.pop().unwrap();
    let mut whole = if last["response"].is_object() { last["response"].clone() } else { last };
    if whole["output"] == json!([]) {
        // What is not repeated at the end stood in the events.
        whole["output"] = pieces
            .iter()
            .filter(|one| one["type"] == "response.output_item.done")
            .map(|one| one["item"].clone())
            .collect();
    }
    let items = whole["output"].as_array().cloned().unwrap_or_default();
    let marked = items.iter().any(|item| item["phase"] == "final_answer");
    let mut expected = Expected { model: whole["model"].as_str().map(str::to_owned), ..Expected::default() };
    for item in &items {
        if item["type"] == "message" && (!marked || item["phase"] == "final_answer") {
            let parts = item["content"].as_array().unwrap().iter();
            expected.text.extend(parts.filter_map(|part| part["text"].as_str()));
        } else if item["type"] == "function_call" {
            let id = item["call_id"].as_str().map(str::to_owned);
            expected.calls.push((id, word(&item["name"]), arguments(item["arguments"].as_str().unwrap())));
        }
    }
    expected.stop = word(&whole["status"]);
    let usage = &whole["usage"];
    expected.total = number(&usage["total_tokens"]);
    expected.input = number(&usage["input_tokens"]);
    expected.reasoning = number(&usage["output_tokens_details"]["reasoning_tokens"]);
    expected
}

fn anthropic(mut pieces: Vec<Json>) -> Expected {
    // What begins anew takes back what came before.
    if let Some(begin) = pieces.iter().rposition(|piece| piece["type"] == "message_start") {
        pieces.drain(..begin);
    }
    let mut usage: BTreeMap<String, u64> = BTreeMap::new();
    let mut blocks: BTreeMap<u64, (Json, String, String)> = BTreeMap::new();
    let mut expected = Expected::default();
    for piece in &pieces {
        let message = if piece["message"].is_object() { &piece["message"] } else { piece };
        for (name, count) in message["usage"].as_object().into_iter().flatten() {
            if let Some(count) = count.as_u64() {
                usage.insert(name.clone(), count);
            }
        }
        expected.reasoning =
            number(&message["usage"]["output_tokens_details"]["thinking_tokens"]).max(expected.reasoning);
        for stop in [&message["stop_reason"], &piece["delta"]["stop_reason"]] {
            if stop.is_string() {
                expected.stop = word(stop);
            }
        }
        if message["model"].is_string() {
            expected.model = Some(word(&message["model"]));
        }
        for (nth, block) in message["content"].as_array().into_iter().flatten().enumerate() {
            blocks.insert(nth as u64, (block.clone(), word(&block["text"]), String::new()));
        }
        let index = number(&piece["index"]);
        if piece["type"] == "content_block_start" {
            let block = piece["content_block"].clone();
            if block["type"] == "fallback" {
                expected.model = Some(word(&block["to"]["model"]));
            }
            let text = word(&block["text"]);
            blocks.insert(index, (block, text, String::new()));
        }
        if piece["type"] == "content_block_delta" {
            let block = blocks.get_mut(&index).unwrap();
            block.1 += piece["delta"]["text"].as_str().unwrap_or_default();
            block.2 += piece["delta"]["partial_json"].as_str().unwrap_or_default();
        }
    }
    for (block, text, json) in blocks.into_values() {
        if block["type"] == "text" {
            expected.text += &text;
        } else if block["type"] == "tool_use" {
            let input = if json.is_empty() { block["input"].clone() } else { arguments(&json) };
            expected.calls.push((Some(word(&block["id"])), word(&block["name"]), input));
        }
    }
    let count = |name: &str| usage.get(name).copied().unwrap_or(0);
    expected.input = count("input_tokens") + count("cache_read_input_tokens") + count("cache_creation_input_tokens");
    expected.total = expected.input + count("output_tokens");
    expected
}

/// What the streams with arguments in pieces call in the end, by hand.
fn in_pieces(name: &str) -> Option<Vec<(&'static str, Json)>> {
    Some(match name {
        "google-stream-tool-call-arguments.chunks.txt" => {
            vec![
                ("getWeather", json!({ "location": "Boston" })),
                ("getWeather", json!({ "location": "San Francisco" })),
            ]
        }
        "google-stream-no-args-tool-call.chunks.txt" => vec![
            ("read_theme", json!({})),
            ("read_screen", json!({ "id": "A" })),
            ("read_screen", json!({ "id": "B" })),
            ("read_screen", json!({ "id": "C" })),
        ],
        "google-stream-tool-call-array-arguments-missing-terminal-function-call.chunks.txt" => {
            let one = |description: &str, id: &str, price: f64| json!({ "action": "add", "description": description, "itemid": id, "price": price });
            let operations = [one("Fresh red apple", "apple_001", 0.5), one("Ripe yellow banana", "banana_001", 0.3)];
            vec![("writeItems", json!({ "operations": operations }))]
        }
        "google-vertex-stream-tool-call-arguments-nested.1.chunks.txt" => {
            let ingredients: Vec<Json> = [
                ("16 oz", "Lasagna noodles"),
                ("1 lb", "Ground beef"),
                ("15 oz", "Ricotta cheese"),
                ("3 cups", "Mozzarella cheese"),
                ("1/2 cup", "Parmesan cheese"),
                ("24 oz", "Tomato sauce"),
                ("1", "Egg"),
                ("2 cloves", "Garlic"),
                ("1 tsp", "Salt"),
                ("1/2 tsp", "Pepper"),
            ]
            .map(|(amount, name)| json!({ "amount": amount, "name": name }))
            .into();
            let steps = [
                "Preheat oven to 375°F (190°C).",
                "Cook lasagna noodles according to package directions, drain and set aside.",
                "Brown ground beef with minced garlic in a skillet. Drain fat and stir in tomato sauce. Simmer for 10 minutes.",
                "In a bowl, mix ricotta cheese, egg, salt, pepper, and Parmesan cheese.",
                "In a 9x13 baking dish, spread a thin layer of meat sauce.",
                "Layer noodles, ricotta mixture, mozzarella, and meat sauce. Repeat.",
                "Top with remaining mozzarella cheese.",
                "Cover with foil and bake for 25 minutes.",
                "Remove foil and bake for another 25 minutes until golden.",
                "Let stand for 15 minutes before serving.",
            ];
            vec![("cookRecipe", json!({ "recipe": { "ingredients": ingredients, "name": "Lasagna", "steps": steps } }))]
        }
        _ => return None,
    })
}

fn gemini(pieces: &[Json], name: &str) -> Expected {
    let mut expected = Expected::default();
    for piece in pieces {
        let usage = &piece["usageMetadata"];
        if usage["totalTokenCount"].is_u64() {
            expected.total = number(&usage["totalTokenCount"]);
            expected.input = number(&usage["promptTokenCount"]);
            expected.reasoning = number(&usage["thoughtsTokenCount"]);
        }
        expected.model = piece["modelVersion"].as_str().map(str::to_owned).or(expected.model);
        let candidate = &piece["candidates"][0];
        for part in candidate["content"]["parts"].as_array().into_iter().flatten() {
            if part["thought"] != json!(true) {
                expected.text += part["text"].as_str().unwrap_or_default();
            }
            if part["functionCall"]["args"].is_object() {
                let call = &part["functionCall"];
                let id = call["id"].as_str().map(str::to_owned);
                expected.calls.push((id, word(&call["name"]), call["args"].clone()));
            }
        }
        if candidate["finishReason"].is_string() {
            expected.stop = word(&candidate["finishReason"]);
        }
    }
    if let Some(calls) = in_pieces(name) {
        expected.calls = calls.into_iter().map(|(name, args)| (None, name.to_owned(), args)).collect();
    }
    expected
}
