//! The exact response cache: what one run has paid for, others are given.

use kernel::{
    ids::{Digest, RunId},
    journal::Event,
    values::Span,
};
use runtime::Start;
use store::Status;

use crate::{
    cutting::Cut,
    world::{Life, Outside, World, lock},
};

const RATES: &str = r#"
    --- workflows/rate.yaml
    workflow: rate
    result: { value: =rate.text }
    stages:
      - stage: only
        steps:
          - step: rate
            reason: prompts/a.md
            model: small
            see: { text: input.text }
            output: schemas/o.yaml
            cache: { ttl: 1h }
    --- prompts/a.md
    Say it again.
    --- schemas/o.yaml
    type: object
    required: [ text ]
    properties: { text: { type: string } }
"#;

async fn started(world: &World, life: &Life, number: u32) -> RunId {
    let start = Start { key: Some(format!("{number}").into()), ..world.start(r#"{"text":"hello"}"#) };
    life.start(start).await.run
}

#[tokio::test]
async fn asked_three_times_run_once() {
    let world = World::new(RATES, Outside::echo());
    let life = world.boot().await;
    let mut sources = Vec::new();
    for number in 0..3 {
        let run = started(&world, &life, number).await;
        assert_eq!(world.driven(run).await.status, Status::Completed);
        let journal = world.journal(run).await;
        let reused = journal.iter().find_map(|(_, event)| match event {
            Event::AnswerReused { from, .. } => Some(*from),
            _ => None,
        });
        let kept = journal.iter().find_map(|(entry, event)| match event {
            Event::ModelAnswered { .. } => Some((run, entry.seq)),
            _ => None,
        });
        sources.push((kept, reused.map(|from| (from.run, from.entry))));
        world.clock.advance(Span::from_millis(60_000));
    }
    assert_eq!(lock(&world.outside.log).len(), 1);
    let first = sources[0].0.expect("the first run asks");
    assert_eq!(sources, [(Some(first), None), (None, Some(first)), (None, Some(first))]);

    world.clock.advance(Span::from_millis(3_600_000));
    let run = started(&world, &life, 3).await;
    assert_eq!(world.driven(run).await.status, Status::Completed);
    assert_eq!(lock(&world.outside.log).len(), 2, "its time is over");
    world.check_store().await.unwrap();
}

/// The entry that holds a run's answer, and under which key it is kept.
async fn answered(world: &World, run: RunId) -> Option<(u64, Digest)> {
    world.journal(run).await.into_iter().find_map(|(entry, event)| match event {
        Event::ModelAnswered { keeps: Some(keep), .. } => Some((entry.seq, keep.key)),
        _ => None,
    })
}

#[tokio::test]
async fn an_answer_is_kept_with_the_entry_that_holds_it_or_not_at_all() {
    let mut kept = 0;
    for append in 2..6 {
        for cut in [Cut::Before(append), Cut::After(append)] {
            let world = World::new(RATES, Outside::echo());
            let (life, cutting) = world.boot_cut(cut).await;
            let first = started(&world, &life, 0).await;
            tokio::select! {
                biased;
                () = cutting.silence() => {}
                row = world.driven(first) => assert_eq!(row.status, Status::Completed),
            }
            life.crash().await;
            let known = answered(&world, first).await;
            if let Some((seq, key)) = known {
                let answer = world.store.answer(key).await.unwrap().expect("it came with its entry");
                assert_eq!((answer.run, answer.entry), (first, seq), "{cut:?}");
                kept += 1;
            }
            let before = lock(&world.outside.log).len();
            let life = world.boot().await;
            let second = started(&world, &life, 1).await;
            assert_eq!(world.driven(second).await.status, Status::Completed, "{cut:?}");
            let asked = lock(&world.outside.log).len() - before;
            // Where nobody has an answer yet, both may ask at once.
            assert!(if known.is_some() { asked == 0 } else { (1..=2).contains(&asked) }, "{cut:?}: {asked}");
            world.check_store().await.unwrap();
        }
    }
    assert!((1..8).contains(&kept), "some died before, some after: {kept}");
}
