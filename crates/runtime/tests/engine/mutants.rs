//! Each known mistake is noticed.

use crate::{acts, crash, waits, world::World};

async fn dies_everywhere(mutant: &'static str) -> String {
    let found = crash::everywhere(crash::INPUT, || {
        let mut world = World::new(crash::ALL, crash::outside());
        world.mutant = Some(mutant);
        world
    });
    found.await.expect_err("the mistake must be noticed")
}

#[tokio::test]
async fn an_act_before_its_intent_is_noticed() {
    let why = dies_everywhere("intent_after_act").await;
    assert!(why.contains("without a durable intent"), "{why}");
}

#[tokio::test]
async fn a_key_for_each_attempt_is_noticed() {
    let why = dies_everywhere("key_per_attempt").await;
    assert!(why.contains("without a durable intent") || why.contains("no intent has"), "{why}");
}

#[tokio::test]
async fn doing_again_what_is_recorded_is_noticed() {
    dies_everywhere("resend_recorded").await;
}

#[tokio::test]
async fn calling_on_without_a_lease_is_noticed() {
    assert_eq!(acts::calls_without_a_lease(Some("no_self_fence")).await, 1);
}

#[tokio::test]
async fn a_signal_slept_over_is_noticed() {
    assert!(!waits::hears_the_signal(Some("lose_signal")).await);
}

#[tokio::test]
async fn a_clock_believed_when_it_goes_back_is_noticed() {
    assert!(waits::times_go_forward(Some("timer_backward")).await.is_err());
}

#[tokio::test]
async fn forgetting_at_a_suspend_is_noticed() {
    assert!(!waits::remembers_over_a_wait(Some("forget_pending_on_suspend")).await);
}
