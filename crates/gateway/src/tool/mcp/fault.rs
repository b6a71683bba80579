//! What can go wrong with a server, and what each means for a call.

use std::error::Error;

use kernel::{
    recovery::{Failure, FailureKind, Phase},
    values::Span,
};
use rmcp::{
    ServiceError, model::ErrorCode, service::ClientInitializeError,
    transport::streamable_http_client::StreamableHttpError,
};

use super::{LONGEST, failure, http::WireError, server::Connection};

/// What went wrong.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    /// Ours to mend: a secret, the sandbox, the program.
    Ours(String),
    /// It could not be started or reached.
    Unreached(String),
    /// Starting, reaching or listing took too long.
    Slow(&'static str),
    /// It does not speak the protocol as we do.
    Foreign(String),
    /// No answer in time.
    Late(Span),
    /// The connection ended.
    Ended(String),
    /// A message was longer than is read.
    TooLong,
    /// What came is no answer of the protocol.
    Garbled(String),
    /// It refuses the request: nothing was done.
    Refused(String),
    /// An error of the protocol that may have come after something was done.
    Protocol(String),
    /// It asks for something before it goes on.
    Asks,
    /// It would answer later.
    Postponed,
    /// The status of an HTTP answer, and how long it asks us to wait.
    Status(u16, Option<Span>),
    /// The session is over: the request was not read.
    Expired,
}

impl Fault {
    /// What an error of a request means.
    pub(super) fn of(error: &ServiceError, connection: &Connection) -> Fault {
        if connection.too_long() {
            return Fault::TooLong;
        }
        match error {
            ServiceError::McpError(error) => {
                // Its words are in the record: here they would be taken for ours.
                let said = format!("error {}", error.code.0);
                let refusals = [
                    ErrorCode::PARSE_ERROR,
                    ErrorCode::INVALID_REQUEST,
                    ErrorCode::METHOD_NOT_FOUND,
                    ErrorCode::INVALID_PARAMS,
                ];
                if refusals.contains(&error.code) { Fault::Refused(said) } else { Fault::Protocol(said) }
            }
            ServiceError::TransportSend(error) => Fault::of_wire(error),
            ServiceError::UnexpectedResponse => Fault::Garbled("it answered something else than was asked".to_owned()),
            ServiceError::TransportClosed => Fault::Ended(String::new()),
            other => Fault::Ended(short(&other.to_string())),
        }
    }

    /// What an error of the beginning means.
    pub(super) fn of_start(error: &ClientInitializeError) -> Fault {
        match error {
            ClientInitializeError::TransportError { error, .. } => Fault::of_wire(error),
            ClientInitializeError::ConnectionClosed(_) => Fault::Unreached("it ended before it answered".to_owned()),
            ClientInitializeError::LegacyFallbackFailed { fallback, .. } => Fault::of_start(fallback),
            other => Fault::Foreign(short(&other.to_string())),
        }
    }

    /// Finds our own error in what a transport made of it.
    fn of_wire(error: &(dyn Error + 'static)) -> Fault {
        let mut next = Some(error);
        while let Some(error) = next {
            match error.downcast_ref::<StreamableHttpError<WireError>>() {
                Some(StreamableHttpError::Client(wire)) => return Fault::from(wire),
                Some(StreamableHttpError::SessionExpired) => return Fault::Expired,
                Some(
                    StreamableHttpError::UnexpectedServerResponse(_) | StreamableHttpError::UnexpectedContentType(_),
                ) => {
                    return Fault::Garbled(short(&error.to_string()));
                }
                _ => {}
            }
            if let Some(wire) = error.downcast_ref::<WireError>() {
                return Fault::from(wire);
            }
            if error.source().is_none() {
                return Fault::Ended(short(&error.to_string()));
            }
            next = error.source();
        }
        Fault::Ended(String::new())
    }

    /// Whether the connection is good for nothing any more.
    pub(super) fn ends(&self) -> bool {
        match self {
            Fault::Refused(_)
            | Fault::Protocol(_)
            | Fault::Asks
            | Fault::Postponed
            | Fault::Late(_)
            | Fault::Status(..) => false,
            Fault::Ours(_)
            | Fault::Unreached(_)
            | Fault::Slow(_)
            | Fault::Foreign(_)
            | Fault::Ended(_)
            | Fault::TooLong
            | Fault::Garbled(_)
            | Fault::Expired => true,
        }
    }

    /// The failure of a call; `kept`: nothing of its request has left.
    pub(super) fn failure(self, called: &str, kept: bool) -> Failure {
        use FailureKind::{ContractViolated, Internal, ToolError, ToolRejected, ToolTimeout};
        let sent = if kept { Phase::NotSent } else { Phase::MaybeSent };
        let because = |why: &str| if why.is_empty() { String::new() } else { format!(": {why}") };
        let (kind, phase, what) = match self {
            Fault::Ours(why) => (Internal, Phase::Inside, format!("cannot be called: {why}")),
            Fault::Unreached(why) => (ToolError, Phase::NotSent, format!("did not reach its server: {why}")),
            Fault::Slow(what) => (ToolTimeout, Phase::NotSent, format!("waited too long for its server to {what}")),
            Fault::Foreign(why) => (ToolError, Phase::NotSent, format!("does not understand its server: {why}")),
            Fault::Late(timeout) => {
                (ToolTimeout, Phase::MaybeSent, format!("got no answer from its server within {timeout}"))
            }
            Fault::Ended(why) => (ToolError, sent, format!("lost its server{}", because(&why))),
            Fault::TooLong => {
                (ContractViolated, Phase::Answered, format!("got an answer of more than {} MiB", LONGEST / 1024 / 1024))
            }
            Fault::Garbled(why) => {
                (ContractViolated, Phase::Answered, format!("got no answer of the protocol{}", because(&why)))
            }
            Fault::Refused(why) => {
                (ToolRejected, Phase::Answered, format!("was refused by its server{}", because(&why)))
            }
            Fault::Protocol(why) => (ToolError, Phase::MaybeSent, format!("failed at its server{}", because(&why))),
            Fault::Asks => {
                let what =
                    "was asked for something by its server, which is refused: no sampling, no elicitation, no roots";
                (ToolRejected, Phase::Answered, what.to_owned())
            }
            Fault::Postponed => {
                (ToolRejected, Phase::Answered, "would be done later by its server, which is not supported".to_owned())
            }
            Fault::Expired => (ToolError, Phase::Answered, "came to a session that is over at its server".to_owned()),
            Fault::Status(status, wait) => {
                let (kind, phase) = by_status(status, wait.is_some());
                let detail = format!("{called} got the status {status} from its server");
                return Failure { kind, phase, detail, retry_after: wait };
            }
        };
        failure(kind, phase, format!("{called} {what}"))
    }
}

impl From<&WireError> for Fault {
    fn from(error: &WireError) -> Fault {
        match error {
            WireError::Secret(why) => Fault::Ours(why.clone()),
            WireError::Unreached(why) => Fault::Unreached(why.clone()),
            WireError::Lost(why) => Fault::Ended(why.clone()),
            WireError::TooLong => Fault::TooLong,
            WireError::Status(status, wait) => Fault::Status(*status, *wait),
        }
    }
}

/// As for an `http` tool.
fn by_status(status: u16, waits: bool) -> (FailureKind, Phase) {
    match status {
        425 | 429 => (FailureKind::ToolError, Phase::Answered),
        503 if waits => (FailureKind::ToolError, Phase::Answered),
        408 | 409 | 500.. => (FailureKind::ToolError, Phase::MaybeSent),
        300..400 => (FailureKind::ContractViolated, Phase::Answered),
        _ => (FailureKind::ToolRejected, Phase::Answered),
    }
}

/// What somebody else said, on one short line.
pub(super) fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    line.trim().to_owned()
}
