//! Policies: what may be done, written in Cedar by the operator, in three separate sets.
//!
//! `policies/never/` holds `forbid` rules: a match denies, and nothing lifts it. `policies/allow/` holds `permit` rules: what
//! none of them permits is denied. `policies/ask/` holds `forbid` rules: a match asks a person, on the terms of its annotations.
//! All three are read strictly against a schema made from the tools, so that a rule which names a wrong field does not build.
//!
//! Deciding is a function of the [`Request`] alone. Whatever goes wrong in it denies.

pub mod cases;
mod check;
mod decide;
mod explain;
mod read;
mod reads;
mod request;
pub mod schema;
mod terms;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    sync::Arc,
};

use cedar_policy::{Effect, Policy, PolicyId, SchemaFragment, Validator};
use serde::{Deserialize, Serialize};

pub(crate) use self::check::denies_always;
use self::{
    check::{Checker, Reach},
    decide::Judge,
    read::Raw,
    reads::Read,
    request::{Frame, Types},
    schema::Schema,
};
pub use self::{
    decide::{Decision, Matched},
    explain::{Explained, Then},
    request::{Request, RunFacts},
    terms::{OnExpiry, Severity, Terms},
};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    ids::Digest,
    tool::Tool,
    workflow::{Program, project::Sources},
};

/// The rule that a decision names when something went wrong: a rule that could not be evaluated, a request that does not fit.
pub const POLICY_ERROR: &str = "policy_error";
/// The rule that a decision names when no rule allows.
pub const NOT_ALLOWED: &str = "not_allowed";

/// Version of the stored form; a reader refuses a larger one.
pub const FORMAT: u32 = 1;

/// One of the three sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Folder {
    /// A match denies.
    Never,
    /// A match permits.
    Allow,
    /// A match asks a person.
    Ask,
}

impl Folder {
    /// All three, in the order they are asked.
    pub const ALL: [Folder; 3] = [Folder::Never, Folder::Allow, Folder::Ask];

    /// Its name: `never`.
    pub fn as_str(self) -> &'static str {
        match self {
            Folder::Never => "never",
            Folder::Allow => "allow",
            Folder::Ask => "ask",
        }
    }

    /// Its path within a project.
    pub fn path(self) -> &'static str {
        match self {
            Folder::Never => "policies/never/",
            Folder::Allow => "policies/allow/",
            Folder::Ask => "policies/ask/",
        }
    }

    /// The one form that its rules have.
    fn effect(self) -> Effect {
        match self {
            Folder::Never | Folder::Ask => Effect::Forbid,
            Folder::Allow => Effect::Permit,
        }
    }
}

/// One rule.
#[derive(Debug)]
pub struct Rule {
    /// Unique in all three sets.
    pub id: Arc<str>,
    /// In which set.
    pub folder: Folder,
    /// Where it stands: `policies/ask/money.cedar:3`.
    pub at: Arc<str>,
    /// What it is for, for a person.
    pub reason: Option<Arc<str>>,
    /// Of a rule that asks: on which terms.
    pub terms: Option<Terms>,
    /// As it is written, with its annotations.
    pub text: Arc<str>,
    policy: Policy,
    reach: Reach,
    reads: Vec<Read>,
}

impl Rule {
    /// The operations that it can match: `tool.operation`, each once.
    pub fn actions(&self) -> impl Iterator<Item = &Arc<str>> {
        self.reach.iter().map(|(_, action)| action).collect::<BTreeSet<_>>().into_iter()
    }

    /// Whether it can match `action` for a principal of that type: `Step` or `Person`.
    pub fn can_match(&self, principal: &str, action: &str) -> bool {
        self.reach.iter().any(|(one, name)| **one == *principal && **name == *action)
    }

    /// The facts that its condition reads: `input.amount`, `history.calls_24h`, `principal.version`.
    pub fn reads(&self) -> impl Iterator<Item = &Arc<str>> {
        self.reads.iter().map(|read| &read.name)
    }

    fn named(&self) -> String {
        let names: Vec<String> = self.actions().take(3).map(|name| format!("`{name}`")).collect();
        let more = self.actions().count() - names.len();
        if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
    }
}

/// All policies of a project, compiled. The same bytes always give the same policies.
pub struct Policies {
    bytes: Arc<[u8]>,
    digest: Digest,
    rules: Vec<Rule>,
    judges: BTreeMap<Arc<str>, Judge>,
}

/// The stored form: texts by path, and the schema they were checked against, in Cedar's JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    files: BTreeMap<Arc<str>, Arc<str>>,
    schema: Schema,
}

/// What the rules may name besides the tools.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known<'a> {
    /// The workflows of the project; `None`: any name will do.
    pub workflows: Option<&'a BTreeMap<Arc<str>, Arc<Program>>>,
    /// The groups of people; `None`: any name will do.
    pub groups: Option<&'a BTreeSet<Arc<str>>>,
}

/// Why stored bytes give no policies.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// They are not what [`Policies::to_bytes`] gives.
    #[error("the policies cannot be read: {0}")]
    Unreadable(String),
    /// They are of a newer version.
    #[error("the policies have format {found}, this program reads up to {FORMAT}")]
    Newer {
        /// The format they have.
        found: u32,
    },
    /// This version complains about what another version let pass.
    #[error("the policies do not pass the checks of this version: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Complaints(Vec<Complaint>),
}

/// Whether a project has policies of its own.
pub fn has_policies(sources: &Sources) -> bool {
    sources.below("policies/", "").next().is_some()
}

/// Compiles the policies of a project. `None` if it has no folder `policies/`, or if one of the complaints is an error.
pub fn compile(
    sources: &Sources,
    tools: &BTreeMap<Arc<str>, Arc<Tool>>,
    known: Known<'_>,
    complaints: &mut Complaints,
) -> Option<Policies> {
    if !has_policies(sources) {
        return None;
    }
    let mut files = BTreeMap::new();
    for (path, text) in sources.below("policies/", "") {
        if Folder::ALL.iter().any(|folder| path.starts_with(folder.path()) && path.ends_with(".cedar")) {
            files.insert(path.clone(), text.clone());
        } else if !(path.starts_with("policies/cases/") && path.ends_with(".yaml")) {
            complaints.push(stray(path));
        }
    }
    build(Content { format: FORMAT, files, schema: Schema::of_tools(tools) }, known, complaints)
}

/// A file that nobody would read, and somebody may believe in.
fn stray(path: &Arc<str>) -> Complaint {
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let folders = ["policies/never", "policies/allow", "policies/ask", "policies/cases"];
    let message = format!("nothing reads `{path}`");
    let hint = match did_you_mean(folder, folders) {
        Some(hint) if folder != "policies" && !folders.contains(&folder) => hint,
        _ => "rules stand in policies/never/, policies/allow/ and policies/ask/ (.cedar), cases in policies/cases/ (.yaml)".to_owned(),
    };
    Complaint::new("W056", path, None, message).hint(hint)
}

fn build(content: Content, known: Known<'_>, complaints: &mut Complaints) -> Option<Policies> {
    let schema = match content.schema.cedar() {
        Ok(schema) => schema,
        Err(why) => {
            complaints.push(Complaint::new(
                "W054",
                &"policies/".into(),
                None,
                format!("no schema fits the tools: {why}"),
            ));
            return None;
        }
    };
    let validator = Validator::new(schema);
    let checker = Checker { schema: &content.schema, validator: &validator, workflows: known.workflows };
    let (mut rules, mut raws) = (Vec::new(), Vec::new());
    let mut ids: BTreeMap<Arc<str>, Arc<str>> = BTreeMap::new();
    for folder in Folder::ALL {
        for (file, text) in content.files.iter().filter(|(file, _)| file.starts_with(folder.path())) {
            for raw in Raw::all(file, text) {
                if let Some(rule) = rule(raw, folder, &checker, known, &mut ids, complaints) {
                    rules.push(rule);
                    raws.push(raw);
                }
            }
        }
    }
    // Whether a rule can decide is known only when all others are.
    if !complaints.has_errors() {
        check::reach(&rules, &raws, complaints);
    }
    if complaints.has_errors() {
        return None;
    }
    let types = Types::new();
    let mut judges = BTreeMap::new();
    for operation in content.schema.operations() {
        let matching: Vec<&Rule> = rules.iter().filter(|rule| rule.actions().any(|one| one == operation.0)).collect();
        let reads = matching.iter().flat_map(|rule| &rule.reads);
        match Frame::new(&types, &content.schema, operation, reads) {
            Ok(frame) => judges.insert(operation.0.clone(), Judge::new(frame, &matching)),
            Err(why) => {
                complaints.push(Complaint::new("W054", &"policies/".into(), None, why));
                return None;
            }
        };
    }
    let bytes = crate::jcs::to_vec(&content).expect("texts and names are JSON: held by Content");
    Some(Policies { digest: Digest::of(&[&bytes]), bytes: bytes.into(), rules, judges })
}

/// One rule, if nothing is wrong with it.
fn rule(
    raw: Raw<'_>,
    folder: Folder,
    checker: &Checker<'_>,
    known: Known<'_>,
    ids: &mut BTreeMap<Arc<str>, Arc<str>>,
    complaints: &mut Complaints,
) -> Option<Rule> {
    let policy = raw.parse(complaints)?;
    let mut found = Complaints::new();
    let rule = understood(raw, folder, policy, checker, known, ids, &mut found);
    let errors = found.has_errors();
    complaints.extend(found.into_sorted());
    rule.filter(|_| !errors)
}

fn understood(
    raw: Raw<'_>,
    folder: Folder,
    policy: Policy,
    checker: &Checker<'_>,
    known: Known<'_>,
    ids: &mut BTreeMap<Arc<str>, Arc<str>>,
    complaints: &mut Complaints,
) -> Option<Rule> {
    if policy.effect() != folder.effect() {
        complaints.push(wrong_effect(raw, folder));
    }
    let notes = terms::read(raw, folder, &policy, known.groups, complaints);
    if let Some(id) = &notes.id
        && let Some(other) = ids.insert(id.clone(), raw.at())
    {
        let message = format!("the rule `{id}` stands at {other} already");
        complaints.push(Complaint::new("W051", raw.file, raw.head(), message).hint("ids are unique in all three sets"));
    }
    let reach = checker.rule(raw, folder, &policy, complaints)?;
    if let Some(terms) = &notes.terms {
        editable(raw, terms, notes.editable_at, &reach, checker.schema, complaints);
    }
    let id = notes.id?;
    let policy = policy.new_id(PolicyId::new(&id));
    Some(Rule {
        folder,
        at: raw.at(),
        reason: notes.reason,
        terms: notes.terms,
        text: raw.text.into(),
        reads: reads::of(&policy),
        policy,
        reach,
        id,
    })
}

fn wrong_effect(raw: Raw<'_>, folder: Folder) -> Complaint {
    let (wanted, hint) = match folder {
        Folder::Never => ("forbid", "a rule that permits stands in policies/allow/"),
        Folder::Allow => {
            ("permit", "a rule that forbids always stands in policies/never/, one that asks in policies/ask/")
        }
        Folder::Ask => (
            "forbid",
            "write what is forbidden unless a person agrees; the action must be permitted in policies/allow/ as well",
        ),
    };
    let message = format!("{} holds `{wanted}` rules only", folder.path());
    Complaint::new("W052", raw.file, raw.head(), message).hint(hint)
}

/// A field that may be edited is an argument of an operation that the rule can match.
fn editable(
    raw: Raw<'_>,
    terms: &Terms,
    at: (usize, usize),
    reach: &Reach,
    schema: &Schema,
    complaints: &mut Complaints,
) {
    let inputs: Vec<_> = schema
        .operations()
        .filter(|(name, ..)| reach.iter().any(|(_, action)| action == *name))
        .filter_map(|(_, _, applies)| applies.context.attribute("input"))
        .collect();
    for field in &terms.editable {
        if !inputs.iter().any(|input| input.attribute(field).is_some()) {
            let hint = did_you_mean(
                field,
                inputs.iter().flat_map(|input| input.names().map(|name| &**name)).collect::<BTreeSet<_>>(),
            );
            let message = format!("no operation that the rule matches has an argument `{field}`");
            complaints.push(raw.complaint("W053", at, message).or_hint(hint));
        }
    }
}

impl Policies {
    /// The canonical form: JSON with the texts by path and the schema. What [`Policies::load`] reads.
    pub fn to_bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// SHA-256 over [`Policies::to_bytes`].
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Compiles what [`Policies::to_bytes`] gave.
    ///
    /// # Errors
    /// See [`LoadError`]. Whoever has no policies denies.
    pub fn load(bytes: &[u8]) -> Result<Policies, LoadError> {
        let content: Content =
            serde_json::from_slice(bytes).map_err(|error| LoadError::Unreadable(error.to_string()))?;
        if content.format > FORMAT {
            return Err(LoadError::Newer { found: content.format });
        }
        let mut complaints = Complaints::new();
        let built = build(content, Known::default(), &mut complaints);
        complaints.finish(built).map_err(LoadError::Complaints)
    }

    /// Every rule: by set in the order they are asked, then by file and place.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of that id.
    pub fn rule(&self, id: &str) -> Option<&Rule> {
        self.rules.iter().find(|rule| *rule.id == *id)
    }

    /// The operations that can be judged: `tool.operation`.
    pub fn operations(&self) -> impl Iterator<Item = &Arc<str>> {
        self.judges.keys()
    }

    /// The generated schema as Cedar writes it, for editors and for people.
    pub fn schema_text(&self) -> String {
        let content: Result<Content, _> = serde_json::from_slice(&self.bytes);
        let json = content.and_then(|content| serde_json::to_value(BTreeMap::from([("", content.schema)])));
        let text = json.ok().and_then(|json| SchemaFragment::from_json_value(json).ok()?.to_cedarschema().ok());
        text.expect("the schema was read when the policies were built")
    }
}

impl fmt::Debug for Policies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policies")
            .field("digest", &self.digest)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
