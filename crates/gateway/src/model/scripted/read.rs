//! From YAML to a script.

use std::sync::Arc;

use kernel::{
    complaint::{Complaint, Complaints},
    expr::{Condition, Root, RootKind, Template},
    journal::Usage,
    recovery::FailureKind,
    values::MAX_INT,
    yaml::{self, Fields, Node},
};

use super::{Script, ScriptedAnswer, Then};

/// The kinds that a provider can bring; all others are the kernel's own words about an answer.
const KINDS: [FailureKind; 9] = [
    FailureKind::ProviderRateLimited,
    FailureKind::ProviderSpendLimit,
    FailureKind::ProviderOverloaded,
    FailureKind::ProviderError,
    FailureKind::ProviderTimeout,
    FailureKind::ProviderAuth,
    FailureKind::Refused,
    FailureKind::Truncated,
    FailureKind::ContextOverflow,
];

const KEYS: [&str; 13] = [
    "step",
    "attempt",
    "model",
    "when",
    "times",
    "value",
    "text",
    "propose",
    "failure",
    "detail",
    "retry_after",
    "usage",
    "delay",
];

pub(super) fn script(file: &Arc<str>, text: &str) -> Result<Script, Vec<Complaint>> {
    let mut complaints = Complaints::new();
    let node = yaml::parse(file, text).map_err(|complaint| vec![complaint])?;
    let fields = Fields::new(&node, "a script", &["answers"], &[], &mut complaints);
    let answers = fields.and_then(|fields| fields.required("answers", &mut complaints));
    let script = answers.map(|answers| Script::of_node(answers, &mut complaints));
    complaints.finish(script)
}

impl Script {
    /// Reads the list under `answers:`, wherever it stands. An answer with a fault is complained about and left out.
    pub fn of_node(node: &Node, complaints: &mut Complaints) -> Script {
        let items = node.list(complaints).unwrap_or_default();
        Script { answers: items.iter().filter_map(|item| answer(item, complaints)).collect() }
    }
}

fn answer(node: &Node, complaints: &mut Complaints) -> Option<ScriptedAnswer> {
    let fields = Fields::new(node, "an answer", &KEYS, &[], complaints)?;
    let then = then(&fields, complaints);
    let step = fields.required("step", complaints);
    let step = step.and_then(|step| match step.text(complaints)?.parse() {
        Ok(pattern) => Some(pattern),
        Err(error) => {
            let error: super::pattern::BadPattern = error;
            complaints.push(step.complaint("W005", error.to_string()));
            None
        }
    });
    let when = fields.get("when").and_then(|node| {
        let when = complaints.take(Condition::of_node(node))?;
        known(when.roots(), node, complaints);
        Some(when)
    });
    let count = |key, complaints: &mut Complaints| {
        let count = fields.int(key, 1, i64::from(u32::MAX), complaints)?;
        u32::try_from(count).ok()
    };
    Some(ScriptedAnswer {
        attempt: count("attempt", complaints),
        times: count("times", complaints),
        model: fields.opt_text("model", complaints),
        when,
        usage: usage(&fields, complaints),
        delay: fields.time("delay", complaints),
        step: step?,
        then: then?,
    })
}

fn then(fields: &Fields<'_>, complaints: &mut Complaints) -> Option<Then> {
    let said: Vec<_> = ["value", "text", "propose", "failure"].into_iter().filter(|key| fields.has(key)).collect();
    let [said] = said.as_slice() else {
        let message = "an answer has exactly one of `value`, `text`, `propose` and `failure`";
        complaints.push(fields.node.complaint("W003", message));
        return None;
    };
    for key in ["detail", "retry_after"] {
        if *said != "failure"
            && let Some(node) = fields.get(key)
        {
            complaints.push(node.complaint("W001", format!("`{key}` belongs to a `failure`")));
        }
    }
    let node = fields.get(said)?;
    match *said {
        "value" => {
            let template = complaints.take(Template::compile(node))?;
            known(template.roots(), node, complaints);
            Some(Then::Value(template))
        }
        "text" => Some(Then::Text(node.text(complaints)?)),
        "propose" => {
            let items = node.list(complaints)?;
            let all: Vec<_> = items.iter().filter_map(|item| proposal(item, complaints)).collect();
            (all.len() == items.len()).then_some(Then::Propose(all))
        }
        _ => {
            let words = KINDS.map(FailureKind::as_str);
            let word = node.one_of(&words, complaints)?;
            let kind = KINDS.into_iter().find(|kind| kind.as_str() == word)?;
            let detail = fields.opt_text("detail", complaints);
            Some(Then::Failure {
                kind,
                detail: detail.map_or_else(|| "the script says so".to_owned(), |detail| detail.to_string()),
                retry_after: fields.time("retry_after", complaints),
            })
        }
    }
}

/// `{ tool.operation: arguments }`.
fn proposal(node: &Node, complaints: &mut Complaints) -> Option<(Arc<str>, Template)> {
    let entries = node.map(complaints)?;
    let [(key, with)] = entries else {
        let message = "a proposal is one operation with its arguments: `{ tool.operation: { … } }`";
        complaints.push(node.complaint("W003", message));
        return None;
    };
    let template = complaints.take(Template::compile(with))?;
    known(template.roots(), with, complaints);
    Some((key.text.clone(), template))
}

/// An answer reads what the step was shown, and nothing of the run around it.
fn known(roots: &[Root], node: &Node, complaints: &mut Complaints) {
    for root in roots.iter().filter(|root| root.what != RootKind::Value) {
        let message = format!("an answer knows what its step was shown, not how the step `{}` went", root.name);
        complaints.push(node.complaint("W005", message));
    }
}

fn usage(fields: &Fields<'_>, complaints: &mut Complaints) -> Usage {
    let Some(node) = fields.get("usage") else { return Usage::default() };
    let keys = ["input", "cache_read", "cache_write", "output", "reasoning"];
    let Some(fields) = Fields::new(node, "a usage", &keys, &[], complaints) else { return Usage::default() };
    let mut tokens =
        |key| fields.int(key, 0, MAX_INT, complaints).and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
    Usage {
        input: tokens("input"),
        cache_read: tokens("cache_read"),
        cache_write: tokens("cache_write"),
        output: tokens("output"),
        reasoning: tokens("reasoning"),
    }
}
