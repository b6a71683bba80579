//! Journals and ledgers made by hand, each with one promise broken.

use std::collections::BTreeMap;

use kernel::{
    governance::{Effect, Proposal, Verdict},
    ids::{Digest, IdempotencyKey, StepPath, WorkerId},
    journal::{BodyResult, Entry, Usage},
    recovery::{Failure, FailureKind, Phase},
    values::{Timestamp, Value},
};
use store::{Finding, Message, RunRow};

use super::*;
use crate::ledger::Mode;

mod classes;
mod later;

const RUN: [u8; 16] = [7; 16];

fn run() -> RunId {
    RunId::from_bytes(RUN)
}

fn step(name: &str) -> StepPath {
    StepPath::new(name)
}

fn started() -> Event {
    Event::RunStarted {
        bundle: Digest::ZERO,
        workflow: "mixed".into(),
        stages: vec!["gather".into()],
        input: Held::Value(Value::map([("number", Value::Int(4))])),
        about: Value::Null,
        project: "".into(),
        by: None,
        acts_for: None,
        parent: None,
        fork: None,
    }
}

fn with() -> Value {
    Value::map([("item", Value::Int(1))])
}

fn key(name: &str) -> IdempotencyKey {
    IdempotencyKey::derive(run(), &step(name), 0)
}

fn meant(name: &str) -> Event {
    let (tool, operation) = ("ledger".into(), "note".into());
    let proposal = Proposal { tool, operation, effect: Effect::Idempotent, with: Held::Value(with()) };
    let verdict = Verdict::Allow { rule: "built-in".into(), policy: Digest::ZERO, by: Vec::new() };
    Event::ActionStarted { step: step(name), attempt: 1, proposal, verdict, key: key(name), grounds: None }
}

fn done(name: &str) -> Event {
    let result = StepResult::Done(Held::Value(Value::Int(1)));
    Event::ActionFinished { step: step(name), attempt: 1, result, raw: None, proof: None, undo: None, spent: None }
}

fn failed(name: &str, kind: FailureKind) -> Event {
    let failure = Failure { kind, phase: Phase::Answered, detail: "no".to_owned(), retry_after: None };
    Event::ActionFinished {
        step: step(name),
        attempt: 1,
        result: StepResult::Failed(failure),
        raw: None,
        proof: None,
        undo: None,
        spent: None,
    }
}

fn answered(name: &str) -> Event {
    let result = StepResult::Done(Held::Value(Value::Int(1)));
    Event::ModelAnswered {
        step: step(name),
        attempt: 1,
        result,
        usage: Usage::default(),
        raw: None,
        spent: None,
        charged: None,
        said: None,
        claims: Vec::new(),
        cools: None,
        keeps: None,
        unsure: None,
    }
}

/// A run with these events after its start, all of one epoch, a microsecond apart.
fn seen(events: &[Event]) -> RunSeen {
    seen_in(1, events)
}

fn seen_in(epoch: u64, events: &[Event]) -> RunSeen {
    let (mut head, mut entries) = (Head::START, Vec::new());
    for (at, event) in std::iter::once(&started()).chain(events).enumerate() {
        let of = if at == 0 { 1 } else { epoch };
        let entry = Entry::seal(run(), head, of, Timestamp::from_micros(at as i64), [0; 16], event);
        head = entry.head();
        entries.push((entry, event.clone()));
    }
    let row = RunRow {
        run: run(),
        tenant: "main".into(),
        parent: None,
        cost: Some(0),
        fork: None,
        again: None,
        workflow: "mixed".into(),
        bundle: Digest::ZERO,
        status: Status::Running,
        waits_for: None,
        wake_at: None,
        doing: None,
        about: BTreeMap::new(),
        failure: None,
        epoch,
        owner: Some(WorkerId::from_bytes([1; 16])),
        head,
        inbox_gen: 0,
        inbox_read: 0,
        strikes: 0,
        created_at: Timestamp::default(),
        updated_at: Timestamp::default(),
        finished_at: None,
    };
    RunSeen { row, entries, inbox: Vec::new(), result: None }
}

fn message(seq: u64, id: &str) -> Message {
    let (kind, name, sender) = ("signal".into(), "go".into(), "harness".into());
    Message { seq, id: id.into(), kind, name, sender, body: b"null".as_slice().into(), at: Timestamp::from_micros(5) }
}

/// A request of `life` with the bytes of [`with`].
fn sent(n: u64, life: u32, name: &str) -> Line {
    Line {
        n,
        at_us: 0,
        method: "POST".to_owned(),
        path: "/effect/note".to_owned(),
        key: Some(key(name).as_str().to_owned()),
        reference: None,
        class: None,
        body_sha256: Digest::of(&[&with().to_jcs()]).to_string(),
        body: with().to_serde(),
        connection: 1,
        sender: Some(Oracle::sender(1, life)),
        mode: Mode::Ok,
        applied: true,
        status: 200,
        found: None,
    }
}

fn ask(n: u64, life: u32, name: &str) -> Line {
    let body = serde_json::json!({"step": name, "attempt": 1, "data": {"number": 4}});
    Line { path: "/ask".to_owned(), key: None, body, applied: false, ..sent(n, life, name) }
}

/// Lives, one after the other: what each said, left and sent. Gives the rules that were broken.
#[derive(Default)]
struct Play {
    oracle: Option<Oracle>,
    life: u32,
    broken: Vec<&'static str>,
}

impl Play {
    fn life(mut self, said: &[Said], runs: Vec<RunSeen>, lines: &[Line]) -> Play {
        let snapshot = Snapshot { runs, ..Snapshot::default() };
        self.judge(said, &snapshot, lines, false);
        self
    }

    fn judge(&mut self, said: &[Said], snapshot: &Snapshot, lines: &[Line], over: bool) {
        let case = Case { seed: 1, batch: 1, number: 4, mix: None };
        let oracle = self.oracle.get_or_insert_with(|| Oracle::new(1, BTreeMap::from([(4, case)])));
        self.life += 1;
        let ledger = Ledger { lines: lines.to_vec() };
        let lines: Vec<_> = lines.iter().collect();
        let judged = oracle.judge(self.life, said, snapshot, (&ledger, &lines), over);
        self.broken.extend(judged.violations.iter().map(|found| found.rule));
    }
}

/// One life.
fn one(said: &[Said], run: RunSeen, lines: &[Line]) -> Vec<&'static str> {
    Play::default().life(said, vec![run], lines).broken
}

fn acked() -> Said {
    Said::Started { number: 4, run: run(), created: true, from_us: 0, at_us: 0 }
}

fn signalled() -> Said {
    Said::Signalled { number: 4, run: run(), id: "go-4".to_owned(), known: false, from_us: 0, at_us: 0 }
}

#[test]
fn what_is_well_is_left_alone() {
    let mut whole = seen(&[meant("a"), done("a")]);
    whole.row.inbox_gen = 1;
    whole.inbox = vec![message(1, "go-4")];
    assert_eq!(one(&[acked(), signalled()], whole.clone(), &[sent(1, 1, "a")]), [""; 0]);
    // The next life takes it over and adds to it.
    let mut later = whole.clone();
    let entry = Entry::seal(run(), whole.row.head, 3, Timestamp::from_micros(9), [0; 16], &meant("b"));
    (later.row.head, later.row.epoch) = (entry.head(), 3);
    later.entries.push((entry, meant("b")));
    let lines = [sent(2, 2, "b")];
    let play = Play::default().life(&[acked()], vec![whole], &[sent(1, 1, "a")]).life(&[], vec![later], &lines);
    assert_eq!(play.broken, [""; 0]);
}

#[test]
fn what_was_acknowledged_is_there() {
    assert_eq!(Play::default().life(&[acked()], Vec::new(), &[]).broken, ["lost_start"]);
    assert_eq!(one(&[acked(), signalled()], seen(&[]), &[]), ["lost_signal"]);
    let other = Said::Started { number: 4, run: RunId::from_bytes([8; 16]), created: true, from_us: 0, at_us: 0 };
    assert_eq!(one(&[other, acked()], seen(&[]), &[]), ["started_twice"]);
}

#[test]
fn a_message_stands_once_and_is_not_slept_over() {
    let mut run = seen(&[]);
    run.inbox = vec![message(1, "go-4"), message(2, "go-4")];
    run.row.inbox_gen = 2;
    assert_eq!(one(&[], run.clone(), &[]), ["signal_twice"]);
    run.inbox.pop();
    (run.row.inbox_gen, run.row.inbox_read) = (1, 1);
    assert_eq!(one(&[], run.clone(), &[]), ["lost_signal"], "read, and not in the journal");
    (run.row.inbox_read, run.row.owner, run.row.status) = (0, None, Status::Waiting);
    run.row.waits_for = Some("signal go".into());
    assert_eq!(one(&[], run.clone(), &[]), ["never_lost"]);
    run.row.wake_at = Some(Timestamp::from_micros(5));
    assert_eq!(one(&[], run, &[]), [""; 0], "it is due");
    let name = || "go".into();
    let received =
        |message| Event::SignalReceived { message, name: name(), body: Held::Value(Value::Null), sender: name() };
    assert_eq!(one(&[], seen(&[received(1), received(1)]), &[]), ["signal_twice"]);
}

#[test]
fn what_was_durable_stays() {
    let before = seen(&[meant("a")]);
    let after = seen_in(3, &[meant("b")]);
    let play = Play::default().life(&[], vec![before], &[]).life(&[], vec![after], &[]);
    assert_eq!(play.broken, ["lost_entry"]);
}

#[test]
fn a_new_owner_comes_two_epochs_later() {
    let play = |epoch| {
        let mut after = seen_in(1, &[]);
        after.row.epoch = epoch;
        Play::default().life(&[], vec![seen(&[])], &[]).life(&[], vec![after], &[]).broken
    };
    assert_eq!(play(2), ["epoch_kept"]);
    assert_eq!(play(3), [""; 0]);
}

#[test]
fn nothing_is_completed_twice() {
    let gave = |body: &str| Event::BodyDone { body: step(body), result: BodyResult::Gave(Held::Value(Value::Null)) };
    assert_eq!(one(&[], seen(&[gave("a[0]"), gave("a[1]")]), &[]), [""; 0]);
    assert_eq!(one(&[], seen(&[gave("a[0]"), gave("a[0]")]), &[]), ["completed_twice"]);
    assert_eq!(one(&[], seen(&[answered("a"), answered("a")]), &[]), ["completed_twice"]);
}

#[test]
fn what_is_recorded_is_not_done_again() {
    let run = seen(&[meant("a"), done("a")]);
    let mut later = run.clone();
    (later.row.epoch, later.row.owner) = (3, None);
    let play = Play::default().life(&[], vec![run], &[sent(1, 1, "a")]);
    let again = Line { applied: false, ..sent(2, 2, "a") };
    assert_eq!(play.life(&[], vec![later], &[again]).broken, ["done_again", "more_than_intended"]);

    let asked = answered("m");
    let mut play = Play::default().life(&[], vec![seen(std::slice::from_ref(&asked))], &[]);
    let mut later = seen(&[asked]);
    (later.row.epoch, later.row.owner) = (3, None);
    play.judge(&[], &Snapshot { runs: vec![later], ..Snapshot::default() }, &[ask(1, 2, "m")], false);
    assert!(play.broken.contains(&"asked_again"), "{:?}", play.broken);
}

#[test]
fn nothing_leaves_without_its_intent() {
    assert_eq!(one(&[], seen(&[]), &[sent(1, 1, "a")]), ["no_intent"]);
    assert_eq!(one(&[], seen(&[]), &[ask(1, 1, "m")]), ["no_intent"]);
    let keyless = Line { key: None, ..sent(1, 1, "a") };
    assert_eq!(one(&[], seen(&[meant("a")]), &[keyless]), ["no_key"]);
    let other = Line { body_sha256: Digest::of(&[b"{}"]).to_string(), ..sent(1, 1, "a") };
    assert_eq!(one(&[], seen(&[meant("a")]), &[other]), ["other_bytes"]);
    // The intent of the second life does not excuse what the first had sent.
    let mut later = seen(&[meant("a")]);
    (later.row.epoch, later.row.owner) = (3, None);
    let play = Play::default().life(&[], vec![seen(&[])], &[]);
    assert_eq!(play.life(&[], vec![later], &[sent(1, 1, "a")]).broken, ["no_intent"]);
}

#[test]
fn effects_happen_as_often_as_the_journal_says() {
    let twice = [sent(1, 1, "a"), sent(2, 1, "a")];
    assert_eq!(one(&[], seen(&[meant("a")]), &twice), ["applied_twice", "more_than_intended"]);
    assert_eq!(one(&[], seen(&[meant("a"), done("a")]), &[]), ["done_not_applied"]);
    let rejected = seen(&[meant("a"), failed("a", FailureKind::ToolRejected)]);
    assert_eq!(one(&[], rejected.clone(), &[sent(1, 1, "a")]), ["failed_yet_performed"]);
    let refused = Line { applied: false, ..sent(1, 1, "a") };
    assert_eq!(one(&[], rejected, &[refused]), [""; 0]);
    let unknown = seen(&[meant("a"), failed("a", FailureKind::ToolError)]);
    assert_eq!(one(&[], unknown, &[sent(1, 1, "a")]), [""; 0], "an uncertain outcome is not called failed for good");
}

#[test]
fn time_does_not_go_back() {
    let mut run = seen(&[meant("a"), done("a")]);
    run.entries[2].0.at = Timestamp::from_micros(-1);
    assert_eq!(one(&[], run, &[sent(1, 1, "a")]), ["time_back"]);
}

#[test]
fn findings_and_settings_count() {
    let finding = Finding { rule: "chain", run: Some(run()), detail: "broken".to_owned() };
    let mut play = Play::default();
    play.judge(&[], &Snapshot { runs: vec![seen(&[])], findings: vec![finding], ..Snapshot::default() }, &[], false);
    assert_eq!(play.broken, ["check"]);
    let ready = |synchronous| Said::Ready { journal_mode: "wal".to_owned(), synchronous };
    assert_eq!(one(&[ready(2)], seen(&[]), &[]), [""; 0]);
    assert_eq!(one(&[ready(1)], seen(&[]), &[]), ["settings"]);
}

#[test]
fn a_batch_ends_as_its_inputs_imply() {
    let end = |run: Vec<RunSeen>| {
        let mut play = Play::default();
        play.judge(&[], &Snapshot { runs: run, ..Snapshot::default() }, &[], true);
        play.broken
    };
    assert_eq!(end(Vec::new()), ["wrong_end"]);
    let mut run = seen(&[]);
    (run.row.status, run.row.owner) = (Status::Failed, None);
    assert_eq!(end(vec![run.clone()]), ["wrong_end"]);
    run.row.status = Status::Completed;
    run.result = Some(serde_json::json!({"score": 8}));
    assert_eq!(end(vec![run]), ["wrong_result"]);
}

#[test]
fn sums_are_what_the_journals_say() {
    use kernel::governance::{
        budget::{Amounts, Line, Period, Reserved, Unit},
        charter::Grounds,
    };

    let line = Line { scope: "t".into(), unit: Unit::Calls, per: Period::Ever, period: 0, limit: 2, max: 1 };
    let one = Amounts { calls: 1, ..Amounts::NOTHING };
    let with_budget = |event| match event {
        Event::ActionStarted { step, attempt, proposal, verdict, key, .. } => {
            let reserved = Reserved { generation: 1, max: one, lines: vec![line.clone()] };
            let grounds = Some(Box::new(Grounds { reserved: Some(Box::new(reserved)), ..Grounds::default() }));
            Event::ActionStarted { step, attempt, proposal, verdict, key, grounds }
        }
        Event::ActionFinished { step, attempt, result, raw, proof, .. } => {
            Event::ActionFinished { step, attempt, result, raw, proof, undo: None, spent: Some(one) }
        }
        other => other,
    };
    let run = seen(&[meant("a"), done("a"), meant("b")].map(with_budget));
    let sums = |settled, reserved, limit| {
        let (scope, unit) = ("t".into(), "calls".into());
        let row = store::BudgetRow { scope, unit, period: 0, limit, settled, reserved, overrun: 0, frozen: false };
        let snapshot = Snapshot { runs: vec![run.clone()], budgets: vec![row], ..Snapshot::default() };
        let mut found = Vec::new();
        let books = books::balance(&snapshot, &mut found);
        assert_eq!((books.reserved, books.open, books.forfeited, books.spent_calls), (2, 1, 0, 1));
        found.len()
    };
    assert_eq!(sums(1, 1, 2), 0);
    assert_eq!((sums(1, 0, 2), sums(0, 1, 2), sums(1, 1, 1)), (1, 1, 1));
}

#[test]
fn every_rule_that_is_told_is_explained() {
    let told = include_str!("../oracle.rs").matches("find(\"").count();
    assert!(told > 0 && RULES.iter().all(|(name, words)| !name.contains(' ') && !words.is_empty()));
}
