//! What a result says about taking it back.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::Held;

/// How an action would be taken back: worked out when its result is recorded, while the names of its frame are there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The arguments; `None`: they could not be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<Held>,
    /// Why they could not be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The labels that they carry.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub labels: BTreeSet<Arc<str>>,
    /// The control arguments that are untrusted, with where they come from.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub untrusted: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}
