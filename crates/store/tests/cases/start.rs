use store::StoreError;

use super::*;

pub async fn a_start_writes_row_and_first_entry(bed: Bed) {
    let run = bed.queued(1, 5).await;
    let row = bed.row(run).await;
    let new = bed.new_run(1, None, 5).await;
    let wanted = RunRow {
        run,
        tenant: "acme".into(),
        workflow: "lead".into(),
        bundle: new.bundle,
        status: Status::Queued,
        waits_for: None,
        wake_at: Some(at(5)),
        doing: None,
        about: new.about,
        failure: None,
        epoch: 0,
        owner: None,
        head: new.first.head(),
        inbox_gen: 0,
        inbox_read: 0,
        strikes: 0,
        created_at: at(5),
        updated_at: at(5),
        finished_at: None,
        parent: None,
        cost: Some(0),
    };
    assert_eq!(row, wanted);
    assert_eq!(bed.store.journal(run, 0, 10).await.unwrap(), [new.first]);
    bed.sound().await;
}

pub async fn a_start_with_an_owner_is_its_first_claim(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.epoch, row.owner, row.wake_at), (Status::Running, 1, Some(own), None));
    assert_eq!(bed.claim(own, 10, 2).await, []);
    bed.write(pen.append(&[step_done("a")], vec![]), &mut pen).await;
    bed.sound().await;
}

pub async fn the_same_start_is_known_and_another_input_is_a_conflict(bed: Bed) {
    let keyed = |mut new: NewRun, key: &str| {
        new.start_key = Some(key.into());
        new
    };
    let start = async |new| bed.store.start(new).await.unwrap();
    let first = keyed(bed.new_run(1, None, 1).await, "lead-7");
    assert_eq!(start(first.clone()).await, Started::Created);
    assert_eq!(start(first.clone()).await, Started::Known { run: run_id(1) });

    let mut second = keyed(bed.new_run(2, None, 2).await, "lead-7");
    assert_eq!(start(second.clone()).await, Started::Conflict { run: run_id(1) });
    second.input = first.input;
    assert_eq!(start(second.clone()).await, Started::Known { run: run_id(1) });
    assert_eq!(bed.store.run(run_id(2)).await.unwrap(), None);

    second.tenant = "other".into();
    assert_eq!(start(second).await, Started::Created, "a key belongs to a tenant and a workflow");

    // Without a key, the run id says whether it is the same start.
    let third = bed.new_run(3, None, 3).await;
    assert_eq!(start(third.clone()).await, Started::Created);
    assert_eq!(start(third.clone()).await, Started::Known { run: run_id(3) });
    assert_eq!(start(NewRun { input: Digest::ZERO, ..third }).await, Started::Conflict { run: run_id(3) });
    bed.sound().await;
}

pub async fn a_start_that_cannot_be_is_refused_whole(bed: Bed) {
    let new = bed.new_run(1, None, 1).await;
    let unknown = NewRun { bundle: Digest::ZERO, start_key: Some("k".into()), ..new.clone() };
    let refused = bed.store.start(unknown).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoBundle { bundle: Digest::ZERO }), "{refused:?}");

    let unleased = bed.new_run(1, Some(worker(1)), 1).await;
    let refused = bed.store.start(unleased.clone()).await.unwrap_err();
    assert!(matches!(refused, StoreError::Misuse { .. }), "{refused:?}");

    let wrong_epoch = NewRun { owner: None, ..unleased };
    let refused = bed.store.start(wrong_epoch).await.unwrap_err();
    assert!(matches!(refused, StoreError::Misuse { .. }), "{refused:?}");

    assert_eq!(bed.store.run(run_id(1)).await.unwrap(), None);
    assert_eq!(bed.store.journal(run_id(1), 0, 10).await.unwrap(), []);
    let keyed = NewRun { start_key: Some("k".into()), ..new };
    assert_eq!(bed.store.start(keyed).await.unwrap(), Started::Created, "the key was not taken");
}
