//! Known mistakes that the feature `faults` can switch on, so that every harness can prove that it would notice them.
//!
//! Without the feature each question is the constant `false`, and the branch behind it is gone.

#[cfg(feature = "faults")]
use std::collections::BTreeSet;

/// A tool or a model is called before the append of its intent is acknowledged.
pub(crate) const INTENT_AFTER_ACT: &str = "intent_after_act";
/// Every sending of an intent has a key of its own.
pub(crate) const KEY_PER_ATTEMPT: &str = "key_per_attempt";
/// A worker whose lease may have ended goes on calling tools and models.
pub(crate) const NO_SELF_FENCE: &str = "no_self_fence";
/// After a resume, the last recorded action is done again.
pub(crate) const RESEND_RECORDED: &str = "resend_recorded";
/// A run is suspended without looking whether a message came meanwhile.
pub(crate) const LOSE_SIGNAL: &str = "lose_signal";
/// The clock is believed when it goes back.
pub(crate) const TIMER_BACKWARD: &str = "timer_backward";
/// What was decided but is not durable is forgotten at a suspend.
pub(crate) const FORGET_PENDING_ON_SUSPEND: &str = "forget_pending_on_suspend";
/// A rejection is recorded as a failure although an earlier sending may have arrived.
pub(crate) const FAILED_RECORDED_THOUGH_RESENT: &str = "failed_recorded_though_resent";
/// An action that is sent at most once is believed not to have been sent when its answer is lost, and is tried again.
pub(crate) const UNSAFE_RETRIED: &str = "unsafe_retried";
/// A probe asks at once, and not after the receiver had its time.
pub(crate) const PROBE_AT_ONCE: &str = "probe_at_once";
/// Who approved one action has approved all of its name.
pub(crate) const APPROVAL_BY_NAME: &str = "approval_by_name";
/// An action begins without using up its approval.
pub(crate) const APPROVAL_NOT_CONSUMED: &str = "approval_not_consumed";
/// One of the acts that are to be taken back is left out.
pub(crate) const UNDO_LEFT_OUT: &str = "undo_left_out";

/// A point: the intent of an action is acknowledged, and its first byte is still here.
pub(crate) const BEFORE_DISPATCH: &str = "before_dispatch";
/// A point: an action was answered, and nothing of that is written down.
pub(crate) const AFTER_RESPONSE: &str = "after_response";
/// A point: the outcome of an action is acknowledged by the store.
#[cfg(feature = "faults")]
pub(crate) const AFTER_OUTCOME: &str = "after_outcome";

/// A point: a message to people is kept and was taken by a sender, and its first byte is still here.
pub(crate) const BEFORE_TELL: &str = "before_tell";
/// A point: a message to people was handed over, and nothing of that is written down.
pub(crate) const AFTER_TELL: &str = "after_tell";

/// The points of this crate, armed as those of the store are.
#[cfg(feature = "faults")]
pub const POINTS: [&str; 5] = [BEFORE_DISPATCH, AFTER_RESPONSE, AFTER_OUTCOME, BEFORE_TELL, AFTER_TELL];

/// Every mistake that this crate can make on purpose, beside those of the store.
pub const MUTANTS: [&str; 13] = [
    INTENT_AFTER_ACT,
    KEY_PER_ATTEMPT,
    NO_SELF_FENCE,
    RESEND_RECORDED,
    LOSE_SIGNAL,
    TIMER_BACKWARD,
    FORGET_PENDING_ON_SUSPEND,
    FAILED_RECORDED_THOUGH_RESENT,
    UNSAFE_RETRIED,
    PROBE_AT_ONCE,
    APPROVAL_BY_NAME,
    APPROVAL_NOT_CONSUMED,
    UNDO_LEFT_OUT,
];

/// The mistakes switched on in one runtime: by its builder, or for the whole process by `SUREFOOT_MUTANT`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Mutants {
    #[cfg(feature = "faults")]
    pub(crate) on: BTreeSet<Box<str>>,
    /// How many engines lost their run to another owner.
    #[cfg(feature = "faults")]
    pub(crate) fenced: std::sync::Arc<std::sync::atomic::AtomicU64>,
}

impl Mutants {
    /// Whether this mistake is to be made.
    #[cfg(feature = "faults")]
    pub(crate) fn make(&self, mutant: &str) -> bool {
        self.on.contains(mutant) || store::fault::mutant(mutant)
    }

    /// Whether this mistake is to be made: never, without the feature `faults`.
    #[cfg(not(feature = "faults"))]
    #[inline(always)]
    pub(crate) fn make(&self, _mutant: &str) -> bool {
        false
    }
}

/// What an engine with these mistakes records instead.
#[cfg(feature = "faults")]
pub(crate) fn instead(mutants: &Mutants, state: &kernel::run::RunState, record: &mut kernel::next::Record) {
    use kernel::{
        governance::Effect,
        journal::{Event, StepResult},
        recovery::{Failure, FailureKind, Phase, Response},
    };

    if mutants.make(UNSAFE_RETRIED)
        && let Event::OutcomeUnknown { step, attempt, failure, .. } = &record.event
        && state.acting(step).is_some_and(|acting| acting.proposal.effect == Effect::AtMostOnce)
    {
        let why = Failure { kind: FailureKind::ToolTimeout, phase: Phase::NotSent, ..failure.clone() };
        let (step, attempt, result) = (step.clone(), *attempt, StepResult::Failed(why));
        record.event = Event::ActionFinished { step, attempt, result, raw: None, proof: None, undo: None, spent: None };
    }
    if mutants.make(PROBE_AT_ONCE)
        && let Event::OutcomeUnknown { probe_at: Some(at), .. } = &mut record.event
    {
        *at = state.at;
    }
    if mutants.make(UNDO_LEFT_OUT)
        && let Event::FailureAnswered { response: Response::Undo { acts, .. }, .. } = &mut record.event
    {
        acts.pop();
    }
    if mutants.make(APPROVAL_BY_NAME) {
        approve_by_name(state.run, &mut record.event);
    }
}

/// Lets an action begin without asking if one of its name was approved in this run.
#[cfg(feature = "faults")]
fn approve_by_name(run: kernel::ids::RunId, event: &mut kernel::journal::Event) {
    use std::sync::{Mutex, PoisonError};

    use kernel::{governance::Verdict, ids::IdempotencyKey, journal::Event};

    static APPROVED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

    let mut approved = APPROVED.lock().unwrap_or_else(PoisonError::into_inner);
    match event {
        Event::ActionStarted { proposal, grounds: Some(grounds), .. } if grounds.approval.is_some() => {
            approved.insert(format!("{run} {}.{}", proposal.tool, proposal.operation));
        }
        Event::ApprovalRequested { step, proposal: Some(proposal), verdict: Some(verdict), grounds, .. }
            if approved.contains(&format!("{run} {}.{}", proposal.tool, proposal.operation)) =>
        {
            let Verdict::Ask { rule, policy, by } = verdict.clone() else { return };
            *event = Event::ActionStarted {
                step: step.clone(),
                attempt: 1,
                proposal: proposal.clone(),
                verdict: Verdict::Allow { rule, policy, by },
                key: IdempotencyKey::derive(run, step, 0),
                grounds: grounds.clone(),
            };
        }
        _ => {}
    }
}

/// Believes a rejection of which the kernel says that it tells nothing.
#[cfg(feature = "faults")]
pub(crate) fn believe_rejection(record: &mut kernel::next::Record) {
    use kernel::{
        journal::{Event, StepResult},
        recovery::{Failure, FailureKind, Phase},
    };

    if let Event::OutcomeUnknown { step, attempt, failure, .. } = &record.event {
        let failure = Failure { kind: FailureKind::ToolRejected, phase: Phase::Answered, ..failure.clone() };
        let (step, attempt, result) = (step.clone(), *attempt, StepResult::Failed(failure));
        record.event = Event::ActionFinished { step, attempt, result, raw: None, spent: None, proof: None, undo: None };
    }
}

/// Gives every open action a key of this attempt.
#[cfg(feature = "faults")]
pub(crate) fn key_per_attempt(state: &mut kernel::run::RunState) {
    use kernel::{
        ids::{IdempotencyKey, RunId, StepPath},
        run::{Doing, Sequence},
    };

    fn change(run: RunId, steps: &mut Sequence) {
        let Some(open) = steps.open.as_deref_mut() else { return };
        match &mut open.doing {
            Doing::Acting(acting) => {
                acting.key = IdempotencyKey::derive(run, &StepPath::new(open.name.clone()), open.attempt);
            }
            Doing::Bodies(bodies) => bodies.open.values_mut().for_each(|body| change(run, &mut body.steps)),
            Doing::Turns(turns) => change(run, &mut turns.body.steps),
            Doing::Talking(talk) => change(run, &mut talk.body.steps),
            _ => {}
        }
    }
    for stage in &mut state.stages {
        change(state.run, &mut stage.steps);
    }
}

/// If the last step that is over was an action, makes it look open again.
#[cfg(feature = "faults")]
pub(crate) fn forget_last_action(
    state: &mut kernel::run::RunState,
    entries: &[kernel::journal::Entry],
    epoch: u64,
) -> Option<()> {
    use kernel::{
        journal::Event,
        run::{Acting, Doing, Open, Sending},
    };

    let steps = &mut state.stages.last_mut()?.steps;
    let quiet = steps.open.as_ref().is_none_or(|open| matches!(open.doing, Doing::Waiting { .. }));
    let name = steps.last.clone().filter(|_| quiet)?;
    let started = entries.iter().rev().find_map(|entry| match entry.event() {
        Ok(Event::ActionStarted { step, attempt, proposal, verdict, key, grounds }) if step.as_str() == &*name => {
            let acting = Acting {
                proposal,
                verdict,
                key,
                epoch,
                since: entry.at,
                entry: entry.seq,
                sent_at: entry.at,
                standing: Sending::Open,
                doubts: 0,
                probes: 0,
                word: None,
                asked: None,
                grounds: grounds.as_deref().cloned().unwrap_or_default(),
            };
            Some((attempt, acting))
        }
        _ => None,
    });
    let (attempt, acting) = started?;
    state.values.remove(&name);
    steps.over -= 1;
    steps.open = Some(Box::new(Open {
        name,
        visit: 1,
        attempt,
        doing: Doing::Acting(Box::new(acting)),
        failure: None,
        answered: Vec::new(),
        not_before: None,
        model: None,
        route: None,
        fallen: BTreeSet::new(),
        doubt: None,
        asked: 0,
        edited: None,
        help: None,
        before: 0,
        deadline: None,
    }));
    Some(())
}
