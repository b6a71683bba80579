//! Budgets: how they stand, and a limit raised.

use clap::{Args, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use kernel::{
    governance::budget::{self, Period},
    ids::RunId,
    values::Timestamp,
};
use runtime::{
    Runtime,
    budget::{Raised, Standing},
    govern::Asker,
};
use serde_json::json;
use store::Reservation;

use super::{
    Scene,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint},
    runs::Place,
    session,
};
use crate::{error::CliError, exit::Exit};

/// What runs may spend together, and what they have spent
#[derive(Debug, Args)]
pub(super) struct Budget {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(Show),
    Raise(Raise),
    Unfreeze(Unfreeze),
}

/// Show how the budgets of workflows, tenants and days stand
#[derive(Debug, Args)]
struct Show {
    #[command(flatten)]
    place: Place,
    /// Sums of past periods as well
    #[arg(long)]
    all: bool,
}

/// Raise a limit: of a scope for its current period, or of one run's own budget
///
/// Runs that wait for room go on by themselves; those that were paused are resumed by `--resume` or one at a time.
#[derive(Debug, Args)]
struct Raise {
    /// `day`, `tenant:NAME`, `workflow:NAME`, or `run:RUN`
    #[arg(value_name = "SCOPE")]
    scope: String,
    /// What is limited
    #[arg(value_enum, value_name = "UNIT")]
    unit: Unit,
    /// The new limit: US dollars (`0.50`), a number of tokens or calls, a length of time (`2h`)
    #[arg(value_name = "AMOUNT")]
    amount: String,
    #[command(flatten)]
    place: Place,
    /// Who raises it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Resume the runs that were paused because they had no room there
    #[arg(long)]
    resume: bool,
}

/// Let a scope go on that was frozen because bills were above what had been set aside for them
///
/// What was billed stays counted. Runs that wait for room go on by themselves; those that were paused are resumed by `--resume` or one
/// at a time. A run's own budget is freed by a raise of it.
#[derive(Debug, Args)]
struct Unfreeze {
    /// `day`, `tenant:NAME` or `workflow:NAME`
    #[arg(value_name = "SCOPE")]
    scope: String,
    #[command(flatten)]
    place: Place,
    /// Who has looked at it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// What was found. Recorded
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
    /// Resume the runs that were paused because they had no room there
    #[arg(long)]
    resume: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Unit {
    Money,
    Tokens,
    Calls,
    Time,
}

impl Unit {
    fn counts(self) -> budget::Unit {
        match self {
            Unit::Money => budget::Unit::Money,
            Unit::Tokens => budget::Unit::Tokens,
            Unit::Calls => budget::Unit::Calls,
            Unit::Time => budget::Unit::Time,
        }
    }
}

impl Budget {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Show(command) => command.run(scene).await,
                Command::Raise(command) => command.run(scene).await,
                Command::Unfreeze(command) => command.run(scene).await,
            }
        })
    }
}

impl Show {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let matters = |one: &Standing| one.per.is_some() || one.reserved > 0 || one.frozen;
        let all = runtime.budgets().await?;
        let orphans = runtime.store().orphans().await?;
        let charter = runtime.charter().await?;
        let shown: Vec<Standing> = all.into_iter().filter(|one| self.all || matters(one)).collect();
        for one in &shown {
            if scene.out.json {
                let period = (one.period != 0).then(|| Timestamp::from_micros(one.period).to_string());
                scene.out.object(&json!({ "kind": "budget", "scope": one.scope, "unit": one.unit.as_str(),
                    "per": one.per.map(Period::as_str), "period": period, "limit": one.limit, "settled": one.settled,
                    "reserved": one.reserved, "overrun": one.overrun, "frozen": one.frozen, "near": one.is_near() }));
            } else {
                tell(scene, one);
            }
        }
        for Reservation { run, step, line: (scope, unit, _), amount } in &orphans {
            if scene.out.json {
                scene.out.object(&json!({ "kind": "orphan", "run": run, "step": step, "scope": scope, "unit": unit,
                    "amount": amount }));
            } else {
                let amount = unit_of(unit).map_or_else(|| amount.to_string(), |unit| unit.show(*amount));
                let what = format!("{amount} of {scope} set aside by `{step}` of {run}, which is over");
                scene.out.line(format!("{} {what}: the next worker forfeits it", paint(BAD, "alarm")));
            }
        }
        for (at, runs) in charter.forfeits() {
            if scene.out.json {
                scene.out.object(&json!({ "kind": "forfeited", "at": at.to_string(), "runs": runs }));
            } else {
                let (mark, runs) = (paint(BAD, "alarm"), count(*runs, "run"));
                scene.out.line(format!("{mark} {runs} had something set aside after the end: forfeited at {at}"));
            }
        }
        if shown.is_empty() && !scene.out.json {
            scene.out.line("nothing is limited: `budgets:` in surefoot.yaml counts from the next `surefoot run` on");
        }
        Ok(Exit::Ok)
    }
}

fn tell(scene: &Scene, one: &Standing) {
    let (unit, amount) = (one.unit, |amount| one.unit.show(amount));
    let per = match one.per {
        Some(Period::Ever) => String::new(),
        Some(per) => format!(" a {}", per.as_str()),
        None => format!(" in the period from {}", Timestamp::from_micros(one.period)),
    };
    let mark = match (one.frozen, one.settled.saturating_add(one.reserved)) {
        (true, _) => paint(BAD, "frozen"),
        (false, used) if used >= one.limit => paint(BAD, "full"),
        _ if one.is_near() => paint(WAIT, "80 %"),
        _ => paint(GOOD, "room"),
    };
    let limit = format!("{}{per}", amount(one.limit));
    scene.out.line(format!(
        "{mark} {} {} of {limit}",
        paint(STRONG, format!("{} {}", one.scope, unit.word())),
        amount(one.settled)
    ));
    if one.reserved > 0 {
        scene.out.line(paint(FAINT, format!("    {} set aside for calls under way", amount(one.reserved))));
    }
    if one.overrun > 0 {
        scene.out.line(paint(BAD, format!("    bills were {} above what was set aside for them", amount(one.overrun))));
    }
    if one.frozen {
        let why = "    frozen since then: nothing starts here until somebody has looked";
        scene.out.line(paint(BAD, format!("{why} (surefoot budget unfreeze {})", one.scope)));
    }
}

impl Raise {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let unit = self.unit.counts();
        let limit = unit.read(&self.amount).map_err(CliError::usage)?;
        let store = self.place.open()?;
        let scope = match self.scope.strip_prefix("run:") {
            Some(run) => format!("run:{}", session::find_run(&*store, run).await?.run),
            None => self.scope.clone(),
        };
        let runtime = Runtime::builder(store).build();
        let asker = Asker { by: self.by.as_str().into(), auth: "local".into() };
        let raised = runtime.raise(&scope, unit, limit, &asker).await?;
        let short = runtime.short_of(&scope).await?;
        if self.resume {
            for run in &short {
                runtime.resume(*run, self.by.as_str()).await?;
            }
        }
        if scene.out.json {
            let (generation, per) = match raised {
                Raised::Scope { generation, per } => (Some(generation), Some(per.as_str())),
                Raised::Run { .. } => (None, None),
            };
            scene
                .out
                .object(&json!({ "kind": "raised", "scope": scope, "unit": unit.as_str(), "limit": limit, "per": per,
                "by": self.by, "generation": generation, "paused": short, "resumed": self.resume }));
            return Ok(Exit::Ok);
        }
        let until = match raised {
            Raised::Scope { per: Period::Ever, .. } | Raised::Run { .. } => String::new(),
            Raised::Scope { per, .. } => format!(" for this {}", per.as_str()),
        };
        scene.out.line(format!("{} {scope} to {}{until}, by {}", paint(GOOD, "raised"), unit.show(limit), self.by));
        tell_short(scene, &self.place, &short, self.resume);
        Ok(Exit::Ok)
    }
}

/// The paused runs that have no room in a scope, and how they go on.
fn tell_short(scene: &Scene, place: &Place, short: &[RunId], resume: bool) {
    let runs = count(short.len() as u64, "run");
    match (short, resume) {
        ([], _) => {}
        (_, true) => {
            let typed = place.typed();
            scene.out.line(format!(
                "{} {runs}; without a worker they go on with `surefoot run{typed} --resume`",
                paint(GOOD, "resumed")
            ));
        }
        (short, false) => {
            scene.out.line(format!("{} {runs} for lack of room there; resume with", paint(WAIT, "paused:")));
            for run in short {
                scene.out.line(format!("    surefoot runs resume {run}{}", place.typed()));
            }
        }
    }
}

fn unit_of(name: &str) -> Option<budget::Unit> {
    budget::Unit::ALL.into_iter().find(|unit| unit.as_str() == name)
}

impl Unfreeze {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let asker = Asker { by: self.by.as_str().into(), auth: "local".into() };
        let generation = runtime.unfreeze(&self.scope, &self.reason, &asker).await?;
        let short = runtime.short_of(&self.scope).await?;
        if self.resume {
            for run in &short {
                runtime.resume(*run, self.by.as_str()).await?;
            }
        }
        if scene.out.json {
            scene
                .out
                .object(&json!({ "kind": "unfrozen", "scope": self.scope, "by": self.by, "generation": generation,
                "paused": short, "resumed": self.resume }));
            return Ok(Exit::Ok);
        }
        scene.out.line(format!("{} {}, by {} (change {generation})", paint(GOOD, "unfrozen"), self.scope, self.by));
        tell_short(scene, &self.place, &short, self.resume);
        Ok(Exit::Ok)
    }
}
