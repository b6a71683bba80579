//! Patterns: regular expressions of the linear kind, in which `{{name}}` stands for a word of a lexicon or for another pattern.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    complaint::{Complaints, did_you_mean},
    yaml::{Fields, Kind as NodeKind, Node},
};
use regex::{Regex, RegexBuilder};

use super::lexicon::Lexicon;

/// The biggest compiled form of one pattern, in bytes.
const MAX_COMPILED: usize = 8 << 20;
/// The longest pattern with everything filled in, in bytes.
const MAX_FILLED: usize = 256 << 10;
/// The most patterns of a file.
const MOST_PATTERNS: usize = 500;

/// What the names in a file stand for: lexicons and patterns.
#[derive(Debug, Default)]
pub(super) struct Shapes {
    named: BTreeMap<Arc<str>, Shape>,
    /// By name.
    pub lexicons: BTreeMap<Arc<str>, Arc<Lexicon>>,
    compiled: usize,
}

#[derive(Debug)]
struct Shape {
    /// As it stands within another pattern.
    hole: String,
    /// By itself; a lexicon's words stand alone. `None` if it has a fault.
    alone: Option<Regex>,
}

impl Shapes {
    /// `lexicons:`, one of them.
    pub(super) fn add_lexicon(&mut self, name: &Arc<str>, lexicon: Lexicon, node: &Node, complaints: &mut Complaints) {
        let words: Vec<String> = lexicon.words.iter().map(|word| shape(word)).collect();
        let alone: Vec<String> = lexicon.words.iter().zip(&words).map(|(word, shape)| bounded(word, shape)).collect();
        let alone = self.build(&alone.join("|"), true, node, complaints);
        self.named.insert(name.clone(), Shape { hole: format!("(?:{})", words.join("|")), alone });
        self.lexicons.insert(name.clone(), Arc::new(lexicon));
    }

    /// `patterns:`, one of them: a text, or `{ match, case }`.
    pub(super) fn add_pattern(&mut self, name: &Arc<str>, node: &Node, complaints: &mut Complaints) {
        let (text, ignore_case) = match &node.kind {
            NodeKind::Map(_) => {
                let Some(fields) = Fields::new(node, "a pattern", &["match", "case"], &[], complaints) else { return };
                let Some(text) = fields.required("match", complaints) else { return };
                (text, !fields.bool("case", false, complaints))
            }
            _ => (node, true),
        };
        // A name that has a fault is known all the same, so that the fault is told once.
        let filled = self.fill(text, complaints).unwrap_or_default();
        let alone = if filled.is_empty() { None } else { self.build(&filled, ignore_case, text, complaints) };
        let flag = if ignore_case { "i" } else { "-i" };
        self.named.insert(name.clone(), Shape { hole: format!("(?{flag}:{filled})"), alone });
    }

    /// Whether the name is a lexicon's or a pattern's.
    pub(super) fn has(&self, name: &str) -> bool {
        self.named.contains_key(name)
    }

    /// The pattern that a scalar holds.
    pub(super) fn pattern(&mut self, node: &Node, ignore_case: bool, complaints: &mut Complaints) -> Option<Regex> {
        let filled = self.fill(node, complaints)?;
        self.build(&filled, ignore_case, node, complaints)
    }

    /// The pattern or lexicon that a scalar names.
    pub(super) fn by_name(&self, name: &str, node: &Node, complaints: &mut Complaints) -> Option<Regex> {
        match self.named.get(name) {
            Some(shape) => shape.alone.clone(),
            None => {
                let hint = did_you_mean(name, self.named.keys().map(|name| &**name));
                let message = format!("there is no pattern and no lexicon `{name}`");
                complaints.push(node.complaint("E002", message).or_hint(hint));
                None
            }
        }
    }

    /// One name, or a list of names.
    pub(super) fn by_names(&self, node: Option<&Node>, complaints: &mut Complaints) -> Vec<Regex> {
        let Some(node) = node else { return Vec::new() };
        let nodes = match &node.kind {
            NodeKind::List(items) => items.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut found = Vec::new();
        for node in nodes {
            if let Some(name) = node.text(complaints) {
                found.extend(self.by_name(&name, node, complaints));
            }
        }
        found
    }

    /// The pattern with its holes filled, and with any white space where it has a space.
    fn fill(&self, node: &Node, complaints: &mut Complaints) -> Option<String> {
        let text = node.text(complaints)?;
        let (mut out, mut rest, mut class) = (String::new(), &*text, 0_usize);
        while let Some(c) = rest.chars().next() {
            let mut taken = c.len_utf8();
            if c == '\\' {
                taken += rest[taken..].chars().next().map_or(0, char::len_utf8);
                out.push_str(&rest[..taken]);
            } else if class == 0 && rest.starts_with("{{") {
                let at = text.len() - rest.len();
                let Some(end) = rest.find("}}") else {
                    let complaint = node.complaint("E005", "`{{` opens a hole that no `}}` closes");
                    complaints.push(kernel::complaint::Complaint { at: Some(node.place_of(at, 2)), ..complaint });
                    return None;
                };
                let name = rest[2..end].trim();
                taken = end + 2;
                match self.named.get(name) {
                    Some(shape) => out.push_str(&shape.hole),
                    None => {
                        let hint = did_you_mean(name, self.named.keys().map(|name| &**name));
                        let message = format!("there is no lexicon `{name}`, and no pattern of that name above");
                        let complaint = node.complaint("E002", message).or_hint(hint);
                        let place = node.place_of(at, taken);
                        complaints.push(kernel::complaint::Complaint { at: Some(place), ..complaint });
                        return None;
                    }
                }
            } else {
                match c {
                    '[' => {
                        class += 1;
                        // A bracket that is the first of its class means itself.
                        let inner = rest[1..].strip_prefix('^').unwrap_or(&rest[1..]);
                        taken = rest.len() - inner.strip_prefix(']').unwrap_or(inner).len();
                    }
                    ']' => class = class.saturating_sub(1),
                    _ => {}
                }
                if c == ' ' && class == 0 {
                    taken = rest.len() - rest.trim_start_matches(' ').len();
                    out.push_str(SPACE);
                } else {
                    out.push_str(&rest[..taken]);
                }
            }
            rest = &rest[taken..];
            if out.len() > MAX_FILLED {
                let message = format!("the pattern has more than {MAX_FILLED} bytes with everything filled in");
                complaints.push(node.complaint("S006", message));
                return None;
            }
        }
        Some(out)
    }

    fn build(&mut self, text: &str, ignore_case: bool, node: &Node, complaints: &mut Complaints) -> Option<Regex> {
        self.compiled += 1;
        if self.compiled == MOST_PATTERNS + 1 {
            complaints.push(node.complaint("S006", format!("a file has at most {MOST_PATTERNS} patterns")));
        }
        if self.compiled > MOST_PATTERNS {
            return None;
        }
        let built = RegexBuilder::new(text)
            .case_insensitive(ignore_case)
            .multi_line(true)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build();
        match built {
            Ok(regex) if regex.is_match("") => {
                let complaint = node.complaint("S006", "the pattern fits where nothing stands");
                complaints.push(complaint.hint("write `+` for `*`, or what must be there"));
                None
            }
            Ok(regex) => Some(regex),
            Err(error) => {
                complaints.push(node.complaint("S006", format!("the pattern cannot be read: {}", why(&error))));
                None
            }
        }
    }
}

const SPACE: &str = r"(?:\s+)";

/// A word as a pattern. One in capitals alone is found in capitals only: `US` is not `us`, and `IT` is not `it`.
fn shape(word: &str) -> String {
    let shape = regex::escape(word).replace(' ', SPACE);
    let capitals = word.chars().filter(|c| c.is_uppercase()).count() > 1 && !word.chars().any(char::is_lowercase);
    if capitals { format!("(?-i:{shape})") } else { shape }
}

/// The word where it stands alone: beside a letter or digit of it stands no other.
fn bounded(word: &str, shape: &str) -> String {
    let edge = |c: Option<char>| if c.is_some_and(|c| c.is_alphanumeric() || c == '_') { r"\b" } else { "" };
    format!("{}{shape}{}", edge(word.chars().next()), edge(word.chars().next_back()))
}

/// The last line of what the reader of patterns draws.
fn why(error: &regex::Error) -> String {
    match error {
        regex::Error::CompiledTooBig(_) => format!("it needs more than {} MiB", MAX_COMPILED >> 20),
        error => {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}
