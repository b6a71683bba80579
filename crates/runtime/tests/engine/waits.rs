//! Time, signals, and what people ask of a run, in every state.

use expect_test::expect;
use kernel::{
    ids::StepPath,
    journal::End,
    recovery::{FailureKind, Phase},
    values::{Span, Timestamp, Value},
};
use runtime::{
    RunError,
    govern::{Asker, Outcome},
};
use store::{Message, Posted, Status};

use crate::{
    acts::TWO,
    cutting::Cut,
    world::{Outside, World, failure, json},
};

const WAIT: &str = r#"
    --- workflows/wait.yaml
    workflow: wait
    result: { value: { by: =nod.by, body: =nod.body, order: =order.id } }
    stages:
      - stage: only
        steps:
          - { step: order, set: { id: =input.id } }
          - { step: nod, wait: { signal: approved, for: 3d } }
"#;

#[tokio::test]
async fn a_wait_holds_no_worker_and_ends_by_time() {
    let world = World::new(WAIT, Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"id": 5}"#)).await.run;
    let row = world.settled(run).await;
    assert_eq!(
        (row.status, row.owner, row.waits_for.as_deref()),
        (Status::Waiting, None, Some("signal approved at `nod`"))
    );
    assert_eq!(world.driven(run).await.status, Status::Completed);
    expect![[r#"
        1   run started: wait
        2   order: done {"id":5}
        3   nod: waits for signal approved until 2030-01-04T00:00:00.000Z
        4   nod: time is up
        5   stage only done
        6   run completed {"body":null,"by":"time","order":5}
    "#]]
    .assert_eq(&world.outline(run).await);
}

#[tokio::test]
async fn a_signal_counts_once_whenever_it_comes() {
    for early in [true, false] {
        let world = World::new(WAIT, Outside::echo());
        let idle = world.runtime_on(world.store.clone());
        idle.deploy(&world.project.bundle).await.unwrap();
        let run = idle.start(world.start(r#"{"id": 5}"#)).await.unwrap().run;
        let signal = async || idle.signal(run, "approved", json("true"), Some("m1".into()), "ada").await.unwrap();
        if early {
            assert!(matches!(signal().await, Posted::New { seq: 1, owner: None }));
        }
        let life = world.boot().await;
        if !early {
            world.settled(run).await;
            life.runtime.signal(run, "other", Value::Null, None, "ada").await.unwrap();
            world.settled(run).await;
            let posted = life.runtime.signal(run, "approved", json("true"), Some("m1".into()), "ada").await.unwrap();
            assert!(matches!(posted, Posted::New { seq: 2, .. }));
        }
        let ended = life.runtime.finished(run).await.unwrap();
        assert_eq!(ended.result, Some(json(r#"{"body": true, "by": "signal", "order": 5}"#)));
        assert!(matches!(signal().await, Posted::Known { .. }));
        let late = life.runtime.signal(run, "approved", Value::Null, None, "ada").await.unwrap_err();
        assert!(matches!(late, RunError::Over { status: Status::Completed, .. }), "{late}");
        world.check_store().await.unwrap();
    }
}

#[tokio::test]
async fn a_signal_in_the_moment_of_the_suspend_is_not_slept_over() {
    assert!(hears_the_signal(None).await);
}

/// Whether a signal that comes between the last look and the suspend ends the wait.
pub async fn hears_the_signal(mutant: Option<&'static str>) -> bool {
    let mut world = World::new(WAIT, Outside::echo());
    world.mutant = mutant;
    let (life, cutting) = world.boot_cut(Cut::Never).await;
    let message = Message {
        seq: 0,
        id: "m1".into(),
        kind: "signal".into(),
        name: "approved".into(),
        sender: "ada".into(),
        body: Vec::from(*b"true").into(),
        at: world.now(),
    };
    *crate::world::lock(&cutting.at_suspend) = Some(message);
    let run = life.start(world.start(r#"{"id": 5}"#)).await.run;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    let row = world.row(run).await;
    life.crash().await;
    row.status == Status::Completed
}

#[tokio::test]
async fn a_hold_that_is_lifted_between_the_last_look_and_the_suspend_is_waited_for_no_more() {
    use kernel::governance::charter::Change;

    let text = r#"
    --- workflows/put.yaml
    workflow: put
    result: { value: =put.id }
    stages:
      - stage: only
        steps:
          - { step: put, act: box.put, with: { id: =input.id } }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent } }
"#;
    let world = World::new(text, Outside::echo());
    let (life, cutting) = world.boot_cut(Cut::Never).await;
    let asker = runtime::govern::Asker { by: "ada".into(), auth: "local".into() };
    life.runtime.hold("tool:box", "it is looked at", &asker).await.unwrap();
    let release = Change::Release { scope: "tool:box".into(), reason: "it is well".into() };
    *crate::world::lock(&cutting.governs_at_suspend) = Some(store::Change {
        at: world.now(),
        by: "ada".into(),
        auth: "local".into(),
        body: release.to_bytes(),
        expect: None,
        wake: Some("the release of tool:box,".into()),
    });
    let run = life.start(world.start(r#"{"id": 5}"#)).await.run;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.row(run).await.status, Status::Completed, "{}", world.outline(run).await);
}

#[tokio::test]
async fn a_clock_that_goes_back_makes_no_entry_older() {
    times_go_forward(None).await.unwrap();
}

/// Whether entries keep their order in time although the clock goes back.
pub async fn times_go_forward(mutant: Option<&'static str>) -> Result<(), String> {
    let mut world = World::new(WAIT, Outside::echo());
    world.mutant = mutant;
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"id": 5}"#)).await.run;
    world.settled(run).await;
    world.clock.set(Timestamp::from_micros(world.now().micros() - 3_600_000_000));
    life.runtime.signal(run, "approved", Value::Null, None, "ada").await.map_err(|why| why.to_string())?;
    world.clock.advance(Span::from_millis(1_000));
    if world.settled(run).await.status != Status::Completed {
        return Err(format!("not over:\n{}", world.outline(run).await));
    }
    let times: Vec<_> = world.journal(run).await.into_iter().map(|(entry, _)| entry.at).collect();
    if times.is_sorted() { Ok(()) } else { Err(format!("{times:?}")) }
}

#[tokio::test]
async fn what_was_decided_before_a_wait_is_known_after_it() {
    assert!(remembers_over_a_wait(None).await);
}

/// Whether what was decided before a wait is still known after it.
pub async fn remembers_over_a_wait(mutant: Option<&'static str>) -> bool {
    let mut world = World::new(WAIT, Outside::echo());
    world.mutant = mutant;
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"id": 5}"#)).await.run;
    let row = world.settled(run).await;
    if let Some(at) = row.wake_at {
        world.pass_to(at);
    }
    world.settled(run).await.status == Status::Completed
}

#[tokio::test]
async fn a_paused_run_waits_for_a_person_and_goes_on() {
    let world = World::new(WAIT, Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"id": 5}"#)).await.run;
    world.settled(run).await;
    life.runtime.pause(run, "ada").await.unwrap();
    let row = world.settled(run).await;
    assert_eq!((row.status, row.wake_at), (Status::Paused, None));
    life.runtime.signal(run, "approved", Value::Null, None, "bob").await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Paused, "a signal does not resume");
    life.runtime.resume(run, "ada").await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Completed);
    expect![[r#"
        1   run started: wait
        2   order: done {"id":5}
        3   nod: waits for signal approved until 2030-01-04T00:00:00.000Z
        4   pause asked by ada
        5   signal approved from bob, message 2 null
        6   resume asked by ada
        7   nod: woken by message 2 {"body":null,"by":"signal","name":"approved","sender":"bob"}
        8   stage only done
        9   run completed {"body":null,"by":"signal","order":5}
    "#]]
    .assert_eq(&world.outline(run).await);
}

#[tokio::test]
async fn a_pause_while_a_tool_is_at_work_brings_that_to_its_end() {
    let world = World::new(TWO, Outside::echo());
    world.outside.hold("box.put");
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    world.until("the call", |outside| outside.asked("box.put").len() == 1).await;
    life.runtime.pause(run, "ada").await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.row(run).await.status, Status::Running);
    world.outside.release("box.put");
    assert_eq!(world.settled(run).await.status, Status::Paused);
    assert_eq!(world.outside.asked("box.get").len(), 0);
    life.runtime.resume(run, "ada").await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Completed);
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn cancel_works_in_every_state() {
    // Queued: nobody has it yet.
    let world = World::new(WAIT, Outside::echo());
    let idle = world.runtime_on(world.store.clone());
    idle.deploy(&world.project.bundle).await.unwrap();
    let run = idle.start(world.start(r#"{"id": 5}"#)).await.unwrap().run;
    idle.cancel(run, "ada").await.unwrap();
    let life = world.boot().await;
    assert_eq!(life.runtime.finished(run).await.unwrap().end, End::Cancelled);

    // Waiting, and paused.
    for paused in [false, true] {
        let mut start = world.start(r#"{"id": 5}"#);
        start.key = None;
        let run = life.start(start).await.run;
        world.settled(run).await;
        if paused {
            life.runtime.pause(run, "ada").await.unwrap();
            assert_eq!(world.settled(run).await.status, Status::Paused);
        }
        life.runtime.cancel(run, "ada").await.unwrap();
        assert_eq!(world.settled(run).await.status, Status::Cancelled);
    }
    world.check_store().await.unwrap();

    // At work: what is open is brought to its end first.
    let world = World::new(TWO, Outside::echo());
    world.outside.hold("box.put");
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    world.until("the call", |outside| outside.asked("box.put").len() == 1).await;
    life.runtime.cancel(run, "ada").await.unwrap();
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(world.row(run).await.status, Status::Running);
    world.outside.release("box.put");
    assert_eq!(world.settled(run).await.status, Status::Cancelled);
    assert_eq!(world.outside.asked("box.get").len(), 0);
    world.check_store().await.unwrap();

    // Between two tries: what may have been performed is for a person first.
    let world = World::new(TWO, Outside::new(|_, _, _| Err(failure(FailureKind::ToolTimeout, Phase::MaybeSent))));
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    assert_eq!(world.settled(run).await.status, Status::Waiting);
    life.runtime.cancel(run, "ada").await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Waiting);
    let unknown = life.runtime.effects(true).await.unwrap();
    let step = StepPath::new(unknown[0].action.step.clone());
    let ada = Asker { by: "ada".into(), auth: "local".into() };
    life.runtime.resolve(run, (&step, None), Outcome::NotPerformed, "looked", &ada).await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Cancelled);
    world.check_store().await.unwrap();

    // Nothing has left before the next try.
    let world = World::new(TWO, Outside::new(|_, _, _| Err(failure(FailureKind::ToolError, Phase::NotSent))));
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    assert_eq!(world.settled(run).await.status, Status::Waiting);
    life.runtime.cancel(run, "ada").await.unwrap();
    assert_eq!(world.settled(run).await.status, Status::Cancelled);
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_finishes_what_is_open_and_gives_the_rest_back() {
    let world = World::new(TWO, Outside::echo());
    world.outside.hold("box.put");
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"text": "a"}"#)).await.run;
    world.until("the call", |outside| outside.asked("box.put").len() == 1).await;
    let leaving = tokio::spawn(life.leave());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert!(!leaving.is_finished());
    world.outside.release("box.put");
    leaving.await.unwrap();
    let row = world.row(run).await;
    assert_eq!((row.status, row.strikes), (Status::Queued, 0));
    assert_eq!(world.outside.asked("box.get").len(), 0);
    let life = world.boot().await;
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json(r#"{"text": "a"}"#)));
    assert_eq!(world.outside.asked("box.put").len(), 1);
}

#[tokio::test]
async fn many_parked_runs_leave_nothing_behind_and_all_come_back() {
    let mut world = World::new(WAIT, Outside::echo());
    world.config.most_runs = 8;
    world.config.claim = 4;
    let life = world.boot().await;
    let mut runs = Vec::new();
    for id in 0..100 {
        let mut start = world.start(&format!(r#"{{"id": {id}}}"#));
        start.key = None;
        runs.push(life.start(start).await.run);
    }
    for run in &runs {
        assert_eq!(world.settled(*run).await.status, Status::Waiting);
    }
    let at = world.row(runs[0]).await.wake_at.unwrap();
    world.pass_to(at);
    for run in &runs {
        assert_eq!(world.settled(*run).await.status, Status::Completed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_signal_is_lost_however_it_meets_the_suspend() {
    let world = World::new(WAIT, Outside::echo());
    let life = world.boot().await;
    let mut lanes = tokio::task::JoinSet::new();
    for lane in 0..200_usize {
        let (runtime, mut start) = (life.runtime.clone(), world.start(r#"{"id": 5}"#));
        start.key = None;
        lanes.spawn(async move {
            let run = runtime.start(start).await.unwrap().run;
            for _ in 0..lane % 20 {
                tokio::task::yield_now().await;
            }
            runtime.signal(run, "approved", json("true"), None, "ada").await.unwrap();
            runtime.finished(run).await.unwrap().result
        });
    }
    while let Some(result) = lanes.join_next().await {
        assert_eq!(result.unwrap(), Some(json(r#"{"body": true, "by": "signal", "order": 5}"#)));
    }
    world.check_store().await.unwrap();
    life.leave().await;
}
