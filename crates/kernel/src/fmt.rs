//! One opinion about how our YAML files look: two spaces for each level, list items under their key by two, one blank line at
//! most, `{ a: b }` and `[ a, b ]`, nothing at the ends of lines. What is said stays: texts, quotes, order and comments.

mod flow;
pub(crate) mod tree;

use std::sync::Arc;

use self::tree::{Block, Comment, Item, What};
use crate::{complaint::Complaint, yaml};

/// The file as we would write it. Formatting it again changes nothing, and it says the same: where that cannot be held, as for
/// an indentation written out (`|2`), the file comes back as it was.
///
/// # Errors
/// The file is not the YAML we read.
pub fn format(file: &Arc<str>, text: &str) -> Result<String, Complaint> {
    let before = yaml::parse(file, text)?;
    let same = |formatted: &str| {
        yaml::parse(file, formatted).is_ok_and(|after| after == before)
            && tree::read(formatted).is_some_and(|after| {
                tree::read(&plain_ends(text)).is_some_and(|before| comments(&before) == comments(&after))
            })
    };
    let once = write(&plain_ends(text)).filter(|once| same(once));
    Ok(match once {
        Some(once) if write(&once).as_deref() == Some(&once) => once,
        _ => text.to_owned(),
    })
}

fn plain_ends(text: &str) -> String {
    let mut text = text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn comments(file: &tree::File<'_>) -> Vec<String> {
    let mut all: Vec<String> = file.comments.iter().map(|comment| comment.text.to_owned()).collect();
    all.extend(file.inner_comments.iter().map(|text| (*text).to_owned()));
    all.sort();
    all
}

fn write(text: &str) -> Option<String> {
    let file = tree::read(text)?;
    let mut writer =
        Writer { file: &file, out: String::new(), comment: 0, levels: Vec::new(), begun: None, kept: false };
    writer.node(&file.root, 0)?;
    writer.comments_before(usize::MAX, 0, 0);
    let mut out = writer.out;
    if !out.ends_with('\n') {
        out.push('\n');
    }
    Some(out)
}

struct Writer<'a> {
    file: &'a tree::File<'a>,
    out: String,
    /// The first comment that is not written yet.
    comment: usize,
    /// Where the levels around the last line stood, and where they stand now: for comments at the end of a level.
    levels: Vec<(usize, usize)>,
    /// What has been begun of a line: `- ` of an item whose content follows.
    begun: Option<String>,
    /// Whether the last thing was a block that keeps its blank lines.
    kept: bool,
}

impl<'a> Writer<'a> {
    fn node(&mut self, node: &'a Item<'a>, indent: usize) -> Option<()> {
        match &node.what {
            What::Map(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    // The first key of an item stands after its `- `.
                    self.begin(key.line, key.column, indent, at == 0);
                    self.out.push_str(key.raw());
                    self.out.push(':');
                    self.after(key.line, value, indent)?;
                }
            }
            What::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.begin(item.line, node.column, indent, at == 0);
                    match item.what {
                        What::Map(_) | What::List(_) => {
                            self.begun = Some("- ".to_owned());
                            self.node(item, indent + 2)?;
                        }
                        _ => {
                            self.out.push('-');
                            self.after(item.line, item, indent)?;
                        }
                    }
                }
            }
            _ => {
                self.begin(node.line, node.column, indent, false);
                self.inline(node, indent)?;
            }
        }
        Some(())
    }

    /// What stands after `key:` or `-`.
    fn after(&mut self, line: usize, value: &'a Item<'a>, indent: usize) -> Option<()> {
        match &value.what {
            What::Map(_) | What::List(_) => {
                self.end(line);
                self.node(value, indent + 2)
            }
            What::Plain if value.raw().is_empty() => {
                self.end(line);
                Some(())
            }
            _ => {
                // A value may stand on the line after its key.
                if value.line > line && !matches!(value.what, What::Block(_)) {
                    self.inner_comment(line, value.line)?;
                }
                self.out.push(' ');
                self.inline(value, indent)
            }
        }
    }

    /// A comment between a key and its value on the next line has no place of its own.
    fn inner_comment(&self, from: usize, to: usize) -> Option<()> {
        let between = self.file.comments.iter().any(|comment| comment.line >= from && comment.line < to);
        (!between).then_some(())
    }

    fn inline(&mut self, value: &'a Item<'a>, indent: usize) -> Option<()> {
        match &value.what {
            What::Block(block) => {
                self.block(value, block, indent);
                return Some(());
            }
            What::Flow => self.out.push_str(&flow::write(value.raw(), indent)?),
            What::Plain | What::Quoted => {
                let mut lines = value.raw().lines();
                self.out.push_str(lines.next().unwrap_or_default().trim_end());
                for line in lines {
                    self.out.push('\n');
                    let line = if matches!(value.what, What::Plain) { line.trim() } else { line.trim_start() };
                    if !line.is_empty() {
                        self.out.push_str(&" ".repeat(indent + 2));
                        self.out.push_str(line);
                    }
                }
            }
            What::Map(_) | What::List(_) => return None,
        }
        self.end(value.last_line);
        Some(())
    }

    fn block(&mut self, value: &'a Item<'a>, block: &Block<'a>, indent: usize) {
        self.out.push_str(block.header);
        self.end(block.header_line);
        let pad = " ".repeat(indent + 2);
        for line in &block.lines {
            if !line.is_empty() {
                self.out.push_str(&pad);
                self.out.push_str(line);
            }
            self.out.push('\n');
        }
        self.kept = block.header.contains('+');
        // Comments that look as if they stood inside are part of the text.
        while self.file.comments.get(self.comment).is_some_and(|comment| comment.line < value.last_line) {
            self.comment += 1;
        }
    }

    /// Starts a line: comments and a blank line that stood before it, then its indentation or what was begun of it.
    fn begin(&mut self, line: usize, column: usize, indent: usize, first: bool) {
        match self.begun.take() {
            Some(begun) if first => {
                self.out.push_str(&begun);
                self.level(column, indent);
            }
            _ => {
                self.comments_before(line, column, indent);
                self.blank(line);
                self.level(column, indent);
                self.out.push_str(&" ".repeat(indent));
            }
        }
        self.kept = false;
    }

    fn level(&mut self, column: usize, indent: usize) {
        self.levels.retain(|(_, there)| *there < indent);
        self.levels.push((column, indent));
    }

    /// Ends a line, with the comment that stood at the end of `line`.
    fn end(&mut self, line: usize) {
        if let Some(comment) = self.file.comments.get(self.comment)
            && comment.line == line
            && !comment.alone
        {
            self.out.push_str("  ");
            self.out.push_str(comment.text);
            self.comment += 1;
        }
        self.out.push('\n');
    }

    fn comments_before(&mut self, line: usize, column: usize, indent: usize) {
        while let Some(Comment { line: at, column: own, text, .. }) = self.file.comments.get(self.comment)
            && *at < line
        {
            self.comment += 1;
            // One that is further in than what follows belongs to the level before.
            let deeper = self.levels.iter().rev().find(|(there, to)| *own > column && *there <= *own && *to > indent);
            let indent = deeper.map_or(indent, |(_, indent)| *indent);
            self.blank(*at);
            self.kept = false;
            self.out.push_str(&" ".repeat(indent));
            self.out.push_str(text);
            self.out.push('\n');
        }
    }

    fn blank(&mut self, line: usize) {
        let before = line.checked_sub(2).and_then(|at| self.file.lines.get(at));
        if before.is_some_and(|text| text.trim().is_empty())
            && !self.out.is_empty()
            && !self.kept
            && !self.out.ends_with("\n\n")
        {
            self.out.push('\n');
        }
    }
}

#[cfg(test)]
mod tests;
