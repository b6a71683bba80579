//! The fold of what a run spends: each event says what it sets aside, and what becomes of what was set aside before it.

use std::{collections::BTreeMap, sync::Arc};

use super::{Illegal, RunState};
use crate::{
    governance::budget::{Amounts, Closing},
    ids::StepPath,
    journal::{Event, ProbeResult, StepResult, Usage},
    recovery::{Phase, Response},
};

/// What an event does to what is set aside.
pub(super) struct Books {
    closes: Vec<(StepPath, Closing)>,
    reserves: Option<(StepPath, Amounts)>,
    bills: Option<Bill>,
}

/// A call that nothing was set aside for.
enum Bill {
    Charged(i64),
    Model(Arc<str>, Usage),
    Tool(Arc<str>),
}

/// Calls that nothing was set aside for, because nothing limited them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unlimited {
    /// What models were charged, in millionths of a dollar.
    pub charged_uusd: i64,
    /// What each model billed, by the project's name of it, where the journal is too old to say what it was charged: prices say.
    pub usage: BTreeMap<Arc<str>, Usage>,
    /// How often each operation was called, by `tool.operation`.
    pub calls: BTreeMap<Arc<str>, u64>,
}

impl RunState {
    /// What becomes of what is set aside once `event` is there; the state is as it was before it.
    ///
    /// An answer settles or forfeits its own. A further sending forfeits what the one before had. What a step, a body or a stage
    /// leaves behind will not be waited for, and is forfeited.
    pub fn closes(&self, event: &Event) -> Vec<(StepPath, Closing)> {
        let reserved = &self.spent.reserved;
        if reserved.is_empty() {
            return Vec::new();
        }
        let one = |step: &StepPath, closing| {
            let open = reserved.contains_key(step);
            if open { vec![(step.clone(), closing)] } else { Vec::new() }
        };
        match event {
            Event::ModelAnswered { step, spent, .. } | Event::ActionFinished { step, spent, .. } => {
                one(step, spent.map_or(Closing::Forfeit, Closing::Settle))
            }
            Event::ChildEnded { step, spent, .. } => one(step, spent.map_or(Closing::Forfeit, Closing::Settle)),
            Event::ModelAsked { step, .. }
            | Event::ActionResent { step, reserved: Some(_), .. }
            | Event::ProbeFinished { step, result: ProbeResult::Found(_), .. } => one(step, Closing::Forfeit),
            Event::StepDone { step, .. }
            | Event::StepFailed { step, .. }
            | Event::TurnDone { body: step, .. }
            | Event::BodyDone { body: step, .. } => {
                // What takes something back goes on beside the blocks that it was done in.
                let inside = |path: &&StepPath| {
                    *path == step || (path.undoes().is_none() && is_at_or_inside(path.as_str(), step.as_str()))
                };
                let left = reserved.keys().filter(inside);
                left.map(|path| (path.clone(), Closing::Forfeit)).collect()
            }
            Event::FailureAnswered { response: Response::Stage { .. } | Response::ReturnTo { .. }, .. }
            | Event::RunFinished { .. } => reserved.keys().map(|path| (path.clone(), Closing::Forfeit)).collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn books(&self, event: &Event) -> Books {
        let reserves = event.reserves().map(|(step, reserved)| (step.clone(), reserved.max));
        Books { closes: self.closes(event), reserves, bills: self.bills(event) }
    }

    fn bills(&self, event: &Event) -> Option<Bill> {
        let step = event.step().filter(|step| !self.spent.reserved.contains_key(*step))?;
        match event {
            Event::ModelAnswered { charged: Some(charged), .. } => Some(Bill::Charged(charged.money_uusd)),
            Event::ModelAnswered { usage, .. } => Some(Bill::Model(self.open_at(step)?.model.clone()?, *usage)),
            Event::ActionFinished { result, .. } => {
                let acting = self.acting(step)?;
                let unsent = match result {
                    StepResult::Failed(why) => matches!(why.phase, Phase::NotSent | Phase::Inside),
                    StepResult::Done(_) => false,
                };
                let called = || format!("{}.{}", acting.proposal.tool, acting.proposal.operation).into();
                (!unsent || acting.doubts > 0).then(|| Bill::Tool(called()))
            }
            _ => None,
        }
    }

    pub(super) fn book(&mut self, books: Books) -> Result<(), Illegal> {
        for (step, closing) in books.closes {
            match closing {
                Closing::Settle(actual) => drop(self.spent.settle(&step, actual)?),
                Closing::Forfeit => self.spent.forfeit(&step)?,
            }
        }
        if let Some((step, max)) = books.reserves {
            self.spent.reserve(step, max)?;
        }
        match books.bills {
            Some(Bill::Charged(micros)) => {
                self.unlimited.charged_uusd = self.unlimited.charged_uusd.saturating_add(micros);
            }
            Some(Bill::Model(model, usage)) => self.unlimited.usage.entry(model).or_default().add(&usage),
            Some(Bill::Tool(called)) => *self.unlimited.calls.entry(called).or_default() += 1,
            None => {}
        }
        Ok(())
    }
}

impl Usage {
    /// Takes over what `other` counts.
    pub(super) fn add(&mut self, other: &Usage) {
        self.input += other.input;
        self.cache_read += other.cache_read;
        self.cache_write += other.cache_write;
        self.output += other.output;
        self.reasoning += other.reasoning;
    }
}

/// `read[17]/facts` is inside `read` and inside `read[17]`.
fn is_at_or_inside(path: &str, outer: &str) -> bool {
    path.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '[', '.']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_inside_its_blocks_and_no_others() {
        for outer in ["read[17]/split~2.left/facts", "read[17]/split~2.left", "read[17]/split~2", "read[17]", "read"] {
            assert!(is_at_or_inside("read[17]/split~2.left/facts", outer), "{outer}");
        }
        for outer in ["rea", "read[1]", "read[17]/split", "read[17]/split~2.lef", "facts"] {
            assert!(!is_at_or_inside("read[17]/split~2.left/facts", outer), "{outer}");
        }
    }
}
