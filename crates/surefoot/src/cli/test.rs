use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use clap::Args;
use kernel::{complaint::Complaint, workflow::project::PROJECT_FILE};
use serde_json::json;

use super::{
    Scene, check,
    out::{BAD, FAINT, GOOD, WAIT, count, paint, plain},
};
use crate::{
    case::{self, Case, Difference, Outcome, Setting},
    embed::Surefoot,
    error::CliError,
    exit::Exit,
};

/// Run the cases in cases/ and say what is otherwise than they expect
///
/// A case holds an input and what models, tools and people answer. It is run in memory, without network, clock or chance: the
/// project's own rules judge, its functions and its models of rules compute, and nothing else is asked. An answer that the case lacks is
/// an error, and so is one that nobody asked for.
///
/// Exit code 3 if a case does not hold.
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Cases, by file or by a part of the name; the folder of the project, if it is another one
    #[arg(value_name = "CASE")]
    what: Vec<PathBuf>,
    /// Write what came of each case into its file, where it expects something else; all else in the file stays
    #[arg(long)]
    update: bool,
}

/// A file of `cases/` as it was read.
pub(super) enum Read {
    Case(Box<Case>),
    Broken(Arc<str>, Vec<Complaint>),
}

/// A project with its cases.
pub(super) struct Opened {
    pub folder: PathBuf,
    pub setting: Setting,
    pub cases: Vec<Read>,
}

/// Opens the project that stands among the arguments, or the one that is meant without, and reads the cases that are named.
pub(super) fn open(scene: &Scene, what: &[PathBuf]) -> Result<Opened, CliError> {
    let is_project = |path: &&PathBuf| path.join(PROJECT_FILE).is_file() || path.is_dir();
    let (folders, named): (Vec<&PathBuf>, Vec<&PathBuf>) = what.iter().partition(|path| is_project(path));
    let folder = match folders.as_slice() {
        [] => scene.application.folder.clone().unwrap_or_else(|| PathBuf::from(".")),
        [one] => (*one).clone(),
        _ => return Err(CliError::usage("several folders are named, and cases are of one project")),
    };
    let setting = setting(scene, &folder)?;
    let mut cases = Vec::new();
    for (file, text) in setting.sources.below("cases/", ".yaml") {
        if !case::is_case(text) {
            continue;
        }
        let read = match case::read(file, text, (&setting.project, &setting.sources, &folder)) {
            Ok(case) => Read::Case(Box::new(case)),
            Err(complaints) => Read::Broken(file.clone(), complaints),
        };
        cases.push(read);
    }
    if !named.is_empty() {
        for name in &named {
            if !cases.iter().any(|read| is_meant(read, name, &folder)) {
                let error = CliError::not_found(format!("no case is called `{}`", name.display()));
                return Err(
                    error.hint("name a file, as in `cases/morning.yaml`, or a part of what stands after `case:`")
                );
            }
        }
        cases.retain(|read| named.iter().any(|name| is_meant(read, name, &folder)));
    }
    if cases.is_empty() {
        let error = CliError::not_found(format!("the project {} has no cases", folder.display()));
        return Err(
            error.hint("a case is a file in cases/ that begins with `case:`; `runs export RUN --case FILE` makes one")
        );
    }
    Ok(Opened { folder, setting, cases })
}

/// Everything of a project that its cases need.
pub(super) fn setting(scene: &Scene, folder: &Path) -> Result<Setting, CliError> {
    let (sources, project) = check::checked(scene, folder)?;
    let natives = (scene.application.with)(Surefoot::builder()).natives();
    Setting::new(sources, project, natives).map_err(|why| CliError::new(Exit::Project, why))
}

fn is_meant(read: &Read, name: &Path, folder: &Path) -> bool {
    let (file, title) = match read {
        Read::Case(case) => (&case.file, Some(&case.name)),
        Read::Broken(file, _) => (file, None),
    };
    let typed = name.to_string_lossy();
    let stem = file.trim_start_matches("cases/").trim_end_matches(".yaml");
    *typed == **file
        || *typed == *stem
        || *name == folder.join(&**file)
        || (name.exists() && name.canonicalize().ok() == folder.join(&**file).canonicalize().ok())
        || title.is_some_and(|title| title.contains(&*typed))
}

/// Does `work` for each of `items` on all cores; the results come in the order of the items.
pub(super) fn each<'i, T: Sync, R: Send>(items: &'i [T], work: impl Fn(&'i T) -> R + Sync) -> Vec<R> {
    let workers = thread::available_parallelism().map_or(1, usize::from).min(items.len().max(1));
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(items.len())));
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((at, item)) = {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    items.get(at).map(|item| (at, item))
                } {
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}

/// How one case went.
struct Judged<'c> {
    case: &'c Case,
    outcome: Outcome,
    differences: Vec<Difference>,
    updated: bool,
}

impl Judged<'_> {
    fn holds(&self) -> bool {
        self.outcome.faults.is_empty() && (self.differences.is_empty() || self.updated)
    }
}

impl Test {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let opened = open(scene, &self.what)?;
        let judged = each(&opened.cases, |read| match read {
            Read::Broken(..) => None,
            Read::Case(case) => Some(judge(case, &opened.setting, self.update)),
        });
        let mut wrong = 0;
        for (read, judged) in opened.cases.iter().zip(judged) {
            let holds = match (read, judged) {
                (Read::Case(_), Some(mut judged)) => {
                    if self.update && judged.outcome.faults.is_empty() {
                        judged.updated = update(&opened, &judged)?;
                    }
                    told(scene, &judged);
                    judged.holds()
                }
                (Read::Case(case), None) => broken(scene, &opened.setting, &case.file, &[]),
                (Read::Broken(file, complaints), _) => broken(scene, &opened.setting, file, complaints),
            };
            wrong += u64::from(!holds);
        }
        let all = opened.cases.len() as u64;
        if scene.out.json {
            scene.out.object(&json!({ "kind": "summary", "cases": all, "wrong": wrong, "ok": wrong == 0 }));
        } else {
            let wrong_ones = if wrong == 0 { paint(GOOD, "all hold") } else { paint(BAD, format!("{wrong} wrong")) };
            scene.out.line(format!("{}, {wrong_ones}", count(all, "case")));
        }
        Ok(if wrong == 0 { Exit::Ok } else { Exit::Project })
    }
}

fn judge<'c>(case: &'c Case, setting: &Setting, updates: bool) -> Judged<'c> {
    let mut outcome = case.play(setting);
    if !case.expect.any && !updates {
        let (file, line) = (&case.file, case.expect.line);
        outcome.faults.push(format!("{file}:{line}: nothing is expected: `--update` writes down what comes"));
    }
    let differences = case.differences(&outcome);
    Judged { case, outcome, differences, updated: false }
}

/// Writes what came into the file of the case. `false`: it stands there already.
fn update(opened: &Opened, judged: &Judged<'_>) -> Result<bool, CliError> {
    let case = judged.case;
    if case.expect.any && judged.differences.is_empty() {
        return Ok(false);
    }
    let text = opened.setting.sources.get(&case.file).map_or("", |text| text);
    let path = opened.folder.join(&*case.file);
    write(&path, &case::updated(text, case, &judged.outcome))?;
    Ok(true)
}

/// Writes beside the file and renames: a crash leaves the old file or the whole new one.
pub(super) fn write(path: &Path, text: &str) -> Result<(), CliError> {
    let failed = |error| {
        let error = CliError::io(format!("{} cannot be written", path.display()), error);
        CliError { kind: Exit::Disk, ..error }
    };
    let beside = path.with_extension("part~");
    fs::write(&beside, text).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}

fn broken(scene: &Scene, setting: &Setting, file: &Arc<str>, complaints: &[Complaint]) -> bool {
    let source = setting.sources.get(file).map(|text| &**text);
    let said: Vec<String> = complaints.iter().map(|one| one.render(source).trim_end().to_owned()).collect();
    if scene.out.json {
        scene.out.object(&json!({ "kind": "case", "file": file, "ok": false, "faults": said, "differences": [] }));
    } else {
        scene.out.line(format!("{} {file}", paint(BAD, "wrong")));
        said.iter().for_each(|text| scene.out.line(text));
    }
    false
}

fn told(scene: &Scene, judged: &Judged<'_>) {
    let Judged { case, outcome, differences, updated } = judged;
    if scene.out.json {
        let differences: Vec<_> = differences
            .iter()
            .map(|one| json!({ "at": format!("{}:{}", case.file, one.line), "what": one.what, "shown": one.shown }))
            .collect();
        scene.out.object(&json!({
            "kind": "case", "case": case.name, "file": case.file, "ok": judged.holds(), "status": outcome.status,
            "waits_for": outcome.waits_for, "failure": outcome.failure, "result": outcome.result.as_ref().map(kernel::values::Value::to_serde),
            "acts": outcome.acts, "differences": differences, "faults": outcome.faults, "updated": updated,
        }));
        return;
    }
    let word = match (judged.holds(), updated) {
        (true, false) => paint(GOOD, "ok"),
        (true, true) => paint(WAIT, "updated"),
        (false, _) => paint(BAD, "wrong"),
    };
    let about = paint(FAINT, format!("{}  {}", case.file, outcome.status));
    scene.out.line(format!("{word} {}  {about}", plain(&case.name)));
    if judged.holds() {
        return;
    }
    for fault in &outcome.faults {
        scene.out.line(format!("   {}", plain(fault)));
    }
    // What is otherwise because the case itself is wrong says nothing more.
    for one in differences.iter().filter(|_| outcome.faults.is_empty()) {
        scene.out.line(format!("   {}:{}: {} is otherwise", case.file, one.line, one.what));
        for line in &one.shown {
            let style = match line.chars().next() {
                Some('-') => BAD,
                Some('+') => GOOD,
                _ => FAINT,
            };
            scene.out.line(format!("     {}", paint(style, plain(line))));
        }
    }
}
