//! The requests of one call: their turns, their time, and how far the call had come when one fails.

use std::time::Duration;

use kernel::{
    recovery::{Failure, FailureKind, Phase},
    values::Span,
};
use reqwest::{Response, header::HeaderMap};
use tokio::time::Instant;

use super::{Admitted, PageTool, Refusal, body::Body};
use crate::{egress::Unanswered, tool::http::root};

/// One call.
pub(super) struct Fetch<'a> {
    tool: &'a PageTool,
    called: &'a str,
    timeout: Span,
    /// Of `timeout`; waiting for a turn does not count.
    spent: Duration,
    /// Something has left this process.
    sent: bool,
}

impl<'a> Fetch<'a> {
    pub(super) fn new(tool: &'a PageTool, called: &'a str, timeout: Span) -> Fetch<'a> {
        Fetch { tool, called, timeout, spent: Duration::ZERO, sent: false }
    }

    /// Asks once, when it is our turn.
    pub(super) async fn get(&mut self, url: &Admitted, headers: HeaderMap) -> Result<Response, Failure> {
        self.tool.turn(url.url().host_str().unwrap_or_default()).await;
        let left = crate::duration(self.timeout).saturating_sub(self.spent);
        if left.is_zero() {
            return Err(self.late(url));
        }
        let begun = Instant::now();
        let answer = self.tool.guard.get(url, headers, left).await;
        self.spent += begun.elapsed();
        match answer {
            Ok(response) => {
                self.sent = true;
                Ok(response)
            }
            Err(Unanswered::Refused(refusal)) => Err(self.refused(&refusal)),
            Err(Unanswered::Lost(error)) => Err(self.lost(url, &error)),
        }
    }

    /// Waits for what another call is about to learn from the same host, no longer than this one may take.
    pub(super) async fn wait<T>(&mut self, url: &Admitted, what: impl Future<Output = T>) -> Result<T, Failure> {
        let begun = Instant::now();
        let left = crate::duration(self.timeout).saturating_sub(self.spent);
        let done = tokio::time::timeout(left, what).await;
        self.spent += begun.elapsed();
        done.map_err(|_| self.late(url))
    }

    /// The body up to `most` bytes, after decompression; the rest is not read.
    pub(super) async fn body(&mut self, mut response: Response, most: usize) -> Result<Body, Failure> {
        let (begun, status) = (Instant::now(), response.status());
        let mut body = Body { bytes: Vec::new(), truncated: false };
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    let room = most - body.bytes.len();
                    body.bytes.extend_from_slice(&chunk[..chunk.len().min(room)]);
                    if chunk.len() > room {
                        body.truncated = true;
                        break;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    let (kind, why) = if error.is_timeout() {
                        (FailureKind::ToolTimeout, format!("did not end within {}", self.timeout))
                    } else {
                        // Cut off, or compressed in a way that cannot be undone: the client calls both the same.
                        (FailureKind::ToolError, format!("cannot be read to its end: {}", root(&error)))
                    };
                    let detail = format!("the answer {status} to `{}` {why}", self.called);
                    return Err(Failure { kind, phase: Phase::MaybeSent, detail, retry_after: None });
                }
            }
        }
        self.spent += begun.elapsed();
        Ok(body)
    }

    /// The guard's no. It stays one: nothing is tried again.
    pub(super) fn refused(&self, refusal: &Refusal) -> Failure {
        let phase = if self.sent { Phase::Answered } else { Phase::Inside };
        self.failure(FailureKind::ToolRejected, phase, format!("may not go there: {refusal}"))
    }

    pub(super) fn refused_redirect(&self, from: &Admitted, refusal: &Refusal) -> Failure {
        let detail = format!("may not go where {from} redirects to: {refusal}");
        self.failure(FailureKind::ToolRejected, Phase::Answered, detail)
    }

    pub(super) fn failure(&self, kind: FailureKind, phase: Phase, what: String) -> Failure {
        Failure { kind, phase, detail: format!("`{}` {what}", self.called), retry_after: None }
    }

    fn late(&self, url: &Admitted) -> Failure {
        let phase = if self.sent { Phase::MaybeSent } else { Phase::NotSent };
        let what = format!("got no answer from {} within {}", url.origin(), self.timeout);
        self.failure(FailureKind::ToolTimeout, phase, what)
    }

    fn lost(&self, url: &Admitted, error: &reqwest::Error) -> Failure {
        let (origin, why) = (url.origin(), root(error));
        if error.is_connect() {
            let phase = if self.sent { Phase::MaybeSent } else { Phase::NotSent };
            return self.failure(FailureKind::ToolError, phase, format!("could not connect to {origin}: {why}"));
        }
        if error.is_timeout() {
            let what = format!("got no answer from {origin} within {}", self.timeout);
            return self.failure(FailureKind::ToolTimeout, Phase::MaybeSent, what);
        }
        let what = format!("lost its connection to {origin}: {why}");
        self.failure(FailureKind::ToolError, Phase::MaybeSent, what)
    }
}
