//! Rules that every backend holds alike: what a call must look like, and what readers of a row may rely on.

use kernel::{ids::RunId, journal::Entry};

use crate::{Append, CONTROL_RESERVE, Guard, Message, NewRun, RunRow, STRIKES, Status, StoreError, UNREAD_LIMIT};

/// What a quarantined run waits for.
pub const QUARANTINE: &str = "a person: its worker died 3 times";

/// Strikes from which on a run is a suspect: one more, and it is quarantined.
pub const LAST_STRIKE: u32 = STRIKES - 1;

fn misuse(verb: &'static str, detail: String) -> StoreError {
    StoreError::Misuse { verb, detail }
}

/// How many messages may wait unread before one of this kind is refused.
pub fn unread_limit(message: &Message) -> u64 {
    if &*message.kind == "signal" { UNREAD_LIMIT } else { UNREAD_LIMIT + CONTROL_RESERVE }
}

/// A start has one first entry, in epoch 0 or, with an owner, in epoch 1.
pub fn start_is_sound(new: &NewRun) -> Result<(), StoreError> {
    let epoch = u64::from(new.owner.is_some());
    follows("start", new.run, 0, epoch, std::slice::from_ref(&new.first))
}

/// How an append leaves the lease.
#[derive(Clone, Copy, Debug)]
pub enum Lease<'a> {
    /// The owner goes on.
    Kept,
    /// By [`Guard::Suspend`].
    Suspended(&'a Guard),
    /// By [`Guard::Finish`].
    Finished(&'a Guard),
}

/// Entries follow what the caller knows, in its epoch; at most one guard gives the lease back, to a status that fits it.
pub fn append_is_sound(append: &Append) -> Result<Lease<'_>, StoreError> {
    follows("append", append.run, append.expect.head, append.expect.epoch, &append.entries)?;
    let mut lease = Lease::Kept;
    for guard in &append.guards {
        let next = match guard {
            Guard::Suspend { status: Status::Waiting | Status::Paused | Status::Blocked, waits_for, .. }
                if !waits_for.is_empty() =>
            {
                Lease::Suspended(guard)
            }
            Guard::Finish { status, .. } if status.is_final() => Lease::Finished(guard),
            Guard::Suspend { status, waits_for, .. } => {
                let detail = format!("run {} cannot be suspended as {} for `{waits_for}`", append.run, status.as_str());
                return Err(misuse("append", detail));
            }
            Guard::Finish { status, .. } => {
                return Err(misuse("append", format!("run {} cannot finish as {}", append.run, status.as_str())));
            }
            Guard::InboxIs(_) | Guard::ActionOpen(_) | Guard::ActionResent { .. } | Guard::ActionClosed { .. } => {
                continue;
            }
        };
        if !matches!(lease, Lease::Kept) {
            return Err(misuse("append", format!("run {} gives its lease back twice", append.run)));
        }
        lease = next;
    }
    Ok(lease)
}

fn follows(verb: &'static str, run: RunId, head: u64, epoch: u64, entries: &[Entry]) -> Result<(), StoreError> {
    for (wanted, entry) in (head + 1..).zip(entries) {
        if entry.seq != wanted {
            return Err(misuse(verb, format!("run {run}: entry {} stands where {wanted} belongs", entry.seq)));
        }
        if entry.epoch != epoch {
            let detail = format!("run {run}: entry {wanted} is sealed in epoch {}, not {epoch}", entry.epoch);
            return Err(misuse(verb, detail));
        }
    }
    Ok(())
}

/// An append cannot account for messages that the inbox never had.
pub fn read_fits(run: RunId, read: u64, inbox_gen: u64) -> Result<(), StoreError> {
    if read > inbox_gen {
        return Err(misuse("append", format!("run {run} read message {read}, its inbox has had {inbox_gen}")));
    }
    Ok(())
}

/// A run finishes only when the outcome of each of its actions is recorded.
pub fn nothing_open(run: RunId, step: Option<&str>) -> Result<(), StoreError> {
    match step {
        Some(step) => Err(misuse("append", format!("run {run} finishes while its action `{step}` is open"))),
        None => Ok(()),
    }
}

/// An action is opened once, and only an open one is sent again or closed. `open`: whether it stands open now.
pub fn action_fits(run: RunId, step: &str, guard: &Guard, open: bool) -> Result<(), StoreError> {
    let opens = matches!(guard, Guard::ActionOpen(_));
    if opens == open {
        let state = if open { "open already" } else { "not open" };
        return Err(misuse("append", format!("run {run}: action `{step}` is {state}")));
    }
    Ok(())
}

/// What readers of a run's row may rely on; the databases hold the same as `CHECK` constraints.
///
/// `never_lost`: a run that is not over is owned, due, waiting for something named, or parked with a reason.
pub fn row_is_sound(row: &RunRow) -> Result<(), String> {
    let (owned, due, named) = (row.owner.is_some(), row.wake_at.is_some(), row.waits_for.is_some());
    let (rule, held) = match row.status {
        Status::Queued => ("never_lost: queued and not due, or owned", due && !owned),
        Status::Running => ("never_lost: running without an owner, or due", owned && !due),
        Status::Waiting => ("wait_named: waiting for nothing, or owned", named && !owned),
        Status::Paused | Status::Blocked => ("wait_named: parked without a reason, or owned", named && !owned),
        Status::Quarantined => ("wait_named: quarantined without a reason, due, or owned", named && !owned && !due),
        Status::Completed | Status::Failed | Status::Cancelled => {
            ("terminal_clean: over, and owned, due or without an end", !owned && !due && row.finished_at.is_some())
        }
    };
    if !held {
        return Err(rule.to_owned());
    }
    if row.inbox_read > row.inbox_gen {
        return Err(format!("inbox_counts: read {} of {}", row.inbox_read, row.inbox_gen));
    }
    if !row.status.is_final() && row.finished_at.is_some() {
        return Err("terminal_clean: not over, and with an end".to_owned());
    }
    Ok(())
}

/// How many rows a page has at most: 50 unless said otherwise.
pub fn page(limit: u32) -> usize {
    if limit == 0 { 50 } else { limit as usize }
}
