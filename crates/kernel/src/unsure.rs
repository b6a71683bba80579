//! An answer that is valid and unsure: the decision boundary of a `reason` step. What follows stands in `unsure.then`: another model or
//! route, people whose answer becomes the step's value, `accept` or `fail`.
//!
//! An answer that does not fit its schema or a `check` is a failure and never unsure. A failure on the way (the next model's provider is
//! down, nobody answers in time) has its own recoveries first; where none is left, the next item of `then` follows.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    complaint::Complaint,
    expr::Condition,
    governance::approval::seen,
    ids::StepPath,
    journal::{Event, Held, WorkEnd},
    next::{Frame, Record, Stop, Walk},
    recovery::{Failure, FailureKind, Phase, Response},
    run::{Doing, Open},
    step::{decide, people, reason::Reason},
    values::{Map, Span, Value},
    workflow::reading::Reading,
    yaml::{Fields, Node},
};

/// What was found in an answer of which its step is unsure, and what follows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unsure {
    /// The condition, as it was written.
    pub when: Arc<str>,
    /// The values that it looked at, by name; a long one by its digest.
    pub saw: Value,
    /// What follows.
    pub then: Onward,
}

/// What follows an answer of which its step is unsure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub enum Onward {
    /// Another model is asked.
    Model {
        /// A model or a route.
        model: Arc<str>,
    },
    /// People say what the step gives.
    Person {
        /// Whose people.
        group: Arc<str>,
    },
    /// The step gives the answer all the same.
    Accept,
    /// The step fails.
    Fail {
        /// With this.
        failure: Failure,
    },
}

/// `unsure: { when, then: [ … ] }`.
#[derive(Debug)]
pub struct Boundary {
    /// When an answer is unsure.
    pub when: Condition,
    /// What follows, one after the other; behind the last one the step fails.
    pub then: Vec<Then>,
}

/// One item of `then`.
#[derive(Clone, Debug)]
pub enum Then {
    /// `{ model: strong }`.
    Model(Arc<str>),
    /// `{ person: group, timeout: 2d }`.
    Person {
        /// Whose people.
        group: Arc<str>,
        /// How long they have, in working hours of whoever has some; `None`: until somebody answers.
        timeout: Option<Span>,
    },
    /// `accept`.
    Accept,
    /// `fail`.
    Fail,
}

impl Unsure {
    /// Whether the answer is the step's value nevertheless.
    pub fn accepts(&self) -> bool {
        self.then == Onward::Accept
    }
}

impl Boundary {
    /// What follows once so many items had their turn.
    fn after(&self, had: u32) -> Onward {
        match self.then.get(had as usize) {
            Some(Then::Model(model)) => Onward::Model { model: model.clone() },
            Some(Then::Person { group, .. }) => Onward::Person { group: group.clone() },
            Some(Then::Accept) => Onward::Accept,
            Some(Then::Fail) | None => {
                let detail = format!("`{}` holds for the answer, and nothing more follows", self.when.source());
                let phase = Phase::Answered;
                Onward::Fail { failure: Failure { kind: FailureKind::Unsure, phase, detail, retry_after: None } }
            }
        }
    }

    /// Whether people may be asked.
    pub fn asks_people(&self) -> bool {
        self.then.iter().any(|then| matches!(then, Then::Person { .. }))
    }

    /// The models and routes that may be asked.
    pub fn models(&self) -> impl Iterator<Item = &Arc<str>> {
        self.then.iter().filter_map(|then| if let Then::Model(model) = then { Some(model) } else { None })
    }
}

impl Walk<'_> {
    /// Whether the step is unsure of an answer that is valid, after so many items of `then` had their turn. `frame` has it as `output`.
    pub(crate) fn doubts(&self, reason: &Reason, had: u32, frame: &Frame<'_>) -> Result<Option<Box<Unsure>>, Stop> {
        let Some(boundary) = &reason.unsure else { return Ok(None) };
        if !self.holds(&boundary.when, frame)? {
            return Ok(None);
        }
        let roots = boundary.when.roots();
        let values = self.gather(roots, frame)?;
        let saw: Map =
            roots.iter().zip(values).map(|(root, value)| (root.name.clone(), decide::shown(value))).collect();
        let then = boundary.after(had);
        Ok(Some(Box::new(Unsure { when: boundary.when.source().into(), saw: Value::Map(Arc::new(saw)), then })))
    }

    /// What follows a failure that no recovery is left for, if an earlier answer was only unsure.
    pub(crate) fn onward(&self, reason: &Reason, open: &Open) -> Option<Response> {
        let (boundary, doubt) = (reason.unsure.as_ref()?, open.doubt.as_ref()?);
        if self.state.cancelling {
            return None;
        }
        match boundary.after(doubt.had) {
            Onward::Fail { .. } => None,
            Onward::Accept => Some(Response::ContinueWith { output: doubt.answer.clone() }),
            then => Some(Response::Onward { then }),
        }
    }

    /// People say what a step gives whose answers were unsure.
    pub(crate) fn decide_for(
        &mut self,
        reason: &Reason,
        (open, group): (&Open, &Arc<str>),
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        if frame.draining() {
            return Ok(());
        }
        let Doing::Working(working) = &open.doing else { return self.hand_over_doubt(reason, (open, group), path) };
        let failed = |kind, detail| WorkEnd::Failed { failure: Failure::inside(kind, detail) };
        let end = match (&working.answer, working.due_at) {
            (Some(answer), _) => match reason.fits(&self.unhold(&answer.output)?) {
                Ok(()) => WorkEnd::Gave { output: answer.output.clone(), by: answer.by.clone() },
                Err(why) => {
                    let detail = format!("the answer of {} does not fit the output: {why}", answer.by);
                    failed(FailureKind::ContractViolated, detail)
                }
            },
            (None, Some(due)) if due <= self.facts.now => {
                failed(FailureKind::NoAnswer, format!("nobody of {group} answered in time"))
            }
            (None, due) => {
                self.wait(due, || format!("{group} to say what `{path}` gives ({})", working.id));
                return Ok(());
            }
        };
        self.record(Event::WorkEnded { step: path.clone(), work: working.id.clone(), end });
        Ok(())
    }

    fn hand_over_doubt(
        &mut self,
        reason: &Reason,
        (open, group): (&Open, &Arc<str>),
        path: &StepPath,
    ) -> Result<(), Stop> {
        let Some(doubt) = &open.doubt else { return Ok(()) };
        let timeout = reason.unsure.iter().flat_map(|boundary| &boundary.then).find_map(|then| match then {
            Then::Person { group: one, timeout } if one == group => *timeout,
            _ => None,
        });
        let now = self.facts.now;
        let people = &self.statutes().people;
        let due_at = timeout.map(|span| people.working_until(group, now, span).unwrap_or(now + span));
        let from = Value::map([
            ("workflow", Value::Text(self.program.name.clone())),
            ("run", Value::from(self.state.run.to_string())),
            ("step", Value::from(path.as_str())),
        ]);
        let when = reason.unsure.as_ref().map(|boundary| Value::from(boundary.when.source())).unwrap_or_default();
        let artifact = Value::map([("answer", self.unhold(&doubt.answer)?), ("unsure", when)]);
        let task = format!("Say what `{path}` gives: a model is unsure of its answer");
        let envelope = Value::map([
            ("v", Value::Int(1)),
            ("from", from),
            ("to", Value::map([("person", Value::Text(group.clone()))])),
            ("task", Value::from(task)),
            // What a model said is no fact.
            ("evidence", people::claims(&artifact)),
            ("artifact", artifact),
            ("contract", people::schema_value(&reason.output)),
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
        Ok(())
    }
}

/// Reads `unsure`, where `output` is in scope. `None`: it has mistakes.
pub(crate) fn read(node: &Node, reading: &mut Reading<'_>) -> Option<Boundary> {
    let fields = Fields::new(node, "`unsure`", &["when", "then"], &[], &mut reading.complaints)?;
    let when = fields.required("when", &mut reading.complaints).and_then(|node| reading.condition(node));
    let items = fields.required("then", &mut reading.complaints)?.list(&mut reading.complaints)?;
    if items.is_empty() {
        let message = "`then` says not what follows an answer that is unsure";
        let hint = "write one of `{ model: … }`, `{ person: … }`, `accept` and `fail`";
        reading.complaints.push(node.complaint("W177", message).hint(hint));
        return None;
    }
    let then: Vec<Option<Then>> = items.iter().map(|item| read_then(item, reading)).collect();
    let then: Vec<Then> = then.into_iter().collect::<Option<_>>()?;
    for (place, item) in then.iter().enumerate() {
        let last = place + 1 == then.len();
        let message = match item {
            Then::Accept | Then::Fail if !last => "nothing follows `accept` and `fail`: they stand last",
            Then::Person { group, .. } if then[..place].iter().any(|one| asks(one, group)) => {
                "these people are asked already: asking them again changes nothing"
            }
            _ => continue,
        };
        reading.complaints.push(Complaint::new("W177", &node.file, items[place].span, message));
        return None;
    }
    Some(Boundary { when: when?, then })
}

fn asks(then: &Then, group: &Arc<str>) -> bool {
    matches!(then, Then::Person { group: one, .. } if one == group)
}

fn read_then(node: &Node, reading: &mut Reading<'_>) -> Option<Then> {
    if node.scalar().is_some() {
        return match node.one_of(&["accept", "fail"], &mut reading.complaints)? {
            "accept" => Some(Then::Accept),
            _ => Some(Then::Fail),
        };
    }
    let fields = Fields::new(node, "an item of `then`", &["model", "person", "timeout"], &[], &mut reading.complaints)?;
    match (fields.get("model"), fields.get("person")) {
        (Some(model), None) => reading.model(model).map(Then::Model),
        (None, Some(group)) => {
            let timeout = fields.time("timeout", &mut reading.complaints);
            people::group(group, reading).map(|group| Then::Person { group, timeout })
        }
        _ => {
            reading
                .complaints
                .push(node.complaint("W177", "an item of `then` names a model or people, and one of them"));
            None
        }
    }
}
