use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap::Args;
use include_dir::{Dir, DirEntry, include_dir};
use serde_json::json;

use super::{
    Scene,
    out::{FAINT, GOOD, STRONG, count, paint},
};
use crate::{error::CliError, exit::Exit};

/// One folder a template; the first paragraph of its README.md after the title says what it is.
static TEMPLATES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/templates");

/// Descriptions of the file formats, which every template gets: editors complete and check what is written.
const EDITOR: &str = ".editor";

/// The template without further words.
const DEFAULT: &str = "demo";

/// Begin a project from a template
///
/// The templates are inside the program: no network is needed. A folder that holds anything is never touched.
#[derive(Debug, Args)]
pub(super) struct Init {
    /// Where; made if it does not exist
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Which template
    #[arg(long, value_name = "NAME", default_value = DEFAULT)]
    template: String,
    /// List the templates
    #[arg(long)]
    list: bool,
}

impl Init {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        if self.list {
            return list(scene);
        }
        let Some(template) = TEMPLATES.get_dir(&self.template).filter(|_| names().any(|name| name == self.template))
        else {
            let names: Vec<&str> = names().collect();
            let near = kernel::complaint::did_you_mean(&self.template, names.iter().copied());
            let error = CliError::not_found(format!("there is no template `{}`", self.template));
            return Err(error.hint(near.unwrap_or_else(|| format!("one of {}", names.join(", ")))));
        };
        let folder = self.folder.unwrap_or_else(|| PathBuf::from("."));
        empty(&folder)?;
        let mut written = Vec::new();
        write(template, template.path(), &folder, &mut written)?;
        let editor = TEMPLATES.get_dir(EDITOR).expect("the folder stands beside the templates: held by a test");
        write(editor, Path::new(""), &folder, &mut written)?;
        written.sort();
        if scene.out.json {
            scene.out.object(
                &json!({ "folder": folder.display().to_string(), "template": self.template, "files": written }),
            );
            return Ok(Exit::Ok);
        }
        scene.out.line(format!(
            "{} {} from the template {} ({})",
            paint(GOOD, "made"),
            paint(STRONG, folder.display()),
            self.template,
            count(written.len() as u64, "file")
        ));
        for file in &written {
            scene.out.aside(paint(FAINT, format!("  {file}")));
        }
        let shown = if folder == Path::new(".") { String::new() } else { format!(" {}", folder.display()) };
        scene.out.line("next:");
        for (command, what) in
            [("check", "finds what is wrong before it runs"), ("graph", "draws the workflow"), ("run", "runs it")]
        {
            scene.out.line(format!("  {:<24} {}", format!("surefoot {command}{shown}"), paint(FAINT, what)));
        }
        Ok(Exit::Ok)
    }
}

/// The names of all templates, the default first.
fn names() -> impl Iterator<Item = &'static str> {
    let others =
        TEMPLATES.dirs().filter_map(|dir| dir.path().to_str()).filter(|name| *name != DEFAULT && *name != EDITOR);
    std::iter::once(DEFAULT).chain(others)
}

/// What a template is, in its own words.
fn about(name: &str) -> String {
    let readme =
        TEMPLATES.get_file(format!("{name}/README.md")).and_then(|file| file.contents_utf8()).unwrap_or_default();
    let paragraph =
        readme.split("\n\n").find(|part| !part.starts_with('#') && !part.starts_with("<!--")).unwrap_or_default();
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn list(scene: &Scene) -> Result<Exit, CliError> {
    if scene.out.json {
        let all: Vec<_> = names().map(|name| json!({ "name": name, "about": about(name) })).collect();
        scene.out.object(&json!({ "templates": all }));
        return Ok(Exit::Ok);
    }
    for name in names() {
        scene.out.line(format!("{:<12} {}", paint(STRONG, name), about(name)));
    }
    Ok(Exit::Ok)
}

/// Whether a project may be written there: nothing, or an empty folder. Git's own folder does not count.
fn empty(folder: &Path) -> Result<(), CliError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(CliError::usage(format!("{} is a file", folder.display()))
                .hint("name a folder that does not exist yet"));
        }
        Err(error) => return Err(CliError::io(format!("the folder {} cannot be read", folder.display()), error)),
    };
    for entry in entries {
        let entry =
            entry.map_err(|error| CliError::io(format!("the folder {} cannot be read", folder.display()), error))?;
        if entry.file_name() != ".git" {
            let found = entry.file_name();
            let message = format!("the folder {} is not empty: it holds {}", folder.display(), found.to_string_lossy());
            return Err(CliError::usage(message)
                .hint("name a folder that does not exist yet, as in `surefoot init my-project`"));
        }
    }
    Ok(())
}

fn write(dir: &Dir<'_>, root: &Path, folder: &Path, written: &mut Vec<String>) -> Result<(), CliError> {
    let failed = |path: &Path, error| {
        let error = CliError::io(format!("{} cannot be written", path.display()), error);
        CliError { kind: Exit::Disk, ..error }.hint("name a folder that you may write to")
    };
    let within = dir.path().strip_prefix(root).unwrap_or(dir.path());
    let own = folder.join(within);
    fs::create_dir_all(&own).map_err(|error| failed(&own, error))?;
    for entry in dir.entries() {
        let within = entry.path().strip_prefix(root).expect("an entry stands below its template: held by include_dir");
        let path = folder.join(within);
        match entry {
            DirEntry::Dir(below) => write(below, root, folder, written)?,
            DirEntry::File(file) => {
                fs::write(&path, file.contents()).map_err(|error| failed(&path, error))?;
                written.push(within.display().to_string());
            }
        }
    }
    Ok(())
}
