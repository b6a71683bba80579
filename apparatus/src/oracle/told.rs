//! What people were to be told: by the journals, by what the store keeps of it, and by what the receiver got.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    ids::RunId,
    journal::{Control, Event, ProbeResult},
    recovery::Response,
    values::Value,
};
use store::OutState;

use super::{Snapshot, Violation};
use crate::ledger::Line;

/// What the receiver got.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Whether the project has a channel at all.
    pub(super) declared: bool,
    /// By id: the digests of its bodies, and how often it came.
    came: BTreeMap<String, (BTreeSet<String>, usize)>,
}

impl Told {
    /// One message that the receiver got.
    pub(super) fn line(&mut self, line: &Line, found: &mut Vec<Violation>) {
        let mut find = |detail: String| {
            found.push(Violation { rule: "other_message", detail: format!("line {}: {detail}", line.n) });
        };
        let Some(id) = &line.key else { return find("a message without an id".to_owned()) };
        let (bodies, times) = self.came.entry(id.clone()).or_default();
        *times += usize::from(line.status < 300);
        if bodies.insert(line.body_sha256.clone()) && bodies.len() > 1 {
            find(format!("{id} has other bytes than before"));
        }
    }

    /// How often a message came beyond its first time.
    pub(super) fn again(&self) -> usize {
        self.came.values().map(|(_, times)| times.saturating_sub(1)).sum()
    }

    /// Journals against the rows that are kept, and these against what came.
    pub(super) fn balance(&self, snapshot: &Snapshot, found: &mut Vec<Violation>) {
        let mut find = |rule, detail: String| found.push(Violation { rule, detail });
        let mut kept: BTreeMap<(RunId, String), usize> = BTreeMap::new();
        let ids: BTreeSet<&str> = snapshot.outbox.iter().map(|row| &*row.id).collect();
        for row in &snapshot.outbox {
            let body = row.body.as_deref().and_then(|body| Value::from_json(body).ok()).unwrap_or_default();
            let news = body.get("news").and_then(Value::as_str).unwrap_or_default().to_owned();
            *kept.entry((row.run, news)).or_default() += 1;
            let came = self.came.get(&*row.id).map_or(0, |(_, times)| *times);
            match row.state {
                OutState::Left if came == 0 => find("message_lost", format!("{} has left, and nobody got it", row.id)),
                OutState::Dead | OutState::Dropped => {
                    find("message_lost", format!("{} is {} ({:?})", row.id, row.state.as_str(), row.why));
                }
                _ => {}
            }
        }
        for id in self.came.keys().filter(|id| !ids.contains(&***id)) {
            find("other_message", format!("{id} came, and nobody keeps it"));
        }
        if !self.declared {
            return;
        }
        for seen in &snapshot.runs {
            let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
            for (_, event) in &seen.entries {
                let news = match event {
                    Event::ApprovalRequested { .. } => "approval_asked",
                    Event::OutcomeUnknown { probe_at: None, .. }
                    | Event::ProbeFinished { result: ProbeResult::Unclear { again_at: None, .. }, .. } => {
                        "outcome_unknown"
                    }
                    Event::FailureAnswered { response: Response::Pause, .. }
                    | Event::ControlReceived { control: Control::Pause, .. } => "run_paused",
                    _ => continue,
                };
                *wanted.entry(news).or_default() += 1;
            }
            for news in ["approval_asked", "outcome_unknown", "run_paused"] {
                let wanted = wanted.get(news).copied().unwrap_or_default();
                let kept = kept.get(&(seen.row.run, news.to_owned())).copied().unwrap_or_default();
                if wanted != kept {
                    let detail = format!("{}: {wanted} times `{news}` in the journal, {kept} kept", seen.row.run);
                    find("message_lost", detail);
                }
            }
        }
    }
}

/// Messages that have not left.
pub(super) fn waiting(snapshot: &Snapshot) -> usize {
    snapshot.outbox.iter().filter(|row| row.state != OutState::Left).count()
}
