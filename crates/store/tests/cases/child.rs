use store::{RunQuery, StoreError};

use super::*;

/// Run `number`, whose work `parent` hands to it.
pub async fn child(bed: &Bed, number: u16, parent: RunId, seconds: i64) -> NewRun {
    let mut new = bed.new_run(number, None, seconds).await;
    let Ok(Event::RunStarted { bundle, workflow, stages, input, about, project, by, acts_for, .. }) = new.first.event()
    else {
        panic!("a first entry is a start")
    };
    let of = Parent {
        run: parent,
        step: StepPath::new("hand"),
        above: vec!["lead".into()],
        scope: Scope::default(),
        envelope: Held::Value(Value::Null),
        effects: None,
        starters: Vec::new(),
    };
    let (parent_of, fork) = (Some(Box::new(of)), None);
    let event =
        Event::RunStarted { bundle, workflow, stages, input, about, project, by, acts_for, parent: parent_of, fork };
    new.first = Entry::seal(new.run, Head::START, 0, at(seconds), [9; 16], &event);
    new.parent = Some(parent);
    new
}

fn handed(new: &NewRun) -> Event {
    Event::ChildStarted {
        step: StepPath::new("hand"),
        child: new.run,
        workflow: "lead".into(),
        envelope: Held::Value(Value::Null),
        due_at: None,
        reserved: None,
    }
}

pub async fn a_child_starts_with_the_entry_of_its_parent_or_not_at_all(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let mut new = child(&bed, 2, pen.run, 2).await;
    new.blobs = vec![Blob::new(*b"what it works on")];
    let start = |new: &NewRun| Guard::StartChild(Box::new(new.clone()));

    // Nothing of it is there where the append is refused, fenced or wrong.
    let before = bed.snapshot(pen.run).await;
    let late = pen.at(2).append(&[handed(&new)], vec![start(&new), Guard::InboxIs(4)]);
    assert_eq!(bed.append(late).await, Appended::Refused { guard: 1, current: 0 });
    let fenced = Pen { epoch: 7, ..pen }.append(&[handed(&new)], vec![start(&new)]);
    assert_eq!(bed.append(fenced).await, Appended::Fenced);
    let cases = [
        NewRun { owner: Some(own), ..new.clone() },
        NewRun { start_key: Some("k".into()), ..new.clone() },
        NewRun { parent: Some(run_id(9)), ..new.clone() },
        NewRun { parent: None, ..new.clone() },
    ];
    for wrong in cases {
        let refused = bed.store.append(pen.append(&[handed(&new)], vec![start(&wrong)])).await.unwrap_err();
        assert!(matches!(refused, StoreError::Misuse { .. }), "{refused:?}");
    }
    let unknown = NewRun { bundle: Digest::ZERO, ..new.clone() };
    let refused = bed.store.append(pen.append(&[handed(&new)], vec![start(&unknown)])).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoBundle { .. }), "{refused:?}");
    let twice = pen.append(&[handed(&new)], vec![start(&new), start(&new)]);
    assert!(matches!(bed.store.append(twice).await, Err(StoreError::Misuse { .. })));
    assert_eq!(bed.snapshot(pen.run).await, before);
    assert_eq!(bed.store.run(new.run).await.unwrap(), None);

    // Then all of it, due at once.
    bed.write(pen.at(3).append(&[step_done("a"), handed(&new)], vec![start(&new)]), &mut pen).await;
    let row = bed.row(new.run).await;
    assert_eq!((row.status, row.owner, row.parent, row.epoch), (Status::Queued, None, Some(pen.run), 0));
    assert_eq!((row.wake_at, row.head), (Some(new.now), new.first.head()));
    assert_eq!(bed.store.journal(new.run, 0, 9).await.unwrap(), [new.first.clone()]);
    assert!(bed.store.blob(new.run, new.blobs[0].digest).await.unwrap().is_some());
    bed.write(pen.at(4).append(&[step_done("b")], vec![]), &mut pen).await;
    assert_eq!(bed.claim_one(own, 5).await.run, new.run);

    // The same once more is a bug of the caller, and writes nothing.
    let again = pen.append(&[handed(&new)], vec![start(&new)]);
    assert!(matches!(bed.store.append(again).await, Err(StoreError::Misuse { .. })));

    let of = |parent| RunQuery { parent: Some(parent), ..RunQuery::default() };
    let found = bed.store.runs(of(pen.run)).await.unwrap();
    assert_eq!(found.iter().map(|row| row.run).collect::<Vec<_>>(), [new.run]);
    assert_eq!(bed.store.runs(of(new.run)).await.unwrap(), []);
    bed.sound().await;
}

pub async fn what_a_child_says_is_told_with_its_last_entry_and_once(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut parent = bed.owned(1, own, 1).await;
    let new = child(&bed, 2, parent.run, 2).await;
    let start = Guard::StartChild(Box::new(new.clone()));
    bed.write(parent.at(2).append(&[handed(&new)], vec![start]), &mut parent).await;
    bed.write(parent.at(3).wait(None), &mut parent).await;
    let pen = bed.claim_one(own, 4).await;

    let tell =
        |seconds| Guard::TellRun { run: parent.run, message: message("child:2", "child", seconds), pardon: false };
    let mut last = pen.at(5).finish(Status::Completed);
    last.guards.insert(0, tell(5));
    let mut early = last.clone();
    early.guards.insert(0, Guard::InboxIs(3));
    assert_eq!(bed.append(early).await, Appended::Refused { guard: 0, current: 0 });
    assert_eq!((bed.row(parent.run).await.inbox_gen, bed.row(new.run).await.status), (0, Status::Running));
    assert!(matches!(bed.append(last).await, Appended::Done { .. }));
    let row = bed.row(parent.run).await;
    assert_eq!((row.inbox_gen, row.wake_at, row.status), (1, Some(at(5)), Status::Waiting));
    let told = bed.store.inbox(parent.run, 0).await.unwrap();
    assert_eq!(told, [Message { seq: 1, ..message("child:2", "child", 5) }]);

    // Known by its id; nobody tells itself; a run that is over or was never there is told nothing.
    let mut other = bed.owned(3, own, 6).await;
    bed.write(other.at(6).append(&[], vec![tell(6)]), &mut other).await;
    let itself = Guard::TellRun { run: other.run, message: message("x", "child", 6), pardon: false };
    assert!(matches!(bed.store.append(other.append(&[], vec![itself])).await, Err(StoreError::Misuse { .. })));
    for run in [new.run, run_id(99)] {
        let gone = Guard::TellRun { run, message: message("y", "cancel", 7), pardon: true };
        bed.write(other.at(7).append(&[], vec![gone]), &mut other).await;
    }
    assert_eq!(bed.row(parent.run).await.inbox_gen, 1);
    assert_eq!(bed.store.inbox(new.run, 0).await.unwrap(), []);
    bed.sound().await;
}

pub async fn a_full_inbox_and_a_blocked_run_are_told_all_the_same(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut blocked = bed.owned(1, own, 1).await;
    let mut pen = bed.owned(2, own, 1).await;
    let reason = Guard::Suspend { status: Status::Blocked, waits_for: "a worker".into(), wake_at: None };
    bed.write(blocked.at(2).append(&[], vec![reason]), &mut blocked).await;
    for number in 0..store::UNREAD_LIMIT {
        bed.post(blocked.run, &format!("s{number}"), "signal", 3).await;
    }
    let row = bed.row(blocked.run).await;
    let tell = Guard::TellRun { run: blocked.run, message: message("child:2", "child", 9), pardon: false };
    bed.write(pen.at(9).append(&[], vec![tell]), &mut pen).await;
    let after = bed.row(blocked.run).await;
    assert_eq!((after.inbox_gen, after.status), (store::UNREAD_LIMIT + 1, Status::Blocked));
    assert_eq!(after.wake_at, row.wake_at, "it sleeps on as it did");
    bed.sound().await;
}
