//! Rate limits: all workers together keep them, a receiver's "not before" counts for all, and nobody is forgotten.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock},
};

use kernel::{
    ids::WorkerId,
    next::Starter,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Timestamp, Value},
};
use runtime::{Config, Start, govern::Asker, testing::TestClock};
use store::Status;

use crate::{
    cutting::Cutting,
    world::{Life, Outside, World, lock},
};

const PACED: &str = r#"
    --- workflows/send.yaml
    workflow: send
    stages:
      - stage: only
        steps: [ { step: send, act: box.put, with: { text: =input.text } } ]
    --- tools/box.yaml
    tool: box
    native: true
    rate: { limit: 60, per: 1m, burst: 10 }
    operations: { put: { effect: idempotent } }
"#;

type Seen = Arc<Mutex<Vec<(Timestamp, usize, String)>>>;

const THINKS: &str = r#"
    --- surefoot.yaml
    project: test
    models: { small: { provider: registered, rate: { limit: 600, per: 1m, burst: 100 } } }
    --- workflows/think.yaml
    workflow: think
    stages:
      - stage: only
        steps: [ { step: think, reason: prompts/a.md, model: small, see: { text: input.text }, output: schemas/o.yaml } ]
    --- prompts/a.md
    Say something.
    --- schemas/o.yaml
    type: object
"#;

/// A world whose receiver notes when it was asked by whom, and refuses with a time as it is told.
fn watched(text: &str, refuse: fn(usize) -> Option<Span>) -> (World, Seen) {
    let clock: Arc<OnceLock<Arc<TestClock>>> = Arc::default();
    let (seen, at): (Seen, _) = (Seen::default(), clock.clone());
    let log = seen.clone();
    let outside = Outside::new(move |asked, _, input| {
        let now = runtime::Clock::now(&**at.get().unwrap());
        let mut log = lock(&log);
        log.push((now, asked.life, asked.input.clone()));
        match refuse(log.len()) {
            Some(after) => Err(Failure {
                kind: if asked.key.is_empty() { FailureKind::ProviderRateLimited } else { FailureKind::ToolError },
                phase: Phase::Answered,
                detail: "too many".to_owned(),
                retry_after: Some(after),
            }),
            None => Ok(input.clone()),
        }
    });
    let world = World::new(text, outside);
    clock.set(world.clock.clone()).unwrap();
    (world, seen)
}

async fn three(world: &mut World) -> Vec<Life> {
    world.config = Config { claim: 4, most_runs: 8, ..Config::default() };
    let worker = WorkerId::new(world.now(), [9; 10]);
    world.store.join(worker, world.config.lease, world.now()).await.unwrap();
    let mut lives = Vec::new();
    for _ in 0..3 {
        lives.push(world.boot_on(Arc::new(Cutting::as_one(world.store.clone(), worker))).await);
    }
    lives
}

async fn start(world: &World, life: &Life, number: usize) {
    let input = Value::map([("text", Value::from(format!("{number}")))]);
    let starter = Starter { project: "test".into(), by: None };
    let start = Start { key: Some(format!("{number}").into()), starter, ..world.start(&input.to_json()) };
    life.start(start).await;
}

/// Lets time pass second by second until nothing is left to do; gives how many seconds.
async fn pass(world: &World, most: usize) -> usize {
    for second in 0..most {
        for _ in 0..400 {
            tokio::task::yield_now().await;
        }
        let runs = world.store.runs(store::RunQuery { limit: 10_000, ..Default::default() }).await.unwrap();
        if runs.iter().all(|row| row.status == Status::Completed) {
            return second;
        }
        world.clock.advance(Span::from_millis(1_000));
    }
    panic!("some run never ends: {:?}", lock(&world.outside.log).len());
}

/// The most calls in any minute.
fn most_in_a_minute(times: &[Timestamp]) -> usize {
    let within = |from: &Timestamp| {
        let end = *from + Span::from_millis(60_000);
        times.iter().filter(|at| *at >= from && **at < end).count()
    };
    times.iter().map(within).max().unwrap_or(0)
}

#[tokio::test]
async fn three_workers_together_keep_the_rate_and_nobody_starves() {
    let (mut world, seen) = watched(PACED, |_| None);
    let lives = three(&mut world).await;
    for number in 0..180 {
        start(&world, &lives[number % 3], number).await;
    }
    let seconds = pass(&world, 400).await;
    let seen = lock(&seen).clone();
    let times: Vec<Timestamp> = seen.iter().map(|(at, ..)| *at).collect();
    assert_eq!(times.len(), 180, "each is sent once");
    let most = most_in_a_minute(&times);
    assert!(most <= 60 + 10, "{most} in a minute");
    // 10 at once, then one a second: nobody waits longer than all before it take, and a little.
    assert!((165..=185).contains(&seconds), "180 runs took {seconds} s");
    let mut by_run = BTreeMap::new();
    for (at, _, text) in seen.iter() {
        let waited = (at.micros() - times[0].micros()) / 1_000_000;
        by_run.insert(text.clone(), waited);
    }
    assert!(by_run.values().all(|waited| *waited <= 185), "{by_run:?}");
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_run_without_a_place_waits_without_a_worker_and_says_for_what() {
    let (mut world, _) = watched(PACED, |_| None);
    let lives = three(&mut world).await;
    for number in 0..12 {
        start(&world, &lives[number % 3], number).await;
    }
    for _ in 0..4_000 {
        tokio::task::yield_now().await;
    }
    let runs = world.store.runs(store::RunQuery::default()).await.unwrap();
    let waiting: Vec<_> = runs.iter().filter(|row| row.status == Status::Waiting).collect();
    assert_eq!((waiting.len(), waiting[0].owner), (2, None), "{runs:?}");
    let why = waiting[0].waits_for.as_deref().unwrap();
    assert_eq!(why, "a place in the rate limit of tool:box (60 in 1m) at `send`");
    assert_eq!(waiting[0].wake_at, Some(world.now() + Span::from_millis(1_000)));
}

#[tokio::test]
async fn a_receiver_that_says_when_speaks_for_all_workers() {
    for text in [PACED, THINKS] {
        one_answer_counts_for_all(text).await;
    }
}

async fn one_answer_counts_for_all(text: &str) {
    let (mut world, seen) = watched(text, |nth| (nth == 1).then(|| Span::from_millis(30_000)));
    let lives = three(&mut world).await;
    // A model's rate is part of the rules of today.
    let by = Asker { by: "program".into(), auth: "local".into() };
    lives[0].runtime.limit(&world.project, &by).await.unwrap();
    // The others look at the rules with their next heartbeat.
    world.clock.advance(Span::from_millis(6_000));
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    start(&world, &lives[0], 0).await;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    for number in 1..6 {
        start(&world, &lives[number % 3], number).await;
    }
    pass(&world, 100).await;
    let seen = lock(&seen);
    let first = seen[0].0;
    let early: Vec<_> = seen[1..].iter().filter(|(at, ..)| *at < first + Span::from_millis(30_000)).collect();
    assert_eq!(seen.len(), 7, "{seen:?}");
    assert!(early.is_empty(), "{early:?}");
}

#[tokio::test]
async fn a_model_that_was_refused_a_time_is_asked_by_no_run_before_it() {
    let text = THINKS.replace(", rate: { limit: 600, per: 1m, burst: 100 }", "");
    let (mut world, seen) = watched(&text, |call| (call == 1).then_some(Span::from_millis(30_000)));
    let lives = three(&mut world).await;
    start(&world, &lives[0], 0).await;
    for _ in 0..400 {
        tokio::task::yield_now().await;
    }
    assert_eq!(lock(&seen).len(), 1);
    for number in 1..9 {
        start(&world, &lives[number % 3], number).await;
    }
    for _ in 0..400 {
        tokio::task::yield_now().await;
    }
    let waiting = store::RunQuery { status: vec![Status::Waiting], ..Default::default() };
    let names: Vec<_> =
        world.store.runs(waiting).await.unwrap().into_iter().map(|row| row.waits_for.unwrap()).collect();
    assert_eq!(names.len(), 9, "{names:?}");
    let cooling = "a model that cools down: small (provider_rate_limited) at `think`";
    assert_eq!(names.iter().filter(|name| &***name == cooling).count(), 8, "{names:?}");
    pass(&world, 90).await;
    let times: Vec<Timestamp> = lock(&seen).iter().map(|(at, ..)| *at).collect();
    assert_eq!(times.len(), 10);
    assert!(times[1..].iter().all(|at| *at >= times[0] + Span::from_millis(30_000)), "{times:?}");
}

#[tokio::test]
async fn after_a_spend_limit_a_person_lets_the_model_be_asked_again() {
    let text = THINKS.replace(", rate: { limit: 600, per: 1m, burst: 100 }", "");
    let first = Mutex::new(true);
    let outside = Outside::new(move |_, _, input| {
        if !std::mem::take(&mut *lock(&first)) {
            return Ok(input.clone());
        }
        let detail = "nothing left".to_owned();
        Err(Failure { kind: FailureKind::ProviderSpendLimit, phase: Phase::Answered, detail, retry_after: None })
    });
    let mut world = World::new(&text, outside);
    let lives = three(&mut world).await;
    let settle = async || {
        for _ in 0..600 {
            tokio::task::yield_now().await;
        }
    };
    start(&world, &lives[0], 0).await;
    settle().await;
    let asked = lock(&world.outside.log).len();
    start(&world, &lives[1], 1).await;
    settle().await;
    let runs = world.store.runs(store::RunQuery::default()).await.unwrap();
    let mut stands: Vec<_> = runs.iter().map(|row| (row.status, row.waits_for.as_deref())).collect();
    stands.sort();
    let waits = "a model that cools down: small (provider_spend_limit) at `think`";
    assert_eq!(stands, [(Status::Waiting, Some(waits)), (Status::Failed, None)]);
    assert_eq!(lock(&world.outside.log).len(), asked, "nobody asks it");

    let by = Asker { by: "ann".into(), auth: "local".into() };
    let rows = lives[2].runtime.cooldowns().await.unwrap();
    assert_eq!((rows.len(), &*rows[0].scope), (1, "test/model:small"));
    let other = lives[2].runtime.end_cooldown("test/model:big", "paid", &by).await.unwrap_err();
    assert!(other.to_string().contains("models that do: test/model:small"), "{other}");
    lives[2].runtime.end_cooldown("test/model:small", "paid", &by).await.unwrap();
    settle().await;
    let runs = world.store.runs(store::RunQuery::default()).await.unwrap();
    let completed = runs.iter().filter(|row| row.status == Status::Completed).count();
    assert_eq!(completed, 1, "it is woken, and no time has passed");
    assert_eq!(lives[2].runtime.cooldowns().await.unwrap(), []);
}
