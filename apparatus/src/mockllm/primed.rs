//! Answers that a harness gives beforehand: turn by turn, or as another run had them.

use std::{
    collections::BTreeMap,
    sync::{
        LazyLock, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use regex::Regex;
use serde_json::Value;

use super::{
    asked::{Asked, Use, Who},
    persona::{Proposal, Scripted},
};

/// Names that a run or a store makes up: in two runs they differ, and stand at the same places.
static MADE_UP: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\b[a-z]{2,8}_[0-9a-f]{32,40}\b").expect("a pattern of this file"));

/// What a harness wants to be answered.
#[derive(Debug, Default)]
pub struct Primed {
    turns: Mutex<BTreeMap<(String, usize), Scripted>>,
    /// By model and template of the ask.
    recorded: Mutex<BTreeMap<(String, String), Vec<Scripted>>>,
    improvises: bool,
    improvised: AtomicU64,
}

impl Primed {
    /// What nobody primed is answered as the schema wants it instead of refused: for conversations that faults lead astray.
    pub fn improvising() -> Primed {
        Primed { improvises: true, ..Primed::default() }
    }

    /// From now on the ask with these words (the first message that is not of the system), in this turn of its conversation, is answered so.
    pub fn prime(&self, ask: &str, turn: usize, answer: Scripted) {
        let mut all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert((ask.to_owned(), turn), answer);
    }

    /// From now on the ask of `model` (the name at the server) that begins with these words is answered as another run had it: by the first of `said`, and by the next one
    /// once the conversation holds what the one before proposed. Complaints about other answers change nothing, and names that the
    /// other run made up are those of this one.
    pub fn record(&self, model: &str, ask: &str, said: Vec<Scripted>) {
        let (ask, names) = template(ask);
        let blank = |text: &str| blanked(text, &names);
        let said = said.into_iter().map(|one| Scripted {
            answer: one.answer.map(|answer| through(&answer, &blank)),
            propose: one
                .propose
                .into_iter()
                .map(|one| Proposal { arguments: through(&one.arguments, &blank), ..one })
                .collect(),
            ..one
        });
        let said: Vec<Scripted> = said.collect();
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner).insert((model.to_owned(), ask), said);
    }

    /// How often something was answered that nobody primed.
    pub fn improvised(&self) -> u64 {
        self.improvised.load(Ordering::Relaxed)
    }

    /// `None`: nobody primed it. An answer without words and proposals is to be improvised.
    pub(super) fn find(&self, asked: &Asked) -> Option<Scripted> {
        let (ask, turn) = asked.ask();
        let all = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(one) = all.get(&(ask.to_owned(), turn)) {
            return Some(one.clone());
        }
        if let Some(one) = self.replayed(asked, ask) {
            return Some(one);
        }
        self.improvises.then(|| {
            self.improvised.fetch_add(1, Ordering::Relaxed);
            Scripted { when: None, answer: None, propose: Vec::new(), fault: None }
        })
    }

    fn replayed(&self, asked: &Asked, ask: &str) -> Option<Scripted> {
        let (ask, names) = template(ask);
        let all = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        // The longest that it begins with: what follows is a complaint.
        let (_, said) = all
            .iter()
            .filter(|((model, known), _)| *model == asked.model && ask.starts_with(known.as_str()))
            .max_by_key(|((_, known), _)| known.len())?;
        let fill = |text: &str| filled(text, &names);
        let filled: Vec<Scripted> = said
            .iter()
            .map(|one| Scripted {
                answer: one.answer.as_ref().map(|answer| through(answer, &fill)),
                propose: one
                    .propose
                    .iter()
                    .map(|one| Proposal { name: one.name.clone(), arguments: through(&one.arguments, &fill) })
                    .collect(),
                ..one.clone()
            })
            .collect();
        let spoken = asked.messages.iter().filter(|message| message.who == Who::Model && !message.uses.is_empty());
        let mut at = 0;
        for message in spoken {
            at += usize::from(filled.get(at).is_some_and(|one| proposes(one, &message.uses)));
        }
        filled.into_iter().nth(at)
    }
}

fn proposes(one: &Scripted, uses: &[Use]) -> bool {
    let same = |(one, used): (&Proposal, &Use)| one.name == used.name && one.arguments == used.arguments;
    one.propose.len() == uses.len() && one.propose.iter().zip(uses).all(same)
}

/// A text with made-up names as blanks, and these names, each once, as they come.
pub(crate) fn template(text: &str) -> (String, Vec<String>) {
    let mut names: Vec<String> = Vec::new();
    for found in MADE_UP.find_iter(text) {
        if !names.iter().any(|name| name == found.as_str()) {
            names.push(found.as_str().to_owned());
        }
    }
    (blanked(text, &names), names)
}

fn blank(nth: usize) -> String {
    format!("\u{1}{nth}\u{1}")
}

fn blanked(text: &str, names: &[String]) -> String {
    names.iter().enumerate().fold(text.to_owned(), |text, (nth, name)| text.replace(name.as_str(), &blank(nth)))
}

fn filled(text: &str, names: &[String]) -> String {
    names.iter().enumerate().fold(text.to_owned(), |text, (nth, name)| text.replace(&blank(nth), name))
}

/// The same value with every text changed.
fn through(value: &Value, change: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => change(text).into(),
        Value::Array(items) => items.iter().map(|item| through(item, change)).collect(),
        Value::Object(fields) => fields.iter().map(|(key, field)| (key.clone(), through(field, change))).collect(),
        other => other.clone(),
    }
}
