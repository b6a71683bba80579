//! Messages to people: kept with the append that causes them, sent at least once, under one id.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use kernel::{
    governance::approval::Decision,
    ids::RunId,
    next::Starter,
    recovery::{FailureKind, Phase},
    values::{Span, Value},
};
use runtime::{
    Start,
    govern::{Asker, Decide},
};
use store::{ApprovalQuery, OutQuery, OutRow, OutState, Status};

use crate::{
    cutting::Cut,
    world::{Asked, Life, Outside, World, failure, json, lock},
};

const PEOPLE: &str = "groups: { desk: {}, leads: {} }
people:
  sue: { name: Sue, groups: [ desk ] }
  ann: { name: Ann, groups: [ leads ] }
";

const TELL: &str = r#"
    --- surefoot.yaml
    project: test
    channels:
      desk: { kind: webhook, url: "http://127.0.0.1:1/in", secret: secret://hook, groups: [ desk ] }
      ops: { kind: webhook, url: "http://127.0.0.1:1/ops", secret: secret://hook, events: [ outcome_unknown, run_paused, run_quarantined ] }
    --- workflows/tell.yaml
    workflow: tell
    stages:
      - stage: only
        steps:
          - step: ask
            approve: { ask: "May {{ input.text }} leave?", of: desk, expires: 4h, on_expiry: { escalate: leads } }
          - step: hand
            handoff: { to: { person: desk }, task: "Pack {{ input.text }}", with: { what: =input.text }, contract: schemas/packed.yaml, timeout: 2d }
          - { step: send, act: box.put, with: { text: =input.text } }
    --- schemas/packed.yaml
    type: object
    required: [ packed ]
    properties: { packed: { type: boolean } }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: at_most_once } }
    --- policies/allow/all.cedar
    @id("all") permit (principal, action, resource);
"#;

fn asker(by: &str) -> Asker {
    Asker { by: by.into(), auth: "local".into() }
}

fn world(outside: Arc<Outside>) -> World {
    let people: String = PEOPLE.lines().map(|line| format!("    {line}\n")).collect();
    World::new(&format!("{TELL}    --- people.yaml\n{people}"), outside)
}

async fn enact(world: &World, life: &Life) {
    let (project, program) = (&world.project, asker("program"));
    life.runtime.enact(&"test".into(), project.policies.as_deref(), Some(PEOPLE), &program).await.unwrap();
    life.runtime.channels(project, &program).await.unwrap();
}

async fn begun(world: &World) -> (Life, RunId) {
    let life = world.boot().await;
    enact(world, &life).await;
    let run = life_start(world, &life).await;
    (life, run)
}

async fn life_start(world: &World, life: &Life) -> RunId {
    let starter = Starter { project: "test".into(), by: Some("tom".into()) };
    life.start(Start { starter, ..world.start(r#"{"text": "a"}"#) }).await.run
}

fn news(asked: &Asked) -> String {
    json(&asked.input).get("news").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What a channel was told, in the order in which it was told first: a receiver that de-duplicates by id.
fn told(world: &World, channel: &str) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all = world.outside.asked(channel);
    all.iter().filter(|asked| seen.insert(asked.key.clone())).map(news).collect()
}

async fn outbox(world: &World) -> Vec<OutRow> {
    world.store.outbox(OutQuery { all_states: true, limit: 1_000, ..OutQuery::default() }).await.unwrap()
}

async fn left(world: &World) -> bool {
    outbox(world).await.iter().all(|row| row.state != OutState::Waiting || row.next_at > Some(world.now()))
}

/// Waits until all that is due has left.
async fn sent(world: &World) {
    for _ in 0..20_000 {
        if left(world).await {
            return;
        }
        world.clock.advance(Span::from_micros(1));
        tokio::task::yield_now().await;
    }
    panic!("messages never leave: {:?}", outbox(world).await);
}

async fn decide(world: &World, life: &Life) {
    let rows = life.runtime.approvals(ApprovalQuery::default()).await.unwrap();
    let decision = Decision::Approve;
    let decide = Decide { approval: rows[0].id.clone(), decision, reason: None, shown: None };
    life.runtime.decide(decide, &asker("sue")).await.unwrap();
    world.settled(rows[0].run).await;
}

async fn answer(world: &World, life: &Life) {
    let row = life.runtime.work(store::WorkQuery::default()).await.unwrap().remove(0);
    life.runtime.answer_work(&row.id, json(r#"{"packed": true}"#), &asker("sue")).await.unwrap();
    world.settled(row.run).await;
}

#[tokio::test]
async fn people_are_told_by_the_channels_that_are_for_them() {
    let world = world(Outside::new(|asked, _, input| match asked.what.as_str() {
        "box.put" => Err(failure(FailureKind::ToolTimeout, Phase::MaybeSent)),
        _ => Ok(input.clone()),
    }));
    let (life, run) = begun(&world).await;
    world.settled(run).await;
    sent(&world).await;
    let body = json(&world.outside.asked("test/desk")[0].input);
    let said = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    assert_eq!((said("workflow"), said("step"), said("groups")), ("tell".into(), "ask".into(), "desk".into()));
    assert!(said("approval").starts_with("apr_") && !body.to_json().contains("May a leave"), "{body}");
    decide(&world, &life).await;
    answer(&world, &life).await;
    sent(&world).await;
    life.runtime.pause(run, "sue").await.unwrap();
    world.settled(run).await;
    sent(&world).await;
    assert_eq!(told(&world, "test/desk"), ["approval_asked", "work_handed", "outcome_unknown", "run_paused"]);
    assert_eq!(told(&world, "test/ops"), ["outcome_unknown", "run_paused"]);
    // It was decided: nobody is told that the time is almost over.
    world.pass_to(world.now() + Span::from_millis(4 * 3_600_000));
    sent(&world).await;
    let last = outbox(&world).await.into_iter().find(|row| row.state == OutState::Dropped).unwrap();
    assert_eq!(last.why.as_deref(), Some("the approval is approved"));
    assert_eq!(told(&world, "test/desk").len(), 4);
    life.leave().await;
}

#[tokio::test]
async fn people_are_told_before_the_time_to_decide_is_over_and_when_others_are_asked() {
    let world = world(Outside::echo());
    let (life, run) = begun(&world).await;
    world.settled(run).await;
    sent(&world).await;
    assert_eq!(told(&world, "test/desk"), ["approval_asked"]);
    world.pass_to(world.now() + Span::from_millis(3 * 3_600_000));
    sent(&world).await;
    assert_eq!(told(&world, "test/desk"), ["approval_asked", "approval_expiring"]);
    world.pass_to(world.now() + Span::from_millis(3_600_000));
    world.settled(run).await;
    sent(&world).await;
    assert_eq!(told(&world, "test/desk")[..3], ["approval_asked", "approval_expiring", "approval_escalated"]);
    life.leave().await;
}

#[tokio::test]
async fn what_no_receiver_takes_is_tried_again_and_then_dead_until_a_person_lets_it_go() {
    let world = world(Outside::new(|asked, nth, input| match asked.what.as_str() {
        "test/desk" if nth <= runtime::outbox::MOST_TRIES as usize => {
            Err(failure(FailureKind::ToolError, Phase::NotSent))
        }
        _ => Ok(input.clone()),
    }));
    let (life, run) = begun(&world).await;
    world.settled(run).await;
    let mut waits = Vec::new();
    loop {
        sent(&world).await;
        let row = outbox(&world).await.remove(0);
        let Some(next) = row.next_at else { break };
        waits.push((next.micros() - world.now().micros()) / 1_000_000);
        world.pass_to(next);
    }
    let row = outbox(&world).await.remove(0);
    assert_eq!((row.state, row.attempts, row.why.as_deref()), (OutState::Dead, 8, Some("as told")));
    assert_eq!(waits.len(), 7);
    assert!(waits.is_sorted() && waits[6] <= 3_600, "{waits:?}");
    assert_eq!(told(&world, "test/desk"), ["approval_asked"], "one id for all of its sendings");
    life.runtime.outbox_again(&row.id).await.unwrap();
    sent(&world).await;
    let again = world.store.outbox(OutQuery { id: Some(row.id.clone()), ..OutQuery::default() }).await.unwrap();
    assert_eq!(again[0].state, OutState::Left);
    let why = life.runtime.outbox_again(&row.id).await.unwrap_err().to_string();
    assert_eq!(why, format!("`{}` is not dead: it is left", row.id));
    life.leave().await;
}

#[tokio::test]
async fn a_crash_between_delivery_and_its_mark_sends_again_under_the_same_id() {
    let world = world(Outside::echo());
    world.outside.hold("test/desk");
    let (life, run) = begun(&world).await;
    world.settled(run).await;
    // The receiver has it, and the process dies before it knows.
    world.until("the message", |outside| outside.asked("test/desk").len() == 1).await;
    life.crash().await;
    world.outside.release("test/desk");
    let life = world.boot().await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.outside.asked("test/desk").len(), 1, "a sender may still be at it");
    world.pass_to(world.now() + Span::from_millis(60_000));
    world.until("the second sending", |outside| outside.asked("test/desk").len() == 2).await;
    sent(&world).await;
    let all = world.outside.asked("test/desk");
    assert_eq!((&all[0].key, &all[0].input), (&all[1].key, &all[1].input));
    assert_eq!(told(&world, "test/desk"), ["approval_asked"]);
    life.leave().await;
}

#[tokio::test]
async fn wherever_the_process_dies_nothing_is_told_of_what_did_not_happen_and_nothing_is_lost() {
    let mut cuts = 0;
    for nth in 1..40 {
        let mut never = true;
        for cut in [Cut::Before(nth), Cut::After(nth)] {
            let world = world(Outside::echo());
            {
                let life = world.boot().await;
                enact(&world, &life).await;
                life.crash().await;
            }
            let (life, cutting) = world.boot_cut(cut).await;
            let run = {
                let start = life_start(&world, &life);
                tokio::select! { run = start => Some(run), () = cutting.silence() => None }
            };
            let mut steps = 0;
            while let (Some(run), false) = (run, cutting.is_silent()) {
                steps += 1;
                let done = tokio::select! {
                    () = cutting.silence() => break,
                    row = world.settled(run) => row.status.is_final(),
                };
                if done || steps > 3 {
                    break;
                }
                let act = async {
                    match steps {
                        1 => decide(&world, &life).await,
                        _ => answer(&world, &life).await,
                    }
                };
                tokio::select! { () = cutting.silence() => break, () = act => {} }
            }
            never &= !cutting.is_silent();
            life.crash().await;
            // The next process goes on.
            let life = world.boot().await;
            world.pass_to(world.now() + Span::from_millis(61_000));
            let run = life_start(&world, &life).await;
            for _ in 0..4 {
                if world.settled(run).await.status.is_final() {
                    break;
                }
                if !life.runtime.approvals(ApprovalQuery::default()).await.unwrap().is_empty() {
                    decide(&world, &life).await;
                } else if !life.runtime.work(store::WorkQuery::default()).await.unwrap().is_empty() {
                    answer(&world, &life).await;
                }
                world.pass_to(world.now() + Span::from_millis(1_000));
            }
            world.pass_to(world.now() + Span::from_millis(61_000));
            sent(&world).await;
            let row = world.settled(run).await;
            let unknown = row.status == Status::Waiting;
            assert!(unknown || row.status == Status::Completed, "{cut:?} {row:?}");
            let mut wanted = vec!["approval_asked", "work_handed"];
            wanted.extend(unknown.then_some("outcome_unknown"));
            wanted.sort_unstable();
            let mut heard = told(&world, "test/desk");
            heard.sort();
            assert_eq!(heard, wanted, "{cut:?}\n{}", world.outline(run).await);
            let kept: BTreeMap<_, _> =
                outbox(&world).await.into_iter().map(|row| (row.id.to_string(), row.state)).collect();
            let keys: Vec<String> = {
                let outside = lock(&world.outside.log);
                let to_people = outside.iter().filter(|one| one.what.starts_with("test/"));
                to_people.map(|one| one.key.clone()).collect()
            };
            assert!(keys.iter().all(|key| kept.contains_key(key)), "{cut:?} {keys:?}");
            world.check_store().await.unwrap();
            cuts += 1;
        }
        if never {
            break;
        }
    }
    assert!(cuts >= 8, "the process died at {cuts} places only");
}

#[tokio::test]
async fn people_are_told_once_of_a_run_that_was_put_aside() {
    let world = world(Outside::echo());
    world.outside.hold("box.put");
    let mut run = None;
    for death in 1..=4 {
        let life = world.boot().await;
        if death == 1 {
            enact(&world, &life).await;
            let id = life_start(&world, &life).await;
            run = Some(id);
            world.settled(id).await;
        }
        life.crash().await;
        // What was claimed meanwhile dies with its worker; what sleeps does not.
        let worker = kernel::ids::WorkerId::new(world.now(), [death; 10]);
        world.store.join(worker, Span::from_millis(30_000), world.now()).await.unwrap();
        let message = store::Message {
            seq: 0,
            id: format!("poke {death}").into(),
            kind: "signal".into(),
            name: "poke".into(),
            sender: "test".into(),
            body: json("null").to_jcs().into(),
            at: world.now(),
        };
        world.store.post(run.unwrap(), message, false).await.unwrap();
        world.store.claim(worker, 10, world.now()).await.unwrap();
    }
    let life = world.boot().await;
    let run = run.unwrap();
    assert_eq!(world.row(run).await.status, Status::Quarantined);
    sent(&world).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    sent(&world).await;
    assert_eq!(told(&world, "test/ops"), ["run_quarantined"]);
    life.crash().await;
    let life = world.boot().await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    sent(&world).await;
    assert_eq!(world.outside.asked("test/ops").len(), 1, "another process says nothing new");
    life.leave().await;
}

#[tokio::test]
async fn what_is_on_its_way_when_a_worker_leaves_is_brought_to_its_end() {
    let world = world(Outside::echo());
    world.outside.hold("test/desk");
    let (life, run) = begun(&world).await;
    world.settled(run).await;
    world.until("the message", |outside| outside.asked("test/desk").len() == 1).await;
    let leaving = tokio::spawn(life.leave());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!leaving.is_finished());
    world.outside.release("test/desk");
    leaving.await.unwrap();
    // Handed over once, and known to be.
    assert_eq!(world.outside.asked("test/desk").len(), 1);
    let rows = outbox(&world).await;
    assert!(rows.iter().any(|row| row.state == OutState::Left) && left(&world).await, "{rows:?}");
}
