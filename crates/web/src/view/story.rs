//! A journal as a story: a line for each thing that happened, retries and pure steps folded.

use kernel::{
    journal::{Entry, Event, StepResult},
    values::Timestamp,
};

use super::words;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// The entry.
    pub(crate) seq: u64,
    /// Since the first entry.
    pub(crate) after: String,
    /// When, exactly.
    pub(crate) at: String,
    /// Which step; nothing for the run itself.
    pub(crate) step: String,
    /// How deep the step stands within bodies.
    pub(crate) depth: usize,
    /// What happened.
    pub(crate) said: String,
    /// A colour by meaning: `good`, `bad`, `wait`, `busy` or `calm`.
    pub(crate) class: &'static str,
}

/// The lines of a journal, in order; those that a fork inherited apart. An entry that cannot be read is a line that says so.
pub(crate) fn lines(entries: &[Entry]) -> Lines {
    let fork = match entries.first().map(Entry::event) {
        Some(Ok(Event::RunStarted { fork, .. })) => fork,
        _ => None,
    };
    let is_inherited = |entry: &&Entry| fork.as_ref().is_some_and(|fork| fork.owner(entry.seq).is_some());
    let (inherited, own): (Vec<&Entry>, Vec<&Entry>) = entries.iter().partition(is_inherited);
    let lines = |all: Vec<&Entry>| {
        let began = all.first().map_or(Timestamp::default(), |entry| entry.at);
        all.into_iter().map(|entry| line(entry, began)).collect()
    };
    Lines { inherited: lines(inherited), own: lines(own) }
}

/// A story: what the run did itself, and what the run did before it that it goes on from.
#[derive(Default)]
pub(crate) struct Lines {
    /// Between its first entry and the next one.
    pub(crate) inherited: Vec<Line>,
    pub(crate) own: Vec<Line>,
}

fn line(entry: &Entry, began: Timestamp) -> Line {
    let (step, said, class) = match entry.event() {
        Ok(event) => {
            let text = kernel::story::line(&event);
            let step = event.step().map(|step| step.as_str().to_owned()).unwrap_or_default();
            let said = text.strip_prefix(&step).map_or(&*text, |rest| rest.trim_start_matches([':', ' ']));
            let class = class(&event);
            (step.clone(), words::plain(said), class)
        }
        Err(why) => (String::new(), format!("this entry cannot be read: {why}"), "bad"),
    };
    Line {
        seq: entry.seq,
        after: words::span(entry.at.micros() - began.micros()),
        at: entry.at.to_string(),
        depth: step.matches('/').count(),
        step: words::plain(&step),
        said,
        class,
    }
}

pub(super) fn class(event: &Event) -> &'static str {
    match event {
        Event::ModelAnswered { result: StepResult::Failed(_), .. }
        | Event::ActionFinished { result: StepResult::Failed(_), .. }
        | Event::StepFailed { .. } => "bad",
        Event::ApprovalRequested { .. } | Event::WorkOpened { .. } | Event::OutcomeUnknown { .. } => "wait",
        Event::ModelAsked { .. } | Event::ActionStarted { .. } | Event::ActionResent { .. } => "busy",
        Event::RunFinished { end: kernel::journal::End::Completed, .. } => "good",
        Event::RunFinished { end: kernel::journal::End::Failed, .. } => "bad",
        event if event.completes().is_some() => "good",
        _ => "calm",
    }
}
