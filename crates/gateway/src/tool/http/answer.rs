//! From what came back over HTTP to a value or a failure with an honest phase.
//!
//! | what came | failure | phase |
//! | --- | --- | --- |
//! | no connection: name, port, TLS | `tool_error` | not sent |
//! | no answer in time | `tool_timeout` | maybe sent |
//! | connection lost, answer cut off | `tool_error` | maybe sent |
//! | 408, 409, 5xx | `tool_error` | maybe sent |
//! | 425, 429; 503 with `Retry-After`; a 5xx or 408 of `not_done` | `tool_error` | answered |
//! | any other 4xx; 409 of `not_done` | `tool_rejected` | answered |
//! | 3xx, more than 8 MiB | `contract_violated` | answered |

use std::error::Error;

use kernel::{
    recovery::{Failure, FailureKind, Phase},
    values::{MAX_INT, Map, Span, Value},
};
use reqwest::{
    Response, StatusCode,
    header::{DATE, HeaderMap, RETRY_AFTER},
};

use super::failure;
use crate::{Outcome, secret::Scrubber};

/// The longest answer that is read, after decompression.
pub(super) const LONGEST: usize = 8 * 1024 * 1024;

/// Why there is no response.
pub(crate) fn unanswered(
    called: &str,
    host: &str,
    timeout: Span,
    error: &reqwest::Error,
    scrubber: &Scrubber,
) -> Failure {
    let detail = |text: String| scrubber.scrub_text(text);
    if error.is_connect() {
        let detail = detail(format!("`{called}` could not connect to {host}: {}", root(error)));
        return failure(FailureKind::ToolError, Phase::NotSent, detail);
    }
    if error.is_builder() {
        let detail = detail(format!("`{called}` could not be sent: {}", root(error)));
        return failure(FailureKind::Internal, Phase::NotSent, detail);
    }
    if error.is_timeout() {
        let detail = format!("`{called}` got no answer from {host} within {timeout}");
        return failure(FailureKind::ToolTimeout, Phase::MaybeSent, detail);
    }
    let detail = detail(format!("`{called}` lost its connection to {host}: {}", root(error)));
    failure(FailureKind::ToolError, Phase::MaybeSent, detail)
}

/// Reads the response to its end and says what it means.
///
/// `timeout` is what the call was given, for a sentence; `not_done` are the error statuses after which nothing was done.
pub(crate) async fn read(
    called: &str,
    (timeout, not_done): (Span, &[u16]),
    mut response: Response,
    scrubber: &Scrubber,
) -> Outcome {
    let (status, headers) = (response.status(), response.headers().clone());
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(chunk)) if body.len() + chunk.len() > LONGEST => {
                let detail = format!("`{called}` answered {status} with more than {} MiB", LONGEST / 1024 / 1024);
                let kind = FailureKind::ContractViolated;
                return Outcome::failed(verdict(called, not_done, status, &headers).unwrap_or(failure(
                    kind,
                    Phase::Answered,
                    detail,
                )));
            }
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => break,
            // A status that says no says it without its body too.
            Err(_) if !status.is_success() => break,
            Err(error) => {
                let (kind, why) = if error.is_timeout() {
                    (FailureKind::ToolTimeout, format!("did not end within {timeout}"))
                } else {
                    (FailureKind::ToolError, "was cut off".to_owned())
                };
                return Outcome::failed(failure(
                    kind,
                    Phase::MaybeSent,
                    format!("the answer {status} to `{called}` {why}"),
                ));
            }
        }
    }
    let body = scrubber.scrub(body);
    let answer = match verdict(called, not_done, status, &headers) {
        Some(failure) => Err(failure),
        None => Ok(value(status, &body)),
    };
    Outcome { answer, raw: (!body.is_empty()).then(|| body.into()) }
}

/// What a status says; `None` for success.
fn verdict(called: &str, not_done: &[u16], status: StatusCode, headers: &HeaderMap) -> Option<Failure> {
    use FailureKind::{ContractViolated, ToolError, ToolRejected};
    let (retry_after, not_done) = (retry_after(headers), not_done.contains(&status.as_u16()));
    let (kind, phase, words) = match status.as_u16() {
        200..=299 => return None,
        300..=399 => (ContractViolated, Phase::Answered, ", and redirects are not followed"),
        425 | 429 => (ToolError, Phase::Answered, ", which asks us to wait"),
        503 if retry_after.is_some() => (ToolError, Phase::Answered, ", which asks us to wait"),
        409 if not_done => (ToolRejected, Phase::Answered, ""),
        408 | 409 | 500.. if not_done => (ToolError, Phase::Answered, ", with which nothing was done"),
        408 | 409 | 500.. => (ToolError, Phase::MaybeSent, ""),
        _ => (ToolRejected, Phase::Answered, ""),
    };
    // The body is the other side's page: it goes to the record, not into a sentence.
    let detail = format!("`{called}` answered {status}{words}");
    Some(Failure { kind, phase, detail, retry_after })
}

/// Seconds, or a date; a date is measured against the answer's own `Date`, so that no clock of ours counts.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Span> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Span::from_millis(i64::from(seconds) * 1000));
    }
    let date = |text: &str| jiff::fmt::rfc2822::parse(text.trim()).ok().map(|at| at.timestamp().as_microsecond());
    let (then, now) = (date(text)?, date(headers.get(DATE)?.to_str().ok()?)?);
    Some(Span::from_micros((then - now).max(0)))
}

/// JSON as it is; anything else as `{status, text}`.
fn value(status: StatusCode, body: &[u8]) -> Value {
    let json = Value::from_json(body).ok().or_else(|| serde_json::from_slice(body).ok().map(lenient));
    json.unwrap_or_else(|| {
        let text = String::from_utf8_lossy(body).into_owned();
        Value::map([("status", Value::from(u32::from(status.as_u16()))), ("text", text.into())])
    })
}

/// Others write whole numbers beyond 2^53 - 1: they become texts, digit for digit. Of a key that stands twice the last counts.
pub(crate) fn lenient(json: serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(value) => value.into(),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(int) if int.unsigned_abs() <= MAX_INT.unsigned_abs() => Value::Int(int),
            Some(_) => number.to_string().into(),
            None if number.is_u64() => number.to_string().into(),
            None => number.as_f64().and_then(Value::number).unwrap_or_else(|| number.to_string().into()),
        },
        serde_json::Value::String(text) => text.into(),
        serde_json::Value::Array(items) => Value::list(items.into_iter().map(lenient)),
        serde_json::Value::Object(map) => {
            let map: Map = map.into_iter().map(|(key, value)| (key.into(), lenient(value))).collect();
            Value::Map(map.into())
        }
    }
}

/// The innermost cause: "connection refused" rather than "error sending request".
pub(crate) fn root(error: &reqwest::Error) -> String {
    let mut inner: Option<&(dyn Error + 'static)> = error.source();
    while let Some(next) = inner.and_then(Error::source) {
        inner = Some(next);
    }
    inner.map_or_else(|| "the request was not accepted".to_owned(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn wait(pairs: &[(reqwest::header::HeaderName, &'static str)]) -> Option<String> {
        let headers = pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        retry_after(&headers).map(|span| span.to_string())
    }

    #[test]
    fn a_wait_is_seconds_or_a_date_against_the_answers_own() {
        assert_eq!(wait(&[(RETRY_AFTER, "120")]).as_deref(), Some("2m"));
        let date = (RETRY_AFTER, "Wed, 21 Oct 2026 07:28:30 GMT");
        assert_eq!(wait(&[date.clone(), (DATE, "Wed, 21 Oct 2026 07:28:00 GMT")]).as_deref(), Some("30s"));
        assert_eq!(wait(&[date.clone(), (DATE, "Wed, 21 Oct 2026 07:29:00 GMT")]).as_deref(), Some("0s"));
        assert_eq!(wait(&[date]), None);
        assert_eq!(wait(&[(RETRY_AFTER, "soon")]), None);
    }

    #[test]
    fn what_is_no_json_of_ours_is_still_kept() {
        let json = |body: &str| value(StatusCode::OK, body.as_bytes()).to_json();
        assert_eq!(json(r#"{"id": 7}"#), r#"{"id":7}"#);
        assert_eq!(json(r#"{"id": 9223372036854775807, "b": 1.5}"#), r#"{"b":1.5,"id":"9223372036854775807"}"#);
        assert_eq!(json("fine"), r#"{"status":200,"text":"fine"}"#);
        assert_eq!(json(""), r#"{"status":200,"text":""}"#);
    }
}
