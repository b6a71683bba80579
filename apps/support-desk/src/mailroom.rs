//! The mail server of the demonstration: on loopback, real SMTP. What it accepts becomes a file, and nothing is delivered.
//!
//! It is there where nobody named another one (`SMTP_URL`), in the profile `demo` alone. A recipient at a name that ends in `.invalid`,
//! which nobody can own, is refused, so that a refusal can be seen.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read as _, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

/// The longest line, and the longest letter.
const MOST_LINE: u64 = 64 << 10;
const MOST_LETTER: usize = 16 << 20;
/// How long somebody may be silent.
const PATIENCE: Duration = Duration::from_secs(60);

/// A mail server that begins when somebody asks for its address.
pub struct Mailroom {
    folder: PathBuf,
    address: OnceLock<Option<SocketAddr>>,
}

impl Mailroom {
    /// One that keeps letters in `folder`, which the first letter makes.
    pub fn new(folder: impl Into<PathBuf>) -> Mailroom {
        Mailroom { folder: folder.into(), address: OnceLock::new() }
    }

    /// `smtp://127.0.0.1:port`; from now on it listens, until the process ends. `None`: the machine gave no port.
    pub fn url(&self) -> Option<String> {
        let address = (*self.address.get_or_init(|| listen(self.folder.clone()).ok()))?;
        Some(format!("smtp://{address}"))
    }

    /// The file of a letter that was accepted, by this process or by an earlier one.
    pub fn file(&self, message_id: &str) -> Option<PathBuf> {
        let file = self.folder.join(format!("{}.eml", name(message_id)));
        file.is_file().then_some(file)
    }
}

fn listen(folder: PathBuf) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("mailroom".to_owned()).spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            // Without a thread or a time limit the connection is closed: whoever called tries again, or says so.
            let _ = thread::Builder::new().name("mailroom".to_owned()).spawn(move || {
                stream.set_read_timeout(Some(PATIENCE))?;
                converse(BufReader::new(stream.try_clone()?), stream, &folder)
            });
        }
    })?;
    Ok(address)
}

/// One conversation, until `QUIT` or the end of `input`.
fn converse(mut input: impl BufRead, mut output: impl Write, folder: &Path) -> io::Result<()> {
    // One write an answer: in two, the second would wait for the other side's leave.
    let mut say = |text: &str| {
        output.write_all(format!("{text}\r\n").as_bytes())?;
        output.flush()
    };
    say("220 mailroom.localhost ready")?;
    let (mut begun, mut to) = (false, 0_usize);
    while let Some(line) = line(&mut input)? {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        let word = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        match &*word {
            "EHLO" => say("250-mailroom.localhost\r\n250 8BITMIME")?,
            "HELO" | "NOOP" => say("250 well")?,
            "RSET" => {
                (begun, to) = (false, 0);
                say("250 forgotten")?;
            }
            "MAIL" => {
                (begun, to) = (true, 0);
                say("250 go on")?;
            }
            "RCPT" if begun => {
                let address = text.split(['<', '>']).nth(1).unwrap_or_default();
                if address.to_ascii_lowercase().ends_with(".invalid") {
                    say("550 5.1.2 no such host")?;
                } else {
                    to += 1;
                    say("250 go on")?;
                }
            }
            "DATA" if to > 0 => {
                say("354 end it with a line of one dot")?;
                let Some(letter) = letter(&mut input)? else { return say("552 5.3.4 too long") };
                match keep(folder, &letter) {
                    Ok(file) => say(&format!("250 kept as {file}"))?,
                    Err(error) => say(&format!("451 4.3.0 it cannot be kept: {}", error.kind()))?,
                }
                (begun, to) = (false, 0);
            }
            "QUIT" => return say("221 goodbye"),
            "RCPT" | "DATA" => say("503 5.5.1 first MAIL, then RCPT")?,
            _ => say("500 5.5.2 not known here")?,
        }
    }
    Ok(())
}

/// The next line with its end; none at the end of the input. One that is too long is an error: the conversation is over.
fn line(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    input.take(MOST_LINE).read_until(b'\n', &mut line)?;
    match line.last() {
        Some(b'\n') => Ok(Some(line)),
        None => Ok(None),
        Some(_) => Err(io::Error::new(io::ErrorKind::InvalidData, "a line without an end")),
    }
}

/// The lines up to that of one dot, without the dots that SMTP adds; none if they are too many. It must end as it should.
fn letter(input: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut letter = Vec::new();
    loop {
        let Some(line) = line(input)? else { return Err(io::ErrorKind::UnexpectedEof.into()) };
        match &*line {
            b".\r\n" => return Ok(Some(letter)),
            [b'.', rest @ ..] => letter.extend_from_slice(rest),
            line => letter.extend_from_slice(line),
        }
        if letter.len() > MOST_LETTER {
            return Ok(None);
        }
    }
}

/// Keeps a letter under the name of its `Message-ID`, whole or not at all; gives the file's name. A second letter of that name has a number.
fn keep(folder: &Path, letter: &[u8]) -> io::Result<String> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    fs::create_dir_all(folder)?;
    let part = folder.join(format!("{}-{number}.part", process::id()));
    let mut file = fs::File::create(&part)?;
    file.write_all(letter)?;
    file.sync_all()?;
    let id = message_id(letter).map_or_else(|| format!("{}-{number}", process::id()), |id| name(&id));
    let names = std::iter::once(format!("{id}.eml")).chain((2..).map(|again| format!("{id}-{again}.eml")));
    for name in names {
        match fs::hard_link(&part, folder.join(&name)) {
            Ok(()) => return fs::remove_file(&part).map(|()| name),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("the names do not end")
}

fn message_id(letter: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(letter);
    let head = text.lines().take_while(|line| !line.is_empty());
    let mut values = head.filter_map(|line| line.split_once(':'));
    values.find(|(name, _)| name.eq_ignore_ascii_case("message-id")).map(|(_, value)| value.trim().to_owned())
}

/// `<key@host>` as the plain name of a file.
fn name(message_id: &str) -> String {
    let id = message_id.trim_start_matches('<').split('@').next().unwrap_or_default();
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    id.chars().take(100).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(folder: &Path, said: &str) -> String {
        let mut out = Vec::new();
        // The end of the input in the middle of a letter is an error; what was answered before counts.
        let _ = converse(said.replace('\n', "\r\n").as_bytes(), &mut out, folder);
        String::from_utf8(out)
            .unwrap()
            .lines()
            .map(|line| line.split([' ', '-']).next().unwrap())
            .collect::<Vec<_>>()
            .join(" ")
    }

    fn kept(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> =
            fs::read_dir(folder).unwrap().map(|one| one.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    const HEAD: &str = "EHLO us\nMAIL FROM:<a@x.example>\nRCPT TO:<b@x.example>\nDATA\n";

    #[test]
    fn a_letter_becomes_a_file_and_a_second_one_of_its_name_does_not_replace_it() {
        let folder = tempfile::tempdir().unwrap();
        let said = format!("{HEAD}Message-ID: <../k1@x>\nSubject: s\n\n..\n.a\n.\nQUIT\n");
        assert_eq!(answers(folder.path(), &said), "220 250 250 250 250 354 250 221");
        assert_eq!(answers(folder.path(), &said), "220 250 250 250 250 354 250 221");
        assert_eq!(kept(folder.path()), ["___k1-2.eml", "___k1.eml"]);
        let text = fs::read_to_string(folder.path().join("___k1.eml")).unwrap();
        assert!(text.ends_with("\r\n\r\n.\r\na\r\n"), "{text:?}");
        let room = Mailroom::new(folder.path());
        assert!(room.file("<../k1@x>").is_some() && room.file("<k2@x>").is_none());
    }

    #[test]
    fn a_recipient_that_cannot_be_is_refused_and_half_a_letter_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let refused =
            "HELO us\nRCPT TO:<b@x.example>\nMAIL FROM:<a@x.example>\nRCPT TO:<b@nowhere.INVALID>\nDATA\nWHAT\n";
        assert_eq!(answers(folder.path(), refused), "220 250 503 250 550 503 500");
        assert_eq!(answers(folder.path(), &format!("{HEAD}Subject: s\n\nhalf")), "220 250 250 250 250 354");
        assert!(kept(folder.path()).is_empty());
    }
}
