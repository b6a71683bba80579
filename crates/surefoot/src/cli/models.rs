//! What models cost today; those that nobody asks for a while, and letting one be asked again.

mod prices;

use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use runtime::{Runtime, govern::Asker};
use serde_json::json;

use super::{
    Scene,
    out::{GOOD, WAIT, paint},
    runs::Place,
};
use crate::{error::CliError, exit::Exit};

/// What models cost, and those whose provider had no room for us
#[derive(Debug, Args)]
pub(super) struct Models {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Prices(prices::Prices),
    Release(Release),
}

/// List the models that nobody asks now, until when, and what their provider had failed with
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    place: Place,
}

/// Let a model be asked again before its time, as after a spend limit was raised
///
/// Runs that wait for a model go on with the next worker.
#[derive(Debug, Args)]
struct Release {
    /// The model as `models ls` names it: `PROJECT/model:NAME`
    #[arg(value_name = "SCOPE")]
    scope: String,
    #[command(flatten)]
    place: Place,
    /// Who says so. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: String,
    /// Why. Recorded
    #[arg(long, value_name = "TEXT", value_parser = NonEmptyStringValueParser::new())]
    reason: String,
}

impl Models {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Ls(command) => command.run(scene).await,
                Command::Prices(command) => command.run(scene),
                Command::Release(command) => command.run(scene).await,
            }
        })
    }
}

impl Ls {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let rows = runtime.cooldowns().await?;
        for row in &rows {
            if scene.out.json {
                scene.out.object(&json!({ "kind": "cooling", "scope": row.scope, "until": row.until.to_string(),
                    "why": row.why, "run": row.run, "since": row.since.to_string() }));
                continue;
            }
            scene.out.line(format!("{} {} until {}: {}", paint(WAIT, "cools down"), row.scope, row.until, row.why));
            scene.out.line(format!("    since {}, in run {}", row.since, row.run));
        }
        if rows.is_empty() && !scene.out.json {
            scene.out.line("no model cools down");
        }
        Ok(Exit::Ok)
    }
}

impl Release {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let asker = Asker { by: self.by.as_str().into(), auth: "local".into() };
        let generation = runtime.end_cooldown(&self.scope, &self.reason, &asker).await?;
        if scene.out.json {
            let said = json!({ "kind": "asked again", "scope": self.scope, "by": self.by, "generation": generation });
            scene.out.object(&said);
        } else {
            let word = paint(GOOD, "asked again:");
            scene.out.line(format!("{word} {}, by {} (change {generation})", self.scope, self.by));
        }
        Ok(Exit::Ok)
    }
}
