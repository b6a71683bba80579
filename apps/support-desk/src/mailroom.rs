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

    /// What it has accepted, now or in an earlier process.
    pub fn kept(&self) -> Kept {
        Kept { folder: self.folder.clone() }
    }
}

/// Letters that a mail server has accepted, as files: one folder, or a Maildir.
#[derive(Clone, Debug)]
pub struct Kept {
    folder: PathBuf,
}

impl Kept {
    /// Those of a folder, which need not be there yet.
    pub fn in_folder(folder: impl Into<PathBuf>) -> Kept {
        Kept { folder: folder.into() }
    }

    /// The file of the letter with this `Message-ID`.
    pub fn file(&self, id: &str) -> Option<PathBuf> {
        let ours = self.folder.join(format!("{}.eml", name(id)));
        // A server of somebody else names its files as it likes.
        let folders = ["", "new", "cur"].map(|within| self.folder.join(within));
        let others = folders
            .into_iter()
            .filter_map(|folder| fs::read_dir(folder).ok())
            .flatten()
            .flatten()
            .map(|one| one.path());
        let mut files = std::iter::once(ours).chain(others);
        // A part is a letter that nobody has acknowledged.
        let whole = |file: &Path| file.extension().is_none_or(|ending| ending != "part");
        files.find(|file| whole(file) && head(file).is_some_and(|head| header(&head, "message-id") == Some(id)))
    }

    /// Whom the letter with this `Message-ID` is addressed to; none if it is not there.
    pub fn to(&self, id: &str) -> Option<Vec<String>> {
        let head = head(&self.file(id)?)?;
        Some(header(&head, "to")?.split(',').map(|one| one.trim().to_owned()).collect())
    }
}

/// The head of a letter in a file, each field on one line.
fn head(file: &Path) -> Option<String> {
    let mut text = Vec::new();
    fs::File::open(file).ok()?.take(MOST_LINE).read_to_end(&mut text).ok()?;
    Some(unfolded(&text))
}

fn unfolded(letter: &[u8]) -> String {
    let text = String::from_utf8_lossy(letter).replace("\r\n", "\n");
    let head = text.split("\n\n").next().unwrap_or_default();
    head.replace("\n ", " ").replace("\n\t", " ")
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut fields = head.lines().filter_map(|line| line.split_once(':'));
    fields.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
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
    let head = unfolded(letter);
    let id = header(&head, "message-id").map_or_else(|| format!("{}-{number}", process::id()), name);
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

    fn names(folder: &Path) -> Vec<String> {
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
        assert_eq!(names(folder.path()), ["___k1-2.eml", "___k1.eml"]);
        let text = fs::read_to_string(folder.path().join("___k1.eml")).unwrap();
        assert!(text.ends_with("\r\n\r\n.\r\na\r\n"), "{text:?}");
        let kept = Mailroom::new(folder.path()).kept();
        assert!(kept.file("<../k1@x>").is_some() && kept.file("<k2@x>").is_none());
    }

    #[test]
    fn a_letter_is_found_under_any_name_and_only_by_its_head() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("cur")).unwrap();
        let letter = "Message-Id: <k1@x>\nTo: a@x.example,\n b@x.example\nSubject: s\n\nMessage-ID: <k2@x>\n";
        fs::write(folder.path().join("cur/17.host:2,S"), letter).unwrap();
        let kept = Kept::in_folder(folder.path());
        assert_eq!(kept.to("<k1@x>"), Some(vec!["a@x.example".to_owned(), "b@x.example".to_owned()]));
        assert_eq!(kept.to("<k2@x>"), None);
        fs::write(folder.path().join("9-1.part"), "Message-ID: <k3@x>\nTo: a@x.example\n\n").unwrap();
        assert_eq!(kept.to("<k3@x>"), None);
        assert_eq!(Kept::in_folder("nowhere").to("<k1@x>"), None);
    }

    #[test]
    fn a_recipient_that_cannot_be_is_refused_and_half_a_letter_is_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let refused =
            "HELO us\nRCPT TO:<b@x.example>\nMAIL FROM:<a@x.example>\nRCPT TO:<b@nowhere.INVALID>\nDATA\nWHAT\n";
        assert_eq!(answers(folder.path(), refused), "220 250 503 250 550 503 500");
        assert_eq!(answers(folder.path(), &format!("{HEAD}Subject: s\n\nhalf")), "220 250 250 250 250 354");
        assert!(names(folder.path()).is_empty());
    }
}
