//! What exactly one model call is shown: layers → segments → rendered request and manifest.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Digest, StepPath},
    values::Value,
};

/// Which layer a segment belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layer {
    /// The whole run's.
    Shared,
    /// The stage's.
    Stage,
    /// The step's own.
    Task,
}

/// Everything one model call was shown, by digest: an event body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// In the order shown.
    pub segments: Vec<Segment>,
    /// SHA-256 over the whole rendered request.
    pub request: Digest,
    /// SHA-256 over the canonical output schema.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Digest>,
    /// An upper estimate of all input tokens.
    pub tokens_est: u64,
}

/// One piece of what a model was shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Segment {
    /// The prompt file, or the name under `see:`.
    pub id: Arc<str>,
    /// Whose it is.
    pub layer: Layer,
    /// The expression under `see:`; `None` for prompt text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Arc<str>>,
    /// SHA-256 over the text shown.
    pub digest: Digest,
    /// Its length.
    pub bytes: u64,
    /// An upper estimate.
    pub tokens_est: u64,
    /// How it was made smaller, if it was: "truncate from 9000 to 2000 tokens".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<Arc<str>>,
}

/// A model call, ready to be sent. Made only by the kernel, after `ModelAsked` is durable.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRequest {
    /// The step that asks.
    pub step: StepPath,
    /// The workflow it belongs to.
    pub workflow: Arc<str>,
    /// From 1; every further sending of the same visit counts.
    pub attempt: u32,
    /// The model name of the project.
    pub model: Arc<str>,
    /// Shared and stage layer. Never holds untrusted text.
    pub system: String,
    /// The task layer: the ask and the data it sees, then errors of earlier attempts to repair.
    pub user: String,
    /// The data the step was shown, by name: what the `rules` and `scripted` providers read.
    pub data: Value,
    /// Canonical JSON Schema that the answer must fit.
    pub output_schema: Option<Arc<serde_json::Value>>,
}
