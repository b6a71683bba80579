//! A model that follows rules in a file: an honest, cheap baseline without network or key.
//!
//! ```yaml
//! answers: schemas/reading.yaml        # what the answer must fit; checked as far as it can be seen
//! reads: { text: text, fields: list }  # what its steps show it, under `see:`
//! lexicons:
//!   cart: [add to cart, basket, checkout]
//! patterns:
//!   denied: "\\b(?:not|never|no longer)\\b"
//! weights:
//!   shop: { in: text, bias: -1, features: { cart: 2.5 } }
//! extract:
//!   facts:
//!     from: text
//!     only: fields
//!     fields:
//!       staff:
//!         as: { n: int }
//!         value: =n
//!         find: [ { match: "(?P<n>[0-9][0-9,.]*) (?:people|employees)", weight: 0.9, unless: denied } ]
//!     gives: { field: =field, value: =value, quote: =quote, confidence: =confidence }
//! calibration: { fitted_on: 200 pages of the data set, table: [[0, 0.4], [0.8, 0.91]] }
//! answer: { facts: =facts.found, not_found: =facts.missing, kind: "{{ 'shop' if shop.is else 'other' }}" }
//! ```
//!
//! The answer depends on the file and on what the step was shown, and on nothing else. Every quote stands in the text,
//! character by character. A confidence is what a table says that was fitted on judged answers ([`calibration::fit`]); a file
//! that shows a confidence without such a table is refused. All patterns take time proportional to the length of the text.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use kernel::{
    complaint::Complaint,
    context::ModelRequest,
    expr::Template,
    journal::Usage,
    recovery::{Failure, FailureKind},
    types::Type,
    values::{Map, Value},
    workflow::project::Sources,
};

use self::{compose::Composer, extract::Extractor, weigh::Weigher};
use crate::{Provider, Reply};

pub mod calibration;
mod compose;
mod extract;
mod kind;
mod lexicon;
mod pattern;
mod read;
mod scope;
mod sentence;
#[cfg(test)]
mod tests;
mod weigh;
pub mod words;

/// The longest text that is read, in bytes.
pub const MAX_TEXT: usize = 1 << 20;
/// From so many bytes on, the work is done beside the tasks that wait for the network.
const MUCH: usize = 64 << 10;

/// The rules of one file. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rules {
    parts: Arc<Parts>,
}

#[derive(Debug)]
struct Parts {
    file: Arc<str>,
    reads: BTreeMap<Arc<str>, Read>,
    weights: Vec<(Arc<str>, Weigher)>,
    extract: Vec<(Arc<str>, Extractor)>,
    compose: Vec<(Arc<str>, Composer)>,
    answer: Template,
}

/// Something that rules decided, with its score before any table: what [`calibration::fit`] wants, once somebody has judged it.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// Under which name a table of its own would stand: `anger`, `facts.staff.about`.
    pub name: String,
    /// From 0 to 1.
    pub score: f64,
    /// True or false, a label, or the value that was found.
    pub value: Value,
    /// The characters that say it; empty if none in particular do.
    pub quote: Arc<str>,
}

impl Rules {
    /// Reads the file `file` of a project, with the schema and the lexicons that it names.
    ///
    /// # Errors
    /// All that is wrong with it: also an answer that can be seen not to fit the schema, and a confidence without a table.
    pub fn parse(file: &Arc<str>, sources: &Sources) -> Result<Rules, Vec<Complaint>> {
        read::rules(file, sources)
    }

    /// What is said to a request, here and now.
    pub fn reply(&self, request: &ModelRequest) -> Reply {
        said(self.answer(&request.data), request)
    }

    /// The answer for what a step was shown: a map by the names under its `see:`.
    ///
    /// # Errors
    /// Something that the file reads was not shown, or is something else than the file says (`internal`); a text is longer than
    /// [`MAX_TEXT`] (`context_overflow`); an expression of the file failed (`internal`).
    pub fn answer(&self, data: &Value) -> Result<Value, Failure> {
        let parts = &*self.parts;
        let shown = parts.shown(data)?;
        let mut results = Map::new();
        let failed = |name: &str, why: String| parts.failed(format!("`{name}`: {why}"));
        for (name, weigher) in &parts.weights {
            let weighed = weigher.weigh(&shown).map_err(|why| failed(name, why))?;
            results.insert(name.clone(), weighed.value);
        }
        for (name, extractor) in &parts.extract {
            let (found, missing) = extractor.find(&shown).map_err(|why| failed(name, why))?;
            let found: Result<Vec<Value>, String> = found.iter().map(|finding| extractor.give(finding)).collect();
            let found = Value::list(found.map_err(|why| failed(name, why))?);
            results.insert(name.clone(), Value::map([("found", found), ("missing", Value::list(missing))]));
        }
        for (name, composer) in &parts.compose {
            results.insert(name.clone(), composer.compose(&shown).map_err(|why| failed(name, why))?);
        }
        let find = |name: &str| results.get(name).or_else(|| shown.get(name)).cloned();
        let answer = parts.answer.eval(&scope::values(parts.answer.roots(), find));
        answer.map_err(|why| failed("answer", why))
    }

    /// Everything that is decided on the way to an answer, with its score.
    ///
    /// # Errors
    /// As [`Rules::answer`].
    pub fn scored(&self, data: &Value) -> Result<Vec<Scored>, Failure> {
        let parts = &*self.parts;
        let shown = parts.shown(data)?;
        let mut all = Vec::new();
        for (name, weigher) in &parts.weights {
            let weighed = weigher.weigh(&shown).map_err(|why| parts.failed(format!("`{name}`: {why}")))?;
            let (name, score, value) = (name.to_string(), weighed.certainty, weighed.decided);
            all.push(Scored { name, score, value, quote: "".into() });
        }
        for (name, extractor) in &parts.extract {
            let (found, _) = extractor.find(&shown).map_err(|why| parts.failed(format!("`{name}`: {why}")))?;
            all.extend(found.into_iter().map(|finding| Scored {
                name: format!("{name}.{}.{}", finding.field.name, finding.rule.id),
                score: finding.rule.score,
                value: finding.value,
                quote: finding.quote,
            }));
        }
        Ok(all)
    }
}

#[async_trait]
impl Provider for Rules {
    /// Nothing is billed. A step without an output schema gets the answer as a text.
    async fn ask(&self, request: &ModelRequest) -> Reply {
        if !request.offers.is_empty() {
            let detail = "a model of rules answers from what it was shown, and proposes nothing".to_owned();
            return Reply::failed(Failure::inside(FailureKind::InvalidArguments, detail));
        }
        let answer = if self.parts.bytes(&request.data) < MUCH {
            self.answer(&request.data)
        } else {
            let (rules, data) = (self.clone(), request.data.clone());
            let done = tokio::task::spawn_blocking(move || rules.answer(&data)).await;
            done.unwrap_or_else(|error| Err(self.parts.failed(format!("the work was broken off: {error}"))))
        };
        said(answer, request)
    }
}

/// A step without an output schema gets a text.
fn said(answer: Result<Value, Failure>, request: &ModelRequest) -> Reply {
    let answer = answer.map(|value| match value {
        Value::Text(_) => value,
        other if request.output_schema.is_none() => other.to_json().into(),
        other => other,
    });
    Reply::of(answer, Usage::default(), None)
}

/// What something that the step shows must be.
#[derive(Clone, Debug, PartialEq)]
enum Read {
    Text,
    MaybeText,
    List,
    MaybeList,
    /// A list of maps that have these keys.
    Items(Arc<[Arc<str>]>),
    /// Any other kind, and whether it may be missing.
    Other(Type, bool),
}

impl Read {
    const WORDS: [(&'static str, Type); 6] = [
        ("text", Type::TEXT),
        ("list", Type::Any),
        ("number", Type::Number),
        ("bool", Type::Bool),
        ("map", Type::Any),
        ("any", Type::Any),
    ];

    fn of_word(word: &str) -> Option<Read> {
        let (kind, maybe) = word.strip_suffix('?').map_or((word, false), |kind| (kind, true));
        Some(match (kind, maybe) {
            ("text", false) => Read::Text,
            ("text", true) => Read::MaybeText,
            ("list", false) => Read::List,
            ("list", true) => Read::MaybeList,
            ("map", maybe) => Read::Other(Type::any_object(), maybe),
            (kind, maybe) => Read::Other(Self::WORDS.iter().find(|(word, _)| *word == kind)?.1.clone(), maybe),
        })
    }

    fn ty(&self) -> Type {
        match self {
            Read::Text => Type::TEXT,
            Read::MaybeText => Type::TEXT.maybe(),
            Read::List => Type::list(Type::Any),
            Read::MaybeList => Type::list(Type::Any).maybe(),
            Read::Items(keys) => Type::list(Type::object(keys.iter().map(|key| (key.clone(), Type::Any)))),
            Read::Other(ty, maybe) => {
                if *maybe {
                    ty.clone().maybe()
                } else {
                    ty.clone()
                }
            }
        }
    }

    fn may_be_missing(&self) -> bool {
        matches!(self, Read::MaybeText | Read::MaybeList | Read::Other(_, true))
    }

    fn wrong(&self, value: &Value) -> Option<&'static str> {
        let wanted = match (self, value) {
            (_, Value::Null) if self.may_be_missing() => return None,
            (Read::Text | Read::MaybeText, Value::Text(_)) | (Read::List | Read::MaybeList, Value::List(_)) => {
                return None;
            }
            (Read::Items(_), Value::List(items)) if items.iter().all(|item| matches!(item, Value::Map(_))) => {
                return None;
            }
            (Read::Other(Type::Any, _), _)
            | (Read::Other(Type::Number, _), Value::Int(_) | Value::Float(_))
            | (Read::Other(Type::Bool, _), Value::Bool(_))
            | (Read::Other(Type::Object { .. }, _), Value::Map(_)) => return None,
            (Read::Text | Read::MaybeText, _) => "a text",
            (Read::List | Read::MaybeList, _) => "a list",
            (Read::Items(_), _) => "a list of maps",
            (Read::Other(Type::Number, _), _) => "a number",
            (Read::Other(Type::Bool, _), _) => "true or false",
            (Read::Other(..), _) => "a map",
        };
        Some(wanted)
    }
}

/// What a step showed, as the file reads it.
struct Shown {
    values: Map,
}

impl Shown {
    fn get(&self, name: &str) -> Option<&Value> {
        self.values.get(name)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(Value::as_str)
    }
}

impl Parts {
    fn shown(&self, data: &Value) -> Result<Shown, Failure> {
        let mut values = Map::new();
        for (name, read) in &self.reads {
            let value = match data.get(name) {
                Some(value) => value.clone(),
                None if read.may_be_missing() => Value::Null,
                None => return Err(self.failed(format!("`{name}` was not shown: `see:` of the step must name it"))),
            };
            if let Some(wanted) = read.wrong(&value) {
                return Err(self.failed(format!("`{name}` is {}, and {wanted} is read", value.kind())));
            }
            if let Value::Text(text) = &value
                && text.len() > MAX_TEXT
            {
                let file = &self.file;
                let detail = format!("{file}: `{name}` has {} bytes, and at most {MAX_TEXT} are read", text.len());
                return Err(Failure::inside(FailureKind::ContextOverflow, detail));
            }
            values.insert(name.clone(), value);
        }
        Ok(Shown { values })
    }

    fn bytes(&self, data: &Value) -> usize {
        self.reads.keys().filter_map(|name| data.get(name)?.as_str()).map(str::len).sum()
    }

    fn failed(&self, why: String) -> Failure {
        Failure::inside(FailureKind::Internal, format!("{}: {why}", self.file))
    }
}
