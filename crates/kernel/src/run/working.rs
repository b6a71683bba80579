//! The fold of work that people do: from its opening to its end. What an answer says was judged when it was posted, and is judged
//! again when it is used; the first one that came in time is the one.

use std::sync::Arc;

use super::{Doing, Illegal, Open, RunState, Slot, unknown};
use crate::{
    ids::StepPath,
    journal::{Event, Held, WorkEnd},
    recovery::Response,
    values::Timestamp,
};

/// A step that waits for work of people.
#[derive(Clone, Debug, PartialEq)]
pub struct Working {
    /// The work's id.
    pub id: Arc<str>,
    /// Where people find it.
    pub queue: Arc<str>,
    /// From this moment on no answer counts.
    pub due_at: Option<Timestamp>,
    /// The first answer that came in time.
    pub answer: Option<Answered>,
}

/// What a person said.
#[derive(Clone, Debug, PartialEq)]
pub struct Answered {
    /// What.
    pub output: Held,
    /// Who.
    pub by: Arc<str>,
}

impl RunState {
    pub(super) fn worked(&mut self, event: Event) -> Result<(), Illegal> {
        match event {
            Event::WorkOpened { ref step, ref work, ref queue, due_at, .. } => {
                let working = Working { id: work.clone(), queue: queue.clone(), due_at, answer: None };
                let mut place = self.locate(step, &event)?;
                if let Some(open) = place.steps.open.as_deref_mut()
                    && let Doing::Acting(acting) = &mut open.doing
                    && acting.is_unresolved()
                    && acting.asked.is_none()
                {
                    let response = Response::Person { group: working.queue.clone() };
                    acting.asked = Some(working);
                    open.answered.push((unknown(), response));
                    open.asked += 1;
                    return Ok(());
                }
                place.begin(Doing::Working(Box::new(working)), &event)?;
                place.open().asked += 1;
                Ok(())
            }
            Event::WorkAnswered { message, ref step, ref work, ref output, ref by, ref groups, at, .. } => {
                self.read_message(message, &event)?;
                // A second answer, one that comes too late or of somebody else is on record and changes nothing.
                if let Some(working) = self.working_mut(step, work)
                    && working.answer.is_none()
                    && groups.contains(&working.queue)
                    && working.due_at.is_none_or(|due| at < due)
                {
                    working.answer = Some(Answered { output: output.clone(), by: by.clone() });
                }
                Ok(())
            }
            Event::WorkEnded { ref step, ref work, ref end } => {
                if self.working_mut(step, work).is_none() {
                    return Err(self.illegal(&event));
                }
                let end = end.clone();
                let mut place = self.locate(step, &event)?;
                if let Doing::Acting(acting) = &mut place.open().doing {
                    acting.asked = None;
                    let fits = matches!(end, WorkEnd::Settled | WorkEnd::GivenUp { by: None });
                    return if fits { Ok(()) } else { Err(place.illegal(&event)) };
                }
                match end {
                    WorkEnd::Settled => return Err(place.illegal(&event)),
                    WorkEnd::Gave { output, .. } => {
                        place.close(Slot::Gave(output), &event)?;
                        self.steps += 1;
                    }
                    WorkEnd::Again { .. } | WorkEnd::GivenUp { .. } => {
                        let open = place.open();
                        let Some(help) = open.help.take() else { return Err(place.illegal(&event)) };
                        open.doing = Doing::Idle;
                        if matches!(end, WorkEnd::GivenUp { .. }) {
                            (open.failure, open.doing) = (Some(help.failure), help.doing);
                        } else {
                            (open.visit, open.attempt, open.edited) = (open.visit + 1, 0, None);
                            (open.model, open.route, open.deadline) = (None, None, None);
                            open.fallen.clear();
                            open.doubt = None;
                            open.before = u32::try_from(open.answered.len()).unwrap_or(u32::MAX);
                        }
                    }
                    WorkEnd::Failed { failure } => {
                        let open = place.open();
                        (open.doing, open.failure) = (Doing::Idle, Some(failure));
                        open.doubt.iter_mut().for_each(|doubt| doubt.asks = None);
                    }
                }
                Ok(())
            }
            other => Err(self.illegal(&other)),
        }
    }

    /// The work that a step waits for.
    pub fn working(&self, step: &StepPath) -> Option<&Working> {
        match &self.open_at(step)?.doing {
            Doing::Working(working) => Some(working),
            Doing::Acting(acting) => acting.asked.as_ref(),
            _ => None,
        }
    }

    fn working_mut(&mut self, step: &StepPath, work: &str) -> Option<&mut Working> {
        let working = match self.open_at_mut(step)? {
            Open { doing: Doing::Working(working), .. } => &mut **working,
            Open { doing: Doing::Acting(acting), .. } => acting.asked.as_mut()?,
            _ => return None,
        };
        (*working.id == *work).then_some(working)
    }
}
