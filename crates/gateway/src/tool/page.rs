//! Tools that read pages of the web, whose addresses come from data.
//!
//! Every address, also that of a redirect, passes the guard of [`crate::egress`], and then robots.txt of its host
//! ([RFC 9309](https://www.rfc-editor.org/rfc/rfc9309)). What a page is like is a value: a status, its readable text, its links, its
//! structured data. A page that robots.txt keeps from us, or that is not there, is a value as well, with an empty text: a workflow
//! goes on with what it has.
//!
//! | what happened | failure | phase |
//! | --- | --- | --- |
//! | the guard refuses the address | `tool_rejected` | inside |
//! | the guard refuses where a page redirects to | `tool_rejected` | answered |
//! | no connection: name, port, TLS | `tool_error` | not sent; maybe sent after an earlier request |
//! | no answer in time | `tool_timeout` | maybe sent |
//! | connection lost, answer cut off | `tool_error` | maybe sent |
//!
//! Unlike other tools this one follows redirects (at most three, each written into the value) and remembers: robots.txt of a host
//! for an hour, and when a host was asked last.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use kernel::{
    governance::Permit,
    recovery::{Failure, FailureKind, Phase},
    tool::page::Page,
    values::{Span, Value},
};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use tokio::time::Instant;

use self::{
    fetch::Fetch,
    robots::{Known, Verdict},
};
use crate::{
    Outcome, Tool,
    egress::{Admitted, DemoHosts, Guard, Refusal, Resolve, Rules},
};

mod body;
mod dom;
mod fetch;
mod read;
mod robots;
#[cfg(test)]
mod tests;
mod text;

/// A page tool that cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum BadPageTool {
    /// The client cannot be built: the machine's certificates cannot be read.
    #[error("cannot set up HTTP")]
    Client(#[source] reqwest::Error),
}

/// How we name ourselves unless the tool file says otherwise.
const USER_AGENT: &str = concat!("surefoot/", env!("CARGO_PKG_VERSION"));

/// A tool file's page part, ready to read.
pub struct PageTool {
    guard: Guard,
    /// The name that robots.txt is asked for, in lower case.
    token: String,
    most_bytes: usize,
    most_redirects: usize,
    delay: Option<Duration>,
    operations: BTreeMap<Arc<str>, Span>,
    known: Known,
    /// When each host may be asked again.
    turns: Mutex<HashMap<String, Instant>>,
}

/// Everything about one page but what its body says.
struct Answer {
    asked: String,
    from: Admitted,
    status: u16,
    content_type: String,
    verdict: Verdict,
    redirects: Vec<(u16, String)>,
}

impl PageTool {
    /// A page tool as its file says; `operations` are the operations with the time limit of each. Names are resolved by
    /// `resolver`, except those that `demo` stands in for.
    ///
    /// # Errors
    /// [`BadPageTool`].
    pub fn new(
        page: &Page,
        operations: BTreeMap<Arc<str>, Span>,
        resolver: Arc<dyn Resolve>,
        demo: Option<Arc<DemoHosts>>,
    ) -> Result<PageTool, BadPageTool> {
        let user_agent = page.user_agent.as_deref().unwrap_or(USER_AGENT);
        let rules = Rules { hosts: page.hosts.clone(), http: page.http, ports: page.ports.clone(), own: Vec::new() };
        Ok(PageTool {
            guard: Guard::new(rules, user_agent, resolver, demo).map_err(BadPageTool::Client)?,
            token: user_agent.split('/').next().unwrap_or_default().to_ascii_lowercase(),
            most_bytes: usize::try_from(page.most_bytes).unwrap_or(usize::MAX),
            most_redirects: page.most_redirects as usize,
            delay: page.delay.map(crate::duration),
            operations,
            known: Known::default(),
            turns: Mutex::default(),
        })
    }

    /// Switches on a known mistake, one of [`MUTANTS`](crate::MUTANTS), so that a harness can prove that it notices.
    #[cfg(feature = "faults")]
    #[must_use]
    pub fn mutant(mut self, mutant: &str) -> PageTool {
        self.guard.mutants.on.insert(mutant.into());
        self
    }

    async fn perform(&self, tool: &str, operation: &str, input: &[u8]) -> Outcome {
        let called = format!("{tool}.{operation}");
        let Some(timeout) = self.operations.get(operation) else {
            let detail = format!("the tool `{tool}` has no operation `{operation}` in this process");
            return Outcome::failed(Failure::inside(FailureKind::Internal, detail));
        };
        let with = match Value::from_json(input) {
            Ok(with) => with,
            Err(error) => {
                let detail = format!("the input of `{called}` is no canonical JSON: {error}");
                return Outcome::failed(Failure::inside(FailureKind::Internal, detail));
            }
        };
        let Some(url) = with.get("url").and_then(Value::as_str) else {
            let detail = format!("`{called}` takes `url`, a text");
            return Outcome::failed(Failure::inside(FailureKind::InvalidArguments, detail));
        };
        match self.page(Fetch::new(self, &called, *timeout), url).await {
            Ok(outcome) => outcome,
            Err(failure) => Outcome::failed(failure),
        }
    }

    async fn page(&self, mut fetch: Fetch<'_>, url: &str) -> Result<Outcome, Failure> {
        let mut from = self.guard.admit(url).map_err(|refusal| fetch.refused(&refusal))?;
        let mut redirects = Vec::new();
        let accept = "text/html,application/xhtml+xml,text/plain;q=0.8";
        let (response, verdict) = loop {
            let verdict = self.known.verdict(self, &mut fetch, &from).await?;
            if !verdict.allowed {
                let content_type = String::new();
                let answer = Answer { asked: url.to_owned(), from, status: 0, content_type, verdict, redirects };
                return Ok(Outcome { answer: Ok(answer.value(None, read::Page::default())), raw: None });
            }
            let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
            let response = fetch.get(&from, headers).await?;
            let Some(location) = location(&response) else { break (response, verdict) };
            if redirects.len() == self.most_redirects {
                break (response, verdict);
            }
            let next = self.guard.redirected(&from, &location);
            let next = next.map_err(|refusal| fetch.refused_redirect(&from, &refusal))?;
            redirects.push((response.status().as_u16(), next.to_string()));
            from = next;
        };
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.map(|value| String::from_utf8_lossy(value.as_bytes()).trim().to_owned());
        let content_type = content_type.unwrap_or_default();
        let refresh = response.headers().get("refresh").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let status = response.status();
        let answer = Answer { asked: url.to_owned(), from, status: status.as_u16(), content_type, verdict, redirects };
        let Some(kind) = body::Kind::of(&answer.content_type).filter(|_| status.is_success()) else {
            return Ok(Outcome { answer: Ok(answer.value(None, read::Page::default())), raw: None });
        };
        let body = fetch.body(response, self.most_bytes).await?;
        // Up to megabytes of a stranger's markup: not on a thread that others wait for.
        let read = tokio::task::spawn_blocking(move || {
            let page = read::page(kind, &body, &answer.content_type, refresh.as_deref(), answer.from.url());
            (answer.value(Some(&body), page), body.bytes)
        });
        match read.await {
            Ok((value, bytes)) => Ok(Outcome { answer: Ok(value), raw: Some(bytes.into()) }),
            Err(_) => Err(fetch.failure(
                FailureKind::Internal,
                Phase::Answered,
                "could not read a page: the process log says where".to_owned(),
            )),
        }
    }

    /// Waits until `host` may be asked.
    async fn turn(&self, host: &str) {
        let Some(delay) = self.delay else { return };
        let at = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if turns.len() > 1024 {
                turns.retain(|_, at| *at > now);
            }
            let at = turns.get(host).copied().unwrap_or(now).max(now);
            turns.insert(host.to_owned(), at + delay);
            at
        };
        tokio::time::sleep_until(at).await;
    }
}

#[async_trait]
impl Tool for PageTool {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.perform(permit.tool(), permit.operation(), permit.input()).await
    }
}

impl Answer {
    fn value(&self, body: Option<&body::Body>, page: read::Page) -> Value {
        let number = |number: usize| Value::Int(i64::try_from(number).unwrap_or(i64::MAX));
        let redirect = |(status, to): &(u16, String)| {
            Value::map([("status", u32::from(*status).into()), ("to", to.as_str().into())])
        };
        let link = |link: read::Link| {
            Value::map([("url", link.url.into()), ("text", link.text.into()), ("rel", link.rel.into())])
        };
        let truncated = page.truncated || body.is_some_and(|body| body.truncated);
        Value::map([
            ("url", self.asked.as_str().into()),
            ("final_url", self.from.to_string().into()),
            ("status", u32::from(self.status).into()),
            ("content_type", self.content_type.as_str().into()),
            ("charset", page.charset.into()),
            ("sha256", body.map(body::Body::sha256).unwrap_or_default().into()),
            ("bytes", number(body.map_or(0, |body| body.bytes.len()))),
            ("truncated", truncated.into()),
            ("title", page.title.into()),
            ("description", page.description.into()),
            ("lang", page.lang.into()),
            ("generator", page.generator.into()),
            ("text", page.text.into()),
            ("links", Value::list(page.links.into_iter().map(link))),
            ("json_ld", Value::list(page.json_ld)),
            ("open_graph", Value::map(page.open_graph.into_iter().map(|(name, text)| (name, text.into())))),
            ("refresh", page.refresh.into()),
            (
                "robots",
                Value::map([("allowed", self.verdict.allowed.into()), ("rule", self.verdict.rule.as_str().into())]),
            ),
            ("redirects", Value::list(self.redirects.iter().map(redirect))),
        ])
    }
}

/// Where a response sends us on.
fn location(response: &reqwest::Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    // Some servers write UTF-8 here; the parser of URLs encodes it.
    response.headers().get(LOCATION).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}
