//! What came back from outside becomes an event: judged here, by the same program and state that asked for it.

use crate::{
    context::{Proposed, Said},
    ids::StepPath,
    journal::{Blob, Usage},
    next::{Facts, Frame, Query, Record, Stop, Walk},
    recovery::Failure,
    run::{Doing, Open, RunState, Sequence},
    step::{Kind, Step},
    values::Value,
    workflow::Program,
};

/// What came back.
#[derive(Clone, Debug)]
pub enum Answer {
    /// From a model.
    Model {
        /// The attempt that it answers.
        attempt: u32,
        /// What it said: JSON.
        answer: Result<Value, Failure>,
        /// What the provider billed.
        usage: Usage,
        /// The raw body, for the record.
        raw: Option<Blob>,
        /// What it proposed, if it was offered something.
        proposed: Vec<Proposed>,
        /// What the server said besides.
        said: Said,
    },
    /// From a tool.
    Tool {
        /// The attempt that it answers.
        attempt: u32,
        /// What it said.
        answer: Result<Value, Failure>,
        /// The raw body, for the record.
        raw: Option<Blob>,
    },
    /// From a pure function.
    Native {
        /// What it gave.
        answer: Result<Value, String>,
    },
}

/// What to do with an answer.
#[expect(clippy::large_enum_variant, reason = "one at a time, and taken apart at once")]
#[derive(Debug)]
pub enum Settled {
    /// Append this.
    Record(Record),
    /// Look these up, then ask again.
    Look(Vec<Query>),
    /// Nobody waits for it any more: a join was decided without it, or its step was left.
    Stale,
}

/// Judges an answer for `step`.
pub fn settle(program: &Program, state: &RunState, facts: &Facts<'_>, step: &StepPath, answer: &Answer) -> Settled {
    let walk = Walk::new(program, state, facts);
    if let Some(act) = step.undoes() {
        return settled(settle_undo(&walk, &act, step, answer));
    }
    let found = walk.at(step, |walk, here, open, frame| settle_here(walk, here, open, frame, step, answer));
    settled(found)
}

fn settled(found: Result<Option<Record>, Stop>) -> Settled {
    match found {
        Ok(Some(record)) => Settled::Record(record),
        Ok(None) => Settled::Stale,
        Err(Stop::Look(blobs)) => Settled::Look(blobs),
        // Finding the step again evaluates nothing that can fail but a lookup, and what was found settles its own failures.
        Err(Stop::Failed(_)) => Settled::Stale,
    }
}

fn settle_undo(walk: &Walk<'_>, act: &StepPath, step: &StepPath, answer: &Answer) -> Result<Option<Record>, Stop> {
    let undo = walk.program.step_at(act).and_then(Step::call).and_then(|act| act.undo.as_deref());
    let (Some(undo), Some(open), Some(stage)) = (undo, walk.state.open_at(step), walk.program.stages.first()) else {
        return Ok(None);
    };
    let Answer::Tool { attempt, answer, raw } = answer else { return Ok(None) };
    let frame = Frame::outermost(&walk.state.values, stage);
    let kept = raw.as_ref().map(Blob::reference);
    let record = undo.settle(walk, step, (open, &frame), *attempt, answer.clone(), kept)?;
    Ok(record.map(|mut record| {
        record.blobs.extend(raw.clone());
        record
    }))
}

fn settle_here(
    walk: &Walk<'_>,
    here: &Step,
    open: Option<&Open>,
    frame: &Frame<'_>,
    step: &StepPath,
    answer: &Answer,
) -> Result<Option<Record>, Stop> {
    let with_raw = |mut record: Record, raw: &Option<Blob>| {
        record.blobs.extend(raw.clone());
        Some(record)
    };
    match (&here.kind, answer) {
        (Kind::Reason(reason), Answer::Model { attempt, answer, usage, raw, proposed, said }) => {
            let waits = |open: &&Open| open.attempt == *attempt && matches!(open.doing, Doing::Asking { .. });
            let Some(open) = open.filter(waits) else { return Ok(None) };
            let billed = (*usage, raw.as_ref().map(Blob::reference), said.clone());
            let record = reason.settle(walk, step, (open, frame), (answer.clone(), proposed), billed)?;
            Ok(with_raw(record, raw))
        }
        (Kind::Act(act), Answer::Tool { attempt, answer, raw }) => {
            let Some(open) = open else { return Ok(None) };
            let kept = raw.as_ref().map(Blob::reference);
            let record = act.settle(walk, step, (open, frame), *attempt, answer.clone(), kept)?;
            Ok(record.and_then(|record| with_raw(record, raw)))
        }
        (Kind::Verify(verify), Answer::Tool { attempt, answer, raw }) => {
            let Some(open) = open else { return Ok(None) };
            let kept = raw.as_ref().map(Blob::reference);
            let record = verify.settle(walk, step, (open, frame), *attempt, answer.clone(), kept)?;
            Ok(record.and_then(|record| with_raw(record, raw)))
        }
        (Kind::Native(native), Answer::Native { answer }) => Ok(Some(native.settle(step, answer.clone()))),
        _ => Ok(None),
    }
}

type Found<'f, R> = dyn FnOnce(&Walk<'_>, &Step, Option<&Open>, &Frame<'_>) -> Result<Option<R>, Stop> + 'f;

impl Walk<'_> {
    /// Finds the step in progress at `path` with its frame; `None` if it is not in progress (any more).
    pub(crate) fn at<R>(
        &self,
        path: &StepPath,
        found: impl FnOnce(&Walk<'_>, &Step, Option<&Open>, &Frame<'_>) -> Result<Option<R>, Stop>,
    ) -> Result<Option<R>, Stop> {
        let Some(top) = self.state.stages.last() else { return Ok(None) };
        let Some(stage) = self.program.stage(&top.stage) else { return Ok(None) };
        let frame = Frame::outermost(&self.state.values, stage);
        let segments: Vec<_> = path.segments().collect();
        let here = stage.steps.get(top.steps.over as usize).map(|step| (step, &*step.name));
        self.down(&segments, (here, &top.steps), &frame, path, Box::new(found))
    }

    fn down<R>(
        &self,
        segments: &[crate::ids::Segment<'_>],
        (here, at): (Option<(&Step, &str)>, &Sequence),
        frame: &Frame<'_>,
        path: &StepPath,
        found: Box<Found<'_, R>>,
    ) -> Result<Option<R>, Stop> {
        let Some((segment, rest)) = segments.split_first() else { return Ok(None) };
        let open = at.open.as_deref();
        let Some((step, _)) = here.filter(|(_, name)| *name == segment.name) else { return Ok(None) };
        if self.visit(step, open, frame) != segment.visit || at.failed.is_some() {
            return Ok(None);
        }
        if rest.is_empty() {
            return found(self, step, open, frame);
        }
        let found_body = open.zip(segment.frame).and_then(|(open, key)| Some((open, open.doing.body(key)?)));
        let Some((open, (index, body))) = found_body else { return Ok(None) };
        let Some(inner) = step.body(self, &open.doing, index, path)? else { return Ok(None) };
        let nothing = crate::run::Body::default();
        let body = body.unwrap_or(&nothing);
        let frame = frame.inside(if inner.steps.is_seen() { &body.values } else { &nothing.values }, &inner);
        self.down(rest, (inner.steps.get(body.steps.over), &body.steps), &frame, path, found)
    }
}
