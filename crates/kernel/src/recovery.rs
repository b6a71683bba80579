//! Failures with names, and what may be done about each.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    journal::Held,
    values::{Span, Timestamp},
};

macro_rules! failure_kinds {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// The typed name of what went wrong; each has its own recovery.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum FailureKind { $($(#[doc = $doc])* $name,)* }

        impl FailureKind {
            /// Every kind that this version can meet.
            pub const ALL: &[FailureKind] = &[$(FailureKind::$name,)*];

            /// As it is written in `on_failure`.
            pub fn as_str(self) -> &'static str {
                match self { $(FailureKind::$name => $text,)* }
            }

            /// What happened, as one sentence: the comment of the variant.
            pub fn explanation(self) -> &'static str {
                match self { $(FailureKind::$name => concat!($($doc,)*).trim_ascii(),)* }
            }
        }
    };
}

failure_kinds! {
    /// The provider asked us to wait.
    ProviderRateLimited = "provider_rate_limited",
    /// A spend limit is reached: no wait will help.
    ProviderSpendLimit = "provider_spend_limit",
    /// The provider is overloaded.
    ProviderOverloaded = "provider_overloaded",
    /// The provider failed.
    ProviderError = "provider_error",
    /// No answer in time, or one that was cut off.
    ProviderTimeout = "provider_timeout",
    /// The provider does not know us.
    ProviderAuth = "provider_auth",
    /// The model refused.
    Refused = "refused",
    /// The answer hit its length limit.
    Truncated = "truncated",
    /// The answer does not fit the output schema.
    InvalidOutput = "invalid_output",
    /// A `check` of the step was false.
    BadReasoning = "bad_reasoning",
    /// The arguments do not fit the operation's schema.
    InvalidArguments = "invalid_arguments",
    /// The tool said no: trying again changes nothing.
    ToolRejected = "tool_rejected",
    /// The tool did not answer in time.
    ToolTimeout = "tool_timeout",
    /// The tool could not be reached or failed.
    ToolError = "tool_error",
    /// The verdict was deny.
    PermissionDenied = "permission_denied",
    /// A required item does not fit the context budget.
    ContextOverflow = "context_overflow",
    /// The same failure twice, or a loop that never ended.
    NoProgress = "no_progress",
    /// A value does not keep a declared contract: a result schema, a join.
    ContractViolated = "contract_violated",
    /// An expression could not be evaluated, or a native function failed.
    Internal = "internal",
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How far a call had come when it failed. Decides whether it may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing left this process.
    NotSent,
    /// Bytes may have arrived; whether it happened is not known.
    MaybeSent,
    /// There was an answer, and this is what it said.
    Answered,
    /// Nothing was to be sent: the failure is our own.
    Inside,
}

/// What went wrong in a step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    /// Its name.
    pub kind: FailureKind,
    /// How far it had come.
    pub phase: Phase,
    /// One sentence for a person; no secret, no provider's page.
    pub detail: String,
    /// At the earliest then: what the other side asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Span>,
}

impl Failure {
    /// A failure of our own making.
    pub fn inside(kind: FailureKind, detail: impl Into<String>) -> Failure {
        Failure { kind, phase: Phase::Inside, detail: detail.into(), retry_after: None }
    }
}

/// What is done about a failure. Each changes something or waits for something.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "do", deny_unknown_fields)]
pub enum Response {
    /// Wait, then send again.
    Retry {
        /// Not before.
        at: Timestamp,
    },
    /// Ask again, and show the model the precise errors.
    Repair,
    /// Forget the attempts so far and start the step afresh.
    Replan,
    /// Ask another model.
    Model {
        /// Which.
        model: Arc<str>,
    },
    /// Leave this stage and run another in its place.
    Stage {
        /// Which.
        stage: Arc<str>,
    },
    /// Stop until a person resumes; then try again.
    Pause,
    /// Go on as if the step had given this.
    ContinueWith {
        /// What.
        output: Held,
    },
    /// No recovery is left: the step has failed.
    Fail,
}
