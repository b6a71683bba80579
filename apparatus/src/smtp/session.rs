//! One connection: commands in, replies out.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{
        TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
};

use super::{Draft, Post, Treatment};

/// The longest mail, in bytes.
const LARGEST: usize = 32 << 20;
/// The longest command, in bytes, its CRLF included.
const LONGEST: usize = 4096;
/// Recipients of one mail.
const MOST: usize = 1000;

/// What is left of a session after a command.
enum Then {
    GoOn,
    Close,
}

/// One connection.
pub(super) struct Session {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    connection: u64,
    post: Arc<Post>,
    greeted: bool,
    draft: Option<Draft>,
}

impl Session {
    pub(super) fn new(stream: TcpStream, connection: u64, post: Arc<Post>) -> Session {
        let (reader, writer) = stream.into_split();
        Session { reader: BufReader::new(reader), writer, connection, post, greeted: false, draft: None }
    }

    /// Until either side has had enough.
    ///
    /// # Errors
    /// The client went away.
    pub(super) async fn hold(mut self) -> io::Result<()> {
        self.say("220 sink.example ESMTP; nothing is delivered").await?;
        loop {
            let Some(line) = self.line(LONGEST).await? else {
                return self.say("500 a command has at most 4096 bytes, and ends with CRLF").await;
            };
            if line.is_empty() {
                return Ok(());
            }
            let Ok(line) = String::from_utf8(line) else {
                self.say("500 a command is UTF-8").await?;
                continue;
            };
            if let Then::Close = self.command(line.trim_end()).await? {
                return Ok(());
            }
        }
    }

    async fn command(&mut self, line: &str) -> io::Result<Then> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let reply = match verb.to_ascii_uppercase().as_str() {
            "EHLO" | "HELO" if rest.trim().is_empty() => "501 say who you are: EHLO name".to_owned(),
            "HELO" => {
                (self.greeted, self.draft) = (true, None);
                "250 sink.example".to_owned()
            }
            "EHLO" => {
                (self.greeted, self.draft) = (true, None);
                format!("250-sink.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE {LARGEST}")
            }
            "MAIL" => self.mail(rest),
            "RCPT" => self.recipient(rest),
            "DATA" => return self.data(rest).await,
            "RSET" => {
                self.draft = None;
                "250 forgotten".to_owned()
            }
            "NOOP" => "250 nothing".to_owned(),
            "XNEXT" => match Treatment::parse(rest.trim()) {
                Some(mode) => {
                    self.post.next(mode);
                    "250 the next mail is treated so".to_owned()
                }
                None => {
                    let known = "ok, reject_rcpt, busy, drop_before, drop_after, hang, hang_after";
                    format!("501 `{}` is no mode: {known}", rest.trim())
                }
            },
            "QUIT" => {
                self.say("221 goodbye").await?;
                return Ok(Then::Close);
            }
            _ => "500 no such command: EHLO, HELO, MAIL, RCPT, DATA, RSET, NOOP, QUIT".to_owned(),
        };
        self.say(&reply).await?;
        Ok(Then::GoOn)
    }

    fn mail(&mut self, rest: &str) -> String {
        if !self.greeted {
            return "503 EHLO comes first".to_owned();
        }
        if self.draft.is_some() {
            return "503 a mail has begun already: RSET forgets it".to_owned();
        }
        let Some((from, parameters)) = path(rest, "FROM:") else {
            return "501 a mail begins so: MAIL FROM:<address>".to_owned();
        };
        if !from.is_empty() && !is_address(from) {
            return format!("501 <{from}> is no address");
        }
        for parameter in parameters.split_whitespace() {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            match name.to_ascii_uppercase().as_str() {
                "SIZE" if value.parse::<usize>().is_err() => return format!("501 `{value}` is no size"),
                "SIZE" if value.parse::<usize>().is_ok_and(|size| size > LARGEST) => {
                    return format!("552 a mail has at most {LARGEST} bytes");
                }
                "SIZE" | "BODY" | "SMTPUTF8" => {}
                _ => return format!("555 `{name}` is not known: SIZE, BODY, SMTPUTF8"),
            }
        }
        let mode = self.post.begin(from);
        let draft =
            Draft { connection: self.connection, from: from.to_owned(), to: Vec::new(), mode, bytes: Vec::new() };
        self.draft = Some(draft);
        "250 go on".to_owned()
    }

    fn recipient(&mut self, rest: &str) -> String {
        let Some(draft) = &mut self.draft else { return "503 MAIL comes first".to_owned() };
        let Some((to, parameters)) = path(rest, "TO:") else {
            return "501 a recipient is named so: RCPT TO:<address>".to_owned();
        };
        if !is_address(to) {
            return format!("501 <{to}> is no address");
        }
        if !parameters.trim().is_empty() {
            return format!("555 `{}` is not known", parameters.trim());
        }
        if draft.mode == Treatment::RejectRcpt {
            return format!("550 nobody is called <{to}>, as told");
        }
        if draft.to.len() >= MOST {
            return format!("452 a mail has at most {MOST} recipients");
        }
        draft.to.push(to.to_owned());
        "250 go on".to_owned()
    }

    async fn data(&mut self, rest: &str) -> io::Result<Then> {
        let refused = match &self.draft {
            _ if !rest.trim().is_empty() => Some("501 DATA stands alone"),
            None => Some("503 MAIL comes first"),
            Some(draft) if draft.to.is_empty() => Some("554 a mail has at least one recipient: RCPT comes first"),
            Some(_) => None,
        };
        let (None, Some(mut draft)) = (refused, self.draft.take_if(|_| refused.is_none())) else {
            self.say(refused.unwrap_or_default()).await?;
            return Ok(Then::GoOn);
        };
        self.say("354 end with a dot on a line of its own").await?;
        let (mut too_large, mut begins) = (false, true);
        loop {
            // There is always room for the dot.
            let Some(line) = self.line(LARGEST.saturating_sub(draft.bytes.len()) + 3).await? else {
                // What follows is the rest of a line.
                (too_large, begins) = (true, false);
                continue;
            };
            match line.as_slice() {
                // Whoever goes away before the dot has sent no mail.
                b"" => return Ok(Then::Close),
                b".\r\n" if begins => break,
                [b'.', stuffed @ ..] if begins => draft.bytes.extend_from_slice(stuffed),
                line => draft.bytes.extend_from_slice(line),
            }
            begins = true;
            too_large |= draft.bytes.len() > LARGEST;
            if too_large {
                // Nothing of it is kept, but it is heard to its end.
                draft.bytes = Vec::new();
            }
        }
        if too_large {
            self.say(&format!("552 a mail has at most {LARGEST} bytes")).await?;
            return Ok(Then::GoOn);
        }
        if draft.mode.keeps() && self.post.keep(&draft).await.is_err() {
            // What is not written down was not received.
            self.say("451 the file of mails cannot be written").await?;
            return Ok(Then::Close);
        }
        match draft.mode {
            Treatment::Ok => self.say("250 kept").await?,
            Treatment::Busy | Treatment::RejectRcpt => self.say("451 come back later, as told").await?,
            Treatment::DropBefore | Treatment::DropAfter => return Ok(Then::Close),
            Treatment::Hang | Treatment::HangAfter => std::future::pending().await,
        }
        Ok(Then::GoOn)
    }

    /// A line with its CRLF, of at most so many bytes: a line feed alone ends none. Empty: the client went away.
    async fn line(&mut self, most: usize) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            let left = most.saturating_sub(line.len());
            // A CRLF is not cut in two.
            if left == 0 && line.last() != Some(&b'\r') {
                return Ok(None);
            }
            let read = (&mut self.reader).take(left.max(1) as u64).read_until(b'\n', &mut line).await?;
            if read == 0 {
                return Ok(Some(Vec::new()));
            }
        }
        Ok(Some(line))
    }

    async fn say(&mut self, reply: &str) -> io::Result<()> {
        self.writer.write_all(format!("{reply}\r\n").as_bytes()).await
    }
}

/// `FROM:<address> parameters`: the address and the parameters.
fn path<'a>(rest: &'a str, word: &str) -> Option<(&'a str, &'a str)> {
    let begins = rest.get(..word.len())?.eq_ignore_ascii_case(word);
    let inside = rest[word.len()..].trim_start().strip_prefix('<').filter(|_| begins)?;
    inside.split_once('>')
}

fn is_address(text: &str) -> bool {
    let parts = text.rsplit_once('@');
    parts.is_some_and(|(name, host)| !name.is_empty() && !host.is_empty())
        && !text.contains(|c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>'))
}
