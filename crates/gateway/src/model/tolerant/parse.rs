//! From characters to one value.

use std::sync::Arc;

use kernel::values::{Map, Value};

use super::{Coerced, Parsed, Syntax, Unreadable};
use crate::model::lower::escape;

/// How deep values are nested at most, as everywhere.
const MAX_DEPTH: usize = 64;

/// Reads the one JSON value of a text.
///
/// # Errors
/// Nothing that can be read, something that was cut off, or more than one value.
pub fn parse(text: &str) -> Result<Parsed, Unreadable> {
    let text = text.trim_start_matches(|c: char| c == '\u{feff}' || c.is_whitespace()).trim_end();
    if text.is_empty() {
        return Err(Unreadable::Empty);
    }
    let strict = Value::from_json(text.as_bytes());
    if let Ok(value) = strict {
        // The same characters once more, only to see how its numbers are written.
        let mut reader = Reader::new(text);
        let plain_numbers = reader.value(&mut String::new(), 0).is_ok() && reader.plain_numbers;
        return Ok(Parsed { value, coerced: Vec::new(), plain_numbers });
    }
    let said = strict.err().map(|why| why.to_string()).unwrap_or_default();
    let fenced = fence(text);
    let inside = fenced.unwrap_or(text);
    let mut reader = Reader::new(inside);
    let mut read = match inside.find(['{', '[']) {
        // A number, a word or a text by itself.
        None => {
            let value = reader.value(&mut String::new(), 0);
            let value = value.and_then(|value| reader.ended().map(|()| value));
            let value = value.map_err(|why| if why == Unreadable::CutOff { why } else { Unreadable::NoJson(said) })?;
            Parsed { value, coerced: reader.coerced, plain_numbers: reader.plain_numbers }
        }
        Some(start) => one_value(inside, start)?,
    };
    if fenced.is_some() {
        read.coerced.insert(0, Coerced::syntax("", Syntax::Fence));
    }
    Ok(read)
}

/// The one value of a text that begins with a bracket, and perhaps words around it.
fn one_value(text: &str, start: usize) -> Result<Parsed, Unreadable> {
    let mut reader = Reader { at: start, ..Reader::new(text) };
    // Whatever begins as JSON must be JSON: what stands inside of something that cannot be read is not taken for the whole.
    let value = reader.value(&mut String::new(), 0)?;
    let end = reader.at;
    let (before, after) = (&text[..start], &text[end..]);
    let (fenced, before, after) = opened(before, after);
    if after.contains(['{', '[']) || before.ends_with('}') {
        return Err(Unreadable::TwoReadings("more than one value stands there".to_owned()));
    }
    let mut coerced = Vec::new();
    if fenced {
        coerced.push(Coerced::syntax("", Syntax::Fence));
    }
    if !before.trim().is_empty() || !after.trim().is_empty() {
        if after.trim_start().starts_with([',', ':', '}', ']', '"', '\''])
            || before.trim_end().ends_with([',', ':', '"', '\'']) && before.trim().len() < 2
        {
            return Err(Unreadable::NoJson(format!("`{}` stands around the value", near(after))));
        }
        coerced.push(Coerced::syntax("", Syntax::TextAround));
    }
    coerced.extend(reader.coerced);
    Ok(Parsed { value, coerced, plain_numbers: reader.plain_numbers })
}

/// Whether a fence opens right before the value, and the texts without its marks.
fn opened<'a>(before: &'a str, after: &'a str) -> (bool, &'a str, &'a str) {
    let Some((left, language)) = before.rsplit_once("```") else { return (false, before, after) };
    if !language.trim().chars().all(|c| c.is_ascii_alphanumeric()) {
        return (false, before, after);
    }
    match after.trim_start().strip_prefix("```") {
        Some(after) => (true, left, after),
        None => (false, before, after),
    }
}

/// What stands in the one code fence around all of a text.
fn fence(text: &str) -> Option<&str> {
    let (language, rest) = text.strip_prefix("```")?.split_once('\n')?;
    let inside = rest.trim_end().strip_suffix("```")?;
    let plain = language.trim().chars().all(|c| c.is_ascii_alphanumeric());
    (plain && !inside.contains("```")).then(|| inside.trim())
}

fn near(text: &str) -> String {
    text.trim().chars().take(20).collect()
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    coerced: Vec<Coerced>,
    plain_numbers: bool,
}

impl<'a> Reader<'a> {
    fn new(text: &'a str) -> Reader<'a> {
        Reader { text, at: 0, coerced: Vec::new(), plain_numbers: true }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    fn eat(&mut self, wanted: char) -> bool {
        let there = self.peek() == Some(wanted);
        self.at += if there { wanted.len_utf8() } else { 0 };
        there
    }

    fn ended(&mut self) -> Result<(), Unreadable> {
        self.blanks();
        if self.rest().is_empty() { Ok(()) } else { Err(self.wrong()) }
    }

    /// What stands here is no JSON; or nothing stands here.
    fn wrong(&self) -> Unreadable {
        if self.rest().trim().is_empty() {
            return Unreadable::CutOff;
        }
        let before = &self.text[..self.at];
        let line = before.matches('\n').count() + 1;
        let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
        Unreadable::NoJson(format!("`{}` at line {line} column {column}", near(self.rest())))
    }

    fn tell(&mut self, at: &str, how: Syntax) {
        let one = Coerced::syntax(at, how);
        if !self.coerced.contains(&one) {
            self.coerced.push(one);
        }
    }

    fn value(&mut self, at: &mut String, depth: usize) -> Result<Value, Unreadable> {
        if depth > MAX_DEPTH {
            return Err(Unreadable::NoJson(format!("it is nested more than {MAX_DEPTH} deep")));
        }
        self.blanks();
        match self.peek() {
            Some('{') => self.map(at, depth),
            Some('[') => self.list(at, depth),
            Some(quote @ ('"' | '\'')) => {
                let text = self.quoted(quote, at)?;
                Ok(Value::text(text))
            }
            Some('-' | '0'..='9') => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.word(at),
            _ => Err(self.wrong()),
        }
    }

    fn map(&mut self, at: &mut String, depth: usize) -> Result<Value, Unreadable> {
        self.at += 1;
        let mut map = Map::new();
        loop {
            self.blanks();
            if self.eat('}') {
                return Ok(Value::Map(map.into()));
            }
            let (key, bare) = self.key(at)?;
            let long = at.len();
            at.push('/');
            at.push_str(&escape(&key));
            if let Some(how) = bare {
                self.tell(at, how);
            }
            self.blanks();
            if !self.eat(':') {
                return Err(self.wrong());
            }
            let value = self.value(at, depth + 1)?;
            at.truncate(long);
            if map.insert(Arc::from(key.as_str()), value).is_some() {
                return Err(Unreadable::TwoReadings(format!("the key `{key}` stands twice")));
            }
            self.blanks();
            if self.eat(',') {
                self.blanks();
                if self.peek() == Some('}') {
                    self.tell(at, Syntax::TrailingComma);
                }
            } else if self.peek() != Some('}') {
                return Err(self.wrong());
            }
        }
    }

    fn list(&mut self, at: &mut String, depth: usize) -> Result<Value, Unreadable> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.blanks();
            if self.eat(']') {
                return Ok(Value::list(items));
            }
            let long = at.len();
            at.push_str(&format!("/{}", items.len()));
            items.push(self.value(at, depth + 1)?);
            at.truncate(long);
            self.blanks();
            if self.eat(',') {
                self.blanks();
                if self.peek() == Some(']') {
                    self.tell(at, Syntax::TrailingComma);
                }
            } else if self.peek() != Some(']') {
                return Err(self.wrong());
            }
        }
    }

    fn key(&mut self, at: &str) -> Result<(String, Option<Syntax>), Unreadable> {
        match self.peek() {
            Some('"') => Ok((self.quoted('"', at)?, None)),
            Some('\'') => {
                // Told at the key's own place.
                let before = self.coerced.len();
                let key = self.quoted('\'', at)?;
                self.coerced.truncate(before);
                Ok((key, Some(Syntax::SingleQuotes)))
            }
            Some(c) if c.is_ascii_alphabetic() || c == '_' || c == '$' => {
                let rest = self.rest();
                let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_$-".contains(c))).unwrap_or(rest.len());
                self.at += end;
                Ok((rest[..end].to_owned(), Some(Syntax::UnquotedKey)))
            }
            _ => Err(self.wrong()),
        }
    }

    fn quoted(&mut self, quote: char, at: &str) -> Result<String, Unreadable> {
        let start = self.at;
        self.at += 1;
        let mut escaped = false;
        let end = self.rest().char_indices().find(|(_, c)| {
            let ends = *c == quote && !escaped;
            escaped = *c == '\\' && !escaped;
            ends
        });
        let Some((end, _)) = end else { return Err(Unreadable::CutOff) };
        let inside = &self.rest()[..end];
        let json = match quote {
            '"' => format!("\"{inside}\""),
            _ => format!("\"{}\"", requoted(inside)),
        };
        let Ok(text) = serde_json::from_str(&json) else {
            self.at = start;
            return Err(self.wrong());
        };
        self.at += end + 1;
        if quote == '\'' {
            // An apostrophe inside would end it early: what follows a text must be able to follow one.
            let rest = self.rest().trim_start();
            if !rest.is_empty() && !rest.starts_with([',', ':', '}', ']']) {
                return Err(self.wrong());
            }
            self.tell(at, Syntax::SingleQuotes);
        }
        Ok(text)
    }

    fn number(&mut self) -> Result<Value, Unreadable> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "+-._".contains(c))).unwrap_or(rest.len());
        let digits = &rest[..end];
        if end == rest.len() && digits.ends_with(['.', 'e', 'E', '-', '+']) {
            return Err(Unreadable::CutOff);
        }
        let value = Value::from_json(digits.as_bytes()).map_err(|_| self.wrong())?;
        self.plain_numbers &= value.to_json() == digits;
        self.at += end;
        Ok(value)
    }

    fn word(&mut self, at: &str) -> Result<Value, Unreadable> {
        let rest = self.rest();
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (value, python) = match &rest[..end] {
            "true" => (true.into(), false),
            "false" => (false.into(), false),
            "null" => (Value::Null, false),
            "True" => (true.into(), true),
            "False" => (false.into(), true),
            "None" => (Value::Null, true),
            cut if end == rest.len()
                && ["true", "false", "null", "True", "False", "None"].iter().any(|word| word.starts_with(cut)) =>
            {
                return Err(Unreadable::CutOff);
            }
            _ => return Err(self.wrong()),
        };
        if python {
            self.tell(at, Syntax::PythonLiteral);
        }
        self.at += end;
        Ok(value)
    }
}

/// What stands between single quotes, as it stands between double ones.
fn requoted(inside: &str) -> String {
    let mut out = String::with_capacity(inside.len() + 2);
    let mut chars = inside.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('\'') => out.push('\''),
                Some(other) => out.extend(['\\', other]),
                None => out.push('\\'),
            },
            '"' => out.push_str("\\\""),
            other => out.push(other),
        }
    }
    out
}
