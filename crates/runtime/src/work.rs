//! Work that runs hand to people: who has it, who may do it, and what came of it.
//!
//! A claim, a release and a reassignment are facts of the queue and stand in the store alone; only the answer goes to the run.

use std::sync::Arc;

use kernel::{
    governance::people::People,
    ids::{Digest, RunId, StepPath},
    journal::{Event, Head, Held},
    step::Kind,
    values::{Timestamp, Value},
    workflow::Program,
};
use store::{Posted, WorkClaimed, WorkQuery, WorkRow};

use crate::{
    RunError, Runtime,
    govern::{Asker, PAGE},
    programs::NoProgram,
};

/// What a run handed to people, as its journal says.
#[derive(Clone, Debug)]
pub struct Handed {
    /// The project whose people do it.
    pub project: Arc<str>,
    /// The envelope: from, to, task, artifact, evidence, contract, status.
    pub card: Value,
    /// What was answered first, and by whom, if it was.
    pub answer: Option<(Held, Arc<str>)>,
    program: (Digest, Arc<str>),
    queue: Arc<str>,
    due_at: Option<Timestamp>,
    held: Held,
}

/// What an answer came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkDone {
    /// The run that it was for.
    pub run: RunId,
    /// `false`: the same person gave the same answer before.
    pub new: bool,
}

impl Runtime {
    /// Work for people, oldest first.
    ///
    /// # Errors
    /// The store fails.
    pub async fn work(&self, query: WorkQuery) -> Result<Vec<WorkRow>, RunError> {
        self.inner.store.work(query).await.map_err(|why| RunError::store("read the work", why))
    }

    /// A person takes work, so that nobody else does it meanwhile. What somebody has who is away, or no longer of the group, is free.
    ///
    /// # Errors
    /// [`RunError::NoWork`], [`RunError::NotTaken`] with one sentence for the person, or the store fails.
    pub async fn claim_work(&self, work: &Arc<str>, asker: &Asker) -> Result<WorkRow, RunError> {
        let (row, handed) = self.find_work(work).await?;
        let people = self.at_hand(&row, &handed, &asker.by).await?;
        self.take_work(&row, &people, &asker.by).await?;
        Ok(row)
    }

    /// A person passes work on to another one of the group, or, without `to`, gives it back to all.
    ///
    /// # Errors
    /// As [`Runtime::claim_work`]; also if somebody else has it who is at hand, or `to` may not do it.
    pub async fn reassign_work(
        &self,
        work: &Arc<str>,
        to: Option<&Arc<str>>,
        asker: &Asker,
    ) -> Result<WorkRow, RunError> {
        let (row, handed) = self.find_work(work).await?;
        let people = self.at_hand(&row, &handed, &asker.by).await?;
        let now = self.inner.clock.now();
        if let Some(to) = to {
            may(&people, &row.queue, to, now)?;
        }
        if let Some(has) = &row.claimed_by {
            if *has != asker.by && may(&people, &row.queue, has, now).is_ok() {
                return Err(has_it(has, "passes it on"));
            }
            self.free(&row.id, has).await?;
        }
        if let Some(to) = to {
            self.take_work(&row, &people, to).await?;
        }
        Ok(row)
    }

    /// A person says what came of the work. The first answer that comes in time is the one; who answers has claimed the work by it.
    ///
    /// # Errors
    /// As [`Runtime::claim_work`]; also if the answer does not keep the contract, or comes too late.
    pub async fn answer_work(&self, work: &Arc<str>, output: Value, asker: &Asker) -> Result<WorkDone, RunError> {
        let (row, handed) = self.find_work(work).await?;
        if let Some((said, by)) = &handed.answer {
            let same = *by == asker.by && self.read_held(row.run, said).await? == output;
            return if same { Ok(WorkDone { run: row.run, new: false }) } else { Err(done(by)) };
        }
        let people = self.at_hand(&row, &handed, &asker.by).await?;
        let now = self.inner.clock.now();
        if let Some(due) = handed.due_at.filter(|due| *due <= now) {
            return Err(RunError::NotTaken { why: format!("the time to do this ran out at {due}") });
        }
        let program = self.program(row.run, &handed.program).await?;
        let step = program.step(StepPath::new(&*row.step).name());
        let fits = match step.map(|step| (step, &step.kind)) {
            Some(_) if handed.card.get("resolves").is_some() => {
                let why = "no answer settles this: say what became of it with `surefoot effects resolve`".to_owned();
                return Err(RunError::NotTaken { why });
            }
            Some((step, _)) if handed.card.get("recovers").is_some() => step.helps(&output),
            Some((_, Kind::Handoff(handoff))) => handoff.fits(&output),
            // A model was unsure: their answer is the step's value.
            Some((_, Kind::Reason(reason))) => reason.fits(&output),
            _ => Err(format!("the workflow has no handoff `{}`", row.step)),
        };
        fits.map_err(|why| RunError::NotTaken { why: format!("the answer does not keep the contract: {why}") })?;
        self.take_work(&row, &people, &asker.by).await?;
        let body = Value::map([
            ("step", Value::Text(row.step.clone())),
            ("work", Value::Text(row.id.clone())),
            ("output", output.clone()),
            ("auth", Value::Text(asker.auth.clone())),
            ("groups", Value::list(people.groups_at(&asker.by, now).into_iter().map(Value::Text))),
            ("directory", Value::from(people.digest().to_string())),
            ("at", Value::from(now.to_string())),
        ]);
        // One message for one piece of work: of two who answer at the same moment, one is told that it is done.
        let id = Some(format!("answer:{}", row.id).into());
        match self.post(row.run, "answer", "".into(), &body, id, asker.by.clone(), true).await? {
            Posted::Known { seq } => self.known(&row, seq, &output, asker).await,
            _ => Ok(WorkDone { run: row.run, new: true }),
        }
    }

    /// An answer had been posted that the run has not read yet.
    async fn known(&self, row: &WorkRow, seq: u64, output: &Value, asker: &Asker) -> Result<WorkDone, RunError> {
        let read = self.inner.store.inbox(row.run, seq - 1).await;
        let messages = read.map_err(|why| RunError::store("read the answer", why))?;
        let before = messages.into_iter().find(|message| message.seq == seq);
        let said = before.as_ref().and_then(|message| Value::from_json(&message.body).ok());
        match (before, said.as_ref().and_then(|body| body.get("output"))) {
            (Some(message), said) if message.sender == asker.by && said == Some(output) => {
                Ok(WorkDone { run: row.run, new: false })
            }
            (Some(message), _) => Err(done(&message.sender)),
            (None, _) => Err(RunError::NotTaken { why: "it is answered already".to_owned() }),
        }
    }

    async fn find_work(&self, work: &Arc<str>) -> Result<(WorkRow, Handed), RunError> {
        let query = WorkQuery { id: Some(work.clone()), ..WorkQuery::default() };
        let row = self.work(query).await?.into_iter().next().ok_or_else(|| RunError::NoWork { id: work.clone() })?;
        let handed = self.handed(&row).await?;
        Ok((row, handed))
    }

    /// The people of today, if the work is open and `by` may do it.
    async fn at_hand(&self, row: &WorkRow, handed: &Handed, by: &Arc<str>) -> Result<Arc<People>, RunError> {
        if row.queue != handed.queue || row.card.as_deref() != Some(&*envelope_bytes(&handed.held)) {
            let why = format!(
                "what `{}` shows is not what its run handed over: the database was changed, and nobody works on it",
                row.id
            );
            return Err(RunError::NotTaken { why });
        }
        if row.closed_at.is_some() {
            return Err(closed());
        }
        let people = self.charter().await?.project(&handed.project).people.clone();
        may(&people, &row.queue, by, self.inner.clock.now())?;
        Ok(people)
    }

    async fn take_work(&self, row: &WorkRow, people: &People, by: &Arc<str>) -> Result<(), RunError> {
        let (store, now) = (&self.inner.store, self.inner.clock.now());
        // Once more if who had it is gone.
        for _ in 0..2 {
            let claimed = store.claim_work(row.id.clone(), by.clone(), now).await;
            match claimed.map_err(|why| RunError::store("claim the work", why))? {
                WorkClaimed::Yes => return Ok(()),
                WorkClaimed::Closed => return Err(closed()),
                WorkClaimed::Missing => return Err(RunError::NoWork { id: row.id.clone() }),
                WorkClaimed::Taken { by: has } => {
                    if may(people, &row.queue, &has, now).is_ok() {
                        return Err(has_it(&has, "does it"));
                    }
                    self.free(&row.id, &has).await?;
                }
            }
        }
        Err(RunError::NotTaken { why: format!("somebody else took `{}` at the same moment", row.id) })
    }

    async fn free(&self, work: &Arc<str>, has: &Arc<str>) -> Result<(), RunError> {
        let released = self.inner.store.release_work(work.clone(), has.clone()).await;
        released.map(drop).map_err(|why| RunError::store("release the work", why))
    }

    /// What the run handed over, from its journal: the chain is verified on the way.
    ///
    /// # Errors
    /// The journal is damaged or says otherwise, or the store fails.
    pub async fn handed(&self, row: &WorkRow) -> Result<Handed, RunError> {
        let run = row.run;
        let broken = |detail: String| RunError::Journal { run, detail };
        let (mut head, mut started, mut opened, mut answer) = (Head::START, None, None, None);
        loop {
            let read = self.inner.store.journal(run, head.seq, PAGE).await;
            let entries = read.map_err(|why| RunError::store("read the run", why))?;
            head = kernel::journal::verify(run, head, &entries).map_err(|why| broken(why.to_string()))?;
            for entry in &entries {
                match entry.event().map_err(|why| broken(why.to_string()))? {
                    Event::RunStarted { project, bundle, workflow, .. } => {
                        started = Some((project, (bundle, workflow)));
                    }
                    Event::WorkOpened { work, queue, card, due_at, .. } if work == row.id => {
                        opened = Some((queue, card, due_at));
                    }
                    Event::WorkAnswered { work, output, by, .. } if work == row.id && answer.is_none() => {
                        answer = Some((output, by));
                    }
                    _ => {}
                }
            }
            if entries.len() < PAGE as usize {
                break;
            }
        }
        let (queue, held, due_at) = opened.ok_or_else(|| broken(format!("it never handed `{}` over", row.id)))?;
        let (project, program) = started.ok_or_else(|| broken("it has no first entry".to_owned()))?;
        let card = self.read_held(run, &held).await?;
        Ok(Handed { project, card, answer, program, queue, due_at, held })
    }

    /// A value of a run's journal.
    pub(crate) async fn read_held(&self, run: RunId, held: &Held) -> Result<Value, RunError> {
        let blob = match held {
            Held::Value(value) => return Ok(value.clone()),
            Held::Blob(blob) => blob,
        };
        let broken = |detail: String| RunError::Journal { run, detail };
        let bytes = self.inner.store.blob(run, blob.digest).await;
        let bytes = bytes.map_err(|why| RunError::store("read what was shown", why))?;
        let bytes = bytes.filter(|bytes| Digest::of(&[bytes]) == blob.digest);
        let bytes = bytes.ok_or_else(|| broken(format!("the blob {} is gone or damaged", blob.digest)))?;
        Value::from_json(&bytes).map_err(|why| broken(why.to_string()))
    }

    /// The program that a run follows.
    pub(crate) async fn program(&self, run: RunId, of: &(Digest, Arc<str>)) -> Result<Arc<Program>, RunError> {
        let (bundle, workflow) = of;
        let inner = &self.inner;
        let loaded = inner.programs.get(&*inner.store, &inner.natives, *bundle, workflow).await;
        match loaded {
            Ok(loaded) => Ok(loaded.program.clone()),
            Err(NoProgram::Bundle) => Err(RunError::BundleMissing { bundle: *bundle }),
            Err(NoProgram::Unreadable(detail)) => {
                Err(RunError::Journal { run, detail: format!("its program cannot be loaded: {detail}") })
            }
            Err(NoProgram::Store(why)) => Err(RunError::store("read the bundle", why)),
        }
    }
}

/// Whether this person may do work of this queue now, by the people of today.
fn may(people: &People, queue: &Arc<str>, by: &Arc<str>, now: Timestamp) -> Result<(), RunError> {
    let why = if people.person(by).is_none() {
        format!("`{by}` is not in people.yaml, and this is work for `{queue}`")
    } else if let Some(absence) = people.away(by, now) {
        format!("`{by}` is away until {}", absence.until())
    } else if !people.groups_at(by, now).contains(queue) {
        format!("`{by}` is not in the group `{queue}`, whose work this is")
    } else {
        return Ok(());
    };
    Err(RunError::NotTaken { why })
}

fn has_it(by: &str, what: &str) -> RunError {
    RunError::NotTaken { why: format!("`{by}` has taken this work: nobody else {what}") }
}

fn done(by: &str) -> RunError {
    RunError::NotTaken { why: format!("`{by}` has answered this already, and the first answer counts") }
}

fn closed() -> RunError {
    RunError::NotTaken { why: "this work is done, or not needed any more".to_owned() }
}

/// What the store keeps beside open work: the envelope as the journal holds it.
pub(crate) fn envelope_bytes(card: &Held) -> Arc<[u8]> {
    kernel::jcs::to_vec(card).expect("a value and a digest are JSON: held by the fields of Held").into()
}
