//! Tools that speak HTTP.
//!
//! Who a tool speaks to is the operator's word alone: the base URL stands in the tool file, what a run brings is encoded into
//! path segments, query values, headers and the body, and nothing of it can name another host. That is why loopback and private
//! addresses are allowed here. Redirects are not followed, proxies of the environment are not used, nothing is sent twice.

use std::{collections::BTreeMap, sync::Arc, sync::Once};

use async_trait::async_trait;
use kernel::{
    governance::Permit,
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Value},
};
pub use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

pub use self::holes::{BadHoles, Holes, Shape};
use crate::{
    Outcome, Tool,
    secret::{Scrubber, Secrets},
};

mod answer;
mod holes;
#[cfg(test)]
mod tests;

/// What one operation sends, and how its answer is read.
#[derive(Clone, Debug)]
pub struct HttpOperation {
    /// The method.
    pub method: Method,
    /// Begins with `/` and is added to the base URL's path; a hole fills one segment or a part of it.
    pub path: Holes,
    /// Names and values in order. A value that is one hole and nothing else is left out if it is missing, and repeated if it is
    /// a list.
    pub query: Vec<(String, Holes)>,
    /// Names and values; a missing value is a failure.
    pub headers: Vec<(String, Holes)>,
    /// What is sent.
    pub body: HttpBody,
    /// The header that carries the idempotency key; `None` if the receiver has none.
    pub key_header: Option<String>,
    /// From the first byte to the last, connecting included.
    pub timeout: Span,
    /// Error statuses after which it is certain that nothing was done, beyond those of the table.
    pub not_done: Vec<u16>,
}

impl HttpOperation {
    /// An operation with nothing in its query and headers: all of `with` as JSON, `Idempotency-Key`, 30 seconds. A `GET`,
    /// `HEAD` or `DELETE` has no body.
    pub fn new(method: Method, path: Holes) -> HttpOperation {
        let bare = [Method::GET, Method::HEAD, Method::DELETE].contains(&method);
        HttpOperation {
            method,
            path,
            query: Vec::new(),
            headers: Vec::new(),
            body: if bare { HttpBody::None } else { HttpBody::Json },
            key_header: Some("Idempotency-Key".to_owned()),
            timeout: Span::from_millis(30_000),
            not_done: Vec::new(),
        }
    }
}

/// What an operation sends.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpBody {
    /// Nothing.
    None,
    /// All of `with`, as the canonical bytes that the journal holds.
    Json,
    /// Canonical JSON of a shape whose holes are filled from `with`.
    Shape(Shape),
}

/// How a tool shows who we are. Each names a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer …`.
    Bearer {
        /// The secret's name.
        secret: String,
    },
    /// `Authorization: Basic …`.
    Basic {
        /// Not secret.
        user: String,
        /// The name of the secret that is the password.
        secret: String,
    },
    /// The secret as a header of its own.
    Header {
        /// The header's name.
        name: String,
        /// The secret's name.
        secret: String,
    },
}

/// A tool file's HTTP part, as data.
#[derive(Clone, Debug)]
pub struct HttpSpec {
    /// `https://billing.example/v1`: scheme, host, port and a path prefix.
    pub base_url: String,
    /// How the tool shows who we are.
    pub auth: Option<Auth>,
    /// By name.
    pub operations: BTreeMap<Arc<str>, HttpOperation>,
}

/// A tool that cannot be set up as its file says.
#[derive(Debug, thiserror::Error)]
pub enum BadHttpTool {
    /// Not a URL, or one that says more than where the server is.
    #[error("the base URL `{url}` {why}")]
    BaseUrl {
        /// As given.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A path that would not stay under the base URL.
    #[error("the path of `{operation}` {why}")]
    Path {
        /// Which operation.
        operation: Arc<str>,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A header that may not be set, or has no valid name.
    #[error("the header `{header}` of `{operation}` {why}")]
    Header {
        /// Which operation; `auth` for the header of [`Auth::Header`].
        operation: Arc<str>,
        /// The header's name as given.
        header: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The client cannot be built: the machine's certificates cannot be read.
    #[error("cannot set up HTTP")]
    Client(#[source] reqwest::Error),
}

/// The connections that all HTTP tools of a process share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient(reqwest::Client);

impl HttpClient {
    /// Reads the machine's certificates.
    ///
    /// # Errors
    /// [`BadHttpTool::Client`]: no HTTP tool can work on this machine.
    pub fn new() -> Result<HttpClient, BadHttpTool> {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| {
            // Whoever embeds us may have installed theirs: that one counts.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        reqwest::Client::builder()
            .user_agent(concat!("surefoot/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .connect_timeout(crate::duration(Span::from_millis(10_000)))
            .pool_idle_timeout(crate::duration(Span::from_millis(15_000)))
            .build()
            .map(HttpClient)
            .map_err(BadHttpTool::Client)
    }
}

/// A tool file's HTTP part, ready to act.
pub struct HttpTool {
    base: Url,
    auth: Option<Auth>,
    operations: BTreeMap<Arc<str>, HttpOperation>,
    secrets: Arc<dyn Secrets>,
    client: HttpClient,
}

/// What is about to be sent.
struct Request {
    url: Url,
    headers: HeaderMap,
    body: Option<Vec<u8>>,
    scrubber: Scrubber,
}

impl HttpTool {
    /// Checks the file's HTTP part: the base URL, each path, each header.
    ///
    /// # Errors
    /// [`BadHttpTool`]: the tool file must be corrected.
    pub fn new(spec: HttpSpec, secrets: Arc<dyn Secrets>, client: HttpClient) -> Result<HttpTool, BadHttpTool> {
        let base = base_url(&spec.base_url)?;
        for (name, operation) in &spec.operations {
            check_path(name, &operation.path)?;
            let headers = operation.headers.iter().map(|(header, _)| header);
            for header in headers.chain(&operation.key_header) {
                check_header(name, header)?;
            }
        }
        if let Some(Auth::Header { name, .. }) = &spec.auth {
            check_header(&"auth".into(), name)?;
        }
        Ok(HttpTool { base, auth: spec.auth, operations: spec.operations, secrets, client })
    }

    async fn perform(&self, tool: &str, operation: &str, input: &[u8], key: &IdempotencyKey) -> Outcome {
        let called = format!("{tool}.{operation}");
        let Some(http) = self.operations.get(operation) else {
            let detail = format!("the tool `{tool}` has no operation `{operation}` in this process");
            return Outcome::failed(failure(FailureKind::Internal, Phase::NotSent, detail));
        };
        let request = match self.request(&called, http, input, key) {
            Ok(request) => request,
            Err(failure) => return Outcome::failed(failure),
        };
        let Request { url, headers, body, scrubber } = request;
        let mut builder = self.client.0.request(http.method.clone(), url).headers(headers);
        if let Some(body) = body {
            builder = builder.body(body);
        }
        let sent = builder.timeout(crate::duration(http.timeout)).send().await;
        let response = match sent {
            Ok(response) => response,
            Err(error) => {
                return Outcome::failed(answer::unanswered(&called, self.host(), http.timeout, &error, &scrubber));
            }
        };
        answer::read(&called, http, response, &scrubber).await
    }

    fn request(
        &self,
        called: &str,
        http: &HttpOperation,
        input: &[u8],
        key: &IdempotencyKey,
    ) -> Result<Request, Failure> {
        let with = Value::from_json(input).map_err(|error| {
            let detail = format!("the input of `{called}` is no canonical JSON: {error}");
            failure(FailureKind::Internal, Phase::NotSent, detail)
        })?;
        let invalid = |why: String| {
            failure(FailureKind::InvalidArguments, Phase::NotSent, format!("`{called}` cannot be sent: {why}"))
        };
        let url = self.url(http, &with).map_err(invalid)?;
        let mut headers = HeaderMap::new();
        let body = match &http.body {
            HttpBody::None => None,
            HttpBody::Json => Some(input.to_vec()),
            HttpBody::Shape(shape) => Some(shape.fill(&with).map_err(|error| invalid(error.to_string()))?.to_jcs()),
        };
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        for (name, holes) in &http.headers {
            let text = holes.fill(&with, str::to_owned).map_err(|error| invalid(error.to_string()))?;
            let value = HeaderValue::from_str(&text).map_err(|_| {
                invalid(format!("the header `{name}` would hold a line end or another control character"))
            })?;
            headers.insert(header_name(name), value);
        }
        if let Some(name) = &http.key_header {
            let value =
                HeaderValue::from_str(key.as_str()).expect("a key is hexadecimal text: held by IdempotencyKey::derive");
            headers.insert(header_name(name), value);
        }
        let scrubber = self.authorize(called, &mut headers)?;
        Ok(Request { url, headers, body, scrubber })
    }

    fn url(&self, http: &HttpOperation, with: &Value) -> Result<Url, String> {
        let path = http.path.fill_path(with).map_err(|error| error.to_string())?;
        // A URL parser walks through these. A hole cannot bring a slash or a `%2e`, but it can bring dots.
        if path.split('/').any(|segment| matches!(segment, "." | "..")) {
            return Err("a segment of its path would be `.` or `..`".to_owned());
        }
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if http.query.is_empty() {
            return Ok(url);
        }
        {
            let mut pairs = url.query_pairs_mut();
            for (name, holes) in &http.query {
                match holes.alone(with) {
                    Some(None) => {}
                    Some(Some(Value::List(items))) => {
                        for item in items.iter() {
                            let text = holes::plain(item).ok_or_else(|| {
                                format!(
                                    "the query value `{name}` holds {}, where a text or a number is wanted",
                                    item.kind()
                                )
                            })?;
                            pairs.append_pair(name, &text);
                        }
                    }
                    _ => {
                        let text = holes.fill(with, str::to_owned).map_err(|error| error.to_string())?;
                        pairs.append_pair(name, &text);
                    }
                }
            }
        }
        if url.query() == Some("") {
            url.set_query(None);
        }
        Ok(url)
    }

    /// Adds what shows who we are; gives what must not come back.
    fn authorize(&self, called: &str, headers: &mut HeaderMap) -> Result<Scrubber, Failure> {
        let mut scrubber = Scrubber::default();
        let Some(auth) = &self.auth else { return Ok(scrubber) };
        let (Auth::Bearer { secret } | Auth::Basic { secret, .. } | Auth::Header { secret, .. }) = auth;
        let unusable =
            |why: String| failure(FailureKind::Internal, Phase::NotSent, format!("`{called}` cannot be sent: {why}"));
        let text = self.secrets.get(secret).map_err(|error| unusable(error.to_string()))?;
        scrubber.add(text.reveal());
        let (name, value) = match auth {
            Auth::Bearer { .. } => (AUTHORIZATION, format!("Bearer {}", text.reveal())),
            Auth::Basic { user, .. } => {
                let pair = base64(format!("{user}:{}", text.reveal()).as_bytes());
                scrubber.add(&pair);
                (AUTHORIZATION, format!("Basic {pair}"))
            }
            Auth::Header { name, .. } => (header_name(name), text.reveal().to_owned()),
        };
        let mut value = HeaderValue::from_str(&value)
            .map_err(|_| unusable(format!("the secret `{secret}` holds a line end or another control character")))?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(scrubber)
    }

    /// For a sentence: `billing.example`, `127.0.0.1:8080`.
    fn host(&self) -> &str {
        &self.base[url::Position::BeforeHost..url::Position::AfterPort]
    }
}

#[async_trait]
impl Tool for HttpTool {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.perform(permit.tool(), permit.operation(), permit.input(), permit.key()).await
    }
}

fn failure(kind: FailureKind, phase: Phase, detail: String) -> Failure {
    Failure { kind, phase, detail, retry_after: None }
}

fn base_url(text: &str) -> Result<Url, BadHttpTool> {
    let bad = |why| BadHttpTool::BaseUrl { url: text.to_owned(), why };
    let url = Url::parse(text).map_err(|_| bad("is no URL: write one like `https://billing.example/v1`"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // The text may hold a password: it is not repeated.
        return Err(BadHttpTool::BaseUrl {
            url: "…".to_owned(),
            why: "must not hold a user or a password: use `auth`",
        });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("must not have a query or a fragment"));
    }
    Ok(url)
}

fn check_path(operation: &Arc<str>, path: &Holes) -> Result<(), BadHttpTool> {
    let bad = |why| Err(BadHttpTool::Path { operation: operation.clone(), why });
    let all: String = path.texts().collect();
    if !path.begins_with_slash() {
        return bad("must begin with `/`");
    }
    if all.contains(['?', '#', '\\']) || all.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return bad("must be a path alone: no `?`, `#`, `\\`, spaces; a query goes under `query`");
    }
    if all.to_ascii_lowercase().contains("%2e") || all.split('/').any(|segment| matches!(segment, "." | "..")) {
        return bad("must not go through `.` or `..`");
    }
    Ok(())
}

/// Headers that belong to the connection, or to what is set elsewhere.
const RESERVED: [&str; 9] = [
    "host",
    "content-length",
    "content-type",
    "transfer-encoding",
    "connection",
    "upgrade",
    "te",
    "trailer",
    "accept-encoding",
];

fn check_header(operation: &Arc<str>, header: &str) -> Result<(), BadHttpTool> {
    let bad = |why| Err(BadHttpTool::Header { operation: operation.clone(), header: header.to_owned(), why });
    if HeaderName::from_bytes(header.as_bytes()).is_err() {
        return bad("is no valid name of a header");
    }
    if RESERVED.contains(&header.to_ascii_lowercase().as_str()) {
        return bad("is set by the gateway itself");
    }
    Ok(())
}

fn header_name(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("a valid header name: checked in HttpTool::new")
}

/// RFC 4648 §4, with padding.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let six = (word >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() { char::from(ALPHABET[six as usize]) } else { '=' });
        }
    }
    out
}
