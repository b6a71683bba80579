//! The project that harnesses run, and what its runs must come to, computed from their inputs alone.

use std::{collections::BTreeMap, sync::Arc};

use gateway::{Gateway, Provider};
use kernel::{
    governance::policy::Policies,
    ids::Digest,
    values::Value,
    workflow::project::{Project, Sources, check},
};
use serde_json::json;
use surefoot::reach::{Reach, Surroundings};

use crate::{counted::Counted, ledger::Line, victim::Trouble};

mod deeds;

pub use deeds::{CLASSES, Deed, Late, Mix, kind, undo_kind};

/// The project's name, under which its policies are enacted.
pub const NAME: &str = "mixed";

/// The files of `projects/mixed`.
const FILES: [(&str, &str); 18] = [
    ("surefoot.yaml", include_str!("../projects/mixed/surefoot.yaml")),
    ("tools/ledger.yaml", include_str!("../projects/mixed/tools/ledger.yaml")),
    ("schemas/effect.yaml", include_str!("../projects/mixed/schemas/effect.yaml")),
    ("schemas/found.yaml", include_str!("../projects/mixed/schemas/found.yaml")),
    ("schemas/input.yaml", include_str!("../projects/mixed/schemas/input.yaml")),
    ("schemas/deeds.yaml", include_str!("../projects/mixed/schemas/deeds.yaml")),
    ("schemas/small.yaml", include_str!("../projects/mixed/schemas/small.yaml")),
    ("schemas/facts.yaml", include_str!("../projects/mixed/schemas/facts.yaml")),
    ("schemas/judged.yaml", include_str!("../projects/mixed/schemas/judged.yaml")),
    ("prompts/facts.md", include_str!("../projects/mixed/prompts/facts.md")),
    ("prompts/judge.md", include_str!("../projects/mixed/prompts/judge.md")),
    ("cases/answers.yaml", include_str!("../projects/mixed/cases/answers.yaml")),
    ("workflows/mixed.yaml", include_str!("../projects/mixed/workflows/mixed.yaml")),
    ("workflows/deeds.yaml", include_str!("../projects/mixed/workflows/deeds.yaml")),
    ("workflows/nod.yaml", include_str!("../projects/mixed/workflows/nod.yaml")),
    ("workflows/poison.yaml", include_str!("../projects/mixed/workflows/poison.yaml")),
    ("workflows/pair.yaml", include_str!("../projects/mixed/workflows/pair.yaml")),
    (RULES, include_str!("../projects/mixed/policies/allow/all.cedar")),
];

/// The one file of its policies.
const RULES: &str = "policies/allow/all.cedar";

/// Length of the text that `large@1` makes: more than a journal takes in place.
const LARGE: usize = 20_000;

/// The project's texts.
pub fn sources() -> Sources {
    FILES.into_iter().collect()
}

/// What stands in `surefoot.yaml` beside the rest, where people are told.
const CHANNELS: &str = "channels:
  desk:
    kind: webhook
    url: =env.DESK_HOOK
    secret: secret://desk-hook
    events: [ approval_asked, outcome_unknown, run_paused ]
";

/// The key of its signatures.
const SIGNED: &str = "whsec_b25seSBhIGhhcm5lc3Mga25vd3MgdGhpcyBzZWNyZXQ=";

/// The same texts, with a channel that the ledger receives.
pub fn told() -> Sources {
    let more = format!("{}{CHANNELS}", FILES[0].1);
    FILES.into_iter().map(|(name, text)| (name, if name == FILES[0].0 { more.as_str() } else { text })).collect()
}

/// The project, checked.
///
/// # Errors
/// Its complaints, one a line.
pub fn project() -> Result<Project, String> {
    of(&sources())
}

/// The project of these texts, checked.
///
/// # Errors
/// Its complaints, one a line.
pub fn of(sources: &Sources) -> Result<Project, String> {
    let checked = check(sources);
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    checked.project.ok_or_else(|| complaints.join("\n"))
}

/// The policies of the project in one of two wordings, which allow the same: who enacts the one after the other changes the rules
/// of today without changing what they say.
///
/// # Errors
/// See [`project`].
pub fn policies(second: bool) -> Result<Arc<Policies>, String> {
    let again = "@id(\"all_again\")\npermit (principal, action, resource);\n";
    let files = FILES.into_iter().map(|(name, text)| (name, if second && name == RULES { again } else { text }));
    let checked = check(&files.collect::<Sources>());
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    checked.project.and_then(|project| project.policies).ok_or_else(|| complaints.join("\n"))
}

/// Who decides where people are asked.
pub const PEOPLE: &str = "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] } }\n";

/// The policies of the project with a question before every action of `deeds`.
///
/// # Errors
/// See [`project`].
pub fn asking() -> Result<Arc<Policies>, String> {
    let ask = "@id(\"look\") @approve_by(\"desk\") @expires(\"4h\")
forbid (principal, action in [Action::\"ledger.look\", Action::\"ledger.note\", Action::\"ledger.book\", Action::\"ledger.fire\"], resource);
";
    let more = [("people.yaml", PEOPLE), ("policies/ask/deeds.cedar", ask)];
    let checked = check(&FILES.into_iter().chain(more).collect::<Sources>());
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    checked.project.and_then(|project| project.policies).ok_or_else(|| complaints.join("\n"))
}

/// The tools, models and channels of a project, with `ledger` (a URL) as the world outside.
///
/// # Errors
/// One of them cannot be set up on this machine.
pub(crate) fn reach(sources: &Sources, project: &Project, ledger: &str) -> Result<Gateway, Trouble> {
    Ok(reached(sources, project, ledger)?.gateway())
}

/// The same, with its tools still in hand.
pub(crate) fn reached(sources: &Sources, project: &Project, ledger: &str) -> Result<Reach, Trouble> {
    let url = ledger.to_owned();
    let around = Surroundings::new(Arc::new(move |name: &str| match name {
        "LEDGER_URL" => Some(url.clone()),
        "DESK_HOOK" => Some(format!("{url}/hook/desk")),
        "SUREFOOT_SECRET_DESK_HOOK" => Some(SIGNED.to_owned()),
        _ => None,
    }));
    let mut reach = Reach::new(sources, project, &around)?;
    for provider in reach.models.values_mut() {
        *provider = Arc::new(Counted::new(Shared(provider.clone()), ledger)?);
    }
    Ok(reach)
}

struct Shared(Arc<dyn Provider>);

#[async_trait::async_trait]
impl Provider for Shared {
    async fn ask(&self, request: &kernel::context::ModelRequest) -> gateway::Reply {
        self.0.ask(request).await
    }
}

/// `large@1`: a text that does not fit into a journal entry.
///
/// # Errors
/// Never; natives may fail.
pub fn large(value: Value) -> Result<Value, String> {
    let text: String = format!("{value} ").chars().cycle().take(LARGE).collect();
    Ok(Value::map([("text", Value::text(text))]))
}

/// `refuse@1`: fails.
///
/// # Errors
/// Always.
pub fn refuse(_: Value) -> Result<Value, String> {
    Err("as told".to_owned())
}

/// `double@1`: the same twice.
///
/// # Errors
/// Never; natives may fail.
pub fn double(value: Value) -> Result<Value, String> {
    Ok(Value::list([value.clone(), value]))
}

/// When a signal is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Right after the start.
    Early,
    /// When the run waits for it.
    Late,
    /// So many milliseconds after the start, whatever the run is doing.
    After(u64),
}

/// One signal of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Its name.
    pub name: &'static str,
    /// The sender's id.
    pub id: String,
    /// When it is sent.
    pub when: When,
    /// How often.
    pub copies: u32,
}

/// One run, as its number implies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Of the harness.
    pub seed: u64,
    /// Which batch.
    pub batch: u64,
    /// Which run of the batch.
    pub number: u64,
    /// Which actions the runs of `deeds` have; `None`: every run is one of `mixed`.
    pub mix: Option<Mix>,
}

impl Case {
    /// Deterministic noise for this case.
    fn noise(&self, what: &str) -> u64 {
        noise(&[&self.seed.to_be_bytes(), &self.batch.to_be_bytes(), &self.number.to_be_bytes(), what.as_bytes()])
    }

    fn deeds(&self) -> Option<Mix> {
        self.mix.filter(|mix| mix.is_pure() || !self.noise("workflow").is_multiple_of(3))
    }

    /// Which workflow it is a run of: one of three is `mixed`, if there is a mix of several classes.
    pub fn workflow(&self) -> &'static str {
        if self.deeds().is_some() { "deeds" } else { "mixed" }
    }

    /// The start key.
    pub fn key(&self) -> String {
        format!("b{}-r{}", self.batch, self.number)
    }

    /// What `each` goes over.
    pub fn items(&self) -> Vec<u64> {
        (0..2 + self.noise("items") % 3).map(|item| self.number * 10 + item).collect()
    }

    /// How many turns `repeat` takes.
    pub fn goal(&self) -> u64 {
        1 + self.number % 3
    }

    /// What happens when all is done.
    pub fn late(&self) -> Late {
        self.deeds().map_or(Late::Never, |mix| deeds::late(self, mix))
    }

    /// Whether the run waits for a signal.
    pub fn nods(&self) -> bool {
        self.number % 5 != 4 && self.late() == Late::Never
    }

    /// What the signal carries.
    pub fn value(&self) -> u64 {
        self.noise("value") % 1_000
    }

    /// The signals it is sent.
    pub fn signals(&self) -> Vec<Signal> {
        let signal = |name, when, copies| Signal { name, id: format!("{name}-{}", self.number), when, copies };
        match (self.nods(), self.number % 4) {
            (false, _) => Vec::new(),
            (true, 0) => vec![signal("other", When::Early, 1), signal("go", When::Early, 1)],
            (true, 1) => vec![signal("go", When::Late, 1)],
            (true, 2) => vec![signal("go", When::After(self.noise("when") % 250), 2)],
            (true, _) => vec![signal("go", When::Early, 3)],
        }
    }

    /// What the run works on.
    pub fn input(&self) -> serde_json::Value {
        if let Some(mix) = self.deeds() {
            return deeds::input(self, mix);
        }
        json!({
            "batch": self.batch,
            "number": self.number,
            "items": self.items(),
            "goal": self.goal(),
            "nod": self.nods(),
        })
    }

    /// Compares a result with what the input implies and with what happened outside: `applied` gives the line by its number.
    ///
    /// # Errors
    /// What differs.
    pub fn judge<'a>(
        &self,
        result: &serde_json::Value,
        applied: &dyn Fn(u64) -> Option<&'a Line>,
    ) -> Result<(), String> {
        if let Some(mix) = self.deeds() {
            return deeds::judge((self, mix), result, applied);
        }
        let value = if self.nods() { json!(self.value()) } else { json!(null) };
        let expected = [
            ("score", json!(self.number * 2 + 1)),
            ("found", json!(true)),
            ("doubled", json!([self.number, self.number])),
            ("size", json!(LARGE)),
            ("nod", value.clone()),
        ];
        for (name, wanted) in expected {
            if result[name] != wanted {
                return Err(format!("`{name}` is {}, not {wanted}", result[name]));
            }
        }
        let own = |more: serde_json::Value| {
            let mut body = json!({"batch": self.batch, "number": self.number});
            if let (Some(body), serde_json::Value::Object(more)) = (body.as_object_mut(), more) {
                body.extend(more);
            }
            body
        };
        let is = |name: &str, id: &serde_json::Value, kind: &str, body: serde_json::Value| {
            let line = id.as_u64().and_then(applied).filter(|line| line.effect() == Some(kind));
            match line {
                Some(line) if line.applied && line.body == body => Ok(()),
                Some(line) => Err(format!("`{name}` is effect {id}, which was {}, not {body}", line.body)),
                None => Err(format!("`{name}` is effect {id}, which nobody saw as {kind}")),
            }
        };
        let items = self.items();
        let notes = result["notes"].as_array().map_or(&[][..], Vec::as_slice);
        if notes.len() != items.len() {
            return Err(format!("`notes` has {} items, not {}", notes.len(), items.len()));
        }
        for (id, item) in notes.iter().zip(items) {
            is("notes", id, "note", own(json!({"item": item})))?;
        }
        if result["turns"]["n"] != json!(self.goal()) {
            return Err(format!("`turns` ended at {}, not {}", result["turns"]["n"], self.goal()));
        }
        is("turns", &result["turns"]["id"], "note", own(json!({"turn": self.goal()})))?;
        let text = large(Value::Int(i64::try_from(self.number).unwrap_or_default()))?;
        is("kept", &result["kept"], "keep", own(json!({"text": text.get("text").and_then(Value::as_str)})))?;
        if result["perhaps"] != json!(0) {
            is("perhaps", &result["perhaps"], "perhaps", own(json!({})))?;
        }
        match self.nods() {
            true => is("mark", &result["mark"], "mark", own(json!({"value": value}))),
            false if result["mark"].is_null() => Ok(()),
            false => Err(format!("`mark` is {}, and nobody was to mark", result["mark"])),
        }
    }
}

/// Noise that the same parts always give.
pub fn noise(parts: &[&[u8]]) -> u64 {
    let digest = Digest::of(parts);
    digest.bytes().iter().take(8).fold(0, |noise, byte| noise << 8 | u64::from(*byte))
}

/// The cases of a batch by number.
pub fn cases(seed: u64, batch: u64, runs: u64, mix: Option<Mix>) -> BTreeMap<u64, Case> {
    (0..runs).map(|number| (number, Case { seed, batch, number, mix })).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_project_has_no_complaints() {
        for sources in [sources(), told()] {
            let checked = check(&sources);
            let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
            assert!(complaints.is_empty() && checked.project.is_some(), "{}", complaints.join("\n"));
        }
    }

    #[test]
    fn cases_repeat_and_differ() {
        let (one, other) = (cases(1, 2, 8, None), cases(1, 2, 8, None));
        assert_eq!(one, other);
        let values: std::collections::BTreeSet<_> = one.values().map(Case::value).collect();
        assert!(values.len() > 4);
        assert!(one.values().any(|case| case.signals().iter().any(|signal| signal.copies == 3)));
    }
}
