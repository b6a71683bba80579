//! `return_to`: a checkpoint that stands before, and nothing on the way that could be neither taken back nor kept.

use std::{collections::BTreeSet, sync::Arc};

use crate::{
    complaint::{Complaint, Place, did_you_mean},
    governance::Effect,
    recovery::Recovery,
    step::{Kind, Step},
    workflow::{Recoveries, Stage, reading::Reading},
};

/// Where a list of recoveries stands.
#[derive(Clone, Copy)]
enum List {
    /// At this step of this stage.
    Step(usize, usize),
    /// At this stage.
    Stage(usize),
    /// At the workflow.
    Workflow,
}

/// Complains about every `return_to` that cannot be.
pub(super) fn check(file: &Arc<str>, stages: &[Stage], on_failure: &Recoveries, reading: &mut Reading<'_>) {
    let ways = Ways { file, stages, on_failure };
    ways.list(on_failure, List::Workflow, reading);
    for (place, stage) in stages.iter().enumerate() {
        ways.list(&stage.on_failure, List::Stage(place), reading);
        for (number, step) in stage.steps.iter().enumerate() {
            ways.list(&step.on_failure, List::Step(place, number), reading);
        }
    }
}

/// Complains about every `probe` where no action has one.
pub(super) fn probes(file: &Arc<str>, stages: &[Stage], on_failure: &Recoveries, reading: &mut Reading<'_>) {
    fn list<'a>(lists: &Recoveries, mut about: impl Iterator<Item = &'a Step>, file: &Arc<str>) -> Option<Complaint> {
        let asks = |item: &Recovery| if let Recovery::Probe { at } = item { Some(*at) } else { None };
        let at = lists.values().flatten().find_map(asks)?;
        if about.any(has_probe) {
            return None;
        }
        let message = "no action here has a probe: only a person can tell what became of it";
        Some(Complaint::new("W135", file, at, message).hint("only operations with the effect `probed` have one"))
    }
    fn within(steps: &[Step], file: &Arc<str>, found: &mut Vec<Complaint>) {
        for step in steps {
            found.extend(list(&step.on_failure, std::iter::once(step), file));
            step.bodies().into_iter().for_each(|(_, steps)| within(steps, file, found));
        }
    }
    let mut found = Vec::new();
    found.extend(list(on_failure, stages.iter().flat_map(|stage| &stage.steps), file));
    for stage in stages {
        found.extend(list(&stage.on_failure, stage.steps.iter(), file));
        within(&stage.steps, file, &mut found);
    }
    reading.complaints.extend(found);
}

fn has_probe(step: &Step) -> bool {
    step.calls().iter().any(|act| act.declared().probe.is_some())
        || step.bodies().into_iter().flat_map(|(_, steps)| steps).any(has_probe)
}

struct Ways<'a> {
    file: &'a Arc<str>,
    stages: &'a [Stage],
    on_failure: &'a Recoveries,
}

impl<'a> Ways<'a> {
    fn list(&self, lists: &Recoveries, list: List, reading: &mut Reading<'_>) {
        for recovery in lists.values().flatten() {
            if let Recovery::ReturnTo { step, at, .. } = recovery {
                reading.complaints.extend(self.way(step, *at, list));
            }
        }
    }

    fn way(&self, to: &str, at: Place, list: List) -> Option<Complaint> {
        let complaint = |message: String| Complaint::new("W134", self.file, at, message);
        let steps = || {
            self.stages
                .iter()
                .enumerate()
                .flat_map(|(s, stage)| stage.steps.iter().enumerate().map(move |(i, step)| (s, i, step)))
        };
        let Some((stage, number, found)) = steps().find(|(.., step)| *step.name == *to) else {
            let hint = did_you_mean(to, steps().filter(|(.., step)| step.checkpoint).map(|(.., step)| &*step.name));
            return Some(complaint(format!("there is no checkpoint `{to}`")).or_hint(hint));
        };
        if !found.checkpoint {
            let hint = "write `checkpoint: true` on the step that a recovery returns to";
            return Some(complaint(format!("`{to}` is no checkpoint")).hint(hint));
        }
        let after = match list {
            List::Step(of, place) => (stage, number) < (of, place),
            List::Stage(of) => stage < of || (stage == of && number + 1 < self.stages[of].steps.len()),
            List::Workflow => stage + 1 < self.stages.len() || number + 1 < self.stages[stage].steps.len(),
        };
        if !after {
            return Some(complaint(format!("`{to}` does not stand before what this list is about")));
        }
        let (act, called) = self.crossed((stage, number), list)?;
        let message =
            format!("returning to `{to}` would cross `{act}` ({called}), which says neither `undo` nor `keep`");
        Some(
            complaint(message).hint("say on that step how it is taken back, or `keep: true` if its effect is to stand"),
        )
    }

    /// The first act on the way from the checkpoint to what may fail that would be done twice.
    fn crossed(&self, from: (usize, usize), list: List) -> Option<(&'a Arc<str>, String)> {
        // The step that fails has done nothing itself; what a block did inside stands.
        let until = |stage: usize, end: usize| {
            let last = self.stages[stage].steps.get(end.saturating_sub(1));
            if last.is_some_and(Step::is_block) { end } else { end.saturating_sub(1) }
        };
        let whole = |stage: usize| (stage, until(stage, self.stages[stage].steps.len()));
        let ends = match list {
            List::Step(stage, number) => vec![(stage, until(stage, number + 1))],
            List::Stage(stage) => vec![whole(stage)],
            List::Workflow => (0..self.stages.len()).map(whole).collect(),
        };
        let ways = ends.into_iter().filter_map(|end| self.between(from, end, &mut BTreeSet::new()));
        ways.flatten().find_map(uncovered)
    }

    /// The steps that may run after the checkpoint at `from` and before step `end` of a stage. `None`: there is no way.
    fn between(
        &self,
        from: (usize, usize),
        (stage, end): (usize, usize),
        seen: &mut BTreeSet<usize>,
    ) -> Option<Vec<&'a Step>> {
        let steps = &self.stages[stage].steps;
        if stage == from.0 {
            let steps = steps.get(from.1 + 1..end).unwrap_or_default();
            return Some(self.with_chosen(steps.iter().collect()).0);
        }
        // The stage of the checkpoint may have run inside of this one.
        let inside = (0..end).find(|place| self.with_chosen(vec![&steps[*place]]).1.contains(&from.0));
        if let Some(place) = inside {
            return Some(self.with_chosen(steps[place..end].iter().collect()).0);
        }
        if !seen.insert(stage) {
            return None;
        }
        let mut found: Option<Vec<&'a Step>> = None;
        for (before, at) in self.entrances(stage) {
            if let Some(way) = self.between(from, at, seen) {
                let chosen = self.with_chosen(before.iter().flat_map(|stage| &self.stages[*stage].steps).collect()).0;
                found.get_or_insert_default().extend(way.into_iter().chain(chosen));
            }
        }
        let own = self.with_chosen(steps.iter().take(end).collect()).0;
        found.map(|found| found.into_iter().chain(own).collect())
    }

    /// From where a stage is begun: stages that run right before it, and the step of another one before which all of that has run.
    fn entrances(&self, stage: usize) -> Vec<(Vec<usize>, (usize, usize))> {
        let name = &self.stages[stage].name;
        let (mut found, mut named) = (Vec::new(), false);
        for (place, other) in self.stages.iter().enumerate() {
            for (number, step) in other.steps.iter().enumerate() {
                if let Kind::Decide(decide) = &step.kind {
                    for then in decide.ways() {
                        if let Some(at) = then.iter().position(|one| one == name) {
                            let before = then[..at].iter().filter_map(|name| self.place(name)).collect();
                            found.push((before, (place, number)));
                            named = true;
                        }
                    }
                }
                if left_for(&step.on_failure).any(|one| one == name) {
                    found.push((Vec::new(), (place, number + 1)));
                    named = true;
                }
            }
            let anywhere = left_for(&other.on_failure).chain(left_for(self.on_failure)).any(|one| one == name);
            if anywhere && place != stage {
                found.push((Vec::new(), (place, other.steps.len())));
                named = true;
            }
        }
        // Nothing names it: it runs after the one before it that nothing names.
        if !named {
            let before = (0..stage).rev().find(|place| !self.is_named(*place));
            found.extend(before.map(|place| (Vec::new(), (place, self.stages[place].steps.len()))));
        }
        found
    }

    /// These steps with those of the stages that they choose; and those stages.
    fn with_chosen(&self, mut steps: Vec<&'a Step>) -> (Vec<&'a Step>, BTreeSet<usize>) {
        let (mut stages, mut looked) = (BTreeSet::new(), 0);
        while looked < steps.len() {
            if let Kind::Decide(decide) = &steps[looked].kind {
                for name in decide.ways().flatten() {
                    if let Some(stage) = self.place(name).filter(|stage| stages.insert(*stage)) {
                        steps.extend(&self.stages[stage].steps);
                    }
                }
            }
            looked += 1;
        }
        (steps, stages)
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.stages.iter().position(|stage| *stage.name == *name)
    }

    fn is_named(&self, stage: usize) -> bool {
        let name = &self.stages[stage].name;
        let all = self.stages.iter().flat_map(|stage| &stage.steps);
        let chosen = all.clone().any(|step| match &step.kind {
            Kind::Decide(decide) => decide.ways().flatten().any(|one| one == name),
            _ => false,
        });
        let steps = all.map(|step| &step.on_failure);
        let mut lists = self.stages.iter().map(|stage| &stage.on_failure).chain([self.on_failure]).chain(steps);
        chosen || lists.any(|list| left_for(list).any(|one| one == name))
    }
}

fn left_for(lists: &Recoveries) -> impl Iterator<Item = &Arc<str>> {
    lists
        .values()
        .flatten()
        .filter_map(|recovery| if let Recovery::Stage(stage) = recovery { Some(stage) } else { None })
}

/// The act of this step, or inside of it, that changes something and says neither `undo` nor `keep`.
fn uncovered(step: &Step) -> Option<(&Arc<str>, String)> {
    let stays = |act: &&crate::step::act::Act| act.declared().effect != Effect::Read && act.undo.is_none() && !act.keep;
    if let Some(act) = step.calls().into_iter().find(stays) {
        return Some((&step.name, format!("{}.{}", act.tool.name, act.operation)));
    }
    step.bodies().into_iter().flat_map(|(_, steps)| steps).find_map(uncovered)
}
