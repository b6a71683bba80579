use store::{OUTCOME_BYTES, OutcomeQuery, OutcomeSaid, RunOutcome, StoreError, VersionRow};

use super::*;

/// What a person says came of a run.
pub fn said(run: RunId, by: &str, right: bool, now: i64) -> RunOutcome {
    let because = format!("{by} looked at {now}").into();
    RunOutcome { run, by: by.into(), auth: "local".into(), right, because, at: at(now) }
}

pub async fn the_last_word_of_each_person_counts(bed: Bed) {
    let own = bed.join(1, 0).await;
    let mut pen = bed.owned(1, own, 1).await;
    let early = bed.store.say_outcome(said(pen.run, "bob", true, 2)).await.unwrap();
    assert_eq!(early, OutcomeSaid::NotOver { status: Status::Running });
    bed.write(pen.finish(Status::Failed), &mut pen).await;
    assert_eq!(bed.store.outcomes(OutcomeQuery::Run(pen.run)).await.unwrap(), []);
    for (by, right, now) in [("cleo", true, 3), ("bob", true, 4), ("bob", false, 5)] {
        assert_eq!(bed.store.say_outcome(said(pen.run, by, right, now)).await.unwrap(), OutcomeSaid::Done);
    }
    let stands = [said(pen.run, "bob", false, 5), said(pen.run, "cleo", true, 3)];
    assert_eq!(bed.store.outcomes(OutcomeQuery::Run(pen.run)).await.unwrap(), stands);

    let long = RunOutcome { because: "x".repeat(OUTCOME_BYTES + 1).into(), ..said(pen.run, "bob", true, 6) };
    let refused = bed.store.say_outcome(long).await.unwrap_err();
    assert!(matches!(refused, StoreError::Misuse { .. }), "{refused:?}");
    let unknown = bed.store.say_outcome(said(run_id(9), "bob", true, 6)).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NoRun { .. }), "{unknown:?}");
    assert_eq!(bed.store.outcomes(OutcomeQuery::Run(pen.run)).await.unwrap(), stands, "nothing was written");
    bed.sound().await;
}

pub async fn outcomes_of_a_workflow_are_listed_newest_run_first(bed: Bed) {
    let own = bed.join(1, 0).await;
    for number in 1..=3 {
        let mut pen = bed.owned(number, own, 1).await;
        bed.write(pen.finish(Status::Completed), &mut pen).await;
        bed.store.say_outcome(said(pen.run, "bob", number != 2, 5)).await.unwrap();
        bed.store.say_outcome(said(pen.run, "cleo", true, 6)).await.unwrap();
    }
    let list = async |right: Option<bool>, since: Option<u16>, limit: u32| {
        let since = since.map(run_id);
        let query = OutcomeQuery::Workflow { workflow: "lead".into(), right, since, limit };
        let all = bed.store.outcomes(query).await.unwrap();
        all.iter().map(|one| (one.run, one.by.to_string())).collect::<Vec<_>>()
    };
    let row = |number: u16, by: &str| (run_id(number), by.to_owned());
    let all = [(3, "bob"), (3, "cleo"), (2, "bob"), (2, "cleo"), (1, "bob"), (1, "cleo")];
    assert_eq!(list(None, None, 0).await, all.map(|(number, by)| row(number, by)));
    assert_eq!(list(None, Some(2), 3).await, [row(3, "bob"), row(3, "cleo"), row(2, "bob")]);
    assert_eq!(list(Some(false), None, 0).await, [row(2, "bob")]);
    assert_eq!(list(Some(true), Some(2), 9).await, [row(3, "bob"), row(3, "cleo"), row(2, "cleo")]);
    let other = OutcomeQuery::Workflow { workflow: "other".into(), right: None, since: None, limit: 0 };
    assert_eq!(bed.store.outcomes(other).await.unwrap(), []);
}

pub async fn versions_are_counted_within_bounds(bed: Bed) {
    let first = bed.bundle().await;
    let second = Digest::of(&[b"[]"]);
    bed.store.put_bundle(second, (*b"[]").into(), at(0)).await.unwrap();
    for number in 1..=5 {
        let new = bed.new_run(number, None, i64::from(number)).await;
        let bundle = if number > 3 { second } else { first };
        bed.store.start(NewRun { bundle, ..new }).await.unwrap();
    }
    let count = async |after: Option<u16>, upto: Option<u16>| {
        let mut rows = bed.store.versions("lead".into(), after.map(run_id), upto.map(run_id)).await.unwrap();
        rows.sort_by_key(|row| row.first);
        rows
    };
    let row = |bundle, runs, first, last| VersionRow { bundle, runs, first: run_id(first), last: run_id(last) };
    assert_eq!(count(None, None).await, [row(first, 3, 1, 3), row(second, 2, 4, 5)]);
    assert_eq!(count(Some(1), Some(4)).await, [row(first, 2, 2, 3), row(second, 1, 4, 4)]);
    assert_eq!(count(Some(5), None).await, []);
    assert_eq!(bed.store.versions("other".into(), None, None).await.unwrap(), []);
}
