//! Lists of words, and what each word stands for.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    complaint::{Complaint, Complaints, Place, did_you_mean},
    types::Type,
    values::Value,
    workflow::project::Sources,
    yaml::{self, Kind, Node},
};

use super::kind::plain;

/// The most words of one lexicon.
const MOST_WORDS: usize = 5000;

/// Words, each with what it stands for: in a list, the word as the list writes it.
#[derive(Debug, Default)]
pub(super) struct Lexicon {
    /// As written, longest first.
    pub words: Vec<Arc<str>>,
    meaning: BTreeMap<String, Value>,
}

impl Lexicon {
    /// What stands under a name of `lexicons:`: a list, a map, or the path of a file in `lexicons/`.
    pub(super) fn read(node: &Node, sources: &Sources, complaints: &mut Complaints) -> Option<Lexicon> {
        let path = match &node.kind {
            Kind::Scalar { text, .. } => text,
            _ => return Lexicon::of_node(node, complaints),
        };
        if !path.starts_with("lexicons/") {
            complaints.push(node.expected("a list, a map, or a file in lexicons/"));
            return None;
        }
        let Some(text) = sources.get(path) else {
            let files = sources.files.keys().map(|path| &**path).filter(|path| path.starts_with("lexicons/"));
            let hint = did_you_mean(path, files.collect::<Vec<_>>());
            complaints.push(node.complaint("W012", format!("the project has no file `{path}`")).or_hint(hint));
            return None;
        };
        if path.ends_with(".txt") {
            return Lexicon::of_lines(path, text, complaints);
        }
        let inner = complaints.take(yaml::parse(path, text))?;
        Lexicon::of_node(&inner, complaints)
    }

    fn of_node(node: &Node, complaints: &mut Complaints) -> Option<Lexicon> {
        let mut lexicon = Lexicon::default();
        match &node.kind {
            Kind::List(items) => {
                for item in items {
                    let word = item.text(complaints)?;
                    lexicon.add(&word, Value::Text(word.clone()), || item.clone(), complaints)?;
                }
            }
            Kind::Map(entries) => {
                for (key, value) in entries {
                    // `DE: [Germany, Deutschland]` says several words for one value.
                    if let Kind::List(items) = &value.kind {
                        for item in items {
                            let word = item.text(complaints)?;
                            lexicon.add(&word, Value::Text(key.text.clone()), || item.clone(), complaints)?;
                        }
                        continue;
                    }
                    let meaning = complaints.take(value.to_value())?;
                    lexicon.add(&key.text, meaning, || value.clone(), complaints)?;
                }
            }
            Kind::Scalar { .. } => {
                complaints.push(node.expected("a list or a map of words"));
                return None;
            }
        }
        lexicon.finish(|message| node.complaint("W004", message), complaints)
    }

    /// One word a line; empty lines and lines that begin with `#` are for people.
    fn of_lines(path: &Arc<str>, text: &str, complaints: &mut Complaints) -> Option<Lexicon> {
        let mut lexicon = Lexicon::default();
        for (number, line) in (1..).zip(text.lines()) {
            let word = line.trim();
            if word.is_empty() || word.starts_with('#') {
                continue;
            }
            if !lexicon.insert(word, Value::text(word)) {
                let at = Place { line: number, column: 1, len: 1 };
                complaints.push(Complaint::new("Y005", path, at, format!("the word `{word}` stands twice")));
            }
        }
        lexicon.finish(|message| Complaint::new("W004", path, None, message), complaints)
    }

    fn add(&mut self, word: &str, meaning: Value, at: impl Fn() -> Node, complaints: &mut Complaints) -> Option<()> {
        if plain(word).is_empty() {
            complaints.push(at().expected("a word"));
            return None;
        }
        if !self.insert(word, meaning) {
            complaints.push(at().complaint("Y005", format!("the word `{word}` stands twice")));
        }
        Some(())
    }

    fn insert(&mut self, word: &str, meaning: Value) -> bool {
        self.words.push(plain(word).into());
        self.meaning.insert(plain(word).to_lowercase(), meaning).is_none()
    }

    fn finish(mut self, complain: impl Fn(String) -> Complaint, complaints: &mut Complaints) -> Option<Lexicon> {
        if self.words.is_empty() || self.words.len() > MOST_WORDS {
            let message = format!("a lexicon has 1 to {MOST_WORDS} words, and this one has {}", self.words.len());
            complaints.push(complain(message));
            return None;
        }
        // The first alternative that fits counts, so `New York City` must be tried before `New York`.
        self.words.sort_by(|a, b| (b.len(), a).cmp(&(a.len(), b)));
        Some(self)
    }

    /// What a word stands for, however it is written: case and white space do not count.
    pub(super) fn get(&self, word: &str) -> Option<&Value> {
        self.meaning.get(&plain(word).to_lowercase())
    }

    pub(super) fn ty(&self) -> Type {
        self.meaning.values().map(Type::of).reduce(Type::join).unwrap_or(Type::Any)
    }
}
