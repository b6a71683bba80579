//! Owners that stand still for three leases in the middle of a call, lose their run, and go on.
//!
//! SQLite admits one process, so both owners live in this one, with a runtime each over one store: all threads of the first stand still,
//! the second joins, which declares the first dead, and takes the run over. A whole process that is stopped and goes on is the second
//! part: nobody else can have its runs meanwhile.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use self::gate::{Gate, Gated, Gazing, OneLife};
use crate::{
    kill::Dice,
    ledger::{Class, Line, Mode},
    ledgerd::Setting,
    life::Outside,
    mixed::{self, CLASSES, Case, Mix},
    mutants::{Stage, first},
    oracle::{Oracle, Snapshot},
    resolver,
    victim::{self, Trouble, whole},
};
use kernel::{
    ids::StepPath,
    next::Starter,
    values::{Span, Value},
    workflow::project::Project,
};
use runtime::{
    Config, Runtime, Start, SystemClock,
    govern::{Asker, Outcome},
};
use serde::Serialize;
use store::{
    Status, Store,
    sqlite::{SqliteOptions, SqliteStore},
};

mod gate;

/// `apparatus zombies`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// How many owners stand still while another one takes over.
    #[arg(long, default_value_t = 200)]
    pub times: usize,
    /// How many whole processes are stopped and go on.
    #[arg(long, default_value_t = 20)]
    pub stops: u32,
    /// Played at once.
    #[arg(long, default_value_t = 4)]
    pub at_once: usize,
    /// What everything random is derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// In the middle of what an owner stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Window {
    /// Its intent is acknowledged, and nothing is sent.
    #[serde(rename = "W2")]
    BeforeSending,
    /// The receiver has it.
    #[serde(rename = "W3")]
    Sent,
    /// The answer is there, and not recorded.
    #[serde(rename = "W4")]
    Answered,
}

/// The threads of one owner: they end without being waited for.
struct Threads(Option<tokio::runtime::Runtime>);

impl Threads {
    fn spawn<F>(&self, future: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send + 'static> + Send + 'static,
    {
        self.0.as_ref().expect("they are taken when this is dropped").spawn(future)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

const WINDOWS: [Window; 3] = [Window::BeforeSending, Window::Sent, Window::Answered];

/// The lease of the first owner.
const LEASE: Span = Span::from_millis(200);

/// The lease of the second one, whom nobody is to declare dead on a busy machine.
const LONG_LEASE: Span = Span::from_millis(10_000);

/// How long the first stands still.
const STANDS: Duration = Duration::from_millis(600);

/// Nothing waits for longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// One line: an owner that lost its run.
#[derive(Clone, Debug, Serialize)]
pub struct Zombie {
    /// Which.
    pub zombie: usize,
    /// Where it stood.
    pub window: Window,
    /// Of which class its action was.
    pub class: Class,
    /// How often an engine found that the run was not its own any more.
    pub fenced: u64,
    /// Answers of it that were kept for the next owner.
    pub late: usize,
    /// How often the actions of the run were sent.
    pub requests: usize,
    /// How many effects they had.
    pub effects: usize,
    /// How many there were to be, at most.
    pub actions: usize,
    /// What the promise of `probed` leaves open.
    pub residual: usize,
    /// What is wrong, if something is.
    pub wrong: Option<String>,
}

impl Zombie {
    /// One that could not be played to its end.
    fn failed(zombie: usize, window: Window, class: Class, why: &(dyn std::error::Error + 'static)) -> Zombie {
        let wrong = Some(whole(why));
        let (fenced, late, requests, effects, actions, residual) = (0, 0, 0, 0, 0, 0);
        Zombie { zombie, window, class, fenced, late, requests, effects, actions, residual, wrong }
    }
}

/// The zombies of one class, in every window.
///
/// # Errors
/// The apparatus fails.
pub async fn of_class(program: &Path, class: Class, times: usize) -> Result<Vec<Zombie>, Trouble> {
    let each = WINDOWS.into_iter().cycle().take(WINDOWS.len() * times.max(1));
    play(program, 1, each.enumerate().map(|(at, window)| (at + 1, window, class)).collect(), |_| Ok(())).await
}

/// Plays these one after the other, over one ledger, on a thread of their own.
async fn play(
    program: &Path,
    seed: u64,
    all: Vec<(usize, Window, Class)>,
    say: impl Fn(&Zombie) -> std::io::Result<()> + Send + 'static,
) -> Result<Vec<Zombie>, Trouble> {
    let program = program.to_owned();
    let lane = move || tokio::runtime::Handle::current().block_on(lane(&program, seed, all, say));
    tokio::task::spawn_blocking(lane).await?
}

async fn lane(
    program: &Path,
    seed: u64,
    all: Vec<(usize, Window, Class)>,
    say: impl Fn(&Zombie) -> std::io::Result<()>,
) -> Result<Vec<Zombie>, Trouble> {
    let folder = tempfile::tempdir()?;
    let mut outside = Outside::start(program, &folder.path().join("ledger")).await?;
    let lag = Setting { kind: "book".to_owned(), lag_ms: Some(250), ..Setting::default() };
    outside.modes().set(&lag).await?;
    let mut zombies = Vec::new();
    for (number, window, class) in all {
        let zombie = one(&mut outside, seed, number, window, class).await;
        let zombie = zombie.unwrap_or_else(|why| Zombie::failed(number, window, class, &*why));
        say(&zombie)?;
        zombies.push(zombie);
    }
    Ok(zombies)
}

/// A runtime over `store` with everything that the project needs.
fn owner(
    store: &Arc<SqliteStore>,
    project: &Project,
    url: &str,
    gated: Option<(&Arc<Gate>, Window)>,
) -> Result<Runtime, Trouble> {
    let lease = if gated.is_some() { LEASE } else { LONG_LEASE };
    let config = Config { lease, ..Config::default() };
    let mut reach = mixed::reached(&mixed::sources(), project, url)?;
    let builder = Runtime::builder(store.clone()).config(config);
    let builder =
        builder.native("large@1", mixed::large).native("double@1", mixed::double).native("refuse@1", mixed::refuse);
    let builder = builder.native("poison@1", |_| Err("nobody drinks here".to_owned()));
    let builder = match gated {
        Some((gate, window)) => {
            for tool in reach.tools.values_mut() {
                let first = AtomicBool::new(false);
                *tool = Arc::new(Gated { inner: tool.clone(), gate: gate.clone(), window, first });
            }
            let clock = Gazing { clock: SystemClock::new(), gate: gate.clone() };
            builder.clock(Arc::new(clock)).random(Arc::new(OneLife(gate.clone())))
        }
        None => builder,
    };
    Ok(builder.gateway(reach.gateway()).build())
}

async fn until(what: &str, mut fact: impl AsyncFnMut() -> Result<bool, Trouble>) -> Result<(), Trouble> {
    let begun = Instant::now();
    while !fact().await? {
        if begun.elapsed() > PATIENCE {
            return Err(format!("waited in vain for {what}").into());
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
    Ok(())
}

async fn one(outside: &mut Outside, seed: u64, number: usize, window: Window, class: Class) -> Result<Zombie, Trouble> {
    let batch = number as u64;
    let folder = tempfile::tempdir()?;
    let store = Arc::new(SqliteStore::open(&folder.path().join("data"), SqliteOptions::default())?);
    let project = mixed::project()?;
    let case = Case { seed, batch, number: 4, mix: Some(Mix::only(class)) };
    let mut oracle = Oracle::new(batch, BTreeMap::from([(case.number, case.clone())]));
    let second = owner(&store, &project, &outside.url(batch, 2), None)?;
    let asker = Asker { by: "operator".into(), auth: "local".into() };
    second.deploy(&project.bundle).await?;
    second.enact(&mixed::NAME.into(), Some(&*mixed::policies(false)?), None, &asker).await?;
    second.limit(&project, &asker).await?;
    let start = Start {
        bundle: project.bundle.digest,
        workflow: case.workflow().into(),
        input: Value::from_json(&serde_json::to_vec(&case.input())?)?,
        key: Some(case.key().into()),
        tenant: None,
        starter: Starter { project: mixed::NAME.into(), by: None },
    };
    let run = second.start(start).await?.run;

    let gate = Arc::new(Gate::default());
    let zombie = owner(&store, &project, &outside.url(batch, 1), Some((&gate, window)))?;
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let threads = Threads(Some(threads));
    let first_life = threads.spawn(zombie.worker().run(std::future::pending::<()>()));
    let sender = Oracle::sender(batch, 1);
    let ours = |line: &&Line| line.sender.as_deref() == Some(&*sender);
    if window == Window::Sent {
        until("the request of the first owner", async || {
            outside.follow()?;
            Ok(outside.ledger.lines.iter().any(|line| ours(&line)))
        })
        .await?;
        gate.sent.notify_one();
    }
    until("the first owner to stand still", async || Ok(gate.stands.load(Ordering::SeqCst))).await?;
    let stood = Instant::now();
    let before = store.run(run).await?.ok_or("the run is gone")?.epoch;
    // What is durable now is what the first owner meant to do.
    let durable = Snapshot::of(&*store).await?;
    outside.follow()?;
    let lines: Vec<&Line> = outside.ledger.lines.iter().filter(ours).collect();
    let seen = lines.len();
    let mut violations = oracle.judge(1, &[], &durable, (&outside.ledger, &lines), false).violations;
    tokio::time::sleep(STANDS.saturating_sub(stood.elapsed())).await;

    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let second_life = tokio::spawn(second.worker().run(stopped));
    until("the second owner", async || {
        Ok(store.run(run).await?.is_some_and(|row| row.epoch >= before + 2 || row.status.is_final()))
    })
    .await?;
    // Every other one goes on at once, the others when the new owner has done what it can.
    if number.is_multiple_of(2) {
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
    gate.open();
    let kept = until("the late answer", async || Ok(!store.late_results(run).await?.is_empty())).await;
    // Whoever asks what became of its actions asks when nothing more can come of them.
    until("the first owner's calls", async || Ok(gate.calls.load(Ordering::SeqCst) == 0)).await?;
    gate.let_go();
    let end = until("the end of the run", async || {
        let Some(row) = store.run(run).await? else { return Ok(false) };
        if row.status == Status::Waiting && row.waits_for.as_deref().is_some_and(|what| what.contains("to resolve")) {
            outside.follow()?;
            tell(&second, &Snapshot::of(&*store).await?, &outside.ledger).await?;
        }
        Ok(row.status.is_final())
    })
    .await;
    drop(stop);
    second_life.await??;
    // It has ended by itself, without joining again.
    let _ = first_life.await;
    drop(threads);

    let snapshot = Snapshot::of(&*store).await?;
    outside.follow()?;
    let late: Vec<&Line> = outside.ledger.lines.iter().filter(ours).skip(seen).collect();
    violations.extend(oracle.late(&late));
    let sender = Oracle::sender(batch, 2);
    let by_second = |line: &&Line| line.sender.as_deref() == Some(&*sender);
    let lines: Vec<&Line> = outside.ledger.lines.iter().filter(by_second).collect();
    let judged = oracle.judge(2, &[], &snapshot, (&outside.ledger, &lines), end.is_ok());
    violations.extend(judged.violations.iter().cloned());
    let prefix = format!("b{batch}-l");
    let all = |line: &&Line| line.sender.as_deref().is_some_and(|of| of.starts_with(&prefix)) && !line.is_probe();
    let all: Vec<&Line> = outside.ledger.lines.iter().filter(all).collect();
    let (requests, effects) = (all.len(), all.iter().filter(|line| line.applied).count());
    let actions: usize = judged.actions.values().sum();
    let (fenced, late) = (zombie.fenced(), store.late_results(run).await?.len());
    let first = violations.first().map(|found| format!("{}: {}", found.rule, found.detail));
    let wrong = first
        .or_else(|| kept.err().map(|why| whole(&*why)))
        .or_else(|| end.err().map(|why| whole(&*why)))
        .or_else(|| (fenced == 0).then(|| "the first owner never learned that it had lost its run".to_owned()))
        .or_else(|| {
            (effects > actions + judged.residual.len()).then(|| format!("{effects} effects of {actions} actions"))
        });
    let residual = judged.residual.len();
    Ok(Zombie { zombie: number, window, class, fenced, late, requests, effects, actions, residual, wrong })
}

/// A person says what the ledger knows.
async fn tell(runtime: &Runtime, snapshot: &Snapshot, ledger: &crate::ledger::Ledger) -> Result<(), Trouble> {
    for word in resolver::words(snapshot, ledger) {
        let outcome = match word.output() {
            Some(output) => Outcome::Performed { output, external_id: None },
            None => Outcome::NotPerformed,
        };
        let asker = Asker { by: "person".into(), auth: "local".into() };
        let step = StepPath::new(word.step.as_str());
        match runtime.resolve(word.run, (&step, Some(word.attempt)), outcome, "the ledger says so", &asker).await {
            // A late answer may have told it meanwhile.
            Ok(_) | Err(runtime::RunError::NotTaken { .. } | runtime::RunError::Over { .. }) => {}
            Err(why) => return Err(why.into()),
        }
    }
    Ok(())
}

/// One line: a process that was stopped for three leases and went on.
#[derive(Clone, Debug, Serialize)]
pub struct Stop {
    /// Which.
    pub stop: u32,
    /// When it was stopped, after `ready`.
    pub after_ms: u64,
    /// How often it stood still.
    pub stood: u32,
    /// What is wrong, if something is.
    pub wrong: Option<String>,
}

/// The lease of a process that is stopped, in milliseconds.
const STOP_LEASE_MS: u64 = 300;

/// Stops whole processes in the middle of a batch.
async fn stops(program: &Path, arguments: &Arguments) -> Result<Vec<Stop>, Trouble> {
    let mut stage = Stage::set(program, arguments.seed, 8).await?;
    stage.mix = Some("30,30,20,20".parse()?);
    let slow =
        |kind: &str| Setting { kind: kind.to_owned(), mode: Some(Mode::Slow), ms: Some(40), ..Setting::default() };
    for class in CLASSES {
        stage.outside.modes().set(&slow(mixed::kind(class))).await?;
    }
    let (mut dice, mut all) = (Dice::new(arguments.seed), Vec::new());
    for stop in 1..=arguments.stops {
        stage.begin();
        let after = Duration::from_micros((dice.log_uniform(5.0, 300.0) * 1e3) as u64);
        let mut life = stage.life().with("--lease-ms", STOP_LEASE_MS);
        life.stands = Some(Duration::from_millis(3 * STOP_LEASE_MS));
        life.stop_after = Some(after);
        let mut ended = life.live().await?;
        let stood = ended.stood;
        let mut judged = stage.judge(&ended).await?;
        for _ in 0..4 {
            if first(&judged).is_some() || ended.over() || !ended.idle() {
                break;
            }
            let words = stage.words().await?;
            ended = stage.life().with("--words", words.display()).live().await?;
            judged = stage.judge(&ended).await?;
        }
        let wrong = first(&judged).or_else(|| (!ended.over()).then(|| format!("not over: {}", ended.last_words())));
        all.push(Stop { stop, after_ms: after.as_millis() as u64, stood, wrong });
    }
    Ok(all)
}

/// Plays all of them with their lines on the standard output.
///
/// # Errors
/// The apparatus fails, or something was wrong.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let program = std::env::current_exe()?;
    let lanes = arguments.at_once.max(1);
    let mut playing = tokio::task::JoinSet::new();
    for lane in 0..lanes {
        let all: Vec<_> = (lane..arguments.times)
            .step_by(lanes)
            .map(|at| (at + 1, WINDOWS[at % WINDOWS.len()], CLASSES[at / WINDOWS.len() % CLASSES.len()]))
            .collect();
        let (program, seed) = (program.clone(), arguments.seed);
        playing.spawn(async move { play(&program, seed, all, victim::say).await });
    }
    let mut zombies = Vec::new();
    while let Some(lane) = playing.join_next().await {
        zombies.extend(lane??);
    }
    let stops = stops(&program, &arguments).await?;
    for stop in &stops {
        victim::say(stop)?;
    }
    let bad = zombies.iter().filter(|zombie| zombie.wrong.is_some()).count();
    let bad_stops = stops.iter().filter(|stop| stop.wrong.is_some()).count();
    let summary = serde_json::json!({
        "zombies": zombies.len(),
        "fenced": zombies.iter().filter(|zombie| zombie.fenced > 0).count(),
        "late_results": zombies.iter().map(|zombie| zombie.late).sum::<usize>(),
        "residual": zombies.iter().map(|zombie| zombie.residual).sum::<usize>(),
        "stopped": stops.iter().map(|stop| stop.stood).sum::<u32>(),
        "bad": bad + bad_stops,
    });
    victim::say(&serde_json::json!({ "summary": summary }))?;
    match bad + bad_stops {
        0 => Ok(()),
        some => Err(format!("{some} owners that stood still did harm, or did not come back").into()),
    }
}
