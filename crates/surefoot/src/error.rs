//! An error as a person at a terminal meets it: what is wrong, what to try, and once what caused it.

use std::{error::Error, fmt, io};

use serde_json::json;
use store::StoreError;

use crate::{exit::Exit, project::ProjectError};

/// Why a command could not do what it was asked.
#[derive(Debug)]
pub struct CliError {
    /// Decides the exit code.
    pub kind: Exit,
    /// What is wrong, with its name: lower case, no full stop.
    pub message: String,
    /// What to try, as sentences or commands to type.
    pub hints: Vec<String>,
    /// What caused it.
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl CliError {
    /// An error without hints.
    pub fn new(kind: Exit, message: impl Into<String>) -> CliError {
        CliError { kind, message: message.into(), hints: Vec::new(), source: None }
    }

    /// Wrong arguments.
    pub fn usage(message: impl Into<String>) -> CliError {
        CliError::new(Exit::Usage, message)
    }

    /// Something that is named does not exist.
    pub fn not_found(message: impl Into<String>) -> CliError {
        CliError::new(Exit::NotFound, message)
    }

    /// A broken invariant of ours.
    pub fn internal(message: impl Into<String>) -> CliError {
        CliError::new(Exit::Internal, message)
    }

    /// A file that cannot be read or written; one that is not there is `not_found`.
    pub fn io(message: impl Into<String>, source: io::Error) -> CliError {
        let kind = if source.kind() == io::ErrorKind::NotFound { Exit::NotFound } else { Exit::Disk };
        CliError { source: Some(Box::new(source)), ..CliError::new(kind, message) }
    }

    /// The same, with one more thing to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> CliError {
        self.hints.push(hint.into());
        self
    }

    /// The same, caused by `source`.
    #[must_use]
    pub fn caused_by(self, source: impl Error + Send + Sync + 'static) -> CliError {
        CliError { source: Some(Box::new(source)), ..self }
    }

    /// The chain of causes from the nearest, each once: what an error above has already said is left out.
    pub fn causes(&self) -> Vec<String> {
        let mut said = self.message.clone();
        let mut causes = Vec::new();
        let mut next: Option<&(dyn Error + 'static)> = self.source.as_deref().map(|source| source as _);
        while let Some(error) = next {
            let text = error.to_string();
            if !said.contains(&text) {
                said.push_str(&text);
                causes.push(text);
            }
            next = error.source();
        }
        causes
    }

    /// For `--json`: one object.
    pub fn to_json(&self) -> serde_json::Value {
        json!({ "error": {
            "kind": self.kind.name(),
            "code": self.kind.code(),
            "message": self.message,
            "causes": self.causes(),
            "hints": self.hints,
        }})
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for CliError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> CliError {
        let new = |kind, message: String| CliError::new(kind, message);
        match &error {
            StoreError::Locked { .. } => new(Exit::InUse, error.to_string())
                .hint("another `surefoot` is using these data: wait for it to end, or stop it with Ctrl-C")
                .hint("an export (`surefoot runs export`) made before can be verified at any time"),
            StoreError::Newer { .. } => new(Exit::Newer, error.to_string())
                .hint("nothing was changed; use the version of Surefoot that wrote these data, or a newer one"),
            StoreError::Unusable { .. } => {
                new(Exit::Disk, error.to_string()).hint("name a directory that can be written with `--data DIR`")
            }
            StoreError::NoRun { .. } => {
                new(Exit::NotFound, error.to_string()).hint("`surefoot runs ls` lists the runs that there are")
            }
            StoreError::Full => new(Exit::Disk, error.to_string())
                .hint("nothing that was acknowledged is lost; make room and run the command again"),
            StoreError::Damaged { .. } => new(Exit::Unverified, error.to_string())
                .hint("`surefoot db check` reads everything and says what else is damaged"),
            StoreError::Stopped { .. } => new(Exit::Disk, error.to_string()),
            StoreError::NoBundle { .. } | StoreError::Misuse { .. } => new(Exit::Internal, error.to_string()),
            StoreError::Database { .. } => {
                CliError { source: None, ..new(Exit::Disk, error.to_string()) }.caused_by(error)
            }
        }
    }
}

impl From<ProjectError> for CliError {
    fn from(error: ProjectError) -> CliError {
        let kind = match &error {
            ProjectError::NoFolder(_) | ProjectError::NoProject(_) => Exit::NotFound,
            ProjectError::Unreadable { .. } => Exit::Disk,
            _ => Exit::Project,
        };
        let new = CliError { source: None, ..CliError::new(kind, error.to_string()) };
        match error {
            ProjectError::NoFolder(_) | ProjectError::NoProject(_) => {
                new.hint("name the project's folder, or begin one with `surefoot init my-project`")
            }
            ProjectError::Unreadable { source, .. } => new.caused_by(source),
            _ => new,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        #[source]
        below: Option<Box<Layer>>,
    }

    #[test]
    fn a_cause_is_said_once() {
        let disk = Layer { text: "input/output error", below: None };
        let read = Layer { text: "cannot read notes.yaml: input/output error", below: Some(Box::new(disk)) };
        let error = CliError::new(Exit::Disk, "the project cannot be read").caused_by(read);
        assert_eq!(error.causes(), ["cannot read notes.yaml: input/output error"]);
        assert_eq!(error.to_json()["error"]["code"], 74);
    }

    #[test]
    fn a_missing_file_is_not_found_and_a_forbidden_one_is_the_disk() {
        assert_eq!(CliError::io("x", io::ErrorKind::NotFound.into()).kind, Exit::NotFound);
        assert_eq!(CliError::io("x", io::ErrorKind::PermissionDenied.into()).kind, Exit::Disk);
    }
}
