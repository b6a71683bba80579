//! Tools that speak HTTP.
//!
//! Who a tool speaks to is the operator's word alone: the base URL stands in the tool file, what a run brings is encoded into
//! path segments, query values, headers and the body, and nothing of it can name another host. That is why loopback and private
//! addresses are allowed here. Redirects are not followed, proxies of the environment are not used, nothing is sent twice.

use std::{collections::BTreeMap, sync::Arc, sync::Once};

use async_trait::async_trait;
use kernel::{
    expr::{Template, Text},
    governance::Permit,
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Value},
};
pub use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use url::Url;

use super::{stranger, values};
use crate::{
    Outcome, Tool,
    secret::{Scrubber, SecretText, Secrets},
};

pub(crate) mod answer;
mod fill;
#[cfg(test)]
mod tests;

pub(crate) use self::answer::{lenient, root};

/// What one operation sends, and how its answer is read. The holes of its texts know one name: `with`.
#[derive(Clone, Debug)]
pub struct HttpOperation {
    /// The method.
    pub method: Method,
    /// Begins with `/` and is added to the base URL's path; what fills a hole is encoded and stays in its segment.
    pub path: Text,
    /// Names and values in order. A value that turns out empty is left out.
    pub query: Vec<(String, Text)>,
    /// Names and values. A value that turns out empty is left out.
    pub headers: Vec<(String, Text)>,
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
    pub fn new(method: Method, path: Text) -> HttpOperation {
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
#[derive(Clone, Debug)]
pub enum HttpBody {
    /// Nothing.
    None,
    /// All of `with`, as the canonical bytes that the journal holds.
    Json,
    /// Of `with`, the properties of these names that are there, as canonical JSON.
    Named(Arc<[Arc<str>]>),
    /// What the template makes of `with`, as canonical JSON.
    Template(Template),
}

/// A tool file's HTTP part, as data.
#[derive(Clone, Debug)]
pub struct HttpSpec {
    /// `https://billing.example/v1`: scheme, host, port and a path prefix.
    pub base_url: String,
    /// Headers of every request; `secret://name` in them stands for that secret: `Bearer secret://billing-key`.
    pub headers: Vec<(String, String)>,
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
        /// Which operation; `every request` for the tool's own headers.
        operation: Arc<str>,
        /// The header's name as given.
        header: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A text that reads something other than `with`.
    #[error("`{operation}` reads `{name}`, and what a tool sends is made from `with` alone")]
    Name {
        /// Which operation.
        operation: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
    /// The client cannot be built: the machine's certificates cannot be read.
    #[error("cannot set up HTTP")]
    Client(#[source] reqwest::Error),
}

/// The connections that all HTTP tools and models of a process share. Cheap to clone.
#[derive(Clone, Debug)]
pub struct HttpClient(pub(crate) reqwest::Client);

impl HttpClient {
    /// Reads the machine's certificates.
    ///
    /// # Errors
    /// [`BadHttpTool::Client`]: no HTTP tool can work on this machine.
    pub fn new() -> Result<HttpClient, BadHttpTool> {
        install_crypto();
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

/// What every client with TLS needs, once a process.
pub(crate) fn install_crypto() {
    static CRYPTO: Once = Once::new();
    CRYPTO.call_once(|| {
        // Whoever embeds us may have installed theirs: that one counts.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// A tool file's HTTP part, ready to act.
pub struct HttpTool {
    base: Url,
    headers: Vec<(HeaderName, SecretText)>,
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
    /// Checks the file's HTTP part: the base URL, each path, each header, each name.
    ///
    /// # Errors
    /// [`BadHttpTool`]: the tool file must be corrected.
    pub fn new(spec: HttpSpec, secrets: Arc<dyn Secrets>, client: HttpClient) -> Result<HttpTool, BadHttpTool> {
        let base = base_url(&spec.base_url)?;
        for (name, operation) in &spec.operations {
            check_names(name, operation)?;
            check_path(name, &operation.path)?;
            let headers = operation.headers.iter().map(|(header, _)| header);
            for header in headers.chain(&operation.key_header) {
                header_name(name, header)?;
            }
        }
        let every: Arc<str> = "every request".into();
        let headers = spec.headers.iter();
        let headers = headers.map(|(name, text)| Ok((header_name(&every, name)?, SecretText::parse(text))));
        let headers = headers.collect::<Result<_, BadHttpTool>>()?;
        Ok(HttpTool { base, headers, operations: spec.operations, secrets, client })
    }

    async fn perform(&self, tool: &str, operation: &str, input: &[u8], key: &IdempotencyKey) -> Outcome {
        let called = format!("{tool}.{operation}");
        let Some(http) = self.operations.get(operation) else {
            let detail = format!("the tool `{tool}` has no operation `{operation}` in this process");
            return Outcome::failed(Failure::inside(FailureKind::Internal, detail));
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
        answer::read(&called, (http.timeout, &http.not_done), response, &scrubber).await
    }

    fn request(
        &self,
        called: &str,
        http: &HttpOperation,
        input: &[u8],
        key: &IdempotencyKey,
    ) -> Result<Request, Failure> {
        // Ours to mend: waiting would change nothing.
        let unusable = |kind, why: String| Failure::inside(kind, format!("`{called}` cannot be sent: {why}"));
        let with = Value::from_json(input)
            .map_err(|error| unusable(FailureKind::Internal, format!("its input is no canonical JSON: {error}")))?;
        let invalid = |why: String| unusable(FailureKind::InvalidArguments, why);
        let unwritable = |name| format!("the header `{name}` would hold a line end or another control character");
        let url = fill::url(&self.base, http, &with).map_err(invalid)?;
        let (mut headers, mut scrubber) = (HeaderMap::new(), Scrubber::default());
        for (name, text) in &self.headers {
            let text = text.resolve(&*self.secrets, &mut scrubber);
            let text = text.map_err(|error| unusable(FailureKind::Internal, error.to_string()))?;
            let value = HeaderValue::from_str(&text);
            let mut value = value.map_err(|_| unusable(FailureKind::Internal, unwritable(name.as_str())))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        for (name, text) in &http.headers {
            let text = text.render(&values(text.roots(), &with)).map_err(invalid)?;
            if text.is_empty() {
                continue;
            }
            let value = HeaderValue::from_str(&text).map_err(|_| invalid(unwritable(name)))?;
            headers.insert(checked(name), value);
        }
        if let Some(name) = &http.key_header {
            let value = HeaderValue::from_str(key.as_str());
            headers.insert(checked(name), value.expect("a key is hexadecimal text: held by IdempotencyKey::derive"));
        }
        let body = match &http.body {
            HttpBody::None => None,
            HttpBody::Json => Some(input.to_vec()),
            HttpBody::Named(names) => {
                let there = names.iter().filter_map(|name| Some((name.clone(), with.get(name)?.clone())));
                Some(Value::map(there).to_jcs())
            }
            HttpBody::Template(template) => {
                Some(template.eval(&values(template.roots(), &with)).map_err(invalid)?.to_jcs())
            }
        };
        if body.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        Ok(Request { url, headers, body, scrubber })
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

/// Reads a base URL: where a server is, and nothing more.
pub(crate) fn base_url(text: &str) -> Result<Url, BadHttpTool> {
    let bad = |why| BadHttpTool::BaseUrl { url: text.to_owned(), why };
    let url = Url::parse(text).map_err(|_| bad("is no URL: write one like `https://billing.example/v1`"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        // The text may hold a password: it is not repeated.
        return Err(BadHttpTool::BaseUrl {
            url: "…".to_owned(),
            why: "must not hold a user or a password: a secret is named, as in `secret://name`",
        });
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("must not have a query or a fragment"));
    }
    Ok(url)
}

fn check_names(operation: &Arc<str>, http: &HttpOperation) -> Result<(), BadHttpTool> {
    let texts = http.query.iter().chain(&http.headers).map(|(_, text)| text.roots());
    let body = match &http.body {
        HttpBody::Template(template) => Some(template.roots()),
        HttpBody::None | HttpBody::Json | HttpBody::Named(_) => None,
    };
    match stranger(texts.chain(body).chain([http.path.roots()]).flatten()) {
        Some(name) => Err(BadHttpTool::Name { operation: operation.clone(), name }),
        None => Ok(()),
    }
}

fn check_path(operation: &Arc<str>, path: &Text) -> Result<(), BadHttpTool> {
    let bad = |why| Err(BadHttpTool::Path { operation: operation.clone(), why });
    let plain = fill::plain_text(path);
    if !plain.starts_with('/') {
        return bad("must begin with `/`");
    }
    if plain.contains(['?', '#', '\\']) || plain.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return bad("must be a path alone: no `?`, `#`, `\\`, spaces; a query goes under `query`");
    }
    if plain.to_ascii_lowercase().contains("%2e") || plain.split('/').any(|segment| matches!(segment, "." | "..")) {
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

fn header_name(operation: &Arc<str>, header: &str) -> Result<HeaderName, BadHttpTool> {
    let bad = |why| BadHttpTool::Header { operation: operation.clone(), header: header.to_owned(), why };
    if RESERVED.contains(&header.to_ascii_lowercase().as_str()) {
        return Err(bad("is set by the gateway itself"));
    }
    HeaderName::from_bytes(header.as_bytes()).map_err(|_| bad("is no valid name of a header"))
}

fn checked(name: &str) -> HeaderName {
    HeaderName::from_bytes(name.as_bytes()).expect("a valid name of a header: checked in HttpTool::new")
}
