//! Going on from where another run was: where that is possible, where a failed run would be tried again, and the first entries of the
//! run that does it.
//!
//! A fork is a new run. It begins with its own first entry; the next ones are those of its source, up to the point, with the same numbers
//! and times, sealed anew in its own chain. So its fold needs no event of its own, and everything after the point is done by the new run:
//! under its own keys, by the rules of that day, with nothing inherited that was open.

use std::{fmt, sync::Arc};

use crate::{
    ids::{Digest, RunId, Segment, StepPath},
    journal::{BlobRef, BodyResult, Effects, End, Entry, Event, Fork, Head, Held, Origin},
    run::{Performed, RunState},
    values::Timestamp,
};

/// Where a run is forked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// The last entry that is inherited.
    pub entry: u64,
    /// The one that was asked for.
    pub asked: u64,
    /// Why it is an earlier one; `None`: it is the one that was asked for.
    pub moved: Option<String>,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.moved {
            None => write!(f, "entry {}", self.entry),
            Some(why) => write!(f, "entry {}, because at entry {} {why}", self.entry, self.asked),
        }
    }
}

/// Why a run is not forked, or not tried again.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotForked {
    /// What is gone cannot be done on from.
    #[error("run {run} was erased: there is nothing to go on from")]
    Erased {
        /// Which run.
        run: RunId,
    },
    /// It works for another run, within the bounds of that one.
    #[error("run {run} works for run {parent} and within its bounds")]
    Child {
        /// Which run.
        run: RunId,
        /// For which.
        parent: RunId,
    },
    /// There is no such entry.
    #[error("run {run} has entries 1 to {last}, and not {asked}")]
    NoEntry {
        /// Which run.
        run: RunId,
        /// The number that was asked for.
        asked: u64,
        /// Its last entry.
        last: u64,
    },
    /// The journal does not hold.
    #[error("the journal of run {run} does not hold: {why}")]
    Broken {
        /// Which run.
        run: RunId,
        /// Why not.
        why: String,
    },
    /// It did not fail.
    #[error("run {run} did not fail")]
    NotFailed {
        /// Which run.
        run: RunId,
    },
    /// All its steps are done, and their result is what failed.
    #[error("no step of run {run} failed, but its result: tried again, it would be the same")]
    NoStep {
        /// Which run.
        run: RunId,
    },
    /// What came after the point happened outside.
    #[error("run {run} is not tried again from entry {entry}: {why}")]
    Happened {
        /// Which run.
        run: RunId,
        /// Where it would be.
        entry: u64,
        /// What happened after it.
        why: String,
    },
}

/// Where `run` can be forked: at entry `asked`, or at the nearest one before it at which nothing is in progress.
///
/// # Errors
/// It cannot be read, works for another run, or has no such entry.
pub fn point(run: RunId, entries: &[Entry], asked: u64) -> Result<Point, NotForked> {
    Road::of(run, entries)?.point(asked)
}

/// Where a failed run is tried again: before the step that failed. Only if nothing that came after it was done outside, or may have been.
///
/// # Errors
/// As [`point`]; or it did not fail, no step of it did, or something happened.
pub fn retry_point(run: RunId, entries: &[Entry]) -> Result<Point, NotForked> {
    let road = Road::of(run, entries)?;
    let Some(Event::RunFinished { end: End::Failed, .. }) = road.events.last() else {
        return Err(NotForked::NotFailed { run });
    };
    let begins = match road.failed_at {
        Some(failed) => road.failing_step(failed),
        None if road.all_done => return Err(NotForked::NoStep { run }),
        // Its time was over; whatever was open then is begun again.
        None => road.events.len() as u64,
    };
    let point = road.point(begins.saturating_sub(1).max(1))?;
    match road.happened_after(point.entry) {
        Some(why) => Err(NotForked::Happened { run, entry: point.entry, why }),
        None => Ok(Point { moved: None, asked: point.entry, ..point }),
    }
}

/// A journal as far as forking it goes.
struct Road {
    run: RunId,
    events: Vec<Event>,
    /// What is in progress after each entry.
    unsettled: Vec<Option<String>>,
    /// What was taken back: the act's first entry, and the one that began to take it back.
    taken_back: Vec<(u64, u64)>,
    /// What was done outside, or may have been, before the run ended.
    performed: Vec<Performed>,
    /// The entry with which the run was to fail.
    failed_at: Option<u64>,
    /// No stage was left.
    all_done: bool,
}

impl Road {
    fn of(run: RunId, entries: &[Entry]) -> Result<Road, NotForked> {
        let mut state = RunState::new(run);
        let mut road = Road {
            run,
            events: Vec::new(),
            unsettled: Vec::new(),
            taken_back: Vec::new(),
            performed: Vec::new(),
            failed_at: None,
            all_done: false,
        };
        if entries.iter().any(|entry| entry.body.is_none()) {
            return Err(NotForked::Erased { run });
        }
        for entry in entries {
            let broken = |why: String| NotForked::Broken { run, why };
            entry.verify(run, state.head).map_err(|why| broken(why.to_string()))?;
            let event = entry.event().map_err(|why| broken(why.to_string()))?;
            match &event {
                Event::RunStarted { parent: Some(parent), .. } => {
                    return Err(NotForked::Child { run, parent: parent.run });
                }
                Event::ActionStarted { step, .. } => {
                    let act = step.undoes().and_then(|act| state.standing(&act).map(|one| one.entry));
                    road.taken_back.extend(act.map(|act| (act, entry.seq)));
                }
                Event::RunFinished { .. } => {
                    road.all_done = state.stages.is_empty();
                    road.performed = std::mem::take(&mut state.performed);
                }
                _ => {}
            }
            state.apply(entry, event.clone()).map_err(|why| broken(why.to_string()))?;
            if state.failed.is_some() && road.failed_at.is_none() {
                road.failed_at = Some(entry.seq);
            }
            road.unsettled.push(state.unsettled());
            road.events.push(event);
        }
        if state.end.is_none() {
            road.performed = state.performed;
        }
        Ok(road)
    }

    fn point(&self, asked: u64) -> Result<Point, NotForked> {
        let last = self.events.len() as u64;
        if asked == 0 || asked > last {
            return Err(NotForked::NoEntry { run: self.run, asked, last });
        }
        let why = |entry: u64| match &self.unsettled[entry as usize - 1] {
            Some(why) => Some(why.clone()),
            // It would rest on something that is not there any more.
            None => {
                let gone = self.taken_back.iter().find(|(act, undo)| *act <= entry && entry < *undo);
                gone.map(|(act, _)| format!("it rests on the act of entry {act}, which was taken back later"))
            }
        };
        let entry = (1..=asked).rev().find(|entry| why(*entry).is_none()).unwrap_or(1);
        Ok(Point { entry, asked, moved: why(asked).filter(|_| entry < asked) })
    }

    /// The first entry of the step that made the run fail: inside of a block, the one that failed first.
    fn failing_step(&self, failed: u64) -> u64 {
        let (mut first, mut last) = (1, failed);
        let mut step = self.events[failed as usize - 1].step().map(outermost);
        while let Some(inside) = &step {
            let within = |path: &StepPath| path == inside || is_below(path, inside);
            let of = |seq: &u64| self.events[*seq as usize - 1].step();
            first = (first..=last).find(|seq| of(seq).is_some_and(within)).unwrap_or(first);
            let body = (first..=last).find(|seq| match &self.events[*seq as usize - 1] {
                Event::BodyDone { body, result: BodyResult::Failed(_) } => within(body),
                _ => false,
            });
            // What came last inside of a body before it failed is what failed in it.
            let around = body.and_then(|seq| of(&seq));
            let end = body.map_or(last, |seq| seq - 1);
            let inner = (first..=end).rev().find(|seq| {
                of(seq).is_some_and(|path| {
                    path.undoes().is_none() && is_below(path, inside) && around.is_none_or(|body| is_below(path, body))
                })
            });
            let Some(seq) = inner else { break };
            (step, last) = (of(&seq).cloned(), seq);
        }
        first
    }

    /// What was done outside after this entry, or may have been, and was not taken back.
    fn happened_after(&self, entry: u64) -> Option<String> {
        let stands =
            |one: &&Performed| one.entry > entry && one.writes && !one.taken_back && one.step.undoes().is_none();
        if let Some(one) = self.performed.iter().find(stands) {
            let done = if one.certain { "was performed" } else { "may have been performed" };
            return Some(format!(
                "`{}.{}` of `{}` {done} after it, in entry {}",
                one.tool, one.operation, one.step, one.entry
            ));
        }
        let after = self.events.iter().zip(1..).filter(|(_, seq)| *seq > entry);
        after.into_iter().find_map(|(event, seq): (&Event, u64)| match event {
            Event::ChildStarted { step, child, .. } => {
                Some(format!("`{step}` handed work to run {child} after it, in entry {seq}"))
            }
            Event::EventPublished { step, topic, .. } => {
                Some(format!("`{step}` published the event `{}` after it, in entry {seq}", topic.event))
            }
            _ => None,
        })
    }
}

/// The step outside of all bodies that this one is part of.
fn outermost(path: &StepPath) -> StepPath {
    match path.segments().next() {
        Some(Segment { name, visit, .. }) if visit > 1 => StepPath::new(format!("{name}~{visit}")),
        Some(Segment { name, .. }) => StepPath::new(name),
        None => path.clone(),
    }
}

/// Whether `path` is part of this step, in this visit, or of this body.
fn is_below(path: &StepPath, outer: &StepPath) -> bool {
    path.as_str().strip_prefix(outer.as_str()).is_some_and(|rest| rest.starts_with(['/', '[', '.']))
}

/// A run that goes on from where another was, as it is to be started.
#[derive(Debug)]
pub struct Forking {
    /// Its own first entry.
    pub first: Entry,
    /// What it inherits: the entries after that one, in order.
    pub inherited: Vec<Entry>,
    /// The run after them.
    pub state: RunState,
    /// Blobs of the source that they name.
    pub blobs: Vec<BlobRef>,
    /// The run that it goes on from.
    pub of: RunId,
    /// The last inbox message that they tell of.
    pub inbox: u64,
    /// SHA-256 over the input.
    pub input: Digest,
}

/// Who forks a run, and how.
#[derive(Clone, Debug)]
pub struct Forker {
    /// The new run.
    pub run: RunId,
    /// What becomes of its effects.
    pub effects: Effects,
    /// It tries again what failed.
    pub retry: bool,
    /// The person.
    pub by: Option<Arc<str>>,
}

/// Makes the entries of a run that goes on from entry `at` of `source`, which is one that [`point`] or [`retry_point`] gave.
///
/// # Errors
/// The source cannot be read.
pub fn fork(
    source: RunId,
    entries: &[Entry],
    at: u64,
    forker: Forker,
    now: Timestamp,
    mut salt: impl FnMut() -> [u8; 16],
) -> Result<Forking, NotForked> {
    let broken = |why: &dyn fmt::Display| NotForked::Broken { run: source, why: why.to_string() };
    let entries = &entries[..entries.len().min(at as usize)];
    let mut before = RunState::new(source);
    before.fold(entries).map_err(|why| broken(&why))?;
    let (Some(start), Some(first)) = (&before.start, entries.first()) else {
        return Err(NotForked::NoEntry { run: source, asked: at, last: 0 });
    };
    let mut from = start.fork.as_ref().map(|fork| fork.from.clone()).unwrap_or_default();
    from.push(Origin { run: source, entry: before.head.seq, hash: before.head.hash });
    let mut starters = start.fork.as_ref().map(|fork| fork.starters.clone()).unwrap_or_default();
    starters.extend(start.by.iter().filter(|by| !starters.contains(by)).cloned().collect::<Vec<_>>());
    let inbox = before.inbox_read;
    let input = match &start.input {
        Held::Value(value) => value.digest(),
        Held::Blob(blob) => blob.digest,
    };
    let Forker { run, effects, retry, by } = forker;
    let mut event = first.event().map_err(|why| broken(&why))?;
    if let Event::RunStarted { by: own, fork, .. } = &mut event {
        *own = by;
        *fork = Some(Box::new(Fork { from, effects, retry, inbox, starters }));
    }
    let mut blobs = event.blobs();
    let mut state = RunState::new(run);
    let own = Entry::seal(run, Head::START, 0, now, salt(), &event);
    state.apply(&own, event).map_err(|why| broken(&why))?;
    let mut inherited = Vec::with_capacity(entries.len().saturating_sub(1));
    for entry in &entries[1..] {
        let event = entry.event().map_err(|why| broken(&why))?;
        blobs.extend(event.blobs());
        // With its time, for what was decided then was decided in time; and its epoch, for what was sent again was sent again after one.
        let entry = Entry::seal(run, state.head, entry.epoch, entry.at, salt(), &event);
        state.apply(&entry, event).map_err(|why| broken(&why))?;
        inherited.push(entry);
    }
    blobs.sort_by_key(|blob| blob.digest);
    blobs.dedup_by_key(|blob| blob.digest);
    Ok(Forking { first: own, inherited, state, blobs, of: source, inbox, input })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_step_of_a_path_keeps_its_visit() {
        for (path, wanted) in
            [("a", "a"), ("a~2", "a~2"), ("a[3]", "a"), ("a[3]/b", "a"), ("a~2[3]/b.left/c", "a~2"), ("a.left/b", "a")]
        {
            assert_eq!(outermost(&StepPath::new(path)).as_str(), wanted, "{path}");
        }
    }
}
