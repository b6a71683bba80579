//! What several commands do alike: find the data, open them, name a run, and drive runs until they rest.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, ValueEnum};
use kernel::{
    fork::NotForked,
    ids::RunId,
    journal::{Entry, Event},
    report::{self, Call},
    run::RunState,
    values::{Span, Timestamp},
};
use runtime::{Clock as _, Ended, RunError, SystemClock, seals::Anchors};
use store::{
    RunQuery, RunRow, Seal, Status, Store, StoreError,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::Scene;
use crate::{
    embed::{BuildError, Surefoot, anchors_of},
    error::CliError,
    exit::Exit,
    story::Story,
};

/// The data directory's name within a project.
const DATA: &str = ".surefoot";

/// Where the data are.
#[derive(Clone, Debug, Args)]
pub(super) struct Data {
    /// The data directory [default: .surefoot in the project's folder]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl Data {
    /// The directory: as named, or the project's own.
    pub(super) fn dir(&self, folder: &Path) -> PathBuf {
        self.data.clone().unwrap_or_else(|| folder.join(DATA))
    }

    /// Opens data that must exist already: a command that only asks makes nothing.
    pub(super) fn open_existing(&self, folder: &Path) -> Result<Arc<SqliteStore>, CliError> {
        let dir = self.dir(folder);
        if !dir.is_dir() {
            let error = CliError::not_found(format!("there are no data in {}", dir.display()));
            return Err(error.hint("name the project's folder or `--data DIR`; `surefoot run` makes them"));
        }
        Ok(Arc::new(SqliteStore::open(&dir, SqliteOptions::default())?))
    }
}

/// The anchor file of a data directory.
pub(super) fn anchors(scene: &Scene, dir: &Path) -> Anchors {
    anchors_of(dir, &scene.environment)
}

/// Reads the whole journal of a run.
pub(super) async fn journal(store: &dyn Store, run: RunId) -> Result<Vec<Entry>, StoreError> {
    const PAGE: u32 = 1000;
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let page = store.journal(run, entries.last().map_or(0, |entry| entry.seq), PAGE).await?;
        let last = page.len() < PAGE as usize;
        entries.extend(page);
        if last {
            return Ok(entries);
        }
    }
}

/// The journals of a run and of all that it handed work to, directly or not: its own first.
pub(super) async fn family(store: &dyn Store, run: RunId) -> Result<Vec<(RunId, Vec<Entry>)>, StoreError> {
    let (mut all, mut left) = (Vec::new(), vec![run]);
    while let Some(run) = left.pop() {
        let entries = journal(store, run).await?;
        left.extend(entries.iter().filter_map(|entry| match entry.event() {
            Ok(Event::ChildStarted { child, .. }) => Some(child),
            _ => None,
        }));
        all.push((run, entries));
    }
    Ok(all)
}

/// A command without the program's name: what stands before the folder, and after it.
pub(super) type Typed = (String, &'static str);

/// The commands for what a run waits for from people.
pub(super) fn calls(state: &RunState) -> Vec<Typed> {
    let words = |(step, call)| match call {
        Call::Decide(id) => (format!("approvals show {id}"), ""),
        Call::Answer(id) => (format!("work show {id}"), ""),
        Call::Resolve => (format!("effects resolve {} {step} OUTCOME", state.run), " --as PERSON --reason TEXT"),
        Call::Signal(name) => (format!("runs signal {} {name}", state.run), ""),
    };
    report::calls(state).into_iter().take(3).map(words).collect()
}

/// What runs wait for from people that this one waits for, directly or not: the commands, as [`calls`] gives them.
pub(super) async fn calls_below(store: &dyn Store, state: &RunState) -> Result<Vec<Typed>, StoreError> {
    let (mut found, mut left) = (Vec::new(), state.children());
    while let Some(run) = left.pop() {
        let mut state = RunState::new(run);
        // One that does not hold says so when it is looked at itself.
        if state.fold(&journal(store, run).await?).is_err() || state.end.is_some() {
            continue;
        }
        match state.paused {
            true => found.push((format!("runs resume {run}"), "")),
            false => found.extend(calls(&state)),
        }
        left.extend(state.children());
    }
    Ok(found)
}

/// The seals that hold a run, in order.
pub(super) async fn seals_of(store: &dyn Store, run: RunId) -> Result<Vec<Seal>, StoreError> {
    const PAGE: u32 = 500;
    let (mut holding, mut after) = (Vec::new(), 0);
    loop {
        let page = store.seals(after, PAGE).await?;
        let last = page.len() < PAGE as usize;
        after = page.last().map_or(after, |seal| seal.no);
        holding.extend(page.into_iter().filter(|seal| seal.heads.contains_key(&run)));
        if last {
            return Ok(holding);
        }
    }
}

/// Finds a run by what a person types: its id, the beginning or end of it, or `last`.
pub(super) async fn find_run(store: &dyn Store, text: &str) -> Result<RunRow, CliError> {
    if let Ok(run) = text.parse::<RunId>() {
        return store.run(run).await?.ok_or_else(|| StoreError::NoRun { run }.into());
    }
    let mut query = RunQuery { limit: 500, ..RunQuery::default() };
    let mut found: Vec<RunRow> = Vec::new();
    let long_enough = text.strip_prefix("run_").unwrap_or(text).len() >= 4;
    loop {
        let page = store.runs(query.clone()).await?;
        let Some(last) = page.last().map(|row| row.run) else { break };
        if text == "last" {
            return page.into_iter().next().ok_or_else(|| CliError::internal("a page with a last row has a first"));
        }
        query.before = Some(last);
        let fits = |row: &RunRow| {
            let id = row.run.to_string();
            long_enough
                && (id.starts_with(text) || id.ends_with(text) || id.trim_start_matches("run_").starts_with(text))
        };
        found.extend(page.into_iter().filter(fits));
        if found.len() > 1 {
            break;
        }
    }
    match found.len() {
        1 => Ok(found.swap_remove(0)),
        0 => {
            let error = CliError::not_found(format!("there is no run `{text}`"));
            Err(error.hint("`surefoot runs ls` lists them; give an id, four or more characters of its end, or `last`"))
        }
        _ => {
            Err(CliError::not_found(format!("`{text}` fits several runs")).hint("give more of its id, best of its end"))
        }
    }
}

/// Runs that are not over, oldest first, at most `limit`.
pub(super) async fn unfinished(store: &dyn Store, limit: usize) -> Result<Vec<RunRow>, StoreError> {
    let status = Status::ALL.into_iter().filter(|status| !status.is_final()).collect();
    let mut query = RunQuery { status, limit: 500, ..RunQuery::default() };
    let mut rows: Vec<RunRow> = Vec::new();
    while rows.len() < limit {
        let page = store.runs(query.clone()).await?;
        let Some(last) = page.last() else { break };
        query.before = Some(last.run);
        rows.extend(page);
    }
    rows.truncate(limit);
    rows.reverse();
    Ok(rows)
}

/// Whether to stay with a run that only waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Detach {
    /// Leave when it waits for a person, a signal, or longer than a minute
    #[default]
    Auto,
    /// Leave as soon as it waits
    Yes,
    /// Stay until it is over
    No,
}

/// A wait up to this long is waited for.
const SHORT: Span = Span::from_millis(60_000);

/// How a run was left.
pub(super) enum Rest {
    /// It is over.
    Ended(Box<Ended>),
    /// It waits, is paused, blocked or quarantined.
    Waits(Box<RunRow>),
    /// Ctrl-C.
    Interrupted,
}

/// A worker of this process.
pub(super) struct Driver {
    surefoot: Surefoot,
    stop: Option<oneshot::Sender<()>>,
    worker: JoinHandle<Result<(), RunError>>,
    clock: SystemClock,
}

impl Driver {
    pub(super) fn begin(surefoot: &Surefoot) -> Driver {
        let (stop, stopped) = oneshot::channel::<()>();
        let worker = surefoot.clone();
        let worker = tokio::spawn(async move {
            let shutdown = async {
                // Sent, or the driver is gone: both mean the same.
                let _ = stopped.await;
            };
            worker.serve(shutdown).await
        });
        Driver { surefoot: surefoot.clone(), stop: Some(stop), worker, clock: SystemClock::new() }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tells the run of `story` until it is over or rests. Entries up to `known` are taken into account and not told. When
    /// `tripped` is ready, what is durable is told and the future never ends: the process is about to be killed.
    pub(super) async fn follow(
        &mut self,
        story: &mut Story<'_>,
        known: u64,
        detach: Detach,
        tripped: impl Future<Output = String>,
    ) -> Result<Rest, CliError> {
        let run = story.state.run;
        let runtime = self.surefoot.runtime().clone();
        let store = runtime.store().clone();
        let mut entries = runtime.entries(run);
        let interrupted = interrupted();
        tokio::pin!(tripped, interrupted);
        loop {
            tokio::select! {
                biased;
                what = &mut tripped => {
                    let told = story.state.head.seq;
                    for entry in journal(&*store, run).await?.iter().filter(|entry| entry.seq > told) {
                        if let Ok(event) = entry.event() {
                            story.tell(entry, &event);
                        }
                    }
                    story.out().text(what);
                    std::future::pending::<()>().await;
                }
                entry = entries.next() => match entry? {
                    Some((entry, event)) if entry.seq <= known => story.know(&entry, &event),
                    Some((entry, event)) => story.tell(&entry, &event),
                    None => {
                        story.still();
                        return Ok(Rest::Ended(Box::new(runtime.finished(run).await?)));
                    }
                },
                () = &mut interrupted => {
                    story.still();
                    return Ok(Rest::Interrupted);
                }
                ended = &mut self.worker => {
                    story.still();
                    return Err(worker_ended(ended));
                }
                () = tokio::time::sleep(std::time::Duration::from_millis(100)) => {
                    let Some(row) = at_rest(&*store, run, detach, self.now()).await? else { continue };
                    if row.head.seq == story.state.head.seq {
                        story.still();
                        return Ok(Rest::Waits(Box::new(row)));
                    }
                }
            }
        }
    }

    /// Waits until each of `runs` is over or rests; gives their rows.
    pub(super) async fn settle(&mut self, runs: &[RunId], detach: Detach) -> Result<Option<Vec<RunRow>>, CliError> {
        let store = self.surefoot.runtime().store().clone();
        let (mut rows, mut open) = (Vec::new(), runs.to_vec());
        let interrupted = interrupted();
        tokio::pin!(interrupted);
        loop {
            let mut still = Vec::new();
            for run in open {
                match at_rest(&*store, run, detach, self.now()).await? {
                    Some(row) => rows.push(row),
                    None if store.run(run).await?.is_some() => still.push(run),
                    None => {}
                }
            }
            open = still;
            if open.is_empty() {
                return Ok(Some(rows));
            }
            tokio::select! {
                () = &mut interrupted => return Ok(None),
                ended = &mut self.worker => return Err(worker_ended(ended)),
                () = tokio::time::sleep(std::time::Duration::from_millis(20)) => {}
            }
        }
    }

    /// Leaves in good order: calls that are open get a while to answer.
    pub(super) async fn end(mut self) -> Result<(), CliError> {
        if let Some(stop) = self.stop.take() {
            // Nobody listens any more: the worker has ended already.
            let _ = stop.send(());
        }
        match self.worker.await {
            Ok(ended) => Ok(ended?),
            Err(error) => Err(CliError::internal("the worker panicked").caused_by(error)),
        }
    }
}

fn worker_ended(ended: Result<Result<(), RunError>, tokio::task::JoinError>) -> CliError {
    match ended {
        Ok(Err(error)) => error.into(),
        Ok(Ok(())) => CliError::internal("the worker ended before the run"),
        Err(error) => CliError::internal("the worker panicked").caused_by(error),
    }
}

/// The row of a run that is over or rests. One that waits for work which it handed on rests when that work does; what the work waits for
/// is then what it waits for.
async fn at_rest(store: &dyn Store, run: RunId, detach: Detach, now: Timestamp) -> Result<Option<RunRow>, StoreError> {
    let Some(mut row) = store.run(run).await?.filter(|row| rests(row, detach, now)) else { return Ok(None) };
    if row.status != Status::Waiting {
        return Ok(Some(row));
    }
    let status = Status::ALL.into_iter().filter(|status| !status.is_final()).collect();
    for below in store.runs(RunQuery { status, parent: Some(run), limit: 500, ..RunQuery::default() }).await? {
        let Some(below) = Box::pin(at_rest(store, below.run, detach, now)).await? else { return Ok(None) };
        row.waits_for = below.waits_for.or(row.waits_for);
        row.wake_at = below.wake_at.or(row.wake_at);
    }
    // Work that ended meanwhile has told this run so in the same transaction.
    let after = store.run(run).await?;
    Ok(after.is_some_and(|after| (after.head.seq, after.inbox_gen) == (row.head.seq, row.inbox_gen)).then_some(row))
}

/// The run that this one does its work for in the end: the topmost that is not over.
pub(super) async fn topmost(store: &dyn Store, run: RunId) -> Result<RunId, StoreError> {
    let mut top = run;
    while let Some(parent) = store.run(top).await?.and_then(|row| row.parent) {
        match store.run(parent).await? {
            Some(row) if !row.status.is_final() => top = parent,
            _ => break,
        }
    }
    Ok(top)
}

/// Whether a run goes on without a person or a long time.
fn rests(row: &RunRow, detach: Detach, now: Timestamp) -> bool {
    match row.status {
        Status::Queued | Status::Running => false,
        Status::Waiting if row.inbox_gen > row.inbox_read => false,
        Status::Waiting => match detach {
            Detach::No => false,
            Detach::Yes => row.wake_at.is_none_or(|at| at > now),
            Detach::Auto => row.wake_at.is_none_or(|at| at > now + SHORT),
        },
        Status::Paused if row.inbox_gen > row.inbox_read => false,
        Status::Paused | Status::Blocked | Status::Quarantined => detach != Detach::No,
        Status::Completed | Status::Failed | Status::Cancelled => true,
    }
}

/// Ready at Ctrl-C or when the system asks the process to end.
pub(super) async fn interrupted() {
    let ctrl_c = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => {
                signal.recv().await;
            }
            Err(_) => std::future::pending::<()>().await,
        }
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    tokio::select! {
        () = ctrl_c => {}
        () = terminated => {}
    }
}

impl From<RunError> for CliError {
    fn from(error: RunError) -> CliError {
        let hint = error.hint();
        let kind = match &error {
            RunError::NoRun { .. }
            | RunError::BundleMissing { .. }
            | RunError::NoApproval { .. }
            | RunError::NoWork { .. } => Exit::NotFound,
            RunError::NotForked(NotForked::NoEntry { .. }) => Exit::NotFound,
            RunError::NotForked(NotForked::Broken { .. }) => Exit::Unverified,
            RunError::NotTaken { .. } | RunError::NotForked(_) | RunError::Over { .. } => Exit::Refused,
            RunError::InputInvalid { .. } | RunError::TooLarge { .. } | RunError::KeyTaken { .. } => Exit::Usage,
            RunError::Crowded { .. } => Exit::Unfinished,
            RunError::BundleUnreadable { .. } => Exit::Project,
            RunError::Journal { .. } => Exit::Unverified,
            RunError::PutBack { .. } => Exit::PutBack,
            RunError::Store { .. } | RunError::Anchors { .. } => Exit::Disk,
        };
        let made = match error {
            RunError::Store { doing, source } => {
                let inner = CliError::from(source);
                CliError { message: format!("cannot {doing}: {}", inner.message), ..inner }
            }
            RunError::Anchors { path, source } => {
                CliError { kind, ..CliError::io(format!("cannot use the anchor file {path}"), source) }
            }
            error => CliError::new(kind, error.to_string()),
        };
        hint.into_iter().fold(made, CliError::hint)
    }
}

impl From<BuildError> for CliError {
    fn from(error: BuildError) -> CliError {
        match error {
            BuildError::Read(error) => error.into(),
            BuildError::Store(error) => error.into(),
            BuildError::Reach(error) => {
                let new = CliError::new(Exit::Project, error.to_string());
                match std::error::Error::source(&error).map(ToString::to_string) {
                    Some(cause) => CliError { message: format!("{}: {cause}", new.message), ..new },
                    None => new,
                }
            }
            error @ BuildError::Setting { .. } => CliError::usage(error.to_string()),
            error @ (BuildError::Complaints { .. } | BuildError::NoProject) => {
                CliError::new(Exit::Project, error.to_string())
            }
        }
    }
}

/// The words for a run that rests: what it waits for, and until when.
pub(super) fn waits(row: &RunRow) -> String {
    let what = row.waits_for.as_deref().unwrap_or("nothing that is known");
    let until = row.wake_at.map(|at| format!(", until {at}")).unwrap_or_default();
    match row.status {
        Status::Waiting => format!("waits for {what}{until}"),
        status => format!("{}: {what}{until}", status.as_str()),
    }
}

/// A folder as it is typed after a command: nothing for the current one.
pub(super) fn typed(folder: &Path) -> String {
    if folder == Path::new(".") { String::new() } else { format!(" {}", folder.display()) }
}
