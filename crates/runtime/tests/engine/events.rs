//! Events between runs: kept, and heard of once by whoever waits for them, before or after, whatever dies.

use std::sync::Arc;

use expect_test::expect;
use kernel::{ids::RunId, journal::Topic, next::Starter, values::Value};
use runtime::Start;
use store::{RunQuery, Status};

use crate::{
    cutting::Cut,
    world::{Life, Outside, World, json},
};

const SHOP: &str = r#"
    --- workflows/pays.yaml
    workflow: pays
    result: { value: =told.event }
    stages:
      - stage: only
        steps:
          - { step: pay, act: box.put, with: { text: =input.order } }
          - { step: told, emit: { event: order.paid, key: =input.order, data: { cents: =input.cents } } }
          - { step: after, act: box.put, with: { text: after } }
    --- workflows/ships.yaml
    workflow: ships
    result: { value: { by: =paid.by, body: =paid.body } }
    stages:
      - stage: only
        steps:
          - step: paid
            wait: { any: [ { event: order.paid, key: =input.order }, { signal: never_mind }, { for: 2d }, { until: input.until } ] }
          - { step: ship, act: box.put, with: { text: ship } }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent } }
"#;

fn start(world: &World, workflow: &str, key: &str, input: &str) -> Start {
    Start {
        bundle: world.project.bundle.digest,
        workflow: workflow.into(),
        input: json(input),
        key: Some(key.into()),
        tenant: None,
        starter: Starter::default(),
    }
}

const PAYS: &str = r#"{"order": "o7", "cents": 5}"#;
const SHIPS: &str = r#"{"order": "o7", "until": "2031-01-01"}"#;

async fn result(world: &World, run: RunId) -> String {
    let outline = world.outline(run).await;
    outline.lines().last().and_then(|line| line.split_once("run ")).map_or(outline.clone(), |(_, end)| end.to_owned())
}

async fn both(world: &World, life: &Life, first: &str) -> (RunId, RunId) {
    let mut ids = [None, None];
    let order = if first == "pays" { ["pays", "ships"] } else { ["ships", "pays"] };
    for workflow in order {
        let input = if workflow == "pays" { PAYS } else { SHIPS };
        let run = life.runtime.start(start(world, workflow, workflow, input)).await.unwrap().run;
        world.settled(run).await;
        ids[usize::from(workflow == "ships")] = Some(run);
    }
    for run in ids.into_iter().flatten() {
        world.settled(run).await;
    }
    (ids[0].unwrap(), ids[1].unwrap())
}

#[tokio::test]
async fn an_event_is_heard_of_by_who_waits_and_by_who_waits_later() {
    for first in ["ships", "pays"] {
        let world = World::new(SHOP, Outside::echo());
        let life = world.boot().await;
        let (_, ships) = both(&world, &life, first).await;
        let end = result(&world, ships).await;
        assert_eq!(end, r#"completed {"body":{"cents":5},"by":"event"}"#, "{first} first");
        world.check_store().await.unwrap();
        life.leave().await;
    }
}

#[tokio::test]
async fn only_the_same_key_counts_and_time_or_a_signal_may_come_first() {
    let world = World::new(SHOP, Outside::echo());
    let life = world.boot().await;
    let other = SHIPS.replace("o7", "o8");
    let runs = [("ships", other.as_str()), ("signalled", SHIPS), ("pays", PAYS)];
    let mut ids = Vec::new();
    for (key, input) in runs {
        let workflow = if key == "pays" { "pays" } else { "ships" };
        if key == "pays" {
            life.runtime.signal(ids[1], "never_mind", Value::Null, None, "ada").await.unwrap();
            world.settled(ids[1]).await;
        }
        ids.push(life.runtime.start(start(&world, workflow, key, input)).await.unwrap().run);
        world.settled(ids[ids.len() - 1]).await;
    }
    assert_eq!(world.row(ids[0]).await.status, Status::Waiting);
    assert_eq!(result(&world, ids[1]).await, r#"completed {"body":null,"by":"signal"}"#);
    let waits = world.row(ids[0]).await.waits_for;
    assert_eq!(waits.as_deref(), Some("signal never_mind or event order.paid o8 at `paid`"));
    // A person publishes it, and once more under the same name.
    let topic = Topic { event: "order.paid".into(), key: "o8".into() };
    let place: (Option<Arc<str>>, Arc<str>) = (None, "".into());
    for new in [true, false] {
        let data = Value::Int(1);
        let told =
            life.runtime.publish(place.clone(), topic.clone(), data, (Some("p1".into()), None), "ada").await.unwrap();
        assert_eq!(told, new);
    }
    world.settled(ids[0]).await;
    let row = world.row(ids[0]).await;
    assert_eq!((row.status, row.inbox_gen), (Status::Completed, 1));
    let outline = world.outline(ids[0]).await;
    expect![[r#"
        1   run started: ships
        2   paid: waits for signal never_mind or event order.paid o8 until 2030-01-03T00:00:00.000Z
        3   event order.paid o8 from ada, message 1 1
        4   paid: woken by message 1 {"body":1,"by":"event","name":"order.paid","sender":"ada"}
        5   ship: started box.put {"text":"ship"}
        6   ship: finished {"text":"ship"}
        7   stage only done
        8   run completed {"body":1,"by":"event"}
    "#]]
    .assert_eq(&outline);
    life.leave().await;
}

#[tokio::test]
async fn whoever_dies_anywhere_an_event_is_published_and_heard_of_once() {
    let (mut at, mut appends, mut deaths) = (0, 1, 0);
    while at < appends {
        at += 1;
        for cut in [Cut::Never, Cut::Before(at), Cut::After(at)] {
            for first in ["ships", "pays"] {
                let world = World::new(SHOP, Outside::echo());
                let (life, cutting) = world.boot_cut(cut).await;
                let whole = tokio::select! {
                    biased;
                    () = cutting.silence() => false,
                    _ = both(&world, &life, first) => true,
                };
                for _ in 0..100 {
                    tokio::task::yield_now().await;
                }
                life.crash().await;
                let life = world.boot().await;
                let (pays, ships) = both(&world, &life, first).await;
                life.leave().await;
                deaths += u32::from(!whole);
                appends = cutting.appends().max(appends);
                assert_eq!(world.store.runs(RunQuery::default()).await.unwrap().len(), 2, "{cut:?}");
                assert_eq!(world.row(pays).await.status, Status::Completed, "{cut:?}");
                let end = result(&world, ships).await;
                assert_eq!(end, r#"completed {"body":{"cents":5},"by":"event"}"#, "{cut:?} {first} first");
                let heard = world.store.inbox(ships, 0).await.unwrap();
                assert_eq!(heard.len(), 1, "{cut:?} {first} first: {heard:?}");
                world.check_store().await.unwrap();
            }
        }
    }
    assert!(deaths >= 20, "{deaths}");
}
