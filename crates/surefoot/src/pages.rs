//! What an application needs for pages of its own, which `dev` serves among those of Surefoot: see [`Application::pages`].
//!
//! A handler is one of axum, over the state [`App`]. It takes a [`Viewer`], or a form as [`Sent`] or [`Uploaded`], and gives what
//! [`Viewer::page`] makes of a template of the application. The host and the site that sent it, its size, the session and the form's token
//! were judged before.
//!
//! [`Application::pages`]: crate::cli::Application::pages

use std::{error::Error, path::PathBuf};

use gateway::secret::Lookup;
pub use kernel::values::Timestamp;
use kernel::{
    recovery::Failure,
    workflow::project::{Project, Sources},
};
pub use store::{RunQuery, RunRow, Status};
pub use web::{
    App, Beside, Caller, Failed, Own, Problem, Sent, Shown, Site, Stop, Upload, Uploaded, Viewer, ago, go, part, plain,
};

use crate::reach::{self, ReachError, Surroundings};

/// Why an application has no pages.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// There is no such tool, or it is reached otherwise.
    #[error("the project has no tool `{tool}` that is reached by SQL")]
    NoDatabase {
        /// Its name.
        tool: String,
    },
    /// The tool cannot be set up.
    #[error(transparent)]
    Reach(#[from] ReachError),
    /// Its database cannot be opened or made.
    #[error("{}", .0.detail)]
    Database(Failure),
    /// The application cannot bring them.
    #[error("the application's pages cannot be set up")]
    Application(#[source] Box<dyn Error + Send + Sync>),
}

impl From<Failure> for PagesError {
    fn from(failure: Failure) -> PagesError {
        PagesError::Database(failure)
    }
}

/// Where an application's pages will stand.
pub struct Place {
    /// The project as it is served. It stays the same when files are saved.
    pub site: Site,
    /// The project's folder.
    pub folder: PathBuf,
    pub(crate) sources: Sources,
    pub(crate) project: Project,
    pub(crate) environment: Lookup,
}

impl Place {
    /// The file of the database that a tool of the project works on, with everything that its migrations make: what a run writes and what a
    /// page shows are the same rows.
    ///
    /// # Errors
    /// There is no such tool, or its database cannot be opened.
    pub async fn database(&self, tool: &str) -> Result<PathBuf, PagesError> {
        let around = Surroundings::new(self.environment.clone()).in_folder(&self.folder);
        reach::database(&self.sources, &self.project, tool, &around).await
    }
}
