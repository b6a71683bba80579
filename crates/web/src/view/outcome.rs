//! What people say came of a run, in words.

use kernel::values::Timestamp;
use runtime::outcome::Together;
use store::RunOutcome;

use super::words::{self, Badge};

/// The word of one person.
pub(crate) struct Said {
    pub(crate) badge: Badge,
    pub(crate) by: String,
    pub(crate) because: String,
    pub(crate) since: String,
}

impl Said {
    pub(crate) fn of(one: &RunOutcome, now: Timestamp) -> Said {
        Said {
            badge: badge(if one.right { Together::Right } else { Together::Wrong }),
            by: words::plain(&one.by),
            because: words::plain(&one.because),
            since: words::ago(one.at, now),
        }
    }
}

/// What all say together.
pub(crate) fn badge(together: Together) -> Badge {
    let class = match together {
        Together::Right => "good",
        Together::Wrong => "bad",
        Together::Disputed => "wait",
    };
    Badge { class, word: together.as_str() }
}
