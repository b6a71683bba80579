//! Models behind any server that speaks the OpenAI chat format: `POST {base_url}/chat/completions`.
//!
//! One request, one answer, read as a stream where the server sends one. A stream is whole after `[DONE]` and a reason
//! why the model ended, and never before: an answer that was cut off is no short answer. What errors mean stands in a
//! table in `fault`. Which server it is is the operator's word alone, as with tools that speak HTTP; nothing is sent
//! twice.

use std::sync::Arc;

use async_trait::async_trait;
pub use kernel::workflow::model::{Cap, Structured};
use kernel::{
    context::ModelRequest,
    journal::Usage,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Value},
};
use reqwest::{
    Response,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use tokio::time::{Instant, timeout_at};
use url::Url;

use self::{
    fault::Fault,
    said::{NoAnswer, Reading, Said},
};
use crate::{
    Provider, Reply,
    model::tolerant::{self, Coerced},
    secret::{Scrubber, SecretText, Secrets},
    tool::http::{self, BadHttpTool, HttpClient, answer},
};

mod fault;
mod request;
mod said;

/// A model of a project file, as data.
#[derive(Clone, Debug)]
pub struct OpenAiChatSpec {
    /// `https://api.openai.com/v1`: what `/chat/completions` is added to.
    pub base_url: String,
    /// The server's name of the model.
    pub model: String,
    /// `secret://name`, sent as a bearer; `None` for a server that asks for no key.
    pub key: Option<String>,
    /// The longest answer, in tokens.
    pub max_tokens: u32,
    /// What the server calls that.
    pub cap: Cap,
    /// Sent only if there is one.
    pub temperature: Option<f64>,
    /// How the server is told which shape the answer has.
    pub structured: Structured,
    /// From connecting to the last byte.
    pub timeout: Span,
    /// Until the first byte of the answer.
    pub first_byte: Span,
    /// Between two pieces of the answer.
    pub silence: Span,
}

/// The longest answer that is read, after decompression.
const LONGEST: usize = 32 * 1024 * 1024;
/// How much of what came is kept for the record.
pub const KEPT: usize = 4 * 1024 * 1024;

/// The provider of one model.
pub struct OpenAiChat {
    spec: OpenAiChatSpec,
    url: Url,
    /// "`gpt-x` at api.openai.com", for sentences.
    of: String,
    key: Option<SecretText>,
    secrets: Arc<dyn Secrets>,
    client: HttpClient,
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

impl OpenAiChat {
    /// Checks the base URL.
    ///
    /// # Errors
    /// [`BadHttpTool::BaseUrl`]: the project file must be corrected.
    pub fn new(spec: OpenAiChatSpec, secrets: Arc<dyn Secrets>, client: HttpClient) -> Result<OpenAiChat, BadHttpTool> {
        let mut url = http::base_url(&spec.base_url)?;
        let path = format!("{}/chat/completions", url.path().trim_end_matches('/'));
        url.set_path(&path);
        let of = format!("`{}` at {}", spec.model, &url[url::Position::BeforeHost..url::Position::AfterPort]);
        let key = spec.key.as_deref().map(SecretText::parse);
        Ok(OpenAiChat { spec, url, of, key, secrets, client })
    }

    async fn send(
        &self,
        request: &ModelRequest,
        scrubber: &mut Scrubber,
        limits: &Limits,
    ) -> Result<Response, Failure> {
        let ours = |why: String| Failure::inside(FailureKind::Internal, format!("{} cannot be asked: {why}", self.of));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(key) = &self.key {
            let key = key.resolve(&*self.secrets, scrubber).map_err(|error| ours(error.to_string()))?;
            let bearer = HeaderValue::from_str(&format!("Bearer {key}"));
            let mut bearer = bearer.map_err(|_| ours("its key holds a line end or a control character".to_owned()))?;
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        let body = request::body(&self.spec, request).to_string();
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
        let (came, _) = self.body(response, limits, |_| false).await;
        let raw = came.kept(scrubber);
        let fault = serde_json::from_slice(&raw).map_or_else(|_| Fault::default(), |body| Fault::of_body(&body));
        let failure = fault.failure(&self.of, Some(status), wait);
        Reply::of(Err(failure), Usage::default(), (!raw.is_empty()).then(|| raw.into()))
    }

    async fn read(&self, response: Response, request: &ModelRequest, limits: &Limits, scrubber: &Scrubber) -> Reply {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("nothing");
        let (kind, wait) = (scrubber.scrub_text(kind.chars().take(80).collect()), wait(response.headers()));
        let mut reading = Reading::default();
        let (came, ended) = self.body(response, limits, |bytes| reading.feed(bytes)).await;
        let (said, whole) = reading.end(ended.is_ok());
        let usage = said.usage;
        let answer = match (whole, ended) {
            (Err(NoAnswer::Fault(fault)), _) => {
                let failure = fault.failure(&self.of, None, wait);
                Err(Failure { detail: scrubber.scrub_text(failure.detail), ..failure })
            }
            // How the connection ended is more exact than what was missing.
            (_, Err(failure)) => Err(failure),
            (Err(NoAnswer::CutOff), Ok(())) => Err(self.cut_off()),
            (Err(NoAnswer::Unreadable), Ok(())) => {
                let detail = format!("{} answered with `{kind}` that is neither JSON nor a stream of events", self.of);
                Err(maybe_sent(FailureKind::ProviderError, detail))
            }
            (Ok(()), Ok(())) => self.judge(said, request, scrubber),
        };
        let raw = came.kept(scrubber);
        let (answer, coerced) = match answer {
            Ok((value, coerced)) => (Ok(value), tolerant::in_words(&coerced)),
            Err(failure) => (Err(failure), Vec::new()),
        };
        let adaptations =
            request::lowered(&self.spec, request).map(|lowered| lowered.adaptations()).unwrap_or_default();
        let mut reply = Reply::of(answer, usage, (!raw.is_empty()).then(|| raw.into()));
        (reply.said.adaptations, reply.said.coerced) = (adaptations, coerced);
        reply
    }

    /// A whole answer: what the model said, or why that is none.
    fn judge(&self, said: Said, request: &ModelRequest, scrubber: &Scrubber) -> Result<(Value, Vec<Coerced>), Failure> {
        let of = &self.of;
        let finish = said.finish.as_deref().unwrap_or("stop");
        match finish {
            "content_filter" | "safety" | "refusal" | "sensitive" => {
                return Err(answered(FailureKind::Refused, format!("a content filter stopped {of}")));
            }
            "length" | "max_tokens" | "model_length" => {
                let cap = self.spec.max_tokens;
                let detail = format!("the answer of {of} hit its length limit: `max_tokens` is {cap}");
                return Err(answered(FailureKind::Truncated, detail));
            }
            "insufficient_system_resource" => {
                return Err(answered(FailureKind::ProviderOverloaded, format!("{of} is overloaded and broke off")));
            }
            "error" | "abort" | "network_error" => {
                return Err(maybe_sent(FailureKind::ProviderError, format!("{of} broke off with an error")));
            }
            // `stop`, and what other servers call it: what was said is judged as it is.
            _ => {}
        }
        if !said.refusal.is_empty() {
            return Err(answered(FailureKind::Refused, format!("{of} refused")));
        }
        if !said.chosen {
            return Err(maybe_sent(FailureKind::ProviderError, format!("{of} answered without any choice")));
        }
        if said.tools && said.text.trim().is_empty() {
            let detail = format!("{of} called a tool instead of answering, and was offered none");
            return Err(answered(FailureKind::InvalidOutput, detail));
        }
        let text = scrubber.scrub_text(said.text);
        let Some(lowered) = request::lowered(&self.spec, request) else { return Ok((Value::text(text), Vec::new())) };
        let read = lowered
            .read(&text)
            .map_err(|why| answered(FailureKind::InvalidOutput, format!("the answer is no JSON: {why}")))?;
        Ok((read.value, read.coerced))
    }
}

#[async_trait]
impl Provider for OpenAiChat {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        let (now, mut scrubber) = (Instant::now(), Scrubber::default());
        let end = now + crate::duration(self.spec.timeout);
        let limits = Limits { end, first_byte: end.min(now + crate::duration(self.spec.first_byte)) };
        match self.send(request, &mut scrubber, &limits).await {
            Err(failure) => Reply::failed(failure),
            Ok(response) if response.status().is_success() => self.read(response, request, &limits, &scrubber).await,
            Ok(response) => self.refused(response, &limits, &scrubber).await,
        }
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

/// What the headers ask for: `retry-after-ms`, then `Retry-After`.
fn wait(headers: &HeaderMap) -> Option<Span> {
    let exact = headers.get("retry-after-ms").and_then(|text| text.to_str().ok()?.trim().parse::<u32>().ok());
    exact.map(|millis| Span::from_millis(i64::from(millis))).or_else(|| answer::retry_after(headers))
}
