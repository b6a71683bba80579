//! Pages out of templates, and the facts they state.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Chance, Fact, Field, Form, Kind,
    text::{break_tags, escape, windows_1252},
};

/// One file that a static server serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its path in the host's folder, as in `index.html`.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// The fragments of one of the two looks.
pub(super) struct Look {
    page: &'static str,
    hero: &'static str,
    section: &'static str,
    testimonial: &'static str,
    /// The class that hides an element.
    pub hidden: &'static str,
}

const BUSINESS: Look = Look {
    page: include_str!("../../data/templates/business/page.html"),
    hero: include_str!("../../data/templates/business/hero.html"),
    section: include_str!("../../data/templates/business/section.html"),
    testimonial: include_str!("../../data/templates/business/testimonial.html"),
    hidden: "d-none",
};

const AGENCY: Look = Look {
    page: include_str!("../../data/templates/agency/page.html"),
    hero: include_str!("../../data/templates/agency/hero.html"),
    section: include_str!("../../data/templates/agency/section.html"),
    testimonial: include_str!("../../data/templates/agency/testimonial.html"),
    hidden: "hidden",
};

/// A page while it is written.
#[derive(Default)]
pub(super) struct Page {
    /// Its title.
    pub title: String,
    /// Lines of its head.
    pub head: String,
    /// Its sections.
    pub body: String,
    /// What stands after the footer.
    pub end: String,
    /// What it is called in the navigation; empty when it is not there.
    pub label: &'static str,
}

/// A site while it is written: pages by path, and what they state.
pub(super) struct Draft {
    /// The look.
    pub look: &'static Look,
    /// The name on the site.
    pub name: String,
    /// The host.
    pub host: String,
    /// The path of the home page.
    pub home: &'static str,
    /// Pages by path, in the order of the navigation.
    pub pages: Vec<(&'static str, Page)>,
    /// The facts.
    pub facts: Vec<Fact>,
    /// The facts of others.
    pub distractors: Vec<Fact>,
    /// Lines of every footer, as HTML.
    pub footer: String,
}

impl Draft {
    /// Nothing yet.
    pub fn new(chance: &mut Chance, name: &str, host: &str, home: &'static str) -> Draft {
        Draft {
            look: chance.pick(&[&BUSINESS, &AGENCY]),
            name: name.to_owned(),
            host: host.to_owned(),
            home,
            pages: Vec::new(),
            facts: Vec::new(),
            distractors: Vec::new(),
            footer: String::new(),
        }
    }

    /// A page, made if it is not there.
    pub fn page(&mut self, path: &'static str) -> &mut Page {
        let at = match self.pages.iter().position(|(known, _)| *known == path) {
            Some(at) => at,
            None => {
                self.pages.push((path, Page::default()));
                self.pages.len() - 1
            }
        };
        &mut self.pages[at].1
    }

    /// Notes a fact.
    pub fn note(&mut self, page: &str, field: Field, value: impl Into<Value>, quote: &str, form: Form) {
        let kind = match form {
            Form::JsonLd | Form::OpenGraph | Form::Meta | Form::Link => Kind::Structured,
            Form::Sentence | Form::Label | Form::Profile => Kind::Prose,
        };
        self.facts.push(Fact {
            field,
            value: value.into(),
            page: page.to_owned(),
            quote: quote.to_owned(),
            kind,
            form,
            as_of: None,
        });
    }

    /// Notes a fact about somebody else.
    pub fn distract(&mut self, page: &str, field: Field, value: impl Into<Value>, quote: &str) {
        self.distractors.push(Fact {
            field,
            value: value.into(),
            page: page.to_owned(),
            quote: quote.to_owned(),
            kind: Kind::Prose,
            form: Form::Sentence,
            as_of: None,
        });
    }

    /// The big first block. `text` is HTML.
    pub fn hero(&mut self, path: &'static str, heading: &str, text: &str, (to, call): (&str, &str)) {
        let html = place(
            self.look.hero,
            &[("heading", &escape(heading)), ("text", text.trim_end()), ("to", to), ("call", call)],
        );
        self.page(path).body.push_str(&html);
    }

    /// A section. `html` is its content.
    pub fn section(&mut self, path: &'static str, heading: &str, html: &str) {
        let id: String =
            heading.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let html = place(self.look.section, &[("heading", &escape(heading)), ("id", &id), ("text", html)]);
        self.page(path).body.push_str(&html);
    }

    /// What a client says.
    pub fn testimonial(&mut self, path: &'static str, text: &str, who: &str, role: &str) {
        let html =
            place(self.look.testimonial, &[("text", &escape(text)), ("who", &escape(who)), ("role", &escape(role))]);
        self.page(path).body.push_str(&html);
    }

    /// Every page as its bytes, in this charset.
    pub fn files(&self, charset: &str, broken: bool) -> Vec<File> {
        let labels: BTreeMap<&str, &str> = self.pages.iter().map(|(path, page)| (*path, page.label)).collect();
        let nav: String = self
            .pages
            .iter()
            .filter(|(path, _)| !labels[path].is_empty())
            .map(|(path, page)| {
                format!("<li class=\"nav-item\"><a class=\"nav-link\" href=\"{path}\">{}</a></li>\n", page.label)
            })
            .collect();
        let file = |(path, page): &(&'static str, Page)| {
            let html = place(
                self.look.page,
                &[
                    ("charset", charset),
                    ("title", &escape(&page.title)),
                    ("home", self.home),
                    ("name", &escape(&self.name)),
                    ("nav", &nav),
                    ("footer", &self.footer),
                    ("head", &page.head),
                    ("end", &page.end),
                    ("body", &page.body),
                ],
            );
            let html = if broken { break_tags(&html) } else { html };
            let bytes = if charset == "utf-8" { html.into_bytes() } else { windows_1252(&html) };
            File { path: file_of(path), bytes }
        };
        self.pages.iter().map(file).collect()
    }
}

/// Puts HTML into the `{{slots}}` of a template. What is put in is not searched again.
fn place(template: &str, slots: &[(&str, &str)]) -> String {
    let mut out = String::with_capacity(template.len() * 2);
    let mut rest = template;
    while let Some((before, from)) = rest.split_once("{{") {
        out.push_str(before);
        let (slot, after) = from.split_once("}}").unwrap_or((from, ""));
        if let Some((_, html)) = slots.iter().find(|(known, _)| *known == slot) {
            out.push_str(html);
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The file that a server answers a path with.
pub(super) fn file_of(path: &str) -> String {
    match path {
        "/" => "index.html".to_owned(),
        path => path.trim_start_matches('/').to_owned(),
    }
}
