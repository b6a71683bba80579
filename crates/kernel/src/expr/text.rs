//! Texts with holes: `Pay {{ with.amount_cents | money }}`.

use std::{borrow::Cow, sync::Arc};

use super::{
    At, Fault, MAX_BYTES, Names, Reads, Root, Roots, check,
    code::{self, Code},
    derive, eval,
};
use crate::{complaint::Complaint, values::Value, yaml::Node};

/// The longest text that holes may make, in bytes.
const MAX_RENDERED: usize = 8 << 20;

/// A text with `{{ holes }}`, each an expression. No blocks and no comments.
#[derive(Clone, Debug)]
pub struct Text {
    source: Arc<str>,
    roots: Arc<[Root]>,
    parts: Arc<[Part]>,
}

#[derive(Debug)]
pub(super) enum Part {
    /// Bytes of the source as they are.
    Plain(At),
    Hole(Hole),
}

#[derive(Debug)]
pub(super) struct Hole {
    /// The expression between the braces.
    source: Arc<str>,
    /// Where it begins in the text.
    offset: usize,
    code: Code,
}

impl Part {
    /// The expression of a hole.
    pub(super) fn code(&self) -> Option<&Code> {
        match self {
            Part::Hole(hole) => Some(&hole.code),
            Part::Plain(_) => None,
        }
    }
}

impl Text {
    /// Reads a text.
    ///
    /// # Errors
    /// A hole that is not closed or holds no expression, a block `{% %}`, a comment `{# #}`.
    pub fn compile(text: &str) -> Result<Text, Fault> {
        let mut roots = Roots::default();
        let parts = compile(text, &mut roots)?;
        Ok(Text { source: text.into(), roots: roots.list.into(), parts: parts.into() })
    }

    /// Reads the text that a scalar holds.
    pub fn of_node(node: &Node) -> Result<Text, Complaint> {
        let text = node.scalar().ok_or_else(|| node.expected("a text"))?;
        Text::compile(text).map_err(|fault| fault.complaint(node))
    }

    /// As it was written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The names its holes read, in the order [`Text::render`] wants their values.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// The names its holes read, each once: the signature of a prompt.
    pub fn holes(&self) -> Vec<Arc<str>> {
        let mut names: Vec<Arc<str>> = Vec::new();
        for root in self.roots.iter() {
            if !names.contains(&root.name) {
                names.push(root.name.clone());
            }
        }
        names
    }

    /// Where what fills its holes comes from.
    pub fn derivation(&self) -> super::Derivation<'_> {
        super::derive::of_text(&self.parts, &self.roots)
    }

    /// Whether it has no holes.
    pub fn is_plain(&self) -> bool {
        self.parts.iter().all(|part| matches!(part, Part::Plain(_)))
    }

    /// The expressions of its holes, as they are written.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Hole(hole) => Some(&*hole.source),
            Part::Plain(_) => None,
        })
    }

    /// The text with its holes filled, given one value for each of [`Text::roots`]. A text stands as it is, other values as
    /// canonical JSON.
    ///
    /// # Errors
    /// A hole that fails or gives none, named.
    pub fn render(&self, values: &[Value]) -> Result<String, String> {
        render(&self.parts, &self.source, values)
    }

    /// Like [`Text::render`] where what fills a hole must be encoded: `encode` says how a value that is not none stands in
    /// the text, or why it cannot.
    ///
    /// # Errors
    /// A hole that fails, gives none, or that `encode` refuses; named.
    pub fn render_with(
        &self,
        values: &[Value],
        encode: &dyn Fn(&Value) -> Result<String, String>,
    ) -> Result<String, String> {
        fill(&self.parts, &self.source, values, |_, value| encode(value).map(Cow::Owned))
    }

    /// Like [`Text::render`]; `encode` is told the number of the hole and says how its value stands in the text.
    ///
    /// # Errors
    /// A hole that fails or gives none, named.
    pub fn render_each(
        &self,
        values: &[Value],
        mut encode: impl FnMut(usize, &Value) -> String,
    ) -> Result<String, String> {
        fill(&self.parts, &self.source, values, |hole, value| Ok(Cow::Owned(encode(hole, value))))
    }

    /// What each hole reads, in the order written: names, with the fields below them.
    pub fn reads(&self) -> Vec<Vec<Reads>> {
        let holes = self.parts.iter().filter_map(Part::code);
        holes.map(|code| derive::of(code, &self.roots).reads()).collect()
    }

    /// All that is certain to be wrong in its holes.
    pub fn check(&self, names: &Names<'_>) -> Result<(), Vec<Fault>> {
        check_parts(&self.parts, &self.roots, names)
    }
}

pub(super) fn compile(text: &str, roots: &mut Roots) -> Result<Vec<Part>, Fault> {
    let mut parts = Vec::new();
    let mut rest = 0;
    while let Some(open) = text[rest..].find('{').map(|at| rest + at) {
        match text.as_bytes().get(open + 1) {
            Some(b'{') => {
                plain(&mut parts, text, open);
                let (hole, next) = hole(text, open, roots)?;
                parts.push(Part::Hole(hole));
                rest = next;
                // A hole ends the plain part before it; the next begins here.
                parts.push(Part::Plain(At { start: to_u32(next), end: to_u32(next) }));
            }
            Some(sign @ (b'%' | b'#')) => {
                let what = if *sign == b'%' { "blocks" } else { "comments" };
                let fault =
                    Fault::new("E006", span(open, open + 2), format!("a text has no {what}: only `{{{{ holes }}}}`"));
                let sign = char::from(*sign);
                return Err(fault.hint(format!("to have it in the text, write {{{{ '{{{sign}' }}}}")));
            }
            _ => rest = open + 1,
        }
    }
    plain(&mut parts, text, text.len());
    parts.retain(|part| !matches!(part, Part::Plain(at) if at.start == at.end));
    Ok(parts)
}

fn to_u32(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn span(start: usize, end: usize) -> At {
    At { start: to_u32(start), end: to_u32(end) }
}

/// Ends the plain part that is open, or begins one.
fn plain(parts: &mut Vec<Part>, text: &str, end: usize) {
    debug_assert!(end <= text.len());
    match parts.last_mut() {
        Some(Part::Plain(at)) => at.end = to_u32(end),
        _ => parts.push(Part::Plain(span(0, end))),
    }
}

fn hole(text: &str, open: usize, roots: &mut Roots) -> Result<(Hole, usize), Fault> {
    let start = open + 2;
    let Some(close) = closing(&text[start..]).map(|at| start + at) else {
        let line = text[open..].find('\n').map_or(text.len(), |at| open + at);
        return Err(Fault::new("E005", span(open, line), "this hole is not closed")
            .hint("end it with `}}`; to have `{{` in the text, write {{ '{{' }}"));
    };
    let inner = &text[start..close];
    if inner.starts_with('-') || inner.ends_with('-') {
        return Err(Fault::new("E006", span(open, close + 2), "a hole cannot trim what stands around it")
            .hint("write `{{ … }}` with spaces inside"));
    }
    if inner.trim().is_empty() {
        return Err(Fault::new("E001", span(open, close + 2), "this hole is empty").hint("name a value in it"));
    }
    if inner.len() > MAX_BYTES {
        return Err(Fault::new("E008", span(open, open + 2), format!("a hole may have {MAX_BYTES} bytes")));
    }
    let code = code::compile(inner, roots).map_err(|fault| fault.shifted(start))?;
    Ok((Hole { source: inner.into(), offset: start, code }, close + 2))
}

/// Where the `}}` is that closes a hole: not inside a text, nor one that closes maps in it.
fn closing(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut nesting) = (0, 0_usize);
    while at < bytes.len() {
        match bytes[at] {
            quote @ (b'\'' | b'"') => {
                at += 1;
                while at < bytes.len() && bytes[at] != quote {
                    at += if bytes[at] == b'\\' { 2 } else { 1 };
                }
            }
            b'{' => nesting += 1,
            b'}' if nesting > 0 => nesting -= 1,
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

pub(super) fn render(parts: &[Part], source: &str, values: &[Value]) -> Result<String, String> {
    fill(parts, source, values, |_, value| Ok(Cow::Owned(eval::say(value).into_owned())))
}

fn fill(
    parts: &[Part],
    source: &str,
    values: &[Value],
    mut encode: impl FnMut(usize, &Value) -> Result<Cow<'static, str>, String>,
) -> Result<String, String> {
    let mut text = String::with_capacity(source.len() + 64);
    let mut holes = 0;
    for part in parts {
        match part {
            Part::Plain(at) => text.push_str(at.of(source)),
            Part::Hole(hole) => {
                let value = eval::value(&hole.code, &hole.source, values)?;
                if value.is_null() {
                    return Err(format!("`{}` is none, and a hole needs a value", hole.source.trim()));
                }
                let said = encode(holes, &value).map_err(|why| format!("`{}`: {why}", hole.source.trim()))?;
                if text.len().saturating_add(said.len()) > MAX_RENDERED {
                    return Err(format!(
                        "the text grows beyond {} MiB at `{}`",
                        MAX_RENDERED >> 20,
                        hole.source.trim()
                    ));
                }
                text.push_str(&said);
                holes += 1;
            }
        }
    }
    Ok(text)
}

pub(super) fn check_parts(parts: &[Part], roots: &[Root], names: &Names<'_>) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    for part in parts {
        let Part::Hole(hole) = part else { continue };
        match check::expr(&hole.code, &hole.source, roots, names) {
            Err(found) => faults.extend(found.into_iter().map(|fault| fault.shifted(hole.offset))),
            Ok(ty) if ty.may_be_null() => {
                let fault = Fault::new("E004", hole.code.at, format!("`{}` may be none", hole.source.trim()));
                faults.push(check::guard(fault, &hole.code, roots).shifted(hole.offset));
            }
            Ok(_) => {}
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}
