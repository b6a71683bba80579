use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use kernel::workflow::{
    Program,
    bundle::Bundle,
    changes::{self, Changes, How},
    project::{ModelDecl, Sources},
};
use serde_json::json;
use store::{RunQuery, Store};

use super::{
    Scene, check,
    out::{BAD, FAINT, GOOD, STRONG, WAIT, count, paint, plain},
    session::{self, Data},
};
use crate::{error::CliError, exit::Exit};

/// Compare two versions of a project: what changed, and which steps read something whose contract changed
///
/// A contract is the type of a value, its options, and whether it may be missing. For each part of a value that has another one, those who
/// read it are named with file and line. What models are shown is compared by `context diff`, over recorded runs.
#[derive(Debug, Args)]
pub(super) struct Diff {
    /// A project's folder, or the digest of a bundle or the id of a run of the data directory
    #[arg(value_name = "A")]
    a: String,
    /// The other one
    #[arg(value_name = "B")]
    b: String,
    #[command(flatten)]
    data: Data,
    /// Only this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Exit code 3 if a contract changed that somebody reads
    #[arg(long)]
    check: bool,
}

/// One version.
struct Version {
    sources: Sources,
    programs: BTreeMap<Arc<str>, Arc<Program>>,
    /// `None`: a bundle does not hold them.
    models: Option<BTreeMap<Arc<str>, ModelDecl>>,
}

/// Everything that differs.
struct Compared {
    files: Vec<(Arc<str>, How)>,
    /// `None`: one of the two is a bundle, which holds neither models nor people nor policies.
    models: Option<Vec<(Arc<str>, How)>>,
    workflows: Vec<(Arc<str>, Option<How>, Changes)>,
}

impl Diff {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let folders = [&self.a, &self.b].map(|named| Path::new(named).is_dir());
        let [a, b] = if folders == [true, true] {
            [Version::of_folder(scene, &self.a)?, Version::of_folder(scene, &self.b)?]
        } else {
            scene.block_on(self.stored(scene, folders))?
        };
        if let Some(name) = &self.workflow
            && !a.programs.contains_key(&**name)
            && !b.programs.contains_key(&**name)
        {
            let error = CliError::not_found(format!("neither version has a workflow `{name}`"));
            let names = a.programs.keys().chain(b.programs.keys()).map(|name| &**name);
            return Err(kernel::complaint::did_you_mean(name, names).into_iter().fold(error, CliError::hint));
        }
        let compared = self.compare(a, b);
        if scene.out.json {
            scene.out.object(&compared.as_json());
        } else {
            compared.tell(scene);
        }
        Ok(if self.check && compared.read_otherwise() > 0 { Exit::Project } else { Exit::Ok })
    }

    async fn stored(&self, scene: &Scene, folders: [bool; 2]) -> Result<[Version; 2], CliError> {
        let folder = match folders {
            [true, _] => PathBuf::from(&self.a),
            [_, true] => PathBuf::from(&self.b),
            _ => PathBuf::from("."),
        };
        let store = self.data.open_existing(&folder)?;
        let mut versions = Vec::with_capacity(2);
        for (named, is_folder) in [&self.a, &self.b].into_iter().zip(folders) {
            versions.push(match is_folder {
                true => Version::of_folder(scene, named)?,
                false => Version::of_store(&*store, named).await?,
            });
        }
        <[Version; 2]>::try_from(versions).map_err(|_| CliError::internal("two versions are compared"))
    }

    fn compare(&self, mut a: Version, mut b: Version) -> Compared {
        let in_bundles = a.models.is_none() || b.models.is_none();
        for version in [&mut a, &mut b] {
            let bundle = Bundle::open(&Bundle::pack(&version.sources).bytes).map(|sources| sources.files);
            let bundle = bundle.unwrap_or_default();
            let outside =
                |path: &str| path == "surefoot.yaml" || path == "people.yaml" || path.starts_with("policies/");
            version.sources.files.retain(|path, _| bundle.contains_key(path) || (!in_bundles && outside(path)));
        }
        let models = match (&a.models, &b.models) {
            (Some(a), Some(b)) => Some(differing(a, b)),
            _ => None,
        };
        let names: BTreeSet<&Arc<str>> = a.programs.keys().chain(b.programs.keys()).collect();
        let meant = names.into_iter().filter(|name| self.workflow.as_deref().is_none_or(|one| *one == ***name));
        let workflows = meant.filter_map(|name| {
            let (how, changes) = match (a.programs.get(name), b.programs.get(name)) {
                (Some(one), Some(other)) => (None, changes::of_workflow((&a.sources, one), (&b.sources, other))),
                (None, _) => (Some(How::Added), Changes::default()),
                (_, None) => (Some(How::Removed), Changes::default()),
            };
            let any = how.is_some() || !changes.steps.is_empty() || !changes.contracts.is_empty();
            any.then(|| (name.clone(), how, changes))
        });
        Compared { workflows: workflows.collect(), models, files: changes::files(&a.sources, &b.sources) }
    }
}

fn differing(a: &BTreeMap<Arc<str>, ModelDecl>, b: &BTreeMap<Arc<str>, ModelDecl>) -> Vec<(Arc<str>, How)> {
    let names: BTreeSet<&Arc<str>> = a.keys().chain(b.keys()).collect();
    let how = |name: &Arc<str>| match (a.get(name), b.get(name)) {
        (None, _) => Some(How::Added),
        (_, None) => Some(How::Removed),
        (one, other) => (one != other).then_some(How::Changed),
    };
    names.into_iter().filter_map(|name| Some((name.clone(), how(name)?))).collect()
}

impl Version {
    fn of_folder(scene: &Scene, named: &str) -> Result<Version, CliError> {
        let (sources, project) = check::checked(scene, Path::new(named))?;
        Ok(Version { sources, programs: project.workflows, models: Some(project.file.models) })
    }

    async fn of_store(store: &dyn Store, named: &str) -> Result<Version, CliError> {
        const PAGE: u32 = 500;
        let mut query = RunQuery { limit: PAGE, ..RunQuery::default() };
        let mut digest = None;
        while digest.is_none() && named.len() >= 4 {
            let page = store.runs(query.clone()).await?;
            let Some(last) = page.last() else { break };
            query.before = Some(last.run);
            digest = page.iter().map(|row| row.bundle).find(|bundle| bundle.to_string().starts_with(named));
        }
        let digest = match digest {
            Some(digest) => digest,
            None => {
                let found = session::find_run(store, named).await.map_err(|_| {
                    let message = format!("`{named}` is no folder, and no bundle and no run of the recorded ones");
                    CliError::not_found(message).hint(
                        "name a project's folder, `last`, or four or more characters of a run's id or of a bundle's digest",
                    )
                })?;
                found.bundle
            }
        };
        let Some(bytes) = store.bundle(digest).await? else {
            return Err(CliError::not_found(format!("bundle {digest} is not in the store")));
        };
        let unreadable = |why| CliError::new(Exit::Project, format!("bundle {digest} cannot be read")).caused_by(why);
        let sources = Bundle::open(&bytes).map_err(unreadable)?;
        let programs = Program::load_all(&bytes).map_err(unreadable)?;
        Ok(Version { sources, programs, models: None })
    }
}

impl Compared {
    /// How many contracts changed that somebody reads.
    fn read_otherwise(&self) -> u64 {
        let contracts = self.workflows.iter().flat_map(|(_, _, changes)| &changes.contracts);
        contracts.filter(|one| !one.readers.is_empty()).count() as u64
    }

    fn is_empty(&self) -> bool {
        self.files.is_empty() && self.workflows.is_empty() && self.models.as_ref().is_none_or(Vec::is_empty)
    }

    fn as_json(&self) -> serde_json::Value {
        let named = |all: &[(Arc<str>, How)], key: &str| -> Vec<_> {
            all.iter().map(|(name, how)| json!({ key: name, "how": how.as_str() })).collect()
        };
        let workflow = |(name, how, changes): &(Arc<str>, Option<How>, Changes)| {
            let steps: Vec<_> = changes
                .steps
                .iter()
                .map(|one| {
                    json!({ "step": one.step, "file": one.file, "line": one.line, "how": one.how.as_str(), "what": one.what })
                })
                .collect();
            let contracts: Vec<_> = changes
                .contracts
                .iter()
                .map(|one| {
                    let readers: Vec<_> = one
                        .readers
                        .iter()
                        .map(|reader| json!({ "step": reader.step, "file": reader.file, "line": reader.line }))
                        .collect();
                    json!({ "of": one.of, "path": one.path, "before": one.before, "after": one.after, "readers": readers })
                })
                .collect();
            json!({
                "workflow": name, "how": how.unwrap_or(How::Changed).as_str(), "steps": steps, "contracts": contracts,
            })
        };
        json!({
            "same": self.is_empty(), "files": named(&self.files, "file"),
            "models": self.models.as_ref().map(|models| named(models, "model")),
            "workflows": self.workflows.iter().map(workflow).collect::<Vec<_>>(),
            "read_otherwise": self.read_otherwise(),
        })
    }

    fn tell(&self, scene: &Scene) {
        let out = &scene.out;
        if self.is_empty() {
            out.line("no differences");
        }
        for (file, how) in &self.files {
            out.line(format!("{} {file}", sign(*how)));
        }
        for (model, how) in self.models.iter().flatten() {
            out.line(format!("{} model {model}", sign(*how)));
        }
        for (name, how, changes) in &self.workflows {
            let how = how.map(|how| format!(" {}", paint(FAINT, how.as_str()))).unwrap_or_default();
            out.line(format!("{}{how}", paint(STRONG, format!("workflow {name}"))));
            for one in &changes.steps {
                let at = paint(FAINT, format!("{}:{}", one.file, one.line));
                let what = if one.what.is_empty() { one.how.as_str().to_owned() } else { one.what.join(", ") };
                out.line(format!("  {} step {}  {at}  {}", sign(one.how), one.step, plain(&what)));
            }
            for one in &changes.contracts {
                let dot = if one.path.is_empty() || one.path.starts_with('[') { "" } else { "." };
                let value = paint(STRONG, format!("{}{dot}{}", one.of, one.path));
                out.line(format!(
                    "  {} {value}: {} → {}",
                    paint(WAIT, "contract"),
                    plain(&one.before),
                    plain(&one.after)
                ));
                for reader in &one.readers {
                    let at = paint(FAINT, format!("{}:{}", reader.file, reader.line));
                    let who =
                        reader.step.as_ref().map_or("the workflow itself".to_owned(), |step| format!("step {step}"));
                    out.line(format!("    read by {who}  {at}"));
                }
                if one.readers.is_empty() {
                    out.line("    read by nobody");
                }
            }
        }
        if self.models.is_none() {
            out.aside("a bundle holds no models, people and policies: these were not compared");
        }
        let read = self.read_otherwise();
        if read > 0 {
            out.line(format!("{} changed under those who read them", count(read, "contract")));
        }
    }
}

fn sign(how: How) -> String {
    match how {
        How::Added => paint(GOOD, "+"),
        How::Removed => paint(BAD, "-"),
        How::Changed => paint(WAIT, "~"),
    }
}
