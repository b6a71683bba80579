//! Who may act: proposal → verdict → permit → outcome.

pub mod budget;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Digest, IdempotencyKey, RunId, StepPath},
    journal::Held,
    values::Value,
};

/// What is known of an operation's effect outside. Declared by the operator, never taken from a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Changes nothing outside. Uncertain outcome: ask again.
    Read,
    /// The receiver de-duplicates on our key. Uncertain outcome: send the same bytes with the same key.
    Idempotent,
    /// A query by our reference tells whether it happened. Uncertain outcome: wait the settle delay, probe; adopt, or send once more.
    Probed,
    /// Neither. Uncertain outcome: never sent again; a person resolves it.
    AtMostOnce,
}

impl Effect {
    /// Every class.
    pub const ALL: [Effect; 4] = [Effect::Read, Effect::Idempotent, Effect::Probed, Effect::AtMostOnce];

    /// As it is written in a tool file.
    pub fn as_str(self) -> &'static str {
        match self {
            Effect::Read => "read",
            Effect::Idempotent => "idempotent",
            Effect::Probed => "probed",
            Effect::AtMostOnce => "at_most_once",
        }
    }
}

/// What a step asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The tool file's name.
    pub tool: Arc<str>,
    /// One of its operations.
    pub operation: Arc<str>,
    /// As declared in the tool file.
    pub effect: Effect,
    /// The arguments; they have passed the operation's schema.
    pub with: Held,
}

/// Our answer to a proposal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The action may start.
    Allow {
        /// The rule that allowed it.
        rule: Arc<str>,
        /// Digest of the rules that were asked.
        policy: Digest,
    },
    /// It may not.
    Deny {
        /// The rule that denied it.
        rule: Arc<str>,
        /// Digest of the rules that were asked.
        policy: Digest,
        /// What an operator is told.
        reason: String,
    },
}

/// The one rule until policies exist, and the text that its digest is taken of.
pub const BUILT_IN_RULE: &str =
    "allow an operation that the step names and the tool file declares with effect read or idempotent; deny all else";

/// Judges a proposal of the step that named `tool.operation`.
///
/// `named` is the operation that the step's own file names: a proposal for another one is denied.
pub fn judge(proposal: &Proposal, named: (&str, &str)) -> Verdict {
    let policy = Digest::of(&[BUILT_IN_RULE.as_bytes()]);
    let rule: Arc<str> = "built-in".into();
    if named != (&*proposal.tool, &*proposal.operation) {
        let reason = format!(
            "the step names `{}.{}`, the proposal is for `{}.{}`",
            named.0, named.1, proposal.tool, proposal.operation
        );
        return Verdict::Deny { rule, policy, reason };
    }
    Verdict::Allow { rule, policy }
}

/// Leave to call one tool once. Only the kernel makes one, and only from an allowing verdict that is in the journal and was
/// acknowledged in this epoch, so no road goes to a tool around governance. Not `Clone`: calling spends it.
///
/// ```compile_fail
/// // Nobody outside the kernel can make one.
/// let permit = kernel::governance::Permit { };
/// ```
#[derive(Debug)]
pub struct Permit {
    run: RunId,
    step: StepPath,
    attempt: u32,
    tool: Arc<str>,
    operation: Arc<str>,
    effect: Effect,
    input: Arc<[u8]>,
    key: IdempotencyKey,
}

impl Permit {
    /// The intent must be durable: `next` checks that before it comes here.
    pub(crate) fn new(
        run: RunId,
        step: StepPath,
        attempt: u32,
        proposal: &Proposal,
        with: &Value,
        key: IdempotencyKey,
    ) -> Permit {
        Permit {
            run,
            step,
            attempt,
            tool: proposal.tool.clone(),
            operation: proposal.operation.clone(),
            effect: proposal.effect,
            input: with.to_jcs().into(),
            key,
        }
    }

    /// The run that acts.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The step that acts.
    pub fn step(&self) -> &StepPath {
        &self.step
    }

    /// Which sending this is, from 1.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// The tool.
    pub fn tool(&self) -> &Arc<str> {
        &self.tool
    }

    /// Its operation.
    pub fn operation(&self) -> &Arc<str> {
        &self.operation
    }

    /// The operation's declared effect.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// The exact argument bytes: canonical JSON.
    pub fn input(&self) -> &Arc<[u8]> {
        &self.input
    }

    /// On what the receiver de-duplicates.
    pub fn key(&self) -> &IdempotencyKey {
        &self.key
    }
}
