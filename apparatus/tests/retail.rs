//! Recorded sequences of a shop's customer service: a handful here, all of them with `apparatus retail`.

use apparatus::retail::{Arguments, all};

#[tokio::test]
async fn recorded_sequences_come_out_as_recorded() {
    // Refunds above and below 500 dollars, exchanges, errors, sums, a tool without a recording, a sequence without calls.
    let only = ["2", "20", "21", "24", "59", "64", "105"].map(str::to_owned).to_vec();
    let all = all(&Arguments { only, mutant: None }).await.unwrap();
    for totals in &all {
        assert_eq!((totals.same, &totals.wrong), (7, &Vec::new()), "{}", totals.way);
    }
    let [whole, asked, killed] = all.as_slice() else { panic!("three ways: {all:?}") };
    assert!(asked.asked > 0 && asked.asked == asked.over && asked.refused == asked.over, "{asked:?}");
    assert!(asked.tasks_asked < asked.tasks, "some need nobody: {asked:?}");
    assert_eq!((whole.asked, killed.effects, asked.effects), (0, whole.effects, whole.effects));
    // Each call was sent, acted, and was sent again after the death; each death after a record came on top.
    assert_eq!((killed.calls, killed.deaths), (2 * whole.calls, 2 * whole.calls));

    let missing = apparatus::retail::all(&Arguments { only: vec!["114".to_owned()], mutant: None }).await.unwrap_err();
    assert_eq!(missing.to_string(), "there is no sequence `114`: they are 0 to 113");
}

#[tokio::test]
async fn a_key_for_each_sending_changes_the_shop_twice() {
    let arguments = Arguments { only: vec!["59".to_owned()], mutant: Some("key_per_attempt".to_owned()) };
    let all = all(&arguments).await.unwrap();
    let wrong: Vec<_> = all.iter().map(|totals| totals.wrong.len()).collect();
    assert!(wrong[0] == 0 && wrong[1] == 0 && wrong[2] > 0, "only deaths bring it to light: {all:?}");
}
