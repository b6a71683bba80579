//! The ledger, and the audit of journals that verify as a chain, fold, and cannot have happened.

use expect_test::expect;
use kernel::{
    evidence::{Audit, lines},
    governance::approval::By,
    ids::{Digest, IdempotencyKey},
    journal::{Entry, Event, Head, Held, StepResult},
    run::RunState,
    values::{Span, Value},
};

use crate::{
    approvals::PAY,
    drive::{Drive, Outside},
};

fn pay(cents: u32, outside: &str) -> Drive {
    let input = format!(r#"{{"account": "a1", "cents": {cents}, "agent": "tom"}}"#);
    let mut drive = Drive::governed(PAY, "tom", &input, Outside::new(outside));
    drive.run();
    drive
}

fn printed(drive: &Drive) -> String {
    let ledger = drive.audited();
    let acts = ledger.acts.iter().map(|act| lines(act, &ledger.actor, &|_| None).join("\n"));
    format!("{}\n", acts.collect::<Vec<_>>().join("\n"))
}

#[test]
fn an_approved_act_says_who_allowed_it_who_approved_and_what_proves_it() {
    let drive = pay(6000, "pay: {\"id\": 41}\n> vote sue approve");
    expect![[r#"
        succeeded bank.pay
            id         run_01a1f640bc0077078707070707070707/2
            who        step pay of pay, started by tom, acts for tom
            on         Account a1
            what       at_most_once, arguments sha256:48e94d55ab83
            allowed    by people, as bank.review asks, policies c4d7a51a4575, generation 2
                       bank.review (policies/ask/bank.cedar:1): history.paid = 0, input.cents = 6000
            asked      desk, until 2026-11-20T04:00:00.000Z (apr_1b2817164ca3965e)
                       sue approved at 2026-11-20T00:00:00.000Z, entry 3
            approved   by sue, action e839bcc97f18
            sent       once under sf_5993e4d8915c746ced09ffbd824b2df2d170110d
            gave       sha256:69d1fbd2080d, known outside as 41
            entries    2
                       3
                       4
                       5
    "#]]
    .assert_eq(&printed(&drive));
}

#[test]
fn a_denied_act_and_one_that_was_changed_into_another() {
    let drive = pay(250_000, "");
    expect![[r#"
        denied bank.pay
            id         run_01a1f640bc0077078707070707070707/2
            who        step pay of pay, started by tom, acts for tom
            on         Account a1
            what       at_most_once, arguments sha256:f3ea8a318cc3
            denied     by bank.cap, policies c4d7a51a4575, generation 2
                       bank.cap (policies/never/bank.cedar:1): input.cents = 250000
                       Nobody pays more than 2000 at once
            entries    2
    "#]]
    .assert_eq(&printed(&drive));
    let drive = pay(6000, r#"> vote sue edit {"cents": 4000}"#);
    expect![[r#"
        superseded bank.pay
            id         run_01a1f640bc0077078707070707070707/2
            who        step pay of pay, started by tom, acts for tom
            on         Account a1
            what       at_most_once, arguments sha256:48e94d55ab83
            asks       by bank.review, policies c4d7a51a4575, generation 2
                       bank.review (policies/ask/bank.cedar:1): history.paid = 0, input.cents = 6000
            asked      desk, until 2026-11-20T04:00:00.000Z (apr_1b2817164ca3965e)
                       sue edited at 2026-11-20T00:00:00.000Z, entry 3
            entries    2
                       3
                       4
        succeeded bank.pay
            id         run_01a1f640bc0077078707070707070707/5
            who        step pay of pay, started by tom, acts for tom
            on         Account a1
            what       at_most_once, arguments sha256:d5733be1c039
            allowed    by bank.pay, policies c4d7a51a4575, generation 2
                       bank.pay (policies/allow/bank.cedar:1)
            sent       once under sf_5993e4d8915c746ced09ffbd824b2df2d170110d
            gave       sha256:4062edaf750f
            entries    5
                       6
    "#]]
    .assert_eq(&printed(&drive));
}

#[test]
fn a_person_s_word_is_told_as_such() {
    let word = r#"> resolve - {"step": "pay", "resolution": "performed", "output": {}, "external_id": "T-9", "reason": "on the statement", "auth": "local"}"#;
    let drive = pay(3000, &format!("pay: !tool_timeout maybe_sent\n{word}"));
    expect![[r#"
        resolved_performed bank.pay
            id         run_01a1f640bc0077078707070707070707/2
            who        step pay of pay, started by tom, acts for tom
            on         Account a1
            what       at_most_once, arguments sha256:0b35f22128c4
            allowed    by bank.pay, policies c4d7a51a4575, generation 2
                       bank.pay (policies/allow/bank.cedar:1)
            sent       once under sf_5993e4d8915c746ced09ffbd824b2df2d170110d
            gave       sha256:44136fa355b3, known outside as T-9
            resolved   by ann (local): on the statement, entry 4
            entries    2
                       3
                       4
                       5
            uncertain  that it was performed is a person's word, not the tool's
    "#]]
    .assert_eq(&printed(&drive));
    let drive = pay(3000, "pay: !tool_timeout maybe_sent");
    let act = &drive.audited().acts[0];
    assert_eq!(kernel::evidence::uncertain(act), ["whether it was performed is not known"]);
}

/// The journal with other events: sealed anew, so that the chain holds, and folded, so that only the audit can complain.
fn forged(drive: &Drive, change: impl FnOnce(&mut Vec<(i64, Event)>)) -> String {
    let mut events: Vec<(i64, Event)> =
        drive.entries.iter().zip(&drive.events).map(|(entry, event)| (entry.at.micros(), event.clone())).collect();
    change(&mut events);
    let (mut head, mut state, mut audit) = (Head::START, RunState::new(drive.state.run), Audit::new(drive.state.run));
    for (micros, event) in events {
        let at = kernel::values::Timestamp::from_micros(micros);
        let entry = Entry::seal(drive.state.run, head, 2, at, [1; 16], &event);
        head = entry.head();
        state.fold([&entry]).unwrap_or_else(|why| panic!("the fold finds it already: {why}"));
        if let Err(found) = audit.add(entry.seq, at, &event) {
            return format!("{found}\n");
        }
    }
    "nothing found\n".to_owned()
}

fn started(events: &mut [(i64, Event)]) -> &mut Event {
    let found = events.iter_mut().find(|(_, event)| matches!(event, Event::ActionStarted { .. }));
    &mut found.expect("an action started").1
}

fn vote(events: &mut [(i64, Event)]) -> &mut kernel::governance::approval::Vote {
    let found = events.iter_mut().find_map(|(_, event)| match event {
        Event::VoteReceived { vote, .. } => Some(vote),
        _ => None,
    });
    found.expect("a vote")
}

#[test]
fn an_approval_that_nobody_gave_is_found() {
    let drive = pay(6000, "> vote sue approve");
    let mut found = forged(&drive, |_| {});
    found += &forged(&drive, |events| drop(events.remove(2)));
    found += &forged(&drive, |events| vote(events).by = By::Person("tom".into()));
    found += &forged(&drive, |events| vote(events).by = By::Model("small".into()));
    found += &forged(&drive, |events| vote(events).shown = Digest::ZERO);
    found += &forged(&drive, |events| vote(events).groups.clear());
    let late = Span::from_millis(5 * 3_600_000).micros();
    found += &forged(&drive, |events| events[3..].iter_mut().for_each(|(at, _)| *at += late));
    found += &forged(&drive, |events| {
        if let Event::ActionStarted { proposal, .. } = started(events) {
            proposal.with = Held::Value(Value::map([("account", Value::from("a9")), ("cents", 6000.into())]));
        }
    });
    found += &forged(&drive, |events| {
        if let Event::ActionStarted { grounds: Some(grounds), .. } = started(events) {
            grounds.approval.as_mut().unwrap().by = vec!["eva".into()];
        }
    });
    found += &forged(&drive, |events| {
        if let Event::ActionStarted { grounds: Some(grounds), .. } = started(events) {
            grounds.approval.as_mut().unwrap().hash = Digest::ZERO;
        }
    });
    found += &forged(&drive, |events| {
        if let Event::ActionStarted { key, step, .. } = started(events) {
            *key = IdempotencyKey::derive(drive.state.run, step, 1);
        }
    });
    found += &forged(&drive, |events| {
        if let Event::VoteReceived { approval, .. } = &mut events[2].1 {
            *approval = "apr_0".into();
        }
    });
    let found: Vec<String> = found.lines().map(|line| line.replace(&drive_approval(&drive), "apr_…")).collect();
    expect![[r#"
        nothing found
        entry 3: the approval apr_… asks desk, and the votes before the start (0) are no yes of people who may decide
        entry 4: the approval apr_… asks desk, and the votes before the start (1) are no yes of people who may decide
        entry 4: the approval apr_… asks desk, and the votes before the start (1) are no yes of people who may decide
        entry 4: the approval apr_… asks desk, and the votes before the start (1) are no yes of people who may decide; `sue` was shown another card
        entry 4: the approval apr_… asks desk, and the votes before the start (1) are no yes of people who may decide
        entry 4: the approval apr_… had run out
        entry 4: the approval apr_… was asked for another action
        entry 4: the approval apr_… was given by sue, and the action names eva
        entry 4: the approval apr_… is for e839bcc97f18, and the action names 000000000000
        entry 4: the key sf_e6177fce577ae43035ceb6184ebc9566ef8822b7 is not that of `pay` in this run
        entry 3: it speaks of an action or an approval that no entry before it began
    "#]]
    .assert_eq(&format!("{}\n", found.join("\n")));
}

fn drive_approval(drive: &Drive) -> String {
    let found = drive.events.iter().find_map(|event| match event {
        Event::ApprovalRequested { approval, .. } => Some(approval.to_string()),
        _ => None,
    });
    found.expect("an approval")
}

#[test]
fn an_outcome_that_nobody_saw_is_found() {
    let word = r#"> resolve - {"step": "pay", "resolution": "performed", "output": {}, "reason": "on the statement", "auth": "local"}"#;
    let drive = pay(3000, &format!("pay: !tool_timeout maybe_sent\n{word}"));
    let mut found = forged(&drive, |_| {});
    // Finished without the person's word.
    found += &forged(&drive, |events| drop(events.remove(3)));
    // The person said otherwise.
    found += &forged(&drive, |events| {
        if let Event::EffectResolved { resolution, .. } = &mut events[3].1 {
            *resolution = kernel::journal::Resolution::NotPerformed;
        }
    });
    // Sent again after a crash, as if it were a read.
    let again = Event::ActionResent { step: "pay".into(), attempt: 2, generation: None, reserved: None };
    let mut first = true;
    found += &forged(&drive, |events| {
        events[2].1 = Event::ActionFinished {
            step: "pay".into(),
            attempt: 1,
            result: StepResult::Failed(kernel::recovery::Failure {
                kind: kernel::recovery::FailureKind::ToolTimeout,
                phase: kernel::recovery::Phase::MaybeSent,
                detail: "cut".into(),
                retry_after: None,
            }),
            raw: None,
            proof: None,
            undo: None,
            spent: None,
        };
        let retry = kernel::recovery::Response::Retry { at: kernel::values::Timestamp::from_micros(events[2].0) };
        events[3].1 = Event::FailureAnswered { step: "pay".into(), response: retry };
        events[4].1 = again;
        first = false;
    });
    assert!(!first);
    expect![[r#"
        nothing found
        entry 4: `bank.pay` was unknown, and nobody said what became of it
        entry 5: `bank.pay` was resolved_not_performed, and nobody said what became of it
        entry 5: `bank.pay` is `at_most_once` and was sent again although its last sending may have been performed
    "#]]
    .assert_eq(&found);
}
