//! A query is a file with a name.

use super::Found;
use crate::house::House;

const SQLITE: &str = "crates/store/sql/sqlite/";
const POSTGRES: &str = "crates/store/sql/postgres/";

/// Clocks of the databases: time comes in as a parameter.
const CLOCKS: &[&str] =
    &["current_timestamp", "now()", "clock_timestamp(", "unixepoch(", "strftime(", "julianday(", "datetime("];

/// The crates that hold statements. The gateway's own keep keys and migrations in an operator's database; what an operator writes
/// is none of the house.
const HOLDERS: [&str; 2] = ["crates/store/", "crates/gateway/"];

/// Each statement opens with a comment that says what it is for, is used exactly once, and reads no clock; those of the store have
/// a twin of the same name for the other database.
pub fn statements(house: &House) -> Found {
    let mut found = Found::default();
    for holder in HOLDERS {
        of_crate(house, holder, &mut found);
    }
    twins(house, &mut found);
    found
}

fn of_crate(house: &House, holder: &str, found: &mut Found) {
    let src = format!("{holder}src");
    let sources: Vec<&str> = house.tree.under(&format!("{src}/"), ".rs").map(|(_, text)| text).collect();
    for (path, text) in house.tree.under(&format!("{holder}sql/"), ".sql") {
        if !text.starts_with("-- ") {
            found.add(path, 1, "must open with a `-- ` comment: what it does, and what no row means");
        }
        let from_src = format!("../{}\"", path.trim_start_matches(holder));
        let uses: usize = sources.iter().map(|source| source.matches(from_src.as_str()).count()).sum();
        if uses != 1 {
            found.add(path, 0, format!("must be included exactly once under {src}, and is included {uses} times"));
        }
        for (at, line) in text.lines().enumerate() {
            let code = line.split("--").next().unwrap_or_default().to_lowercase();
            if let Some(clock) = CLOCKS.iter().find(|clock| code.contains(**clock)) {
                found.add(path, at + 1, format!("`{clock}` reads a clock: time comes in as a parameter"));
            }
        }
    }
}

fn twins(house: &House, found: &mut Found) {
    if !house.tree.has(POSTGRES) {
        found.notes.push(format!("{POSTGRES} does not exist yet: twins are not compared"));
        return;
    }
    for (here, there) in [(SQLITE, POSTGRES), (POSTGRES, SQLITE)] {
        for (path, _) in house.tree.under(here, ".sql") {
            let twin = path.replacen(here, there, 1);
            if !house.tree.has(&twin) {
                found.add(path, 0, format!("has no twin {twin}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::lines, *};

    const USES: (&str, &str) = (
        "crates/store/src/sqlite.rs",
        "include_str!(\"../sql/sqlite/a.sql\"); include_str!(\"../sql/sqlite/b.sql\"); include_str!(\"../sql/sqlite/b.sql\");",
    );

    #[test]
    fn a_mute_unused_or_clock_reading_statement_is_found() {
        let house = House::of(&[
            USES,
            ("crates/store/sql/sqlite/a.sql", "-- Gives it.\nSELECT 1 -- not now()\n"),
            ("crates/store/sql/sqlite/b.sql", "SELECT unixepoch()\n"),
            ("crates/store/sql/sqlite/c.sql", "-- Gives it.\nSELECT 1\n"),
        ]);
        let found = statements(&house);
        assert_eq!(
            lines(&found),
            "crates/store/sql/sqlite/b.sql:1: must open with a `-- ` comment: what it does, and what no row means\n\
             crates/store/sql/sqlite/b.sql: must be included exactly once under crates/store/src, and is included 2 times\n\
             crates/store/sql/sqlite/b.sql:1: `unixepoch(` reads a clock: time comes in as a parameter\n\
             crates/store/sql/sqlite/c.sql: must be included exactly once under crates/store/src, and is included 0 times\n"
        );
        assert_eq!(found.notes, ["crates/store/sql/postgres/ does not exist yet: twins are not compared"]);
    }

    #[test]
    fn statements_of_the_gateway_are_held_to_the_same_without_twins() {
        let house = House::of(&[
            ("crates/gateway/src/tool/sql/act.rs", "include_str!(\"../../../sql/sqlite/a.sql\")"),
            ("crates/gateway/sql/sqlite/a.sql", "-- Gives it.\nSELECT 1\n"),
            ("crates/gateway/sql/sqlite/b.sql", "SELECT datetime('now')\n"),
            ("crates/store/sql/postgres/z.sql", "-- Z.\n"),
        ]);
        assert_eq!(
            lines(&statements(&house)),
            "crates/store/sql/postgres/z.sql: must be included exactly once under crates/store/src, and is included 0 times\n\
             crates/gateway/sql/sqlite/b.sql:1: must open with a `-- ` comment: what it does, and what no row means\n\
             crates/gateway/sql/sqlite/b.sql: must be included exactly once under crates/gateway/src, and is included 0 times\n\
             crates/gateway/sql/sqlite/b.sql:1: `datetime(` reads a clock: time comes in as a parameter\n\
             crates/store/sql/postgres/z.sql: has no twin crates/store/sql/sqlite/z.sql\n"
        );
    }

    #[test]
    fn a_statement_without_its_twin_is_found() {
        let uses = (USES.0, "\"../sql/sqlite/a.sql\" \"../sql/postgres/z.sql\"");
        let house = House::of(&[
            uses,
            ("crates/store/sql/sqlite/a.sql", "-- A.\n"),
            ("crates/store/sql/postgres/z.sql", "-- Z.\n"),
        ]);
        assert_eq!(
            lines(&statements(&house)),
            "crates/store/sql/sqlite/a.sql: has no twin crates/store/sql/postgres/a.sql\n\
             crates/store/sql/postgres/z.sql: has no twin crates/store/sql/sqlite/z.sql\n"
        );
    }
}
