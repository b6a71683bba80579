use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use kernel::workflow::project::Sources;
use serde_json::json;

use super::{
    Scene,
    out::{GOOD, count, paint},
};
use crate::{error::CliError, exit::Exit, project};

/// Format the YAML files of a project, in the one way there is
///
/// Comments stay. A file that cannot be read as YAML is left alone and named.
#[derive(Debug, Args)]
pub(super) struct Fmt {
    /// The project's folder, or single files
    #[arg(value_name = "FOLDER|FILE", default_value = ".")]
    paths: Vec<PathBuf>,
    /// Change nothing; exit code 3 if a file is not formatted
    #[arg(long)]
    check: bool,
}

impl Fmt {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let (mut changed, mut refused, mut seen) = (Vec::new(), Vec::new(), 0);
        for path in &self.paths {
            for (file, text) in files(path)? {
                seen += 1;
                let name = file.display().to_string();
                match kernel::fmt::format(&name.as_str().into(), &text) {
                    Ok(formatted) if formatted == *text => {}
                    Ok(formatted) => {
                        if !self.check {
                            replace(&file, &formatted)?;
                        }
                        changed.push(name);
                    }
                    Err(complaint) => refused.push(complaint.render(Some(&text))),
                }
            }
        }
        let bad = !refused.is_empty() || (self.check && !changed.is_empty());
        if scene.out.json {
            scene.out.object(&json!({ "ok": !bad, "files": seen, "changed": changed, "refused": refused }));
        } else {
            for complaint in &refused {
                scene.out.alarm(complaint.trim_end());
            }
            let verb = if self.check { "is not formatted" } else { "formatted" };
            for file in &changed {
                scene.out.line(format!("{file}: {verb}"));
            }
            if !bad && changed.is_empty() {
                scene.out.line(format!("{} {} formatted", paint(GOOD, "ok"), count(seen, "file")));
            }
        }
        Ok(if bad { Exit::Project } else { Exit::Ok })
    }
}

/// The YAML files of a folder, or the one file, with their texts.
fn files(path: &Path) -> Result<Vec<(PathBuf, String)>, CliError> {
    // Writing goes by a rename, and what a link points at would stay as it is.
    if path.is_symlink() {
        return Err(project::ProjectError::Link(path.to_owned()).into());
    }
    if !path.is_file() {
        let Sources { files } = project::read(path, true)?;
        let yaml = files.iter().filter(|(within, _)| within.ends_with(".yaml"));
        return Ok(yaml.map(|(within, text)| (path.join(&**within), text.to_string())).collect());
    }
    let bytes = fs::read(path).map_err(|error| CliError::io(format!("{} cannot be read", path.display()), error))?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok(vec![(path.to_owned(), text)]),
        Err(_) => Err(project::ProjectError::Text(path.to_owned()).into()),
    }
}

/// Writes beside the file and renames: a crash leaves the old text or the new one, never half of it.
fn replace(file: &Path, text: &str) -> Result<(), CliError> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".surefoot-fmt~");
    let beside = PathBuf::from(beside);
    let written = fs::metadata(file).and_then(|about| {
        fs::write(&beside, text)?;
        fs::set_permissions(&beside, about.permissions())?;
        fs::rename(&beside, file)
    });
    written.map_err(|error| {
        // Whether it was made or not: nothing must stay behind.
        let _ = fs::remove_file(&beside);
        CliError { kind: Exit::Disk, ..CliError::io(format!("{} cannot be written", file.display()), error) }
    })
}
