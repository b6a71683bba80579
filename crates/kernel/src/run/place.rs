//! Where in a run an event belongs, and what of it may change there.

use std::{collections::BTreeSet, sync::Arc};

use super::{Bodies, Doing, Illegal, Open, Sequence, Slot, Values};
use crate::{
    journal::Event,
    recovery::{Failure, FailureKind},
};

/// Where a path goes: the sequence, the values of its frame, and the step's name there.
pub(super) struct Place<'a> {
    pub(super) steps: &'a mut Sequence,
    pub(super) values: &'a mut Values,
    pub(super) name: Arc<str>,
    pub(super) visit: u32,
    pub(super) outermost: bool,
}

impl Place<'_> {
    pub(super) fn illegal(&self, event: &Event) -> Illegal {
        let state = match &self.steps.open {
            None => format!("`{}` is not in progress", self.name),
            Some(open) => format!("`{}` is in progress, visit {}, attempt {}", open.name, open.visit, open.attempt),
        };
        Illegal::Event { event: crate::story::line(event), state }
    }

    /// The open step; opened if there is none.
    pub(super) fn open(&mut self) -> &mut Open {
        let (name, visit) = (&self.name, self.visit);
        self.steps.open.get_or_insert_with(|| {
            Box::new(Open {
                name: name.clone(),
                visit,
                attempt: 0,
                doing: Doing::Idle,
                failure: None,
                answered: Vec::new(),
                not_before: None,
                model: None,
                route: None,
                fallen: BTreeSet::new(),
                doubt: None,
                asked: 0,
                edited: None,
                help: None,
                before: 0,
                deadline: None,
            })
        })
    }

    /// Whether the step in progress, if any, is this one and may begin something.
    pub(super) fn idle(&self) -> bool {
        self.steps.failed.is_none()
            && self.steps.open.as_ref().is_none_or(|open| {
                open.name == self.name
                    && open.visit == self.visit
                    && open.failure.is_none()
                    && open.doing == Doing::Idle
            })
    }

    pub(super) fn begin(&mut self, doing: Doing, event: &Event) -> Result<(), Illegal> {
        if !self.idle() {
            return Err(self.illegal(event));
        }
        let open = self.open();
        (open.doing, open.not_before) = (doing, None);
        Ok(())
    }

    pub(super) fn fail(&mut self, failure: Failure, event: &Event) -> Result<(), Illegal> {
        let late = failure.kind == FailureKind::DeadlineExceeded;
        let fits = self.steps.failed.is_none()
            && self.steps.open.as_ref().is_none_or(|open| {
                let may = match &open.doing {
                    Doing::Idle | Doing::Asked | Doing::Bodies(_) | Doing::Turns(_) | Doing::Talking(_) => true,
                    Doing::Waiting { .. } | Doing::Handed(_) => late,
                    // It failed for certain, and is not tried again.
                    Doing::Acting(acting) => late && !acting.is_open() && !open.is_in_doubt(),
                    _ => false,
                };
                open.name == self.name && open.visit == self.visit && open.failure.is_none() && may
            });
        if !fits {
            return Err(self.illegal(event));
        }
        let open = self.open();
        let block = matches!(open.doing, Doing::Bodies(_) | Doing::Turns(_) | Doing::Talking(_));
        open.doing = if block { Doing::Spent } else { Doing::Idle };
        open.failure = Some(failure);
        Ok(())
    }

    pub(super) fn close(&mut self, slot: Slot, event: &Event) -> Result<(), Illegal> {
        let other = self.steps.open.as_ref().is_some_and(|open| open.name != self.name || open.visit != self.visit);
        if other || self.steps.failed.is_some() || self.values.contains_key(&self.name) {
            return Err(self.illegal(event));
        }
        self.values.insert(self.name.clone(), slot);
        self.steps.over += 1;
        self.steps.open = None;
        (self.steps.last, self.steps.visit) = (Some(self.name.clone()), self.visit);
        Ok(())
    }

    pub(super) fn bodies(&mut self, event: &Event) -> Result<&mut Bodies, Illegal> {
        let fits = self.steps.open.as_deref().is_some_and(|open| {
            open.name == self.name && open.visit == self.visit && matches!(open.doing, Doing::Bodies(_))
        });
        match self.steps.open.as_deref_mut() {
            Some(Open { doing: Doing::Bodies(bodies), .. }) if fits => Ok(bodies),
            _ => Err(Illegal::Event {
                event: crate::story::line(event),
                state: format!("`{}` has no bodies in progress", self.name),
            }),
        }
    }
}
