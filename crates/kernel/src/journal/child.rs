//! Work that is handed to another workflow: who handed it over, within which bounds, and what came back.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Effects, Held};
use crate::{
    governance::budget::Limit,
    ids::{RunId, StepPath},
    recovery::Failure,
    values::Value,
};

/// The run that handed a run its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    /// Which run.
    pub run: RunId,
    /// Its step.
    pub step: StepPath,
    /// The workflows above this run, the outermost first: their standing limits count for it as well.
    pub above: Vec<Arc<str>>,
    /// What it may do and spend.
    #[serde(default, skip_serializing_if = "Scope::is_open")]
    pub scope: Scope,
    /// What was handed over, with how far each part may be relied on.
    pub envelope: Held,
    /// It was forked, or works for one that was: what becomes of its effects becomes of those below it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effects: Option<Effects>,
    /// Who started the runs that one above it was forked from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub starters: Vec<Arc<str>>,
}

/// What a run that was handed its work may do and spend. It is never more than the run above it may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scope {
    /// Only these, as `tool` or `tool.operation`; `None`: whatever its workflow does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<BTreeSet<Arc<str>>>,
    /// At most so much; `None`: as much as its workflow says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Limit>,
}

impl Scope {
    /// Whether it bounds nothing.
    pub fn is_open(&self) -> bool {
        self.tools.is_none() && self.budget.is_none()
    }

    /// Whether an operation is within it.
    pub fn admits(&self, tool: &str, operation: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| admits(tools, tool, operation))
    }

    /// What is within both.
    #[must_use]
    pub fn within(&self, outer: &Scope) -> Scope {
        let tools = match (&self.tools, &outer.tools) {
            (Some(own), Some(outer)) => Some(both(own, outer)),
            (one, other) => one.clone().or_else(|| other.clone()),
        };
        let budget = match (&self.budget, &outer.budget) {
            (Some(own), Some(outer)) => Some(own.narrowed(outer)),
            (one, other) => (*one).or(*other),
        };
        Scope { tools, budget }
    }
}

fn admits(tools: &BTreeSet<Arc<str>>, tool: &str, operation: &str) -> bool {
    tools.contains(tool) || tools.contains(format!("{tool}.{operation}").as_str())
}

/// The names of each that the other admits.
fn both(one: &BTreeSet<Arc<str>>, other: &BTreeSet<Arc<str>>) -> BTreeSet<Arc<str>> {
    let admitted = |name: &str, by: &BTreeSet<Arc<str>>| match name.split_once('.') {
        Some((tool, operation)) => admits(by, tool, operation),
        None => by.contains(name),
    };
    let of_one = one.iter().filter(|name| admitted(name, other));
    let of_other = other.iter().filter(|name| admitted(name, one));
    of_one.chain(of_other).cloned().collect()
}

/// What a run says of itself to the run that handed it its work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Its result.
    Completed(Held),
    /// Why it failed.
    Failed(Failure),
    /// A person stopped it, or it was not needed any more.
    Cancelled,
}

/// How a handoff to a workflow ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChildEnd {
    /// The step gives this; it fits the contract.
    Gave {
        /// The other run's result.
        output: Held,
        /// What the other run can prove: its acts and the claims that it verified, each with its evidence id.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        facts: Value,
    },
    /// It failed, did not keep the contract, or nobody waits for it any more.
    Failed {
        /// `handoff_failed`, `contract_violated` or `no_answer`.
        failure: Failure,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools(names: &[&str]) -> Scope {
        Scope { tools: Some(names.iter().map(|name| (*name).into()).collect()), budget: None }
    }

    #[test]
    fn a_scope_inside_another_is_never_wider() {
        let inner = tools(&["billing", "mail.send"]).within(&tools(&["billing.pay", "mail", "crm"]));
        assert_eq!(inner, tools(&["billing.pay", "mail.send"]));
        for (tool, operation) in [("billing", "pay"), ("mail", "send")] {
            assert!(inner.admits(tool, operation), "{tool}.{operation}");
        }
        for (tool, operation) in [("billing", "void"), ("mail", "read"), ("crm", "save"), ("billin", "pay")] {
            assert!(!inner.admits(tool, operation), "{tool}.{operation}");
        }
        assert_eq!(tools(&["billing"]).within(&Scope::default()), tools(&["billing"]));
        assert_eq!(Scope::default().within(&tools(&[])), tools(&[]));
        assert!(!tools(&["billing"]).within(&tools(&["mail"])).admits("billing", "pay"));
    }

    #[test]
    fn a_budget_inside_another_is_the_smaller_of_each_unit() {
        let limit = |tokens, calls| Scope { tools: None, budget: Some(Limit { tokens, calls, ..Limit::default() }) };
        let inner = limit(Some(100), None).within(&limit(Some(50), Some(3)));
        assert_eq!(inner, limit(Some(50), Some(3)));
        assert_eq!(limit(Some(10), Some(9)).within(&limit(Some(50), None)), limit(Some(10), Some(9)));
        assert_eq!(Scope::default().within(&limit(Some(50), None)), limit(Some(50), None));
    }
}
