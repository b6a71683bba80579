//! A short kill loop with real processes: the long one is `apparatus kill`.

use std::path::Path;

use apparatus::kill::{Arguments, kill};

fn short(mutant: Option<&str>) -> Arguments {
    Arguments {
        cycles: 6,
        runs: 6,
        mix: Some("40,30,15,15".parse().unwrap()),
        seed: 7,
        mutant: mutant.map(str::to_owned),
        out: None,
        stop_at_first: true,
        patience: 30,
        latest_ms: 400,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_again_and_again_keeps_every_promise() {
    let mut told = Vec::new();
    let program = Path::new(env!("CARGO_BIN_EXE_apparatus"));
    let mut keep = |cycle: &apparatus::kill::Cycle| {
        told.extend(cycle.violations.iter().map(|found| format!("{}: {}", found.rule, found.detail)));
        Ok(())
    };
    let summary = kill(program, &short(None), &mut keep).await.unwrap();
    assert!(told.is_empty(), "{told:#?}");
    assert!(summary.kills >= 1 && summary.batches >= 1 && summary.requests > 20, "{summary:?}");
    assert!(summary.reserved > 20 && summary.spent_calls > 20, "{summary:?}");
    assert_eq!(summary.violations, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_mistake_is_noticed_by_it() {
    let program = Path::new(env!("CARGO_BIN_EXE_apparatus"));
    let summary = kill(program, &short(Some("key_per_attempt")), &mut |_| Ok(())).await.unwrap();
    assert!(summary.violations > 0, "{summary:?}");
}
