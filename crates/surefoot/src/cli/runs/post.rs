//! Messages to a run. Each is durable when the command ends, and counts when the run's owner reads it.

use std::sync::Arc;

use clap::Args;
use kernel::{ids::RunId, values::Value};
use runtime::{Posted, RunError, Runtime};
use serde_json::json;

use super::OneRun;
use crate::{
    cli::{
        Scene,
        out::{GOOD, paint},
        session,
    },
    error::CliError,
    exit::Exit,
};

/// Who these messages come from, in the journal.
const SENDER: &str = "command line";

/// Send a signal to a run
///
/// It is kept until a step waits for it. The same `--id` again changes nothing.
#[derive(Debug, Args)]
pub(super) struct Signal {
    /// The run: its id, four or more characters of its beginning or end, or `last`
    #[arg(value_name = "RUN")]
    run: String,
    /// The signal's name
    #[arg(value_name = "NAME")]
    name: String,
    #[command(flatten)]
    place: super::Place,
    /// What it carries, as JSON
    #[arg(long, value_name = "JSON", default_value = "null")]
    body: String,
    /// A name for this message, so that it counts once
    #[arg(long)]
    id: Option<String>,
}

/// Let a run start nothing more until it is resumed
#[derive(Debug, Args)]
pub(super) struct Pause {
    #[command(flatten)]
    one: OneRun,
}

/// Let a paused or quarantined run go on
#[derive(Debug, Args)]
pub(super) struct Resume {
    #[command(flatten)]
    one: OneRun,
}

/// End a run: it starts nothing more, and ends when what is open has answered
#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    one: OneRun,
    /// Take back what it did before it ends, the last result first: every act whose step has an `undo`
    #[arg(long)]
    undo: bool,
}

impl Signal {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let body = Value::from_json(self.body.as_bytes()).map_err(|error| {
            CliError::usage("the body is no JSON").caused_by(error).hint("--body '{\"by\": \"Ada\"}'")
        })?;
        let one = OneRun { run: self.run, place: self.place };
        let (name, id) = (self.name, self.id.map(Into::into));
        let sent = format!("signal {name}");
        send(scene, &one, &sent, async |runtime, run| {
            runtime.signal(run, Arc::<str>::from(name), body, id, SENDER).await
        })
        .await
    }
}

impl Pause {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        send(scene, &self.one, "pause", async |runtime, run| runtime.pause(run, SENDER).await).await
    }
}

impl Resume {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        send(scene, &self.one, "resume", async |runtime, run| runtime.resume(run, SENDER).await).await
    }
}

impl Cancel {
    pub(super) async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        if self.undo {
            let post = async |runtime: Runtime, run| runtime.cancel_and_undo(run, SENDER).await;
            return send(scene, &self.one, "cancel and undo", post).await;
        }
        send(scene, &self.one, "cancel", async |runtime, run| runtime.cancel(run, SENDER).await).await
    }
}

async fn send(
    scene: &Scene,
    one: &OneRun,
    what: &str,
    post: impl AsyncFnOnce(Runtime, RunId) -> Result<Posted, RunError>,
) -> Result<Exit, CliError> {
    let store = one.place.open()?;
    let run = session::find_run(&*store, &one.run).await?.run;
    let runtime = Runtime::builder(store).build();
    let posted = post(runtime, run).await?;
    let (number, new) = match posted {
        Posted::New { seq, .. } => (seq, true),
        Posted::Known { seq } => (seq, false),
        Posted::Final { .. } | Posted::Crowded { .. } => {
            return Err(CliError::internal("a refusal was taken for an answer"));
        }
    };
    if scene.out.json {
        scene.out.object(&json!({ "run": run, "sent": what, "message": number, "new": new }));
        return Ok(Exit::Ok);
    }
    let known = if new { "" } else { ", which had this id before" };
    scene.out.line(format!("{} {what} to {run}, message {number}{known}", paint(GOOD, "sent")));
    scene.out.aside(format!("it counts when the run goes on: surefoot run{} --resume", one.place.typed()));
    Ok(Exit::Ok)
}
