//! Values made smaller: a text is cut, a list loses items. Never inside a JSON value, and never inside a block of code.

use std::cmp::Ordering;

use crate::{
    expr::Expr,
    journal::Blob,
    next::Stop,
    values::Value,
    workflow::{Cut, Overflow},
};

/// What stands where the middle of a text was.
const GAP: &str = " […] ";

/// What stands in the place of a text that was set aside.
pub(super) fn reference(blob: &Blob, tokens: u64) -> String {
    format!("[set aside: about {tokens} tokens, sha256 {}]", blob.digest.short())
}

/// The value with at most `limit` tokens. `None`: what is to be done cannot be done with it. `by` computes what `top` compares.
pub(super) fn fit(
    overflow: &Overflow,
    value: &Value,
    limit: u64,
    by: &mut dyn FnMut(&Expr, &Value) -> Result<Value, Stop>,
) -> Result<Option<Value>, Stop> {
    let most = usize::try_from(limit.saturating_mul(3)).unwrap_or(usize::MAX);
    Ok(match (overflow, value) {
        (Overflow::Truncate(cut), Value::Text(text)) => truncated(text, *cut, most).map(Value::text),
        (Overflow::DropLast, Value::List(items)) => {
            let kept = as_many(items.iter(), most);
            Some(Value::list(items[..kept].iter().cloned()))
        }
        (Overflow::DropFirst, Value::List(items)) => {
            let kept = as_many(items.iter().rev(), most);
            Some(Value::list(items[items.len() - kept..].iter().cloned()))
        }
        (Overflow::Top { most: so_many, by: compared }, Value::List(items)) => {
            let mut ranked: Vec<(usize, Value)> = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                let rank = match compared {
                    Some(compared) => by(compared, item)?,
                    None => Value::Null,
                };
                ranked.push((index, rank));
            }
            ranked.sort_by(|(_, one), (_, other)| order(other, one));
            ranked.truncate(*so_many as usize);
            let kept = as_many(ranked.iter().map(|(index, _)| &items[*index]), most);
            let mut kept: Vec<usize> = ranked[..kept].iter().map(|(index, _)| *index).collect();
            kept.sort_unstable();
            Some(Value::list(kept.into_iter().map(|index| items[index].clone())))
        }
        _ => None,
    })
}

/// How many of these, from the first, a list of at most so many bytes holds.
fn as_many<'v>(items: impl Iterator<Item = &'v Value>, most: usize) -> usize {
    let mut left = most.saturating_sub(2);
    items
        .take_while(|item| {
            let size = item.to_json().len();
            let fits = size <= left;
            // With the comma after it.
            left = left.saturating_sub(size + 1);
            fits
        })
        .count()
}

/// Numbers before texts before everything else; what cannot be compared is equal.
fn order(one: &Value, other: &Value) -> Ordering {
    #[expect(clippy::cast_precision_loss, reason = "a whole number is at most MAX_INT from zero: held by Value")]
    let number = |value: &Value| match value {
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        _ => None,
    };
    match (number(one), number(other)) {
        (Some(one), Some(other)) => one.total_cmp(&other),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => one.as_str().cmp(&other.as_str()),
    }
}

/// The text with at most so many bytes; `None` if it is JSON.
fn truncated(text: &str, cut: Cut, most: usize) -> Option<String> {
    if text.len() <= most {
        return Some(text.to_owned());
    }
    let opens = text.trim_start().starts_with(['{', '[']);
    if opens && Value::from_json(text.as_bytes()).is_ok() {
        return None;
    }
    let blocks = blocks(text);
    Some(match cut {
        Cut::Tail => text[..end(text, &blocks, most)].to_owned(),
        Cut::Head => text[start(text, &blocks, text.len() - most)..].to_owned(),
        Cut::Middle => {
            let Some(room) = most.checked_sub(GAP.len()) else { return Some(String::new()) };
            let head = end(text, &blocks, room.div_ceil(2));
            let tail = start(text, &blocks, text.len() - room / 2).max(head);
            format!("{}{GAP}{}", &text[..head], &text[tail..])
        }
    })
}

/// Where a text that keeps its beginning ends: not inside a character or a block.
fn end(text: &str, blocks: &[(usize, usize)], at: usize) -> usize {
    let at = text.floor_char_boundary(at);
    blocks.iter().find(|(from, to)| *from < at && at < *to).map_or(at, |(from, _)| *from)
}

/// Where a text that keeps its end begins.
fn start(text: &str, blocks: &[(usize, usize)], at: usize) -> usize {
    let at = text.ceil_char_boundary(at);
    blocks.iter().find(|(from, to)| *from < at && at < *to).map_or(at, |(_, to)| *to)
}

/// Blocks of code, from the line that opens one to the end of the line that closes it, or of the text.
fn blocks(text: &str) -> Vec<(usize, usize)> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, &str)> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let mark = ["```", "~~~"].into_iter().find(|mark| line.trim_start().starts_with(mark));
        match (open, mark) {
            (None, Some(mark)) => open = Some((at, mark)),
            (Some((from, opened)), Some(mark)) if opened == mark => {
                blocks.push((from, at + line.len()));
                open = None;
            }
            _ => {}
        }
        at += line.len();
    }
    blocks.extend(open.map(|(from, _)| (from, text.len())));
    blocks
}

#[cfg(test)]
mod tests;
