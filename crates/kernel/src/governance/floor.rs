//! The rules that hold whatever a project writes, for what no person is asked about.

use std::{collections::BTreeSet, sync::Arc};

use super::labels::{PRIVATE, UNTRUSTED};
use crate::tool::Operation;

/// Untrusted text decides an argument that says what an operation does.
pub const CONTROL: &str = "untrusted-control";

/// What is private would leave in words that untrusted text shapes.
pub const OUTWARD: &str = "private-untrusted-outward";

/// Why an act that the rules of a project allow is denied all the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beneath {
    /// [`CONTROL`] or [`OUTWARD`].
    pub rule: &'static str,
    /// Why, and what would change that.
    pub why: String,
}

/// Whether an act may not begin without a person. `called` is the operation's name, `controls` the control arguments that are untrusted,
/// each with where it comes from (empty: not known), and `labels` all that the arguments carry.
pub fn beneath(
    called: &str,
    is_outward: bool,
    mut controls: impl Iterator<Item = (Arc<str>, String)>,
    labels: &BTreeSet<Arc<str>>,
) -> Option<Beneath> {
    if let Some((argument, from)) = controls.next() {
        let is =
            if from.is_empty() { "is untrusted".to_owned() } else { format!("comes from {from}, which is untrusted") };
        let why = format!(
            "`{argument}` says what `{called}` does, and {is}: tie it to trusted data with `trust:`, allow-list it in the tool file, or \
             let an ask rule put it before a person"
        );
        return Some(Beneath { rule: CONTROL, why });
    }
    (is_outward && labels.contains(PRIVATE) && labels.contains(UNTRUSTED)).then(|| {
        let why = format!(
            "`{called}` would tell somebody outside what is private, and its arguments are shaped by untrusted text: let an ask rule \
             put it before a person"
        );
        Beneath { rule: OUTWARD, why }
    })
}

impl Operation {
    /// Whether it tells somebody outside.
    pub fn is_outward(&self) -> bool {
        self.outward || self.groups.iter().any(|group| &**group == "Outward")
    }
}
