use store::{Published, TOLD_AT_ONCE, Topic};

use super::*;

pub fn topic(name: &str, key: &str) -> Topic {
    Topic { tenant: "acme".into(), project: "desk".into(), name: name.into(), key: key.into() }
}

pub fn event(id: &str, topic: Topic, seconds: i64) -> Published {
    Published {
        id: id.into(),
        called: None,
        topic,
        run: None,
        sender: "ada".into(),
        body: (*b"{\"data\":1}").into(),
        at: at(seconds),
        since: at(seconds - 100),
    }
}

fn want(topic: Topic, since: i64, now: i64) -> Guard {
    Guard::Want { topic, since: at(since), at: at(now) }
}

async fn told(bed: &Bed, run: RunId) -> Vec<String> {
    bed.store.inbox(run, 0).await.unwrap().iter().map(|message| message.id.to_string()).collect()
}

pub async fn an_event_is_told_once_to_each_run_that_waits_for_it(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut one = bed.owned(1, own, 1).await;
    let mut other = bed.owned(2, own, 1).await;
    let mut emitter = bed.owned(3, own, 1).await;
    bed.write(one.at(2).append(&[step_done("a")], vec![want(topic("paid", "7"), 0, 2)]), &mut one).await;
    bed.write(one.at(2).wait(None), &mut one).await;
    bed.write(other.at(2).append(&[], vec![want(topic("paid", "8"), 0, 2)]), &mut other).await;

    let mut published = event("e1", topic("paid", "7"), 3);
    published.run = Some(emitter.run);
    let publish = Guard::Publish(Box::new(published.clone()));
    let late = emitter.at(3).append(&[step_done("emit")], vec![publish.clone(), Guard::InboxIs(5)]);
    assert_eq!(bed.append(late).await, Appended::Refused { guard: 1, current: 0 });
    assert_eq!(told(&bed, one.run).await, Vec::<String>::new());
    bed.write(emitter.at(3).append(&[step_done("emit")], vec![publish.clone()]), &mut emitter).await;
    assert_eq!(bed.store.inbox(one.run, 0).await.unwrap(), [Message { seq: 1, ..published.message() }]);
    let row = bed.row(one.run).await;
    assert_eq!((row.inbox_gen, row.wake_at, row.status), (1, Some(at(3)), Status::Waiting));
    assert_eq!(told(&bed, other.run).await, Vec::<String>::new());

    // The same id is no second event, whoever comes with it; another tenant, project, name or key is another event.
    bed.write(emitter.at(4).append(&[], vec![publish]), &mut emitter).await;
    assert!(!bed.store.publish(event("e1", topic("paid", "8"), 4)).await.unwrap());
    let elsewhere = [
        Topic { tenant: "other".into(), ..topic("paid", "7") },
        Topic { project: "other".into(), ..topic("paid", "7") },
        topic("paid ", "7"),
        topic("paid", "70"),
    ];
    for (number, topic) in elsewhere.into_iter().enumerate() {
        assert!(bed.store.publish(event(&format!("x{number}"), topic, 4)).await.unwrap());
    }
    assert_eq!((bed.row(one.run).await.inbox_gen, bed.row(other.run).await.inbox_gen), (1, 0));
    assert!(bed.store.publish(event("e2", topic("paid", "7"), 5)).await.unwrap());
    assert_eq!(told(&bed, one.run).await, ["event:e1", "event:e2"]);
    bed.sound().await;
}

pub async fn who_waits_later_hears_of_what_is_kept(bed: Bed) {
    let own = bed.join(1, 0).await;
    for (id, seconds) in [("e2", 20), ("e1", 20), ("old", 5)] {
        assert!(bed.store.publish(event(id, topic("paid", "7"), seconds)).await.unwrap());
    }
    // In one append with a suspend: nothing is slept over.
    let mut pen = bed.owned(1, own, 21).await;
    let mut wait = pen.at(22).wait(None);
    wait.guards.insert(0, want(topic("paid", "7"), 10, 22));
    assert_eq!(bed.append(wait).await, Appended::Done { inbox_gen: 2 });
    assert_eq!(told(&bed, pen.run).await, ["event:e1", "event:e2"]);
    let row = bed.row(pen.run).await;
    assert_eq!((row.status, row.wake_at), (Status::Waiting, Some(at(22))));

    // Once more, it is told nothing again.
    pen = bed.claim_one(own, 23).await;
    let again = pen.append(&[step_done("a")], vec![want(topic("paid", "7"), 10, 23)]);
    let head = again.entries[0].head();
    assert_eq!(bed.append(again).await, Appended::Done { inbox_gen: 2 });
    pen.head = head;
    // What nobody waits for any more is kept, and not told.
    bed.write(pen.at(24).append(&[], vec![Guard::Unwant { topic: topic("paid", "7") }]), &mut pen).await;
    assert!(bed.store.publish(event("e3", topic("paid", "7"), 25)).await.unwrap());
    assert_eq!(bed.row(pen.run).await.inbox_gen, 2);
    bed.write(pen.at(26).append(&[], vec![want(topic("paid", "7"), 10, 26)]), &mut pen).await;
    assert_eq!(told(&bed, pen.run).await, ["event:e1", "event:e2", "event:e3"]);
    // A run that is over waits for nothing.
    assert!(matches!(bed.append(pen.at(27).finish(Status::Completed)).await, Appended::Done { .. }));
    assert!(bed.store.publish(event("e4", topic("paid", "7"), 28)).await.unwrap());
    assert_eq!(bed.row(pen.run).await.inbox_gen, 3);
    // After some time it is forgotten.
    assert!(bed.store.publish(event("much later", topic("paid", "9"), 200)).await.unwrap());
    let mut last = bed.owned(2, own, 201).await;
    bed.write(last.append(&[], vec![want(topic("paid", "7"), 0, 201)]), &mut last).await;
    assert_eq!(told(&bed, last.run).await, Vec::<String>::new());
    bed.sound().await;
}

pub async fn a_fork_is_told_nothing_that_it_has_inherited(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut source = bed.owned(1, own, 1).await;
    for (number, id) in (2..).zip(["e1", "e2", "e3"]) {
        assert!(bed.store.publish(event(id, topic("paid", "7"), number)).await.unwrap());
    }
    bed.write(source.at(5).append(&[], vec![want(topic("paid", "7"), 0, 5)]), &mut source).await;
    assert_eq!(told(&bed, source.run).await, ["event:e1", "event:e2", "event:e3"]);
    // It goes on from where its source had read two messages, and one that goes on from it had read one.
    let of = async |number, source: RunId, inbox| {
        let new = super::start::forked(bed.new_run(number, None, 6).await, source, 1, inbox);
        assert_eq!(bed.store.start(new).await.unwrap(), Started::Created);
        let claimed = bed.claim(own, 10, 6).await;
        Pen::of(claimed.iter().find(|claim| claim.run == run_id(number)).expect("it is due"), own, 6)
    };
    let mut fork = of(2, source.run, 2).await;
    let mut again = of(3, fork.run, 1).await;
    let mut late = of(4, fork.run, 3).await;
    for (pen, wanted) in
        [(&mut fork, vec!["event:e3"]), (&mut again, vec!["event:e2", "event:e3"]), (&mut late, vec![])]
    {
        bed.write(pen.at(7).append(&[], vec![want(topic("paid", "7"), 0, 7)]), pen).await;
        assert_eq!(told(&bed, pen.run).await, wanted, "{}", pen.run);
    }
    bed.sound().await;
}

pub async fn many_events_come_in_portions_and_what_an_erased_run_published_is_gone(bed: Bed) {
    let own = bed.join(1, 0).await;
    let emitter = bed.owned(1, own, 1).await;
    for number in 0..TOLD_AT_ONCE + 5 {
        let mut published = event(&format!("e{number:03}"), topic("paid", "7"), 2);
        published.run = (number < 3).then_some(emitter.run);
        assert!(bed.store.publish(published).await.unwrap());
    }
    assert!(matches!(bed.append(emitter.at(3).finish(Status::Completed)).await, Appended::Done { .. }));
    assert_eq!(bed.store.erase(emitter.run, at(3)).await.unwrap(), store::Erased::Done);
    let mut pen = bed.owned(2, own, 4).await;
    bed.write(pen.append(&[], vec![want(topic("paid", "7"), 0, 4)]), &mut pen).await;
    let first = told(&bed, pen.run).await;
    assert_eq!((first.len(), first[0].as_str()), (TOLD_AT_ONCE as usize, "event:e003"));
    bed.write(pen.append(&[], vec![want(topic("paid", "7"), 0, 4)]), &mut pen).await;
    assert_eq!(told(&bed, pen.run).await.len(), TOLD_AT_ONCE as usize + 2);
    bed.sound().await;
}
