//! A failed step is put before people: what they are told, what they may answer, and what follows.
//!
//! A value is asserted only for a step that does nothing outside, asks no people to approve and chooses no stages.

use std::sync::Arc;

use crate::{
    governance::approval::seen,
    ids::StepPath,
    journal::{Event, Held, WorkEnd},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, Recovery, Response},
    run::{Acting, Doing, Open, unknown},
    step::{Kind, Step, act::Act, people},
    types::Type,
    values::{Span, Value},
};

/// The step is begun afresh.
const AGAIN: &str = "again";
/// The next recovery counts.
const GIVE_UP: &str = "give_up";

impl Step {
    /// Whether a person's value can stand for what the step did not give.
    pub fn takes_value(&self) -> bool {
        match &self.kind {
            // A value claims nothing of what was not done outside.
            Kind::Agent(agent) => !agent.writes(),
            Kind::Reason(_)
            | Kind::Set(_)
            | Kind::Native(_)
            | Kind::Wait(_)
            | Kind::Handoff(_)
            | Kind::Specialist(_) => true,
            _ => false,
        }
    }

    /// Whether this answers what becomes of the step: `"again"`, `"give_up"`, or `{"value": …}` of the step's type where it gives a
    /// value and does nothing outside.
    ///
    /// # Errors
    /// Why not, in words for the person who answers.
    pub fn helps(&self, answer: &Value) -> Result<(), String> {
        let value = match answer {
            Value::Text(word) if [AGAIN, GIVE_UP].contains(&&**word) => return Ok(()),
            Value::Map(map) if map.len() == 1 && self.takes_value() => map.get("value"),
            _ => None,
        };
        let Some(value) = value else {
            let value = if self.takes_value() { ", or `{\"value\": …}`" } else { "" };
            return Err(format!("the answer is `\"{AGAIN}\"` or `\"{GIVE_UP}\"`{value}"));
        };
        let schema = match &self.kind {
            Kind::Reason(reason) => Some(&reason.output),
            Kind::Agent(agent) => Some(&agent.asks().output),
            Kind::Native(native) => native.output.as_ref(),
            Kind::Handoff(handoff) => Some(&handoff.contract),
            Kind::Specialist(specialist) => Some(&specialist.contract),
            _ => None,
        };
        match schema {
            Some(schema) => schema.validate(value).map_err(|complaints| complaints.join("; ")),
            None => self.ty.refusal(&Type::of(value)).map_or(Ok(()), Err),
        }
    }

    fn answers(&self) -> Value {
        let text = |word: &str| Value::map([("const", Value::from(word))]);
        let schema = match &self.kind {
            Kind::Reason(reason) => people::schema_value(&reason.output),
            Kind::Agent(agent) => people::schema_value(&agent.asks().output),
            Kind::Native(native) => native.output.as_deref().map_or(Value::Bool(true), people::schema_value),
            Kind::Handoff(handoff) => people::schema_value(&handoff.contract),
            Kind::Specialist(specialist) => people::schema_value(&specialist.contract),
            _ => Value::Bool(true),
        };
        let value = self.takes_value().then(|| {
            let properties = Value::map([("value", schema)]);
            Value::map([
                ("type", "object".into()),
                ("required", Value::list(["value".into()])),
                ("additionalProperties", false.into()),
                ("properties", properties),
            ])
        });
        Value::map([("oneOf", Value::list([text(AGAIN), text(GIVE_UP)].into_iter().chain(value)))])
    }
}

impl Walk<'_> {
    /// Asks people what becomes of a step that failed, and does what they say.
    pub(crate) fn help(
        &mut self,
        step: &Step,
        open: &Open,
        failure: &Failure,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        if frame.draining() {
            return Ok(());
        }
        let Doing::Working(working) = &open.doing else {
            let Some((_, Response::Person { group })) = open.answered.last() else { return Ok(()) };
            let (list, _) = self.list_for(step, open, failure, frame);
            let timeout = list.iter().find_map(|item| match item {
                Recovery::Person { group: one, timeout } if one == group => *timeout,
                _ => None,
            });
            self.ask_for_help(step, open, failure, path, (group, timeout));
            return Ok(());
        };
        let (end, blobs) = match (&working.answer, working.due_at) {
            (Some(answer), _) => {
                let (said, by) = (self.unhold(&answer.output)?, answer.by.clone());
                let mut blobs = Vec::new();
                let end = match (step.helps(&said), said.get("value")) {
                    (Ok(()), Some(value)) => WorkEnd::Gave { output: Held::hold(value.clone(), &mut blobs), by },
                    (Ok(()), None) if said.as_str() == Some(AGAIN) => WorkEnd::Again { by },
                    _ => WorkEnd::GivenUp { by: Some(by) },
                };
                (end, blobs)
            }
            (None, Some(due)) if due <= self.facts.now => (WorkEnd::GivenUp { by: None }, Vec::new()),
            (None, due) => {
                self.wait(due, || format!("{} to say what becomes of `{path}` ({})", working.queue, working.id));
                return Ok(());
            }
        };
        let event = Event::WorkEnded { step: path.clone(), work: working.id.clone(), end };
        self.push(Record { event, blobs });
        Ok(())
    }

    /// Only a person can tell what became of an action: does what the list for that says first. `false`: nothing, or no more.
    pub(crate) fn unresolved(
        &mut self,
        act: &Act,
        open: &Open,
        acting: &Acting,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> bool {
        let step = match &act.by {
            Some(agent) => self.program.step(agent),
            None => path.undoes().is_none().then(|| self.program.step(path.name())).flatten(),
        };
        let Some(step) = step.filter(|_| !frame.draining()) else { return false };
        let now = self.facts.now;
        if let Some(asked) = &acting.asked {
            let late = asked.due_at.is_some_and(|due| due <= now);
            if late {
                let (work, end) = (asked.id.clone(), WorkEnd::GivenUp { by: None });
                self.record(Event::WorkEnded { step: path.clone(), work, end });
            } else if let Some(due) = asked.due_at {
                self.doubt(Some(due), format!("a person to resolve `{}` at `{path}`", act.called()));
            }
            return late || asked.due_at.is_some();
        }
        // Each item has its turn once in a visit: those before it had theirs.
        let (list, _) = self.list(step, &unknown(), frame);
        // After data were put back no probe decides: people alone have their turn.
        let probes = !acting.is_before_review(self.state);
        let turns: Vec<&Recovery> = list
            .iter()
            .filter(|item| matches!(item, Recovery::Probe { .. } | Recovery::Person { .. }))
            .filter(|item| !matches!(item, Recovery::Probe { .. }) || (probes && act.declared().probe.is_some()))
            .collect();
        let had = open.answered.iter().skip(open.before as usize).filter(|(failure, response)| {
            let turn =
                matches!(response, Response::Person { .. }) || (probes && matches!(response, Response::Probe { .. }));
            turn && *failure == unknown()
        });
        match turns.get(had.count()) {
            Some(Recovery::Probe { .. }) => {
                let settle = act.declared().probe.as_ref().map(|probe| probe.settle).unwrap_or_default();
                let response = Response::Probe { at: now + settle };
                self.record(Event::FailureAnswered { step: path.clone(), response });
            }
            Some(Recovery::Person { group, timeout }) => {
                let (group, timeout) = (group.clone(), *timeout);
                let task = format!(
                    "Find out whether `{}` of `{path}` was performed, and say so: surefoot effects resolve {} {path}",
                    act.called(),
                    self.state.run
                );
                self.hand_over(path, open, (&group, timeout), task, unknown(), ("resolves", Value::Null));
            }
            _ => return false,
        }
        true
    }

    fn ask_for_help(
        &mut self,
        step: &Step,
        open: &Open,
        failure: &Failure,
        path: &StepPath,
        whom: (&Arc<str>, Option<Span>),
    ) {
        let value = if step.takes_value() { ", or give the value that it should have given" } else { "" };
        let task = format!(
            "Say what becomes of `{path}`, which failed: {}. Begin it again or give it up{value}",
            failure.kind
        );
        self.hand_over(path, open, whom, task, failure.clone(), ("recovers", step.answers()));
    }

    fn hand_over(
        &mut self,
        path: &StepPath,
        open: &Open,
        (group, timeout): (&Arc<str>, Option<Span>),
        task: String,
        failure: Failure,
        (what, contract): (&'static str, Value),
    ) {
        let now = self.facts.now;
        let people = &self.statutes().people;
        let due_at = timeout.map(|span| people.working_until(group, now, span).unwrap_or(now + span));
        // Who says what becomes of a step has no longer than the step; who looks what became of an action has.
        let step_ends = open.deadline.filter(|end| *end > now && what == "recovers");
        let due_at = [due_at, step_ends].into_iter().flatten().min();
        let from = Value::map([
            ("workflow", Value::Text(self.program.name.clone())),
            ("run", Value::from(self.state.run.to_string())),
            ("step", Value::from(path.as_str())),
        ]);
        let failed = Value::map([
            ("step", Value::from(path.as_str())),
            ("kind", Value::from(failure.kind.as_str())),
            ("detail", Value::from(failure.detail.as_str())),
        ]);
        let envelope = Value::map([
            ("v", Value::Int(1)),
            ("from", from),
            ("to", Value::map([("person", Value::Text(group.clone()))])),
            ("task", Value::from(task)),
            // A text about a failure may quote anything that was there.
            ("evidence", people::claims(&failed)),
            ("artifact", failed),
            (what, true.into()),
            ("contract", contract),
            ("due_at", due_at.map_or(Value::Null, |at| Value::from(at.to_string()))),
            ("status", Value::from("open")),
        ]);
        let mut blobs = Vec::new();
        let event = Event::WorkOpened {
            step: path.clone(),
            work: people::work_id(self, path, open.asked + 1),
            queue: group.clone(),
            card: Held::hold(seen(&envelope), &mut blobs),
            due_at,
        };
        self.push(Record { event, blobs });
    }
}
