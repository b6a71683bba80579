//! Rate limits: a place before each sending, and a wait with a name where there is none. Which secrets an
//! approval binds.

use std::sync::Arc;

use expect_test::expect;
use kernel::{ids::Digest, values::Span};

use crate::drive::{Drive, Outside, project};

const PACED: &str = r#"
    --- workflows/send.yaml
    workflow: send
    stages:
      - stage: only
        steps:
          - { step: send, act: box.put, with: { text: =input.text } }
          - { step: look, act: box.get }
    --- tools/box.yaml
    tool: box
    native: true
    rate: { limit: 60, per: 1m, burst: 10 }
    operations:
      put: { effect: idempotent, rate: { limit: 1, per: 10s } }
      get: { effect: read }
    --- policies/allow/all.cedar
    @id("all") permit (principal, action, resource);
"#;

#[test]
fn each_sending_takes_a_place_and_an_operation_with_a_limit_of_its_own_takes_none_of_the_tools() {
    let outside = Outside::new("send#1: !tool_timeout maybe_sent\nsend#2: {}\nlook: {}");
    let mut drive = Drive::governed(PACED, "", r#"{"text": "a"}"#, outside);
    drive.run();
    assert!(drive.outline().contains("run completed"), "{}", drive.outline());
    assert_eq!(drive.asked_places, ["test/tool:box.put Given", "test/tool:box.put Given", "test/tool:box Given"]);
}

#[test]
fn without_a_place_nothing_is_announced_and_the_run_says_what_it_waits_for() {
    let mut drive = Drive::governed(PACED, "", r#"{"text": "a"}"#, Outside::default());
    drive.no_place_before = drive.now + Span::from_millis(3_000);
    let facts_now = drive.now;
    drive.run();
    let at = drive.entries[1].at;
    assert_eq!(at, facts_now + Span::from_millis(3_000), "{}", drive.outline());
    assert_eq!(drive.asked_places.len(), 3, "{:?}", drive.asked_places);
    assert_eq!(drive.slept[0], "a place in the rate limit of tool:box.put (1 in 10s) at `send`");
    let printed = drive.outline();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"a"}
        3   send: finished {"ok":true}
        4   look: started box.get {}
        5   look: finished {"ok":true}
        6   stage only done
        7   run completed null
    "#]]
    .assert_eq(&printed);
}

#[test]
fn a_run_that_is_cancelled_while_an_open_action_has_no_place_still_learns_its_outcome() {
    let mut drive = Drive::governed(PACED, "", r#"{"text": "a"}"#, Outside::default());
    drive.die_after = Some(2);
    drive.run();
    let mut next = drive.resumed(&drive.entries);
    next.outside = Outside::new("> cancel -");
    next.no_place_before = next.now + Span::from_millis(3_000);
    next.run();
    expect![[r#"
        1   run started: send
        2   send: started box.put {"text":"a"}
        3   cancel asked by ann
        4   send: sent again, attempt 2
        5   send: finished {"ok":true}
        6   run cancelled
    "#]]
    .assert_eq(&next.outline());
    assert_eq!(next.entries[3].at, next.no_place_before);
}

fn with_secret(reference: &str) -> String {
    format!(
        r#"
        --- workflows/pay.yaml
        workflow: pay
        stages: [ {{ stage: only, steps: [ {{ step: pay, act: bank.pay, with: {{ cents: 5 }} }} ] }} ]
        --- tools/bank.yaml
        tool: bank
        http: {{ base_url: "http://127.0.0.1:1", headers: {{ Authorization: Bearer {reference} }} }}
        operations: {{ pay: {{ effect: idempotent, key: {{ header: Idempotency-Key }}, method: POST, path: /pay }} }}
        --- people.yaml
        groups: {{ desk: {{}} }}
        people: {{ sue: {{ name: Sue, groups: [ desk ] }} }}
        --- policies/allow/all.cedar
        @id("all") permit (principal, action, resource);
        --- policies/ask/all.cedar
        @id("ask") @approve_by("desk") forbid (principal, action, resource);
        "#
    )
}

fn bound(reference: &str) -> Digest {
    let mut drive = Drive::governed(&with_secret(reference), "", "{}", Outside::default());
    // The bundle pins the tool file, too: what is compared here is the reference alone.
    Arc::get_mut(&mut drive.program).unwrap().bundle = Digest::ZERO;
    drive.run();
    drive.state.approving(&"pay".into()).unwrap().terms.hash
}

#[test]
fn an_approval_binds_the_version_of_a_secret_as_it_is_written_and_never_the_secret() {
    let hashes = ["secret://bank", "secret://bank@1", "secret://bank@2", "secret://other@1"].map(bound);
    for (nth, hash) in hashes.iter().enumerate() {
        assert!(hashes.iter().skip(nth + 1).all(|other| other != hash), "{nth}");
    }
    assert_eq!(bound("secret://bank@1"), hashes[1]);
    let tools = project(&with_secret("secret://bank@2")).tools;
    assert_eq!(tools["bank"].secrets(), [("bank".into(), "2".into())].into());
}

#[test]
fn a_changed_reference_takes_an_open_approval_away() {
    let mut drive = Drive::governed(&with_secret("secret://bank@1"), "", "{}", Outside::default());
    drive.run();
    let asked = drive.outline();
    let mut changed = project(&with_secret("secret://bank@2")).workflows["pay"].clone();
    Arc::get_mut(&mut changed).unwrap().bundle = drive.program.bundle;
    let mut next = drive.resumed(&drive.entries);
    next.program = changed;
    next.outside = Outside::new("> vote sue approve");
    next.run();
    let rest = next.outline().split_off(asked.len());
    assert!(rest.contains("sue") && !rest.contains("started"), "{rest}");
    assert!(rest.contains("asks") || rest.contains("asked"), "{rest}");
}
