//! What `surefoot.yaml` says of a model that is reached over the network.

use std::sync::Arc;

use super::project::{ModelDecl, Provider};
use crate::{
    complaint::Complaints,
    expr::{Names, Template},
    governance::budget::{self, Rate, Tariff},
    pace::Pace,
    tool::is_secret,
    types::Type,
    values::Span,
    yaml::{Fields, Node},
};

/// A model behind a server that speaks the OpenAI chat format.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenAiChat {
    /// Up to and without `/chat/completions`, as it is written: a text, or `=env.NAME`.
    pub base_url: Arc<str>,
    /// The server's name of the model.
    pub model: Arc<str>,
    /// `secret://name`; `None` for a server that asks for no key.
    pub key: Option<Arc<str>>,
    /// The longest answer, in tokens. There is none without it: an answer without an end has no price.
    pub max_tokens: u32,
    /// What the server calls that.
    pub cap: Cap,
    /// Sent only if it is written: many models refuse it.
    pub temperature: Option<f64>,
    /// How the server is told which shape the answer has.
    pub structured: Structured,
    /// From connecting to the last byte.
    pub timeout: Span,
    /// Until the first byte of the answer, at most `timeout`.
    pub first_byte: Span,
    /// Between two pieces of the answer, at most `timeout`.
    pub silence: Span,
}

/// What a server calls the longest answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cap {
    /// OpenAI, and most that follow it closely.
    #[default]
    MaxCompletionTokens,
    /// Older and many compatible servers.
    MaxTokens,
}

/// How a server is told which shape an answer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Structured {
    /// `response_format: { type: json_schema }`, strict where the schema has a strict form.
    #[default]
    JsonSchema,
    /// `response_format: { type: json_object }`; the schema stands at the end of the system text.
    JsonObject,
    /// `response_format: { type: json_object, schema }`, as llama.cpp has it; the schema stands in the system text too.
    JsonObjectSchema,
    /// Nothing in the request; the schema stands at the end of the system text.
    Text,
}

/// A model without a `timeout` waits so long.
const TIMEOUT: Span = Span::from_millis(60_000);
/// No model waits longer for one call.
const MAX_TIMEOUT: Span = Span::from_millis(3_600_000);
/// No answer is longer.
const MAX_TOKENS: i64 = 10_000_000;

const OPENAI_CHAT: [&str; 15] = [
    "provider",
    "base_url",
    "model",
    "key",
    "max_tokens",
    "cap",
    "price",
    "temperature",
    "structured",
    "timeout",
    "first_byte",
    "silence",
    "rate",
    "window",
    "cleared",
];

/// Reads a model whose provider is `openai_chat`.
pub(super) fn openai_chat(node: &Node, complaints: &mut Complaints) -> Option<ModelDecl> {
    let fields = Fields::new(node, "a model of `openai_chat`", &OPENAI_CHAT, &[], complaints)?;
    let before = complaints.len();
    let base_url = fields.required("base_url", complaints).and_then(|node| base_url(node, complaints));
    let model = fields.text("model", complaints);
    let key = fields.get("key").and_then(|node| key(node, complaints));
    if !fields.has("max_tokens") {
        let message = "a call without an output cap is refused: this model needs `max_tokens`";
        let hint = "write the longest answer that you are ready to pay for: `max_tokens: 800`";
        complaints.push(fields.node.complaint("W003", message).hint(hint));
    }
    let max_tokens = max_tokens(&fields, complaints);
    let price = fields.get("price").and_then(|node| budget::price(node, complaints));
    let cap = match fields.one_of("cap", &["max_completion_tokens", "max_tokens"], complaints) {
        Some("max_tokens") => Cap::MaxTokens,
        _ => Cap::MaxCompletionTokens,
    };
    let temperature = fields.get("temperature").and_then(|node| temperature(node, complaints));
    let dialects = ["json_schema", "json_object", "json_object_schema", "text"];
    let structured = match fields.one_of("structured", &dialects, complaints) {
        Some("json_object") => Structured::JsonObject,
        Some("json_object_schema") => Structured::JsonObjectSchema,
        Some("text") => Structured::Text,
        _ => Structured::JsonSchema,
    };
    let timeout = limit(&fields, "timeout", (TIMEOUT, MAX_TIMEOUT), complaints);
    let first_byte = limit(&fields, "first_byte", (timeout, timeout), complaints);
    let silence = limit(&fields, "silence", (timeout, timeout), complaints);
    let pace = fields.get("rate").and_then(|node| Pace::read(node, complaints));
    let window = window(&fields, complaints);
    // A model with a mistake is none: what its defaults hide is not to be found out by a call.
    let whole = complaints.len() == before;
    let (base_url, model, max_tokens) = (base_url?, model?, max_tokens?);
    whole.then_some(ModelDecl {
        provider: Provider::OpenAiChat(Box::new(OpenAiChat {
            base_url,
            model,
            key,
            max_tokens,
            cap,
            temperature,
            structured,
            timeout,
            first_byte,
            silence,
        })),
        tariff: Tariff::Billed { price, cap: Some(max_tokens) },
        pace,
        window,
    })
}

/// `window`: how many tokens a model takes in and gives out together.
pub(super) fn window(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<u64> {
    fields.int("window", 1, 100 * MAX_TOKENS, complaints).and_then(|count| u64::try_from(count).ok())
}

/// `price` and `max_tokens` of a model that costs nothing where neither is written.
pub(super) fn tariff(fields: &Fields<'_>, complaints: &mut Complaints) -> Tariff {
    let cap = max_tokens(fields, complaints);
    let price = fields.get("price").and_then(|node| budget::price(node, complaints));
    if fields.has("price") && !fields.has("max_tokens") {
        let message = "a model with a price needs `max_tokens`: an answer without an end has no price";
        let hint = "write the longest answer, in tokens: `max_tokens: 800`";
        complaints.push(fields.node.complaint("W093", message).hint(hint));
    }
    if (price, cap) == (None, None) { Tariff::Free } else { Tariff::Billed { price, cap } }
}

fn max_tokens(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<u32> {
    fields.int("max_tokens", 1, MAX_TOKENS, complaints).and_then(|count| u32::try_from(count).ok())
}

impl ModelDecl {
    /// What is known of its calls.
    pub fn rate(&self) -> Rate {
        Rate { tariff: self.tariff, timeout: self.timeout(), pace: self.pace, window: self.window }
    }

    /// What a call of it may take at most, for budgets of time. A provider without a timeout of its own counts as one minute.
    pub fn timeout(&self) -> Span {
        match &self.provider {
            Provider::OpenAiChat(chat) => chat.timeout,
            Provider::Scripted { .. } | Provider::Rules { .. } | Provider::Registered => TIMEOUT,
        }
    }
}

/// A text, or an expression over `env`.
fn base_url(node: &Node, complaints: &mut Complaints) -> Option<Arc<str>> {
    let text = node.text(complaints)?;
    let template = complaints.take(Template::compile(node))?;
    let lookup = |name: &str| (name == "env").then_some(Type::Any);
    complaints.take_all(template.ty(&Names { types: &lookup, known: &["env"] }))?;
    let literal = template.literal().and_then(|value| value.as_str());
    if literal.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        let hint = "write one like `https://api.openai.com/v1`, without `/chat/completions`, or `=env.NAME`";
        complaints.push(node.complaint("W005", format!("`{text}` is no URL of a server")).hint(hint));
        return None;
    }
    if literal.is_some_and(|url| url.trim_end_matches('/').ends_with("/chat/completions")) {
        let message = "`base_url` ends before `/chat/completions`, which is added to it";
        complaints.push(node.complaint("W005", message));
        return None;
    }
    Some(text)
}

fn key(node: &Node, complaints: &mut Complaints) -> Option<Arc<str>> {
    let text = node.text(complaints)?;
    if is_secret(&text) {
        return Some(text);
    }
    // The text may be the key itself: it is not repeated.
    let hint =
        "name it, as in `key: secret://openai`, and set SUREFOOT_SECRET_OPENAI; a server without keys needs none";
    complaints.push(node.complaint("W005", "a key does not stand in a file").hint(hint));
    None
}

fn temperature(node: &Node, complaints: &mut Complaints) -> Option<f64> {
    let number = node.number(complaints)?;
    if (0.0..=2.0).contains(&number) {
        return Some(number);
    }
    complaints.push(node.complaint("W005", format!("the temperature {number} is not between 0 and 2")));
    None
}

fn limit(fields: &Fields<'_>, key: &str, (default, most): (Span, Span), complaints: &mut Complaints) -> Span {
    let Some(node) = fields.get(key) else { return default };
    let Some(span) = node.time(complaints) else { return default };
    if span.micros() > 0 && span <= most {
        return span;
    }
    let message = format!("`{key}` is {span}: more than nothing, and at most {most}");
    complaints.push(node.complaint("W005", message));
    default
}
