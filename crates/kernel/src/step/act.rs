//! `act`: one governed action on a tool. Proposal → verdict → intent (`ActionStarted`, durable before the call) → outcome
//! (`ActionFinished`). A denial is `ActionJudged`. After a crash, or an answer that settles nothing, the effect class says what
//! follows: the same bytes under the same key (`ActionResent`), a probe (`OutcomeUnknown`, `ProbeStarted`), or a person.

use std::{collections::BTreeSet, sync::Arc};

use super::people::{self, approval_id, ended};
use crate::{
    action::{Asking, Carried, Judged, RELEASE},
    complaint::{Complaint, did_you_mean},
    expr::Template,
    governance::{
        Effect, Permit, Proposal, Verdict,
        approval::{self, Standing, Terms},
        charter::{Approved, Grounds, Hold},
        labels::{Now, Origin, UNTRUSTED},
    },
    ids::{Digest, IdempotencyKey, StepPath},
    journal::{ApprovalEnd, Blob, BlobRef, Event, Held, ProbeResult, StepResult, Undo, WorkEnd},
    next::{Frame, Next, Record, Stop, Walk},
    recovery::{Failure, FailureKind, Phase},
    run::{Acting, Approving, Doing, Open, Sending, Word},
    tool::{Operation, Tool},
    types::Type,
    values::{Span, Timestamp, Value},
    workflow::reading::Reading,
    yaml::{Fields, Node},
};

/// `act: tool.operation`, `with`.
#[derive(Debug)]
pub struct Act {
    /// The tool file.
    pub tool: Arc<Tool>,
    /// One of its operations.
    pub operation: Arc<str>,
    /// The arguments.
    pub with: Option<Template>,
    /// How it is taken back.
    pub undo: Option<Box<Act>>,
    /// Its effect stands when the run returns to a checkpoint before it.
    pub keep: bool,
    /// The step whose model proposes it: its arguments are those of the proposal.
    pub by: Option<Arc<str>>,
}

/// Sendings of a `probed` action before a person is asked: the probe said "not performed" each time.
const MOST_SENDINGS: u32 = 2;

/// Probes that cannot tell before a person is asked.
const MOST_PROBES: u32 = 4;

impl Act {
    /// What the tool file says of the operation.
    pub fn declared(&self) -> &Operation {
        self.tool.operations.get(&self.operation).expect("the operation is one of the tool: held by the reader")
    }

    pub(crate) fn begin(
        &self,
        walk: &mut Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        open: Option<&Open>,
    ) -> Result<(), Stop> {
        let with = match (open.and_then(|open| open.edited.as_ref()), walk.state.undo_of(path), &self.with) {
            (Some((edited, _)), ..) => walk.unhold(edited)?,
            (None, Some(Undo { with: Some(with), .. }), _) => walk.unhold(with)?,
            (None, Some(Undo { failure, .. }), _) => {
                let detail = format!("the arguments of `{}`: {}", self.called(), failure.as_deref().unwrap_or("none"));
                return Err(Stop::Failed(Failure::inside(FailureKind::Internal, detail)));
            }
            (None, None, _) if self.by.is_some() => walk.proposed_at(path)?,
            (None, None, Some(with)) => walk.evaluate(with, frame)?,
            (None, None, None) => Value::map::<&str>([]),
        };
        if let Some(params) = &self.declared().params
            && let Err(complaints) = params.validate(&with)
        {
            let detail = format!("the arguments of `{}`: {}", self.called(), complaints.join("; "));
            return Err(Stop::Failed(Failure::inside(FailureKind::InvalidArguments, detail)));
        }
        let mut blobs = Vec::new();
        let proposal = self.proposal(with.clone(), &mut blobs);
        let asking = self.asking(walk, path, frame, &proposal, &with)?;
        let judged = asking.judge(walk)?;
        let step = path.clone();
        let event = match judged {
            Judged::Held(scope, hold) => {
                walk.wait_for_release(&scope, &hold);
                return Ok(());
            }
            Judged::Blocked => {
                walk.without_effects(path, &format!("do `{}`", self.called()));
                return Ok(());
            }
            Judged::Deny(verdict, grounds) => {
                Event::ActionJudged { step, proposal, verdict, grounds: Some(Box::new(grounds)) }
            }
            Judged::Start(verdict, grounds) => {
                if let Some((at, why)) = walk.tool_is_full(path, &self.tool, &self.operation)? {
                    walk.wait(Some(at), || why);
                    return Ok(());
                }
                let reserved = walk.reserve_act(path, self.declared()).map_err(|why| Stop::Failed(why.into()))?;
                self.start(walk, path, proposal, verdict, Grounds { reserved, ..grounds })
            }
            Judged::Ask(verdict, grounds, asked) => {
                let nth = open.map_or(0, |open| open.asked) + 1;
                let editor = open.and_then(|open| open.edited.as_ref()).map(|(_, editor)| editor);
                let (terms, card) = asking.put(walk, nth, (&verdict, &grounds), &asked, editor)?;
                let card = Held::hold(card.to_value(), &mut blobs);
                Event::ApprovalRequested {
                    step,
                    approval: approval_id(walk, path, nth),
                    proposal: Some(proposal),
                    verdict: Some(verdict),
                    terms,
                    card,
                    grounds: Some(Box::new(grounds)),
                }
            }
        };
        walk.push(Record { event, blobs });
        Ok(())
    }

    /// Whether it could start now without asking anybody.
    pub(crate) fn is_allowed(&self, walk: &Walk<'_>, path: &StepPath, frame: &Frame<'_>) -> Result<bool, Stop> {
        let with = match &self.with {
            Some(with) => walk.evaluate(with, frame)?,
            None => Value::map::<&str>([]),
        };
        if self.declared().params.as_ref().is_some_and(|params| params.validate(&with).is_err()) {
            return Ok(false);
        }
        Ok(matches!(self.foresee(walk, path, frame, &with)?.0, Judged::Start(..)))
    }

    /// What the rules of now say of it with these arguments, and what it is in words.
    pub(crate) fn foresee(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        with: &Value,
    ) -> Result<(Judged, String), Stop> {
        let proposal = self.proposal(with.clone(), &mut Vec::new());
        let asking = self.asking(walk, path, frame, &proposal, with)?;
        Ok((asking.judge(walk)?, asking.says()))
    }

    fn proposal(&self, with: Value, blobs: &mut Vec<Blob>) -> Proposal {
        Proposal {
            tool: self.tool.name.clone(),
            operation: self.operation.clone(),
            effect: self.declared().effect,
            with: Held::hold(with, blobs),
        }
    }

    fn asking<'a>(
        &'a self,
        walk: &Walk<'a>,
        path: &'a StepPath,
        frame: &'a Frame<'a>,
        proposal: &'a Proposal,
        with: &'a Value,
    ) -> Result<Asking<'a>, Stop> {
        let carried = match walk.state.undo_of(path) {
            None if self.by.is_some() => Carried::Proposal(Box::new(walk.proposal_labels(self, path)?)),
            None => Carried::Program(walk.program.labels.acts.get(path.name())),
            Some(undo) => {
                let origin = |sources: &BTreeSet<Arc<str>>| Origin {
                    labels: [(UNTRUSTED.into(), sources.clone())].into(),
                    ..Origin::default()
                };
                let untrusted = undo.untrusted.iter().map(|(argument, sources)| (argument.clone(), origin(sources)));
                let control_untrusted = untrusted.collect();
                Carried::Known(Now { labels: undo.labels.clone(), control_untrusted, reasons: Vec::new() })
            }
        };
        let by = self.by.as_ref();
        let words = if by.is_some() { walk.words_beside(path)? } else { None };
        Ok(Asking { path, frame, tool: &self.tool, proposal, with, carried, undo: self.undo.as_deref(), by, words })
    }

    /// What people say yes to together with the act that this takes back: all that is known of it before. Its arguments may depend on
    /// what the act will give, so they count as they are written.
    pub(crate) fn listed(&self, pin: Digest) -> Digest {
        let with = self.with.as_ref().map_or_else(|| Value::map::<&str>([]), Template::written);
        let listed = Value::map([
            ("tool", Value::Text(self.tool.name.clone())),
            ("operation", Value::Text(self.operation.clone())),
            ("tool_pin", Value::from(pin.to_string())),
            ("class", Value::from(self.declared().effect.as_str())),
            ("with", with),
        ]);
        Digest::of(&[b"surefoot/undo/v1\0", &listed.to_jcs()])
    }

    /// How it would take something back, in words.
    pub(crate) fn as_undo(&self) -> String {
        let with = self.with.as_ref().map_or_else(|| Value::map::<&str>([]), Template::written);
        format!("Call {} with {}", self.called(), crate::story::short(&with))
    }

    /// How the act at `path`, which gave `output`, would be taken back: worked out now, while the names of its frame are there.
    fn taken_back(
        &self,
        walk: &Walk<'_>,
        path: &StepPath,
        frame: &Frame<'_>,
        output: &Value,
        blobs: &mut Vec<Blob>,
    ) -> Result<Option<Box<Undo>>, Stop> {
        let Some(with) = self.undo.as_deref().map(|undo| &undo.with) else { return Ok(None) };
        let frame = frame.with_own(path.name(), output);
        let given = match with {
            Some(with) => walk.evaluate(with, &frame),
            None => Ok(Value::map::<&str>([])),
        };
        let with = match given {
            Ok(with) => with,
            Err(Stop::Failed(why)) => {
                return Ok(Some(Box::new(Undo { failure: Some(why.detail), ..Undo::default() })));
            }
            Err(look) => return Err(look),
        };
        let labels = walk.program.labels.acts.get(&*undo_name(path.name()));
        let now = match labels {
            Some(labels) => labels.judge(&|expr| walk.given(expr, &frame), &with)?,
            None => Now::default(),
        };
        let untrusted = now.control_untrusted.iter();
        Ok(Some(Box::new(Undo {
            untrusted: untrusted.map(|(name, origin)| (name.clone(), origin.untrusted_from())).collect(),
            labels: now.labels,
            with: Some(Held::hold(with, blobs)),
            failure: None,
        })))
    }

    fn start(&self, walk: &Walk<'_>, path: &StepPath, proposal: Proposal, verdict: Verdict, grounds: Grounds) -> Event {
        let key = IdempotencyKey::derive(walk.state.run, path, 0);
        let grounds = Some(Box::new(grounds));
        Event::ActionStarted { step: path.clone(), attempt: 1, proposal, verdict, key, grounds }
    }

    /// People were asked: how do they stand, and is what they were asked still what would be done?
    fn approve(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        approving: &Approving,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let Some(action) = &approving.action else { return Ok(()) };
        let (proposal, verdict) = (&action.0, &action.1);
        let standing = approval::standing(&approving.terms, &approving.votes, walk.facts.now);
        let mut blobs = Vec::new();
        let event = match standing {
            Standing::Approved { by } => {
                let with = walk.unhold(&proposal.with)?;
                let asking = self.asking(walk, path, frame, proposal, &with)?;
                match self.leave(walk, open, approving, &asking)? {
                    Leave::Start(verdict, grounds) => {
                        let (id, hash) = (approving.id.clone(), approving.terms.hash);
                        if let Some((at, why)) = walk.tool_is_full(path, &self.tool, &self.operation)? {
                            walk.wait(Some(at), || why);
                            return Ok(());
                        }
                        // The yes is kept while there is no room.
                        let reserved = match walk.reserve_act(path, self.declared()) {
                            Ok(reserved) => reserved,
                            Err(why) => {
                                walk.wait_for_room(approving.terms.expires_at, &why);
                                return Ok(());
                            }
                        };
                        let grounds = Grounds { approval: Some(Approved { id, hash, by }), reserved, ..*grounds };
                        self.start(walk, path, proposal.clone(), verdict, grounds)
                    }
                    Leave::Wait(scope, hold) => {
                        walk.wait_for_release(&scope, &hold);
                        return Ok(());
                    }
                    Leave::Anew => ended(path, approving, ApprovalEnd::Superseded),
                }
            }
            Standing::Edited { with, by } => {
                let with = approval::edited(&walk.unhold(&proposal.with)?, &with);
                ended(path, approving, ApprovalEnd::Edited { with: Held::hold(with, &mut blobs), by })
            }
            Standing::Answered { value, by } => {
                let output = Held::hold(value, &mut blobs);
                ended(path, approving, ApprovalEnd::Gave { output, by: vec![by] })
            }
            Standing::Rejected { by, reason } => ended(path, approving, people::rejected(by, &reason)),
            Standing::Expired => people::expired(walk, approving, path),
            Standing::Pending { .. } => {
                let says = self.asking(walk, path, frame, proposal, &walk.unhold(&proposal.with)?)?.says();
                let rule = match verdict {
                    Verdict::Ask { by, .. } => by.first().map(|ruling| format!(" [{}]", ruling.id)).unwrap_or_default(),
                    _ => String::new(),
                };
                let whom = crate::story::whom(&approving.terms);
                walk.wait(approving.terms.expires_at, || format!("{whom} to approve: {says}{rule} ({})", approving.id));
                return Ok(());
            }
        };
        walk.push(Record { event, blobs });
        Ok(())
    }

    /// Whether what people said yes to may start now: judged again, by the rules of today, on the bytes that would be sent.
    fn leave(&self, walk: &Walk<'_>, open: &Open, approving: &Approving, asking: &Asking<'_>) -> Result<Leave, Stop> {
        let about_to = asking.hash(walk, open.asked)?;
        if approval::consume(&approving.terms, &approving.votes, about_to, walk.facts.now).is_err() {
            return Ok(Leave::Anew);
        }
        Ok(match asking.judge(walk)? {
            Judged::Start(verdict, grounds) => Leave::Start(verdict, Box::new(grounds)),
            Judged::Held(scope, hold) => Leave::Wait(scope, hold),
            Judged::Deny(..) | Judged::Blocked => Leave::Anew,
            Judged::Ask(verdict, grounds, asked) => {
                let now = &approving.terms;
                let today = Terms {
                    groups: asked.groups.clone(),
                    quorum: asked.quorum,
                    no_self: asked.no_self,
                    ..approving.terms.clone()
                };
                // What an escalation added to the groups stays.
                let today = if now.escalated { Terms { groups: now.groups.clone(), ..today } } else { today };
                let enough = approval::standing(&today, &approving.votes, walk.facts.now);
                match (enough, verdict) {
                    (Standing::Approved { .. }, Verdict::Ask { rule, policy, by }) => {
                        Leave::Start(Verdict::Allow { rule, policy, by }, Box::new(grounds))
                    }
                    _ => Leave::Anew,
                }
            }
        })
    }

    pub(crate) fn go_on(
        &self,
        walk: &mut Walk<'_>,
        open: &Open,
        path: &StepPath,
        frame: &Frame<'_>,
    ) -> Result<(), Stop> {
        let acting = match &open.doing {
            Doing::Approving(approving) if !frame.draining() => {
                return self.approve(walk, open, approving, path, frame);
            }
            Doing::Acting(acting) => acting,
            _ => return Ok(()),
        };
        if walk.in_flight(path) {
            return Ok(());
        }
        if let (Some(_), Some(asked)) = (&acting.word, &acting.asked) {
            walk.record(Event::WorkEnded { step: path.clone(), work: asked.id.clone(), end: WorkEnd::Settled });
            return Ok(());
        }
        if let Some(word) = &acting.word {
            return self.believe(walk, (open, acting), word, (path, frame));
        }
        let mine = acting.epoch == walk.facts.epoch;
        match acting.standing {
            Sending::Open if mine => {
                let with = walk.unhold(&acting.proposal.with)?;
                let key = acting.key.clone();
                walk.then(Next::Call(Permit::new(
                    walk.state.run,
                    path.clone(),
                    open.attempt,
                    &acting.proposal,
                    &with,
                    key,
                )));
            }
            // What the state of today does not know may have happened since: neither a second sending nor a probe decides over it.
            Sending::Absent | Sending::Probing | Sending::Unknown { probe_at: Some(_) }
                if acting.is_before_review(walk.state) =>
            {
                self.outside(walk, open, path);
            }
            Sending::Failed
                if !frame.draining() && acting.is_before_review(walk.state) && self.is_sent_once(acting) =>
            {
                self.outside(walk, open, path);
            }
            Sending::Open if acting.is_before_review(walk.state) => {
                if acting.proposal.effect != Effect::Read {
                    self.outside(walk, open, path);
                } else if !frame.draining() || walk.state.cancelling {
                    self.resend(walk, open, acting, path)?;
                }
            }
            // An open intent of an earlier epoch must learn its outcome even while the run is stopping.
            Sending::Open if self.may_repeat(walk, acting) => self.resend(walk, open, acting, path)?,
            Sending::Open => {
                let detail = format!("the process that sent `{}` ended before the answer", self.called());
                self.unknown(walk, open, acting, path, detail);
            }
            Sending::Failed if frame.draining() => {}
            Sending::Failed if acting.doubts > 0 && !self.may_repeat(walk, acting) => {
                let detail = match acting.proposal.effect {
                    Effect::Idempotent => format!("the receiver of `{}` no longer knows its key", self.called()),
                    _ => {
                        format!("what became of `{}` is not known, and it is not sent again on a guess", self.called())
                    }
                };
                self.unknown(walk, open, acting, path, detail);
            }
            Sending::Failed => match self.outdated(walk, open, acting, (path, frame))? {
                Some(approval) => {
                    let (step, end) = (path.clone(), ApprovalEnd::Superseded);
                    walk.record(Event::ApprovalEnded { step, approval, end });
                }
                None => self.resend(walk, open, acting, path)?,
            },
            Sending::Absent if walk.gives_up(path) => {
                let detail = format!("the probe found that `{}` was not performed", self.called());
                let why = failure(FailureKind::ToolRejected, Phase::Answered, detail);
                walk.record(finished(path, open.attempt, StepResult::Failed(why)));
            }
            Sending::Absent if frame.draining() => {}
            Sending::Absent if open.attempt < MOST_SENDINGS => self.resend(walk, open, acting, path)?,
            Sending::Absent => {
                let detail = format!("`{}` was sent {} times and not performed", self.called(), open.attempt);
                let why = failure(FailureKind::UnknownOutcome, Phase::MaybeSent, detail);
                walk.record(outcome_unknown(path, open.attempt, why, None));
            }
            Sending::Unknown { probe_at: Some(at) } if at <= walk.facts.now => self.ask_probe(walk, acting, path)?,
            Sending::Unknown { probe_at: Some(at) } => {
                walk.doubt(Some(at), format!("the probe of `{}` at `{path}`", self.called()));
            }
            Sending::Unknown { probe_at: None } if walk.unresolved(self, open, acting, path, frame) => {}
            Sending::Unknown { probe_at: None } => {
                walk.doubt(None, format!("a person to resolve `{}` at `{path}`", self.called()));
            }
            Sending::Probing if mine => self.probe(walk, acting, path)?,
            Sending::Probing => self.ask_probe(walk, acting, path)?,
        }
        Ok(())
    }

    /// The approval that an action was begun by, if it was certainly not performed and is another by now than people said yes to: a
    /// definition was accepted since.
    fn outdated(
        &self,
        walk: &Walk<'_>,
        open: &Open,
        acting: &Acting,
        (path, frame): (&StepPath, &Frame<'_>),
    ) -> Result<Option<Arc<str>>, Stop> {
        let Some(approved) = acting.grounds.approval.as_ref().filter(|_| acting.doubts == 0) else { return Ok(None) };
        let with = walk.unhold(&acting.proposal.with)?;
        let asking = self.asking(walk, path, frame, &acting.proposal, &with)?;
        let same = asking.hash(walk, open.asked)? == approved.hash;
        Ok((!same).then(|| approved.id.clone()))
    }

    /// The same bytes once more, unless somebody holds them.
    fn resend(&self, walk: &mut Walk<'_>, open: &Open, acting: &Acting, path: &StepPath) -> Result<(), Stop> {
        match walk.held(&acting.proposal) {
            None => {
                match walk.tool_is_full(path, &self.tool, &self.operation)? {
                    // No pause and no cancel goes before what is open.
                    Some((at, why)) if acting.is_open() => {
                        walk.doubt(Some(at), why);
                        return Ok(());
                    }
                    Some((at, why)) => {
                        walk.wait(Some(at), || why);
                        return Ok(());
                    }
                    None => {}
                }
                // What is open must learn its outcome: what its intent had set aside covers that. A retry of what is closed pays anew.
                let reserved = match acting.is_open() {
                    true => None,
                    false => match walk.reserve_act(path, self.declared()) {
                        Ok(reserved) => reserved,
                        Err(why) => {
                            walk.wait_for_room(None, &why);
                            return Ok(());
                        }
                    },
                };
                walk.record(Event::ActionResent {
                    step: path.clone(),
                    attempt: open.attempt + 1,
                    generation: Some(walk.facts.charter.generation),
                    reserved,
                });
            }
            Some((scope, hold)) if acting.is_open() => {
                walk.doubt(None, format!("{RELEASE}{scope}, held by {}: {}", hold.by, hold.reason));
            }
            Some((scope, hold)) => walk.wait_for_release(&scope, &hold),
        }
        Ok(())
    }

    /// Announces the next probe, once there is a place for it.
    fn ask_probe(&self, walk: &mut Walk<'_>, acting: &Acting, path: &StepPath) -> Result<(), Stop> {
        let operation = self.declared().probe.as_ref().map_or(&self.operation, |probe| &probe.operation);
        match walk.tool_is_full(path, &self.tool, operation)? {
            Some((at, why)) => walk.doubt(Some(at), why),
            None => walk.record(Event::ProbeStarted { step: path.clone(), probe: acting.probes + 1 }),
        }
        Ok(())
    }

    /// The data were put back or copied since: only somebody who looks outside can tell what became of it.
    fn outside(&self, walk: &mut Walk<'_>, open: &Open, path: &StepPath) {
        let detail = format!(
            "`{}` was sent before the data were put back or copied: what became of it stands outside",
            self.called()
        );
        let why = failure(FailureKind::UnknownOutcome, Phase::MaybeSent, detail);
        walk.record(outcome_unknown(path, open.attempt, why, None));
    }

    /// Whether a second sending may be a second effect.
    fn is_sent_once(&self, acting: &Acting) -> bool {
        matches!(acting.proposal.effect, Effect::Probed | Effect::AtMostOnce)
    }

    /// Whether the same bytes may be sent once more although the last sending may have been performed.
    fn may_repeat(&self, walk: &Walk<'_>, acting: &Acting) -> bool {
        match acting.proposal.effect {
            Effect::Read => true,
            Effect::Idempotent => self.declared().window.is_none_or(|window| walk.facts.now < acting.since + window),
            Effect::Probed | Effect::AtMostOnce => false,
        }
    }

    fn unknown(&self, walk: &mut Walk<'_>, open: &Open, acting: &Acting, path: &StepPath, detail: String) {
        let why = failure(FailureKind::UnknownOutcome, Phase::MaybeSent, detail);
        walk.record(outcome_unknown(path, open.attempt, why, self.probe_at(acting)));
    }

    /// When the probe may ask about the last sending.
    fn probe_at(&self, acting: &Acting) -> Option<Timestamp> {
        let probe = self.declared().probe.as_ref()?;
        (acting.probes < MOST_PROBES).then(|| acting.sent_at + probe.settle)
    }

    /// Lets the probe ask: a read that the operator declared together with the action, and that travels under its verdict.
    fn probe(&self, walk: &mut Walk<'_>, acting: &Acting, path: &StepPath) -> Result<(), Stop> {
        let Some(probe) = &self.declared().probe else { return Ok(()) };
        let with = walk.unhold(&acting.proposal.with)?;
        match probe.arguments(&with, &acting.key) {
            Ok(input) => {
                let proposal = Proposal {
                    tool: self.tool.name.clone(),
                    operation: probe.operation.clone(),
                    effect: Effect::Read,
                    with: Held::Value(Value::Null),
                };
                let key = acting.key.clone();
                let permit = Permit::new(walk.state.run, path.clone(), acting.probes, &proposal, &input, key);
                walk.then(Next::Call(permit));
            }
            Err(why) => {
                let why = failure(FailureKind::Internal, Phase::Inside, format!("the probe's `with`: {why}"));
                let (result, step) = (ProbeResult::Unclear { failure: why, again_at: None }, path.clone());
                walk.record(Event::ProbeFinished { step, probe: acting.probes, result, raw: None, undo: None });
            }
        }
        Ok(())
    }

    /// What a person, or a late answer, says became of the action.
    fn believe(
        &self,
        walk: &mut Walk<'_>,
        (open, acting): (&Open, &Acting),
        word: &Word,
        (path, frame): (&StepPath, &Frame<'_>),
    ) -> Result<(), Stop> {
        let (mut undo, mut blobs) = (None, Vec::new());
        let result = match word {
            Word::Performed(output) => {
                let value = walk.unhold(output)?;
                match self.checked(value) {
                    Ok(value) => {
                        undo = self.taken_back(walk, path, frame, &value, &mut blobs)?;
                        StepResult::Done(output.clone())
                    }
                    Err(failure) => StepResult::Failed(failure),
                }
            }
            Word::NotPerformed if walk.gives_up(path) => {
                let detail = format!("a person found that `{}` was not performed", self.called());
                StepResult::Failed(failure(FailureKind::ToolRejected, Phase::Answered, detail))
            }
            Word::NotPerformed => {
                return self.resend(walk, open, acting, path);
            }
            Word::GivenUp(reason) => {
                let detail = format!("what became of `{}` stays unknown: {reason}", self.called());
                StepResult::Failed(failure(FailureKind::UnknownOutcome, Phase::Answered, detail))
            }
        };
        let (step, attempt) = (path.clone(), open.attempt);
        let event = Event::ActionFinished { step, attempt, result, raw: None, spent: None, proof: None, undo };
        walk.push(Record { event, blobs });
        Ok(())
    }

    /// No recovery that would leave the step may decide over an action that may have been performed.
    pub(crate) fn stays(&self, open: &Open, path: &StepPath, why: &Failure) -> Option<Event> {
        let Doing::Acting(acting) = &open.doing else { return None };
        // A sending that did not leave says nothing of the one before it.
        let maybe = why.phase == Phase::MaybeSent || (acting.doubts > 0 && why.phase != Phase::Answered);
        let doubt = maybe && acting.proposal.effect != Effect::Read;
        doubt.then(|| outcome_unknown(path, open.attempt, why.clone(), self.probe_at(acting)))
    }

    /// The same, where nothing is tried again: the run is cancelled, or a join needs the body no more.
    pub(crate) fn stays_untried(&self, open: &Open, path: &StepPath) -> Option<Event> {
        let Doing::Acting(acting) = &open.doing else { return None };
        let why = open.failure.as_ref().or(open.answered.last().map(|(failure, _)| failure))?;
        open.is_in_doubt().then(|| outcome_unknown(path, open.attempt, why.clone(), self.probe_at(acting)))
    }

    /// What the tool answered, as an event; `None` if nobody waits for it.
    pub(crate) fn settle(
        &self,
        walk: &Walk<'_>,
        step: &StepPath,
        (open, frame): (&Open, &Frame<'_>),
        attempt: u32,
        answer: Result<Value, Failure>,
        raw: Option<BlobRef>,
    ) -> Result<Option<Record>, Stop> {
        let Doing::Acting(acting) = &open.doing else { return Ok(None) };
        if acting.standing == Sending::Probing && acting.probes == attempt {
            return self.probed(walk, (step, frame), acting, answer, raw).map(Some);
        }
        if acting.standing != Sending::Open || open.attempt != attempt {
            return Ok(None);
        }
        let mut blobs = Vec::new();
        let spent = walk.acted_for(step, self.declared(), acting, answer.as_ref().err());
        let event = match answer.and_then(|value| self.checked(value)) {
            Ok(value) => {
                let undo = self.taken_back(walk, step, frame, &value, &mut blobs)?;
                let result = StepResult::Done(Held::hold(value, &mut blobs));
                Event::ActionFinished { step: step.clone(), attempt, result, raw, spent, proof: None, undo }
            }
            Err(why) => match self.doubted(open, acting, why) {
                Doubted::Known(failure) => {
                    let result = StepResult::Failed(failure);
                    Event::ActionFinished { step: step.clone(), attempt, result, raw, spent, proof: None, undo: None }
                }
                Doubted::Unknown(failure) => outcome_unknown(step, attempt, failure, self.probe_at(acting)),
            },
        };
        Ok(Some(Record { event, blobs }))
    }

    /// A value that is of the form that the tool file promises.
    fn checked(&self, value: Value) -> Result<Value, Failure> {
        let Some(Err(complaints)) = self.declared().returns.as_ref().map(|schema| schema.validate(&value)) else {
            return Ok(value);
        };
        let detail = format!("`{}` answered against its schema: {}", self.called(), complaints.join("; "));
        Err(failure(FailureKind::ContractViolated, Phase::Answered, detail))
    }

    fn probed(
        &self,
        walk: &Walk<'_>,
        (step, frame): (&StepPath, &Frame<'_>),
        acting: &Acting,
        answer: Result<Value, Failure>,
        raw: Option<BlobRef>,
    ) -> Result<Record, Stop> {
        let with = walk.unhold(&acting.proposal.with)?;
        let (mut undo, mut blobs) = (None, Vec::new());
        let said = answer.and_then(|answer| {
            let Some(probe) = &self.declared().probe else { return Ok(None) };
            let found = probe.read(&with, &acting.key, &answer);
            found.map_err(|why| failure(FailureKind::Internal, Phase::Inside, format!("the probe's answer: {why}")))
        });
        let result = match said.and_then(|found| found.map(|value| self.checked(value)).transpose()) {
            Ok(Some(value)) => {
                undo = self.taken_back(walk, step, frame, &value, &mut blobs)?;
                ProbeResult::Found(Held::hold(value, &mut blobs))
            }
            Ok(None) => ProbeResult::Absent,
            Err(failure) => {
                let settle = self.declared().probe.as_ref().map_or(Span::default(), |probe| probe.settle);
                let again_at = (acting.probes < MOST_PROBES).then(|| walk.facts.now + settle);
                ProbeResult::Unclear { failure, again_at }
            }
        };
        let event = Event::ProbeFinished { step: step.clone(), probe: acting.probes, result, raw, undo };
        Ok(Record { event, blobs })
    }

    /// A rejection speaks for its own sending only: if an earlier one may have arrived, the outcome is unknown (the model
    /// checker's "recorded failed, yet performed").
    fn doubted(&self, open: &Open, acting: &Acting, why: Failure) -> Doubted {
        match acting.proposal.effect {
            Effect::Read => Doubted::Known(why),
            _ if why.phase == Phase::Answered && why.kind != FailureKind::UnknownOutcome && acting.doubts > 0 => {
                let detail = format!(
                    "an earlier sending may have been performed; sending {} was rejected: {}",
                    open.attempt, why.detail
                );
                Doubted::Unknown(Failure {
                    detail,
                    ..failure(FailureKind::UnknownOutcome, Phase::MaybeSent, String::new())
                })
            }
            // The same bytes under the same key tell.
            Effect::Idempotent if why.kind != FailureKind::UnknownOutcome => Doubted::Known(why),
            _ if why.phase == Phase::MaybeSent => Doubted::Unknown(why),
            _ => Doubted::Known(why),
        }
    }

    pub(crate) fn called(&self) -> String {
        format!("{}.{}", self.tool.name, self.operation)
    }
}

/// What follows from a yes.
enum Leave {
    /// The action.
    Start(Verdict, Box<Grounds>),
    /// Nothing, until a hold is lifted.
    Wait(Arc<str>, Hold),
    /// What was decided does not fit any more.
    Anew,
}

/// What a failure says about the action.
enum Doubted {
    /// It was not performed, or asking again will tell.
    Known(Failure),
    /// Nobody can say.
    Unknown(Failure),
}

fn failure(kind: FailureKind, phase: Phase, detail: String) -> Failure {
    Failure { kind, phase, detail, retry_after: None }
}

fn finished(step: &StepPath, attempt: u32, result: StepResult) -> Event {
    Event::ActionFinished { step: step.clone(), attempt, result, raw: None, spent: None, proof: None, undo: None }
}

fn outcome_unknown(step: &StepPath, attempt: u32, failure: Failure, probe_at: Option<Timestamp>) -> Event {
    Event::OutcomeUnknown { step: step.clone(), attempt, failure, probe_at }
}

/// The keys of this kind.
pub(crate) const KEYS: [&str; 4] = ["act", "with", "undo", "keep"];
/// Documented keys of later versions.
pub(crate) const LATER: [&str; 1] = ["done_when"];

/// Reads the step; gives the type of its value.
pub(crate) fn read(fields: &Fields<'_>, name: Option<&Arc<str>>, reading: &mut Reading<'_>) -> Option<(Act, Type)> {
    let (mut act, ty) = call(fields.get("act")?, fields.get("with"), reading)?;
    if let Some(key) = fields.key("keep")
        && fields.bool("keep", false, &mut reading.complaints)
    {
        act.keep = true;
        let message = if act.declared().effect == Effect::Read {
            Some(format!("`{}` only reads: there is no effect to keep", act.called()))
        } else if reading.bodies > 0 {
            Some("an act inside each, parallel or repeat cannot be kept: another visit has other bodies".to_owned())
        } else {
            None
        };
        if let Some(message) = message {
            let complaint = Complaint::new("W132", &fields.node.file, key.span, message);
            reading.complaints.push(complaint.hint("say how it is taken back, with `undo`"));
            return None;
        }
    }
    if let Some(node) = fields.get("undo") {
        // Its own value is among the names that it sees.
        reading.enter(name.map(|name| (name.clone(), ty.clone())));
        let undo = undo(node, &act, reading);
        reading.leave();
        act.undo = Some(Box::new(undo?));
    }
    Some((act, ty))
}

/// Reads `undo: { act, with }`.
fn undo(node: &Node, of: &Act, reading: &mut Reading<'_>) -> Option<Act> {
    let fields = Fields::new(node, "`undo`", &["act", "with"], &[], &mut reading.complaints)?;
    let called = fields.required("act", &mut reading.complaints)?;
    let (undo, _) = call(called, fields.get("with"), reading)?;
    let message = if of.declared().effect == Effect::Read {
        format!("`{}` only reads: there is nothing to take back", of.called())
    } else if undo.declared().effect == Effect::Read {
        format!("`{}` only reads: it takes nothing back", undo.called())
    } else {
        return Some(undo);
    };
    reading.complaints.push(called.complaint("W130", message));
    None
}

/// Under which name the labels of an undo are known: that of its act, and `undo`.
pub(crate) fn undo_name(act: &str) -> Arc<str> {
    StepPath::new(act).undo().as_str().into()
}

/// Reads `tool.operation` and its arguments; gives the type of what it answers.
pub(crate) fn call(node: &Node, with: Option<&Node>, reading: &mut Reading<'_>) -> Option<(Act, Type)> {
    let text = node.text(&mut reading.complaints)?;
    let found = operation(&text, node, reading);
    let with = with.map(|node| (node, reading.template(node)));
    let (tool, name) = found?;
    let with = match with {
        Some((_, None)) => return None,
        Some((node, Some(with))) => Some((node, with)),
        None => None,
    };
    let operation = tool.operations.get(&name)?;
    if let Some(params) = &operation.params {
        let none = Type::object::<&str>([]);
        let given = with.as_ref().map_or(&none, |(_, (_, ty))| ty);
        if let Some(why) = params.ty().refusal(given) {
            let at = with.as_ref().map_or(node, |(node, _)| node);
            let message = format!("`with` does not fit the arguments of `{text}`: {why}");
            reading.complaints.push(at.complaint("W027", message));
            return None;
        }
    }
    let ty = operation.returns.as_ref().map_or(Type::Any, |schema| schema.ty().clone());
    let with = with.map(|(_, (with, _))| with);
    Some((Act { tool, operation: name, with, undo: None, keep: false, by: None }, ty))
}

/// The operation that `tool.operation` names.
pub(crate) fn operation(text: &str, node: &Node, reading: &mut Reading<'_>) -> Option<(Arc<Tool>, Arc<str>)> {
    let Some((tool, name)) = text.split_once('.') else {
        let message = format!("`{text}` names no operation");
        reading.complaints.push(node.complaint("W028", message).hint("write it as `tool.operation`"));
        return None;
    };
    if reading.broken.contains(tool) || reading.broken.contains(text) {
        return None;
    }
    let Some(found) = reading.tools.get(tool).cloned() else {
        let hint = did_you_mean(tool, reading.tools.keys().map(|name| &**name));
        reading.complaints.push(node.complaint("W028", format!("there is no tool `{tool}`")).or_hint(hint));
        return None;
    };
    if !found.operations.contains_key(name) {
        let hint = did_you_mean(name, found.operations.keys().map(|name| &**name));
        let message = format!("the tool `{tool}` has no operation `{name}`");
        reading.complaints.push(node.complaint("W028", message).or_hint(hint));
        return None;
    }
    Some((found, name.into()))
}
