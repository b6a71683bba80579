//! The fold of actions: from the intent to the outcome, through doubt.

use std::sync::Arc;

use super::{Body, Doing, Illegal, Open, Performed, RunState, Slot, Working};
use crate::{
    governance::{Proposal, Verdict, charter::Grounds},
    ids::{IdempotencyKey, StepPath},
    journal::{Event, Held, ProbeResult, Resolution, StepResult},
    recovery::{Failure, FailureKind, Phase},
    values::Timestamp,
};

/// An action with an intent.
#[derive(Clone, Debug, PartialEq)]
pub struct Acting {
    /// The first entry of its act: the one that asked people, or the intent.
    pub entry: u64,
    /// What is done.
    pub proposal: Proposal,
    /// Who allowed it.
    pub verdict: Verdict,
    /// The same for every sending.
    pub key: IdempotencyKey,
    /// In which epoch it, or its probe, was last sent.
    pub epoch: u64,
    /// When it was first sent.
    pub since: Timestamp,
    /// When it was last sent.
    pub sent_at: Timestamp,
    /// What is known of the last sending.
    pub standing: Sending,
    /// Sendings before the last one that may have been performed.
    pub doubts: u32,
    /// So many probes asked.
    pub probes: u32,
    /// What somebody else says became of it.
    pub word: Option<Word>,
    /// What the verdict rests on.
    pub grounds: Grounds,
    /// People are asked to find out what became of it.
    pub asked: Option<Working>,
}

/// What is known of the last sending of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Sending {
    /// It was sent, and no answer is recorded.
    Open,
    /// Its failure is recorded; a recovery may send it again.
    Failed,
    /// Whether it was performed is not known.
    Unknown {
        /// When a probe may ask; `None`: only a person can tell.
        probe_at: Option<Timestamp>,
    },
    /// A probe is asking.
    Probing,
    /// It was not performed: it may be sent again.
    Absent,
}

/// What became of an action, by somebody's word.
#[derive(Clone, Debug, PartialEq)]
pub enum Word {
    /// It was performed, and gave this.
    Performed(Held),
    /// It was not performed.
    NotPerformed,
    /// Nobody will find out.
    GivenUp(Arc<str>),
}

impl Acting {
    fn may_be_resent(&self, epoch: u64) -> bool {
        match self.standing {
            Sending::Open => self.epoch < epoch,
            Sending::Failed | Sending::Absent => true,
            Sending::Unknown { .. } => self.word == Some(Word::NotPerformed),
            Sending::Probing => false,
        }
    }

    fn resend(&mut self, epoch: u64, at: Timestamp) {
        match self.standing {
            Sending::Open => self.doubts += 1,
            Sending::Unknown { .. } => self.doubts = 0,
            _ => {}
        }
        (self.epoch, self.sent_at, self.standing, self.word) = (epoch, at, Sending::Open, None);
    }

    /// Whether only a person can tell what became of it.
    pub fn is_unresolved(&self) -> bool {
        self.standing == Sending::Unknown { probe_at: None } && self.word.is_none()
    }

    /// Whether it was last sent before the data were put back or copied.
    pub fn is_before_review(&self, state: &RunState) -> bool {
        state.reviewed.is_some_and(|epoch| self.epoch <= epoch)
    }

    /// Whether its outcome is not recorded.
    pub fn is_open(&self) -> bool {
        self.standing != Sending::Failed
    }
}

impl RunState {
    #[expect(clippy::too_many_lines, reason = "one arm an event, in the order of the journal's file")]
    pub(super) fn acted(&mut self, event: Event) -> Result<(), Illegal> {
        let (at, epoch, entry) = (self.at, self.epoch, self.head.seq + 1);
        let reviewed = self.reviewed;
        match event {
            Event::ActionJudged { ref step, ref verdict, .. } => {
                let Verdict::Deny { reason, .. } = verdict else { return Err(self.illegal(&event)) };
                let failure = Failure::inside(FailureKind::PermissionDenied, reason.clone());
                self.locate(step, &event)?.fail(failure, &event)
            }
            Event::ActionStarted { ref step, attempt, ref proposal, ref verdict, ref key, ref grounds } => {
                let mut acting = Acting {
                    entry,
                    proposal: proposal.clone(),
                    verdict: verdict.clone(),
                    key: key.clone(),
                    epoch,
                    since: at,
                    sent_at: at,
                    standing: Sending::Open,
                    doubts: 0,
                    probes: 0,
                    word: None,
                    grounds: grounds.as_deref().cloned().unwrap_or_default(),
                    asked: None,
                };
                let mut place = self.locate(step, &event)?;
                let allowed = matches!(acting.verdict, Verdict::Allow { .. });
                if attempt != 1 || !allowed {
                    return Err(place.illegal(&event));
                }
                // An approval is used up by the action that it names, and by no other.
                let approval = grounds.as_ref().and_then(|grounds| grounds.approval.as_ref());
                let asked = match place.steps.open.as_deref().map(|open| &open.doing) {
                    Some(Doing::Approving(approving)) => {
                        acting.entry = approving.entry;
                        Some(&approving.id)
                    }
                    _ => None,
                };
                if approval.map(|approval| &approval.id) != asked {
                    return Err(place.illegal(&event));
                }
                if asked.is_some() {
                    place.open().doing = Doing::Idle;
                }
                place.begin(Doing::Acting(Box::new(acting)), &event)?;
                place.open().attempt = attempt;
                Ok(())
            }
            Event::ActionResent { ref step, attempt, .. } => {
                let place = self.locate(step, &event)?;
                match place.steps.open.as_deref_mut() {
                    Some(Open { doing: Doing::Acting(acting), attempt: before, failure: None, not_before, .. })
                        if *before + 1 == attempt && acting.may_be_resent(epoch) =>
                    {
                        acting.resend(epoch, at);
                        (*before, *not_before) = (attempt, None);
                        Ok(())
                    }
                    _ => Err(place.illegal(&event)),
                }
            }
            Event::OutcomeUnknown { ref step, attempt, probe_at, .. } => {
                let place = self.locate(step, &event)?;
                match place.steps.open.as_deref_mut() {
                    Some(Open { doing: Doing::Acting(acting), attempt: sent, failure, not_before, .. })
                        if *sent == attempt
                            && match acting.standing {
                                Sending::Open | Sending::Absent => failure.is_none(),
                                // Instead of what would leave the step, or of another sending.
                                Sending::Failed => true,
                                // Nor does a probe count that was to ask before the data were put back.
                                Sending::Unknown { probe_at: Some(_) } | Sending::Probing => {
                                    reviewed.is_some_and(|epoch| acting.epoch <= epoch)
                                }
                                Sending::Unknown { probe_at: None } => false,
                            } =>
                    {
                        (*failure, *not_before) = (None, None);
                        acting.standing = Sending::Unknown { probe_at };
                        Ok(())
                    }
                    _ => Err(place.illegal(&event)),
                }
            }
            Event::ProbeStarted { ref step, probe } => {
                let place = self.locate(step, &event)?;
                match place.steps.open.as_deref_mut() {
                    Some(Open { doing: Doing::Acting(acting), .. })
                        if acting.probes + 1 == probe
                            && match acting.standing {
                                Sending::Unknown { probe_at } => probe_at.is_some(),
                                // What an earlier epoch asked will never be answered.
                                Sending::Probing => acting.epoch < epoch,
                                _ => false,
                            } =>
                    {
                        (acting.probes, acting.epoch, acting.standing) = (probe, epoch, Sending::Probing);
                        Ok(())
                    }
                    _ => Err(place.illegal(&event)),
                }
            }
            Event::ProbeFinished { ref step, probe, ref result, ref undo, .. } => {
                let (result, undo) = (result.clone(), undo.clone());
                let mut place = self.locate(step, &event)?;
                let acting = match place.steps.open.as_deref_mut() {
                    Some(Open { doing: Doing::Acting(acting), .. })
                        if acting.probes == probe && acting.standing == Sending::Probing =>
                    {
                        acting
                    }
                    _ => return Err(place.illegal(&event)),
                };
                match result {
                    ProbeResult::Absent => (acting.standing, acting.doubts) = (Sending::Absent, 0),
                    ProbeResult::Unclear { again_at, .. } => {
                        acting.standing = Sending::Unknown { probe_at: again_at };
                    }
                    ProbeResult::Found(output) => {
                        let performed = Performed { undo, ..Performed::of(step, acting, true) };
                        place.close(Slot::Gave(output), &event)?;
                        self.performed(performed);
                        self.took_back(step);
                        self.steps += 1;
                    }
                }
                Ok(())
            }
            Event::LateAnswerReceived { message, ref step, sent_in, ref result, .. } => {
                self.read_message(message, &event)?;
                if let StepResult::Done(output) = result
                    && let Some(acting) = self.acting_mut(step)
                    && acting.is_open()
                    && sent_in < epoch
                {
                    acting.word = Some(Word::Performed(output.clone()));
                }
                Ok(())
            }
            Event::EffectResolved { message, ref step, attempt, ref resolution, ref reason, .. } => {
                self.read_message(message, &event)?;
                // What has been settled meanwhile stays settled, and a word about an earlier sending says nothing of this one: the
                // message is on record, and changes nothing.
                let sent = self.open_at(step).map(|open| open.attempt);
                if attempt.is_none_or(|attempt| Some(attempt) == sent)
                    && let Some(acting) = self.acting_mut(step)
                    && matches!(acting.standing, Sending::Unknown { .. })
                    && acting.word.is_none()
                {
                    acting.word = Some(match resolution {
                        Resolution::Performed { output, .. } => Word::Performed(output.clone()),
                        Resolution::NotPerformed => Word::NotPerformed,
                        Resolution::GivenUp => Word::GivenUp(reason.clone()),
                    });
                }
                Ok(())
            }
            Event::ActionFinished { ref step, attempt, ref result, ref proof, ref undo, .. } => {
                let (result, proof, undo) = (result.clone(), proof.clone(), undo.clone());
                let proven = proof.as_ref().map(|proof| proof.value(|entry| self.evidence_id(entry)));
                let mut place = self.locate(step, &event)?;
                let performed = match place.steps.open.as_deref_mut() {
                    Some(Open { doing: Doing::Acting(acting), attempt: sent, failure, .. })
                        if *sent == attempt && acting.is_open() =>
                    {
                        acting.standing = Sending::Failed;
                        if let StepResult::Failed(why) = result {
                            // Whoever tries again is not answered by what was said of the sending before.
                            if acting.word.take() == Some(Word::NotPerformed) {
                                acting.doubts = 0;
                            }
                            let unclear = why.phase == Phase::MaybeSent || why.kind == FailureKind::UnknownOutcome;
                            acting.doubts += u32::from(unclear);
                            let (doubtful, doubts) = (Performed::after(step, acting, &why), acting.doubts);
                            let entry = acting.entry;
                            *failure = Some(why);
                            match doubtful {
                                Some(performed) => self.performed(performed),
                                // It is certain now that no sending was performed.
                                None if doubts == 0 => self.performed.retain(|one| one.entry != entry),
                                None => {}
                            }
                            return Ok(());
                        }
                        Performed { undo, ..Performed::of(step, acting, true) }
                    }
                    _ => return Err(place.illegal(&event)),
                };
                let StepResult::Done(output) = result else { return Err(place.illegal(&event)) };
                let output = match (&proof, proven) {
                    (Some(proof), Some(value)) if proof.verified => Held::Value(value),
                    (None, None) => output,
                    _ => return Err(place.illegal(&event)),
                };
                place.close(Slot::Gave(output), &event)?;
                self.performed(performed);
                self.took_back(step);
                if proof.is_some() {
                    self.proven(step);
                }
                self.steps += 1;
                Ok(())
            }
            other => Err(self.illegal(&other)),
        }
    }

    /// The step in progress at `path`, wherever it stands.
    pub fn open_at(&self, path: &StepPath) -> Option<&Open> {
        if let Some(undoing) = self.undoing_at(path) {
            return self.undoing[undoing].steps.open.as_deref();
        }
        // One whose turn has not come back yet still hears what people say.
        if let Some(act) = path.undoes() {
            return self.standing(&act)?.parked.as_deref();
        }
        let mut steps = &self.stages.last()?.steps;
        let mut segments = path.segments().peekable();
        loop {
            let segment = segments.next()?;
            let open = steps.open.as_deref().filter(|open| open.is(&segment))?;
            if segments.peek().is_none() {
                return Some(open);
            }
            steps = &open.doing.body(segment.frame?)?.1?.steps;
        }
    }

    /// The body in progress at `path`: a step's path with its index or branch.
    pub fn body_at(&self, path: &StepPath) -> Option<&Body> {
        let mut steps = &self.stages.last()?.steps;
        let mut segments = path.segments().peekable();
        loop {
            let segment = segments.next()?;
            let open = steps.open.as_deref().filter(|open| open.is(&segment))?;
            let body = open.doing.body(segment.frame?)?.1?;
            if segments.peek().is_none() {
                return Some(body);
            }
            steps = &body.steps;
        }
    }

    /// The action in progress at `path`.
    pub fn acting(&self, path: &StepPath) -> Option<&Acting> {
        match &self.open_at(path)?.doing {
            Doing::Acting(acting) => Some(acting),
            _ => None,
        }
    }

    fn acting_mut(&mut self, path: &StepPath) -> Option<&mut Acting> {
        match &mut self.open_at_mut(path)?.doing {
            Doing::Acting(acting) => Some(acting),
            _ => None,
        }
    }

    pub(super) fn open_at_mut(&mut self, path: &StepPath) -> Option<&mut Open> {
        if let Some(undoing) = self.undoing_at(path) {
            return self.undoing[undoing].steps.open.as_deref_mut();
        }
        if let Some(act) = path.undoes() {
            return self.standing_mut(&act)?.parked.as_deref_mut();
        }
        let mut steps = &mut self.stages.last_mut()?.steps;
        let mut segments = path.segments().peekable();
        loop {
            let segment = segments.next()?;
            let open = steps.open.as_deref_mut().filter(|open| open.is(&segment))?;
            if segments.peek().is_none() {
                return Some(open);
            }
            steps = &mut open.doing.open_body(segment.frame?)?.steps;
        }
    }
}
