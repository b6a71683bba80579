//! Maps with known keys: what every file of ours is made of.

use std::sync::Arc;

use super::{Key, Kind, Node, SPLIT, cut, plain::unbalanced};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    values::Span,
};

/// A map with known keys.
#[derive(Clone, Copy, Debug)]
pub struct Fields<'a> {
    /// What the map describes, with its article: "a step".
    pub what: &'static str,
    /// The map itself.
    pub node: &'a Node,
    entries: &'a [(Key, Node)],
}

impl<'a> Fields<'a> {
    /// Opens a map. Keys that are in neither list, and keys of `later` (documented, not built yet), are complained about.
    /// `None` only if it is no map at all.
    pub fn new(
        node: &'a Node,
        what: &'static str,
        known: &[&str],
        later: &[&str],
        complaints: &mut Complaints,
    ) -> Option<Fields<'a>> {
        let Kind::Map(entries) = &node.kind else {
            complaints.push(node.expected(&format!("{what} (a map)")));
            return None;
        };
        for (key, value) in entries {
            let word = &*key.text;
            if known.contains(&word) {
                continue;
            }
            if later.contains(&word) {
                let message = format!("`{word}` in {what} is not supported yet");
                complaints.push(Complaint::new("W002", &node.file, key.span, message));
                continue;
            }
            let split = (value.flow && unbalanced(word)).then(|| SPLIT.to_owned());
            let hint = split.or_else(|| did_you_mean(word, known.iter().chain(later).copied()));
            let message = format!("unknown key `{}` in {what}", cut(word, 60));
            complaints.push(Complaint::new("W001", &node.file, key.span, message).or_hint(hint));
        }
        Some(Fields { what, node, entries })
    }

    /// What stands under `key`.
    pub fn get(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(name, _)| &*name.text == key).map(|(_, node)| node)
    }

    /// `key` itself, for a complaint about it.
    pub fn key(&self, key: &str) -> Option<&'a Key> {
        self.entries.iter().find(|(name, _)| &*name.text == key).map(|(name, _)| name)
    }

    /// Whether `key` stands there.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// All entries, in the order written.
    pub fn entries(&self) -> &'a [(Key, Node)] {
        self.entries
    }

    /// What stands under `key`, which must be there.
    pub fn required(&self, key: &str, complaints: &mut Complaints) -> Option<&'a Node> {
        let found = self.get(key);
        if found.is_none() {
            complaints.push(self.node.complaint("W003", format!("{} needs `{key}`", self.what)));
        }
        found
    }

    /// The text under `key`, which must be there.
    pub fn text(&self, key: &str, complaints: &mut Complaints) -> Option<Arc<str>> {
        self.required(key, complaints)?.text(complaints)
    }

    /// The text under `key`, if it is there.
    pub fn opt_text(&self, key: &str, complaints: &mut Complaints) -> Option<Arc<str>> {
        self.get(key)?.text(complaints)
    }

    /// True or false under `key`; `default` if it is not there.
    pub fn bool(&self, key: &str, default: bool, complaints: &mut Complaints) -> bool {
        self.get(key).and_then(|node| node.bool(complaints)).unwrap_or(default)
    }

    /// The whole number under `key`, if it is there.
    pub fn int(&self, key: &str, min: i64, max: i64, complaints: &mut Complaints) -> Option<i64> {
        self.get(key)?.int(min, max, complaints)
    }

    /// The length of time under `key`, if it is there.
    pub fn time(&self, key: &str, complaints: &mut Complaints) -> Option<Span> {
        self.get(key)?.time(complaints)
    }

    /// The items under `key`; none if it is not there.
    pub fn list(&self, key: &str, complaints: &mut Complaints) -> &'a [Node] {
        self.get(key).and_then(|node| node.list(complaints)).unwrap_or_default()
    }

    /// The entries of the map under `key`; none if it is not there.
    pub fn map(&self, key: &str, complaints: &mut Complaints) -> &'a [(Key, Node)] {
        self.get(key).and_then(|node| node.map(complaints)).unwrap_or_default()
    }

    /// One of a few words under `key`, if it is there.
    pub fn one_of<'w>(&self, key: &str, words: &[&'w str], complaints: &mut Complaints) -> Option<&'w str> {
        self.get(key)?.one_of(words, complaints)
    }
}
