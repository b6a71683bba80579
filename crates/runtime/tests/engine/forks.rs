//! Runs that go on from where others were: what they inherit, what they ask before they do it again, and failed runs tried again.

use std::sync::atomic::{AtomicBool, Ordering};

use expect_test::expect;
use kernel::{
    governance::approval::Decision,
    ids::RunId,
    journal::{Effects, Event, Topic},
    next::Starter,
    recovery::{FailureKind, Phase},
};
use runtime::{
    RunError, Runtime, Start,
    govern::{Asker, Decide},
};
use store::{ApprovalQuery, RunQuery, Status};

use crate::world::{Life, Outside, World, failure};

const PEOPLE: &str = "groups: { desk: {} }\npeople:\n  sue: { name: Sue, groups: [ desk ] }\n";

const SELL: &str = r#"
    --- workflows/sell.yaml
    workflow: sell
    result: { value: =ship }
    about: { order: =input.order }
    stages:
      - stage: only
        steps:
          - step: paid
            wait: { signal: paid }
          - step: rate
            reason: prompts/rate.md
            model: small
            see: { order: input.order }
            output: schemas/rating.yaml
          - step: ship
            act: store.ship
            with: { order: =input.order }
          - step: told
            wait: { signal: told }
    --- prompts/rate.md
    Rate {{ order }}.
    --- schemas/rating.yaml
    type: object
    required: [ score ]
    properties: { score: { type: integer } }
    --- tools/store.yaml
    tool: store
    native: true
    operations: { ship: { effect: idempotent } }
    --- people.yaml
    groups: { desk: {} }
    people:
      sue: { name: Sue, groups: [ desk ] }
"#;

fn asker(by: &str) -> Asker {
    Asker { by: by.into(), auth: "local".into() }
}

fn sells() -> World {
    World::new(
        SELL,
        Outside::new(|asked, _, _| {
            Ok(crate::world::json(if asked.what == "rate" { r#"{"score": 3}"# } else { r#"{"shipped": true}"# }))
        }),
    )
}

async fn begun(world: &World) -> (Life, RunId) {
    let life = world.boot().await;
    life.runtime.enact(&"test".into(), None, Some(PEOPLE), &asker("program")).await.unwrap();
    let starter = Starter { project: "test".into(), by: Some("tom".into()) };
    let run = life.start(Start { starter, ..world.start(r#"{"order": "A-1"}"#) }).await.run;
    world.settled(run).await;
    (life, run)
}

async fn signal(world: &World, runtime: &Runtime, run: RunId, name: &str) {
    runtime.signal(run, name, kernel::values::Value::Null, None, "ann").await.unwrap();
    world.settled(run).await;
}

async fn sold() -> (World, Life, RunId) {
    let world = sells();
    let (life, run) = begun(&world).await;
    signal(&world, &life.runtime, run, "paid").await;
    signal(&world, &life.runtime, run, "told").await;
    assert_eq!(world.row(run).await.status, Status::Completed);
    (world, life, run)
}

/// The journal without ids.
async fn outline(world: &World, run: RunId) -> String {
    let outline = world.outline(run).await;
    outline.lines().map(|line| format!("{}\n", line.split(" (apr_").next().unwrap_or_default())).collect()
}

#[tokio::test]
async fn a_fork_asks_before_it_does_a_second_time_what_its_source_did() {
    let (world, life, source) = sold().await;
    let before = world.journal(source).await;
    let forked = life.runtime.fork(source, Some(7), Effects::Ask, Some("zoe".into())).await.unwrap();
    assert_eq!((forked.of, forked.created), (source, true));
    let row = world.settled(forked.run).await;
    assert_eq!((row.status, row.fork.map(|fork| fork.run)), (Status::Waiting, Some(source)));
    assert_eq!(row.about, world.row(source).await.about);
    assert_eq!(world.outside.asked("store.ship").len(), 1, "nothing is done a second time before people said so");
    world.check_store().await.unwrap();
    let query = ApprovalQuery { run: Some(forked.run), ..ApprovalQuery::default() };
    let asked = life.runtime.approvals(query).await.unwrap().remove(0);
    let decide = Decide { approval: asked.id.clone(), decision: Decision::Approve, shown: None, reason: None };
    life.runtime.decide(decide, &asker("sue")).await.unwrap();
    world.settled(forked.run).await;
    signal(&world, &life.runtime, forked.run, "told").await;
    expect![[r#"
        1   run started: sell
        2   paid: waits for signal paid
        3   signal paid from ann, message 1 null
        4   paid: woken by message 1 {"body":null,"by":"signal","name":"paid","sender":"ann"}
        5   rate: asked model small, about 68 tokens
        6   rate: answered {"score":3}
        7   ship: asks desk by forked to approve store.ship {"order":"A-1"}
        8   ship: sue approved
        9   ship: started store.ship {"order":"A-1"}
        10  ship: finished {"shipped":true}
        11  told: waits for signal told
        12  signal told from ann, message 3 null
        13  told: woken by message 3 {"body":null,"by":"signal","name":"told","sender":"ann"}
        14  stage only done
        15  run completed {"shipped":true}
    "#]]
    .assert_eq(&outline(&world, forked.run).await);
    let shipped = world.outside.asked("store.ship");
    assert_eq!(shipped.len(), 2);
    assert_ne!(shipped[0].key, shipped[1].key);
    assert_eq!(world.outside.asked("rate").len(), 1, "what was inherited is not asked again");
    assert_eq!(world.journal(source).await, before, "the source is only read");
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_run_is_forked_where_nothing_is_in_progress() {
    let world = sells();
    let (life, source) = begun(&world).await;
    // It waits: the fork begins before the wait, and hears its own signals.
    let forked = life.runtime.fork(source, None, Effects::Live, None).await.unwrap();
    assert_eq!(forked.point.to_string(), "entry 1, because at entry 2 `paid` waits");
    world.settled(forked.run).await;
    for name in ["paid", "told"] {
        signal(&world, &life.runtime, forked.run, name).await;
    }
    assert_eq!(world.row(forked.run).await.status, Status::Completed);
    assert_eq!(world.row(source).await.status, Status::Waiting, "its source still waits");
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_fork_counts_its_messages_on_and_survives_a_crash() {
    let (world, life, source) = sold().await;
    let forked = life.runtime.fork(source, Some(7), Effects::Live, None).await.unwrap();
    let row = world.settled(forked.run).await;
    assert_eq!((row.inbox_gen, row.inbox_read), (1, 1), "the signal that its source read");
    life.crash().await;
    let life = world.boot().await;
    world.settled(forked.run).await;
    signal(&world, &life.runtime, forked.run, "told").await;
    let row = world.row(forked.run).await;
    assert_eq!((row.status, row.inbox_gen), (Status::Completed, 2));
    world.check_store().await.unwrap();
    // A fork of the fork: what it shows of models is what its first source asked.
    let again = life.runtime.fork(forked.run, Some(6), Effects::Block, None).await.unwrap();
    assert_eq!(world.settled(again.run).await.status, Status::Paused);
    let record = life.runtime.record(again.run).await.unwrap();
    let program = record.program.unwrap();
    let asked = runtime::asked::all(&*world.store, again.run, &record.entries, &program).await.unwrap();
    assert!(asked.len() == 1 && asked[0].request.is_ok(), "{asked:?}");
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_gone_on_from_is_told() {
    let (_, life, source) = sold().await;
    let runtime = &life.runtime;
    let why = |refused: Result<_, RunError>| refused.map(|_: runtime::fork::Forked| ()).unwrap_err().to_string();
    let none = why(runtime.fork(source, Some(90), Effects::Live, None).await);
    assert!(none.contains("and not 90"), "{none}");
    assert!(why(runtime.retry(source, None).await).ends_with("did not fail"));
    runtime.erase(source, "asked for", &asker("ann")).await.unwrap();
    let erased = why(runtime.fork(source, Some(3), Effects::Live, None).await);
    assert!(erased.contains("was erased"), "{erased}");
    // Without people, nobody could be asked.
    let world = World::new(&SELL[..SELL.find("    --- people.yaml").unwrap()], Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"order": "A-1"}"#)).await.run;
    world.settled(run).await;
    let nobody = why(life.runtime.fork(run, None, Effects::Ask, None).await);
    assert!(nobody.contains("name one in people.yaml"), "{nobody}");
}

#[tokio::test]
async fn a_failed_run_is_tried_again_by_one_run() {
    static DOWN: AtomicBool = AtomicBool::new(true);
    let outside = Outside::new(|asked, _, _| match &*asked.what {
        "rate" if DOWN.load(Ordering::SeqCst) => Err(failure(FailureKind::ProviderAuth, Phase::Answered)),
        "rate" => Ok(crate::world::json(r#"{"score": 3}"#)),
        _ => Ok(crate::world::json(r#"{"shipped": true}"#)),
    });
    let world = World::new(SELL, outside);
    let (life, source) = begun(&world).await;
    signal(&world, &life.runtime, source, "paid").await;
    assert_eq!(world.row(source).await.status, Status::Failed);
    let before = world.journal(source).await;
    DOWN.store(false, Ordering::SeqCst);
    let (one, two) = tokio::join!(life.runtime.retry(source, Some("zoe".into())), life.runtime.retry(source, None));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.run, one.created as u8 + two.created as u8), (two.run, 1), "{one:?} {two:?}");
    let again = life.runtime.retry(source, None).await.unwrap();
    assert_eq!((again.run, again.created), (one.run, false));
    world.settled(one.run).await;
    signal(&world, &life.runtime, one.run, "told").await;
    expect![[r#"
        1   run started: sell
        2   paid: waits for signal paid
        3   signal paid from ann, message 1 null
        4   paid: woken by message 1 {"body":null,"by":"signal","name":"paid","sender":"ann"}
        5   rate: asked model small, about 68 tokens
        6   rate: answered {"score":3}
        7   ship: started store.ship {"order":"A-1"}
        8   ship: finished {"shipped":true}
        9   told: waits for signal told
        10  signal told from ann, message 2 null
        11  told: woken by message 2 {"body":null,"by":"signal","name":"told","sender":"ann"}
        12  stage only done
        13  run completed {"shipped":true}
    "#]]
    .assert_eq(&outline(&world, one.run).await);
    assert_eq!(world.row(one.run).await.status, Status::Completed);
    let forks = life.runtime.forks(source).await.unwrap();
    assert!(forks.len() == 1 && forks[0].is_retry(), "{forks:?}");
    assert_eq!(world.journal(source).await, before);
    // What a retry has done is done, also once it is erased.
    life.runtime.erase(one.run, "asked for", &asker("ann")).await.unwrap();
    let erased = life.runtime.retry(source, None).await.unwrap();
    assert_eq!((erased.run, erased.created), (one.run, false));
    // A program that starts it again under its own key is told of the run that failed.
    let starter = Starter { project: "test".into(), by: Some("tom".into()) };
    let known = life.start(Start { starter, ..world.start(r#"{"order": "A-1"}"#) }).await;
    assert_eq!((known.run, known.created), (source, false));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_retry_that_would_act_twice_is_refused_and_a_taken_key_is_told() {
    let text = SELL.replace("            wait: { signal: told }", "            reason: prompts/rate.md\n            model: small\n            see: { order: input.order }\n            output: schemas/rating.yaml\n        on_failure:\n          provider_auth: [ { stage: sorry } ]");
    let text = text.replace("    --- prompts/rate.md", "      - stage: sorry\n        steps:\n          - step: again\n            act: store.ship\n            with: { order: =input.order }\n          - step: stop\n            native: panics@1\n            with: 1\n    --- prompts/rate.md");
    let outside = Outside::new(|asked, _, _| match &*asked.what {
        "told" => Err(failure(FailureKind::ProviderAuth, Phase::Answered)),
        "rate" => Ok(crate::world::json(r#"{"score": 3}"#)),
        _ => Ok(crate::world::json(r#"{"shipped": true}"#)),
    });
    let world = World::new(&text, outside);
    let (life, source) = begun(&world).await;
    signal(&world, &life.runtime, source, "paid").await;
    assert_eq!(world.row(source).await.status, Status::Failed);
    // The step that failed in the end comes after what was done instead: that stays done.
    let forked = life.runtime.retry(source, None).await.unwrap();
    world.settled(forked.run).await;
    assert_eq!(world.outside.asked("store.ship").len(), 2, "once by the run, once by what it did instead");
    let inherited = world.journal(forked.run).await;
    assert!(matches!(&inherited[0].1, Event::RunStarted { fork: Some(fork), .. } if fork.retry));
    // Somebody took the key for a run of his own.
    let failed = world.row(forked.run).await;
    assert_eq!(failed.status, Status::Failed);
    let key = Some(format!("retry:{}", forked.run).into());
    let taken = life.start(Start { key, ..world.start(r#"{"order": "B-2"}"#) }).await;
    let refused = life.runtime.retry(forked.run, None).await.unwrap_err();
    assert!(matches!(refused, RunError::KeyTaken { run, .. } if run == taken.run), "{refused}");
    let query = RunQuery { fork_of: Some(forked.run), ..RunQuery::default() };
    assert_eq!(world.store.runs(query).await.unwrap(), []);
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn what_heard_an_event_hears_no_more_of_it_and_what_goes_on_elsewhere_is_not_tried_again() {
    let down = || {
        Outside::new(|asked, _, _| match &*asked.what {
            "rate" => Err(failure(FailureKind::ProviderAuth, Phase::Answered)),
            _ => Ok(crate::world::json(r#"{"shipped": true}"#)),
        })
    };
    let wait = "wait: { any: [ { signal: paid }, { event: order.paid, key: =input.order } ] }";
    let world = World::new(&SELL.replace("wait: { signal: paid }", wait), down());
    let (life, heard) = begun(&world).await;
    let topic = Topic { event: "order.paid".into(), key: "A-1".into() };
    let data = kernel::values::Value::Null;
    life.runtime.publish((None, "test".into()), topic, data, (Some("p1".into()), None), "ann").await.unwrap();
    world.settled(heard).await;
    assert_eq!(world.row(heard).await.status, Status::Failed);
    let again = life.runtime.retry(heard, None).await.unwrap().run;
    world.settled(again).await;
    let told = world.store.inbox(again, 0).await.unwrap();
    assert_eq!(told, [], "what its source heard it does not hear again");
    // What goes on from before that has not heard of it.
    let before = life.runtime.fork(heard, Some(1), Effects::Ask, None).await.unwrap().run;
    world.settled(before).await;
    assert_eq!(world.store.inbox(before, 0).await.unwrap().len(), 1);
    world.check_store().await.unwrap();
    // Another run goes on from it: as long as it may do what this one did not, nobody else does.
    let world = World::new(SELL, down());
    let (life, source) = begun(&world).await;
    signal(&world, &life.runtime, source, "paid").await;
    let other = life.runtime.fork(source, Some(1), Effects::Live, None).await.unwrap().run;
    world.settled(other).await;
    let why = life.runtime.retry(source, None).await.unwrap_err().to_string();
    assert!(why.contains("goes on from it already"), "{why}");
    life.runtime.cancel(other, "ann").await.unwrap();
    world.settled(other).await;
    assert!(life.runtime.retry(source, None).await.unwrap().created);
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn who_started_the_source_asked_for_what_others_do_for_its_forks() {
    let text = r#"
    --- workflows/desk.yaml
    workflow: desk
    stages:
      - stage: only
        steps:
          - step: call
            handoff:
              to: { workflow: pay }
              task: Clear it
              with: { payment: p1 }
              contract: schemas/cleared.yaml
              accept: claims
              timeout: 2d
    --- workflows/pay.yaml
    workflow: pay
    input: schemas/payment.yaml
    result: { value: { clear: =may.approved } }
    stages:
      - stage: only
        steps:
          - step: may
            approve: { ask: "Clear it?", of: desk, expires: 4h, no_self: true }
    --- schemas/payment.yaml
    type: object
    required: [ payment ]
    properties: { payment: { type: string } }
    --- schemas/cleared.yaml
    type: object
    required: [ clear ]
    properties: { clear: { type: boolean } }
    --- people.yaml
    groups: { desk: {} }
    people:
      sue: { name: Sue, groups: [ desk ] }
"#;
    let world = World::new(text, Outside::echo());
    let (life, source) = begun(&world).await;
    let forked = life.runtime.fork(source, Some(1), Effects::Live, Some("zoe".into())).await.unwrap().run;
    world.settled(forked).await;
    let children = world.store.runs(RunQuery { parent: Some(forked), ..RunQuery::default() }).await.unwrap();
    world.settled(children[0].run).await;
    let query = ApprovalQuery { run: Some(children[0].run), ..ApprovalQuery::default() };
    let asked = life.runtime.approvals(query).await.unwrap().remove(0);
    let terms = life.runtime.asked(&asked).await.unwrap().terms;
    assert_eq!(terms.requesters, ["zoe".into(), "tom".into()]);
    world.check_store().await.unwrap();
}
