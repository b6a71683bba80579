//! The fold of taking back: what is on the list, how far it is, and what was taken back.

use std::{collections::BTreeSet, sync::Arc};

use super::{Illegal, Place, RunState, Sequence, Values};
use crate::{
    ids::StepPath,
    journal::{Event, Undo},
    run::Performed,
};

/// Acts that are being taken back, one after another.
#[derive(Clone, Debug, PartialEq)]
pub struct Undoing {
    /// The step whose failure asked for it; `None`: the run is being cancelled.
    pub by: Option<StepPath>,
    /// What is taken back, in this order.
    pub acts: Vec<StepPath>,
    /// How far it is: each undo is a step of it.
    pub steps: Sequence,
    values: Values,
    /// The checkpoint to return to after it, and the steps that keep their values.
    then: Option<(Arc<str>, Vec<Arc<str>>)>,
}

impl Undoing {
    /// The act whose turn it is.
    pub fn current(&self) -> Option<&StepPath> {
        self.acts.get(self.steps.over as usize)
    }
}

impl RunState {
    /// The act at this path, if it was performed for certain and stands.
    pub fn standing(&self, act: &StepPath) -> Option<&Performed> {
        self.performed.iter().rev().find(|one| one.certain && !one.taken_back && one.step == *act)
    }

    /// How the act that `undo` is about is taken back.
    pub fn undo_of(&self, undo: &StepPath) -> Option<&Undo> {
        self.standing(&undo.undoes()?)?.undo.as_deref()
    }

    /// What the failure of this step asked to be taken back, while that is in progress.
    pub fn undoing_by(&self, step: Option<&StepPath>) -> Option<&Undoing> {
        self.undoing.iter().find(|undoing| undoing.by.as_ref() == step)
    }

    /// Whether a step inside of this block has asked for something to be taken back, and that is not over.
    pub fn takes_back_inside(&self, block: &StepPath) -> bool {
        self.undoing.iter().filter_map(|undoing| undoing.by.as_ref()).any(|by| by.is_inside(block))
    }

    /// Whether the run takes back what it did before it is cancelled, and that is not over.
    pub fn unwinds(&self) -> bool {
        self.cancelling && self.undo_all && (!self.unwound || self.undoing_by(None).is_some())
    }

    /// Acts that changed something and stand, as far as `seen` says: those that can be taken back, the last result first, and those
    /// that stay.
    pub fn to_take_back(&self, seen: impl Fn(&Performed) -> bool) -> (Vec<StepPath>, Vec<StepPath>) {
        let mut found: Vec<&Performed> =
            self.performed.iter().filter(|one| one.writes && !one.taken_back && seen(one)).collect();
        found.retain(|one| one.step.undoes().is_none());
        found.sort_by_key(|one| std::cmp::Reverse(one.result));
        let (acts, standing): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.certain && one.undo.is_some());
        let paths = |list: Vec<&Performed>| list.into_iter().map(|one| one.step.clone()).collect();
        (paths(acts), paths(standing))
    }

    /// Takes back `acts`, which must stand and say how.
    pub(super) fn take_back(
        &mut self,
        by: Option<StepPath>,
        acts: Vec<StepPath>,
        then: Option<(Arc<str>, Vec<Arc<str>>)>,
        event: &Event,
    ) -> Result<(), Illegal> {
        let stand = self.performed.iter().filter(|one| one.certain && !one.taken_back && one.undo.is_some());
        let stand: BTreeSet<&StepPath> = stand.map(|one| &one.step).collect();
        if !acts.iter().all(|act| stand.contains(act)) || self.undoing_by(by.as_ref()).is_some() {
            return Err(self.illegal(event));
        }
        if !acts.is_empty() {
            self.undoing.push(Undoing { by, acts, steps: Sequence::default(), values: Values::new(), then });
            self.unpark();
        } else if let Some((to, kept)) = then {
            self.go_back(&to, &kept);
        }
        Ok(())
    }

    /// What is being taken back is left to somebody else, who goes on where it was.
    pub(super) fn park(&mut self) {
        for mut undoing in std::mem::take(&mut self.undoing) {
            let open = undoing.steps.open.take();
            if let Some(one) = undoing.current().and_then(|act| self.standing_mut(act)) {
                one.parked = open;
            }
        }
    }

    fn unpark(&mut self) {
        for place in 0..self.undoing.len() {
            if self.undoing[place].steps.open.is_none()
                && let Some(act) = self.undoing[place].current().cloned()
                && let Some(one) = self.standing_mut(&act)
            {
                let parked = one.parked.take();
                self.undoing[place].steps.open = parked;
            }
        }
    }

    pub(super) fn standing_mut(&mut self, act: &StepPath) -> Option<&mut Performed> {
        self.performed.iter_mut().rev().find(|one| one.certain && !one.taken_back && one.step == *act)
    }

    /// The act that `undo` is about does not stand any more.
    pub(super) fn took_back(&mut self, undo: &StepPath) {
        let Some(act) = undo.undoes() else { return };
        if let Some(one) = self.standing_mut(&act) {
            one.taken_back = true;
        }
        let over = self.undoing.iter().position(|undoing| undoing.current().is_none());
        if let Some((to, kept)) = over.and_then(|place| self.undoing.remove(place).then) {
            self.go_back(&to, &kept);
        }
        self.unpark();
    }

    /// The undo in progress at `path`.
    pub(super) fn undoing_at(&self, path: &StepPath) -> Option<usize> {
        let act = path.undoes()?;
        self.undoing.iter().position(|undoing| undoing.current() == Some(&act))
    }

    pub(super) fn locate_undo<'a>(&'a mut self, path: &StepPath, event: &Event) -> Result<Place<'a>, Illegal> {
        let Some(place) = self.undoing_at(path) else {
            let state = format!("`{path}` is not being taken back");
            return Err(Illegal::Event { event: crate::story::line(event), state });
        };
        let undoing = &mut self.undoing[place];
        let (steps, values, name) = (&mut undoing.steps, &mut undoing.values, path.as_str().into());
        Ok(Place { steps, values, name, visit: 1, outermost: false })
    }
}
