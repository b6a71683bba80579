//! Coming in, and who one is.

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::IntoResponse as _,
    routing::get,
};
use serde::Deserialize;

use super::{Failed, Sent, Shown, go};
use crate::{assets, problem::Problem, server::App, session::Sessions};

/// The link that lets one browser in.
#[derive(Deserialize)]
pub(super) struct Link {
    token: Option<String>,
}

/// `GET /enter?token=…`: uses the link up.
pub(super) async fn enter(State(app): State<App>, headers: HeaderMap, Query(link): Query<Link>) -> Shown {
    let cookie = let_in(&app.sessions, link, &headers)?;
    let mut response = go(&format!("{}/", app.site.base()))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

fn let_in(sessions: &Sessions, link: Link, headers: &HeaderMap) -> Result<HeaderValue, Failed> {
    let cookie = link
        .token
        .and_then(|token| sessions.enter(&token, headers))
        .and_then(|cookie| HeaderValue::from_str(&cookie).ok());
    cookie.ok_or_else(|| {
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "session", "this link was used already, or never was one");
        Failed(problem.hint("a new link stands in the terminal"))
    })
}

/// Who one wants to be.
#[derive(Deserialize)]
pub(super) struct Acting {
    person: String,
    back: Option<String>,
}

/// `POST /acting`: from now on this session acts as a person of the project.
pub(super) async fn acting(sent: Sent<Acting>) -> Shown {
    let Sent { viewer, form } = sent;
    let person = Some(form.person).filter(|person| !person.is_empty());
    if let Some(person) = &person
        && viewer.app.site.served().project.people.person(person).is_none()
    {
        return Err(Problem::not_found(format!("`{person}` is not in people.yaml")).into());
    }
    viewer.app.sessions.act_as(&viewer.session, person.map(Into::into));
    // Only a path of this site: a redirect goes nowhere else.
    let base = viewer.app.site.base();
    let back = form
        .back
        .filter(|back| back.starts_with(&format!("{base}/")) && !back.starts_with("//") && !back.contains('\\'));
    go(&back.unwrap_or_else(|| format!("{base}/")))
}

/// Where one chooses a project.
#[derive(Template)]
#[template(path = "doors.html")]
struct DoorsPage {
    sites: Arc<[(Arc<str>, Arc<str>)]>,
    style: &'static str,
}

#[derive(Clone)]
struct Doors {
    sessions: Sessions,
    sites: Arc<[(Arc<str>, Arc<str>)]>,
}

/// The root of a server of several projects.
pub(crate) fn doors(sessions: Sessions, sites: Arc<[(Arc<str>, Arc<str>)]>) -> Router {
    let enter = async |State(doors): State<Doors>, headers: HeaderMap, Query(link): Query<Link>| -> Shown {
        let cookie = let_in(&doors.sessions, link, &headers)?;
        let mut response = go("/")?;
        response.headers_mut().insert(header::SET_COOKIE, cookie);
        Ok(response)
    };
    let choose = async |State(doors): State<Doors>, headers: HeaderMap| -> Shown {
        if doors.sessions.find(&headers).is_none_or(|session| session.is_program()) {
            let problem =
                Problem::new(StatusCode::UNAUTHORIZED, "session", "this browser has not come in by a link yet");
            return Ok(Failed(problem.hint("open the link that stands in the terminal")).into_response());
        }
        super::show(&DoorsPage { sites: doors.sites, style: &assets::NAMES.style })
    };
    Router::new().route("/", get(choose)).route("/enter", get(enter)).with_state(Doors { sessions, sites })
}
