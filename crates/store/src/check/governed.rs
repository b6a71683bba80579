//! `db check` for what is governed across runs: what rows can tell of each other.

use std::collections::BTreeMap;

use kernel::ids::RunId;

use crate::{ApprovalRow, ApprovalState, BudgetRow, Finding, GovernanceEntry, Reservation};

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
    if row.state == ApprovalState::Consumed && votes < row.quorum as usize {
        find(format!("was used up with {votes} votes for it, it needed {}", row.quorum));
    }
    for vote in row.votes.iter().filter(|vote| vote.shown != row.shown) {
        find(format!("has a vote of {} on card {}, it shows {}", vote.by, vote.shown, row.shown));
    }
    findings
}

/// Something that is still open although its run is over. `what`: "reservation", "approval", "work".
pub fn orphan(run: RunId, what: &str, id: &str) -> Finding {
    Finding { rule: "orphan", run: Some(run), detail: format!("{what} `{id}` is open, and its run is over") }
}
