//! Pages, for people: each answers one question, works without JavaScript, and shows nothing that a part of the API does not give as well.

mod approvals;
mod attention;
mod effects;
mod evidence;
mod holds;
mod money;
mod policies;
mod run;
mod runs;
mod search;
mod shown;
mod visit;
mod why;
mod work;
mod workflows;

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    Form, Router,
    extract::{FromRequest, FromRequestParts, Multipart, OriginalUri, Request},
    http::{Method, StatusCode, header, request::Parts},
    response::{Html, IntoResponse, Redirect, Response},
    routing::{get, post},
};
use runtime::govern::Asker;
use serde::de::DeserializeOwned;

pub(crate) use self::visit::doors;
use crate::{
    assets,
    guard::BODY_BYTES,
    own::{self, Link},
    problem::Problem,
    server::App,
    session::Session,
    site::Site,
};

pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(attention::page))
        .route("/enter", get(visit::enter))
        .route("/acting", post(visit::acting))
        .route("/bell", get(own::bell))
        .route("/runs", get(runs::page))
        .route("/runs/orders", post(runs::order))
        .route("/search", get(search::page))
        .route("/runs/{run}", get(run::page))
        .route("/runs/{run}/live", get(run::live))
        .route("/runs/{run}/order", post(run::order))
        .route("/runs/{run}/outcome", post(run::say_outcome))
        .route("/runs/{run}/fork", post(run::fork))
        .route("/runs/{run}/retry", post(run::retry))
        .route("/runs/{run}/shown/{entry}", get(shown::page))
        .route("/runs/{run}/why", get(why::page))
        .route("/runs/{run}/evidence", get(evidence::page))
        .route("/approvals", get(approvals::list))
        .route("/approvals/{id}", get(approvals::page))
        .route("/approvals/{id}/decision", post(approvals::decide))
        .route("/approvals/{id}/check", post(approvals::check))
        .route("/work", get(work::list))
        .route("/work/{id}", get(work::page))
        .route("/work/{id}/claim", post(work::claim))
        .route("/work/{id}/holder", post(work::pass))
        .route("/work/{id}/answer", post(work::answer))
        .route("/workflows", get(workflows::list))
        .route("/workflows/{workflow}", get(workflows::page))
        .route("/workflows/{workflow}/changes", get(workflows::changes))
        .route("/runs/{run}/export", get(evidence::export))
        .route("/runs/{run}/case", get(run::case))
        .route("/policies", get(policies::list))
        .route("/policies/try", get(policies::ask).post(policies::tried))
        .route("/money", get(money::page))
        .route("/money/limit", post(money::raise))
        .route("/money/unfreezing", post(money::unfreeze))
        .route("/holds", get(holds::page).post(holds::change))
        .route("/effects", get(effects::list))
        .route("/effects/{run}", get(effects::page).post(effects::resolve))
}

/// Whoever looks at a page: only a browser that came in by a link does.
pub struct Viewer {
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
    /// Pages of the application.
    pub(crate) own: Vec<Link>,
    /// What its bell says.
    pub(crate) bell: Option<own::Bell>,
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
    /// What was looked for.
    pub(crate) sought: String,
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
pub struct Failed(Problem);

/// What a page answers.
pub type Shown = Result<Response, Failed>;

impl Viewer {
    /// The layout of a page.
    pub(crate) fn layout(&self, title: impl Into<String>, question: &'static str, here: &'static str) -> Layout {
        let served = self.app.site.served();
        let people = served.project.people.ids();
        let errors = self.app.site.errors();
        let own = self.app.site.own();
        Layout {
            own: own.map(|own| own.links(self, here)).unwrap_or_default(),
            bell: own.and_then(|own| own.says(self)),
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
            sought: String::new(),
            style: &assets::NAMES.style,
            script: &assets::NAMES.script,
        }
    }

    /// The project that is looked at.
    pub fn site(&self) -> &Site {
        &self.app.site
    }

    /// Who one is here, if somebody was chosen.
    pub fn person(&self) -> Option<&str> {
        self.session.person.as_deref()
    }

    /// Who may be chosen: the ids of the project's people.
    pub fn people(&self) -> Vec<Arc<str>> {
        self.app.site.served().project.people.ids().cloned().collect()
    }

    /// What every form carries, in a field `csrf`.
    pub fn csrf(&self) -> &str {
        &self.session.csrf
    }

    /// A page of the application: `body` within the layout of all pages. `here` is the path of its link, as it was given to
    /// [`Own::link`](crate::Own::link).
    ///
    /// # Errors
    /// It cannot be written.
    pub fn page(
        &self,
        title: impl Into<String>,
        question: &'static str,
        here: &'static str,
        body: &impl Template,
    ) -> Shown {
        let body = body.render().map_err(unwritten)?;
        show(&OwnPage { layout: self.layout(title, question, here), body })
    }

    /// A path of the application's own pages.
    pub fn own(&self, path: impl std::fmt::Display) -> String {
        self.path(format_args!("{}{path}", own::AT))
    }

    /// A path of this site.
    pub fn path(&self, path: impl std::fmt::Display) -> String {
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
    Ok(Html(page.render().map_err(unwritten)?).into_response())
}

/// Answers with a part of a page, for a script that renews it.
///
/// # Errors
/// It cannot be written.
pub fn part(part: &impl Template) -> Shown {
    show(part)
}

fn unwritten(error: askama::Error) -> Failed {
    tracing::error!(%error, "a page cannot be written");
    Failed(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "this page cannot be written"))
}

/// Goes to a page after something was changed: a path of this site, as [`Viewer::path`] gives it.
///
/// # Errors
/// None; it is what a page answers.
pub fn go(path: &str) -> Shown {
    Ok(Redirect::to(path).into_response())
}

/// There is no such page.
pub(crate) async fn nothing() -> Failed {
    Failed(Problem::not_found("there is no such page"))
}

impl Failed {
    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Failed {
        Failed(Problem::not_found(detail))
    }

    /// It is not done, for a reason.
    pub fn refused(detail: impl Into<String>) -> Failed {
        Failed(Problem::new(StatusCode::CONFLICT, "refused", detail))
    }

    /// A fault of the application. What it was goes to the log.
    pub fn fault(error: impl std::error::Error + 'static) -> Failed {
        Failed(Problem::fault(&error))
    }

    /// The same, with what to try next.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Failed {
        Failed(self.0.hint(hint))
    }
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
                // As it was asked for: what is nested sees only the rest of it.
                let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |OriginalUri(uri)| uri);
                let path = uri.path_and_query().map_or("/", |path| path.as_str());
                let back = (parts.method == Method::GET).then(|| path.to_owned());
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
pub struct Sent<T> {
    /// Who sent it.
    pub viewer: Viewer,
    /// What it says.
    pub form: T,
}

/// A form with a file, by whoever looks at the page: `multipart/form-data`, in which the field `csrf` comes before the file.
pub struct Uploaded {
    /// Who sent it.
    pub viewer: Viewer,
    /// Fields by their names; of several with one name the last.
    pub fields: BTreeMap<String, String>,
    /// The file, if one was chosen.
    pub file: Option<Upload>,
}

/// A file that was sent.
pub struct Upload {
    /// Its name, as the browser says: a text to show, and no path.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// A page of the application, within ours.
#[derive(Template)]
#[template(path = "own.html")]
struct OwnPage {
    layout: Layout,
    /// A template of the application, which has escaped what it places.
    body: String,
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
        let read = Form::<Vec<(String, String)>>::from_request(Request::from_parts(parts, body), app).await;
        let Form(mut fields) = read.map_err(|why| Problem::malformed(why.to_string()))?;
        let token = fields.iter().position(|(name, _)| name == "csrf").map(|at| fields.remove(at).1);
        if !token.is_some_and(|csrf| viewer.session.signed(&csrf)) {
            return Err(unsigned());
        }
        // Without the token it is written once more: what is beside a flattened field could only be a text, and no number.
        let form = serde_urlencoded::to_string(&fields).map_err(|why| Problem::malformed(why.to_string()))?;
        let form = serde_urlencoded::from_str(&form).map_err(|why| Problem::malformed(why.to_string()))?;
        Ok(Sent { viewer, form })
    }
}

fn unsigned() -> Failed {
    let problem =
        Problem::new(StatusCode::FORBIDDEN, "csrf", "the form is not one of this session: nothing was changed");
    Failed(problem.hint("go back, load the page again, and send it once more"))
}

impl FromRequest<App> for Uploaded {
    type Rejection = Failed;

    async fn from_request(request: Request, app: &App) -> Result<Uploaded, Failed> {
        let (mut parts, body) = request.into_parts();
        let viewer = Viewer::from_request_parts(&mut parts, app).await?;
        let form = Multipart::from_request(Request::from_parts(parts, body), app).await;
        let mut form = form.map_err(|why| Problem::malformed(why.body_text()))?;
        let unread = |why: axum::extract::multipart::MultipartError| match why.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = format!("the file has more than {} KiB", BODY_BYTES >> 10);
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail).hint("send it in several parts")
            }
            _ => Problem::malformed(why.body_text()),
        };
        let (mut fields, mut file) = (BTreeMap::new(), None);
        let signed = |fields: &BTreeMap<String, String>| {
            fields.get("csrf").is_some_and(|csrf: &String| viewer.session.signed(csrf))
        };
        while let Some(field) = form.next_field().await.map_err(unread)? {
            let name = field.name().unwrap_or_default().to_owned();
            match field.file_name().map(str::to_owned) {
                // What nobody of this session sends is not even read.
                Some(_) if !signed(&fields) => return Err(unsigned()),
                Some(called) => {
                    let bytes = field.bytes().await.map_err(unread)?.to_vec();
                    // A browser sends an empty one where none was chosen.
                    file = (!called.is_empty() || !bytes.is_empty()).then_some(Upload { name: called, bytes });
                }
                None => {
                    fields.insert(name, field.text().await.map_err(unread)?);
                }
            }
        }
        if !signed(&fields) {
            return Err(unsigned());
        }
        fields.remove("csrf");
        Ok(Uploaded { viewer, fields, file })
    }
}
