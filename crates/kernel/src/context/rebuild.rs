//! A request made again from the journal: what a model was shown is on record as references, and this is how they are followed.

use std::collections::{BTreeMap, BTreeSet};

use super::{Compiled, LAYOUT, Manifest, ModelRequest};
use crate::{
    expr::Text,
    governance::charter::Charter,
    ids::{Digest, Segment, StepPath},
    journal::BlobRef,
    next::{Facts, Frame, Query, Steps, Stop, Walk},
    run::{Body, Open, RunState, Sequence},
    step::{Kind, Step},
    values::Value,
    workflow::{Program, Stage},
};

/// Why a request is not made again.
#[derive(Debug, thiserror::Error)]
pub enum NotRebuilt {
    /// Values that are kept beside the journal are needed: call again with them.
    #[error("{} values that are kept beside the journal are not there", .0.len())]
    Look(Vec<BlobRef>),
    /// It was put together in a way that this version does not know.
    #[error("the request was put together in layout {found}, and this version knows layout {LAYOUT}")]
    Layout {
        /// The way it was.
        found: u32,
    },
    /// The state does not wait for an answer to it.
    #[error("`{0}` does not wait for an answer here: the state is the one right after its `model asked`")]
    NotAsking(StepPath),
    /// The bytes are not those that the journal announced.
    #[error("the request is {made}, and the journal announced {announced}")]
    Differs {
        /// Of what was made now.
        made: Digest,
        /// Of what was sent.
        announced: Digest,
    },
    /// It cannot be compiled.
    #[error("the request cannot be made again: {0}")]
    Failed(String),
}

/// The request that an entry `model asked` announced, byte for byte: `state` is the run right after that entry, `manifest` what
/// the entry says, `blobs` what is kept beside the journal as far as it was asked for.
///
/// # Errors
/// See [`NotRebuilt`]. Nothing is returned whose digest is not the announced one.
pub fn rebuild(
    program: &Program,
    state: &RunState,
    step: &StepPath,
    manifest: &Manifest,
    blobs: &BTreeMap<Digest, Value>,
) -> Result<ModelRequest, NotRebuilt> {
    let layout = manifest.layout.unwrap_or(1);
    if layout != LAYOUT {
        return Err(NotRebuilt::Layout { found: layout });
    }
    with_walk((program, state, blobs), |walk| {
        let made = walk.at(step, |walk, here, open, frame| asked(walk, step, here, open, frame));
        let made = settled(made, step)?;
        if made.manifest.request != manifest.request {
            return Err(NotRebuilt::Differs { made: made.manifest.request, announced: manifest.request });
        }
        Ok(made.request)
    })
}

/// What another version of the workflow would ask in the same state: `program` need not be the one that the run follows, and the
/// step is found by its names.
///
/// # Errors
/// See [`NotRebuilt`].
pub fn would_ask(
    program: &Program,
    state: &RunState,
    step: &StepPath,
    blobs: &BTreeMap<Digest, Value>,
) -> Result<(ModelRequest, Manifest), NotRebuilt> {
    with_walk((program, state, blobs), |walk| {
        let made = named(walk, step, &|walk, here, open, frame| asked(walk, step, here, open, frame));
        settled(made, step).map(|made| (made.request, made.manifest))
    })
}

/// A text with its holes filled as the step would see them in that state: names of steps, `input`, `item`.
///
/// # Errors
/// See [`NotRebuilt`].
pub fn text_at(
    program: &Program,
    state: &RunState,
    step: &StepPath,
    text: &Text,
    blobs: &BTreeMap<Digest, Value>,
) -> Result<String, NotRebuilt> {
    with_walk((program, state, blobs), |walk| {
        settled(named(walk, step, &|walk, _, _, frame| walk.render(text, frame).map(Some)), step)
    })
}

fn with_walk<R>(
    (program, state, blobs): (&Program, &RunState, &BTreeMap<Digest, Value>),
    work: impl FnOnce(&Walk<'_>) -> R,
) -> R {
    let charter = Charter::default();
    let facts = Facts {
        now: state.at,
        epoch: state.epoch,
        blobs,
        in_flight: &BTreeSet::new(),
        charter: &charter,
        counters: &BTreeMap::new(),
        refused: &BTreeMap::new(),
        places: &BTreeMap::new(),
        cooling: &BTreeMap::new(),
        answers: &BTreeMap::new(),
        tenant: "",
        key: &[0; 32],
    };
    work(&Walk::new(program, state, &facts))
}

fn asked(
    walk: &Walk<'_>,
    path: &StepPath,
    here: &Step,
    open: Option<&Open>,
    frame: &Frame<'_>,
) -> Result<Option<Compiled>, Stop> {
    match (&here.kind, open) {
        (Kind::Reason(reason), Some(open)) => reason.asked(walk, path, frame, open),
        _ => Ok(None),
    }
}

fn settled<T>(made: Result<Option<T>, Stop>, step: &StepPath) -> Result<T, NotRebuilt> {
    match made {
        Ok(made) => made.ok_or_else(|| NotRebuilt::NotAsking(step.clone())),
        Err(Stop::Look(queries)) => {
            let blob = |query| if let Query::Blob(blob) = query { Some(blob) } else { None };
            Err(NotRebuilt::Look(queries.into_iter().filter_map(blob).collect()))
        }
        Err(Stop::Failed(failure)) => Err(NotRebuilt::Failed(failure.detail)),
    }
}

type Found<'f, R> = dyn Fn(&Walk<'_>, &Step, Option<&Open>, &Frame<'_>) -> Result<Option<R>, Stop> + 'f;

/// Finds the step at `path` by names alone, wherever the program has it, with the frame that the state gives it.
fn named<R>(walk: &Walk<'_>, path: &StepPath, found: &Found<'_, R>) -> Result<Option<R>, Stop> {
    let Some(top) = walk.state.stages.last() else { return Ok(None) };
    let segments: Vec<Segment<'_>> = path.segments().collect();
    let Some(first) = segments.first() else { return Ok(None) };
    let has = |stage: &&Stage| stage.steps.iter().any(|step| *step.name == *first.name);
    let stage = walk.program.stage(&top.stage).filter(has).or_else(|| walk.program.stages.iter().find(has));
    let Some(stage) = stage else { return Ok(None) };
    let frame = Frame::outermost(&walk.state.values, stage);
    down(walk, &segments, (&Steps::Written(&stage.steps), &top.steps), &frame, (path, found))
}

fn down<R>(
    walk: &Walk<'_>,
    segments: &[Segment<'_>],
    (steps, at): (&Steps<'_>, &Sequence),
    frame: &Frame<'_>,
    (path, found): (&StepPath, &Found<'_, R>),
) -> Result<Option<R>, Stop> {
    let Some((segment, rest)) = segments.split_first() else { return Ok(None) };
    let Some(step) = steps.named(segment.name) else { return Ok(None) };
    let open = at.open.as_deref().filter(|open| *open.name == *segment.name);
    if rest.is_empty() {
        return found(walk, step, open, frame);
    }
    let body = open.zip(segment.frame).and_then(|(open, key)| Some((open, open.doing.body(key)?)));
    let Some((open, (index, body))) = body else { return Ok(None) };
    let Some(inner) = step.body(walk, &open.doing, index, path)? else { return Ok(None) };
    let nothing = Body::default();
    let body = body.unwrap_or(&nothing);
    let frame = frame.inside(if inner.steps.is_seen() { &body.values } else { &nothing.values }, &inner);
    down(walk, rest, (&inner.steps, &body.steps), &frame, (path, found))
}
