//! The stored format: what happened in a run, as facts in order.
//!
//! A journal is a chain of entries. Each holds one [`Event`] as canonical JSON (RFC 8785), a salt, the digest of both, and a
//! hash over the header, that digest and the hash before it. Erasing a body leaves a chain that still verifies.

mod about;
mod child;
mod claim;
mod decided;
mod entry;
mod fork;
mod held;
mod undo;
mod usage;

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{
    child::{ChildEnd, Parent, Report, Scope},
    claim::{Claimed, Standing},
    decided::{TableRow, Topic},
    entry::{Broken, Entry, Head, verify},
    fork::{Effects, Fork, Origin},
    held::{Blob, BlobRef, Held},
    undo::Undo,
    usage::Usage,
};
use crate::{
    cache::{Keep, Part, Saved, Source},
    context::{Manifest, Said},
    governance::{
        Proposal, Verdict,
        approval::{Terms, Vote},
        budget::{Amounts, Charged, Reserved, Unit},
        charter::Grounds,
    },
    ids::{Digest, IdempotencyKey, RunId, StepPath},
    recovery::{Failure, Response},
    unsure::Unsure,
    values::{Span, Timestamp, Value},
};

/// Version of the stored format; a reader refuses a larger one.
pub const FORMAT: u32 = 1;

/// A value up to this many bytes of canonical JSON stands in the journal itself; a larger one becomes a blob.
pub const INLINE_LIMIT: usize = 16 * 1024;

/// What happened in a run. Past tense, never edited, complete enough to replay without asking a clock, a model or a tool.
///
/// Stored format: variants and optional fields may be added; nothing is renamed, removed or reused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case", deny_unknown_fields)]
pub enum Event {
    /// First entry of every journal. `bundle` pins workflows, prompts, schemas and tool files; policies are judged anew.
    RunStarted {
        /// The frozen project.
        bundle: Digest,
        /// Which of its workflows.
        workflow: Arc<str>,
        /// The stages that run unless a decision says otherwise, in order.
        stages: Vec<Arc<str>>,
        /// What the run works on; it has passed the input schema.
        input: Held,
        /// Business keys by which people find the run.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        about: Value,
        /// The project whose policies and people judge the run; empty: the built-in rule alone.
        #[serde(default, skip_serializing_if = "str::is_empty")]
        project: Arc<str>,
        /// Who started it, if it was a person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Arc<str>>,
        /// For whom it acts: this person must be allowed what it does, as well as its steps.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        acts_for: Option<Arc<str>>,
        /// The run that handed it its work.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        parent: Option<Box<Parent>>,
        /// The run that it goes on from: the entries that follow, up to the one named there, are inherited.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fork: Option<Box<Fork>>,
    },
    /// A step that touches nothing outside is done: `set`, `native`, a finished block.
    StepDone {
        /// Which step.
        step: StepPath,
        /// What it gave.
        output: Held,
    },
    /// The step's `when` was false. Its value is `none`.
    StepSkipped {
        /// Which step.
        step: StepPath,
    },
    /// A `decide` step chose. With stages in `then`, they run before the step is done.
    Decided {
        /// Which step.
        step: StepPath,
        /// Which rule fired, counted from 0; `None` for `otherwise`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<u32>,
        /// The values that the rules looked at, by reference text.
        saw: Value,
        /// The stages chosen, in order; empty for `next`.
        then: Vec<Arc<str>>,
        /// The row of a table in a file of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Box<TableRow>>,
    },
    /// All steps of the innermost stage are done.
    StageDone {
        /// Which stage.
        stage: Arc<str>,
    },
    /// An `each` froze its items.
    EachOpened {
        /// Which step.
        step: StepPath,
        /// The list, as it was at that moment.
        items: Held,
        /// How many.
        count: u32,
        /// SHA-256 over the list's canonical JSON.
        digest: Digest,
    },
    /// A `parallel` decided which of its branches run.
    ParallelOpened {
        /// Which step.
        step: StepPath,
        /// The branches that run, in the order written.
        branches: Vec<Arc<str>>,
    },
    /// One item, branch or turn is over. Its steps' values are gone; what it gave stays.
    BodyDone {
        /// Which body: the step's path with its index or branch.
        body: StepPath,
        /// What `gives` said, or why it failed.
        result: BodyResult,
    },
    /// A `repeat` began.
    RepeatOpened {
        /// Which step.
        step: StepPath,
    },
    /// One turn of a `repeat` is over.
    TurnDone {
        /// Which turn: the step's path with its number.
        body: StepPath,
        /// What it gave.
        output: Held,
        /// Whether another turn follows.
        again: bool,
    },
    /// An `agent` began: in its turns a model is asked, and what it proposes is done.
    AgentOpened {
        /// Which step.
        step: StepPath,
    },
    /// A `plan` began: a model is asked for it.
    PlanOpened {
        /// Which step.
        step: StepPath,
    },
    /// A plan was judged as a whole, and does not change any more. Nothing of it was done before.
    PlanFrozen {
        /// What freezes it, inside the step.
        step: StepPath,
        /// The visit of the step in which it was made.
        version: u32,
        /// SHA-256 over the plan's canonical JSON.
        digest: Digest,
        /// What its actions cost at most, each sent once.
        max: Amounts,
        /// How many actions it has, and what the rules said of each.
        output: Held,
    },
    /// A model is about to be asked. Durable before the first byte leaves.
    ModelAsked {
        /// Which step.
        step: StepPath,
        /// From 1; every further sending of the same visit counts.
        attempt: u32,
        /// The model name of the project, not the vendor's.
        model: Arc<str>,
        /// The route that it was asked as a member of.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        route: Option<Arc<str>>,
        /// What the model is shown, exactly.
        manifest: Manifest,
        /// What was set aside for it; `None`: nothing limits the run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<Box<Reserved>>,
    },
    /// What the model answered, judged against the step's schema and checks.
    ModelAnswered {
        /// Which step.
        step: StepPath,
        /// The attempt that it answers.
        attempt: u32,
        /// Accepted, or why not.
        result: StepResult,
        /// What the provider billed, not our estimate.
        usage: Usage,
        /// The raw answer, for the record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<BlobRef>,
        /// What it cost of what was set aside; `None`: nothing was, or what it cost is not known and all of it counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spent: Option<Amounts>,
        /// What it is charged, and by which price; `None`: of a journal that was written before this was kept.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        charged: Option<Box<Charged>>,
        /// What the server said besides.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        said: Option<Box<Said>>,
        /// Until then no run of the project asks the model: its provider has no room for us.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cools: Option<Timestamp>,
        /// What the model said it did, compared with what the journal proves.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        claims: Vec<Claimed>,
        /// The answer is valid, and its step is unsure of it; it is the step's value only if that says so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        unsure: Option<Box<Unsure>>,
        /// It is kept for others that would send the same.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        keeps: Option<Box<Keep>>,
    },
    /// Nobody was asked: a model had answered the same request before, and the answer still counts.
    AnswerReused {
        /// Which step.
        step: StepPath,
        /// The project's name of the model that would have been asked.
        model: Arc<str>,
        /// SHA-256 over the rendered request, as in a [`Manifest`].
        request: Digest,
        /// The answer, judged anew.
        output: Held,
        /// Where it comes from.
        from: Source,
    },
    /// Nothing is kept of a part that says `cache`: it is done, and what it gives is kept with the entry that closes it.
    CacheMissed {
        /// Which part.
        part: Part,
        /// Over everything that decides it.
        key: Digest,
        /// How long what it gives counts, from the entry that closes it.
        ttl: Span,
    },
    /// A part was not done: what it gave elsewhere under the same key counts here.
    PartReused {
        /// Which part.
        part: Part,
        /// Over everything that decides it.
        key: Digest,
        /// What it gave; of a stage `{gave, skipped}`, by step.
        output: Held,
        /// Where that was done.
        from: Source,
        /// What it cost there.
        saved: Saved,
    },
    /// A proposal was denied. An allowed action is written once, as `ActionStarted`.
    ActionJudged {
        /// Which step.
        step: StepPath,
        /// What was asked for.
        proposal: Proposal,
        /// Why not.
        verdict: Verdict,
        /// What it was judged by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<Box<Grounds>>,
    },
    /// A person must decide before anything happens.
    ApprovalRequested {
        /// Which step.
        step: StepPath,
        /// The approval's id.
        approval: Arc<str>,
        /// What is to be done; `None`: the step asks and does nothing else.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proposal: Option<Proposal>,
        /// Why a person is asked.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verdict: Option<Verdict>,
        /// Who may decide, until when, and on what.
        terms: Terms,
        /// What they are shown.
        card: Held,
        /// What it was judged by.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<Box<Grounds>>,
    },
    /// A person decided. How the votes stand is judged when the action is about to begin.
    VoteReceived {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// Which step.
        step: StepPath,
        /// The approval's id.
        approval: Arc<str>,
        /// Who, what, and on which card.
        vote: Vote,
    },
    /// Nobody decided in time, and more people are asked.
    ApprovalEscalated {
        /// Which step.
        step: StepPath,
        /// The approval's id until now.
        approval: Arc<str>,
        /// Its id from now on.
        to: Arc<str>,
        /// Who may decide now, and until when.
        terms: Terms,
        /// What they are shown.
        card: Held,
    },
    /// An approval came to its end without an action. One that is used up is named by its `ActionStarted`.
    ApprovalEnded {
        /// Which step.
        step: StepPath,
        /// The approval's id.
        approval: Arc<str>,
        /// How.
        end: ApprovalEnd,
    },
    /// Durable before the first byte leaves. With no `ActionFinished` after it, the outcome is unknown.
    ActionStarted {
        /// Which step.
        step: StepPath,
        /// From 1 within this visit of the step.
        attempt: u32,
        /// What is done.
        proposal: Proposal,
        /// Who allowed it.
        verdict: Verdict,
        /// On what the receiver de-duplicates.
        key: IdempotencyKey,
        /// What the verdict rests on; the store compared it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        grounds: Option<Box<Grounds>>,
    },
    /// The same intent is sent once more: same bytes, same key, after a crash or an uncertain outcome.
    ActionResent {
        /// Which step.
        step: StepPath,
        /// The new attempt.
        attempt: u32,
        /// The charter's generation in which it was let through.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        generation: Option<u64>,
        /// What was set aside for it; `None`: nothing limits the run, or what the intent had set aside covers it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<Box<Reserved>>,
    },
    /// What the tool answered.
    ActionFinished {
        /// Which step.
        step: StepPath,
        /// The attempt that it answers.
        attempt: u32,
        /// Done, or what went wrong.
        result: StepResult,
        /// The raw answer, for the record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<BlobRef>,
        /// What it cost of what was set aside; `None`: nothing was, or what it cost is not known and all of it counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spent: Option<Amounts>,
        /// What a `verify` step found in the answer; the step gives [`Proof::value`] then, and not the answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        proof: Option<Box<Proof>>,
        /// How it would be taken back, if it was performed and its step says how.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Box<Undo>>,
    },
    /// A `verify` step that reads nothing outside is done: its condition held.
    ClaimVerified {
        /// Which step.
        step: StepPath,
        /// What it found.
        proof: Proof,
    },
    /// Whether the action was performed is not known, and it is not sent again on a guess: it waits for its probe or for a person.
    OutcomeUnknown {
        /// Which step.
        step: StepPath,
        /// The last sending.
        attempt: u32,
        /// What is known.
        failure: Failure,
        /// When its probe may ask; `None`: only a person can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        probe_at: Option<Timestamp>,
    },
    /// The action's probe is about to ask whether it was performed. Durable before the first byte leaves.
    ProbeStarted {
        /// Which step.
        step: StepPath,
        /// From 1 within this visit of the step.
        probe: u32,
    },
    /// What the probe found.
    ProbeFinished {
        /// Which step.
        step: StepPath,
        /// The probe that it answers.
        probe: u32,
        /// What it says about the action.
        result: ProbeResult,
        /// The raw answer, for the record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        raw: Option<BlobRef>,
        /// How the action would be taken back, if it was found and its step says how.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        undo: Option<Box<Undo>>,
    },
    /// The answer to a sending of an earlier owner arrived after all. Only a success settles anything.
    LateAnswerReceived {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// Which step.
        step: StepPath,
        /// The epoch that had sent it.
        sent_in: u64,
        /// Which sending.
        attempt: u32,
        /// What the tool had answered.
        result: StepResult,
    },
    /// A person said what became of an action whose outcome was unknown.
    EffectResolved {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// Which step.
        step: StepPath,
        /// The sending that the person looked at: a word about another one than the last changes nothing. `None`: an early version
        /// wrote it, and the word is about the last one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// What became of it.
        resolution: Resolution,
        /// Who says so.
        by: Arc<str>,
        /// How we know who it is: `local`, an account, a key.
        auth: Arc<str>,
        /// Why, in the person's words.
        reason: Arc<str>,
    },
    /// Work was handed to people.
    WorkOpened {
        /// Which step.
        step: StepPath,
        /// The work's id.
        work: Arc<str>,
        /// The group whose people find it.
        queue: Arc<str>,
        /// What they are given: the envelope.
        card: Held,
        /// From this moment on no answer counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
    },
    /// A person did the work. Only the first answer that came in time, from somebody of the group, ends it.
    WorkAnswered {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// Which step.
        step: StepPath,
        /// The work's id.
        work: Arc<str>,
        /// What came of it.
        output: Held,
        /// Who says so.
        by: Arc<str>,
        /// How we know who it is: `local`, an account, a key.
        auth: Arc<str>,
        /// For which groups this person could work then.
        groups: BTreeSet<Arc<str>>,
        /// The directory that says so.
        directory: Digest,
        /// When.
        at: Timestamp,
    },
    /// Work that was handed to people came to its end.
    WorkEnded {
        /// Which step.
        step: StepPath,
        /// The work's id.
        work: Arc<str>,
        /// How.
        end: WorkEnd,
    },
    /// Work was handed to another workflow: its run starts in the transaction of this entry.
    ChildStarted {
        /// Which step.
        step: StepPath,
        /// The other run.
        child: RunId,
        /// Its workflow.
        workflow: Arc<str>,
        /// What it was handed: the envelope.
        envelope: Held,
        /// From this moment on no result counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        due_at: Option<Timestamp>,
        /// What was set aside for it of the run's own budget; `None`: that limits nothing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reserved: Option<Box<Reserved>>,
    },
    /// The run that work was handed to is over. Only what comes while its step waits for it counts.
    ChildReported {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// Which step.
        step: StepPath,
        /// The other run.
        child: RunId,
        /// How it ended.
        report: Report,
        /// What it can prove, by evidence id.
        #[serde(default, skip_serializing_if = "Value::is_null")]
        facts: Value,
        /// What it has spent, as far as something limited it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spent: Option<Amounts>,
    },
    /// A handoff to another workflow came to its end.
    ChildEnded {
        /// Which step.
        step: StepPath,
        /// The other run.
        child: RunId,
        /// How.
        end: ChildEnd,
        /// What it cost of what was set aside; `None`: nothing was, or what it cost is not known and all of it counts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        spent: Option<Amounts>,
    },
    /// A `wait` began.
    WaitStarted {
        /// Which step.
        step: StepPath,
        /// When it ends by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
        /// The signals that end it; any of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        signals: Vec<Arc<str>>,
        /// The events that end it; any of them.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        events: Vec<Topic>,
    },
    /// A `wait` is over.
    WaitEnded {
        /// Which step.
        step: StepPath,
        /// By which inbox message; `None`: by time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<u64>,
        /// `{by: time}`, or `{by: signal, name, body, sender}`, the same with `event`.
        output: Held,
    },
    /// The owner read a signal out of the run's inbox. It is kept until a `wait` takes it.
    SignalReceived {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// The signal's name.
        name: Arc<str>,
        /// What it carried.
        body: Held,
        /// Who sent it.
        sender: Arc<str>,
    },
    /// The owner read an event out of the run's inbox, which it had waited for. It is kept until a `wait` takes it.
    EventReceived {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// What happened.
        topic: Topic,
        /// What it carried.
        body: Held,
        /// Who published it: a run or a person.
        sender: Arc<str>,
    },
    /// An event was published: kept, and told to whoever waits for it, in the transaction of this entry.
    EventPublished {
        /// Which step.
        step: StepPath,
        /// The event's id: nobody hears of it twice.
        id: Arc<str>,
        /// What happened.
        topic: Topic,
        /// What it carries.
        data: Held,
    },
    /// A person asked the run to pause, to go on, or to stop for good.
    ControlReceived {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// What was asked.
        control: Control,
        /// Who asked.
        sender: Arc<str>,
    },
    /// The owner raised a limit of the run's own budget, and has looked at what it overran.
    BudgetRaised {
        /// Number of the message in the run's inbox, from 1.
        message: u64,
        /// Of what.
        unit: Unit,
        /// The new limit, in the unit; it never lowers what the workflow says.
        limit: i64,
        /// Who.
        by: Arc<str>,
        /// How we know who it is.
        auth: Arc<str>,
    },
    /// A step that has a `deadline` begins: from that moment on nothing of it is begun any more.
    DeadlineSet {
        /// Which step.
        step: StepPath,
        /// The moment.
        until: Timestamp,
    },
    /// A step that touches nothing outside failed, or a block failed because of its bodies.
    StepFailed {
        /// Which step.
        step: StepPath,
        /// Why.
        failure: Failure,
    },
    /// What is done about the step's latest failure.
    FailureAnswered {
        /// Which step.
        step: StepPath,
        /// The response, with what it changes or waits for.
        response: Response,
    },
    /// The run is being cancelled, nothing is open any more, and what it did is taken back.
    UndoOpened {
        /// What is taken back, in this order: the last result first.
        acts: Vec<StepPath>,
        /// What stays: nothing says how to take it back, or whether it was performed is not known.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        standing: Vec<StepPath>,
    },
    /// Last entry of every finished journal.
    RunFinished {
        /// How it ended.
        end: End,
        /// The workflow's result, if it completed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        result: Option<Held>,
        /// Why, if it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failure: Option<Failure>,
    },
}

/// What a person may ask of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// Start nothing more until resumed.
    Pause,
    /// Go on.
    Resume,
    /// Start nothing more; end when what is open has answered.
    Cancel,
    /// The data were put back to an earlier state or copied: start nothing more until resumed, and send nothing again that may have
    /// been performed meanwhile.
    Review,
    /// Start nothing more; when what is open has answered, take back what was done, then end.
    CancelUndo,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Its result is there.
    Completed,
    /// A failure had no recovery left.
    Failed,
    /// A person stopped it.
    Cancelled,
}

/// What a step that speaks to the outside came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepResult {
    /// Its value.
    Done(Held),
    /// Why not.
    Failed(Failure),
}

/// What a `verify` step found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The step that is proven, if it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proves: Option<Arc<str>>,
    /// The condition, as it was written.
    pub holds: Arc<str>,
    /// Whether it held.
    pub verified: bool,
    /// The values that the condition looked at, by name; a long one by its digest.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub saw: Value,
    /// First entries of the acts that it rests on, in this journal: the one that it proves, its own read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<u64>,
}

impl Proof {
    /// What the step gives: `{ verified, evidence }`, with the ids of the acts, as `id` makes them of their first entries.
    pub fn value(&self, id: impl Fn(u64) -> String) -> Value {
        let evidence = self.evidence.iter().map(|entry| Value::from(id(*entry)));
        Value::map([("verified", self.verified.into()), ("evidence", Value::list(evidence))])
    }
}

/// How an approval ended without an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApprovalEnd {
    /// What was decided no longer fits what would be done: it is judged anew.
    Superseded,
    /// A person wants other arguments: a new action, judged from the beginning.
    Edited {
        /// The arguments.
        with: Held,
        /// Who.
        by: Arc<str>,
    },
    /// No, or nobody decided in time.
    Failed {
        /// `approval_rejected` or `approval_expired`.
        failure: Failure,
        /// Who said no.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Arc<str>>,
    },
    /// The step gives this: a person answered, or a step that only asks was decided.
    Gave {
        /// What it gives.
        output: Held,
        /// Who decided.
        by: Vec<Arc<str>>,
    },
}

/// How work that was handed to people ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorkEnd {
    /// The step gives this.
    Gave {
        /// What a person answered.
        output: Held,
        /// Who.
        by: Arc<str>,
    },
    /// The step is begun afresh, in a new visit; asked for because it had failed.
    Again {
        /// Who said so.
        by: Arc<str>,
    },
    /// What people were asked to find out is known.
    Settled,
    /// The step is given up: the next recovery counts.
    GivenUp {
        /// Who said so; `None`: nobody answered in time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Arc<str>>,
    },
    /// Nobody answered in time, or the answer does not keep the contract.
    Failed {
        /// `no_answer` or `contract_violated`.
        failure: Failure,
    },
}

/// What a probe says about an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeResult {
    /// It was performed; the step gives this.
    Found(Held),
    /// It was not performed: it may be sent once more.
    Absent,
    /// The probe could not tell.
    Unclear {
        /// Why not.
        failure: Failure,
        /// When to ask again; `None`: only a person can tell.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again_at: Option<Timestamp>,
    },
}

/// What a person says of an action whose outcome was unknown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resolution {
    /// It was performed; the step gives this.
    Performed {
        /// What the tool would have answered.
        output: Held,
        /// Where it can be seen outside: a number, a link.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_id: Option<Arc<str>>,
    },
    /// It was not performed: it is sent again, under the same key.
    NotPerformed,
    /// Nobody will find out: the step fails.
    GivenUp,
}

/// What a body came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyResult {
    /// What it gave.
    Gave(Held),
    /// The failure that no recovery mended.
    Failed(Failure),
    /// It was no longer needed: the join was decided without it.
    Dropped,
}
