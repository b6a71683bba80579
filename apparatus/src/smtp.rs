//! A mail server on loopback that keeps what it accepts and delivers nothing.
//!
//! It knows EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP and QUIT, one after another or pipelined, without authentication or TLS. Every mail
//! that it accepts is one [`Mail`] in its file, durable before it is acknowledged. Only a line of one dot between two CRLF ends a mail.
//! `XNEXT mode` is for harnesses: the next mail, on whatever connection, is treated so; a mail begins with its MAIL.

use std::{
    collections::{BTreeMap, VecDeque},
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard},
};

use kernel::ids::Digest;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot};

use self::session::Session;
use crate::lines::{self, Appender, now_us};

mod session;
#[cfg(test)]
mod tests;

/// How a mail is treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Treatment {
    /// Kept and acknowledged.
    #[default]
    Ok,
    /// Not kept; its recipients are answered 550.
    RejectRcpt,
    /// Not kept; answered 451 when it was sent.
    Busy,
    /// Not kept; the connection is closed when it was sent.
    DropBefore,
    /// Kept; the connection is closed when it was sent.
    DropAfter,
    /// Not kept; never answered when it was sent.
    Hang,
    /// Kept; never answered when it was sent.
    HangAfter,
}

impl Treatment {
    fn keeps(self) -> bool {
        matches!(self, Treatment::Ok | Treatment::DropAfter | Treatment::HangAfter)
    }

    /// The treatment of this name.
    fn parse(name: &str) -> Option<Treatment> {
        serde_json::from_value(name.into()).ok()
    }
}

/// `apparatus smtp-sink`
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Where accepted mails go, one JSON object a line; continued if it exists.
    #[arg(long)]
    file: PathBuf,
    /// On 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 0)]
    port: u16,
    #[command(flatten)]
    faults: Faults,
}

/// How mails are treated that no `XNEXT` is for.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Faults {
    /// What happens to them.
    #[arg(long, value_enum, default_value_t)]
    pub mode: Treatment,
    /// How likely that is instead of `ok`, from 0 to 1.
    #[arg(long, default_value_t = 1.0)]
    pub probability: f64,
    /// What chance is drawn from, with the sender and how many mails of it came before.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { mode: Treatment::Ok, probability: 1.0, seed: 1 }
    }
}

/// One mail that was accepted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mail {
    /// From 1, in the order accepted.
    pub n: u64,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// Which connection, from 1.
    pub connection: u64,
    /// The sender of the envelope; empty for a bounce.
    pub from: String,
    /// The recipients of the envelope, in the order named.
    pub to: Vec<String>,
    /// The header `Message-ID` as written; `None` if there is none.
    pub message_id: Option<String>,
    /// The header `Subject`, unfolded and not decoded; `None` if there is none.
    pub subject: Option<String>,
    /// SHA-256 in hexadecimal over headers and body as received, without the dots that SMTP adds.
    pub bytes_sha256: String,
    /// What follows the headers; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// How it was treated.
    pub mode: Treatment,
}

impl Mail {
    /// Reads a file of mails; also while it grows.
    ///
    /// # Errors
    /// There is no such file, or it was written by someone else.
    pub fn read(path: &Path) -> io::Result<Vec<Mail>> {
        Mail::parse(&std::fs::read_to_string(path)?)
    }

    fn parse(text: &str) -> io::Result<Vec<Mail>> {
        lines::parse(text).map_err(|(line, why)| io::Error::other(format!("line {line} is no mail: {why}")))
    }
}

/// Serves until killed; prints `{"port": …, "address": …}` when ready.
///
/// # Errors
/// The file or the port cannot be used, or a chance is none.
pub async fn run(arguments: Arguments) -> io::Result<()> {
    let sink = SmtpSink::open(&arguments.file, arguments.port, arguments.faults).await?;
    let ready = json!({"port": sink.address().port(), "address": sink.address().to_string()});
    {
        let mut out = io::stdout().lock();
        writeln!(out, "{ready}")?;
        out.flush()?;
    }
    sink.serve().await
}

/// A mail server that listens already and answers when served.
pub struct SmtpSink {
    listener: TcpListener,
    address: SocketAddr,
    post: Arc<Post>,
}

/// What all sessions share.
struct Post {
    appender: Appender,
    faults: Faults,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    kept: u64,
    next: VecDeque<Treatment>,
    /// Mails begun by each sender.
    begun: BTreeMap<String, u64>,
}

/// A mail on its way in.
struct Draft {
    connection: u64,
    from: String,
    to: Vec<String>,
    mode: Treatment,
    bytes: Vec<u8>,
}

impl SmtpSink {
    /// Opens the file and the port on 127.0.0.1.
    ///
    /// # Errors
    /// The file or the port cannot be used, or the probability is not from 0 to 1.
    pub async fn open(file: &Path, port: u16, faults: Faults) -> io::Result<SmtpSink> {
        if !(0.0..=1.0).contains(&faults.probability) {
            let why = format!("`probability` must be from 0 to 1 and is {}", faults.probability);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        let (appender, mails) = Appender::open(file, Mail::parse)?;
        let mut book = Book { kept: mails.len() as u64, ..Book::default() };
        for mail in mails {
            *book.begun.entry(mail.from).or_default() += 1;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(SmtpSink { listener, address, post: Arc::new(Post { appender, faults, book: Mutex::new(book) }) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until dropped.
    ///
    /// # Errors
    /// The port fails.
    pub async fn serve(self) -> io::Result<()> {
        // Sessions end with the server: whoever drops it, drops them.
        let mut sessions = tokio::task::JoinSet::new();
        for connection in 1.. {
            let (stream, _) = self.listener.accept().await?;
            // A client that goes away in the middle has ended its session, and nothing else.
            sessions.spawn(Session::new(stream, connection, self.post.clone()).hold());
            while sessions.try_join_next().is_some() {}
        }
        Ok(())
    }
}

impl Post {
    fn book(&self) -> MutexGuard<'_, Book> {
        // Nothing in the critical sections can panic half way through a change.
        self.book.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn next(&self, mode: Treatment) {
        self.book().next.push_back(mode);
    }

    /// A mail begins: how it will be treated.
    fn begin(&self, from: &str) -> Treatment {
        let mut book = self.book();
        let begun = book.begun.entry(from.to_owned()).or_default();
        let count = *begun;
        *begun += 1;
        if let Some(mode) = book.next.pop_front() {
            return mode;
        }
        let Faults { mode, probability, seed } = self.faults;
        let drawn = Digest::of(&[&seed.to_be_bytes(), &count.to_be_bytes(), from.as_bytes()]);
        let drawn = drawn.bytes().iter().take(4).fold(0_u32, |drawn, byte| drawn << 8 | u32::from(*byte));
        let chance = f64::from(drawn) / (f64::from(u32::MAX) + 1.0);
        if chance < probability { mode } else { Treatment::Ok }
    }

    /// Hands a mail over; the receiver gets a word when it is durable.
    fn keep(&self, draft: &Draft) -> oneshot::Receiver<()> {
        let bytes = &draft.bytes;
        let head = bytes.windows(4).position(|end| end == b"\r\n\r\n");
        let (head, body) = match head {
            // A mail may begin with the empty line that ends its headers.
            _ if bytes.starts_with(b"\r\n") => (&[][..], &bytes[2..]),
            Some(end) => (&bytes[..end + 2], &bytes[end + 4..]),
            None => (&bytes[..], &[][..]),
        };
        let head = String::from_utf8_lossy(head);
        let mut book = self.book();
        book.kept += 1;
        let mail = Mail {
            n: book.kept,
            at_us: now_us(),
            connection: draft.connection,
            from: draft.from.clone(),
            to: draft.to.clone(),
            message_id: header(&head, "message-id"),
            subject: header(&head, "subject"),
            bytes_sha256: Digest::of(&[bytes]).to_string(),
            body: String::from_utf8_lossy(body).into_owned(),
            mode: draft.mode,
        };
        // Handed over under the lock, so that lines stand in the order of their numbers.
        self.appender.append(&mail)
    }
}

/// The first header of this name, unfolded.
fn header(head: &str, name: &str) -> Option<String> {
    let mut lines = head.split("\r\n").skip_while(|line| {
        let field = line.split_once(':').map(|(field, _)| field.trim_end());
        field.is_none_or(|field| !field.eq_ignore_ascii_case(name))
    });
    let (_, first) = lines.next()?.split_once(':')?;
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    let whole: Vec<&str> = std::iter::once(first).chain(folded).map(str::trim).collect();
    Some(whole.join(" ").trim().to_owned())
}
