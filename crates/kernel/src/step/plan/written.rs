//! A plan as a model wrote it: read strictly, so that every mistake is told in words that the model can mend.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    context::Proposed,
    ids::Digest,
    step::proposals::Granted,
    values::{Map, Value},
};

/// Longest id of an action.
const LONGEST_ID: usize = 32;
/// Most mistakes that are told at once.
const MOST_TOLD: usize = 8;

/// A plan that is valid.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    /// What it is for, in the model's words.
    pub goal: Arc<str>,
    /// In the order in which they are done.
    pub actions: Vec<Action>,
}

/// One action of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub id: Arc<str>,
    /// `tool.operation`.
    pub act: Arc<str>,
    pub with: Value,
    pub why: Arc<str>,
    pub needs: Vec<Arc<str>>,
}

impl Action {
    fn to_value(&self) -> Value {
        let needs = Value::list(self.needs.iter().cloned().map(Value::Text));
        Value::map([
            ("id", Value::Text(self.id.clone())),
            ("act", Value::Text(self.act.clone())),
            ("with", self.with.clone()),
            ("why", Value::Text(self.why.clone())),
            ("needs", needs),
        ])
    }

    /// As a proposal of its operation.
    pub fn proposed(&self, granted: &Granted) -> Proposed {
        Proposed { id: self.id.clone(), name: granted.name.clone(), arguments: self.with.clone() }
    }
}

impl Written {
    /// Reads what a model wrote.
    ///
    /// # Errors
    /// What is wrong with it, one sentence for each mistake.
    pub fn read(value: &Value, granted: &[Granted], most: u32) -> Result<Written, Vec<String>> {
        let mut wrong = Vec::new();
        let Value::Map(map) = value else { return Err(vec!["the plan is no object".to_owned()]) };
        only(map, &["goal", "actions"], "the plan", &mut wrong);
        let goal = text(map, "goal", "the plan", &mut wrong);
        let items = match map.get("actions") {
            Some(Value::List(items)) => items.to_vec(),
            _ => {
                wrong.push("the plan: `actions` is missing, or no list".to_owned());
                Vec::new()
            }
        };
        if items.len() > most as usize {
            wrong.push(format!("the plan has {} actions, at most {most} are allowed", items.len()));
        }
        let mut actions: Vec<Action> = Vec::new();
        for (place, item) in items.iter().enumerate() {
            let Some(action) = action(item, place, granted, &mut wrong) else { continue };
            if actions.iter().any(|other| other.id == action.id) {
                wrong.push(format!("two actions have the id `{}`", action.id));
            }
            actions.push(action);
        }
        let ids: BTreeSet<&Arc<str>> = actions.iter().map(|action| &action.id).collect();
        for action in &actions {
            for need in action.needs.iter().filter(|need| !ids.contains(need)) {
                wrong.push(format!("action `{}` needs `{need}`, and there is no such action", action.id));
            }
        }
        if wrong.is_empty() {
            return match in_order(actions) {
                Ok(actions) => Ok(Written { goal, actions }),
                Err(round) => Err(vec![format!("the needs of {} go round in a circle", round.join(", "))]),
            };
        }
        wrong.truncate(MOST_TOLD);
        Err(wrong)
    }

    /// As data.
    pub fn to_value(&self) -> Value {
        let actions = Value::list(self.actions.iter().map(Action::to_value));
        Value::map([("goal", Value::Text(self.goal.clone())), ("actions", actions)])
    }

    /// What a yes to it is about.
    pub fn digest(&self) -> Digest {
        Digest::of(&[b"surefoot/plan/v1\0", &self.to_value().to_jcs()])
    }

    /// What its model says of it, for people.
    pub fn in_words(&self) -> String {
        let whys = self.actions.iter().map(|action| format!("{}: {}", action.id, action.why));
        [self.goal.to_string()].into_iter().chain(whys).collect::<Vec<_>>().join("\n")
    }
}

fn action(value: &Value, place: usize, granted: &[Granted], wrong: &mut Vec<String>) -> Option<Action> {
    let before = wrong.len();
    let number = format!("action number {}", place + 1);
    let Value::Map(map) = value else {
        wrong.push(format!("{number} is no object"));
        return None;
    };
    let id = text(map, "id", &number, wrong);
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !id.is_empty() && (id.len() > LONGEST_ID || !id.chars().all(plain)) {
        wrong.push(format!("{number}: an id has lower-case letters, digits and `_`, at most {LONGEST_ID}"));
    }
    let named = if wrong.len() == before { format!("action `{id}`") } else { number };
    only(map, &["id", "act", "with", "why", "needs"], &named, wrong);
    let act = text(map, "act", &named, wrong);
    let with = map.get("with").cloned().unwrap_or_else(|| Value::map::<&str>([]));
    match granted.iter().find(|one| *one.action() == *act) {
        None if act.is_empty() => {}
        None => {
            let offered: Vec<String> = granted.iter().map(Granted::action).collect();
            wrong.push(format!("{named}: `{act}` is not offered: use one of {}", offered.join(", ")));
        }
        Some(one) => {
            if let Err(complaints) = one.params().validate(&with) {
                wrong.push(format!("{named}: the arguments of `{act}`: {}", complaints.join("; ")));
            }
        }
    }
    let why = text(map, "why", &named, wrong);
    let needs = match map.get("needs") {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::List(items)) if items.iter().all(|item| item.as_str().is_some()) => {
            items.iter().filter_map(Value::as_str).map(Into::into).collect()
        }
        Some(_) => {
            wrong.push(format!("{named}: `needs` is no list of ids"));
            Vec::new()
        }
    };
    (wrong.len() == before).then_some(Action { id, act, with, why, needs })
}

fn text(map: &Map, key: &str, what: &str, wrong: &mut Vec<String>) -> Arc<str> {
    let text = map.get(key).and_then(Value::as_str).map(str::trim).unwrap_or_default();
    if text.is_empty() {
        wrong.push(format!("{what}: `{key}` is missing, or no text"));
    }
    text.into()
}

fn only(map: &Map, known: &[&str], what: &str, wrong: &mut Vec<String>) {
    for key in map.keys().filter(|key| !known.contains(&&***key)) {
        wrong.push(format!("{what}: `{key}` may not stand there"));
    }
}

/// Each after what it needs, otherwise as written; or those whose needs never come true.
fn in_order(mut left: Vec<Action>) -> Result<Vec<Action>, Vec<String>> {
    let mut done: Vec<Action> = Vec::new();
    while !left.is_empty() {
        let ready = |action: &Action| action.needs.iter().all(|need| done.iter().any(|one| one.id == *need));
        match left.iter().position(ready) {
            Some(place) => {
                let next = left.remove(place);
                done.push(next);
            }
            None => return Err(left.iter().map(|action| format!("`{}`", action.id)).collect()),
        }
    }
    Ok(done)
}
