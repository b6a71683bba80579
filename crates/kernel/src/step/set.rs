//! `set`: pure values. Opens nothing; closes with `StepDone`.

use crate::{
    expr::Template,
    ids::StepPath,
    journal::{Event, Held},
    next::{Frame, Record, Stop, Walk},
    types::Type,
    workflow::reading::Reading,
    yaml::Fields,
};

/// `set: { name: =expression, … }`.
#[derive(Debug)]
pub struct Set {
    /// What it computes.
    pub value: Template,
}

impl Set {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let value = walk.evaluate(&self.value, frame)?;
        let mut blobs = Vec::new();
        let output = Held::hold(value, &mut blobs);
        walk.push(Record { event: Event::StepDone { step: path.clone(), output }, blobs });
        Ok(())
    }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["set"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Set, Type)> {
    let (value, ty) = reading.template(fields.get("set")?)?;
    Some((Set { value }, ty))
}
