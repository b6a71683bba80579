use clap::Args;
use clap_complete::Shell;

use super::Scene;
use crate::{error::CliError, exit::Exit};

/// Write completions for a shell to standard output
///
/// For bash: `surefoot completions bash > ~/.local/share/bash-completion/completions/surefoot`
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::command(), "surefoot", &mut text);
        scene.out.text(String::from_utf8_lossy(&text));
        Ok(Exit::Ok)
    }
}
