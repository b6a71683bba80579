//! Countries by the names that pages use for them.

use std::{collections::BTreeMap, sync::LazyLock};

/// Code to names, in the order of the file.
static COUNTRIES: LazyLock<BTreeMap<&'static str, Vec<&'static str>>> = LazyLock::new(|| {
    // The file is one of the project's lexicons; a line of it is `DE: [Germany, Deutschland]`.
    let lines = include_str!("../lexicons/countries.yaml").lines().filter(|line| !line.starts_with('#'));
    let plain = |text: &'static str| text.trim().trim_matches(['"', '[', ']']);
    let names = |names: &'static str| plain(names).split(',').map(plain).collect();
    lines.filter_map(|line| line.split_once(':')).map(|(code, list)| (plain(code), names(list))).collect()
});

/// Whether there is a country of that code in our table.
pub fn is_code(code: &str) -> bool {
    COUNTRIES.contains_key(code)
}

/// The code of a country that is written as a code or by one of its names.
pub fn code(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let upper = text.to_uppercase();
    COUNTRIES.iter().find_map(|(code, names)| {
        (*code == upper || names.iter().any(|name| name.eq_ignore_ascii_case(text))).then_some(*code)
    })
}

/// Whether `text` names the country of `code`: a whole word, and in its own case if it is short.
pub fn names(code: &str, text: &str) -> bool {
    let Some(names) = COUNTRIES.get(code) else { return false };
    let lower = text.to_lowercase();
    names.iter().any(|name| match name.len() <= 4 {
        true => has_word(text, name),
        false => has_word(&lower, &name.to_lowercase()),
    })
}

fn has_word(text: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(word)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_words() {
        assert!(names("US", "Austin, TX, USA") && names("GB", "London, england") && names("DE", "in Deutschland"));
        assert!(!names("US", "join us today") && !names("OM", "Rome") && !names("IN", "Indiana"));
        assert_eq!((code("germany"), code("fr"), code("Narnia")), (Some("DE"), Some("FR"), None));
    }
}
