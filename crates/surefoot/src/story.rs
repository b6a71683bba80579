//! The live story of a run: each durable entry is one line, and what is under way is a line that moves.
//!
//! A block of many items is told an item a line: `--json` tells everything, and so does the journal.
//!
//! On a terminal with colours and a spinner; in a pipe as plain lines; with `--json` as one object a line.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    time::Duration,
};

use anstyle::Style;
use indicatif::{ProgressBar, ProgressStyle};
use kernel::{
    ids::{RunId, StepPath},
    journal::{ApprovalEnd, BodyResult, ChildEnd, Control, End, Entry, Event, ProbeResult, StepResult, Usage, WorkEnd},
    recovery::Response,
    report::Tally,
    run::RunState,
    values::{Money, Timestamp},
};
use serde_json::json;

use crate::cli::out::{BAD, FAINT, GOOD, OUTSIDE, Out, STRONG, WAIT, count, paint, plain};

/// So many items are told step by step.
const FEW: u32 = 3;

/// Tells one run.
pub struct Story<'a> {
    out: &'a Out,
    run: RunId,
    started: Option<Timestamp>,
    /// What is under way, by step path.
    doing: BTreeMap<StepPath, String>,
    spinner: Option<ProgressBar>,
    /// Blocks of many items: what goes well inside one is a line an item.
    folded: BTreeSet<String>,
    /// What was counted so far.
    pub tally: Tally,
    /// The run's state after the last entry told.
    pub state: RunState,
}

impl<'a> Story<'a> {
    /// Before the first entry.
    pub fn new(out: &'a Out, run: RunId) -> Story<'a> {
        Story {
            out,
            run,
            started: None,
            doing: BTreeMap::new(),
            spinner: None,
            folded: BTreeSet::new(),
            tally: Tally::default(),
            state: RunState::new(run),
        }
    }

    /// Takes an entry into account without telling it.
    pub fn know(&mut self, entry: &Entry, event: &Event) {
        let started = *self.started.get_or_insert(entry.at);
        // What a fork inherited was done, and paid, by another run, and earlier.
        if self.state.owner(entry.seq) == self.run {
            self.tally.add(event);
        }
        self.tally.took_us = (entry.at.micros() - started.micros()).max(0);
        self.under_way(event);
        // An entry that does not fit was never appended by an engine; telling goes on, verifying is `evidence`'s work.
        if self.state.head.seq + 1 == entry.seq {
            let _ = self.state.apply(entry, event.clone());
        }
    }

    /// Where it tells.
    pub fn out(&self) -> &'a Out {
        self.out
    }

    /// Tells one durable entry.
    pub fn tell(&mut self, entry: &Entry, event: &Event) {
        self.know(entry, event);
        let elapsed_us = (entry.at.micros() - self.started.unwrap_or(entry.at).micros()).max(0);
        // The first line says what was inherited.
        if !self.out.json && self.state.owner(entry.seq) != self.run {
            return;
        }
        let object = self.out.json.then(|| as_json(self.run, entry, event, elapsed_us));
        self.line(elapsed_us, event, object.as_ref());
    }

    /// Tells an entry that another process has told: its number, its time since the start, and the object that it was.
    pub fn show(&mut self, elapsed_us: i64, event: &Event, object: &serde_json::Value) {
        self.under_way(event);
        self.line(elapsed_us, event, Some(object));
    }

    fn line(&mut self, elapsed_us: i64, event: &Event, object: Option<&serde_json::Value>) {
        if self.out.json {
            object.into_iter().for_each(|object| self.out.object(object));
        } else if !self.out.quiet && !self.is_folded(event) {
            let (mark, style) = mark(event);
            let line = plain(&kernel::story::line(event));
            let line = match line.split_once(": ") {
                Some((step, rest)) if event.step().is_some() => format!("{}: {rest}", paint(STRONG, step)),
                _ => line,
            };
            self.say(format!("{} {} {line}", paint(FAINT, elapsed(elapsed_us)), paint(style, mark)));
        }
        self.spin();
    }

    /// Whether the event is a step of one of many items, and nothing that a reader must see.
    fn is_folded(&self, event: &Event) -> bool {
        let routine = match event {
            Event::StepDone { .. }
            | Event::StepSkipped { .. }
            | Event::AnswerReused { .. }
            | Event::CacheMissed { .. }
            | Event::PartReused { .. }
            | Event::ModelAsked { .. }
            | Event::ActionStarted { .. } => true,
            Event::ModelAnswered { unsure: Some(_), .. } => false,
            Event::ModelAnswered { result, .. } | Event::ActionFinished { result, .. } => {
                matches!(result, StepResult::Done(_))
            }
            _ => false,
        };
        routine && event.step().is_some_and(|step| self.folded.iter().any(|block| step.as_str().starts_with(block)))
    }

    /// Says something between the entries.
    pub fn say(&self, text: String) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| self.out.line(text)),
            None => self.out.line(text),
        }
    }

    /// Shows what is under way, while nothing is told.
    pub fn spin(&mut self) {
        if !self.out.lively() {
            return;
        }
        if self.doing.is_empty() || self.state.end.is_some() {
            self.still();
            return;
        }
        let mut text =
            self.doing.iter().take(3).map(|(step, what)| format!("{step}: {what}")).collect::<Vec<_>>().join(" · ");
        if self.doing.len() > 3 {
            let _ = write!(text, " · and {} more", self.doing.len() - 3);
        }
        // One that was cleared is never drawn again: each pause between two lines gets its own.
        let spinner = self.spinner.get_or_insert_with(|| {
            let spinner = ProgressBar::new_spinner();
            let style = ProgressStyle::with_template("            {spinner:.cyan} {wide_msg:.dim}");
            spinner.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            spinner.enable_steady_tick(Duration::from_millis(100));
            spinner
        });
        spinner.set_message(plain(&text));
    }

    /// Ends the line that moves.
    pub fn still(&mut self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    fn under_way(&mut self, event: &Event) {
        match event {
            Event::EachOpened { step, count, .. } if *count > FEW => {
                self.folded.insert(format!("{step}["));
            }
            Event::ModelAsked { step, model, .. } => {
                self.doing.insert(step.clone(), format!("asking {model}"));
            }
            Event::ActionStarted { step, proposal, .. } => {
                self.doing.insert(step.clone(), format!("{}.{}", proposal.tool, proposal.operation));
            }
            Event::ActionResent { step, .. } => {
                self.doing.insert(step.clone(), "sent again under the same key".to_owned());
            }
            Event::WaitStarted { step, .. }
            | Event::WorkOpened { step, .. }
            | Event::ChildStarted { step, .. }
            | Event::OutcomeUnknown { step, .. }
            | Event::ProbeStarted { step, .. } => {
                let line = kernel::story::line(event);
                let what = line.split_once(": ").map_or("waits", |(_, what)| what).to_owned();
                self.doing.insert(step.clone(), what);
            }
            Event::FailureAnswered { step, .. } if self.doing.contains_key(step) => {
                let line = kernel::story::line(event);
                let what = line.split_once(": ").map_or("", |(_, what)| what).to_owned();
                self.doing.insert(step.clone(), what);
            }
            Event::ModelAnswered { step, .. }
            | Event::ActionFinished { step, .. }
            | Event::ProbeFinished { step, result: ProbeResult::Found(_), .. }
            | Event::WaitEnded { step, .. }
            | Event::WorkEnded { step, .. }
            | Event::ChildEnded { step, .. }
            | Event::StepFailed { step, .. } => {
                self.doing.remove(step);
            }
            _ => {}
        }
    }
}

/// `   +0.254s`: wide enough for hours.
pub fn elapsed(us: i64) -> String {
    let us = us.max(0);
    let text = match us {
        0..600_000_000 => format!("+{}.{:03}s", us / 1_000_000, us / 1000 % 1000),
        _ => format!("+{}m{:02}s", us / 60_000_000, us / 1_000_000 % 60),
    };
    format!("{text:>11}")
}

/// One entry as an object.
pub fn as_json(run: RunId, entry: &Entry, event: &Event, elapsed_us: i64) -> serde_json::Value {
    json!({
        "kind": "entry",
        "run": run,
        "seq": entry.seq,
        "epoch": entry.epoch,
        "at": entry.at.to_string(),
        "elapsed_us": elapsed_us,
        "line": kernel::story::line(event),
        "event": event,
    })
}

fn mark(event: &Event) -> (&'static str, Style) {
    match event {
        Event::RunStarted { .. } => ("▶", GOOD),
        Event::StepDone { .. }
        | Event::ClaimVerified { .. }
        | Event::AnswerReused { .. }
        | Event::PartReused { .. }
        | Event::StageDone { .. }
        | Event::TurnDone { .. }
        | Event::BodyDone { result: BodyResult::Gave(_), .. } => ("✓", GOOD),
        Event::StepSkipped { .. } | Event::CacheMissed { .. } | Event::BodyDone { result: BodyResult::Dropped, .. } => {
            ("·", FAINT)
        }
        Event::Decided { .. } => ("◆", GOOD),
        Event::EachOpened { .. }
        | Event::ParallelOpened { .. }
        | Event::RepeatOpened { .. }
        | Event::AgentOpened { .. }
        | Event::PlanOpened { .. }
        | Event::PlanFrozen { .. } => ("≡", STRONG),
        Event::ModelAsked { .. } | Event::ActionStarted { .. } | Event::ActionResent { .. } => ("→", OUTSIDE),
        Event::ModelAnswered { unsure: Some(unsure), .. } if !unsure.accepts() => ("?", WAIT),
        Event::ModelAnswered { result, .. } | Event::ActionFinished { result, .. } => match result {
            StepResult::Done(_) => ("✓", GOOD),
            StepResult::Failed(_) => ("✗", BAD),
        },
        Event::WaitStarted { .. } | Event::DeadlineSet { .. } => ("…", WAIT),
        Event::EventPublished { .. } => ("→", GOOD),
        Event::ApprovalRequested { .. } | Event::ApprovalEscalated { .. } => ("?", WAIT),
        Event::VoteReceived { .. } => ("✓", WAIT),
        Event::WorkOpened { .. } => ("?", WAIT),
        Event::WorkAnswered { .. } | Event::ChildReported { .. } => ("✓", WAIT),
        Event::ChildStarted { .. } => ("→", WAIT),
        Event::ChildEnded { end: ChildEnd::Gave { .. }, .. } => ("✓", GOOD),
        Event::ChildEnded { end: ChildEnd::Failed { .. }, .. } => ("✗", BAD),
        Event::WorkEnded { end: WorkEnd::Gave { .. }, .. } => ("✓", GOOD),
        Event::WorkEnded { end: WorkEnd::Settled, .. } => ("✓", GOOD),
        Event::WorkEnded { end: WorkEnd::Again { .. }, .. } => ("↻", WAIT),
        Event::WorkEnded { end: WorkEnd::Failed { .. } | WorkEnd::GivenUp { .. }, .. } => ("✗", BAD),
        Event::ApprovalEnded { end: ApprovalEnd::Gave { .. }, .. } => ("✓", GOOD),
        Event::ApprovalEnded { end: ApprovalEnd::Failed { .. }, .. } => ("✗", BAD),
        Event::ApprovalEnded { .. } => ("↻", WAIT),
        Event::OutcomeUnknown { .. } => ("?", BAD),
        Event::ProbeStarted { .. } => ("→", OUTSIDE),
        Event::ProbeFinished { result: ProbeResult::Found(_), .. } => ("✓", GOOD),
        Event::ProbeFinished { .. } => ("·", WAIT),
        Event::LateAnswerReceived { .. } | Event::EffectResolved { .. } => ("✓", WAIT),
        Event::WaitEnded { .. } | Event::SignalReceived { .. } | Event::EventReceived { .. } => ("✓", WAIT),
        Event::ControlReceived { control: Control::Resume, .. } | Event::BudgetRaised { .. } => ("▶", WAIT),
        Event::ControlReceived { .. } => ("■", WAIT),
        Event::UndoOpened { .. } => ("↩", WAIT),
        Event::FailureAnswered { response: Response::Undo { .. }, .. } => ("↩", WAIT),
        Event::FailureAnswered { .. } => ("↻", WAIT),
        Event::ActionJudged { .. } | Event::StepFailed { .. } | Event::BodyDone { .. } => ("✗", BAD),
        Event::RunFinished { end: End::Completed, .. } => ("■", GOOD),
        Event::RunFinished { .. } => ("■", BAD),
    }
}

/// What models were charged, if anything; "or more" where the journal does not say the price of every answer.
pub fn charged(tally: &Tally) -> Option<String> {
    let more = if tally.unpriced > 0 { " or more" } else { "" };
    (tally.charged_uusd > 0).then(|| format!("charged {}{more}", Money::from_micros(tally.charged_uusd)))
}

/// What the run came to, in a few words, with numbers.
pub fn totals(tally: &Tally) -> String {
    let mut parts = vec![
        count(tally.steps, "step"),
        count(tally.asked, "model call"),
        count(tally.actions, "action"),
        count(tally.entries, "entry").replace("entrys", "entries"),
    ];
    if tally.resent > 0 {
        parts.insert(3, format!("{} sent again", tally.resent));
    }
    if tally.usage.tokens() > 0 {
        let Usage { input, cache_read, cache_write, output, reasoning } = tally.usage;
        parts.push(format!("{} tokens in, {} out", input + cache_read + cache_write, output + reasoning));
    }
    parts.join(" · ")
}

/// How a run ended, as one word.
pub fn ending(end: End) -> &'static str {
    match end {
        End::Completed => "completed",
        End::Failed => "failed",
        End::Cancelled => "cancelled",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elapsed_times_line_up() {
        assert_eq!(elapsed(0), "    +0.000s");
        assert_eq!(elapsed(1_254_900), "    +1.254s");
        assert_eq!(elapsed(3_725_000_000), "    +62m05s");
        assert_eq!(elapsed(-5), "    +0.000s");
    }

    #[test]
    fn totals_name_what_there_is() {
        let tally = Tally { entries: 1, steps: 2, asked: 1, ..Tally::default() };
        assert_eq!(totals(&tally), "2 steps · 1 model call · 0 actions · 1 entry");
    }
}
