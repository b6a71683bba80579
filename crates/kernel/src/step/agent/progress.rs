//! Whether an agent gets on: what is done about each proposal, and when its model turns in circles.
//!
//! Made anew from the journal each time, and from nothing else, so that a resumed run judges as the one before it did.

use std::collections::BTreeSet;

use super::Agent;
use crate::{
    context::{EVIDENCE, Proposed, Returned},
    ids::Digest,
    next::{Stop, Walk},
    recovery::{Failure, FailureKind},
    run::Talk,
    step::turn::{ANSWER, Told, Words},
    values::Value,
};

/// Proposals with wrong arguments that are told back in a visit.
const MOST_INVALID: usize = 2;

/// What is done about a proposal.
enum What {
    /// It is put before the rules, and done if they allow it.
    Act,
    /// No offer has this name.
    Unknown,
    /// The arguments do not fit.
    Invalid(Vec<String>),
    /// An answer beside other proposals.
    Early,
    /// The same for the third time.
    Again,
    /// The second half of the same two in turn.
    BackAndForth,
}

/// How far an agent has come.
pub(super) struct Progress {
    /// Proposals that were put before the rules, in all turns.
    pub acted: u32,
    /// It was told that it turns in circles.
    pub nudged: bool,
    /// The proposals of the turn in progress that nothing is done about.
    refused: Vec<Option<Refusal>>,
    /// The model repeated itself in this turn.
    repeats: Option<String>,
    /// What earlier turns brought.
    known: BTreeSet<Digest>,
    /// The turn before brought nothing.
    idle: bool,
    /// What each proposal of the turn asks for.
    asked: Vec<Digest>,
}

/// Why nothing is done about a proposal.
#[derive(Clone)]
pub(super) struct Refusal {
    pub failure: Failure,
    /// The agent has failed with it; otherwise its model is told.
    pub ends: bool,
}

impl Progress {
    /// After the turns that are over, in a turn in which this was said.
    pub fn of(agent: &Agent, walk: &Walk<'_>, talk: &Talk, words: &Words) -> Result<Progress, Stop> {
        let mut so_far = Progress {
            acted: 0,
            nudged: false,
            refused: Vec::new(),
            repeats: None,
            known: BTreeSet::new(),
            idle: false,
            asked: Vec::new(),
        };
        let (mut acts, mut unknown, mut invalid) = (Vec::new(), 0, 0);
        for exchange in &talk.past {
            let words = Words::of_value(&walk.unhold(&exchange.said)?);
            let told = Told::of_value(&walk.unhold(&exchange.returned)?);
            for one in &words.proposed {
                match agent.what(one, &mut acts) {
                    What::Act => so_far.acted += 1,
                    What::Unknown => unknown += 1,
                    What::Invalid(_) => invalid += 1,
                    What::Early | What::Again | What::BackAndForth => {}
                }
            }
            let asked: Vec<Digest> = words.proposed.iter().map(asked).collect();
            so_far.idle = !so_far.learns(&asked, &told.returned);
            so_far.nudged |= told.nudged;
        }
        for one in &words.proposed {
            let inside = |kind, detail: String| Failure::inside(kind, detail);
            let refusal = match agent.what(one, &mut acts) {
                What::Act if so_far.acted >= agent.actions => {
                    let detail = format!("the limit of actions, {}, is reached", agent.actions);
                    Some(Refusal { failure: inside(FailureKind::NoProgress, detail), ends: true })
                }
                What::Act => {
                    so_far.acted += 1;
                    None
                }
                What::Unknown => {
                    let names: Vec<&str> = agent.granted.iter().map(|one| &*one.name).chain([ANSWER]).collect();
                    let detail = format!("`{}` is not offered: use one of {}", one.name, names.join(", "));
                    Some(Refusal { failure: inside(FailureKind::UnknownTool, detail), ends: unknown > 0 })
                }
                What::Invalid(complaints) => {
                    invalid += 1;
                    let detail = format!("the arguments of `{}`: {}", one.name, complaints.join("; "));
                    let ends = invalid > MOST_INVALID;
                    Some(Refusal { failure: inside(FailureKind::InvalidArguments, detail), ends })
                }
                What::Early => {
                    let detail = format!("`{ANSWER}` stands alone, after you have seen what came of your proposals");
                    Some(Refusal { failure: inside(FailureKind::InvalidOutput, detail), ends: false })
                }
                What::Again => {
                    Some(so_far.repeated(format!("`{}` with the same arguments for the third time", one.name)))
                }
                What::BackAndForth => {
                    Some(so_far.repeated(format!("the same two actions in turn, `{}` the last of them", one.name)))
                }
            };
            so_far.refused.push(refusal);
            so_far.asked.push(asked(one));
        }
        Ok(so_far)
    }

    fn repeated(&mut self, why: String) -> Refusal {
        self.repeats.get_or_insert_with(|| why.clone());
        let detail = if self.nudged { why } else { format!("{why}: it is not done again") };
        let failure = Failure::inside(FailureKind::NoProgress, detail);
        Refusal { failure, ends: self.nudged }
    }

    /// Why nothing is done about this proposal of the turn; `None`: it is an act.
    pub fn refused(&self, place: usize) -> Option<Refusal> {
        self.refused.get(place).cloned().flatten()
    }

    /// Why the model turns in circles, once all of the turn is dealt with.
    pub fn stuck(&self, returned: &[Returned]) -> Option<String> {
        let brings = brings(&self.asked, returned).any(|one| !self.known.contains(&one));
        self.repeats.clone().or_else(|| (self.idle && !brings).then(|| "two turns brought nothing new".to_owned()))
    }

    /// Whether a turn brought something; it is known from then on.
    fn learns(&mut self, asked: &[Digest], returned: &[Returned]) -> bool {
        let mut new = false;
        for one in brings(asked, returned) {
            new |= self.known.insert(one);
        }
        new
    }
}

/// What the results of a turn say, without what is new in each of them: its evidence.
fn brings<'r>(asked: &'r [Digest], returned: &'r [Returned]) -> impl Iterator<Item = Digest> + 'r {
    let done = asked.iter().zip(returned).filter(|(_, returned)| !returned.failed);
    done.map(|(asked, returned)| {
        let text = returned.text.rsplit_once(EVIDENCE).map_or(&*returned.text, |(text, _)| text);
        Digest::of(&[asked.bytes(), text.as_bytes()])
    })
}

/// What a proposal asks for: the offer with these arguments.
fn asked(one: &Proposed) -> Digest {
    Value::list([Value::Text(one.name.clone()), one.arguments.clone()]).digest()
}

impl Agent {
    /// What is done about a proposal after those in `acts`, which it joins.
    fn what(&self, one: &Proposed, acts: &mut Vec<Digest>) -> What {
        if *one.name == *ANSWER {
            return What::Early;
        }
        let Some(granted) = self.named(&one.name) else { return What::Unknown };
        if let Err(complaints) = granted.params().validate(&one.arguments) {
            return What::Invalid(complaints);
        }
        let this = asked(one);
        let before = acts.iter().filter(|act| **act == this).count();
        let in_turn = matches!(acts.as_slice(), [.., a, b, c] if a == c && *b == this && *a != this);
        acts.push(this);
        match before {
            2.. => What::Again,
            _ if in_turn => What::BackAndForth,
            _ => What::Act,
        }
    }
}

/// A failure, as its model is told: a denial says nothing of the rules.
pub(super) fn in_words(failure: &Failure) -> String {
    match failure.kind {
        FailureKind::PermissionDenied => "not permitted".to_owned(),
        FailureKind::ApprovalRejected => format!("a person was asked: {}", failure.detail),
        kind => format!("{kind}: {}", failure.detail),
    }
}
