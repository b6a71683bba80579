//! Labels across workflows: what one hands to another, and what comes back. Each workflow is followed with what the others hand to it,
//! again and again, until nothing new comes in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Flow, Origin, UNTRUSTED, UNVERIFIED,
    flow::{Followed, Hands, follow},
    tree::Tree,
};
use crate::{complaint::Complaint, step::Kind, workflow::Program};

/// Labels by name.
type ByName = BTreeMap<Arc<str>, BTreeSet<Arc<str>>>;

/// What crosses between workflows.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Crossing {
    /// By the name of the workflow that is handed work and the name within its input: what others give it there carries. The empty
    /// name stands for all of it.
    given: BTreeMap<Arc<str>, ByName>,
    /// By the name of the workflow: what its result carries. What nothing verified is marked.
    results: BTreeMap<Arc<str>, Tree>,
    /// By the name of an event: what those who publish it put into it.
    events: ByName,
}

impl Crossing {
    /// Puts what others hand to `workflow` on top of what its own schema says of its input.
    pub fn onto(&self, workflow: &str, input: &mut Tree) {
        for (name, labels) in self.given.get(workflow).into_iter().flatten() {
            for label in labels {
                let source = if name.is_empty() { "input".to_owned() } else { format!("input.{name}") };
                let at: &[Arc<str>] = if name.is_empty() { &[] } else { std::slice::from_ref(name) };
                input.at(at).cover(&Origin::of(label, &source));
            }
        }
    }

    /// All that others hand to `workflow`.
    pub fn all(&self, workflow: &str) -> Origin {
        let mut all = Origin::default();
        let labels = self.given.get(workflow).into_iter().flat_map(BTreeMap::values).flatten();
        labels.for_each(|label| all.join(&Origin::of(label, "run.handoff")));
        all
    }

    /// What comes back from `workflow` to a step of that name.
    pub fn result(&self, workflow: &str, step: &str) -> Tree {
        let unknown = || Tree::flat(Origin::of(UNTRUSTED, step));
        let mut tree = self.results.get(workflow).cloned().unwrap_or_else(unknown);
        tree.each(&mut |own| {
            let labels = own.words();
            *own = Origin::default();
            labels.iter().for_each(|label| own.join(&Origin::of(label, step)));
        });
        tree
    }

    /// What events of these names carry, as far as workflows of the project publish them.
    pub fn told<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> BTreeSet<Arc<str>> {
        names.into_iter().filter_map(|name| self.events.get(name)).flatten().cloned().collect()
    }

    fn publish(&mut self, name: &Arc<str>, data: &Origin) -> bool {
        let known = self.events.entry(name.clone()).or_default();
        let before = known.len();
        known.extend(data.words());
        known.len() > before
    }

    fn hand(&mut self, hands: &Hands) -> bool {
        let given = self.given.entry(hands.to.clone()).or_default();
        let mut fields: Vec<(Arc<str>, Origin)> =
            hands.with.fields.iter().map(|(name, tree)| (name.clone(), tree.all())).collect();
        if !hands.with.hollow || hands.with.rest.is_some() {
            fields.push(("".into(), hands.with.all()));
        }
        let mut grew = false;
        for (name, origin) in fields {
            let known = given.entry(name).or_default();
            let before = known.len();
            known.extend(origin.words());
            grew |= known.len() > before;
        }
        grew
    }
}

/// Follows data through all workflows of a project. Gives, for each, what its actions carry, what is to be said about it, and the
/// places of its result that nothing verifies (empty for a workflow that no other hands work to).
pub fn flows(programs: &BTreeMap<Arc<str>, Program>) -> BTreeMap<Arc<str>, Flows> {
    let mut crossing = Crossing::default();
    let targets = targets(programs);
    // Most projects have nothing that crosses: they are followed once.
    while crosses(programs) {
        let mut grew = false;
        for program in programs.values() {
            let Followed { hands, emits, .. } = follow(program, &crossing, false);
            for one in &hands {
                grew |= crossing.hand(one);
            }
            for (name, data) in &emits {
                grew |= crossing.publish(name, data);
            }
            if !targets.contains(&program.name) {
                continue;
            }
            let Followed { result, .. } = follow(program, &crossing, true);
            if crossing.results.get(&program.name) != Some(&result) {
                crossing.results.insert(program.name.clone(), result);
                grew = true;
            }
        }
        if !grew {
            break;
        }
    }
    let of = |program: &Program| {
        let Followed { flow, complaints, .. } = follow(program, &crossing, false);
        let mut claims = Vec::new();
        if let Some(result) = crossing.results.get(&program.name) {
            unverified(result, &mut String::new(), &mut claims);
        }
        Flows { flow, complaints, claims }
    };
    programs.iter().map(|(name, program)| (name.clone(), of(program))).collect()
}

/// What following data found of one workflow.
#[derive(Debug)]
pub struct Flows {
    /// What its actions carry.
    pub flow: Flow,
    /// What is to be said about it.
    pub complaints: Vec<Complaint>,
    /// The places of its result that nothing verifies, as `payment.id`; the empty one is all of it.
    pub claims: Vec<String>,
}

fn unverified(tree: &Tree, path: &mut String, found: &mut Vec<String>) {
    let own = !tree.hollow && tree.own.labels.contains_key(UNVERIFIED);
    if tree.fields.is_empty() && tree.rest.is_none() {
        if own {
            found.push(path.clone());
        }
        return;
    }
    let length = path.len();
    for (name, field) in &tree.fields {
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        unverified(field, path, found);
        path.truncate(length);
    }
    if own || tree.rest.as_ref().is_some_and(|rest| rest.all().labels.contains_key(UNVERIFIED)) {
        found.push(path.clone());
    }
}

/// Whether anything crosses between workflows.
fn crosses(programs: &BTreeMap<Arc<str>, Program>) -> bool {
    let mut found = false;
    for program in programs.values() {
        program.each_step(&mut |step| found |= matches!(step.kind, Kind::Specialist(_) | Kind::Emit(_)));
    }
    found
}

/// The workflows that others hand work to.
fn targets(programs: &BTreeMap<Arc<str>, Program>) -> BTreeSet<Arc<str>> {
    let mut found = BTreeSet::new();
    for program in programs.values() {
        program.each_step(&mut |step| {
            if let Kind::Specialist(specialist) = &step.kind {
                found.insert(specialist.to.clone());
            }
        });
    }
    found
}
