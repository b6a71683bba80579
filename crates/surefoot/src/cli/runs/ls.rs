use clap::Args;
use comfy_table::{Table, presets};
use kernel::{ids::RunId, values::Money};
use serde_json::json;
use store::{FindQuery, RunQuery, RunRow, Status, Store as _};

use super::Place;
use crate::{
    cli::{Scene, out::plain},
    error::CliError,
    exit::Exit,
};

/// List runs, newest first
#[derive(Debug, Args)]
pub(super) struct Ls {
    #[command(flatten)]
    place: Place,
    /// Only runs of this status; may be given several times
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Vec<Status>,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
    /// Only runs that failed so, as in `tool_timeout`
    #[arg(long, value_name = "KIND")]
    failure: Option<String>,
    /// Only runs that this finds: a business key, a start key, the id of an event, what something is known by outside, a run id; or how it begins
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["status", "workflow", "failure", "about", "parent", "fork_of", "covered"])]
    search: Option<String>,
    /// Only runs whose `about` holds this, as in `district=Old Harbour`
    #[arg(long, value_name = "KEY=VALUE")]
    about: Option<String>,
    /// Only runs that this one handed their work
    #[arg(long, value_name = "RUN")]
    parent: Option<RunId>,
    /// Only runs that go on from where this one was
    #[arg(long, value_name = "RUN")]
    fork_of: Option<RunId>,
    /// `true`: only runs that another run answers for, because it tries them again or they work for it; `false`: only those that none does
    #[arg(long, value_name = "BOOL")]
    covered: Option<bool>,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    /// Only runs older than this one: the next page
    #[arg(long, value_name = "RUN")]
    before: Option<RunId>,
}

fn status(text: &str) -> Result<Status, String> {
    Status::parse(text).ok_or_else(|| {
        let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        format!("one of {}", all.join(", "))
    })
}

impl Ls {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let about = match &self.about {
            None => None,
            Some(pair) => match pair.split_once('=') {
                Some((key, value)) => Some((key.into(), value.to_owned())),
                None => {
                    return Err(CliError::usage(format!("`--about {pair}` has no value"))
                        .hint("write it as `--about key=value`"));
                }
            },
        };
        let store = self.place.open()?;
        let query = RunQuery {
            status: self.status,
            workflow: self.workflow.map(Into::into),
            failure: self.failure.map(Into::into),
            about,
            parent: self.parent,
            fork_of: self.fork_of,
            covered: self.covered,
            before: self.before,
            // One more tells whether there is another page.
            limit: self.limit + 1,
        };
        let mut rows = match self.search {
            None => store.runs(query).await?,
            Some(text) => {
                let found = FindQuery { text, whole: false, before: query.before, limit: query.limit };
                store.find(found).await?.into_iter().map(|found| found.row).collect()
            }
        };
        let more = rows.len() > self.limit as usize;
        rows.truncate(self.limit as usize);
        let out = &scene.out;
        if out.json {
            rows.iter().for_each(|row| out.object(&as_json(row)));
            return Ok(Exit::Ok);
        }
        if rows.is_empty() {
            out.line("no runs");
            return Ok(Exit::Ok);
        }
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_header(["RUN", "WORKFLOW", "STATUS", "STARTED", "COST", "ABOUT"]);
        for row in &rows {
            table.add_row([
                row.run.to_string(),
                row.workflow.to_string(),
                standing(row),
                row.created_at.to_string(),
                row.cost.map_or_else(|| "not known".to_owned(), |uusd| Money::from_micros(uusd).to_string()),
                about_line(row),
            ]);
        }
        table.lines().for_each(|line| out.line(line.trim_end()));
        if more && let Some(last) = rows.last() {
            out.aside(format!("more: surefoot runs ls{} --before {}", self.place.typed(), last.run));
        }
        Ok(Exit::Ok)
    }
}

/// The status, and why it is so.
fn standing(row: &RunRow) -> String {
    let status = row.status.as_str();
    match row.status {
        Status::Waiting | Status::Paused | Status::Blocked => {
            let what = row.waits_for.as_deref().map(|what| format!(": {}", plain(what))).unwrap_or_default();
            format!("{status}{what}")
        }
        Status::Failed => {
            format!("{status}{}", row.failure.as_deref().map(|kind| format!(": {kind}")).unwrap_or_default())
        }
        Status::Running => {
            format!("{status}{}", row.doing.as_deref().map(|step| format!(": {step}")).unwrap_or_default())
        }
        _ => status.to_owned(),
    }
}

/// Business keys on one line.
pub(super) fn about_line(row: &RunRow) -> String {
    row.about.iter().map(|(key, value)| plain(&format!("{key} {value}"))).collect::<Vec<_>>().join(" · ")
}

/// A row as an object.
pub(super) fn as_json(row: &RunRow) -> serde_json::Value {
    json!({
        "run": row.run, "workflow": row.workflow, "tenant": row.tenant, "bundle": row.bundle, "status": row.status.as_str(),
        "waits_for": row.waits_for, "wake_at": row.wake_at.map(|at| at.to_string()), "doing": row.doing, "about": row.about,
        "failure": row.failure, "epoch": row.epoch, "head": row.head, "unread": row.inbox_gen - row.inbox_read.min(row.inbox_gen),
        "strikes": row.strikes, "created_at": row.created_at.to_string(), "updated_at": row.updated_at.to_string(),
        "finished_at": row.finished_at.map(|at| at.to_string()), "parent": row.parent, "cost_uusd": row.cost,
        "fork_of": row.fork.map(|fork| fork.run), "fork_entry": row.fork.map(|fork| fork.entry), "again": row.again,
    })
}
