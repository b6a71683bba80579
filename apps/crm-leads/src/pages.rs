//! Pages of the CRM, among those of Surefoot: leads, what waits for a look, imports, and the news.
//!
//! A page shows and asks; what becomes of what people do stands in [`crm`](crate::crm). A lead's page never waits for its run: the form is
//! answered when lead and event are written, and the relay starts the run.

mod add;
mod api;
mod import;
mod lead;
mod leads;
mod news;
mod review;
mod source;

use axum::{
    Extension, Router,
    http::StatusCode,
    routing::{get, post},
};
use surefoot::pages::{Failed, Own, PagesError, Place, Shown, Viewer, go, plain};

use crate::crm::{Changed, Crm, CrmError, outbox, value};

/// The pages, with the relay beside them.
///
/// # Errors
/// The CRM's database cannot be opened.
pub async fn pages(place: Place) -> Result<Own, PagesError> {
    let failed = |error: CrmError| PagesError::Application(Box::new(error));
    let crm = Crm::open(&place.database("crm").await?).map_err(failed)?;
    crm.count_unread().await.map_err(failed)?;
    let routes = Router::new()
        .route("/leads", get(leads::page).post(add::add))
        .route("/leads/new", get(add::page))
        .route("/leads/{lead}", get(lead::page))
        .route("/leads/{lead}/fields", post(lead::edit))
        .route("/leads/{lead}/enrichment", post(lead::ask_again))
        .route("/sources/{claim}", get(source::page))
        .route("/review", get(review::page))
        .route("/proposals/{claim}", post(review::decide))
        .route("/imports", get(import::list).post(import::send))
        .route("/imports/{batch}", get(import::page))
        .route("/imports/{batch}/columns", post(import::columns))
        .route("/imports/{batch}/leads", post(import::import))
        .route("/news", get(news::page))
        .route("/news/read", post(news::read))
        .route("/api/leads", post(api::add))
        .layer(Extension(crm.clone()));
    let (bell, site) = (crm.clone(), place.site);
    let own = Own::new(routes)
        .link("Leads", "/leads")
        .link("Add a lead", "/leads/new")
        .link("Review", "/review")
        .link("Import", "/imports")
        .bell("News", "/news", move |person| bell.unread(person))
        .beside(move |stop| outbox::relay(crm, site, stop));
    Ok(own)
}

impl From<CrmError> for Failed {
    fn from(error: CrmError) -> Failed {
        Failed::fault(error)
    }
}

/// Who changes something: somebody who was chosen.
fn acting(viewer: &Viewer) -> Result<String, Failed> {
    let nobody = || {
        Failed::refused("who changes something is written down, and nobody is chosen")
            .hint("go back, and choose at the top of the page who you are")
    };
    viewer.person().map(str::to_owned).ok_or_else(nobody)
}

/// Goes on after a change that rests on what a person saw.
fn after(changed: Changed, path: &str) -> Shown {
    match changed {
        Changed::Done => go(path),
        Changed::Meanwhile => Err(Failed::refused("somebody, or a run, was quicker: nothing was changed")
            .hint("go back, load the page again, and look once more")),
        Changed::Gone => Err(Failed::not_found("there is no such thing")),
    }
}

/// The page of a lead. A program that adds leads may call them what it likes.
fn lead_path(viewer: &Viewer, id: &str) -> String {
    // In a path, a blank is no plus sign; one that was there stands as `%2B`.
    let segment: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    viewer.own(format_args!("/leads/{}", segment.replace('+', "%20")))
}

/// A page that says what is wrong with what was sent.
fn wrong(shown: Shown) -> Shown {
    let mut response = shown?;
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// How an enrichment stands: a colour by meaning, and a word.
fn standing(enrichment: &str) -> (&'static str, &'static str) {
    match enrichment {
        "queued" => ("busy", "waits"),
        "running" => ("busy", "being enriched"),
        "needs_review" => ("wait", "needs a look"),
        "done" => ("good", "enriched"),
        "failed" => ("bad", "failed"),
        _ => ("calm", "not asked"),
    }
}

/// States in the order in which people look for them.
const STATES: [&str; 6] = ["needs_review", "failed", "queued", "running", "done", "none"];

/// `3 min ago`.
fn ago(at_us: i64, viewer: &Viewer) -> String {
    surefoot::pages::ago(surefoot::pages::Timestamp::from_micros(at_us), viewer.site().now())
}

/// A value as people read it, with nothing in it that turns their reading around.
fn told(value: &serde_json::Value) -> String {
    plain(&value::told(value))
}

/// The host of a page, to name it.
fn host(url: &str) -> String {
    plain(&crate::page::host(url).unwrap_or_else(|| url.to_owned()))
}

/// `83 %`.
fn percent(confidence: f64) -> String {
    format!("{:.0} %", confidence * 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_of_the_database_has_a_word() {
        for state in STATES.into_iter().filter(|state| *state != "none") {
            assert_ne!(standing(state).1, "not asked", "{state}");
        }
        let migration = include_str!("../sql/migrations/002_pages.sql");
        let (_, rest) = migration.split_once("CHECK (enrichment IN (").expect("the states stand there");
        let (states, _) = rest.split_once(')').expect("they end");
        let mut states: Vec<&str> = states.split(", ").map(|state| state.trim_matches('\'')).collect();
        let mut ours = STATES;
        states.sort_unstable();
        ours.sort_unstable();
        assert_eq!(states, ours);
    }
}
