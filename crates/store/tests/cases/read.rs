use store::{LateResult, RunQuery};

use super::*;

pub async fn rows_are_listed_newest_first_and_filtered(bed: Bed) {
    let own = bed.join(1, 0).await;
    for number in 1..=60 {
        let mut new = bed.new_run(number, None, i64::from(number)).await;
        if number % 2 == 0 {
            new.workflow = "even \"half\"".into();
        }
        new.about.insert("it's".into(), format!("{}%_\"", number % 3));
        bed.store.start(new).await.unwrap();
    }
    let mut pen = bed.claim_one(own, 100).await;
    bed.write(pen.finish(Status::Completed), &mut pen).await;

    let list = async |query: RunQuery| {
        let rows = bed.store.runs(query).await.unwrap();
        rows.iter().map(|row| row.run).collect::<Vec<_>>()
    };
    let numbers = |wanted: Vec<u16>| wanted.into_iter().map(run_id).collect::<Vec<_>>();
    assert_eq!(list(RunQuery::default()).await, numbers((11..=60).rev().collect()), "50 unless said otherwise");
    let page = RunQuery { before: Some(run_id(11)), limit: 3, ..RunQuery::default() };
    assert_eq!(list(page).await, numbers(vec![10, 9, 8]));
    let ended = RunQuery { status: vec![Status::Completed, Status::Failed], ..RunQuery::default() };
    assert_eq!(list(ended).await, numbers(vec![1]));
    let even = RunQuery { workflow: Some("even \"half\"".into()), limit: 2, ..RunQuery::default() };
    assert_eq!(list(even).await, numbers(vec![60, 58]));
    let about = RunQuery { about: Some(("it's".into(), "1%_\"".into())), limit: 2, ..RunQuery::default() };
    assert_eq!(list(about).await, numbers(vec![58, 55]));
    let nobody = RunQuery { about: Some(("it's".into(), "%".into())), ..RunQuery::default() };
    assert_eq!(list(nobody).await, numbers(vec![]));
    let both = RunQuery {
        status: vec![Status::Queued],
        workflow: Some("lead".into()),
        about: Some(("number".into(), "7".into())),
        before: Some(run_id(8)),
        parent: None,
        failure: None,
        fork_of: None,
        covered: Some(false),
        limit: 5,
    };
    assert_eq!(list(both).await, numbers(vec![7]));
}

pub async fn a_journal_is_read_in_pages(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let events: Vec<_> = (0..10).map(|number| step_done(&format!("s{number}"))).collect();
    bed.write(pen.append(&events, vec![]), &mut pen).await;
    let whole = bed.store.journal(pen.run, 0, 100).await.unwrap();
    assert_eq!(kernel::journal::verify(pen.run, Head::START, &whole), Ok(pen.head));
    assert_eq!(whole.len(), 11);
    assert_eq!(bed.store.journal(pen.run, 0, 4).await.unwrap(), whole[..4]);
    assert_eq!(bed.store.journal(pen.run, 4, 4).await.unwrap(), whole[4..8]);
    assert_eq!(bed.store.journal(pen.run, 11, 4).await.unwrap(), []);
    assert_eq!(bed.store.journal(pen.run, 0, 0).await.unwrap(), []);
    assert_eq!(bed.store.journal(pen.run, u64::MAX, u32::MAX).await.unwrap(), []);
}

pub async fn bundles_and_blobs_come_back_as_they_were(bed: Bed) {
    let bundle = bed.bundle().await;
    assert_eq!(bed.store.bundle(bundle).await.unwrap().as_deref(), Some(&b"{}"[..]));
    bed.store.put_bundle(bundle, (*b"{}").into(), at(9)).await.unwrap();
    assert_eq!(bed.store.bundle(Digest::ZERO).await.unwrap(), None);

    let own = bed.join(1, 0).await;
    let mut pens = [bed.owned(1, own, 1).await, bed.owned(2, own, 1).await];
    let large = Blob::new((0..100_000_u32).map(|byte| byte.to_le_bytes()[0]).collect::<Vec<_>>());
    let empty = Blob::new([]);
    let mut append = pens[0].append(&[blob_step("a", &large), blob_step("b", &empty)], vec![]);
    append.blobs = vec![large.clone(), empty.clone()];
    bed.write(append, &mut pens[0]).await;
    for blob in [&large, &empty] {
        assert_eq!(bed.store.blob(pens[0].run, blob.digest).await.unwrap().as_ref(), Some(&blob.bytes));
        assert_eq!(bed.store.blob(pens[1].run, blob.digest).await.unwrap(), None, "a blob belongs to its run");
    }
    let mut new = bed.new_run(3, None, 2).await;
    new.blobs = vec![large.clone()];
    bed.store.start(new).await.unwrap();
    assert_eq!(bed.store.blob(run_id(3), large.digest).await.unwrap().as_ref(), Some(&large.bytes));
    bed.sound().await;
}

pub async fn the_earliest_due_time_is_known(bed: Bed) {
    assert_eq!(bed.store.next_due().await.unwrap(), None);
    let own = bed.join(1, 0).await;
    bed.queued(1, 7).await;
    bed.queued(2, 5).await;
    assert_eq!(bed.store.next_due().await.unwrap(), Some(at(5)));
    let mut pen = bed.claim_one(own, 8).await;
    assert_eq!(bed.store.next_due().await.unwrap(), Some(at(7)));
    bed.claim_one(own, 8).await;
    assert_eq!(bed.store.next_due().await.unwrap(), None, "owned runs are not due");
    bed.write(pen.wait(Some(20)), &mut pen).await;
    assert_eq!(bed.store.next_due().await.unwrap(), Some(at(20)));
}

pub async fn late_results_are_kept_once_and_told(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let run = pen.run;
    bed.write(pen.wait(None), &mut pen).await;
    let late = |step: &str, epoch, attempt, outcome: &[u8]| LateResult {
        run,
        step: step.into(),
        epoch,
        attempt,
        outcome: outcome.into(),
        at: at(9),
    };
    for result in [late("pay", 2, 1, b"1"), late("mail", 3, 1, b"2"), late("pay", 1, 2, b"3"), late("pay", 2, 1, b"no")]
    {
        bed.store.salvage(result).await.unwrap();
    }
    let kept = bed.store.late_results(run).await.unwrap();
    assert_eq!(kept, [late("mail", 3, 1, b"2"), late("pay", 1, 2, b"3"), late("pay", 2, 1, b"1")]);
    let told = bed.store.inbox(run, 0).await.unwrap();
    let told: Vec<_> = told.iter().map(|told| (told.seq, &*told.kind, &*told.id, &told.body[..])).collect();
    let wanted =
        [(1, "late", "late:pay:2:1", &b"1"[..]), (2, "late", "late:mail:3:1", b"2"), (3, "late", "late:pay:1:2", b"3")];
    assert_eq!(told, wanted);
    let row = bed.row(run).await;
    assert_eq!((row.status, row.wake_at), (Status::Waiting, Some(at(9))), "the run is woken");

    let mut pen = bed.claim_one(own, 10).await;
    let blocked = Guard::Suspend { status: Status::Blocked, waits_for: "another engine".into(), wake_at: None };
    bed.write(pen.append(&[], vec![blocked]), &mut pen).await;
    bed.store.salvage(late("pay", 8, 8, b"4")).await.unwrap();
    let row = bed.row(run).await;
    assert_eq!((row.status, row.wake_at, row.inbox_gen), (Status::Blocked, None, 4), "it is told and sleeps on");
    bed.post(run, "m", "resume", 11).await;

    let mut pen = bed.claim_one(own, 11).await;
    bed.write(pen.finish(Status::Completed), &mut pen).await;
    bed.store.salvage(late("pay", 9, 9, b"4")).await.unwrap();
    assert_eq!(bed.store.late_results(run).await.unwrap().len(), 5, "it is kept also after the end");
    assert_eq!(bed.store.inbox(run, 5).await.unwrap(), [], "and told to nobody");
    let unknown = LateResult { run: run_id(9), ..late("pay", 1, 1, b"1") };
    assert!(matches!(bed.store.salvage(unknown).await, Err(store::StoreError::NoRun { .. })));
    bed.sound().await;
}

pub async fn nothing_is_known_of_an_unknown_run(bed: Bed) {
    let run = run_id(404);
    assert_eq!(bed.store.run(run).await.unwrap(), None);
    assert_eq!(bed.store.journal(run, 0, 10).await.unwrap(), []);
    assert_eq!(bed.store.inbox(run, 0).await.unwrap(), []);
    assert_eq!(bed.store.blob(run, Digest::ZERO).await.unwrap(), None);
    assert_eq!(bed.store.late_results(run).await.unwrap(), []);
    assert_eq!(bed.store.runs(RunQuery::default()).await.unwrap(), []);
    bed.sound().await;
}
