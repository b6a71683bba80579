//! Known mistakes that the feature `faults` can switch on in one tool, so that a harness can prove that it would notice them.
//!
//! Without the feature each question is the constant `false`, and the branch behind it is gone.

/// Where a page redirects to is asked for without another look.
pub(crate) const REDIRECT_NOT_REVALIDATED: &str = "redirect_not_revalidated";

/// Every mistake that this crate can make on purpose.
pub const MUTANTS: [&str; 1] = [REDIRECT_NOT_REVALIDATED];

/// The mistakes switched on in one guard.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mutants {
    #[cfg(feature = "faults")]
    pub(crate) on: std::collections::BTreeSet<Box<str>>,
}

impl Mutants {
    /// Whether this mistake is to be made.
    #[cfg(feature = "faults")]
    pub(crate) fn make(&self, mutant: &str) -> bool {
        self.on.contains(mutant)
    }

    /// Whether this mistake is to be made: never, without the feature `faults`.
    #[cfg(not(feature = "faults"))]
    #[inline(always)]
    pub(crate) fn make(&self, _mutant: &str) -> bool {
        false
    }
}
