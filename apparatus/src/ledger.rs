//! The ledger's file, and the questions an oracle asks of it.
//!
//! One line of JSON per request, in the order received, each durable before its answer left.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// How a request was treated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Applied and answered.
    #[default]
    Ok,
    /// Not applied; answered 422.
    #[serde(rename = "reject_4xx")]
    Reject4xx,
    /// Not applied; answered 500.
    FailBefore,
    /// Applied; answered 500.
    FailAfter,
    /// Not applied; never answered.
    Hang,
    /// Applied; never answered.
    HangAfter,
    /// Not applied; the connection is closed without a byte.
    DropBefore,
    /// Applied; the connection is closed without a byte.
    DropAfter,
    /// Applied; answered after a while.
    Slow,
    /// Not applied; answered 429 with `Retry-After`.
    RetryAfter,
    /// Applied; the connection is closed in the middle of the answer's body.
    Truncated,
    /// Not applied; answered 429 without `Retry-After`: nothing more is to be had, however long one waits.
    SpendLimit,
    /// Not applied; answered 429 with `Retry-After`: more requests in a window than the receiver takes.
    Limited,
}

impl Mode {
    /// Whether the effect happens before things go wrong.
    pub fn applies(self) -> bool {
        match self {
            Mode::Ok | Mode::FailAfter | Mode::HangAfter | Mode::DropAfter | Mode::Slow | Mode::Truncated => true,
            Mode::Reject4xx | Mode::FailBefore | Mode::Hang | Mode::DropBefore => false,
            Mode::RetryAfter | Mode::SpendLimit | Mode::Limited => false,
        }
    }
}

/// What a receiver promises about a request, and so what may be done when its answer is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Changes nothing.
    Read,
    /// The same key is applied once.
    Idempotent,
    /// Keys are not honoured; a query by our reference tells whether it was applied.
    Probed,
    /// Neither: every request is applied, and nobody can ask.
    AtMostOnce,
}

/// One request, as it was received.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// From 1, in the order received.
    pub n: u64,
    /// When, in microseconds since 1970 UTC.
    pub at_us: i64,
    /// `POST`, `GET`.
    pub method: String,
    /// `/effect/refund`, `/read/17`, `/ask`, `/probe`.
    pub path: String,
    /// The `Idempotency-Key`.
    pub key: Option<String>,
    /// By what a probe finds it; of a probe, what it asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// Of an effect, what stood behind `/as/` in the request's path, else `idempotent`; anything else is a read. Ledgers that were
    /// written before there were classes have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    /// Of the body as received, in hexadecimal.
    pub body_sha256: String,
    /// The body: as JSON if it is JSON, else as a text; `null` if there is none.
    pub body: serde_json::Value,
    /// Which connection, from 1.
    pub connection: u64,
    /// What stood behind `/from/` in the request's path: who sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// How it was treated.
    pub mode: Mode,
    /// Whether an effect happened. False for a de-duplicated request, a read and an ask.
    pub applied: bool,
    /// What was answered, or would have been.
    pub status: u16,
    /// Of a probe: what it says. An effect that is younger than the receiver's lag is not found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<bool>,
}

impl Line {
    /// The effect's kind: `refund` for `/effect/refund`.
    pub fn effect(&self) -> Option<&str> {
        self.path.strip_prefix("/effect/")
    }

    /// Whether it was a model call.
    pub fn is_ask(&self) -> bool {
        self.path == "/ask"
    }

    /// Whether it told people something.
    pub fn is_message(&self) -> bool {
        self.path.starts_with("/hook/")
    }

    /// Whether it asked if an effect was applied.
    pub fn is_probe(&self) -> bool {
        self.path == "/probe"
    }
}

/// A ledger that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file.
    #[error("cannot read the ledger {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A line.
    #[error("line {line} of the ledger is none: {why}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
}

/// All requests that an external receiver saw.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ledger {
    /// In the order received.
    pub lines: Vec<Line>,
}

impl Ledger {
    /// Reads a ledger's file; also while it grows.
    ///
    /// # Errors
    /// [`LedgerError`]: there is no such file, or it was written by someone else.
    pub fn read(path: &Path) -> Result<Ledger, LedgerError> {
        let text = fs::read_to_string(path).map_err(|source| LedgerError::File { path: path.to_owned(), source })?;
        Ledger::parse(&text)
    }

    /// Reads the lines. A last line without its end was still being written: nobody has its answer yet.
    ///
    /// # Errors
    /// [`LedgerError::Line`]: a line is damaged, or a number is missing.
    pub fn parse(text: &str) -> Result<Ledger, LedgerError> {
        let bad = |(line, why)| LedgerError::Line { line, why };
        let lines: Vec<Line> = crate::lines::parse(text).map_err(bad)?;
        match lines.iter().enumerate().find(|(index, line)| line.n != *index as u64 + 1) {
            Some((index, line)) => Err(bad((index + 1, format!("it says that it is number {}", line.n)))),
            None => Ok(Ledger { lines }),
        }
    }

    /// Requests for an effect, applied or not.
    pub fn effects(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.effect().is_some())
    }

    /// Model calls.
    pub fn asks(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.is_ask())
    }

    /// Questions whether an effect was applied.
    pub fn probes(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.is_probe())
    }

    /// Requests for an effect of this class, applied or not.
    pub fn effects_of(&self, class: Class) -> impl Iterator<Item = &Line> {
        self.effects().filter(move |line| line.class == Some(class))
    }

    /// How often an effect was asked for, by key.
    pub fn sent(&self) -> BTreeMap<&str, usize> {
        self.count(|_| true)
    }

    /// How often an effect was asked for, by reference.
    pub fn sent_by_reference(&self) -> BTreeMap<&str, usize> {
        self.tally(|line| line.reference.as_deref())
    }

    /// How often an effect happened, by reference. More than 1 is a broken promise.
    pub fn applied_by_reference(&self) -> BTreeMap<&str, usize> {
        self.tally(|line| line.reference.as_deref().filter(|_| line.applied))
    }

    /// How often an effect happened, by key. More than 1 is a broken promise.
    pub fn applied(&self) -> BTreeMap<&str, usize> {
        self.count(|line| line.applied)
    }

    /// How often effects of this kind happened, with or without a key.
    pub fn applied_of(&self, kind: &str) -> usize {
        self.effects().filter(|line| line.applied && line.effect() == Some(kind)).count()
    }

    /// The digests of the bodies, by key. More than one is a broken promise: the same key means the same bytes.
    pub fn bodies(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        let mut bodies = BTreeMap::<_, BTreeSet<_>>::new();
        for line in self.effects() {
            if let Some(key) = &line.key {
                bodies.entry(key.as_str()).or_default().insert(line.body_sha256.as_str());
            }
        }
        bodies
    }

    /// Requests for an effect that brought no key.
    pub fn without_key(&self) -> Vec<&Line> {
        self.effects().filter(|line| line.key.is_none()).collect()
    }

    /// Applied effects by their number.
    pub fn effect(&self, n: u64) -> Option<&Line> {
        self.lines.get(usize::try_from(n).ok()?.checked_sub(1)?).filter(|line| line.effect().is_some())
    }

    /// Reads what was added to `path` since byte `from`; gives how many lines and where to go on.
    ///
    /// # Errors
    /// As [`Ledger::read`].
    pub fn follow(&mut self, path: &Path, from: u64) -> Result<(usize, u64), LedgerError> {
        let failed = |source| LedgerError::File { path: path.to_owned(), source };
        let mut file = fs::File::open(path).map_err(failed)?;
        file.seek(io::SeekFrom::Start(from)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed)?;
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
        let before = self.lines.len();
        for text in bytes.split(|byte| *byte == b'\n').filter(|text| !text.is_empty()) {
            let bad = |why| LedgerError::Line { line: self.lines.len() + 1, why };
            let line: Line = serde_json::from_slice(text).map_err(|error| bad(error.to_string()))?;
            if line.n != self.lines.len() as u64 + 1 {
                return Err(bad(format!("it says that it is number {}", line.n)));
            }
            self.lines.push(line);
        }
        Ok((self.lines.len() - before, from + bytes.len() as u64))
    }

    fn count(&self, counts: impl Fn(&Line) -> bool) -> BTreeMap<&str, usize> {
        self.tally(|line| line.key.as_deref().filter(|_| counts(line)))
    }

    fn tally<'a>(&'a self, name: impl Fn(&'a Line) -> Option<&'a str>) -> BTreeMap<&'a str, usize> {
        let mut by_name = BTreeMap::new();
        for name in self.effects().filter_map(name) {
            *by_name.entry(name).or_default() += 1;
        }
        by_name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(n: u64, path: &str, key: Option<&str>, body: &str, applied: bool) -> String {
        let line = Line {
            n,
            at_us: 0,
            method: "POST".to_owned(),
            path: path.to_owned(),
            key: key.map(str::to_owned),
            reference: None,
            class: None,
            body_sha256: body.to_owned(),
            body: serde_json::Value::Null,
            connection: 1,
            sender: None,
            mode: Mode::Ok,
            applied,
            status: 200,
            found: None,
        };
        serde_json::to_string(&line).unwrap() + "\n"
    }

    #[test]
    fn an_oracle_counts_by_key() {
        let text = [
            line(1, "/effect/refund", Some("a"), "x", true),
            line(2, "/effect/refund", Some("a"), "y", true),
            line(3, "/effect/mail", Some("b"), "x", true),
            line(4, "/effect/mail", Some("b"), "x", false),
            line(5, "/effect/mail", None, "x", true),
            line(6, "/ask", Some("a"), "x", false),
        ]
        .concat();
        let ledger = Ledger::parse(&text).unwrap();
        assert_eq!(ledger.sent(), BTreeMap::from([("a", 2), ("b", 2)]));
        assert_eq!(ledger.applied(), BTreeMap::from([("a", 2), ("b", 1)]));
        assert_eq!((ledger.applied_of("mail"), ledger.applied_of("refund"), ledger.asks().count()), (2, 2, 1));
        assert_eq!(ledger.bodies()["a"].len(), 2);
        assert_eq!(ledger.without_key()[0].n, 5);
    }

    #[test]
    fn a_ledger_from_before_there_were_classes_is_read() {
        let old = r#"{"n":1,"at_us":0,"method":"POST","path":"/effect/refund","key":"a","body_sha256":"x","body":null,"#
            .to_owned()
            + r#""connection":1,"mode":"ok","applied":true,"status":200}"# + "\n";
        let ledger = Ledger::parse(&old).unwrap();
        assert_eq!((ledger.lines[0].class, ledger.applied()), (None, BTreeMap::from([("a", 1)])));
        assert_eq!(
            serde_json::to_string(&ledger.lines[0]).unwrap() + "\n",
            line(1, "/effect/refund", Some("a"), "x", true)
        );
    }

    #[test]
    fn a_line_being_written_is_not_there_yet_and_a_missing_one_is_noticed() {
        let whole = line(1, "/ask", None, "x", false);
        let cut = format!("{whole}{}", &line(2, "/ask", None, "x", false)[..20]);
        assert_eq!(Ledger::parse(&cut).unwrap().lines.len(), 1);
        let gap = format!("{whole}{}", line(3, "/ask", None, "x", false));
        assert_eq!(
            Ledger::parse(&gap).unwrap_err().to_string(),
            "line 2 of the ledger is none: it says that it is number 3"
        );
    }
}
