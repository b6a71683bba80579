use kernel::{cache::Part, values::Span};
use store::{
    ActionState, Change, Counted, CounterNow, CounterQuery, GovernanceEntry, Governed, KeptAnswer, OpenWork,
    OutMessage, StoreError,
};

use super::*;

/// A change that somebody makes.
pub fn change(body: &str, seconds: i64) -> Change {
    Change {
        at: at(seconds),
        by: "ada".into(),
        auth: "token".into(),
        body: body.as_bytes().into(),
        expect: None,
        wake: None,
    }
}

pub fn add(step: &str, amount: i64, seconds: i64) -> Counted {
    Counted { step: step.into(), amount, at: at(seconds) }
}

fn counter_is(version: u64, add: Option<Counted>) -> Guard {
    Guard::CounterIs { counter: "mails".into(), version, add }
}

pub async fn changes_are_numbered_chained_and_compared(bed: Bed) {
    let govern = async |expect, body| {
        let change = Change { expect, ..change(body, 1) };
        bed.store.govern(change).await.unwrap()
    };
    assert_eq!(bed.store.governance(0).await.unwrap(), []);
    assert_eq!(govern(Some(1), "{}").await, Governed::Moved { current: 0 });
    assert_eq!(govern(None, "{\"hold\":1}").await, Governed::Done { generation: 1 });
    assert_eq!(govern(Some(1), "{\"hold\":2}").await, Governed::Done { generation: 2 });
    assert_eq!(govern(Some(1), "{\"hold\":3}").await, Governed::Moved { current: 2 }, "somebody was faster");

    let log = bed.store.governance(0).await.unwrap();
    assert_eq!(GovernanceEntry::verify(&log), Ok(()));
    let told: Vec<_> = log.iter().map(|entry| (entry.no, &*entry.by, &*entry.auth, &entry.body[..])).collect();
    assert_eq!(told, [(1, "ada", "token", &b"{\"hold\":1}"[..]), (2, "ada", "token", &b"{\"hold\":2}"[..])]);
    assert_eq!(bed.store.governance(1).await.unwrap(), log[1..]);
    assert_eq!(bed.store.governance(2).await.unwrap(), []);
    bed.sound().await;
}

pub async fn what_was_judged_by_an_older_generation_is_refused(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let mut append = pen.start_action("pay");
    append.guards.push(Guard::GovernanceIs(0));
    bed.store.govern(change("{}", 2)).await.unwrap();
    let before = bed.snapshot(pen.run).await;
    assert_eq!(bed.append(append.clone()).await, Appended::Refused { guard: 1, current: 1 });
    assert_eq!(bed.snapshot(pen.run).await, before);
    append.guards[1] = Guard::GovernanceIs(1);
    bed.write(append, &mut pen).await;
    bed.sound().await;
}

pub async fn a_change_wakes_what_waits_for_it(bed: Bed) {
    let own = bed.join(1, 0).await;
    let cases = [
        (1, Status::Waiting, "held: mail", None, Some(9)),
        (2, Status::Waiting, "held: mail.send", Some(100), Some(9)),
        (3, Status::Waiting, "held: mail", Some(5), Some(5)),
        (4, Status::Waiting, "a word", None, None),
        (5, Status::Paused, "held: mail", None, None),
        (6, Status::Waiting, "HELD: mail", None, None),
        (7, Status::Waiting, "an answer and held: mail and 2 more", None, Some(9)),
    ];
    for (number, status, waits_for, until, _) in cases {
        let mut pen = bed.owned(number, own, 1).await;
        let guard = Guard::Suspend { status, waits_for: waits_for.into(), wake_at: until.map(at) };
        bed.write(pen.append(&[], vec![guard]), &mut pen).await;
    }
    let wake = Change { wake: Some("held: ".into()), expect: Some(7), ..change("{}", 9) };
    assert_eq!(bed.store.govern(wake.clone()).await.unwrap(), Governed::Moved { current: 0 });
    assert_eq!(bed.row(run_id(1)).await.wake_at, None, "nothing was written");
    bed.store.govern(Change { expect: None, ..wake }).await.unwrap();
    for (number, status, waits_for, _, due) in cases {
        let row = bed.row(run_id(number)).await;
        assert_eq!(
            (row.status, row.waits_for.as_deref(), row.wake_at),
            (status, Some(waits_for), due.map(at)),
            "{number}"
        );
    }
    assert_eq!(bed.claim(own, 9, 9).await.len(), 4);
    bed.sound().await;
}

pub async fn a_counter_moves_with_what_is_counted(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pens = [bed.owned(1, own, 1).await, bed.owned(2, own, 1).await];
    let now = async |since| {
        let query = |counter: &str| CounterQuery { counter: counter.into(), since: at(since) };
        bed.store.counters(&[query("mails"), query("none")]).await.unwrap()
    };
    let stands = |version, count, sum| vec![CounterNow { version, count, sum }, CounterNow::default()];
    assert_eq!(now(0).await, stands(0, 0, 0));

    // Two runs have seen the same: one of them decides again.
    let first = pens[0].append(&[step_done("a")], vec![counter_is(0, Some(add("mail", 1, 10)))]);
    let second = pens[1].append(&[step_done("a")], vec![Guard::InboxIs(0), counter_is(0, Some(add("mail", 5, 20)))]);
    bed.write(first, &mut pens[0]).await;
    let before = bed.snapshot(pens[1].run).await;
    assert_eq!(bed.append(second).await, Appended::Refused { guard: 1, current: 1 });
    assert_eq!(bed.snapshot(pens[1].run).await, before);
    assert_eq!(now(0).await, stands(1, 1, 1));

    // Two of the same append count each other.
    let twice = |second| {
        vec![counter_is(1, Some(add("mail", 5, 20))), counter_is(second, Some(add("call", 7, 30))), Guard::InboxIs(0)]
    };
    let refused = bed.append(pens[1].append(&[step_done("a")], twice(1))).await;
    assert_eq!(refused, Appended::Refused { guard: 1, current: 2 });
    assert_eq!((bed.snapshot(pens[1].run).await, now(0).await), (before, stands(1, 1, 1)));
    bed.write(pens[1].append(&[step_done("a")], twice(2)), &mut pens[1]).await;
    for (since, count, sum) in [(0, 3, 13), (10, 3, 13), (11, 2, 12), (30, 1, 7), (31, 0, 0)] {
        assert_eq!(now(since).await, stands(3, count, sum), "since {since}");
    }

    // Only compared: nothing moves. Taken back: only what this run's step had counted, and never twice.
    bed.write(pens[0].append(&[], vec![counter_is(3, None), counter_is(3, None)]), &mut pens[0]).await;
    let undo = |step: &str| Guard::CounterUndone { counter: "mails".into(), step: step.into() };
    bed.write(pens[0].append(&[], vec![undo("call"), undo("mail"), undo("mail")]), &mut pens[0]).await;
    assert_eq!(now(0).await, stands(4, 2, 12));
    bed.write(pens[1].append(&[], vec![undo("mail"), counter_is(5, None)]), &mut pens[1]).await;
    assert_eq!(now(0).await, stands(5, 1, 7));
    bed.sound().await;
}

pub async fn an_unknown_action_stays_until_its_outcome(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pens = [bed.owned(1, own, 1).await, bed.owned(2, own, 1).await];
    bed.write(pens[1].start_action("mail"), &mut pens[1]).await;
    bed.write(pens[0].start_action("pay"), &mut pens[0]).await;
    let doubt = |pen: &Pen, step: &str| pen.append(&[], vec![Guard::ActionUnknown { step: step.into() }]);
    let states = async |unknown_only: bool| -> Vec<_> {
        let state = unknown_only.then_some(ActionState::Unknown);
        let query = store::ActionQuery { state, ..store::ActionQuery::default() };
        let rows = bed.store.open_actions(query).await.unwrap();
        rows.into_iter().map(|row| (row.run, row.action.step.to_string(), row.action.attempt, row.state)).collect()
    };
    bed.write(doubt(&pens[0], "pay"), &mut pens[0]).await;
    let (first, second) = (run_id(1), run_id(2));
    let unknown = (first, "pay".to_owned(), 1, ActionState::Unknown);
    assert_eq!(states(true).await, std::slice::from_ref(&unknown));
    assert_eq!(states(false).await, [unknown, (second, "mail".to_owned(), 1, ActionState::Open)]);
    for call in
        [doubt(&pens[0], "pay"), doubt(&pens[0], "mail"), pens[0].finish(Status::Failed), pens[0].start_action("pay")]
    {
        let refused = bed.store.append(call).await.unwrap_err();
        assert!(matches!(refused, StoreError::Misuse { .. }), "{refused:?}");
    }
    bed.write(pens[0].resend_action("pay", 2), &mut pens[0]).await;
    assert_eq!(states(true).await, []);
    bed.write(doubt(&pens[0], "pay"), &mut pens[0]).await;
    bed.write(pens[0].finish_action("pay", 2), &mut pens[0]).await;
    assert_eq!(states(false).await.len(), 1);
    bed.write(pens[0].finish(Status::Completed), &mut pens[0]).await;
    bed.sound().await;
}

pub fn work(id: &str) -> Guard {
    let (step, queue, card) = ("ask".into(), "desk".into(), (*b"{}").into());
    Guard::WorkOpen(OpenWork { id: id.into(), step, queue, card, opened_at: at(3), due_at: Some(at(99)) })
}

pub fn out(id: &str) -> Guard {
    Guard::Outbox(OutMessage { id: id.into(), channel: "hook".into(), body: (*b"{}").into(), at: at(3), due_at: at(3) })
}

/// An answer under the key of that number, as of and until a second.
pub fn kept(key: u8, entry: u64, (from, until): (i64, i64)) -> KeptAnswer {
    KeptAnswer {
        key: Digest::of(&[&[key]]),
        run: RunId::from_bytes([0; 16]),
        entry,
        at: at(from),
        until: at(until),
        value: format!("{{\"entry\":{entry}}}").into_bytes().into(),
    }
}

/// The event after which a row may be kept: nothing was found under its key.
pub fn missed(kept: &KeptAnswer) -> Event {
    let ttl = Span::from_micros(kept.until.micros() - kept.at.micros());
    Event::CacheMissed { part: Part::Workflow, key: kept.key, ttl }
}

pub async fn guards_that_make_no_sense_write_nothing(bed: Bed) {
    let own = bed.join(1, 0).await;
    let (mut pen, mut other) = (bed.owned(1, own, 1).await, bed.owned(2, own, 1).await);
    let ask = |id: &str| Guard::ApprovalOpen(approval::ask(id));
    let closed = |id: &str, state| Guard::ApprovalClosed { approval: id.into(), state };
    let done = |id: &str| Guard::WorkClosed { work: id.into() };
    let reserve = |lines: &[BudgetLine]| Guard::Reserve { step: "pay".into(), lines: lines.to_vec() };
    let line = budget::line;
    let settle = |spent| Guard::Settle { step: "pay".into(), actual: BTreeMap::from([("tokens".into(), spent)]) };
    let known = vec![ask("a1"), work("w1"), out("o1"), reserve(&[line("t", "tokens", 10, 1)])];
    bed.write(pen.append(&[], known), &mut pen).await;
    bed.write(other.append(&[], vec![ask("a2"), work("w2")]), &mut other).await;
    let before = bed.snapshot(pen.run).await;
    let quorum = Guard::ApprovalOpen(OpenApproval { quorum: 0, ..approval::ask("a3") });
    let guards = [
        ("asked again", ask("a1")),
        ("asked with the id of another run's", ask("a2")),
        ("nobody needs to be for it", quorum),
        ("closed as pending", closed("a1", ApprovalState::Pending)),
        ("closed as consumed", closed("a1", ApprovalState::Consumed)),
        ("closed unasked", closed("a9", ApprovalState::Rejected)),
        ("closed by another run", closed("a2", ApprovalState::Rejected)),
        ("work again", work("w1")),
        ("work done that never was", done("w9")),
        ("work done by another run", done("w2")),
        ("sent again", out("o1")),
        ("reserved again", reserve(&[line("t", "calls", 9, 1), line("t", "tokens", 10, 1)])),
        ("reserved twice", reserve(&[line("t", "calls", 9, 1), line("t", "calls", 9, 1)])),
        ("reserved less than nothing", reserve(&[line("t", "calls", 9, -1)])),
        ("reserved too much", reserve(&[line("t", "calls", i64::MAX, AMOUNT_LIMIT + 1)])),
        ("a limit below nothing", reserve(&[line("t", "calls", -1, 0)])),
        ("cost less than nothing", settle(-1)),
        ("counted less than nothing", counter_is(0, Some(add("pay", -1, 1)))),
    ];
    for (what, guard) in guards {
        let refused = bed.store.append(pen.append(&[step_done("a")], vec![out("o2"), guard])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Misuse { .. }), "{what}: {refused:?}");
        assert_eq!(bed.snapshot(pen.run).await, before, "{what}");
    }
    // The message that each of them wanted to send as well was never written.
    bed.write(pen.append(&[], vec![out("o2"), done("w1"), closed("a1", ApprovalState::Rejected)]), &mut pen).await;
    bed.sound().await;
}

pub async fn a_run_that_is_over_leaves_nothing_open(bed: Bed) {
    let own = bed.join(1, 0).await;
    let (mut pen, mut other) = (bed.owned(1, own, 1).await, bed.owned(2, own, 1).await);
    let reserve =
        |step: &str, max| Guard::Reserve { step: step.into(), lines: vec![budget::line("t", "tokens", 100, max)] };
    let open = |name: &str| {
        let ask = Guard::ApprovalOpen(approval::ask(&format!("{name}-1")));
        let also = Guard::ApprovalOpen(approval::ask(&format!("{name}-2")));
        let closed = Guard::ApprovalClosed { approval: format!("{name}-2").into(), state: ApprovalState::Expired };
        vec![reserve("a", 20), reserve("b", 5), ask, also, closed, work(&format!("work-{name}"))]
    };
    bed.write(pen.append(&[], open("one")), &mut pen).await;
    bed.write(other.append(&[], open("two")), &mut other).await;
    bed.write(pen.at(7).finish(Status::Cancelled), &mut pen).await;
    let rows = bed.store.budgets().await.unwrap();
    assert_eq!((rows[0].settled, rows[0].reserved, rows[0].overrun, rows[0].frozen), (25, 25, 0, false));
    let every = store::ApprovalQuery { all_states: true, ..Default::default() };
    let rows = bed.store.approvals(every).await.unwrap();
    let states: Vec<_> = rows.iter().map(|row| (&*row.id, row.state, row.closed_at)).collect();
    assert_eq!(
        states,
        [
            ("one-1", ApprovalState::Cancelled, Some(at(7))),
            ("one-2", ApprovalState::Expired, Some(at(1))),
            ("two-1", ApprovalState::Pending, None),
            ("two-2", ApprovalState::Expired, Some(at(1))),
        ]
    );
    bed.sound().await;
}
