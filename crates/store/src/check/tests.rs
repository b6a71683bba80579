use kernel::{
    ids::StepPath,
    journal::{Blob, End, Held},
    values::{Timestamp, Value},
};

use super::*;
use crate::Status;

fn run() -> RunId {
    RunId::from_bytes([7; 16])
}

fn sealed(events: &[Event]) -> Vec<Entry> {
    let mut head = Head::START;
    let seal = |event| {
        let entry = Entry::seal(run(), head, 1, Timestamp::from_micros(5), [3; 16], event);
        head = entry.head();
        entry
    };
    events.iter().map(seal).collect()
}

fn row(entries: &[Entry]) -> RunRow {
    RunRow {
        run: run(),
        tenant: "t".into(),
        workflow: "w".into(),
        bundle: Digest::ZERO,
        status: Status::Queued,
        waits_for: None,
        wake_at: Some(Timestamp::from_micros(1)),
        doing: None,
        about: BTreeMap::new(),
        failure: None,
        epoch: 1,
        owner: None,
        head: entries.last().map_or(Head::START, Entry::head),
        inbox_gen: 0,
        inbox_read: 0,
        strikes: 0,
        created_at: Timestamp::from_micros(1),
        updated_at: Timestamp::from_micros(1),
        parent: None,
        fork: None,
        again: None,
        finished_at: None,
        cost: None,
    }
}

/// Rule and words of what is found.
fn found(row: &RunRow, entries: &[Entry]) -> Vec<String> {
    let mut check = RunCheck::new(row);
    entries.iter().for_each(|entry| check.entry(entry));
    check.finish().into_iter().map(|finding| format!("{}: {}", finding.rule, finding.detail)).collect()
}

fn done(step: &str) -> Event {
    Event::StepDone { step: StepPath::new(step), output: Held::Value(Value::Int(1)) }
}

#[test]
fn a_sound_run_has_no_findings() {
    let entries = sealed(&[done("a"), done("b")]);
    assert_eq!(found(&row(&entries), &entries), [""; 0]);
}

#[test]
fn every_changed_field_of_an_entry_is_found() {
    let whole = sealed(&[done("a"), done("b"), done("c")]);
    let changes: [fn(&mut Entry); 6] = [
        |entry| entry.salt[0] ^= 1,
        |entry| entry.body = entry.body.as_ref().map(|body| body.iter().map(|byte| byte ^ 1).collect()),
        |entry| entry.at = Timestamp::from_micros(6),
        |entry| entry.epoch += 1,
        |entry| entry.hash = Digest::ZERO,
        |entry| entry.seq += 1,
    ];
    for (place, change) in changes.into_iter().enumerate() {
        for index in 0..whole.len() {
            let mut entries = whole.clone();
            change(&mut entries[index]);
            assert_eq!(found(&row(&whole), &entries).len(), 1, "change {place} of entry {}", index + 1);
        }
    }
}

#[test]
fn a_cut_tail_a_second_end_and_a_false_status_are_found() {
    let whole = sealed(&[done("a"), done("b")]);
    assert!(found(&row(&whole), &whole[..1])[0].starts_with("head: the row ends at entry 2"));

    let end = Event::RunFinished { end: End::Completed, result: None, failure: None };
    let over = sealed(&[end.clone(), end]);
    let found = found(&row(&over), &over);
    assert_eq!(
        found,
        ["chain: entry 2 stands after the end of the run", "head: the row is queued, its journal has ended",]
    );
}

#[test]
fn an_open_action_without_a_row_and_a_row_without_an_action_are_found() {
    let entries =
        sealed(&[Event::ActionResent { step: StepPath::new("pay"), attempt: 2, generation: None, reserved: None }]);
    assert_eq!(found(&row(&entries), &entries), ["open_action: `pay` is sent again and was never started"]);

    let entries = sealed(&[done("a")]);
    let row = row(&entries);
    let mut check = RunCheck::new(&row);
    check.entry(&entries[0]);
    check.open_action(&OpenAction {
        step: "pay".into(),
        action: "bank.pay".into(),
        effect: "idempotent".into(),
        key: "k".into(),
        attempt: 1,
        since: Timestamp::from_micros(1),
    });
    assert_eq!(check.finish()[0].detail, "row `pay` is open, its journal says it is not");
}

#[test]
fn a_missing_blob_is_found_and_a_users_own_map_is_not_taken_for_one() {
    let blob = Blob::new(*b"long");
    let named = Event::StepDone { step: StepPath::new("a"), output: Held::Blob(blob.reference()) };
    let entries = sealed(&[named]);
    assert!(found(&row(&entries), &entries)[0].starts_with("blob: blob "));

    let digest = Value::text(Digest::ZERO.to_string());
    let own = Value::map([("digest", digest), ("bytes", Value::Int(3))]);
    let entries = sealed(&[Event::StepDone { step: StepPath::new("a"), output: Held::Value(own) }]);
    assert_eq!(found(&row(&entries), &entries), [""; 0]);
}

#[test]
fn a_fork_whose_row_and_journal_name_other_sources_is_found() {
    let of = RunId::from_bytes([8; 16]);
    let from = vec![journal::Origin { run: of, entry: 2, hash: Digest::ZERO }];
    let effects = journal::Effects::Ask;
    let started = Event::RunStarted {
        bundle: Digest::ZERO,
        workflow: "w".into(),
        stages: Vec::new(),
        input: Held::Value(Value::Null),
        about: Value::Null,
        project: "".into(),
        by: None,
        acts_for: None,
        parent: None,
        fork: Some(Box::new(journal::Fork { from, effects, retry: false, inbox: 3, starters: Vec::new() })),
    };
    let entries = sealed(&[started, done("a"), done("b")]);
    let fork = crate::ForkOf { run: of, entry: 2, inbox: 3 };
    let sound = RunRow { fork: Some(fork), inbox_gen: 3, inbox_read: 3, ..row(&entries) };
    assert_eq!(found(&sound, &entries), [""; 0]);
    let earlier = RunRow { fork: Some(crate::ForkOf { entry: 1, ..fork }), ..sound.clone() };
    assert_eq!(
        found(&earlier, &entries),
        [format!(
            "fork: by its row it goes on from {of}, entry 1, message 3, by its journal it goes on from {of}, entry 2, message 3"
        )]
    );
    let none = RunRow { fork: None, ..sound };
    let wanted =
        format!("fork: by its row it goes on from no other, by its journal it goes on from {of}, entry 2, message 3");
    let said = found(&none, &entries);
    assert_eq!(said[0], wanted);
    assert!(said[1].starts_with("inbox: the row counts 3 messages"), "{said:?}");
}
