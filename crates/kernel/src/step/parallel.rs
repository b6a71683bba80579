//! `parallel`: several branches at once. `ParallelOpened` says which of them run, `BodyDone` closes a branch, `StepDone` or
//! `StepFailed` closes the step. Its value is a map by branch; a branch that did not run is `none`.

use std::sync::Arc;

use crate::{
    expr::{Condition, Template},
    ids::StepPath,
    journal::{BodyResult, Event, Held},
    next::{Frame, Inner, Record, Steps, Stop, Walk, Walked},
    run::{Bodies, Doing, Open},
    step::Step,
    types::Type,
    values::{Map, Value},
    workflow::reading::Reading,
    yaml::Fields,
};

/// `parallel: { branches: { name: { when, steps, gives }, … } }`.
#[derive(Debug)]
pub struct Parallel {
    /// In the order written.
    pub branches: Vec<Branch>,
}

/// One branch.
#[derive(Debug)]
pub struct Branch {
    /// Its name.
    pub name: Arc<str>,
    /// If it is false, the branch does not run.
    pub when: Option<Condition>,
    /// What is done.
    pub steps: Vec<Step>,
    /// What it gives; the value of its last step if absent.
    pub gives: Option<Template>,
}

impl Parallel {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<(), Stop> {
        let mut branches = Vec::new();
        for branch in &self.branches {
            let runs = match &branch.when {
                Some(when) => walk.holds(when, frame)?,
                None => true,
            };
            if runs {
                branches.push(branch.name.clone());
            }
        }
        walk.record(Event::ParallelOpened { step: path.clone(), branches });
        Ok(())
    }

    pub(crate) fn go_on<'a>(
        &'a self,
        walk: &mut Walk<'a>,
        open: &'a Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Bodies(bodies) = &open.doing else { return Ok(()) };
        let decided = bodies.failed.is_some() || bodies.over == bodies.count;
        if decided && !open.doing.is_acting() && !walk.state.takes_back_inside(path) {
            return self.close(walk, bodies, path);
        }
        for index in 0..bodies.count {
            if bodies.results[index as usize].is_some() {
                continue;
            }
            let Some(branch) = self.branch(bodies, index) else { continue };
            let body = bodies.open.get(&index);
            let mut inner = branch.inner(path);
            inner.drain = decided;
            let mut blobs = Vec::new();
            let result = match walk.body(body, frame, &inner) {
                Walked::Busy => continue,
                Walked::Failed(failure) => BodyResult::Failed(failure),
                Walked::Over if frame.draining() => continue,
                Walked::Over => match walk.gives(branch.gives.as_ref(), body, frame, &inner) {
                    Ok(value) => BodyResult::Gave(Held::hold(value, &mut blobs)),
                    Err(Stop::Failed(failure)) => BodyResult::Failed(failure),
                    Err(look) => return Err(look),
                },
            };
            walk.push(Record { event: Event::BodyDone { body: StepPath::new(inner.path), result }, blobs });
        }
        Ok(())
    }

    pub(crate) fn body<'a>(&'a self, bodies: &Bodies, index: u32, path: &StepPath) -> Option<Inner<'a>> {
        self.branch(bodies, index).map(|branch| branch.inner(path))
    }

    fn branch(&self, bodies: &Bodies, index: u32) -> Option<&Branch> {
        let name = bodies.branches.get(index as usize)?;
        self.branches.iter().find(|branch| branch.name == *name)
    }

    fn close(&self, walk: &mut Walk<'_>, bodies: &Bodies, path: &StepPath) -> Result<(), Stop> {
        if let Some(failure) = &bodies.failed {
            return Err(Stop::Failed(failure.clone()));
        }
        let mut values: Map = self.branches.iter().map(|branch| (branch.name.clone(), Value::Null)).collect();
        for (name, result) in bodies.branches.iter().zip(&bodies.results) {
            if let Some(BodyResult::Gave(held)) = result {
                values.insert(name.clone(), walk.unhold(held)?);
            }
        }
        let mut blobs = Vec::new();
        let output = Held::hold(Value::Map(Arc::new(values)), &mut blobs);
        walk.push(Record { event: Event::StepDone { step: path.clone(), output }, blobs });
        Ok(())
    }
}

impl Branch {
    fn inner(&self, path: &StepPath) -> Inner<'_> {
        Inner {
            path: format!("{path}.{}", self.name),
            steps: Steps::Written(&self.steps),
            named: None,
            item: None,
            index: None,
            drain: false,
        }
    }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["parallel"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Parallel, Type)> {
    let node = fields.get("parallel")?;
    let fields = Fields::new(node, "`parallel`", &["branches"], &["join"], &mut reading.complaints)?;
    fields.required("branches", &mut reading.complaints)?;
    let (mut branches, mut types) = (Vec::new(), Vec::new());
    for (key, node) in fields.map("branches", &mut reading.complaints) {
        let plain = key.text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !plain {
            let message = format!("`{}` cannot name a branch", key.text);
            let hint = "use lower-case letters, digits and _";
            reading.complaints.push(node.complaint("W020", message).hint(hint));
            continue;
        }
        let known = ["when", "steps", "gives"];
        let Some(fields) = Fields::new(node, "a branch", &known, &["join"], &mut reading.complaints) else { continue };
        let when = match fields.get("when") {
            None => None,
            Some(node) => match reading.condition(node) {
                Some(when) => Some(when),
                None => continue,
            },
        };
        reading.enter([]);
        let (steps, gives, ty) = super::read_body(&fields, reading);
        reading.leave();
        let ty = if when.is_some() { ty.maybe() } else { ty };
        types.push((key.text.clone(), ty));
        if let Some(gives) = gives {
            branches.push(Branch { name: key.text.clone(), when, steps, gives });
        }
    }
    if types.is_empty() {
        reading.complaints.push(node.complaint("W003", "a `parallel` needs at least one branch"));
    }
    Some((Parallel { branches }, Type::object(types)))
}
