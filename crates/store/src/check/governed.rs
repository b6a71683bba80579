//! `db check` for what is governed across runs: what rows can tell of each other.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::{
    governance::charter::Change,
    ids::{Digest, RunId},
    journal::Head,
    values::Timestamp,
};

use crate::{
    ApprovalRow, ApprovalState, BudgetRow, Cooldown, Finding, GovernanceEntry, Reservation, SYSTEM, Seal, SealedHead,
    rules,
};

/// The log of changes to what runs are judged by, whole and in order.
pub fn governance(log: &[GovernanceEntry]) -> Option<Finding> {
    let detail = GovernanceEntry::verify(log).err()?;
    Some(Finding { rule: "governance", run: None, detail })
}

/// All sums, and all that is set aside in them.
pub fn budgets(rows: &[BudgetRow], reservations: &[Reservation]) -> Vec<Finding> {
    let mut reserved: BTreeMap<_, i128> = BTreeMap::new();
    for row in reservations {
        let (scope, unit, period) = &row.line;
        *reserved.entry((&**scope, &**unit, *period)).or_default() += i128::from(row.amount);
    }
    let mut findings = Vec::new();
    let mut find = |name: &str, detail: String| {
        findings.push(Finding { rule: "budget", run: None, detail: format!("{name} {detail}") });
    };
    for row in rows {
        let name = format!("{} {} {}", row.scope, row.unit, row.period);
        let aside = reserved.remove(&(&*row.scope, &*row.unit, row.period)).unwrap_or_default();
        if aside != i128::from(row.reserved) {
            find(&name, format!("counts {} as reserved, its reservations come to {aside}", row.reserved));
        }
        let sum = i128::from(row.settled) + i128::from(row.reserved);
        if sum > i128::from(row.limit) + i128::from(row.overrun) {
            let (limit, overrun) = (row.limit, row.overrun);
            find(&name, format!("holds {sum}, more than its limit {limit} and its overrun {overrun}"));
        }
    }
    for ((scope, unit, period), aside) in reserved {
        find(&format!("{scope} {unit} {period}"), format!("is not there, and {aside} are reserved in it"));
    }
    findings
}

/// An approval with its votes: what was used up was given first.
pub fn approval(row: &ApprovalRow) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut find = |detail: String| {
        findings.push(Finding {
            rule: "approval",
            run: Some(row.run),
            detail: format!("approval `{}` {detail}", row.id),
        });
    };
    let votes = row.votes.iter().filter(|vote| &*vote.decision != "reject").count();
    if matches!(row.state, ApprovalState::Approved | ApprovalState::Consumed) && votes < row.quorum as usize {
        find(format!("was given with {votes} votes for it, it needed {}", row.quorum));
    }
    for vote in row.votes.iter().filter(|vote| vote.shown != row.shown) {
        find(format!("has a vote of {} on card {}, it shows {}", vote.by, vote.shown, row.shown));
    }
    findings
}

/// What journals say of models that cool down: the rows are made anew from it.
#[derive(Debug, Default)]
pub struct Cooling {
    pub(super) said: Vec<Cooldown>,
    /// Runs whose journals cannot be read as a whole.
    unread: BTreeSet<RunId>,
}

impl Cooling {
    /// The journal of this run does not say all that it said once.
    pub fn unread(&mut self, run: RunId) {
        self.unread.insert(run);
    }

    /// Compares all rows with what journals say, and with what people said in the log of changes since.
    pub fn compare(&self, rows: &[Cooldown], log: &[GovernanceEntry]) -> Vec<Finding> {
        let ends = |entry: &GovernanceEntry| match Change::read(entry.no, &entry.body) {
            Ok(Change::Ask { scope, .. }) => Some((scope, entry.at)),
            _ => None,
        };
        let ended: BTreeMap<Arc<str>, Timestamp> = log.iter().filter_map(ends).collect();
        let mut longest: BTreeMap<&str, &Cooldown> = BTreeMap::new();
        let stands = |said: &&Cooldown| ended.get(&said.scope).is_none_or(|end| said.since > *end);
        for said in self.said.iter().filter(stands) {
            let known = longest.entry(&said.scope).or_insert(said);
            if known.until < said.until {
                *known = said;
            }
        }
        let mut findings = Vec::new();
        let mut find = |run, detail| findings.push(Finding { rule: "cooldown", run: Some(run), detail });
        for row in rows {
            let (scope, until) = (&row.scope, row.until);
            let same =
                |said: &&Cooldown| (&said.scope, said.until, said.run, &said.why) == (scope, until, row.run, &row.why);
            if !self.unread.contains(&row.run) && !self.said.iter().filter(stands).any(|said| same(&said)) {
                find(
                    row.run,
                    format!("`{scope}` cools down until {until} by its row, and its journal does not say so"),
                );
            }
            if let Some(said) = longest.remove(&**scope).filter(|said| said.until > until) {
                find(
                    said.run,
                    format!("`{scope}` cools down until {until} by its row, by its journal until {}", said.until),
                );
            }
        }
        for said in longest.into_values() {
            find(said.run, format!("`{}` cools down until {} by its journal, and has no row", said.scope, said.until));
        }
        findings
    }
}

/// All seals, in order.
pub fn seals(seals: &[Seal]) -> Option<Finding> {
    let mut prev = Digest::ZERO;
    for (wanted, seal) in (1..).zip(seals) {
        let order =
            if seal.no == wanted { Ok(()) } else { Err(format!("seal {} stands where {wanted} belongs", seal.no)) };
        let sound = order.and_then(|()| rules::seal_is_sound(seal, prev).map_err(|error| error.to_string()));
        if let Err(detail) = sound {
            return Some(Finding { rule: "seal", run: None, detail });
        }
        prev = seal.hash;
    }
    None
}

/// The last that seals say of each chain: which, in which seal, and how it stood.
pub fn sealed_heads(seals: &[Seal]) -> Vec<(RunId, u64, SealedHead)> {
    let mut last: BTreeMap<RunId, (u64, SealedHead)> = BTreeMap::new();
    for seal in seals {
        last.extend(seal.heads.iter().map(|(chain, sealed)| (*chain, (seal.no, *sealed))));
    }
    last.into_iter().map(|(chain, (no, sealed))| (chain, no, sealed)).collect()
}

/// What was sealed must still be there: `found` is the hash of the entry with that number now.
pub fn sealed(chain: RunId, no: u64, sealed: SealedHead, found: Option<Digest>) -> Option<Finding> {
    let Head { seq, hash } = sealed.head;
    let now = match found {
        Some(found) if found == hash => return None,
        Some(found) => format!("it has hash {found} now"),
        None => "it is not there any more".to_owned(),
    };
    let run = (chain.bytes() != SYSTEM).then_some(chain);
    let of = if run.is_some() { "" } else { " of the log of changes" };
    let detail = format!("seal {no} holds entry {seq}{of} with hash {hash}, and {now}");
    Some(Finding { rule: "seal", run, detail })
}

/// Something that is still open although its run is over. `what`: "reservation", "approval", "work".
pub fn orphan(run: RunId, what: &str, id: &str) -> Finding {
    Finding { rule: "orphan", run: Some(run), detail: format!("{what} `{id}` is open, and its run is over") }
}

#[cfg(test)]
mod tests {
    use kernel::values::Timestamp;

    use super::*;
    use crate::{Change, DirtyHeads, VoteRow};

    fn details(findings: impl IntoIterator<Item = Finding>) -> Vec<String> {
        findings.into_iter().map(|finding| format!("{}: {}", finding.rule, finding.detail)).collect()
    }

    fn budget(settled: i64, reserved: i64, overrun: i64) -> BudgetRow {
        let (scope, unit, limit) = ("t".into(), "tokens".into(), 10);
        BudgetRow { scope, unit, period: 0, limit, settled, reserved, overrun, frozen: false }
    }

    fn reservation(unit: &str, amount: i64) -> Reservation {
        Reservation { run: RunId::from_bytes([7; 16]), step: "a".into(), line: ("t".into(), unit.into(), 0), amount }
    }

    #[test]
    fn sums_that_do_not_balance_are_found() {
        assert_eq!(details(budgets(&[budget(6, 5, 1)], &[reservation("tokens", 5)])), [""; 0]);
        assert_eq!(
            details(budgets(&[budget(6, 5, 0)], &[reservation("tokens", 4), reservation("calls", 1)])),
            [
                "budget: t tokens 0 counts 5 as reserved, its reservations come to 4",
                "budget: t tokens 0 holds 11, more than its limit 10 and its overrun 0",
                "budget: t calls 0 is not there, and 1 are reserved in it",
            ]
        );
    }

    #[test]
    fn an_approval_that_was_used_up_before_it_was_given_is_found() {
        let vote = |by: &str, decision: &str, shown| VoteRow {
            by: by.into(),
            decision: decision.into(),
            shown,
            seq: 1,
            at: Timestamp::from_micros(1),
        };
        let mut row = ApprovalRow {
            id: "a".into(),
            run: RunId::from_bytes([7; 16]),
            step: "pay".into(),
            hash: Digest::ZERO,
            shown: Digest::ZERO,
            card: None,
            groups: Vec::new(),
            quorum: 2,
            requested_by: "eve".into(),
            requested_at: Timestamp::from_micros(1),
            expires_at: None,
            state: ApprovalState::Consumed,
            closed_at: Some(Timestamp::from_micros(2)),
            votes: vec![vote("ada", "approve", Digest::ZERO), vote("bob", "edit", Digest::ZERO)],
        };
        assert_eq!(details(approval(&row)), [""; 0]);
        row.votes[1] = vote("bob", "reject", Digest::of(&[b"x"]));
        let found = details(approval(&row));
        assert_eq!(found[0], "approval: approval `a` was given with 1 votes for it, it needed 2");
        assert!(found[1].starts_with("approval: approval `a` has a vote of bob on card "), "{found:?}");
        row.state = ApprovalState::Pending;
        assert_eq!(details(approval(&row)).len(), 1);
    }

    #[test]
    fn a_seal_that_was_changed_is_found() {
        let at = Timestamp::from_micros(1);
        let first = Seal::after(None, DirtyHeads::default(), at);
        let second = Seal::after(Some(&first), DirtyHeads { upto: 4, ..DirtyHeads::default() }, at);
        assert_eq!(seals(&[first.clone(), second.clone()]), None);
        let later = Seal { upto: 5, ..second.clone() };
        assert!(details(seals(&[first, later]))[0].starts_with("seal: cannot add_seal: seal 2 has hash "));
        assert_eq!(details(seals(&[second])), ["seal: seal 2 stands where 1 belongs"]);
    }

    #[test]
    fn what_was_sealed_and_is_gone_or_another_is_found() {
        let head = |seq| SealedHead { head: Head { seq, hash: Digest::of(&[b"x"]) }, closed: true };
        let (run, at) = (RunId::from_bytes([7; 16]), Timestamp::from_micros(1));
        let first = Seal::after(None, DirtyHeads { upto: 1, heads: [(run, head(2))].into() }, at);
        let second = Seal::after(Some(&first), DirtyHeads { upto: 2, heads: [(run, head(3))].into() }, at);
        assert_eq!(sealed_heads(&[first, second]), [(run, 2, head(3))]);
        assert_eq!(sealed(run, 2, head(3), Some(Digest::of(&[b"x"]))), None);
        let gone = details(sealed(run, 2, head(3), None));
        assert!(gone[0].starts_with("seal: seal 2 holds entry 3 with hash 2d7"), "{gone:?}");
        assert!(gone[0].ends_with("and it is not there any more"), "{gone:?}");
        let other = sealed(RunId::from_bytes(SYSTEM), 2, head(3), Some(Digest::ZERO)).unwrap();
        assert!(other.run.is_none() && other.detail.contains("of the log of changes"), "{other:?}");
    }

    #[test]
    fn a_log_that_was_cut_in_front_is_found() {
        let (at, body) = (Timestamp::from_micros(1), (*b"{}").into());
        let change = Change { at, by: "ada".into(), auth: "".into(), body, expect: None, wake: None };
        let log = [GovernanceEntry::seal(0, Digest::ZERO, &change)];
        assert_eq!(governance(&log), None);
        let later = [GovernanceEntry::seal(1, log[0].hash, &change)];
        assert_eq!(details(governance(&later)), ["governance: change 2 stands where 1 belongs"]);
    }
}
