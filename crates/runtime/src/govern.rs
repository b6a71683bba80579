//! What people may ask of the rules that all runs are judged by, and of what waits for people: policies, holds, approvals, actions
//! whose outcome is unknown.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    action::RELEASE,
    governance::{
        Proposal,
        approval::{self, By, Decision, Terms},
        charter::{Change, Charter, is_scope},
        policy::Policies,
    },
    ids::{Digest, RunId, StepPath},
    journal::{Event, Head, Held},
    step::Kind,
    values::Value,
    workflow::project::Project,
};
use store::{
    ActionQuery, ActionState, ApprovalQuery, ApprovalRow, ApprovalState, Erased, Governed, Message, OpenActionRow,
    Posted, Status, Voted,
};

use crate::{RunError, Runtime, charter::NoCharter, engine};

/// Who asks, and how we know.
#[derive(Clone, Debug)]
pub struct Asker {
    /// The person's id.
    pub by: Arc<str>,
    /// `local`: somebody at a terminal of the machine where the store is.
    pub auth: Arc<str>,
}

/// A person's decision on an approval.
#[derive(Clone, Debug)]
pub struct Decide {
    /// Which approval.
    pub approval: Arc<str>,
    /// What.
    pub decision: Decision,
    /// The card that was shown; `None`: the one that stands there now.
    pub shown: Option<Digest>,
    /// What the person remarks.
    pub reason: Option<String>,
}

/// What a decision came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decided {
    /// It is durable, and the run is told.
    New {
        /// The run.
        run: RunId,
    },
    /// The same person decided the same before.
    Again {
        /// The run.
        run: RunId,
    },
}

/// What a person says of an action whose outcome is unknown.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// It was performed; the step gives this.
    Performed {
        /// What the tool would have answered.
        output: Value,
        /// Where it can be seen outside.
        external_id: Option<Arc<str>>,
    },
    /// It was not performed: it is sent again under the same key.
    NotPerformed,
    /// Nobody will find out: the step fails.
    GivenUp,
}

impl Runtime {
    /// What all runs are judged by now.
    ///
    /// # Errors
    /// The store fails, or holds a change that this version cannot follow.
    pub async fn charter(&self) -> Result<Arc<Charter>, RunError> {
        self.inner.charters.refresh(&*self.inner.store).await.map_err(no_charter)
    }

    /// Makes these the policies and people of a project from the next action on. What stands there already changes nothing.
    ///
    /// # Returns
    /// Whether anything changed.
    ///
    /// # Errors
    /// The store fails.
    pub async fn enact(
        &self,
        project: &Arc<str>,
        policies: Option<&Policies>,
        people: Option<&str>,
        asker: &Asker,
    ) -> Result<bool, RunError> {
        let statutes = self.charter().await?.project(project);
        let mut changed = false;
        if statutes.policies_digest != policies.map(Policies::digest) {
            let change = Change::Policies { project: project.clone(), digest: policies.map(Policies::digest) };
            self.govern(&change, policies.map(|policies| policies.to_bytes().clone()), None, asker).await?;
            changed = true;
        }
        let people = people.map(|text| Arc::<[u8]>::from(text.as_bytes()));
        let digest = people.as_ref().map(|bytes| Digest::of(&[bytes]));
        if statutes.people_digest != digest {
            let change = Change::People { project: project.clone(), digest };
            self.govern(&change, people, None, asker).await?;
            changed = true;
        }
        Ok(changed)
    }

    /// Makes what a project has accepted of the servers of its tools what counts today: a yes to a call under another definition
    /// counts no more. What stands there already changes nothing.
    ///
    /// # Returns
    /// Whether anything changed.
    ///
    /// # Errors
    /// The store fails.
    pub async fn pin(&self, project: &Project, asker: &Asker) -> Result<bool, RunError> {
        let (name, pins) = (project.file.name.clone(), project.pins());
        if self.charter().await?.project(&name).pins == pins {
            return Ok(false);
        }
        self.govern(&Change::Pins { project: name, pins }, None, None, asker).await?;
        Ok(true)
    }

    /// Stops everything of a scope at once: `tool:mail`, `tool:mail.send`, `model:small`, `workflow:answer`, `tenant:main`.
    ///
    /// # Errors
    /// It is no scope, or the store fails.
    pub async fn hold(&self, scope: &str, reason: &str, asker: &Asker) -> Result<u64, RunError> {
        known_scope(scope)?;
        let change = Change::Hold { scope: scope.into(), reason: reason.into() };
        self.govern(&change, None, None, asker).await
    }

    /// Lets a scope go on, and wakes the runs that wait for it.
    ///
    /// # Errors
    /// It is no scope, it is not held, or the store fails.
    pub async fn release(&self, scope: &str, reason: &str, asker: &Asker) -> Result<u64, RunError> {
        known_scope(scope)?;
        let charter = self.charter().await?;
        if !charter.held().contains_key(scope) {
            let held: Vec<&str> = charter.held().keys().map(|scope| &**scope).collect();
            let held = if held.is_empty() { "nothing is".to_owned() } else { held.join(", ") };
            return Err(RunError::NotTaken { why: format!("`{scope}` is not held; held: {held}") });
        }
        let change = Change::Release { scope: scope.into(), reason: reason.into() };
        let wake = format!("{RELEASE}{scope},");
        let generation = self.govern(&change, None, Some(wake.into()), asker).await?;
        if let Some(local) = &*self.inner.local() {
            local.due_by(self.inner.clock.now());
        }
        Ok(generation)
    }

    pub(crate) async fn govern(
        &self,
        change: &Change,
        content: Option<Arc<[u8]>>,
        wake: Option<Arc<str>>,
        asker: &Asker,
    ) -> Result<u64, RunError> {
        let (inner, now) = (&self.inner, self.inner.clock.now());
        if let (Some(digest), Some(content)) = (change.names(), content) {
            let put = inner.store.put_bundle(digest, content, now).await;
            put.map_err(|why| RunError::store("keep the rules", why))?;
        }
        let entry = store::Change {
            at: now,
            by: asker.by.clone(),
            auth: asker.auth.clone(),
            body: change.to_bytes(),
            expect: None,
            wake,
        };
        let governed = inner.store.govern(entry).await.map_err(|why| RunError::store("change the rules", why))?;
        self.charter().await?;
        match governed {
            Governed::Done { generation } | Governed::Moved { current: generation } => Ok(generation),
        }
    }

    /// Approvals, oldest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn approvals(&self, query: ApprovalQuery) -> Result<Vec<ApprovalRow>, RunError> {
        self.inner.store.approvals(query).await.map_err(|why| RunError::store("read the approvals", why))
    }

    /// Decides an approval. Whether the person may is judged here, by the people of today; how the votes stand is judged by the run,
    /// when the action is about to begin.
    ///
    /// # Errors
    /// [`RunError::NoApproval`], [`RunError::NotTaken`] with one sentence for the person, or the store fails.
    pub async fn decide(&self, decide: Decide, asker: &Asker) -> Result<Decided, RunError> {
        let not_taken = |why: String| RunError::NotTaken { why };
        let query = ApprovalQuery { id: Some(decide.approval.clone()), ..ApprovalQuery::default() };
        let row = self.approvals(query).await?.into_iter().next();
        let row = row.ok_or_else(|| RunError::NoApproval { id: decide.approval.clone() })?;
        let (inner, now) = (&self.inner, self.inner.clock.now());
        let Asked { project, held, terms, program, .. } = self.asked(&row).await?;
        if row.card.as_deref() != Some(&*card_bytes(&held, &terms))
            || row.shown != terms.shown
            || row.hash != terms.hash
        {
            let why = format!(
                "what `{}` shows is not what its run asked: the database was changed, and nobody decides on it",
                row.id
            );
            return Err(not_taken(why));
        }
        let people = self.charter().await?.project(&project).people.clone();
        let by = By::Person(asker.by.clone());
        let mut vote =
            approval::Vote::cast(by, decide.decision, decide.shown.unwrap_or(row.shown), &asker.auth, &people, now);
        vote.reason = decide.reason;
        approval::admit(&terms, &[], &vote, &people, now).map_err(|why| not_taken(why.to_string()))?;
        let answer = match &vote.decision {
            Decision::Approve if terms.answerable => Some(&Value::Null),
            Decision::Answer { value } => Some(value),
            _ => None,
        };
        if let Some(answer) = answer {
            let program = self.program(row.run, &program).await?;
            let fits = match program.step(StepPath::new(&*row.step).name()).map(|step| &step.kind) {
                Some(Kind::Approve(approve)) => approve.fits(answer),
                _ => Ok(()),
            };
            fits.map_err(|why| match &vote.decision {
                Decision::Approve => not_taken("this question wants an answer, not a bare yes".to_owned()),
                _ => not_taken(format!("the answer does not fit the form: {why}")),
            })?;
        }
        let word = match &vote.decision {
            Decision::Approve => "approve",
            Decision::Reject { .. } => "reject",
            Decision::Edit { .. } => "edit",
            Decision::Answer { .. } => "answer",
        };
        let said = serde_json::to_vec(&vote).map_err(|why| not_taken(why.to_string()))?;
        let said = Value::from_json(&said).map_err(|why| not_taken(why.to_string()))?;
        let body = Value::map([
            ("step", Value::Text(row.step.clone())),
            ("approval", Value::Text(row.id.clone())),
            ("vote", said),
        ]);
        let message = Message {
            seq: 0,
            id: format!("vote:{}:{}", row.id, asker.by).into(),
            kind: "vote".into(),
            name: "".into(),
            sender: asker.by.clone(),
            body: body.to_jcs().into(),
            at: now,
        };
        let (approval, by) = (row.id.clone(), asker.by.clone());
        let vote = store::Vote { approval, by, decision: word.into(), shown: vote.shown, message, now };
        let voted = inner.store.vote(vote).await.map_err(|why| RunError::store("record the decision", why))?;
        match voted {
            Voted::New { .. } => {
                self.wake(row.run);
                Ok(Decided::New { run: row.run })
            }
            Voted::Known { .. } => Ok(Decided::Again { run: row.run }),
            Voted::Conflict { decision } => Err(not_taken(format!(
                "`{}` has decided `{decision}` already, and a decision is not taken back",
                asker.by
            ))),
            Voted::Stale { .. } => {
                Err(not_taken("what is asked has changed since it was shown: look at it again, then decide".to_owned()))
            }
            Voted::Expired { at } => Err(not_taken(format!("the time to decide this ran out at {at}"))),
            Voted::Closed { state } => Err(not_taken(closed(state))),
            Voted::Missing => Err(RunError::NoApproval { id: row.id }),
        }
    }

    /// Actions whose outcome is not recorded, oldest first; with `unknown_only`, those that wait for a person or a probe.
    ///
    /// # Errors
    /// The store fails.
    pub async fn effects(&self, unknown_only: bool) -> Result<Vec<OpenActionRow>, RunError> {
        let state = unknown_only.then_some(ActionState::Unknown);
        self.open_actions(ActionQuery { state, limit: u32::MAX, ..ActionQuery::default() }).await
    }

    /// Actions whose outcome is not recorded, a page of them.
    ///
    /// # Errors
    /// The store fails.
    pub async fn open_actions(&self, query: ActionQuery) -> Result<Vec<OpenActionRow>, RunError> {
        self.inner.store.open_actions(query).await.map_err(|why| RunError::store("read the open actions", why))
    }

    /// Says what became of an action whose outcome is unknown: of its sending `attempt`, or of the last one as it stands now. By the
    /// time its run reads it, the word counts for no other sending.
    ///
    /// # Errors
    /// No such action waits for a person, it was sent again since, or the store fails.
    pub async fn resolve(
        &self,
        run: RunId,
        (step, attempt): (&StepPath, Option<u32>),
        outcome: Outcome,
        reason: &str,
        asker: &Asker,
    ) -> Result<Posted, RunError> {
        let open = self.open_actions(ActionQuery { run: Some(run), limit: u32::MAX, ..ActionQuery::default() }).await?;
        let sent = match open.iter().find(|row| *row.action.step == *step.as_str()) {
            Some(row) if attempt.is_some_and(|attempt| attempt != row.action.attempt) => {
                let (action, sent) = (&row.action.action, row.action.attempt);
                let said = attempt.unwrap_or_default();
                let why = format!("`{action}` at `{step}` stands at sending {sent}, not {said}: look at it again");
                return Err(RunError::NotTaken { why });
            }
            Some(row) if row.state == ActionState::Unknown => row.action.attempt,
            Some(row) => {
                let why = format!(
                    "`{}` at `{step}` was sent and may still answer: its outcome is not unknown yet",
                    row.action.action
                );
                return Err(RunError::NotTaken { why });
            }
            None => {
                let others: Vec<&str> = open.iter().map(|row| &*row.action.step).collect();
                let others = if others.is_empty() {
                    "no action of it is open".to_owned()
                } else {
                    format!("open: {}", others.join(", "))
                };
                return Err(RunError::NotTaken { why: format!("run {run} has no open action at `{step}`; {others}") });
            }
        };
        let mut body = vec![
            ("step", Value::from(step.as_str())),
            ("attempt", Value::from(sent)),
            ("reason", Value::from(reason)),
            ("auth", Value::Text(asker.auth.clone())),
        ];
        match outcome {
            Outcome::Performed { output, external_id } => {
                body.extend([("resolution", Value::from("performed")), ("output", output)]);
                body.extend(external_id.map(|id| ("external_id", Value::Text(id))));
            }
            Outcome::NotPerformed => body.push(("resolution", Value::from("not_performed"))),
            Outcome::GivenUp => body.push(("resolution", Value::from("given_up"))),
        }
        self.post(run, "resolve", "".into(), &Value::map(body), None, asker.by.clone(), true).await
    }

    /// Erases what a run held: bodies and salts of its journal, blobs, messages, cards, its keys. Its chain still verifies, and who erased
    /// it and why is written down first: a crash in between leaves the word without the deed, and the same call again does it.
    ///
    /// # Errors
    /// [`RunError::NotTaken`] while the run is not over; there is no such run, or the store fails.
    pub async fn erase(&self, run: RunId, reason: &str, asker: &Asker) -> Result<u64, RunError> {
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        let row = store.run(run).await.map_err(|why| RunError::store("read the run", why))?;
        let row = row.ok_or(RunError::NoRun { run })?;
        let open = |status: Status| RunError::NotTaken {
            why: format!(
                "run {run} is {}: what it holds is what it goes on from; it is erased once it is over",
                status.as_str()
            ),
        };
        if !row.status.is_final() {
            return Err(open(row.status));
        }
        let first = store.journal(run, 0, 1).await.map_err(|why| RunError::store("read the run", why))?;
        if first.first().is_some_and(|entry| entry.body.is_none()) {
            return Err(RunError::NotTaken { why: format!("run {run} was erased before: who did, and why, stands") });
        }
        let change = Change::Erase { run, reason: reason.into() };
        let generation = self.govern(&change, None, None, asker).await?;
        match store.erase(run, now).await.map_err(|why| RunError::store("erase the run", why))? {
            Erased::Done => Ok(generation),
            Erased::NotOver { status } => Err(open(status)),
        }
    }

    pub(crate) fn wake(&self, run: RunId) {
        if let Some(local) = &*self.inner.local()
            && !local.poke(run)
        {
            local.due_by(self.inner.clock.now());
        }
    }

    /// What the run asked, from its journal: the chain is verified on the way.
    ///
    /// # Errors
    /// The journal is damaged or says otherwise, or the store fails.
    pub async fn asked(&self, row: &ApprovalRow) -> Result<Asked, RunError> {
        let run = row.run;
        let broken = |detail: String| RunError::Journal { run, detail };
        let (mut head, mut started, mut found) = (Head::START, None, None);
        let (mut proposals, mut reasons) = (BTreeMap::new(), BTreeMap::new());
        loop {
            let read = self.inner.store.journal(run, head.seq, PAGE).await;
            let entries = read.map_err(|why| RunError::store("read the run", why))?;
            head = kernel::journal::verify(run, head, &entries).map_err(|why| broken(why.to_string()))?;
            for entry in &entries {
                match entry.event().map_err(|why| broken(why.to_string()))? {
                    Event::RunStarted { project, bundle, workflow, .. } => {
                        started = Some((project, (bundle, workflow)))
                    }
                    Event::ApprovalRequested { approval, proposal, terms, card, .. } => {
                        proposals.extend(proposal.map(|proposal| (approval.clone(), (entry.seq, proposal))));
                        if approval == row.id {
                            found = Some((card, terms));
                        }
                    }
                    Event::ApprovalEscalated { approval, to, terms, card, .. } => {
                        // Whoever is asked then is asked about the same.
                        let same = proposals.remove(&approval);
                        proposals.extend(same.map(|proposal| (to.clone(), proposal)));
                        if to == row.id {
                            found = Some((card, terms));
                        }
                    }
                    Event::VoteReceived { approval, vote, .. } if approval == row.id => {
                        reasons.extend(vote.by.person().cloned().zip(vote.reason));
                    }
                    _ => {}
                }
            }
            if entries.len() < PAGE as usize {
                break;
            }
        }
        let (card, terms) = found.ok_or_else(|| broken(format!("it never asked for `{}`", row.id)))?;
        let held = card;
        let card = self.read_held(run, &held).await?;
        let (project, program) = started.ok_or_else(|| broken("it has no first entry".to_owned()))?;
        let proposal = proposals.remove(&row.id);
        Ok(Asked { project, program, held, card, terms, proposal, reasons })
    }
}

/// Entries read at a time.
pub(crate) const PAGE: u32 = 1_000;

/// What a run asked people, as its journal says.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The project whose people decide.
    pub project: Arc<str>,
    /// The card.
    pub card: Value,
    /// Who may decide, and until when.
    pub terms: Terms,
    /// What is to be done, and the entry that asked about it first; `None`: the step asks and does nothing else.
    pub proposal: Option<(u64, Proposal)>,
    /// Why people decided so, by person, as far as they said.
    pub reasons: BTreeMap<Arc<str>, String>,
    held: Held,
    program: (Digest, Arc<str>),
}

/// What the store keeps beside an open approval: the card, and the terms that bind it.
pub(crate) fn card_bytes(card: &Held, terms: &Terms) -> Arc<[u8]> {
    #[derive(serde::Serialize)]
    struct Kept<'k> {
        card: &'k Held,
        terms: &'k Terms,
    }
    let kept = kernel::jcs::to_vec(&Kept { card, terms });
    kept.expect("values, texts and digests are JSON: held by the fields of Terms").into()
}

fn closed(state: ApprovalState) -> String {
    match state {
        ApprovalState::Consumed => "it is approved, and the action has begun".to_owned(),
        state => format!("this is decided already: it is {}", state.as_str()),
    }
}

fn known_scope(scope: &str) -> Result<(), RunError> {
    if is_scope(scope) {
        return Ok(());
    }
    let why = format!(
        "`{scope}` is no scope: write `tool:NAME`, `tool:NAME.OPERATION`, `model:NAME`, `workflow:NAME` or `tenant:NAME`"
    );
    Err(RunError::NotTaken { why })
}

pub(crate) fn no_charter(why: NoCharter) -> RunError {
    match why {
        NoCharter::Bad(why) => RunError::NotTaken { why: format!("the rules cannot be followed: {why}") },
        NoCharter::Store(why) => RunError::store("read the rules", why),
    }
}

impl engine::Halt {
    pub(crate) fn of_charter(why: NoCharter) -> Result<store::StoreError, engine::Halt> {
        match why {
            NoCharter::Bad(why) => Err(engine::Halt::Blocked(format!("the rules of today cannot be followed: {why}"))),
            NoCharter::Store(why) => Ok(why),
        }
    }
}
