//! A request made again from the journal: what a model was shown is on record as references, and this is how they are followed.

use std::collections::{BTreeMap, BTreeSet};

use super::{LAYOUT, Manifest, ModelRequest};
use crate::{
    governance::charter::Charter,
    ids::{Digest, StepPath},
    journal::BlobRef,
    next::{Facts, Query, Stop, Walk},
    run::RunState,
    step::Kind,
    values::Value,
    workflow::Program,
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
        tenant: "",
        key: &[0; 32],
    };
    let walk = Walk::new(program, state, &facts);
    let made = walk.at(step, |walk, here, open, frame| match (&here.kind, open) {
        (Kind::Reason(reason), Some(open)) => reason.asked(walk, step, frame, open),
        _ => Ok(None),
    });
    let made = match made {
        Ok(made) => made.ok_or_else(|| NotRebuilt::NotAsking(step.clone()))?,
        Err(Stop::Look(queries)) => {
            let blob = |query| if let Query::Blob(blob) = query { Some(blob) } else { None };
            return Err(NotRebuilt::Look(queries.into_iter().filter_map(blob).collect()));
        }
        Err(Stop::Failed(failure)) => return Err(NotRebuilt::Failed(failure.detail)),
    };
    if made.manifest.request != manifest.request {
        return Err(NotRebuilt::Differs { made: made.manifest.request, announced: manifest.request });
    }
    Ok(made.request)
}
