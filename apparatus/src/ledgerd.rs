//! An external effects ledger in its own process: what really happened outside, whatever a journal says.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /effect/{kind}` | applies an effect; answers `{id, kind, applied}` |
//! | `GET /read/{id}` | changes nothing; says whether the effect with this number or key happened |
//! | `POST /ask` | counts a model call; answers `{asked, body}` |
//! | `GET /ledger` | all lines so far, one JSON object a line; not recorded itself |
//! | `… /from/{name}/…` | the first three with a name before them: its lines say who sent them |
//! | `PUT /mode` | `{kind, mode, ms, seconds, probability, seed, dedupe}`; not recorded itself |
//!
//! Every other request is recorded and durable before its answer leaves. De-duplication stands between the faults that come
//! before applying and those that come after: the same key with the same body gives the stored answer and applies nothing,
//! with another body or for another kind 409.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Path as UrlPath, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use kernel::ids::Digest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;

use self::{
    file::Appender,
    wire::{Connection, Wires},
};
use crate::ledger::{Line, Mode};

mod file;
mod wire;

#[cfg(test)]
mod tests;

/// `apparatus ledgerd`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where the lines go; continued if it exists.
    #[arg(long)]
    file: PathBuf,
    /// On 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
}

/// Serves until killed; prints `{"port": …, "url": …}` when ready.
///
/// # Errors
/// The file or the port cannot be used.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let ledgerd = Ledgerd::open(&arguments.file, arguments.port).await?;
    let ready = json!({"port": ledgerd.address().port(), "url": ledgerd.url()});
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{ready}")?;
        out.flush()?;
    }
    ledgerd.serve().await
}

/// A ledger that listens already and answers when served.
pub struct Ledgerd {
    listener: TcpListener,
    address: SocketAddr,
    state: Arc<Shared>,
}

impl Ledgerd {
    /// Opens the file and the port on 127.0.0.1.
    ///
    /// # Errors
    /// The file or the port cannot be used.
    pub async fn open(file: &Path, port: u16) -> io::Result<Ledgerd> {
        let (appender, ledger) = Appender::open(file)?;
        let mut state = Book { next: ledger.lines.len() as u64 + 1, ..Book::default() };
        ledger.lines.iter().for_each(|line| state.remember(line));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Shared { appender, file: file.to_owned(), book: Mutex::new(state) });
        Ok(Ledgerd { listener, address, state })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:…`
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers until dropped.
    ///
    /// # Errors
    /// The port fails.
    pub async fn serve(self) -> io::Result<()> {
        let router = Router::new()
            .route("/effect/{name}", post(effect))
            .route("/read/{name}", get(read))
            .route("/ask", post(ask))
            .route("/from/{sender}/effect/{name}", post(effect))
            .route("/from/{sender}/read/{name}", get(read))
            .route("/from/{sender}/ask", post(ask))
            .route("/ledger", get(lines))
            .route("/mode", put(mode))
            .layer(DefaultBodyLimit::max(64 << 20))
            .with_state(self.state);
        let service = router.into_make_service_with_connect_info::<Connection>();
        axum::serve(Wires::new(self.listener), service).await
    }
}

struct Shared {
    appender: Appender,
    file: PathBuf,
    book: Mutex<Book>,
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in the critical sections can panic half way through a change.
        self.book.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What the receiver knows.
#[derive(Default)]
struct Book {
    next: u64,
    rules: BTreeMap<String, Rule>,
    dedupe: BTreeMap<String, Dedupe>,
    /// The first applied effect of each key.
    stored: BTreeMap<String, Stored>,
    /// Applied effects by number.
    effects: BTreeMap<u64, String>,
    /// How often each (path, key) came.
    seen: BTreeMap<(String, Option<String>), u64>,
}

#[derive(Clone)]
struct Stored {
    n: u64,
    path: String,
    kind: String,
    body_sha256: String,
}

/// Body of `PUT /mode`. What is absent stays as it is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Setting {
    /// An effect's kind, `read`, `ask`, or `*` for all without a setting of their own.
    pub kind: String,
    /// What happens to such requests.
    pub mode: Option<Mode>,
    /// For `slow`: how slow.
    pub ms: Option<u64>,
    /// For `retry_after`: how long.
    pub seconds: Option<u64>,
    /// How likely the mode is instead of `ok`, from 0 to 1; 1 if absent.
    pub probability: Option<f64>,
    /// With it, path, key and count, chance is repeatable.
    pub seed: Option<u64>,
    /// Whether keys are honoured; on until said otherwise.
    pub dedupe: Option<Dedupe>,
}

/// Whether keys are honoured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dedupe {
    /// The same key is applied once.
    #[default]
    On,
    /// Every request is applied.
    Off,
}

#[derive(Clone, Copy, Debug)]
struct Rule {
    mode: Mode,
    ms: u64,
    seconds: u64,
    probability: f64,
    seed: u64,
}

const ALL_IS_WELL: Rule = Rule { mode: Mode::Ok, ms: 0, seconds: 0, probability: 1.0, seed: 0 };

/// One request, as far as the book is concerned.
struct Request {
    method: &'static str,
    path: String,
    /// What a setting is looked up by.
    kind: String,
    is_effect: bool,
    key: Option<String>,
    sender: Option<String>,
    body: Bytes,
    connection: Connection,
}

/// The variable parts of a path.
#[derive(Deserialize)]
struct Named {
    sender: Option<String>,
    #[serde(default)]
    name: String,
}

/// What is answered when all goes well.
enum Answer {
    Json(StatusCode, serde_json::Value),
    /// The answer that the key got before.
    Stored(serde_json::Value),
}

impl Book {
    fn remember(&mut self, line: &Line) {
        *self.seen.entry((line.path.clone(), line.key.clone())).or_default() += 1;
        let (true, Some(kind)) = (line.applied, line.effect()) else { return };
        self.effects.insert(line.n, kind.to_owned());
        if let Some(key) = &line.key {
            self.stored.entry(key.clone()).or_insert_with(|| Stored {
                n: line.n,
                path: line.path.clone(),
                kind: kind.to_owned(),
                body_sha256: line.body_sha256.clone(),
            });
        }
    }

    /// Decides about a request and takes its number.
    fn take(&mut self, request: &Request, at_us: i64) -> (Line, Answer, Rule) {
        let n = self.next;
        self.next += 1;
        let rule = self.rule(request);
        let body_sha256 = Digest::of(&[&request.body]).to_string();
        let mut applied = false;
        let answer = if !request.is_effect {
            self.look(request)
        } else if !rule.mode.applies() {
            Answer::Json(StatusCode::OK, json!(null))
        } else {
            let dedupe = self.dedupe.get(&request.kind).or_else(|| self.dedupe.get("*")).copied().unwrap_or_default();
            let stored = request.key.as_ref().filter(|_| dedupe == Dedupe::On).and_then(|key| self.stored.get(key));
            match stored {
                None => {
                    applied = true;
                    Answer::Json(StatusCode::OK, happened(n, &request.kind))
                }
                Some(stored) if stored.path == request.path && stored.body_sha256 == body_sha256 => {
                    Answer::Stored(happened(stored.n, &stored.kind))
                }
                Some(stored) => {
                    let detail = format!("this key stands for request {}, which was another", stored.n);
                    Answer::Json(StatusCode::CONFLICT, json!({"error": detail}))
                }
            }
        };
        let status = match (&answer, rule.mode) {
            (Answer::Json(status, _), _) if status.is_client_error() => status.as_u16(),
            (_, Mode::Reject4xx) => 422,
            (_, Mode::FailBefore | Mode::FailAfter) => 500,
            (_, Mode::RetryAfter) => 429,
            (Answer::Json(status, _), _) => status.as_u16(),
            (Answer::Stored(_), _) => 200,
        };
        let line = Line {
            n,
            at_us,
            method: request.method.to_owned(),
            path: request.path.clone(),
            key: request.key.clone(),
            body_sha256,
            body: readable(&request.body),
            connection: request.connection.id,
            sender: request.sender.clone(),
            mode: rule.mode,
            applied,
            status,
        };
        self.remember(&line);
        (line, answer, rule)
    }

    fn look(&self, request: &Request) -> Answer {
        if let Some(id) = request.path.strip_prefix("/read/") {
            let number = id.parse().ok().or_else(|| self.stored.get(id).map(|stored| stored.n));
            let kind = number.and_then(|number| self.effects.get(&number));
            return Answer::Json(StatusCode::OK, json!({"id": id, "found": kind.is_some(), "kind": kind}));
        }
        let asked =
            self.seen.iter().filter(|((path, _), _)| *path == request.path).map(|(_, count)| count).sum::<u64>();
        Answer::Json(StatusCode::OK, json!({"asked": asked + 1, "body": readable(&request.body)}))
    }

    /// The rule that counts for this request, chance included.
    fn rule(&self, request: &Request) -> Rule {
        let rule = self.rules.get(&request.kind).or_else(|| self.rules.get("*")).copied().unwrap_or(ALL_IS_WELL);
        if rule.probability >= 1.0 {
            return rule;
        }
        let count = self.seen.get(&(request.path.clone(), request.key.clone())).copied().unwrap_or(0);
        let key = request.key.as_deref().unwrap_or_default();
        let drawn = Digest::of(&[
            &rule.seed.to_be_bytes(),
            request.path.as_bytes(),
            b"\0",
            key.as_bytes(),
            b"\0",
            &count.to_be_bytes(),
        ]);
        let drawn = drawn.bytes().iter().take(4).fold(0_u32, |drawn, byte| drawn << 8 | u32::from(*byte));
        let chance = f64::from(drawn) / (f64::from(u32::MAX) + 1.0);
        if chance < rule.probability { rule } else { ALL_IS_WELL }
    }

    fn set(&mut self, setting: Setting) -> Result<(), String> {
        let Setting { kind, mode, ms, seconds, probability, seed, dedupe } = setting;
        if kind.is_empty() {
            return Err("`kind` is missing: an effect's kind, `read`, `ask` or `*`".to_owned());
        }
        if probability.is_some_and(|probability| !(0.0..=1.0).contains(&probability)) {
            return Err("`probability` must be from 0 to 1".to_owned());
        }
        if let Some(dedupe) = dedupe {
            self.dedupe.insert(kind.clone(), dedupe);
        }
        if let Some(mode) = mode {
            let rule = Rule {
                mode,
                ms: ms.unwrap_or(0),
                seconds: seconds.unwrap_or(1),
                probability: probability.unwrap_or(1.0),
                seed: seed.unwrap_or(0),
            };
            self.rules.insert(kind, rule);
        }
        Ok(())
    }
}

fn happened(n: u64, kind: &str) -> serde_json::Value {
    json!({"id": n, "kind": kind, "applied": true})
}

fn readable(body: &Bytes) -> serde_json::Value {
    if body.is_empty() {
        return serde_json::Value::Null;
    }
    serde_json::from_slice(body).unwrap_or_else(|_| String::from_utf8_lossy(body).into_owned().into())
}

async fn effect(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, name: kind }): UrlPath<Named>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (path, key) = (format!("/effect/{kind}"), key(&headers));
    receive(&state, Request { method: "POST", path, kind, is_effect: true, key, sender, body, connection }).await
}

async fn read(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, name: id }): UrlPath<Named>,
    headers: HeaderMap,
) -> Response {
    let (path, kind, key, body) = (format!("/read/{id}"), "read".to_owned(), key(&headers), Bytes::new());
    receive(&state, Request { method: "GET", path, kind, is_effect: false, key, sender, body, connection }).await
}

async fn ask(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, .. }): UrlPath<Named>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let (path, kind, key) = ("/ask".to_owned(), "ask".to_owned(), key(&headers));
    receive(&state, Request { method: "POST", path, kind, is_effect: false, key, sender, body, connection }).await
}

async fn lines(State(state): State<Arc<Shared>>) -> Response {
    match tokio::fs::read_to_string(&state.file).await {
        Ok(mut text) => {
            text.truncate(text.rfind('\n').map_or(0, |end| end + 1));
            ([("content-type", "application/x-ndjson")], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn mode(State(state): State<Arc<Shared>>, Json(setting): Json<Setting>) -> Response {
    match state.book().set(setting) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": why}))).into_response(),
    }
}

fn key(headers: &HeaderMap) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get("idempotency-key")?.as_bytes()).into_owned())
}

/// Decides, makes the line durable, then plays the mode.
async fn receive(state: &Shared, request: Request) -> Response {
    let at_us = now_us();
    let (answer, rule, durable) = {
        let mut book = state.book();
        let (line, answer, rule) = book.take(&request, at_us);
        // Handed over under the lock, so that lines stand in the order of their numbers.
        (answer, rule, state.appender.append(&line))
    };
    if durable.await.is_err() {
        // What is not written down was not received.
        request.connection.cut();
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let good = match answer {
        Answer::Json(status, body) => (status, Json(body)).into_response(),
        Answer::Stored(body) => ([("idempotency-replayed", "true")], Json(body)).into_response(),
    };
    let failed = |status: StatusCode| (status, Json(json!({"error": "as told"}))).into_response();
    match rule.mode {
        // A conflict is said even where something else should go wrong: it is the finding that matters.
        _ if good.status() == StatusCode::CONFLICT => good,
        Mode::Ok => good,
        Mode::Reject4xx => failed(StatusCode::UNPROCESSABLE_ENTITY),
        Mode::FailBefore | Mode::FailAfter => failed(StatusCode::INTERNAL_SERVER_ERROR),
        Mode::Hang | Mode::HangAfter => std::future::pending().await,
        Mode::DropBefore | Mode::DropAfter => {
            request.connection.cut();
            good
        }
        Mode::Slow => {
            tokio::time::sleep(Duration::from_millis(rule.ms)).await;
            good
        }
        Mode::RetryAfter => {
            let wait = [("retry-after", rule.seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, wait, Json(json!({"error": "as told"}))).into_response()
        }
        Mode::Truncated => {
            request.connection.halve();
            good
        }
    }
}

/// Microseconds since 1970 UTC.
fn now_us() -> i64 {
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}
