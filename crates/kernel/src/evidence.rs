//! The evidence ledger: the journal read as acts. An act is one proposal with all that came of it, from the question or the intent
//! to what is known of it now; each says who acted, who allowed it, what was sent, and which entries prove it.
//!
//! A pure fold that knows no program: what an act acted on and rested on stands in its entries.

mod audit;
mod tell;

use std::{collections::BTreeMap, sync::Arc};

use serde::Serialize;

pub use self::{
    audit::{Audit, Finding},
    tell::{lines, uncertain},
};
use crate::{
    governance::{
        Effect, Proposal, Verdict,
        approval::{Terms, Vote},
        charter::{Grounds, Resource},
    },
    ids::{Digest, IdempotencyKey, RunId, StepPath},
    journal::{ApprovalEnd, Claimed, Event, Fork, Held, ProbeResult, Proof, Resolution, StepResult},
    recovery::Failure,
    run::in_doubt,
    values::{Timestamp, Value},
};

/// One act.
#[derive(Clone, Debug, Serialize)]
pub struct Act {
    /// Its evidence id: the run and the act's first entry, `run_…/17`.
    pub id: String,
    /// It is the act of the run that this one goes on from, and was not done again.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub inherited: bool,
    /// The step that acted.
    pub step: StepPath,
    /// What was to be done; `None`: people were asked, and nothing else.
    #[serde(flatten)]
    pub called: Option<Called>,
    /// What is known of it.
    pub status: Status,
    /// The latest verdict.
    pub verdict: Option<Verdict>,
    /// On what the verdict rests: the charter's generation, labels, counters, the business object.
    pub grounds: Grounds,
    /// People that were asked.
    pub approval: Option<Approval>,
    /// On what the receiver de-duplicates.
    pub key: Option<IdempotencyKey>,
    /// How often the bytes left, or may have.
    pub sendings: u32,
    /// How often its probe asked.
    pub probes: u32,
    /// SHA-256 over the canonical JSON of what it gave.
    pub result: Option<Digest>,
    /// Where it can be seen outside.
    pub external_id: Option<Arc<str>>,
    /// Who said what became of it, if nobody could know otherwise.
    pub resolved_by: Option<Resolved>,
    /// The latest failure.
    pub failure: Option<Failure>,
    /// `verify` steps that held and rest on it.
    pub proofs: Vec<Proven>,
    /// When it began.
    pub began: Timestamp,
    /// When its intent was recorded.
    pub intended: Option<Timestamp>,
    /// When its status was last changed.
    pub changed: Timestamp,
    /// The entries that it is made of, in order.
    pub entries: Vec<u64>,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Called {
    /// The tool.
    pub tool: Arc<str>,
    /// Its operation.
    pub operation: Arc<str>,
    /// The declared effect.
    pub effect: Effect,
    /// SHA-256 over the canonical JSON of the arguments.
    pub arguments: Digest,
}

/// What is known of an act.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// People are asked.
    Waiting,
    /// The intent is durable, and no outcome is recorded.
    Intended,
    /// The tool, or its probe, said that it was performed.
    Succeeded,
    /// It failed; a recovery may send it again.
    Failed,
    /// Whether it was performed is not known.
    Unknown,
    /// A person said that it was performed.
    ResolvedPerformed,
    /// A person said that it was not performed.
    ResolvedNotPerformed,
    /// Nobody will find out.
    GivenUp,
    /// It was denied.
    Denied,
    /// A person said no.
    Rejected,
    /// Nobody decided in time.
    Expired,
    /// What was decided no longer fitted, or a person changed the arguments: a new act followed.
    Superseded,
    /// A person gave the answer in the act's place.
    Answered,
}

impl Status {
    /// As it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Waiting => "waiting",
            Status::Intended => "intended",
            Status::Succeeded => "succeeded",
            Status::Failed => "failed",
            Status::Unknown => "unknown",
            Status::ResolvedPerformed => "resolved_performed",
            Status::ResolvedNotPerformed => "resolved_not_performed",
            Status::GivenUp => "given_up",
            Status::Denied => "denied",
            Status::Rejected => "rejected",
            Status::Expired => "expired",
            Status::Superseded => "superseded",
            Status::Answered => "answered",
        }
    }
}

/// People that were asked.
#[derive(Clone, Debug, Serialize)]
pub struct Approval {
    /// Its id; another after an escalation.
    pub id: Arc<str>,
    /// What was asked of whom.
    pub terms: Terms,
    /// What they decided, with the entries that record it.
    pub votes: Vec<(u64, Vote)>,
    /// Who is named by the intent that used it up.
    pub used_by: Vec<Arc<str>>,
}

/// A person's word about an unknown outcome.
#[derive(Clone, Debug, Serialize)]
pub struct Resolved {
    /// The entry.
    pub entry: u64,
    /// Who.
    pub by: Arc<str>,
    /// How we know who it is.
    pub auth: Arc<str>,
    /// Why.
    pub reason: Arc<str>,
}

/// A `verify` step that held.
#[derive(Clone, Debug, Serialize)]
pub struct Proven {
    /// The entry.
    pub entry: u64,
    /// The step.
    pub step: StepPath,
    /// The condition.
    pub holds: Arc<str>,
}

/// What a model said it did, compared with the acts.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    /// The entry that compares it.
    pub entry: u64,
    /// The turn of the agent in which it was said.
    pub step: StepPath,
    /// What was said, and how it stands.
    #[serde(flatten)]
    pub claimed: Claimed,
}

/// Who acts in a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Actor {
    /// The workflow.
    pub workflow: Arc<str>,
    /// The frozen project.
    pub bundle: Option<Digest>,
    /// Whose policies and people judge it.
    pub project: Arc<str>,
    /// Who started the run.
    pub started_by: Option<Arc<str>>,
    /// For whom it acts.
    pub acts_for: Option<Arc<str>>,
}

/// Work that was handed to another workflow: its acts stand in the journal of that run.
#[derive(Clone, Debug, Serialize)]
pub struct Handed {
    /// The entry.
    pub entry: u64,
    /// The step.
    pub step: StepPath,
    /// The other run.
    pub run: RunId,
    /// Its workflow.
    pub workflow: Arc<str>,
    /// What it said that it can prove, by evidence id.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub facts: Value,
}

/// The acts of one run.
#[derive(Clone, Debug)]
pub struct Ledger {
    /// Which run.
    pub run: RunId,
    /// Who acts.
    pub actor: Actor,
    /// The run that it goes on from: acts that it inherited are acts of that one.
    pub fork: Option<Box<Fork>>,
    /// In the order in which they began.
    pub acts: Vec<Act>,
    /// What was handed to other workflows.
    pub handed: Vec<Handed>,
    /// What models said they did: of each turn the last time it was said.
    pub claims: Vec<Said>,
    /// Entries of actions that belong to no act: votes and words about something that was never asked or sent.
    pub stray: Vec<u64>,
    /// The latest act of each step.
    latest: BTreeMap<StepPath, usize>,
    /// The act of each approval, by every id that it had.
    approvals: BTreeMap<Arc<str>, usize>,
}

impl Ledger {
    /// Before the first entry.
    pub fn new(run: RunId) -> Ledger {
        Ledger {
            run,
            actor: Actor::default(),
            fork: None,
            acts: Vec::new(),
            handed: Vec::new(),
            claims: Vec::new(),
            stray: Vec::new(),
            latest: BTreeMap::new(),
            approvals: BTreeMap::new(),
        }
    }

    /// Reads a whole journal.
    pub fn of<'a>(run: RunId, entries: impl IntoIterator<Item = (u64, Timestamp, &'a Event)>) -> Ledger {
        let mut ledger = Ledger::new(run);
        entries.into_iter().for_each(|(seq, at, event)| ledger.add(seq, at, event));
        ledger
    }

    /// The run whose entry this was first.
    pub fn owner(&self, entry: u64) -> RunId {
        self.fork.as_ref().and_then(|fork| fork.owner(entry)).unwrap_or(self.run)
    }

    /// The act that an entry belongs to.
    pub fn act_of(&self, entry: u64) -> Option<&Act> {
        self.acts.iter().find(|act| act.entries.contains(&entry))
    }

    /// Reads the next entry.
    pub fn add(&mut self, seq: u64, at: Timestamp, event: &Event) {
        match event {
            Event::RunStarted { workflow, bundle, project, by, acts_for, fork, .. } => {
                self.fork.clone_from(fork);
                self.actor = Actor {
                    workflow: workflow.clone(),
                    bundle: Some(*bundle),
                    project: project.clone(),
                    started_by: by.clone(),
                    acts_for: acts_for.clone(),
                };
            }
            Event::ChildStarted { step, child, workflow, .. } => self.handed.push(Handed {
                entry: seq,
                step: step.clone(),
                run: *child,
                workflow: workflow.clone(),
                facts: Value::Null,
            }),
            Event::ChildReported { child, facts, .. } => {
                let one = self.handed.iter_mut().find(|one| one.run == *child);
                one.into_iter().for_each(|one| one.facts = facts.clone());
            }
            Event::ActionJudged { step, proposal, verdict, grounds } => {
                let act = self.begin(seq, at, step, Some(proposal), Status::Denied);
                (act.verdict, act.grounds) = (Some(verdict.clone()), grounds.as_deref().cloned().unwrap_or_default());
            }
            Event::ApprovalRequested { step, approval, proposal, verdict, terms, grounds, .. } => {
                let act = self.begin(seq, at, step, proposal.as_ref(), Status::Waiting);
                (act.verdict, act.grounds) = (verdict.clone(), grounds.as_deref().cloned().unwrap_or_default());
                act.approval = Some(Approval {
                    id: approval.clone(),
                    terms: terms.clone(),
                    votes: Vec::new(),
                    used_by: Vec::new(),
                });
                self.approvals.insert(approval.clone(), self.acts.len() - 1);
            }
            Event::ActionStarted { step, proposal, verdict, key, grounds, .. } => {
                let used = grounds.as_deref().and_then(|grounds| grounds.approval.as_ref());
                let asked = used.and_then(|used| self.approvals.get(&used.id)).copied();
                if asked.is_none() {
                    self.begin(seq, at, step, Some(proposal), Status::Intended);
                } else {
                    self.extend(asked, seq, at, Some(Status::Intended));
                }
                let place = asked.unwrap_or(self.acts.len() - 1);
                let act = &mut self.acts[place];
                (act.verdict, act.grounds) = (Some(verdict.clone()), grounds.as_deref().cloned().unwrap_or_default());
                (act.key, act.intended, act.sendings) = (Some(key.clone()), Some(at), 1);
                if let (Some(approval), Some(used)) = (&mut act.approval, used) {
                    approval.used_by.clone_from(&used.by);
                }
            }
            Event::VoteReceived { approval, vote, .. } => {
                let asked = self.approvals.get(approval).copied();
                if let Some(approval) = self.extend(asked, seq, at, None).and_then(|act| act.approval.as_mut()) {
                    approval.votes.push((seq, vote.clone()));
                }
            }
            Event::ApprovalEscalated { approval, to, terms, .. } => {
                let asked = self.approvals.get(approval).copied();
                if let Some(known) = self.extend(asked, seq, at, None).and_then(|act| act.approval.as_mut()) {
                    (known.id, known.terms) = (to.clone(), terms.clone());
                }
                asked.and_then(|place| self.approvals.insert(to.clone(), place));
            }
            Event::ApprovalEnded { approval, end, .. } => {
                let asked = self.approvals.get(approval).copied();
                let (status, failure) = match end {
                    ApprovalEnd::Superseded | ApprovalEnd::Edited { .. } => (Status::Superseded, None),
                    ApprovalEnd::Gave { .. } => (Status::Answered, None),
                    ApprovalEnd::Failed { failure, .. } if failure.kind.is_too_late() => {
                        (Status::Expired, Some(failure))
                    }
                    ApprovalEnd::Failed { failure, .. } => (Status::Rejected, Some(failure)),
                };
                // One that was used up, and whose action failed: that failure stays what became of it.
                let in_vain = asked.is_some_and(|asked| self.acts[asked].status == Status::Failed);
                match self.extend(asked, seq, at, (!in_vain).then_some(status)) {
                    Some(act) if !in_vain => act.failure = failure.cloned(),
                    _ => {}
                }
            }
            Event::ClaimVerified { step, proof } => self.prove(seq, step, proof),
            Event::ModelAnswered { step, claims, .. } => {
                self.claims.retain(|said| said.step != *step);
                let said = |claimed: &Claimed| Said { entry: seq, step: step.clone(), claimed: claimed.clone() };
                self.claims.extend(claims.iter().map(said));
            }
            event => self.sent(seq, at, event),
        }
    }

    /// What came of an intent.
    fn sent(&mut self, seq: u64, at: Timestamp, event: &Event) {
        let latest = event.step().and_then(|step| self.latest.get(step)).copied();
        match event {
            Event::ActionResent { .. } => {
                if let Some(act) = self.extend(latest, seq, at, Some(Status::Intended)) {
                    act.sendings += 1;
                }
            }
            Event::ActionFinished { step, result, proof, .. } => {
                let Some(act) = self.extend(latest, seq, at, None) else { return };
                act.finish(result);
                if let Some(proof) = proof.as_deref().filter(|proof| proof.verified) {
                    self.prove(seq, step, proof);
                }
            }
            Event::OutcomeUnknown { failure, .. } => {
                if let Some(act) = self.extend(latest, seq, at, Some(Status::Unknown)) {
                    act.failure = Some(failure.clone());
                }
            }
            Event::ProbeStarted { .. } => {
                if let Some(act) = self.extend(latest, seq, at, None) {
                    act.probes += 1;
                }
            }
            Event::ProbeFinished { result, .. } => {
                let Some(act) = self.extend(latest, seq, at, None) else { return };
                match result {
                    ProbeResult::Found(output) => act.succeed(Status::Succeeded, output),
                    ProbeResult::Absent => act.status = Status::Failed,
                    ProbeResult::Unclear { failure, .. } => act.failure = Some(failure.clone()),
                }
            }
            Event::LateAnswerReceived { .. } => {
                self.extend(latest, seq, at, None);
            }
            Event::EffectResolved { attempt, resolution, by, auth, reason, .. } => {
                let Some(act) = self.extend(latest, seq, at, None) else { return };
                // What has been settled meanwhile stays settled, and a word about another sending says nothing of this one.
                if act.status != Status::Unknown || attempt.is_some_and(|attempt| attempt != act.sendings) {
                    return;
                }
                act.status = match resolution {
                    Resolution::Performed { external_id, .. } => {
                        act.external_id.clone_from(external_id);
                        Status::ResolvedPerformed
                    }
                    Resolution::NotPerformed => Status::ResolvedNotPerformed,
                    Resolution::GivenUp => Status::GivenUp,
                };
                (act.changed, act.resolved_by) =
                    (at, Some(Resolved { entry: seq, by: by.clone(), auth: auth.clone(), reason: reason.clone() }));
            }
            _ => {}
        }
    }

    fn begin(
        &mut self,
        seq: u64,
        at: Timestamp,
        step: &StepPath,
        proposal: Option<&Proposal>,
        status: Status,
    ) -> &mut Act {
        let called = proposal.map(|proposal| Called {
            tool: proposal.tool.clone(),
            operation: proposal.operation.clone(),
            effect: proposal.effect,
            arguments: digest(&proposal.with),
        });
        self.latest.insert(step.clone(), self.acts.len());
        self.acts.push(Act {
            id: format!("{}/{seq}", self.owner(seq)),
            inherited: self.owner(seq) != self.run,
            step: step.clone(),
            called,
            status,
            verdict: None,
            grounds: Grounds::default(),
            approval: None,
            key: None,
            sendings: 0,
            probes: 0,
            result: None,
            external_id: None,
            resolved_by: None,
            failure: None,
            proofs: Vec::new(),
            began: at,
            intended: None,
            changed: at,
            entries: vec![seq],
        });
        self.acts.last_mut().expect("pushed in the line before")
    }

    /// The act at `place` with one entry more; without a place the entry is astray.
    fn extend(&mut self, place: Option<usize>, seq: u64, at: Timestamp, status: Option<Status>) -> Option<&mut Act> {
        let Some(act) = place.and_then(|place| self.acts.get_mut(place)) else {
            self.stray.push(seq);
            return None;
        };
        act.entries.push(seq);
        if let Some(status) = status {
            act.status = status;
        }
        act.changed = at;
        Some(act)
    }

    fn prove(&mut self, seq: u64, step: &StepPath, proof: &Proof) {
        let proven = Proven { entry: seq, step: step.clone(), holds: proof.holds.clone() };
        for act in &mut self.acts {
            if act.step != *step && proof.evidence.iter().any(|entry| act.entries.first() == Some(entry)) {
                act.proofs.push(proven.clone());
            }
        }
    }
}

impl Act {
    /// `tool.operation`, or what is done instead.
    pub fn name(&self) -> String {
        self.called
            .as_ref()
            .map_or_else(|| "ask people".into(), |called| format!("{}.{}", called.tool, called.operation))
    }

    /// Whether its outcome is open although it was sent and may have changed something.
    pub fn is_open(&self) -> bool {
        let reads = self.called.as_ref().is_none_or(|called| called.effect == Effect::Read);
        !reads && matches!(self.status, Status::Intended | Status::Unknown)
    }

    /// Whether it changed something outside, or may have, and the journal cannot say.
    pub fn is_doubtful(&self) -> bool {
        let reads = self.called.as_ref().is_none_or(|called| called.effect == Effect::Read);
        let failed = self.status == Status::Failed && self.failure.as_ref().is_some_and(in_doubt);
        !reads && (failed || matches!(self.status, Status::Intended | Status::Unknown | Status::GivenUp))
    }

    /// The business object that it acted on.
    pub fn resource(&self) -> Option<&Resource> {
        self.grounds.resource.as_ref()
    }

    fn succeed(&mut self, status: Status, output: &Held) {
        (self.status, self.result, self.failure) = (status, Some(digest(output)), None);
        if self.external_id.is_none() {
            self.external_id = external_id(output);
        }
    }

    fn finish(&mut self, result: &StepResult) {
        match (result, self.status) {
            (StepResult::Done(output), Status::ResolvedPerformed) => self.succeed(Status::ResolvedPerformed, output),
            (StepResult::Done(output), _) => self.succeed(Status::Succeeded, output),
            (StepResult::Failed(failure), status) => {
                self.failure = Some(failure.clone());
                if !matches!(status, Status::GivenUp | Status::ResolvedNotPerformed | Status::ResolvedPerformed) {
                    self.status = Status::Failed;
                }
            }
        }
    }
}

fn digest(held: &Held) -> Digest {
    match held {
        Held::Value(value) => value.digest(),
        Held::Blob(blob) => blob.digest,
    }
}

/// What an act is known by outside: `external_id` or `id` of its answer, if it is a text or a whole number.
pub fn external_id(output: &Held) -> Option<Arc<str>> {
    let Held::Value(value) = output else { return None };
    ["external_id", "id"].into_iter().find_map(|key| match value.get(key)? {
        Value::Text(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string().into()),
        _ => None,
    })
}
