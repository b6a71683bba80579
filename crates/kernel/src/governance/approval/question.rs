//! What the approval of a question binds to: the keyed hash of everything that is asked.

use super::action::keyed;
use crate::{
    ids::{Digest, RunId, StepPath},
    values::Value,
};

/// Everything that one question is. If any of it changes, it is another question, and no answer covers it.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Whose installation.
    pub tenant: &'q str,
    /// The run that asks.
    pub run: RunId,
    /// The step that asks, with its item and visit.
    pub step: &'q StepPath,
    /// Which question of that step, from 1.
    pub call: u32,
    /// The sentence.
    pub question: &'q str,
    /// What the answer can lean on.
    pub evidence: &'q Value,
}

impl Question<'_> {
    /// The tuple as data, with its version.
    pub fn to_value(&self) -> Value {
        Value::map([
            ("v", Value::Int(1)),
            ("tenant", Value::from(self.tenant)),
            ("run", Value::from(self.run.to_string())),
            ("step", Value::from(self.step.as_str())),
            ("call", Value::from(self.call)),
            ("question", Value::from(self.question)),
            ("evidence", self.evidence.clone()),
        ])
    }

    /// The hash that an approval binds to: HMAC-SHA256 over the canonical JSON of the tuple, with the key of the run.
    pub fn hash(&self, key: &[u8; 32]) -> Digest {
        keyed(key, &self.to_value().to_jcs())
    }
}
