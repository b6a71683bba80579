//! Documentation that is checked: generated pages, settings, links.

use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use crate::{generate, house::House, rust};

const SETTINGS: &str = "docs/settings.md";

/// Each generated page is what the code says today.
pub fn generated(house: &House) -> Found {
    let mut found = Found::default();
    for page in generate::PAGES {
        if house.tree.text(page.path) != Some((page.write)().as_str()) {
            found.add(page.path, 0, "is stale: run cargo run -p xtask -- generate");
        }
    }
    found
}

/// Every `SUREFOOT_…` variable that a shipped source names stands in `docs/settings.md`, and no other does. One that ends with `_`
/// is a family: `SUREFOOT_SECRET_` stands for each of its members.
pub fn settings(house: &House) -> Found {
    let mut found = Found::default();
    let mut named = BTreeMap::new();
    for (path, text) in house.tree.shipped_rust() {
        for (line, name) in variables(&rust::without_comments(text)) {
            named.entry(name).or_insert((path.to_owned(), line));
        }
    }
    let page = house.tree.text(SETTINGS).unwrap_or_default();
    let documented: BTreeSet<String> = variables(page).into_iter().map(|(_, name)| name).collect();
    for (name, (path, line)) in &named {
        let family = || documented.iter().any(|known| known.ends_with('_') && name.starts_with(known.as_str()));
        if !documented.contains(name) && !family() {
            found.add(path, *line, format!("{name} is not in {SETTINGS}"));
        }
    }
    for (line, name) in variables(page) {
        if !named.contains_key(&name) {
            found.add(SETTINGS, line, format!("{name} is a setting of nothing"));
        }
    }
    found
}

fn variables(text: &str) -> Vec<(usize, String)> {
    let all = rust::identifiers(text).into_iter();
    all.filter(|(_, name)| name.starts_with("SUREFOOT_") && name.len() > "SUREFOOT_".len())
        .map(|(line, name)| (line, name.to_owned()))
        .collect()
}

/// Relative links of the pages lead to files that exist, and the index names every page of `docs/`.
pub fn links(house: &House) -> Found {
    let mut found = Found::default();
    let index: BTreeSet<String> = house
        .tree
        .text("docs/README.md")
        .map(|text| targets("docs/README.md", text))
        .unwrap_or_default()
        .into_iter()
        .map(|(_, to)| to)
        .collect();
    for (path, text) in house.tree.all().filter(|(path, _)| path.ends_with(".md")) {
        for (line, to) in targets(path, text) {
            if !house.tree.has(&to) {
                found.add(path, line, format!("links to {to}, which does not exist"));
            }
        }
        if path.starts_with("docs/") && path != "docs/README.md" && !index.contains(path) {
            found.add(path, 0, "is not in the index docs/README.md");
        }
    }
    found
}

/// Sources that `ARCHITECTURE.md` and `CONTRIBUTING.md` name in `code` exist, at that path or under `crates/`. A path with a
/// `<placeholder>` is checked up to the folder before it.
pub fn named_sources(house: &House) -> Found {
    let mut found = Found::default();
    for page in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        for (at, line) in house.tree.text(page).unwrap_or_default().lines().enumerate() {
            for name in line.split('`').skip(1).step_by(2) {
                let is_path = name.contains('/')
                    && (name.ends_with('/') || [".rs", ".sql", ".toml"].iter().any(|end| name.ends_with(end)));
                if !is_path || name.contains(' ') {
                    continue;
                }
                let known = match name.split_once('<') {
                    Some((before, _)) => before.rsplit_once('/').map(|(folder, _)| folder).unwrap_or_default(),
                    None => name,
                };
                let crates = format!("crates/{known}");
                if !known.is_empty() && !house.tree.has(known) && !house.tree.has(&crates) {
                    found.add(page, at + 1, format!("names `{name}`, which does not exist"));
                }
            }
        }
    }
    found
}

/// The files that a page links to, as paths from the workspace. Links with a scheme and links within the page are not ours to follow.
fn targets(page: &str, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (at, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        for (_, rest) in line.match_indices("](").map(|(at, _)| line.split_at(at + 2)) {
            let to = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if fenced || to.is_empty() || to.contains("://") || to.starts_with("mailto:") {
                continue;
            }
            let mut parts: Vec<&str> = page.split('/').collect();
            parts.pop();
            for part in to.split('/') {
                match part {
                    "." | "" => {}
                    ".." => {
                        parts.pop();
                    }
                    name => parts.push(name),
                }
            }
            found.push((at + 1, parts.join("/")));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::testing::lines, *};

    #[test]
    fn a_stale_page_is_found() {
        let house = House::of(&[("docs/failures.md", "old")]);
        assert!(lines(&generated(&house)).contains("docs/failures.md: is stale: run cargo run -p xtask -- generate"));
    }

    #[test]
    fn an_undocumented_setting_and_a_setting_of_nothing_are_found() {
        let house = House::of(&[
            (
                "crates/surefoot/src/a.rs",
                "var(\"SUREFOOT_STORE\"); var(\"SUREFOOT_SECRET_\"); var(\"SUREFOOT_SECRET_KEY\"); // SUREFOOT_NOT\n",
            ),
            (SETTINGS, "`SUREFOOT_SECRET_<NAME>`\n`SUREFOOT_OLD`\n"),
        ]);
        assert_eq!(
            lines(&settings(&house)),
            "crates/surefoot/src/a.rs:1: SUREFOOT_STORE is not in docs/settings.md\n\
             docs/settings.md:2: SUREFOOT_OLD is a setting of nothing\n"
        );
    }

    #[test]
    fn a_source_that_is_named_and_does_not_exist_is_found() {
        let house = House::of(&[
            ("crates/kernel/src/journal.rs", ""),
            (
                "ARCHITECTURE.md",
                "`kernel/src/journal.rs` `crates/kernel/` `kernel/src/<x>.rs` `a/b`\n`kernel/src/gone.rs` `store/sql/<x>/y.sql`\n",
            ),
        ]);
        assert_eq!(
            lines(&named_sources(&house)),
            "ARCHITECTURE.md:2: names `kernel/src/gone.rs`, which does not exist\n\
             ARCHITECTURE.md:2: names `store/sql/<x>/y.sql`, which does not exist\n"
        );
    }

    #[test]
    fn a_link_to_nothing_and_a_lost_page_are_found() {
        let house = House::of(&[
            (
                "docs/README.md",
                "[a](a.md#x) [up](../README.md) [gone](gone.md) [out](https://example.org) [here](#x)\n",
            ),
            ("docs/a.md", "```\n[x](y.md)\n```\n"),
            ("docs/lost.md", ""),
            ("README.md", "[docs](docs/) [a](docs/a.md)\n"),
        ]);
        assert_eq!(
            lines(&links(&house)),
            "docs/README.md:1: links to docs/gone.md, which does not exist\ndocs/lost.md: is not in the index docs/README.md\n"
        );
    }
}
