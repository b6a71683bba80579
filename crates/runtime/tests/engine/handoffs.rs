//! Work that is handed to another workflow: its run begins and ends with entries of the run that waits for it, whatever dies.

use std::collections::BTreeSet;

use expect_test::expect;
use kernel::{
    ids::RunId,
    journal::Event,
    recovery::{FailureKind, Phase},
    values::Value,
};
use store::{RunQuery, RunRow, Status};

use crate::{
    cutting::Cut,
    world::{Life, Outside, World, failure, lock},
};

const DESK: &str = r#"
    --- workflows/desk.yaml
    workflow: desk
    input: schemas/ask.yaml
    result: { value: { refund: =call.refund, kept: =keep.text } }
    stages:
      - stage: only
        steps:
          - { step: look, act: box.get, with: { key: =input.payment } }
          - step: call
            handoff:
              to: { workflow: refunds }
              task: "Refund {{ input.payment }}"
              with: { payment: =input.payment, key: =look.key }
              contract: schemas/refunded.yaml
              accept: claims
              timeout: 2d
          - { step: keep, act: box.put, with: { text: =call.refund } }
    --- workflows/refunds.yaml
    workflow: refunds
    input: schemas/payment.yaml
    result: { value: { refund: =pay.text } }
    stages:
      - stage: only
        steps:
          - { step: pay, act: box.put, with: { text: "refund of {{ input.payment }}" } }
          - { step: rest, wait: { for: 1s } }
    --- schemas/ask.yaml
    type: object
    required: [ payment ]
    properties: { payment: { type: string } }
    --- schemas/payment.yaml
    type: object
    required: [ payment ]
    properties: { payment: { type: string }, key: {} }
    --- schemas/refunded.yaml
    type: object
    required: [ refund ]
    properties: { refund: { type: string } }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent }, get: { effect: read } }
"#;

const INPUT: &str = r#"{"payment": "p1"}"#;

/// Lets time pass until all runs are over, or wait for something that time does not bring.
async fn all(world: &World) -> Vec<RunRow> {
    for _ in 0..100 {
        let rows = world.store.runs(RunQuery::default()).await.unwrap();
        let mut due = None;
        for row in &rows {
            let row = world.settled(row.run).await;
            if row.status == Status::Waiting
                && let Some(at) = row.wake_at
            {
                due = Some(due.map_or(at, |due: kernel::values::Timestamp| due.min(at)));
            }
        }
        let now = world.store.runs(RunQuery::default()).await.unwrap();
        let quiet = now.iter().zip(&rows).all(|(now, then)| now.run == then.run && now.head == then.head);
        match due {
            _ if !quiet || now.len() != rows.len() => {}
            Some(at) => world.pass_to(at),
            None => return now,
        }
    }
    panic!("the runs do not come to an end");
}

async fn begun(text: &str, outside: std::sync::Arc<Outside>, input: &str) -> (World, Life, RunId) {
    let world = World::new(text, outside);
    let life = world.boot().await;
    let run = life.start(world.start(input)).await.run;
    world.settled(run).await;
    (world, life, run)
}

async fn child(world: &World, parent: RunId) -> RunRow {
    let rows = world.store.runs(RunQuery { parent: Some(parent), ..RunQuery::default() }).await.unwrap();
    let [row] = &rows[..] else { panic!("one child, got {rows:?}") };
    row.clone()
}

/// Run ids hold the time and are no part of what is told.
async fn told(world: &World, run: RunId) -> String {
    let outline = world.outline(run).await;
    let words = outline.split_inclusive([' ', ')', ',', '\n']).map(|word| match word.find("run_") {
        Some(at) if word.len() > at + 36 => format!("{}run{}", &word[..at], &word[at + 36..]),
        _ => word.to_owned(),
    });
    words.collect()
}

#[tokio::test]
async fn a_result_crosses_and_nobody_waits_for_it_in_memory() {
    let (world, life, run) = begun(DESK, Outside::echo(), INPUT).await;
    let row = world.row(run).await;
    assert_eq!((row.status, row.owner), (Status::Waiting, None));
    assert!(
        row.waits_for.as_deref().is_some_and(|what| what.starts_with("workflow refunds at `call` (run_")),
        "{row:?}"
    );
    let rows = all(&world).await;
    assert!(rows.iter().all(|row| row.status == Status::Completed), "{rows:?}");
    let other = child(&world, run).await;
    expect![[r#"
        1   run started: desk
        2   look: started box.get {"key":"p1"}
        3   look: finished {"key":"p1"}
        4   call: handed to workflow refunds until 2030-01-03T00:00:00.000Z (run)
        5   call: run completed {"refund":"refund of p1"}
        6   call: came back {"refund":"refund of p1"}
        7   keep: started box.put {"text":"refund of p1"}
        8   keep: finished {"text":"refund of p1"}
        9   stage only done
        10  run completed {"kept":"refund of p1","refund":"refund of p1"}
    "#]]
    .assert_eq(&told(&world, run).await);
    expect![[r#"
        1   run started: refunds
        2   pay: started box.put {"text":"refund of p1"}
        3   pay: finished {"text":"refund of p1"}
        4   rest: waits until 2030-01-01T00:00:01.000Z
        5   rest: time is up
        6   stage only done
        7   run completed {"refund":"refund of p1"}
    "#]]
    .assert_eq(&told(&world, other.run).await);
    // What the other run did is reachable from this one, by its evidence id.
    let facts = world.journal(run).await.into_iter().find_map(|(_, event)| match event {
        Event::ChildReported { facts, .. } => Some(facts.to_json()),
        _ => None,
    });
    let facts = facts.unwrap().replace(&other.run.to_string(), "CHILD");
    assert_eq!(facts, r#"[{"evidence":"CHILD/2","performed":"box.put","resource":null,"step":"pay"}]"#);
    let started = world.journal(other.run).await.remove(0).1;
    let Event::RunStarted { parent: Some(parent), by, project, .. } = started else { panic!("{started:?}") };
    assert_eq!((parent.run, parent.step.as_str(), &*parent.above), (run, "call", &["desk".into()][..]));
    assert_eq!((by, &*project), (None, ""));
    world.check_store().await.unwrap();
    life.leave().await;
}

/// What came of both runs, and what was sent to the outside.
async fn outcome(world: &World) -> (Vec<(String, Status, String)>, BTreeSet<(String, String, String)>) {
    let mut runs = Vec::new();
    for row in world.store.runs(RunQuery::default()).await.unwrap() {
        let last = told(world, row.run).await.lines().last().unwrap_or_default().to_owned();
        let end = last.split_once("run ").map(|(_, end)| end.to_owned()).unwrap_or_default();
        runs.push((row.workflow.to_string(), row.status, end));
    }
    let asked =
        lock(&world.outside.log).iter().map(|one| (one.what.clone(), one.key.clone(), one.input.clone())).collect();
    (runs, asked)
}

#[tokio::test]
async fn whoever_dies_anywhere_starts_one_child_and_hears_of_its_end_once() {
    assert!(die_everywhere(false).await >= 16);
}

#[tokio::test]
async fn the_same_of_handoffs_with_a_commit_after_every_step() {
    assert!(die_everywhere(true).await >= 20);
}

async fn die_everywhere(every_step: bool) -> u32 {
    let mut appends = 1;
    let mut at = 0;
    let mut deaths = 0;
    while at < appends {
        at += 1;
        for cut in [Cut::Never, Cut::Before(at), Cut::After(at)] {
            let mut world = World::new(DESK, Outside::echo());
            world.config.commit_every_step = every_step;
            let (life, cutting) = world.boot_cut(cut).await;
            let played = async {
                life.runtime.start(world.start(INPUT)).await.unwrap();
                all(&world).await
            };
            let whole = tokio::select! {
                biased;
                () = cutting.silence() => false,
                _ = played => true,
            };
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
            life.crash().await;
            if !whole {
                let life = world.boot().await;
                life.runtime.start(world.start(INPUT)).await.unwrap();
                all(&world).await;
                life.leave().await;
                deaths += 1;
            }
            appends = cutting.appends().max(appends);
            let (mut runs, asked) = outcome(&world).await;
            runs.sort();
            let ended = |name: &str, end: &str| (name.to_owned(), Status::Completed, end.to_owned());
            let wanted = [
                ended("desk", r#"completed {"kept":"refund of p1","refund":"refund of p1"}"#),
                ended("refunds", r#"completed {"refund":"refund of p1"}"#),
            ];
            assert_eq!(runs, wanted, "{cut:?}");
            // Each act under one key of its own, with the same bytes.
            let keys: BTreeSet<_> = asked.iter().map(|(_, key, _)| key).collect();
            assert_eq!((keys.len(), asked.len()), (3, 3), "{cut:?}: {asked:?}");
            let parent =
                world.store.runs(RunQuery { workflow: Some("desk".into()), ..RunQuery::default() }).await.unwrap();
            assert_eq!(world.store.inbox(parent[0].run, 0).await.unwrap().len(), 1, "{cut:?}");
            world.check_store().await.unwrap();
        }
    }
    deaths
}

#[tokio::test]
async fn a_child_that_fails_fails_the_step_and_is_named() {
    let outside = Outside::new(|asked, _, input| match asked.input.contains("refund of") {
        true => Err(failure(FailureKind::ToolRejected, Phase::Answered)),
        false => Ok(input.clone()),
    });
    let (world, life, run) = begun(DESK, outside, INPUT).await;
    all(&world).await;
    let row = world.row(run).await;
    assert_eq!((row.status, row.failure.as_deref()), (Status::Failed, Some("handoff_failed")));
    let told = told(&world, run).await;
    assert!(told.contains("workflow `refunds` (run) failed with tool_rejected: as told"), "{told}");
    life.leave().await;
}

#[tokio::test]
async fn who_is_not_done_in_time_is_cancelled() {
    let slow = DESK.replace("wait: { for: 1s }", "wait: { signal: never }");
    let (world, life, run) = begun(&slow, Outside::echo(), INPUT).await;
    all(&world).await;
    let row = world.row(run).await;
    assert_eq!((row.status, row.failure.as_deref()), (Status::Failed, Some("no_answer")));
    let other = child(&world, run).await;
    assert_eq!(other.status, Status::Cancelled);
    // It tells its parent, which is over and does not hear it.
    assert_eq!(world.store.inbox(run, 0).await.unwrap(), []);
    world.check_store().await.unwrap();
    life.leave().await;
}

#[tokio::test]
async fn a_step_that_is_tried_again_starts_another_run_and_an_old_word_changes_nothing() {
    let slow = DESK.replace("wait: { for: 1s }", "wait: { signal: go }").replace(
        "timeout: 2d",
        "timeout: 2d\n            on_failure: { no_answer: [ { retry: 1, every: 1s, backoff: constant } ] }",
    );
    let (world, life, run) = begun(&slow, Outside::echo(), INPUT).await;
    let first = child(&world, run).await;
    world.pass_to(world.row(run).await.wake_at.unwrap());
    world.settled(run).await;
    world.settled(first.run).await;
    world.settled(run).await;
    assert_eq!(world.row(first.run).await.status, Status::Cancelled);
    world.pass_to(world.row(run).await.wake_at.unwrap());
    world.settled(run).await;
    let rows = world.store.runs(RunQuery { parent: Some(run), ..RunQuery::default() }).await.unwrap();
    let [second, again] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(again.run, first.run);
    assert_ne!(second.run, first.run);
    life.runtime.signal(second.run, "go", Value::Null, None, "ada").await.unwrap();
    all(&world).await;
    assert_eq!(world.row(run).await.status, Status::Completed, "{}", told(&world, run).await);
    world.check_store().await.unwrap();
    life.leave().await;
}

#[tokio::test]
async fn a_cancelled_run_takes_its_children_with_it() {
    let slow = DESK.replace("wait: { for: 1s }", "wait: { signal: never }");
    for undo in [false, true] {
        let (world, life, run) = begun(&slow, Outside::echo(), INPUT).await;
        let other = child(&world, run).await;
        world.settled(other.run).await;
        match undo {
            true => life.runtime.cancel_and_undo(run, "ada").await.unwrap(),
            false => life.runtime.cancel(run, "ada").await.unwrap(),
        };
        all(&world).await;
        assert_eq!(world.row(run).await.status, Status::Cancelled);
        assert_eq!(world.row(other.run).await.status, Status::Cancelled);
        let told = told(&world, other.run).await;
        assert_eq!(told.contains("undo"), undo, "{told}");
        world.check_store().await.unwrap();
        life.leave().await;
    }
}

#[tokio::test]
async fn a_branch_that_is_not_needed_cancels_what_it_had_handed_over() {
    let race = r#"
    --- workflows/race.yaml
    workflow: race
    result: { value: =first }
    stages:
      - stage: only
        steps:
          - step: first
            each: "['fast', 'slow']"
            as: name
            join: any
            steps:
              - step: call
                handoff: { to: { workflow: runner }, task: run, with: { name: =name }, contract: schemas/name.yaml, accept: claims }
    --- workflows/runner.yaml
    workflow: runner
    input: schemas/name.yaml
    result: { value: { name: =input.name } }
    stages:
      - stage: only
        steps:
          - { step: rest, when: input.name == "slow", wait: { signal: never } }
    --- schemas/name.yaml
    type: object
    required: [ name ]
    properties: { name: { type: string } }
    "#;
    let (world, life, run) = begun(race, Outside::echo(), "{}").await;
    all(&world).await;
    let row = world.row(run).await;
    assert_eq!(row.status, Status::Completed, "{}", told(&world, run).await);
    let rows = world.store.runs(RunQuery { parent: Some(run), ..RunQuery::default() }).await.unwrap();
    let ends: BTreeSet<Status> = rows.iter().map(|row| row.status).collect();
    assert_eq!(ends, [Status::Completed, Status::Cancelled].into(), "{rows:?}");
    life.leave().await;
}

#[tokio::test]
async fn a_contract_is_kept_at_run_time_and_the_one_who_broke_it_is_named() {
    // Nothing is known of the answer before it is there.
    let loose = DESK.replace("text: \"refund of {{ input.payment }}\"", "text: 7");
    let (world, life, run) = begun(&loose, Outside::echo(), INPUT).await;
    all(&world).await;
    assert_eq!(world.row(run).await.failure.as_deref(), Some("contract_violated"));
    let text = told(&world, run).await;
    assert!(text.contains("the result of workflow `refunds` (run) does not fit the contract"), "{text}");
    life.leave().await;

    let loose = DESK.replace("{ payment: =input.payment, key", "{ payment: =look.number, key");
    let (world, life, run) =
        begun(&loose, Outside::new(|_, _, _| Ok(Value::map([("number", Value::Int(5)), ("key", Value::Null)]))), INPUT)
            .await;
    all(&world).await;
    assert_eq!(world.row(run).await.failure.as_deref(), Some("input_invalid"));
    let text = told(&world, run).await;
    assert!(text.contains("what workflow `desk` hands to workflow `refunds` does not fit its input"), "{text}");
    assert_eq!(world.store.runs(RunQuery { parent: Some(run), ..RunQuery::default() }).await.unwrap(), []);
    life.leave().await;
}

#[tokio::test]
async fn an_act_outside_the_scope_is_denied_whatever_allows_it() {
    let narrow = DESK.replace("accept: claims", "accept: claims\n              scope: { tools: [ box.get ] }");
    let (world, life, run) = begun(&narrow, Outside::echo(), INPUT).await;
    all(&world).await;
    let other = child(&world, run).await;
    assert_eq!((other.status, other.failure.as_deref()), (Status::Failed, Some("permission_denied")));
    let text = told(&world, other.run).await;
    assert!(
        text.contains("denied by handoff-scope: `box.put` is outside the scope in which workflow `desk`"),
        "{text}"
    );
    assert_eq!(world.outside.asked("box.put"), []);
    life.leave().await;
}

#[tokio::test]
async fn what_a_child_spends_is_its_parents_and_never_more_than_that_has_left() {
    // One call for the look, one for the child, one for the end.
    let tight = |calls| {
        DESK.replace("    workflow: desk\n", &format!("    workflow: desk\n    budget: {{ calls: {calls} }}\n"))
    };
    let ends = async |text: String| {
        let (world, life, run) = begun(&text, Outside::echo(), INPUT).await;
        all(&world).await;
        life.leave().await;
        let text = told(&world, run).await;
        (world, run, text)
    };
    let (world, run, text) = ends(tight(3)).await;
    assert_eq!(world.row(run).await.status, Status::Completed, "{text}");
    let scope = world.journal(child(&world, run).await.run).await.into_iter().find_map(|(_, event)| match event {
        Event::RunStarted { parent, .. } => parent.and_then(|parent| parent.scope.budget),
        _ => None,
    });
    assert_eq!(scope.and_then(|limit| limit.calls), Some(2), "what is left after the look");
    // The child has taken the last one.
    let (world, run, text) = ends(tight(2)).await;
    assert_eq!(world.row(run).await.status, Status::Paused, "{text}");
    assert!(text.contains("keep: failed, budget_exceeded: `run` has no room for 1 call more: 0 calls of 2"), "{text}");
    // Nothing is left to hand over. A budget that no run fits is refused before, so the last step is one that not every run does.
    let last = tight(1).replace("step: keep, act", "step: keep, when: call.refund != \"none\", act");
    let (world, run, text) = ends(last.replace("kept: =keep.text", "kept: =ran(keep)")).await;
    assert!(text.contains("nothing is left to hand to workflow `refunds`"), "{text}");
    assert_eq!(world.store.runs(RunQuery { parent: Some(run), ..RunQuery::default() }).await.unwrap(), []);
    // A bound of the handoff itself.
    let bound = DESK.replace("accept: claims", "accept: claims\n              scope: { budget: { calls: 0 } }");
    let (world, life, run) = begun(&bound, Outside::echo(), INPUT).await;
    let other = child(&world, run).await;
    assert_eq!(world.settled(other.run).await.status, Status::Paused);
    let text = told(&world, other.run).await;
    assert!(text.contains("pay: failed, budget_exceeded: `run` has no room for 1 call more: 0 calls of 0"), "{text}");
    assert_eq!(world.outside.asked("box.put"), []);
    life.leave().await;
}

#[tokio::test]
async fn work_is_not_handed_on_without_end() {
    let circle = r#"
    --- workflows/circle.yaml
    workflow: circle
    input: schemas/count.yaml
    result: { value: { count: =input.count } }
    stages:
      - stage: only
        steps:
          - step: again
            when: input.count < 100
            handoff: { to: { workflow: circle }, task: again, with: { count: "=input.count + 1" }, contract: schemas/count.yaml, accept: claims }
    --- schemas/count.yaml
    type: object
    required: [ count ]
    properties: { count: { type: integer } }
    "#;
    let (world, life, run) = begun(circle, Outside::echo(), r#"{"count": 1}"#).await;
    let rows = all(&world).await;
    assert_eq!(rows.len(), 8, "{rows:?}");
    assert!(rows.iter().all(|row| row.failure.as_deref() == Some("handoff_failed")), "{rows:?}");
    let text = told(&world, rows[0].run).await;
    assert!(text.contains("work is handed on 8 deep at most"), "{text}");
    assert_eq!(world.row(run).await.status, Status::Failed);
    life.leave().await;
}
