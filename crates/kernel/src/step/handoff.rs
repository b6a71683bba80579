//! `handoff`: passes work to people and waits for what comes of it. `WorkOpened` opens it; `WorkAnswered` is what a person said;
//! `WorkEnded` closes it, with the answer or as a failure. Who does the work is not the run's business: people claim and pass it on.

use std::sync::Arc;

use super::people;
use crate::{
    expr::{Template, Text},
    governance::approval::seen,
    ids::StepPath,
    journal::{Event, Held, WorkEnd},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, FailureKind},
    run::{Doing, Open},
    schema::Schema,
    types::Type,
    values::{Span, Value},
    workflow::reading::Reading,
    yaml::Fields,
};

/// `handoff: { to: { person: group }, task, with, contract, timeout }`.
#[derive(Debug)]
pub struct Handoff {
    /// The group whose people find it.
    pub to: Arc<str>,
    /// What is to be done.
    pub task: Text,
    /// What they are given, by name.
    pub with: Option<Template>,
    /// What the answer must fit.
    pub contract: Arc<Schema>,
    /// How long it may take, in working hours of whoever has some; `None`: until it is done.
    pub timeout: Option<Span>,
}

impl Handoff {
    pub(crate) fn begin(
        &self,
        walk: &mut Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: Option<&Open>,
    ) -> Result<(), Stop> {
        let nth = open.map_or(0, |open| open.asked) + 1;
        let task = walk.render(&self.task, frame)?;
        let with = match &self.with {
            Some(with) => walk.evaluate(with, frame)?,
            None => Value::map::<&str>([]),
        };
        let now = walk.facts.now;
        let people = &walk.statutes().people;
        let due_at = self.timeout.map(|span| people.working_until(&self.to, now, span).unwrap_or(now + span));
        let from = Value::map([
            ("workflow", Value::Text(walk.program.name.clone())),
            ("run", Value::from(walk.state.run.to_string())),
            ("step", Value::from(path.as_str())),
        ]);
        let envelope = Value::map([
            ("v", Value::Int(1)),
            ("from", from),
            ("to", Value::map([("person", Value::Text(self.to.clone()))])),
            ("task", Value::from(task)),
            ("evidence", people::standings(walk, path, &with)),
            ("artifact", with),
            ("contract", people::schema_value(&self.contract)),
            ("due_at", due_at.map_or(Value::Null, |at| Value::from(at.to_string()))),
            ("status", Value::from("open")),
        ]);
        let mut blobs = Vec::new();
        let event = Event::WorkOpened {
            step: path.clone(),
            work: people::work_id(walk, path, nth),
            queue: self.to.clone(),
            card: Held::hold(seen(&envelope), &mut blobs),
            due_at,
        };
        walk.push(Record { event, blobs });
        Ok(())
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Working(working) = &open.doing else { return Ok(()) };
        if frame.draining() {
            return Ok(());
        }
        let end = match (&working.answer, working.due_at) {
            (Some(answer), _) => match self.fits(&walk.unhold(&answer.output)?) {
                Ok(()) => WorkEnd::Gave { output: answer.output.clone(), by: answer.by.clone() },
                Err(why) => {
                    let detail = format!("the answer of {} does not fit the contract: {why}", answer.by);
                    WorkEnd::Failed { failure: Failure::inside(FailureKind::ContractViolated, detail) }
                }
            },
            (None, Some(due)) if due <= walk.facts.now => {
                let detail = format!("nobody of {} answered in time", self.to);
                WorkEnd::Failed { failure: Failure::inside(FailureKind::NoAnswer, detail) }
            }
            (None, due) => {
                let task = walk.render(&self.task, frame)?;
                walk.wait(due, || format!("{} to do: {task} ({})", self.to, working.id));
                return Ok(());
            }
        };
        walk.record(Event::WorkEnded { step: path.clone(), work: working.id.clone(), end });
        Ok(())
    }

    /// Whether an answer is what was asked for.
    ///
    /// # Errors
    /// Why not, in words for the person who answers.
    pub fn fits(&self, answer: &Value) -> Result<(), String> {
        self.contract.validate(answer).map_err(|complaints| complaints.join("; "))
    }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 1] = ["handoff"];

/// The keys below `handoff`, and those of later versions.
const INNER: [&str; 5] = ["to", "task", "with", "contract", "timeout"];
const LATER: [&str; 1] = ["on_timeout"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, reading: &mut Reading<'_>) -> Option<(Handoff, Type)> {
    let node = fields.get("handoff")?;
    let fields = Fields::new(node, "`handoff`", &INNER, &LATER, &mut reading.complaints)?;
    let to = fields.required("to", &mut reading.complaints).and_then(|node| {
        let fields = Fields::new(node, "`to`", &["person"], &[], &mut reading.complaints)?;
        let group = fields.required("person", &mut reading.complaints)?;
        people::group(group, reading)
    });
    let task = fields.required("task", &mut reading.complaints).and_then(|node| reading.text(node));
    let with = people::named_values("with", &fields, reading);
    let contract = fields.required("contract", &mut reading.complaints).and_then(|node| reading.schema(node));
    let timeout = fields.time("timeout", &mut reading.complaints);
    let contract = contract?;
    let ty = contract.ty().clone();
    Some((Handoff { to: to?, task: task?, with: with?, contract, timeout }, ty))
}
