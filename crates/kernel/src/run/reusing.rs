//! The fold of results that are used again: a step, a stage or a whole run that is not done.

use std::sync::Arc;

use super::{Illegal, Passed, RunState, Sequence, Slot};
use crate::{
    cache::{Part, Seeking},
    journal::{Event, Held},
    values::Value,
};

impl RunState {
    /// A part begins whose result is to be kept.
    pub(super) fn missed(&mut self, event: &Event) -> Result<(), Illegal> {
        let Event::CacheMissed { part, key, ttl } = event else { return Err(self.illegal(event)) };
        let known = self.seeking.iter().any(|seeking| seeking.part == *part);
        if known || !self.may_begin(part, event)? {
            return Err(self.illegal(event));
        }
        let (part, after) = (part.clone(), self.head.seq + 1);
        self.seeking.push(Seeking { part, key: *key, ttl: *ttl, cost: Default::default(), after });
        Ok(())
    }

    /// A part is not done.
    pub(super) fn part_reused(&mut self, event: &Event) -> Result<(), Illegal> {
        let Event::PartReused { part, output, .. } = event else { return Err(self.illegal(event)) };
        if !self.may_begin(part, event)? {
            return Err(self.illegal(event));
        }
        match part {
            Part::Step(step) => {
                let output = output.clone();
                self.locate(step, event)?.close(Slot::Gave(output), event)?;
                self.steps += 1;
                Ok(())
            }
            Part::Stage(_) => {
                let Some((gave, skipped)) = of_stage(output) else { return Err(self.illegal(event)) };
                let skipped = skipped.into_iter().map(|name| (name, Slot::Skipped));
                let gave = gave.into_iter().map(|(name, value)| (name, Slot::Gave(Held::Value(value))));
                for (name, slot) in gave.chain(skipped) {
                    if self.values.contains_key(&name) {
                        return Err(self.illegal(event));
                    }
                    self.values.insert(name.clone(), slot);
                    self.passed.push(Passed::of(self, name));
                    self.steps += 1;
                }
                self.leave(event)
            }
            Part::Workflow => {
                self.reused = Some(output.clone());
                self.stages.clear();
                Ok(())
            }
        }
    }

    /// Whether nothing of a part has happened yet.
    fn may_begin(&mut self, part: &Part, event: &Event) -> Result<bool, Illegal> {
        let untouched = |steps: &Sequence| steps.over == 0 && steps.open.is_none() && steps.failed.is_none();
        Ok(match part {
            Part::Step(step) => {
                let place = self.locate(step, event)?;
                place.idle() && place.steps.open.is_none()
            }
            Part::Stage(stage) => self.stages.last().is_some_and(|top| top.stage == *stage && untouched(&top.steps)),
            Part::Workflow => {
                self.steps == 0
                    && self.began.len() == 1
                    && matches!(&self.stages[..], [top] if untouched(&top.steps))
                    && self.seeking.is_empty()
            }
        })
    }
}

/// What the steps of a stage gave, and those that were skipped.
type OfStage = (Vec<(Arc<str>, Value)>, Vec<Arc<str>>);

fn of_stage(output: &Held) -> Option<OfStage> {
    let Held::Value(output) = output else { return None };
    let (Some(Value::Map(gave)), Some(Value::List(skipped))) = (output.get("gave"), output.get("skipped")) else {
        return None;
    };
    let skipped = skipped.iter().map(|name| name.as_str().map(Into::into)).collect::<Option<_>>()?;
    Some((gave.iter().map(|(name, value)| (name.clone(), value.clone())).collect(), skipped))
}
