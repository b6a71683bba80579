//! Failures with names, what may be done about each, and which of it comes next.

mod alike;

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    complaint::Place,
    expr::Template,
    ids::{Digest, StepPath},
    journal::Held,
    unsure::Onward,
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
    /// The provider failed, or its answer was cut off.
    ProviderError = "provider_error",
    /// No answer in time.
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
    /// A model proposed something that it was not offered; nothing was done.
    UnknownTool = "unknown_tool",
    /// The arguments do not fit the operation's schema, or a provider does not accept the request.
    InvalidArguments = "invalid_arguments",
    /// The tool said no: trying again changes nothing.
    ToolRejected = "tool_rejected",
    /// The tool did not answer in time.
    ToolTimeout = "tool_timeout",
    /// The tool could not be reached or failed.
    ToolError = "tool_error",
    /// The server says something else of its tool than what was accepted; nothing was sent.
    ToolChanged = "tool_changed",
    /// It may have been performed, and nobody can tell.
    UnknownOutcome = "unknown_outcome",
    /// The verdict was deny.
    PermissionDenied = "permission_denied",
    /// A person said no.
    ApprovalRejected = "approval_rejected",
    /// Nobody decided in time.
    ApprovalExpired = "approval_expired",
    /// Nobody answered handed-over work in time.
    NoAnswer = "no_answer",
    /// The run that work was handed to failed, or was cancelled.
    HandoffFailed = "handoff_failed",
    /// What the call may cost at most does not fit a budget, or cannot be said.
    BudgetExceeded = "budget_exceeded",
    /// The answer is valid, its step is unsure of it, and nothing more follows.
    Unsure = "unsure",
    /// A required item does not fit the context budget.
    ContextOverflow = "context_overflow",
    /// The same failure twice, or a loop that never ended.
    NoProgress = "no_progress",
    /// A value does not keep a declared contract: a result schema, a join.
    ContractViolated = "contract_violated",
    /// What should have been done cannot be proven: a `verify` did not hold, or a fact of `done_when` is missing.
    UnsupportedClaim = "unsupported_claim",
    /// The `deadline` of the step, or of the run, has passed.
    DeadlineExceeded = "deadline_exceeded",
    /// What a step hands to another workflow does not fit that one's input: nothing begins there.
    InputInvalid = "input_invalid",
    /// An expression could not be evaluated, or a native function failed.
    Internal = "internal",
}

impl FailureKind {
    /// Whether it says of an approval that nobody decided in time.
    pub fn is_too_late(self) -> bool {
        matches!(self, FailureKind::ApprovalExpired | FailureKind::DeadlineExceeded)
    }
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
        /// The route that it is the next member of; `None`: a recovery named it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<Arc<str>>,
    },
    /// Leave this stage and run another in its place.
    Stage {
        /// Which.
        stage: Arc<str>,
    },
    /// What was done in the scope of the list is taken back; then the next recovery counts.
    Undo {
        /// What is taken back, in this order: the last result first.
        acts: Vec<StepPath>,
        /// What stays: nothing says how to take it back, or whether it was performed is not known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        standing: Vec<StepPath>,
    },
    /// Go back to a checkpoint: what was done after it is taken back first, or kept.
    ReturnTo {
        /// The step that is the checkpoint.
        step: Arc<str>,
        /// What is taken back before, in this order.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        acts: Vec<StepPath>,
        /// Steps whose effect stands: they keep their values, and are not done again.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        kept: Vec<Arc<str>>,
    },
    /// The action's probe asks once more whether it was performed.
    Probe {
        /// Not before.
        at: Timestamp,
    },
    /// People of a group say what becomes of the step.
    Person {
        /// Whose people.
        group: Arc<str>,
    },
    /// Stop until a person resumes; then try again.
    Pause,
    /// Go on as if the step had given this.
    ContinueWith {
        /// What.
        output: Held,
    },
    /// The model that proposed the action is told, and goes on.
    GiveBack,
    /// The same failure twice, although something was changed in between: from now on it is `no_progress`.
    NoProgress,
    /// No recovery is left, but an earlier answer was only unsure: what its step says next follows.
    Onward {
        /// What.
        then: Onward,
    },
    /// No recovery is left: the step has failed.
    Fail,
}

impl Response {
    /// What it changes or what it waits for, so that trying again is no blind repetition. `None`: nothing is tried again.
    pub fn why_again(&self) -> Option<&'static str> {
        match self {
            Response::Retry { .. } => Some("waits, and sends the same again"),
            Response::Probe { .. } => Some("waits, and asks whether it was performed"),
            Response::Person { .. } => Some("waits for people to say what becomes of it"),
            Response::Pause => Some("waits for a person to resume"),
            Response::Repair => Some("shows the model the errors"),
            Response::Replan => Some("forgets the attempts so far"),
            Response::Model { .. } => Some("asks another model"),
            Response::Undo { .. } => Some("takes back what was done"),
            Response::ReturnTo { .. } => Some("does again what came after the checkpoint"),
            Response::GiveBack => Some("tells the model, which goes on"),
            Response::Onward { .. } => Some("goes on as its step says of an answer that it is unsure of"),
            Response::Stage { .. } | Response::ContinueWith { .. } | Response::NoProgress | Response::Fail => None,
        }
    }

    /// Whether it was to change what failed: the same failure after it is no progress.
    fn changes(&self) -> bool {
        matches!(self, Response::Repair | Response::Replan)
    }
}

/// One item of an `on_failure` list.
#[derive(Debug)]
pub enum Recovery {
    /// `{ retry: 3, backoff: exponential, every: 1s }`.
    Retry {
        /// So often.
        times: u32,
        /// How long between.
        backoff: Backoff,
    },
    /// `{ repair: 2 }`: ask again with the errors.
    Repair {
        /// So often.
        times: u32,
    },
    /// `{ replan: 1 }`: start the step afresh.
    Replan {
        /// So often.
        times: u32,
    },
    /// `{ model: strong }`.
    Model(Arc<str>),
    /// `{ stage: decline }`.
    Stage(Arc<str>),
    /// `{ continue_with: … }`.
    ContinueWith(Template),
    /// `undo`: take back what was done in the scope of the list.
    Undo,
    /// `{ return_to: step, times: 1 }`.
    ReturnTo {
        /// The checkpoint.
        step: Arc<str>,
        /// So often in a run, whoever returns there.
        times: u32,
        /// Where it stands.
        at: Place,
    },
    /// `probe`, for an outcome that is not known: ask once more.
    Probe {
        /// Where it stands.
        at: Place,
    },
    /// `{ person: group, timeout: 2d }`.
    Person {
        /// Whose people.
        group: Arc<str>,
        /// How long they have, in working hours of whoever has some; `None`: until somebody answers.
        timeout: Option<Span>,
    },
    /// `pause`.
    Pause,
    /// `fail`.
    Fail,
}

impl Recovery {
    /// Whether nothing that stands behind it in a list ever has a turn.
    pub(crate) fn ends(&self) -> bool {
        matches!(self, Recovery::Stage(_) | Recovery::ContinueWith(_) | Recovery::Pause | Recovery::Fail)
    }
}

/// How long to wait between retries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the first retry.
    pub base: Span,
    /// Doubled each time, up to [`Backoff::CAP`]; else always `base`.
    pub exponential: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Backoff { base: Span::from_millis(200), exponential: true }
    }
}

impl Backoff {
    /// No backoff waits longer; what the other side asks for still counts.
    pub const CAP: Span = Span::from_millis(60_000);

    /// How long to wait before retry number `nth` (from 0). The upper half is jitter, so that many runs do not return at once;
    /// it comes from `seed`, so that the same retry of the same run always waits as long.
    pub fn wait(self, nth: u32, seed: Digest) -> Span {
        let doubled = if self.exponential { 1_i64.checked_shl(nth.min(32)).unwrap_or(i64::MAX) } else { 1 };
        let full = self.base.micros().saturating_mul(doubled).min(Self::CAP.micros());
        let jitter = i64::from(seed.bytes()[0]) * (full / 2) / 255;
        Span::from_micros(full - full / 2 + jitter)
    }
}

/// Which item of `list` comes next, if the same step has met one of `kinds` before and answered with `answered`.
///
/// Items are used up in order: two `retry` items of 2 give two retries, then what stands between, then two more.
pub fn choose<'a>(
    list: &'a [Recovery],
    kinds: &[FailureKind],
    answered: &[(Failure, Response)],
    possible: &dyn Fn(&Recovery) -> bool,
) -> Option<(&'a Recovery, u32)> {
    let used = |wanted: &dyn Fn(&Response) -> bool| {
        let count =
            answered.iter().filter(|(failure, response)| kinds.contains(&failure.kind) && wanted(response)).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    };
    let retried = used(&|response| matches!(response, Response::Retry { .. }));
    let mut retries = retried;
    let mut repairs = used(&|response| matches!(response, Response::Repair));
    let mut replans = used(&|response| matches!(response, Response::Replan));
    for item in list.iter().filter(|item| possible(item)) {
        let (times, used) = match item {
            Recovery::Retry { times, .. } => (*times, &mut retries),
            Recovery::Repair { times } => (*times, &mut repairs),
            Recovery::Replan { times } => (*times, &mut replans),
            Recovery::Model(model) => {
                let before = used(
                    &|response| matches!(response, Response::Model { model: other, route: None } if other == model),
                );
                if before > 0 {
                    continue;
                }
                return Some((item, 0));
            }
            Recovery::Undo
            | Recovery::Probe { .. }
            | Recovery::Person { .. }
            | Recovery::ReturnTo { .. }
            | Recovery::Stage(_)
            | Recovery::ContinueWith(_)
            | Recovery::Pause
            | Recovery::Fail => {
                return Some((item, 0));
            }
        };
        if *used < times {
            let nth = if matches!(item, Recovery::Retry { .. }) { retried } else { 0 };
            return Some((item, nth));
        }
        *used -= times;
    }
    None
}

/// Where the part of a list begins that only what stands outside of all bodies may do: it takes back or leaves what others did.
pub fn outer_part(list: &[Recovery]) -> usize {
    let outer = |item: &Recovery| matches!(item, Recovery::Undo | Recovery::ReturnTo { .. } | Recovery::Stage(_));
    list.iter().position(outer).unwrap_or(list.len())
}

/// Whether `failure` was met before, and something was changed because of it: to change the same again is no progress.
pub fn stuck(failure: &Failure, answered: &[(Failure, Response)]) -> bool {
    failure.kind != FailureKind::NoProgress
        && answered.iter().any(|(before, response)| {
            response.changes() && before.kind == failure.kind && alike::same(&before.detail, &failure.detail)
        })
}

impl Failure {
    /// What a failure becomes that was met twice.
    pub(crate) fn no_progress(&self) -> Failure {
        let detail = format!("the same failure twice, although something was changed: {}: {}", self.kind, self.detail);
        Failure { kind: FailureKind::NoProgress, phase: self.phase, detail, retry_after: None }
    }
}

/// What is done about a failure that no `on_failure` list names: nothing that could do harm twice.
pub fn by_default(failure: &Failure) -> &'static [Recovery] {
    const PATIENT: &[Recovery] =
        &[Recovery::Retry { times: 4, backoff: Backoff { base: Span::from_millis(200), exponential: true } }];
    const REPAIR: &[Recovery] = &[Recovery::Repair { times: 2 }];
    const PAUSE: &[Recovery] = &[Recovery::Pause];
    match (failure.kind, failure.phase) {
        // Only a person can end either: by raising the limit, by accepting what the server says now.
        (FailureKind::BudgetExceeded | FailureKind::ToolChanged, _) => PAUSE,
        // Only of classes that may be sent again: `read` changes nothing, `idempotent` carries the same key. What came of the
        // others is unknown then, and no recovery guesses.
        (FailureKind::ToolError | FailureKind::ToolTimeout, _)
        | (
            FailureKind::ProviderRateLimited
            | FailureKind::ProviderOverloaded
            | FailureKind::ProviderError
            | FailureKind::ProviderTimeout,
            _,
        ) => PATIENT,
        (_, Phase::NotSent) => PATIENT,
        (FailureKind::InvalidOutput | FailureKind::BadReasoning, _) => REPAIR,
        _ => &[],
    }
}
