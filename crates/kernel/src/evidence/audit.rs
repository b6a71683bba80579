//! What the chain and the fold cannot say about a journal: that each action was allowed, each approval given by people who may, and
//! no outcome made of nothing.

use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{Act, Ledger, Status};
use crate::{
    governance::{
        Effect, Proposal, Verdict,
        approval::{Standing, Terms, standing},
        charter::Approved,
    },
    ids::{IdempotencyKey, RunId},
    journal::{End, Event, ProbeResult, Resolution, StepResult},
    recovery::Phase,
    values::Timestamp,
};

/// Something that a journal says and cannot have happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The entry.
    pub entry: u64,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {}: {}", self.entry, self.what)
    }
}

/// Reads a journal entry by entry, beside the fold: what is found here verifies as a chain and folds.
#[derive(Debug)]
pub struct Audit {
    ledger: Ledger,
    /// What each approval asked for, by id, with the entry that asked.
    asked: BTreeMap<Arc<str>, Option<Proposal>>,
    /// Acts that somebody settled while nobody knew: by their first entry.
    words: BTreeMap<u64, Word>,
    /// Acts whose last sending cannot have been performed.
    certain: BTreeMap<u64, bool>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Word {
    Performed,
    NotPerformed,
    GivenUp,
}

impl Audit {
    /// Before the first entry.
    pub fn new(run: RunId) -> Audit {
        Audit { ledger: Ledger::new(run), asked: BTreeMap::new(), words: BTreeMap::new(), certain: BTreeMap::new() }
    }

    /// The acts so far.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Judges the next entry.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn add(&mut self, seq: u64, at: Timestamp, event: &Event) -> Result<(), Finding> {
        let judged = self.judge(seq, at, event);
        let strays = self.ledger.stray.len();
        self.ledger.add(seq, at, event);
        judged.map_err(|what| Finding { entry: seq, what })?;
        if self.ledger.stray.len() > strays {
            let what = "it speaks of an action or an approval that no entry before it began".to_owned();
            return Err(Finding { entry: seq, what });
        }
        self.remember(seq, event);
        Ok(())
    }

    /// The latest act of the event's step, as it stood before the event.
    fn latest(&self, event: &Event) -> Option<&Act> {
        event.step().and_then(|step| self.ledger.latest.get(step)).map(|place| &self.ledger.acts[*place])
    }

    fn judge(&self, seq: u64, at: Timestamp, event: &Event) -> Result<(), String> {
        match event {
            Event::ActionJudged { verdict, .. } if !matches!(verdict, Verdict::Deny { .. }) => {
                Err("an action was judged and not denied, and did not start".to_owned())
            }
            Event::ActionStarted { step, proposal, verdict, key, grounds, .. } => {
                if !matches!(verdict, Verdict::Allow { .. }) {
                    return Err("an action started without a verdict that allows it".to_owned());
                }
                if *key != IdempotencyKey::derive(self.ledger.owner(seq), step, 0) {
                    return Err(format!("the key {key} is not that of `{step}` in this run"));
                }
                match grounds.as_deref().and_then(|grounds| grounds.approval.as_ref()) {
                    Some(approved) => self.approved(at, proposal, approved),
                    None if self.latest(event).is_some_and(|act| act.status == Status::Waiting) => {
                        Err("people were asked, and the action started without them".to_owned())
                    }
                    None => Ok(()),
                }
            }
            Event::ApprovalEscalated { approval, terms, .. } => {
                let before =
                    self.ledger.approvals.get(approval).and_then(|place| self.ledger.acts[*place].approval.as_ref());
                match before {
                    Some(before) if before.terms.hash != terms.hash => {
                        Err("the escalation asks about another action".to_owned())
                    }
                    _ => Ok(()),
                }
            }
            Event::ActionResent { .. } => match self.latest(event) {
                Some(act) if !self.may_be_resent(act) => Err(format!(
                    "`{}` is `{}` and was sent again although its last sending may have been performed",
                    act.name(),
                    act.called.as_ref().map_or("", |called| called.effect.as_str())
                )),
                _ => Ok(()),
            },
            Event::ActionFinished { result, .. } => self.finished(event, result),
            Event::RunFinished { end, .. } => match self.ledger.acts.iter().find(|act| act.is_open()) {
                Some(act) => Err(format!(
                    "the run {} while the outcome of `{}` ({}) was open",
                    if *end == End::Completed { "completed" } else { "ended" },
                    act.name(),
                    act.id
                )),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whether an approval allowed this start.
    fn approved(&self, at: Timestamp, proposal: &Proposal, approved: &Approved) -> Result<(), String> {
        let act = self.ledger.approvals.get(&approved.id).map(|place| &self.ledger.acts[*place]);
        let Some((act, approval)) = act.and_then(|act| Some((act, act.approval.as_ref()?))) else {
            return Err(format!("it uses up the approval {}, which nobody was asked for", approved.id));
        };
        if act.status != Status::Waiting || approval.id != approved.id {
            return Err(format!("the approval {} was over before", approved.id));
        }
        if self.asked.get(&approved.id).and_then(Option::as_ref) != Some(proposal) {
            return Err(format!("the approval {} was asked for another action", approved.id));
        }
        if approval.terms.hash != approved.hash {
            return Err(format!(
                "the approval {} is for {}, and the action names {}",
                approved.id,
                approval.terms.hash.short(),
                approved.hash.short()
            ));
        }
        let votes: Vec<_> = approval.votes.iter().map(|(_, vote)| vote.clone()).collect();
        let strange =
            |terms: &Terms| votes.iter().find(|vote| vote.shown != terms.shown).map(|vote| vote.by.to_string());
        match standing(&approval.terms, &votes, at) {
            Standing::Approved { by } if by == approved.by => Ok(()),
            Standing::Approved { by } => Err(format!(
                "the approval {} was given by {}, and the action names {}",
                approved.id,
                by.join(", "),
                approved.by.join(", ")
            )),
            Standing::Expired => Err(format!("the approval {} had run out", approved.id)),
            Standing::Rejected { by, .. } => Err(format!("`{by}` had said no to {}", approved.id)),
            Standing::Edited { by, .. } | Standing::Answered { by, .. } => {
                Err(format!("`{by}` had decided otherwise on {}", approved.id))
            }
            Standing::Pending { .. } => {
                let seen =
                    strange(&approval.terms).map(|who| format!("; {who} was shown another card")).unwrap_or_default();
                Err(format!(
                    "the approval {} asks {}, and the votes before the start ({}) are no yes of people who may decide{seen}",
                    approved.id,
                    crate::story::whom(&approval.terms),
                    votes.len()
                ))
            }
        }
    }

    fn may_be_resent(&self, act: &Act) -> bool {
        let first = act.entries.first().copied().unwrap_or_default();
        match act.called.as_ref().map(|called| called.effect) {
            Some(Effect::Probed | Effect::AtMostOnce) => {
                self.words.get(&first) == Some(&Word::NotPerformed) || self.certain.get(&first) == Some(&true)
            }
            _ => true,
        }
    }

    fn finished(&self, event: &Event, result: &StepResult) -> Result<(), String> {
        let Some(act) = self.latest(event) else { return Ok(()) };
        let word = self.words.get(&act.entries.first().copied().unwrap_or_default());
        match (act.status, result) {
            (Status::Intended | Status::Failed, StepResult::Failed(_)) | (Status::Intended, StepResult::Done(_)) => {
                Ok(())
            }
            (Status::Unknown | Status::ResolvedPerformed, _) if word == Some(&Word::Performed) => Ok(()),
            (Status::ResolvedNotPerformed | Status::GivenUp, StepResult::Failed(_)) => Ok(()),
            // A late answer speaks of a sending that may have been followed by others.
            (_, StepResult::Done(_)) if word == Some(&Word::Performed) => Ok(()),
            (status, _) => Err(format!("`{}` was {}, and nobody said what became of it", act.name(), status.as_str())),
        }
    }

    fn remember(&mut self, seq: u64, event: &Event) {
        let first = self.latest(event).and_then(|act| act.entries.first().copied());
        let word = match event {
            Event::ApprovalRequested { approval, proposal, .. } => {
                self.asked.insert(approval.clone(), proposal.clone());
                return;
            }
            Event::ApprovalEscalated { approval, to, .. } => {
                let asked = self.asked.get(approval).cloned().flatten();
                self.asked.insert(to.clone(), asked);
                return;
            }
            Event::LateAnswerReceived { result: StepResult::Done(_), .. } => Word::Performed,
            // A word about what was settled before changes nothing.
            Event::EffectResolved { .. }
                if self.latest(event).and_then(|act| act.resolved_by.as_ref()).is_none_or(|word| word.entry != seq) =>
            {
                return;
            }
            Event::EffectResolved { resolution, .. } => match resolution {
                Resolution::Performed { .. } => Word::Performed,
                Resolution::NotPerformed => Word::NotPerformed,
                Resolution::GivenUp => Word::GivenUp,
            },
            Event::ActionResent { .. } => {
                first.map(|first| (self.words.remove(&first), self.certain.remove(&first)));
                return;
            }
            Event::ActionFinished { result: StepResult::Failed(failure), .. } => {
                first.map(|first| self.certain.insert(first, failure.phase != Phase::MaybeSent));
                return;
            }
            Event::ProbeFinished { result, .. } => {
                first.map(|first| self.certain.insert(first, matches!(result, ProbeResult::Absent)));
                return;
            }
            _ => return,
        };
        // The first word counts: the fold keeps it, too.
        first.map(|first| *self.words.entry(first).or_insert(word));
    }
}
