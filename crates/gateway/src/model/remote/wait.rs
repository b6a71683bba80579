//! How long a server asks us to wait, as its headers say it.
//!
//! `retry-after-ms` and `Retry-After` are the server's own word and come first. Else the headers that tell of its buckets: when a
//! bucket is full again, `anthropic-ratelimit-requests-reset` as a point in time and `x-ratelimit-reset-tokens` as a length of it. Of
//! several buckets those count that are empty; if none says that it is, all of them; and of these the one that is full last.

use kernel::values::Span;
use reqwest::header::{DATE, HeaderMap};

use super::fault::span;
use crate::tool::http::answer;

/// What the headers ask for.
pub(super) fn wait(headers: &HeaderMap) -> Option<Span> {
    let exact = text(headers, "retry-after-ms").and_then(|text| text.parse::<u32>().ok());
    exact
        .map(|millis| Span::from_millis(i64::from(millis)))
        .or_else(|| answer::retry_after(headers))
        .or_else(|| buckets(headers))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|text| text.to_str().ok()).map(str::trim)
}

fn buckets(headers: &HeaderMap) -> Option<Span> {
    let (mut empty, mut all) = (Vec::new(), Vec::new());
    for name in headers.keys() {
        let name = name.as_str();
        let (remaining, point) = if let Some(bucket) = name.strip_prefix("x-ratelimit-reset-") {
            (format!("x-ratelimit-remaining-{bucket}"), false)
        } else if let Some(bucket) =
            name.strip_prefix("anthropic-ratelimit-").and_then(|rest| rest.strip_suffix("-reset"))
        {
            (format!("anthropic-ratelimit-{bucket}-remaining"), true)
        } else {
            continue;
        };
        let Some(value) = text(headers, name) else { continue };
        let Some(wait) = (if point { until(headers, value) } else { length(value) }) else { continue };
        all.push(wait);
        if text(headers, &remaining).and_then(|count| count.parse::<u64>().ok()) == Some(0) {
            empty.push(wait);
        }
    }
    if empty.is_empty() { all.into_iter().max() } else { empty.into_iter().max() }
}

/// A bare number is seconds.
fn length(text: &str) -> Option<Span> {
    span(text).or_else(|| span(&format!("{text}s")))
}

/// A point in time is measured against the answer's own `Date`, so that no clock of ours counts.
fn until(headers: &HeaderMap, text: &str) -> Option<Span> {
    let then = text.parse::<jiff::Timestamp>().ok()?;
    let now = jiff::fmt::rfc2822::parse(headers.get(DATE)?.to_str().ok()?.trim()).ok()?.timestamp();
    Some(Span::from_micros((then.as_microsecond() - now.as_microsecond()).max(0)))
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn told(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let headers: HeaderMap = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        wait(&headers).map(|span| span.to_string())
    }

    #[test]
    fn the_servers_own_word_comes_first() {
        assert_eq!(told(&[("retry-after", "7"), ("x-ratelimit-reset-tokens", "2s")]).as_deref(), Some("7s"));
        assert_eq!(told(&[("retry-after", "7"), ("retry-after-ms", "250")]).as_deref(), Some("250ms"));
        assert_eq!(told(&[("x-request-id", "r")]), None);
    }

    #[test]
    fn an_empty_bucket_counts_before_a_full_one() {
        let requests = [("x-ratelimit-remaining-requests", "0"), ("x-ratelimit-reset-requests", "1.5s")];
        let tokens = [("x-ratelimit-remaining-tokens", "90"), ("x-ratelimit-reset-tokens", "6m0s")];
        assert_eq!(told(&[requests, tokens].concat()).as_deref(), Some("1500ms"));
        assert_eq!(told(&tokens).as_deref(), Some("6m"));
        assert_eq!(told(&[("x-ratelimit-reset-tokens", "12")]).as_deref(), Some("12s"));
        assert_eq!(told(&[("x-ratelimit-reset-tokens", "soon")]), None);
    }

    #[test]
    fn a_point_in_time_is_measured_against_the_answers_own_date() {
        let reset = ("anthropic-ratelimit-input-tokens-reset", "2026-10-21T07:28:30Z");
        let empty = ("anthropic-ratelimit-input-tokens-remaining", "0");
        let other = ("anthropic-ratelimit-requests-reset", "2026-10-21T07:58:30Z");
        let full = ("anthropic-ratelimit-requests-remaining", "49");
        let date = ("date", "Wed, 21 Oct 2026 07:28:00 GMT");
        assert_eq!(told(&[reset, empty, other, full, date]).as_deref(), Some("30s"));
        assert_eq!(told(&[reset, empty]), None);
    }
}
