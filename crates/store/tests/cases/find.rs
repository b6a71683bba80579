use store::{ActionQuery, ActionState, FindQuery, Found, KeyKind, RunCount, RunKey, RunQuery, Waiting};

use super::*;

fn key(kind: KeyKind, name: &str, value: &str) -> RunKey {
    RunKey { kind, name: name.into(), value: value.into() }
}

async fn find(bed: &Bed, text: &str) -> Vec<(RunId, RunKey, bool)> {
    let query = FindQuery { text: text.to_owned(), ..FindQuery::default() };
    let told = |found: Found| (found.row.run, found.by, found.whole);
    bed.store.find(query).await.unwrap().into_iter().map(told).collect()
}

pub async fn a_run_is_found_by_its_keys_and_how_they_begin(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let outside = key(KeyKind::Outside, "crm", "CRM-77");
    let guards = vec![Guard::FoundBy(outside.clone()), Guard::FoundBy(key(KeyKind::Outside, "crm", "crm-77"))];
    bed.write(pen.append(&[step_done("a")], guards), &mut pen).await;
    for number in 2..=4 {
        let mut new = bed.new_run(number, None, 1).await;
        new.about = BTreeMap::from([("order".into(), format!("A-{number}7")), ("empty".into(), String::new())]);
        new.about.insert("note".into(), "Łódź 100%_".to_owned());
        new.start_key = (number == 2).then(|| "mail-9".into());
        assert_eq!(bed.store.start(new).await.unwrap(), Started::Created);
    }

    assert_eq!(find(&bed, "crm-77").await, [(run_id(1), outside.clone(), true)], "the first word for it stays");
    assert_eq!(find(&bed, " CRM ").await, [(run_id(1), outside, false)]);
    let order = |number: u16| key(KeyKind::About, "order", &format!("A-{number}7"));
    assert_eq!(find(&bed, "a-37").await, [(run_id(3), order(3), true)]);
    let all: Vec<_> = [4, 3, 2].map(|number| (run_id(number), order(number), false)).into();
    assert_eq!(find(&bed, "a-").await, all, "newest first");
    assert_eq!(find(&bed, "mail-9").await, [(run_id(2), key(KeyKind::Start, "", "mail-9"), true)]);
    assert_eq!(find(&bed, "Łódź 100%").await.len(), 3);
    for nothing in ["", "  ", "7", "%", "Łódź 100%__", "run_", "run_zz", "run_0001ff"] {
        assert_eq!(find(&bed, nothing).await, [], "{nothing}");
    }

    let id = |number: u16| key(KeyKind::Run, "", &run_id(number).to_string());
    assert_eq!(find(&bed, &run_id(3).to_string()).await, [(run_id(3), id(3), true)]);
    assert_eq!(find(&bed, "run_0003").await, [(run_id(3), id(3), false)]);
    assert_eq!(find(&bed, "RUN_000").await.len(), 4);
    assert_eq!(find(&bed, "00030707").await, [(run_id(3), id(3), false)]);
    assert_eq!(find(&bed, "0003").await, [], "a few digits are no id");

    let page = FindQuery { text: "a-".to_owned(), whole: false, before: Some(run_id(4)), limit: 1 };
    assert_eq!(bed.store.find(page).await.unwrap()[0].row, bed.row(run_id(3)).await);
    for (text, runs) in [("a-", 0), ("A-37", 1), ("run_0003", 0), (&*run_id(3).to_string(), 1), ("łódź 100%_", 0)] {
        let whole = FindQuery { text: text.to_owned(), whole: true, ..FindQuery::default() };
        assert_eq!(bed.store.find(whole).await.unwrap().len(), runs, "{text}");
    }
    let wrong = pen.append(&[], vec![Guard::FoundBy(id(1))]);
    assert!(matches!(bed.store.append(wrong).await, Err(store::StoreError::Misuse { .. })));
    bed.sound().await;
}

pub async fn who_was_told_of_an_event_is_found_by_it(bed: Bed) {
    let own = bed.join(1, 0).await;
    let (mut early, mut late) = (bed.owned(1, own, 1).await, bed.owned(2, own, 1).await);
    let topic = || event::topic("paid", "7");
    let want = |now| Guard::Want { topic: topic(), since: at(0), at: at(now) };
    bed.write(early.append(&[], vec![want(2)]), &mut early).await;
    let mut published = event::event("digest", topic(), 3);
    published.called = Some("evt_9".into());
    assert!(bed.store.publish(published).await.unwrap());
    bed.write(late.append(&[], vec![want(4)]), &mut late).await;
    let by = key(KeyKind::Event, "paid", "evt_9");
    assert_eq!(find(&bed, "evt_9").await, [(late.run, by.clone(), true), (early.run, by, true)]);
    assert!(bed.store.publish(event::event("plain", topic(), 5)).await.unwrap());
    assert_eq!(find(&bed, "plain").await.len(), 2, "its id, if its publisher has no other name for it");
    bed.sound().await;
}

pub async fn runs_are_counted_as_they_stand(bed: Bed) {
    let counts = async || -> Vec<(String, Status, Option<String>, bool, u64)> {
        let told = |count: RunCount| {
            let failure = count.failure.map(|kind| kind.to_string());
            (count.workflow.to_string(), count.status, failure, count.covered, count.runs)
        };
        bed.store.run_counts().await.unwrap().into_iter().map(told).collect()
    };
    assert_eq!(counts().await, []);
    let own = bed.join(1, 0).await;
    for number in 1..=3 {
        bed.queued(number, 1).await;
    }
    let mut other = bed.new_run(4, None, 1).await;
    other.workflow = "desk".into();
    bed.store.start(other).await.unwrap();
    let lead = |status, runs| ("lead".to_owned(), status, None, false, runs);
    let desk = ("desk".to_owned(), Status::Queued, None, false, 1);
    assert_eq!(counts().await, [desk.clone(), lead(Status::Queued, 3)]);
    let mut pen = bed.claim_one(own, 2).await;
    assert_eq!(counts().await, [desk.clone(), lead(Status::Queued, 2), lead(Status::Running, 1)]);
    bed.write(pen.append(&[step_done("a")], vec![]), &mut pen).await;
    bed.write(pen.finish(Status::Failed), &mut pen).await;
    let mut pen = bed.claim_one(own, 2).await;
    bed.write(pen.wait(None), &mut pen).await;
    let failed = |covered| ("lead".to_owned(), Status::Failed, Some("internal".to_owned()), covered, 1);
    assert_eq!(counts().await, [desk.clone(), lead(Status::Queued, 1), lead(Status::Waiting, 1), failed(false)]);
    bed.sound().await;

    // Once another run tries it again, that one answers for it. Only one does.
    let source = bed.store.runs(RunQuery { status: vec![Status::Failed], ..RunQuery::default() }).await.unwrap()[0].run;
    let again = async |number| {
        let mut new = super::start::forked(bed.new_run(number, None, 3).await, source, 1, 0);
        new.inherited.as_mut().unwrap().again = true;
        bed.store.start(new).await.unwrap()
    };
    assert_eq!(again(5).await, Started::Created);
    assert_eq!(again(6).await, Started::Known { run: run_id(5) });
    assert_eq!(bed.row(source).await.again, Some(run_id(5)));
    assert_eq!(counts().await, [desk, lead(Status::Queued, 2), lead(Status::Waiting, 1), failed(true)]);
    for (covered, wanted) in [(Some(true), vec![source]), (Some(false), vec![]), (None, vec![source])] {
        let failed = RunQuery { status: vec![Status::Failed], covered, ..RunQuery::default() };
        let rows = bed.store.runs(failed).await.unwrap();
        assert_eq!(rows.iter().map(|row| row.run).collect::<Vec<_>>(), wanted, "{covered:?}");
    }
    bed.sound().await;
}

pub async fn a_list_of_few_among_many_is_whole_and_in_order(bed: Bed) {
    let own = bed.join(1, 0).await;
    for number in 1..=12 {
        let mut new = bed.new_run(number, None, i64::from(number)).await;
        new.workflow = ["lead", "desk", "ship"][usize::from(number % 3)].into();
        new.about.insert("half".into(), (number / 6).to_string());
        bed.store.start(new).await.unwrap();
    }
    for (number, status) in [(1, Status::Completed), (2, Status::Failed), (3, Status::Failed), (4, Status::Cancelled)] {
        let mut pen = bed.claim_one(own, 20).await;
        assert_eq!(pen.run, run_id(number));
        bed.write(pen.finish(status), &mut pen).await;
    }
    let list = async |query: RunQuery| -> Vec<u16> {
        let rows = bed.store.runs(query).await.unwrap();
        rows.iter().map(|row| u16::from_be_bytes([row.run.bytes()[0], row.run.bytes()[1]])).collect()
    };
    let over = vec![Status::Completed, Status::Failed, Status::Cancelled];
    assert_eq!(list(RunQuery { status: over.clone(), ..RunQuery::default() }).await, [4, 3, 2, 1]);
    let page = RunQuery { status: over.clone(), before: Some(run_id(4)), limit: 2, ..RunQuery::default() };
    assert_eq!(list(page).await, [3, 2]);
    let failed = RunQuery { failure: Some("internal".into()), ..RunQuery::default() };
    assert_eq!(list(failed.clone()).await, [3, 2]);
    assert_eq!(list(RunQuery { workflow: Some("ship".into()), ..failed.clone() }).await, [2]);
    assert_eq!(list(RunQuery { failure: Some("other".into()), ..failed }).await, [0_u16; 0]);
    let half = |value: &str| Some(("half".into(), value.to_owned()));
    let both = RunQuery { status: over, about: half("0"), workflow: Some("desk".into()), ..RunQuery::default() };
    assert_eq!(list(both).await, [4, 1]);
    assert_eq!(list(RunQuery { about: half("2"), ..RunQuery::default() }).await, [12]);
    assert_eq!(list(RunQuery { about: half(""), ..RunQuery::default() }).await, [0_u16; 0]);
}

pub async fn what_models_charged_is_summed_until_it_is_not_known(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    for (charged, cost) in [(Some(120), Some(120)), (Some(3), Some(123)), (None, None), (Some(5), None)] {
        let append = Append { charged, ..pen.append(&[step_done("a")], vec![]) };
        bed.write(append, &mut pen).await;
        assert_eq!(bed.row(pen.run).await.cost, cost);
    }
    for charged in [-1, AMOUNT_LIMIT + 1] {
        let wrong = Append { charged: Some(charged), ..pen.append(&[step_done("a")], vec![]) };
        assert!(matches!(bed.store.append(wrong).await, Err(store::StoreError::Misuse { .. })));
    }
}

pub async fn open_actions_come_in_pages(bed: Bed) {
    let own = bed.join(1, 0).await;
    for number in 1..=3 {
        let mut pen = bed.owned(number, own, 1).await;
        for step in ["b", "a"] {
            bed.write(pen.start_action(step), &mut pen).await;
        }
        let doubt = Guard::ActionUnknown { step: "b".into() };
        bed.write(pen.append(&[], vec![doubt]), &mut pen).await;
    }
    let list = async |query: ActionQuery| -> Vec<(RunId, String)> {
        let rows = bed.store.open_actions(query).await.unwrap();
        rows.into_iter().map(|row| (row.run, row.action.step.to_string())).collect()
    };
    let at = |number, step: &str| (run_id(number), step.to_owned());
    let after = |number, step: &str| Some((run_id(number), step.into()));
    let first = ActionQuery { limit: 3, ..ActionQuery::default() };
    assert_eq!(list(first.clone()).await, [at(1, "a"), at(1, "b"), at(2, "a")]);
    assert_eq!(list(ActionQuery { after: after(2, "a"), ..first }).await, [at(2, "b"), at(3, "a"), at(3, "b")]);
    let unknown = ActionQuery { state: Some(ActionState::Unknown), ..ActionQuery::default() };
    assert_eq!(list(ActionQuery { after: after(1, "b"), ..unknown.clone() }).await, [at(2, "b"), at(3, "b")]);
    let open = ActionQuery { state: Some(ActionState::Open), run: Some(run_id(2)), ..ActionQuery::default() };
    assert_eq!(list(open).await, [at(2, "a")]);
    assert_eq!(list(ActionQuery { run: Some(run_id(2)), after: after(2, "a"), ..unknown.clone() }).await, [at(2, "b")]);
    assert_eq!(list(ActionQuery { run: Some(run_id(2)), after: after(3, "a"), ..unknown }).await, []);
}

pub async fn what_waits_is_counted(bed: Bed) {
    assert_eq!(bed.store.waiting().await.unwrap(), Waiting::default());
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    for step in ["a", "b", "c"] {
        bed.write(pen.start_action(step), &mut pen).await;
    }
    let guards = vec![
        Guard::ActionUnknown { step: "b".into() },
        Guard::ApprovalOpen(approval::ask("a1")),
        Guard::ApprovalOpen(approval::ask("a2")),
        Guard::ApprovalClosed { approval: "a1".into(), state: ApprovalState::Rejected },
    ];
    bed.write(pen.append(&[], guards), &mut pen).await;
    assert_eq!(bed.store.waiting().await.unwrap(), Waiting { approvals: 1, work: 0, open: 2, unknown: 1 });
}
