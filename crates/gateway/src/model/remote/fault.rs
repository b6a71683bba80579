//! From what a server says when it does not answer to a failure of an exact kind.
//!
//! | what it says, the first line that fits | failure | phase |
//! | --- | --- | --- |
//! | 402; a code or, with 400, 403 and 429, words of a quota, a bill, a balance | `provider_spend_limit` | answered |
//! | 401, 403; a code of a key | `provider_auth` | answered |
//! | a code of a content filter | `refused` | answered |
//! | 413; a code or, with 400, 422 and 500, words of a context that is too long | `context_overflow` | answered |
//! | 429; a code of a rate limit | `provider_rate_limited` | answered |
//! | 503, 529; a code of an overload | `provider_overloaded` | answered |
//! | 408, 504, 524; a code of a deadline | `provider_timeout` | answered for 408, else maybe sent |
//! | 3xx: redirects are not followed | `contract_violated` | answered |
//! | 409, 425 | `provider_error` | answered |
//! | any other 4xx; a code of a bad request | `invalid_arguments` | answered |
//! | 5xx; an error in the middle of an answer | `provider_error` | maybe sent |

use kernel::{
    recovery::{Failure, FailureKind, Phase},
    values::Span,
};
use serde_json::Value as Json;

/// What a server says about an error, as far as we understand it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Fault {
    /// Its codes and types, as written, most exact first.
    codes: Vec<String>,
    /// Which parameter it means.
    param: Option<String>,
    message: String,
    /// A status that stands in the body.
    status: Option<u16>,
    /// How long it asks us to wait.
    wait: Option<Span>,
}

impl Fault {
    /// Reads the body of an error. Servers differ: `{error: {…}}`, `[{error: {…}}]`, `{error: "…"}`, `{object: error,
    /// …}`, `{message, type}`, `{detail}`.
    pub(crate) fn of_body(body: &Json) -> Fault {
        let body = body.get(0).unwrap_or(body);
        Fault::of(body.get("error").filter(|error| !error.is_null()).unwrap_or(body))
    }

    /// The error that stands in what should be an answer, or a piece of one.
    pub(crate) fn within(answer: &Json) -> Option<Fault> {
        let error = answer.get("error").filter(|error| !error.is_null());
        let whole = || (answer.get("object").and_then(Json::as_str) == Some("error")).then_some(answer);
        error.or_else(whole).map(Fault::of)
    }

    fn of(error: &Json) -> Fault {
        if let Some(message) = error.as_str() {
            return Fault { message: message.to_owned(), ..Fault::default() };
        }
        let text = |key: &str| error.get(key).and_then(Json::as_str);
        let details = error.get("details").and_then(Json::as_array).map(Vec::as_slice).unwrap_or_default();
        let reasons = details.iter().filter_map(|detail| detail.get("reason").and_then(Json::as_str));
        let inner = error.pointer("/innererror/code").and_then(Json::as_str);
        let codes =
            [text("code"), inner].into_iter().flatten().chain(reasons).chain(text("type")).chain(text("status"));
        let message = ["message", "detail"].into_iter().find_map(text).unwrap_or_default().to_owned();
        let retry = details.iter().find_map(|detail| detail.get("retryDelay").and_then(Json::as_str));
        Fault {
            codes: codes.filter(|code| !code.is_empty()).map(str::to_owned).collect(),
            param: text("param").map(str::to_owned),
            status: error.get("code").and_then(Json::as_u64).and_then(|code| u16::try_from(code).ok()),
            wait: retry.and_then(span).or_else(|| waits(&message)),
            message,
        }
    }

    /// What it means. `of` names model and server, `status` is that of the answer, `wait` what its headers ask for.
    pub(crate) fn failure(&self, of: &str, status: Option<u16>, wait: Option<Span>) -> Failure {
        let (kind, phase, why) = self.kind(status.or(self.status.filter(|status| (300..600).contains(status))));
        let answered = match status {
            Some(status) => format!("answered {status}"),
            None => "broke off with an error".to_owned(),
        };
        let patient = matches!(
            kind,
            FailureKind::ProviderRateLimited
                | FailureKind::ProviderOverloaded
                | FailureKind::ProviderError
                | FailureKind::ProviderTimeout
        );
        let retry_after = wait.or(self.wait).filter(|_| patient);
        let mut detail = format!("{of} {answered}: {why}");
        // Codes are words of a list and may be repeated; the message is the other side's page and goes to the record.
        if let Some(code) = self.codes.iter().find(|code| is_word(code)) {
            detail.push_str(&format!(" (`{code}`)"));
        }
        if kind == FailureKind::InvalidArguments {
            detail.push_str(&self.advice());
        }
        Failure { kind, phase, detail, retry_after }
    }

    fn kind(&self, status: Option<u16>) -> (FailureKind, Phase, &'static str) {
        use FailureKind as Kind;
        use Phase::{Answered, MaybeSent};
        let code = |list: &[&str]| self.codes.iter().any(|code| list.contains(&&*code.to_ascii_lowercase()));
        let is = |list: &[u16]| status.is_some_and(|status| list.contains(&status));
        if is(&[402]) || code(SPENT) || (is(&[400, 403, 429]) && self.says(SPENT_WORDS)) {
            (Kind::ProviderSpendLimit, Answered, "a spend limit is reached")
        } else if is(&[401]) || code(UNKNOWN_KEY) || (is(&[403]) && !code(FILTERED)) {
            (Kind::ProviderAuth, Answered, "the key is not accepted")
        } else if code(FILTERED) {
            (Kind::Refused, Answered, "a content filter refused")
        } else if is(&[413])
            || code(TOO_LONG)
            || ((status.is_none() || is(&[400, 422, 500])) && self.says(TOO_LONG_WORDS))
        {
            (Kind::ContextOverflow, Answered, "what it was shown is too long for it")
        } else if is(&[429]) || code(RATE) {
            (Kind::ProviderRateLimited, Answered, "it asks us to wait")
        } else if is(&[503, 529]) || code(OVERLOADED) {
            (Kind::ProviderOverloaded, Answered, "it is overloaded")
        } else if is(&[408]) {
            (Kind::ProviderTimeout, Answered, "the request did not arrive in time")
        } else if is(&[504, 524]) || code(LATE) {
            (Kind::ProviderTimeout, MaybeSent, "the model did not answer in time")
        } else {
            match status {
                Some(300..=399) => (Kind::ContractViolated, Answered, "redirects are not followed"),
                Some(409 | 425) => (Kind::ProviderError, Answered, "the request was put off"),
                Some(400..=499) => (Kind::InvalidArguments, Answered, "the request is not accepted"),
                None if code(BAD_REQUEST) => (Kind::InvalidArguments, Answered, "the request is not accepted"),
                _ => (Kind::ProviderError, MaybeSent, "the server failed"),
            }
        }
    }

    fn says(&self, words: &[&str]) -> bool {
        let message = self.message.to_ascii_lowercase();
        words.iter().any(|words| message.contains(words))
    }

    /// Which key of the project's file to change.
    fn advice(&self) -> String {
        let advice = match self.param.as_deref().and_then(|param| param.split('.').next()).unwrap_or_default() {
            "max_tokens" => ": `max_tokens`; write `cap: max_completion_tokens`, or a smaller `max_tokens`",
            "max_completion_tokens" => ": `max_completion_tokens`; write `cap: max_tokens`, or a smaller `max_tokens`",
            "max_output_tokens" => ": `max_output_tokens`; write another `max_tokens`",
            "temperature" => ": `temperature`; leave it out, or write `sampling: false`",
            "effort" | "reasoning" | "reasoning_effort" => {
                ": how much it thinks; leave `effort` out, or choose another"
            }
            "response_format" | "text" => ": the shape of the answer; choose another `structured`",
            "tool_choice" => ": `tool_choice`; write `force_tool: false`",
            "model" => ": `model`; the server has no such model",
            other if is_word(other) => return format!(": `{other}`"),
            _ => "",
        };
        advice.to_owned()
    }
}

const SPENT: &[&str] = &[
    "insufficient_quota",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "insufficient_balance",
    "insufficient_credits",
    "spend_limit_reached",
    "spend_limit_exceeded",
    "budget_exceeded",
    "payment_required",
];
/// Anthropic says it in words alone.
const SPENT_WORDS: &[&str] = &["credit balance is too low", "reached your specified api usage limits"];
const UNKNOWN_KEY: &[&str] = &[
    "invalid_api_key",
    "api_key_invalid",
    "authentication_error",
    "invalid_authentication",
    "account_deactivated",
    "permission_error",
    "unauthenticated",
    "permission_denied",
    "unauthorized",
];
const FILTERED: &[&str] =
    &["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked", "safety"];
const TOO_LONG: &[&str] = &[
    "context_length_exceeded",
    "context_window_exceeded",
    "exceed_context_size_error",
    "string_above_max_length",
    "request_too_large",
];
const TOO_LONG_WORDS: &[&str] = &[
    "maximum context length",
    "max context length",
    "exceeds the context",
    "exceed the context",
    "exceeds the available context",
    "context length exceeded",
    "context window",
    "prompt too long",
    "prompt is too long",
    "input is too long",
    "too large for model",
    "exceeds the maximum number of tokens",
    "exceed context limit",
];
const RATE: &[&str] = &[
    "rate_limit_exceeded",
    "rate_limit_error",
    "rate_limited",
    "too_many_requests",
    "resource_exhausted",
    "throttling",
];
const OVERLOADED: &[&str] = &[
    "overloaded",
    "overloaded_error",
    "engine_overloaded",
    "engine_overloaded_error",
    "model_overloaded",
    "service_unavailable",
    "service_unavailable_error",
    "unavailable",
    "slow_down",
];
const LATE: &[&str] = &["timeout", "timeout_error", "request_timeout", "gateway_timeout", "deadline_exceeded"];
const BAD_REQUEST: &[&str] = &[
    "invalid_request_error",
    "invalid_argument",
    "invalid_value",
    "model_not_found",
    "unsupported_parameter",
    "unknown_parameter",
    "unsupported_value",
    "badrequesterror",
    "invalid_prompt",
    "not_found_error",
    "not_found",
    "failed_precondition",
];

/// A word of a list, not a sentence.
fn is_word(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// "Please try again in 7m12.5s".
fn waits(message: &str) -> Option<Span> {
    let lower = message.to_ascii_lowercase();
    let at = ["try again in ", "retry in ", "retry after "].iter().find_map(|words| {
        let at = lower.find(words)?;
        Some(at + words.len())
    })?;
    span(&lower[at..])
}

/// `34s`, `7m12.5s`, `450ms`, `20 seconds`: as far as it reads like a length of time.
pub(super) fn span(text: &str) -> Option<Span> {
    let (mut rest, mut micros, mut found) = (text, 0.0, false);
    loop {
        rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let Ok(number) = rest[..end].parse::<f64>() else { break };
        rest = rest[end..].trim_start();
        let unit = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        micros += number
            * match &rest[..unit] {
                "ms" | "milliseconds" => 1e3,
                "s" | "sec" | "secs" | "second" | "seconds" => 1e6,
                "m" | "min" | "minute" | "minutes" => 60e6,
                "h" | "hour" | "hours" => 3600e6,
                "d" | "day" | "days" => 86_400e6,
                _ => break,
            };
        rest = &rest[unit..];
        found = true;
    }
    // Beyond a year it is no wait but a mistake.
    #[expect(clippy::cast_possible_truncation, reason = "checked: between nothing and a year")]
    (found && (0.0..=31_536_000e6).contains(&micros)).then(|| Span::from_micros(micros.ceil() as i64))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(status: u16, body: Json) -> (FailureKind, Phase) {
        let failure = Fault::of_body(&body).failure("m", Some(status), None);
        (failure.kind, failure.phase)
    }

    fn code(code: &str) -> Json {
        json!({ "error": { "message": "…", "type": "some_error", "code": code } })
    }

    #[test]
    fn each_status_and_code_has_its_kind() {
        use FailureKind as Kind;
        use Phase::{Answered, MaybeSent};
        let none = || json!({});
        for (status, body, expected) in [
            (401, none(), (Kind::ProviderAuth, Answered)),
            (403, none(), (Kind::ProviderAuth, Answered)),
            (403, code("content_filter"), (Kind::Refused, Answered)),
            (400, code("invalid_api_key"), (Kind::ProviderAuth, Answered)),
            (
                400,
                json!([{ "error": { "code": 400, "status": "INVALID_ARGUMENT", "details": [{ "reason": "API_KEY_INVALID" }] } }]),
                (Kind::ProviderAuth, Answered),
            ),
            (402, none(), (Kind::ProviderSpendLimit, Answered)),
            (429, code("insufficient_quota"), (Kind::ProviderSpendLimit, Answered)),
            (403, code("billing_not_active"), (Kind::ProviderSpendLimit, Answered)),
            (429, none(), (Kind::ProviderRateLimited, Answered)),
            (429, code("rate_limit_exceeded"), (Kind::ProviderRateLimited, Answered)),
            (400, code("context_length_exceeded"), (Kind::ContextOverflow, Answered)),
            (413, code("rate_limit_exceeded"), (Kind::ContextOverflow, Answered)),
            (400, json!({ "error": "the prompt is too long: 9 > 8" }), (Kind::ContextOverflow, Answered)),
            (
                500,
                json!({ "error": { "message": "exceeds the available context size" } }),
                (Kind::ContextOverflow, Answered),
            ),
            (400, code("content_filter"), (Kind::Refused, Answered)),
            (
                400,
                json!({ "error": { "code": "x", "innererror": { "code": "ResponsibleAIPolicyViolation" } } }),
                (Kind::Refused, Answered),
            ),
            (
                400,
                json!({ "type": "error", "error": { "type": "invalid_request_error", "message": "Your credit balance is too low to access the API." } }),
                (Kind::ProviderSpendLimit, Answered),
            ),
            (
                400,
                json!({ "type": "error", "error": { "type": "invalid_request_error", "message": "input length and `max_tokens` exceed context limit: 9 + 8 > 16" } }),
                (Kind::ContextOverflow, Answered),
            ),
            (400, code("unsupported_parameter"), (Kind::InvalidArguments, Answered)),
            (404, code("model_not_found"), (Kind::InvalidArguments, Answered)),
            (422, json!({ "detail": [{ "msg": "field required" }] }), (Kind::InvalidArguments, Answered)),
            (408, none(), (Kind::ProviderTimeout, Answered)),
            (409, none(), (Kind::ProviderError, Answered)),
            (308, none(), (Kind::ContractViolated, Answered)),
            (500, none(), (Kind::ProviderError, MaybeSent)),
            (502, none(), (Kind::ProviderError, MaybeSent)),
            (503, none(), (Kind::ProviderOverloaded, Answered)),
            (529, none(), (Kind::ProviderOverloaded, Answered)),
            (500, code("overloaded_error"), (Kind::ProviderOverloaded, Answered)),
            (504, none(), (Kind::ProviderTimeout, MaybeSent)),
        ] {
            assert_eq!(told(status, body.clone()), expected, "{status} {body}");
        }
    }

    #[test]
    fn an_error_within_an_answer_is_read_like_a_body() {
        let told = |body: Json| {
            let failure = Fault::within(&body)?.failure("m", None, None);
            Some((failure.kind, failure.phase))
        };
        assert_eq!(told(json!({ "choices": [], "error": null })), None);
        let server = Some((FailureKind::ProviderError, Phase::MaybeSent));
        assert_eq!(told(code("server_error")), server);
        assert_eq!(told(json!({ "error": "something" })), server);
        let rate = Some((FailureKind::ProviderRateLimited, Phase::Answered));
        assert_eq!(told(json!({ "error": { "code": 429, "message": "slow" } })), rate);
        let bad = Some((FailureKind::InvalidArguments, Phase::Answered));
        assert_eq!(told(json!({ "object": "error", "type": "BadRequestError", "code": 400, "message": "no" })), bad);
        assert_eq!(told(code("model_not_found")), bad);
    }

    #[test]
    fn a_wait_is_read_from_the_body_where_it_helps() {
        let wait = |status, error: Json| {
            let failure = Fault::of_body(&json!({ "error": error })).failure("m", Some(status), None);
            failure.retry_after.map(|span| span.to_string())
        };
        let message = |text: &str| json!({ "message": text });
        assert_eq!(wait(429, message("Please try again in 7m12s. Visit us.")).as_deref(), Some("432s"));
        assert_eq!(wait(429, message("Please try again in 450ms.")).as_deref(), Some("450ms"));
        assert_eq!(wait(429, message("Please retry after 20 seconds.")).as_deref(), Some("20s"));
        assert_eq!(wait(429, message("Please try again in a while")), None);
        assert_eq!(wait(429, message("try again in 99999999999h")), None);
        assert_eq!(
            wait(429, json!({ "details": [{ "reason": "x" }, { "retryDelay": "34s" }] })).as_deref(),
            Some("34s")
        );
        assert_eq!(wait(400, message("try again in 3s")), None);
        let spent = json!({ "code": "insufficient_quota", "message": "try again in 3s" });
        assert_eq!(wait(429, spent), None);
    }

    #[test]
    fn a_failure_names_the_code_and_what_to_change_and_never_repeats_a_page() {
        let fault = Fault::of_body(&json!({ "error": {
            "message": "Unsupported parameter: 'max_tokens'", "code": "unsupported_parameter", "param": "max_tokens",
        } }));
        assert_eq!(
            fault.failure("`big` at api.example", Some(400), None).detail,
            "`big` at api.example answered 400: the request is not accepted (`unsupported_parameter`): `max_tokens`; write \
             `cap: max_completion_tokens`, or a smaller `max_tokens`"
        );
        let page = Fault::of_body(&json!({ "error": { "message": "<html>", "code": "a b <c>", "param": "<d>" } }));
        assert_eq!(page.failure("m", Some(400), None).detail, "m answered 400: the request is not accepted");
    }
}
