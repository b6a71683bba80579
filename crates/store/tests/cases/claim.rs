use super::*;

pub async fn the_longest_due_come_first_each_in_a_new_epoch(bed: Bed) {
    let own = bed.join(1, 0).await;
    for (number, due) in [(4, 3), (1, 9), (2, 3), (3, 1)] {
        bed.queued(number, due).await;
    }
    let claimed = bed.claim(own, 3, 10).await;
    assert_eq!(claimed.iter().map(|claim| claim.run).collect::<Vec<_>>(), [run_id(3), run_id(2), run_id(4)]);
    for claim in &claimed {
        let row = bed.row(claim.run).await;
        let number = u16::from_be_bytes([claim.run.bytes()[0], claim.run.bytes()[1]]);
        let wanted = Claimed {
            run: row.run,
            epoch: 1,
            head: row.head,
            bundle: row.bundle,
            tenant: "acme".into(),
            inbox_gen: 0,
            key: Some(key(number)),
        };
        assert_eq!(*claim, wanted);
        assert_eq!((row.status, row.epoch, row.owner, row.wake_at), (Status::Running, 1, Some(own), None));
        assert_eq!(row.updated_at, at(10));
    }
    assert_eq!(bed.claim(own, 0, 10).await, []);
    assert_eq!(bed.claim(own, 3, 10).await.len(), 1);
    bed.sound().await;
}

pub async fn what_is_not_due_or_owned_is_not_given(bed: Bed) {
    let own = bed.join(1, 0).await;
    bed.queued(1, 10).await;
    assert_eq!(bed.claim(own, 5, 9).await, []);
    let mut pen = bed.claim_one(own, 10).await;
    assert_eq!(bed.claim(own, 5, 11).await, [], "it is owned");

    bed.write(pen.wait(Some(20)), &mut pen).await;
    assert_eq!(bed.claim(own, 5, 19).await, [], "its time has not come");
    let pen = bed.claim_one(own, 20).await;
    let row = bed.row(pen.run).await;
    assert_eq!((pen.epoch, row.waits_for, row.status), (2, None, Status::Running));
    bed.sound().await;
}

pub async fn a_worker_without_a_lease_gets_nothing(bed: Bed) {
    bed.queued(1, 1).await;
    assert_eq!(bed.claim(worker(1), 5, 2).await, []);
    let own = bed.join(1, 2).await;
    bed.store.leave(own, at(3)).await.unwrap();
    assert_eq!(bed.claim(own, 5, 4).await, []);
    let row = bed.row(run_id(1)).await;
    assert_eq!((row.epoch, row.owner), (0, None));
}

pub async fn runs_on_their_last_strike_come_one_at_a_time(bed: Bed) {
    // Three runs whose workers died twice, one run whose worker never did.
    for number in 1..=3 {
        bed.queued(number, 1).await;
    }
    for death in 1..=2 {
        let own = bed.join(death, 2).await;
        let claimed = bed.claim(own, 10, 2).await.len();
        assert_eq!(claimed, 3, "one strike does not hold a run back");
    }
    let own = bed.join(9, 3).await;
    bed.queued(4, 9).await;
    assert_eq!(bed.row(run_id(1)).await.strikes, 2);

    let runs = |claimed: Vec<Claimed>| claimed.iter().map(|claim| claim.run).collect::<Vec<_>>();
    assert_eq!(runs(bed.claim(own, 1, 8).await), [run_id(1)]);
    assert_eq!(runs(bed.claim(own, 10, 9).await), [run_id(4)], "it owns a suspect, and the clean run is free to come");
    let mut pen = Pen { run: run_id(1), epoch: 5, owner: own, head: bed.row(run_id(1)).await.head, now: at(9) };
    let mut step = pen.append(&[step_done("a")], vec![]);
    step.progress = true;
    bed.write(step, &mut pen).await;
    assert_eq!(runs(bed.claim(own, 10, 9).await), [run_id(2)], "a completed step made room for the next");
    assert_eq!(runs(bed.claim(own, 10, 9).await), Vec::<RunId>::new());
    bed.sound().await;
}
