//! Models behind a server, whatever the dialect: what is common to all of them.
//!
//! One request, one answer, read as a stream where the server sends one. A stream is whole after the dialect's own terminal event
//! and a reason why the model ended, and never before: an answer that was cut off is no short answer. What errors mean stands in a
//! table in `fault`, what is known of models in [`capabilities`](super::capabilities). Which server it is is the operator's word
//! alone, as with tools that speak HTTP; nothing is sent twice, and no redirect is followed.

use std::sync::Arc;

use async_trait::async_trait;
pub use kernel::workflow::model::{Cap, Dialect, Effort, Remote, Structured};
use kernel::{
    context::{ModelRequest, Said},
    journal::Usage,
    recovery::{Failure, FailureKind, Phase},
};
use reqwest::{
    Response,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use serde_json::Value as Json;
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::{
    ask::Ask,
    fault::Fault,
    forms::{Forms, Made},
    heard::Listen,
    reading::{NoAnswer, Reading},
    wait::wait,
};
use super::{
    anthropic::Anthropic,
    capabilities::{self, Row},
    gemini::Gemini,
    lower,
    openai_chat::OpenAiChat,
    openai_responses::OpenAiResponses,
};
use crate::{
    Provider, Reply,
    secret::{Scrubber, SecretText, Secrets},
    tool::http::{self, BadHttpTool, HttpClient, answer},
};

pub(crate) mod ask;
pub(crate) mod fault;
mod forms;
pub(crate) mod heard;
mod judge;
pub(crate) mod reading;
mod wait;

/// How one dialect is spoken and heard.
pub(crate) trait Speaks: Sync {
    /// What is added to the path of the base URL.
    fn path(&self, model: &str) -> String {
        let _ = model;
        self.dialect().path().to_owned()
    }

    /// Which dialect it is.
    fn dialect(&self) -> Dialect;

    /// The header that holds the key, and what stands before the key in it.
    fn key(&self) -> (&'static str, &'static str);

    /// Headers of every request.
    fn headers(&self) -> &'static [(&'static str, &'static str)] {
        &[]
    }

    /// The body of a request: the same request gives the same bytes.
    fn body(&self, ask: &mut Ask<'_>) -> Json;

    /// Somebody who has heard nothing yet.
    fn listen(&self) -> Box<dyn Listen>;
}

fn speaks(dialect: Dialect) -> &'static dyn Speaks {
    match dialect {
        Dialect::OpenAiChat => &OpenAiChat,
        Dialect::OpenAiResponses => &OpenAiResponses,
        Dialect::Anthropic => &Anthropic,
        Dialect::Gemini => &Gemini,
    }
}

/// The part of JSON Schema that a model is sent, by what the project says of it and what is known of it.
pub fn schemas_of(spec: &Remote) -> lower::Dialect {
    let structured = spec.structured.unwrap_or_else(|| capabilities::of(spec.dialect, &spec.model).structured);
    forms::schemas_of(spec.dialect, structured)
}

/// The longest answer that is read, after decompression.
const LONGEST: usize = 32 * 1024 * 1024;
/// How much of what came is kept for the record.
pub const KEPT: usize = 4 * 1024 * 1024;

/// The provider of one model behind a server.
pub struct RemoteModel {
    spec: Remote,
    row: &'static Row,
    speaks: &'static dyn Speaks,
    url: Url,
    /// "`gpt-x` at api.openai.com", for sentences.
    of: String,
    key: Option<SecretText>,
    secrets: Arc<dyn Secrets>,
    client: HttpClient,
    made: Made,
}

/// How long a call may take, as points in time.
struct Limits {
    end: Instant,
    first_byte: Instant,
}

/// What came back over the connection.
struct Came {
    raw: Vec<u8>,
    cut: bool,
}

impl RemoteModel {
    /// Checks the base URL, which is here without expressions.
    ///
    /// # Errors
    /// [`BadHttpTool::BaseUrl`]: the project file must be corrected.
    pub fn new(spec: Remote, secrets: Arc<dyn Secrets>, client: HttpClient) -> Result<RemoteModel, BadHttpTool> {
        let speaks = speaks(spec.dialect);
        let mut url = http::base_url(&spec.base_url)?;
        let path = format!("{}{}", url.path().trim_end_matches('/'), speaks.path(&spec.model));
        url.set_path(&path);
        if spec.dialect == Dialect::Gemini {
            url.set_query(Some("alt=sse"));
        }
        let of = format!("`{}` at {}", spec.model, &url[url::Position::BeforeHost..url::Position::AfterPort]);
        let key = spec.key.as_deref().map(SecretText::parse);
        let row = capabilities::of(spec.dialect, spec.like.as_ref().unwrap_or(&spec.model));
        let spec = Remote { structured: Some(spec.structured.unwrap_or(row.structured)), ..spec };
        Ok(RemoteModel { spec, row, speaks, url, of, key, secrets, client, made: Made::default() })
    }

    /// The request's schemas as they go on the wire.
    fn forms(&self, request: &ModelRequest) -> Arc<Forms> {
        self.made.of(request, schemas_of(&self.spec))
    }

    /// The bytes of a request, as [`Provider::ask`] would send them, and what of it could not be sent as it was meant.
    pub fn written(&self, request: &ModelRequest) -> (String, Vec<Arc<str>>) {
        let mut ask = Ask::new(&self.spec, self.row, request, self.forms(request));
        let mut body = self.speaks.body(&mut ask);
        if let Json::Object(body) = &mut body {
            ask.without_rejected(body);
        }
        (body.to_string(), ask.adaptations())
    }

    /// What a whole answer says, read from its bytes as [`Provider::ask`] would.
    pub fn heard(&self, answer: &[u8], request: &ModelRequest) -> Reply {
        let (scrubber, mut reading) = (Scrubber::default(), Reading::new(self.speaks.listen()));
        reading.feed(answer);
        let (heard, whole) = reading.end(true);
        match whole {
            Ok(()) => judge::judge((&self.spec, &self.of, &self.forms(request)), heard, request, &scrubber),
            Err(NoAnswer::Fault(fault)) => judge::failed(heard, fault.failure(&self.of, None, None), &scrubber),
            Err(NoAnswer::CutOff | NoAnswer::Unreadable) => judge::failed(heard, self.cut_off(), &scrubber),
        }
    }

    async fn send(&self, body: String, scrubber: &mut Scrubber, limits: &Limits) -> Result<Response, Failure> {
        let ours = |why: String| Failure::inside(FailureKind::Internal, format!("{} cannot be asked: {why}", self.of));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for &(name, value) in self.speaks.headers() {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        if let Some(key) = &self.key {
            let key = key.resolve(&*self.secrets, scrubber).map_err(|error| ours(error.to_string()))?;
            let (name, before) = self.speaks.key();
            let value = HeaderValue::from_str(&format!("{before}{key}"));
            let mut value = value.map_err(|_| ours("its key holds a line end or a control character".to_owned()))?;
            value.set_sensitive(true);
            headers.insert(HeaderName::from_static(name), value);
        }
        let sent = self.client.0.post(self.url.clone()).headers(headers).body(body).send();
        match timeout_at(limits.first_byte, sent).await {
            Err(_) => Err(self.late(limits, false)),
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(self.unanswered(&error, scrubber)),
        }
    }

    fn unanswered(&self, error: &reqwest::Error, scrubber: &Scrubber) -> Failure {
        let (kind, phase, why) = if error.is_connect() && error.is_timeout() {
            (FailureKind::ProviderTimeout, Phase::NotSent, "could not be connected to in time")
        } else if error.is_connect() {
            (FailureKind::ProviderError, Phase::NotSent, "could not be connected to")
        } else if error.is_timeout() {
            (FailureKind::ProviderTimeout, Phase::MaybeSent, "gave no answer in time")
        } else {
            (FailureKind::ProviderError, Phase::MaybeSent, "lost the connection")
        };
        let detail = scrubber.scrub_text(format!("{} {why}: {}", self.of, answer::root(error)));
        Failure { kind, phase, detail, retry_after: None }
    }

    /// Reads the body piece by piece into `take`, until that has enough.
    async fn body(
        &self,
        mut response: Response,
        limits: &Limits,
        mut take: impl FnMut(&[u8]) -> bool,
    ) -> (Came, Result<(), Failure>) {
        let (mut came, mut total, mut until) = (Came { raw: Vec::new(), cut: false }, 0, limits.first_byte);
        loop {
            let chunk = match timeout_at(until, response.chunk()).await {
                Err(_) => return (came, Err(self.late(limits, total > 0))),
                Ok(Err(_)) => return (came, Err(self.cut_off())),
                Ok(Ok(None)) => return (came, Ok(())),
                Ok(Ok(Some(chunk))) => chunk,
            };
            total += chunk.len();
            came.keep(&chunk);
            if total > LONGEST {
                let detail = format!("{} answered with more than {} MiB", self.of, LONGEST / 1024 / 1024);
                return (came, Err(answered(FailureKind::ContractViolated, detail)));
            }
            if take(&chunk) {
                return (came, Ok(()));
            }
            until = limits.end.min(Instant::now() + crate::duration(self.spec.silence));
        }
    }

    fn late(&self, limits: &Limits, begun: bool) -> Failure {
        let why = if Instant::now() >= limits.end {
            format!("did not end within {}", self.spec.timeout)
        } else if begun {
            format!("fell silent for {} in the middle of its answer", self.spec.silence)
        } else {
            format!("gave no answer within {}", self.spec.first_byte)
        };
        maybe_sent(FailureKind::ProviderTimeout, format!("{} {why}", self.of))
    }

    fn cut_off(&self) -> Failure {
        maybe_sent(FailureKind::ProviderError, format!("the answer of {} was cut off", self.of))
    }

    /// An answer whose status is an error. Its body says more; where that does not come, the status says enough.
    async fn refused(&self, response: Response, limits: &Limits, scrubber: &Scrubber) -> Reply {
        let (status, wait) = (response.status().as_u16(), wait(response.headers()));
        let request_id = request_id(response.headers(), scrubber);
        let (came, _) = self.body(response, limits, |_| false).await;
        let raw = came.kept(scrubber);
        let fault = serde_json::from_slice(&raw).map_or_else(|_| Fault::default(), |body| Fault::of_body(&body));
        let failure = fault.failure(&self.of, Some(status), wait);
        let reply = Reply::of(Err(failure), Usage::default(), (!raw.is_empty()).then(|| raw.into()));
        Reply { said: Said { request_id, ..Said::default() }, ..reply }
    }

    async fn read(&self, response: Response, request: &ModelRequest, limits: &Limits, scrubber: &Scrubber) -> Reply {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("nothing");
        let (kind, wait) = (scrubber.scrub_text(kind.chars().take(80).collect()), wait(response.headers()));
        let request_id = request_id(response.headers(), scrubber);
        let mut reading = Reading::new(self.speaks.listen());
        let (came, ended) = self.body(response, limits, |bytes| reading.feed(bytes)).await;
        let (heard, whole) = reading.end(ended.is_ok());
        let failure = match (whole, ended) {
            (Err(NoAnswer::Fault(fault)), _) => {
                let failure = fault.failure(&self.of, None, wait);
                Some(Failure { detail: scrubber.scrub_text(failure.detail), ..failure })
            }
            // How the connection ended is more exact than what was missing.
            (_, Err(failure)) => Some(failure),
            (Err(NoAnswer::CutOff), Ok(())) => Some(self.cut_off()),
            (Err(NoAnswer::Unreadable), Ok(())) => {
                let detail = format!("{} answered with `{kind}` that is neither JSON nor a stream of events", self.of);
                Some(maybe_sent(FailureKind::ProviderError, detail))
            }
            (Ok(()), Ok(())) => None,
        };
        let raw = came.kept(scrubber);
        let mut reply = match failure {
            Some(failure) => judge::failed(heard, failure, scrubber),
            None => judge::judge((&self.spec, &self.of, &self.forms(request)), heard, request, scrubber),
        };
        reply.raw = (!raw.is_empty()).then(|| raw.into());
        reply.said.request_id = request_id.or(reply.said.request_id);
        reply
    }
}

#[async_trait]
impl Provider for RemoteModel {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        let (now, mut scrubber) = (Instant::now(), Scrubber::default());
        let end = now + crate::duration(self.spec.timeout);
        let limits = Limits { end, first_byte: end.min(now + crate::duration(self.spec.first_byte)) };
        let (body, adaptations) = self.written(request);
        let mut reply = match self.send(body, &mut scrubber, &limits).await {
            Err(failure) => Reply::failed(failure),
            Ok(response) if response.status().is_success() => self.read(response, request, &limits, &scrubber).await,
            Ok(response) => self.refused(response, &limits, &scrubber).await,
        };
        reply.said.adaptations = adaptations;
        reply
    }
}

impl Came {
    fn keep(&mut self, bytes: &[u8]) {
        let room = KEPT - self.raw.len();
        self.cut |= bytes.len() > room;
        self.raw.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// For the record: without secrets, and without the end of one that was cut in two.
    fn kept(self, scrubber: &Scrubber) -> Vec<u8> {
        let mut raw = scrubber.scrub(self.raw);
        if self.cut {
            raw.truncate(raw.len().saturating_sub(scrubber.longest()));
        }
        raw
    }
}

fn answered(kind: FailureKind, detail: String) -> Failure {
    Failure { kind, phase: Phase::Answered, detail, retry_after: None }
}

fn maybe_sent(kind: FailureKind, detail: String) -> Failure {
    Failure { kind, phase: Phase::MaybeSent, detail, retry_after: None }
}

/// The server's name of the call: a word, not a page.
fn request_id(headers: &HeaderMap, scrubber: &Scrubber) -> Option<Arc<str>> {
    let id = ["request-id", "x-request-id"].iter().find_map(|name| headers.get(*name)?.to_str().ok())?;
    (1..=200).contains(&id.len()).then(|| scrubber.scrub_text(id.to_owned()).into())
}
