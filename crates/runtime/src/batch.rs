//! What is decided and not durable yet: sealed entries, the blobs that they name, and the rows that go with them.

use std::sync::Arc;

use kernel::{
    governance::{Proposal, budget::Reserved, charter::Charter},
    ids::{Digest, IdempotencyKey, RunId, StepPath, WorkerId},
    journal::{Blob, Entry, Event, ProbeResult},
    next::Record,
    report,
    run::{Illegal, RunState, Sending},
    values::{Span, Timestamp},
};
use store::{AMOUNT_LIMIT, Append, Expect, Guard, KeptAnswer, NewRun, OpenAction};

pub(crate) mod rules;

/// A long run without outside calls is written at least every so many entries.
const MOST_ENTRIES: usize = 256;

/// … and at least every so many bytes.
const MOST_BYTES: usize = 1 << 20;

/// One open append of one run.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    pub(crate) blobs: Vec<Blob>,
    guards: Vec<Guard>,
    bytes: usize,
    doing: Option<StepPath>,
    /// A step was completed.
    pub(crate) progress: bool,
    /// What models were charged, in millionths of a dollar, and how many answers nobody knows the price of.
    charged: (i64, u32),
    /// Whose run it is, and for how long events are kept.
    tenant: Arc<str>,
    events_kept: Span,
    /// Where the first entry stands that rests on something which may move.
    conditional: Option<Mark>,
}

/// How far a batch was.
#[derive(Clone, Copy, Debug)]
struct Mark {
    entries: usize,
    blobs: usize,
    guards: usize,
    progress: bool,
    charged: (i64, u32),
}

/// What every append of one claim says alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    pub(crate) run: RunId,
    pub(crate) epoch: u64,
    pub(crate) owner: WorkerId,
}

impl Batch {
    /// An empty one, for a run of `tenant`.
    pub(crate) fn of(tenant: Arc<str>, events_kept: Span) -> Batch {
        Batch { tenant, events_kept, ..Batch::default() }
    }

    /// Seals `record` as the next entry and applies it to `state`. `at` is never before the entry before; `charter` says by which
    /// channels people are told of it.
    pub(crate) fn add(
        &mut self,
        state: &mut RunState,
        epoch: u64,
        record: Record,
        (at, charter): (Timestamp, &Charter),
        salt: [u8; 16],
    ) -> Result<(), Illegal> {
        let Record { event, blobs } = record;
        let entry = Entry::seal(state.run, state.head, epoch, at, salt, &event);
        let mark = Mark {
            entries: self.entries.len(),
            blobs: self.blobs.len(),
            guards: self.guards.len(),
            progress: self.progress,
            charged: self.charged,
        };
        rules::closings(state, &event, &mut self.guards);
        if rules::conditions(&event, at, &mut self.guards) {
            self.conditional.get_or_insert(mark);
        }
        rules::rows(state, &event, at, &mut self.guards);
        rules::news(state, &event, (entry.seq, at), charter, &mut self.guards);
        rules::events(state, (&event, &blobs), at, (&self.tenant, self.events_kept), &mut self.guards);
        rules::keeps(state, &event, (entry.seq, at), &mut self.guards);
        rules::keys(state, &event, &mut self.guards);
        action_guards(state, &event, at, &mut self.guards);
        if let Some(step) = event.step() {
            self.doing = Some(step.clone());
        }
        match report::charged(&event) {
            Some(uusd) => self.charged.0 = self.charged.0.saturating_add(uusd),
            None => self.charged.1 += 1,
        }
        let before = state.steps;
        state.apply(&entry, event)?;
        self.progress |= state.steps > before;
        self.bytes += entry.body.as_ref().map_or(0, |body| body.len());
        self.bytes += blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>();
        self.entries.push(entry);
        self.blobs.extend(blobs);
        Ok(())
    }

    /// An answer that it keeps under this key.
    pub(crate) fn kept_answer(&self, key: Digest) -> Option<KeptAnswer> {
        let kept = self.guards.iter().filter_map(|guard| match guard {
            Guard::KeepAnswer(kept) if kept.key == key => Some(kept),
            _ => None,
        });
        kept.max_by_key(|kept| kept.until).map(|kept| (**kept).clone())
    }

    /// How many conditions and rows go with it.
    pub(crate) fn conditions(&self) -> usize {
        self.guards.len()
    }

    /// Another run starts with the last entry.
    pub(crate) fn start(&mut self, child: NewRun) {
        self.guards.push(Guard::StartChild(Box::new(child)));
    }

    /// Its conditions and rows.
    pub(crate) fn guards(&self) -> &[Guard] {
        &self.guards
    }

    /// Whether people are told something with it.
    pub(crate) fn tells(&self) -> bool {
        self.guards.iter().any(|guard| matches!(guard, Guard::Outbox(_)))
    }

    /// Condition number `guard`.
    pub(crate) fn condition(&self, guard: usize) -> Option<&Guard> {
        self.guards.get(guard)
    }

    /// The conditions that come after number `guard`.
    pub(crate) fn conditions_after(&self, guard: usize) -> &[Guard] {
        self.guards.get(guard + 1..).unwrap_or_default()
    }

    /// What an entry of it sets aside for a call of `step`.
    pub(crate) fn reserved(&self, step: &StepPath) -> Option<Reserved> {
        let events = self.entries.iter().rev().filter_map(|entry| entry.event().ok());
        let mut sets = events.filter_map(|event| event.reserves().map(|(at, reserved)| (at.clone(), reserved.clone())));
        sets.find(|(at, _)| at == step).map(|(_, reserved)| reserved)
    }

    /// Drops everything from the first entry on that rests on something which may move; gives what stays.
    pub(crate) fn forget_conditional(&mut self) -> Vec<Entry> {
        if let Some(mark) = self.conditional.take() {
            self.entries.truncate(mark.entries);
            self.blobs.truncate(mark.blobs);
            self.guards.truncate(mark.guards);
            (self.progress, self.charged) = (mark.progress, mark.charged);
            self.bytes = self.entries.iter().map(|entry| entry.body.as_ref().map_or(0, |body| body.len())).sum();
            self.bytes += self.blobs.iter().map(|blob| blob.bytes.len()).sum::<usize>();
        }
        self.entries.clone()
    }

    /// Whether it holds the outcome of an action.
    #[cfg(feature = "faults")]
    pub(crate) fn closes(&self) -> bool {
        self.guards.iter().any(|guard| matches!(guard, Guard::ActionClosed { .. }))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether it is time to write, even if nothing waits for it.
    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= MOST_ENTRIES || self.bytes >= MOST_BYTES
    }

    /// A blob that is not in the store yet.
    pub(crate) fn blob(&self, digest: kernel::ids::Digest) -> Option<Arc<[u8]>> {
        self.blobs.iter().find(|blob| blob.digest == digest).map(|blob| blob.bytes.clone())
    }

    /// The call of the store that makes all of it durable; `lease` are the guards that concern the run's lease.
    ///
    /// The batch keeps its entries until [`Batch::clear`]: a refused or failed append loses no answer.
    pub(crate) fn append(
        &self,
        writer: Writer,
        head: u64,
        inbox_read: Option<u64>,
        lease: &[Guard],
        now: Timestamp,
    ) -> Append {
        let mut guards = Vec::with_capacity(self.guards.len() + lease.len());
        guards.extend_from_slice(&self.guards);
        guards.extend_from_slice(lease);
        Append {
            run: writer.run,
            expect: Expect { epoch: writer.epoch, owner: writer.owner, head },
            entries: self.entries.clone(),
            blobs: self.blobs.clone(),
            guards,
            progress: self.progress,
            doing: self.doing.as_ref().map(|step| step.as_str().into()),
            inbox_read,
            charged: Some(self.charged.0.clamp(0, AMOUNT_LIMIT)).filter(|_| self.charged.1 == 0),
            now,
        }
    }

    /// It is durable.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.blobs.clear();
        self.guards.clear();
        (self.bytes, self.doing, self.progress, self.conditional) = (0, None, false, None);
        self.charged = (0, 0);
    }
}

/// The rows of an action go with the entry that changes them. `state` is as it was before the event.
fn action_guards(state: &RunState, event: &Event, at: Timestamp, guards: &mut Vec<Guard>) {
    let row = |step: &StepPath, proposal: &Proposal, key: &IdempotencyKey, attempt: u32| {
        Guard::ActionOpen(OpenAction {
            step: step.as_str().into(),
            action: format!("{}.{}", proposal.tool, proposal.operation).into(),
            effect: proposal.effect.as_str().into(),
            key: key.as_str().into(),
            attempt,
            since: at,
        })
    };
    // A recorded failure had closed the row; what follows opens it again.
    let reopened = |step: &StepPath, attempt: u32| {
        let acting = state.acting(step).filter(|acting| !acting.is_open())?;
        Some(row(step, &acting.proposal, &acting.key, attempt))
    };
    let name = |step: &StepPath| -> Arc<str> { step.as_str().into() };
    match event {
        Event::ActionStarted { step, attempt, proposal, key, .. } => guards.push(row(step, proposal, key, *attempt)),
        Event::ActionResent { step, attempt, .. } => {
            let resent = Guard::ActionResent { step: name(step), attempt: *attempt };
            guards.push(reopened(step, *attempt).unwrap_or(resent));
        }
        Event::OutcomeUnknown { step, attempt, .. } => {
            guards.extend(reopened(step, *attempt));
            // While it is probed, and after a probe that found nothing, the row says so already.
            let known = state.acting(step).is_some_and(|acting| {
                matches!(acting.standing, Sending::Absent | Sending::Probing | Sending::Unknown { .. })
            });
            guards.extend((!known).then(|| Guard::ActionUnknown { step: name(step) }));
        }
        Event::ActionFinished { step, .. } | Event::ProbeFinished { step, result: ProbeResult::Found(_), .. } => {
            guards.push(Guard::ActionClosed { step: name(step) });
        }
        _ => {}
    }
}
