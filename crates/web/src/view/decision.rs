//! Who allowed an action, or stopped it: the rule, where it stands, and the values that made it true.

use kernel::{
    governance::{Ruling, Verdict, charter::Grounds},
    values::Value,
};

use super::{value, words};

/// How an action was judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decision {
    /// `allowed`, `asked` or `denied`.
    pub(crate) word: &'static str,
    pub(crate) class: &'static str,
    /// The rule, or the people whom it asked.
    pub(crate) by: String,
    /// What a denied action's operator is told.
    pub(crate) reason: String,
    pub(crate) rules: Vec<Rule>,
    /// What its arguments carried.
    pub(crate) labels: String,
    /// The rules that were asked, by digest and number.
    pub(crate) version: String,
}

/// A rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) rule: String,
    /// `policies/ask/money.cedar:3`.
    pub(crate) at: String,
    pub(crate) reason: String,
    /// What its condition reads, as it was.
    pub(crate) values: String,
}

impl Decision {
    pub(crate) fn of(verdict: &Verdict, grounds: Option<&Grounds>) -> Decision {
        let (word, class, rule, policy, reason) = match verdict {
            Verdict::Allow { rule, policy, .. } => ("allowed", "good", rule, policy, ""),
            Verdict::Ask { rule, policy, .. } => ("asked", "wait", rule, policy, ""),
            Verdict::Deny { rule, policy, reason, .. } => ("denied", "bad", rule, policy, &**reason),
        };
        let approved = grounds.and_then(|grounds| grounds.approval.as_ref());
        let by = match approved {
            Some(approval) => format!("{}, as {rule} asks", approval.by.join(", ")),
            None => rule.to_string(),
        };
        Decision {
            word,
            class,
            by: words::plain(&by),
            reason: words::plain(reason),
            rules: verdict.rulings().iter().map(Rule::of).collect(),
            labels: grounds.map(|grounds| words::plain(&grounds.labels.join(", "))).unwrap_or_default(),
            version: match grounds.map_or(0, |grounds| grounds.generation) {
                0 => policy.short(),
                generation => format!("{}, change {generation}", policy.short()),
            },
        }
    }
}

impl Rule {
    fn of(ruling: &Ruling) -> Rule {
        let values = match &ruling.values {
            Value::Map(map) => {
                let pairs = map.iter().map(|(name, value)| format!("{} = {}", words::plain(name), value::text(value)));
                pairs.collect::<Vec<_>>().join(", ")
            }
            _ => String::new(),
        };
        Rule {
            rule: words::plain(&ruling.id),
            at: words::plain(&ruling.at),
            reason: ruling.reason.as_deref().map(words::plain).unwrap_or_default(),
            values,
        }
    }
}
