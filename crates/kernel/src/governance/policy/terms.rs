//! Annotations: what a rule is called, and on which terms a person is asked. Compiled when the policies are, never interpreted.

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    Folder,
    read::{Note, Raw},
};
use crate::{
    complaint::{Complaint, Complaints, did_you_mean},
    values::Span,
};

/// On which terms a person is asked: those of every rule that asks, the strictest of each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// One entry for each rule: somebody of one of these groups must approve. Every entry must be satisfied.
    pub groups: Vec<Vec<Arc<str>>>,
    /// How many different people must approve, at least 1.
    pub quorum: u32,
    /// How long the question stands; `None`: until it is answered.
    #[serde(rename = "expires_us")]
    pub expires: Option<Span>,
    /// What becomes of a question that nobody answered in time.
    pub on_expiry: OnExpiry,
    /// The arguments that an approver may change: those that every rule names.
    pub editable: BTreeSet<Arc<str>>,
    /// Whether neither who started the run nor whom it acts for may approve.
    pub no_self: bool,
    /// How much is at stake.
    pub severity: Severity,
}

/// What becomes of a question that nobody answered in time. Never a yes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum OnExpiry {
    /// The action is denied.
    Deny,
    /// Somebody of one of these groups is asked instead.
    Escalate(Vec<Arc<str>>),
}

/// How much is at stake.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Little.
    Low,
    /// What a rule has that does not say.
    #[default]
    Medium,
    /// Much.
    High,
    /// Everything.
    Critical,
}

impl Severity {
    /// Every one, and as it is written.
    pub const ALL: [(&str, Severity); 4] = [
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ];
}

impl Terms {
    /// The strictest of both.
    #[must_use]
    pub fn and(mut self, other: &Terms) -> Terms {
        for groups in &other.groups {
            if !self.groups.contains(groups) {
                self.groups.push(groups.clone());
            }
        }
        self.quorum = self.quorum.max(other.quorum);
        self.expires = match (self.expires, other.expires) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        self.on_expiry = match (self.on_expiry, &other.on_expiry) {
            (OnExpiry::Escalate(mut to), OnExpiry::Escalate(more)) => {
                to.retain(|group| more.contains(group));
                // No group may answer for both: nobody may.
                if to.is_empty() { OnExpiry::Deny } else { OnExpiry::Escalate(to) }
            }
            _ => OnExpiry::Deny,
        };
        self.editable.retain(|field| other.editable.contains(field));
        self.no_self |= other.no_self;
        self.severity = self.severity.max(other.severity);
        self
    }
}

/// What the annotations of one rule say.
#[derive(Debug)]
pub(super) struct Notes {
    pub id: Option<Arc<str>>,
    pub reason: Option<Arc<str>>,
    /// Of rules that ask.
    pub terms: Option<Terms>,
    /// Where `@editable` names a field, so that a field no action has can be complained about.
    pub editable_at: (usize, usize),
}

/// What every rule may carry, and what only one that asks may.
const EVERYWHERE: [&str; 2] = ["id", "reason"];
const ASKING: [&str; 8] =
    ["approve_by", "quorum", "expires", "on_expiry", "escalate_to", "editable", "no_self", "severity"];

/// Ids that a decision uses itself.
pub(super) const RESERVED: [&str; 3] = [super::POLICY_ERROR, super::NOT_ALLOWED, "built-in"];

/// The annotations of one rule, while they are read.
struct Reader<'a> {
    raw: Raw<'a>,
    notes: Vec<Note<'a>>,
    values: BTreeMap<&'a str, &'a str>,
    complaints: &'a mut Complaints,
}

/// Reads the annotations that `policy` carries. With `known`, a group of people must be one of these.
pub(super) fn read(
    raw: Raw<'_>,
    folder: Folder,
    policy: &cedar_policy::Policy,
    known: Option<&BTreeSet<Arc<str>>>,
    complaints: &mut Complaints,
) -> Notes {
    let values: BTreeMap<&str, &str> = policy.annotations().collect();
    let mut reader = Reader { raw, notes: raw.notes(), values, complaints };
    reader.refuse_unknown(folder);
    let id = reader.id();
    let reason = reader.value("reason").map(Arc::from);
    let editable_at = reader.at("editable");
    let terms = if folder == Folder::Ask { reader.terms(known) } else { None };
    Notes { id, reason, terms, editable_at }
}

impl<'a> Reader<'a> {
    fn value(&self, key: &str) -> Option<&'a str> {
        self.values.get(key).copied()
    }

    fn at(&self, key: &str) -> (usize, usize) {
        self.notes.iter().find(|note| note.key == key).map_or((0, 1), |note| note.value_at)
    }

    fn complain(&mut self, at: (usize, usize), message: String, hint: Option<String>) {
        let complaint: Complaint = self.raw.complaint("W053", at, message);
        self.complaints.push(complaint.or_hint(hint));
    }

    fn refuse_unknown(&mut self, folder: Folder) {
        let keys: Vec<(&str, usize)> = self.notes.iter().map(|note| (note.key, note.key_at)).collect();
        for (key, at) in keys {
            let at = (at, key.len() + 1);
            if EVERYWHERE.contains(&key) || (folder == Folder::Ask && ASKING.contains(&key)) {
                continue;
            }
            if ASKING.contains(&key) {
                let hint = "only a rule in policies/ask/ asks somebody".to_owned();
                self.complain(at, format!("`@{key}` means nothing in {}", folder.path()), Some(hint));
                continue;
            }
            let asking: &[&str] = if folder == Folder::Ask { &ASKING } else { &[] };
            let hint = did_you_mean(key, EVERYWHERE.iter().chain(asking).copied());
            self.complain(at, format!("unknown annotation `@{key}`"), hint);
        }
    }

    fn id(&mut self) -> Option<Arc<str>> {
        let Some(id) = self.value("id") else {
            let complaint = Complaint::new("W051", self.raw.file, self.raw.head(), "the rule has no `@id(\"…\")`");
            self.complaints.push(complaint.hint("decisions, cases and the journal name a rule by its id"));
            return None;
        };
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let at = self.at("id");
        if id.is_empty() || id.len() > 80 || !id.chars().all(fits) {
            let complaint = self.raw.complaint("W051", at, format!("`{id}` cannot be the id of a rule"));
            self.complaints.push(complaint.hint("letters, digits, `.`, `_` and `-`, at most 80"));
            return None;
        }
        if RESERVED.contains(&id) {
            self.complaints.push(self.raw.complaint(
                "W051",
                at,
                format!("`{id}` is an id that decisions use themselves"),
            ));
            return None;
        }
        Some(id.into())
    }

    fn terms(&mut self, known: Option<&BTreeSet<Arc<str>>>) -> Option<Terms> {
        if self.value("approve_by").is_none() {
            let complaint =
                Complaint::new("W053", self.raw.file, self.raw.head(), "the rule does not say whom it asks");
            self.complaints
                .push(complaint.hint("write `@approve_by(\"group\")`, or several groups with commas between"));
        }
        let groups = self.groups("approve_by", known);
        let escalate_to = self.groups("escalate_to", known);
        let quorum = self.parsed("quorum", "a whole number of people from 1 to 100", |text| {
            u32::from_str(text).ok().filter(|quorum| (1..=100).contains(quorum))
        });
        let expires = self.parsed("expires", "a length of time, as in `4h`", |text| {
            Span::from_str(text).ok().filter(|span| span.micros() > 0)
        });
        let no_self = self.word("no_self", &[("true", true), ("false", false)]);
        let severity = self.word("severity", &Severity::ALL);
        let escalates = self.word("on_expiry", &[("deny", false), ("escalate", true)]) == Some(true);
        if self.value("on_expiry").is_some() && self.value("expires").is_none() {
            let message = "`@on_expiry` without `@expires`: the question never ends".to_owned();
            self.complain(self.at("on_expiry"), message, None);
        }
        match (escalates, self.value("escalate_to")) {
            (true, None) => {
                let hint = Some("write `@escalate_to(\"group\")`".to_owned());
                self.complain(self.at("on_expiry"), "the rule does not say to whom it escalates".to_owned(), hint);
            }
            (false, Some(_)) => {
                let message = "`@escalate_to` without `@on_expiry(\"escalate\")` is never followed".to_owned();
                self.complain(self.at("escalate_to"), message, None);
            }
            _ => {}
        }
        Some(Terms {
            groups: vec![groups],
            quorum: quorum.unwrap_or(1),
            expires,
            on_expiry: if escalates { OnExpiry::Escalate(escalate_to) } else { OnExpiry::Deny },
            editable: self.names("editable").into_iter().collect(),
            no_self: no_self.unwrap_or(false),
            severity: severity.unwrap_or_default(),
        })
    }

    /// The names that stand under `key` with commas between. Empty if it is not there.
    fn names(&mut self, key: &str) -> Vec<Arc<str>> {
        let Some(text) = self.value(key) else { return Vec::new() };
        let names: Vec<Arc<str>> = text.split(',').map(str::trim).map(Arc::from).collect();
        if names.iter().any(|name| name.is_empty()) {
            self.complain(self.at(key), format!("`@{key}` is names with commas between, and one is empty"), None);
        }
        names
    }

    fn groups(&mut self, key: &str, known: Option<&BTreeSet<Arc<str>>>) -> Vec<Arc<str>> {
        let names = self.names(key);
        for name in &names {
            if let Some(known) = known
                && !known.contains(name)
                && !name.is_empty()
            {
                let hint = did_you_mean(name, known.iter().map(|group| &**group));
                self.complain(self.at(key), format!("there is no group of people `{name}`"), hint);
            }
        }
        names
    }

    fn parsed<T>(&mut self, key: &str, wanted: &str, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let text = self.value(key)?;
        let parsed = parse(text);
        if parsed.is_none() {
            self.complain(self.at(key), format!("`@{key}` is {wanted}, and here stands `{text}`"), None);
        }
        parsed
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.value(key)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let hint = did_you_mean(text, words.iter().map(|(word, _)| *word));
            self.complain(self.at(key), format!("`@{key}` cannot be `{text}`"), hint);
        }
        found
    }
}
