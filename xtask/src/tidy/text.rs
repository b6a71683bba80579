//! Rules about texts: words, places, things left unfinished, length.

use super::Found;
use crate::{house::House, rust};

/// Words of applications. What one of them needs is a feature of the runtime under a general name, or the application's own code.
const APPLICATION_WORDS: &[&str] = &["lead", "ticket", "refund", "customer"];

/// Places of one machine. Written in two halves, so that this file passes its own rule.
const PLACES: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/fa", "rm/"), concat!("/ho", "me/")];

/// Marks of unfinished work, in two halves for the same reason.
const MARKS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];

/// How long a Rust file may be, tests included. Ours mostly have 100 to 400 lines.
const LINES: usize = 900;

/// `lead`, `ticket`, `refund`, `customer` and their plurals stand nowhere under `crates/*/src`: not in names, texts or comments.
pub fn application_words(house: &House) -> Found {
    let mut found = Found::default();
    for (path, text) in house.tree.under("crates/", "").filter(|(path, _)| path.contains("/src/")) {
        for (line, word) in rust::words(text) {
            let singular = word.strip_suffix('s').unwrap_or(&word);
            if APPLICATION_WORDS.contains(&singular) {
                found.add(path, line, format!("`{word}` is a word of an application: say it in general"));
            }
        }
    }
    found
}

/// What stands behind the first of [`PLACES`] where it is the path of a page: a parameter, or an id of ours.
const PAGES: &[&str] = &["{", "wrk_"];

/// No text of the repository names a folder of one machine. What others wrote, kept in a `testdata/` as they wrote it, may. A path of a
/// page that begins like one is none.
pub fn places(house: &House) -> Found {
    let mut found = Found::default();
    for (path, text) in house.tree.all().filter(|(path, _)| !path.contains("/testdata/")) {
        for (at, line) in text.lines().enumerate() {
            let named = |place: &&&str| {
                let mut rests = line.match_indices(**place).filter_map(|(at, place)| line.get(at + place.len()..));
                rests.any(|rest| **place != PLACES[0] || !PAGES.iter().any(|page| rest.starts_with(page)))
            };
            if let Some(place) = PLACES.iter().find(named) {
                found.add(path, at + 1, format!("`{place}` is a place of one machine"));
            }
        }
    }
    found
}

/// No `dbg!`, `todo!`, `unimplemented!` in code; no note of unfinished work without the condition that removes it ("when", "once"
/// or "until" on the same line), but in what others wrote, and in projects that are broken on purpose.
pub fn unfinished(house: &House) -> Found {
    let mut found = Found::default();
    let ours = |path: &str| !path.contains("/testdata/") && !path.contains("/tests/mistakes/");
    for (path, text) in
        house.tree.all().filter(|(path, _)| !path.ends_with(".md") && *path != "Cargo.lock" && ours(path))
    {
        for (at, line) in text.lines().enumerate() {
            for mark in MARKS.iter().filter(|mark| line.contains(**mark)) {
                if !["when ", "once ", "until "].iter().any(|condition| line.contains(condition)) {
                    found.add(path, at + 1, format!("{mark} without the condition that removes it"));
                }
            }
        }
        if path.ends_with(".rs") {
            for (at, line) in rust::code_only(text).lines().enumerate() {
                for (name, _) in rust::identifiers(line).into_iter().map(|(_, name)| (name, ())) {
                    if ["dbg", "todo", "unimplemented"].contains(&name) && line.contains(&format!("{name}!")) {
                        found.add(path, at + 1, format!("{name}! is left in the code"));
                    }
                }
            }
        }
    }
    found
}

/// A Rust file of more than 900 lines is several ideas.
pub fn length(house: &House) -> Found {
    let mut found = Found::default();
    for (path, text) in house.tree.under("", ".rs") {
        let lines = text.lines().count();
        if lines > LINES {
            found.add(
                path,
                0,
                format!("has {lines} lines, and {LINES} is the most: cut it by idea, or move tests to name/tests.rs"),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::testing::lines, *};

    #[test]
    fn a_word_of_an_application_is_found_in_names_texts_and_comments() {
        let house = House::of(&[
            (
                "crates/kernel/src/a.rs",
                "// Misleading leaders are fine.\nstruct CustomerId;\nlet open_tickets = \"Refund it\"; // leads\n",
            ),
            ("crates/surefoot/templates/x/a.yaml", "refund\n"),
            ("apps/x/src/a.rs", "lead\n"),
        ]);
        assert_eq!(
            lines(&application_words(&house)),
            "crates/kernel/src/a.rs:2: `customer` is a word of an application: say it in general\n\
             crates/kernel/src/a.rs:3: `tickets` is a word of an application: say it in general\n\
             crates/kernel/src/a.rs:3: `refund` is a word of an application: say it in general\n\
             crates/kernel/src/a.rs:3: `leads` is a word of an application: say it in general\n"
        );
    }

    #[test]
    fn a_place_of_one_machine_is_found() {
        let text = format!("see {}me/notes\n", PLACES[3]);
        let page = format!("GET {}{{id}} gives {0}wrk_1\nand {0}notes\n", PLACES[0]);
        let house =
            House::of(&[("docs/a.md", &text), ("docs/b.md", &page), ("crates/gateway/testdata/robots/a", &text)]);
        let found =
            |file: &str, line: usize, place: &str| format!("docs/{file}:{line}: `{place}` is a place of one machine\n");
        assert_eq!(lines(&places(&house)), found("a.md", 1, PLACES[3]) + &found("b.md", 2, PLACES[0]));
        // Only one of them is also the beginning of a page's path.
        let other = format!("see {}{{user}}/notes\n", PLACES[3]);
        let house = House::of(&[("docs/a.md", &other)]);
        assert_eq!(lines(&places(&house)), found("a.md", 1, PLACES[3]));
    }

    #[test]
    fn unfinished_work_is_found() {
        let mark = MARKS[0];
        let text = format!(
            "// {mark} tidy this\n// {mark} remove once PostgreSQL 15 is gone\nfn f() {{ todo!() }} // todo!()\n"
        );
        let house = House::of(&[("crates/a/src/a.rs", &text), ("crates/a/testdata/a.yaml", &text)]);
        assert_eq!(
            lines(&unfinished(&house)),
            format!(
                "crates/a/src/a.rs:1: {mark} without the condition that removes it\ncrates/a/src/a.rs:3: todo! is left in the code\n"
            )
        );
    }

    #[test]
    fn a_file_of_901_lines_is_found() {
        let (long, fits) = ("//\n".repeat(901), "//\n".repeat(900));
        let house = House::of(&[("a.rs", &long), ("b.rs", &fits)]);
        assert_eq!(
            lines(&length(&house)),
            "a.rs: has 901 lines, and 900 is the most: cut it by idea, or move tests to name/tests.rs\n"
        );
    }
}
