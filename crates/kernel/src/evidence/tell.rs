//! An act in words: what was done, who allowed it, who approved, what proves it, what is uncertain.

use super::{Act, Actor, Status};
use crate::{governance::Verdict, ids::Digest, run::in_doubt, story};

/// The act as a block of lines. `hash` gives the hash of an entry, for those who have the entries.
pub fn lines(act: &Act, actor: &Actor, hash: &dyn Fn(u64) -> Option<Digest>) -> Vec<String> {
    let mut out = vec![format!("{} {}", act.status.as_str(), act.name())];
    let mut say = |word: &str, what: String| out.push(format!("    {word:<10} {what}"));
    say("id", act.id.clone());
    if act.inherited {
        say("inherited", "it is the act of the run that this one goes on from, and was not done again".to_owned());
    }
    let people = [("started by", &actor.started_by), ("acts for", &actor.acts_for)];
    let people = people.iter().filter_map(|(word, who)| who.as_ref().map(|who| format!(", {word} {who}")));
    say("who", format!("step {} of {}{}", act.step, actor.workflow, people.collect::<String>()));
    if let Some(resource) = act.resource() {
        say("on", format!("{} {}", resource.kind, resource.id));
    }
    if let Some(called) = &act.called {
        say("what", format!("{}, arguments sha256:{}", called.effect.as_str(), called.arguments.short()));
    }
    if let Some(verdict) = &act.verdict {
        let (word, rule, policy) = match verdict {
            Verdict::Allow { rule, policy, .. } => ("allowed", rule, policy),
            Verdict::Ask { rule, policy, .. } => ("asks", rule, policy),
            Verdict::Deny { rule, policy, .. } => ("denied", rule, policy),
        };
        let generation = act.grounds.generation;
        let by = match act.grounds.approval {
            Some(_) => format!("by people, as {rule} asks"),
            None => format!("by {rule}"),
        };
        say(word, format!("{by}, policies {}, generation {generation}", policy.short()));
        verdict.rulings().iter().for_each(|ruling| say("", ruling.to_string()));
        if let Verdict::Deny { reason, .. } = verdict {
            say("", reason.clone());
        }
    }
    if !act.grounds.labels.is_empty() {
        say("carries", act.grounds.labels.join(", "));
    }
    if let Some(approval) = &act.approval {
        let until = approval.terms.expires_at.map(|at| format!(", until {at}")).unwrap_or_default();
        say("asked", format!("{}{until} ({})", story::whom(&approval.terms), approval.id));
        for (entry, vote) in &approval.votes {
            let by = vote.by.to_string();
            say("", format!("{} {} at {}, entry {entry}", by.trim_matches('`'), vote.decision, vote.at));
        }
        if !approval.used_by.is_empty() {
            say("approved", format!("by {}, action {}", approval.used_by.join(", "), approval.terms.hash.short()));
        }
    }
    if let Some(key) = &act.key {
        let probes = if act.probes > 0 { format!(", {} probes", act.probes) } else { String::new() };
        let times = if act.sendings == 1 { "once".into() } else { format!("{} times", act.sendings) };
        say("sent", format!("{times} under {key}{probes}"));
    }
    if let Some(result) = &act.result {
        let outside = act.external_id.as_ref().map(|id| format!(", known outside as {id}")).unwrap_or_default();
        say("gave", format!("sha256:{}{outside}", result.short()));
    }
    if let Some(word) = &act.resolved_by {
        say("resolved", format!("by {} ({}): {}, entry {}", word.by, word.auth, word.reason, word.entry));
    }
    if let Some(failure) = &act.failure {
        say("failed", story::failure(failure));
    }
    for proven in &act.proofs {
        say("verified", format!("by {}: {}, entry {}", proven.step, proven.holds, proven.entry));
    }
    for (place, entry) in act.entries.iter().enumerate() {
        let hash = hash(*entry).map(|hash| format!(" {hash}")).unwrap_or_default();
        say(if place == 0 { "entries" } else { "" }, format!("{entry}{hash}"));
    }
    for doubt in uncertain(act) {
        say("uncertain", doubt);
    }
    out
}

/// What the journal does not prove about an act.
pub fn uncertain(act: &Act) -> Vec<String> {
    let mut doubts = Vec::new();
    match act.status {
        Status::Intended if act.is_doubtful() => doubts.push("it was sent, and no outcome is recorded".to_owned()),
        Status::Unknown => doubts.push("whether it was performed is not known".to_owned()),
        Status::GivenUp => doubts.push("whether it was performed will not be known".to_owned()),
        Status::ResolvedPerformed => doubts.push("that it was performed is a person's word, not the tool's".to_owned()),
        Status::ResolvedNotPerformed => {
            doubts.push("that it was not performed is a person's word, not the tool's".to_owned());
        }
        Status::Failed if act.is_doubtful() => doubts.push("it failed, and may have been performed".to_owned()),
        Status::Failed if act.failure.as_ref().is_some_and(in_doubt) => {
            doubts.push("whether it was read is not known; nothing was changed".to_owned());
        }
        _ => {}
    }
    doubts
}
