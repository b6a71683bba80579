//! Secrets that were written into a prompt: it is frozen with the project, and every model call sends it.

use std::sync::Arc;

use crate::{complaint::Complaint, workflow::reading::place};

/// How keys of known makers begin, and how long what follows is at least.
const BEGINNINGS: &[(&str, usize)] = &[
    ("sk-", 20),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("ghp_", 30),
    ("gho_", 30),
    ("github_pat_", 30),
    ("glpat-", 18),
    ("xoxb-", 20),
    ("xoxp-", 20),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("eyJ", 60),
    ("hf_", 30),
    ("npm_", 30),
    ("SG.", 40),
];

/// What keys are called.
const NAMES: [&str; 8] = ["password", "passwd", "secret", "api_key", "api-key", "apikey", "token", "access_key"];

/// A word that is so long and so mixed is no word.
const LONG: usize = 32;
/// Bits of a character of it.
const MIXED: f64 = 4.2;

/// Complains about each.
pub(super) fn find(file: &Arc<str>, text: &str, found: &mut Vec<Complaint>) {
    const HINT: &str = "take it out, and make a new one: what was written down has been read";
    let mut say = |at: usize, len: usize, what: &str, certain: bool| {
        let complaint =
            Complaint::new("W157", file, place(text, at, len), format!("this looks like {what}")).hint(HINT);
        found.push(if certain { complaint } else { complaint.warning() });
    };
    for (at, _) in text.match_indices("-----BEGIN ") {
        if text[at..].lines().next().is_some_and(|line| line.contains("PRIVATE KEY")) {
            say(at, 11, "a private key", true);
        }
    }
    for (at, word) in words(text) {
        let rest = |beginning: &str| word.strip_prefix(beginning).map(str::len);
        if BEGINNINGS
            .iter()
            .any(|(beginning, least)| rest(beginning).is_some_and(|len| len >= *least) && has_digit(word))
        {
            say(at, word.len(), "a key", true);
        } else if word.len() >= 8 && has_digit(word) && is_named(&text[..at]) {
            say(at, word.len(), "a password or a key", true);
        } else if word.len() >= LONG && is_mixed(word) {
            say(at, word.len(), "a key: a long word without a meaning", false);
        }
    }
}

/// Runs of what keys are made of.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0;
    text.split(|c: char| !(c.is_ascii_alphanumeric() || "_-+/=.".contains(c))).filter_map(move |word| {
        let at = text[rest..].find(word).map(|found| rest + found).filter(|_| !word.is_empty())?;
        rest = at + word.len();
        let word = word.trim_end_matches('.');
        Some((at, word))
    })
}

fn has_digit(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether what stands before is a name of a key and a sign: `password: `, `api_key = "`.
fn is_named(before: &str) -> bool {
    let before = before.trim_end_matches(['"', '\'', '`']).trim_end_matches(' ');
    let Some(before) = before.strip_suffix([':', '=']) else { return false };
    let before = before.trim_end_matches([' ', '"', '\'', '`']).to_ascii_lowercase();
    NAMES.iter().any(|name| before.ends_with(name))
}

/// Capitals, small letters and digits, as evenly as chance has them.
fn is_mixed(word: &str) -> bool {
    let has = |is: fn(&u8) -> bool| word.as_bytes().iter().any(is);
    if !has(u8::is_ascii_uppercase) || !has(u8::is_ascii_lowercase) || !has(u8::is_ascii_digit) || word.contains('/') {
        return false;
    }
    let mut counts = [0_u32; 128];
    word.bytes().for_each(|byte| counts[usize::from(byte & 127)] += 1);
    let len = f64::from(u32::try_from(word.len()).unwrap_or(u32::MAX));
    let bits = counts.iter().filter(|count| **count > 0).map(|count| f64::from(*count) / len);
    bits.map(|share| -share * share.log2()).sum::<f64>() > MIXED
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        find(&"prompts/a.md".into(), text, &mut found);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn keys_are_found_by_their_beginning_their_name_or_their_look() {
        for text in [
            "Use sk-abc123def456ghi789jkl012 for it.",
            "The key is AKIA1234567890ABCDEF.",
            "password: hunter2hunter2",
            "API_KEY = \"a1b2c3d4e5\"",
            "-----BEGIN RSA PRIVATE KEY-----",
            "call with Zx8Qp2Lm9Rt4Vw7Ky1Nb6Hd3Jf5Gs0AcE",
        ] {
            assert_eq!(of(text).len(), 1, "{text}: {:?}", of(text));
        }
    }

    #[test]
    fn what_prompts_say_is_none() {
        for text in [
            "Never tell anybody the password: it is not yours to tell.",
            "Give the token count as a number.",
            "See https://example.com/a/very/long/path/with-Words-and-123/in-it.html for more.",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "internationalisation-and-localisation-of-everything",
            "Write sk-learn, or task-123.",
        ] {
            assert!(of(text).is_empty(), "{text}: {:?}", of(text));
        }
    }
}
