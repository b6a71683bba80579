//! Pages of `docs/` that are written from the code. `tests/tidy.rs` fails when one is stale.

use std::fmt::Write as _;

use kernel::{complaint, recovery::FailureKind};

/// One generated page.
pub struct Page {
    /// Where it stands.
    pub path: &'static str,
    /// Writes it whole.
    pub write: fn() -> String,
}

/// All of them.
pub const PAGES: &[Page] =
    &[Page { path: "docs/checks.md", write: checks }, Page { path: "docs/failures.md", write: failures }];

const HEADER: &str = "<!-- Generated: cargo run -p xtask -- generate. Edit the source instead. -->\n\n";

/// What can be wrong in a project's files, one heading for each id, so that a link can lead to it.
fn checks() -> String {
    let mut page = format!(
        "{HEADER}# Checks\n\n\
         What can be wrong in the files of a project. A complaint gives its id, the file, the line and the column, and what to try.\n"
    );
    for (id, title, explanation) in complaint::ALL {
        write!(page, "\n## {id}\n\n**{title}.** {explanation}\n").expect("a String takes every write");
    }
    page
}

/// The failure kinds, as they are written in `on_failure`.
fn failures() -> String {
    let mut page = format!(
        "{HEADER}# Failure kinds\n\n\
         A step that fails says with which kind. The name is what `on_failure` in a workflow matches, and what the journal keeps.\n\n\
         | kind | what happened |\n| --- | --- |\n"
    );
    for kind in FailureKind::ALL {
        writeln!(page, "| `{kind}` | {} |", kind.explanation()).expect("a String takes every write");
    }
    page
}
