//! Programs that hand over to this command line: an application is a project, functions of its own, and words about its runs.

use std::{ffi::OsString, future::Future, path::PathBuf, pin::Pin, sync::Arc};

use kernel::{
    ids::RunId,
    journal::{Entry, Event},
    values::Value,
};

use crate::{
    embed::Builder,
    pages::{Own, PagesError, Place},
    seen::Seen,
};

/// What an application brings to the command line. Everything but the name is optional.
///
/// ```no_run
/// use surefoot::cli::Application;
/// let shop = Application::new("shop")
///     .project("apps/shop")
///     .with(|builder| builder.native("total@1", |lines| Ok(lines)))
///     .start_key(|_, input| Some(input.get("order")?.as_str()?.to_owned()));
/// let code = shop.main(std::env::args_os(), std::sync::Arc::new(|_: &str| None));
/// ```
#[derive(Clone)]
pub struct Application {
    pub(super) name: &'static str,
    pub(super) call: &'static str,
    pub(super) folder: Option<PathBuf>,
    pub(super) with: Arc<dyn Fn(Builder) -> Builder + Send + Sync>,
    pub(super) key: Arc<StartKey>,
    pub(super) tell: Option<Arc<Tell>>,
    pub(super) pages: Option<Arc<Pages>>,
}

type StartKey = dyn Fn(&str, &Value) -> Option<String> + Send + Sync;
type Pages = dyn Fn(Place) -> Pin<Box<dyn Future<Output = Result<Own, PagesError>> + Send>> + Send + Sync;
type Tell = dyn Fn(&Told<'_>) -> Vec<String> + Send + Sync;

/// A run that has ended, for an application that says in its own words what came of it.
pub struct Told<'a> {
    /// Which.
    pub run: RunId,
    /// Its result, if it completed.
    pub result: Option<&'a Value>,
    /// Its journal, read from the store.
    pub journal: &'a [(Entry, Event)],
    /// What its model calls were shown, and those of all runs that it handed work to, directly or not.
    pub seen: Seen,
    /// How a command of this program is typed: `surefoot`, or what the application says.
    pub call: &'a str,
    /// The folder and the data directory, as they are typed after a command.
    pub place: &'a str,
}

impl Application {
    /// One that adds nothing yet. `name` is the program's own.
    pub fn new(name: &'static str) -> Application {
        Application {
            name,
            call: name,
            folder: None,
            with: Arc::new(|builder| builder),
            key: Arc::new(|_, _| None),
            tell: None,
            pages: None,
        }
    }

    /// How people type its commands, if not by its name: `cargo run -p shop --`.
    #[must_use]
    pub fn called(mut self, call: &'static str) -> Application {
        self.call = call;
        self
    }

    /// The project's folder where none is given.
    #[must_use]
    pub fn project(mut self, folder: impl Into<PathBuf>) -> Application {
        self.folder = Some(folder.into());
        self
    }

    /// Registers functions, tools and providers wherever the project is run.
    #[must_use]
    pub fn with(mut self, with: impl Fn(Builder) -> Builder + Send + Sync + 'static) -> Application {
        self.with = Arc::new(with);
        self
    }

    /// The start key of a run of a workflow on an input, where none is given: the same key with the same input is one run.
    #[must_use]
    pub fn start_key(mut self, key: impl Fn(&str, &Value) -> Option<String> + Send + Sync + 'static) -> Application {
        self.key = Arc::new(key);
        self
    }

    /// What `run` says about a run that has ended, line by line, in the place of its result.
    #[must_use]
    pub fn tell(mut self, tell: impl Fn(&Told<'_>) -> Vec<String> + Send + Sync + 'static) -> Application {
        self.tell = Some(Arc::new(tell));
        self
    }

    /// Pages of its own, which `dev` serves among those of Surefoot, and what it does beside them. Asked for once, before anything is served.
    #[must_use]
    pub fn pages<F>(mut self, pages: impl Fn(Place) -> F + Send + Sync + 'static) -> Application
    where
        F: Future<Output = Result<Own, PagesError>> + Send + 'static,
    {
        self.pages = Some(Arc::new(move |place| Box::pin(pages(place))));
        self
    }

    /// Runs one command line, as [`super::main`] does.
    pub fn main(self, args: impl IntoIterator<Item = OsString>, environment: gateway::secret::Lookup) -> i32 {
        super::run(self, args, environment)
    }

    /// The command line with this program's name and folder.
    pub(super) fn command(&self) -> clap::Command {
        let command = super::command().name(self.name);
        match &self.folder {
            Some(folder) => with_folder(command, folder.as_os_str()),
            None => command,
        }
    }
}

/// The same command with another default folder, wherever it has one.
fn with_folder(command: clap::Command, folder: &std::ffi::OsStr) -> clap::Command {
    // `init` makes a folder and `fmt` takes several: there the current one is what people mean.
    let takes = |arg: &clap::Arg| arg.get_id() == "folder" && !arg.get_default_values().is_empty();
    let taken = command.get_arguments().any(takes);
    let command = match taken {
        true => command.mut_arg("folder", |arg| arg.default_value(folder.to_owned())),
        false => command,
    };
    command.mut_subcommands(|below| with_folder(below, folder))
}
