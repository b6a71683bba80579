//! Room for ten calls and two hundred that are wanted, briefly: the long one is `apparatus spend`.

use std::path::Path;

use apparatus::spend::{Arguments, spend};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_spent_twice_whatever_dies() {
    let program = Path::new(env!("CARGO_BIN_EXE_apparatus"));
    let short = Arguments { runs: 60, limit: 10, times: 2, commits: 3, seed: 3 };
    let rounds = spend(program, &short, None, &mut |_| Ok(())).await.unwrap();
    let wrong: Vec<_> = rounds.iter().filter_map(|round| round.wrong.as_ref()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(rounds.len() == 5 && rounds.iter().all(|round| round.books.spent_calls == 10), "{rounds:#?}");
    assert!(rounds.iter().map(|round| round.deaths).sum::<u32>() >= 3, "{rounds:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_only_compares_is_noticed() {
    let program = Path::new(env!("CARGO_BIN_EXE_apparatus"));
    let short = Arguments { runs: 60, limit: 10, times: 1, commits: 0, seed: 3 };
    let rounds = spend(program, &short, Some("budget_without_reservation"), &mut |_| Ok(())).await.unwrap();
    // By what was spent, or by the books: whichever is looked at first.
    assert!(rounds.iter().any(|round| round.overspend > 0 || round.wrong.is_some()), "{rounds:#?}");
}
