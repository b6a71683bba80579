//! The person whom the engine asks about what it cannot know: looks at the ledger, and says what is true.

use kernel::{
    ids::{RunId, StepPath},
    run::{RunState, Sending},
    values::Value,
};
use serde::{Deserialize, Serialize};

use crate::{ledger::Ledger, oracle::Snapshot};

/// What became of one action, as the ledger has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Whose.
    pub run: RunId,
    /// Which step.
    pub step: String,
    /// The last sending that the ledger was asked about.
    pub attempt: u32,
    /// The effect's number and kind; `None`: it did not happen.
    pub performed: Option<(u64, String)>,
}

impl Word {
    /// What the receiver would have answered; `None`: it did not happen.
    pub fn output(&self) -> Option<Value> {
        let (id, kind) = self.performed.as_ref()?;
        let id = Value::Int(i64::try_from(*id).unwrap_or(i64::MAX));
        Some(Value::map([("id", id), ("kind", Value::text(kind.clone())), ("applied", Value::Bool(true))]))
    }
}

/// A word for each action of a dead process that only a person can tell about. Those that a probe will tell are left to it.
pub fn words(snapshot: &Snapshot, ledger: &Ledger) -> Vec<Word> {
    let mut words = Vec::new();
    for row in &snapshot.open {
        let Some(seen) = snapshot.runs.iter().find(|seen| seen.row.run == row.run) else { continue };
        let entries: Vec<_> = seen.entries.iter().map(|(entry, _)| entry.clone()).collect();
        let mut state = RunState::new(row.run);
        // What cannot be folded is a finding of the oracle, and nobody's question.
        if state.fold(&entries).is_err() {
            continue;
        }
        let asks = state.acting(&StepPath::new(&*row.action.step)).is_some_and(|acting| {
            matches!(acting.standing, Sending::Unknown { probe_at: None }) && acting.word.is_none()
        });
        // Who has been told already is not told again: the second word would be about another sending.
        if !asks || seen.row.inbox_gen > seen.row.inbox_read {
            continue;
        }
        let key = Some(&*row.action.key);
        let line = ledger
            .effects()
            .find(|line| line.applied && (line.key.as_deref() == key || line.reference.as_deref() == key));
        words.push(Word {
            run: row.run,
            step: row.action.step.to_string(),
            attempt: row.action.attempt,
            performed: line.map(|line| (line.n, line.effect().unwrap_or_default().to_owned())),
        });
    }
    words
}
