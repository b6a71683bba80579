//! Reads what a model wrote where JSON should stand, before anything is repaired.
//!
//! Two tables say all that is read otherwise than it is written: [`Syntax`] for how a text is written, [`Fitting`] for a value
//! that is of another type than its schema wants. Each such reading is a [`Coerced`] with its place. A text that was cut off is
//! never completed, and where there are two readings there is none. `x-exact: true` in a schema forbids the second table
//! for a value and all below it: money and ids are what they are.

mod fit;
mod parse;
#[cfg(test)]
mod tests;

use std::{fmt, sync::Arc};

use kernel::values::Value;
use thiserror::Error;

pub use self::{fit::fit, parse::parse};

/// One thing that was read otherwise than it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coerced {
    /// The value, as a JSON pointer; empty for the whole.
    pub at: String,
    /// What was done.
    pub how: How,
}

/// What was done to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// In how it was written.
    Syntax(Syntax),
    /// In what it is.
    Fitting(Fitting),
}

/// Ways to write JSON that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Syntax {
    /// A code fence around it.
    Fence,
    /// Words before or after it.
    TextAround,
    /// A comma after the last item.
    TrailingComma,
    /// A text in single quotes.
    SingleQuotes,
    /// A key without quotes.
    UnquotedKey,
    /// `True`, `False` or `None`.
    PythonLiteral,
}

/// Values that are of another type than the schema wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fitting {
    /// A text that is a number, where only a number may stand.
    NumberFromText,
    /// A whole number, where only a text may stand.
    TextFromNumber,
    /// A word of an enum in other capitals or with other spaces.
    WordSpelling,
    /// One value, where a list of such may stand.
    ListOfOne,
}

/// Why a text has no reading.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unreadable {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// There is no JSON in it.
    #[error("{0}")]
    NoJson(String),
    /// It ends in the middle.
    #[error("it ends in the middle of a value")]
    CutOff,
    /// It may be read in several ways.
    #[error("it has several readings: {0}")]
    TwoReadings(String),
}

/// A text that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    /// What stands there.
    pub value: Value,
    /// How its writing differs from JSON.
    pub coerced: Vec<Coerced>,
    /// Every number is written as we would write it: its characters are known from its value.
    pub plain_numbers: bool,
}

impl Coerced {
    pub(super) fn syntax(at: &str, how: Syntax) -> Coerced {
        Coerced { at: at.to_owned(), how: How::Syntax(how) }
    }

    pub(super) fn fitting(at: &str, how: Fitting) -> Coerced {
        Coerced { at: at.to_owned(), how: How::Fitting(how) }
    }
}

impl fmt::Display for Coerced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = if self.at.is_empty() { "the whole" } else { &self.at };
        let how = match self.how {
            How::Syntax(Syntax::Fence) => "a code fence around it",
            How::Syntax(Syntax::TextAround) => "text around it",
            How::Syntax(Syntax::TrailingComma) => "a comma after the last item",
            How::Syntax(Syntax::SingleQuotes) => "single quotes",
            How::Syntax(Syntax::UnquotedKey) => "a key without quotes",
            How::Syntax(Syntax::PythonLiteral) => "written as in Python",
            How::Fitting(Fitting::NumberFromText) => "a number written as a text",
            How::Fitting(Fitting::TextFromNumber) => "a text written as a number",
            How::Fitting(Fitting::WordSpelling) => "a word of the schema in other capitals or spaces",
            How::Fitting(Fitting::ListOfOne) => "one value where a list stands",
        };
        write!(f, "{at}: {how}")
    }
}

/// For [`kernel::context::Said::coerced`].
pub fn in_words(coerced: &[Coerced]) -> Vec<Arc<str>> {
    coerced.iter().map(|one| one.to_string().into()).collect()
}
