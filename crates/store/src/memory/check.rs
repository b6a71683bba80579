//! Everything that is kept, compared: what [`crate::Store::check`] does here.

use kernel::ids::RunId;

use super::{Inner, Kept};
use crate::{
    ApprovalState, Finding, KeyKind, SYSTEM,
    check::{self, RunCheck},
};

impl Inner {
    pub(super) fn check(&self) -> Vec<Finding> {
        let (mut findings, mut cooling) = (Vec::new(), check::Cooling::default());
        for kept in self.runs.values() {
            let mut check = RunCheck::new(&kept.row);
            kept.entries.iter().for_each(|entry| check.entry(entry));
            kept.blobs.iter().for_each(|(digest, bytes)| check.blob(*digest, bytes.as_deref()));
            kept.inbox.iter().for_each(|message| check.message(message));
            kept.open.values().for_each(|(action, _)| check.open_action(action));
            check.cooled(&mut cooling);
            let about = kept.keys.iter().filter(|((_, kind, _), _)| *kind == KeyKind::About);
            about.for_each(|((_, _, name), value)| check.found_by(name, value));
            self.governed.answers.values().filter(|row| row.run == kept.row.run).for_each(|row| check.answer(row));
            findings.extend(check.finish());
        }
        let goes_on = |again| self.runs.get(&again).and_then(|kept| kept.row.fork).map(|fork| fork.run);
        for Kept { row, .. } in self.runs.values() {
            let wrong = row.again.filter(|again| goes_on(*again) != Some(row.run));
            findings.extend(wrong.map(|again| check::wrong_retry(row.run, again)));
        }
        let governed = &self.governed;
        findings.extend(check::governance(&governed.log));
        let cooldowns: Vec<_> = governed.cooldowns.values().cloned().collect();
        findings.extend(cooling.compare(&cooldowns, &governed.log));
        let over = |run: RunId| self.runs.get(&run).is_none_or(|kept| kept.row.status.is_final());
        findings.extend(check::budgets(&governed.budgets.values().cloned().collect::<Vec<_>>(), &governed.reserved()));
        governed.approvals.values().for_each(|row| findings.extend(check::approval(row)));
        let reserved = governed.reserved().into_iter().map(|row| (row.run, "reservation", row.step));
        let pending = governed.approvals.values().filter(|row| row.state == ApprovalState::Pending);
        let pending = pending.map(|row| (row.run, "approval", row.id.clone()));
        let work =
            governed.work.values().filter(|row| row.closed_at.is_none()).map(|row| (row.run, "work", row.id.clone()));
        let orphans = reserved.chain(pending).chain(work).filter(|(run, _, _)| over(*run));
        findings.extend(orphans.map(|(run, what, id)| check::orphan(run, what, &id)));
        findings.extend(check::seals(&self.seals));
        for (chain, no, sealed) in check::sealed_heads(&self.seals) {
            let place = usize::try_from(sealed.head.seq).unwrap_or(usize::MAX).wrapping_sub(1);
            let found = if chain.bytes() == SYSTEM {
                self.governed.log.get(place).map(|entry| entry.hash)
            } else {
                self.runs.get(&chain).and_then(|kept| kept.entries.get(place)).map(|entry| entry.hash)
            };
            findings.extend(check::sealed(chain, no, sealed, found));
        }
        findings
    }
}
