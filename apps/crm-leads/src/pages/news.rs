//! `GET /app/news`: what did runs bring?

use askama::Template;
use axum::Extension;
use serde::Deserialize;
use surefoot::pages::{Sent, Shown, Viewer, go, plain};

use super::{acting, ago, lead_path};
use crate::crm::{self, Crm};

#[derive(Template)]
#[template(path = "news.html")]
struct NewsPage {
    csrf: String,
    path: String,
    leads: String,
    whose: String,
    lines: Vec<Line>,
    /// The newest that is shown, if one of them is unread.
    unread: Option<i64>,
}

struct Line {
    says: String,
    look: bool,
    unread: bool,
    age: String,
    leads: Vec<(String, String, String)>,
}

pub(super) async fn page(viewer: Viewer, Extension(crm): Extension<Crm>) -> Shown {
    let person = viewer.person().map(str::to_owned);
    let news = crm.with(move |db| crm::news(db, person.as_deref())).await?;
    let newest = news.iter().map(|line| line.newest).max();
    let unread = news.iter().any(|line| line.unread);
    let lines = news.into_iter().map(|line| Line {
        says: plain(&line.says),
        look: line.look,
        unread: line.unread,
        age: ago(line.at_us, &viewer),
        leads: line
            .leads
            .into_iter()
            .map(|(id, company, says)| (lead_path(&viewer, &id), plain(&company), plain(&says)))
            .collect(),
    });
    let body = NewsPage {
        csrf: viewer.csrf().to_owned(),
        path: viewer.own("/news"),
        leads: viewer.own("/leads"),
        whose: viewer.person().map(plain).unwrap_or_default(),
        lines: lines.collect(),
        // Whose they are that are read has to be known.
        unread: newest.filter(|_| unread && viewer.person().is_some()),
    };
    viewer.page("News", "What did runs bring?", "/news", &body)
}

/// Up to which.
#[derive(Deserialize)]
pub(super) struct Read {
    upto: i64,
}

pub(super) async fn read(Extension(crm): Extension<Crm>, sent: Sent<Read>) -> Shown {
    let Sent { viewer, form } = sent;
    let person = acting(&viewer)?;
    crm.with(move |db| crm::read_news(db, Some(&person), form.upto)).await?;
    crm.count_unread().await?;
    go(&viewer.own("/news"))
}
