//! The readable text of a page: what a person would see, and what quotes are searched in later, character for character.

use super::dom::{Dom, Id};

/// Not for reading.
const SKIPPED: [&str; 14] = [
    "head", "script", "style", "noscript", "template", "svg", "iframe", "object", "canvas", "audio", "video",
    "datalist", "noframes", "noembed",
];

/// Stand on lines of their own.
const BLOCKS: [&str; 46] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "button",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hgroup",
    "hr",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "option",
    "p",
    "pre",
    "search",
    "section",
    "select",
    "summary",
    "table",
    "tr",
    "ul",
];

/// Whether a person does not see it.
pub(super) fn is_hidden(dom: &Dom, node: Id) -> bool {
    let name = dom.name(node);
    if SKIPPED.contains(&name) || (name == "dialog" && dom.attribute(node, "open").is_none()) {
        return true;
    }
    if dom.attribute(node, "hidden").is_some() {
        return true;
    }
    let Some(style) = dom.attribute(node, "style") else { return false };
    let style: String = style.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_ascii_lowercase()).collect();
    style.split(';').any(|one| {
        let one = one.trim_end_matches("!important");
        one == "display:none" || one == "visibility:hidden"
    })
}

/// The text of `node`. Blocks stand on lines of their own, cells of a row and words are separated by one space.
pub(super) fn of(dom: &Dom, node: Id) -> String {
    enum At {
        Enter(Id),
        Leave(Gap),
    }
    let mut out = Writer::default();
    let mut open = vec![At::Enter(node)];
    while let Some(at) = open.pop() {
        let node = match at {
            At::Leave(gap) => {
                out.gap(gap);
                continue;
            }
            At::Enter(node) => node,
        };
        if let Some(text) = dom.text(node) {
            out.write(text);
            continue;
        }
        if is_hidden(dom, node) {
            continue;
        }
        let gap = match dom.name(node) {
            "td" | "th" => Some(Gap::Space),
            name if BLOCKS.contains(&name) => Some(Gap::Line),
            _ => None,
        };
        if let Some(gap) = gap {
            out.gap(gap);
            open.push(At::Leave(gap));
        }
        open.extend(dom.children(node).iter().rev().map(|child| At::Enter(*child)));
    }
    out.text
}

/// The text of `node` on one line.
pub(super) fn line(dom: &Dom, node: Id) -> String {
    of(dom, node).replace('\n', " ")
}

/// Any text on one line, with one space where it had white space.
pub(super) fn plain(text: &str) -> String {
    let mut out = Writer::default();
    out.write(text);
    out.text
}

/// A text that is no markup, line by line.
pub(super) fn lines(text: &str) -> String {
    let mut out = Writer::default();
    for line in text.lines() {
        out.write(line);
        out.gap(Gap::Line);
    }
    out.text
}

#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    #[default]
    None,
    Space,
    Line,
}

#[derive(Default)]
struct Writer {
    text: String,
    gap: Gap,
}

impl Writer {
    fn gap(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn write(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                c if c.is_whitespace() => self.gap(Gap::Space),
                // Marks that nobody sees: they would keep a quote from being found.
                '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => {}
                c if c.is_control() => {}
                c => {
                    if !self.text.is_empty() {
                        match self.gap {
                            Gap::None => {}
                            Gap::Space => self.text.push(' '),
                            Gap::Line => self.text.push('\n'),
                        }
                    }
                    self.gap = Gap::None;
                    self.text.push(c);
                }
            }
        }
    }
}
