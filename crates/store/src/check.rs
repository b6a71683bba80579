//! `db check` for one run: its chain, and every row that the chain explains, read once and compared.

mod governed;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::{
    ids::{Digest, RunId},
    journal::{self, Entry, Event, Head, Held, ProbeResult, StepResult},
    routes,
    values::{Span, Timestamp},
};

use crate::{Cooldown, Finding, KeptAnswer, Message, OpenAction, RunCount, RunRow, rules};

pub use governed::{Cooling, approval, budgets, governance, orphan, sealed, sealed_heads, seals};

/// Findings of one run beyond these are only counted.
const FINDING_LIMIT: usize = 20;

/// Compares one run. Feed it all entries in order, then blobs, messages in order and open actions, then call [`RunCheck::finish`].
pub struct RunCheck<'a> {
    row: &'a RunRow,
    head: Head,
    epoch: u64,
    /// After the first break, every further entry would be reported too.
    broken: bool,
    /// The last entry was the end of the run.
    ended: bool,
    /// The last entry was erased: what it was is not known any more.
    erased: bool,
    /// Actions started and not finished, by the journal.
    open: BTreeMap<Arc<str>, Sent>,
    /// Actions whose failure is recorded: a recovery may send them again.
    failed: BTreeMap<Arc<str>, Sent>,
    named: BTreeSet<Digest>,
    /// What its journal keeps to be used again, by key: which entry, until when, and the value of an answer.
    kept: BTreeMap<Digest, Vec<Keeps>>,
    messages: u64,
    project: Arc<str>,
    /// The model that each step asked last.
    asked: BTreeMap<Arc<str>, Arc<str>>,
    /// Models that cool down, by the journal.
    cooled: Vec<Cooldown>,
    /// An entry was erased.
    gaps: bool,
    /// Business keys that nothing finds it by, as far as is read.
    unfound: BTreeSet<(Arc<str>, Arc<str>)>,
    findings: Vec<Finding>,
    more: usize,
}

/// An action as the journal tells it.
struct Sent {
    attempt: u32,
    key: Arc<str>,
    /// Tool and operation, `crm.save`.
    action: String,
}

/// What a journal says of something that is kept.
enum Keeps {
    Answer { seq: u64, until: Timestamp, value: Vec<u8> },
    Part { after: u64, ttl: Span },
}

impl<'a> RunCheck<'a> {
    /// Begins with the row, which must itself be sound.
    pub fn new(row: &'a RunRow) -> Self {
        let mut check = RunCheck {
            row,
            head: Head::START,
            epoch: 0,
            broken: false,
            ended: false,
            erased: false,
            open: BTreeMap::new(),
            failed: BTreeMap::new(),
            named: BTreeSet::new(),
            kept: BTreeMap::new(),
            messages: row.fork.map_or(0, |fork| fork.inbox),
            project: "".into(),
            asked: BTreeMap::new(),
            cooled: Vec::new(),
            gaps: false,
            unfound: row
                .about
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), rules::key_text(value)?)))
                .collect(),
            findings: Vec::new(),
            more: 0,
        };
        if let Err(detail) = rules::row_is_sound(row) {
            check.find("never_lost", detail);
        }
        check
    }

    /// The run that is checked.
    pub fn run(&self) -> RunId {
        self.row.run
    }

    /// Notes something that broke a rule.
    pub fn find(&mut self, rule: &'static str, detail: String) {
        if self.findings.len() < FINDING_LIMIT {
            self.findings.push(Finding { rule, run: Some(self.row.run), detail });
        } else {
            self.more += 1;
        }
    }

    /// The next entry of the journal.
    pub fn entry(&mut self, entry: &Entry) {
        if self.broken {
            return;
        }
        if self.ended {
            self.find("chain", format!("entry {} stands after the end of the run", entry.seq));
        }
        match journal::verify(self.row.run, self.head, [entry]) {
            Ok(head) => self.head = head,
            Err(broken) => {
                self.broken = true;
                return self.find("chain", broken.to_string());
            }
        }
        if entry.epoch < self.epoch {
            let (seq, epoch, before) = (entry.seq, entry.epoch, self.epoch);
            self.find("chain", journal::Broken::Epoch { seq, epoch, before }.to_string());
        }
        self.epoch = entry.epoch;
        self.erased = entry.body.is_none();
        self.gaps |= self.erased;
        let Some(body) = &entry.body else { return };
        match entry.event() {
            Ok(event) => {
                self.keeps(entry.seq, &event);
                self.event(event, entry.seq, entry.at);
            }
            Err(broken) => self.find("chain", broken.to_string()),
        }
        if let Ok(json) = serde_json::from_slice(body) {
            references(&json, &mut self.named);
        }
    }

    fn keeps(&mut self, seq: u64, event: &Event) {
        match event {
            Event::ModelAnswered { keeps: Some(keep), result: StepResult::Done(Held::Value(value)), .. } => {
                let value = value.to_jcs();
                self.kept.entry(keep.key).or_default().push(Keeps::Answer { seq, until: keep.until, value });
            }
            Event::CacheMissed { key, ttl, .. } => {
                self.kept.entry(*key).or_default().push(Keeps::Part { after: seq, ttl: *ttl });
            }
            _ => {}
        }
    }

    /// A row of something that is kept to be used again. A row may be missing: its time was over, or somebody wanted it made anew.
    pub fn answer(&mut self, row: &KeptAnswer) {
        let said = self.kept.get(&row.key).map(Vec::as_slice).unwrap_or_default();
        let mut fits = said.iter().map(|one| match one {
            Keeps::Answer { seq, until, value } => {
                (*seq, *until, value.as_slice()) == (row.entry, row.until, &*row.value)
            }
            Keeps::Part { after, ttl } => {
                row.entry > *after && row.entry <= self.head.seq && row.until == row.at + *ttl
            }
        });
        if !self.broken && !fits.any(|fits| fits) {
            let (key, entry, until) = (row.key.short(), row.entry, row.until);
            self.find("answer", format!("row {key} holds entry {entry} until {until}, and no entry keeps that"));
        }
    }

    fn event(&mut self, event: Event, seq: u64, at: Timestamp) {
        match event {
            Event::ModelAsked { step, model, .. } => {
                self.asked.insert(step.as_str().into(), model);
            }
            Event::ModelAnswered { step, cools: Some(until), result: StepResult::Failed(why), .. } => {
                // What was inherited stands in the journal of the run that wrote it, which its row names.
                if self.row.fork.is_some_and(|fork| seq <= fork.entry) {
                    return;
                }
                let Some(model) = self.asked.get(step.as_str()) else { return };
                let (scope, why) = (routes::scope(&self.project, model), why.kind.as_str().into());
                self.cooled.push(Cooldown { scope, until, why, run: self.row.run, since: at });
            }
            Event::ActionStarted { step, attempt, key, proposal, .. } => {
                let action = format!("{}.{}", proposal.tool, proposal.operation);
                self.failed.remove(step.as_str());
                self.open.insert(step.as_str().into(), Sent { attempt, key: key.as_str().into(), action });
            }
            Event::ActionResent { step, attempt, .. } => {
                let again = self.failed.remove(step.as_str()).or_else(|| self.open.remove(step.as_str()));
                match again {
                    Some(sent) => {
                        self.open.insert(step.as_str().into(), Sent { attempt, ..sent });
                    }
                    None => self.find("open_action", format!("`{step}` is sent again and was never started")),
                }
            }
            Event::OutcomeUnknown { step, .. } => {
                if let Some((step, sent)) = self.failed.remove_entry(step.as_str()) {
                    self.open.insert(step, sent);
                }
            }
            Event::ProbeFinished { step, result: ProbeResult::Found(_), .. } => {
                self.open.remove(step.as_str());
            }
            Event::ActionFinished { step, result, .. } => {
                let closed = self.open.remove_entry(step.as_str());
                if let (Some((step, sent)), StepResult::Failed(_)) = (closed, result) {
                    self.failed.insert(step, sent);
                }
            }
            Event::RunStarted { parent, project, fork, .. } => {
                self.project = project;
                let of = fork.as_deref().and_then(|fork| Some((fork.of()?.run, fork.entry(), fork.inbox)));
                if of != self.row.fork.map(|fork| (fork.run, fork.entry, fork.inbox)) {
                    let name = |of: Option<(RunId, u64, u64)>| match of {
                        Some((run, entry, inbox)) => format!("goes on from {run}, entry {entry}, message {inbox}"),
                        None => "goes on from no other".to_owned(),
                    };
                    let row = self.row.fork.map(|fork| (fork.run, fork.entry, fork.inbox));
                    self.find("fork", format!("by its row it {}, by its journal it {}", name(row), name(of)));
                }
                let parent = parent.map(|parent| parent.run);
                if parent != self.row.parent {
                    let name = |run: Option<RunId>| run.map_or_else(|| "nobody".to_owned(), |run| run.to_string());
                    let (row, journal) = (name(self.row.parent), name(parent));
                    self.find("parent", format!("by its row {row} handed it its work, by its journal {journal}"));
                }
            }
            Event::RunFinished { .. } => self.ended = true,
            _ => {}
        }
    }

    /// What its journal says of models that cool down, after its last entry.
    pub fn cooled(&mut self, cooling: &mut Cooling) {
        cooling.said.append(&mut self.cooled);
        if self.gaps || self.broken {
            cooling.unread(self.row.run);
        }
    }

    /// A blob of the run; `None` for one that was erased.
    pub fn blob(&mut self, digest: Digest, bytes: Option<&[u8]>) {
        self.named.remove(&digest);
        if let Some(bytes) = bytes {
            let found = Digest::of(&[bytes]);
            if found != digest {
                self.find("blob", format!("blob {digest} holds bytes with digest {found}"));
            }
        }
    }

    /// A business key that the run is found by.
    pub fn found_by(&mut self, name: &Arc<str>, value: &Arc<str>) {
        if !self.unfound.remove(&(name.clone(), value.clone())) {
            self.find("key", format!("it is found by `{name}`, and its row does not say `{value}` of that"));
        }
    }

    /// The next message of the inbox.
    pub fn message(&mut self, message: &Message) {
        self.messages += 1;
        if message.seq != self.messages {
            self.find("inbox", format!("message {} stands where {} belongs", message.seq, self.messages));
            self.messages = message.seq;
        }
    }

    /// A row of an open action.
    pub fn open_action(&mut self, row: &OpenAction) {
        match self.open.remove(&row.step) {
            _ if self.broken => {}
            None => self.find("open_action", format!("row `{}` is open, its journal says it is not", row.step)),
            Some(sent) if (sent.attempt, &*sent.key, &*sent.action) != (row.attempt, &*row.key, &*row.action) => {
                let detail = format!(
                    "row `{}` is attempt {} of {} with key {}, by its journal {} of {} with key {}",
                    row.step, row.attempt, row.action, row.key, sent.attempt, sent.action, sent.key
                );
                self.find("open_action", detail);
            }
            Some(_) => {}
        }
    }

    /// Compares the row with all that was read, and gives what was found.
    pub fn finish(mut self) -> Vec<Finding> {
        let row = self.row;
        if !self.broken {
            if self.head != row.head {
                let detail = format!(
                    "the row ends at entry {} with {}, the journal at {} with {}",
                    row.head.seq, row.head.hash, self.head.seq, self.head.hash
                );
                self.find("head", detail);
            }
            if self.epoch > row.epoch {
                self.find("head", format!("the row is in epoch {}, its journal in {}", row.epoch, self.epoch));
            }
            if !self.erased && self.ended != row.status.is_final() {
                let how = if self.ended { "ended" } else { "not ended" };
                self.find("head", format!("the row is {}, its journal has {how}", row.status.as_str()));
            }
            for step in std::mem::take(&mut self.open).into_keys() {
                self.find("open_action", format!("`{step}` is open by its journal and has no row"));
            }
            for digest in std::mem::take(&mut self.named) {
                self.find("blob", format!("blob {digest} is named by the journal and is not there"));
            }
        }
        if self.messages != row.inbox_gen {
            self.find("inbox", format!("the row counts {} messages, the inbox has {}", row.inbox_gen, self.messages));
        }
        for (name, value) in std::mem::take(&mut self.unfound) {
            self.find("key", format!("its row says `{value}` of `{name}`, and it is not found by that"));
        }
        if self.more > 0 {
            let detail = format!("and {} more findings in this run", self.more);
            self.findings.push(Finding { rule: "chain", run: Some(row.run), detail });
        }
        self.findings
    }
}

/// Compares how many runs there are with what the counts say.
pub fn counts(kept: &[RunCount], found: &[RunCount]) -> Vec<Finding> {
    let mut both: BTreeMap<RunCount, (u64, u64)> = BTreeMap::new();
    let what = |count: &RunCount| RunCount { runs: 0, ..count.clone() };
    kept.iter().for_each(|count| both.entry(what(count)).or_default().0 += count.runs);
    found.iter().for_each(|count| both.entry(what(count)).or_default().1 += count.runs);
    let wrong = both.into_iter().filter(|(_, (kept, found))| kept != found);
    wrong
        .map(|(count, (kept, found))| {
            let failure = count.failure.map(|failure| format!(" with {failure}")).unwrap_or_default();
            let (workflow, status) = (count.workflow, count.status.as_str());
            let covered = if count.covered { " that another run answers for" } else { "" };
            let detail =
                format!("{kept} runs of `{workflow}`{covered} are counted as {status}{failure}, there are {found}");
            Finding { rule: "counts", run: None, detail }
        })
        .collect()
}

/// A run is tried again, by its row, by one that does not go on from it.
pub fn wrong_retry(run: RunId, again: RunId) -> Finding {
    let detail = format!("by its row run {again} tries it again, which does not go on from it");
    Finding { rule: "again", run: Some(run), detail }
}

/// Blobs that an event names: `{digest, bytes}` anywhere but inside a user's own values.
fn references(json: &serde_json::Value, found: &mut BTreeSet<Digest>) {
    match json {
        serde_json::Value::Object(map) => {
            if let (2, Some(digest), Some(_)) = (map.len(), map.get("digest"), map.get("bytes")) {
                found.extend(digest.as_str().and_then(|text| text.parse::<Digest>().ok()));
                return;
            }
            for (key, inner) in map {
                if !matches!(&**key, "value" | "saw" | "about") {
                    references(inner, found);
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
