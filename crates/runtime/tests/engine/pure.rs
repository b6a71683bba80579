//! Runs that touch nothing outside.

use expect_test::expect;

use crate::world::{Outside, World, json};

pub const THREE: &str = r#"
    --- workflows/three.yaml
    workflow: three
    result: { value: =third.twice }
    stages:
      - stage: only
        steps:
          - { step: first, set: { name: =input.name } }
          - { step: second, native: double@1, with: =first.name }
          - { step: third, set: { twice: =second } }
"#;

#[tokio::test]
async fn a_pure_run_finishes_with_one_append_after_its_start() {
    let world = World::new(THREE, Outside::echo());
    let (life, cutting) = world.boot_cut(crate::cutting::Cut::Never).await;
    let started = life.start(world.start(r#"{"name": "Ada"}"#)).await;
    assert!(started.created);
    let ended = life.runtime.finished(started.run).await.unwrap();
    assert_eq!(ended.result, Some(json(r#"["Ada", "Ada"]"#)));
    expect![[r#"
        1   run started: three
        2   first: done {"name":"Ada"}
        3   second: done ["Ada","Ada"]
        4   third: done {"twice":["Ada","Ada"]}
        5   stage only done
        6   run completed ["Ada","Ada"]
    "#]]
    .assert_eq(&world.outline(started.run).await);
    assert_eq!(cutting.appends(), 2);
    world.check_store().await.unwrap();
    life.leave().await;
}

#[tokio::test]
async fn the_same_key_starts_one_run() {
    let world = World::new(THREE, Outside::echo());
    let life = world.boot().await;
    let first = life.start(world.start(r#"{"name": "Ada"}"#)).await;
    let again = life.start(world.start(r#"{"name": "Ada"}"#)).await;
    assert_eq!((again.run, again.created), (first.run, false));
    let other = life.runtime.start(world.start(r#"{"name": "Bob"}"#)).await.unwrap_err();
    assert_eq!(other.to_string(), format!("start key `one` is taken by run {}, which has another input", first.run));
    assert!(other.hint().unwrap().contains("runs show"));
}

#[tokio::test]
async fn entries_come_as_they_become_durable_and_end_with_the_last() {
    let world = World::new(THREE, Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"name": "Ada"}"#)).await.run;
    let mut entries = life.runtime.entries(run);
    let mut seen = Vec::new();
    while let Some((entry, _)) = entries.next().await.unwrap() {
        seen.push(entry.seq);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 6]);
    assert_eq!(entries.next().await.unwrap(), None);
}

#[tokio::test]
async fn a_run_without_a_worker_waits_for_one() {
    let world = World::new(THREE, Outside::echo());
    let idle = world.runtime_on(world.store.clone());
    idle.deploy(&world.project.bundle).await.unwrap();
    let run = idle.start(world.start(r#"{"name": "Ada"}"#)).await.unwrap().run;
    assert_eq!(world.row(run).await.status, store::Status::Queued);
    let life = world.boot().await;
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json(r#"["Ada", "Ada"]"#)));
}

#[tokio::test]
async fn a_native_function_that_panics_fails_its_step() {
    let text = THREE.replace("double@1", "panics@1");
    let world = World::new(&text, Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"name": "Ada"}"#)).await.run;
    let ended = life.runtime.finished(run).await.unwrap();
    assert_eq!(ended.failure.unwrap().detail, "`panics@1`: it panicked: the process log says where");
}

#[tokio::test]
async fn a_run_that_needs_an_unknown_native_function_is_blocked_and_says_so() {
    let text = THREE.replace("double@1", "triple@1");
    let world = World::new(&text, Outside::echo());
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"name": "Ada"}"#)).await.run;
    let row = world.settled(run).await;
    assert_eq!(row.status, store::Status::Blocked);
    assert_eq!(row.waits_for.as_deref(), Some("a worker with the native function `triple@1`"));
}

#[tokio::test]
async fn large_values_travel_as_blobs_and_are_looked_up() {
    let world = World::new(
        r#"
        --- workflows/large.yaml
        workflow: large
        result: { value: "=last.size" }
        stages:
          - stage: only
            steps:
              - { step: grow, native: large@1, with: =input.seed }
              - { step: same, set: { copy: =grow.text } }
              - step: pause
                wait: { for: 1h }
              - { step: last, set: { size: "=same.copy | length" } }
        "#,
        Outside::echo(),
    );
    let life = world.boot().await;
    let run = life.start(world.start(r#"{"seed": "ab"}"#)).await.run;
    assert_eq!(world.driven(run).await.status, store::Status::Completed);
    assert_eq!(life.runtime.finished(run).await.unwrap().result, Some(json("40000")));
    world.check_store().await.unwrap();
}

#[tokio::test]
async fn one_commit_a_step_can_be_asked_for() {
    let mut world = World::new(THREE, Outside::echo());
    world.config.commit_every_step = true;
    let (life, cutting) = world.boot_cut(crate::cutting::Cut::Never).await;
    let run = life.start(world.start(r#"{"name": "Ada"}"#)).await.run;
    life.runtime.finished(run).await.unwrap();
    assert_eq!(cutting.appends(), 5, "the start, three steps, the end");
}

#[tokio::test]
async fn an_input_that_does_not_fit_starts_nothing() {
    let text = format!(
        "{}{}",
        THREE.replace("workflow: three\n", "workflow: three\n    input: schemas/input.yaml\n"),
        "    --- schemas/input.yaml\n    type: object\n    required: [ name ]\n    properties: { name: { type: string } }\n"
    );
    let world = World::new(&text, Outside::echo());
    let life = world.boot().await;
    let error = life.runtime.start(world.start(r#"{"name": 5}"#)).await.unwrap_err();
    let runtime::RunError::InputInvalid { workflow, complaints } = &error else { panic!("{error}") };
    assert_eq!((&**workflow, complaints.len()), ("three", 1));
}
