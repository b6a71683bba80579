//! The exact response cache: the valid answer of a `reason` step that opts in is kept, and given to the next one that would send the same.
//!
//! An answer is found under a digest over everything that decides it: whose run it is, the project and its bundle, the workflow and the
//! step, the model as it is declared today, every byte that would be sent, and the labels of what is shown. So another prompt, schema,
//! parameter, tenant or label is another key; nothing is compared by meaning. A hit is judged like an answer that comes from a model.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    complaint::Complaint,
    context::Compiled,
    ids::{Digest, RunId},
    next::{Query, Stop, Walk},
    values::{Span, Timestamp, Value},
    workflow::reading::Reading,
    yaml::{Fields, Node},
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

impl Walk<'_> {
    /// The key under which the answer to this request is kept. `step` is the step's name: the same text asked by another step is checked
    /// by other rules.
    pub(crate) fn answer_key(&self, step: &str, compiled: &Compiled) -> Digest {
        let Compiled { request, manifest, .. } = compiled;
        let start = self.state.start.as_ref();
        let asks = self.statutes().models.get(&request.model).and_then(|rate| rate.asks);
        let labels: BTreeSet<&Arc<str>> = manifest.segments.iter().flat_map(|segment| &segment.labels).collect();
        let text = |text: &str| Value::from(text);
        let digest = |digest: Digest| Value::from(digest.to_string());
        let all = Value::map([
            ("tenant", text(self.facts.tenant)),
            ("project", text(start.map(|start| &*start.project).unwrap_or_default())),
            ("bundle", digest(self.program.bundle)),
            ("workflow", text(&self.program.name)),
            ("step", text(step)),
            ("model", text(&request.model)),
            ("asks", asks.map_or(Value::Null, digest)),
            ("request", digest(manifest.request)),
            ("data", digest(request.data.digest())),
            ("labels", Value::list(labels.into_iter().map(|label| text(label)))),
        ]);
        Digest::of(&[b"surefoot/answer/v1\0", &all.to_jcs()])
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

/// Reads `cache: { ttl }`. `None`: it has mistakes.
pub(crate) fn read(node: &Node, reading: &mut Reading<'_>) -> Option<Cache> {
    let fields = Fields::new(node, "`cache`", &["ttl"], &["key"], &mut reading.complaints)?;
    let given = fields.required("ttl", &mut reading.complaints)?;
    let ttl = given.time(&mut reading.complaints)?;
    if ttl <= Span::from_micros(0) || ttl > LONGEST {
        let message = "an answer is kept for more than no time and at most thirty days";
        let hint = "write how long an answer may be used again, such as `1h` or `7d`";
        reading.complaints.push(Complaint::new("W178", &given.file, given.span, message).hint(hint));
        return None;
    }
    Some(Cache { ttl })
}
