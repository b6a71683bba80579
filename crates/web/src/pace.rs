//! How many requests one session or one token may send: a bucket of [`BURST`], refilled one each [`EACH`].

use std::time::Duration;

use tokio::time::Instant;

/// Requests at once.
pub(crate) const BURST: u32 = 200;
/// One more each.
const EACH: Duration = Duration::from_millis(20);

/// One bucket: when it will be full again. It begins full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pace(Option<Instant>);

impl Pace {
    /// Takes one, unless the bucket is empty. Whoever is refused loses nothing by asking.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let full = self.0.map_or(now, |full| full.max(now));
        if full - now > EACH * (BURST - 1) {
            return false;
        }
        self.0 = Some(full + EACH);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_bucket_is_emptied_and_filled_again() {
        let mut pace = Pace::default();
        let mut taken = |count: u32| (0..count).filter(|_| pace.take(Instant::now())).count();
        assert_eq!(taken(BURST + 10), BURST as usize);
        tokio::time::advance(EACH * 3).await;
        assert_eq!(taken(10), 3);
        tokio::time::advance(EACH * 10 * BURST).await;
        assert_eq!(taken(2 * BURST), BURST as usize, "it holds no more than that");
    }
}
