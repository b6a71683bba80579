//! What exactly one model call is shown: layers → segments → rendered request and manifest.

mod draft;
mod fence;
mod fit;
mod rebuild;

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use self::draft::Draft;
pub use self::rebuild::{NotRebuilt, rebuild, text_at, would_ask};
use crate::{
    ids::{Digest, StepPath},
    journal::{Blob, BlobRef},
    next::{Frame, Stop, Walk},
    schema::Schema,
    step::turn::Turning,
    values::Value,
    workflow::{Prompt, See},
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
    /// How the pieces were put together, see [`LAYOUT`]. It was not said before there were two ways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<u32>,
    /// Where a layer ends in the system text: what stands before is the same in other calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
}

/// The end of a layer in the system text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edge {
    /// Which layer.
    pub layer: Layer,
    /// The byte of the system text at which it ends.
    pub at: u64,
    /// SHA-256 over the system text up to there.
    pub prefix: Digest,
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
    /// SHA-256 over the text: of a prompt as its file has it, of an item as it is shown, before it is fenced.
    pub digest: Digest,
    /// How much of the request it takes, its fence included.
    pub bytes: u64,
    /// An upper estimate.
    pub tokens_est: u64,
    /// How it was made smaller, if it was: "truncate from 9000 to 2000 tokens".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reduced: Option<Arc<str>>,
    /// The keys of what was shown, if it is a map or a list of maps; at most [`MAX_FIELDS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Arc<str>>,
    /// What it carries.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Arc<str>>,
    /// The whole text, where a reference stands in its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aside: Option<BlobRef>,
}

/// How requests are put together today.
pub const LAYOUT: u32 = 2;

/// The most keys of one item that a manifest names.
pub const MAX_FIELDS: usize = 24;

/// What a model may propose in its answer: an operation of a tool that it was granted, or a way to end its turn.
#[derive(Clone, Debug)]
pub struct Offer {
    /// What the model calls it: letters, digits, `_` and `-`, at most 64 of them.
    pub name: Arc<str>,
    /// What it is for.
    pub says: Arc<str>,
    /// What its arguments must fit: canonical JSON Schema of an object.
    pub params: Arc<Schema>,
}

/// A use of an offer, as a model asked for it. Nothing has judged it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposed {
    /// The provider's name of this use, or ours where it gives none: a result is given under it.
    pub id: Arc<str>,
    /// The offer, as the model wrote it: there may be none of that name.
    pub name: Arc<str>,
    /// The arguments; a text where they are no JSON.
    pub arguments: Value,
}

/// What stands between a result and the evidence that it was done, in the text of what is [`Returned`].
pub const EVIDENCE: &str = "\nevidence: ";

/// What came of a proposal, for the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Returned {
    /// The proposal's id.
    pub id: Arc<str>,
    /// The offer's name.
    pub name: Arc<str>,
    /// The result, or one line that says why there is none.
    pub text: Arc<str>,
    /// It was not done, or failed.
    pub failed: bool,
}

/// What followed the ask, oldest first: a model sees its own earlier answers of the same step.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// What the model said.
    Said {
        /// The project's name of the model that said it.
        model: Arc<str>,
        /// In words; may be empty.
        text: Arc<str>,
        /// What it proposed.
        proposed: Vec<Proposed>,
        /// What its provider wants to see again, see [`Said::echo`].
        echo: Option<Value>,
    },
    /// What came of each of its proposals, in their order.
    Returned(Vec<Returned>),
    /// What we say to it: what was wrong with its last answer.
    Told(Arc<str>),
}

impl Offer {
    fn to_value(&self) -> Value {
        let params = Value::try_from(self.params.json()).unwrap_or_else(|_| self.params.json().to_string().into());
        Value::map([
            ("name", Value::Text(self.name.clone())),
            ("says", Value::Text(self.says.clone())),
            ("params", params),
        ])
    }
}

impl Proposed {
    /// As it stands in a journal.
    pub(crate) fn to_value(&self) -> Value {
        let text = |text: &Arc<str>| Value::Text(text.clone());
        Value::map([("id", text(&self.id)), ("name", text(&self.name)), ("arguments", self.arguments.clone())])
    }

    /// From a journal.
    pub(crate) fn of_value(value: &Value) -> Proposed {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().into();
        Proposed { id: text("id"), name: text("name"), arguments: value.get("arguments").cloned().unwrap_or_default() }
    }
}

impl Returned {
    /// As it stands in a journal.
    pub(crate) fn to_value(&self) -> Value {
        Value::map([
            ("id", Value::Text(self.id.clone())),
            ("name", Value::Text(self.name.clone())),
            ("text", Value::Text(self.text.clone())),
            ("failed", self.failed.into()),
        ])
    }

    /// From a journal.
    pub(crate) fn of_value(value: &Value) -> Returned {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().into();
        Returned {
            id: text("id"),
            name: text("name"),
            text: text("text"),
            failed: value.get("failed") == Some(&Value::Bool(true)),
        }
    }
}

impl Turn {
    /// Its one form: what is hashed, measured and counted.
    pub(crate) fn to_value(&self) -> Value {
        match self {
            Turn::Said { model, text, proposed, echo } => Value::map([
                ("model", Value::Text(model.clone())),
                ("text", Value::Text(text.clone())),
                ("proposed", Value::list(proposed.iter().map(Proposed::to_value))),
                ("echo", echo.clone().unwrap_or_default()),
            ]),
            Turn::Returned(all) => Value::map([("returned", Value::list(all.iter().map(Returned::to_value)))]),
            Turn::Told(text) => Value::map([("told", Value::Text(text.clone()))]),
        }
    }
}

/// What a server said beside its answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    /// Its name of the call, for its support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<Arc<str>>,
    /// Which model answered, by the server's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Arc<str>>,
    /// Why the model ended, in the server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<Arc<str>>,
    /// What of the request could not be sent as it was meant: parameters left out, constraints that the server's schema dialect lacks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adaptations: Vec<Arc<str>>,
    /// What was read from the answer although it was written otherwise: a fence, a number as a text. By place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coerced: Vec<Arc<str>>,
    /// Parts of the answer that the provider wants to see again with the next turn, opaque to us; sent to the same model only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub echo: Option<Value>,
}

/// A model call, ready to be sent. Made only by the kernel, after `ModelAsked` is durable.
#[derive(Clone, Debug, Default)]
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
    /// The data of the task and, last, the ask; then errors of earlier attempts to repair.
    pub user: String,
    /// The data the step was shown, by name: what the `rules` and `scripted` providers read.
    pub data: Value,
    /// What the answer must fit: canonical JSON Schema. With offers the answer is what was proposed, and this is `None`.
    pub output_schema: Option<Arc<Schema>>,
    /// Where in `system` the shared layer and the stage's end, as byte offsets, rising: what stands before is the same in the other
    /// calls of the workflow, of the stage.
    pub edges: Vec<usize>,
    /// What the model may propose; then it must propose something. Empty: it answers.
    pub offers: Arc<[Offer]>,
    /// What followed the ask.
    pub turns: Vec<Turn>,
}

/// Three bytes of text are at least one token in every tokenizer we know: an upper estimate.
pub fn tokens_of(text: &str) -> u64 {
    (text.len() as u64).div_ceil(3)
}

/// What is asked, and with what.
#[derive(Clone, Debug)]
pub(crate) struct Ask<'a> {
    /// The step's name, under which the labels of what it shows are known.
    pub step: &'a str,
    /// The ask.
    pub prompt: &'a Prompt,
    /// The data of the task layer.
    pub see: &'a [See],
    /// What the answer must fit.
    pub output: Option<&'a Arc<Schema>>,
    /// What one call may be shown, in tokens.
    pub tokens: Option<u64>,
    /// It is asked in turns, and proposes what it is offered.
    pub turn: Option<&'a Turning>,
    /// What became of the work in an earlier attempt at it.
    pub before: Option<String>,
}

/// A request with what is recorded of it.
pub(crate) struct Compiled {
    pub request: ModelRequest,
    pub manifest: Manifest,
    /// Texts that were set aside.
    pub blobs: Vec<Blob>,
}

/// Compiles what one call is shown. Deterministic: the same state gives the same bytes, which the manifest's `request` pins.
///
/// System text: what fences mean, the shared text, the stage's text, then what the two layers show. A layer's end is an edge as
/// long as nothing above it comes from the run. User text: untrusted items of the two layers, then the task's items, those that
/// change least often first, then the ask, then errors to repair.
pub(crate) fn compile(
    ask: &Ask<'_>,
    walk: &Walk<'_>,
    step: &StepPath,
    frame: &Frame<'_>,
    attempt: u32,
    model: &Arc<str>,
    repairs: &[&str],
) -> Result<Compiled, Stop> {
    let (offers, turns) = match ask.turn {
        Some(turn) => (turn.offers.clone(), turn.so_far(walk, step, repairs)?),
        None => (Arc::default(), Vec::new()),
    };
    // In a conversation what was wrong is its last turn.
    let mut draft = Draft::new(ask, walk, frame, if ask.turn.is_some() { &[] } else { repairs })?;
    let mut drawn = draft.fit(walk, frame)?;
    let output_schema = ask.output.map(|schema| schema.digest());
    drawn.segments.extend(draft::talk(&offers, &turns));
    let request = ModelRequest {
        step: step.clone(),
        workflow: walk.program.name.clone(),
        attempt,
        model: model.clone(),
        edges: drawn.edges.iter().map(|(_, at)| *at).collect(),
        system: drawn.system,
        user: drawn.user,
        data: draft.data(),
        output_schema: ask.output.filter(|_| offers.is_empty()).cloned(),
        offers,
        turns,
    };
    let edges = drawn.edges.iter().map(|(layer, at)| Edge {
        layer: *layer,
        at: *at as u64,
        prefix: Digest::of(&[&request.system.as_bytes()[..*at]]),
    });
    let manifest = Manifest {
        request: digest(&request),
        output_schema,
        tokens_est: drawn.segments.iter().map(|segment| segment.tokens_est).sum(),
        segments: drawn.segments,
        layout: Some(LAYOUT),
        edges: edges.collect(),
    };
    Ok(Compiled { request, manifest, blobs: draft.aside() })
}

/// SHA-256 over the whole rendered request.
pub(crate) fn digest(request: &ModelRequest) -> Digest {
    let schema = request.output_schema.as_ref().map(|schema| schema.digest());
    let plain = Digest::of(&[
        b"surefoot/request/v2\0",
        &(request.system.len() as u64).to_be_bytes(),
        request.system.as_bytes(),
        &(request.user.len() as u64).to_be_bytes(),
        request.user.as_bytes(),
        schema.as_ref().map_or(&[][..], |schema| schema.bytes()),
        request.model.as_bytes(),
    ]);
    if request.offers.is_empty() {
        return plain;
    }
    let talk = Value::map([
        ("offers", Value::list(request.offers.iter().map(Offer::to_value))),
        ("turns", Value::list(request.turns.iter().map(Turn::to_value))),
    ]);
    Digest::of(&[b"surefoot/request/talk/v2\0", plain.bytes(), talk.digest().bytes()])
}

/// A value as models see it: a text as it is, anything else as canonical JSON.
fn said(value: &Value) -> Cow<'_, str> {
    value.as_str().map_or_else(|| Cow::Owned(value.to_json()), Cow::Borrowed)
}
