//! Versions of a workflow: which there are, and what differs between two.

use std::{collections::BTreeMap, sync::Arc};

use kernel::{
    ids::{Digest, RunId},
    values::Timestamp,
    workflow::{
        Program,
        bundle::Bundle,
        changes::{self, Changes, How},
        project::Sources,
    },
};

use super::lines::{self, Line};
use crate::{lately, problem::Problem, site::Site};

/// Versions that are told, at most: the latest.
const MOST: usize = 50;

/// A version that runs of a workflow follow, or that is served now.
pub(crate) struct Version {
    pub(crate) bundle: Digest,
    /// New runs follow it.
    pub(crate) current: bool,
    pub(crate) runs: u64,
    /// When the first and the last of its runs began.
    pub(crate) since: Option<Timestamp>,
    pub(crate) last: Option<Timestamp>,
}

/// What differs between two versions.
pub(crate) struct Compared {
    pub(crate) files: Vec<FileChange>,
    pub(crate) changes: Changes,
}

/// A file that differs.
pub(crate) struct FileChange {
    pub(crate) file: Arc<str>,
    pub(crate) how: How,
    pub(crate) lines: Vec<Line>,
}

/// The project has no workflow of this name.
pub(crate) fn unknown(all: &BTreeMap<Arc<str>, Arc<Program>>, name: &str) -> Problem {
    let problem = Problem::not_found(format!("there is no workflow `{}`", super::words::plain(name)));
    let near = kernel::complaint::did_you_mean(name, all.keys().map(|name| &**name));
    near.into_iter().fold(problem, Problem::hint)
}

/// The versions of a workflow, the one that is served now first, then the latest.
pub(crate) async fn all(site: &Site, workflow: &Arc<str>) -> Result<Vec<Version>, Problem> {
    let (store, now) = (site.store(), site.served().project.bundle.digest);
    let began = async |run: RunId| -> Result<Option<Timestamp>, Problem> {
        Ok(store.run(run).await?.map(|row| row.created_at))
    };
    let mut versions = Vec::new();
    for row in lately::versions(site, workflow).await?.into_iter().take(MOST) {
        let (since, last) = (began(row.first).await?, began(row.last).await?);
        versions.push(Version { bundle: row.bundle, current: row.bundle == now, runs: row.runs, since, last });
    }
    if versions.iter().all(|one| !one.current) {
        versions.insert(0, Version { bundle: now, current: true, runs: 0, since: None, last: None });
    }
    versions.sort_by_key(|one| !one.current);
    Ok(versions)
}

/// What differs between two versions of a workflow; without `to`, the one that is served now.
pub(crate) async fn compare(site: &Site, workflow: &str, from: &str, to: Option<&str>) -> Result<Compared, Problem> {
    let now = site.served().project.bundle.digest.to_string();
    let (a, b) = (read(site, workflow, from).await?, read(site, workflow, to.unwrap_or(&now)).await?);
    let files = changes::files(&a.0, &b.0).into_iter().map(|(file, how)| {
        let text = |sources: &Sources| sources.get(&file).map(|text| text.to_string()).unwrap_or_default();
        let lines = lines::differing(&text(&a.0), &text(&b.0));
        FileChange { file, how, lines }
    });
    let files = files.collect();
    let changes = match (&a.1, &b.1) {
        (Some(one), Some(other)) => changes::of_workflow((&a.0, one), (&b.0, other)),
        _ => Changes::default(),
    };
    Ok(Compared { files, changes })
}

/// The files of a version, and its workflow, if it has one of the name.
async fn read(site: &Site, workflow: &str, digest: &str) -> Result<(Sources, Option<Arc<Program>>), Problem> {
    let nothing = || Problem::not_found(format!("there is no version {}", super::words::plain(digest)));
    let known: Digest = digest.parse().map_err(|_| nothing())?;
    let bytes = site.store().bundle(known).await?.ok_or_else(nothing)?;
    let unreadable = |why: kernel::workflow::bundle::LoadError| {
        let status = axum::http::StatusCode::INTERNAL_SERVER_ERROR;
        Problem::new(status, "unreadable", format!("version {} cannot be read: {why}", known.short()))
    };
    let sources = Bundle::open(&bytes).map_err(unreadable)?;
    let program = Program::load_all(&bytes).map_err(unreadable)?.remove(workflow);
    Ok((sources, program))
}
