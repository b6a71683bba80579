//! What `surefoot.yaml` says of a model that is reached over the network.

use std::sync::Arc;

use super::project::{ModelDecl, Provider};
use crate::{
    complaint::{Complaints, nearest},
    expr::{Names, Template},
    governance::budget::{self, Listed, Price, PriceList, Rate, Tariff},
    ids::Digest,
    pace::Pace,
    tool::is_secret,
    types::Type,
    values::Span,
    yaml::{Fields, Node},
};

/// A model behind a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Remote {
    /// How the server is spoken to.
    pub dialect: Dialect,
    /// What the dialect's own path is added to, as it is written: a text, or `=env.NAME`.
    pub base_url: Arc<str>,
    /// The server's name of the model.
    pub model: Arc<str>,
    /// A model of which is known what is true of this one: a server may have names of its own.
    pub like: Option<Arc<str>>,
    /// `secret://name`; `None` for a server that asks for no key.
    pub key: Option<Arc<str>>,
    /// The longest answer, in tokens. There is none without it: an answer without an end has no price.
    pub max_tokens: u32,
    /// What the server calls that; `None`: as is known of the model.
    pub cap: Option<Cap>,
    /// Sent only if it is written: many models refuse it.
    pub temperature: Option<f64>,
    /// How much the model is to think before it answers; sent only if it is written.
    pub effort: Option<Effort>,
    /// How the server is told which shape the answer has; `None`: as is known of the model.
    pub structured: Option<Structured>,
    /// Whether the model takes a temperature; `None`: as is known of it.
    pub sampling: Option<bool>,
    /// Whether the model can be made to use a tool; `None`: as is known of it.
    pub force_tool: Option<bool>,
    /// Keys of a request that the server rejects, beside those that are known: they are left out.
    pub rejects: Vec<Arc<str>>,
    /// From connecting to the last byte.
    pub timeout: Span,
    /// Until the first byte of the answer, at most `timeout`.
    pub first_byte: Span,
    /// Between two pieces of the answer, at most `timeout`.
    pub silence: Span,
}

/// How a server is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Dialect {
    /// `POST /chat/completions`, as OpenAI has it and many others.
    OpenAiChat,
    /// `POST /responses`, as OpenAI has it.
    OpenAiResponses,
    /// `POST /messages`, as Anthropic has it.
    Anthropic,
    /// `POST /models/{model}:streamGenerateContent`, as Google has it.
    Gemini,
}

impl Dialect {
    /// Every dialect that this version speaks.
    pub const ALL: [Dialect; 4] = [Dialect::OpenAiChat, Dialect::OpenAiResponses, Dialect::Anthropic, Dialect::Gemini];

    /// As it is written under `provider`.
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::OpenAiChat => "openai_chat",
            Dialect::OpenAiResponses => "openai_responses",
            Dialect::Anthropic => "anthropic",
            Dialect::Gemini => "gemini",
        }
    }

    /// The dialect of that name.
    pub fn parse(word: &str) -> Option<Dialect> {
        Dialect::ALL.into_iter().find(|dialect| dialect.as_str() == word)
    }

    /// Where its public service is; the OpenAI chat format has many.
    pub fn service(self) -> Option<&'static str> {
        match self {
            Dialect::OpenAiChat => None,
            Dialect::OpenAiResponses => Some("https://api.openai.com/v1"),
            Dialect::Anthropic => Some("https://api.anthropic.com/v1"),
            Dialect::Gemini => Some("https://generativelanguage.googleapis.com/v1beta"),
        }
    }

    /// What is added to the base URL, for sentences.
    pub fn path(self) -> &'static str {
        match self {
            Dialect::OpenAiChat => "/chat/completions",
            Dialect::OpenAiResponses => "/responses",
            Dialect::Anthropic => "/messages",
            Dialect::Gemini => "/models",
        }
    }

    /// The ways in which its servers can be told of a shape.
    pub fn structured(self) -> &'static [&'static str] {
        match self {
            Dialect::OpenAiChat => &["json_schema", "json_object", "json_object_schema", "text"],
            Dialect::OpenAiResponses | Dialect::Gemini => &["json_schema", "json_object", "text"],
            Dialect::Anthropic => &["json_schema", "text"],
        }
    }
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

/// How much a model is to think before it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Effort {
    /// Not at all.
    None,
    /// As little as it can.
    Minimal,
    /// Little.
    Low,
    /// As much as is usual.
    Medium,
    /// Much.
    High,
    /// More.
    Xhigh,
    /// As much as it can.
    Max,
}

impl Effort {
    /// From the least to the most.
    pub const ALL: [Effort; 7] =
        [Effort::None, Effort::Minimal, Effort::Low, Effort::Medium, Effort::High, Effort::Xhigh, Effort::Max];

    /// As it is written under `effort`.
    pub fn as_str(self) -> &'static str {
        match self {
            Effort::None => "none",
            Effort::Minimal => "minimal",
            Effort::Low => "low",
            Effort::Medium => "medium",
            Effort::High => "high",
            Effort::Xhigh => "xhigh",
            Effort::Max => "max",
        }
    }

    /// The effort of that name.
    pub fn parse(word: &str) -> Option<Effort> {
        Effort::ALL.into_iter().find(|effort| effort.as_str() == word)
    }
}

/// How a server is told which shape an answer has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Structured {
    /// The schema stands in the request; strict where the dialect has strictness and the schema a strict form.
    #[default]
    JsonSchema,
    /// The request says that the answer is JSON; the schema stands at the end of the system text.
    JsonObject,
    /// `response_format: { type: json_object, schema }`, as llama.cpp has it; the schema stands in the system text too.
    JsonObjectSchema,
    /// Nothing in the request; the schema stands at the end of the system text.
    Text,
}

impl Structured {
    /// The way of that name.
    pub fn parse(word: &str) -> Option<Structured> {
        match word {
            "json_schema" => Some(Structured::JsonSchema),
            "json_object" => Some(Structured::JsonObject),
            "json_object_schema" => Some(Structured::JsonObjectSchema),
            "text" => Some(Structured::Text),
            _ => None,
        }
    }
}

/// A model without a `timeout` waits so long.
const TIMEOUT: Span = Span::from_millis(60_000);
/// No model waits longer for one call.
const MAX_TIMEOUT: Span = Span::from_millis(3_600_000);
/// No answer is longer.
const MAX_TOKENS: i64 = 10_000_000;

const REMOTE: [&str; 19] = [
    "provider",
    "base_url",
    "model",
    "like",
    "key",
    "max_tokens",
    "price",
    "temperature",
    "effort",
    "structured",
    "sampling",
    "force_tool",
    "rejects",
    "timeout",
    "first_byte",
    "silence",
    "rate",
    "window",
    "cleared",
];

/// Reads a model behind a server.
pub(super) fn remote(dialect: Dialect, node: &Node, complaints: &mut Complaints) -> Option<ModelDecl> {
    // What the longest answer is called differs in one dialect only.
    let cap = (dialect == Dialect::OpenAiChat).then_some("cap");
    let known: Vec<&str> = REMOTE.into_iter().chain(cap).collect();
    let fields = Fields::new(node, whose(dialect), &known, &[], complaints)?;
    let before = complaints.len();
    let base_url = match (fields.get("base_url"), dialect.service()) {
        (None, Some(service)) => Some(service.into()),
        (Some(node), _) => base_url(node, dialect, complaints),
        (None, None) => fields.required("base_url", complaints).and(None),
    };
    let model = fields.text("model", complaints);
    let like = fields.opt_text("like", complaints);
    let key = fields.get("key").and_then(|node| key(node, complaints));
    if let (Some(service), Some(url), false) = (dialect.service(), &base_url, fields.has("key"))
        && url.trim_end_matches('/') == service
    {
        let message = format!("{service} answers nobody without a key: this model needs `key`");
        let name = dialect.as_str().split('_').next().unwrap_or_default();
        let hint = format!("name it, as in `key: secret://{name}`, and set SUREFOOT_SECRET_{}", name.to_uppercase());
        complaints.push(fields.node.complaint("W140", message).hint(hint));
    }
    if !fields.has("max_tokens") {
        let message = "a call without an output cap is refused: this model needs `max_tokens`";
        let hint = "write the longest answer that you are ready to pay for: `max_tokens: 800`";
        complaints.push(fields.node.complaint("W003", message).hint(hint));
    }
    let max_tokens = max_tokens(&fields, complaints);
    let price = fields.get("price").and_then(|node| budget::price(node, complaints));
    let list = base_url.as_ref().zip(model.as_ref()).and_then(|(url, model)| listed(&fields, url, model, complaints));
    let cap = fields.one_of("cap", &["max_completion_tokens", "max_tokens"], complaints).map(|word| match word {
        "max_tokens" => Cap::MaxTokens,
        _ => Cap::MaxCompletionTokens,
    });
    let temperature = fields.get("temperature").and_then(|node| temperature(node, complaints));
    let efforts = Effort::ALL.map(Effort::as_str);
    let effort = fields.one_of("effort", &efforts, complaints).and_then(Effort::parse);
    let structured = fields.one_of("structured", dialect.structured(), complaints).and_then(Structured::parse);
    let sampling = fields.get("sampling").and_then(|node| node.bool(complaints));
    let force_tool = fields.get("force_tool").and_then(|node| node.bool(complaints));
    let rejects = fields.get("rejects").and_then(|node| rejects(node, complaints)).unwrap_or_default();
    let timeout = limit(&fields, "timeout", (TIMEOUT, MAX_TIMEOUT), complaints);
    let first_byte = limit(&fields, "first_byte", (timeout, timeout), complaints);
    let silence = limit(&fields, "silence", (timeout, timeout), complaints);
    let pace = fields.get("rate").and_then(|node| Pace::read(node, complaints));
    let window = window(&fields, complaints);
    // A model with a mistake is none: what its defaults hide is not to be found out by a call.
    let whole = complaints.len() == before;
    let (base_url, model, max_tokens) = (base_url?, model?, max_tokens?);
    whole.then_some(ModelDecl {
        provider: Provider::Remote(Box::new(Remote {
            dialect,
            base_url,
            model,
            like,
            key,
            max_tokens,
            cap,
            temperature,
            effort,
            structured,
            sampling,
            force_tool,
            rejects,
            timeout,
            first_byte,
            silence,
        })),
        tariff: Tariff::Billed { price, cap: Some(max_tokens), list },
        pace,
        window,
    })
}

/// What the list that comes with us says of a model. Where neither it nor the file says anything, the model is refused.
fn listed(fields: &Fields<'_>, url: &str, model: &str, complaints: &mut Complaints) -> Option<Arc<Listed>> {
    let list = PriceList::today();
    let listed = list.find(url, model).map(Arc::new);
    if listed.is_none() && !fields.has("price") {
        let message =
            format!("what a call of `{model}` costs is not known: {} has no price for it at this server", list.name);
        let near =
            nearest(model, list.names(url)).map(|near| format!("did you mean `{near}`? Else ")).unwrap_or_default();
        let hint =
            "write `price: { input: 3.00, output: 15.00, as_of: 2026-11-01 }`, or `price: free` if nobody is billed";
        complaints.push(fields.node.complaint("W234", message).hint(format!("{near}{hint}")));
    }
    listed
}

/// `window`: how many tokens a model takes in and gives out together.
pub(super) fn window(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<u64> {
    fields.int("window", 1, 100 * MAX_TOKENS, complaints).and_then(|count| u64::try_from(count).ok())
}

fn whose(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::OpenAiChat => "a model of `openai_chat`",
        Dialect::OpenAiResponses => "a model of `openai_responses`",
        Dialect::Anthropic => "a model of `anthropic`",
        Dialect::Gemini => "a model of `gemini`",
    }
}

/// `price` and `max_tokens` of a model that costs nothing where neither is written.
pub(super) fn tariff(fields: &Fields<'_>, complaints: &mut Complaints) -> Tariff {
    let cap = max_tokens(fields, complaints);
    let price = fields.get("price").and_then(|node| budget::price(node, complaints));
    if price == Some(Price::NOTHING) && cap.is_none() {
        return Tariff::Free;
    }
    if fields.has("price") && !fields.has("max_tokens") {
        let message = "a model with a price needs `max_tokens`: an answer without an end has no price";
        let hint = "write the longest answer, in tokens: `max_tokens: 800`";
        complaints.push(fields.node.complaint("W093", message).hint(hint));
    }
    if (price, cap) == (None, None) { Tariff::Free } else { Tariff::Billed { price, cap, list: None } }
}

fn max_tokens(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<u32> {
    fields.int("max_tokens", 1, MAX_TOKENS, complaints).and_then(|count| u32::try_from(count).ok())
}

impl ModelDecl {
    /// What is known of its calls.
    pub fn rate(&self) -> Rate {
        let (tariff, timeout) = (self.tariff.clone(), self.timeout());
        Rate { tariff, timeout, pace: self.pace, window: self.window, asks: self.asks() }
    }

    /// What tells this declaration from another one, where a server answers; all others answer from what the bundle names.
    fn asks(&self) -> Option<Digest> {
        match &self.provider {
            Provider::Remote(remote) => Some(Digest::of(&[format!("{remote:?}").as_bytes()])),
            Provider::Scripted { .. } | Provider::Rules { .. } | Provider::Registered => None,
        }
    }

    /// What a call of it may take at most, for budgets of time. A provider without a timeout of its own counts as one minute.
    pub fn timeout(&self) -> Span {
        match &self.provider {
            Provider::Remote(remote) => remote.timeout,
            Provider::Scripted { .. } | Provider::Rules { .. } | Provider::Registered => TIMEOUT,
        }
    }
}

/// A text, or an expression over `env`.
fn base_url(node: &Node, dialect: Dialect, complaints: &mut Complaints) -> Option<Arc<str>> {
    let text = node.text(complaints)?;
    let template = complaints.take(Template::compile(node))?;
    let lookup = |name: &str| (name == "env").then_some(Type::Any);
    complaints.take_all(template.ty(&Names { types: &lookup, known: &["env"] }))?;
    let literal = template.literal().and_then(|value| value.as_str());
    if literal.is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        let like = dialect.service().unwrap_or("https://api.openai.com/v1");
        let hint = format!("write one like `{like}`, without `{}`, or `=env.NAME`", dialect.path());
        complaints.push(node.complaint("W005", format!("`{text}` is no URL of a server")).hint(hint));
        return None;
    }
    if literal.is_some_and(|url| url.trim_end_matches('/').ends_with(dialect.path())) {
        let message = format!("`base_url` ends before `{}`, which is added to it", dialect.path());
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

/// Keys without which a request is still one.
fn rejects(node: &Node, complaints: &mut Complaints) -> Option<Vec<Arc<str>>> {
    const NEEDED: [&str; 7] = ["model", "messages", "input", "contents", "system", "tools", "max_tokens"];
    let names = node.texts(complaints)?;
    match names.iter().find(|name| NEEDED.contains(&&***name)) {
        None => Some(names),
        Some(name) => {
            complaints.push(node.complaint("W005", format!("without `{name}` a request means something else")));
            None
        }
    }
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
