//! `GET /app/leads`: which leads are there, and which of them need a look?

use askama::Template;
use axum::{Extension, extract::Query};
use serde::Deserialize;
use surefoot::pages::{Shown, Viewer, plain};

use super::{STATES, ago, lead_path, standing};
use crate::crm::{self, Crm};

#[derive(Template)]
#[template(path = "leads.html")]
struct LeadsPage {
    /// This page as it was asked for: it renews itself.
    again: String,
    path: String,
    new: String,
    words: String,
    state: String,
    filters: Vec<Filter>,
    rows: Vec<Row>,
    more: Option<String>,
    /// Whether there is any lead at all.
    any: bool,
}

struct Filter {
    word: &'static str,
    count: u64,
    href: String,
    chosen: bool,
}

struct Row {
    href: String,
    company: String,
    site: String,
    class: &'static str,
    stands: &'static str,
    open: u64,
    scores: String,
    owner: String,
    age: String,
}

/// What the address asks for.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    state: String,
    q: String,
    page: u32,
}

impl Asked {
    fn href(&self, viewer: &Viewer) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, text) in [("state", &self.state), ("q", &self.q)].into_iter().filter(|(_, text)| !text.is_empty()) {
            query.append_pair(key, text);
        }
        if self.page > 0 {
            query.append_pair("page", &self.page.to_string());
        }
        let query = query.finish();
        viewer.own(if query.is_empty() { "/leads".to_owned() } else { format!("/leads?{query}") })
    }
}

pub(super) async fn page(viewer: Viewer, Extension(crm): Extension<Crm>, Query(asked): Query<Asked>) -> Shown {
    let Asked { state, q, page } = asked.clone();
    let found = crm.with(move |db| Ok((crm::leads(db, &state, &q, page)?, crm::counts(db)?)));
    let ((rows, more), counts) = found.await?;
    let filter = |state: &str, word, count| Filter {
        word,
        count,
        href: Asked { state: state.to_owned(), page: 0, ..asked.clone() }.href(&viewer),
        chosen: asked.state == state,
    };
    let of = |state: &str| counts.get(state).copied().unwrap_or(0);
    let mut filters = vec![filter("", "all", counts.values().sum())];
    let some = STATES.into_iter().filter(|state| of(state) > 0 || asked.state == *state);
    filters.extend(some.map(|state| filter(state, standing(state).1, of(state))));
    let rows = rows.into_iter().map(|line| {
        let (class, stands) = standing(&line.enrichment);
        let scores = [("fit", line.fit), ("intent", line.intent)].into_iter();
        let scores = scores.filter_map(|(name, score)| Some(format!("{name} {}", score?))).collect::<Vec<_>>();
        Row {
            href: lead_path(&viewer, &line.id),
            company: plain(&line.company),
            site: plain(&line.site),
            class,
            stands,
            open: line.open,
            scores: scores.join(" · "),
            owner: plain(&line.owner),
            age: if line.created_at_us > 0 { ago(line.created_at_us, &viewer) } else { String::new() },
        }
    });
    let body = LeadsPage {
        again: asked.href(&viewer),
        path: viewer.own("/leads"),
        new: viewer.own("/leads/new"),
        words: plain(&asked.q),
        rows: rows.collect(),
        more: more.then(|| Asked { page: asked.page.saturating_add(1), ..asked.clone() }.href(&viewer)),
        any: counts.values().sum::<u64>() > 0,
        filters,
        state: asked.state,
    };
    viewer.page("Leads", "Which leads are there, and which need a look?", "/leads", &body)
}
