//! Pages, for people: each answers one question, works without JavaScript, and shows nothing that a part of the API does not give as well.

mod approvals;
mod attention;
mod effects;
mod evidence;
mod holds;
mod money;
mod run;
mod runs;
mod shown;
mod visit;
mod why;
mod work;

use std::sync::Arc;

use askama::Template;
use axum::{
    Form, Router,
    extract::{FromRequest, FromRequestParts, Request},
    http::{Method, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use runtime::govern::Asker;
use serde::de::DeserializeOwned;

pub(crate) use self::visit::doors;
use crate::{assets, problem::Problem, server::App, session::Session};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(attention::page))
        .route("/enter", get(visit::enter))
        .route("/acting", post(visit::acting))
        .route("/runs", get(runs::page))
        .route("/runs/{run}", get(run::page))
        .route("/runs/{run}/live", get(run::live))
        .route("/runs/{run}/order", post(run::order))
        .route("/runs/{run}/fork", post(run::fork))
        .route("/runs/{run}/retry", post(run::retry))
        .route("/runs/{run}/shown/{entry}", get(shown::page))
        .route("/runs/{run}/why", get(why::page))
        .route("/runs/{run}/evidence", get(evidence::page))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::page))
        .route("/approvals/{id}/decision", post(approvals::decide))
        .route("/work", get(work::list))
        .route("/work/{id}", get(work::page))
        .route("/work/{id}/claim", post(work::claim))
        .route("/work/{id}/holder", post(work::pass))
        .route("/work/{id}/answer", post(work::answer))
        .route("/money", get(money::page))
        .route("/money/limit", post(money::raise))
        .route("/money/unfreezing", post(money::unfreeze))
        .route("/holds", get(holds::page).post(holds::change))
        .route("/effects", get(effects::list))
        .route("/effects/{run}", get(effects::page).post(effects::resolve))
}

/// Whoever looks at a page.
pub(crate) struct Viewer {
    pub(crate) app: App,
    pub(crate) session: Session,
    /// The path of the page that is looked at, if going there again shows it again.
    back: Option<String>,
}

/// What stands around the contents of a page.
pub(crate) struct Layout {
    /// Names the page, as a noun.
    pub(crate) title: String,
    /// What it answers.
    pub(crate) question: &'static str,
    /// Which of the links above is this one.
    pub(crate) here: &'static str,
    pub(crate) base: String,
    pub(crate) project: Arc<str>,
    /// Other projects: name and base.
    pub(crate) others: Arc<[(Arc<str>, Arc<str>)]>,
    /// What forms carry.
    pub(crate) csrf: Arc<str>,
    /// Where one is.
    pub(crate) back: String,
    /// Who one may be here: id, and whether one is.
    pub(crate) people: Vec<(Arc<str>, bool)>,
    /// Who one is here.
    pub(crate) person: Option<Arc<str>>,
    /// Errors of the files as they are now.
    pub(crate) errors: usize,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
}

/// A page that is not there, or cannot be shown.
#[derive(Template)]
#[template(path = "failed.html")]
struct FailedPage {
    problem: Problem,
    base: String,
    style: &'static str,
}

/// Why a page is not shown, as a page.
#[derive(Debug)]
pub(crate) struct Failed(Problem);

/// What a page answers.
pub(crate) type Shown = Result<Response, Failed>;

impl Viewer {
    /// The layout of a page.
    pub(crate) fn layout(&self, title: impl Into<String>, question: &'static str, here: &'static str) -> Layout {
        let served = self.app.site.served();
        let people = served.project.people.ids();
        let errors = self.app.site.errors();
        Layout {
            title: title.into(),
            question,
            here,
            base: self.app.site.base().to_owned(),
            project: self.app.site.name(),
            others: self.app.others.clone(),
            csrf: self.session.csrf.clone(),
            back: self.back.clone().unwrap_or_default(),
            people: people.map(|id| (id.clone(), self.session.person.as_ref() == Some(id))).collect(),
            person: self.session.person.clone(),
            errors,
            style: &assets::NAMES.style,
            script: &assets::NAMES.script,
        }
    }

    /// A path of this site.
    pub(crate) fn path(&self, path: impl std::fmt::Display) -> String {
        format!("{}{path}", self.app.site.base())
    }

    /// Who changes something: somebody at this machine, as the person that was chosen.
    pub(crate) fn asker(&self) -> Result<Asker, Failed> {
        match &self.session.person {
            Some(person) => Ok(Asker { by: person.clone(), auth: "local".into() }),
            None => {
                let problem =
                    Problem::new(StatusCode::CONFLICT, "refused", "who decides is written down, and nobody is chosen");
                Err(Failed(problem.hint("choose at the top of a page who you are")))
            }
        }
    }
}

/// Answers with a page.
pub(crate) fn show(page: &impl Template) -> Shown {
    match page.render() {
        Ok(html) => Ok(Html(html).into_response()),
        Err(error) => {
            tracing::error!(%error, "a page cannot be written");
            Err(Failed(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this page cannot be written")))
        }
    }
}

/// Goes to a page after something was changed.
pub(crate) fn go(path: &str) -> Shown {
    Ok(Redirect::to(path).into_response())
}

/// There is no such page.
pub(crate) async fn nothing() -> Failed {
    Failed(Problem::not_found("there is no such page"))
}

impl<E: Into<Problem>> From<E> for Failed {
    fn from(error: E) -> Failed {
        Failed(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let (status, headers) = (self.0.status(), self.0.headers());
        let page = FailedPage { problem: self.0, base: String::new(), style: &assets::NAMES.style };
        match page.render() {
            Ok(html) => (status, headers, Html(html)).into_response(),
            Err(error) => {
                tracing::error!(%error, "a page cannot be written");
                status.into_response()
            }
        }
    }
}

impl FromRequestParts<App> for Viewer {
    type Rejection = Failed;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Viewer, Failed> {
        match app.sessions.find(&parts.headers) {
            Some(session) if !session.is_program() && !app.sessions.admit(&session) => Err(Problem::paced().into()),
            Some(session) if !session.is_program() => {
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                let back = (parts.method == Method::GET).then(|| format!("{}{path}", app.site.base()));
                Ok(Viewer { app: app.clone(), session, back })
            }
            _ => {
                let problem =
                    Problem::new(StatusCode::UNAUTHORIZED, "session", "this browser has not come in by a link yet");
                Err(Failed(problem.hint("open the link that stands in the terminal; each lets one browser in, once")))
            }
        }
    }
}

/// A form of one of our pages, by whoever looks at it.
pub(crate) struct Sent<T> {
    pub(crate) viewer: Viewer,
    pub(crate) form: T,
}

/// What every form carries.
#[derive(serde::Deserialize)]
struct Signed<T> {
    csrf: Option<String>,
    #[serde(flatten)]
    form: T,
}

impl<T: DeserializeOwned> FromRequest<App> for Sent<T> {
    type Rejection = Failed;

    async fn from_request(request: Request, app: &App) -> Result<Sent<T>, Failed> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, app).await?;
        // The type is told before the body is read: a text that only looks like a form is none.
        let form = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !form.starts_with("application/x-www-form-urlencoded") {
            return Err(Problem::malformed("a form is sent as application/x-www-form-urlencoded").into());
        }
        let read = Form::<Signed<T>>::from_request(Request::from_parts(parts, body), app).await;
        let Form(Signed { csrf, form }) = read.map_err(|why| Problem::malformed(why.to_string()))?;
        if !csrf.is_some_and(|csrf| viewer.session.signed(&csrf)) {
            let problem =
                Problem::new(StatusCode::FORBIDDEN, "csrf", "the form is not one of this session: nothing was changed");
            return Err(Failed(problem.hint("go back, load the page again, and send it once more")));
        }
        Ok(Sent { viewer, form })
    }
}
