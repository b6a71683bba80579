//! What the rules look at: the texts of the repository and what cargo knows about its crates.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

use cargo_metadata::{CargoOpt, DependencyKind, MetadataCommand};

/// The repository, read once.
#[derive(Default)]
pub struct House {
    /// The workspace's folder.
    pub root: PathBuf,
    /// Its texts.
    pub tree: Tree,
    /// Every crate that is built on this platform, members first.
    pub crates: Vec<Crate>,
}

/// Texts by path. Paths are relative to the workspace, with `/`.
#[derive(Default)]
pub struct Tree {
    texts: BTreeMap<String, String>,
    /// Paths of what is no text, such as pictures.
    others: BTreeSet<String>,
}

/// One crate, as cargo sees it.
#[derive(Clone, Default)]
pub struct Crate {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its SPDX expression, as written in its manifest.
    pub licence: Option<String>,
    /// A member of this workspace: the folder of its manifest, relative to the workspace.
    pub member: Option<String>,
    /// What it is built on, by crate name. Development dependencies are apart.
    pub on: BTreeSet<String>,
    /// What its tests are built on.
    pub tests_on: BTreeSet<String>,
}

impl House {
    /// Reads the workspace this crate stands in.
    ///
    /// # Errors
    /// A folder that cannot be read, or cargo does not answer.
    pub fn here() -> Result<House, Box<dyn Error>> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("xtask stands in no workspace")?.to_path_buf();
        let crates = crates(&root)?;
        Ok(House { tree: Tree::read(&root)?, crates, root })
    }

    /// A house of these texts only.
    pub fn of(texts: &[(&str, &str)]) -> House {
        let texts = texts.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        let tree = Tree { texts, others: BTreeSet::new() };
        House { tree, ..House::default() }
    }

    /// The same, with these crates.
    #[must_use]
    pub fn with(mut self, crates: &[Crate]) -> House {
        self.crates = crates.to_vec();
        self
    }

    /// The workspace's own crates.
    pub fn members(&self) -> impl Iterator<Item = &Crate> {
        self.crates.iter().filter(|one| one.member.is_some())
    }
}

impl Tree {
    /// Every UTF-8 text under `root`, and where other files stand, but for `target`, hidden folders other than `.ci` and `.github`, and scratch files.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn read(root: &Path) -> io::Result<Tree> {
        let (mut texts, mut others) = (BTreeMap::new(), BTreeSet::new());
        let mut folders = vec![root.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for found in fs::read_dir(&folder)? {
                let path = found?.path();
                let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
                if path.is_symlink() || name == ".git" {
                    continue; // a worktree has a file `.git`
                }
                if path.is_dir() {
                    let hidden = name.starts_with('.') && ![".ci", ".github", ".cargo"].contains(&name);
                    if !hidden && name != "target" && name != "node_modules" {
                        folders.push(path);
                    }
                } else if !name.ends_with(".snap.new")
                    && let Ok(relative) = path.strip_prefix(root)
                {
                    let relative = relative.to_string_lossy().replace('\\', "/");
                    match String::from_utf8(fs::read(&path)?) {
                        Ok(text) => drop(texts.insert(relative, text)),
                        Err(_) => drop(others.insert(relative)),
                    }
                }
            }
        }
        Ok(Tree { texts, others })
    }

    /// One text.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// All texts, by path.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The texts under a folder, written with its last `/`, whose names end so.
    pub fn under(&self, folder: &str, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.all().filter(move |(path, _)| path.starts_with(folder) && path.ends_with(ending))
    }

    /// The Rust sources of the crates that ship.
    pub fn shipped_rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.under("crates/", ".rs").filter(|(path, _)| path.contains("/src/"))
    }

    /// Whether a file or a folder of this path exists.
    pub fn has(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.texts.contains_key(path)
            || self.others.contains(path)
            || self.texts.range(format!("{path}/")..).next().is_some_and(|(at, _)| at.starts_with(&format!("{path}/")))
    }
}

/// Asks cargo. Only crates for this platform: the others need not have been downloaded.
fn crates(root: &Path) -> Result<Vec<Crate>, Box<dyn Error>> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .features(CargoOpt::AllFeatures)
        .other_options(vec!["--locked".into(), "--filter-platform".into(), host()?])
        .exec()?;
    let members: BTreeSet<_> = metadata.workspace_members.iter().collect();
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.to_string())).collect();
    let resolve = metadata.resolve.as_ref().ok_or("cargo resolved nothing")?;
    let mut crates = Vec::new();
    for node in &resolve.nodes {
        let Some(package) = metadata.packages.iter().find(|package| package.id == node.id) else { continue };
        let mut one = Crate {
            name: package.name.to_string(),
            version: package.version.to_string(),
            licence: package.license.clone(),
            member: members.contains(&node.id).then(|| {
                let folder = package.manifest_path.parent().map(|folder| folder.as_std_path()).unwrap_or(root);
                folder.strip_prefix(root).unwrap_or(folder).to_string_lossy().into_owned()
            }),
            ..Crate::default()
        };
        for dependency in &node.deps {
            let name = names[&dependency.pkg].clone();
            for kind in &dependency.dep_kinds {
                let list = if kind.kind == DependencyKind::Development { &mut one.tests_on } else { &mut one.on };
                list.insert(name.clone());
            }
        }
        crates.push(one);
    }
    crates.sort_by_key(|one| (one.member.is_none(), one.name.clone(), one.version.clone()));
    Ok(crates)
}

/// The triple of the compiler that builds this.
fn host() -> Result<String, Box<dyn Error>> {
    let rustc = option_env!("RUSTC").unwrap_or("rustc");
    let answer = std::process::Command::new(rustc).arg("-vV").output()?;
    let text = String::from_utf8(answer.stdout)?;
    Ok(text.lines().find_map(|line| line.strip_prefix("host: ")).ok_or("rustc did not name its host")?.to_owned())
}
