//! What a model call was billed.

use serde::{Deserialize, Serialize};

/// What a provider billed, in disjoint buckets of tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Usage {
    /// Input that no cache held.
    #[serde(skip_serializing_if = "is_zero")]
    pub input: u64,
    /// Input read from a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_read: u64,
    /// Input written to a cache.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_write: u64,
    /// Visible output.
    #[serde(skip_serializing_if = "is_zero")]
    pub output: u64,
    /// Output spent on reasoning.
    #[serde(skip_serializing_if = "is_zero")]
    pub reasoning: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Usage {
    /// All tokens together.
    pub fn tokens(&self) -> u64 {
        self.input + self.cache_read + self.cache_write + self.output + self.reasoning
    }
}
