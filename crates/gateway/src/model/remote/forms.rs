//! Schemas as they go on the wire: made once for each request of a program, and used for what is sent and for what comes back.

use std::sync::{Arc, Mutex, PoisonError};

use kernel::{
    context::ModelRequest,
    schema::Schema,
    workflow::model::{Dialect, Structured},
};

use crate::model::lower::{self, Lowered, lower, lower_offers};

/// So many are kept; then all are made anew.
const KEPT: usize = 64;

/// The schemas of one request in the form of a dialect.
#[derive(Debug)]
pub(crate) struct Forms {
    /// The answer's, if it has one; with offers there is none.
    pub(crate) answer: Option<Lowered>,
    /// The parameters of the offers, in their order.
    pub(crate) offers: Vec<Lowered>,
}

/// Forms that were made. A program asks with the same schemas again and again, and they are found by where they stand in memory: that they
/// are held here keeps others from standing there.
#[derive(Debug, Default)]
pub(super) struct Made(Mutex<Vec<(Key, Arc<Forms>)>>);

#[derive(Debug)]
struct Key {
    answer: Option<Arc<Schema>>,
    offers: Vec<Arc<Schema>>,
}

impl Key {
    fn is_of(&self, request: &ModelRequest) -> bool {
        let answer = match (&self.answer, &request.output_schema) {
            (Some(known), Some(asked)) => Arc::ptr_eq(known, asked),
            (None, None) => true,
            _ => false,
        };
        answer
            && self.offers.len() == request.offers.len()
            && self.offers.iter().zip(request.offers.iter()).all(|(known, offer)| Arc::ptr_eq(known, &offer.params))
    }
}

impl Made {
    /// The forms of a request.
    pub(super) fn of(&self, request: &ModelRequest, dialect: lower::Dialect) -> Arc<Forms> {
        // A panic leaves a list of whole entries.
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, forms)) = made.iter().find(|(key, _)| key.is_of(request)) {
            return forms.clone();
        }
        let answer = request.output_schema.as_ref().filter(|_| request.offers.is_empty());
        let answer = answer.map(|schema| lower(schema, dialect));
        let forms = Arc::new(Forms { answer, offers: lower_offers(&request.offers, dialect) });
        let offers = request.offers.iter().map(|offer| offer.params.clone()).collect();
        let key = Key { answer: request.output_schema.clone(), offers };
        if made.len() >= KEPT {
            made.clear();
        }
        made.push((key, forms.clone()));
        forms
    }
}

/// The part of JSON Schema that is sent to a server.
pub(super) fn schemas_of(dialect: Dialect, structured: Structured) -> lower::Dialect {
    match (structured, dialect) {
        (Structured::JsonObject | Structured::JsonObjectSchema | Structured::Text, _) => lower::Dialect::Plain,
        (Structured::JsonSchema, Dialect::OpenAiChat | Dialect::OpenAiResponses) => lower::Dialect::OpenAi,
        (Structured::JsonSchema, Dialect::Anthropic) => lower::Dialect::Anthropic,
        (Structured::JsonSchema, Dialect::Gemini) => lower::Dialect::Gemini,
    }
}
