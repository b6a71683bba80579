use store::Beat;

use super::*;

pub async fn a_lease_lives_by_its_beats(bed: Bed) {
    let own = bed.join(1, 0).await;
    let (read, unread) = (bed.owned(1, own, 1).await, bed.owned(2, own, 1).await);
    let beat = async |seconds| bed.store.beat(own, LEASE, at(seconds)).await.unwrap();
    assert_eq!(beat(20).await, Beat::Alive { unread: vec![] });
    bed.post(unread.run, "m1", "signal", 21).await;
    assert_eq!(bed.store.reap(at(50)).await.unwrap(), 0, "the lease holds until its last moment");
    assert_eq!(beat(50).await, Beat::Alive { unread: vec![unread.run] });
    let mut append = unread.append(&[], vec![]);
    append.inbox_read = Some(1);
    bed.append(append).await;
    assert_eq!(beat(51).await, Beat::Alive { unread: vec![] });

    assert_eq!(bed.store.reap(at(82)).await.unwrap(), 2);
    assert_eq!(beat(83).await, Beat::Dead);
    bed.join(1, 84).await;
    assert_eq!(beat(85).await, Beat::Dead, "a worker once declared dead stays dead");
    assert_eq!(
        bed.store.beat(worker(2), LEASE, at(85)).await.unwrap(),
        Beat::Dead,
        "and one that never joined is none"
    );
    assert_eq!(bed.row(read.run).await.owner, None);
    bed.sound().await;
}

pub async fn a_reaped_run_is_due_at_once_with_a_strike(bed: Bed) {
    let own = bed.join(1, 0).await;
    let pen = bed.owned(1, own, 1).await;
    bed.queued(2, 1).await;
    assert_eq!(bed.store.reap(at(31)).await.unwrap(), 1);
    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.epoch, row.owner, row.strikes), (Status::Queued, 2, None, 1));
    assert_eq!((row.wake_at, row.updated_at, row.head), (Some(at(31)), at(31), pen.head));
    assert_eq!(bed.store.reap(at(32)).await.unwrap(), 0, "repeating it is safe");
    assert_eq!(bed.row(run_id(2)).await.strikes, 0);
    bed.sound().await;
}

pub async fn a_dead_worker_is_fenced_even_in_its_own_runs(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.write(pen.start_action("pay"), &mut pen).await;
    bed.store.reap(at(31)).await.unwrap();
    assert!(bed.row(pen.run).await.epoch > pen.epoch, "the epoch moves with the reap, not with the next claim");
    let before = bed.snapshot(pen.run).await;
    assert_eq!(bed.append(pen.finish_action("pay", 1)).await, Appended::Fenced);
    assert_eq!(bed.snapshot(pen.run).await, before);

    let next = bed.join(2, 32).await;
    let mut heir = bed.claim_one(next, 33).await;
    assert!(heir.epoch > pen.epoch);
    assert_eq!(heir.head, pen.head);
    assert_eq!(bed.append(pen.finish_action("pay", 1)).await, Appended::Fenced);
    bed.write(heir.resend_action("pay", 2), &mut heir).await;
    bed.write(heir.finish_action("pay", 2), &mut heir).await;
    bed.sound().await;
}

pub async fn a_run_is_quarantined_after_its_last_strike(bed: Bed) {
    let run = bed.queued(1, 1).await;
    for (death, seconds) in [(1, 100), (2, 200), (3, 300)] {
        let own = bed.join(death, seconds).await;
        bed.claim_one(own, seconds).await;
        assert_eq!(bed.store.reap(at(seconds + 31)).await.unwrap(), 1);
        let row = bed.row(run).await;
        assert_eq!((row.strikes, row.epoch, row.owner), (u32::from(death), u64::from(death) * 2, None));
        if death < 3 {
            assert_eq!((row.status, row.wake_at), (Status::Queued, Some(at(seconds + 31))));
        } else {
            assert_eq!((row.status, row.wake_at), (Status::Quarantined, None));
            assert_eq!(row.waits_for.as_deref(), Some("a person: its worker died 3 times"));
        }
    }
    let own = bed.join(4, 400).await;
    assert_eq!(bed.claim(own, 5, 500).await, []);
    bed.sound().await;
}

pub async fn a_completed_step_clears_the_strikes(bed: Bed) {
    let run = bed.queued(1, 1).await;
    for death in 1..=2 {
        let own = bed.join(death, 2).await;
        bed.claim_one(own, 2).await;
    }
    let own = bed.join(3, 3).await;
    let mut pen = bed.claim_one(own, 3).await;
    assert_eq!(bed.row(run).await.strikes, 2);
    bed.write(pen.append(&[step_done("a")], vec![]), &mut pen).await;
    assert_eq!(bed.row(run).await.strikes, 2, "an entry alone is no completed step");
    let mut append = pen.append(&[step_done("b")], vec![]);
    append.progress = true;
    bed.write(append, &mut pen).await;
    assert_eq!(bed.row(run).await.strikes, 0);
    bed.sound().await;
}

pub async fn a_worker_that_leaves_gives_no_strike(bed: Bed) {
    let own = bed.join(1, 0).await;
    let pen = bed.owned(1, own, 1).await;
    bed.store.leave(own, at(5)).await.unwrap();
    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.owner, row.strikes, row.wake_at), (Status::Queued, None, 0, Some(at(5))));
    assert_eq!(row.epoch, 2);
    assert_eq!(bed.append(pen.append(&[step_done("a")], vec![])).await, Appended::Fenced);
    assert_eq!(bed.store.beat(own, LEASE, at(6)).await.unwrap(), Beat::Dead);
    let before = bed.snapshot(pen.run).await;
    bed.store.leave(own, at(7)).await.unwrap();
    assert_eq!(bed.store.reap(at(100)).await.unwrap(), 0);
    assert_eq!(bed.snapshot(pen.run).await, before, "leaving twice changes nothing");
    bed.sound().await;
}

pub async fn a_worker_that_joins_buries_the_older_ones(bed: Bed) {
    let old = bed.join(1, 0).await;
    let pen = bed.owned(1, old, 1).await;
    let next = bed.join(2, 2).await;
    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.epoch, row.owner, row.strikes), (Status::Queued, 2, None, 1));
    assert_eq!(row.wake_at, Some(at(2)));
    assert_eq!(bed.store.beat(old, LEASE, at(3)).await.unwrap(), Beat::Dead);
    assert_eq!(bed.claim_one(next, 3).await.epoch, 3);

    // Joining again, as the same boot, buries nobody.
    bed.join(2, 4).await;
    assert_eq!(bed.row(pen.run).await.owner, Some(next));
    bed.sound().await;
}

pub async fn a_worker_that_joins_frees_blocked_runs(bed: Bed) {
    let own = bed.join(1, 0).await;
    let park = |status| Guard::Suspend { status, waits_for: "native score@2".into(), wake_at: None };
    let mut blocked = bed.owned(1, own, 1).await;
    bed.write(blocked.append(&[], vec![park(Status::Blocked)]), &mut blocked).await;
    let mut paused = bed.owned(2, own, 1).await;
    bed.write(paused.append(&[], vec![park(Status::Paused)]), &mut paused).await;
    let own = bed.join(2, 9).await;
    let row = bed.row(blocked.run).await;
    assert_eq!((row.status, row.wake_at, row.waits_for), (Status::Queued, Some(at(9)), None));
    assert_eq!((row.epoch, row.strikes), (1, 0));
    assert_eq!(bed.row(paused.run).await.status, Status::Paused);
    assert_eq!(bed.claim_one(own, 9).await.run, blocked.run);
    bed.sound().await;
}
