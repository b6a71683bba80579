//! Rules that every backend holds alike: what a call must look like, and what readers of a row may rely on.

use std::collections::BTreeSet;

use kernel::{
    ids::{Digest, RunId},
    journal::Entry,
    values::Timestamp,
};

use crate::{
    AMOUNT_LIMIT, Append, ApprovalState, CONTROL_RESERVE, DECISIONS, Guard, LateResult, Message, NewRun, OUTCOME_BYTES,
    RunOutcome, RunRow, STRIKES, Seal, Status, StoreError, UNREAD_LIMIT, Vote, VoteRow,
};

/// What a quarantined run waits for.
pub const QUARANTINE: &str = "a person: its worker died 3 times";

/// Strikes from which on a run is a suspect: one more, and it is quarantined.
pub const LAST_STRIKE: u32 = STRIKES - 1;

pub(crate) fn misuse(verb: &'static str, detail: String) -> StoreError {
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
        guard_is_sound(append.run, guard)?;
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
            _ => continue,
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

/// A guard that can be told to make no sense without looking at any row.
fn guard_is_sound(run: RunId, guard: &Guard) -> Result<(), StoreError> {
    let amount = |what: &str, amount: i64| {
        if (0..=AMOUNT_LIMIT).contains(&amount) {
            return Ok(());
        }
        Err(misuse("append", format!("run {run}: {what} is {amount}, not between 0 and {AMOUNT_LIMIT}")))
    };
    match guard {
        Guard::CounterIs { counter, add: Some(add), .. } => {
            amount(&format!("what counter `{counter}` counts"), add.amount)
        }
        Guard::ApprovalOpen(open) if open.quorum == 0 => {
            Err(misuse("append", format!("run {run}: approval `{}` needs nobody", open.id)))
        }
        Guard::ApprovalClosed { approval, state: state @ (ApprovalState::Pending | ApprovalState::Consumed) } => {
            Err(misuse("append", format!("run {run}: approval `{approval}` cannot be closed as {}", state.as_str())))
        }
        Guard::Reserve { step, lines } => {
            let mut sums = BTreeSet::new();
            for line in lines {
                let name = format!("`{step}` in {} {}", line.scope, line.unit);
                amount(&format!("what is reserved for {name}"), line.max)?;
                if line.limit < 0 {
                    return Err(misuse("append", format!("run {run}: the limit of {name} is {}", line.limit)));
                }
                if !sums.insert((&line.scope, &line.unit, line.period)) {
                    return Err(misuse("append", format!("run {run}: {name} is reserved twice")));
                }
            }
            Ok(())
        }
        Guard::StartChild(child) => {
            start_is_sound(child)?;
            if child.owner.is_some() || child.start_key.is_some() || child.parent != Some(run) {
                let detail = format!("run {run}: its child {} has an owner, a start key or another parent", child.run);
                return Err(misuse("append", detail));
            }
            Ok(())
        }
        Guard::TellRun { run: other, message, .. } if *other == run => {
            Err(misuse("append", format!("run {run} tells itself `{}`", message.id)))
        }
        Guard::Settle { step, actual } => {
            actual.iter().try_for_each(|(unit, spent)| amount(&format!("what `{step}` cost in {unit}"), *spent))
        }
        _ => Ok(()),
    }
}

/// A row that a guard expects to find, or not to find, stands otherwise. `what` names it: "action `pay`".
pub fn row_fits(run: RunId, what: &str, fits: bool, otherwise: &str) -> Result<(), StoreError> {
    if fits { Ok(()) } else { Err(misuse("append", format!("run {run}: {what} {otherwise}"))) }
}

/// What is wrong with a step that reserves twice.
pub fn reserved_already(scope: &str, unit: &str) -> String {
    format!("has something set aside in {scope} {unit} already")
}

/// A vote is told by its own message, and so never told twice.
pub fn vote_is_sound(vote: &Vote) -> Result<(), StoreError> {
    let wanted = format!("vote:{}:{}", vote.approval, vote.by);
    let (id, kind) = (&*vote.message.id, &*vote.message.kind);
    if (id, kind) != (&*wanted, "vote") {
        let detail = format!("the message of a vote has id `{id}` and kind `{kind}`, not `{wanted}` and `vote`");
        return Err(misuse("vote", detail));
    }
    if !DECISIONS.contains(&&*vote.decision) {
        let detail = format!("`{}` is no decision; there are {}", vote.decision, DECISIONS.join(", "));
        return Err(misuse("vote", detail));
    }
    Ok(())
}

/// The id of a vote's message is its own. `known`: the number of a message that has it.
pub fn unsent(vote: &Vote, known: Option<u64>) -> Result<(), StoreError> {
    match known {
        Some(seq) => {
            Err(misuse("vote", format!("`{}` is the id of message {seq}, which no vote sent", vote.message.id)))
        }
        None => Ok(()),
    }
}

/// Whether a decision that outweighs a yes waits for its run, which has read messages up to `read`.
pub fn is_outweighed(votes: &[VoteRow], read: u64) -> bool {
    votes.iter().any(|vote| &*vote.decision != "approve" && vote.seq > read)
}

/// Whether something that may have an end has come to it.
pub fn is_expired(expires_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
    expires_at.filter(|at| *at <= now)
}

/// How a rate limit stands after `n` were taken: the time at which it would be unused again; or when to ask again. `stands`: that
/// time before, and the time before which nobody gets anything. `burst_n`: most at once, and how many are asked for.
pub fn take(
    stands: Option<(Timestamp, Timestamp)>,
    now: Timestamp,
    interval_us: i64,
    burst_n: (u32, u32),
) -> Result<Result<Timestamp, Timestamp>, StoreError> {
    let (burst, n) = burst_n;
    if !(0..=AMOUNT_LIMIT).contains(&interval_us) || !(1..=burst).contains(&n) {
        let detail = format!("{n} at once of at most {burst}, one each {interval_us} microseconds, is never given");
        return Err(misuse("take", detail));
    }
    let later = |at: Timestamp, many: u32| {
        Timestamp::from_micros(at.micros().saturating_add(interval_us.saturating_mul(i64::from(many))))
    };
    let (unused, not_before) = stands.unwrap_or((now, now));
    let after = later(unused.max(now), n);
    let allowed = Timestamp::from_micros(after.micros().saturating_sub(interval_us.saturating_mul(i64::from(burst))));
    let wait = allowed.max(not_before);
    Ok(if wait <= now { Ok(after) } else { Err(wait) })
}

/// A seal is over its own contents and the seal before.
pub fn seal_is_sound(seal: &Seal, prev: Digest) -> Result<(), StoreError> {
    if seal.prev != prev {
        let detail = format!("seal {} follows {}, the last one is {prev}", seal.no, seal.prev);
        return Err(misuse("add_seal", detail));
    }
    let hash = seal.chained();
    if seal.hash != hash {
        return Err(misuse("add_seal", format!("seal {} has hash {}, its contents give {hash}", seal.no, seal.hash)));
    }
    Ok(())
}

/// What people say of a run is short: it stands within one page of a database.
pub fn outcome_is_short(outcome: &RunOutcome) -> Result<(), StoreError> {
    let found = outcome.because.len();
    if found > OUTCOME_BYTES {
        let detail = format!("{found} bytes of words, at most {OUTCOME_BYTES}");
        return Err(StoreError::Misuse { verb: "say_outcome", detail });
    }
    Ok(())
}

/// The message that tells a late answer to its run.
pub fn late_message(late: &LateResult) -> Message {
    Message {
        seq: 0,
        id: format!("late:{}:{}:{}", late.step, late.epoch, late.attempt).into(),
        kind: "late".into(),
        name: "".into(),
        sender: "worker".into(),
        body: late.outcome.clone(),
        at: late.at,
    }
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

/// Texts as a JSON list.
pub fn list(texts: &[std::sync::Arc<str>]) -> String {
    serde_json::to_string(texts).expect("texts are JSON: held by their type")
}

/// How many rows a page has at most: 50 unless said otherwise.
pub fn page(limit: u32) -> usize {
    if limit == 0 { 50 } else { limit as usize }
}
