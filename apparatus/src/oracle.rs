//! Compares, from outside, what a store says with what really happened.
//!
//! An [`Oracle`] belongs to one batch of runs, that is to one data directory. After each life of the process that is killed it is
//! given a [`Snapshot`] of the directory, what the process had acknowledged, and the lines that the ledger wrote meanwhile. Each
//! line says which life sent it, so that order needs no clock: what was durable when life 6 died was there before anything that
//! life 7 sent.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    ids::RunId,
    journal::{Event, Head, Held, ProbeResult, StepResult},
    recovery::{FailureKind, Response},
};
use serde::Serialize;
use store::Status;

use crate::{
    ledger::{Ledger, Line},
    mixed::{Case, Late},
    victim::Said,
};

mod books;
mod effects;
mod snapshot;
#[cfg(test)]
mod tests;
mod told;
mod undos;

pub use books::Books;
use effects::{Intent, Sendings};
pub use snapshot::{RunSeen, Snapshot};
use told::Told;
use undos::Undos;

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// Which, by one of the names in [`RULES`].
    pub rule: &'static str,
    /// Where, with both values.
    pub detail: String,
}

/// Every rule, with what it means when it is broken.
pub const RULES: [(&str, &str); 33] = [
    ("lost_start", "an acknowledged start is not in the database"),
    ("started_twice", "one start key gave two runs"),
    ("lost_signal", "an acknowledged signal is not in its inbox, or was read and is not in the journal"),
    ("signal_twice", "one message stands twice in an inbox or a journal"),
    ("lost_entry", "an entry that was durable is gone, or another"),
    ("check", "the database's own check found something"),
    ("never_lost", "a run sleeps over a message, and nothing would wake it"),
    ("stuck", "a batch does not come to its end"),
    ("died", "the process ended by itself"),
    ("settings", "the database does not run as it must"),
    ("completed_twice", "one step path was completed twice"),
    ("done_again", "an action was sent although its outcome was durable"),
    ("asked_again", "a model was asked although its answer was durable"),
    ("no_intent", "a request without a durable intent"),
    ("no_key", "an effect was asked for without a key"),
    ("more_than_intended", "more requests than the journal has sendings"),
    ("other_bytes", "a request whose bytes are not those of its intent"),
    ("applied_twice", "one action was performed twice"),
    ("sent_again", "an action that is sent at most once was sent again, and no person had allowed it"),
    ("done_not_applied", "recorded done, and nobody saw it"),
    ("failed_yet_performed", "recorded failed, yet performed"),
    ("unknown_hidden", "an action whose outcome is unknown is not listed, or one is listed whose outcome is known"),
    ("ended_unknown", "a run is over, and nobody knows what became of one of its actions"),
    ("budget_unbalanced", "a sum is not what the journals say is set aside and spent, or is above its limit"),
    ("epoch_kept", "a run changed hands without a new epoch for the reap and one for the claim"),
    ("final_undone", "a run that was over is not over any more"),
    ("time_back", "an entry is older than the one before"),
    ("not_taken_back", "a run failed when all was done, and one of its acts stands"),
    ("taken_back_twice", "an act was taken back more often than it was done, or although nothing had failed"),
    ("message_lost", "people were to be told something, and no message of it is kept, or it was never handed over"),
    ("other_message", "one message was handed over with two texts, or nobody had kept it"),
    ("wrong_end", "a run is not over at the end of its batch as its input implies"),
    ("wrong_result", "a result is not what the input implies"),
];

/// A model call whose intent stands in a journal.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// The first life after which each sending was durable.
    since: BTreeMap<u32, u32>,
    done: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Stood {
    head: Head,
    epoch: u64,
    owned: bool,
    over: bool,
}

/// What one judgement counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Runs that are not over.
    pub runs_open: usize,
    /// Runs that are over.
    pub runs_done: usize,
    /// Entries of all journals.
    pub entries: usize,
    /// Requests for effects beyond the first of their action.
    pub resent: usize,
    /// Actions by class.
    pub actions: BTreeMap<&'static str, usize>,
    /// Actions whose outcome is unknown: which, and how often it was sent.
    pub unknown: Vec<String>,
    /// What the promises leave open: a `probed` action that happened twice, because its request was under way for longer than
    /// the receiver is given.
    pub residual: Vec<String>,
    /// Actions whose intent is durable, and nothing of what became of it.
    pub pending: usize,
    /// Acts that were taken back.
    pub taken_back: usize,
    /// Messages to people that have not left.
    pub untold: usize,
    /// Messages that the receiver got beyond the first of each id.
    pub told_again: usize,
    /// What was set aside and spent.
    pub books: Books,
    /// What is wrong.
    pub violations: Vec<Violation>,
}

/// Knows one batch from its first life on.
#[derive(Debug)]
pub struct Oracle {
    batch: u64,
    cases: BTreeMap<u64, Case>,
    starts: BTreeMap<u64, RunId>,
    signals: BTreeSet<(RunId, String)>,
    intents: BTreeMap<String, Intent>,
    asks: BTreeMap<(u64, String), Asked>,
    stood: BTreeMap<RunId, Stood>,
    sent: BTreeMap<String, (u32, u32)>,
    probed: BTreeMap<String, u32>,
    residual: BTreeSet<String>,
    /// Keys of which a request was under way for longer than a probe waits.
    slow: BTreeSet<String>,
    undos: Undos,
    told: Told,
    asked: BTreeMap<(u64, String, u32), u32>,
    found: BTreeSet<Violation>,
}

impl Oracle {
    /// For a batch of these cases.
    pub fn new(batch: u64, cases: BTreeMap<u64, Case>) -> Oracle {
        Oracle {
            batch,
            cases,
            starts: BTreeMap::new(),
            signals: BTreeSet::new(),
            intents: BTreeMap::new(),
            asks: BTreeMap::new(),
            stood: BTreeMap::new(),
            sent: BTreeMap::new(),
            probed: BTreeMap::new(),
            residual: BTreeSet::new(),
            slow: BTreeSet::new(),
            undos: Undos::default(),
            told: Told::default(),
            asked: BTreeMap::new(),
            found: BTreeSet::new(),
        }
    }

    /// The same, with a project that has a channel: people must be told.
    #[must_use]
    pub fn telling(mut self) -> Oracle {
        self.told.declared = true;
        self
    }

    /// How a life of this batch calls itself to the ledger.
    pub fn sender(batch: u64, life: u32) -> String {
        format!("b{batch}-l{life}")
    }

    /// The batch and life that a sender names.
    pub fn named(sender: &str) -> Option<(u64, u32)> {
        let (batch, life) = sender.strip_prefix('b')?.split_once("-l")?;
        Some((batch.parse().ok()?, life.parse().ok()?))
    }

    /// Takes in what a life acknowledged, and compares it with what stood in the directory when it was dead.
    ///
    /// `lines` are new lines of this batch; `over`: the process says that all runs are over.
    pub fn judge(
        &mut self,
        life: u32,
        said: &[Said],
        snapshot: &Snapshot,
        (ledger, lines): (&Ledger, &[&Line]),
        over: bool,
    ) -> Judgement {
        let mut found = Vec::new();
        self.hear(said, &mut found);
        for finding in &snapshot.findings {
            let run = finding.run.map(|run| run.to_string()).unwrap_or_default();
            found.push(Violation { rule: "check", detail: format!("{} {run} {}", finding.rule, finding.detail) });
        }
        for seen in &snapshot.runs {
            self.journal(life, seen, &mut found);
            inbox(seen, &mut found);
        }
        self.acknowledged(snapshot, &mut found);
        for line in lines {
            self.line(line, &mut found);
        }
        self.effects(&mut found);
        self.undos.twice(self.batch, &mut found);
        self.told.balance(snapshot, &mut found);
        self.unknowns(snapshot, &mut found);
        let books = books::balance(snapshot, &mut found);
        if over {
            self.ends(snapshot, ledger, &mut found);
        }
        let runs_done = snapshot.runs.iter().filter(|seen| seen.row.status.is_final()).count();
        // Each is told once, not again after every further life.
        found.retain(|violation| self.found.insert(violation.clone()));
        Judgement {
            runs_open: snapshot.runs.len() - runs_done,
            runs_done,
            entries: snapshot.runs.iter().map(|seen| seen.entries.len()).sum(),
            resent: self.sent.values().map(|(sent, _)| (*sent as usize).saturating_sub(1)).sum(),
            actions: self.by_class(),
            unknown: snapshot.open.iter().map(effects::told).collect(),
            residual: self.residual.iter().cloned().collect(),
            pending: self.pending(),
            taken_back: self.undos.count(),
            untold: told::waiting(snapshot),
            told_again: self.told.again(),
            books,
            violations: found,
        }
    }

    /// Requests that were under way when the batch was judged for the last time.
    pub fn late(&mut self, lines: &[&Line]) -> Vec<Violation> {
        let mut found = Vec::new();
        for line in lines {
            self.line(line, &mut found);
        }
        self.effects(&mut found);
        found.retain(|violation| self.found.insert(violation.clone()));
        found
    }

    fn hear(&mut self, said: &[Said], found: &mut Vec<Violation>) {
        for line in said {
            match line {
                Said::Started { number, run, .. } => {
                    let before = self.starts.insert(*number, *run);
                    if let Some(before) = before.filter(|before| before != run) {
                        let detail = format!("case {number} was run {before} and is run {run}");
                        found.push(Violation { rule: "started_twice", detail });
                    }
                }
                Said::Signalled { run, id, .. } => {
                    self.signals.insert((*run, id.clone()));
                }
                Said::Ready { journal_mode, synchronous } if (journal_mode.as_str(), *synchronous) != ("wal", 2) => {
                    let detail = format!("journal_mode is {journal_mode}, synchronous is {synchronous}");
                    found.push(Violation { rule: "settings", detail });
                }
                _ => {}
            }
        }
    }

    /// One run's journal: what it completed, what it meant to do, and whether it goes on from where it was.
    fn journal(&mut self, life: u32, seen: &RunSeen, found: &mut Vec<Violation>) {
        let run = seen.row.run;
        let mut find = |rule, detail: String| found.push(Violation { rule, detail: format!("{run}: {detail}") });
        let over = seen.row.status.is_final();
        if let Some(before) = self.stood.get(&run) {
            if before.over && !over {
                find("final_undone", format!("it was over after an earlier life, and is {}", seen.row.status.as_str()));
            }
            let still = before.head.seq.checked_sub(1).and_then(|at| seen.entries.get(usize::try_from(at).ok()?));
            if still.is_none_or(|(entry, _)| entry.hash != before.head.hash) {
                find("lost_entry", format!("entry {} was durable and is gone", before.head.seq));
            }
            let epochs = seen.entries.iter().map(|(entry, _)| entry.epoch).filter(|epoch| *epoch > before.epoch).min();
            let taken =
                epochs.or((seen.row.owner.is_some() && seen.row.epoch > before.epoch).then_some(seen.row.epoch));
            if let Some(epoch) = taken.filter(|epoch| before.owned && *epoch < before.epoch + 2) {
                find("epoch_kept", format!("its owner of epoch {} died, the next one is of {epoch}", before.epoch));
            }
        }
        let owned = seen.row.owner.is_some();
        self.stood.insert(run, Stood { head: seen.row.head, epoch: seen.row.epoch, owned, over });

        let number = number_of(seen);
        let mut completed = BTreeSet::new();
        let mut sendings = Sendings::default();
        let mut at = None;
        for (entry, event) in &seen.entries {
            if at > Some(entry.at) {
                find(
                    "time_back",
                    format!("entry {} is of {}, the one before of {}", entry.seq, entry.at, at.unwrap_or_default()),
                );
            }
            at = at.max(Some(entry.at));
            let done = match event {
                Event::StepDone { step, .. } | Event::StepSkipped { step } | Event::WaitEnded { step, .. } => {
                    Some(step)
                }
                Event::BodyDone { body, .. } | Event::TurnDone { body, .. } => Some(body),
                Event::ModelAnswered { step, result: StepResult::Done(_), .. }
                | Event::ActionFinished { step, result: StepResult::Done(_), .. }
                | Event::ProbeFinished { step, result: ProbeResult::Found(_), .. }
                | Event::FailureAnswered { step, response: Response::ContinueWith { .. } } => Some(step),
                _ => None,
            };
            if let Some(step) = done.filter(|step| !completed.insert(step.as_str())) {
                find("completed_twice", format!("`{step}` at entry {}", entry.seq));
            }
            sendings.take(entry, event);
            match event {
                Event::ModelAsked { step, attempt, .. } => {
                    let asked = self.asks.entry((number, step.to_string())).or_default();
                    asked.since.entry(*attempt).or_insert(life);
                }
                Event::ModelAnswered { step, result: StepResult::Done(_), .. } => {
                    let asked = self.asks.entry((number, step.to_string())).or_default();
                    asked.done.get_or_insert(life);
                }
                _ => {}
            }
        }
        let over = seen.entries.last().is_some_and(|(_, event)| matches!(event, Event::RunFinished { .. }));
        if over {
            sendings.open().for_each(|step| find("ended_unknown", format!("`{step}`")));
        }
        sendings.note(run, life, &mut self.intents);
    }

    /// Everything that a caller was told is there.
    fn acknowledged(&self, snapshot: &Snapshot, found: &mut Vec<Violation>) {
        let runs: BTreeMap<RunId, &RunSeen> = snapshot.runs.iter().map(|seen| (seen.row.run, seen)).collect();
        for (number, run) in &self.starts {
            if !runs.contains_key(run) {
                let detail = format!("case {number} was acknowledged as {run}, which is not there");
                found.push(Violation { rule: "lost_start", detail });
            }
        }
        for (run, id) in &self.signals {
            let there = runs.get(run).is_some_and(|seen| seen.inbox.iter().any(|message| *message.id == **id));
            if !there {
                let detail = format!("{run}: signal `{id}` was acknowledged and is not in its inbox");
                found.push(Violation { rule: "lost_signal", detail });
            }
        }
    }

    /// At the end of a batch: every case has come to what its input implies.
    fn ends(&self, snapshot: &Snapshot, ledger: &Ledger, found: &mut Vec<Violation>) {
        self.undos.ends(&self.cases, ledger, found);
        let by_number: BTreeMap<u64, &RunSeen> = snapshot
            .runs
            .iter()
            .filter(|seen| matches!(&*seen.row.workflow, "mixed" | "deeds"))
            .map(|seen| (number_of(seen), seen))
            .collect();
        for (number, case) in &self.cases {
            let Some(seen) = by_number.get(number) else {
                found.push(Violation { rule: "wrong_end", detail: format!("case {number} has no run") });
                continue;
            };
            let run = seen.row.run;
            let fails = case.late() == Late::Fails;
            let why = match seen.entries.last() {
                Some((_, Event::RunFinished { failure: Some(failure), .. })) => Some(failure.kind),
                _ => None,
            };
            let wanted = if fails { Status::Failed } else { Status::Completed };
            if seen.row.status != wanted || why != fails.then_some(FailureKind::NoProgress) {
                let detail = format!("{run}: {} ({:?})", seen.row.status.as_str(), seen.row.failure);
                found.push(Violation { rule: "wrong_end", detail });
                continue;
            }
            if fails {
                continue;
            }
            let result = seen.result.clone().unwrap_or_default();
            if let Err(why) = case.judge(&result, &|n| ledger.effect(n)) {
                found.push(Violation { rule: "wrong_result", detail: format!("{run}: {why}") });
            }
        }
    }
}

/// An inbox against its journal: each message once, what was read is recorded, and nobody sleeps over one.
fn inbox(seen: &RunSeen, found: &mut Vec<Violation>) {
    let run = seen.row.run;
    let mut find = |rule, detail: String| found.push(Violation { rule, detail: format!("{run}: {detail}") });
    let mut ids = BTreeSet::new();
    for message in &seen.inbox {
        if !ids.insert(&message.id) {
            find("signal_twice", format!("message `{}` stands twice in its inbox", message.id));
        }
    }
    let mut recorded = BTreeSet::new();
    for (_, event) in &seen.entries {
        if let Event::SignalReceived { message, .. }
        | Event::ControlReceived { message, .. }
        | Event::VoteReceived { message, .. }
        | Event::WorkAnswered { message, .. }
        | Event::BudgetRaised { message, .. }
        | Event::EffectResolved { message, .. }
        | Event::LateAnswerReceived { message, .. } = event
            && !recorded.insert(*message)
        {
            find("signal_twice", format!("message {message} stands twice in its journal"));
        }
    }
    for message in seen.inbox.iter().filter(|message| message.seq <= seen.row.inbox_read) {
        if !recorded.contains(&message.seq) {
            find("lost_signal", format!("message {} was read and is not in its journal", message.seq));
        }
    }
    let unread = seen.inbox.iter().find(|message| message.seq > seen.row.inbox_read);
    if let Some(message) = unread.filter(|_| matches!(seen.row.status, Status::Waiting | Status::Paused))
        && seen.row.wake_at.is_none_or(|at| at > message.at)
    {
        find("never_lost", format!("it waits for {:?} and sleeps over message {}", seen.row.waits_for, message.seq));
    }
}

/// The case that a run was started for; a number that no case has, for other workflows.
fn number_of(seen: &RunSeen) -> u64 {
    let input = seen.entries.first().and_then(|(_, event)| match event {
        Event::RunStarted { input: Held::Value(input), .. } => input.get("number"),
        _ => None,
    });
    match input {
        Some(kernel::values::Value::Int(number)) => u64::try_from(*number).unwrap_or(u64::MAX),
        _ => u64::MAX,
    }
}
