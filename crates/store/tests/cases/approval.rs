use store::{StoreError, Vote, VoteRow, Voted};

use super::*;

/// An approval that two people of one group must be for, until second 50.
pub fn ask(id: &str) -> OpenApproval {
    OpenApproval {
        id: id.into(),
        step: "pay".into(),
        hash: Digest::of(&[b"what is done"]),
        shown: Digest::of(&[b"what is shown"]),
        card: (*b"{\"says\":\"pay\"}").into(),
        groups: vec!["owners".into(), "desk".into()],
        quorum: 2,
        requested_by: "eve".into(),
        requested_at: at(3),
        expires_at: Some(at(50)),
    }
}

/// A vote on it, as it should be.
pub fn vote(approval: &str, by: &str, decision: &str, seconds: i64) -> Vote {
    let message = Message { sender: by.into(), ..message(&format!("vote:{approval}:{by}"), "vote", seconds) };
    Vote {
        approval: approval.into(),
        by: by.into(),
        decision: decision.into(),
        shown: Digest::of(&[b"what is shown"]),
        message,
        now: at(seconds),
    }
}

fn consume(id: &str) -> Guard {
    Guard::Consume { approval: id.into(), hash: Digest::of(&[b"what is done"]) }
}

fn closed(id: &str, state: ApprovalState) -> Guard {
    Guard::ApprovalClosed { approval: id.into(), state }
}

async fn asked(bed: &Bed, ids: &[&str]) -> Pen {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let guards = ids.iter().map(|id| Guard::ApprovalOpen(ask(id))).collect();
    bed.write(pen.append(&[], guards), &mut pen).await;
    pen
}

pub async fn approvals_are_listed_oldest_first_and_filtered(bed: Bed) {
    let mut pen = asked(&bed, &["b", "a", "old", "shut"]).await;
    let mut other = bed.owned(2, pen.owner, 1).await;
    let alone = OpenApproval { groups: vec!["owners".into()], requested_at: at(1), expires_at: None, ..ask("alone") };
    bed.write(other.append(&[], vec![Guard::ApprovalOpen(alone)]), &mut other).await;
    bed.write(pen.append(&[], vec![closed("shut", ApprovalState::Superseded)]), &mut pen).await;
    let list = async |query| -> Vec<String> {
        bed.store.approvals(query).await.unwrap().iter().map(|row| row.id.to_string()).collect()
    };
    let all = ApprovalQuery::default();
    assert_eq!(list(all.clone()).await, ["alone", "a", "b", "old"]);
    assert_eq!(list(ApprovalQuery { all_states: true, ..all.clone() }).await, ["alone", "a", "b", "old", "shut"]);
    assert_eq!(list(ApprovalQuery { run: Some(pen.run), limit: 2, ..all.clone() }).await, ["a", "b"]);
    assert_eq!(list(ApprovalQuery { group: Some("desk".into()), ..all.clone() }).await, ["a", "b", "old"]);
    assert_eq!(list(ApprovalQuery { after: Some("alone".into()), limit: 2, ..all.clone() }).await, ["a", "b"]);
    assert_eq!(list(ApprovalQuery { after: Some("b".into()), ..all.clone() }).await, ["old"]);
    let closed_too = ApprovalQuery { all_states: true, after: Some("shut".into()), ..all.clone() };
    assert_eq!(list(closed_too).await, [""; 0]);
    assert_eq!(list(ApprovalQuery { after: Some("none".into()), ..all.clone() }).await, [""; 0]);
    assert_eq!(list(ApprovalQuery { group: Some("des".into()), ..all.clone() }).await, [""; 0]);
    assert_eq!(list(ApprovalQuery { id: Some("shut".into()), ..all.clone() }).await, ["shut"]);
    assert_eq!(list(ApprovalQuery { id: Some("none".into()), ..all.clone() }).await, [""; 0]);

    bed.store.vote(vote("a", "bob", "approve", 4)).await.unwrap();
    let row = bed.store.approvals(ApprovalQuery { id: Some("a".into()), ..all }).await.unwrap().remove(0);
    let wanted = ask("a");
    assert_eq!((row.run, row.state, row.closed_at, row.quorum), (pen.run, ApprovalState::Pending, None, 2));
    assert_eq!((row.hash, row.shown, row.card), (wanted.hash, wanted.shown, Some(wanted.card)));
    assert_eq!((row.step, row.groups, row.requested_by), (wanted.step, wanted.groups, wanted.requested_by));
    assert_eq!((row.requested_at, row.expires_at), (wanted.requested_at, wanted.expires_at));
    let bobs = VoteRow { by: "bob".into(), decision: "approve".into(), shown: wanted.shown, seq: 1, at: at(4) };
    assert_eq!(row.votes, [bobs]);
    bed.sound().await;
}

pub async fn an_approval_is_consumed_once_in_time_and_for_its_hash(bed: Bed) {
    let mut pen = asked(&bed, &["a", "b", "c"]).await;
    let mut other = bed.owned(2, pen.owner, 1).await;
    for id in ["a", "b"] {
        for by in ["bob", "cleo"] {
            assert!(matches!(bed.store.vote(vote(id, by, "approve", 4)).await.unwrap(), Voted::New { .. }));
        }
    }
    let before = bed.snapshot(pen.run).await;
    let begin = |pen: &Pen, guard| {
        let mut append = pen.start_action("pay");
        append.guards.push(guard);
        append
    };
    let refused = Appended::Refused { guard: 1, current: 0 };
    let changed = Guard::Consume { approval: "a".into(), hash: Digest::ZERO };
    assert_eq!(bed.append(begin(&pen, changed)).await, refused, "it was given for something else");
    assert_eq!(bed.append(begin(&pen, consume("none"))).await, refused);
    assert_eq!(bed.append(begin(&pen.at(50), consume("a"))).await, refused, "it is too late");
    assert_eq!(bed.append(begin(&other, consume("a"))).await, refused, "it is another run's");
    let twice = pen.append(&[], vec![consume("a"), consume("a")]);
    assert_eq!(bed.append(twice).await, refused, "once is once, in the same append too");
    assert_eq!(bed.snapshot(pen.run).await, before);

    assert!(matches!(bed.store.vote(vote("c", "dan", "reject", 4)).await.unwrap(), Voted::New { seq: 5, .. }));
    let unread = Append { inbox_read: Some(4), ..begin(&pen.at(49), consume("c")) };
    assert_eq!(bed.append(unread).await, refused, "a no that is not read yet outweighs a yes");

    bed.write(begin(&pen.at(49), consume("a")), &mut pen).await;
    let mut again = pen.start_action("mail");
    again.guards.push(consume("a"));
    assert_eq!(bed.append(again).await, refused);
    bed.write(pen.append(&[], vec![closed("c", ApprovalState::Rejected)]), &mut pen).await;
    assert_eq!(bed.append(pen.append(&[], vec![Guard::InboxIs(5), consume("c")])).await, refused);
    let late = pen.append(&[], vec![closed("a", ApprovalState::Rejected)]);
    assert!(matches!(bed.store.append(late).await, Err(StoreError::Misuse { .. })), "what is used up stays so");
    bed.write(other.append(&[step_done("a")], vec![]), &mut other).await;
    bed.sound().await;
}

pub async fn a_vote_is_told_to_its_run_once(bed: Bed) {
    let mut pen = asked(&bed, &["a", "b", "late"]).await;
    let cast = async |vote| bed.store.vote(vote).await.unwrap();
    let own = Some(pen.owner);
    assert_eq!(cast(vote("a", "bob", "approve", 4)).await, Voted::New { seq: 1, owner: own });
    let before = bed.snapshot(pen.run).await;
    assert_eq!(cast(vote("a", "bob", "approve", 5)).await, Voted::Known { seq: 1 });
    assert_eq!(cast(vote("a", "bob", "reject", 5)).await, Voted::Conflict { decision: "approve".into() });
    let stale = Vote { shown: Digest::ZERO, ..vote("a", "cleo", "approve", 5) };
    assert_eq!(cast(stale).await, Voted::Stale { shown: Digest::of(&[b"what is shown"]) });
    assert_eq!(cast(vote("a", "cleo", "approve", 50)).await, Voted::Expired { at: at(50) });
    assert_eq!(cast(vote("none", "cleo", "approve", 5)).await, Voted::Missing);
    for unsound in [
        Vote { approval: "b".into(), ..vote("a", "cleo", "approve", 5) },
        Vote { by: "dan".into(), ..vote("a", "cleo", "approve", 5) },
        Vote { decision: "yes".into(), ..vote("a", "cleo", "approve", 5) },
        Vote { message: message("vote:a:cleo", "signal", 5), ..vote("a", "cleo", "approve", 5) },
    ] {
        let refused = bed.store.vote(unsound).await.unwrap_err();
        assert!(matches!(refused, StoreError::Misuse { .. }), "{refused:?}");
    }
    assert_eq!(bed.snapshot(pen.run).await, before);
    assert_eq!(cast(vote("a", "cleo", "edit", 49)).await, Voted::New { seq: 2, owner: own });

    let told = bed.store.inbox(pen.run, 0).await.unwrap();
    let told: Vec<_> = told.iter().map(|told| (told.seq, &*told.id, &*told.kind, &*told.sender)).collect();
    assert_eq!(told, [(1, "vote:a:bob", "vote", "bob"), (2, "vote:a:cleo", "vote", "cleo")]);

    // A vote wakes the run that waits for it; what is used up takes no more, and an old vote is still known.
    let read = Append { inbox_read: Some(2), ..pen.at(20).append(&[], vec![consume("a")]) };
    bed.write(read, &mut pen).await;
    assert_eq!(cast(vote("a", "dan", "reject", 21)).await, Voted::Closed { state: ApprovalState::Consumed });
    assert_eq!(cast(vote("a", "bob", "approve", 99)).await, Voted::Known { seq: 1 });
    bed.write(pen.at(22).wait(None), &mut pen).await;
    assert_eq!(cast(vote("b", "bob", "reject", 23)).await, Voted::New { seq: 3, owner: None });
    assert_eq!(bed.row(pen.run).await.wake_at, Some(at(23)));
    bed.post(pen.run, "vote:b:cleo", "signal", 24).await;
    let taken = bed.store.vote(vote("b", "cleo", "approve", 25)).await.unwrap_err();
    assert!(matches!(taken, StoreError::Misuse { .. }), "{taken:?}");

    let mut pen = bed.claim_one(pen.owner, 30).await;
    bed.write(pen.finish(Status::Failed), &mut pen).await;
    assert_eq!(cast(vote("b", "dan", "approve", 31)).await, Voted::Closed { state: ApprovalState::Cancelled });
    assert_eq!(cast(vote("b", "bob", "reject", 31)).await, Voted::Known { seq: 3 });
    bed.sound().await;
}

pub async fn a_crowded_inbox_still_takes_a_vote(bed: Bed) {
    let pen = asked(&bed, &["a"]).await;
    for number in 0..store::UNREAD_LIMIT {
        bed.post(pen.run, &format!("m{number}"), "signal", 2).await;
    }
    assert!(matches!(bed.post(pen.run, "one more", "signal", 3).await, Posted::Crowded { .. }));
    let seq = store::UNREAD_LIMIT + 1;
    let cast = bed.store.vote(vote("a", "bob", "approve", 4)).await.unwrap();
    assert_eq!(cast, Voted::New { seq, owner: Some(pen.owner) });
    bed.sound().await;
}
