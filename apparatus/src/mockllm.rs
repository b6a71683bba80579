//! A model server in its own process: what was really asked of a model, and answers of three characters.
//!
//! It speaks four dialects, streaming and not, with schemas and with tools that are offered. Every call is a line of its file,
//! durable before its answer leaves, a bad one too. `GET /calls` gives these lines; it is not recorded.
//!
//! | dialect | at |
//! | --- | --- |
//! | OpenAI chat | `POST /v1/chat/completions` |
//! | OpenAI responses | `POST /v1/responses` |
//! | Anthropic messages | `POST /v1/messages` |
//! | Gemini | `POST /v1beta/models/MODEL:generateContent`, `:streamGenerateContent?alt=sse` |
//!
//! | persona | answers |
//! | --- | --- |
//! | `scripted` | from a JSON list of [`Scripted`], the first whose `when` stands in the messages; 400 if there is none |
//! | `chaotic` | well, or with one of the [`Fault`]s, drawn from a seed: the same bytes sent for the same time meet the same |
//! | `obedient` | as text that was injected into its messages wants, whatever that is; the rules stand in `mockllm/obedient.rs` |
//! | primed | what a harness in the same process gave it beforehand, see [`Primed`], with faults drawn as the chaotic one does |

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Path as Called, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use kernel::ids::Digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) use self::primed::template;
use self::{
    asked::{Asked, Dialect, Said},
    persona::Turn,
};
pub use self::{
    obedient::Obedient,
    persona::{Fault, Persona, Proposal, Scripted},
    primed::Primed,
};
use crate::{
    lines::{self, Appender, now_us},
    wire::{Connection, Wires},
};

mod asked;
mod chat;
mod fill;
mod gemini;
mod messages;
mod names;
mod obedient;
mod persona;
mod primed;
mod responses;

#[cfg(test)]
mod tests;

/// `apparatus mockllm`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the calls go, one JSON object a line; continued if it exists.
    #[arg(long)]
    file: PathBuf,
    /// On 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Who answers.
    #[arg(long)]
    persona: Character,
    /// Scripted: a JSON list of {when, answer, fault}.
    #[arg(long, required_if_eq("persona", "scripted"))]
    answers: Option<PathBuf>,
    /// Chaotic: what faults are drawn from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Chaotic: a JSON object with a chance for each fault; without it, ten faults one time in twenty each.
    #[arg(long)]
    chances: Option<PathBuf>,
    /// Obedient: JSON with attack texts that it knows without a marker.
    #[arg(long)]
    attacks: Option<PathBuf>,
}

/// A persona's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Character {
    /// From a file.
    Scripted,
    /// Good answers and faults.
    Chaotic,
    /// Does what injected text wants.
    Obedient,
}

/// One call, as it was received and answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// From 1, in the order received.
    pub n: u64,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// Which connection, from 1.
    pub connection: u64,
    /// Of the body as received, in hexadecimal.
    pub body_sha256: String,
    /// The body: as JSON if it is JSON, else as a text.
    pub body: Value,
    /// What went wrong on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// It obeyed an injection.
    pub obeyed: bool,
    /// What was answered, or would have been.
    pub status: u16,
    /// The words that were said, or the error.
    pub said: String,
}

impl Call {
    /// Reads a file of calls; also while it grows.
    ///
    /// # Errors
    /// There is no such file, or it was written by someone else.
    pub fn read(path: &Path) -> io::Result<Vec<Call>> {
        Call::parse(&std::fs::read_to_string(path)?)
    }

    fn parse(text: &str) -> io::Result<Vec<Call>> {
        lines::parse(text).map_err(|(line, why)| io::Error::other(format!("line {line} is no call: {why}")))
    }
}

/// Serves until killed; prints `{"port": …, "url": …}` when ready.
///
/// # Errors
/// A file or the port cannot be used, or a file does not hold what its persona needs.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let read = |path: &Option<PathBuf>| -> io::Result<Option<Vec<u8>>> {
        let named = |path: &PathBuf, why| io::Error::other(format!("cannot read {}: {why}", path.display()));
        path.as_ref().map(|path| std::fs::read(path).map_err(|why| named(path, why))).transpose()
    };
    let Arguments { answers, chances, attacks, .. } = &arguments;
    let (file, persona) = match arguments.persona {
        Character::Scripted => (answers, Persona::scripted(&read(answers)?.unwrap_or_default())),
        Character::Chaotic => (chances, Persona::chaotic(arguments.seed, read(chances)?.as_deref())),
        Character::Obedient => {
            let known = read(attacks)?.map(|json| Obedient::knowing(&json));
            (attacks, known.unwrap_or_else(|| Ok(Obedient::new())).map(Persona::Obedient))
        }
    };
    let named = |why| format!("{}: {why}", file.as_deref().unwrap_or(Path::new("")).display());
    let server =
        MockLlm::open(&arguments.file, arguments.port, persona.map_err(named).map_err(io::Error::other)?).await?;
    let ready = json!({"port": server.address().port(), "url": server.url()});
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{ready}")?;
        out.flush()?;
    }
    server.serve().await
}

/// A model server that listens already and answers when served.
pub struct MockLlm {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<Shared>,
}

struct Shared {
    persona: Persona,
    appender: Appender,
    file: PathBuf,
    book: Mutex<Book>,
}

struct Book {
    next: u64,
    /// How often each body came.
    seen: BTreeMap<String, u64>,
}

impl MockLlm {
    /// Opens the file and the port on 127.0.0.1.
    ///
    /// # Errors
    /// The file or the port cannot be used.
    pub async fn open(file: &Path, port: u16, persona: Persona) -> io::Result<MockLlm> {
        let (appender, calls) = Appender::open(file, Call::parse)?;
        let mut book = Book { next: calls.len() as u64 + 1, seen: BTreeMap::new() };
        for call in calls {
            *book.seen.entry(call.body_sha256).or_default() += 1;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Shared { persona, appender, file: file.to_owned(), book: Mutex::new(book) });
        Ok(MockLlm { listener, address, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:…/v1`: the base URL for a client; for one of Gemini it ends with `v1beta`.
    pub fn url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// Answers until dropped.
    ///
    /// # Errors
    /// The port fails.
    pub async fn serve(self) -> io::Result<()> {
        let router = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/responses", post(responses))
            .route("/v1/messages", post(messages))
            .route("/v1beta/models/{call}", post(gemini))
            .route("/calls", get(calls))
            .fallback(unknown)
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(self.state);
        axum::serve(Wires::new(self.listener), router.into_make_service_with_connect_info::<Connection>()).await
    }
}

type Wire = ConnectInfo<Connection>;
type Server = State<Arc<Shared>>;

async fn chat(State(state): Server, ConnectInfo(connection): Wire, body: Bytes) -> Response {
    let asked = chat::parse(&body);
    complete(state, connection, Dialect::Chat, asked, body).await
}

async fn responses(State(state): Server, ConnectInfo(connection): Wire, body: Bytes) -> Response {
    let asked = responses::parse(&body);
    complete(state, connection, Dialect::Responses, asked, body).await
}

async fn messages(State(state): Server, ConnectInfo(connection): Wire, body: Bytes) -> Response {
    let asked = messages::parse(&body);
    complete(state, connection, Dialect::Messages, asked, body).await
}

async fn gemini(
    State(state): Server,
    ConnectInfo(connection): Wire,
    Called(called): Called<String>,
    uri: axum::http::Uri,
    body: Bytes,
) -> Response {
    let stream = uri.query().is_some_and(|query| query.split('&').any(|one| one == "alt=sse"));
    let asked = match called.rsplit_once(':') {
        Some((model, "generateContent")) => gemini::parse(&body, model, false),
        Some((model, "streamGenerateContent")) if stream => gemini::parse(&body, model, true),
        _ => return unknown(uri).await,
    };
    complete(state, connection, Dialect::Gemini, asked, body).await
}

/// Decides, makes the line durable, then answers.
async fn complete(
    state: Arc<Shared>,
    connection: Connection,
    dialect: Dialect,
    asked: Result<Asked, Said>,
    body: Bytes,
) -> Response {
    let at_us = now_us();
    let body_sha256 = Digest::of(&[&body]).to_string();
    let (n, turn, durable) = {
        // Nothing in here can panic half way through a change.
        let mut book = state.book.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let n = book.next;
        book.next += 1;
        let count = book.seen.entry(body_sha256.clone()).or_default();
        let turn = match &asked {
            Ok(asked) => state.persona.turn(asked, &body, *count),
            Err(said) => Turn { said: said.clone(), fault: None, obeyed: false },
        };
        *count += 1;
        let text = || Value::from(String::from_utf8_lossy(&body).into_owned());
        let call = Call {
            n,
            at_us,
            connection: connection.id,
            body_sha256,
            body: serde_json::from_slice(&body).unwrap_or_else(|_| text()),
            fault: turn.fault,
            obeyed: turn.obeyed,
            status: if let Said::Error { status, .. } = turn.said { status } else { 200 },
            said: turn.said.told(),
        };
        // Handed over under the lock, so that lines stand in the order of their numbers.
        (n, turn, state.appender.append(&call))
    };
    if durable.await.is_err() {
        // What is not written down was not received.
        connection.cut();
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    match turn.fault {
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Cut) => connection.halve(),
        _ => {}
    }
    let asked = asked.unwrap_or_else(|_| Asked { dialect, ..Asked::default() });
    turn.said.response(&asked, n, at_us / 1_000_000)
}

async fn calls(State(state): State<Arc<Shared>>) -> Response {
    match tokio::fs::read_to_string(&state.file).await {
        Ok(mut text) => {
            text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
            ([("content-type", "application/x-ndjson")], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn unknown(uri: axum::http::Uri) -> Response {
    let message = format!(
        "nothing is at `{}`: POST /v1/chat/completions, /v1/responses, /v1/messages, /v1beta/models/MODEL:generateContent, GET /calls",
        uri.path()
    );
    let error = json!({"message": message, "type": "invalid_request_error", "code": "not_found", "param": null});
    (StatusCode::NOT_FOUND, Json(json!({"error": error}))).into_response()
}
