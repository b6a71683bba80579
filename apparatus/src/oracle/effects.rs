//! Actions: what the journals say of them, against what was seen of them outside. What is promised depends on the class.

use std::collections::BTreeMap;

use kernel::{
    governance::Effect,
    ids::{Digest, IdempotencyKey, RunId},
    journal::{Entry, Event, Held, ProbeResult, Resolution, StepResult},
    recovery::{FailureKind, Phase},
};
use store::OpenActionRow;

use super::{Oracle, Snapshot, Violation};
use crate::ledger::Line;

/// A request that arrives so long after its sending was recorded was under way for longer than a probe of the project waits
/// (`settle: 1s`), less what the clocks of two lives may differ by. In microseconds.
const LONG_UNDER_WAY_US: i64 = 400_000;

/// By what a recorded time may differ from the machine's, in microseconds: see the clocks of a victim.
const CLOCK_US: i64 = 300_000;

/// An action whose intent stands in a journal.
#[derive(Clone, Debug)]
pub(super) struct Intent {
    run: RunId,
    step: String,
    class: Effect,
    /// SHA-256 over the argument bytes; `None` for a read, whose arguments travel in the path.
    bytes: Option<Digest>,
    /// The first life after which it was durable.
    since: u32,
    /// The first life after which its outcome was durable.
    done: Option<u32>,
    /// How many sendings were recorded when each life died: a request of it is one of these.
    by: BTreeMap<u32, usize>,
    sent: Sent,
}

/// What a journal says of one action.
#[derive(Clone, Debug)]
struct Sent {
    /// When each sending was recorded, by the clock of who recorded it.
    at_us: Vec<i64>,
    /// Sendings of which it is known that they were not performed: by a person's word, a probe, or the receiver's no.
    not_performed: u32,
    probes: u32,
    last: Outcome,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Outcome {
    Open,
    Unknown,
    Done,
    /// Certainly not performed.
    Rejected,
    Failed,
}

/// One run's actions, in the order of its journal.
#[derive(Debug, Default)]
pub(super) struct Sendings {
    /// The key of the action that each step last began.
    keys: BTreeMap<String, String>,
    all: BTreeMap<String, (String, Effect, Option<Digest>, Sent)>,
}

impl Sendings {
    fn of(&mut self, step: &str) -> Option<&mut Sent> {
        self.all.get_mut(self.keys.get(step)?).map(|(_, _, _, sent)| sent)
    }

    pub(super) fn take(&mut self, entry: &Entry, event: &Event) {
        match event {
            Event::ActionStarted { step, proposal, key, .. } => {
                let bytes = match (&proposal.with, proposal.effect) {
                    (_, Effect::Read) => None,
                    (Held::Value(value), _) => Some(Digest::of(&[&value.to_jcs()])),
                    (Held::Blob(blob), _) => Some(blob.digest),
                };
                let key = IdempotencyKey::as_str(key).to_owned();
                let sent = Sent { at_us: vec![entry.at.micros()], not_performed: 0, probes: 0, last: Outcome::Open };
                self.keys.insert(step.to_string(), key.clone());
                self.all.insert(key, (step.to_string(), proposal.effect, bytes, sent));
            }
            Event::ActionResent { step, .. } => {
                if let Some(sent) = self.of(step.as_str()) {
                    sent.at_us.push(entry.at.micros());
                    sent.last = Outcome::Open;
                }
            }
            Event::ActionFinished { step, result, .. } => {
                if let Some(sent) = self.of(step.as_str()) {
                    sent.last = match result {
                        StepResult::Done(_) => Outcome::Done,
                        StepResult::Failed(why)
                            if why.kind == FailureKind::ToolRejected || why.phase == Phase::NotSent =>
                        {
                            Outcome::Rejected
                        }
                        StepResult::Failed(_) => Outcome::Failed,
                    };
                    sent.not_performed += u32::from(sent.last == Outcome::Rejected);
                }
            }
            Event::OutcomeUnknown { step, .. } => {
                if let Some(sent) = self.of(step.as_str()) {
                    sent.last = Outcome::Unknown;
                }
            }
            Event::ProbeStarted { step, .. } => {
                if let Some(sent) = self.of(step.as_str()) {
                    (sent.probes, sent.last) = (sent.probes + 1, Outcome::Open);
                }
            }
            Event::ProbeFinished { step, result, .. } => {
                if let Some(sent) = self.of(step.as_str()) {
                    match result {
                        ProbeResult::Found(_) => sent.last = Outcome::Done,
                        ProbeResult::Absent => sent.not_performed += 1,
                        ProbeResult::Unclear { .. } => sent.last = Outcome::Unknown,
                    }
                }
            }
            // A word about an earlier sending says nothing of the last one.
            Event::EffectResolved { step, attempt, resolution: Resolution::NotPerformed, .. } => {
                let of_last = |sent: &&mut Sent| attempt.is_none_or(|attempt| attempt as usize == sent.at_us.len());
                if let Some(sent) = self.of(step.as_str()).filter(|sent| sent.last == Outcome::Unknown).filter(of_last)
                {
                    sent.not_performed += 1;
                }
            }
            _ => {}
        }
    }

    /// The steps whose action may have been performed, as far as the journal knows, and that change something.
    pub(super) fn open(&self) -> impl Iterator<Item = &str> {
        let open = self.all.values().filter(|(_, class, _, sent)| {
            *class != Effect::Read && matches!(sent.last, Outcome::Open | Outcome::Unknown)
        });
        open.map(|(step, ..)| step.as_str())
    }

    /// Tells the oracle what it knows after a life.
    pub(super) fn note(self, run: RunId, life: u32, intents: &mut BTreeMap<String, Intent>) {
        for (key, (step, class, bytes, sent)) in self.all {
            let new = Intent { run, step, class, bytes, since: life, done: None, by: BTreeMap::new(), sent };
            let mut intent = match intents.remove(&key) {
                Some(known) => Intent { sent: new.sent, ..known },
                None => new,
            };
            intent.by.insert(life, intent.sent.at_us.len());
            let done = intent.done.or((intent.sent.last == Outcome::Done).then_some(life));
            intents.insert(key, Intent { done, ..intent });
        }
    }
}

impl Oracle {
    /// One request that the ledger saw.
    pub(super) fn line(&mut self, line: &Line, found: &mut Vec<Violation>) {
        let Some((_, life)) = line.sender.as_deref().and_then(Oracle::named) else { return };
        let mut find = |rule, detail: String| {
            found.push(Violation { rule, detail: format!("batch {} line {}: {detail}", self.batch, line.n) });
        };
        if line.is_ask() {
            let number = line.body["data"]["number"].as_u64().unwrap_or(u64::MAX);
            let step = line.body["step"].as_str().unwrap_or_default().to_owned();
            let attempt = line.body["attempt"].as_u64().and_then(|attempt| u32::try_from(attempt).ok()).unwrap_or(0);
            let known = self.asks.get(&(number, step.clone()));
            if known.and_then(|asked| asked.since.get(&attempt)).is_none_or(|since| *since > life) {
                find("no_intent", format!("life {life} asked `{step}` of case {number}, sending {attempt}"));
            }
            if known.and_then(|asked| asked.done).is_some_and(|done| done < life) {
                find("asked_again", format!("life {life} asked `{step}` of case {number}, sending {attempt}"));
            }
            let count = self.asked.entry((number, step.clone(), attempt)).or_default();
            *count += 1;
            if *count > 1 {
                find(
                    "more_than_intended",
                    format!("`{step}` of case {number}, sending {attempt}, was asked {count} times"),
                );
            }
            return;
        }
        if line.is_message() {
            return self.told.line(line, found);
        }
        let Some(key) = line.key.as_ref().or(line.reference.as_ref()) else {
            return find("no_key", line.path.clone());
        };
        let Some(intent) = self.intents.get(key) else {
            return find("no_intent", format!("life {life} sent {} with key {key}, which no journal has", line.path));
        };
        let what = format!("life {life} sent `{}` of {}", intent.step, intent.run);
        if line.is_probe() {
            let count = self.probed.entry(key.clone()).or_default();
            *count += 1;
            if *count > intent.sent.probes {
                let probes = intent.sent.probes;
                find("more_than_intended", format!("{what}: probe {count}, {probes} probes in the journal"));
            }
            return;
        }
        let (sent, applied) = self.sent.entry(key.clone()).or_default();
        *sent += 1;
        *applied += u32::from(line.applied);
        if line.applied {
            self.undos.line(line, key);
        }
        if line.applied && intent.long_under_way(line.at_us, life) {
            self.slow.insert(key.clone());
        }
        if line.applied && *applied > 1 {
            let detail = format!("{} with key {key}, for the {applied}th time", line.path);
            // Whichever of them was the slow one: the other was sent when it had not arrived.
            if intent.class == Effect::Probed && self.slow.contains(key) {
                self.residual.insert(format!("{}: {detail}", intent.run));
            } else {
                find("applied_twice", detail);
            }
        }
        if intent.since > life {
            find("no_intent", format!("{what}, whose intent was not durable when it died"));
        }
        if let Some(done) = intent.done.filter(|done| *done < life) {
            find("done_again", format!("{what}, whose outcome was durable after life {done}"));
        }
        if intent.bytes.is_some_and(|bytes| bytes.to_string() != line.body_sha256) {
            find("other_bytes", format!("{what} with other bytes than its intent has"));
        }
    }

    /// What journals say of effects, against what was seen of them.
    pub(super) fn effects(&self, found: &mut Vec<Violation>) {
        for (key, intent) in &self.intents {
            let (sent, applied) = self.sent.get(key).copied().unwrap_or_default();
            let mut find = |rule, detail: &str| {
                found.push(Violation { rule, detail: format!("`{}` of {}: {detail}", intent.step, intent.run) });
            };
            let sendings = intent.sent.at_us.len();
            if sent as usize > sendings {
                find("more_than_intended", &format!("{sent} requests, {sendings} sendings in the journal"));
            }
            if intent.class == Effect::AtMostOnce && sent > 1 + intent.sent.not_performed {
                let allowed = intent.sent.not_performed;
                find("sent_again", &format!("{sent} requests, of {allowed} it was known that they were not performed"));
            }
            if intent.bytes.is_none() {
                continue;
            }
            let twice = intent.class == Effect::Probed && applied > 1;
            match intent.sent.last {
                // Twice is a finding of its own, or what the promise leaves open.
                Outcome::Done if applied != 1 && !twice => {
                    find("done_not_applied", &format!("applied {applied} times"));
                }
                Outcome::Rejected if applied != 0 && !twice => {
                    find("failed_yet_performed", &format!("applied {applied} times"));
                }
                _ => {}
            }
        }
    }

    /// The store's list of unknown outcomes against the journals.
    pub(super) fn unknowns(&self, snapshot: &Snapshot, found: &mut Vec<Violation>) {
        let mut find = |detail| found.push(Violation { rule: "unknown_hidden", detail });
        let there = |key: &str| snapshot.open.iter().any(|row| &*row.action.key == key);
        for (key, intent) in self.intents.iter().filter(|(_, intent)| intent.sent.last == Outcome::Unknown) {
            if !there(key) {
                find(format!("`{}` of {} is unknown, and the store does not list it", intent.step, intent.run));
            }
        }
        for row in &snapshot.open {
            let intent = self.intents.get(&*row.action.key);
            if intent.is_none_or(|intent| matches!(intent.sent.last, Outcome::Done | Outcome::Rejected)) {
                find(format!("{} is listed as unknown, and its journal knows better", told(row)));
            }
        }
    }

    /// How many actions wait for their outcome, as the journals have it.
    pub(super) fn pending(&self) -> usize {
        self.intents.values().filter(|intent| intent.sent.last == Outcome::Open).count()
    }

    /// How many actions there are of each class.
    pub(super) fn by_class(&self) -> BTreeMap<&'static str, usize> {
        let mut all = BTreeMap::new();
        for intent in self.intents.values() {
            *all.entry(intent.class.as_str()).or_default() += 1;
        }
        all
    }
}

impl Intent {
    /// Whether a request of this life that arrived at this time had been under way for longer than the promise allows.
    fn long_under_way(&self, at_us: i64, life: u32) -> bool {
        let own = self.by.range(..=life).next_back().map_or(0, |(_, sendings)| *sendings);
        let sent = self.sent.at_us.iter().take(own).filter(|sent| **sent <= at_us + CLOCK_US).max();
        sent.is_none_or(|sent| at_us - sent >= LONG_UNDER_WAY_US)
    }
}

/// One unknown outcome, as a cycle prints it.
pub(super) fn told(row: &OpenActionRow) -> String {
    let action = &row.action;
    format!("{} of {} at `{}` ({}), sending {}", action.action, row.run, action.step, action.effect, action.attempt)
}
