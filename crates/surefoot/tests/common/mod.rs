//! The binary in a folder of its own, and its words without what differs from run to run.
#![allow(dead_code, reason = "each test file uses its part")]

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    process::{Command, Output},
};

use tempfile::TempDir;

/// A folder, and the binary called in it.
pub struct Place {
    pub folder: TempDir,
}

/// What a call came to.
pub struct Said {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Place {
    pub fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    /// With a demo project whose waits and delays are short.
    pub fn with_demo() -> Place {
        let place = Place::new();
        place.ok(&["init", "demo"]);
        place.edit("demo/workflows/report.yaml", "for: 2s", "for: 20ms");
        place.edit("demo/cases/answers.yaml", "    delay: 250ms\n", "");
        place
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} holds no {from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("surefoot"));
        command.args(args).current_dir(self.path()).env_clear();
        command
    }

    pub fn call(&self, args: &[&str]) -> Said {
        said(self.command(args).output().unwrap())
    }

    pub fn ok(&self, args: &[&str]) -> String {
        let said = self.call(args);
        assert_eq!(said.code, 0, "{args:?}\n{}{}", said.out, said.err);
        said.out
    }

    /// The id of the newest run.
    pub fn newest(&self) -> String {
        let rows = self.ok(&["runs", "ls", "demo", "--json"]);
        let row: serde_json::Value = serde_json::from_str(rows.lines().next().unwrap()).unwrap();
        row["run"].as_str().unwrap().to_owned()
    }
}

pub fn said(output: Output) -> Said {
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Takes out what differs: ids by order of appearance, digests, keys, times.
pub fn stable(text: &str) -> String {
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    let mut out = String::new();
    let mut word = String::new();
    let mut flush = |word: &mut String, out: &mut String| {
        out.push_str(&replaced(word, &mut names));
        word.clear();
    };
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | ':' | '.' | '+') {
            word.push(c);
        } else {
            flush(&mut word, &mut out);
            out.push(c);
        }
    }
    flush(&mut word, &mut out);
    out
}

fn replaced(word: &str, names: &mut BTreeMap<String, String>) -> String {
    let hex = |text: &str| text.chars().all(|c| c.is_ascii_hexdigit());
    let trimmed = word.trim_end_matches(['.', ':']);
    let end = &word[trimmed.len()..];
    let short = trimmed.len() == 12 && hex(trimmed) && trimmed.chars().any(|c| c.is_ascii_digit());
    let long = trimmed.len() >= 32 && hex(trimmed);
    let id = ["run_", "worker_", "sf_"]
        .iter()
        .any(|prefix| trimmed.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 32 && hex(rest)));
    if id || short || long {
        let kind = trimmed.split_once('_').map_or("digest", |(kind, _)| kind);
        let number = names.keys().filter(|known| known.starts_with(kind)).count() + 1;
        let name = names.entry(format!("{kind} {trimmed}")).or_insert_with(|| format!("<{kind} {number}>"));
        return format!("{name}{end}");
    }
    let time = trimmed.len() >= 20 && trimmed.starts_with("20") && trimmed.contains('T') && trimmed.ends_with('Z');
    if time {
        return format!("<time>{end}");
    }
    let seconds = trimmed.strip_prefix('+').unwrap_or(trimmed).strip_suffix('s').unwrap_or("-");
    if trimmed.contains('.') && seconds.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return format!("{}<s>{end}", if trimmed.starts_with('+') { "+" } else { "" });
    }
    word.to_owned()
}
