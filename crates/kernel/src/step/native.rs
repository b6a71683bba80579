//! `native`: a registered pure Rust function, `name@version`. It may be repeated, so nothing is written before it ran; closes
//! with `StepDone` or `StepFailed`.

use std::sync::Arc;

use crate::{
    expr::Template,
    governance::labels::{self, Trust},
    ids::StepPath,
    journal::{Event, Held},
    next::{Frame, NativeCall, Next, Record, Stop, Walk},
    recovery::{Failure, FailureKind},
    schema::Schema,
    types::Type,
    values::Value,
    workflow::reading::Reading,
    yaml::Fields,
};

/// `native: name@version`, `with`, `output`, `trust`.
#[derive(Debug)]
pub struct Native {
    /// `name@version`.
    pub function: Arc<str>,
    /// Its arguments.
    pub with: Option<Template>,
    /// What it must give.
    pub output: Option<Arc<Schema>>,
    /// Which fields of its value may be acted upon.
    pub trust: Vec<Trust>,
}

impl Native {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let input = match &self.with {
            Some(with) => walk.evaluate(with, frame)?,
            None => Value::Null,
        };
        walk.then(Next::Native(NativeCall { step: path.clone(), function: self.function.clone(), input }));
        Ok(())
    }

    /// What the function gave, as an event.
    pub(crate) fn settle(&self, step: &StepPath, answer: Result<Value, String>) -> Record {
        let checked = answer.and_then(|value| match &self.output {
            Some(schema) => match schema.validate(&value) {
                Ok(()) => Ok(value),
                Err(complaints) => Err(format!("its value does not fit its schema: {}", complaints.join("; "))),
            },
            None => Ok(value),
        });
        match checked {
            Ok(value) => {
                let mut blobs = Vec::new();
                let output = Held::hold(value, &mut blobs);
                Record { event: Event::StepDone { step: step.clone(), output }, blobs }
            }
            Err(why) => {
                let failure = Failure::inside(FailureKind::Internal, format!("`{}`: {why}", self.function));
                Record::of(Event::StepFailed { step: step.clone(), failure })
            }
        }
    }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 4] = ["native", "with", "output", "trust"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Native, Type)> {
    let node = fields.get("native")?;
    let function = node.text(&mut reading.complaints)?;
    let versioned = function.split_once('@').is_some_and(|(name, version)| !name.is_empty() && !version.is_empty());
    if !versioned {
        let message = format!("`{function}` names no version of a function");
        reading.complaints.push(node.complaint("W026", message).hint("write it as `name@version`, as in `score@1`"));
        return None;
    }
    let with = fields.get("with").map(|node| reading.template(node));
    let output = fields.get("output").map(|node| reading.schema(node));
    let with = match with {
        Some(with) => Some(with?.0),
        None => None,
    };
    let output = match output {
        Some(output) => Some(output?),
        None => None,
    };
    let ty = output.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
    let trust = labels::read_trust(fields, output.as_deref(), reading)?;
    Some((Native { function, with, output, trust }, ty))
}
