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

/// The same, by a key: of the step, of its stage, of the whole workflow.
fn parts() -> [String; 3] {
    let plain = RATES.replace("\n            cache: { ttl: 1h }", "");
    let cache = "cache: { key: input.text, ttl: 1h }";
    [
        RATES.replace("cache: { ttl: 1h }", cache),
        plain.replace("        steps:\n", &format!("        {cache}\n        steps:\n")),
        plain
            .replace("    stages:\n", &format!("    {cache}\n    stages:\n"))
            .replace("    result:", "    input: schemas/i.yaml\n    result:")
            + "    --- schemas/i.yaml\n    type: object\n    required: [ text ]\n    properties: { text: { type: string } }\n",
    ]
}

#[tokio::test]
async fn a_part_that_is_asked_for_three_times_is_done_once() {
    for text in parts() {
        let world = World::new(&text, Outside::echo());
        let life = world.boot().await;
        let (mut runs, mut sources) = (Vec::new(), Vec::new());
        for number in 0..3 {
            let run = started(&world, &life, number).await;
            let row = world.driven(run).await;
            assert_eq!(row.status, Status::Completed, "{text}");
            let journal = world.journal(run).await;
            runs.push((run, journal.last().map(|(_, event)| event.clone())));
            sources.extend(journal.into_iter().filter_map(|(_, event)| match event {
                Event::PartReused { from, .. } => Some((from.run, from.age)),
                _ => None,
            }));
            world.clock.advance(Span::from_millis(60_000));
        }
        assert_eq!(lock(&world.outside.log).len(), 1, "{text}");
        let (minute, first) = (Span::from_millis(60_000), runs[0].0);
        assert_eq!(sources.iter().map(|(run, _)| *run).collect::<Vec<_>>(), [first, first], "{text}");
        assert!(sources[0].1 >= minute && sources[1].1 > minute, "{sources:?}");
        assert!(runs.iter().all(|(_, last)| *last == runs[0].1), "each has the same result: {text}");
        world.check_store().await.unwrap();

        // Each of it can be found, forgotten, and is made anew then.
        let kept = life.runtime.kept(Some("rate"), None).await.unwrap();
        assert_eq!(kept.len(), 1, "{text}");
        assert_eq!((kept[0].run, kept[0].exact, kept[0].saves.calls), (first, false, 1), "{text}");
        assert_eq!(life.runtime.kept(Some("rate"), Some("none")).await.unwrap(), [], "{text}");
        assert_eq!(life.runtime.forget_kept(vec![kept[0].key]).await.unwrap(), 1);
        let run = started(&world, &life, 4).await;
        assert_eq!(world.driven(run).await.status, Status::Completed);
        assert_eq!(lock(&world.outside.log).len(), 2, "{text}");
    }
}

#[tokio::test]
async fn a_result_is_kept_with_the_entry_that_holds_it_or_not_at_all() {
    for text in parts() {
        let (mut kept, mut lost) = (0, 0);
        for append in 2..6 {
            for cut in [Cut::Before(append), Cut::After(append)] {
                let world = World::new(&text, Outside::echo());
                let (life, cutting) = world.boot_cut(cut).await;
                let first = started(&world, &life, 0).await;
                tokio::select! {
                    biased;
                    () = cutting.silence() => {}
                    row = world.driven(first) => assert_eq!(row.status, Status::Completed),
                }
                life.crash().await;
                let rows = world.store.answers(None, 9).await.unwrap();
                let held = rows.first().map(|row| (row.run, row.entry));
                let journal = world.journal(first).await;
                let entry = held.and_then(|(_, entry)| journal.get(usize::try_from(entry).unwrap() - 1));
                assert_eq!(held.map(|(run, _)| run), entry.map(|_| first), "{cut:?}: a row has its entry");
                if held.is_some() {
                    kept += 1
                } else {
                    lost += 1
                }
                world.check_store().await.unwrap();
                let before = lock(&world.outside.log).len();
                let life = world.boot().await;
                assert_eq!(world.driven(first).await.status, Status::Completed, "{cut:?}");
                let second = started(&world, &life, 1).await;
                assert_eq!(world.driven(second).await.status, Status::Completed, "{cut:?}");
                let asked = lock(&world.outside.log).len() - before;
                assert!(asked <= usize::from(held.is_none()), "{cut:?}: {asked}");
                // A run that is given a result is crashed as well, and is given the same.
                let (life, cutting) = {
                    life.crash().await;
                    world.boot_cut(cut).await
                };
                let third = started(&world, &life, 2).await;
                tokio::select! {
                    biased;
                    () = cutting.silence() => {}
                    row = world.driven(third) => assert_eq!(row.status, Status::Completed),
                }
                life.crash().await;
                let _life = world.boot().await;
                assert_eq!(world.driven(third).await.status, Status::Completed, "{cut:?}");
                assert_eq!(lock(&world.outside.log).len() - before, asked, "{cut:?}: given, whenever it died");
                let end = |journal: Vec<(_, Event)>| journal.into_iter().last().map(|(_, event)| event);
                assert_eq!(end(world.journal(third).await), end(world.journal(first).await), "{cut:?}");
                world.check_store().await.unwrap();
            }
        }
        assert!(kept > 0 && lost > 0, "some died before, some after: {kept} and {lost}");
    }
}
