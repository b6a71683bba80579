//! From a real run to a case: its input, what models and tools answered, what people said.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
    sync::Arc,
};

use kernel::{
    governance::{Effect, approval::Decision},
    ids::{RunId, StepPath},
    journal::{Control, Entry, Event, Held, ProbeResult, Resolution, StepResult},
    recovery::{Failure, FailureKind, Phase},
    values::{Timestamp, Value},
};

use super::{
    Setting, kind_of,
    read::{OF_MODELS, OF_TOOLS, is_turn, read},
    updated, write,
};
use crate::trial;

/// Less time than this before a person spoke is not worth a line.
const NOTICED_US: i64 = 60_000_000;

/// What the journals of other runs say, and when.
pub(crate) type Below = BTreeMap<RunId, Vec<(Timestamp, Event)>>;

/// A run as a store has it.
pub(crate) struct Real<'r> {
    pub run: RunId,
    pub entries: &'r [Entry],
    pub events: &'r [Event],
    /// The runs that it handed work to, directly or not.
    pub below: &'r Below,
    /// A value that one of the journals holds.
    pub value: &'r dyn Fn(&Held) -> Option<Value>,
    /// It rests in a person's hands: `waiting` or `paused`.
    pub rests: Option<&'static str>,
}

/// What happened in a run, or in one that it handed work to.
#[derive(Clone, Copy)]
struct Happened<'r> {
    run: RunId,
    at: Timestamp,
    event: &'r Event,
}

impl<'r> Real<'r> {
    /// All of it in the order in which a case comes to it: work that was handed over is done when its run rests, one after the other
    /// in the order in which it was handed over.
    fn whole(&self) -> Vec<Happened<'r>> {
        let own = self.entries.iter().zip(self.events);
        let own = own.map(|(entry, event)| Happened { run: self.run, at: entry.at, event });
        let mut all = Vec::new();
        self.follow(own.collect(), &mut all);
        all
    }

    fn follow(&self, journal: Vec<Happened<'r>>, all: &mut Vec<Happened<'r>>) {
        let mut handed: Vec<RunId> = Vec::new();
        for one in journal {
            match one.event {
                Event::ChildStarted { child, .. } => handed.push(*child),
                Event::ChildReported { child, .. } => {
                    let until = handed.iter().position(|other| other == child).map_or(0, |place| place + 1);
                    handed.drain(..until).for_each(|child| self.below(child, all));
                }
                _ => {}
            }
            all.push(one);
        }
        // Those that nobody was told of: they go on, or were not waited for any more.
        handed.into_iter().for_each(|child| self.below(child, all));
    }

    fn below(&self, run: RunId, all: &mut Vec<Happened<'r>>) {
        let journal = self.below.get(&run).into_iter().flatten();
        self.follow(journal.map(|(at, event)| Happened { run, at: *at, event }).collect(), all);
    }
}

/// A case that was made.
pub(crate) struct Recorded {
    pub text: String,
    /// What of the run it cannot show: sentences.
    pub notes: Vec<String>,
}

/// Makes a case of a run, runs it, and writes down what came of it.
///
/// # Errors
/// The run cannot be played: sentences.
pub(crate) fn record(
    real: &Real<'_>,
    (name, file): (&str, &Arc<str>),
    (setting, folder): (&Setting, &Path),
) -> Result<Recorded, Vec<String>> {
    let mut recorder = Recorder { real, setting, notes: Vec::new(), models: Vec::new(), tools: BTreeMap::new() };
    let text = recorder.text(name)?;
    let mut notes = recorder.notes;
    let parsed = read(file, &text, (&setting.project, &setting.sources, folder));
    let said = |complaints: Vec<kernel::complaint::Complaint>| {
        complaints.iter().map(|one| one.render(Some(&text))).collect::<Vec<_>>()
    };
    let case = parsed.map_err(said)?;
    let (outcome, trial) = case.played(setting);
    if !outcome.faults.is_empty() {
        return Err(outcome.faults);
    }
    let played: Vec<&Event> = trial.iter().flat_map(|trial| &trial.events).collect();
    notes.extend(unlike(&real.events.iter().collect::<Vec<_>>(), &played));
    Ok(Recorded { text: updated(&text, &case, &outcome), notes })
}

/// Where the case goes another way than the run did. What steps of bodies did at once may come in another order.
fn unlike(really: &[&Event], played: &[&Event]) -> Option<String> {
    fn by_step<'e>(events: &[&'e Event]) -> Vec<(Option<&'e StepPath>, Vec<String>)> {
        let mut steps: Vec<(Option<&StepPath>, Vec<String>)> = Vec::new();
        for event in events {
            let step = event.step();
            match steps.iter_mut().find(|(one, _)| *one == step) {
                Some((_, kinds)) => kinds.push(kind_of(event)),
                None => steps.push((step, vec![kind_of(event)])),
            }
        }
        steps
    }
    let (really, played) = (by_step(really), by_step(played));
    let all = really.iter().chain(&played).map(|(step, _)| *step);
    let of = |steps: &[(Option<&StepPath>, Vec<String>)], step: Option<&StepPath>| {
        steps.iter().find(|(one, _)| *one == step).map(|(_, kinds)| kinds.join(", "))
    };
    let (was, is) = all
        .map(|step| (of(&really, step), of(&played, step)))
        .find(|(was, is)| was != is)
        .map(|(was, is)| (was.unwrap_or_else(|| "nothing".into()), is.unwrap_or_else(|| "nothing".into())))?;
    Some(format!(
        "the run did `{was}` where the case does `{is}`: a process died, another run was in the way, or the project has changed since"
    ))
}

struct Recorder<'r> {
    real: &'r Real<'r>,
    setting: &'r Setting,
    notes: Vec<String>,
    models: Vec<(String, Vec<Value>)>,
    tools: BTreeMap<String, Vec<Value>>,
}

impl Recorder<'_> {
    fn text(&mut self, name: &str) -> Result<String, Vec<String>> {
        let (Some(first), Some(Event::RunStarted { workflow, input, by, .. })) =
            (self.real.entries.first(), self.real.events.first())
        else {
            return Err(vec!["the journal has no first entry".to_owned()]);
        };
        let input = self.held(input)?;
        self.answers()?;
        let people = self.people()?;
        let mut out = String::new();
        write::entry(&mut out, 0, "case", &name.into());
        write::entry(&mut out, 0, "workflow", &Value::Text(workflow.clone()));
        write::entry(&mut out, 0, "at", &Value::from(first.at.to_string()));
        if let Some(by) = by {
            write::entry(&mut out, 0, "by", &Value::Text(by.clone()));
        }
        write::entry(&mut out, 0, "input", &input);
        if !self.models.is_empty() {
            out.push_str("answers:\n");
            self.models.iter().for_each(|(step, lines)| section(&mut out, step, lines));
        }
        if !self.tools.is_empty() {
            out.push_str("tools:\n");
            self.tools.iter().for_each(|(operation, lines)| section(&mut out, operation, lines));
        }
        if !people.is_empty() {
            out.push_str("people:\n");
            people.iter().for_each(|said| write::item(&mut out, 2, said));
        }
        if let Some(rests) = self.real.rests {
            let _ = write!(out, "expect:\n  status: {rests}\n");
        }
        // The run of the case has an id of its own; what names the run names that one.
        let own = trial::run_id(first.at).to_string();
        Ok(out.replace(&self.real.run.to_string(), &own))
    }

    fn held(&self, held: &Held) -> Result<Value, Vec<String>> {
        (self.real.value)(held)
            .ok_or_else(|| vec!["a value of the run is gone: it was erased, or is damaged".to_owned()])
    }

    fn answers(&mut self) -> Result<(), Vec<String>> {
        let mut calls: BTreeMap<(RunId, &StepPath), (String, Effect)> = BTreeMap::new();
        let mut probing: BTreeMap<(RunId, &StepPath), String> = BTreeMap::new();
        // What a person said became of it is no answer of the tool.
        let mut resolved: BTreeSet<(RunId, &StepPath)> = BTreeSet::new();
        for Happened { run, event, .. } in self.real.whole() {
            match event {
                // In a case its model is asked, and says the same.
                Event::AnswerReused { step, output, .. } => {
                    let line = self.answered(step, &StepResult::Done(output.clone()))?;
                    self.models.push((step.as_str().to_owned(), vec![Value::map(line)]));
                }
                // In a case everything is done: of what this run did not do, only another journal holds the answers.
                Event::PartReused { part, from, .. } => {
                    let (run, entry) = (from.run, from.entry);
                    return Err(vec![format!(
                        "`{part}` was not done in this run: its result is that of entry {entry} of {run}; record that run"
                    )]);
                }
                Event::ModelAnswered { step, result, usage, .. } => {
                    let mut line = self.answered(step, result)?;
                    let used = serde_json::to_vec(usage).ok().and_then(|json| Value::from_json(&json).ok());
                    if let Some(Value::Map(used)) = used {
                        let counted = used.iter().filter(|(_, count)| **count != Value::Int(0));
                        let counted: Vec<_> = counted.map(|(key, count)| (key.clone(), count.clone())).collect();
                        if !counted.is_empty() {
                            line.push(("usage".into(), Value::map(counted)));
                        }
                    }
                    let key = step.as_str().to_owned();
                    match self.models.iter_mut().find(|(step, _)| *step == key) {
                        Some((_, lines)) => lines.push(Value::map(line)),
                        None => self.models.push((key, vec![Value::map(line)])),
                    }
                }
                Event::ActionStarted { step, proposal, .. } => {
                    let operation = format!("{}.{}", proposal.tool, proposal.operation);
                    calls.insert((run, step), (operation, proposal.effect));
                }
                Event::EffectResolved { step, resolution, .. } if *resolution != Resolution::NotPerformed => {
                    resolved.insert((run, step));
                }
                Event::ActionFinished { step, .. } if resolved.remove(&(run, step)) => {}
                Event::ActionFinished { step, result: StepResult::Failed(failure), .. }
                    if failure.kind == FailureKind::ContractViolated =>
                {
                    let Some((operation, _)) = calls.get(&(run, step)).cloned() else { continue };
                    self.notes.push(format!(
                        "what `{operation}` answered to `{step}` had another form, and is not in the journal"
                    ));
                    self.tool(operation, (run, step), vec![("value".into(), Value::Null)]);
                }
                Event::ActionFinished { step, result, proof, .. } => {
                    let Some((operation, _)) = calls.get(&(run, step)).cloned() else { continue };
                    let answer = proof.as_ref().and_then(|proof| proof.saw.get("answer")).cloned();
                    let line = match (answer, proof) {
                        (Some(answer), _) => vec![(Arc::from("value"), answer)],
                        (None, Some(_)) => {
                            self.notes.push(format!("what `{operation}` answered to `{step}` is not in the journal"));
                            vec![("value".into(), Value::map::<&str>([]))]
                        }
                        (None, None) => self.said(result, &OF_TOOLS)?,
                    };
                    self.tool(operation, (run, step), line);
                }
                Event::OutcomeUnknown { step, failure, .. } => {
                    let Some((operation, _)) = calls.get(&(run, step)).cloned() else { continue };
                    let failure = Failure { phase: Phase::MaybeSent, ..failure.clone() };
                    let line = self.said(&StepResult::Failed(failure), &OF_TOOLS)?;
                    self.tool(operation, (run, step), line);
                }
                Event::ProbeStarted { step, .. } => {
                    let Some((operation, _)) = calls.get(&(run, step)) else { continue };
                    probing.insert((run, step), self.probe_of(operation));
                }
                Event::ProbeFinished { step, result, .. } => {
                    let Some(operation) = probing.get(&(run, step)).cloned() else { continue };
                    let line = match result {
                        ProbeResult::Found(held) => vec![("value".into(), self.held(held)?)],
                        ProbeResult::Unclear { failure, .. } => {
                            self.said(&StepResult::Failed(failure.clone()), &OF_TOOLS)?
                        }
                        ProbeResult::Absent => {
                            self.notes.push(format!("what the probe `{operation}` answered is not in the journal"));
                            vec![("value".into(), Value::map::<&str>([]))]
                        }
                    };
                    self.tool(operation, (run, step), line);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn probe_of(&self, operation: &str) -> String {
        let found = operation.split_once('.').and_then(|(tool, name)| {
            let probe = self.setting.project.tools.get(tool)?.operations.get(name)?.probe.as_ref()?;
            Some(format!("{tool}.{}", probe.operation))
        });
        found.unwrap_or_else(|| operation.to_owned())
    }

    fn tool(&mut self, operation: String, (run, step): (RunId, &StepPath), mut line: Vec<(Arc<str>, Value)>) {
        // Bodies run at once, and so do several runs: the order of their answers is not the order of their calls.
        if (step.as_str().contains('/') || run != self.real.run) && step.undoes().is_none() {
            line.push(("step".into(), Value::from(step.as_str())));
        }
        self.tools.entry(operation).or_default().push(Value::map(line));
    }

    /// What a model answered. A turn is told by what it proposes: the journal has it in a form of its own.
    fn answered(&self, step: &StepPath, result: &StepResult) -> Result<Vec<(Arc<str>, Value)>, Vec<String>> {
        let line = self.said(result, &OF_MODELS)?;
        let turns = self.setting.project.workflows.values().any(|program| is_turn(step, program));
        let Some((_, Value::List(proposed))) =
            line.first().and_then(|(key, value)| Some((key, value.get("proposed")?))).filter(|_| turns)
        else {
            return Ok(line);
        };
        if proposed.is_empty() {
            let text = line[0].1.get("text").cloned().unwrap_or_else(|| "".into());
            return Ok(vec![("text".into(), text)]);
        }
        let part = |one: &Value, key: &'static str| one.get(key).map(|value| (Arc::from(key), value.clone()));
        let proposes = proposed.iter().map(|one| {
            Value::map(
                ["name", "arguments"].into_iter().filter_map(|key| part(one, key)).collect::<Vec<(Arc<str>, _)>>(),
            )
        });
        Ok(vec![("proposes".into(), Value::list(proposes))])
    }

    fn said(&self, result: &StepResult, kinds: &[FailureKind]) -> Result<Vec<(Arc<str>, Value)>, Vec<String>> {
        match result {
            StepResult::Done(held) => Ok(vec![("value".into(), self.held(held)?)]),
            StepResult::Failed(failure) => {
                let kind = if kinds.contains(&failure.kind) { failure.kind } else { kinds[kinds.len() - 1] };
                let mut line =
                    vec![("fail".into(), kind.as_str().into()), ("detail".into(), failure.detail.as_str().into())];
                let phase = match failure.phase {
                    Phase::NotSent => Some("not_sent"),
                    Phase::MaybeSent => Some("maybe_sent"),
                    Phase::Answered => Some("answered"),
                    Phase::Inside => None,
                };
                if kinds.contains(&FailureKind::ToolError) {
                    line.extend(phase.map(|phase| (Arc::from("phase"), Value::from(phase))));
                }
                line.extend(failure.retry_after.map(|span| (Arc::from("retry_after"), Value::from(span.to_string()))));
                Ok(line)
            }
        }
    }

    fn people(&mut self) -> Result<Vec<Value>, Vec<String>> {
        let (mut said, mut before) = (Vec::new(), BTreeMap::new());
        for Happened { run, at, event } in self.real.whole() {
            let waited = before.insert(run, at).and_then(|before| waited(before, at));
            let mut line: Vec<(&str, Value)> = match event {
                Event::VoteReceived { step, vote, .. } => {
                    let step = Value::from(step.as_str());
                    let mut line = match &vote.decision {
                        Decision::Approve => vec![("approve", step)],
                        Decision::Reject { reason } => vec![("reject", step), ("reason", reason.as_str().into())],
                        Decision::Edit { with } => vec![("edit", step), ("with", with.clone())],
                        Decision::Answer { value } => vec![("answer", step), ("value", value.clone())],
                    };
                    line.extend(vote.by.person().map(|by| ("by", Value::Text(by.clone()))));
                    line
                }
                Event::WorkAnswered { step, output, by, .. } => vec![
                    ("answer", step.as_str().into()),
                    ("by", Value::Text(by.clone())),
                    ("value", self.held(output)?),
                ],
                Event::EffectResolved { step, resolution, by, reason, .. } => {
                    let mut line = vec![("resolve", step.as_str().into()), ("by", Value::Text(by.clone()))];
                    match resolution {
                        Resolution::Performed { output, external_id } => {
                            line.extend([("as", "performed".into()), ("value", self.held(output)?)]);
                            line.extend(external_id.clone().map(|id| ("external_id", Value::Text(id))));
                        }
                        Resolution::NotPerformed => line.push(("as", "not_performed".into())),
                        Resolution::GivenUp => line.push(("as", "given_up".into())),
                    }
                    line.push(("reason", Value::Text(reason.clone())));
                    line
                }
                Event::SignalReceived { name, body, sender, .. } => vec![
                    ("signal", Value::Text(name.clone())),
                    ("by", Value::Text(sender.clone())),
                    ("value", self.held(body)?),
                ],
                // A run below ends with the one that handed it its work: in a case it does so by itself.
                Event::ControlReceived { sender, .. } if run != self.real.run && sender.parse::<RunId>().is_ok() => {
                    continue;
                }
                Event::ControlReceived { control, sender, .. } => {
                    let word = match control {
                        Control::Pause => "pause",
                        Control::Resume => "resume",
                        Control::Cancel | Control::CancelUndo => "cancel",
                        Control::Review => {
                            return Err(vec![
                                "its data were put back or copied: that is not played in a case".to_owned(),
                            ]);
                        }
                    };
                    let mut line = vec![(word, true.into()), ("by", Value::Text(sender.clone()))];
                    line.extend((*control == Control::CancelUndo).then(|| ("undo", true.into())));
                    line
                }
                Event::BudgetRaised { unit, limit, by, .. } => {
                    vec![("raise", unit.as_str().into()), ("to", Value::Int(*limit)), ("by", Value::Text(by.clone()))]
                }
                _ => continue,
            };
            line.extend(waited.map(|minutes| ("after", Value::from(format!("{minutes}m")))));
            said.push(Value::map(line));
        }
        Ok(said)
    }
}

/// How many minutes a run rested between two of its entries, if it was long.
fn waited(before: Timestamp, at: Timestamp) -> Option<i64> {
    let waited = at.micros().saturating_sub(before.micros());
    (waited >= NOTICED_US).then_some(waited / NOTICED_US)
}

fn section(out: &mut String, key: &str, lines: &[Value]) {
    let _ = writeln!(out, "  {}:", write::word(key));
    lines.iter().for_each(|line| write::item(out, 4, line));
}
