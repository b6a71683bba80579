//! The process that spends: many runs of one call each, half of them of a model, under a limit that has room for a few.

use std::{path::PathBuf, sync::Arc, time::Duration};

use kernel::{
    next::Starter,
    values::Value,
    workflow::project::{Project, Sources, check},
};
use runtime::{Runtime, Start, govern::Asker};
use store::{
    RunQuery, Status, Store,
    sqlite::{SqliteOptions, SqliteStore},
};
use tokio::task::JoinSet;

use crate::{
    mixed,
    victim::{Said, Trouble, now_us, say},
};

const FILES: [(&str, &str); 10] = [
    ("surefoot.yaml", include_str!("../../projects/spend/surefoot.yaml")),
    ("workflows/pay.yaml", include_str!("../../projects/spend/pay.yaml")),
    ("workflows/ask.yaml", include_str!("../../projects/spend/ask.yaml")),
    ("cases/spend.yaml", include_str!("../../projects/spend/answers.yaml")),
    ("prompts/think.md", "What is {{ number }}?\n"),
    ("schemas/facts.yaml", include_str!("../../projects/mixed/schemas/facts.yaml")),
    ("schemas/found.yaml", include_str!("../../projects/mixed/schemas/found.yaml")),
    ("tools/ledger.yaml", include_str!("../../projects/mixed/tools/ledger.yaml")),
    ("schemas/small.yaml", include_str!("../../projects/mixed/schemas/small.yaml")),
    ("schemas/effect.yaml", include_str!("../../projects/mixed/schemas/effect.yaml")),
];

/// `apparatus spender`
#[derive(Clone, Debug, clap::Args)]
pub struct Arguments {
    /// The data directory.
    #[arg(long)]
    pub data: PathBuf,
    /// The ledger's URL, with `/from/NAME` behind it.
    #[arg(long)]
    pub ledger: String,
    /// How many runs.
    #[arg(long, default_value_t = 200)]
    pub runs: u64,
    /// How many calls all of them may make together.
    #[arg(long, default_value_t = 10)]
    pub limit: u64,
    /// What everything random is derived from: nothing here is.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Which batch.
    #[arg(long, default_value_t = 1)]
    pub batch: u64,
}

/// The project, with this limit.
///
/// # Errors
/// Its complaints, one a line.
pub fn project(limit: u64) -> Result<(Sources, Project), String> {
    let mut files: Vec<(&str, String)> = FILES.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    files[0].1 = files[0].1.replace("calls: 10", &format!("calls: {limit}"));
    let sources: Sources = files.into_iter().collect();
    let checked = check(&sources);
    let complaints: Vec<_> = checked.complaints.iter().map(ToString::to_string).collect();
    Ok((sources, checked.project.ok_or_else(|| complaints.join("\n"))?))
}

/// Starts all runs at once and waits until each is over or waits for room.
///
/// # Errors
/// The directory cannot be used, or the store has failed.
pub async fn run(arguments: Arguments) -> Result<(), Trouble> {
    let Arguments { data, ledger, runs, limit, batch, .. } = arguments;
    let store = Arc::new(SqliteStore::open(&data, SqliteOptions::default())?);
    let settings = store.settings().await?;
    say(&Said::Ready { journal_mode: settings.journal_mode, synchronous: settings.synchronous })?;
    let (sources, project) = project(limit)?;
    let gateway = mixed::reach(&sources, &project, &ledger)?;
    let runtime = Runtime::builder(store.clone()).gateway(gateway).build();
    runtime.deploy(&project.bundle).await?;
    runtime.limit(&project, &Asker { by: "operator".into(), auth: "local".into() }).await?;
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = tokio::spawn(runtime.worker().run(stopped));
    let mut starts = JoinSet::new();
    for number in 0..runs {
        let (runtime, bundle) = (runtime.clone(), project.bundle.digest);
        starts.spawn(async move {
            let start = Start {
                bundle,
                workflow: if number.is_multiple_of(2) { "pay" } else { "ask" }.into(),
                input: Value::map([("number", Value::Int(i64::try_from(number).unwrap_or_default()))]),
                key: Some(format!("b{batch}-r{number}").into()),
                tenant: None,
                starter: Starter { project: "spend".into(), by: None },
            };
            let from_us = now_us();
            let started = runtime.start(start).await?;
            let (run, created) = (started.run, started.created);
            say(&Said::Started { number, run, created, from_us, at_us: now_us() })?;
            Ok::<_, Trouble>(())
        });
    }
    while let Some(started) = starts.join_next().await {
        started??;
    }
    let waiting = loop {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let rows = store.runs(RunQuery { limit: u32::MAX, ..RunQuery::default() }).await?;
        let rests = |row: &&store::RunRow| {
            let parked = matches!(row.status, Status::Paused | Status::Waiting) && row.wake_at.is_none();
            parked && row.inbox_gen == row.inbox_read
        };
        // After three deaths without a step a run waits for a person, who lets it go on.
        for row in rows.iter().filter(|row| row.status == Status::Quarantined && row.inbox_gen == row.inbox_read) {
            runtime.resume(row.run, "operator").await?;
        }
        let over = rows.iter().filter(|row| row.status.is_final()).count() as u64;
        let waiting = rows.iter().filter(rests).count() as u64;
        if over + waiting == runs {
            break waiting;
        }
    };
    drop(stop);
    worker.await??;
    match waiting {
        0 => say(&Said::Done { commits: store.commits() })?,
        waiting => say(&Said::Idle { waiting })?,
    }
    Ok(())
}
