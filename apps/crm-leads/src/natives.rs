//! The pure functions that the workflow's `native:` steps name.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use surefoot::{Builder, Value};

use crate::{
    brief::{self, Sentence, Shown},
    claim::{Claim, Dropped, Fact, Field},
    page::Page,
    reconcile,
    resolve::{self, Identity, Lead},
    score::{self, Rule, Score},
    structured, verify,
    write::{self, Current, Policy, Written},
};

/// Registers them all.
pub fn register(builder: Builder) -> Builder {
    builder
        .native("intake@1", pure(|lead: Lead| Ok(resolve::intake(&lead))))
        .native("resolve@1", pure(|with: Resolve| Ok(resolve::resolve(&with.identity, &with.pages()))))
        .native("verify@1", pure(|with: Verify| Ok(with.verify())))
        .native("reconcile@1", pure(|with: Reconcile| Ok(with.reconcile())))
        .native("score@1", pure(|with: Scoring| Ok(json!({ "scores": score::score(&with.claims, &with.rules) }))))
        .native("check_brief@1", pure(|with: Check| Ok(brief::check(&with.sentences, &with.shown))))
        .native("plan@1", pure(|with: Planning| Ok(with.plan())))
        .native("outcome@1", pure(|with: Outcome| Ok(with.outcome())))
}

/// A lead at a version is enriched once.
pub fn start_key(lead: &Value) -> Option<String> {
    let (Value::Text(id), Value::Int(version)) = (lead.get("id")?, lead.get("version")?) else { return None };
    Some(format!("{id}@{version}"))
}

/// From JSON to JSON. What does not have the wanted shape is an error that says where.
fn pure<I: DeserializeOwned, O: Serialize>(
    function: impl Fn(I) -> Result<O, String> + Send + Sync + 'static,
) -> impl Fn(Value) -> Result<Value, String> + Send + Sync + 'static {
    move |value| {
        let input = serde_json::from_slice(&value.to_jcs()).map_err(|error| error.to_string())?;
        let output = serde_json::to_vec(&function(input)?).map_err(|error| error.to_string())?;
        Value::from_json(&output).map_err(|error| error.to_string())
    }
}

/// An item of an `each` that settles.
#[derive(Deserialize)]
struct Settled<T> {
    #[serde(default = "none")]
    value: Option<T>,
}

fn none<T>() -> Option<T> {
    None
}

#[derive(Deserialize)]
struct Resolve {
    identity: Identity,
    doors: Vec<Settled<Page>>,
}

impl Resolve {
    fn pages(&self) -> Vec<Option<Page>> {
        self.doors.iter().map(|door| door.value.clone()).collect()
    }
}

#[derive(Deserialize)]
struct Verify {
    page: Page,
    /// What the reader answered, if it was asked.
    #[serde(default)]
    read: Option<Read>,
    started_at: String,
}

#[derive(Deserialize)]
struct Read {
    #[serde(default)]
    facts: Vec<serde_json::Value>,
}

impl Verify {
    fn verify(self) -> verify::Checked {
        let (mut facts, mut odd) = (Vec::new(), Vec::new());
        for fact in self.read.map(|read| read.facts).unwrap_or_default() {
            match serde_json::from_value::<Fact>(fact.clone()) {
                Ok(fact) => facts.push(fact),
                Err(error) => odd.push(Dropped {
                    field: fact["field"].as_str().unwrap_or("nothing").to_owned(),
                    value: fact["value"].clone(),
                    url: self.page.address().to_owned(),
                    reason: format!("it is no fact: {error}"),
                }),
            }
        }
        let mut checked = verify::verify(&self.page, &structured::facts(&self.page), &facts, year(&self.started_at));
        checked.dropped.extend(odd);
        checked
    }
}

/// The year of an RFC 3339 text.
fn year(at: &str) -> i64 {
    at.get(..4).and_then(|year| year.parse().ok()).unwrap_or(i64::MAX)
}

#[derive(Deserialize)]
struct Reconcile {
    documents: Vec<Settled<verify::Checked>>,
    started_at: String,
}

impl Reconcile {
    fn reconcile(self) -> serde_json::Value {
        let asked = self.documents.len();
        let pages: Vec<verify::Checked> = self.documents.into_iter().filter_map(|document| document.value).collect();
        let known = reconcile::reconcile(&pages, year(&self.started_at));
        let shown = brief::shown(&known.claims);
        json!({
            "claims": known.claims,
            "shown": shown,
            "dropped": known.dropped,
            "instructions": known.instructions.iter().map(|(url, line)| json!({ "url": url, "line": line })).collect::<Vec<_>>(),
            "missing": known.missing,
            "pages_asked": asked,
            "pages_read": pages.len(),
        })
    }
}

#[derive(Deserialize)]
struct Scoring {
    claims: Vec<Claim>,
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Check {
    #[serde(default)]
    sentences: Vec<Sentence>,
    shown: Vec<Shown>,
}

#[derive(Deserialize)]
struct Planning {
    company: String,
    claims: Vec<Claim>,
    scores: Vec<Score>,
    policies: Vec<Policy>,
    current: Vec<Current>,
}

impl Planning {
    fn plan(self) -> write::Plan {
        write::plan(&self.company, &self.claims, &self.scores, &self.policies, &self.current)
    }
}

#[derive(Deserialize)]
struct Outcome {
    lead: String,
    company: String,
    site: resolve::Site,
    known: serde_json::Value,
    scores: Vec<Score>,
    brief: Option<serde_json::Value>,
    written: Vec<Written>,
}

impl Outcome {
    fn outcome(self) -> serde_json::Value {
        let claims: Vec<Claim> = serde_json::from_value(self.known["claims"].clone()).unwrap_or_default();
        let missing: Vec<Field> = serde_json::from_value(self.known["missing"].clone()).unwrap_or_default();
        let fields = write::enriched(&claims, &self.written);
        let status = match (self.site.host.is_some(), fields.is_empty()) {
            (false, _) => "unknown_site",
            (true, true) => "nothing_found",
            (true, false) if self.known["pages_read"] != self.known["pages_asked"] => "partial",
            (true, false) => "done",
        };
        json!({
            "lead": self.lead,
            "company": self.company,
            "status": status,
            "site": self.site.host,
            "site_reason": self.site.reason,
            "fields": fields,
            "missing": missing,
            "scores": self.scores,
            "brief": self.brief.unwrap_or_else(|| json!({ "sentences": [], "refused": [] })),
            "dropped": self.known["dropped"],
            "instructions": self.known["instructions"],
            "pages_read": self.known["pages_read"],
            "pages_asked": self.known["pages_asked"],
        })
    }
}
