use kernel::{
    context::Manifest,
    journal::Usage,
    recovery::{Failure, FailureKind, Phase},
};
use store::{
    Erased, KeptAnswer, LateResult, OutQuery, OutState, Seal, Sealed, SealedHead, StoreError, Taken, Tried,
    WorkClaimed, WorkQuery, WorkRow,
};

use super::{
    governed::{out, work},
    outcome, *,
};

pub async fn work_is_listed_claimed_and_released(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.write(pen.append(&[], vec![work("w2"), work("w1"), work("w3")]), &mut pen).await;
    bed.write(pen.append(&[], vec![Guard::WorkClosed { work: "w3".into() }]), &mut pen).await;
    let list = async |query| -> Vec<String> {
        bed.store.work(query).await.unwrap().iter().map(|row| row.id.to_string()).collect()
    };
    let all = WorkQuery::default();
    assert_eq!(list(all.clone()).await, ["w1", "w2"]);
    assert_eq!(list(WorkQuery { all_states: true, limit: 2, ..all.clone() }).await, ["w1", "w2"]);
    assert_eq!(list(WorkQuery { all_states: true, run: Some(pen.run), ..all.clone() }).await, ["w1", "w2", "w3"]);
    assert_eq!(list(WorkQuery { queue: Some("desk".into()), ..all.clone() }).await, ["w1", "w2"]);
    assert_eq!(list(WorkQuery { all_states: true, after: Some("w1".into()), ..all.clone() }).await, ["w2", "w3"]);
    assert_eq!(list(WorkQuery { after: Some("w2".into()), ..all.clone() }).await, [""; 0]);
    assert_eq!(list(WorkQuery { after: Some("none".into()), ..all.clone() }).await, [""; 0]);
    assert_eq!(list(WorkQuery { queue: Some("other".into()), ..all.clone() }).await, [""; 0]);
    assert_eq!(list(WorkQuery { id: Some("w3".into()), ..all.clone() }).await, ["w3"]);

    let claim =
        async |id: &str, by: &str, seconds| bed.store.claim_work(id.into(), by.into(), at(seconds)).await.unwrap();
    assert_eq!(claim("w1", "bob", 5).await, WorkClaimed::Yes);
    assert_eq!(claim("w1", "bob", 6).await, WorkClaimed::Yes);
    assert_eq!(claim("w1", "cleo", 6).await, WorkClaimed::Taken { by: "bob".into() });
    assert_eq!(claim("w3", "cleo", 6).await, WorkClaimed::Closed);
    assert_eq!(claim("w9", "cleo", 6).await, WorkClaimed::Missing);
    let row = bed.store.work(WorkQuery { id: Some("w1".into()), ..all.clone() }).await.unwrap().remove(0);
    let wanted = WorkRow {
        id: "w1".into(),
        run: pen.run,
        step: "ask".into(),
        queue: "desk".into(),
        card: Some((*b"{}").into()),
        opened_at: at(3),
        due_at: Some(at(99)),
        claimed_by: Some("bob".into()),
        claimed_at: Some(at(5)),
        closed_at: None,
    };
    assert_eq!(row, wanted);
    let release = async |id: &str, by: &str| bed.store.release_work(id.into(), by.into()).await.unwrap();
    assert!(!release("w1", "cleo").await, "it is not hers");
    assert!(release("w1", "bob").await);
    assert!(!release("w1", "bob").await);
    assert_eq!(claim("w1", "cleo", 7).await, WorkClaimed::Yes);
    bed.sound().await;
}

pub async fn a_message_leaves_until_it_has_left(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    bed.write(pen.append(&[], vec![out("o2"), out("o1")]), &mut pen).await;
    let hook = [Arc::from("hook")];
    let due = async |seconds| -> Vec<(String, u32)> {
        let rows = bed.store.take_outbox(&hook, 9, at(seconds), at(seconds + 10)).await.unwrap();
        rows.iter().map(|row| (row.id.to_string(), row.attempts)).collect()
    };
    let tried = async |id: &str, tried| bed.store.outbox_tried(id.into(), tried).await.unwrap();
    let stands = async |id: &str| {
        let query = OutQuery { id: Some(id.into()), ..OutQuery::default() };
        bed.store.outbox(query).await.unwrap().remove(0)
    };
    let known = |id: &str, attempts| (id.to_owned(), attempts);
    assert_eq!((due(2).await, bed.store.next_outbox(&hook).await.unwrap()), (vec![], Some(at(3))));
    let other = [Arc::from("mail")];
    assert_eq!(bed.store.take_outbox(&other, 9, at(9), at(19)).await.unwrap(), [], "another sender's");
    assert_eq!(bed.store.next_outbox(&other).await.unwrap(), None);
    assert_eq!(due(3).await, [known("o1", 1), known("o2", 1)]);
    assert_eq!(due(12).await, [], "a sender has them");
    assert_eq!(due(13).await, [known("o1", 2), known("o2", 2)], "it died");
    assert!(tried("o1", Tried::Again { at: at(29), why: "no answer".into() }).await);
    assert!(tried("o2", Tried::Left).await);
    assert!(!tried("o2", Tried::Left).await, "it has left");
    assert!(!tried("o9", Tried::Left).await, "there is none");
    assert_eq!((due(28).await, due(29).await), (vec![], vec![known("o1", 3)]));
    let row = stands("o1").await;
    assert_eq!((row.run, row.body.as_deref(), row.at), (pen.run, Some(&b"{}"[..]), at(3)));
    assert_eq!((row.state, row.next_at, row.why.as_deref()), (OutState::Waiting, Some(at(39)), Some("no answer")));
    assert!(!bed.store.outbox_again("o1".into(), at(30)).await.unwrap(), "it is not dead");
    assert!(tried("o1", Tried::Dead { why: "gone".into() }).await);
    assert_eq!(
        (due(99).await, stands("o1").await.state, stands("o2").await.state),
        (vec![], OutState::Dead, OutState::Left)
    );
    let open = bed.store.outbox(OutQuery::default()).await.unwrap();
    assert_eq!(open.iter().map(|row| &*row.id).collect::<Vec<_>>(), ["o1"]);
    assert!(bed.store.outbox_again("o1".into(), at(100)).await.unwrap());
    assert_eq!(due(100).await, [known("o1", 1)]);
    assert!(tried("o1", Tried::Dropped { why: "decided".into() }).await);
    assert_eq!((stands("o1").await.state, bed.store.next_outbox(&hook).await.unwrap()), (OutState::Dropped, None));

    let Guard::Outbox(mut late) = out("o3") else { panic!("a message") };
    late.due_at = at(200);
    assert!(bed.store.tell(pen.run, late.clone()).await.unwrap());
    assert!(!bed.store.tell(pen.run, late.clone()).await.unwrap(), "the same again");
    assert_eq!((due(199).await, due(200).await), (vec![], vec![known("o3", 1)]));
    bed.sound().await;
}

pub async fn a_rate_limit_lets_a_burst_through_and_then_its_pace(bed: Bed) {
    let take =
        async |bucket: &str, seconds, n| bed.store.take(bucket.into(), at(seconds), 10 * SECOND, 3, n).await.unwrap();
    assert_eq!(take("a", 100, 2).await, Taken::Yes);
    assert_eq!(take("a", 100, 1).await, Taken::Yes);
    assert_eq!(take("a", 100, 1).await, Taken::NotBefore(at(110)));
    assert_eq!(take("b", 100, 3).await, Taken::Yes, "another bucket is another limit");
    assert_eq!(take("a", 109, 1).await, Taken::NotBefore(at(110)));
    assert_eq!(take("a", 110, 1).await, Taken::Yes);
    assert_eq!(take("a", 110, 2).await, Taken::NotBefore(at(130)));
    assert_eq!(take("a", 900, 3).await, Taken::Yes, "unused time gives no more than a burst");
    assert_eq!(take("a", 900, 1).await, Taken::NotBefore(at(910)));
    assert_eq!(take("a", 50, 1).await, Taken::NotBefore(at(910)), "a clock that steps back gives nothing away");

    bed.store.push_back("a".into(), at(2000)).await.unwrap();
    bed.store.push_back("a".into(), at(1500)).await.unwrap();
    bed.store.push_back("new".into(), at(2000)).await.unwrap();
    for bucket in ["a", "new"] {
        assert_eq!(take(bucket, 1999, 1).await, Taken::NotBefore(at(2000)));
        assert_eq!(take(bucket, 2000, 3).await, Taken::Yes);
    }
    for (interval, burst, n) in [(-1, 3, 1), (1, 3, 4), (i64::MAX, 3, 1), (1, 0, 0)] {
        let refused = bed.store.take("a".into(), at(1), interval, burst, n).await.unwrap_err();
        assert!(matches!(refused, StoreError::Misuse { .. }), "{interval} {burst} {n}: {refused:?}");
    }
    bed.sound().await;
}

pub async fn a_frozen_scope_is_freed_by_a_person(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let reserve = |step: &str| Guard::Reserve { step: step.into(), lines: vec![budget::line("t", "tokens", 100, 10)] };
    let cost = Guard::Settle { step: "a".into(), actual: BTreeMap::from([("tokens".into(), 11)]) };
    bed.write(pen.append(&[], vec![reserve("a"), cost]), &mut pen).await;
    assert!(matches!(bed.append(pen.append(&[], vec![reserve("b")])).await, Appended::Refused { .. }));
    let said = || super::governed::change("{\"thaw\":1}", 3);
    assert!(!bed.store.unfreeze("other".into(), said()).await.unwrap());
    assert!(bed.store.unfreeze("t".into(), said()).await.unwrap());
    assert!(!bed.store.unfreeze("t".into(), said()).await.unwrap());
    assert_eq!(bed.store.governance(0).await.unwrap().len(), 1, "it is said once, with the deed");
    bed.write(pen.append(&[], vec![reserve("b")]), &mut pen).await;
    let row = bed.store.budgets().await.unwrap().remove(0);
    assert_eq!((row.settled, row.reserved, row.overrun, row.frozen), (11, 10, 1, false), "what happened stays counted");
    assert_eq!(bed.store.orphans().await.unwrap(), [], "its run is not over");
    assert_eq!(bed.store.sweep().await.unwrap(), 0, "its run is not over");
    bed.sound().await;
}

pub async fn an_answer_is_kept_until_its_time_and_goes_with_its_run(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let (kept, missed) = (super::governed::kept, super::governed::missed);
    let keep = |answer: &KeptAnswer| Guard::KeepAnswer(Box::new(answer.clone()));
    let found = async |key: u8| bed.store.answer(kept(key, 1, (0, 0)).key).await.unwrap();
    // What is refused as a whole leaves no answer.
    let first = kept(1, 3, (2, 60));
    assert!(matches!(
        bed.append(pen.append(&[], vec![keep(&first), Guard::InboxIs(7)])).await,
        Appended::Refused { .. }
    ));
    assert_eq!(found(1).await, None);
    bed.write(pen.append(&[missed(&first), step_done("x")], vec![keep(&first)]), &mut pen).await;
    let of_run = |answer: KeptAnswer| Some(KeptAnswer { run: pen.run, ..answer });
    assert_eq!(found(1).await, of_run(first.clone()), "it is the answer of the run that appends");
    assert_eq!(found(2).await, None);
    let (sooner, later) = (kept(1, 5, (3, 59)), kept(1, 7, (3, 61)));
    bed.write(pen.append(&[missed(&sooner), step_done("y")], vec![keep(&sooner)]), &mut pen).await;
    assert_eq!(found(1).await.unwrap().entry, 3, "one that counts longer stays");
    bed.write(pen.append(&[missed(&later), step_done("z")], vec![keep(&later)]), &mut pen).await;
    assert_eq!(found(1).await.unwrap().entry, 7);
    assert_eq!(bed.store.drop_answers(at(60)).await.unwrap(), 0, "it counts until 61");

    // The next one that is kept removes what counts no more; until then it can be read.
    let second = kept(2, 9, (61, 90));
    let next = Append { now: at(61), ..pen.append(&[missed(&second), step_done("u")], vec![keep(&second)]) };
    bed.write(next, &mut pen).await;
    assert_eq!(found(1).await, None);
    assert_eq!(found(2).await.unwrap().entry, 9);

    // All of it can be read in pages, forgotten by key, and goes with the housekeeping.
    let (third, fourth) = (kept(3, 12, (62, 70)), kept(4, 12, (62, 80)));
    let events = [missed(&third), missed(&fourth), step_done("w")];
    bed.write(pen.append(&events, vec![keep(&third), keep(&fourth)]), &mut pen).await;
    let mut all = Vec::new();
    while let Some(row) = bed.store.answers(all.last().copied(), 1).await.unwrap().first() {
        all.push(row.key);
    }
    let mut keys = [2, 3, 4].map(|key| kept(key, 1, (0, 0)).key);
    keys.sort();
    assert_eq!(all, keys);
    assert_eq!(bed.store.forget_answers(vec![fourth.key, first.key]).await.unwrap(), 1);
    assert_eq!(found(4).await, None);
    assert_eq!(bed.store.drop_answers(at(70)).await.unwrap(), 1);
    assert_eq!(found(3).await, None);
    assert_eq!(found(2).await.unwrap().entry, 9);
    bed.sound().await;

    // A row that no entry keeps is found.
    let mut stray = kept(5, 9, (62, 80));
    bed.write(pen.append(&[step_done("s")], vec![keep(&stray)]), &mut pen).await;
    let findings = bed.store.check().await.unwrap();
    assert_eq!(findings.iter().map(|one| one.rule).collect::<Vec<_>>(), ["answer"], "{findings:?}");
    assert_eq!(bed.store.forget_answers(vec![stray.key]).await.unwrap(), 1);
    // Nor may it count longer than the entry says.
    stray = kept(2, 9, (61, 91));
    bed.write(pen.append(&[step_done("t")], vec![keep(&stray)]), &mut pen).await;
    assert_eq!(bed.store.check().await.unwrap().len(), 1);
    assert_eq!(bed.store.forget_answers(vec![stray.key]).await.unwrap(), 1);
    let second = kept(2, 16, (63, 93));
    bed.write(pen.append(&[missed(&second), step_done("a")], vec![keep(&second)]), &mut pen).await;
    bed.sound().await;

    let (status, failure) = (Status::Completed, None);
    let last = Append { now: at(62), ..pen.append(&[step_done("v")], vec![Guard::Finish { status, failure }]) };
    bed.write(last, &mut pen).await;
    assert_eq!(bed.store.erase(pen.run, at(63)).await.unwrap(), Erased::Done);
    assert_eq!(found(2).await, None, "an answer goes with the run that had got it");
    bed.sound().await;
}

pub async fn a_model_cools_down_with_the_entry_that_says_so_and_a_person_ends_that(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let cool = |scope: &str, until| {
        let why = FailureKind::ProviderOverloaded.as_str().into();
        Guard::CoolDown { scope: scope.into(), until: at(until), why }
    };
    let rows = async || {
        let rows = bed.store.cooldowns().await.unwrap();
        rows.into_iter().map(|row| (row.scope.to_string(), row.until, row.run)).collect::<Vec<_>>()
    };
    assert_eq!(rows().await, []);
    // What is refused as a whole leaves no row.
    let stale = Guard::InboxIs(7);
    let (a, b) = ("/model:a", "/model:b");
    assert!(matches!(bed.append(pen.append(&[], vec![cool(a, 60), stale])).await, Appended::Refused { .. }));
    assert_eq!(rows().await, []);
    let said = [busy("b", 40), busy("a", 60)].concat();
    bed.write(pen.append(&said, vec![cool(b, 40), cool(a, 60)]), &mut pen).await;
    let said = [busy("a", 50), busy("b", 90)].concat();
    bed.write(pen.append(&said, vec![cool(a, 50), cool(b, 90)]), &mut pen).await;
    assert_eq!(rows().await, [(a.into(), at(60), pen.run), (b.into(), at(90), pen.run)], "never shorter");
    bed.sound().await;

    let said = |seconds| super::governed::change(r#"{"change":"ask","reason":"paid","scope":"/model:a"}"#, seconds);
    assert!(!bed.store.end_cooldown("/model:c".into(), said(3)).await.unwrap());
    assert!(!bed.store.end_cooldown(a.into(), said(60)).await.unwrap(), "it is free by then");
    assert!(bed.store.end_cooldown(a.into(), said(59)).await.unwrap());
    assert!(!bed.store.end_cooldown(a.into(), said(59)).await.unwrap());
    assert_eq!(bed.store.governance(0).await.unwrap().len(), 1, "it is said once, with the deed");
    assert_eq!(rows().await, [(b.into(), at(90), pen.run)]);
    bed.sound().await;
    // What journals and rows say otherwise is found.
    let mut pen = pen.at(65);
    bed.write(pen.append(&[], vec![cool("/model:c", 95)]), &mut pen).await;
    bed.write(pen.append(&busy("a", 99), vec![]), &mut pen).await;
    bed.write(pen.append(&busy("b", 99), vec![]), &mut pen).await;
    let found: Vec<String> = bed.store.check().await.unwrap().into_iter().map(|one| one.detail).collect();
    let (early, late, other) = (at(90), at(99), at(95));
    assert_eq!(
        found,
        [
            format!("`{b}` cools down until {early} by its row, by its journal until {late}"),
            format!("`/model:c` cools down until {other} by its row, and its journal does not say so"),
            format!("`{a}` cools down until {late} by its journal, and has no row"),
        ]
    );
}

/// A model is asked, and its provider has no room for so many seconds.
fn busy(model: &str, until: i64) -> Vec<Event> {
    cooled(model, at(until))
}

/// A model is asked, and its provider has no room until then.
pub fn cooled(model: &str, until: Timestamp) -> Vec<Event> {
    let step = StepPath::new(format!("ask_{model}"));
    let manifest = Manifest {
        segments: Vec::new(),
        request: Digest::ZERO,
        output_schema: None,
        tokens_est: 0,
        layout: None,
        edges: Vec::new(),
    };
    let (asked, model) = (step.clone(), model.into());
    let failure = Failure {
        kind: FailureKind::ProviderOverloaded,
        phase: Phase::Answered,
        detail: "busy".to_owned(),
        retry_after: None,
    };
    vec![
        Event::ModelAsked { step: asked, attempt: 1, model, route: None, manifest, reserved: None },
        Event::ModelAnswered {
            step,
            attempt: 1,
            result: StepResult::Failed(failure),
            usage: Usage::default(),
            raw: None,
            spent: None,
            said: None,
            cools: Some(until),
            claims: Vec::new(),
            charged: None,
            unsure: None,
            keeps: None,
        },
    ]
}

pub async fn heads_that_moved_are_sealed_in_a_chain(bed: Bed) {
    let own = bed.join(1, 0).await;
    assert_eq!(bed.store.last_seal().await.unwrap(), None);
    assert_eq!(bed.store.dirty_heads(9).await.unwrap(), store::DirtyHeads::default());
    let mut pens = [bed.owned(1, own, 1).await, bed.owned(2, own, 1).await];
    let open = |pen: &Pen| (pen.run, SealedHead { head: pen.head, closed: false });
    bed.write(pens[0].append(&[step_done("a"), step_done("b")], vec![]), &mut pens[0]).await;
    let dirty = bed.store.dirty_heads(9).await.unwrap();
    assert_eq!((dirty.upto, dirty.heads.clone()), (3, BTreeMap::from([open(&pens[0]), open(&pens[1])])));
    assert_eq!(bed.store.dirty_heads(1).await.unwrap().heads.len(), 1, "no more appends are looked at than asked for");

    let mut first = Seal::after(None, dirty, at(5));
    (first.key_id, first.signature) = (Some("k1".into()), Some((*b"signed").into()));
    let wrong = Seal { hash: Digest::ZERO, ..first.clone() };
    assert!(matches!(bed.store.add_seal(wrong).await, Err(StoreError::Misuse { .. })));
    assert_eq!(bed.store.add_seal(first.clone()).await.unwrap(), Sealed::Done);
    assert_eq!(bed.store.add_seal(first.clone()).await.unwrap(), Sealed::Moved { current: 1 });
    assert_eq!(bed.store.last_seal().await.unwrap(), Some(first.clone()));
    assert_eq!(bed.store.dirty_heads(9).await.unwrap(), store::DirtyHeads { upto: 3, heads: BTreeMap::new() });

    bed.write(pens[1].append(&[step_done("a")], vec![]), &mut pens[1]).await;
    let dirty = bed.store.dirty_heads(9).await.unwrap();
    assert_eq!(dirty.heads, BTreeMap::from([open(&pens[1])]));
    let unchained = Seal { prev: Digest::ZERO, ..Seal::after(Some(&first), dirty.clone(), at(6)) };
    assert!(matches!(bed.store.add_seal(unchained).await, Err(StoreError::Misuse { .. })));
    let second = Seal::after(Some(&first), dirty, at(6));
    assert_eq!(bed.store.add_seal(second.clone()).await.unwrap(), Sealed::Done);
    assert_eq!(bed.store.last_seal().await.unwrap(), Some(second.clone()));
    assert_eq!(bed.store.seals(0, 1).await.unwrap(), [first]);
    assert_eq!(bed.store.seals(1, 9).await.unwrap(), std::slice::from_ref(&second));

    // The log of changes is a chain as well, and a run that is over is closed.
    let change = store::Change {
        at: at(7),
        by: "ada".into(),
        auth: "local".into(),
        body: (*b"{}").into(),
        expect: None,
        wake: None,
    };
    bed.store.govern(change).await.unwrap();
    let ending = pens[0].finish(Status::Completed);
    bed.write(ending, &mut pens[0]).await;
    let dirty = bed.store.dirty_heads(9).await.unwrap();
    let log = bed.store.governance(0).await.unwrap().remove(0);
    let head = Head { seq: 1, hash: log.hash };
    let over = SealedHead { head: pens[0].head, closed: true };
    let wanted = [(RunId::from_bytes(store::SYSTEM), SealedHead { head, closed: false }), (pens[0].run, over)];
    assert_eq!(dirty.heads, BTreeMap::from(wanted));
    let third = Seal::after(Some(&second), dirty, at(8));
    assert_eq!(bed.store.add_seal(third).await.unwrap(), Sealed::Done);
    bed.sound().await;
}

pub async fn a_copy_can_become_a_deployment_of_its_own(bed: Bed) {
    let id = bed.store.instance_id().await.unwrap();
    assert_eq!((id.len(), bed.store.instance_id().await.unwrap()), (32, id.clone()), "{id}");
    let other: std::sync::Arc<str> = "f".repeat(32).into();
    bed.store.adopt(other.clone()).await.unwrap();
    assert_eq!(bed.store.instance_id().await.unwrap(), other);
    bed.sound().await;
}

pub async fn what_a_run_held_is_erased_and_its_chain_still_verifies(bed: Bed) {
    let own = bed.join(1, 0).await;
    let (mut pen, other) = (bed.owned(1, own, 1).await, bed.owned(2, own, 1).await);
    let blob = Blob::new(*b"a secret blob");
    let mut append = pen.append(&[blob_step("a", &blob)], vec![work("w1"), out("o1")]);
    append.guards.push(Guard::ApprovalOpen(approval::ask("a1")));
    append.blobs.push(blob.clone());
    bed.write(append, &mut pen).await;
    bed.store.vote(approval::vote("a1", "bob", "approve", 4)).await.unwrap();
    assert_eq!(bed.store.erase(pen.run, at(5)).await.unwrap(), store::Erased::NotOver { status: Status::Running });
    bed.write(pen.finish(Status::Completed), &mut pen).await;
    let late =
        LateResult { run: pen.run, step: "a".into(), epoch: 1, attempt: 1, outcome: (*b"a secret").into(), at: at(6) };
    bed.store.salvage(late.clone()).await.unwrap();
    bed.store.say_outcome(outcome::said(pen.run, "bob", false, 7)).await.unwrap();
    let before = bed.store.journal(pen.run, 0, 9).await.unwrap();
    let others = bed.store.journal(other.run, 0, 9).await.unwrap();

    assert_eq!(bed.store.erase(pen.run, at(9)).await.unwrap(), store::Erased::Done);
    let after = bed.store.journal(pen.run, 0, 9).await.unwrap();
    assert_eq!(kernel::journal::verify(pen.run, Head::START, &after), Ok(pen.head));
    for (before, after) in before.iter().zip(&after) {
        let erased = Entry { body: None, salt: [0; 16], ..before.clone() };
        assert_eq!(*after, erased);
    }
    assert_eq!(bed.store.blob(pen.run, blob.digest).await.unwrap(), None);
    let told = bed.store.inbox(pen.run, 0).await.unwrap();
    assert_eq!(told.iter().map(|told| (told.seq, told.body.len())).collect::<Vec<_>>(), [(1, 0)]);
    assert_eq!(bed.store.late_results(pen.run).await.unwrap()[0].outcome.len(), 0);
    assert_eq!(bed.store.outcomes(store::OutcomeQuery::Run(pen.run)).await.unwrap(), []);
    let said = bed.store.say_outcome(outcome::said(pen.run, "bob", true, 9)).await.unwrap();
    assert_eq!(said, store::OutcomeSaid::Erased, "nothing more is kept of it");
    let approvals = bed.store.approvals(ApprovalQuery { id: Some("a1".into()), ..Default::default() }).await.unwrap();
    assert_eq!((approvals[0].card.clone(), approvals[0].votes.len()), (None, 1));
    let work = bed.store.work(WorkQuery { id: Some("w1".into()), ..Default::default() }).await.unwrap();
    assert_eq!(work[0].card, None);
    let hook = [Arc::from("hook")];
    assert_eq!(bed.store.take_outbox(&hook, 9, at(99), at(99)).await.unwrap(), [], "what has not left never leaves");
    let outbox =
        bed.store.outbox(OutQuery { run: Some(pen.run), all_states: true, ..OutQuery::default() }).await.unwrap();
    assert!(outbox.iter().all(|row| row.body.is_none() && row.state == OutState::Dropped), "{outbox:?}");
    let Guard::Outbox(unsaid) = out("o9") else { panic!("a message") };
    assert!(!bed.store.tell(pen.run, unsaid).await.unwrap(), "its run is over");
    assert_eq!(bed.store.journal(other.run, 0, 9).await.unwrap(), others, "no other run lost anything");

    assert_eq!(
        bed.store.erase(pen.run, at(10)).await.unwrap(),
        store::Erased::Done,
        "erasing it again changes nothing"
    );
    assert_eq!(bed.store.journal(pen.run, 0, 9).await.unwrap(), after);
    bed.store.salvage(LateResult { attempt: 2, ..late }).await.unwrap();
    assert_eq!(bed.store.late_results(pen.run).await.unwrap().len(), 1, "nothing more is kept of it");
    let unknown = bed.store.erase(run_id(9), at(10)).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NoRun { .. }), "{unknown:?}");
    bed.sound().await;
}
