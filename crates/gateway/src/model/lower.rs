//! From our schema to the part of JSON Schema that a server takes, and back.
//!
//! A schema of a project is full JSON Schema 2020-12; every server enforces a part of it, and each another one. [`lower`]
//! writes a schema in a server's [`Dialect`]: what may be left out becomes what may be null, a map with free keys becomes a
//! list of pairs, references and `allOf` are written out, what has no form at all becomes JSON in a text. [`Lowered::lift`]
//! takes an answer back. Constraints that the server does not enforce are told to the model in descriptions and listed in
//! [`Lowered::lost`]: the kernel checks every answer against the schema as it was written, whatever was sent.
//!
//! A schema that exceeds what a dialect takes is [`Unfit`]: `check` says so, and a call sends it in the text instead.

mod back;
mod dialect;
mod flat;
mod measure;
mod shape;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

use kernel::{context::Offer, ids::Digest, schema::Schema, values::Value};
use serde_json::Value as Json;
use thiserror::Error;

pub use self::dialect::Dialect;
use self::{back::Lifting, measure::Size, walk::Walk};
pub(crate) use self::{
    flat::escape,
    shape::{fits, is_of, resolve, same, types},
};
use crate::model::tolerant::{self, Coerced, Unreadable};

/// A schema as it is sent.
#[derive(Clone, Debug)]
pub struct Lowered {
    /// What is sent. The schema as it was written, without keys of ours, if nothing is enforced.
    pub schema: Json,
    /// Why the server cannot enforce it; `None` if it does.
    pub unfit: Option<Unfit>,
    /// What the server does not enforce of it.
    pub lost: Vec<Lost>,
    /// SHA-256 over the bytes of `schema`.
    pub digest: Digest,
    canonical: Arc<Schema>,
    lifting: Lifting,
}

/// A constraint that the server does not enforce. The model reads it in a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Where it stands in the schema, as a JSON pointer.
    pub at: String,
    /// Its keyword.
    pub keyword: String,
    /// In words: "minLength 3".
    pub says: String,
}

/// Why a dialect cannot take a schema.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unfit {
    /// Nested too deep.
    #[error("it is nested {has} deep, and {most} is the most")]
    Depth {
        /// Found.
        has: usize,
        /// Allowed.
        most: usize,
    },
    /// Too many properties.
    #[error("it has {has} properties, and {most} is the most")]
    Properties {
        /// Found.
        has: usize,
        /// Allowed.
        most: usize,
    },
    /// Too many properties that may be left out.
    #[error("{has} properties may be left out, and {most} is the most")]
    Optional {
        /// Found.
        has: usize,
        /// Allowed.
        most: usize,
    },
    /// Too many places with alternatives.
    #[error("{has} places have alternatives, and {most} is the most")]
    Unions {
        /// Found.
        has: usize,
        /// Allowed.
        most: usize,
    },
    /// Too many words of enums.
    #[error("its enums have {has} words, and {most} is the most")]
    Words {
        /// Found.
        has: usize,
        /// Allowed.
        most: usize,
    },
    /// Too many characters in names and words.
    #[error("its names and words have {has} characters, and {most} is the most")]
    Characters {
        /// Found.
        has: usize,
        /// Allowed.
        most: usize,
    },
    /// No value fits it.
    #[error("no value fits `{at}`")]
    Impossible {
        /// Where, as a JSON pointer.
        at: String,
    },
}

impl Unfit {
    /// What the author of the schema can do.
    pub fn advice(&self) -> &'static str {
        match self {
            Unfit::Depth { .. } => "make it flatter, or ask for the inner parts in a step of their own",
            Unfit::Properties { .. } | Unfit::Characters { .. } => {
                "ask for it in several steps, each with a part of it"
            }
            Unfit::Optional { .. } => "require what is always known, or ask for the rest in a step of its own",
            Unfit::Unions { .. } => "use one form where two are not needed, or ask for the rest in a step of its own",
            Unfit::Words { .. } => "take a text, and check the word by a `native` step or a tool",
            Unfit::Impossible { .. } => "say which values may stand there",
        }
    }
}

/// What a model said, read and taken back into the form of our schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Read {
    /// The value. Not yet judged.
    pub value: Value,
    /// What was read otherwise than it was written.
    pub coerced: Vec<Coerced>,
}

/// Lowers a schema. Pure, and the same for the same schema: what was sent can be made again to lift its answer.
pub fn lower(canonical: &Arc<Schema>, dialect: Dialect) -> Lowered {
    lower_within(canonical, dialect, &mut Size::default())
}

/// Lowers what the arguments of all offers of one request must fit, in their order. Limits of a dialect that hold for a whole
/// request are shared: offers beyond them are not enforced.
pub fn lower_offers(offers: &[Offer], dialect: Dialect) -> Vec<Lowered> {
    let mut used = Size::default();
    offers.iter().map(|offer| lower_within(&offer.params, dialect, &mut used)).collect()
}

fn lower_within(canonical: &Arc<Schema>, dialect: Dialect, used: &mut Size) -> Lowered {
    let plain = |unfit| {
        let schema = dialect::without_ours(canonical.json());
        let digest = Digest::of(&[schema.to_string().as_bytes()]);
        Lowered { schema, unfit, lost: Vec::new(), digest, canonical: canonical.clone(), lifting: Lifting::default() }
    };
    let Some(rules) = dialect.rules() else { return plain(None) };
    let made = Walk::new(canonical.json(), rules, used).root();
    let checked = made.and_then(|(schema, lifting, lost)| {
        let size = Size::of(&schema);
        rules.limits.check(&size, used)?;
        Ok((schema, lifting, lost, size))
    });
    match checked {
        Err(unfit) => plain(Some(unfit)),
        Ok((schema, lifting, lost, size)) => {
            used.add(&size);
            let digest = Digest::of(&[schema.to_string().as_bytes()]);
            Lowered { schema, unfit: None, lost, digest, canonical: canonical.clone(), lifting }
        }
    }
}

impl Lowered {
    /// Whether the server can be told to enforce `schema`.
    pub fn enforced(&self) -> bool {
        self.unfit.is_none()
    }

    /// What the model itself is told where the schema is not enforced: the end of the system text.
    pub fn told(&self) -> String {
        format!("Answer with JSON that fits this JSON Schema, and with nothing else:\n{}", self.schema)
    }

    /// What of the schema could not be sent as it was meant, for [`kernel::context::Said::adaptations`].
    pub fn adaptations(&self) -> Vec<Arc<str>> {
        let unfit =
            self.unfit.iter().map(|why| format!("the schema is told in the text and not enforced: {why}").into());
        let lost = self.lost.iter().map(|Lost { at, says, .. }| {
            let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
            format!("the server does not enforce {at}{says}").into()
        });
        unfit.chain(lost).collect()
    }

    /// An answer in the form of `schema`, taken back into the form of the schema as it was written. Total but for one thing,
    /// and judges nothing: what does not look as it should stays as it is, and the kernel says what is wrong with it.
    ///
    /// # Errors
    /// One key of a map stands twice: there are two readings.
    pub fn lift(&self, answer: Value) -> Result<Value, String> {
        self.lifting.lift(self.canonical.json(), answer)
    }

    /// The other way: how a model writes a value that fits the schema, such as what it proposed in an earlier turn.
    pub fn write(&self, value: &Value) -> Value {
        self.lifting.write(self.canonical.json(), value)
    }

    /// Reads a text that should be JSON in the form of `schema`: [`tolerant::parse`], [`Lowered::lift`], [`tolerant::fit`].
    ///
    /// # Errors
    /// Why it has no reading, or no single one.
    pub fn read(&self, text: &str) -> Result<Read, Unreadable> {
        let parsed = tolerant::parse(text)?;
        let value = self.lift(parsed.value).map_err(Unreadable::TwoReadings)?;
        let (value, fitted) = tolerant::fit(value, &self.canonical, parsed.plain_numbers);
        Ok(Read { value, coerced: parsed.coerced.into_iter().chain(fitted).collect() })
    }

    /// The same for a value that came as JSON already, such as the arguments of a proposal.
    ///
    /// # Errors
    /// See [`Lowered::lift`].
    pub fn take(&self, value: Value) -> Result<Read, Unreadable> {
        let value = self.lift(value).map_err(Unreadable::TwoReadings)?;
        // How a number was written is not known any more: none becomes a text.
        let (value, coerced) = tolerant::fit(value, &self.canonical, false);
        Ok(Read { value, coerced })
    }
}
