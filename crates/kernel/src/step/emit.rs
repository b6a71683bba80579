//! `emit`: publishes an event, for every run of the same tenant and project that waits for it, now or later. `EventPublished` closes
//! the step; the event is kept and told in the transaction of that entry.

use std::sync::Arc;

use super::wait;
use crate::{
    expr::Template,
    ids::{Digest, StepPath},
    journal::{Effects, Event, Held},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, FailureKind},
    types::Type,
    values::Value,
    workflow::reading::Reading,
    yaml::Fields,
};

/// `emit: { event, key, data }`.
#[derive(Debug)]
pub struct Emit {
    /// What happened.
    pub event: wait::Named,
    /// What is told.
    pub data: Option<Template>,
}

/// Most bytes of canonical JSON that an event carries.
const MOST: usize = 256 * 1024;

impl Emit {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        if walk.state.effects() == Some(Effects::Block) {
            walk.without_effects(path, "publish an event");
            return Ok(());
        }
        let topic = self.event.topic(walk, frame)?;
        let data = match &self.data {
            Some(data) => walk.evaluate(data, frame)?,
            None => Value::Null,
        };
        let bytes = data.to_jcs().len();
        if bytes > MOST {
            let detail = format!("the event `{}` would carry {bytes} bytes, at most {MOST} are possible", topic.event);
            return Err(Stop::Failed(Failure::inside(FailureKind::ContractViolated, detail)));
        }
        let mut blobs = Vec::new();
        let data = Held::hold(data, &mut blobs);
        let event = Event::EventPublished { step: path.clone(), id: id(walk, path), topic, data };
        walk.push(Record { event, blobs });
        Ok(())
    }
}

/// Names the event: the same visit of the same step has the same one.
fn id(walk: &Walk<'_>, path: &StepPath) -> Arc<str> {
    let digest = Digest::of(&[b"surefoot/event/v1\0", &walk.state.run.bytes(), path.as_str().as_bytes()]);
    let hex = digest.to_string();
    format!("evt_{}", &hex[..32]).into()
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["emit"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Emit, Type)> {
    let node = fields.get("emit")?;
    let fields = Fields::new(node, "`emit`", &["event", "key", "data"], &[], &mut reading.complaints)?;
    fields.required("event", &mut reading.complaints)?;
    let event = wait::named(&fields, reading);
    let data = match fields.get("data") {
        None => None,
        Some(node) => Some(reading.template(node)?.0),
    };
    Some((Emit { event: event?, data }, Type::object([("event", Type::TEXT)])))
}
