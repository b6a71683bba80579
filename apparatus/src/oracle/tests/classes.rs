//! Actions that no key protects: what each class promises, and what it leaves open.

use kernel::journal::{ProbeResult, Resolution};
use store::{ActionState, OpenAction, OpenActionRow};

use super::*;

fn started(class: Effect) -> Event {
    match meant("a") {
        Event::ActionStarted { step, attempt, proposal, verdict, key, grounds } => {
            let proposal = Proposal { effect: class, ..proposal };
            Event::ActionStarted { step, attempt, proposal, verdict, key, grounds }
        }
        other => other,
    }
}

fn resent(attempt: u32) -> Event {
    Event::ActionResent { step: step("a"), attempt, generation: None, reserved: None }
}

fn unknown(attempt: u32) -> Event {
    let failure =
        Failure { kind: FailureKind::ToolTimeout, phase: Phase::MaybeSent, detail: "no".to_owned(), retry_after: None };
    Event::OutcomeUnknown { step: step("a"), attempt, failure, probe_at: None }
}

fn not_performed() -> Event {
    let (by, auth, reason) = ("person".into(), "local".into(), "looked".into());
    Event::EffectResolved {
        message: 1,
        step: step("a"),
        attempt: None,
        resolution: Resolution::NotPerformed,
        by,
        auth,
        reason,
    }
}

fn listed() -> OpenActionRow {
    let action = OpenAction {
        step: "a".into(),
        action: "ledger.fire".into(),
        effect: "at_most_once".into(),
        key: key("a").as_str().into(),
        attempt: 1,
        since: Timestamp::default(),
    };
    OpenActionRow { run: run(), action, state: ActionState::Unknown }
}

/// A request that carries our reference and no key; `at_us` by the receiver's clock.
fn shown(n: u64, at_us: i64, applied: bool) -> Line {
    let reference = Some(key("a").as_str().to_owned());
    Line { key: None, reference, at_us, applied, ..sent(n, 1, "a") }
}

fn asked(n: u64) -> Line {
    Line { path: "/probe".to_owned(), method: "GET".to_owned(), applied: false, ..shown(n, 0, false) }
}

/// The rules that one life broke, and what it leaves open.
fn judged(events: &[Event], open: Vec<OpenActionRow>, lines: &[Line]) -> (Vec<&'static str>, usize) {
    let snapshot = Snapshot { runs: vec![seen(events)], open, ..Snapshot::default() };
    let lines: Vec<_> = lines.iter().collect();
    let mut oracle = Oracle::new(1, BTreeMap::new());
    let judged = oracle.judge(1, &[], &snapshot, (&Ledger::default(), &lines), false);
    let rules = judged.violations.iter().map(|found| found.rule).collect();
    (rules, judged.residual.len())
}

fn broken(events: &[Event], open: Vec<OpenActionRow>, lines: &[Line]) -> Vec<&'static str> {
    judged(events, open, lines).0
}

#[test]
fn at_most_once_is_sent_again_by_a_persons_word_alone() {
    let (first, second) = (shown(1, 0, false), shown(2, 9, true));
    let lines = [first, second];
    let once = started(Effect::AtMostOnce);
    let again = [once.clone(), unknown(1), not_performed(), resent(2), done("a")];
    assert_eq!(broken(&again, Vec::new(), &lines), [""; 0]);
    let alone = [once.clone(), unknown(1), resent(2), done("a")];
    assert_eq!(broken(&alone, Vec::new(), &lines), ["sent_again"]);
    // A word about what is not unknown allows nothing.
    let early = [once, not_performed(), unknown(1), resent(2), done("a")];
    assert_eq!(broken(&early, Vec::new(), &lines), ["sent_again"]);
}

#[test]
fn unknown_is_listed_and_holds_the_run() {
    let open = [started(Effect::AtMostOnce), unknown(1)];
    assert_eq!(broken(&open, vec![listed()], &[shown(1, 0, true)]), [""; 0], "happened or not: both are unknown");
    assert_eq!(broken(&open, vec![listed()], &[]), [""; 0]);
    assert_eq!(broken(&open, Vec::new(), &[]), ["unknown_hidden"]);
    let known = [started(Effect::AtMostOnce), done("a")];
    assert_eq!(broken(&known, vec![listed()], &[shown(1, 0, true)]), ["unknown_hidden"]);
    let end = kernel::journal::End::Completed;
    let finished = Event::RunFinished { end, result: None, failure: None };
    let over = [open[0].clone(), open[1].clone(), finished];
    assert_eq!(broken(&over, vec![listed()], &[]), ["ended_unknown"]);
}

#[test]
fn probed_happens_once_unless_a_request_was_under_way_for_too_long() {
    let probe = |result| {
        let step = step("a");
        [
            Event::ProbeStarted { step: step.clone(), probe: 1 },
            Event::ProbeFinished { step, probe: 1, result, raw: None, undo: None },
        ]
    };
    let [asks, absent] = probe(ProbeResult::Absent);
    let events = [started(Effect::Probed), unknown(1), asks.clone(), absent, resent(2), done("a")];
    let lines = |late| [shown(1, 1, false), asked(2), shown(3, late, true)];
    assert_eq!(judged(&events, Vec::new(), &lines(9)), (Vec::new(), 0));
    let twice = |late| [shown(1, 1, true), asked(2), shown(3, late, true)];
    assert_eq!(judged(&events, Vec::new(), &twice(9)), (vec!["applied_twice"], 0));
    assert_eq!(judged(&events, Vec::new(), &twice(2_000_000)), (Vec::new(), 1));
    // Of two lives, the first one's request was the slow one, and the other was sent when it had not arrived.
    let of_first = [started(Effect::Probed)];
    let mut oracle = Oracle::new(1, BTreeMap::new());
    let mut judge = |life, events: &[Event], lines: &[Line]| {
        let snapshot = Snapshot { runs: vec![seen(events)], ..Snapshot::default() };
        let lines: Vec<_> = lines.iter().collect();
        let judged = oracle.judge(life, &[], &snapshot, (&Ledger::default(), &lines), false);
        (judged.violations.into_iter().map(|found| found.rule).collect::<Vec<_>>(), judged.residual.len())
    };
    assert_eq!(judge(1, &of_first, &[]), (Vec::new(), 0));
    let second = Line { sender: Some(Oracle::sender(1, 2)), ..shown(2, 900_001, true) };
    let slow = shown(1, 900_000, true);
    let (rules, residual) = judge(2, &events, &[slow, second]);
    assert!(!rules.contains(&"applied_twice") && residual == 1, "{rules:?}");
    let [_, found] = probe(ProbeResult::Found(Held::Value(Value::Int(1))));
    let events = [started(Effect::Probed), unknown(1), asks, found];
    assert_eq!(broken(&events, Vec::new(), &[shown(1, 1, true), asked(2)]), [""; 0]);
    assert_eq!(broken(&events, Vec::new(), &[asked(1)]), ["done_not_applied"]);
    let often = [shown(1, 1, true), asked(2), asked(3)];
    assert_eq!(broken(&events, Vec::new(), &often), ["more_than_intended"]);
}
