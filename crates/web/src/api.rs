//! The API under `/api/v1`, for programs. Its shapes are its own: what is stored may change its form, these may not.
//!
//! A program brings the token of the server (`Authorization: Bearer …`); a page of this server, its session. Problems are those of RFC 9457.

mod runs;

use axum::{
    Json, Router,
    extract::{FromRequest, FromRequestParts, Request, rejection::JsonRejection},
    http::{StatusCode, request::Parts},
    routing::{get, post},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{
    problem::{KINDS, Problem},
    server::App,
    session::Session,
};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/runs", get(runs::list).post(runs::start))
        .route("/runs/{run}", get(runs::one))
        .route("/runs/{run}/entries", get(runs::entries))
        .route("/runs/{run}/order", post(runs::order))
        .route("/problems", get(problems))
        .fallback(async || Problem::not_found("there is no such part of the API"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "that cannot be done with it")
        })
}

/// Every kind of problem. Anybody may read it.
async fn problems() -> Json<serde_json::Value> {
    let all = KINDS.iter().map(|(kind, title)| json!({ "kind": kind, "title": title }));
    Json(json!({ "problems": all.collect::<Vec<_>>() }))
}

/// A program, or a page of this server.
pub(crate) struct Caller {
    pub(crate) app: App,
    pub(crate) session: Session,
}

impl Caller {
    /// Who is written down as the sender of a message.
    pub(crate) fn name(&self) -> std::sync::Arc<str> {
        match &self.session.person {
            Some(person) => person.clone(),
            None if self.session.is_program() => "api".into(),
            None => "local".into(),
        }
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Caller, Problem> {
        let session = app.sessions.find(&parts.headers).ok_or_else(|| {
            let problem = Problem::new(StatusCode::UNAUTHORIZED, "session", "nobody is known to have sent this");
            problem.hint(
                "send `Authorization: Bearer TOKEN`; the token stands in the file api.token of the data directory",
            )
        })?;
        Ok(Caller { app: app.clone(), session })
    }
}

/// A body of JSON; what does not fit is told with its place.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Body<T>, Problem> {
        let Json(body) = Json::<T>::from_request(request, app).await.map_err(|why| {
            let status = why.status();
            match why {
                JsonRejection::MissingJsonContentType(_) => {
                    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "malformed", "a body is sent as application/json")
                }
                why if status == StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "too_large", why.body_text()),
                why => Problem::new(status, "malformed", why.body_text()),
            }
        })?;
        Ok(Body(body))
    }
}
