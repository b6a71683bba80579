//! One turn of a model that proposes: what it is shown of the turns before, and what its answer is.
//!
//! The conversation is made anew from the journal each time: what the model said stands in its `ModelAnswered`, what it was told then
//! in the `TurnDone` of that turn.

mod claims;

use std::{collections::BTreeMap, sync::Arc};

pub(crate) use self::claims::unproven;
use crate::{
    context::{Offer, Proposed, Returned, Turn},
    ids::StepPath,
    journal::{Claimed, Held},
    next::{Stop, Walk},
    recovery::{Failure, FailureKind, Phase},
    run::Performed,
    values::{Map, Value},
};

/// The offer that ends the work.
pub const ANSWER: &str = "answer";

/// Most proposals of one turn.
const MOST_PROPOSED: usize = 16;

/// What a model is offered in its turns.
#[derive(Debug)]
pub struct Turning {
    /// The step whose turns they are.
    pub by: Arc<str>,
    /// The operations, then [`ANSWER`].
    pub offers: Arc<[Offer]>,
    /// `tool.operation`, by the offer's name.
    pub actions: BTreeMap<Arc<str>, Arc<str>>,
    /// One of them may change something outside: the answer says what was done.
    pub claims: bool,
}

/// What a model said in one turn.
#[derive(Clone, Debug)]
pub(crate) struct Words {
    pub model: Arc<str>,
    pub text: Arc<str>,
    pub proposed: Vec<Proposed>,
    pub echo: Option<Value>,
}

impl Words {
    pub fn of_answer(model: &Arc<str>, text: &Value, proposed: &[Proposed], echo: Option<Value>) -> Words {
        let text = match text {
            Value::Null => "".into(),
            Value::Text(text) => text.clone(),
            other => other.to_json().into(),
        };
        Words { model: model.clone(), text, proposed: proposed.to_vec(), echo }
    }

    pub fn of_value(value: &Value) -> Words {
        let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().into();
        let proposed = match value.get("proposed") {
            Some(Value::List(all)) => all.iter().map(Proposed::of_value).collect(),
            _ => Vec::new(),
        };
        Words { model: text("model"), text: text("text"), proposed, echo: value.get("echo").cloned() }
    }

    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("model".into(), Value::Text(self.model.clone()));
        if !self.text.is_empty() {
            map.insert("text".into(), Value::Text(self.text.clone()));
        }
        map.insert("proposed".into(), Value::list(self.proposed.iter().map(Proposed::to_value)));
        if let Some(echo) = &self.echo {
            map.insert("echo".into(), echo.clone());
        }
        Value::Map(Arc::new(map))
    }

    /// The answer that ends the work. One beside other proposals was written before anything came of them, and does not count.
    pub fn answer(&self) -> Option<&Value> {
        let ends = self.proposed.iter().all(|one| *one.name == *ANSWER);
        self.proposed.first().filter(|_| ends).map(|one| &one.arguments)
    }
}

/// What a model was told at the end of a turn.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// What came of each of its proposals.
    pub returned: Vec<Returned>,
    /// What we say besides.
    pub says: Option<Arc<str>>,
    /// It was told that it turns in circles.
    pub nudged: bool,
}

impl Told {
    pub fn of_value(value: &Value) -> Told {
        let returned = match value.get("returned") {
            Some(Value::List(all)) => all.iter().map(Returned::of_value).collect(),
            _ => Vec::new(),
        };
        Told {
            returned,
            says: value.get("told").and_then(Value::as_str).map(Into::into),
            nudged: value.get("nudged") == Some(&Value::Bool(true)),
        }
    }

    pub fn to_value(&self) -> Value {
        let mut map = Map::new();
        map.insert("returned".into(), Value::list(self.returned.iter().map(Returned::to_value)));
        if let Some(says) = &self.says {
            map.insert("told".into(), Value::Text(says.clone()));
        }
        if self.nudged {
            map.insert("nudged".into(), true.into());
        }
        Value::Map(Arc::new(map))
    }
}

impl Turning {
    /// What followed the ask until now, then what was wrong with the last answer.
    pub(crate) fn so_far(&self, walk: &Walk<'_>, path: &StepPath, repairs: &[&str]) -> Result<Vec<Turn>, Stop> {
        let mut turns = Vec::new();
        if let Some((agent, open, talk)) = walk.state.talk_of(path) {
            if open.visit > 1 {
                turns.extend(self.done_before(walk, &agent));
            }
            for exchange in &talk.past {
                let words = Words::of_value(&walk.unhold(&exchange.said)?);
                let told = Told::of_value(&walk.unhold(&exchange.returned)?);
                turns.push(Turn::Said {
                    model: words.model,
                    text: words.text,
                    proposed: words.proposed,
                    echo: words.echo,
                });
                turns.push(Turn::Returned(told.returned));
                turns.extend(told.says.map(Turn::Told));
            }
        }
        if !repairs.is_empty() {
            let list = repairs.iter().map(|error| format!("- {error}")).collect::<Vec<_>>().join("\n");
            let told = format!("Your last answer was not accepted. Answer again and mend this:\n{list}");
            turns.push(Turn::Told(told.into()));
        }
        Ok(turns)
    }

    /// What an earlier visit of the step has done: it is begun afresh, and what it did outside stands.
    fn done_before(&self, walk: &Walk<'_>, agent: &StepPath) -> Option<Turn> {
        let done: Vec<String> = acts_of(walk, agent)
            .filter(|one| one.writes)
            .map(|one| format!("- {}, evidence: {}", called(one), evidence(walk, one)))
            .collect();
        let told =
            format!("This was done already in an earlier attempt at this work, and stands:\n{}", done.join("\n"));
        (!done.is_empty()).then(|| Turn::Told(told.into()))
    }

    /// Why what was said is no turn.
    pub(crate) fn refusal(&self, words: &Words) -> Option<Failure> {
        let names = || self.offers.iter().map(|offer| &*offer.name).collect::<Vec<_>>().join(", ");
        let detail = match words.proposed.len() {
            0 => format!("nothing was proposed: use one of {}; `{ANSWER}` ends the work", names()),
            count if count > MOST_PROPOSED => {
                format!("{count} proposals in one turn: at most {MOST_PROPOSED} are read")
            }
            _ => return None,
        };
        Some(Failure { kind: FailureKind::InvalidOutput, phase: Phase::Answered, detail, retry_after: None })
    }

    /// How the claims of an answer stand; nothing where nothing could be done.
    pub(crate) fn claims(&self, walk: &Walk<'_>, path: &StepPath, answer: &Value) -> Result<Vec<Claimed>, Stop> {
        match walk.state.talk_of(path) {
            Some((agent, _, talk)) if self.claims => claims::judge(self, walk, (&agent, talk), answer),
            _ => Ok(Vec::new()),
        }
    }
}

/// Acts of a step that were performed for certain and stand, in whichever of its visits.
pub(crate) fn acts_of<'w>(walk: &Walk<'w>, agent: &StepPath) -> impl Iterator<Item = &'w Performed> {
    let state = walk.state;
    let agent = agent.clone();
    let stands = move |one: &&Performed| one.certain && !one.taken_back && one.step.undoes().is_none();
    state.performed.iter().filter(stands).filter(move |one| one.step.is_inside(&agent))
}

/// An act in words: `mail.send on ann@example.org`.
pub(crate) fn called(one: &Performed) -> String {
    let on = one.resource.as_ref().map(|resource| format!(" on {}", resource.id)).unwrap_or_default();
    format!("{}.{}{on}", one.tool, one.operation)
}

/// The evidence id of an act.
pub(crate) fn evidence(walk: &Walk<'_>, one: &Performed) -> String {
    walk.state.evidence_id(one.entry)
}

impl Walk<'_> {
    /// The model that spoke in the turn before this one, or that a recovery chose for the step whose turns they are.
    pub(crate) fn spoke_last(&self, path: &StepPath) -> Result<Option<Arc<str>>, Stop> {
        let Some((_, open, talk)) = self.state.talk_of(path) else { return Ok(None) };
        let said: Option<&Held> = talk.past.last().map(|exchange| &exchange.said);
        match said {
            Some(said) => Ok(Some(Words::of_value(&self.unhold(said)?).model)),
            None => Ok(open.model.clone()),
        }
    }
}
