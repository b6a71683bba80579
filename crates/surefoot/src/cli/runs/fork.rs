//! Go on from where a run was, and try a failed one again. Each is a new run; the source is only read.

use std::{path::PathBuf, sync::Arc};

use clap::{ArgGroup, Args, builder::NonEmptyStringValueParser};
use kernel::{journal::Effects, recovery::FailureKind};
use runtime::{RunError, Runtime, fork::Forked};
use serde_json::json;
use store::{RunQuery, RunRow, Status, Store};

use super::{OneRun, Place};
use crate::{
    cli::{
        Scene,
        out::{BAD, GOOD, count, paint, plain},
        session::{self, Data},
    },
    error::CliError,
    exit::Exit,
};

/// Start a run that goes on from where this one was
///
/// The new run inherits the entries up to ENTRY, or up to the nearest one before it at which nothing is in progress: no action,
/// no question, no wait. What comes after them it does itself, a second time, and so people are asked before each effect.
/// The run itself stays as it is.
#[derive(Debug, Args)]
pub(super) struct Fork {
    #[command(flatten)]
    one: OneRun,
    /// The last entry that is inherited [default: the last one that can be]
    #[arg(long, value_name = "ENTRY")]
    at: Option<u64>,
    /// What becomes of effects: `ask` people before each, `block` the run before the first, or `live`, as in any run
    #[arg(long, value_name = "MODE", default_value = "ask", value_parser = effects)]
    effects: Effects,
    /// Who asks for it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: Option<String>,
}

/// Try failed runs again, from before the step that failed
///
/// A new run inherits what was done before that step. It is refused where something was done outside after that point, or may have
/// been: then `runs fork` goes on from there, and asks before each effect. A run is tried again once, however often this is called.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("which").required(true).args(["runs", "failure"])))]
pub(super) struct Retry {
    /// Runs: ids, four or more characters of their beginnings or ends, or `last`
    #[arg(value_name = "RUN")]
    runs: Vec<String>,
    /// All runs that failed with this kind, unless another run tries them again or they work for one
    #[arg(long, value_name = "KIND", value_parser = kind)]
    failure: Option<FailureKind>,
    /// Of these, only runs of this workflow
    #[arg(long, value_name = "NAME", requires = "failure")]
    workflow: Option<String>,
    /// The project's folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    #[command(flatten)]
    data: Data,
    /// Who asks for it. Recorded as known locally
    #[arg(long = "as", value_name = "PERSON", value_parser = NonEmptyStringValueParser::new())]
    by: Option<String>,
}

fn effects(text: &str) -> Result<Effects, String> {
    Effects::parse(text).ok_or_else(|| "one of ask, block, live".to_owned())
}

fn kind(text: &str) -> Result<FailureKind, String> {
    let found = FailureKind::ALL.iter().find(|kind| kind.as_str() == text);
    found.copied().ok_or_else(|| "no failure kind: docs/failures.md has them all".to_owned())
}

fn as_json(kind: &str, forked: &Forked) -> serde_json::Value {
    let Forked { run, of, point, created } = forked;
    json!({ "kind": kind, "run": run, "of": of, "entry": point.entry, "asked": point.asked, "moved": point.moved, "created": created })
}

impl Fork {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let store = self.one.place.open()?;
        let run = session::find_run(&*store, &self.one.run).await?.run;
        let runtime = Runtime::builder(store).build();
        let forked = runtime.fork(run, self.at, self.effects, self.by.as_deref().map(Into::into)).await?;
        if scene.out.json {
            scene.out.object(&as_json("forked", &forked));
            return Ok(Exit::Ok);
        }
        let effects = self.effects.as_str();
        scene.out.line(format!(
            "{} {}: it goes on from {run}, {}; effects {effects}",
            paint(GOOD, "started"),
            forked.run,
            plain(&forked.point.to_string())
        ));
        scene.out.aside(format!("it runs with surefoot run{} --resume", self.one.place.typed()));
        Ok(Exit::Ok)
    }
}

impl Retry {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let place = Place { folder: self.folder.clone(), data: self.data.clone() };
        let store = place.open()?;
        let rows = match self.failure {
            Some(kind) => failed(&*store, kind, self.workflow.as_deref()).await?,
            None => {
                let mut rows = Vec::with_capacity(self.runs.len());
                for text in &self.runs {
                    rows.push(session::find_run(&*store, text).await?);
                }
                rows
            }
        };
        let runtime = Runtime::builder(store).build();
        let by: Option<Arc<str>> = self.by.as_deref().map(Into::into);
        let (mut started, mut known, mut refused) = (0, 0, 0);
        for row in &rows {
            match runtime.retry(row.run, by.clone()).await {
                Ok(forked) => {
                    match forked.created {
                        true => started += 1,
                        false => known += 1,
                    }
                    told(scene, &forked);
                }
                // One that was asked for by name says why, and nothing else was to be done.
                Err(why) if rows.len() == 1 => return Err(why.into()),
                Err(why @ (RunError::NotForked(_) | RunError::NotTaken { .. } | RunError::KeyTaken { .. })) => {
                    refused += 1;
                    not_told(scene, row, &why);
                }
                Err(why) => return Err(why.into()),
            }
        }
        if scene.out.json {
            scene.out.object(&json!({ "kind": "summary", "started": started, "known": known, "refused": refused }));
        } else if rows.is_empty() {
            scene.out.line("no run that failed so is left to be tried again");
        } else {
            let runs = |number: u64, what: &str| format!("{} {what}", count(number, "run"));
            let all = [(started, "started"), (known, "known before"), (refused, "refused")];
            let all: Vec<String> = all.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| runs(n, what)).collect();
            scene.out.line(all.join(", "));
            if started > 0 {
                scene.out.aside(format!("they run with surefoot run{} --resume", place.typed()));
            }
        }
        Ok(if refused > 0 { Exit::Refused } else { Exit::Ok })
    }
}

/// One line for each run, as it is done.
fn told(scene: &Scene, forked: &Forked) {
    let Forked { run, of, point, created } = forked;
    if scene.out.json {
        scene.out.object(&as_json("retried", forked));
        return;
    }
    let word = if *created { paint(GOOD, "started") } else { paint(GOOD, "known") };
    let before = if *created { "" } else { ", since an earlier call" };
    scene.out.line(format!("{word} {run}: it tries {of} again from entry {}{before}", point.entry));
}

fn not_told(scene: &Scene, row: &RunRow, why: &RunError) {
    let (said, hint) = (why.to_string(), why.hint());
    if scene.out.json {
        scene.out.object(&json!({ "kind": "refused", "of": row.run, "why": said, "hint": hint }));
        return;
    }
    scene.out.line(format!("{} {}", paint(BAD, "refused"), plain(&said)));
    hint.into_iter().for_each(|hint| scene.out.aside(hint));
}

/// Runs that failed with this kind and that no other run answers for, oldest first.
async fn failed(store: &dyn Store, kind: FailureKind, workflow: Option<&str>) -> Result<Vec<RunRow>, CliError> {
    const PAGE: u32 = 500;
    let mut query = RunQuery {
        status: vec![Status::Failed],
        workflow: workflow.map(Into::into),
        failure: Some(kind.as_str().into()),
        covered: Some(false),
        limit: PAGE,
        ..RunQuery::default()
    };
    let mut rows = Vec::new();
    loop {
        let page = store.runs(query.clone()).await?;
        let last = page.len() < PAGE as usize;
        query.before = page.last().map(|row| row.run);
        rows.extend(page);
        if last {
            rows.reverse();
            return Ok(rows);
        }
    }
}
