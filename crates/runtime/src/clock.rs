//! Time and randomness: the only place that asks the system for them. Everything else takes them from here, so that a test can
//! repeat both.

use std::{
    cell::RefCell,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_trait::async_trait;
use kernel::values::{Span, Timestamp};

/// What a process knows of time.
#[async_trait]
pub trait Clock: Send + Sync + 'static {
    /// The wall's time, which may jump.
    fn now(&self) -> Timestamp;

    /// Time since some fixed moment of this process; it never goes back. Leases are measured with it.
    fn monotonic(&self) -> Duration;

    /// Waits until [`Clock::now`] is `at` or later.
    async fn sleep_until(&self, at: Timestamp);

    /// Waits so long, as [`Clock::monotonic`] measures it.
    async fn sleep(&self, span: Span);
}

/// Where salts and ids come from.
pub trait Random: Send + Sync + 'static {
    /// Fills `bytes` with bytes that nobody can guess.
    fn fill(&self, bytes: &mut [u8]);
}

/// The system's clock.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

/// A sleep until a time of the wall looks at the wall again this often: it may have been set.
const GLANCE: Span = Span::from_millis(1_000);

impl SystemClock {
    /// Begins to count now.
    #[expect(clippy::disallowed_methods, reason = "the process's one clock")]
    pub fn new() -> SystemClock {
        SystemClock { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock::new()
    }
}

#[async_trait]
impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the process's one clock")]
    fn now(&self) -> Timestamp {
        let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |micros| -micros),
        };
        Timestamp::from_micros(micros)
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }

    async fn sleep_until(&self, at: Timestamp) {
        loop {
            let left = left(self.now(), at);
            if left.micros() == 0 {
                return;
            }
            self.sleep(left.min(GLANCE)).await;
        }
    }

    async fn sleep(&self, span: Span) {
        tokio::time::sleep(duration(span)).await;
    }
}

/// The system's source of randomness, drawn in larger pieces: a system call for each salt would cost more than its hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

const POOL: usize = 4096;

struct Pool {
    bytes: Box<[u8; POOL]>,
    used: usize,
}

thread_local! {
    static DRAWN: RefCell<Pool> = RefCell::new(Pool { bytes: Box::new([0; POOL]), used: POOL });
}

impl Random for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        DRAWN.with_borrow_mut(|pool| {
            for part in bytes.chunks_mut(POOL) {
                if POOL - pool.used < part.len() {
                    draw(&mut *pool.bytes);
                    pool.used = 0;
                }
                let given = &mut pool.bytes[pool.used..pool.used + part.len()];
                part.copy_from_slice(given);
                // What was given once is not kept.
                given.fill(0);
                pool.used += part.len();
            }
        });
    }
}

#[expect(clippy::disallowed_methods, reason = "the process's one source of randomness")]
fn draw(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the system gives random bytes: without them nothing here may be sealed");
}

/// Random bytes for an id or a salt.
pub(crate) fn bytes<const N: usize>(random: &dyn Random) -> [u8; N] {
    let mut bytes = [0; N];
    random.fill(&mut bytes);
    bytes
}

/// How long it is from `now` to `at`; nothing if that is past.
pub(crate) fn left(now: Timestamp, at: Timestamp) -> Span {
    Span::from_micros(at.micros().saturating_sub(now.micros()).max(0))
}

/// A span as the standard library has it.
pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_micros(u64::try_from(span.micros()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_do_not_repeat() {
        let drawn: Vec<[u8; 16]> = (0..1000).map(|_| bytes(&SystemRandom)).collect();
        let mut sorted = drawn.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), drawn.len());
        let mut large = [0; 10_000];
        SystemRandom.fill(&mut large);
        assert!(large.chunks(16).all(|chunk| chunk.iter().any(|byte| *byte != 0)));
    }

    #[test]
    fn time_left_is_never_negative() {
        let (early, late) = (Timestamp::from_micros(5), Timestamp::from_micros(8));
        assert_eq!(left(early, late), Span::from_micros(3));
        assert_eq!(left(late, early), Span::default());
    }
}
