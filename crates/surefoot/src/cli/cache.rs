//! Results that are kept to be used again: which they are, and forgetting them.

use clap::{Args, Subcommand};
use kernel::cache::Part;
use runtime::{Runtime, kept::KeptResult};
use serde_json::json;

use super::{
    Scene,
    out::{FAINT, GOOD, STRONG, count, paint},
    runs::Place,
};
use crate::{error::CliError, exit::Exit};

/// Answers of models, and results of steps, stages and workflows, that are used again
#[derive(Debug, Args)]
pub(super) struct Cache {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Clear(Clear),
}

/// Which ones are meant
#[derive(Debug, Args)]
struct Which {
    /// Only those of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only those of this step; `/NAME` is a stage, `/` the whole workflow
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
}

/// List what is kept and still counts: of what, until when, and which entry of which run holds it
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    place: Place,
}

/// Forget what is kept, so that it is made anew
///
/// Without --yes nothing is forgotten, and what would be is listed. Runs that were given a result keep it.
#[derive(Debug, Args)]
struct Clear {
    #[command(flatten)]
    which: Which,
    /// Forget it
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    place: Place,
}

impl Cache {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Ls(command) => command.run(scene).await,
                Command::Clear(command) => command.run(scene).await,
            }
        })
    }
}

impl Which {
    async fn find(&self, runtime: &Runtime) -> Result<Vec<KeptResult>, CliError> {
        Ok(runtime.kept(self.workflow.as_deref(), self.step.as_deref()).await?)
    }
}

fn tell(scene: &Scene, rows: &[KeptResult]) {
    for row in rows {
        let what = match &row.part {
            Part::Step(step) => step.name().to_owned(),
            Part::Stage(stage) => format!("stage {stage}"),
            Part::Workflow => "whole run".to_owned(),
        };
        if scene.out.json {
            scene.out.object(
                &json!({ "kind": "kept", "workflow": row.workflow, "part": row.part.called(), "exact": row.exact,
                "key": row.key.to_string(), "run": row.run, "entry": row.entry, "at": row.at.to_string(),
                "until": row.until.to_string(), "bytes": row.bytes, "saves": row.saves }),
            );
            continue;
        }
        let kind = if row.exact { "answer" } else { "result" };
        scene.out.line(format!("{} {} of {}, until {}", paint(STRONG, &what), kind, row.workflow, row.until));
        let of = format!("    entry {} of {}, {} bytes, key {}", row.entry, row.run, row.bytes, row.key.short());
        scene.out.line(paint(FAINT, &of).to_string());
    }
}

impl Ls {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let rows = self.which.find(&runtime).await?;
        tell(scene, &rows);
        if rows.is_empty() && !scene.out.json {
            scene.out.line("nothing is kept");
        }
        Ok(Exit::Ok)
    }
}

impl Clear {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let rows = self.which.find(&runtime).await?;
        if !self.yes && !rows.is_empty() {
            tell(scene, &rows);
            let number = count(rows.len() as u64, "result");
            return Err(CliError::usage(format!(
                "{number} would be forgotten, and made anew when asked for: say so with --yes"
            )));
        }
        let gone = runtime.forget_kept(rows.iter().map(|row| row.key).collect()).await?;
        if scene.out.json {
            scene.out.object(&json!({ "kind": "forgotten", "count": gone }));
        } else {
            scene.out.line(format!("{} {}", paint(GOOD, "forgotten:"), count(gone, "result")));
        }
        Ok(Exit::Ok)
    }
}
