//! What would become of one request, by which rule, and what would change it.

use std::sync::Arc;

use super::{Decision, Folder, NOT_ALLOWED, Policies, Request, Rule, cases::Sample};
use crate::{governance::floor::Beneath, ids::Digest};

/// A request, judged, with what is near it.
#[derive(Debug)]
pub struct Explained<'p> {
    /// What becomes of it.
    pub decision: Decision,
    /// What would become of it in the end without each of the rules that matched, in their order.
    pub without: Vec<Then>,
    /// The rules that could allow it, if nothing does.
    pub could: Vec<&'p Rule>,
    /// Why it is denied although the rules allow it, if it is.
    pub beneath: Option<Beneath>,
    /// The rules that were asked.
    pub policy: Digest,
}

/// What would become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Then {
    /// `allow`, `ask` or `deny`.
    pub outcome: &'static str,
    /// The rule that makes it so.
    pub rule: Arc<str>,
}

impl Explained<'_> {
    /// What becomes of it in the end: `allow`, `ask` or `deny`.
    pub fn outcome(&self) -> &'static str {
        if self.beneath.is_some() { "deny" } else { self.decision.as_str() }
    }

    /// The rule that makes it so.
    pub fn rule(&self) -> &str {
        self.beneath.as_ref().map_or_else(|| self.decision.rule(), |beneath| beneath.rule)
    }
}

impl Policies {
    /// Judges a request, also by the rules that every project has, and says what would change the answer.
    pub fn explain(&self, sample: &Sample) -> Explained<'_> {
        let request = &sample.request();
        let decision = self.decide(request);
        let beneath =
            |decision: &Decision| matches!(decision, Decision::Allow { .. }).then(|| sample.beneath()).flatten();
        let without = decision.matched().iter().map(|rule| {
            let decision = self.decide_without(&rule.id, request);
            match beneath(&decision) {
                Some(beneath) => Then { outcome: "deny", rule: beneath.rule.into() },
                None => Then { outcome: decision.as_str(), rule: decision.rule().into() },
            }
        });
        let without = without.collect();
        let could = if decision.rule() == NOT_ALLOWED { self.could_allow(request) } else { Vec::new() };
        let beneath = beneath(&decision);
        Explained { decision, without, could, beneath, policy: self.digest() }
    }

    fn could_allow(&self, request: &Request<'_>) -> Vec<&Rule> {
        let action = format!("{}.{}", request.tool, request.operation);
        // Nothing allows it: for whom?
        let for_step = self.decide(&Request { on_behalf_of: None, ..*request }).rule() == NOT_ALLOWED;
        let whom = if for_step { "Step" } else { "Person" };
        self.rules().iter().filter(|rule| rule.folder == Folder::Allow && rule.can_match(whom, &action)).collect()
    }

    /// The operations that no rule allows: whoever asks for one is denied.
    pub fn never_allowed(&self) -> Vec<&str> {
        let allowed = |name: &str| {
            let mut rules = self.rules().iter().filter(|rule| rule.folder == Folder::Allow);
            rules.any(|rule| rule.actions().any(|action| **action == *name))
        };
        self.operations().map(|name| &**name).filter(|name| !allowed(name)).collect()
    }
}
