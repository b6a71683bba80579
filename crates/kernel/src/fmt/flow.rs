//! `[ … ]` and `{ … }`: one space inside, one after a comma, line breaks where they were.

/// A part of a flow collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    Open(char),
    Close(char),
    Comma,
    Colon,
    Text(&'a str),
    Comment(&'a str),
    Break,
}

pub(super) fn write(raw: &str, indent: usize) -> Option<String> {
    let parts = parts(raw)?;
    let mut out = String::with_capacity(raw.len() + 16);
    let mut depth = 0_usize;
    let mut before: Option<Part<'_>> = None;
    for (at, part) in parts.iter().enumerate() {
        if let Part::Close(_) = part {
            depth = depth.checked_sub(1)?;
        }
        match (before, part) {
            (Some(Part::Break), Part::Break) => continue,
            // A comma before the end says nothing.
            (_, Part::Comma)
                if parts[at + 1..].iter().find(|next| !matches!(next, Part::Break)).is_some_and(closes) =>
            {
                continue;
            }
            (None, _) | (_, Part::Break | Part::Comma | Part::Colon) => {}
            (Some(Part::Break), _) => out.push_str(&" ".repeat(indent + 2 * depth)),
            (Some(Part::Open(_)), Part::Close(_)) => {}
            (_, Part::Comment(_)) => out.push_str("  "),
            _ => out.push(' '),
        }
        match part {
            Part::Open(bracket) => {
                depth += 1;
                out.push(*bracket);
            }
            Part::Close(bracket) => out.push(*bracket),
            Part::Comma => out.push(','),
            Part::Colon => out.push(':'),
            Part::Text(text) | Part::Comment(text) => out.push_str(text),
            Part::Break => out.push('\n'),
        }
        before = Some(*part);
    }
    (depth == 0).then_some(out)
}

fn closes(part: &Part<'_>) -> bool {
    matches!(part, Part::Close(_))
}

pub(super) fn parts(raw: &str) -> Option<Vec<Part<'_>>> {
    let bytes = raw.as_bytes();
    let mut parts = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b' ' => at += 1,
            b'\n' => {
                parts.push(Part::Break);
                at += 1;
            }
            bracket @ (b'[' | b'{') => {
                parts.push(Part::Open(char::from(bracket)));
                at += 1;
            }
            bracket @ (b']' | b'}') => {
                parts.push(Part::Close(char::from(bracket)));
                at += 1;
            }
            b',' => {
                parts.push(Part::Comma);
                at += 1;
            }
            b'#' if at == 0 || matches!(bytes[at - 1], b' ' | b'\n') => {
                let end = raw[at..].find('\n').map_or(raw.len(), |end| at + end);
                parts.push(Part::Comment(raw[at..end].trim_end()));
                at = end;
            }
            b':' if ends_key(bytes, at)
                || matches!(parts.last(), Some(Part::Text(text)) if text.ends_with(['"', '\''])) =>
            {
                parts.push(Part::Colon);
                at += 1;
            }
            quote @ (b'"' | b'\'') => {
                let end = at + quoted(&raw[at..], quote)?;
                parts.push(Part::Text(&raw[at..end]));
                at = end;
            }
            _ => {
                let end = plain(bytes, at);
                parts.push(Part::Text(raw[at..end].trim_end()));
                at = end;
            }
        }
    }
    Some(parts)
}

fn ends_key(bytes: &[u8], at: usize) -> bool {
    bytes.get(at + 1).is_none_or(|next| matches!(next, b' ' | b'\n' | b',' | b'[' | b']' | b'{' | b'}'))
}

/// Where a plain scalar ends that begins at `at`.
fn plain(bytes: &[u8], at: usize) -> usize {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b',' | b'[' | b']' | b'{' | b'}' | b'\n' => break,
            b':' if ends_key(bytes, end) => break,
            b'#' if bytes[end - 1] == b' ' => break,
            _ => end += 1,
        }
    }
    end
}

/// How long the quoted text is that begins here.
pub(super) fn quoted(text: &str, quote: u8) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if quote == b'"' => at += 2,
            b if b == quote && quote == b'\'' && bytes.get(at + 1) == Some(&b'\'') => at += 2,
            b if b == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    None
}
