use store::StoreError;

use super::*;

pub async fn entries_blobs_and_marks_are_kept(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let blob = Blob::new(vec![1, 2, 3]);
    let mut append = pen.at(2).append(&[step_done("a"), blob_step("b", &blob)], vec![Guard::InboxIs(0)]);
    append.blobs = vec![blob.clone(), blob.clone()];
    append.doing = Some("b".into());
    let entries = append.entries.clone();
    bed.write(append, &mut pen).await;

    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.owner, row.epoch), (Status::Running, Some(own), 1));
    assert_eq!((row.head, row.doing.as_deref(), row.updated_at), (pen.head, Some("b"), at(2)));
    assert_eq!(bed.store.journal(pen.run, 1, 10).await.unwrap(), entries);
    assert_eq!(bed.store.blob(pen.run, blob.digest).await.unwrap().as_deref(), Some(&[1, 2, 3][..]));

    // Marks that an append does not name stay; a mark never goes back.
    bed.post(pen.run, "m1", "signal", 3).await;
    let mut read = pen.at(4).append(&[], vec![]);
    read.inbox_read = Some(1);
    assert_eq!(bed.append(read).await, Appended::Done { inbox_gen: 1 });
    let mut back = pen.at(5).append(&[step_done("c")], vec![]);
    back.inbox_read = Some(0);
    bed.write(back, &mut pen).await;
    let row = bed.row(pen.run).await;
    assert_eq!((row.inbox_read, row.doing.as_deref(), row.head), (1, Some("b"), pen.head));
    bed.sound().await;
}

pub async fn a_write_that_finds_the_lease_changed_is_fenced_and_writes_nothing(bed: Bed) {
    let own = bed.join(1, 0).await;
    let pen = bed.owned(1, own, 1).await;
    let before = bed.snapshot(pen.run).await;
    let blob = Blob::new(*b"x");
    let changes: [fn(&mut Pen); 4] =
        [|pen| pen.epoch = 2, |pen| pen.epoch = 0, |pen| pen.owner = worker(2), |pen| pen.head.seq = 0];
    for (place, change) in changes.into_iter().enumerate() {
        let mut stale = pen;
        change(&mut stale);
        let mut append = stale.append(&[step_done("a")], vec![Guard::InboxIs(7)]);
        append.blobs = vec![blob.clone()];
        assert_eq!(bed.append(append).await, Appended::Fenced, "change {place}");
        assert_eq!(bed.append(stale.start_action("a")).await, Appended::Fenced, "change {place}");
        assert_eq!(bed.append(stale.finish(Status::Completed)).await, Appended::Fenced, "change {place}");
    }
    assert_eq!(bed.snapshot(pen.run).await, before);
    assert_eq!(bed.store.blob(pen.run, blob.digest).await.unwrap(), None);

    let unknown = Pen { run: run_id(99), ..pen };
    let refused = bed.store.append(unknown.append(&[step_done("a")], vec![])).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoRun { .. }), "{refused:?}");
    bed.sound().await;
}

pub async fn a_guard_that_does_not_hold_refuses_and_writes_nothing(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.post(pen.run, "m1", "signal", 2).await;
    bed.post(pen.run, "m2", "signal", 2).await;
    let before = bed.snapshot(pen.run).await;
    let blob = Blob::new(*b"x");
    let mut append = pen.start_action("pay");
    append.blobs = vec![blob.clone()];
    append.guards.push(Guard::InboxIs(2));
    append.guards.push(Guard::InboxIs(1));
    assert_eq!(bed.append(append.clone()).await, Appended::Refused { guard: 2, current: 2 });
    assert_eq!(bed.snapshot(pen.run).await, before);
    assert_eq!(bed.store.blob(pen.run, blob.digest).await.unwrap(), None);

    append.guards.truncate(2);
    append.blobs.clear();
    bed.write(append, &mut pen).await;
    bed.sound().await;
}

pub async fn calls_that_break_a_rule_write_nothing(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.write(pen.start_action("pay"), &mut pen).await;
    let before = bed.snapshot(pen.run).await;
    let append = |events: &[Event], guards: Vec<Guard>| pen.append(events, guards);

    let mut gap = append(&[step_done("a"), step_done("b")], vec![]);
    gap.entries.remove(0);
    let mut epoch = append(&[step_done("a")], vec![]);
    epoch.entries[0].epoch = 7;
    let mut unread = append(&[step_done("a")], vec![]);
    unread.inbox_read = Some(1);
    let suspend = |status| Guard::Suspend { status, waits_for: "time".into(), wake_at: Some(at(9)) };
    let finish = |status| Guard::Finish { status, failure: None };
    let nameless = Guard::Suspend { status: Status::Waiting, waits_for: "".into(), wake_at: None };
    let calls = [
        ("a gap", gap),
        ("another epoch", epoch),
        ("a message that is not there", unread),
        ("suspended as running", append(&[], vec![suspend(Status::Running)])),
        ("suspended for nothing", append(&[], vec![nameless])),
        ("finished as waiting", append(&[], vec![finish(Status::Waiting)])),
        ("given back twice", append(&[], vec![suspend(Status::Waiting), finish(Status::Failed)])),
        ("finished with an open action", pen.finish(Status::Completed)),
        ("opened twice", pen.start_action("pay")),
        ("closed unopened", pen.finish_action("mail", 1)),
        ("sent again unopened", pen.resend_action("mail", 2)),
    ];
    for (what, call) in calls {
        let refused = bed.store.append(call).await.unwrap_err();
        assert!(matches!(refused, StoreError::Misuse { .. }), "{what}: {refused:?}");
        assert_eq!(bed.snapshot(pen.run).await, before, "{what}");
    }
    bed.write(pen.append(&[step_done("a")], vec![]), &mut pen).await;
    bed.sound().await;
}

pub async fn a_suspended_run_is_free_until_its_time(bed: Bed) {
    let own = bed.join(1, 0).await;
    for (number, status) in [(1, Status::Waiting), (2, Status::Paused), (3, Status::Blocked)] {
        let mut pen = bed.owned(number, own, 1).await;
        let guard = Guard::Suspend { status, waits_for: "time".into(), wake_at: Some(at(10)) };
        bed.write(pen.at(2).append(&[step_done("a")], vec![Guard::InboxIs(0), guard]), &mut pen).await;
        let row = bed.row(pen.run).await;
        assert_eq!((row.status, row.owner, row.wake_at), (status, None, Some(at(10))));
        assert_eq!((row.waits_for.as_deref(), row.epoch, row.updated_at), (Some("time"), 1, at(2)));
        let late = bed.append(pen.append(&[step_done("b")], vec![])).await;
        assert_eq!(late, Appended::Fenced, "its lease is given back");
        assert_eq!(bed.claim(own, 1, 9).await, []);
        assert_eq!(bed.claim_one(own, 10).await.epoch, 2);
    }
    bed.sound().await;
}

pub async fn a_suspend_cannot_sleep_over_a_message(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.post(pen.run, "m1", "signal", 2).await;
    let mut asleep = pen.wait(None);
    asleep.guards.insert(0, Guard::InboxIs(0));
    assert_eq!(bed.append(asleep.clone()).await, Appended::Refused { guard: 0, current: 1 });
    assert_eq!(bed.row(pen.run).await.status, Status::Running);
    asleep.guards[0] = Guard::InboxIs(1);
    bed.write(asleep, &mut pen).await;
    assert_eq!(bed.row(pen.run).await.status, Status::Waiting);
    bed.sound().await;
}

pub async fn an_action_is_open_from_its_intent_to_its_outcome(bed: Bed) {
    // `check` compares the row of an open action with the journal after each of these.
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.write(pen.start_action("pay"), &mut pen).await;
    bed.write(pen.start_action("mail"), &mut pen).await;
    bed.sound().await;
    bed.write(pen.resend_action("pay", 2), &mut pen).await;
    bed.sound().await;
    bed.write(pen.finish_action("pay", 2), &mut pen).await;
    bed.sound().await;
    bed.write(pen.start_action("pay"), &mut pen).await;
    bed.write(pen.finish_action("pay", 1), &mut pen).await;
    bed.write(pen.finish_action("mail", 1), &mut pen).await;
    bed.write(pen.finish(Status::Completed), &mut pen).await;
    bed.sound().await;
}

pub async fn a_finished_run_takes_nothing_more(bed: Bed) {
    for (number, status) in [(1, Status::Completed), (2, Status::Failed), (3, Status::Cancelled)] {
        // A worker id is one boot: each round has two of its own.
        let own = bed.join(number, 1).await;
        let mut pen = bed.owned(number.into(), own, 1).await;
        bed.write(pen.at(5).finish(status), &mut pen).await;
        let row = bed.row(pen.run).await;
        assert_eq!((row.status, row.owner, row.wake_at), (status, None, None));
        assert_eq!((row.finished_at, row.failure.is_some()), (Some(at(5)), status == Status::Failed));

        let before = bed.snapshot(pen.run).await;
        assert_eq!(bed.append(pen.append(&[step_done("b")], vec![])).await, Appended::Fenced);
        assert_eq!(bed.append(pen.finish(Status::Completed)).await, Appended::Fenced);
        bed.store.leave(own, at(6)).await.unwrap();
        bed.join(number + 100, 7).await;
        bed.store.reap(at(1000)).await.unwrap();
        assert_eq!(bed.snapshot(pen.run).await, before);
    }
    assert_eq!(bed.store.next_due().await.unwrap(), None);
    bed.sound().await;
}

pub async fn an_append_without_entries_may_still_suspend(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.write(pen.wait(None), &mut pen).await;
    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.wake_at, row.head), (Status::Waiting, None, pen.head));
    bed.sound().await;
}
