//! `GET /app/leads/new`: who is it? And `POST /app/leads`, which answers at once: the run comes later, by itself.

use askama::Template;
use axum::Extension;
use serde::Deserialize;
use surefoot::pages::{Sent, Shown, Viewer, go, plain};

use super::{acting, lead_path, wrong};
use crate::crm::{
    self, Act, Added, Crm,
    draft::{self, Draft, Found, Known, PARTS},
};

#[derive(Template)]
#[template(path = "add.html")]
struct AddPage {
    csrf: String,
    path: String,
    nobody: bool,
    people: Vec<(String, bool)>,
    parts: Vec<Part>,
    note: String,
    note_wrong: Option<String>,
    /// What the CRM has already: how it is known, and the leads.
    known: Option<(String, Vec<(String, String)>)>,
    /// Whether it may be another one.
    anyway: bool,
}

struct Part {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    auto: &'static str,
    hint: &'static str,
    text: String,
    wrong: Option<String>,
}

/// The form as it was sent.
#[derive(Default, Deserialize)]
pub(super) struct Filled {
    #[serde(flatten)]
    draft: Draft,
    #[serde(default)]
    anyway: Option<String>,
}

fn form(viewer: &Viewer, mut draft: Draft, wrong: &draft::Wrong, found: Option<&Found>) -> Shown {
    let says = |name: &str| wrong.iter().find(|(part, _)| *part == name).map(|(_, says)| plain(says));
    let owner = draft.owner.clone();
    let people = viewer.people().into_iter().map(|id| (id.to_string(), *id == *owner));
    let simple = PARTS.iter().filter(|(name, ..)| !matches!(*name, "note" | "owner"));
    let parts = simple.map(|(name, label, _)| Part {
        name,
        label,
        kind: match *name {
            "email" => "email",
            "phone" => "tel",
            _ => "text",
        },
        auto: if *name == "name" { "organization" } else { "off" },
        hint: match *name {
            "domain" => "Where to read about the company; the domain of the e-mail is tried as well.",
            "country" => "By its name or its two letters.",
            _ => "",
        },
        text: draft.part(name).map(|text| plain(text)).unwrap_or_default(),
        wrong: says(name),
    });
    let link = |(id, company): (&String, &String)| (lead_path(viewer, id), plain(company));
    let known = found.map(|found| match found {
        Found::Same { id, company, by } => (format!("has {}", by.told()), vec![link((id, company))]),
        Found::Unclear(all) => {
            ("may be the same".to_owned(), all.iter().map(|(id, company)| link((id, company))).collect())
        }
        Found::New => (String::new(), Vec::new()),
    });
    let body = AddPage {
        csrf: viewer.csrf().to_owned(),
        path: viewer.own("/leads"),
        nobody: viewer.person().is_none(),
        people: people.collect(),
        parts: parts.collect(),
        note: plain(&draft.note),
        note_wrong: says("note"),
        known,
        // An address is one lead's.
        anyway: !matches!(found, Some(Found::Same { by: Known::Email, .. })),
    };
    viewer.page("Add a lead", "Who is it?", "/leads/new", &body)
}

pub(super) async fn page(viewer: Viewer) -> Shown {
    let draft = Draft { owner: viewer.person().unwrap_or_default().to_owned(), ..Draft::default() };
    form(&viewer, draft, &Vec::new(), None)
}

pub(super) async fn add(Extension(crm): Extension<Crm>, sent: Sent<Filled>) -> Shown {
    let Sent { viewer, form: Filled { draft, anyway } } = sent;
    let people = viewer.people();
    let clean = match draft::check(&draft, &people) {
        Ok(clean) => clean,
        Err(all) => return wrong(form(&viewer, draft, &all, None)),
    };
    let (by, now_us) = (acting(&viewer)?, viewer.site().now().micros());
    let added = crm.with(move |db| crm::add(db, &clean, ("form", ""), anyway.is_some(), &Act { by: &by, now_us }));
    match added.await? {
        Added::New(id) => {
            crm.tell();
            go(&lead_path(&viewer, &id))
        }
        Added::Known(found) => wrong(form(&viewer, draft, &Vec::new(), Some(&found))),
    }
}
