//! The exact response cache: the valid answer of a `reason` step that opts in is kept, and given to the next one that would send the same.
//! What whole parts gave, by a key that their workflow names, is beside it in [`part`].
//!
//! An answer is found under a digest over everything that decides it: whose run it is, the project and its bundle, the workflow and the
//! step, the model as it is declared today, every byte that would be sent, and the labels of what is shown. So another prompt, schema,
//! parameter, tenant or label is another key; nothing is compared by meaning. A hit is judged like an answer that comes from a model.

mod part;
mod read;
#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::part::{Kept, Memo, Part, Saved, Seeking};
pub(crate) use self::{
    part::{WORKFLOW, stage_called},
    read::{Inside, exact, has_key, memo, of_part},
};
use crate::{
    context::Compiled,
    ids::{Digest, RunId},
    next::{Query, Stop, Walk},
    values::{Span, Timestamp, Value},
};

/// The longest time for which an answer is kept: thirty days.
const LONGEST: Span = Span::from_millis(30 * 24 * 3_600_000);

/// `cache: { ttl: 1h }` of a `reason` step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cache {
    /// For how long an answer counts, from the moment at which it was judged.
    pub ttl: Span,
}

/// Under which key an answer is kept, and until when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keep {
    /// Over everything that decides the answer.
    pub key: Digest,
    /// From this moment on it is as if it were not there.
    pub until: Timestamp,
}

/// Where an answer that was used again comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The run whose model had answered.
    pub run: RunId,
    /// The entry of its journal that holds the answer.
    pub entry: u64,
    /// How old the answer was.
    pub age: Span,
}

/// An answer that is kept, as it was looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptAnswer {
    /// The run whose model had answered.
    pub run: RunId,
    /// The entry of its journal that holds the answer.
    pub entry: u64,
    /// When that was.
    pub at: Timestamp,
    /// Until when it counts.
    pub until: Timestamp,
    /// The answer.
    pub value: Value,
}

/// What is in every key, whatever it is for: what came of one of these is nothing to another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Under<'a> {
    /// Whose run it is.
    pub tenant: &'a str,
    /// The project whose rules count.
    pub project: &'a str,
    /// The frozen project: workflows, prompts, schemas, tools, tables, routes. What was edited since is another.
    pub bundle: Digest,
    /// The workflow.
    pub workflow: &'a str,
    /// The step, or what else of it.
    pub part: &'a str,
    /// All labels of what it is made of.
    pub labels: &'a BTreeSet<Arc<str>>,
}

impl Under<'_> {
    /// The key of a kind, with what is its own.
    fn digest(self, kind: &[u8], own: Vec<(&'static str, Value)>) -> Digest {
        let text = |text: &str| Value::from(text);
        let mut all = own;
        all.extend([
            ("tenant", text(self.tenant)),
            ("project", text(self.project)),
            ("bundle", Value::from(self.bundle.to_string())),
            ("workflow", text(self.workflow)),
            ("step", text(self.part)),
            ("labels", Value::list(self.labels.iter().map(|label| text(label)))),
        ]);
        Digest::of(&[kind, &Value::map(all).to_jcs()])
    }
}

impl Walk<'_> {
    /// The key under which the answer to this request is kept. `step` is the step's name: the same text asked by another step is checked
    /// by other rules.
    pub(crate) fn answer_key(&self, step: &str, compiled: &Compiled) -> Digest {
        let Compiled { request, manifest, .. } = compiled;
        let asks = self.statutes().models.get(&request.model).and_then(|rate| rate.asks);
        let labels = manifest.segments.iter().flat_map(|segment| &segment.labels).cloned().collect();
        let digest = |digest: Digest| Value::from(digest.to_string());
        let own = vec![
            ("model", Value::Text(request.model.clone())),
            ("asks", asks.map_or(Value::Null, digest)),
            ("request", digest(manifest.request)),
            ("data", digest(request.data.digest())),
        ];
        self.under(step, &labels).digest(b"surefoot/answer/v1\0", own)
    }

    /// What is kept under a key and still counts.
    pub(crate) fn kept_answer(&self, key: Digest) -> Result<Option<&KeptAnswer>, Stop> {
        match self.facts.answers.get(&key) {
            None => Err(Stop::Look(vec![Query::Answer(key)])),
            Some(kept) => Ok(kept.as_ref().filter(|kept| kept.until > self.facts.now)),
        }
    }
}

impl KeptAnswer {
    /// Where it comes from, for the journal of the run that uses it `now`.
    pub(crate) fn source(&self, now: Timestamp) -> Source {
        let age = Span::from_micros(now.micros().saturating_sub(self.at.micros()).max(0));
        Source { run: self.run, entry: self.entry, age }
    }
}
