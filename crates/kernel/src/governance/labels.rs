//! Labels: what is known of data before it moves. Where it came in says what it is, the exact references of a workflow say where it
//! goes, and so every argument of every action has an origin that is known before any run.
//!
//! Computed for each place (a name and a JSON pointer), for every branch, and never for what happens inside a model: its answer
//! carries all that it was shown. Which branch ran carries nothing.

mod allow;
mod between;
mod find;
mod flow;
mod judge;
mod schema;
mod show;
mod tree;
mod trust;
mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub use self::{
    allow::Allowed,
    between::{Flows, flows},
    judge::Now,
    show::{acts, draw},
    trust::{Trust, TrustRef},
    words::Words,
};
pub(crate) use self::{trust::read as read_trust, words::WordsOf};
use crate::{context::Layer, step::proposals::Sources, tool::Operation};

/// Someone outside wrote it: nothing may be done because it says so.
pub const UNTRUSTED: &str = "untrusted";
/// The opposite of [`UNTRUSTED`]: takes it away where it is declared, and is never carried.
pub const TRUSTED: &str = "trusted";
/// Not for everybody.
pub const PRIVATE: &str = "private";
/// Not for anybody who does not need it; carries [`PRIVATE`] with it.
pub const SECRET: &str = "secret";
/// The opposite of [`PRIVATE`] and [`SECRET`]: takes them away where it is declared, and is never carried.
pub const PUBLIC: &str = "public";
/// Another workflow says so, and nothing there verified it.
pub const UNVERIFIED: &str = "unverified";
/// A model wrote it.
pub const GENERATED: &str = "generated";

/// The words that mean something here; any other is carried, and means what a policy makes of it.
pub const BUILT_IN: [&str; 7] = [UNTRUSTED, TRUSTED, PRIVATE, SECRET, PUBLIC, GENERATED, UNVERIFIED];

/// What one value carries, and where each of it came in.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// Each label, with the places that brought it: `input.body`, `payments.items`.
    pub labels: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
    /// By `step.field`: parts that are untrusted unless that field can be tied to trusted data when the action is judged.
    pub tied: BTreeMap<Arc<str>, Tied>,
}

/// A part of a value that comes from a field with `trust:`.
#[derive(Clone, Debug)]
pub struct Tied {
    /// What must hold for the field.
    pub trust: Arc<TrustRef>,
    /// What it is untrusted from if that does not hold.
    pub sources: BTreeSet<Arc<str>>,
}

impl PartialEq for Origin {
    fn eq(&self, other: &Origin) -> bool {
        let ties = |origin: &Origin| -> Vec<_> {
            origin.tied.iter().map(|(key, tied)| (key.clone(), tied.sources.clone())).collect()
        };
        self.labels == other.labels && ties(self) == ties(other)
    }
}

impl Origin {
    /// One label that came in at one place.
    pub fn of(label: &str, source: &str) -> Origin {
        Origin { labels: [(label.into(), [source.into()].into())].into(), tied: BTreeMap::new() }
    }

    /// Takes over all that `other` carries.
    pub fn join(&mut self, other: &Origin) {
        for (label, sources) in &other.labels {
            self.labels.entry(label.clone()).or_default().extend(sources.iter().cloned());
        }
        for (key, tied) in &other.tied {
            let here = self.tied.entry(key.clone());
            let here = here.or_insert_with(|| Tied { trust: tied.trust.clone(), sources: BTreeSet::new() });
            here.sources.extend(tied.sources.iter().cloned());
        }
    }

    /// Every label that it may carry: also `untrusted` where a `trust:` has yet to be asked.
    pub fn words(&self) -> BTreeSet<Arc<str>> {
        let tied = (!self.tied.is_empty()).then(|| UNTRUSTED.into());
        self.labels.keys().cloned().chain(tied).collect()
    }

    /// Every place that brought something.
    pub fn sources(&self) -> BTreeSet<Arc<str>> {
        let tied = self.tied.values().map(|tied| &tied.sources);
        self.labels.values().chain(tied).flatten().cloned().collect()
    }

    /// Where it is untrusted from: all of it, whatever `trust:` will say.
    pub fn untrusted_from(&self) -> BTreeSet<Arc<str>> {
        let tied = self.tied.values().map(|tied| &tied.sources);
        self.labels.get(UNTRUSTED).into_iter().chain(tied).flatten().cloned().collect()
    }

    /// Whether it is untrusted and no `trust:` can change that.
    pub fn is_untrusted(&self) -> bool {
        self.labels.contains_key(UNTRUSTED)
    }

    /// Whether it carries nothing at all.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.tied.is_empty()
    }

    /// Makes untrusted for good what `lost` says can no longer be asked for.
    fn untie(&mut self, lost: &dyn Fn(&TrustRef) -> bool) {
        let gone: Vec<Arc<str>> =
            self.tied.iter().filter(|(_, tied)| lost(&tied.trust)).map(|(key, _)| key.clone()).collect();
        for key in gone {
            if let Some(tied) = self.tied.remove(&key) {
                self.labels.entry(UNTRUSTED.into()).or_default().extend(tied.sources);
            }
        }
    }
}

/// What the arguments of one action carry. Made for every `act` of a workflow; [`ActLabels::of`] makes it for an action that is
/// proposed some other way.
#[derive(Clone, Debug)]
pub struct ActLabels {
    /// The step that acts.
    pub step: Arc<str>,
    /// `tool.operation`.
    pub action: Arc<str>,
    /// By JSON pointer: `/to`. The empty pointer stands for arguments whose names are known only when it runs.
    pub arguments: BTreeMap<Arc<str>, Origin>,
    /// The arguments that say what is done to whom: each must be trusted, on the allow-list or approved.
    pub control: BTreeSet<Arc<str>>,
    /// What a control argument may be whatever it comes from.
    pub allow_list: BTreeMap<Arc<str>, Vec<Allowed>>,
    /// Whether it tells something to somebody outside.
    pub outward: bool,
    /// All arguments together.
    pub all: Origin,
}

impl ActLabels {
    /// What an action carries whose arguments come from `arguments` (by JSON pointer, as in [`ActLabels::arguments`]).
    pub fn of(
        step: Arc<str>,
        action: Arc<str>,
        operation: &Operation,
        arguments: BTreeMap<Arc<str>, Origin>,
    ) -> ActLabels {
        let mut all = Origin::default();
        arguments.values().for_each(|origin| all.join(origin));
        ActLabels {
            step,
            action,
            arguments,
            control: operation.control.clone(),
            allow_list: operation.allow_list.clone(),
            outward: operation.outward,
            all,
        }
    }

    /// The JSON pointer of an argument.
    pub(crate) fn pointer(name: &str) -> Arc<str> {
        pointer(name)
    }

    /// Where a control argument comes from; `None` if the action is never given it.
    pub fn control_origin(&self, argument: &str) -> Option<&Origin> {
        self.arguments.get(&pointer(argument)).or_else(|| self.arguments.get(""))
    }
}

/// The JSON pointer of an argument.
fn pointer(name: &str) -> Arc<str> {
    format!("/{}", name.replace('~', "~0").replace('/', "~1")).into()
}

/// What every action of a workflow carries.
#[derive(Clone, Debug, Default)]
pub struct Flow {
    /// By the name of the step.
    pub acts: BTreeMap<Arc<str>, ActLabels>,
    /// What the models of steps that propose are shown, by the name of the step.
    pub proposing: BTreeMap<Arc<str>, Sources>,
    /// What people are shown by a step, by its name and the value's: what each carries.
    pub told: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Origin>>,
    /// What a model is shown by a step, by its name: every item of the three layers, in their order.
    pub shown: BTreeMap<Arc<str>, Vec<Shown>>,
    /// What a part whose result is kept is made of carries, by what the part is called.
    pub cached: BTreeMap<Arc<str>, BTreeSet<Arc<str>>>,
}

impl Flow {
    /// Whether any model is shown something that is untrusted.
    pub fn shows_untrusted(&self) -> bool {
        self.shown.values().flatten().any(|shown| shown.carries(UNTRUSTED))
    }
}

/// One item that a model is shown.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose `see:` names it.
    pub layer: Layer,
    /// The name under `see:`.
    pub item: Arc<str>,
    /// All that it carries.
    pub origin: Origin,
    /// Its fields that carry `private` or `secret`, where others do not.
    pub private: Vec<Arc<str>>,
}

impl Shown {
    /// Whether it may carry this label.
    pub fn carries(&self, label: &str) -> bool {
        self.origin.labels.contains_key(label) || label == UNTRUSTED && !self.origin.tied.is_empty()
    }
}
