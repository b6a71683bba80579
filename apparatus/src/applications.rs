//! Both applications against a server that speaks four dialects: the same outcomes as without it, and most runs completed when three of
//! ten answers go wrong.
//!
//! A control plays each input with the project's own models. What these were asked is made again from the journals, and the server is
//! primed with their answers; then the same inputs are played with the server in the place of every model that a route asks first.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use kernel::workflow::model::Dialect;
use serde_json::Value as Json;
use surefoot::exit::Exit;
use tokio::{process::Command, sync::Semaphore, task::JoinSet, time::timeout};

use self::{
    place::{Servers, Stage},
    played::{Played, recorded},
};
pub use self::{
    played::{Left, Outcome},
    row::Row,
};
use crate::{
    mixed::noise,
    mockllm::{Call, Fault, MockLlm, Persona, Primed},
    victim::{self, Trouble},
};

mod place;

pub(crate) use self::place::copy_project;
mod played;
mod row;

/// `apparatus applications`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// Folders of projects; each has the name of its program.
    #[arg(long = "project", value_name = "FOLDER", default_values = ["apps/crm-leads", "apps/support-desk"])]
    pub projects: Vec<PathBuf>,
    /// Where their programs are; without it, beside this one.
    #[arg(long, value_name = "FOLDER")]
    pub programs: Option<PathBuf>,
    /// `openai_chat`, `openai_responses`, `anthropic`, `gemini`; without it all of them.
    #[arg(long = "dialect", value_name = "NAME", value_parser = dialect)]
    pub dialects: Vec<Dialect>,
    /// How many of the server's answers go wrong, from 0 to 1; 0 leaves the chaos out.
    #[arg(long, default_value_t = 0.3)]
    pub chaos: f64,
    /// What goes wrong: `cut`, `refusal`, …; without it ten kinds, each as likely.
    #[arg(long = "fault", value_name = "NAME", value_parser = fault)]
    pub faults: Vec<Fault>,
    /// Leave out what is played without chaos.
    #[arg(long)]
    pub only_chaos: bool,
    /// What everything random is derived from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Inputs of each project.
    #[arg(long, default_value_t = 40)]
    pub runs: usize,
    /// Processes at the same time.
    #[arg(long, default_value_t = 2)]
    pub at_once: usize,
    /// One JSON object a line instead of a table.
    #[arg(long)]
    pub json: bool,
    /// Keep the project, the data and the calls of each run in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
    /// A known mistake, which must be noticed.
    #[arg(long, value_enum)]
    pub mutant: Option<Mutant>,
}

/// Mistakes that the harness must notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Mutant {
    /// One answer of each run is another one, which fits its schema.
    OtherAnswer,
    /// The last of the routes are taken away, for servers stand in their place as well, and so is every `on_failure`.
    NobodyElse,
}

fn dialect(name: &str) -> Result<Dialect, String> {
    let names: Vec<&str> = Dialect::ALL.iter().map(|one| one.as_str()).collect();
    Dialect::ALL.into_iter().find(|one| one.as_str() == name).ok_or_else(|| format!("one of {}", names.join(", ")))
}

fn fault(name: &str) -> Result<Fault, String> {
    serde_json::from_value(name.into()).map_err(|why| why.to_string())
}

/// What goes wrong if nothing else is said.
const FAULTS: [Fault; 10] = [
    Fault::RateLimited,
    Fault::RateLimitedMute,
    Fault::ServerError,
    Fault::Overloaded,
    Fault::Cut,
    Fault::InvalidJson,
    Fault::WrongEnum,
    Fault::Refusal,
    Fault::Length,
    Fault::Hang,
];

/// A process that takes longer never ends.
const PATIENCE: Duration = Duration::from_secs(180);

/// All that one process is given.
struct Task {
    stage: Arc<Stage>,
    nth: usize,
    input: Json,
    served: Option<Served>,
    keep: Option<PathBuf>,
}

/// Who answers it.
#[derive(Clone)]
struct Served {
    dialect: Dialect,
    control: Arc<Played>,
    chaos: f64,
    faults: Arc<[Fault]>,
    seed: u64,
    mutant: Option<Mutant>,
}

/// What it came to.
struct Done {
    nth: usize,
    played: Played,
    faults: BTreeMap<Fault, u64>,
    sent: u64,
    /// What the control asked of the models that the server stands for.
    control_sent: u64,
    improvised: u64,
    limit_uusd: i64,
}

/// Plays all inputs of all projects; `say` is given each row when it is complete.
///
/// # Errors
/// The apparatus fails. What is broken stands in the rows.
pub async fn applications(
    arguments: &Arguments,
    say: &mut (dyn FnMut(&Row) -> std::io::Result<()> + Send),
) -> Result<Vec<Row>, Trouble> {
    if !(0.0..=1.0).contains(&arguments.chaos) {
        return Err(format!("`--chaos` must be from 0 to 1 and is {}", arguments.chaos).into());
    }
    let programs = match &arguments.programs {
        Some(folder) => folder.clone(),
        None => std::env::current_exe()?.parent().unwrap_or(Path::new("")).to_owned(),
    };
    let dialects = if arguments.dialects.is_empty() { Dialect::ALL.to_vec() } else { arguments.dialects.clone() };
    let faults: Arc<[Fault]> =
        if arguments.faults.is_empty() { FAULTS.into() } else { arguments.faults.clone().into() };
    let mut rows = Vec::new();
    for project in &arguments.projects {
        let stage = Arc::new(Stage::read(project, &programs)?);
        let inputs = stage.inputs(arguments.runs)?;
        let task = |nth: usize, served| Task {
            stage: stage.clone(),
            nth,
            input: inputs[nth].clone(),
            served,
            keep: arguments.keep.clone(),
        };
        let alone = (0..inputs.len()).map(|nth| task(nth, None));
        let controls: Vec<Arc<Played>> =
            play(alone.collect(), arguments.at_once).await?.into_iter().map(|done| Arc::new(done.played)).collect();
        let kinds = [(!arguments.only_chaos).then_some(0.0), (arguments.chaos > 0.0).then_some(arguments.chaos)];
        for (dialect, chaos) in dialects.iter().flat_map(|one| kinds.iter().flatten().map(move |chaos| (*one, *chaos)))
        {
            let served = |nth: usize| Served {
                dialect,
                control: controls[nth].clone(),
                chaos,
                faults: faults.clone(),
                seed: noise(&[&arguments.seed.to_be_bytes(), &nth.to_be_bytes()]),
                mutant: arguments.mutant,
            };
            let tasks = (0..inputs.len()).map(|nth| task(nth, Some(served(nth)))).collect();
            let mut row = Row::new(&stage.name, dialect, chaos);
            for done in play(tasks, arguments.at_once).await? {
                row.add(&done, &controls[done.nth]);
            }
            row.judge();
            say(&row)?;
            rows.push(row);
        }
    }
    Ok(rows)
}

/// All tasks, so many at once; what they came to, in their order.
async fn play(tasks: Vec<Task>, at_once: usize) -> Result<Vec<Done>, Trouble> {
    let (room, mut playing) = (Arc::new(Semaphore::new(at_once.max(1))), JoinSet::new());
    for task in tasks {
        let room = room.clone();
        playing.spawn(async move {
            let _place = room.acquire().await;
            one(task).await
        });
    }
    let mut all = Vec::new();
    while let Some(done) = playing.join_next().await {
        all.push(done??);
    }
    all.sort_by_key(|done| done.nth);
    Ok(all)
}

/// One run, in a process and a place of its own.
async fn one(Task { stage, nth, input, served, keep }: Task) -> Result<Done, Trouble> {
    let temporary = tempfile::tempdir()?;
    let who = served.as_ref().map_or("control".to_owned(), |one| format!("{}-{}", one.dialect.as_str(), one.chaos));
    let folder = match keep {
        Some(keep) => keep.join(format!("{}-{who}-{nth}", stage.name)),
        None => temporary.path().to_owned(),
    };
    let place = folder.join(&stage.name);
    stage.copy(&place)?;
    let log = folder.join("calls");
    let primed = Arc::new(if served.as_ref().is_some_and(|served| served.chaos > 0.0) {
        Primed::improvising()
    } else {
        Primed::default()
    });
    let serving = match &served {
        None => None,
        Some(served) => {
            prime(&primed, served);
            let faults = &served.faults;
            let chances = faults.iter().map(|fault| (*fault, served.chaos / faults.len() as f64));
            let persona = Persona::Primed { answers: primed.clone(), seed: served.seed, chances: chances.collect() };
            let server = MockLlm::open(&log, 0, persona).await?;
            let address = format!("http://{}", server.address());
            // What hangs is not to take minutes; where nothing hangs, nothing is to be late.
            let timeout = if served.chaos > 0.0 { "2s" } else { "30s" };
            stage.serve(
                &place,
                Servers { dialect: served.dialect, address: &address, timeout, mutant: served.mutant },
            )?;
            Some(tokio::spawn(server.serve()))
        }
    };
    let file = folder.join("input.json");
    std::fs::write(&file, serde_json::to_vec(&input)?)?;
    let mut command = Command::new(&stage.program);
    command.args(["run", "--json", "--workflow", &stage.workflow.name, "--input"]).arg(&file).arg(&place);
    command.env_remove("SUREFOOT_PROFILE").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command.kill_on_drop(true);
    let ended = match timeout(PATIENCE, command.output()).await {
        Ok(output) => {
            let output = output?;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            if output.status.code().is_some_and(said_of_run) {
                Ok(())
            } else {
                Err(format!("{}: {said}", output.status))
            }
        }
        Err(_) => Err(format!("no end after {} s", PATIENCE.as_secs())),
    };
    if let Some(serving) = serving {
        serving.abort();
    }
    let limit = stage.workflow.budget.as_ref().and_then(|limit| limit.money_uusd).unwrap_or(place::BUDGET_UUSD);
    let said = ended.clone().err().unwrap_or_default();
    let played =
        played::read(&place, limit, ended).await.map_err(|why| format!("{}: input {nth}: {why} {said}", stage.name))?;
    let calls = if log.exists() { Call::read(&log)? } else { Vec::new() };
    let mut faults = BTreeMap::new();
    for fault in calls.iter().filter_map(|call| call.fault) {
        *faults.entry(fault).or_default() += 1;
    }
    let control_sent = served.as_ref().map_or(0, |served| served.control.heard_of(&stage.first));
    let (sent, improvised) = (calls.len() as u64, primed.improvised());
    Ok(Done { nth, played, faults, sent, control_sent, improvised, limit_uusd: limit })
}

/// Whether an exit code says how the run was left.
fn said_of_run(code: i32) -> bool {
    matches!(Exit::of(code), Exit::Ok | Exit::RunFailed | Exit::Unfinished)
}

/// What the control's models said is what the server will say.
fn prime(primed: &Primed, served: &Served) {
    let mut spoilt = served.mutant != Some(Mutant::OtherAnswer);
    for ((model, ask), mut said) in recorded(&served.control.heard, served.dialect) {
        if !spoilt {
            spoilt = said.iter_mut().filter_map(|one| one.answer.as_mut()).any(spoil);
        }
        primed.record(&place::wire_name(served.dialect, &model), &ask, said);
    }
}

/// Turns the first truth of an answer around, or its first number to nought.
fn spoil(answer: &mut Json) -> bool {
    match answer {
        Json::Bool(truth) => {
            *truth = !*truth;
            true
        }
        Json::Number(number) if number.as_f64() != Some(0.0) => {
            *answer = 0.into();
            true
        }
        Json::Array(items) => items.iter_mut().any(spoil),
        Json::Object(fields) => fields.values_mut().any(spoil),
        _ => false,
    }
}

/// All rows on the standard output.
///
/// # Errors
/// The apparatus fails, or a rule is broken.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let json = arguments.json;
    if !json {
        line(&row::head())?;
    }
    let mut say = |row: &Row| if json { victim::say(row) } else { line(&row.told()) };
    let rows = applications(&arguments, &mut say).await?;
    let broken: Vec<String> = rows.iter().flat_map(Row::broken).collect();
    if broken.is_empty() { Ok(()) } else { Err(broken.join("\n").into()) }
}

fn line(text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    writeln!(std::io::stdout().lock(), "{text}")
}
