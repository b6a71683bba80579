//! A project frozen: canonical JSON, named by its SHA-256. A run is pinned to one.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    complaint::{Complaint, Complaints},
    ids::Digest,
    routes::ROUTES_FILE,
    workflow::{
        Program,
        project::{self, Sources},
    },
};

/// Version of the bundle format; a reader refuses a larger one.
pub const FORMAT: u32 = 1;

/// What belongs in a bundle: what decides what a run does. The project file, cases and seed do not.
const FOLDERS: [&str; 9] =
    ["workflows/", "prompts/", "schemas/", "decisions/", "sql/", "tools/", "pins/", "rules/", "lexicons/"];

/// A project frozen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// SHA-256 over the bytes.
    pub digest: Digest,
    /// Canonical JSON.
    pub bytes: Arc<[u8]>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    format: u32,
    files: BTreeMap<Arc<str>, Arc<str>>,
}

/// Why a bundle gives no program.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are no bundle that we can read.
    #[error("the bundle cannot be read: {0}")]
    Unreadable(String),
    /// It is of a newer version.
    #[error("the bundle has format {found}, this program reads up to {FORMAT}")]
    Newer {
        /// The format it has.
        found: u32,
    },
    /// It has no such workflow.
    #[error("the bundle has no workflow `{name}`")]
    NoWorkflow {
        /// What was asked for.
        name: Arc<str>,
    },
    /// This version complains about what another version let pass.
    #[error("the bundle does not pass the checks of this version: {}", .0.first().map(ToString::to_string).unwrap_or_default())]
    Complaints(Vec<Complaint>),
}

impl Bundle {
    /// Freezes the files that belong in it. The same files always give the same bundle.
    pub fn pack(sources: &Sources) -> Bundle {
        let files = sources
            .files
            .iter()
            .filter(|(path, _)| ***path == *ROUTES_FILE || FOLDERS.iter().any(|folder| path.starts_with(folder)))
            .map(|(path, text)| (path.clone(), text.clone()))
            .collect();
        let bytes = crate::jcs::to_vec(&Content { format: FORMAT, files })
            .expect("texts under texts are JSON: held by Content");
        Bundle { digest: Digest::of(&[&bytes]), bytes: bytes.into() }
    }

    /// The files in a bundle's bytes.
    ///
    /// # Errors
    /// The bytes are no bundle, or one of a newer format.
    pub fn open(bytes: &[u8]) -> Result<Sources, LoadError> {
        let content: Content =
            serde_json::from_slice(bytes).map_err(|error| LoadError::Unreadable(error.to_string()))?;
        if content.format > FORMAT {
            return Err(LoadError::Newer { found: content.format });
        }
        Ok(Sources { files: content.files })
    }
}

impl Program {
    /// The program of one workflow of a bundle. The same bytes always give the same program.
    ///
    /// # Errors
    /// See [`LoadError`]; a run whose bundle does not load is blocked, not failed.
    pub fn load(bundle: &[u8], workflow: &str) -> Result<Arc<Program>, LoadError> {
        Program::load_all(bundle)?.remove(workflow).ok_or_else(|| LoadError::NoWorkflow { name: workflow.into() })
    }

    /// The programs of all workflows of a bundle, by name.
    ///
    /// # Errors
    /// As [`Program::load`].
    pub fn load_all(bundle: &[u8]) -> Result<BTreeMap<Arc<str>, Arc<Program>>, LoadError> {
        let sources = Bundle::open(bundle)?;
        let mut complaints = Complaints::new();
        let (workflows, _) = project::compile(&sources, Digest::of(&[bundle]), None, &mut complaints);
        if complaints.has_errors() {
            return Err(LoadError::Complaints(complaints.into_sorted()));
        }
        Ok(workflows)
    }
}
