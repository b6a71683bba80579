//! From what a database says to a failure with an honest phase.

use kernel::recovery::{Failure, FailureKind, Phase};
use rusqlite::{Error, ErrorCode};

/// The longest text of a database in a failure, in characters.
const MOST_TEXT: usize = 300;

/// How far a transaction had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before its COMMIT: it is rolled back, so nothing was done.
    Before,
    /// In its COMMIT.
    Commit,
}

/// What `error` means for the call `name`.
pub(super) fn failure(name: &str, stage: Stage, error: &Error) -> Failure {
    let (kind, phase, what) = meaning(stage, error);
    let detail = format!("`{name}`: {what}: {}", words(error));
    Failure { kind, phase, detail, retry_after: None }
}

fn meaning(stage: Stage, error: &Error) -> (FailureKind, Phase, &'static str) {
    use ErrorCode as Code;
    use FailureKind::{Internal, ToolError, ToolRejected, ToolTimeout};
    const UNDONE: &str = "nothing was done";
    match (error.sqlite_error_code(), stage) {
        // Deferred constraints are looked at by COMMIT.
        (Some(Code::ConstraintViolation), _) => {
            (ToolRejected, Phase::Answered, "a constraint refuses it, nothing was done")
        }
        (Some(Code::DatabaseBusy | Code::DatabaseLocked), _) => {
            (ToolError, Phase::NotSent, "the database is locked by somebody else, nothing was done")
        }
        (_, Stage::Commit) => (ToolError, Phase::MaybeSent, "nobody knows whether it was done"),
        (Some(Code::OperationInterrupted), _) => (ToolTimeout, Phase::NotSent, "its time is up, nothing was done"),
        (Some(Code::ReadOnly), _) => {
            (ToolRejected, Phase::Answered, "it would write where only reading is allowed, nothing was done")
        }
        (Some(Code::AuthorizationForStatementDenied), _) => {
            (ToolRejected, Phase::Answered, "a statement would leave its transaction, nothing was done")
        }
        (Some(Code::DiskFull), _) => (ToolError, Phase::NotSent, "the disk is full, nothing was done"),
        (Some(Code::CannotOpen), _) => (ToolError, Phase::NotSent, "the database cannot be opened"),
        (Some(Code::DatabaseCorrupt | Code::NotADatabase), _) => {
            (Internal, Phase::Inside, "the database is damaged or none, nothing was done")
        }
        (
            Some(Code::SystemIoFailure | Code::OutOfMemory | Code::SchemaChanged | Code::FileLockingProtocolFailed),
            _,
        ) => (ToolError, Phase::NotSent, UNDONE),
        // Its own words: a table that is not there, a text that is too long, a type that does not fit.
        _ => (ToolRejected, Phase::Answered, UNDONE),
    }
}

/// Whether a connection that met `error` may be used again.
pub(super) fn harmless(error: &Error) -> bool {
    use ErrorCode as Code;
    !matches!(
        error.sqlite_error_code(),
        Some(
            Code::SystemIoFailure
                | Code::DatabaseCorrupt
                | Code::NotADatabase
                | Code::OutOfMemory
                | Code::CannotOpen
                | Code::InternalMalfunction
                | Code::ApiMisuse
        )
    )
}

/// The database's words, without the statement.
fn words(error: &Error) -> String {
    let text = match error {
        Error::SqliteFailure(_, Some(text)) => text.clone(),
        Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_TEXT).collect()
}

/// The call was given up before its turn came, or between two of its statements.
pub(super) fn stopped(name: &str) -> Failure {
    Failure {
        kind: FailureKind::ToolTimeout,
        phase: Phase::NotSent,
        detail: format!("`{name}`: its time was up before it was done, nothing was done"),
        retry_after: None,
    }
}

/// The answer is not of the form that was declared; the change was undone.
pub(super) fn broken_contract(name: &str, why: impl std::fmt::Display) -> Failure {
    Failure {
        kind: FailureKind::ContractViolated,
        phase: Phase::Answered,
        detail: format!("`{name}`: {why}; nothing was done"),
        retry_after: None,
    }
}
