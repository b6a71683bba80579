//! What one run came to, and the runs that it handed work to: read from the store when the process is over.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Arc, LazyLock},
};

use gateway::model::lower::{self, Lowered, lower, lower_offers};
use kernel::{
    context::ModelRequest,
    journal::{BodyResult, Entry, Event, Held, StepResult},
    run::RunState,
    values::Value,
    workflow::{Program, model::Dialect},
};
use regex::Regex;
use serde::Serialize;
use serde_json::{Value as Json, json};
use store::{
    RunQuery, RunRow, Status, Store,
    sqlite::{SqliteOptions, SqliteStore},
};
use surefoot::asked;

use crate::{
    mockllm::{Proposal, Scripted, template},
    victim::Trouble,
};

/// Times that the clock of a process made.
static TIMES: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").expect("a pattern of this file"));

/// How a run was left.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Left {
    /// It has completed.
    Completed,
    /// It waits for a person: an approval, or work that was handed to one.
    Person,
    /// It is paused, after a failure of this kind.
    Paused(String),
    /// It has failed, with a failure of this kind.
    Failed(String),
    /// None of these when its process was over, or its process did not come to its end.
    Never(String),
}

/// What must be the same whoever answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// How it was left.
    pub left: Left,
    /// Its result, the effects with their arguments, and what each step came to; with blanks for made-up names and times.
    pub facts: Vec<String>,
}

/// An answer of a model, with what it was asked.
pub(super) struct Heard {
    model: String,
    request: ModelRequest,
    answer: Value,
}

/// A run that was played.
pub struct Played {
    /// What must be the same.
    pub outcome: Outcome,
    /// Sendings to models, of all runs together.
    pub asked: u64,
    /// What the run spent, in millionths of a US dollar.
    pub spent_uusd: i64,
    /// It spent more than its limit, or a bill was above what was set aside for it.
    pub overspent: bool,
    /// What its models answered.
    pub(super) heard: Vec<Heard>,
}

/// Reads what the process left in `place`, of which the workflow may spend `limit` millionths. `ended`: it came to its end by itself.
pub(super) async fn read(place: &Path, limit: i64, ended: Result<(), String>) -> Result<Played, Trouble> {
    let options = SqliteOptions { readers: 1, on_fatal: Box::new(|_| {}), ..SqliteOptions::default() };
    let store = SqliteStore::open(&place.join(".surefoot"), options)?;
    let mut rows = store.runs(RunQuery { limit: u32::MAX, ..RunQuery::default() }).await?;
    rows.sort_by_key(|row| row.run);
    let root = rows.iter().find(|row| row.parent.is_none()).cloned().ok_or("no run was started")?;
    let mut played = Played {
        outcome: Outcome { left: Left::Never(String::new()), facts: Vec::new() },
        asked: 0,
        spent_uusd: 0,
        overspent: false,
        heard: Vec::new(),
    };
    let (mut people, mut blocked, mut paused) = (false, false, None);
    for row in &rows {
        let entries = store.journal(row.run, 0, u32::MAX).await?;
        let told = tell(&store, row, &entries).await?;
        people |= told.people;
        match row.status {
            Status::Paused => paused = told.failure.clone(),
            Status::Blocked | Status::Quarantined => blocked = true,
            _ => {}
        }
        // What a run below has spent stands in the books of the one above it once it is over.
        if row.run == root.run || !row.status.is_final() {
            played.spent_uusd += told.settled_uusd;
        }
        if row.run == root.run {
            played.overspent |= told.total_uusd > limit;
            let failure = || told.failure.clone().unwrap_or_default();
            played.outcome.left = match root.status {
                Status::Completed => Left::Completed,
                Status::Failed | Status::Cancelled => Left::Failed(failure()),
                _ => Left::Never(root.status.as_str().to_owned()),
            };
        }
        played.overspent |= told.overrun;
        played.asked += told.asked;
        played.outcome.facts.extend(told.facts);
        played.heard.extend(heard(&store, row, &entries).await?);
    }
    if let (Left::Never(status), true) = (&played.outcome.left, ended.is_ok()) {
        played.outcome.left = match (paused, people) {
            // Nobody knows what to do about it, or why it stopped.
            _ if blocked => Left::Never("blocked".to_owned()),
            (Some(kind), _) => Left::Paused(kind),
            (None, true) if root.status != Status::Paused => Left::Person,
            (None, _) => Left::Never(status.clone()),
        };
    }
    if let Err(why) = ended {
        played.outcome.left = Left::Never(why);
    }
    Ok(played)
}

#[derive(Default)]
struct Told {
    people: bool,
    failure: Option<String>,
    asked: u64,
    settled_uusd: i64,
    /// With what is set aside.
    total_uusd: i64,
    overrun: bool,
    facts: Vec<String>,
}

/// One journal, as facts in the order of the steps' paths.
async fn tell(store: &SqliteStore, row: &RunRow, entries: &[Entry]) -> Result<Told, Trouble> {
    let (mut told, mut facts) = (Told::default(), Vec::new());
    let (mut state, mut asking) = (RunState::new(row.run), BTreeSet::new());
    for entry in entries {
        let event = entry.event()?;
        state.apply(entry, event.clone())?;
        let mut fact = |step: &str, what: &str, value: Json| facts.push((step.to_owned(), what.to_owned(), value));
        match event {
            Event::StepDone { step, output } => fact(step.as_str(), "done", value(store, row, &output).await?),
            Event::StepSkipped { step } => fact(step.as_str(), "skipped", Json::Null),
            Event::Decided { step, then, .. } => fact(step.as_str(), "decided", json!(then)),
            Event::BodyDone { body, result } => match result {
                BodyResult::Gave(output) => fact(body.as_str(), "gave", value(store, row, &output).await?),
                BodyResult::Failed(failure) => fact(body.as_str(), "failed", json!(failure.kind.as_str())),
                BodyResult::Dropped => fact(body.as_str(), "dropped", Json::Null),
            },
            Event::ModelAsked { .. } => told.asked += 1,
            Event::ModelAnswered { step, result: StepResult::Done(output), unsure: None, .. } => {
                let mut answer = value(store, row, &output).await?;
                // Of a turn that proposes counts what is proposed: who said it, and under which name, does not.
                if let Some(proposed) = answer.get_mut("proposed").and_then(Json::as_array_mut) {
                    let plain = |one: &mut Json| json!({ "name": one["name"], "arguments": one["arguments"] });
                    answer = proposed.iter_mut().map(plain).collect();
                }
                fact(step.as_str(), "answered", answer);
            }
            Event::ActionStarted { step, proposal, .. } => {
                let effect = format!("effect {}.{}", proposal.tool, proposal.operation);
                fact(step.as_str(), &effect, value(store, row, &proposal.with).await?);
            }
            Event::ActionFinished { step, result, .. } => match result {
                StepResult::Done(output) => fact(step.as_str(), "answered", value(store, row, &output).await?),
                StepResult::Failed(failure) => fact(step.as_str(), "failed", json!(failure.kind.as_str())),
            },
            Event::ApprovalRequested { step, approval, .. } => {
                fact(step.as_str(), "asks people", Json::Null);
                asking.insert(approval);
            }
            Event::ApprovalEnded { approval, .. } => {
                asking.remove(&approval);
            }
            Event::WorkOpened { step, work, .. } => {
                fact(step.as_str(), "hands work to people", Json::Null);
                asking.insert(work);
            }
            Event::WorkEnded { work, .. } | Event::WorkAnswered { work, .. } => {
                asking.remove(&work);
            }
            Event::StepFailed { failure, .. } => told.failure = Some(failure.kind.as_str().to_owned()),
            Event::RunFinished { end, result, failure } => {
                let result = match &result {
                    Some(result) => value(store, row, result).await?,
                    None => Json::Null,
                };
                fact("", &format!("ends {end:?}"), result);
                told.failure = failure.map(|failure| failure.kind.as_str().to_owned()).or(told.failure);
            }
            _ => {}
        }
    }
    told.people = !asking.is_empty();
    told.settled_uusd = state.spent.settled.money_uusd;
    told.total_uusd = state.spent.total().money_uusd;
    told.overrun = state.spent.overrun.money_uusd > 0;
    facts.sort_by(|one, other| (&one.0, &one.1).cmp(&(&other.0, &other.1)));
    let lines = facts.into_iter().map(|(step, what, value)| {
        let value = if value.is_null() { String::new() } else { format!(" {value}") };
        format!("{}/{step} {what}{value}", row.workflow)
    });
    let whole = TIMES.replace_all(&lines.collect::<Vec<_>>().join("\n"), "TIME").into_owned();
    told.facts = template(&whole).0.lines().map(str::to_owned).collect();
    Ok(told)
}

async fn value(store: &SqliteStore, row: &RunRow, held: &Held) -> Result<Json, Trouble> {
    Ok(whole(store, row, held).await?.to_serde())
}

async fn whole(store: &SqliteStore, row: &RunRow, held: &Held) -> Result<Value, Trouble> {
    match held {
        Held::Value(value) => Ok(value.clone()),
        Held::Blob(blob) => {
            let bytes = store.blob(row.run, blob.digest).await?.ok_or("a blob is not there")?;
            Ok(Value::from_json(&bytes)?)
        }
    }
}

/// What models were asked in a run, and answered.
async fn heard(store: &SqliteStore, row: &RunRow, entries: &[Entry]) -> Result<Vec<Heard>, Trouble> {
    let bundle = store.bundle(row.bundle).await?.ok_or("the bundle is not there")?;
    let program = Program::load(&bundle, &row.workflow).map_err(|why| why.to_string())?;
    let mut answers = BTreeMap::new();
    for entry in entries {
        if let Event::ModelAnswered { step, attempt, result: StepResult::Done(output), .. } = entry.event()? {
            // Stages may be entered again: of a step that answers twice the first answer stays with the first ask.
            answers.entry((step, attempt)).or_insert(whole(store, row, &output).await?);
        }
    }
    let mut heard = Vec::new();
    for one in asked::all(store, row.run, entries, &program).await? {
        if let Some(answer) = answers.remove(&(one.step, one.attempt)) {
            let request = one.request.map_err(|why| why.to_string())?;
            heard.push(Heard { model: one.model.to_string(), request, answer });
        }
    }
    Ok(heard)
}

/// By model of the project and ask: what was answered to it, in the order of the turns, as a server of this dialect would write it.
pub(super) fn recorded(heard: &[Heard], dialect: Dialect) -> BTreeMap<(String, String), Vec<Scripted>> {
    let mut all: BTreeMap<_, Vec<Scripted>> = BTreeMap::new();
    for Heard { model, request, answer } in heard {
        all.entry((model.clone(), request.user.clone())).or_default().push(said(request, answer, dialect));
    }
    all
}

fn said(request: &ModelRequest, answer: &Value, dialect: Dialect) -> Scripted {
    let dialect = match dialect {
        Dialect::OpenAiChat | Dialect::OpenAiResponses => lower::Dialect::OpenAi,
        Dialect::Anthropic => lower::Dialect::Anthropic,
        Dialect::Gemini => lower::Dialect::Gemini,
    };
    let written = |lowered: &Lowered, value: &Value| {
        if lowered.enforced() { lowered.write(value).to_serde() } else { value.to_serde() }
    };
    let mut scripted = Scripted { when: None, answer: None, propose: Vec::new(), fault: None };
    match answer.get("proposed") {
        Some(Value::List(proposed)) if !request.offers.is_empty() => {
            let lowered = lower_offers(&request.offers, dialect);
            scripted.propose = proposed
                .iter()
                .map(|one| {
                    let name = one.get("name").and_then(Value::as_str).unwrap_or_default();
                    let arguments = one.get("arguments").cloned().unwrap_or_default();
                    let nth = request.offers.iter().position(|offer| *offer.name == *name);
                    let arguments = nth.map_or_else(|| arguments.to_serde(), |nth| written(&lowered[nth], &arguments));
                    Proposal { name: name.to_owned(), arguments }
                })
                .collect();
        }
        _ => {
            let lowered = request.output_schema.as_ref().map(|schema| lower(schema, dialect));
            scripted.answer = Some(lowered.map_or_else(|| answer.to_serde(), |lowered| written(&lowered, answer)));
        }
    }
    scripted
}

impl Played {
    /// How many answers came from these models.
    pub(super) fn heard_of(&self, models: &[Arc<str>]) -> u64 {
        self.heard.iter().filter(|heard| models.iter().any(|model| **model == *heard.model)).count() as u64
    }
}

impl Outcome {
    /// The first in which this differs from what it should be.
    pub fn differs(&self, wanted: &Outcome) -> Option<String> {
        if self.left != wanted.left {
            return Some(format!("it is left {:?}, not {:?}", self.left, wanted.left));
        }
        let nothing = String::new();
        let most = self.facts.len().max(wanted.facts.len());
        (0..most).find_map(|nth| {
            let (one, other) = (self.facts.get(nth).unwrap_or(&nothing), wanted.facts.get(nth).unwrap_or(&nothing));
            (one != other).then(|| {
                // From a little before the first letter that differs.
                let same = one.chars().zip(other.chars()).take_while(|(one, other)| one == other).count();
                let part = |text: &str| text.chars().skip(same.saturating_sub(80)).take(200).collect::<String>();
                format!("`{}` is not `{}`", part(one), part(other))
            })
        })
    }
}
