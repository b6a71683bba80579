//! `GET /app/sources/{claim}`: which words of which page say so?
//!
//! The page is the one that the run read, as the tool gave it to the run: it stands in the run's journal, with a digest that the claim names, and
//! is kept nowhere twice. Who erases the run erases the page; the quote stays with the claim.

use askama::Template;
use axum::{Extension, extract::Path};
use surefoot::{
    RunError, RunId,
    pages::{Failed, Shown, Viewer, plain},
};

use super::{lead_path, percent, told};
use crate::{
    crm::{self, Crm, Said, value},
    page::Page,
    verify,
};

#[derive(Template)]
#[template(path = "source.html")]
struct SourcePage {
    lead: String,
    company: String,
    field: String,
    value: String,
    sure: String,
    url: String,
    quote: String,
    sha256: String,
    run: String,
    why: String,
    /// The page's words before the quote, the quote, and those behind it; what kind of text that is.
    text: Option<Marked>,
}

struct Marked {
    what: &'static str,
    before: String,
    quote: String,
    after: String,
}

/// Where the quote stands: in what people read on the page, else in what it says to machines.
fn marked(page: &Page, quote: &str) -> Option<Marked> {
    let cut = |what, text: &str, place: std::ops::Range<usize>| Marked {
        what,
        before: plain(&text[..place.start]),
        quote: plain(&text[place.clone()]),
        after: plain(&text[place.end..]),
    };
    if let Some(place) = verify::place(quote, &page.text) {
        return Some(cut("What people read on the page", &page.text, place));
    }
    let links: Vec<&str> = page.links.iter().map(|link| &*link.url).collect();
    let data = [
        ("Data in the page (JSON-LD)", page.json_ld.to_string()),
        ("Data in the page (OpenGraph)", page.open_graph.to_string()),
        ("The page's own description", page.description.clone().unwrap_or_default()),
        ("Where the page leads", links.join("\n")),
    ];
    data.into_iter().find_map(|(what, text)| {
        let start = text.find(quote)?;
        Some(cut(what, &text, start..start + quote.len()))
    })
}

/// The page that a claim rests on, as its run read it.
async fn stored(viewer: &Viewer, said: &Said) -> Result<Option<Page>, Failed> {
    let Ok(run) = said.run.parse::<RunId>() else { return Ok(None) };
    let gave = match viewer.site().gave(run, "page").await {
        // Erased, or of a CRM that was copied without its runs.
        Err(RunError::NoRun { .. }) => return Ok(None),
        gave => gave?,
    };
    let pages = gave.iter().filter_map(|(_, value)| serde_json::from_str::<Page>(&value.to_json()).ok());
    Ok(pages.into_iter().find(|page| page.sha256.as_deref() == Some(&*said.sha256)))
}

pub(super) async fn page(viewer: Viewer, Extension(crm): Extension<Crm>, Path(claim): Path<i64>) -> Shown {
    let said = crm.with(move |db| crm::claim(db, claim)).await?;
    let said = said.ok_or_else(|| Failed::not_found("there is no such claim"))?;
    let page = stored(&viewer, &said).await?;
    let body = SourcePage {
        lead: lead_path(&viewer, &said.lead),
        company: plain(&said.company),
        field: value::named(&said.field),
        value: told(&said.value),
        sure: percent(said.confidence),
        url: plain(&said.url),
        text: page.and_then(|page| marked(&page, &said.quote)),
        quote: plain(&said.quote),
        sha256: plain(&said.sha256),
        run: viewer.path(format_args!("/runs/{}", said.run)),
        why: viewer.path(format_args!("/runs/{}/why?step=known", said.run)),
    };
    viewer.page("Source", "Which words of which page say so?", "/leads", &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quote_is_marked_where_it_stands_and_nothing_turns_the_reading_around() {
        let text = "Before \u{202e}this\nwe   were founded\nin 1999. After";
        let page = Page { text: text.into(), ..Page::default() };
        let found = marked(&page, "we were founded in 1999").expect("it stands there");
        assert_eq!(found.quote, "we   were founded\nin 1999");
        assert_eq!((&*found.before, &*found.after), ("Before \u{fffd}this\n", ". After"));
        assert!(marked(&page, "we were founded in 2000").is_none());
    }

    #[test]
    fn a_quote_of_data_is_marked_in_the_data() {
        let page = Page { json_ld: serde_json::json!([{ "foundingDate": "1999" }]), ..Page::default() };
        let found = marked(&page, "\"foundingDate\":\"1999\"").expect("it stands there");
        assert_eq!((found.what, &*found.before, &*found.after), ("Data in the page (JSON-LD)", "[{", "}]"));
    }
}
