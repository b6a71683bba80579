//! The process dies around every append, and the next one goes on: the same end, nothing recorded done again, the same bytes
//! under the same key.

use std::collections::{BTreeMap, BTreeSet};

use kernel::{
    ids::RunId,
    journal::{Event, StepResult},
    recovery::{FailureKind, Phase},
    values::Value,
};
use store::{Posted, RunRow, Status};

use crate::{
    cutting::Cut,
    world::{Life, Outside, World, failure, lock},
};

/// Everything that a run can do, in one workflow.
pub const ALL: &str = r#"
    --- workflows/all.yaml
    workflow: all
    result: { value: { facts: =facts.score, notes: =notes, sides: =sides, by: "=nod.by if ran(nod) else none", size: "=big.text | length" } }
    context: { text: prompts/house.md }
    stages:
      - stage: read
        steps:
          - { step: first, set: { items: [ a, b, c, d, e ] } }
          - step: facts
            reason: prompts/facts.md
            model: small
            see: { body: input.body }
            output: schemas/facts.yaml
            check: [ output.score < 10 ]
          - { step: big, native: large@1, with: =input.body }
          - step: notes
            each: first.items
            as: line
            max_parallel: 3
            steps:
              - step: put
                act: box.put
                with: { text: =line }
              - { step: tell, set: { line: =put.text } }
            gives: =tell.line
          - step: sides
            parallel:
              branches:
                left: { steps: [ { step: ask, act: box.get, with: { key: left } } ] }
                right: { steps: [ { step: rest, wait: { for: 2s } }, { step: twice, native: double@1, with: right } ] }
          - step: turns
            repeat:
              max: 2
              steps:
                - step: try
                  act: box.put
                  with: { text: "turn {{ index }}" }
                  on_failure: { tool_error: [ { retry: 1 } ] }
          - { step: mark, act: box.get, with: { key: mark } }
          - { step: breathe, wait: { for: 1s } }
          - step: route
            decide: [ { when: facts.score > 1, then: confirm } ]
            otherwise: next
      - stage: confirm
        steps:
          - step: nod
            wait: { signal: approved, for: 3d }
          - step: keep
            act: box.put
            with: { text: "=big.text" }
            on_failure: { tool_timeout: [ { retry: 2 } ] }
    --- tools/box.yaml
    tool: box
    native: true
    operations: { put: { effect: idempotent }, get: { effect: read } }
    --- prompts/house.md
    Be brief.
    --- prompts/facts.md
    What is in {{ body }}?
    --- schemas/facts.yaml
    type: object
    required: [ score ]
    properties: { score: { type: integer } }
"#;

pub const INPUT: &str = r#"{"body": "hello"}"#;

/// The first answer of the model does not fit, the first call that keeps the blob times out.
pub fn outside() -> std::sync::Arc<Outside> {
    Outside::new(|asked, nth, input| match &*asked.what {
        "facts" if nth == 1 => Ok(Value::map([("score", Value::from("high"))])),
        "facts" => Ok(Value::map([("score", Value::Int(7))])),
        "box.put" if asked.input.len() > 1_000 && nth == 1 => Err(failure(FailureKind::ToolTimeout, Phase::MaybeSent)),
        "box.put" if asked.input.len() > 1_000 => Ok(Value::Bool(true)),
        "box.put" if asked.input.contains("turn") && nth == 1 => Err(failure(FailureKind::ToolError, Phase::NotSent)),
        _ => Ok(input.clone()),
    })
}

/// Starts the run, lets time pass and gives the signal, until the run is over.
async fn play(world: &World, life: &Life, input: &str) -> Result<RunRow, String> {
    let run = life.runtime.start(world.start(input)).await.map_err(|why| why.to_string())?.run;
    for _ in 0..100 {
        let row = world.settled(run).await;
        if row.status.is_final() {
            return Ok(row);
        }
        if row.waits_for.as_deref().is_some_and(|what| what.contains("signal approved")) {
            let posted = life.runtime.signal(run, "approved", Value::Null, Some("yes".into()), "ada").await;
            let posted = posted.map_err(|why| why.to_string())?;
            if matches!(posted, Posted::New { .. }) {
                continue;
            }
        }
        match row.wake_at {
            Some(at) => world.pass_to(at),
            None => return Err(format!("it waits for {:?}, {:?}", row.waits_for, row.status)),
        }
    }
    Err("it does not come to an end".to_owned())
}

/// What a journal says was done, without how often it was tried.
#[derive(Debug)]
struct Done {
    status: Status,
    /// What each finished step gave.
    steps: BTreeMap<String, String>,
    /// Steps by key (of an action) or path (of a model call).
    intents: BTreeMap<String, String>,
}

impl Done {
    /// Without keys: they differ from run to run.
    fn same(&self, other: &Done) -> bool {
        let steps = |done: &Done| done.intents.values().cloned().collect::<BTreeSet<_>>();
        (self.status, &self.steps, steps(self)) == (other.status, &other.steps, steps(other))
    }
}

async fn done(world: &World, run: RunId) -> Result<Done, String> {
    let (mut steps, mut intents) = (BTreeMap::new(), BTreeMap::new());
    let mut at = None;
    for (entry, event) in world.journal(run).await {
        if at > Some(entry.at) {
            return Err(format!("entry {} is older than the one before", entry.seq));
        }
        at = Some(entry.at);
        let finished = match event {
            Event::StepDone { step, output } => Some((step, output)),
            Event::ModelAnswered { step, result: StepResult::Done(output), .. }
            | Event::ActionFinished { step, result: StepResult::Done(output), .. } => Some((step, output)),
            Event::WaitEnded { step, output, .. } => Some((step, output)),
            Event::ActionStarted { step, key, .. } => {
                intents.insert(key.to_string(), step.to_string());
                None
            }
            Event::ModelAsked { step, .. } => {
                intents.insert(step.to_string(), step.to_string());
                None
            }
            _ => None,
        };
        if let Some((step, output)) = finished
            && steps.insert(step.to_string(), kernel::story::held(&output)).is_some()
        {
            return Err(format!("`{step}` is recorded twice"));
        }
    }
    Ok(Done { status: world.row(run).await.status, steps, intents })
}

/// One run whose first process dies at `cut`; gives what is wrong about it.
async fn cut_at(world: &World, input: &str, cut: Cut, whole: Option<&Done>) -> Result<(Done, u64), String> {
    let (life, cutting) = world.boot_cut(cut).await;
    let played = tokio::select! {
        biased;
        () = cutting.silence() => None,
        played = play(world, &life, input) => Some(played),
    };
    // Whatever was sent reaches the other side before the process is gone.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    life.crash().await;
    let runs = world.store.runs(store::RunQuery::default()).await.map_err(|why| why.to_string())?;
    let before = match runs.first() {
        Some(row) => Some(done(world, row.run).await?),
        None => None,
    };
    for asked in lock(&world.outside.log).iter() {
        let intent = if asked.key.is_empty() { &asked.what } else { &asked.key };
        if before.as_ref().is_none_or(|before| !before.intents.contains_key(intent)) {
            return Err(format!("`{}` was called without a durable intent: {}", asked.what, asked.input));
        }
    }
    let row = match played {
        Some(row) => row?,
        None => {
            let life = world.boot().await;
            let row = play(world, &life, input).await?;
            life.leave().await;
            row
        }
    };
    let after = done(world, row.run).await?;
    world.check_store().await?;
    let mut inputs: BTreeMap<String, String> = BTreeMap::new();
    for asked in lock(&world.outside.log).iter() {
        let intent = if asked.key.is_empty() { &asked.what } else { &asked.key };
        let Some(step) = after.intents.get(intent) else {
            return Err(format!("`{}` was called under a key that no intent has", asked.what));
        };
        if asked.life > 1 && before.as_ref().is_some_and(|before| before.steps.contains_key(step)) {
            return Err(format!("`{step}` was recorded, and done again"));
        }
        if !asked.key.is_empty() {
            let first = inputs.entry(asked.key.clone()).or_insert_with(|| asked.input.clone());
            if *first != asked.input {
                return Err(format!("`{step}` was sent with other bytes under the same key"));
            }
        }
    }
    if let Some(whole) = whole
        && !whole.same(&after)
    {
        return Err(format!("another end: {after:#?}\ninstead of {whole:#?}"));
    }
    Ok((after, cutting.appends()))
}

/// Kills the process before and after each append of a whole run. Gives the number of deaths, or the first broken promise.
pub async fn everywhere(input: &str, make: impl Fn() -> World) -> Result<u64, String> {
    let (whole, appends) = cut_at(&make(), input, Cut::Never, None).await?;
    if whole.status != Status::Completed {
        return Err(format!("the whole run ends as {:?}", whole.status));
    }
    let mut deaths = 0;
    for at in 1..=appends {
        for cut in [Cut::Before(at), Cut::After(at)] {
            cut_at(&make(), input, cut, Some(&whole)).await.map_err(|why| format!("{cut:?} of {appends}: {why}"))?;
            deaths += 1;
        }
    }
    Ok(deaths)
}

#[tokio::test]
async fn whoever_dies_anywhere_is_resumed_by_the_next() {
    let deaths = everywhere(INPUT, || World::new(ALL, outside())).await.unwrap();
    assert!(deaths >= 20, "{deaths}");
}

#[tokio::test]
async fn the_same_with_a_commit_after_every_step() {
    let deaths = everywhere(INPUT, || {
        let mut world = World::new(ALL, outside());
        world.config.commit_every_step = true;
        world
    })
    .await
    .unwrap();
    assert!(deaths >= 40, "{deaths}");
}

#[tokio::test]
async fn a_process_that_dies_again_and_again_still_comes_to_an_end() {
    let world = World::new(ALL, outside());
    let mut lives = 0;
    loop {
        lives += 1;
        assert!(lives < 200, "no progress");
        // Each life may write three appends; the fourth is lost.
        let (life, cutting) = world.boot_cut(Cut::Before(4)).await;
        let played = tokio::select! {
            biased;
            () = cutting.silence() => None,
            played = play(&world, &life, INPUT) => Some(played.unwrap()),
        };
        life.crash().await;
        if let Some(row) = played {
            assert_eq!(row.status, Status::Completed);
            break;
        }
    }
    assert!(lives > 3, "{lives}");
    let keys: BTreeSet<_> =
        lock(&world.outside.log).iter().filter(|one| !one.key.is_empty()).map(|one| one.key.clone()).collect();
    assert_eq!(keys.len(), 10, "five notes, two turns, two questions, one blob");
    world.check_store().await.unwrap();
}
