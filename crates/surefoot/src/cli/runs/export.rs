use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Args;
use kernel::{ids::Digest, journal::Head};
use serde_json::json;
use store::Store as _;

use super::OneRun;
use crate::{
    cli::{
        Scene,
        copies::Whole,
        out::{GOOD, WAIT, count, paint},
        session, test,
    },
    error::CliError,
    exit::Exit,
    export::{self, Contents, ExportError},
};

/// Write a run as one file that `surefoot evidence verify` can check offline
///
/// Note the head that is printed: with it, verifying finds also a tail that was cut off.
#[derive(Debug, Args)]
pub(in crate::cli) struct Export {
    #[command(flatten)]
    one: OneRun,
    /// Where to; standard output if absent. An existing file is replaced
    #[arg(long, value_name = "FILE", conflicts_with = "case")]
    out: Option<PathBuf>,
    /// Make a case of the run instead, for `surefoot test`: its input, what models and tools answered, what people said, and what came
    #[arg(long, value_name = "FILE")]
    case: Option<PathBuf>,
}

impl Export {
    pub(in crate::cli) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let store = self.one.place.open()?;
        let run = session::find_run(&*store, &self.one.run).await?.run;
        let whole = Whole::of(&*store, run).await?;
        if let Some(path) = &self.case {
            return self.record(scene, path, &whole.with_below(&*store).await?);
        }
        let Whole { entries, blobs, .. } = whole;
        let seals = session::seals_of(&*store, run).await?;
        let log = store.governance(0).await?;
        let contents = Contents { run, entries: &entries, seals: &seals, erased: export::erasure(run, &log) };
        let blob = |digest: Digest| Ok::<_, CliError>(blobs.get(&digest).cloned());
        let (head, place) = match &self.out {
            None => {
                let mut text = Vec::new();
                let head = export::write(&mut text, &contents, blob)?;
                scene.out.text(String::from_utf8_lossy(&text));
                (head, None)
            }
            Some(path) => (to_file(path, |file| export::write(file, &contents, blob))?, Some(path)),
        };
        let Some(path) = place else {
            scene.out.aside(format!("head {}", head.hash));
            return Ok(Exit::Ok);
        };
        if scene.out.json {
            scene.out.object(&json!({ "run": run, "file": path.display().to_string(), "head": head }));
            return Ok(Exit::Ok);
        }
        let entries = count(head.seq, "entry").replace("entrys", "entries");
        scene.out.line(format!(
            "{} {}: {run}, {entries}, {}, {}",
            paint(GOOD, "wrote"),
            path.display(),
            count(blobs.len() as u64, "blob"),
            count(seals.len() as u64, "seal")
        ));
        scene.out.line(format!("head {}", head.hash));
        scene.out.aside(format!("verify it with: surefoot evidence verify {} --head {}", path.display(), head.hash));
        Ok(Exit::Ok)
    }

    /// Makes a case of the run, and plays it at once: a case that does not hold is not written.
    fn record(&self, scene: &Scene, path: &Path, whole: &Whole) -> Result<Exit, CliError> {
        let (run, folder) = (whole.run, self.one.place.folder());
        let setting = test::setting(scene, folder)?;
        let stem = path.file_stem().map(|stem| stem.to_string_lossy().replace(['-', '_'], " ")).unwrap_or_default();
        let file: Arc<str> = path.display().to_string().into();
        let made = whole.record((&stem, &file), (&setting, folder))?;
        test::write(path, &made.text)?;
        if scene.out.json {
            scene.out.object(&json!({ "run": run, "case": file, "notes": made.notes }));
            return Ok(Exit::Ok);
        }
        scene.out.line(format!("{} {file}: a case made of {run}", paint(GOOD, "wrote")));
        made.notes.iter().for_each(|note| scene.out.aside(paint(WAIT, note)));
        scene.out.aside(format!("run it with: {} test {file}", scene.application.call));
        Ok(Exit::Ok)
    }
}

/// Writes beside the file and renames: a crash leaves the old file or the whole new one.
fn to_file(path: &Path, write: impl FnOnce(&mut BufWriter<File>) -> Result<Head, CliError>) -> Result<Head, CliError> {
    let failed = |error: io::Error| {
        let error = CliError::io(format!("{} cannot be written", path.display()), error);
        CliError { kind: Exit::Disk, ..error }
    };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".part~");
    let beside = PathBuf::from(beside);
    let mut file = BufWriter::new(File::create(&beside).map_err(failed)?);
    let written = write(&mut file).and_then(|head| {
        file.flush()
            .and_then(|()| file.get_ref().sync_all())
            .and_then(|()| fs::rename(&beside, path))
            .map_err(failed)?;
        Ok(head)
    });
    if written.is_err() {
        // It may not exist; then nothing is left either.
        let _ = fs::remove_file(&beside);
    }
    written
}

impl From<ExportError> for CliError {
    fn from(error: ExportError) -> CliError {
        match error {
            ExportError::Write(source) => {
                CliError { kind: Exit::Disk, ..CliError::io("the export cannot be written", source) }
            }
            error => CliError::new(Exit::Unverified, error.to_string())
                .hint("`surefoot db check` reads everything and says what else is damaged"),
        }
    }
}
