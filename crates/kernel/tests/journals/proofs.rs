//! What a `verify` step and `done_when` write: a claim is proven by the journal or a read, or the run does not complete.

use expect_test::expect;

use crate::drive::{Drive, Outside, check, program};

fn project(done_when: &str, check: &str) -> String {
    format!(
        r#"
        --- workflows/pay.yaml
        workflow: pay
        result: {{ value: {{ paid: "=pay.id", checked: "=proof.verified", evidence: "=proof.evidence" }} }}
        done_when: {done_when}
        stages:
          - stage: only
            steps:
              - step: pay
                act: bank.pay
                with: {{ account: =input.account }}
              - step: proof
                {check}
        --- tools/bank.yaml
        tool: bank
        native: true
        operations:
          pay: {{ effect: idempotent, resource: {{ type: Account, id: =with.account }}, params: schemas/pay.yaml }}
          find: {{ effect: read }}
          undo: {{ effect: idempotent }}
        --- schemas/pay.yaml
        type: object
        required: [ account ]
        properties: {{ account: {{ type: string }} }}
        "#
    )
}

const READ: &str = "verify: { proves: pay, by: bank.find, with: { id: =pay.id }, holds: answer.state == 'paid' }";
const INPUT: &str = r#"{"account": "a1"}"#;

fn journal(project: &str, outside: &str) -> Drive {
    let mut drive = Drive::new(program(project), INPUT, Outside::new(outside));
    drive.run();
    drive
}

#[test]
fn a_read_proves_what_a_step_did_and_the_value_names_the_evidence() {
    check(
        &project(
            "[ { performed: bank.pay, resource: =input.account }, { verified: proof }, { holds: pay.id == 7 } ]",
            READ,
        ),
        INPUT,
        "pay: {\"id\": 7}\nproof: {\"state\": \"paid\"}",
        expect![[r#"
            1   run started: pay
            2   pay: started bank.pay {"account":"a1"}
            3   pay: finished {"id":7}
            4   proof: started bank.find {"id":7}
            5   proof: verified `pay`: answer.state == 'paid'
            6   stage only done
            7   run completed {"checked":true,"evidence":["run_01a1f640bc0077078707070707070707/2","ru…
        "#]],
    );
}

#[test]
fn what_the_read_refutes_fails_the_step_and_the_answer_is_on_record() {
    let drive = journal(&project("[]", READ), "pay: {\"id\": 7}\nproof: {\"state\": \"held\"}");
    expect![[r#"
        1   run started: pay
        2   pay: started bank.pay {"account":"a1"}
        3   pay: finished {"id":7}
        4   proof: started bank.find {"id":7}
        5   proof: action failed, unsupported_claim: `pay` is not proven: `answer.state == 'paid'` does not hold of the answer of `bank.find`
        6   proof: no recovery left
        7   run failed, unsupported_claim: `pay` is not proven: `answer.state == 'paid'` does not hold of the answer of `bank.find`
    "#]]
    .assert_eq(&drive.outline());
    let body = String::from_utf8(drive.entries[4].body.as_deref().unwrap().to_vec()).unwrap();
    expect![[r#"{"attempt":1,"event":"action_finished","proof":{"evidence":[2,4],"holds":"answer.state == 'paid'","proves":"pay","saw":{"answer":{"state":"held"}},"verified":false},"result":{"failed":{"detail":"`pay` is not proven: `answer.state == 'paid'` does not hold of the answer of `bank.find`","kind":"unsupported_claim","phase":"answered"}},"step":"proof"}"#]]
    .assert_eq(&body);
}

#[test]
fn a_proof_that_comes_late_is_read_again() {
    let patient = format!("{READ}\n                on_failure: {{ unsupported_claim: [ {{ retry: 2 }} ] }}");
    check(
        &project("[ { verified: proof } ]", &patient),
        INPUT,
        "pay: {\"id\": 7}\nproof#1: {\"state\": \"held\"}\nproof#2: {\"state\": \"paid\"}",
        expect![[r#"
            1   run started: pay
            2   pay: started bank.pay {"account":"a1"}
            3   pay: finished {"id":7}
            4   proof: started bank.find {"id":7}
            5   proof: action failed, unsupported_claim: `pay` is not proven: `answer.state == 'paid'` does not hold of the answer of `bank.find`
            6   proof: tried again at 2026-11-20T00:00:00.135Z
            7   proof: sent again, attempt 2
            8   proof: verified `pay`: answer.state == 'paid'
            9   stage only done
            10  run completed {"checked":true,"evidence":["run_01a1f640bc0077078707070707070707/2","ru…
        "#]],
    );
}

#[test]
fn a_rule_over_values_needs_nothing_from_outside() {
    let rule = "verify: { proves: pay, holds: pay.id > 0 }";
    check(
        &project("[ { verified: proof } ]", rule),
        INPUT,
        "pay: {\"id\": 7}",
        expect![[r#"
            1   run started: pay
            2   pay: started bank.pay {"account":"a1"}
            3   pay: finished {"id":7}
            4   proof: verified `pay`: pay.id > 0
            5   stage only done
            6   run completed {"checked":true,"evidence":["run_01a1f640bc0077078707070707070707/2"],"p…
        "#]],
    );
    check(
        &project("[ { verified: proof } ]", rule),
        INPUT,
        "pay: {\"id\": 0}",
        expect![[r#"
            1   run started: pay
            2   pay: started bank.pay {"account":"a1"}
            3   pay: finished {"id":0}
            4   proof: failed, unsupported_claim: `pay` is not proven: `pay.id > 0` does not hold
            5   proof: no recovery left
            6   run failed, unsupported_claim: `pay` is not proven: `pay.id > 0` does not hold
        "#]],
    );
}

#[test]
fn a_recovery_cannot_make_a_proof() {
    let rule = "verify: { holds: pay.id > 0 }\n                on_failure: { unsupported_claim: [ { continue_with: { verified: true, evidence: [] } } ] }";
    check(
        &project("[ { verified: proof } ]", rule),
        INPUT,
        "pay: {\"id\": 0}",
        expect![[r#"
            1   run started: pay
            2   pay: started bank.pay {"account":"a1"}
            3   pay: finished {"id":0}
            4   proof: failed, unsupported_claim: `pay.id > 0` does not hold
            5   proof: continued with {"evidence":[],"verified":true}
            6   stage only done
            7   run failed, unsupported_claim: done_when 1 wants `proof` verified: it is not
        "#]],
    );
}

#[test]
fn a_missing_fact_is_named() {
    let rule = "verify: { holds: true }";
    let twice = "[ { performed: bank.pay, at_least: 2 } ]";
    let other = "[ { performed: bank.pay, resource: a2 } ]";
    let never = "[ { not_performed: bank.pay } ]";
    let value = "[ { holds: pay.id > 9 } ]";
    let guarded = "[ { performed: bank.pay, at_least: 9, when: pay.id > 9 } ]";
    let mut ends = String::new();
    for demand in [twice, other, never, value, guarded] {
        let drive = journal(&project(demand, rule), "pay: {\"id\": 7}");
        ends.push_str(drive.outline().lines().last().unwrap());
        ends.push('\n');
    }
    expect![[r#"
        6   run failed, unsupported_claim: done_when 1 wants `bank.pay` performed at least 2 times: the journal proves 1
        6   run failed, unsupported_claim: done_when 1 wants `bank.pay` performed on `a2`: the journal proves 0
        6   run failed, unsupported_claim: done_when 1 wants `bank.pay` not performed: the journal holds 1
        6   run failed, contract_violated: done_when 1: `pay.id > 9` does not hold
        6   run completed {"checked":true,"evidence":[],"paid":7}
    "#]]
    .assert_eq(&ends);
}

#[test]
fn what_may_have_been_performed_is_neither_performed_nor_not() {
    let text = |demand: &str| {
        project(demand, "set: { verified: false, evidence: [] }")
            .replace("effect: idempotent, resource", "effect: at_most_once, resource")
            .replace("with: { account: =input.account }", "with: { account: =input.account }\n                on_failure: { unknown_outcome: [ { stage: after } ] }")
            .replace("        --- tools/", "          - stage: after\n            steps: [ { step: end, set: 1 } ]\n        --- tools/")
            .replace("{ paid: \"=pay.id\", checked: \"=proof.verified\", evidence: \"=proof.evidence\" }", "=end")
            + "--- policies/allow/all.cedar\n        @id(\"all\") permit (principal, action, resource);\n"
    };
    let mut ends = String::new();
    for demand in ["[ { performed: bank.pay } ]", "[ { not_performed: bank.pay } ]"] {
        let outside = "pay: !tool_timeout maybe_sent\n> resolve - {\"step\": \"pay\", \"resolution\": \"given_up\", \"reason\": \"nobody knows\", \"auth\": \"local\"}";
        let mut drive = Drive::governed(&text(demand), "", INPUT, Outside::new(outside));
        drive.run();
        ends.push_str(drive.outline().lines().last().unwrap());
        ends.push('\n');
    }
    expect![[r#"
        9   run failed, unsupported_claim: done_when 1 wants `bank.pay` performed: the journal proves 0, and 1 more in doubt
        9   run failed, unsupported_claim: done_when 1 wants `bank.pay` not performed: the journal holds 0, and 1 in doubt
    "#]]
    .assert_eq(&ends);
}

#[test]
fn a_run_that_crashes_anywhere_proves_the_same() {
    let text = project("[ { performed: bank.pay }, { verified: proof } ]", READ);
    let outside = "pay: {\"id\": 7}\nproof: {\"state\": \"paid\"}";
    let whole = journal(&text, outside);
    for cut in 1..whole.entries.len() {
        let mut resumed = whole.resumed(&whole.entries[..cut]);
        resumed.run();
        let outline = resumed.outline();
        assert!(outline.contains(r#"run completed {"checked":true"#), "crashed after entry {cut}\n{outline}");
        // Wherever it was sent again, the ids name acts of this journal.
        let ledger = resumed.audited();
        assert_eq!(ledger.acts.len(), 2, "{outline}");
        assert_eq!(ledger.acts[0].proofs.len(), 1, "{outline}");
        let printed = String::from_utf8(resumed.entries.last().unwrap().body.as_deref().unwrap().to_vec()).unwrap();
        assert!(ledger.acts.iter().all(|act| printed.contains(&format!("\"{}\"", act.id))), "{printed}");
    }
}
