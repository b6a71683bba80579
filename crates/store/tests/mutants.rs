//! A harness that cannot fail proves nothing: each known bug, switched on in one store, must be caught.

mod cases;
mod walk;

use std::sync::Arc;

use cases::{ALL, Bed, Case, at, run_id, step_done};
use store::{
    Status, Store, StoreError,
    fault::{MUTANTS, Mutants, Points, SUITE_MUTANTS},
    sqlite::{SqliteOptions, SqliteStore},
};

fn with(mutant: &str) -> SqliteOptions {
    SqliteOptions { mutants: Mutants::only(&[mutant]), ..SqliteOptions::default() }
}

/// Names of the conformance cases that a mutant breaks.
async fn broken_by(mutant: &'static str) -> Vec<&'static str> {
    let mut broken = Vec::new();
    for (name, case) in ALL {
        let case: Case = *case;
        let outcome = tokio::spawn(async move { case(Bed::sqlite_with(with(mutant))).await }).await;
        if outcome.is_err_and(|error| error.is_panic()) {
            broken.push(*name);
        }
    }
    broken
}

#[tokio::test]
async fn an_append_that_ignores_the_lease_is_caught() {
    let broken = broken_by("no_epoch_cas").await;
    assert!(broken.contains(&"a_write_that_finds_the_lease_changed_is_fenced_and_writes_nothing"), "{broken:?}");
    assert!(broken.contains(&"a_dead_worker_is_fenced_even_in_its_own_runs"), "{broken:?}");
}

#[tokio::test]
async fn a_reap_that_keeps_the_epoch_is_caught() {
    let broken = broken_by("reap_without_epoch").await;
    assert!(broken.contains(&"a_dead_worker_is_fenced_even_in_its_own_runs"), "{broken:?}");
}

#[tokio::test]
async fn a_suspend_that_sleeps_over_a_message_is_caught() {
    let broken = broken_by("suspend_without_inbox_gen").await;
    assert_eq!(broken, ["a_suspend_cannot_sleep_over_a_message"]);
}

#[tokio::test]
async fn a_death_that_gives_no_strike_is_caught() {
    let broken = broken_by("no_strike").await;
    assert!(broken.contains(&"a_run_is_quarantined_after_its_last_strike"), "{broken:?}");
}

#[tokio::test]
async fn an_append_that_ignores_what_it_was_judged_by_is_caught() {
    assert_eq!(broken_by("governance_unchecked").await, ["what_was_judged_by_an_older_generation_is_refused"]);
}

#[tokio::test]
async fn a_reservation_above_its_limit_is_caught() {
    let broken = broken_by("reserve_above_limit").await;
    assert!(broken.contains(&"the_last_unit_is_reserved_once"), "{broken:?}");
    assert!(broken.contains(&"a_reservation_that_does_not_fit_writes_nothing"), "{broken:?}");
}

#[tokio::test]
async fn an_approval_that_is_used_twice_is_caught() {
    assert_eq!(broken_by("consume_twice").await, ["an_approval_is_consumed_once_in_time_and_for_its_hash"]);
}

#[tokio::test]
async fn a_vote_on_another_card_is_caught() {
    assert_eq!(broken_by("vote_on_stale_card").await, ["a_vote_is_told_to_its_run_once"]);
}

/// The settings that the promise of durability stands on.
async fn settings_are_durable(options: SqliteOptions) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), options).unwrap();
    let settings = store.settings().await.unwrap();
    assert_eq!((&*settings.journal_mode, settings.synchronous), ("wal", 2));
}

#[tokio::test]
async fn a_commit_that_does_not_wait_for_the_disk_is_caught() {
    settings_are_durable(SqliteOptions::default()).await;
    assert!(tokio::spawn(settings_are_durable(with("sync_normal"))).await.is_err());
}

/// Appends until the writer fails before its nth COMMIT; whatever was acknowledged must be there after a restart.
async fn what_is_acknowledged_survives(mutant: &'static [&'static str], fault: &'static str) {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions {
        mutants: Mutants::only(mutant),
        points: Points::parse(fault),
        on_fatal: Box::new(|_| {}),
        ..SqliteOptions::default()
    };
    let bed = Bed::over(Arc::new(SqliteStore::open(dir.path(), options).unwrap()));
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let stopped = loop {
        let append = pen.append(&[step_done("a")], vec![]);
        let head = append.entries[0].head();
        match bed.store.append(append).await {
            Ok(_) => pen.head = head,
            Err(error) => break error,
        }
    };
    assert!(matches!(stopped, StoreError::Stopped { .. }), "{stopped:?}");
    let after = bed.store.claim(own, 1, at(9)).await.unwrap_err();
    assert!(matches!(after, StoreError::Stopped { .. }), "{after:?}");
    drop(bed);

    let again = SqliteStore::open(dir.path(), SqliteOptions::default()).unwrap();
    let row = again.run(run_id(1)).await.unwrap().expect("it was acknowledged");
    assert!(row.head.seq >= pen.head.seq, "acknowledged up to entry {}, found {}", pen.head.seq, row.head.seq);
    assert!(row.head.seq <= pen.head.seq + 1, "one append was on its way");
    assert_eq!(row.status, Status::Running);
    assert_eq!(again.check().await.unwrap(), []);
}

#[tokio::test]
async fn an_answer_before_its_commit_is_caught() {
    for fault in ["before_commit:5:eio", "after_begin:5:eio", "after_commit_before_reply:5:eio"] {
        what_is_acknowledged_survives(&[], fault).await;
    }
    let caught = tokio::spawn(what_is_acknowledged_survives(&["ack_before_commit"], "before_commit:5:eio")).await;
    assert!(caught.is_err());
}

#[tokio::test]
async fn the_random_walk_catches_what_changes_replies() {
    let replies = [
        "no_epoch_cas",
        "reap_without_epoch",
        "suspend_without_inbox_gen",
        "no_strike",
        "terminal_overwritten",
        "budget_without_reservation",
        "reservation_released_on_crash",
        "identity_ordered_cursor",
    ];
    for mutant in replies.into_iter().chain(SUITE_MUTANTS) {
        let caught = tokio::spawn(async move {
            for seed in 0..24 {
                let (reference, other) = (Bed::memory(), Bed::sqlite_with(with(mutant)));
                walk::walk(seed, 250, &*reference.store, &*other.store, &mut [0; walk::KINDS.len()]).await;
            }
        });
        assert!(caught.await.is_err(), "{mutant}");
    }
}

#[test]
fn every_mutant_has_its_test() {
    let tested = [
        "ack_before_commit",
        "sync_normal",
        "no_epoch_cas",
        "reap_without_epoch",
        "suspend_without_inbox_gen",
        "no_strike",
        "terminal_overwritten",
        "budget_without_reservation",
        "reservation_released_on_crash",
        "identity_ordered_cursor",
    ];
    assert_eq!(MUTANTS, tested);
    let tested = ["governance_unchecked", "reserve_above_limit", "consume_twice", "vote_on_stale_card"];
    assert_eq!(SUITE_MUTANTS, tested);
}
