//! Models and tools: retries, repairs, fan-outs, joins, and answers that come too late.

use std::sync::atomic::Ordering;

use expect_test::expect;
use kernel::{
    recovery::{FailureKind, Phase},
    values::{Span, Value},
};
use store::Status;

use crate::{
    cutting::{Cut, Fails},
    world::{Outside, World, failure, json, lock},
};

const ASK: &str = r#"
    --- workflows/ask.yaml
    workflow: ask
    result: { value: =facts }
    stages:
      - stage: only
        steps:
          - step: facts
            reason: prompts/facts.md
            model: small
            see: { body: input.body }
            output: schemas/facts.yaml
    --- prompts/facts.md
    What is in {{ body }}?
    --- schemas/facts.yaml
    type: object
    required: [ score ]
    properties: { score: { type: integer } }
"#;

pub const TWO: &str = r#"
    --- workflows/two.yaml
    workflow: two
    result: { value: =second }
    stages:
      - stage: only
        steps:
          - { step: first, act: box.put, with: { text: =input.text } }
          - { step: second, act: box.get, with: { text: =first.text } }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent }, get: { effect: read } }
"#;

fn each(width: u32, join: &str) -> String {
    format!(
        r#"
    --- workflows/wide.yaml
    workflow: wide
    result: {{ value: =all }}
    stages:
      - stage: only
        steps:
          - step: all
            each: input.items
            as: word
            max_parallel: {width}
            join: {join}
            steps: [ {{ step: put, act: box.put, with: {{ text: =word }} }} ]
            gives: =put.text
    --- tools/box.yaml
    tool: box
    native: true
    operations: {{ put: {{ effect: idempotent }} }}
"#
    )
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_repaired_with_its_errors() {
    let outside =
        Outside::new(|_, nth, _| Ok(if nth == 1 { json(r#"{"score": "high"}"#) } else { json(r#"{"score": 3}"#) }));
    let world = World::new(ASK, outside);
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"body": "hello"}"#)).await.run;
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json(r#"{"score": 3}"#)));
    expect![[r#"
        1   run started: ask
        2   facts: asked model small, about 70 tokens
        3   facts: answer failed, invalid_output: `/score`: "high" is not a whole number
        4   facts: asked again with the errors
        5   facts: asked model small, attempt 2, about 124 tokens
        6   facts: answered {"score":3}
        7   stage only done
        8   run completed {"score":3}
    "#]]
    .assert_eq(&world.outline(run).await);
    assert!(world.outside.asked("facts")[1].input.contains("`/score`"));
}

#[tokio::test]
async fn a_timeout_is_sent_again_after_its_backoff_with_the_same_key() {
    let outside = Outside::new(|_, nth, input| {
        if nth <= 2 { Err(failure(FailureKind::ToolTimeout, Phase::MaybeSent)) } else { Ok(input.clone()) }
    });
    let world = World::new(TWO, outside);
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    let row = world.settled(run).await;
    assert_eq!((row.status, row.waits_for.as_deref()), (Status::Waiting, Some("`first` is tried again")));
    assert_eq!(world.driven(run).await.status, Status::Completed);
    let asked = world.outside.asked("box.put");
    assert_eq!(asked.len(), 3);
    assert!(asked.iter().all(|one| (&one.key, &one.input) == (&asked[0].key, &asked[0].input)));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn two_hundred_items_at_once_are_two_hundred_effects() {
    let world = World::new(&each(200, "all"), Outside::echo());
    let (life, cutting) = world.boot_cut(Cut::Never).await;
    let items: Vec<_> = (0..200).map(|index| Value::from(format!("item {index}"))).collect();
    let input = Value::map([("items", Value::list(items.clone()))]);
    let run = life.start(world.start(&input.to_json())).await.run;
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(Value::list(items)));
    let keys: std::collections::BTreeSet<_> = lock(&world.outside.log).iter().map(|one| one.key.clone()).collect();
    assert_eq!((lock(&world.outside.log).len(), keys.len()), (200, 200));
    assert!(cutting.appends() <= 6, "answers that are there together are written together: {}", cutting.appends());
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn the_first_of_any_wins_and_nothing_new_is_started() {
    let world = World::new(&each(2, "any"), Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"items": ["a", "b", "c", "d"]}"#)).await.run;
    let ended = life.runtime.finished(run).await.unwrap();
    assert_eq!(ended.result, Some(json(r#"["a", "b", null, null]"#)));
    assert_eq!(world.outside.asked("box.put").len(), 2);
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_quorum_is_enough_and_a_settled_join_keeps_failures_as_values() {
    let outside = || {
        Outside::new(|asked: &crate::world::Asked, _, input| {
            if asked.input.contains("bad") {
                Err(failure(FailureKind::ToolRejected, Phase::Answered))
            } else {
                Ok(input.clone())
            }
        })
    };
    let world = World::new(&each(3, "{ quorum: 2 }"), outside());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"items": ["bad", "b", "c"]}"#)).await.run;
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json(r#"[null, "b", "c"]"#)));

    let world = World::new(&each(3, "settle"), outside());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"items": ["bad", "b"]}"#)).await.run;
    let result = life.runtime.finished(run).await.unwrap().result.unwrap();
    let expected = r#"[{"failure":{"detail":"as told","kind":"tool_rejected"},"ok":false,"value":null},{"failure":null,"ok":true,"value":"b"}]"#;
    assert_eq!(result.to_json(), expected);
}

#[tokio::test]
async fn the_next_owner_sends_the_same_again_and_the_late_answer_is_only_kept() {
    let world = World::new(TWO, Outside::echo());
    world.outside.hold("box.put");
    let old = world.boot().await;
    let run = old.start(world.start(r#"{"text": "a"}"#)).await.run;
    world.until("the first call", |outside| outside.asked("box.put").len() == 1).await;
    // Another worker takes the run; the old one does not know it yet.
    let new = world.boot().await;
    world.until("the second call", |outside| outside.asked("box.put").len() == 2).await;
    world.outside.release("box.put");
    assert_eq!(new.runtime.finished(run).await.unwrap().result, Some(json(r#"{"text": "a"}"#)));
    let asked = world.outside.asked("box.put");
    assert_eq!((&asked[0].key, &asked[0].input), (&asked[1].key, &asked[1].input));
    assert_eq!(world.outside.asked("box.get").len(), 1, "the old owner went no further");
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let late = world.store.late_results(run).await.unwrap();
    assert_eq!(late.len(), 1, "{late:?}");
    assert_eq!((&*late[0].step, late[0].epoch, late[0].attempt), ("first", 1, 1));
    assert_eq!(&*late[0].outcome, br#"{"attempt":1,"epoch":1,"outcome":{"done":{"text":"a"}},"step":"first"}"#);
    world.check_store().await.unwrap();
    old.crash().await;
}

#[tokio::test]
async fn without_a_lease_nothing_leaves_the_process() {
    assert_eq!(calls_without_a_lease(None).await, 0);
}

/// How often a worker calls on after the end of its lease.
pub async fn calls_without_a_lease(mutant: Option<&'static str>) -> usize {
    let mut world = World::new(TWO, Outside::echo());
    world.mutant = mutant;
    world.outside.hold("box.put");
    let (life, cutting) = world.boot_cut(Cut::Never).await;
    life.start(world.start(r#"{"text": "a"}"#)).await;
    world.until("the first call", |outside| outside.asked("box.put").len() == 1).await;
    cutting.deaf.store(true, Ordering::SeqCst);
    world.clock.advance(Span::from_millis(60_000));
    world.outside.release("box.put");
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    life.crash().await;
    world.outside.asked("box.get").len()
}

#[tokio::test]
async fn a_worker_that_lost_its_lease_begins_anew() {
    let world = World::new(TWO, Outside::echo());
    world.outside.hold("box.put");
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    world.until("the first call", |outside| outside.asked("box.put").len() == 1).await;
    let other = kernel::ids::WorkerId::new(world.now(), [9; 10]);
    world.store.join(other, Span::from_millis(30_000), world.now()).await.unwrap();
    world.store.leave(other, world.now()).await.unwrap();
    // The next heartbeat tells it.
    world.clock.advance(Span::from_millis(6_000));
    world.until("the second call", |outside| outside.asked("box.put").len() == 2).await;
    world.outside.release("box.put");
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json(r#"{"text": "a"}"#)));
    life.leave().await;
}

#[tokio::test]
async fn a_panic_stops_one_run_and_says_so() {
    let world = World::new(TWO, Outside::echo());
    let (life, cutting) = world.boot_cut(Cut::Never).await;
    world.outside.hold("box.put");
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    world.until("the call", |outside| outside.asked("box.put").len() == 1).await;
    cutting.panics.store(true, Ordering::SeqCst);
    world.outside.release("box.put");
    let row = world.settled(run).await;
    assert_eq!(row.status, Status::Blocked);
    assert_eq!(row.waits_for.as_deref(), Some("its engine panicked: the process log says where"));
    // The answer that it had at hand is kept for the next worker; others go on meanwhile.
    assert_eq!(world.store.late_results(run).await.unwrap().len(), 1);
    let mut other = world.start(r#"{"text": "b"}"#);
    other.key = None;
    let other = life.start(other).await.run;
    assert_eq!(life.runtime.finished(other).await.unwrap().end, kernel::journal::End::Completed);
    life.leave().await;
    let life = world.boot().await;
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json(r#"{"text": "a"}"#)));
    assert_eq!(world.outside.asked("box.put").len(), 2, "once for each run: nothing was sent again");
}

#[tokio::test]
async fn a_run_that_kills_its_process_is_quarantined_and_can_be_pardoned() {
    let world = World::new(TWO, Outside::echo());
    world.outside.hold("box.put");
    let mut run = None;
    for death in 1..=3 {
        let life = world.boot().await;
        if death == 1 {
            run = Some(life.start(world.start(r#"{"text": "a"}"#)).await.run);
        }
        world.until("the call", |outside| outside.asked("box.put").len() == death).await;
        life.crash().await;
    }
    let run = run.unwrap();
    let life = world.boot().await;
    assert_eq!(world.row(run).await.status, Status::Quarantined);
    world.outside.release("box.put");
    let mut other = world.start(r#"{"text": "b"}"#);
    other.key = None;
    let other = life.start(other).await.run;
    assert_eq!(life.runtime.finished(other).await.unwrap().result, Some(json(r#"{"text": "b"}"#)));
    assert_eq!(world.row(run).await.status, Status::Quarantined);
    life.runtime.resume(run, "ada").await.unwrap();
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json(r#"{"text": "a"}"#)));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_store_that_fails_for_a_while_costs_no_answer_and_no_second_call() {
    for fails in [Fails::Full, Fails::Unnoticed] {
        // The start is no append of the engine; then come the intent, the answer with the next intent, and the end.
        for nth in 0..3 {
            let world = World::new(TWO, Outside::echo());
            let (life, cutting) = world.boot_cut(Cut::Never).await;
            world.outside.hold("box.put");
            *lock(&cutting.failing) = vec![fails];
            if nth > 0 {
                lock(&cutting.failing).clear();
            }
            let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
            if nth > 0 {
                world.until("the call", |outside| outside.asked("box.put").len() == 1).await;
                *lock(&cutting.failing) = vec![fails];
            }
            if nth > 1 {
                world.outside.hold("box.get");
                lock(&cutting.failing).clear();
                world.outside.release("box.put");
                world.until("the second call", |outside| outside.asked("box.get").len() == 1).await;
                *lock(&cutting.failing) = vec![fails];
                world.outside.release("box.get");
            }
            world.outside.release("box.put");
            for _ in 0..1_000 {
                world.clock.advance(Span::from_millis(10));
                tokio::task::yield_now().await;
                if world.row(run).await.status.is_final() {
                    break;
                }
            }
            assert_eq!(world.row(run).await.status, Status::Completed, "{fails:?} {nth}\n{}", world.outline(run).await);
            assert!(lock(&cutting.failing).is_empty());
            assert_eq!(lock(&world.outside.log).len(), 2, "{fails:?} {nth}");
            world.check_store().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_runs_on_many_threads_all_come_to_their_end() {
    let world = World::new(&each(8, "all"), Outside::echo());
    let life = world.boot().await;
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..50 {
        let (runtime, mut start) = (life.runtime.clone(), world.start(r#"{"items": ["a", "b", "c", "d", "e"]}"#));
        start.key = Some(format!("lane {lane}").into());
        lanes.spawn(async move {
            let run = runtime.start(start).await.unwrap().run;
            runtime.finished(run).await.unwrap().result
        });
    }
    while let Some(result) = lanes.join_next().await {
        assert_eq!(result.unwrap(), Some(json(r#"["a", "b", "c", "d", "e"]"#)));
    }
    assert_eq!(lock(&world.outside.log).len(), 250);
    world.check_store().await.unwrap();
    life.leave().await;
}
