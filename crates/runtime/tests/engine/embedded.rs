//! The same on the embedded database, where every append is a transaction of another thread.

use std::sync::Arc;

use store::{
    Status,
    sqlite::{SqliteOptions, SqliteStore},
};

use crate::{
    crash,
    world::{World, json},
};

fn world(dir: &tempfile::TempDir) -> World {
    let mut world = World::new(crash::ALL, crash::outside());
    world.store = Arc::new(SqliteStore::open(dir.path(), SqliteOptions::default()).unwrap());
    world
}

#[tokio::test]
async fn whoever_dies_anywhere_is_resumed_by_the_next() {
    let dirs = std::cell::RefCell::new(Vec::new());
    let deaths = crash::everywhere(crash::INPUT, || {
        let dir = tempfile::tempdir().unwrap();
        let world = world(&dir);
        dirs.borrow_mut().push(dir);
        world
    })
    .await
    .unwrap();
    assert!(deaths >= 20, "{deaths}");
}

#[tokio::test]
async fn a_data_directory_is_taken_up_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let run = {
        let world = world(&dir);
        let life = world.boot().await;
        let run = life.start(world.start(crash::INPUT)).await.run;
        let row = world.settled(run).await;
        assert_eq!(row.status, Status::Waiting);
        life.crash().await;
        run
    };
    let world = world(&dir);
    let life = world.boot().await;
    loop {
        let row = world.driven(run).await;
        if row.status.is_final() {
            break;
        }
        life.runtime.signal(run, "approved", json("null"), None, "ada").await.unwrap();
    }
    assert_eq!(world.row(run).await.status, Status::Completed);
    world.check_store().await.unwrap();
    life.leave().await;
}
