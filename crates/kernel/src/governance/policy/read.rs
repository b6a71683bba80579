//! Policy files: where each rule begins and ends, and which annotations it carries.

use std::sync::Arc;

use cedar_policy::{Policy, ffi::DetailedError};

use crate::{
    complaint::{Complaint, Complaints, Place},
    workflow::reading::place,
};

/// The longest rule, in bytes.
pub(super) const MAX_BYTES: usize = 8 << 10;
/// The most operators of a rule. Each may be one level of what Cedar, and serde with it, works through on the stack: in a debug
/// build one takes 14 KiB, and a thread may have 2 MiB.
pub(super) const MAX_OPERATORS: usize = 80;
/// The most names in a row, as in `context.input.name`.
const MAX_DOTS: usize = 16;
/// The deepest brackets.
const MAX_NESTING: usize = 16;

/// One rule of a file, not yet understood.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    /// Its file.
    pub file: &'a Arc<str>,
    /// All of the file.
    whole: &'a str,
    /// Where the rule begins in it, in bytes.
    start: usize,
    /// The rule, with its annotations and its `;`.
    pub text: &'a str,
}

/// `@key("value")`, and where the two stand in the rule.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'a> {
    /// The key.
    pub key: &'a str,
    /// Where `@key` begins.
    pub key_at: usize,
    /// Where the value begins, with its quotes, and how long it is; the key again where there is none.
    pub value_at: (usize, usize),
}

impl<'a> Raw<'a> {
    /// The rules of a file. What follows the last `;` is one too, so that somebody complains about it.
    pub fn all(file: &'a Arc<str>, whole: &'a str) -> Vec<Raw<'a>> {
        let mut found = Vec::new();
        let mut start = skip_blank(whole, 0);
        while start < whole.len() {
            let mut at = start;
            while let Some(c) = whole[at..].chars().next() {
                let next = skip_blank(whole, at);
                if next > at {
                    at = next;
                } else if c == '"' {
                    at = skip_text(whole, at);
                } else {
                    at += c.len_utf8();
                    if c == ';' {
                        break;
                    }
                }
            }
            found.push(Raw { file, whole, start, text: whole[start..at].trim_end() });
            start = skip_blank(whole, at);
        }
        found
    }

    /// Where bytes of the rule stand in its file.
    pub fn place(&self, offset: usize, len: usize) -> Place {
        place(self.whole, self.start + offset, len)
    }

    /// The first word of the rule, for a complaint about all of it.
    pub fn head(&self) -> Place {
        let first = self.text.split_whitespace().next().unwrap_or_default();
        self.place(0, first.len())
    }

    /// `file:line`.
    pub fn at(&self) -> Arc<str> {
        format!("{}:{}", self.file, self.head().line).into()
    }

    /// A complaint about bytes of the rule.
    pub fn complaint(&self, id: &'static str, (offset, len): (usize, usize), message: impl Into<String>) -> Complaint {
        Complaint::new(id, self.file, self.place(offset, len), message)
    }

    /// What Cedar says about the rule.
    pub fn said(&self, id: &'static str, error: &DetailedError) -> Complaint {
        let message = match error.message.strip_prefix("for policy `").and_then(|rest| rest.split_once("`, ")) {
            Some((_, message)) => message,
            None => &error.message,
        };
        let label = error.source_locations.first();
        let at = match label {
            Some(label) if label.loc.start <= self.text.len() => {
                let len = label.loc.end.min(self.text.len()).saturating_sub(label.loc.start);
                self.place(label.loc.start, len)
            }
            _ => self.head(),
        };
        let expected = label.and_then(|label| label.label.as_deref()).map(|label| format!(": {label}"));
        let message = format!("{message}{}", expected.unwrap_or_default());
        Complaint::new(id, self.file, at, message.replace('\n', " ")).or_hint(error.help.clone())
    }

    /// The rule as Cedar reads it.
    pub fn parse(&self, complaints: &mut Complaints) -> Option<Policy> {
        if let Some(message) = self.too_big() {
            complaints.push(Complaint::new("W050", self.file, self.head(), message).hint("make two rules of it"));
            return None;
        }
        match Policy::parse(None, self.text) {
            Ok(policy) => Some(policy),
            Err(errors) => {
                complaints.extend(errors.iter().map(|error| self.said("W050", &DetailedError::from(error))));
                None
            }
        }
    }

    /// What there is too much of: Cedar, which follows what is nested on the stack, is not asked then.
    fn too_big(&self) -> Option<String> {
        if self.text.len() > MAX_BYTES {
            return Some(format!("the rule has {} bytes, and {MAX_BYTES} is the most", self.text.len()));
        }
        let (mut at, mut operators, mut open, mut deepest) = (0, 0, 0_usize, 0);
        let (mut dots, mut most_dots) = (0, 0);
        while let Some(c) = self.text[at..].chars().next() {
            let rest = &self.text[at..];
            let word = word(rest);
            let next = skip_blank(self.text, at);
            at = match c {
                _ if next > at => next,
                '"' => skip_text(self.text, at),
                _ if !word.is_empty() => {
                    operators += usize::from(["if", "in", "is", "has", "like"].contains(&word));
                    at + word.len()
                }
                '.' => {
                    // A method is an operator.
                    let name = skip_blank(self.text, at + 1);
                    let after = skip_blank(self.text, name + self::word(&self.text[name..]).len());
                    operators += usize::from(self.text[after..].starts_with('('));
                    dots += 1;
                    most_dots = most_dots.max(dots);
                    at + 1
                }
                _ => {
                    let double = ["||", "&&", "==", "!=", "<=", ">=", "::"].iter().any(|two| rest.starts_with(two));
                    // `[` also picks: `context["input"]`.
                    operators += usize::from("|&=!<>+-*[".contains(c));
                    open = match c {
                        '(' | '[' | '{' => open + 1,
                        ')' | ']' | '}' => open.saturating_sub(1),
                        _ => open,
                    };
                    deepest = deepest.max(open);
                    if "|&=!<>+-*,({:;".contains(c) {
                        dots = 0;
                    }
                    at + if double { 2 } else { c.len_utf8() }
                }
            };
        }
        let found = [
            (operators, MAX_OPERATORS, "operators"),
            (most_dots, MAX_DOTS, "names in a row"),
            (deepest, MAX_NESTING, "nested brackets"),
        ];
        let (count, most, what) = found.into_iter().find(|(count, most, _)| count > most)?;
        Some(format!("the rule has {count} {what}, and {most} is the most"))
    }

    /// Its annotations, in the order written.
    pub fn notes(&self) -> Vec<Note<'a>> {
        let mut found = Vec::new();
        let mut at = 0;
        while self.text[at..].starts_with('@') {
            let key_at = at;
            let rest = &self.text[at + 1..];
            let len = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            let key = &rest[..len];
            at = skip_blank(self.text, at + 1 + len);
            let mut value_at = (key_at, len + 1);
            if self.text[at..].starts_with('(') {
                let begin = skip_blank(self.text, at + 1);
                let end = if self.text[begin..].starts_with('"') { skip_text(self.text, begin) } else { begin };
                value_at = (begin, end - begin);
                at = self.text[end..].find(')').map_or(self.text.len(), |close| end + close + 1);
                at = skip_blank(self.text, at);
            }
            found.push(Note { key, key_at, value_at });
        }
        found
    }
}

/// The word that `text` begins with.
fn word(text: &str) -> &str {
    &text[..text.len() - text.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_').len()]
}

/// The first byte from `at` on that is neither blank nor in a comment.
fn skip_blank(text: &str, mut at: usize) -> usize {
    loop {
        let rest = &text[at..];
        let blank = rest.len() - rest.trim_start().len();
        if blank > 0 {
            at += blank;
        } else if rest.starts_with("//") {
            at += rest.find('\n').unwrap_or(rest.len());
        } else {
            return at;
        }
    }
}

/// The byte after the text in quotes that begins at `at`.
fn skip_text(text: &str, at: usize) -> usize {
    let mut escaped = false;
    for (offset, c) in text[at..].char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + offset + 1,
            _ => {}
        }
    }
    text.len()
}
