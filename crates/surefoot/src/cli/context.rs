mod diff;
mod show;

use clap::{Args, Subcommand};

use super::Scene;
use crate::{error::CliError, exit::Exit};

/// What models are shown: of a recorded run, and of two versions of a project
#[derive(Debug, Args)]
pub(super) struct Context {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Show),
    Diff(diff::Diff),
}

impl Context {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Show(command) => command.run(scene).await,
                Command::Diff(command) => command.run(scene).await,
            }
        })
    }
}
