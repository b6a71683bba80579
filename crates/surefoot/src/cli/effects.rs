//! Actions whose outcome is not recorded: look at them, say what became of them.

use clap::{Args, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use kernel::{ids::StepPath, values::Value};
use runtime::{
    Runtime,
    govern::{Asker, Outcome},
};
use serde_json::json;
use store::ActionState;

use super::{
    Scene,
    out::{BAD, GOOD, STRONG, WAIT, paint},
    run,
    runs::Place,
    session,
};
use crate::{error::CliError, exit::Exit};

/// Actions whose outcome is not recorded
#[derive(Debug, Args)]
pub(super) struct Effects {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Resolve(Resolve),
}

/// List actions that were sent and have no recorded outcome, oldest first
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    place: Place,
    /// Only those of which nobody knows whether they were performed
    #[arg(long)]
    unknown: bool,
}

/// Say what became of an action whose outcome is unknown
///
/// Look outside first: nothing here can. The run goes on at once, here, unless `--no-run` says otherwise.
#[derive(Debug, Args)]
struct Resolve {
    /// The run: its id, four or more characters of its beginning or end, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// The step that acted
    #[arg(value_name = "STEP")]
    step: String,
    /// What became of it
    #[arg(value_enum, value_name = "OUTCOME")]
    outcome: Word,
    #[command(flatten)]
    place: Place,
    /// The sending that you looked at, as `effects ls` shows it [default: the last one, as it stands now]
    #[arg(long, value_name = "N")]
    attempt: Option<u32>,
    /// Who says so. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// How it is known
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
    /// What the tool would have answered, as JSON, for `performed`
    #[arg(long, value_name = "JSON", default_value = "null")]
    output: String,
    /// Where it can be seen outside: a number, a link
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Leave the run where it is
    #[arg(long)]
    no_run: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Word {
    /// It was performed; the step gives `--output`
    Performed,
    /// It was not performed; it is sent again under the same key
    NotPerformed,
    /// Nobody will find out; the step fails
    GivenUp,
}

impl Effects {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Ls(command) => command.run(scene).await,
                Command::Resolve(command) => command.run(scene).await,
            }
        })
    }
}

impl Ls {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let rows = runtime.effects(self.unknown).await?;
        for row in &rows {
            let action = &row.action;
            let unknown = row.state == ActionState::Unknown;
            if scene.out.json {
                scene.out.object(&json!({ "kind": "effect", "run": row.run, "step": action.step, "action": action.action,
                    "effect": action.effect, "key": action.key, "attempt": action.attempt, "since": action.since.to_string(),
                    "state": row.state.as_str() }));
                continue;
            }
            let state = if unknown { paint(BAD, "unknown") } else { paint(WAIT, "open") };
            scene.out.line(format!("{state} {} ({})", paint(STRONG, &action.action), action.effect));
            scene.out.line(format!(
                "    run {} at `{}`, sending {}, since {}",
                row.run, action.step, action.attempt, action.since
            ));
        }
        if rows.is_empty() && !scene.out.json {
            scene.out.line("every action has its outcome");
        }
        Ok(Exit::Ok)
    }
}

impl Resolve {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let output = Value::from_json(self.output.as_bytes())
            .map_err(|error| CliError::usage("the output is no JSON").caused_by(error))?;
        let outcome = match self.outcome {
            Word::Performed => Outcome::Performed { output, external_id: self.external_id.as_deref().map(Into::into) },
            Word::NotPerformed => Outcome::NotPerformed,
            Word::GivenUp => Outcome::GivenUp,
        };
        let store = self.place.open()?;
        let run = session::find_run(&*store, &self.run).await?.run;
        let runtime = Runtime::builder(store.clone()).build();
        let asker = Asker { by: self.by.as_str().into(), auth: "local".into() };
        let step = StepPath::new(self.step.as_str());
        runtime.resolve(run, (&step, self.attempt), outcome, &self.reason, &asker).await?;
        if scene.out.json {
            scene.out.object(&json!({ "kind": "resolved", "run": run, "step": self.step, "by": self.by }));
        } else {
            scene.out.line(format!("{} `{}` of {run}, by {}", paint(GOOD, "recorded"), self.step, self.by));
        }
        if self.no_run {
            return Ok(Exit::Ok);
        }
        drop(runtime);
        run::go_on_with(scene, self.place.folder(), &self.place.data_dir(), store, run).await
    }
}
