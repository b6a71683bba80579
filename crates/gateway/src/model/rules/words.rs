//! `words:`: many words and phrases, each with a number, looked up word by word.
//!
//! A lexicon is a pattern: of what overlaps it finds one, and it is built anew for each use. Here every word and every phrase counts, which
//! is what weights that were fitted on data want, and a text of a thousand words costs a few thousand look-ups, however long the list is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::{
    complaint::{Complaint, Complaints, did_you_mean},
    yaml::{self, Key, Kind, Node},
};

use super::read::Reader;

/// The most entries of one list.
const MOST_WORDS: usize = 20_000;
/// The most words of one entry.
const MOST_IN_A_PHRASE: usize = 4;

/// Numbers by word or phrase, in lower case with one space between words.
#[derive(Debug)]
pub(super) struct Words {
    worth: BTreeMap<String, f64>,
    /// The words of the longest phrase.
    longest: usize,
}

impl Words {
    /// What stands under `words`: a map, or the path of a file in `lexicons/` that holds one.
    pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Words> {
        let sources = reader.sources;
        let complaints = &mut reader.complaints;
        let path = match &node.kind {
            Kind::Scalar { text, .. } => text,
            _ => return Words::of(node, node, complaints),
        };
        if !(path.starts_with("lexicons/") && path.ends_with(".yaml")) {
            complaints.push(node.expected("a map of words to numbers, or a .yaml file in lexicons/ that holds one"));
            return None;
        }
        let Some(text) = sources.get(path) else {
            let files = sources.files.keys().map(|path| &**path).filter(|path| path.starts_with("lexicons/"));
            let hint = did_you_mean(path, files.collect::<Vec<_>>());
            complaints.push(node.complaint("W012", format!("the project has no file `{path}`")).or_hint(hint));
            return None;
        };
        let inner = complaints.take(yaml::parse(path, text))?;
        Words::of(&inner, node, complaints)
    }

    fn of(map: &Node, at: &Node, complaints: &mut Complaints) -> Option<Words> {
        let Kind::Map(entries) = &map.kind else {
            complaints.push(map.expected("a map of words to numbers"));
            return None;
        };
        if entries.is_empty() || entries.len() > MOST_WORDS {
            let message = format!("`words` has 1 to {MOST_WORDS} entries, and this one has {}", entries.len());
            complaints.push(at.complaint("W004", message));
            return None;
        }
        let mut words = Words { worth: BTreeMap::new(), longest: 1 };
        for (key, value) in entries {
            let phrase = words_of(&key.text);
            let complain = |id, message: String| Complaint::new(id, &value.file, key.span, message);
            // Only what a text can give is ever found: `re-send` would be two words.
            if phrase.is_empty() || phrase.len() > MOST_IN_A_PHRASE || phrase.join(" ") != folded(key) {
                let message = format!(
                    "`{}` is not 1 to {MOST_IN_A_PHRASE} words of letters, digits and apostrophes, with a space between them",
                    key.text
                );
                complaints.push(complain("W004", message));
                continue;
            }
            words.longest = words.longest.max(phrase.len());
            if let Some(number) = value.number(complaints)
                && words.worth.insert(phrase.join(" "), number).is_some()
            {
                complaints.push(complain("Y005", format!("the word `{}` stands twice", key.text)));
            }
        }
        Some(words)
    }

    /// The sum over the entries that stand in the texts, each counted once; and those that add to it, the weightiest first.
    pub(super) fn sum(&self, texts: &[&str]) -> (f64, Vec<&str>) {
        let mut found: BTreeSet<&str> = BTreeSet::new();
        for text in texts {
            let words = words_of(text);
            for from in 0..words.len() {
                for to in from + 1..=(from + self.longest).min(words.len()) {
                    found.extend(
                        self.worth.get_key_value(&words[from..to].join(" ")).map(|(phrase, _)| phrase.as_str()),
                    );
                }
            }
        }
        let sum = found.iter().map(|phrase| self.worth[*phrase]).sum();
        let mut told: Vec<&str> = found.into_iter().filter(|phrase| self.worth[*phrase] > 0.0).collect();
        told.sort_by(|a, b| self.worth[*b].total_cmp(&self.worth[*a]));
        (sum, told)
    }
}

fn folded(key: &Key) -> String {
    key.text.to_lowercase().replace('’', "'")
}

/// The words of a text, in lower case: runs of letters and digits, with apostrophes inside. What stands between words does not count.
///
/// This is what `words:` looks up, so weights that are fitted elsewhere must take a text apart in the same way.
pub fn words_of(text: &str) -> Vec<Arc<str>> {
    let text = text.to_lowercase().replace('’', "'");
    let parts = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
    parts.map(|word| word.trim_matches('\'')).filter(|word| !word.is_empty()).map(Arc::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_into_words() {
        let words: Vec<Arc<str>> = words_of("Don’t 're-send' it: 'TIS £3.50, naïve\nUser's ' …");
        assert_eq!(words.join("|"), "don't|re|send|it|tis|3|50|naïve|user's");
    }
}
