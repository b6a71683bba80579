//! The machine as the properties see it, and the wrong machines that they must tell from it. A wrong machine is the right one that
//! is shown a changed world.

use std::collections::BTreeSet;

use super::*;

type Shown = (Terms, Vec<Vote>, Timestamp);

/// What the properties drive.
#[derive(Clone, Copy)]
pub(super) struct Machine {
    pub(super) name: &'static str,
    standing: fn(&mut Shown),
    admit: fn(&mut Shown, &mut Vote, &People),
    hash: fn(&mut Action),
    about_to: fn(&Terms, Digest) -> Digest,
    escalate: fn(&Terms, &mut Terms),
}

pub(super) const TRUE: Machine = Machine {
    name: "the machine",
    standing: |_| (),
    admit: |_, _, _| (),
    hash: |_| (),
    about_to: |_, hash| hash,
    escalate: |_, _| (),
};

impl Machine {
    pub(super) fn standing(&self, terms: &Terms, votes: &[Vote], now: Timestamp) -> Standing {
        let mut shown = (terms.clone(), votes.to_vec(), now);
        (self.standing)(&mut shown);
        standing(&shown.0, &shown.1, shown.2)
    }

    pub(super) fn consume(&self, terms: &Terms, votes: &[Vote], about_to: Digest, now: Timestamp) -> bool {
        let mut shown = (terms.clone(), votes.to_vec(), now);
        (self.standing)(&mut shown);
        consume(&shown.0, &shown.1, (self.about_to)(terms, about_to), shown.2).is_ok()
    }

    pub(super) fn admit(
        &self,
        terms: &Terms,
        votes: &[Vote],
        vote: &Vote,
        people: &People,
        now: Timestamp,
    ) -> Result<Admitted, Refused> {
        let (mut shown, mut vote) = ((terms.clone(), votes.to_vec(), now), vote.clone());
        (self.admit)(&mut shown, &mut vote, people);
        admit(&shown.0, &shown.1, &vote, people, shown.2)
    }

    pub(super) fn hash(&self, key: &[u8; 32], action: &Action) -> Digest {
        let mut action = action.clone();
        (self.hash)(&mut action);
        action_hash(key, &action)
    }

    pub(super) fn escalate(&self, terms: &Terms, now: Timestamp, until: Timestamp) -> Option<Terms> {
        let mut shown = terms.clone();
        (self.escalate)(terms, &mut shown);
        let mut after = shown.escalate(now, until)?;
        (self.escalate)(terms, &mut after);
        Some(after)
    }
}

fn all_groups() -> BTreeSet<Arc<str>> {
    names(&["audit", "finance", "legal"]).into_iter().collect()
}

/// The vote as one that the directory knows and the terms entitle.
fn disguise(vote: &mut Vote, shown: &Shown, people: &People) {
    let entitled = people.ids().find(|id| shown.0.entitles(&people.groups_at(id, shown.2)) && !shown.0.is_self(id));
    if let Some(id) = entitled {
        vote.by = By::Person(id.clone());
        vote.groups = people.groups_at(id, shown.2);
    }
}

fn any_list((terms, _, _): &mut Shown) {
    let all: Vec<_> = terms.groups.iter().flatten().cloned().collect();
    terms.groups = vec![all];
}

const fn hashes(name: &'static str, hash: fn(&mut Action)) -> Machine {
    Machine { name, hash, ..TRUE }
}

/// Each must break a property.
pub(super) const WRONG: &[Machine] = &[
    Machine { name: "expiry is not looked at when an approval is used", standing: |s| s.0.expires_at = None, ..TRUE },
    Machine {
        name: "an approval can be used at the very moment of its expiry",
        standing: |s| s.2 = Timestamp::from_micros(s.2.micros() - 1),
        ..TRUE
    },
    Machine { name: "expiry is not looked at when a vote is admitted", admit: |s, _, _| s.0.expires_at = None, ..TRUE },
    Machine {
        name: "time that runs out is a yes",
        standing: |s| {
            if s.0.expired(s.2) {
                (s.0.quorum, s.0.expires_at) = (0, None);
                let by = By::Person("timer".into());
                s.1.push(Vote { by, groups: all_groups(), ..vote("bob", Decision::Approve, 0) });
            }
        },
        ..TRUE
    },
    Machine {
        name: "who asks may decide",
        standing: |s| s.0.no_self = false,
        admit: |s, _, _| s.0.no_self = false,
        ..TRUE
    },
    Machine { name: "who asks is admitted", admit: |s, _, _| s.0.no_self = false, ..TRUE },
    Machine {
        name: "a stale card is as good",
        standing: |s| s.1.iter_mut().for_each(|vote| vote.shown = s.0.shown),
        admit: |s, vote, _| vote.shown = s.0.shown,
        ..TRUE
    },
    Machine { name: "one is enough", standing: |s| s.0.quorum = 1, ..TRUE },
    Machine { name: "one more than asked is needed", standing: |s| s.0.quorum = s.0.quorum.max(1) + 1, ..TRUE },
    Machine {
        name: "votes are counted, not people",
        standing: |s| {
            for (at, vote) in s.1.iter_mut().enumerate() {
                let Some(id) = vote.by.person() else { continue };
                vote.by = By::Person(format!("{id}{at}").into());
            }
            s.0.no_self = false;
        },
        admit: |s, _, _| s.1.clear(),
        ..TRUE
    },
    Machine { name: "one list of groups is enough", standing: any_list, ..TRUE },
    Machine {
        name: "a no is overlooked",
        standing: |s| s.1.retain(|vote| !matches!(vote.decision, Decision::Reject { .. })),
        ..TRUE
    },
    Machine {
        name: "a no can be outvoted",
        standing: |s| {
            if s.1.iter().any(|vote| vote.decision == Decision::Approve) {
                s.1.retain(|vote| !matches!(vote.decision, Decision::Reject { .. }));
            }
        },
        ..TRUE
    },
    Machine {
        name: "the first vote decides",
        standing: |s| {
            s.1.truncate(1);
            s.0.quorum = 1;
            any_list(s);
        },
        ..TRUE
    },
    Machine { name: "a repeated vote is a new one", admit: |s, _, _| s.1.clear(), ..TRUE },
    Machine {
        name: "a decision can be taken back",
        admit: |s, vote, _| s.1.retain(|old| old.by != vote.by || old.decision == vote.decision),
        ..TRUE
    },
    Machine { name: "what is decided stays open", admit: |s, vote, _| s.1.retain(|old| old.by == vote.by), ..TRUE },
    Machine {
        name: "a run or a model votes for a person",
        standing: |s| {
            for vote in s.1.iter_mut().filter(|vote| vote.by.person().is_none()) {
                vote.by = By::Person(vote.by.to_string().into());
                vote.groups = all_groups();
            }
        },
        admit: |s, vote, people| {
            if vote.by.person().is_none() {
                disguise(vote, s, people);
            }
        },
        ..TRUE
    },
    Machine {
        name: "who is not in the directory votes",
        admit: |s, vote, people| {
            if vote.by.person().is_some_and(|id| people.person(id).is_none()) {
                disguise(vote, s, people);
            }
        },
        ..TRUE
    },
    Machine {
        name: "groups are believed",
        admit: |s, vote, people| {
            if vote
                .by
                .person()
                .is_some_and(|id| people.person(id).is_some() && vote.groups != people.groups_at(id, s.2))
            {
                disguise(vote, s, people);
            }
        },
        ..TRUE
    },
    Machine {
        name: "who is away votes",
        admit: |s, vote, people| {
            if vote.by.person().is_some_and(|id| people.away(id, s.2).is_some()) {
                disguise(vote, s, people);
            }
        },
        ..TRUE
    },
    Machine {
        name: "anybody is in the group",
        standing: |s| s.1.iter_mut().for_each(|vote| vote.groups = all_groups()),
        admit: |s, _, _| s.0.groups.push(names(&["audit", "finance", "legal"])),
        ..TRUE
    },
    Machine {
        name: "any field can be edited",
        admit: |s, vote, _| {
            if let Decision::Edit { with: Value::Map(fields) } = &vote.decision {
                s.0.editable.extend(fields.keys().cloned());
            }
        },
        ..TRUE
    },
    Machine { name: "any action can be answered", admit: |s, _, _| s.0.answerable = true, ..TRUE },
    Machine {
        name: "an edit is a yes",
        standing: |s| {
            for vote in s.1.iter_mut().filter(|vote| matches!(vote.decision, Decision::Edit { .. })) {
                vote.decision = Decision::Approve;
            }
        },
        ..TRUE
    },
    Machine { name: "what starts is not compared with what was approved", about_to: |terms, _| terms.hash, ..TRUE },
    Machine {
        name: "an escalation takes the old votes with it",
        escalate: |before, terms| terms.asked_at = before.asked_at,
        ..TRUE
    },
    Machine { name: "it escalates as often as time runs out", escalate: |_, terms| terms.escalated = false, ..TRUE },
    hashes("the tenant is not hashed", |a| a.tenant = "".into()),
    hashes("the run is not hashed", |a| a.run = RunId::from_bytes([0; 16])),
    hashes("the step is not hashed", |a| a.step = StepPath::new("")),
    hashes("the call is not hashed", |a| a.call = 0),
    hashes("the tool is not hashed", |a| a.tool = "".into()),
    hashes("the operation is not hashed", |a| a.operation = "".into()),
    hashes("the pin of the tool is not hashed", |a| a.tool_pin = Digest::ZERO),
    hashes("the class is not hashed", |a| a.class = Effect::Read),
    hashes("the resource is not hashed", |a| a.resource = Value::Null),
    hashes("the arguments are not hashed", |a| a.with = Value::Null),
    hashes("the secrets are not hashed", |a| a.secrets.clear()),
    hashes("only names of secrets are hashed", |a| a.secrets.values_mut().for_each(|version| *version = "".into())),
    hashes("the undo is not hashed", |a| a.undo.clear()),
];
