//! What a page says: its text, its links, its structured data.

use std::collections::{BTreeMap, HashMap};

use kernel::values::Value;
use url::Url;

use super::{
    body::{self, Body, Kind},
    dom::{Dom, Id},
    text,
};
use crate::tool::http::lenient;

const MOST_LINKS: usize = 1000;
const MOST_ITEMS: usize = 100;
/// Of an item of JSON-LD. A journal holds values up to 64 deep, and this one stands in others.
const MOST_DEEP: usize = 32;

/// What was read. A text that the page does not have is empty.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Page {
    pub charset: String,
    pub title: String,
    pub description: String,
    pub lang: String,
    pub generator: String,
    pub text: String,
    pub links: Vec<Link>,
    pub json_ld: Vec<Value>,
    /// The first of each property.
    pub open_graph: BTreeMap<String, String>,
    /// Where `<meta http-equiv=refresh>` or the header goes.
    pub refresh: String,
    pub truncated: bool,
}

/// One link: absolute, without a fragment.
#[derive(Debug, PartialEq)]
pub(super) struct Link {
    pub url: String,
    pub text: String,
    pub rel: String,
}

/// Reads a body that came from `url`.
pub(super) fn page(kind: Kind, body: &Body, content_type: &str, refresh: Option<&str>, url: &Url) -> Page {
    let (markup, charset) = body::decode(&body.bytes, content_type, kind);
    let mut page = match kind {
        Kind::Html => html(&markup, url),
        Kind::Plain => Page { text: text::lines(&markup), ..Page::default() },
    };
    if page.refresh.is_empty() {
        page.refresh = refresh.and_then(|refresh| refreshed(refresh, url)).unwrap_or_default();
    }
    Page { charset, ..page }
}

pub(super) fn html(markup: &str, url: &Url) -> Page {
    let dom = Dom::parse(markup);
    let mut page = Page { text: text::of(&dom, 0), truncated: dom.truncated, ..Page::default() };
    let base = base(&dom, url);
    let mut links = Links::default();
    let mut language = String::new();
    // Nodes are walked in order; what stands in a hidden one is no link.
    let hidden = hidden(&dom);
    for node in dom.walk() {
        let attribute = |name: &str| dom.attribute(node, name).unwrap_or_default();
        match dom.name(node) {
            "html" if page.lang.is_empty() => page.lang = attribute("lang").trim().to_owned(),
            "title" if page.title.is_empty() => page.title = text::plain(&content(&dom, node)),
            "meta" => {
                let (name, content) = (attribute("name").trim().to_ascii_lowercase(), attribute("content"));
                let property = attribute("property").trim();
                let property = if property.is_empty() { name.as_str() } else { property };
                let open =
                    !attribute("property").trim().is_empty() || name.starts_with("og:") || name.starts_with("twitter:");
                if open && property.contains(':') && dom.attribute(node, "content").is_some() {
                    page.open_graph.entry(property.to_owned()).or_insert_with(|| text::plain(content));
                }
                match name.as_str() {
                    "description" if page.description.is_empty() => page.description = text::plain(content),
                    "generator" if page.generator.is_empty() => page.generator = text::plain(content),
                    _ => {}
                }
                match attribute("http-equiv").trim().to_ascii_lowercase().as_str() {
                    "refresh" if page.refresh.is_empty() => {
                        page.refresh = refreshed(content, &base).unwrap_or_default();
                    }
                    "content-language" if language.is_empty() => language = content.trim().to_owned(),
                    _ => {}
                }
            }
            "a" | "area" if !hidden.contains(&node) => {
                let said = if dom.name(node) == "a" { text::line(&dom, node) } else { text::plain(attribute("alt")) };
                links.add(&base, url, dom.attribute(node, "href"), said, attribute("rel"));
            }
            "link" => {
                let rel = attribute("rel").to_ascii_lowercase();
                if rel.split_whitespace().any(|one| matches!(one, "alternate" | "canonical")) {
                    links.add(&base, url, dom.attribute(node, "href"), text::plain(attribute("title")), &rel);
                }
            }
            "script" if is_json_ld(attribute("type")) => {
                let room = MOST_ITEMS - page.json_ld.len();
                page.json_ld.extend(json_ld(&content(&dom, node)).into_iter().take(room));
            }
            _ => {}
        }
    }
    if page.lang.is_empty() {
        page.lang = language;
    }
    page.links = links.all;
    page
}

/// Everything that stands in something hidden.
fn hidden(dom: &Dom) -> std::collections::HashSet<Id> {
    let mut hidden = std::collections::HashSet::new();
    let mut open = vec![(0, false)];
    while let Some((node, within)) = open.pop() {
        let within = within || text::is_hidden(dom, node);
        if within {
            hidden.insert(node);
        }
        open.extend(dom.children(node).iter().map(|child| (*child, within)));
    }
    hidden
}

/// The text right below a node, as it stands.
fn content(dom: &Dom, node: Id) -> String {
    dom.children(node).iter().filter_map(|child| dom.text(*child)).collect()
}

fn base(dom: &Dom, url: &Url) -> Url {
    let base = dom.walk().find(|node| dom.name(*node) == "base" && dom.attribute(*node, "href").is_some());
    let href = base.and_then(|node| dom.attribute(node, "href"));
    href.and_then(|href| url.join(href.trim()).ok())
        .filter(|base| matches!(base.scheme(), "http" | "https"))
        .unwrap_or_else(|| url.clone())
}

#[derive(Default)]
struct Links {
    all: Vec<Link>,
    by_url: HashMap<String, usize>,
}

impl Links {
    /// The first of each address counts; a later one may bring the words that it lacks.
    fn add(&mut self, base: &Url, page: &Url, href: Option<&str>, text: String, rel: &str) {
        let Some(href) = href.map(str::trim).filter(|href| !href.is_empty() && !href.starts_with('#')) else { return };
        let Ok(mut url) = base.join(href) else { return };
        if !matches!(url.scheme(), "http" | "https" | "mailto" | "tel") {
            return;
        }
        url.set_fragment(None);
        if url == *page && href.contains('#') {
            return;
        }
        let url = String::from(url);
        match self.by_url.get(&url) {
            Some(at) => {
                let known = &mut self.all[*at];
                if known.text.is_empty() {
                    known.text = text;
                }
            }
            None if self.all.len() < MOST_LINKS => {
                self.by_url.insert(url.clone(), self.all.len());
                self.all.push(Link { url, text, rel: text::plain(rel).to_ascii_lowercase() });
            }
            None => {}
        }
    }
}

/// `5; url=/new`: where to, absolute. `None` if it only loads the page again.
fn refreshed(content: &str, base: &Url) -> Option<String> {
    let after = content.trim().trim_start_matches(|c: char| c.is_ascii_digit() || c == '.').trim_start();
    let after = after.strip_prefix([';', ',']).unwrap_or(after).trim_start();
    let target = match after.get(..3) {
        Some(word) if word.eq_ignore_ascii_case("url") => after[3..].trim_start().strip_prefix('=')?.trim_start(),
        _ => after,
    };
    let target = match target.chars().next() {
        Some(quote @ ('"' | '\'')) => target[1..].split(quote).next().unwrap_or_default(),
        _ => target,
    };
    let url = base.join(target.trim()).ok()?;
    (!target.trim().is_empty() && matches!(url.scheme(), "http" | "https")).then(|| url.into())
}

fn is_json_ld(kind: &str) -> bool {
    kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("application/ld+json")
}

/// The items of one script: an object, or the objects of a list. What cannot be read is left out: it is somebody else's page.
fn json_ld(script: &str) -> Vec<Value> {
    let script = script.trim();
    let parsed = serde_json::from_str(script).or_else(|_| serde_json::from_str(&mended(script)));
    let items = match parsed {
        Ok(serde_json::Value::Array(items)) => items,
        Ok(item) => vec![item],
        Err(_) => Vec::new(),
    };
    items.into_iter().filter(|item| item.is_object() && depth(item) <= MOST_DEEP).map(lenient).collect()
}

/// What is most often wrong: markup around it, line ends within texts, a semicolon after it.
fn mended(script: &str) -> String {
    let mut script = script;
    for (begin, end) in [("<!--", "-->"), ("//<![CDATA[", "//]]>"), ("/*<![CDATA[*/", "/*]]>*/"), ("<![CDATA[", "]]>")]
    {
        script = script.strip_prefix(begin).unwrap_or(script).trim();
        script = script.strip_suffix(end).unwrap_or(script).trim();
    }
    script.trim_end_matches(';').chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// How deep a value is. The parser reads no more than 128 levels.
fn depth(value: &serde_json::Value) -> usize {
    1 + match value {
        serde_json::Value::Array(items) => items.iter().map(depth).max().unwrap_or(0),
        serde_json::Value::Object(map) => map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests;
