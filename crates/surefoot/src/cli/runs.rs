pub(super) mod export;
mod fork;
mod ls;
mod outcome;
mod post;
mod show;
mod watch;
mod why;

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use kernel::{
    complaint::did_you_mean,
    journal::Entry,
    run::RunState,
    why::Origins,
    workflow::{Program, project::Project},
};
use store::{RunRow, Store, sqlite::SqliteStore};

use super::{
    Scene,
    session::{self, Data},
};
use crate::{error::CliError, exit::Exit};

/// Look at runs, and send them messages
///
/// A data directory belongs to one process at a time: while another `surefoot` uses it, these commands end with exit code 5.
#[derive(Debug, Args)]
pub(super) struct Runs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(ls::Ls),
    Show(show::Show),
    Why(why::Why),
    Watch(watch::Watch),
    Signal(post::Signal),
    Pause(post::Pause),
    Resume(post::Resume),
    Cancel(post::Cancel),
    Fork(fork::Fork),
    Retry(fork::Retry),
    Outcome(outcome::Outcome),
    Export(export::Export),
}

impl Runs {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Ls(command) => command.run(scene).await,
                Command::Show(command) => command.run(scene).await,
                Command::Why(command) => command.run(scene).await,
                Command::Watch(command) => command.run(scene).await,
                Command::Signal(command) => command.run(scene).await,
                Command::Pause(command) => command.run(scene).await,
                Command::Resume(command) => command.run(scene).await,
                Command::Cancel(command) => command.run(scene).await,
                Command::Fork(command) => command.run(scene).await,
                Command::Retry(command) => command.run(scene).await,
                Command::Outcome(command) => command.run(scene).await,
                Command::Export(command) => command.run(scene).await,
            }
        })
    }
}

/// Which run, and where its data are.
#[derive(Debug, Args)]
pub(super) struct OneRun {
    /// Its id, four or more characters of its beginning or end, or `last`
    #[arg(value_name = "RUN")]
    pub(super) run: String,
    #[command(flatten)]
    pub(super) place: Place,
}

/// Where the data are.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// The project's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    data: Data,
}

impl Place {
    pub(super) fn open(&self) -> Result<Arc<SqliteStore>, CliError> {
        self.data.open_existing(&self.folder)
    }

    /// The project's folder.
    pub(super) fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// The data directory.
    pub(super) fn data_dir(&self) -> PathBuf {
        self.data.dir(&self.folder)
    }

    /// The project in the folder, if it has one without errors.
    pub(super) fn project(&self) -> Option<Project> {
        let sources = crate::project::read(&self.folder, false).ok()?;
        kernel::workflow::project::check(&sources).project
    }

    /// A group of the project's people. Without people nothing is known of groups, and every name may be one.
    pub(super) fn group(&self, name: &str) -> Result<Arc<str>, CliError> {
        let people = self.project().map(|project| project.people).unwrap_or_default();
        if people.group(name).is_some() || people.group_names().next().is_none() {
            return Ok(name.into());
        }
        let error = CliError::not_found(format!("people.yaml has no group `{name}`"));
        Err(did_you_mean(name, people.group_names().map(|name| &**name)).into_iter().fold(error, CliError::hint))
    }

    /// The same error, with whom was probably meant, if it says that this person is in no directory.
    pub(super) fn hint_at(&self, error: CliError, person: &str) -> CliError {
        if !error.message.contains(&format!("`{person}` is not in people.yaml")) {
            return error;
        }
        let people = self.project().map(|project| project.people).unwrap_or_default();
        did_you_mean(person, people.ids().map(|id| &**id)).into_iter().fold(error, CliError::hint)
    }

    /// The folder and the data directory as they are typed after a command.
    pub(super) fn typed(&self) -> String {
        let data = self.data.data.as_ref().map(|dir| format!(" --data {}", dir.display())).unwrap_or_default();
        format!("{}{data}", session::typed(&self.folder))
    }
}

/// A run as the store has it.
pub(super) struct Found {
    pub(super) store: Arc<SqliteStore>,
    pub(super) row: RunRow,
    pub(super) entries: Vec<Entry>,
    state: RunState,
    /// `None`: its bundle cannot be read by this version.
    pub(super) program: Option<Arc<Program>>,
}

impl Found {
    /// Where its values came from.
    pub(super) fn origins(&self) -> Origins<'_> {
        Origins::of(&self.entries, &self.state, self.program.as_deref())
    }
}

impl OneRun {
    /// Finds and reads the run.
    pub(super) async fn read(&self) -> Result<Found, CliError> {
        let store = self.place.open()?;
        let row = session::find_run(&*store, &self.run).await?;
        let entries = session::journal(&*store, row.run).await?;
        if entries.first().is_some_and(|entry| entry.body.is_none()) {
            let log = store.governance(0).await?;
            let who =
                crate::export::erasure(row.run, &log).map(|(entry, _)| format!(" by {} at {}", entry.by, entry.at));
            let error = CliError::not_found(format!("what {} held was erased{}", row.run, who.unwrap_or_default()));
            return Err(
                error.hint("its chain still holds, and says why: `surefoot evidence export`, `evidence verify`")
            );
        }
        let mut state = RunState::new(row.run);
        state.fold(&entries).map_err(|illegal| {
            CliError::new(Exit::Unverified, format!("the journal of {} does not hold", row.run))
                .caused_by(illegal)
                .hint("`surefoot db check` reads everything and says what else is damaged")
        })?;
        let bundle = store.bundle(row.bundle).await?;
        let program = bundle.and_then(|bytes| Program::load(&bytes, &row.workflow).ok());
        Ok(Found { store, row, entries, state, program })
    }
}
