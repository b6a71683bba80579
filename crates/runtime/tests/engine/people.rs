//! Questions to people and work for them: who may, who has it, and what reaches the run.

use std::sync::Arc;

use expect_test::expect;
use kernel::{
    governance::approval::Decision,
    ids::{RunId, StepPath},
    next::Starter,
    recovery::{FailureKind, Phase},
    values::{Span, Value},
};
use runtime::{
    RunError, Runtime, Start,
    govern::{Asker, Decide, Outcome},
    work::WorkDone,
};
use store::{ApprovalQuery, ApprovalState, Status, WorkQuery, WorkRow};

use crate::world::{Life, Outside, World, failure, json};

const PEOPLE: &str = "groups: { desk: {}, leads: {} }
people:
  sue: { name: Sue, groups: [ desk ] }
  tom: { name: Tom, groups: [ desk ] }
  eva: { name: Eva, groups: [ desk ], absences: [ { from: 2030-01-01, until: 2030-01-02 } ] }
  ann: { name: Ann, groups: [ leads ] }
";

const HAND: &str = r#"
    --- workflows/hand.yaml
    workflow: hand
    result: { value: =call }
    stages:
      - stage: only
        steps:
          - step: call
            handoff:
              to: { person: desk }
              task: "Call {{ input.phone }}"
              with: { phone: =input.phone }
              contract: schemas/called.yaml
              timeout: 2d
    --- schemas/called.yaml
    type: object
    required: [ reached ]
    properties: { reached: { type: boolean } }
"#;

fn with_people(text: &str) -> String {
    let people: String = PEOPLE.lines().map(|line| format!("    {line}\n")).collect();
    format!("{text}    --- people.yaml\n{people}")
}

fn asker(by: &str) -> Asker {
    Asker { by: by.into(), auth: "local".into() }
}

async fn enact(runtime: &Runtime, people: &str) {
    runtime.enact(&"test".into(), None, Some(people), &asker("program")).await.unwrap();
}

async fn begun(world: &World, input: &str) -> (Life, RunId) {
    let life = world.boot().await;
    enact(&life.runtime, PEOPLE).await;
    let starter = Starter { project: "test".into(), by: Some("tom".into()) };
    let run = life.start(Start { starter, ..world.start(input) }).await.run;
    world.settled(run).await;
    (life, run)
}

async fn handed() -> (World, Life, RunId, WorkRow) {
    let world = World::new(&with_people(HAND), Outside::echo());
    let (life, run) = begun(&world, r#"{"phone": "555"}"#).await;
    let row = only(&life.runtime).await;
    (world, life, run, row)
}

async fn only(runtime: &Runtime) -> WorkRow {
    let rows = runtime.work(WorkQuery { all_states: true, ..WorkQuery::default() }).await.unwrap();
    let [row] = <[WorkRow; 1]>::try_from(rows).unwrap();
    row
}

fn why<T: std::fmt::Debug>(refused: Result<T, RunError>) -> String {
    refused.unwrap_err().to_string()
}

/// The journal without ids.
async fn outline(world: &World, run: RunId) -> String {
    let text = world.outline(run).await;
    let lines = text.lines().map(|line| line.split(" (wrk_").next().unwrap_or_default());
    lines.map(|line| format!("{}\n", line.split(" (apr_").next().unwrap_or_default())).collect()
}

#[tokio::test]
async fn work_waits_without_a_worker_until_a_person_answers() {
    let (world, life, run, row) = handed().await;
    let state = world.row(run).await;
    assert_eq!((state.status, state.owner), (Status::Waiting, None));
    assert!(state.waits_for.as_deref().unwrap().starts_with("desk to do: Call 555 (wrk_"), "{:?}", state.waits_for);
    let done = life.runtime.answer_work(&row.id, json(r#"{"reached": true}"#), &asker("sue")).await.unwrap();
    assert_eq!(done, WorkDone { run, new: true });
    assert_eq!(world.settled(run).await.status, Status::Completed);
    let row = only(&life.runtime).await;
    assert_eq!((row.claimed_by.as_deref(), row.closed_at.is_some()), (Some("sue"), true));
    expect![[r#"
        1   run started: hand
        2   call: handed to desk until 2030-01-03T00:00:00.000Z
        3   call: sue answered {"reached":true}
        4   call: done by sue {"reached":true}
        5   stage only done
        6   run completed {"reached":true}
    "#]]
    .assert_eq(&outline(&world, run).await);
    // The same answer again is the same answer; another one is too late.
    let again = life.runtime.answer_work(&row.id, json(r#"{"reached": true}"#), &asker("sue")).await.unwrap();
    assert_eq!(again, WorkDone { run, new: false });
    for (by, reached) in [("tom", "true"), ("sue", "false")] {
        let answer = json(&format!(r#"{{"reached": {reached}}}"#));
        let said = why(life.runtime.answer_work(&row.id, answer, &asker(by)).await);
        assert_eq!(said, "`sue` has answered this already, and the first answer counts");
    }
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn only_people_of_the_group_who_are_here_may_and_one_at_a_time() {
    let (world, life, _, row) = handed().await;
    let (runtime, id) = (&life.runtime, &row.id);
    let claim = async |by: &str| why(runtime.claim_work(id, &asker(by)).await);
    assert_eq!(claim("ann").await, "`ann` is not in the group `desk`, whose work this is");
    assert_eq!(claim("bob").await, "`bob` is not in people.yaml, and this is work for `desk`");
    assert_eq!(claim("eva").await, "`eva` is away until 2030-01-02");
    runtime.claim_work(id, &asker("sue")).await.unwrap();
    runtime.claim_work(id, &asker("sue")).await.unwrap();
    assert_eq!(claim("tom").await, "`sue` has taken this work: nobody else does it");
    let answer = json(r#"{"reached": true}"#);
    let said = why(runtime.answer_work(id, answer.clone(), &asker("tom")).await);
    assert_eq!(said, "`sue` has taken this work: nobody else does it");
    let said = why(runtime.reassign_work(id, Some(&"tom".into()), &asker("tom")).await);
    assert_eq!(said, "`sue` has taken this work: nobody else passes it on");
    let said = why(runtime.reassign_work(id, Some(&"eva".into()), &asker("sue")).await);
    assert_eq!(said, "`eva` is away until 2030-01-02");
    assert_eq!(only(runtime).await.claimed_by.as_deref(), Some("sue"));
    runtime.reassign_work(id, Some(&"tom".into()), &asker("sue")).await.unwrap();
    assert_eq!(only(runtime).await.claimed_by.as_deref(), Some("tom"));
    runtime.reassign_work(id, None, &asker("tom")).await.unwrap();
    assert_eq!(only(runtime).await.claimed_by, None);
    // Who has it and leaves the group has it no longer.
    runtime.claim_work(id, &asker("sue")).await.unwrap();
    enact(runtime, &PEOPLE.replace("sue: { name: Sue, groups: [ desk ] }", "sue: { name: Sue, groups: [ leads ] }"))
        .await;
    runtime.claim_work(id, &asker("tom")).await.unwrap();
    assert_eq!(only(runtime).await.claimed_by.as_deref(), Some("tom"));
    let said = why(runtime.answer_work(&"wrk_none".into(), answer, &asker("tom")).await);
    assert_eq!(said, "there is no work `wrk_none`");
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn an_answer_against_the_contract_is_not_taken() {
    let (world, life, run, row) = handed().await;
    for (answer, words) in [("{}", "reached"), (r#"{"reached": 1}"#, "/reached"), ("null", "null")] {
        let said = why(life.runtime.answer_work(&row.id, json(answer), &asker("sue")).await);
        assert!(said.starts_with("the answer does not keep the contract: ") && said.contains(words), "{said}");
    }
    assert_eq!(only(&life.runtime).await.claimed_by, None);
    assert_eq!(world.row(run).await.inbox_gen, 0);
}

#[tokio::test]
async fn what_is_not_answered_in_time_fails_and_a_late_answer_is_told_so() {
    let (world, life, run, row) = handed().await;
    assert_eq!(world.driven(run).await.status, Status::Failed);
    expect![[r#"
        1   run started: hand
        2   call: handed to desk until 2030-01-03T00:00:00.000Z
        3   call: no_answer: nobody of desk answered in time
        4   call: no recovery left
        5   run failed, no_answer: nobody of desk answered in time
    "#]]
    .assert_eq(&outline(&world, run).await);
    let said = why(life.runtime.answer_work(&row.id, json(r#"{"reached": true}"#), &asker("sue")).await);
    assert_eq!(said, "this work is done, or not needed any more");
}

#[tokio::test]
async fn time_counts_although_nobody_has_noticed_it_yet() {
    let (world, life, run, row) = handed().await;
    life.leave().await;
    world.clock.set(world.now() + Span::from_millis(3 * 24 * 3_600_000));
    let idle = world.runtime_on(world.store.clone());
    let said = why(idle.answer_work(&row.id, json(r#"{"reached": true}"#), &asker("sue")).await);
    assert!(said.starts_with("the time to do this ran out at 2030-01-0"), "{said}");
    assert_eq!(world.row(run).await.inbox_gen, 0);
}

#[tokio::test]
async fn an_answer_survives_the_process_that_took_it() {
    let (world, life, run, row) = handed().await;
    life.crash().await;
    // Somebody answers while nobody drives the run.
    let idle = world.runtime_on(world.store.clone());
    idle.answer_work(&row.id, json(r#"{"reached": true}"#), &asker("sue")).await.unwrap();
    let again = idle.answer_work(&row.id, json(r#"{"reached": true}"#), &asker("sue")).await.unwrap();
    assert_eq!(again, WorkDone { run, new: false });
    let said = why(idle.answer_work(&row.id, json(r#"{"reached": false}"#), &asker("sue")).await);
    assert_eq!(said, "`sue` has answered this already, and the first answer counts");
    let life = world.boot().await;
    assert_eq!(world.driven(run).await.status, Status::Completed);
    life.leave().await;
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn work_of_a_cancelled_run_is_not_needed_any_more() {
    let (world, life, run, row) = handed().await;
    life.runtime.cancel(run, "ann").await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Cancelled);
    let said = why(life.runtime.claim_work(&row.id, &asker("sue")).await);
    assert_eq!(said, "this work is done, or not needed any more");
    world.check_store().await.unwrap();
}

const ASK: &str = r#"
    --- workflows/ask.yaml
    workflow: ask
    result: { value: =when }
    stages:
      - stage: only
        steps:
          - step: when
            approve: { ask: "Release {{ input.version }}?", of: desk, no_self: true, form: schemas/window.yaml }
    --- schemas/window.yaml
    type: object
    required: [ window ]
    properties: { window: { type: string, enum: [ night, day ] } }
"#;

#[tokio::test]
async fn a_question_is_answered_through_the_same_votes_as_an_action() {
    let world = World::new(&with_people(ASK), Outside::echo());
    let (life, run) = begun(&world, r#"{"version": "2.1"}"#).await;
    let rows = life.runtime.approvals(ApprovalQuery::default()).await.unwrap();
    let id = rows[0].id.clone();
    let decide = async |by: &str, decision: Decision| {
        let decide = Decide { approval: id.clone(), decision, shown: None, reason: None };
        life.runtime.decide(decide, &asker(by)).await
    };
    let answer = |text: &str| Decision::Answer { value: json(text) };
    let said = why(decide("tom", Decision::Approve).await);
    assert_eq!(said, "`tom` asked for this action, and who asks does not decide");
    assert_eq!(why(decide("sue", Decision::Approve).await), "this question wants an answer, not a bare yes");
    let said = why(decide("sue", answer(r#"{"window": "noon"}"#)).await);
    assert!(said.starts_with("the answer does not fit the form: "), "{said}");
    assert_eq!(world.row(run).await.inbox_gen, 0);
    decide("sue", answer(r#"{"window": "night"}"#)).await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Completed);
    expect![[r#"
        1   run started: ask
        2   when: asks desk to approve
        3   when: sue answered
        4   when: decided {"answer":{"window":"night"},"approved":true,"by":["sue"]}
        5   stage only done
        6   run completed {"answer":{"window":"night"},"approved":true,"by":["sue"]}
    "#]]
    .assert_eq(&outline(&world, run).await);
    let rows = life.runtime.approvals(ApprovalQuery { all_states: true, ..ApprovalQuery::default() }).await.unwrap();
    assert_eq!(rows[0].state, ApprovalState::Approved);
    world.check_store().await.unwrap();
}

const FIRST: &str = r#"
    --- workflows/first.yaml
    workflow: first
    result: { value: =calls }
    stages:
      - stage: only
        steps:
          - step: calls
            each: input.phones
            join: any
            steps:
              - step: call
                handoff: { to: { person: desk }, task: "Call {{ item }}", contract: schemas/called.yaml }
          - step: pause
            wait: { signal: go }
    --- schemas/called.yaml
    type: object
"#;

#[tokio::test]
async fn when_one_answer_is_enough_the_other_work_is_closed() {
    let world = World::new(&with_people(FIRST), Outside::echo());
    let (life, run) = begun(&world, r#"{"phones": ["1", "2", "3"]}"#).await;
    let rows = life.runtime.work(WorkQuery::default()).await.unwrap();
    assert_eq!(rows.len(), 3);
    life.runtime.answer_work(&rows[1].id, json("{}"), &asker("sue")).await.unwrap();
    world.settled(run).await;
    assert_eq!(life.runtime.work(WorkQuery::default()).await.unwrap(), []);
    let said = why(life.runtime.answer_work(&rows[0].id, Value::map::<&str>([]), &asker("tom")).await);
    assert_eq!(said, "this work is done, or not needed any more");
    world.check_store().await.unwrap();
    life.runtime.signal(run, "go", Value::Null, None, "ann").await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Completed);
}

#[tokio::test]
async fn two_who_answer_at_once_are_one_answer() {
    let (world, life, run, row) = handed().await;
    life.leave().await;
    let idle = world.runtime_on(world.store.clone());
    let (one, two): (Arc<str>, Arc<str>) = ("sue".into(), "tom".into());
    let (yes, no) = (json(r#"{"reached": true}"#), json(r#"{"reached": false}"#));
    let (first, second) = (asker(&one), asker(&two));
    let (a, b) = tokio::join!(idle.answer_work(&row.id, yes, &first), idle.answer_work(&row.id, no, &second));
    assert_eq!([a.is_ok(), b.is_ok()].iter().filter(|taken| **taken).count(), 1, "{a:?} {b:?}");
    assert_eq!(world.row(run).await.inbox_gen, 1);
}

const ONCE: &str = r#"
    --- workflows/send.yaml
    workflow: send
    stages:
      - stage: only
        steps: [ { step: send, act: box.put, with: { text: =input.text } } ]
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: at_most_once } }
    --- policies/allow/all.cedar
    @id("all") permit (principal, action, resource);
"#;

#[tokio::test]
async fn a_word_told_twice_lets_an_action_be_sent_once_more_and_not_twice() {
    let outside = Outside::new(|_, _, _| Err(failure(FailureKind::ToolTimeout, Phase::MaybeSent)));
    let world = World::new(&with_people(ONCE), outside);
    let life = world.boot().await;
    life.runtime
        .enact(&"test".into(), world.project.policies.as_deref(), Some(PEOPLE), &asker("program"))
        .await
        .unwrap();
    let starter = Starter { project: "test".into(), by: Some("tom".into()) };
    let run = life.start(Start { starter, ..world.start(r#"{"text": "a"}"#) }).await.run;
    world.settled(run).await;
    let step = StepPath::new("send");
    let say = async |attempt| {
        let said = life.runtime.resolve(run, (&step, attempt), Outcome::NotPerformed, "no trace", &asker("sue")).await;
        world.settled(run).await;
        said
    };
    let sent = || world.outside.asked("box.put").len();
    assert_eq!(life.runtime.effects(true).await.unwrap()[0].action.attempt, 1);
    assert_eq!(why(say(Some(2)).await), "`box.put` at `send` stands at sending 1, not 2: look at it again");
    say(None).await.unwrap();
    assert_eq!((sent(), life.runtime.effects(true).await.unwrap()[0].action.attempt), (2, 2));
    // Told again, by somebody who had looked at the first sending.
    assert_eq!(why(say(Some(1)).await), "`box.put` at `send` stands at sending 2, not 1: look at it again");
    // Told late: the word had been taken when the action stood at its first sending, and the run reads it now.
    let late =
        r#"{"step": "send", "attempt": 1, "resolution": "not_performed", "reason": "no trace", "auth": "local"}"#;
    let message = store::Message {
        seq: 0,
        id: "late".into(),
        kind: "resolve".into(),
        name: "".into(),
        sender: "sue".into(),
        body: json(late).to_jcs().into(),
        at: world.now(),
    };
    world.store.post(run, message, true).await.unwrap();
    world.clock.advance(Span::from_millis(60_000));
    let row = world.settled(run).await;
    assert_eq!(
        (sent(), row.status, row.inbox_read),
        (2, Status::Waiting, row.inbox_gen),
        "{}",
        outline(&world, run).await
    );
    say(Some(2)).await.unwrap();
    assert_eq!(sent(), 3, "{}", outline(&world, run).await);
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn who_is_asked_in_the_end_is_asked_about_what_was_asked_first() {
    let text = r#"
    --- workflows/pay.yaml
    workflow: pay
    stages:
      - stage: only
        steps:
          - { step: pay, act: bank.pay, with: { cents: =input.cents } }
    --- schemas/payment.yaml
    type: object
    required: [ cents ]
    properties: { cents: { type: integer } }
    --- tools/bank.yaml
    tool: bank
    native: true
    operations: { pay: { effect: idempotent, params: schemas/payment.yaml } }
    --- policies/allow/pay.cedar
    @id("pay")
    permit (principal, action == Action::"bank.pay", resource);
    --- policies/ask/pay.cedar
    @id("pay.look") @approve_by("desk") @expires("4h") @on_expiry("escalate") @escalate_to("leads") @editable("cents")
    forbid (principal, action == Action::"bank.pay", resource) when { context.input.cents > 5 };
"#;
    let world = World::new(&with_people(text), Outside::echo());
    let life = world.boot().await;
    let policies = world.project.policies.as_deref();
    life.runtime.enact(&"test".into(), policies, Some(PEOPLE), &asker("program")).await.unwrap();
    let starter = Starter { project: "test".into(), by: None };
    let run = life.start(Start { starter, ..world.start(r#"{"cents": 7}"#) }).await.run;
    world.settled(run).await;
    let open = async || {
        let rows = life.runtime.approvals(ApprovalQuery { run: Some(run), ..ApprovalQuery::default() }).await.unwrap();
        let asked = life.runtime.asked(&rows[0]).await.unwrap();
        (rows[0].id.clone(), asked)
    };
    let (first, asked) = open().await;
    let (seq, proposal) = asked.proposal.unwrap();
    world.pass_to(world.now() + Span::from_millis(4 * 3_600_000));
    world.settled(run).await;
    let (second, asked) = open().await;
    assert_ne!(first, second);
    assert_eq!((asked.proposal, asked.terms.editable), (Some((seq, proposal)), vec!["cents".into()]));
    let decision = Decision::Reject { reason: "not today".into() };
    let decide = Decide { approval: second, decision, shown: None, reason: Some("not today".into()) };
    life.runtime.decide(decide, &asker("ann")).await.unwrap();
    world.settled(run).await;
    let query = ApprovalQuery { run: Some(run), all_states: true, ..ApprovalQuery::default() };
    let rows = life.runtime.approvals(query).await.unwrap();
    let row = rows.iter().find(|row| !row.votes.is_empty()).unwrap();
    let asked = life.runtime.asked(row).await.unwrap();
    assert_eq!(asked.reasons, [("ann".into(), "not today".to_owned())].into());
    world.check_store().await.unwrap();
}
