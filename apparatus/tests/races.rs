//! Approvals that are decided at once by many: some rounds here, all of them with `apparatus races`.

use apparatus::races::{Arguments, races};

fn short(mutant: Option<&str>) -> Arguments {
    Arguments { rounds: 3, mutant: mutant.map(str::to_owned), only: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_was_agreed_to_happens_and_once() {
    let all = races(&short(None), &mut |_| Ok(())).await.unwrap();
    let wrong: Vec<_> = all.iter().flat_map(|raced| &raced.wrong).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let executions: u64 = all.iter().map(|raced| raced.executions).sum();
    assert!(all.len() == 11 && executions > 20, "{all:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_mistakes_with_approvals_are_noticed() {
    let known = [
        ("consume_twice", "runs_out"),
        ("vote_on_stale_card", "stale_page"),
        ("approval_not_consumed", "double_click"),
    ];
    for (mutant, race) in known {
        let arguments = Arguments { only: Some(race.to_owned()), ..short(Some(mutant)) };
        let all = races(&arguments, &mut |_| Ok(())).await.unwrap();
        assert!(all.iter().any(|raced| !raced.wrong.is_empty()), "{mutant}: {all:#?}");
    }
}
