//! A clock that moves only when it is told to, and randomness that repeats: for tests of whatever runs on this crate.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use kernel::values::{Span, Timestamp};
use tokio::sync::Notify;

use crate::clock::{Clock, Random, duration};

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct TestClock {
    times: Mutex<(Timestamp, Duration)>,
    moved: Notify,
}

impl TestClock {
    /// Stands at `now`.
    pub fn at(now: Timestamp) -> TestClock {
        TestClock { times: Mutex::new((now, Duration::ZERO)), moved: Notify::new() }
    }

    /// Lets `span` pass, on the wall and by the monotonic count.
    pub fn advance(&self, span: Span) {
        self.change(|(wall, monotonic)| {
            *wall = *wall + span;
            *monotonic += duration(span);
        });
    }

    /// Sets the wall's time, as an administrator might; the monotonic count stays.
    pub fn set(&self, now: Timestamp) {
        self.change(|(wall, _)| *wall = now);
    }

    fn change(&self, change: impl FnOnce(&mut (Timestamp, Duration))) {
        change(&mut self.times.lock().unwrap_or_else(PoisonError::into_inner));
        self.moved.notify_waiters();
    }

    fn read(&self) -> (Timestamp, Duration) {
        *self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until(&self, reached: impl Fn((Timestamp, Duration)) -> bool + Send) {
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            // Listen before looking: a move in between is not missed.
            moved.as_mut().enable();
            if reached(self.read()) {
                return;
            }
            moved.await;
        }
    }
}

impl Default for TestClock {
    /// Stands at midnight, 1 January 2030, UTC.
    fn default() -> Self {
        TestClock::at(Timestamp::from_micros(1_893_456_000_000_000))
    }
}

#[async_trait]
impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        self.read().0
    }

    fn monotonic(&self) -> Duration {
        self.read().1
    }

    async fn sleep_until(&self, at: Timestamp) {
        self.until(|(wall, _)| wall >= at).await;
    }

    async fn sleep(&self, span: Span) {
        let end = self.monotonic() + duration(span);
        self.until(|(_, monotonic)| monotonic >= end).await;
    }
}

/// Randomness that is the same in every test run: a counter behind SplitMix64.
#[derive(Debug, Default)]
pub struct TestRandom(AtomicU64);

impl Random for TestRandom {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let mut word = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            part.copy_from_slice(&(word ^ (word >> 31)).to_be_bytes()[..part.len()]);
        }
    }
}
