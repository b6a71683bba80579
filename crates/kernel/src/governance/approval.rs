//! The approval of one action: who was asked, what they decided, and how it stands. Pure: the directory, the votes and the time
//! come in.
//!
//! An approval binds to the keyed hash of everything the action is ([`action_hash`]) and to the keyed hash of what a person was
//! shown ([`shown_hash`]). Only [`consume`] makes of it a leave to start, at the moment of the start, against the hash of what is
//! about to be sent. Time that runs out, a vote that does not fit and a list that is empty never mean yes.

mod action;
mod admit;
mod card;
mod question;
mod visible;

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub(crate) use self::card::seen;
pub use self::{
    action::{Action, action_hash, edited},
    admit::{Admitted, Refused, admit},
    card::{Card, Why, shown_hash},
    question::Question,
    visible::{visible, visible_line},
};
use crate::{
    governance::people::People,
    ids::{Digest, RunId},
    values::{Timestamp, Value},
};

/// What one approval asks for. It is recorded when it asks, and does not change but by [`Terms::escalate`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// Any one group of an inner list satisfies that list; all lists must be satisfied. One person may satisfy several. With no
    /// list, or an empty one, nobody can approve.
    pub groups: Vec<Vec<Arc<str>>>,
    /// How many different people must approve; 0 counts as 1.
    pub quorum: u32,
    /// Since when votes count: when it was asked, or escalated.
    pub asked_at: Timestamp,
    /// From this moment on nothing is approved any more.
    pub expires_at: Option<Timestamp>,
    /// What follows then.
    pub on_expiry: OnExpiry,
    /// Whether it was escalated; that happens once.
    pub escalated: bool,
    /// The top-level fields of the arguments that a person may change.
    pub editable: Vec<Arc<str>>,
    /// Whether a person may answer in the action's place: for an action that asks a person, and for no other.
    pub answerable: bool,
    /// Whether the requesters cannot vote.
    pub no_self: bool,
    /// Who started the run, wrote the workflow, or edited the arguments.
    pub requesters: Vec<Arc<str>>,
    /// The action: [`action_hash`].
    pub hash: Digest,
    /// The card: [`shown_hash`]. A vote repeats it.
    pub shown: Digest,
}

/// What follows when nobody decided in time. None of it starts the action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpiry {
    /// The action is denied.
    Deny,
    /// This group is asked as well, once; afterwards the action is denied.
    Escalate(Arc<str>),
    /// The action is denied, and its step goes on with the value that was declared for it.
    ContinueWith,
}

/// Who sends a vote. Only a person's counts; the others are there to be refused by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// A person, by id.
    Person(Arc<str>),
    /// A run, through a tool or a credential of its own.
    Run(RunId),
    /// A model, by its name in the project.
    Model(Arc<str>),
}

impl By {
    /// The person's id, if it is one.
    pub fn person(&self) -> Option<&Arc<str>> {
        match self {
            By::Person(id) => Some(id),
            By::Run(_) | By::Model(_) => None,
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            By::Person(id) => write!(f, "`{id}`"),
            By::Run(run) => write!(f, "the run `{run}`"),
            By::Model(name) => write!(f, "the model `{name}`"),
        }
    }
}

/// What a person decides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes, as shown.
    Approve,
    /// No.
    Reject {
        /// Why; the step is told.
        reason: String,
    },
    /// Not so, but with these values. That is a new action, which is judged from the beginning.
    Edit {
        /// A map from fields to their new values; the other fields stay.
        with: Value,
    },
    /// The action does not start; this is its outcome.
    Answer {
        /// What the step gets.
        value: Value,
    },
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Decision::Approve => "approved",
            Decision::Reject { .. } => "rejected",
            Decision::Edit { .. } => "edited",
            Decision::Answer { .. } => "answered",
        })
    }
}

/// One decision of one person, as it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Who.
    pub by: By,
    /// For which groups he could decide then.
    pub groups: BTreeSet<Arc<str>>,
    /// The directory that says so: [`People::digest`].
    pub directory: Digest,
    /// What.
    pub decision: Decision,
    /// The card that he saw.
    pub shown: Digest,
    /// What he remarked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// How he was recognised: "session", "terminal".
    pub auth: Arc<str>,
    /// When.
    pub at: Timestamp,
}

impl Vote {
    /// A vote as the directory of that moment sees its sender. [`admit`] says whether it counts.
    pub fn cast(by: By, decision: Decision, shown: Digest, auth: &str, people: &People, at: Timestamp) -> Vote {
        let groups = by.person().map(|id| people.groups_at(id, at)).unwrap_or_default();
        Vote { by, groups, directory: people.digest(), decision, shown, reason: None, auth: auth.into(), at }
    }
}

/// How an approval stands.
#[derive(Clone, Debug, PartialEq)]
pub enum Standing {
    /// Nobody has ended it yet.
    Pending {
        /// How many more people must approve; 0 when only the lists are not satisfied yet.
        people: u32,
        /// The lists that nobody has satisfied yet.
        groups: Vec<Vec<Arc<str>>>,
    },
    /// Enough people said yes, and the time has not run out.
    Approved {
        /// They, in order of their ids.
        by: Vec<Arc<str>>,
    },
    /// Somebody wants it otherwise: a new action.
    Edited {
        /// The fields that change, with their new values.
        with: Value,
        /// He; he is a requester of the new action.
        by: Arc<str>,
    },
    /// Somebody said no.
    Rejected {
        /// He.
        by: Arc<str>,
        /// His words, made visible: a person's text, no instruction.
        reason: String,
    },
    /// Somebody gave the outcome himself.
    Answered {
        /// It.
        value: Value,
        /// He.
        by: Arc<str>,
    },
    /// The time ran out: [`Terms::on_expiry`] says what follows.
    Expired,
}

impl Terms {
    /// Whether the time to decide is over.
    pub fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| now >= at)
    }

    /// The terms after the time ran out, if they escalate: the group of [`OnExpiry::Escalate`] satisfies every list as well, and
    /// the time ends at `until`. Who approved before approves again, because time that ran out never completes a yes. `None`: they
    /// do not escalate, or have, or the time has not run out, or `until` is over.
    pub fn escalate(&self, now: Timestamp, until: Timestamp) -> Option<Terms> {
        let OnExpiry::Escalate(group) = &self.on_expiry else { return None };
        if self.escalated || !self.expired(now) || until <= now {
            return None;
        }
        let mut terms = self.clone();
        for list in terms.groups.iter_mut().filter(|list| !list.contains(group)) {
            list.push(group.clone());
        }
        terms.asked_at = now;
        terms.expires_at = Some(until);
        terms.escalated = true;
        Some(terms)
    }

    /// Whether groups of a person let him decide at all.
    fn entitles(&self, groups: &BTreeSet<Arc<str>>) -> bool {
        self.groups.iter().any(|list| satisfied(list, groups))
    }

    /// Whether the person is one who asked, and may therefore not vote.
    fn is_self(&self, person: &Arc<str>) -> bool {
        self.no_self && self.requesters.contains(person)
    }

    /// The person whose vote counts in these terms: entitled, not himself the requester, on this card, in its time. A no counts at
    /// any time: an escalation does not lift it.
    fn counts<'v>(&self, vote: &'v Vote) -> Option<&'v Arc<str>> {
        let person = vote.by.person()?;
        let no = matches!(vote.decision, Decision::Reject { .. });
        let in_time = no || (vote.at >= self.asked_at && !self.expired(vote.at));
        (in_time && vote.shown == self.shown && self.entitles(&vote.groups) && !self.is_self(person)).then_some(person)
    }
}

fn satisfied(list: &[Arc<str>], groups: &BTreeSet<Arc<str>>) -> bool {
    list.iter().any(|group| groups.contains(group))
}

/// How an approval stands at the moment of `now`. `votes` are those that were admitted, at most one of each person since the
/// question. Their order does not matter: one no outweighs everything, an edit and an answer outweigh a yes, and of several the
/// earliest is told.
pub fn standing(terms: &Terms, votes: &[Vote], now: Timestamp) -> Standing {
    let mut counted: Vec<(&Arc<str>, &Vote)> =
        votes.iter().filter_map(|vote| Some((terms.counts(vote)?, vote))).collect();
    counted.sort_by_key(|(person, vote)| (vote.at, *person));
    for (person, vote) in &counted {
        if let Decision::Reject { reason } = &vote.decision {
            return Standing::Rejected { by: (*person).clone(), reason: visible(reason) };
        }
    }
    if terms.expired(now) {
        return Standing::Expired;
    }
    for (person, vote) in &counted {
        let by = (*person).clone();
        match &vote.decision {
            Decision::Edit { with } => return Standing::Edited { with: with.clone(), by },
            Decision::Answer { value } => return Standing::Answered { value: value.clone(), by },
            Decision::Approve | Decision::Reject { .. } => {}
        }
    }
    let by: BTreeSet<&Arc<str>> = counted.iter().map(|(person, _)| *person).collect();
    let open = |list: &&Vec<Arc<str>>| !counted.iter().any(|(_, vote)| satisfied(list, &vote.groups));
    let groups: Vec<_> = terms.groups.iter().filter(open).cloned().collect();
    let people = terms.quorum.max(1).saturating_sub(u32::try_from(by.len()).unwrap_or(u32::MAX));
    if people == 0 && groups.is_empty() {
        return Standing::Approved { by: by.into_iter().cloned().collect() };
    }
    Standing::Pending { people, groups }
}

/// The leave that an approval gives: made by [`consume`] alone, for one start, in the transaction that starts. Not `Clone`.
#[derive(Debug, PartialEq, Eq)]
pub struct Consent {
    by: Vec<Arc<str>>,
    hash: Digest,
}

impl Consent {
    /// Who approved.
    pub fn by(&self) -> &[Arc<str>] {
        &self.by
    }

    /// The action that may start.
    pub fn hash(&self) -> Digest {
        self.hash
    }
}

/// Why an approval gives no leave.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum NoConsent {
    /// It is not a yes now.
    #[error("the approval is not a yes: {}", standing_words(.0))]
    Not(Standing),
    /// It is a yes to something else.
    #[error("what was approved is {}, and what is about to start is {}: the approval does not cover it", asked.short(), found.short())]
    OtherAction {
        /// What was asked about.
        asked: Digest,
        /// What would start.
        found: Digest,
    },
}

fn standing_words(standing: &Standing) -> String {
    match standing {
        Standing::Pending { people: 0, .. } => "a group has not decided yet".into(),
        Standing::Pending { people, .. } => format!("{people} more must approve"),
        Standing::Approved { by } => {
            let by: Vec<_> = by.iter().map(|id| format!("`{id}`")).collect();
            format!("{} approved it", by.join(", "))
        }
        Standing::Edited { by, .. } => format!("`{by}` changed it into another action"),
        Standing::Rejected { by, .. } => format!("`{by}` rejected it"),
        Standing::Answered { by, .. } => format!("`{by}` answered in its place"),
        Standing::Expired => "the time to decide has run out".into(),
    }
}

/// Makes of an approval the leave to start, at the moment of the start. `about_to` is the hash taken anew of what is about to be
/// sent, with today's tool, secrets and undo.
///
/// # Errors
/// [`NoConsent`]: nothing starts. After [`NoConsent::OtherAction`] a new approval is asked for.
pub fn consume(terms: &Terms, votes: &[Vote], about_to: Digest, now: Timestamp) -> Result<Consent, NoConsent> {
    if terms.hash != about_to {
        return Err(NoConsent::OtherAction { asked: terms.hash, found: about_to });
    }
    match standing(terms, votes, now) {
        Standing::Approved { by } => Ok(Consent { by, hash: about_to }),
        other => Err(NoConsent::Not(other)),
    }
}

#[cfg(test)]
mod tests;
