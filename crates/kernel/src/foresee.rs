//! What can be known of a workflow before it runs: what can fail where and what is done about it.

pub mod allow;
pub mod cost;
pub(crate) mod exact;
pub mod kinds;
pub mod sound;
pub mod table;
pub mod wording;

use std::{collections::BTreeMap, sync::Arc};

use crate::{
    complaint::Complaints,
    governance::{
        budget::Limits,
        policy::{Folder, Policies},
    },
    step::{Step, act::Act},
    workflow::{
        Program,
        project::{ModelDecl, Project},
    },
};

/// What counts besides a workflow's own file.
#[derive(Clone, Copy, Debug)]
pub struct Around<'a> {
    /// The policies of today; `None`: the project has none.
    pub policies: Option<&'a Policies>,
    /// The standing limits.
    pub limits: &'a Limits,
    /// The models.
    pub models: &'a BTreeMap<Arc<str>, ModelDecl>,
}

impl Around<'_> {
    /// What counts in a project.
    pub fn of(project: &Project) -> Around<'_> {
        Around { policies: project.policies.as_deref(), limits: &project.file.budgets, models: &project.file.models }
    }

    /// Whether an action may be put before people: a rule asks, or an argument that says what is done to whom may be untrusted.
    pub fn asks(&self, act: &Act) -> bool {
        let called = act.called();
        let rules = self.policies.map(Policies::rules).unwrap_or_default();
        let ruled =
            rules.iter().any(|rule| rule.folder == Folder::Ask && rule.actions().any(|action| **action == *called));
        ruled || !act.declared().control.is_empty()
    }

    /// Whether something limits what runs of the workflow spend.
    pub fn limits(&self, program: &Program) -> bool {
        let limits = self.limits;
        program.budget.is_some()
            || limits.tenant.is_some()
            || limits.day.is_some()
            || limits.workflow.contains_key(&program.name)
    }
}

/// Complains about what needs only the workflow: lists of recoveries that guess, change nothing or are never reached.
pub fn check_lists(program: &Program, complaints: &mut Complaints) {
    sound::lists(program, complaints);
}

/// Warns about what needs the whole project.
pub fn check(program: &Program, around: &Around<'_>, complaints: &mut Complaints) {
    sound::occurring(program, around, complaints);
    sound::irreversible(program, around, complaints);
    exact::check(program, around, complaints);
    wording::check(program, complaints);
    cost::check(program, around, complaints);
}

/// Every step of a workflow, bodies included, in the order written, with its stage's number and how deep in bodies it stands.
pub(crate) fn steps(program: &Program) -> Vec<(usize, u32, &Step)> {
    fn walk<'p>(list: &'p [Step], stage: usize, depth: u32, found: &mut Vec<(usize, u32, &'p Step)>) {
        for step in list {
            found.push((stage, depth, step));
            step.bodies().into_iter().for_each(|(_, inner)| walk(inner, stage, depth + 1, found));
        }
    }
    let mut found = Vec::new();
    program.stages.iter().enumerate().for_each(|(number, stage)| walk(&stage.steps, number, 0, &mut found));
    found
}
