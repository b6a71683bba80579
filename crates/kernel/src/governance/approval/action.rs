//! What an approval binds to: the keyed hash of everything that an action is.

use std::{collections::BTreeMap, sync::Arc};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::{
    governance::Effect,
    ids::{Digest, RunId, StepPath},
    values::{Map, Value},
};

/// Everything that one action is. If any of it changes, it is another action, and no approval covers it.
#[derive(Clone, Debug, PartialEq)]
pub struct Action {
    /// Whose installation.
    pub tenant: Arc<str>,
    /// The run that acts.
    pub run: RunId,
    /// The step that acts, with its item and visit.
    pub step: StepPath,
    /// Which call of that step, from 1.
    pub call: u32,
    /// The tool file's name.
    pub tool: Arc<str>,
    /// One of its operations.
    pub operation: Arc<str>,
    /// Digest of what the tool declares today.
    pub tool_pin: Digest,
    /// The declared effect.
    pub class: Effect,
    /// The business object that is acted on.
    pub resource: Value,
    /// The arguments, as they will be sent.
    pub with: Value,
    /// The secrets that are used: name to version. Never the secret itself.
    pub secrets: BTreeMap<Arc<str>, Arc<str>>,
    /// The hashes of the actions that would undo this one; who approves it approves them.
    pub undo: Vec<Digest>,
}

impl Action {
    /// The tuple as data, with its version.
    pub fn to_value(&self) -> Value {
        let secrets = self.secrets.iter().map(|(name, version)| (name.clone(), Value::Text(version.clone())));
        Value::map([
            ("v", Value::Int(1)),
            ("tenant", Value::Text(self.tenant.clone())),
            ("run", Value::from(self.run.to_string())),
            ("step", Value::from(self.step.as_str())),
            ("call", Value::from(self.call)),
            ("tool", Value::Text(self.tool.clone())),
            ("operation", Value::Text(self.operation.clone())),
            ("tool_pin", Value::from(self.tool_pin.to_string())),
            ("class", Value::from(self.class.as_str())),
            ("resource", self.resource.clone()),
            ("with", self.with.clone()),
            ("secrets", Value::map(secrets)),
            ("undo", Value::list(self.undo.iter().map(|digest| Value::from(digest.to_string())))),
        ])
    }
}

/// The hash that an approval binds to: HMAC-SHA256 over the canonical JSON of the tuple. Keyed, because arguments are easy to
/// guess: a bare hash would tell them after they were erased. `key` belongs to the run and is never shown.
pub fn action_hash(key: &[u8; 32], action: &Action) -> Digest {
    keyed(key, &action.to_value().to_jcs())
}

/// The arguments with the fields of an edit in place. What it does not name stays. Arguments that are no map are replaced.
pub fn edited(with: &Value, edit: &Value) -> Value {
    let (Value::Map(with), Value::Map(edit)) = (with, edit) else { return edit.clone() };
    let mut all: Map = (**with).clone();
    all.extend(edit.iter().map(|(field, value)| (field.clone(), value.clone())));
    Value::Map(Arc::new(all))
}

pub(super) fn keyed(key: &[u8], bytes: &[u8]) -> Digest {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length (RFC 2104 §3)");
    mac.update(bytes);
    Digest::from_bytes(mac.finalize().into_bytes().into())
}
