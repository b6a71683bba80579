//! `repeat`: the same steps again and again, until a condition holds. `RepeatOpened` opens it, `TurnDone` closes a turn and says
//! whether another follows, `StepDone` or `StepFailed` closes the step. Its value is what the last turn gave; inside, its own name
//! is what the turn before gave, and `none` in the first.

use std::sync::Arc;

use crate::{
    expr::{Condition, Template},
    ids::StepPath,
    journal::{Event, Held},
    next::{Frame, Inner, Record, Steps, Stop, Walk, Walked},
    recovery::{Failure, FailureKind},
    run::{Doing, Open, Turns},
    step::Step,
    types::Type,
    values::Value,
    workflow::reading::Reading,
    yaml::Fields,
};

/// `repeat: { until, max, steps, gives }`.
#[derive(Debug)]
pub struct Repeat {
    /// The step's own name.
    pub name: Arc<str>,
    /// It ends when this holds, judged after each turn in the turn's own frame. Without it, after `max` turns.
    pub until: Option<Condition>,
    /// At most so many turns; with `until`, reaching it is the failure `no_progress`.
    pub max: u32,
    /// What is done in a turn.
    pub steps: Vec<Step>,
    /// What a turn gives; the value of its last step if absent.
    pub gives: Option<Template>,
}

/// Most turns of one `repeat`.
pub const MOST: i64 = 100_000;

impl Repeat {
    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath) {
        walk.record(Event::RepeatOpened { step: path.clone() });
    }

    pub(crate) fn go_on<'a>(
        &'a self,
        walk: &mut Walk<'a>,
        open: &'a Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Turns(turns) = &open.doing else { return Ok(()) };
        if turns.over {
            if let Some(last) = &turns.last {
                walk.record(Event::StepDone { step: path.clone(), output: last.clone() });
            }
            return Ok(());
        }
        if turns.turn >= self.max {
            let detail = format!("{} turns did not make its `until` true", turns.turn);
            return Err(Stop::Failed(Failure::inside(FailureKind::NoProgress, detail)));
        }
        let inner = self.body(walk, turns, path)?;
        match walk.body(Some(&turns.body), frame, &inner) {
            Walked::Busy => Ok(()),
            Walked::Failed(failure) => Err(Stop::Failed(failure)),
            Walked::Over if frame.draining() => Ok(()),
            Walked::Over => {
                let value = walk.gives(self.gives.as_ref(), Some(&turns.body), frame, &inner)?;
                let again = match &self.until {
                    Some(until) => !walk.holds(until, &frame.inside(&turns.body.values, &inner))?,
                    None => turns.turn + 1 < self.max,
                };
                let mut blobs = Vec::new();
                let output = Held::hold(value, &mut blobs);
                let event = Event::TurnDone { body: StepPath::new(inner.path), output, again };
                walk.push(Record { event, blobs });
                Ok(())
            }
        }
    }

    pub(crate) fn body<'a>(&'a self, walk: &Walk<'_>, turns: &Turns, path: &StepPath) -> Result<Inner<'a>, Stop> {
        let last = match &turns.last {
            Some(held) => walk.unhold(held)?,
            None => Value::Null,
        };
        Ok(Inner {
            path: format!("{path}[{}]", turns.turn),
            steps: Steps::Written(&self.steps),
            named: Some((self.name.clone(), last)),
            item: None,
            index: Some(turns.turn),
            drain: false,
        })
    }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["repeat"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Repeat, Type)> {
    let node = fields.get("repeat")?;
    let name = fields.get("step").and_then(|node| node.scalar()).cloned().unwrap_or_default();
    let known = ["until", "max", "steps", "gives"];
    let fields = Fields::new(node, "`repeat`", &known, &["join"], &mut reading.complaints)?;
    fields.required("max", &mut reading.complaints);
    let max = fields.int("max", 1, MOST, &mut reading.complaints);
    // What a turn gives is known only after its steps: what the turn before gave is checked when it runs.
    reading.enter([(name.clone(), Type::Any.maybe()), ("index".into(), Type::Int)]);
    let (steps, gives, ty) = super::read_body(&fields, reading);
    let until = fields.get("until").map(|node| reading.condition(node));
    reading.leave();
    let until = match until {
        Some(until) => Some(until?),
        None => None,
    };
    let max = u32::try_from(max?).unwrap_or(1);
    Some((Repeat { name, until, max, steps, gives: gives? }, ty))
}
