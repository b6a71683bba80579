//! Where a command's words go: results to standard output, errors, hints and progress to standard error.

use std::{
    fmt::Display,
    io::{self, IsTerminal as _, Write as _},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;

/// A step's name, a heading.
pub const STRONG: Style = Style::new().bold();
/// What matters less.
pub const FAINT: Style = Style::new().dimmed();
/// Done.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Failed.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// Waits.
pub const WAIT: Style = AnsiColor::Yellow.on_default();
/// Goes outside.
pub const OUTSIDE: Style = AnsiColor::Cyan.on_default();

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The two streams of a command.
#[derive(Debug)]
pub struct Out {
    /// One JSON object a line instead of words.
    pub json: bool,
    /// Results and errors only.
    pub quiet: bool,
    color: Color,
    closed: AtomicBool,
    failed: Mutex<Option<io::Error>>,
}

impl Out {
    /// As the global flags say.
    pub fn new(json: bool, quiet: bool, color: Color) -> Out {
        Out { json, quiet, color, closed: AtomicBool::new(false), failed: Mutex::new(None) }
    }

    /// A result: one line of standard output.
    pub fn line(&self, text: impl Display) {
        self.text(format!("{text}\n"));
    }

    /// A result, as it is.
    pub fn text(&self, text: impl Display) {
        if self.closed() {
            return;
        }
        let mut stream = AutoStream::new(io::stdout(), self.choice(io::stdout().is_terminal()));
        let written = write!(stream, "{text}").and_then(|()| stream.flush());
        if let Err(error) = written {
            self.closed.store(true, Ordering::Relaxed);
            // A reader that has seen enough (`| head`) is no error; the command's work goes on. A full disk is one.
            if error.kind() != io::ErrorKind::BrokenPipe {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            }
        }
    }

    /// A result as one line of JSON, its keys in order.
    pub fn object(&self, object: &serde_json::Value) {
        self.line(sorted(object.clone()));
    }

    /// Words beside the result: one line of standard error, unless the user wants quiet or JSON.
    pub fn aside(&self, text: impl Display) {
        if !self.quiet && !self.json {
            self.alarm(text);
        }
    }

    /// One line of standard error.
    pub fn alarm(&self, text: impl Display) {
        let mut stream = AutoStream::new(io::stderr(), self.choice(io::stderr().is_terminal()));
        // Nobody is left to be told.
        let _ = writeln!(stream, "{text}");
    }

    /// Whether nobody reads standard output any more.
    pub fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// Why a result could not be written, if that happened.
    pub fn failure(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether a spinner may be shown.
    pub fn lively(&self) -> bool {
        !self.quiet
            && !self.json
            && self.color != Color::Never
            && io::stderr().is_terminal()
            && io::stdout().is_terminal()
    }

    fn choice(&self, terminal: bool) -> anstream::ColorChoice {
        match self.color {
            Color::Always => anstream::ColorChoice::Always,
            Color::Auto if terminal => anstream::ColorChoice::Auto,
            Color::Auto | Color::Never => anstream::ColorChoice::Never,
        }
    }
}

/// The same with its keys in order, at every depth: what is printed does not depend on the order in which it was put together.
pub fn sorted(mut object: serde_json::Value) -> serde_json::Value {
    object.sort_all_objects();
    object
}

/// `text` in a style.
pub fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// `text` on one line, without characters that a terminal would obey: what came from outside is shown, not played.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// `1 step`, `3 steps`.
pub fn count(number: u64, what: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {what}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_from_outside_cannot_steer_a_terminal() {
        assert_eq!(plain("a\u{1b}[2Jb\nc\u{7}"), "a [2Jb c ");
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!(
            (count(1, "step"), count(0, "step"), count(2, "step")),
            ("1 step".into(), "0 steps".into(), "2 steps".into())
        );
    }
}
