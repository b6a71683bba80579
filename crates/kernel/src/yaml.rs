//! YAML as we read it: no anchors, aliases, tags, merge keys, tabs or duplicate keys, and no value that two readers would
//! understand differently. Every node knows its file, line and column.

mod fields;
mod plain;

use std::{borrow::Cow, collections::BTreeMap, sync::Arc};

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span as Mark};

pub use self::fields::Fields;
use self::plain::{Plain, is_switch_word, resolve, unbalanced};
use crate::{
    complaint::{Complaint, Complaints, Place, did_you_mean},
    values::{Map, Span, Value},
};

/// The deepest nesting.
pub const MAX_DEPTH: usize = 64;
/// The biggest file, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

const ALIAS: &str = "write the value where it is used, or quote a text that starts with `*`";
const SPLIT: &str =
    "YAML splits at `,` and at braces and brackets here: quote the whole value, or write it on lines of its own";

/// A value in a file, and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// The file, as the project names it.
    pub file: Arc<str>,
    /// Where it begins, and how much of that line it covers.
    pub span: Place,
    /// Whether it stands inside `[ … ]` or `{ … }`, where YAML splits at commas.
    pub flow: bool,
    /// What it is.
    pub kind: Kind,
    origin: Origin,
}

/// What a [`Node`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A text. `plain` means written without quotes and not as a block, so that it may also be a number, true, false or null.
    Scalar {
        /// What it says, unquoted.
        text: Arc<str>,
        /// Written without quotes.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// A map, in the order written.
    Map(Vec<(Key, Node)>),
}

/// A key of a map, and where it stands.
#[derive(Clone, Debug)]
pub struct Key {
    /// The key.
    pub text: Arc<str>,
    /// Where it stands.
    pub span: Place,
}

impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        self.text == other.text
    }
}

/// Two nodes are equal when they say the same, wherever they stand.
impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.kind == other.kind
    }
}

/// How the characters of a scalar lie in the file.
#[derive(Clone, Copy, Debug)]
enum Origin {
    /// On one line, one to one, from this column on.
    Inline { line: u32, column: u32 },
    /// Line by line, from this line and column on.
    Block { line: u32, column: u32 },
    /// Folded or escaped.
    Opaque,
}

/// Reads one file. `file` is only for the complaint.
///
/// # Errors
/// The first thing that is not YAML, or not the part of YAML that we read.
pub fn parse(file: &Arc<str>, text: &str) -> Result<Node, Complaint> {
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, and at most {MAX_BYTES} are read", text.len());
        return Err(Complaint::new("Y009", file, None, message));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    refuse_characters(file, text)?;
    Reader { file, text, lines: text.lines().collect(), cursor: (0, 0), open: Vec::new(), root: None }.read()
}

fn refuse_characters(file: &Arc<str>, text: &str) -> Result<(), Complaint> {
    for (number, line) in (1..).zip(text.lines()) {
        for (column, c) in (1..).zip(line.chars()) {
            let at = Place { line: number, column, len: 1 };
            if c == '\t' {
                return Err(Complaint::new("Y007", file, at, "a tab stands here")
                    .hint("indent with spaces; in a text, write `\\t` between double quotes"));
            }
            if c.is_control() || c == '\u{feff}' {
                let message = format!("the control character U+{:04X} stands here", u32::from(c));
                return Err(Complaint::new("Y013", file, at, message));
            }
        }
    }
    Ok(())
}

/// A list or map whose end was not yet read.
struct Open {
    start: Mark,
    flow: bool,
    content: Content,
}

enum Content {
    List(Vec<Node>),
    Map { entries: Vec<(Key, Node)>, seen: BTreeMap<Arc<str>, u32>, key: Option<Key> },
}

struct Reader<'a> {
    file: &'a Arc<str>,
    text: &'a str,
    lines: Vec<&'a str>,
    /// A place in the text, in characters and in bytes. Marks count characters and come in order, so it only moves on: to
    /// count from the start of a long line for every mark would take forever.
    cursor: (usize, usize),
    open: Vec<Open>,
    root: Option<Node>,
}

impl<'a> Reader<'a> {
    fn read(mut self) -> Result<Node, Complaint> {
        let mut documents = 0;
        for event in Parser::new_from_str(self.text) {
            let (event, mark) = event.map_err(|error| self.syntax(&error))?;
            match event {
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                Event::DocumentStart(_) => {
                    documents += 1;
                    if documents > 1 {
                        return Err(self.complain("Y006", mark, "a second document starts here"));
                    }
                }
                Event::Alias(_) => {
                    return Err(self.complain("Y003", mark, "aliases are not read").hint(ALIAS));
                }
                Event::Scalar(text, style, anchor, tag) => {
                    self.refuse(mark, anchor, tag.is_some())?;
                    self.scalar(mark, &text, style)?;
                }
                Event::SequenceStart(anchor, tag) => {
                    self.refuse(mark, anchor, tag.is_some())?;
                    self.enter(mark, '[', Content::List(Vec::new()))?;
                }
                Event::MappingStart(anchor, tag) => {
                    self.refuse(mark, anchor, tag.is_some())?;
                    self.enter(mark, '{', Content::Map { entries: Vec::new(), seen: BTreeMap::new(), key: None })?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.leave(mark)?,
            }
        }
        match self.root {
            Some(Node { kind: Kind::Scalar { ref text, plain: true }, .. }) if text.is_empty() => {
                Err(Complaint::new("Y014", self.file, None, "the file holds nothing"))
            }
            Some(root) => Ok(root),
            None => Err(Complaint::new("Y014", self.file, None, "the file holds nothing")),
        }
    }

    fn refuse(&self, mark: Mark, anchor: usize, tag: bool) -> Result<(), Complaint> {
        if anchor > 0 {
            return Err(self.complain("Y002", mark, "anchors are not read").hint("write the value where it is used"));
        }
        if tag {
            return Err(self
                .complain("Y004", mark, "tags are not read")
                .hint("quote a text, and quote a text that starts with `!`"));
        }
        Ok(())
    }

    fn syntax(&self, error: &ScanError) -> Complaint {
        let marker = *error.marker();
        let at = Place { line: to_u32(marker.line()).max(1), column: to_u32(marker.col()) + 1, len: 1 };
        if error.info().contains("recursion limit") {
            return self.too_deep(at);
        }
        let line = self.lines.get(marker.line().wrapping_sub(1)).copied().unwrap_or_default();
        if error.info().contains("unknown anchor") {
            return Complaint::new("Y003", self.file, at, "aliases are not read").hint(ALIAS);
        }
        let (message, hint) = plain_words(error.info());
        let in_flow = self.in_flow() || line.contains(['[', '{']);
        let hint = if in_flow { Some(split(line)) } else { hint };
        Complaint::new("Y001", self.file, at, message).or_hint(hint.map(str::to_owned))
    }

    fn too_deep(&self, at: Place) -> Complaint {
        Complaint::new("Y008", self.file, at, format!("lists and maps are nested more than {MAX_DEPTH} deep here"))
    }

    fn complain(&self, id: &'static str, mark: Mark, message: impl Into<String>) -> Complaint {
        Complaint::new(id, self.file, self.place(mark), message)
    }

    fn in_flow(&self) -> bool {
        self.open.last().is_some_and(|open| open.flow)
    }

    /// The first line of what `mark` spans.
    fn place(&self, mark: Mark) -> Place {
        let line = to_u32(mark.start.line()).max(1);
        let column = to_u32(mark.start.col()) + 1;
        let end = if mark.end.line() == mark.start.line() {
            mark.end.col()
        } else {
            self.lines.get(line as usize - 1).map_or(0, |text| text.trim_end().chars().count())
        };
        Place { line, column, len: to_u32(end.saturating_sub(mark.start.col())).max(1) }
    }

    /// The text from where `mark` begins.
    fn rest(&mut self, mark: Mark) -> &'a str {
        let wanted = mark.start.index();
        let (chars, bytes) = if wanted < self.cursor.0 { (0, 0) } else { self.cursor };
        let after = &self.text[bytes..];
        let more = after.char_indices().nth(wanted - chars).map_or(after.len(), |(at, _)| at);
        self.cursor = (wanted, bytes + more);
        &self.text[bytes + more..]
    }

    fn enter(&mut self, mark: Mark, bracket: char, content: Content) -> Result<(), Complaint> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(self.place(mark)));
        }
        self.key_must_be_text(mark)?;
        let flow = self.in_flow() || self.rest(mark).starts_with(bracket);
        self.open.push(Open { start: mark, flow, content });
        Ok(())
    }

    fn key_must_be_text(&self, mark: Mark) -> Result<(), Complaint> {
        match self.open.last() {
            Some(Open { content: Content::Map { key: None, .. }, flow, .. }) => Err(self
                .complain("Y010", mark, "a key must be a text")
                .or_hint(flow.then(|| {
                    let line = self.lines.get(mark.start.line().wrapping_sub(1)).copied().unwrap_or_default();
                    split(line).to_owned()
                }))
                .or_hint(Some("quote a text that starts with `{` or `[`".to_owned()))),
            _ => Ok(()),
        }
    }

    fn leave(&mut self, end: Mark) -> Result<(), Complaint> {
        let Some(Open { start, flow, content }) = self.open.pop() else {
            return Ok(());
        };
        let mut span = self.place(start);
        if flow {
            span = self.place(Mark::new(start.start, end.end));
        }
        let kind = match content {
            Content::List(items) => Kind::List(items),
            Content::Map { entries, .. } => {
                if let (false, Some((key, _))) = (flow, entries.first()) {
                    span = key.span;
                }
                Kind::Map(entries)
            }
        };
        // Of a list or map, `flow` says where it stands, not how it is written.
        let flow = self.in_flow();
        self.put(Node { file: self.file.clone(), span, flow, kind, origin: Origin::Opaque });
        Ok(())
    }

    fn put(&mut self, node: Node) {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { content: Content::List(items), .. }) => items.push(node),
            Some(Open { content: Content::Map { entries, key, .. }, .. }) => {
                if let Some(key) = key.take() {
                    entries.push((key, node));
                }
            }
        }
    }

    fn scalar(&mut self, mark: Mark, text: &str, style: ScalarStyle) -> Result<(), Complaint> {
        let span = self.place(mark);
        let flow = self.in_flow();
        let plain = style == ScalarStyle::Plain;
        if let Some(Open { content: Content::Map { seen, key: key @ None, .. }, .. }) = self.open.last_mut() {
            let first = if text.is_empty() { None } else { seen.insert(text.into(), span.line) };
            *key = Some(Key { text: text.into(), span });
            return self.check_key(mark, text, plain, first);
        }
        let origin = self.origin(mark, text, style);
        let kind = Kind::Scalar { text: text.into(), plain };
        self.put(Node { file: self.file.clone(), span, flow, kind, origin });
        Ok(())
    }

    fn check_key(&self, mark: Mark, text: &str, plain: bool, first: Option<u32>) -> Result<(), Complaint> {
        let hint = self.in_flow().then(|| SPLIT.to_owned());
        if text.is_empty() {
            return Err(self.complain("Y010", mark, "a key must be a text, and nothing stands here").or_hint(hint));
        }
        if let Some(line) = first {
            let message = format!("the key `{}` stands twice in one map: first on line {line}", cut(text, 60));
            return Err(self.complain("Y005", mark, message).or_hint(hint));
        }
        if plain && text == "<<" {
            return Err(self
                .complain("Y011", mark, "merge keys are not read")
                .hint("write the keys where they are used"));
        }
        // `on:` and `y:` are keys of ours and of charts: as a key, a text cannot be mistaken. Only null is no key at all.
        if plain && matches!(text, "~" | "null" | "Null" | "NULL") {
            return Err(self.complain("Y010", mark, format!("the key `{text}` is no text")).hint("quote it"));
        }
        Ok(())
    }

    fn origin(&mut self, mark: Mark, text: &str, style: ScalarStyle) -> Origin {
        let (line, column) = (to_u32(mark.start.line()), to_u32(mark.start.col()) + 1);
        let rest = self.rest(mark);
        let source = |line: u32| self.lines.get((line as usize).wrapping_sub(1)).copied().unwrap_or_default();
        let inline = |rest: &str, column: u32| {
            if rest.starts_with(text) { Origin::Inline { line, column } } else { Origin::Opaque }
        };
        match style {
            ScalarStyle::Plain => inline(rest, column),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                inline(rest.get(1..).unwrap_or_default(), column + 1)
            }
            ScalarStyle::Folded => Origin::Opaque,
            ScalarStyle::Literal => {
                let mut first = line;
                // The mark may stand at the `|` or at the first line of the content.
                if source(line).trim_end().ends_with(['|', '-', '+']) && source(line).contains('|') {
                    first += 1;
                }
                for (offset, wanted) in text.lines().enumerate() {
                    if wanted.is_empty() {
                        continue;
                    }
                    let found = source(first + to_u32(offset));
                    let Some(indent) = found.strip_suffix(wanted) else {
                        return Origin::Opaque;
                    };
                    return Origin::Block { line: first, column: to_u32(indent.chars().count()) + 1 };
                }
                Origin::Opaque
            }
        }
    }
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What the scanner says, in our words, and what to try.
fn plain_words(info: &str) -> (String, Option<&'static str>) {
    let info = info.trim();
    let words = info.rsplit_once(", ").map_or(info, |(_, last)| last);
    let quote = Some("quote the whole value");
    let (words, hint) = match words {
        "mapping values are not allowed in this context" => {
            ("`: ` stands inside a value, or a key is indented too far", quote)
        }
        "found unexpected end of stream" => ("a quoted text is not closed", None),
        "did not find expected key" => ("a key is expected here", Some("indent the keys of one map alike")),
        words if words.starts_with("unexpected character") => ("a value cannot begin with this character", quote),
        words => (words, None),
    };
    (format!("this is not YAML: {words}"), hint)
}

/// What to say where YAML reads `[ … ]` or `{ … }`.
fn split(line: &str) -> &'static str {
    if line.contains("{{") { "quote a text that holds `{{ … }}`" } else { SPLIT }
}

/// `text`, cut to about `limit` characters, on one line.
pub(crate) fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    if text.chars().count() <= limit && !text.contains('\n') {
        return Cow::Borrowed(text);
    }
    let mut short: String = text.chars().take(limit).map(|c| if c.is_control() { ' ' } else { c }).collect();
    short.push('…');
    Cow::Owned(short)
}

impl Node {
    /// A plain scalar that stands in no file; for defaults.
    pub fn plain(file: &Arc<str>, text: &str) -> Node {
        let span = Place { line: 1, column: 1, len: 1 };
        let kind = Kind::Scalar { text: text.into(), plain: true };
        Node { file: file.clone(), span, flow: false, kind, origin: Origin::Opaque }
    }

    /// What stands here, in a few words: "a list", "the text `x`".
    pub fn describe(&self) -> String {
        match &self.kind {
            Kind::Scalar { text, plain: true } if text.is_empty() => "nothing".to_owned(),
            Kind::Scalar { text, plain: true } => match resolve(text) {
                Plain::Value(Value::Int(_) | Value::Float(_)) => {
                    format!("the number `{}`", cut(text, 40))
                }
                Plain::Value(_) => format!("`{text}`"),
                _ => format!("the text `{}`", cut(text, 40)),
            },
            Kind::Scalar { text, .. } => format!("the text `{}`", cut(text, 40)),
            Kind::List(items) if items.is_empty() => "an empty list".to_owned(),
            Kind::List(_) => "a list".to_owned(),
            Kind::Map(entries) if entries.is_empty() => "an empty map".to_owned(),
            Kind::Map(_) => "a map".to_owned(),
        }
    }

    /// A complaint about this place.
    pub fn complaint(&self, id: &'static str, message: impl Into<String>) -> Complaint {
        Complaint::new(id, &self.file, self.span, message).or_hint(self.split_hint())
    }

    /// "expected a list, but here stands …".
    pub fn expected(&self, what: &str) -> Complaint {
        self.complaint("W004", format!("expected {what}, but here stands {}", self.describe()))
    }

    /// Where the bytes `offset..offset + len` of this scalar's text stand; the node itself when they cannot be told apart.
    pub fn place_of(&self, offset: usize, len: usize) -> Place {
        let Kind::Scalar { text, .. } = &self.kind else {
            return self.span;
        };
        let count = |from: usize, to: usize| to_u32(text.get(from..to).map_or(0, |part| part.chars().count()));
        let end = (offset + len).min(text.len());
        match self.origin {
            Origin::Inline { line, column } if offset <= text.len() => {
                Place { line, column: column + count(0, offset), len: count(offset, end).max(1) }
            }
            Origin::Block { line, column } if offset <= text.len() => {
                let before = text.get(..offset).unwrap_or_default();
                let row = to_u32(before.matches('\n').count());
                let start = before.rfind('\n').map_or(0, |at| at + 1);
                let stop = text[start..].find('\n').map_or(text.len(), |at| start + at).min(end).max(offset);
                Place { line: line + row, column: column + count(start, offset), len: count(offset, stop).max(1) }
            }
            _ => self.span,
        }
    }

    /// What to say when YAML has probably split this value at a comma or a brace.
    pub fn split_hint(&self) -> Option<String> {
        let Kind::Scalar { text, plain: true } = &self.kind else {
            return None;
        };
        (self.flow && unbalanced(text)).then(|| SPLIT.to_owned())
    }

    /// The text of a scalar as it stands, whatever it may mean: for expressions, names and paths. `None` for lists and maps.
    pub fn scalar(&self) -> Option<&Arc<str>> {
        match &self.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether nothing, or `null`, stands here.
    pub fn is_null(&self) -> bool {
        matches!(&self.kind, Kind::Scalar { text, plain: true } if matches!(&**text, "" | "null"))
    }

    /// As data: plain scalars become numbers, true, false and null where they are written as such.
    ///
    /// # Errors
    /// A plain scalar that two readers of YAML would understand differently (`NO`, `1_000`, `0x1F`, `12:30`).
    pub fn to_value(&self) -> Result<Value, Complaint> {
        match &self.kind {
            Kind::Scalar { text, plain: true } => match resolve(text) {
                Plain::Value(value) => Ok(value),
                Plain::Text => Ok(Value::Text(text.clone())),
                Plain::Ambiguous => Err(self.ambiguous(text)),
                Plain::TooBig => Err(self
                    .complaint("Y015", format!("{} is beyond what every reader of JSON keeps exactly", cut(text, 40)))
                    .hint("quote it to have a text")),
            },
            Kind::Scalar { text, .. } => Ok(Value::Text(text.clone())),
            Kind::List(items) => {
                let items: Result<Vec<_>, _> = items.iter().map(Node::to_value).collect();
                Ok(Value::List(Arc::new(items?)))
            }
            Kind::Map(entries) => {
                let map: Result<Map, _> =
                    entries.iter().map(|(key, node)| Ok((key.text.clone(), node.to_value()?))).collect();
                Ok(Value::Map(Arc::new(map?)))
            }
        }
    }

    fn ambiguous(&self, text: &str) -> Complaint {
        let hint = match text.to_ascii_lowercase().as_str() {
            "y" | "yes" | "on" | "true" => {
                format!("quote it (\"{text}\") to have a text, or write true")
            }
            "n" | "no" | "off" | "false" => {
                format!("quote it (\"{text}\") to have a text, or write false")
            }
            "~" | "null" => format!("quote it (\"{text}\") to have a text, or write null"),
            _ => format!("quote it (\"{text}\") to have a text, or write a plain decimal number"),
        };
        let message = format!("`{}` means different things to different readers of YAML", cut(text, 40));
        self.complaint("Y012", message).hint(hint)
    }

    /// A text.
    pub fn text(&self, complaints: &mut Complaints) -> Option<Arc<str>> {
        complaints.take(self.as_text())
    }

    /// A text. Plain numbers count as texts where one is wanted; words such as `no`, `on`, `true` and `~` do not.
    pub fn as_text(&self) -> Result<Arc<str>, Complaint> {
        match &self.kind {
            Kind::Scalar { text, plain: false } => Ok(text.clone()),
            Kind::Scalar { text, plain: true } => {
                if text.is_empty() || matches!(&**text, "true" | "false" | "null") {
                    return Err(self.expected("a text"));
                }
                if is_switch_word(text) { Err(self.ambiguous(text)) } else { Ok(text.clone()) }
            }
            _ => Err(self.expected("a text")),
        }
    }

    /// `true` or `false`.
    pub fn bool(&self, complaints: &mut Complaints) -> Option<bool> {
        match self.to_value() {
            Ok(Value::Bool(value)) => Some(value),
            Ok(_) => {
                complaints.push(self.expected("true or false"));
                None
            }
            Err(complaint) => complaints.take(Err(complaint)),
        }
    }

    /// A whole number from `min` to `max`.
    pub fn int(&self, min: i64, max: i64, complaints: &mut Complaints) -> Option<i64> {
        match self.to_value() {
            Ok(Value::Int(value)) if (min..=max).contains(&value) => Some(value),
            Ok(Value::Int(value)) => {
                let message = if value < min {
                    format!("{value} is too small: at least {min}")
                } else {
                    format!("{value} is too big: at most {max}")
                };
                complaints.push(self.complaint("W005", message));
                None
            }
            Ok(_) => {
                complaints.push(self.expected("a whole number"));
                None
            }
            Err(complaint) => complaints.take(Err(complaint)),
        }
    }

    /// A number.
    pub fn number(&self, complaints: &mut Complaints) -> Option<f64> {
        match self.to_value() {
            #[expect(clippy::cast_precision_loss, reason = "whole numbers stay below 2^53: held by Value")]
            Ok(Value::Int(value)) => Some(value as f64),
            Ok(Value::Float(value)) => Some(value),
            Ok(_) => {
                complaints.push(self.expected("a number"));
                None
            }
            Err(complaint) => complaints.take(Err(complaint)),
        }
    }

    /// A length of time, such as `30s`.
    pub fn time(&self, complaints: &mut Complaints) -> Option<Span> {
        let wanted = "a length of time, such as `30s`, `5m` or `3d`";
        let Some(text) = self.scalar() else {
            complaints.push(self.expected(wanted));
            return None;
        };
        match text.parse() {
            Ok(span) => Some(span),
            Err(_) => {
                complaints.push(self.expected(wanted));
                None
            }
        }
    }

    /// The items of a list.
    pub fn list(&self, complaints: &mut Complaints) -> Option<&[Node]> {
        match &self.kind {
            Kind::List(items) => Some(items),
            _ => {
                complaints.push(self.expected("a list"));
                None
            }
        }
    }

    /// The entries of a map, in the order written.
    pub fn map(&self, complaints: &mut Complaints) -> Option<&[(Key, Node)]> {
        match &self.kind {
            Kind::Map(entries) => Some(entries),
            _ => {
                complaints.push(self.expected("a map"));
                None
            }
        }
    }

    /// A list of texts; items that are none are complained about and left out.
    pub fn texts(&self, complaints: &mut Complaints) -> Option<Vec<Arc<str>>> {
        Some(self.list(complaints)?.iter().filter_map(|item| item.text(complaints)).collect())
    }

    /// One of a few words.
    pub fn one_of<'w>(&self, words: &[&'w str], complaints: &mut Complaints) -> Option<&'w str> {
        let Some(text) = self.scalar() else {
            complaints.push(self.expected("a text"));
            return None;
        };
        let found = words.iter().find(|word| **word == &**text).copied();
        if found.is_none() {
            let hint = did_you_mean(text, words.iter().copied());
            let message = format!("`{}` cannot stand here", cut(text, 40));
            complaints.push(self.complaint("W005", message).or_hint(hint));
        }
        found
    }
}

#[cfg(test)]
mod tests;
