//! Some of the windows of a crash, and some owners that lost their run: all of them with `apparatus windows` and `apparatus zombies`.

use std::path::Path;

use apparatus::{
    ledger::Class,
    windows::{Arguments, windows},
    zombies,
};

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_apparatus"))
}

fn only(window: &str) -> Arguments {
    Arguments { only: Some(window.to_owned()), times: 1, ..Arguments::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_an_answer_is_no_harm_to_any_class() {
    let cells = windows(program(), &only("W3"), &mut |_| Ok(())).await.unwrap();
    let bad: Vec<_> = cells.iter().filter(|cell| cell.bad > 0 || cell.covered == 0).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(cells.len(), 12);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unsafe_action_that_is_sent_again_is_noticed() {
    let arguments = Arguments { mutant: Some("unsafe_retried".to_owned()), ..only("W3") };
    let cells = windows(program(), &arguments, &mut |_| Ok(())).await.unwrap();
    let bad: Vec<_> = cells.iter().filter(|cell| cell.bad > 0).map(|cell| cell.class).collect();
    assert!(bad.contains(&Class::AtMostOnce), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_that_lost_its_run_does_no_harm() {
    let zombies = zombies::of_class(program(), Class::AtMostOnce, 1).await.unwrap();
    let wrong: Vec<_> = zombies.iter().filter_map(|zombie| zombie.wrong.as_ref()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(zombies.len() == 3 && zombies.iter().all(|zombie| zombie.fenced > 0 && zombie.late > 0), "{zombies:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_back_is_taken_back_once_whatever_happens_meanwhile() {
    let cells = windows(program(), &only("W10"), &mut |_| Ok(())).await.unwrap();
    let bad: Vec<_> = cells.iter().filter(|cell| cell.bad > 0 || cell.covered == 0).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(cells.len(), 45);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_that_is_sent_again_or_left_out_is_noticed() {
    let bad = async |mutant: &str| {
        let arguments = Arguments { mutant: Some(mutant.to_owned()), ..only("W10") };
        let cells = windows(program(), &arguments, &mut |_| Ok(())).await.unwrap();
        cells.into_iter().filter(|cell| cell.bad > 0).map(|cell| cell.class).collect::<Vec<_>>()
    };
    assert!(bad("unsafe_retried").await.contains(&Class::AtMostOnce));
    let left_out = bad("undo_left_out").await;
    assert!([Class::Idempotent, Class::Probed, Class::AtMostOnce].iter().all(|class| left_out.contains(class)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_are_told_whatever_happens_to_the_sender() {
    let cells = windows(program(), &only("W12"), &mut |_| Ok(())).await.unwrap();
    let bad: Vec<_> = cells.iter().filter(|cell| cell.bad > 0 || cell.covered == 0).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert_eq!(cells.len(), 24);
}
