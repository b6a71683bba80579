//! Who may act: proposal → verdict → permit → outcome.

pub mod approval;
pub mod budget;
pub mod channel;
pub mod charter;
pub mod floor;
pub mod labels;
pub mod people;
pub mod policy;

use std::{fmt, sync::Arc};

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
        /// The rules that matched.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        by: Vec<Ruling>,
    },
    /// A person decides.
    Ask {
        /// The first rule that asks.
        rule: Arc<str>,
        /// Digest of the rules that were asked.
        policy: Digest,
        /// The rules that ask.
        by: Vec<Ruling>,
    },
    /// It may not.
    Deny {
        /// The rule that denied it.
        rule: Arc<str>,
        /// Digest of the rules that were asked.
        policy: Digest,
        /// What an operator is told.
        reason: String,
        /// The rule that matched, if one did.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        by: Vec<Ruling>,
    },
}

impl Verdict {
    /// The rule that decided.
    pub fn rule(&self) -> &Arc<str> {
        match self {
            Verdict::Allow { rule, .. } | Verdict::Ask { rule, .. } | Verdict::Deny { rule, .. } => rule,
        }
    }

    /// The rules that matched.
    pub fn rulings(&self) -> &[Ruling] {
        match self {
            Verdict::Allow { by, .. } | Verdict::Ask { by, .. } | Verdict::Deny { by, .. } => by,
        }
    }
}

/// A rule that matched, as it is recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ruling {
    /// Its id.
    pub id: Arc<str>,
    /// Where it stands: `policies/ask/money.cedar:3`.
    pub at: Arc<str>,
    /// What it is for, in its author's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Arc<str>>,
    /// What its condition reads, as it was: `input.amount_cents` to 62000.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub values: Value,
}

impl fmt::Display for Ruling {
    /// `large.review (policies/ask/money.cedar:3): input.amount_cents = 62000`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.id, self.at)?;
        let Value::Map(values) = &self.values else { return Ok(()) };
        for (place, (name, value)) in values.iter().enumerate() {
            write!(f, "{}{name} = {}", if place == 0 { ": " } else { ", " }, value.to_json())?;
        }
        Ok(())
    }
}

/// The rule of a project without policies, and the text that its digest is taken of.
pub const BUILT_IN_RULE: &str =
    "allow an operation that a step names and the tool file declares with effect read or idempotent; deny all else";

/// Judges a proposal in a project without policies. What cannot be repaired by sending it again needs a policy that allows it.
pub fn judge(proposal: &Proposal) -> Verdict {
    let policy = Digest::of(&[BUILT_IN_RULE.as_bytes()]);
    let rule: Arc<str> = "built-in".into();
    match proposal.effect {
        Effect::Read | Effect::Idempotent => Verdict::Allow { rule, policy, by: Vec::new() },
        Effect::Probed | Effect::AtMostOnce => {
            let reason = format!(
                "`{}.{}` is `{}`, and a project without policies allows `read` and `idempotent` alone: write a rule in policies/allow/",
                proposal.tool,
                proposal.operation,
                proposal.effect.as_str()
            );
            Verdict::Deny { rule, policy, reason, by: Vec::new() }
        }
    }
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
