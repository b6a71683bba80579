//! Messages to people: how they stand, and another try for one that is dead.

use clap::{Args, Subcommand};
use runtime::Runtime;
use serde_json::json;
use store::{OutQuery, OutState};

use super::{
    Scene,
    out::{BAD, GOOD, STRONG, WAIT, paint, plain},
    runs::Place,
};
use crate::{error::CliError, exit::Exit};

/// Messages that tell people of runs
#[derive(Debug, Args)]
pub(super) struct Outbox {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ls(Ls),
    Retry(Retry),
}

/// List messages that are to leave or could not, oldest first
#[derive(Debug, Args)]
struct Ls {
    #[command(flatten)]
    place: Place,
    /// Also those that have left or are not needed any more
    #[arg(long)]
    all: bool,
    /// At most so many
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

/// Let a dead message be tried again
///
/// It leaves with the next worker that reaches its channel, under the same id.
#[derive(Debug, Args)]
struct Retry {
    /// The message
    #[arg(value_name = "ID")]
    id: String,
    #[command(flatten)]
    place: Place,
}

impl Outbox {
    pub(super) fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        scene.block_on(async {
            match self.command {
                Command::Ls(command) => command.run(scene).await,
                Command::Retry(command) => command.run(scene).await,
            }
        })
    }
}

impl Ls {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let query = OutQuery { all_states: self.all, limit: self.limit, ..OutQuery::default() };
        let rows = runtime.outbox(query).await?;
        for row in &rows {
            let said = row.body.as_deref().and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok());
            let said = said.unwrap_or_default();
            let next = row.next_at.map(|at| at.to_string());
            if scene.out.json {
                scene.out.object(&json!({ "kind": "message", "id": row.id, "channel": row.channel, "run": row.run,
                    "news": said["news"], "state": row.state.as_str(), "attempts": row.attempts, "since": row.at.to_string(),
                    "next_at": next, "why": row.why }));
                continue;
            }
            let tint = match row.state {
                OutState::Waiting => WAIT,
                OutState::Left => GOOD,
                OutState::Dead => BAD,
                OutState::Dropped => STRONG,
            };
            let news = said["news"].as_str().unwrap_or("erased");
            scene.out.line(format!("{} {} {news} by {}", paint(tint, row.state.as_str()), row.id, row.channel));
            let next = next.map(|at| format!(", next at {at}")).unwrap_or_default();
            let why = row.why.as_ref().map(|why| format!(": {}", plain(why))).unwrap_or_default();
            let tried = match row.attempts {
                1 => "once".to_owned(),
                attempts => format!("{attempts} times"),
            };
            scene.out.line(format!("    run {}, since {}, tried {tried}{next}{why}", row.run, row.at));
        }
        if rows.is_empty() && !scene.out.json {
            scene.out.line("no message waits");
        }
        Ok(Exit::Ok)
    }
}

impl Retry {
    async fn run(self, scene: &Scene) -> Result<Exit, CliError> {
        let runtime = Runtime::builder(self.place.open()?).build();
        let one = OutQuery { id: Some(self.id.as_str().into()), ..OutQuery::default() };
        if runtime.outbox(one).await?.is_empty() {
            let error = CliError::not_found(format!("there is no message `{}`", self.id));
            return Err(error.hint("list those that are dead with `outbox ls`"));
        }
        runtime.outbox_again(&self.id.as_str().into()).await?;
        if scene.out.json {
            scene.out.object(&json!({ "kind": "again", "id": self.id }));
        } else {
            scene.out.line(format!("{} {}: it leaves with the next worker", paint(GOOD, "let go"), self.id));
        }
        Ok(Exit::Ok)
    }
}
