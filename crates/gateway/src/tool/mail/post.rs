//! The conversation with a mail server, and how far it had come when it ended.

use std::{
    error::Error as _,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use kernel::recovery::{Failure, FailureKind, Phase};
use lettre::{
    Address,
    transport::smtp::{
        Error,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, TlsParameters},
        commands::{Data, Mail, Rcpt},
        extension::ClientId,
        response::{Response, Severity},
    },
};

use super::{Server, Way, letter::Letter};
use crate::secret::Scrubber;

/// Where a conversation ended.
#[derive(Debug)]
pub(super) enum Step {
    /// Connecting, the greeting, encryption.
    Hello,
    /// Who we are.
    Login,
    /// The sender.
    From,
    /// One recipient.
    To(Address),
    /// Asking to hand over the letter: none of it was sent yet.
    Data,
    /// The letter itself.
    Letter,
}

/// Why a letter is not known to be accepted.
#[derive(Debug)]
pub(super) struct Fault {
    step: Step,
    why: Why,
}

#[derive(Debug)]
enum Why {
    Smtp(Error),
    /// An answer that says neither yes nor no.
    Strange(Response),
    /// We would not go on.
    Ours(&'static str),
}

/// How long a server is waited for after it has accepted the letter.
const GOODBYE: Duration = Duration::from_secs(2);

/// Hands the letter over once; gives the server's last word. `begun` is set before the first byte of the letter leaves.
pub(super) async fn post(
    server: &Server,
    credentials: Option<&Credentials>,
    letter: &Letter,
    begun: &AtomicBool,
) -> Result<String, Fault> {
    let at = |step| move |error| Fault { step, why: Why::Smtp(error) };
    let us = ClientId::default();
    let tls = || TlsParameters::new(server.host.clone()).map_err(at(Step::Hello));
    let first = if server.way == Way::Tls { Some(tls()?) } else { None };
    let connecting = AsyncSmtpConnection::connect_tokio1((server.host.as_str(), server.port), None, &us, first, None);
    let mut connection = connecting.await.map_err(at(Step::Hello))?;
    if server.way == Way::StartTls {
        if !connection.can_starttls() {
            let why = Why::Ours("it does not offer STARTTLS, and it is not this machine");
            return Err(Fault { step: Step::Hello, why });
        }
        connection.starttls(tls()?, &us).await.map_err(at(Step::Hello))?;
    }
    if let Some(credentials) = credentials {
        let login = connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await;
        settled(login, Step::Login)?;
    }
    settled(connection.command(Mail::new(Some(letter.from.clone()), Vec::new())).await, Step::From)?;
    for one in &letter.to {
        settled(connection.command(Rcpt::new(one.clone(), Vec::new())).await, Step::To(one.clone()))?;
    }
    let ready = connection.command(Data).await.map_err(at(Step::Data))?;
    if !ready.has_code(354) {
        return Err(Fault { step: Step::Data, why: Why::Strange(ready) });
    }
    begun.store(true, Ordering::SeqCst);
    let accepted = settled(connection.message(&letter.bytes).await, Step::Letter)?;
    // It is done, whatever becomes of the connection: a server that does not say goodbye changes nothing.
    let _ = tokio::time::timeout(GOODBYE, connection.quit()).await;
    Ok(accepted.message().collect::<Vec<_>>().join("\n"))
}

/// An answer that closes its step: 2xx, nothing else.
fn settled(answer: Result<Response, Error>, step: Step) -> Result<Response, Fault> {
    match answer {
        Ok(response) if response.code().severity == Severity::PositiveCompletion => Ok(response),
        Ok(response) => Err(Fault { step, why: Why::Strange(response) }),
        Err(error) => Err(Fault { step, why: Why::Smtp(error) }),
    }
}

impl Fault {
    /// The failure, and the server's own words for the record.
    pub(super) fn told(self, called: &str, server: &Server, scrubber: &Scrubber) -> (Failure, Option<String>) {
        use FailureKind::{ToolError, ToolRejected};
        let begun = matches!(self.step, Step::Letter);
        let unknown = if begun { Phase::MaybeSent } else { Phase::NotSent };
        let about = match &self.step {
            Step::Hello => "the greeting".to_owned(),
            Step::Login => "the user and the password".to_owned(),
            Step::From => "the sender".to_owned(),
            Step::To(one) => format!("the recipient `{one}`"),
            Step::Data | Step::Letter => "the letter".to_owned(),
        };
        let (kind, phase, detail, reply) = match self.why {
            Why::Smtp(error) => match error.status() {
                Some(code) => {
                    // Who is not greeted has said nothing yet: another time it may be.
                    let (kind, phase) = match (&self.step, code.severity) {
                        (Step::Hello, _) => (ToolError, Phase::NotSent),
                        (_, Severity::PermanentNegativeCompletion) => (ToolRejected, Phase::Answered),
                        (Step::Letter, _) => (ToolError, Phase::Answered),
                        _ => (ToolError, Phase::NotSent),
                    };
                    let reply = error.source().map(ToString::to_string);
                    (kind, phase, format!("{server} answered {code} to {about}"), reply)
                }
                None => (ToolError, unknown, format!("no answer of {server} to {about}: {}", root(&error)), None),
            },
            Why::Strange(response) => {
                let reply = response.message().collect::<Vec<_>>().join("\n");
                let detail = format!("{server} answered {} to {about}, which means nothing here", response.code());
                (ToolError, unknown, detail, Some(reply))
            }
            Why::Ours(why) => (ToolError, unknown, format!("{server} was told nothing: {why}"), None),
        };
        let detail = scrubber.scrub_text(format!("`{called}`: {detail}"));
        (Failure { kind, phase, detail, retry_after: None }, reply)
    }
}

/// The innermost cause: "connection refused" rather than "connection error".
fn root(error: &Error) -> String {
    if error.is_response() {
        // What it said instead is its own page.
        return "it was cut off, or is no SMTP".to_owned();
    }
    let mut inner: &(dyn std::error::Error + 'static) = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}
