//! What is asked and what is said, whatever dialect it is written in.

use axum::{
    http::header,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{chat, gemini, messages, responses};

/// The form of a request and of its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Dialect {
    /// OpenAI's chat completions.
    #[default]
    Chat,
    /// OpenAI's responses.
    Responses,
    /// Anthropic's messages.
    Messages,
    /// Gemini's `generateContent`.
    Gemini,
}

/// One request, as far as personas are concerned.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Asked {
    pub(super) dialect: Dialect,
    pub(super) model: String,
    pub(super) messages: Vec<Message>,
    /// What the answer must fit.
    pub(super) schema: Option<Value>,
    /// The answer must be JSON, whatever its shape.
    pub(super) json: bool,
    /// What may be proposed.
    pub(super) offers: Vec<Offer>,
    pub(super) stream: bool,
    /// The chat dialect tells usage in a stream only if it is asked to.
    pub(super) usage: bool,
}

/// One message; of several parts, their texts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Message {
    pub(super) who: Who,
    pub(super) text: String,
    /// What the model proposed with it.
    pub(super) uses: Vec<Use>,
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Who {
    System,
    /// A person, or the result of a tool.
    User,
    /// The model itself, before.
    Model,
}

/// A tool that is offered.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Offer {
    pub(super) name: String,
    pub(super) schema: Value,
}

/// A use of an offer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Use {
    pub(super) name: String,
    pub(super) arguments: Value,
}

/// Why an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Finish {
    /// It was all there is to say.
    Stop,
    /// It hit its length limit.
    Length,
}

/// What is said.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    /// An answer, what it proposes, and why it ended.
    Answer { text: String, uses: Vec<Use>, finish: Finish },
    /// Words of refusal instead of an answer.
    Refusal(String),
    /// No answer. `wait` is in seconds.
    Error { status: u16, code: &'static str, message: String, param: Option<&'static str>, wait: Option<u32> },
}

impl Asked {
    /// All messages, one below the other.
    pub(super) fn text(&self) -> String {
        self.messages.iter().map(|message| message.text.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The first words that are not of the system, and how often the model has had its turn since.
    pub(super) fn ask(&self) -> (&str, usize) {
        let first = self.messages.iter().find(|message| message.who == Who::User);
        let turns = self.messages.chunk_by(|one, next| one.who == next.who);
        let spoken = turns.filter(|turn| turn.iter().any(|message| message.who == Who::Model)).count();
        (first.map_or("", |message| &message.text), spoken)
    }

    /// The schema that a system message shows where the server does not enforce one: the object after the words "JSON Schema".
    pub(super) fn shown_schema(messages: &[Message]) -> Option<Value> {
        messages.iter().filter(|message| message.who == Who::System).find_map(|message| {
            let after = &message.text[message.text.find("JSON Schema")?..];
            let object = &after[after.find('{')?..];
            serde_json::Deserializer::from_str(object).into_iter::<Value>().next()?.ok()
        })
    }

    /// Four bytes are about one token: what is billed is repeatable, not exact. Of the messages, then of the answer.
    pub(super) fn tokens(&self, said: &Said) -> (usize, usize) {
        let bytes: usize = self.messages.iter().map(|message| message.text.len()).sum();
        let uses: usize = match said {
            Said::Answer { uses, .. } => uses.iter().map(|one| one.arguments.to_string().len()).sum(),
            Said::Refusal(_) | Said::Error { .. } => 0,
        };
        (bytes.div_ceil(4), (said.words().len() + uses).div_ceil(4))
    }
}

impl Message {
    /// One without proposals.
    pub(super) fn new(who: Who, text: String) -> Message {
        Message { who, text, uses: Vec::new() }
    }
}

impl Use {
    /// As it stands in a conversation: the arguments are JSON, or a text that is JSON.
    pub(super) fn read(name: &Value, arguments: &Value) -> Option<Use> {
        let arguments = match arguments {
            Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| arguments.clone()),
            other => other.clone(),
        };
        Some(Use { name: name.as_str()?.to_owned(), arguments })
    }
}

impl Said {
    /// An answer in words.
    pub(super) fn text(text: String) -> Said {
        Said::Answer { text, uses: Vec::new(), finish: Finish::Stop }
    }

    /// A request that is none.
    pub(super) fn bad(param: Option<&'static str>, message: String) -> Said {
        Said::Error { status: 400, code: "invalid_request_error", message, param, wait: None }
    }

    /// The visible words.
    pub(super) fn words(&self) -> &str {
        match self {
            Said::Answer { text, .. } | Said::Refusal(text) => text,
            Said::Error { message, .. } => message,
        }
    }

    /// What is written down of it: the words, or what is proposed.
    pub(super) fn told(&self) -> String {
        match self {
            Said::Answer { text, uses, .. } if !uses.is_empty() => {
                let uses: Vec<_> = uses.iter().map(|one| format!("{} {}", one.name, one.arguments)).collect();
                format!("{text}{}{}", if text.is_empty() { "" } else { "\n" }, uses.join("\n"))
            }
            said => said.words().to_owned(),
        }
    }

    /// As a response to the request with this number, made at this second since 1970 UTC.
    pub(super) fn response(&self, asked: &Asked, n: u64, created: i64) -> Response {
        match asked.dialect {
            Dialect::Chat => chat::response(self, asked, n, created),
            Dialect::Responses => responses::response(self, asked, n, created),
            Dialect::Messages => messages::response(self, asked, n),
            Dialect::Gemini => gemini::response(self, asked, n),
        }
    }
}

/// The body as an object.
///
/// # Errors
/// The 400 that says why it is none.
pub(super) fn object(body: &[u8]) -> Result<Value, Said> {
    match serde_json::from_slice(body) {
        Ok(json @ Value::Object(_)) => Ok(json),
        Ok(_) => Err(Said::bad(None, "the body is no JSON object".to_owned())),
        Err(why) => Err(Said::bad(None, format!("the body is no JSON: {why}"))),
    }
}

/// What stands under a key as a list of at least one.
///
/// # Errors
/// The 400 that says why it is none.
pub(super) fn list<'v>(json: &'v Value, key: &'static str) -> Result<&'v Vec<Value>, Said> {
    let list = json[key].as_array().filter(|list| !list.is_empty());
    list.ok_or_else(|| Said::bad(Some(key), format!("`{key}` must be a list of at least one message")))
}

/// The name of the model.
///
/// # Errors
/// The 400 that says that there is none.
pub(super) fn model(json: &Value) -> Result<String, Said> {
    let model = json["model"].as_str().filter(|model| !model.is_empty());
    model.map(str::to_owned).ok_or_else(|| Said::bad(Some("model"), "`model` must be the name of a model".to_owned()))
}

/// The text of a message; parts that are no text are nothing, results of tools are their text. `None`: it is neither a text nor parts.
pub(super) fn text(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            let texts = parts.iter().map(|part| {
                part["type"].as_str()?;
                match &part["content"] {
                    Value::Null => Some(part["text"].as_str().unwrap_or_default().to_owned()),
                    inner => text(inner),
                }
            });
            Some(texts.collect::<Option<Vec<_>>>()?.join("\n"))
        }
        _ => None,
    }
}

/// A response that is a stream of events, as one body.
pub(super) fn events(events: &[(Option<&str>, Value)], done: bool) -> Response {
    let mut body = String::new();
    for (name, data) in events {
        if let Some(name) = name {
            body.push_str(&format!("event: {name}\n"));
        }
        body.push_str(&format!("data: {data}\n\n"));
    }
    if done {
        body.push_str("data: [DONE]\n\n");
    }
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

/// How many characters a piece of a stream has.
const PIECE: usize = 24;

/// A text in pieces, as a stream brings it.
pub(super) fn pieces(text: &str) -> Vec<String> {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(PIECE).map(|piece| piece.iter().collect()).collect()
}
