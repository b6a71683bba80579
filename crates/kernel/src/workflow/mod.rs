//! The program: what a workflow file says, checked and compiled.

pub mod bundle;
pub mod channel;
pub mod contract;
pub mod graph;
pub mod model;
mod parse;
pub mod profile;
pub mod project;
pub(crate) mod reading;
mod returns;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    complaint::Place,
    expr::{Expr, Template, Text},
    governance::{budget::Limit, labels::Flow},
    ids::Digest,
    recovery::{FailureKind, Recovery},
    schema::Schema,
    step::Step,
    tool::Tool,
    types::Type,
    values::Span,
};

/// `on_failure`: for each kind, what to try in order.
pub type Recoveries = BTreeMap<FailureKind, Listed>;

/// A list of recoveries, and where it and its items stand.
#[derive(Debug)]
pub struct Listed {
    /// Where the kind stands that it is for.
    pub at: Place,
    items: Vec<Recovery>,
    places: Vec<Place>,
}

impl Listed {
    pub(crate) fn new(at: Place, items: impl IntoIterator<Item = (Recovery, Place)>) -> Listed {
        let (items, places) = items.into_iter().unzip();
        Listed { at, items, places }
    }

    /// Where an item stands.
    pub fn place(&self, index: usize) -> Place {
        self.places.get(index).copied().unwrap_or(self.at)
    }
}

impl std::ops::Deref for Listed {
    type Target = [Recovery];

    fn deref(&self) -> &[Recovery] {
        &self.items
    }
}

impl<'a> IntoIterator for &'a Listed {
    type Item = &'a Recovery;
    type IntoIter = std::slice::Iter<'a, Recovery>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// One workflow, ready to run. Immutable; made from a bundle, so that the same bundle always gives the same program.
#[derive(Debug)]
pub struct Program {
    /// The bundle it was made from.
    pub bundle: Digest,
    /// Its name.
    pub name: Arc<str>,
    /// Its file within the project.
    pub file: Arc<str>,
    /// What people call it.
    pub title: Arc<str>,
    /// What its input must fit.
    pub input: Option<Arc<Schema>>,
    /// What its result is, and must fit.
    pub result: Option<ResultOf>,
    /// Business keys, computed from the input at the start.
    pub about: BTreeMap<Arc<str>, Template>,
    /// The person for whom a run acts, computed from the input.
    pub acts_for: Option<Template>,
    /// What one run may spend.
    pub budget: Option<Limit>,
    /// So long one run has, from its start.
    pub deadline: Option<Span>,
    /// The shared layer: every model call of the run.
    pub context: Option<Layer>,
    /// All stages, in the order written.
    pub stages: Vec<Stage>,
    /// The stages that run unless a decision says otherwise: those that no `then` and no recovery names.
    pub order: Vec<Arc<str>>,
    /// Recovery for what steps and stages leave open.
    pub on_failure: Recoveries,
    /// The project's tools, by name.
    pub tools: BTreeMap<Arc<str>, Arc<Tool>>,
    /// What every action carries.
    pub labels: Flow,
    /// Facts without which no run completes.
    pub done_when: Vec<contract::Demand>,
}

/// `result: { schema, value }`.
#[derive(Debug)]
pub struct ResultOf {
    /// What it must fit.
    pub schema: Option<Arc<Schema>>,
    /// What it is.
    pub value: Template,
}

/// A group of steps sharing one context.
#[derive(Debug)]
pub struct Stage {
    /// Its name.
    pub name: Arc<str>,
    /// Where the name stands.
    pub at: Place,
    /// The stage layer.
    pub context: Option<Layer>,
    /// In the order written.
    pub steps: Vec<Step>,
    /// Recovery for what its steps leave open.
    pub on_failure: Recoveries,
}

/// A context layer: text, and the data that it shows.
#[derive(Debug)]
pub struct Layer {
    /// The prompt file.
    pub prompt: Prompt,
    /// What it shows besides.
    pub see: Vec<See>,
}

/// A prompt file.
#[derive(Debug)]
pub struct Prompt {
    /// Its path within the project.
    pub file: Arc<str>,
    /// Its text, with holes for what `see:` names.
    pub text: Text,
    /// The file as it is written: with the lines that are not sent.
    pub written: Arc<str>,
}

/// One item of `see:`.
#[derive(Debug)]
pub struct See {
    /// The name it is shown under.
    pub name: Arc<str>,
    /// Where it comes from.
    pub from: Expr,
    /// Of what type that is.
    pub ty: Type,
    /// At most so many tokens, estimated from above.
    pub tokens: Option<u64>,
    /// What is done with the rest.
    pub overflow: Overflow,
    /// Labels that it carries besides those of its data.
    pub labels: BTreeSet<Arc<str>>,
}

/// What is done with an item that exceeds its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The step fails with `context_overflow`.
    Fail,
    /// A text keeps its beginning.
    Truncate,
    /// A list loses its last items.
    DropLast,
}

impl Program {
    /// A stage by name.
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| *stage.name == *name)
    }

    /// A step by name, wherever it stands: names are unique in a workflow.
    pub fn step(&self, name: &str) -> Option<&Step> {
        fn find<'p>(steps: &'p [Step], name: &str) -> Option<&'p Step> {
            steps.iter().find_map(|step| {
                if *step.name == *name {
                    return Some(step);
                }
                step.bodies().into_iter().find_map(|(_, steps)| find(steps, name))
            })
        }
        self.stages.iter().find_map(|stage| find(&stage.steps, name))
    }
}
