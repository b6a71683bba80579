//! The operations of the walk that governed actions need.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{ids::Digest, recovery::FailureKind};
use store::{
    ActionQuery, ActionState, ApprovalQuery, ApprovalState, BudgetLine, Change, CounterQuery, Erased, Governed, Guard,
    OpenApproval, OutQuery, OutState, OutcomeQuery, OutcomeSaid, Seal, Sealed, Taken, Tried, Vote, Voted, WorkClaimed,
    WorkQuery,
};

use super::{Walk, both, told};
use crate::cases::{Pen, approval, at, governed, outcome, run_id};

impl Walk<'_> {
    /// A guard or two of governed actions, and what they are called.
    pub(super) async fn governed_guards(&mut self, pen: &Pen) -> (Vec<Guard>, &'static str) {
        let step = format!("s{}", self.dice.roll(3));
        match self.dice.roll(21) {
            0 | 1 => {
                let counter: Arc<str> = format!("c{}", self.dice.roll(2)).into();
                let query = CounterQuery { counter: counter.clone(), since: at(0) };
                let mut version = self.reference.counters(&[query]).await.unwrap()[0].version;
                let add = self.dice.chance(80).then(|| governed::add(&step, self.dice.roll(50) as i64, self.now));
                let mut guards = vec![Guard::CounterIs { counter: counter.clone(), version, add: add.clone() }];
                if self.dice.chance(30) {
                    version += u64::from(self.dice.chance(70) && add.is_some());
                    guards.push(Guard::CounterIs { counter, version, add });
                }
                (guards, "counted")
            }
            2 => {
                let counter = format!("c{}", self.dice.roll(2)).into();
                (vec![Guard::CounterUndone { counter, step: step.into() }], "taken back")
            }
            3 | 11 => {
                let id = format!("a{}", self.dice.roll(60)).into();
                let expires_at = self.dice.chance(50).then(|| at(self.now + self.dice.roll(90) as i64));
                let (quorum, requested_at) = (1 + u32::from(self.dice.chance(15)), at(self.now));
                let open = OpenApproval { id, quorum, expires_at, requested_at, ..approval::ask("a") };
                (vec![Guard::ApprovalOpen(open)], "asked")
            }
            4 | 5 | 12 | 13 => self.consume(pen).await,
            6 | 16 | 17 => {
                // An end without a yes: one with it is what `consume` makes.
                let state = ApprovalState::ALL[3 + self.dice.roll(4) as usize];
                let own = ApprovalQuery { run: Some(pen.run), ..ApprovalQuery::default() };
                let own = self.reference.approvals(own).await.unwrap();
                let first = own.first().filter(|_| self.dice.chance(80)).map(|row| row.id.clone());
                let approval = first.unwrap_or_else(|| format!("a{}", self.dice.roll(30)).into());
                (vec![Guard::ApprovalClosed { approval, state }], "closed")
            }
            7 | 8 => {
                let mut lines = vec![self.line(0), self.line(1), self.line(2)];
                self.reserving.insert(pen.run, step.clone());
                lines.truncate(1 + self.dice.roll(3) as usize);
                let mut guards = vec![Guard::Reserve { step: step.as_str().into(), lines }];
                if self.dice.chance(30) {
                    guards.insert(0, Guard::Forfeit { step: step.into() });
                }
                (guards, "reserved")
            }
            9 | 19 | 20 => {
                // Mostly what is open: most of the steps that are drawn have nothing set aside.
                let step = self.reserving.get(&pen.run).filter(|_| self.dice.chance(70)).cloned().unwrap_or(step);
                let mut spent = || if self.dice.chance(70) { self.dice.roll(8) as i64 } else { 11 };
                let actual = BTreeMap::from([("tokens".into(), spent()), ("calls".into(), spent())]);
                (vec![Guard::Settle { step: step.into(), actual }], "settled")
            }
            10 | 14 => {
                let work = format!("w{}-{}", pen.run, self.dice.roll(3));
                let mut guards = vec![governed::work(&work)];
                if self.dice.chance(30) {
                    return (guards, "work opened");
                }
                guards.push(Guard::WorkClosed { work: work.into() });
                // Opened and closed at once, or closed alone.
                guards.drain(..usize::from(self.dice.chance(50)));
                (guards, "work closed")
            }
            15 if self.dice.chance(50) => {
                let scope = format!("/model:m{}", self.dice.roll(2)).into();
                let until = at(self.now + self.dice.roll(20) as i64);
                let why = FailureKind::ProviderOverloaded.as_str().into();
                (vec![Guard::CoolDown { scope, until, why }], "cooled down")
            }
            18 => {
                let entry = 1 + self.dice.roll(9);
                let kept =
                    governed::kept(self.dice.roll(6) as u8, entry, (self.now, self.now + self.dice.roll(9) as i64));
                (vec![Guard::KeepAnswer(Box::new(kept))], "answer kept")
            }
            _ => (vec![governed::out(&format!("o{}", self.dice.roll(60)))], "sent"),
        }
    }

    fn line(&mut self, scope: u64) -> BudgetLine {
        BudgetLine {
            scope: format!("scope{scope}").into(),
            unit: ["tokens", "calls"][self.dice.roll(2) as usize].into(),
            period: self.now / 30,
            limit: 15 + self.dice.roll(10) as i64,
            max: self.dice.roll(9) as i64,
        }
    }

    /// Mostly one that enough people are for. One without enough votes is only asked for with another hash: the store does not count.
    async fn consume(&mut self, pen: &Pen) -> (Vec<Guard>, &'static str) {
        let query = ApprovalQuery { run: Some(pen.run), all_states: self.dice.chance(30), ..ApprovalQuery::default() };
        let rows = self.reference.approvals(query).await.unwrap();
        let given = rows
            .iter()
            .find(|row| row.votes.iter().filter(|vote| &*vote.decision != "reject").count() >= row.quorum as usize);
        let guard = match given.or(rows.first()) {
            Some(row) if given.is_some() => Guard::Consume { approval: row.id.clone(), hash: row.hash },
            Some(row) => Guard::Consume { approval: row.id.clone(), hash: Digest::ZERO },
            None => Guard::Consume { approval: "none".into(), hash: Digest::ZERO },
        };
        let twice = self.dice.chance(10);
        (if twice { vec![guard.clone(), guard] } else { vec![guard] }, "consumed")
    }

    pub(super) async fn govern(&mut self) {
        let known = self.reference.governance(0).await.unwrap().len() as u64;
        let change = Change {
            expect: self.dice.chance(60).then(|| known.saturating_sub(u64::from(self.dice.chance(40)))),
            wake: self.dice.chance(50).then(|| ["s1", "s", "x"][self.dice.roll(3) as usize].into()),
            ..governed::change(&known.to_string(), self.now)
        };
        match both!(self, govern(change)) {
            Ok(Governed::Done { .. }) => self.did("governed"),
            Ok(Governed::Moved { .. }) => self.did("governed too late"),
            Err(_) => {}
        }
    }

    pub(super) async fn vote(&mut self) {
        let query = ApprovalQuery { all_states: self.dice.chance(30), limit: 200, ..ApprovalQuery::default() };
        let known = self.reference.approvals(query).await.unwrap();
        let id = match known.len() as u64 {
            0 => format!("a{}", self.dice.roll(30)).into(),
            _ if self.dice.chance(20) => format!("a{}", self.dice.roll(31)).into(),
            // Mostly one of the newest: their runs are still there.
            many => known[(many - 1 - self.dice.roll(many.min(3))) as usize].id.clone(),
        };
        let by = ["bob", "cleo", "dan"][self.dice.roll(3) as usize];
        let decision = if self.dice.chance(80) { "approve" } else { "reject" };
        let mut vote: Vote = approval::vote(&id, by, decision, self.now);
        if self.dice.chance(20) {
            vote.shown = Digest::ZERO;
        }
        match both!(self, vote(vote)) {
            Ok(Voted::New { .. }) => self.did("voted"),
            Ok(Voted::Known { .. }) => self.did("vote known"),
            Ok(Voted::Conflict { .. }) => self.did("vote conflict"),
            Ok(Voted::Stale { .. }) => self.did("vote stale"),
            Ok(Voted::Expired { .. }) => self.did("vote expired"),
            Ok(Voted::Closed { .. }) => self.did("vote closed"),
            Ok(Voted::Missing) | Err(_) => {}
        }
    }

    /// Work, messages that leave, rate limits, frozen scopes, seals, erasure.
    pub(super) async fn aside(&mut self) {
        match self.dice.roll(12) {
            0 | 1 => self.people_work().await,
            2 | 3 => {
                let (limit, now) = (self.dice.roll(4) as u32, at(self.now));
                let (hook, until) = (&[Arc::from("hook")][..], at(self.now + 5));
                let due = both!(self, take_outbox(hook, limit, now, until)).unwrap();
                both!(self, next_outbox(hook)).unwrap();
                let id: Arc<str> = due.first().map_or("none".into(), |row| row.id.clone());
                let why: Arc<str> = "no answer".into();
                let tried = match self.dice.roll(4) {
                    0 => Tried::Again { at: at(self.now + 3), why },
                    1 => Tried::Dead { why },
                    2 => Tried::Dropped { why },
                    _ => Tried::Left,
                };
                let moved = both!(self, outbox_tried(id, tried)).unwrap();
                let dead = both!(self, outbox(OutQuery::default())).unwrap();
                if let Some(dead) = dead.into_iter().find(|row| row.state == OutState::Dead).map(|row| row.id) {
                    assert!(both!(self, outbox_again(dead, now)).unwrap());
                    self.did("let go again");
                }
                if moved {
                    self.did("left, or tried again");
                }
            }
            4 | 5 => {
                let bucket: Arc<str> = ["a", "b"][self.dice.roll(2) as usize].into();
                let (now, interval, burst, n) = (at(self.now), 3_000_000_i64, 3_u32, self.dice.roll(4) as u32);
                match both!(self, take(bucket, now, interval, burst, n)) {
                    Ok(Taken::Yes) => self.did("taken"),
                    Ok(Taken::NotBefore(_)) => self.did("not before"),
                    Err(_) => {}
                }
                if self.dice.chance(20) {
                    let until = at(self.now + 5);
                    both!(self, push_back(bucket, until)).unwrap();
                }
            }
            6 | 9..12 => {
                let rows = self.reference.budgets().await.unwrap();
                let scope = rows.iter().find(|row| row.frozen).map_or("none".into(), |row| row.scope.clone());
                let said = governed::change("{}", self.now);
                if both!(self, unfreeze(scope, said)).unwrap() {
                    self.did("unfrozen");
                }
                let cooling = self.reference.cooldowns().await.unwrap();
                let earlier = cooling.iter().find(|row| row.since < at(self.now));
                let scope: Arc<str> = earlier.map_or("/model:none".into(), |row| row.scope.clone());
                let said = format!(r#"{{"change":"ask","reason":"paid","scope":"{scope}"}}"#);
                let said = governed::change(&said, self.now);
                if both!(self, end_cooldown(scope, said)).unwrap() {
                    self.did("asked again");
                    // What cools down next does so later: the check tells the two apart by time.
                    self.now += 1;
                }
                both!(self, orphans()).unwrap();
                both!(self, sweep()).unwrap();
                if self.now % 3 == 0 {
                    both!(self, drop_answers(at(self.now))).unwrap();
                    let gone = vec![governed::kept((self.now / 3 % 6) as u8, 1, (0, 0)).key];
                    both!(self, forget_answers(gone)).unwrap();
                }
            }
            7 => {
                let limit = self.dice.roll(30) as u32;
                let dirty = both!(self, dirty_heads(limit)).unwrap();
                let last = both!(self, last_seal()).unwrap();
                let last = last.filter(|_| self.dice.chance(70));
                let seal = Seal::after(last.as_ref(), dirty, at(self.now));
                match both!(self, add_seal(seal)).unwrap() {
                    Sealed::Done => self.did("sealed"),
                    Sealed::Moved { .. } => self.did("sealed too late"),
                }
            }
            _ => {
                let run = run_id(1 + self.dice.roll(u64::from(self.runs) + 1) as u16);
                let now = at(self.now);
                // No dice: what follows stays as it was.
                let said = outcome::said(run, ["bob", "cleo"][self.now as usize % 2], self.now % 3 > 0, self.now);
                match both!(self, say_outcome(said)) {
                    Ok(OutcomeSaid::Done) => self.did("outcome said"),
                    Ok(OutcomeSaid::NotOver { .. }) => self.did("outcome too early"),
                    Ok(OutcomeSaid::Erased) | Err(_) => {}
                }
                let right = [None, Some(true), Some(false)][self.now as usize % 3];
                let since = (self.now % 4 == 0).then_some(run);
                let query = OutcomeQuery::Workflow { workflow: "lead".into(), right, since, limit: 3 };
                both!(self, outcomes(query)).unwrap();
                match both!(self, erase(run, now)) {
                    Ok(Erased::Done) => self.did("erased"),
                    Ok(Erased::NotOver { .. }) => self.did("erased too early"),
                    Err(_) => {}
                }
            }
        }
    }

    async fn people_work(&mut self) {
        let query = WorkQuery { all_states: self.dice.chance(20), limit: 4, ..WorkQuery::default() };
        let rows = both!(self, work(query)).unwrap();
        let rest = WorkQuery { after: rows.first().map(|row| row.id.clone()), ..query };
        both!(self, work(rest)).unwrap();
        let id: Arc<str> = rows.first().map_or("none".into(), |row| row.id.clone());
        let by: Arc<str> = ["bob", "cleo"][self.dice.roll(2) as usize].into();
        let now = at(self.now);
        if self.dice.chance(70) {
            match both!(self, claim_work(id, by, now)).unwrap() {
                WorkClaimed::Yes => self.did("work claimed"),
                WorkClaimed::Taken { .. } => self.did("work taken"),
                WorkClaimed::Closed | WorkClaimed::Missing => {}
            }
        } else if both!(self, release_work(id, by)).unwrap() {
            self.did("work released");
        }
    }

    pub(super) async fn read_governed(&mut self) {
        let counter = |name: &str, since| CounterQuery { counter: name.into(), since: at(since) };
        let queries = [counter("c0", self.now - 10), counter("c1", self.now - 30), counter("c2", 0)];
        let queries = &queries[..];
        both!(self, counters(queries)).unwrap();
        let query = ApprovalQuery {
            id: self.dice.chance(20).then(|| format!("a{}", self.dice.roll(30)).into()),
            run: None,
            group: self.dice.chance(20).then(|| "desk".into()),
            all_states: self.dice.chance(50),
            after: None,
            limit: self.dice.roll(5) as u32,
        };
        both!(self, approvals(query)).unwrap();
        // No dice: what follows whichever comes first.
        let all = ApprovalQuery { all_states: query.all_states, limit: 3, ..ApprovalQuery::default() };
        let first = both!(self, approvals(all)).unwrap().into_iter().next();
        let rest = ApprovalQuery { after: first.map(|row| row.id), ..all };
        both!(self, approvals(rest)).unwrap();
        let after = self.dice.roll(5);
        both!(self, governance(after)).unwrap();
        for row in both!(self, budgets()).unwrap() {
            assert!(row.settled + row.reserved <= row.limit + row.overrun, "{row:?}");
            if row.frozen {
                self.did("frozen");
            }
        }
        let unknown_only = self.dice.chance(50);
        let state = unknown_only.then_some(ActionState::Unknown);
        let of = self.dice.chance(30).then(|| run_id(1 + self.dice.roll(4) as u16));
        let query = ActionQuery { run: of, state, after: None, limit: 3 };
        let rows = both!(self, open_actions(query.clone())).unwrap();
        let after = rows.last().map(|row| (row.run, row.action.step.clone()));
        both!(self, open_actions(ActionQuery { after: after.clone(), ..query })).unwrap();
        both!(self, waiting()).unwrap();
        if !rows.is_empty() && unknown_only {
            self.did("listed in doubt");
        }
    }

    /// All that is governed, at the end.
    pub(super) async fn compare_governed(&mut self) {
        let all = ApprovalQuery { all_states: true, limit: 10_000, ..ApprovalQuery::default() };
        both!(self, approvals(all)).unwrap();
        if both!(self, budgets()).unwrap().iter().any(|row| row.frozen) {
            self.did("frozen");
        }
        let all = WorkQuery { all_states: true, limit: 10_000, ..WorkQuery::default() };
        both!(self, work(all)).unwrap();
        let all = OutQuery { all_states: true, limit: 10_000, ..OutQuery::default() };
        both!(self, outbox(all)).unwrap();
        let all = ActionQuery { limit: 10_000, ..ActionQuery::default() };
        both!(self, open_actions(all)).unwrap();
        both!(self, cooldowns()).unwrap();
        both!(self, answers(None, 4)).unwrap();
        let after = Some(governed::kept(3, 1, (0, 0)).key);
        both!(self, answers(after, 100)).unwrap();
        for key in 0..6 {
            both!(self, answer(governed::kept(key, 1, (0, 0)).key)).unwrap();
        }
        for number in 1..=self.runs {
            let query = OutcomeQuery::Run(run_id(number));
            both!(self, outcomes(query)).unwrap();
        }
        let workflow: Arc<str> = "lead".into();
        both!(self, versions(workflow, Some(run_id(2)), Some(run_id(self.runs)))).unwrap();
        let log = both!(self, governance(0)).unwrap();
        assert_eq!(store::GovernanceEntry::verify(&log), Ok(()));
    }
}
