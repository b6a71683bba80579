//! The words of a list of labels, and what each does where it is declared.

use std::{collections::BTreeSet, sync::Arc};

use super::{BUILT_IN, Origin, PRIVATE, PUBLIC, SECRET, TRUSTED, UNTRUSTED};
use crate::{
    complaint::{Complaints, nearest},
    yaml::{Kind, Node},
};

/// Where a list of labels stands, which says what may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WordsOf {
    /// `x-labels` of a schema.
    Schema,
    /// `returns.labels` of an operation: also `inherit`.
    Returns,
    /// `labels` of an item of `see`: nothing that takes away.
    See,
}

/// A list of labels, as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words {
    /// The labels.
    pub words: BTreeSet<Arc<str>>,
    /// `inherit`: what the arguments carry is carried as well.
    pub inherit: bool,
}

/// The longest label, in characters.
const MAX: usize = 60;

impl Words {
    /// Reads a list of labels, or one label.
    pub(crate) fn read(node: &Node, place: WordsOf, complaints: &mut Complaints) -> Option<Words> {
        let items = match &node.kind {
            Kind::List(items) => items.as_slice(),
            Kind::Scalar { .. } => std::slice::from_ref(node),
            Kind::Map(_) => {
                complaints.push(node.expected("a list of labels, such as `[private]`"));
                return None;
            }
        };
        let mut read = Words::default();
        let mut fine = true;
        for item in items {
            let Some(word) = item.text(complaints) else {
                fine = false;
                continue;
            };
            if place == WordsOf::Returns && &*word == "inherit" {
                read.inherit = true;
            } else if let Err((id, why, hint)) = possible(&word, place) {
                complaints.push(item.complaint(id, why).or_hint(hint));
                fine = false;
            } else {
                read.words.insert(word);
            }
        }
        for (one, other) in [(TRUSTED, UNTRUSTED), (PUBLIC, PRIVATE), (PUBLIC, SECRET)] {
            if read.words.contains(one) && read.words.contains(other) {
                let message = format!("a value cannot be `{one}` and `{other}` at once");
                complaints.push(node.complaint("W080", message));
                fine = false;
            }
        }
        fine.then_some(read)
    }

    /// What a value carries that came in with `base` and is declared with these words at `source`.
    pub(super) fn applied(&self, base: &Origin, source: &str) -> Origin {
        let (labels, away) = effect(self.words.iter().map(|word| &**word));
        let mut origin = base.clone();
        origin.labels.retain(|label, _| !away.iter().any(|word| **label == **word || is_kind(label, word)));
        if away.contains(UNTRUSTED) {
            origin.tied.clear();
        }
        labels.iter().for_each(|label| origin.join(&Origin::of(label, source)));
        origin
    }
}

/// What a list of words adds and what it takes away. What is declared to be there is not taken away by its opposite.
pub(super) fn effect<'w>(words: impl Iterator<Item = &'w str>) -> (BTreeSet<&'w str>, BTreeSet<&'static str>) {
    let (mut labels, mut away) = (BTreeSet::new(), BTreeSet::new());
    for word in words {
        match word {
            TRUSTED => {
                away.insert(UNTRUSTED);
            }
            PUBLIC => away.extend([PRIVATE, SECRET]),
            _ => {
                labels.insert(word);
                // `private:health` is private, and so is what is secret.
                let head = word.split(':').next().unwrap_or(word);
                labels.insert(head);
                if head == SECRET {
                    labels.insert(PRIVATE);
                }
            }
        }
    }
    (labels, away)
}

fn is_kind(label: &str, head: &str) -> bool {
    label.strip_prefix(head).is_some_and(|rest| rest.starts_with(':'))
}

type Wrong = (&'static str, String, Option<String>);

fn possible(word: &str, place: WordsOf) -> Result<(), Wrong> {
    let head = word.split(':').next().unwrap_or(word);
    if place == WordsOf::See && [TRUSTED, PUBLIC].contains(&head) {
        let message = format!("`see` may add a label, and `{head}` would take one away");
        let hint = match head {
            TRUSTED => "a field of the answer becomes trusted by `trust:` on the step",
            _ => "declare it where the data comes in: `x-labels` in its schema, `returns.labels` of its operation",
        };
        return Err(("W080", message, Some(hint.to_owned())));
    }
    if word != head && [TRUSTED, PUBLIC].contains(&head) {
        return Err(("W080", format!("`{head}` has no kinds: write `{head}` alone"), None));
    }
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
    let parts = || word.split(':');
    if word.len() > MAX || parts().count() > 2 || !parts().all(|part| !part.is_empty() && part.chars().all(fits)) {
        let message = format!("`{}` cannot be a label", crate::yaml::cut(word, MAX));
        let hint = "use lower-case letters, digits, `_` and `-`, as in `private` or `private:health`";
        return Err(("W080", message, Some(hint.to_owned())));
    }
    let inherit = (place == WordsOf::Returns).then_some("inherit");
    if BUILT_IN.contains(&head) {
        return Ok(());
    }
    match nearest(head, BUILT_IN.into_iter().chain(inherit)) {
        // `private_notes` is a word of its own.
        Some(meant) if !head.starts_with(&format!("{meant}_")) && !head.starts_with(&format!("{meant}-")) => {
            let message = format!("`{head}` is no label of ours and looks like one");
            Err(("W080", message, Some(format!("did you mean `{meant}`?"))))
        }
        _ => Ok(()),
    }
}
