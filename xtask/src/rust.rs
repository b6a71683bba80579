//! Just enough Rust to look at code without its comments and texts.

/// The code alone: comments and the insides of string and character literals become spaces; lines stay where they are.
pub fn code_only(source: &str) -> String {
    blank(source, false)
}

/// Code and texts: only the comments become spaces.
pub fn without_comments(source: &str) -> String {
    blank(source, true)
}

fn blank(source: &str, keep_texts: bool) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let push = |out: &mut String, c: char, keep: bool| out.push(if keep || c == '\n' { c } else { ' ' });
    let mut at = 0;
    while at < chars.len() {
        let rest = &chars[at..];
        let before_word = at == 0 || !(chars[at - 1].is_alphanumeric() || chars[at - 1] == '_');
        let (length, keep) = if rest.starts_with(&['/', '/']) {
            (rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with(&['/', '*']) {
            (block_comment(rest), false)
        } else if let Some(length) = before_word.then(|| raw_text(rest)).flatten() {
            (length, keep_texts)
        } else if rest[0] == '"' {
            (quoted(rest, '"'), keep_texts)
        } else if rest[0] == '\'' && is_char_literal(rest) {
            (quoted(rest, '\''), keep_texts)
        } else {
            (1, true)
        };
        rest[..length].iter().for_each(|c| push(&mut out, *c, keep));
        at += length;
    }
    out
}

/// Block comments nest.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with(&['/', '*']) {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with(&['*', '/']) {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, `br#"…"#`, `cr"…"`.
fn raw_text(rest: &[char]) -> Option<usize> {
    let mut at = usize::from(matches!(rest[0], 'b' | 'c'));
    if rest.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let hashes = rest[at..].iter().take_while(|c| **c == '#').count();
    at += hashes;
    if rest.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < rest.len() {
        if rest[at] == '"' && rest[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(rest.len())
}

fn quoted(rest: &[char], quote: char) -> usize {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    rest.len()
}

/// `'a'` and `'\n'` are literals; `'a` is a lifetime.
fn is_char_literal(rest: &[char]) -> bool {
    rest.get(1) == Some(&'\\') || rest.get(2) == Some(&'\'')
}

/// The words of a text with the line they stand on: identifiers are cut at `_` and where a capital follows a small letter.
pub fn words(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let mut word = String::new();
        let mut before = ' ';
        for c in line.chars().chain([' ']) {
            let cut = !c.is_alphabetic() || (c.is_uppercase() && before.is_lowercase());
            if cut && !word.is_empty() {
                found.push((number + 1, std::mem::take(&mut word)));
            }
            if c.is_alphabetic() {
                word.extend(c.to_lowercase());
            }
            before = c;
        }
    }
    found
}

/// The identifiers of a code text, with the line they stand on.
pub fn identifiers(code: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let cuts = line.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|part| !part.is_empty());
        found.extend(cuts.map(|part| (number + 1, part)));
    }
    found
}

/// The first names after `std::` in a code text, groups opened: `use std::{fs, io::Read}` gives `fs` and `io`.
pub fn std_modules(code: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("std::") {
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let line = 1 + code[..at].matches('\n').count();
        let rest = &code[at + "std::".len()..];
        let Some(group) = rest.trim_start().strip_prefix('{') else {
            found.push((line, rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()));
            continue;
        };
        let (mut depth, mut name) = (1, Some(String::new()));
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 1 && (c.is_alphanumeric() || c == '_') {
                if let Some(name) = &mut name {
                    name.push(c);
                }
            } else if !c.is_whitespace() {
                if let Some(name) = name.take().filter(|name| !name.is_empty()) {
                    found.push((line, name));
                }
                if depth == 1 && c == ',' {
                    name = Some(String::new());
                }
            }
            if depth == 0 {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_texts_become_blank_and_lines_stay() {
        let source = "let a = \"x // y\"; // todo!()\n/* a /* b */ c */ let r = r#\"dbg!(\"1\")\"#; let c = '\"'; fn f<'a>() {}\n";
        let code = code_only(source);
        assert_eq!(code.lines().count(), 2);
        assert!(!code.contains("todo") && !code.contains("dbg") && !code.contains('y'));
        assert!(code.contains("let r = ") && code.contains("fn f<'a>() {}"));
        assert!(without_comments(source).contains("dbg!(\"1\")"));
    }

    #[test]
    fn words_are_cut_out_of_identifiers() {
        let words: Vec<String> = words("fn read_HttpPage2x() misleading").into_iter().map(|(_, word)| word).collect();
        assert_eq!(words, ["fn", "read", "http", "page", "x", "misleading"]);
    }

    #[test]
    fn groups_of_std_are_opened() {
        let found: Vec<String> = std_modules("use std::{fmt, io::{self, Read}, fs};\nstd::net::x; mystd::env")
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(found, ["fmt", "io", "fs", "net"]);
    }
}
