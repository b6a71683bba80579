//! Rate limits: how often what stands behind a tool or a model may be asked by all workers together.
//!
//! The kernel asks for a place before each intent, once the verdict is there; the caller asks the store for it. A place that was
//! given and is not used is lost, which harms nobody. Without one the run waits until the store says that there is one.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    complaint::Complaints,
    governance::charter::Charter,
    ids::StepPath,
    next::{Query, Stop, Walk},
    run::{Doing, RunState, Sending},
    step::Kind,
    tool::Tool,
    values::{Span, Timestamp},
    workflow::Program,
    yaml::{Fields, Node},
};

/// So many in so long a time, and so many at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// So many …
    pub limit: u32,
    /// … in this time.
    pub per: Span,
    /// So many at once after a pause.
    pub burst: u32,
}

/// Most of a rate limit, in whatever time.
const MOST: i64 = 1_000_000;

/// The longest time that a rate limit counts in.
const LONGEST: Span = Span::from_millis(31 * 86_400_000);

impl Pace {
    /// Reads `rate: { limit, per, burst }`.
    pub(crate) fn read(node: &Node, complaints: &mut Complaints) -> Option<Pace> {
        let fields = Fields::new(node, "`rate`", &["limit", "per", "burst"], &[], complaints)?;
        fields.required("limit", complaints);
        let limit = fields.int("limit", 1, MOST, complaints);
        let per = fields.required("per", complaints).and_then(|node| {
            let per = node.time(complaints)?;
            let possible = per > Span::default() && per <= LONGEST;
            if !possible {
                let message = format!("{per} is no time to count in: more than nothing, at most 31d");
                complaints.push(node.complaint("W005", message));
            }
            possible.then_some(per)
        });
        let burst = if fields.has("burst") { fields.int("burst", 1, MOST, complaints) } else { Some(1) };
        let number = |number: i64| u32::try_from(number).ok();
        Some(Pace { limit: number(limit?)?, per: per?, burst: number(burst?)? })
    }

    /// From one to the next, in microseconds: never shorter than it would have to be.
    pub fn interval_us(&self) -> i64 {
        let limit = i64::from(self.limit.max(1));
        self.per.micros().saturating_add(limit - 1) / limit
    }
}

/// Asks the store for one place of a rate limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaceQuery {
    /// The step that asks.
    pub step: StepPath,
    /// Whose limit: `shop/tool:crm`, `shop/tool:crm.save`, `shop/model:small`.
    pub bucket: Arc<str>,
    /// How fast.
    pub pace: Pace,
}

/// What the store said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// There is one, for the next intent of the step.
    Given,
    /// There is none before then.
    NotBefore(Timestamp),
}

/// Until when there is no place, and for what the run waits then.
pub(crate) type Full = (Timestamp, String);

impl Walk<'_> {
    /// Asks for a place in the rate limit of a tool's operation; `None`: `step` has one, or needs none.
    pub(crate) fn tool_is_full(&self, step: &StepPath, tool: &Tool, operation: &str) -> Result<Option<Full>, Stop> {
        match tool.pace(operation) {
            None => Ok(None),
            Some((whose, pace)) => self.is_full(step, &format!("tool:{whose}"), pace),
        }
    }

    /// Asks for a place in the rate limit of a model; `None`: `step` has one, or needs none.
    pub(crate) fn model_is_full(&self, step: &StepPath, model: &str) -> Result<Option<Full>, Stop> {
        match self.statutes().models.get(model).and_then(|rate| rate.pace) {
            None => Ok(None),
            Some(pace) => self.is_full(step, &format!("model:{model}"), pace),
        }
    }

    fn is_full(&self, step: &StepPath, whose: &str, pace: Pace) -> Result<Option<Full>, Stop> {
        match self.facts.places.get(step) {
            Some(Place::Given) => Ok(None),
            Some(Place::NotBefore(at)) if *at > self.facts.now => {
                let (limit, per) = (pace.limit, pace.per);
                Ok(Some((*at, format!("a place in the rate limit of {whose} ({limit} in {per}) at `{step}`"))))
            }
            _ => {
                let bucket = bucket(self.state, whose);
                Err(Stop::Look(vec![Query::Place(PaceQuery { step: step.clone(), bucket, pace })]))
            }
        }
    }
}

/// A model's name among all that is limited or cools down.
pub(crate) fn model_bucket(state: &RunState, model: &str) -> Arc<str> {
    bucket(state, &format!("model:{model}"))
}

fn bucket(state: &RunState, whose: &str) -> Arc<str> {
    let project = state.start.as_ref().map(|start| &*start.project).unwrap_or_default();
    format!("{project}/{whose}").into()
}

/// The rate limit that what is on its way at `step` has a place in: what answers "too many" speaks for all who share it.
pub fn bucket_of(program: &Program, state: &RunState, charter: &Charter, step: &StepPath) -> Option<Arc<str>> {
    let open = state.open_at(step)?;
    match &open.doing {
        Doing::Acting(acting) => {
            let tool = program.tools.get(&acting.proposal.tool)?;
            let operation = &acting.proposal.operation;
            // Only its probe is on its way: that has a place of its own.
            let probe = tool.operations.get(operation).and_then(|operation| operation.probe.as_ref());
            let probe = probe.filter(|_| acting.standing == Sending::Probing).map(|probe| &probe.operation);
            let (tool, _) = tool.pace(probe.unwrap_or(operation))?;
            Some(bucket(state, &format!("tool:{tool}")))
        }
        Doing::Asking { .. } => {
            let Kind::Reason(reason) = &program.step_at(step)?.kind else { return None };
            let project = state.start.as_ref().map(|start| &*start.project).unwrap_or_default();
            let model = open.model.as_ref().unwrap_or(&reason.model);
            charter.project(project).models.get(model)?.pace?;
            Some(bucket(state, &format!("model:{model}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_never_shorter_than_it_would_have_to_be() {
        let pace = |limit, per| Pace { limit, per: Span::from_micros(per), burst: 1 };
        assert_eq!(pace(60, 60_000_000).interval_us(), 1_000_000);
        assert_eq!(pace(7, 10).interval_us(), 2, "7 in 10 microseconds: 5, and not 10");
        assert_eq!(pace(1, 1).interval_us(), 1);
    }
}
