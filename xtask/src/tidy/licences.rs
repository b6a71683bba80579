//! What may be built in: licences, banned crates and sources, all as `deny.toml` says.

use std::collections::BTreeSet;

use super::Found;
use crate::house::House;

const DENY: &str = "deny.toml";
const LOCK: &str = "Cargo.lock";
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every crate built on this platform offers a licence on the allow-list. `A OR B` needs one of the two, `A AND B` both.
pub fn licences(house: &House) -> Found {
    let mut found = Found::default();
    let Some(deny) = table(house, DENY, &mut found) else { return found };
    let allowed: BTreeSet<&str> = list(&deny, "licenses", "allow").filter_map(toml::Value::as_str).collect();
    if allowed.is_empty() {
        found.add(DENY, 0, "allows no licence at all");
    }
    for one in &house.crates {
        let of = format!("`{}` {}", one.name, one.version);
        match &one.licence {
            None => found.add(DENY, 0, format!("{of} names no licence")),
            Some(expression) => match allows(expression, &allowed) {
                Ok(true) => {}
                Ok(false) => found.add(DENY, 0, format!("{of} is under {expression}, which is not allowed")),
                Err(why) => found.add(DENY, 0, format!("{of} is under {expression}, which cannot be read: {why}")),
            },
        }
    }
    found
}

/// No banned crate stands in the lock file, for no platform.
pub fn banned(house: &House) -> Found {
    let mut found = Found::default();
    let Some(deny) = table(house, DENY, &mut found) else { return found };
    let locked = house.tree.text(LOCK).unwrap_or_default();
    for ban in list(&deny, "bans", "deny") {
        let name = ban.get("crate").or(ban.get("name")).and_then(toml::Value::as_str).unwrap_or_default();
        let reason = ban.get("reason").and_then(toml::Value::as_str).unwrap_or_default();
        if name.is_empty() || reason.is_empty() {
            found.add(DENY, 0, format!("a ban needs `crate` and `reason`: {ban:?}"));
        }
        if let Some(at) = locked.lines().position(|line| line == format!("name = \"{name}\"")) {
            found.add(LOCK, at + 1, format!("`{name}` is banned: {reason}"));
        }
    }
    found
}

/// The lock file knows one registry, and no file sends cargo elsewhere.
pub fn sources(house: &House) -> Found {
    let mut found = Found::default();
    for (at, line) in house.tree.text(LOCK).unwrap_or_default().lines().enumerate() {
        if let Some(source) = line.strip_prefix("source = ")
            && source.trim_matches('"') != REGISTRY
        {
            found.add(LOCK, at + 1, format!("{source} is not the public registry"));
        }
    }
    for (path, text) in house.tree.all().filter(|(path, _)| path.ends_with(".toml") && *path != DENY) {
        for (at, line) in text.lines().enumerate() {
            let line = line.trim_start();
            let elsewhere = ["[source.", "[registries.", "replace-with", "registry =", "index =", "git ="];
            if elsewhere.iter().any(|start| line.starts_with(start)) || line.contains("git = \"") {
                found.add(path, at + 1, "sends cargo to another registry or to git");
            }
        }
    }
    found
}

fn table(house: &House, path: &str, found: &mut Found) -> Option<toml::Table> {
    match house.tree.text(path).map(str::parse::<toml::Table>) {
        Some(Ok(table)) => Some(table),
        Some(Err(error)) => {
            found.add(path, 0, format!("cannot be read: {}", error.message()));
            None
        }
        None => {
            found.add(path, 0, "is missing");
            None
        }
    }
}

fn list<'a>(table: &'a toml::Table, section: &str, key: &str) -> impl Iterator<Item = &'a toml::Value> {
    table.get(section).and_then(|section| section.get(key)).and_then(toml::Value::as_array).into_iter().flatten()
}

/// Whether an SPDX expression can be met by allowed licences alone. `AND` binds closer than `OR`; the old `A/B` means `OR`.
fn allows(expression: &str, allowed: &BTreeSet<&str>) -> Result<bool, String> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let tokens: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = either(&tokens, &mut at, allowed)?;
    if at == tokens.len() { Ok(met) } else { Err(format!("`{}` is one too many", tokens[at])) }
}

fn either(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Result<bool, String> {
    let mut met = both(tokens, at, allowed)?;
    while tokens.get(*at) == Some(&"OR") {
        *at += 1;
        met |= both(tokens, at, allowed)?;
    }
    Ok(met)
}

fn both(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Result<bool, String> {
    let mut met = one(tokens, at, allowed)?;
    while tokens.get(*at) == Some(&"AND") {
        *at += 1;
        met &= one(tokens, at, allowed)?;
    }
    Ok(met)
}

fn one(tokens: &[&str], at: &mut usize, allowed: &BTreeSet<&str>) -> Result<bool, String> {
    let token = *tokens.get(*at).ok_or("it ends too early")?;
    *at += 1;
    match token {
        "(" => {
            let met = either(tokens, at, allowed)?;
            if tokens.get(*at) != Some(&")") {
                return Err("a bracket is not closed".into());
            }
            *at += 1;
            Ok(met)
        }
        ")" | "OR" | "AND" | "WITH" => Err(format!("`{token}` stands where a licence should")),
        licence if tokens.get(*at) == Some(&"WITH") => {
            let exception = *tokens.get(*at + 1).ok_or("it ends too early")?;
            *at += 2;
            Ok(allowed.contains(licence) || allowed.contains(format!("{licence} WITH {exception}").as_str()))
        }
        licence => Ok(allowed.contains(licence)),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::lines, *};
    use crate::house::Crate;

    const DENY_TEXT: &str = "[licenses]\nallow = [\"MIT\", \"Apache-2.0\", \"ISC\"]\n[bans]\ndeny = [{ crate = \"openssl\", reason = \"one TLS\" }]\n";

    #[test]
    fn an_expression_is_met_or_not() {
        let allowed = BTreeSet::from(["MIT", "Apache-2.0", "ISC"]);
        for (expression, met) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT/GPL-2.0", true),
            ("ISC AND (MIT OR GPL-2.0)", true),
            ("GPL-2.0 AND (MIT OR ISC)", false),
            ("GPL-2.0 OR MIT AND LGPL-2.1", false),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
        ] {
            assert_eq!(allows(expression, &allowed), Ok(met), "{expression}");
        }
        for broken in ["", "MIT OR", "(MIT", "MIT ISC", "AND MIT"] {
            assert!(allows(broken, &allowed).is_err(), "{broken}");
        }
    }

    #[test]
    fn a_licence_that_is_not_allowed_is_found() {
        let house = House::of(&[(DENY, DENY_TEXT)]).with(&[
            Crate { name: "good".into(), version: "1.0.0".into(), licence: Some("MIT".into()), ..Crate::default() },
            Crate { name: "bad".into(), version: "2.0.0".into(), licence: Some("AGPL-3.0".into()), ..Crate::default() },
            Crate { name: "mute".into(), version: "3.0.0".into(), ..Crate::default() },
        ]);
        assert_eq!(
            lines(&licences(&house)),
            "deny.toml: `bad` 2.0.0 is under AGPL-3.0, which is not allowed\ndeny.toml: `mute` 3.0.0 names no licence\n"
        );
    }

    #[test]
    fn a_banned_crate_in_the_lock_file_is_found() {
        let house = House::of(&[(DENY, DENY_TEXT), (LOCK, "[[package]]\nname = \"openssl\"\nversion = \"0.10.1\"\n")]);
        assert_eq!(lines(&banned(&house)), "Cargo.lock:2: `openssl` is banned: one TLS\n");
    }

    #[test]
    fn another_registry_is_found() {
        let house = House::of(&[
            (
                LOCK,
                "source = \"registry+https://github.com/rust-lang/crates.io-index\"\nsource = \"git+https://example.org/x\"\n",
            ),
            (".cargo/config.toml", "[source.mirror]\n"),
        ]);
        assert_eq!(
            lines(&sources(&house)),
            "Cargo.lock:2: \"git+https://example.org/x\" is not the public registry\n\
             .cargo/config.toml:1: sends cargo to another registry or to git\n"
        );
    }
}
