//! What went wrong, for a program (RFC 9457, `application/problem+json`) and for a person (a page).

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use kernel::fork::NotForked;
use runtime::RunError;
use serde::Serialize;
use store::StoreError;
use utoipa::ToSchema;

/// Why a request was not answered as it was asked (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Which kind, as a reference: `/api/v1/problems#no_run`.
    #[serde(rename = "type")]
    pub(crate) about: String,
    /// The kind in words.
    pub(crate) title: &'static str,
    /// The status of the answer.
    pub(crate) status: u16,
    /// What it was this time.
    pub(crate) detail: String,
    /// What to try next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// Every kind: its name, its title.
pub(crate) const KINDS: [(&str, &str); 17] = [
    ("host", "asked under a name that is not this server's"),
    ("origin", "sent by a page of another site"),
    ("session", "nobody is known to have sent this"),
    ("csrf", "the form is not one of this session"),
    ("malformed", "the request cannot be read"),
    ("not_found", "there is no such thing"),
    ("conflict", "it stands otherwise than was assumed"),
    ("refused", "it is not done, for a reason"),
    ("too_large", "it has more bytes than are taken"),
    ("crowded", "too much waits already"),
    ("paced", "more requests than are taken at once"),
    ("invalid", "it does not fit its schema"),
    ("unreadable", "what is stored cannot be read"),
    ("put_back", "the data are a copy or were put back"),
    ("disk", "the store cannot be written or read"),
    ("method", "that cannot be done with it"),
    ("internal", "a fault of this program"),
];

impl Problem {
    /// One of a kind of [`KINDS`].
    pub(crate) fn new(status: StatusCode, kind: &'static str, detail: impl Into<String>) -> Problem {
        let title = KINDS.iter().find(|(name, _)| *name == kind).map_or("", |(_, title)| title);
        debug_assert!(!title.is_empty(), "{kind} is not a kind");
        let about = format!("/api/v1/problems#{kind}");
        Problem { about, title, status: status.as_u16(), detail: detail.into(), hint: None }
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub(crate) fn malformed(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST, "malformed", detail)
    }

    /// A session or a token sends more than it may: a moment later it may again.
    pub(crate) fn paced() -> Problem {
        let detail = format!("one sender may send {} requests at once, then 50 a second", crate::pace::BURST);
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "paced", detail)
    }

    /// A fault of an application. What it was goes to the log.
    pub(crate) fn fault(error: &(dyn std::error::Error + 'static)) -> Problem {
        tracing::error!(error, "an application's page failed");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this cannot be read or written now")
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Problem {
        Problem { hint: Some(hint.into()), ..self }
    }

    /// What an answer says of it besides.
    pub(crate) fn headers(&self) -> HeaderMap {
        let wait = (self.status == StatusCode::TOO_MANY_REQUESTS).then(|| HeaderValue::from_static("1"));
        wait.map(|seconds| (header::RETRY_AFTER, seconds)).into_iter().collect()
    }

    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl From<RunError> for Problem {
    fn from(error: RunError) -> Problem {
        let (status, kind) = match &error {
            RunError::NoRun { .. }
            | RunError::BundleMissing { .. }
            | RunError::NoApproval { .. }
            | RunError::NoWork { .. } => (StatusCode::NOT_FOUND, "not_found"),
            RunError::NotForked(NotForked::NoEntry { .. }) => (StatusCode::NOT_FOUND, "not_found"),
            RunError::NotForked(NotForked::Broken { .. }) => (StatusCode::INTERNAL_SERVER_ERROR, "unreadable"),
            RunError::NotTaken { .. } | RunError::NotForked(_) => (StatusCode::CONFLICT, "refused"),
            RunError::Over { .. } | RunError::KeyTaken { .. } => (StatusCode::CONFLICT, "conflict"),
            RunError::InputInvalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid"),
            RunError::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            RunError::Crowded { .. } => (StatusCode::TOO_MANY_REQUESTS, "crowded"),
            RunError::BundleUnreadable { .. } | RunError::Journal { .. } => {
                (StatusCode::INTERNAL_SERVER_ERROR, "unreadable")
            }
            RunError::PutBack { .. } => (StatusCode::CONFLICT, "put_back"),
            RunError::Store { .. } | RunError::Anchors { .. } => (StatusCode::SERVICE_UNAVAILABLE, "disk"),
        };
        // What the database said stays in the log.
        if let Some(cause) = std::error::Error::source(&error) {
            tracing::error!(%error, %cause, "a request failed");
        }
        let problem = Problem::new(status, kind, error.to_string());
        error.hint().into_iter().fold(problem, Problem::hint)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Problem {
        match error {
            StoreError::NoRun { run } => Problem::not_found(format!("there is no run {run}")),
            error => {
                tracing::error!(%error, "the store failed");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "disk", "the store cannot be read or written now")
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status(), self.headers(), Json(&self)).into_response();
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
