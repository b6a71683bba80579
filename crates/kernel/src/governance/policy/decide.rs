//! The decision: never, then allow, then ask; the strictest wins, and whatever goes wrong denies.

use std::sync::Arc;

use cedar_policy::{Authorizer, PolicySet};

use super::{
    Folder, NOT_ALLOWED, POLICY_ERROR, Policies, Rule,
    request::{Asked, Frame, Request},
    terms::Terms,
};
use crate::values::Value;

/// What becomes of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Decision {
    /// It may start.
    Allow {
        /// The rules that permit it, for the step and for the person it acts for.
        by: Vec<Matched>,
    },
    /// A person decides.
    Ask {
        /// The rules that ask.
        by: Vec<Matched>,
        /// On which terms: the strictest of each.
        terms: Terms,
    },
    /// It may not start.
    Deny {
        /// The rule that denies it, or that could not be evaluated; `None`: no rule allows it, or it cannot be judged at all.
        by: Option<Matched>,
        /// Whether it is an error, and not the will of a rule, that denies.
        error: bool,
        /// What an operator is told.
        why: String,
    },
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq)]
pub struct Matched {
    /// Its id.
    pub id: Arc<str>,
    /// Where it stands: `policies/ask/money.cedar:3`.
    pub at: Arc<str>,
    /// What it is for.
    pub reason: Option<Arc<str>>,
    /// The facts that its condition reads, with the values they had: `input.amount`, 250000.
    pub values: Vec<(Arc<str>, Value)>,
}

impl Decision {
    /// The rule that decided: its id, `policy_error` or `not_allowed`.
    pub fn rule(&self) -> &str {
        match self {
            Decision::Allow { by } | Decision::Ask { by, .. } => by.first().map_or(NOT_ALLOWED, |rule| &rule.id),
            Decision::Deny { error: true, .. } => POLICY_ERROR,
            Decision::Deny { by, .. } => by.as_ref().map_or(NOT_ALLOWED, |rule| &rule.id),
        }
    }

    /// `allow`, `ask` or `deny`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Decision::Allow { .. } => "allow",
            Decision::Ask { .. } => "ask",
            Decision::Deny { .. } => "deny",
        }
    }

    /// The rules that matched, in the order of their files.
    pub fn matched(&self) -> &[Matched] {
        match self {
            Decision::Allow { by } | Decision::Ask { by, .. } => by,
            Decision::Deny { by, .. } => by.as_slice(),
        }
    }
}

/// What one operation is judged by: only the rules that can match it.
#[derive(Debug)]
pub(super) struct Judge {
    frame: Frame,
    never: PolicySet,
    allow: PolicySet,
    ask: PolicySet,
}

impl Judge {
    /// `rules` are those that can match.
    pub fn new(frame: Frame, rules: &[&Rule]) -> Judge {
        let set = |folder: Folder| {
            let mut set = PolicySet::new();
            for rule in rules.iter().filter(|rule| rule.folder == folder) {
                set.add(rule.policy.clone()).expect("ids are unique: held by build");
            }
            set
        };
        Judge { frame, never: set(Folder::Never), allow: set(Folder::Allow), ask: set(Folder::Ask) }
    }
}

impl Policies {
    /// Judges one action: `never/` for the step and for the person it acts for, then `allow/` for both, then `ask/` for both.
    /// A rule that cannot be evaluated, a request that does not fit the schema and an operation that the schema does not know
    /// deny.
    pub fn decide(&self, request: &Request<'_>) -> Decision {
        self.judge(request, None).unwrap_or_else(|denied| denied)
    }

    /// What [`Policies::decide`] would say if the rule `id` were not there. For a person who asks why; never to act upon.
    pub fn decide_without(&self, id: &str, request: &Request<'_>) -> Decision {
        self.judge(request, self.position(id)).unwrap_or_else(|denied| denied)
    }

    /// As [`Policies::decide`]; what denies comes back as the error, so that nothing after it is asked.
    fn judge(&self, request: &Request<'_>, without: Option<usize>) -> Result<Decision, Decision> {
        let action = request.action();
        let judge = self.judges.get(&*action).ok_or_else(|| failed(None, format!("no policy knows `{action}`")))?;
        let asked = judge.frame.ask(request);
        let asked = asked.map_err(|why| failed(None, format!("`{action}` cannot be judged: {why}")))?;

        let never = self.matches(&judge.never, &asked, request, without)?;
        if let Some(rule) = never.into_iter().flatten().next() {
            let by = self.matched(rule, request);
            let why = by
                .reason
                .as_ref()
                .map_or_else(|| format!("`{}` denies `{action}`", by.id), |reason| reason.to_string());
            return Err(Decision::Deny { by: Some(by), error: false, why });
        }
        let allow = self.matches(&judge.allow, &asked, request, without)?;
        if let Some(at) = allow.iter().position(Vec::is_empty) {
            let whom = match (at, request.on_behalf_of) {
                (1, Some(person)) => format!("the person `{person}`"),
                _ => format!("the step `{}`", request.step_id()),
            };
            let why = format!("no rule in policies/allow/ permits `{action}` for {whom}");
            return Err(Decision::Deny { by: None, error: false, why });
        }
        let ask = self.matches(&judge.ask, &asked, request, without)?;
        let asking = self.all_matched(ask, request);
        match asking.iter().filter_map(|(rule, _)| rule.terms.clone()).reduce(|all, terms| all.and(&terms)) {
            Some(terms) => Ok(Decision::Ask { by: asking.into_iter().map(|(_, by)| by).collect(), terms }),
            None => {
                Ok(Decision::Allow { by: self.all_matched(allow, request).into_iter().map(|(_, by)| by).collect() })
            }
        }
    }

    /// The rules of a set that match: for each principal by itself, in the order of [`Policies::rules`].
    fn matches(
        &self,
        set: &PolicySet,
        asked: &Asked,
        request: &Request<'_>,
        without: Option<usize>,
    ) -> Result<Vec<Vec<usize>>, Decision> {
        let mut found = Vec::with_capacity(asked.principals.len());
        for principal in &asked.principals {
            if set.is_empty() {
                found.push(Vec::new());
                continue;
            }
            let response = Authorizer::new().is_authorized(principal, set, &asked.entities);
            let diagnostics = response.diagnostics();
            for error in diagnostics.errors() {
                let cedar_policy::AuthorizationError::PolicyEvaluationError(error) = error;
                let rule = self.position(error.policy_id().as_ref());
                if rule.is_some() && rule == without {
                    continue;
                }
                let by = rule.map(|rule| self.matched(rule, request));
                let at = by.as_ref().map_or_else(String::new, |by| format!("`{}` ({}): ", by.id, by.at));
                return Err(failed(by, format!("a rule cannot be evaluated: {at}{}", error.inner())));
            }
            let mut rules: Vec<usize> = diagnostics.reason().filter_map(|id| self.position(id.as_ref())).collect();
            rules.retain(|rule| Some(*rule) != without);
            rules.sort_unstable();
            found.push(rules);
        }
        Ok(found)
    }

    fn position(&self, id: &str) -> Option<usize> {
        self.rules.iter().position(|rule| *rule.id == *id)
    }

    fn all_matched(&self, found: Vec<Vec<usize>>, request: &Request<'_>) -> Vec<(&Rule, Matched)> {
        let mut rules: Vec<usize> = found.into_iter().flatten().collect();
        rules.sort_unstable();
        rules.dedup();
        rules.into_iter().map(|rule| (&self.rules[rule], self.matched(rule, request))).collect()
    }

    fn matched(&self, rule: usize, request: &Request<'_>) -> Matched {
        let Rule { id, at, reason, reads, .. } = &self.rules[rule];
        let values = reads.iter().map(|read| (read.name.clone(), read.value(request))).collect();
        Matched { id: id.clone(), at: at.clone(), reason: reason.clone(), values }
    }
}

fn failed(by: Option<Matched>, why: String) -> Decision {
    Decision::Deny { by, error: true, why }
}
