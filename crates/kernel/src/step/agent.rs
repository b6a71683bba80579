//! `agent`: a bounded loop in which a model proposes actions that it was granted. `AgentOpened` opens it. In each turn the model is
//! asked (`tell[2]/ask`) and answers with proposals; each is done as an act of its own (`tell[2]/call1`), and `TurnDone` says what the
//! model is told. It ends by proposing `answer`: `StepDone` closes the step with it.
//!
//! Every turn must be worth something: turns and actions are limited, and a model that turns in circles is told so once.

mod progress;
mod read;

use std::sync::Arc;

use self::progress::{Progress, Refusal};
pub(crate) use self::read::{KEYS, LATER, read};
use super::{
    Step,
    proposals::{Granted, call_name},
    reason::Reason,
    turn::{self, Told, Words},
};
use crate::{
    context::{EVIDENCE, Returned},
    ids::StepPath,
    journal::{Event, Held},
    next::{Frame, Inner, Record, Steps, Stop, Walk, Walked},
    recovery::{Failure, FailureKind, Response},
    run::{ASK, Doing, Open, Slot, Talk},
    values::Value,
};

/// `agent: prompts/reply.md`, `model`, `see`, `tools`, `limits`, `output`, `check`, `trust`.
#[derive(Debug)]
pub struct Agent {
    /// What asks its model: a `reason` step that offers what is granted.
    pub ask: Step,
    /// What it may propose.
    pub granted: Vec<Granted>,
    /// At most so many turns in a visit.
    pub turns: u32,
    /// At most so many actions in a visit.
    pub actions: u32,
}

impl Agent {
    /// What is asked, and what the answer must fit.
    pub fn asks(&self) -> &Reason {
        match &self.ask.kind {
            super::Kind::Reason(reason) => reason,
            _ => unreachable!("an agent asks with a `reason` step: held by the reader"),
        }
    }

    /// Whether one of its operations may change something outside.
    pub fn writes(&self) -> bool {
        self.granted.iter().any(Granted::writes)
    }

    /// The operation that a model calls by this name.
    pub fn named(&self, name: &str) -> Option<&Granted> {
        self.granted.iter().find(|one| *one.name == *name)
    }

    pub(crate) fn begin(&self, walk: &mut Walk<'_>, path: &StepPath, frame: &Frame<'_>) {
        if !frame.draining() {
            walk.record(Event::AgentOpened { step: path.clone() });
        }
    }

    pub(crate) fn go_on<'a>(
        &'a self,
        walk: &mut Walk<'a>,
        open: &'a Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Doing::Talking(talk) = &open.doing else { return Ok(()) };
        let steps = &talk.body.steps;
        if let Some(failure) = &steps.failed {
            return Err(Stop::Failed(failure.clone()));
        }
        let inner = self.body(walk, talk, path)?;
        let Some(said) = talk.said() else {
            if talk.turn >= self.turns && steps.open.is_none() {
                return Err(Stop::Failed(self.at_its_end(
                    walk,
                    path,
                    &format!("the limit of turns, {}, is reached", self.turns),
                )));
            }
            return into(walk.body(Some(&talk.body), frame, &inner));
        };
        let words = Words::of_value(&walk.unhold(said)?);
        if let Some(answer) = words.answer() {
            if !frame.draining() {
                let mut blobs = Vec::new();
                let output = Held::hold(answer.clone(), &mut blobs);
                walk.push(Record { event: Event::StepDone { step: path.clone(), output }, blobs });
            }
            return Ok(());
        }
        let progress = Progress::of(self, walk, talk, &words)?;
        let place = steps.over.saturating_sub(1) as usize;
        if place >= words.proposed.len() {
            return if frame.draining() { Ok(()) } else { self.turn_over(walk, (path, talk), &words, &progress) };
        }
        match progress.refused(place) {
            None => into(walk.body(Some(&talk.body), frame, &inner)),
            Some(refusal) => {
                self.refuse(walk, (path, &inner, talk), place, refusal, frame);
                Ok(())
            }
        }
    }

    /// The turn in progress: what asks, then what does each proposal.
    pub(crate) fn body<'a>(&'a self, walk: &Walk<'_>, talk: &Talk, path: &StepPath) -> Result<Inner<'a>, Stop> {
        let mut steps = vec![(Arc::from(ASK), Some(&self.ask))];
        if let Some(said) = talk.said() {
            let words = Words::of_value(&walk.unhold(said)?);
            let call = |(place, one): (usize, &crate::context::Proposed)| {
                (call_name(place), self.named(&one.name).map(|granted| &granted.step))
            };
            steps.extend(words.proposed.iter().enumerate().map(call));
        }
        Ok(Inner {
            path: format!("{path}[{}]", talk.turn),
            steps: Steps::Proposed(steps),
            named: None,
            item: None,
            index: None,
            drain: false,
        })
    }

    /// Nothing is done about this proposal: that is recorded, and then whether the model is told or the agent has failed.
    fn refuse(
        &self,
        walk: &mut Walk<'_>,
        (path, inner, talk): (&StepPath, &Inner<'_>, &Talk),
        place: usize,
        refusal: Refusal,
        frame: &Frame<'_>,
    ) {
        let step = StepPath::new(format!("{}/{}", inner.path, call_name(place)));
        match &talk.body.steps.open {
            None if frame.draining() => {}
            None => {
                let failure = match refusal.ends {
                    true if refusal.failure.kind == FailureKind::NoProgress => {
                        self.at_its_end(walk, path, &refusal.failure.detail)
                    }
                    _ => refusal.failure,
                };
                walk.record(Event::StepFailed { step, failure });
            }
            Some(open) if open.failure.is_some() => {
                let response = if refusal.ends { Response::Fail } else { Response::GiveBack };
                walk.record(Event::FailureAnswered { step, response });
            }
            Some(_) => {}
        }
    }

    /// All proposals of a turn are dealt with: the model is told, unless it turns in circles and was told so before.
    fn turn_over(
        &self,
        walk: &mut Walk<'_>,
        (path, talk): (&StepPath, &Talk),
        words: &Words,
        progress: &Progress,
    ) -> Result<(), Stop> {
        let mut told = Told::default();
        let body = StepPath::new(format!("{path}[{}]", talk.turn));
        for (place, one) in words.proposed.iter().enumerate() {
            let name = call_name(place);
            let (text, failed) = match talk.body.values.get(&name) {
                Some(Slot::Gave(held)) => {
                    (self.result(walk, &StepPath::new(format!("{body}/{name}")), &walk.unhold(held)?), false)
                }
                Some(Slot::GaveBack(failure)) => (progress::in_words(failure), true),
                Some(Slot::Skipped) | None => ("nothing came of it".to_owned(), true),
            };
            told.returned.push(Returned { id: one.id.clone(), name: one.name.clone(), text: text.into(), failed });
        }
        let stuck = progress.stuck(&told.returned);
        if let Some(why) = stuck.as_ref().filter(|_| progress.nudged) {
            return Err(Stop::Failed(self.at_its_end(walk, path, why)));
        }
        told.nudged = stuck.is_some();
        let mut says: Vec<String> = stuck
            .map(|why| format!("You turn in circles: {why}. Do something else, or answer with what you have."))
            .into_iter()
            .collect();
        if progress.acted >= self.actions {
            says.push(format!("Your limit of actions, {}, is reached: answer now.", self.actions));
        } else if talk.turn + 2 == self.turns {
            says.push("This is your last turn: answer now.".to_owned());
        }
        told.says = (!says.is_empty()).then(|| says.join(" ").into());
        let mut blobs = Vec::new();
        let output = Held::hold(told.to_value(), &mut blobs);
        walk.push(Record { event: Event::TurnDone { body, output, again: true }, blobs });
        Ok(())
    }

    /// What an act gave, for the model: cut if it is long, and with the evidence that it was done.
    fn result(&self, walk: &Walk<'_>, path: &StepPath, gave: &Value) -> String {
        const LONGEST: usize = 8 * 1024;
        let mut text = gave.as_str().map_or_else(|| gave.to_json(), str::to_owned);
        if text.len() > LONGEST {
            let whole = text.len();
            text.truncate(text.floor_char_boundary(LONGEST));
            text.push_str(&format!("\n(cut: these are the first {} of {whole} bytes)", text.len()));
        }
        let act = walk.state.performed.iter().rev().find(|one| one.step == *path);
        let evidence = act.map(|one| format!("{}{}", EVIDENCE, turn::evidence(walk, one)));
        text + &evidence.unwrap_or_default()
    }

    /// It can go no further: why, and what it has done until then.
    fn at_its_end(&self, walk: &Walk<'_>, path: &StepPath, why: &str) -> Failure {
        let done: Vec<String> = turn::acts_of(walk, path)
            .map(|one| format!("{} ({})", turn::called(one), turn::evidence(walk, one)))
            .collect();
        let done = if done.is_empty() { "nothing".to_owned() } else { done.join(", ") };
        Failure::inside(FailureKind::NoProgress, format!("{why}, and there is no answer; done until then: {done}"))
    }
}

fn into(walked: Walked) -> Result<(), Stop> {
    match walked {
        Walked::Failed(failure) => Err(Stop::Failed(failure)),
        Walked::Over | Walked::Busy => Ok(()),
    }
}
