//! What was taken back, and what people were told.

use kernel::recovery::Response;
use store::{OutRow, OutState};

use super::{super::undos::Undos, *};
use crate::{ledger::Class, mixed::Mix};

fn effect(n: u64, kind: &str, body: serde_json::Value) -> Line {
    Line { path: format!("/effect/{kind}"), body, ..sent(n, 1, "a") }
}

fn act(n: u64) -> Line {
    effect(n, "fire", serde_json::json!({"batch": 1, "number": 4, "item": 40}))
}

fn undo(n: u64, of: u64) -> Line {
    effect(n, "unfire", serde_json::json!({"batch": 1, "number": 4, "item": 40, "of": of}))
}

/// The rules that effects break, each of a key of its own: at any time, and at the end of a run that fails late or does not.
fn broken(late: bool, lines: &[Line]) -> (Vec<&'static str>, Vec<&'static str>) {
    let mut undos = Undos::default();
    for line in lines {
        undos.line(line, &format!("key-{}", line.n));
    }
    let only = Mix::only(Class::AtMostOnce);
    let case = Case { seed: 1, batch: 1, number: 4, mix: Some(if late { only.all_late() } else { only }) };
    let ledger = Ledger { lines: lines.to_vec() };
    let (mut always, mut at_end) = (Vec::new(), Vec::new());
    undos.twice(1, &mut always);
    undos.ends(&BTreeMap::from([(4, case)]), &ledger, &mut at_end);
    let rules = |found: Vec<Violation>| found.into_iter().map(|found| found.rule).collect();
    (rules(always), rules(at_end))
}

#[test]
fn what_failed_late_is_taken_back_exactly_once() {
    assert_eq!(broken(true, &[act(1), undo(2, 1)]), (vec![], vec![]));
    assert_eq!(broken(false, &[act(1)]), (vec![], vec![]));
    assert_eq!(broken(true, &[act(1)]), (vec![], vec!["not_taken_back"]));
    assert_eq!(broken(true, &[act(1), undo(2, 1), undo(3, 1)]).0, ["taken_back_twice"]);
    assert_eq!(broken(true, &[undo(1, 7)]), (vec!["taken_back_twice"], vec!["taken_back_twice"]), "it was never done");
    assert_eq!(broken(false, &[act(1), undo(2, 1)]), (vec![], vec!["taken_back_twice"]), "nothing had failed");
    assert_eq!(broken(true, &[act(1), undo(2, 7)]), (vec![], vec!["taken_back_twice"]), "another effect is meant");
}

fn row(id: &str, state: OutState) -> OutRow {
    OutRow {
        id: id.into(),
        run: run(),
        channel: "mixed/desk".into(),
        body: Some(br#"{"news":"run_paused"}"#.as_slice().into()),
        at: Timestamp::default(),
        attempts: 1,
        state,
        next_at: None,
        why: None,
    }
}

fn hook(n: u64, id: &str, bytes: &str) -> Line {
    let body_sha256 = Digest::of(&[bytes.as_bytes()]).to_string();
    let (path, key) = ("/hook/desk".to_owned(), Some(id.to_owned()));
    Line { path, key, body_sha256, applied: false, ..sent(n, 1, "a") }
}

/// The rules that are broken where a run was paused once; and how often a message came again.
fn told(outbox: Vec<OutRow>, lines: &[Line]) -> (Vec<&'static str>, usize, usize) {
    let paused = Event::FailureAnswered { step: step("a"), response: Response::Pause };
    let snapshot = Snapshot { runs: vec![seen(&[paused])], outbox, ..Snapshot::default() };
    let lines: Vec<_> = lines.iter().collect();
    let mut oracle = Oracle::new(1, BTreeMap::new()).telling();
    let judged = oracle.judge(1, &[], &snapshot, (&Ledger::default(), &lines), false);
    (judged.violations.iter().map(|found| found.rule).collect(), judged.untold, judged.told_again)
}

#[test]
fn each_message_comes_at_least_once_and_says_the_same() {
    assert_eq!(told(vec![row("m", OutState::Left)], &[hook(1, "m", "x")]), (vec![], 0, 0));
    assert_eq!(told(vec![row("m", OutState::Left)], &[hook(1, "m", "x"), hook(2, "m", "x")]), (vec![], 0, 1));
    assert_eq!(told(vec![row("m", OutState::Waiting)], &[]), (vec![], 1, 0), "it may still come");
    assert_eq!(told(vec![row("m", OutState::Left)], &[]).0, ["message_lost"]);
    assert_eq!(told(vec![row("m", OutState::Dead)], &[]).0, ["message_lost"]);
    assert_eq!(told(Vec::new(), &[]).0, ["message_lost"], "the journal says that people are to be told");
    let two = vec![row("m", OutState::Waiting), row("n", OutState::Waiting)];
    assert_eq!(told(two, &[]).0, ["message_lost"], "kept twice for one event");
    assert_eq!(told(vec![row("m", OutState::Left)], &[hook(1, "m", "x"), hook(2, "m", "y")]).0, ["other_message"]);
    assert_eq!(told(vec![row("m", OutState::Waiting)], &[hook(1, "n", "x")]).0, ["other_message"]);
    let unnamed = Line { key: None, ..hook(1, "m", "x") };
    assert_eq!(told(vec![row("m", OutState::Waiting)], &[unnamed]).0, ["other_message"]);
}
