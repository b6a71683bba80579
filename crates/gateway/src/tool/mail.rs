//! Tools that hand letters to a mail server (SMTP).
//!
//! The server and the sender are the operator's word; recipients, subject and text come from a run. One connection a call, no
//! pool, and nothing is sent twice. A letter goes to all its recipients or to none: one that the server refuses ends the call.
//! The message id is made of our key, so that whoever has the letter can be asked for it.
//!
//! | what happened | failure | phase |
//! | --- | --- | --- |
//! | no connection, no greeting, no TLS where there must be | `tool_error` | not sent |
//! | 4xx before the letter, a connection lost before the letter | `tool_error` | not sent |
//! | 5xx to the user, the sender, a recipient | `tool_rejected` | answered |
//! | not done in time, before the letter | `tool_timeout` | not sent |
//! | lost or not done in time, after the letter's first byte | `tool_error`, `tool_timeout` | maybe sent |
//! | 5xx, 4xx to the letter | `tool_rejected`, `tool_error` | answered |

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_STANDARD};
use kernel::{
    expr::{Template, Text},
    governance::Permit,
    ids::IdempotencyKey,
    recovery::{Failure, FailureKind, Phase},
    values::{Span, Value},
};
use lettre::{message::Mailbox, transport::smtp::authentication::Credentials};
use url::Url;

use self::letter::Letter;
use super::{Now, http::install_crypto, stranger};
use crate::{
    Outcome, Tool,
    secret::{NoSecret, Scrubber, SecretText, Secrets},
};

mod letter;
mod post;
#[cfg(test)]
mod tests;

/// What one operation sends. Its texts know one name: `with`.
#[derive(Clone, Debug)]
pub struct MailOperation {
    /// An address, or a list of addresses.
    pub to: Template,
    /// One line.
    pub subject: Text,
    /// The letter, as plain text.
    pub text: Text,
    /// Where answers go, if not to the sender.
    pub reply_to: Option<Text>,
    /// From the first byte to the server's word on the letter, connecting included.
    pub timeout: Span,
}

/// A tool file's mail part, as data.
pub struct MailSpec {
    /// `smtps://host:port`, or `smtp://host:port`: unencrypted to this machine, else encrypted by STARTTLS. Without a port: 465
    /// and 587.
    pub smtp: String,
    /// `Name <name@host>`, or an address.
    pub from: String,
    /// User and password; `secret://name` in them stands for that secret.
    pub login: Option<(String, String)>,
    /// Lets letters go unencrypted to a server that is not this machine. A password never does.
    pub plain: bool,
    /// By name.
    pub operations: BTreeMap<Arc<str>, MailOperation>,
    /// For the date of a letter.
    pub now: Now,
}

/// A mail tool that cannot be set up as its file says.
#[derive(Debug, thiserror::Error)]
pub enum BadMailTool {
    /// No address of a mail server.
    #[error("the mail server `{url}` {why}")]
    Server {
        /// As given; a text that holds a password is not repeated.
        url: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No sender.
    #[error("the sender `{from}` {why}")]
    From {
        /// As given.
        from: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A text that reads something other than `with`.
    #[error("`{operation}` reads `{name}`, and a letter is made from `with` alone")]
    Name {
        /// Which operation.
        operation: Arc<str>,
        /// The name.
        name: Arc<str>,
    },
}

/// A mail server, and how the way to it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Server {
    host: String,
    port: u16,
    way: Way,
}

/// How letters travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Encrypted from the first byte.
    Tls,
    /// Encrypted before anything is told; a server that cannot is told nothing.
    StartTls,
    /// Readable by whoever stands between.
    Plain,
}

/// A tool file's mail part, ready to act.
pub struct MailTool {
    server: Server,
    from: Mailbox,
    login: Option<(SecretText, SecretText)>,
    operations: BTreeMap<Arc<str>, MailOperation>,
    secrets: Arc<dyn Secrets>,
    now: Now,
}

impl MailTool {
    /// Checks the file's mail part: the server, the sender, each name. Nothing is connected yet.
    ///
    /// # Errors
    /// [`BadMailTool`]: the tool file must be corrected.
    pub fn new(spec: MailSpec, secrets: Arc<dyn Secrets>) -> Result<MailTool, BadMailTool> {
        install_crypto();
        let server = server(&spec.smtp, spec.plain, spec.login.is_some())?;
        let from = letter::mailbox(&spec.from).map_err(|why| BadMailTool::From { from: spec.from.clone(), why })?;
        for (name, operation) in &spec.operations {
            let texts = [&operation.subject, &operation.text].into_iter().chain(&operation.reply_to);
            let roots = texts.flat_map(|text| text.roots()).chain(operation.to.roots());
            if let Some(root) = stranger(roots) {
                return Err(BadMailTool::Name { operation: name.clone(), name: root });
            }
        }
        let login = spec.login.map(|(user, password)| (SecretText::parse(&user), SecretText::parse(&password)));
        Ok(MailTool { server, from, login, operations: spec.operations, secrets, now: spec.now })
    }

    pub(crate) async fn perform(&self, tool: &str, operation: &str, input: &[u8], key: &IdempotencyKey) -> Outcome {
        let called = format!("{tool}.{operation}");
        let Some(mail) = self.operations.get(operation) else {
            let detail = format!("the tool `{tool}` has no operation `{operation}` in this process");
            return Outcome::failed(Failure::inside(FailureKind::Internal, detail));
        };
        let unusable =
            |kind, why: String| Outcome::failed(Failure::inside(kind, format!("`{called}` cannot be sent: {why}")));
        let with = match Value::from_json(input) {
            Ok(with) => with,
            Err(error) => return unusable(FailureKind::Internal, format!("its input is no canonical JSON: {error}")),
        };
        let letter = match Letter::write(&self.from, mail, &with, key, (self.now)()) {
            Ok(letter) => letter,
            Err(why) => return unusable(FailureKind::InvalidArguments, why),
        };
        let mut scrubber = Scrubber::default();
        let credentials = match self.credentials(&mut scrubber) {
            Ok(credentials) => credentials,
            Err(error) => return unusable(FailureKind::Internal, error.to_string()),
        };
        let begun = AtomicBool::new(false);
        let posted = post::post(&self.server, credentials.as_ref(), &letter, &begun);
        match tokio::time::timeout(crate::duration(mail.timeout), posted).await {
            Ok(Ok(reply)) => {
                let accepted = Value::list(letter.to.iter().map(|one| Value::text(one.to_string())));
                let answer = Value::map([("message_id", Value::text(letter.message_id)), ("accepted", accepted)]);
                Outcome { answer: Ok(answer), raw: raw(reply, &scrubber) }
            }
            Ok(Err(fault)) => {
                let (failure, reply) = fault.told(&called, &self.server, &scrubber);
                Outcome { answer: Err(failure), raw: reply.and_then(|reply| raw(reply, &scrubber)) }
            }
            Err(_) => Outcome::failed(Failure {
                kind: FailureKind::ToolTimeout,
                phase: if begun.load(Ordering::SeqCst) { Phase::MaybeSent } else { Phase::NotSent },
                detail: format!("`{called}` was not done with {} within {}", self.server, mail.timeout),
                retry_after: None,
            }),
        }
    }

    fn credentials(&self, scrubber: &mut Scrubber) -> Result<Option<Credentials>, NoSecret> {
        let Some((user, password)) = &self.login else { return Ok(None) };
        let user = user.resolve(&*self.secrets, scrubber)?;
        let password = password.resolve(&*self.secrets, scrubber)?;
        // As they travel: a server may echo what it did not understand.
        scrubber.add(&BASE64_STANDARD.encode(format!("\0{user}\0{password}")));
        scrubber.add(&BASE64_STANDARD.encode(&password));
        Ok(Some(Credentials::new(user, password)))
    }
}

#[async_trait]
impl Tool for MailTool {
    async fn call(&self, permit: &Permit) -> Outcome {
        self.perform(permit.tool(), permit.operation(), permit.input(), permit.key()).await
    }
}

impl std::fmt::Display for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

fn raw(reply: String, scrubber: &Scrubber) -> Option<Arc<[u8]>> {
    (!reply.is_empty()).then(|| scrubber.scrub(reply.into_bytes()).into())
}

fn server(text: &str, plain: bool, login: bool) -> Result<Server, BadMailTool> {
    let bad = |why| BadMailTool::Server { url: text.to_owned(), why };
    const EXAMPLE: &str = "is no address of a mail server: write one like `smtps://mail.example:465`";
    let url = Url::parse(text).map_err(|_| bad(EXAMPLE))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(BadMailTool::Server {
            url: "…".to_owned(),
            why: "must not hold a user or a password: they stand in `user` and, as `secret://name`, in `password`",
        });
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("must be a host and a port alone"));
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(|| bad(EXAMPLE))?;
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let (way, port) = match url.scheme() {
        "smtps" => (Way::Tls, 465),
        "smtp" if here => (Way::Plain, 587),
        "smtp" if plain && login => {
            return Err(bad("is not this machine: a password does not go there unencrypted; leave `plain` out"));
        }
        "smtp" if plain => (Way::Plain, 587),
        "smtp" => (Way::StartTls, 587),
        _ => return Err(bad("must begin with smtps:// or smtp://")),
    };
    Ok(Server { host, port: url.port().unwrap_or(port), way })
}
