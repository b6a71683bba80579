//! The one source of chance.

/// A stream of numbers: SplitMix64 (Steele, Lea, Flood 2014), the same on every machine and in every version of every library.
///
/// State `s` grows by `0x9e3779b97f4a7c15`; an output is `s` after `z ^= z >> 30; z *= 0xbf58476d1ce4e5b9; z ^= z >> 27;
/// z *= 0x94d049bb133111eb; z ^= z >> 31`, all modulo 2^64.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// The stream of `seed` for one purpose. Streams of different purposes are independent, so that one more choice about prices does not
    /// change a founding year. The state starts as `seed` mixed once, XOR the FNV-1a hash of the purpose.
    pub fn of(seed: u64, purpose: &str) -> Chance {
        let hash = purpose
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        Chance(Chance(seed).next() ^ hash)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "it never ends")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; 0 when `n` is 0. The high half of a 128-bit product: no division, a bias below 2^-50 for our sizes.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u32, high: u32) -> u32 {
        low + self.below((high.saturating_sub(low) + 1) as usize) as u32
    }

    /// True `percent` times of a hundred.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// One of these.
    ///
    /// # Panics
    /// On an empty slice: all slices here are constants or checked before.
    pub fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }

    /// Puts them into another order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, what: &mut [T]) {
        for at in (1..what.len()).rev() {
            what.swap(at, self.below(at + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_the_published_algorithm() {
        let mut chance = Chance(1234567);
        assert_eq!(
            [chance.next(), chance.next(), chance.next()],
            [6457827717110365317, 3203168211198807973, 9817491932198370423]
        );
    }

    #[test]
    fn streams_of_two_purposes_differ_and_one_repeats_itself() {
        assert_eq!(Chance::of(7, "a").next(), Chance::of(7, "a").next());
        assert_ne!(Chance::of(7, "a").next(), Chance::of(7, "b").next());
        assert_ne!(Chance::of(7, "a").next(), Chance::of(8, "a").next());
    }

    #[test]
    fn every_number_below_the_bound_comes() {
        let mut chance = Chance::of(1, "bound");
        let seen: std::collections::BTreeSet<usize> = (0..1000).map(|_| chance.below(7)).collect();
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), (0..7).collect::<Vec<_>>());
    }
}
