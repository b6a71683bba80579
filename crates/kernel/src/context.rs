//! What exactly one model call is shown: layers → segments → rendered request and manifest.

use std::{fmt::Write as _, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Digest, StepPath},
    next::{Frame, Stop, Walk},
    recovery::{Failure, FailureKind},
    schema::Schema,
    step::reason::Reason,
    values::{Map, Value},
    workflow::{Overflow, Prompt, See},
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
    /// The task layer: the ask and the data it sees, then errors of earlier attempts to repair.
    pub user: String,
    /// The data the step was shown, by name: what the `rules` and `scripted` providers read.
    pub data: Value,
    /// What the answer must fit: canonical JSON Schema. With offers the answer is what was proposed, and this is `None`.
    pub output_schema: Option<Arc<Schema>>,
    /// Where in `system` a layer ends, as byte offsets, rising: what stands before changes less often than what follows.
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

/// Compiles what one call is shown: shared → stage → task data → the ask → errors to repair. Deterministic: the same state gives
/// the same bytes, which the manifest's `request` digest pins.
pub(crate) fn compile(
    reason: &Reason,
    walk: &Walk<'_>,
    step: &StepPath,
    frame: &Frame<'_>,
    attempt: u32,
    model: &Arc<str>,
    repairs: Vec<&str>,
) -> Result<(ModelRequest, Manifest), Stop> {
    let offers = reason.turn.as_ref().map(|turn| turn.offers.clone()).unwrap_or_default();
    let turns = match &reason.turn {
        Some(turn) => turn.so_far(walk, step, &repairs)?,
        None => Vec::new(),
    };
    let mut made = Made { segments: Vec::new(), data: Map::new() };
    let mut system = String::new();
    if let Some(shared) = &walk.program.context {
        system = made.layer(walk, frame, Layer::Shared, &shared.prompt, &shared.see)?;
    }
    if let Some(stage) = &frame.stage.context {
        let text = made.layer(walk, frame, Layer::Stage, &stage.prompt, &stage.see)?;
        if !system.is_empty() {
            system.push_str("\n\n");
        }
        system.push_str(&text);
    }
    let mut user = made.layer(walk, frame, Layer::Task, &reason.prompt, &reason.see)?;
    if !repairs.is_empty() && offers.is_empty() {
        let errors = format!(
            "\n\nYour last answer was not accepted. Answer again and mend this:\n{}",
            repairs.iter().map(|error| format!("- {error}")).collect::<Vec<_>>().join("\n")
        );
        made.segment("repair", Layer::Task, None, &errors, None);
        user.push_str(&errors);
    }
    let schema = reason.output.digest();
    let talk = (!offers.is_empty()).then(|| made.talk(&offers, &turns));
    let plain = Digest::of(&[
        b"surefoot/request/v1\0",
        &(system.len() as u64).to_be_bytes(),
        system.as_bytes(),
        &(user.len() as u64).to_be_bytes(),
        user.as_bytes(),
        schema.bytes(),
        model.as_bytes(),
    ]);
    let request = talk.map_or(plain, |talk| Digest::of(&[b"surefoot/request/talk/v1\0", plain.bytes(), talk.bytes()]));
    let tokens_est = made.segments.iter().map(|segment| segment.tokens_est).sum();
    let manifest = Manifest { segments: made.segments, request, output_schema: Some(schema), tokens_est };
    let request = ModelRequest {
        step: step.clone(),
        workflow: walk.program.name.clone(),
        attempt,
        model: model.clone(),
        system,
        user,
        data: Value::Map(Arc::new(made.data)),
        output_schema: offers.is_empty().then(|| reason.output.clone()),
        edges: Vec::new(),
        offers,
        turns,
    };
    Ok((request, manifest))
}

struct Made {
    segments: Vec<Segment>,
    data: Map,
}

impl Made {
    fn layer(
        &mut self,
        walk: &Walk<'_>,
        frame: &Frame<'_>,
        layer: Layer,
        prompt: &Prompt,
        see: &[See],
    ) -> Result<String, Stop> {
        let mut shown = Map::new();
        let mut appended = String::new();
        for item in see {
            let value = walk.compute(&item.from, frame)?;
            let (value, reduced) = fit(item, value)?;
            let text = value.as_str().map_or_else(|| value.to_json(), str::to_owned);
            self.segment(&item.name, layer, Some(item.from.source()), &text, reduced);
            // What no hole places is shown after the text, under its name.
            if !prompt.text.roots().iter().any(|root| root.name == item.name) {
                let _ = write!(appended, "\n\n<{name}>\n{text}\n</{name}>", name = item.name);
            }
            self.data.insert(item.name.clone(), value.clone());
            shown.insert(item.name.clone(), value);
        }
        let holes: Vec<Value> =
            prompt.text.roots().iter().map(|root| shown.get(&root.name).cloned().unwrap_or_default()).collect();
        let mut text = prompt
            .text
            .render(&holes)
            .map_err(|why| Stop::Failed(Failure::inside(FailureKind::Internal, format!("{}: {why}", prompt.file))))?;
        text.truncate(text.trim_end().len());
        self.segment(&prompt.file, layer, None, &text, None);
        text.push_str(&appended);
        Ok(text)
    }

    /// What is offered, and what followed the ask; gives the digest of all of it.
    fn talk(&mut self, offers: &[Offer], turns: &[Turn]) -> Digest {
        let offered = Value::list(offers.iter().map(Offer::to_value));
        self.segment("offers", Layer::Task, None, &offered.to_json(), None);
        let followed: Vec<Value> = turns.iter().map(Turn::to_value).collect();
        for turn in &followed {
            self.segment("turn", Layer::Task, None, &turn.to_json(), None);
        }
        Value::map([("offers", offered), ("turns", Value::list(followed))]).digest()
    }

    fn segment(&mut self, id: &str, layer: Layer, source: Option<&str>, text: &str, reduced: Option<Arc<str>>) {
        self.segments.push(Segment {
            id: id.into(),
            layer,
            source: source.map(Into::into),
            digest: Digest::of(&[text.as_bytes()]),
            bytes: text.len() as u64,
            tokens_est: tokens_of(text),
            reduced,
        });
    }
}

/// Makes an item fit its tokens, as its `overflow` says.
fn fit(item: &See, value: Value) -> Result<(Value, Option<Arc<str>>), Stop> {
    let Some(limit) = item.tokens else { return Ok((value, None)) };
    let size = |value: &Value| tokens_of(&value.as_str().map_or_else(|| value.to_json(), str::to_owned));
    let before = size(&value);
    if before <= limit {
        return Ok((value, None));
    }
    let fitted = match (&value, item.overflow) {
        (Value::Text(text), Overflow::Truncate) => {
            let most = usize::try_from(limit.saturating_mul(3)).unwrap_or(usize::MAX);
            Some(Value::text(&text[..text.floor_char_boundary(most)]))
        }
        (Value::List(items), Overflow::DropLast) => {
            let mut kept = items.as_ref().clone();
            while size(&Value::list(kept.iter().cloned())) > limit && kept.pop().is_some() {}
            Some(Value::list(kept))
        }
        _ => None,
    };
    match fitted {
        Some(fitted) => {
            let how = if item.overflow == Overflow::Truncate { "truncate" } else { "drop_last" };
            let note = format!("{how} from {before} to {} tokens", size(&fitted));
            Ok((fitted, Some(note.into())))
        }
        None => {
            let detail = format!("`{}` has about {before} tokens, {limit} fit", item.name);
            Err(Stop::Failed(Failure::inside(FailureKind::ContextOverflow, detail)))
        }
    }
}
