//! The rules. Adding one: a function `fn(&House) -> Found` in the file of its subject, a line in [`RULES`], a test beside it with a
//! violation that it finds, and a line in `ARCHITECTURE.md` when it holds an invariant named there.

pub mod crates;
pub mod docs;
pub mod licences;
pub mod purity;
pub mod sql;
pub mod text;

use std::fmt;

use crate::house::House;

/// A rule of the house.
pub struct Rule {
    /// How the rule is called in a report.
    pub name: &'static str,
    /// What it holds, as a sentence.
    pub holds: &'static str,
    /// Looks.
    pub check: fn(&House) -> Found,
}

/// What a rule has to say.
#[derive(Debug, Default)]
pub struct Found {
    /// What breaks it.
    pub findings: Vec<Finding>,
    /// What it could not look at, and why that is no fault.
    pub notes: Vec<String>,
}

/// One violation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// The line, from 1; 0 for the whole file.
    pub line: usize,
    /// What is wrong and what would be right.
    pub says: String,
}

impl Found {
    /// Adds a violation.
    pub fn add(&mut self, path: &str, line: usize, says: impl Into<String>) {
        self.findings.push(Finding { path: path.to_owned(), line, says: says.into() });
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.path, self.says),
            line => write!(f, "{}:{line}: {}", self.path, self.says),
        }
    }
}

/// Every rule, in the order of a report.
pub const RULES: &[Rule] = &[
    Rule { name: "arrows", holds: "left never knows right", check: crates::arrows },
    Rule {
        name: "kernel-dependencies",
        holds: "the kernel is built on a closed list",
        check: crates::kernel_dependencies,
    },
    Rule { name: "manifests", holds: "versions and lints are the workspace's", check: crates::manifests },
    Rule { name: "licences", holds: "only licences of deny.toml are built in", check: licences::licences },
    Rule { name: "banned", holds: "no crate that deny.toml bans is locked", check: licences::banned },
    Rule { name: "sources", holds: "every crate comes from the one public registry", check: licences::sources },
    Rule { name: "purity", holds: "the kernel has no clock, IO, environment, threads or async", check: purity::kernel },
    Rule {
        name: "application-words",
        holds: "the runtime does not know its applications",
        check: text::application_words,
    },
    Rule { name: "places", holds: "no file speaks of one machine", check: text::places },
    Rule { name: "unfinished", holds: "nothing unfinished is left without a condition", check: text::unfinished },
    Rule { name: "length", holds: "no Rust file grows past 900 lines", check: text::length },
    Rule {
        name: "sql",
        holds: "every statement is a named, used file, the store's with a twin",
        check: sql::statements,
    },
    Rule { name: "generated", holds: "generated pages are fresh", check: docs::generated },
    Rule { name: "settings", holds: "every setting is documented, and nothing else is", check: docs::settings },
    Rule { name: "links", holds: "every relative link leads somewhere, every page is found", check: docs::links },
    Rule { name: "named-sources", holds: "sources that the map names exist", check: docs::named_sources },
];

#[cfg(test)]
pub(crate) mod testing {
    use super::*;

    /// The findings of one rule, one line each.
    pub(crate) fn lines(found: &Found) -> String {
        found.findings.iter().map(|finding| format!("{finding}\n")).collect()
    }
}
