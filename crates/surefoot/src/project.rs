//! A project's folder: read into texts for the kernel, and turned into what reaches models and tools.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use gateway::model::{lower::lower, remote, rules::Rules};
use kernel::{
    complaint::{Complaint, Complaints},
    governance::people::PEOPLE_FILE,
    routes::ROUTES_FILE,
    step::{Kind, Step},
    workflow::project::{self, Checked, PROJECT_FILE, Project, Provider, Sources},
};

/// The folders that are read, and the endings that count in each. Everything else in a project's folder is left alone.
const FOLDERS: [(&str, &[&str]); 11] = [
    ("workflows", &["yaml"]),
    ("prompts", &["md"]),
    ("schemas", &["yaml"]),
    ("decisions", &["yaml"]),
    ("tools", &["yaml", "json"]),
    ("pins", &["json"]),
    ("policies", &["cedar", "yaml"]),
    ("sql", &["sql"]),
    ("rules", &["yaml"]),
    ("lexicons", &["yaml", "txt"]),
    ("cases", &["yaml", "json"]),
];

/// The biggest file, in bytes.
const MOST_BYTES: u64 = 1 << 20;
/// The biggest project, in bytes.
const MOST_TOTAL: u64 = 32 << 20;
/// Most files of a project.
const MOST_FILES: usize = 4096;
/// The deepest folder within a known one.
const MOST_DEEP: usize = 8;

/// Why a folder cannot be read as a project.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    /// There is nothing of that name, or a file.
    #[error("there is no folder {0}")]
    NoFolder(PathBuf),
    /// The folder has no `surefoot.yaml`.
    #[error("{0} is no project: it has no surefoot.yaml")]
    NoProject(PathBuf),
    /// What a link goes to may change without the project changing.
    #[error("{0} is a symbolic link: a project holds its files itself")]
    Link(PathBuf),
    /// A pipe, a socket, a device.
    #[error("{0} is neither a file nor a folder")]
    Odd(PathBuf),
    /// The name of a file is no text.
    #[error("the name of {0} is not UTF-8")]
    Name(PathBuf),
    /// The file is no text.
    #[error("{0} is not UTF-8 text")]
    Text(PathBuf),
    /// A file is too big.
    #[error("{file} has {bytes} bytes, and {most} is the most")]
    Big {
        /// Which.
        file: PathBuf,
        /// How many it has.
        bytes: u64,
        /// How many it may have.
        most: u64,
    },
    /// The project is too big.
    #[error("the project {folder} has more than {what}")]
    Many {
        /// Which.
        folder: PathBuf,
        /// What there is too much of, with the limit.
        what: String,
    },
    /// The system refused.
    #[error("{path} cannot be read")]
    Unreadable {
        /// What.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Reads the files of the project in `folder`: `surefoot.yaml`, `people.yaml`, `routes.yaml` and what stands in the known folders. Order and
/// platform do not matter: the same files give the same texts. With `whole` false, a folder without `surefoot.yaml` is read as well.
///
/// # Errors
/// [`ProjectError`]: what cannot be read is refused, never left out.
pub fn read(folder: &Path, whole: bool) -> Result<Sources, ProjectError> {
    match fs::metadata(folder) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return Err(ProjectError::NoFolder(folder.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ProjectError::NoFolder(folder.to_owned()));
        }
        Err(source) => return Err(ProjectError::Unreadable { path: folder.to_owned(), source }),
    }
    let mut reader = Reader { folder, files: BTreeMap::new(), bytes: 0 };
    for (name, needed) in [(PROJECT_FILE, whole), (PEOPLE_FILE, false), (ROUTES_FILE, false)] {
        let file = folder.join(name);
        match fs::symlink_metadata(&file) {
            Ok(about) => reader.file(&file, name.to_owned(), &about)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound && needed => {
                return Err(ProjectError::NoProject(folder.to_owned()));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ProjectError::Unreadable { path: file, source }),
        }
    }
    for (name, endings) in FOLDERS {
        let path = folder.join(name);
        match fs::symlink_metadata(&path) {
            Ok(about) if about.is_symlink() => return Err(ProjectError::Link(path)),
            Ok(about) if about.is_dir() => reader.below(&path, name, endings, 1)?,
            Ok(_) => return Err(ProjectError::Odd(path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(ProjectError::Unreadable { path, source }),
        }
    }
    Ok(Sources { files: reader.files })
}

/// Checks everything that can be decided without running: the project as the kernel does, and its files in `rules/`, whether a
/// model follows them or not.
pub fn check(sources: &Sources) -> Checked {
    let Checked { complaints: found, project } = project::check(sources);
    let mut complaints = Complaints::new();
    complaints.extend(found);
    for (file, _) in sources.below("rules/", ".yaml") {
        complaints.take_all(Rules::parse(file, sources));
    }
    if let Some(project) = &project {
        for program in project.workflows.values() {
            for stage in &program.stages {
                schemas_fit(project, &program.file, &stage.steps, &mut complaints);
            }
        }
    }
    let project = project.filter(|_| !complaints.has_errors());
    Checked { complaints: complaints.into_sorted(), project }
}

/// Warns of schemas that the server of a step's model cannot be made to hold.
fn schemas_fit(project: &Project, file: &Arc<str>, steps: &[Step], complaints: &mut Complaints) {
    for step in steps {
        if let Kind::Reason(reason) = &step.kind
            && let Some(Provider::Remote(spec)) = project.file.models.get(&reason.model).map(|model| &model.provider)
        {
            let dialect = remote::schemas_of(spec);
            if let Some(unfit) = lower(&reason.output, dialect).unfit {
                let (name, model, server) = (&step.name, &reason.model, dialect.name());
                let message =
                    format!("the output of `{name}` is too much for {server}, which `{model}` is asked by: {unfit}");
                complaints.push(Complaint::new("W147", file, step.at, message).warning().hint(unfit.advice()));
            }
        }
        for (_, inner) in step.bodies() {
            schemas_fit(project, file, inner, complaints);
        }
    }
}

struct Reader<'a> {
    folder: &'a Path,
    files: BTreeMap<Arc<str>, Arc<str>>,
    bytes: u64,
}

impl Reader<'_> {
    fn below(&mut self, folder: &Path, within: &str, endings: &[&str], deep: usize) -> Result<(), ProjectError> {
        if deep > MOST_DEEP {
            return Err(self.many(format!("{MOST_DEEP} folders within each other")));
        }
        let unreadable = |source| ProjectError::Unreadable { path: folder.to_owned(), source };
        for entry in fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let name = path.file_name().unwrap_or_default();
            let Some(name) = name.to_str() else { return Err(ProjectError::Name(path)) };
            // What editors and systems leave behind.
            if name.starts_with('.') || name.ends_with('~') {
                continue;
            }
            let within = format!("{within}/{name}");
            let about = fs::symlink_metadata(&path)
                .map_err(|source| ProjectError::Unreadable { path: path.clone(), source })?;
            if about.is_symlink() {
                return Err(ProjectError::Link(path));
            } else if about.is_dir() {
                self.below(&path, &within, endings, deep + 1)?;
            } else if endings.iter().any(|ending| within.ends_with(&format!(".{ending}"))) {
                self.file(&path, within, &about)?;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, within: String, about: &fs::Metadata) -> Result<(), ProjectError> {
        if about.is_symlink() {
            return Err(ProjectError::Link(path.to_owned()));
        }
        if !about.is_file() {
            return Err(ProjectError::Odd(path.to_owned()));
        }
        let unreadable = |source| ProjectError::Unreadable { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        // The length may change after it was asked for: what is read is bounded, not what was announced.
        let file = fs::File::open(path).map_err(unreadable)?;
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MOST_BYTES {
            let bytes = about.len().max(bytes.len() as u64);
            return Err(ProjectError::Big { file: path.to_owned(), bytes, most: MOST_BYTES });
        }
        self.bytes += bytes.len() as u64;
        if self.bytes > MOST_TOTAL {
            return Err(self.many(format!("{MOST_TOTAL} bytes")));
        }
        if self.files.len() == MOST_FILES {
            return Err(self.many(format!("{MOST_FILES} files")));
        }
        let text = String::from_utf8(bytes).map_err(|_| ProjectError::Text(path.to_owned()))?;
        self.files.insert(within.into(), text.into());
        Ok(())
    }

    fn many(&self, what: String) -> ProjectError {
        ProjectError::Many { folder: self.folder.to_owned(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, bytes) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        folder
    }

    /// The error with the folder's own place taken out.
    fn refusal(folder: &tempfile::TempDir) -> String {
        read(folder.path(), true).unwrap_err().to_string().replace(folder.path().to_str().unwrap(), "demo")
    }

    #[test]
    fn only_known_folders_and_endings_are_read() {
        let folder = folder(&[
            ("surefoot.yaml", b"project: demo\n"),
            ("workflows/a.yaml", b"a"),
            ("workflows/.a.yaml.swp", b"\xff"),
            ("workflows/notes.txt", b"\xff"),
            ("prompts/deep/b.md", b"b"),
            ("people.yaml", b"people: {}\n"),
            ("README.md", b"c"),
            ("node_modules/x.yaml", b"d"),
            (".surefoot/surefoot.db", b"\xff\xfe"),
        ]);
        let sources = read(folder.path(), true).unwrap();
        let paths: Vec<&str> = sources.files.keys().map(|path| &**path).collect();
        assert_eq!(paths, ["people.yaml", "prompts/deep/b.md", "surefoot.yaml", "workflows/a.yaml"]);
    }

    #[test]
    fn a_schema_that_is_too_much_for_the_models_server_is_told() {
        let mut deep = "type: string".to_owned();
        for _ in 0..11 {
            deep = format!("type: object, properties: {{ a: {{ {deep} }} }}, required: [a]");
        }
        let deep = format!("{{ {deep} }}\n");
        let workflow = "workflow: w\nresult: { value: =ask }\nstages:\n  - stage: only\n    steps:\n      - step: ask\n        reason: prompts/ask.md\n        model: m\n        output: schemas/deep.yaml\n";
        let check = |structured: &str| {
            let model = format!(
                "project: demo\nmodels:\n  m: {{ provider: openai_chat, base_url: \"http://127.0.0.1:1\", model: x, max_tokens: 9{structured}, price: free }}\n"
            );
            let folder = folder(&[
                ("surefoot.yaml", model.as_bytes()),
                ("workflows/w.yaml", workflow.as_bytes()),
                ("schemas/deep.yaml", deep.as_bytes()),
                ("prompts/ask.md", b"What?\n"),
            ]);
            let checked = check(&read(folder.path(), true).unwrap());
            assert!(checked.project.is_some(), "{:?}", checked.complaints);
            checked
                .complaints
                .iter()
                .map(|one| format!("{} {}: {}\n", one.severity, one.id, one.message))
                .collect::<String>()
        };
        assert_eq!(
            check(""),
            "warning W147: the output of `ask` is too much for OpenAI's strict output, which `m` is asked by: it is nested 11 deep, and 10 is the most\n"
        );
        assert_eq!(check(", structured: json_object"), "");
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_never_left_out() {
        assert_eq!(refusal(&folder(&[("x", b"")])), "demo is no project: it has no surefoot.yaml");
        let text = folder(&[("surefoot.yaml", b"project: \xff")]);
        assert_eq!(refusal(&text), "demo/surefoot.yaml is not UTF-8 text");
        let big = folder(&[("surefoot.yaml", b"x"), ("prompts/a.md", &[b'x'; (1 << 20) + 1])]);
        assert_eq!(refusal(&big), "demo/prompts/a.md has 1048577 bytes, and 1048576 is the most");
        let odd = folder(&[("surefoot.yaml", b"x"), ("prompts", b"x")]);
        assert_eq!(refusal(&odd), "demo/prompts is neither a file nor a folder");
        let nothing = tempfile::tempdir().unwrap().path().join("none");
        assert!(matches!(read(&nothing, true), Err(ProjectError::NoFolder(_))));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_refused_wherever_they_stand() {
        use std::os::unix::{ffi::OsStrExt as _, fs::symlink};
        let linked = folder(&[("surefoot.yaml", b"x"), ("workflows/a.yaml", b"x")]);
        symlink("a.yaml", linked.path().join("workflows/b.yaml")).unwrap();
        assert_eq!(refusal(&linked), "demo/workflows/b.yaml is a symbolic link: a project holds its files itself");
        let linked = folder(&[("surefoot.yaml", b"x"), ("other/a.yaml", b"x")]);
        symlink("other", linked.path().join("prompts")).unwrap();
        assert_eq!(refusal(&linked), "demo/prompts is a symbolic link: a project holds its files itself");
        let named = folder(&[("surefoot.yaml", b"x"), ("prompts/a.md", b"x")]);
        fs::write(named.path().join("prompts").join(std::ffi::OsStr::from_bytes(b"\xff.md")), "x").unwrap();
        assert!(matches!(read(named.path(), true), Err(ProjectError::Name(_))));
    }
}
