//! What a person is shown before he decides, and the hash that his vote repeats.

use std::sync::Arc;

use super::{OnExpiry, Terms, action::keyed, visible, visible_line};
use crate::{
    governance::Effect,
    ids::Digest,
    values::{Map, Timestamp, Value},
};

/// The card of one approval: everything that its page, its message and its line in a terminal are made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Card {
    /// The sentence, from the text that the tool declares; never a model's.
    pub says: String,
    /// Why it stopped.
    pub why: Vec<Why>,
    /// What the decision can lean on, as the workflow names it.
    pub evidence: Value,
    /// What a model said about it, if one did; shown as a model's words.
    pub model_words: Option<String>,
    /// The declared effect; `None`: a question, and nothing is done outside.
    pub effect: Option<Effect>,
    /// The arguments, whole.
    pub with: Value,
    /// The schema of the answer, for a question that wants more than a yes.
    pub form: Option<Value>,
    /// How it would be undone, if it can be.
    pub undo: Option<String>,
    /// What happens on yes.
    pub on_yes: String,
    /// What happens on no.
    pub on_no: String,
    /// What is asked for. Its `shown` is not part of the card: it is the card's hash.
    pub terms: Terms,
}

/// One rule that stopped the action.
#[derive(Clone, Debug, PartialEq)]
pub struct Why {
    /// The rule.
    pub rule: String,
    /// Where it stands: `policies/ask/money.cedar:3`.
    pub at: String,
    /// The values that made it true.
    pub values: Value,
    /// Its own words.
    pub reason: String,
}

impl Card {
    /// The card as data, ready to be shown: in every text and every key, what cannot be seen is made visible. Line feeds stay in
    /// data and in a model's words, and nowhere else.
    pub fn to_value(&self) -> Value {
        let line = |text: &str| Value::from(visible_line(text));
        let why = self.why.iter().map(|why| {
            Value::map([
                ("rule", line(&why.rule)),
                ("at", line(&why.at)),
                ("values", seen(&why.values)),
                ("reason", line(&why.reason)),
            ])
        });
        let form = self.form.as_ref().map(|form| ("form", seen(form)));
        let fields = [
            ("v", Value::Int(1)),
            ("says", line(&self.says)),
            ("why", Value::list(why)),
            ("evidence", seen(&self.evidence)),
            ("model_words", self.model_words.as_deref().map_or(Value::Null, |text| Value::from(visible(text)))),
            ("effect", self.effect.map_or(Value::Null, |effect| Value::from(effect.as_str()))),
            ("with", seen(&self.with)),
            ("undo", self.undo.as_deref().map_or(Value::Null, line)),
            ("on_yes", line(&self.on_yes)),
            ("on_no", line(&self.on_no)),
            ("terms", terms(&self.terms)),
        ];
        Value::map(fields.into_iter().chain(form))
    }

    /// The terms of this card, bound to it: their `shown` is its hash. Called once, before anybody is asked.
    pub fn bind(&self, key: &[u8; 32]) -> Terms {
        Terms { shown: shown_hash(key, self), ..self.terms.clone() }
    }
}

/// The hash of exactly what is shown: HMAC-SHA256 over the card's canonical JSON. Keyed as
/// [`action_hash`](super::action_hash) is, and for the same reason.
pub fn shown_hash(key: &[u8; 32], card: &Card) -> Digest {
    keyed(key, &card.to_value().to_jcs())
}

/// Data with every text and key made visible. Different keys stay different: `visible` never makes two texts one.
pub(crate) fn seen(value: &Value) -> Value {
    match value {
        Value::Text(text) => Value::from(visible(text)),
        Value::List(items) => Value::list(items.iter().map(seen)),
        Value::Map(map) => {
            let map: Map = map.iter().map(|(key, value)| (visible_line(key).into(), seen(value))).collect();
            Value::Map(Arc::new(map))
        }
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => value.clone(),
    }
}

fn terms(terms: &Terms) -> Value {
    let names = |names: &[Arc<str>]| Value::list(names.iter().map(|name| Value::from(visible_line(name))));
    let time = |at: Timestamp| Value::from(at.to_string());
    let on_expiry = match &terms.on_expiry {
        OnExpiry::Deny => Value::from("deny"),
        OnExpiry::Escalate(group) => Value::map([("escalate", Value::from(visible_line(group)))]),
        OnExpiry::ContinueWith => Value::from("continue_with"),
    };
    Value::map([
        ("groups", Value::list(terms.groups.iter().map(|list| names(list)))),
        ("quorum", Value::from(terms.quorum)),
        ("asked_at", time(terms.asked_at)),
        ("expires_at", terms.expires_at.map_or(Value::Null, time)),
        ("on_expiry", on_expiry),
        ("editable", names(&terms.editable)),
        ("answerable", Value::from(terms.answerable)),
        ("no_self", Value::from(terms.no_self)),
        ("requesters", names(&terms.requesters)),
        ("hash", Value::from(terms.hash.to_string())),
    ])
}
