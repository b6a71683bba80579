//! `run --crash-at STEP`: a second process is killed in the middle of the step, and the run goes on in this one.
//!
//! The second process stops itself at the worst moment and says so through its standard output: a step that goes outside, when the
//! outside has acted and the answer is not recorded; any other step, when the store has acknowledged an entry about it. Then it is
//! killed with SIGKILL, which no process can catch.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::{ExitStatus, Stdio},
    sync::Arc,
};

use async_trait::async_trait;
use gateway::{Outcome, Provider, Reply, Tool};
use kernel::{
    complaint::did_you_mean,
    context::ModelRequest,
    governance::Permit,
    ids::{Digest, RunId, StepPath, WorkerId},
    journal::{Entry, Event},
    step::Kind,
    values::{Span, Timestamp},
    workflow::Program,
};
use serde_json::json;
use store::{
    Append, Appended, ApprovalQuery, ApprovalRow, Beat, BudgetRow, Change, Claimed, Cooldown, CounterNow, CounterQuery,
    DirtyHeads, Erased, Finding, GovernanceEntry, Governed, KeptAnswer, LateResult, Message, NewRun, OpenActionRow,
    OutMessage, OutQuery, OutRow, OutcomeQuery, OutcomeSaid, Posted, Published, Reservation, RunOutcome, RunQuery,
    RunRow, Seal, Sealed, Started, Store, StoreError, Taken, Tried, VersionRow, Vote, Voted, WorkClaimed, WorkQuery,
    WorkRow,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
    sync::watch,
};

use super::{
    Scene,
    graph::each_step,
    out::{BAD, FAINT, GOOD, WAIT, count, paint},
    run::{self, Plan},
    session::{self, Driver},
};
use crate::{
    error::CliError,
    exit::Exit,
    notebook::{self, Notebook},
    reach::Reach,
    story::Story,
};

/// Stops the process that is to be killed.
pub(super) struct Trip {
    step: String,
    /// The step goes outside: the moment is when the outside has acted.
    outside: bool,
    what: watch::Sender<Option<String>>,
}

impl Trip {
    /// `programs`: in which the step may stand.
    pub(super) fn new(step: &str, programs: &[&Program]) -> Arc<Trip> {
        let name = StepPath::new(step).name().to_owned();
        let mut outside = false;
        for stage in programs.iter().flat_map(|program| &program.stages) {
            each_step(&stage.steps, &mut |one| {
                outside |= *one.name == *name && (one.call().is_some() || matches!(one.kind, Kind::Reason(_)));
            });
        }
        Arc::new(Trip { step: step.to_owned(), outside, what: watch::Sender::new(None) })
    }

    /// Ready when the moment has come, with the line to print.
    pub(super) async fn tripped(&self) -> String {
        let mut what = self.what.subscribe();
        match what.wait_for(Option::is_some).await {
            Ok(what) => format!("{}\n", what.as_deref().unwrap_or_default()),
            Err(_) => std::future::pending().await,
        }
    }

    fn fits(&self, step: &StepPath) -> bool {
        step.as_str() == self.step || step.name() == self.step
    }

    /// Says that the moment has come and never goes on.
    async fn stop(&self, step: &StepPath, what: &str) {
        let line = json!({ "kind": "crash", "step": step, "what": what }).to_string();
        self.what.send_if_modified(|said| {
            let first = said.is_none();
            said.get_or_insert(line);
            first
        });
        std::future::pending::<()>().await;
    }

    /// Puts itself between the engine and what it reaches.
    pub(super) fn reach(self: Arc<Self>, all: Reach) -> Reach {
        let between = |one| -> Arc<dyn Tool> { Arc::new(Tripping { inner: one, trip: self.clone() }) };
        let asked = |one| -> Arc<dyn Provider> { Arc::new(Tripping { inner: one, trip: self.clone() }) };
        Reach {
            tools: all.tools.into_iter().map(|(name, one)| (name, between(one))).collect(),
            models: all.models.into_iter().map(|(name, one)| (name, asked(one))).collect(),
            channels: all.channels,
            sites: all.sites,
        }
    }

    /// Puts itself between the engine and the store.
    pub(super) fn store(self: &Arc<Self>, inner: Arc<dyn Store>) -> Arc<dyn Store> {
        Arc::new(Tripping { inner, trip: self.clone() })
    }
}

struct Tripping<T: ?Sized> {
    trip: Arc<Trip>,
    inner: Arc<T>,
}

#[async_trait]
impl Tool for Tripping<dyn Tool> {
    async fn call(&self, permit: &Permit) -> Outcome {
        let outcome = self.inner.call(permit).await;
        if self.trip.fits(permit.step()) {
            let what = format!("{}.{} had acted, and its answer was not recorded", permit.tool(), permit.operation());
            self.trip.stop(permit.step(), &what).await;
        }
        outcome
    }
}

#[async_trait]
impl Provider for Tripping<dyn Provider> {
    async fn ask(&self, request: &ModelRequest) -> Reply {
        let reply = self.inner.ask(request).await;
        if self.trip.fits(&request.step) {
            let what = format!("the model {} had answered, and its answer was not recorded", request.model);
            self.trip.stop(&request.step, &what).await;
        }
        reply
    }
}

#[async_trait]
impl Store for Tripping<dyn Store> {
    async fn append(&self, append: Append) -> Result<Appended, StoreError> {
        let events: Vec<Event> = append.entries.iter().filter_map(|entry| entry.event().ok()).collect();
        let appended = self.inner.append(append).await?;
        for event in &events {
            // What goes outside is stopped there, unless it comes to nothing before.
            let opens =
                matches!(event, Event::ModelAsked { .. } | Event::ActionStarted { .. } | Event::ActionResent { .. });
            let Some(step) = event.step().filter(|step| self.trip.fits(step) && !(self.trip.outside && opens)) else {
                continue;
            };
            if matches!(appended, Appended::Done { .. }) {
                self.trip.stop(step, &format!("this entry was durable: {}", kernel::story::line(event))).await;
            }
        }
        Ok(appended)
    }

    async fn start(&self, run: NewRun) -> Result<Started, StoreError> {
        self.inner.start(run).await
    }

    async fn claim(&self, worker: WorkerId, limit: u32, now: Timestamp) -> Result<Vec<Claimed>, StoreError> {
        self.inner.claim(worker, limit, now).await
    }

    async fn post(&self, run: RunId, message: Message, pardon: bool) -> Result<Posted, StoreError> {
        self.inner.post(run, message, pardon).await
    }

    async fn publish(&self, event: Published) -> Result<bool, StoreError> {
        self.inner.publish(event).await
    }

    async fn inbox(&self, run: RunId, after: u64) -> Result<Vec<Message>, StoreError> {
        self.inner.inbox(run, after).await
    }

    async fn journal(&self, run: RunId, after: u64, limit: u32) -> Result<Vec<Entry>, StoreError> {
        self.inner.journal(run, after, limit).await
    }

    async fn blob(&self, run: RunId, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.inner.blob(run, digest).await
    }

    async fn run(&self, run: RunId) -> Result<Option<RunRow>, StoreError> {
        self.inner.run(run).await
    }

    async fn runs(&self, query: RunQuery) -> Result<Vec<RunRow>, StoreError> {
        self.inner.runs(query).await
    }

    async fn versions(
        &self,
        workflow: Arc<str>,
        after: Option<RunId>,
        upto: Option<RunId>,
    ) -> Result<Vec<VersionRow>, StoreError> {
        self.inner.versions(workflow, after, upto).await
    }

    async fn say_outcome(&self, outcome: RunOutcome) -> Result<OutcomeSaid, StoreError> {
        self.inner.say_outcome(outcome).await
    }

    async fn outcomes(&self, query: OutcomeQuery) -> Result<Vec<RunOutcome>, StoreError> {
        self.inner.outcomes(query).await
    }

    async fn put_bundle(&self, digest: Digest, bytes: Arc<[u8]>, now: Timestamp) -> Result<(), StoreError> {
        self.inner.put_bundle(digest, bytes, now).await
    }

    async fn bundle(&self, digest: Digest) -> Result<Option<Arc<[u8]>>, StoreError> {
        self.inner.bundle(digest).await
    }

    async fn join(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<(), StoreError> {
        self.inner.join(worker, lease, now).await
    }

    async fn beat(&self, worker: WorkerId, lease: Span, now: Timestamp) -> Result<Beat, StoreError> {
        self.inner.beat(worker, lease, now).await
    }

    async fn leave(&self, worker: WorkerId, now: Timestamp) -> Result<(), StoreError> {
        self.inner.leave(worker, now).await
    }

    async fn reap(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.reap(now).await
    }

    async fn next_due(&self) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_due().await
    }

    async fn salvage(&self, late: LateResult) -> Result<(), StoreError> {
        self.inner.salvage(late).await
    }

    async fn late_results(&self, run: RunId) -> Result<Vec<LateResult>, StoreError> {
        self.inner.late_results(run).await
    }

    async fn govern(&self, change: Change) -> Result<Governed, StoreError> {
        self.inner.govern(change).await
    }

    async fn governance(&self, after: u64) -> Result<Vec<GovernanceEntry>, StoreError> {
        self.inner.governance(after).await
    }

    async fn counters(&self, queries: &[CounterQuery]) -> Result<Vec<CounterNow>, StoreError> {
        self.inner.counters(queries).await
    }

    async fn vote(&self, vote: Vote) -> Result<Voted, StoreError> {
        self.inner.vote(vote).await
    }

    async fn approvals(&self, query: ApprovalQuery) -> Result<Vec<ApprovalRow>, StoreError> {
        self.inner.approvals(query).await
    }

    async fn budgets(&self) -> Result<Vec<BudgetRow>, StoreError> {
        self.inner.budgets().await
    }

    async fn open_actions(&self, unknown_only: bool) -> Result<Vec<OpenActionRow>, StoreError> {
        self.inner.open_actions(unknown_only).await
    }

    async fn work(&self, query: WorkQuery) -> Result<Vec<WorkRow>, StoreError> {
        self.inner.work(query).await
    }

    async fn claim_work(&self, work: Arc<str>, by: Arc<str>, now: Timestamp) -> Result<WorkClaimed, StoreError> {
        self.inner.claim_work(work, by, now).await
    }

    async fn release_work(&self, work: Arc<str>, by: Arc<str>) -> Result<bool, StoreError> {
        self.inner.release_work(work, by).await
    }

    async fn tell(&self, run: RunId, message: OutMessage) -> Result<bool, StoreError> {
        self.inner.tell(run, message).await
    }

    async fn take_outbox(
        &self,
        channels: &[Arc<str>],
        limit: u32,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<OutRow>, StoreError> {
        self.inner.take_outbox(channels, limit, now, until).await
    }

    async fn outbox_tried(&self, id: Arc<str>, tried: Tried) -> Result<bool, StoreError> {
        self.inner.outbox_tried(id, tried).await
    }

    async fn outbox_again(&self, id: Arc<str>, now: Timestamp) -> Result<bool, StoreError> {
        self.inner.outbox_again(id, now).await
    }

    async fn outbox(&self, query: OutQuery) -> Result<Vec<OutRow>, StoreError> {
        self.inner.outbox(query).await
    }

    async fn next_outbox(&self, channels: &[Arc<str>]) -> Result<Option<Timestamp>, StoreError> {
        self.inner.next_outbox(channels).await
    }

    async fn take(
        &self,
        bucket: Arc<str>,
        now: Timestamp,
        interval_us: i64,
        burst: u32,
        n: u32,
    ) -> Result<Taken, StoreError> {
        self.inner.take(bucket, now, interval_us, burst, n).await
    }

    async fn push_back(&self, bucket: Arc<str>, until: Timestamp) -> Result<(), StoreError> {
        self.inner.push_back(bucket, until).await
    }

    async fn cooldowns(&self) -> Result<Vec<Cooldown>, StoreError> {
        self.inner.cooldowns().await
    }

    async fn answer(&self, key: Digest) -> Result<Option<KeptAnswer>, StoreError> {
        self.inner.answer(key).await
    }

    async fn answers(&self, after: Option<Digest>, limit: u32) -> Result<Vec<KeptAnswer>, StoreError> {
        self.inner.answers(after, limit).await
    }

    async fn forget_answers(&self, keys: Vec<Digest>) -> Result<u64, StoreError> {
        self.inner.forget_answers(keys).await
    }

    async fn drop_answers(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.inner.drop_answers(now).await
    }

    async fn end_cooldown(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        self.inner.end_cooldown(scope, change).await
    }

    async fn unfreeze(&self, scope: Arc<str>, change: Change) -> Result<bool, StoreError> {
        self.inner.unfreeze(scope, change).await
    }

    async fn orphans(&self) -> Result<Vec<Reservation>, StoreError> {
        self.inner.orphans().await
    }

    async fn sweep(&self) -> Result<u64, StoreError> {
        self.inner.sweep().await
    }

    async fn erase(&self, run: RunId, now: Timestamp) -> Result<Erased, StoreError> {
        self.inner.erase(run, now).await
    }

    async fn dirty_heads(&self, limit: u32) -> Result<DirtyHeads, StoreError> {
        self.inner.dirty_heads(limit).await
    }

    async fn add_seal(&self, seal: Seal) -> Result<Sealed, StoreError> {
        self.inner.add_seal(seal).await
    }

    async fn last_seal(&self) -> Result<Option<Seal>, StoreError> {
        self.inner.last_seal().await
    }

    async fn seals(&self, after: u64, limit: u32) -> Result<Vec<Seal>, StoreError> {
        self.inner.seals(after, limit).await
    }

    async fn adopt(&self, instance: Arc<str>) -> Result<(), StoreError> {
        self.inner.adopt(instance).await
    }

    async fn instance_id(&self) -> Result<Arc<str>, StoreError> {
        self.inner.instance_id().await
    }

    async fn check(&self) -> Result<Vec<Finding>, StoreError> {
        self.inner.check().await
    }
}

/// What the second process had said before it was killed.
struct Killed {
    run: RunId,
    step: String,
    what: String,
    status: ExitStatus,
    /// The last entry that was shown.
    shown: u64,
}

/// Kills the run at `step` and goes on with it.
pub(super) fn run(scene: &Scene, plan: &Plan, step: &str) -> Result<Exit, CliError> {
    known(plan, step)?;
    scene.block_on(async {
        let killed = match child(scene, plan, step).await? {
            Ok(killed) => killed,
            Err(exit) => return Ok(exit),
        };
        again(scene, plan, &killed).await
    })
}

/// The program that is to run, and those that it hands work to, directly or not.
pub(super) fn reached(plan: &Plan) -> Result<Vec<&Program>, CliError> {
    let mut found: Vec<&Program> = vec![plan.program()?];
    let mut at = 0;
    while let Some(program) = found.get(at).copied() {
        let mut names: BTreeSet<Arc<str>> = BTreeSet::new();
        for stage in &program.stages {
            each_step(&stage.steps, &mut |step| {
                if let Kind::Specialist(specialist) = &step.kind {
                    names.insert(specialist.to.clone());
                }
            });
        }
        let new = names.iter().filter_map(|name| plan.project.workflows.get(name));
        for program in new {
            if found.iter().all(|known| known.name != program.name) {
                found.push(program);
            }
        }
        at += 1;
    }
    Ok(found)
}

/// Refuses a step that neither the workflow has nor one that it hands work to, before anything runs.
fn known(plan: &Plan, step: &str) -> Result<(), CliError> {
    let (program, programs) = (plan.program()?, reached(plan)?);
    let mut names: Vec<&str> = Vec::new();
    for stage in programs.iter().flat_map(|program| &program.stages) {
        each_step(&stage.steps, &mut |step| names.push(&step.name));
    }
    if names.contains(&StepPath::new(step).name()) {
        return Ok(());
    }
    let error = CliError::usage(format!("the workflow {} has no step `{step}`", program.name));
    let near = did_you_mean(step, names.iter().copied()).unwrap_or_else(|| format!("one of {}", names.join(", ")));
    Err(error.hint(near))
}

/// Runs the second process until it stops itself, and kills it. `Err` when it ended before that.
async fn child(scene: &Scene, plan: &Plan, step: &str) -> Result<Result<Killed, Exit>, CliError> {
    let out = &scene.out;
    let wanted = plan.wanted.as_ref().ok_or_else(|| CliError::internal("a crash needs a run to start"))?;
    let program = std::env::current_exe().map_err(|error| CliError::io("this program cannot find itself", error))?;
    let mut command = Command::new(program);
    command.arg("run").arg(&plan.folder).arg("--data").arg(&plan.dir).args(["--workflow", &wanted.workflow, "--json"]);
    command.arg("--input").arg(wanted.input.to_json()).args(["--crash-child", step, "--detach", "no"]);
    if let Some(key) = &wanted.key {
        command.args(["--key", key]);
    }
    if let Some(by) = &wanted.by {
        command.args(["--as", by]);
    }
    if let Some(profile) = &plan.profile {
        command.args(["--profile", profile]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(|error| CliError::io("the second process cannot be started", error))?;
    let pipes = child.stdout.take().zip(child.stderr.take());
    let (stdout, mut stderr) = pipes.ok_or_else(|| CliError::internal("the second process has no pipes"))?;
    let errors = tokio::spawn(async move {
        let mut text = String::new();
        // What cannot be read is not shown; the exit code says enough.
        let _ = stderr.read_to_string(&mut text).await;
        text
    });
    let mut lines = BufReader::new(stdout).lines();
    let failed = |error| CliError::io("the second process cannot be listened to", error);
    let (mut story, mut seen): (Option<Story<'_>>, u64) = (None, 0);
    while let Some(line) = lines.next_line().await.map_err(failed)? {
        let Ok(object) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        let text = |key: &str| object[key].as_str().unwrap_or_default().to_owned();
        match object["kind"].as_str() {
            Some("run") => {
                let run = text("run").parse().map_err(|_| CliError::internal("the second process named no run"))?;
                run::heading(scene, plan, run, &text("workflow"));
                story = Some(Story::new(out, run));
            }
            Some("entry") => {
                let event = serde_json::from_value::<Event>(object["event"].clone());
                if let (Some(story), Ok(event)) = (&mut story, event) {
                    seen = object["seq"].as_u64().unwrap_or(seen);
                    story.show(object["elapsed_us"].as_i64().unwrap_or(0), &event, &object);
                }
            }
            Some("crash") => {
                // On this system family it is SIGKILL: no handler runs, nothing is flushed, no lock is given back politely.
                child.kill().await.map_err(|error| CliError::io("the second process cannot be killed", error))?;
                let status = child
                    .wait()
                    .await
                    .map_err(|error| CliError::io("the second process cannot be waited for", error))?;
                let run = story.as_ref().map(|story| story.state.run);
                let run = run.ok_or_else(|| CliError::internal("the second process stopped before its run began"))?;
                if let Some(story) = &mut story {
                    story.still();
                }
                return Ok(Ok(Killed { run, step: text("step"), what: text("what"), status, shown: seen }));
            }
            _ => {}
        }
    }
    let status = child.wait().await.map_err(|error| CliError::io("the second process cannot be waited for", error))?;
    if let Some(story) = &mut story {
        story.still();
    }
    let said = errors.await.unwrap_or_default();
    match status.code() {
        Some(0 | 1) => {
            let error = CliError::usage(format!("the run ended without reaching `{step}`: nothing was killed"));
            Err(error.hint("take a step that this input comes to"))
        }
        Some(130) => Ok(Err(Exit::Interrupted)),
        code => {
            let told = serde_json::from_str::<serde_json::Value>(said.trim()).unwrap_or_default();
            let error = &told["error"];
            let message = error["message"].as_str().map_or_else(|| said.trim().to_owned(), str::to_owned);
            let kind = crate::exit::Exit::of(code.unwrap_or(70));
            let hints = error["hints"].as_array().into_iter().flatten().filter_map(|hint| hint.as_str());
            Err(hints.fold(CliError::new(kind, message), |error, hint| error.hint(hint)))
        }
    }
}

/// Goes on in this process, and counts.
async fn again(scene: &Scene, plan: &Plan, killed: &Killed) -> Result<Exit, CliError> {
    let out = &scene.out;
    let store = plan.open()?;
    let run = killed.run;
    let before = session::journal(&*store, run).await?;
    let recorded: BTreeSet<StepPath> = before
        .iter()
        .filter_map(|entry| entry.event().ok())
        .filter_map(|event| Some(event.completes()?.0.clone()))
        .collect();
    announce(scene, killed, &before, &recorded);

    let surefoot = run::build(scene, plan, store.clone(), None)?;
    let mut driver = Driver::begin(&surefoot);
    let known = before.len() as u64;
    let mut story = Story::new(out, run);
    let rest = driver.follow(&mut story, known, plan.detach, std::future::pending()).await?;
    let words = run::words(scene, plan, &*store, (&story, &rest)).await?;
    let exit = run::tell_rest(scene, plan, &story, &rest, words);
    driver.end().await?;

    let after = session::journal(&*store, run).await?;
    let count = Count::of(&after, known, &recorded, &Notebook::of(&plan.folder))?;
    count.tell(scene, known);
    Ok(if count.holds() { exit } else { Exit::Unverified })
}

fn announce(scene: &Scene, killed: &Killed, before: &[Entry], recorded: &BTreeSet<StepPath>) {
    let out = &scene.out;
    if out.json {
        let steps: Vec<&StepPath> = recorded.iter().collect();
        out.object(&json!({ "kind": "killed", "run": killed.run, "step": killed.step, "what": killed.what,
            "signal": signal(killed.status), "entries": before.len(), "recorded": steps }));
        return;
    }
    let mut told = Story::new(out, killed.run);
    for entry in before {
        let Ok(event) = entry.event() else { continue };
        // Durable, and killed before it could say so.
        if entry.seq > killed.shown { told.tell(entry, &event) } else { told.know(entry, &event) }
    }
    told.still();
    let how = match signal(killed.status) {
        Some(signal) => format!("signal {signal}"),
        None => killed.status.to_string(),
    };
    out.line(paint(BAD, format!("            ✖ KILLED at {} ({how}): {}", killed.step, killed.what)));
    let entries = count(before.len() as u64, "entry").replace("entrys", "entries");
    out.line(paint(WAIT, format!("            ↻ goes on in another process from {entries} that were durable")));
    for step in recorded {
        out.line(paint(FAINT, format!("            = {step}: recorded, not done again")));
    }
}

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

/// What was done twice.
struct Count {
    /// Recorded steps of which a later entry speaks.
    again: Vec<StepPath>,
    /// Lines in the notebook, by idempotency key of this run.
    lines: BTreeMap<Arc<str>, usize>,
    /// Actions that were sent once more under the same key.
    resent: u64,
}

impl Count {
    fn of(
        entries: &[Entry],
        known: u64,
        recorded: &BTreeSet<StepPath>,
        notebook: &Notebook,
    ) -> Result<Count, CliError> {
        let (mut again, mut lines, mut resent) = (Vec::new(), BTreeMap::new(), 0);
        for entry in entries {
            let Ok(event) = entry.event() else { continue };
            if let Some(step) = event.step().filter(|step| entry.seq > known && recorded.contains(step)) {
                again.push(step.clone());
            }
            match event {
                Event::ActionStarted { proposal, key, .. }
                    if &*proposal.tool == notebook::NAME && &*proposal.operation == "save" =>
                {
                    lines.insert(Arc::from(key.as_str()), 0);
                }
                Event::ActionResent { .. } => resent += 1,
                _ => {}
            }
        }
        if !lines.is_empty() {
            let read = notebook.list();
            let read =
                read.map_err(|error| CliError::io(format!("{} cannot be read", notebook.file().display()), error))?;
            for line in read {
                if let Some(count) = lines.get_mut(&line.key) {
                    *count += 1;
                }
            }
        }
        Ok(Count { again, lines, resent })
    }

    fn holds(&self) -> bool {
        self.again.is_empty() && self.lines.values().all(|count| *count <= 1)
    }

    fn tell(&self, scene: &Scene, known: u64) {
        let out = &scene.out;
        if out.json {
            out.object(
                &json!({ "kind": "count", "entries_before": known, "done_again": self.again, "sent_again": self.resent,
                "effects": self.lines, "holds": self.holds() }),
            );
            return;
        }
        let mut parts = vec![
            count(known, "entry").replace("entrys", "entries") + " before the kill",
            format!("recorded steps done again: {}", self.again.len()),
        ];
        if !self.lines.is_empty() {
            let (least, most) =
                (self.lines.values().min().copied().unwrap_or(0), self.lines.values().max().copied().unwrap_or(0));
            let keys = count(self.lines.len() as u64, "key");
            let each = if least == most { count(most as u64, "line") } else { format!("{least} to {most} lines") };
            parts.push(format!("notebook: {keys}, {each} each"));
        }
        if self.resent > 0 {
            parts.push(format!("sent again under the same key: {}", self.resent));
        }
        let (style, mark) = if self.holds() { (GOOD, "held") } else { (BAD, "BROKEN") };
        out.line(format!("{} {}", paint(style, format!("{mark:<7}")), parts.join(" · ")));
    }
}
