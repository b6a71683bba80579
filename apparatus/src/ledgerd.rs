//! An external effects ledger in its own process: what really happened outside, whatever a journal says.
//!
//! | request | does |
//! | --- | --- |
//! | `POST /effect/{kind}` | applies an effect; answers `{id, kind, applied}` |
//! | `GET /read/{id}` | changes nothing; says whether the effect with this number or key happened |
//! | `GET /probe?ref=…`, `GET /probe/{ref}` | whether an effect with our reference was applied: `{ref, found, id, kind, count}` |
//! | `POST /hook/{name}` | takes a message to people; its `webhook-id` is its key; answers `{taken}` |
//! | `POST /ask` | counts a model call; answers `{asked, body}` |
//! | `… /as/{class}/effect/{kind}` | the effect is `read`, `idempotent` (as without), `probed` or `at_most_once` |
//! | `… /from/{name}/…` | any of these with a name before it: its lines say who sent them |
//! | `GET /ledger` | all lines so far, one JSON object a line; not recorded itself |
//! | `PUT /mode` | a [`Setting`]: a mode for a kind of request, from now on; whether keys are honoured; the lag of probes |
//! | `PUT /next` | a [`Once`]: a mode for the next requests of a kind |
//! | `PUT /plan` | a [`Plan`]: faults drawn for each request by its class |
//!
//! Every request of the first seven rows is recorded and durable before its answer leaves; those of the last four are not, and
//! neither is a request that is none: an unknown path or class, a probe without a reference.
//!
//! What a request meets is decided in this order: the limit of requests in a window (`--limit`), what was set for the next one,
//! the mode of its kind, the mode of `*`, the plan.
//!
//! De-duplication stands between the faults that come before applying and those that come after: the same key with the same body
//! gives the stored answer and applies nothing, with another body or for another kind 409. Keys are honoured for `idempotent`
//! effects alone. The reference of an effect is its header `Reference`, else `ref` in its query, else `reference` in its body.
//! A probe finds `probed` and `idempotent` effects, once they are older than the lag.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{ConnectInfo, DefaultBodyLimit, Path as UrlPath, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

use self::book::{Answer, Book, Request};
pub use self::{
    book::Limit,
    plan::{Chances, Dedupe, Once, Plan, Setting},
};
use crate::{
    ledger::{Class, Ledger, Mode},
    lines::{Appender, now_us},
    wire::{Connection, Wires},
};

mod book;
mod plan;

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
    /// Answer 429 to more than so many requests in a window.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// How long that window is, in milliseconds.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    window_ms: u64,
    /// A JSON file with the plan that faults are drawn by.
    #[arg(long)]
    plan: Option<PathBuf>,
}

/// Serves until killed; prints `{"port": …, "url": …}` when ready.
///
/// # Errors
/// A file or the port cannot be used.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let mut ledgerd = Ledgerd::open(&arguments.file, arguments.port).await?;
    if let Some(requests) = arguments.limit {
        ledgerd = ledgerd.limited(Limit { requests: requests as usize, window_ms: arguments.window_ms });
    }
    if let Some(file) = &arguments.plan {
        let bad = |why: String| io::Error::other(format!("{} is no plan: {why}", file.display()));
        let plan = serde_json::from_slice(&std::fs::read(file).map_err(|why| bad(why.to_string()))?);
        ledgerd = ledgerd.planned(plan.map_err(|why| bad(why.to_string()))?).map_err(bad)?;
    }
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
        let (appender, ledger) = Appender::open(file, |text| Ledger::parse(text).map_err(io::Error::other))?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(Shared { appender, file: file.to_owned(), book: Mutex::new(Book::of(&ledger.lines)) });
        Ok(Ledgerd { listener, address, state })
    }

    /// Takes no more than so many requests in a window.
    #[must_use]
    pub fn limited(self, limit: Limit) -> Ledgerd {
        self.state.book().limit = Some(limit);
        self
    }

    /// Draws faults by a plan.
    ///
    /// # Errors
    /// Its chances are none.
    pub fn planned(self, plan: Plan) -> Result<Ledgerd, String> {
        self.state.book().rules.plan(plan)?;
        Ok(self)
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
        let mut router = Router::new()
            .route("/ledger", get(lines))
            .route("/mode", put(mode))
            .route("/next", put(next))
            .route("/plan", put(plan))
            .fallback(unknown);
        for from in ["", "/from/{sender}"] {
            router = router
                .route(&format!("{from}/effect/{{name}}"), post(effect))
                .route(&format!("{from}/as/{{class}}/effect/{{name}}"), post(effect))
                .route(&format!("{from}/read/{{name}}"), get(read))
                .route(&format!("{from}/probe"), get(probe))
                .route(&format!("{from}/probe/{{name}}"), get(probe))
                .route(&format!("{from}/hook/{{name}}"), post(hook))
                .route(&format!("{from}/ask"), post(ask));
        }
        let router = router.layer(DefaultBodyLimit::max(64 << 20)).with_state(self.state);
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

/// The variable parts of a path.
#[derive(Deserialize)]
struct Named {
    sender: Option<String>,
    class: Option<String>,
    #[serde(default)]
    name: String,
}

/// The query of a request.
#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "ref")]
    reference: Option<String>,
}

async fn effect(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, class, name: kind }): UrlPath<Named>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let class = match class.as_deref() {
        None | Some("idempotent") => Class::Idempotent,
        Some("read") => Class::Read,
        Some("probed") => Class::Probed,
        Some("at_most_once") => Class::AtMostOnce,
        Some(other) => {
            return bad(&format!("`{other}` is no class: read, idempotent, probed or at_most_once"));
        }
    };
    let reference = header(&headers, "reference").or(asked.reference).or_else(|| {
        let body: serde_json::Value = serde_json::from_slice(&body).ok()?;
        body["reference"].as_str().map(str::to_owned)
    });
    let (method, path, key) = ("POST", format!("/effect/{kind}"), header(&headers, "idempotency-key"));
    receive(&state, Request { method, path, kind, class, key, reference, sender, body, connection }).await
}

async fn read(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, name: id, .. }): UrlPath<Named>,
    headers: HeaderMap,
) -> Response {
    let key = header(&headers, "idempotency-key");
    let path = format!("/read/{id}");
    receive(&state, Request { key, sender, ..Request::look("GET", path, "read", connection) }).await
}

async fn probe(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, name, .. }): UrlPath<Named>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let reference = Some(name).filter(|name| !name.is_empty()).or(asked.reference);
    let Some(reference) = reference.filter(|reference| !reference.is_empty()) else {
        return bad("a probe needs a reference: GET /probe?ref=… or GET /probe/…");
    };
    let (key, reference) = (header(&headers, "idempotency-key"), Some(reference));
    let look = Request::look("GET", "/probe".to_owned(), "probe", connection);
    receive(&state, Request { key, reference, sender, ..look }).await
}

async fn ask(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, .. }): UrlPath<Named>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = header(&headers, "idempotency-key");
    let look = Request::look("POST", "/ask".to_owned(), "ask", connection);
    receive(&state, Request { key, sender, body, ..look }).await
}

async fn hook(
    State(state): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    UrlPath(Named { sender, name, .. }): UrlPath<Named>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = header(&headers, "webhook-id");
    let look = Request::look("POST", format!("/hook/{name}"), "hook", connection);
    receive(&state, Request { key, sender, body, ..look }).await
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
    told(state.book().rules.set(setting))
}

async fn next(State(state): State<Arc<Shared>>, Json(once): Json<Once>) -> Response {
    told(state.book().rules.once(once))
}

async fn plan(State(state): State<Arc<Shared>>, Json(plan): Json<Plan>) -> Response {
    told(state.book().rules.plan(plan))
}

async fn unknown(uri: axum::http::Uri) -> Response {
    let known = "/effect/…, /as/…/effect/…, /read/…, /probe, /hook/…, /ask, /from/…, /ledger, /mode, /next, /plan";
    let why = format!("nothing is at `{}`: {known}", uri.path());
    (StatusCode::NOT_FOUND, Json(json!({"error": why}))).into_response()
}

fn bad(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, Json(json!({"error": why}))).into_response()
}

fn told(set: Result<(), String>) -> Response {
    match set {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(why) => (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({"error": why}))).into_response(),
    }
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(headers.get(name)?.as_bytes()).into_owned())
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
        Mode::SpendLimit => {
            let error = json!({"message": "the spend limit is reached", "code": "insufficient_quota"});
            (StatusCode::TOO_MANY_REQUESTS, Json(json!({"error": error}))).into_response()
        }
        Mode::RetryAfter | Mode::Limited => {
            let wait = [("retry-after", rule.seconds.to_string())];
            (StatusCode::TOO_MANY_REQUESTS, wait, Json(json!({"error": "as told"}))).into_response()
        }
        Mode::Truncated => {
            request.connection.halve();
            good
        }
    }
}
