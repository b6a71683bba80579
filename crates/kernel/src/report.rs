//! How a run stands, as a person asks it: what is done, what is being done, what comes next, for whom it waits, what may be tried
//! again and why. A fold of its journal, read together with its program.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    cache::Part,
    evidence::{Ledger, Said},
    governance::{Effect, budget::PriceFrom},
    ids::{RunId, StepPath},
    journal::{ChildEnd, Entry, Event, Fork, Report as Reported, StepResult, Usage},
    recovery::Failure,
    run::{Acting, Doing, Open, RunState, Sending, Sequence},
    story,
    values::Timestamp,
    workflow::Program,
};

/// What a run has done, counted from its entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Entries seen.
    pub entries: u64,
    /// Steps that are over, bodies included.
    pub steps: u64,
    /// Model calls sent.
    pub asked: u64,
    /// Actions with an intent.
    pub actions: u64,
    /// Actions sent once more under the same key.
    pub resent: u64,
    /// What providers billed.
    pub usage: Usage,
    /// What models were charged, in millionths of a dollar, as their journal has it.
    pub charged_uusd: i64,
    /// Answers that the journal does not say the price of.
    pub unpriced: u64,
    /// From the first entry to the last.
    pub took_us: i64,
}

impl Tally {
    /// Takes one more entry into account.
    pub fn add(&mut self, event: &Event) {
        self.entries += 1;
        match event {
            Event::StepDone { .. }
            | Event::StepSkipped { .. }
            | Event::WaitEnded { .. }
            | Event::AnswerReused { .. }
            | Event::PartReused { part: Part::Step(_), .. }
            | Event::ClaimVerified { .. } => self.steps += 1,
            Event::Decided { then, .. } if then.is_empty() => self.steps += 1,
            Event::ModelAsked { .. } => self.asked += 1,
            Event::ModelAnswered { result, usage, .. } => {
                match charged(event) {
                    Some(uusd) => self.charged_uusd = self.charged_uusd.saturating_add(uusd),
                    None => self.unpriced += 1,
                }
                self.usage.input += usage.input;
                self.usage.cache_read += usage.cache_read;
                self.usage.cache_write += usage.cache_write;
                self.usage.output += usage.output;
                self.usage.reasoning += usage.reasoning;
                self.steps += u64::from(matches!(result, StepResult::Done(_)));
            }
            Event::ActionStarted { .. } => self.actions += 1,
            Event::ActionResent { .. } => self.resent += 1,
            Event::ActionFinished { .. } | Event::ProbeFinished { .. } => {
                self.steps += u64::from(event.completes().is_some());
            }
            _ => {}
        }
    }
}

/// What a model was charged with an event, in millionths of a dollar; `None`: it answered, and the journal does not say for how much.
pub fn charged(event: &Event) -> Option<i64> {
    match event {
        Event::ModelAnswered { charged: Some(charged), usage, .. }
            if charged.by != PriceFrom::Unknown || usage.tokens() == 0 =>
        {
            Some(charged.money_uusd)
        }
        Event::ModelAnswered { .. } => None,
        _ => Some(0),
    }
}

/// How a run stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Steps that are recorded, in the order in which they were.
    pub done: Vec<Done>,
    /// Steps that are open.
    pub doing: Vec<Now>,
    /// Work that was handed to other workflows.
    pub handed: Vec<Handed>,
    /// Names of steps and stages that follow, as far as no decision changes it.
    pub next: Vec<String>,
    /// Signals that arrived and that no step has taken yet.
    pub kept_signals: Vec<Arc<str>>,
    /// A person or a recovery paused it.
    pub paused: bool,
    /// A person asked it to end.
    pub cancelling: bool,
    /// Failures met, and what was done about each.
    pub failures: Vec<Met>,
    /// What models said they did, and how that stands.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<Said>,
    /// What it goes on from, if it is a fork: entries up to that one were inherited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fork: Option<Fork>,
    /// Why it failed.
    pub failed: Option<Failure>,
    /// What was counted.
    #[serde(skip)]
    pub tally: Tally,
    /// The first entry's time.
    pub started: Option<Timestamp>,
    /// The last entry's time.
    pub last: Option<Timestamp>,
}

/// A recorded step.
#[derive(Clone, Debug, Serialize)]
pub struct Done {
    /// The entry that records it.
    pub seq: u64,
    /// Which.
    pub step: StepPath,
    /// What it gave, cut to a line.
    pub gave: String,
}

/// Work that was handed to another workflow.
#[derive(Clone, Debug, Serialize)]
pub struct Handed {
    /// The entry that records it.
    pub seq: u64,
    /// The step.
    pub step: StepPath,
    /// The run that does it.
    pub run: RunId,
    /// Its workflow.
    pub workflow: Arc<str>,
    /// What it said when it was over; `None`: nothing yet.
    pub said: Option<&'static str>,
}

/// An open step.
#[derive(Clone, Debug, Serialize)]
pub struct Now {
    /// Which.
    pub step: StepPath,
    /// What is under way, in words.
    pub what: String,
    /// What happens to it after a crash, or when it is tried again, and why.
    pub again: Option<String>,
    /// What a person can do about it.
    #[serde(skip)]
    pub call: Option<Call>,
}

/// What a person can do about an open step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// Decide this approval.
    Decide(Arc<str>),
    /// Do this work.
    Answer(Arc<str>),
    /// Say what became of its action.
    Resolve,
    /// Send a signal of this name.
    Signal(Arc<str>),
}

/// What people can do about the open steps of a run, in the order of its program.
pub fn calls(state: &RunState) -> Vec<(StepPath, Call)> {
    let mut doing = Vec::new();
    let frames = state.stages.iter().map(|frame| &frame.steps);
    frames.chain(state.undoing.iter().map(|undoing| &undoing.steps)).for_each(|steps| open(&mut doing, steps, ""));
    doing.into_iter().filter_map(|now| Some((now.step, now.call?))).collect()
}

/// A failure and what was done about it.
#[derive(Clone, Debug, Serialize)]
pub struct Met {
    /// The entry that records it.
    pub seq: u64,
    /// Which step.
    pub step: StepPath,
    /// What went wrong.
    pub failure: String,
    /// What was done; `None`: nothing yet.
    pub answer: Option<String>,
}

impl Report {
    /// Reads a journal. Without `program` (its bundle is gone or of another version) what follows is not known.
    pub fn of(state: &RunState, entries: &[Entry], program: Option<&Program>) -> Report {
        let mut report = Report {
            kept_signals: state.mailbox.iter().map(|signal| signal.name.clone()).collect(),
            paused: state.paused,
            cancelling: state.cancelling,
            failed: state.end.as_ref().and_then(|end| end.failure.clone()).or_else(|| state.failed.clone()),
            fork: state.fork().cloned(),
            started: entries.first().map(|entry| entry.at),
            last: entries.iter().map(|entry| entry.at).max(),
            ..Report::default()
        };
        let mut ledger = Ledger::new(state.run);
        for entry in entries {
            let Ok(event) = entry.event() else { continue };
            ledger.add(entry.seq, entry.at, &event);
            // What was inherited was done, and paid, by another run.
            if ledger.owner(entry.seq) == state.run {
                report.tally.add(&event);
            }
            report.entry(entry.seq, &event);
        }
        report.claims = ledger.claims;
        if let (Some(first), Some(last)) = (report.started, report.last) {
            report.tally.took_us = (last.micros() - first.micros()).max(0);
        }
        if state.end.is_none() {
            for frame in &state.stages {
                open(&mut report.doing, &frame.steps, "");
            }
            for undoing in &state.undoing {
                open(&mut report.doing, &undoing.steps, "");
            }
            if let Some(program) = program {
                report.next = follows(state, program);
            }
        }
        report
    }

    fn entry(&mut self, seq: u64, event: &Event) {
        let whole;
        let chosen = match event {
            Event::Decided { step, .. } => Some(step),
            Event::PartReused { part, .. } => {
                whole = StepPath::new(part.to_string());
                Some(&whole)
            }
            _ => event.completes().map(|(step, _)| step),
        };
        if let Some(step) = chosen {
            let line = story::line(event);
            let gave = line.split_once(": ").map_or(line.as_str(), |(_, gave)| gave).to_owned();
            self.done.push(Done { seq, step: step.clone(), gave });
        }
        match event {
            Event::ChildStarted { step, child, workflow, .. } => {
                let (step, workflow) = (step.clone(), workflow.clone());
                self.handed.push(Handed { seq, step, run: *child, workflow, said: None });
            }
            Event::ChildReported { child, report, .. } => {
                let said = match report {
                    Reported::Completed(_) => "completed",
                    Reported::Failed(_) => "failed",
                    Reported::Cancelled => "cancelled",
                };
                let one = self.handed.iter_mut().find(|one| one.run == *child);
                one.into_iter().for_each(|one| one.said = Some(said));
            }
            _ => {}
        }
        let failure = match event {
            Event::ModelAnswered { result: StepResult::Failed(failure), .. }
            | Event::ActionFinished { result: StepResult::Failed(failure), .. }
            | Event::ChildEnded { end: ChildEnd::Failed { failure }, .. }
            | Event::StepFailed { failure, .. } => Some(story::failure(failure)),
            Event::ActionJudged { .. } => Some(story::line(event)),
            _ => None,
        };
        match (failure, event.step()) {
            (Some(failure), Some(step)) => self.failures.push(Met { seq, step: step.clone(), failure, answer: None }),
            (None, Some(step)) => {
                if let Event::FailureAnswered { response, .. } = event
                    && let Some(met) = self.failures.iter_mut().rev().find(|met| met.step == *step)
                {
                    let why = response.why_again().map(|why| format!(" ({why})")).unwrap_or_default();
                    met.answer = Some(format!("{}{why}", story::answer(response)));
                }
            }
            _ => {}
        }
    }
}

/// The open steps of a sequence, innermost ones.
fn open(now: &mut Vec<Now>, steps: &Sequence, prefix: &str) {
    let Some(open_step) = &steps.open else { return };
    let visit = if open_step.visit > 1 { format!("~{}", open_step.visit) } else { String::new() };
    let path = |frame: &str| format!("{prefix}{}{visit}{frame}", open_step.name);
    match &open_step.doing {
        Doing::Bodies(bodies) => {
            let before = now.len();
            for (index, body) in &bodies.open {
                let frame = match bodies.branches.get(*index as usize) {
                    Some(branch) => format!(".{branch}"),
                    None => format!("[{index}]"),
                };
                open(now, &body.steps, &format!("{}/", path(&frame)));
            }
            if now.len() == before {
                let what = format!("{} of {} bodies over", bodies.over, bodies.count);
                now.push(Now { step: path("").as_str().into(), what, again: None, call: None });
            }
        }
        Doing::Turns(_) | Doing::Talking(_) => {
            let (turn, body) = match &open_step.doing {
                Doing::Turns(turns) => (turns.turn, &turns.body),
                Doing::Talking(talk) => (talk.turn, &talk.body),
                _ => return,
            };
            let before = now.len();
            open(now, &body.steps, &format!("{}/", path(&format!("[{turn}]"))));
            if now.len() == before {
                let what = format!("turn {turn}");
                now.push(Now { step: path("").as_str().into(), what, again: None, call: None });
            }
        }
        // The stages that it chose are told by their own frames.
        Doing::Deciding { .. } => {}
        _ => {
            let (what, again) = under_way(open_step);
            now.push(Now { step: path("").as_str().into(), what, again, call: call(open_step) });
        }
    }
}

fn call(open: &Open) -> Option<Call> {
    match &open.doing {
        Doing::Approving(approving) => Some(Call::Decide(approving.id.to_string().into())),
        Doing::Working(working) => Some(Call::Answer(working.id.to_string().into())),
        Doing::Acting(acting) if matches!(acting.standing, Sending::Unknown { probe_at: None }) => Some(Call::Resolve),
        Doing::Waiting { signals, .. } => signals.first().cloned().map(Call::Signal),
        _ => None,
    }
}

fn under_way(open: &Open) -> (String, Option<String>) {
    if let Some(failure) = &open.failure {
        return (
            format!("failed: {}", story::failure(failure)),
            Some("what is done about it is decided next".to_owned()),
        );
    }
    let waits = open.not_before.map(|at| format!(", not before {at}")).unwrap_or_default();
    let because = open
        .answered
        .last()
        .map(|(failure, response)| format!("{}: {}", story::failure(failure), story::answer(response)));
    match &open.doing {
        Doing::Asking { .. } => {
            let again = "after a crash it is asked again, and perhaps billed again: no answer is recorded";
            (format!("a model is asked, attempt {}", open.attempt), Some(because.unwrap_or_else(|| again.to_owned())))
        }
        Doing::Acting(acting) => acting_now(open, acting, &waits, because),
        Doing::Asked => (format!("a model is asked again{waits}"), because),
        Doing::Waiting { until, signals, events } => {
            let signals = story::awaited(signals, events).map(|what| format!(" for {what}")).unwrap_or_default();
            let until = until.map(|at| format!(" until {at}")).unwrap_or_default();
            (format!("waits{signals}{until}"), None)
        }
        Doing::Approving(approving) => {
            let until = approving.terms.expires_at.map(|at| format!(" until {at}")).unwrap_or_default();
            let asks = format!("asks {}{until}, approval {}", story::whom(&approving.terms), approving.id);
            (asks, Some(format!("decide it: approvals decide {}", approving.id)))
        }
        Doing::Working(working) => {
            let until = working.due_at.map(|at| format!(" until {at}")).unwrap_or_default();
            let waits = format!("handed to {}{until}, work {}", working.queue, working.id);
            (waits, Some(format!("answer it: work answer {}", working.id)))
        }
        Doing::Handed(handed) => {
            let until = handed.due_at.map(|at| format!(" until {at}")).unwrap_or_default();
            let waits = format!("handed to workflow {}{until}, run {}", handed.workflow, handed.child);
            (waits, Some("after a crash it is not started again: its run began with the entry that says so".to_owned()))
        }
        _ => (format!("is begun{waits}"), because),
    }
}

/// What stands after the open steps: the rest of each stage, innermost first, then the stages behind.
fn follows(state: &RunState, program: &Program) -> Vec<String> {
    let mut next = Vec::new();
    for frame in state.stages.iter().rev() {
        if let Some(stage) = program.stage(&frame.stage) {
            let begun = frame.steps.over as usize + usize::from(frame.steps.open.is_some());
            next.extend(stage.steps.iter().skip(begun).map(|step| step.name.to_string()));
        }
        next.extend(frame.queue.iter().map(|stage| format!("stage {stage}")));
    }
    next
}

/// How an action stands, and what may follow.
fn acting_now(open: &Open, acting: &Acting, waits: &str, because: Option<String>) -> (String, Option<String>) {
    let action = format!("{}.{}", acting.proposal.tool, acting.proposal.operation);
    let sent = format!("{action} was sent, attempt {}, and has not answered", open.attempt);
    match (&acting.standing, acting.proposal.effect) {
        (Sending::Open, Effect::Read | Effect::Idempotent) => {
            let again = format!("after a crash the same bytes are sent again under the same key {}", acting.key);
            (sent, Some(again))
        }
        (Sending::Open, Effect::Probed) => (sent, Some("after a crash its probe asks what became of it".to_owned())),
        (Sending::Open, Effect::AtMostOnce) => {
            (sent, Some("it is never sent again: after a crash a person resolves it".to_owned()))
        }
        (Sending::Unknown { probe_at: Some(at) }, _) => {
            (format!("{action}: outcome unknown"), Some(format!("its probe asks at {at}")))
        }
        (Sending::Unknown { probe_at: None }, _) => (
            format!("{action}: outcome unknown"),
            Some("a person must say what became of it: effects resolve".to_owned()),
        ),
        (Sending::Probing, _) => (format!("{action}: its probe asks what became of it"), None),
        (Sending::Failed | Sending::Absent, _) => (format!("{action} is sent again{waits}"), because),
    }
}
