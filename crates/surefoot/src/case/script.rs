//! What models and tools answer in a case, in order.

use std::{collections::BTreeMap, sync::Arc};

use gateway::model::scripted::Pattern;
use kernel::{
    context::{ModelRequest, Proposed, Said},
    governance::Permit,
    ids::StepPath,
    journal::Usage,
    recovery::{Failure, FailureKind, Phase},
    settle::Answer,
    values::Value,
};

use super::Setting;
use crate::trial::{Given, Judge, Outside};

/// All answers of one case.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// By step, in the order written.
    pub models: Vec<(Pattern, Vec<Line>)>,
    /// By `tool.operation`.
    pub tools: BTreeMap<Arc<str>, Vec<Line>>,
}

/// One answer.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub then: Then,
    pub times: Times,
    /// Only for arguments that hold these.
    pub with: Option<Value>,
    /// Only for these steps.
    pub step: Option<Pattern>,
    pub usage: Usage,
    pub proposes: Vec<Proposal>,
    /// Where it stands: `cases/a.yaml:7`.
    pub at: Arc<str>,
    /// The same to the column: no two answers stand in one place.
    pub place: (u32, u32),
}

/// What is said.
#[derive(Clone, Debug)]
pub(crate) enum Then {
    Value(Value),
    /// These characters: of a step with an output schema, the JSON in them.
    Text(Arc<str>),
    Fail(Failure),
}

/// How often.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Times {
    /// So often, no more and no less.
    Exactly(u32),
    /// At least once.
    Any,
}

/// What a model asks for besides an answer.
#[derive(Clone, Debug)]
pub(crate) struct Proposal {
    pub name: Arc<str>,
    pub arguments: Value,
}

/// A script while it is played.
pub(crate) struct Playing<'s> {
    script: &'s Script,
    setting: &'s Setting,
    file: Arc<str>,
    /// How often each answer was given, by where it stands.
    said: BTreeMap<(u32, u32), u32>,
}

impl Script {
    /// From its beginning.
    pub(crate) fn playing<'s>(&'s self, setting: &'s Setting, file: &Arc<str>) -> Playing<'s> {
        Playing { script: self, setting, file: file.clone(), said: BTreeMap::new() }
    }
}

impl Line {
    /// What a tool says by it.
    pub(crate) fn of_tool(&self) -> Result<Value, Failure> {
        match &self.then {
            Then::Value(value) => Ok(value.clone()),
            Then::Text(text) => Ok(Value::Text(text.clone())),
            Then::Fail(failure) => Err(failure.clone()),
        }
    }

    /// What a model says by it.
    pub(crate) fn of_model(&self, request: &ModelRequest) -> Answer {
        let has_schema = request.output_schema.is_some();
        let answer = match &self.then {
            Then::Value(value) => Ok(value.clone()),
            Then::Text(text) if !has_schema => Ok(Value::Text(text.clone())),
            Then::Text(text) => Value::from_json(text.as_bytes()).map_err(|error| Failure {
                kind: FailureKind::InvalidOutput,
                phase: Phase::Answered,
                detail: format!("the answer is no JSON: {error}"),
                retry_after: None,
            }),
            Then::Fail(failure) => Err(failure.clone()),
        };
        let proposed = self.proposes.iter().enumerate().map(|(at, one)| Proposed {
            id: format!("call_{}_{at}", request.attempt).into(),
            name: one.name.clone(),
            arguments: one.arguments.clone(),
        });
        Answer::Model {
            attempt: request.attempt,
            answer,
            usage: self.usage,
            raw: None,
            proposed: proposed.collect(),
            said: Said::default(),
        }
    }

    fn is_left(&self, said: &BTreeMap<(u32, u32), u32>) -> bool {
        match self.times {
            Times::Any => true,
            Times::Exactly(times) => said.get(&self.place).copied().unwrap_or(0) < times,
        }
    }
}

/// A reply of a provider as the kernel judges it.
pub(crate) fn replied(request: &ModelRequest, reply: gateway::Reply) -> Answer {
    Answer::Model {
        attempt: request.attempt,
        answer: reply.answer,
        usage: reply.usage,
        raw: None,
        proposed: reply.proposed,
        said: reply.said,
    }
}

impl Playing<'_> {
    /// What the case says and nobody asked for.
    pub(crate) fn left(&self) -> Vec<String> {
        let models = self
            .script
            .models
            .iter()
            .flat_map(|(step, lines)| lines.iter().map(move |line| (format!("`answers.{step}`"), line)));
        let tools = self
            .script
            .tools
            .iter()
            .flat_map(|(name, lines)| lines.iter().map(move |line| (format!("`tools.{name}`"), line)));
        let unused = |(of, line): (String, &Line)| {
            let said = self.said.get(&line.place).copied().unwrap_or(0);
            match line.times {
                Times::Exactly(times) if said < times => {
                    let often =
                        if times > 1 { format!("asked for {said} of {times} times") } else { "never asked for".into() };
                    Some(format!("{}: this answer of {of} was {often}", line.at))
                }
                Times::Any if said == 0 => Some(format!("{}: this answer of {of} was never asked for", line.at)),
                _ => None,
            }
        };
        models.chain(tools).filter_map(unused).collect()
    }

    fn say(&mut self, line: &Line) {
        *self.said.entry(line.place).or_default() += 1;
    }
}

impl Outside for Playing<'_> {
    fn ask(&mut self, request: &ModelRequest) -> Result<Given, String> {
        let script = self.script;
        let mut fitting = script.models.iter().filter(|(step, _)| step.fits(&request.step)).peekable();
        let is_scripted = fitting.peek().is_some();
        let line = fitting.flat_map(|(_, lines)| lines).find(|line| line.is_left(&self.said));
        if let Some(line) = line {
            self.say(line);
            return Ok(line.of_model(request).into());
        }
        if !is_scripted && let Some(reply) = self.setting.by_itself(request) {
            return Ok(replied(request, reply).into());
        }
        let more = if is_scripted { "no further answer" } else { "no answer" };
        Err(format!(
            "{}: {more} for `{}`, which asks the model `{}` (attempt {}) and shows {}",
            self.file,
            request.step,
            request.model,
            request.attempt,
            kernel::story::short(&request.data)
        ))
    }

    fn call(&mut self, permit: &Permit, _: &mut Judge<'_>) -> Result<Given, String> {
        let name = format!("{}.{}", permit.tool(), permit.operation());
        let with = Value::from_json(permit.input()).unwrap_or_default();
        let script = self.script;
        let lines = script.tools.get(&*name).map(Vec::as_slice).unwrap_or_default();
        let line = find(lines, permit.step(), &with, &self.said);
        let Some(line) = line else {
            let more = if lines.is_empty() { "no answer" } else { "no further answer" };
            return Err(format!(
                "{}: {more} for `{}`, which calls {name} (attempt {}) with {}",
                self.file,
                permit.step(),
                permit.attempt(),
                with.to_json()
            ));
        };
        self.say(line);
        Ok(Answer::Tool { attempt: permit.attempt(), answer: line.of_tool(), raw: None }.into())
    }
}

/// The first line that is left, and meant for this call.
fn find<'l>(lines: &'l [Line], step: &StepPath, with: &Value, said: &BTreeMap<(u32, u32), u32>) -> Option<&'l Line> {
    lines.iter().find(|line| {
        line.is_left(said)
            && line.step.as_ref().is_none_or(|pattern| pattern.fits(step))
            && line.with.as_ref().is_none_or(|wanted| holds(with, wanted))
    })
}

/// Whether a value holds what is wanted of it: maps may have more keys.
pub(super) fn holds(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::Map(map), Value::Map(wanted)) => {
            wanted.iter().all(|(key, wanted)| map.get(key).is_some_and(|value| holds(value, wanted)))
        }
        _ => value == wanted,
    }
}
