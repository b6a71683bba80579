//! What was done is taken back, once, whatever dies meanwhile.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use expect_test::expect;
use kernel::recovery::{FailureKind, Phase};
use store::Status;

use crate::{
    crash::everywhere,
    world::{Outside, World, failure, lock},
};

const SAGA: &str = r#"
    --- workflows/saga.yaml
    workflow: saga
    result: { value: =last }
    stages:
      - stage: only
        steps:
          - { step: hotel, act: box.put, with: { text: hotel }, undo: { act: box.take, with: { text: =hotel.text } } }
          - step: days
            each: input.days
            as: day
            steps:
              - { step: meal, act: box.put, with: { text: =day }, undo: { act: box.take, with: { text: =meal.text, day: =day } } }
          - { step: last, act: box.get, with: { text: last } }
        on_failure: { tool_rejected: [ undo, { continue_with: nothing } ] }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent }, take: { effect: idempotent }, get: { effect: read } }
"#;

/// The last step is rejected; each undo does not get through at first.
fn outside() -> Arc<Outside> {
    Outside::new(|asked, nth, input| match &*asked.what {
        "box.get" => Err(failure(FailureKind::ToolRejected, Phase::Answered)),
        "box.take" if nth == 1 => Err(failure(FailureKind::ToolError, Phase::NotSent)),
        _ => Ok(input.clone()),
    })
}

fn keys(outside: &Outside, what: &str) -> BTreeSet<String> {
    outside.asked(what).into_iter().map(|asked| asked.key).collect()
}

#[tokio::test]
async fn whoever_dies_around_an_undo_leaves_nothing_outside_and_takes_nothing_back_twice() {
    let made: Mutex<Vec<Arc<Outside>>> = Mutex::default();
    let deaths = everywhere(r#"{"days": ["mon", "tue"]}"#, || {
        let outside = outside();
        lock(&made).push(outside.clone());
        World::new(SAGA, outside)
    })
    .await
    .unwrap();
    assert!(deaths >= 20, "{deaths}");
    for outside in lock(&made).iter() {
        // A receiver that de-duplicates on keys has three puts and three takes.
        assert_eq!(keys(outside, "box.put").len(), 3, "{:?}", outside.asked("box.put"));
        assert_eq!(keys(outside, "box.take").len(), 3, "{:?}", outside.asked("box.take"));
    }
}

#[tokio::test]
async fn a_cancel_with_undo_takes_back_what_was_done_and_then_ends_the_run() {
    let text =
        SAGA.replace("{ step: last, act: box.get, with: { text: last } }", "{ step: last, wait: { signal: go } }");
    let world = World::new(&text, Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"days": ["mon"]}"#)).await.run;
    assert_eq!(world.driven(run).await.status, Status::Waiting);
    life.runtime.cancel_and_undo(run, "ann").await.unwrap();
    assert_eq!(world.driven(run).await.status, Status::Cancelled);
    expect![[r#"
        1   run started: saga
        2   hotel: started box.put {"text":"hotel"}
        3   hotel: finished {"text":"hotel"}
        4   days: over 1 items
        5   days[0]/meal: started box.put {"text":"mon"}
        6   days[0]/meal: finished {"text":"mon"}
        7   days[0]: gave {"text":"mon"}
        8   days: done [{"text":"mon"}]
        9   last: waits for signal go
        10  cancel and undo asked by ann
        11  takes back days[0]/meal, hotel
        12  days[0]/meal/undo: started box.take {"day":"mon","text":"mon"}
        13  days[0]/meal/undo: finished {"day":"mon","text":"mon"}
        14  hotel/undo: started box.take {"text":"hotel"}
        15  hotel/undo: finished {"text":"hotel"}
        16  run cancelled
    "#]]
    .assert_eq(&world.outline(run).await);
    world.check_store().await.unwrap();
    life.leave().await;
}
