//! Broken projects, each with its printed complaint. A file holds the project (`--- path` begins a file of it) and, after
//! `=== complaints`, what `check` says. With `UPDATE_EXPECT=1` the second half is written anew: read the difference.

#![expect(clippy::disallowed_methods, reason = "the cases are files: the kernel itself reads none")]

#[path = "../journals/drive.rs"]
#[expect(dead_code, reason = "only the project reader is needed here")]
mod drive;

use std::{fmt::Write as _, fs, path::PathBuf};

use kernel::workflow::project;

const MARK: &str = "=== complaints\n";

#[test]
fn every_mistake_has_its_complaint() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder)
        .expect("the folder of this test")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "txt"))
        .collect();
    cases.sort();
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = String::new();
    for case in &cases {
        let name = case.file_stem().expect("a name").to_string_lossy();
        let text = fs::read_to_string(case).expect("a case");
        let (given, expected) = text.split_once(MARK).unwrap_or((&text, ""));
        let sources = drive::sources(given);
        let checked = project::check(&sources);
        let mut found = String::new();
        for complaint in &checked.complaints {
            let source = sources.get(&complaint.file).map(|text| &**text);
            let _ = writeln!(found, "{}", complaint.render(source).trim_end());
        }
        // A case named so shows warnings only.
        let warns = name.starts_with("warning-");
        assert_eq!(checked.project.is_some(), warns, "{name}: a project with a mistake must not pass\n{found}");
        assert!(!checked.complaints.is_empty(), "{name}: nothing was complained about");
        if update {
            fs::write(case, format!("{given}{MARK}{found}")).expect("the case can be written");
        } else if found != expected {
            let _ = writeln!(wrong, "{name}:\n{found}\nexpected:\n{expected}");
        }
    }
    assert!(cases.len() >= 40, "{} cases", cases.len());
    assert!(wrong.is_empty(), "{wrong}");
}
