//! The API under `/api/v1`, for programs. Its shapes are its own: what is stored may change its form, these may not.
//!
//! A program brings the token of the server (`Authorization: Bearer …`); a page of this server, its session. Problems are those of RFC 9457.

mod approvals;
mod effects;
mod events;
mod evidence;
mod money;
mod policies;
mod reference;
mod runs;
mod work;
mod workflows;

use axum::{
    Json, Router,
    extract::{FromRequest, FromRequestParts, Query, Request, rejection::JsonRejection},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse as _, Response},
};
use kernel::{ids::RunId, values::Value};
use runtime::govern::Asker;
use serde::{Serialize, de::DeserializeOwned};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

#[cfg(test)]
pub(crate) use self::events::CloudEvent;
pub use self::reference::document;
use crate::{
    problem::{KINDS, Problem},
    server::App,
    session::Session,
    site::{CaseCopy, Copies, ExportCopy, NotCopied, Site, Verified},
};

pub(crate) fn routes() -> Router<App> {
    let (router, _) = described().split_for_parts();
    router.fallback(async || Problem::not_found("there is no such part of the API")).method_not_allowed_fallback(
        async || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method", "that cannot be done with it"),
    )
}

/// Every part, once: its route and its description are one.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(runs::list, runs::start))
        .routes(routes!(runs::counts))
        .routes(routes!(runs::order_several))
        .routes(routes!(runs::one))
        .routes(routes!(runs::entries))
        .routes(routes!(runs::order))
        .routes(routes!(runs::say_outcome))
        .routes(routes!(runs::case))
        .routes(routes!(runs::erase))
        .routes(routes!(runs::fork))
        .routes(routes!(runs::retry))
        .routes(routes!(evidence::of))
        .routes(routes!(evidence::verification))
        .routes(routes!(evidence::export))
        .routes(routes!(events::signal))
        .routes(routes!(events::publish))
        .routes(routes!(approvals::list))
        .routes(routes!(approvals::one))
        .routes(routes!(approvals::decide))
        .routes(routes!(work::list))
        .routes(routes!(work::one))
        .routes(routes!(work::claim))
        .routes(routes!(work::release))
        .routes(routes!(work::assign))
        .routes(routes!(work::answer))
        .routes(routes!(effects::list))
        .routes(routes!(effects::resolve))
        .routes(routes!(money::budgets))
        .routes(routes!(money::raise))
        .routes(routes!(money::unfreeze))
        .routes(routes!(money::holds, money::hold))
        .routes(routes!(money::release))
        .routes(routes!(policies::list))
        .routes(routes!(policies::judge))
        .routes(routes!(workflows::list))
        .routes(routes!(workflows::versions))
        .routes(routes!(workflows::changes))
        .routes(routes!(problems))
        .routes(routes!(reference::openapi))
        .routes(routes!(reference::docs))
}

/// Every kind of problem.
#[derive(Serialize, ToSchema)]
struct Problems {
    problems: Vec<ProblemKind>,
}

/// One kind of problem.
#[derive(Serialize, ToSchema)]
struct ProblemKind {
    /// Its name: the end of a problem's `type`.
    kind: &'static str,
    /// In words.
    title: &'static str,
}

/// Every kind of problem
///
/// Anybody may read it.
#[utoipa::path(get, path = "/problems", operation_id = "list_problems", tag = "About the API", security(()), responses((status = OK, body = Problems)))]
async fn problems() -> Json<Problems> {
    Json(Problems { problems: KINDS.iter().map(|(kind, title)| ProblemKind { kind, title }).collect() })
}

/// A program, or a page of this server.
pub struct Caller {
    pub(crate) app: App,
    pub(crate) session: Session,
}

impl Caller {
    /// The project that is asked.
    pub fn site(&self) -> &crate::Site {
        &self.app.site
    }

    /// Ids of the project's people.
    pub fn people(&self) -> Vec<std::sync::Arc<str>> {
        self.app.site.served().project.people.ids().cloned().collect()
    }

    /// Whether it is a program, which brought the token.
    pub fn is_program(&self) -> bool {
        self.session.is_program()
    }

    /// Who is written down as the sender of a message.
    pub(crate) fn name(&self) -> std::sync::Arc<str> {
        match &self.session.person {
            Some(person) => person.clone(),
            None if self.session.is_program() => "api".into(),
            None => "local".into(),
        }
    }

    /// Who answers for a change that is written down with a name: the person that a page chose, or the one that a program names.
    pub(crate) fn asker(&self, named: Option<&str>) -> Result<Asker, Problem> {
        let refused = |why: String| Problem::new(StatusCode::CONFLICT, "refused", why);
        match (&self.session.person, named) {
            (Some(person), None) => Ok(Asker { by: person.clone(), auth: "local".into() }),
            (Some(person), Some(named)) if **person == *named => Ok(Asker { by: person.clone(), auth: "local".into() }),
            (Some(person), Some(_)) => Err(refused(format!("this session acts as `{person}`, and as nobody else"))),
            (None, _) if !self.session.is_program() => {
                let problem = refused("who decides is written down, and nobody is chosen".to_owned());
                Err(problem.hint("choose at the top of a page who you are"))
            }
            (None, None) => {
                let problem = refused("who decides is written down, and nobody is named".to_owned());
                Err(problem.hint("say in `as` which person of people.yaml it is"))
            }
            (None, Some(named)) => {
                let served = self.app.site.served();
                let people = &served.project.people;
                if people.person(named).is_some() {
                    return Ok(Asker { by: named.into(), auth: "token".into() });
                }
                let problem = refused(format!("`{named}` is not in people.yaml"));
                let near = kernel::complaint::did_you_mean(named, people.ids().map(|id| &**id));
                Err(near.into_iter().fold(problem, Problem::hint))
            }
        }
    }
}

/// Rows of a page, unless `limit` says otherwise.
const PAGE: u32 = 50;
/// Rows of a page at most.
const MOST: u32 = 500;

/// How many rows a page has.
fn page_of(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=MOST => Ok(limit),
        limit => Err(Problem::malformed(format!("`limit={limit}`: a number from 1 to {MOST}"))),
    }
}

/// A file to be kept.
pub(crate) fn file(name: &str, kind: &'static str, contents: impl Into<axum::body::Body>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
    ];
    (headers, contents.into()).into_response()
}

/// What makes files of runs here.
fn copies(site: &Site) -> Result<std::sync::Arc<dyn Copies>, Problem> {
    site.served().copies.clone().ok_or_else(|| Problem::not_found("no files of runs are made here"))
}

/// A case of a run that is over.
pub(crate) async fn case_of(site: &Site, run: RunId) -> Result<CaseCopy, Problem> {
    let copies = copies(site)?;
    let row = site.store().run(run).await?.ok_or_else(|| Problem::not_found(format!("there is no run {run}")))?;
    let refused = |why: String| Problem::new(StatusCode::CONFLICT, "refused", why);
    if !row.status.is_final() {
        return Err(refused(format!("run {run} is {}: a case is made of it once it is over", row.status.as_str())));
    }
    copies.case(run).await.map_err(|why| not_copied(&format!("no case can be made of {run}"), &why))
}

/// A run as one file.
async fn export_of(site: &Site, run: RunId) -> Result<ExportCopy, Problem> {
    let copies = copies(site)?;
    if site.store().run(run).await?.is_none() {
        return Err(Problem::not_found(format!("there is no run {run}")));
    }
    copies.export(run).await.map_err(|why| not_copied(&format!("run {run} cannot be exported"), &why))
}

/// The same, to be kept.
pub(crate) async fn export_file(site: &Site, run: RunId) -> Result<Response, Problem> {
    let made = export_of(site, run).await?;
    let mut response = file(&format!("{run}.ndjson"), "application/x-ndjson", made.bytes);
    if let Ok(head) = made.head.hash.to_string().parse() {
        response.headers_mut().insert("surefoot-head", head);
    }
    Ok(response)
}

/// What was checked of a run, or what of it does not hold.
pub(crate) async fn verified(site: &Site, run: RunId) -> Result<Result<Verified, String>, Problem> {
    let copies = copies(site)?;
    if site.store().run(run).await?.is_none() {
        return Err(Problem::not_found(format!("there is no run {run}")));
    }
    Ok(copies.verify(run).await.map_err(|why| why.why.join("; ")))
}

fn not_copied(what: &str, why: &NotCopied) -> Problem {
    let first = why.why.first().map(|why| format!(": {why}")).unwrap_or_default();
    let problem = Problem::new(StatusCode::CONFLICT, "refused", format!("{what}{first}"));
    let rest = why.why.get(1..).unwrap_or_default().join("; ");
    if rest.is_empty() { problem } else { problem.hint(rest) }
}

/// The key under which the same request counts once.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(key) = headers.get("idempotency-key") else { return Ok(None) };
    let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= 255);
    let key = key.ok_or_else(|| Problem::malformed("`Idempotency-Key` has 1 to 255 visible ASCII characters"))?;
    Ok(Some(key.to_owned()))
}

/// What a query asks for; a filter that there is not is told.
pub(crate) struct Filter<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequestParts<App> for Filter<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Filter<T>, Problem> {
        let read = Query::<T>::from_request_parts(parts, app).await;
        read.map(|Query(asked)| Filter(asked)).map_err(|why| Problem::malformed(why.body_text()))
    }
}

/// The id of a run, in a path.
fn run_id(text: &str) -> Result<RunId, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("`{text}` is no id of a run")))
}

/// What a program sent as JSON, as a value of a run.
fn value(json: &serde_json::Value, what: &str) -> Result<Value, Problem> {
    let value = serde_json::to_vec(json).ok().and_then(|bytes| Value::from_json(&bytes).ok());
    value.ok_or_else(|| Problem::malformed(format!("{what} cannot be read")).hint("a whole number has at most 53 bits"))
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
        if !app.sessions.admit(&session) {
            return Err(Problem::paced());
        }
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
