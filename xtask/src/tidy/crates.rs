//! Who may be built on whom.

use std::collections::{BTreeMap, BTreeSet};

use super::Found;
use crate::house::{Crate, House};

/// The arrows: a crate, and the crates of this workspace that it may be built on. `apps/*` may be built on `surefoot` alone, and
/// nobody on them.
const ARROWS: &[(&str, &[&str])] = &[
    ("kernel", &[]),
    ("store", &["kernel"]),
    ("gateway", &["kernel"]),
    ("runtime", &["kernel", "store", "gateway"]),
    ("web", &["kernel", "store", "runtime"]),
    ("surefoot", &["kernel", "store", "gateway", "runtime", "web"]),
    ("apparatus", &["kernel", "store", "gateway", "runtime", "web", "surefoot"]),
    ("xtask", &["kernel", "store", "gateway", "runtime", "web", "surefoot"]),
];

/// All that the kernel may be built on: values, text, schemas, digests, names. Nothing that opens, waits, draws or sends.
const KERNEL_MAY: &[&str] = &[
    "cedar-policy",
    "hex",
    "hmac",
    "jiff",
    "jsonschema",
    "minijinja",
    "ryu-js",
    "saphyr-parser",
    "serde",
    "serde_json",
    "ryu-js",
    "sha2",
    "strsim",
    "thiserror",
    "uuid",
];

/// What must not even arrive through one of them.
const KERNEL_NEVER: &[&str] =
    &["tokio", "async-std", "smol", "mio", "hyper", "reqwest", "ureq", "rusqlite", "tokio-postgres"];

/// `kernel ← store, gateway ← runtime ← web ← surefoot`, and `store` and `gateway` never know each other. Tests may be built on
/// what stands further left than their crate, never on what stands further right.
pub fn arrows(house: &House) -> Found {
    let mut found = Found::default();
    let members: BTreeSet<&str> = house.members().map(|one| one.name.as_str()).collect();
    for one in house.members() {
        let path = manifest(one);
        let Some(may) = allowed(one) else {
            found.add(
                &path,
                0,
                format!("`{}` has no place in the arrows: give it one in xtask and ARCHITECTURE.md", one.name),
            );
            continue;
        };
        for on in one.on.iter().filter(|on| members.contains(on.as_str()) && !may.contains(&on.as_str())) {
            found.add(&path, 0, format!("`{}` must not know `{on}`", one.name));
        }
        for on in one.tests_on.iter().filter(|on| members.contains(on.as_str()) && **on != one.name) {
            if rank(on) >= rank(&one.name) {
                found.add(&path, 0, format!("tests of `{}` must not know `{on}`, which stands to its right", one.name));
            }
        }
    }
    found
}

fn allowed(one: &Crate) -> Option<&'static [&'static str]> {
    if one.member.as_deref().is_some_and(|folder| folder.starts_with("apps/")) {
        return Some(&["surefoot"]);
    }
    ARROWS.iter().find(|(name, _)| *name == one.name).map(|(_, may)| *may)
}

/// How far right a crate stands: one more than the rightmost it may know.
fn rank(name: &str) -> usize {
    let Some((_, may)) = ARROWS.iter().find(|(known, _)| *known == name) else { return usize::MAX };
    may.iter().map(|left| 1 + rank(left)).max().unwrap_or(0)
}

fn manifest(one: &Crate) -> String {
    format!("{}/Cargo.toml", one.member.as_deref().unwrap_or(&one.name))
}

/// The kernel's direct dependencies are on a list, and nothing that does IO arrives through them.
pub fn kernel_dependencies(house: &House) -> Found {
    let mut found = Found::default();
    let Some(kernel) = house.members().find(|one| one.name == "kernel") else { return found };
    let path = manifest(kernel);
    for on in kernel.on.iter().filter(|on| !KERNEL_MAY.contains(&on.as_str())) {
        found.add(
            &path,
            0,
            format!("the kernel must not be built on `{on}`: it is not on the list in xtask/src/tidy/crates.rs"),
        );
    }
    let by_name: BTreeMap<&str, &Crate> = house.crates.iter().map(|one| (one.name.as_str(), one)).collect();
    let mut seen = BTreeSet::from(["kernel"]);
    let mut open = vec![("kernel", String::from("kernel"))];
    while let Some((name, way)) = open.pop() {
        if KERNEL_NEVER.contains(&name) {
            found.add(&path, 0, format!("`{name}` reaches the kernel: {way}"));
        }
        for on in by_name.get(name).into_iter().flat_map(|one| &one.on) {
            if seen.insert(on) {
                open.push((on, format!("{way} → {on}")));
            }
        }
    }
    found
}

/// Every member takes lints, edition and licence from the workspace, and every version stands once, in the root manifest.
pub fn manifests(house: &House) -> Found {
    let mut found = Found::default();
    for (path, text) in house.tree.all().filter(|(path, _)| path.ends_with("/Cargo.toml")) {
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                found.add(path, 0, format!("is not a manifest: {}", error.message()));
                continue;
            }
        };
        let inherits = |value: Option<&toml::Value>| {
            value.and_then(|value| value.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
        };
        if !inherits(table.get("lints")) {
            found.add(path, 0, "needs `[lints] workspace = true`");
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if !inherits(table.get("package").and_then(|package| package.get(key))) {
                found.add(path, 0, format!("needs `{key}.workspace = true`"));
            }
        }
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(kind).and_then(toml::Value::as_table).into_iter().flatten() {
                if !inherits(Some(value)) {
                    found.add(
                        path,
                        0,
                        format!("`{name}` needs `workspace = true`: versions stand in the root manifest"),
                    );
                }
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{super::testing::lines, *};

    fn member(name: &str, on: &[&str], tests_on: &[&str]) -> Crate {
        Crate {
            name: name.into(),
            member: Some(format!("crates/{name}")),
            on: on.iter().map(|on| on.to_string()).collect(),
            tests_on: tests_on.iter().map(|on| on.to_string()).collect(),
            ..Crate::default()
        }
    }

    #[test]
    fn an_arrow_to_the_right_is_found() {
        let house = House::default().with(&[
            member("kernel", &[], &["store"]),
            member("store", &["kernel", "gateway"], &[]),
            member("gateway", &["kernel"], &["store"]),
            member("web", &["runtime", "gateway"], &["gateway"]),
            member("runtime", &["kernel"], &[]),
            member("misc", &[], &[]),
        ]);
        assert_eq!(
            lines(&arrows(&house)),
            "crates/kernel/Cargo.toml: tests of `kernel` must not know `store`, which stands to its right\n\
             crates/store/Cargo.toml: `store` must not know `gateway`\n\
             crates/gateway/Cargo.toml: tests of `gateway` must not know `store`, which stands to its right\n\
             crates/web/Cargo.toml: `web` must not know `gateway`\n\
             crates/misc/Cargo.toml: `misc` has no place in the arrows: give it one in xtask and ARCHITECTURE.md\n"
        );
    }

    #[test]
    fn an_application_may_know_the_face_only() {
        let app = Crate { member: Some("apps/desk".into()), ..member("desk", &["surefoot", "runtime"], &[]) };
        let house = House::default().with(&[app, member("surefoot", &[], &[]), member("runtime", &[], &[])]);
        assert_eq!(lines(&arrows(&house)), "apps/desk/Cargo.toml: `desk` must not know `runtime`\n");
    }

    #[test]
    fn nobody_may_know_an_application() {
        let app = Crate { member: Some("apps/desk".into()), ..member("desk", &["surefoot", "other"], &[]) };
        let other = Crate { member: Some("apps/other".into()), ..member("other", &[], &[]) };
        let house = House::default().with(&[
            app,
            other,
            member("surefoot", &["desk"], &[]),
            member("apparatus", &[], &["desk"]),
        ]);
        assert_eq!(
            lines(&arrows(&house)),
            "apps/desk/Cargo.toml: `desk` must not know `other`\n\
             crates/surefoot/Cargo.toml: `surefoot` must not know `desk`\n\
             crates/apparatus/Cargo.toml: tests of `apparatus` must not know `desk`, which stands to its right\n"
        );
    }

    #[test]
    fn what_reaches_the_kernel_is_found_with_its_way() {
        let house = House::default().with(&[
            member("kernel", &["serde", "jsonschema", "rand"], &["proptest"]),
            Crate { name: "jsonschema".into(), on: ["reqwest".into()].into(), ..Crate::default() },
            Crate { name: "reqwest".into(), ..Crate::default() },
        ]);
        assert_eq!(
            lines(&kernel_dependencies(&house)),
            "crates/kernel/Cargo.toml: the kernel must not be built on `rand`: it is not on the list in xtask/src/tidy/crates.rs\n\
             crates/kernel/Cargo.toml: `reqwest` reaches the kernel: kernel → jsonschema → reqwest\n"
        );
    }

    #[test]
    fn a_manifest_with_a_version_or_lints_of_its_own_is_found() {
        let house = House::of(&[(
            "crates/x/Cargo.toml",
            "[package]\nversion.workspace = true\nedition = \"2021\"\nrust-version.workspace = true\nlicense.workspace = true\n\
             publish.workspace = true\n[dependencies]\nserde = \"1\"\nhex.workspace = true\n",
        )]);
        assert_eq!(
            lines(&manifests(&house)),
            "crates/x/Cargo.toml: needs `[lints] workspace = true`\n\
             crates/x/Cargo.toml: needs `edition.workspace = true`\n\
             crates/x/Cargo.toml: `serde` needs `workspace = true`: versions stand in the root manifest\n"
        );
    }
}
