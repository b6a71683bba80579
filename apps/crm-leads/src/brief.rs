//! The brief: what the analyst may see, and whether what it wrote rests on it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{claim::Claim, verify::numbers};

/// A claim as the analyst sees it: no page's words, only what was accepted of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// Its id.
    pub id: String,
    /// Its field.
    pub field: String,
    /// Its value as a text.
    pub value: String,
    /// How sure it is.
    pub confidence: f64,
}

/// A claim that may as well be wrong is no ground for a sentence.
const FLOOR: f64 = 0.5;

/// What the analyst may see of the claims. Descriptions are not among it: a long text that a page wrote could carry words into a model that
/// no page may speak to. Short values (a city, a title of a job) do come from pages.
pub fn shown(claims: &[Claim]) -> Vec<Shown> {
    let accepted = claims.iter().filter(|claim| claim.confidence >= FLOOR && claim.conflicts.is_empty());
    let closed = accepted.filter(|claim| claim.field != crate::claim::Field::Description);
    closed
        .map(|claim| Shown {
            id: claim.id.clone(),
            field: claim.field.to_string(),
            value: spoken(&claim.value),
            confidence: claim.confidence,
        })
        .collect()
}

/// A value as people say it.
pub fn spoken(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(spoken).collect::<Vec<_>>().join(", "),
        Value::Object(range) => match (range.get("min"), range.get("max")) {
            (Some(min), Some(max)) if min == max => min.to_string(),
            (Some(min), Some(Value::Null) | None) => format!("{min} or more"),
            (Some(min), Some(max)) => format!("{min} to {max}"),
            _ => value.to_string(),
        },
        value => value.to_string(),
    }
}

/// A sentence of the brief.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sentence {
    /// At most 240 characters.
    pub text: String,
    /// The claims it rests on.
    #[serde(default)]
    pub claim_ids: Vec<String>,
}

/// What is left of a brief, and what was taken out of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Brief {
    /// Sentences that hold.
    pub sentences: Vec<Sentence>,
    /// Sentences that do not, each with its reason.
    pub refused: Vec<Refused>,
}

/// A sentence that was taken out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refused {
    /// What it said.
    pub text: String,
    /// Why it went.
    pub reason: String,
}

/// Keeps the sentences that name claims which exist, and whose numbers are those claims' own.
pub fn check(sentences: &[Sentence], shown: &[Shown]) -> Brief {
    let mut brief = Brief::default();
    for sentence in sentences {
        match wrong(sentence, shown) {
            None => brief.sentences.push(sentence.clone()),
            Some(reason) => brief.refused.push(Refused { text: sentence.text.clone(), reason }),
        }
    }
    brief
}

fn wrong(sentence: &Sentence, shown: &[Shown]) -> Option<String> {
    if sentence.claim_ids.is_empty() {
        return Some("it names no claim".to_owned());
    }
    if sentence.text.chars().count() > 240 {
        return Some(format!("it has {} characters, at most 240 are possible", sentence.text.chars().count()));
    }
    let mut grounds = BTreeSet::new();
    for id in &sentence.claim_ids {
        match shown.iter().find(|claim| claim.id == *id) {
            Some(claim) => grounds.extend(numbers(&claim.value)),
            None => return Some(format!("there is no claim {id}")),
        }
    }
    let loose = numbers(&sentence.text).into_iter().find(|number| !grounds.contains(number));
    loose.map(|number| format!("{number} stands in none of the claims that it names"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_sentence_rests_on_claims_and_their_numbers() {
        let shown =
            [Shown { id: "c1".into(), field: "headcount_range".into(), value: "11 to 50".into(), confidence: 0.9 }];
        let reason = |text: &str, ids: &[&str]| {
            let sentence = Sentence { text: text.into(), claim_ids: ids.iter().map(|id| (*id).into()).collect() };
            check(&[sentence], &shown).refused.pop().map(|refused| refused.reason)
        };
        assert_eq!(reason("11 to 50 people work there.", &["c1"]), None);
        assert_eq!(reason("It is large.", &[]).as_deref(), Some("it names no claim"));
        assert_eq!(reason("It is large.", &["c9"]).as_deref(), Some("there is no claim c9"));
        assert_eq!(
            reason("500 people work there.", &["c1"]).as_deref(),
            Some("500 stands in none of the claims that it names")
        );
    }

    #[test]
    fn values_are_spoken() {
        assert_eq!(spoken(&json!({ "min": 5, "max": null })), "5 or more");
        assert_eq!(spoken(&json!(["Rust", "Go"])), "Rust, Go");
    }
}
