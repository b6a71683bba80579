//! An action that a policy puts before people: asked, decided, judged again, used up once.

use expect_test::expect;
use kernel::{
    journal::Held,
    next::Counted,
    run::Doing,
    values::{Span, Value},
};

use crate::drive::{Drive, Outside, enact};

pub const PAY: &str = r#"
        --- workflows/pay.yaml
        workflow: pay
        input: schemas/input.yaml
        acts_for: =input.agent
        stages:
          - stage: only
            steps:
              - step: pay
                act: bank.pay
                with: { account: =input.account, cents: =input.cents }
            on_failure:
              approval_rejected: [ { continue_with: { no: rejected } } ]
              permission_denied: [ { continue_with: { no: denied } } ]
        --- schemas/input.yaml
        type: object
        required: [ account, cents, agent ]
        properties:
          account: { type: string, x-labels: [ trusted ] }
          cents: { type: integer, x-labels: [ trusted ] }
          agent: { type: string }
        --- schemas/pay.yaml
        type: object
        required: [ account, cents ]
        properties: { account: { type: string }, cents: { type: integer } }
        --- tools/bank.yaml
        tool: bank
        native: true
        operations:
          pay:
            effect: at_most_once
            params: schemas/pay.yaml
            resource: { type: Account, id: =with.account }
            groups: [ Money ]
            counts: { paid: { by: =with.account, sum: =with.cents, window: 90d } }
            says: "Pay {{ with.cents }} cents to {{ with.account }}"
        --- people.yaml
        groups: { desk: { escalate_to: managers }, managers: {} }
        people:
          tom: { name: Tom, groups: [ desk ] }
          sue: { name: Sue, groups: [ desk ] }
          ann: { name: Ann, groups: [ desk, managers ] }
          eva: { name: Eva, groups: [ managers ], absences: [ { from: 2026-11-20, until: 2026-11-21 } ] }
        --- policies/allow/bank.cedar
        @id("bank.pay")
        permit (principal, action == Action::"bank.pay", resource);
        --- policies/never/bank.cedar
        @id("bank.cap") @reason("Nobody pays more than 2000 at once")
        forbid (principal, action == Action::"bank.pay", resource) when { context.input.cents > 200000 };
        --- policies/ask/bank.cedar
        @id("bank.review") @reason("More than 50 needs a second look")
        @approve_by("desk") @expires("4h") @editable("cents") @no_self("true")
        forbid (principal, action == Action::"bank.pay", resource)
        when { context.input.cents > 5000 || context.history.paid + context.input.cents > 50000 };
        @id("bank.manager") @approve_by("managers") @no_self("true")
        forbid (principal, action == Action::"bank.pay", resource) when { context.input.cents > 50000 };
"#;

fn pay(cents: u32, outside: &str) -> Drive {
    let input = format!(r#"{{"account": "a1", "cents": {cents}, "agent": "tom"}}"#);
    Drive::governed(PAY, "tom", &input, Outside::new(outside))
}

/// The journal without the ids that hashes give.
fn printed(drive: &Drive) -> String {
    let mut out = String::new();
    for line in drive.outline().lines() {
        let end = line.find(" (apr_").unwrap_or(line.len());
        out.push_str(&line[..end]);
        out.push('\n');
    }
    for why in &drive.refused {
        out.push_str(&format!("refused: {why}\n"));
    }
    out
}

#[test]
fn small_sums_are_paid_and_large_ones_never() {
    let mut drive = pay(3000, "");
    expect![[r#"
        1   run started: pay
        2   pay: started bank.pay {"account":"a1","cents":3000}
        3   pay: finished {"ok":true}
        4   stage only done
        5   run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
    let mut drive = pay(250_000, "");
    expect![[r#"
        1   run started: pay
        2   pay: bank.pay denied by bank.cap: Nobody pays more than 2000 at once
        3   pay: continued with {"no":"denied"}
        4   stage only done
        5   run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
    assert!(drive.calls.is_empty());
}

#[test]
fn who_asks_does_not_decide_and_a_colleague_does() {
    let mut drive = pay(6000, "> vote tom approve\n> vote nobody approve\n> vote sue approve");
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: sue approved
        4   pay: started bank.pay {"account":"a1","cents":6000}
        5   pay: finished {"ok":true}
        6   stage only done
        7   run completed null
        refused: `tom` asked for this action, and who asks does not decide
        refused: `nobody` is not in people.yaml, so this decision does not count
    "#]]
    .assert_eq(&printed(drive.run()));
    assert_eq!(drive.calls.len(), 1);
}

#[test]
fn two_rules_that_ask_are_both_satisfied() {
    let mut drive = pay(62_000, "> vote sue approve\n> vote eva approve\n> vote ann approve");
    expect![[r#"
        1   run started: pay
        2   pay: asks desk, and managers by bank.review to approve bank.pay {"account":"a1","cents":62000}
        3   pay: sue approved
        4   pay: ann approved
        5   pay: started bank.pay {"account":"a1","cents":62000}
        6   pay: finished {"ok":true}
        7   stage only done
        8   run completed null
        refused: `eva` is away until 2026-11-21, and nobody stands in
    "#]]
    .assert_eq(&printed(drive.run()));
}

#[test]
fn a_no_ends_it_whatever_others_said() {
    let mut drive = pay(62_000, "> vote sue approve\n> vote ann reject too much for one month");
    expect![[r#"
        1   run started: pay
        2   pay: asks desk, and managers by bank.review to approve bank.pay {"account":"a1","cents":62000}
        3   pay: sue approved
        4   pay: ann rejected
        5   pay: approval_rejected: ann said no: too much for one month
        6   pay: continued with {"no":"rejected"}
        7   stage only done
        8   run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
    assert!(drive.calls.is_empty());
}

#[test]
fn an_edit_is_a_new_action_that_goes_through_every_rule_again() {
    // What Sue makes of it needs nobody any more: the sum is small.
    let mut drive = pay(6000, r#"> vote sue edit {"cents": 4000}"#);
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: sue edited
        4   pay: sue changed it to {"account":"a1","cents":4000}
        5   pay: started bank.pay {"account":"a1","cents":4000}
        6   pay: finished {"ok":true}
        7   stage only done
        8   run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
    // What she makes of it is denied.
    let mut drive = pay(6000, r#"> vote sue edit {"cents": 300000}"#);
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: sue edited
        4   pay: sue changed it to {"account":"a1","cents":300000}
        5   pay: bank.pay denied by bank.cap: Nobody pays more than 2000 at once
        6   pay: continued with {"no":"denied"}
        7   stage only done
        8   run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
    // What she makes of it is asked again, and she is a requester now.
    let mut drive = pay(
        6000,
        "> vote sue edit {\"account\": \"mine\"}\n> vote sue edit {\"cents\": 7000}\n> vote sue approve\n> vote ann approve",
    );
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: sue edited
        4   pay: sue changed it to {"account":"a1","cents":7000}
        5   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":7000}
        6   pay: ann approved
        7   pay: started bank.pay {"account":"a1","cents":7000}
        8   pay: finished {"ok":true}
        9   stage only done
        10  run completed null
        refused: `account` cannot be changed here; what can be changed: `cents`
        refused: `sue` asked for this action, and who asks does not decide
    "#]]
    .assert_eq(&printed(drive.run()));
}

#[test]
fn time_that_runs_out_never_means_yes() {
    let mut drive = pay(6000, "");
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: approval_expired: nobody of desk decided in time
        4   pay: no recovery left
        5   run failed, approval_expired: nobody of desk decided in time
    "#]]
    .assert_eq(&printed(drive.run()));
    assert!(drive.calls.is_empty());
}

#[test]
fn a_rule_of_today_denies_what_was_approved_yesterday() {
    let mut drive = pay(6000, "");
    drive.die_after = Some(2);
    drive.run();
    drive.die_after = None;
    drive.outside = Outside::new("> vote sue approve");
    let stricter = PAY.replace("context.input.cents > 200000", "context.input.cents > 2000");
    let mut after = drive.resumed(&drive.entries);
    after.outside = drive.outside.clone();
    enact(&mut after.charter, &stricter);
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: sue approved
        4   pay: what was decided no longer fits; it is judged anew
        5   pay: bank.pay denied by bank.cap: Nobody pays more than 2000 at once
        6   pay: continued with {"no":"denied"}
        7   stage only done
        8   run completed null
    "#]]
    .assert_eq(&printed(after.run()));
    assert!(after.calls.is_empty());
}

#[test]
fn a_rule_of_today_that_wants_more_people_asks_again() {
    let mut drive = pay(6000, "");
    drive.die_after = Some(2);
    drive.run();
    let stricter = PAY.replace(r#"@approve_by("desk") @expires"#, r#"@approve_by("desk") @quorum("2") @expires"#);
    let mut after = drive.resumed(&drive.entries);
    after.outside = Outside::new("> vote sue approve\n> vote sue approve\n> vote ann approve");
    enact(&mut after.charter, &stricter);
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: sue approved
        4   pay: what was decided no longer fits; it is judged anew
        5   pay: asks desk, 2 people by bank.review to approve bank.pay {"account":"a1","cents":6000}
        6   pay: sue approved
        7   pay: ann approved
        8   pay: started bank.pay {"account":"a1","cents":6000}
        9   pay: finished {"ok":true}
        10  stage only done
        11  run completed null
    "#]]
    .assert_eq(&printed(after.run()));
}

#[test]
fn counters_of_other_runs_are_part_of_the_verdict() {
    let mut drive = pay(3000, "> vote sue approve");
    drive.counters.insert("main/bank.pay/paid/a1".into(), Counted { version: 9, count: 4, sum: 48_000 });
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":3000}
        3   pay: sue approved
        4   pay: started bank.pay {"account":"a1","cents":3000}
        5   pay: finished {"ok":true}
        6   stage only done
        7   run completed null
    "#]]
    .assert_eq(&printed(drive.run()));
    let grounds = drive.events.iter().find_map(|event| match event {
        kernel::journal::Event::ActionStarted { grounds, .. } => grounds.clone(),
        _ => None,
    });
    let grounds = grounds.expect("an intent");
    assert_eq!((grounds.counted[0].version, grounds.counted[0].amount), (9, 3000));
    assert_eq!(grounds.history, Value::map([("paid", Value::Int(48_000))]));
}

#[test]
fn nothing_begins_while_it_is_held() {
    use kernel::governance::charter::Change;

    let mut drive = pay(3000, "");
    let hold = Change::Hold { scope: "tool:bank".into(), reason: "wrong account numbers".into() };
    let generation = drive.charter.generation + 1;
    drive.charter.apply(generation, &hold, (&"ann".into(), drive.now), None).unwrap();
    expect![[r#"
        1   run started: pay
    "#]]
    .assert_eq(&printed(drive.run()));
    assert!(drive.calls.is_empty());
    let release = Change::Release { scope: "tool:bank".into(), reason: "".into() };
    drive.charter.apply(generation + 1, &release, (&"ann".into(), drive.now), None).unwrap();
    assert!(printed(drive.run()).contains("run completed"));
}

#[test]
fn an_approval_covers_the_arguments_that_were_shown_and_no_others() {
    let mut drive = pay(6000, "");
    drive.die_after = Some(2);
    drive.run();
    let mut after = drive.resumed(&drive.entries);
    after.outside = Outside::new("> vote sue approve");
    let open = after.state.stages.last_mut().unwrap().steps.open.as_mut().unwrap();
    let Doing::Approving(approving) = &mut open.doing else { panic!("{open:?}") };
    let changed = Value::map([("account", "a1".into()), ("cents", Value::Int(6001))]);
    approving.action.as_mut().unwrap().0.with = Held::Value(changed);
    after.now = after.now + Span::from_millis(1);
    expect![[r#"
        1   run started: pay
        2   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        3   pay: sue approved
        4   pay: what was decided no longer fits; it is judged anew
        5   pay: asks desk by bank.review to approve bank.pay {"account":"a1","cents":6000}
        6   pay: approval_expired: nobody of desk decided in time
        7   pay: no recovery left
        8   run failed, approval_expired: nobody of desk decided in time
    "#]]
    .assert_eq(&printed(after.run()));
    assert!(after.calls.is_empty(), "{:?}", after.calls);
}
