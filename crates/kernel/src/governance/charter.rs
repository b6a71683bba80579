//! The charter: what all runs are judged by today. Policies, people and holds change while runs go on; each change is an entry of a
//! log, and their number is the *generation* that a decision was made in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    budget::{Limits, Raise, Rate, Reserved, Unit},
    channel::Channels,
    people::People,
    policy::Policies,
};
use crate::{
    complaint::Complaints,
    governance::people::PEOPLE_FILE,
    ids::{Digest, RunId},
    values::{Timestamp, Value},
    workflow::project::Sources,
};

/// One change. Kept as canonical JSON.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case", deny_unknown_fields)]
pub enum Change {
    /// A project's policies are these from now on.
    Policies {
        /// The project's name.
        project: Arc<str>,
        /// What [`Policies::to_bytes`] gives, by its digest; `None`: it has none.
        digest: Option<Digest>,
    },
    /// A project's people are these from now on.
    People {
        /// The project's name.
        project: Arc<str>,
        /// The text of its `people.yaml`, by its digest; `None`: it has none.
        digest: Option<Digest>,
    },
    /// What a project's runs may spend, and what its models cost, is this from now on.
    Limits {
        /// The project's name.
        project: Arc<str>,
        /// What [`Limits::to_value`] gives.
        limits: Value,
        /// By the project's name of the model.
        models: BTreeMap<Arc<str>, Rate>,
    },
    /// A project's people are told of its runs by these channels from now on.
    Channels {
        /// The project's name.
        project: Arc<str>,
        /// By name.
        channels: Channels,
    },
    /// What a project has accepted of the servers of its MCP tools is this from now on.
    Pins {
        /// The project's name.
        project: Arc<str>,
        /// The digest of what the server says of it, by `tool.operation`.
        pins: BTreeMap<Arc<str>, Digest>,
    },
    /// The owner changed a limit for one period; see [`Raise`].
    Raise {
        /// "day", "tenant:main", "workflow:name".
        scope: Arc<str>,
        /// Of what.
        unit: Unit,
        /// The start of the period in microseconds; 0: for good.
        period: i64,
        /// The new limit, in the unit.
        limit: i64,
    },
    /// Nothing of this scope begins until it is released.
    Hold {
        /// What is held.
        scope: Arc<str>,
        /// Why, in a person's words.
        reason: Arc<str>,
    },
    /// What was held may begin again.
    Release {
        /// What was held.
        scope: Arc<str>,
        /// Why, in a person's words.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        reason: Arc<str>,
    },
    /// A person has looked at what a scope was billed beyond what was set aside: it is reserved in again.
    Unfreeze {
        /// "day", "tenant:main", "workflow:name".
        scope: Arc<str>,
        /// Why, in a person's words.
        reason: Arc<str>,
    },
    /// A person lets a model be asked again that cooled down.
    Ask {
        /// The project and its name of the model: `shop/model:small`.
        scope: Arc<str>,
        /// Why, in a person's words.
        reason: Arc<str>,
    },
    /// What a run held is erased: bodies, salts, blobs, messages, its key. Recorded before it is done.
    Erase {
        /// Which run.
        run: RunId,
        /// Why, in a person's words.
        reason: Arc<str>,
    },
    /// The data were put back to an earlier state, and a person goes on with that.
    Restore {
        /// The last seal that stands there.
        seal: u64,
        /// The last seal that was written down outside.
        anchor: u64,
        /// Why, in a person's words.
        reason: Arc<str>,
    },
    /// The data are a copy, or were moved: a deployment of its own from now on.
    Adopt {
        /// What it was.
        from: Arc<str>,
        /// What it is now.
        to: Arc<str>,
        /// Why, in a person's words.
        reason: Arc<str>,
    },
    /// Runs that were over still had something set aside: it counts as spent. Something is damaged, or was changed by hand.
    Forfeit {
        /// How many runs.
        runs: u64,
    },
}

/// What stopped a scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// Who stopped it.
    pub by: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
    /// Since when.
    pub at: Timestamp,
}

/// What one project is judged by.
#[derive(Clone, Debug, Default)]
pub struct Statutes {
    /// `None`: the built-in rule alone.
    pub policies: Option<Arc<Policies>>,
    /// Which policies these are.
    pub policies_digest: Option<Digest>,
    /// Who may decide.
    pub people: Arc<People>,
    /// Which people these are.
    pub people_digest: Option<Digest>,
    /// What its runs may spend together, raises included.
    pub limits: Limits,
    /// What is known of its models' calls.
    pub models: BTreeMap<Arc<str>, Rate>,
    /// Which change said so: SHA-256 over its bytes.
    pub limits_digest: Option<Digest>,
    /// By which channels its people are told.
    pub channels: Channels,
    /// What it has accepted of servers, by `tool.operation`.
    pub pins: BTreeMap<Arc<str>, Digest>,
}

impl Statutes {
    /// Who is asked about the effects of a fork: somebody of the groups that rules ask, or of any group if no rule names one.
    pub fn asked_of_forks(&self) -> Vec<Arc<str>> {
        let rules = self.policies.iter().flat_map(|policies| policies.rules());
        let named = rules.filter_map(|rule| rule.terms.as_ref()).flat_map(|terms| terms.groups.iter().flatten());
        let mut groups: BTreeSet<Arc<str>> =
            named.filter(|group| self.people.group(group).is_some()).cloned().collect();
        if groups.is_empty() {
            groups = self.people.group_names().cloned().collect();
        }
        groups.into_iter().collect()
    }
}

/// What all runs are judged by today.
#[derive(Clone, Debug, Default)]
pub struct Charter {
    /// How many changes it holds.
    pub generation: u64,
    projects: BTreeMap<Arc<str>, Arc<Statutes>>,
    held: BTreeMap<Arc<str>, Hold>,
    raises: Vec<Raise>,
    forfeits: Vec<(Timestamp, u64)>,
}

/// A change that cannot be followed: nothing may be judged without it.
#[derive(Debug, thiserror::Error)]
pub enum BadChange {
    /// It is not the next one.
    #[error("change {found} stands where {wanted} belongs")]
    Order {
        /// The number that belongs there.
        wanted: u64,
        /// The number that stands there.
        found: u64,
    },
    /// It is of a kind that this version does not know, or damaged.
    #[error("change {no} cannot be read: {detail}")]
    Unreadable {
        /// Its number.
        no: u64,
        /// What the reader said.
        detail: String,
    },
    /// What it names is gone or damaged.
    #[error("change {no} names {digest}, and {detail}")]
    Content {
        /// Its number.
        no: u64,
        /// The digest that it names.
        digest: Digest,
        /// What is wrong with it.
        detail: String,
    },
}

/// The scopes that a hold may name, by their first word.
pub const SCOPES: [&str; 4] = ["tool", "model", "workflow", "tenant"];

/// Whether a hold may name this scope: `tool:mail`, `tool:mail.send`, `model:small`, `workflow:answer`, `tenant:main`.
pub fn is_scope(scope: &str) -> bool {
    scope.split_once(':').is_some_and(|(kind, name)| SCOPES.contains(&kind) && !name.trim().is_empty())
}

impl Change {
    /// As it is kept.
    pub fn to_bytes(&self) -> Arc<[u8]> {
        crate::jcs::to_vec(self).expect("texts and digests are JSON: held by the fields of Change").into()
    }

    /// The digest of what must be kept beside it.
    pub fn names(&self) -> Option<Digest> {
        match self {
            Change::Policies { digest, .. } | Change::People { digest, .. } => *digest,
            _ => None,
        }
    }

    /// Reads what [`Change::to_bytes`] gave.
    ///
    /// # Errors
    /// [`BadChange::Unreadable`].
    pub fn read(no: u64, body: &[u8]) -> Result<Change, BadChange> {
        serde_json::from_slice(body).map_err(|error| BadChange::Unreadable { no, detail: error.to_string() })
    }
}

impl Charter {
    /// What a project is judged by; nothing of its own, if nobody has said.
    pub fn project(&self, name: &str) -> Arc<Statutes> {
        self.projects.get(name).cloned().unwrap_or_default()
    }

    /// The projects that somebody has said something about.
    pub fn projects(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<Statutes>)> {
        self.projects.iter()
    }

    /// What is held, by scope.
    pub fn held(&self) -> &BTreeMap<Arc<str>, Hold> {
        &self.held
    }

    /// When runs that were over still had something set aside, and how many: each is an alarm.
    pub fn forfeits(&self) -> &[(Timestamp, u64)] {
        &self.forfeits
    }

    /// The first of these scopes that is held.
    pub fn hold_on<'s>(&self, scopes: impl IntoIterator<Item = &'s str>) -> Option<(&Arc<str>, &Hold)> {
        scopes.into_iter().find_map(|scope| self.held.get_key_value(scope))
    }

    /// Follows change number `no`; `content` is what it [names](Change::names).
    ///
    /// # Errors
    /// [`BadChange`]: the charter stays as it was.
    pub fn apply(
        &mut self,
        no: u64,
        change: &Change,
        (by, at): (&Arc<str>, Timestamp),
        content: Option<&[u8]>,
    ) -> Result<(), BadChange> {
        if no != self.generation + 1 {
            return Err(BadChange::Order { wanted: self.generation + 1, found: no });
        }
        let content = match change.names() {
            None => None,
            Some(digest) => {
                let bad = |detail: &str| BadChange::Content { no, digest, detail: detail.to_owned() };
                let content = content.ok_or_else(|| bad("it is not in the store"))?;
                if Digest::of(&[content]) != digest {
                    return Err(bad("its content has another digest"));
                }
                Some((digest, content))
            }
        };
        match change {
            Change::Policies { project, .. } => {
                let policies = match content {
                    None => None,
                    Some((digest, bytes)) => {
                        let loaded = Policies::load(bytes);
                        let bad = |why: String| BadChange::Content { no, digest, detail: why };
                        Some(Arc::new(loaded.map_err(|why| bad(why.to_string()))?))
                    }
                };
                let statutes = self.change(project);
                (statutes.policies, statutes.policies_digest) = (policies, change.names());
            }
            Change::People { project, .. } => {
                let people = match content {
                    None => People::default(),
                    Some((digest, bytes)) => people(no, digest, bytes)?,
                };
                let statutes = self.change(project);
                (statutes.people, statutes.people_digest) = (Arc::new(people), change.names());
            }
            Change::Limits { project, limits, models } => {
                let mut limits =
                    Limits::from_value(limits).map_err(|why| BadChange::Unreadable { no, detail: why.to_string() })?;
                self.raises.iter().for_each(|raise| limits.raise(raise.clone()));
                let statutes = self.change(project);
                (statutes.limits, statutes.models) = (limits, models.clone());
                statutes.limits_digest = Some(Digest::of(&[&change.to_bytes()]));
            }
            Change::Channels { project, channels } => self.change(project).channels.clone_from(channels),
            Change::Pins { project, pins } => self.change(project).pins.clone_from(pins),
            Change::Raise { scope, unit, period, limit } => {
                let raise = Raise { scope: scope.clone(), unit: *unit, period: *period, limit: *limit };
                for statutes in self.projects.values_mut() {
                    Arc::make_mut(statutes).limits.raise(raise.clone());
                }
                self.raises.push(raise);
            }
            Change::Hold { scope, reason } => {
                let hold = Hold { by: by.clone(), reason: reason.clone(), at };
                self.held.insert(scope.clone(), hold);
            }
            Change::Release { scope, .. } => {
                self.held.remove(scope);
            }
            Change::Forfeit { runs } => self.forfeits.push((at, *runs)),
            // Recorded, and judged by nothing.
            Change::Unfreeze { .. }
            | Change::Ask { .. }
            | Change::Erase { .. }
            | Change::Restore { .. }
            | Change::Adopt { .. } => {}
        }
        self.generation = no;
        Ok(())
    }

    fn change(&mut self, project: &Arc<str>) -> &mut Statutes {
        Arc::make_mut(self.projects.entry(project.clone()).or_default())
    }
}

fn people(no: u64, digest: Digest, bytes: &[u8]) -> Result<People, BadChange> {
    let bad = |detail: String| BadChange::Content { no, digest, detail };
    let text = std::str::from_utf8(bytes).map_err(|_| bad("it is no text".to_owned()))?;
    let sources: Sources = [(PEOPLE_FILE, text)].into_iter().collect();
    let mut complaints = Complaints::new();
    let people = People::read(&sources, &mut complaints);
    people.ok_or_else(|| bad(complaints.as_slice().first().map(ToString::to_string).unwrap_or_default()))
}

/// On what an intent rests: the store compares it in the transaction that makes the intent durable.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grounds {
    /// The charter's generation that it was judged in.
    #[serde(skip_serializing_if = "is_zero")]
    pub generation: u64,
    /// What it counts for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub counted: Vec<Counting>,
    /// The approval that it uses up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approved>,
    /// What its arguments carried.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<Arc<str>>,
    /// The arguments under control that were untrusted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Arc<str>>,
    /// The values of counters that the rules read.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub history: Value,
    /// What was set aside for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reserved: Option<Box<Reserved>>,
    /// The business object that it acts on, as the tool file names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
}

/// A business object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its type in the rules.
    #[serde(rename = "type")]
    pub kind: Arc<str>,
    /// Its id there.
    pub id: Arc<str>,
}

/// A counter that an action adds to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counting {
    /// Its name: `tool.operation/counter/by`.
    pub counter: Arc<str>,
    /// How often it had changed when it was read.
    pub version: u64,
    /// What is added: 1, or the amount.
    pub amount: i64,
}

/// An approval that an intent uses up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approved {
    /// Its id.
    pub id: Arc<str>,
    /// What was approved.
    pub hash: Digest,
    /// Who approved it.
    pub by: Vec<Arc<str>>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by() -> Arc<str> {
        "ann".into()
    }

    #[test]
    fn changes_are_followed_in_order_and_only_whole() {
        let mut charter = Charter::default();
        let at = Timestamp::from_micros(5);
        let hold = Change::Hold { scope: "tool:mail".into(), reason: "wrong letters".into() };
        charter.apply(1, &hold, (&by(), at), None).unwrap();
        assert_eq!(charter.hold_on(["workflow:w", "tool:mail"]).unwrap().1.by, by());
        let again = charter.apply(1, &hold, (&by(), at), None).unwrap_err();
        assert_eq!(again.to_string(), "change 1 stands where 2 belongs");
        let text = "groups: { desk: {} }\npeople: { ann: { name: Ann, groups: [ desk ] } }\n";
        let digest = Digest::of(&[text.as_bytes()]);
        let change = Change::People { project: "p".into(), digest: Some(digest) };
        assert!(charter.apply(2, &change, (&by(), at), None).is_err(), "without its content");
        assert!(charter.apply(2, &change, (&by(), at), Some(b"people: {}")).is_err(), "with another content");
        charter.apply(2, &change, (&by(), at), Some(text.as_bytes())).unwrap();
        assert!(charter.project("p").people.person("ann").is_some());
        assert!(charter.project("q").people.person("ann").is_none());
        let release = Change::Release { scope: "tool:mail".into(), reason: "".into() };
        charter.apply(3, &release, (&by(), at), None).unwrap();
        assert!(charter.held().is_empty());
        assert_eq!(charter.generation, 3);
    }

    #[test]
    fn a_change_reads_back_and_an_unknown_one_is_refused() {
        let change = Change::Policies { project: "p".into(), digest: None };
        assert_eq!(Change::read(1, &change.to_bytes()).unwrap(), change);
        assert!(
            Change::read(7, br#"{"change":"abolish"}"#).unwrap_err().to_string().starts_with("change 7 cannot be read")
        );
    }

    #[test]
    fn a_scope_is_a_known_kind_and_a_name() {
        for scope in ["tool:mail", "tool:mail.send", "model:small", "workflow:w", "tenant:main"] {
            assert!(is_scope(scope), "{scope}");
        }
        for scope in ["", "mail", "tool:", "tool: ", "tol:mail", ":mail"] {
            assert!(!is_scope(scope), "{scope}");
        }
    }
}
