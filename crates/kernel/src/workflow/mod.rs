//! The program: what a workflow file says, checked and compiled.

pub mod bundle;
pub mod changes;
pub mod channel;
pub mod contract;
pub mod graph;
mod handoffs;
pub mod model;
mod parse;
pub mod profile;
pub mod project;
pub(crate) mod reading;
mod returns;
mod see;
mod shown;
pub mod table;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    cache::Memo,
    complaint::Place,
    expr::{Expr, Reads, Template, Text},
    governance::{budget::Limit, labels::Flow},
    ids::{Digest, StepPath},
    recovery::{FailureKind, Recovery},
    routes::Routes,
    schema::Schema,
    step::{Kind, Step},
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
    /// Models that stand in for each other.
    pub routes: Arc<Routes>,
    /// What every action carries.
    pub labels: Flow,
    /// Facts without which no run completes.
    pub done_when: Vec<contract::Demand>,
    /// What its expressions read, as they are written.
    pub uses: Vec<Use>,
    /// Its result is kept, and used again by whoever has the same key.
    pub cache: Option<Memo>,
}

/// An expression reads a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// The innermost step that has the expression; `None`: the workflow itself, as its `result`.
    pub by: Option<Arc<str>>,
    /// What is read: a step, `input`, or a name of a body such as `item`.
    pub name: Arc<str>,
    /// Which field of it, outermost first; none: all of it.
    pub fields: Vec<Arc<str>>,
    /// The file in which the expression stands.
    pub file: Arc<str>,
    /// Where it stands, or the values that it is part of.
    pub at: Place,
}

/// `result: { schema, value }`.
#[derive(Debug)]
pub struct ResultOf {
    /// What it must fit.
    pub schema: Option<Arc<Schema>>,
    /// What it is.
    pub value: Template,
    /// Of what type that is.
    pub ty: Type,
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
    /// What its steps give is kept, and used again by whoever has the same key.
    pub cache: Option<Memo>,
}

/// A context layer: text, and the data that it shows.
#[derive(Debug)]
pub struct Layer {
    /// The prompt file.
    pub prompt: Prompt,
    /// What it shows besides.
    pub see: Vec<See>,
    /// At most so many tokens, text and data together.
    pub tokens: Option<u64>,
    /// Where it stands.
    pub at: Place,
}

/// A prompt file.
#[derive(Debug)]
pub struct Prompt {
    /// Its path within the project.
    pub file: Arc<str>,
    /// Its text, with holes for what `see:` names.
    pub text: Text,
    /// What each hole reads.
    pub reads: Vec<Vec<Reads>>,
    /// The file as it is written: with the lines that are not sent.
    pub written: Arc<str>,
}

impl Prompt {
    /// Whether a hole reads this name.
    pub fn places(&self, name: &str) -> bool {
        self.reads.iter().flatten().any(|(read, _)| **read == *name)
    }
}

/// One item of `see:`.
#[derive(Debug)]
pub struct See {
    /// The name it is shown under.
    pub name: Arc<str>,
    /// Where it comes from.
    pub from: Expr,
    /// At most so many tokens, estimated from above.
    pub tokens: Option<u64>,
    /// What is done with the rest.
    pub overflow: Overflow,
    /// It never shrinks, and is never left out.
    pub required: bool,
    /// Labels that it carries besides those of its data.
    pub labels: BTreeSet<Arc<str>>,
    /// The innermost body whose names it reads, counted from outside: what is shown first changes least often.
    pub depth: u32,
    /// Of what type it is.
    pub ty: Type,
    /// Where its name stands.
    pub at: Place,
}

/// What is done with an item that exceeds its tokens.
#[derive(Clone, Debug)]
pub enum Overflow {
    /// The step fails with `context_overflow`; an item that is not required is left out.
    Fail,
    /// A text is cut.
    Truncate(Cut),
    /// A list loses its last items.
    DropLast,
    /// A list loses its first items.
    DropFirst,
    /// A list keeps its best items, in their order.
    Top {
        /// At most so many.
        most: u32,
        /// What is compared: the highest stay. Without it, the first are the best.
        by: Option<Expr>,
    },
    /// A short reference stands in its place; the text is kept beside the journal.
    Offload,
}

/// Where a text is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// At its beginning.
    Head,
    /// In its middle.
    Middle,
    /// At its end.
    Tail,
}

impl Program {
    /// A stage by name.
    pub fn stage(&self, name: &str) -> Option<&Stage> {
        self.stages.iter().find(|stage| *stage.name == *name)
    }

    /// Does something with every step, wherever it stands.
    pub fn each_step<'p>(&'p self, with: &mut dyn FnMut(&'p Step)) {
        fn walk<'p>(steps: &'p [Step], with: &mut dyn FnMut(&'p Step)) {
            for step in steps {
                with(step);
                step.bodies().into_iter().for_each(|(_, steps)| walk(steps, with));
            }
        }
        self.stages.iter().for_each(|stage| walk(&stage.steps, with));
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

    /// The step at a path. In a turn of an agent only what asks has a step that its name alone tells.
    pub fn step_at(&self, path: &StepPath) -> Option<&Step> {
        let around = path.as_str().rsplit_once('/').and_then(|(around, _)| self.step(StepPath::new(around).name()));
        match around.map(|step| &step.kind) {
            Some(Kind::Agent(agent)) => Some(&agent.ask).filter(|ask| *ask.name == *path.name()),
            Some(Kind::Plan(plan)) => plan.inner(path.name()),
            _ => self.step(path.name()),
        }
    }
}
