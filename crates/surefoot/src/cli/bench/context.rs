//! What the model calls of recorded runs were shown, against everything that their runs knew.

use clap::Args;
use kernel::journal::{Entry, Event};
use serde_json::json;
use store::{RunQuery, Store as _};

use crate::{
    cli::{
        Folder, Scene,
        session::{self, Data},
    },
    error::CliError,
    seen::Seen,
};

/// Whose runs.
#[derive(Clone, Debug, Args)]
pub(super) struct Context {
    #[command(flatten)]
    folder: Folder,
    #[command(flatten)]
    data: Data,
    /// Only runs of this workflow
    #[arg(long, value_name = "NAME")]
    workflow: Option<String>,
}

/// One line for each workflow, from all runs of the data directory.
pub(super) async fn run(scene: &Scene, context: &Context) -> Result<(), CliError> {
    let store = context.data.open_existing(&context.folder.folder)?;
    let mut query =
        RunQuery { workflow: context.workflow.as_deref().map(Into::into), limit: 500, ..RunQuery::default() };
    let mut sums: std::collections::BTreeMap<String, (u64, Seen)> = std::collections::BTreeMap::new();
    loop {
        let page = store.runs(query.clone()).await?;
        let Some(last) = page.last() else { break };
        query.before = Some(last.run);
        for row in &page {
            let entries = session::journal(&*store, row.run).await?;
            let journal: Vec<(Entry, Event)> =
                entries.into_iter().filter_map(|entry| entry.event().ok().map(|event| (entry, event))).collect();
            let (runs, seen) = sums.entry(row.workflow.to_string()).or_default();
            (*runs, *seen) = (*runs + 1, seen.and(Seen::of(&journal)));
        }
    }
    if sums.is_empty() {
        let error =
            CliError::not_found(format!("there are no runs in {}", context.data.dir(&context.folder.folder).display()));
        return Err(error.hint("`surefoot run` makes some"));
    }
    for (workflow, (runs, seen)) in sums {
        scene.out.object(&json!({ "bench": "context", "workflow": workflow, "runs": runs, "model_calls": seen.calls,
            "tokens_shown": seen.shown, "tokens_everything": seen.everything, "tokens_billed": seen.billed,
            "everything_to_shown": super::ratio(seen.everything, seen.shown.max(1)) }));
    }
    Ok(())
}
