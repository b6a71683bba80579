//! Budgets across runs: however many ask at once, and whoever dies, no more starts than there is room for.

use kernel::{governance::budget::Unit, ids::RunId};
use runtime::{Start, budget::Raised, govern::Asker};
use store::Status;

use crate::world::{Life, Outside, World, lock};

/// Each run asks once; `{budget}` stands in the workflow, `{budgets}` in the project file.
fn asking(budget: &str, budgets: &str) -> String {
    format!(
        r"
    --- workflows/ask.yaml
    workflow: ask
    {budget}
    stages:
      - stage: only
        steps:
          - {{ step: ask, reason: prompts/p.md, model: small, see: {{ n: input.n }}, output: schemas/o.yaml }}
    --- prompts/p.md
    What about {{{{ n }}}}?
    --- schemas/o.yaml
    type: object
    --- surefoot.yaml
    project: test
    models: {{ small: {{ provider: registered }} }}
    {budgets}
    "
    )
}

fn boss() -> Asker {
    Asker { by: "ann".into(), auth: "local".into() }
}

async fn limited(world: &World) -> Life {
    let life = world.boot().await;
    life.runtime.limit(&world.project, &boss()).await.unwrap();
    life
}

async fn start(world: &World, life: &Life, runs: u32) -> Vec<RunId> {
    let mut started = Vec::new();
    for n in 0..runs {
        let starter = kernel::next::Starter { project: "test".into(), by: None };
        let key = Some(format!("{n}").into());
        let start = Start { key, starter, ..world.start(&format!("{{\"n\": {n}}}")) };
        started.push(life.start(start).await.run);
    }
    started
}

/// How many runs are how, once all have come to rest.
async fn rest(world: &World, runs: &[RunId]) -> (usize, usize) {
    let (mut completed, mut paused) = (0, 0);
    for run in runs {
        let row = world.settled(*run).await;
        match row.status {
            Status::Completed => completed += 1,
            Status::Paused => paused += 1,
            other => panic!("{other:?} {row:?}\n{}", world.outline(*run).await),
        }
    }
    (completed, paused)
}

/// Limit, settled, reserved, overrun of the one sum.
async fn sum(life: &Life) -> (i64, i64, i64, i64) {
    let all = life.runtime.budgets().await.unwrap();
    assert_eq!(all.len(), 1, "{all:?}");
    (all[0].limit, all[0].settled, all[0].reserved, all[0].overrun)
}

#[tokio::test]
async fn two_hundred_calls_at_once_where_there_is_room_for_ten_are_ten_calls() {
    let world = World::new(&asking("", "budgets: { day: { calls: 10 } }"), Outside::echo());
    world.outside.hold("ask");
    let life = limited(&world).await;
    assert_eq!(sum(&life).await, (10, 0, 0, 0));
    let runs = start(&world, &life, 200).await;
    world.until("ten calls", |outside| outside.asked("ask").len() == 10).await;
    let paused = async || {
        let mut paused = 0;
        for run in &runs {
            paused += usize::from(world.row(*run).await.status == Status::Paused);
        }
        paused
    };
    for _ in 0..200_000 {
        if paused().await == 190 {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!((paused().await, sum(&life).await), (190, (10, 0, 10, 0)));
    world.outside.release("ask");
    assert_eq!(rest(&world, &runs).await, (10, 190));
    assert_eq!((world.outside.asked("ask").len(), sum(&life).await), (10, (10, 10, 0, 0)));
    world.check_store().await.unwrap();
    let told = world.outline(*runs.last().unwrap()).await;
    assert!(
        told.contains("budget_exceeded: `day` has no room for 1 call more: 0 calls of 10 calls a day is left"),
        "{told}"
    );

    // The owner raises it, and resumes.
    let raised = life.runtime.raise("day", Unit::Calls, 12, &boss()).await.unwrap();
    assert!(matches!(raised, Raised::Scope { .. }), "{raised:?}");
    for run in &runs {
        if world.row(*run).await.status == Status::Paused {
            life.runtime.resume(*run, "ann").await.unwrap();
        }
    }
    assert_eq!(rest(&world, &runs).await, (12, 188));
    assert_eq!((world.outside.asked("ask").len(), sum(&life).await), (12, (12, 12, 0, 0)));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_process_that_dies_between_gives_nobody_a_second_share() {
    let world = World::new(&asking("", "budgets: { day: { calls: 10 } }"), Outside::echo());
    world.outside.hold("ask");
    let life = limited(&world).await;
    let runs = start(&world, &life, 200).await;
    world.until("ten calls", |outside| outside.asked("ask").len() == 10).await;
    life.crash().await;
    world.outside.release("ask");
    // What was under way is forfeited: it may have been billed, and there is no room to ask again.
    let life = limited(&world).await;
    assert_eq!(rest(&world, &runs).await, (0, 200));
    assert_eq!((world.outside.asked("ask").len(), sum(&life).await), (10, (10, 10, 0, 0)));
    world.check_store().await.unwrap();
    life.runtime.raise("day", Unit::Calls, 15, &boss()).await.unwrap();
    for run in &runs {
        life.runtime.resume(*run, "ann").await.unwrap();
    }
    assert_eq!(rest(&world, &runs).await, (5, 195));
    assert_eq!((world.outside.asked("ask").len(), sum(&life).await), (15, (15, 15, 0, 0)));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn one_run_that_asks_two_hundred_times_gets_no_more() {
    let text = r"
    --- workflows/wide.yaml
    workflow: wide
    stages:
      - stage: only
        steps:
          - { step: all, each: input.items, max_parallel: 200, join: settle, steps: [ { step: put, act: box.put } ] }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent, cost: 0.01 USD } }
    --- surefoot.yaml
    project: test
    budgets: { workflow: { wide: { per: month, money: 0.10 USD } } }
    ";
    let world = World::new(text, Outside::echo());
    let life = limited(&world).await;
    let items: Vec<String> = (0..200).map(|n| n.to_string()).collect();
    let starter = kernel::next::Starter { project: "test".into(), by: None };
    let start = Start { starter, ..world.start(&format!("{{\"items\": [{}]}}", items.join(","))) };
    let run = life.start(start).await.run;
    assert_eq!(rest(&world, &[run]).await, (0, 1));
    assert_eq!((lock(&world.outside.log).len(), sum(&life).await), (10, (100_000, 100_000, 0, 0)));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_retry_waits_for_room_and_a_raise_wakes_it() {
    use kernel::recovery::{FailureKind, Phase};
    let text = r"
    --- workflows/w.yaml
    workflow: w
    stages:
      - stage: only
        steps: [ { step: put, act: box.put } ]
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent } }
    --- surefoot.yaml
    project: test
    budgets: { tenant: { per: ever, calls: 1 } }
    ";
    let outside = Outside::new(|_, nth, input| match nth {
        1 => Err(crate::world::failure(FailureKind::ToolTimeout, Phase::MaybeSent)),
        _ => Ok(input.clone()),
    });
    let world = World::new(text, outside);
    let life = limited(&world).await;
    let starter = kernel::next::Starter { project: "test".into(), by: None };
    let run = life.start(Start { starter, ..world.start("{}") }).await.run;
    let row = world.driven(run).await;
    let waits =
        "room in the budget of tenant:main: `tenant:main` has no room for 1 call more: 0 calls of 1 call is left";
    assert_eq!((row.status, row.waits_for.as_deref()), (Status::Waiting, Some(waits)));
    life.runtime.raise("tenant:main", Unit::Calls, 2, &boss()).await.unwrap();
    assert_eq!(world.driven(run).await.status, Status::Completed);
    assert_eq!((lock(&world.outside.log).len(), sum(&life).await), (2, (2, 2, 0, 0)));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn a_run_is_raised_by_its_id_and_what_cannot_be_raised_is_told() {
    let world = World::new(&asking("budget: { calls: 0 }", "budgets: { day: { calls: 9 } }"), Outside::echo());
    let life = limited(&world).await;
    let run = start(&world, &life, 1).await[0];
    assert_eq!(rest(&world, &[run]).await, (0, 1));
    let name = format!("run:{run}");
    let refused =
        async |scope: &str, unit, limit| life.runtime.raise(scope, unit, limit, &boss()).await.unwrap_err().to_string();
    assert_eq!(refused(&name, Unit::Money, 5).await, "the workflow `ask` limits no money of its runs");
    assert_eq!(
        refused(&name, Unit::Calls, 0).await,
        "the workflow `ask` gives its runs 0 calls already: a raise never lowers it"
    );
    assert_eq!(refused("run:7", Unit::Calls, 1).await, "`7` is no id of a run");
    assert_eq!(
        refused("tenant:main", Unit::Calls, 1).await,
        "`tenant:main` is not limited; limited: day, and runs as `run:ID`"
    );
    assert_eq!(refused("day", Unit::Time, 1).await, "`day` has no limit of time; limited: calls");
    assert_eq!(refused("day", Unit::Calls, 9).await, "`day` has a limit of 9 calls already: a raise never lowers it");
    assert_eq!(life.runtime.raise(&name, Unit::Calls, 1, &boss()).await.unwrap(), Raised::Run { run });
    life.runtime.resume(run, "ann").await.unwrap();
    assert_eq!(rest(&world, &[run]).await, (1, 0), "{}", world.outline(run).await);
}

#[tokio::test]
async fn a_project_file_that_limits_nothing_changes_nothing_and_a_changed_one_counts_at_once() {
    let free = World::new(&asking("", ""), Outside::echo());
    let life = free.boot().await;
    assert!(!life.runtime.limit(&free.project, &boss()).await.unwrap());
    assert_eq!(life.runtime.charter().await.unwrap().generation, 0);

    let mut world = World::new(&asking("", "budgets: { day: { calls: 0 } }"), Outside::echo());
    let life = world.boot().await;
    assert!(life.runtime.limit(&world.project, &boss()).await.unwrap());
    assert!(!life.runtime.limit(&world.project, &boss()).await.unwrap(), "the same again");
    let run = start(&world, &life, 1).await[0];
    assert_eq!(rest(&world, &[run]).await, (0, 1));
    world.project = crate::world::project(&asking("", ""));
    assert!(life.runtime.limit(&world.project, &boss()).await.unwrap());
    life.runtime.resume(run, "ann").await.unwrap();
    assert_eq!(rest(&world, &[run]).await, (1, 0));
}
