//! Claims: what a model said it did, and what the journal says about that.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

/// One claim compared with the journal, or one act that nobody claimed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claimed {
    /// The model's sentence; `None`: the act was done, and no claim names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub says: Option<Arc<str>>,
    /// `tool.operation`.
    pub action: Arc<str>,
    /// On which business object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Arc<str>>,
    /// The evidence id: the one that the claim cites, or that of the act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Arc<str>>,
    /// What the journal says about it.
    pub standing: Standing,
    /// Why it is not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Arc<str>>,
}

/// What the journal says about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The act that it cites was done, and is the one that it names.
    Verified,
    /// The journal says otherwise.
    Refuted,
    /// Nothing proves it; or an act was done and not claimed.
    Unsupported,
}

impl Standing {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Standing::Verified => "verified",
            Standing::Refuted => "refuted",
            Standing::Unsupported => "unsupported",
        }
    }
}

impl Claimed {
    /// Whether it keeps the answer from being accepted.
    pub fn fails(&self) -> bool {
        self.standing != Standing::Verified
    }
}

impl Claimed {
    /// How it stands, and what it is about with the reason.
    pub fn in_words(&self) -> (&'static str, String) {
        let on = self.resource.as_ref().map(|id| format!(" on `{id}`")).unwrap_or_default();
        let evidence = self.evidence.as_ref().map(|id| format!(" ({id})")).unwrap_or_default();
        let says = self.says.as_ref().map(|says| format!(", \u{201c}{says}\u{201d}")).unwrap_or_default();
        let why = self.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        (self.standing.as_str(), format!("`{}`{on}{evidence}{says}{why}", self.action))
    }
}

impl fmt::Display for Claimed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (standing, rest) = self.in_words();
        write!(f, "{standing}: {rest}")
    }
}
