//! A model that says what a file tells it to: for tests, demonstrations and rehearsals.
//!
//! ```yaml
//! answers:
//!   - step: read[*]/facts            # a step's name, or its path; [*] is any item
//!     value: { name: =page.title, found: true }
//!   - step: triage                   # the first two sendings fail, the third is answered
//!     failure: provider_overloaded
//!     retry_after: 2s
//!     times: 2
//!   - step: triage
//!     value: { urgent: true }
//!   - step: tell[0]/ask              # the first turn of an agent
//!     propose: [ { mail.send: { to: =to, text: hello } } ]
//!   - step: tell[1]/ask              # its answer; `evidence` is what came with the results, by tool and operation
//!     value: { claims: [ { says: told, action: mail.send, status: succeeded, evidence: =evidence.mail__send } ] }
//! ```
//!
//! Which answer is given depends on the request alone (path, attempt, model, data), never on what was asked before: a process
//! that resumes a run hears what the one before it would have heard.

use std::sync::Arc;

use async_trait::async_trait;
use kernel::{
    complaint::Complaint,
    context::{EVIDENCE, ModelRequest, Proposed, Turn},
    expr::{Condition, Root, Template},
    journal::Usage,
    recovery::{Failure, FailureKind, Phase},
    step::turn::ANSWER,
    values::{Span, Value},
};

pub use self::pattern::{BadPattern, Pattern};
use crate::{Provider, Reply};

mod pattern;
mod read;
#[cfg(test)]
mod tests;

/// Answers in order.
#[derive(Debug)]
pub struct Script {
    /// As they stand in the file.
    pub answers: Vec<ScriptedAnswer>,
}

/// One answer, and for which requests it is meant.
#[derive(Debug)]
pub struct ScriptedAnswer {
    /// Which steps.
    pub step: Pattern,
    /// Which sending, from 1; `None`: the answers of a step without one are given in order.
    pub attempt: Option<u32>,
    /// Only this model of the project.
    pub model: Option<Arc<str>>,
    /// Only if this holds for the data that the step was shown.
    pub when: Option<Condition>,
    /// How many sendings in a row it answers. `None`: one; without end, if it is the last that fits.
    pub times: Option<u32>,
    /// What is said.
    pub then: Then,
    /// What is billed.
    pub usage: Usage,
    /// How long it takes.
    pub delay: Option<Span>,
}

/// What is said.
#[derive(Debug)]
pub enum Then {
    /// A value, made from the data that the step was shown. A step without an output schema gets it as a text.
    Value(Template),
    /// These characters, as a model might write them. A step with an output schema gets the JSON in them; characters that are
    /// none are `invalid_output`.
    Text(Arc<str>),
    /// Uses of what was offered, each by `tool.operation`, with its arguments.
    Propose(Vec<(Arc<str>, Template)>),
    /// No answer.
    Failure {
        /// A failure of a provider.
        kind: FailureKind,
        /// One sentence.
        detail: String,
        /// What the provider asks for.
        retry_after: Option<Span>,
    },
}

impl Script {
    /// Reads a file that holds `answers:`. `file` is for the complaints.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(file: &Arc<str>, text: &str) -> Result<Script, Vec<Complaint>> {
        read::script(file, text)
    }

    /// What is said to a request, at once: a request without an answer is a failure of kind `internal`.
    pub fn reply(&self, request: &ModelRequest) -> Reply {
        match self.find(request) {
            Ok(answer) => answer.say(request),
            Err(why) => Reply::failed(Failure::inside(FailureKind::Internal, why)),
        }
    }

    /// The answer for a request, or a sentence that says why there is none.
    fn find(&self, request: &ModelRequest) -> Result<&ScriptedAnswer, String> {
        let attempt = request.attempt.max(1);
        let (mut fitting, mut pinned_before) = (Vec::new(), 0);
        for answer in &self.answers {
            if !answer.fits(request)? {
                continue;
            }
            match answer.attempt {
                Some(pinned) if pinned == attempt => return Ok(answer),
                Some(pinned) if pinned < attempt => pinned_before += 1,
                Some(_) => {}
                None => fitting.push(answer),
            }
        }
        // The sendings that have an answer of their own do not use up the others.
        let mut left = (attempt - 1).saturating_sub(pinned_before);
        let last = fitting.len().saturating_sub(1);
        for (index, answer) in fitting.into_iter().enumerate() {
            let times = answer.times.unwrap_or(if index == last { u32::MAX } else { 1 });
            match left.checked_sub(times) {
                None => return Ok(answer),
                Some(rest) => left = rest,
            }
        }
        Err(format!(
            "the script has no answer for attempt {attempt} of `{}` by the model `{}`",
            request.step, request.model
        ))
    }
}

impl ScriptedAnswer {
    fn fits(&self, request: &ModelRequest) -> Result<bool, String> {
        if !self.step.fits(&request.step) || self.model.as_ref().is_some_and(|model| *model != request.model) {
            return Ok(false);
        }
        match &self.when {
            None => Ok(true),
            Some(when) => when.eval(&shown(when.roots(), request)?),
        }
    }

    /// Proposes these, under the names by which a model is offered them.
    fn propose(&self, all: &[(Arc<str>, Template)], request: &ModelRequest) -> Reply {
        if request.offers.is_empty() {
            let why = format!("the script: `{}` was offered nothing to propose", request.step);
            return Reply::failed(Failure::inside(FailureKind::Internal, why));
        }
        let one = |(place, (called, with)): (usize, &(Arc<str>, Template))| {
            let arguments = shown(with.roots(), request).and_then(|values| with.eval(&values))?;
            let (id, name) = (format!("proposal-{}", place + 1), called.replace('.', "__"));
            Ok(Proposed { id: id.into(), name: name.into(), arguments })
        };
        match all.iter().enumerate().map(one).collect::<Result<Vec<_>, String>>() {
            Ok(proposed) => Reply { proposed, ..Reply::of(Ok("".into()), self.usage, None) },
            Err(why) => Reply::failed(Failure::inside(FailureKind::Internal, format!("the script: {why}"))),
        }
    }

    fn say(&self, request: &ModelRequest) -> Reply {
        let (answer, raw) = match &self.then {
            Then::Propose(all) => return self.propose(all, request),
            Then::Value(template) if !request.offers.is_empty() => {
                return self.propose(&[(ANSWER.into(), template.clone())], request);
            }
            Then::Value(template) => {
                let value = shown(template.roots(), request).and_then(|values| template.eval(&values));
                let value = value.map_err(|why| Failure::inside(FailureKind::Internal, format!("the script: {why}")));
                (value.map(|value| if request.output_schema.is_some() { value } else { as_text(value) }), None)
            }
            Then::Text(text) if request.output_schema.is_none() => (Ok(Value::Text(text.clone())), None),
            Then::Text(text) => {
                let value = Value::from_json(text.as_bytes()).map_err(|error| Failure {
                    kind: FailureKind::InvalidOutput,
                    phase: Phase::Answered,
                    detail: format!("the answer is no JSON: {error}"),
                    retry_after: None,
                });
                (value, Some(text.as_bytes().into()))
            }
            Then::Failure { kind, detail, retry_after } => {
                let failure =
                    Failure { kind: *kind, phase: phase(*kind), detail: detail.clone(), retry_after: *retry_after };
                (Err(failure), None)
            }
        };
        Reply::of(answer, self.usage, raw)
    }
}

/// The evidence that was last given with the results of each offer, by its name.
fn evidence(request: &ModelRequest) -> Value {
    let returned = request.turns.iter().filter_map(|turn| match turn {
        Turn::Returned(all) => Some(all),
        Turn::Said { .. } | Turn::Told(_) => None,
    });
    let given = returned.flatten().filter_map(|one| {
        let (_, id) = one.text.rsplit_once(EVIDENCE)?;
        Some((one.name.clone(), Value::from(id)))
    });
    Value::map(given.collect::<std::collections::BTreeMap<_, _>>())
}

/// The values of these names in the data that the step was shown. `evidence` is what came with the results of earlier turns.
fn shown(roots: &[Root], request: &ModelRequest) -> Result<Vec<Value>, String> {
    let value = |root: &Root| {
        let shown = request.data.get(&root.name).cloned();
        let told = (&*root.name == "evidence" && !request.offers.is_empty()).then(|| evidence(request));
        let shown = shown.or(told);
        shown.ok_or_else(|| format!("`{}` was not shown `{}`", request.step, root.name))
    };
    roots.iter().map(value).collect()
}

fn as_text(value: Value) -> Value {
    match value {
        Value::Text(_) => value,
        other => other.to_json().into(),
    }
}

/// How far a call has come that ends so.
fn phase(kind: FailureKind) -> Phase {
    match kind {
        FailureKind::ProviderTimeout | FailureKind::ProviderError => Phase::MaybeSent,
        _ => Phase::Answered,
    }
}

/// The provider that speaks a [`Script`].
#[derive(Clone, Debug)]
pub struct Scripted {
    script: Arc<Script>,
}

impl Scripted {
    /// Speaks `script`.
    pub fn new(script: Script) -> Scripted {
        Scripted { script: Arc::new(script) }
    }
}

#[async_trait]
impl Provider for Scripted {
    /// What [`Script::reply`] says, after the delay of that answer.
    async fn ask(&self, request: &ModelRequest) -> Reply {
        if let Some(delay) = self.script.find(request).ok().and_then(|answer| answer.delay) {
            tokio::time::sleep(crate::duration(delay)).await;
        }
        self.script.reply(request)
    }
}
