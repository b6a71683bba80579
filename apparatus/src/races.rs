//! Approvals that are decided a hundred times at once, by the same person and by others, with a card of yesterday, too late, by who
//! asked, and while the run is stopped. What was done is counted by a ledger outside.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use kernel::{
    governance::approval::{By, Decision, Vote},
    ids::{Digest, RunId},
    next::Starter,
    values::{Span, Value},
};
use runtime::{
    RunError, Runtime, Start,
    govern::{Asker, Decide, Decided},
};
use serde::Serialize;
use store::{ApprovalQuery, ApprovalRow, ApprovalState, Message, Status, Store, Voted, sqlite::SqliteStore};
use tokio::{sync::Barrier, task::JoinSet};

use self::world::{Jumping, PEOPLE, STARTER, project};
use crate::{
    ledger::Ledger,
    ledgerd::Ledgerd,
    mixed,
    mutants::{embed, open},
    victim::{self, Trouble, whole},
};

mod world;

/// `apparatus races`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Rounds of each race.
    #[arg(long, default_value_t = 20)]
    pub rounds: u64,
    /// A known mistake of the store or the runtime to switch on.
    #[arg(long)]
    pub mutant: Option<String>,
    /// Only this race.
    #[arg(long)]
    pub only: Option<String>,
}

/// What is played.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Race {
    /// One person agrees a hundred times at once.
    DoubleClick,
    /// One person agrees and refuses, fifty times each, at once.
    TwoMinds,
    /// Ten people agree, ten times each.
    Everybody,
    /// Five people agree and five refuse, ten times each.
    YesAndNo,
    /// One agrees, and a moment later another refuses: a no that was taken outweighs the yes.
    LateNo,
    /// A hundred decisions on a card that shows something else, past the first look as well; then one on the right card.
    StalePage,
    /// A hundred decisions after the time ran out.
    TooLate,
    /// The time runs out somewhere between the decision and its use.
    RunsOut,
    /// One edits what another agrees to.
    EditAndApprove,
    /// Who started the run agrees a hundred times; then somebody else does.
    OwnRequest,
    /// A run is cancelled, resumed and agreed to at once.
    CancelAndApprove,
}

const RACES: [Race; 11] = [
    Race::DoubleClick,
    Race::TwoMinds,
    Race::Everybody,
    Race::YesAndNo,
    Race::LateNo,
    Race::StalePage,
    Race::TooLate,
    Race::RunsOut,
    Race::EditAndApprove,
    Race::OwnRequest,
    Race::CancelAndApprove,
];

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Raced {
    /// Which.
    pub race: Race,
    /// How often it was played.
    pub rounds: u64,
    /// Calls that decided something, or tried.
    pub calls: u64,
    /// … that were the first of their person.
    pub new: u64,
    /// … that said again what the person had said.
    pub again: u64,
    /// … that were refused with a sentence.
    pub refused: u64,
    /// Actions that reached the receiver.
    pub executions: u64,
    /// Approvals that were used up.
    pub consumed: u64,
    /// Executions without a leave, beyond one, after a no, too late, or of something else; and answers that were not told as they must.
    pub wrong: Vec<String>,
}

/// Rounds of the races that go through the moments between a decision and its use.
const MOMENTS: u64 = 40;

/// How many calls race.
const CALLS: usize = 100;

/// Nothing waits for longer.
const PATIENCE: Duration = Duration::from_secs(20);

/// What the callers of one race were told.
#[derive(Default)]
struct Told {
    new: Vec<(Arc<str>, Decision)>,
    again: u64,
    refused: u64,
    calls: u64,
    odd: Vec<String>,
}

impl Told {
    fn take(&mut self, by: &str, decision: Decision, said: Result<Decided, RunError>) {
        self.calls += 1;
        match said {
            Ok(Decided::New { .. }) => self.new.push((by.into(), decision)),
            Ok(Decided::Again { .. }) => self.again += 1,
            Err(RunError::NotTaken { why }) if !why.is_empty() => self.refused += 1,
            Err(why) => self.odd.push(format!("`{by}` was told: {}", whole(&why))),
        }
    }
}

struct Ring {
    runtime: Runtime,
    store: Arc<SqliteStore>,
    clock: Arc<Jumping>,
    bundle: Digest,
    file: std::path::PathBuf,
    started: u64,
}

fn ask(by: &str) -> Asker {
    Asker { by: by.into(), auth: "local".into() }
}

fn no() -> Decision {
    Decision::Reject { reason: "no".to_owned() }
}

impl Ring {
    /// A run that waits for a person; gives what it asks.
    async fn asked(&mut self) -> Result<(u64, RunId, ApprovalRow), Trouble> {
        self.started += 1;
        let number = self.started;
        let int = |number: u64| Value::Int(i64::try_from(number).unwrap_or_default());
        let start = Start {
            bundle: self.bundle,
            workflow: "shoot".into(),
            input: Value::map([("run", int(number)), ("item", int(1))]),
            key: None,
            tenant: None,
            starter: Starter { project: world::NAME.into(), by: Some(STARTER.into()) },
        };
        let run = self.runtime.start(start).await?.run;
        let begun = Instant::now();
        loop {
            if let Some(row) = self.pending(run).await? {
                return Ok((number, run, row));
            }
            if begun.elapsed() > PATIENCE {
                return Err("nobody is asked".into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    async fn pending(&self, run: RunId) -> Result<Option<ApprovalRow>, Trouble> {
        let rows = self.runtime.approvals(ApprovalQuery { run: Some(run), ..ApprovalQuery::default() }).await?;
        Ok(rows.into_iter().find(|row| row.state == ApprovalState::Pending))
    }

    /// All at once.
    async fn race(
        &self,
        row: &ApprovalRow,
        shown: Digest,
        all: Vec<(&'static str, Decision)>,
    ) -> Result<Told, Trouble> {
        let barrier = Arc::new(Barrier::new(all.len()));
        let mut calls = JoinSet::new();
        for (by, decision) in all {
            let (runtime, barrier, approval) = (self.runtime.clone(), barrier.clone(), row.id.clone());
            calls.spawn(async move {
                barrier.wait().await;
                let decide = Decide { approval, decision: decision.clone(), shown: Some(shown), reason: None };
                (by, decision, runtime.decide(decide, &ask(by)).await)
            });
        }
        let mut told = Told::default();
        while let Some(call) = calls.join_next().await {
            let (by, decision, said) = call?;
            told.take(by, decision, said);
        }
        Ok(told)
    }

    /// Puts a vote on another card past the look that is taken before the store is asked.
    async fn past_the_look(&self, row: &ApprovalRow, by: &str, shown: Digest) -> Result<Voted, Trouble> {
        let people = self.runtime.charter().await?.project(world::NAME).people.clone();
        let now = runtime::Clock::now(&*self.clock);
        let vote = Vote::cast(By::Person(by.into()), Decision::Approve, shown, "local", &people, now);
        let said = Value::from_json(&serde_json::to_vec(&vote)?)?;
        let body = [("step", Value::Text(row.step.clone())), ("approval", Value::Text(row.id.clone())), ("vote", said)];
        let message = Message {
            seq: 0,
            id: format!("vote:{}:{by}", row.id).into(),
            kind: "vote".into(),
            name: "".into(),
            sender: by.into(),
            body: Value::map(body).to_jcs().into(),
            at: now,
        };
        let (approval, by, decision) = (row.id.clone(), by.into(), "approve".into());
        Ok(self.store.vote(store::Vote { approval, by, decision, shown, message, now }).await?)
    }

    /// Waits until the run is over, or waits for a person again and has read everything.
    async fn rest(&self, run: RunId) -> Result<Status, Trouble> {
        let begun = Instant::now();
        loop {
            let row = self.store.run(run).await?.ok_or("the run is gone")?;
            let waits = row.status == Status::Waiting && row.inbox_gen == row.inbox_read;
            if row.status.is_final() || (waits && row.wake_at.is_none_or(|at| at > row.updated_at)) {
                return Ok(row.status);
            }
            if begun.elapsed() > PATIENCE {
                return Err(format!("{run} does not come to rest: {row:?}").into());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// What reached the receiver for a run: the arguments.
    fn done(&self, number: u64) -> Result<Vec<u64>, Trouble> {
        let ledger = Ledger::read(&self.file)?;
        let ours = ledger.effects().filter(|line| line.body["run"] == number);
        Ok(ours.map(|line| line.body["item"].as_u64().unwrap_or_default()).collect())
    }

    /// One round; what is wrong goes to `raced`.
    async fn round(&mut self, race: Race, nth: u64, raced: &mut Raced) -> Result<(), Trouble> {
        let other = match race {
            Race::StalePage => Some(self.asked().await?.2.shown),
            _ => None,
        };
        let (number, run, row) = self.asked().await?;
        let mut wrong = Vec::new();
        let many = |by: &'static str, decision: Decision| vec![(by, decision); CALLS];
        // Decisions in turns, so that neither is first as a whole.
        let turns = |all: Vec<(&'static str, Decision)>| all.into_iter().cycle().take(CALLS).collect::<Vec<_>>();
        let yes = || Decision::Approve;
        let told = match race {
            Race::DoubleClick => self.race(&row, row.shown, many("ann", yes())).await?,
            Race::TwoMinds => self.race(&row, row.shown, turns(vec![("ann", yes()), ("ann", no())])).await?,
            Race::Everybody => self.race(&row, row.shown, turns(PEOPLE.map(|by| (by, yes())).into())).await?,
            Race::YesAndNo => {
                let all = PEOPLE.into_iter().enumerate();
                let all = all.map(|(at, by)| (by, if at.is_multiple_of(2) { yes() } else { no() })).collect();
                self.race(&row, row.shown, turns(all)).await?
            }
            Race::LateNo => {
                let (runtime, approval, shown) = (self.runtime.clone(), row.id.clone(), row.shown);
                let later = tokio::spawn(async move {
                    let until = Instant::now() + Duration::from_micros(nth * 100);
                    while Instant::now() < until {
                        tokio::task::yield_now().await;
                    }
                    let refuse = Decide { approval, decision: no(), shown: Some(shown), reason: None };
                    runtime.decide(refuse, &ask("bob")).await
                });
                let mut told = self.race(&row, row.shown, vec![("ann", yes())]).await?;
                told.take("bob", no(), later.await?);
                told
            }
            Race::StalePage => {
                let old = other.unwrap_or(Digest::ZERO);
                let told = self.race(&row, old, many("ann", yes())).await?;
                match self.past_the_look(&row, "bob", old).await? {
                    Voted::Stale { .. } => {}
                    other => wrong.push(format!("a vote on a card that was not shown: {other:?}")),
                }
                self.rest(run).await?;
                let done = self.done(number)?;
                if !told.new.is_empty() || !done.is_empty() {
                    wrong.push(format!(
                        "{} decisions on another card were taken, {} actions done",
                        told.new.len(),
                        done.len()
                    ));
                }
                let right = self.race(&row, row.shown, vec![("cid", yes())]).await?;
                Told { new: right.new, calls: told.calls + right.calls, odd: [told.odd, right.odd].concat(), ..told }
            }
            Race::TooLate => {
                self.clock.jump(Span::from_millis(5 * 3_600_000));
                let told = self.race(&row, row.shown, many("ann", yes())).await?;
                if !told.new.is_empty() {
                    wrong.push(format!("{} decisions were taken after the time", told.new.len()));
                }
                told
            }
            Race::RunsOut => {
                self.clock.jump_after(nth, Span::from_millis(5 * 3_600_000));
                let told = self.race(&row, row.shown, vec![("ann", yes())]).await?;
                self.rest_or_out(run).await?;
                self.clock.stay();
                told
            }
            Race::EditAndApprove => {
                let edit = Decision::Edit { with: Value::map([("item", Value::Int(2))]) };
                let told = self.race(&row, row.shown, turns(vec![("ann", edit), ("bob", yes())])).await?;
                self.rest(run).await?;
                // What was edited is a new action, and asks for itself: not who edited it may agree.
                if let Some(again) = self.pending(run).await? {
                    let more = self.race(&again, again.shown, vec![("ann", yes()), ("cid", yes())]).await?;
                    if more.new.iter().any(|(by, _)| &**by == "ann") {
                        wrong.push("who edited an action agreed to it".to_owned());
                    }
                }
                told
            }
            Race::OwnRequest => {
                let told = self.race(&row, row.shown, many(STARTER, yes())).await?;
                if !told.new.is_empty() {
                    wrong.push("who started the run agreed to its action".to_owned());
                }
                let right = self.race(&row, row.shown, vec![("ann", yes())]).await?;
                Told { new: right.new, calls: told.calls + right.calls, odd: [told.odd, right.odd].concat(), ..told }
            }
            Race::CancelAndApprove => {
                let runtime = self.runtime.clone();
                let both = tokio::spawn(async move {
                    // Later from round to round: before the decisions, among them, after them.
                    tokio::time::sleep(Duration::from_micros((nth - 1) % 20 * 800)).await;
                    (runtime.cancel(run, "harness").await, runtime.resume(run, "harness").await)
                });
                let told = self.race(&row, row.shown, many("ann", yes())).await?;
                for said in <[_; 2]>::from(both.await?) {
                    // Whoever comes when it is over is told so.
                    if let Err(why) = said
                        && !matches!(why, RunError::Over { .. })
                    {
                        wrong.push(format!("cancel or resume was told: {}", whole(&why)));
                    }
                }
                told
            }
        };
        self.judge(race, (number, run), told, wrong, raced).await
    }

    /// A run whose approval may have run out: it may still have to find that out.
    async fn rest_or_out(&self, run: RunId) -> Result<(), Trouble> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let row = self.store.run(run).await?.ok_or("the run is gone")?;
            if row.status.is_final() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Err(format!("{run} does not end although its time ran out or it was agreed to").into())
    }

    async fn judge(
        &self,
        race: Race,
        (number, run): (u64, RunId),
        told: Told,
        mut wrong: Vec<String>,
        raced: &mut Raced,
    ) -> Result<(), Trouble> {
        let status = self.rest(run).await?;
        let done = self.done(number)?;
        let query = ApprovalQuery { run: Some(run), all_states: true, ..ApprovalQuery::default() };
        let rows = self.runtime.approvals(query).await?;
        let consumed: Vec<&ApprovalRow> = rows.iter().filter(|row| row.state == ApprovalState::Consumed).collect();
        if done.len() != consumed.len() || done.len() > 1 {
            wrong.push(format!("{} executions, {} approvals used up", done.len(), consumed.len()));
        }
        for row in &consumed {
            let no = row.votes.iter().find(|vote| &*vote.decision == "reject");
            if let Some(no) = no {
                wrong.push(format!("`{}` had refused `{}`, and it was used up", no.by, row.id));
            }
            let yes = row.votes.iter().any(|vote| {
                &*vote.decision == "approve"
                    && vote.shown == row.shown
                    && &*vote.by != STARTER
                    && row.expires_at.is_none_or(|at| vote.at < at)
            });
            if !yes {
                wrong.push(format!("`{}` was used up, and nobody had agreed to it", row.id));
            }
            if row.expires_at.is_some_and(|at| row.closed_at.is_none_or(|closed| closed >= at)) {
                wrong.push(format!("`{}` was used up after its time", row.id));
            }
        }
        let mut said: BTreeMap<&str, u64> = BTreeMap::new();
        for (by, _) in &told.new {
            *said.entry(by).or_default() += 1;
        }
        wrong.extend(
            said.iter().filter(|(_, times)| **times > 1).map(|(by, times)| format!("`{by}` decided {times} times")),
        );
        wrong.extend(told.odd);
        let exactly = match race {
            Race::DoubleClick | Race::Everybody | Race::StalePage | Race::OwnRequest => Some(1),
            Race::EditAndApprove => Some(1),
            Race::TooLate => Some(0),
            Race::TwoMinds => Some(u64::from(told.new.iter().any(|(_, decision)| *decision == Decision::Approve))),
            Race::YesAndNo | Race::LateNo | Race::RunsOut | Race::CancelAndApprove => None,
        };
        if let Some(exactly) = exactly.filter(|exactly| *exactly != done.len() as u64) {
            wrong.push(format!("{} executions, not {exactly}; the run is {}", done.len(), status.as_str()));
        }
        let edited = told.new.iter().any(|(_, decision)| matches!(decision, Decision::Edit { .. }));
        if done.iter().any(|item| *item != 1 && !(edited && *item == 2)) {
            wrong.push(format!("{done:?} was done, and nobody had agreed to that"));
        }
        raced.calls += told.calls;
        raced.new += told.new.len() as u64;
        raced.again += told.again;
        raced.refused += told.refused;
        raced.executions += done.len() as u64;
        raced.consumed += consumed.len() as u64;
        raced.wrong.extend(wrong.into_iter().map(|why| format!("run {number}: {why}")));
        Ok(())
    }
}

/// Plays every race that the arguments want.
///
/// # Errors
/// The apparatus fails. What is wrong stands in the lines.
pub async fn races(
    arguments: &Arguments,
    say: &mut (dyn FnMut(&Raced) -> std::io::Result<()> + Send),
) -> Result<Vec<Raced>, Trouble> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("ledger");
    let ledgerd = Ledgerd::open(&file, 0).await?;
    let url = ledgerd.url();
    let served = tokio::spawn(ledgerd.serve());
    let mutant = arguments.mutant.as_deref();
    let (sources, project) = project()?;
    let store = open(&folder, mutant)?;
    let clock = Arc::new(Jumping::default());
    let gateway = mixed::reach(&sources, &project, &url)?;
    let runtime = embed(&store, mutant).gateway(gateway).clock(clock.clone()).build();
    runtime.deploy(&project.bundle).await?;
    runtime.enact(&world::NAME.into(), project.policies.as_deref(), Some(&world::people()), &ask("operator")).await?;
    let worker = tokio::spawn(runtime.worker().run(std::future::pending::<()>()));
    let mut ring = Ring { runtime, store, clock, bundle: project.bundle.digest, file, started: 0 };
    let mut all = Vec::new();
    for race in RACES {
        let name = serde_json::to_value(race)?;
        if arguments.only.as_deref().is_some_and(|only| name != only) {
            continue;
        }
        // These go through the moments one by one.
        let rounds = match race {
            Race::RunsOut | Race::LateNo => arguments.rounds.max(MOMENTS),
            _ => arguments.rounds,
        };
        let mut raced = Raced {
            race,
            rounds,
            calls: 0,
            new: 0,
            again: 0,
            refused: 0,
            executions: 0,
            consumed: 0,
            wrong: Vec::new(),
        };
        for nth in 1..=rounds {
            ring.round(race, nth, &mut raced).await?;
        }
        say(&raced)?;
        all.push(raced);
    }
    for finding in ring.store.check().await? {
        let detail = format!("the store: {}: {}", finding.rule, finding.detail);
        if let Some(last) = all.last_mut() {
            last.wrong.push(detail);
        }
    }
    worker.abort();
    served.abort();
    Ok(all)
}

/// Plays them with their lines on the standard output.
///
/// # Errors
/// The apparatus fails, or something was wrong.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let all = races(&arguments, &mut |raced| victim::say(raced)).await?;
    let sum = |of: fn(&Raced) -> u64| all.iter().map(of).sum::<u64>();
    let wrong: Vec<&String> = all.iter().flat_map(|raced| &raced.wrong).collect();
    let summary = serde_json::json!({
        "races": all.len(),
        "rounds": sum(|raced| raced.rounds),
        "calls": sum(|raced| raced.calls),
        "refused": sum(|raced| raced.refused),
        "executions": sum(|raced| raced.executions),
        "consumed": sum(|raced| raced.consumed),
        "wrong_executions": wrong.len(),
        "first": wrong.first(),
    });
    victim::say(&serde_json::json!({ "summary": summary }))?;
    match wrong.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} things went wrong, the first: {first}", wrong.len()).into()),
    }
}
