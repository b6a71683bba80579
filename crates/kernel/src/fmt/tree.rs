//! A file as it is written: which bytes are which value, and where the comments are.

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Mark};

use super::flow;

/// A file.
#[derive(Debug)]
pub(crate) struct File<'a> {
    pub lines: Vec<&'a str>,
    pub root: Item<'a>,
    /// Comments outside of flow collections, in order.
    pub comments: Vec<Comment<'a>>,
    /// Comments inside of them, which stay where they are.
    pub inner_comments: Vec<&'a str>,
}

/// A comment, with its `#`.
#[derive(Debug)]
pub(crate) struct Comment<'a> {
    pub line: usize,
    pub column: usize,
    /// Whether nothing else stands on its line.
    pub alone: bool,
    pub text: &'a str,
}

/// A value as it is written. Lines count from 1, columns and bytes from 0.
#[derive(Debug)]
pub(crate) struct Item<'a> {
    text: &'a str,
    start: usize,
    end: usize,
    pub line: usize,
    pub column: usize,
    /// The line its last byte stands on; of a block, the line after it.
    pub last_line: usize,
    pub what: What<'a>,
}

#[derive(Debug)]
pub(crate) enum What<'a> {
    Plain,
    Quoted,
    Flow,
    Block(Block<'a>),
    List(Vec<Item<'a>>),
    Map(Vec<(Item<'a>, Item<'a>)>),
}

/// A text after `|` or `>`.
#[derive(Debug)]
pub(crate) struct Block<'a> {
    /// `|`, `>-` and so on.
    pub header: &'a str,
    pub header_line: usize,
    /// Its lines without their indentation.
    pub lines: Vec<&'a str>,
}

impl<'a> Item<'a> {
    /// The bytes themselves.
    pub fn raw(&self) -> &'a str {
        &self.text[self.start..self.end]
    }
}

/// Reads a file that [`crate::yaml::parse`] reads. `None`: it is written in a way that is not formatted.
pub(crate) fn read(text: &str) -> Option<File<'_>> {
    let mut reader = Reader {
        text,
        lines: text.split('\n').collect(),
        parser: Parser::new_from_str(text),
        cursor: (0, 0),
        taken: Vec::new(),
        inner_comments: Vec::new(),
        last: 0,
    };
    let root = loop {
        let (event, mark) = reader.next()?;
        match event {
            Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
            event => break reader.item(event, mark)?,
        }
    };
    let Reader { lines, taken, inner_comments, .. } = reader;
    let comments = comments(text, &taken);
    Some(File { lines, root, comments, inner_comments })
}

struct Reader<'a> {
    text: &'a str,
    lines: Vec<&'a str>,
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    /// Characters and bytes.
    cursor: (usize, usize),
    /// Bytes that are values, in order.
    taken: Vec<(usize, usize)>,
    inner_comments: Vec<&'a str>,
    /// Where the last value ended.
    last: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<(Event<'a>, Mark)> {
        self.parser.next_event()?.ok()
    }

    /// Marks count characters and come in order, so the place only moves on.
    fn byte(&mut self, index: usize) -> usize {
        let (chars, bytes) = if index < self.cursor.0 { (0, 0) } else { self.cursor };
        let after = &self.text[bytes..];
        let more = after.char_indices().nth(index - chars).map_or(after.len(), |(at, _)| at);
        self.cursor = (index, bytes + more);
        bytes + more
    }

    fn item(&mut self, event: Event<'a>, mark: Mark) -> Option<Item<'a>> {
        let start = self.byte(mark.start.index());
        let (line, column) = (mark.start.line(), mark.start.col());
        let text = self.text;
        let item =
            |end: usize, last_line: usize, what: What<'a>| Item { text, start, end, line, column, last_line, what };
        match event {
            Event::Scalar(_, ScalarStyle::Plain, ..) => {
                let end = self.byte(mark.end.index());
                self.take(start, end);
                Some(item(end, mark.end.line(), What::Plain))
            }
            Event::Scalar(_, ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted, ..) => {
                let quote = *text.as_bytes().get(start)?;
                let end = start + flow::quoted(&text[start..], quote)?;
                self.take(start, end);
                let breaks = text[start..end].matches('\n').count();
                Some(item(end, line + breaks, What::Quoted))
            }
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => self.block(mark),
            Event::SequenceStart(..) | Event::MappingStart(..)
                if mark.start.index() < mark.end.index() && text[start..].starts_with(['[', '{']) =>
            {
                let end = self.skip_flow()?;
                let end = self.byte(end.start.index()) + 1;
                self.take(start, end);
                for part in flow::parts(&text[start..end])? {
                    if let flow::Part::Comment(comment) = part {
                        self.inner_comments.push(comment);
                    }
                }
                let breaks = text[start..end].matches('\n').count();
                Some(item(end, line + breaks, What::Flow))
            }
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                let mut column = 0;
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break,
                        (event, mark) => {
                            let dash = self.dash()?;
                            self.last = dash + 1;
                            let mut item = self.item(event, mark)?;
                            // An empty item has no place of its own: that of its dash counts.
                            if matches!(item.what, What::Plain) && item.raw().is_empty() {
                                item.line = text[..dash].matches('\n').count() + 1;
                                item.last_line = item.line;
                            }
                            if items.is_empty() {
                                column = text[..dash].rsplit('\n').next().map_or(0, |before| before.chars().count());
                            }
                            items.push(item);
                        }
                    }
                }
                let line = items.first()?.line;
                Some(Item { text, start, end: start, line, column, last_line: line, what: What::List(items) })
            }
            Event::MappingStart(..) => {
                let mut entries = Vec::new();
                loop {
                    match self.next()? {
                        (Event::MappingEnd, _) => break,
                        (event, mark) => {
                            let key = self.item(event, mark)?;
                            let (event, mark) = self.next()?;
                            entries.push((key, self.item(event, mark)?));
                        }
                    }
                }
                let (line, column) = entries.first().map(|(key, _)| (key.line, key.column))?;
                Some(Item { text, start, end: start, line, column, last_line: line, what: What::Map(entries) })
            }
            _ => None,
        }
    }

    fn take(&mut self, start: usize, end: usize) {
        self.taken.push((start, end));
        self.last = end;
    }

    fn skip_flow(&mut self) -> Option<Mark> {
        let mut depth = 1;
        loop {
            let (event, mark) = self.next()?;
            match event {
                Event::SequenceStart(..) | Event::MappingStart(..) => depth += 1,
                Event::SequenceEnd | Event::MappingEnd => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(mark);
                    }
                }
                _ => {}
            }
        }
    }

    fn block(&mut self, mark: Mark) -> Option<Item<'a>> {
        let text = self.text;
        // The header stands between the last key and the content.
        let from = self.last;
        let at = from + text.get(from..)?.find(['|', '>'])?;
        let between = text.get(from..at)?;
        if between.contains('#') {
            return None;
        }
        let length = text[at..].find(|c: char| !matches!(c, '|' | '>' | '+' | '-')).unwrap_or(text.len() - at);
        let header = &text[at..at + length];
        if text[at + length..].starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let header_line = text[..at].matches('\n').count() + 1;
        let source = self.lines.get(header_line..mark.end.line().saturating_sub(1).max(header_line))?;
        let indent =
            source.iter().find(|line| !line.trim().is_empty()).map_or(0, |line| line.len() - line.trim_start().len());
        let mut lines: Vec<&str> = source.iter().map(|line| line.get(indent..).unwrap_or_default()).collect();
        if !header.contains('+') {
            while lines.last().is_some_and(|line| line.trim().is_empty()) {
                lines.pop();
            }
        }
        let header_end = at + length;
        self.taken.push((at, header_end));
        let content_start = text[header_end..].find('\n').map_or(text.len(), |line| header_end + line + 1);
        let content_end = content_start + source.iter().map(|line| line.len() + 1).sum::<usize>();
        let last_line = header_line + source.len() + 1;
        self.take(content_start, content_end.min(text.len()));
        let block = Block { header, header_line, lines };
        Some(Item {
            text,
            start: at,
            end: at,
            line: header_line,
            column: mark.start.col(),
            last_line,
            what: What::Block(block),
        })
    }

    /// The next dash: between the last value and it there is only space, a colon, comments, or the start of the document.
    fn dash(&self) -> Option<usize> {
        let mut offset = self.last;
        for line in self.text.get(self.last..)?.split_inclusive('\n') {
            let content = if line.trim_start().starts_with('#') { "" } else { line.split(" #").next().unwrap_or(line) };
            if !content.starts_with("---")
                && let Some(found) = content.find('-')
            {
                return Some(offset + found);
            }
            offset += line.len();
        }
        None
    }
}

/// The comments: a `#` at the start of a line or after a space, outside of values.
fn comments<'a>(text: &'a str, taken: &[(usize, usize)]) -> Vec<Comment<'a>> {
    let mut comments = Vec::new();
    let mut ranges = taken.iter().copied().peekable();
    let (mut offset, mut number) = (0, 0);
    for line in text.split_inclusive('\n') {
        number += 1;
        let mut at = 0;
        while let Some(found) = line[at..].find('#').map(|found| at + found) {
            let byte = offset + found;
            while ranges.next_if(|(_, end)| *end <= byte).is_some() {}
            if let Some((start, end)) = ranges.peek()
                && *start <= byte
            {
                if *end >= offset + line.len() {
                    break;
                }
                at = end - offset;
                continue;
            }
            if found == 0 || line[..found].ends_with([' ', '\t']) {
                let alone = line[..found].trim().is_empty();
                let column = line[..found].chars().count();
                comments.push(Comment { line: number, column, alone, text: line[found..].trim_end() });
                break;
            }
            at = found + 1;
        }
        offset += line.len();
    }
    comments
}
