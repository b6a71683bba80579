use kernel::journal::{Effects, Fork, Origin};
use store::{ForkOf, Inherited, RunQuery, StoreError};

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
        fork: None,
        again: None,
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

/// The same run, going on from entry `entry` of another one whose inbox had had so many messages.
pub fn forked(mut new: NewRun, of: RunId, entry: u64, inbox: u64) -> NewRun {
    let Ok(Event::RunStarted { bundle, workflow, stages, input, about, project, by, acts_for, parent, .. }) =
        new.first.event()
    else {
        panic!("a first entry is a start")
    };
    let from = vec![Origin { run: of, entry, hash: Digest::ZERO }];
    let fork = Some(Box::new(Fork { from, effects: Effects::Ask, retry: false, inbox, starters: Vec::new() }));
    let event = Event::RunStarted { bundle, workflow, stages, input, about, project, by, acts_for, parent, fork };
    new.first = Entry::seal(new.run, Head::START, u64::from(new.owner.is_some()), new.first.at, [9; 16], &event);
    let (mut head, mut entries) = (new.first.head(), Vec::new());
    for seq in 2..=entry {
        let entry = Entry::seal(new.run, head, 1 + seq / 3, at(seq as i64), [9; 16], &step_done("inherited"));
        head = entry.head();
        entries.push(entry);
    }
    new.inherited = Some(Box::new(Inherited { of, entries, inbox, again: false }));
    new
}

pub async fn a_fork_starts_with_all_that_it_inherits(bed: Bed) {
    let source = bed.queued(1, 1).await;
    let new = forked(bed.new_run(2, None, 2).await, source, 200, 3);
    let all: Vec<Entry> =
        std::iter::once(&new.first).chain(&new.inherited.as_ref().unwrap().entries).cloned().collect();
    assert_eq!(bed.store.start(new.clone()).await.unwrap(), Started::Created);
    assert_eq!(bed.store.start(new.clone()).await.unwrap(), Started::Known { run: new.run });
    let row = bed.row(new.run).await;
    assert_eq!(row.fork, Some(ForkOf { run: source, entry: 200, inbox: 3 }));
    assert_eq!((row.status, row.epoch, row.head), (Status::Queued, 67, all[199].head()));
    assert_eq!((row.inbox_gen, row.inbox_read), (3, 3), "what its source read is not read again");
    assert_eq!(bed.store.journal(new.run, 0, 1000).await.unwrap(), all);
    assert_eq!(bed.store.journal(new.run, 60, 10).await.unwrap(), all[60..70]);
    let of = |run| RunQuery { fork_of: Some(run), ..RunQuery::default() };
    let rows = bed.store.runs(of(source)).await.unwrap();
    assert_eq!(rows.iter().map(|row| row.run).collect::<Vec<_>>(), [new.run]);
    assert_eq!(bed.store.runs(of(new.run)).await.unwrap(), []);
    bed.sound().await;

    // It goes on in the next epoch, and its messages are counted on.
    assert_eq!(bed.post(new.run, "m", "signal", 3).await, Posted::New { seq: 4, owner: None });
    let own = bed.join(1, 3).await;
    let claimed = bed.claim(own, 10, 4).await;
    let claim = claimed.iter().find(|claim| claim.run == new.run).expect("it is due");
    assert_eq!((claim.epoch, claim.head, claim.inbox_gen), (68, all[199].head(), 4));
    let mut pen = Pen::of(claim, own, 4);
    bed.write(pen.append(&[step_done("own")], vec![]), &mut pen).await;
    bed.sound().await;
}

pub async fn nothing_goes_on_from_what_is_not_there_any_more(bed: Bed) {
    let own = bed.join(1, 0).await;
    let source = bed.owned(1, own, 1).await;
    let new = forked(bed.new_run(2, None, 2).await, source.run, 1, 0);
    let nothing = forked(bed.new_run(3, None, 2).await, run_id(9), 1, 0);
    let refused = bed.store.start(nothing).await.unwrap_err();
    assert!(matches!(refused, StoreError::NoRun { run } if run == run_id(9)), "{refused:?}");
    assert!(matches!(bed.append(source.at(3).finish(Status::Completed)).await, Appended::Done { .. }));
    assert_eq!(bed.store.erase(source.run, at(3)).await.unwrap(), store::Erased::Done);
    let keyed = NewRun { start_key: Some("retry".into()), ..new };
    assert_eq!(bed.store.start(keyed.clone()).await.unwrap(), Started::Erased { run: source.run });
    assert_eq!(bed.store.run(keyed.run).await.unwrap(), None);
    let other = NewRun { start_key: Some("retry".into()), ..bed.new_run(4, None, 4).await };
    assert_eq!(bed.store.start(other).await.unwrap(), Started::Created, "the key was not taken");
    bed.sound().await;
}

pub async fn a_fork_that_cannot_be_is_refused_whole(bed: Bed) {
    let own = bed.join(1, 0).await;
    let new = forked(bed.new_run(2, None, 1).await, run_id(1), 5, 0);
    let with = |change: fn(&mut Inherited)| {
        let mut new = new.clone();
        change(new.inherited.as_mut().unwrap());
        new
    };
    let wrong = [
        forked(bed.new_run(2, Some(own), 1).await, run_id(1), 5, 0),
        forked(bed.new_run(2, None, 1).await, run_id(2), 5, 0),
        NewRun { parent: Some(run_id(3)), ..new.clone() },
        with(|inherited| drop(inherited.entries.remove(1))),
        with(|inherited| inherited.entries[0].epoch = 9),
    ];
    for (number, new) in wrong.into_iter().enumerate() {
        let refused = bed.store.start(new).await.unwrap_err();
        assert!(matches!(refused, StoreError::Misuse { .. }), "{number}: {refused:?}");
    }
    assert_eq!(bed.store.run(run_id(2)).await.unwrap(), None);
}
