use store::{CONTROL_RESERVE, StoreError, UNREAD_LIMIT};

use super::*;

pub async fn messages_are_numbered_and_known_by_id(bed: Bed) {
    let run = bed.queued(1, 1).await;
    assert_eq!(bed.post(run, "m1", "signal", 2).await, Posted::New { seq: 1, owner: None });
    assert_eq!(bed.post(run, "m2", "pause", 3).await, Posted::New { seq: 2, owner: None });
    let before = bed.snapshot(run).await;
    assert_eq!(bed.post(run, "m1", "cancel", 4).await, Posted::Known { seq: 1 });
    assert_eq!(bed.snapshot(run).await, before, "a second message with the same id changes nothing");

    let numbered = |id, kind, seconds, seq| Message { seq, ..message(id, kind, seconds) };
    let [first, second] = [numbered("m1", "signal", 2, 1), numbered("m2", "pause", 3, 2)];
    assert_eq!(bed.store.inbox(run, 0).await.unwrap(), [first, second.clone()]);
    assert_eq!(bed.store.inbox(run, 1).await.unwrap(), [second]);
    assert_eq!(bed.store.inbox(run, 2).await.unwrap(), []);

    let other = bed.queued(2, 1).await;
    assert_eq!(bed.post(other, "m1", "signal", 2).await, Posted::New { seq: 1, owner: None });
    let refused = bed.store.post(run_id(99), message("m1", "signal", 2), false).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoRun { .. }), "{refused:?}");
    bed.sound().await;
}

pub async fn a_message_wakes_a_run_that_nobody_owns(bed: Bed) {
    let own = bed.join(1, 0).await;
    let cases = [
        (1, Status::Waiting, None),
        (2, Status::Waiting, Some(100)),
        (3, Status::Paused, None),
        (4, Status::Blocked, None),
    ];
    for (number, status, until) in cases {
        let mut pen = bed.owned(number, own, 1).await;
        let guard = Guard::Suspend { status, waits_for: "a word".into(), wake_at: until.map(at) };
        bed.write(pen.append(&[], vec![guard]), &mut pen).await;
        bed.post(pen.run, "m", "signal", 10).await;
        let row = bed.row(pen.run).await;
        assert_eq!((row.status, row.wake_at, row.updated_at), (status, Some(at(10)), at(10)));
        let claimed = bed.claim(own, 5, 10).await;
        assert_eq!(claimed.iter().map(|claim| (claim.run, claim.inbox_gen)).collect::<Vec<_>>(), [(pen.run, 1)]);
    }
    // A run that is due already stays due since then.
    let run = bed.queued(9, 5).await;
    bed.post(run, "m", "signal", 10).await;
    assert_eq!(bed.row(run).await.wake_at, Some(at(5)));
    bed.sound().await;
}

pub async fn a_message_to_an_owned_run_names_its_owner(bed: Bed) {
    let own = bed.join(1, 0).await;
    let pen = bed.owned(1, own, 1).await;
    assert_eq!(bed.post(pen.run, "m1", "cancel", 2).await, Posted::New { seq: 1, owner: Some(own) });
    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.wake_at, row.inbox_gen, row.inbox_read), (Status::Running, None, 1, 0));
    assert_eq!(bed.append(pen.append(&[step_done("a")], vec![])).await, Appended::Done { inbox_gen: 1 });
    bed.sound().await;
}

pub async fn a_message_to_a_finished_run_is_refused(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.post(pen.run, "m1", "signal", 2).await;
    bed.write(pen.finish(Status::Failed), &mut pen).await;
    let before = bed.snapshot(pen.run).await;
    assert_eq!(bed.post(pen.run, "m2", "signal", 3).await, Posted::Final { status: Status::Failed });
    let pardon = bed.store.post(pen.run, message("m3", "resume", 4), true).await.unwrap();
    assert_eq!(pardon, Posted::Final { status: Status::Failed });
    assert_eq!(bed.post(pen.run, "m1", "signal", 5).await, Posted::Known { seq: 1 }, "it was taken before the end");
    assert_eq!(bed.snapshot(pen.run).await, before);
    bed.sound().await;
}

pub async fn a_crowded_inbox_still_takes_a_cancel(bed: Bed) {
    let own = bed.join(1, 0).await;
    let pen = bed.owned(1, own, 1).await;
    for number in 0..UNREAD_LIMIT {
        assert!(matches!(bed.post(pen.run, &format!("m{number}"), "signal", 2).await, Posted::New { .. }));
    }
    let crowded = |unread| Posted::Crowded { unread };
    assert_eq!(bed.post(pen.run, "one more", "signal", 3).await, crowded(UNREAD_LIMIT));
    assert_eq!(bed.post(pen.run, "m7", "signal", 3).await, Posted::Known { seq: 8 });
    for number in 0..CONTROL_RESERVE {
        assert!(matches!(bed.post(pen.run, &format!("c{number}"), "cancel", 4).await, Posted::New { .. }));
    }
    assert_eq!(bed.post(pen.run, "c", "cancel", 4).await, crowded(UNREAD_LIMIT + CONTROL_RESERVE));

    let mut read = pen.append(&[], vec![]);
    read.inbox_read = Some(CONTROL_RESERVE + 1);
    bed.append(read).await;
    assert!(matches!(bed.post(pen.run, "one more", "signal", 5).await, Posted::New { seq: 1101, .. }));
    bed.sound().await;
}

pub async fn only_a_pardon_wakes_a_quarantined_run(bed: Bed) {
    let run = bed.queued(1, 1).await;
    for death in 1..=3 {
        let own = bed.join(death, 2).await;
        bed.claim_one(own, 2).await;
    }
    let own = bed.join(4, 3).await;
    assert_eq!(bed.row(run).await.status, Status::Quarantined);
    assert_eq!(bed.post(run, "m1", "signal", 4).await, Posted::New { seq: 1, owner: None });
    let row = bed.row(run).await;
    assert_eq!((row.status, row.wake_at, row.strikes), (Status::Quarantined, None, 3));
    assert_eq!(bed.claim(own, 5, 5).await, []);

    let pardon = bed.store.post(run, message("m2", "resume", 6), true).await.unwrap();
    assert_eq!(pardon, Posted::New { seq: 2, owner: None });
    let row = bed.row(run).await;
    assert_eq!((row.status, row.wake_at, row.strikes, row.waits_for), (Status::Queued, Some(at(6)), 0, None));
    bed.claim_one(own, 6).await;
    bed.sound().await;
}
