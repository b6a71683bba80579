//! What was set aside for a call, as the event says that announces it.

use serde::{Deserialize, Serialize};

use super::{Amounts, Line};

/// What a call may cost at most, and the sums that it was set aside in. The store compared them in the transaction that announced
/// the call.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reserved {
    /// The charter's generation whose limits these are.
    pub generation: u64,
    /// At most so much, of the run's own budget and of each line.
    pub max: Amounts,
    /// The sums of the standing limits; none: only the run's own budget applies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<Line>,
}
