//! Secrets that every server says back are nowhere to be found: see `apparatus canaries`.

use std::path::Path;

use apparatus::canaries::{Arguments, canaries};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_said_back_is_written_nowhere() {
    let all = canaries(Path::new(env!("CARGO_BIN_EXE_apparatus")), &Arguments { keep: None }).await.unwrap();
    let (secrets, planted): (Vec<_>, Vec<_>) = all.iter().partition(|canary| canary.canary != "planted");
    let leaks: Vec<_> = secrets.iter().filter(|canary| !canary.hits.is_empty()).collect();
    assert!(leaks.is_empty(), "{leaks:#?}");
    assert_eq!((secrets.len(), planted.len()), (5, 1));
    for place in ["data/surefoot.db", "runs export", "evidence export"] {
        assert!(
            planted[0].hits.iter().any(|hit| hit.contains(place)),
            "the search finds nothing in {place}: {planted:#?}"
        );
    }
}
