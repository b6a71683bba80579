//! Which failures can come of a call: by who is called, and by what is known of its effect.

use std::fmt;

use kernel::{
    governance::Effect,
    journal::Event,
    recovery::{FailureKind, Phase},
};

/// One way in which a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub kind: FailureKind,
    /// How far the call had come.
    pub phase: Phase,
    /// Whether the other side did it all the same.
    pub performed: bool,
}

impl Fault {
    const fn new(kind: FailureKind, phase: Phase, performed: bool) -> Fault {
        Fault { kind, phase, performed }
    }

    /// The answer comes, and does not have the form that was agreed on.
    pub(crate) fn is_odd_answer(&self) -> bool {
        self.kind == FailureKind::ContractViolated
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::NotSent => ", not sent",
            Phase::MaybeSent => ", maybe sent",
            Phase::Answered | Phase::Inside => "",
        };
        let performed = if self.performed { ", performed" } else { "" };
        write!(f, "{}{phase}{performed}", self.kind)
    }
}

/// What a provider can bring.
pub(super) fn of_models() -> Vec<Fault> {
    use FailureKind as K;
    let answered = [
        K::ProviderRateLimited,
        K::ProviderSpendLimit,
        K::ProviderOverloaded,
        K::ProviderAuth,
        K::Refused,
        K::Truncated,
        K::InvalidOutput,
        K::BadReasoning,
        K::ContextOverflow,
    ];
    let mut all: Vec<Fault> = answered.into_iter().map(|kind| Fault::new(kind, Phase::Answered, false)).collect();
    all.extend([K::ProviderError, K::ProviderTimeout].map(|kind| Fault::new(kind, Phase::MaybeSent, false)));
    all
}

/// What a tool can bring. `has_form`: what it answers must fit a schema.
pub(super) fn of_tools(effect: Effect, has_form: bool) -> Vec<Fault> {
    use FailureKind as K;
    let mut all = vec![
        Fault::new(K::ToolError, Phase::NotSent, false),
        Fault::new(K::ToolRejected, Phase::Answered, false),
        Fault::new(K::ToolTimeout, Phase::MaybeSent, false),
        Fault::new(K::ToolError, Phase::MaybeSent, false),
    ];
    if effect != Effect::Read {
        all.extend([K::ToolTimeout, K::ToolError].map(|kind| Fault::new(kind, Phase::MaybeSent, true)));
    }
    if has_form {
        all.push(Fault::new(K::ContractViolated, Phase::Answered, effect != Effect::Read));
    }
    all
}

/// What an entry says, in a few words: a step has one of each that counts.
pub(super) fn of(event: &Event) -> &'static str {
    match event {
        Event::ModelAsked { .. } => "a model is asked",
        Event::ModelAnswered { .. } => "a model answers",
        Event::AnswerReused { .. } => "an answer is used again",
        Event::CacheMissed { .. } => "no result is kept",
        Event::PartReused { .. } => "a result is used again",
        Event::ActionStarted { .. } => "an action starts",
        Event::ActionResent { .. } => "an action is sent again",
        Event::ActionFinished { .. } => "an action finishes",
        Event::ActionJudged { .. } => "an action is judged",
        Event::ApprovalRequested { .. } => "people are asked",
        Event::ApprovalEscalated { .. } => "other people are asked",
        Event::ApprovalEnded { .. } => "an approval ends",
        Event::VoteReceived { .. } => "a person decides",
        Event::OutcomeUnknown { .. } => "an outcome is unknown",
        Event::ProbeStarted { .. } => "a probe asks",
        Event::ProbeFinished { .. } => "a probe is answered",
        Event::EffectResolved { .. } => "a person says what became of it",
        Event::WorkOpened { .. } => "work is handed over",
        Event::WorkAnswered { .. } => "work is answered",
        Event::WorkEnded { .. } => "work ends",
        Event::WaitStarted { .. } => "a wait begins",
        Event::WaitEnded { .. } => "a wait ends",
        Event::StepSkipped { .. } => "the step is skipped",
        Event::StepFailed { .. } => "the step fails",
        Event::FailureAnswered { .. } => "a failure is answered",
        Event::Decided { .. } => "a branch is chosen",
        _ => "the step is done",
    }
}
