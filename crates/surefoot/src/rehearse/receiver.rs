//! The outside of a rehearsal: who answers as in the plain path, counts what was really performed, and brings the one thing that goes
//! wrong.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::{
    context::ModelRequest,
    governance::{
        Effect, Permit,
        budget::{Exceeded, Period},
    },
    ids::StepPath,
    journal::{ApprovalEnd, Event, ProbeResult, WorkEnd},
    recovery::{Failure, FailureKind, Phase},
    settle::Answer,
    values::Value,
};

use super::{Cue, How, Trouble, fill::filled, kinds::Fault};
use crate::{
    case::{Case, Playing, Setting, replied},
    trial::{Crash, Given, Judge, Mutants, Outside, people::People},
};

/// What happened on the plain path.
pub(super) struct Plain {
    pub events: Vec<Event>,
    /// What models said, by step, in order.
    models: BTreeMap<StepPath, Vec<Answer>>,
    /// What tools answered, in order.
    tools: Vec<Told>,
}

/// One answer of a tool.
struct Told {
    step: StepPath,
    action: Arc<str>,
    answer: Result<Value, Failure>,
}

/// Plays the script of the case, and notes what was said.
struct Noting<'s> {
    script: Playing<'s>,
    models: BTreeMap<StepPath, Vec<Answer>>,
    tools: Vec<Told>,
}

impl Outside for Noting<'_> {
    fn ask(&mut self, request: &ModelRequest) -> Result<Given, String> {
        let given = self.script.ask(request)?;
        self.models.entry(request.step.clone()).or_default().push(given.answer.clone());
        Ok(given)
    }

    fn call(&mut self, permit: &Permit, judge: &mut Judge<'_>) -> Result<Given, String> {
        let given = self.script.call(permit, judge)?;
        if let Answer::Tool { answer, .. } = &given.answer {
            self.tools.push(Told { step: permit.step().clone(), action: action(permit), answer: answer.clone() });
        }
        Ok(given)
    }
}

fn action(permit: &Permit) -> Arc<str> {
    format!("{}.{}", permit.tool(), permit.operation()).into()
}

impl Plain {
    /// Plays the case, and notes everything that was said.
    pub(super) fn of(case: &Case, setting: &Setting) -> Result<Plain, String> {
        let mut trial = setting.begin(&case.program, &case.beginning).map_err(|why| why.join("; "))?;
        let script = case.script.playing(setting, &case.file);
        let mut noting = Noting { script, models: BTreeMap::new(), tools: Vec::new() };
        let mut people = People::new(case.says.clone(), !case.stops_when_asked());
        trial.drive(&mut noting, &mut people);
        Ok(Plain { events: trial.events, models: noting.models, tools: noting.tools })
    }

    /// Steps whose question nobody answers on the plain path either.
    pub(super) fn ignored(&self) -> BTreeSet<StepPath> {
        let ended = |event: &Event| match event {
            Event::ApprovalEnded { step, end: ApprovalEnd::Failed { failure, .. }, .. }
            | Event::WorkEnded { step, end: WorkEnd::Failed { failure }, .. }
                if matches!(failure.kind, FailureKind::ApprovalExpired | FailureKind::NoAnswer) =>
            {
                Some(step.clone())
            }
            Event::ApprovalEscalated { step, .. }
            | Event::WorkEnded { step, end: WorkEnd::GivenUp { by: None }, .. } => Some(step.clone()),
            _ => None,
        };
        self.events.iter().filter_map(ended).collect()
    }
}

/// What a receiver keeps of one intent.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub step: StepPath,
    pub action: Arc<str>,
    pub with: Arc<[u8]>,
    /// How often it was really performed.
    pub performed: u32,
    /// An undo of it was performed since.
    pub taken_back: bool,
    answer: Value,
}

/// Everything outside, in memory.
pub(super) struct Receiver<'p> {
    plain: &'p Plain,
    setting: &'p Setting,
    cue: &'p Cue,
    mutants: Mutants,
    kept: BTreeMap<Arc<str>, Kept>,
    /// How often each step was answered, by step and action.
    said: BTreeMap<(StepPath, Arc<str>), usize>,
    /// The failure of the cue has come, so often.
    struck: u32,
    pub calls: u32,
    pub made_up: u32,
}

impl<'p> Receiver<'p> {
    pub(super) fn new(plain: &'p Plain, setting: &'p Setting, cue: &'p Cue, mutants: Mutants) -> Receiver<'p> {
        Receiver {
            plain,
            setting,
            cue,
            mutants,
            kept: BTreeMap::new(),
            said: BTreeMap::new(),
            struck: 0,
            calls: 0,
            made_up: 0,
        }
    }

    /// Everything that was performed at least once or tried, by its key.
    pub(super) fn kept(&self) -> impl Iterator<Item = (&Arc<str>, &Kept)> {
        self.kept.iter()
    }

    /// Whether what belongs to the key was performed.
    pub(super) fn did(&self, key: &str) -> bool {
        self.kept.get(key).is_some_and(|kept| kept.performed > 0)
    }

    /// How many effects were performed.
    pub(super) fn performed(&self) -> u32 {
        self.kept.values().map(|kept| kept.performed).sum()
    }

    /// Whether this is where the failure comes, now.
    fn strikes(&mut self, step: &StepPath) -> bool {
        let here = *step == self.cue.step && (self.struck == 0 || self.cue.how == How::Always);
        self.struck += u32::from(here);
        here
    }

    fn crash(&self) -> Crash {
        self.cue.how.crash()
    }

    /// What is answered where nothing goes wrong.
    fn plainly(&mut self, step: &StepPath, action: &Arc<str>) -> Result<Value, Failure> {
        let said = self.said.entry((step.clone(), action.clone())).or_default();
        let here: Vec<&Told> =
            self.plain.tools.iter().filter(|told| told.step == *step && told.action == *action).collect();
        let next = here.get(*said).or(here.last()).map(|told| told.answer.clone());
        *said += 1;
        if let Some(answer) = next {
            return answer;
        }
        // Another step, or another item, that does the same.
        let named = |told: &&Told| told.action == *action && told.answer.is_ok();
        let alike = self.plain.tools.iter().filter(named).max_by_key(|told| told.step.name() == step.name());
        if let Some(told) = alike {
            return told.answer.clone();
        }
        self.made_up += 1;
        let declared = action.split_once('.').and_then(|(tool, operation)| {
            self.setting.project.tools.get(tool)?.operations.get(operation)?.returns.clone()
        });
        Ok(declared.map_or_else(|| Value::map::<&str>([]), |schema| filled(&schema).unwrap_or_default()))
    }

    /// The act is done, as a receiver of its class does it: who knows the key again does nothing and says the same.
    fn perform(&mut self, permit: &Permit, answer: &Value) -> Value {
        let key: Arc<str> = permit.key().as_str().into();
        let knows_again = permit.effect() == Effect::Idempotent && !self.mutants.forgets_keys;
        let kept = self.kept.entry(key).or_insert_with(|| Kept {
            step: permit.step().clone(),
            action: action(permit),
            with: permit.input().clone(),
            performed: 0,
            taken_back: false,
            answer: answer.clone(),
        });
        if kept.performed == 0 || !knows_again {
            kept.performed += 1;
        }
        let answer = kept.answer.clone();
        if let Some(act) = permit.step().undoes() {
            self.kept.values_mut().filter(|kept| kept.step == act).for_each(|kept| kept.taken_back = true);
        }
        answer
    }

    /// The answer to a probe that says what is true; `None`: this is no probe, or no answer can be made that says it.
    fn probed(&self, permit: &Permit, judge: &mut Judge<'_>) -> Option<Value> {
        let performed = self.did(permit.key().as_str());
        let action = action(permit);
        let mut candidates: Vec<Value> = self
            .plain
            .tools
            .iter()
            .filter(|told| told.action == action)
            .filter_map(|told| told.answer.clone().ok())
            .collect();
        let returns = self.setting.project.tools.get(permit.tool());
        let returns = returns.and_then(|tool| tool.operations.get(permit.operation())?.returns.clone());
        candidates.extend(returns.and_then(|schema| filled(&schema)));
        candidates.extend([Value::Null, Value::map::<&str>([]), Value::list([])]);
        candidates.extend(self.kept.get(permit.key().as_str()).map(|kept| kept.answer.clone()));
        candidates.extend(candidates.clone().iter().flat_map(variants));
        candidates.into_iter().find(|answer| {
            let said = judge(&Answer::Tool { attempt: permit.attempt(), answer: Ok(answer.clone()), raw: None });
            match said {
                Some(Event::ProbeFinished { result: ProbeResult::Found(_), .. }) => performed,
                Some(Event::ProbeFinished { result: ProbeResult::Absent, .. }) => !performed,
                _ => false,
            }
        })
    }

    fn is_probe(&self, permit: &Permit, judge: &mut Judge<'_>) -> bool {
        let nothing = Answer::Tool { attempt: permit.attempt(), answer: Ok(Value::Null), raw: None };
        permit.effect() == Effect::Read && matches!(judge(&nothing), Some(Event::ProbeFinished { .. }))
    }
}

/// A value with its lists empty, its lists filled, its numbers raised, its truths turned: what a query answers that finds nothing, or
/// something.
fn variants(value: &Value) -> Vec<Value> {
    fn map(value: &Value, change: &dyn Fn(&Value) -> Option<Value>) -> Value {
        if let Some(changed) = change(value) {
            return changed;
        }
        match value {
            Value::Map(fields) => Value::map(fields.iter().map(|(key, value)| (key.clone(), map(value, change)))),
            other => other.clone(),
        }
    }
    let list = |to: fn() -> Value| move |value: &Value| matches!(value, Value::List(_)).then(to);
    let number = |to: i64| move |value: &Value| matches!(value, Value::Int(_)).then_some(Value::Int(to));
    let truth = |to: bool| move |value: &Value| matches!(value, Value::Bool(_)).then_some(Value::Bool(to));
    vec![
        map(value, &list(|| Value::list([]))),
        map(value, &list(|| Value::list([Value::map::<&str>([])]))),
        map(value, &number(0)),
        map(value, &number(1)),
        map(value, &truth(false)),
        map(value, &truth(true)),
    ]
}

impl Outside for Receiver<'_> {
    fn ask(&mut self, request: &ModelRequest) -> Result<Given, String> {
        self.calls += 1;
        if let Trouble::Call(fault) = self.cue.trouble
            && self.strikes(&request.step)
        {
            let reply = gateway::Reply::failed(failure(fault));
            return Ok(Given { answer: replied(request, reply), crash: self.crash() });
        }
        let said = self.said.entry((request.step.clone(), "".into())).or_default();
        let planned = self.plain.models.get(&request.step);
        let answer = planned.and_then(|answers| answers.get(*said).or(answers.last())).cloned();
        *said += 1;
        if let Some(Answer::Model { answer, usage, raw, proposed, said, .. }) = answer {
            let attempt = request.attempt;
            return Ok(Answer::Model { attempt, answer, usage, raw, proposed, said }.into());
        }
        if let Some(reply) = self.setting.by_itself(request) {
            return Ok(replied(request, reply).into());
        }
        self.made_up += 1;
        let made = match &request.output_schema {
            Some(schema) => filled(schema),
            None => Some(Value::text("nothing")),
        };
        let made = made.ok_or_else(|| format!("no answer of `{}` can be made up from its schema", request.step))?;
        Ok(replied(request, gateway::Reply::of(Ok(made), kernel::journal::Usage::default(), None)).into())
    }

    fn call(&mut self, permit: &Permit, judge: &mut Judge<'_>) -> Result<Given, String> {
        self.calls += 1;
        let (step, action) = (permit.step().clone(), action(permit));
        let attempt = permit.attempt();
        if self.is_probe(permit, judge) {
            let answer = self.probed(permit, judge);
            let answer =
                answer.ok_or_else(|| format!("no answer of the probe {action} can be made up: let a case ask it"))?;
            return Ok(Answer::Tool { attempt, answer: Ok(answer), raw: None }.into());
        }
        let planned = self.plainly(&step, &action);
        if let Trouble::Call(fault) = self.cue.trouble
            && self.strikes(&step)
        {
            if fault.performed {
                let value = planned.clone().unwrap_or_default();
                self.perform(permit, &value);
            }
            let answer = if fault.is_odd_answer() { Ok(odd(permit, judge)) } else { Err(failure(fault)) };
            return Ok(Given { answer: Answer::Tool { attempt, answer, raw: None }, crash: self.crash() });
        }
        let answer = match planned {
            Ok(value) if permit.effect() == Effect::Read => Ok(value),
            Ok(value) => Ok(self.perform(permit, &value)),
            Err(failure) => Err(failure),
        };
        Ok(Answer::Tool { attempt, answer, raw: None }.into())
    }

    fn native(&mut self, step: &StepPath) -> Option<Given> {
        let here = matches!(self.cue.trouble, Trouble::Function) && self.strikes(step);
        let answer = Answer::Native { answer: Err("the rehearsal lets it fail".to_owned()) };
        here.then(|| Given { answer, crash: self.crash() })
    }

    fn exceeded(&mut self, event: &Event) -> Option<Exceeded> {
        let (step, reserved) = event.reserves()?;
        if !matches!(self.cue.trouble, Trouble::NoRoom) || reserved.lines.is_empty() || !self.strikes(step) {
            return None;
        }
        let line = reserved.lines.first()?;
        Some(Exceeded::Full {
            scope: line.scope.clone(),
            unit: line.unit,
            wanted: line.max,
            left: Some(0),
            limit: line.limit,
            per: Period::default(),
        })
    }
}

/// An answer that does not have the form that was agreed on.
fn odd(permit: &Permit, judge: &mut Judge<'_>) -> Value {
    let candidates = [Value::text("no such form"), Value::Int(-1), Value::list([]), Value::Null];
    let mut is_odd = |value: &Value| {
        let said = judge(&Answer::Tool { attempt: permit.attempt(), answer: Ok(value.clone()), raw: None });
        matches!(said, Some(Event::ActionFinished { result: kernel::journal::StepResult::Failed(_), .. }))
    };
    candidates.into_iter().find(|value| is_odd(value)).unwrap_or_default()
}

fn failure(fault: Fault) -> Failure {
    let phase = if fault.kind == FailureKind::Internal { Phase::Inside } else { fault.phase };
    Failure { kind: fault.kind, phase, detail: "the rehearsal lets it fail".to_owned(), retry_after: None }
}
